//! One writer per store: an advisory lock that the system releases when its owner dies, however
//! that happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::event::Observer;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::files::create_folder;

/// Who holds a lock, for whoever has to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Name of the machine, where it is known.
    pub host: String,
    /// What the process does (`ser run demo`).
    pub command: String,
    /// Seconds since 1970.
    pub since: u64,
}

impl Owner {
    /// This process.
    pub fn this(host: impl Into<String>, command: impl Into<String>) -> Owner {
        Owner {
            pid: std::process::id(),
            host: host.into(),
            command: command.into(),
            since: now(),
        }
    }

    fn describe(&self) -> String {
        let minutes = now().saturating_sub(self.since) / 60;
        let since = if minutes == 0 {
            "just begun".to_owned()
        } else {
            format!("for {minutes} min")
        };
        let host = if self.host.is_empty() {
            String::new()
        } else {
            format!(" on {}", self.host)
        };
        format!("process {}{host} ({}, {since})", self.pid, self.command)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Held while a pipeline is run; dropped with its owner, however that ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of `folder`, or says who holds it.
    ///
    /// # Errors
    /// [`Kind::Busy`] that names the process which holds it; [`Kind::Io`].
    pub fn take(folder: &Path, owner: &Owner) -> Result<Lock> {
        match Lock::attempt(folder, owner)? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(Error::new(
                Kind::Busy,
                format!("{holder} is already working in {}", folder.display()),
            )
            .hint("wait until it has finished, or stop it; the lock goes with its process")),
        }
    }

    /// Takes the lock of `folder` as soon as it is free, and says once who is waited for.
    pub fn wait(
        folder: &Path,
        owner: &Owner,
        cancel: &Cancel,
        observer: &dyn Observer,
    ) -> Result<Lock> {
        let mut said = false;
        loop {
            match Lock::attempt(folder, owner)? {
                Ok(lock) => return Ok(lock),
                Err(holder) if !said => {
                    observer.note(format!(
                        "waiting for {holder}, which is working in {}",
                        folder.display()
                    ));
                    said = true;
                }
                Err(_) => {}
            }
            cancel.sleep(Duration::from_millis(100))?;
        }
    }

    /// Whether the folder has lost the lock's file since: somebody removed the folder, or put
    /// another in its place.
    pub fn is_lost(&self) -> bool {
        !is_same(&self.file, &self.path)
    }

    /// The lock, or a description of who holds it.
    fn attempt(folder: &Path, owner: &Owner) -> Result<Result<Lock, String>> {
        create_folder(folder)?;
        let path: PathBuf = folder.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => {
                let line = serde_json::to_string(owner).map_err(|e| Error::internal("failed to write a lock as JSON").because(e))?;
                file.set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| writeln!(file, "{line}"))
                    .map_err(|e| Error::io("write", &path, e))?;
                Ok(Ok(Lock { file, path }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut line = String::new();
                // The owner's name is a courtesy: without it the message is still right.
                let _ = file.read_to_string(&mut line);
                let owner: Option<Owner> = serde_json::from_str(&line).ok();
                Ok(Err(owner.map_or_else(|| "another process".to_owned(), |owner| owner.describe())))
            }
            Err(TryLockError::Error(e)) => Err(Error::io("lock", &path, e)
                .hint("the folder has to lie on a file system with locks; --data-dir and --reports-dir name others")),
        }
    }
}

/// Whether an open file is what lies at a path.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata().map(place), std::fs::metadata(path).map(place)), (Ok(open), Ok(there)) if open == there)
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::super::event::Event;
    use super::*;

    struct Said(std::sync::Mutex<Vec<Event>>);

    impl Observer for Said {
        fn observe(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[test]
    fn a_second_owner_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner::this("here", "ser run demo");
        let first = Lock::take(folder.path(), &owner).unwrap();
        let refused = Lock::take(folder.path(), &owner).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            refused.contains(&format!(
                "process {pid} on here (ser run demo, just begun) is already working"
            )),
            "{refused}"
        );

        let said = Said(Default::default());
        let stop = Cancel::default();
        stop.request();
        assert_eq!(
            Lock::wait(folder.path(), &owner, &stop, &said)
                .unwrap_err()
                .kind(),
            Kind::Interrupted
        );
        std::thread::scope(|scope| {
            let waiting = scope
                .spawn(|| Lock::wait(folder.path(), &owner, &Cancel::default(), &said).map(drop));
            std::thread::sleep(Duration::from_millis(250));
            assert!(!waiting.is_finished());
            drop(first);
            waiting.join().unwrap().unwrap();
        });
        assert_eq!(
            said.0.into_inner().unwrap().len(),
            2,
            "once each, however long it lasts"
        );
        Lock::take(folder.path(), &owner).unwrap();
    }
}
