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

/// The same quantiles of values in any order, which are left in another; fractions ascend.
pub(crate) fn quantiles<const N: usize>(
    values: &mut [f64],
    fractions: [f64; N],
) -> Option<[f64; N]> {
    let last = values.len().checked_sub(1)?;
    // Values before this place are in their places.
    let mut done = 0;
    Some(fractions.map(|fraction| {
        let position = fraction * last as f64;
        let below = position.floor() as usize;
        for place in [below, (below + 1).min(last)] {
            if place >= done {
                values[done..].select_nth_unstable_by(place - done, f64::total_cmp);
                done = place + 1;
            }
        }
        let above = (below + 1).min(last);
        values[below] + (values[above] - values[below]) * position.fract()
    }))
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
        assert_eq!(quantiles(&mut [], [0.5]), None);
        let fractions = [0.0, 0.01, 0.01, 0.3, 0.5, 0.99, 1.0];
        for n in [1usize, 2, 3, 10, 101, 250] {
            let mut mixed: Vec<f64> = (0..n).map(|i| (i * 37 % n) as f64 * 0.7).collect();
            let mut sorted = mixed.clone();
            sorted.sort_by(f64::total_cmp);
            let want = fractions.map(|fraction| quantile(&sorted, fraction).unwrap());
            assert_eq!(quantiles(&mut mixed, fractions), Some(want), "{n}");
        }
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
