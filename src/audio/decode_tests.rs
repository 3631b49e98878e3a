use std::f64::consts::TAU;
use std::path::PathBuf;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::*;
use crate::error::Kind;

/// A WAVE file: format tag, channels, bits, data, chunks before and after `data`.
struct Wav<'a> {
    tag: u16,
    channels: u16,
    bits: u16,
    data: &'a [u8],
    before: &'a [(&'a [u8; 4], &'a [u8])],
    after: &'a [(&'a [u8; 4], &'a [u8])],
}

impl Wav<'_> {
    fn bytes(&self) -> Vec<u8> {
        let block = self.channels * self.bits.div_ceil(8);
        let mut fmt = Vec::new();
        let extensible = self.tag == 0xFFFE;
        for word in [self.tag, self.channels] {
            fmt.extend(word.to_le_bytes());
        }
        fmt.extend(16_000_u32.to_le_bytes());
        fmt.extend((16_000 * u32::from(block)).to_le_bytes());
        for word in [block, self.bits] {
            fmt.extend(word.to_le_bytes());
        }
        if extensible {
            fmt.extend([22, 0]);
            fmt.extend(self.bits.to_le_bytes());
            fmt.extend([0; 4]);
            fmt.extend([
                1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71,
            ]);
        }
        let mut body = b"WAVE".to_vec();
        let mut chunk = |id: &[u8; 4], content: &[u8]| {
            body.extend(id);
            body.extend((content.len() as u32).to_le_bytes());
            body.extend(content);
            body.resize(body.len().next_multiple_of(2), 0);
        };
        chunk(b"fmt ", &fmt);
        self.before
            .iter()
            .for_each(|(id, content)| chunk(id, content));
        chunk(b"data", self.data);
        self.after
            .iter()
            .for_each(|(id, content)| chunk(id, content));
        let mut file = b"RIFF".to_vec();
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(body);
        file
    }
}

fn wav(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    Wav {
        tag,
        channels,
        bits,
        data,
        before: &[],
        after: &[],
    }
    .bytes()
}

fn pcm16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn samples_of(bytes: &[u8]) -> Vec<f32> {
    decode_bytes(bytes, "wav").unwrap().samples
}

fn refusal(bytes: &[u8]) -> String {
    let error = decode_bytes(bytes, "wav").unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    error.to_string()
}

#[test]
fn integers_of_every_width_are_scaled_by_their_full_range() {
    assert_eq!(
        samples_of(&wav(1, 1, 8, &[0, 128, 255])),
        [-1.0, 0.0, 127.0 / 128.0]
    );
    assert_eq!(
        samples_of(&wav(1, 1, 16, &pcm16(&[i16::MIN, -1, 0, 1, i16::MAX]))),
        [-1.0, -1.0 / 32768.0, 0.0, 1.0 / 32768.0, 32767.0 / 32768.0]
    );
    assert_eq!(
        samples_of(&wav(1, 1, 24, &[0, 0, 0x80, 0xFF, 0xFF, 0xFF, 1, 0, 0])),
        [-1.0, -1.0 / 8_388_608.0, 1.0 / 8_388_608.0]
    );
    assert_eq!(
        samples_of(&wav(1, 1, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40])),
        [-1.0, 0.5]
    );
    assert_eq!(samples_of(&wav(0xFFFE, 1, 16, &pcm16(&[16_384]))), [0.5]);
    // 20 valid bits stand at the upper end of three bytes.
    assert_eq!(samples_of(&wav(1, 1, 20, &[0, 0, 0x40])), [0.5]);
}

#[test]
fn floats_are_taken_as_they_are() {
    let values = [0.25_f32, -1.5, 1e-30];
    assert_eq!(
        samples_of(&wav(3, 1, 32, &values.map(f32::to_le_bytes).concat())),
        values
    );
    assert_eq!(
        samples_of(&wav(
            3,
            1,
            64,
            &values.map(|v| f64::from(v).to_le_bytes()).concat()
        )),
        values
    );
}

#[test]
fn channels_are_averaged_and_a_rest_is_no_frame() {
    let mut data = pcm16(&[100, 300, -7, 8, 1, 1]);
    data.push(9);
    let audio = decode_bytes(&wav(1, 2, 16, &data), "").unwrap();
    assert_eq!(audio.channels, 2);
    assert_eq!(audio.sample_rate, 16_000);
    assert_eq!(
        audio.samples,
        [200.0 / 32768.0, 0.5 / 32768.0, 1.0 / 32768.0]
    );
}

#[test]
fn chunks_of_odd_size_around_the_data_are_skipped() {
    let data = pcm16(&[5, 6, 7]);
    let file = Wav {
        tag: 1,
        channels: 1,
        bits: 16,
        data: &data,
        before: &[(b"FLLR", &[1; 4_051]), (b"LIST", b"INFOdata")],
        after: &[(b"_PMX", &[2; 77]), (b"data", &[3; 20])],
    };
    assert_eq!(
        samples_of(&file.bytes()),
        [5.0 / 32768.0, 6.0 / 32768.0, 7.0 / 32768.0]
    );
}

#[test]
fn sizes_that_the_file_cannot_know_cost_neither_samples_nor_memory() {
    let mut file = wav(1, 1, 16, &pcm16(&[1, 2, 3]));
    for size in [7_u32, 0x7FFF_FFFF, u32::MAX - 1, u32::MAX] {
        file[40..44].copy_from_slice(&size.to_le_bytes());
        assert_eq!(
            samples_of(&file),
            [1.0 / 32768.0, 2.0 / 32768.0, 3.0 / 32768.0],
            "{size}"
        );
    }
    // Cut in the middle of the third sample; and a RIFF size of 0, as from a recorder that was
    // switched off.
    file.truncate(file.len() - 1);
    file[4..8].copy_from_slice(&[0; 4]);
    assert_eq!(samples_of(&file).len(), 2);
}

#[test]
fn a_recording_that_was_cut_off_is_refused() {
    let file = wav(1, 1, 16, &pcm16(&[1, 2, 3, 4]));
    assert!(
        refusal(&file[..file.len() - 4]).ends_with("it ends after 2 of 4 samples"),
        "{}",
        refusal(&file[..file.len() - 4])
    );
    assert_eq!(samples_of(&file).len(), 4);
}

#[test]
fn damaged_headers_say_what_is_wrong() {
    let file = wav(1, 1, 16, &pcm16(&[1, 2]));
    assert!(refusal(b"").ends_with("it is empty"));
    for length in 4..36 {
        assert!(
            refusal(&file[..length]).contains("cut off"),
            "{length}: {}",
            refusal(&file[..length])
        );
    }
    assert!(refusal(&file[..40]).contains("no data chunk"));
    assert!(refusal(&file[..44]).contains("after 0 of 2 samples"));
    assert!(refusal(&wav(1, 1, 16, &[])).contains("no samples"));
    assert!(refusal(b"This is a text about a wave.\n").contains("known format"));
    let with = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        refusal(&file)
    };
    assert!(with(8, b"AVI ").contains("AVI"));
    assert!(with(22, &[0, 0]).contains("no channels"));
    assert!(with(22, &[3, 0]).contains("contradicts"));
    assert!(with(24, &[0, 0, 0, 0]).contains("0 Hz"));
    assert!(with(24, &[0xFF; 4]).contains("4294967295 Hz"));
    assert!(with(34, &[0, 0]).contains("0 bits"));
    assert!(with(12, b"xxxx").contains("before their format"));
}

#[test]
fn samples_that_are_no_numbers_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let file = wav(3, 1, 32, &[0.5, bad, 0.5].map(f32::to_le_bytes).concat());
        assert!(refusal(&file).contains("sample 1 is not a finite number"));
    }
    // Larger than an f32 can hold.
    assert!(refusal(&wav(3, 1, 64, &1e300_f64.to_le_bytes())).contains("sample 0"));
}

#[test]
fn files_are_named_in_errors_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let message = |path: &PathBuf| decode(path).unwrap_err().to_string();

    fs::create_dir(path("x.wav")).unwrap();
    assert!(message(&path("x.wav")).ends_with("x.wav: it is a folder"));
    assert_eq!(decode(&path("gone.wav")).unwrap_err().kind(), Kind::Io);
    assert!(message(&path("gone.wav")).contains("gone.wav"));

    let odd = path("two words\nand a line.WAV");
    fs::write(&odd, "text").unwrap();
    let text = message(&odd);
    assert!(
        text.contains("two words\\nand a line.WAV") && !text.contains('\n'),
        "{text}"
    );
    fs::write(&odd, wav(1, 1, 16, &pcm16(&[1]))).unwrap();
    assert_eq!(decode(&odd).unwrap().samples, [1.0 / 32768.0]);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&odd, fs::Permissions::from_mode(0o0)).unwrap();
        // Root reads what nobody may read.
        if fs::File::open(&odd).is_err() {
            assert_eq!(decode(&odd).unwrap_err().kind(), Kind::Io);
        }
    }
}

const FLAC: &[u8] = include_bytes!("testdata/tone.flac");
const MP3: &[u8] = include_bytes!("testdata/tone.mp3");
const VORBIS: &[u8] = include_bytes!("testdata/tone.ogg");
const AAC: &[u8] = include_bytes!("testdata/tone-aac.m4a");
const ALAC: &[u8] = include_bytes!("testdata/tone-alac.m4a");
const ADPCM: &[u8] = include_bytes!("testdata/tone-ima.wav");

/// Amplitude of `samples` at `hz`.
fn amplitude(audio: &Audio, hz: f64) -> f64 {
    let step = TAU * hz / f64::from(audio.sample_rate);
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &s) in audio.samples.iter().enumerate() {
        re += f64::from(s) * (step * i as f64).cos();
        im += f64::from(s) * (step * i as f64).sin();
    }
    2.0 * re.hypot(im) / audio.samples.len() as f64
}

/// Each fixture is half a second of a 440 Hz tone of amplitude 0.5 at 16 kHz.
#[test]
fn every_codec_gives_the_tone_that_went_in() {
    for (name, bytes, slack) in [
        ("flac", FLAC, 0),
        ("mp3", MP3, 0),
        ("ogg", VORBIS, 0),
        ("aac", AAC, 0),
        ("alac", ALAC, 0),
        ("adpcm", ADPCM, 600),
    ] {
        // A name that lies or says nothing changes nothing.
        for extension in ["", "wav", "mp3", "flac"] {
            let audio = decode_bytes(bytes, extension)
                .unwrap_or_else(|e| panic!("{name} as {extension:?}: {e}"));
            assert_eq!((audio.sample_rate, audio.channels), (16_000, 1), "{name}");
            assert!(
                audio.samples.len().abs_diff(8_000) <= slack,
                "{name}: {} samples",
                audio.samples.len()
            );
            let (tone, other) = (amplitude(&audio, 440.0), amplitude(&audio, 1_300.0));
            assert!(
                (0.4..0.51).contains(&tone) && other < 0.01,
                "{name}: {tone} at 440 Hz, {other} at 1300 Hz"
            );
        }
    }
}

#[test]
fn a_flac_file_is_checked_to_its_end() {
    let whole = decode_bytes(FLAC, "flac").unwrap();
    let cut = decode_bytes(&FLAC[..FLAC.len() - 100], "flac")
        .unwrap_err()
        .to_string();
    assert!(cut.contains("ends early"), "{cut}");
    // The MD5 of the samples stands at the end of STREAMINFO.
    let mut wrong = FLAC.to_vec();
    wrong[8 + 18] ^= 1;
    assert!(refusal(&wrong).contains("checksum"), "{}", refusal(&wrong));
    wrong[8 + 18..8 + 34].fill(0);
    assert_eq!(decode_bytes(&wrong, "flac").unwrap().samples, whole.samples);
}

#[test]
fn segments_are_cut_by_time() {
    let audio = Audio {
        samples: (0..1_000).map(|i| i as f32).collect(),
        sample_rate: 1_000,
        channels: 2,
        remarks: Remarks::default(),
    };
    let part = audio.segment(0.1, 0.2).unwrap();
    assert_eq!(
        part.samples,
        (100..200).map(|i| i as f32).collect::<Vec<_>>()
    );
    assert_eq!((part.sample_rate, part.channels), (1_000, 2));
    assert_eq!(audio.segment(0.9, 1.04).unwrap().samples.len(), 100);
    assert_eq!(audio.segment(0.0, 1.0).unwrap(), audio);
    for (start, end) in [
        (0.5, 0.5),
        (0.6, 0.5),
        (-0.1, 0.5),
        (f64::NAN, 1.0),
        (0.0, f64::INFINITY),
        (0.0, 1.2),
        (1.0, 1.01),
        (0.5, 0.5001),
    ] {
        assert_eq!(
            audio.segment(start, end).unwrap_err().kind(),
            Kind::Data,
            "{start} {end}"
        );
    }
}

#[test]
fn the_hash_is_of_the_sound() {
    let samples: Vec<f32> = (0..10_000).map(|i| i as f32 / 32_768.0).collect();
    let audio = Audio {
        samples,
        sample_rate: 16_000,
        channels: 1,
        remarks: Remarks::default(),
    };
    let mut plain = 16_000_u32.to_le_bytes().to_vec();
    plain.extend(audio.samples.iter().flat_map(|s| s.to_le_bytes()));
    assert_eq!(
        audio.content_hash(),
        blake3::hash(&plain).to_hex().to_string()
    );
    assert_eq!(
        Audio {
            channels: 2,
            ..audio.clone()
        }
        .content_hash(),
        audio.content_hash()
    );
    assert_ne!(
        Audio {
            sample_rate: 8_000,
            ..audio.clone()
        }
        .content_hash(),
        audio.content_hash()
    );
}

/// Flips, cuts, repeats and overwrites bytes; whatever comes of it, the answer is samples or an
/// error, within bounds.
fn mutate_and_decode(seeds: &[&[u8]], rounds: usize, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            // Headers are where the danger is.
            let at = if rng.random_bool(0.6) { at % 80 } else { at }.min(bytes.len() - 1);
            match rng.random_range(0..6) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes[at] = rng.random(),
                2 => bytes.truncate(at + 1),
                3 => {
                    let value = [0_u32, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 0xFFFF]
                        [rng.random_range(0..6)];
                    bytes
                        .iter_mut()
                        .skip(at)
                        .zip(value.to_le_bytes())
                        .for_each(|(b, v)| *b = v);
                }
                4 => {
                    let end = (at + rng.random_range(1..40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = rng.random_range(0..=bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ => drop(
                    bytes.drain(at..(at + rng.random_range(1..9)).min(bytes.len() - 1).max(at)),
                ),
            }
        }
        if let Ok(audio) = decode_bytes(&bytes, ["", "wav", "mp3"][round % 3]) {
            assert!(!audio.samples.is_empty() && audio.samples.iter().all(|s| s.is_finite()));
        }
    }
}

#[test]
fn mutated_wave_files_never_panic() {
    let tone = pcm16(
        &(0..200)
            .map(|i| ((f64::from(i) * 0.3).sin() * 9_000.0) as i16)
            .collect::<Vec<_>>(),
    );
    let seeds = [
        wav(1, 1, 16, &tone),
        wav(1, 2, 24, &tone[..396]),
        wav(3, 1, 32, &[0.1_f32; 60].map(f32::to_le_bytes).concat()),
        wav(0xFFFE, 1, 8, &tone),
        Wav {
            tag: 1,
            channels: 1,
            bits: 16,
            data: &tone,
            before: &[(b"FLLR", &[0; 31])],
            after: &[(b"LIST", b"INFOISFTsomething")],
        }
        .bytes(),
    ];
    mutate_and_decode(&seeds.each_ref().map(|s| s.as_slice()), 20_000, 1);
}

#[test]
fn mutated_compressed_files_never_panic() {
    mutate_and_decode(&[FLAC, MP3, VORBIS, AAC, ALAC, ADPCM], 3_000, 2);
    mutate_and_decode(&super::kinds::SEEDS, 3_000, 4);
}

#[test]
fn random_bytes_never_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..2_000 {
        let mut bytes: Vec<u8> = (0..rng.random_range(0..300))
            .map(|_| rng.random())
            .collect();
        let magic: &[u8] = [
            b"RIFF\xFF\0\0\0WAVEfmt ".as_slice(),
            b"fLaC\0\0\0\x22",
            b"OggS\0\x02",
            b"\0\0\0\x20ftypM4A ",
            b"ID3\x04",
            b"\xFF\xFB\x90\x64",
            b"FORM\0\0\0\0AIFFCOMM",
            b".snd\0\0\0\x20",
            b"NIST_1A\n   1024\n",
            b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67",
        ][round % 10];
        bytes.splice(0..0, magic.iter().copied());
        drop(decode_bytes(&bytes, ""));
    }
}

/// The recordings of a list (the committed one names about 90; `SER_PCM_LIST` may name a longer one
/// of the same form) under `SER_CORPORA`: their samples are those that any correct decoder gives.
#[test]
fn recordings_decode_bit_for_bit() {
    let Some(root) = std::env::var_os("SER_CORPORA").map(PathBuf::from) else {
        crate::skipped::skipped("corpora", "SER_CORPORA names no recorded corpora");
        return;
    };
    let list = match std::env::var_os("SER_PCM_LIST") {
        Some(path) => fs::read_to_string(path).unwrap(),
        None => include_str!("testdata/pcm_sha256.tsv").to_owned(),
    };
    let mut checked = 0;
    for line in list.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let path = root.join(cells[0]).with_extension("wav");
        if !path.exists() {
            continue;
        }
        let audio = decode(&path).unwrap();
        let channels: u16 = cells[2].parse().unwrap();
        assert_eq!(
            (audio.sample_rate.to_string().as_str(), audio.channels),
            (cells[1], channels),
            "{}",
            cells[0]
        );
        assert_eq!(audio.samples.len().to_string(), cells[3], "{}", cells[0]);
        // The stereo files of these corpora have equal channels, so that the mean gives them back.
        let pcm: Vec<u8> = audio
            .samples
            .iter()
            .flat_map(|s| {
                ((s * 32_768.0) as i16)
                    .to_le_bytes()
                    .repeat(channels.into())
            })
            .collect();
        let hex: String = Sha256::digest(&pcm)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, cells[4], "{}", cells[0]);
        checked += 1;
    }
    println!("{checked} recordings");
    assert!(
        checked > 0,
        "no recording of the list is under {}",
        root.display()
    );
}
