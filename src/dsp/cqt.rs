//! The constant-Q transform of librosa 0.8.1: one filter bank per octave on a signal that is halved from octave to octave.

use std::f64::consts::TAU;
use std::ops::Range;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::frames::{Frames, frame_count, pad_reflected};
use super::transform::{RealTransform, unpack};
use super::window::hann;
use crate::audio::resample::Halver;
use crate::audio::simd::{dispatch, multiply_add, sum};

/// Share of a filter's spectrum (by summed magnitude) that sparsification drops.
const SPARSITY: f64 = 0.01;
/// C1, in Hz.
const LOWEST_HZ: f64 = 32.703_195_662_574_83;
/// Weights are padded to whole vectors of this many.
const LANES: usize = 8;

/// The sparse spectra of one octave's filters. Every octave shares them: half the frequency at half the sampling rate.
#[derive(Debug, Clone)]
pub struct CqtBasis {
    n_fft: usize,
    filters: Vec<Filter>,
    /// The bins of the spectrum that any filter needs.
    bins: Range<usize>,
}

#[derive(Debug, Clone)]
struct Filter {
    start: usize,
    re: Vec<[f32; LANES]>,
    im: Vec<[f32; LANES]>,
}

impl CqtBasis {
    /// `bins` filters per octave for `octaves` octaves from C1, at a sampling rate and a tuning in fractions of a bin.
    pub fn new(sample_rate: f64, bins: usize, octaves: usize, tuning: f64) -> CqtBasis {
        let per_bin = |bin: f64| (bin / bins as f64).exp2();
        let lowest = LOWEST_HZ * per_bin(tuning) * ((octaves - 1) as f64).exp2();
        let q = 1.0 / (per_bin(1.0) - 1.0);
        let frequencies: Vec<f64> = (0..bins).map(|bin| lowest * per_bin(bin as f64)).collect();
        let longest = q * sample_rate / lowest;
        let n_fft = (longest.log2().ceil().exp2()) as usize;
        let plan = FftPlanner::<f64>::new().plan_fft_forward(n_fft);
        let filters: Vec<Filter> = frequencies
            .iter()
            .map(|hz| {
                let length = q * sample_rate / hz;
                let mut spectrum = wavelet(length, hz / sample_rate, n_fft);
                plan.process(&mut spectrum);
                // librosa divides each bin by the root of its filter's full-rate length and multiplies each octave by the root of its
                // decimation: together, the root of the length at the octave's own rate.
                sparse(&spectrum[..=n_fft / 2], 1.0 / length.sqrt())
            })
            .collect();
        let first = filters.iter().map(|filter| filter.start).min().unwrap_or(0);
        let end = filters.iter().map(|filter| filter.start + filter.re.len() * LANES).max().unwrap_or(0);
        CqtBasis { n_fft, filters, bins: first..end }
    }
}

/// A Hann-windowed complex exponential of `cycles` per sample, of unit L1 norm times its share of the transform, centred in `n_fft`.
fn wavelet(length: f64, cycles: f64, n_fft: usize) -> Vec<Complex<f64>> {
    let start = (-length / 2.0).floor();
    let samples = ((length / 2.0).floor() - start) as usize;
    let window = hann(samples);
    let signal: Vec<Complex<f64>> = (0..samples).map(|n| Complex::from_polar(window[n], (start + n as f64) * TAU * cycles)).collect();
    let norm: f64 = signal.iter().map(|value| value.norm()).sum();
    let single = |value: Complex<f64>| Complex::new(f64::from(value.re as f32), f64::from(value.im as f32));
    let mut padded = vec![Complex::default(); n_fft];
    for (slot, value) in padded[(n_fft - samples) / 2..].iter_mut().zip(&signal) {
        *slot = single(single(value / norm) * (length / n_fft as f64));
    }
    padded
}

/// Keeps the largest values that together make up all but [`SPARSITY`] of the summed magnitude.
fn sparse(spectrum: &[Complex<f64>], scale: f64) -> Filter {
    let magnitudes: Vec<f64> = spectrum.iter().map(|value| value.norm()).collect();
    let total: f64 = magnitudes.iter().sum();
    let mut sorted = magnitudes.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut cumulative = 0.0;
    let threshold = sorted.iter().copied().find(|magnitude| {
        cumulative += magnitude / total;
        cumulative >= SPARSITY
    });
    let kept = |bin: &usize| threshold.is_some_and(|threshold| magnitudes[*bin] >= threshold);
    let start = (0..spectrum.len()).find(kept).unwrap_or(0);
    let end = (start..spectrum.len()).rev().find(kept).map_or(start, |last| last + 1);
    // Whole vectors must stay inside the spectrum.
    let start = start.min(spectrum.len().saturating_sub((end - start).next_multiple_of(LANES)));
    let vectors = (end - start).div_ceil(LANES);
    let mut filter = Filter { start, re: vec![[0.0; LANES]; vectors], im: vec![[0.0; LANES]; vectors] };
    for bin in (start..end).filter(kept) {
        let at = bin - start;
        filter.re[at / LANES][at % LANES] = (spectrum[bin].re * scale) as f32;
        filter.im[at / LANES][at % LANES] = (spectrum[bin].im * scale) as f32;
    }
    filter
}

/// A complex spectrum as two slices, so that products vectorise.
#[derive(Debug, Default)]
struct Split {
    re: Vec<f32>,
    im: Vec<f32>,
}

dispatch! {
    fn pack(samples: &[f32], packed: &mut [Complex<f32>]) = pack_body
}

#[inline(always)]
fn pack_body<const FUSED: bool>(samples: &[f32], packed: &mut [Complex<f32>]) {
    for (slot, samples) in packed.iter_mut().zip(samples.chunks_exact(2)) {
        *slot = Complex::new(0.5 * samples[0], 0.5 * samples[1]);
    }
}

dispatch! {
    /// The magnitudes of the filters' responses to one packed spectrum.
    fn respond(basis: &CqtBasis, spectrum: (&[Complex<f32>], &[Complex<f32>]), split: &mut Split, out: &mut [f32]) = respond_body
}

#[inline(always)]
fn respond_body<const FUSED: bool>(
    basis: &CqtBasis,
    (packed, twiddles): (&[Complex<f32>], &[Complex<f32>]),
    split: &mut Split,
    out: &mut [f32],
) {
    let bins = basis.bins.clone();
    split.re.resize(bins.len(), 0.0);
    split.im.resize(bins.len(), 0.0);
    let mirrored = packed[..packed.len() - bins.start].iter().rev();
    let values = packed[bins.clone()].iter().zip(mirrored).zip(&twiddles[bins.clone()]);
    for ((re, im), ((value, mirrored), twiddle)) in split.re.iter_mut().zip(&mut split.im).zip(values) {
        let value = unpack(*value, *mirrored, *twiddle);
        (*re, *im) = (value.re, value.im);
    }
    for (out, filter) in out.iter_mut().zip(&basis.filters) {
        let (mut total_re, mut total_im) = ([0.0f32; LANES], [0.0f32; LANES]);
        let start = filter.start - bins.start;
        let spectrum = split.re[start..].chunks_exact(LANES).zip(split.im[start..].chunks_exact(LANES));
        for ((weight_re, weight_im), (re, im)) in filter.re.iter().zip(&filter.im).zip(spectrum) {
            for lane in 0..LANES {
                total_re[lane] = multiply_add::<FUSED>(weight_re[lane], re[lane], total_re[lane]);
                total_re[lane] = multiply_add::<FUSED>(-weight_im[lane], im[lane], total_re[lane]);
                total_im[lane] = multiply_add::<FUSED>(weight_re[lane], im[lane], total_im[lane]);
                total_im[lane] = multiply_add::<FUSED>(weight_im[lane], re[lane], total_im[lane]);
            }
        }
        let (re, im) = (sum(&total_re), sum(&total_im));
        *out = re * re + im * im;
    }
    for out in out {
        *out = out.sqrt();
    }
}

/// Computes constant-Q magnitudes; holds plans and buffers for reuse.
pub struct Cqt {
    octaves: usize,
    hop_length: usize,
    transform: Option<RealTransform<f32>>,
    halver: Halver,
    signal: Vec<f32>,
    halved: Vec<f32>,
    padded: Vec<f32>,
    split: Split,
}

impl Cqt {
    /// A transform over `octaves` octaves with `hop_length` samples between frames, which must be a multiple of 2^(octaves - 1).
    pub fn new(octaves: usize, hop_length: usize) -> Cqt {
        let (signal, halved, padded, split) = Default::default();
        Cqt { octaves, hop_length, transform: None, halver: Halver::new(), signal, halved, padded, split }
    }

    /// The fewest samples that can be halved as often as the octaves ask while two are left to halve (librosa's own limit).
    pub fn shortest(&self) -> usize {
        match self.octaves {
            0 | 1 => 1,
            octaves => (1 << (octaves - 2)) + 1,
        }
    }

    /// Fills `magnitude` (frames of octaves times bins per octave, lowest first) for a signal of at least [`Cqt::shortest`] samples.
    pub fn magnitude(&mut self, signal: &[f32], basis: &CqtBasis, magnitude: &mut Frames) {
        let n_fft = basis.n_fft;
        let transform = match &mut self.transform {
            Some(transform) if transform.len() == n_fft => transform,
            other => other.insert(RealTransform::new(n_fft)),
        };
        self.signal.clear();
        self.signal.extend_from_slice(signal);
        magnitude.reset(frame_count(signal.len(), self.hop_length));
        let bins = basis.filters.len();
        for octave in 0..self.octaves {
            if octave > 0 {
                self.halver.process(&self.signal, &mut self.halved);
                std::mem::swap(&mut self.signal, &mut self.halved);
            }
            let hop_length = self.hop_length >> octave;
            let first_bin = bins * (self.octaves - 1 - octave);
            pad_reflected(&self.signal, n_fft / 2, &mut self.padded);
            for (frame, row) in magnitude.rows_mut().enumerate() {
                pack(&self.padded[frame * hop_length..][..n_fft], transform.input());
                transform.run();
                respond(basis, transform.spectrum(), &mut self.split, &mut row[first_bin..first_bin + bins]);
            }
        }
    }
}

/// Sums constant-Q magnitudes into 12 pitch classes from C: each class takes the bins nearest to it in every octave.
pub fn fold_to_chroma(cqt: &[f32], bins_per_octave: usize, chroma: &mut [f32]) {
    let merged = bins_per_octave / chroma.len();
    chroma.fill(0.0);
    for (bin, value) in cqt.iter().enumerate() {
        let class = ((bin + merged / 2) % bins_per_octave) / merged;
        chroma[class] += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_peaks_in_its_bin() {
        let basis = CqtBasis::new(22050.0, 36, 7, 0.0);
        assert_eq!((basis.n_fft, basis.filters.len()), (1024, 36));
        // A4 is 45 semitones over C1, A2 21.
        for (hz, bin) in [(440.0, 135), (110.0, 63), (3520.0, 243)] {
            let signal: Vec<f32> = (0..44100).map(|t| (TAU * hz * t as f64 / 22050.0).sin() as f32).collect();
            let mut cqt = Cqt::new(7, 512);
            let mut magnitude = Frames::new(252);
            cqt.magnitude(&signal, &basis, &mut magnitude);
            assert_eq!(magnitude.len(), 87);
            let row = magnitude.rows().nth(43).map(<[f32]>::to_vec).unwrap_or_default();
            let loudest = (0..252).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            assert_eq!(loudest, Some(bin), "{hz} Hz");
            let mut chroma = [0.0; 12];
            fold_to_chroma(&row, 36, &mut chroma);
            assert!((0..12).all(|class| class == 9 || chroma[class] < chroma[9] / 2.0), "{hz} Hz: {chroma:?}");
        }
    }

    #[test]
    fn the_shortest_signal_is_librosa_s() {
        let mut cqt = Cqt::new(7, 512);
        assert_eq!(cqt.shortest(), 33);
        let mut magnitude = Frames::new(252);
        cqt.magnitude(&[0.1; 33], &CqtBasis::new(22050.0, 36, 7, 0.2), &mut magnitude);
        assert_eq!(magnitude.len(), 1);
        assert!(magnitude.values().iter().all(|value| value.is_finite()));
    }
}
