//! The set `frames`: the logarithmic mel spectrum of the active stretch, frame after frame.

use super::front::{Front, HOP_LENGTH, N_FFT, SAMPLE_RATE, check_finite, finite};
use super::set::{Profile, numbered};
use crate::dsp::{
    MelFilters, Stft, Tiles, active_stretch, energy_db, frame_count, pad_reflected, power_to_db,
};
use crate::error::Result;

const MEL: usize = 64;
/// A frame this far below the loudest does not count at the beginning and the end.
const ACTIVE_DB: f64 = 35.0;
const TOP_DB: f32 = 80.0;

/// The names of a frame's values.
pub(super) fn names() -> Vec<String> {
    numbered("logmel", MEL).collect()
}

/// Computes rows of [`super::FeatureSet::Frames`].
pub(super) struct FrameExtractor {
    front: Front,
    stft: Stft,
    mel_filters: MelFilters,
    padded: Vec<f32>,
    magnitude: Tiles,
    mel: Tiles,
}

impl FrameExtractor {
    pub(super) fn new(profile: Profile) -> FrameExtractor {
        let Profile::Librosa08 = profile;
        let stft = Stft::new(N_FFT, HOP_LENGTH);
        FrameExtractor {
            front: Front::default(),
            mel_filters: MelFilters::new(f64::from(SAMPLE_RATE), N_FFT, MEL),
            padded: Vec::new(),
            magnitude: Tiles::new(stft.bins()),
            mel: Tiles::new(MEL),
            stft,
        }
    }

    pub(super) fn extract(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        let level = self.front.load_levelled(samples, sample_rate)?;
        let signal = self.front.signal();
        pad_reflected(signal, N_FFT / 2, &mut self.padded);
        let frames = frame_count(signal.len(), HOP_LENGTH);
        let energies: Vec<f64> = (0..frames)
            .map(|index| energy_db(&self.padded[index * HOP_LENGTH..][..N_FFT]))
            .collect();
        let active = active_stretch(&energies, ACTIVE_DB);
        self.stft.magnitude(signal, &mut self.magnitude, |_| {});
        self.mel_filters.apply(&self.magnitude, &mut self.mel);
        check_finite(self.mel.values_mut())?;
        power_to_db(self.mel.values_mut(), f32::INFINITY);
        let decibels = self.mel.to_frames();
        let mut row: Vec<f32> = decibels.values()[active.start * MEL..active.end * MEL].to_vec();
        let floor = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - TOP_DB;
        row.iter_mut()
            .for_each(|value| *value = value.max(floor) + level as f32);
        finite(row)
    }
}
