//! One folder per task identity, published whole.
//!
//! ```text
//! ROOT/tasks/<stage>/<key>/   what the task wrote, and record.json
//! ROOT/latest/<task id>.json  the key that the task had last, for `plan` to explain a change
//! ROOT/scratch/<key>/         what an interrupted task left to go on from (checkpoints)
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::identity::{Identity, Key};
use super::status::{Status, Why, explain};
use crate::error::{Error, Result};
use crate::files::{TEMPORARY, hash_file, sync_folder, temporary_folder, write_atomically};

const FORMAT: u32 = 1;
const RECORD: &str = "record.json";

/// One output file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Output {
    bytes: u64,
    blake3: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    format: u32,
    task: String,
    key: Key,
    identity: Identity,
    outputs: BTreeMap<String, Output>,
    seconds: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Latest {
    format: u32,
    key: Key,
    identity: Identity,
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
    /// Wall time of the run that made it.
    pub seconds: f64,
    outputs: BTreeMap<String, Output>,
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
            None => Err(Error::internal(format!("task {} wrote no {name}", self.task))),
        }
    }

    /// Names of all outputs, sorted, `/`-separated.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }
}

/// The cache of one pipeline.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens (without creating) the store under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, stage: &str, key: &Key) -> PathBuf {
        self.root.join("tasks").join(stage).join(key.as_str())
    }

    fn latest_path(&self, task: &str) -> PathBuf {
        self.root.join("latest").join(format!("{task}.json"))
    }

    /// Where a task with this key may keep what lets it go on after an interruption.
    pub(super) fn scratch(&self, key: &Key) -> PathBuf {
        self.root.join("scratch").join(key.as_str())
    }

    /// Whether the task has to run and why; every output of a finished task is read and verified.
    pub fn status(&self, task: &str, identity: &Identity) -> Status {
        let key = identity.key();
        let folder = self.folder(&identity.stage, &key);
        match read_record(&folder) {
            Some(record) if record.identity == *identity => match damage(&folder, &record) {
                Some(why) => Status::Stale(vec![why]),
                None => Status::Fresh(Finished {
                    task: task.to_owned(),
                    key,
                    folder,
                    reused: true,
                    seconds: record.seconds,
                    outputs: record.outputs,
                }),
            },
            _ if folder.exists() => Status::Stale(vec![Why::Output { path: RECORD.into(), problem: "damaged" }]),
            _ => Status::Stale(self.explain(task, identity)),
        }
    }

    fn explain(&self, task: &str, identity: &Identity) -> Vec<Why> {
        let latest = fs::read(self.latest_path(task)).ok().and_then(|bytes| serde_json::from_slice::<Latest>(&bytes).ok());
        match latest.map(|latest| explain(&latest.identity, identity)) {
            Some(why) if !why.is_empty() => why,
            Some(_) => vec![Why::Output { path: RECORD.into(), problem: "missing" }],
            None => vec![Why::NeverRan],
        }
    }

    /// Notes that `task` now stands for `finished`, so that the next change can be explained against it.
    pub(super) fn remember(&self, task: &str, identity: &Identity, key: &Key) -> Result<()> {
        let latest = Latest { format: FORMAT, key: key.clone(), identity: identity.clone() };
        let path = self.latest_path(task);
        let bytes = to_json(&latest)?;
        if fs::read(&path).is_ok_and(|old| old == bytes) { Ok(()) } else { write_atomically(&path, &bytes) }
    }

    /// A fresh folder for a task to write into, on the same file system as its final place.
    pub(super) fn workspace(&self, stage: &str) -> Result<tempfile::TempDir> {
        temporary_folder(&self.root.join("tasks").join(stage))
    }

    /// Publishes a finished workspace under its key.
    pub(super) fn publish(&self, task: &str, identity: &Identity, work: tempfile::TempDir, seconds: f64) -> Result<Finished> {
        let key = identity.key();
        let mut outputs = BTreeMap::new();
        collect(work.path(), "", &mut outputs)?;
        let record = Record {
            format: FORMAT,
            task: task.to_owned(),
            key: key.clone(),
            identity: identity.clone(),
            outputs: outputs.clone(),
            seconds,
        };
        write_atomically(&work.path().join(RECORD), &to_json(&record)?)?;
        let folder = self.folder(&identity.stage, &key);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| Error::io("replace", &folder, e))?;
        }
        fs::rename(work.path(), &folder).map_err(|e| Error::io("publish", &folder, e))?;
        // The folder has moved: nothing is left under its old name to clean up.
        let _ = work.keep();
        if let Some(parent) = folder.parent() {
            sync_folder(parent);
        }
        self.remember(task, identity, &key)?;
        // Checkpoints of a finished task serve no one.
        let _ = fs::remove_dir_all(self.scratch(&key));
        Ok(Finished { task: task.to_owned(), key, folder, reused: false, seconds, outputs })
    }

    /// Removes half-written files and folders that a killed run left; call it with the store's lock held.
    pub fn sweep(&self) -> Result<()> {
        let stages = fs::read_dir(self.root.join("tasks")).into_iter().flatten().flatten().map(|stage| stage.path());
        for folder in stages.chain([self.root.clone()]) {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(TEMPORARY)) {
                let path = entry.path();
                let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                gone.map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        Ok(())
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| Error::internal("failed to write a record as JSON").because(e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn read_record(folder: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    (record.format == FORMAT).then_some(record)
}

fn damage(folder: &Path, record: &Record) -> Option<Why> {
    record.outputs.iter().find_map(|(name, output)| {
        let problem = match hash_file(&folder.join(name)) {
            Err(_) => "missing",
            Ok((bytes, blake3)) if bytes != output.bytes || blake3 != output.blake3 => "damaged",
            Ok(_) => return None,
        };
        Some(Why::Output { path: name.clone(), problem })
    })
}

fn collect(folder: &Path, prefix: &str, outputs: &mut BTreeMap<String, Output>) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(epochs: u32) -> Identity {
        Identity {
            stage: "train".into(),
            code_version: 1,
            params: serde_json::json!({"train": {"epochs": epochs}}),
            inputs: BTreeMap::from([("features".into(), "aa".into())]),
        }
    }

    fn finish(store: &Store, identity: &Identity) -> Finished {
        let work = store.workspace("train").unwrap();
        fs::create_dir(work.path().join("model")).unwrap();
        fs::write(work.path().join("model/weights.bin"), b"weights").unwrap();
        store.publish("train/quick/fold-0", identity, work, 1.5).unwrap()
    }

    fn why(store: &Store, identity: &Identity) -> Vec<String> {
        match store.status("train/quick/fold-0", identity) {
            Status::Fresh(_) => vec![],
            Status::Stale(why) => why.iter().map(Why::to_string).collect(),
        }
    }

    #[test]
    fn a_finished_task_is_found_and_every_change_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        assert_eq!(why(&store, &identity(15)), ["never ran"]);
        let done = finish(&store, &identity(15));
        assert!(why(&store, &identity(15)).is_empty());
        assert_eq!(why(&store, &identity(20)), ["train.epochs: 15 -> 20"]);
        let mut other = identity(15);
        other.inputs.insert("features".into(), "bb".into());
        other.code_version = 2;
        assert_eq!(why(&store, &other), ["code version 1 -> 2", "input changed: features"]);

        fs::write(done.path("model/weights.bin"), b"weightz").unwrap();
        assert_eq!(why(&store, &identity(15)), ["output damaged: model/weights.bin"]);
        fs::remove_file(done.path("model/weights.bin")).unwrap();
        assert_eq!(why(&store, &identity(15)), ["output missing: model/weights.bin"]);
        finish(&store, &identity(15));
        assert!(why(&store, &identity(15)).is_empty());
    }

    #[test]
    fn an_earlier_setting_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        finish(&store, &identity(15));
        finish(&store, &identity(20));
        assert!(why(&store, &identity(15)).is_empty());
    }

    #[test]
    fn sweeping_removes_what_a_killed_run_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        finish(&store, &identity(15));
        let left = store.workspace("train").unwrap().keep();
        fs::write(left.join("half"), b"x").unwrap();
        let half = folder.path().join(".tmp-half");
        fs::write(&half, b"x").unwrap();
        store.sweep().unwrap();
        assert!(!left.exists() && !half.exists());
        assert!(why(&store, &identity(15)).is_empty());
    }
}
