//! The Cholesky factor of a symmetric positive definite matrix, by panels of matrix products.

use crate::linalg::product::{Matrix, multiply};

/// Columns of the factor at a time.
const PANEL: usize = 32;

/// `L` of `L L'`.
pub(super) struct Cholesky {
    n: usize,
    /// `[n, n]`; what lies above the diagonal has no meaning.
    factor: Vec<f64>,
    /// The inverse of each panel's block on the diagonal.
    inverses: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Of a matrix `[n, n]`, whose lower triangle counts; `None` where it is not positive definite.
    pub fn of(mut a: Vec<f64>, n: usize) -> Option<Cholesky> {
        let mut inverses = Vec::with_capacity(n.div_ceil(PANEL));
        let mut products = vec![0.0; n * PANEL];
        for first in (0..n).step_by(PANEL) {
            let width = PANEL.min(n - first);
            if first > 0 {
                let done = Matrix::new(&a[first * n..], n - first, first, n);
                let own = Matrix::new(&a[first * n..], width, first, n);
                multiply(&mut products, width, done, own.transposed());
                for (row, products) in products.chunks(width).take(n - first).enumerate() {
                    let begin = (first + row) * n + first;
                    subtract(&mut a[begin..][..width], products);
                }
            }
            let inverse = factorise_block(&mut a[first * n + first..], n, width)?;
            let below = first + width;
            if below < n {
                let panel = Matrix::new(&a[below * n + first..], n - below, width, n);
                let inverse = Matrix::new(&inverse, width, width, width);
                multiply(&mut products, width, panel, inverse.transposed());
                for (row, products) in products.chunks(width).take(n - below).enumerate() {
                    a[(below + row) * n + first..][..width].copy_from_slice(products);
                }
            }
            inverses.push(inverse);
        }
        Some(Cholesky {
            n,
            factor: a,
            inverses,
        })
    }

    /// The factor `[n, n]` in single precision, with zeros above the diagonal.
    pub fn factor(&self) -> Vec<f32> {
        let value = |i: usize| {
            let is_above = i % self.n > i / self.n;
            if is_above { 0.0 } else { self.factor[i] as f32 }
        };
        (0..self.factor.len()).map(value).collect()
    }

    /// `inverse(L) x`, of `x` `[n, columns]`.
    pub fn solve_lower(&self, x: &mut [f64], columns: usize) {
        let mut products = vec![0.0; PANEL * columns];
        for (inverse, first) in self.inverses.iter().zip((0..).step_by(PANEL)) {
            let width = PANEL.min(self.n - first);
            let (before, rest) = x.split_at_mut(first * columns);
            let own = &mut rest[..width * columns];
            if first > 0 {
                let factor = Matrix::new(&self.factor[first * self.n..], width, first, self.n);
                let before = Matrix::new(before, first, columns, columns);
                multiply(&mut products, columns, factor, before);
                subtract(own, &products);
            }
            products[..own.len()].copy_from_slice(own);
            let inverse = Matrix::new(inverse, width, width, width);
            let right = Matrix::new(&products, width, columns, columns);
            multiply(own, columns, inverse, right);
        }
    }

    /// `inverse(L') x`, of `x` `[n, columns]`.
    pub fn solve_upper(&self, x: &mut [f64], columns: usize) {
        let mut products = vec![0.0; PANEL * columns];
        for (panel, inverse) in self.inverses.iter().enumerate().rev() {
            let first = panel * PANEL;
            let width = PANEL.min(self.n - first);
            let below = first + width;
            let (before, after) = x.split_at_mut(below * columns);
            let own = &mut before[first * columns..];
            if below < self.n {
                let begin = below * self.n + first;
                let rows = self.n - below;
                let factor = Matrix::new(&self.factor[begin..], rows, width, self.n);
                let after = Matrix::new(after, rows, columns, columns);
                multiply(&mut products, columns, factor.transposed(), after);
                subtract(own, &products);
            }
            products[..own.len()].copy_from_slice(own);
            let inverse = Matrix::new(inverse, width, width, width);
            let right = Matrix::new(&products, width, columns, columns);
            multiply(own, columns, inverse.transposed(), right);
        }
    }
}

fn subtract(a: &mut [f64], b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a -= b);
}

/// Replaces the first `n` columns of `n` rows `stride` apart by their factor; returns the inverse
/// of the factor, `[n, n]`.
fn factorise_block(a: &mut [f64], stride: usize, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        for j in 0..=i {
            let before = (0..j).map(|k| a[i * stride + k] * a[j * stride + k]);
            let rest = a[i * stride + j] - before.sum::<f64>();
            a[i * stride + j] = if i > j {
                rest / a[j * stride + j]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        inverse[j * n + j] = 1.0 / a[j * stride + j];
        for i in j + 1..n {
            let terms = (j..i).map(|k| a[i * stride + k] * inverse[k * n + j]);
            inverse[i * n + j] = -terms.sum::<f64>() / a[i * stride + i];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_of_several_panels_is_solved() {
        let n = 75;
        let value =
            |i: usize, j: usize| 1.0 / (1.0 + i.abs_diff(j) as f64) + 2.0 * f64::from(i == j);
        let a: Vec<f64> = (0..n * n).map(|at| value(at / n, at % n)).collect();
        let solution: Vec<f64> = (0..n * 3).map(|at| (at as f64).sin()).collect();
        let mut x = vec![0.0; n * 3];
        for (at, x) in x.iter_mut().enumerate() {
            *x = (0..n)
                .map(|j| value(at / 3, j) * solution[j * 3 + at % 3])
                .sum();
        }
        let cholesky = Cholesky::of(a, n).expect("positive definite");
        cholesky.solve_lower(&mut x, 3);
        cholesky.solve_upper(&mut x, 3);
        assert!(x.iter().zip(&solution).all(|(x, s)| (x - s).abs() < 1e-12));
        assert!(Cholesky::of(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
