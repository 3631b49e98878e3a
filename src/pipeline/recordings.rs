//! The tasks that open recordings: ingest, features and audit.

use super::audit;
use super::augment;
use super::extract;
use super::graph::{Stage, TaskId};
use super::ingest::{self, Contradiction, Corpus, Ingested};
use super::known::Known;
use super::listing;
use super::pipeline_run::PipelineRun;
use super::probes::{self, Probes};
use super::rows::Logs;
use super::windows::{self, WINDOWS};
use crate::corpus::{Listing, Sources};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::orchestrator::{Context, Identity, Node, Outputs, StaleReason, Status, Task, Upstream};

/// Recordings that a plan opens at most to look at what they hold now.
pub(super) const PREVIEWED: usize = 256;

/// Lists the corpus; nothing in a plan whose recordings have yet to be generated.
pub(super) fn list(run: &PipelineRun) -> Result<Option<(Listing, Sources)>> {
    if run.is_plan() && listing::must_generate(run.pipeline) {
        return Ok(None);
    }
    // What ended an earlier process decides on what is read.
    run.workers.suspects();
    // A plan leaves nothing behind in the project, not even for a moment.
    let folder = run.is_run().then(|| run.store.root());
    listing::list(run.pipeline, folder, run.cancel).map(Some)
}

/// Why recordings are generated.
pub(super) fn why_generate(run: &PipelineRun) -> StaleReason {
    match run.store.has_run(&TaskId::Ingest.to_string()) {
        true => StaleReason::Output {
            path: "the generated recordings".into(),
            problem: "differs",
        },
        false => StaleReason::NeverRan,
    }
}

/// The ingest, and after it the windows where there are any.
pub(super) fn ingest<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    _: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let settings = move || {
        run.identity(Stage::Ingest, run.pipeline.corpus.key(), [])
            .map(Some)
    };
    let node = match &known.corpus {
        Some((listing, sources)) => {
            let task = move |_: &Upstream| ingest_task(run, listing, sources);
            Node::new(TaskId::Ingest, vec![], settings, task)
        }
        None => {
            let not_yet = |_: &Upstream| Err(Error::internal("the corpus is not listed"));
            Node::new(
                TaskId::Ingest,
                vec![TaskId::Generate.into()],
                settings,
                not_yet,
            )
        }
    };
    let ingest = Node {
        vital: true,
        ..node
    };
    Ok([ingest].into_iter().chain(windows::node(run)).collect())
}

fn ingest_task<'n>(
    run: &'n PipelineRun,
    listing: &'n Listing,
    sources: &'n Sources,
) -> Result<Task<'n>> {
    let fingerprint =
        move || listing::fingerprint(listing, sources, run.root(), &run.workers, run.cancel);
    let recordings = fingerprint()?;
    let identity = run.identity(
        Stage::Ingest,
        run.pipeline.corpus.key(),
        [("recordings", recordings.clone())],
    )?;
    let corpus = Corpus {
        listing,
        sources,
        root: run.root(),
        subset: run.pipeline.corpus.subset.as_ref(),
        published: ingest::published(&run.pipeline.corpus.kind),
    };
    // Features of windows are computed of these.
    let whole = run.pipeline.corpus.windows.is_none();
    let action = move |context: &Context| {
        let root = run.store.root();
        let probes = match run.is_plan() {
            true => Probes::peek(root),
            false => Probes::begin(root)?,
        };
        let logs = run.logs_of_new_sounds(whole, true)?;
        let logs = ingest::ingest(&corpus, probes, &run.workers, logs, context)?;
        run.rows.put(logs);
        match run.is_plan() || fingerprint()? == recordings {
            true => Ok(()),
            false => Err(ingest::changed(run.root())),
        }
    };
    let changes = move || listing::changes(sources, run.root(), run.store.root(), run.cancel);
    let detail = move |_: &str| {
        let described = changes().ok()?.describe();
        Some(described.unwrap_or_else(|| "labels or other metadata".to_owned()))
    };
    let preview = move || changes().is_ok_and(|changes| changes.to_open() <= PREVIEWED);
    Ok(Task {
        input_detail: Some(Box::new(detail)),
        preview: Some(Box::new(preview)),
        ..Task::new(TaskId::Ingest, identity, action)
    })
}

impl PipelineRun<'_> {
    /// The logs that new sounds are entered in as soon as they are decoded: those that a later
    /// stage of this run reads.
    pub(super) fn logs_of_new_sounds(&self, features: bool, sketches: bool) -> Result<Logs> {
        let mut logs = Logs::default();
        if self.is_run() && self.options.until > Stage::Ingest && features {
            logs = self.rows.take_all(&self.pipeline.features)?;
        }
        if self.is_run() && self.options.until >= Stage::Audit && sketches {
            logs.sketches = Some(self.rows.take_sketches()?);
        }
        Ok(logs)
    }
}

/// The features of each set, and of changed copies where experiments train on these.
pub(super) fn features<'n>(
    run: &'n PipelineRun,
    _: &'n Known,
    _: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let utterances = run.utterances();
    let of_set = |set: FeatureSet| Node {
        vital: true,
        ..Node::new(
            TaskId::Features(set),
            vec![utterances.into()],
            move || features_settings(run, set).map(Some),
            move |inputs| features_task(run, set, inputs),
        )
    };
    let sets = run.pipeline.features.sets.iter();
    Ok(sets
        .map(|set| of_set(*set))
        .chain(augment::nodes(run))
        .collect())
}

fn features_settings(run: &PipelineRun, set: FeatureSet) -> Result<Identity> {
    Ok(Identity {
        code_version: set.code_version(),
        ..run.identity(Stage::Features, run.pipeline.features.of(set), [])?
    })
}

/// Identity of the features of a set.
fn features_identity(run: &PipelineRun, set: FeatureSet, ingested: &Ingested) -> Result<Identity> {
    let mut identity = features_settings(run, set)?;
    identity
        .inputs
        .insert("utterances".to_owned(), ingested.summary.sounds.clone());
    if !set.is_computed_in_blocks() {
        let too_long = ingested.too_long(run.workers.budget())?;
        identity
            .inputs
            .extend(too_long.map(|(name, hash)| (name.to_owned(), hash)));
    }
    Ok(identity)
}

fn features_task<'n>(run: &'n PipelineRun, set: FeatureSet, inputs: &Upstream) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let identity = features_identity(run, set, &ingested)?;
    let action = move |context: &Context| {
        extract::extract(
            set,
            computed_together(run, set, &ingested)?,
            &ingested,
            run.root(),
            &run.workers,
            &run.rows,
            context,
        )
    };
    Ok(Task {
        names_inputs: true,
        ..Task::new(TaskId::Features(set), identity, action)
    })
}

/// The logs of the sets after this one that are due as well, and of sketches: one decoding is
/// enough for all.
fn computed_together(run: &PipelineRun, set: FeatureSet, ingested: &Ingested) -> Result<Logs> {
    let sets = &run.pipeline.features.sets;
    let mut due = Vec::new();
    for later in sets.iter().skip_while(|one| **one != set).skip(1) {
        let identity = features_identity(run, *later, ingested)?;
        let task = Task::new(TaskId::Features(*later), identity, |_: &Context| Ok(()));
        if let Status::Stale { .. } = run.store.status(&task)? {
            due.push(*later);
        }
    }
    let mut logs = run.rows.take_sets(&due, &run.pipeline.features)?;
    // The audit compares whole utterances.
    if run.pipeline.corpus.windows.is_none() {
        logs.sketches = run.logs_of_new_sounds(false, true)?.sketches;
    }
    Ok(logs)
}

/// The audit. Copies of recordings are copies of all of their windows.
pub(super) fn audit<'n>(run: &'n PipelineRun, _: &'n Known, _: &Outputs) -> Result<Vec<Node<'n>>> {
    let settings = move || run.identity(Stage::Audit, serde_json::json!({}), []);
    let task = move |inputs: &Upstream| {
        let ingested = Ingested::of(inputs.get(&TaskId::Ingest.to_string())?.clone())?;
        // Of ids, places and sounds, like features: a label makes no copy.
        let mut identity = settings()?;
        identity
            .inputs
            .insert("utterances".to_owned(), ingested.summary.sounds.clone());
        let action = move |context: &Context| {
            audit::audit(&ingested, run.root(), &run.rows, &run.workers, context)
        };
        Ok(Task::new(TaskId::Audit, identity, action))
    };
    let settings = move || settings().map(Some);
    Ok(vec![Node {
        vital: true,
        ..Node::new(TaskId::Audit, vec![TaskId::Ingest.into()], settings, task)
    }])
}

/// Where a recording does not sound as the ingest says, forgets the ingest and all that was
/// noted of recordings: the next run opens them anew, and does not come to the same end.
pub(super) fn distrust(run: &PipelineRun, error: Error, outputs: &Outputs) -> Error {
    if !run.is_run() || !error.has_cause::<Contradiction>() {
        return error;
    }
    let root = run.store.root();
    let forgotten = [root.to_owned(), root.join(WINDOWS)]
        .iter()
        .try_for_each(|folder| probes::forget(folder));
    let discarded = [TaskId::Ingest, TaskId::Windows]
        .iter()
        .filter_map(|id| outputs.ready(&id.to_string()))
        .try_for_each(|ingested| run.store.discard(ingested));
    forgotten.and(discarded).err().unwrap_or(error)
}
