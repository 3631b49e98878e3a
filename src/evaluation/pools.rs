//! The value of a transductive result for speakers whose clips are of some classes alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::corpus::{Arousal, arousal};
use crate::table::predictions::PredictionRow;

/// Some of the classes: a speaker's pool of clips is restricted to those of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// `high-arousal` and `low-arousal`, or `first-half` and `second-half`.
    pub name: &'static str,
    /// In label order.
    pub classes: Vec<String>,
}

/// Divides the classes (`labels`, sorted) into two halves: those of [high and of low
/// arousal](arousal), where each side has a class, with classes of unknown arousal in neither;
/// otherwise the first half of the labels, the larger one of an odd number, and the second. No half
/// where there are fewer than two classes.
pub fn halves(labels: &[String]) -> Vec<Half> {
    if labels.len() < 2 {
        return Vec::new();
    }
    let side = |wanted: Arousal| -> Vec<String> {
        labels
            .iter()
            .filter(|label| arousal(label) == Some(wanted))
            .cloned()
            .collect()
    };
    let (high, low) = (side(Arousal::High), side(Arousal::Low));
    if high.is_empty() || low.is_empty() {
        let (first, second) = labels.split_at(labels.len().div_ceil(2));
        return vec![
            Half {
                name: "first-half",
                classes: first.to_vec(),
            },
            Half {
                name: "second-half",
                classes: second.to_vec(),
            },
        ];
    }
    vec![
        Half {
            name: "high-arousal",
            classes: high,
        },
        Half {
            name: "low-arousal",
            classes: low,
        },
    ]
}

/// UAR on the test clips of one half of the classes. A model may still answer with any class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestrictedPool {
    /// The half.
    pub pool: String,
    /// Its classes, in label order.
    pub classes: Vec<String>,
    /// Predictions on clips of these classes, of all folds and seeds.
    pub n: u64,
    /// UAR with every speaker scaled by all of their clips, 0 to 1.
    pub full: f64,
    /// UAR with every test speaker scaled by their clips of the half alone, 0 to 1.
    pub restricted: f64,
    /// An experiment that differs in nothing but a scaler that looks at no test clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inductive: Option<InductiveTwin>,
}

/// An inductive experiment on the same clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InductiveTwin {
    /// Name within the pipeline.
    pub experiment: String,
    /// UAR, 0 to 1.
    pub uar: f64,
}

impl RestrictedPool {
    /// Of the predictions with full and with restricted pools; clips of other classes are passed
    /// over.
    pub fn of(half: &Half, full: &[PredictionRow], restricted: &[PredictionRow]) -> RestrictedPool {
        let (n, full) = uar_of(
            &half.classes,
            full.iter()
                .map(|row| (row.truth.as_str(), row.predicted.as_str())),
        );
        let (_, restricted) = uar_of(
            &half.classes,
            restricted
                .iter()
                .map(|row| (row.truth.as_str(), row.predicted.as_str())),
        );
        RestrictedPool {
            pool: half.name.to_owned(),
            classes: half.classes.clone(),
            n,
            full,
            restricted,
            inductive: None,
        }
    }

    /// Adds the figure of an inductive experiment by its pairs of truth and prediction, where it
    /// was tested on as many clips.
    pub fn set_inductive<'p>(
        &mut self,
        experiment: &str,
        pairs: impl Iterator<Item = (&'p str, &'p str)>,
    ) {
        let (n, uar) = uar_of(&self.classes, pairs);
        self.inductive = (n == self.n).then(|| InductiveTwin {
            experiment: experiment.to_owned(),
            uar,
        });
    }
}

/// The number of pairs of truth and prediction whose truth is one of `classes`, and the mean recall
/// of those classes that occur; 0 for none.
fn uar_of<'p>(classes: &[String], pairs: impl Iterator<Item = (&'p str, &'p str)>) -> (u64, f64) {
    let mut recalls: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (truth, predicted) in pairs.filter(|(truth, _)| classes.iter().any(|class| class == truth))
    {
        let (right, all) = recalls.entry(truth).or_default();
        *right += u64::from(truth == predicted);
        *all += 1;
    }
    let sum: f64 = recalls
        .values()
        .map(|(right, all)| *right as f64 / *all as f64)
        .sum();
    (
        recalls.values().map(|(_, all)| all).sum(),
        sum / recalls.len().max(1) as f64,
    )
}

#[cfg(test)]
mod tests {
    use super::super::Scores;
    use super::*;

    fn labels(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn rows(pairs: &[(&str, &str)]) -> Vec<PredictionRow> {
        let row = |(i, (truth, predicted)): (usize, &(&str, &str))| PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold: 0,
            seed: 0,
            utterance_id: format!("u{i}"),
            truth: (*truth).into(),
            predicted: (*predicted).into(),
            probabilities: vec![],
        };
        pairs.iter().enumerate().map(row).collect()
    }

    #[test]
    fn classes_are_divided_by_arousal_and_where_that_says_nothing_by_name() {
        let found = |words: &[&str]| -> Vec<(&'static str, String)> {
            halves(&labels(words))
                .into_iter()
                .map(|half| (half.name, half.classes.join(" ")))
                .collect()
        };
        let by_arousal = found(&["anger", "boredom", "other", "sadness"]);
        assert_eq!(
            by_arousal,
            [
                ("high-arousal", "anger".to_owned()),
                ("low-arousal", "boredom sadness".to_owned())
            ]
        );
        let one_side = found(&["anger", "fear", "happiness"]);
        assert_eq!(
            one_side,
            [
                ("first-half", "anger fear".to_owned()),
                ("second-half", "happiness".to_owned())
            ]
        );
        assert_eq!(
            found(&["a1", "a2", "b1", "b2"])[1],
            ("second-half", "b1 b2".to_owned())
        );
        assert!(found(&["anger"]).is_empty());
    }

    #[test]
    fn figures_are_those_of_the_clips_of_the_half_and_any_answer_counts() {
        let full = rows(&[
            ("anger", "anger"),
            ("anger", "sad"),
            ("fear", "fear"),
            ("sad", "anger"),
            ("sad", "sad"),
        ]);
        let restricted = rows(&[
            ("anger", "sad"),
            ("anger", "sad"),
            ("fear", "fear"),
            ("sad", "sad"),
            ("sad", "sad"),
        ]);
        let [high, low] =
            <[Half; 2]>::try_from(halves(&labels(&["anger", "fear", "sad"]))).unwrap();
        let mut high = RestrictedPool::of(&high, &full, &restricted);
        let low = RestrictedPool::of(&low, &full, &restricted);
        assert_eq!((high.n, high.full, high.restricted), (3, 0.75, 0.5));
        assert_eq!((low.n, low.full, low.restricted), (2, 0.5, 1.0));
        let same = Scores::of(&labels(&["anger", "fear", "sad"]), &[0, 0, 1], &[0, 2, 1]);
        assert_eq!(high.full, same.uar);
        high.set_inductive("plain", [("anger", "anger"), ("sad", "sad")].into_iter());
        assert_eq!(high.inductive, None, "of other clips");
        high.set_inductive(
            "plain",
            [("anger", "anger"), ("fear", "sad"), ("fear", "fear")].into_iter(),
        );
        assert_eq!(
            high.inductive,
            Some(InductiveTwin {
                experiment: "plain".into(),
                uar: 0.75
            })
        );
    }
}
