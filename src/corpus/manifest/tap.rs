//! A file as bytes that are handed on and kept until they are no longer asked for.

use std::io::{self, Read};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 16;

/// Hands on what it reads, and keeps what lies after [`Tap::release`] to be looked at once more.
pub(super) struct Tap<R> {
    inner: R,
    /// What was read and not released, and what was read and not handed on yet.
    kept: Vec<u8>,
    /// Where `kept` begins, from the first byte handed on.
    start: u64,
    /// How much of `kept` was handed on.
    given: usize,
    /// How far `kept` is no longer wanted.
    released: u64,
    most: usize,
}

impl<R: Read> Tap<R> {
    /// Reads `inner`, and refuses where more than `most` bytes would have to be kept.
    pub(super) fn new(inner: R, most: usize) -> Self {
        Tap {
            inner,
            kept: Vec::new(),
            start: 0,
            given: 0,
            released: 0,
            most,
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let dead = (self.released.saturating_sub(self.start) as usize).min(self.given);
        self.kept.drain(..dead);
        self.start += dead as u64;
        self.given -= dead;
        if self.kept.len() > self.most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a row of more than {} bytes", self.most),
            ));
        }
        let before = self.kept.len();
        let read = (&mut self.inner)
            .take(BLOCK as u64)
            .read_to_end(&mut self.kept)?;
        debug_assert_eq!(before + read, self.kept.len());
        Ok(read > 0)
    }

    /// What is there at first, without handing it on: a block, or the whole where it is less.
    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        if self.kept.is_empty() {
            self.fill()?;
        }
        Ok(&self.kept)
    }

    /// Leaves out the first bytes, as if they were not there; only before anything is handed on.
    pub(super) fn skip(&mut self, n: usize) {
        self.kept.drain(..n.min(self.kept.len()));
    }

    /// The bytes between two places, as far as they are kept.
    pub(super) fn between(&self, from: u64, to: u64) -> &[u8] {
        let at = |place: u64| place.saturating_sub(self.start) as usize;
        self.kept.get(at(from)..at(to)).unwrap_or_default()
    }

    /// What lies before `place` is no longer wanted.
    pub(super) fn release(&mut self, place: u64) {
        self.released = place;
    }

    /// Whether nothing comes after `place`.
    pub(super) fn ends_at(&mut self, place: u64) -> io::Result<bool> {
        Ok(place >= self.start + self.kept.len() as u64 && !self.fill()?)
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.kept.len() && !self.fill()? {
            return Ok(0);
        }
        let n = buffer.len().min(self.kept.len() - self.given);
        buffer[..n].copy_from_slice(&self.kept[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stays_and_what_is_not_goes() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|i| (i % 251) as u8).collect();
        let mut tap = Tap::new(bytes.as_slice(), 2 * BLOCK);
        assert_eq!(tap.head().unwrap().len(), BLOCK);
        tap.skip(1);
        let bytes = &bytes[1..];
        let mut got = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            let n = tap.read(&mut buffer).unwrap();
            if n == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..n]);
            let here = got.len() as u64;
            assert_eq!(tap.between(here - n as u64, here), &buffer[..n]);
            assert_eq!(tap.ends_at(here).unwrap(), got.len() == bytes.len());
            tap.release(here);
            assert!(tap.kept.len() <= 2 * BLOCK);
        }
        assert!(got == bytes);
    }

    #[test]
    fn a_row_without_end_is_refused() {
        let mut tap = Tap::new(io::repeat(b'x'), 2 * BLOCK);
        let mut buffer = vec![0; BLOCK];
        let error = (0..9).find_map(|_| tap.read(&mut buffer).err());
        assert_eq!(error.unwrap().kind(), io::ErrorKind::FileTooLarge);
    }
}
