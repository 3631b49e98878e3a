//! A model in the layout of model hubs, from samples to its hidden states.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Block, BlockBuffers, NormOrder};
use super::block::{Gate, RelativePositions};
use super::config::{Config, Front, Transformer};
use super::ops::{Affine, LayerNorm};
use super::waveform::{self, WaveformBuffers, WaveformFront, affine, layer_norm};
use super::weights::Weights;
use super::whisper::{self, WhisperBuffers, WhisperFront};

use crate::error::{Error, Result};

/// The rate of the samples that all encoders take, in Hz.
pub const SAMPLE_RATE: u32 = 16_000;

/// Tensors of published files that are no part of the encoder: what pretraining, decoding and
/// classification need.
const LEFT_OUT: [&str; 12] = [
    "masked_spec_embed",
    "quantizer.",
    "project_",
    "lm_head.",
    "proj_out.",
    "final_proj.",
    "label_embs_concat",
    "decoder.",
    "model.decoder.",
    "classifier.",
    "projector.",
    "layer_weights",
];

/// A state of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The input of the first block (0), or the output of the block of this number.
    Layer(usize),
    /// What the encoder gives: the output of the last block, after the final normalisation where the
    /// architecture has one.
    Output,
}

/// How a recording is brought to the length that the model was trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Padding {
    /// Not at all: positions count from 0.
    #[default]
    #[serde(rename = "none")]
    None,
    /// Followed by silence up to the longest input, as Whisper was trained; its states are then cut
    /// to those of the recording. The other architectures know no padding.
    #[serde(rename = "30s")]
    Full,
}

impl Padding {
    /// The word of the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Padding::None => "none",
            Padding::Full => "30s",
        }
    }
}

/// A loaded model, which any number of threads may use at once, each with buffers of its own.
#[derive(Debug)]
pub struct HubModel {
    transformer: Transformer,
    front: LoadedFront,
    blocks: Vec<Block>,
    /// Before the first block where blocks normalise behind their sums, else behind the last.
    norm: LayerNorm,
    relative: Option<RelativePositions>,
    parameters: u64,
}

#[derive(Debug)]
enum LoadedFront {
    Whisper(WhisperFront),
    Waveform(WaveformFront),
}

/// Memory that a thread uses again from recording to recording.
pub struct HubBuffers {
    x: Vec<f32>,
    normed: Vec<f32>,
    positions: Vec<f32>,
    block: BlockBuffers,
    whisper: Option<WhisperBuffers>,
    waveform: WaveformBuffers,
}

impl HubModel {
    /// Loads the model in `folder`: `config.json`, `preprocessor_config.json` where there is one, and
    /// `model.safetensors` or `pytorch_model.bin`, whole or in parts.
    ///
    /// # Errors
    /// `Missing` where a file is not there; `Data` where one is damaged, belongs to another model, or
    /// asks for what is not supported; the file and the key or tensor are named.
    pub fn load(folder: &Path) -> Result<HubModel> {
        let config = Config::read(folder)?;
        let transformer = config.transformer;
        let (width, epsilon) = (transformer.width, transformer.epsilon);
        let (front, mut weights, relative) = match &config.front {
            Front::Whisper { mels, positions } => {
                let mut weights = Weights::open(folder, &["model.encoder.", "encoder."])?;
                let front = WhisperFront::load(*mels, *positions, width, &mut weights)?;
                (LoadedFront::Whisper(front), weights, None)
            }
            Front::Waveform(waveform) => {
                let mut weights = Weights::open(folder, waveform::prefixes(waveform.family))?;
                let front = WaveformFront::load(waveform, width, epsilon, &mut weights)?;
                let relative = waveform
                    .relative
                    .map(|buckets| load_relative(&transformer, buckets, &mut weights))
                    .transpose()?;
                (LoadedFront::Waveform(front), weights, relative)
            }
        };
        let whisper = matches!(front, LoadedFront::Whisper(_));
        let name = if whisper { "" } else { "encoder." };
        let norm = layer_norm(&mut weights, &format!("{name}layer_norm"), width, epsilon)?;
        let blocks = (0..transformer.layers)
            .map(|index| {
                let name = format!("{name}layers.{index}");
                load_block(
                    &transformer,
                    &name,
                    whisper,
                    relative.is_some(),
                    &mut weights,
                )
            })
            .collect::<Result<_>>()?;
        let parameters = weights.values_taken();
        weights.finish(&LEFT_OUT)?;
        Ok(HubModel {
            transformer,
            front,
            blocks,
            norm,
            relative,
            parameters,
        })
    }

    /// The convolutions in front, where it has such.
    #[cfg(test)]
    pub(super) fn waveform_front(&self) -> Option<&WaveformFront> {
        match &self.front {
            LoadedFront::Waveform(front) => Some(front),
            LoadedFront::Whisper(_) => None,
        }
    }

    /// Numbers that were learned, without those of decoders and heads.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Values of a frame.
    pub fn width(&self) -> usize {
        self.transformer.width
    }

    /// The states that [`HubModel::run`] gives, in order.
    pub fn states(&self) -> Vec<State> {
        let layers = (0..=self.transformer.layers).map(State::Layer);
        match self.transformer.order {
            NormOrder::Pre => layers.chain([State::Output]).collect(),
            NormOrder::Post => layers
                .take(self.transformer.layers)
                .chain([State::Output])
                .collect(),
        }
    }

    /// Samples that a recording needs at least.
    pub fn least_samples(&self) -> usize {
        match &self.front {
            LoadedFront::Whisper(_) => 400,
            LoadedFront::Waveform(front) => front.least_samples(),
        }
    }

    /// Samples that a recording may have at most, where the architecture has a limit.
    pub fn most_samples(&self) -> Option<usize> {
        match &self.front {
            LoadedFront::Whisper(front) => Some(front.most_samples()),
            LoadedFront::Waveform(_) => None,
        }
    }

    /// Buffers for one thread.
    pub fn buffers(&self) -> HubBuffers {
        HubBuffers {
            x: Vec::new(),
            normed: Vec::new(),
            positions: Vec::new(),
            block: BlockBuffers::default(),
            whisper: match &self.front {
                LoadedFront::Whisper(front) => Some(front.buffers()),
                LoadedFront::Waveform(_) => None,
            },
            waveform: WaveformBuffers::default(),
        }
    }

    /// Runs the encoder on samples at [`SAMPLE_RATE`], and hands every state to `look` as rows of
    /// [`HubModel::width`] values, one per frame of 320 samples (20 ms).
    ///
    /// # Errors
    /// `Data` for fewer samples than [`HubModel::least_samples`] or more than
    /// [`HubModel::most_samples`].
    pub fn run(
        &self,
        samples: &[f32],
        padding: Padding,
        buffers: &mut HubBuffers,
        mut look: impl FnMut(State, &[f32]),
    ) -> Result<()> {
        let (n, least) = (samples.len(), self.least_samples());
        if n < least {
            return Err(Error::data(format!(
                "{n} samples at {SAMPLE_RATE} Hz are too short for an encoder that needs {least}"
            )));
        }
        if let Some(most) = self.most_samples().filter(|most| n > *most) {
            return Err(Error::data(format!(
                "{n} samples at {SAMPLE_RATE} Hz are too long for an encoder that takes {most}"
            )));
        }
        let HubBuffers {
            x,
            normed,
            positions,
            block,
            whisper,
            waveform,
        } = buffers;
        let width = self.transformer.width;
        match (&self.front, whisper) {
            (LoadedFront::Whisper(front), Some(whisper)) => {
                front.apply(samples, padding == Padding::Full, x, whisper);
            }
            (LoadedFront::Waveform(front), _) => front.apply(samples, x, waveform),
            (LoadedFront::Whisper(_), None) => {
                return Err(Error::internal("buffers of another encoder"));
            }
        }
        let frames = x.len() / width;
        let heard = match padding {
            Padding::Full if self.most_samples().is_some() => n.div_ceil(whisper::HOP).min(frames),
            _ => frames,
        };
        let post = self.transformer.order == NormOrder::Post;
        if post {
            self.norm.apply(x);
        }
        let positions = self.relative.as_ref().map(|relative| {
            relative.biases(frames, positions);
            positions.as_slice()
        });
        look(State::Layer(0), &x[..heard * width]);
        for (index, one) in self.blocks.iter().enumerate() {
            one.apply(x, positions, block);
            let last = post && index + 1 == self.blocks.len();
            let state = if last {
                State::Output
            } else {
                State::Layer(index + 1)
            };
            look(state, &x[..heard * width]);
        }
        if !post {
            normed.clear();
            normed.extend_from_slice(&x[..heard * width]);
            self.norm.apply(normed);
            look(State::Output, normed);
        }
        Ok(())
    }
}

/// The bias of relative positions, which the first block holds for all.
fn load_relative(
    transformer: &Transformer,
    (buckets, largest_distance): (usize, usize),
    weights: &mut Weights,
) -> Result<RelativePositions> {
    let name = "encoder.layers.0.attention.rel_attn_embed.weight";
    Ok(RelativePositions {
        table: weights.take(name, &[buckets, transformer.heads])?,
        heads: transformer.heads,
        buckets,
        largest_distance,
    })
}

/// A block by the names of its family.
fn load_block(
    transformer: &Transformer,
    name: &str,
    whisper: bool,
    gated: bool,
    weights: &mut Weights,
) -> Result<Block> {
    let [attention, attention_norm, up, down] = if whisper {
        ["self_attn", "self_attn_layer_norm", "fc1", "fc2"]
    } else {
        [
            "attention",
            "layer_norm",
            "feed_forward.intermediate_dense",
            "feed_forward.output_dense",
        ]
    }
    .map(|part| format!("{name}.{part}"));
    let (width, heads, epsilon) = (transformer.width, transformer.heads, transformer.epsilon);
    let depth = width / heads;
    let scale = 1.0 / (depth as f32).sqrt();
    // Queries, keys and values in one product.
    let (mut stored, mut bias) = (Vec::new(), Vec::new());
    for (part, factor) in [("q", scale), ("k", 1.0), ("v", 1.0)] {
        let name = format!("{attention}.{part}_proj");
        let weight = weights.take(&format!("{name}.weight"), &[width, width])?;
        stored.extend(weight.iter().map(|value| value * factor));
        if whisper && part == "k" {
            bias.extend(std::iter::repeat_n(0.0, width));
        } else {
            let values = weights.take(&format!("{name}.bias"), &[width])?;
            bias.extend(values.iter().map(|value| value * factor));
        }
    }
    let gate = gated
        .then(|| {
            let linear = format!("{attention}.gru_rel_pos_linear");
            Ok::<_, Error>(Gate {
                weight: weights.take(&format!("{linear}.weight"), &[8, depth])?,
                bias: weights.take(&format!("{linear}.bias"), &[8])?,
                constant: weights
                    .take(&format!("{attention}.gru_rel_pos_const"), &[1, heads, 1, 1])?,
            })
        })
        .transpose()?;
    Ok(Block {
        order: transformer.order,
        heads,
        projections: Affine::new(&stored, bias, width),
        output: affine(weights, &format!("{attention}.out_proj"), width, width)?,
        attention_norm: layer_norm(weights, &attention_norm, width, epsilon)?,
        up: affine(weights, &up, width, transformer.hidden)?,
        down: affine(weights, &down, transformer.hidden, width)?,
        final_norm: layer_norm(weights, &format!("{name}.final_layer_norm"), width, epsilon)?,
        gate,
    })
}
