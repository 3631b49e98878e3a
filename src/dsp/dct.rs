//! The cosine transform behind the cepstral coefficients.

use std::f64::consts::PI;

/// The first coefficients of the orthonormal DCT-II.
#[derive(Debug, Clone)]
pub struct Dct {
    length: usize,
    /// One row of `length` weights per coefficient.
    basis: Vec<f64>,
}

impl Dct {
    /// `count` coefficients of `length` values.
    pub fn new(length: usize, count: usize) -> Dct {
        let weight = |k: usize, n: usize| {
            let norm = if k == 0 {
                1.0 / length as f64
            } else {
                2.0 / length as f64
            };
            norm.sqrt() * (PI * (k * (2 * n + 1)) as f64 / (2 * length) as f64).cos()
        };
        Dct {
            length,
            basis: (0..count)
                .flat_map(|k| (0..length).map(move |n| weight(k, n)))
                .collect(),
        }
    }

    /// The coefficients of `values`.
    pub fn apply(&self, values: &[f64]) -> Vec<f64> {
        self.basis
            .chunks_exact(self.length)
            .map(|row| {
                row.iter()
                    .zip(values)
                    .map(|(weight, value)| weight * value)
                    .sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_orthonormal() {
        let dct = Dct::new(16, 16);
        for (i, a) in dct.basis.chunks_exact(16).enumerate() {
            for (j, b) in dct.basis.chunks_exact(16).enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_constant_has_only_the_first_coefficient() {
        let coefficients = Dct::new(128, 40).apply(&[-100.0; 128]);
        assert!((coefficients[0] + 1_131.370_849_898_476).abs() < 1e-9);
        assert_eq!(coefficients.len(), 40);
        assert!(coefficients[1..].iter().all(|value| value.abs() < 1e-10));
    }
}
