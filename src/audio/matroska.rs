//! Parts of Matroska and WebM that Symphonia leaves out: where a file was cut off, and the padding behind
//! Opus.

use super::input::Input;
use super::refusal::Refusal;

/// Whether a Matroska file ends before the size of its segment, where that is known.
pub(super) fn is_cut(input: &Input) -> Result<bool, Refusal> {
    // The size of an element: its first bits say how many bytes it has; all ones are no size.
    let size = |at: u64| -> Result<Option<(u64, Option<u64>)>, Refusal> {
        let Some(bytes) = input.bytes::<8>(at)? else {
            return Ok(None);
        };
        let width = bytes[0].leading_zeros() + 1;
        if width > 8 {
            return Ok(None);
        }
        let value = u64::from_be_bytes(bytes) << width >> width >> (64 - 8 * width);
        Ok(Some((
            u64::from(width),
            Some(value).filter(|value| *value != (1 << (7 * width)) - 1),
        )))
    };
    let Some((width, Some(head))) = size(4)? else {
        return Ok(false);
    };
    let segment = 4 + width + head;
    if input.bytes::<4>(segment)? != Some([0x18, 0x53, 0x80, 0x67]) {
        return Ok(false);
    }
    let Some((width, Some(length))) = size(segment + 4)? else {
        return Ok(false);
    };
    Ok(segment + 4 + width + length > input.len())
}

/// Nanoseconds of Opus that the last block of a Matroska file says to leave out (`DiscardPadding`),
/// which Symphonia passes over. It stands at the end of the last cluster, so that the file ends
/// behind it, or another part of it begins.
pub(super) fn padding_ns(input: &Input) -> Result<u64, Refusal> {
    const PARTS: [[u8; 4]; 3] = [
        [0x1C, 0x53, 0xBB, 0x6B],
        [0x12, 0x54, 0xC3, 0x67],
        [0x11, 0x4D, 0x9B, 0x74],
    ];
    let mut tail = [0; 1 << 13];
    let n = input.read(input.len().saturating_sub(tail.len() as u64), &mut tail)?;
    let tail = &tail[..n];
    let value = |at: usize| {
        let size = usize::from(tail.get(at + 2)? & 0x7F);
        let (bytes, behind) = tail.get(at + 3..)?.split_at_checked(size)?;
        let ends = behind.is_empty() || PARTS.iter().any(|part| behind.starts_with(part));
        (ends && (1..=4).contains(&size)).then(|| {
            bytes
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        })
    };
    let places = (0..tail.len().saturating_sub(1))
        .rev()
        .filter(|at| tail[*at..*at + 2] == [0x75, 0xA2]);
    Ok(places.filter_map(value).next().unwrap_or(0))
}
