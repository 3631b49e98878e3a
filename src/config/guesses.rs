//! Guesses about the parts of a joined corpus that stand in the pipeline files of these parts.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::corpus::{CorpusKind, CorpusSettings};
use super::joined::PartKind;
use crate::corpus::Attribute;

/// What of another pipeline file matters here.
#[derive(Deserialize)]
struct File {
    corpus: Corpus,
}

#[derive(Deserialize)]
struct Corpus {
    kind: String,
    path: Option<PathBuf>,
    #[serde(default)]
    guessed: Vec<Attribute>,
}

/// Adds the guesses that pipeline files in the folder of `file` have of a manifest that is a part:
/// a speaker whom nobody has confirmed there is not confirmed by being joined.
pub(super) fn of_parts(corpus: &mut CorpusSettings, file: &Path) {
    let CorpusKind::Joined { root, parts } = &corpus.kind else {
        return;
    };
    let manifest = |kind: &PartKind| match kind {
        PartKind::Manifest { path } => Some(PathBuf::from(path)),
        _ => None,
    };
    let manifests: Vec<PathBuf> = parts
        .iter()
        .filter_map(|part| {
            let path = manifest(&part.kind)?;
            let path = match part.root {
                Some(_) => path,
                None => part.root(root).join(path),
            };
            fs::canonicalize(path).ok()
        })
        .collect();
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let Ok(File { corpus: other }) = toml::from_str(&text) else {
            continue;
        };
        let own = other.path.and_then(|path| fs::canonicalize(path).ok());
        if other.kind == "manifest" && own.is_some_and(|path| manifests.contains(&path)) {
            corpus.guessed.extend(other.guessed);
        }
    }
    corpus.guessed.sort();
    corpus.guessed.dedup();
}
