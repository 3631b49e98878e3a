//! The bytes of a recording: in memory, or in a file of which only the first ones are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// A stretch of bytes that can be read from any place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    /// The bytes in memory, from the beginning of the file.
    held: &'a [u8],
    /// The file with the rest.
    file: Option<&'a File>,
    start: u64,
    end: u64,
}

impl<'a> Input<'a> {
    /// All of it is in memory.
    pub(super) fn of_bytes(bytes: &'a [u8]) -> Input<'a> {
        Input {
            held: bytes,
            file: None,
            start: 0,
            end: bytes.len() as u64,
        }
    }

    /// A file of `length` bytes whose first ones were read before.
    pub(super) fn of_file(file: &'a File, held: &'a [u8], length: u64) -> Input<'a> {
        Input {
            held,
            file: Some(file),
            start: 0,
            end: length.max(held.len() as u64),
        }
    }

    /// The number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The bytes from one place to another, each at most at the end.
    pub(super) fn part(&self, from: u64, to: u64) -> Input<'a> {
        let start = self.start.saturating_add(from).min(self.end);
        Input {
            start,
            end: self.start.saturating_add(to).clamp(start, self.end),
            ..*self
        }
    }

    /// The first bytes, as far as they are in memory.
    pub(super) fn head(&self) -> &'a [u8] {
        let held = self.held.len() as u64;
        &self.held[self.start.min(held) as usize..self.end.min(held) as usize]
    }

    /// All bytes, where they are in memory.
    pub(super) fn held(&self) -> Option<&'a [u8]> {
        (self.end <= self.held.len() as u64).then(|| self.head())
    }

    /// Fills `buffer` from a place on; returns how many bytes there are.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.start.saturating_add(at);
        let wanted = buffer
            .len()
            .min(usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        if let Some(held) = usize::try_from(at)
            .ok()
            .and_then(|at| self.held.get(at..at + wanted))
        {
            buffer.copy_from_slice(held);
            return Ok(wanted);
        }
        let Some(mut file) = self.file else {
            return Ok(0);
        };
        file.seek(SeekFrom::Start(at))?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// `N` bytes from a place on, where there are so many.
    pub(super) fn bytes<const N: usize>(&self, at: u64) -> io::Result<Option<[u8; N]>> {
        let mut buffer = [0; N];
        Ok((self.read(at, &mut buffer)? == N).then_some(buffer))
    }

    /// As something that Symphonia reads.
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader {
            input: *self,
            at: 0,
        }
    }
}

/// Reads an [`Input`] from its beginning.
pub(super) struct Reader<'a> {
    input: Input<'a>,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(self.at, buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.input.len(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = from
            .checked_add_signed(by)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl MediaSource for Reader<'_> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.input.len())
    }
}
