//! McNemar's test between all experiments that tested the same utterances, with a correction for
//! the number of tests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::significance::{Answers, McNemar, by_utterance};
use crate::error::Result;
use crate::table::predictions::PredictionRow;

/// Two experiments of one protocol on the same utterances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The first, by name.
    pub a: String,
    /// The second, by name.
    pub b: String,
    /// Short protocol name.
    pub protocol: String,
    /// Utterances.
    pub n: u64,
    /// Right by the first alone.
    pub only_a: u64,
    /// Right by the second alone.
    pub only_b: u64,
    /// Two-sided p value of the exact test.
    pub p: f64,
    /// The same after Holm's correction for all pairs of the list.
    pub p_holm: f64,
}

impl Pair {
    /// The difference in accuracy that a single test at 5 % finds four times in five (Connor 1987,
    /// normal approximation), where the two disagree as often as here; `None` where they never do,
    /// or where no difference is found so often.
    pub fn least_detectable(&self) -> Option<f64> {
        // Of the normal distribution: 97.5 % and 80 % lie below.
        const LEVEL: f64 = 1.959_964;
        const POWER: f64 = 0.841_621;
        let n = self.n as f64;
        let disagreement = (self.only_a + self.only_b) as f64 / n;
        // Both sides grow and fall with the difference, so that they meet once if at all.
        let excess = |d: f64| {
            d * n.sqrt()
                - LEVEL * disagreement.sqrt()
                - POWER * (disagreement - d * d).max(0.0).sqrt()
        };
        if disagreement == 0.0 || excess(disagreement) < 0.0 {
            return None;
        }
        let (mut low, mut high) = (0.0, disagreement);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if excess(middle) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high)
    }
}

/// What an experiment answered, its seeds taken together by mean probability.
pub struct Answered {
    name: String,
    protocol: String,
    answers: Answers,
    /// The fold that tests an utterance.
    folds: BTreeMap<String, BTreeSet<u32>>,
}

impl Answered {
    /// Of the predictions of one experiment, with its labels in the order of the probabilities.
    pub fn of(
        name: &str,
        protocol: &str,
        labels: &[String],
        rows: Vec<PredictionRow>,
    ) -> Result<Answered> {
        let mut folds: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for row in &rows {
            folds
                .entry(row.utterance_id.clone())
                .or_default()
                .insert(row.fold);
        }
        let (answers, _) = by_utterance(labels, rows)?;
        Ok(Answered {
            name: name.to_owned(),
            protocol: protocol.to_owned(),
            answers,
            folds,
        })
    }
}

/// Tests every pair of the same protocol whose folds test the same utterances with the same truths:
/// of others, the luck of the folds would pass for a difference of the systems. In the order of
/// `experiments`.
pub fn pairs(experiments: &[Answered]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (i, a) in experiments.iter().enumerate() {
        for b in experiments[i + 1..]
            .iter()
            .filter(|b| b.protocol == a.protocol)
        {
            let alike = a.folds == b.folds
                && a.answers.len() == b.answers.len()
                && a.answers.iter().zip(&b.answers).all(
                    |((id, (truth, _)), (other, (other_truth, _)))| {
                        id == other && truth == other_truth
                    },
                );
            if !alike || a.answers.is_empty() {
                continue;
            }
            let right = a
                .answers
                .values()
                .zip(b.answers.values())
                .map(|((_, a), (_, b))| (*a, *b));
            let (only_a, only_b) = right.fold((0, 0), |(first, second), (a, b)| {
                (first + u64::from(a && !b), second + u64::from(b && !a))
            });
            let p = McNemar::of(only_a, only_b).p;
            let (a, b, protocol, n) = (
                a.name.clone(),
                b.name.clone(),
                a.protocol.clone(),
                a.answers.len() as u64,
            );
            pairs.push(Pair {
                a,
                b,
                protocol,
                n,
                only_a,
                only_b,
                p,
                p_holm: p,
            });
        }
    }
    let corrected = holm(&pairs.iter().map(|pair| pair.p).collect::<Vec<_>>());
    pairs
        .iter_mut()
        .zip(corrected)
        .for_each(|(pair, p)| pair.p_holm = p);
    pairs
}

/// Holm's step-down correction: the smallest p value counts as many times as there are values, the
/// next once less, and none falls below the one before it.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        least = least.max((p[place] * (p.len() - rank) as f64).min(1.0));
        corrected[place] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_s_correction_is_that_of_the_text_books() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, want) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - want).abs() < 1e-12, "{found} for {want}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    /// The exact test on as many disagreements as are expected finds the difference in about four
    /// of five samples.
    #[test]
    fn the_least_detectable_difference_is_found_four_times_in_five() {
        let pair = |n, only_a, only_b| Pair {
            a: "a".into(),
            b: "b".into(),
            protocol: "loso".into(),
            n,
            only_a,
            only_b,
            p: 1.0,
            p_holm: 1.0,
        };
        for (n, disagreements) in [(400, 80), (1440, 300), (2000, 1000)] {
            let found = pair(n, disagreements / 2, disagreements / 2).least_detectable();
            let found = found.expect("found");
            let share = (1.0 + found * n as f64 / disagreements as f64) / 2.0;
            let (mut power, mut log) = (0.0, disagreements as f64 * (1.0 - share).ln());
            for b in 0..=disagreements {
                if McNemar::of(b, disagreements - b).p <= 0.05 {
                    power += log.exp();
                }
                let odds = (share / (1.0 - share)).ln();
                log += ((disagreements - b) as f64 / (b + 1) as f64).ln() + odds;
            }
            assert!(
                (power - 0.8_f64).abs() < 0.05,
                "{n} {disagreements}: {power}"
            );
        }
        assert_eq!(pair(100, 0, 0).least_detectable(), None);
        assert_eq!(pair(100, 2, 1).least_detectable(), None);
    }

    fn answered(name: &str, protocol: &str, right: &[bool]) -> Answered {
        in_folds(name, protocol, right, 2)
    }

    fn in_folds(name: &str, protocol: &str, right: &[bool], folds: usize) -> Answered {
        let rows = right.iter().enumerate().map(|(i, &right)| PredictionRow {
            experiment: name.into(),
            protocol: protocol.into(),
            fold: (i % folds) as u32,
            seed: 0,
            utterance_id: format!("{i:02}"),
            truth: "a".into(),
            predicted: if right { "a" } else { "b" }.into(),
            probabilities: if right {
                vec![1.0, 0.0]
            } else {
                vec![0.0, 1.0]
            },
        });
        Answered::of(
            name,
            protocol,
            &["a", "b"].map(str::to_owned),
            rows.collect(),
        )
        .unwrap()
    }

    #[test]
    fn only_experiments_on_the_same_utterances_in_the_same_protocol_are_paired() {
        let all = [true; 8];
        let mut five_missed = all;
        five_missed[..5].fill(false);
        let given = [
            answered("good", "loso", &all),
            answered("bad", "loso", &five_missed),
            answered("elsewhere", "random", &all),
            answered("fewer", "loso", &all[..7]),
            answered("other", "random", &all),
            in_folds("other folds", "random", &all, 3),
        ];
        let found = pairs(&given);
        let names: Vec<(&str, &str)> = found
            .iter()
            .map(|pair| (pair.a.as_str(), pair.b.as_str()))
            .collect();
        assert_eq!(names, [("good", "bad"), ("elsewhere", "other")]);
        // Five to none: 2 / 2^5. Two tests.
        assert_eq!(
            (
                found[0].n,
                found[0].only_a,
                found[0].only_b,
                found[0].p,
                found[0].p_holm
            ),
            (8, 5, 0, 0.0625, 0.125)
        );
        assert_eq!((found[1].p, found[1].p_holm), (1.0, 1.0));
    }
}
