//! From samples to the first block of wav2vec2, HuBERT and WavLM: a stack of convolutions, a
//! projection, and a convolution over positions.

use super::config::{ConvolutionNorm, Family, Waveform};
use super::ops::{self, Affine, LayerNorm};
use super::weights::Weights;
use crate::error::Result;

/// Frames that the convolutions make at once: what lies between them is 64 times as long as the
/// result, so that a whole recording would take hundreds of megabytes.
const BLOCK: usize = 64;
/// Of the normalisations of the convolutions, whatever `layer_norm_eps` says.
const EPSILON: f32 = 1e-5;

/// The parameters before the first block.
#[derive(Debug)]
pub struct WaveformFront {
    normalise: bool,
    convolutions: Vec<Convolution>,
    projection_norm: Option<LayerNorm>,
    projection: Affine,
    positions: PositionalConvolution,
    field: usize,
    hop: usize,
}

#[derive(Debug)]
struct Convolution {
    /// Over windows of `kernel` rows, one after the other.
    affine: Affine,
    kernel: usize,
    stride: usize,
    norm: Norm,
}

#[derive(Debug)]
enum Norm {
    None,
    /// Each channel over the whole recording.
    Group(LayerNorm),
    /// Each frame over its channels.
    Layer(LayerNorm),
}

#[derive(Debug)]
struct PositionalConvolution {
    /// One for each group of channels.
    groups: Vec<Affine>,
    kernel: usize,
}

/// Buffers of the front.
#[derive(Debug, Default)]
pub struct WaveformBuffers {
    samples: Vec<f32>,
    from: Vec<f32>,
    to: Vec<f32>,
    features: Vec<f32>,
    window: Vec<f32>,
    group: Vec<f32>,
    /// Factor and offset of each channel of the first convolution.
    scale: Vec<(f32, f32)>,
}

impl WaveformFront {
    pub fn load(
        config: &Waveform,
        width: usize,
        epsilon: f32,
        weights: &mut Weights,
    ) -> Result<Self> {
        let mut convolutions = Vec::new();
        let mut inputs = 1;
        for (index, ((outputs, kernel), stride)) in config
            .channels
            .iter()
            .zip(&config.kernels)
            .zip(&config.strides)
            .enumerate()
        {
            let name = format!("feature_extractor.conv_layers.{index}");
            let stored =
                weights.take(&format!("{name}.conv.weight"), &[*outputs, inputs, *kernel])?;
            let bias = if config.bias {
                weights.take(&format!("{name}.conv.bias"), &[*outputs])?
            } else {
                vec![0.0; *outputs]
            };
            let mut norm = || layer_norm(weights, &format!("{name}.layer_norm"), *outputs, EPSILON);
            convolutions.push(Convolution {
                affine: Affine::new(&taps_first(&stored, inputs, *kernel), bias, inputs * kernel),
                kernel: *kernel,
                stride: *stride,
                norm: match config.norm {
                    ConvolutionNorm::Layer => Norm::Layer(norm()?),
                    ConvolutionNorm::Group if index == 0 => Norm::Group(norm()?),
                    ConvolutionNorm::Group => Norm::None,
                },
            });
            inputs = *outputs;
        }
        let projection_norm = config
            .projection_norm
            .then(|| layer_norm(weights, "feature_projection.layer_norm", inputs, epsilon))
            .transpose()?;
        let (field, hop) = config.field_and_hop();
        Ok(WaveformFront {
            normalise: config.normalise,
            convolutions,
            projection_norm,
            projection: affine(weights, "feature_projection.projection", inputs, width)?,
            positions: PositionalConvolution::load(config, width, weights)?,
            field,
            hop,
        })
    }

    /// Samples that a recording needs at least, to make one frame.
    pub fn least_samples(&self) -> usize {
        self.field
    }

    /// Fills `x` with the frames that enter the first block, before any normalisation of theirs.
    pub fn apply(&self, samples: &[f32], x: &mut Vec<f32>, buffers: &mut WaveformBuffers) {
        buffers.samples.clear();
        buffers.samples.extend_from_slice(samples);
        if self.normalise {
            normalise(&mut buffers.samples);
        }
        let frames = (samples.len() - self.field) / self.hop + 1;
        self.measure_channels(buffers);
        let inputs = self.convolutions.last().map_or(1, |c| c.affine.outputs());
        buffers.features.resize(frames * inputs, 0.0);
        for first in (0..frames).step_by(BLOCK) {
            let count = BLOCK.min(frames - first);
            let begin = first * self.hop;
            let end = begin + (count - 1) * self.hop + self.field;
            buffers.from.clear();
            buffers.from.extend_from_slice(&buffers.samples[begin..end]);
            self.convolve(buffers);
            buffers.features[first * inputs..][..count * inputs].copy_from_slice(&buffers.from);
        }
        if let Some(norm) = &self.projection_norm {
            norm.apply(&mut buffers.features);
        }
        x.resize(frames * self.projection.outputs(), 0.0);
        self.projection.apply(&buffers.features, x);
        self.positions.add(x, buffers);
    }

    /// All convolutions of the samples in `buffers.from`, in place.
    fn convolve(&self, buffers: &mut WaveformBuffers) {
        let mut width = 1;
        for convolution in &self.convolutions {
            let rows = convolution.apply(&buffers.from, width, &mut buffers.to);
            width = convolution.affine.outputs();
            let out = &mut buffers.to[..rows * width];
            match &convolution.norm {
                Norm::None => {}
                Norm::Layer(norm) => norm.apply(out),
                Norm::Group(_) => scale_columns(out, &buffers.scale),
            }
            ops::gelu(out);
            std::mem::swap(&mut buffers.from, &mut buffers.to);
            buffers.from.truncate(rows * width);
        }
    }

    /// Mean and variance of each channel of the first convolution over the whole recording, as the
    /// factor and offset that normalise it.
    fn measure_channels(&self, buffers: &mut WaveformBuffers) {
        let [first, ..] = self.convolutions.as_slice() else {
            return;
        };
        let Norm::Group(norm) = &first.norm else {
            return;
        };
        let channels = first.affine.outputs();
        let rows = (buffers.samples.len() - first.kernel) / first.stride + 1;
        let mut sums = vec![(0.0f64, 0.0f64); channels];
        for begin in (0..rows).step_by(4096) {
            let count = 4096.min(rows - begin);
            let window = &buffers.samples[begin * first.stride..];
            let length = (count - 1) * first.stride + first.kernel;
            first.apply(&window[..length], 1, &mut buffers.to);
            for row in buffers.to[..count * channels].chunks_exact(channels) {
                for ((sum, squares), value) in sums.iter_mut().zip(row) {
                    let value = f64::from(*value);
                    *sum += value;
                    *squares += value * value;
                }
            }
        }
        buffers.scale.clear();
        let parameters = norm.weight.iter().zip(&norm.bias);
        buffers.scale.extend(sums.iter().zip(parameters).map(
            |((sum, squares), (weight, bias))| {
                let mean = sum / rows as f64;
                let variance = (squares / rows as f64 - mean * mean).max(0.0);
                let factor = f64::from(*weight) / (variance + f64::from(norm.epsilon)).sqrt();
                (factor as f32, (f64::from(*bias) - mean * factor) as f32)
            },
        ));
    }
}

impl Convolution {
    /// Convolves rows of `width` values without padding; gives the number of rows of the result.
    fn apply(&self, x: &[f32], width: usize, y: &mut Vec<f32>) -> usize {
        let rows = (x.len() / width - self.kernel) / self.stride + 1;
        y.resize(rows * self.affine.outputs(), 0.0);
        self.affine.apply_strided(x, self.stride * width, rows, y);
        rows
    }
}

impl PositionalConvolution {
    fn load(config: &Waveform, width: usize, weights: &mut Weights) -> Result<Self> {
        let (kernel, groups) = (config.position_kernel, config.position_groups);
        let channels = width / groups;
        let name = "encoder.pos_conv_embed.conv";
        let new = format!("{name}.parametrizations.weight");
        let (length, direction) = if weights.has(&format!("{new}.original0")) {
            (format!("{new}.original0"), format!("{new}.original1"))
        } else {
            (format!("{name}.weight_g"), format!("{name}.weight_v"))
        };
        let length = weights.take(&length, &[1, 1, kernel])?;
        let mut stored = weights.take(&direction, &[width, channels, kernel])?;
        // The direction of a tap is that of all channels together.
        let mut squares = vec![0.0f64; kernel];
        for taps in stored.chunks_exact(kernel) {
            for (square, value) in squares.iter_mut().zip(taps) {
                *square += f64::from(*value) * f64::from(*value);
            }
        }
        for taps in stored.chunks_exact_mut(kernel) {
            for ((value, length), square) in taps.iter_mut().zip(&length).zip(&squares) {
                *value = (f64::from(*length) * f64::from(*value) / square.sqrt()) as f32;
            }
        }
        let bias = weights.take(&format!("{name}.bias"), &[width])?;
        let inputs = channels * kernel;
        let groups = stored
            .chunks_exact(channels * inputs)
            .zip(bias.chunks_exact(channels))
            .map(|(stored, bias)| {
                Affine::new(&taps_first(stored, channels, kernel), bias.to_vec(), inputs)
            })
            .collect();
        Ok(PositionalConvolution { groups, kernel })
    }

    /// Adds the convolution, behind GELU, to the frames.
    fn add(&self, x: &mut [f32], buffers: &mut WaveformBuffers) {
        let channels = self.groups.first().map_or(1, Affine::outputs);
        let width = channels * self.groups.len();
        let (frames, before) = (x.len() / width, self.kernel / 2);
        buffers.window.clear();
        buffers
            .window
            .resize((frames + self.kernel) * channels, 0.0);
        buffers.group.resize(frames * channels, 0.0);
        for (index, group) in self.groups.iter().enumerate() {
            let padded = buffers.window[before * channels..].chunks_exact_mut(channels);
            for (row, x) in padded.zip(x.chunks_exact(width)) {
                row.copy_from_slice(&x[index * channels..][..channels]);
            }
            group.apply_strided(&buffers.window, channels, frames, &mut buffers.group);
            ops::gelu(&mut buffers.group);
            let rows = buffers.group.chunks_exact(channels);
            for (x, row) in x.chunks_exact_mut(width).zip(rows) {
                ops::add(&mut x[index * channels..][..channels], row);
            }
        }
    }
}

/// Kernels `[outputs, inputs, taps]` as `[outputs, taps, inputs]`, the order of windows of rows.
pub fn taps_first(stored: &[f32], inputs: usize, taps: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(stored.len());
    for kernel in stored.chunks_exact(inputs * taps) {
        for tap in 0..taps {
            out.extend((0..inputs).map(|input| kernel[input * taps + tap]));
        }
    }
    out
}

/// The tensors `name.weight` and `name.bias` as an affine map.
pub fn affine(weights: &mut Weights, name: &str, inputs: usize, outputs: usize) -> Result<Affine> {
    let stored = weights.take(&format!("{name}.weight"), &[outputs, inputs])?;
    let bias = weights.take(&format!("{name}.bias"), &[outputs])?;
    Ok(Affine::new(&stored, bias, inputs))
}

/// The tensors `name.weight` and `name.bias` as a layer normalisation.
pub fn layer_norm(
    weights: &mut Weights,
    name: &str,
    width: usize,
    epsilon: f32,
) -> Result<LayerNorm> {
    Ok(LayerNorm {
        weight: weights.take(&format!("{name}.weight"), &[width])?,
        bias: weights.take(&format!("{name}.bias"), &[width])?,
        epsilon,
    })
}

/// Prefixes of tensor names, which some files have.
pub fn prefixes(family: Family) -> &'static [&'static str] {
    match family {
        Family::Wav2Vec2 => &["wav2vec2."],
        Family::Hubert => &["hubert."],
        Family::WavLm => &["wavlm."],
    }
}

fn scale_columns(x: &mut [f32], scale: &[(f32, f32)]) {
    for row in x.chunks_exact_mut(scale.len()) {
        for (value, (factor, offset)) in row.iter_mut().zip(scale) {
            *value = *value * factor + offset;
        }
    }
}

/// Brings samples to mean 0 and (population) variance 1.
pub(super) fn normalise(samples: &mut [f32]) {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|s| f64::from(*s)).sum::<f64>() / n;
    let squares = samples.iter().map(|s| (f64::from(*s) - mean).powi(2));
    let factor = 1.0 / (squares.sum::<f64>() / n + 1e-7).sqrt();
    for sample in samples {
        *sample = ((f64::from(*sample) - mean) * factor) as f32;
    }
}
