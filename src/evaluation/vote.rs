//! Several predictions of one utterance as one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::argmax;

/// How predictions are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    /// Mean of the probabilities.
    #[default]
    Mean,
    /// Most frequent class; of equals, the one of the highest mean probability.
    Majority,
}

/// Means by class. `weights` count as given, one for each prediction; without them all count alike.
/// Sums are taken in the order given.
///
/// # Panics
/// When predictions differ in length: a defect of the caller, never of data.
pub fn mean(predictions: &[&[f32]], weights: Option<&[f64]>) -> Vec<f32> {
    means(predictions, weights)
        .into_iter()
        .map(|value| value as f32)
        .collect()
}

fn means(predictions: &[&[f32]], weights: Option<&[f64]>) -> Vec<f64> {
    let classes = predictions.first().map_or(0, |first| first.len());
    let weight = |i: usize| {
        weights
            .and_then(|weights| weights.get(i))
            .copied()
            .unwrap_or(1.0)
    };
    let mut sums = vec![0.0; classes];
    let mut whole = 0.0;
    for (i, prediction) in predictions.iter().enumerate() {
        assert_eq!(prediction.len(), classes, "one probability per class");
        whole += weight(i);
        sums.iter_mut()
            .zip(prediction.iter())
            .for_each(|(sum, &p)| *sum += weight(i) * f64::from(p));
    }
    sums.iter_mut().for_each(|sum| *sum /= whole);
    sums
}

/// The votes for each class as shares, with the mean of the probabilities as one vote more: the
/// highest is the class of the most votes, and of equals the one of the highest mean. A prediction
/// without any finite probability has no vote.
///
/// # Panics
/// As [`mean`].
pub fn majority(predictions: &[&[f32]]) -> Vec<f32> {
    let voting: Vec<&[f32]> = predictions
        .iter()
        .copied()
        .filter(|p| p.iter().all(|p| p.is_finite()))
        .collect();
    if voting.is_empty() {
        return mean(predictions, None);
    }
    let mut votes = means(&voting, None);
    for prediction in &voting {
        if let Some(vote) = votes.get_mut(argmax(prediction)) {
            *vote += 1.0;
        }
    }
    votes
        .into_iter()
        .map(|vote| (vote / (voting.len() + 1) as f64) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_weighed() {
        let given: [&[f32]; 2] = [&[0.5, 0.5], &[0.0, 1.0]];
        assert_eq!(mean(&given, None), [0.25, 0.75]);
        assert_eq!(mean(&given, Some(&[3.0, 1.0])), [0.375, 0.625]);
        assert!(mean(&[], None).is_empty());
    }

    #[test]
    fn the_most_votes_win_against_a_higher_mean() {
        // Two votes for the first, one for the second, whose mean is higher: 0.4 against 0.6.
        let given: [&[f32]; 3] = [&[0.55, 0.45], &[0.55, 0.45], &[0.1, 0.9]];
        assert_eq!(argmax(&mean(&given, None)), 1);
        let votes = majority(&given);
        assert_eq!(argmax(&votes), 0);
        // (2 + 0.4) / 4 and (1 + 0.6) / 4.
        assert!(
            (votes[0] - 0.6).abs() < 1e-6 && (votes[1] - 0.4).abs() < 1e-6,
            "{votes:?}"
        );
    }

    #[test]
    fn ties_go_to_the_highest_mean() {
        let given: [&[f32]; 2] = [&[0.6, 0.4, 0.0], &[0.0, 0.1, 0.9]];
        assert_eq!(argmax(&majority(&given)), 2);
        // Three ways: one vote each, means 0.3, 0.4, 0.3.
        let given: [&[f32]; 3] = [&[0.5, 0.4, 0.1], &[0.2, 0.5, 0.3], &[0.2, 0.3, 0.5]];
        assert_eq!(argmax(&majority(&given)), 1);
        // Equal in votes and means: the first class.
        let given: [&[f32]; 2] = [&[0.3, 0.7], &[0.7, 0.3]];
        assert_eq!(argmax(&majority(&given)), 0);
    }

    #[test]
    fn what_diverged_has_no_vote() {
        let nan = [f32::NAN, f32::NAN];
        let given: [&[f32]; 2] = [&nan, &[0.2, 0.8]];
        assert_eq!(argmax(&majority(&given)), 1);
        assert!(majority(&[&nan[..]]).iter().all(|p| p.is_nan()));
    }
}
