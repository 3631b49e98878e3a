//! RIFF/WAVE, leniently: chunks in any number around `data`, sizes that the file does not keep,
//! headers that contradict themselves.
//!
//! Symphonia's reader refuses much of what every other program reads. This one is as lenient as
//! libsndfile and ffmpeg, but for a recording that lacks its end: that is refused, since what is
//! left of an utterance may not be what its label says.

use super::input::Input;
use super::mono::{Remark, Remarks};
use super::pcm::{Coding, Layout};
use super::refusal::Refusal;
use crate::corpus::GENERATED_COMMENT;

/// The content of a WAVE file.
#[derive(Debug)]
pub(super) enum Wave {
    /// Samples, one after the other.
    Plain(Layout),
    /// ADPCM, which Symphonia decodes.
    Adpcm,
}

const PCM: u16 = 1;
const ADPCM_MS: u16 = 2;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const ADPCM_IMA: u16 = 0x11;
const EXTENSIBLE: u16 = 0xFFFE;

/// Bytes 2 to 15 of every `KSDATAFORMAT_SUBTYPE_*` that stands for a plain format tag.
const SUBTYPE_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// A size from which on it is none: a program that writes to a pipe does not know the size and
/// promises the largest one.
const UNKNOWN: u64 = 0x7FFF_0000;

/// Bytes of a format chunk that say anything.
const FORMAT: usize = 40;

/// Reads integers in the byte order of the file: `RIFX` is big-endian.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    bytes_per_second: u32,
    block_align: u16,
    bits: u16,
}

/// Whether a list of information on the recording says that it was generated.
fn says_generated(input: &Input, body: u64, size: u64) -> Result<bool, Refusal> {
    // The kind of the list, then the name and size of its first entry.
    const BEFORE: usize = 12;
    let mut list = [0; BEFORE + GENERATED_COMMENT.len()];
    if size < list.len() as u64 {
        return Ok(false);
    }
    let n = input.read(body, &mut list)?;
    Ok(n == list.len() && list.starts_with(b"INFOICMT") && list.ends_with(GENERATED_COMMENT))
}

/// Reads the header; remarks where the file says that it was generated.
pub(super) fn read(input: &Input, remarks: &mut Remarks) -> Result<Wave, Refusal> {
    let order = Order {
        big: input.head().starts_with(b"RIFX"),
    };
    let mut format = None;
    let mut large_data = None;
    let mut at = 12;
    while let Some(head) = input.bytes::<8>(at)? {
        let [a, b, c, d, size @ ..] = head;
        let (body, size) = (at + 8, u64::from(order.u32(size)));
        match &[a, b, c, d] {
            b"fmt " => {
                let mut chunk = [0; FORMAT];
                let n = input.read(body, &mut chunk[..FORMAT.min(size as usize)])?;
                format = Some(Format::parse(&chunk[..n], order)?);
            }
            b"LIST" if says_generated(input, body, size)? => remarks.add(Remark::Generated),
            // RF64: the true size of `data`, which itself says 2^32 - 1.
            b"ds64" => large_data = input.bytes::<8>(body + 8)?.map(u64::from_le_bytes),
            b"data" if size > 0 || !is_followed(input, body, order)? => {
                let format = format.ok_or("its samples come before their format")?;
                let promised = match (large_data, size) {
                    (Some(large), 0xFFFF_FFFF) => Some(large),
                    // A recorder that was switched off leaves the size at nought.
                    (_, 0 | UNKNOWN..) => None,
                    _ => Some(size),
                };
                return format.layout(order, body, promised);
            }
            _ => {}
        }
        // A chunk of odd size is followed by a byte that its size does not count.
        at = body + size + (size & 1);
    }
    Err(if format.is_none() {
        "its header is cut off or damaged"
    } else {
        "it has no data chunk"
    }
    .into())
}

/// Whether another chunk begins here: then an empty data chunk is meant.
fn is_followed(input: &Input, at: u64, order: Order) -> Result<bool, Refusal> {
    let Some([a, b, c, d, size @ ..]) = input.bytes::<8>(at)? else {
        return Ok(false);
    };
    let is_name = [a, b, c, d]
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(byte));
    Ok(is_name && at + 8 + u64::from(order.u32(size)) <= input.len())
}

impl Format {
    fn parse(chunk: &[u8], order: Order) -> Result<Format, Refusal> {
        let cut = "its format chunk is cut off";
        let word = |at: usize| {
            chunk
                .get(at..at + 2)
                .and_then(|b| b.try_into().ok())
                .map(|b| order.u16(b))
                .ok_or(cut)
        };
        let double = |at: usize| {
            chunk
                .get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map(|b| order.u32(b))
                .ok_or(cut)
        };
        let mut format = Format {
            tag: word(0)?,
            channels: word(2)?,
            sample_rate: double(4)?,
            bytes_per_second: double(8)?,
            block_align: word(12)?,
            bits: word(14)?,
        };
        let is_plain = chunk.get(28..40) == Some(&SUBTYPE_TAIL[2..]);
        if format.tag == EXTENSIBLE && is_plain {
            format.tag = word(24)?;
        }
        if format.channels == 0 {
            return Err("its header says that it has no channels".into());
        }
        Ok(format)
    }

    /// Samples are scaled by the width of their container, as libsndfile does: fewer valid bits
    /// stand at its upper end.
    fn layout(&self, order: Order, start: u64, promised: Option<u64>) -> Result<Wave, Refusal> {
        let bytes = usize::from(self.bits.div_ceil(8));
        let in_four =
            self.bits == 24 && usize::from(self.block_align) == 4 * usize::from(self.channels);
        let coding = match (self.tag, bytes) {
            (PCM, 1) => Coding::Unsigned8,
            (PCM, 3) if in_four => Coding::Signed24In4,
            (PCM, 2..=4) => Coding::Signed(bytes),
            (FLOAT, 4) => Coding::Float32,
            (FLOAT, 8) => Coding::Float64,
            (MU_LAW, _) => Coding::MuLaw,
            (A_LAW, _) => Coding::ALaw,
            (PCM | FLOAT, _) => {
                return Err(format!("{} bits per sample are not supported", self.bits).into());
            }
            (ADPCM_MS | ADPCM_IMA, _) if !order.big => return Ok(Wave::Adpcm),
            (tag, _) => return Err(Refusal::Foreign(named(tag))),
        };
        let frame = coding.width() as u64 * u64::from(self.channels);
        let (block, by_rate) = (
            u64::from(self.block_align),
            u64::from(self.sample_rate) * frame,
        );
        // Too large a block, or none, is a careless header; too small a one, which the byte rate
        // shares, may mean other channels or bits.
        if block != 0 && block < frame && u64::from(self.bytes_per_second) != by_rate {
            let (channels, bits) = (self.channels, self.bits);
            return Err(format!("its header contradicts itself: {channels} channel(s) of {bits} bits in blocks of {block} bytes").into());
        }
        let layout = Layout {
            coding,
            big_endian: order.big,
            channels: self.channels,
            sample_rate: self.sample_rate,
            start,
            promised,
        };
        Ok(Wave::Plain(layout))
    }
}

/// What is in a WAVE file of a format tag that is not read.
fn named(tag: u16) -> String {
    let name = match tag {
        0x31 | 0x32 => "GSM 06.10",
        0x14 | 0x42 | 0x111 => "G.723",
        0x40 | 0x45 | 0x64 | 0x140 => "G.726",
        0x65 | 0x28F => "G.722",
        0x83 => "G.729",
        0x22 => "TrueSpeech",
        0x50 => "MPEG audio",
        0x55 => "MP3",
        0xFF | 0x1600..=0x1602 | 0xA106 => "AAC",
        0x160..=0x163 => "Windows Media Audio",
        0x674F..=0x6771 => "Vorbis",
        0x704F => "Opus",
        0xA109 => "Speex",
        0x2000 => "AC-3",
        0xF1AC => "FLAC",
        0x20 | 0x200 => "Yamaha or Creative ADPCM",
        _ => return format!("WAVE with samples in format {tag:#06x}"),
    };
    format!("{name} in a WAVE file")
}
