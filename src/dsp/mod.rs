//! Signal processing as pure functions on slices, after librosa 0.8.1 where that has it.

mod activity;
mod chroma;
mod contrast;
mod cqt;
mod decibel;
mod glottal;
mod log2;
mod mel;
mod pitch;
mod shape;
mod stft;
mod tiles;
mod tuning;

pub use activity::{active_stretch, energy_db, extremes, mean, zero_crossings};
pub use chroma::{ChromaFilters, TONNETZ, normalize_sum, tonal_centroid};
pub use contrast::Contrast;
pub use cqt::{Cqt, CqtBasis, fold_to_chroma};
pub use decibel::{at_least, in_db, loudest, power_to_db};
pub use glottal::{GlottalPulses, Irregularity};
pub use mel::{Dct, MelFilters, hz_to_mel, mel_to_hz};
pub use pitch::{PITCH_RANGE, PitchTracker, Voice};
pub use shape::{SHAPE_NAMES, SpectralShape};
pub use stft::{Stft, frame_count, pad_reflected};
pub use tiles::{Frames, LANES, Mean, Tiles};
pub use tuning::{LongTuning, TuningEstimator, TuningSpectrum};
