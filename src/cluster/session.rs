//! Working on a plan: who talks to which scheduler, and what is done.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::Client;
use super::client::Queue;
use super::ledger::Event;
use super::plan::Run;
use super::plan::Stage;
use super::status::Status;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::Observer;

/// How long a cancelled job may take to end; Slurm kills after 30 s what does not end by itself.
const ENDING: Duration = Duration::from_secs(90);

/// The indices of which the verified output is there, by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done(pub BTreeMap<String, BTreeSet<u32>>);

impl Done {
    /// Whether the output of a task is there.
    pub fn has(&self, stage: &str, index: u32) -> bool {
        self.0
            .get(stage)
            .is_some_and(|indices| indices.contains(&index))
    }

    /// How many of a stage's outputs are there.
    pub fn count(&self, stage: &Stage) -> usize {
        (0..stage.count)
            .filter(|index| self.has(&stage.name, *index))
            .count()
    }
}

/// A plan, the scheduler it is given to, and who is told.
pub struct Session<'a> {
    /// The scheduler's programs.
    pub client: &'a Client,
    /// The plan.
    pub run: &'a Run,
    /// Looks which outputs are there.
    pub look: &'a dyn Fn() -> Result<Done>,
    /// Is told what happens.
    pub observer: &'a dyn Observer,
}

impl Session<'_> {
    /// What the outputs say, and beside it the scheduler where it answers.
    ///
    /// # Errors
    /// What looking at the outputs gives; a scheduler that is silent is no error.
    pub fn status(&self) -> Result<Status> {
        // Asked first: what ends in between is then seen as done, not as missing.
        let queue = Queue::ask(self.client, self.run.plan());
        Ok(Status::of(self.run, &(self.look)()?, queue))
    }

    /// Cancels every job of the plan, one by one, and waits until the scheduler says that they are
    /// over.
    ///
    /// # Errors
    /// `Scheduler` where it does not answer, or where jobs do not end.
    pub fn cancel(&self) -> Result<Vec<u64>> {
        let queue = Queue::ask(self.client, self.run.plan())?;
        self.cancel_jobs(
            queue
                .all()
                .filter(|task| task.is_active() || task.is_waiting())
                .map(|task| task.job.to_string())
                .collect(),
        )
    }

    /// Cancels jobs, or tasks of jobs (`12_3`).
    pub(super) fn cancel_jobs(&self, ids: BTreeSet<String>) -> Result<Vec<u64>> {
        let number = |id: &str| id.split('_').next().and_then(|job| job.parse::<u64>().ok());
        let jobs: BTreeSet<u64> = ids.iter().filter_map(|id| number(id)).collect();
        let ledger = self.run.ledger();
        for job in &jobs {
            ledger.add(Event::Cancel { job: *job })?;
        }
        for id in &ids {
            // Its answer proves nothing either way: what counts is what the queue says afterwards.
            if let Err(error) = self.client.ask("scancel", std::slice::from_ref(id)) {
                self.observer.warn(format!("{error}"));
            }
        }
        let deadline = Instant::now() + ENDING;
        loop {
            let queue = Queue::ask(self.client, self.run.plan())?;
            let mut left: BTreeSet<String> = BTreeSet::new();
            for stage in &self.run.plan().stages {
                for (index, task) in queue
                    .of(&stage.name)
                    .filter(|(_, task)| task.is_active() || task.is_waiting())
                {
                    let names = [task.job.to_string(), format!("{}_{index}", task.job)];
                    left.extend(names.into_iter().find(|name| ids.contains(name)));
                }
            }
            if left.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                let left: Vec<String> = left.into_iter().collect();
                let error = Error::new(
                    Kind::Scheduler,
                    format!("these jobs were cancelled but go on: {}", left.join(", ")),
                );
                return Err(error.hint("look at them with squeue, and run the same command again"));
            }
            sleep(Duration::from_millis(250));
        }
        for job in &jobs {
            ledger.add(Event::Cancelled { job: *job })?;
        }
        Ok(jobs.into_iter().collect())
    }

    /// Tells how the plan gets on until the scheduler has nothing more to do for it; returns what
    /// the outputs then say.
    pub fn follow(&self, every: Duration, cancel: &Cancel) -> Result<Status> {
        let (mut said, mut silent) = (String::new(), false);
        loop {
            match Queue::ask(self.client, self.run.plan()) {
                Ok(queue) => {
                    silent = false;
                    let line = summary(self.run.plan().stages.as_slice(), &queue);
                    if line != said && !line.is_empty() {
                        self.observer
                            .note(format!("{}: {line}", self.run.plan().id));
                    }
                    said = line;
                    if !queue.is_active() {
                        return self.status();
                    }
                }
                // Jobs do not need the answer; only this report of them does.
                Err(error) if error.kind() == Kind::Scheduler => {
                    if !std::mem::replace(&mut silent, true) {
                        self.observer.warn(format!("{error}; asking again"));
                    }
                }
                Err(error) => return Err(error),
            }
            let next = Instant::now() + every;
            while Instant::now() < next {
                cancel.check()?;
                sleep(Duration::from_millis(50).min(every));
            }
        }
    }
}

/// `features 3 running, 2 waiting; train 10 waiting`.
fn summary(stages: &[Stage], queue: &Queue) -> String {
    let mut parts = Vec::new();
    for stage in stages {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..stage.count {
            let Some(task) = queue.task(&stage.name, index) else {
                continue;
            };
            let word = match task.state.as_str() {
                _ if task.is_waiting() => "waiting",
                "COMPLETED" => "ended",
                _ if task.is_active() => "running",
                _ => "failed",
            };
            *counts.entry(word).or_default() += 1;
        }
        if !counts.is_empty() {
            let words: Vec<String> = counts
                .iter()
                .map(|(word, n)| format!("{n} {word}"))
                .collect();
            parts.push(format!("{} {}", stage.name, words.join(", ")));
        }
    }
    parts.join("; ")
}
