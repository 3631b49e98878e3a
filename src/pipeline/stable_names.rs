//! Publication as the last step of a run or plan.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ORDER;
use super::known::Known;
use super::pipeline_run::PipelineRun;
use super::plan::last;
use super::publish::Publication;
use super::stage::{Stage, TaskId};
use crate::error::Result;
use crate::orchestrator::{Decision, Event, Interpreter, Outputs, Pending, StaleReason};

/// Puts outputs under stable names; all of this together is told as one task.
#[derive(Default)]
pub(super) struct Publisher {
    /// The time spent, once something was out of date.
    spent: Mutex<Option<Duration>>,
}

impl Publisher {
    /// Publishes what is there of the stages up to this one.
    pub(super) fn publish<'a>(
        &self,
        run: &PipelineRun<'a>,
        known: &Known,
        outputs: &Outputs,
        until: Stage,
    ) -> Result<Publication<'a>> {
        let publication = Publication::of(run, known, outputs, until)?;
        let began = Instant::now();
        let spent = || self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = |why: Vec<StaleReason>| {
            let mut spent = spent();
            if spent.is_none() {
                run.observer.observe(Event::TaskStarted {
                    task: TaskId::Publish.into(),
                    stage: TaskId::Publish.into(),
                    key: String::new(),
                    why,
                });
                *spent = Some(Duration::ZERO);
            }
        };
        let pool = run.workers.pool();
        pool.install(|| publication.apply(&run.store, &begin))?;
        if let Some(spent) = &mut *spent() {
            *spent += began.elapsed();
        }
        Ok(publication)
    }

    /// Publishes all outputs of a run, and tells that this is done.
    pub(super) fn finish(&self, run: &PipelineRun, known: &Known, outputs: &Outputs) -> Result<()> {
        let publication = self.publish(run, known, outputs, run.options.until)?;
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (task, stage) = (TaskId::Publish.into(), TaskId::Publish.into());
        let key = String::new();
        run.observer.observe(match spent {
            Some(spent) => Event::TaskFinished {
                task,
                stage,
                key,
                seconds: spent.as_secs_f64(),
            },
            None => Event::TaskReused { task, stage, key },
        });
        if let Some(line) = publication.others()? {
            run.observer.note(line);
        }
        Ok(())
    }
}

/// Adds to a plan whether anything would be published.
pub(super) fn plan(run: &PipelineRun, known: &Known, interpreter: &mut Interpreter) -> Result<()> {
    let (outputs, planned) = (&interpreter.outputs, &interpreter.planned);
    let publication = Publication::of(run, known, outputs, run.options.until)?;
    let problems = publication.problems(&run.store)?;
    let pending = || planned.iter().filter_map(|one| outputs.pending(&one.task));
    let will_run = pending().any(|pending: &Pending| pending.will_run);
    let (decision, why) = match pending().next() {
        _ if !problems.is_empty() => (Decision::Run, problems),
        Some(Pending { task, .. }) => {
            let task = task.clone();
            let decision = match will_run {
                true => Decision::Run,
                false => Decision::Maybe,
            };
            (decision, vec![StaleReason::Upstream { task }])
        }
        None => (Decision::Keep, vec![]),
    };
    let after = last(planned);
    interpreter.note(&TaskId::Publish.to_string(), after, decision, why);
    Ok(())
}

impl<'a> Publication<'a> {
    /// The outputs of the stages up to this one that are there.
    pub(super) fn of(
        run: &PipelineRun<'a>,
        known: &Known,
        outputs: &Outputs,
        until: Stage,
    ) -> Result<Publication<'a>> {
        let mut publication = Publication::new(run.pipeline, run.options);
        for group in ORDER.iter().filter(|group| group.is_due(until)) {
            (group.publish)(run, known, outputs, &mut publication)?;
        }
        Ok(publication)
    }
}
