//! Attentive statistics pooling: mean and standard deviation over the length, weighted by what a
//! learned score attends to.

use super::plan::SignalLayout;
use crate::linalg::dispatch::vectorised;
use crate::model::params::ATTEND_EPSILON;

/// Pooling of a signal `[length, channels]` to `[2 * channels]`: means, then deviations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attend {
    pub input: SignalLayout,
}

/// What the forward pass remembers for the backward pass.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// Share of each row, `[n, length]`.
    shares: Vec<f32>,
    /// Means and deviations, `[n, 2 * channels]`, as they were before any gate.
    moments: Vec<f32>,
    /// The gradient of the weight, summed in double precision.
    weight: Vec<f64>,
    /// Gradient of half the variances of one sample, `[channels]`.
    spread: Vec<f32>,
}

impl Attend {
    /// Memory for `max_batch` samples.
    pub fn room(&self, max_batch: usize) -> Attention {
        let SignalLayout {
            length, channels, ..
        } = self.input;
        Attention {
            shares: vec![0.0; max_batch * length],
            moments: vec![0.0; max_batch * 2 * channels],
            weight: vec![0.0; channels],
            spread: vec![0.0; channels],
        }
    }

    /// Writes `[n, 2 * channels]` without gaps to `y`.
    pub fn forward(
        &self,
        x: &[f32],
        weight: &[f32],
        n: usize,
        memory: &mut Attention,
        y: &mut [f32],
    ) {
        pool(x, self.input, weight, n, memory);
        let values = n * 2 * self.input.channels;
        y[..values].copy_from_slice(&memory.moments[..values]);
    }

    /// From the gradient `dy` of the output to those of the weight and of the input, which is
    /// written to its places in `dx`.
    #[expect(
        clippy::too_many_arguments,
        reason = "the signal, the parameters and both their gradients"
    )]
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        weight: &[f32],
        n: usize,
        memory: &mut Attention,
        dw: &mut [f32],
        dx: &mut [f32],
    ) {
        gradients(x, self.input, dy, weight, n, memory, dx);
        for (gradient, &sum) in dw.iter_mut().zip(&memory.weight) {
            *gradient = sum as f32;
        }
    }
}

/// Sum of products in eight lanes: the same order, and so the same bits, at every level.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    let (a, b) = (a.chunks(LANES), b.chunks(LANES));
    for (a, b) in a.zip(b) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

vectorised! {
    fn pool(x: &[f32], grid: SignalLayout, weight: &[f32], n: usize, memory: &mut Attention) {
        let SignalLayout { length, channels, .. } = grid;
        for index in 0..n {
            let rows = || x[grid.sample(index)].chunks_exact(channels);
            let shares = &mut memory.shares[index * length..(index + 1) * length];
            for (share, row) in shares.iter_mut().zip(rows()) {
                *share = dot(row, weight);
            }
            let largest = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for share in &mut *shares {
                *share = (*share - largest).exp();
                total += *share;
            }
            shares.iter_mut().for_each(|share| *share /= total);
            let (means, deviations) = memory.moments[index * 2 * channels..(index + 1) * 2 * channels].split_at_mut(channels);
            means.fill(0.0);
            deviations.fill(0.0);
            for (&share, row) in shares.iter().zip(rows()) {
                for (mean, &value) in means.iter_mut().zip(row) {
                    *mean += share * value;
                }
            }
            for (&share, row) in shares.iter().zip(rows()) {
                for ((deviation, &mean), &value) in deviations.iter_mut().zip(&*means).zip(row) {
                    *deviation += share * (value - mean) * (value - mean);
                }
            }
            deviations.iter_mut().for_each(|deviation| *deviation = (*deviation + ATTEND_EPSILON as f32).sqrt());
        }
    }
}

vectorised! {
    fn gradients(x: &[f32], grid: SignalLayout, dy: &[f32], weight: &[f32], n: usize, memory: &mut Attention, dx: &mut [f32]) {
        let SignalLayout { length, channels, .. } = grid;
        memory.weight.fill(0.0);
        for index in 0..n {
            let place = index * 2 * channels..(index + 1) * 2 * channels;
            let (means, deviations) = memory.moments[place.clone()].split_at(channels);
            let (to_means, to_deviations) = dy[place].split_at(channels);
            for ((spread, &gradient), &deviation) in memory.spread.iter_mut().zip(to_deviations).zip(deviations) {
                *spread = 0.5 * gradient / deviation;
            }
            let shares = &mut memory.shares[index * length..(index + 1) * length];
            let rows = x[grid.sample(index)].chunks_exact(channels);
            let out = dx[grid.sample(index)].chunks_exact_mut(channels);
            // First what each share would gain, kept in the first value of its row of `dx`, for the
            // softmax needs their mean.
            let mut gained = 0.0;
            for ((&share, row), out) in shares.iter().zip(rows.clone()).zip(out) {
                for ((((slot, &value), &mean), &to_mean), &spread) in out.iter_mut().zip(row).zip(means).zip(to_means).zip(&memory.spread) {
                    *slot = to_mean * value + spread * (value - mean) * (value - mean);
                }
                let gain: f32 = sum(out);
                out[0] = gain;
                gained += share * gain;
            }
            let out = dx[grid.sample(index)].chunks_exact_mut(channels);
            for ((share, row), out) in shares.iter_mut().zip(rows).zip(out) {
                let score = *share * (out[0] - gained);
                for (sum, &value) in memory.weight.iter_mut().zip(row) {
                    *sum += f64::from(score) * f64::from(value);
                }
                let terms = row.iter().zip(means).zip(to_means).zip(&memory.spread).zip(weight);
                for (slot, ((((&value, &mean), &to_mean), &spread), &weight)) in out.iter_mut().zip(terms) {
                    *slot = *share * (to_mean + 2.0 * spread * (value - mean)) + score * weight;
                }
            }
        }
    }
}

/// Sum in eight lanes, as [`dot`].
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    for values in values.chunks(LANES) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums.iter().sum()
}
