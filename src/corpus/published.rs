//! Published figures, each with its protocol and the mark of its source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mark {
    /// The publication itself.
    P,
    /// A public re-implementation or a later paper about it.
    R,
    /// Our inference.
    I,
}

/// A figure to stand beside ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// Citation.
    #[schemars(extend("format" = "text"))]
    pub source: String,
    /// The system in a few words.
    #[schemars(extend("format" = "text"))]
    pub system: String,
    /// The protocol in words.
    #[schemars(extend("format" = "text"))]
    pub protocol: String,
    /// Whether test speakers are unseen in training; tables show it as `yes`, `no` or `unknown`.
    #[schemars(extend("x-default" = "not known"))]
    pub speaker_independent: Option<bool>,
    /// Accuracy (WA); this or `uar` is required.
    #[schemars(range(min = 0, max = 1))]
    pub accuracy: Option<f64>,
    /// Unweighted average recall (UAR), the mean of per-class recalls.
    #[schemars(range(min = 0, max = 1))]
    pub uar: Option<f64>,
    /// `P`: the publication's own figure; `R`: a re-implementation, or quoted by a later paper; `I`:
    /// inferred.
    pub mark: Mark,
    /// Anything a reader must know about the figure.
    #[schemars(extend("format" = "text"))]
    pub note: Option<String>,
    /// Name of the published folds that the figure is on: it stands beside results on the same
    /// folds alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "word"))]
    pub folds: Option<String>,
}
