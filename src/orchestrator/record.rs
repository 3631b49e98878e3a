//! What stands in the store of a finished task: its record, and whether the files are still what it
//! says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::graph::Task;
use super::identity::{Identity, Key};
use super::status::StaleReason;
use crate::error::{Error, Result};
use crate::files::{hash_file, hash_if_there, read_if_there};

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
    ///
    /// # Errors
    /// `Io` where it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Record>> {
        let Some(bytes) = read_if_there(&folder.join(RECORD))? else {
            return Ok(None);
        };
        let record = serde_json::from_slice::<Record>(&bytes).ok();
        Ok(record.filter(|record| record.format == FORMAT && record.key == record.identity.key()))
    }

    /// The first output that is missing or not what was written.
    ///
    /// # Errors
    /// `Io` where one is there and cannot be read.
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
    ///
    /// # Errors
    /// As [`Finished::hash`].
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
    ///
    /// # Errors
    /// `Io` where the folder cannot be read.
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
