//! What was asked for, and the plan that follows from it.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::cluster::{Plan, Resources, Run, Stage};
use crate::config::{self, Pipeline, SlurmSettings, SlurmShare};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::hash_bytes;
use crate::orchestrator::{Limits, Observer, Owner, StaleReason};
use crate::pipeline::flow::lock;
use crate::pipeline::known::Known;
use crate::pipeline::left_out::runnable;
use crate::pipeline::listing;
use crate::pipeline::pipeline_run::Options;
use crate::pipeline::stage::{self, trainings};
use crate::pipeline::workers::Workers;

pub(super) const FEATURES: &str = "features";
pub(super) const PREPARE: &str = "prepare";
pub(super) const TRAIN: &str = "train";
pub(super) const REPORT: &str = "report";

/// Some forty seconds of one core for utterances of a few seconds.
const SHARD_SIZE: u32 = 20_000;
/// Slurm takes indices up to 1000 unless it is told otherwise.
const MOST_TASKS: u32 = 1_000;

/// Everything by which a task on another machine knows what to do: the pipeline file as it was, and
/// the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRequest {
    /// What messages call the pipeline file.
    pub file_name: String,
    /// Its text.
    pub text: String,
    /// As after `--set`.
    pub overrides: Vec<String>,
    /// Name of the variant that the overrides make, where they make one.
    #[serde(default)]
    pub variant: Option<String>,
    /// In place of data/corpora.
    pub corpora_dir: Option<PathBuf>,
    /// Names of the experiments to run; empty: the default ones.
    pub experiments: Vec<String>,
    /// Holds `tables/`, `models/`, `cache/` and `slurm/`.
    pub data_dir: PathBuf,
    /// Gets a folder per pipeline.
    pub reports_dir: PathBuf,
    /// How often a task is tried again after an error that may pass.
    pub retries: u32,
    /// Utterances of one shard.
    #[serde(default)]
    pub shard_size: u32,
    /// Ids of the trainings, and how many of them one task does.
    #[serde(default)]
    pub trainings: Vec<String>,
    /// See [`JobRequest::trainings`].
    #[serde(default)]
    pub trainings_per_task: u32,
}

/// Where tasks run.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// This program; absolute.
    pub program: &'a Path,
    /// The working directory of all tasks; absolute.
    pub folder: &'a Path,
}

impl JobRequest {
    /// Reads what was ordered with a plan.
    ///
    /// # Errors
    /// `Data` where the plan holds no such request.
    pub fn of(run: &Run) -> Result<JobRequest> {
        serde_json::from_value(run.plan().request.clone()).map_err(|e| {
            Error::data(format!(
                "the plan in {} holds no request of this version of ser",
                run.folder().display()
            ))
            .because(e)
        })
    }

    /// The pipeline as it was when the plan was made.
    pub fn pipeline(&self) -> Result<Pipeline> {
        config::parse_variant(
            &self.text,
            &self.file_name,
            &self.overrides,
            self.corpora_dir.as_deref(),
            self.variant.as_deref(),
        )
    }

    /// The sets of features that are computed: all, but of encoders those that the experiments need.
    pub(super) fn sets(&self, pipeline: &Pipeline) -> Result<Vec<FeatureSet>> {
        let chosen = runnable(pipeline, &self.experiments)?;
        let is_needed = |set: &&FeatureSet| match set {
            FeatureSet::Encoder(_) => chosen.iter().any(|one| one.inputs.set == **set),
            // One job reads a table faster than shards of it are put together.
            set => !set.is_imported(),
        };
        let sets = pipeline.features.sets.iter();
        Ok(sets.filter(is_needed).copied().collect())
    }

    /// The same options as those of a run on one machine.
    pub fn options(&self, jobs: usize, memory: Option<u64>, owner: Owner) -> Options {
        Options {
            explain: false,
            stress: vec![],
            data_dir: self.data_dir.clone(),
            reports_dir: self.reports_dir.clone(),
            until: stage::Stage::Report,
            experiments: self.experiments.clone(),
            limits: Limits {
                jobs,
                memory,
                retries: self.retries,
                time_limit: None,
                keep_going: true,
            },
            owner,
            wait: true,
        }
    }
}

/// Makes the plan of a pipeline; generates a corpus that is to be generated, unless `look_only`.
/// `options` are those of [`JobRequest::options`].
///
/// # Errors
/// `Missing` where the corpus is not there; as [`crate::pipeline::run`] otherwise.
pub fn plan(
    mut request: JobRequest,
    settings: &SlurmSettings,
    place: &Place,
    options: &Options,
    look_only: bool,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Plan> {
    let pipeline = request.pipeline()?;
    let chosen = runnable(&pipeline, &request.experiments)?;
    generate(&pipeline, options, look_only, cancel, observer)?;
    let mut known = Known {
        corpus: Some(listing::list(&pipeline, None, cancel)?),
        ..Known::default()
    };
    known.count_listed()?;
    let (speakers, sessions) = known.listed;
    let recordings = known.corpus.map_or(0, |(_, sources)| sources.len());
    let smallest = u32::try_from(recordings.div_ceil(u64::from(MOST_TASKS))).unwrap_or(u32::MAX);
    request.shard_size = settings.shard_size.unwrap_or(SHARD_SIZE).max(smallest);
    let shards =
        u32::try_from(recordings.div_ceil(u64::from(request.shard_size))).unwrap_or(MOST_TASKS);
    request.trainings.clear();
    for experiment in chosen {
        let folds = experiment.protocol.expected_folds(speakers, sessions);
        request
            .trainings
            .extend(trainings(experiment, 0..folds).map(String::from));
    }
    let trainings = u32::try_from(request.trainings.len()).unwrap_or(u32::MAX);
    request.trainings_per_task = trainings.div_ceil(MOST_TASKS).max(1);
    let id = unlike_any_other(&pipeline.full_name(), place.folder);
    let run_folder = place.folder.join(&request.data_dir).join("slurm").join(&id);
    let stage = |name: &str, count: u32, after: Option<&str>| -> Result<Stage> {
        let words = [
            place.program,
            Path::new("worker"),
            &run_folder,
            Path::new(name),
        ];
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let command = words.into_iter().map(text).collect::<Option<_>>();
        Ok(Stage {
            name: name.to_owned(),
            count,
            after: after.map(str::to_owned),
            command: command
                .ok_or_else(|| Error::usage("the paths of ser and of its folders have to be UTF-8 text to be given to sbatch"))?,
            resources: resources(settings.of(name)),
            resumable: name == TRAIN,
        })
    };
    let stages = vec![
        stage(FEATURES, shards, None)?,
        stage(PREPARE, 1, Some(FEATURES))?,
        stage(
            TRAIN,
            trainings.div_ceil(request.trainings_per_task),
            Some(PREPARE),
        )?,
        stage(REPORT, 1, Some(TRAIN))?,
    ];
    let request = serde_json::to_value(&request)
        .map_err(|e| Error::internal("failed to write an request as JSON").because(e))?;
    Ok(Plan::new(id, place.folder.to_owned(), stages, request))
}

fn generate(
    pipeline: &Pipeline,
    options: &Options,
    look_only: bool,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    if !listing::must_generate(pipeline) {
        return Ok(());
    }
    if look_only {
        return Err(Error::missing(format!(
            "the recordings of {} are not generated yet",
            pipeline.name
        ))
        .hint(format!("run `ser features {}` first", pipeline.name)));
    }
    let _lock = lock(options, &options.data_dir.join("cache"), cancel, observer)?;
    let workers = Workers::new(options.limits.jobs, &pipeline.features)?;
    listing::generate(
        pipeline,
        workers.pool(),
        StaleReason::NeverRan,
        cancel,
        observer,
    )
}

fn resources(share: SlurmShare) -> Resources {
    Resources {
        partition: share.partition,
        account: share.account,
        time_s: share.time_s,
        memory: share.memory,
        cpus: share.cpus.unwrap_or(1),
        max_concurrent: share.max_concurrent,
        options: share.options.unwrap_or_default(),
    }
}

/// Jobs are known by it among all of a cluster's.
fn unlike_any_other(name: &str, folder: &Path) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let hash =
        hash_bytes(format!("{now:?} {} {}", std::process::id(), folder.display()).as_bytes());
    format!("{name}-{}", &hash[..8])
}
