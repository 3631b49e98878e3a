//! A pipeline: one corpus, its features, and the experiments on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::check::{self, Refusal};
use super::corpus::{self, CorpusSettings};
use super::encoder::{self, EncoderSettings};
use super::ensemble;
use super::experiment::{self, Experiment};
use super::features::{self, FeatureKeys, FeatureSettings};
use super::matrix;
use super::model::{self, ModelSettings};
use super::published;
use super::schema::{self, flatten, value, word};
use super::section::Section;
use super::slurm::{SlurmKeys, SlurmSettings};
use super::source::{SourceMap, suggestion};
use super::train;
use crate::corpus::Published;
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::transform::{Inputs, ScalerKind};

/// The schema of a pipeline file.
pub(super) static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| matrix::with_keys(schema::of::<Pipeline>()));

/// One corpus, its features, and the experiments on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "A pipeline of ser")]
pub struct Pipeline {
    /// Names the folders of tables, models and reports.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Heading of the report.
    #[serde(default)]
    #[schemars(extend("format" = "text", "x-default" = "the name"))]
    pub title: String,
    /// A sentence or two for the report.
    #[serde(default)]
    #[schemars(extend("x-default" = "empty"))]
    pub description: String,
    /// Recordings and their labels, see below.
    pub corpus: CorpusSettings,
    /// Numbers that are computed from each recording, see below.
    #[serde(default)]
    #[schemars(with = "FeatureKeys", extend("x-default" = "see below"))]
    pub features: FeatureSettings,
    /// `[[encoder]]`: pretrained speech encoders, see below.
    #[serde(
        rename(deserialize = "encoder"),
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub encoders: Vec<EncoderSettings>,
    /// At least one `[[experiment]]`, see below.
    // In the order of the file; names are unique.
    #[serde(rename(deserialize = "experiment"), default)]
    #[schemars(extend("x-default" = "required"))]
    pub experiments: Vec<Experiment>,
    /// `[[published]]`: figures to stand beside the results; not with a generated corpus.
    #[serde(default)]
    #[schemars(extend("x-default" = "those known of the corpus"))]
    pub published: Vec<Published>,
    /// Resources of tasks on a cluster: [docs/slurm.md](../docs/slurm.md).
    // Changes no result.
    #[serde(skip_serializing, default)]
    #[schemars(with = "SlurmKeys", extend("x-default" = "the cluster's"))]
    pub slurm: SlurmSettings,
    /// Its file, as it was named.
    #[serde(skip)]
    pub file: PathBuf,
    /// The text of its file, without overrides.
    #[serde(skip)]
    pub text: String,
    /// Settings of the command line in place of those of the file, as `key=value`.
    #[serde(skip)]
    pub overrides: Vec<String>,
    /// Name of the variant where the overrides make one; see [`super::parse_variant`].
    #[serde(skip)]
    pub variant: Option<String>,
}

/// The JSON Schema of a pipeline file, for editors.
pub fn pipeline_schema() -> Value {
    schema::closed(matrix::as_written(SCHEMA.clone()))
}

/// A page of documentation with its tables of keys brought up to date: those between
/// `<!-- keys PART -->` or `<!-- kinds PART -->` and `<!-- end -->`.
pub fn update_page(page: &str) -> String {
    schema::update_page(page, &SCHEMA)
}

/// Keys that other settings rule out, by the table that they stand in.
fn ruled_out(section: &Section<'_>, key: &str) -> Option<Refusal> {
    match section.name {
        "corpus" | "subset" | "windows" | "parts" => corpus::ruled_out(section, key),
        "features" => features::ruled_out(section, key),
        "encoder" => encoder::ruled_out(section, key),
        "experiment" | "inputs" => experiment::ruled_out(section, key),
        "model" => model::ruled_out(section, key),
        "train" => train::ruled_out(section, key),
        _ => None,
    }
}

/// Reads a file whose overrides are in their places. `corpora_dir` stands for `data/corpora`.
pub(super) fn read(
    root: &Spanned<DeTable<'_>>,
    source: &SourceMap,
    corpora_dir: Option<&Path>,
) -> Result<Pipeline> {
    let file = Section::root(source, root);
    check::table(&file, &SCHEMA, ruled_out)?;
    let mut pipeline = Pipeline::deserialize(Deserializer::from(root.clone()))
        .map_err(|error| source.toml_error(&error))?;
    if pipeline.title.is_empty() {
        pipeline.title.clone_from(&pipeline.name);
    }
    if let Some(written) = file.section("corpus") {
        corpus::finish(&mut pipeline.corpus, &written, corpora_dir)?;
    }
    if pipeline.experiments.is_empty() {
        return Err(file.error("name", "the pipeline has no experiment").hint(
            "add an [[experiment]] with name, protocol and model; pipelines/demo.toml shows one",
        ));
    }
    features::finish(
        &mut pipeline.features,
        &mut pipeline.experiments,
        &pipeline.corpus,
        &file,
    )?;
    let sets: Vec<FeatureSet> = pipeline
        .experiments
        .iter()
        .map(|one| one.inputs.set)
        .collect();
    encoder::finish(
        &pipeline.encoders,
        &mut pipeline.features,
        sets.into_iter(),
        &file,
    )?;
    let (corpus, features) = (&pipeline.corpus.kind, &pipeline.features);
    for (experiment, written) in pipeline
        .experiments
        .iter_mut()
        .zip(file.sections("experiment"))
    {
        experiment::finish(experiment, &written, corpus, features)?;
    }
    ensemble::check(&pipeline.experiments, &file)?;
    if pipeline
        .experiments
        .iter()
        .all(|experiment| experiment.augment.is_empty())
    {
        pipeline.features.augment = None;
    }
    published::finish(&mut pipeline, &file)?;
    Ok(pipeline)
}

impl Pipeline {
    /// The experiments that run: those named (`default` names the default ones), or the default
    /// ones where none is named, and with an ensemble its members; in the order of the file.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for a name that the pipeline does not have, or where there is
    /// nothing to run.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Experiment>> {
        let known: Vec<&str> = self.experiments.iter().map(|e| e.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !self.has(name)) {
            let error = Error::usage(format!(
                "pipeline `{}` has no experiment `{unknown}`",
                self.name
            ));
            return Err(error.hint(suggestion(unknown, "experiments", &known)));
        }
        let defaults = names.is_empty() || names.iter().any(|name| self.is_default_word(name));
        let named = |e: &Experiment| (defaults && e.default) || names.contains(&e.name);
        let needed: Vec<&String> = self
            .experiments
            .iter()
            .filter(|e| named(e))
            .flat_map(|e| e.members())
            .collect();
        let chosen: Vec<&Experiment> = self
            .experiments
            .iter()
            .filter(|e| named(e) || needed.contains(&&e.name))
            .collect();
        if chosen.is_empty() {
            let error = Error::usage(format!(
                "no experiment of pipeline `{}` runs by default",
                self.name
            ));
            return Err(error.hint(format!("name one with --experiment: {}", known.join(", "))));
        }
        Ok(chosen)
    }

    /// Whether [`Pipeline::select`] knows this name.
    pub fn has(&self, name: &str) -> bool {
        self.experiments.iter().any(|e| e.name == name) || self.is_default_word(name)
    }

    /// An experiment of this name goes before the word.
    fn is_default_word(&self, name: &str) -> bool {
        name == "default" && self.experiments.iter().all(|e| e.name != name)
    }

    /// Whether an experiment, or for an ensemble any member, [is
    /// transductive](Experiment::is_transductive).
    pub fn is_transductive(&self, experiment: &Experiment) -> bool {
        experiment.is_transductive()
            || self
                .experiments
                .iter()
                .any(|e| experiment.members().contains(&e.name) && e.is_transductive())
    }

    /// What the model of an experiment sees, in words, without what a search chooses; empty for an
    /// ensemble.
    pub fn describe_inputs(&self, experiment: &Experiment) -> String {
        if !experiment.members().is_empty() {
            return String::new();
        }
        let Inputs {
            set,
            frames,
            layer,
            pooling,
            order: _,
            log_mel,
            scaler,
            clip,
        } = experiment.inputs;
        let searched = experiment
            .search
            .iter()
            .flat_map(|search| search.grid.keys());
        let searched: Vec<&str> = searched.collect();
        let is_given = |key: &str| !searched.contains(&key);
        let log_mel = if log_mel && is_given("inputs.log_mel") {
            ", log mel"
        } else {
            ""
        };
        let frames = frames
            .map(|frames| format!(", {frames} of them"))
            .unwrap_or_default();
        let layer = layer
            .filter(|_| is_given("inputs.layer"))
            .map(|layer| format!(", layer {layer}"))
            .unwrap_or_default();
        let pooling = pooling
            .filter(|_| is_given("inputs.pooling"))
            .map(|pooling| format!(", {pooling}"))
            .unwrap_or_default();
        let clip = clip
            .map(|clip| format!(", within {clip} sd"))
            .unwrap_or_default();
        format!(
            "{}{frames}{layer}{pooling}{log_mel}, scaler {}{clip}",
            set.name(),
            word(&scaler)
        )
    }

    /// Every setting in force by dotted key (`experiment.quick.train.epochs`), without the
    /// published figures.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        for (key, text) in [("name", &self.name), ("title", &self.title)] {
            settings.insert(key.to_owned(), text.clone());
        }
        flatten("corpus", &value(&self.corpus), &mut settings);
        flatten("features", &value(&self.features), &mut settings);
        for import in &self.features.imports {
            // Where a file lies changes nothing.
            let own = Value::Object(schema::without(import, &["name", "path", "ids"]));
            flatten(
                &format!("features.import.{}", import.name),
                &own,
                &mut settings,
            );
        }
        for encoder in &self.encoders {
            let prefix = format!("encoder.{}", encoder.name);
            flatten(&prefix, &value(&encoder.usage), &mut settings);
        }
        for experiment in &self.experiments {
            let mut of_one = BTreeMap::new();
            flatten("", &value(experiment), &mut of_one);
            if !experiment.has_epochs() {
                of_one.retain(|key, _| !key.starts_with("train."));
            }
            if !experiment.members().is_empty() {
                of_one.retain(|key, _| {
                    !key.starts_with("inputs.") && key != "validation" && key != "seeds"
                });
            }
            of_one.remove("name");
            settings.extend(
                of_one
                    .into_iter()
                    .map(|(key, text)| (format!("experiment.{}.{key}", experiment.name), text)),
            );
        }
        settings
    }

    /// The first inductive experiment of the file that is otherwise equal to a transductive one:
    /// its scaler is fitted on the training part, and it differs in nothing else that has a part in
    /// its result. Of an ensemble, one whose members are such pairs, in their order.
    pub fn inductive_twin(&self, experiment: &Experiment) -> Option<&Experiment> {
        let is_twin =
            |other: &&Experiment| !self.is_transductive(other) && self.are_twins(experiment, other);
        self.experiments
            .iter()
            .find(is_twin)
            .filter(|_| self.is_transductive(experiment))
    }

    /// Whether two experiments are the same but for names and the scalers of what is transductive.
    fn are_twins(&self, a: &Experiment, b: &Experiment) -> bool {
        let find = |name: &String| {
            self.experiments
                .iter()
                .find(|experiment| experiment.name == *name)
        };
        let alike = |(a, b): (&String, &String)| {
            a == b
                || find(a)
                    .zip(find(b))
                    .is_some_and(|(a, b)| self.are_twins(a, b))
        };
        if a.members().len() != b.members().len() || !a.members().iter().zip(b.members()).all(alike)
        {
            return false;
        }
        // Neither names nor demands on folds change a result, nor what runs by default or is
        // explained.
        let mut scaled = Experiment {
            name: b.name.clone(),
            title: b.title.clone(),
            require: b.require.clone(),
            default: b.default,
            explain: b.explain,
            ..a.clone()
        };
        if a.is_transductive() {
            scaled.inputs.scaler = ScalerKind::Standard;
        }
        if let (
            ModelSettings::Ensemble { members, .. },
            ModelSettings::Ensemble {
                members: others, ..
            },
        ) = (&mut scaled.model, &b.model)
        {
            members.clone_from(others);
        }
        scaled == *b
    }
}
