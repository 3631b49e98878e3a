//! Peaks against valleys of the spectrum, by octave band.

use super::decibel::power_to_db_f64;
use super::frames::Frames;
use crate::audio::simd::dispatch;

/// The upper edge of the lowest band in Hz.
const LOWEST_EDGE: f64 = 200.0;
/// The part of a band that counts as its peak, and as its valley.
const QUANTILE: f64 = 0.02;
const TOP_DB: f64 = 80.0;
/// Values compared at once.
const LANES: usize = 16;

/// Spectral contrast of magnitude spectra: six octave bands and the one below them (`librosa.feature.spectral_contrast`).
#[derive(Debug, Clone)]
pub struct Contrast {
    bands: Vec<Band>,
    peaks: Vec<f64>,
    valleys: Vec<f64>,
    extremes: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Band {
    bins: std::ops::Range<usize>,
    /// How many of the bins make the peak, and how many the valley.
    count: usize,
}

impl Contrast {
    /// `octaves` bands above the lowest, for spectra of `n_fft / 2 + 1` bins. The edges of all bands but the last must lie below the
    /// Nyquist frequency.
    pub fn new(sample_rate: f64, n_fft: usize, octaves: usize) -> Contrast {
        let bins = n_fft / 2 + 1;
        let bin_hz = sample_rate / n_fft as f64;
        let bands = (0..=octaves)
            .map(|band| {
                let low = if band == 0 { 0.0 } else { LOWEST_EDGE * ((band - 1) as f64).exp2() };
                let high = LOWEST_EDGE * (band as f64).exp2();
                let inside = |bin: &usize| (low..=high).contains(&(*bin as f64 * bin_hz));
                let first = (0..bins).find(inside).unwrap_or(bins - 1);
                let end = (first..bins).find(|bin| !inside(bin)).unwrap_or(bins);
                // A band above the lowest reaches one bin below its edge; each but the top one gives up its last bin to the next.
                let first = if band > 0 { first.saturating_sub(1) } else { first };
                let end = if band == octaves { bins } else { end };
                let count = (QUANTILE * (end - first) as f64).round_ties_even().max(1.0) as usize;
                Band { bins: first..if band == octaves { end } else { end - 1 }, count }
            })
            .collect();
        Contrast { bands, peaks: Vec::new(), valleys: Vec::new(), extremes: Vec::new() }
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Fills `contrast` (frames of [`Contrast::bands`] values) in dB. Peaks and valleys are each limited to 80 dB under their own maximum
    /// over the whole recording.
    pub fn apply(&mut self, magnitude: &Frames, contrast: &mut Frames) {
        self.peaks.clear();
        self.valleys.clear();
        for row in magnitude.rows() {
            for band in &self.bands {
                let bins = &row[band.bins.clone()];
                self.valleys.push(mean_of_smallest(bins, 1.0, band.count, &mut self.extremes));
                self.peaks.push(-mean_of_smallest(bins, -1.0, band.count, &mut self.extremes));
            }
        }
        power_to_db_f64(&mut self.peaks, TOP_DB);
        power_to_db_f64(&mut self.valleys, TOP_DB);
        contrast.reset(magnitude.len());
        for ((contrast, peak), valley) in contrast.values_mut().iter_mut().zip(&self.peaks).zip(&self.valleys) {
            *contrast = (peak - valley) as f32;
        }
    }
}

/// The mean of the `count` smallest values times `sign`; `smallest` holds them in order afterwards.
fn mean_of_smallest(values: &[f32], sign: f32, count: usize, smallest: &mut Vec<f32>) -> f64 {
    select(values, sign, count, smallest);
    f64::from(smallest.iter().sum::<f32>() / smallest.len().max(1) as f32)
}

dispatch! {
    fn select(values: &[f32], sign: f32, count: usize, smallest: &mut Vec<f32>) = select_body
}

/// Instead of sorting everything: bounds the `count`-th smallest value first, and sorts the few that are not above the bound. There is no
/// branch on a value in the long loops, since spectra make such branches unpredictable.
#[inline(always)]
fn select_body<const FUSED: bool>(values: &[f32], sign: f32, count: usize, smallest: &mut Vec<f32>) {
    // The smallest of each lane are values too, so the count-th smallest of them is such a bound.
    let mut minima = [f32::INFINITY; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let value = sign * chunk[lane];
            minima[lane] = if value < minima[lane] { value } else { minima[lane] };
        }
    }
    minima.sort_unstable_by(f32::total_cmp);
    let bound = minima.get(count - 1).copied().unwrap_or(f32::INFINITY);

    smallest.resize(values.len(), 0.0);
    let mut kept = 0;
    for value in values {
        smallest[kept] = sign * value;
        kept += usize::from(sign * value <= bound);
    }
    smallest.truncate(kept);
    smallest.sort_unstable_by(f32::total_cmp);
    smallest.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_librosa_s() {
        let contrast = Contrast::new(22050.0, 2048, 6);
        let bands: Vec<_> = contrast.bands.iter().map(|band| (band.bins.clone(), band.count)).collect();
        assert_eq!(bands, [(0..18, 1), (18..37, 1), (37..74, 1), (74..148, 2), (148..297, 3), (297..594, 6), (594..1025, 9)]);
    }

    #[test]
    fn selection_equals_sorting() {
        let values: Vec<f32> = (0..431).map(|i| ((i * 7919) % 431) as f32).collect();
        for length in [1, 9, 15, 16, 17, 100, 431] {
            for (sign, count) in [(1.0, 1), (-1.0, 9), (1.0, 16), (1.0, 17), (-1.0, 40)] {
                let mut sorted: Vec<f32> = values[..length].iter().map(|value| sign * value).collect();
                sorted.sort_by(f32::total_cmp);
                sorted.truncate(count);
                let mut smallest = Vec::new();
                select(&values[..length], sign, count, &mut smallest);
                assert_eq!(smallest, sorted, "{count} of {length}");
            }
        }
        assert_eq!(mean_of_smallest(&values, 1.0, 9, &mut Vec::new()), 4.0);
        assert_eq!(-mean_of_smallest(&values, -1.0, 9, &mut Vec::new()), 426.0);
    }

    #[test]
    fn a_flat_spectrum_has_no_contrast_and_a_line_has_much() {
        let mut magnitude = Frames::new(1025);
        magnitude.reset(2);
        magnitude.values_mut().fill(0.5);
        magnitude.values_mut()[800] = 50.0 * 9.0 - 4.0;
        let mut contrast = Contrast::new(22050.0, 2048, 6);
        let mut out = Frames::new(contrast.bands());
        contrast.apply(&magnitude, &mut out);
        assert!(out.values()[..6].iter().chain(&out.values()[7..]).all(|value| value.abs() < 1e-6));
        assert!((out.values()[6] - 20.0).abs() < 1e-4);
    }
}
