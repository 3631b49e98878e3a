//! Pretrained speech encoders: Whisper's encoder, wav2vec2, HuBERT and WavLM, from a folder as model
//! hubs hold it to the hidden states of a recording, and any other from an ONNX file.
//!
//! The forward pass is that of the published models in single precision, one recording at a time
//! (a normalisation over time must not see padding), on the same matrix products as the training
//! engine, so that states are the same bits on every processor with fused multiply-add. ONNX files are
//! run by the crate `rten`, also one recording at a time on one thread.

mod block;
mod config;
mod fetch;
mod heard;
mod known;
mod layer;
mod loaded;
mod onnx;
mod onnx_file;
mod ops;
mod pickle;
pub mod pooling;
mod pretrained;
mod source;
mod waveform;
mod weights;
mod whisper;

pub use fetch::{Fetched, Sum, compare, fetch};
pub use heard::{Heard, TestedCorpus, Verdict};
pub use known::{ENCODERS, ENDPOINT, Known, KnownFile, Recognised, how_to_get, known};
pub use layer::Layer;
pub use loaded::Checked;
pub use loaded::{Buffers, Encoder};
pub use pretrained::{Padding, SAMPLE_RATE, State};
pub use source::{Description, EncoderKey, EncoderName, Sha256Sum, Source, Usage, is_onnx};

#[cfg(test)]
mod tests;
