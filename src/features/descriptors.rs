//! Descriptors of single frames, of which `functionals` are statistics.

use std::ops::Range;

use super::analysis::{
    Analysis, CLASSES, CONTRAST_OCTAVES, HOP_LENGTH, MEL, N_FFT, SAMPLE_RATE, TOP_DB, check_finite,
    frame_of,
};
use super::set::numbered;
use crate::dsp::{
    Dct, GlottalPulses, Irregularity, PITCH_RANGE, PitchTracker, SHAPE_NAMES, SpectralShape,
    TuningSpectrum, Voice, active_stretch, power_to_db, zero_crossings,
};
use crate::error::Result;

const MFCC: usize = 20;
/// Mel bands that are averaged to one.
const BAND: usize = 4;
/// Frames this far below the loudest are cut off at the beginning and the end.
const ACTIVE_DB: f64 = 30.0;

/// Where the groups of a frame begin.
const LOG_MEL: usize = MFCC;
const CHROMA: usize = LOG_MEL + MEL / BAND;
const CONTRAST: usize = CHROMA + CLASSES;
pub(super) const F0: usize = CONTRAST + CONTRAST_OCTAVES + 1;
const VOICING: usize = F0 + 1;
const ENERGY: usize = VOICING + 1;
const ZERO_CROSSINGS: usize = ENERGY + 1;
const SHAPE: usize = ZERO_CROSSINGS + 1;
/// Descriptors of a frame.
pub(super) const WIDTH: usize = SHAPE + SHAPE_NAMES.len();

/// The names of a frame's descriptors, in order.
pub(super) fn descriptor_names() -> Vec<String> {
    let mut names: Vec<String> = numbered("mfcc", MFCC).collect();
    names.extend(numbered("logmel", MEL / BAND));
    names.extend(numbered("chroma", CLASSES));
    names.extend(numbered("contrast", CONTRAST_OCTAVES + 1));
    names.extend(
        ["f0", "voicing", "energy", "zcr"]
            .into_iter()
            .chain(SHAPE_NAMES)
            .map(str::to_owned),
    );
    names
}

/// The active stretch of a recording, frame by frame.
pub(super) struct Descriptors {
    /// A row of [`descriptor_names`] values per frame of the stretch.
    pub rows: Vec<Vec<f64>>,
    /// The voice in each frame of the stretch.
    pub voices: Vec<Voice>,
    /// How irregular the voice in the stretch is.
    pub irregularity: Irregularity,
    /// Frames of the whole recording.
    pub frames: usize,
}

/// Computes [`Descriptors`].
pub(super) struct DescriptorExtractor {
    dct: Dct,
    pitch: PitchTracker,
    pulses: GlottalPulses,
    shape: SpectralShape,
}

impl DescriptorExtractor {
    pub(super) fn new() -> DescriptorExtractor {
        let rate = f64::from(SAMPLE_RATE);
        DescriptorExtractor {
            dct: Dct::new(MEL, MFCC),
            pitch: PitchTracker::new(rate, HOP_LENGTH),
            pulses: GlottalPulses::new(rate, HOP_LENGTH),
            shape: SpectralShape::new(rate, N_FFT),
        }
    }

    /// The descriptors of a recording.
    ///
    /// # Errors
    /// As [`super::Extractor::extract`].
    pub(super) fn describe(&mut self, analysis: &mut Analysis) -> Result<Descriptors> {
        let level = analysis.level()?;
        let work = &analysis.work;
        let frames = work.energies.len();
        let active = active_stretch(&work.energies, ACTIVE_DB);
        let voices = self.pitch.track(&work.signal, active.clone());
        let irregularity = self
            .pulses
            .irregularity(&work.signal, &voices, active.start);
        let f0 = filled(&voices);
        let mut rows: Vec<Vec<f64>> = vec![vec![0.0; WIDTH]; active.len()];
        for (at, row) in rows.iter_mut().enumerate() {
            let frame = active.start + at;
            row[F0] = f0[at];
            row[VOICING] = voices[at].strength;
            row[ENERGY] = work.energies[frame] + level;
            row[ZERO_CROSSINGS] = zero_crossings(frame_of(&work.padded, frame));
        }
        let mut shapes = [0.0; SHAPE_NAMES.len()];
        self.shape.begin();
        analysis.work.tuning.begin();
        analysis.transform_with(|frame, magnitude, tuning| {
            tuning.look(magnitude);
            if active.contains(&frame) {
                let at = frame - active.start;
                self.shape.describe(magnitude, f0[at].exp(), &mut shapes);
                rows[at][SHAPE..].copy_from_slice(&shapes);
            } else if frame + 1 == active.start {
                self.shape.pass(magnitude);
            }
        });
        self.spectra(analysis, &active, level as f32, &mut rows)?;
        Ok(Descriptors {
            rows,
            voices,
            irregularity,
            frames,
        })
    }

    /// Fills in what follows from the spectra of all frames of a signal that was lowered by `level`
    /// dB.
    fn spectra(
        &mut self,
        analysis: &mut Analysis,
        active: &Range<usize>,
        level: f32,
        rows: &mut [Vec<f64>],
    ) -> Result<()> {
        let work = &mut *analysis.work;
        work.contrast.apply(&work.magnitude, &mut work.contrasts);
        work.mel_filters.apply(&work.magnitude, &mut work.mel);
        let mel = work.mel.values_mut();
        check_finite(mel)?;
        power_to_db(mel, f32::INFINITY);
        mel.iter_mut().for_each(|value| *value += level);
        let loudest = mel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        work.mel_db.clone_from(&work.mel);
        work.mel_db
            .values_mut()
            .iter_mut()
            .for_each(|value| *value = value.max(loudest - TOP_DB));
        let tuning = work.tuning.estimate(TuningSpectrum::Power, CLASSES);
        work.compute_chroma(tuning);
        for (row, frame) in rows.iter_mut().zip(active.clone()) {
            let mel_db: Vec<f64> = work.mel_db.frame(frame).map(f64::from).collect();
            row[..MFCC].copy_from_slice(&self.dct.apply(&mel_db));
            let mel: Vec<f64> = work.mel.frame(frame).map(f64::from).collect();
            for (slot, band) in row[LOG_MEL..CHROMA].iter_mut().zip(mel.chunks_exact(BAND)) {
                *slot = band.iter().sum::<f64>() / BAND as f64;
            }
            let rest = work.chroma.frame(frame).chain(work.contrasts.frame(frame));
            for (slot, value) in row[CHROMA..F0].iter_mut().zip(rest) {
                *slot = f64::from(value);
            }
        }
        Ok(())
    }
}

/// The natural logarithm of the pitch of every frame: between voiced frames on a straight line,
/// before the first and after the last as there, and in the middle of [`PITCH_RANGE`] where no
/// frame is voiced.
fn filled(voices: &[Voice]) -> Vec<f64> {
    let mut filled = vec![0.5 * (PITCH_RANGE.start * PITCH_RANGE.end).ln(); voices.len()];
    let mut last: Option<(usize, f64)> = None;
    for (frame, voice) in voices.iter().enumerate() {
        let Some(now) = voice.f0.map(f64::ln) else {
            continue;
        };
        let (start, from) = last.map_or((0, now), |(start, from)| (start + 1, from));
        for (step, gap) in (1..).zip(&mut filled[start..frame]) {
            let share = f64::from(step) / (frame + 1 - start) as f64;
            *gap = from + share * (now - from);
        }
        filled[frame] = now;
        last = Some((frame, now));
    }
    if let Some((end, value)) = last {
        filled[end..].fill(value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitch_runs_straight_over_unvoiced_frames() {
        let voices = |hz: &[f64]| -> Vec<Voice> {
            hz.iter()
                .map(|f0| Voice {
                    f0: (*f0 > 0.0).then_some(*f0),
                    strength: 0.5,
                })
                .collect()
        };
        let found = filled(&voices(&[0.0, 100.0, 0.0, 0.0, 0.0, 400.0, 200.0, 0.0]));
        for (found, expected) in found.iter().zip([
            100.0,
            100.0,
            100.0 * 2f64.sqrt(),
            200.0,
            200.0 * 2f64.sqrt(),
            400.0,
            200.0,
            200.0,
        ]) {
            assert!(
                (found.exp() / expected - 1.0).abs() < 1e-12,
                "{} instead of {expected}",
                found.exp()
            );
        }
        assert!(
            filled(&voices(&[0.0; 3]))
                .iter()
                .all(|value| (value.exp() - 36_000f64.sqrt()).abs() < 1e-9)
        );
        assert!(filled(&[]).is_empty());
    }
}
