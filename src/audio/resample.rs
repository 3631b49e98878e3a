//! Sampling-rate conversion as resampy 0.2.2 does it with its filter `kaiser_best`, and librosa 0.8.1 around it.
//!
//! Rounding included: each output is summed tap after tap in single precision. That looks like a detail and is not: what an up-sampled
//! recording holds above its old Nyquist frequency is this rounding, and spectral contrast takes its logarithm.

mod clock;
mod decimate;
mod halve;
mod polyphase;
mod sinc;

pub use halve::Halver;

use decimate::Decimator;
use polyphase::Polyphase;
use sinc::{STEPS_PER_CROSSING, SincTable};

/// The most phases for which weights are tabulated; 441 serve 8, 16 and 32 kHz, 147 serve 48, 96 and 192 kHz (to 22 050 Hz).
const MOST_PHASES: usize = 1024;

/// Converts mono signals from one sampling rate to another. Building one is worth a few milliseconds, so keep it for the next file.
#[derive(Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Unchanged,
    Decimator(Decimator),
    Polyphase(Polyphase),
    Direct,
}

impl Resampler {
    /// A converter between two sampling rates in Hz; a rate of zero is taken as 1 Hz.
    pub fn new(from_hz: u32, to_hz: u32) -> Resampler {
        let (from_hz, to_hz) = (from_hz.max(1), to_hz.max(1));
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let (phases, advance) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        let (ratio, table) = (ratio(from_hz, to_hz), SincTable::kaiser_best());
        let form = if from_hz == to_hz {
            Form::Unchanged
        } else if phases > MOST_PHASES || advance > 16 * MOST_PHASES {
            Form::Direct
        } else if ratio < 1.0 {
            Form::Decimator(Decimator::new(phases, advance, ratio, table))
        } else {
            Form::Polyphase(Polyphase::new(phases, advance, ratio, table))
        };
        Resampler { from_hz, to_hz, form }
    }

    /// The rate of the input in Hz.
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The rate of the output in Hz.
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// The samples at the new rate: `ceil(n * to / from)` of them, of which the last may be a zero that evens out the length.
    pub fn process(&mut self, samples: &[f32]) -> Vec<f32> {
        let mut output = Vec::new();
        self.process_into(samples, &mut output);
        output
    }

    /// As [`Resampler::process`], into a buffer that is overwritten.
    pub fn process_into(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        output.clear();
        if let Form::Unchanged = self.form {
            output.extend_from_slice(samples);
            return;
        }
        let length = samples.len() as f64 * ratio(self.from_hz, self.to_hz);
        output.resize(length as usize, 0.0);
        match &mut self.form {
            Form::Decimator(decimator) => decimator.process(samples, output),
            Form::Polyphase(polyphase) => polyphase.process(samples, output),
            _ => direct(samples, output, ratio(self.from_hz, self.to_hz)),
        }
        output.resize(length.ceil() as usize, 0.0);
    }
}

fn ratio(from_hz: u32, to_hz: u32) -> f64 {
    f64::from(to_hz) / f64::from(from_hz)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The filter evaluated anew for each output: any ratio, several times slower.
fn direct(samples: &[f32], output: &mut [f32], ratio: f64) {
    let table = SincTable::kaiser_best();
    let scale = ratio.min(1.0);
    // Down to 1 when more than 512 input samples go into one output.
    let step = ((scale * STEPS_PER_CROSSING as f64) as usize).max(1);
    let increment = 1.0 / ratio;
    let mut time = 0.0;
    for slot in output {
        let first = (time as usize).min(samples.len());
        let fraction = scale * (time - first as f64);
        let (before, after) = samples.split_at((first + 1).min(samples.len()));
        let left = table.wing(fraction * STEPS_PER_CROSSING as f64, step, scale);
        let right = table.wing((scale - fraction).max(0.0) * STEPS_PER_CROSSING as f64, step, scale);
        let mut sum = 0.0f32;
        for (weight, sample) in left.zip(before.iter().rev()).chain(right.zip(after)) {
            sum = (f64::from(sum) + weight * f64::from(*sample)) as f32;
        }
        *slot = sum;
        time += increment;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn polyphase_equals_the_direct_form() {
        for from_hz in [8000, 11025, 16000, 44100, 48000, 96000, 384_000, 1000] {
            let samples = noise(from_hz as usize / 7 + 3);
            let mut resampler = Resampler::new(from_hz, 22050);
            assert!(matches!(resampler.form, Form::Polyphase(_) | Form::Decimator(_)), "{from_hz}");
            let fast = resampler.process(&samples);
            let mut slow = vec![0.0; (samples.len() as f64 * ratio(from_hz, 22050)) as usize];
            direct(&samples, &mut slow, ratio(from_hz, 22050));
            let unequal = slow.iter().zip(&fast).filter(|(a, b)| a != b).count();
            let worst = slow.iter().zip(&fast).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let sampled_up = from_hz < 22050;
            assert!(!sampled_up || unequal * 500 <= slow.len(), "{from_hz}: {unequal} of {} differ", slow.len());
            assert!(worst < 2e-6, "{from_hz}: {worst}");
        }
    }

    #[test]
    fn a_tone_keeps_frequency_and_level() {
        for from_hz in [16000u32, 44101, 48000] {
            let tone = |rate: u32, t: usize| (440.0 * std::f64::consts::TAU * t as f64 / f64::from(rate)).sin();
            let samples: Vec<f32> = (0..from_hz as usize).map(|t| tone(from_hz, t) as f32).collect();
            let output = Resampler::new(from_hz, 22050).process(&samples);
            assert_eq!(output.len(), 22050);
            for (t, value) in output.iter().enumerate().take(21000).skip(1000) {
                // The truncated step into the table costs the accuracy here: 235 instead of 235.2 for 48 kHz.
                assert!((f64::from(*value) - tone(22050, t)).abs() < 3e-3, "{from_hz} at {t}: {value}");
            }
        }
    }

    #[test]
    fn lengths_are_rounded_up() {
        for (from_hz, samples, expected) in [(48000, 1, 1), (48000, 3, 2), (16000, 5, 7), (44100, 3, 2), (22050, 9, 9), (44101, 0, 0)] {
            assert_eq!(Resampler::new(from_hz, 22050).process(&noise(samples)).len(), expected, "{samples} samples at {from_hz} Hz");
        }
    }

    #[test]
    fn silence_stays_silent_and_no_rate_panics() {
        for from_hz in [0, 1, 7, 1000, 44101, u32::MAX] {
            let output = Resampler::new(from_hz, 22050).process(&[0.0; 50]);
            assert!(output.iter().all(|v| *v == 0.0));
        }
    }
}
