//! Accuracy (WA), UAR, macro F1 and what they are made of.

use serde::{Deserialize, Serialize};

/// Counts of truth (rows) against prediction (columns), in label order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confusion {
    /// Class names.
    pub labels: Vec<String>,
    /// `counts[truth][predicted]`.
    pub counts: Vec<Vec<u64>>,
}

/// Per-class figures; a ratio without a denominator is 0, as in scikit-learn with
/// `zero_division=0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Class name.
    pub label: String,
    /// Utterances of this class.
    pub support: u64,
    /// Correct among those predicted as this class.
    pub precision: f64,
    /// Correct among those of this class.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// The figures of one set of predictions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Utterances.
    pub n: u64,
    /// WA: share of correct predictions.
    pub accuracy: f64,
    /// Mean recall over the classes that occur in the truth.
    pub uar: f64,
    /// Mean F1 over the classes that occur in the truth or in the predictions.
    pub macro_f1: f64,
    /// By class, in label order.
    pub per_class: Vec<ClassScores>,
    /// What all of it is computed from.
    pub confusion: Confusion,
}

/// Mean and sample standard deviation (n - 1) over folds or seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for a single value.
    pub sd: f64,
}
