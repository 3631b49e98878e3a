//! Descriptors of single frames: what `functionals` are statistics of.

use std::collections::BTreeMap;
use std::ops::Range;

use super::front::{Front, HOP_LENGTH, N_FFT, SAMPLE_RATE, check_finite};
use super::issa193::hundredths;
use super::set::{Profile, numbered};
use crate::dsp::{
    ChromaFilters, Contrast, Dct, GlottalPulses, Irregularity, MelFilters, PITCH_RANGE,
    PitchTracker, SHAPE_NAMES, SpectralShape, Stft, Tiles, TuningEstimator, TuningSpectrum, Voice,
    active_stretch, energy_db, frame_count, pad_reflected, power_to_db, zero_crossings,
};
use crate::error::Result;

const MEL: usize = 128;
const TOP_DB: f32 = 80.0;
const MFCC: usize = 20;
const CLASSES: usize = 12;
const CONTRAST_OCTAVES: usize = 6;
/// Mel bands that are averaged to one.
const BAND: usize = 4;
/// A frame this far below the loudest does not count at the beginning and the end.
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
pub fn descriptor_names() -> Vec<String> {
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
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// A row of [`descriptor_names`] values per frame of the stretch.
    pub rows: Vec<Vec<f64>>,
    /// The voice in each frame of the stretch.
    pub voices: Vec<Voice>,
    /// How irregular the voice in the stretch is.
    pub irregularity: Irregularity,
    /// Frames of the whole recording.
    pub frames: usize,
}

/// Computes [`Descriptors`]. Plans, filters and buffers are kept from file to file: make one for
/// each thread.
pub struct DescriptorExtractor {
    front: Front,
    stft: Stft,
    mel_filters: MelFilters,
    dct: Dct,
    tuning: TuningEstimator,
    contrast: Contrast,
    pitch: PitchTracker,
    pulses: GlottalPulses,
    shape: SpectralShape,
    /// Filters by tuning in hundredths: the estimator knows a hundred values.
    chroma_filters: BTreeMap<i32, ChromaFilters>,
    padded: Vec<f32>,
    magnitude: Tiles,
    mel: Tiles,
    mel_db: Tiles,
    chroma: Tiles,
    contrasts: Tiles,
}

impl DescriptorExtractor {
    /// An extractor as one profile computes it.
    pub fn new(profile: Profile) -> DescriptorExtractor {
        let Profile::Librosa08 = profile;
        let rate = f64::from(SAMPLE_RATE);
        let (stft, contrast) = (
            Stft::new(N_FFT, HOP_LENGTH),
            Contrast::new(rate, N_FFT, CONTRAST_OCTAVES),
        );
        DescriptorExtractor {
            front: Front::default(),
            mel_filters: MelFilters::new(rate, N_FFT, MEL),
            dct: Dct::new(MEL, MFCC),
            tuning: TuningEstimator::new(rate, N_FFT),
            pitch: PitchTracker::new(rate, HOP_LENGTH),
            pulses: GlottalPulses::new(rate, HOP_LENGTH),
            shape: SpectralShape::new(rate, N_FFT),
            chroma_filters: BTreeMap::new(),
            padded: Vec::new(),
            magnitude: Tiles::new(stft.bins()),
            mel: Tiles::new(MEL),
            mel_db: Tiles::new(MEL),
            chroma: Tiles::new(CLASSES),
            contrasts: Tiles::new(contrast.bands()),
            stft,
            contrast,
        }
    }

    /// The descriptors of a mono recording.
    ///
    /// # Errors
    /// As [`super::Extractor::extract`].
    pub fn describe(&mut self, samples: &[f32], sample_rate: u32) -> Result<Descriptors> {
        let level = self.front.load_levelled(samples, sample_rate)?;
        let signal = self.front.signal();
        pad_reflected(signal, N_FFT / 2, &mut self.padded);
        let frames = frame_count(signal.len(), HOP_LENGTH);
        let frame = |index: usize| &self.padded[index * HOP_LENGTH..][..N_FFT];
        let energies: Vec<f64> = (0..frames).map(|index| energy_db(frame(index))).collect();
        let active = active_stretch(&energies, ACTIVE_DB);
        let voices = self.pitch.track(signal, active.clone());
        let irregularity = self.pulses.irregularity(signal, &voices, active.start);
        let f0 = filled(&voices);
        let mut rows: Vec<Vec<f64>> = vec![vec![0.0; WIDTH]; active.len()];

        let (mut index, mut described) = (0, [0.0; SHAPE_NAMES.len()]);
        self.tuning.begin();
        self.shape.begin();
        self.stft
            .magnitude(signal, &mut self.magnitude, |magnitude| {
                self.tuning.look(magnitude);
                if active.contains(&index) {
                    let at = index - active.start;
                    self.shape.describe(magnitude, f0[at].exp(), &mut described);
                    let row = &mut rows[at];
                    row[F0] = f0[at];
                    row[VOICING] = voices[at].strength;
                    row[ENERGY] = energies[index] + level;
                    row[ZERO_CROSSINGS] = zero_crossings(frame(index));
                    row[SHAPE..].copy_from_slice(&described);
                } else if index + 1 == active.start {
                    self.shape.pass(magnitude);
                }
                index += 1;
            });
        self.spectra(&active, level as f32, &mut rows)?;
        Ok(Descriptors {
            rows,
            voices,
            irregularity,
            frames,
        })
    }

    /// What follows from the spectra of all frames of a signal that was lowered by `level` dB.
    fn spectra(&mut self, active: &Range<usize>, level: f32, rows: &mut [Vec<f64>]) -> Result<()> {
        self.contrast.apply(&self.magnitude, &mut self.contrasts);
        self.mel_filters.apply(&self.magnitude, &mut self.mel);
        check_finite(self.mel.values_mut())?;
        power_to_db(self.mel.values_mut(), f32::INFINITY);
        self.mel
            .values_mut()
            .iter_mut()
            .for_each(|value| *value += level);
        self.mel_db.clone_from(&self.mel);
        let loudest = self
            .mel
            .values_mut()
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        self.mel_db
            .values_mut()
            .iter_mut()
            .for_each(|value| *value = value.max(loudest - TOP_DB));
        let tuning = self.tuning.estimate(TuningSpectrum::Power, CLASSES);
        let filters = self
            .chroma_filters
            .entry(hundredths(tuning))
            .or_insert_with(|| ChromaFilters::new(f64::from(SAMPLE_RATE), N_FFT, tuning));
        filters.apply(&self.magnitude, &mut self.chroma);
        let [mel, mel_db, chroma, contrast] =
            [&self.mel, &self.mel_db, &self.chroma, &self.contrasts].map(Tiles::to_frames);
        let inside = |frames: &crate::dsp::Frames| -> Vec<Vec<f64>> {
            let rows = frames.rows().skip(active.start).take(active.len());
            rows.map(|row| row.iter().map(|value| f64::from(*value)).collect())
                .collect()
        };
        for (row, mel_db) in rows.iter_mut().zip(inside(&mel_db)) {
            row[..MFCC].copy_from_slice(&self.dct.apply(&mel_db));
        }
        for (row, mel) in rows.iter_mut().zip(inside(&mel)) {
            for (slot, band) in row[LOG_MEL..CHROMA].iter_mut().zip(mel.chunks_exact(BAND)) {
                *slot = band.iter().sum::<f64>() / BAND as f64;
            }
        }
        for ((row, chroma), contrast) in rows.iter_mut().zip(inside(&chroma)).zip(inside(&contrast))
        {
            row[CHROMA..CONTRAST].copy_from_slice(&chroma);
            row[CONTRAST..F0].copy_from_slice(&contrast);
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
