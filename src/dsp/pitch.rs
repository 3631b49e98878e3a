//! The fundamental frequency of a frame, by its autocorrelation.

use rustfft::num_complex::Complex;

use super::transform::{RealTransform, unpack};
use super::window::hann;

/// Range of voices, in Hz.
const LOWEST_HZ: f64 = 60.0;
const HIGHEST_HZ: f64 = 600.0;
/// What a peak costs for each octave below the highest: of peaks that are nearly as high, the one of the shortest period is the voice's.
const OCTAVE_COST: f64 = 0.01;
/// A frame with less energy than this has no peaks.
const SILENCE: f64 = 1e-12;
/// A correlation of one would be a frame without any noise.
const HIGHEST_PEAK: f64 = 0.9999;

/// What [`Pitch::estimate`] finds in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Voice {
    /// Fundamental frequency in Hz, whether the frame is voiced or not.
    pub f0: f64,
    /// Normalised autocorrelation at the period, from 0 (noise) to 1 (periodic).
    pub peak: f64,
}

/// Autocorrelation of windowed frames, divided by the window's own, so that the peaks of a periodic signal are all of the same height
/// (Boersma 1993).
pub struct Pitch {
    sample_rate: f64,
    window: Vec<f32>,
    /// The shortest period, in samples.
    first: usize,
    /// For each period of the range: 1 / the window's autocorrelation, and what a peak there costs.
    lags: Vec<(f64, f64)>,
    transform: RealTransform<f32>,
    power: Vec<f32>,
}

impl Pitch {
    /// For frames of `length` samples (even).
    pub fn new(sample_rate: f64, length: usize) -> Pitch {
        let window = hann(length);
        let (first, end) = ((sample_rate / HIGHEST_HZ) as usize, (sample_rate / LOWEST_HZ) as usize);
        let energy: f64 = window.iter().map(|w| w * w).sum();
        let of_window = |lag: usize| window.iter().zip(&window[lag..]).map(|(a, b)| a * b).sum::<f64>() / energy;
        let cost = |lag: usize| OCTAVE_COST * (lag as f64 / first as f64).log2();
        // So much longer than the frame that no period of the range wraps around.
        let size = (length + end).next_multiple_of(512);
        Pitch {
            sample_rate,
            first,
            lags: (first..end).map(|lag| (1.0 / of_window(lag), cost(lag))).collect(),
            window: window.into_iter().map(|w| w as f32).collect(),
            transform: RealTransform::new(size),
            power: vec![0.0; size / 2 + 1],
        }
    }

    /// The voice of a frame, which is taken as it stands in the signal: the window is applied here.
    pub fn estimate(&mut self, frame: &[f32]) -> Voice {
        let mean = (frame.iter().map(|x| f64::from(*x)).sum::<f64>() / frame.len() as f64) as f32;
        let input = self.transform.input();
        input.fill(Complex::new(0.0, 0.0));
        for ((slot, samples), window) in input.iter_mut().zip(frame.chunks_exact(2)).zip(self.window.chunks_exact(2)) {
            *slot = Complex::new(0.5 * (samples[0] - mean) * window[0], 0.5 * (samples[1] - mean) * window[1]);
        }
        self.transform.run();
        let (packed, twiddles) = self.transform.spectrum();
        for (((power, value), mirrored), twiddle) in self.power.iter_mut().zip(packed).zip(packed.iter().rev()).zip(twiddles) {
            *power = unpack(*value, *mirrored, *twiddle).norm_sqr();
        }
        // The power spectrum is even, so that its transform is the autocorrelation, but for a factor.
        let half = self.power.len() - 1;
        let even = |k: usize| 0.5 * self.power[if k > half { 2 * half - k } else { k }];
        for (i, slot) in self.transform.input().iter_mut().enumerate() {
            *slot = Complex::new(even(2 * i), even(2 * i + 1));
        }
        self.transform.run();
        self.highest()
    }

    /// The best period of the autocorrelation that the transform holds.
    fn highest(&self) -> Voice {
        let (packed, twiddles) = self.transform.spectrum();
        let half = packed.len() - 1;
        let raw = |lag: usize| f64::from(unpack(packed[lag], packed[half - lag], twiddles[lag]).re);
        let size = 2.0 * half as f64;
        let energy = (raw(0) / size).max(SILENCE) * size;
        let correlation = |i: usize| raw(self.first + i) / energy * self.lags[i].0;
        let (mut best, mut score) = (0, f64::NEG_INFINITY);
        for (i, (_, cost)) in self.lags.iter().enumerate() {
            let here = correlation(i) - cost;
            if here > score {
                (best, score) = (i, here);
            }
        }
        let peak = correlation(best).clamp(0.0, HIGHEST_PEAK);
        let middle = best.clamp(1, self.lags.len() - 2);
        let (before, at, after) = (correlation(middle - 1), correlation(middle), correlation(middle + 1));
        let bend = before - 2.0 * at + after;
        let shift = 0.5 * (before - after) / if bend.abs() < 1e-9 { 1.0 } else { bend };
        Voice { f0: self.sample_rate / ((self.first + middle) as f64 + shift.clamp(-1.0, 1.0)), peak }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(sample: impl Fn(f64) -> f64) -> Voice {
        let frame: Vec<f32> = (0..2048).map(|n| sample(f64::from(n) / 22_050.0) as f32).collect();
        Pitch::new(22_050.0, 2048).estimate(&frame)
    }

    fn harmonics(f0: f64, amplitudes: &[f64]) -> impl Fn(f64) -> f64 {
        move |t| amplitudes.iter().zip(1..).map(|(a, n)| a * (std::f64::consts::TAU * f0 * f64::from(n) * t).sin()).sum()
    }

    #[test]
    fn a_voice_has_its_pitch_whatever_its_strongest_harmonic() {
        for f0 in [75.3, 110.0, 220.7, 431.0] {
            for amplitudes in [[1.0, 0.5, 0.3, 0.2], [0.2, 1.0, 0.4, 0.1], [0.0, 0.5, 0.9, 0.7]] {
                let found = voice(harmonics(f0, &amplitudes));
                assert!((found.f0 / f0 - 1.0).abs() < 0.005 && found.peak > 0.97, "{f0} Hz {amplitudes:?}: {found:?}");
            }
        }
    }

    #[test]
    fn noise_silence_and_constants_have_none() {
        let mut state = 1u32;
        let noise: Vec<f64> = (0..2048)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 24) - 0.5
            })
            .collect();
        assert!(voice(|t| noise[(t * 22_050.0).round() as usize]).peak < 0.4);
        for found in [voice(|_| 0.0), voice(|_| 0.7), voice(|t| f64::from(u8::from(t == 0.0)))] {
            assert!(found.f0.is_finite() && found.f0 > 0.0 && (0.0..=1.0).contains(&found.peak), "{found:?}");
        }
        assert_eq!(voice(|_| 0.0).peak, 0.0);
    }
}
