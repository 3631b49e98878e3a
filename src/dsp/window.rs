//! Analysis windows.

/// The periodic Hann window of `length` samples (`scipy.signal.get_window("hann", length)`).
pub fn hann(length: usize) -> Vec<f64> {
    (0..length)
        .map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / length as f64).cos())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hann_is_periodic_and_sums_to_half_its_length() {
        let window = hann(8);
        assert_eq!(window[0], 0.0);
        assert!((window[4] - 1.0).abs() < 1e-15);
        assert!((1..8).all(|n| (window[n] - window[8 - n]).abs() < 1e-15));
        assert!((hann(2048).iter().sum::<f64>() - 1024.0).abs() < 1e-9);
        // Shifted copies a half apart add up to one.
        assert!((0..4).all(|n| (window[n] + window[n + 4] - 1.0).abs() < 1e-15));
    }
}
