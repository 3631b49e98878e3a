//! Plain lines on standard error, for logs and pipes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::phase::Phase;
use super::{Verbosity, duration, reasons};
use crate::escape::shown_lines;
use crate::orchestrator::{Event, Observer};

/// Time between two lines about the progress of one task.
const PACE: Duration = Duration::from_secs(10);

/// Writes a line for what matters, and a paced line for progress.
#[derive(Debug)]
pub struct Lines {
    verbosity: Verbosity,
    progress: Mutex<BTreeMap<String, Progress>>,
}

impl Lines {
    /// Says as much as `verbosity` asks for.
    pub fn new(verbosity: Verbosity) -> Self {
        Lines {
            verbosity,
            progress: Mutex::new(BTreeMap::new()),
        }
    }

    /// The line about a task's progress, where one is due at `now`.
    fn progress(
        &self,
        now: Instant,
        task: &str,
        done: u64,
        total: u64,
        unit: &'static str,
        note: &str,
    ) -> Option<String> {
        let mut progress = self
            .progress
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let entry = progress
            .entry(task.to_owned())
            .or_insert_with(|| Progress::begin(now, unit, total, done));
        if entry.phase.goes_on_to(unit, total, done) {
            *entry = Progress {
                last: entry.last,
                ..Progress::begin(now, unit, total, done)
            };
        }
        if now.duration_since(entry.last) < PACE {
            return None;
        }
        entry.last = now;
        // What an earlier run or the first report brought took none of this time.
        let rate = done.saturating_sub(entry.first) as f64
            / now.duration_since(entry.begin).as_secs_f64().max(1e-9);
        let left = if rate > 0.0 {
            format!(
                ", {rate:.1}/s, {} left",
                duration(total.saturating_sub(done) as f64 / rate)
            )
        } else {
            String::new()
        };
        let note = if note.is_empty() {
            String::new()
        } else {
            format!(", {note}")
        };
        Some(format!("       {task}: {done}/{total} {unit}{left}{note}"))
    }

    /// A task that begins or ends has no progress; neither has any when another pipeline begins.
    fn forget(&self, event: &Event) {
        let mut progress = self
            .progress
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match event {
            Event::PipelineStarted { .. } => progress.clear(),
            Event::TaskStarted { task, .. }
            | Event::TaskReused { task, .. }
            | Event::TaskFinished { task, .. }
            | Event::TaskFailed { task, .. } => {
                progress.remove(task);
            }
            _ => {}
        }
    }
}

/// Where a task stood when it was first heard of, and when a line was last written.
#[derive(Debug)]
struct Progress {
    begin: Instant,
    last: Instant,
    first: u64,
    phase: Phase,
}

impl Progress {
    fn begin(now: Instant, unit: &'static str, total: u64, done: u64) -> Progress {
        Progress {
            begin: now,
            last: now,
            first: done,
            phase: Phase::new(unit, total, done),
        }
    }
}

/// The line for an event, or `None` where this verbosity has none; progress is handled by the
/// consumers.
pub(super) fn line(event: &Event, verbosity: Verbosity) -> Option<String> {
    let normal = verbosity >= Verbosity::Normal;
    let verbose = verbosity >= Verbosity::Verbose;
    match event {
        Event::PipelineStarted { pipeline } => normal.then(|| format!("== {pipeline}")),
        Event::StageStarted { stage, tasks } => {
            (verbose && *tasks > 1).then(|| format!("{stage}: {tasks} tasks"))
        }
        Event::TaskStarted { task, why, .. } => {
            normal.then(|| format!("run    {task} ({})", reasons(task, why, verbose)))
        }
        Event::TaskReused { task, .. } => verbose.then(|| format!("keep   {task}")),
        Event::TaskProgress { .. } => None,
        Event::TaskFinished { task, seconds, .. } => {
            normal.then(|| format!("done   {task} in {}", duration(*seconds)))
        }
        Event::TaskFailed { task, error, hint } => {
            let hint = hint
                .as_ref()
                .map(|h| format!("\n       hint: {}", shown_lines(h)))
                .unwrap_or_default();
            Some(format!("FAILED {task}: {}{hint}", shown_lines(error)))
        }
        Event::TaskRetried {
            task,
            attempt,
            of,
            error,
            pause_s,
        } => Some(format!(
            "again  {task}, attempt {attempt} of {of} in {}: {}",
            duration(*pause_s),
            shown_lines(error)
        )),
        Event::Warning { message } => Some(format!("warning: {}", shown_lines(message))),
        Event::Note { message } => normal.then(|| shown_lines(message)),
    }
}

impl Observer for Lines {
    fn observe(&self, event: Event) {
        self.forget(&event);
        let text = match &event {
            Event::TaskProgress {
                task,
                done,
                total,
                unit,
                note,
            } if self.verbosity >= Verbosity::Normal => {
                self.progress(Instant::now(), task, *done, *total, unit, note)
            }
            other => line(other, self.verbosity),
        };
        if let Some(text) = text {
            // A reader that went away must not end the work.
            let _ = writeln!(std::io::stderr().lock(), "{}", shown_lines(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(task: &str) -> Event {
        Event::TaskFinished {
            task: task.into(),
            stage: "train".into(),
            key: String::new(),
            seconds: 25.0,
        }
    }

    #[test]
    fn the_time_left_counts_from_where_the_task_began() {
        let lines = Lines::new(Verbosity::Normal);
        let begin = Instant::now();
        let at = |seconds: u64, done: u64| {
            lines.progress(
                begin + Duration::from_secs(seconds),
                "train/a",
                done,
                300,
                "epochs",
                "",
            )
        };
        assert_eq!(at(0, 200), None);
        assert_eq!(at(9, 209), None, "one line in ten seconds");
        assert_eq!(
            at(20, 220).as_deref(),
            Some("       train/a: 220/300 epochs, 1.0/s, 1 min 20 s left")
        );
        assert_eq!(at(25, 225), None);
        lines.forget(&finished("train/a"));
        assert_eq!(at(100, 10), None, "a task of the same name begins anew");
        assert_eq!(
            at(110, 10).as_deref(),
            Some("       train/a: 10/300 epochs"),
            "without a rate nothing is foretold"
        );
        let pairs = |seconds: u64, done: u64| {
            lines.progress(
                begin + Duration::from_secs(seconds),
                "audit",
                done,
                10,
                "pairs",
                "",
            )
        };
        assert_eq!(
            lines.progress(begin, "audit", 41, 41, "recordings", ""),
            None
        );
        assert_eq!(
            pairs(10, 1).as_deref(),
            Some("       audit: 1/10 pairs"),
            "a second phase has no rate of the first"
        );
        assert_eq!(
            pairs(20, 6).as_deref(),
            Some("       audit: 6/10 pairs, 0.5/s, 8.0 s left")
        );
        lines.forget(&Event::PipelineStarted {
            pipeline: "other".into(),
        });
        assert_eq!(at(200, 0), None);
    }
}
