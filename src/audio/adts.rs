//! AAC in ADTS frames: whether they hold more than its core (ISO 14496-3).
//!
//! HE-AAC in ADTS does not say what it is: its header gives the rate of the core, half of the true
//! one, and the upper band stands in a fill element at the end of each frame. A decoder of the core
//! alone would silently give half the band.

use super::input::Input;
use super::refusal::Refusal;

/// Bytes that are looked at.
const LOOKED_AT: usize = 1 << 16;
/// Frames that are looked at.
const FRAMES: usize = 64;
/// Elements behind each other that are followed from the end of a frame.
const DEPTH: usize = 4;

/// Codes of elements, three bits.
const FILL: u32 = 6;
const END: u32 = 7;
/// Codes of what a fill element holds, four bits: the upper band, with or without a checksum.
const UPPER_BAND: [u32; 2] = [13, 14];

/// Refuses streams whose frames end in a fill element with the upper band of HE-AAC.
///
/// Where a frame's fill elements begin is known only to who decodes all that stands before. But its
/// end is known, and so each place is tried from which an element would reach exactly to there. In
/// an ordinary frame that fits by chance once in about twenty; hence most of the frames have to.
pub(super) fn check(input: &Input) -> Result<(), Refusal> {
    let mut bytes = vec![0; LOOKED_AT];
    let n = input.read(0, &mut bytes)?;
    let (mut frames, mut with_band, mut rest) = (0, 0, &bytes[..n]);
    while let Some((block, behind)) = frame(rest)
        && frames < FRAMES
    {
        frames += 1;
        with_band += usize::from(has_upper_band(block));
        rest = behind;
    }
    if frames > 1 && with_band * 4 >= frames * 3 {
        return Err(Refusal::Foreign("HE-AAC in ADTS (implicit SBR)".to_owned()));
    }
    Ok(())
}

/// The data of the first frame, and what stands behind it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[0xFF, second, _, high, middle, low, ..] = bytes else {
        return None;
    };
    if second & 0xF6 != 0xF0 {
        return None;
    }
    let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    let header = if second & 1 == 0 { 9 } else { 7 };
    Some((bytes.get(header..length)?, &bytes[length..]))
}

/// Some bits as a number.
fn bits(bytes: &[u8], at: usize, count: usize) -> u32 {
    (at..at + count).fold(0, |all, at| {
        all << 1 | u32::from(bytes[at / 8] >> (7 - at % 8) & 1)
    })
}

fn has_upper_band(block: &[u8]) -> bool {
    // The last element is followed by fewer bits than a byte has.
    let ends = (0..8).filter_map(|unused| (block.len() * 8).checked_sub(unused + 3));
    ends.filter(|end| bits(block, *end, 3) == END)
        .any(|end| ends_in_band(block, end, DEPTH))
}

/// Whether a fill element that ends here holds the upper band, or one before it.
fn ends_in_band(block: &[u8], end: usize, depth: usize) -> bool {
    // Its length in bytes stands in four bits, or from 15 on in eight more.
    (1..=269usize).any(|length| {
        let head = if length < 15 { 7 } else { 15 };
        let Some(start) = end.checked_sub(8 * length + head) else {
            return false;
        };
        let count = bits(block, start + 3, 4) as usize;
        let fits = match length {
            ..15 => count == length,
            _ => count == 15 && 14 + bits(block, start + 7, 8) as usize == length,
        };
        fits && bits(block, start, 3) == FILL
            && (UPPER_BAND.contains(&bits(block, start + head, 4))
                || depth > 1 && ends_in_band(block, start, depth - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits, most significant first.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, value: u32, count: u32) {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        }

        /// A fill element of so many bytes, of which the first four bits say what it is.
        fn fill(&mut self, kind: u32, bytes: u32) {
            self.put(FILL, 3);
            if bytes < 15 {
                self.put(bytes, 4);
            } else {
                self.put(15, 4);
                self.put(bytes - 14, 8);
            }
            self.put(kind, 4);
            (0..bytes * 2 - 1).for_each(|i| self.put(i * 7 % 13, 4));
        }

        fn frame(mut self) -> Vec<u8> {
            self.put(END, 3);
            let mut block: Vec<u8> = self
                .0
                .chunks(8)
                .map(|bits| {
                    bits.iter()
                        .enumerate()
                        .map(|(i, bit)| u8::from(*bit) << (7 - i))
                        .sum()
                })
                .collect();
            let length = block.len() + 7;
            let mut frame = vec![
                0xFF,
                0xF1,
                0x5C,
                0x80 | (length >> 11) as u8,
                (length >> 3) as u8,
                (length << 5) as u8 | 0x1F,
                0xFC,
            ];
            frame.append(&mut block);
            frame
        }
    }

    /// Something that stands for the core: `i` changes it.
    fn core(i: u32) -> Writer {
        let mut writer = Writer::default();
        writer.put(0, 7);
        (0..40 + i % 9).for_each(|j| writer.put((j * 5 + i * 11) % 29, 5));
        writer
    }

    fn judged(frame: impl Fn(u32) -> Vec<u8>) -> Result<(), Refusal> {
        let bytes: Vec<u8> = (0..40).flat_map(frame).collect();
        check(&Input::of_bytes(&bytes))
    }

    #[test]
    fn the_upper_band_is_found_at_the_end_of_a_frame() {
        for (kind, bytes, padding) in [
            (13, 9, None),
            (14, 40, None),
            (13, 14, Some(3)),
            (13, 269, None),
            (13, 20, Some(60)),
        ] {
            let frame = |i: u32| {
                let mut writer = core(i);
                writer.fill(kind, bytes);
                padding.into_iter().for_each(|bytes| writer.fill(0, bytes));
                writer.frame()
            };
            assert!(
                matches!(judged(frame), Err(Refusal::Foreign(name)) if name.contains("HE-AAC")),
                "{kind} {bytes} {padding:?}"
            );
        }
    }

    #[test]
    fn the_core_alone_is_let_through() {
        assert!(judged(|i| core(i).frame()).is_ok());
        // Padding, and a gain that follows the loudness, are no band.
        for kind in [0, 1, 11] {
            let frame = |i: u32| {
                let mut writer = core(i);
                writer.fill(kind, 12);
                writer.frame()
            };
            assert!(judged(frame).is_ok(), "{kind}");
        }
        assert!(
            check(&Input::of_bytes(b"\xFF\xF1")).is_ok() && check(&Input::of_bytes(&[])).is_ok()
        );
    }
}
