//! Runs what the store does not hold, several tasks side by side.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::event::{Event, Observer};
use super::identity::Identity;
use super::status::Status;
use super::store::{Finished, Store};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// What a task does.
pub type Action<'a> = Box<dyn Fn(&Context) -> Result<()> + Send + Sync + 'a>;

/// A unit of work: an identity and the action that makes its output.
pub struct Task<'a> {
    /// Unique within the store; path-like and file-name-safe (`train/quick/fold-02-seed-0`).
    pub id: String,
    /// What its output depends on.
    pub identity: Identity,
    /// Writes the outputs into [`Context::folder`]; must depend on nothing that the identity does not name.
    pub action: Action<'a>,
}

/// What an action is handed.
pub struct Context<'a> {
    /// Empty folder for the outputs; published whole when the action returns.
    pub folder: &'a Path,
    /// May hold what an interrupted run of the same identity left; made by the action when it needs it.
    pub scratch: PathBuf,
    /// To look at between steps.
    pub cancel: &'a Cancel,
    task: &'a str,
    observer: &'a dyn Observer,
}

impl Context<'_> {
    /// Tells how far the action has got.
    pub fn progress(&self, done: u64, total: u64, unit: &'static str, note: impl Into<String>) {
        self.observer.observe(Event::TaskProgress { task: self.task.to_owned(), done, total, unit, note: note.into() });
    }

    /// Something worth a look that stops nothing.
    pub fn warn(&self, message: impl Into<String>) {
        self.observer.warn(message);
    }
}

/// Runs all stale tasks on `jobs` threads; the results stand in the order of `tasks`.
///
/// A failure does not stop the others; an interruption stops all at their next safe point.
pub fn execute(store: &Store, tasks: &[Task], jobs: usize, cancel: &Cancel, observer: &dyn Observer) -> Vec<Result<Finished>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<Finished>>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some((task, slot)) = {
            let i = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(i).zip(results.get(i))
        } {
            let result = run(store, task, cancel, observer);
            if let Err(error) = &result
                && error.kind() != Kind::Interrupted
            {
                observer.observe(Event::TaskFailed {
                    task: task.id.clone(),
                    error: error.to_string(),
                    hint: error.hint_text().map(str::to_owned),
                });
            }
            *slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.clamp(1, tasks.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
    results
        .into_iter()
        .map(|slot| {
            slot.into_inner()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .unwrap_or_else(|| Err(Error::internal("a task was never taken up")))
        })
        .collect()
}

fn run(store: &Store, task: &Task, cancel: &Cancel, observer: &dyn Observer) -> Result<Finished> {
    cancel.check()?;
    let why = match store.status(&task.id, &task.identity) {
        Status::Fresh(finished) => {
            store.remember(&task.id, &task.identity, &finished.key)?;
            observer.observe(Event::TaskReused { task: task.id.clone() });
            return Ok(finished);
        }
        Status::Stale(why) => why,
    };
    observer.observe(Event::TaskStarted { task: task.id.clone(), why });
    let start = Instant::now();
    let work = store.workspace(&task.identity.stage)?;
    let context = Context { folder: work.path(), scratch: store.scratch(&task.identity.key()), cancel, task: &task.id, observer };
    // A defect in one task must not take the others with it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (task.action)(&context)))
        .unwrap_or_else(|_| Err(Error::internal(format!("task {} panicked", task.id))))?;
    let seconds = start.elapsed().as_secs_f64();
    let finished = store.publish(&task.id, &task.identity, work, seconds)?;
    observer.observe(Event::TaskFinished { task: task.id.clone(), seconds });
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Observer for Log {
        fn observe(&self, event: Event) {
            let line = match event {
                Event::TaskStarted { task, .. } => format!("start {task}"),
                Event::TaskReused { task } => format!("reuse {task}"),
                Event::TaskFailed { task, error, .. } => format!("fail {task}: {error}"),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }

    fn task<'a>(id: &str, action: impl Fn(&Context) -> Result<()> + Send + Sync + 'a) -> Task<'a> {
        Task {
            id: id.into(),
            identity: Identity { stage: "s".into(), code_version: 1, params: serde_json::json!({ "id": id }), inputs: BTreeMap::new() },
            action: Box::new(action),
        }
    }

    #[test]
    fn a_failure_stops_no_other_task_and_finished_ones_are_reused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let write = |context: &Context| fs::write(context.folder.join("out"), b"1").map_err(|e| Error::io("write", context.folder, e));
        let tasks = [task("a", write), task("b", |_| Err(Error::data("no good"))), task("c", write)];
        let log = Log::default();
        let results = execute(&store, &tasks, 2, &Cancel::default(), &log);
        assert!(results[0].is_ok() && results[1].is_err() && results[2].is_ok());
        let results = execute(&store, &tasks, 1, &Cancel::default(), &log);
        assert!(results[0].as_ref().unwrap().reused && results[2].as_ref().unwrap().reused);
        let log = log.0.into_inner().unwrap();
        assert_eq!(log[log.len() - 4..], ["reuse a", "start b", "fail b: no good", "reuse c"]);
        assert!(
            !fs::read_dir(folder.path().join("tasks/s")).unwrap().flatten().any(|e| e.file_name().to_string_lossy().starts_with(".tmp"))
        );
    }

    #[test]
    fn an_interruption_publishes_nothing_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let tasks = [
            task("a", move |context| {
                fs::write(context.folder.join("half"), b"1").unwrap();
                stop.request();
                context.cancel.check()
            }),
            task("b", |_| Ok(())),
        ];
        let results = execute(&store, &tasks, 1, &cancel, &Log::default());
        assert!(results.iter().all(|r| r.as_ref().is_err_and(|e| e.kind() == Kind::Interrupted)));
        assert_eq!(fs::read_dir(folder.path().join("tasks/s")).unwrap().count(), 0);
    }
}
