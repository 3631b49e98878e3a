//! From a list of layers to blocks: checks that the layers compose, fuses what belongs together, and
//! says where a signal lies in its buffer.

use std::ops::Range;

use crate::model::architecture::{Layer, input_channels};
use crate::{Error, Result};

use super::attend::Attend;
use super::block::{Block, LinearOp};
use super::conv::{Conv, Dense};
use super::norm::Norm;
use super::pool::Pool;
use super::taps::FusedFirstConv;
use super::weighted::WeightedSum;

/// A network ready to be given buffers.
#[derive(Debug)]
pub(super) struct Plan {
    /// Where the input signal lies.
    pub input: SignalLayout,
    pub blocks: Vec<Block>,
}

/// Builds the plan of `layers` for signals of `n_features` values: rows of as many channels as the
/// first convolution takes.
pub(super) fn plan(layers: &[Layer], n_features: usize) -> Result<Plan> {
    if n_features == 0 {
        return Err(Error::config("the network has no input features"));
    }
    let gap = layers
        .iter()
        .map(|layer| {
            if let Layer::Conv { kernel, .. } = layer {
                kernel / 2
            } else {
                0
            }
        })
        .max()
        .unwrap_or(0);
    let channels = input_channels(layers);
    if channels == 0 || !n_features.is_multiple_of(channels) {
        return Err(Error::config(format!(
            "{n_features} features are no whole number of rows of {channels} channels"
        )));
    }
    let input = SignalLayout::padded(n_features / channels, channels, gap);
    let mut planner = Planner {
        gap,
        input,
        flat: false,
        tensors: 0,
        norms: 0,
        blocks: Vec::new(),
    };
    for (index, layer) in layers.iter().enumerate() {
        planner.add(index, layer).map_err(|reason| {
            Error::config(format!("layer {index} ({layer:?}) does not fit: {reason}"))
        })?;
    }
    if !planner.flat {
        return Err(
            Error::config("the network does not end in one row of logits per sample")
                .hint("add a Flatten and a Dense layer"),
        );
    }
    if planner.blocks.is_empty() {
        return Err(Error::config(
            "the network has no layer that computes anything",
        ));
    }
    Ok(Plan {
        input,
        blocks: planner.blocks,
    })
}

struct Planner {
    gap: usize,
    input: SignalLayout,
    /// Whether signals are one row per sample by now.
    flat: bool,
    /// Parameter tensors and normalisations so far.
    tensors: usize,
    norms: usize,
    blocks: Vec<Block>,
}

impl Planner {
    /// Where the output of the layers so far lies.
    fn grid(&self) -> SignalLayout {
        let grid = self.blocks.last().map_or(self.input, Block::out_grid);
        if self.flat && grid.length > 1 {
            grid.flattened()
        } else {
            grid
        }
    }

    fn add(&mut self, index: usize, layer: &Layer) -> Result<(), String> {
        let grid = self.grid();
        match *layer {
            Layer::Conv {
                inputs,
                outputs,
                kernel,
            } => {
                if self.flat {
                    return Err("a convolution needs a signal that is not flattened".to_owned());
                }
                if kernel % 2 == 0 || outputs == 0 {
                    return Err("the kernel must be odd and there must be outputs".to_owned());
                }
                expect_width(inputs, grid.channels)?;
                let conv = Conv {
                    inputs,
                    outputs,
                    kernel,
                    length: grid.length,
                    gap: self.gap,
                };
                self.begin(
                    LinearOp::Conv(conv),
                    SignalLayout::padded(grid.length, outputs, self.gap),
                );
                self.tensors += 2;
            }
            Layer::Dense { inputs, outputs } => {
                if !self.flat || outputs == 0 {
                    return Err("a dense layer needs a flattened signal and outputs".to_owned());
                }
                expect_width(inputs, grid.volume())?;
                self.begin(
                    LinearOp::Dense(Dense {
                        input: grid,
                        outputs,
                    }),
                    SignalLayout::dense(outputs),
                );
                self.tensors += 2;
            }
            Layer::Attend { channels } => {
                if self.flat {
                    return Err("attentive pooling needs a signal that is not flattened".to_owned());
                }
                expect_width(channels, grid.channels)?;
                self.begin(
                    LinearOp::Attend(Attend { input: grid }),
                    SignalLayout::dense(2 * channels),
                );
                self.flat = true;
                self.tensors += 1;
            }
            Layer::WeightedSum { length, channels } => {
                if self.flat {
                    return Err("a weighted sum needs a signal that is not flattened".to_owned());
                }
                expect_width(length, grid.length)?;
                expect_width(channels, grid.channels)?;
                self.begin(
                    LinearOp::WeightedSum(WeightedSum { input: grid }),
                    SignalLayout::dense(channels),
                );
                self.flat = true;
                self.tensors += 1;
            }
            Layer::BatchNorm { channels } => {
                expect_width(channels, grid.channels)?;
                let norm = Norm::new(channels, self.tensors, self.norms);
                self.block(|block| block.norm.is_none() && block.pool.is_none() && !block.flat)
                    .norm = Some(norm);
                self.tensors += 2;
                self.norms += 1;
            }
            Layer::Relu => self.block(|block| block.pool.is_none()).open_gate().relu = true,
            Layer::Dropout { p } if !(0.0..1.0).contains(&p) => {
                return Err("the probability must be at least 0 and below 1".to_owned());
            }
            Layer::Dropout { p } => {
                let free =
                    |block: &mut Block| block.pool.is_none() && block.open_gate().dropout.is_none();
                self.block(free).open_gate().dropout = Some((index, p));
            }
            Layer::MaxPool { size } => {
                if self.flat || size == 0 || size > grid.length {
                    return Err(format!(
                        "a window must be between 1 and the signal's {} rows",
                        grid.length
                    ));
                }
                let pooled = SignalLayout::padded(grid.length / size, grid.channels, self.gap);
                self.block(|block| block.pool.is_none()).pool = Some(Pool::new(size, pooled));
            }
            Layer::Flatten => {
                self.flat = true;
                if let Some(block) = self.blocks.last_mut() {
                    block.flat = true;
                }
            }
        }
        Ok(())
    }

    /// The last block if it has room for a layer, else a new one that begins with a copy.
    fn block(&mut self, has_room: impl Fn(&mut Block) -> bool) -> &mut Block {
        if !self.blocks.last_mut().is_some_and(has_room) {
            let grid = self.grid();
            let gap = if self.flat { 0 } else { self.gap };
            self.begin(
                LinearOp::Copy,
                SignalLayout::padded(grid.length, grid.channels, gap),
            );
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn begin(&mut self, source: LinearOp, raw_grid: SignalLayout) {
        let block = Block::new(source, self.tensors, self.grid(), raw_grid);
        self.blocks.push(block);
    }
}

fn expect_width(stated: usize, actual: usize) -> Result<(), String> {
    if stated == actual {
        Ok(())
    } else {
        Err(format!("it expects {stated} inputs and gets {actual}"))
    }
}

/// Takes the first block out if it is a convolution of one channel with an optional normalisation
/// and a ReLU, which [`FusedFirstConv`] does faster.
pub(super) fn take_taps(blocks: &mut Vec<Block>, max_batch: usize) -> Option<FusedFirstConv> {
    let block = blocks.first()?;
    let LinearOp::Conv(conv) = block.source else {
        return None;
    };
    let (before, last) = match block.norm {
        Some(_) => (block.first.relu, block.second),
        None => (false, block.first),
    };
    let dropout = block.first.dropout.is_some() || block.second.dropout.is_some();
    if conv.inputs != 1 || before || !last.relu || dropout || block.pool.is_some() || block.flat {
        return None;
    }
    let block = blocks.remove(0);
    Some(FusedFirstConv::new(
        conv,
        block.weight(),
        block.norm,
        max_batch,
    ))
}

/// The samples of a batch below each other in one matrix with the channels as columns.
///
/// Before the first sample and after each one lie `gap` rows of zeros: the `same` padding of both
/// neighbours. A convolution's windows are therefore a strided view of the buffer (each row begins
/// one row after its predecessor), and no copy of them is ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalLayout {
    /// Rows of a sample.
    pub length: usize,
    /// Values of a row.
    pub channels: usize,
    /// Values before the first sample.
    offset: usize,
    /// Values from the beginning of one sample to that of the next.
    pub stride: usize,
}

impl SignalLayout {
    /// Samples of `length` rows with `gap` rows of zeros around each.
    pub fn padded(length: usize, channels: usize, gap: usize) -> Self {
        SignalLayout {
            length,
            channels,
            offset: gap * channels,
            stride: (length + gap) * channels,
        }
    }

    /// Samples of one row without gaps.
    pub fn dense(channels: usize) -> Self {
        SignalLayout::padded(1, channels, 0)
    }

    /// The same values at the same place, each sample seen as one row.
    pub fn flattened(self) -> Self {
        SignalLayout {
            length: 1,
            channels: self.volume(),
            ..self
        }
    }

    /// Values of one sample.
    pub fn volume(self) -> usize {
        self.length * self.channels
    }

    /// Values of a buffer for `n` samples, gaps included.
    pub fn buffer_len(self, n: usize) -> usize {
        self.offset + n * self.stride
    }

    /// The place of sample `index`.
    pub fn sample(self, index: usize) -> Range<usize> {
        let start = self.offset + index * self.stride;
        start..start + self.volume()
    }

    /// Zeroes everything between the first `n` samples.
    pub fn clear_gaps(self, buffer: &mut [f32], n: usize) {
        buffer[..self.offset].fill(0.0);
        for index in 0..n {
            let end = self.sample(index).end;
            buffer[end..self.offset + (index + 1) * self.stride].fill(0.0);
        }
    }

    /// Copies `n` samples without gaps into `buffer`.
    pub fn spread(self, values: &[f32], buffer: &mut [f32]) {
        for (index, sample) in values.chunks_exact(self.volume()).enumerate() {
            buffer[self.sample(index)].copy_from_slice(sample);
        }
    }
}
