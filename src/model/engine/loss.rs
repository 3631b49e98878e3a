//! Softmax and cross-entropy.

use super::plan::SignalLayout;

/// A probability below this counts as zero in the gradient: it could not move any weight, but its
/// products with small numbers would be denormal, which processors treat slowly.
const NEGLIGIBLE: f64 = 1e-20;

/// Mean over the batch of `-weight * sum(target * log softmax(logits))`, and its gradient, written
/// to the samples' places in `gradient`.
///
/// `logits` and `targets` are `[n, classes]`; targets are probabilities.
pub(super) fn cross_entropy(
    logits: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    grid: SignalLayout,
    gradient: &mut [f32],
) -> f32 {
    let classes = grid.volume();
    let n = logits.len() / classes;
    let mut total = 0.0;
    for (index, (logits, targets)) in logits
        .chunks_exact(classes)
        .zip(targets.chunks_exact(classes))
        .enumerate()
    {
        let weight = weights.map_or(1.0, |weights| f64::from(weights[index])) / n as f64;
        let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &logit| {
            largest.max(f64::from(logit))
        });
        let sum: f64 = logits
            .iter()
            .map(|&logit| (f64::from(logit) - largest).exp())
            .sum();
        let log_sum = largest + sum.ln();
        let mass: f64 = targets.iter().map(|&target| f64::from(target)).sum();
        for ((gradient, &logit), &target) in gradient[grid.sample(index)]
            .iter_mut()
            .zip(logits)
            .zip(targets)
        {
            let (logit, target) = (f64::from(logit), f64::from(target));
            if target != 0.0 {
                total += weight * target * (log_sum - logit);
            }
            let probability = (logit - log_sum).exp();
            let probability = if probability < NEGLIGIBLE {
                0.0
            } else {
                probability
            };
            *gradient = (weight * (mass * probability - target)) as f32;
        }
    }
    // Where no target stands on it, a NaN was skipped above.
    if logits.iter().any(|logit| logit.is_nan()) {
        f32::NAN
    } else {
        total as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let mut gradient = [0.0; 8];
        let loss = cross_entropy(
            &[3.0; 8],
            &[1.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25],
            None,
            SignalLayout::dense(4),
            &mut gradient,
        );
        assert!((loss - 4f32.ln()).abs() < 1e-6);
        let expected = [-0.375, 0.125, 0.125, 0.125, 0.0, 0.0, 0.0, 0.0];
        assert!(
            gradient
                .iter()
                .zip(expected)
                .all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-7)
        );
    }

    #[test]
    fn weights_scale_the_samples_and_not_the_divisor() {
        let (logits, targets) = ([2.0, -1.0, 0.5, 0.5], [1.0, 0.0, 0.0, 1.0]);
        let (mut plain, mut weighted) = ([0.0; 4], [0.0; 4]);
        let first = cross_entropy(
            &logits[..2],
            &targets[..2],
            None,
            SignalLayout::dense(2),
            &mut plain[..2],
        );
        let second = cross_entropy(
            &logits[2..],
            &targets[2..],
            None,
            SignalLayout::dense(2),
            &mut plain[2..],
        );
        let loss = cross_entropy(
            &logits,
            &targets,
            Some(&[3.0, 0.5]),
            SignalLayout::dense(2),
            &mut weighted,
        );
        assert!((loss - (3.0 * first + 0.5 * second) / 2.0).abs() < 1e-6);
        for (index, factor) in [1.5, 1.5, 0.25, 0.25].into_iter().enumerate() {
            assert!((weighted[index] - factor * plain[index]).abs() < 1e-7);
        }
    }

    #[test]
    fn extreme_logits_stay_finite_and_far_from_denormals() {
        let mut gradient = [0.0; 2];
        let loss = cross_entropy(
            &[90.0, -90.0],
            &[0.0, 1.0],
            None,
            SignalLayout::dense(2),
            &mut gradient,
        );
        assert!((loss - 180.0).abs() < 1e-3);
        let loss = cross_entropy(
            &[90.0, -90.0],
            &[1.0, 0.0],
            None,
            SignalLayout::dense(2),
            &mut gradient,
        );
        assert!(loss.abs() < 1e-6 && gradient.iter().all(|g| *g == 0.0 || g.abs() > 1e-21));
        assert!(
            cross_entropy(
                &[f32::NAN, 0.0],
                &[0.0, 1.0],
                None,
                SignalLayout::dense(2),
                &mut gradient
            )
            .is_nan()
        );
    }
}
