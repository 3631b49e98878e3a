//! Convolution as matrix products without a copy of the windows.

use super::plan::SignalLayout;
use crate::linalg::dispatch::vectorised;
use crate::linalg::product::{Matrix, multiply};

/// A convolution between two padded grids of the same length and gap; `gap` is at least half the
/// kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub length: usize,
    pub gap: usize,
}

impl Conv {
    /// Rows from the first of the first sample to the last of the last, gaps between them included.
    fn rows(&self, n: usize) -> usize {
        n * (self.length + self.gap) - self.gap
    }

    /// The windows over a padded signal of the given channels, one row each.
    fn windows<'a>(&self, signal: &'a [f32], channels: usize, n: usize) -> Matrix<'a, f32> {
        let first = (self.gap - self.kernel / 2) * channels;
        Matrix::new(
            &signal[first..],
            self.rows(n),
            self.kernel * channels,
            channels,
        )
    }

    /// Where the samples' rows begin.
    fn begin(&self, channels: usize) -> usize {
        self.gap * channels
    }

    /// The output without bias. Rows between samples receive sums over two neighbours: the next
    /// pass over `y` zeroes them.
    pub fn forward(&self, x: &[f32], weight: &[f32], n: usize, y: &mut [f32]) {
        let weight = Matrix::new(
            weight,
            self.kernel * self.inputs,
            self.outputs,
            self.outputs,
        );
        multiply(
            &mut y[self.begin(self.outputs)..],
            self.outputs,
            self.windows(x, self.inputs, n),
            weight,
        );
    }

    /// The gradient of the weight; rows of `dy` between samples must be zero.
    pub fn weight_gradient(&self, x: &[f32], dy: &[f32], n: usize, dw: &mut [f32]) {
        let dy = Matrix::new(
            &dy[self.begin(self.outputs)..],
            self.rows(n),
            self.outputs,
            self.outputs,
        );
        multiply(
            dw,
            self.outputs,
            self.windows(x, self.inputs, n).transposed(),
            dy,
        );
    }

    /// The gradient of the input: the convolution of `dy`, zero between samples, with the flipped
    /// weight. Rows between samples are no gradients of anything.
    pub fn input_gradient(
        &self,
        dy: &[f32],
        weight: &[f32],
        n: usize,
        flipped: &mut [f32],
        dx: &mut [f32],
    ) {
        let flipped = &mut flipped[..weight.len()];
        for (from, to) in weight
            .chunks_exact(self.inputs * self.outputs)
            .rev()
            .zip(flipped.chunks_exact_mut(self.inputs * self.outputs))
        {
            transpose(from, self.outputs, to);
        }
        let weight = Matrix::new(
            flipped,
            self.kernel * self.outputs,
            self.inputs,
            self.inputs,
        );
        multiply(
            &mut dx[self.begin(self.inputs)..],
            self.inputs,
            self.windows(dy, self.outputs, n),
            weight,
        );
    }
}

vectorised! {
    /// Transposes a matrix of `columns` columns, in tiles so that both sides stay in the cache.
    fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
        const TILE: usize = 16;
        let rows = from.len() / columns;
        for first in (0..rows).step_by(TILE) {
            let last = rows.min(first + TILE);
            for column in 0..columns {
                for (to, row) in to[column * rows + first..column * rows + last].iter_mut().zip(first..) {
                    *to = from[row * columns + column];
                }
            }
        }
    }
}

/// A fully connected layer from a grid of one row per sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dense {
    pub input: SignalLayout,
    pub outputs: usize,
}

impl Dense {
    fn signal<'a>(&self, x: &'a [f32], n: usize) -> Matrix<'a, f32> {
        Matrix::new(
            &x[self.input.sample(0).start..],
            n,
            self.input.volume(),
            self.input.stride,
        )
    }

    /// The output without bias, `[n, outputs]` without gaps.
    pub fn forward(&self, x: &[f32], weight: &[f32], n: usize, y: &mut [f32]) {
        let weight = Matrix::new(weight, self.input.volume(), self.outputs, self.outputs);
        multiply(y, self.outputs, self.signal(x, n), weight);
    }

    /// The gradient of the weight.
    pub fn weight_gradient(&self, x: &[f32], dy: &[f32], n: usize, dw: &mut [f32]) {
        multiply(
            dw,
            self.outputs,
            self.signal(x, n).transposed(),
            Matrix::new(dy, n, self.outputs, self.outputs),
        );
    }

    /// The gradient of the input, in the input's grid.
    pub fn input_gradient(&self, dy: &[f32], weight: &[f32], n: usize, dx: &mut [f32]) {
        let weight =
            Matrix::new(weight, self.input.volume(), self.outputs, self.outputs).transposed();
        let dx = &mut dx[self.input.sample(0).start..];
        multiply(
            dx,
            self.input.stride,
            Matrix::new(dy, n, self.outputs, self.outputs),
            weight,
        );
    }
}
