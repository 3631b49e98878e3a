//! Changed copies of a recording: what the paper trained on beside its recordings of EMO-DB.
//!
//! Quoted from it are the four changes, how much faster and slower, and how much of a recording
//! gets noise. How far the beginning is moved and how loud the noise is are not published:
//! [`Augment::default`] is this project's choice there.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::Audio;
use super::resample::Resampler;
use crate::rng;

/// Changes whenever the same recording would give another copy.
pub const CODE_VERSION: u32 = 1;

/// The largest denominator of a change of speed: as many phases as the resampler keeps weights for.
const MOST_PHASES: u32 = 1000;
/// At most this share of a recording is cut off its beginning.
const MOST_CUT: usize = 4;

/// How much is changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Augment {
    /// Seconds cut off the beginning, at most a quarter of the recording; how far the paper shifts
    /// is not published.
    #[schemars(range(max = 10), extend("exclusiveMinimum" = 0))]
    pub shift_s: f64,
    /// Speed of the faster copy, by resampling, so that pitch and formants rise with it; the
    /// paper's.
    #[schemars(range(max = 2), extend("exclusiveMinimum" = 1))]
    pub speed_up: f64,
    /// Speed of the slower copy; the paper's.
    #[schemars(range(min = 0.5), extend("exclusiveMaximum" = 1))]
    pub slow_down: f64,
    /// Share of the recording that gets white noise, in one stretch at a random place; the share is
    /// the paper's, one stretch a choice.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub noise_share: f64,
    /// Mean power of the recording above that of the noise, in dB; not published.
    #[schemars(range(min = -20, max = 100))]
    pub noise_snr_db: f64,
}

impl Default for Augment {
    fn default() -> Augment {
        Augment {
            shift_s: 0.05,
            speed_up: 1.0123,
            slow_down: 0.9919,
            noise_share: 0.25,
            noise_snr_db: 20.0,
        }
    }
}

/// A kind of copy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Begins a little later.
    Shift,
    /// Played faster.
    SpeedUp,
    /// Played slower.
    SlowDown,
    /// With noise in a part of it.
    Noise,
}

impl Variant {
    /// Every kind, in the order in which training rows are appended.
    pub const ALL: [Variant; 4] = [
        Variant::Shift,
        Variant::SpeedUp,
        Variant::SlowDown,
        Variant::Noise,
    ];

    /// The name in tables and, behind a `#`, in the ids of training rows.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Shift => "shift",
            Variant::SpeedUp => "speed-up",
            Variant::SlowDown => "slow-down",
            Variant::Noise => "noise",
        }
    }
}

/// The kinds of copies that an experiment trains on beside the recordings themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies(Vec<Variant>);

impl Copies {
    /// All kinds.
    pub fn all() -> Copies {
        Copies(Variant::ALL.to_vec())
    }

    /// These kinds, whatever their order; each once.
    pub fn of(mut kinds: Vec<Variant>) -> Copies {
        kinds.sort();
        kinds.dedup();
        Copies(kinds)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds, in the order of [`Variant::ALL`].
    pub fn kinds(&self) -> &[Variant] {
        &self.0
    }

    /// The same for copies that are predicted with a recording, of a model that was trained on the
    /// copies `trained`.
    pub fn describe_test_time(&self, trained: &Copies) -> String {
        match self.0.len() {
            0 => String::new(),
            _ if self == trained => ", test-time augmentation".to_owned(),
            _ => format!(
                ", test-time augmentation by {}",
                self.0
                    .iter()
                    .map(|kind| kind.name())
                    .collect::<Vec<_>>()
                    .join(" and ")
            ),
        }
    }

    /// What stands behind the name of a model: `, augmented by speed-up, slow-down`; nothing where
    /// there are none.
    pub fn describe(&self) -> String {
        match self.0.len() {
            0 => String::new(),
            n if n == Variant::ALL.len() => ", augmented".to_owned(),
            _ => format!(
                ", augmented by {}",
                self.0
                    .iter()
                    .map(|kind| kind.name())
                    .collect::<Vec<_>>()
                    .join(" and ")
            ),
        }
    }
}

impl Serialize for Copies {
    /// As a pipeline file says it: `false`, `true`, or the names.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.len() {
            n if n == 0 || n == Variant::ALL.len() => serializer.serialize_bool(n > 0),
            _ => serializer.collect_seq(self.0.iter().map(|kind| kind.name())),
        }
    }
}

impl Augment {
    /// Names the copy of a sound among all copies of all sounds; equal names, equal copies.
    pub fn copy_of(&self, content_hash: &str, variant: Variant) -> blake3::Hash {
        let amounts = match variant {
            Variant::Shift => vec![self.shift_s],
            Variant::SpeedUp => vec![self.speed_up],
            Variant::SlowDown => vec![self.slow_down],
            Variant::Noise => vec![self.noise_share, self.noise_snr_db],
        };
        blake3::hash(format!("{content_hash} {} {amounts:?}", variant.name()).as_bytes())
    }
}

/// Makes copies; keeps its filters from recording to recording, so make one for each thread.
pub struct Augmenter {
    settings: Augment,
    faster: Resampler,
    slower: Resampler,
}

impl Augmenter {
    /// A maker of copies that are changed as much as `settings` say.
    pub fn new(settings: Augment) -> Augmenter {
        let to_speed = |speed: f64| {
            let (from, to) = fraction(speed);
            Resampler::new(from, to)
        };
        Augmenter {
            faster: to_speed(settings.speed_up),
            slower: to_speed(settings.slow_down),
            settings,
        }
    }

    /// One copy. It depends on the sound and the settings alone; `content_hash` is that of `audio`.
    pub fn make(&mut self, variant: Variant, audio: &Audio, content_hash: &str) -> Audio {
        let samples = match variant {
            Variant::Shift => {
                let cut = (self.settings.shift_s * f64::from(audio.sample_rate)).round() as usize;
                audio.samples[cut.min(audio.samples.len() / MOST_CUT)..].to_vec()
            }
            // Fewer samples at the same rate are the same sound played faster.
            Variant::SpeedUp => self.faster.process(&audio.samples),
            Variant::SlowDown => self.slower.process(&audio.samples),
            Variant::Noise => self.noisy(audio, content_hash),
        };
        Audio { samples, ..*audio }
    }

    fn noisy(&self, audio: &Audio, content_hash: &str) -> Vec<f32> {
        let mut samples = audio.samples.clone();
        let n = samples.len();
        let length = ((self.settings.noise_share * n as f64).round() as usize).min(n);
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / n.max(1) as f64;
        // Values that are spread evenly from -a to a have the power a²/3.
        let amplitude = (3.0 * power * 10f64.powf(-self.settings.noise_snr_db / 10.0)).sqrt();
        let mut random = ChaCha8Rng::from_seed(
            *self
                .settings
                .copy_of(content_hash, Variant::Noise)
                .as_bytes(),
        );
        let start = rng::below(&mut random, n - length + 1);
        for sample in &mut samples[start..start + length] {
            let value = f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
            *sample += (amplitude * value) as f32;
        }
        samples
    }
}

/// The fraction with a denominator of at most [`MOST_PHASES`] that is nearest to a speed, of
/// equally near ones the simplest.
fn fraction(speed: f64) -> (u32, u32) {
    let of = |to: u32| ((speed * f64::from(to)).round().max(1.0) as u32, to);
    let distance = |(from, to): (u32, u32)| (f64::from(from) / f64::from(to) - speed).abs();
    (1..=MOST_PHASES)
        .map(of)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .unwrap_or((1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> Audio {
        let value =
            |t: usize| (0.5 * (hz * std::f64::consts::TAU * t as f64 / 16_000.0).sin()) as f32;
        Audio {
            samples: (0..samples).map(value).collect(),
            sample_rate: 16_000,
            channels: 1,
            remarks: Default::default(),
        }
    }

    fn make(variant: Variant, audio: &Audio) -> Audio {
        Augmenter::new(Augment::default()).make(variant, audio, &audio.content_hash())
    }

    /// Of a tone, by its zero crossings away from the ends.
    fn hz(audio: &Audio) -> f64 {
        let middle = &audio.samples[1_000..audio.samples.len() - 1_000];
        let rises: Vec<usize> = (1..middle.len())
            .filter(|&i| middle[i - 1] < 0.0 && middle[i] >= 0.0)
            .collect();
        (rises.len() - 1) as f64 * 16_000.0 / (rises[rises.len() - 1] - rises[0]) as f64
    }

    #[test]
    fn speeds_are_the_published_ones() {
        for speed in [1.0123, 0.9919, 1.25, 0.5] {
            let (from, to) = fraction(speed);
            assert!(
                (f64::from(from) / f64::from(to) - speed).abs() < 5e-6,
                "{from}/{to} for {speed}"
            );
        }
        assert_eq!((fraction(1.25), fraction(0.5)), ((5, 4), (1, 2)));
        let audio = tone(440.0, 48_000);
        for (variant, speed) in [(Variant::SpeedUp, 1.0123), (Variant::SlowDown, 0.9919)] {
            let copy = make(variant, &audio);
            assert_eq!(copy.sample_rate, 16_000);
            assert!(
                (copy.samples.len() as f64 - 48_000.0 / speed).abs() < 2.0,
                "{} samples",
                copy.samples.len()
            );
            assert!((hz(&copy) / 440.0 - speed).abs() < 5e-4, "{} Hz", hz(&copy));
        }
    }

    #[test]
    fn a_shift_cuts_the_beginning_off_and_never_much_of_it() {
        let audio = tone(440.0, 16_000);
        assert_eq!(make(Variant::Shift, &audio).samples, audio.samples[800..]);
        let short = tone(440.0, 1_000);
        assert_eq!(make(Variant::Shift, &short).samples, short.samples[250..]);
    }

    #[test]
    fn noise_fills_one_stretch_at_its_level_and_comes_out_the_same() {
        let audio = tone(440.0, 40_000);
        let copy = make(Variant::Noise, &audio);
        let changed: Vec<usize> = (0..40_000)
            .filter(|&i| copy.samples[i] != audio.samples[i])
            .collect();
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        assert!(
            last - first < 10_000 && changed.len() > 9_950,
            "{first} to {last}, {} changed",
            changed.len()
        );
        let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
        let noise = power(
            &mut changed
                .iter()
                .map(|&i| f64::from(copy.samples[i] - audio.samples[i])),
        ) / 10_000.0;
        let signal = power(&mut audio.samples.iter().map(|s| f64::from(*s))) / 40_000.0;
        assert!(
            (10.0 * (signal / noise).log10() - 20.0).abs() < 0.3,
            "{} dB",
            10.0 * (signal / noise).log10()
        );
        assert_eq!(copy, make(Variant::Noise, &audio));
        let other = tone(441.0, 40_000);
        let moved = make(Variant::Noise, &other);
        assert_ne!(
            (0..40_000).find(|&i| moved.samples[i] != other.samples[i]),
            Some(first),
            "another sound, another stretch"
        );
    }

    #[test]
    fn an_augmenter_keeps_nothing_of_the_last_recording() {
        let (one, other) = (tone(300.0, 5_000), tone(700.0, 9_000));
        let mut used = Augmenter::new(Augment::default());
        for variant in Variant::ALL {
            used.make(variant, &other, &other.content_hash());
            assert_eq!(
                used.make(variant, &one, &one.content_hash()),
                make(variant, &one),
                "{}",
                variant.name()
            );
        }
    }

    #[test]
    fn nothing_is_too_short() {
        for samples in [0, 1, 2, 5] {
            for variant in Variant::ALL {
                let copy = make(variant, &tone(440.0, samples));
                assert!(
                    copy.samples.len() <= samples + 1,
                    "{} of {samples}",
                    variant.name()
                );
            }
        }
    }

    #[test]
    fn an_amount_names_its_own_copy_alone() {
        let (usual, more) = (
            Augment::default(),
            Augment {
                shift_s: 0.1,
                ..Augment::default()
            },
        );
        let same: Vec<bool> = Variant::ALL
            .iter()
            .map(|v| usual.copy_of("00", *v) == more.copy_of("00", *v))
            .collect();
        assert_eq!(same, [false, true, true, true]);
    }
}
