//! From what is written to what is in force: defaults, ranges, and what fits together.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::citation;
use super::experiment;
use super::joined;
use super::published;
use super::raw::{
    Key, RawAugment, RawCorpus, RawCorpusKind, RawFeatures, RawPipeline, RawSubset, RawWindows,
    Table,
};
use super::slurm;
use super::texts::{Texts, shorten, suggestion};
use super::validated::{CorpusKind, CorpusSettings, FeatureSettings, Pipeline};
use crate::audio::Windows;
use crate::audio::augment::Augment;
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::corpus::{Attribute, Subset, SubsetRule};
use crate::error::{Error, Result};
use crate::features::{FeatureSet, Profile};
use crate::text::composed;

/// Where corpora lie unless `--corpora-dir` says otherwise.
const CORPORA: &str = "data/corpora";
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

/// What every check needs.
pub(super) struct Context<'a> {
    pub(super) texts: &'a Texts,
    pub(super) corpora_dir: Option<&'a Path>,
}

/// Decides everything that the file and the overrides leave open, and refuses what cannot be.
pub(super) fn pipeline(raw: RawPipeline, context: &Context<'_>) -> Result<Pipeline> {
    let name = context.name("name", &raw.name)?;
    let corpus = corpus(raw.corpus, context)?;
    let mut raw_features = raw.features.map(|Table(f)| f);
    let augment = raw_features.as_mut().and_then(|f| f.augment.take());
    let mut features = features(raw_features, context)?;
    if raw.experiment.is_empty() {
        let error = context
            .texts
            .error(&raw.name.span(), "the pipeline has no experiment");
        return Err(error.hint(
            "add an [[experiment]] with name, protocol and model; pipelines/demo.toml shows one",
        ));
    }
    let experiments = experiment::all(raw.experiment, &corpus.kind, &features, context)?;
    let amounts = augment_amounts(augment.map(|Table(a)| a).unwrap_or_default(), context)?;
    features.augment = experiments
        .iter()
        .any(|e| !e.augment.is_empty())
        .then_some(amounts);
    let published = published::all(raw.published, &corpus.kind, context)?;
    Ok(Pipeline {
        title: context.text_or("title", raw.title, &name)?,
        description: raw
            .description
            .map_or_else(String::new, Spanned::into_inner),
        name,
        corpus,
        features,
        experiments,
        published,
        slurm: slurm::settings(raw.slurm.map(|Table(slurm)| slurm), context)?,
        file: std::path::PathBuf::new(),
        text: String::new(),
        overrides: vec![],
        variant: None,
    })
}

fn features(raw: Option<RawFeatures>, context: &Context<'_>) -> Result<FeatureSettings> {
    let (set, sets, profile) = raw.map_or((None, None, None), |f| (f.set, f.sets, f.profile));
    let profile = context.one_of(
        "profile",
        "profiles",
        profile,
        &Profile::ALL.map(Profile::name),
    )?;
    let sets = match (set, sets) {
        (Some(_), Some(sets)) => {
            let error = context.texts.error(
                &sets.span(),
                "`set` and `sets` both say which features there are",
            );
            return Err(error.hint("keep `sets`, which takes one set as well"));
        }
        (set, None) => vec![context.feature_set(set)?],
        (None, Some(sets)) => feature_sets(sets, context)?,
    };
    Ok(FeatureSettings {
        sets,
        profile: Profile::parse(&profile).unwrap_or_default(),
        augment: None,
    })
}

/// How much recordings are changed; what the file does not say is as in the paper or, where that is
/// not published, this project's choice.
fn augment_amounts(raw: RawAugment, context: &Context<'_>) -> Result<Augment> {
    let usual = Augment::default();
    let real = |key: &str,
                value: &Key<f64>,
                default: f64,
                allow: fn(f64) -> bool,
                allowed: &str|
     -> Result<f64> {
        value.as_ref().map_or(Ok(default), |value| {
            context.real(key, value, allow, allowed)
        })
    };
    Ok(Augment {
        shift_s: real(
            "shift_s",
            &raw.shift_s,
            usual.shift_s,
            |x| x > 0.0 && x <= 10.0,
            "above 0 and at most 10",
        )?,
        speed_up: real(
            "speed_up",
            &raw.speed_up,
            usual.speed_up,
            |x| x > 1.0 && x <= 2.0,
            "above 1 and at most 2",
        )?,
        slow_down: real(
            "slow_down",
            &raw.slow_down,
            usual.slow_down,
            |x| (0.5..1.0).contains(&x),
            "at least 0.5 and below 1",
        )?,
        noise_share: real(
            "noise_share",
            &raw.noise_share,
            usual.noise_share,
            |x| x > 0.0 && x <= 1.0,
            "above 0 and at most 1",
        )?,
        noise_snr_db: real(
            "noise_snr_db",
            &raw.noise_snr_db,
            usual.noise_snr_db,
            |x| (-20.0..=100.0).contains(&x),
            "from -20 to 100",
        )?,
    })
}

fn subset(raw: Key<Table<RawSubset>>, context: &Context<'_>) -> Result<Option<Subset>> {
    let Some(Table(raw)) = raw.map(Spanned::into_inner) else {
        return Ok(None);
    };
    let rule = raw.rule.unwrap_or(SubsetRule::Longest);
    if let Some(span) = span(&raw.seed).filter(|_| rule != SubsetRule::Random) {
        let error = context.texts.error(
            &span,
            "`seed` is for rule = \"random\": the longest recordings are the same for every seed",
        );
        return Err(error.hint("remove it, or set rule = \"random\""));
    }
    let size = context.whole("size", Some(raw.size), 0, 2..=1_000_000_000)?;
    let seed = context.whole("seed", raw.seed, 0, 0..=i64::MAX)?;
    Ok(Some(Subset {
        size,
        rule,
        seed: (rule == SubsetRule::Random).then_some(seed),
    }))
}

fn windows(raw: Key<Table<RawWindows>>, context: &Context<'_>) -> Result<Option<Windows>> {
    let Some(Table(raw)) = raw.map(Spanned::into_inner) else {
        return Ok(None);
    };
    let (low, high) = (Windows::SHORTEST_S, Windows::LONGEST_S);
    let seconds = |key: &str, value: &Spanned<f64>| {
        context.real(
            key,
            value,
            |x| (low..=high).contains(&x),
            &format!("from {low} to {high} seconds"),
        )
    };
    let length_s = seconds("length_s", &raw.length_s)?;
    let hop_s = raw.hop_s.map(|hop| seconds("hop_s", &hop)).transpose()?;
    Windows::new(length_s, hop_s).map(Some).map_err(|_| {
        let error = context.texts.error(
            &raw.length_s.span(),
            "half of `length_s`, the default of `hop_s`, is too short",
        );
        error.hint("give hop_s, or a longer window")
    })
}

fn feature_sets(
    raw: Spanned<Vec<Spanned<String>>>,
    context: &Context<'_>,
) -> Result<Vec<FeatureSet>> {
    let place = raw.span();
    let mut sets = Vec::new();
    for one in raw.into_inner() {
        let span = one.span();
        let set = context.feature_set(Some(one))?;
        if sets.contains(&set) {
            return Err(context
                .texts
                .error(&span, format!("the set `{}` stands here twice", set.name())));
        }
        sets.push(set);
    }
    if sets.is_empty() {
        return Err(context
            .texts
            .error(&place, "`sets` is empty")
            .hint("name at least one set, for example sets = [\"issa193\"]"));
    }
    Ok(sets)
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
    let name = raw.name.map_or_else(
        || Ok(kind_name.to_owned()),
        |name| context.name("name", &name),
    )?;
    let known: &[&str] = match kind {
        RawCorpusKind::Ravdess => &RAVDESS,
        RawCorpusKind::Emodb => &EMODB,
        RawCorpusKind::Iemocap => &IEMOCAP,
        RawCorpusKind::Manifest | RawCorpusKind::Synthetic | RawCorpusKind::Joined => &[],
    };
    let labels = labels(raw.labels, known, context)?;
    let subset = subset(raw.subset, context)?;
    let windows = windows(raw.windows, context)?;
    let mut guesses = guessed(raw.guessed, context)?;
    let own_root = raw.root.is_some();
    // What this program writes stays where it may write.
    let here = Context {
        texts: context.texts,
        corpora_dir: context
            .corpora_dir
            .filter(|_| kind != RawCorpusKind::Synthetic),
    };
    let usual = if kind == RawCorpusKind::Joined {
        CORPORA.to_owned()
    } else {
        format!("{CORPORA}/{name}")
    };
    let root = here.folder("root", raw.root, &usual)?;
    let kind = match kind {
        RawCorpusKind::Ravdess => CorpusKind::Ravdess { root },
        RawCorpusKind::Emodb => CorpusKind::Emodb {
            root,
            all_clips: value_or(raw.all_clips, false),
        },
        RawCorpusKind::Iemocap => CorpusKind::Iemocap {
            root,
            excitement: value_or(raw.excitement, Excitement::Merge),
            dialogs: value_or(raw.dialogs, Dialogs::All),
            agreement: value_or(raw.agreement, Agreement::Majority),
        },
        RawCorpusKind::Manifest => {
            let Some(path) = raw.path else {
                let error = context
                    .texts
                    .error(&raw.kind.span(), "a manifest corpus needs the key `path`");
                return Err(error.hint("add `path = …`: a CSV, TSV or Parquet file with the columns path, emotion and speaker"));
            };
            let path = context.folder("path", Some(path), "")?;
            // The folder of the manifest, unless told otherwise.
            let root = if own_root { root } else { beside(&path) };
            CorpusKind::Manifest {
                label_map: label_map(
                    raw.label_map
                        .map_or_else(BTreeMap::new, Spanned::into_inner),
                    context,
                )?,
                allow_outside: value_or(raw.allow_outside, false),
                language: raw
                    .language
                    .map(|language| context.text("language", language))
                    .transpose()?,
                path,
                root,
            }
        }
        RawCorpusKind::Joined => {
            let parts = joined::parts(raw.parts, raw.kind.span(), &mut guesses, context)?;
            CorpusKind::Joined { root, parts }
        }
        RawCorpusKind::Synthetic => CorpusKind::Synthetic {
            root,
            speakers: context.whole("speakers", raw.speakers, 6, 2..=99)?,
            sentences: context.whole("sentences", raw.sentences, 5, 1..=99)?,
            takes: context.whole("takes", raw.takes, 2, 1..=99)?,
            sample_rate: context.whole("sample_rate", raw.sample_rate, 16_000, 8_000..=48_000)?,
            seed: context.whole("seed", raw.seed, 0, 0..=i64::MAX)?,
        },
    };
    let licence = raw
        .licence
        .map(|licence| context.text("licence", licence))
        .transpose()?;
    let citation = raw
        .citation
        .map(|citation| citation::check(citation, context))
        .transpose()?;
    // The order says nothing.
    guesses.sort();
    guesses.dedup();
    Ok(CorpusSettings {
        name,
        labels,
        notes: raw.notes.unwrap_or_default(),
        licence,
        citation,
        guessed: guesses,
        subset,
        windows,
        kind,
    })
}

/// Attributes that nobody has confirmed.
pub(super) fn guessed(
    raw: Key<Vec<Spanned<String>>>,
    context: &Context<'_>,
) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for word in raw.map_or_else(Vec::new, Spanned::into_inner) {
        let Some(attribute) = Attribute::parse(word.get_ref()) else {
            let error = context.texts.error(
                &word.span(),
                format!(
                    "`{}` is no attribute that can be guessed",
                    shorten(word.get_ref())
                ),
            );
            return Err(error.hint(suggestion(
                word.get_ref(),
                "attributes",
                &Attribute::ALL.map(Attribute::name),
            )));
        };
        if found.contains(&attribute) {
            return Err(context.texts.error(
                &word.span(),
                format!("the attribute `{}` stands here twice", attribute.name()),
            ));
        }
        found.push(attribute);
    }
    Ok(found)
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
            let error = context.texts.error(
                &span,
                format!("`{key}` does not belong to this kind of corpus"),
            );
            return Err(error.hint(format!("this kind has: {}", own.join(", "))));
        }
    }
    Ok(())
}

/// Keys of a kind of corpus.
pub(super) fn keys_of(kind: RawCorpusKind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        RawCorpusKind::Ravdess => &[],
        RawCorpusKind::Emodb => &["all_clips"],
        RawCorpusKind::Iemocap => &["excitement", "dialogs", "agreement"],
        RawCorpusKind::Manifest => &["path", "label_map", "allow_outside", "language"],
        RawCorpusKind::Synthetic => &["speakers", "sentences", "takes", "sample_rate", "seed"],
        RawCorpusKind::Joined => &["parts"],
    };
    [
        &[
            "kind", "name", "root", "labels", "notes", "licence", "citation", "guessed", "subset",
            "windows",
        ],
        own,
    ]
    .concat()
}

fn labels(
    raw: Key<Vec<Spanned<String>>>,
    known: &[&str],
    context: &Context<'_>,
) -> Result<Vec<String>> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let span = raw.span();
    let mut labels: Vec<String> = Vec::new();
    for label in raw.into_inner() {
        let span = label.span();
        let label = composed(&context.text("a label", label)?);
        if labels.contains(&label) {
            return Err(context.texts.error(
                &span,
                format!("the label `{}` stands here twice", shorten(&label)),
            ));
        }
        if !known.is_empty() && !known.contains(&label.as_str()) {
            let error = context.texts.error(
                &span,
                format!("this corpus has no class `{}`", shorten(&label)),
            );
            return Err(error.hint(suggestion(&label, "classes", known)));
        }
        labels.push(label);
    }
    if labels.len() == 1 {
        return Err(context
            .texts
            .error(&span, "one class is nothing to tell apart")
            .hint("name two classes or more, or none for all"));
    }
    Ok(labels)
}

pub(super) fn label_map(
    raw: BTreeMap<String, Spanned<String>>,
    context: &Context<'_>,
) -> Result<BTreeMap<String, String>> {
    raw.into_iter()
        .map(|(from, to)| Ok((composed(&from), composed(&context.text("a label", to)?))))
        .collect()
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
    pub(super) fn whole<T: TryFrom<i64>>(
        &self,
        key: &str,
        value: Key<i64>,
        default: T,
        range: RangeInclusive<i64>,
    ) -> Result<T> {
        let Some(value) = value else {
            return Ok(default);
        };
        let number = *value.get_ref();
        let fits = T::try_from(number).ok().filter(|_| range.contains(&number));
        fits.ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            let allowed = if *high == i64::MAX {
                format!("at least {low}")
            } else {
                format!("from {low} to {high}")
            };
            self.texts.error(
                &value.span(),
                format!("`{key}` is {number}, but must be {allowed}"),
            )
        })
    }

    /// A finite number for which `allow` holds; `allowed` says the same in words.
    pub(super) fn real(
        &self,
        key: &str,
        value: &Spanned<f64>,
        allow: impl Fn(f64) -> bool,
        allowed: &str,
    ) -> Result<f64> {
        let number = *value.get_ref();
        if number.is_finite() && allow(number) {
            return Ok(number);
        }
        Err(self.texts.error(
            &value.span(),
            format!("`{key}` is {number}, but must be {allowed}"),
        ))
    }

    /// Text that is not blank.
    pub(super) fn text(&self, key: &str, value: Spanned<String>) -> Result<String> {
        if value.get_ref().trim().is_empty() {
            return Err(self
                .texts
                .error(&value.span(), format!("{} is empty", quoted(key))));
        }
        if value.get_ref().chars().any(char::is_control) {
            return Err(self.texts.error(
                &value.span(),
                format!(
                    "{} holds a line break or another control character",
                    quoted(key)
                ),
            ));
        }
        Ok(value.into_inner())
    }

    pub(super) fn text_or(&self, key: &str, value: Key<String>, default: &str) -> Result<String> {
        value.map_or_else(|| Ok(default.to_owned()), |value| self.text(key, value))
    }

    /// A word out of a few; the first is the default.
    fn one_of(&self, key: &str, what: &str, value: Key<String>, known: &[&str]) -> Result<String> {
        let Some(value) = value else {
            return Ok(known.first().copied().unwrap_or_default().to_owned());
        };
        if known.contains(&value.get_ref().as_str()) {
            return Ok(value.into_inner());
        }
        let error = self.texts.error(
            &value.span(),
            format!("unknown {key} `{}`", shorten(value.get_ref())),
        );
        Err(error.hint(suggestion(value.get_ref(), what, known)))
    }

    /// A set of features by its name; the first where there is none.
    pub(super) fn feature_set(&self, name: Key<String>) -> Result<FeatureSet> {
        let name = self.one_of(
            "set",
            "feature sets",
            name,
            &FeatureSet::ALL.map(FeatureSet::name),
        )?;
        Ok(FeatureSet::parse(&name).unwrap_or_default())
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
            || !text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        {
            "is no safe file name"
        } else {
            return Ok(text.clone());
        };
        let error: Error = self.texts.error(&name.span(), format!("`{key}` {wrong}"));
        Err(error.hint("a name has lower-case letters, digits, `-` and `_`, and begins with a letter or digit; a title may be anything"))
    }

    /// A path; `data/corpora` at its front stands for the folder of `--corpora-dir`, unless the
    /// path comes from an override.
    pub(super) fn folder(&self, key: &str, value: Key<String>, default: &str) -> Result<PathBuf> {
        let literal = value
            .as_ref()
            .is_some_and(|value| self.texts.is_override(&value.span()));
        // A folder is called as it is on the disk, be it over two lines.
        let is_odd =
            |value: &Spanned<String>| value.get_ref().chars().any(|c| c.is_control() && c != '\0');
        let path = PathBuf::from(match value {
            Some(value) if is_odd(&value) => value.into_inner(),
            value => self.text_or(key, value, default)?,
        });
        Ok(match (self.corpora_dir, path.strip_prefix(CORPORA)) {
            (Some(dir), Ok(rest)) if !literal => dir.join(rest),
            _ => path,
        })
    }
}

fn quoted(key: &str) -> String {
    if key.contains(' ') {
        key.to_owned()
    } else {
        format!("`{key}`")
    }
}
