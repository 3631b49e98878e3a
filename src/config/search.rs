//! `search` of an experiment: settings that are chosen by cross-validation within each training
//! part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::check::{Context, span};
use super::experiment::{DEPTHS, FOLDS, NEIGHBOURS, TREES, gamma};
use super::model::{Gamma, ModelSettings};
use super::raw::{Key, Table};
use crate::error::Result;
use crate::model::Kernel;
use crate::split::{Grouping, Protocol};
use crate::transform::Inputs;

/// Candidates that a search may have: each is trained once an inner fold.
const MOST: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSearch {
    folds: Key<i64>,
    by: Option<Grouping>,
    metric: Option<SearchMetric>,
    grid: Spanned<Table<RawGrid>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrid {
    model: Option<Table<RawModelGrid>>,
    inputs: Option<Table<RawInputsGrid>>,
}

type Values<T> = Key<Vec<Spanned<T>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModelGrid {
    c: Values<f64>,
    gamma: Values<Gamma>,
    k: Values<i64>,
    trees: Values<i64>,
    max_depth: Values<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInputsGrid {
    log_mel: Values<bool>,
}

/// What candidates are compared by, over all inner folds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchMetric {
    /// Mean of per-class recalls.
    Uar,
    /// Share of correct predictions.
    Accuracy,
    /// Mean of per-class F1.
    MacroF1,
}

/// A grid search by inner cross-validation on training rows alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    /// Inner folds.
    pub folds: usize,
    /// What stays together in them.
    pub by: Grouping,
    /// What decides.
    pub metric: SearchMetric,
    /// What is tried.
    pub grid: Grid,
}

/// Values to try, all with all; an empty list leaves the experiment's own value. Later lists vary
/// faster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grid {
    log_mel: Vec<bool>,
    c: Vec<f64>,
    gamma: Vec<Gamma>,
    k: Vec<usize>,
    trees: Vec<usize>,
    max_depth: Vec<usize>,
}

/// One point of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The model there.
    pub model: ModelSettings,
    /// The inputs there.
    pub inputs: Inputs,
    /// What the grid says, by dotted key (`model.c`).
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
    fn lists(&self) -> [(&'static str, usize); 6] {
        let Grid {
            log_mel,
            c,
            gamma,
            k,
            trees,
            max_depth,
        } = self;
        [
            ("inputs.log_mel", log_mel.len()),
            ("model.c", c.len()),
            ("model.gamma", gamma.len()),
            ("model.k", k.len()),
            ("model.trees", trees.len()),
            ("model.max_depth", max_depth.len()),
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
        vary(&mut points, "model.c", &self.c, |point, value| {
            if let ModelSettings::Svm { c, .. } | ModelSettings::Logistic { c } = &mut point.model {
                *c = *value;
            }
        });
        vary(&mut points, "model.gamma", &self.gamma, |point, value| {
            if let ModelSettings::Svm { gamma, .. } = &mut point.model {
                *gamma = Some(*value);
            }
        });
        vary(&mut points, "model.k", &self.k, |point, value| {
            if let ModelSettings::Knn { k, .. } = &mut point.model {
                *k = *value;
            }
        });
        vary(&mut points, "model.trees", &self.trees, |point, value| {
            if let ModelSettings::RandomForest { trees, .. } = &mut point.model {
                *trees = *value;
            }
        });
        vary(
            &mut points,
            "model.max_depth",
            &self.max_depth,
            |point, value| {
                if let ModelSettings::RandomForest { max_depth, .. } = &mut point.model {
                    *max_depth = Some(*value);
                }
            },
        );
        points
    }
}

/// Puts one point for each value in the place of every point.
fn vary<T: Written>(
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
        point.settings.insert(key.to_owned(), value.written());
        point
    };
    *points = varied.map(place).collect();
}

/// A value as a pipeline file has it.
trait Written {
    fn written(&self) -> String;
}

impl Written for bool {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for f64 {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for usize {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for Gamma {
    fn written(&self) -> String {
        self.describe()
    }
}

/// A dotted key as models are described with it.
pub(super) fn word(key: &'static str) -> &'static str {
    match key {
        "model.c" => "C",
        "model.max_depth" => "depth",
        _ => key.split_once('.').map_or(key, |(_, last)| last),
    }
}

/// Whether a model takes a key of the grid.
fn takes(model: &ModelSettings, key: &str) -> bool {
    match model {
        ModelSettings::Svm {
            kernel: Kernel::Rbf,
            ..
        } => matches!(key, "model.c" | "model.gamma"),
        ModelSettings::Svm {
            kernel: Kernel::Linear,
            ..
        }
        | ModelSettings::Logistic { .. } => key == "model.c",
        ModelSettings::Knn { .. } => key == "model.k",
        ModelSettings::RandomForest { .. } => matches!(key, "model.trees" | "model.max_depth"),
        ModelSettings::Cnn { .. }
        | ModelSettings::Perceptron(_)
        | ModelSettings::Temporal(_)
        | ModelSettings::Majority
        | ModelSettings::Ensemble { .. } => false,
    }
}

/// Checks a search for a model in a protocol.
pub(super) fn search(
    raw: Spanned<Table<RawSearch>>,
    protocol: &Protocol,
    model: &ModelSettings,
    context: &Context<'_>,
) -> Result<Search> {
    let place = raw.span();
    let Table(raw) = raw.into_inner();
    if model.is_network() || matches!(model, ModelSettings::Majority) {
        let error = context.texts.error(
            &place,
            format!("`search` is not for this model ({})", model.describe()),
        );
        return Err(error.hint("models that can be searched: svm, logistic, random-forest, knn"));
    }
    let by = raw.by.unwrap_or(if protocol.keeps_speakers_apart() {
        Grouping::Speaker
    } else {
        Grouping::Utterance
    });
    let grid_place = raw.grid.span();
    let Table(grid) = raw.grid.into_inner();
    let of_model = grid
        .model
        .map_or_else(RawModelGrid::default, |Table(grid)| grid);
    let of_inputs = grid
        .inputs
        .map_or_else(RawInputsGrid::default, |Table(grid)| grid);
    for (key, place) in [
        ("model.c", span(&of_model.c)),
        ("model.gamma", span(&of_model.gamma)),
        ("model.k", span(&of_model.k)),
        ("model.trees", span(&of_model.trees)),
        ("model.max_depth", span(&of_model.max_depth)),
    ] {
        if let Some(place) = place.filter(|_| !takes(model, key)) {
            return Err(context.texts.error(
                &place,
                format!(
                    "`{key}` does not belong to this model ({})",
                    model.describe()
                ),
            ));
        }
    }
    let whole = |key: &'static str, range: std::ops::RangeInclusive<i64>| {
        move |value: Spanned<i64>| context.whole::<usize>(key, Some(value), 0, range.clone())
    };
    let grid = Grid {
        log_mel: values(
            "log_mel",
            of_inputs.log_mel,
            |value| Ok(value.into_inner()),
            context,
        )?,
        c: values(
            "c",
            of_model.c,
            |value| context.real("c", &value, |x| x > 0.0, "above 0"),
            context,
        )?,
        gamma: values(
            "gamma",
            of_model.gamma,
            |value| gamma(&value, context),
            context,
        )?,
        k: values("k", of_model.k, whole("k", NEIGHBOURS), context)?,
        trees: values("trees", of_model.trees, whole("trees", TREES), context)?,
        max_depth: values(
            "max_depth",
            of_model.max_depth,
            whole("max_depth", DEPTHS),
            context,
        )?,
    };
    if grid.len() < 2 || grid.len() > MOST {
        let error = context.texts.error(
            &grid_place,
            format!(
                "this grid has {} candidates, and must have from 2 to {MOST}",
                grid.len()
            ),
        );
        return Err(error.hint("write for example grid = { model.c = [0.1, 1, 10] }"));
    }
    Ok(Search {
        folds: context.whole("folds", raw.folds, 4, FOLDS)?,
        by,
        metric: raw.metric.unwrap_or(SearchMetric::Uar),
        grid,
    })
}

fn values<R, T: PartialEq>(
    key: &str,
    raw: Values<R>,
    check: impl Fn(Spanned<R>) -> Result<T>,
    context: &Context<'_>,
) -> Result<Vec<T>> {
    let Some(raw) = raw else { return Ok(vec![]) };
    let place = raw.span();
    let mut checked = Vec::new();
    for value in raw.into_inner() {
        let place = value.span();
        let value = check(value)?;
        if checked.contains(&value) {
            return Err(context
                .texts
                .error(&place, format!("a value of `{key}` stands here twice")));
        }
        checked.push(value);
    }
    if checked.is_empty() {
        Err(context.texts.error(&place, format!("`{key}` is empty")))
    } else {
        Ok(checked)
    }
}
