//! Opening a recording: mono samples at the file's own rate, whatever the container and codec.
//!
//! Uncompressed samples, which are what corpora are, are read by [`super::pcm`]; everything else
//! goes through Symphonia. What a file is, is read from its first bytes, and how long it is from
//! its header, before memory for it is asked for. Files are read in blocks.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::corpus::SEGMENT_TOLERANCE_S;
use crate::error::{Error, Result};

use super::budget::{Budget, Permit};
use super::format::{self, Format};
use super::input::Input;
use super::mono::{Mono, Remark, Remarks};
use super::pcm::Layout;
use super::refusal::Refusal;
use super::sound::{Sound, Spill, collected};
use super::stream::{self, Known};
use super::wav::{self, Wave};
use super::{adts, headers, mp3, mp4};

/// Rates outside this range (Hz) are taken for a damaged header.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Sound as the features want it: one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Mean over the channels, full scale is 1: a 16-bit sample `i` becomes `i / 32768`.
    pub samples: Vec<f32>,
    /// Of the file, in Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
    /// Peculiarities of the recording.
    pub remarks: Remarks,
}

impl Audio {
    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// The sound between two times in seconds, each rounded to the nearest sample.
    ///
    /// An end up to 50 ms beyond the recording is taken as its end, since label files round their
    /// times.
    ///
    /// # Errors
    /// Where the times are no interval within the recording.
    pub fn segment(&self, start_s: f64, end_s: f64) -> Result<Audio> {
        let bounds = self.segment_bounds(start_s, end_s)?;
        Ok(Audio {
            samples: self.samples[bounds].to_vec(),
            ..*self
        })
    }

    /// The samples of [`Audio::segment`], of which there is at least one.
    pub fn segment_bounds(&self, start_s: f64, end_s: f64) -> Result<Range<usize>> {
        bounds(self.samples.len(), self.sample_rate, start_s, end_s)
    }

    /// Hex BLAKE3 over the rate (u32) and the samples (f32), both little-endian: equal sound, equal
    /// hash, whatever file it came in.
    pub fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.sample_rate.to_le_bytes());
        // In one piece, which the hash works through several times as fast as through a piece after
        // the other.
        hash(&mut hasher, &self.samples);
        hasher.finalize().to_hex().to_string()
    }
}

/// Adds samples to a hash, little-endian.
pub(super) fn hash(hasher: &mut blake3::Hasher, samples: &[f32]) {
    if cfg!(target_endian = "little") {
        hasher.update(bytemuck::cast_slice(samples));
    } else {
        hasher.update(
            &samples
                .iter()
                .flat_map(|sample| sample.to_le_bytes())
                .collect::<Vec<u8>>(),
        );
    }
}

/// The samples between two times, of a recording of so many: see [`Audio::segment_bounds`].
pub(super) fn bounds(
    samples: usize,
    sample_rate: u32,
    start_s: f64,
    end_s: f64,
) -> Result<Range<usize>> {
    let bad = |why: String| {
        Error::data(why).hint(
            "correct the start and end times, which are seconds from the beginning of the file",
        )
    };
    if !(start_s.is_finite() && end_s.is_finite() && start_s >= 0.0 && end_s > start_s) {
        return Err(bad(format!(
            "the segment from {start_s} s to {end_s} s is no interval of time"
        )));
    }
    let duration = samples as f64 / f64::from(sample_rate);
    if end_s > duration + SEGMENT_TOLERANCE_S {
        return Err(bad(format!(
            "the segment from {start_s} s to {end_s} s leaves the recording, which lasts {duration:.3} s"
        )));
    }
    let at = |seconds: f64| ((seconds * f64::from(sample_rate)).round() as usize).min(samples);
    let bounds = at(start_s)..at(end_s);
    if bounds.is_empty() {
        return Err(bad(format!(
            "the segment from {start_s} s to {end_s} s holds no sample of the recording"
        )));
    }
    Ok(bounds)
}

/// Decodes a recording: WAVE, RF64 and RIFX (PCM, float, G.711, ADPCM), AIFF and AIFC, AU, NIST
/// SPHERE, FLAC, MP3, AAC in MP4 or ADTS, ALAC, and Vorbis, Opus or FLAC in Ogg, WebM or Matroska.
///
/// The format is recognised by the first bytes, not by the name. Channels are averaged in
/// `f32`, in order, as `librosa.load(path, sr=None)` does. What edit lists, encoder delays and
/// paddings hide is left out. A file that ends before its header says (an interrupted copy) is an
/// error, and so are damage and samples that are not finite; formats that are not read are named
/// with the command that converts them.
///
/// # Errors
/// [`crate::error::Kind::Io`] where the file cannot be read, [`crate::error::Kind::Data`] where it
/// is no usable audio; both name the file.
pub fn decode(path: &Path) -> Result<Audio> {
    open(path, |input, extension| {
        collect(input, extension, &Budget::unlimited())
    })
}

/// [`decode`] of recordings of any length: the samples of one that is longer than five minutes, or
/// than the budget of memory allows, are kept in a file without a name. The permit is kept for as
/// long as the sound is.
pub fn decode_sound<'a>(path: &Path, budget: &'a Budget) -> Result<(Sound, Permit<'a>)> {
    open(path, |input, extension| sound(input, extension, budget))
}

/// [`decode_sound`] of bytes in memory.
pub fn decode_sound_of_bytes<'a>(bytes: &[u8], budget: &'a Budget) -> Result<(Sound, Permit<'a>)> {
    sound(&Input::of_bytes(bytes), "", budget).map_err(|refusal| refusal.into_error(None))
}

fn sound<'a>(
    input: &Input,
    extension: &str,
    budget: &'a Budget,
) -> Result<(Sound, Permit<'a>), Refusal> {
    let mut out = Mono::new(budget, None);
    out.spill = Some(Spill::new(budget.folder()));
    read(input, extension, &mut out)?;
    Ok((collected(&mut out)?, out.permit))
}

/// [`decode`] of bytes in memory; `extension` (without a dot, may be empty) only helps to find an
/// MP3 stream behind leading rubbish.
///
/// # Errors
/// [`crate::error::Kind::Data`] where the bytes are no usable audio. Never panics, whatever the
/// bytes.
pub fn decode_bytes(bytes: &[u8], extension: &str) -> Result<Audio> {
    collect(&Input::of_bytes(bytes), extension, &Budget::unlimited())
        .map_err(|refusal| refusal.into_error(None))
}

/// The properties of a recording whose samples were not kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Samples per channel.
    pub samples: u64,
    /// Of the file, in Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
    /// Peculiarities of the recording.
    pub remarks: Remarks,
}

impl Shape {
    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate)
    }
}

/// Takes the samples of a recording as they are decoded, their rate, and whether nothing more
/// comes. What it leaves in the buffer is there again the next time; it returns whether it wants
/// more.
pub type Take<'a> = dyn FnMut(&mut Vec<f32>, u32, bool) -> bool + 'a;

/// Decodes a recording block after block, so that its length costs no memory.
pub fn decode_blocks(path: &Path, budget: &Budget, take: &mut Take) -> Result<Shape> {
    open(path, |input, extension| {
        blocks(input, extension, budget, take)
    })
}

/// [`decode_blocks`] of bytes in memory.
pub fn decode_blocks_of_bytes(bytes: &[u8], budget: &Budget, take: &mut Take) -> Result<Shape> {
    blocks(&Input::of_bytes(bytes), "", budget, take).map_err(|refusal| refusal.into_error(None))
}

/// Decodes a recording to its end and keeps nothing of it but the BLAKE3 of its samples (f32,
/// little-endian).
pub fn measure(path: &Path) -> Result<(Shape, [u8; 32])> {
    let mut hasher = blake3::Hasher::new();
    let shape = decode_blocks(path, &Budget::unlimited(), &mut |block, _, _| {
        hash(&mut hasher, block);
        block.clear();
        true
    })?;
    Ok((shape, *hasher.finalize().as_bytes()))
}

/// Opens a file and hands on its bytes.
fn open<T>(path: &Path, read: impl FnOnce(&Input, &str) -> Result<T, Refusal>) -> Result<T> {
    let about = fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if !about.is_file() {
        let what = if about.is_dir() {
            "a folder"
        } else {
            "no regular file"
        };
        return Err(Refusal::Damaged(format!("it is {what}")).into_error(Some(path)));
    }
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    BYTES.with_borrow_mut(|bytes| {
        bytes.clear();
        let first = File::open(path).and_then(|mut file| {
            file.by_ref().take(HELD).read_to_end(bytes)?;
            Ok(file)
        });
        match first {
            Ok(file) => read(&Input::of_file(&file, bytes, about.len()), extension)
                .map_err(|refusal| refusal.into_error(Some(path))),
            Err(error) => Err(Error::io("read", path, error)),
        }
    })
}

/// Bytes of a file that are read at once, and that a thread keeps room for between two files: fresh
/// memory costs as much as the copy into it.
const HELD: u64 = 1 << 21;

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn collect(input: &Input, extension: &str, budget: &Budget) -> Result<Audio, Refusal> {
    let mut out = Mono::new(budget, None);
    read(input, extension, &mut out)?;
    Ok(Audio {
        samples: out.samples,
        sample_rate: out.sample_rate,
        channels: out.channels,
        remarks: out.remarks,
    })
}

fn blocks(
    input: &Input,
    extension: &str,
    budget: &Budget,
    take: &mut Take,
) -> Result<Shape, Refusal> {
    let mut take = |block: &mut Vec<f32>, rate: u32, last: bool| {
        if take(block, rate, last) {
            Ok(())
        } else {
            Err(Refusal::Told("nothing more is wanted of it".to_owned()))
        }
    };
    let mut out = Mono::new(budget, Some(&mut take));
    read(input, extension, &mut out)?;
    Ok(Shape {
        samples: out.kept,
        sample_rate: out.sample_rate,
        channels: out.channels,
        remarks: out.remarks,
    })
}

fn read(input: &Input, extension: &str, out: &mut Mono) -> Result<(), Refusal> {
    // Some formats begin with a tag in front.
    let input = format::without_tags(input)?;
    let format = format::of(&input, extension)?;
    let mut known = Known {
        format,
        mp4: None,
        mp3: None,
    };
    match format {
        Format::Wave => match wav::read(&input, &mut out.remarks)? {
            Wave::Plain(layout) => layout.read(&input, out)?,
            Wave::Adpcm => stream::read(&input, &known, "wav", out)?,
        },
        Format::Sphere => headers::sphere(&input)?.read(&input, out)?,
        Format::Aiff => headers::aiff(&input)?.read(&input, out)?,
        Format::Au => headers::au(&input)?.read(&input, out)?,
        Format::Mp4 => {
            known.mp4 = mp4::read(&input)?;
            match &known.mp4 {
                Some(track) if track.plain.is_some() => plain(&input, track, out)?,
                track => {
                    if track.as_ref().is_some_and(|track| track.core_only) {
                        out.remarks.add(Remark::CoreOnly);
                    }
                    stream::read(&input, &known, "", out)?;
                }
            }
        }
        Format::Mpeg => {
            let found = mp3::walk(&input)?;
            if found.miscounted {
                out.remarks.add(Remark::Miscounted);
            }
            known.mp3 = Some(found);
            stream::read(&input.part(found.start, found.end), &known, "mp3", out)?;
        }
        Format::Ogg => {
            format::check_ogg(&input)?;
            stream::read(&input, &known, "", out)?;
        }
        Format::Adts => {
            adts::check(&input)?;
            stream::read(&input, &known, "", out)?;
        }
        Format::Flac | Format::Matroska => stream::read(&input, &known, "", out)?,
    }
    out.finish()
}

/// Uncompressed samples in MP4 or QuickTime.
fn plain(input: &Input, track: &mp4::Track, out: &mut Mono) -> Result<(), Refusal> {
    let Some((layout, pieces)) = &track.plain else {
        return Ok(());
    };
    let bytes = pieces
        .iter()
        .fold(0u64, |all, (_, length)| all.saturating_add(*length));
    let frame = layout.coding.width() as u64 * u64::from(layout.channels);
    out.hear(track.spans(layout.sample_rate));
    out.begin(
        layout.sample_rate,
        layout.channels,
        bytes.checked_div(frame),
    )?;
    for &(at, length) in pieces {
        if at.saturating_add(length) > input.len() {
            return Err(format!("it ends after {} samples", out.decoded).into());
        }
        Layout::piece(layout, input, at, length, out)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod kinds;
