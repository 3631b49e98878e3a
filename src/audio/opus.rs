//! Opus, which Symphonia finds in Ogg, WebM and MP4 and does not decode.

use opus_pure::OpusDecoder;

use super::refusal::Refusal;

/// The rate at which everything is decoded.
pub(super) const RATE: u32 = 48_000;
/// Samples per channel of the longest packet.
const LONGEST: usize = 5_760;

/// A decoder of packets.
pub(super) struct Opus {
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
        let decoder = OpusDecoder::new(RATE as i32, channels).map_err(|e| e.to_string())?;
        let gain = 10f32.powf(f32::from(word(8).cast_signed()) / (20.0 * 256.0));
        Ok(Opus {
            decoder,
            channels,
            gain,
            block: vec![0.0; LONGEST * channels],
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
            .decode(packet, LONGEST, &mut self.block)
            .map_err(|e| e.to_string())?;
        let block = &mut self.block[..frames * self.channels];
        if self.gain != 1.0 {
            block.iter_mut().for_each(|value| *value *= self.gain);
        }
        Ok(block)
    }
}
