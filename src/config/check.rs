//! From what is written to what is in force: defaults, ranges, and what fits together.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::experiment;
use super::joined;
use super::published;
use super::raw::{Key, RawCorpus, RawCorpusKind, RawFeatures, RawPipeline, Table};
use super::slurm;
use super::texts::{Texts, shorten, suggestion};
use super::validated::{CorpusKind, CorpusSettings, FeatureSettings, Pipeline};
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::error::{Error, Result};
use crate::features::{FeatureSet, Profile};

/// Where corpora lie unless `--corpora-dir` says otherwise.
const CORPORA: &str = "data/corpora";
const RAVDESS: [&str; 8] = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"];
const EMODB: [&str; 7] = ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"];
const IEMOCAP: [&str; 4] = ["anger", "happiness", "neutral", "sadness"];

/// What every check needs.
pub(super) struct Context<'a> {
    pub(super) texts: &'a Texts,
    pub(super) corpora_dir: Option<&'a Path>,
}

/// Decides everything that the file and the overrides leave open, and refuses what cannot be.
pub(super) fn pipeline(raw: RawPipeline, context: &Context<'_>) -> Result<Pipeline> {
    let name = context.name("name", &raw.name)?;
    let corpus = corpus(raw.corpus, context)?;
    let features = features(raw.features.map(|Table(f)| f), context)?;
    if raw.experiment.is_empty() {
        let error = context.texts.error(&raw.name.span(), "the pipeline has no experiment");
        return Err(error.hint("add an [[experiment]] with name, protocol and model; pipelines/demo.toml shows one"));
    }
    let experiments = experiment::all(raw.experiment, &corpus.kind, context)?;
    let published = published::all(raw.published, &corpus.kind, context)?;
    Ok(Pipeline {
        title: context.text_or("title", raw.title, &name)?,
        description: raw.description.map_or_else(String::new, Spanned::into_inner),
        name,
        corpus,
        features,
        experiments,
        published,
        slurm: slurm::settings(raw.slurm.map(|Table(slurm)| slurm), context)?,
        overrides: vec![],
    })
}

fn features(raw: Option<RawFeatures>, context: &Context<'_>) -> Result<FeatureSettings> {
    let (set, profile) = raw.map_or((None, None), |f| (f.set, f.profile));
    let set = context.one_of("set", "feature sets", set, &FeatureSet::ALL.map(FeatureSet::name))?;
    let profile = context.one_of("profile", "profiles", profile, &Profile::ALL.map(Profile::name))?;
    Ok(FeatureSettings { set: FeatureSet::parse(&set).unwrap_or_default(), profile: Profile::parse(&profile).unwrap_or_default() })
}

fn corpus(raw: Spanned<Table<RawCorpus>>, context: &Context<'_>) -> Result<CorpusSettings> {
    let Table(raw) = raw.into_inner();
    let kind = *raw.kind.get_ref();
    refuse_foreign_keys(&raw, context)?;
    let kind_name = match kind {
        RawCorpusKind::Ravdess => "ravdess",
        RawCorpusKind::Emodb => "emodb",
        RawCorpusKind::Iemocap => "iemocap",
        RawCorpusKind::Manifest => "manifest",
        RawCorpusKind::Synthetic => "synthetic",
        RawCorpusKind::Joined => "joined",
    };
    let name = raw.name.map_or_else(|| Ok(kind_name.to_owned()), |name| context.name("name", &name))?;
    let known: &[&str] = match kind {
        RawCorpusKind::Ravdess => &RAVDESS,
        RawCorpusKind::Emodb => &EMODB,
        RawCorpusKind::Iemocap => &IEMOCAP,
        RawCorpusKind::Manifest | RawCorpusKind::Synthetic | RawCorpusKind::Joined => &[],
    };
    let labels = labels(raw.labels, known, context)?;
    let own_root = raw.root.is_some();
    // What this program writes stays where it may write.
    let here = Context { texts: context.texts, corpora_dir: context.corpora_dir.filter(|_| kind != RawCorpusKind::Synthetic) };
    let usual = if kind == RawCorpusKind::Joined { CORPORA.to_owned() } else { format!("{CORPORA}/{name}") };
    let root = here.folder("root", raw.root, &usual)?;
    let kind = match kind {
        RawCorpusKind::Ravdess => CorpusKind::Ravdess { root },
        RawCorpusKind::Emodb => CorpusKind::Emodb { root, all_clips: value_or(raw.all_clips, false) },
        RawCorpusKind::Iemocap => CorpusKind::Iemocap {
            root,
            excitement: value_or(raw.excitement, Excitement::Merge),
            dialogs: value_or(raw.dialogs, Dialogs::All),
            agreement: value_or(raw.agreement, Agreement::Majority),
        },
        RawCorpusKind::Manifest => {
            let Some(path) = raw.path else {
                let error = context.texts.error(&raw.kind.span(), "a manifest corpus needs the key `path`");
                return Err(error.hint("add `path = …`: a CSV, TSV or Parquet file with the columns path, emotion and speaker"));
            };
            let path = context.folder("path", Some(path), "")?;
            // The folder of the manifest, unless told otherwise.
            let root = if own_root { root } else { beside(&path) };
            CorpusKind::Manifest {
                label_map: label_map(raw.label_map, context)?,
                allow_outside: value_or(raw.allow_outside, false),
                language: raw.language.map(|language| context.text("language", language)).transpose()?,
                path,
                root,
            }
        }
        RawCorpusKind::Joined => CorpusKind::Joined { root, parts: joined::parts(raw.parts, raw.kind.span(), context)? },
        RawCorpusKind::Synthetic => CorpusKind::Synthetic {
            root,
            speakers: context.whole("speakers", raw.speakers, 6, 2..=99)?,
            sentences: context.whole("sentences", raw.sentences, 5, 1..=99)?,
            takes: context.whole("takes", raw.takes, 2, 1..=99)?,
            sample_rate: context.whole("sample_rate", raw.sample_rate, 16_000, 8_000..=48_000)?,
            seed: context.whole("seed", raw.seed, 0, 0..=i64::MAX)?,
        },
    };
    Ok(CorpusSettings { name, labels, notes: raw.notes.unwrap_or_default(), kind })
}

/// Keys that another kind of corpus has are no mistake of spelling, so they get their own message.
fn refuse_foreign_keys(raw: &RawCorpus, context: &Context<'_>) -> Result<()> {
    use RawCorpusKind::{Emodb, Iemocap, Joined, Manifest, Synthetic};
    let kind = *raw.kind.get_ref();
    let keys: [(&str, RawCorpusKind, Option<Range<usize>>); 14] = [
        ("all_clips", Emodb, span(&raw.all_clips)),
        ("excitement", Iemocap, span(&raw.excitement)),
        ("dialogs", Iemocap, span(&raw.dialogs)),
        ("agreement", Iemocap, span(&raw.agreement)),
        ("path", Manifest, span(&raw.path)),
        ("label_map", Manifest, span(&raw.label_map)),
        ("allow_outside", Manifest, span(&raw.allow_outside)),
        ("language", Manifest, span(&raw.language)),
        ("speakers", Synthetic, span(&raw.speakers)),
        ("sentences", Synthetic, span(&raw.sentences)),
        ("takes", Synthetic, span(&raw.takes)),
        ("sample_rate", Synthetic, span(&raw.sample_rate)),
        ("seed", Synthetic, span(&raw.seed)),
        ("parts", Joined, span(&raw.parts)),
    ];
    for (key, owner, span) in keys {
        if let Some(span) = span.filter(|_| owner != kind) {
            let own: Vec<&str> = keys_of(kind);
            let error = context.texts.error(&span, format!("`{key}` does not belong to this kind of corpus"));
            return Err(error.hint(format!("this kind has: {}", own.join(", "))));
        }
    }
    Ok(())
}

fn keys_of(kind: RawCorpusKind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        RawCorpusKind::Ravdess => &[],
        RawCorpusKind::Emodb => &["all_clips"],
        RawCorpusKind::Iemocap => &["excitement", "dialogs", "agreement"],
        RawCorpusKind::Manifest => &["path", "label_map", "allow_outside", "language"],
        RawCorpusKind::Synthetic => &["speakers", "sentences", "takes", "sample_rate", "seed"],
        RawCorpusKind::Joined => &["parts"],
    };
    [&["kind", "name", "root", "labels", "notes"], own].concat()
}

fn labels(raw: Key<Vec<Spanned<String>>>, known: &[&str], context: &Context<'_>) -> Result<Vec<String>> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let span = raw.span();
    let mut labels: Vec<String> = Vec::new();
    for label in raw.into_inner() {
        let span = label.span();
        let label = context.text("a label", label)?;
        if labels.contains(&label) {
            return Err(context.texts.error(&span, format!("the label `{}` stands here twice", shorten(&label))));
        }
        if !known.is_empty() && !known.contains(&label.as_str()) {
            let error = context.texts.error(&span, format!("this corpus has no class `{}`", shorten(&label)));
            return Err(error.hint(suggestion(&label, "classes", known)));
        }
        labels.push(label);
    }
    if labels.len() == 1 {
        return Err(context.texts.error(&span, "one class is nothing to tell apart").hint("name two classes or more, or none for all"));
    }
    Ok(labels)
}

fn label_map(raw: Key<BTreeMap<String, Spanned<String>>>, context: &Context<'_>) -> Result<BTreeMap<String, String>> {
    let raw = raw.map_or_else(BTreeMap::new, Spanned::into_inner);
    raw.into_iter().map(|(from, to)| Ok((from, context.text("a label", to)?))).collect()
}

fn beside(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

pub(super) fn span<T>(key: &Key<T>) -> Option<Range<usize>> {
    key.as_ref().map(Spanned::span)
}

pub(super) fn value_or<T>(key: Key<T>, default: T) -> T {
    key.map_or(default, Spanned::into_inner)
}

impl Context<'_> {
    /// A whole number in `range`, which fits `T`.
    pub(super) fn whole<T: TryFrom<i64>>(&self, key: &str, value: Key<i64>, default: T, range: RangeInclusive<i64>) -> Result<T> {
        let Some(value) = value else { return Ok(default) };
        let number = *value.get_ref();
        let fits = T::try_from(number).ok().filter(|_| range.contains(&number));
        fits.ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            let allowed = if *high == i64::MAX { format!("at least {low}") } else { format!("from {low} to {high}") };
            self.texts.error(&value.span(), format!("`{key}` is {number}, but must be {allowed}"))
        })
    }

    /// A finite number for which `allow` holds; `allowed` says the same in words.
    pub(super) fn real(&self, key: &str, value: &Spanned<f64>, allow: impl Fn(f64) -> bool, allowed: &str) -> Result<f64> {
        let number = *value.get_ref();
        if number.is_finite() && allow(number) {
            return Ok(number);
        }
        Err(self.texts.error(&value.span(), format!("`{key}` is {number}, but must be {allowed}")))
    }

    /// Text that is not blank.
    pub(super) fn text(&self, key: &str, value: Spanned<String>) -> Result<String> {
        if value.get_ref().trim().is_empty() {
            return Err(self.texts.error(&value.span(), format!("{} is empty", quoted(key))));
        }
        if value.get_ref().chars().any(char::is_control) {
            return Err(self.texts.error(&value.span(), format!("{} holds a line break or another control character", quoted(key))));
        }
        Ok(value.into_inner())
    }

    pub(super) fn text_or(&self, key: &str, value: Key<String>, default: &str) -> Result<String> {
        value.map_or_else(|| Ok(default.to_owned()), |value| self.text(key, value))
    }

    /// A word out of a few; the first is the default.
    fn one_of(&self, key: &str, what: &str, value: Key<String>, known: &[&str]) -> Result<String> {
        let Some(value) = value else { return Ok(known.first().copied().unwrap_or_default().to_owned()) };
        if known.contains(&value.get_ref().as_str()) {
            return Ok(value.into_inner());
        }
        let error = self.texts.error(&value.span(), format!("unknown {key} `{}`", shorten(value.get_ref())));
        Err(error.hint(suggestion(value.get_ref(), what, known)))
    }

    /// A name that is a file name on every system and a part of a dotted key.
    pub(super) fn name(&self, key: &str, name: &Spanned<String>) -> Result<String> {
        const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];
        const LONGEST: usize = 64;
        let text = name.get_ref();
        let wrong = if text.is_empty() {
            "is empty"
        } else if text.len() > LONGEST {
            "is longer than 64 characters"
        } else if RESERVED.contains(&text.trim_end_matches(|c: char| c.is_ascii_digit())) {
            "is a reserved file name on some systems"
        } else if !text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            || !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        {
            "is no safe file name"
        } else {
            return Ok(text.clone());
        };
        let error: Error = self.texts.error(&name.span(), format!("`{key}` {wrong}"));
        Err(error.hint("a name has lower-case letters, digits, `-` and `_`, and begins with a letter or digit; a title may be anything"))
    }

    /// A path; `data/corpora` at its front stands for the folder of `--corpora-dir`, unless the path comes from an override.
    fn folder(&self, key: &str, value: Key<String>, default: &str) -> Result<PathBuf> {
        let literal = value.as_ref().is_some_and(|value| self.texts.is_override(&value.span()));
        let path = PathBuf::from(self.text_or(key, value, default)?);
        Ok(match (self.corpora_dir, path.strip_prefix(CORPORA)) {
            (Some(dir), Ok(rest)) if !literal => dir.join(rest),
            _ => path,
        })
    }
}

fn quoted(key: &str) -> String {
    if key.contains(' ') { key.to_owned() } else { format!("`{key}`") }
}
