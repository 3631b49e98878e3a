//! What happens while tasks run, for bars, lines and machines.

use serde::Serialize;

use super::status::StaleReason;

/// Something a consumer may want to show.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A pipeline begins.
    PipelineStarted {
        /// Its name.
        pipeline: String,
    },
    /// A stage is about to look at its tasks.
    StageStarted {
        /// Stage name.
        stage: String,
        /// Tasks in it.
        tasks: usize,
    },
    /// A task starts to run.
    TaskStarted {
        /// Task id.
        task: String,
        /// Its stage.
        stage: String,
        /// Its key.
        key: String,
        /// Why it runs.
        why: Vec<StaleReason>,
    },
    /// A task's verified output was found and is used again.
    TaskReused {
        /// Task id.
        task: String,
        /// Its stage.
        stage: String,
        /// Its key.
        key: String,
    },
    /// A running task got further.
    TaskProgress {
        /// Task id.
        task: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// `files`, `epochs`, …
        unit: &'static str,
        /// A few words (the loss, say).
        note: String,
    },
    /// A task is done and its output is published.
    TaskFinished {
        /// Task id.
        task: String,
        /// Its stage.
        stage: String,
        /// Its key.
        key: String,
        /// Wall time.
        seconds: f64,
    },
    /// A task met an error that may pass, and is tried again.
    TaskRetried {
        /// Task id.
        task: String,
        /// From 1.
        attempt: u32,
        /// How often it is tried again at most.
        of: u32,
        /// What went wrong.
        error: String,
        /// Time until then.
        pause_s: f64,
    },
    /// A task failed; others go on.
    TaskFailed {
        /// Task id.
        task: String,
        /// What went wrong.
        error: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something worth a look that stops nothing.
    Warning {
        /// Text for people.
        message: String,
    },
    /// A remark.
    Note {
        /// Text for people.
        message: String,
    },
}

/// Who is told. Called from several threads at once.
pub trait Observer: Sync {
    /// Takes note of one event.
    fn observe(&self, event: Event);
}

impl dyn Observer + '_ {
    /// Sends a [`Event::Warning`].
    pub fn warn(&self, message: impl Into<String>) {
        self.observe(Event::Warning {
            message: message.into(),
        });
    }

    /// Sends a [`Event::Note`].
    pub fn note(&self, message: impl Into<String>) {
        self.observe(Event::Note {
            message: message.into(),
        });
    }
}
