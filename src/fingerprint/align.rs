//! Whether two sounds are the same but for a shift and a factor.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::sketch::RATE;

/// Similarity from which two recordings count as the same sound. Of RAVDESS, no two different
/// recordings come above 0.55, however alike the takes; copies at other rates, levels and depths,
/// padded, trimmed, or out of an MP3 of 32 kbit/s come to 0.92 and more.
pub const SAME: f64 = 0.75;

/// The frequencies (Hz) that are compared: hum and rumble of a room are the same in all its
/// recordings.
const LOWEST_HZ: f64 = 200.0;
const HIGHEST_HZ: f64 = 3_400.0;

/// How alike two sounds are at the shift at which they fit best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Magnitude of the normalised cross-correlation, from 0 to 1; its square is the share of
    /// either's power that the other explains.
    pub similarity: f64,
    /// Seconds by which the first sound is late against the second.
    pub lag_s: f64,
}

/// Compares sounds; keep it for the next pair.
pub struct Aligner {
    planner: FftPlanner<f32>,
}

impl Default for Aligner {
    fn default() -> Self {
        Aligner {
            planner: FftPlanner::new(),
        }
    }
}

impl Aligner {
    /// The likeness of two sounds at [`RATE`] between 200 and 3400 Hz, over all shifts; 0 where
    /// either is silent there.
    pub fn likeness(&mut self, a: &[f32], b: &[f32]) -> Likeness {
        let n = (a.len() + b.len()).next_power_of_two().max(2);
        // Both in one transform, as real and imaginary part: at one level, or the rounding of the
        // louder would pass for the other.
        let level = |signal: &[f32]| {
            signal
                .iter()
                .map(|x| f64::from(*x) * f64::from(*x))
                .sum::<f64>()
                .sqrt() as f32
        };
        let (level_a, level_b) = (level(a), level(b));
        if !(level_a > 0.0 && level_b > 0.0) {
            return Likeness {
                similarity: 0.0,
                lag_s: 0.0,
            };
        }
        let at = |signal: &[f32], i: usize| signal.get(i).copied().unwrap_or_default();
        let mut both: Vec<Complex<f32>> = (0..n)
            .map(|i| Complex::new(at(a, i) / level_a, at(b, i) / level_b))
            .collect();
        self.planner.plan_fft_forward(n).process(&mut both);
        let bin = |hz: f64| (hz * n as f64 / f64::from(RATE)).round() as usize;
        let mut cross = vec![Complex::new(0.0f32, 0.0); n];
        let (mut power_a, mut power_b) = (0.0f64, 0.0f64);
        for k in bin(LOWEST_HZ).max(1)..bin(HIGHEST_HZ).min(n / 2) {
            let (one, mirrored) = (both[k], both[n - k].conj());
            let (x, y) = (
                (one + mirrored) * 0.5,
                (one - mirrored) * Complex::new(0.0, -0.5),
            );
            power_a += 2.0 * f64::from(x.norm_sqr());
            power_b += 2.0 * f64::from(y.norm_sqr());
            cross[k] = x * y.conj();
            cross[n - k] = cross[k].conj();
        }
        self.planner.plan_fft_inverse(n).process(&mut cross);
        let peak = (0..n)
            .max_by(|&i, &j| {
                cross[i]
                    .re
                    .abs()
                    .total_cmp(&cross[j].re.abs())
                    .then(j.cmp(&i))
            })
            .unwrap_or_default();
        let scale = (power_a * power_b).sqrt();
        let similarity = if scale > 0.0 {
            (f64::from(cross[peak].re.abs()) / scale).min(1.0)
        } else {
            0.0
        };
        let lag = if peak < a.len() {
            peak as f64
        } else {
            peak as f64 - n as f64
        };
        Likeness {
            similarity,
            lag_s: lag / f64::from(RATE),
        }
    }
}
