//! The file of a history: opening, setting aside, writing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::revision::Revision;
use super::rows::{Begin, End, Predictions, TaskRow, What};
use super::schema::{STEPS, Trouble, migrate};
use super::seal;
use crate::error::{Error, Result};
use crate::files::create_folder;

/// Name of the history within the data folder.
pub const FILE: &str = "runs.sqlite";

/// How long another process may hold the file: each does so for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stage and file of the predictions of an experiment; the task is `<stage>/<experiment>`.
const EVALUATE: &str = "evaluate";
const PREDICTIONS: &str = "predictions.parquet";

/// An open history.
#[derive(Debug)]
pub struct History {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    // Dropped after the connection.
    _guard: Option<Guard>,
}

impl History {
    /// Opens the history of a data folder, or begins one.
    ///
    /// # Errors
    /// `Io` where the file system refuses or another process holds it for long; `Data` where it is
    /// damaged, of a newer `ser`, or of another program.
    pub fn open(data_dir: &Path) -> Result<History> {
        create_folder(data_dir)?;
        let path = data_dir.join(FILE);
        History::open_with(&path, STEPS).map_err(|trouble| trouble.of(&path))
    }

    /// Opens the history of a data folder where there is one, and reads all of it to see that it is
    /// what was written.
    pub fn existing(data_dir: &Path) -> Result<Option<History>> {
        let path = data_dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let history = History::open(data_dir)?;
        history.check().map_err(|trouble| trouble.of(&path))?;
        Ok(Some(history))
    }

    pub(super) fn open_with(path: &Path, steps: &[&str]) -> Result<History, Trouble> {
        let guard = Guard::shared(path);
        History::open_guarded(path, steps, guard)
    }

    fn open_guarded(path: &Path, steps: &[&str], guard: Option<Guard>) -> Result<History, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // With a rollback journal (the folder may lie on a network, where a write-ahead log does
        // not work) NORMAL survives a killed process as FULL does; what a power cut at the wrong
        // instant may cost is a history, not a result.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        migrate(&mut connection, path, steps)?;
        Ok(History {
            connection,
            path: path.to_owned(),
            _guard: guard,
        })
    }

    /// Renames a damaged history, with its journal; returns its new place, or `None` where it is
    /// whole: another process did so meanwhile.
    pub(super) fn set_aside(data_dir: &Path) -> Result<Option<PathBuf>> {
        let path = data_dir.join(FILE);
        let _guard = Guard::alone(&path)?;
        match History::open_guarded(&path, STEPS, None).and_then(|history| history.check()) {
            Ok(()) => return Ok(None),
            Err(trouble) if trouble.is_damage() => {}
            Err(trouble) => return Err(trouble.of(&path)),
        }
        let beside = |suffix: &str| data_dir.join(format!("{FILE}{suffix}"));
        let free = (1..)
            .map(|i| format!(".damaged-{i}"))
            .find(|name| !beside(name).exists())
            .unwrap_or_default();
        let journal = beside("-journal");
        if journal.exists() {
            fs::rename(&journal, beside(&format!("{free}-journal")))
                .map_err(|e| Error::io("rename", &journal, e))?;
        }
        fs::rename(&path, beside(&free)).map_err(|e| Error::io("rename", &path, e))?;
        Ok(Some(beside(&free)))
    }

    /// Reads the whole file.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        seal::check(&self.connection)
    }

    /// Writes in one transaction that has the file to itself from its first statement on.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, Trouble> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Notes that a run began at `started` (seconds since 1970); returns its id.
    pub(super) fn begin(&mut self, begin: &Begin, started: f64) -> Result<i64, Trouble> {
        let parameters = serde_json::to_string(&begin.parameters).map_err(|e| {
            Trouble::Refused(Error::internal("failed to write settings as JSON").because(e))
        })?;
        self.write(|t| {
            t.execute(
                "INSERT INTO runs (started, pipeline, title, command, folder, version, host, pid, birth, jobs, outcome, parameters)
                 VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', ?1, 'unixepoch'), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'running', ?11)",
                params![
                    started,
                    begin.pipeline,
                    begin.title,
                    begin.command,
                    begin.folder,
                    begin.version,
                    begin.process.host,
                    begin.process.pid,
                    begin.process.birth,
                    begin.jobs as i64,
                    parameters
                ],
            )?;
            let run = t.last_insert_rowid();
            seal::seal_run(t, run).map(|()| run)
        })
    }

    /// Whether `run` is the run that [`History::begin`] noted with the same arguments: the file may
    /// be another one by now.
    pub(super) fn holds(&self, run: i64, begin: &Begin, started: f64) -> Result<bool, Trouble> {
        let same = "SELECT count(*) FROM runs WHERE id = ?1 AND started = strftime('%Y-%m-%dT%H:%M:%fZ', ?2, 'unixepoch')
                    AND host = ?3 AND pid = ?4 AND birth = ?5 AND pipeline = ?6";
        let process = &begin.process;
        let values = params![
            run,
            started,
            process.host,
            process.pid,
            process.birth,
            begin.pipeline
        ];
        Ok(self
            .connection
            .query_row(same, values, |row| row.get::<_, i64>(0))?
            == 1)
    }

    /// Adds what happened since the last time: tasks, the revision where it is known by now, the
    /// end where it is there.
    pub(super) fn add(
        &mut self,
        run: i64,
        pipeline: &str,
        tasks: &[TaskRow],
        news: News,
    ) -> Result<(), Trouble> {
        self.write(|t| {
            let mut insert = t.prepare(
                "INSERT OR REPLACE INTO tasks (run, task, stage, key, what, seconds, why, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let mut place =
                t.prepare("INSERT OR REPLACE INTO predictions (run, experiment, key, path, seal) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for row in tasks {
                seal::insert(&mut insert, params![run, row.task, row.stage, row.key, row.what.name(), row.seconds, row.why])?;
                if let Some(predictions) = predictions(pipeline, row) {
                    seal::insert(&mut place, params![run, predictions.experiment, predictions.key, predictions.path])?;
                }
            }
            if let Some(revision) = news.revision {
                t.execute("UPDATE runs SET revision = ?2, dirty = ?3 WHERE id = ?1", params![run, revision.commit, revision.dirty])?;
            }
            let Some((end, finished)) = news.end else { return seal::seal_run(t, run) };
            let mut insert = t.prepare(
                "INSERT OR REPLACE INTO metrics (run, experiment, protocol, metric, value, n, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            // SQLite has no NaN.
            for metric in end.metrics.iter().filter(|m| m.value.is_finite()) {
                seal::insert(&mut insert, params![run, metric.experiment, metric.protocol, metric.metric, metric.value, metric.n as i64])?;
            }
            t.execute(
                "UPDATE runs SET finished = strftime('%Y-%m-%dT%H:%M:%fZ', ?2, 'unixepoch'), outcome = ?3, error = ?4 WHERE id = ?1",
                params![run, finished, end.outcome.name(), end.error],
            )?;
            seal::seal_run(t, run)
        })
    }
}

/// What there is to say of a run besides its tasks.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct News<'a> {
    pub revision: Option<&'a Revision>,
    /// With the time, in seconds since 1970.
    pub end: Option<(&'a End, f64)>,
}

/// The predictions that a task wrote, where it is one that writes some.
fn predictions(pipeline: &str, row: &TaskRow) -> Option<Predictions> {
    let experiment = row.task.strip_prefix(EVALUATE)?.strip_prefix('/')?;
    let written = row.stage == EVALUATE && row.what != What::Failed && !row.key.is_empty();
    // A variant shares the cache of its pipeline.
    let store = pipeline
        .split_once('@')
        .map_or(pipeline, |(store, _)| store);
    let path = format!("cache/{store}/tasks/{EVALUATE}/{}/{PREDICTIONS}", row.key);
    written.then(|| Predictions {
        experiment: experiment.to_owned(),
        key: row.key.clone(),
        path,
    })
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

/// Keeps a history from being renamed while it is open: SQLite knows a journal by its name, so a
/// connection to a renamed file would take the journal of the new one for its own.
#[derive(Debug)]
struct Guard {
    _file: fs::File,
}

impl Guard {
    fn file(path: &Path) -> std::io::Result<fs::File> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(Path::new(&name))
    }

    /// Beside others. Where there are no locks, or no permission to have one, nobody sets a history
    /// aside either.
    fn shared(path: &Path) -> Option<Guard> {
        let file = Guard::file(path).ok()?;
        file.lock_shared().ok()?;
        Some(Guard { _file: file })
    }

    fn alone(path: &Path) -> Result<Guard> {
        let file = Guard::file(path).map_err(|e| Error::io("open the lock of", path, e))?;
        file.lock().map_err(|e| Error::io("lock", path, e))?;
        Ok(Guard { _file: file })
    }
}
