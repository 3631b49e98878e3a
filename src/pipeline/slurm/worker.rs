//! What a task of a plan does, a part of a run, and which tasks are done, as their outputs say;
//! and the shards of features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cancel::Cancel;
use crate::cluster::{Done, Run};
use crate::config::Pipeline;
use crate::corpus::Source;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{
    Context, Decision, Finished, Identity, Observer, Status, Store, Task, execute_one,
};
use crate::pipeline::ingest::{Look, published};
use crate::pipeline::left_out::runnable;
use crate::pipeline::listing::chunks;
use crate::pipeline::pipeline_run::Options;
use crate::pipeline::probes::{Probe, Probes};
use crate::pipeline::rows::{Logs, Rows};
use crate::pipeline::stage::{Stage, TaskId};
use crate::pipeline::workers::Workers;
use crate::pipeline::{augment, flow, listing, probes, rows};

use super::request::{FEATURES, JobRequest, PREPARE, REPORT, TRAIN};

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
        FEATURES => make(&pipeline, &request, options, plan, index, cancel, observer),
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
        take_in(pipeline, request, options, plan, shards, cancel)?;
    }
    whole(pipeline, options, Stage::Split, cancel, observer)?;
    // The store has it all now; what is left of them costs nothing but room.
    let _ = std::fs::remove_dir_all(folder(&store, plan));
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
            .into_keys()
            .all(|set| is_kept(TaskId::Augmented(set)))
        && is_kept(TaskId::Audit)
        && chosen.iter().all(|one| is_kept(TaskId::Split(&one.name)));
    // Of a fold that the split did not give, nothing is missing.
    let trained =
        |id: &String| kept.contains(id.as_str()) || (prepared && !known.contains(id.as_str()));
    let shards = Store::shared(folder(&options.store(&pipeline.name), &run.plan().id));
    let mut done: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for stage in &run.plan().stages {
        let is_done = |index: u32| -> Result<bool> {
            Ok(match stage.name.as_str() {
                FEATURES => {
                    features || find(pipeline, request, &shards, &run.plan().id, index)?.is_some()
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

/// Where the shards of a plan lie until they are taken in.
pub(super) fn folder(store: &Path, plan: &str) -> PathBuf {
    store.join("shards").join(plan)
}

/// Makes one shard unless it is there.
pub(super) fn make(
    pipeline: &Pipeline,
    request: &JobRequest,
    options: &Options,
    plan: &str,
    index: u32,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let root = options.store(&pipeline.name);
    let store = Store::shared(folder(&root, plan));
    let action = |context: &Context| {
        let workers = Workers::new(options.limits.jobs, &pipeline.features)?
            .within(options.limits.memory, cancel)
            .in_folder(Some(root.clone()));
        fill(pipeline, request, &root, index, &workers, context)
    };
    execute_one(
        &store,
        &task(pipeline, request, plan, index, action)?,
        &options.limits,
        cancel,
        observer,
    )
    .map(drop)
}

/// The shard of an index, if it is there and whole.
pub(super) fn find(
    pipeline: &Pipeline,
    request: &JobRequest,
    store: &Store,
    plan: &str,
    index: u32,
) -> Result<Option<Finished>> {
    Ok(
        match store.status(&task(pipeline, request, plan, index, |_| Ok(()))?)? {
            Status::Fresh(finished) => Some(finished),
            Status::Stale { .. } => None,
        },
    )
}

fn task<'a>(
    pipeline: &Pipeline,
    request: &JobRequest,
    plan: &str,
    index: u32,
    action: impl Fn(&Context) -> Result<()> + Send + Sync + 'a,
) -> Result<Task<'a>> {
    let features = serde_json::to_value(&pipeline.features)
        .map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?;
    let versions: Vec<u32> = pipeline
        .features
        .sets
        .iter()
        .map(|set| set.code_version())
        .collect();
    let sets = request.sets(pipeline)?;
    let of_encoders = sets.iter().filter(|set| set.is_of_encoder());
    let encoders: Vec<_> = of_encoders
        .map(|set| pipeline.features.of(*set))
        .collect::<Result<_>>()?;
    let mut params = serde_json::json!({ "plan": plan, "index": index, "size": request.shard_size, "features": features, "versions": versions });
    if !encoders.is_empty() {
        params["encoders"] = serde_json::to_value(encoders)
            .map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?;
    }
    let identity = Identity {
        stage: "shard".into(),
        code_version: 1,
        params,
        inputs: BTreeMap::new(),
    };
    Ok(Task::new(format!("shard/{index}"), identity, action))
}

fn fill(
    pipeline: &Pipeline,
    request: &JobRequest,
    store: &Path,
    index: u32,
    workers: &Workers,
    context: &Context,
) -> Result<()> {
    let (_, sources) = listing::list(pipeline, None, context.cancel)?;
    let first = u64::from(index) * u64::from(request.shard_size);
    let total = sources
        .len()
        .saturating_sub(first)
        .min(u64::from(request.shard_size));
    let skip = usize::try_from(first).unwrap_or(usize::MAX);
    let share = sources.iter().skip(skip).take(request.shard_size as usize);
    let sets = request.sets(pipeline)?;
    // What the store has seen and has rows for need not be opened again.
    let mut earlier = Rows::fit(store, &sets, workers.settings()).then(|| Probes::peek(store));
    // Features are of windows where there are any, and of these nothing is known yet.
    let whole = pipeline.corpus.windows.is_none();
    let logs = if whole {
        workers.load_encoders(&sets)?;
        Rows::at(context.folder).take_sets(&sets, workers.settings())?
    } else {
        Logs::default()
    };
    let mut look = Look::new(
        pipeline.corpus.kind.root(),
        published(&pipeline.corpus.kind),
        workers,
        logs,
        total,
        context,
    );
    let mut probes = Probes::begin(context.folder)?;
    for chunk in chunks(share) {
        let chunk: Vec<Source> = chunk?;
        let known: Vec<Option<Probe>> = chunk
            .iter()
            .map(|source| earlier.as_mut().and_then(|probes| probes.known(source)))
            .collect();
        for (source, probe) in chunk.iter().zip(look.at(&chunk, known)?) {
            // A recording that cannot be used is met again by the run that takes this in, which
            // says so.
            if let Some(Ok(probe)) = probe {
                probes.keep(source, &probe)?;
            }
        }
        context.cancel.check()?;
    }
    probes.finish()
}

/// Takes the shards that are there into the store; call it with the store's lock held.
pub(super) fn take_in(
    pipeline: &Pipeline,
    request: &JobRequest,
    options: &Options,
    plan: &str,
    count: u32,
    cancel: &Cancel,
) -> Result<()> {
    let root = options.store(&pipeline.name);
    let shards = Store::shared(folder(&root, plan));
    let mut there: Vec<Finished> = Vec::new();
    for index in 0..count {
        cancel.check()?;
        there.extend(find(pipeline, request, &shards, plan, index)?);
    }
    if there.is_empty() {
        return Ok(());
    }
    for set in request.sets(pipeline)? {
        let settings = pipeline.features.of(set)?;
        let mut log = rows::open(&root, settings)?;
        for shard in &there {
            cancel.check()?;
            log.take_in(&mut rows::open(&shard.folder, settings)?)?;
        }
    }
    let files: Vec<PathBuf> = there.iter().map(|shard| shard.path(probes::NAME)).collect();
    probes::take_in(&root, &files)
}
