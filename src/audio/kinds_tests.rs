//! Files of kinds that other programs read and that were once read wrongly here, or not at all:
//! right samples, or a refusal by name.

use super::*;

const FLAC: &[u8] = include_bytes!("testdata/tone.flac");
const MP3: &[u8] = include_bytes!("testdata/tone.mp3");
const AAC: &[u8] = include_bytes!("testdata/tone-aac.m4a");
const CUT_AAC: &[u8] = include_bytes!("testdata/cut-aac.m4a");
const OPUS: [&[u8]; 4] = [
    include_bytes!("testdata/tone-opus.ogg"),
    include_bytes!("testdata/tone-opus.webm"),
    include_bytes!("testdata/tone-opus-live.webm"),
    include_bytes!("testdata/tone-opus.mp4"),
];

/// Files to damage.
pub(super) const SEEDS: [&[u8]; 8] = [
    CUT_AAC,
    OPUS[0],
    OPUS[1],
    OPUS[2],
    OPUS[3],
    include_bytes!("testdata/vbr.mp3"),
    include_bytes!("testdata/f32be.mov"),
    include_bytes!("testdata/stereo.mp3"),
];

fn audio(bytes: &[u8]) -> Audio {
    decode_bytes(bytes, "").unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode_bytes(bytes, "").unwrap_err().to_string()
}

/// Amplitude at 440 Hz.
fn tone(audio: &Audio) -> f64 {
    let step = std::f64::consts::TAU * 440.0 / f64::from(audio.sample_rate);
    let parts = audio.samples.iter().enumerate().map(|(i, s)| {
        (
            (step * i as f64).cos() * f64::from(*s),
            (step * i as f64).sin() * f64::from(*s),
        )
    });
    let (re, im) = parts.fold((0.0, 0.0), |(re, im), (a, b)| (re + a, im + b));
    2.0 * f64::hypot(re, im) / audio.samples.len() as f64
}

fn set(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn place(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|some| some == of).unwrap()
}

/// 1.5 s of a ramp at 16 kHz.
fn ramp() -> Vec<i16> {
    (0..24_000).map(|i| (i % 20_000) as i16 - 9_000).collect()
}

fn expected() -> Vec<f32> {
    ramp()
        .into_iter()
        .map(|v| f32::from(v) / 32_768.0)
        .collect()
}

fn wav(tag: u16, bits: u16, align: u16, data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    file.extend([tag.to_le_bytes(), [1, 0]].concat());
    file.extend(
        [16_000_u32, 16_000 * u32::from(align)]
            .map(u32::to_le_bytes)
            .concat(),
    );
    file.extend([align, bits].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    let size = (file.len() as u32 - 8).to_le_bytes();
    set(&file, 4, &size)
}

fn little(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn big(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_be_bytes()).collect()
}

#[test]
fn edit_lists_hide_what_was_cut_away() {
    // 1 s at 880 Hz and half a second at 440 Hz, cut at 1.1 s by its edit list alone.
    let cut = audio(CUT_AAC);
    assert_eq!((cut.samples.len(), cut.sample_rate), (6_400, 16_000));
    assert!(tone(&cut) > 0.45, "{}", tone(&cut));
    // The priming of the encoder is hidden as well.
    assert_eq!(audio(AAC).samples.len(), 8_000);

    let at = place(CUT_AAC, b"elst") + 4;
    let list = |edits: &[(u32, i32)]| {
        let mut bytes = CUT_AAC.to_vec();
        let one = bytes[at + 8..at + 20].to_vec();
        assert_eq!(edits.len(), 1, "one edit fits");
        bytes[at + 8..at + 12].copy_from_slice(&edits[0].0.to_be_bytes());
        bytes[at + 12..at + 16].copy_from_slice(&edits[0].1.to_be_bytes());
        assert_eq!(one.len(), 12);
        audio(&bytes).samples
    };
    let start = i32::from_be_bytes(CUT_AAC[at + 12..at + 16].try_into().unwrap());
    // In the movie's milliseconds; nought is to the end; an empty edit alone hides nothing.
    assert_eq!(list(&[(100, start)])[..], cut.samples[..1_600]);
    assert_eq!(list(&[(100, start + 160)])[..], cut.samples[160..1_760]);
    assert_eq!(list(&[(0, start)])[..6_400], cut.samples[..]);
    assert!(list(&[(100, -1)]).len() > 6_400);
}

#[test]
fn edits_are_heard_in_their_order() {
    let at = place(CUT_AAC, b"edts") - 4;
    let start = i32::from_be_bytes(CUT_AAC[at + 28..at + 32].try_into().unwrap());
    let whole = audio(CUT_AAC).samples;
    let with = |edits: &[(u32, i32)]| {
        let mut list = [vec![0; 4], (edits.len() as u32).to_be_bytes().to_vec()].concat();
        for (duration, start) in edits {
            list.extend([duration.to_be_bytes(), start.to_be_bytes(), [0, 1, 0, 0]].concat());
        }
        let size = |inner: usize| ((inner + 8) as u32).to_be_bytes();
        let edts = [
            &size(list.len() + 8)[..],
            b"edts",
            &size(list.len()),
            b"elst",
            &list,
        ]
        .concat();
        // The box moov is the last, so that nothing moves but what encloses the list.
        let mut bytes = CUT_AAC.to_vec();
        let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        for name in [b"moov", b"trak"] {
            let outer = place(&bytes, name) - 4;
            let grown = u32::from_be_bytes(bytes[outer..outer + 4].try_into().unwrap()) as usize
                + edts.len()
                - old;
            bytes[outer..outer + 4].copy_from_slice(&(grown as u32).to_be_bytes());
        }
        bytes.splice(at..at + old, edts);
        audio(&bytes).samples
    };
    assert_eq!(with(&[(250, -1), (100, start)])[..], whole[..1_600]);
    assert_eq!(
        with(&[(100, start), (50, start + 3_200)])[..],
        [&whole[..1_600], &whole[3_200..4_000]].concat()
    );
    assert_eq!(
        with(&[(50, start + 3_200), (100, start), (100, start)])[..],
        [&whole[3_200..4_000], &whole[..1_600], &whole[..1_600]].concat()
    );
}

#[test]
fn the_frames_of_an_mp3_are_counted() {
    // Half a second of a tone and of noise: the frames at the beginning say little of the size of
    // those behind.
    let vbr = include_bytes!("testdata/vbr.mp3");
    assert_eq!(audio(vbr).samples.len(), 17_280);
    assert_eq!(audio(MP3).samples.len(), 8_000);
    let counted = place(MP3, b"Xing") + 8;
    let number = |n: u32| audio(&set(MP3, counted, &n.to_be_bytes()));
    // An encoder that could not go back leaves noughts: the delay of 1105 samples is known, the
    // padding is not.
    let frames = 16 * 576;
    assert_eq!(
        (number(0).samples.len(), number(0).remarks.is_empty()),
        (frames - 1_105, true)
    );
    // A wrong number hides nothing.
    for wrong in [5, 14, 100_000] {
        let found = number(wrong);
        assert_eq!(found.samples.len(), frames - 1_105);
        assert!(found.remarks.iter().eq([Remark::Miscounted]), "{wrong}");
    }
    let size = u32::from_be_bytes(MP3[counted + 4..counted + 8].try_into().unwrap()) as usize;
    assert!(refusal(&MP3[..size / 2]).contains("ends after"));
}

#[test]
fn an_mp3_that_changes_or_has_a_gap_is_refused() {
    let stereo = include_bytes!("testdata/stereo.mp3");
    let both = [MP3, stereo].concat();
    assert!(
        refusal(&both).contains("number of channels changes"),
        "{}",
        refusal(&both)
    );
    let vbr = include_bytes!("testdata/vbr.mp3");
    let gap = [&vbr[..3_000], &[0; 700][..], &vbr[3_000..]].concat();
    assert!(
        refusal(&gap).contains("other bytes stand between"),
        "{}",
        refusal(&gap)
    );
    // Two files of the same kind, one behind the other, are one.
    assert_eq!(audio(&[&vbr[..], vbr].concat()).samples.len(), 2 * 17_280);
}

#[test]
fn opus_is_the_same_in_every_container() {
    let first = audio(OPUS[0]);
    assert_eq!(
        (first.samples.len(), first.sample_rate, first.channels),
        (24_000, 48_000, 1)
    );
    assert!((0.4..0.6).contains(&tone(&first)), "{}", tone(&first));
    for (i, bytes) in OPUS.iter().enumerate() {
        assert_eq!(audio(bytes), first, "{i}");
    }
    // Half of it is not it, where the length is known.
    assert!(refusal(&OPUS[0][..OPUS[0].len() / 2]).contains("early"));
    assert!(refusal(&OPUS[1][..OPUS[1].len() / 2]).contains("early"));
}

#[test]
fn headers_of_other_uncompressed_formats_are_read() {
    let mut sphere = b"NIST_1A\n   1024\nsample_count -i 24000\nsample_n_bytes -i 2\nchannel_count -i 1\nsample_byte_format -s2 01\n\
        sample_rate -i 16000\nsample_coding -s3 pcm\nend_head\n"
        .to_vec();
    sphere.resize(1_024, 0);
    let shorten = [
        set(&sphere, 129, b"pcm,embedded-shorten-v2.00\nend_head\n"),
        b"ajkg".to_vec(),
    ]
    .concat();
    let other_order = set(&sphere, place(&sphere, b"s2 01") + 3, b"10");
    let aiff = [
        &b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12\0\x01\0\0\x5D\xC0\0\x10\x40\x0C\xFA\0\0\0\0\0\0\0SSND"[..],
        &48_008_u32.to_be_bytes(),
        &[0; 8],
        &big(&ramp()),
    ]
    .concat();
    let au = [
        &b".snd\0\0\0\x18"[..],
        &[48_000_u32, 3, 16_000, 1].map(u32::to_be_bytes).concat(),
        &big(&ramp()),
    ]
    .concat();
    let rifx = {
        let fmt = [1_u16.to_be_bytes(), 1_u16.to_be_bytes()].concat();
        let rates = [16_000_u32, 32_000].map(u32::to_be_bytes).concat();
        let data = [&48_000_u32.to_be_bytes()[..], &big(&ramp())].concat();
        [
            &b"RIFX\0\0\xBB\xA4WAVEfmt \0\0\0\x10"[..],
            &fmt,
            &rates,
            &[0, 2, 0, 16],
            b"data",
            &data,
        ]
        .concat()
    };
    let little_sphere = [sphere.clone(), little(&ramp())].concat();
    let big_sphere = [other_order, big(&ramp())].concat();
    for (name, bytes) in [
        ("sphere", &little_sphere),
        ("big-endian sphere", &big_sphere),
        ("aiff", &aiff),
        ("au", &au),
        ("rifx", &rifx),
    ] {
        let found = audio(bytes);
        assert_eq!((found.sample_rate, found.channels), (16_000, 1), "{name}");
        assert!(found.samples == expected(), "{name}");
        assert!(
            refusal(&bytes[..bytes.len() / 2]).contains("ends after"),
            "{name}"
        );
        // A little less is noted.
        let short = audio(&bytes[..bytes.len() - 1_000]);
        assert!(
            short.samples.len() == 23_500 && short.remarks.iter().eq([Remark::Shortened]),
            "{name}"
        );
    }
    assert!(
        refusal(&shorten).contains("shorten") && refusal(&shorten).contains("sph2pipe"),
        "{}",
        refusal(&shorten)
    );
    assert_eq!(
        audio(include_bytes!("testdata/f32be.mov")).samples.len(),
        1_600
    );
    assert!(tone(&audio(include_bytes!("testdata/f32be.mov"))) > 0.45);
}

#[test]
fn careless_wave_headers_are_forgiven() {
    let plain = wav(1, 16, 2, &little(&ramp()));
    let length = plain.len() as u32;
    let with_size = |size: u32| set(&plain, 40, &size.to_le_bytes());
    for bytes in [
        with_size(0),
        with_size(length),
        with_size(length - 8),
        set(&plain, 4, &[0; 4]),
        set(&plain, 32, &[0; 2]),
        set(&plain, 32, &[4, 0]),
        set(&plain, 28, &[0; 4]),
    ] {
        let found = audio(&bytes);
        assert!(
            found.samples == expected() && found.remarks.is_empty(),
            "{}",
            found.samples.len()
        );
    }
    // Another chunk behind an empty one: there is no sound.
    let empty = [&with_size(0)[..44], b"LIST\x04\0\0\0INFO"].concat();
    assert!(refusal(&empty).contains("no data chunk"));
}

#[test]
fn three_bytes_may_stand_at_either_end_of_four() {
    let samples = [0.5_f32, -0.5, 0.25, -1.0, 3.0 / 8_388_608.0];
    let integers = samples.map(|s| (s * 8_388_608.0) as i32);
    assert_eq!(
        audio(&wav(
            1,
            24,
            4,
            &integers.map(|i| (i << 8).to_le_bytes()).concat()
        ))
        .samples,
        samples
    );
    assert_eq!(
        audio(&wav(1, 24, 4, &integers.map(i32::to_le_bytes).concat())).samples,
        samples
    );
}

#[test]
fn g711_is_read_whatever_its_header() {
    let codes = [0x00_u8, 0x80, 0xFF, 0x8F];
    let values = [-32_124.0_f32, 32_124.0, 0.0, 16_764.0].map(|v| v / 32_768.0);
    let plain = wav(7, 8, 1, &codes);
    assert_eq!(audio(&plain).samples, values);
    assert_eq!(audio(&set(&plain, 4, &[30, 0, 0, 0])).samples, values);
    assert_eq!(
        audio(&wav(6, 8, 1, &[0x80, 0xD5])).samples,
        [5_504.0 / 32_768.0, 8.0 / 32_768.0]
    );
}

#[test]
fn tags_around_the_sound_are_passed_over() {
    let whole = audio(FLAC);
    let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
    let id3v2 = [&b"ID3\x04\0\0\0\0\x01\x00"[..], &[0; 128]].concat();
    assert_eq!(audio(&[FLAC, &id3v1].concat()), whole);
    assert_eq!(audio(&[&id3v2, FLAC].concat()), whole);
    let cut = [&id3v2, &FLAC[..FLAC.len() - 100]].concat();
    assert!(refusal(&cut).contains("early"), "{}", refusal(&cut));
    let tagged = [&id3v2, MP3, &id3v1].concat();
    assert_eq!(audio(&tagged), audio(MP3));
}

#[test]
fn formats_that_are_not_read_are_named_with_the_cure() {
    let mp3 = wav(0x55, 0, 1, &[0; 60]);
    let explicit = {
        let at = place(AAC, &[0x05, 0x80, 0x80, 0x80]);
        // The object type 5 in place of 2.
        let config = at + 5;
        set(AAC, config, &[5 << 3 | AAC[config] & 7])
    };
    for (bytes, name) in [
        (b"#!AMR\n\x3C".to_vec(), "AMR"),
        (b"RIFF\0\0\0\0AVI LIST".to_vec(), "AVI"),
        (b"caff\0\x01\0\0".to_vec(), "CAF"),
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9".to_vec(), "WMA"),
        (b"riff\x2E\x91\xCF\x11\xA5\xD6".to_vec(), "W64"),
        (mp3, "MP3 in a WAVE file"),
        (wav(0x31, 0, 65, &[0; 65]), "GSM"),
        (wav(0x28F, 4, 1, &[0; 65]), "G.722"),
        (explicit, "HE-AAC"),
        (
            include_bytes!("testdata/six.ogg").to_vec(),
            "Vorbis with 6 channels",
        ),
    ] {
        let said = refusal(&bytes);
        assert!(
            said.contains(name)
                && said.contains("convert it with ffmpeg -i recording recording.flac"),
            "{name}: {said}"
        );
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 48044\n";
    assert!(refusal(pointer).ends_with("it is a Git LFS pointer, not audio: run git lfs pull"));
    assert!(refusal(b"\n<!DOCTYPE html><html>").contains("web page"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my voice.amr");
    std::fs::write(&path, b"#!AMR\n").unwrap();
    let said = decode(&path).unwrap_err().to_string();
    let wanted = format!(
        "ffmpeg -i '{}' '{}'",
        path.display(),
        path.with_extension("flac").display()
    );
    assert!(said.contains(&wanted), "{said}");
    let flac = dir.path().join("a.flac");
    std::fs::write(&flac, b"wvpk0000").unwrap();
    assert!(
        decode(&flac).unwrap_err().to_string().ends_with("a.wav"),
        "no file is its own target"
    );
}

#[test]
fn doubts_about_the_sound_are_remarked() {
    let opposite: Vec<u8> = ramp()
        .iter()
        .flat_map(|s| [s.to_le_bytes(), (-s + s % 7).to_le_bytes()].concat())
        .collect();
    let stereo = |data: &[u8]| {
        let mut bytes = wav(1, 16, 4, data);
        bytes[22] = 2;
        audio(&bytes).remarks
    };
    assert!(stereo(&opposite).iter().eq([Remark::Cancelled]));
    assert!(stereo(&vec![0; opposite.len()]).iter().eq([Remark::Silent]));
    let apart: Vec<u8> = ramp()
        .iter()
        .flat_map(|s| [s.to_le_bytes(), [0; 2]].concat())
        .collect();
    assert!(stereo(&apart).is_empty());
    let scaled = [0.1_f32, 9_000.0, -20_000.0].map(f32::to_le_bytes).concat();
    assert!(
        audio(&wav(3, 32, 4, &scaled))
            .remarks
            .iter()
            .eq([Remark::OutOfScale])
    );
    assert!(
        audio(&wav(3, 32, 4, &1.5_f32.to_le_bytes()))
            .remarks
            .is_empty()
    );
    // Twice the rate of the core in the description of the track.
    let entry = place(AAC, b"mp4a") + 28;
    let implicit = set(AAC, entry, &32_000_u16.to_be_bytes());
    assert!(audio(&implicit).remarks.iter().eq([Remark::CoreOnly]));
}

#[test]
fn blocks_give_the_samples_of_the_whole() {
    let wave = wav(1, 16, 2, &little(&ramp()));
    for bytes in [&wave[..], FLAC, MP3, CUT_AAC, OPUS[0]] {
        let mut all = Vec::new();
        let mut blocks = 0;
        let shape = decode_blocks_of_bytes(bytes, &Budget::unlimited(), &mut |block, _, last| {
            blocks += 1;
            if last || block.len() > 3_000 {
                all.append(block);
            }
            true
        })
        .unwrap();
        let whole = audio(bytes);
        assert!(all == whole.samples && blocks > 1);
        assert_eq!(
            (shape.samples, shape.sample_rate, shape.channels),
            (all.len() as u64, whole.sample_rate, whole.channels)
        );
    }
    assert!(decode_blocks_of_bytes(FLAC, &Budget::unlimited(), &mut |_, _, _| false).is_err());
}

#[test]
fn a_file_larger_than_what_is_held_gives_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.wav");
    let data = little(&ramp()).repeat(60);
    std::fs::write(&path, wav(1, 16, 2, &data)).unwrap();
    assert!(data.len() as u64 > HELD);
    assert!(decode(&path).unwrap().samples == expected().repeat(60));
    assert_eq!(measure(&path).unwrap().0.samples, 60 * 24_000);
}

#[test]
fn a_header_cannot_ask_for_more_memory_than_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.wav");
    let mut header = wav(1, 16, 2, &[]);
    header[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    std::fs::write(&path, header).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(6 << 30)
        .unwrap();
    assert!(
        decode(&path)
            .unwrap_err()
            .to_string()
            .contains("longer than what is read")
    );
    assert!(measure(&path).is_err());
    // FLAC says its length in 36 bits of its header: 2^33 samples here.
    let bomb = set(FLAC, 21, &[FLAC[21] & 0xF0 | 0x02]);
    assert!(
        refusal(&bomb).contains("longer than what is read"),
        "{}",
        refusal(&bomb)
    );
    let budget = Budget::new(Some(1 << 20), 1, 900_000);
    let one_second = wav(1, 16, 2, &[0; 32_000]);
    let (sound, _) = decode_sound_of_bytes(&one_second, &budget).unwrap();
    assert!(
        matches!(&sound, Sound::Long(_)) && sound.n_samples() == 16_000,
        "kept in a file"
    );
    assert!(
        sound
            .whole(&budget)
            .unwrap_err()
            .to_string()
            .contains("allow more with ser run --memory")
    );
    let enough = Budget::new(Some(8 << 20), 1, 900_000);
    assert!(matches!(
        decode_sound_of_bytes(&one_second, &enough).unwrap().0,
        Sound::Whole(_)
    ));
}

#[test]
fn a_long_recording_is_the_same_in_a_file() {
    // In memory by its length; in a file for want of memory; FLAC and MP3 come in other blocks than
    // plain samples, and a cut leaves some out.
    let samples: Vec<u8> = (0..700_000u32)
        .flat_map(|i| ((i.wrapping_mul(i) >> 7) as i16).to_le_bytes())
        .collect();
    let plain = wav(1, 16, 2, &samples);
    let little = Budget::new(Some(1 << 18), 1, 900_000);
    for bytes in [plain.as_slice(), FLAC, MP3, CUT_AAC] {
        let expected = audio(bytes);
        let (sound, _) = decode_sound_of_bytes(bytes, &little).unwrap();
        assert!(matches!(&sound, Sound::Long(_)));
        let (whole, _) = sound
            .whole(&Budget::unlimited())
            .map(|(whole, permit)| (whole.into_owned(), permit))
            .unwrap();
        assert_eq!(
            (whole, sound.content_hash()),
            (expected.clone(), expected.content_hash())
        );
        let seconds = expected.duration_s();
        let piece = expected.segment(0.25 * seconds, 0.5 * seconds).unwrap();
        let Sound::Whole(found) = sound.segment(0.25 * seconds, 0.5 * seconds).unwrap() else {
            panic!("a short segment is held")
        };
        assert_eq!(found, piece);
        assert_eq!(
            sound.beginning(1).unwrap(),
            &expected.samples[..expected.samples.len().min(expected.sample_rate as usize)]
        );
        assert!(!sound.is_constant().unwrap());
    }
}

#[test]
fn decoding_stops_when_asked() {
    let cancel = crate::cancel::Cancel::default();
    let budget = Budget::unlimited().until(&cancel);
    assert!(decode_sound_of_bytes(FLAC, &budget).is_ok());
    cancel.request();
    for bytes in [FLAC, MP3, AAC, wav(1, 16, 2, &[0; 32_000]).as_slice()] {
        assert_eq!(
            decode_sound_of_bytes(bytes, &budget).unwrap_err().kind(),
            crate::error::Kind::Interrupted
        );
    }
}
