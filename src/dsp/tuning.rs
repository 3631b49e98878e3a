//! How far a recording is from A440, in fractions of a bin.

use crate::audio::simd::dispatch;

const LOWEST_HZ: f64 = 150.0;
const HIGHEST_HZ: f64 = 4000.0;
/// A peak must exceed this part of its frame's maximum.
const THRESHOLD: f32 = 0.1;
/// Histogram cells per bin.
const CELLS: usize = 100;
/// Values compared at once.
const LANES: usize = 32;
/// Marks looked at together: most are not set.
const GROUP: usize = 8;

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
    magnitude: Peaks,
    power: Peaks,
    candidates: Vec<u8>,
    sorted: Vec<f32>,
}

/// Frequencies (Hz) and heights of the peaks found so far.
#[derive(Debug, Clone, Default)]
struct Peaks {
    pitches: Vec<f32>,
    strengths: Vec<f32>,
}

impl TuningEstimator {
    /// For spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize) -> TuningEstimator {
        let bin_hz = sample_rate / n_fft as f64;
        let inside = |bin: &usize| (LOWEST_HZ..HIGHEST_HZ.min(sample_rate / 2.0)).contains(&(*bin as f64 * bin_hz));
        let first_bin = (1..n_fft / 2).find(inside).unwrap_or(1);
        let end_bin = (first_bin..n_fft / 2).find(|bin| !inside(bin)).unwrap_or(n_fft / 2);
        let (magnitude, power, candidates, sorted) = Default::default();
        TuningEstimator { bin_hz, first_bin, end_bin, magnitude, power, candidates, sorted }
    }

    /// Forgets the frames of another recording.
    pub fn begin(&mut self) {
        for peaks in [&mut self.magnitude, &mut self.power] {
            peaks.pitches.clear();
            peaks.strengths.clear();
        }
    }

    /// Finds the peaks of one frame's magnitude spectrum, and of its square.
    pub fn look(&mut self, magnitude: &[f32]) {
        let loudest = maximum(magnitude);
        let around = &magnitude[self.first_bin - 1..=self.end_bin];
        self.candidates.resize((self.end_bin - self.first_bin).next_multiple_of(GROUP), 0);
        mark(around, THRESHOLD * loudest, &mut self.candidates);
        let (groups, _) = self.candidates.as_chunks::<GROUP>();
        for (group, first) in groups.iter().zip((0..).step_by(GROUP)).filter(|(group, _)| **group != [0; GROUP]) {
            for index in (first..).zip(group).filter(|(_, marked)| **marked != 0).map(|(index, _)| index) {
                let bin = (self.first_bin + index) as f64;
                let spectrum = [around[index], around[index + 1], around[index + 2]];
                self.magnitude.take(bin, self.bin_hz, spectrum, loudest);
                self.power.take(bin, self.bin_hz, spectrum.map(|value| value * value), loudest * loudest);
            }
        }
    }

    /// The left edge of the fullest of 100 cells between -0.5 and 0.5 bins, `bins_per_octave` to the octave; 0 without any peak.
    ///
    /// Only peaks at least as strong as the median peak count. All arithmetic is in single precision where librosa's is, since a peak that
    /// changes its cell may change the result.
    pub fn estimate(&mut self, spectrum: TuningSpectrum, bins_per_octave: usize) -> f64 {
        let peaks = match spectrum {
            TuningSpectrum::Magnitude => &self.magnitude,
            TuningSpectrum::Power => &self.power,
        };
        let Some(median) = median(&peaks.strengths, &mut self.sorted) else { return 0.0 };
        let edges: [f64; CELLS + 1] = std::array::from_fn(|cell| if cell == CELLS { 0.5 } else { cell as f64 * 0.01 - 0.5 });
        let mut counts = [0usize; CELLS];
        for (pitch, strength) in peaks.pitches.iter().zip(&peaks.strengths) {
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
}

impl Peaks {
    /// Keeps the middle one of three values, at `bin`, if it is a peak.
    fn take(&mut self, bin: f64, bin_hz: f64, [before, peak, after]: [f32; 3], loudest: f32) {
        if !(peak > THRESHOLD * loudest && peak > before && peak >= after) {
            return;
        }
        let slope = 0.5 * (after - before);
        let curvature = 2.0 * peak - after - before;
        let shift = slope / (curvature + f32::from(u8::from(curvature.abs() < f32::MIN_POSITIVE)));
        self.pitches.push(((bin + f64::from(shift)) * bin_hz) as f32);
        self.strengths.push(peak + 0.5 * slope * shift);
    }
}

fn median(values: &[f32], sorted: &mut Vec<f32>) -> Option<f32> {
    sorted.clear();
    sorted.extend_from_slice(values);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        return None;
    }
    let (below, upper, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Some(if values.len() % 2 == 1 { upper } else { (lower + upper) / 2.0 })
}

dispatch! {
    /// Marks what may be a peak, of the magnitudes or of their squares: everything that is one, and little else. Squares of neighbours may be
    /// equal where the values are not quite.
    fn mark(values: &[f32], threshold: f32, candidates: &mut [u8]) = mark_body
}

#[inline(always)]
fn mark_body<const FUSED: bool>(values: &[f32], threshold: f32, candidates: &mut [u8]) {
    let neighbours = values.iter().zip(&values[1..]).zip(&values[2..]);
    for (candidate, ((before, peak), after)) in candidates.iter_mut().zip(neighbours) {
        *candidate = u8::from(*peak > threshold) & u8::from(peak > before) & u8::from(*peak * 1.000_001 >= *after);
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
    use crate::dsp::{Stft, Tiles};

    #[test]
    fn a_detuned_tone_is_measured() {
        for (detune, bins) in [(0.25f64, 12usize), (-0.3, 12), (0.1, 36)] {
            let hz = 440.0 * (detune / bins as f64).exp2();
            let signal: Vec<f32> = (0..22050).map(|t| (std::f64::consts::TAU * hz * t as f64 / 22050.0).sin() as f32).collect();
            let mut stft = Stft::new(2048, 512);
            let mut estimator = TuningEstimator::new(22050.0, 2048);
            stft.magnitude(&signal, &mut Tiles::new(stft.bins()), |frame| estimator.look(frame));
            let tuning = estimator.estimate(TuningSpectrum::Magnitude, bins);
            // Parabolic interpolation of a Hann peak is off by up to a few hundredths of a semitone.
            assert!((tuning - detune).abs() < 0.05 * bins as f64 / 12.0, "{detune} of {bins}: {tuning}");
        }
    }

    #[test]
    fn silence_is_in_tune() {
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        estimator.look(&[0.0; 1025]);
        assert_eq!(estimator.estimate(TuningSpectrum::Power, 12), 0.0);
    }

    #[test]
    fn no_peak_of_either_spectrum_goes_unmarked() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // A few values that repeat or nearly do.
            1.0 + (state >> 29) as f32 * f32::EPSILON + (state >> 28 & 1) as f32
        };
        let spectrum: Vec<f32> = (0..1025).map(|_| next()).collect();
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        estimator.look(&spectrum);
        let squares: Vec<f32> = spectrum.iter().map(|value| value * value).collect();
        for (values, peaks) in [(&spectrum, &estimator.magnitude), (&squares, &estimator.power)] {
            let loudest = values.iter().copied().fold(0.0, f32::max);
            let mut all = Peaks::default();
            for (bin, three) in (estimator.first_bin..estimator.end_bin).zip(values[estimator.first_bin - 1..].windows(3)) {
                all.take(bin as f64, estimator.bin_hz, [three[0], three[1], three[2]], loudest);
            }
            assert!(all.pitches.len() > 50 && all.pitches == peaks.pitches && all.strengths == peaks.strengths);
        }
    }
}
