//! One walk over groups of tasks, whether they are run, planned or looked up for one task alone.

use std::collections::HashSet;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::event::{Event, Observer};
use super::execute::{Limits, NodeOutcome, execute, execute_one};
use super::graph::{Cached, Context, Node, Outputs, Pending, Task, Upstream};
use super::record::Finished;
use super::status::{StaleReason, Status};
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::files::private_folder;

/// What is done with tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Stale ones are run.
    Run,
    /// Stale ones are named.
    Plan,
    /// The task with this id is run if it is stale; all that it needs has to be there.
    Only(String),
}

/// Whether a task will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Its output is there and is used again.
    Keep,
    /// It runs.
    Run,
    /// It runs unless what comes before it, which runs, gives the same bytes as ever.
    Maybe,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Decision::Keep => "keep",
            Decision::Run => "run",
            Decision::Maybe => "maybe",
        })
    }
}

/// A task of the walk, and in a plan whether it will run.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its id.
    pub task: String,
    /// Ids of the tasks before it.
    pub after: Vec<String>,
    /// Of a plan: whether it will run.
    pub decision: Decision,
    /// Of a plan: why it will run.
    pub why: Vec<StaleReason>,
    /// Whether it is one of those that run where they are stale.
    pub wanted: bool,
}

/// A task that failed.
pub type Failure = (String, Error);

/// Goes through groups of tasks in their order and collects their outputs.
///
/// The tasks of a group may be made from the outputs of the groups before it. A plan and a run of
/// the same groups agree: a run starts every task that the plan calls `run`, none that it calls
/// `keep`, and of the others only those that it calls `maybe`.
pub struct Interpreter<'a> {
    store: &'a Store,
    limits: &'a Limits,
    cancel: &'a Cancel,
    observer: &'a dyn Observer,
    mode: Mode,
    /// Outputs so far.
    pub outputs: Outputs,
    /// Tasks so far, in their order.
    pub planned: Vec<Planned>,
    /// Outputs that a plan made to look at them.
    previews: Vec<tempfile::TempDir>,
    found: bool,
}

/// What a plan finds of one task.
struct Look {
    decision: Decision,
    why: Vec<StaleReason>,
    output: Cached,
    preview: Option<tempfile::TempDir>,
}

impl<'a> Interpreter<'a> {
    /// Before the first group.
    pub fn new(
        store: &'a Store,
        limits: &'a Limits,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
        mode: Mode,
    ) -> Self {
        Interpreter {
            store,
            limits,
            cancel,
            observer,
            mode,
            outputs: Outputs::default(),
            planned: vec![],
            previews: vec![],
            found: false,
        }
    }

    /// Whether the task of [`Mode::Only`] was among the tasks.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Tasks that are run one after the other, each with all threads. After a failure none is begun
    /// unless [`Limits::keep_going`]. Returns what failed.
    ///
    /// # Errors
    /// What a vital task returns; an interruption or a full disk;
    /// [`Kind::Missing`] where [`Mode::Only`] lacks the output of a wanted task.
    pub fn in_turn(&mut self, nodes: &[Node]) -> Result<Vec<Failure>> {
        if self.mode == Mode::Plan {
            return self.plan(nodes);
        }
        let mut failures = Vec::new();
        for node in nodes {
            if self.mode != Mode::Run {
                self.look_up(node)?;
                continue;
            }
            if node.wanted {
                self.observer.observe(Event::StageStarted {
                    stage: stage(&node.id),
                    tasks: 1,
                });
            }
            let failed = self.run(std::slice::from_ref(node))?;
            let stops = !failed.is_empty() && !self.limits.keep_going;
            failures.extend(failed);
            if stops {
                break;
            }
        }
        Ok(failures)
    }

    /// Tasks that are run side by side. Of [`Mode::Only`], one alone. Returns what failed.
    ///
    /// # Errors
    /// As [`Interpreter::in_turn`]; what the task of [`Mode::Only`] returns.
    pub fn side_by_side(&mut self, nodes: &[Node]) -> Result<Vec<Failure>> {
        match &self.mode {
            Mode::Plan => self.plan(nodes),
            Mode::Run => {
                if let Some(first) = nodes.iter().find(|node| node.wanted) {
                    self.observer.observe(Event::StageStarted {
                        stage: stage(&first.id),
                        tasks: nodes.iter().filter(|node| node.wanted).count(),
                    });
                }
                self.run(nodes)
            }
            Mode::Only(id) => {
                let Some(node) = nodes.iter().find(|node| node.id == *id) else {
                    return Ok(vec![]);
                };
                self.found = true;
                let task = self.task(node)?;
                execute_one(self.store, &task, self.limits, self.cancel, self.observer)?;
                Ok(vec![])
            }
        }
    }

    /// Notes a step of a plan that is no task with an output of its own.
    pub fn note(
        &mut self,
        task: &str,
        after: Vec<String>,
        decision: Decision,
        why: Vec<StaleReason>,
    ) {
        self.planned.push(Planned {
            task: task.to_owned(),
            after,
            decision,
            why,
            wanted: true,
        });
    }

    /// Whether the outputs of all these tasks, which wait for none of each other, are up to date.
    pub fn are_up_to_date(&self, nodes: &[Node]) -> Result<bool> {
        for node in nodes {
            if let Status::Stale { .. } = self.store.status(&self.task(node)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The task of a node, where all that it reads is there.
    fn task<'n>(&self, node: &Node<'n>) -> Result<Task<'n>> {
        if let Some(lacking) = (node.reads.iter()).find(|read| self.outputs.ready(read).is_none()) {
            return Err(missing(lacking));
        }
        (node.prepare)(&self.inputs(&Outputs::default()))
    }

    fn inputs<'i>(&'i self, beside: &'i Outputs) -> Upstream<'i> {
        Upstream {
            before: &self.outputs,
            beside,
        }
    }

    fn run(&mut self, nodes: &[Node]) -> Result<Vec<Failure>> {
        let ended = execute(
            self.store,
            nodes,
            &self.outputs,
            self.limits,
            self.cancel,
            self.observer,
        );
        let mut failures = Vec::new();
        for (node, ended) in nodes.iter().zip(ended) {
            match ended {
                NodeOutcome::Done(finished) => {
                    self.outputs.insert(&node.id, Cached::Ready(finished));
                }
                NodeOutcome::Failed(error) if node.vital || stops_everything(&error) => {
                    return Err(error);
                }
                NodeOutcome::Failed(error) => failures.push((node.id.clone(), error)),
                NodeOutcome::Skipped { .. } if node.wanted => {}
                NodeOutcome::Skipped { .. } | NodeOutcome::Absent => continue,
            }
            self.planned.push(Planned {
                task: node.id.clone(),
                after: node.after.clone(),
                decision: Decision::Keep,
                why: vec![],
                wanted: node.wanted,
            });
        }
        Ok(failures)
    }

    /// Finds an output, which has to be there if it is wanted.
    fn look_up(&mut self, node: &Node) -> Result<()> {
        let task = match self.task(node) {
            Err(error) if !node.wanted && error.kind() == Kind::Missing => return Ok(()),
            task => task?,
        };
        match self.store.status(&task)? {
            Status::Fresh(finished) => self.outputs.insert(&node.id, Cached::Ready(finished)),
            Status::Stale { .. } if node.wanted => return Err(missing(&node.id)),
            Status::Stale { .. } => {}
        }
        Ok(())
    }

    /// Says which tasks would run, in waves: a task is looked at once all that it reads has been.
    fn plan(&mut self, nodes: &[Node]) -> Result<Vec<Failure>> {
        let mut lines: Vec<Option<Planned>> = nodes.iter().map(|_| None).collect();
        let mut failures = Vec::new();
        let mut open: Vec<usize> = (0..nodes.len()).collect();
        while !open.is_empty() {
            let waiting: HashSet<&str> = open.iter().map(|at| nodes[*at].id.as_str()).collect();
            let (now, later): (Vec<usize>, Vec<usize>) = open.iter().partition(|at| {
                let mut reads = nodes[**at].reads.iter();
                !reads.any(|read| waiting.contains(read.as_str()))
            });
            if now.is_empty() {
                return Err(Error::internal("tasks wait for each other"));
            }
            let looks: Vec<Result<Option<Look>>> =
                now.par_iter().map(|at| self.look(&nodes[*at])).collect();
            for (at, look) in now.into_iter().zip(looks) {
                let node = &nodes[at];
                match look {
                    Ok(Some(look)) => {
                        lines[at] = Some(Planned {
                            task: node.id.clone(),
                            after: node.after.clone(),
                            decision: look.decision,
                            why: look.why,
                            wanted: node.wanted,
                        });
                        self.outputs.insert(&node.id, look.output);
                        self.previews.extend(look.preview);
                    }
                    Ok(None) => {}
                    Err(error) if node.vital || stops_everything(&error) => return Err(error),
                    Err(error) => failures.push((node.id.clone(), error)),
                }
            }
            open = later;
        }
        self.planned.extend(lines.into_iter().flatten());
        Ok(failures)
    }

    /// Whether a task would run; `None` where it would not even be looked at.
    fn look(&self, node: &Node) -> Result<Option<Look>> {
        self.cancel.check()?;
        if !node.reads.iter().all(|read| self.outputs.has(read)) {
            return Ok(None);
        }
        let pending: Vec<&Pending> = (node.reads.iter())
            .filter_map(|read| self.outputs.pending(read))
            .collect();
        if let Some(first) = pending.first() {
            let will_run = node.follows && pending.iter().any(|pending| pending.will_run);
            return self.look_ahead(node, &first.task, will_run);
        }
        let task = match (node.prepare)(&self.inputs(&Outputs::default())) {
            Ok(task) => task,
            Err(error) => {
                // What is damaged cannot be read until it is made again.
                let is_damaged =
                    |id: &&String| self.outputs.ready(id).is_some_and(|read| read.damaged);
                return match node.reads.iter().find(is_damaged) {
                    Some(damaged) => self.look_ahead(node, damaged, false),
                    None => Err(error),
                };
            }
        };
        let (why, expected) = match self.store.status(&task)? {
            Status::Fresh(finished) => {
                return Ok(Some(Look {
                    decision: Decision::Keep,
                    why: vec![],
                    output: Cached::Ready(finished),
                    preview: None,
                }));
            }
            Status::Stale { .. } if !node.wanted => return Ok(None),
            Status::Stale { why, expected } => (why, expected),
        };
        let previewed = match &task.preview {
            Some(preview) if preview() => self.preview(&task),
            _ => None,
        };
        let (output, preview) = match (previewed, expected) {
            (Some((finished, folder)), _) => (Cached::Ready(finished), Some(folder)),
            (None, Some(expected)) => (Cached::Ready(expected), None),
            (None, None) => {
                let is_input = |why: &StaleReason| matches!(why, StaleReason::Input { .. });
                let will_run = why.contains(&StaleReason::NeverRan)
                    || task.names_inputs && why.iter().any(is_input);
                let task = task.id.clone();
                (Cached::Pending(Pending { task, will_run }), None)
            }
        };
        self.cancel.check()?;
        Ok(Some(Look {
            decision: Decision::Run,
            why,
            output,
            preview,
        }))
    }

    /// What can be said of a task while `upstream`, whose output it reads, has to run first.
    fn look_ahead(
        &self,
        node: &Node,
        upstream: &str,
        upstream_is_new: bool,
    ) -> Result<Option<Look>> {
        if !node.wanted {
            return Ok(None);
        }
        let settings = (node.settings)()?;
        let never_ran = !self.store.has_run(&node.id);
        let changed = (settings.as_ref())
            .and_then(|settings| self.store.settings_changed(&node.id, settings))
            .unwrap_or_default();
        // Another task may have had the same settings, and the output of this one may be lost.
        let is_unknown = match &settings {
            Some(settings) => !self.store.knows_settings(settings),
            None => never_ran,
        };
        let runs = is_unknown || upstream_is_new;
        let will_run = upstream_is_new || is_unknown && (never_ran || !changed.is_empty());
        let why = match never_ran && runs {
            true => vec![StaleReason::NeverRan],
            false => (changed.into_iter())
                .chain([StaleReason::Upstream {
                    task: upstream.to_owned(),
                }])
                .collect(),
        };
        let decision = match runs {
            true => Decision::Run,
            false => Decision::Maybe,
        };
        let task = node.id.clone();
        Ok(Some(Look {
            decision,
            why,
            output: Cached::Pending(Pending { task, will_run }),
            preview: None,
        }))
    }

    /// The output of a stale task, made in a temporary folder; `None` where the task fails.
    fn preview(&self, task: &Task) -> Option<(Finished, tempfile::TempDir)> {
        let folder = private_folder().ok()?;
        let context = Context::preview(&task.id, folder.path(), self.cancel, &Silent);
        (task.action)(&context).ok()?;
        let finished = Finished::preview(task, folder.path()).ok()?;
        Some((finished, folder))
    }
}

/// An interruption or a full disk concerns every task; anything else only what reads its output.
pub fn stops_everything(error: &Error) -> bool {
    error.kind() == Kind::Interrupted || error.is_disk_full()
}

fn missing(id: &str) -> Error {
    Error::missing(format!("the output of {id} is not there"))
        .hint("run what comes before this task first; `ser plan` lists it")
}

/// The first part of an id.
fn stage(id: &str) -> String {
    id.split('/').next().unwrap_or_default().to_owned()
}

/// Previews tell nobody how far they are.
struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Event) {}
}
