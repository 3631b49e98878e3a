//! Published figures, each with its protocol and the mark of its source.

use serde::{Deserialize, Serialize};

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// The publication itself.
    P,
    /// A public re-implementation or a later paper about it.
    R,
    /// Our inference.
    I,
}

/// A figure to stand beside ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Citation.
    pub source: String,
    /// The system in a few words.
    pub system: String,
    /// The protocol in words.
    pub protocol: String,
    /// Whether test speakers are unseen in training: `None` where that is not known.
    pub speaker_independent: Option<bool>,
    /// WA, 0 to 1.
    pub accuracy: Option<f64>,
    /// UAR, 0 to 1.
    pub uar: Option<f64>,
    /// Where the figure comes from.
    pub mark: Mark,
    /// What must be known to read it.
    pub note: Option<String>,
}
