//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};

pub use super::corpus::Generate;
pub use super::export::Export;
pub use super::predict::Predict;
pub use super::run::Stress;
pub use super::serve::Serve;
use super::system;
pub use super::unpack::Unpack;
use crate::corpus::propose::Place;
use crate::encoder::{ENCODERS, ENDPOINT};
use crate::model::Device;
use crate::ui::Verbosity;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 a defect of ser; 2 wrong command line; 3 wrong pipeline file; 4 unusable data; \
                          5 something is missing (a corpus, a model); 6 the file system refused; 7 the network failed; 8 a task ran into its time limit; \
                          9 a cluster's scheduler refused; 10 another process works on the same pipeline; \
                          130 interrupted.";

/// Reproducible, honest speech-emotion-recognition results from corpora of recorded speech.
#[derive(Debug, Parser)]
#[command(name = "ser", version, about, after_help = EXIT_CODES)]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Say more: every task, which outputs are reused, and why tasks run
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say only warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Write events as JSON lines on standard error, and results as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// How much is said.
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline from the corpus to the report
    Run(Run),
    /// Run up to the feature table
    Features(Run),
    /// Run up to the trained models
    Train(Run),
    /// Run up to predictions and figures
    Evaluate(Run),
    /// Run up to the report (the same as `run`)
    Report(Run),
    /// Run up to the report, and compute the importance of features
    Explain(Run),
    /// Run up to the report, and test the models on changed recordings: noise, a narrow band,
    /// codecs, level, speed
    Stress(Stress),
    /// Show which tasks would run, and why
    Plan(Run),
    /// List runs, the latest first
    Runs(Runs),
    /// Compare two runs: settings, figures, predictions
    Diff(Diff),
    /// Print the results in the last reports of pipelines, a table for each protocol, or write them
    /// to a file such as RESULTS.md
    Results(Results),
    /// Write the features or the predictions of a pipeline as one table for other programs
    Export(Export),
    /// Predict the emotions of recordings with a saved model
    Predict(Box<Predict>),
    /// Remove cached outputs that no recent run refers to
    Gc(Gc),
    /// Run pipelines on a Slurm cluster
    Slurm(Slurm),
    /// Do one task of a plan, as the jobs of a cluster do
    #[command(hide = true)]
    Worker(Worker),
    /// Write pipeline files that come with ser, such as demo and ravdess, to run them or to start
    /// your own from
    Init(InitPipelines),
    /// Download a corpus from its official place and unpack it
    Corpora(Corpora),
    /// Make a folder of recordings a corpus: a manifest and a pipeline file
    Corpus(CorpusArgs),
    /// List, check and download pretrained speech encoders
    Encoders(EncodersArgs),
    /// Show a report in the browser
    Open(Open),
    /// Serve reports, without recordings, to a browser here or, through a tunnel, elsewhere
    Serve(Serve),
    /// Check what ser needs and has here, and say what to do
    Doctor(Doctor),
    /// Print the JSON Schema of pipeline files, with which an editor completes and checks keys
    Schema(Schema),
    /// Print a script that completes commands in a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command
    Man(Man),
}

/// Which pipelines, with which changes.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// Names of pipelines (`ravdess` is pipelines/ravdess.toml), paths of pipeline files, or either
    /// with a variant (`ravdess@epochs-15`); `plan` without any plans all whose corpus is there
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Run this experiment (may be repeated); without it, those that the pipeline runs by default,
    /// which `default` names beside others. Of several pipelines, those that have none of the named
    /// ones run nothing. Results of the other experiments stay where they are up to date
    #[arg(short, long = "experiment", value_name = "NAME")]
    pub experiments: Vec<String>,
    /// Override a setting: `train.epochs=15`, `experiment.quick.train.batch_size=64` (may be
    /// repeated). The results go to a variant of the pipeline, such as `demo@epochs-15`, with
    /// tables, models and a report of its own; those of the pipeline file stay as they are
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Name of the variant, in place of one made from the overrides
    #[arg(long = "as", value_name = "NAME")]
    pub variant: Option<String>,
    /// Use this protocol in every experiment, in a variant as with --set: `stratified-kfold:5`,
    /// `group-kfold:5`, `text-kfold:5`, `leave-one-speaker-out`, `leave-one-session-out`, `hold-out:0.2`,
    /// `published:emobox`
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// Train every network on this device, in a variant as with --set where the file says another;
    /// `cuda` and `wgpu` need a build with the cargo feature of that name
    #[arg(long, value_name = "DEVICE", value_parser = PossibleValuesParser::new(Device::ALL.map(Device::name)))]
    pub device: Option<String>,
    /// Tasks side by side, and threads of those that share their work; all cores by default
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Memory that tasks may need together, such as 4GiB: of those that would need more, some wait.
    /// By default what is free
    #[arg(long, value_name = "BYTES", value_parser = system::parse_bytes)]
    pub memory: Option<u64>,
    /// How often a task is tried again after an error that may pass (a busy or briefly unreachable
    /// file system)
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub retries: u32,
    /// Time that a task may take, such as 90s, 15min or 2h; a training keeps a checkpoint
    #[arg(long, value_name = "TIME", value_parser = system::parse_duration)]
    pub time_limit: Option<Duration>,
    /// After a failure, go on with what does not depend on it (the default)
    #[arg(short, long)]
    pub keep_going: bool,
    /// After a failure, begin nothing more
    #[arg(long, conflicts_with = "keep_going")]
    pub fail_fast: bool,
    /// Fail at once, rather than wait, where another process works on the same pipeline
    #[arg(long)]
    pub no_wait: bool,
    /// Folder of the corpora, in place of data/corpora (where generated ones stay)
    #[arg(long, value_name = "DIR")]
    pub corpora_dir: Option<PathBuf>,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports_dir: PathBuf,
    /// A missing corpus is a warning and a line in its report, not an error
    #[arg(long)]
    pub skip_missing: bool,
    /// Where tasks run: in this process, or on a Slurm cluster (`run` alone; docs/slurm.md)
    #[arg(long, value_enum, default_value_t = Executor::Local)]
    pub executor: Executor,
    /// On a cluster: what tasks are given, in place of what the pipeline file says under [slurm]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// On a cluster: submit, and do not wait for the end
    #[arg(long)]
    pub detach: bool,
    /// Show which tasks would run, and run none (the same as `plan`)
    #[arg(long)]
    pub dry_run: bool,
    /// Show the report in the browser when it is written
    #[arg(long)]
    pub open: bool,
    /// With `plan` or `--dry-run`: show what waits for what, as text or for Graphviz
    #[arg(long, value_enum, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text")]
    pub dag: Option<Dag>,
}

/// Where tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Executor {
    /// In this process.
    Local,
    /// On a Slurm cluster.
    Slurm,
}

/// What is done on a cluster.
#[derive(Debug, clap::Args)]
pub struct Slurm {
    /// What to do.
    #[command(subcommand)]
    pub command: SlurmCommand,
}

/// What is done on a cluster.
#[derive(Debug, Subcommand)]
pub enum SlurmCommand {
    /// Submit what is missing of pipelines, and return
    Submit(Box<Run>),
    /// Say which outputs are there, and what the scheduler says of the others
    Status(PlanArgs),
    /// Submit what is neither there nor under way
    Resume(Resume),
    /// Cancel all jobs of a plan, and see to it that they end
    Cancel(PlanArgs),
    /// Show what tasks wrote
    Logs(Logs),
}

/// A plan that was submitted.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Id of a plan, or name of a pipeline for its latest
    #[arg(value_name = "PLAN")]
    pub plan: String,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// A plan to go on with.
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// Which.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Wait for the end
    #[arg(long)]
    pub follow: bool,
}

/// Tasks of a plan.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Which plan.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Stage: features, prepare, train or report; without it all
    pub stage: Option<String>,
    /// Index of a task; without it all of the stage
    pub index: Option<u32>,
}

/// A task of a plan.
#[derive(Debug, clap::Args)]
pub struct Worker {
    /// Folder of the plan
    pub plan: PathBuf,
    /// Stage
    pub stage: String,
    /// Index within the stage
    pub index: u32,
}

/// How a graph of tasks is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dag {
    /// A line for each task.
    Text,
    /// For Graphviz (`ser plan demo --dag dot | dot -Tsvg`).
    Dot,
}

/// What is to be removed.
#[derive(Debug, clap::Args)]
pub struct Gc {
    /// Names of pipelines, whose variants share their cache; without any, all that have run
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Keep what the last N runs of a pipeline and of each of its variants used; what stands for
    /// their tasks at present is always kept
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub keep: usize,
    /// Really remove it; without this, it is only listed
    #[arg(short, long)]
    pub yes: bool,
    /// Also remove the named variants (`demo@epochs-2`): their reports, tables and models, and what
    /// of the cache only they use
    #[arg(long)]
    pub forget: bool,
    /// Fail at once, rather than wait, where another process works on the same pipeline
    #[arg(long)]
    pub no_wait: bool,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports_dir: PathBuf,
}

/// Which runs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    /// One of them.
    #[command(subcommand)]
    pub one: Option<OneRun>,
    /// Only runs of the pipeline of this name
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// List no more than this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Folder of tables, models, the cache and the history
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// What to do with one run.
#[derive(Debug, Subcommand)]
pub enum OneRun {
    /// Show a run: command, settings, tasks, figures
    Show(Show),
}

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// Number of a run, `latest`, `latest~1` (the one before), when it started (`2026-11-24
    /// 23:46`), or a pipeline or variant for its last one
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Folder of tables, models, the cache and the history
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// Which two runs.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The earlier run: its number, `latest`, `latest~1` (the one before), when it started, or a
    /// pipeline or variant (`demo@epochs-2`) for its last one
    #[arg(value_name = "A")]
    pub a: String,
    /// The run that is compared with it
    #[arg(value_name = "B")]
    pub b: String,
    /// Folder of tables, models, the cache and the history
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// Whose results, to where.
#[derive(Debug, clap::Args)]
pub struct Results {
    /// Names of pipelines or paths of pipeline files, each with its variants, or single variants
    /// (`demo@epochs-2`); without any, all
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Leave out the variants of the named pipelines
    #[arg(long)]
    pub no_variants: bool,
    /// Write to this file in place of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports_dir: PathBuf,
}

/// Which pipeline files, to where.
#[derive(Debug, clap::Args)]
pub struct InitPipelines {
    /// Names of pipelines that come with ser; without any, all of them
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Replace files that differ
    #[arg(long)]
    pub force: bool,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
}

/// Which corpus, to where.
#[derive(Debug, clap::Args)]
pub struct Corpora {
    /// `ravdess`, `emodb` or `iemocap`
    #[arg(value_name = "CORPUS")]
    pub corpus: String,
    /// Folder of the corpora
    #[arg(long, value_name = "DIR", default_value = "data/corpora")]
    pub corpora_dir: PathBuf,
}

/// What to do with a folder of recordings.
#[derive(Debug, clap::Args)]
pub struct CorpusArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CorpusCommand,
}

/// What to do with a folder of recordings.
#[derive(Debug, Subcommand)]
pub enum CorpusCommand {
    /// Look at a folder, and propose a manifest and a pipeline file
    Init(Init),
    /// Write the recordings inside Parquet files (datasets of Hugging Face) to files, and the other
    /// columns to a manifest
    Unpack(Unpack),
    /// Write a small generated corpus as a plain folder of recordings, to try things on
    Generate(Generate),
    /// List the corpora that are known by name: `kind = "NAME"` in a pipeline file reads one
    List,
}

/// Which folder, and where proposals go.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// Folder of the recordings
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Name of the corpus and of its pipeline; by default that of the folder
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the emotion stands, as this command shows it: `folder:1`, `folder:1.2` (piece 2 of the
    /// name of folder 1), `name:2` (piece 2 of the file name), `letters:2` (run 2 of letters or
    /// digits), `last` in place of a number, or `column:NAME` of a table beside the recordings
    #[arg(long, value_name = "FIELD")]
    pub emotion: Option<Place>,
    /// Where the speaker stands, in the same words, several of them joined by `+`
    /// (`folder:1+folder:2`), or `none`
    #[arg(long, value_name = "FIELD")]
    pub speaker: Option<Place>,
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of tables, models and the cache; manifests go to its folder `manifests`
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// What to do with pretrained encoders.
#[derive(Debug, clap::Args)]
pub struct EncodersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: EncodersCommand,
}

/// What to do with pretrained encoders.
#[derive(Debug, Subcommand)]
pub enum EncodersCommand {
    /// List published encoders: source, size, licence, and the speech that they were trained on
    List(ListEncoders),
    /// Read the configuration and the weights of an encoder as a run does, and compare its files
    /// with those published
    Check {
        /// Folder of the encoder
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// Download a published encoder from its model hub; what stopped is resumed, and checksums are
    /// compared where they are known
    Get(GetEncoder),
}

/// Which published encoders.
#[derive(Debug, clap::Args)]
pub struct ListEncoders {
    /// Names of encoders, whose files are listed too; without any, all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Folder in which encoders are looked for
    #[arg(long, value_name = "DIR", default_value = ENCODERS)]
    pub encoders_dir: PathBuf,
}

/// Which encoder, from where and to where.
#[derive(Debug, clap::Args)]
pub struct GetEncoder {
    /// Its name, as `ser encoders list` shows it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Folder of its files; `encoders/NAME` by default
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Address of the model hub, or of a mirror
    #[arg(long, value_name = "URL", env = "HF_ENDPOINT", hide_env_values = true, default_value = ENDPOINT)]
    pub endpoint: String,
}

/// Which report.
#[derive(Debug, clap::Args)]
pub struct Open {
    /// Name of a pipeline or of a variant (`demo@epochs-2`), or path of a pipeline file; without
    /// one, the index of all
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports_dir: PathBuf,
}

/// What is looked at.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Names of pipelines or paths of pipeline files; without any, all
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Folder of the corpora, in place of data/corpora
    #[arg(long, value_name = "DIR")]
    pub corpora_dir: Option<PathBuf>,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports_dir: PathBuf,
}

/// Which schema, and in which form.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// The kind of file
    #[arg(value_enum, default_value = "pipeline")]
    pub of: SchemaOf,
    /// Print this page of documentation in place of the schema, with its tables of keys brought up
    /// to date
    #[arg(long, value_name = "FILE", hide = true)]
    pub page: Option<PathBuf>,
}

/// A kind of file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A pipeline file
    Pipeline,
    /// A profile of a Slurm cluster
    Slurm,
}

/// For which shell.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Where manual pages go.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write ser.1 and a page for each command into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}
