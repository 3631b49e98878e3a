//! `export`: features or predictions of a pipeline as one table for other programs.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::args::Args;
use super::variants::{self, Named};
use super::{not_ours, print, say};
use crate::cancel::Cancel;
use crate::config::{self, Pipeline};
use crate::error::{Error, Result};
use crate::files::publish;
use crate::pipeline::audformat::{self, Written};
use crate::pipeline::export::{self as library, Format};
use crate::text::plural;

/// What is written, to where.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// What.
    #[command(subcommand)]
    pub of: ExportOf,
}

/// What is written.
#[derive(Debug, Subcommand)]
pub enum ExportOf {
    /// The features of each utterance, after all that is known of it (path, speaker, emotion, …)
    Features {
        /// From where to where.
        #[command(flatten)]
        place: Place,
        /// The feature set; by default that of the experiment
        #[arg(long, value_name = "NAME")]
        feature_set: Option<String>,
        /// Add the column `fold`, in which this experiment tests the utterance. Without it, the set
        /// is that of the first experiment
        #[arg(short, long, value_name = "NAME")]
        experiment: Option<String>,
    },
    /// The predictions of each tested utterance, before all that is known of it
    Predictions {
        /// From where to where.
        #[command(flatten)]
        place: Place,
        /// Only those of this experiment (may be repeated)
        #[arg(short, long = "experiment", value_name = "NAME")]
        experiments: Vec<String>,
    },
    /// The corpus and its predictions as a database in audformat: a header with schemes, splits and
    /// licence, and tables as CSV
    Audformat {
        /// From where.
        #[command(flatten)]
        from: From,
        /// Write to this folder: a new one, or an empty one
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
        /// Only the predictions of this experiment (may be repeated)
        #[arg(short, long = "experiment", value_name = "NAME")]
        experiments: Vec<String>,
        /// Copy the recordings into the folder, too
        #[arg(long)]
        recordings: bool,
    },
}

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// From where.
    #[command(flatten)]
    pub from: From,
    /// Write to this file, *.csv or *.parquet, in place of CSV on standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// From where.
#[derive(Debug, clap::Args)]
pub struct From {
    /// Name of a pipeline or of a variant (`demo@epochs-2`), or path of a pipeline file. Its last
    /// tables are read; nothing is run
    #[arg(value_name = "PIPELINE")]
    pub pipeline: String,
    /// Folder of the pipeline files
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pub pipelines_dir: PathBuf,
    /// Folder of tables, models and the cache
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// Writes the table.
pub fn export(export: &Export, args: &Args, cancel: &Cancel) -> Result<()> {
    let (place, what) = match &export.of {
        ExportOf::Features {
            place,
            feature_set,
            experiment,
        } => {
            let what = library::Export::Features {
                set: feature_set.as_deref(),
                experiment: experiment.as_deref(),
            };
            (place, what)
        }
        ExportOf::Predictions { place, experiments } => {
            (place, library::Export::Predictions(experiments))
        }
        ExportOf::Audformat {
            from,
            output,
            experiments,
            recordings,
        } => {
            let (pipeline, data) = (pipeline(from)?, &from.data_dir);
            let written =
                audformat::write(&pipeline, experiments, data, output, *recordings, cancel)?;
            return tell(&written, output, args);
        }
    };
    let output = place.output.as_deref();
    let format = output.map_or(Ok(Format::Csv), format)?;
    let parts = library::parts(&pipeline(&place.from)?, what, &place.from.data_dir)?;
    let Some(path) = output else {
        let path = Path::new("standard output");
        return library::write(parts, format, BufWriter::new(Standard), path);
    };
    publish(path, |file| library::write(parts, format, file, path))?;
    let path = path.display().to_string();
    print(&if args.global.json {
        serde_json::json!({ "export": path }).to_string()
    } else {
        format!("export: {path}")
    })
}

/// The pipeline, or the variant that its name says.
fn pipeline(from: &From) -> Result<Pipeline> {
    let Named { file, variant } = variants::named(&from.pipelines_dir, &from.pipeline);
    let Some(variant) = variant else {
        return config::load(&file, &[], None);
    };
    variants::load_known(&file, &variant, &from.data_dir, None)
}

/// Says what was written into a folder.
fn tell(written: &Written, folder: &Path, args: &Args) -> Result<()> {
    let path = folder.display().to_string();
    if args.global.json {
        let Written { tables, .. } = written;
        return print(&serde_json::json!({ "export": path, "tables": tables }).to_string());
    }
    print(&format!("export: {path} ({})", written.tables.join(", ")))?;
    if !written.has_recordings {
        say(&format!(
            "without its {}: put the files beside the recordings, or export with --recordings",
            plural(written.recordings, "recording")
        ));
    }
    Ok(())
}

/// The format that the name says; nothing that this command has not written is replaced.
fn format(path: &Path) -> Result<Format> {
    let extension = path.extension().and_then(|it| it.to_str());
    let format = match extension.map(str::to_lowercase).as_deref() {
        Some("csv") => Format::Csv,
        Some("parquet") => Format::Parquet,
        _ => {
            let what = format!("{} does not say in which format to write", path.display());
            return Err(Error::usage(what).hint("name it *.csv or *.parquet"));
        }
    };
    let holds_something =
        std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() || meta.len() > 0);
    if holds_something && !library::is_export(path) {
        return Err(not_ours(path, "this command"));
    }
    Ok(format)
}

/// Standard output, whose reader may go away: it has seen enough.
struct Standard;

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().lock().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match io::stdout().lock().flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}
