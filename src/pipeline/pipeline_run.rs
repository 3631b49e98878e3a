//! What all stages of a run or plan work with, what a caller may choose besides the pipeline file,
//! and whose the folders of results are: two pipeline files of one name would write over each
//! other's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::heard;
use super::inputs::TableCache;
use super::left_out::{LeftOut, left_out, runnable};
use super::rows::Rows;
use super::stage::{Stage, TaskId};
use super::suspects;
use super::workers::Workers;
use crate::audio::Condition;
use crate::cancel::Cancel;
use crate::config::{self, Experiment, Pipeline, split_variant};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::{Inventory, relative};
use crate::orchestrator::{Event, Identity, Limits, Mode, Observer, Owner, Store};

/// Where things lie and how much is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `tables/`, `models/` and `cache/`.
    pub data_dir: PathBuf,
    /// Gets a folder per pipeline.
    pub reports_dir: PathBuf,
    /// The last stage to run.
    pub until: Stage,
    /// Names of the experiments to run; empty: those that the pipeline marks as default.
    pub experiments: Vec<String>,
    /// Whether the models of these experiments are asked what they lean on, whatever the pipeline
    /// file says.
    pub explain: bool,
    /// The conditions under which the models of these experiments are tested as well.
    pub stress: Vec<Condition>,
    /// How tasks are run; each stage uses as many threads as there are tasks side by side.
    pub limits: Limits,
    /// Who runs them, for others that have to wait.
    pub owner: Owner,
    /// Whether to wait for another process that works on the same pipeline; without it, that is an
    /// error.
    pub wait: bool,
}

impl Options {
    /// Where the cache of a pipeline lies.
    pub fn store(&self, pipeline: &str) -> PathBuf {
        self.data_dir.join("cache").join(pipeline)
    }
}

/// A pipeline that is run or planned.
pub(super) struct PipelineRun<'a> {
    pub pipeline: &'a Pipeline,
    pub options: &'a Options,
    pub cancel: &'a Cancel,
    pub observer: &'a dyn Observer,
    pub store: Store,
    pub workers: Workers,
    pub rows: Rows,
    /// The tables of features that trainings share.
    pub tables: TableCache,
    pub mode: Mode,
    /// The experiments that are run; none where only tables are wanted.
    pub chosen: Vec<&'a Experiment>,
    /// The experiments that would run, but for an optional encoder that is not there.
    pub left_out: Vec<LeftOut>,
    /// The sets of features that are looked at: all, but for those of encoders and imports that no
    /// chosen experiment needs and that cannot be used.
    pub sets: Vec<FeatureSet>,
}

impl<'a> PipelineRun<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        options: &'a Options,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
        mode: Mode,
    ) -> Result<Self> {
        let root = options.store(&pipeline.name);
        let workers = Workers::new(options.limits.jobs, &pipeline.features)?
            .within(options.limits.memory, cancel);
        // A plan leaves nothing in the project, not even for a moment.
        let workers = workers.in_folder((mode != Mode::Plan).then(|| root.clone()));
        // Others work in a shared store as well.
        let workers = workers.named_in((mode == Mode::Run).then(|| root.clone()));
        let (chosen, left_out) = match options.until > Stage::Features {
            true => (
                runnable(pipeline, &options.experiments)?,
                left_out(pipeline, &options.experiments),
            ),
            false => (vec![], vec![]),
        };
        let rows = Rows::at(&root);
        let store = match mode {
            Mode::Only(_) => Store::shared(root),
            Mode::Run | Mode::Plan => Store::at(root),
        };
        let sets = looked_at(pipeline, &would_run(pipeline, options, &chosen));
        Ok(PipelineRun {
            pipeline,
            options,
            cancel,
            observer,
            store: store.of_variant(pipeline.variant.as_deref()),
            workers,
            rows,
            tables: TableCache::default(),
            mode,
            chosen,
            left_out,
            sets,
        })
    }

    /// The experiments that are run; where only tables are wanted, those that would be.
    pub(super) fn would_run(&self) -> Vec<&'a Experiment> {
        would_run(self.pipeline, self.options, &self.chosen)
    }

    /// Whether a set is computed where it is out of date: every set, but of encoders those that the
    /// experiments need, unless these will be refused for their encoder.
    pub(super) fn wants(&self, set: FeatureSet) -> bool {
        let needs =
            |one: &&Experiment| one.inputs.set == set && heard::check(self.pipeline, one).is_ok();
        !set.is_of_encoder() || self.would_run().iter().any(needs)
    }

    pub(super) fn is_plan(&self) -> bool {
        self.mode == Mode::Plan
    }

    pub(super) fn is_run(&self) -> bool {
        self.mode == Mode::Run
    }

    pub(super) fn is_chosen(&self, experiment: &Experiment) -> bool {
        self.chosen.iter().any(|one| one.name == experiment.name)
    }

    /// The experiments that are looked at: all, or the one of a single training.
    pub(super) fn experiments(&self) -> impl Iterator<Item = &'a Experiment> {
        let is_single = matches!(self.mode, Mode::Only(_));
        let experiments = self.pipeline.experiments.iter();
        experiments.filter(move |one| !is_single || self.is_chosen(one))
    }

    /// The folder of the recordings.
    pub(super) fn root(&self) -> &'a Path {
        self.pipeline.corpus.kind.root()
    }

    /// The task whose utterances the features are of.
    pub(super) fn utterances(&self) -> TaskId<'static> {
        match self.pipeline.corpus.windows {
            Some(_) => TaskId::Windows,
            None => TaskId::Ingest,
        }
    }

    /// The tasks of all feature sets.
    pub(super) fn features(&self) -> Vec<String> {
        let sets = self.sets.iter();
        sets.map(|set| TaskId::Features(*set).into()).collect()
    }

    /// The identity of a task of a stage.
    pub(super) fn identity<const N: usize>(
        &self,
        stage: Stage,
        params: impl serde::Serialize,
        inputs: [(&str, String); N],
    ) -> Result<Identity> {
        let mut inputs: BTreeMap<String, String> = inputs
            .into_iter()
            .map(|(name, hash)| (name.to_owned(), hash))
            .collect();
        if matches!(stage, Stage::Ingest | Stage::Features) {
            inputs.extend(
                suspects::exclusions(self.store.root())
                    .map(|hash| ("excluded after ends of the process".to_owned(), hash)),
            );
        }
        Ok(Identity {
            stage: stage.name().into(),
            code_version: stage.code_version(),
            params: serde_json::to_value(params)
                .map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?,
            inputs,
        })
    }

    /// Tells that an experiment fails before any of it is trained.
    pub(super) fn tell_failure(&self, experiment: &Experiment, error: &Error) {
        self.observer.observe(Event::TaskFailed {
            task: format!("{}/{}", Stage::Train.name(), experiment.name),
            error: error.to_string(),
            hint: error.hint_text().map(str::to_owned),
        });
    }
}

fn would_run<'a>(
    pipeline: &'a Pipeline,
    options: &Options,
    chosen: &[&'a Experiment],
) -> Vec<&'a Experiment> {
    match options.until {
        Stage::Features => runnable(pipeline, &options.experiments).unwrap_or_default(),
        _ => chosen.to_vec(),
    }
}

fn looked_at(pipeline: &Pipeline, would_run: &[&Experiment]) -> Vec<FeatureSet> {
    let features = &pipeline.features;
    let is_there = |set: FeatureSet| match (features.encoder(set), features.import(set)) {
        (Some(source), _) => source.describe().is_ok(),
        (_, Some(import)) => import.is_there(),
        _ => true,
    };
    let is_looked_at =
        |set: &&FeatureSet| would_run.iter().any(|one| one.inputs.set == **set) || is_there(**set);
    features.sets.iter().filter(is_looked_at).copied().collect()
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
