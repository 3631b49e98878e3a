//! Signal processing as pure functions on slices, after librosa 0.8.1 where that has it.

mod activity;
mod chroma;
mod contrast;
mod cqt;
mod dct;
mod decibel;
mod frames;
mod glottal;
mod log2;
mod mel;
mod pitch;
mod shape;
mod stft;
mod tiles;
mod tonnetz;
mod transform;
mod tuning;
mod window;

pub use activity::{active_stretch, energy_db, extremes, mean, zero_crossings};
pub use chroma::ChromaFilters;
pub use contrast::Contrast;
pub use cqt::{Cqt, CqtBasis, fold_to_chroma};
pub use dct::Dct;
pub use decibel::{at_least, in_db, loudest, power_to_db};
pub use frames::{Frames, frame_count, pad_reflected};
pub use glottal::{GlottalPulses, Irregularity};
pub use mel::{MelFilters, hz_to_mel, mel_to_hz};
pub use pitch::{PITCH_RANGE, PitchTracker, Voice};
pub use shape::{SHAPE_NAMES, SpectralShape};
pub use stft::Stft;
pub use tiles::{LANES, Mean, Tiles};
pub use tonnetz::{TONNETZ, normalize_sum, tonal_centroid};
pub use tuning::{LongTuning, TuningEstimator, TuningSpectrum};
pub use window::hann;
