//! Plain PCM and float samples in RIFF/WAVE, leniently: chunks in any number around `data`, sizes that the file does not keep.
//!
//! Symphonia's reader refuses a `data` chunk that is longer than the file's own RIFF size and drops up to 1151 frames of a file that was cut
//! off. This one is as lenient as libsndfile, on which librosa builds, but for a recording that lacks its end: that is refused, since what is
//! left of an utterance may not be what its label says.

use super::decode::{Audio, MAX_FRAMES};

/// What a WAVE file turns out to hold.
pub(super) enum Wave {
    /// Samples, decoded here.
    Plain(Audio),
    /// A compressed form (ADPCM, A-law, …) that this module leaves to Symphonia.
    Coded,
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// Bytes 2 to 15 of every `KSDATAFORMAT_SUBTYPE_*` that stands for a plain format tag.
const SUBTYPE_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    block_align: u16,
    bits: u16,
}

/// Reads a whole file; the error completes "failed to decode x: …".
pub(super) fn read(bytes: &[u8]) -> Result<Wave, String> {
    let mut format = None;
    let mut large_data = None;
    let mut at = 12;
    while let (Some(id), Some(size)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
        let body = at + 8;
        let rest = &bytes[body..];
        let size = size as usize;
        match id {
            b"fmt " => format = Some(Format::parse(&rest[..size.min(rest.len())])?),
            // RF64: the true size of `data`, which itself says 2^32 - 1.
            b"ds64" => large_data = rest.get(8..16).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes),
            b"data" => {
                let format = format.ok_or("its samples come before their format")?;
                let size = match large_data {
                    Some(large) if size == u32::MAX as usize => usize::try_from(large).unwrap_or(usize::MAX),
                    _ => size,
                };
                format.whole(size, rest.len())?;
                return format.decode(&rest[..size.min(rest.len())]);
            }
            _ => {}
        }
        // A chunk of odd size is followed by a byte that its size does not count.
        at = body.saturating_add(size).saturating_add(size & 1);
        if at > bytes.len() {
            break;
        }
    }
    Err(if format.is_none() { "its header is cut off or damaged" } else { "it has no data chunk" }.to_owned())
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Format, String> {
        let word = |at| u16_at(chunk, at).ok_or("its format chunk is cut off");
        let mut format = Format {
            tag: word(0)?,
            channels: word(2)?,
            sample_rate: u32_at(chunk, 4).ok_or("its format chunk is cut off")?,
            block_align: word(12)?,
            bits: word(14)?,
        };
        if format.tag == EXTENSIBLE && chunk.get(26..40) == Some(&SUBTYPE_TAIL) {
            format.tag = word(24)?;
        }
        if format.channels == 0 {
            return Err("its header says that it has no channels".to_owned());
        }
        Ok(format)
    }

    /// Refuses a recording that was cut off: `size` bytes of samples are promised and `found` are there. A program that writes to a pipe does
    /// not know the size and promises the largest one; less than a frame too few is a careless header, and costs nothing.
    fn whole(&self, size: usize, found: usize) -> Result<(), String> {
        const UNKNOWN: usize = 0x7FFF_0000;
        let frame = usize::from(self.block_align).max(1);
        if size >= UNKNOWN || size < found + frame {
            return Ok(());
        }
        Err(format!("it ends after {} of {} samples", found / frame, size / frame))
    }

    /// Samples are scaled by the width of their container, as libsndfile does: fewer valid bits stand at its upper end.
    fn decode(&self, data: &[u8]) -> Result<Wave, String> {
        let width = usize::from(self.bits.div_ceil(8));
        let frame = width * usize::from(self.channels);
        let known = matches!((self.tag, width), (PCM, 1..=4) | (FLOAT, 4 | 8));
        if !known {
            return if matches!(self.tag, PCM | FLOAT) {
                Err(format!("{} bits per sample are not supported", self.bits))
            } else {
                Ok(Wave::Coded)
            };
        }
        if usize::from(self.block_align) != frame {
            return Err(format!(
                "its header contradicts itself: {} channel(s) of {} bits in blocks of {} bytes",
                self.channels, self.bits, self.block_align
            ));
        }
        if data.len() / frame > MAX_FRAMES {
            return Err(format!("it holds more than {MAX_FRAMES} samples per channel"));
        }
        let channels = usize::from(self.channels);
        let samples = match (self.tag, width) {
            (PCM, 1) => mean(data, channels, |[a]| (f32::from(a) - 128.0) / 128.0),
            (PCM, 2) => mean(data, channels, |two| f32::from(i16::from_le_bytes(two)) / 32_768.0),
            (PCM, 3) => mean(data, channels, |[a, b, c]| (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0),
            (PCM, _) => mean(data, channels, |four| i32::from_le_bytes(four) as f32 / 2_147_483_648.0),
            (_, 4) => mean(data, channels, f32::from_le_bytes),
            (_, _) => mean(data, channels, |eight| f64::from_le_bytes(eight) as f32),
        };
        Ok(Wave::Plain(Audio { samples, sample_rate: self.sample_rate, channels: self.channels }))
    }
}

/// Mean over the channels of each whole frame of `WIDTH`-byte samples; a rest at the end is dropped.
fn mean<const WIDTH: usize>(data: &[u8], channels: usize, sample: impl Fn([u8; WIDTH]) -> f32) -> Vec<f32> {
    let (values, _) = data.as_chunks::<WIDTH>();
    if channels == 1 {
        return values.iter().map(|&v| sample(v)).collect();
    }
    let count = channels as f32;
    values.chunks_exact(channels).map(|frame| frame.iter().map(|&v| sample(v)).sum::<f32>() / count).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}
