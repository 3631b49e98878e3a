//! Features and predictions of a pipeline as one table for other programs, from its last tables.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, UInt16Type, UInt32Type, UInt64Type};

use super::extract::published_name;
use super::folds::SPLITS;
use super::train::PREDICTIONS;
use crate::config::{Experiment, Pipeline, suggestion};
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::report::escape_formula;
use crate::table::export::{self, Part};

/// What is written.
#[derive(Debug, Clone, Copy)]
pub enum Export<'a> {
    /// Features: a row for each utterance.
    Features {
        /// The feature set; by default that of the experiment.
        set: Option<&'a str>,
        /// Whose folds are given; without one, no fold is, and the first experiment counts.
        experiment: Option<&'a str>,
    },
    /// Predictions: a row for each tested utterance, fold and seed, of these experiments, or of all
    /// where none is named.
    Predictions(&'a [String]),
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8, numbers with all their digits.
    Csv,
    /// A Parquet table.
    Parquet,
}

/// More than any header of a table takes, in bytes.
const HEADER: u64 = 1 << 24;

/// Whether a file is an exported table, by all its columns where it is CSV.
pub fn is_export(path: &Path) -> bool {
    let header = || -> Option<csv::StringRecord> {
        let file = std::fs::File::open(path).ok()?;
        csv::Reader::from_reader(file.take(HEADER))
            .headers()
            .ok()
            .cloned()
    };
    export::is_table(path)
        || header().is_some_and(|header| {
            let names: Vec<String> = header.iter().map(str::to_owned).collect();
            export::is_header(&names).unwrap_or(false)
        })
}

/// The rows that are to be written, in parts.
pub type Parts = Box<dyn Iterator<Item = Result<Part>>>;

/// Reads the tables of a pipeline below `data_dir`.
///
/// # Errors
/// `Usage` for a set or an experiment that the pipeline does not have; `Missing` where it has not
/// been run so far; `Data` where tables are damaged or do not fit each other.
pub fn parts(pipeline: &Pipeline, export: Export, data_dir: &Path) -> Result<Parts> {
    let name = pipeline.full_name();
    let folder = data_dir.join("tables").join(&name);
    match export {
        Export::Predictions(experiments) => {
            named(pipeline, experiments)?;
            let controls = pipeline.experiments.iter().filter(|one| one.shuffle_labels);
            let controls: Vec<&str> = controls.map(|one| one.name.as_str()).collect();
            let again: String = experiments.iter().map(|one| format!(" -e {one}")).collect();
            let part =
                export::predictions(&folder, &folder.join(PREDICTIONS), experiments, &controls)
                    .map_err(|error| unfinished(error, &format!("ser run {name}{again}")))?;
            Ok(Box::new(std::iter::once(Ok(part))))
        }
        Export::Features { set, experiment } => {
            let of = experiment
                .map(|one| named(pipeline, &[one.to_owned()]))
                .transpose()?;
            let of = of.and_then(|found| found.first().copied());
            let set = feature_set(pipeline, set, of, &folder)?;
            let folds = of.map(|one| export::test_folds(&folder.join(SPLITS), &one.name));
            let again: String = of.iter().map(|one| format!(" -e {}", one.name)).collect();
            let folds = folds
                .transpose()
                .map_err(|error| unfinished(error, &format!("ser run {name}{again}")))?;
            let mut rows = export::features(&folder, &published_name(set), folds).peekable();
            // What is missing is said before a file is begun.
            if let Some(Err(_)) = rows.peek()
                && let Some(Err(error)) = rows.next()
            {
                return Err(unfinished(error, &format!("ser features {name}")));
            }
            Ok(Box::new(rows))
        }
    }
}

pub(super) fn named<'p>(pipeline: &'p Pipeline, names: &[String]) -> Result<Vec<&'p Experiment>> {
    let find = |name: &String| {
        pipeline
            .experiments
            .iter()
            .find(|e| e.name == *name)
            .ok_or_else(|| {
                let known: Vec<&str> = pipeline
                    .experiments
                    .iter()
                    .map(|e| e.name.as_str())
                    .collect();
                let what = format!("pipeline `{}` has no experiment `{name}`", pipeline.name);
                Error::usage(what).hint(suggestion(name, "experiments", &known))
            })
    };
    names.iter().map(find).collect()
}

pub(super) fn unfinished(error: Error, command: &str) -> Error {
    match error.kind() {
        Kind::Missing => error.hint(format!("make it first: {command}")),
        _ => error,
    }
}

/// The set of this name, or that of the experiment, or else of the first one that has its own.
fn feature_set(
    pipeline: &Pipeline,
    named: Option<&str>,
    experiment: Option<&Experiment>,
    folder: &Path,
) -> Result<FeatureSet> {
    let mut sets: Vec<FeatureSet> = Vec::new();
    for one in pipeline
        .experiments
        .iter()
        .filter(|e| e.members().is_empty())
    {
        if !sets.contains(&one.inputs.set) {
            sets.push(one.inputs.set);
        }
    }
    let known: Vec<&str> = sets.iter().map(FeatureSet::name).collect();
    let all = known.join(", ");
    let name_one = || format!("name one with --feature-set: {all}");
    let set = match (named, experiment) {
        (Some(name), _) => sets
            .iter()
            .find(|set| set.name() == name)
            .copied()
            .ok_or_else(|| {
                let what = format!(
                    "no experiment of `{}` has the feature set `{name}`",
                    pipeline.name
                );
                Error::usage(what).hint(suggestion(name, "feature sets", &known))
            })?,
        (None, Some(one)) if one.members().is_empty() => one.inputs.set,
        (None, Some(one)) => {
            let what = format!(
                "`{}` is an ensemble, which has no features of its own",
                one.name
            );
            return Err(Error::usage(what).hint(name_one()));
        }
        (None, None) => *sets.first().ok_or_else(|| {
            Error::usage(format!("no experiment of `{}` has features", pipeline.name))
        })?,
    };
    if set.has_columns() {
        return Ok(set);
    }
    let table: PathBuf = folder.join(format!("{}.parquet", published_name(set)));
    let what = format!(
        "a row of `{}` is a list of frames, not one number a column",
        set.name()
    );
    Err(Error::usage(what).hint(format!(
        "read {} itself, or {}",
        table.display(),
        name_one()
    )))
}

/// Writes the rows; `path` is for messages. The same rows give the same bytes.
///
/// # Errors
/// `Io` where they cannot be written, and what a part of the rows is.
pub fn write<W: Write + Send>(parts: Parts, format: Format, out: W, path: &Path) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    if format == Format::Parquet {
        return export::write_parquet(out, path, parts)?
            .flush()
            .map_err(failed);
    }
    let mut csv = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(out);
    let mut begun = false;
    for part in parts {
        let batch = part?.batch(path)?;
        if !std::mem::replace(&mut begun, true) {
            let schema = batch.schema();
            let names = schema
                .fields()
                .iter()
                .map(|field| escape_formula(field.name()));
            csv.write_record(names).map_err(|e| failed(e.into()))?;
        }
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                csv.write_field(cell(column, row))
                    .map_err(|e| failed(e.into()))?;
            }
            csv.write_record(None::<&[u8]>)
                .map_err(|e| failed(e.into()))?;
        }
    }
    csv.flush().map_err(failed)
}

/// A value as a field of CSV; nothing where there is none.
fn cell(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => escape_formula(column.as_string::<i32>().value(row)),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        other => format!("({other})"),
    }
}
