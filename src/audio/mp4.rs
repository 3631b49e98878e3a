//! Parts of MP4 and QuickTime that Symphonia leaves out: edit lists, the byte order of samples, HE-AAC.

use std::ops::Range;

use super::input::Input;
use super::pcm::{Coding, Layout};
use super::refusal::Refusal;

/// The first audio track.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub id: u32,
    /// What is to be heard of it, in units of `timescale`, in order; all of it where there is no
    /// list.
    edits: Vec<Edit>,
    pub timescale: u32,
    /// Uncompressed samples, and the stretches of bytes that hold them.
    pub plain: Option<(Layout, Vec<(u64, u64)>)>,
    /// Whether a second decoder adds the upper band of the spectrum to what is decoded here.
    pub core_only: bool,
    /// Four letters.
    pub codec: [u8; 4],
}

/// A stretch of the media.
#[derive(Debug, Clone, Copy)]
struct Edit {
    start: u64,
    /// In seconds; to the end where it is nought.
    seconds: f64,
}

/// The most bytes of a header.
const MOST: u64 = 1 << 28;

/// A box (an atom in QuickTime): its name, its content.
type Atom<'a> = ([u8; 4], &'a [u8]);

/// The boxes one after the other, up to the first that is damaged.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = Atom<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = u32_at(rest, 0)? as usize;
        let name = *rest.get(4..8)?.first_chunk()?;
        let (head, size) = match size {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64_at(rest, 8)?).ok()?),
            size => (8, size),
        };
        let content = rest.get(head..size)?;
        rest = &rest[size..];
        Some((name, content))
    })
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, name| {
        boxes(bytes)
            .find(|(found, _)| found == *name)
            .map(|(_, content)| content)
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_be_bytes)
}

/// Looks at the header. Nothing where there is none or no audio track, which is for Symphonia to
/// say.
///
/// # Errors
/// Where the track is in a form that is not read.
pub(super) fn read(input: &Input) -> Result<Option<Track>, Refusal> {
    let Some(moov) = header(input)? else {
        return Ok(None);
    };
    let is_sound = |track: &[u8]| {
        find(track, &[b"mdia", b"hdlr"]).is_some_and(|handler| handler.get(8..12) == Some(b"soun"))
    };
    let Some(trak) = boxes(&moov)
        .find(|(name, content)| name == b"trak" && is_sound(content))
        .map(|(_, content)| content)
    else {
        return Ok(None);
    };
    let read = || -> Option<Result<Track, Refusal>> {
        let (movie, media) = (find(&moov, &[b"mvhd"])?, find(trak, &[b"mdia", b"mdhd"])?);
        let scale = |head: &[u8]| {
            u32_at(head, if head.first() == Some(&1) { 20 } else { 12 }).filter(|scale| *scale > 0)
        };
        let heading = find(trak, &[b"tkhd"])?;
        let id = u32_at(heading, if heading.first() == Some(&1) { 20 } else { 12 })?;
        let edits = find(trak, &[b"edts", b"elst"])
            .map_or(Some(vec![]), |list| edits(list, scale(movie)?))?;
        let mut track = Track {
            id,
            edits,
            timescale: scale(media)?,
            ..Track::default()
        };
        let table = find(trak, &[b"mdia", b"minf", b"stbl"])?;
        let described = describe(&mut track, table)?;
        Some(described.map(|()| track))
    };
    read().transpose()
}

/// The box `moov`.
fn header(input: &Input) -> Result<Option<Vec<u8>>, Refusal> {
    let mut at = 0;
    while let Some([s0, s1, s2, s3, name @ ..]) = input.bytes::<8>(at)? {
        let (head, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => (8, input.len() - at),
            1 => (16, input.bytes::<8>(at + 8)?.map_or(0, u64::from_be_bytes)),
            size => (8, u64::from(size)),
        };
        if size < head {
            return Ok(None);
        }
        if name == *b"moov" {
            let size = (size - head).min(input.len().saturating_sub(at + head));
            if size > MOST {
                return Err("its header is too large".into());
            }
            let mut moov = vec![0; size as usize];
            input.read(at + head, &mut moov)?;
            return Ok(Some(moov));
        }
        at = at.saturating_add(size);
    }
    Ok(None)
}

/// The list of edits, but for those that are empty: they only delay what follows.
fn edits(list: &[u8], movie_scale: u32) -> Option<Vec<Edit>> {
    let long = list.first() == Some(&1);
    let count = u32_at(list, 4)? as usize;
    let rows = list
        .get(8..)?
        .chunks_exact(if long { 20 } else { 12 })
        .take(count);
    let edits = rows.filter_map(|row| {
        let (duration, start) = if long {
            (u64_at(row, 0)?, u64_at(row, 8)? as i64)
        } else {
            (
                u64::from(u32_at(row, 0)?),
                i64::from(u32_at(row, 4)? as i32),
            )
        };
        let start = u64::try_from(start).ok()?;
        Some(Edit {
            start,
            seconds: duration as f64 / f64::from(movie_scale),
        })
    });
    Some(edits.collect())
}

impl Track {
    /// What is to be heard, in frames at a sample rate.
    pub(super) fn spans(&self, sample_rate: u32) -> Vec<Range<u64>> {
        let rate = f64::from(sample_rate);
        let span = |edit: &Edit| {
            let start = (edit.start as f64 * rate / f64::from(self.timescale)).round() as u64;
            let frames = (edit.seconds * rate).round() as u64;
            start..if frames == 0 {
                u64::MAX
            } else {
                start.saturating_add(frames)
            }
        };
        self.edits.iter().map(span).collect()
    }
}

/// Reads the description of the samples.
fn describe(track: &mut Track, table: &[u8]) -> Option<Result<(), Refusal>> {
    let (codec, entry) = boxes(find(table, &[b"stsd"])?.get(8..)?).next()?;
    track.codec = codec;
    let version = u16_at(entry, 8)?;
    let (mut channels, mut bits) = (u32::from(u16_at(entry, 16)?), u32::from(u16_at(entry, 18)?));
    let mut rate = u32_at(entry, 24)? >> 16;
    let mut flags = None;
    let head = match version {
        1 => 44,
        2 => {
            rate = f64::from_bits(u64_at(entry, 32)?) as u32;
            channels = u32_at(entry, 40)?;
            (bits, flags) = (u32_at(entry, 48)?, Some(u32_at(entry, 52)?));
            64
        }
        _ => 28,
    };
    let more = entry.get(head..)?;
    if codec == *b"mp4a" {
        let elementary = find(more, &[b"esds"]).or_else(|| find(more, &[b"wave", b"esds"]))?;
        return Some(advanced(track, elementary, rate, table));
    }
    let little = find(more, &[b"wave", b"enda"])
        .or_else(|| find(more, &[b"enda"]))
        .and_then(|enda| u16_at(enda, 0))
        == Some(1);
    let configured = find(more, &[b"pcmC"]);
    let (coding, big_endian) = match &codec {
        b"sowt" => (Coding::Signed(2), false),
        b"twos" => (Coding::Signed(bits.div_ceil(8).clamp(1, 4) as usize), true),
        b"in24" => (Coding::Signed(3), !little),
        b"in32" => (Coding::Signed(4), !little),
        b"fl32" => (Coding::Float32, !little),
        b"fl64" => (Coding::Float64, !little),
        b"ulaw" => (Coding::MuLaw, true),
        b"alaw" => (Coding::ALaw, true),
        b"raw " | b"NONE" if bits == 8 => (Coding::Unsigned8, true),
        b"raw " | b"NONE" if bits == 16 => (Coding::Signed(2), true),
        b"ipcm" | b"fpcm" => {
            let (order, width) = (configured?.get(4)? & 1, *configured?.get(5)?);
            let coding = match (&codec, width) {
                (b"fpcm", 32) => Coding::Float32,
                (b"fpcm", 64) => Coding::Float64,
                (b"ipcm", 16 | 24 | 32) => Coding::Signed(usize::from(width) / 8),
                _ => {
                    return Some(Err(
                        format!("{width} bits per sample are not supported").into()
                    ));
                }
            };
            (coding, order == 0)
        }
        b"lpcm" => {
            // Apple's flags: float, big-endian, signed.
            let flags = flags?;
            let coding = match (flags & 1, bits) {
                (1, 32) => Coding::Float32,
                (1, 64) => Coding::Float64,
                (0, 8) if flags & 4 == 0 => Coding::Unsigned8,
                (0, 8 | 16 | 24 | 32) if flags & 4 != 0 => Coding::Signed(bits as usize / 8),
                _ => {
                    return Some(Err(
                        format!("{bits} bits per sample are not supported").into()
                    ));
                }
            };
            (coding, flags & 2 != 0)
        }
        _ => return Some(Ok(())),
    };
    let layout = Layout {
        coding,
        big_endian,
        channels: u16::try_from(channels).ok()?,
        sample_rate: rate,
        start: 0,
        promised: None,
    };
    track.plain = Some((
        layout,
        pieces(table, coding.width() as u64 * u64::from(channels))?,
    ));
    Some(Ok(()))
}

/// Where the samples of an uncompressed track lie: position and length of each chunk.
fn pieces(table: &[u8], frame: u64) -> Option<Vec<(u64, u64)>> {
    let offsets: Vec<u64> = match (find(table, &[b"stco"]), find(table, &[b"co64"])) {
        (Some(list), _) => list
            .get(8..)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| u64::from(u32::from_be_bytes(*b)))
            .collect(),
        (None, Some(list)) => list
            .get(8..)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| u64::from_be_bytes(*b))
            .collect(),
        _ => return None,
    };
    let runs = find(table, &[b"stsc"])?.get(8..)?.as_chunks::<12>().0;
    let mut pieces = Vec::with_capacity(offsets.len());
    for (i, run) in runs.iter().enumerate() {
        let (first, samples) = (u32_at(run, 0)? as usize, u64::from(u32_at(run, 4)?));
        let next = runs.get(i + 1).map_or(Some(offsets.len() + 1), |run| {
            u32_at(run, 0).map(|n| n as usize)
        })?;
        let some = offsets.get(first.checked_sub(1)?..next.checked_sub(1)?.min(offsets.len()))?;
        pieces.extend(some.iter().map(|at| (*at, samples * frame)));
    }
    Some(pieces)
}

/// Looks at the description of AAC: ISO 14496-3, AudioSpecificConfig.
fn advanced(track: &mut Track, elementary: &[u8], rate: u32, table: &[u8]) -> Result<(), Refusal> {
    let Some(config) = specific(elementary) else {
        return Ok(());
    };
    let mut bits = Bits {
        bytes: config,
        at: 0,
    };
    let (kind, core) = (bits.kind(), bits.rate());
    match kind {
        5 => return Err(Refusal::Foreign("HE-AAC (explicit SBR)".into())),
        29 => {
            return Err(Refusal::Foreign(
                "HE-AAC v2 (explicit parametric stereo)".into(),
            ));
        }
        1 | 2 | 4 => {}
        kind => {
            return Err(Refusal::Foreign(format!(
                "MPEG-4 audio of object type {kind}"
            )));
        }
    }
    // Behind the description of the core, 0x2B7, 5 and a set bit say that there is an upper band.
    // Without them, twice the rate elsewhere gives it away.
    let told = (bits.at..config.len() * 8)
        .any(|at| Bits { bytes: config, at }.take(17) == (0x2B7 << 5 | 5) << 1 | 1);
    let doubled = rate == 2 * core || packet(table) == Some(2048) && track.timescale == 2 * core;
    track.core_only = core > 0 && (told || doubled);
    Ok(())
}

/// The length in time of the first packet.
fn packet(table: &[u8]) -> Option<u32> {
    u32_at(find(table, &[b"stts"])?, 12)
}

/// The AudioSpecificConfig in an elementary stream descriptor.
fn specific(elementary: &[u8]) -> Option<&[u8]> {
    let mut rest = elementary.get(4..)?;
    loop {
        let tag = *rest.first()?;
        let length = rest[1..].iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
        let size = rest
            .get(1..=length)?
            .iter()
            .fold(0, |all, byte| all << 7 | usize::from(byte & 0x7F));
        let content = rest.get(1 + length..)?;
        rest = match tag {
            3 => content.get(3..)?,
            4 => content.get(13..)?,
            5 => return content.get(..size),
            _ => content.get(size..)?,
        };
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next bits as a number; beyond the end, zeros.
    fn take(&mut self, count: usize) -> u32 {
        let bit = |at: usize| {
            self.bytes
                .get(at / 8)
                .map_or(0, |byte| u32::from(byte >> (7 - at % 8) & 1))
        };
        let value = (self.at..self.at + count).fold(0, |all, at| all << 1 | bit(at));
        self.at += count;
        value
    }

    fn kind(&mut self) -> u32 {
        match self.take(5) {
            31 => 32 + self.take(6),
            kind => kind,
        }
    }

    fn rate(&mut self) -> u32 {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        match self.take(4) as usize {
            15 => self.take(24),
            index => RATES.get(index).copied().unwrap_or(0),
        }
    }
}
