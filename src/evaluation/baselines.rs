//! What guessing comes to.

use serde::{Deserialize, Serialize};

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
