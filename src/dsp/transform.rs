//! The Fourier transform of a real signal through a complex one of half the length, and its window.
//!
//! The last step, which unpacks the two interleaved halves, is left to the callers: one takes
//! magnitudes on the way, another needs only some of the bins.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

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
