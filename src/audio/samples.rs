//! Samples in a file without a name, for recordings that are too long to be held in memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// Samples of one channel, read and written from any place on. The file is gone with its owner.
#[derive(Debug)]
pub struct Samples {
    file: File,
    len: usize,
}

/// The name of the file in messages.
const NAME: &str = "the temporary file of a long recording";

impl Samples {
    /// An empty file in `folder`, or where the system keeps temporary files.
    ///
    /// # Errors
    /// [`crate::error::Kind::Io`] where the file system refuses, as for all of the following.
    pub fn new(folder: Option<&Path>) -> Result<Samples> {
        Ok(Samples {
            file: files::nameless_file(folder)?,
            len: 0,
        })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends samples.
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        self.write(self.len, samples)?;
        self.len += samples.len();
        Ok(())
    }

    /// Overwrites samples from number `first` on.
    pub fn write(&mut self, first: usize, samples: &[f32]) -> Result<()> {
        let to = SeekFrom::Start(first as u64 * 4);
        let written = self
            .file
            .seek(to)
            .and_then(|_| self.file.write_all(bytemuck::cast_slice(samples)));
        written.map_err(|e| Error::io("write", Path::new(NAME), e))
    }

    /// The samples from number `first` on; all of them have to be there.
    pub fn read(&self, first: usize, samples: &mut [f32]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut(samples);
        files::read_exact_at(&self.file, bytes, first as u64 * 4)
            .map_err(|e| Error::io("read", Path::new(NAME), e))
    }

    /// The samples from number `first` on, which may lie before the beginning: reflected at both
    /// ends, the sample at the edge is not repeated. The samples must be more than what lies
    /// outside.
    pub fn read_reflected(&self, first: isize, samples: &mut [f32]) -> Result<()> {
        let (end, last) = (first + samples.len() as isize, self.len as isize - 1);
        let (from, to) = (
            first.clamp(0, self.len as isize),
            end.clamp(0, self.len as isize),
        );
        self.read(
            from as usize,
            &mut samples[(from - first) as usize..(to - first).max(from - first) as usize],
        )?;
        let outside = (first..from.min(end)).chain(to.max(first)..end);
        let mut one = [0.0];
        for at in outside {
            self.read(
                (if at < 0 { -at } else { 2 * last - at }).clamp(0, last) as usize,
                &mut one,
            )?;
            samples[(at - first) as usize] = one[0];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_from_any_place() {
        let mut samples = Samples::new(None).unwrap();
        samples.push(&[1.0, 2.0]).unwrap();
        samples.push(&[3.0, 4.0, 5.0]).unwrap();
        samples.write(1, &[9.0]).unwrap();
        let mut all = [0.0; 5];
        samples.read(0, &mut all).unwrap();
        assert_eq!((all, samples.len()), ([1.0, 9.0, 3.0, 4.0, 5.0], 5));
        assert!(samples.read(3, &mut [0.0; 3]).is_err());
    }

    #[test]
    fn ends_are_reflected() {
        let mut samples = Samples::new(None).unwrap();
        samples.push(&[0.0, 1.0, 2.0, 3.0, 4.0]).unwrap();
        for (first, expected) in [
            (-3, [3.0, 2.0, 1.0, 0.0, 1.0]),
            (1, [1.0, 2.0, 3.0, 4.0, 3.0]),
            (4, [4.0, 3.0, 2.0, 1.0, 0.0]),
        ] {
            let mut found = [9.0; 5];
            samples.read_reflected(first, &mut found).unwrap();
            assert_eq!(found, expected, "{first}");
        }
    }
}
