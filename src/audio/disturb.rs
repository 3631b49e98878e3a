//! Recordings under a [`Condition`]: a copy of the same length, but for changes of speed.

use std::collections::HashMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::rng;

use super::augment::{Augment, Augmenter, Variant};
use super::codec::{Format, there_and_back};
use super::decode::Audio;
use super::resample::Resampler;

/// Changes whenever the same recording would come out otherwise under a condition.
pub const CODE_VERSION: u32 = 1;

/// Changes recordings; keeps its filters from recording to recording, so make one for each thread.
pub struct Disturber {
    condition: Condition,
    /// By the rates from and to which they convert.
    resamplers: HashMap<(u32, u32), Resampler>,
    speeds: Option<Augmenter>,
    transforms: FftPlanner<f64>,
}

impl Disturber {
    /// A maker of copies under this condition.
    pub fn new(condition: Condition) -> Disturber {
        let speeds = |speed: f64| {
            Augmenter::new(Augment {
                speed_up: speed,
                slow_down: speed,
                ..Augment::default()
            })
        };
        Disturber {
            condition,
            resamplers: HashMap::new(),
            speeds: match condition.change() {
                Change::Speed(speed) => Some(speeds(speed)),
                _ => None,
            },
            transforms: FftPlanner::new(),
        }
    }

    /// The recording under the condition. It depends on the sound and the condition alone, and of a
    /// codec on its encoder; `content_hash` is that of `audio`.
    ///
    /// # Errors
    /// Of a codec: `Missing` where nothing codes it, `Data` where that fails, `Io` where the file
    /// system refuses.
    pub fn make(&mut self, audio: &Audio, content_hash: &str) -> Result<Audio> {
        let samples = match self.condition.change() {
            Change::Nothing => audio.samples.clone(),
            Change::Code(format) => return there_and_back(format, audio),
            Change::Gain(db) => {
                let factor = 10f64.powf(db / 20.0) as f32;
                audio.samples.iter().map(|sample| sample * factor).collect()
            }
            Change::Rate(hz) if audio.sample_rate <= hz => audio.samples.clone(),
            Change::Rate(hz) => {
                let narrow = self.resample(&audio.samples, audio.sample_rate, hz);
                let mut samples = self.resample(&narrow, hz, audio.sample_rate);
                samples.resize(audio.samples.len(), 0.0);
                samples
            }
            Change::Speed(speed) => {
                let variant = match speed > 1.0 {
                    true => Variant::SpeedUp,
                    false => Variant::SlowDown,
                };
                let made =
                    (self.speeds.as_mut()).map(|maker| maker.make(variant, audio, content_hash));
                return Ok(made.unwrap_or_else(|| audio.clone()));
            }
            Change::White(snr_db) => {
                let mut random = self.random(content_hash);
                let noise: Vec<f64> = audio.samples.iter().map(|_| even(&mut random)).collect();
                mixed(&audio.samples, &noise, snr_db)
            }
            Change::Shaped(snr_db) => {
                let noise = self.shaped(&audio.samples, content_hash);
                mixed(&audio.samples, &noise, snr_db)
            }
        };
        Ok(Audio { samples, ..*audio })
    }

    /// The stream of a sound, the same at every level of one kind of noise.
    fn random(&self, content_hash: &str) -> ChaCha8Rng {
        rng::named(&format!("{content_hash} disturbed"))
    }

    fn resample(&mut self, samples: &[f32], from: u32, to: u32) -> Vec<f32> {
        let resampler = self.resamplers.entry((from, to));
        let resampler = resampler.or_insert_with(|| Resampler::new(from, to));
        resampler.process(samples)
    }

    /// Noise with the long-term spectrum of the sound: its Fourier transform, each bin times a random
    /// complex number.
    fn shaped(&mut self, samples: &[f32], content_hash: &str) -> Vec<f64> {
        let mut random = self.random(content_hash);
        let length = samples.len().next_power_of_two();
        let complex = |sample: &f32| Complex::new(f64::from(*sample), 0.0);
        let mut bins: Vec<Complex<f64>> = samples.iter().map(complex).collect();
        bins.resize(length, Complex::new(0.0, 0.0));
        self.transforms.plan_fft_forward(length).process(&mut bins);
        // The real part of the inverse is that of a spectrum with the same power at mirrored bins.
        for bin in &mut bins {
            let (re, im) = (even(&mut random), even(&mut random));
            *bin *= Complex::new(re, im);
        }
        self.transforms.plan_fft_inverse(length).process(&mut bins);
        bins[..samples.len()].iter().map(|bin| bin.re).collect()
    }
}

/// A number that is spread evenly from -1 to 1.
fn even(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0
}

fn power(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum()
}

/// A sound with noise, scaled so that over the whole recording the ratio of their powers is this
/// one. Silence stays silent.
fn mixed(samples: &[f32], noise: &[f64], snr_db: f64) -> Vec<f32> {
    let (signal, of_noise) = (
        power(samples.iter().map(|sample| f64::from(*sample))),
        power(noise.iter().copied()),
    );
    if of_noise == 0.0 {
        return samples.to_vec();
    }
    let factor = (signal / of_noise * 10f64.powf(-snr_db / 10.0)).sqrt();
    let sum = |(sample, noise): (&f32, &f64)| (f64::from(*sample) + factor * noise) as f32;
    samples.iter().zip(noise).map(sum).collect()
}

/// One way to change a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// As it is: what checks all others.
    Clean,
    /// White noise, 20 dB below the recording.
    #[serde(rename = "noise-20")]
    Noise20,
    /// White noise, 10 dB below it.
    #[serde(rename = "noise-10")]
    Noise10,
    /// White noise as strong as it.
    #[serde(rename = "noise-0")]
    Noise0,
    /// Noise with its long-term spectrum, 20 dB below it.
    #[serde(rename = "speech-noise-20")]
    SpeechNoise20,
    /// Such noise, 10 dB below it.
    #[serde(rename = "speech-noise-10")]
    SpeechNoise10,
    /// Such noise, as strong as it.
    #[serde(rename = "speech-noise-0")]
    SpeechNoise0,
    /// Resampled to 8 kHz and back.
    #[serde(rename = "rate-8k")]
    Rate8k,
    /// Coded with Opus at 16 kbit/s.
    #[serde(rename = "opus-16k")]
    Opus16k,
    /// Coded as MP3 at 32 kbit/s.
    #[serde(rename = "mp3-32k")]
    Mp3At32k,
    /// 20 dB quieter.
    #[serde(rename = "quiet-20")]
    Quiet20,
    /// A tenth faster.
    #[serde(rename = "faster-10")]
    Faster10,
    /// A tenth slower.
    #[serde(rename = "slower-10")]
    Slower10,
}

/// What is done to the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Nothing,
    /// White noise at a signal-to-noise ratio in dB.
    White(f64),
    /// Noise with the spectrum of the recording, at a signal-to-noise ratio in dB.
    Shaped(f64),
    /// To a sampling rate in Hz, and back.
    Rate(u32),
    /// There and back through a codec.
    Code(Format),
    /// A gain in dB.
    Gain(f64),
    /// A change of speed, and of pitch with it.
    Speed(f64),
}

impl Condition {
    /// Every condition, in the order of tables.
    pub const ALL: [Condition; 13] = [
        Condition::Clean,
        Condition::Noise20,
        Condition::Noise10,
        Condition::Noise0,
        Condition::SpeechNoise20,
        Condition::SpeechNoise10,
        Condition::SpeechNoise0,
        Condition::Rate8k,
        Condition::Opus16k,
        Condition::Mp3At32k,
        Condition::Quiet20,
        Condition::Faster10,
        Condition::Slower10,
    ];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Clean => "clean",
            Condition::Noise20 => "noise-20",
            Condition::Noise10 => "noise-10",
            Condition::Noise0 => "noise-0",
            Condition::SpeechNoise20 => "speech-noise-20",
            Condition::SpeechNoise10 => "speech-noise-10",
            Condition::SpeechNoise0 => "speech-noise-0",
            Condition::Rate8k => "rate-8k",
            Condition::Opus16k => "opus-16k",
            Condition::Mp3At32k => "mp3-32k",
            Condition::Quiet20 => "quiet-20",
            Condition::Faster10 => "faster-10",
            Condition::Slower10 => "slower-10",
        }
    }

    /// The condition of this name.
    pub fn named(name: &str) -> Option<Condition> {
        Condition::ALL.into_iter().find(|one| one.name() == name)
    }

    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Condition::Clean => "unchanged",
            Condition::Noise20 => "white noise, 20 dB SNR",
            Condition::Noise10 => "white noise, 10 dB SNR",
            Condition::Noise0 => "white noise, 0 dB SNR",
            Condition::SpeechNoise20 => "speech-shaped noise, 20 dB SNR",
            Condition::SpeechNoise10 => "speech-shaped noise, 10 dB SNR",
            Condition::SpeechNoise0 => "speech-shaped noise, 0 dB SNR",
            Condition::Rate8k => "8 kHz sampling rate",
            Condition::Opus16k => "Opus, 16 kbit/s",
            Condition::Mp3At32k => "MP3, 32 kbit/s",
            Condition::Quiet20 => "20 dB quieter",
            Condition::Faster10 => "10 % faster",
            Condition::Slower10 => "10 % slower",
        }
    }

    /// The codec that has to be there for it.
    pub fn format(self) -> Option<Format> {
        match self.change() {
            Change::Code(format) => Some(format),
            _ => None,
        }
    }

    pub(super) fn change(self) -> Change {
        match self {
            Condition::Clean => Change::Nothing,
            Condition::Noise20 => Change::White(20.0),
            Condition::Noise10 => Change::White(10.0),
            Condition::Noise0 => Change::White(0.0),
            Condition::SpeechNoise20 => Change::Shaped(20.0),
            Condition::SpeechNoise10 => Change::Shaped(10.0),
            Condition::SpeechNoise0 => Change::Shaped(0.0),
            Condition::Rate8k => Change::Rate(8000),
            Condition::Opus16k => Change::Code(Format::Opus16k),
            Condition::Mp3At32k => Change::Code(Format::Mp3At32k),
            Condition::Quiet20 => Change::Gain(-20.0),
            Condition::Faster10 => Change::Speed(1.1),
            Condition::Slower10 => Change::Speed(0.9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn sound(value: impl Fn(f64) -> f64, samples: usize) -> Audio {
        Audio {
            samples: (0..samples)
                .map(|t| value(t as f64 / f64::from(RATE)) as f32)
                .collect(),
            sample_rate: RATE,
            channels: 1,
            remarks: Default::default(),
        }
    }

    fn tone(hz: f64) -> Audio {
        sound(|t| 0.4 * (hz * std::f64::consts::TAU * t).sin(), 20_000)
    }

    fn make(condition: Condition, audio: &Audio) -> Audio {
        let hash = audio.content_hash();
        Disturber::new(condition).make(audio, &hash).unwrap()
    }

    fn added(audio: &Audio, disturbed: &Audio) -> Vec<f64> {
        let pairs = audio.samples.iter().zip(&disturbed.samples);
        pairs.map(|(a, b)| f64::from(*b) - f64::from(*a)).collect()
    }

    fn power_of(audio: &Audio) -> f64 {
        power(audio.samples.iter().map(|s| f64::from(*s)))
    }

    /// Power of a signal around a frequency, by the Fourier sum over 100 Hz.
    fn near(values: &[f64], hz: f64) -> f64 {
        let bins = (-10..=10).map(|k| hz + 5.0 * f64::from(k));
        let of = |hz: f64| {
            let turn = hz * std::f64::consts::TAU / f64::from(RATE);
            let (mut re, mut im) = (0.0, 0.0);
            for (t, value) in values.iter().enumerate() {
                re += value * (turn * t as f64).cos();
                im += value * (turn * t as f64).sin();
            }
            re * re + im * im
        };
        bins.map(of).sum()
    }

    #[test]
    fn noise_has_the_ratio_of_its_name() {
        use Condition::*;
        let audio = tone(500.0);
        for (condition, want) in [
            (Noise20, 20.0),
            (Noise10, 10.0),
            (Noise0, 0.0),
            (SpeechNoise20, 20.0),
            (SpeechNoise10, 10.0),
            (SpeechNoise0, 0.0),
        ] {
            let noise = power(added(&audio, &make(condition, &audio)).into_iter());
            let snr = 10.0 * (power_of(&audio) / noise).log10();
            assert!((snr - want).abs() < 1e-3, "{}: {snr} dB", condition.name());
        }
        let silence = sound(|_| 0.0, 100);
        assert_eq!(make(Noise0, &silence), silence);
        assert_eq!(make(SpeechNoise0, &silence), silence);
    }

    #[test]
    fn white_noise_is_everywhere_and_speech_shaped_noise_where_the_sound_is() {
        let audio = tone(500.0);
        let white = added(&audio, &make(Condition::Noise0, &audio));
        let shaped = added(&audio, &make(Condition::SpeechNoise0, &audio));
        let share = |noise: &[f64]| near(noise, 500.0) / near(noise, 3_000.0);
        assert!((0.2..5.0).contains(&share(&white)), "{}", share(&white));
        assert!(share(&shaped) > 1_000.0, "{}", share(&shaped));
    }

    #[test]
    fn the_same_sound_gets_the_same_noise_and_another_one_another() {
        let mut used = Disturber::new(Condition::Noise10);
        let (one, other) = (tone(300.0), tone(700.0));
        let first = used.make(&one, &one.content_hash()).unwrap();
        let second = used.make(&other, &other.content_hash()).unwrap();
        assert_eq!(first, make(Condition::Noise10, &one));
        assert_ne!(added(&one, &first), added(&other, &second));
    }

    #[test]
    fn a_narrow_band_has_nothing_above_four_kilohertz_and_keeps_what_is_below() {
        let [low, high] = [1_000.0, 6_000.0].map(tone);
        let narrow = make(Condition::Rate8k, &low);
        assert_eq!(narrow.samples.len(), low.samples.len());
        let difference = power(added(&low, &narrow)[500..19_500].iter().copied());
        assert!(difference < 1e-5 * power_of(&low), "{difference}");
        let gone = make(Condition::Rate8k, &high);
        assert!(power_of(&gone) < 1e-4 * power_of(&high));
        let telephone = Audio {
            sample_rate: 8_000,
            ..low
        };
        assert_eq!(make(Condition::Rate8k, &telephone), telephone);
    }

    #[test]
    fn level_and_speed_are_those_of_their_names() {
        let audio = tone(500.0);
        assert_eq!(make(Condition::Clean, &audio), audio);
        let quiet = make(Condition::Quiet20, &audio);
        for (quiet, sample) in quiet.samples.iter().zip(&audio.samples) {
            assert!((quiet * 10.0 - sample).abs() < 1e-6);
        }
        let lengths = [Condition::Faster10, Condition::Slower10]
            .map(|condition| make(condition, &audio).samples.len() as f64);
        assert!((lengths[0] - 20_000.0 / 1.1).abs() < 2.0, "{lengths:?}");
        assert!((lengths[1] - 20_000.0 / 0.9).abs() < 2.0, "{lengths:?}");
    }

    #[test]
    fn nothing_is_too_short() {
        for samples in [0, 1, 2, 5] {
            let audio = sound(|t| t, samples);
            for condition in Condition::ALL {
                if condition.format().is_none() {
                    assert!(make(condition, &audio).samples.len() <= samples + 1);
                }
            }
        }
    }

    #[test]
    fn a_name_is_the_same_everywhere() {
        for condition in Condition::ALL {
            let name = condition.name();
            assert_eq!(Condition::named(name), Some(condition));
            assert_eq!(
                serde_json::to_string(&condition).unwrap(),
                format!("\"{name}\"")
            );
        }
        assert_eq!(Condition::named("loud"), None);
    }
}
