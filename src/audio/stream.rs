//! Compressed recordings: Symphonia takes them apart and decodes all but Opus, which is decoded by a
//! crate of its own. At the end what Symphonia leaves out of Matroska: where a file was cut off, and
//! padding.

use std::io::ErrorKind;

use opus_pure::OpusDecoder;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::format::Format;
use super::input::Input;
use super::mono::{Mono, Remark};
use super::mp3;
use super::mp4::Track;
use super::pcm::MAY_LACK_S;
use super::refusal::Refusal;

impl From<SymphoniaError> for Refusal {
    fn from(error: SymphoniaError) -> Self {
        match error {
            SymphoniaError::IoError(e) => e.into(),
            SymphoniaError::ResetRequired => "it is a chain of several streams".into(),
            error => Refusal::Damaged(error.to_string()),
        }
    }
}

/// Facts about a recording, read before Symphonia takes it apart.
pub(super) struct Known {
    pub format: Format,
    pub mp4: Option<Track>,
    pub mp3: Option<mp3::Stream>,
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>, Vec<f32>),
    Opus(Box<Opus>),
}

impl Decoder {
    fn new(parameters: &AudioCodecParameters, known: &Known) -> Result<Decoder, Refusal> {
        let channels = parameters
            .channels
            .as_ref()
            .map_or(0, |channels| channels.count());
        match parameters.codec {
            CODEC_ID_OPUS => {
                let header = parameters.extra_data.as_deref().unwrap_or_default();
                return Ok(Decoder::Opus(Box::new(Opus::new(
                    header,
                    known.format == Format::Mp4,
                )?)));
            }
            // Symphonia takes the channels of more apart wrongly.
            CODEC_ID_VORBIS if channels > 2 => {
                return Err(Refusal::Foreign(format!("Vorbis with {channels} channels")));
            }
            CODEC_ID_VORBIS | CODEC_ID_FLAC => {}
            _ if known.format == Format::Matroska => {
                return Err(foreign_matroska());
            }
            _ => {}
        }
        // What encoders add in front and behind is taken off by the frames that were counted here,
        // where a header may be wrong.
        let options = AudioDecoderOptions::default()
            .verify(true)
            .gapless(known.mp3.is_none());
        match symphonia::default::get_codecs().make_audio_decoder(parameters, &options) {
            Ok(decoder) => Ok(Decoder::Symphonia(decoder, Vec::new())),
            Err(SymphoniaError::Unsupported(what)) => Err(match &known.mp4 {
                Some(track) => {
                    Refusal::Foreign(format!("MP4 with sound in {}", track.codec.escape_ascii()))
                }
                None => what.into(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Decodes a packet into `out`; returns how many frames came of it.
    fn packet(
        &mut self,
        packet: &Packet,
        out: &mut Mono,
        begin: &dyn Fn(&mut Mono, u32, u16) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        match self {
            Decoder::Opus(opus) => {
                let channels = opus.channels();
                if out.channels == 0 {
                    begin(out, OPUS_RATE, channels)?;
                }
                let values = opus.decode(&packet.data)?;
                let kept = values
                    .len()
                    .saturating_sub(packet.trim_end.get() as usize * usize::from(channels));
                out.interleaved(&values[..kept])?;
                Ok(kept / usize::from(channels))
            }
            Decoder::Symphonia(decoder, interleaved) => {
                let decoded = decoder.decode(packet)?;
                let frames = decoded.frames();
                if frames == 0 {
                    return Ok(0);
                }
                let channels = u16::try_from(decoded.spec().channels().count()).unwrap_or(u16::MAX);
                let rate = decoded.spec().rate();
                if out.channels == 0 {
                    begin(out, rate, channels)?;
                } else if (out.sample_rate, out.channels) != (rate, channels) {
                    return Err(Refusal::Told(
                        "its sample rate or its number of channels changes on the way: convert each part by itself".to_owned(),
                    ));
                }
                decoded.copy_to_vec_interleaved(interleaved);
                out.interleaved(interleaved)?;
                Ok(frames)
            }
        }
    }
}

/// Decodes the first audio track.
///
/// The delay that an encoder adds is taken off where the container says how long it is. A recording
/// that lacks its end by more than [`MAY_LACK_S`] is refused, and so is one with a packet that does
/// not decode, since leaving it out would shift everything that follows. FLAC is checked against
/// its own MD5.
pub(super) fn read(
    input: &Input,
    known: &Known,
    extension: &str,
    out: &mut Mono,
) -> Result<(), Refusal> {
    if known.format == Format::Matroska && is_cut(input)? {
        return Err("it ends early, before the end that its header gives".into());
    }
    let source = MediaSourceStream::new(
        Box::new(input.reader()),
        MediaSourceStreamOptions::default(),
    );
    let mut hint = Hint::new();
    if !extension.is_empty() {
        hint.with_extension(extension);
    }
    let mut format = symphonia::default::get_probe().probe(
        &hint,
        source,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let wanted = known.mp4.as_ref().map(|track| track.id);
    let track = wanted
        .and_then(|id| format.tracks().iter().find(|track| track.id == id))
        .or_else(|| format.default_track(TrackType::Audio));
    let track = track.ok_or_else(|| match known.format {
        Format::Matroska => foreign_matroska(),
        _ => "it has no audio track".into(),
    })?;
    let (id, num_frames) = (track.id, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|p| p.audio())
        .ok_or("its audio track has no description")?;
    let mut decoder = Decoder::new(parameters, known)?;
    let delay = match &decoder {
        Decoder::Opus(opus) => opus.delay,
        Decoder::Symphonia(..) => 0,
    };
    let expected = known.mp3.map(|stream| stream.samples).or(num_frames);
    let begin = |out: &mut Mono, rate: u32, channels: u16| {
        let spans = match (&known.mp4, known.mp3) {
            (Some(track), _) => track.spans(rate),
            (_, Some(stream)) => {
                std::iter::once(stream.delay..stream.samples - stream.padding).collect()
            }
            _ => vec![],
        };
        let spans = if spans.is_empty() && delay > 0 {
            std::iter::once(delay..u64::MAX).collect()
        } else {
            spans
        };
        out.hear(spans);
        out.begin(
            rate,
            channels,
            expected.filter(|_| matches!(known.format, Format::Flac | Format::Ogg | Format::Mpeg)),
        )
    };

    let mut lost = Lost::default();
    let mut next = next_packet(&mut *format, id, &mut lost)?;
    while let Some(mut packet) = next {
        next = next_packet(&mut *format, id, &mut lost)?;
        if known.format == Format::Matroska && matches!(decoder, Decoder::Opus(_)) && next.is_none()
        {
            packet.trim_end = (padding_ns(input)? * u64::from(OPUS_RATE) / 1_000_000_000).into();
        }
        match decoder.packet(&packet, out, &begin) {
            Ok(0) => {}
            Ok(_) => lost.found_more(out)?,
            Err(Refusal::Damaged(why)) => lost.one(&packet, out, why),
            Err(refusal) => return Err(refusal),
        }
        if out.has_all() {
            break;
        }
    }
    if out.decoded == 0 {
        return Err(lost
            .why
            .map_or_else(|| "it holds no samples".into(), Refusal::Damaged));
    }
    let whole = out.has_all();
    let scale = known.mp4.as_ref().map_or(1.0, |track| {
        f64::from(out.sample_rate) / f64::from(track.timescale.max(1))
    });
    let expected = expected.map(|frames| (frames as f64 * scale).round() as u64);
    let promised = expected.filter(|_| {
        known.mp3.is_none() && matches!(known.format, Format::Flac | Format::Ogg | Format::Mp4)
    });
    // The numbers of Ogg count the frames that are left out at the beginning, which were decoded as
    // well.
    let lacking = promised
        .map_or(0, |frames| frames.saturating_sub(out.decoded))
        .max(lost.frames);
    // What was recorded as it came has no length in Matroska, and ends where it ends.
    let is_cut = lost.cut && !matches!(known.format, Format::Adts | Format::Matroska);
    if !whole && (lacking > 0 || is_cut) {
        let may = MAY_LACK_S * f64::from(out.sample_rate);
        if lacking as f64 > may || lacking > out.decoded / 10 || (is_cut && promised.is_none()) {
            return Err(lost.why.map_or_else(
                || format!("it ends early, after {} samples", out.decoded).into(),
                |why| {
                    format!(
                        "it is damaged from {:.3} s on: {why}",
                        out.decoded as f64 / f64::from(out.sample_rate)
                    )
                    .into()
                },
            ));
        }
        out.remarks.add(Remark::Shortened);
    } else if let Decoder::Symphonia(decoder, _) = &mut decoder
        && !whole
        && decoder.finalize().verify_ok == Some(false)
    {
        return Err("its samples differ from the checksum that it carries".into());
    }
    Ok(())
}

fn foreign_matroska() -> Refusal {
    Refusal::Foreign("Matroska without sound in Opus, Vorbis or FLAC".to_owned())
}

/// The next packet of a track.
fn next_packet(
    format: &mut dyn FormatReader,
    id: u32,
    lost: &mut Lost,
) -> Result<Option<Packet>, Refusal> {
    loop {
        match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => return Ok(Some(packet)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(SymphoniaError::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                lost.cut = true;
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Failures of decoding.
#[derive(Default)]
struct Lost {
    why: Option<String>,
    /// Samples per channel since the last packet that could be.
    frames: u64,
    /// Whether the file ends in the middle.
    cut: bool,
}

impl Lost {
    fn one(&mut self, packet: &Packet, out: &Mono, why: String) {
        self.why.get_or_insert(why);
        // Units of time are samples in all formats but Matroska and some MP4; nought is not known.
        self.frames += packet
            .block_dur()
            .get()
            .max(u64::from(out.sample_rate) / 50);
    }

    /// What was lost stands before something that was not.
    fn found_more(&self, out: &Mono) -> Result<(), Refusal> {
        match &self.why {
            Some(why) => Err(format!(
                "it is damaged near {:.3} s: {why}",
                out.decoded as f64 / f64::from(out.sample_rate.max(1))
            )
            .into()),
            None => Ok(()),
        }
    }
}

/// The rate at which all Opus is decoded.
const OPUS_RATE: u32 = 48_000;
/// Samples per channel of the longest packet.
const LONGEST_PACKET: usize = 5_760;

/// A decoder of packets.
struct Opus {
    decoder: OpusDecoder,
    channels: usize,
    gain: f32,
    block: Vec<f32>,
    /// Samples to leave out at the beginning.
    pub delay: u64,
}

impl Opus {
    /// A decoder for streams with this identification header (RFC 7845, 5.1), whose numbers are
    /// big-endian in MP4.
    pub(super) fn new(header: &[u8], big_endian: bool) -> Result<Opus, Refusal> {
        let fields: &[u8; 11] = header
            .strip_prefix(b"OpusHead")
            .and_then(|fields| fields.first_chunk())
            .ok_or("its Opus header is damaged")?;
        let channels = usize::from(fields[1]);
        let word = |at: usize| {
            if !big_endian {
                u16::from_le_bytes([fields[at], fields[at + 1]])
            } else {
                u16::from_be_bytes([fields[at], fields[at + 1]])
            }
        };
        if fields[10] != 0 || !(1..=2).contains(&channels) {
            return Err(Refusal::Foreign(format!("Opus with {channels} channels")));
        }
        let decoder = OpusDecoder::new(OPUS_RATE as i32, channels).map_err(|e| e.to_string())?;
        let gain = 10f32.powf(f32::from(word(8).cast_signed()) / (20.0 * 256.0));
        Ok(Opus {
            decoder,
            channels,
            gain,
            block: vec![0.0; LONGEST_PACKET * channels],
            delay: u64::from(word(2)),
        })
    }

    pub(super) fn channels(&self) -> u16 {
        self.channels as u16
    }

    /// The interleaved samples of a packet.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Result<&[f32], Refusal> {
        if packet.is_empty() {
            return Err("a packet is empty".into());
        }
        let frames = self
            .decoder
            .decode(packet, LONGEST_PACKET, &mut self.block)
            .map_err(|e| e.to_string())?;
        let block = &mut self.block[..frames * self.channels];
        if self.gain != 1.0 {
            block.iter_mut().for_each(|value| *value *= self.gain);
        }
        Ok(block)
    }
}

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
