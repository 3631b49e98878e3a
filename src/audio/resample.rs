//! Sampling-rate conversion as resampy 0.2.2 does it with its filter `kaiser_best`, and librosa
//! 0.8.1 around it.
//!
//! Rounding included: each output is summed tap after tap in single precision. That looks like a
//! detail and is not: what an up-sampled recording holds above its old Nyquist frequency is this
//! rounding, and spectral contrast takes its logarithm. A rate that goes down is served by a faster
//! form whose last bits differ now and then; where those matter, [`Resampler::exactly`] computes a
//! stretch anew.

mod decimate;
mod halve;
mod polyphase;
mod sinc;

pub use halve::Halver;

use std::ops::Range;

use decimate::Decimator;
use polyphase::Polyphase;
use sinc::{STEPS_PER_CROSSING, SincTable};

/// A stretch of a recording that is too long to be held: its samples from number `start` on.
/// Outside of it there are zeros.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// The samples.
    pub samples: &'a [f32],
    /// The number of the first of them.
    pub start: usize,
}

/// The most phases for which weights are tabulated; 441 serve 8, 16 and 32 kHz, 147 serve 48, 96
/// and 192 kHz (to 22 050 Hz).
const MOST_PHASES: usize = 1024;

/// Converts mono signals from one sampling rate to another. Building one is worth a few
/// milliseconds, so keep it for the next file.
#[derive(Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    form: Form,
    /// For [`Resampler::exactly`], made when it is first asked for.
    exact: Option<Polyphase>,
    /// The next output of the direct form, and its time.
    next: (usize, f64),
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
        let (phases, advance) = lowest_terms(from_hz, to_hz);
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
        Resampler {
            from_hz,
            to_hz,
            form,
            exact: None,
            next: (0, 0.0),
        }
    }

    /// The rate of the input in Hz.
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The samples at the new rate: `ceil(n * to / from)` of them, of which the last may be a zero
    /// that evens out the length.
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
        let whole = Stretch { samples, start: 0 };
        match &mut self.form {
            Form::Decimator(decimator) => decimator.process(whole, 0, output),
            Form::Polyphase(polyphase) => polyphase.process(whole, 0, output),
            _ => drop(direct(whole, 0.0, output, ratio(self.from_hz, self.to_hz))),
        }
        output.resize(length.ceil() as usize, 0.0);
    }

    /// How many samples at the new rate there are of so many.
    pub fn length(&self, samples: usize) -> usize {
        match self.form {
            Form::Unchanged => samples,
            _ => (samples as f64 * ratio(self.from_hz, self.to_hz)).ceil() as usize,
        }
    }

    /// Stretches of the output have to begin at a multiple of this.
    pub fn unit(&self) -> usize {
        match &self.form {
            Form::Decimator(decimator) => decimator.unit(),
            _ => 1,
        }
    }

    /// The samples that a stretch of the output is made of, of a recording of `total`.
    pub fn inputs(&self, output: Range<usize>, total: usize) -> Range<usize> {
        let ratio = ratio(self.from_hz, self.to_hz);
        let reach = SincTable::kaiser_best().taps(step(ratio.min(1.0))) + 4;
        let at = |output: usize| (output as f64 / ratio) as usize;
        at(output.start).saturating_sub(reach).min(total)..(at(output.end) + reach).min(total)
    }

    /// The samples at the new rate from number `first` on, a multiple of [`Resampler::unit`], of a
    /// recording of `total` samples: the same bits as [`Resampler::process`]. `input` has to hold
    /// [`Resampler::inputs`]. Stretches one after the other take the least time.
    pub fn stretch(&mut self, input: Stretch, total: usize, first: usize, output: &mut [f32]) {
        if let Form::Unchanged = self.form {
            output.copy_from_slice(&input.samples[first - input.start..][..output.len()]);
            return;
        }
        let ratio = ratio(self.from_hz, self.to_hz);
        let (inside, beyond) = output.split_at_mut(
            ((total as f64 * ratio) as usize)
                .saturating_sub(first)
                .min(output.len()),
        );
        beyond.fill(0.0);
        match &mut self.form {
            Form::Decimator(decimator) => {
                decimator.follow(first + inside.len());
                decimator.process(input, first, inside);
            }
            Form::Polyphase(polyphase) => {
                polyphase.follow(first + inside.len());
                polyphase.process(input, first, inside);
            }
            _ => {
                if self.next.0 != first {
                    // The times are sums, whose rounding counts.
                    self.next = (first, (0..first).fold(0.0, |time, _| time + 1.0 / ratio));
                }
                self.next = (
                    first + inside.len(),
                    direct(input, self.next.1, inside, ratio),
                );
            }
        }
    }

    /// Whether [`Resampler::exactly`] computes anything.
    pub fn has_exact_form(&self) -> bool {
        matches!(self.form, Form::Decimator(_))
    }

    /// Computes the samples at the new rate from number `first` on anew, with sums that are rounded
    /// as resampy rounds them, where [`Resampler::process`] takes the faster form: a rate that goes
    /// down. Whether it does; `output` stays as it is otherwise.
    ///
    /// Of hundreds of samples the last bit of one may still be another, where that of a weight
    /// decides it.
    pub fn exactly(&mut self, samples: &[f32], first: usize, output: &mut [f32]) -> bool {
        self.exactly_of(Stretch { samples, start: 0 }, samples.len(), first, output)
    }

    /// [`Resampler::exactly`] of a stretch of a recording of `total` samples, which has to hold
    /// [`Resampler::inputs`].
    pub fn exactly_of(
        &mut self,
        input: Stretch,
        total: usize,
        first: usize,
        output: &mut [f32],
    ) -> bool {
        let Form::Decimator(_) = self.form else {
            return false;
        };
        let ratio = ratio(self.from_hz, self.to_hz);
        let (phases, advance) = lowest_terms(self.from_hz, self.to_hz);
        let exact = self.exact.get_or_insert_with(|| {
            Polyphase::new(phases, advance, ratio, SincTable::kaiser_best())
        });
        let length = (total as f64 * ratio) as usize;
        let (inside, beyond) = output.split_at_mut(length.saturating_sub(first).min(output.len()));
        exact.follow(first + inside.len());
        exact.process(input, first, inside);
        beyond.fill(0.0);
        true
    }
}

/// Outputs of a block, and the inputs that it advances by.
fn lowest_terms(from_hz: u32, to_hz: u32) -> (usize, usize) {
    let divisor = greatest_common_divisor(from_hz, to_hz);
    ((to_hz / divisor) as usize, (from_hz / divisor) as usize)
}

fn ratio(from_hz: u32, to_hz: u32) -> f64 {
    f64::from(to_hz) / f64::from(from_hz)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// Steps into the table from one input sample to the next: down to 1 when more than 512 of them go
/// into one output.
fn step(scale: f64) -> usize {
    ((scale * STEPS_PER_CROSSING as f64) as usize).max(1)
}

/// The filter evaluated anew for each output: any ratio, several times slower. The first output is
/// at `time`; returns that of the next.
fn direct(
    Stretch { samples, start }: Stretch,
    mut time: f64,
    output: &mut [f32],
    ratio: f64,
) -> f64 {
    let table = SincTable::kaiser_best();
    let scale = ratio.min(1.0);
    let step = step(scale);
    let increment = 1.0 / ratio;
    for slot in output {
        let first = (time as usize).min(start + samples.len());
        let fraction = scale * (time - first as f64);
        let (before, after) =
            samples.split_at((first + 1).saturating_sub(start).min(samples.len()));
        let left = table.wing(fraction * STEPS_PER_CROSSING as f64, step, scale);
        let right = table.wing(
            (scale - fraction).max(0.0) * STEPS_PER_CROSSING as f64,
            step,
            scale,
        );
        let mut sum = 0.0f32;
        for (weight, sample) in left.zip(before.iter().rev()).chain(right.zip(after)) {
            sum = (f64::from(sum) + weight * f64::from(*sample)) as f32;
        }
        *slot = sum;
        time += increment;
    }
    time
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

    /// The samples that resampy's own loop gives.
    fn by_the_direct_form(samples: &[f32], from_hz: u32) -> Vec<f32> {
        let ratio = ratio(from_hz, 22050);
        let mut output = vec![0.0; (samples.len() as f64 * ratio) as usize];
        direct(Stretch { samples, start: 0 }, 0.0, &mut output, ratio);
        output
    }

    #[test]
    fn polyphase_equals_the_direct_form() {
        for from_hz in [
            8000, 11025, 16000, 31_500, 36_750, 37_800, 42_000, 44100, 47_250, 48000, 96000,
            384_000, 1000,
        ] {
            let samples = noise(from_hz as usize / 7 + 3);
            let mut resampler = Resampler::new(from_hz, 22050);
            assert!(
                matches!(resampler.form, Form::Polyphase(_) | Form::Decimator(_)),
                "{from_hz}"
            );
            let fast = resampler.process(&samples);
            let slow = by_the_direct_form(&samples, from_hz);
            let unequal = slow.iter().zip(&fast).filter(|(a, b)| a != b).count();
            let worst = slow
                .iter()
                .zip(&fast)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            let sampled_up = from_hz < 22050;
            assert!(
                !sampled_up || unequal * 500 <= slow.len(),
                "{from_hz}: {unequal} of {} differ",
                slow.len()
            );
            assert!(worst < 2e-6, "{from_hz}: {worst}");
        }
    }

    /// Outputs that lie on a sample, or by resampy's reckoning a hair before it, and others: values
    /// of resampy 0.2.2 itself.
    #[test]
    fn rates_whose_ratio_has_sevens_give_what_resampy_gives() {
        for (from_hz, expected) in [
            (
                31_500,
                [
                    (14, -0.564_656_26),
                    (1000, 0.602_880_9),
                    (5000, -0.651_289_94),
                    (8064, 0.593_345_4),
                    (11018, -0.710_958_96),
                ],
            ),
            (
                37_800,
                [
                    (7, 0.031_429_283),
                    (1000, 0.003_393_092_2),
                    (4256, -0.659_905_2),
                    (5000, 0.794_049_7),
                    (6363, 0.494_270_68),
                ],
            ),
            (
                42_000,
                [
                    (42, 0.383_890_93),
                    (1000, 0.531_509_4),
                    (5000, 0.036_730_226),
                    (6363, -0.027_564_762),
                    (10584, -0.070_583_1),
                ],
            ),
            (
                47_250,
                [
                    (7, 0.426_962),
                    (1000, 0.194_471_69),
                    (5000, -0.144_724_01),
                    (5103, 0.915_187_06),
                    (8491, 0.262_744_87),
                ],
            ),
        ] {
            let samples = noise(from_hz as usize / 2);
            let mut resampler = Resampler::new(from_hz, 22050);
            let fast = resampler.process(&samples);
            let exact = by_the_direct_form(&samples, from_hz);
            for (at, expected) in expected {
                assert_eq!(exact[at], expected, "{from_hz} Hz: output {at}");
                assert!(
                    (fast[at] - expected).abs() < 2e-6,
                    "{from_hz} Hz: output {at} is {} instead of {expected}",
                    fast[at]
                );
            }
        }
    }

    #[test]
    fn a_stretch_is_computed_as_resampy_rounds_it() {
        for from_hz in [31_500, 44_100, 48_000] {
            let samples = noise(from_hz as usize);
            let slow = by_the_direct_form(&samples, from_hz);
            let mut resampler = Resampler::new(from_hz, 22050);
            let fast = resampler.process(&samples);
            let unequal = |some: &[f32], others: &[f32]| {
                some.iter().zip(others).filter(|(a, b)| a != b).count()
            };
            assert!(
                unequal(&fast, &slow) > 1000,
                "{from_hz}: the faster form has other last bits"
            );
            for (first, length) in [(0, 2048), (9_000, 2048), (21_900, 150), (22_000, 300)] {
                let mut stretch = vec![9.0; length];
                assert!(resampler.exactly(&samples, first, &mut stretch));
                let (inside, beyond) = stretch.split_at(length.min(22050 - first));
                assert!(
                    unequal(inside, &slow[first..]) * 100 <= length,
                    "{from_hz} from {first} on"
                );
                assert!(
                    beyond.iter().all(|value| *value == 0.0),
                    "{from_hz} from {first} on"
                );
            }
        }
        let mut untouched = [9.0];
        for from_hz in [16_000, 22_050, 44_101] {
            assert!(
                !Resampler::new(from_hz, 22050).exactly(&noise(100), 3, &mut untouched)
                    && untouched == [9.0]
            );
        }
    }

    #[test]
    fn a_tone_keeps_frequency_and_level() {
        for from_hz in [16000u32, 44101, 48000] {
            let tone = |rate: u32, t: usize| {
                (440.0 * std::f64::consts::TAU * t as f64 / f64::from(rate)).sin()
            };
            let samples: Vec<f32> = (0..from_hz as usize)
                .map(|t| tone(from_hz, t) as f32)
                .collect();
            let output = Resampler::new(from_hz, 22050).process(&samples);
            assert_eq!(output.len(), 22050);
            for (t, value) in output.iter().enumerate().take(21000).skip(1000) {
                // The truncated step into the table costs the accuracy here: 235 instead of 235.2
                // for 48 kHz.
                assert!(
                    (f64::from(*value) - tone(22050, t)).abs() < 3e-3,
                    "{from_hz} at {t}: {value}"
                );
            }
        }
    }

    #[test]
    fn lengths_are_rounded_up() {
        for (from_hz, samples, expected) in [
            (48000, 1, 1),
            (48000, 3, 2),
            (16000, 5, 7),
            (44100, 3, 2),
            (22050, 9, 9),
            (44101, 0, 0),
        ] {
            assert_eq!(
                Resampler::new(from_hz, 22050)
                    .process(&noise(samples))
                    .len(),
                expected,
                "{samples} samples at {from_hz} Hz"
            );
        }
    }

    #[test]
    fn silence_stays_silent_and_no_rate_panics() {
        for from_hz in [0, 1, 7, 1000, 44101, u32::MAX] {
            let output = Resampler::new(from_hz, 22050).process(&[0.0; 50]);
            assert!(output.iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn stretches_are_the_whole_bit_for_bit() {
        // Down, up, a ratio without a table, and none at all; longer than the times that are
        // followed in advance.
        for from_hz in [48_000, 44_100, 16_000, 44_101, 22_050] {
            let samples = noise(from_hz as usize * 13);
            let mut resampler = Resampler::new(from_hz, 22_050);
            let whole = resampler.process(&samples);
            assert_eq!(whole.len(), resampler.length(samples.len()));
            let mut pieces = Resampler::new(from_hz, 22_050);
            let piece = 30_000usize.next_multiple_of(pieces.unit());
            for first in (0..whole.len()).step_by(piece) {
                let mut output = vec![9.0; piece.min(whole.len() - first)];
                let inputs = pieces.inputs(first..first + output.len(), samples.len());
                let input = Stretch {
                    samples: &samples[inputs.clone()],
                    start: inputs.start,
                };
                pieces.stretch(input, samples.len(), first, &mut output);
                assert!(
                    output == whole[first..first + output.len()],
                    "{from_hz} from {first} on"
                );
            }
            let (mut exact, mut stretch) = (vec![0.0; 2048], vec![0.0; 2048]);
            let inputs = pieces.inputs(200_000..202_048, samples.len());
            let input = Stretch {
                samples: &samples[inputs.clone()],
                start: inputs.start,
            };
            let does = resampler.exactly(&samples, 200_000, &mut exact);
            assert_eq!(
                pieces.exactly_of(input, samples.len(), 200_000, &mut stretch),
                does
            );
            assert!(exact == stretch, "{from_hz}");
        }
    }
}
