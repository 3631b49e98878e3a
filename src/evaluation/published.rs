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

/// What needs no recording to be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Accuracy and UAR of guessing among the classes that occur, all alike: 1 / classes.
    pub chance: f64,
    /// Accuracy of always naming the largest class; its UAR is `chance`.
    pub majority: f64,
}

/// The baselines of a test set with `counts` utterances per class; `None` where it is empty.
pub fn chance_and_majority(counts: &[u64]) -> Option<Baselines> {
    let classes = counts.iter().filter(|&&count| count > 0).count();
    let largest = counts.iter().max().copied().filter(|&count| count > 0)?;
    Some(Baselines {
        chance: 1.0 / classes as f64,
        majority: largest as f64 / counts.iter().sum::<u64>() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_of_ravdess() {
        // 96 neutral and 192 of each other class.
        let mut counts = [192; 8];
        counts[0] = 96;
        let baselines = chance_and_majority(&counts).unwrap();
        assert_eq!(
            baselines,
            Baselines {
                chance: 0.125,
                majority: 192.0 / 1440.0
            }
        );
    }

    #[test]
    fn only_classes_that_occur_can_be_guessed() {
        assert_eq!(
            chance_and_majority(&[3, 0, 1]),
            Some(Baselines {
                chance: 0.5,
                majority: 0.75
            })
        );
        assert_eq!(chance_and_majority(&[]), None);
        assert_eq!(chance_and_majority(&[0, 0]), None);
    }
}
