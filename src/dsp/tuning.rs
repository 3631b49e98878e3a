//! How far a recording is from A440, in fractions of a bin.

use super::frames::Frames;
use crate::audio::simd::dispatch;

const LOWEST_HZ: f64 = 150.0;
const HIGHEST_HZ: f64 = 4000.0;
/// A peak must exceed this part of its frame's maximum.
const THRESHOLD: f32 = 0.1;
/// Histogram cells per bin.
const CELLS: usize = 100;
/// Values compared at once.
const LANES: usize = 32;

/// Which spectrum the peaks are looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningSpectrum {
    /// As given.
    Magnitude,
    /// Squared.
    Power,
}

/// Estimates tuning from interpolated spectral peaks (`librosa.estimate_tuning`); holds buffers for reuse.
#[derive(Debug, Clone)]
pub struct TuningEstimator {
    bin_hz: f64,
    first_bin: usize,
    end_bin: usize,
    pitches: Vec<f32>,
    strengths: Vec<f32>,
    sorted: Vec<f32>,
    spectrum: Vec<f32>,
}

impl TuningEstimator {
    /// For spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize) -> TuningEstimator {
        let bin_hz = sample_rate / n_fft as f64;
        let inside = |bin: &usize| (LOWEST_HZ..HIGHEST_HZ.min(sample_rate / 2.0)).contains(&(*bin as f64 * bin_hz));
        let first_bin = (1..n_fft / 2).find(inside).unwrap_or(1);
        let end_bin = (first_bin..n_fft / 2).find(|bin| !inside(bin)).unwrap_or(n_fft / 2);
        let (pitches, strengths, sorted, spectrum) = Default::default();
        TuningEstimator { bin_hz, first_bin, end_bin, pitches, strengths, sorted, spectrum }
    }

    /// The left edge of the fullest of 100 cells between -0.5 and 0.5 bins, `bins_per_octave` to the octave; 0 without any peak.
    ///
    /// Only peaks at least as strong as the median peak count. All arithmetic is in single precision where librosa's is, since a peak that
    /// changes its cell may change the result.
    pub fn estimate(&mut self, magnitude: &Frames, spectrum: TuningSpectrum, bins_per_octave: usize) -> f64 {
        self.find_peaks(magnitude, spectrum);
        let Some(median) = self.median() else { return 0.0 };
        let edges: [f64; CELLS + 1] = std::array::from_fn(|cell| if cell == CELLS { 0.5 } else { cell as f64 * 0.01 - 0.5 });
        let mut counts = [0usize; CELLS];
        for (pitch, strength) in self.pitches.iter().zip(&self.strengths) {
            if *strength < median {
                continue;
            }
            let octaves = f64::from(*pitch / 27.5).log2() as f32;
            let position = bins_per_octave as f32 * octaves;
            let mut residual = position - position.floor();
            if residual >= 0.5 {
                residual -= 1.0;
            }
            let residual = f64::from(residual);
            let mut cell = (((residual + 0.5) * CELLS as f64) as usize).min(CELLS - 1);
            while cell > 0 && residual < edges[cell] {
                cell -= 1;
            }
            while cell + 1 < CELLS && residual >= edges[cell + 1] {
                cell += 1;
            }
            counts[cell] += 1;
        }
        let most = counts.iter().max().copied().unwrap_or(0);
        edges[counts.iter().position(|count| *count == most).unwrap_or(0)]
    }

    fn find_peaks(&mut self, magnitude: &Frames, spectrum: TuningSpectrum) {
        self.pitches.clear();
        self.strengths.clear();
        for row in magnitude.rows() {
            let mut loudest = maximum(row);
            let mut values = row;
            if spectrum == TuningSpectrum::Power {
                self.spectrum.clear();
                self.spectrum.extend(row[..=self.end_bin].iter().map(|value| value * value));
                values = &self.spectrum;
                loudest *= loudest;
            }
            let threshold = THRESHOLD * loudest;
            for (index, neighbours) in values[self.first_bin - 1..=self.end_bin].windows(3).enumerate() {
                let (before, peak, after) = (neighbours[0], neighbours[1], neighbours[2]);
                if !(peak > threshold && peak > before && peak >= after) {
                    continue;
                }
                let slope = 0.5 * (after - before);
                let curvature = 2.0 * peak - after - before;
                let shift = slope / (curvature + f32::from(u8::from(curvature.abs() < f32::MIN_POSITIVE)));
                self.pitches.push((((self.first_bin + index) as f64 + f64::from(shift)) * self.bin_hz) as f32);
                self.strengths.push(peak + 0.5 * slope * shift);
            }
        }
    }

    fn median(&mut self) -> Option<f32> {
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.strengths);
        let middle = self.sorted.len() / 2;
        if self.sorted.is_empty() {
            return None;
        }
        let (below, upper, _) = self.sorted.select_nth_unstable_by(middle, f32::total_cmp);
        let upper = *upper;
        let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Some(if self.strengths.len() % 2 == 1 { upper } else { (lower + upper) / 2.0 })
    }
}

dispatch! {
    /// The largest of values that are not negative.
    fn maximum(values: &[f32]) -> f32 = maximum_body
}

#[inline(always)]
fn maximum_body<const FUSED: bool>(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut maxima = [0.0f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            maxima[lane] = if chunk[lane] > maxima[lane] { chunk[lane] } else { maxima[lane] };
        }
    }
    maxima.iter().chain(rest).copied().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::Stft;

    #[test]
    fn a_detuned_tone_is_measured() {
        for (detune, bins) in [(0.25f64, 12usize), (-0.3, 12), (0.1, 36)] {
            let hz = 440.0 * (detune / bins as f64).exp2();
            let signal: Vec<f32> = (0..22050).map(|t| (std::f64::consts::TAU * hz * t as f64 / 22050.0).sin() as f32).collect();
            let mut stft = Stft::new(2048, 512);
            let mut magnitude = Frames::new(stft.bins());
            stft.magnitude(&signal, &mut magnitude);
            let tuning = TuningEstimator::new(22050.0, 2048).estimate(&magnitude, TuningSpectrum::Magnitude, bins);
            // Parabolic interpolation of a Hann peak is off by up to a few hundredths of a semitone.
            assert!((tuning - detune).abs() < 0.05 * bins as f64 / 12.0, "{detune} of {bins}: {tuning}");
        }
    }

    #[test]
    fn silence_is_in_tune() {
        let mut magnitude = Frames::new(1025);
        magnitude.reset(3);
        assert_eq!(TuningEstimator::new(22050.0, 2048).estimate(&magnitude, TuningSpectrum::Power, 12), 0.0);
    }
}
