//! What `ser predict` understands.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::pipeline::predict as library;

/// Recordings for a saved model.
#[derive(Debug, clap::Args)]
pub struct Predict {
    /// Folder of a saved model, such as data/models/ravdess/quick/fold-00-seed-0, or of an
    /// experiment, such as data/models/ravdess/quick: then the mean probability of all its models
    /// counts. ravdess/quick means the same
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Audio files (WAV, FLAC, MP3, Ogg, WebM, MP4, AIFF, AU, SPHERE), folders (all audio files
    /// below them), manifests (.csv, .tsv, .parquet, .jsonl with a column path), or - for a list of
    /// paths on standard input, one a line
    #[arg(value_name = "PATH", required_unless_present = "stdin")]
    pub paths: Vec<PathBuf>,
    /// Paths in manifests and lists start from this folder, in place of that of the manifest or the
    /// working directory
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Predict one recording whose bytes come on standard input: ffmpeg … -f wav - | ser predict MODEL
    /// --stdin
    #[arg(long, conflicts_with = "null")]
    pub stdin: bool,
    /// The list on standard input has zero bytes between its paths, as find -print0 writes them
    #[arg(short = '0', long)]
    pub null: bool,
    /// Predict windows of this many seconds in place of whole recordings
    #[arg(long, value_name = "SECONDS")]
    pub window: Option<f64>,
    /// Time from the beginning of a window to that of the next; half a window by default
    #[arg(long, value_name = "SECONDS", requires = "window")]
    pub hop: Option<f64>,
    /// All recordings are of one speaker: for a model that scales speakers, which then scales by
    /// exactly these
    #[arg(long)]
    pub one_speaker: bool,
    /// Set aside recordings of which no manifest says who speaks (a model that scales speakers
    /// always does)
    #[arg(long, conflicts_with = "one_speaker")]
    pub by_speaker: bool,
    /// How the predictions are written; by default what the output's extension says, else a table
    /// for people
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to this file, which appears once it is whole, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write a CSV file of all excluded recordings, with the reasons
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// End with exit code 0 where recordings were excluded
    #[arg(long)]
    pub skip_bad: bool,
    /// Folder or ONNX file of the pretrained encoder of a model that has one; by default where it
    /// was in training
    #[arg(long, value_name = "PATH")]
    pub encoder: Option<PathBuf>,
    /// Table with the features of these recordings (CSV, TSV, Parquet or .npz), for a model on imported
    /// features
    #[arg(long, value_name = "FILE")]
    pub features: Option<PathBuf>,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// Threads; all cores by default
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Table,
    /// Comma-separated values.
    Csv,
    /// A JSON object a line.
    #[value(alias = "json")]
    Jsonl,
    /// A Parquet table (with -o).
    Parquet,
}

impl Format {
    /// What the library calls it.
    pub(super) fn library(self) -> library::Format {
        match self {
            Format::Table => library::Format::Table,
            Format::Csv => library::Format::Csv,
            Format::Jsonl => library::Format::JsonLines,
            Format::Parquet => library::Format::Parquet,
        }
    }
}
