//! Means, deviations and quantiles.

/// The arithmetic mean; zero of no values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean and population standard deviation; zeros of no values.
pub(crate) fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / values.len().max(1) as f64).sqrt())
}

/// Sample standard deviation (n - 1); zero of fewer than two values.
pub(crate) fn sample_sd(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The quantile of sorted values at a fraction from 0 to 1, interpolated linearly between the two
/// nearest values: numpy's default. `None` of no values.
pub(crate) fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = fraction * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (fraction, want) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!(
                (quantile(&values, fraction).unwrap() - want).abs() < 1e-12,
                "{fraction}"
            );
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn deviations_divide_by_n_or_by_one_less() {
        let values = [2.0, 4.0, 4.0, 6.0];
        assert_eq!(mean_and_sd(&values), (4.0, 2f64.sqrt()));
        assert_eq!(sample_sd(&values), (8.0f64 / 3.0).sqrt());
        assert_eq!(
            (mean(&[]), mean_and_sd(&[]), sample_sd(&[3.0])),
            (0.0, (0.0, 0.0), 0.0)
        );
    }
}
