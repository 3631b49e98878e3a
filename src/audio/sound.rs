//! A recording as later stages take it: in memory, or, where it is long, in a file without a name.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

use super::budget::{Budget, Permit};
use super::decode::{Audio, bounds};
use super::mono::{Mono, Remarks};
use super::refusal::Refusal;

/// Seconds from which on the samples of a recording are not held in memory.
pub(super) const LONG_S: u64 = 300;
/// Samples that are written or read at a time.
const PIECE: usize = 1 << 18;

/// The sound of a recording, or of a stretch of one.
#[derive(Debug)]
pub enum Sound {
    /// In memory.
    Whole(Audio),
    /// In a file: longer than five minutes, or than memory allows.
    Long(Long),
}

/// A long recording, whose length costs no memory.
#[derive(Debug)]
pub struct Long {
    samples: Samples,
    sample_rate: u32,
    channels: u16,
    remarks: Remarks,
    content_hash: String,
    folder: Option<PathBuf>,
}

impl Sound {
    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        match self {
            Sound::Whole(audio) => audio.samples.len(),
            Sound::Long(long) => long.samples.len(),
        }
    }

    /// Of the file, in Hz.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Sound::Whole(audio) => audio.sample_rate,
            Sound::Long(long) => long.sample_rate,
        }
    }

    /// Of the file.
    pub fn channels(&self) -> u16 {
        match self {
            Sound::Whole(audio) => audio.channels,
            Sound::Long(long) => long.channels,
        }
    }

    /// Peculiarities of the recording.
    pub fn remarks(&self) -> Remarks {
        match self {
            Sound::Whole(audio) => audio.remarks,
            Sound::Long(long) => long.remarks,
        }
    }

    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.n_samples() as f64 / f64::from(self.sample_rate())
    }

    /// Whether all samples are the same, so that it is silent.
    pub fn is_constant(&self) -> Result<bool> {
        let first = self.beginning(1)?.first().copied();
        match self {
            Sound::Whole(audio) => Ok(audio.samples.iter().all(|sample| Some(*sample) == first)),
            Sound::Long(long) => {
                for start in (0..long.samples.len()).step_by(PIECE) {
                    if long
                        .read(start, PIECE.min(long.samples.len() - start))?
                        .iter()
                        .any(|sample| Some(*sample) != first)
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// As [`Audio::content_hash`].
    pub fn content_hash(&self) -> String {
        match self {
            Sound::Whole(audio) => audio.content_hash(),
            Sound::Long(long) => long.content_hash.clone(),
        }
    }

    /// These samples of one channel, in a file however few they are.
    pub fn in_file(samples: &[f32], sample_rate: u32) -> Result<Sound> {
        let mut spill = Spill::new(None);
        spill.take(samples, sample_rate)?;
        spill
            .finish(sample_rate, 1, Remarks::default())
            .map(Sound::Long)
    }

    /// Its first seconds: all of it where it is no longer.
    pub fn beginning(&self, seconds: usize) -> Result<Cow<'_, [f32]>> {
        match self {
            Sound::Whole(audio) => {
                let most = seconds.saturating_mul(audio.sample_rate as usize);
                Ok(Cow::Borrowed(
                    &audio.samples[..most.min(audio.samples.len())],
                ))
            }
            Sound::Long(long) => long.beginning(seconds).map(Cow::Owned),
        }
    }

    /// All of it in memory, within a budget; the permit is kept for as long as the samples are.
    ///
    /// # Errors
    /// [`crate::error::Kind::Data`] where it takes more than the budget allows.
    pub fn whole<'a>(&self, budget: &'a Budget) -> Result<(Cow<'_, Audio>, Permit<'a>)> {
        match self {
            Sound::Whole(audio) => Ok((Cow::Borrowed(audio), Permit::default())),
            Sound::Long(long) => {
                let mut permit = Permit::default();
                let claim = budget.claim(long.samples.len() as u64, long.sample_rate, &mut permit);
                claim.map_err(|refusal| match refusal {
                    Refusal::Told(why) => Error::data(why),
                    other => other.into_error(None),
                })?;
                let samples = long.read(0, long.samples.len())?;
                let audio = Audio {
                    samples,
                    sample_rate: long.sample_rate,
                    channels: long.channels,
                    remarks: long.remarks,
                };
                Ok((Cow::Owned(audio), permit))
            }
        }
    }

    /// As [`Audio::segment`].
    pub fn segment(&self, start_s: f64, end_s: f64) -> Result<Sound> {
        let long = match self {
            Sound::Whole(audio) => return audio.segment(start_s, end_s).map(Sound::Whole),
            Sound::Long(long) => long,
        };
        let bounds = bounds(long.samples.len(), long.sample_rate, start_s, end_s)?;
        if !is_long(bounds.len() as u64, long.sample_rate) {
            let samples = long.read(bounds.start, bounds.len())?;
            return Ok(Sound::Whole(Audio {
                samples,
                sample_rate: long.sample_rate,
                channels: long.channels,
                remarks: long.remarks,
            }));
        }
        let mut spill = Spill::new(long.folder.clone());
        for first in bounds.clone().step_by(PIECE) {
            spill.take(
                &long.read(first, PIECE.min(bounds.end - first))?,
                long.sample_rate,
            )?;
        }
        Ok(Sound::Long(spill.finish(
            long.sample_rate,
            long.channels,
            long.remarks,
        )?))
    }
}

impl Long {
    /// The samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Of the file, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// An empty file beside that of the samples.
    pub fn beside(&self) -> Result<Samples> {
        Samples::new(self.folder.as_deref())
    }

    /// Its first seconds.
    pub fn beginning(&self, seconds: usize) -> Result<Vec<f32>> {
        let most = seconds.saturating_mul(self.sample_rate as usize);
        self.read(0, most.min(self.samples.len()))
    }

    fn read(&self, first: usize, count: usize) -> Result<Vec<f32>> {
        let mut samples = vec![0.0; count];
        self.samples.read(first, &mut samples)?;
        Ok(samples)
    }
}

/// Whether so many samples are not held in memory.
pub(super) fn is_long(samples: u64, sample_rate: u32) -> bool {
    samples > LONG_S * u64::from(sample_rate)
}

/// Samples on their way into a file, hashed as they come.
#[derive(Debug)]
pub(super) struct Spill {
    folder: Option<PathBuf>,
    samples: Option<Samples>,
    hasher: blake3::Hasher,
}

impl Spill {
    /// A spill that makes its file when the first samples come.
    pub(super) fn new(folder: Option<PathBuf>) -> Spill {
        Spill {
            folder,
            samples: None,
            hasher: blake3::Hasher::new(),
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.samples.is_some()
    }

    /// Takes the next samples, which all have one rate.
    pub(super) fn take(&mut self, samples: &[f32], sample_rate: u32) -> Result<()> {
        let file = match &mut self.samples {
            Some(file) => file,
            None => {
                self.hasher.update(&sample_rate.to_le_bytes());
                self.samples.insert(Samples::new(self.folder.as_deref())?)
            }
        };
        super::decode::hash(&mut self.hasher, samples);
        file.push(samples)
    }

    /// Whether so many samples should be written now.
    pub(super) fn wants(held: usize) -> bool {
        held >= PIECE
    }

    fn finish(self, sample_rate: u32, channels: u16, remarks: Remarks) -> Result<Long> {
        let Spill {
            folder,
            samples,
            hasher,
        } = self;
        let samples = samples.map_or_else(|| Samples::new(folder.as_deref()), Ok)?;
        Ok(Long {
            samples,
            sample_rate,
            channels,
            remarks,
            content_hash: hasher.finalize().to_hex().to_string(),
            folder,
        })
    }
}

/// The decoded sound.
pub(super) fn collected(out: &mut Mono) -> Result<Sound, Refusal> {
    let (sample_rate, channels, remarks) = (out.sample_rate, out.channels, out.remarks);
    match out.spill.take().filter(Spill::has_begun) {
        Some(mut spill) => {
            spill.take(&std::mem::take(&mut out.samples), sample_rate)?;
            Ok(Sound::Long(spill.finish(sample_rate, channels, remarks)?))
        }
        None => Ok(Sound::Whole(Audio {
            samples: std::mem::take(&mut out.samples),
            sample_rate,
            channels,
            remarks,
        })),
    }
}

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
