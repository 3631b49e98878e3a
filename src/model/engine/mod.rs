//! The CPU training engine (signatures; the body follows).

use super::architecture::Layer;
use super::params::{Params, Running};
use crate::Result;

/// Dropout factors of one layer: 0 or `1 / (1 - p)` for each of `len` positions of the `[n, length, channels]` signal (channels fastest).
pub fn dropout_mask(_key: u64, _layer: usize, _len: usize, _p: f64) -> Vec<f32> {
    todo!()
}

/// A network of any list of layers with all its buffers.
pub struct Engine {}

impl Engine {
    /// Checks that the layers compose and allocates the buffers for at most `max_batch` samples per step.
    pub fn new(_layers: &[Layer], _n_features: usize, _max_batch: usize) -> Result<Self> {
        todo!()
    }

    /// One forward and backward pass over `x` `[n, n_features]`, `n <= max_batch`; returns the mean loss, writes (not adds) `grads`.
    pub fn train_step(
        &mut self,
        _params: &Params,
        _running: &mut Running,
        _x: &[f32],
        _targets: &[f32],
        _weights: Option<&[f32]>,
        _dropout_key: u64,
        _grads: &mut Params,
    ) -> f32 {
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
