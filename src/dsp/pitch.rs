//! The fundamental frequency over time: peaks of the autocorrelation of frames, and the best path
//! over them (Boersma 1993).

use std::ops::Range;

use rustfft::num_complex::Complex;

use super::activity::{extremes, mean, peak};
use super::stft::{RealTransform, hann, unpack};

/// Range of voices, in Hz.
pub const PITCH_RANGE: Range<f64> = 60.0..600.0;
/// A frame holds this many of the longest periods.
const PERIODS: f64 = 3.0;
/// Most voiced candidates of a frame.
const CANDIDATES: usize = 14;
/// A frame is voiced if a period is stronger than this, but for the costs of the path.
const VOICING_THRESHOLD: f64 = 0.45;
/// Frames whose peak is below about this share of the recording's are taken as silent.
const SILENCE_THRESHOLD: f64 = 0.03;
/// Below this share of the recording's peak a frame holds nothing but rounding errors.
const NOTHING: f64 = 1e-5;
/// Cost of a candidate for each octave below the highest: of peaks nearly as high, the shortest
/// period wins.
const OCTAVE_COST: f64 = 0.01;
/// Cost of a jump for each octave, and of a change between voiced and unvoiced, at one frame in
/// [`STEP_S`].
const OCTAVE_JUMP_COST: f64 = 0.35;
const VOICING_COST: f64 = 0.14;
const STEP_S: f64 = 0.01;

/// The voice in a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Voice {
    /// Fundamental frequency in Hz; none of an unvoiced frame.
    pub f0: Option<f64>,
    /// Normalised autocorrelation at the period, from 0 (noise) to 1 (periodic); of an unvoiced
    /// frame that of its strongest period.
    pub strength: f64,
}

/// A period that a frame may have; an `octave` of none is an unvoiced frame.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    octave: Option<f64>,
    strength: f64,
    /// Strength less the cost of the octave.
    score: f64,
    /// Score of the best path that ends here, and the candidate of the frame before that it comes
    /// from.
    total: f64,
    from: usize,
}

impl Candidate {
    fn new(octave: Option<f64>, strength: f64, score: f64) -> Candidate {
        Candidate {
            octave,
            strength,
            score,
            total: 0.0,
            from: 0,
        }
    }
}

/// Tracks the pitch of recordings. The autocorrelation of a windowed frame is divided by the
/// window's own, so that the peaks of a periodic signal are all of the same height; its local
/// maxima and an unvoiced candidate are the states of a Viterbi search, with the costs of Boersma
/// 1993.
pub struct PitchTracker {
    sample_rate: f64,
    hop_length: usize,
    window: Vec<f32>,
    /// For each lag up to the longest period and one more: 1 / the window's normalised
    /// autocorrelation.
    normal: Vec<f64>,
    transform: RealTransform<f32>,
    power: Vec<f32>,
    correlation: Vec<f64>,
    /// Candidates of all frames, of each the unvoiced one first; where those of a frame begin, and
    /// where the last end.
    candidates: Vec<Candidate>,
    starts: Vec<usize>,
}

impl PitchTracker {
    /// For frames every `hop_length` samples.
    pub fn new(sample_rate: f64, hop_length: usize) -> PitchTracker {
        let length = (PERIODS * sample_rate / PITCH_RANGE.start / 2.0) as usize * 2;
        let lags = (sample_rate / PITCH_RANGE.start).ceil() as usize + 2;
        let window = hann(length);
        let energy: f64 = window.iter().map(|w| w * w).sum();
        let of_window = |lag: usize| {
            window
                .iter()
                .zip(&window[lag..])
                .map(|(a, b)| a * b)
                .sum::<f64>()
                / energy
        };
        // So much longer than the frame that no period of the range wraps around.
        let size = (length + lags).next_multiple_of(512);
        PitchTracker {
            sample_rate,
            hop_length,
            normal: (0..lags).map(|lag| 1.0 / of_window(lag)).collect(),
            window: window.into_iter().map(|w| w as f32).collect(),
            transform: RealTransform::new(size),
            power: vec![0.0; size / 2 + 1],
            correlation: vec![0.0; lags],
            candidates: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// The voice in each of `frames`: frame `i` has its centre at sample `i * hop_length`, and is
    /// moved inwards where it reaches beyond an end.
    pub fn track(&mut self, signal: &[f32], frames: Range<usize>) -> Vec<Voice> {
        let loudest = f64::from(peak(signal));
        self.candidates.clear();
        self.starts.clear();
        self.starts.push(0);
        for frame in frames {
            self.add_candidates(signal, frame * self.hop_length, loudest);
            self.starts.push(self.candidates.len());
        }
        self.find_path()
    }

    fn add_candidates(&mut self, signal: &[f32], centre: usize, loudest: f64) {
        let start = centre
            .saturating_sub(self.window.len() / 2)
            .min(signal.len().saturating_sub(self.window.len()));
        let frame = &signal[start..signal.len().min(start + self.window.len())];
        let mean = mean(frame) as f32;
        let (middle, reach) = ((centre - start).min(frame.len()), self.window.len() / 6);
        let near = &frame[middle.saturating_sub(reach)..frame.len().min(middle + reach)];
        let (lowest, highest) = extremes(near);
        let level = f64::from((highest - mean).max(mean - lowest)) / loudest.max(f64::MIN_POSITIVE);
        let silence = (2.0 - level * (1.0 + VOICING_THRESHOLD) / SILENCE_THRESHOLD).max(0.0);
        let first = self.candidates.len();
        self.candidates
            .push(Candidate::new(None, 0.0, VOICING_THRESHOLD + silence));
        if level < NOTHING {
            return;
        }
        self.correlate(start, signal, mean);
        let (highest, mut strongest) = (PITCH_RANGE.end.log2(), 0.0f64);
        for (lag, around) in self.correlation.windows(3).enumerate() {
            let [before, here, after] = [around[0], around[1], around[2]];
            if here > 0.0 && here > before && here >= after {
                let (slope, bend) = (0.5 * (after - before), 2.0 * here - before - after);
                let f0 = self.sample_rate / ((lag + 1) as f64 + slope / bend);
                if PITCH_RANGE.contains(&f0) {
                    let height = here + 0.5 * slope * slope / bend;
                    let strength = height.min(1.0 / height);
                    strongest = strongest.max(strength);
                    if strength > 0.5 * VOICING_THRESHOLD {
                        let octave = f0.log2();
                        self.candidates.push(Candidate::new(
                            Some(octave),
                            strength,
                            strength - OCTAVE_COST * (highest - octave),
                        ));
                    }
                }
            }
        }
        self.candidates[first].strength = strongest;
        if self.candidates.len() > first + 1 + CANDIDATES {
            self.candidates[first + 1..].sort_by(|a, b| b.score.total_cmp(&a.score));
            self.candidates.truncate(first + 1 + CANDIDATES);
        }
    }

    /// Computes the normalised autocorrelation of the frame that begins at `start`, less its mean.
    fn correlate(&mut self, start: usize, signal: &[f32], mean: f32) {
        let input = self.transform.input();
        input.fill(Complex::new(0.0, 0.0));
        for ((slot, samples), window) in input
            .iter_mut()
            .zip(signal[start..].chunks_exact(2))
            .zip(self.window.chunks_exact(2))
        {
            *slot = Complex::new(
                0.5 * (samples[0] - mean) * window[0],
                0.5 * (samples[1] - mean) * window[1],
            );
        }
        self.transform.run();
        let (packed, twiddles) = self.transform.spectrum();
        for (((power, value), mirrored), twiddle) in self
            .power
            .iter_mut()
            .zip(packed)
            .zip(packed.iter().rev())
            .zip(twiddles)
        {
            *power = unpack(*value, *mirrored, *twiddle).norm_sqr();
        }
        // The power spectrum is even, so that its transform is the autocorrelation, but for a
        // factor.
        let half = self.power.len() - 1;
        let even = |k: usize| 0.5 * self.power[if k > half { 2 * half - k } else { k }];
        for (i, slot) in self.transform.input().iter_mut().enumerate() {
            *slot = Complex::new(even(2 * i), even(2 * i + 1));
        }
        self.transform.run();
        let (packed, twiddles) = self.transform.spectrum();
        let raw = |lag: usize| f64::from(unpack(packed[lag], packed[half - lag], twiddles[lag]).re);
        let norm = 1.0 / raw(0).max(f64::MIN_POSITIVE);
        for (lag, (slot, normal)) in self.correlation.iter_mut().zip(&self.normal).enumerate() {
            *slot = raw(lag) * norm * normal;
        }
    }

    /// The voices along the path of the highest score.
    fn find_path(&mut self) -> Vec<Voice> {
        let steps = STEP_S * self.sample_rate / self.hop_length as f64;
        let (jump, switch) = (OCTAVE_JUMP_COST * steps, VOICING_COST * steps);
        let mut last = 0..0;
        for (start, end) in self
            .starts
            .iter()
            .copied()
            .zip(self.starts.iter().copied().skip(1))
        {
            let (before, now) = self.candidates.split_at_mut(start);
            let last_frame = &before[last];
            for candidate in &mut now[..end - start] {
                let (mut best, mut from) = (f64::NEG_INFINITY, 0);
                for (index, previous) in last_frame.iter().enumerate() {
                    let cost = match (previous.octave, candidate.octave) {
                        (Some(one), Some(other)) => jump * (one - other).abs(),
                        (None, None) => 0.0,
                        _ => switch,
                    };
                    if previous.total - cost > best {
                        (best, from) = (previous.total - cost, index);
                    }
                }
                candidate.total = candidate.score + if last_frame.is_empty() { 0.0 } else { best };
                candidate.from = from;
            }
            last = start..end;
        }
        let end = &self.candidates[last];
        let mut at = (0..end.len())
            .rev()
            .max_by(|a, b| end[*a].total.total_cmp(&end[*b].total))
            .unwrap_or(0);
        let mut voices: Vec<Voice> = Vec::new();
        for start in self.starts.iter().rev().skip(1) {
            let chosen = self.candidates[start + at];
            voices.push(Voice {
                f0: chosen.octave.map(f64::exp2),
                strength: chosen.strength,
            });
            at = chosen.from;
        }
        voices.reverse();
        voices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 22_050.0;
    const HOP_LENGTH: usize = 512;

    fn track(signal: &[f32]) -> Vec<Voice> {
        PitchTracker::new(RATE, HOP_LENGTH).track(signal, 0..1 + signal.len() / HOP_LENGTH)
    }

    /// A second of harmonics of these amplitudes, whose pitch at each time is given.
    fn voice(f0: impl Fn(f64) -> f64, amplitudes: &[f64]) -> Vec<f32> {
        let mut phase = 0.0;
        let sample = |n: u32| {
            phase += std::f64::consts::TAU * f0(f64::from(n) / RATE) / RATE;
            amplitudes
                .iter()
                .zip(1..)
                .map(|(a, k)| a * (f64::from(k) * phase).sin())
                .sum::<f64>() as f32
        };
        (0..22_050).map(sample).collect()
    }

    fn noise(seed: u32) -> impl Iterator<Item = f32> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
    }

    /// Below the range of voices: 25 Hz and noise of which a filter has left the low frequencies.
    fn rumble() -> Vec<f32> {
        let mut low = [0f32; 3];
        let filtered = noise(5).map(|x| {
            low.iter_mut().fold(x, |input, state| {
                std::mem::replace(state, *state + 0.005 * (input - *state))
            })
        });
        filtered
            .zip(voice(|_| 25.0, &[0.5]))
            .map(|(a, b)| 8.0 * a + b)
            .take(22_050)
            .collect()
    }

    fn assert_follows(voices: &[Voice], f0: impl Fn(f64) -> f64, tolerance: f64, case: &str) {
        for (frame, voice) in voices.iter().enumerate().skip(2).take(voices.len() - 4) {
            let expected = f0((frame * HOP_LENGTH) as f64 / RATE);
            assert!(
                voice
                    .f0
                    .is_some_and(|f0| (f0 / expected - 1.0).abs() < tolerance),
                "{case}: {expected} Hz in frame {frame}, not {voice:?}"
            );
        }
    }

    #[test]
    fn a_voice_has_its_pitch_whatever_its_strongest_harmonic() {
        for f0 in [62.0, 75.3, 110.0, 220.7, 431.0, 590.0] {
            for amplitudes in [
                [1.0, 0.5, 0.3, 0.2],
                [0.2, 1.0, 0.4, 0.1],
                [0.0, 0.5, 0.9, 0.7],
            ] {
                let voices = track(&voice(|_| f0, &amplitudes));
                assert_follows(&voices, |_| f0, 0.003, &format!("{amplitudes:?}"));
                assert!(
                    voices.iter().all(|voice| voice.strength > 0.98),
                    "{f0} Hz {amplitudes:?}"
                );
            }
        }
    }

    #[test]
    fn the_pitch_is_followed_up_and_down() {
        let contour = |t: f64| 160.0 + 80.0 * (std::f64::consts::TAU * 1.5 * t).sin();
        assert_follows(
            &track(&voice(contour, &[0.6, 1.0, 0.4, 0.2])),
            contour,
            0.015,
            "wave",
        );
        let octave = |t: f64| 120.0 * t.exp2();
        assert_follows(
            &track(&voice(octave, &[1.0, 0.5, 0.25])),
            octave,
            0.003,
            "octave",
        );
    }

    #[test]
    fn rumble_is_no_voice_and_hides_none() {
        assert!(track(&rumble()).iter().all(|voice| voice.f0.is_none()));
        let both: Vec<f32> = voice(|_| 140.0, &[0.5, 0.4, 0.25])
            .iter()
            .zip(rumble())
            .map(|(a, b)| a + b)
            .collect();
        assert_follows(&track(&both), |_| 140.0, 0.02, "with rumble");
    }

    #[test]
    fn the_level_does_not_matter() {
        let signal: Vec<f32> = voice(|t| 100.0 + 50.0 * t, &[1.0, 0.7])
            .iter()
            .zip(noise(3))
            .map(|(a, b)| a + 0.5 * b)
            .collect();
        let quiet: Vec<f32> = signal.iter().map(|x| x * 1e-4).collect();
        for (one, other) in track(&signal).iter().zip(track(&quiet)) {
            assert_eq!(one.f0.is_some(), other.f0.is_some());
            assert!(
                (one.f0.unwrap_or(1.0) / other.f0.unwrap_or(1.0) - 1.0).abs() < 1e-5
                    && (one.strength - other.strength).abs() < 1e-5
            );
        }
    }

    #[test]
    fn noise_silence_and_clicks_are_unvoiced() {
        let mut click = vec![0.0; 9_000];
        click[4_000] = 1.0;
        let signals = [
            noise(1).take(22_050).collect(),
            vec![0.0; 9_000],
            vec![0.7; 9_000],
            click,
            vec![0.5],
            vec![0.1, -0.1],
            vec![],
        ];
        for (n, signal) in signals.iter().enumerate() {
            let voices = track(signal);
            assert_eq!(voices.len(), 1 + signal.len() / HOP_LENGTH);
            for voice in voices {
                assert!(
                    voice.f0.is_none() && voice.strength < 0.45 && voice.strength >= 0.0,
                    "signal {n}: {voice:?}"
                );
            }
        }
        assert!(
            PitchTracker::new(RATE, HOP_LENGTH)
                .track(&[0.0; 9_000], 3..3)
                .is_empty()
        );
    }
}
