//! What is done to a row of the feature table before a model sees it: parameters of an experiment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pooling::Pooling;
use crate::encoder::Layer;
use crate::features::{FeatureSet, MOST_FRAMES};
use crate::split::Shape;

/// Order in which the five feature groups are concatenated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The paper's list and the order of the table: MFCC, chroma, mel, contrast, Tonnetz.
    #[default]
    Paper,
    /// The order of the public Keras re-implementation.
    Keras,
}

/// What rows are scaled by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScalerKind {
    /// Raw values, as in the paper.
    #[default]
    None,
    /// Zero mean and unit variance per column, fitted on the training part.
    Standard,
    /// Zero mean and unit variance per column within each speaker, over all clips of that speaker
    /// whatever their role, and then as [`ScalerKind::Standard`]. No label is looked at, but the
    /// clips of test speakers are: this is transductive.
    PerSpeaker,
}

/// The condition of every result that [is transductive](Inputs::is_transductive), to follow words
/// such as "The figures hold only if". The mean of a speaker's clips of some emotions alone holds
/// the voice and those emotions: scaling by it takes away both.
pub const BALANCED_SPEAKERS: &str = "each speaker's clips cover all classes in about equal numbers";

/// An experiment's view of the feature table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// The set of features; an `[[encoder]]` and a `[[features.import]]` have their names.
    // The first of all sets is not written to models and cache keys, which then are those from
    // before there were others.
    #[schemars(extend("x-default" = "the first of `features.sets`"))]
    #[serde(default, skip_serializing_if = "is_first")]
    pub set: FeatureSet,
    /// Frames of a row, of the set `frames` (43 a second) or of an encoder that keeps `frames` (50 a
    /// second): longer recordings are cut to their middle, shorter ones padded.
    #[schemars(range(min = 1, max = MOST_FRAMES), extend("x-default" = "`128`; of encoders `150`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Encoders only: the state that is looked at, 0 for the input of the first block, 1 for what the
    /// first block gives and so on, or `last` for what the encoder gives; `weighted` for all of them,
    /// with weights that a model of kind `weighted-sum` learns.
    #[schemars(extend("x-default" = "`\"last\"`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// Encoders only: how the frames of a recording become one row: `mean`; `mean-std`, their mean
    /// and standard deviation; or `joint-norm`, their mean after one normalisation over time and
    /// width together.
    #[schemars(extend("x-default" = "`\"mean\"`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Sets `issa193` and `issa193-db` only: order of the feature groups: `paper` (MFCC, chroma,
    /// mel, contrast, Tonnetz) or `keras` (MFCC, mel, chroma, contrast, Tonnetz).
    #[serde(default)]
    pub order: Order,
    /// Set `issa193` only: natural logarithm of the mel means (floor 1e-10) in place of raw power.
    #[serde(default)]
    pub log_mel: bool,
    /// `none` (not of sequences); `standard`: zero mean and unit variance, fitted on the training
    /// part; or `per-speaker`, see below.
    #[schemars(extend("x-default" = "`\"none\"`; of `frames`, of encoders and of imports `\"standard\"`"))]
    #[serde(default)]
    pub scaler: ScalerKind,
    /// With a scaler only: values farther than so many standard deviations from the mean are set to
    /// that distance, so that a statistic that explodes on one recording only counts as large.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<u16>,
}

fn is_first(set: &FeatureSet) -> bool {
    *set == FeatureSet::default()
}

impl Inputs {
    /// Whether what a model is given depends on clips that it is tested on, though on no label of
    /// theirs. Wherever such a result is shown, it is called transductive.
    pub fn is_transductive(&self) -> bool {
        self.scaler == ScalerKind::PerSpeaker
    }

    /// How rows of this table with `columns` columns are laid out.
    pub fn shape(&self, columns: usize) -> Shape {
        match self.frames {
            Some(frames) => Shape {
                length: frames,
                channels: columns,
            },
            None => Shape {
                length: columns,
                channels: 1,
            },
        }
    }
}
