//! The model that an experiment trains, with its own settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Refusal;
use super::schema::{above_zero, distinct, word};
use super::section::Section;
use crate::evaluation::Vote;
use crate::model::{
    Architecture, CalibrationWords, ForestSettings, Gamma, Kernel, KnnSettings, Layer, LayerSum,
    LdaSettings, LogisticSettings, MajoritySettings, NaiveBayesSettings, Perceptron, Settings,
    SvmSettings, Temporal,
};
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
    Logistic(LogisticSettings),
    /// Support vector machine, one against one.
    Svm(SvmSettings),
    /// Random forest.
    RandomForest(ForestSettings),
    /// Nearest neighbours.
    Knn(KnnSettings),
    /// Linear discriminant analysis with a shrunken covariance.
    Lda(LdaSettings),
    /// Gaussian naive Bayes: the floor of models that learn, fitted in one pass over the rows.
    NaiveBayes(NaiveBayesSettings),
    /// Always the most frequent class of the training part: the floor of every comparison.
    Majority,
    /// A small network for vectors of many statistics.
    Perceptron(Perceptron),
    /// A convolutional network along the time of spectrograms or of an encoder's frames.
    Temporal(Temporal),
    /// All layers of an encoder (`inputs.layer = "weighted"`), added up with learned weights, under a
    /// linear classifier or one with a hidden layer.
    WeightedSum(LayerSum),
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
    /// The settings of a classical model.
    pub fn classical(&self) -> Option<&dyn Settings> {
        match self {
            ModelSettings::Logistic(settings) => Some(settings),
            ModelSettings::Svm(settings) => Some(settings),
            ModelSettings::RandomForest(settings) => Some(settings),
            ModelSettings::Knn(settings) => Some(settings),
            ModelSettings::Lda(settings) => Some(settings),
            ModelSettings::NaiveBayes(settings) => Some(settings),
            ModelSettings::Majority => Some(&MajoritySettings),
            ModelSettings::Cnn { .. }
            | ModelSettings::Perceptron(_)
            | ModelSettings::Temporal(_)
            | ModelSettings::WeightedSum(_)
            | ModelSettings::Ensemble { .. } => None,
        }
    }

    /// Changes whenever the same rows and settings would give another model.
    pub fn code_version(&self) -> u32 {
        match self.classical() {
            Some(settings) => settings.code_version(),
            None if self.is_network() => 2,
            None => 1,
        }
    }

    /// Fills in the width of a Gaussian kernel where none is given.
    pub(super) fn fill_in(&mut self) {
        if let ModelSettings::Svm(SvmSettings {
            kernel: Kernel::Rbf,
            gamma: gamma @ None,
            ..
        }) = self
        {
            *gamma = Some(Gamma::Scale);
        }
    }

    /// Whether it is trained in epochs.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            ModelSettings::Cnn { .. }
                | ModelSettings::Perceptron(_)
                | ModelSettings::Temporal(_)
                | ModelSettings::WeightedSum(_)
        )
    }

    /// How its probabilities are calibrated by inner folds of the training part, if they are.
    pub fn calibration(&self) -> Option<CalibrationWords> {
        self.classical()?.calibration()
    }

    /// Whether training depends on the seed, so that several seeds mean something.
    pub fn is_drawn(&self) -> bool {
        self.is_network() || self.classical().is_some_and(|settings| settings.is_drawn())
    }

    /// The layers of a network for rows of this shape (of a weighted sum, states and values of each);
    /// `None` for other models.
    pub fn layers(&self, shape: Shape, n_classes: usize) -> Option<Vec<Layer>> {
        match self {
            ModelSettings::Cnn { architecture } => {
                Some(architecture.layers(shape.size(), n_classes))
            }
            ModelSettings::Perceptron(net) => Some(net.layers(shape.size(), n_classes)),
            ModelSettings::Temporal(net) => Some(net.layers(shape.channels, n_classes)),
            ModelSettings::WeightedSum(net) => {
                Some(net.layers(shape.length, shape.channels, n_classes))
            }
            _ => None,
        }
    }

    /// The word of the pipeline file for this kind of model.
    pub fn name(&self) -> &'static str {
        if let Some(settings) = self.classical() {
            return settings.name();
        }
        match self {
            ModelSettings::Cnn { .. } => "cnn",
            ModelSettings::Perceptron(_) => "perceptron",
            ModelSettings::Temporal(_) => "temporal",
            ModelSettings::WeightedSum(_) => "weighted-sum",
            _ => "ensemble",
        }
    }

    /// In words, for reports: `cnn ravdess`, `logistic C=0.01`.
    pub fn describe(&self) -> String {
        self.describe_but(&[])
    }

    /// The same without the settings of these dotted keys, which a search chooses.
    pub(super) fn describe_but(&self, searched: &[&str]) -> String {
        if let Some(settings) = self.classical() {
            let is_searched = |key: &str| searched.contains(&format!("model.{key}").as_str());
            return settings.describe(&is_searched);
        }
        match self {
            ModelSettings::Cnn { architecture } => format!("cnn {}", word(architecture)),
            ModelSettings::Perceptron(net) => format!("perceptron of {} hidden units", net.hidden),
            ModelSettings::Temporal(net) => {
                format!("temporal cnn of {} channels with attention", net.channels)
            }
            ModelSettings::WeightedSum(LayerSum { hidden: 0, .. }) => {
                "learned sum of layers under a linear classifier".to_owned()
            }
            ModelSettings::WeightedSum(net) => {
                format!("learned sum of layers under {} hidden units", net.hidden)
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
            _ => self.name().to_owned(),
        }
    }
}
