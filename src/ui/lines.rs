//! Plain lines on standard error, for logs and pipes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::phase::Phase;
use super::stages::Stages;
use super::{Verbosity, duration, reasons};
use crate::escape::shown_lines;
use crate::orchestrator::{Event, Observer};

/// Least and greatest time between two lines about progress.
const PACE: Duration = Duration::from_secs(10);
const SLOWEST: Duration = Duration::from_secs(300);

/// Writes a line for what matters, and a paced line for progress. Every task has lines of its own
/// where everything is said; otherwise a stage has one.
#[derive(Debug)]
pub struct Lines {
    verbosity: Verbosity,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stages: Stages,
    progress: BTreeMap<String, Progress>,
    begin: Instant,
    last: Instant,
}

impl Lines {
    /// Says as much as `verbosity` asks for.
    pub fn new(verbosity: Verbosity) -> Self {
        let now = Instant::now();
        Lines {
            verbosity,
            state: Mutex::new(State {
                stages: Stages::default(),
                progress: BTreeMap::new(),
                begin: now,
                last: now,
            }),
        }
    }
}

impl State {
    /// The lines about an event that came at `now`.
    fn take(&mut self, event: &Event, now: Instant, verbosity: Verbosity) -> Vec<String> {
        self.forget(event);
        if let Event::PipelineStarted { .. } = event {
            (self.begin, self.last) = (now, now);
        }
        let progress = self.progress(now, event, verbosity);
        if verbosity != Verbosity::Normal {
            let progress = progress.filter(|_| verbosity > Verbosity::Normal);
            let progress = progress.map(|text| format!("       {text}"));
            return line(event, verbosity).into_iter().chain(progress).collect();
        }
        let (ended, is_part) = self.stages.take(event, now);
        let mut lines: Vec<String> = ended.into_iter().collect();
        if !is_part {
            lines.extend(line(event, verbosity));
        }
        let is_step = matches!(
            event,
            Event::TaskProgress { .. } | Event::TaskFinished { .. }
        );
        let standing = self.stages.standing();
        if is_step && (progress.is_some() || standing.is_some()) && self.is_due(now) {
            let parts: Vec<String> = standing.into_iter().chain(progress).collect();
            lines.push(format!("       {}", parts.join("; ")));
        }
        lines
    }

    /// Whether a line about progress is due: every ten seconds at first, then ever more rarely, so
    /// that the log of a long run stays short.
    fn is_due(&mut self, now: Instant) -> bool {
        let pace = (now.duration_since(self.begin) / 10).clamp(PACE, SLOWEST);
        let is_due = now.duration_since(self.last) >= pace;
        if is_due {
            self.last = now;
        }
        is_due
    }

    /// A task's progress in words; where everything is said, once in ten seconds for each task.
    fn progress(&mut self, now: Instant, event: &Event, verbosity: Verbosity) -> Option<String> {
        let Event::TaskProgress {
            task,
            done,
            total,
            unit,
            note,
        } = event
        else {
            return None;
        };
        let (done, total) = (*done, *total);
        let entry = self
            .progress
            .entry(task.clone())
            .or_insert_with(|| Progress::begin(now, unit, total, done));
        if entry.phase.goes_on_to(unit, total, done) {
            *entry = Progress {
                last: entry.last,
                ..Progress::begin(now, unit, total, done)
            };
        }
        if verbosity > Verbosity::Normal {
            if now.duration_since(entry.last) < PACE {
                return None;
            }
            entry.last = now;
        }
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
        Some(format!("{task}: {done}/{total} {unit}{left}{note}"))
    }

    /// A task that begins or ends has no progress; neither has any when another pipeline begins.
    fn forget(&mut self, event: &Event) {
        match event {
            Event::PipelineStarted { .. } => self.progress.clear(),
            Event::TaskStarted { task, .. }
            | Event::TaskReused { task, .. }
            | Event::TaskFinished { task, .. }
            | Event::TaskFailed { task, .. } => {
                self.progress.remove(task);
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
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for text in state.take(&event, Instant::now(), self.verbosity) {
            write(&text);
        }
    }
}

impl Drop for Lines {
    /// What was interrupted has done something all the same.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = state.stages.end() {
            write(&text);
        }
    }
}

fn write(text: &str) {
    // A reader that went away must not end the work.
    let _ = writeln!(std::io::stderr().lock(), "{}", shown_lines(text));
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

    fn progress(task: &str, done: u64, total: u64, unit: &'static str) -> Event {
        Event::TaskProgress {
            task: task.into(),
            done,
            total,
            unit,
            note: String::new(),
        }
    }

    /// Takes events that come so many seconds after the beginning.
    fn clock(verbosity: Verbosity) -> impl FnMut(u64, Event) -> Vec<String> {
        let mut state = Lines::new(verbosity);
        let begin = Instant::now();
        move |seconds, event| {
            let state = state.state.get_mut().unwrap();
            state.take(&event, begin + Duration::from_secs(seconds), verbosity)
        }
    }

    #[test]
    fn the_time_left_counts_from_where_the_task_began() {
        let mut take = clock(Verbosity::Verbose);
        let mut at = |seconds, event| take(seconds, event).join("\n");
        let epochs = |done| progress("train/a", done, 300, "epochs");
        let pairs = |done| progress("audit", done, 10, "pairs");
        assert_eq!(at(0, epochs(200)), "");
        assert_eq!(at(9, epochs(209)), "", "one line in ten seconds");
        assert_eq!(
            at(20, epochs(220)),
            "       train/a: 220/300 epochs, 1.0/s, 1 min 20 s left"
        );
        assert_eq!(at(25, epochs(225)), "");
        assert_eq!(at(30, finished("train/a")), "done   train/a in 25.0 s");
        assert_eq!(
            at(100, epochs(10)),
            "",
            "a task of the same name begins anew"
        );
        assert_eq!(
            at(110, epochs(10)),
            "       train/a: 10/300 epochs",
            "without a rate nothing is foretold"
        );
        assert_eq!(at(200, progress("audit", 41, 41, "recordings")), "");
        assert_eq!(
            at(210, pairs(1)),
            "       audit: 1/10 pairs",
            "a second phase has no rate of the first"
        );
        assert_eq!(
            at(220, pairs(6)),
            "       audit: 6/10 pairs, 0.5/s, 8.0 s left"
        );
        at(
            230,
            Event::PipelineStarted {
                pipeline: "other".into(),
            },
        );
        assert_eq!(at(240, epochs(0)), "");
    }

    #[test]
    fn many_tasks_and_hours_make_few_lines() {
        let mut take = clock(Verbosity::Normal);
        let mut said = take(
            0,
            Event::StageStarted {
                stage: "train".into(),
                tasks: 500,
            },
        );
        for i in 0..500 {
            let task = format!("train/a/fold-{i}");
            let start = Event::TaskStarted {
                task: task.clone(),
                stage: "train".into(),
                key: String::new(),
                why: vec![],
            };
            said.extend(take(i * 60, start));
            said.extend(take(i * 60 + 30, progress(&task, 1, 2, "epochs")));
            said.extend(take(i * 60 + 60, finished(&task)));
        }
        said.extend(take(
            30_001,
            Event::Note {
                message: "next".into(),
            },
        ));
        assert!(said.len() < 150, "{} lines in eight hours", said.len());
        assert_eq!(
            said[0], "       train: 0/500 tasks; train/a/fold-0: 1/2 epochs",
            "the first after ten seconds or more"
        );
        assert_eq!(
            said[said.len() - 2..],
            ["done   train (500 tasks) in 8 h 20 min", "next"]
        );
    }
}
