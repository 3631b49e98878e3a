//! The CSV files of a report as typed tables. A column's type follows from its name, so that the
//! tables of all runs go together.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use pyo3::prelude::*;
use ser::{Error, Result};

use crate::call::interruptible;
use crate::table::Table;

/// Columns of counts and of numbers that count from 0 or 1.
const INTEGERS: [&str; 24] = [
    "best_epoch",
    "classes",
    "count",
    "epoch",
    "epochs",
    "fold",
    "folds",
    "lost",
    "n",
    "n_test",
    "n_train",
    "n_validation",
    "only_after",
    "only_before",
    "predictions",
    "published",
    "right_a_only",
    "right_b_only",
    "seed",
    "seeds",
    "shared_units",
    "test_units",
    "tests",
    "utterances",
];
const FLAGS: [&str; 3] = ["correct", "guessed", "transductive"];
/// Columns of text, some of which may look like numbers; all others hold 64-bit floats.
const TEXTS: [&str; 35] = [
    "a",
    "attribute",
    "b",
    "by",
    "class",
    "condition",
    "detail",
    "encoder_verdict",
    "experiment",
    "feature",
    "fold_name",
    "group",
    "inductive",
    "kind",
    "left_out",
    "mark",
    "metric",
    "model",
    "name",
    "note",
    "path",
    "pipeline",
    "pool",
    "predicted",
    "protocol",
    "reason",
    "scope",
    "set",
    "speaker",
    "speaker_independent",
    "title",
    "truth",
    "utterance_a",
    "utterance_b",
    "utterance_id",
];

/// The rows of CSV files with the same columns, one file after the other; the first column, named
/// `key`, says which file a row is from.
#[pyfunction]
pub fn report_table(py: Python<'_>, key: &str, files: Vec<(String, PathBuf)>) -> PyResult<Table> {
    interruptible(py, |_| {
        let (mut header, mut rows) = (vec![], vec![]);
        for (name, path) in &files {
            let bad = |e: csv::Error| unreadable(path).because(e);
            let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
            let mut reader = csv::Reader::from_reader(file);
            let names = reader.headers().map_err(bad)?;
            let names: Vec<String> = names.iter().map(str::to_owned).collect();
            if header.is_empty() {
                header = names;
            } else if header != names {
                let message = format!("{} has other columns than the files before", path.display());
                return Err(Error::data(message).hint("make the reports with one version of ser"));
            }
            for record in reader.into_records() {
                let record = record.map_err(bad)?;
                let cells = record.iter().map(str::to_owned);
                rows.push(std::iter::once(name.clone()).chain(cells).collect());
            }
        }
        header.insert(0, key.to_owned());
        let columns: Vec<(&String, ArrayRef, bool)> = header
            .iter()
            .enumerate()
            .map(|(c, name)| {
                let is_text = name == "value" && header.iter().any(|other| other == "attribute");
                (name, column(name, is_text, c, &rows), true)
            })
            .collect();
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        let batch = batch.map_err(|e| unreadable(Path::new("a table of a report")).because(e))?;
        Ok(Table::new(batch, vec![]))
    })
}

fn unreadable(path: &Path) -> Error {
    let error = Error::data(format!("failed to read {}", path.display()));
    error.hint("make the report again: ser report PIPELINE")
}

/// A column; an empty cell is null. What does not fit the type of the name makes it text.
fn column(name: &str, is_text: bool, c: usize, rows: &[Vec<String>]) -> ArrayRef {
    let cells = || {
        rows.iter().map(|row| {
            row.get(c)
                .map(String::as_str)
                .filter(|cell| !cell.is_empty())
        })
    };
    let text = || Arc::new(cells().collect::<StringArray>()) as ArrayRef;
    if is_text || TEXTS.contains(&name) {
        return text();
    }
    let typed: Option<ArrayRef> = if INTEGERS.contains(&name) {
        let parse = |cell: Option<&str>| cell.map(str::parse::<i64>).transpose();
        let all: Result<Int64Array, _> = cells().map(parse).collect();
        all.ok().map(|all| Arc::new(all) as ArrayRef)
    } else if FLAGS.contains(&name) {
        let parse = |cell: Option<&str>| cell.map(str::parse::<bool>).transpose();
        let all: Result<BooleanArray, _> = cells().map(parse).collect();
        all.ok().map(|all| Arc::new(all) as ArrayRef)
    } else {
        let parse = |cell: Option<&str>| cell.map(str::parse::<f64>).transpose();
        let all: Result<Float64Array, _> = cells().map(parse).collect();
        all.ok().map(|all| Arc::new(all) as ArrayRef)
    };
    typed.unwrap_or_else(text)
}
