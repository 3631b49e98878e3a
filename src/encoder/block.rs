//! A block of a transformer: self-attention over all frames, then two affine maps with GELU
//! between, each with a residual connection and a layer normalisation.

use super::ops::{self, Affine, LayerNorm};
use super::relative::Gate;
use crate::linalg::product::{Matrix, multiply};

/// Where the layer normalisations stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormOrder {
    /// Before attention and before the affine maps: Whisper, and wav2vec2's "stable layer norm".
    Pre,
    /// Behind each residual sum: wav2vec2, HuBERT and WavLM in their base forms.
    Post,
}

/// The parameters of a block, of width `d` with `h` heads.
#[derive(Debug)]
pub struct Block {
    pub order: NormOrder,
    pub heads: usize,
    /// Queries, keys and values side by side, `[d, 3 d]`; queries are scaled by `1 / sqrt(d / h)`.
    pub projections: Affine,
    pub output: Affine,
    pub attention_norm: LayerNorm,
    /// `[d, ffn]`.
    pub up: Affine,
    /// `[ffn, d]`.
    pub down: Affine,
    pub final_norm: LayerNorm,
    /// How much each frame heeds the relative positions, of WavLM.
    pub gate: Option<Gate>,
}

/// Buffers of a block, which serve all blocks of a model one after the other.
#[derive(Debug, Default)]
pub struct BlockBuffers {
    normed: Vec<f32>,
    projected: Vec<f32>,
    scores: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
    gates: Vec<f32>,
}

impl Block {
    /// Applies the block to `x`, rows of `d` values, in place.
    ///
    /// `positions` has the bias of every distance for each head, as [`super::relative`] makes it.
    pub fn apply(&self, x: &mut [f32], positions: Option<&[f32]>, buffers: &mut BlockBuffers) {
        let width = self.output.outputs();
        let frames = x.len() / width;
        buffers.normed.clear();
        buffers.normed.extend_from_slice(x);
        if self.order == NormOrder::Pre {
            self.attention_norm.apply(&mut buffers.normed);
        }
        self.attend(frames, positions, buffers);
        buffers.normed.resize(frames * width, 0.0);
        self.output.apply(&buffers.attended, &mut buffers.normed);
        ops::add(x, &buffers.normed);
        if self.order == NormOrder::Post {
            self.attention_norm.apply(x);
        }
        buffers.normed.copy_from_slice(x);
        if self.order == NormOrder::Pre {
            self.final_norm.apply(&mut buffers.normed);
        }
        buffers.hidden.resize(frames * self.up.outputs(), 0.0);
        self.up.apply(&buffers.normed, &mut buffers.hidden);
        ops::gelu(&mut buffers.hidden);
        self.down.apply(&buffers.hidden, &mut buffers.normed);
        ops::add(x, &buffers.normed);
        if self.order == NormOrder::Post {
            self.final_norm.apply(x);
        }
    }

    /// Attention over `buffers.normed` into `buffers.attended`.
    fn attend(&self, frames: usize, positions: Option<&[f32]>, buffers: &mut BlockBuffers) {
        let width = self.output.outputs();
        let (depth, stride) = (width / self.heads, 3 * width);
        buffers.projected.resize(frames * stride, 0.0);
        buffers.attended.resize(frames * width, 0.0);
        buffers.scores.resize(frames * frames, 0.0);
        self.projections
            .apply(&buffers.normed, &mut buffers.projected);
        for head in 0..self.heads {
            let part = |which: usize| {
                let data = &buffers.projected[which * width + head * depth..];
                Matrix::new(data, frames, depth, stride)
            };
            multiply(&mut buffers.scores, frames, part(0), part(1).transposed());
            match (&self.gate, positions) {
                (Some(gate), Some(positions)) => {
                    let distances = 2 * frames - 1;
                    gate.of_head(head, depth, &buffers.normed, width, &mut buffers.gates);
                    ops::softmax_rows_with_bias(
                        &mut buffers.scores,
                        &positions[head * distances..][..distances],
                        &buffers.gates,
                    );
                }
                _ => ops::softmax_rows(&mut buffers.scores, frames),
            }
            multiply(
                &mut buffers.attended[head * depth..],
                width,
                Matrix::new(&buffers.scores, frames, frames, frames),
                part(2),
            );
        }
    }
}
