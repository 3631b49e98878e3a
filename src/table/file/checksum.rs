//! The two checksums in a file's footer: one over all bytes before it, one over the footer itself.

use std::io::{self, Write};
use std::ops::Range;

/// Hex blake3 of all bytes before the footer.
pub(super) const BODY_SUM: &str = "ser.body_blake3";
/// Hex blake3 of the footer, taken while these digits are zeros.
pub(super) const FOOTER_SUM: &str = "ser.footer_blake3";
/// Hex digits of a blake3 hash.
pub(super) const DIGITS: usize = 64;
/// Of a Parquet file: the footer's length (4 bytes) and `PAR1`.
pub(super) const TAIL: usize = 8;

/// Hashes the body on its way out, and holds the footer back until its checksums are known.
#[derive(Debug)]
pub(super) struct ChecksumWriter<W> {
    out: W,
    body: blake3::Hasher,
    footer: Option<Vec<u8>>,
}

impl<W: Write> ChecksumWriter<W> {
    pub fn new(out: W) -> Self {
        ChecksumWriter {
            out,
            body: blake3::Hasher::new(),
            footer: None,
        }
    }

    /// From here on comes the footer, with zeros for both checksums.
    pub fn begin_footer(&mut self) {
        self.footer = Some(Vec::new());
    }

    /// Writes the footer with its checksums; returns what lies below.
    pub fn finish(mut self) -> io::Result<W> {
        let bytes = self.footer.take().unwrap_or_default();
        let end = bytes
            .len()
            .checked_sub(TAIL)
            .ok_or_else(|| io::Error::other("a table without a footer"))?;
        let start = end
            .checked_sub(footer_length(&bytes[end..]))
            .ok_or_else(|| io::Error::other("a table with half a footer"))?;
        // What comes before the footer itself (an index, where there is one) is body.
        self.write_all(&bytes[..start])?;
        let mut footer = bytes[start..].to_vec();
        let length = footer.len() - TAIL;
        let body = self.body.finalize().to_hex();
        put(&mut footer[..length], BODY_SUM, body.as_bytes());
        let sum = blake3::hash(&footer[..length]).to_hex();
        put(&mut footer[..length], FOOTER_SUM, sum.as_bytes());
        self.out.write_all(&footer)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(footer) = &mut self.footer {
            footer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes)?;
        self.body.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn put(footer: &mut [u8], key: &str, sum: &[u8]) {
    if let Some(digits) = digits(footer, key) {
        footer[digits].copy_from_slice(sum);
    }
}

/// The length that the last eight bytes of a Parquet file give for its footer.
pub(super) fn footer_length(tail: &[u8]) -> usize {
    tail.iter()
        .take(4)
        .rev()
        .fold(0, |length, &byte| (length << 8) | usize::from(byte))
}

/// Where a footer holds the digits of a checksum: after its key and the two bytes of a Thrift
/// string's header. The writer's keys come last.
pub(super) fn digits(footer: &[u8], key: &str) -> Option<Range<usize>> {
    let start = footer
        .windows(key.len())
        .rposition(|window| window == key.as_bytes())?
        + key.len()
        + 2;
    (start + DIGITS <= footer.len()).then_some(start..start + DIGITS)
}
