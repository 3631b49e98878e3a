//! Samples that stand one after the other: integers and floats of any width and byte order, and
//! G.711.

use super::input::Input;
use super::mono::{BLOCK, Mono, Remark};
use super::refusal::Refusal;

/// What may be missing at the end of a recording, in seconds: it is noted, where it is less than a
/// tenth of the whole.
pub(super) const MAY_LACK_S: f64 = 0.05;

/// Bytes that are read of a file at a time.
const READ: usize = 1 << 18;

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Unsigned, 8 bits.
    Unsigned8,
    /// Signed integers of so many bytes (1 to 4).
    Signed(usize),
    /// 24 bits in the upper or the lower bytes of 4; the samples tell which.
    Signed24In4,
    Float32,
    Float64,
    MuLaw,
    ALaw,
}

impl Coding {
    /// Bytes of a sample.
    pub(super) fn width(self) -> usize {
        match self {
            Coding::Unsigned8 | Coding::MuLaw | Coding::ALaw => 1,
            Coding::Signed(bytes) => bytes,
            Coding::Signed24In4 | Coding::Float32 => 4,
            Coding::Float64 => 8,
        }
    }
}

/// A recording whose header was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub coding: Coding,
    pub big_endian: bool,
    pub channels: u16,
    pub sample_rate: u32,
    /// Where the samples begin.
    pub start: u64,
    /// How many bytes of them there are by the header, where it says it.
    pub promised: Option<u64>,
}

impl Layout {
    fn frame(&self) -> u64 {
        self.coding.width() as u64 * u64::from(self.channels).max(1)
    }

    /// Decodes the samples. A recording that lacks its end is refused, but for what is less than a
    /// frame, or [`MAY_LACK_S`] and little of the whole.
    pub(super) fn read(&self, input: &Input, out: &mut Mono) -> Result<(), Refusal> {
        let found = input.len().saturating_sub(self.start);
        let promised = self.promised.unwrap_or(found);
        let frame = self.frame();
        if promised >= found + frame {
            let lacks = (promised - found) / frame;
            // Some programs write the size of the whole file, header included.
            let of_file = promised == input.len() || promised + 8 == input.len();
            let little = lacks as f64 <= MAY_LACK_S * f64::from(self.sample_rate)
                && lacks <= promised / frame / 10;
            match (of_file, little) {
                (true, _) => {}
                (_, true) => out.remarks.add(Remark::Shortened),
                _ => {
                    return Err(format!(
                        "it ends after {} of {} samples",
                        found / frame,
                        promised / frame
                    )
                    .into());
                }
            }
        }
        let bytes = promised.min(found);
        out.begin(self.sample_rate, self.channels, Some(bytes / frame))?;
        self.piece(input, self.start, bytes, out)
    }

    /// Decodes the whole frames of one stretch of bytes; [`Mono::begin`] was called.
    pub(super) fn piece(
        &self,
        input: &Input,
        start: u64,
        bytes: u64,
        out: &mut Mono,
    ) -> Result<(), Refusal> {
        let frame = self.frame();
        let input = input.part(start, start + bytes / frame * frame);
        let lower = self.coding == Coding::Signed24In4 && stands_below(&input, self.big_endian)?;
        let mut take = |block: &[u8]| self.block(block, lower, out);
        if let Some(held) = input.held() {
            return take(held);
        }
        let mut buffer = vec![0; (READ as u64).div_ceil(frame) as usize * frame as usize];
        let mut at = 0;
        while at < input.len() {
            let n = input.read(at, &mut buffer)?;
            if n == 0 {
                return Err("it ends too early".into());
            }
            let whole = n / frame as usize * frame as usize;
            take(&buffer[..whole])?;
            at += n as u64;
        }
        Ok(())
    }

    fn block(&self, bytes: &[u8], lower: bool, out: &mut Mono) -> Result<(), Refusal> {
        match (self.coding, self.big_endian) {
            (Coding::Unsigned8, _) => mix(bytes, out, |[a]| (f32::from(a) - 128.0) / 128.0),
            (Coding::Signed(1), _) => mix(bytes, out, |[a]| f32::from(a as i8) / 128.0),
            (Coding::Signed(2), false) => mix(bytes, out, |two| {
                f32::from(i16::from_le_bytes(two)) / 32_768.0
            }),
            (Coding::Signed(2), true) => mix(bytes, out, |two| {
                f32::from(i16::from_be_bytes(two)) / 32_768.0
            }),
            (Coding::Signed(3), false) => mix(bytes, out, |[a, b, c]| of_24([a, b, c])),
            (Coding::Signed(3), true) => mix(bytes, out, |[a, b, c]| of_24([c, b, a])),
            (Coding::Signed24In4, false) if lower => {
                mix(bytes, out, |[a, b, c, _]| of_24([a, b, c]))
            }
            (Coding::Signed24In4, true) if lower => {
                mix(bytes, out, |[_, a, b, c]| of_24([c, b, a]))
            }
            (Coding::Signed(_) | Coding::Signed24In4, false) => mix(bytes, out, |four| {
                i32::from_le_bytes(four) as f32 / 2_147_483_648.0
            }),
            (Coding::Signed(_) | Coding::Signed24In4, true) => mix(bytes, out, |four| {
                i32::from_be_bytes(four) as f32 / 2_147_483_648.0
            }),
            (Coding::Float32, false) => mix(bytes, out, f32::from_le_bytes),
            (Coding::Float32, true) => mix(bytes, out, f32::from_be_bytes),
            (Coding::Float64, false) => mix(bytes, out, |eight| f64::from_le_bytes(eight) as f32),
            (Coding::Float64, true) => mix(bytes, out, |eight| f64::from_be_bytes(eight) as f32),
            (Coding::MuLaw, _) => mix(bytes, out, |[code]| f32::from(mu_law(code)) / 32_768.0),
            (Coding::ALaw, _) => mix(bytes, out, |[code]| f32::from(a_law(code)) / 32_768.0),
        }
    }
}

fn of_24([low, middle, high]: [u8; 3]) -> f32 {
    (i32::from_le_bytes([0, low, middle, high]) >> 8) as f32 / 8_388_608.0
}

/// Converts and mixes whole frames of `WIDTH`-byte samples.
fn mix<const WIDTH: usize>(
    bytes: &[u8],
    out: &mut Mono,
    sample: impl Fn([u8; WIDTH]) -> f32,
) -> Result<(), Refusal> {
    let (values, _) = bytes.as_chunks::<WIDTH>();
    let channels = usize::from(out.channels);
    if channels == 1 {
        return values.chunks(BLOCK).try_for_each(|block| {
            out.mono(block.len(), |samples| {
                samples.extend(block.iter().map(|&v| sample(v)))
            })
        });
    }
    let frames = (BLOCK / channels).max(1);
    let mut block = Vec::with_capacity(frames * channels);
    values.chunks(frames * channels).try_for_each(|some| {
        block.clear();
        block.extend(some.iter().map(|&v| sample(v)));
        out.interleaved(&block)
    })
}

/// Whether 24-bit samples stand in the lower three of four bytes, as ALSA's `S24_LE` has them: the
/// upper one only repeats their sign.
fn stands_below(input: &Input, big_endian: bool) -> Result<bool, Refusal> {
    let mut first = vec![0; READ];
    let n = input.read(0, &mut first)?;
    let (samples, _) = first[..n].as_chunks::<4>();
    let ordered = samples.iter().map(|&[a, b, c, d]| {
        if big_endian {
            [d, c, b, a]
        } else {
            [a, b, c, d]
        }
    });
    let (mut filled, mut repeats) = (false, true);
    for [low, _, high, top] in ordered {
        filled |= low != 0;
        repeats &= top == if high & 0x80 == 0 { 0 } else { 0xFF } || top == 0;
    }
    Ok(filled && repeats)
}

/// ITU-T G.711, table 2a: 14 bits at the upper end of 16.
fn mu_law(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4);
    if code & 0x80 == 0 {
        magnitude - 0x84
    } else {
        0x84 - magnitude
    }
}

/// ITU-T G.711, table 1a: 13 bits at the upper end of 16.
fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let step = i16::from(code & 0x0F) << 4;
    let magnitude = match (code & 0x70) >> 4 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_has_the_values_of_the_recommendation() {
        assert_eq!(
            [0x00, 0x7F, 0x80, 0xFF, 0xFE, 0x8F].map(mu_law),
            [-32124, 0, 32124, 0, 8, 16764]
        );
        assert_eq!(
            [0x00, 0x55, 0xD5, 0x2A, 0xAA, 0x80].map(a_law),
            [-5504, -8, 8, -32256, 32256, 5504]
        );
    }
}
