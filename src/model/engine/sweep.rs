//! The passes over whole signals that surround the matrix products: each row is read once, worked
//! on in the first-level cache, written once.

use super::gate::ReluDropout;
use super::norm::{Affine, Correction};
use super::plan::SignalLayout;
use super::pool::Pool;
use crate::linalg::dispatch::vectorised;

vectorised! {
    /// `y = gate(y + bias)` in place; adds each channel's sum and sum of squares to `moments`;
    /// zeroes the gaps.
    pub(super) fn activate(
        y: &mut [f32],
        grid: SignalLayout,
        n: usize,
        bias: Option<&[f32]>,
        gate: ReluDropout,
        moments: Option<&mut [Vec<f64>; 2]>,
    ) {
        let mut moments = moments;
        for index in 0..n {
            let rows = y[grid.sample(index)].chunks_exact_mut(grid.channels);
            for (row, first) in rows.zip((index * grid.volume()..).step_by(grid.channels)) {
                if let Some(bias) = bias {
                    add(row, bias);
                }
                gate.forward(row, first);
                if let Some([sums, squares]) = &mut moments {
                    for ((sum, square), &value) in sums.iter_mut().zip(squares).zip(&*row) {
                        let value = f64::from(value);
                        *sum += value;
                        *square += value * value;
                    }
                }
            }
        }
        grid.clear_gaps(y, n);
    }
}

vectorised! {
    /// `out = gate(affine(raw))`, with the gaps of `out` zeroed.
    pub(super) fn normalise(raw: &[f32], grid: SignalLayout, n: usize, affine: Affine, gate: ReluDropout, out: &mut [f32]) {
        for index in 0..n {
            let place = grid.sample(index);
            let rows = raw[place.clone()].chunks_exact(grid.channels).zip(out[place].chunks_exact_mut(grid.channels));
            for ((raw, out), first) in rows.zip((index * grid.volume()..).step_by(grid.channels)) {
                affine.apply(raw, out);
                gate.forward(out, first);
            }
        }
        grid.clear_gaps(out, n);
    }
}

vectorised! {
    /// Turns the gradient of a gate's output into that of its input, in place.
    pub(super) fn gate_gradient(gradient: &mut [f32], output: &[f32], grid: SignalLayout, n: usize, gate: ReluDropout) {
        for index in 0..n {
            let place = grid.sample(index);
            gate.backward(&mut gradient[place.clone()], &output[place], index * grid.volume());
        }
    }
}

vectorised! {
    /// Adds, per channel, the gradient and the gradient times the centred value.
    ///
    /// `gradient` lies in `grid`; `values`, before normalisation, lie in `values_grid` of the same
    /// length and channels.
    pub(super) fn gradient_sums(
        gradient: &[f32],
        grid: SignalLayout,
        values: &[f32],
        values_grid: SignalLayout,
        n: usize,
        mean: &[f32],
        sums: &mut [Vec<f64>; 2],
    ) {
        let [plain, weighted] = sums;
        for index in 0..n {
            let gradients = gradient[grid.sample(index)].chunks_exact(grid.channels);
            let values = values[values_grid.sample(index)].chunks_exact(grid.channels);
            for (gradients, values) in gradients.zip(values) {
                for (sum, &gradient) in plain.iter_mut().zip(gradients) {
                    *sum += f64::from(gradient);
                }
                for (((sum, &gradient), &value), &mean) in weighted.iter_mut().zip(gradients).zip(values).zip(mean) {
                    *sum += f64::from(gradient * (value - mean));
                }
            }
        }
    }
}

/// The last steps of a gradient on its way to a linear map: through a batch normalisation, then a
/// gate, into the sums of the bias.
pub(super) struct Tail<'a> {
    pub correction: Option<Correction<'a>>,
    pub gate: ReluDropout,
    pub bias: Option<&'a mut [f64]>,
}

impl Tail<'_> {
    #[inline(always)]
    fn apply(&mut self, gradient: &mut [f32], raw: &[f32], first: usize) {
        if let Some(correction) = &self.correction {
            correction.apply(gradient, raw);
        }
        self.gate.backward(gradient, raw, first);
        if let Some(bias) = &mut self.bias {
            for (sum, &gradient) in bias.iter_mut().zip(&*gradient) {
                *sum += f64::from(gradient);
            }
        }
    }
}

vectorised! {
    /// Carries a gradient in place to the output of the linear map, whose values after bias and
    /// gate are `raw`; zeroes the gaps.
    pub(super) fn finish(gradient: &mut [f32], raw: &[f32], grid: SignalLayout, n: usize, tail: Tail) {
        let mut tail = tail;
        for index in 0..n {
            let place = grid.sample(index);
            let rows = gradient[place.clone()].chunks_exact_mut(grid.channels).zip(raw[place].chunks_exact(grid.channels));
            for ((gradient, raw), first) in rows.zip((index * grid.volume()..).step_by(grid.channels)) {
                tail.apply(gradient, raw, first);
            }
        }
        grid.clear_gaps(gradient, n);
    }
}

vectorised! {
    /// As [`finish`], from the gradient `pooled` of a pool's output to the gradient `wide` of what
    /// the linear map gave.
    pub(super) fn finish_pooled(
        pooled: &[f32],
        pool: &Pool,
        raw: &[f32],
        grid: SignalLayout,
        n: usize,
        tail: Tail,
        wide: &mut [f32],
    ) {
        let mut tail = tail;
        for index in 0..n {
            let place = grid.sample(index);
            let from = &pooled[pool.grid.sample(index)];
            let choices = &pool.choice[pool.kept().sample(index)];
            let rows = wide[place.clone()].chunks_exact_mut(grid.channels).zip(raw[place].chunks_exact(grid.channels));
            for (row, (gradient, raw)) in rows.enumerate() {
                let (window, element) = (row / pool.size, row % pool.size);
                if window < pool.grid.length {
                    let columns = window * grid.channels..(window + 1) * grid.channels;
                    let chosen = from[columns.clone()].iter().zip(&choices[columns]);
                    for (gradient, (&from, &choice)) in gradient.iter_mut().zip(chosen) {
                        *gradient = if choice == element as u32 { from } else { 0.0 };
                    }
                } else {
                    gradient.fill(0.0);
                }
                tail.apply(gradient, raw, index * grid.volume() + row * grid.channels);
            }
        }
        grid.clear_gaps(wide, n);
    }
}

#[inline(always)]
fn add(row: &mut [f32], bias: &[f32]) {
    for (value, &bias) in row.iter_mut().zip(bias) {
        *value += bias;
    }
}
