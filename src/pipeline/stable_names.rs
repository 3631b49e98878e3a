//! Publication as the last step of a run or plan: which outputs get which stable names, and whose
//! results the folders hold: two pipeline files of one name would write over each other's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::evaluate::METRICS;
use super::graph::{self, Stage, TaskId};
use super::ingest::UTTERANCES;
use super::known::Known;
use super::pipeline_run::{Options, PipelineRun};
use super::publish::Publication;
use super::report::{self, relative};
use super::split::SPLITS;
use super::tables::LEAKAGE;
use super::train::PREDICTIONS;
use super::{audit, augment, extract};
use crate::audio::augment::Variant;
use crate::config::{self, Pipeline, split_variant};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::Inventory;
use crate::model::artifact::Tested;
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
    let after = graph::last(planned);
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
        let [tables, models, reports] = publication.folders.clone();
        let ready = |id: TaskId| outputs.ready(&id.to_string());
        if let Some(ingested) = ready(run.utterances()) {
            publication.table(&tables, ingested, UTTERANCES)?;
        }
        if until >= Stage::Features {
            publication.features(run, outputs, &tables)?;
        }
        if let Some(audited) = ready(TaskId::Audit).filter(|_| until >= Stage::Audit) {
            publication.table(&tables, audited, audit::DUPLICATES)?;
        }
        if until <= Stage::Audit {
            return Ok(publication);
        }
        if let Some(done) = ready(TaskId::Tables) {
            publication.all(&tables, done, &[])?;
            let all = [SPLITS, LEAKAGE, PREDICTIONS, METRICS].into_iter();
            let others = all.filter(|name| done.hash(name).is_err());
            publication.without(others.map(|name| tables.join(name)));
        }
        let doubts = known
            .inputs
            .as_ref()
            .map(|inputs| inputs.doubts(run.pipeline));
        for one in known.experiments.iter().filter(|one| one.is_trained()) {
            let (Some(folds), Some(doubts)) = (&one.folds, &doubts) else {
                continue;
            };
            let tested = Tested {
                speakers: folds.speakers(doubts, None),
                guessed: doubts.guessed.to_vec(),
            };
            publication.models(&models.join(&one.experiment.name), &one.trained, &tested)?;
        }
        // No model stays of an experiment that is gone or has failed with its present settings.
        let has_failed = |name: &str| {
            let mut experiments = known.experiments.iter();
            experiments.any(|one| one.experiment.name == name && one.failed.is_some())
        };
        publication.without_below(&models, |name| has_failed(name) || !run.pipeline.has(name));
        if let Some(done) = ready(TaskId::Report) {
            publication.report(&reports, done, report::LAST)?;
        }
        Ok(publication)
    }

    /// The tables of features, those of changed copies among them, in the place of earlier ones.
    fn features(&mut self, run: &PipelineRun, outputs: &Outputs, tables: &Path) -> Result<()> {
        for set in FeatureSet::ALL {
            let published = extract::published_name(set);
            match outputs.ready(&TaskId::Features(set).to_string()) {
                Some(done) => {
                    self.table_as(tables, done, extract::table_name(set), &published)?;
                }
                None if run.pipeline.features.sets.contains(&set) => {}
                None => self.without_table(tables, &published),
            }
            let id = TaskId::Augmented(set).to_string();
            for variant in Variant::ALL {
                let published = augment::variant_name(set, variant);
                match outputs.ready(&id) {
                    Some(done) => {
                        let table = augment::output_name(set, variant);
                        self.table_as(tables, done, &table, &published)?;
                    }
                    None if outputs.has(&id) => {}
                    None => self.without_table(tables, &published),
                }
            }
        }
        Ok(())
    }
}

/// Folders that hold one for each pipeline and variant.
fn shelves(options: &Options) -> [PathBuf; 3] {
    [
        options.data_dir.join("tables"),
        options.data_dir.join("models"),
        options.reports_dir.clone(),
    ]
}

/// The folders of a pipeline or variant.
pub(super) fn folders(pipeline: &Pipeline, options: &Options) -> [PathBuf; 3] {
    shelves(options).map(|shelf| shelf.join(pipeline.full_name()))
}

/// Refuses a pipeline whose name is that of another file as well, if results of that one are there.
/// A file that was moved, or that has another name by now, is in nobody's way, nor is a copy.
///
/// # Errors
/// `Config` that names the other file; `Io` where a record cannot be read.
pub(super) fn check_owner(pipeline: &Pipeline, options: &Options) -> Result<()> {
    for shelf in shelves(options) {
        for entry in fs::read_dir(&shelf).into_iter().flatten().flatten() {
            let full_name = entry.file_name().to_string_lossy().into_owned();
            if split_variant(&full_name).0 != pipeline.name {
                continue;
            }
            let inventory = Inventory::read(&entry.path())?;
            if let Some((other, Claim::Rival)) = claim(&inventory, pipeline) {
                let error = Error::config(format!(
                    "{} and {} are both called `{}`, and {} holds results of the latter",
                    pipeline.file.display(),
                    other.display(),
                    pipeline.name,
                    entry.path().display()
                ));
                return Err(error.hint(
                    "change `name` in one of the two files, or keep their results apart: --data-dir and --reports-dir name other folders",
                ));
            }
        }
    }
    Ok(())
}

/// What another file has to do with the name of a pipeline.
enum Claim {
    /// It says the same.
    Copy,
    /// It is another pipeline of this name.
    Rival,
    /// It has another name by now.
    None,
}

/// The other pipeline file that a record names, where it still exists.
fn claim(inventory: &Inventory, pipeline: &Pipeline) -> Option<(PathBuf, Claim)> {
    let other = inventory.pipeline_file()?;
    let own = fs::canonicalize(&pipeline.file).ok()?;
    let text = config::read(&other).ok().filter(|_| other != own)?;
    let claim = match config::name_in(&text) {
        _ if text == pipeline.text => Claim::Copy,
        Some(name) if name != pipeline.name => Claim::None,
        // One that cannot be read as a pipeline may be meant as one.
        _ => Claim::Rival,
    };
    Some((other, claim))
}

/// Notes in a record which file its folder's results are of.
pub(super) fn note_owner(inventory: &mut Inventory, pipeline: &Pipeline) {
    if matches!(claim(inventory, pipeline), Some((_, Claim::Copy))) {
        return;
    }
    let way = |folder: &Path| {
        relative(
            &fs::canonicalize(folder).ok()?,
            &fs::canonicalize(&pipeline.file).ok()?,
        )
    };
    if let Some(way) = way(inventory.folder()) {
        inventory.set_pipeline_file(Some(way));
    }
}
