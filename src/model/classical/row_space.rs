//! A regression on fewer rows than features, turned into one on as many features as rows.
//!
//! With an L2 penalty the best weights are a sum of rows. For rows `X` and the Cholesky factor `L`
//! of `X X' = L L'`, the regression on the rows of `L` with weights `v` is that on `X` with weights
//! `X' inverse(L') v`: products and penalty are the same.

use super::cholesky::Cholesky;
use crate::linalg::product::{Matrix, multiply};

/// Rows of the products of rows at a time.
const BLOCK: usize = 128;
/// Added to the squared length of each row, as a share of their mean, so that equal rows have a
/// factor too.
const RIDGE: f64 = 1e-9;

/// The rows and their factor, in double precision.
pub(super) struct RowSpace {
    x: Vec<f64>,
    columns: usize,
    rows: usize,
    cholesky: Cholesky,
}

impl RowSpace {
    /// Of the rows of `x` `[rows, columns]`; `None` where they have no factor.
    pub fn of(x: Vec<f64>, columns: usize) -> Option<RowSpace> {
        let rows = x.len() / columns;
        let mut products = vec![0.0; rows * rows];
        for first in (0..rows).step_by(BLOCK) {
            let end = (first + BLOCK).min(rows);
            multiply(
                &mut products[first * rows..],
                rows,
                Matrix::new(&x[first * columns..], end - first, columns, columns),
                Matrix::new(&x, end, columns, columns).transposed(),
            );
        }
        let diagonal: f64 = products.iter().step_by(rows + 1).sum();
        let ridge = RIDGE * diagonal / rows as f64;
        products
            .iter_mut()
            .step_by(rows + 1)
            .for_each(|square| *square += ridge);
        let cholesky = Cholesky::of(products, rows)?;
        Some(RowSpace {
            x,
            columns,
            rows,
            cholesky,
        })
    }

    /// The rows of `L` `[rows, rows]`, with zeros above the diagonal.
    pub fn factor(&self) -> Vec<f32> {
        self.cholesky.factor()
    }

    /// From weights `[rows, classes]` of the columns of `L` to weights `[columns, classes]`.
    pub fn weights(&self, mut of_factor: Vec<f64>, classes: usize) -> Vec<f64> {
        self.cholesky.solve_upper(&mut of_factor, classes);
        let mut weights = vec![0.0; self.columns * classes];
        multiply(
            &mut weights,
            classes,
            Matrix::new(&self.x, self.rows, self.columns, self.columns).transposed(),
            Matrix::new(&of_factor, self.rows, classes, classes),
        );
        weights
    }
}
