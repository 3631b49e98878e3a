//! The set `functionals`: statistics over time of the descriptors of frames.

use super::analysis::{Analysis, row_of};
use super::descriptors::{DescriptorExtractor, Descriptors, F0, WIDTH, descriptor_names};
use super::extractor::RowExtractor;
use crate::dsp::{Irregularity, Voice};
use crate::error::Result;
use crate::stats::{mean_and_sd, quantile};

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
