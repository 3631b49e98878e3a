//! What the tables hold, as plain values.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::process::Process;

/// What is known of a run when it begins.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Its title.
    pub title: String,
    /// The command line, quoted so that a shell would read it again.
    pub command: String,
    /// Working directory.
    pub folder: String,
    /// Version of the program.
    pub version: String,
    /// Who runs it.
    pub process: Process,
    /// Worker threads.
    pub jobs: usize,
    /// Every setting in force by dotted key.
    pub parameters: BTreeMap<String, String>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// The first error.
    pub error: Option<String>,
    /// Figures of the experiments that were chosen.
    pub metrics: Vec<Metric>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not ended, as far as can be seen from here.
    Running,
    /// Without an error.
    Done,
    /// With one.
    Failed,
    /// Stopped on request.
    Interrupted,
    /// Its process is gone and did not say how it ended. Never stored: seen when a run is read.
    Killed,
}

impl Outcome {
    /// The word that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::Killed => "killed",
        }
    }

    pub(super) fn of(name: &str) -> Outcome {
        [Outcome::Done, Outcome::Failed, Outcome::Interrupted]
            .into_iter()
            .find(|o| o.name() == name)
            .unwrap_or(Outcome::Running)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It ran to its end.
    Ran,
    /// Its output was there.
    Reused,
    /// It failed.
    Failed,
}

impl What {
    /// The word that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            What::Ran => "ran",
            What::Reused => "reused",
            What::Failed => "failed",
        }
    }

    pub(super) fn of(name: &str) -> What {
        [What::Ran, What::Reused]
            .into_iter()
            .find(|w| w.name() == name)
            .unwrap_or(What::Failed)
    }
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskRow {
    /// Task id.
    pub task: String,
    /// Its stage.
    pub stage: String,
    /// Full key of its output; empty where a task failed before it had one.
    pub key: String,
    /// What became of it.
    pub what: What,
    /// Wall time, where it ran.
    pub seconds: Option<f64>,
    /// Why it ran, or the error.
    pub why: String,
}

/// One figure of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// `accuracy`, `uar`, …
    pub metric: String,
    /// In the metric's own unit; shares are 0 to 1.
    pub value: f64,
    /// Predictions that it is computed from.
    pub n: u64,
}

/// Where the predictions of an experiment lie, as long as nobody removed them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predictions {
    /// Name within the pipeline.
    pub experiment: String,
    /// Key of the task that wrote them.
    pub key: String,
    /// Relative to the data folder, `/`-separated.
    pub path: String,
}

/// A run as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Counts up from 1 within a history.
    pub id: i64,
    /// UTC, as `2026-11-24T23:46:36.120Z`.
    pub started: String,
    /// The same in local time, to the minute.
    #[serde(skip)]
    pub started_here: String,
    /// UTC; `None` where it did not say that it ended.
    pub finished: Option<String>,
    /// From start to end.
    pub seconds: Option<f64>,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Its title.
    pub title: String,
    /// The command line.
    pub command: String,
    /// Working directory.
    pub folder: String,
    /// Git revision of the working directory, where it has one.
    pub revision: Option<String>,
    /// Whether tracked files differed from it.
    pub dirty: Option<bool>,
    /// Version of the program.
    pub version: String,
    /// Who ran it.
    #[serde(flatten)]
    pub process: Process,
    /// Worker threads.
    pub jobs: usize,
    /// How it stands.
    pub outcome: Outcome,
    /// The first error.
    pub error: Option<String>,
    /// Every setting in force by dotted key.
    pub parameters: BTreeMap<String, String>,
    /// How many tasks it had.
    pub tasks: Tasks,
}

/// Tasks of a run by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// Ran to their end.
    pub ran: u64,
    /// Were there.
    pub reused: u64,
    /// Failed.
    pub failed: u64,
}
