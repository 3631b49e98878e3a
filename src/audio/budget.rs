//! How much memory recordings may take, each by itself and all threads together.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::refusal::Refusal;
use crate::cancel::Cancel;

/// The most samples per channel that a recording may hold: three hours at 48 kHz, and a bound on
/// what a hostile file can make us allocate.
pub(super) const MAX_FRAMES: u64 = 1 << 29;

/// Bytes that may be taken by recordings, and what a recording takes: its samples, and what is
/// computed of them.
#[derive(Debug)]
pub struct Budget {
    /// For each of several recordings at once.
    each: u64,
    /// For one that is larger, of which there is one at a time.
    one: u64,
    /// Besides the samples, for a second of sound.
    per_second: u64,
    large: Mutex<()>,
    /// Looked at while a recording is decoded.
    cancel: Cancel,
    /// Where long recordings lie while they are worked on; nothing for where the system keeps
    /// temporary files.
    folder: Option<PathBuf>,
}

/// The right to hold a large recording, for as long as it is kept.
#[derive(Debug, Default)]
pub struct Permit<'a>(Option<MutexGuard<'a, ()>>);

/// Bytes that a recording of `frames` samples per channel at `sample_rate` Hz takes in memory: its
/// samples as `f32`, and `per_second` bytes for each second of what is computed of them.
pub fn memory_needed(frames: u64, sample_rate: u32, per_second: u64) -> u64 {
    let seconds = frames / u64::from(sample_rate.max(1)) + 1;
    frames
        .saturating_mul(4)
        .saturating_add(seconds.saturating_mul(per_second))
}

impl Budget {
    /// Nothing but a bound on what a hostile file may ask for.
    pub fn unlimited() -> Budget {
        Budget {
            each: u64::MAX,
            one: u64::MAX,
            per_second: 0,
            large: Mutex::new(()),
            cancel: Cancel::default(),
            folder: None,
        }
    }

    /// `bytes` for recordings on `threads` threads, each of which takes `per_second` bytes for a
    /// second of sound besides its samples.
    pub fn new(bytes: Option<u64>, threads: usize, per_second: u64) -> Budget {
        let Some(bytes) = bytes else {
            return Budget {
                per_second,
                ..Budget::unlimited()
            };
        };
        Budget {
            each: bytes / 2 / threads.max(1) as u64,
            one: bytes / 2,
            per_second,
            ..Budget::unlimited()
        }
    }

    /// The same, for work that ends when it is asked to: decoding is then
    /// [`crate::error::Kind::Interrupted`].
    pub fn until(self, cancel: &Cancel) -> Budget {
        Budget {
            cancel: cancel.clone(),
            ..self
        }
    }

    /// The same, with the samples of long recordings in files without names in `folder`.
    pub fn in_folder(self, folder: Option<PathBuf>) -> Budget {
        Budget { folder, ..self }
    }

    /// The request to stop that long work looks at.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.clone()
    }

    /// # Errors
    /// Where a stop was asked for.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.cancel.requested() {
            Err(Refusal::Stopped)
        } else {
            Ok(())
        }
    }

    /// Whether a recording of so many samples per channel never may be held.
    pub fn refuses(&self, frames: u64, sample_rate: u32) -> bool {
        self.needs(frames, sample_rate) > self.one
    }

    fn needs(&self, frames: u64, sample_rate: u32) -> u64 {
        memory_needed(frames, sample_rate, self.per_second)
    }

    /// Waits until a recording of `frames` samples at `sample_rate` Hz may be held.
    ///
    /// # Errors
    /// Where it never may: with what it would take and what it may take, in bytes.
    pub(super) fn ask<'a>(
        &'a self,
        frames: u64,
        sample_rate: u32,
        permit: &mut Permit<'a>,
    ) -> Result<(), (u64, u64)> {
        let needs = self.needs(frames, sample_rate);
        if frames > MAX_FRAMES {
            return Err((needs, self.needs(MAX_FRAMES, sample_rate)));
        }
        if needs > self.one {
            return Err((needs, self.one));
        }
        if needs > self.each && permit.0.is_none() {
            permit.0 = Some(self.large.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }
}

impl Budget {
    /// [`Budget::ask`], with what is said of a recording that may not be held.
    pub(super) fn claim<'a>(
        &'a self,
        frames: u64,
        sample_rate: u32,
        permit: &mut Permit<'a>,
    ) -> Result<(), Refusal> {
        self.ask(frames, sample_rate, permit).map_err(|(needs, may)| {
            let (minutes, needs, may) = (frames as f64 / 60.0 / f64::from(sample_rate), needs >> 20, may >> 20);
            Refusal::Told(format!(
                "it lasts {minutes:.0} minutes or more, which takes {needs} MiB of memory where {may} MiB may be used: cut it into shorter \
                 recordings, predict it with --window, or allow more with ser run --memory"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_recordings_are_held_one_at_a_time() {
        let budget = Budget::new(Some(80_000), 2, 0);
        let (mut small, mut large) = (Permit::default(), Permit::default());
        assert_eq!(budget.ask(5_000, 1_000, &mut small), Ok(()));
        assert!(small.0.is_none());
        assert_eq!(budget.ask(10_000, 1_000, &mut large), Ok(()));
        assert!(large.0.is_some() && budget.large.try_lock().is_err());
        assert_eq!(budget.ask(10_001, 1_000, &mut small), Err((40_004, 40_000)));
        drop(large);
        let (none, with_features) = (Budget::unlimited(), Budget::new(Some(80_000), 1, 1_000));
        let mut other = Permit::default();
        assert_eq!(none.ask(MAX_FRAMES, 48_000, &mut other), Ok(()));
        assert!(none.ask(MAX_FRAMES + 1, 48_000, &mut other).is_err());
        assert_eq!(
            with_features.ask(8_000, 1_000, &mut Permit::default()),
            Err((41_000, 40_000))
        );
    }
}
