//! Dot products and squared distances between the rows of two tables, in double precision.

use super::svm::Kernel;
use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::product::{Matrix as Values, multiply};
use crate::model::classifier::finite;
use crate::split::{Matrix, Part, Training};

/// What is measured between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Their dot product.
    Product,
    /// The square of their Euclidean distance; never negative.
    SquaredDistance,
}

/// Rows of `a` at a time.
const BLOCK: usize = 128;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The sum of squares of each row.
fn squares(values: &[f64], columns: usize) -> Vec<f64> {
    values
        .chunks_exact(columns)
        .map(|row| row.iter().map(|v| v * v).sum())
        .collect()
}

/// Calls `visit` with every row of `a` in turn, by its number, and what is measured between it and
/// each row of `b`.
///
/// # Errors
/// Those of `visit`, after which nothing more is visited.
///
/// # Panics
/// If the tables have different numbers of columns, or none.
pub(super) fn each_row(
    measure: Measure,
    a: &Matrix,
    b: &Matrix,
    mut visit: impl FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    assert!(
        a.cols() == b.cols() && b.cols() > 0,
        "tables of {} and {} columns",
        a.cols(),
        b.cols()
    );
    let (columns, others) = (b.cols(), b.rows());
    if others == 0 {
        return (0..a.rows()).try_for_each(|i| visit(i, &[]));
    }
    let right = wide(b.values());
    let right_squares = squares(&right, columns);
    let mut measured = vec![0.0; BLOCK.min(a.rows()) * others];
    for start in (0..a.rows()).step_by(BLOCK) {
        let rows = BLOCK.min(a.rows() - start);
        let left = wide(&a.values()[start * columns..(start + rows) * columns]);
        products(&mut measured[..rows * others], &left, &right, columns);
        let left_squares = squares(&left, columns);
        for (i, row) in measured[..rows * others]
            .chunks_exact_mut(others)
            .enumerate()
        {
            if measure == Measure::SquaredDistance {
                for (value, square) in row.iter_mut().zip(&right_squares) {
                    // Not `max`, which would take a number for one that is none.
                    let distance = left_squares[i] + square - 2.0 * *value;
                    *value = if distance < 0.0 { 0.0 } else { distance };
                }
            }
            visit(start + i, row)?;
        }
    }
    Ok(())
}

/// `out[i][j]` = row i of `left` times row j of `right`, all rows of `columns` values.
fn products(out: &mut [f64], left: &[f64], right: &[f64], columns: usize) {
    let (m, n) = (left.len() / columns, right.len() / columns);
    multiply(
        out,
        n,
        Values::new(left, m, columns, columns),
        Values::new(right, n, columns, columns).transposed(),
    );
}

pub(super) fn scale_gamma(x: &Matrix) -> f64 {
    let n = x.values().len() as f64;
    let mean = x.values().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = x
        .values()
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    if variance > 0.0 {
        1.0 / (x.cols() as f64 * variance)
    } else {
        1.0
    }
}

/// What all machines of one kernel on the same rows share, whatever their `c` and `gamma`: dot
/// products or squared distances of all pairs of rows, in single precision as LIBSVM's cache has
/// them.
#[derive(Debug, Clone)]
pub struct PairwiseDistances {
    pub(super) kernel: Kernel,
    pub(super) rows: usize,
    values: Vec<f32>,
    pub(super) scale: f64,
}

impl PairwiseDistances {
    /// Measures all pairs of rows; memory grows with the square of their number, 4 bytes a pair.
    ///
    /// # Errors
    /// A data error for features that are not finite, interrupted when `cancel` asks for it.
    pub fn of(kernel: Kernel, train: &Part<Training>, cancel: &Cancel) -> Result<Self> {
        finite(train.x())?;
        let x = &train.x().gather();
        let measure = if kernel == Kernel::Linear {
            Measure::Product
        } else {
            Measure::SquaredDistance
        };
        let mut values = Vec::with_capacity(train.len() * train.len());
        each_row(measure, x, x, |_, row| {
            cancel.check()?;
            values.extend(row.iter().map(|&v| v as f32));
            Ok(())
        })?;
        Ok(PairwiseDistances {
            kernel,
            rows: train.len(),
            values,
            scale: scale_gamma(x),
        })
    }

    /// The kernel matrix of all rows.
    pub(super) fn kernel(&self, gamma: Option<f64>) -> Vec<f32> {
        let n = self.rows;
        let Some(gamma) = gamma else {
            return self.values.clone();
        };
        let mut out = Vec::with_capacity(n * n);
        for i in 0..n {
            // The matrix is symmetric: what lies before the diagonal has been computed.
            out.extend(
                (0..i)
                    .map(|before| out[before * n + i])
                    .collect::<Vec<f32>>(),
            );
            let measured = &self.values[i * n + i..(i + 1) * n];
            out.extend(measured.iter().enumerate().map(|(at, &d)| {
                if at == 0 {
                    1.0
                } else {
                    (-gamma * f64::from(d)).exp() as f32
                }
            }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data;

    #[test]
    fn all_pairs_are_measured() {
        let a = test_data::parts(&[0; 300], 0, 1, 7).train;
        let a = a.x().gather();
        let b = a.select(&[5, 0, 299]);
        for measure in [Measure::Product, Measure::SquaredDistance] {
            let mut seen = 0;
            let visit = |i: usize, row: &[f64]| {
                assert_eq!(i, seen);
                seen += 1;
                for (j, &value) in row.iter().enumerate() {
                    let pairs = a
                        .row(i)
                        .iter()
                        .zip(b.row(j))
                        .map(|(&x, &y)| (f64::from(x), f64::from(y)));
                    let wanted: f64 = match measure {
                        Measure::Product => pairs.map(|(x, y)| x * y).sum(),
                        Measure::SquaredDistance => pairs.map(|(x, y)| (x - y).powi(2)).sum(),
                    };
                    assert!(
                        (value - wanted).abs() < 1e-12
                            && (measure == Measure::Product || value >= 0.0),
                        "{i} {j}: {value} {wanted}"
                    );
                }
                Ok(())
            };
            each_row(measure, &a, &b, visit).expect("visited");
            assert_eq!(seen, 300);
        }
    }
}
