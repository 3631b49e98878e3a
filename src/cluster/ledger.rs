//! What was asked of the scheduler and what came of it, written down before and after.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Something that was about to happen, or had happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Tasks are about to be submitted.
    Intent {
        /// Stage name.
        stage: String,
        /// Counts from 1 within the stage.
        attempt: u32,
        /// As [`super::Indices`] writes them.
        indices: String,
    },
    /// The scheduler took them.
    Submitted {
        /// Stage name.
        stage: String,
        /// As in the intent.
        attempt: u32,
        /// The scheduler's number.
        job: u64,
    },
    /// They were found in the queue, though nobody wrote down that they got there.
    Found {
        /// Stage name.
        stage: String,
        /// As in the intent.
        attempt: u32,
        /// The scheduler's number.
        job: u64,
    },
    /// The scheduler did not take them.
    Refused {
        /// Stage name.
        stage: String,
        /// As in the intent.
        attempt: u32,
        /// The scheduler's words.
        why: String,
    },
    /// Whether the scheduler took them could not be found out.
    Unknown {
        /// Stage name.
        stage: String,
        /// As in the intent.
        attempt: u32,
        /// What was seen.
        why: String,
    },
    /// A held job was set free.
    Released {
        /// The scheduler's number.
        job: u64,
    },
    /// A job is about to be cancelled.
    Cancel {
        /// The scheduler's number.
        job: u64,
    },
    /// It is seen to be over.
    Cancelled {
        /// The scheduler's number.
        job: u64,
    },
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// A file of JSON lines that is only appended to.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
}

impl Ledger {
    pub(super) fn at(path: PathBuf) -> Ledger {
        Ledger { path }
    }

    /// Writes down an event; it is on the disk when this returns.
    pub(super) fn add(&self, event: Event) -> Result<()> {
        let failed = |e| Error::io("write", &self.path, e);
        let mut line = serde_json::to_vec(&Entry { at: now(), event })
            .map_err(|e| Error::internal("failed to write JSON").because(e))?;
        line.push(b'\n');
        // What a kill cut short stays a line of its own.
        if fs::read(&self.path).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n')) {
            line.insert(0, b'\n');
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(failed)?;
        file.write_all(&line)
            .and_then(|()| file.sync_all())
            .map_err(failed)
    }

    /// All events in their order; a line that was cut short is passed over.
    pub(super) fn read(&self) -> Result<Vec<Entry>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(Error::io("read", &self.path, error)),
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_short_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path().join("ledger.jsonl"));
        assert!(ledger.read().unwrap().is_empty());
        let intent = Event::Intent {
            stage: "train".into(),
            attempt: 1,
            indices: "0-3".into(),
        };
        ledger.add(intent.clone()).unwrap();
        let whole = fs::read(&ledger.path).unwrap();
        fs::write(&ledger.path, [&whole[..], &whole[..9]].concat()).unwrap();
        ledger
            .add(Event::Submitted {
                stage: "train".into(),
                attempt: 1,
                job: 7,
            })
            .unwrap();
        let events: Vec<Event> = ledger
            .read()
            .unwrap()
            .into_iter()
            .map(|entry| entry.event)
            .collect();
        assert_eq!(
            events,
            [
                intent,
                Event::Submitted {
                    stage: "train".into(),
                    attempt: 1,
                    job: 7
                }
            ]
        );
    }
}
