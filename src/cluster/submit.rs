//! Handing to the scheduler what is missing, and nothing twice.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use super::client::Queue;
use super::client::{Called, one_line};
use super::ledger::Event;
use super::plan::{Indices, Stage};
use super::script::{command_line, comment};
use super::session::Session;
use crate::error::{Error, Kind, Result};

/// What was handed over of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Stage name.
    pub stage: String,
    /// The scheduler's number.
    pub job: u64,
    /// Its tasks.
    pub indices: Indices,
}

/// What became of a request.
enum Answer {
    Job(u64),
    Refused(String),
    Unknown(String),
}

impl Session<'_> {
    /// Submits every task whose output is not there and of which the scheduler knows nothing that
    /// is still under way. For a new plan that is everything; after a crash or failures it is what
    /// they left.
    ///
    /// The first stage is held until the last is in, so that no half of a plan begins.
    ///
    /// # Errors
    /// `Scheduler` where it refuses a stage (those before it are withdrawn), does not answer, or
    /// where it cannot be found out whether it took one: nothing then runs, and the same call goes
    /// on from there.
    pub fn advance(&self) -> Result<Vec<Submitted>> {
        let plan = self.run.plan();
        // Asked before looking at the outputs: what ends in between is then seen as done, not as
        // missing.
        let queue = Queue::ask(self.client, plan)?;
        self.settle(&queue)?;
        let done = (self.look)()?;
        let (mut submitted, mut withdrawn): (Vec<Submitted>, BTreeSet<u64>) = Default::default();
        for stage in &plan.stages {
            let missing: BTreeSet<u32> = (0..stage.count)
                .filter(|index| !done.has(&stage.name, *index))
                .collect();
            let upstream_is_new = stage
                .after
                .as_ref()
                .is_some_and(|after| submitted.iter().any(|s| s.stage == *after));
            let stale = self.stale(stage, &queue, upstream_is_new);
            if !stale.is_empty() {
                withdrawn.extend(self.cancel_jobs(stale.clone())?);
            }
            let is_stale = |job: u64, index: u32| {
                stale.contains(&job.to_string()) || stale.contains(&format!("{job}_{index}"))
            };
            let under_way: BTreeSet<u32> = queue
                .of(&stage.name)
                .filter(|(i, task)| task.is_active() && !is_stale(task.job, *i))
                .map(|(i, _)| i)
                .collect();
            let indices = Indices(missing.difference(&under_way).copied().collect());
            if indices.0.is_empty() {
                continue;
            }
            let after = self.upstream(stage, &queue, &submitted)?;
            match self.submit(stage, &indices, submitted.is_empty(), &after) {
                Ok(job) => submitted.push(Submitted {
                    stage: stage.name.clone(),
                    job,
                    indices,
                }),
                Err((refused, error)) => {
                    // Those before it are held or wait for held ones.
                    if refused && !submitted.is_empty() {
                        self.cancel_jobs(submitted.iter().map(|s| s.job.to_string()).collect())?;
                    }
                    return Err(error);
                }
            }
        }
        self.release(&queue, &submitted, &withdrawn)?;
        Ok(submitted)
    }

    /// Writes down which requests without an answer got through after all.
    fn settle(&self, queue: &Queue) -> Result<()> {
        let history = self.run.history()?;
        for entry in &history {
            let Event::Intent { stage, attempt, .. } = &entry.event else {
                continue;
            };
            let known = history.iter().any(|entry| {
                matches!(&entry.event, Event::Submitted { stage: s, attempt: a, .. } | Event::Found { stage: s, attempt: a, .. } if s == stage && a == attempt)
            });
            if let (false, Some(job)) = (known, queue.job(stage, *attempt)) {
                self.run.ledger().add(Event::Found {
                    stage: stage.clone(),
                    attempt: *attempt,
                    job,
                })?;
                self.observer.note(format!(
                    "{stage}: job {job} was submitted before and is kept"
                ));
            }
        }
        Ok(())
    }

    /// Waiting tasks that could never begin, or would begin too early: those that wait for a job
    /// that is replaced.
    fn stale(&self, stage: &Stage, queue: &Queue, upstream_is_new: bool) -> BTreeSet<String> {
        let runs = |job: u64| {
            queue
                .of(&stage.name)
                .any(|(_, task)| task.job == job && task.is_active() && !task.is_waiting())
        };
        let tasks = queue.of(&stage.name).filter(|(_, task)| task.is_waiting());
        let stale = tasks.filter(|(_, task)| upstream_is_new || !task.is_active());
        stale
            .map(|(index, task)| {
                if runs(task.job) {
                    format!("{}_{index}", task.job)
                } else {
                    task.job.to_string()
                }
            })
            .collect()
    }

    /// What a stage has to wait for: jobs of the stage before it, or single tasks of a job of which
    /// others failed. All are seen in the queue, with this plan's comment: of a number that it does
    /// not know, the scheduler thinks that it is done.
    fn upstream(
        &self,
        stage: &Stage,
        queue: &Queue,
        submitted: &[Submitted],
    ) -> Result<Vec<String>> {
        let Some(after) = &stage.after else {
            return Ok(vec![]);
        };
        let mut jobs = BTreeSet::new();
        for (index, task) in queue.of(after).filter(|(_, task)| task.is_active()) {
            let ended_badly = queue.of(after).any(|(_, other)| {
                other.job == task.job && !other.is_active() && other.state != "COMPLETED"
            });
            jobs.insert(if ended_badly {
                format!("{}_{index}", task.job)
            } else {
                task.job.to_string()
            });
        }
        if let Some(new) = submitted.iter().find(|s| s.stage == *after) {
            let now = Queue::ask(self.client, self.run.plan())?;
            if !now.of(after).any(|(_, task)| task.job == new.job) {
                let error = Error::new(
                    Kind::Scheduler,
                    format!(
                        "job {} of {after} is not in the queue though it was submitted",
                        new.job
                    ),
                );
                return Err(error.hint("run `ser slurm resume` once the scheduler answers again"));
            }
            jobs.insert(new.job.to_string());
        }
        Ok(jobs.into_iter().collect())
    }

    /// Submits tasks of one stage; with an error goes whether the scheduler is known not to have
    /// them.
    fn submit(
        &self,
        stage: &Stage,
        indices: &Indices,
        held: bool,
        after: &[String],
    ) -> Result<u64, (bool, Error)> {
        let known = |error: Error| (true, error);
        let ledger = self.run.ledger();
        let before = self.run.history().map_err(known)?;
        let intents = before.iter().filter(
            |entry| matches!(&entry.event, Event::Intent { stage: s, .. } if *s == stage.name),
        );
        let attempt = intents.count() as u32 + 1;
        let line = command_line(self.run, stage, indices, attempt, held, after).map_err(known)?;
        let name = stage.name.clone();
        ledger
            .add(Event::Intent {
                stage: name.clone(),
                attempt,
                indices: indices.to_string(),
            })
            .map_err(known)?;
        match self
            .request(stage, attempt, &line)
            .map_err(|error| (false, error))?
        {
            Answer::Job(job) => {
                ledger
                    .add(Event::Submitted {
                        stage: name.clone(),
                        attempt,
                        job,
                    })
                    .map_err(|error| (false, error))?;
                self.observer
                    .note(format!("{name}: job {job}, tasks {indices}"));
                Ok(job)
            }
            Answer::Refused(why) => {
                ledger
                    .add(Event::Refused {
                        stage: name.clone(),
                        attempt,
                        why: why.clone(),
                    })
                    .map_err(known)?;
                let error = Error::new(
                    Kind::Scheduler,
                    format!("the scheduler refuses stage {name}: {why}"),
                );
                Err((true, error.hint("check partition, account, time, memory and options under [slurm] or in the profile")))
            }
            Answer::Unknown(why) => {
                ledger
                    .add(Event::Unknown {
                        stage: name.clone(),
                        attempt,
                        why: why.clone(),
                    })
                    .map_err(|error| (false, error))?;
                let error = Error::new(
                    Kind::Scheduler,
                    format!("it is not known whether the scheduler took stage {name}: {why}"),
                );
                Err((
                    false,
                    error.hint(
                        "run `ser slurm resume` once the scheduler answers again: it looks first",
                    ),
                ))
            }
        }
    }

    /// One sbatch. Whatever it says when it fails, the queue tells whether the job is there.
    fn request(&self, stage: &Stage, attempt: u32, line: &[String]) -> Result<Answer> {
        let Some((program, args)) = line.split_first() else {
            return Err(Error::internal("an empty command line"));
        };
        let why = match self.client.call(program, args)? {
            Called::Ended {
                well: true,
                stdout,
                stderr,
            } => match stdout
                .trim()
                .split(';')
                .next()
                .and_then(|job| job.parse().ok())
            {
                Some(job) => return Ok(Answer::Job(job)),
                None => format!("sbatch wrote `{}` {}", one_line(&stdout), one_line(&stderr)),
            },
            Called::Ended { stderr, .. } => one_line(&stderr),
            Called::TimedOut => "sbatch gave no answer".to_owned(),
        };
        let name = comment(self.run.plan(), &stage.name, attempt);
        let mut answered = false;
        for wait in [0, 1, 2] {
            sleep(Duration::from_secs(wait));
            match Queue::ask(self.client, self.run.plan()) {
                Ok(queue) => {
                    if let Some(job) = queue.job(&stage.name, attempt) {
                        self.observer.note(format!(
                            "{name}: the scheduler has it as job {job}, though sbatch failed"
                        ));
                        return Ok(Answer::Job(job));
                    }
                    answered = true;
                    if is_refusal(&why) {
                        return Ok(Answer::Refused(why));
                    }
                }
                Err(error) if error.kind() == Kind::Scheduler => answered = false,
                Err(error) => return Err(error),
            }
        }
        Ok(if answered && is_refusal(&why) {
            Answer::Refused(why)
        } else {
            Answer::Unknown(why)
        })
    }

    /// Sets free what is held: what was submitted now, and what an earlier call did not come to.
    fn release(
        &self,
        queue: &Queue,
        submitted: &[Submitted],
        withdrawn: &BTreeSet<u64>,
    ) -> Result<()> {
        let mut held: BTreeSet<u64> = queue
            .all()
            .filter(|task| task.is_held())
            .map(|task| task.job)
            .collect();
        held.retain(|job| !withdrawn.contains(job));
        held.extend(submitted.first().map(|first| first.job));
        for job in held {
            self.client
                .ask("scontrol", &["release".into(), job.to_string()])?;
            self.run.ledger().add(Event::Released { job })?;
        }
        Ok(())
    }
}

/// Whether the scheduler decided, rather than not having been reached.
fn is_refusal(words: &str) -> bool {
    const UNREACHED: [&str; 8] = [
        "contact",
        "timed out",
        "Timed out",
        "ocket",
        "onnection",
        "Zero Bytes",
        "no answer",
        "Unexpected message",
    ];
    words.contains("error") && !UNREACHED.iter().any(|word| words.contains(word))
}
