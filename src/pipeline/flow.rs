//! The order of the stages; `plan` and `run` are the same walk, so that what runs is what was planned.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::evaluate::{self, SECTION};
use super::extract;
use super::ingest;
use super::line::ExperimentLine;
use super::options::{Options, Stage};
use super::publish::{self, Published};
use super::report;
use super::split::{self, Folds};
use super::train::{self, Job};
use crate::cancel::Cancel;
use crate::config::{Experiment, Pipeline};
use crate::corpus::{Listing, SetAside, Utterance};
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Context, Event, Finished, Identity, Lock, Observer, Status, Store, Task, Why, execute};
use crate::report::ExperimentSection;
use crate::table;

/// One line of a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PlanLine {
    /// Task id, or a stage whose tasks are not known yet (`train/quick/…`).
    pub task: String,
    /// Why it runs; empty where its output is used again.
    pub why: Vec<Why>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors of single experiments; the rest went on.
    pub failures: Vec<Error>,
    /// Where the report lies, where one was written.
    pub report: Option<std::path::PathBuf>,
    /// What came of each experiment.
    pub results: Vec<ExperimentLine>,
}

/// Says what [`run`] would do, without doing it.
///
/// # Errors
/// As [`run`], as far as they can be known beforehand.
pub fn plan(pipeline: &Pipeline, options: &Options, cancel: &Cancel, observer: &dyn Observer) -> Result<Vec<PlanLine>> {
    let walk = Walk::new(pipeline, options, cancel, observer, true)?;
    walk.run()?;
    Ok(walk.lines.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs a pipeline up to the chosen stage.
///
/// # Errors
/// Whatever stops all experiments: a missing corpus ([`Kind::Missing`], after a report that says so was written), unusable data, a file
/// system that refuses, an interruption. What fails for one experiment alone is in the outcome.
pub fn run(pipeline: &Pipeline, options: &Options, cancel: &Cancel, observer: &dyn Observer) -> Result<Outcome> {
    observer.observe(Event::PipelineStarted { pipeline: pipeline.name.clone() });
    let walk = Walk::new(pipeline, options, cancel, observer, false)?;
    let _lock = Lock::take(walk.store.root())?;
    walk.store.sweep()?;
    match walk.run() {
        Err(error) if error.kind() == Kind::Missing && options.until == Stage::Report => {
            let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
            report::write_missing(pipeline, format!("{error}{hint}"), &options.reports_dir)?;
            Err(error)
        }
        other => other,
    }
}

struct Walk<'a> {
    pipeline: &'a Pipeline,
    options: &'a Options,
    cancel: &'a Cancel,
    observer: &'a dyn Observer,
    store: Store,
    pool: rayon::ThreadPool,
    planning: bool,
    lines: Mutex<Vec<PlanLine>>,
}

/// A task that is done, or one that only a run would do.
type Step = Result<Option<Finished>>;

impl<'a> Walk<'a> {
    fn new(pipeline: &'a Pipeline, options: &'a Options, cancel: &'a Cancel, observer: &'a dyn Observer, planning: bool) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs)
            .build()
            .map_err(|e| Error::internal("failed to start worker threads").because(e))?;
        let store = Store::at(options.data_dir.join("cache").join(&pipeline.name));
        Ok(Walk { pipeline, options, cancel, observer, store, pool, planning, lines: Mutex::default() })
    }

    fn root(&self) -> &'a std::path::Path {
        self.pipeline.corpus.kind.root()
    }

    /// Runs tasks side by side, or looks what would run.
    fn wave(&self, stage: Stage, tasks: &[Task]) -> Vec<Step> {
        if !self.planning {
            self.observer.observe(Event::StageStarted { stage: stage.name().into(), tasks: tasks.len() });
            return execute(&self.store, tasks, self.options.jobs, self.cancel, self.observer).into_iter().map(|r| r.map(Some)).collect();
        }
        tasks
            .iter()
            .map(|task| {
                let (why, finished) = match self.store.status(&task.id, &task.identity) {
                    Status::Fresh(finished) => (vec![], Some(finished)),
                    Status::Stale(why) => (why, None),
                };
                self.line(task.id.clone(), why);
                Ok(finished)
            })
            .collect()
    }

    fn single(&self, stage: Stage, task: Task) -> Step {
        self.wave(stage, &[task]).pop().unwrap_or(Ok(None))
    }

    fn line(&self, task: impl Into<String>, why: Vec<Why>) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(PlanLine { task: task.into(), why });
    }

    /// The reason for what follows from anything that runs.
    fn first_stale(&self) -> Option<Why> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().rev().find(|line| !line.why.is_empty())?;
        Some(Why::Upstream { stage: line.task.split('/').next().unwrap_or(&line.task).to_owned() })
    }

    /// Adds a line for what waits for `stage`.
    fn waits(&self, task: impl Into<String>, stage: Stage) {
        if self.planning {
            self.line(task, vec![Why::Upstream { stage: stage.name().into() }]);
        }
    }

    fn wait_for(&self, stage: Stage) {
        for later in Stage::ALL.into_iter().filter(|s| *s > stage && *s <= self.options.until) {
            self.waits(format!("{}/…", later.name()), stage);
        }
    }

    fn identity<const N: usize>(&self, stage: Stage, params: impl serde::Serialize, inputs: [(&str, String); N]) -> Result<Identity> {
        Ok(Identity {
            stage: stage.name().into(),
            code_version: stage.code_version(),
            params: serde_json::to_value(params).map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?,
            inputs: inputs.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect(),
        })
    }

    fn run(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        // Tables need no experiment.
        let chosen = if self.options.until > Stage::Features { self.pipeline.select(&self.options.experiments)? } else { vec![] };
        if self.planning && ingest::must_generate(self.pipeline) {
            self.line("generate", vec![Why::NeverRan]);
            self.waits("ingest", Stage::Ingest);
            self.wait_for(Stage::Ingest);
            return Ok(outcome);
        }
        if !self.planning {
            ingest::generate(self.pipeline, &self.pool, self.cancel, self.observer)?;
        }
        let listing = ingest::list(self.pipeline)?;
        let Some(ingested) = self.ingest(&listing)? else {
            self.wait_for(Stage::Ingest);
            return Ok(outcome);
        };
        let utterances = table::utterances::read(&ingested.path(ingest::UTTERANCES))?;
        let listing: Listing = ingest::from_json(&ingested.path(ingest::LISTING))?;
        let tables = self.options.data_dir.join("tables").join(&self.pipeline.name);
        if self.options.until == Stage::Ingest {
            if !self.planning {
                publish::base_tables(&tables, &ingested, None)?;
            }
            return Ok(outcome);
        }
        let Some(extracted) = self.extract(&utterances)? else {
            self.wait_for(Stage::Features);
            return Ok(outcome);
        };
        let late: Vec<SetAside> = ingest::from_json(&extracted.path(extract::SET_ASIDE))?;
        if !self.planning {
            publish::base_tables(&tables, &ingested, Some(&extracted))?;
            self.tell(&listing, &utterances, &late);
        }
        if self.options.until == Stage::Features {
            return Ok(outcome);
        }
        let (features, _) = table::features::read(&extracted.path(extract::FEATURES))?;
        let usable: BTreeSet<&str> = features.ids.iter().map(String::as_str).collect();
        let utterances: Vec<Utterance> = utterances.into_iter().filter(|u| usable.contains(u.source.id.as_str())).collect();

        let experiments = self.experiments(&chosen, &utterances, &extracted, &mut outcome)?;
        let published: Vec<Published> = experiments
            .iter()
            .filter_map(|e| {
                let split = e.split.as_ref()?;
                Some(Published { name: &e.experiment.name, split, trained: &e.trained, evaluated: e.evaluated.as_ref() })
            })
            .collect();
        let sections: Vec<ExperimentSection> = experiments
            .iter()
            .filter_map(|e| match &e.evaluated {
                Some(done) => Some(ingest::from_json(&done.path(SECTION)).map(|mut section: ExperimentSection| {
                    section.title.clone_from(&e.experiment.title);
                    section
                })),
                None => e.failed.as_ref().map(|why| Ok(evaluate::failed_section(e.experiment, e.folds.as_ref(), why.clone()))),
            })
            .collect::<Result<_>>()?;
        if self.planning {
            if self.options.until == Stage::Report {
                self.line("report", self.first_stale().into_iter().collect());
            }
            return Ok(outcome);
        }
        publish::experiment_tables(&tables, &published)?;
        for experiment in &published {
            publish::models(&self.options.data_dir.join("models").join(&self.pipeline.name), experiment)?;
        }
        outcome.results = sections.iter().map(ExperimentLine::of).collect();
        if self.options.until == Stage::Report {
            let corpus = report::corpus_section(&listing, &utterances, late)?;
            report::write(&report::assemble(self.pipeline, Some(corpus), None, sections), &self.options.reports_dir)?;
            outcome.report = Some(self.options.reports_dir.join(&self.pipeline.name).join("index.html"));
        }
        Ok(outcome)
    }

    fn ingest(&self, listing: &Listing) -> Step {
        let probes = self.store.root().join("probes.json");
        let identity =
            self.identity(Stage::Ingest, self.pipeline.corpus.parameters(), [("recordings", ingest::fingerprint(listing, self.root())?)])?;
        let action = |context: &Context| ingest::ingest(listing.clone(), self.root(), &probes, &self.pool, context);
        self.single(Stage::Ingest, Task { id: "ingest".into(), identity, action: Box::new(action) })
    }

    fn extract(&self, utterances: &[Utterance]) -> Step {
        let settings = &self.pipeline.features;
        let identity = self.identity(Stage::Features, settings, [("utterances", extract::fingerprint(utterances))])?;
        let action = |context: &Context| extract::extract(utterances, self.root(), settings, &self.pool, context);
        self.single(Stage::Features, Task { id: "features".into(), identity, action: Box::new(action) })
    }

    /// Splits, trains and evaluates. Experiments that were not chosen stand in the report if all of their outputs are there.
    fn experiments(
        &self,
        chosen: &[&'a Experiment],
        utterances: &[Utterance],
        extracted: &Finished,
        outcome: &mut Outcome,
    ) -> Result<Vec<Running<'a>>> {
        let mut running: Vec<Running> = Vec::new();
        for experiment in &self.pipeline.experiments {
            let is_chosen = chosen.iter().any(|e| e.name == experiment.name);
            let one = self.split(experiment, is_chosen, utterances);
            match one {
                Ok(Some(one)) => running.push(one),
                Ok(None) => {}
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    running.push(Running::failed(experiment, &error));
                    outcome.failures.push(error);
                }
            }
        }
        if self.options.until == Stage::Split {
            return Ok(running);
        }
        self.train(&mut running, utterances, extracted, outcome)?;
        if self.options.until > Stage::Train {
            self.evaluate(&mut running, utterances, outcome)?;
        }
        Ok(running)
    }

    fn split(&self, experiment: &'a Experiment, chosen: bool, utterances: &[Utterance]) -> Result<Option<Running<'a>>> {
        let mut params = experiment.split_parameters();
        params.insert("experiment".into(), experiment.name.clone());
        let identity = self.identity(Stage::Split, params, [("utterances", split::fingerprint(utterances))])?;
        let id = format!("split/{}", experiment.name);
        let done = if chosen {
            let action = |context: &Context| split::split(utterances, experiment, context);
            let done = self.single(Stage::Split, Task { id, identity, action: Box::new(action) })?;
            if done.is_none() && self.options.until > Stage::Split {
                self.waits(format!("train/{}/…", experiment.name), Stage::Split);
                self.waits(format!("evaluate/{}", experiment.name), Stage::Split);
            }
            done
        } else {
            self.finished(&id, &identity)
        };
        let Some(done) = done else { return Ok(None) };
        let folds = split::read(&done.folder, utterances)?;
        Ok(Some(Running { experiment, chosen, split: Some(done), folds: Some(folds), ..Running::default_for(experiment) }))
    }

    fn finished(&self, id: &str, identity: &Identity) -> Option<Finished> {
        match self.store.status(id, identity) {
            Status::Fresh(finished) => Some(finished),
            Status::Stale(_) => None,
        }
    }

    /// One wave over all folds and seeds of all experiments, so that no core waits for the end of an experiment.
    fn train(&self, running: &mut Vec<Running<'a>>, utterances: &[Utterance], extracted: &Finished, outcome: &mut Outcome) -> Result<()> {
        let features = extracted.hash(extract::FEATURES)?;
        let mut tasks = Vec::new();
        let mut owners = Vec::new();
        for (owner, one) in running.iter().enumerate() {
            let Some(folds) = &one.folds else { continue };
            let experiment = one.experiment;
            for fold in &folds.folds {
                for &seed in &experiment.seeds {
                    let params = serde_json::json!({
                        "pipeline": self.pipeline.name, "corpus": self.pipeline.corpus.name,
                        "experiment": experiment.name, "protocol": experiment.protocol.name(),
                        "fold": fold.index, "fold_name": fold.name, "seed": seed, "model": experiment.model_parameters(),
                    });
                    let inputs = [("features", features.clone()), ("fold", train::fingerprint(fold, utterances))];
                    let identity = self.identity(Stage::Train, params, inputs)?;
                    let job = Job { pipeline: self.pipeline, experiment, features: &extracted.folder, utterances, fold, seed };
                    tasks.push(Task {
                        id: format!("train/{}/fold-{:02}-seed-{seed}", experiment.name, fold.index),
                        identity,
                        action: Box::new(move |context: &Context| train::train(&job, context)),
                    });
                    owners.push(owner);
                }
            }
        }
        let (mut wanted, mut wanted_owners) = (Vec::new(), Vec::new());
        let mut results: Vec<(usize, Step)> = Vec::new();
        let (mut stuck, mut said) = (BTreeSet::new(), BTreeSet::new());
        for (task, owner) in tasks.into_iter().zip(owners) {
            if !running[owner].chosen {
                results.push((owner, Ok(self.finished(&task.id, &task.identity))));
            } else if !stuck.contains(&owner) {
                match self.open_device(running[owner].experiment, &task, &mut said) {
                    Ok(()) => {
                        wanted.push(task);
                        wanted_owners.push(owner);
                    }
                    Err(error) => {
                        let task = format!("train/{}", running[owner].experiment.name);
                        let hint = error.hint_text().map(str::to_owned);
                        self.observer.observe(Event::TaskFailed { task, error: error.to_string(), hint });
                        stuck.insert(owner);
                        results.push((owner, Err(error)));
                    }
                }
            }
        }
        results.extend(wanted_owners.into_iter().zip(self.wave(Stage::Train, &wanted)));
        drop(wanted);
        for (owner, result) in results {
            let one = &mut running[owner];
            match result {
                Ok(Some(finished)) => one.trained.push(finished),
                Ok(None) => one.complete = false,
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    one.complete = false;
                    one.failed.get_or_insert_with(|| error.to_string());
                    outcome.failures.push(error);
                }
            }
        }
        running.retain(|one| one.chosen || one.complete);
        Ok(())
    }

    /// Tries the device of a task that is going to run, so that one that is not there is said once and not by every fold.
    fn open_device(&self, experiment: &Experiment, task: &Task, said: &mut BTreeSet<String>) -> Result<()> {
        let device = experiment.train.device;
        if self.planning || !experiment.has_epochs() || !device.is_gpu() || self.finished(&task.id, &task.identity).is_some() {
            return Ok(());
        }
        if let Some(hardware) = device.hardware()? {
            let line = format!("networks are trained on {} ({hardware})", device.name());
            if said.insert(line.clone()) {
                self.observer.note(line);
            }
        }
        Ok(())
    }

    fn evaluate(&self, running: &mut Vec<Running<'a>>, utterances: &[Utterance], outcome: &mut Outcome) -> Result<()> {
        for one in running.iter_mut() {
            let (Some(folds), true) = (&one.folds, one.complete && one.failed.is_none()) else {
                if one.failed.is_none() && one.folds.is_some() {
                    self.waits(format!("evaluate/{}", one.experiment.name), Stage::Train);
                }
                continue;
            };
            let mut inputs: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
            for finished in &one.trained {
                inputs.insert(format!("{} predictions", finished.task), finished.hash(train::PREDICTIONS)?);
                inputs.insert(format!("{} history", finished.task), finished.hash(train::FOLD)?);
            }
            inputs.insert("utterances".into(), split::fingerprint(utterances));
            if let Some(split) = &one.split {
                inputs.insert("folds".into(), split.hash(split::ABOUT)?);
            }
            let params = serde_json::json!({
                "experiment": one.experiment.name, "protocol": one.experiment.protocol.name(),
                "model": one.experiment.model.describe(), "seeds": one.experiment.seeds,
            });
            let identity = Identity { inputs, ..self.identity(Stage::Evaluate, params, [])? };
            let id = format!("evaluate/{}", one.experiment.name);
            let step = if one.chosen {
                let action = |context: &Context| evaluate::evaluate(one.experiment, utterances, folds, &one.trained, context);
                self.single(Stage::Evaluate, Task { id, identity, action: Box::new(action) })
            } else {
                Ok(self.finished(&id, &identity))
            };
            match step {
                Ok(finished) => one.evaluated = finished,
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    one.failed = Some(error.to_string());
                    outcome.failures.push(error);
                }
            }
        }
        Ok(())
    }

    /// A few lines for people about what was found.
    fn tell(&self, listing: &Listing, utterances: &[Utterance], late: &[SetAside]) {
        let minutes: f64 = utterances.iter().map(|u| u.duration_s).sum::<f64>() / 60.0;
        let usable = utterances.len() - late.len();
        self.observer.note(format!("{}: {usable} utterances, {minutes:.1} minutes", listing.corpus));
        if let Some(expected) = listing.expected.as_ref().filter(|e| e.utterances != usable) {
            self.observer.note(format!("       {usable} of {} utterances ({})", expected.utterances, expected.source));
        }
        let mut reasons: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for one in listing.set_aside.iter().chain(late) {
            *reasons.entry(one.reason.describe()).or_default() += 1;
        }
        for (reason, count) in reasons {
            self.observer.note(format!("       set aside: {count} ({reason})"));
        }
        for one in listing.set_aside.iter().chain(late).filter(|s| s.reason == crate::corpus::Reason::BadAudio).take(5) {
            self.observer.warn(format!("{} is set aside: {}", one.path, one.detail));
        }
    }
}

/// An experiment on its way through the stages.
struct Running<'a> {
    experiment: &'a Experiment,
    chosen: bool,
    split: Option<Finished>,
    folds: Option<Folds>,
    trained: Vec<Finished>,
    complete: bool,
    evaluated: Option<Finished>,
    failed: Option<String>,
}

impl<'a> Running<'a> {
    fn default_for(experiment: &'a Experiment) -> Self {
        Running { experiment, chosen: true, split: None, folds: None, trained: vec![], complete: true, evaluated: None, failed: None }
    }

    fn failed(experiment: &'a Experiment, error: &Error) -> Self {
        let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
        Running { failed: Some(format!("{error}{hint}")), complete: false, ..Running::default_for(experiment) }
    }
}

/// An interruption or a full disk concerns every experiment; anything else only its own.
fn stops_everything(error: &Error) -> bool {
    matches!(error.kind(), Kind::Interrupted | Kind::Io | Kind::Internal)
}
