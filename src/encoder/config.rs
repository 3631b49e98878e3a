//! What `config.json` and `preprocessor_config.json` of a model say, as far as it is supported.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::block::NormOrder;
use crate::error::{Error, Result};

/// No published encoder comes near these; a file that exceeds them is damaged or hostile.
pub(super) const WIDEST: usize = 1 << 14;
pub(super) const DEEPEST: usize = 256;
/// Larger configuration files than this are not read.
const LARGEST_FILE: u64 = 1 << 20;

/// The architecture of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub transformer: Transformer,
    pub front: Front,
}

/// The stack of blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformer {
    /// Values of a frame.
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    /// Values between the two affine maps of a block.
    pub hidden: usize,
    pub order: NormOrder,
    pub epsilon: f32,
}

/// From samples to the first block.
#[derive(Debug, Clone, PartialEq)]
pub enum Front {
    /// Log-mel frames, two convolutions, positions that were learned.
    Whisper { mels: usize, positions: usize },
    /// Convolutions of the waveform: wav2vec2, HuBERT, WavLM.
    Waveform(Waveform),
}

/// The convolutions of wav2vec2 and its descendants.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    pub family: Family,
    pub channels: Vec<usize>,
    pub kernels: Vec<usize>,
    pub strides: Vec<usize>,
    pub bias: bool,
    pub norm: ConvolutionNorm,
    /// Whether the projection to the width of the blocks begins with a layer normalisation.
    pub projection_norm: bool,
    pub position_kernel: usize,
    pub position_groups: usize,
    /// Whether samples are brought to mean 0 and variance 1.
    pub normalise: bool,
    /// Buckets and the largest distance of WavLM's relative positions.
    pub relative: Option<(usize, usize)>,
}

/// Who made the architecture, which decides the prefix of tensor names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Wav2Vec2,
    Hubert,
    WavLm,
}

/// How the convolutions are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionNorm {
    /// The first one alone, each channel over the whole recording.
    Group,
    /// Every one, each frame over its channels.
    Layer,
}

#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

#[derive(Deserialize)]
struct RawWhisper {
    d_model: usize,
    encoder_layers: usize,
    encoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    num_mel_bins: usize,
    max_source_positions: usize,
    #[serde(default = "gelu")]
    activation_function: String,
}

#[derive(Deserialize)]
struct RawWaveform {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "gelu")]
    feat_extract_activation: String,
    conv_dim: Vec<usize>,
    conv_kernel: Vec<usize>,
    conv_stride: Vec<usize>,
    #[serde(default)]
    conv_bias: bool,
    #[serde(default = "group")]
    feat_extract_norm: String,
    #[serde(default = "yes")]
    feat_proj_layer_norm: bool,
    num_conv_pos_embeddings: usize,
    num_conv_pos_embedding_groups: usize,
    #[serde(default)]
    do_stable_layer_norm: bool,
    #[serde(default = "small")]
    layer_norm_eps: f32,
    #[serde(default = "buckets")]
    num_buckets: usize,
    #[serde(default = "distance")]
    max_bucket_distance: usize,
    #[serde(default)]
    add_adapter: bool,
    #[serde(default)]
    conv_pos_batch_norm: bool,
    adapter_attn_dim: Option<usize>,
}

#[derive(Deserialize)]
struct Preprocessor {
    #[serde(default = "yes")]
    do_normalize: bool,
    #[serde(default = "rate")]
    sampling_rate: u32,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn group() -> String {
    "group".to_owned()
}

fn yes() -> bool {
    true
}

fn small() -> f32 {
    1e-5
}

fn buckets() -> usize {
    320
}

fn distance() -> usize {
    800
}

fn rate() -> u32 {
    super::SAMPLE_RATE
}

impl Config {
    /// Reads the configuration of the model in `folder`.
    ///
    /// # Errors
    /// `Missing` where there is no `config.json`; `Data` where it is none, or asks for something
    /// that is not supported: the key is named.
    pub fn read(folder: &Path) -> Result<Config> {
        let path = folder.join("config.json");
        let kind: Kind = parse(&path)?;
        let config = match kind.model_type.as_str() {
            "whisper" => Config::whisper(parse(&path)?),
            "wav2vec2" => Config::waveform(Family::Wav2Vec2, parse(&path)?, folder),
            "hubert" => Config::waveform(Family::Hubert, parse(&path)?, folder),
            "wavlm" => Config::waveform(Family::WavLm, parse(&path)?, folder),
            other => Err(unsupported("model_type", other)),
        };
        config.map_err(|error| {
            Error::new(error.kind(), format!("{}: {error}", path.display()))
                .hint(error.hint_text().unwrap_or_default())
        })
    }

    fn whisper(raw: RawWhisper) -> Result<Config> {
        is_gelu("activation_function", &raw.activation_function)?;
        within("num_mel_bins", raw.num_mel_bins, 1, 512)?;
        within("max_source_positions", raw.max_source_positions, 1, 1 << 16)?;
        let transformer = Transformer {
            width: raw.d_model,
            layers: raw.encoder_layers,
            heads: raw.encoder_attention_heads,
            hidden: raw.encoder_ffn_dim,
            order: NormOrder::Pre,
            epsilon: 1e-5,
        };
        Ok(Config {
            transformer: transformer.checked([
                "d_model",
                "encoder_layers",
                "encoder_attention_heads",
                "encoder_ffn_dim",
            ])?,
            front: Front::Whisper {
                mels: raw.num_mel_bins,
                positions: raw.max_source_positions,
            },
        })
    }

    fn waveform(family: Family, raw: RawWaveform, folder: &Path) -> Result<Config> {
        is_gelu("hidden_act", &raw.hidden_act)?;
        is_gelu("feat_extract_activation", &raw.feat_extract_activation)?;
        for (key, on) in [
            ("add_adapter", raw.add_adapter),
            ("conv_pos_batch_norm", raw.conv_pos_batch_norm),
            ("adapter_attn_dim", raw.adapter_attn_dim.is_some()),
        ] {
            if on {
                return Err(unsupported(key, "true"));
            }
        }
        let norm = match raw.feat_extract_norm.as_str() {
            "group" => ConvolutionNorm::Group,
            "layer" => ConvolutionNorm::Layer,
            other => return Err(unsupported("feat_extract_norm", other)),
        };
        let layers = raw.conv_dim.len();
        within("conv_dim", layers, 1, 16)?;
        if raw.conv_kernel.len() != layers || raw.conv_stride.len() != layers {
            return Err(Error::data(
                "conv_dim, conv_kernel and conv_stride have different lengths",
            ));
        }
        for (key, values, largest) in [
            ("conv_dim", &raw.conv_dim, WIDEST),
            ("conv_kernel", &raw.conv_kernel, 1024),
            ("conv_stride", &raw.conv_stride, 1024),
        ] {
            for value in values {
                within(key, *value, 1, largest)?;
            }
        }
        within("hidden_size", raw.hidden_size, 1, WIDEST)?;
        let (kernel, groups) = (
            raw.num_conv_pos_embeddings,
            raw.num_conv_pos_embedding_groups,
        );
        within("num_conv_pos_embeddings", kernel, 1, 4096)?;
        divides(
            "num_conv_pos_embedding_groups",
            groups,
            "hidden_size",
            raw.hidden_size,
        )?;
        let relative = (family == Family::WavLm)
            .then(|| {
                within("num_buckets", raw.num_buckets, 4, 1 << 16)?;
                within(
                    "max_bucket_distance",
                    raw.max_bucket_distance,
                    raw.num_buckets / 4 + 1,
                    1 << 20,
                )?;
                Ok((raw.num_buckets, raw.max_bucket_distance))
            })
            .transpose()?;
        let transformer = Transformer {
            width: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            hidden: raw.intermediate_size,
            order: if raw.do_stable_layer_norm {
                NormOrder::Pre
            } else {
                NormOrder::Post
            },
            epsilon: raw.layer_norm_eps,
        };
        Ok(Config {
            transformer: transformer.checked([
                "hidden_size",
                "num_hidden_layers",
                "num_attention_heads",
                "intermediate_size",
            ])?,
            front: Front::Waveform(Waveform {
                family,
                channels: raw.conv_dim,
                kernels: raw.conv_kernel,
                strides: raw.conv_stride,
                bias: raw.conv_bias,
                norm,
                projection_norm: raw.feat_proj_layer_norm || family != Family::Hubert,
                position_kernel: kernel,
                position_groups: groups,
                normalise: normalise(folder)?,
                relative,
            }),
        })
    }
}

impl Transformer {
    /// Checked, with errors that name the keys of width, layers, heads and hidden values.
    fn checked(self, [width, layers, heads, hidden]: [&str; 4]) -> Result<Transformer> {
        within(width, self.width, 1, WIDEST)?;
        within(layers, self.layers, 1, DEEPEST)?;
        within(hidden, self.hidden, 1, 8 * WIDEST)?;
        divides(heads, self.heads, width, self.width)?;
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            return Err(Error::data(format!(
                "layer_norm_eps is {}, but must lie between 0 and 1",
                self.epsilon
            )));
        }
        Ok(self)
    }
}

impl Waveform {
    /// Samples that a frame looks at, and samples from one frame to the next.
    pub fn field_and_hop(&self) -> (usize, usize) {
        let (mut field, mut hop) = (1, 1);
        for (kernel, stride) in self.kernels.iter().zip(&self.strides) {
            field += (kernel - 1) * hop;
            hop *= stride;
        }
        (field, hop)
    }
}

/// Whether the samples are to be normalised: as transformers does, also where no file says so.
fn normalise(folder: &Path) -> Result<bool> {
    let path = folder.join("preprocessor_config.json");
    if !path.exists() {
        return Ok(true);
    }
    let preprocessor: Preprocessor = parse(&path)?;
    if preprocessor.sampling_rate != super::SAMPLE_RATE {
        let error = Error::data(format!(
            "sampling_rate of {} is {}",
            path.display(),
            preprocessor.sampling_rate
        ));
        return Err(error.hint("encoders of speech at 16000 Hz are supported"));
    }
    Ok(preprocessor.do_normalize)
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let size = fs::metadata(path)
        .map_err(|e| {
            let error = Error::missing(format!("there is no {}", path.display())).because(e);
            error.hint(
                "an encoder is a folder with config.json and its weights, as model hubs hold it",
            )
        })?
        .len();
    if size > LARGEST_FILE {
        return Err(Error::data(format!(
            "{} has {size} bytes, too many for a configuration",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::data(format!(
            "{} is no configuration of a supported encoder: {e}",
            path.display()
        ))
    })
}

fn is_gelu(key: &str, value: &str) -> Result<()> {
    if value == "gelu" {
        Ok(())
    } else {
        Err(unsupported(key, value))
    }
}

fn within(key: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(Error::data(format!(
            "{key} is {value}, but must be {least} to {most}"
        )))
    }
}

fn divides(key: &str, value: usize, of: &str, whole: usize) -> Result<()> {
    if value > 0 && whole.is_multiple_of(value) {
        Ok(())
    } else {
        Err(Error::data(format!(
            "{key} is {value}, which does not divide {of} ({whole})"
        )))
    }
}

fn unsupported(key: &str, value: &str) -> Error {
    Error::data(format!("{key} is {value}, which is not supported")).hint(
        "supported are Whisper's encoder, wav2vec2, HuBERT and WavLM without adapters; export any other model as an ONNX file",
    )
}
