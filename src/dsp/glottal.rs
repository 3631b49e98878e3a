//! Glottal pulses, and how irregular their distances and heights are.

use std::ops::Range;

use pulp::Arch;

use super::activity::peak;
use super::pitch::Voice;

/// The next pulse lies between these shares of the period away.
const SHORTER: f64 = 0.8;
const LONGER: f64 = 1.25;
/// A pulse counts if its surroundings correlate more than this with those of the last, and are
/// louder than this share of the recording's peak.
const SIMILAR: f64 = 0.3;
const AUDIBLE: f32 = 0.01;
/// The same for the last pulse of a stretch, which lies outside.
const SIMILAR_OUTSIDE: f64 = 0.7;
const AUDIBLE_OUTSIDE: f32 = 0.023;
/// Distances of pulses that are periods, in seconds.
const PERIOD_S: Range<f64> = 0.0001..0.02;
/// Neighbouring periods, or heights, that differ by more than these factors are not compared.
const MOST_PERIOD_FACTOR: f64 = 1.3;
const MOST_HEIGHT_FACTOR: f64 = 1.6;
/// The height of a pulse is measured over this share of the period before it and of that after it.
const HEIGHT_REACH: f64 = 0.2;
/// Lags that are correlated side by side.
const LANES: usize = 16;

/// How irregular the voice is; zeros of recordings without voiced periods.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Irregularity {
    /// Mean difference of neighbouring periods over the mean period.
    pub jitter: f64,
    /// Mean difference of the heights of neighbouring pulses over their mean height.
    pub shimmer: f64,
    /// Mean absolute ratio of the heights of neighbouring pulses, in dB.
    pub shimmer_db: f64,
}

/// Finds glottal pulses as the places where a period of the signal resembles the last most (Praat's
/// way from pitch and sound to pulses).
pub struct GlottalPulses {
    sample_rate: f64,
    hop_length: f64,
    /// Places of pulses, in samples and in order.
    pulses: Vec<f64>,
    /// The stretch of the signal in which the next pulse is looked for.
    stretch: Vec<f32>,
    products: Vec<[f32; LANES]>,
    arch: Arch,
}

/// Where a period resembles the last most.
struct Match {
    at: f64,
    correlation: f64,
    peak: f32,
}

impl GlottalPulses {
    /// For voices of frames every `hop_length` samples.
    pub fn new(sample_rate: f64, hop_length: usize) -> GlottalPulses {
        let hop_length = hop_length as f64;
        GlottalPulses {
            sample_rate,
            hop_length,
            pulses: Vec::new(),
            stretch: Vec::new(),
            products: Vec::new(),
            arch: Arch::new(),
        }
    }

    /// Jitter and shimmer of a signal whose frames from `first` on have these voices.
    pub fn irregularity(&mut self, signal: &[f32], voices: &[Voice], first: usize) -> Irregularity {
        self.find(signal, voices, first);
        self.measure(signal)
    }

    fn find(&mut self, signal: &[f32], voices: &[Voice], first: usize) {
        let (loudest, sample_rate, hop_length) = (peak(signal), self.sample_rate, self.hop_length);
        self.pulses.clear();
        let mut rightmost = f64::NEG_INFINITY;
        let mut end = 0;
        while let Some(start) = (end..voices.len()).find(|frame| voices[*frame].f0.is_some()) {
            end = (start..voices.len())
                .find(|frame| voices[*frame].f0.is_none())
                .unwrap_or(voices.len());
            let bound = |frame: usize| ((first + frame) as f64 - 0.5) * hop_length;
            let stretch = bound(start)..bound(end);
            let middle = 0.5 * (stretch.start + stretch.end);
            let period =
                |at: f64| f0_at(voices, at / hop_length - first as f64).map(|f0| sample_rate / f0);
            let Some(pulse) = period(middle).and_then(|period| highest(signal, middle, period))
            else {
                continue;
            };
            self.pulses.push(pulse);
            for direction in [-1.0, 1.0] {
                let mut at = pulse;
                while let Some(period) = period(at) {
                    let (correlation, peak) = match self.next(signal, at, period, direction) {
                        Some(found) => {
                            at = found.at;
                            (found.correlation, found.peak)
                        }
                        // This period drops out.
                        None => {
                            at += direction * period;
                            (-1.0, 0.0)
                        }
                    };
                    let is_outside = !stretch.contains(&at);
                    let (least, quietest) = if is_outside {
                        (SIMILAR_OUTSIDE, AUDIBLE_OUTSIDE)
                    } else {
                        (SIMILAR, AUDIBLE)
                    };
                    // A short gap between two stretches is not filled twice.
                    if correlation > least
                        && peak > quietest * loudest
                        && at - rightmost > SHORTER * period
                    {
                        self.pulses.push(at);
                    }
                    if is_outside {
                        break;
                    }
                }
            }
            rightmost = self.pulses.iter().copied().fold(rightmost, f64::max);
        }
        self.pulses.sort_by(f64::total_cmp);
    }

    /// The pulse after (or, in the other direction, before) the one at `at`.
    fn next(&mut self, signal: &[f32], at: f64, period: f64, direction: f64) -> Option<Match> {
        let (half, last) = (0.5 * period, signal.len() as f64 - 1.0);
        let (start, end) = ((at - half).round(), (at + half).round());
        if start < 0.0 || end > last {
            return None;
        }
        let one = &signal[start as usize..=end as usize];
        let nearest =
            at + direction * if direction > 0.0 { SHORTER } else { LONGER } * period - half;
        let farthest =
            at + direction * if direction > 0.0 { LONGER } else { SHORTER } * period - half;
        let from = nearest.floor().max(0.0) as usize;
        let to = (farthest.ceil().max(0.0) as usize + 1)
            .min((signal.len() + 1).saturating_sub(one.len()));
        if from + 3 > to {
            return None;
        }
        self.correlate(one, &signal[from..to - 1 + one.len()], to - from);
        let correlations = self.products.as_flattened();
        let places = (1..to - from - 1).filter(|i| {
            let here = correlations[*i];
            here >= correlations[i - 1] && here >= correlations[i + 1]
        });
        let best = places.reduce(|best, i| {
            if correlations[i] > correlations[best] {
                i
            } else {
                best
            }
        })?;
        let [before, here, after] =
            [-1isize, 0, 1].map(|step| f64::from(correlations[best.saturating_add_signed(step)]));
        let bend = 2.0 * here - before - after;
        let shift = if bend > 0.0 {
            0.5 * (after - before) / bend
        } else {
            0.0
        };
        let peak = peak(&signal[from + best..][..one.len()]);
        Some(Match {
            at: at + (from + best) as f64 + shift - start,
            correlation: here,
            peak,
        })
    }

    /// Fills `products` with the normalised correlations of `one` with each of the `places`
    /// stretches as long in `signal`.
    fn correlate(&mut self, one: &[f32], signal: &[f32], places: usize) {
        self.stretch.clear();
        self.stretch.extend_from_slice(signal);
        self.stretch
            .resize(one.len() + places.next_multiple_of(LANES), 0.0);
        self.products.clear();
        self.products.resize(places.div_ceil(LANES), [0.0; LANES]);
        let (stretch, products) = (&self.stretch, &mut self.products);
        self.arch.dispatch(|| {
            for (first, products) in (0..).step_by(LANES).zip(products.iter_mut()) {
                let mut sums = [0.0; LANES];
                for (a, others) in one.iter().zip(stretch[first..].array_windows::<LANES>()) {
                    sums.iter_mut()
                        .zip(others)
                        .for_each(|(sum, b)| *sum += a * b);
                }
                *products = sums;
            }
        });
        let square = |x: &f32| f64::from(*x) * f64::from(*x);
        let energy: f64 = one.iter().map(square).sum();
        let mut other: f64 = signal[..one.len()].iter().map(square).sum();
        for (place, product) in self
            .products
            .as_flattened_mut()
            .iter_mut()
            .take(places)
            .enumerate()
        {
            *product =
                (f64::from(*product) / (energy * other).sqrt().max(f64::MIN_POSITIVE)) as f32;
            other += signal.get(place + one.len()).map_or(0.0, square) - square(&signal[place]);
            other = other.max(0.0);
        }
    }

    fn measure(&self, signal: &[f32]) -> Irregularity {
        let (shortest, longest) = (
            PERIOD_S.start * self.sample_rate,
            PERIOD_S.end * self.sample_rate,
        );
        let is_period = |distance: f64| (shortest..=longest).contains(&distance);
        let alike = |a: f64, b: f64| {
            is_period(a) && is_period(b) && a.max(b) <= MOST_PERIOD_FACTOR * a.min(b)
        };
        let (mut jitter, mut period, mut shimmer, mut shimmer_db, mut mean_height) = (
            Mean::default(),
            Mean::default(),
            Mean::default(),
            Mean::default(),
            Mean::default(),
        );
        let mut last: Option<(f64, f64)> = None;
        for pulses in self.pulses.windows(3) {
            let (before, after) = (pulses[1] - pulses[0], pulses[2] - pulses[1]);
            if !alike(before, after) {
                continue;
            }
            jitter.add((after - before).abs());
            period.add(0.5 * (before + after));
            let Some(height) = height(
                signal,
                pulses[1],
                HEIGHT_REACH * before,
                HEIGHT_REACH * after,
            ) else {
                continue;
            };
            mean_height.add(height);
            if let Some((at, last)) = last
                && is_period(pulses[1] - at)
                && last.max(height) <= MOST_HEIGHT_FACTOR * last.min(height)
            {
                shimmer.add((height - last).abs());
                shimmer_db.add((20.0 * (height / last).log10()).abs());
            }
            last = Some((pulses[1], height));
        }
        let ratio = |a: &Mean, b: &Mean| {
            if b.get() > 0.0 {
                a.get() / b.get()
            } else {
                0.0
            }
        };
        Irregularity {
            jitter: ratio(&jitter, &period),
            shimmer: ratio(&shimmer, &mean_height),
            shimmer_db: shimmer_db.get(),
        }
    }
}

/// A mean in the making; zero of nothing.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn get(&self) -> f64 {
        self.sum / self.count.max(1.0)
    }
}

/// The pitch between frames: on the line through the two neighbours, or that of the nearest where
/// the other is unvoiced.
fn f0_at(voices: &[Voice], at: f64) -> Option<f64> {
    let f0 = |frame: f64| {
        if frame < 0.0 {
            None
        } else {
            voices.get(frame as usize)?.f0
        }
    };
    let (near, low) = (at.round(), at.floor());
    let one = f0(near)?;
    let other = f0(if near > low { low } else { low + 1.0 }).unwrap_or(one);
    Some(one + (other - one) * (at - near).abs())
}

/// The place of the largest value of either sign in the period around `middle`.
fn highest(signal: &[f32], middle: f64, period: f64) -> Option<f64> {
    let start = (middle - 0.5 * period).max(0.0) as usize;
    let samples = signal.get(start..signal.len().min((middle + 0.5 * period) as usize + 1))?;
    let largest = samples.iter().enumerate().reduce(|most, next| {
        if next.1.abs() > most.1.abs() {
            next
        } else {
            most
        }
    })?;
    Some((start + largest.0) as f64)
}

/// Root of the mean square around `at` under a Hann window whose halves are `left` and `right`
/// long; none beyond the ends or of silence.
fn height(signal: &[f32], at: f64, left: f64, right: f64) -> Option<f64> {
    let (start, end) = ((at - left).ceil(), (at + right).floor());
    let samples = if start < 0.0 {
        None
    } else {
        signal.get(start as usize..=end as usize)
    }?;
    let (before, after) = samples.split_at(samples.len().min((at.ceil() - start) as usize));
    let (mut square, mut total) = (0.0, 0.0);
    let mut add = |away: f64, half: f64, samples: &mut dyn Iterator<Item = &f32>| {
        // The cosine of equal steps follows from the last two.
        let step = std::f64::consts::PI / half;
        let (mut last, mut now) = ((step * (away - 1.0)).cos(), (step * away).cos());
        let twice = 2.0 * step.cos();
        for sample in samples {
            let weight = 0.5 + 0.5 * now;
            square += weight * f64::from(*sample) * f64::from(*sample);
            total += weight;
            (last, now) = (now, twice * now - last);
        }
    };
    add(at - at.ceil() + 1.0, left, &mut before.iter().rev());
    add(at.ceil() - at, right, &mut after.iter());
    (square > 0.0).then(|| (square / total).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::PitchTracker;

    const RATE: f64 = 22_050.0;
    const HOP_LENGTH: usize = 512;

    /// Damped oscillations that begin at pulses of these distances (in samples) and heights.
    fn voice(pulses: impl Iterator<Item = (f64, f64)>) -> Vec<f32> {
        let mut signal = vec![0.0f32; 33_075];
        let mut at = 100.0;
        for (distance, height) in pulses {
            for n in 0..800 {
                let place = (at as usize) + 1 + n;
                let t = (place as f64 - at) / RATE;
                if let Some(sample) = signal.get_mut(place) {
                    let rise = 1.0 - (-t / 2e-4).exp();
                    *sample += (0.3
                        * height
                        * rise
                        * (-t / 5e-4).exp()
                        * (std::f64::consts::TAU * 650.0 * t).sin())
                        as f32;
                }
            }
            at += distance;
        }
        signal
    }

    fn irregularity(signal: &[f32]) -> Irregularity {
        let voices =
            PitchTracker::new(RATE, HOP_LENGTH).track(signal, 0..1 + signal.len() / HOP_LENGTH);
        GlottalPulses::new(RATE, HOP_LENGTH).irregularity(signal, &voices, 0)
    }

    /// A thousand values around one that follow no pattern, and the mean difference of neighbours.
    fn irregular(most: f64) -> (Vec<f64>, f64) {
        let mut state = 7u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            1.0 + most * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
        };
        let values: Vec<f64> = (0..1000).map(next).collect();
        let difference = values
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .sum::<f64>()
            / 999.0;
        (values, difference)
    }

    #[test]
    fn jitter_is_the_difference_of_neighbouring_periods() {
        for period in [95.4, 121.3, 190.7] {
            for most in [0.0, 0.01, 0.04] {
                let (factors, jitter) = irregular(most);
                let found =
                    irregularity(&voice(factors.iter().map(|factor| (factor * period, 1.0))));
                assert!(
                    (found.jitter - jitter).abs() < 0.0005 + 0.1 * jitter,
                    "{period} {jitter}: {found:?}"
                );
                assert!(found.shimmer < 0.03, "{period} {jitter}: {found:?}");
            }
        }
    }

    #[test]
    fn shimmer_is_the_difference_of_neighbouring_heights() {
        for period in [95.4, 121.3, 190.7] {
            for most in [0.0, 0.05, 0.15] {
                let (heights, shimmer) = irregular(most);
                let found = irregularity(&voice(heights.iter().map(|height| (period, *height))));
                let decibels: f64 = heights
                    .windows(2)
                    .map(|pair| (20.0 * (pair[1] / pair[0]).log10()).abs())
                    .sum::<f64>()
                    / 999.0;
                assert!(
                    (found.shimmer - shimmer).abs() < 0.002 + 0.1 * shimmer,
                    "{period} {shimmer}: {found:?}"
                );
                assert!(
                    (found.shimmer_db - decibels).abs() < 0.02 + 0.1 * decibels,
                    "{period} {shimmer}: {found:?}"
                );
                assert!(found.jitter < 0.002, "{period} {shimmer}: {found:?}");
            }
        }
    }

    #[test]
    fn nothing_voiced_and_hardly_anything_are_regular() {
        let voiced = Voice {
            f0: Some(200.0),
            strength: 0.9,
        };
        let mut pulses = GlottalPulses::new(RATE, HOP_LENGTH);
        for signal in [
            vec![],
            vec![0.5],
            vec![0.0; 3_000],
            vec![0.3; 3_000],
            (0..3_000).map(|n| f32::from(u8::from(n == 700))).collect(),
        ] {
            for voices in [
                vec![],
                vec![voiced],
                vec![voiced; 9],
                vec![Voice::default(); 9],
            ] {
                let found = pulses.irregularity(&signal, &voices, 0);
                let values = [found.jitter, found.shimmer, found.shimmer_db];
                assert!(
                    values
                        .iter()
                        .all(|value| value.is_finite() && *value >= 0.0),
                    "{} samples: {found:?}",
                    signal.len()
                );
            }
        }
        assert_eq!(
            pulses.irregularity(&[0.0; 9_000], &[Voice::default(); 9], 0),
            Irregularity::default()
        );
    }
}
