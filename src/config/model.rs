//! What an experiment trains, with its own parameters.

use serde::Serialize;

use super::validated::word;
use crate::evaluation::Vote;
use crate::model::{Architecture, Kernel, KnnWeights, Layer, Perceptron, SplitFeatures, Temporal};
use crate::split::Shape;

/// A model and its own parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelSettings {
    /// One of the paper's networks.
    Cnn {
        /// Which.
        architecture: Architecture,
    },
    /// Multinomial logistic regression.
    Logistic {
        /// Inverse strength of the L2 penalty, as in scikit-learn.
        c: f64,
    },
    /// Support vector machine, one against one.
    Svm {
        /// What rows are compared by.
        kernel: Kernel,
        /// Penalty of a margin violation.
        c: f64,
        /// Width of a Gaussian kernel; `None` for a linear one.
        #[serde(skip_serializing_if = "Option::is_none")]
        gamma: Option<Gamma>,
    },
    /// Random forest.
    RandomForest {
        /// Number of trees.
        trees: usize,
        /// Splits above the deepest leaf; `None` is no limit.
        max_depth: Option<usize>,
        /// Draws of the bootstrap sample in each leaf, at least.
        min_leaf: usize,
        /// What each split chooses from.
        features: SplitFeatures,
    },
    /// Nearest neighbours.
    Knn {
        /// How many vote.
        k: usize,
        /// What their votes count.
        weights: KnnWeights,
    },
    /// Always the most frequent class of the training part: the floor of every comparison.
    Majority,
    /// A small network for vectors of many statistics.
    Perceptron(Perceptron),
    /// A convolutional network along the time of spectrograms.
    Temporal(Temporal),
    /// The predictions of other experiments on the same folds, brought together; nothing is
    /// trained.
    Ensemble {
        /// Names of experiments of the same pipeline: at least two, no ensembles.
        members: Vec<String>,
        /// How.
        vote: Vote,
        /// Of the means: one for each member, above 0; empty where all count alike.
        weights: Vec<f64>,
    },
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

    /// Whether it is trained in epochs.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            ModelSettings::Cnn { .. } | ModelSettings::Perceptron(_) | ModelSettings::Temporal(_)
        )
    }

    /// Whether chance plays a part in the training, so that several seeds mean something.
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
                    .map(|gamma| given("model.gamma", format!(" gamma={}", gamma.describe())))
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gamma {
    /// 1 / (number of features * variance of the training values), as in scikit-learn.
    Scale,
    /// As given.
    #[serde(untagged)]
    Value(f64),
}

impl Gamma {
    /// As it is written.
    pub(super) fn describe(self) -> String {
        match self {
            Gamma::Scale => "scale".to_owned(),
            Gamma::Value(value) => value.to_string(),
        }
    }
}
