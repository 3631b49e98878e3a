//! The conditions under which tested recordings are changed: what becomes of a model's answers where
//! there is noise, a narrow band, a codec, another level or another speed.

use serde::{Deserialize, Serialize};

use super::codec::Format;

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
