//! How far a plan is: the outputs first, the scheduler's word beside them.

use std::fmt;

use serde::Serialize;

use super::client::{Queue, Task};
use super::plan::Plan;
use super::plan::Run;
use super::session::Done;
use crate::error::Result;

/// How far a plan is.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Plan id.
    pub plan: String,
    /// In the order of the plan.
    pub stages: Vec<StageStatus>,
    /// Why the scheduler's word is missing, where it is.
    pub silent: Option<String>,
}

/// How far a stage is.
#[derive(Debug, Clone, Serialize)]
pub struct StageStatus {
    /// Stage name.
    pub stage: String,
    /// Tasks in it.
    pub tasks: u32,
    /// Outputs that are there.
    pub done: usize,
    /// The tasks whose outputs are not.
    pub missing: Vec<TaskStatus>,
}

/// A task without an output.
#[derive(Debug, Clone, Serialize)]
pub struct TaskStatus {
    /// Its index.
    pub index: u32,
    /// What the scheduler says of it, where it knows it.
    pub scheduler: Option<Task>,
    /// What it wrote, where it ever ran.
    pub log: Option<String>,
}

impl Status {
    pub(super) fn of(run: &Run, done: &Done, queue: Result<Queue>) -> Status {
        let plan: &Plan = run.plan();
        let (queue, silent) = match queue {
            Ok(queue) => (queue, None),
            Err(error) => (Queue::default(), Some(error.to_string())),
        };
        let stages = plan.stages.iter().map(|stage| {
            let missing = (0..stage.count)
                .filter(|index| !done.has(&stage.name, *index))
                .map(|index| {
                    let log = run.log(&stage.name, index);
                    let log = log.is_file().then(|| log.display().to_string());
                    TaskStatus {
                        index,
                        scheduler: queue.task(&stage.name, index).cloned(),
                        log,
                    }
                });
            StageStatus {
                stage: stage.name.clone(),
                tasks: stage.count,
                done: done.count(stage),
                missing: missing.collect(),
            }
        });
        Status {
            plan: plan.id.clone(),
            stages: stages.collect(),
            silent,
        }
    }

    /// Whether all outputs are there.
    pub fn is_done(&self) -> bool {
        self.stages.iter().all(|stage| stage.missing.is_empty())
    }
}

impl fmt::Display for Status {
    /// A line per stage and, below it, one per group of tasks that the scheduler speaks of in the
    /// same way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan)?;
        for stage in &self.stages {
            write!(
                f,
                "\n  {}: {} of {} done",
                stage.stage, stage.done, stage.tasks
            )?;
            let word = |task: &TaskStatus| match &task.scheduler {
                None if self.silent.is_some() => String::new(),
                None => "not in the queue".to_owned(),
                Some(task) if task.reason == "None" || task.reason.is_empty() => {
                    format!("job {}, {}", task.job, task.state)
                }
                Some(task) => format!("job {}, {} ({})", task.job, task.state, task.reason),
            };
            for group in stage.missing.chunk_by(|a, b| word(a) == word(b)) {
                let [first, ..] = group else { continue };
                let last = group
                    .last()
                    .filter(|last| last.index != first.index)
                    .map(|last| format!(" to {}", last.index));
                let nodes = first
                    .scheduler
                    .as_ref()
                    .filter(|task| !task.node.is_empty())
                    .map(|task| format!(" on {}", task.node));
                let log = first
                    .log
                    .as_ref()
                    .filter(|_| !first.scheduler.as_ref().is_some_and(Task::is_active));
                let words = word(first);
                let colon = if words.is_empty() { "" } else { ": " };
                write!(
                    f,
                    "\n    missing {}{}{colon}{words}{}",
                    first.index,
                    last.unwrap_or_default(),
                    nodes.unwrap_or_default()
                )?;
                if let Some(log) = log {
                    write!(f, "\n      {log}")?;
                }
            }
        }
        match &self.silent {
            Some(why) => write!(f, "\n  the scheduler does not say more: {why}"),
            None => Ok(()),
        }
    }
}
