//! `[corpus]`: the recordings, the part of them that is used, and their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::check::Refusal;
use super::joined::{self, CorpusPart, label_map};
use super::known::{self, KnownCorpus};
use super::schema::{distinct, texts, without};
use super::section::{CORPORA, Section};
use super::source::{shorten, suggestion};
use crate::audio::Windows;
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::corpus::known::Description;
use crate::corpus::{self, Attribute, Subset, SubsetRule};
use crate::error::Result;
use crate::text::composed;

const RAVDESS: [&str; 8] = [
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
];
const EMODB: [&str; 7] = [
    "anger",
    "boredom",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "neutral",
];
const IEMOCAP: [&str; 4] = ["anger", "happiness", "neutral", "sadness"];

/// A corpus and the part of it that is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CorpusSettings {
    /// Name of the corpus in tables.
    #[serde(default)]
    #[schemars(extend("format" = "name", "x-default" = "the kind"))]
    pub name: String,
    /// Classes to use, at least two; overridden for a run, they stand in the title, and the
    /// published figures of the file are left out.
    #[serde(default)]
    #[schemars(transform = distinct, transform = texts, extend("x-default" = "empty: all"))]
    pub labels: Vec<String>,
    /// From the corpus's own labels to classes, several of which may become one; labels that are
    /// not in it are excluded and counted. Of a manifest it is needed where all labels are numbers
    /// with decimals, or more than ten numbers: those are refused as a regression target.
    #[serde(
        default,
        deserialize_with = "label_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(transform = texts, extend("x-default" = "empty: labels as they are"))]
    pub label_map: BTreeMap<String, String>,
    /// Remarks for the report.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Terms on which the recordings may be used, for the report and the model cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "format" = "text",
        "x-default" = "those known of the corpus"
    ))]
    pub licence: Option<String>,
    /// Source to cite beside those that `ser` knows: BibTeX entries, which go into
    /// `references.bib` as they are, or plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "citation"))]
    pub citation: Option<String>,
    /// Attributes that were inferred from the names of files and folders and that nobody has
    /// confirmed, see below.
    // In order, none twice; of a joined corpus those of its parts, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct)]
    pub guessed: Vec<Attribute>,
    /// Whether the recordings were never published, so that no encoder that was published can have
    /// been trained on them. For manifests, see [docs/encoders.md](../docs/encoders.md).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-default" = "`false`"))]
    pub unpublished: bool,
    /// A smaller corpus by a rule, see below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Train and test on windows in place of whole utterances, see below.
    #[serde(
        default,
        deserialize_with = "windows",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<WindowKeys>")]
    pub windows: Option<Windows>,
    /// The reader and its options.
    #[serde(flatten)]
    pub kind: CorpusKind,
}

/// The reader of a corpus, with its options. Paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(transform = known::with_folder)]
pub enum CorpusKind {
    /// RAVDESS speech.
    Ravdess {
        /// Folder of the recordings, which holds `Actor_01` and so on.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(transform = folder)]
        root: PathBuf,
    },
    /// EMO-DB.
    Emodb {
        /// Folder of the recordings, which holds `wav/`.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(transform = folder)]
        root: PathBuf,
        /// Also the clips of EmoDB 2.0 that listeners recognised too rarely for the first release.
        #[serde(default)]
        all_clips: bool,
    },
    /// IEMOCAP, full release.
    Iemocap {
        /// Folder of the recordings, which holds `Session1` and so on.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(transform = folder)]
        root: PathBuf,
        /// `merge`: excitement counts as happiness; `drop`: it is left out.
        #[serde(default)]
        excitement: Excitement,
        /// Dialogs that count.
        #[serde(default)]
        dialogs: Dialogs,
        /// `majority`: the corpus's own label; `full`: all raters agree.
        #[serde(default)]
        agreement: Agreement,
    },
    /// Any other corpus, by a table of its files.
    Manifest {
        /// CSV, TSV, Parquet or JSON with the columns path, emotion, speaker; optional id, sex,
        /// text_id, session, split, start, end (seconds), language, intensity, repetition, excluded; see
        /// below.
        #[serde(serialize_with = "lossy")]
        #[schemars(extend("format" = "path"))]
        path: PathBuf,
        /// Folder that the manifest's paths are relative to.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(extend("format" = "path", "x-default" = "the manifest's folder"))]
        root: PathBuf,
        /// Whether paths, or links on their way, may lead out of `root`.
        #[serde(default)]
        allow_outside: bool,
        /// BCP 47 tag for rows without one.
        #[schemars(extend("format" = "text"))]
        language: Option<String>,
    },
    /// A database in audformat, as it lies.
    Audformat {
        /// Folder of the database, which holds `db.yaml`.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(transform = folder)]
        root: PathBuf,
        /// Column of the emotion, as `COLUMN` or `TABLE.COLUMN`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("format" = "text", "x-default" = "the scheme `emotion`"))]
        emotion: Option<String>,
        /// Column of the speaker, as `COLUMN` or `TABLE.COLUMN`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("format" = "text", "x-default" = "the scheme `speaker`"))]
        speaker: Option<String>,
    },
    /// Generated by this program.
    Synthetic {
        /// Folder that the recordings are written to.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(transform = folder)]
        root: PathBuf,
        /// Invented speakers.
        #[serde(default = "count::<6>")]
        #[schemars(range(min = 2, max = 99))]
        speakers: usize,
        /// Sentences per speaker and emotion.
        #[serde(default = "count::<5>")]
        #[schemars(range(min = 1, max = 99))]
        sentences: usize,
        /// Takes of each sentence.
        #[serde(default = "count::<2>")]
        #[schemars(range(min = 1, max = 99))]
        takes: usize,
        /// Sample rate in Hz.
        #[serde(default = "sixteen_khz")]
        #[schemars(range(min = 8_000, max = 48_000))]
        sample_rate: u32,
        /// Seed of the generator.
        #[serde(default)]
        seed: u64,
    },
    /// Several corpora together; the session of an utterance is then its corpus.
    Joined {
        /// Folder that holds the folders of the parts.
        #[serde(default, serialize_with = "lossy")]
        #[schemars(extend("format" = "path", "x-default" = "`data/corpora`"))]
        root: PathBuf,
        /// The corpora, see below.
        #[schemars(length(min = 2))]
        parts: Vec<CorpusPart>,
    },
    /// A corpus that is known by name.
    #[serde(untagged)]
    #[schemars(skip)]
    Known(KnownCorpus),
}

fn count<const N: usize>() -> usize {
    N
}

fn sixteen_khz() -> u32 {
    16_000
}

/// The folder of the recordings of a corpus.
fn folder(schema: &mut schemars::Schema) {
    schema.insert("format".to_owned(), "path".into());
    schema.insert(
        "x-default".to_owned(),
        "`data/corpora/` + the corpus's name".into(),
    );
    schema.remove("default");
}

/// The keys of `windows`.
#[derive(Deserialize, JsonSchema)]
struct WindowKeys {
    /// Length of a window in seconds.
    #[schemars(range(min = Windows::SHORTEST_S, max = Windows::LONGEST_S))]
    length_s: f64,
    /// Time from the beginning of one window to the beginning of the next, in seconds.
    #[schemars(range(min = Windows::SHORTEST_S, max = Windows::LONGEST_S))]
    #[schemars(extend("x-default" = "half of `length_s`"))]
    hop_s: Option<f64>,
}

fn windows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Windows>, D::Error> {
    let keys = WindowKeys::deserialize(deserializer)?;
    Windows::new(keys.length_s, keys.hop_s)
        .map(Some)
        .map_err(de::Error::custom)
}

pub(super) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl CorpusKind {
    /// The word of the pipeline file.
    pub fn name(&self) -> &'static str {
        match self {
            CorpusKind::Ravdess { .. } => "ravdess",
            CorpusKind::Emodb { .. } => "emodb",
            CorpusKind::Iemocap { .. } => "iemocap",
            CorpusKind::Manifest { .. } => "manifest",
            CorpusKind::Audformat { .. } => "audformat",
            CorpusKind::Synthetic { .. } => "synthetic",
            CorpusKind::Joined { .. } => "joined",
            CorpusKind::Known(one) => one.kind.corpus().kind,
        }
    }

    /// The folder that utterance paths are relative to.
    pub fn root(&self) -> &Path {
        match self {
            CorpusKind::Ravdess { root }
            | CorpusKind::Emodb { root, .. }
            | CorpusKind::Iemocap { root, .. }
            | CorpusKind::Manifest { root, .. }
            | CorpusKind::Audformat { root, .. }
            | CorpusKind::Synthetic { root, .. }
            | CorpusKind::Joined { root, .. } => root,
            CorpusKind::Known(one) => &one.root,
        }
    }

    fn root_mut(&mut self) -> &mut PathBuf {
        match self {
            CorpusKind::Ravdess { root }
            | CorpusKind::Emodb { root, .. }
            | CorpusKind::Iemocap { root, .. }
            | CorpusKind::Manifest { root, .. }
            | CorpusKind::Audformat { root, .. }
            | CorpusKind::Synthetic { root, .. }
            | CorpusKind::Joined { root, .. } => root,
            CorpusKind::Known(one) => &mut one.root,
        }
    }

    /// What is known of the corpus by its name; `None` for any other.
    pub fn described(&self) -> Option<&'static Description> {
        corpus::known::known(self.name())
    }

    /// The classes of a corpus that is known; empty for any other.
    pub(super) fn classes(&self) -> Vec<&'static str> {
        match self {
            CorpusKind::Ravdess { .. } => RAVDESS.to_vec(),
            CorpusKind::Emodb { .. } => EMODB.to_vec(),
            CorpusKind::Iemocap { .. } => IEMOCAP.to_vec(),
            CorpusKind::Known(one) => one.kind.corpus().classes(),
            CorpusKind::Manifest { .. }
            | CorpusKind::Audformat { .. }
            | CorpusKind::Synthetic { .. }
            | CorpusKind::Joined { .. } => vec![],
        }
    }

    /// How many speakers there can be at most, where that is known beforehand.
    pub(super) fn most_speakers(&self) -> Option<usize> {
        match self {
            CorpusKind::Ravdess { .. } => Some(24),
            CorpusKind::Emodb { .. } | CorpusKind::Iemocap { .. } => Some(10),
            CorpusKind::Synthetic { speakers, .. } => Some(*speakers),
            CorpusKind::Known(one) => {
                let speakers = one.kind.corpus().expected.speakers;
                (speakers > 0).then_some(speakers)
            }
            CorpusKind::Manifest { .. }
            | CorpusKind::Audformat { .. }
            | CorpusKind::Joined { .. } => None,
        }
    }
}

impl CorpusSettings {
    /// The key of an ingest: everything that decides which utterances there are, apart from the
    /// files.
    pub fn key(&self) -> Map<String, Value> {
        // Windows are cut from the result of an ingest, by a task of their own. Guesses change how
        // results are described and none of them: confirming one computes nothing anew.
        const NO_PART: [&str; 8] = [
            "notes",
            "licence",
            "citation",
            "guessed",
            "unpublished",
            "windows",
            "root",
            "path",
        ];
        let mut key = without(self, &NO_PART);
        if matches!(self.kind, CorpusKind::Manifest { .. }) {
            // Its key has always had a map.
            key.entry("label_map")
                .or_insert_with(|| Value::Object(Map::new()));
        }
        key
    }
}

/// Keys of `[corpus]`, and of its tables, that others rule out.
pub(super) fn ruled_out(section: &Section<'_>, key: &str) -> Option<Refusal> {
    match (section.name, key) {
        ("subset", "seed") if section.word("rule") != Some("random") => Some(Refusal {
            why: "`seed` is for rule = \"random\": the longest recordings are the same for every seed"
                .to_owned(),
            hint: "remove it, or set rule = \"random\"".to_owned(),
        }),
        ("windows", "length_s")
            if !section.has("hop_s")
                && section.read::<f64>(key).is_some_and(|s| s / 2.0 < Windows::SHORTEST_S) =>
        {
            Some(Refusal {
                why: "half of `length_s`, the default of `hop_s`, is too short".to_owned(),
                hint: "give hop_s, or a longer window".to_owned(),
            })
        }
        ("corpus", "unpublished") => {
            let kind = section.word("kind")?;
            (!["manifest", "audformat", "joined"].contains(&kind)).then(|| Refusal {
                why: "`unpublished` is for recordings of your own, by a manifest".to_owned(),
                hint: "remove it".to_owned(),
            })
        }
        ("parts", _) => joined::ruled_out(section, key),
        _ => None,
    }
}

/// Fills in what follows from other settings, and checks what the schema cannot say.
/// `corpora_dir` stands for `data/corpora` at the front of paths.
pub(super) fn finish(
    corpus: &mut CorpusSettings,
    written: &Section<'_>,
    corpora_dir: Option<&Path>,
) -> Result<()> {
    if corpus.name.is_empty() {
        corpus.name = corpus.kind.name().to_owned();
    }
    labels(corpus, written)?;
    let citation = corpus.citation.take();
    corpus.citation = citation.map(|text| match text.trim() {
        entries if entries.starts_with('@') => entries.replace("\r\n", "\n"),
        words => words.split_whitespace().collect::<Vec<_>>().join(" "),
    });
    if let Some(subset) = corpus
        .subset
        .as_mut()
        .filter(|s| s.rule == SubsetRule::Random)
    {
        subset.seed.get_or_insert(0);
    }
    paths(corpus, written, corpora_dir);
    if let CorpusKind::Joined { parts, .. } = &mut corpus.kind {
        joined::finish(parts, &mut corpus.guessed, written, corpora_dir)?;
    }
    // The order says nothing.
    corpus.guessed.sort();
    corpus.guessed.dedup();
    Ok(())
}

fn labels(corpus: &mut CorpusSettings, written: &Section<'_>) -> Result<()> {
    let own = corpus.kind.classes();
    for label in corpus.label_map.keys() {
        if !own.is_empty() && !own.contains(&label.as_str()) {
            let message = format!("this corpus has no class `{}`", shorten(label));
            let error = written.error("label_map", message);
            return Err(error.hint(suggestion(label, "classes", &own)));
        }
    }
    let known: Vec<&str> = if corpus.label_map.is_empty() {
        own
    } else {
        let classes: BTreeSet<&str> = corpus.label_map.values().map(String::as_str).collect();
        classes.into_iter().collect()
    };
    for (i, label) in corpus.labels.iter_mut().enumerate() {
        *label = composed(label);
        if !known.is_empty() && !known.contains(&label.as_str()) {
            let message = format!("this corpus has no class `{}`", shorten(label));
            let error = written.item_error("labels", i, message);
            return Err(error.hint(suggestion(label, "classes", &known)));
        }
    }
    if corpus.labels.len() == 1 {
        let error = written.error("labels", "one class leaves nothing to tell apart");
        return Err(error.hint("name two classes or more, or none for all"));
    }
    Ok(())
}

fn paths(corpus: &mut CorpusSettings, written: &Section<'_>, corpora_dir: Option<&Path>) {
    // This program writes only where it may.
    let is_generated = matches!(corpus.kind, CorpusKind::Synthetic { .. });
    let corpora_dir = corpora_dir.filter(|_| !is_generated);
    let usual = match corpus.kind {
        CorpusKind::Joined { .. } => PathBuf::from(CORPORA),
        _ => Path::new(CORPORA).join(&corpus.name),
    };
    if let CorpusKind::Manifest { path, root, .. } = &mut corpus.kind {
        *path = written.moved("path", path, corpora_dir);
        if !written.has("root") {
            *root = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
                _ => PathBuf::from("."),
            };
            return;
        }
    }
    let root = corpus.kind.root_mut();
    if root.as_os_str().is_empty() {
        *root = usual;
    }
    *root = written.moved("root", root, corpora_dir);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::config::tests::{MINIMAL, read, set};

    #[test]
    fn the_folder_of_corpora_can_be_moved() {
        let dir = Some(Path::new("/mnt/speech"));
        let root = |text: &str, overrides: &[&str]| {
            parse(text, "p.toml", &set(overrides), dir)
                .unwrap()
                .corpus
                .kind
                .root()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(root(MINIMAL, &[]), "/mnt/speech/ravdess");
        assert_eq!(root(MINIMAL, &["corpus.name=other"]), "/mnt/speech/other");
        assert_eq!(
            root(MINIMAL, &["corpus.root=data/corpora/x"]),
            "data/corpora/x"
        );
        assert_eq!(
            root(
                &MINIMAL.replace(
                    "kind = \"ravdess\"",
                    "kind = \"ravdess\"\nroot = \"data/corpora/y\""
                ),
                &[]
            ),
            "/mnt/speech/y"
        );
        assert_eq!(
            root(
                &MINIMAL.replace("kind = \"ravdess\"", "kind = \"ravdess\"\nroot = \"/abs\""),
                &[]
            ),
            "/abs"
        );
        let manifest = MINIMAL.replace(
            "kind = \"ravdess\"",
            "kind = \"manifest\"\npath = \"data/corpora/mine/files.csv\"",
        );
        assert_eq!(root(&manifest, &[]), "/mnt/speech/mine");
        assert_eq!(
            read(MINIMAL, &[]).unwrap().corpus.kind.root(),
            Path::new("data/corpora/ravdess")
        );
        let synthetic = MINIMAL.replace("kind = \"ravdess\"", "kind = \"synthetic\"");
        assert_eq!(
            root(&synthetic, &[]),
            "data/corpora/synthetic",
            "a folder of corpora may be read-only"
        );
        assert_eq!(
            root(&synthetic, &["corpus.root=/else/where"]),
            "/else/where"
        );
    }
}
