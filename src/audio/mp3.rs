//! The frames of an MPEG audio stream, counted: what headers say of their number is often an
//! estimate, or wrong.

use super::format;
use super::input::Input;
use super::pcm::MAY_LACK_S;
use super::refusal::Refusal;

/// The result of a walk over the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// Where the first frame with sound begins, and where the last ends.
    pub start: u64,
    pub end: u64,
    /// Samples per channel in all frames.
    pub samples: u64,
    /// Samples to leave out at the beginning and the end.
    pub delay: u64,
    pub padding: u64,
    /// Whether a header counts other frames than there are.
    pub miscounted: bool,
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    version: u8,
    layer: u8,
    rate: u32,
    mono: bool,
    bytes: u64,
    samples: u64,
}

/// Samples that a decoder adds to the delay of the encoder.
const DECODER_DELAY: u64 = 529;
/// Bytes of rubbish that may stand before the first frame.
const RUBBISH: usize = 1 << 16;

impl Frame {
    /// ISO 11172-3 and 13818-3.
    fn parse([first, second, third, fourth]: [u8; 4]) -> Option<Frame> {
        const RATES: [u32; 3] = [44_100, 48_000, 32_000];
        const KILOBITS: [[u16; 14]; 5] = [
            [
                32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
            ],
            [
                32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
            ],
            [
                32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
            ],
            [
                32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
            ],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        if first != 0xFF || second & 0xE0 != 0xE0 {
            return None;
        }
        let (version, layer) = (second >> 3 & 3, 4 - (second >> 1 & 3));
        let (kilobits, rate) = (usize::from(third >> 4), usize::from(third >> 2 & 3));
        if version == 1 || layer == 4 || !(1..=14).contains(&kilobits) || rate == 3 {
            return None;
        }
        let first_version = version == 3;
        let table = match (first_version, layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let bits = u64::from(KILOBITS[table][kilobits - 1]) * 1000;
        let rate = RATES[rate] >> [2, 0, 1, 0][usize::from(version)];
        let samples = match (layer, first_version) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        let padding = u64::from(third >> 1 & 1);
        let bytes = if layer == 1 {
            (12 * bits / u64::from(rate) + padding) * 4
        } else {
            samples / 8 * bits / u64::from(rate) + padding
        };
        Some(Frame {
            version,
            layer,
            rate,
            mono: fourth >> 6 == 3,
            bytes,
            samples,
        })
    }

    fn is_like(&self, other: &Frame) -> bool {
        (self.version, self.layer, self.rate) == (other.version, other.layer, other.rate)
    }

    /// Where a Xing header stands: behind the side information.
    fn tag_at(&self) -> u64 {
        4 + match (self.version == 3, self.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }
}

/// The frame that begins at a place, where one does.
fn frame(input: &Input, at: u64) -> Result<Option<Frame>, Refusal> {
    Ok(input.bytes::<4>(at)?.and_then(Frame::parse))
}

/// Walks from frame to frame.
///
/// # Errors
/// Where there are no frames; where the number of channels or the sample rate changes; and where
/// rubbish stands between frames, since some are missing there.
pub(super) fn walk(input: &Input) -> Result<Stream, Refusal> {
    let (mut at, first) = first_frame(input)?.ok_or("it holds no MPEG audio")?;
    let (tag, tag_at) = (Tag::read(input, at, &first)?, at);
    if first.layer != 3 {
        return Err(Refusal::Foreign(format!(
            "MPEG audio of layer {}",
            if first.layer == 2 {
                "II (MP2)"
            } else {
                "I (MP1)"
            }
        )));
    }
    if tag.is_some() {
        at += first.bytes;
    }
    let start = at;
    let (mut frames, mut samples) = (0u64, 0u64);
    while at < input.len() {
        let Some(found) = frame(input, at)? else {
            // Files with tags may be put one behind the other.
            let tag = format::tag_in_front(input, at)?;
            if tag > 0 {
                at += tag;
                continue;
            }
            // What follows the last frame is a tag or a part of a frame, and nothing that frames
            // come behind.
            if frames > 0 && next_frame(input, at, &first)?.is_none() {
                break;
            }
            return Err(format!(
                "it is damaged at {:.3} s: other bytes stand between its frames",
                samples as f64 / f64::from(first.rate)
            )
            .into());
        };
        if !found.is_like(&first) || found.mono != first.mono {
            return Err(format!(
                "its sample rate or its number of channels changes at {:.3} s: several files were put together; convert each by itself",
                samples as f64 / f64::from(first.rate)
            )
            .into());
        }
        if at + found.bytes > input.len() {
            break;
        }
        // The header of another file that was put behind the first one has no sound.
        let is_header = frames > 0 && Tag::read(input, at, &found)?.is_some();
        if !is_header {
            frames += 1;
            samples += found.samples;
        }
        at += found.bytes;
    }
    let (delay, padding, miscounted) = match tag {
        None => (0, 0, false),
        Some(Tag {
            frames: counted,
            bytes,
            delay,
            padding,
        }) => {
            let agrees = counted == Some(frames);
            let lacking = counted.unwrap_or(0).saturating_sub(frames) * first.samples;
            // Either number alone is often wrong.
            if lacking as f64 > MAY_LACK_S * f64::from(first.rate)
                && bytes.is_some_and(|bytes| at - tag_at < bytes)
            {
                return Err(
                    format!("it ends after {samples} of {} samples", samples + lacking).into(),
                );
            }
            (
                delay,
                if agrees { padding } else { 0 },
                counted.is_some_and(|n| n != 0 && n != frames),
            )
        }
    };
    Ok(Stream {
        start,
        end: at,
        samples,
        delay: delay.min(samples),
        padding: padding.min(samples - delay.min(samples)),
        miscounted,
    })
}

/// The first frame that another like it follows, or that ends the file.
fn first_frame(input: &Input) -> Result<Option<(u64, Frame)>, Refusal> {
    let mut head = vec![0; RUBBISH];
    let n = input.read(0, &mut head)?;
    for at in 0..n.saturating_sub(3) {
        let Some(found) = head[at..].first_chunk().copied().and_then(Frame::parse) else {
            continue;
        };
        let next = at as u64 + found.bytes;
        if next >= input.len() && at == 0
            || frame(input, next)?.is_some_and(|next| next.is_like(&found))
        {
            return Ok(Some((at as u64, found)));
        }
    }
    Ok(None)
}

/// The next place at which two frames of the stream follow each other.
fn next_frame(input: &Input, from: u64, like: &Frame) -> Result<Option<u64>, Refusal> {
    let mut some = vec![0; RUBBISH];
    let n = input.read(from, &mut some)?;
    for at in 0..n.saturating_sub(3) {
        let Some(found) = some[at..]
            .first_chunk()
            .copied()
            .and_then(Frame::parse)
            .filter(|f| f.is_like(like))
        else {
            continue;
        };
        let at = from + at as u64;
        if frame(input, at + found.bytes)?.is_some_and(|next| next.is_like(like)) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// What the Xing or VBRI header says that some encoders put into a first frame without sound.
struct Tag {
    frames: Option<u64>,
    bytes: Option<u64>,
    delay: u64,
    padding: u64,
}

impl Tag {
    fn read(input: &Input, at: u64, frame: &Frame) -> Result<Option<Tag>, Refusal> {
        if frame.layer != 3 {
            return Ok(None);
        }
        let mut bytes = [0; 200];
        let size = bytes.len().min(frame.bytes as usize);
        let n = input.read(at, &mut bytes[..size])?;
        let bytes = &bytes[..n];
        let u32_at = |at: usize| {
            bytes
                .get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map(u32::from_be_bytes)
        };
        if bytes.get(36..40) == Some(b"VBRI") {
            let (frames, bytes) = (u32_at(50).map(u64::from), u32_at(46).map(u64::from));
            return Ok(Some(Tag {
                frames,
                bytes,
                delay: 0,
                padding: 0,
            }));
        }
        let place = frame.tag_at() as usize;
        if !matches!(bytes.get(place..place + 4), Some(b"Xing" | b"Info")) {
            return Ok(None);
        }
        let Some(flags) = u32_at(place + 4) else {
            return Ok(None);
        };
        let frames = (flags & 1 != 0)
            .then(|| u32_at(place + 8))
            .flatten()
            .map(u64::from);
        let bytes_at = place + if flags & 1 != 0 { 12 } else { 8 };
        let counted_bytes = (flags & 2 != 0)
            .then(|| u32_at(bytes_at))
            .flatten()
            .map(u64::from);
        // Frames, bytes, table of contents, quality.
        let lame = place
            + 8
            + [4, 4, 100, 4]
                .iter()
                .enumerate()
                .filter(|(bit, _)| flags >> bit & 1 != 0)
                .map(|(_, size)| size)
                .sum::<usize>();
        let by_lame = bytes.get(lame..lame + 4).is_some_and(|name| {
            [b"LAME", b"Lavf", b"Lavc"]
                .iter()
                .any(|known| name == *known)
        });
        let trim = u32_at(lame + 20)
            .filter(|_| by_lame)
            .map(|word| u64::from(word & 0x00FF_FFFF));
        let (delay, padding) = trim.map_or((0, 0), |trim| {
            (
                (trim >> 12) + DECODER_DELAY,
                (trim & 0xFFF).saturating_sub(DECODER_DELAY),
            )
        });
        Ok(Some(Tag {
            frames,
            bytes: counted_bytes,
            delay,
            padding,
        }))
    }
}
