//! Checks of an experiment: protocol, inputs, model and training, each alone and together.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;

use super::check::{Context, span, value_or};
use super::model::{Gamma, ModelSettings};
use super::raw::{
    Key, RawCopies, RawExperiment, RawInputs, RawModel, RawModelKind, RawProtocol, RawProtocolKind,
    Table, Words,
};
use super::texts::{shorten, suggestion};
use super::validated::{CorpusKind, Experiment, FeatureSettings};
use super::{ensemble, network, search, training};
use crate::audio::augment::{Copies, Variant};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::model::{Architecture, Kernel, KnnWeights, SplitFeatures};
use crate::split::{Protocol, Requirement};
use crate::transform::{Inputs, MOST_FRAMES, Order, ScalerKind};

/// Published fold lists, with the kind of corpus that each is for.
const FOLD_LISTS: [(&str, &str); 1] = [("emobox", "ravdess")];
pub(super) const FOLDS: RangeInclusive<i64> = 2..=1000;
pub(super) const TREES: RangeInclusive<i64> = 1..=100_000;
pub(super) const DEPTHS: RangeInclusive<i64> = 1..=100_000;
pub(super) const NEIGHBOURS: RangeInclusive<i64> = 1..=1_000_000;

/// Checks all experiments; their names must differ.
pub(super) fn all(
    raw: Vec<Table<RawExperiment>>,
    corpus: &CorpusKind,
    features: &FeatureSettings,
    context: &Context<'_>,
) -> Result<Vec<Experiment>> {
    let mut places: Vec<(String, Range<usize>)> = Vec::new();
    let (mut experiments, mut ensembles) = (Vec::new(), Vec::new());
    for Table(raw) in raw {
        let span = raw.name.span();
        let name = context.name("name", &raw.name)?;
        if let Some((_, first)) = places.iter().find(|(other, _)| *other == name) {
            let first = context.texts.describe(first);
            return Err(context.texts.error(
                &span,
                format!("there is already an experiment `{name}`, {first}"),
            ));
        }
        ensembles.extend(
            raw.model
                .get_ref()
                .0
                .members
                .clone()
                .map(|members| (experiments.len(), members)),
        );
        experiments.push(one(raw, name.clone(), corpus, features, context)?);
        places.push((name, span));
    }
    for (place, members) in ensembles {
        ensemble::check_members(&experiments[place], &members, &experiments, context)?;
    }
    Ok(experiments)
}

fn one(
    raw: RawExperiment,
    name: String,
    corpus: &CorpusKind,
    features: &FeatureSettings,
    context: &Context<'_>,
) -> Result<Experiment> {
    if *raw.model.get_ref().0.kind.get_ref() == RawModelKind::Ensemble {
        ensemble::refuse_training(&raw, context)?;
    }
    let other_protocol = overridden(&raw.protocol, context);
    let protocol = protocol(raw.protocol, corpus, context)?;
    let title = match raw.title {
        // A title of the file may speak of the file's protocol.
        Some(title) if other_protocol && !context.texts.is_override(&title.span()) => {
            format!("{name} ({})", protocol.name())
        }
        title => context.text_or("title", title, &name)?,
    };
    let shuffle_labels = raw.shuffle_labels.unwrap_or(false);
    let title = if shuffle_labels {
        format!("{title} (labels shuffled)")
    } else {
        title
    };
    let validation = raw
        .validation
        .map(|v| context.real("validation", &v, |x| x > 0.0 && x < 1.0, "between 0 and 1"))
        .transpose()?;
    let inputs = inputs(raw.inputs, features, context)?;
    let model_place = raw.model.span();
    let model = model(raw.model, context)?;
    let network = model.is_network();
    network::fits(&model, &inputs, &model_place, context)?;
    let search = raw
        .search
        .map(|raw| search::search(raw, &protocol, &model, context))
        .transpose()?;
    if let Some(train) = raw.train.as_ref().filter(|_| !network) {
        let error = context.texts.error(
            &train.span(),
            format!(
                "`train` is for networks; {} is not trained in epochs",
                model.describe()
            ),
        );
        return Err(error.hint("remove it, or choose model = { kind = \"cnn\", … }"));
    }
    let train = training::train(
        raw.train.map(|t| t.into_inner().0).unwrap_or_default(),
        validation.is_some(),
        inputs.frames.is_some(),
        context,
    )?;
    let test_time_place = span(&raw.test_time_augment);
    let augment = copies("augment", raw.augment, &Copies::all(), context)?;
    let test_time_augment = copies(
        "test_time_augment",
        raw.test_time_augment,
        &augment,
        context,
    )?;
    if let Some(place) = test_time_place {
        let untrained = test_time_augment
            .kinds()
            .iter()
            .find(|kind| !augment.kinds().contains(kind));
        if let Some(kind) = untrained {
            let message = format!(
                "copies of the kind `{}` are predicted but not trained on",
                kind.name()
            );
            return Err(context
                .texts
                .error(&place, message)
                .hint("name the same kind in `augment`, or leave it out here"));
        }
    }
    Ok(Experiment {
        title,
        default: raw.default.unwrap_or(true),
        protocol,
        split_seed: context.whole("split_seed", raw.split_seed, 0, 0..=i64::MAX)?,
        validation,
        augment,
        test_time_augment,
        inputs,
        search,
        train,
        seeds: training::seeds(raw.seeds, model.is_drawn(), context)?,
        model,
        explain: raw.explain.is_some_and(|explain| *explain.get_ref()),
        shuffle_labels,
        require: require(raw.require, context)?,
        name,
    })
}

/// Whether an override gives the protocol, or a part of it.
fn overridden(raw: &Spanned<Table<RawProtocol>>, context: &Context<'_>) -> bool {
    let Table(inner) = raw.get_ref();
    let parts = [
        span(&inner.test_fraction),
        span(&inner.folds),
        span(&inner.name),
    ];
    let whole = [raw.span(), inner.kind.span()];
    parts
        .into_iter()
        .flatten()
        .chain(whole)
        .any(|place| context.texts.is_override(&place))
}

fn protocol(
    raw: Spanned<Table<RawProtocol>>,
    corpus: &CorpusKind,
    context: &Context<'_>,
) -> Result<Protocol> {
    use RawProtocolKind::{
        CrossCorpus, Declared, GroupKfold, HoldOut, LeaveOneSessionOut, LeaveOneSpeakerOut,
        Published, StratifiedKfold,
    };
    let Table(raw) = raw.into_inner();
    let (kind, place) = (*raw.kind.get_ref(), raw.kind.span());
    let written = [
        ("test_fraction", span(&raw.test_fraction)),
        ("folds", span(&raw.folds)),
        ("name", span(&raw.name)),
    ];
    refuse_others(&written, protocol_keys(kind), "protocol", context)?;
    let need = |key: &str| -> Error {
        context
            .texts
            .error(&place, format!("this protocol needs the key `{key}`"))
            .hint(format!("write `{key} = …` beside `kind`"))
    };
    match kind {
        HoldOut => {
            let fraction = raw.test_fraction.ok_or_else(|| need("test_fraction"))?;
            let test_fraction = context.real(
                "test_fraction",
                &fraction,
                |x| x > 0.0 && x < 1.0,
                "between 0 and 1",
            )?;
            Ok(Protocol::HoldOut { test_fraction })
        }
        StratifiedKfold => {
            let folds = raw.folds.ok_or_else(|| need("folds"))?;
            Ok(Protocol::StratifiedKfold {
                folds: context.whole("folds", Some(folds), 0, FOLDS)?,
            })
        }
        GroupKfold => {
            let folds = raw.folds.ok_or_else(|| need("folds"))?;
            let place = folds.span();
            let folds = context.whole("folds", Some(folds), 0, FOLDS)?;
            match speakers(corpus) {
                Some(most) if folds > most => {
                    let message = format!(
                        "{folds} folds of whole speakers cannot be made of the {most} speakers of this corpus"
                    );
                    Err(context
                        .texts
                        .error(&place, message)
                        .hint("take fewer folds, or kind = \"leave-one-speaker-out\""))
                }
                _ => Ok(Protocol::GroupKfold { folds }),
            }
        }
        LeaveOneSpeakerOut => Ok(Protocol::LeaveOneSpeakerOut),
        LeaveOneSessionOut => match corpus {
            CorpusKind::Ravdess { .. } | CorpusKind::Emodb { .. } => {
                let error = context.texts.error(
                    &place,
                    format!("{} has no recording sessions to leave out", corpus.name()),
                );
                Err(error.hint("take kind = \"leave-one-speaker-out\""))
            }
            _ => Ok(Protocol::LeaveOneSessionOut),
        },
        CrossCorpus => match corpus {
            CorpusKind::Joined { .. } => Ok(Protocol::CrossCorpus),
            _ => {
                let error = context.texts.error(
                    &place,
                    format!(
                        "{} is one corpus: there is no other to test on",
                        corpus.name()
                    ),
                );
                Err(error
                    .hint("take corpus.kind = \"joined\"; pipelines/cross-corpus.toml shows one"))
            }
        },
        Published => {
            let name = raw.name.ok_or_else(|| need("name"))?;
            fold_list(name, corpus, context)
        }
        Declared => match corpus {
            CorpusKind::Manifest { .. } => Ok(Protocol::Declared),
            _ => {
                let error = context.texts.error(
                    &place,
                    format!(
                        "{} declares no parts: only a manifest has a split column",
                        corpus.name()
                    ),
                );
                Err(error.hint("take another protocol; pipelines/README.md lists them"))
            }
        },
    }
}

fn fold_list(
    name: Spanned<String>,
    corpus: &CorpusKind,
    context: &Context<'_>,
) -> Result<Protocol> {
    let known: Vec<&str> = FOLD_LISTS.iter().map(|(list, _)| *list).collect();
    let word = name.get_ref();
    match FOLD_LISTS.iter().find(|(list, _)| list == word) {
        None => {
            let error = context.texts.error(
                &name.span(),
                format!("unknown fold list `{}`", shorten(word)),
            );
            Err(error.hint(suggestion(word, "fold lists", &known)))
        }
        Some((list, of)) if *of != corpus.name() => {
            let error = context.texts.error(
                &name.span(),
                format!(
                    "the fold list `{list}` is for {of}, not for {}",
                    corpus.name()
                ),
            );
            Err(error.hint(
                "take kind = \"leave-one-speaker-out\" or \"group-kfold\" to keep speakers apart",
            ))
        }
        Some(_) => Ok(Protocol::Published {
            name: name.into_inner(),
        }),
    }
}

/// How many speakers there can be at most, where that is known beforehand.
fn speakers(corpus: &CorpusKind) -> Option<usize> {
    match corpus {
        CorpusKind::Ravdess { .. } => Some(24),
        CorpusKind::Emodb { .. } | CorpusKind::Iemocap { .. } => Some(10),
        CorpusKind::Synthetic { speakers, .. } => Some(*speakers),
        CorpusKind::Manifest { .. } | CorpusKind::Joined { .. } => None,
    }
}

fn inputs(
    raw: Option<Table<RawInputs>>,
    features: &FeatureSettings,
    context: &Context<'_>,
) -> Result<Inputs> {
    /// About three seconds.
    const FRAMES: usize = 128;
    let Some(Table(raw)) = raw else {
        return Ok(view(features.first(), FRAMES));
    };
    let place = span(&raw.set);
    let set = raw
        .set
        .map_or(Ok(features.first()), |set| context.feature_set(Some(set)))?;
    if let Some(place) = place.filter(|_| !features.sets.contains(&set)) {
        let error = context.texts.error(
            &place,
            format!("the features of this pipeline have no set `{}`", set.name()),
        );
        let all: Vec<String> = features
            .sets
            .iter()
            .chain([&set])
            .map(|set| format!("\"{}\"", set.name()))
            .collect();
        return Err(error.hint(format!(
            "write sets = [{}] under [features]",
            all.join(", ")
        )));
    }
    let written = [
        ("frames", span(&raw.frames)),
        ("order", span(&raw.order)),
        ("log_mel", span(&raw.log_mel)),
    ];
    let takes = inputs_keys(set);
    for (key, span) in &written {
        if let Some(span) = span.as_ref().filter(|_| !takes.contains(key)) {
            let error = context.texts.error(
                span,
                format!("`{key}` does not belong to the set `{}`", set.name()),
            );
            return Err(error.hint(match *key {
                "frames" => "it is for set = \"frames\", whose rows are sequences",
                _ => "it is for set = \"issa193\"; the other sets have logarithms already",
            }));
        }
    }
    let scaler_place = span(&raw.scaler);
    let scaler = raw
        .scaler
        .map_or(view(set, FRAMES).scaler, Spanned::into_inner);
    if let Some(place) = scaler_place.filter(|_| set.is_sequence() && scaler == ScalerKind::None) {
        let error = context.texts.error(
            &place,
            "sequences are padded with their mean, which is known of scaled inputs alone",
        );
        return Err(error.hint("write scaler = \"standard\" (or \"per-speaker\")"));
    }
    let clip = match &raw.clip {
        Some(clip) if scaler == ScalerKind::None => {
            let error = context.texts.error(
                &clip.span(),
                "`clip` counts standard deviations: it needs scaled inputs",
            );
            return Err(error.hint("add scaler = \"standard\" (or \"per-speaker\")"));
        }
        Some(_) => Some(context.whole("clip", raw.clip, 0, 1..=1000)?),
        None => None,
    };
    let frames = context.whole("frames", raw.frames, FRAMES, 1..=MOST_FRAMES as i64)?;
    Ok(Inputs {
        order: raw.order.map_or(Order::Paper, Spanned::into_inner),
        log_mel: raw.log_mel.is_some_and(Spanned::into_inner),
        scaler,
        clip,
        ..view(set, frames)
    })
}

/// Kinds of copies; `true` stands for `all`.
fn copies(key: &str, raw: Key<RawCopies>, all: &Copies, context: &Context<'_>) -> Result<Copies> {
    let Some(raw) = raw else {
        return Ok(Copies::default());
    };
    let place = raw.span();
    let words = match raw.into_inner() {
        RawCopies::All(true) if all.is_empty() => {
            let error = context.texts.error(
                &place,
                format!("`{key} = true` means the copies that are trained on, and there are none"),
            );
            return Err(error.hint("add augment = true, or name kinds of copies there"));
        }
        RawCopies::All(wanted) => {
            return Ok(if wanted {
                all.clone()
            } else {
                Copies::default()
            });
        }
        RawCopies::Of(words) => words,
    };
    let mut kinds = Vec::new();
    for word in &words {
        let Some(kind) = Variant::ALL.into_iter().find(|kind| kind.name() == word) else {
            let error = context
                .texts
                .error(&place, format!("unknown kind of copy `{}`", shorten(word)));
            return Err(error.hint(suggestion(
                word,
                "kinds of copies",
                &Variant::ALL.map(Variant::name),
            )));
        };
        if kinds.contains(&kind) {
            return Err(context
                .texts
                .error(&place, format!("the copy `{word}` stands here twice")));
        }
        kinds.push(kind);
    }
    if kinds.is_empty() {
        return Err(context
            .texts
            .error(&place, format!("`{key}` names no kind of copy"))
            .hint(format!("write {key} = false, or name some")));
    }
    Ok(Copies::of(kinds))
}

/// A set as it stands in its table; sequences are scaled, since they are padded with their mean.
fn view(set: FeatureSet, frames: usize) -> Inputs {
    let scaler = if set.is_sequence() {
        ScalerKind::Standard
    } else {
        ScalerKind::None
    };
    Inputs {
        set,
        frames: set.is_sequence().then_some(frames),
        scaler,
        ..Inputs::default()
    }
}

fn model(raw: Spanned<Table<RawModel>>, context: &Context<'_>) -> Result<ModelSettings> {
    let Table(raw) = raw.into_inner();
    let (kind, place) = (*raw.kind.get_ref(), raw.kind.span());
    let written = [
        ("architecture", span(&raw.architecture)),
        ("kernel", span(&raw.kernel)),
        ("c", span(&raw.c)),
        ("gamma", span(&raw.gamma)),
        ("trees", span(&raw.trees)),
        ("max_depth", span(&raw.max_depth)),
        ("min_leaf", span(&raw.min_leaf)),
        ("features", span(&raw.features)),
        ("k", span(&raw.k)),
        ("weights", span(&raw.weights)),
        ("hidden", span(&raw.hidden)),
        ("input_dropout", span(&raw.input_dropout)),
        ("dropout", span(&raw.dropout)),
        ("channels", span(&raw.channels)),
        ("members", span(&raw.members)),
        ("vote", span(&raw.vote)),
        ("member_weights", span(&raw.member_weights)),
    ];
    refuse_others(&written, model_keys(kind), "model", context)?;
    let c = match &raw.c {
        Some(c) => context.real("c", c, |x| x > 0.0, "above 0")?,
        None => 1.0,
    };
    Ok(match kind {
        RawModelKind::Cnn => {
            let Some(architecture) = raw.architecture else {
                let error = context
                    .texts
                    .error(&place, "a cnn needs the key `architecture`");
                return Err(error.hint("known architectures: baseline, ravdess, emodb-a, iemocap, and the steps between them"));
            };
            let architecture: Architecture = architecture.into_inner();
            ModelSettings::Cnn { architecture }
        }
        RawModelKind::Logistic => ModelSettings::Logistic { c },
        RawModelKind::Svm => {
            let kernel = value_or(raw.kernel, Kernel::Rbf);
            let gamma = match (raw.gamma, kernel) {
                (Some(gamma), Kernel::Linear) => {
                    let error = context.texts.error(
                        &gamma.span(),
                        "`gamma` is the width of a Gaussian kernel, and this kernel is linear",
                    );
                    return Err(error.hint("remove it, or set kernel = \"rbf\""));
                }
                (Some(gamma), Kernel::Rbf) => Some(self::gamma(&gamma, context)?),
                (None, Kernel::Rbf) => Some(Gamma::Scale),
                (None, Kernel::Linear) => None,
            };
            ModelSettings::Svm { kernel, c, gamma }
        }
        RawModelKind::RandomForest => ModelSettings::RandomForest {
            trees: context.whole("trees", raw.trees, 500, TREES)?,
            max_depth: raw
                .max_depth
                .map(|depth| context.whole("max_depth", Some(depth), 0, DEPTHS))
                .transpose()?,
            min_leaf: context.whole("min_leaf", raw.min_leaf, 1, 1..=1_000_000)?,
            features: value_or(raw.features, SplitFeatures::Sqrt),
        },
        RawModelKind::Knn => ModelSettings::Knn {
            k: context.whole("k", raw.k, 5, NEIGHBOURS)?,
            weights: value_or(raw.weights, KnnWeights::Uniform),
        },
        RawModelKind::Majority => ModelSettings::Majority,
        RawModelKind::Perceptron => ModelSettings::Perceptron(network::perceptron(raw, context)?),
        RawModelKind::Temporal => ModelSettings::Temporal(network::temporal(raw, context)?),
        RawModelKind::Ensemble => ensemble::model(raw, &place, context)?,
    })
}

/// The width of a Gaussian kernel.
pub(super) fn gamma(gamma: &Spanned<Gamma>, context: &Context<'_>) -> Result<Gamma> {
    match *gamma.get_ref() {
        Gamma::Value(value) => {
            let value = Spanned::new(gamma.span(), value);
            Ok(Gamma::Value(context.real(
                "gamma",
                &value,
                |x| x > 0.0,
                "\"scale\" or above 0",
            )?))
        }
        Gamma::Scale => Ok(Gamma::Scale),
    }
}

fn require(raw: Key<Words>, context: &Context<'_>) -> Result<Vec<Requirement>> {
    let Some(raw) = raw else { return Ok(vec![]) };
    let place = raw.span();
    let mut demands = Vec::new();
    for word in raw.into_inner().0 {
        let Some(demand) = Requirement::parse(&word) else {
            let known = Requirement::ALL.map(Requirement::name);
            let error = context
                .texts
                .error(&place, format!("unknown requirement `{}`", shorten(&word)));
            return Err(error.hint(suggestion(&word, "requirements", &known)));
        };
        if demands.contains(&demand) {
            return Err(context.texts.error(
                &place,
                format!("the requirement `{word}` stands here twice"),
            ));
        }
        demands.push(demand);
    }
    // The order says nothing.
    demands.sort();
    Ok(demands)
}

/// Keys of a kind of protocol besides `kind`.
pub(super) fn protocol_keys(kind: RawProtocolKind) -> &'static [&'static str] {
    use RawProtocolKind::{
        CrossCorpus, Declared, GroupKfold, HoldOut, LeaveOneSessionOut, LeaveOneSpeakerOut,
        Published, StratifiedKfold,
    };
    match kind {
        HoldOut => &["test_fraction"],
        StratifiedKfold | GroupKfold => &["folds"],
        Published => &["name"],
        LeaveOneSpeakerOut | LeaveOneSessionOut | CrossCorpus | Declared => &[],
    }
}

/// Keys of a kind of model besides `kind`.
pub(super) fn model_keys(kind: RawModelKind) -> &'static [&'static str] {
    match kind {
        RawModelKind::Cnn => &["architecture"],
        RawModelKind::Logistic => &["c"],
        RawModelKind::Svm => &["kernel", "c", "gamma"],
        RawModelKind::RandomForest => &["trees", "max_depth", "min_leaf", "features"],
        RawModelKind::Knn => &["k", "weights"],
        RawModelKind::Majority => &[],
        RawModelKind::Perceptron => &["hidden", "input_dropout", "dropout"],
        RawModelKind::Temporal => &["channels", "dropout"],
        RawModelKind::Ensemble => &["members", "vote", "member_weights"],
    }
}

/// Keys of the inputs that only some sets of features have.
pub(super) fn inputs_keys(set: FeatureSet) -> &'static [&'static str] {
    match set {
        FeatureSet::Issa193 => &["order", "log_mel"],
        FeatureSet::Issa193Db => &["order"],
        FeatureSet::Functionals => &[],
        FeatureSet::Frames => &["frames"],
    }
}

/// Keys that another kind of the same table has.
pub(super) fn refuse_others(
    written: &[(&str, Option<Range<usize>>)],
    takes: &[&str],
    what: &str,
    context: &Context<'_>,
) -> Result<()> {
    for (key, span) in written {
        if let Some(span) = span.as_ref().filter(|_| !takes.contains(key)) {
            let error = context.texts.error(
                span,
                format!("`{key}` does not belong to this kind of {what}"),
            );
            let own = if takes.is_empty() {
                "nothing".to_owned()
            } else {
                takes.join(", ")
            };
            let one = if context.texts.is_override(span) {
                "; experiment.NAME.… reaches one experiment alone"
            } else {
                ""
            };
            return Err(error.hint(format!("besides its kind, this {what} takes: {own}{one}")));
        }
    }
    Ok(())
}
