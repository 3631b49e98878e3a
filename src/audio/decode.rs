//! Opening a recording: mono samples at the file's own rate, whatever the container and codec.
//!
//! Plain PCM in WAVE, which is what the corpora are, goes through [`super::wav`]; everything else through Symphonia.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::error::{self, Error, Result};

use super::{stream, wav};

/// The most samples per channel that a recording may hold: three hours at 48 kHz, and a bound on what a hostile file can make us allocate.
pub(super) const MAX_FRAMES: usize = 1 << 29;

/// Rates outside this range (Hz) are taken for a damaged header.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// How far (seconds) a segment may reach beyond the end of its recording: label files round their times.
const SEGMENT_TOLERANCE_S: f64 = 0.05;

/// Sound as the features want it: one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Mean over the channels, full scale is 1: a 16-bit sample `i` becomes `i / 32768`.
    pub samples: Vec<f32>,
    /// Of the file, in Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
}

impl Audio {
    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// The sound between two times in seconds, each rounded to the nearest sample.
    ///
    /// An end up to 50 ms beyond the recording is taken as its end, since label files round their times.
    ///
    /// # Errors
    /// Where the times are no interval within the recording.
    pub fn segment(&self, start_s: f64, end_s: f64) -> Result<Audio> {
        let bounds = self.segment_bounds(start_s, end_s)?;
        Ok(Audio { samples: self.samples[bounds].to_vec(), ..*self })
    }

    /// The samples of [`Audio::segment`], of which there is at least one.
    ///
    /// # Errors
    /// As [`Audio::segment`].
    pub fn segment_bounds(&self, start_s: f64, end_s: f64) -> Result<Range<usize>> {
        let bad = |why: String| Error::data(why).hint("correct the start and end times, which are seconds from the beginning of the file");
        if !(start_s.is_finite() && end_s.is_finite() && start_s >= 0.0 && end_s > start_s) {
            return Err(bad(format!("the segment from {start_s} s to {end_s} s is no interval of time")));
        }
        let duration = self.duration_s();
        if end_s > duration + SEGMENT_TOLERANCE_S {
            return Err(bad(format!("the segment from {start_s} s to {end_s} s leaves the recording, which lasts {duration:.3} s")));
        }
        let at = |seconds: f64| ((seconds * f64::from(self.sample_rate)).round() as usize).min(self.samples.len());
        let bounds = at(start_s)..at(end_s);
        if bounds.is_empty() {
            return Err(bad(format!("the segment from {start_s} s to {end_s} s holds no sample of the recording")));
        }
        Ok(bounds)
    }

    /// Hex BLAKE3 over the rate (u32) and the samples (f32), both little-endian: equal sound, equal hash, whatever file it came in.
    pub fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.sample_rate.to_le_bytes());
        // In one piece, which the hash works through several times as fast as through a piece after the other.
        if cfg!(target_endian = "little") {
            hasher.update(bytemuck::cast_slice(&self.samples));
        } else {
            hasher.update(&self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Decodes a recording: WAVE (8, 16, 24, 32-bit PCM, 32 and 64-bit float, extensible, ADPCM), FLAC, MP3, Ogg Vorbis, AAC or ALAC in MP4.
///
/// What the file is, is read from its first bytes, not from its name. Channels are averaged in `f32`, in order, as
/// `librosa.load(path, sr=None)` does. A file that ends before its header says (an interrupted copy) is an error, and so are damage and
/// samples that are not finite.
///
/// # Errors
/// [`crate::error::Kind::Io`] where the file cannot be read, [`crate::error::Kind::Data`] where it is no usable audio; both name the file.
pub fn decode(path: &Path) -> Result<Audio> {
    let about = fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if !about.is_file() {
        let what = if about.is_dir() { "a folder" } else { "no regular file" };
        return Err(unusable(&shown(path), &format!("it is {what}")));
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    BYTES.with_borrow_mut(|bytes| {
        bytes.clear();
        let whole = File::open(path).and_then(|mut file| file.read_to_end(bytes));
        let audio = match whole {
            Ok(_) => read(bytes, extension).map_err(|why| unusable(&shown(path), &why)),
            Err(error) => Err(Error::io("read", path, error)),
        };
        bytes.shrink_to(KEPT);
        audio
    })
}

/// Bytes that a thread keeps room for between two files: fresh memory costs as much as the copy into it.
const KEPT: usize = 1 << 21;

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// [`decode`] on bytes in memory; `extension` (without a dot, may be empty) only helps to find an MP3 stream behind leading rubbish.
///
/// # Errors
/// [`crate::error::Kind::Data`] where the bytes are no usable audio. Never panics, whatever the bytes.
pub fn decode_bytes(bytes: &[u8], extension: &str) -> Result<Audio> {
    read(bytes, extension).map_err(|why| unusable("the given bytes", &why))
}

fn unusable(name: &str, why: &str) -> Error {
    Error::data(format!("failed to decode {name}: {why}"))
        .hint("replace the file with an undamaged copy (WAV, FLAC, MP3, Ogg Vorbis or MP4), or take it out of the corpus")
}

fn shown(path: &Path) -> String {
    error::shown(&path.to_string_lossy())
}

fn read(bytes: &[u8], extension: &str) -> Result<Audio, String> {
    let coded = match Container::of(bytes) {
        None if bytes.is_empty() => return Err("it is empty".to_owned()),
        None if extension.eq_ignore_ascii_case("mp3") => true,
        None => return Err("it is no audio in a known format".to_owned()),
        Some(Container::Wave) => false,
        Some(Container::Other) => true,
    };
    let audio = if coded {
        stream::read(bytes, extension)?
    } else {
        match wav::read(bytes)? {
            wav::Wave::Plain(audio) => audio,
            wav::Wave::Coded => stream::read(bytes, "wav")?,
        }
    };
    if !RATES.contains(&audio.sample_rate) {
        return Err(format!("its sample rate of {} Hz is not possible", audio.sample_rate));
    }
    if audio.samples.is_empty() {
        return Err("it holds no samples".to_owned());
    }
    // One pass that the compiler can vectorise; the position is only wanted in the bad case.
    if !audio.samples.iter().fold(true, |fine, s| fine & s.is_finite()) {
        let at = audio.samples.iter().position(|s| !s.is_finite()).unwrap_or_default();
        return Err(format!("sample {at} is not a finite number"));
    }
    Ok(audio)
}

/// What the first bytes say.
enum Container {
    Wave,
    Other,
}

impl Container {
    fn of(bytes: &[u8]) -> Option<Container> {
        // A header that is cut off within its first twelve bytes is still a WAVE header to its reader, which says so.
        if bytes.get(8..12).is_some_and(|form| form != b"WAVE") && bytes.starts_with(b"RIFF") {
            return None;
        }
        match bytes {
            [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => Some(Container::Wave),
            [b'f', b'L', b'a', b'C', ..] | [b'O', b'g', b'g', b'S', ..] | [b'I', b'D', b'3', ..] => Some(Container::Other),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Container::Other),
            [0xFF, second, ..] if second & 0xE0 == 0xE0 => Some(Container::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
