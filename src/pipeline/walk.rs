//! The walk over the stages: what tasks have in common, whether they are planned or run.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::options::{Options, Stage};
use super::rows::Rows;
use super::workers::Workers;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::orchestrator::{Event, Finished, Identity, Observer, Status, Store, Task, Why, execute};

/// One line of a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PlanLine {
    /// Task id, or a stage whose tasks are not known yet (`train/quick/…`).
    pub task: String,
    /// Why it runs; empty where its output is used again.
    pub why: Vec<Why>,
}

/// A walk under way: what all stages work with.
pub(super) struct Walk<'a> {
    pub pipeline: &'a Pipeline,
    pub options: &'a Options,
    pub cancel: &'a Cancel,
    pub observer: &'a dyn Observer,
    pub store: Store,
    pub workers: Workers,
    pub rows: Rows,
    pub planning: bool,
    lines: Mutex<Vec<PlanLine>>,
}

/// A task that is done, or one that only a run would do.
pub(super) type Step = Result<Option<Finished>>;

impl<'a> Walk<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        options: &'a Options,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
        planning: bool,
    ) -> Result<Self> {
        let workers = Workers::new(options.jobs, &pipeline.features)?;
        let store = Store::at(options.data_dir.join("cache").join(&pipeline.name));
        let rows = Rows::at(store.root());
        Ok(Walk { pipeline, options, cancel, observer, store, workers, rows, planning, lines: Mutex::default() })
    }

    /// The plan so far.
    pub(super) fn into_lines(self) -> Vec<PlanLine> {
        self.lines.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn root(&self) -> &'a Path {
        self.pipeline.corpus.kind.root()
    }

    /// Runs tasks side by side, or looks what would run.
    pub(super) fn wave(&self, stage: Stage, tasks: &[Task]) -> Vec<Step> {
        if !self.planning {
            self.observer.observe(Event::StageStarted { stage: stage.name().into(), tasks: tasks.len() });
            return execute(&self.store, tasks, self.options.jobs, self.cancel, self.observer).into_iter().map(|r| r.map(Some)).collect();
        }
        tasks
            .iter()
            .map(|task| {
                let (why, finished) = match self.store.status(&task.id, &task.identity) {
                    Status::Fresh(finished) => (vec![], Some(finished)),
                    Status::Stale(why) => (why, None),
                };
                self.line(task.id.clone(), why);
                Ok(finished)
            })
            .collect()
    }

    pub(super) fn single(&self, stage: Stage, task: Task) -> Step {
        self.wave(stage, &[task]).pop().unwrap_or(Ok(None))
    }

    pub(super) fn line(&self, task: impl Into<String>, why: Vec<Why>) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(PlanLine { task: task.into(), why });
    }

    /// The reason for what follows from anything that runs.
    pub(super) fn first_stale(&self) -> Option<Why> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().rev().find(|line| !line.why.is_empty())?;
        Some(Why::Upstream { stage: line.task.split('/').next().unwrap_or(&line.task).to_owned() })
    }

    /// Adds a line for what waits for `stage`.
    pub(super) fn waits(&self, task: impl Into<String>, stage: Stage) {
        if self.planning {
            self.line(task, vec![Why::Upstream { stage: stage.name().into() }]);
        }
    }

    pub(super) fn wait_for(&self, stage: Stage) {
        for later in Stage::ALL.into_iter().filter(|s| *s > stage && *s <= self.options.until) {
            self.waits(format!("{}/…", later.name()), stage);
        }
    }

    pub(super) fn identity<const N: usize>(
        &self,
        stage: Stage,
        params: impl serde::Serialize,
        inputs: [(&str, String); N],
    ) -> Result<Identity> {
        Ok(Identity {
            stage: stage.name().into(),
            code_version: stage.code_version(),
            params: serde_json::to_value(params).map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?,
            inputs: inputs.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect(),
        })
    }

    /// The output of a task that is not to be run, where it is there.
    pub(super) fn finished(&self, id: &str, identity: &Identity) -> Option<Finished> {
        match self.store.status(id, identity) {
            Status::Fresh(finished) => Some(finished),
            Status::Stale(_) => None,
        }
    }
}
