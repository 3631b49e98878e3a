//! The weighted sum of layers: one share for each, learned, the same for all samples.

use super::attend::dot;
use super::plan::SignalLayout;
use crate::linalg::dispatch::vectorised;

/// Weighted sum of the rows of a signal `[length, channels]`, to `[channels]`; the shares are the
/// softmax of the weight `[length]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightedSum {
    pub input: SignalLayout,
}

/// What the forward pass remembers for the backward pass.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// `[length]`.
    shares: Vec<f32>,
    /// What the loss would gain of each share, `[length]`.
    gains: Vec<f64>,
}

/// Shares that add up to one: the softmax of `weight`.
pub(in crate::model) fn softmax(weight: &[f32], shares: &mut Vec<f32>) {
    let largest = weight.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    shares.clear();
    shares.extend(weight.iter().map(|value| (value - largest).exp()));
    let total: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
}

impl WeightedSum {
    /// Writes `[n, channels]` without gaps to `y`.
    pub fn forward(&self, x: &[f32], weight: &[f32], n: usize, memory: &mut Shares, y: &mut [f32]) {
        softmax(weight, &mut memory.shares);
        add_up(x, self.input, &memory.shares, n, y);
    }

    /// From the gradient `dy` of the output to those of the weight and of the input, which is written
    /// to its places in `dx`.
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        n: usize,
        memory: &mut Shares,
        dw: &mut [f32],
        dx: &mut [f32],
    ) {
        memory.gains.clear();
        memory.gains.resize(self.input.length, 0.0);
        gradients(x, self.input, dy, n, memory, dx);
        let Shares { shares, gains } = memory;
        let both = || shares.iter().zip(&*gains);
        let mean: f64 = both().map(|(share, gain)| f64::from(*share) * gain).sum();
        for (gradient, (share, gain)) in dw.iter_mut().zip(both()) {
            *gradient = (f64::from(*share) * (gain - mean)) as f32;
        }
    }
}

vectorised! {
    fn add_up(x: &[f32], grid: SignalLayout, shares: &[f32], n: usize, y: &mut [f32]) {
        for (index, out) in y.chunks_exact_mut(grid.channels).take(n).enumerate() {
            out.fill(0.0);
            for (&share, row) in shares.iter().zip(x[grid.sample(index)].chunks_exact(grid.channels)) {
                for (sum, &value) in out.iter_mut().zip(row) {
                    *sum += share * value;
                }
            }
        }
    }
}

vectorised! {
    fn gradients(x: &[f32], grid: SignalLayout, dy: &[f32], n: usize, memory: &mut Shares, dx: &mut [f32]) {
        for (index, dy) in dy.chunks_exact(grid.channels).take(n).enumerate() {
            let rows = x[grid.sample(index)].chunks_exact(grid.channels);
            for (gain, row) in memory.gains.iter_mut().zip(rows) {
                *gain += f64::from(dot(row, dy));
            }
            let out = dx[grid.sample(index)].chunks_exact_mut(grid.channels);
            for (&share, out) in memory.shares.iter().zip(out) {
                for (slot, &gradient) in out.iter_mut().zip(dy) {
                    *slot = share * gradient;
                }
            }
        }
    }
}
