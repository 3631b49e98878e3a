//! The tasks that open recordings: ingest, features and audit.

use std::collections::BTreeMap;

use serde::Serialize;

use super::audit;
use super::augment;
use super::extract;
use super::ingest::{self, Contradiction, Corpus, Ingested, LISTING, UTTERANCES};
use super::known::Known;
use super::listing;
use super::pipeline_run::PipelineRun;
use super::probes::{self, Probes};
use super::publish::{Publication, is_part, table_hash};
use super::rows::Logs;
use super::stage::{Stage, TaskId};
use super::windows::{self, Unit, WINDOWS};
use crate::audio::Windows;
use crate::audio::augment::{Copies, Variant};
use crate::corpus::{Listing, Reason, SetAside, Sorter, Sources};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::orchestrator::{
    Context, Failure, Identity, Node, Outputs, StaleReason, Status, Task, Upstream,
};
use crate::transform::{Layer, Pooling};

/// One recording excluded for so many that are usable is worth a warning.
const MANY_SET_ASIDE: usize = 20;

/// Recordings that a plan opens at most to look at what they hold now.
const PREVIEWED: usize = 256;

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
    check_layers(run)?;
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
    Ok([ingest].into_iter().chain(windows_node(run)).collect())
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

/// The task that cuts utterances into windows; nothing where the pipeline works on whole utterances.
fn windows_node<'n>(run: &'n PipelineRun) -> Option<Node<'n>> {
    let windows = run.pipeline.corpus.windows?;
    Some(Node {
        vital: true,
        ..Node::new(
            TaskId::Windows,
            vec![TaskId::Ingest.into()],
            move || windows_settings(run, windows).map(Some),
            move |inputs| windows_task(run, windows, inputs),
        )
    })
}

fn windows_settings(run: &PipelineRun, windows: Windows) -> Result<Identity> {
    #[derive(Serialize)]
    struct Key {
        windows: Windows,
    }
    run.identity(Stage::Ingest, Key { windows }, [])
}

fn windows_task<'n>(run: &'n PipelineRun, windows: Windows, inputs: &Upstream) -> Result<Task<'n>> {
    let whole = Ingested::of(inputs.get(&TaskId::Ingest.to_string())?.clone())?;
    let mut identity = windows_settings(run, windows)?;
    identity.inputs.insert(
        UTTERANCES.to_owned(),
        table_hash(&whole.finished, UTTERANCES)?,
    );
    identity
        .inputs
        .insert(LISTING.to_owned(), whole.finished.hash(LISTING)?);
    let few = whole.summary.utterances <= PREVIEWED as u64;
    let action = move |context: &Context| {
        let folder = run.store.root();
        let sources = windows::cut(&whole, windows, Sorter::new(run.is_run().then_some(folder)))?;
        let mut listing = Listing {
            expected: None,
            ..whole.listing.clone()
        };
        listing.notes.extend(
            Unit(Some(windows))
                .describe()
                .map(|what| format!("{what}, of {} utterances", whole.summary.utterances)),
        );
        let fingerprint =
            || listing::fingerprint(&listing, &sources, run.root(), &run.workers, run.cancel);
        let corpus = Corpus {
            listing: &listing,
            sources: &sources,
            root: run.root(),
            subset: None,
            published: vec![],
        };
        let folder = folder.join(WINDOWS);
        let probes = match run.is_plan() {
            true => Probes::peek(&folder),
            false => Probes::begin(&folder)?,
        };
        let before = fingerprint()?;
        // The audit compares whole utterances.
        let logs = run.logs_of_new_sounds(true, false)?;
        let logs = ingest::ingest(&corpus, probes, &run.workers, logs, context)?;
        run.rows.put(logs);
        match fingerprint()? == before {
            true => Ok(()),
            false => Err(ingest::changed(run.root())),
        }
    };
    Ok(Task {
        preview: Some(Box::new(move || few)),
        ..Task::new(TaskId::Windows, identity, action)
    })
}

impl PipelineRun<'_> {
    /// The logs that new sounds are entered in as soon as they are decoded: those that a later
    /// stage of this run reads.
    pub(super) fn logs_of_new_sounds(&self, features: bool, sketches: bool) -> Result<Logs> {
        let mut logs = Logs::default();
        if self.is_run() && self.options.until > Stage::Ingest && features {
            // Frames of encoders are too large for the many recordings that are open at a time.
            let keeps_frames = |set: FeatureSet| {
                let source = self.pipeline.features.encoder(set);
                source.is_some_and(|source| source.usage().frames.is_some())
            };
            let sets = self.sets.iter().copied();
            let sets =
                sets.filter(|set| self.wants(*set) && !set.is_imported() && !keeps_frames(*set));
            let sets: Vec<FeatureSet> = sets.collect();
            self.workers.load_encoders(&sets)?;
            logs = self.rows.take_sets(&sets, &self.pipeline.features)?;
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
        wanted: run.wants(set),
        ..Node::new(
            TaskId::Features(set),
            vec![utterances.into()],
            move || features_settings(run, set).map(Some),
            move |inputs| features_task(run, set, inputs),
        )
    };
    Ok(run
        .sets
        .iter()
        .map(|set| of_set(*set))
        .chain(augment::nodes(run))
        .collect())
}

/// Refuses layers that an encoder does not have, before anything is computed.
fn check_layers(run: &PipelineRun) -> Result<()> {
    for experiment in run.would_run() {
        let Some(source) = run.pipeline.features.encoder(experiment.inputs.set) else {
            continue;
        };
        let description = source.describe()?;
        let layers = description.layers;
        let searched = experiment
            .search
            .as_ref()
            .map(|search| search.grid.layers());
        let tried = experiment
            .inputs
            .layer
            .iter()
            .chain(searched.unwrap_or_default());
        let is_beyond = |layer: &&Layer| matches!(layer, Layer::Number(number) if usize::from(*number) > layers);
        if let Some(layer) = tried.copied().collect::<Vec<_>>().iter().find(is_beyond) {
            let error = Error::config(format!(
                "experiment `{}` asks for layer {layer} of the encoder `{}`",
                experiment.name,
                source.name().as_str()
            ));
            return Err(error.hint(format!(
                "this encoder has the layers 0 to {layers}, and `last`"
            )));
        }
        let searched = experiment
            .search
            .as_ref()
            .map(|search| search.grid.poolings());
        let kept = source.usage().frames;
        if let Some(layer) = kept.filter(|layer| layer.of(description.layers + 1).is_none()) {
            let error = Error::config(format!(
                "the encoder `{}` has no layer {layer} whose frames could be kept",
                source.name().as_str()
            ));
            return Err(error.hint(format!(
                "this encoder has the layers 0 to {layers}, and `last`"
            )));
        }
        if kept.is_some() && !description.has_frames {
            let error = Error::config(format!(
                "the encoder `{}` gives one vector for a recording, and no frames",
                source.name().as_str()
            ));
            return Err(
                error.hint("remove `frames` from this [[encoder]], or choose another output")
            );
        }
        let mut tried = (experiment.inputs.pooling.iter()).chain(searched.unwrap_or_default());
        if let Some(pooling) =
            tried.find(|pooling| !description.has_frames && **pooling != Pooling::Mean)
        {
            let error = Error::config(format!(
                "experiment `{}` pools the encoder `{}` as `{pooling}`, but it gives one vector for a recording",
                experiment.name,
                source.name().as_str()
            ));
            return Err(error.hint("write pooling = \"mean\", which leaves a vector as it is"));
        }
    }
    Ok(())
}

fn features_settings(run: &PipelineRun, set: FeatureSet) -> Result<Identity> {
    if let Some(import) = run.pipeline.features.import(set) {
        return extract::imported_settings(run, set, import);
    }
    Ok(Identity {
        code_version: set.code_version(),
        ..run.identity(Stage::Features, run.pipeline.features.of(set)?, [])?
    })
}

/// Identity of the features of a set.
fn features_identity(run: &PipelineRun, set: FeatureSet, ingested: &Ingested) -> Result<Identity> {
    let mut identity = features_settings(run, set)?;
    let budget = (!set.is_computed_in_blocks()).then(|| run.workers.budget());
    ingested.enter(&mut identity, budget)?;
    Ok(identity)
}

fn features_task<'n>(run: &'n PipelineRun, set: FeatureSet, inputs: &Upstream) -> Result<Task<'n>> {
    if let Some(import) = run.pipeline.features.import(set) {
        return extract::imported_task(run, set, import, inputs);
    }
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
    let mut due = Vec::new();
    let later = run.sets.iter().skip_while(|one| **one != set).skip(1);
    for later in later.filter(|set| run.wants(**set) && !set.is_imported()) {
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

/// Where nothing is ingested yet, a plan knows the number of folds by the listing.
pub(super) fn after_ingest(
    run: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    result?;
    if outputs.ready(&run.utterances().to_string()).is_none() {
        known.count_listed()?;
    }
    known.corpus = None;
    Ok(vec![])
}

/// Closes the logs of features, and says what was found.
pub(super) fn after_features(
    run: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    result.map_err(|error| distrust(run, error, outputs))?;
    run.workers.rest();
    run.rows.close();
    known.note_set_aside(run, outputs)?;
    if run.is_run() {
        log_summary(run, known, outputs)?;
        extract::tell_imported(run, outputs)?;
    }
    Ok(vec![])
}

/// A few lines for people about what was found.
fn log_summary(run: &PipelineRun, known: &Known, outputs: &Outputs) -> Result<()> {
    let late = &known.without_features;
    let id = run.utterances().to_string();
    let Some(ingested) = outputs.ready(&id) else {
        return Ok(());
    };
    let Ingested {
        listing, summary, ..
    } = Ingested::of(ingested.clone())?;
    let minutes = summary.duration_s / 60.0;
    let usable = (summary.utterances as usize).saturating_sub(late.len());
    let what = Unit::of(run.pipeline)
        .describe()
        .unwrap_or_else(|| "utterances".to_owned());
    run.observer.note(format!(
        "{}: {usable} {what}, {minutes:.1} minutes",
        listing.corpus
    ));
    if let Some(expected) = listing.expected.as_ref().filter(|e| e.utterances != usable) {
        run.observer.note(format!(
            "       {usable} of {} utterances ({})",
            expected.utterances, expected.source
        ));
    }
    listing
        .warnings
        .iter()
        .for_each(|warning| run.observer.warn(warning.clone()));
    let mut reasons: BTreeMap<&str, (usize, &SetAside)> = BTreeMap::new();
    for one in listing.set_aside.iter().chain(late) {
        reasons.entry(one.reason.describe()).or_insert((0, one)).0 += 1;
    }
    for (reason, (count, first)) in reasons {
        let line = format!(
            "excluded: {count} ({reason}), such as {}: {}",
            first.path, first.detail
        );
        // So many that the corpus is hardly what was meant: told even where little is.
        if first.reason.is_mistake() && count * MANY_SET_ASIDE > usable {
            run.observer.warn(line);
        } else {
            run.observer.note(format!("       {line}"));
        }
    }
    for one in listing
        .set_aside
        .iter()
        .chain(late)
        .filter(|s| s.reason == Reason::BadAudio)
        .take(5)
    {
        run.observer
            .warn(format!("{} is excluded: {}", one.path, one.detail));
    }
    Ok(())
}

pub(super) fn publish_utterances(
    run: &PipelineRun,
    _: &Known,
    outputs: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let [tables, ..] = publication.folders.clone();
    match outputs.ready(&run.utterances().to_string()) {
        Some(ingested) => publication.table(&tables, ingested, UTTERANCES),
        None => Ok(()),
    }
}

/// The tables of features, those of changed copies among them, in the place of earlier ones.
pub(super) fn publish_features(
    run: &PipelineRun,
    _: &Known,
    outputs: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let [tables, ..] = &publication.folders.clone();
    let named = run.pipeline.features.sets.iter().copied();
    let named = named.filter(|set| set.is_named());
    let all: Vec<FeatureSet> = FeatureSet::ALL.into_iter().chain(named).collect();
    let augmented = augment::sets(&run.pipeline.experiments);
    let of_set = |set: &FeatureSet| {
        let copies = Variant::ALL.map(|variant| augment::variant_name(*set, variant));
        [extract::published_name(*set)].into_iter().chain(copies)
    };
    let known: Vec<String> = all.iter().flat_map(of_set).collect();
    // Tables of an encoder or import that the pipeline had once.
    let is_strange = |name: &str| {
        name.starts_with("features-") && !known.iter().any(|known| is_part(name, known))
    };
    publication.without_below(tables, is_strange);
    for set in all {
        let published = extract::published_name(set);
        match outputs.ready(&TaskId::Features(set).to_string()) {
            Some(done) => {
                publication.table_as(tables, done, extract::table_name(set), &published)?;
            }
            None if run.pipeline.features.sets.contains(&set) => {}
            None => publication.without_table(tables, &published),
        }
        let id = TaskId::Augmented(set).to_string();
        let kinds = augmented.get(&set).map_or(&[][..], Copies::kinds);
        for variant in Variant::ALL {
            let published = augment::variant_name(set, variant);
            match outputs.ready(&id) {
                _ if !kinds.contains(&variant) => publication.without_table(tables, &published),
                Some(done) => {
                    let table = augment::output_name(set, variant);
                    publication.table_as(tables, done, &table, &published)?;
                }
                None if outputs.has(&id) => {}
                None => publication.without_table(tables, &published),
            }
        }
    }
    Ok(())
}

pub(super) fn publish_audit(
    _: &PipelineRun,
    _: &Known,
    outputs: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let [tables, ..] = publication.folders.clone();
    match outputs.ready(&TaskId::Audit.to_string()) {
        Some(audited) => publication.table(&tables, audited, audit::DUPLICATES),
        None => Ok(()),
    }
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
