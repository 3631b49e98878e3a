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

use serde::{Deserialize, Serialize};

use super::graph::Task;
use super::identity::{Identity, Key};
use super::status::{Status, Why, explain, explain_settings};
use crate::error::{Error, Kind, Result};
use crate::files::{TEMPORARY, hash_file, sweep, sync_folder, temporary_folder, write_atomically};

const FORMAT: u32 = 1;
const RECORD: &str = "record.json";
const LATEST: &str = "latest";
/// Marks the workspaces of processes that hold no lock.
const SHARED: &str = "shared-";
/// After this time, whoever had something under way is gone.
pub(super) const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

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

    /// Size and content hash of one output.
    ///
    /// # Errors
    /// As [`Finished::hash`].
    pub fn size_and_hash(&self, name: &str) -> Result<(u64, String)> {
        let bytes = self.outputs.get(name).map(|output| output.bytes);
        self.hash(name).map(|hash| (bytes.unwrap_or_default(), hash))
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
        Ok(Finished { task, key, folder: folder.to_owned(), reused: false, seconds: 0.0, outputs })
    }
}

/// The cache of one pipeline.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    shared: bool,
    /// Folders of the last keys: the own one, then those that explain what has never run here.
    latest: Vec<String>,
    /// Keys of the settings of finished tasks by stage, once somebody asked.
    settings: Mutex<BTreeMap<String, BTreeSet<Key>>>,
}

impl Store {
    /// Opens (without creating) the store under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into(), shared: false, latest: vec![LATEST.to_owned()], settings: Mutex::default() }
    }

    /// The same for a process that works without the store's lock, beside others: nobody sweeps away what it has under way.
    pub fn shared(root: impl Into<PathBuf>) -> Store {
        Store { shared: true, ..Store::at(root) }
    }

    /// The same for a variant of the pipeline: the outputs are shared, but which of them tasks stand for is noted apart.
    pub fn of_variant(self, variant: Option<&str>) -> Store {
        let own = variant.map(|variant| format!("{LATEST}@{variant}"));
        Store { latest: own.into_iter().chain([LATEST.to_owned()]).collect(), ..self }
    }

    /// Forgets which outputs the tasks of a variant stand for.
    ///
    /// # Errors
    /// `Io` where that cannot be removed.
    pub fn forget_variant(&self, variant: &str) -> Result<()> {
        let folder = self.root.join(format!("{LATEST}@{variant}"));
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", &folder, e)),
            _ => Ok(()),
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

    fn latest_folder(&self) -> PathBuf {
        self.root.join(self.latest.first().map_or(LATEST, String::as_str))
    }

    /// Where a task with this key may keep what lets it go on after an interruption.
    pub(super) fn scratch(&self, key: &Key) -> PathBuf {
        self.root.join("scratch").join(key.as_str())
    }

    /// Whether the task has to run and why; every output of a finished task is read and verified.
    pub fn status(&self, task: &Task) -> Status {
        let Task { id, identity, .. } = task;
        let key = identity.key();
        let folder = self.folder(&identity.stage, &key);
        match read_record(&folder) {
            Some(record) if record.identity == *identity => {
                let damage = damage(&folder, &record);
                let finished = Finished { task: id.clone(), key, folder, reused: true, seconds: record.seconds, outputs: record.outputs };
                match damage {
                    Some(why) => Status::Stale { why: vec![why], expected: Some(finished) },
                    None => Status::Fresh(finished),
                }
            }
            _ if folder.exists() => Status::Stale { why: vec![Why::Output { path: RECORD.into(), problem: "damaged" }], expected: None },
            _ => Status::Stale { why: self.explain(task), expected: None },
        }
    }

    fn latest(&self, task: &str) -> Option<Identity> {
        let bytes = self.latest.iter().find_map(|folder| fs::read(self.root.join(folder).join(format!("{task}.json"))).ok())?;
        serde_json::from_slice::<Latest>(&bytes).ok().map(|latest| latest.identity)
    }

    fn explain(&self, task: &Task) -> Vec<Why> {
        let resumes = self.scratch(&task.identity.key()).exists().then_some(Why::Resumes);
        let Some(before) = self.latest(&task.id) else { return [Why::NeverRan].into_iter().chain(resumes).collect() };
        let mut why = explain(&before, &task.identity);
        for one in &mut why {
            if let (Why::Input { name, which }, Some(ask)) = (one, &task.which) {
                *which = ask(name);
            }
        }
        if why.is_empty() {
            why.push(Why::Output { path: RECORD.into(), problem: "missing" });
        }
        why.extend(resumes);
        why
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
                    let bytes = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
                    // One that cannot be read explains nothing and keeps nothing.
                    into.extend(serde_json::from_slice::<Latest>(&bytes).map(|latest| latest.key.as_str().to_owned()));
                }
            }
            Ok(())
        }
        let mut keys = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(keys),
            entries => entries.map_err(|e| Error::io("list", &self.root, e))?,
        };
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list", &self.root, e))?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.split('@').next() == Some(LATEST)) {
                walk(&entry.path(), &mut keys)?;
            }
        }
        Ok(keys)
    }

    /// Forgets that tasks of a stage ever ran whose next part of the id is none of `names`: they explain nothing and keep nothing any more.
    ///
    /// # Errors
    /// `Io` where something cannot be removed.
    pub fn forget_others(&self, stage: &str, names: &[&str]) -> Result<()> {
        for entry in fs::read_dir(self.latest_folder().join(stage)).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if names.contains(&name.strip_suffix(".json").unwrap_or(&name)) {
                continue;
            }
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }

    /// Whether any output of the task was ever published.
    pub fn has_run(&self, task: &str) -> bool {
        self.latest(task).is_some()
    }

    /// Whether a finished task of the same stage had these settings, with whatever inputs.
    pub fn knows_settings(&self, settings: &Identity) -> bool {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let of_stage = known.entry(settings.stage.clone()).or_insert_with(|| {
            let folders = fs::read_dir(self.root.join("tasks").join(&settings.stage)).into_iter().flatten().flatten();
            let records = folders.filter_map(|folder| read_record(&folder.path()));
            records.map(|record| Identity { inputs: BTreeMap::new(), ..record.identity }.key()).collect()
        });
        of_stage.contains(&Identity { inputs: BTreeMap::new(), ..settings.clone() }.key())
    }

    /// What can be said of a task whose inputs are not known yet: `None` where it never ran, else what differs in its settings.
    pub fn settings_changed(&self, task: &str, identity: &Identity) -> Option<Vec<Why>> {
        self.latest(task).map(|before| explain_settings(&before, identity))
    }

    /// Notes that `task` now stands for `finished`, so that the next change can be explained against it.
    pub(super) fn remember(&self, task: &str, identity: &Identity, key: &Key) -> Result<()> {
        let latest = Latest { format: FORMAT, key: key.clone(), identity: identity.clone() };
        let path = self.latest_folder().join(format!("{task}.json"));
        let bytes = to_json(&latest)?;
        match fs::read(&path) {
            Ok(old) if old == bytes => Ok(()),
            // Whoever holds the lock may sweep the file away while it is written: it notes the same when it comes to the task.
            _ if self.shared => write_atomically(&path, &bytes).or(Ok(())),
            _ => write_atomically(&path, &bytes),
        }
    }

    /// A fresh folder for a task to write into, on the same file system as its final place.
    pub(super) fn workspace(&self, stage: &str) -> Result<tempfile::TempDir> {
        temporary_folder(&self.root.join("tasks").join(stage), if self.shared { SHARED } else { "" })
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
        self.place(work, &folder, &record)?;
        self.remember(task, identity, &key)?;
        // Checkpoints of a finished task serve no one.
        let _ = fs::remove_dir_all(self.scratch(&key));
        Ok(Finished { task: task.to_owned(), key, folder, reused: false, seconds, outputs })
    }

    /// Moves a finished workspace to its place. Another process may be doing the same: whoever comes second leaves what is whole.
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
                Err(e) if !matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => return Err(refused(e)),
                Err(_) => {}
            }
            let whole = read_record(folder).is_some_and(|there| there.outputs == record.outputs && damage(folder, &there).is_none());
            if whole {
                return Ok(());
            }
            // Out of the way under a name of its own: at no time is a half-removed folder seen under the key.
            let aside = self.workspace(&record.identity.stage)?;
            match fs::rename(folder, aside.path().join("replaced")) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(refused(e)),
                _ => {}
            }
        }
        Err(Error::new(Kind::Io, format!("{} comes back each time it is replaced", folder.display()))
            .hint("another process writes there: stop it, and run the same command again"))
    }

    /// Removes half-written files and folders that a killed run left; call it with the store's lock held.
    pub fn sweep(&self) -> Result<()> {
        sweep(&self.root, false)?;
        self.latest.iter().try_for_each(|folder| sweep(&self.root.join(folder), true))?;
        for stage in fs::read_dir(self.root.join("tasks")).into_iter().flatten().flatten() {
            for entry in fs::read_dir(stage.path()).into_iter().flatten().flatten() {
                let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
                let Some(rest) = name.strip_prefix(TEMPORARY) else { continue };
                let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
                if rest.starts_with(SHARED) && age.is_none_or(|age| age < ABANDONED) {
                    continue;
                }
                fs::remove_dir_all(&path).map_err(|e| Error::io("remove", &path, e))?;
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

    fn task(identity: &Identity) -> Task<'static> {
        Task::new("train/quick/fold-0", identity.clone(), |_| Ok(()))
    }

    fn finish(store: &Store, identity: &Identity) -> Finished {
        let work = store.workspace("train").unwrap();
        fs::create_dir(work.path().join("model")).unwrap();
        fs::write(work.path().join("model/weights.bin"), b"weights").unwrap();
        store.publish("train/quick/fold-0", identity, work, 1.5).unwrap()
    }

    fn why(store: &Store, identity: &Identity) -> Vec<String> {
        match store.status(&task(identity)) {
            Status::Fresh(_) => vec![],
            Status::Stale { why, .. } => why.iter().map(Why::to_string).collect(),
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
