//! Which of the corpora that have a reader of their own a folder is.

use std::path::{Path, PathBuf};

use super::{EmodbSettings, emodb, iemocap, ravdess};

/// A corpus in its official layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Official {
    /// What people call it.
    pub name: &'static str,
    /// The word of the pipeline file for its reader.
    pub kind: &'static str,
    /// Where its layout begins: the folder itself, one above or one below.
    pub root: PathBuf,
}

/// The corpus that lies at `root` in the layout in which it was published; `None` where it is none
/// of those, or cannot be read.
pub fn official(root: &Path) -> Option<Official> {
    let here = |name, kind| {
        Some(Official {
            name,
            kind,
            root: root.to_owned(),
        })
    };
    if let Some(root) = iemocap::place(root) {
        return Some(Official {
            name: "IEMOCAP",
            kind: "iemocap",
            root,
        });
    }
    if ravdess::read(root).is_ok_and(|listing| !listing.sources.is_empty()) {
        return here("RAVDESS", "ravdess");
    }
    let emodb = emodb::read(root, &EmodbSettings { all_clips: true });
    if emodb.is_ok_and(|listing| !listing.sources.is_empty()) {
        here("EMO-DB", "emodb")
    } else {
        None
    }
}

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
