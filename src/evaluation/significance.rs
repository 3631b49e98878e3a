//! Whether two classifiers differ by more than chance on the utterances that both predicted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::table::predictions::PredictionRow;
use crate::table::summary;

/// McNemar's test on the pairs of which one classifier is right and the other wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Right by the first classifier alone.
    pub b: u64,
    /// Right by the second classifier alone.
    pub c: u64,
    /// Two-sided p value of the exact binomial test; 1 where no pair is discordant.
    pub p: f64,
    /// The same with half of the weight on what was observed: less conservative where pairs are
    /// few.
    pub mid_p: f64,
}

impl McNemar {
    /// The test for `b` and `c` discordant pairs: exact for any number of them.
    pub fn of(b: u64, c: u64) -> McNemar {
        let (n, least) = (b + c, b.min(c));
        if n == 0 {
            return McNemar {
                b,
                c,
                p: 1.0,
                mid_p: 1.0,
            };
        }
        // ln of C(n, least) / 2^n; the product itself would overflow.
        let log: f64 = (1..=least)
            .map(|i| ((n - least + i) as f64 / i as f64).ln())
            .sum();
        let observed = (log - n as f64 * std::f64::consts::LN_2).exp();
        // Terms of the tail in units of the observed one: each is smaller than the one before.
        let (mut tail, mut term) = (1.0, 1.0);
        for k in (1..=least).rev() {
            term *= k as f64 / (n - k + 1) as f64;
            tail += term;
            if term < tail * f64::EPSILON / 4.0 {
                break;
            }
        }
        let p = (2.0 * observed * tail).min(1.0);
        McNemar {
            b,
            c,
            p,
            mid_p: (2.0 * observed * tail - observed).min(1.0),
        }
    }
}

/// Two sets of predictions side by side, utterance by utterance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// Utterances that both predicted and of which both hold the same truth.
    pub n: usize,
    /// Utterances that both predicted, but that have another true class in the other set: left out.
    pub other_truth: usize,
    /// Predicted by the first alone.
    pub only_a: usize,
    /// Predicted by the second alone.
    pub only_b: usize,
    /// Both right.
    pub both_right: usize,
    /// Both wrong.
    pub both_wrong: usize,
    /// Over the `n`.
    pub mcnemar: McNemar,
    /// Most seeds (and folds) whose probabilities were averaged for an utterance, over both sets.
    pub averaged: usize,
}

/// Compares the predictions of one experiment with those of another, each with its labels in the
/// order of the probabilities.
///
/// Folds are pooled; an utterance that was predicted several times (by several seeds) counts once,
/// with the class of the highest mean probability.
pub fn compare(
    a: (&[String], Vec<PredictionRow>),
    b: (&[String], Vec<PredictionRow>),
) -> Result<Paired> {
    let ((a, of_a), (b, of_b)) = (by_utterance(a.0, a.1)?, by_utterance(b.0, b.1)?);
    let (mut n, mut other_truth, mut both_right, mut both_wrong, mut first, mut second) =
        (0, 0, 0, 0, 0, 0);
    for (id, (truth, right)) in &a {
        let Some((other, other_right)) = b.get(id) else {
            continue;
        };
        if truth != other {
            other_truth += 1;
            continue;
        }
        n += 1;
        match (right, other_right) {
            (true, true) => both_right += 1,
            (false, false) => both_wrong += 1,
            (true, false) => first += 1,
            (false, true) => second += 1,
        }
    }
    let shared = n + other_truth;
    Ok(Paired {
        n,
        other_truth,
        only_a: a.len() - shared,
        only_b: b.len() - shared,
        both_right,
        both_wrong,
        mcnemar: McNemar::of(first, second),
        averaged: of_a.max(of_b),
    })
}

/// True class of each utterance, and whether it was recognised.
pub(super) type Answers = BTreeMap<String, (String, bool)>;

/// The truth of each utterance and whether it was found, and the most predictions that any of them
/// has.
pub(super) fn by_utterance(
    labels: &[String],
    mut rows: Vec<PredictionRow>,
) -> Result<(Answers, usize)> {
    // One group per utterance, whichever experiment, protocol and fold it was predicted in.
    for row in &mut rows {
        row.experiment.clear();
        row.protocol.clear();
        row.fold = 0;
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter()
        .for_each(|row| *times.entry(&row.utterance_id).or_default() += 1);
    let averaged = times.into_values().max().unwrap_or(0);
    let utterances = summary::ensemble(labels, &rows)?.into_iter().map(|row| {
        let right = row.is_correct();
        (row.utterance_id, (row.truth, right))
    });
    Ok((utterances.collect(), averaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= want * 1e-12, "{got} for {want}");
    }

    // Wanted: the binomial sums in rational arithmetic; 121 and 59 is the example of statsmodels'
    // `mcnemar(exact=True)`.
    #[test]
    fn p_values_are_those_of_the_binomial_distribution() {
        for (b, c, p, mid) in [
            (121, 59, 4.434449263755176e-06, 3.2666467957745924e-06),
            (1, 9, 0.021484375, 0.01171875),
            (10, 25, 0.01667384780012071, 0.011330984183587134),
            (150, 200, 0.008720036530555949, 0.007524139788171172),
            (0, 5, 0.0625, 0.03125),
            (1000, 1200, 2.1817026407914712e-05, 1.9916416564602037e-05),
            (3, 4, 1.0, 0.7265625),
        ] {
            for test in [McNemar::of(b, c), McNemar::of(c, b)] {
                close(test.p, p);
                close(test.mid_p, mid);
            }
        }
        assert_eq!(
            (
                McNemar::of(7, 7).p,
                McNemar::of(0, 0).p,
                McNemar::of(0, 0).mid_p
            ),
            (1.0, 1.0, 1.0)
        );
        close(McNemar::of(0, 5).p, 0.0625);
        close(McNemar::of(1, 9).p, 0.021484375);
    }

    #[test]
    fn many_pairs_are_no_trouble() {
        let test = McNemar::of(500_000, 501_000);
        // The normal approximation with continuity correction: z = 999 / sqrt(1001000), p =
        // 0.31803.
        assert!((test.p - 0.31803).abs() < 1e-4, "{}", test.p);
        assert_eq!(McNemar::of(10, 1_000_000).p, 0.0);
    }

    fn row(id: &str, seed: u64, fold: u32, truth: &str, p: f32) -> PredictionRow {
        let predicted = if p >= 0.5 { "calm" } else { "sad" };
        PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold,
            seed,
            utterance_id: id.into(),
            truth: truth.into(),
            predicted: predicted.into(),
            probabilities: vec![p, 1.0 - p],
        }
    }

    #[test]
    fn utterances_are_paired_whatever_their_fold_and_seeds_are_averaged() {
        let labels = ["calm".to_owned(), "sad".to_owned()];
        let a = vec![
            row("both", 0, 0, "calm", 0.9),
            row("first", 0, 0, "calm", 0.8),
            row("second", 0, 1, "sad", 0.7),
            row("none", 0, 1, "sad", 0.7),
            row("relabelled", 0, 1, "sad", 0.7),
            row("only a", 0, 1, "sad", 0.7),
        ];
        let b = vec![
            row("both", 0, 1, "calm", 0.4),
            row("both", 1, 1, "calm", 0.7), // 0.55 on average: right
            row("first", 0, 0, "calm", 0.4),
            row("first", 1, 0, "calm", 0.55), // 0.475 on average: wrong
            row("second", 0, 0, "sad", 0.1),
            row("none", 0, 0, "sad", 0.9),
            row("relabelled", 0, 0, "calm", 0.9),
            row("only b", 0, 0, "calm", 0.9),
            row("only b too", 0, 0, "calm", 0.9),
        ];
        let paired = compare((&labels, a.clone()), (&labels, b)).unwrap();
        assert_eq!(
            (paired.n, paired.other_truth, paired.only_a, paired.only_b),
            (4, 1, 1, 2)
        );
        assert_eq!(
            (
                paired.both_right,
                paired.both_wrong,
                paired.mcnemar.b,
                paired.mcnemar.c
            ),
            (1, 1, 1, 1)
        );
        assert_eq!(paired.averaged, 2);
        let same = compare((&labels, a.clone()), (&labels, a)).unwrap();
        assert_eq!(
            (same.n, same.mcnemar.b + same.mcnemar.c, same.mcnemar.p),
            (6, 0, 1.0)
        );
        assert!(compare((&[], vec![row("x", 0, 0, "calm", 0.5)]), (&labels, vec![])).is_err());
    }
}
