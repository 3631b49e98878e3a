//! A block: one linear map and the element-wise layers that follow it, up to the next linear map.

use super::attend::{Attend, Attention};
use super::conv::{Conv, Dense};
use super::gate::{Mask, ReluDropout};
use super::norm::Norm;
use super::plan::SignalLayout;
use super::pool::{Pool, chosen_gate_gradient, pool};
use super::sweep::{
    Tail, activate, finish, finish_pooled, gate_gradient, gradient_sums, normalise,
};
use super::weighted::{Shares, WeightedSum};
use crate::model::params::{Params, Running};

/// What a block begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum LinearOp {
    /// A copy, for element-wise layers that do not fit into the block before.
    Copy,
    /// A convolution.
    Conv(Conv),
    /// A fully connected layer.
    Dense(Dense),
    /// Attentive statistics pooling.
    Attend(Attend),
    /// The weighted sum of layers.
    WeightedSum(WeightedSum),
}

impl LinearOp {
    /// Whether a bias follows the weight among the parameters.
    fn has_bias(&self) -> bool {
        matches!(self, LinearOp::Conv(_) | LinearOp::Dense(_))
    }
}

/// ReLU and dropout as layers: a [`ReluDropout`] but for the key of the step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Activation {
    pub relu: bool,
    /// The layer's index and its probability.
    pub dropout: Option<(usize, f64)>,
}

impl Activation {
    /// The gate of a training step, or of inference without a key.
    fn gate(&self, key: Option<u64>) -> ReluDropout {
        let mask = key
            .zip(self.dropout)
            .map(|(key, (layer, p))| Mask::new(key, layer, p));
        ReluDropout {
            relu: self.relu,
            mask,
        }
    }

    fn is_identity(&self) -> bool {
        !self.relu && self.dropout.is_none()
    }
}

/// Which statistics and whether dropout.
#[derive(Debug)]
pub(super) enum Mode<'a> {
    /// The batch's statistics, which move the running ones; dropout by this key.
    Train(&'a mut Running, u64),
    /// The running statistics, no dropout.
    Infer(&'a Running),
}

/// Scratch memory of the backward pass.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The gradient on its way.
    pub gradient: Vec<f32>,
    /// Where the next one is written.
    pub spare: Vec<f32>,
    /// A convolution's weight, flipped.
    pub flipped: Vec<f32>,
}

/// Linear map, gate, normalisation, gate, pooling, all but the first optional.
#[derive(Debug)]
pub(super) struct Block {
    pub source: LinearOp,
    /// Index of the weight among the parameters; the bias follows. Without meaning for a copy.
    weight: usize,
    input: SignalLayout,
    /// Where the linear map's output lies.
    pub raw_grid: SignalLayout,
    pub first: Activation,
    pub norm: Option<Norm>,
    pub second: Activation,
    pub pool: Option<Pool>,
    /// Whether the output is seen as one row per sample.
    pub flat: bool,
    /// The linear map's output after bias and first gate.
    raw: Vec<f32>,
    /// The block's output, where normalisation or pooling make it another.
    out: Vec<f32>,
    bias_sums: Vec<f64>,
    /// What attentive pooling remembers.
    attention: Attention,
    /// What a weighted sum remembers.
    shares: Shares,
}

impl Block {
    pub fn new(
        source: LinearOp,
        weight: usize,
        input: SignalLayout,
        raw_grid: SignalLayout,
    ) -> Self {
        Block {
            source,
            weight,
            input,
            raw_grid,
            first: Activation::default(),
            norm: None,
            second: Activation::default(),
            pool: None,
            flat: false,
            raw: Vec::new(),
            out: Vec::new(),
            bias_sums: Vec::new(),
            attention: Attention::default(),
            shares: Shares::default(),
        }
    }

    /// Index of the weight among the parameters.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The gate that the next ReLU or dropout belongs to.
    pub fn open_gate(&mut self) -> &mut Activation {
        if self.norm.is_some() {
            &mut self.second
        } else {
            &mut self.first
        }
    }

    /// Makes room for `max_batch` samples.
    pub fn allocate(&mut self, max_batch: usize) {
        self.raw = vec![0.0; self.raw_grid.buffer_len(max_batch)];
        if self.norm.is_some() || self.pool.is_some() {
            self.out = vec![0.0; self.out_grid().buffer_len(max_batch)];
        }
        if let Some(pool) = &mut self.pool {
            pool.allocate(max_batch);
        }
        if let LinearOp::Attend(attend) = self.source {
            self.attention = attend.room(max_batch);
        }
        if self.source.has_bias() {
            self.bias_sums = vec![0.0; self.raw_grid.channels];
        }
    }

    /// Values of gradient and flipped weight that the backward pass needs room for.
    pub fn scratch_len(&self, max_batch: usize) -> (usize, usize) {
        let grids = [self.input, self.raw_grid, self.out_grid()];
        let flipped = match self.source {
            LinearOp::Conv(conv) => conv.kernel * conv.inputs * conv.outputs,
            LinearOp::Copy
            | LinearOp::Dense(_)
            | LinearOp::Attend(_)
            | LinearOp::WeightedSum(_) => 0,
        };
        (
            grids
                .map(|grid| grid.buffer_len(max_batch))
                .into_iter()
                .max()
                .unwrap_or(0),
            flipped,
        )
    }

    /// Where the output lies.
    pub fn out_grid(&self) -> SignalLayout {
        let grid = self.pool.as_ref().map_or(self.raw_grid, |pool| pool.grid);
        if self.flat { grid.flattened() } else { grid }
    }

    /// The output of the last forward pass.
    pub fn output(&self) -> &[f32] {
        if self.out.is_empty() {
            &self.raw
        } else {
            &self.out
        }
    }

    /// Computes the output of the linear map for `n` samples, and returns its bias.
    fn map<'a>(&mut self, x: &[f32], n: usize, params: &'a Params) -> Option<&'a [f32]> {
        match self.source {
            LinearOp::Copy => copy_samples(x, self.input, &mut self.raw, self.raw_grid, n),
            LinearOp::Conv(conv) => conv.forward(x, &params.tensors[self.weight], n, &mut self.raw),
            LinearOp::Dense(dense) => {
                dense.forward(x, &params.tensors[self.weight], n, &mut self.raw)
            }
            LinearOp::Attend(attend) => attend.forward(
                x,
                &params.tensors[self.weight],
                n,
                &mut self.attention,
                &mut self.raw,
            ),
            LinearOp::WeightedSum(sum) => sum.forward(
                x,
                &params.tensors[self.weight],
                n,
                &mut self.shares,
                &mut self.raw,
            ),
        }
        self.source
            .has_bias()
            .then(|| params.tensors[self.weight + 1].as_slice())
    }

    /// Adds the values that the block normalises for `n` samples, without dropout, to the sums of
    /// its normalisation.
    pub fn measure(&mut self, x: &[f32], n: usize, params: &Params) {
        let bias = self.map(x, n, params);
        let moments = self.norm.as_mut().map(|norm| &mut norm.sums);
        activate(
            &mut self.raw,
            self.raw_grid,
            n,
            bias,
            self.first.gate(None),
            moments,
        );
    }

    /// Computes the output for `n` samples.
    pub fn forward(&mut self, x: &[f32], n: usize, params: &Params, mode: &mut Mode) {
        let bias = self.map(x, n, params);
        let key = match mode {
            Mode::Train(_, key) => Some(*key),
            Mode::Infer(_) => None,
        };
        let moments = match (&mut self.norm, &mode) {
            (Some(norm), Mode::Train(..)) => Some(norm.clear_sums()),
            _ => None,
        };
        activate(
            &mut self.raw,
            self.raw_grid,
            n,
            bias,
            self.first.gate(key),
            moments,
        );
        if let Some(norm) = &mut self.norm {
            match mode {
                Mode::Train(running, _) => {
                    norm.use_batch(n * self.raw_grid.length, params, running)
                }
                Mode::Infer(running) => norm.use_running(params, running),
            }
        }
        let affine = self.norm.as_ref().map(|norm| norm.affine(params));
        match (&mut self.pool, affine) {
            (Some(buffers), affine) => pool(
                &self.raw,
                self.raw_grid,
                n,
                affine,
                self.second.gate(key),
                buffers,
                &mut self.out,
            ),
            (None, Some(affine)) => normalise(
                &self.raw,
                self.raw_grid,
                n,
                affine,
                self.second.gate(key),
                &mut self.out,
            ),
            (None, None) => {}
        }
    }

    /// From the output's gradient in `scratch.gradient` to those of the parameters and, where
    /// wanted, of the input (there again).
    pub fn backward(
        &mut self,
        x: &[f32],
        n: usize,
        step: &Step,
        scratch: &mut Scratch,
        grads: &mut Params,
    ) {
        self.backward_elements(n, step.key, scratch, grads);
        let dy = &scratch.gradient;
        match self.source {
            LinearOp::Copy => {}
            LinearOp::Conv(conv) => conv.weight_gradient(x, dy, n, &mut grads.tensors[self.weight]),
            LinearOp::Dense(dense) => {
                dense.weight_gradient(x, dy, n, &mut grads.tensors[self.weight])
            }
            LinearOp::Attend(attend) => {
                let weight = &step.params.tensors[self.weight];
                attend.backward(
                    x,
                    dy,
                    weight,
                    n,
                    &mut self.attention,
                    &mut grads.tensors[self.weight],
                    &mut scratch.spare,
                );
            }
            LinearOp::WeightedSum(sum) => sum.backward(
                x,
                dy,
                n,
                &mut self.shares,
                &mut grads.tensors[self.weight],
                &mut scratch.spare,
            ),
        }
        if self.source.has_bias() {
            for (gradient, &sum) in grads.tensors[self.weight + 1]
                .iter_mut()
                .zip(&self.bias_sums)
            {
                *gradient = sum as f32;
            }
        }
        if step.input_gradient {
            let dx = &mut scratch.spare;
            match self.source {
                LinearOp::Copy => copy_samples(dy, self.raw_grid, dx, self.input, n),
                LinearOp::Conv(conv) => conv.input_gradient(
                    dy,
                    &step.params.tensors[self.weight],
                    n,
                    &mut scratch.flipped,
                    dx,
                ),
                LinearOp::Dense(dense) => {
                    dense.input_gradient(dy, &step.params.tensors[self.weight], n, dx)
                }
                // It was written above, with that of the weight.
                LinearOp::Attend(_) | LinearOp::WeightedSum(_) => {}
            }
            std::mem::swap(&mut scratch.gradient, &mut scratch.spare);
        }
    }

    /// From the output's gradient to that of the linear map, both in `scratch.gradient`.
    fn backward_elements(&mut self, n: usize, key: u64, scratch: &mut Scratch, grads: &mut Params) {
        let (grid, out_grid) = (
            self.raw_grid,
            self.pool.as_ref().map_or(self.raw_grid, |pool| pool.grid),
        );
        let second = self.second.gate(Some(key));
        if !self.second.is_identity() {
            match &mut self.pool {
                Some(pool) => {
                    chosen_gate_gradient(&mut scratch.gradient, &self.out, grid, n, second, pool)
                }
                None => gate_gradient(&mut scratch.gradient, &self.out, grid, n, second),
            }
        }
        if let Some(norm) = &mut self.norm {
            let (values, values_grid) = match &self.pool {
                Some(pool) => (&pool.chosen, pool.kept()),
                None => (&self.raw, grid),
            };
            let mut sums = std::mem::take(norm.clear_sums());
            gradient_sums(
                &scratch.gradient,
                out_grid,
                values,
                values_grid,
                n,
                &norm.mean,
                &mut sums,
            );
            norm.sums = sums;
            norm.use_gradients(n * grid.length, grads);
        }
        self.bias_sums.fill(0.0);
        let bias = (!self.bias_sums.is_empty()).then_some(self.bias_sums.as_mut_slice());
        let correction = self.norm.as_ref().map(Norm::correction);
        let tail = Tail {
            correction,
            gate: self.first.gate(Some(key)),
            bias,
        };
        match &self.pool {
            Some(pool) => {
                finish_pooled(
                    &scratch.gradient,
                    pool,
                    &self.raw,
                    grid,
                    n,
                    tail,
                    &mut scratch.spare,
                );
                std::mem::swap(&mut scratch.gradient, &mut scratch.spare);
            }
            None => finish(&mut scratch.gradient, &self.raw, grid, n, tail),
        }
    }
}

/// What all blocks share in a backward pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub params: &'a Params,
    pub key: u64,
    /// Whether anything before the block learns.
    pub input_gradient: bool,
}

/// Copies samples between grids of the same volume.
fn copy_samples(
    from: &[f32],
    from_grid: SignalLayout,
    to: &mut [f32],
    to_grid: SignalLayout,
    n: usize,
) {
    for index in 0..n {
        to[to_grid.sample(index)].copy_from_slice(&from[from_grid.sample(index)]);
    }
}
