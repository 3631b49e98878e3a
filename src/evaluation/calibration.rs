//! Whether a model is right as often as its probabilities say.

use serde::{Deserialize, Serialize};

/// Equal parts of [0, 1].
pub const BINS: usize = 15;

/// Predictions whose highest probability lies in one part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Predictions.
    pub n: u64,
    /// Mean of their highest probabilities; 0 where there are none.
    pub confidence: f64,
    /// Share of them that is right; 0 where there are none.
    pub accuracy: f64,
}

/// Expected calibration error and the bins of a reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean distance of confidence and accuracy over the bins, each weighed by its predictions; 0
    /// to 1.
    pub ece: f64,
    /// Predictions in the bins.
    pub n: u64,
    /// Predictions without a finite highest probability, in no bin.
    pub left_out: u64,
    /// 15 parts of equal width, each without its lower and with its upper end.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Of predictions by their highest probability and whether they are right; `None` where no
    /// probability is finite.
    pub fn of(predictions: impl Iterator<Item = (f64, bool)>) -> Option<Calibration> {
        let mut sums = [(0u64, 0.0, 0u64); BINS];
        let mut left_out = 0;
        for (confidence, right) in predictions {
            if !confidence.is_finite() {
                left_out += 1;
                continue;
            }
            let confidence = confidence.clamp(0.0, 1.0);
            let place = ((confidence * BINS as f64).ceil() as usize)
                .saturating_sub(1)
                .min(BINS - 1);
            let bin = &mut sums[place];
            bin.0 += 1;
            bin.1 += confidence;
            bin.2 += u64::from(right);
        }
        let n: u64 = sums.iter().map(|bin| bin.0).sum();
        if n == 0 {
            return None;
        }
        let bins: Vec<Bin> = sums
            .iter()
            .map(|&(n, confidence, right)| match n {
                0 => Bin::default(),
                _ => Bin {
                    n,
                    confidence: confidence / n as f64,
                    accuracy: right as f64 / n as f64,
                },
            })
            .collect();
        let ece = bins
            .iter()
            .map(|bin| bin.n as f64 * (bin.confidence - bin.accuracy).abs())
            .sum::<f64>()
            / n as f64;
        Some(Calibration {
            ece,
            n,
            left_out,
            bins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_what_comes_out_by_hand() {
        // Bin 9 (0.6 to 0.667]: 0.62 and 0.66, one right; bin 13 (0.867 to 0.933]: 0.9, right; bin
        // 14: 1.0 and 0.95, one right.
        let given = [
            (0.62, true),
            (0.66, false),
            (0.9, true),
            (1.0, true),
            (0.95, false),
        ];
        let found = Calibration::of(given.into_iter()).unwrap();
        let want = (2.0 * (0.64f64 - 0.5) + (1.0 - 0.9) + 2.0 * (0.975 - 0.5)) / 5.0;
        assert!(
            (found.ece - want).abs() < 1e-12 && (want - 0.266).abs() < 1e-12,
            "{}",
            found.ece
        );
        let filled: Vec<(usize, u64)> = found
            .bins
            .iter()
            .enumerate()
            .filter(|(_, b)| b.n > 0)
            .map(|(i, b)| (i, b.n))
            .collect();
        assert_eq!(
            (filled, found.bins.len(), found.n),
            (vec![(9, 2), (13, 1), (14, 2)], BINS, 5)
        );
        assert_eq!(
            (found.bins[13].confidence, found.bins[13].accuracy),
            (0.9, 1.0)
        );
    }

    #[test]
    fn ends_belong_to_the_bin_below_and_nan_to_none() {
        let found =
            Calibration::of([(0.2, true), (f64::NAN, true), (0.0, false), (1.5, true)].into_iter())
                .unwrap();
        let places: Vec<usize> = (0..BINS).filter(|&i| found.bins[i].n > 0).collect();
        assert_eq!((places, found.left_out, found.n), (vec![0, 2, 14], 1, 3));
        assert_eq!(Calibration::of([(f64::NAN, true)].into_iter()), None);
    }

    #[test]
    fn a_model_that_is_as_sure_as_it_is_right_has_no_error() {
        let found = Calibration::of((0..10).map(|i| (0.7, i < 7))).unwrap();
        assert!(found.ece < 1e-12, "{}", found.ece);
    }
}
