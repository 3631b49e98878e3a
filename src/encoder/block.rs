//! A block of a transformer: self-attention over all frames, then two affine maps with GELU
//! between, each with a residual connection and a layer normalisation; and the gated relative
//! position bias of WavLM.

use crate::linalg::product::{Matrix, multiply};

use super::ops;
use super::ops::{Affine, LayerNorm};

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

/// The bias of relative positions, which the first block has and all blocks use.
#[derive(Debug)]
pub struct RelativePositions {
    /// `buckets` rows of a value per head.
    pub table: Vec<f32>,
    pub heads: usize,
    pub buckets: usize,
    pub largest_distance: usize,
}

impl RelativePositions {
    /// For each head the bias of the distances `1 - frames` to `frames - 1` of key from query.
    pub fn biases(&self, frames: usize, out: &mut Vec<f32>) {
        out.clear();
        for head in 0..self.heads {
            out.extend((1..2 * frames).map(|shifted| {
                let bucket = self.bucket(shifted as isize - frames as isize);
                self.table[bucket * self.heads + head]
            }));
        }
    }

    /// Half of the buckets are for later keys; in each half the first half are single distances,
    /// the others grow logarithmically up to the largest distance.
    fn bucket(&self, distance: isize) -> usize {
        let half = self.buckets / 2;
        let exact = half / 2;
        let far = distance.unsigned_abs();
        let sign = if distance > 0 { half } else { 0 };
        if far < exact {
            return sign + far;
        }
        // In single precision, as the buckets of the published models were.
        let logarithm = (far as f32 / exact as f32).ln()
            / (self.largest_distance as f64 / exact as f64).ln() as f32;
        let wide = exact + (logarithm * (half - exact) as f32) as usize;
        sign + wide.min(half - 1)
    }
}

/// By how much a frame's attention heeds relative positions: from the input of the block's
/// attention, for each head on its own.
#[derive(Debug)]
pub struct Gate {
    /// 8 rows of a value per dimension of a head.
    pub weight: Vec<f32>,
    /// 8 values.
    pub bias: Vec<f32>,
    /// A value per head.
    pub constant: Vec<f32>,
}

impl Gate {
    /// The gates of all frames for a head of `depth` dimensions.
    pub fn of_head(
        &self,
        head: usize,
        depth: usize,
        x: &[f32],
        width: usize,
        gates: &mut Vec<f32>,
    ) {
        let constant = self.constant[head];
        gates.clear();
        gates.extend(x.chunks_exact(width).map(|row| {
            let row = &row[head * depth..][..depth];
            let sum_of_four = |first: usize| -> f32 {
                (first..first + 4)
                    .map(|output| {
                        let weights = &self.weight[output * depth..][..depth];
                        let products = row.iter().zip(weights);
                        products.fold(self.bias[output], |sum, (x, w)| x.mul_add(*w, sum))
                    })
                    .sum()
            };
            let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
            let (a, b) = (sigmoid(sum_of_four(0)), sigmoid(sum_of_four(4)));
            a * (b * constant - 1.0) + 2.0
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_near_and_logarithmic_far() {
        let positions = RelativePositions {
            table: vec![],
            heads: 1,
            buckets: 320,
            largest_distance: 800,
        };
        // By the formula in double precision, in numpy.
        let expected = [
            (0, 0),
            (-79, 79),
            (79, 239),
            (-80, 80),
            (100, 247),
            (-200, 111),
            (-799, 159),
            (800, 319),
            (5000, 319),
        ];
        for (distance, bucket) in expected {
            assert_eq!(positions.bucket(distance), bucket, "{distance}");
        }
    }
}
