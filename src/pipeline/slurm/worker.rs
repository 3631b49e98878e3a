//! What a task of a plan does, a part of a run, and which tasks are done, as their outputs say.

use std::collections::{BTreeMap, BTreeSet};

use super::request::{FEATURES, JobRequest, PREPARE, REPORT, TRAIN};
use super::shard;
use crate::cancel::Cancel;
use crate::cluster::{Done, Run};
use crate::config::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Decision, Observer, Store};
use crate::pipeline::left_out::runnable;
use crate::pipeline::pipeline_run::Options;
use crate::pipeline::stage::{Stage, TaskId};
use crate::pipeline::{augment, flow};

/// Does task `index` of `stage`; at once where its verified output is there. `options` are those of
/// [`JobRequest::options`].
///
/// # Errors
/// As [`flow::run`] and [`flow::work`]; `Usage` where the plan has no such task.
pub fn worker(
    run: &Run,
    stage: &str,
    index: u32,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let request = JobRequest::of(run)?;
    let pipeline = request.pipeline()?;
    let plan = &run.plan().id;
    let Some(of) = run.plan().stage(stage).filter(|stage| index < stage.count) else {
        return Err(Error::usage(format!(
            "the plan {plan} has no task {index} of a stage `{stage}`"
        )));
    };
    match of.name.as_str() {
        FEATURES => shard::make(&pipeline, &request, options, plan, index, cancel, observer),
        PREPARE => {
            let shards = run.plan().stage(FEATURES).map_or(0, |stage| stage.count);
            prepare(&pipeline, &request, options, plan, shards, cancel, observer)
        }
        TRAIN => train(&pipeline, request.of_task(index), options, cancel, observer),
        REPORT => whole(&pipeline, options, Stage::Report, cancel, observer),
        other => Err(Error::internal(format!(
            "a plan with the unknown stage `{other}`"
        ))),
    }
}

impl JobRequest {
    /// The trainings of one task.
    pub(super) fn of_task(&self, index: u32) -> &[String] {
        let size = self.trainings_per_task.max(1) as usize;
        self.trainings
            .chunks(size)
            .nth(index as usize)
            .unwrap_or_default()
    }
}

/// A run of everything up to `until`; what fails for one experiment alone fails the task, so that
/// nothing is built upon it.
fn whole(
    pipeline: &Pipeline,
    options: &Options,
    until: Stage,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let outcome = flow::run(
        pipeline,
        &Options {
            until,
            ..options.clone()
        },
        cancel,
        observer,
    )?;
    outcome.failures.into_iter().next().map_or(Ok(()), Err)
}

fn prepare(
    pipeline: &Pipeline,
    request: &JobRequest,
    options: &Options,
    plan: &str,
    shards: u32,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let store = options.store(&pipeline.name);
    {
        let _lock = flow::lock(options, &store, cancel, observer)?;
        shard::take_in(pipeline, request, options, plan, shards, cancel)?;
    }
    whole(pipeline, options, Stage::Split, cancel, observer)?;
    // The store has it all now; what is left of them costs nothing but room.
    let _ = std::fs::remove_dir_all(shard::folder(&store, plan));
    Ok(())
}

fn train(
    pipeline: &Pipeline,
    ids: &[String],
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let mut first: Option<Error> = None;
    for id in ids {
        match flow::work(pipeline, options, id, cancel, observer) {
            Ok(true) => {}
            Ok(false) => observer.note(format!("{id}: the split has no such fold")),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Reads and verifies the outputs of a plan. `options` are those of [`JobRequest::options`].
///
/// # Errors
/// As [`crate::pipeline::plan`].
pub fn done(
    run: &Run,
    request: &JobRequest,
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Done> {
    let options = Options {
        until: Stage::Report,
        ..options.clone()
    };
    let lines = flow::plan(pipeline, &options, cancel, observer)?;
    let kept: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.decision == Decision::Keep)
        .map(|line| line.task.as_str())
        .collect();
    let known: BTreeSet<&str> = lines.iter().map(|line| line.task.as_str()).collect();
    let is_kept = |id: TaskId| kept.contains(id.to_string().as_str());
    let sets = request.sets(pipeline)?;
    let features =
        is_kept(TaskId::Ingest) && sets.iter().all(|set| is_kept(TaskId::Features(*set)));
    let chosen = runnable(pipeline, &request.experiments)?;
    let copies = augment::sets(chosen.iter().copied());
    let prepared = features
        && copies
            .into_iter()
            .all(|set| is_kept(TaskId::Augmented(set)))
        && is_kept(TaskId::Audit)
        && chosen.iter().all(|one| is_kept(TaskId::Split(&one.name)));
    // Of a fold that the split did not give, nothing is missing.
    let trained =
        |id: &String| kept.contains(id.as_str()) || (prepared && !known.contains(id.as_str()));
    let shards = Store::shared(shard::folder(
        &options.store(&pipeline.name),
        &run.plan().id,
    ));
    let mut done: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for stage in &run.plan().stages {
        let is_done = |index: u32| -> Result<bool> {
            Ok(match stage.name.as_str() {
                FEATURES => {
                    features
                        || shard::find(pipeline, request, &shards, &run.plan().id, index)?.is_some()
                }
                PREPARE => prepared,
                TRAIN => request.of_task(index).iter().all(trained),
                REPORT => kept.len() == lines.len(),
                _ => false,
            })
        };
        let mut indices = BTreeSet::new();
        for index in 0..stage.count {
            if is_done(index)? {
                indices.insert(index);
            }
        }
        done.insert(stage.name.clone(), indices);
    }
    Ok(Done(done))
}
