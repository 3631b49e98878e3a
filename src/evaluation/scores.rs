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

impl Confusion {
    /// No counts yet for `labels`.
    pub fn new(labels: &[String]) -> Confusion {
        Confusion {
            labels: labels.to_vec(),
            counts: vec![vec![0; labels.len()]; labels.len()],
        }
    }

    /// Counts one utterance of class `truth` predicted as class `predicted`.
    ///
    /// # Panics
    /// When a class is not one of the labels: a defect of the caller, never of data.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth][predicted] += 1;
    }

    /// All utterances.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Utterances of each class.
    pub fn support(&self) -> Vec<u64> {
        self.counts.iter().map(|row| row.iter().sum()).collect()
    }

    /// Predictions of each class.
    pub fn predicted(&self) -> Vec<u64> {
        (0..self.labels.len())
            .map(|class| self.counts.iter().map(|row| row[class]).sum())
            .collect()
    }
}

/// `part / whole`, or 0 where there is no whole.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}

impl Scores {
    /// The figures of `predicted` against `truth`, both classes of `labels`, one per utterance.
    ///
    /// Accuracy, UAR, macro F1 and the figures by class are those of scikit-learn's
    /// `accuracy_score`, `balanced_accuracy_score`, `f1_score(average="macro", zero_division=0)`
    /// and `precision_recall_fscore_support(zero_division=0)`. Without utterances all are 0.
    ///
    /// # Panics
    /// When the lengths differ or a class is not one of the labels: a defect of the caller, never
    /// of data.
    pub fn of(labels: &[String], truth: &[usize], predicted: &[usize]) -> Scores {
        assert_eq!(truth.len(), predicted.len(), "one prediction per utterance");
        let mut confusion = Confusion::new(labels);
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            confusion.add(truth, predicted);
        }
        Scores::of_confusion(confusion)
    }

    /// The figures that counts give.
    pub fn of_confusion(confusion: Confusion) -> Scores {
        let (support, predicted) = (confusion.support(), confusion.predicted());
        let hits: Vec<u64> = confusion
            .counts
            .iter()
            .enumerate()
            .map(|(class, row)| row[class])
            .collect();
        let per_class: Vec<ClassScores> = confusion
            .labels
            .iter()
            .enumerate()
            .map(|(class, label)| ClassScores {
                label: label.clone(),
                support: support[class],
                precision: ratio(hits[class], predicted[class]),
                recall: ratio(hits[class], support[class]),
                f1: ratio(2 * hits[class], support[class] + predicted[class]),
            })
            .collect();
        Scores {
            n: confusion.total(),
            accuracy: ratio(hits.iter().sum(), confusion.total()),
            uar: mean(
                per_class
                    .iter()
                    .filter(|class| class.support > 0)
                    .map(|class| class.recall),
            ),
            macro_f1: mean(
                per_class
                    .iter()
                    .zip(&predicted)
                    .filter(|(class, n)| class.support + **n > 0)
                    .map(|(class, _)| class.f1),
            ),
            per_class,
            confusion,
        }
    }

    /// The figures by the names that tables and reports use, in their order.
    pub fn metrics(&self) -> [(&'static str, f64); 3] {
        [
            ("accuracy", self.accuracy),
            ("uar", self.uar),
            ("macro_f1", self.macro_f1),
        ]
    }
}

impl Spread {
    /// Mean and sample standard deviation; both 0 without values.
    pub fn of(values: &[f64]) -> Spread {
        Spread {
            mean: mean(values.iter().copied()),
            sd: crate::stats::sample_sd(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(n: usize) -> Vec<String> {
        ["a", "b", "c", "d"][..n]
            .iter()
            .map(|l| l.to_string())
            .collect()
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-15, "{got} for {want}");
    }

    // The wanted numbers are those of scikit-learn 1.9.1 for the same lists.
    #[test]
    fn figures_equal_those_of_scikit_learn() {
        let truth = [0, 0, 0, 0, 1, 1, 1, 2, 2, 0];
        let predicted = [0, 0, 1, 2, 1, 1, 0, 2, 1, 0];
        let scores = Scores::of(&labels(3), &truth, &predicted);
        assert_eq!(scores.n, 10);
        assert_eq!(scores.confusion.counts, [[3, 1, 1], [1, 2, 0], [0, 1, 1]]);
        close(scores.accuracy, 0.6);
        close(scores.uar, 0.5888888888888889);
        close(scores.macro_f1, 0.5793650793650794);
        let by_class: Vec<[f64; 3]> = scores
            .per_class
            .iter()
            .map(|c| [c.precision, c.recall, c.f1])
            .collect();
        for (got, want) in by_class.iter().flatten().zip([
            0.75,
            0.6,
            0.6666666666666666,
            0.5,
            0.6666666666666666,
            0.5714285714285714,
            0.5,
            0.5,
            0.5,
        ]) {
            close(*got, want);
        }
        assert_eq!(
            scores
                .per_class
                .iter()
                .map(|c| c.support)
                .collect::<Vec<_>>(),
            [5, 3, 2]
        );
    }

    #[test]
    fn classes_that_do_not_occur_count_as_scikit_learn_counts_them() {
        // Class 2 is predicted but never true: it counts in macro F1 (as 0), not in UAR. Class 3
        // occurs nowhere: it counts in neither.
        let scores = Scores::of(&labels(4), &[0, 0, 1, 1], &[0, 2, 1, 1]);
        close(scores.accuracy, 0.75);
        close(scores.uar, 0.75);
        close(scores.macro_f1, 0.5555555555555555);
        assert_eq!(
            (
                scores.per_class[2].precision,
                scores.per_class[2].recall,
                scores.per_class[3].f1
            ),
            (0.0, 0.0, 0.0)
        );
    }

    #[test]
    fn no_utterances_give_zeros() {
        let scores = Scores::of(&labels(2), &[], &[]);
        assert_eq!(
            (scores.n, scores.accuracy, scores.uar, scores.macro_f1),
            (0, 0.0, 0.0, 0.0)
        );
        assert_eq!(Scores::of(&[], &[], &[]).uar, 0.0);
    }

    #[test]
    fn spread_is_the_sample_standard_deviation() {
        let spread = Spread::of(&[0.7, 0.75, 0.65, 0.72]);
        close(spread.mean, 0.705);
        close(spread.sd, 0.042031734043061625);
        assert_eq!(Spread::of(&[0.3]), Spread { mean: 0.3, sd: 0.0 });
        assert_eq!(Spread::of(&[]), Spread { mean: 0.0, sd: 0.0 });
    }
}
