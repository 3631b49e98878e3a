//! Headers of uncompressed recordings that are not WAVE: NIST SPHERE, AIFF and AIFC, AU.

use super::input::Input;
use super::pcm::{Coding, Layout};
use super::refusal::Refusal;

/// NIST SPHERE, in which the corpora of the LDC come: lines of text, then samples.
pub(super) fn sphere(input: &Input) -> Result<Layout, Refusal> {
    const MOST: u64 = 1 << 16;
    let cut = "its header is cut off or damaged";
    let size = input.bytes::<8>(8)?.ok_or(cut)?;
    let start: u64 = std::str::from_utf8(&size)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|n| (16..=MOST).contains(n))
        .ok_or(cut)?;
    let mut header = vec![0; start as usize];
    let n = input.read(0, &mut header)?;
    let text = String::from_utf8_lossy(&header[..n]);
    let (fields, _) = text.split_once("end_head").ok_or(cut)?;
    let field = |name: &str| {
        let line = fields
            .lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.split_once(' ').map(|(_, value)| value.trim())
    };
    let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
    let coding = field("sample_coding").unwrap_or("pcm").to_ascii_lowercase();
    let packed = input.bytes::<4>(start)? == Some(*b"ajkg") || coding.contains("shorten");
    if packed || coding.contains("wavpack") {
        let (how, cure) = if packed {
            ("shorten", "sph2pipe -f wav x.sph x.wav")
        } else {
            ("WavPack", "w_decode of NIST's SPHERE tools")
        };
        return Err(Refusal::Told(format!(
            "it is a SPHERE file compressed with {how}, which ser does not read: convert it with {cure}"
        )));
    }
    let bytes = number("sample_n_bytes").unwrap_or(if coding == "pcm" { 2 } else { 1 });
    let coding = match (coding.as_str(), bytes) {
        ("pcm" | "linear", 1..=4) => Coding::Signed(bytes as usize),
        ("ulaw" | "mu-law" | "mulaw", 1) => Coding::MuLaw,
        ("alaw" | "a-law", 1) => Coding::ALaw,
        (other, _) => {
            return Err(Refusal::Foreign(format!(
                "SPHERE with samples coded as {other}"
            )));
        }
    };
    // The digits are the places of the bytes, the lowest first.
    let big_endian = match field("sample_byte_format") {
        Some("10" | "210" | "3210") => true,
        Some(_) => false,
        None if bytes == 1 => false,
        None => {
            return Err(
                "its header does not say the order of the bytes (sample_byte_format)".into(),
            );
        }
    };
    let channels = u16::try_from(number("channel_count").unwrap_or(1)).map_err(|_| cut)?;
    let sample_rate = field("sample_rate")
        .and_then(|rate| rate.parse::<f64>().ok())
        .ok_or("its header does not say the sample rate")? as u32;
    let frame = coding.width() as u64 * u64::from(channels);
    let promised = number("sample_count")
        .filter(|count| *count > 0)
        .and_then(|count| count.checked_mul(frame));
    Ok(Layout {
        coding,
        big_endian,
        channels,
        sample_rate,
        start,
        promised,
    })
}

/// AIFF and AIFC: big-endian chunks.
pub(super) fn aiff(input: &Input) -> Result<Layout, Refusal> {
    let packed = input
        .bytes::<12>(0)?
        .is_some_and(|head| head[8..] == *b"AIFC");
    let (mut common, mut data) = (None, None);
    let mut at = 12;
    while let Some([a, b, c, d, size @ ..]) = input.bytes::<8>(at)? {
        let (body, size) = (at + 8, u64::from(u32::from_be_bytes(size)));
        match &[a, b, c, d] {
            b"COMM" => {
                common = input
                    .bytes::<18>(body)?
                    .zip(Some(input.bytes::<4>(body + 18)?.unwrap_or(*b"NONE")))
            }
            b"SSND" => {
                let skip = input.bytes::<4>(body)?.map_or(0, u32::from_be_bytes);
                data = Some(body + 8 + u64::from(skip));
            }
            _ => {}
        }
        at = body + size + (size & 1);
    }
    let (common, packing) = common.ok_or("its header is cut off or damaged")?;
    let start = data.ok_or("it has no sound chunk")?;
    let [c0, c1, f0, f1, f2, f3, b0, b1, rate @ ..] = common;
    let (channels, frames) = (
        u16::from_be_bytes([c0, c1]),
        u32::from_be_bytes([f0, f1, f2, f3]),
    );
    let bits = u16::from_be_bytes([b0, b1]);
    let bytes = usize::from(bits.div_ceil(8));
    let packing = if packed { packing } else { *b"NONE" };
    let coding = match (&packing, bytes) {
        (b"raw ", _) => Coding::Unsigned8,
        (b"NONE" | b"twos" | b"sowt" | b"in24" | b"in32", 1..=4) => Coding::Signed(bytes),
        (b"fl32" | b"FL32", _) => Coding::Float32,
        (b"fl64" | b"FL64", _) => Coding::Float64,
        (b"ulaw" | b"ULAW", _) => Coding::MuLaw,
        (b"alaw" | b"ALAW", _) => Coding::ALaw,
        (b"NONE" | b"twos" | b"sowt" | b"in24" | b"in32", _) => {
            return Err(format!("{bits} bits per sample are not supported").into());
        }
        _ => {
            return Err(Refusal::Foreign(format!(
                "AIFC with samples coded as {}",
                String::from_utf8_lossy(&packing)
            )));
        }
    };
    let promised = u64::from(frames) * coding.width() as u64 * u64::from(channels);
    // Written to a pipe, the number of frames stays at nought.
    let promised = (frames > 0).then_some(promised);
    Ok(Layout {
        coding,
        big_endian: packing != *b"sowt",
        channels,
        sample_rate: extended(rate),
        start,
        promised,
    })
}

/// An 80-bit float as a sample rate.
fn extended(bytes: [u8; 10]) -> u32 {
    let [e0, e1, mantissa @ ..] = bytes;
    let exponent = i32::from(u16::from_be_bytes([e0 & 0x7F, e1])) - 16_383 - 63;
    (u64::from_be_bytes(mantissa) as f64 * 2f64.powi(exponent)).round() as u32
}

/// AU of Sun and NeXT; with `dns.` in place of `.snd` it is little-endian.
pub(super) fn au(input: &Input) -> Result<Layout, Refusal> {
    let head = input.bytes::<24>(0)?.ok_or("its header is cut off")?;
    let little = head.starts_with(b"dns.");
    let (words, _) = head.as_chunks::<4>();
    let word = |i: usize| {
        if little {
            u32::from_le_bytes(words[i])
        } else {
            u32::from_be_bytes(words[i])
        }
    };
    let coding = match word(3) {
        1 => Coding::MuLaw,
        bytes @ 2..=5 => Coding::Signed(bytes as usize - 1),
        6 => Coding::Float32,
        7 => Coding::Float64,
        27 => Coding::ALaw,
        23..=26 => {
            return Err(Refusal::Foreign(
                "G.721, G.722 or G.723 in an AU file".into(),
            ));
        }
        other => {
            return Err(Refusal::Foreign(format!(
                "AU with samples in format {other}"
            )));
        }
    };
    let promised = Some(word(2))
        .filter(|size| *size != u32::MAX)
        .map(u64::from);
    let channels = u16::try_from(word(5)).map_err(|_| "its number of channels is not possible")?;
    Ok(Layout {
        coding,
        big_endian: !little,
        channels,
        sample_rate: word(4),
        start: u64::from(word(1).max(24)),
        promised,
    })
}
