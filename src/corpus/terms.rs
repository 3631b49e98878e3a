//! On which terms the corpora may be used that have a reader of their own, and what their authors
//! ask to cite.

/// What a corpus asks of whoever uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// In words.
    pub licence: &'static str,
    /// In words that a bibliography knows an entry by.
    pub citation: &'static str,
}

/// The terms of the corpus that a reader is made for, by the reader's name; `None` for a manifest
/// of any corpus.
pub fn terms(reader: &str) -> Option<Terms> {
    Some(match reader {
        "ravdess" => Terms {
            licence: "CC BY-NC-SA 4.0: no commercial use, share alike",
            citation: "Livingstone and Russo 2018, doi 10.1371/journal.pone.0196391",
        },
        "emodb" => Terms {
            licence: "no terms are stated; the authors ask to be cited",
            citation: "Burkhardt et al. 2005, A database of German emotional speech",
        },
        "iemocap" => Terms {
            licence: "a signed licence, which forbids passing the recordings on",
            citation: "Busso et al. 2008, IEMOCAP: interactive emotional dyadic motion capture database",
        },
        _ => return None,
    })
}
