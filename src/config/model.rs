//! The model that an experiment trains, with its own settings.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::check::Refusal;
use super::schema::{above_zero, distinct, word};
use super::section::Section;
use crate::evaluation::Vote;
use crate::model::{Architecture, Kernel, KnnWeights, Layer, Perceptron, SplitFeatures, Temporal};
use crate::split::Shape;

/// A model and its own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelSettings {
    /// One of the paper's convolutional networks.
    Cnn {
        /// The paper's `baseline`, `ravdess`, `emodb-a` or `iemocap`, or a step between them:
        /// `baseline-norm1` and `baseline-norm3` (the baseline with the first one and three of the
        /// batch normalisations of `ravdess`), `ravdess-norm2` (`ravdess` with the two that
        /// `emodb-a` has); `ravdess-relu` is `ravdess` with a ReLU after its last convolution.
        architecture: Architecture,
    },
    /// Multinomial logistic regression.
    Logistic {
        /// Inverse strength of the L2 penalty on the weights of the scaled inputs, as in
        /// scikit-learn.
        #[serde(default = "one")]
        #[schemars(transform = above_zero)]
        c: f64,
    },
    /// Support vector machine, one against one.
    Svm {
        /// `rbf` (Gaussian) or `linear`.
        #[serde(default)]
        kernel: Kernel,
        /// Penalty of a margin violation, as in scikit-learn.
        #[serde(default = "one")]
        #[schemars(transform = above_zero)]
        c: f64,
        /// Width of a Gaussian kernel (`rbf` only); `scale` is 1 / (features × variance).
        // `None` for a linear kernel.
        #[schemars(extend("x-default" = "`\"scale\"`"))]
        #[serde(skip_serializing_if = "Option::is_none")]
        gamma: Option<Gamma>,
    },
    /// Random forest.
    RandomForest {
        /// Number of trees, each grown on a bootstrap sample.
        #[serde(default = "five_hundred")]
        #[schemars(range(min = 1, max = 100_000))]
        trees: usize,
        /// Splits on the longest way to a leaf; no limit where it is not given.
        #[schemars(range(min = 1, max = 100_000))]
        max_depth: Option<usize>,
        /// Draws of the bootstrap sample in each leaf, at least.
        #[serde(default = "one_draw")]
        #[schemars(range(min = 1, max = 1_000_000))]
        min_leaf: usize,
        /// Features that each split chooses from, drawn anew: the square root of their number
        /// (`sqrt`), or `all`.
        #[serde(default)]
        features: SplitFeatures,
    },
    /// Nearest neighbours.
    Knn {
        /// Neighbours that vote; all training utterances where there are fewer.
        #[serde(default = "five")]
        #[schemars(range(min = 1, max = 1_000_000))]
        k: usize,
        /// Every vote counts the same (`uniform`), or 1 / distance (`distance`).
        #[serde(default)]
        weights: KnnWeights,
    },
    /// Always the most frequent class of the training part: the floor of every comparison.
    Majority,
    /// A small network for vectors of many statistics.
    Perceptron(Perceptron),
    /// A convolutional network along the time of spectrograms.
    Temporal(Temporal),
    /// The combined predictions of other experiments on the same folds; nothing is trained.
    Ensemble {
        /// Names of other experiments of the file that are no ensembles.
        #[schemars(length(min = 2), transform = distinct)]
        members: Vec<String>,
        /// `mean` of the members' probabilities, or `majority` of their classes, ties to the
        /// highest mean.
        #[serde(default)]
        vote: Vote,
        /// With `vote = "mean"` only: one weight for each member, in their order.
        #[serde(rename(deserialize = "member_weights"), default)]
        #[schemars(transform = above_zero, extend("x-default" = "all alike"))]
        weights: Vec<f64>,
    },
}

fn one() -> f64 {
    1.0
}

fn one_draw() -> usize {
    1
}

fn five() -> usize {
    5
}

fn five_hundred() -> usize {
    500
}

/// Keys of a model that its other settings rule out.
pub(super) fn ruled_out(model: &Section<'_>, key: &str) -> Option<Refusal> {
    match key {
        "gamma" if model.word("kernel") == Some("linear") => Some(Refusal {
            why: "`gamma` is the width of a Gaussian kernel, and this kernel is linear".to_owned(),
            hint: "remove it, or set kernel = \"rbf\"".to_owned(),
        }),
        "member_weights" if model.word("vote") == Some("majority") => Some(Refusal {
            why: "a majority has no weights: each member has one vote".to_owned(),
            hint: "remove them, or choose vote = \"mean\"".to_owned(),
        }),
        _ => None,
    }
}

impl ModelSettings {
    /// Changes whenever the same rows and settings would give another model.
    pub fn code_version(&self) -> u32 {
        match self {
            ModelSettings::Svm { .. } => 4,
            ModelSettings::Logistic { .. } => 3,
            ModelSettings::Cnn { .. }
            | ModelSettings::Perceptron(_)
            | ModelSettings::Temporal(_) => 2,
            _ => 1,
        }
    }

    /// Fills in the width of a Gaussian kernel where none is given.
    pub(super) fn fill_in(&mut self) {
        if let ModelSettings::Svm {
            kernel: Kernel::Rbf,
            gamma: gamma @ None,
            ..
        } = self
        {
            *gamma = Some(Gamma::Scale);
        }
    }

    /// Whether it is trained in epochs.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            ModelSettings::Cnn { .. } | ModelSettings::Perceptron(_) | ModelSettings::Temporal(_)
        )
    }

    /// Whether training depends on the seed, so that several seeds mean something.
    pub fn is_drawn(&self) -> bool {
        self.is_network() || matches!(self, ModelSettings::RandomForest { .. })
    }

    /// The layers of a network for rows of this shape; `None` for other models.
    pub fn layers(&self, shape: Shape, n_classes: usize) -> Option<Vec<Layer>> {
        match self {
            ModelSettings::Cnn { architecture } => {
                Some(architecture.layers(shape.size(), n_classes))
            }
            ModelSettings::Perceptron(net) => Some(net.layers(shape.size(), n_classes)),
            ModelSettings::Temporal(net) => Some(net.layers(shape.channels, n_classes)),
            _ => None,
        }
    }

    /// The word of the pipeline file for this kind of model.
    pub fn name(&self) -> &'static str {
        match self {
            ModelSettings::Cnn { .. } => "cnn",
            ModelSettings::Logistic { .. } => "logistic",
            ModelSettings::Svm { .. } => "svm",
            ModelSettings::RandomForest { .. } => "random-forest",
            ModelSettings::Knn { .. } => "knn",
            ModelSettings::Majority => "majority",
            ModelSettings::Perceptron(_) => "perceptron",
            ModelSettings::Temporal(_) => "temporal",
            ModelSettings::Ensemble { .. } => "ensemble",
        }
    }

    /// In words, for reports: `cnn ravdess`, `logistic C=0.01`.
    pub fn describe(&self) -> String {
        self.describe_but(&[])
    }

    /// The same without the settings of these dotted keys, which a search chooses.
    pub(super) fn describe_but(&self, searched: &[&str]) -> String {
        let given = |key: &str, text: String| {
            if searched.contains(&key) {
                String::new()
            } else {
                text
            }
        };
        match self {
            ModelSettings::Cnn { architecture } => format!("cnn {}", word(architecture)),
            ModelSettings::Logistic { c } => {
                format!("logistic{}", given("model.c", format!(" C={c}")))
            }
            ModelSettings::Svm { kernel, c, gamma } => {
                let gamma = gamma
                    .map(|gamma| given("model.gamma", format!(" gamma={}", gamma)))
                    .unwrap_or_default();
                format!(
                    "svm {}{}{gamma}",
                    word(kernel),
                    given("model.c", format!(" C={c}"))
                )
            }
            ModelSettings::RandomForest {
                trees,
                max_depth,
                min_leaf,
                features,
            } => {
                let trees = given("model.trees", format!(" of {trees} trees"));
                let depth = max_depth
                    .map(|most| given("model.max_depth", format!(", depth up to {most}")))
                    .unwrap_or_default();
                let leaf = if *min_leaf > 1 {
                    format!(", {min_leaf} a leaf")
                } else {
                    String::new()
                };
                let all = if *features == SplitFeatures::All {
                    ", all features at each split"
                } else {
                    ""
                };
                format!("random forest{trees}{depth}{leaf}{all}")
            }
            ModelSettings::Knn { k, weights } => format!(
                "knn{} weights={}",
                given("model.k", format!(" k={k}")),
                word(weights)
            ),
            ModelSettings::Majority => "majority class".to_owned(),
            ModelSettings::Perceptron(net) => format!("perceptron of {} hidden units", net.hidden),
            ModelSettings::Temporal(net) => {
                format!("temporal cnn of {} channels with attention", net.channels)
            }
            ModelSettings::Ensemble {
                members,
                vote,
                weights,
            } => {
                let members: Vec<String> = members
                    .iter()
                    .enumerate()
                    .map(|(i, member)| {
                        weights
                            .get(i)
                            .map_or_else(|| member.clone(), |weight| format!("{weight} {member}"))
                    })
                    .collect();
                let how = match vote {
                    Vote::Mean => "mean",
                    Vote::Majority => "majority vote",
                };
                format!("{how} of {}", members.join(", "))
            }
        }
    }
}

/// Width of a Gaussian kernel, `exp(-gamma * |x - y|^2)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gamma {
    /// 1 / (number of features * variance of the training values), as in scikit-learn.
    Scale,
    /// As given.
    #[serde(untagged)]
    Value(f64),
}

impl fmt::Display for Gamma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gamma::Scale => f.write_str("scale"),
            Gamma::Value(value) => value.fmt(f),
        }
    }
}

impl JsonSchema for Gamma {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Gamma".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "scale" }, { "type": "number", "exclusiveMinimum": 0 }] })
    }
}
