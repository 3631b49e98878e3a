//! What to cite for a report: the method, the corpus, the sources of the published figures, and
//! this program.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::compare;
use super::data::PipelineReport;
use super::latex;

/// An entry that is known by heart; `marks` are words of a citation that stand for it.
struct Known {
    key: &'static str,
    marks: &'static [&'static str],
    entry: &'static str,
}

const KNOWN: [Known; 5] = [
    Known {
        key: "issa2020speech",
        marks: &["10.1016/j.bspc.2020.101894"],
        entry: "@article{issa2020speech,\n  author = {Issa, Dias and Demirci, M. Fatih and Yazici, Adnan},\n  title = {Speech emotion recognition with deep convolutional neural networks},\n  journal = {Biomedical Signal Processing and Control},\n  volume = {59},\n  pages = {101894},\n  year = {2020},\n  doi = {10.1016/j.bspc.2020.101894}\n}\n",
    },
    Known {
        key: "livingstone2018ryerson",
        marks: &["Livingstone and Russo 2018"],
        entry: "@article{livingstone2018ryerson,\n  author = {Livingstone, Steven R. and Russo, Frank A.},\n  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS})},\n  journal = {PLOS ONE},\n  volume = {13},\n  number = {5},\n  pages = {e0196391},\n  year = {2018},\n  doi = {10.1371/journal.pone.0196391}\n}\n",
    },
    Known {
        key: "burkhardt2005database",
        marks: &["Burkhardt et al. 2005"],
        entry: "@inproceedings{burkhardt2005database,\n  author = {Burkhardt, Felix and Paeschke, Astrid and Rolfes, Miriam and Sendlmeier, Walter F. and Weiss, Benjamin},\n  title = {A database of {German} emotional speech},\n  booktitle = {Interspeech},\n  pages = {1517--1520},\n  year = {2005}\n}\n",
    },
    Known {
        key: "busso2008iemocap",
        marks: &["Busso et al. 2008"],
        entry: "@article{busso2008iemocap,\n  author = {Busso, Carlos and Bulut, Murtaza and Lee, Chi-Chun and Kazemzadeh, Abe and Mower, Emily and Kim, Samuel and Chang, Jeannette N. and Lee, Sungbok and Narayanan, Shrikanth S.},\n  title = {{IEMOCAP}: interactive emotional dyadic motion capture database},\n  journal = {Language Resources and Evaluation},\n  volume = {42},\n  number = {4},\n  pages = {335--359},\n  year = {2008}\n}\n",
    },
    Known {
        key: "ma2024emobox",
        marks: &["2406.07162"],
        entry: "@inproceedings{ma2024emobox,\n  author = {Ma, Ziyang and others},\n  title = {{EmoBox}: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark},\n  booktitle = {Interspeech},\n  year = {2024},\n  eprint = {2406.07162},\n  archiveprefix = {arXiv}\n}\n",
    },
];

fn known(source: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.marks.iter().any(|mark| source.contains(mark)))
}

/// The citation key of a source.
pub(super) fn key(source: &str) -> String {
    if let Some(known) = known(source) {
        return known.key.to_owned();
    }
    let mut key = String::new();
    for c in source.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => key.push(c.to_ascii_lowercase()),
            _ if !key.is_empty() && !key.ends_with('-') => key.push('-'),
            _ => {}
        }
    }
    let key = key.trim_end_matches('-');
    if key.is_empty() {
        "source".to_owned()
    } else {
        key.chars().take(60).collect()
    }
}

/// The bibliography, ordered by key.
pub(super) fn references(report: &PipelineReport) -> String {
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    if !compare::generated(report) {
        entries.insert(KNOWN[0].key.to_owned(), KNOWN[0].entry.to_owned());
    }
    if let Some(corpus) = report.corpus.as_ref().filter(|corpus| !corpus.generated) {
        for reference in &corpus.references {
            if let Some(own) = reference
                .strip_prefix('@')
                .and_then(|rest| rest.split_once('{')?.1.split_once(','))
            {
                entries.insert(own.0.trim().to_owned(), format!("{reference}\n"));
            } else {
                let (key, entry) = of_words(reference);
                entries.insert(key, entry);
            }
        }
    }
    for figure in compare::published(report) {
        let (key, entry) = of_words(&figure.source);
        entries.insert(key, entry);
    }
    let version = report
        .versions
        .get("ser")
        .map(String::as_str)
        .unwrap_or_default();
    // A corpus may have taken the key.
    let own = if entries.contains_key("ser") {
        "ser-program"
    } else {
        "ser"
    };
    let program = format!(
        "@software{{{own},\n  title = {{ser: reproducible speech-emotion-recognition results from corpora of recorded speech}},\n  version = {{{}}}\n}}\n",
        escape(version)
    );
    entries.insert(own.to_owned(), program);
    let mut out = String::from("% Written by ser: what to cite for this report.\n");
    for entry in entries.values() {
        let _ = write!(out, "\n{entry}");
    }
    out
}

/// The key and the entry of a source that is named in words.
fn of_words(source: &str) -> (String, String) {
    let key = key(source);
    let entry = known(source).map_or_else(|| unknown(&key, source), |known| known.entry.to_owned());
    (key, entry)
}

/// Text in a BibTeX field: braces balance whatever stands before them.
fn escape(text: &str) -> String {
    latex::escape(text)
        .replace("\\{", "\\textbraceleft{}")
        .replace("\\}", "\\textbraceright{}")
}

/// A source of which nothing is known but its name.
fn unknown(key: &str, source: &str) -> String {
    let words = source.split_whitespace().collect::<Vec<_>>();
    let arxiv = words
        .windows(2)
        .find_map(|pair| (pair[0] == "arXiv").then_some(pair[1]));
    let more = match (arxiv, words.as_slice()) {
        (Some(number), _) => format!(
            "  eprint = {{{}}},\n  archiveprefix = {{arXiv}},\n",
            escape(number)
        ),
        (None, [address]) if address.contains('/') => {
            format!("  howpublished = {{{}}},\n", escape(address))
        }
        _ => String::new(),
    };
    format!(
        "@misc{{{key},\n  title = {{{}}},\n{more}  note = {{complete this entry: only its name is known}}\n}}\n",
        escape(source)
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn every_source_has_one_entry_and_the_corpus_its_own() {
        let report = fixture::recorded();
        let bib = references(&report);
        for key in ["issa2020speech", "livingstone2018ryerson", "ser"] {
            assert_eq!(bib.matches(&format!("{{{key},")).count(), 1, "{key}");
        }
        assert_eq!(bib.matches('{').count(), bib.matches('}').count());
        let generated = references(&fixture::generated());
        assert!(!generated.contains("livingstone2018"));
    }

    #[test]
    fn a_corpus_brings_entries_and_words_of_its_own() {
        let mut report = fixture::recorded();
        report.corpus.as_mut().unwrap().references = vec![
            "@misc{a,\n  x = {}\n}\n@misc{b,}".into(),
            "Doe {2020}: a corpus".into(),
        ];
        let bib = references(&report);
        assert!(
            bib.contains("\n@misc{a,\n  x = {}\n}\n@misc{b,}\n")
                && bib.contains("@misc{doe-2020-a-corpus,"),
            "{bib}"
        );
        assert!(
            !bib.contains("livingstone2018")
                && bib.matches('{').count() == bib.matches('}').count()
        );
    }

    #[test]
    fn sources_that_nobody_knows_are_named_and_stay_text() {
        assert_eq!(key("arXiv 2111.02735"), "arxiv-2111-02735");
        assert!(unknown("k", "arXiv 2111.02735").contains("eprint = {2111.02735}"));
        assert!(unknown("k", "github.com/a/b_c").contains("howpublished = {github.com/a/b\\_c}"));
        assert_eq!(key("}\n@evil{"), "evil");
        assert!(
            unknown("evil", "}\n@evil{")
                .contains("title = {\\textbraceright{} @evil\\textbraceleft{}}")
        );
    }
}
