//! The constant-Q transform of librosa 0.8.1: one filter bank per octave on a signal that is halved
//! from octave to octave.

use std::f64::consts::TAU;
use std::ops::Range;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use pulp::{Arch, Simd, WithSimd};

use super::chroma::normalize_peak;
use super::stft::{RealTransform, hann, unpack};
use super::stft::{frame_count, pad_reflected};
use super::tiles::{LANES, Tiles, parts, vectors, vectors_mut};
use crate::audio::resample::Halver;
use crate::audio::simd::dispatch;

/// Share of a filter's spectrum (by summed magnitude) that sparsification drops.
const SPARSITY: f64 = 0.01;
/// C1, in Hz.
const LOWEST_HZ: f64 = 32.703_195_662_574_83;
/// Pitch classes.
const CLASSES: usize = 12;

/// The sparse spectra of one octave's filters. Every octave shares them: half the frequency at half
/// the sampling rate.
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
    weights: Vec<Complex<f32>>,
}

impl CqtBasis {
    /// `bins` filters per octave for `octaves` octaves from C1, at a sampling rate and a tuning in
    /// fractions of a bin.
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
                // librosa divides each bin by the root of its filter's full-rate length and
                // multiplies each octave by the root of its decimation: together, the root of the
                // length at the octave's own rate.
                sparse(&spectrum[..=n_fft / 2], 1.0 / length.sqrt())
            })
            .collect();
        let first = filters.iter().map(|filter| filter.start).min().unwrap_or(0);
        let end = filters
            .iter()
            .map(|filter| filter.start + filter.weights.len())
            .max()
            .unwrap_or(0);
        CqtBasis {
            n_fft,
            filters,
            bins: first..end,
        }
    }

    /// Samples of a frame of any octave.
    pub fn n_fft(&self) -> usize {
        self.n_fft
    }
}

/// A Hann-windowed complex exponential of `cycles` per sample, of unit L1 norm times its share of
/// the transform, centred in `n_fft`.
fn wavelet(length: f64, cycles: f64, n_fft: usize) -> Vec<Complex<f64>> {
    let start = (-length / 2.0).floor();
    let samples = ((length / 2.0).floor() - start) as usize;
    // A turn a sample, instead of a sine and a cosine: a few hundred turns cost less than single
    // precision keeps.
    let turn = Complex::from_polar(1.0, TAU * cycles);
    let mut phase = Complex::from_polar(1.0, start * TAU * cycles);
    let signal: Vec<Complex<f64>> = hann(samples)
        .into_iter()
        .map(|weight| {
            let value = phase * weight;
            phase *= turn;
            value
        })
        .collect();
    let norm: f64 = signal.iter().map(|value| value.norm_sqr().sqrt()).sum();
    let single =
        |value: Complex<f64>| Complex::new(f64::from(value.re as f32), f64::from(value.im as f32));
    let mut padded = vec![Complex::default(); n_fft];
    for (slot, value) in padded[(n_fft - samples) / 2..].iter_mut().zip(&signal) {
        *slot = single(single(value / norm) * (length / n_fft as f64));
    }
    padded
}

/// Keeps the largest values that together make up all but [`SPARSITY`] of the summed magnitude.
fn sparse(spectrum: &[Complex<f64>], scale: f64) -> Filter {
    let magnitudes: Vec<f64> = spectrum
        .iter()
        .map(|value| value.norm_sqr().sqrt())
        .collect();
    let dropped = SPARSITY * magnitudes.iter().sum::<f64>();
    let threshold = magnitude_at(&mut magnitudes.clone(), dropped);
    let kept = |bin: &usize| magnitudes[*bin] >= threshold;
    let start = (0..spectrum.len()).find(kept).unwrap_or(0);
    let end = (start..spectrum.len())
        .rev()
        .find(kept)
        .map_or(start, |last| last + 1);
    let weight = |bin: usize| {
        if kept(&bin) {
            spectrum[bin] * scale
        } else {
            Complex::default()
        }
    };
    let single = |value: Complex<f64>| Complex::new(value.re as f32, value.im as f32);
    Filter {
        start,
        weights: (start..end).map(|bin| single(weight(bin))).collect(),
    }
}

/// The value at which the sum of all values up to it, in order of size, reaches `sum`: found by
/// halving, since most values are tiny and their order does not matter.
fn magnitude_at(values: &mut [f64], mut sum: f64) -> f64 {
    let mut values = values;
    while values.len() > 1 {
        let middle = values.len() / 2;
        let (below, _, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
        let smaller: f64 = below.iter().sum();
        if smaller >= sum {
            values = &mut values[..middle];
        } else {
            sum -= smaller;
            values = &mut values[middle..];
        }
    }
    values.first().copied().unwrap_or(f64::INFINITY)
}

/// The bins that the filters need: of one frame, and of a tile of frames.
#[derive(Debug, Default)]
struct Split {
    re: Vec<f32>,
    im: Vec<f32>,
    tile_re: Vec<f32>,
    tile_im: Vec<f32>,
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
    fn unpack_bins(packed: &[Complex<f32>], twiddles: &[Complex<f32>], bins: Range<usize>, re: &mut [f32], im: &mut [f32]) = unpack_bins_body
}

#[inline(always)]
fn unpack_bins_body<const FUSED: bool>(
    packed: &[Complex<f32>],
    twiddles: &[Complex<f32>],
    bins: Range<usize>,
    re: &mut [f32],
    im: &mut [f32],
) {
    let mirrored = packed[..packed.len() - bins.start].iter().rev();
    let values = packed[bins.clone()]
        .iter()
        .zip(mirrored)
        .zip(&twiddles[bins]);
    for ((re, im), ((value, mirrored), twiddle)) in re.iter_mut().zip(im).zip(values) {
        let value = unpack(*value, *mirrored, *twiddle);
        (*re, *im) = (value.re, value.im);
    }
}

impl Split {
    fn reset(&mut self, bins: usize) {
        for row in [&mut self.re, &mut self.im] {
            row.resize(bins, 0.0);
        }
        for tile in [&mut self.tile_re, &mut self.tile_im] {
            tile.clear();
            tile.resize(bins * LANES, 0.0);
        }
    }

    /// Takes one frame's packed spectrum into a lane of the tile.
    fn take(
        &mut self,
        (packed, twiddles): (&[Complex<f32>], &[Complex<f32>]),
        bins: Range<usize>,
        lane: usize,
    ) {
        unpack_bins(packed, twiddles, bins, &mut self.re, &mut self.im);
        for (row, tile) in [(&self.re, &mut self.tile_re), (&self.im, &mut self.tile_im)] {
            for (slot, value) in tile[lane..].iter_mut().step_by(LANES).zip(row) {
                *slot = *value;
            }
        }
    }
}

/// The magnitudes of the filters' responses to a tile of frames.
struct Respond<'a> {
    basis: &'a CqtBasis,
    split: &'a Split,
    out: &'a mut [f32],
}

impl WithSimd for Respond<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = parts(simd);
        let (re, im) = (
            vectors(simd, &self.split.tile_re),
            vectors(simd, &self.split.tile_im),
        );
        for (out, filter) in vectors_mut(simd, self.out)
            .chunks_exact_mut(parts)
            .zip(&self.basis.filters)
        {
            let start = (filter.start - self.basis.bins.start) * parts;
            for (part, out) in out.iter_mut().enumerate() {
                // Four sums, so that none of them waits for another.
                let [mut rr, mut ii, mut ri, mut ir] = [simd.splat_f32s(0.0); 4];
                let spectrum = re[start..]
                    .chunks_exact(parts)
                    .zip(im[start..].chunks_exact(parts));
                for (weight, (re, im)) in filter.weights.iter().zip(spectrum) {
                    let (weight_re, weight_im) =
                        (simd.splat_f32s(weight.re), simd.splat_f32s(weight.im));
                    rr = simd.mul_add_e_f32s(weight_re, re[part], rr);
                    ii = simd.mul_add_e_f32s(weight_im, im[part], ii);
                    ri = simd.mul_add_e_f32s(weight_re, im[part], ri);
                    ir = simd.mul_add_e_f32s(weight_im, re[part], ir);
                }
                let (re, im) = (simd.sub_f32s(rr, ii), simd.add_f32s(ri, ir));
                *out = simd.sqrt_f32s(simd.mul_add_e_f32s(re, re, simd.mul_f32s(im, im)));
            }
        }
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
    /// A transform over `octaves` octaves with `hop_length` samples between frames, which must be a
    /// multiple of 2^(octaves - 1).
    pub fn new(octaves: usize, hop_length: usize) -> Cqt {
        let (signal, halved, padded, split) = Default::default();
        Cqt {
            octaves,
            hop_length,
            transform: None,
            halver: Halver::new(),
            signal,
            halved,
            padded,
            split,
        }
    }

    /// The fewest samples that can be halved as often as the octaves ask while two are left to
    /// halve (librosa's own limit).
    pub fn shortest(&self) -> usize {
        match self.octaves {
            0 | 1 => 1,
            octaves => (1 << (octaves - 2)) + 1,
        }
    }

    /// Fills `magnitude` (frames of octaves times bins per octave, lowest first) for a signal of at
    /// least [`Cqt::shortest`] samples.
    pub fn magnitude(&mut self, signal: &[f32], basis: &CqtBasis, magnitude: &mut Tiles) {
        self.signal.clear();
        self.signal.extend_from_slice(signal);
        let frames = frame_count(signal.len(), self.hop_length);
        magnitude.reset(frames);
        for octave in 0..self.octaves {
            if octave > 0 {
                self.halver.process(&self.signal, &mut self.halved);
                std::mem::swap(&mut self.signal, &mut self.halved);
            }
            let mut padded = std::mem::take(&mut self.padded);
            pad_reflected(&self.signal, basis.n_fft / 2, &mut padded);
            self.octave(octave, &padded, basis, magnitude);
            self.padded = padded;
        }
        magnitude.clear_rest();
    }

    /// Writes the magnitudes of one octave, counted from the highest, of the frames that
    /// `magnitude` has room for. `padded` is the signal halved as often, or a stretch of it, from
    /// half an `n_fft` before the middle of the first frame on.
    pub fn octave(
        &mut self,
        octave: usize,
        padded: &[f32],
        basis: &CqtBasis,
        magnitude: &mut Tiles,
    ) {
        let (n_fft, frames, bins) = (basis.n_fft, magnitude.len(), basis.filters.len());
        let transform = match &mut self.transform {
            Some(transform) if transform.len() == n_fft => transform,
            other => other.insert(RealTransform::new(n_fft)),
        };
        self.split.reset(basis.bins.len());
        let hop_length = self.hop_length >> octave;
        let first_bin = bins * (self.octaves - 1 - octave);
        for (tile, first) in magnitude.tiles_mut().zip((0..).step_by(LANES)) {
            for lane in 0..LANES.min(frames - first) {
                pack(
                    &padded[(first + lane) * hop_length..][..n_fft],
                    transform.input(),
                );
                transform.run();
                self.split
                    .take(transform.spectrum(), basis.bins.clone(), lane);
            }
            Arch::new().dispatch(Respond {
                basis,
                split: &self.split,
                out: &mut tile[first_bin * LANES..][..bins * LANES],
            });
        }
    }

    /// A stretch of the signal of the next octave: see [`Halver::process`].
    pub fn halve(&mut self, signal: &[f32], halved: &mut Vec<f32>) {
        self.halver.process(signal, halved);
    }
}

/// Fills `chroma` (frames of 12 values) from constant-Q magnitudes: each class from C on takes the
/// bins nearest to it in every octave, and each frame is divided by its largest value.
pub fn fold_to_chroma(cqt: &Tiles, bins_per_octave: usize, chroma: &mut Tiles) {
    chroma.reset(cqt.len());
    Arch::new().dispatch(Fold {
        cqt,
        bins_per_octave,
        chroma,
    });
}

struct Fold<'a> {
    cqt: &'a Tiles,
    bins_per_octave: usize,
    chroma: &'a mut Tiles,
}

impl WithSimd for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = parts(simd);
        let merged = self.bins_per_octave / CLASSES;
        for (cqt, chroma) in self.cqt.tiles().zip(self.chroma.tiles_mut()) {
            let (cqt, chroma) = (vectors(simd, cqt), vectors_mut(simd, chroma));
            for part in 0..parts {
                let mut totals = [simd.splat_f32s(0.0); CLASSES];
                for (bin, value) in cqt.chunks_exact(parts).enumerate() {
                    let total = &mut totals[((bin + merged / 2) % self.bins_per_octave) / merged];
                    *total = simd.add_f32s(*total, value[part]);
                }
                normalize_peak(simd, &mut totals);
                for (chroma, total) in chroma.chunks_exact_mut(parts).zip(totals) {
                    chroma[part] = total;
                }
            }
        }
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
            let signal: Vec<f32> = (0..44100)
                .map(|t| (TAU * hz * t as f64 / 22050.0).sin() as f32)
                .collect();
            let mut cqt = Cqt::new(7, 512);
            let (mut magnitude, mut chroma) = (Tiles::new(252), Tiles::new(12));
            cqt.magnitude(&signal, &basis, &mut magnitude);
            assert_eq!(magnitude.len(), 87);
            let row = magnitude
                .to_frames()
                .rows()
                .nth(43)
                .map(<[f32]>::to_vec)
                .unwrap_or_default();
            let loudest = (0..252).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            assert_eq!(loudest, Some(bin), "{hz} Hz");
            fold_to_chroma(&magnitude, 36, &mut chroma);
            let chroma = chroma
                .to_frames()
                .rows()
                .nth(43)
                .map(<[f32]>::to_vec)
                .unwrap_or_default();
            assert!(
                chroma[9] == 1.0 && (0..12).all(|class| class == 9 || chroma[class] < 0.5),
                "{hz} Hz: {chroma:?}"
            );
        }
    }

    #[test]
    fn the_threshold_is_where_a_sorted_sum_arrives() {
        let values: Vec<f64> = (0..513).map(|i| f64::from(i * 7919 % 1009)).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for share in [0.001, 0.01, 0.3, 0.999] {
            let sum = share * values.iter().sum::<f64>();
            let mut cumulative = 0.0;
            let expected = sorted.iter().find(|value| {
                cumulative += **value;
                cumulative >= sum
            });
            assert_eq!(
                Some(&magnitude_at(&mut values.clone(), sum)),
                expected,
                "{share}"
            );
        }
        assert_eq!(magnitude_at(&mut [], 1.0), f64::INFINITY);
    }

    #[test]
    fn the_shortest_signal_is_librosa_s() {
        let mut cqt = Cqt::new(7, 512);
        assert_eq!(cqt.shortest(), 33);
        let mut magnitude = Tiles::new(252);
        cqt.magnitude(
            &[0.1; 33],
            &CqtBasis::new(22050.0, 36, 7, 0.2),
            &mut magnitude,
        );
        assert_eq!(magnitude.len(), 1);
        assert!(
            magnitude
                .to_frames()
                .values()
                .iter()
                .all(|value| value.is_finite())
        );
    }
}
