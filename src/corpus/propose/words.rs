//! Words for emotions in several languages, and the short codes that corpora use, each with the class it stands for.

/// Class and the words for it, lower case and without accents. Codes of up to four letters are those of CREMA-D, IEMOCAP, EMOVO and others.
const WORDS: [(&str, &[&str]); 13] = [
    (
        "anger",
        &[
            "anger",
            "angry",
            "ang",
            "wut",
            "aerger",
            "arger",
            "zorn",
            "wuetend",
            "wutend",
            "colere",
            "colère",
            "rabbia",
            "rab",
            "ira",
            "enojo",
            "enfado",
            "raiva",
            "zlosc",
            "gniew",
            "ofke",
            "kizgin",
            "kizginlik",
            "zlost",
            "gnev",
            "boos",
            "woede",
        ],
    ),
    ("boredom", &["boredom", "bored", "bor", "langeweile", "ennui", "noia", "aburrimiento", "tedio", "nuda", "skuka"]),
    ("calm", &["calm", "cal", "calmness", "ruhe", "ruhig", "calme", "calma", "spokoj", "sakin", "spokojstvie"]),
    ("contempt", &["contempt", "con", "verachtung", "mepris", "disprezzo", "desprecio", "desprezo", "pogarda"]),
    (
        "disgust",
        &[
            "disgust",
            "disgusted",
            "dis",
            "ekel",
            "degout",
            "disgusto",
            "asco",
            "nojo",
            "wstret",
            "obrzydzenie",
            "tiksinti",
            "igrenme",
            "otvraschenie",
        ],
    ),
    ("excitement", &["excitement", "excited", "exc", "aufregung", "excitation", "emozione", "emocion"]),
    (
        "fear",
        &[
            "fear", "fearful", "fea", "afraid", "scared", "anxiety", "anx", "angst", "furcht", "peur", "paura", "pau", "miedo", "medo",
            "strach", "korku", "strakh",
        ],
    ),
    ("frustration", &["frustration", "frustrated", "fru"]),
    (
        "happiness",
        &[
            "happiness",
            "happy",
            "hap",
            "joy",
            "joyful",
            "freude",
            "froehlich",
            "frohlich",
            "glueck",
            "joie",
            "heureux",
            "gioia",
            "gio",
            "felicita",
            "alegria",
            "felicidad",
            "felicidade",
            "feliz",
            "radosc",
            "szczescie",
            "mutlu",
            "mutluluk",
            "sevinc",
            "radost",
            "blij",
        ],
    ),
    ("neutral", &["neutral", "neu", "neutrality", "neutre", "neutrale", "neutro", "neutralny", "notr", "neytralno", "normal", "none"]),
    (
        "sadness",
        &[
            "sadness",
            "sad",
            "trauer",
            "traurig",
            "traurigkeit",
            "tristesse",
            "triste",
            "tristezza",
            "tri",
            "tristeza",
            "smutek",
            "uzgun",
            "uzuntu",
            "grust",
            "pechal",
            "verdriet",
        ],
    ),
    (
        "surprise",
        &[
            "surprise",
            "surprised",
            "sur",
            "sor",
            "ueberraschung",
            "uberraschung",
            "sorpresa",
            "surpresa",
            "zaskoczenie",
            "saskin",
            "saskinlik",
            "udivlenie",
            "ps",
        ],
    ),
    ("sarcasm", &["sarcasm", "sarcastic", "ironie", "irony", "ironia"]),
];

/// The class that a word stands for, whatever its case and accents.
pub(super) fn emotion(word: &str) -> Option<&'static str> {
    let plain = plain(word);
    WORDS.iter().find(|(_, words)| words.contains(&plain.as_str())).map(|(class, _)| *class)
}

/// Lower case without the accents of European languages.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => out.push('a'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' | 'ı' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => out.push('o'),
            'ś' | 'ş' | 'š' => out.push('s'),
            'ß' => out.push_str("ss"),
            'ù' | 'ú' | 'û' | 'ü' | 'ů' => out.push('u'),
            'ý' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            // The dot that a capital I of Turkish leaves behind.
            '\u{307}' => {}
            'ğ' => out.push('g'),
            c => out.push(c),
        }
    }
    out
}

/// Whether a word says that what follows is a speaker.
pub(super) fn is_speaker_word(word: &str) -> bool {
    const WORDS: [&str; 12] =
        ["speaker", "spk", "spkr", "actor", "actress", "subject", "sub", "subj", "participant", "sprecher", "locuteur", "speakerid"];
    let letters = plain(word.trim_end_matches(|c: char| c.is_ascii_digit() || "-_ ".contains(c)));
    WORDS.contains(&letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_languages_name_one_class() {
        for (class, words) in [
            ("anger", ["ANG", "Wut", "colère", "kızgın"]),
            ("happiness", ["Freude", "GIOIA", "radość", "Sevinç"]),
            ("sadness", ["triste", "Traurigkeit", "smutek", "üzgün"]),
        ] {
            assert!(words.iter().all(|word| emotion(word) == Some(class)), "{class}");
        }
        assert_eq!(emotion("table"), None);
    }

    #[test]
    fn no_word_stands_for_two_classes() {
        let mut seen = std::collections::BTreeSet::new();
        for word in WORDS.iter().flat_map(|(_, words)| *words) {
            assert!(seen.insert(plain(word)) || plain(word) != **word, "{word}");
        }
    }

    #[test]
    fn speakers_are_called_many_things() {
        assert!(["Speaker_01", "spk3", "Actor", "sprecher-7"].iter().all(|word| is_speaker_word(word)));
        assert!(!["sad", "s1", "session"].iter().any(|word| is_speaker_word(word)));
    }
}
