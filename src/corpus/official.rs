//! Which of the corpora that have a reader of their own a folder is.

use std::path::{Path, PathBuf};

use super::known::{known, recognise};
use super::walk::{AUDIO, walk};
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
        return here("EMO-DB", "emodb");
    }
    let files = walk(root, "", AUDIO).ok()?.files;
    let corpus = recognise(&files, Some(root))?;
    here(&corpus.name, corpus.kind)
}

/// What a corpus asks of whoever uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// In words.
    pub licence: &'static str,
    /// In words that a bibliography knows an entry by.
    pub citation: &'static str,
}

/// The terms of the corpus of a kind; `None` for a manifest of any corpus.
pub fn terms(kind: &str) -> Option<Terms> {
    let corpus = known(kind)?;
    Some(Terms {
        licence: corpus
            .licence
            .as_deref()
            .unwrap_or("not known to this program"),
        citation: &corpus.citation,
    })
}
