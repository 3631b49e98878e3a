//! The set `functionals`: statistics over time of the descriptors of frames.

use std::ops::Range;

use crate::dsp::{
    Dct, GlottalPulses, Irregularity, PITCH_RANGE, PitchTracker, SHAPE_NAMES, SpectralShape,
    TuningSpectrum, Voice, active_stretch, power_to_db, zero_crossings,
};
use crate::error::Result;
use crate::stats::{mean_and_sd, quantile};

use super::analysis::{
    Analysis, CLASSES, CONTRAST_OCTAVES, HOP_LENGTH, MEL, N_FFT, SAMPLE_RATE, TOP_DB, check_finite,
    frame_of, row_of,
};
use super::extractor::RowExtractor;
use super::set::numbered;

/// Of a descriptor and of its first derivative.
const STATISTICS: [&str; 12] = [
    "mean", "sd", "p05", "p25", "p50", "p75", "p95", "iqr", "range", "skewness", "kurtosis",
    "slope",
];
/// Of the second derivative.
const FEW_STATISTICS: [&str; 2] = ["mean", "sd"];
/// Of the pitch over voiced frames, of how much was active and voiced, and of how regular the voice
/// is.
const VOICED: [&str; 17] = [
    "voiced_f0_mean",
    "voiced_f0_sd",
    "voiced_f0_p05",
    "voiced_f0_p25",
    "voiced_f0_p50",
    "voiced_f0_p75",
    "voiced_f0_p95",
    "voiced_f0_range",
    "voiced_f0_step",
    "voiced_share",
    "active_frames",
    "active_share",
    "jitter_local",
    "shimmer_local",
    "shimmer_local_db",
    "hnr_mean",
    "hnr_sd",
];
const PERCENTS: [f64; 5] = [5.0, 25.0, 50.0, 75.0, 95.0];
const FEWEST_VOICED: usize = 3;
/// A correlation above would be that of a voice without any noise.
const HIGHEST_CORRELATION: f64 = 0.9999;
/// Added to what stands below a fraction bar.
const TINY: f64 = 1e-9;

/// The columns, descriptor by descriptor: `mfcc_03_mean`, …, `mfcc_03_d_mean`, …,
/// `mfcc_03_dd_mean`, `mfcc_03_dd_sd`, ….
pub(super) fn names() -> Vec<String> {
    let mut names = Vec::new();
    for descriptor in descriptor_names() {
        names.extend(STATISTICS.map(|statistic| format!("{descriptor}_{statistic}")));
        names.extend(STATISTICS.map(|statistic| format!("{descriptor}_d_{statistic}")));
        names.extend(FEW_STATISTICS.map(|statistic| format!("{descriptor}_dd_{statistic}")));
    }
    names.extend(VOICED.map(str::to_owned));
    names
}

/// Computes rows of [`super::FeatureSet::Functionals`].
pub(super) struct FunctionalExtractor {
    descriptors: DescriptorExtractor,
}

impl FunctionalExtractor {
    pub(super) fn new() -> FunctionalExtractor {
        FunctionalExtractor {
            descriptors: DescriptorExtractor::new(),
        }
    }
}

impl RowExtractor for FunctionalExtractor {
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>> {
        row_of(functionals(&self.descriptors.describe(analysis)?))
    }
}

fn functionals(described: &Descriptors) -> Vec<f64> {
    let mut out = Vec::new();
    for descriptor in 0..WIDTH {
        let values: Vec<f64> = described.rows.iter().map(|row| row[descriptor]).collect();
        let first = derivative(&values);
        let second = derivative(&first);
        statistics(&values, &mut out);
        statistics(&first, &mut out);
        let (mean, sd) = mean_and_sd(&second);
        out.extend([mean, sd]);
    }
    voiced(described, &mut out);
    out
}

fn voiced(described: &Descriptors, out: &mut Vec<f64>) {
    let (rows, frames) = (&described.rows, described.rows.len() as f64);
    let is_voiced = described.voices.iter().map(|voice| voice.f0.is_some());
    let mut pitch: Vec<f64> = rows
        .iter()
        .zip(is_voiced)
        .filter(|(_, is_voiced)| *is_voiced)
        .map(|(row, _)| row[F0])
        .collect();
    let share = pitch.len() as f64 / frames;
    if pitch.len() < FEWEST_VOICED {
        pitch = rows.iter().map(|row| row[F0]).collect();
    }
    let steps = pitch
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .sum::<f64>();
    let step = steps / pitch.len().saturating_sub(1).max(1) as f64;
    let (mean, sd) = mean_and_sd(&pitch);
    pitch.sort_unstable_by(f64::total_cmp);
    out.extend([mean, sd]);
    out.extend(PERCENTS.map(|percent| percentile(&pitch, percent)));
    let range =
        pitch.last().copied().unwrap_or_default() - pitch.first().copied().unwrap_or_default();
    out.extend([range, step, share, frames, frames / described.frames as f64]);
    let Irregularity {
        jitter,
        shimmer,
        shimmer_db,
    } = described.irregularity;
    let harmonicities: Vec<f64> = described
        .voices
        .iter()
        .filter(|voice| voice.f0.is_some())
        .map(harmonicity)
        .collect();
    let (mean, sd) = mean_and_sd(&harmonicities);
    out.extend([jitter, shimmer, shimmer_db, mean, sd]);
}

/// Ratio of harmonics to noise in dB: the autocorrelation at the period is the share of the
/// periodic part (Boersma 1993).
fn harmonicity(voice: &Voice) -> f64 {
    let periodic = voice.strength.min(HIGHEST_CORRELATION);
    10.0 * (periodic / (1.0 - periodic)).log10()
}

/// Slope of the straight line through five neighbours, the first and last value repeated beyond the
/// ends; zeros of fewer than three values.
fn derivative(values: &[f64]) -> Vec<f64> {
    let Some(last) = values.len().checked_sub(1).filter(|last| *last >= 2) else {
        return vec![0.0; values.len()];
    };
    let at = |index: usize, step: isize| values[index.saturating_add_signed(step).min(last)];
    (0..=last)
        .map(|i| (2.0 * (at(i, 2) - at(i, -2)) + at(i, 1) - at(i, -1)) / 10.0)
        .collect()
}

fn percentile(sorted: &[f64], percent: f64) -> f64 {
    quantile(sorted, percent / 100.0).unwrap_or_default()
}

/// Appends [`STATISTICS`].
fn statistics(values: &[f64], out: &mut Vec<f64>) {
    let n = values.len().max(1) as f64;
    let (mean, sd) = mean_and_sd(values);
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let [p05, p25, p50, p75, p95] = PERCENTS.map(|percent| percentile(&sorted, percent));
    let (mut third, mut fourth, mut product, mut square) = (0.0, 0.0, 0.0, 0.0);
    let step = if values.len() > 1 {
        2.0 / (values.len() - 1) as f64
    } else {
        0.0
    };
    for (i, value) in values.iter().enumerate() {
        let (apart, t) = (value - mean, i as f64 * step - 1.0);
        let z = apart / (sd + TINY);
        third += z * z * z;
        fourth += z * z * z * z;
        product += apart * t;
        square += t * t;
    }
    let slope = product / n / (square / n + TINY);
    out.extend([
        mean,
        sd,
        p05,
        p25,
        p50,
        p75,
        p95,
        p75 - p25,
        p95 - p05,
        third / n,
        fourth / n,
        slope,
    ]);
}

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
