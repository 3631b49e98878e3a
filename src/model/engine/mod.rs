//! The CPU training engine (signatures; the body follows).

use super::architecture::Layer;
use super::params::{Params, Running};
use crate::Result;

/// Dropout factors of one layer: 0 or `1 / (1 - p)` for each of `len` positions of the `[n, length, channels]` signal (channels fastest).
pub fn dropout_mask(_key: u64, _layer: usize, _len: usize, _p: f64) -> Vec<f32> {
    todo!()
}

/// One step's samples.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[n, n_features]`.
    pub x: &'a [f32],
    /// `[n, classes]` probabilities (one-hot, smoothed or mixed).
    pub targets: &'a [f32],
    /// `[n]` factors of the samples' losses; the sum is still divided by n, as Keras does.
    pub weights: Option<&'a [f32]>,
}

/// A network of any list of layers with all its buffers.
pub struct Engine {}

impl Engine {
    /// Checks that the layers compose and allocates the buffers for at most `max_batch` samples per step.
    pub fn new(_layers: &[Layer], _n_features: usize, _max_batch: usize) -> Result<Self> {
        todo!()
    }

    /// One forward and backward pass over `batch.x` `[n, n_features]`, `n <= max_batch`; returns the mean loss, writes (not adds) `grads`.
    pub fn train_step(&mut self, _params: &Params, _running: &mut Running, _batch: &Batch, _dropout_key: u64, _grads: &mut Params) -> f32 {
        todo!()
    }

    /// Logits `[n, classes]` of the last training step (with dropout and batch statistics).
    pub fn logits_of_last_step(&self) -> &[f32] {
        todo!()
    }

    /// Logits `[n, classes]` with running statistics and no dropout; any number of samples.
    pub fn infer(&mut self, _params: &Params, _running: &Running, _x: &[f32]) -> Result<&[f32]> {
        todo!()
    }
}
