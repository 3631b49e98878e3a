//! Guesses about the parts of a joined corpus that stand in the pipeline files of these parts.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::corpus::{CorpusKind, CorpusSettings};
use super::joined::PartKind;
use super::section::moved;
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
/// a speaker whom nobody has confirmed there is not confirmed by being joined. `corpora_dir` stands
/// for `data/corpora` at the front of their paths, as in `file`.
pub(super) fn of_parts(corpus: &mut CorpusSettings, file: &Path, corpora_dir: Option<&Path>) {
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
        let own = other
            .path
            .and_then(|path| fs::canonicalize(moved(&path, corpora_dir)).ok());
        if other.kind == "manifest" && own.is_some_and(|path| manifests.contains(&path)) {
            corpus.guessed.extend(other.guessed);
        }
    }
    corpus.guessed.sort();
    corpus.guessed.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{SHIPPED, load};

    #[test]
    fn guesses_of_parts_count_wherever_corpora_lie() {
        let dir = tempfile::tempdir().unwrap();
        let (corpora, pipelines) = (dir.path().join("elsewhere"), dir.path().join("pipelines"));
        fs::create_dir_all(corpora.join("mine")).unwrap();
        fs::create_dir_all(&pipelines).unwrap();
        fs::write(corpora.join("mine/manifest.csv"), "").unwrap();
        fs::write(
            pipelines.join("mine.toml"),
            "[corpus]\nkind = \"manifest\"\npath = \"data/corpora/mine/manifest.csv\"\nguessed = [\"speaker\"]\n",
        )
        .unwrap();
        let both = pipelines.join("both.toml");
        let text = SHIPPED
            .iter()
            .find(|(name, _)| *name == "cross-corpus")
            .map(|(_, text)| *text)
            .unwrap();
        let part = "{ kind = \"manifest\", name = \"mine\", label_map = { anger = \"anger\" } },";
        fs::write(
            &both,
            text.replace("parts = [", &format!("parts = [\n{part}")),
        )
        .unwrap();
        let guessed = |corpora_dir| load(&both, &[], corpora_dir).unwrap().corpus.guessed;
        assert_eq!(guessed(Some(&corpora)), [Attribute::Speaker]);
        assert_eq!(guessed(None), []);
    }
}
