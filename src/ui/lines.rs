//! Plain lines on standard error, for logs and pipes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Verbosity, duration};
use crate::orchestrator::{Event, Observer, Why};

/// Time between two lines about the progress of one task.
const PACE: Duration = Duration::from_secs(10);

/// Writes a line for what matters, and a paced line for progress.
#[derive(Debug)]
pub struct Lines {
    verbosity: Verbosity,
    progress: Mutex<BTreeMap<String, (Instant, Instant)>>,
}

impl Lines {
    /// Says as much as `verbosity` asks for.
    pub fn new(verbosity: Verbosity) -> Self {
        Lines { verbosity, progress: Mutex::new(BTreeMap::new()) }
    }

    fn due(&self, task: &str) -> Option<Duration> {
        let now = Instant::now();
        let mut progress = self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (begin, last) = progress.entry(task.to_owned()).or_insert((now, now));
        (now.duration_since(*last) >= PACE).then(|| {
            *last = now;
            now.duration_since(*begin)
        })
    }
}

/// The line for an event, or `None` where this verbosity has none; progress is handled by the consumers.
pub(super) fn line(event: &Event, verbosity: Verbosity) -> Option<String> {
    let reasons = |why: &[Why]| why.iter().map(Why::to_string).collect::<Vec<_>>().join("; ");
    let normal = verbosity >= Verbosity::Normal;
    let verbose = verbosity >= Verbosity::Verbose;
    match event {
        Event::PipelineStarted { pipeline } => normal.then(|| format!("== {pipeline}")),
        Event::StageStarted { stage, tasks } => (verbose && *tasks > 1).then(|| format!("{stage}: {tasks} tasks")),
        Event::TaskStarted { task, why } => normal.then(|| format!("run    {task} ({})", reasons(why))),
        Event::TaskReused { task } => verbose.then(|| format!("keep   {task}")),
        Event::TaskProgress { .. } => None,
        Event::TaskFinished { task, seconds } => normal.then(|| format!("done   {task} in {}", duration(*seconds))),
        Event::TaskFailed { task, error, hint } => {
            let hint = hint.as_ref().map(|h| format!("\n       hint: {h}")).unwrap_or_default();
            Some(format!("FAILED {task}: {error}{hint}"))
        }
        Event::Warning { message } => Some(format!("warning: {message}")),
        Event::Note { message } => normal.then(|| message.clone()),
    }
}

impl Observer for Lines {
    fn observe(&self, event: Event) {
        let text = match &event {
            Event::TaskProgress { task, done, total, unit, note } if self.verbosity >= Verbosity::Normal => match self.due(task) {
                None => None,
                Some(elapsed) => {
                    let rate = *done as f64 / elapsed.as_secs_f64().max(1e-9);
                    let left = total.saturating_sub(*done) as f64 / rate.max(1e-9);
                    let note = if note.is_empty() { String::new() } else { format!(", {note}") };
                    Some(format!("       {task}: {done}/{total} {unit}, {rate:.1}/s, {} left{note}", duration(left)))
                }
            },
            other => line(other, self.verbosity),
        };
        if let Some(text) = text {
            // A reader that went away must not end the work.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}
