//! Halving the sampling rate, as the constant-Q transform does between its octaves.

use super::sinc::{STEPS_PER_CROSSING, SincTable};
use crate::audio::simd::{dispatch, multiply_add};

/// Outputs that are computed together.
const LANES: usize = 32;

/// Low-pass (resampy's `kaiser_fast`) and decimation by two, with the output scaled by sqrt(2) to
/// keep its energy.
#[derive(Debug)]
pub struct Halver {
    /// Weights of the samples at even distances from the output, farthest in the past first; then
    /// those at odd distances.
    even: Vec<f32>,
    odd: Vec<f32>,
    /// The two interleaved halves of the input with zeros around them.
    even_samples: Vec<f32>,
    odd_samples: Vec<f32>,
}

impl Default for Halver {
    fn default() -> Self {
        Halver::new()
    }
}

impl Halver {
    /// The filter of 63 taps.
    pub fn new() -> Halver {
        let gain = 0.5 / 0.5f64.sqrt();
        let wing: Vec<f32> = SincTable::kaiser_fast()
            .wing(0.0, STEPS_PER_CROSSING / 2, gain)
            .map(|weight| weight as f32)
            .collect();
        let reach = wing.len() as isize - 1;
        let weights = |parity: isize| {
            (-reach..=reach)
                .filter(|offset| offset.rem_euclid(2) == parity)
                .map(|offset| wing[offset.unsigned_abs()])
                .collect()
        };
        Halver {
            even: weights(0),
            odd: weights(1),
            even_samples: Vec::new(),
            odd_samples: Vec::new(),
        }
    }

    /// Writes `ceil(n / 2)` samples for the `n` of `input`; for odd `n` the last one is zero, as
    /// librosa's length fix leaves it.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let filtered = input.len() / 2;
        // Output t needs the even samples t - even/2 ..= t + even/2 and the odd ones t - odd/2 .. t
        // + odd/2.
        let pad = self.odd.len() / 2;
        for (buffer, skip, before) in [
            (&mut self.even_samples, 0, self.even.len() / 2),
            (&mut self.odd_samples, 1, pad),
        ] {
            buffer.clear();
            buffer.resize(before, 0.0);
            buffer.extend(input.iter().skip(skip).step_by(2));
            buffer.resize(filtered.next_multiple_of(LANES) + 2 * pad + 1, 0.0);
        }
        output.clear();
        output.resize(filtered.next_multiple_of(LANES), 0.0);
        filter(
            &self.even_samples,
            &self.even,
            &self.odd_samples,
            &self.odd,
            output,
        );
        output.truncate(filtered);
        output.resize(input.len().div_ceil(2), 0.0);
    }
}

dispatch! {
    fn filter(even_samples: &[f32], even: &[f32], odd_samples: &[f32], odd: &[f32], output: &mut [f32]) = filter_body
}

#[inline(always)]
fn filter_body<const FUSED: bool>(
    even_samples: &[f32],
    even: &[f32],
    odd_samples: &[f32],
    odd: &[f32],
    output: &mut [f32],
) {
    for (block, output) in output.chunks_exact_mut(LANES).enumerate() {
        let mut totals = [0.0f32; LANES];
        for (samples, weights) in [(even_samples, even), (odd_samples, odd)] {
            let samples = &samples[block * LANES..][..LANES + weights.len() - 1];
            for (window, weight) in samples.windows(LANES).zip(weights) {
                for (total, sample) in totals.iter_mut().zip(window) {
                    *total = multiply_add::<FUSED>(*weight, *sample, *total);
                }
            }
        }
        output.copy_from_slice(&totals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impulse_returns_the_taps_at_even_distances() {
        let mut halver = Halver::new();
        assert_eq!((halver.even.len(), halver.odd.len()), (31, 32));
        let mut input = vec![0.0; 200];
        input[100] = 1.0;
        let mut output = Vec::new();
        halver.process(&input, &mut output);
        assert_eq!(output.len(), 100);
        assert_eq!(&output[35..66], halver.even.as_slice());
        assert!(output[..35].iter().chain(&output[66..]).all(|v| *v == 0.0));
        // An odd sample reaches the outputs on both sides symmetrically.
        input[100] = 0.0;
        input[101] = 1.0;
        halver.process(&input, &mut output);
        assert_eq!(output[50], output[51]);
        assert_eq!(output[35], output[66]);
        assert_eq!(output[50], halver.odd[16]);
    }

    #[test]
    fn a_low_tone_keeps_its_energy_and_odd_lengths_end_in_zero() {
        let input: Vec<f32> = (0..4001).map(|t| (t as f32 * 0.05).sin()).collect();
        let mut output = Vec::new();
        Halver::new().process(&input, &mut output);
        assert_eq!(output.len(), 2001);
        assert_eq!(output[2000], 0.0);
        for (t, value) in output.iter().enumerate().skip(100).take(1800) {
            let expected = (2.0 * t as f32 * 0.05).sin() * 2f32.sqrt();
            assert!((value - expected).abs() < 2e-3, "{t}: {value} {expected}");
        }
    }

    #[test]
    fn short_inputs_are_accepted() {
        let mut output = vec![1.0];
        let mut halver = Halver::new();
        for (samples, expected) in [(0, 0), (1, 1), (2, 1), (3, 2)] {
            halver.process(&vec![1.0; samples], &mut output);
            assert_eq!(output.len(), expected);
        }
    }
}
