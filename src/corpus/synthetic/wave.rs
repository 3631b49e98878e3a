//! Generated samples as a WAVE file that says of itself that it was generated, wherever it is
//! copied to.

use crate::corpus::GENERATED_COMMENT;
use crate::error::{Error, Result};

/// A 16-bit WAVE file of samples that all channels share, with a comment before them.
///
/// # Errors
/// Internal, for more samples than such a file can hold.
pub(super) fn wave(samples: &[i16], sample_rate: u32, channels: u16) -> Result<Vec<u8>> {
    const BYTES: u16 = 2;
    let frame = channels * BYTES;
    let mut comment = GENERATED_COMMENT.to_vec();
    comment.push(0);
    if comment.len() % 2 == 1 {
        comment.push(0);
    }
    let format = [
        &1_u16.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &sample_rate.to_le_bytes(),
        &(sample_rate * u32::from(frame)).to_le_bytes(),
        &frame.to_le_bytes(),
        &(8 * BYTES).to_le_bytes(),
    ]
    .concat();
    let info = [b"INFO".to_vec(), chunk(b"ICMT", &comment)?].concat();
    let sound: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes().repeat(usize::from(channels)))
        .collect();
    let body = [
        b"WAVE".to_vec(),
        chunk(b"fmt ", &format)?,
        chunk(b"LIST", &info)?,
        chunk(b"data", &sound)?,
    ]
    .concat();
    chunk(b"RIFF", &body)
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Result<Vec<u8>> {
    let size = u32::try_from(body.len())
        .map_err(|e| Error::internal("a generated recording is too long for WAVE").because(e))?;
    Ok([&name[..], &size.to_le_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_reads_what_is_written() {
        let samples = [0, 1, -1, i16::MAX, i16::MIN];
        let bytes = wave(&samples, 22_050, 2).unwrap();
        let mut read = hound::WavReader::new(bytes.as_slice()).unwrap();
        let spec = read.spec();
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (2, 22_050, 16)
        );
        let both: Vec<i16> = read.samples().map(Result::unwrap).collect();
        assert_eq!(both, samples.map(|sample| [sample; 2]).concat());
    }
}
