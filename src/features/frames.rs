//! The set `frames`: the logarithmic mel spectrum of the active stretch, frame after frame.

use super::analysis::{Analysis, N_FFT, SAMPLE_RATE, TOP_DB, check_finite};
use super::extractor::RowExtractor;
use super::set::numbered;
use crate::dsp::{MelFilters, Tiles, active_stretch, power_to_db};
use crate::error::Result;

const MEL: usize = 64;
/// Frames this far below the loudest are cut off at the beginning and the end.
const ACTIVE_DB: f64 = 35.0;

/// The names of a frame's values.
pub(super) fn names() -> Vec<String> {
    numbered("logmel", MEL).collect()
}

/// Computes rows of [`super::FeatureSet::Frames`].
pub(super) struct FrameExtractor {
    mel_filters: MelFilters,
    mel: Tiles,
}

impl FrameExtractor {
    pub(super) fn new() -> FrameExtractor {
        FrameExtractor {
            mel_filters: MelFilters::new(f64::from(SAMPLE_RATE), N_FFT, MEL),
            mel: Tiles::new(MEL),
        }
    }
}

impl RowExtractor for FrameExtractor {
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>> {
        let level = analysis.level()?;
        analysis.transform();
        let work = &analysis.work;
        self.mel_filters.apply(&work.magnitude, &mut self.mel);
        check_finite(self.mel.values_mut())?;
        power_to_db(self.mel.values_mut(), f32::INFINITY);
        let mut row: Vec<f32> = active_stretch(&work.energies, ACTIVE_DB)
            .flat_map(|frame| self.mel.frame(frame))
            .collect();
        let floor = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - TOP_DB;
        row.iter_mut()
            .for_each(|value| *value = value.max(floor) + level as f32);
        check_finite(&row).map(|()| row)
    }
}
