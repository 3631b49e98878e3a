//! Text in UTF-16, as spreadsheets save "Unicode text", handed on in UTF-8. The crate encoding_rs_io
//! replaces what is damaged without a word; here it is an error.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 14;

/// The encoding that the first bytes of a file name, where it is UTF-16.
pub(super) fn of_mark(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xFF, 0xFE, ..] => Some(UTF_16LE),
        [0xFE, 0xFF, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// Decodes what it reads; a mark at the beginning is left out.
pub(super) struct Utf16<R> {
    inner: R,
    decoder: Decoder,
    /// Decoded and not handed on yet.
    ready: Vec<u8>,
    given: usize,
    done: bool,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Utf16 {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            ready: Vec::new(),
            given: 0,
            done: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut block = [0; BLOCK];
        let read = self.inner.read(&mut block)?;
        self.done = read == 0;
        // No unit of UTF-16 takes more than three bytes, and one may be held back from before.
        let most = 3 * (read / 2 + 2);
        self.ready.resize(most, 0);
        let (_, _, written, is_bad) =
            self.decoder
                .decode_to_utf8(&block[..read], &mut self.ready, self.done);
        if is_bad {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its UTF-16 is damaged",
            ));
        }
        self.ready.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.done {
            self.fill()?;
        }
        let rest = &self.ready[self.given..];
        let n = buffer.len().min(rest.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives one byte at a time.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(1).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn both_byte_orders_are_read_whatever_is_read_at_a_time() {
        let text = format!("pfad\tgefühl\r\n{}", "wütend 悲しみ😢\n".repeat(5_000));
        for big in [false, true] {
            let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
            let bytes: Vec<u8> = units
                .flat_map(|unit| {
                    if big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    }
                })
                .collect();
            let encoding = of_mark(&bytes).unwrap();
            let mut read = String::new();
            Utf16::new(bytes.as_slice(), encoding)
                .read_to_string(&mut read)
                .unwrap();
            assert!(read == text);
            let mut slowly = String::new();
            Utf16::new(Slow(&bytes[..400]), encoding)
                .read_to_string(&mut slowly)
                .unwrap();
            assert!(text.starts_with(&slowly) && slowly.len() > 200);
        }
        // Half a unit, and half of a pair of surrogates.
        for bad in [&b"\xff\xfea\0b"[..], b"\xff\xfea\0\x3d\xd8"] {
            let error = Utf16::new(bad, UTF_16LE).read_to_string(&mut String::new());
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
