//! A share of the corpus: its recordings are opened and their features computed, away from the
//! store, which takes it all in later.
//!
//! What shards give is a head start and no output: a run without them gives the same bytes, later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::request::JobRequest;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::corpus::Source;
use crate::error::{Error, Result};
use crate::orchestrator::{
    Context, Finished, Identity, Observer, Status, Store, Task, execute_one,
};
use crate::pipeline::ingest::{Look, published};
use crate::pipeline::listing::{self, chunks};
use crate::pipeline::pipeline_run::Options;
use crate::pipeline::probes::{self, Probe, Probes};
use crate::pipeline::rows::{self, Logs, Rows};
use crate::pipeline::workers::Workers;

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
