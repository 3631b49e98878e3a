//! What stands in the store of a finished task: its record, and whether the files are still what it
//! says; and which outputs the tasks of a pipeline stand for at present.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{
    files_below, hash_file, hash_if_there, read, read_if_there, remove_empty_folders, remove_file,
    to_json, write_atomically,
};

use super::graph::{Identity, Key, Task};
use super::status::{StaleReason, explain_settings};
use super::store::Store;

pub(super) const FORMAT: u32 = 1;
/// Name of the record within the folder of a task.
pub(super) const RECORD: &str = "record.json";

/// One output file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    pub bytes: u64,
    pub blake3: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub format: u32,
    pub task: String,
    pub key: Key,
    pub identity: Identity,
    pub outputs: BTreeMap<String, Output>,
    pub seconds: f64,
}

impl Record {
    /// The record in the folder of a task; `None` where there is none, or a damaged one.
    pub fn read(folder: &Path) -> Result<Option<Record>> {
        let Some(bytes) = read_if_there(&folder.join(RECORD))? else {
            return Ok(None);
        };
        let record = serde_json::from_slice::<Record>(&bytes).ok();
        Ok(record.filter(|record| record.format == FORMAT && record.key == record.identity.key()))
    }

    /// The first output that is missing or not what was written.
    pub fn damage(&self, folder: &Path) -> Result<Option<StaleReason>> {
        for (name, output) in &self.outputs {
            let problem = match hash_if_there(&folder.join(name))? {
                None => "missing",
                Some((bytes, blake3)) if bytes != output.bytes || blake3 != output.blake3 => {
                    "damaged"
                }
                Some(_) => continue,
            };
            return Ok(Some(StaleReason::Output {
                path: name.clone(),
                problem,
            }));
        }
        Ok(None)
    }
}

/// A task whose output is there.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Task id.
    pub task: String,
    /// Its key.
    pub key: Key,
    /// The folder with its outputs.
    pub folder: PathBuf,
    /// Found rather than made.
    pub reused: bool,
    /// Of a plan: some of it is missing or damaged, and will be made again.
    pub damaged: bool,
    /// Wall time of the run that made it.
    pub seconds: f64,
    pub(super) outputs: BTreeMap<String, Output>,
}

impl Finished {
    /// Path of one output.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Content hash of one output.
    ///
    /// # Errors
    /// When the task wrote no such file: a defect of the stage.
    pub fn hash(&self, name: &str) -> Result<String> {
        match self.outputs.get(name) {
            Some(output) => Ok(output.blake3.clone()),
            None => Err(Error::internal(format!(
                "task {} wrote no {name}",
                self.task
            ))),
        }
    }

    /// Size and content hash of one output.
    pub fn size_and_hash(&self, name: &str) -> Result<(u64, String)> {
        let bytes = self.outputs.get(name).map(|output| output.bytes);
        self.hash(name)
            .map(|hash| (bytes.unwrap_or_default(), hash))
    }

    /// Names of all outputs, sorted, `/`-separated.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }

    /// What a task wrote into `folder`, as it would stand in the store if it were published.
    pub fn preview(task: &Task, folder: &Path) -> Result<Finished> {
        let mut outputs = BTreeMap::new();
        collect(folder, "", &mut outputs)?;
        let (task, key) = (task.id.clone(), task.identity.key());
        Ok(Finished {
            task,
            key,
            folder: folder.to_owned(),
            reused: false,
            damaged: false,
            seconds: 0.0,
            outputs,
        })
    }
}

/// Size and hash of every file in a folder, by its name.
pub(super) fn collect(
    folder: &Path,
    prefix: &str,
    outputs: &mut BTreeMap<String, Output>,
) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        let entry = entry.map_err(|e| Error::io("read", folder, e))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), outputs)?;
        } else {
            let (bytes, blake3) = hash_file(&entry.path())?;
            outputs.insert(name, Output { bytes, blake3 });
        }
    }
    Ok(())
}

/// Name of the folder; `latest@<variant>` for a variant.
pub(super) const LATEST: &str = "latest";

#[derive(Debug, Serialize, Deserialize)]
struct Latest {
    format: u32,
    key: Key,
    identity: Identity,
}

impl Latest {
    /// One that is damaged explains nothing and keeps nothing.
    fn parse(bytes: &[u8]) -> Option<Latest> {
        let latest: Latest = serde_json::from_slice(bytes).ok()?;
        (latest.format == FORMAT).then_some(latest)
    }
}

impl Store {
    /// Forgets which outputs the tasks of a variant stand for.
    pub fn forget_variant(&self, variant: &str) -> Result<()> {
        forget(&self.root().join(format!("{LATEST}@{variant}")))
    }

    pub(super) fn latest(&self, task: &str) -> Option<Identity> {
        let read = |folder: &String| {
            read_if_there(&self.root().join(folder).join(format!("{task}.json")))
                .ok()
                .flatten()
        };
        self.latest_folders()
            .iter()
            .find_map(read)
            .and_then(|bytes| Latest::parse(&bytes))
            .map(|latest| latest.identity)
    }

    /// Keys that tasks stand for at present, those of variants included.
    pub(super) fn latest_keys(&self) -> Result<Vec<String>> {
        fn walk(folder: &Path, into: &mut Vec<String>) -> Result<()> {
            let entries = match fs::read_dir(folder) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
                entries => entries.map_err(|e| Error::io("list", folder, e))?,
            };
            for entry in entries {
                let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
                if path.is_dir() {
                    walk(&path, into)?;
                } else if path.extension().is_some_and(|e| e == "json") {
                    let latest = Latest::parse(&read(&path)?);
                    // Where a bit of one was flipped, the other still keeps the output.
                    let keys = latest
                        .iter()
                        .flat_map(|latest| [latest.key.clone(), latest.identity.key()]);
                    into.extend(keys.map(|key| key.as_str().to_owned()));
                }
            }
            Ok(())
        }
        let mut keys = Vec::new();
        let entries = match fs::read_dir(self.root()) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(keys),
            entries => entries.map_err(|e| Error::io("list", self.root(), e))?,
        };
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list", self.root(), e))?;
            let name = entry.file_name();
            if name
                .to_str()
                .is_some_and(|name| name.split('@').next() == Some(LATEST))
            {
                walk(&entry.path(), &mut keys)?;
            }
        }
        Ok(keys)
    }

    /// Forgets that tasks of a stage ever ran whose next part of the id is none of `names`: they
    /// explain nothing and keep nothing any more.
    pub fn forget_others(&self, stage: &str, names: &[&str]) -> Result<()> {
        for entry in fs::read_dir(self.latest_folder().join(stage))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !names.contains(&name.strip_suffix(".json").unwrap_or(&name)) {
                forget(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether any task of a stage stands for an output at present.
    pub fn has_any(&self, stage: &str) -> bool {
        let mut folders = self.latest_folders().iter();
        folders.any(|folder| self.root().join(folder).join(stage).is_dir())
    }

    /// Whether any output of the task was ever published.
    pub fn has_run(&self, task: &str) -> bool {
        self.latest(task).is_some()
    }

    /// What can be said of a task whose inputs are not known yet: `None` where it never ran, else
    /// what differs in its settings.
    pub fn settings_changed(&self, task: &str, identity: &Identity) -> Option<Vec<StaleReason>> {
        self.latest(task)
            .map(|before| explain_settings(&before, identity))
    }

    /// Notes that `task` now stands for `finished`, so that the next change can be explained
    /// against it.
    pub(super) fn remember(&self, task: &str, identity: &Identity, key: &Key) -> Result<()> {
        let latest = Latest {
            format: FORMAT,
            key: key.clone(),
            identity: identity.clone(),
        };
        let path = self.latest_folder().join(format!("{task}.json"));
        let bytes = to_json(&latest)?;
        match fs::read(&path) {
            Ok(old) if old == bytes => Ok(()),
            // Whoever holds the lock may sweep the file away while it is written: it notes the same
            // when it comes to the task.
            _ if self.is_shared() => write_atomically(&path, &bytes).or(Ok(())),
            _ => write_atomically(&path, &bytes),
        }
    }
}

/// Removes what says which output a task stands for, at and below a path, and nothing else.
fn forget(path: &Path) -> Result<()> {
    for file in files_below(path) {
        if file.extension().is_some_and(|e| e == "json")
            && read_if_there(&file)?.is_some_and(|bytes| is_latest(&bytes))
        {
            remove_file(&file)?;
        }
    }
    remove_empty_folders(path);
    Ok(())
}

/// Whether this was written as one, damaged or not.
fn is_latest(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Latest>(bytes).is_ok()
}
