//! `[[experiment]]`: a model in a protocol.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::check::Refusal;
use super::corpus::CorpusKind;
use super::features::{self, FeatureSettings};
use super::inputs;
use super::model::ModelSettings;
use super::protocol;
use super::schema::{distinct, flatten, value, without};
use super::search::{self, Search};
use super::section::Section;
use super::train::{self, TrainKeys};
use crate::audio::augment::{Copies, Variant};
use crate::corpus;
use crate::error::Result;
use crate::features::FeatureSet;
use crate::model::TrainSettings;
use crate::split::{Grouping, Protocol, Requirement};
use crate::transform::{Inputs, Layer};

/// A model in a protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// Unique within the pipeline.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Heading in the report.
    #[serde(default)]
    #[schemars(extend("format" = "text", "x-default" = "the name"))]
    pub title: String,
    /// Whether it runs when no experiment is named.
    #[serde(default = "yes")]
    pub default: bool,
    /// Division of the corpus into folds: how utterances are trained and tested on.
    pub protocol: Protocol,
    /// Seed of the random draws that make folds and validation parts.
    #[serde(default)]
    pub split_seed: u64,
    /// Share of the training part that watches the training of a network; other models make no use
    /// of it, and a warning says that it takes training data away from them.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub validation: Option<f64>,
    /// Choice and scaling of a row of features.
    #[serde(default)]
    #[schemars(extend("x-default" = "see below"))]
    pub inputs: Inputs,
    /// Also train on changed copies of the training utterances, see `[features]`: all four, or some
    /// of `shift`, `speed-up`, `slow-down` and `noise`.
    #[serde(
        default,
        deserialize_with = "copies",
        skip_serializing_if = "Copies::is_empty"
    )]
    #[schemars(schema_with = "copies_schema", extend("x-default" = "`false`"))]
    pub augment: Copies,
    /// Test-time augmentation: the prediction of a recording is the mean of the probabilities over
    /// the recording and its changed copies; `true` means the kinds of `augment`, a list some of
    /// them.
    #[serde(
        default,
        deserialize_with = "copies",
        skip_serializing_if = "Copies::is_empty"
    )]
    #[schemars(schema_with = "copies_schema", extend("x-default" = "`false`"))]
    pub test_time_augment: Copies,
    /// Whether the report shows the importance of features for its models; changes no result.
    /// `ser explain PIPELINE -e NAME` does the same once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-default" = "`false`"))]
    pub explain: bool,
    /// Model that is trained.
    pub model: ModelSettings,
    /// Settings of `svm`, `logistic`, `random-forest` or `knn` that are chosen within each training
    /// part; see below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// How a network is trained; only with the kinds `cnn`, `perceptron`,
    /// `temporal` and `weighted-sum`.
    #[serde(default = "train::default", deserialize_with = "train::read")]
    #[schemars(with = "TrainKeys", extend("x-default" = "see below"))]
    pub train: TrainSettings,
    /// One training run each; several only for networks and random forests.
    #[serde(default = "seed_0")]
    #[schemars(length(min = 1, max = 1000), transform = distinct)]
    pub seeds: Vec<u64>,
    /// A control: labels are dealt out anew over the corpus (by `split_seed`) before folds are made;
    /// a result above chance then is a leak. The report says so, and puts it beside no published
    /// figure.
    #[serde(default)]
    pub shuffle_labels: bool,
    /// Demands on every fold, without which nothing is trained: see below.
    #[serde(default, deserialize_with = "requirements")]
    #[schemars(schema_with = "requirements_schema", extend("x-default" = "none"))]
    pub require: Vec<Requirement>,
}

fn yes() -> bool {
    true
}

fn seed_0() -> Vec<u64> {
    vec![0]
}

/// One value or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<A, B> {
    One(A),
    More(Vec<B>),
}

/// Changed copies: `true` for all kinds, `false`, or a list of kinds.
fn copies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Copies, D::Error> {
    Ok(
        match OneOrMore::<bool, Variant>::deserialize(deserializer)? {
            OneOrMore::One(true) => Copies::all(),
            OneOrMore::One(false) => Copies::default(),
            OneOrMore::More(kinds) => Copies::of(kinds),
        },
    )
}

fn copies_schema(generator: &mut SchemaGenerator) -> Schema {
    let kind = generator.subschema_for::<Variant>();
    let list = json_schema!({ "type": "array", "items": kind, "uniqueItems": true, "minItems": 1 });
    json_schema!({ "anyOf": [{ "type": "boolean" }, list] })
}

/// A word, or a list of them; the order says nothing.
fn requirements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Requirement>, D::Error> {
    let mut all = match OneOrMore::<Requirement, Requirement>::deserialize(deserializer)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(all) => all,
    };
    all.sort();
    Ok(all)
}

fn requirements_schema(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<Requirement>();
    let list = json_schema!({ "type": "array", "items": one, "uniqueItems": true });
    json_schema!({ "anyOf": [one, list] })
}

/// Kinds of models that are trained in epochs.
const NETWORKS: [&str; 4] = ["cnn", "perceptron", "temporal", "weighted-sum"];
/// Keys that say how a model is trained, which an ensemble is not.
const OF_TRAINING: [&str; 7] = [
    "inputs",
    "augment",
    "test_time_augment",
    "validation",
    "search",
    "train",
    "seeds",
];

/// Keys of an experiment that its model rules out, and keys of its inputs that their set rules out.
pub(super) fn ruled_out(section: &Section<'_>, key: &str) -> Option<Refusal> {
    if section.name == "inputs" {
        return inputs::ruled_out(section, key);
    }
    let set = features::set_of(section);
    let of_encoder = set.is_some_and(FeatureSet::is_of_encoder);
    let copies = matches!(key, "augment" | "test_time_augment");
    if copies && set.is_some_and(FeatureSet::is_imported) && section.read(key) != Some(false) {
        return Some(Refusal {
            why: "imported features have no rows of changed copies of the recordings".to_owned(),
            hint: format!(
                "remove `{key}` from this experiment, or take a set that is computed here"
            ),
        });
    }
    if key == "explain" && of_encoder && section.read(key) == Some(true) {
        return Some(Refusal {
            why: "the single values of an encoder's states have no meaning that could be explained"
                .to_owned(),
            hint: "remove `explain` from this experiment".to_owned(),
        });
    }
    let model = section.section("model")?;
    let kind = model.word("kind")?;
    let (why, hint) = match key {
        _ if kind == "ensemble" && OF_TRAINING.contains(&key) => (
            format!("an ensemble is not trained: `{key}` belongs to its members"),
            format!("remove `{key}` from this experiment"),
        ),
        "train" if !NETWORKS.contains(&kind) => (
            format!("`train` is for networks; a model of kind `{kind}` is not trained in epochs"),
            "remove it, or choose model = { kind = \"cnn\", … }".to_owned(),
        ),
        "search" if kind == "majority" => (
            format!("`search` is not for this model ({kind})"),
            "nothing changes it: remove `search` from this experiment".to_owned(),
        ),
        "search" if section.section("train").is_some_and(stops_early) => (
            "`search` is not for a network with early stopping, whose validation part the inner folds lack"
                .to_owned(),
            "remove one of the two, and give the number of epochs".to_owned(),
        ),
        _ => return None,
    };
    Some(Refusal { why, hint })
}

fn stops_early(train: Section<'_>) -> bool {
    train.read("patience").is_some_and(|epochs: u64| epochs > 0)
}

/// Whether an override for all experiments reaches this one: those of training reach only models
/// that take them.
pub(super) fn is_reached(model: Option<&str>, key: &str) -> bool {
    match key {
        "train" => model.is_some_and(|kind| NETWORKS.contains(&kind)),
        "seeds" => model.is_some_and(|kind| NETWORKS.contains(&kind) || kind == "random-forest"),
        "inputs" | "validation" | "augment" | "test_time_augment" => model != Some("ensemble"),
        _ => true,
    }
}

/// Fills in what follows from other settings, and checks what the schema cannot say.
pub(super) fn finish(
    experiment: &mut Experiment,
    written: &Section<'_>,
    corpus: &CorpusKind,
    features: &FeatureSettings,
) -> Result<()> {
    if let Some(written) = written.section("protocol") {
        protocol::check(&experiment.protocol, corpus, &written)?;
        if let Protocol::Published { of, .. } = &mut experiment.protocol {
            corpus.name().clone_into(of);
        }
    }
    title(experiment, written);
    inputs::finish(&mut experiment.inputs, written, features)?;
    finish_model(experiment, written)?;
    if let Some(written) = written.section("train") {
        train::check(&written, &experiment.train)?;
    }
    if let Some((search, written)) = experiment.search.as_mut().zip(written.section("search")) {
        search::finish(
            search,
            &written,
            &experiment.protocol,
            &experiment.model,
            &experiment.inputs,
        )?;
    }
    test_time_copies(experiment, written)?;
    if experiment.seeds.len() > 1 && !experiment.model.is_drawn() {
        let message = "several seeds are for networks and random forests: this model comes out the same for every seed";
        return Err(written.error("seeds", message).hint("name one seed"));
    }
    Ok(())
}

fn title(experiment: &mut Experiment, written: &Section<'_>) {
    // A title of the file may speak of the file's protocol.
    let is_outdated = written.is_overridden("protocol") && !written.is_overridden("title");
    if !written.has("title") {
        experiment.title.clone_from(&experiment.name);
    } else if is_outdated {
        experiment.title = format!("{} ({})", experiment.name, experiment.protocol.name());
    }
    if experiment.shuffle_labels {
        experiment.title += " (labels shuffled)";
    }
}

fn finish_model(experiment: &mut Experiment, written: &Section<'_>) -> Result<()> {
    /// Two poolings halve the frames.
    const FEWEST: usize = 4;
    experiment.model.fill_in();
    let (message, hint) = match (&experiment.model, experiment.inputs.frames) {
        (ModelSettings::Temporal(_), None) => (
            "a temporal network reads sequences",
            "set inputs = { set = \"frames\", … }, or the name of an [[encoder]] with `frames`",
        ),
        (ModelSettings::Temporal(_), Some(frames)) if frames < FEWEST => (
            "a temporal network needs 4 frames or more",
            "set inputs.frames = 128, about three seconds",
        ),
        (ModelSettings::Cnn { .. } | ModelSettings::Perceptron(_), Some(_)) => (
            "this network reads vectors, not sequences of frames",
            "take another set of features, or model = { kind = \"temporal\" }",
        ),
        (ModelSettings::WeightedSum(_), _) if experiment.inputs.layer != Some(Layer::Weighted) => (
            "a weighted sum takes all layers of an encoder",
            "set inputs = { set = \"NAME\", layer = \"weighted\" } with the name of an [[encoder]]",
        ),
        (model, _)
            if experiment.inputs.layer == Some(Layer::Weighted)
                && !matches!(model, ModelSettings::WeightedSum(_)) =>
        {
            (
                "this model does not weigh the layers of an encoder",
                "name one `layer`, or set model = { kind = \"weighted-sum\" }",
            )
        }
        (
            ModelSettings::Ensemble {
                members, weights, ..
            },
            _,
        ) if !weights.is_empty() && weights.len() != members.len() => {
            let message = format!("{} weights for {} members", weights.len(), members.len());
            let model = written.section("model");
            let error = model
                .as_ref()
                .unwrap_or(written)
                .error("member_weights", message);
            return Err(error.hint("write one weight for each member, in their order"));
        }
        _ => return Ok(()),
    };
    Err(written.error("model", message).hint(hint))
}

fn test_time_copies(experiment: &mut Experiment, written: &Section<'_>) -> Result<()> {
    const KEY: &str = "test_time_augment";
    if written.read(KEY) == Some(true) {
        if experiment.augment.is_empty() {
            let message =
                format!("`{KEY} = true` means the copies that are trained on, and there are none");
            return Err(written
                .error(KEY, message)
                .hint("add augment = true, or name kinds of copies there"));
        }
        experiment.test_time_augment = experiment.augment.clone();
    }
    let (trained, tested) = (
        experiment.augment.kinds(),
        experiment.test_time_augment.kinds(),
    );
    match tested.iter().find(|kind| !trained.contains(kind)) {
        Some(kind) => {
            let message = format!(
                "copies of the kind `{}` are predicted but not trained on",
                kind.name()
            );
            Err(written
                .error(KEY, message)
                .hint("name the same kind in `augment`, or leave it out here"))
        }
        None => Ok(()),
    }
}

impl Experiment {
    /// Whether the model is trained in epochs, so that [`Experiment::train`] means something.
    pub fn has_epochs(&self) -> bool {
        self.model.is_network()
    }

    /// Whether the model is given what depends on clips that it is tested on; see
    /// [`Inputs::is_transductive`].
    pub fn is_transductive(&self) -> bool {
        self.inputs.is_transductive()
    }

    /// Whether training depends on the speakers, beside the folds.
    pub fn depends_on_speakers(&self) -> bool {
        let calibrated_by_speaker =
            self.model.calibration().is_some() && self.protocol.keeps_speakers_apart();
        self.is_transductive()
            || calibrated_by_speaker
            || self
                .search
                .as_ref()
                .is_some_and(|search| search.by == Grouping::Speaker)
    }

    /// The model in words, with what must be known to read its result: `svm rbf C=10 gamma=scale on
    /// functionals, transductive`. What is searched has no value.
    pub fn describe(&self) -> String {
        self.describe_chosen(&[])
    }

    /// The same, with what the inner folds of each training chose, by dotted key:
    /// `svm rbf C=3 on functionals, gamma chosen by inner folds: 0.0005 (4 folds), 0.001 (2)`.
    pub fn describe_chosen(&self, chosen: &[BTreeMap<String, String>]) -> String {
        let set = self.inputs.set;
        let on = if set == FeatureSet::default() || !self.members().is_empty() {
            String::new()
        } else {
            format!(" on {}", set.name())
        };
        let state = self.describe_state();
        let transductive = if self.is_transductive() {
            ", transductive"
        } else {
            ""
        };
        let searched = self
            .search
            .as_ref()
            .map(|search| search.grid.keys())
            .unwrap_or_default();
        let each = if self.seeds.len() > 1 {
            "training"
        } else {
            "fold"
        };
        let of = |key: &&'static str| {
            format!(
                ", {} chosen by inner folds{}",
                search::word(key),
                counted(key, chosen, each)
            )
        };
        let choices: String = searched.iter().map(of).collect();
        let augmented = self.augment.describe();
        let tested = self.test_time_augment.describe_test_time(&self.augment);
        format!(
            "{}{on}{state}{choices}{augmented}{tested}{transductive}",
            self.model.describe_but(&searched)
        )
    }

    /// The state of an encoder and its pooling, where they are not searched.
    fn describe_state(&self) -> String {
        let searched = self.search.as_ref().map(|search| search.grid.keys());
        let is_fixed = |key| !searched.as_ref().is_some_and(|keys| keys.contains(&key));
        let Inputs { layer, pooling, .. } = self.inputs;
        let layer = layer.filter(|_| is_fixed("inputs.layer"));
        let pooling = pooling.filter(|_| is_fixed("inputs.pooling"));
        let layer = layer.map(|layer| format!(", layer {layer}"));
        let pooling = pooling.map(|pooling| format!(", {pooling}"));
        layer.unwrap_or_default() + &pooling.unwrap_or_default()
    }

    /// Why a validation part is of no use to the model, where there is one.
    pub fn unused_validation(&self) -> Option<String> {
        let share = self
            .validation
            .filter(|_| !self.has_epochs() && self.members().is_empty())?;
        Some(format!(
            "validation = {share} takes utterances away from training that this model ({}) makes no use of: remove it, or choose a network",
            self.model.name()
        ))
    }

    /// Names of the experiments whose predictions are brought together; empty for everything but an
    /// ensemble.
    pub fn members(&self) -> &[String] {
        match &self.model {
            ModelSettings::Ensemble { members, .. } => members,
            _ => &[],
        }
    }

    /// Seeds of the training runs of each fold: none for an ensemble.
    pub fn trained_seeds(&self) -> &[u64] {
        if self.members().is_empty() {
            &self.seeds
        } else {
            &[]
        }
    }

    /// The key of a split: everything that decides the folds.
    pub fn split_key(&self) -> Map<String, Value> {
        let mut key = Map::from_iter([
            ("experiment".to_owned(), value(&self.name)),
            ("protocol".to_owned(), value(&self.protocol)),
            ("split_seed".to_owned(), value(&self.split_seed)),
            ("validation".to_owned(), value(&self.validation)),
        ]);
        if self.shuffle_labels {
            key.insert("shuffle_labels".to_owned(), true.into());
        }
        if let Protocol::Published { of, .. } = &self.protocol
            && of != "ravdess"
            && let Some(folds) = corpus::known::known(of).and_then(|known| known.emobox.as_ref())
        {
            key.insert("folds".to_owned(), folds.fingerprint().into());
        }
        key
    }

    /// The key of a training: every setting, but for those that follow.
    pub fn model_key(&self) -> Map<String, Value> {
        // Folds, validation part, labels and changed copies reach a training by their content, the
        // seed by the task. The others change no result.
        const NO_PART: [&str; 10] = [
            "name",
            "title",
            "default",
            "protocol",
            "split_seed",
            "validation",
            "seeds",
            "shuffle_labels",
            "require",
            "explain",
        ];
        let mut key = without(self, &NO_PART);
        if self.has_epochs() {
            // How often a checkpoint is written changes nothing in the model.
            let train = without(&self.train, &["checkpoint_every"]);
            key.insert("train".to_owned(), train.into());
        } else {
            key.remove("train");
        }
        if let Some(search) = key.get_mut("search").and_then(Value::as_object_mut) {
            // The inner folds are drawn by it.
            search.insert("seed".to_owned(), self.split_seed.into());
        }
        key
    }

    /// [`Experiment::model_key`] by dotted key.
    pub fn model_parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = BTreeMap::new();
        flatten("", &self.model_key().into(), &mut parameters);
        parameters
    }
}

/// `: 0.0005 (4 folds), 0.001 (2)`: how often each value was chosen, the most frequent first and of
/// equals the one chosen first.
fn counted(key: &str, chosen: &[BTreeMap<String, String>], each: &str) -> String {
    let mut counts: Vec<(&String, usize)> = Vec::new();
    for value in chosen.iter().filter_map(|settings| settings.get(key)) {
        match counts.iter_mut().find(|(other, _)| *other == value) {
            Some((_, n)) => *n += 1,
            None => counts.push((value, 1)),
        }
    }
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let Some(((value, n), others)) = counts.split_first() else {
        return String::new();
    };
    let plural = if *n == 1 { "" } else { "s" };
    let others: String = others
        .iter()
        .map(|(value, n)| format!(", {value} ({n})"))
        .collect();
    format!(": {value} ({n} {each}{plural}){others}")
}
