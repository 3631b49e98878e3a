//! The first layers at once: a convolution of one channel, an optional batch normalisation, ReLU.
//!
//! Each output is a weighted sum of the few inputs under the kernel (the taps), so the batch's mean
//! and variance follow from the means and covariances of the taps without computing a single
//! output, normalisation is folded into the weights, and the gradients follow from the sums of
//! gradient times tap. The outputs are written once and read once.

use super::conv::Conv;
use super::norm::Norm;
use super::plan::SignalLayout;
use crate::linalg::dispatch::vectorised;
use crate::model::params::{Params, Running};

/// The convolution, its normalisation and their buffers.
#[derive(Debug)]
pub(super) struct FusedFirstConv {
    kernel: usize,
    outputs: usize,
    input: SignalLayout,
    pub grid: SignalLayout,
    /// Index of the weight among the parameters; the bias follows.
    weight: usize,
    norm: Option<Norm>,
    pub out: Vec<f32>,
    /// Weights and bias with the normalisation folded in, `[kernel + 1, outputs]`.
    folded: Vec<f32>,
    /// Sums over the batch of each tap, the last entry their number; and of products of two,
    /// `[kernel, kernel]`.
    taps: Vec<f64>,
    products: Vec<f64>,
    /// Sums of gradient times tap, the last row of the gradient alone, `[kernel + 1, outputs]`:
    /// over one sample, over the batch.
    partial: Vec<f32>,
    sums: Vec<f64>,
}

/// The inputs under the kernel, for each sample and position.
#[derive(Clone, Copy)]
struct Windows<'a> {
    signal: &'a [f32],
    grid: SignalLayout,
    kernel: usize,
}

impl<'a> Windows<'a> {
    #[inline(always)]
    fn at(&self, sample: usize, row: usize) -> &'a [f32] {
        let first = self.grid.sample(sample).start + row - self.kernel / 2;
        &self.signal[first..first + self.kernel]
    }
}

impl FusedFirstConv {
    pub fn new(conv: Conv, weight: usize, norm: Option<Norm>, max_batch: usize) -> Self {
        let grid = SignalLayout::padded(conv.length, conv.outputs, conv.gap);
        let table = (conv.kernel + 1) * conv.outputs;
        FusedFirstConv {
            kernel: conv.kernel,
            outputs: conv.outputs,
            input: SignalLayout::padded(conv.length, 1, conv.gap),
            grid,
            weight,
            norm,
            out: vec![0.0; grid.buffer_len(max_batch)],
            folded: vec![0.0; table],
            taps: vec![0.0; conv.kernel],
            products: vec![0.0; conv.kernel * conv.kernel],
            partial: vec![0.0; table],
            sums: vec![0.0; table],
        }
    }

    /// The output with the batch's statistics, which move the running ones.
    pub fn forward_batch(
        &mut self,
        signal: &[f32],
        n: usize,
        params: &Params,
        running: &mut Running,
    ) {
        self.clear_sums();
        self.measure(signal, n);
        if let Some(mut norm) = self.norm.take() {
            self.fill_sums(&mut norm, n, params);
            norm.use_batch(n * self.grid.length, params, running);
            self.norm = Some(norm);
        }
        self.forward(signal, n, params);
    }

    /// Stores the statistics over `n` samples that were all measured since the sums were cleared.
    pub fn store_statistics(&mut self, n: usize, params: &Params, running: &mut Running) {
        if let Some(mut norm) = self.norm.take() {
            self.fill_sums(&mut norm, n, params);
            norm.store(n * self.grid.length, running);
            self.norm = Some(norm);
        }
    }

    /// The sums that a pass over the outputs of `n` samples would give: each output is weight *
    /// taps + bias.
    fn fill_sums(&self, norm: &mut Norm, n: usize, params: &Params) {
        let count = (n * self.grid.length) as f64;
        for channel in 0..self.outputs {
            let (weight, bias) = self.channel(channel, params);
            let tap = |index: usize| self.taps[index];
            let linear: f64 = (0..self.kernel).map(|i| weight(i) * tap(i)).sum();
            let quadratic: f64 = (0..self.kernel)
                .map(|i| weight(i) * self.product_sum(i, weight))
                .sum();
            norm.sums[0][channel] = linear + count * bias;
            norm.sums[1][channel] = quadratic + 2.0 * bias * linear + count * bias * bias;
        }
    }

    /// The output with the running statistics.
    pub fn forward_running(
        &mut self,
        signal: &[f32],
        n: usize,
        params: &Params,
        running: &Running,
    ) {
        if let Some(norm) = &mut self.norm {
            norm.use_running(params, running);
        }
        self.forward(signal, n, params);
    }

    fn forward(&mut self, signal: &[f32], n: usize, params: &Params) {
        for channel in 0..self.outputs {
            let (weight, bias) = self.channel(channel, params);
            let (scale, shift) = match &self.norm {
                Some(norm) => {
                    let (gamma, beta) = norm.gamma_beta(channel, params);
                    let scale = gamma * norm.inverse[channel];
                    (scale, (bias - f64::from(norm.mean[channel])) * scale + beta)
                }
                None => (1.0, bias),
            };
            for tap in 0..self.kernel {
                self.folded[tap * self.outputs + channel] = (weight(tap) * scale) as f32;
            }
            self.folded[self.kernel * self.outputs + channel] = shift as f32;
        }
        let windows = Windows {
            signal,
            grid: self.input,
            kernel: self.kernel,
        };
        convolve(windows, &self.folded, self.grid, n, &mut self.out);
    }

    /// From the output's gradient (which it spoils) to those of all parameters.
    pub fn backward(
        &mut self,
        signal: &[f32],
        gradient: &mut [f32],
        n: usize,
        params: &Params,
        grads: &mut Params,
    ) {
        let windows = Windows {
            signal,
            grid: self.input,
            kernel: self.kernel,
        };
        self.sums.fill(0.0);
        gather(
            windows,
            &self.out,
            gradient,
            self.grid,
            n,
            &mut self.partial,
            &mut self.sums,
        );
        let count = (n * self.grid.length) as f64;
        for channel in 0..self.outputs {
            let (weight, bias) = self.channel(channel, params);
            let sum = |row: usize| self.sums[row * self.outputs + channel];
            let plain = sum(self.kernel);
            let Some(norm) = &self.norm else {
                for tap in 0..self.kernel {
                    grads.tensors[self.weight][tap * self.outputs + channel] = sum(tap) as f32;
                }
                grads.tensors[self.weight + 1][channel] = plain as f32;
                continue;
            };
            let inverse = norm.inverse[channel];
            let offset = bias - f64::from(norm.mean[channel]);
            let gamma = norm.gamma_beta(channel, params).0;
            let gamma_gradient = inverse
                * ((0..self.kernel)
                    .map(|tap| weight(tap) * sum(tap))
                    .sum::<f64>()
                    + offset * plain);
            for tap in 0..self.kernel {
                let normalised_times_tap =
                    inverse * (self.product_sum(tap, weight) + offset * self.taps[tap]);
                let centred = sum(tap)
                    - plain / count * self.taps[tap]
                    - gamma_gradient / count * normalised_times_tap;
                grads.tensors[self.weight][tap * self.outputs + channel] =
                    (gamma * inverse * centred) as f32;
            }
            // A constant added before a normalisation changes nothing.
            grads.tensors[self.weight + 1][channel] = 0.0;
            norm.write_gradients(channel, gamma_gradient, plain, grads);
        }
    }

    /// A channel's weight by tap, and its bias.
    fn channel<'a>(
        &self,
        channel: usize,
        params: &'a Params,
    ) -> (impl Fn(usize) -> f64 + Copy + use<'a>, f64) {
        let (weights, outputs) = (&params.tensors[self.weight], self.outputs);
        (
            move |tap: usize| f64::from(weights[tap * outputs + channel]),
            f64::from(params.tensors[self.weight + 1][channel]),
        )
    }

    /// Sum over the batch of a tap times the weighted sum of all taps.
    fn product_sum(&self, tap: usize, weight: impl Fn(usize) -> f64) -> f64 {
        (0..self.kernel)
            .map(|other| weight(other) * self.products[tap * self.kernel + other])
            .sum()
    }

    /// Whether a normalisation follows the convolution.
    pub fn normalises(&self) -> bool {
        self.norm.is_some()
    }

    /// Forgets the samples that were measured.
    pub fn clear_sums(&mut self) {
        self.taps.fill(0.0);
        self.products.fill(0.0);
    }

    /// Adds the taps of `n` samples and their products to the sums; without a normalisation nobody
    /// needs them.
    pub fn measure(&mut self, signal: &[f32], n: usize) {
        if self.norm.is_none() {
            return;
        }
        let windows = Windows {
            signal,
            grid: self.input,
            kernel: self.kernel,
        };
        for (sample, row) in
            (0..n).flat_map(|sample| (0..self.grid.length).map(move |row| (sample, row)))
        {
            let window = windows.at(sample, row);
            let products = self.products.chunks_exact_mut(self.kernel);
            for ((&tap, sum), products) in window.iter().zip(&mut self.taps).zip(products) {
                *sum += f64::from(tap);
                for (product, &other) in products.iter_mut().zip(window) {
                    *product += f64::from(tap) * f64::from(other);
                }
            }
        }
    }
}

/// Channels that are computed together, in registers.
const LANES: usize = 16;

/// `relu(bias + weights * window)` for `WIDTH` channels from `first` on.
#[inline(always)]
fn weigh<const WIDTH: usize>(
    window: &[f32],
    table: &[f32],
    channels: usize,
    first: usize,
) -> [f32; WIDTH] {
    let mut sums = [0.0; WIDTH];
    sums.copy_from_slice(&table[window.len() * channels + first..][..WIDTH]);
    for (&tap, weights) in window.iter().zip(table.chunks_exact(channels)) {
        for (sum, &weight) in sums.iter_mut().zip(&weights[first..first + WIDTH]) {
            *sum += tap * weight;
        }
    }
    sums.map(|sum| if sum < 0.0 { 0.0 } else { sum })
}

vectorised! {
    /// The folded convolution with ReLU; zeroes the gaps.
    fn convolve(windows: Windows, table: &[f32], grid: SignalLayout, n: usize, out: &mut [f32]) {
        for sample in 0..n {
            for (row, out) in out[grid.sample(sample)].chunks_exact_mut(grid.channels).enumerate() {
                let window = windows.at(sample, row);
                let mut first = 0;
                let mut groups = out.chunks_exact_mut(LANES);
                for group in &mut groups {
                    group.copy_from_slice(&weigh::<LANES>(window, table, grid.channels, first));
                    first += LANES;
                }
                for (value, channel) in groups.into_remainder().iter_mut().zip(first..) {
                    [*value] = weigh(window, table, grid.channels, channel);
                }
            }
        }
        grid.clear_gaps(out, n);
    }
}

vectorised! {
    /// Takes the gradient through the ReLU and sums it, alone and times each tap.
    fn gather(
        windows: Windows,
        out: &[f32],
        gradient: &mut [f32],
        grid: SignalLayout,
        n: usize,
        partial: &mut [f32],
        sums: &mut [f64],
    ) {
        let channels = grid.channels;
        for sample in 0..n {
            partial.fill(0.0);
            let place = grid.sample(sample);
            let rows = out[place.clone()].chunks_exact(channels).zip(gradient[place].chunks_exact_mut(channels));
            for (row, (out, gradient)) in rows.enumerate() {
                for (gradient, &out) in gradient.iter_mut().zip(out) {
                    *gradient = if out > 0.0 { *gradient } else { 0.0 };
                }
                let (weighted, plain) = partial.split_at_mut(windows.kernel * channels);
                for (&tap, sums) in windows.at(sample, row).iter().zip(weighted.chunks_exact_mut(channels)) {
                    for (sum, &gradient) in sums.iter_mut().zip(&*gradient) {
                        *sum += tap * gradient;
                    }
                }
                for (sum, &gradient) in plain.iter_mut().zip(&*gradient) {
                    *sum += gradient;
                }
            }
            for (sum, &partial) in sums.iter_mut().zip(&*partial) {
                *sum += f64::from(partial);
            }
        }
    }
}
