//! A corpus of several corpora, whose classes are brought together by label maps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::check::{Context, guessed, label_map, span};
use super::raw::{Key, Table};
use crate::corpus::Attribute;
use crate::error::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawPartKind {
    Ravdess,
    Emodb,
    Manifest,
}

/// One corpus of several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPart {
    kind: Spanned<RawPartKind>,
    name: Key<String>,
    folder: Key<String>,
    root: Key<String>,
    path: Key<String>,
    label_map: Spanned<BTreeMap<String, Spanned<String>>>,
    guessed: Key<Vec<Spanned<String>>>,
}

/// One corpus of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorpusPart {
    /// File-name-safe, unique among the parts: stands before ids, speakers and sentences, and names
    /// the fold that tests this corpus.
    pub name: String,
    /// Below the root of the whole.
    pub folder: String,
    /// Of a manifest whose recordings lie elsewhere: their folder, in place of `folder`.
    #[serde(skip)]
    pub root: Option<PathBuf>,
    /// From the corpus's own labels to shared classes; what is not in it is left aside.
    pub label_map: BTreeMap<String, String>,
    /// The reader.
    #[serde(flatten)]
    pub kind: PartKind,
}

/// The reader of one corpus of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PartKind {
    /// RAVDESS speech.
    Ravdess,
    /// EMO-DB, first release.
    Emodb,
    /// Any other, by a table of its files.
    Manifest {
        /// Of the table: below the folder of the part, or as it stands where the part has a root of
        /// its own.
        path: String,
    },
}

impl CorpusPart {
    /// The folder of its recordings; `root` is that of the whole.
    pub fn root(&self, root: &Path) -> PathBuf {
        self.root.clone().unwrap_or_else(|| root.join(&self.folder))
    }
}

impl PartKind {
    /// The word of a pipeline file.
    pub fn name(&self) -> &'static str {
        match self {
            PartKind::Ravdess => "ravdess",
            PartKind::Emodb => "emodb",
            PartKind::Manifest { .. } => "manifest",
        }
    }
}

/// Checks the parts of a joined corpus; adds what is guessed of any part to `guesses`.
pub(super) fn parts(
    raw: Key<Vec<Table<RawPart>>>,
    place: std::ops::Range<usize>,
    guesses: &mut Vec<Attribute>,
    context: &Context<'_>,
) -> Result<Vec<CorpusPart>> {
    let place = span(&raw).unwrap_or(place);
    let raw = raw.map_or_else(Vec::new, Spanned::into_inner);
    if raw.len() < 2 {
        let error = context
            .texts
            .error(&place, "a joined corpus needs two parts or more");
        return Err(error.hint("write parts = [ { kind = \"ravdess\", label_map = { … } }, { kind = \"emodb\", label_map = { … } } ]"));
    }
    let mut parts: Vec<CorpusPart> = Vec::new();
    for Table(raw) in raw {
        let word = match raw.kind.get_ref() {
            RawPartKind::Ravdess => "ravdess",
            RawPartKind::Emodb => "emodb",
            RawPartKind::Manifest => "manifest",
        };
        let named = raw.name.as_ref().map_or(raw.kind.span(), Spanned::span);
        let name = raw
            .name
            .map_or_else(|| Ok(word.to_owned()), |name| context.name("name", &name))?;
        if parts.iter().any(|part| part.name == name) {
            let error = context
                .texts
                .error(&named, format!("two parts are called `{name}`"));
            return Err(error.hint("give each part a `name` of its own"));
        }
        let root = root(*raw.kind.get_ref(), raw.root, &raw.folder, context)?;
        let folder = below("folder", raw.folder, &name, context)?;
        let kind = match (raw.kind.get_ref(), raw.path) {
            (RawPartKind::Manifest, Some(path)) if root.is_some() => PartKind::Manifest {
                path: context
                    .folder("path", Some(path), "")?
                    .to_string_lossy()
                    .into_owned(),
            },
            (RawPartKind::Manifest, None) if root.is_some() => {
                let error = context.texts.error(
                    &raw.kind.span(),
                    "a manifest with a `root` of its own needs the key `path`",
                );
                return Err(error
                    .hint("add `path = …`, as in the pipeline file that `ser corpus init` wrote"));
            }
            (RawPartKind::Manifest, path) => PartKind::Manifest {
                path: below("path", path, "manifest.csv", context)?,
            },
            (_, Some(path)) => {
                return Err(context.texts.error(
                    &path.span(),
                    "`path` is the table of a manifest, and this part is none",
                ));
            }
            (RawPartKind::Ravdess, None) => PartKind::Ravdess,
            (RawPartKind::Emodb, None) => PartKind::Emodb,
        };
        guesses.extend(guessed(raw.guessed, context)?);
        let map_place = raw.label_map.span();
        let label_map = label_map(raw.label_map.into_inner(), context)?;
        if label_map.is_empty() {
            return Err(context.texts.error(
                &map_place,
                "an empty `label_map` leaves every utterance aside",
            ));
        }
        parts.push(CorpusPart {
            name,
            folder,
            root,
            label_map,
            kind,
        });
    }
    Ok(parts)
}

/// The folder of the recordings of a manifest that lies elsewhere, as in a corpus of that kind.
fn root(
    kind: RawPartKind,
    root: Key<String>,
    folder: &Key<String>,
    context: &Context<'_>,
) -> Result<Option<PathBuf>> {
    let Some(place) = span(&root) else {
        return Ok(None);
    };
    if kind != RawPartKind::Manifest {
        let error = context.texts.error(
            &place,
            "only a part of kind `manifest` has a `root` of its own",
        );
        return Err(error.hint("name its folder below corpus.root with `folder`"));
    }
    if let Some(place) = span(folder) {
        return Err(context
            .texts
            .error(
                &place,
                "`folder` and `root` both say where the recordings lie",
            )
            .hint("keep one of them"));
    }
    context.folder("root", root, "").map(Some)
}

/// A path that stays below what it is relative to, `/`-separated.
fn below(key: &str, value: Key<String>, default: &str, context: &Context<'_>) -> Result<String> {
    let Some(value) = value else {
        return Ok(default.to_owned());
    };
    let place = value.span();
    let text = context.text(key, value)?;
    let stays = text
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..")
        && !text.contains(['\\', ':']);
    if stays {
        return Ok(text);
    }
    Err(context
        .texts
        .error(&place, format!("`{key}` does not lie below corpus.root"))
        .hint("write a relative path of plain names, such as a/b"))
}
