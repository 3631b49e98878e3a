//! The bytes of a file as its decoder asks for them. What the file system refuses is kept: a
//! decoder makes of it an error of its own, and a table that could not be read would be taken for a
//! damaged one.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::may_pass;
use crate::files::{patiently, read_at, read_exact_at};

/// A file that is decoded.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: Arc<File>,
    length: u64,
    refused: Arc<Mutex<Option<io::Error>>>,
}

impl Source {
    /// Of an open file of this length.
    pub fn new(file: File, length: u64) -> Source {
        Source {
            file: Arc::new(file),
            length,
            refused: Arc::default(),
        }
    }

    /// What the file system refused last, once.
    pub fn refused(&self) -> Option<io::Error> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn try_to<T>(&self, read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        patiently(may_pass, read).map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            // A file that ends too early is damaged.
            if error.kind() != io::ErrorKind::UnexpectedEof {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            told
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From {
            source: self.clone(),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // No more is asked for than there is, whatever a damaged page says.
        if start
            .checked_add(length as u64)
            .is_none_or(|end| end > self.length)
        {
            return Err(ParquetError::EOF(
                "a page that ends behind its file".to_owned(),
            ));
        }
        let mut buffer = vec![0; length];
        self.try_to(|| read_exact_at(&self.file, &mut buffer, start))?;
        Ok(buffer.into())
    }
}

/// Reads on from some place.
#[derive(Debug)]
pub(super) struct From {
    source: Source,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self
            .source
            .try_to(|| read_at(&self.source.file, buffer, self.at))?;
        self.at += n as u64;
        Ok(n)
    }
}
