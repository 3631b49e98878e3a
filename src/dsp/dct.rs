//! The cosine transform behind the cepstral coefficients.

use std::f64::consts::PI;

/// The first `count` coefficients of the orthonormal DCT-II of `values`.
pub fn dct_ii(values: &[f64], count: usize) -> Vec<f64> {
    let length = values.len() as f64;
    (0..count)
        .map(|k| {
            let sum: f64 =
                values.iter().enumerate().map(|(n, value)| value * (PI * k as f64 * (2 * n + 1) as f64 / (2.0 * length)).cos()).sum();
            sum * if k == 0 { (1.0 / length).sqrt() } else { (2.0 / length).sqrt() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_orthonormal() {
        let basis: Vec<Vec<f64>> =
            (0..16).map(|n| dct_ii(&(0..16).map(|m| f64::from(u8::from(m == n))).collect::<Vec<f64>>(), 16)).collect();
        for (i, a) in basis.iter().enumerate() {
            for (j, b) in basis.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_constant_has_only_the_first_coefficient() {
        let coefficients = dct_ii(&[-100.0; 128], 40);
        assert!((coefficients[0] + 1131.370_849_898_476).abs() < 1e-9);
        assert!(coefficients[1..].iter().all(|value| value.abs() < 1e-10));
    }
}
