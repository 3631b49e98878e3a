//! The log loss of a multinomial logistic regression and its gradient, in single precision with
//! sums in double precision.
//!
//! Rows are taken in blocks that stay in the processor's cache: one pass over the table gives
//! loss and gradient. Products are summed in an order that no processor changes.

use crate::linalg::dispatch::vectorised;
use crate::linalg::product::{Matrix, multiply};
use crate::split::RowView;

use super::cholesky::Cholesky;
use super::lbfgs::{Objective, dot};

/// Classes at a time; parameters are padded to a multiple.
const LANES: usize = 8;
/// Rows or columns at a time; blocks are padded to a multiple.
const TILE: usize = 8;
/// Terms that are summed in single precision.
const RUN: usize = 128;
/// Values of a block, about.
const BLOCK: usize = 1 << 16;

/// The rows that a regression is fitted on.
pub(super) enum Rows<'a> {
    /// Features `[rows, columns]` as they are given; what is fitted on is `(value - mean) *
    /// factor`, with a mean and a factor for each column.
    Scaled {
        x: &'a RowView,
        means: &'a [f32],
        factors: &'a [f32],
    },
    /// A lower triangular matrix `[rows, rows]`.
    Triangular(&'a [f32]),
}

/// Sum of log losses + `penalty / 2 |weights / units|^2`. Parameters are weights `[columns,
/// classes]`, then intercepts.
pub(super) struct Loss<'a> {
    rows: Rows<'a>,
    columns: usize,
    /// Class of each row.
    y: Vec<usize>,
    n_classes: usize,
    penalty: f64,
    /// By column: what a weight is divided by to be one of the features as they are penalised.
    units: Vec<f64>,
    /// By row, of the last evaluation: the mean over the classes of `p (1 - p)`, times
    /// `classes / (classes - 1)`.
    curvatures: Vec<f32>,
    /// Of [`Objective::estimate_curvature`].
    estimate: Option<Cholesky>,
    /// The sum of the curvatures by which the estimate was made.
    estimated: f64,
}

/// Most columns of a curvature that is estimated: its memory grows with their square.
pub(super) const MOST_COLUMNS: usize = 4096;
/// Rows by which the curvature is estimated, times the number of columns.
const SAMPLE: usize = 8;
/// Rows of the estimate at a time.
const ESTIMATE_BLOCK: usize = 256;
/// How far the sum of the curvatures may move from that of an estimate.
const CHANGE: f64 = 1.05;
/// The least curvature of a row in the estimate, as a share of their mean.
const LEAST_CURVATURE: f32 = 0.01;

vectorised! {
    /// `out = (values - mean) * factor`.
    fn scale_row(out: &mut [f32], values: &[f32], means: &[f32], factors: &[f32]) {
        for (((out, value), mean), factor) in out.iter_mut().zip(values).zip(means).zip(factors) {
            *out = (value - mean) * factor;
        }
    }
}

vectorised! {
    /// Adds the products of rows `[.., stride]` of `x` with `weights` `[columns, padded]`, where
    /// `columns` is at most the stride, to `logits` `[.., padded]`. The numbers of rows and columns
    /// are multiples of [`TILE`].
    fn add_logits(logits: &mut [f64], x: &[f32], stride: usize, weights: &[f32], padded: usize) {
        for (x, logits) in x.chunks_exact(TILE * stride).zip(logits.chunks_exact_mut(TILE * padded)) {
            for (run, weights) in weights.chunks(RUN * padded).enumerate() {
                let rows: [&[[f32; TILE]]; TILE] =
                    std::array::from_fn(|row| x[row * stride + run * RUN..].as_chunks().0);
                for group in (0..padded).step_by(LANES) {
                    let mut sums = [[0.0f32; LANES]; TILE];
                    for (tile, weights) in weights.chunks_exact(TILE * padded).enumerate() {
                        let values: [&[f32; TILE]; TILE] = std::array::from_fn(|row| &rows[row][tile]);
                        for (term, weights) in weights.chunks_exact(padded).enumerate() {
                            let weights = &weights[group..][..LANES];
                            for (sums, values) in sums.iter_mut().zip(&values) {
                                for (sum, weight) in sums.iter_mut().zip(weights) {
                                    *sum = values[term].mul_add(*weight, *sum);
                                }
                            }
                        }
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        for (logit, sum) in logits[row * padded + group..].iter_mut().zip(sums) {
                            *logit += f64::from(*sum);
                        }
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Adds the products of columns of `x` `[.., stride]` with `residuals` `[.., padded]` to
    /// `gradient` `[columns, padded]`, where the number of columns is a multiple of [`TILE`] and
    /// at most the stride.
    fn add_gradient(gradient: &mut [f64], x: &[f32], stride: usize, residuals: &[f32], padded: usize) {
        for (tile, gradient) in gradient.chunks_exact_mut(TILE * padded).enumerate() {
            for group in (0..padded).step_by(LANES) {
                let mut sums = [[0.0f32; LANES]; TILE];
                for (x, residuals) in x.chunks_exact(stride).zip(residuals.chunks_exact(padded)) {
                    let values = &x[tile * TILE..][..TILE];
                    let residuals = &residuals[group..][..LANES];
                    for (sums, value) in sums.iter_mut().zip(values) {
                        for (sum, residual) in sums.iter_mut().zip(residuals) {
                            *sum = value.mul_add(*residual, *sum);
                        }
                    }
                }
                for (column, sums) in sums.iter().enumerate() {
                    for (gradient, sum) in gradient[column * padded + group..].iter_mut().zip(sums) {
                        *gradient += f64::from(*sum);
                    }
                }
            }
        }
    }
}

impl Objective for Loss<'_> {
    fn evaluate(&mut self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let k = self.n_classes;
        let (weights, intercepts) = at.split_at(self.columns * k);
        let padded = k.next_multiple_of(LANES);
        let stride = self.columns.next_multiple_of(TILE);
        let mut padded_weights = vec![0.0f32; stride * padded];
        for (to, from) in padded_weights
            .chunks_exact_mut(padded)
            .zip(weights.chunks_exact(k))
        {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = *from as f32);
        }

        let n = self.y.len();
        let block = (BLOCK / stride).next_multiple_of(TILE).clamp(TILE, 256);
        let mut x = vec![0.0f32; block * stride];
        let mut logits = vec![0.0; block * padded];
        let mut residuals = vec![0.0f32; block * padded];
        let mut slopes = vec![0.0; stride * padded];
        let mut intercept_slopes = vec![0.0; k];
        let mut value = 0.0;
        for first in (0..n).step_by(block) {
            let rows = block.min(n - first);
            let columns = self.fill(&mut x, stride, first, rows);
            // Rows of zeros fill the last tile.
            let tiled = rows.next_multiple_of(TILE);
            x[rows * stride..tiled * stride].fill(0.0);
            logits.fill(0.0);
            residuals.fill(0.0);
            add_logits(
                &mut logits[..tiled * padded],
                &x[..tiled * stride],
                stride,
                &padded_weights[..columns * padded],
                padded,
            );
            for (row, class) in self.y[first..first + rows].iter().enumerate() {
                let p = &mut logits[row * padded..][..k];
                p.iter_mut().zip(intercepts).for_each(|(p, b)| *p += b);
                let max = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let own = p[*class] - max;
                p.iter_mut().for_each(|l| *l = (*l - max).exp());
                let sum: f64 = p.iter().sum();
                value += sum.ln() - own;
                p.iter_mut().for_each(|e| *e /= sum);
                let curvature: f64 = p.iter().map(|p| p * (1.0 - p)).sum();
                self.curvatures[first + row] = (curvature / (k - 1) as f64) as f32;
                p[*class] -= 1.0;
                for ((p, residual), slope) in p
                    .iter()
                    .zip(&mut residuals[row * padded..])
                    .zip(&mut intercept_slopes)
                {
                    *residual = *p as f32;
                    *slope += p;
                }
            }
            add_gradient(
                &mut slopes[..columns * padded],
                &x[..rows * stride],
                stride,
                &residuals,
                padded,
            );
        }

        let (of_weights, of_intercepts) = gradient.split_at_mut(self.columns * k);
        of_intercepts.copy_from_slice(&intercept_slopes);
        for (((of_weights, slopes), weights), unit) in of_weights
            .chunks_exact_mut(k)
            .zip(slopes.chunks_exact(padded))
            .zip(weights.chunks_exact(k))
            .zip(&self.units)
        {
            let factor = self.penalty / (unit * unit);
            for ((of_weight, slope), weight) in of_weights.iter_mut().zip(slopes).zip(weights) {
                *of_weight = slope + factor * weight;
            }
            value += 0.5 * factor * dot(weights, weights);
        }
        value
    }

    /// The Hessian with the classes taken apart, each with the mean curvature of all: the penalty
    /// and the products of columns over a sample of the rows.
    fn estimate_curvature(&mut self) {
        let n = self.columns;
        let total = self.total_curvature();
        let change = (total / self.estimated).max(self.estimated / total);
        if n > MOST_COLUMNS || (self.estimated > 0.0 && change < CHANGE) {
            return;
        }
        self.estimated = total;
        let stride = n.next_multiple_of(TILE);
        let every = (self.y.len() / (SAMPLE * n)).max(1);
        let sample: Vec<usize> = (0..self.y.len()).step_by(every).collect();
        let least = LEAST_CURVATURE * (total / self.y.len() as f64) as f32;
        let mut estimate = vec![0.0f64; n * n];
        let mut x = vec![0.0f32; ESTIMATE_BLOCK * stride];
        let mut products = vec![0.0f32; ESTIMATE_BLOCK * n];
        for sample in sample.chunks(ESTIMATE_BLOCK) {
            let mut columns = 0;
            for (x, row) in x.chunks_exact_mut(stride).zip(sample) {
                columns = self.fill(x, stride, *row, 1).min(n);
                let curvature = self.curvatures[*row].max(least) * every as f32;
                let factor = curvature.sqrt();
                x.iter_mut().for_each(|value| *value *= factor);
            }
            let rows = sample.len();
            for first in (0..columns).step_by(ESTIMATE_BLOCK) {
                let width = ESTIMATE_BLOCK.min(columns - first);
                let end = first + width;
                let own = Matrix::new(&x[first..], rows, width, stride).transposed();
                multiply(&mut products, end, own, Matrix::new(&x, rows, end, stride));
                for (row, products) in products.chunks_exact(end).take(width).enumerate() {
                    let estimate = &mut estimate[(first + row) * n..][..end];
                    for (estimate, product) in estimate.iter_mut().zip(products) {
                        *estimate += f64::from(*product);
                    }
                }
            }
        }
        for (column, unit) in self.units.iter().enumerate() {
            estimate[column * n + column] += self.penalty / (unit * unit);
        }
        self.estimate = Cholesky::of(estimate, n);
    }

    fn precondition(&self, direction: &mut [f64]) -> bool {
        let Some(estimate) = &self.estimate else {
            return false;
        };
        let (weights, intercepts) = direction.split_at_mut(self.columns * self.n_classes);
        estimate.solve_lower(weights, self.n_classes);
        estimate.solve_upper(weights, self.n_classes);
        let curvature = self.total_curvature();
        intercepts.iter_mut().for_each(|i| *i /= curvature);
        true
    }
}

impl<'a> Loss<'a> {
    /// Of rows with a unit for each column and a class, of at least two, for each row.
    pub fn new(
        rows: Rows<'a>,
        y: Vec<usize>,
        n_classes: usize,
        penalty: f64,
        units: Vec<f64>,
    ) -> Self {
        Loss {
            rows,
            columns: units.len(),
            curvatures: vec![0.0; y.len()],
            y,
            n_classes,
            penalty,
            units,
            estimate: None,
            estimated: 0.0,
        }
    }

    /// The sum of the curvatures of all rows.
    fn total_curvature(&self) -> f64 {
        let sum: f64 = self.curvatures.iter().map(|c| f64::from(*c)).sum();
        sum.max(f64::MIN_POSITIVE)
    }

    /// Writes rows into a block; returns how many of its columns, a multiple of [`TILE`], may hold
    /// other values than 0.
    fn fill(&self, block: &mut [f32], stride: usize, first: usize, rows: usize) -> usize {
        let n = self.columns;
        let mut buffer = Vec::new();
        for (row, out) in (first..).zip(block.chunks_exact_mut(stride).take(rows)) {
            match self.rows {
                Rows::Scaled { x, means, factors } => {
                    let values = x.block(row..row + 1, &mut buffer);
                    scale_row(&mut out[..n], values, means, factors);
                }
                Rows::Triangular(values) => {
                    out[..n].copy_from_slice(&values[row * n..][..n]);
                }
            }
        }
        match self.rows {
            Rows::Scaled { .. } => stride,
            Rows::Triangular(_) => (first + rows).next_multiple_of(TILE),
        }
    }
}

/// Rows of the products of rows at a time.
const ROW_BLOCK: usize = 128;
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
        for first in (0..rows).step_by(ROW_BLOCK) {
            let end = (first + ROW_BLOCK).min(rows);
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

#[cfg(test)]
mod tests {
    use crate::model::test_data::blobs;

    use super::*;

    /// The estimated curvature, by all rows or by a sample, is about that of the function: its
    /// inverse takes the change of the gradient along a step about back to the step.
    #[test]
    fn the_estimated_curvature_is_about_that_of_the_function() {
        for (rows, factor) in [(90, 1.001), (1800, 3.0)] {
            let train = blobs(rows, 2, 4, 3.0, 9).train;
            let is_sampled = train.len() > 2 * SAMPLE * 4;
            assert_eq!(is_sampled, rows == 1800);
            let scaled = Rows::Scaled {
                x: train.x(),
                means: &[0.0; 4],
                factors: &[1.0; 4],
            };
            let mut loss = Loss::new(scaled, train.y().to_vec(), 2, 0.5, vec![1.0; 4]);
            let (mut step, mut before, mut after) = ([0.0; 10], [0.0; 10], [0.0; 10]);
            for (at, step) in step[..8].iter_mut().enumerate() {
                *step = 1e-3 * if at % 2 == 0 { 1.0 } else { -1.0 } * (1.0 + at as f64 / 8.0);
            }
            // Two classes move against each other: the Hessian has no part between them.
            for pair in step[..8].chunks_exact_mut(2) {
                pair[1] = -pair[0];
            }
            loss.evaluate(&step, &mut after);
            loss.evaluate(&[0.0; 10], &mut before);
            loss.estimate_curvature();
            let mut back: Vec<f64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
            assert!(loss.precondition(&mut back));
            for (back, step) in back[..8].iter().zip(&step) {
                let ratio = back / step;
                assert!(ratio < factor && ratio > 1.0 / factor, "{rows}: {ratio}");
            }
        }
    }
}
