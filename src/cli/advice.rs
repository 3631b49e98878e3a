//! What to do where the recordings of a pipeline are not there, in the same words wherever that
//! shows.

use std::path::{Path, PathBuf};

use crate::config::{CorpusKind, Pipeline};
use crate::corpus::known::known;
use crate::corpus::synthetic::has_layout;
use crate::error::{Error, Kind};

/// Where corpora lie unless `--corpora-dir` says otherwise.
const CORPORA: &str = "data/corpora";

/// A folder of recordings that is not there.
#[derive(Debug, Clone)]
pub struct Absent {
    pub root: PathBuf,
    kind: &'static str,
    /// Whether it is the root of a corpus of its own, and no part of another.
    pub whole: bool,
}

/// The folders that a pipeline reads and that are not there: of a joined corpus those of its parts.
/// Generated ones are made where they lack.
pub fn absent(pipeline: &Pipeline) -> Vec<Absent> {
    let kind = &pipeline.corpus.kind;
    let all = match kind {
        CorpusKind::Synthetic { .. } => vec![],
        CorpusKind::Joined { root, parts } => parts
            .iter()
            .map(|part| Absent {
                root: part.root(root),
                kind: part.kind.name(),
                whole: false,
            })
            .collect(),
        other => vec![Absent {
            root: other.root().to_owned(),
            kind: other.name(),
            whole: true,
        }],
    };
    all.into_iter().filter(|one| !one.root.is_dir()).collect()
}

impl Absent {
    /// How to get it, or how to say where it lies.
    pub fn advice(&self, corpora_dir: Option<&Path>) -> String {
        let name = self
            .root
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if let Some(meant) = corpora_dir.and_then(|given| self.one_too_deep(given)) {
            return format!(
                "did you mean --corpora-dir {}? It names the folder that holds {name}/",
                super::shell_word(&meant)
            );
        }
        let fetched = self.kind == name && ["ravdess", "emodb", "iemocap"].contains(&self.kind);
        let parent = self.root.parent().unwrap_or(Path::new(""));
        let place = if parent == Path::new(CORPORA) {
            String::new()
        } else {
            format!(" --corpora-dir {}", super::shell_word(&text(parent)))
        };
        let get = match (fetched, self.kind) {
            (true, "iemocap") => format!("ser corpora iemocap{place} says how to ask for it"),
            (true, kind) => format!("ser corpora {kind}{place} fetches it"),
            (false, _) => {
                "put it there, or correct corpus.root in the pipeline file; no command fetches it"
                    .to_owned()
            }
        };
        let get = match known(self.kind).is_some_and(has_layout) {
            true => format!(
                "{get}; a copy of this repository tries it on generated recordings: make demo DATASET={}",
                self.kind
            ),
            false => get,
        };
        let mut elsewhere = Vec::new();
        if self
            .root
            .starts_with(corpora_dir.unwrap_or(Path::new(CORPORA)))
        {
            elsewhere.push(format!("--corpora-dir names the folder that holds {name}/"));
        }
        if self.whole {
            elsewhere.push("corpus.root in the pipeline file names the corpus itself".to_owned());
        }
        if elsewhere.is_empty() {
            get
        } else {
            format!(
                "{get}; where it lies elsewhere, {}",
                elsewhere.join(", or ")
            )
        }
    }

    /// The folder above the one given, where that is the corpus itself.
    fn one_too_deep(&self, given: &Path) -> Option<String> {
        let itself = given.file_name() == self.root.file_name()
            && self.root.starts_with(given)
            && given.is_dir();
        let above = given.parent()?;
        itself.then(|| {
            if above.as_os_str().is_empty() {
                ".".to_owned()
            } else {
                text(above)
            }
        })
    }
}

/// The error of a run with the advice that `doctor` gives as well.
pub fn with_advice(error: Error, pipeline: &Pipeline, corpora_dir: Option<&Path>) -> Error {
    // Where the table of a manifest is not there, its folder of recordings is not what lacks.
    let told = matches!(&pipeline.corpus.kind, CorpusKind::Manifest { path, .. } if !path.exists());
    let absent = if error.kind() == Kind::Missing && !told {
        absent(pipeline)
    } else {
        vec![]
    };
    match absent.as_slice() {
        [] => error,
        [only] => error.hint(only.advice(corpora_dir)),
        several => {
            let each = several
                .iter()
                .map(|one| format!("{}: {}", one.root.display(), one.advice(corpora_dir)));
            error.hint(each.collect::<Vec<_>>().join("; "))
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(root: &str, kind: &'static str, corpora_dir: Option<&str>) -> String {
        Absent {
            root: root.into(),
            kind,
            whole: true,
        }
        .advice(corpora_dir.map(Path::new))
    }

    #[test]
    fn each_corpus_has_its_own_command() {
        assert!(
            advice("data/corpora/ravdess", "ravdess", None)
                .starts_with("ser corpora ravdess fetches it; a copy of this repository tries it on generated recordings: make demo DATASET=ravdess; where it lies elsewhere, --corp")
        );
        assert!(
            advice("/c d/emodb", "emodb", Some("/c d"))
                .starts_with("ser corpora emodb --corpora-dir '/c d' fetches it")
        );
        assert!(
            advice("data/corpora/iemocap", "iemocap", None)
                .starts_with("ser corpora iemocap says how to ask for it")
        );
        for (root, kind) in [
            ("data/corpora/emodb-2s", "emodb"),
            ("mine", "manifest"),
            ("ravdess", "manifest"),
        ] {
            assert!(
                advice(root, kind, None).starts_with("put it there, or correct corpus.root"),
                "{root}"
            );
        }
        assert!(
            !advice("mine", "manifest", None).contains("--corpora-dir"),
            "which has no part in it"
        );
    }

    #[test]
    fn the_corpus_itself_is_not_the_folder_of_corpora() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().join("ravdess");
        std::fs::create_dir(&given).unwrap();
        let said = advice(
            &given.join("ravdess").display().to_string(),
            "ravdess",
            given.to_str(),
        );
        assert!(
            said.starts_with(&format!(
                "did you mean --corpora-dir {}?",
                folder.path().display()
            )),
            "{said}"
        );
        let said = advice(
            &given.join("emodb").display().to_string(),
            "emodb",
            given.to_str(),
        );
        assert!(said.starts_with("ser corpora emodb"), "{said}");
    }
}
