//! What the tasks of a stage came to, in one line once the stage is over.

use std::time::Instant;

use super::duration;
use crate::orchestrator::Event;
use crate::text::plural;

/// The step that goes through all stages, and ends a run.
const PUBLISH: &str = "publish";

/// The stage at work.
#[derive(Debug, Default)]
pub(super) struct Stages {
    at_work: Option<Group>,
}

/// Tasks that are run side by side, or one after the other under the same name.
#[derive(Debug)]
struct Group {
    stage: String,
    /// Tasks that it has, the kept ones included.
    tasks: usize,
    kept: usize,
    failed: usize,
    began: Option<Instant>,
    ended: Option<Instant>,
    /// The first task that ran, and by stage how many did: trainings and their evaluations are run
    /// side by side.
    first: Option<String>,
    ran: Vec<(String, usize)>,
}

impl Stages {
    /// Takes the event in. Returns the line about a stage that it ends, and whether the event is
    /// that of a task of a stage, and has no line of its own.
    pub(super) fn take(&mut self, event: &Event, now: Instant) -> (Option<String>, bool) {
        match event {
            Event::StageStarted { stage, tasks } => {
                if let Some(group) = self.at_work.as_mut().filter(|group| group.stage == *stage) {
                    group.tasks += tasks;
                    return (None, true);
                }
                let line = self.end();
                self.at_work = Some(Group::new(stage, *tasks));
                (line, true)
            }
            Event::PipelineStarted { .. } => (self.end(), false),
            // The last step of a run, which begins in an early stage.
            Event::TaskFinished { stage, .. } | Event::TaskReused { stage, .. }
                if stage == PUBLISH =>
            {
                (self.end(), false)
            }
            Event::Warning { .. } | Event::Note { .. } => {
                let is_over = self.at_work.as_ref().is_some_and(|group| group.left() == 0);
                (if is_over { self.end() } else { None }, false)
            }
            _ => match &mut self.at_work {
                None => (None, false),
                Some(group) => {
                    let is_told =
                        matches!(event, Event::TaskFailed { .. } | Event::TaskRetried { .. });
                    group.count(event, now);
                    (None, !is_told)
                }
            },
        }
    }

    /// Ends the stage at work, and returns its line; `None` where nothing ran.
    pub(super) fn end(&mut self) -> Option<String> {
        self.at_work.take()?.line()
    }

    /// Where the stage at work stands, of more than one task: `train: 3/12 tasks`.
    pub(super) fn standing(&self) -> Option<String> {
        let group = self.at_work.as_ref().filter(|group| group.tasks > 1)?;
        Some(format!(
            "{}: {}/{} tasks",
            group.stage,
            group.tasks.saturating_sub(group.left()),
            group.tasks
        ))
    }
}

impl Group {
    fn new(stage: &str, tasks: usize) -> Group {
        Group {
            stage: stage.to_owned(),
            tasks,
            kept: 0,
            failed: 0,
            began: None,
            ended: None,
            first: None,
            ran: vec![],
        }
    }

    fn left(&self) -> usize {
        let ran: usize = self.ran.iter().map(|(_, tasks)| tasks).sum();
        self.tasks.saturating_sub(ran + self.kept + self.failed)
    }

    fn count(&mut self, event: &Event, now: Instant) {
        match event {
            Event::TaskStarted { stage, .. } if stage != PUBLISH => {
                self.began.get_or_insert(now);
            }
            Event::TaskReused { .. } => self.kept += 1,
            Event::TaskFailed { .. } => self.failed += 1,
            Event::TaskFinished { task, stage, .. } => {
                self.ended = Some(now);
                self.first.get_or_insert_with(|| task.clone());
                match self.ran.iter_mut().find(|(name, _)| name == stage) {
                    Some((_, tasks)) => *tasks += 1,
                    None => self.ran.push((stage.clone(), 1)),
                }
            }
            _ => {}
        }
    }

    fn line(self) -> Option<String> {
        let seconds = self.ended? - self.began?;
        let seconds = duration(seconds.as_secs_f64());
        let what = match self.ran.as_slice() {
            [(_, 1)] => self.first?,
            several => {
                let each: Vec<String> = several
                    .iter()
                    .map(|(stage, tasks)| format!("{stage} ({})", plural(*tasks, "task")))
                    .collect();
                each.join(", ")
            }
        };
        let mut line = format!("done   {what} in {seconds}");
        if self.kept > 0 {
            line += &format!(", {} kept", self.kept);
        }
        if self.failed > 0 {
            line += &format!(", {} FAILED", self.failed);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stage(name: &str, tasks: usize) -> Event {
        Event::StageStarted {
            stage: name.into(),
            tasks,
        }
    }

    fn started(task: &str, stage: &str) -> Event {
        Event::TaskStarted {
            task: task.into(),
            stage: stage.into(),
            key: String::new(),
            why: vec![],
        }
    }

    fn finished(task: &str, stage: &str) -> Event {
        Event::TaskFinished {
            task: task.into(),
            stage: stage.into(),
            key: String::new(),
            seconds: 1.0,
        }
    }

    fn reused(task: &str, stage: &str) -> Event {
        Event::TaskReused {
            task: task.into(),
            stage: stage.into(),
            key: String::new(),
        }
    }

    #[test]
    fn a_stage_has_one_line_whatever_the_number_of_its_tasks() {
        let mut stages = Stages::default();
        let begin = Instant::now();
        let mut seconds = 0;
        let mut take = |event: Event| {
            seconds += 1;
            stages.take(&event, begin + Duration::from_secs(seconds))
        };
        assert_eq!(take(started("generate", "generate")), (None, false));
        assert_eq!(take(finished("generate", "generate")), (None, false));
        take(stage("features", 1));
        assert_eq!(take(started("features", "features")), (None, true));
        assert_eq!(take(finished("features", "features")), (None, true));
        take(started("publish", "publish"));
        // Two groups of one name are one stage.
        assert_eq!(
            take(stage("split", 1)).0.as_deref(),
            Some("done   features in 1.0 s")
        );
        take(reused("split/a", "split"));
        assert_eq!(take(stage("split", 1)), (None, true));
        take(started("split/b", "split"));
        take(finished("split/b", "split"));
        assert_eq!(
            take(stage("train", 4)).0.as_deref(),
            Some("done   split/b in 1.0 s, 1 kept")
        );
        take(started("train/a", "train"));
        take(finished("train/a", "train"));
        let note = || Event::Note {
            message: "between".into(),
        };
        assert_eq!(take(note()), (None, false), "the stage is not over");
        take(started("train/b", "train"));
        take(finished("train/b", "train"));
        take(started("evaluate/a", "evaluate"));
        take(finished("evaluate/a", "evaluate"));
        let failed = Event::TaskFailed {
            task: "evaluate/b".into(),
            error: "no".into(),
            hint: None,
        };
        assert_eq!(take(failed), (None, false), "a failure is always told");
        assert_eq!(
            take(note()).0.as_deref(),
            Some("done   train (2 tasks), evaluate (1 task) in 6.0 s, 1 FAILED")
        );
        take(stage("report", 1));
        take(reused("report", "report"));
        assert_eq!(
            take(finished("publish", "publish")),
            (None, false),
            "of a stage that was kept nothing is said"
        );
    }
}
