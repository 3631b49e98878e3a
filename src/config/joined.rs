//! The parts of a joined corpus, whose classes are brought together by label maps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::check::Refusal;
use super::known::{self, KnownPart};
use super::schema::{distinct, texts};
use super::section::Section;
use crate::corpus::Attribute;
use crate::error::Result;
use crate::text::composed;

/// One corpus of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorpusPart {
    /// Unique among the parts; stands before ids, speakers and sentences, and names the fold that
    /// tests this corpus.
    #[serde(default)]
    #[schemars(extend("format" = "name", "x-default" = "the kind"))]
    pub name: String,
    /// Folder of the recordings, below the root of the whole.
    #[serde(default)]
    #[schemars(extend("format" = "path below the root", "x-default" = "the name"))]
    pub folder: String,
    /// Folder of the recordings of a manifest that lie elsewhere, in place of `folder`.
    #[serde(skip_serializing)]
    #[schemars(extend("format" = "path"))]
    pub root: Option<PathBuf>,
    /// From the corpus's own labels to the shared classes; labels that are not in it are excluded
    /// and counted.
    #[serde(deserialize_with = "label_map")]
    #[schemars(transform = texts, extend("minProperties" = 1))]
    pub label_map: BTreeMap<String, String>,
    /// Attributes that nobody has confirmed; they count for the whole corpus.
    #[serde(default, skip_serializing)]
    #[schemars(transform = distinct)]
    pub(super) guessed: Vec<Attribute>,
    /// The reader.
    #[serde(flatten)]
    pub kind: PartKind,
}

/// The reader of one corpus of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(transform = known::as_part)]
pub enum PartKind {
    /// RAVDESS speech.
    Ravdess,
    /// EMO-DB, first release.
    Emodb,
    /// Any other, by a table of its files.
    Manifest {
        /// Table of the files: below the folder of the part, or as it stands where the part has a
        /// root of its own.
        #[serde(default)]
        #[schemars(extend("format" = "path", "x-default" = "`manifest.csv`"))]
        path: String,
    },
    /// A database in audformat.
    Audformat,
    /// A corpus that is known by name.
    #[serde(untagged)]
    #[schemars(skip)]
    Known(KnownPart),
}

/// Labels in one Unicode form.
pub(super) fn label_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(map
        .into_iter()
        .map(|(from, to)| (composed(&from), composed(&to)))
        .collect())
}

impl CorpusPart {
    /// The folder of its recordings; `root` is that of the whole.
    pub fn root(&self, root: &Path) -> PathBuf {
        self.root.clone().unwrap_or_else(|| root.join(&self.folder))
    }

    /// The table of its files, where it has one; `root` is that of the whole.
    pub fn manifest(&self, root: &Path) -> Option<PathBuf> {
        match &self.kind {
            PartKind::Manifest { path } if self.root.is_some() => Some(path.into()),
            PartKind::Manifest { path } => Some(self.root(root).join(path)),
            _ => None,
        }
    }
}

impl PartKind {
    /// The word of a pipeline file.
    pub fn name(&self) -> &'static str {
        match self {
            PartKind::Ravdess => "ravdess",
            PartKind::Emodb => "emodb",
            PartKind::Manifest { .. } => "manifest",
            PartKind::Audformat => "audformat",
            PartKind::Known(one) => one.kind.corpus().kind,
        }
    }
}

/// Keys of a part that its others rule out.
pub(super) fn ruled_out(part: &Section<'_>, key: &str) -> Option<Refusal> {
    let (why, hint) = match key {
        "root" if part.word("kind").is_some_and(|kind| kind != "manifest") => (
            "only a part of kind `manifest` has a `root` of its own",
            "name its folder below corpus.root with `folder`",
        ),
        "folder" if part.has("root") => (
            "`folder` and `root` both say where the recordings lie",
            "keep one of them",
        ),
        _ => return None,
    };
    Some(Refusal {
        why: why.to_owned(),
        hint: hint.to_owned(),
    })
}

/// Fills in names and paths, and adds the guesses of each part to those of the whole.
pub(super) fn finish(
    parts: &mut [CorpusPart],
    guessed: &mut Vec<Attribute>,
    corpus: &Section<'_>,
    corpora_dir: Option<&Path>,
) -> Result<()> {
    for (i, written) in corpus.sections("parts").enumerate() {
        let (earlier, rest) = parts.split_at_mut(i);
        let Some(part) = rest.first_mut() else { break };
        if part.name.is_empty() {
            part.name = part.kind.name().to_owned();
        }
        if earlier.iter().any(|other| other.name == part.name) {
            let message = format!("two parts are called `{}`", part.name);
            return Err(written
                .error("name", message)
                .hint("give each part a `name` of its own"));
        }
        if part.folder.is_empty() {
            part.folder.clone_from(&part.name);
        }
        guessed.append(&mut part.guessed);
        if part.label_map.is_empty() {
            return Err(written.error(
                "label_map",
                "an empty `label_map` leaves every utterance aside",
            ));
        }
        let PartKind::Manifest { path } = &mut part.kind else {
            continue;
        };
        if let Some(root) = &mut part.root {
            *root = written.moved("root", root, corpora_dir);
            if path.is_empty() {
                let error = written.error(
                    "path",
                    "a manifest with a `root` of its own needs the key `path`",
                );
                return Err(error
                    .hint("add `path = …`, as in the pipeline file that `ser corpus init` wrote"));
            }
            *path = written
                .moved("path", Path::new(path), corpora_dir)
                .to_string_lossy()
                .into_owned();
        } else if path.is_empty() {
            "manifest.csv".clone_into(path);
        } else if let Err(wrong) = super::format::check("path below the root", "path", path) {
            return Err(written.error("path", wrong.what).hint(wrong.hint));
        }
    }
    Ok(())
}
