//! From samples to the first block of Whisper: log-mel frames, two convolutions, positions.

use super::ops::{self, Affine};
use super::waveform::taps_first;
use super::weights::Weights;
use crate::dsp::{MelFilters, Stft, Tiles};
use crate::error::Result;

const N_FFT: usize = 400;
const HOP_LENGTH: usize = 160;
/// Samples of a state.
pub const HOP: usize = 2 * HOP_LENGTH;

/// The parameters before the first block.
#[derive(Debug)]
pub struct WhisperFront {
    first: Affine,
    second: Affine,
    /// A row for each frame.
    positions: Vec<f32>,
    mels: usize,
}

/// Buffers of the front.
pub struct WhisperBuffers {
    samples: Vec<f32>,
    stft: Stft,
    magnitude: Tiles,
    filters: MelFilters,
    mel: Tiles,
    /// Rows of values with a row of zeros before the first and behind the last.
    padded: Vec<f32>,
    hidden: Vec<f32>,
}

impl WhisperFront {
    pub fn load(
        mels: usize,
        positions: usize,
        width: usize,
        weights: &mut Weights,
    ) -> Result<Self> {
        let mut convolution = |name: &str, inputs: usize| -> Result<Affine> {
            let stored = weights.take(&format!("{name}.weight"), &[width, inputs, 3])?;
            let bias = weights.take(&format!("{name}.bias"), &[width])?;
            Ok(Affine::new(
                &taps_first(&stored, inputs, 3),
                bias,
                3 * inputs,
            ))
        };
        Ok(WhisperFront {
            first: convolution("conv1", mels)?,
            second: convolution("conv2", width)?,
            positions: weights.take("embed_positions.weight", &[positions, width])?,
            mels,
        })
    }

    pub fn buffers(&self) -> WhisperBuffers {
        WhisperBuffers {
            samples: Vec::new(),
            stft: Stft::new(N_FFT, HOP_LENGTH),
            magnitude: Tiles::new(N_FFT / 2 + 1),
            filters: MelFilters::new(f64::from(super::SAMPLE_RATE), N_FFT, self.mels),
            mel: Tiles::new(self.mels),
            padded: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Samples that a recording has at most: one frame for each position.
    pub fn most_samples(&self) -> usize {
        self.positions.len() / self.second.outputs() * HOP
    }

    /// Fills `x` with the frames that enter the first block; with `pad`, of the recording followed
    /// by silence up to the longest that there is.
    pub fn apply(
        &self,
        samples: &[f32],
        pad: bool,
        x: &mut Vec<f32>,
        buffers: &mut WhisperBuffers,
    ) {
        buffers.samples.clear();
        buffers.samples.extend_from_slice(samples);
        if pad {
            buffers.samples.resize(self.most_samples(), 0.0);
        }
        let rows = self.log_mel(buffers);
        let width = self.second.outputs();
        buffers.hidden.resize(rows * width, 0.0);
        self.first
            .apply_strided(&buffers.padded, self.mels, rows, &mut buffers.hidden);
        ops::gelu(&mut buffers.hidden);
        pad_rows(&mut buffers.padded, width, &buffers.hidden);
        x.resize(rows / 2 * width, 0.0);
        self.second
            .apply_strided(&buffers.padded, 2 * width, rows / 2, x);
        ops::gelu(x);
        ops::add(x, &self.positions);
    }

    /// Fills `buffers.padded` with an even number of frames, and gives that number.
    fn log_mel(&self, buffers: &mut WhisperBuffers) -> usize {
        let WhisperBuffers {
            samples,
            stft,
            magnitude,
            filters,
            mel,
            padded,
            hidden,
        } = buffers;
        stft.magnitude(samples, magnitude, |_| {});
        filters.apply(magnitude, mel);
        let frames = mel.to_frames();
        // The frame around the end of the signal does not count.
        let count = samples.len() / HOP_LENGTH;
        hidden.clear();
        hidden.extend(
            frames.values()[..count * self.mels]
                .iter()
                .map(|power| power.max(1e-10).log10()),
        );
        let floor = hidden.iter().fold(f32::MIN, |a, b| a.max(*b)) - 8.0;
        for value in hidden.iter_mut() {
            *value = (value.max(floor) + 4.0) / 4.0;
        }
        let even = count / 2 * 2;
        hidden.truncate(even * self.mels);
        pad_rows(padded, self.mels, hidden);
        even
    }
}

/// The rows between two rows of zeros.
fn pad_rows(padded: &mut Vec<f32>, width: usize, rows: &[f32]) {
    padded.clear();
    padded.resize(width, 0.0);
    padded.extend_from_slice(rows);
    padded.resize(rows.len() + 2 * width, 0.0);
}
