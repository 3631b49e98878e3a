//! `search` of an experiment: settings that are chosen by cross-validation within each training
//! part.

use std::collections::BTreeMap;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::ModelSettings;
use super::schema::{above_zero, distinct};
use super::section::Section;
use crate::error::Result;
use crate::model::Gamma;
use crate::split::{Grouping, Protocol};
use crate::transform::{Inputs, Layer, Pooling};

/// Candidates that a search may have: each is trained once an inner fold.
const MOST: usize = 1000;

/// The measure by which candidates are compared, over all inner folds together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SearchMetric {
    /// Mean of per-class recalls.
    #[default]
    Uar,
    /// Share of correct predictions.
    Accuracy,
    /// Mean of per-class F1.
    MacroF1,
}

/// A grid search by inner cross-validation on training rows alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// Inner folds.
    #[serde(default = "four")]
    #[schemars(range(min = 2, max = 1000))]
    pub folds: usize,
    /// `speaker`: inner folds of whole speakers; `utterance`: random and stratified, the default
    /// with `hold-out` and `stratified-kfold`.
    #[serde(default = "utterance")]
    #[schemars(extend("x-default" = "that of the protocol"))]
    pub by: Grouping,
    /// Measure that decides, over all inner folds together.
    #[serde(default)]
    pub metric: SearchMetric,
    /// From 2 to 1000 candidates out of lists under `model.c`, `model.gamma`, `model.k`,
    /// `model.trees`, `model.max_depth`, `model.shrinkage`, `inputs.log_mel`, `inputs.layer` and
    /// `inputs.pooling`; the model's own value holds where there is no list. Networks have lists of
    /// `inputs` alone.
    pub grid: Grid,
}

fn four() -> usize {
    4
}

fn utterance() -> Grouping {
    Grouping::Utterance
}

/// Values to try, all with all; an empty list leaves the experiment's own value. Later lists vary
/// faster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "GridKeys")]
#[schemars(with = "GridKeys")]
pub struct Grid {
    log_mel: Vec<bool>,
    layer: Vec<Layer>,
    pooling: Vec<Pooling>,
    c: Vec<f64>,
    gamma: Vec<Gamma>,
    k: Vec<usize>,
    trees: Vec<usize>,
    max_depth: Vec<usize>,
    shrinkage: Vec<f64>,
}

/// The keys of `grid`.
#[derive(Deserialize, JsonSchema)]
struct GridKeys {
    /// Lists of settings of the model.
    #[serde(default)]
    model: ModelGrid,
    /// Lists of settings of the inputs.
    #[serde(default)]
    inputs: InputsGrid,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct ModelGrid {
    #[schemars(length(min = 1), transform = above_zero, transform = distinct)]
    c: Vec<f64>,
    #[schemars(length(min = 1), transform = distinct)]
    gamma: Vec<Gamma>,
    #[schemars(length(min = 1), transform = distinct, inner(range(min = 1, max = 1_000_000)))]
    k: Vec<usize>,
    #[schemars(length(min = 1), transform = distinct, inner(range(min = 1, max = 100_000)))]
    trees: Vec<usize>,
    #[schemars(length(min = 1), transform = distinct, inner(range(min = 1, max = 100_000)))]
    max_depth: Vec<usize>,
    #[schemars(
        length(min = 1),
        transform = above_zero,
        transform = distinct,
        inner(range(max = 1))
    )]
    shrinkage: Vec<f64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct InputsGrid {
    #[schemars(length(min = 1), transform = distinct)]
    log_mel: Vec<bool>,
    #[schemars(length(min = 1), transform = distinct)]
    layer: Vec<Layer>,
    #[schemars(length(min = 1), transform = distinct)]
    pooling: Vec<Pooling>,
}

impl From<GridKeys> for Grid {
    fn from(GridKeys { model, inputs }: GridKeys) -> Grid {
        Grid {
            log_mel: inputs.log_mel,
            layer: inputs.layer,
            pooling: inputs.pooling,
            c: model.c,
            gamma: model.gamma,
            k: model.k,
            trees: model.trees,
            max_depth: model.max_depth,
            shrinkage: model.shrinkage,
        }
    }
}

/// One point of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The model there.
    pub model: ModelSettings,
    /// The inputs there.
    pub inputs: Inputs,
    /// The values of the grid there, by dotted key (`model.c`).
    pub settings: BTreeMap<String, String>,
}

impl SearchMetric {
    /// The word of the pipeline file, with the underscore of the tables of metrics.
    pub fn name(self) -> &'static str {
        match self {
            SearchMetric::Uar => "uar",
            SearchMetric::Accuracy => "accuracy",
            SearchMetric::MacroF1 => "macro_f1",
        }
    }
}

impl Grid {
    /// Number of values by dotted key, in the order of the grid.
    fn lists(&self) -> [(&'static str, usize); 9] {
        let Grid {
            log_mel,
            layer,
            pooling,
            c,
            gamma,
            k,
            trees,
            max_depth,
            shrinkage,
        } = self;
        [
            ("inputs.log_mel", log_mel.len()),
            ("inputs.layer", layer.len()),
            ("inputs.pooling", pooling.len()),
            ("model.c", c.len()),
            ("model.gamma", gamma.len()),
            ("model.k", k.len()),
            ("model.trees", trees.len()),
            ("model.max_depth", max_depth.len()),
            ("model.shrinkage", shrinkage.len()),
        ]
    }

    /// The dotted keys that have values.
    pub fn keys(&self) -> Vec<&'static str> {
        self.lists()
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(key, _)| key)
            .collect()
    }

    fn len(&self) -> usize {
        self.lists()
            .iter()
            .map(|(_, n)| (*n).max(1))
            .fold(1, usize::saturating_mul)
    }

    /// The layers of an encoder that are tried.
    pub fn layers(&self) -> &[Layer] {
        &self.layer
    }

    /// The poolings of an encoder's states that are tried.
    pub fn poolings(&self) -> &[Pooling] {
        &self.pooling
    }

    /// All points, in order.
    pub fn candidates(&self, model: &ModelSettings, inputs: &Inputs) -> Vec<Candidate> {
        let mut points = vec![Candidate {
            model: model.clone(),
            inputs: *inputs,
            settings: BTreeMap::new(),
        }];
        vary(
            &mut points,
            "inputs.log_mel",
            &self.log_mel,
            |point, value| point.inputs.log_mel = *value,
        );
        vary(&mut points, "inputs.layer", &self.layer, |point, value| {
            point.inputs.layer = Some(*value);
        });
        vary(
            &mut points,
            "inputs.pooling",
            &self.pooling,
            |point, value| point.inputs.pooling = Some(*value),
        );
        vary(
            &mut points,
            "model.c",
            &self.c,
            |point, value| match &mut point.model {
                ModelSettings::Svm(settings) => settings.c = *value,
                ModelSettings::Logistic(settings) => settings.c = *value,
                _ => {}
            },
        );
        vary(&mut points, "model.gamma", &self.gamma, |point, value| {
            if let ModelSettings::Svm(settings) = &mut point.model {
                settings.gamma = Some(*value);
            }
        });
        vary(&mut points, "model.k", &self.k, |point, value| {
            if let ModelSettings::Knn(settings) = &mut point.model {
                settings.k = *value;
            }
        });
        vary(&mut points, "model.trees", &self.trees, |point, value| {
            if let ModelSettings::RandomForest(settings) = &mut point.model {
                settings.trees = *value;
            }
        });
        vary(
            &mut points,
            "model.max_depth",
            &self.max_depth,
            |point, value| {
                if let ModelSettings::RandomForest(settings) = &mut point.model {
                    settings.max_depth = Some(*value);
                }
            },
        );
        vary(
            &mut points,
            "model.shrinkage",
            &self.shrinkage,
            |point, value| {
                if let ModelSettings::Lda(settings) = &mut point.model {
                    settings.shrinkage = *value;
                }
            },
        );
        points
    }
}

/// Puts one point for each value in the place of every point.
fn vary<T: Display>(
    points: &mut Vec<Candidate>,
    key: &str,
    values: &[T],
    set: impl Fn(&mut Candidate, &T),
) {
    if values.is_empty() {
        return;
    }
    let varied = points
        .iter()
        .flat_map(|point| values.iter().map(move |value| (point.clone(), value)));
    let place = |(mut point, value): (Candidate, &T)| {
        set(&mut point, value);
        point.settings.insert(key.to_owned(), value.to_string());
        point
    };
    *points = varied.map(place).collect();
}

/// A dotted key as models are described with it.
pub(super) fn word(key: &'static str) -> &'static str {
    match key {
        "model.c" => "C",
        "model.max_depth" => "depth",
        _ => key.split_once('.').map_or(key, |(_, last)| last),
    }
}

/// Fills in the folds that follow from the protocol, and checks the grid against the model.
pub(super) fn finish(
    search: &mut Search,
    written: &Section<'_>,
    protocol: &Protocol,
    model: &ModelSettings,
    inputs: &Inputs,
) -> Result<()> {
    if !written.has("by") && protocol.keeps_speakers_apart() {
        search.by = Grouping::Speaker;
    }
    if search.grid.layer.contains(&Layer::Weighted) {
        let message = "`weighted` is no layer among others";
        let error = written.error("grid", message);
        return Err(
            error.hint("it is for model = { kind = \"weighted-sum\" } in an experiment of its own")
        );
    }
    for key in search.grid.keys() {
        let of_encoders = matches!(key, "inputs.layer" | "inputs.pooling");
        if of_encoders && inputs.pooling.is_none() {
            let message = format!("`{key}` does not belong to the set `{}`", inputs.set.name());
            let error = written.error("grid", message);
            return Err(error.hint("it is for the set of an [[encoder]] that pools its states"));
        }
        let Some(last) = key.strip_prefix("model.") else {
            continue;
        };
        let settings = model.classical();
        if settings.is_some_and(|settings| settings.searchable().contains(&last)) {
            continue;
        }
        let grid = written.section("grid");
        let values = grid.as_ref().and_then(|grid| grid.section("model"));
        let message = format!(
            "`{key}` does not belong to this model ({})",
            model.describe()
        );
        return Err(values.as_ref().unwrap_or(written).error(last, message));
    }
    let candidates = search.grid.len();
    if (2..=MOST).contains(&candidates) {
        return Ok(());
    }
    let message = format!("this grid has {candidates} candidates, and must have from 2 to {MOST}");
    let error = written.error("grid", message);
    Err(error.hint("write for example grid = { model.c = [0.1, 1, 10] }"))
}
