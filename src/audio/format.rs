//! Recognising the format of a file by its first bytes.

use super::input::Input;
use super::refusal::Refusal;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Wave,
    Sphere,
    Aiff,
    Au,
    Flac,
    Ogg,
    Mp4,
    Matroska,
    Adts,
    Mpeg,
}

/// First bytes of formats that are not read, with their names.
const FOREIGN: [(&[u8], &str); 37] = [
    (b"#!AMR-WB", "AMR-WB"),
    (b"#!AMR", "AMR"),
    (b"#!SILK", "SILK"),
    (b"\x02#!SILK", "SILK"),
    (b"#!EVS", "EVS"),
    (
        b"\x30\x26\xB2\x75\x8E\x66\xCF\x11",
        "Windows Media (WMA or ASF)",
    ),
    (b"riff\x2E\x91\xCF\x11", "Wave64 (W64)"),
    (b"caff", "Core Audio Format (CAF)"),
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack"),
    (b"TTA1", "True Audio"),
    (b"TTA2", "True Audio"),
    (b"DSD ", "DSD (DSF)"),
    (b"FRM8", "DSD (DSDIFF)"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"OFR ", "OptimFROG"),
    (b"ajkg", "Shorten"),
    (b"tBaK", "TAK"),
    (b"LA0", "Lossless Audio"),
    (b"Creative Voice File", "Creative Voice (VOC)"),
    (b".RMF", "RealMedia"),
    (b".ra\xFD", "RealAudio"),
    (b"FLV\x01", "Flash Video"),
    (b"ADIF", "AAC with an ADIF header"),
    (b"\x0B\x77", "AC-3"),
    (b"\x7F\xFE\x80\x01", "DTS"),
    (b"\xFE\x7F\x01\x80", "DTS"),
    (b"\0\0\x01\xBA", "an MPEG program stream"),
    (b"\0\0\x01\xB3", "MPEG video"),
    (b"\x64\xA3\x01\0", "IRCAM"),
    (b"\x64\xA3\x02\0", "IRCAM"),
    (b"\x64\xA3\x03\0", "IRCAM"),
    (b"\x64\xA3\x04\0", "IRCAM"),
    (b"2BIT", "AVR"),
    (b"PVF1", "Portable Voice Format"),
    (b"PVF2", "Portable Voice Format"),
];

/// First bytes of what is no audio at all, with what helps.
const NO_AUDIO: [(&[u8], &str); 8] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "it is a Git LFS pointer, not audio: run git lfs pull",
    ),
    (
        b"/annex/objects/",
        "it is a git-annex pointer, not audio: run git annex get",
    ),
    (b"PK\x03\x04", "it is a ZIP archive, not audio: unpack it"),
    (b"\x1F\x8B", "it is a gzip archive, not audio: unpack it"),
    (b"Rar!", "it is a RAR archive, not audio: unpack it"),
    (
        b"7z\xBC\xAF\x27\x1C",
        "it is a 7z archive, not audio: unpack it",
    ),
    (b"MThd", "it is MIDI, which has notes and no sound"),
    (b"%PDF", "it is a PDF document, not audio"),
];

/// Extensions of files without a header that says what they are.
const HEADERLESS: [(&str, &str); 5] = [
    ("gsm", "GSM 06.10"),
    ("g722", "G.722"),
    ("g729", "G.729"),
    ("amr", "AMR"),
    ("awb", "AMR-WB"),
];

/// The format by the first bytes; `extension` (lower or upper case) helps where they say nothing.
pub(super) fn of(input: &Input, extension: &str) -> Result<Format, Refusal> {
    let head = input.head();
    if head.is_empty() {
        return Err("it is empty".into());
    }
    if let Some((_, why)) = NO_AUDIO.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Err(Refusal::Told((*why).to_owned()));
    }
    let text = head
        .get(..head.len().min(256))
        .unwrap_or_default()
        .trim_ascii_start()
        .to_ascii_lowercase();
    if [b"<!doctype".as_slice(), b"<html", b"<?xml"]
        .iter()
        .any(|mark| text.starts_with(mark))
    {
        return Err(Refusal::Told(
            "it is a web page, not audio: download the recording again".to_owned(),
        ));
    }
    if let Some(format) = known(head, extension) {
        return Ok(format);
    }
    let foreign = |name: &str| Err(Refusal::Foreign(name.to_owned()));
    match (head.get(..4), head.get(8..12)) {
        (Some(b"RIFF" | b"RIFX"), Some(b"AVI ")) => return foreign("AVI"),
        (Some(b"RIFF" | b"RIFX"), Some(form)) => {
            return foreign(&format!(
                "a RIFF file of the kind {}",
                String::from_utf8_lossy(form)
            ));
        }
        (Some(b"FORM"), Some(b"8SVX" | b"16SV")) => return foreign("IFF (8SVX)"),
        _ => {}
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(mark, _)| head.starts_with(mark)) {
        return foreign(name);
    }
    if is_mpeg_transport(head) {
        return foreign("an MPEG transport stream");
    }
    if matches!(head, [0x56, second, ..] if second & 0xE0 == 0xE0) {
        return foreign("AAC in LATM");
    }
    match HEADERLESS
        .iter()
        .find(|(ending, _)| extension.eq_ignore_ascii_case(ending))
    {
        Some((_, name)) => foreign(&format!("{name} by its name")),
        None => Err("it is no audio in a known format".into()),
    }
}

fn known(head: &[u8], extension: &str) -> Option<Format> {
    let form = head.get(8..12);
    match head {
        // A header that is cut off within its first twelve bytes is still a WAVE header to its
        // reader, which says so.
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..]
            if form.is_none_or(|form| form == b"WAVE") =>
        {
            Some(Format::Wave)
        }
        [b'F', b'O', b'R', b'M', ..]
            if form.is_none_or(|form| form == b"AIFF" || form == b"AIFC") =>
        {
            Some(Format::Aiff)
        }
        [b'N', b'I', b'S', b'T', b'_', b'1', b'A', ..] => Some(Format::Sphere),
        [b'.', b's', b'n', b'd', ..] | [b'd', b'n', b's', b'.', ..] => Some(Format::Au),
        [b'f', b'L', b'a', b'C', ..] => Some(Format::Flac),
        [b'O', b'g', b'g', b'S', ..] => Some(Format::Ogg),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(Format::Matroska),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Format::Mp4),
        // QuickTime before 2001 has no ftyp.
        [0, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [0, _, _, _, b'm', b'd', b'a', b't', ..]
        | [0, 0, 0, 8, b'w', b'i', b'd', b'e', ..] => Some(Format::Mp4),
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => Some(Format::Adts),
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => Some(Format::Mpeg),
        // Behind rubbish, an MP3 stream may still begin.
        _ if extension.eq_ignore_ascii_case("mp3")
            && !FOREIGN.iter().any(|(mark, _)| head.starts_with(mark)) =>
        {
            Some(Format::Mpeg)
        }
        _ => None,
    }
}

fn is_mpeg_transport(head: &[u8]) -> bool {
    const PACKET: usize = 188;
    head.len() > 2 * PACKET && [0, PACKET, 2 * PACKET].iter().all(|at| head[*at] == 0x47)
}

/// The input without the tags that stand before and behind a recording in many formats: ID3, APE.
pub(super) fn without_tags<'a>(input: &Input<'a>) -> Result<Input<'a>, Refusal> {
    let mut input = *input;
    loop {
        let tag = tag_in_front(&input, 0)?;
        if tag == 0 {
            break;
        }
        if tag >= input.len() {
            return Err("it ends within a tag in front of the sound".into());
        }
        input = input.part(tag, u64::MAX);
        // Some programs leave room behind the tag that it does not count.
        let mut some = [0; 4096];
        let n = input.read(0, &mut some)?;
        let room = some[..n].iter().position(|byte| *byte != 0).unwrap_or(0);
        input = input.part(room as u64, u64::MAX);
    }
    loop {
        let end = input.len();
        let tag = if end >= 128 && input.bytes::<3>(end - 128)? == Some(*b"TAG") {
            128
        } else if let Some(size) = end
            .checked_sub(32)
            .map(|at| input.bytes::<16>(at))
            .transpose()?
            .flatten()
            .and_then(ape)
        {
            size
        } else {
            return Ok(input);
        };
        if tag > end {
            return Ok(input);
        }
        input = input.part(0, end - tag);
    }
}

/// The length of the ID3 tag that begins at a place; nought where none does.
pub(super) fn tag_in_front(input: &Input, at: u64) -> Result<u64, Refusal> {
    let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) = input.bytes::<10>(at)? else {
        return Ok(0);
    };
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Ok(10
        + size
            .iter()
            .fold(0, |all, byte| all << 7 | u64::from(byte & 0x7F))
        + footer)
}

/// The length of the APE tag that ends with this footer.
fn ape(footer: [u8; 16]) -> Option<u64> {
    let [magic @ .., s0, s1, s2, s3] = footer;
    // The size counts the footer and not the header, which version 2 has.
    magic.starts_with(b"APETAGEX").then(|| {
        u64::from(u32::from_le_bytes([s0, s1, s2, s3]))
            + if magic[8..] == [0xD0, 7, 0, 0] { 32 } else { 0 }
    })
}

/// Names what in Ogg is not read.
pub(super) fn check_ogg(input: &Input) -> Result<(), Refusal> {
    match input.bytes::<12>(28)? {
        Some(first) if first.starts_with(b"Speex") => {
            Err(Refusal::Foreign("Speex in Ogg".to_owned()))
        }
        _ => Ok(()),
    }
}
