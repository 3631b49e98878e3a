//! What is done to a row of the feature table before a model sees it: parameters of an experiment.

use serde::{Deserialize, Serialize};

/// Order in which the five feature groups are concatenated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The paper's list and the order of the table: MFCC, chroma, mel, contrast, Tonnetz.
    Paper,
    /// The order of the public Keras re-implementation.
    Keras,
}

/// What is fitted on the training part and then applied to all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalerKind {
    /// Raw values, as in the paper.
    None,
    /// Zero mean and unit variance per column.
    Standard,
}

/// An experiment's view of the feature table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Concatenation order.
    pub order: Order,
    /// Natural logarithm of the mel means (floor 1e-10) instead of raw power.
    pub log_mel: bool,
    /// Scaling.
    pub scaler: ScalerKind,
}
