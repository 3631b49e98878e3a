//! Probabilities from the margins between pairs of classes, as in LIBSVM: one sigmoid per pair
//! (Platt 1999, fitted by the algorithm of Lin, Lin and Weng 2007), then the one distribution that
//! fits all pairs best (Wu, Lin and Weng 2004, second method). An exponent on top (temperature
//! scaling, Guo et al. 2017) takes back what coupling loses in confidence, which is most where
//! classes are many.

use crate::table::predictions::argmax;

/// No pair is ever certain: probabilities of pairs stay this far from 0 and 1, as in LIBSVM.
const LEAST: f64 = 1e-7;

/// The exponent stays within these bounds, however few or separable the utterances are that it is
/// fitted on.
const EXPONENTS: [f64; 2] = [0.5, 2.0];

/// What scores, at most 0, are to be multiplied by before the softmax, within bounds, so that the
/// classes `y` of the rows are most likely (temperature scaling, whose temperature is the inverse).
pub(super) fn best_exponent(scores: &[Vec<f64>], y: &[usize], bounds: [f64; 2]) -> f64 {
    // The slope of the likelihood falls with the exponent.
    let slope = |exponent: f64| -> f64 {
        let one = |(row, &class): (&Vec<f64>, &usize)| {
            let powers: Vec<f64> = row.iter().map(|s| (exponent * s).exp()).collect();
            let mean: f64 = powers.iter().zip(row).map(|(power, s)| power * s).sum();
            row[class] - mean / powers.iter().sum::<f64>()
        };
        scores.iter().zip(y).map(one).sum()
    };
    let [mut low, mut high] = bounds;
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if slope(middle) > 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    (low + high) / 2.0
}

/// How margins of all pairs become probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// One per pair (a, b) of classes with a < b, in lexical order.
    pub sigmoids: Vec<Sigmoid>,
    /// What coupled probabilities are raised to before they are divided by their sum; above 1 it
    /// makes them surer.
    pub exponent: f64,
}

impl Calibration {
    /// Of margins `[utterances, pairs]` by machines that were not fitted on these utterances, whose
    /// classes from 0 to `k - 1` are `y`: each sigmoid by the utterances of its two classes, then
    /// the exponent by all, both of maximum likelihood.
    pub(super) fn fit(k: usize, margins: &[Vec<f64>], y: &[usize]) -> Calibration {
        let names = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
        let sigmoids = names.enumerate().map(|(pair, (a, b))| {
            let of_pair = || {
                margins
                    .iter()
                    .zip(y)
                    .filter(|(_, class)| [a, b].contains(*class))
            };
            let values: Vec<f64> = of_pair().map(|(margins, _)| margins[pair]).collect();
            let first: Vec<bool> = of_pair().map(|(_, class)| *class == a).collect();
            Sigmoid::fit(&values, &first)
        });
        let mut found = Calibration {
            sigmoids: sigmoids.collect(),
            exponent: 1.0,
        };
        if k < 3 {
            // Nothing is coupled, and an exponent would undo what the targets of the sigmoid do
            // against separable margins.
            return found;
        }
        let logarithms: Vec<Vec<f64>> = margins
            .iter()
            .map(|margins| {
                found
                    .of(k, margins)
                    .iter()
                    .map(|p| p.max(1e-12).ln())
                    .collect()
            })
            .collect();
        found.exponent = best_exponent(&logarithms, y, EXPONENTS);
        found
    }

    /// Probabilities of `k` classes by the margins of all pairs.
    pub(super) fn of(&self, k: usize, margins: &[f64]) -> Vec<f64> {
        let pairs: Vec<f64> = self
            .sigmoids
            .iter()
            .zip(margins)
            .map(|(sigmoid, &margin)| sigmoid.of(margin))
            .collect();
        let powers: Vec<f64> = couple(k, &pairs)
            .iter()
            .map(|p| p.max(0.0).powf(self.exponent))
            .collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    }
}

/// `P(first class | margin f) = 1 / (1 + exp(slope * f + offset))`, of a pair of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid {
    /// Negative where larger margins speak for the first class.
    pub slope: f64,
    /// The logarithm of the odds of the second class at a margin of 0.
    pub offset: f64,
}

impl Sigmoid {
    /// Maximum likelihood by Newton steps with backtracking, on targets `(n + 1) / (n + 2)` and `1
    /// / (n + 2)` in place of 1 and 0, so that separable margins give no infinite slope. `margins`
    /// must come from machines that were not fitted on these rows.
    pub(super) fn fit(margins: &[f64], first: &[bool]) -> Sigmoid {
        const STEPS: usize = 100;
        const SMALLEST_STEP: f64 = 1e-10;
        const RIDGE: f64 = 1e-12;
        const FLAT: f64 = 1e-5;
        let positives = first.iter().filter(|&&is| is).count() as f64;
        let negatives = first.len() as f64 - positives;
        let (high, low) = (
            (positives + 1.0) / (positives + 2.0),
            1.0 / (negatives + 2.0),
        );
        let rows = || {
            margins
                .iter()
                .zip(first)
                .map(|(&margin, &is)| (margin, if is { high } else { low }))
        };
        let loss = |at: Sigmoid| -> f64 {
            let one = |(margin, target): (f64, f64)| {
                let z = at.slope * margin + at.offset;
                if z >= 0.0 {
                    target * z + (-z).exp().ln_1p()
                } else {
                    (target - 1.0) * z + z.exp().ln_1p()
                }
            };
            rows().map(one).sum()
        };
        let mut at = Sigmoid {
            slope: 0.0,
            offset: ((negatives + 1.0) / (positives + 1.0)).ln(),
        };
        let mut value = loss(at);
        for _ in 0..STEPS {
            let (mut h11, mut h22, mut h21, mut g1, mut g2) = (RIDGE, RIDGE, 0.0, 0.0, 0.0);
            for (margin, target) in rows() {
                let p = at.of(margin);
                let (curvature, slope) = (p * (1.0 - p), target - p);
                h11 += margin * margin * curvature;
                h22 += curvature;
                h21 += margin * curvature;
                g1 += margin * slope;
                g2 += slope;
            }
            if g1.abs() < FLAT && g2.abs() < FLAT {
                break;
            }
            let determinant = h11 * h22 - h21 * h21;
            let (d1, d2) = (
                -(h22 * g1 - h21 * g2) / determinant,
                -(h11 * g2 - h21 * g1) / determinant,
            );
            let descent = g1 * d1 + g2 * d2;
            let mut length = 1.0;
            loop {
                let next = Sigmoid {
                    slope: at.slope + length * d1,
                    offset: at.offset + length * d2,
                };
                let found = loss(next);
                if found < value + 1e-4 * length * descent {
                    (at, value) = (next, found);
                    break;
                }
                length /= 2.0;
                if length < SMALLEST_STEP {
                    return at;
                }
            }
        }
        at
    }

    /// The probability of the first class.
    pub(super) fn of(self, margin: f64) -> f64 {
        let z = self.slope * margin + self.offset;
        // Without overflow on either side.
        if z >= 0.0 {
            (-z).exp() / (1.0 + (-z).exp())
        } else {
            1.0 / (1.0 + z.exp())
        }
    }
}

/// The distribution over `k` classes that fits the probabilities of the first class of each pair
/// best; pairs (a, b) with a < b in lexical order. Minimises the sum over pairs of `(r_ba p_a -
/// r_ab p_b)^2`.
pub(super) fn couple(k: usize, pairs: &[f64]) -> Vec<f64> {
    const ROUNDS: usize = 1000;
    const PRECISE: f64 = 1e-12;
    let mut r = vec![0.0; k * k];
    let names = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
    for ((a, b), &p) in names.zip(pairs) {
        let p = p.clamp(LEAST, 1.0 - LEAST);
        (r[a * k + b], r[b * k + a]) = (p, 1.0 - p);
    }
    let mut q = vec![0.0; k * k];
    for t in 0..k {
        for j in (0..k).filter(|&j| j != t) {
            q[t * k + t] += r[j * k + t].powi(2);
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
    }
    let mut p = vec![1.0 / k as f64; k];
    for _ in 0..ROUNDS {
        let mut qp: Vec<f64> = q
            .chunks(k)
            .map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum())
            .collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        if qp.iter().all(|qp| (qp - pqp).abs() < PRECISE) {
            break;
        }
        for t in 0..k {
            let step = (pqp - qp[t]) / q[t * k + t];
            p[t] += step;
            pqp = (pqp + step * (step * q[t * k + t] + 2.0 * qp[t])) / (1.0 + step).powi(2);
            for j in 0..k {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

/// Probabilities changed as little as possible (in the sum of squares) so that `class` has the
/// highest: where others were higher, these and `class` share their mean, and `class` stands the
/// smallest step above. Tells whether others were higher.
pub(super) fn with_highest(p: &[f64], class: usize) -> (Vec<f32>, bool) {
    let mut above: Vec<usize> = (0..p.len()).filter(|&other| p[other] > p[class]).collect();
    above.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    let (mut sum, mut n) = (p[class], 1.0);
    for &other in &above {
        if p[other] > sum / n {
            sum += p[other];
            n += 1.0;
        }
    }
    let level = (sum / n) as f32;
    let mut out: Vec<f32> = p
        .iter()
        .map(|&p| {
            if above.is_empty() {
                p as f32
            } else {
                (p as f32).min(level)
            }
        })
        .collect();
    out[class] = level;
    if argmax(&out) != class {
        out[class] = level.next_up();
    }
    (out, !above.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGINS: [f64; 10] = [-2.1, -1.3, -0.4, 0.2, 0.3, 0.9, 1.4, 2.2, -0.8, 0.6];
    const FIRST: [bool; 10] = [
        false, false, true, false, true, true, true, true, false, false,
    ];

    /// Slope and offset of scikit-learn 1.9.1's `_SigmoidCalibration` on the same margins.
    #[test]
    fn a_sigmoid_is_that_of_scikit_learn() {
        let found = Sigmoid::fit(&MARGINS, &FIRST);
        assert!(
            (found.slope + 0.906_368_5).abs() < 1e-5 && (found.offset - 0.101_991_2).abs() < 1e-5,
            "{found:?}"
        );
        assert!(
            (found.of(0.5) - 0.586_906_9).abs() < 1e-5
                && (found.of(-3.0) - 0.056_194_7).abs() < 1e-5
        );
        assert_eq!((found.of(1e6), found.of(-1e6)), (1.0, 0.0));
    }

    #[test]
    fn separable_margins_and_a_single_class_stay_finite() {
        let separable = Sigmoid::fit(&[-2.0, -1.0, 1.0, 2.0], &[false, false, true, true]);
        // The targets 3/4 and 1/4 have odds of 3.
        assert!(
            separable.slope < -0.5 && separable.slope > -1.2,
            "{separable:?}"
        );
        let single = Sigmoid::fit(&[-2.0, 1.0, 2.0], &[true; 3]);
        assert!(single.of(0.0) > 0.5 && single.of(0.0) < 1.0, "{single:?}");
    }

    /// The optimum solves a linear system (Wu et al., equation 21); its solution by NumPy.
    #[test]
    fn pairs_are_coupled_to_the_optimum() {
        let found = couple(4, &[0.9, 0.6, 0.3, 0.45, 0.2, 0.35]);
        for (found, wanted) in
            found
                .iter()
                .zip([0.245_096_96, 0.087_847_34, 0.198_065_75, 0.468_989_95])
        {
            assert!((found - wanted).abs() < 1e-8, "{found} {wanted}");
        }
        assert!((couple(2, &[0.8])[0] - 0.8).abs() < 1e-9);
        assert_eq!(couple(1, &[]), [1.0]);
        let sure = couple(3, &[1.0, 1.0, 1.0]);
        assert!(
            sure.iter().all(|p| (0.0..=1.0).contains(p))
                && (sure.iter().sum::<f64>() - 1.0).abs() < 1e-9
                && sure[0] > 0.99
        );
    }

    /// Margins of made-up classes that speak for another class in one of four cases: the mean of
    /// the highest probability is near the share that is right, and plain coupling falls shorter of
    /// it.
    #[test]
    fn an_exponent_takes_back_what_coupling_loses() {
        let (k, n) = (4, 400);
        let names: Vec<(usize, usize)> = (0..k)
            .flat_map(|a| (a + 1..k).map(move |b| (a, b)))
            .collect();
        let y: Vec<usize> = (0..n).map(|i| i % k).collect();
        // Each utterance speaks for its class, or in one of four cases for the next one, in one of
        // eight strengths.
        let heard = |i: usize| {
            if (i / k) % 4 == 3 {
                (y[i] + 1) % k
            } else {
                y[i]
            }
        };
        let margin = |i: usize, a: usize, b: usize| {
            let strength = 0.3 + 0.2 * ((i / 16) % 8) as f64;
            if a == heard(i) {
                strength
            } else if b == heard(i) {
                -strength
            } else {
                0.1 * ((i % 5) as f64 - 2.0)
            }
        };
        let margins: Vec<Vec<f64>> = (0..n)
            .map(|i| names.iter().map(|&(a, b)| margin(i, a, b)).collect())
            .collect();
        let found = Calibration::fit(k, &margins, &y);
        let top = |calibration: &Calibration| {
            margins
                .iter()
                .map(|row| calibration.of(k, row).into_iter().fold(0.0, f64::max))
                .sum::<f64>()
                / n as f64
        };
        let plain = Calibration {
            exponent: 1.0,
            ..found.clone()
        };
        assert!(
            (top(&found) - 0.75).abs() < 0.06 && top(&plain) < top(&found),
            "{} {}",
            top(&plain),
            top(&found)
        );
        assert!(
            found.exponent > 1.05 && found.exponent < 1.5,
            "{}",
            found.exponent
        );
    }

    #[test]
    fn the_class_of_the_decision_gets_the_highest_with_the_least_change() {
        assert_eq!(
            with_highest(&[0.2, 0.5, 0.3], 1),
            (vec![0.2, 0.5, 0.3], false)
        );
        // 0.5 and 0.3 meet at 0.4; 0.2 was lower than that and stays.
        let (p, changed) = with_highest(&[0.2, 0.5, 0.3], 2);
        assert_eq!((p, changed), (vec![0.2, 0.4, 0.4f32.next_up()], true));
        // 0.1, 0.45 and 0.35 meet at 0.3.
        let (p, _) = with_highest(&[0.45, 0.35, 0.1, 0.1], 3);
        assert!(
            argmax(&p) == 3
                && (p[0] - 0.3).abs() < 1e-6
                && (p[1] - 0.3).abs() < 1e-6
                && p[2] == 0.1,
            "{p:?}"
        );
        // Of equals the first would win.
        assert_eq!(
            with_highest(&[0.5, 0.5], 1),
            (vec![0.5, 0.5f32.next_up()], false)
        );
    }
}
