//! Compressed recordings, by Symphonia.

use std::io::{Cursor, ErrorKind};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Refusal;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::decode::{Audio, MAX_FRAMES};

/// Decodes the first audio track; the error completes "failed to decode x: …".
///
/// The delay that an encoder adds is taken off where the container says how long it is (MP3 with a LAME header, Vorbis), and stays in MP4.
/// A FLAC or Ogg stream that lacks its end is refused, MP3 and MP4 are taken as far as they go; a packet that does not decode, with others behind it, is an
/// error, since leaving it out would shift everything that follows. FLAC is checked against its own MD5.
pub(super) fn read(bytes: &[u8], extension: &str) -> Result<Audio, String> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    if !extension.is_empty() {
        hint.with_extension(extension);
    }
    let mut format = symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(|e| refused(&e))?;
    let track = format.default_track(TrackType::Audio).ok_or("it has no audio track")?;
    let id = track.id;
    let expected = track.num_frames;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or("its audio track has no description")?;
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(|e| refused(&e))?;

    let mut audio = Audio { samples: Vec::new(), sample_rate: 0, channels: 0 };
    let mut interleaved: Vec<f32> = Vec::new();
    let mut damaged = None;
    let mut cut = false;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Refusal::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                cut = true;
                break;
            }
            Err(e) => return Err(refused(&e)),
        };
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(e) => {
                damaged.get_or_insert((audio.samples.len(), refused(&e)));
                continue;
            }
        };
        if decoded.frames() == 0 {
            continue;
        }
        if let Some((at, why)) = damaged {
            return Err(format!("it is damaged at {:.3} s: {why}", at as f64 / f64::from(audio.sample_rate.max(1))));
        }
        let channels = decoded.spec().channels().count();
        let shape = (decoded.spec().rate(), u16::try_from(channels).unwrap_or(u16::MAX));
        if channels == 0 {
            return Err("it has no channels".to_owned());
        }
        if audio.channels == 0 {
            (audio.sample_rate, audio.channels) = shape;
        } else if (audio.sample_rate, audio.channels) != shape {
            return Err("its sample rate or its number of channels changes on the way".to_owned());
        }
        if audio.samples.len() + decoded.frames() > MAX_FRAMES {
            return Err(format!("it holds more than {MAX_FRAMES} samples per channel"));
        }
        decoded.copy_to_vec_interleaved(&mut interleaved);
        if channels == 1 {
            audio.samples.extend_from_slice(&interleaved);
        } else {
            let count = channels as f32;
            audio.samples.extend(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / count));
        }
    }
    if audio.samples.is_empty() {
        return Err(damaged.map_or_else(|| "it holds no samples".to_owned(), |(_, why)| why));
    }
    cut |= damaged.is_some() || expected.is_some_and(|frames| (audio.samples.len() as u64) < frames);
    // The length that MP3 and MP4 give is often an estimate.
    if cut && (bytes.starts_with(b"fLaC") || bytes.starts_with(b"OggS")) {
        return Err(format!("it ends early, after {} samples", audio.samples.len()));
    }
    if !cut && decoder.finalize().verify_ok == Some(false) {
        return Err("its samples differ from the checksum that it carries".to_owned());
    }
    Ok(audio)
}

fn refused(e: &Refusal) -> String {
    match e {
        Refusal::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        Refusal::ResetRequired => "it is a chain of several streams".to_owned(),
        e => e.to_string(),
    }
}
