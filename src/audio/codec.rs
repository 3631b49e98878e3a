//! Recordings through a lossy codec and back. There is no encoder in this program: ffmpeg, or the
//! program of the codec, codes; the decoder is the one that reads corpora.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::decode::{Audio, decode};
use super::resample::Resampler;
use crate::error::{Error, Result};
use crate::files::private_folder;

/// A codec with its bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Opus at 16 kbit/s.
    Opus16k,
    /// MP3 at 32 kbit/s.
    Mp3At32k,
}

/// A program that codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    program: &'static str,
    /// The line in which it names itself: another version may code in another way.
    pub version: String,
}

const FFMPEG: &str = "ffmpeg";
const FFMPEG_INPUT: &[&str] = &["-nostdin", "-v", "error", "-y", "-threads", "1", "-i"];

impl Format {
    fn place(self) -> usize {
        match self {
            Format::Opus16k => 0,
            Format::Mp3At32k => 1,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Opus16k => "opus",
            Format::Mp3At32k => "mp3",
        }
    }

    /// The name of its encoder in ffmpeg.
    fn library(self) -> &'static str {
        match self {
            Format::Opus16k => "libopus",
            Format::Mp3At32k => "libmp3lame",
        }
    }

    /// The program of its own.
    fn own(self) -> &'static str {
        match self {
            Format::Opus16k => "opusenc",
            Format::Mp3At32k => "lame",
        }
    }

    /// The program on the path that codes it; looked for once.
    ///
    /// # Errors
    /// `Missing` where there is none.
    pub fn encoder(self) -> Result<&'static Encoder> {
        static FOUND: [OnceLock<Option<Encoder>>; 2] = [OnceLock::new(), OnceLock::new()];
        let found = FOUND[self.place()].get_or_init(|| self.look());
        found.as_ref().ok_or_else(|| {
            let (own, library) = (self.own(), self.library());
            Error::missing(format!(
                "neither {FFMPEG} with {library} nor {own} is on the path"
            ))
            .hint(format!("install {FFMPEG} or {own}"))
        })
    }

    fn look(self) -> Option<Encoder> {
        let encoder = |program, version: String| Encoder {
            program,
            version: version.lines().next().unwrap_or_default().trim().to_owned(),
        };
        let has_library = said(FFMPEG, ["-hide_banner", "-encoders"]).is_some_and(|list| {
            let mut words = list.split_whitespace();
            words.any(|word| word == self.library())
        });
        if has_library && let Some(version) = said(FFMPEG, ["-version"]) {
            return Some(encoder(FFMPEG, version));
        }
        Some(encoder(self.own(), said(self.own(), ["--version"])?))
    }
}

/// What a program writes to standard output, where it is there and content.
fn said<const N: usize>(program: &str, arguments: [&str; N]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

/// The recording as it comes out of the codec, at its own rate and as long as it was.
///
/// # Errors
/// `Missing` where no program codes it; `Io` where that fails or the file system refuses.
pub(super) fn there_and_back(format: Format, audio: &Audio) -> Result<Audio> {
    let encoder = format.encoder()?;
    let folder = private_folder()?;
    let plain = folder.path().join("in.wav");
    let coded = folder.path().join(format!("out.{}", format.extension()));
    write_wav(&plain, audio)?;
    let mut command = Command::new(encoder.program);
    command.args(arguments(encoder.program, format, &plain, &coded));
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::io("run", Path::new(encoder.program), e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it does not say why");
        // A full disk or a killed process says nothing of the recording.
        let why = std::io::Error::other(last.to_owned());
        return Err(Error::io("run", Path::new(encoder.program), why));
    }
    let decoded = decode(&coded)?;
    let mut back = Resampler::new(decoded.sample_rate, audio.sample_rate);
    let mut samples = back.process(&decoded.samples);
    samples.resize(audio.samples.len(), 0.0);
    Ok(Audio { samples, ..*audio })
}

/// Its command line, without the program.
fn arguments<'a>(
    program: &str,
    format: Format,
    plain: &'a Path,
    coded: &'a Path,
) -> Vec<&'a OsStr> {
    let (before, after): (&[&str], &[&str]) = match (program, format) {
        (FFMPEG, Format::Opus16k) => (FFMPEG_INPUT, &["-c:a", "libopus", "-b:a", "16k"]),
        (FFMPEG, Format::Mp3At32k) => (FFMPEG_INPUT, &["-c:a", "libmp3lame", "-b:a", "32k"]),
        (_, Format::Opus16k) => (&["--quiet", "--bitrate", "16"], &[]),
        (_, Format::Mp3At32k) => (&["--quiet", "-m", "m", "-b", "32"], &[]),
    };
    let before = before.iter().map(OsStr::new);
    let after = after.iter().map(OsStr::new);
    before
        .chain([plain.as_os_str()])
        .chain(after)
        .chain([coded.as_os_str()])
        .collect()
}

/// 16-bit PCM, which every encoder reads.
fn write_wav(path: &Path, audio: &Audio) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: audio.sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    // Values beyond full scale are clipped by the conversion, which saturates.
    let sample = |value: &f32| (f64::from(*value) * 32768.0).round() as i16;
    let written = hound::WavWriter::create(path, spec).and_then(|mut wav| {
        let mut samples = audio.samples.iter().map(sample);
        samples.try_for_each(|value| wav.write_sample(value))?;
        wav.finalize()
    });
    written.map_err(|e| match e {
        hound::Error::IoError(e) => Error::io("write", path, e),
        other => Error::internal("failed to write a WAVE file").because(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(hz: f64) -> Audio {
        let value = |t: usize| {
            let t = t as f64 / 16_000.0;
            let harmonics = (1..20).map(|k| (hz * f64::from(k) * std::f64::consts::TAU * t).sin());
            (0.05 * harmonics.sum::<f64>()) as f32
        };
        Audio {
            samples: (0..16_000).map(value).collect(),
            sample_rate: 16_000,
            channels: 1,
            remarks: Default::default(),
        }
    }

    /// The correlation of two signals that lie on each other.
    fn correlation(a: &[f32], b: &[f32]) -> f64 {
        let product = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    }

    #[test]
    fn a_voice_comes_out_of_a_codec_in_its_place_and_not_as_it_was() {
        for format in [Format::Opus16k, Format::Mp3At32k] {
            if let Err(error) = format.encoder() {
                crate::skipped::skipped("codecs", error);
                continue;
            }
            let audio = voice(150.0);
            let coded = there_and_back(format, &audio).unwrap();
            assert_eq!(
                (coded.samples.len(), coded.sample_rate),
                (audio.samples.len(), audio.sample_rate)
            );
            let likeness = correlation(&audio.samples, &coded.samples);
            assert!((0.8..0.99999).contains(&likeness), "{format:?}: {likeness}");
            assert_eq!(coded, there_and_back(format, &audio).unwrap());
        }
    }

    #[test]
    fn commands_name_the_codec_and_both_files() {
        let line = |program, format| {
            let (plain, coded) = (Path::new("in.wav"), Path::new("out"));
            let words = arguments(program, format, plain, coded).into_iter();
            let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
            words.join(" ")
        };
        assert!(line(FFMPEG, Format::Opus16k).ends_with("-i in.wav -c:a libopus -b:a 16k out"));
        assert_eq!(
            line("opusenc", Format::Opus16k),
            "--quiet --bitrate 16 in.wav out"
        );
        assert_eq!(
            line("lame", Format::Mp3At32k),
            "--quiet -m m -b 32 in.wav out"
        );
    }
}
