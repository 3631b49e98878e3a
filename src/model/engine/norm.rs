//! Batch normalisation: statistics, the affine map they make, and its gradient.

use crate::model::params::{BATCH_NORM_EPSILON, Params, Running};

/// `(value - centre) * scale + shift` per channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine<'a> {
    centre: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl Affine<'_> {
    #[inline(always)]
    pub fn apply(&self, from: &[f32], to: &mut [f32]) {
        let map = self.centre.iter().zip(self.scale).zip(self.shift);
        for ((to, &from), ((&centre, &scale), &shift)) in to.iter_mut().zip(from).zip(map) {
            *to = (from - centre) * scale + shift;
        }
    }
}

/// From the gradient of a normalisation's output to that of its input: `gradient * scale + constant
/// + (value - centre) * slope`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correction<'a> {
    centre: &'a [f32],
    scale: &'a [f32],
    constant: &'a [f32],
    slope: &'a [f32],
}

impl Correction<'_> {
    #[inline(always)]
    pub fn apply(&self, gradient: &mut [f32], raw: &[f32]) {
        let map = self
            .centre
            .iter()
            .zip(self.scale)
            .zip(self.constant.iter().zip(self.slope));
        for ((gradient, &raw), ((&centre, &scale), (&constant, &slope))) in
            gradient.iter_mut().zip(raw).zip(map)
        {
            *gradient = *gradient * scale + constant + (raw - centre) * slope;
        }
    }
}

/// One batch normalisation between its forward and its backward pass.
#[derive(Debug)]
pub(super) struct Norm {
    /// Index of gamma among the parameters; beta follows.
    gamma: usize,
    /// Index among the running statistics.
    running: usize,
    pub mean: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`.
    pub inverse: Vec<f64>,
    scale: Vec<f32>,
    constant: Vec<f32>,
    slope: Vec<f32>,
    /// Sums that a pass over the signal fills: of values and squares forwards, of gradients and
    /// weighted gradients backwards.
    pub sums: [Vec<f64>; 2],
}

impl Norm {
    pub fn new(channels: usize, gamma: usize, running: usize) -> Self {
        let single = || vec![0.0f32; channels];
        let double = || vec![0.0f64; channels];
        Norm {
            gamma,
            running,
            mean: single(),
            inverse: double(),
            scale: single(),
            constant: single(),
            slope: single(),
            sums: [double(), double()],
        }
    }

    /// Zeroes the sums for the next pass.
    pub fn clear_sums(&mut self) -> &mut [Vec<f64>; 2] {
        for sums in &mut self.sums {
            sums.fill(0.0);
        }
        &mut self.sums
    }

    /// Takes the statistics of `count` values per channel from the sums, and moves the running
    /// ones.
    pub fn use_batch(&mut self, count: usize, params: &Params, running: &mut Running) {
        self.average(count);
        running.update(self.running, &self.sums[0], &self.sums[1]);
        self.settle(params);
    }

    /// Turns the sums over `count` values per channel into the statistics that inference applies.
    pub fn store(&mut self, count: usize, running: &mut Running) {
        self.average(count);
        let [means, variances] = &self.sums;
        for (to, from) in [
            (&mut running.means, means),
            (&mut running.variances, variances),
        ] {
            to[self.running] = from.iter().map(|&value| value as f32).collect();
        }
    }

    /// From sums of values and squares to means and (biased) variances.
    fn average(&mut self, count: usize) {
        let [sums, squares] = &mut self.sums;
        for (mean, variance) in sums.iter_mut().zip(squares) {
            *mean /= count as f64;
            *variance = (*variance / count as f64 - *mean * *mean).max(0.0);
        }
    }

    /// Takes the running statistics.
    pub fn use_running(&mut self, params: &Params, running: &Running) {
        for (to, from) in self.sums.iter_mut().zip([
            &running.means[self.running],
            &running.variances[self.running],
        ]) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = f64::from(from);
            }
        }
        self.settle(params);
    }

    /// Derives the map from mean and variance, which stand in `sums`.
    fn settle(&mut self, params: &Params) {
        let [means, variances] = &self.sums;
        let gammas = &params.tensors[self.gamma];
        for (channel, ((&mean, &variance), &gamma)) in
            means.iter().zip(variances).zip(gammas).enumerate()
        {
            self.mean[channel] = mean as f32;
            self.inverse[channel] = 1.0 / (variance + BATCH_NORM_EPSILON).sqrt();
            self.scale[channel] = (f64::from(gamma) * self.inverse[channel]) as f32;
        }
    }

    /// The map of the last statistics.
    pub fn affine<'a>(&'a self, params: &'a Params) -> Affine<'a> {
        Affine {
            centre: &self.mean,
            scale: &self.scale,
            shift: &params.tensors[self.gamma + 1],
        }
    }

    /// Takes the gradients' sums over `count` values per channel: writes the gradients of gamma and
    /// beta, and prepares that of the input.
    pub fn use_gradients(&mut self, count: usize, grads: &mut Params) {
        let [plain, weighted] = &self.sums;
        for (channel, (&plain, &weighted)) in plain.iter().zip(weighted).enumerate() {
            let inverse = self.inverse[channel];
            let gamma_gradient = weighted * inverse;
            let scale = f64::from(self.scale[channel]);
            self.constant[channel] = (-scale * plain / count as f64) as f32;
            self.slope[channel] = (-scale * inverse * gamma_gradient / count as f64) as f32;
            self.write_gradients(channel, gamma_gradient, plain, grads);
        }
    }

    /// Stores the gradients of a channel's gamma and beta.
    pub fn write_gradients(&self, channel: usize, gamma: f64, beta: f64, grads: &mut Params) {
        grads.tensors[self.gamma][channel] = gamma as f32;
        grads.tensors[self.gamma + 1][channel] = beta as f32;
    }

    /// What turns the output's gradient into the input's.
    pub fn correction(&self) -> Correction<'_> {
        Correction {
            centre: &self.mean,
            scale: &self.scale,
            constant: &self.constant,
            slope: &self.slope,
        }
    }

    /// Gamma and beta of a channel.
    pub fn gamma_beta(&self, channel: usize, params: &Params) -> (f64, f64) {
        (
            f64::from(params.tensors[self.gamma][channel]),
            f64::from(params.tensors[self.gamma + 1][channel]),
        )
    }
}
