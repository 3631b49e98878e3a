//! Runs what the store does not hold: a pool of threads over a graph of tasks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, Observer};
use super::graph::{Cached, Context, Node, Outputs, Task, Upstream};
use super::record::Finished;
use super::status::Status;
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

/// How tasks are run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Tasks side by side.
    pub jobs: usize,
    /// Bytes that tasks which run side by side may need together by their own estimate; one that
    /// needs more runs alone.
    pub memory: Option<u64>,
    /// How often a task is tried again after an error that may pass.
    pub retries: u32,
    /// Time that a task may take.
    pub time_limit: Option<Duration>,
    /// After a failure, whether tasks that do not depend on it are still begun.
    pub keep_going: bool,
}

impl Default for Limits {
    /// One task at a time, no retry, no limit, on after a failure.
    fn default() -> Self {
        Limits {
            jobs: 1,
            memory: None,
            retries: 0,
            time_limit: None,
            keep_going: true,
        }
    }
}

/// What became of a task.
#[derive(Debug)]
pub enum NodeOutcome {
    /// Its output is there.
    Done(Finished),
    /// It failed, or was interrupted.
    Failed(Error),
    /// It was not begun since this task failed.
    Skipped {
        /// Id of the failed task.
        because: String,
    },
    /// It is not wanted and not up to date, or something that it reads is not there.
    Absent,
}

/// Runs all wanted tasks that are stale; the results stand in the order of the nodes. `before` has
/// the outputs of earlier tasks.
///
/// A failure skips what reads its output, and everything else that has not begun unless
/// [`Limits::keep_going`], or in any case where the disk is full; an interruption stops all at
/// their next safe point.
pub fn execute(
    store: &Store,
    nodes: &[Node],
    before: &Outputs,
    limits: &Limits,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Vec<NodeOutcome> {
    let pool = Pool {
        store,
        nodes,
        before,
        limits,
        cancel,
        observer,
        state: Mutex::new(State::of(nodes, before)),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..limits.jobs.clamp(1, nodes.len().max(1)) {
            // Where the system gives no more threads, those that there are do all of the work.
            if std::thread::Builder::new()
                .spawn_scoped(scope, || pool.work())
                .is_err()
            {
                break;
            }
        }
        pool.work();
    });
    let state = pool
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let lost = || NodeOutcome::Failed(Error::internal("a task was never taken up"));
    state
        .ended
        .into_iter()
        .map(|ended| ended.unwrap_or_else(lost))
        .collect()
}

/// Runs one task if it is stale.
///
/// # Errors
/// What the task returns.
pub fn execute_one(
    store: &Store,
    task: &Task,
    limits: &Limits,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Finished> {
    let before = Outputs::default();
    let pool = Pool {
        store,
        nodes: &[],
        before: &before,
        limits,
        cancel,
        observer,
        state: Mutex::new(State::of(&[], &before)),
        changed: Condvar::new(),
    };
    pool.run(task)
        .inspect_err(|error| pool.report_failure(&task.id, error))
}

struct Pool<'p, 'a> {
    store: &'p Store,
    nodes: &'p [Node<'a>],
    before: &'p Outputs,
    limits: &'p Limits,
    cancel: &'p Cancel,
    observer: &'p dyn Observer,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    ready: BTreeSet<usize>,
    /// Places of what each task reads, how many of these are still to come, and who reads it.
    reads: Vec<Vec<usize>>,
    waits_for: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ended: Vec<Option<NodeOutcome>>,
    open: usize,
    /// Actions under way, and the bytes that they are expected to need.
    running: usize,
    memory: u64,
    failed: Option<String>,
    /// The first task that found no room on the disk: no other would.
    full: Option<String>,
}

impl State {
    fn of(nodes: &[Node], before: &Outputs) -> State {
        let places: HashMap<&str, usize> = (nodes.iter().enumerate())
            .map(|(place, node)| (node.id.as_str(), place))
            .collect();
        let mut reads = vec![Vec::new(); nodes.len()];
        let mut followers = vec![Vec::new(); nodes.len()];
        let mut absent = Vec::new();
        for (place, node) in nodes.iter().enumerate() {
            for read in &node.reads {
                match places.get(read.as_str()) {
                    Some(first) => {
                        reads[place].push(*first);
                        followers[*first].push(place);
                    }
                    None if before.ready(read).is_none() => absent.push(place),
                    None => {}
                }
            }
        }
        let waits_for: Vec<usize> = reads.iter().map(Vec::len).collect();
        let mut state = State {
            ready: (0..nodes.len())
                .filter(|place| waits_for[*place] == 0)
                .collect(),
            reads,
            waits_for,
            followers,
            ended: nodes.iter().map(|_| None).collect(),
            open: nodes.len(),
            running: 0,
            memory: 0,
            failed: None,
            full: None,
        };
        for place in absent {
            if state.ended[place].is_none() {
                state.ready.remove(&place);
                state.end(place, NodeOutcome::Absent, nodes);
            }
        }
        state
    }

    /// Notes how a task ended; what reads the output of one that failed is skipped with it.
    fn end(&mut self, place: usize, ended: NodeOutcome, nodes: &[Node]) {
        let done = matches!(ended, NodeOutcome::Done(_));
        let because = match &ended {
            NodeOutcome::Failed(error) => {
                self.failed.get_or_insert_with(|| nodes[place].id.clone());
                if error.is_disk_full() {
                    self.full.get_or_insert_with(|| nodes[place].id.clone());
                }
                Some(nodes[place].id.clone())
            }
            NodeOutcome::Skipped { because } => Some(because.clone()),
            NodeOutcome::Done(_) | NodeOutcome::Absent => None,
        };
        self.ended[place] = Some(ended);
        self.open -= 1;
        for follower in self.followers[place].clone() {
            if self.ended[follower].is_some() {
                continue;
            }
            if done {
                self.waits_for[follower] -= 1;
                if self.waits_for[follower] == 0 {
                    self.ready.insert(follower);
                }
            } else {
                let outcome = match because.clone() {
                    Some(because) => NodeOutcome::Skipped { because },
                    None => NodeOutcome::Absent,
                };
                self.end(follower, outcome, nodes);
            }
        }
    }
}

impl Pool<'_, '_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((place, beside)) = self.next() {
            let node = &self.nodes[place];
            let inputs = Upstream {
                before: self.before,
                beside: &beside,
            };
            let ended = (node.prepare)(&inputs).and_then(|task| match node.wanted {
                true => self.run(&task).map(NodeOutcome::Done),
                false => Ok(match self.store.status(&task)? {
                    Status::Fresh(finished) => NodeOutcome::Done(finished),
                    Status::Stale { .. } => NodeOutcome::Absent,
                }),
            });
            let ended = ended.unwrap_or_else(|error| {
                self.report_failure(&node.id, &error);
                NodeOutcome::Failed(error)
            });
            self.state().end(place, ended, self.nodes);
            self.changed.notify_all();
        }
    }

    fn report_failure(&self, id: &str, error: &Error) {
        if error.kind() != Kind::Interrupted {
            let hint = error.hint_text().map(str::to_owned);
            self.observer.observe(Event::TaskFailed {
                task: id.to_owned(),
                error: error.to_string(),
                hint,
            });
        }
    }

    /// The next task that can be taken up, with the outputs that it waited for; waits for one as
    /// long as any is to come.
    fn next(&self) -> Option<(usize, Outputs)> {
        let mut state = self.state();
        loop {
            let stop = if self.limits.keep_going {
                &state.full
            } else {
                &state.failed
            };
            if let Some(because) = stop.clone() {
                while let Some(place) = state.ready.pop_first() {
                    let because = because.clone();
                    state.end(place, NodeOutcome::Skipped { because }, self.nodes);
                }
                self.changed.notify_all();
            }
            if let Some(place) = state.ready.pop_first() {
                let mut beside = Outputs::default();
                for read in &state.reads[place] {
                    if let Some(NodeOutcome::Done(finished)) = &state.ended[*read] {
                        beside.insert(&finished.task, Cached::Ready(finished.clone()));
                    }
                }
                return Some((place, beside));
            }
            if state.open == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, task: &Task) -> Result<Finished> {
        self.cancel.check()?;
        let key = task.identity.key();
        let why = match self.store.status(task)? {
            Status::Fresh(finished) => {
                self.store
                    .remember(&task.id, &task.identity, &finished.key)?;
                self.observer.observe(Event::TaskReused {
                    task: task.id.clone(),
                    stage: task.identity.stage.clone(),
                    key: key.as_str().to_owned(),
                });
                return Ok(finished);
            }
            Status::Stale { why, .. } => why,
        };
        let _memory = self.admit(task.memory)?;
        let stage = task.identity.stage.clone();
        self.observer.observe(Event::TaskStarted {
            task: task.id.clone(),
            stage,
            key: key.as_str().to_owned(),
            why,
        });
        let mut attempt = 0;
        loop {
            match self.attempt(task) {
                Err(error) if error.may_pass() && attempt < self.limits.retries => {
                    attempt += 1;
                    let pause = Duration::from_secs(1 << (2 * (attempt - 1)).min(6));
                    self.observer.observe(Event::TaskRetried {
                        task: task.id.clone(),
                        attempt,
                        of: self.limits.retries,
                        error: error.to_string(),
                        pause_s: pause.as_secs_f64(),
                    });
                    self.cancel.sleep(pause)?;
                }
                Err(error) => return self.finished_elsewhere(task).ok_or(error),
                done => return done,
            }
        }
    }

    /// Whoever finishes a task first takes away what its copies share, which then fail: all the
    /// same, the output is there.
    fn finished_elsewhere(&self, task: &Task) -> Option<Finished> {
        match self.store.status(task) {
            Ok(Status::Fresh(finished)) if self.store.is_shared() => Some(finished),
            _ => None,
        }
    }

    fn attempt(&self, task: &Task) -> Result<Finished> {
        let start = Instant::now();
        let cancel = self.cancel.within(self.limits.time_limit);
        let work = self.store.workspace(&task.identity.stage)?;
        let scratch = self.store.scratch(&task.identity.key());
        let context = Context {
            folder: work.path(),
            scratch,
            cancel: &cancel,
            task: &task.id,
            observer: self.observer,
        };
        // A defect in one task must not take the others with it.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (task.action)(&context)))
            .unwrap_or_else(|_| Err(Error::internal(format!("task {} panicked", task.id))))?;
        let seconds = start.elapsed().as_secs_f64();
        let finished = self
            .store
            .publish(&task.id, &task.identity, work, seconds)?;
        self.observer.observe(Event::TaskFinished {
            task: task.id.clone(),
            stage: task.identity.stage.clone(),
            key: finished.key.as_str().to_owned(),
            seconds,
        });
        Ok(finished)
    }

    /// Waits until a task that needs this much memory may run beside those that do.
    fn admit(&self, bytes: u64) -> Result<Admitted<'_>> {
        let mut state = self.state();
        while state.running > 0
            && self
                .limits
                .memory
                .is_some_and(|limit| state.memory.saturating_add(bytes) > limit)
        {
            self.cancel.check()?;
            state = self
                .changed
                .wait_timeout(state, Duration::from_millis(100))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.running += 1;
        state.memory = state.memory.saturating_add(bytes);
        Ok(Admitted {
            state: &self.state,
            changed: &self.changed,
            bytes,
        })
    }
}

/// A task's share of the memory, given back when it ends.
struct Admitted<'p> {
    state: &'p Mutex<State>,
    changed: &'p Condvar,
    bytes: u64,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running -= 1;
        state.memory -= self.bytes;
        self.changed.notify_all();
    }
}
