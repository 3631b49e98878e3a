//! The short-time Fourier transform that MFCC, mel, chroma and spectral contrast share, and how a
//! signal is cut into its frames and transformed.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

use crate::audio::simd::{dispatch, multiply_add};

use super::tiles::Tiles;

/// Magnitudes of a centred, reflect-padded, Hann-windowed short-time Fourier transform.
///
/// The transform runs in double precision and its values are then rounded to single, as numpy's FFT
/// under librosa 0.8.1 does: a single-precision transform would drown what lies 105 dB below the
/// rest.
pub struct Stft {
    hop_length: usize,
    /// Half the window, as [`RealTransform`] takes its input.
    window: Vec<f64>,
    transform: RealTransform<f64>,
    padded: Vec<f32>,
    row: Vec<f32>,
}

impl Stft {
    /// A transform of `n_fft` samples (even) every `hop_length` samples.
    pub fn new(n_fft: usize, hop_length: usize) -> Stft {
        let window = hann(n_fft).iter().map(|weight| 0.5 * weight).collect();
        Stft {
            hop_length,
            window,
            transform: RealTransform::new(n_fft),
            padded: Vec::new(),
            row: vec![0.0; n_fft / 2 + 1],
        }
    }

    /// Bins per frame: `n_fft / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// Fills `magnitude` (frames of [`Stft::bins`] values) with the magnitudes of a signal of at
    /// least one sample, and hands each frame's to `look` on the way.
    pub fn magnitude(
        &mut self,
        signal: &[f32],
        magnitude: &mut Tiles,
        mut look: impl FnMut(&[f32]),
    ) {
        magnitude.reset(frame_count(signal.len(), self.hop_length));
        self.frames(signal, 0..magnitude.len(), magnitude, |_, row| look(row));
    }

    /// Computes some of the frames of `magnitude` anew, from the same signal with other samples
    /// there, and hands each with its number to `look`.
    pub fn frames(
        &mut self,
        signal: &[f32],
        frames: impl Iterator<Item = usize>,
        magnitude: &mut Tiles,
        mut look: impl FnMut(usize, &[f32]),
    ) {
        let mut padded = std::mem::take(&mut self.padded);
        pad_reflected(signal, self.window.len() / 2, &mut padded);
        self.padded_frames(&padded, frames, magnitude, &mut look);
        self.padded = padded;
    }

    /// As [`Stft::frames`], of a signal that is padded already, or of a stretch of one.
    pub fn padded_frames(
        &mut self,
        padded: &[f32],
        frames: impl Iterator<Item = usize>,
        magnitude: &mut Tiles,
        mut look: impl FnMut(usize, &[f32]),
    ) {
        let n_fft = self.window.len();
        for frame in frames {
            pack(
                &padded[frame * self.hop_length..][..n_fft],
                &self.window,
                self.transform.input(),
            );
            self.transform.run();
            absolute(self.transform.spectrum(), &mut self.row);
            look(frame, &self.row);
            magnitude.set(frame, self.row.iter().copied());
        }
    }
}

dispatch! {
    fn pack(samples: &[f32], window: &[f64], packed: &mut [Complex<f64>]) = pack_body
}

#[inline(always)]
fn pack_body<const FUSED: bool>(samples: &[f32], window: &[f64], packed: &mut [Complex<f64>]) {
    for ((slot, samples), window) in packed
        .iter_mut()
        .zip(samples.chunks_exact(2))
        .zip(window.chunks_exact(2))
    {
        *slot = Complex::new(
            f64::from(samples[0]) * window[0],
            f64::from(samples[1]) * window[1],
        );
    }
}

dispatch! {
    /// In single precision and by the formula that numpy vectorises: the last bit decides which of
    /// two nearly equal neighbours is a peak, and by that the tuning.
    fn absolute(spectrum: (&[Complex<f64>], &[Complex<f64>]), magnitude: &mut [f32]) = absolute_body
}

#[inline(always)]
fn absolute_body<const FUSED: bool>(
    (packed, twiddles): (&[Complex<f64>], &[Complex<f64>]),
    magnitude: &mut [f32],
) {
    let mirrored = packed.iter().rev();
    for (((magnitude, value), mirrored), twiddle) in
        magnitude.iter_mut().zip(packed).zip(mirrored).zip(twiddles)
    {
        let value = unpack(*value, *mirrored, *twiddle);
        let (re, im) = ((value.re as f32).abs(), (value.im as f32).abs());
        let (larger, smaller) = (if re > im { re } else { im }, if re > im { im } else { re });
        let ratio = smaller / if larger > 0.0 { larger } else { 1.0 };
        *magnitude = larger * multiply_add::<FUSED>(ratio, ratio, 1.0).sqrt();
    }
}

/// Frames of a centred transform: one more than there are whole hops in the signal.
pub fn frame_count(samples: usize, hop_length: usize) -> usize {
    1 + samples / hop_length
}

/// Overwrites `padded` with the signal between `pad` reflected samples on each side (the edge
/// sample is not repeated).
///
/// A signal shorter than the padding is reflected back and forth, as numpy does; a single sample is
/// repeated.
pub fn pad_reflected(signal: &[f32], pad: usize, padded: &mut Vec<f32>) {
    padded.clear();
    let Some(last) = signal.len().checked_sub(1) else {
        return;
    };
    let period = (2 * last).max(1);
    let at = |index: isize| {
        let folded = index.rem_euclid(period as isize) as usize;
        signal[if folded > last {
            period - folded
        } else {
            folded
        }]
    };
    padded.extend((-(pad as isize)..0).map(at));
    padded.extend_from_slice(signal);
    padded.extend((signal.len() as isize..(signal.len() + pad) as isize).map(at));
}

/// A plan with its buffers for real signals of one even length.
pub(super) struct RealTransform<T> {
    plan: Arc<dyn Fft<T>>,
    /// exp(-2 pi i k / n) for k from 0 to n / 2.
    twiddles: Vec<Complex<T>>,
    /// Half as many complex values as the signal has samples, and one more that repeats the first
    /// after the transform.
    packed: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: FftNum> RealTransform<T> {
    pub(super) fn new(length: usize) -> RealTransform<T> {
        let half = length / 2;
        let plan = FftPlanner::new().plan_fft_forward(half);
        let zero = Complex::new(T::zero(), T::zero());
        let turn = |k: usize| -std::f64::consts::TAU * k as f64 / length as f64;
        let single = |value: f64| T::from_f64(value).unwrap_or_else(T::zero);
        let twiddles = (0..=half)
            .map(|k| Complex::new(single(turn(k).cos()), single(turn(k).sin())))
            .collect();
        RealTransform {
            twiddles,
            packed: vec![zero; half + 1],
            scratch: vec![zero; plan.get_inplace_scratch_len()],
            plan,
        }
    }

    /// Samples per transform.
    pub(super) fn len(&self) -> usize {
        2 * (self.packed.len() - 1)
    }

    /// Where the signal goes: even samples as real parts, odd ones as imaginary parts. All of them
    /// at half their value.
    pub(super) fn input(&mut self) -> &mut [Complex<T>] {
        let half = self.packed.len() - 1;
        &mut self.packed[..half]
    }

    /// Transforms the input; [`unpack`] makes bin `k` of the result's values `k` and `n / 2 - k`.
    pub(super) fn run(&mut self) {
        let half = self.packed.len() - 1;
        self.plan
            .process_with_scratch(&mut self.packed[..half], &mut self.scratch);
        self.packed[half] = self.packed[0];
    }

    /// The packed spectrum and the twiddle factors, both for k from 0 to n / 2.
    pub(super) fn spectrum(&self) -> (&[Complex<T>], &[Complex<T>]) {
        (&self.packed, &self.twiddles)
    }
}

/// Bin `k` of a real signal's spectrum from the packed spectrum's values `k` and `n / 2 - k` and
/// the twiddle factor `k`.
#[inline(always)]
pub(super) fn unpack<T: FftNum>(
    value: Complex<T>,
    mirrored: Complex<T>,
    twiddle: Complex<T>,
) -> Complex<T> {
    let (even_re, even_im) = (value.re + mirrored.re, value.im - mirrored.im);
    let (odd_re, odd_im) = (value.im + mirrored.im, mirrored.re - value.re);
    Complex::new(
        even_re + (twiddle.re * odd_re - twiddle.im * odd_im),
        even_im + (twiddle.re * odd_im + twiddle.im * odd_re),
    )
}

/// The periodic Hann window of `length` samples (`scipy.signal.get_window("hann", length)`).
pub fn hann(length: usize) -> Vec<f64> {
    (0..length)
        .map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / length as f64).cos())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_in_the_middle_of_a_bin_gives_the_window_s_gain() {
        let signal: Vec<f32> = (0..8192)
            .map(|t| (std::f64::consts::TAU * 32.0 * t as f64 / 2048.0).cos() as f32)
            .collect();
        let mut stft = Stft::new(2048, 512);
        let mut magnitude = Tiles::new(stft.bins());
        stft.magnitude(&signal, &mut magnitude, |_| {});
        let magnitude = magnitude.to_frames();
        assert_eq!((magnitude.len(), magnitude.width()), (17, 1025));
        let row = magnitude
            .rows()
            .nth(8)
            .map(<[f32]>::to_vec)
            .unwrap_or_default();
        assert!(
            (row[32] - 512.0).abs() < 1e-3
                && (row[31] - 256.0).abs() < 1e-3
                && (row[33] - 256.0).abs() < 1e-3
        );
        assert!(
            row.iter()
                .enumerate()
                .all(|(bin, value)| bin.abs_diff(32) < 2 || *value < 1e-3)
        );
    }

    #[test]
    fn an_impulse_is_flat() {
        let mut signal = vec![0.0; 4096];
        signal[2048] = 2.0;
        let mut stft = Stft::new(2048, 512);
        let mut magnitude = Tiles::new(stft.bins());
        stft.magnitude(&signal, &mut magnitude, |_| {});
        let magnitude = magnitude.to_frames();
        assert!(
            magnitude
                .rows()
                .nth(4)
                .is_some_and(|row| row.iter().all(|value| (value - 2.0).abs() < 1e-5))
        );
    }

    fn padded(signal: &[f32], pad: usize) -> Vec<f32> {
        let mut out = vec![9.0];
        pad_reflected(signal, pad, &mut out);
        out
    }

    #[test]
    fn reflection_does_not_repeat_the_edge() {
        assert_eq!(
            padded(&[1.0, 2.0, 3.0, 4.0], 2),
            [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0]
        );
    }

    #[test]
    fn short_signals_are_reflected_back_and_forth() {
        assert_eq!(
            padded(&[1.0, 2.0, 3.0], 5),
            [
                2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0
            ]
        );
        assert_eq!(
            padded(&[1.0, 2.0], 3),
            [2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0]
        );
        assert_eq!(padded(&[5.0], 2), [5.0; 5]);
        assert!(padded(&[], 2).is_empty());
    }

    #[test]
    fn bins_equal_the_definition() {
        let signal: Vec<f64> = (0..16).map(|n| ((n * 7 % 16) as f64).sin()).collect();
        let mut transform = RealTransform::<f64>::new(16);
        for (slot, pair) in transform.input().iter_mut().zip(signal.chunks_exact(2)) {
            *slot = Complex::new(0.5 * pair[0], 0.5 * pair[1]);
        }
        transform.run();
        let (packed, twiddles) = transform.spectrum();
        for k in 0..=8 {
            let value = unpack(packed[k], packed[8 - k], twiddles[k]);
            let expected: Complex<f64> = signal
                .iter()
                .enumerate()
                .map(|(n, x)| {
                    Complex::from_polar(*x, -std::f64::consts::TAU * (n * k) as f64 / 16.0)
                })
                .sum();
            assert!((value - expected).norm() < 1e-14, "{k}: {value} {expected}");
        }
    }

    #[test]
    fn hann_is_periodic_and_sums_to_half_its_length() {
        let window = hann(8);
        assert_eq!(window[0], 0.0);
        assert!((window[4] - 1.0).abs() < 1e-15);
        assert!((1..8).all(|n| (window[n] - window[8 - n]).abs() < 1e-15));
        assert!((hann(2048).iter().sum::<f64>() - 1024.0).abs() < 1e-9);
        // Shifted copies a half apart add up to one.
        assert!((0..4).all(|n| (window[n] + window[n + 4] - 1.0).abs() < 1e-15));
    }
}
