//! One folder per task identity, published whole.
//!
//! ```text
//! ROOT/tasks/<stage>/<key>/   what the task wrote, and record.json
//! ROOT/latest/<task id>.json  the key that the task had last, for `plan` to explain a change; latest@<variant>/ for each variant
//! ROOT/scratch/<key>/         what an interrupted task left to go on from (checkpoints)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::graph::Task;
use super::graph::{Identity, Key};
use super::record::LATEST;
use super::record::{FORMAT, Finished, RECORD, Record, collect};
use super::status::{StaleReason, Status, explain};
use crate::error::{Error, Kind, Result};
use crate::files::{TEMPORARY, sweep, sync_folder, temporary_folder, to_json, write_atomically};

/// Marks the workspaces of processes that hold no lock.
const SHARED: &str = "shared-";
/// After this time, whoever had something under way is gone.
pub(super) const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The cache of one pipeline.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    shared: bool,
    /// Folders of the last keys: the own one, then those that explain what has never run here.
    latest: Vec<String>,
    /// Keys of the settings of finished tasks by stage, once somebody asked.
    settings: Mutex<BTreeMap<String, BTreeSet<Key>>>,
    /// Hashes of all outputs, once somebody asked.
    written: Mutex<Option<BTreeSet<String>>>,
}

impl Store {
    /// Opens (without creating) the store under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store {
            root: root.into(),
            shared: false,
            latest: vec![LATEST.to_owned()],
            settings: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// The same for a process that works without the store's lock, beside others: nobody sweeps
    /// away what it has under way.
    pub fn shared(root: impl Into<PathBuf>) -> Store {
        Store {
            shared: true,
            ..Store::at(root)
        }
    }

    /// The same for a variant of the pipeline: the outputs are shared, but which of them tasks
    /// stand for is noted apart.
    pub fn of_variant(self, variant: Option<&str>) -> Store {
        let own = variant.map(|variant| format!("{LATEST}@{variant}"));
        Store {
            latest: own.into_iter().chain([LATEST.to_owned()]).collect(),
            ..self
        }
    }

    /// Whether other processes may be at the same task.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, stage: &str, key: &Key) -> PathBuf {
        self.root.join("tasks").join(stage).join(key.as_str())
    }

    /// Folders of the last keys: the own one comes first.
    pub(super) fn latest_folders(&self) -> &[String] {
        &self.latest
    }

    pub(super) fn latest_folder(&self) -> PathBuf {
        self.root
            .join(self.latest.first().map_or(LATEST, String::as_str))
    }

    /// Where a task with this key may keep what lets it go on after an interruption.
    pub(super) fn scratch(&self, key: &Key) -> PathBuf {
        self.root.join("scratch").join(key.as_str())
    }

    /// Whether the task has to run and why; every output of a finished task is read and verified.
    pub fn status(&self, task: &Task) -> Result<Status> {
        let Task { id, identity, .. } = task;
        let key = identity.key();
        let folder = self.folder(&identity.stage, &key);
        Ok(match Record::read(&folder)? {
            Some(record) if record.identity == *identity => {
                let damage = record.damage(&folder)?;
                let finished = Finished {
                    task: id.clone(),
                    key,
                    folder,
                    reused: true,
                    damaged: damage.is_some(),
                    seconds: record.seconds,
                    outputs: record.outputs,
                };
                match damage {
                    Some(why) => Status::Stale {
                        why: vec![why],
                        expected: Some(finished),
                    },
                    None => Status::Fresh(finished),
                }
            }
            _ if folder.exists() => Status::Stale {
                why: vec![StaleReason::Output {
                    path: RECORD.into(),
                    problem: "damaged",
                }],
                expected: None,
            },
            _ => Status::Stale {
                why: self.explain(task),
                expected: None,
            },
        })
    }

    /// Removes the output of a task that turned out to be wrong.
    pub fn discard(&self, finished: &Finished) -> Result<()> {
        let stage = finished
            .folder
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let aside = self.workspace(&stage)?;
        match fs::rename(&finished.folder, aside.path().join("wrong")) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &finished.folder, e))
            }
            _ => Ok(()),
        }
    }

    /// Whether a file with this content is an output of any finished task.
    pub fn wrote(&self, hash: &str) -> bool {
        let mut known = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let written = known.get_or_insert_with(|| {
            let outputs = self
                .records(None)
                .flat_map(|record| record.outputs.into_values());
            outputs.map(|output| output.blake3).collect()
        });
        written.contains(hash)
    }

    /// Records of finished tasks, of one stage or of all; what cannot be read is passed over.
    fn records(&self, stage: Option<&str>) -> impl Iterator<Item = Record> {
        let entries = |folder: PathBuf| {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        };
        let tasks = self.root.join("tasks");
        let stages: Vec<PathBuf> = stage.map_or_else(
            || entries(tasks.clone()).collect(),
            |stage| vec![tasks.join(stage)],
        );
        stages
            .into_iter()
            .flat_map(entries)
            .filter_map(|folder| Record::read(&folder).ok().flatten())
    }

    fn explain(&self, task: &Task) -> Vec<StaleReason> {
        let resumes = self
            .scratch(&task.identity.key())
            .exists()
            .then_some(StaleReason::Resumes);
        let Some(before) = self.latest(&task.id) else {
            return [StaleReason::NeverRan].into_iter().chain(resumes).collect();
        };
        let mut why = explain(&before, &task.identity);
        for one in &mut why {
            if let (StaleReason::Input { name, which }, Some(ask)) = (one, &task.input_detail) {
                *which = ask(name);
            }
        }
        if why.is_empty() {
            why.push(StaleReason::Output {
                path: RECORD.into(),
                problem: "missing",
            });
        }
        why.extend(resumes);
        why
    }

    /// Whether a finished task of the same stage had these settings, with whatever inputs.
    pub fn knows_settings(&self, settings: &Identity) -> bool {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let of_stage = known.entry(settings.stage.clone()).or_insert_with(|| {
            self.records(Some(&settings.stage))
                .map(|record| {
                    Identity {
                        inputs: BTreeMap::new(),
                        ..record.identity
                    }
                    .key()
                })
                .collect()
        });
        of_stage.contains(
            &Identity {
                inputs: BTreeMap::new(),
                ..settings.clone()
            }
            .key(),
        )
    }

    /// A fresh folder for a task to write into, on the same file system as its final place.
    pub(super) fn workspace(&self, stage: &str) -> Result<tempfile::TempDir> {
        temporary_folder(
            &self.root.join("tasks").join(stage),
            if self.shared { SHARED } else { "" },
        )
    }

    /// Publishes a finished workspace under its key.
    pub(super) fn publish(
        &self,
        task: &str,
        identity: &Identity,
        work: tempfile::TempDir,
        seconds: f64,
    ) -> Result<Finished> {
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
        self.place(work, &folder, &record)?;
        self.remember(task, identity, &key)?;
        // Checkpoints of a finished task serve no one.
        let _ = fs::remove_dir_all(self.scratch(&key));
        Ok(Finished {
            task: task.to_owned(),
            key,
            folder,
            reused: false,
            damaged: false,
            seconds,
            outputs,
        })
    }

    /// Moves a finished workspace to its place. Another process may be doing the same: whoever
    /// comes second leaves what is whole.
    fn place(&self, work: tempfile::TempDir, folder: &Path, record: &Record) -> Result<()> {
        let refused = |e| Error::io("publish", folder, e);
        for _ in 0..8 {
            match fs::rename(work.path(), folder) {
                Ok(()) => {
                    // The folder has moved: nothing is left under its old name to clean up.
                    let _ = work.keep();
                    if let Some(parent) = folder.parent() {
                        sync_folder(parent);
                    }
                    return Ok(());
                }
                Err(e)
                    if !matches!(
                        e.kind(),
                        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
                    ) =>
                {
                    return Err(refused(e));
                }
                Err(_) => {}
            }
            if let Some(there) = Record::read(folder)?
                && there.outputs == record.outputs
                && there.damage(folder)?.is_none()
            {
                return Ok(());
            }
            // Out of the way under a name of its own: at no time is a half-removed folder seen
            // under the key.
            let aside = self.workspace(&record.identity.stage)?;
            match fs::rename(folder, aside.path().join("replaced")) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(refused(e)),
                _ => {}
            }
        }
        Err(Error::new(
            Kind::Io,
            format!("{} comes back each time it is replaced", folder.display()),
        )
        .hint("another process writes there: stop it, and run the same command again"))
    }

    /// Removes half-written files and folders that a killed run left; call it with the store's lock
    /// held.
    pub fn sweep(&self) -> Result<()> {
        sweep(&self.root, false)?;
        self.latest
            .iter()
            .try_for_each(|folder| sweep(&self.root.join(folder), true))?;
        for stage in fs::read_dir(self.root.join("tasks"))
            .into_iter()
            .flatten()
            .flatten()
        {
            for entry in fs::read_dir(stage.path()).into_iter().flatten().flatten() {
                let (name, path) = (
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.path(),
                );
                let Some(rest) = name.strip_prefix(TEMPORARY) else {
                    continue;
                };
                let age = entry
                    .metadata()
                    .and_then(|meta| meta.modified())
                    .ok()
                    .and_then(|time| time.elapsed().ok());
                if rest.starts_with(SHARED) && age.is_none_or(|age| age < ABANDONED) {
                    continue;
                }
                fs::remove_dir_all(&path).map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        Ok(())
    }
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

    fn task(identity: &Identity) -> Task<'static> {
        Task::new("train/quick/fold-0", identity.clone(), |_| Ok(()))
    }

    fn finish(store: &Store, identity: &Identity) -> Finished {
        let work = store.workspace("train").unwrap();
        fs::create_dir(work.path().join("model")).unwrap();
        fs::write(work.path().join("model/weights.bin"), b"weights").unwrap();
        store
            .publish("train/quick/fold-0", identity, work, 1.5)
            .unwrap()
    }

    fn why(store: &Store, identity: &Identity) -> Vec<String> {
        match store.status(&task(identity)).unwrap() {
            Status::Fresh(_) => vec![],
            Status::Stale { why, .. } => why.iter().map(StaleReason::to_string).collect(),
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
        assert_eq!(
            why(&store, &other),
            ["code version 1 -> 2", "input changed: features"]
        );

        fs::write(done.path("model/weights.bin"), b"weightz").unwrap();
        assert_eq!(
            why(&store, &identity(15)),
            ["output damaged: model/weights.bin"]
        );
        fs::remove_file(done.path("model/weights.bin")).unwrap();
        assert_eq!(
            why(&store, &identity(15)),
            ["output missing: model/weights.bin"]
        );
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
        let half = folder.path().join(".tmp-ser-half");
        fs::write(&half, b"x").unwrap();
        store.sweep().unwrap();
        assert!(!left.exists() && !half.exists());
        assert!(why(&store, &identity(15)).is_empty());
    }
}
