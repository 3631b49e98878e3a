//! The threads that open recordings and compute features and sketches.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::suspects::Suspects;
use crate::audio::{Budget, Sound};
use crate::cancel::Cancel;
use crate::config::FeatureSettings;
use crate::error::{Error, Kind, Result};
use crate::features::{Extractor, FeatureSet};
use crate::fingerprint::{self, LONGEST_S, Sketcher};

/// Bytes that the spectra and the signal of a second of sound take while features are computed of
/// it, besides its samples.
pub(super) const BYTES_PER_SECOND: u64 = 900_000;

/// A pool of `jobs` threads, or of as many as the system gives.
pub(super) fn pool(jobs: usize) -> Result<rayon::ThreadPool> {
    let mut threads = jobs.max(1);
    loop {
        match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
            Err(_) if threads > 1 => threads /= 2,
            built => {
                return built.map_err(|e| {
                    let error = Error::new(Kind::Io, "the system gives this process no thread").because(e);
                    error.hint("raise the limits on processes and memory (ulimit -u, ulimit -v), or end what else is running")
                });
            }
        }
    }
}

/// The plans and buffers that a thread keeps from recording to recording and from stage to stage,
/// made when they are needed.
#[derive(Default)]
struct Buffers {
    extractor: Option<Extractor>,
    sketcher: Option<Sketcher>,
}

/// A pool of threads, each with buffers of its own.
pub(super) struct Workers {
    pool: rayon::ThreadPool,
    settings: FeatureSettings,
    budget: Budget,
    threads: Vec<Mutex<Buffers>>,
    /// The store in which recordings that are being read are named, and what is named there; made
    /// when the first is read.
    store: Option<PathBuf>,
    suspects: OnceLock<Suspects>,
}

impl Workers {
    /// Starts `jobs` threads.
    pub(super) fn new(jobs: usize, settings: &FeatureSettings) -> Result<Workers> {
        let pool = pool(jobs)?;
        let threads = (0..pool.current_num_threads())
            .map(|_| Mutex::default())
            .collect();
        Ok(Workers {
            pool,
            settings: settings.clone(),
            budget: Budget::unlimited(),
            threads,
            store: None,
            suspects: OnceLock::new(),
        })
    }

    /// The same threads, with a limit on the memory that recordings take, where there is one.
    pub(super) fn within(self, memory: Option<u64>, cancel: &Cancel) -> Workers {
        let budget =
            Budget::new(memory, self.pool.current_num_threads(), BYTES_PER_SECOND).until(cancel);
        Workers { budget, ..self }
    }

    /// The same threads, with the samples of long recordings in files without names in `folder`.
    pub(super) fn in_folder(self, folder: Option<PathBuf>) -> Workers {
        Workers {
            budget: self.budget.in_folder(folder),
            ..self
        }
    }

    /// The same threads, which name in a store the recordings that they read: see [`Suspects`].
    pub(super) fn named_in(self, store: Option<PathBuf>) -> Workers {
        Workers { store, ..self }
    }

    /// The recordings that may have ended an earlier process, where they are looked at. The store's lock has to be held.
    pub(super) fn suspects(&self) -> Option<&Suspects> {
        let store = self.store.as_ref()?;
        Some(self.suspects.get_or_init(|| {
            Suspects::of(store, self.pool.current_num_threads(), self.budget.cancel())
        }))
    }

    /// Does some work on a recording, on a thread of the pool.
    pub(super) fn during<T>(&self, path: &Path, work: impl FnOnce() -> T) -> T {
        match self.suspects() {
            Some(suspects) => suspects.during(
                self.pool.current_thread_index().unwrap_or_default(),
                path,
                work,
            ),
            None => work(),
        }
    }

    /// The memory that recordings may take.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    pub(super) fn settings(&self) -> &FeatureSettings {
        &self.settings
    }

    /// Loads the encoders of these sets: weights that cannot be loaded are no fault of any recording.
    pub(super) fn load_encoders(&self, sets: &[FeatureSet]) -> Result<()> {
        let sources = sets.iter().filter_map(|set| self.settings.encoder(*set));
        sources
            .map(|source| source.load())
            .try_for_each(|loaded| loaded.map(drop))
    }

    /// The features of a sound in the order of the sets, on a thread of the pool.
    pub(super) fn extract(
        &self,
        sets: &[FeatureSet],
        sound: &Sound,
    ) -> Vec<(FeatureSet, Result<Vec<f32>>)> {
        if sets.is_empty() {
            return vec![];
        }
        self.with_buffers(|buffers| {
            buffers
                .extractor
                .get_or_insert_with(|| {
                    let encoders = self.settings.encoders.clone();
                    Extractor::with_encoders(self.settings.profile, encoders)
                })
                .extract_sets(sets, sound, &self.budget)
        })
    }

    /// The sketch of a sound, on a thread of the pool; no finite number where it is silent.
    pub(super) fn sketch(&self, sound: &Sound) -> Result<Vec<f32>> {
        let samples = sound.beginning(LONGEST_S)?;
        let sketch = self.with_buffers(|buffers| {
            let sketcher = buffers.sketcher.get_or_insert_default();
            sketcher.sketch(&samples, sound.sample_rate())
        });
        Ok(sketch.unwrap_or_else(|| vec![f32::NAN; fingerprint::WIDTH]))
    }

    fn with_buffers<T>(&self, work: impl FnOnce(&mut Buffers) -> T) -> T {
        let slot = &self.threads[self.pool.current_thread_index().unwrap_or_default()];
        // Those of a thread that panicked halfway are not used again.
        let mut buffers = slot.lock().unwrap_or_else(|poisoned| {
            slot.clear_poison();
            let mut buffers = poisoned.into_inner();
            *buffers = Buffers::default();
            buffers
        });
        work(&mut buffers)
    }

    /// Gives back the buffers.
    pub(super) fn rest(&self) {
        for slot in &self.threads {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Buffers::default();
        }
    }
}
