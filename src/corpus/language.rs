//! Languages: tags of BCP 47, as manifests have them, and the codes of ISO 639-3, as audformat has
//! them.

/// Codes of ISO 639-1 with those of ISO 639-3 that mean the same.
const CODES: [[&str; 2]; 74] = [
    ["af", "afr"],
    ["am", "amh"],
    ["ar", "ara"],
    ["bg", "bul"],
    ["bn", "ben"],
    ["bs", "bos"],
    ["ca", "cat"],
    ["cs", "ces"],
    ["cy", "cym"],
    ["da", "dan"],
    ["de", "deu"],
    ["el", "ell"],
    ["en", "eng"],
    ["es", "spa"],
    ["et", "est"],
    ["eu", "eus"],
    ["fa", "fas"],
    ["fi", "fin"],
    ["fr", "fra"],
    ["ga", "gle"],
    ["gl", "glg"],
    ["gu", "guj"],
    ["ha", "hau"],
    ["he", "heb"],
    ["hi", "hin"],
    ["hr", "hrv"],
    ["hu", "hun"],
    ["hy", "hye"],
    ["id", "ind"],
    ["ig", "ibo"],
    ["is", "isl"],
    ["it", "ita"],
    ["ja", "jpn"],
    ["ka", "kat"],
    ["kk", "kaz"],
    ["kn", "kan"],
    ["ko", "kor"],
    ["lt", "lit"],
    ["lv", "lav"],
    ["mk", "mkd"],
    ["ml", "mal"],
    ["mn", "mon"],
    ["mr", "mar"],
    ["ms", "msa"],
    ["mt", "mlt"],
    ["nb", "nob"],
    ["ne", "nep"],
    ["nl", "nld"],
    ["nn", "nno"],
    ["no", "nor"],
    ["pa", "pan"],
    ["pl", "pol"],
    ["ps", "pus"],
    ["pt", "por"],
    ["ro", "ron"],
    ["ru", "rus"],
    ["sk", "slk"],
    ["sl", "slv"],
    ["sq", "sqi"],
    ["sr", "srp"],
    ["sv", "swe"],
    ["sw", "swa"],
    ["ta", "tam"],
    ["te", "tel"],
    ["th", "tha"],
    ["tl", "tgl"],
    ["tr", "tur"],
    ["uk", "ukr"],
    ["ur", "urd"],
    ["uz", "uzb"],
    ["vi", "vie"],
    ["yo", "yor"],
    ["zh", "zho"],
    ["zu", "zul"],
];

/// The code of ISO 639-3 for a tag (`en-NZ` is `eng`): one of three letters is that already.
pub fn iso_639_3(tag: &str) -> Option<String> {
    let primary = tag.split('-').next()?.to_ascii_lowercase();
    let known = CODES.iter().find(|[short, _]| *short == primary);
    let is_code = primary.len() == 3 && primary.bytes().all(|b| b.is_ascii_lowercase());
    known
        .map(|[_, long]| (*long).to_owned())
        .or(is_code.then_some(primary))
}

/// The tag of a code of ISO 639-3: BCP 47 wants the shorter code where there are two.
pub fn tag(code: &str) -> &str {
    let codes = CODES.iter().find(|[_, long]| *long == code);
    codes.map_or(code, |[short, _]| short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_codes_mean_each_other() {
        for (language, code) in [
            ("en-NZ", "eng"),
            ("DE", "deu"),
            ("urd", "urd"),
            ("cmn-CN", "cmn"),
        ] {
            assert_eq!(iso_639_3(language).as_deref(), Some(code), "{language}");
        }
        assert_eq!((iso_639_3("xx"), iso_639_3("german")), (None, None));
        assert_eq!((tag("deu"), tag("cmn"), tag("de")), ("de", "cmn", "de"));
        assert!(CODES.is_sorted());
    }
}
