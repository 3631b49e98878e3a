//! Which recordings are being read, so that one that ends the process is known the next time.
//!
//! A process that runs out of memory, or is ended by a defect of a decoder, cannot say what it was
//! reading. Each thread therefore names its recording in a file of its own before it begins. What
//! is found there later was in work when the process ended; but so are recordings of a run that
//! somebody killed. So a suspect is given a second chance, read before all others and alone: if the
//! process ends again, it is to blame.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::open::Stat;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::{create_folder, hash_bytes, write_atomically};

/// The folder of the threads' files within the store.
const FOLDER: &str = "reading";
/// The file of suspects.
const SUSPECTS: &str = "suspects.json";
/// Ends of the process from which on a recording is excluded.
const MOST: u32 = 2;

/// A recording that was in work when a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Suspect {
    stat: Stat,
    /// How often.
    ends: u32,
}

/// The files of one store. Nothing that goes wrong with them stops the work.
#[derive(Debug)]
pub(super) struct Suspects {
    folder: PathBuf,
    known: Mutex<BTreeMap<PathBuf, Suspect>>,
    marks: Arc<Marks>,
}

/// One for each thread.
#[derive(Debug)]
struct Marks {
    files: Vec<Mutex<Option<File>>>,
    /// Whoever stops a process twice, or with a second signal, is the one who ends it.
    stopping: AtomicBool,
}

impl Marks {
    /// Blames no recording for an end that was asked for.
    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for file in &self.files {
            if let Some(file) = file.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                let _ = file.set_len(0);
            }
        }
    }
}

/// The suspicion against a recording before it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Nothing against it.
    Fine,
    /// It has a second chance, alone.
    Suspected,
    /// It is not read again until it changes.
    Excluded,
}

/// A hash of which recordings are excluded in a store, where there are any: what is made without
/// them is not what is made with them.
pub(super) fn exclusions(store: &Path) -> Option<String> {
    let bytes = fs::read(store.join(FOLDER).join(SUSPECTS)).ok()?;
    let known: BTreeMap<PathBuf, Suspect> = serde_json::from_slice(&bytes).ok()?;
    let excluded = known.iter().filter(|(path, suspect)| {
        suspect.ends >= MOST && Stat::of(path).ok() == Some(suspect.stat)
    });
    let text: String = excluded
        .map(|(path, suspect)| format!("{path:?} {:?}\n", suspect.stat))
        .collect();
    (!text.is_empty()).then(|| hash_bytes(text.as_bytes()))
}

impl Suspects {
    /// Takes in what threads of an earlier process left behind in the store; call it with the
    /// store's lock held.
    pub(super) fn of(store: &Path, threads: usize, cancel: &Cancel) -> Suspects {
        let folder = store.join(FOLDER);
        let list = fs::read(folder.join(SUSPECTS)).ok();
        let mut known: BTreeMap<PathBuf, Suspect> = list
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let mut any = false;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name() == SUSPECTS {
                continue;
            }
            let mark = fs::read(entry.path())
                .ok()
                .and_then(|bytes| serde_json::from_slice::<(PathBuf, Stat)>(&bytes).ok());
            if let Some((path, stat)) = mark {
                any = true;
                let before = known
                    .get(&path)
                    .filter(|suspect| suspect.stat == stat)
                    .map_or(0, |suspect| suspect.ends);
                known.insert(
                    path,
                    Suspect {
                        stat,
                        ends: before + 1,
                    },
                );
            }
        }
        let marks = Arc::new(Marks {
            files: (0..threads).map(|_| Mutex::default()).collect(),
            stopping: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&marks);
        cancel.on_request(move || {
            if let Some(marks) = weak.upgrade() {
                marks.stop();
            }
        });
        let suspects = Suspects {
            folder,
            known: Mutex::new(known),
            marks,
        };
        if any && suspects.write().is_ok() {
            for entry in fs::read_dir(&suspects.folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_name() != SUSPECTS)
            {
                // A mark that cannot be removed counts once more.
                let _ = fs::remove_file(entry.path());
            }
        }
        suspects
    }

    fn write(&self) -> Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = serde_json::to_vec_pretty(&*known)
            .map_err(|e| Error::internal("failed to write JSON").because(e))?;
        write_atomically(&self.folder.join(SUSPECTS), &bytes)
    }

    /// Says which recordings have a second chance; nothing where none has.
    pub(super) fn warning(&self) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = known
            .iter()
            .filter(|(_, suspect)| suspect.ends < MOST)
            .map(|(path, _)| path.display());
        let first = waiting.next()?;
        let more = match waiting.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "an earlier run ended while {first}{more} was read: read first and alone, and excluded if the run ends again"
        ))
    }

    /// The suspicion against a recording.
    pub(super) fn of_recording(&self, path: &Path) -> Suspicion {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(path) {
            Some(suspect) if Stat::of(path).ok() != Some(suspect.stat) => Suspicion::Fine,
            Some(suspect) if suspect.ends >= MOST => Suspicion::Excluded,
            Some(_) => Suspicion::Suspected,
            None => Suspicion::Fine,
        }
    }

    /// Does some work on a recording on a thread of the pool, which is named for as long.
    pub(super) fn during<T>(&self, thread: usize, path: &Path, work: impl FnOnce() -> T) -> T {
        if self.of_recording(path) == Suspicion::Excluded {
            return work();
        }
        if let Ok(stat) = Stat::of(path) {
            self.mark(
                thread,
                &serde_json::to_vec(&(path, stat)).unwrap_or_default(),
            );
        }
        let done = work();
        self.mark(thread, &[]);
        let cleared = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path);
        if cleared.is_some() {
            // Otherwise it is suspected once more.
            let _ = self.write();
        }
        done
    }

    fn mark(&self, thread: usize, bytes: &[u8]) {
        let Some(slot) = self.marks.files.get(thread) else {
            return;
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if self.marks.stopping.load(Ordering::SeqCst) {
            return;
        }
        if slot.is_none() && create_folder(&self.folder).is_ok() {
            *slot = File::create(self.folder.join(thread.to_string())).ok();
        }
        if let Some(file) = slot.as_mut() {
            // What is shorter than the last would keep the rest of it.
            let _ = file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| file.write_all(bytes));
        }
    }
}

impl Drop for Suspects {
    /// A process that ends by itself suspects nothing.
    fn drop(&mut self) {
        for (thread, slot) in self.marks.files.iter().enumerate() {
            if slot
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .is_some()
            {
                let _ = fs::remove_file(self.folder.join(thread.to_string()));
            }
        }
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        known.retain(|_, suspect| suspect.ends >= MOST);
        let (some, fewer) = (!known.is_empty(), known.len() < before);
        if some && fewer {
            let _ = self.write();
        } else if fewer {
            let _ = fs::remove_file(self.folder.join(SUSPECTS));
        }
        // Goes only where it is empty.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The error of a recording that is not read again.
pub(super) fn excluded(path: &Path) -> Error {
    Error::data(format!(
        "failed to decode {}: the process ended {MOST} times while it was read",
        path.display()
    ))
    .hint("convert it with another program, or take it out of the corpus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_the_process_twice_is_excluded_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (store, bad, good) = (
            dir.path().join("store"),
            dir.path().join("bad.wav"),
            dir.path().join("good.wav"),
        );
        fs::write(&bad, "x").unwrap();
        fs::write(&good, "y").unwrap();
        // A process that ends in the middle drops nothing.
        let end_while_reading = |paths: &[&Path]| {
            let suspects = Suspects::of(&store, 2, &Cancel::default());
            suspects.during(0, &good, || ());
            for (thread, path) in paths.iter().enumerate() {
                suspects.mark(
                    thread,
                    &serde_json::to_vec(&(path, Stat::of(path).unwrap())).unwrap(),
                );
            }
            std::mem::forget(suspects);
        };
        end_while_reading(&[&bad, &good]);
        let suspects = Suspects::of(&store, 2, &Cancel::default());
        assert_eq!(
            [&bad, &good].map(|path| suspects.of_recording(path)),
            [Suspicion::Suspected, Suspicion::Suspected]
        );
        assert!(
            suspects
                .warning()
                .unwrap()
                .contains("bad.wav and 1 more was read"),
            "{:?}",
            suspects.warning()
        );
        suspects.during(1, &good, || ());
        assert_eq!(
            suspects.of_recording(&good),
            Suspicion::Fine,
            "it was read in the end"
        );
        std::mem::forget(suspects);
        end_while_reading(&[&bad]);
        let suspects = Suspects::of(&store, 2, &Cancel::default());
        assert_eq!(
            [&bad, &good].map(|path| suspects.of_recording(path)),
            [Suspicion::Excluded, Suspicion::Fine]
        );
        assert_eq!(suspects.warning(), None);
        drop(suspects);
        assert_eq!(
            Suspects::of(&store, 2, &Cancel::default()).of_recording(&bad),
            Suspicion::Excluded,
            "for good"
        );
        assert!(exclusions(&store).is_some());
        fs::write(&bad, "another").unwrap();
        assert_eq!(
            Suspects::of(&store, 2, &Cancel::default()).of_recording(&bad),
            Suspicion::Fine
        );
        assert!(exclusions(&store).is_none(), "it is another one now");
    }

    #[test]
    fn an_end_that_was_asked_for_blames_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wav");
        fs::write(&file, "x").unwrap();
        let cancel = Cancel::default();
        let suspects = Suspects::of(dir.path(), 1, &cancel);
        let mark = dir.path().join(FOLDER).join("0");
        suspects.during(0, &file, || {
            assert!(!fs::read(&mark).unwrap().is_empty());
            cancel.request();
            assert!(fs::read(&mark).unwrap().is_empty());
        });
        suspects.during(0, &file, || {
            assert!(
                fs::read(&mark).unwrap().is_empty(),
                "nor what is still finished"
            )
        });
        std::mem::forget(suspects);
        assert_eq!(
            Suspects::of(dir.path(), 1, &Cancel::default()).of_recording(&file),
            Suspicion::Fine
        );
        // A run that ends by itself forgets what it did not read again.
        fs::write(
            &mark,
            serde_json::to_vec(&(&file, Stat::of(&file).unwrap())).unwrap(),
        )
        .unwrap();
        assert_eq!(
            Suspects::of(dir.path(), 1, &Cancel::default()).of_recording(&file),
            Suspicion::Suspected
        );
        assert_eq!(
            Suspects::of(dir.path(), 1, &Cancel::default()).of_recording(&file),
            Suspicion::Fine
        );
        assert_eq!(exclusions(dir.path()), None);
    }

    #[test]
    fn a_run_that_ends_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wav");
        fs::write(&file, "x").unwrap();
        let suspects = Suspects::of(dir.path(), 1, &Cancel::default());
        assert_eq!(suspects.during(0, &file, || 7), 7);
        drop(suspects);
        assert!(!dir.path().join(FOLDER).exists());
    }
}
