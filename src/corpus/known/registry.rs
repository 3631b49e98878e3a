//! The corpora that are known, each a file of `corpora/`.

use std::sync::LazyLock;

use super::description::Description;

macro_rules! corpora {
    ($($kind:literal)*) => {
        /// Kind and description, in the order of the alphabet.
        const FILES: &[(&str, &str)] = &[$(($kind, include_str!(concat!("corpora/", $kind, ".toml")))),*];
    };
}

corpora! {
    "aesdd"
    "ased"
    "asvp-esd"
    "banglaser"
    "cafe"
    "casia"
    "crema-d"
    "emns"
    "emodb"
    "emotale"
    "emov-db"
    "emovo"
    "emozionalmente"
    "enterface"
    "esd"
    "iemocap"
    "jl-corpus"
    "mead"
    "meld"
    "mer2023"
    "mesd"
    "msp-improv"
    "msp-podcast"
    "nemo"
    "oreau"
    "pavoque"
    "polish"
    "ravdess"
    "ravdess-song"
    "resd"
    "savee"
    "shemo"
    "subesco"
    "tess"
    "turev-db"
    "urdu"
}

static CORPORA: LazyLock<Vec<Description>> = LazyLock::new(|| {
    let read = |(kind, text): &(&'static str, &str)| {
        let corpus: Description = toml::from_str(text).ok()?;
        Some(Description { kind, ..corpus })
    };
    FILES.iter().filter_map(read).collect()
});

/// All known corpora, in the order of their kinds.
pub fn all() -> &'static [Description] {
    &CORPORA
}

/// The known corpus of this kind.
pub fn known(kind: &str) -> Option<&'static Description> {
    all().iter().find(|corpus| corpus.kind == kind)
}

/// Those that are read by their descriptions, and not by a reader of their own.
pub fn by_description() -> impl Iterator<Item = &'static Description> {
    all().iter().filter(|corpus| corpus.names.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_can_be_read() {
        for (kind, text) in FILES {
            if let Err(error) = toml::from_str::<Description>(text) {
                panic!("{kind}: {error}");
            }
        }
        assert!(FILES.is_sorted_by_key(|(kind, _)| kind));
        for corpus in all() {
            let total: usize = corpus.expected.classes.values().sum();
            let is_whole =
                corpus.expected.classes.is_empty() || total == corpus.expected.utterances;
            assert!(is_whole, "{}: {total}", corpus.kind);
        }
    }
}
