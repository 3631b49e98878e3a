//! The `features` table: one row of 32-bit floats per utterance.

use std::path::{Path, PathBuf};

use arrow::datatypes::Float32Type;

use super::file::{self, Batches, Columns, Keys, Meta, Parts, Shape, Table};
use crate::error::{Error, Result};

pub(super) const TABLE: Table = Table {
    name: "features",
    version: 1,
};

/// The rows of a feature table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureTable {
    /// Utterance ids.
    pub ids: Vec<String>,
    /// Hex blake3 of the sound that each row was computed from.
    pub content_hashes: Vec<String>,
    /// Feature names (`mfcc_00`, …).
    pub columns: Vec<String>,
    /// `[ids, columns]`, row by row.
    pub values: Vec<f32>,
}

impl FeatureTable {
    /// The features of one utterance.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.columns.len()..(i + 1) * self.columns.len()]
    }
}

/// Writes the table in its row order: `utterance_id`, `content_hash`, then one f32 column per
/// feature. `meta` says how the features were made.
///
/// # Errors
/// `Data` where an id or a column occurs twice; `Io` where the file system refuses; `Internal`
/// where the lengths do not fit.
pub fn write(path: &Path, rows: &FeatureTable, meta: &Meta) -> Result<()> {
    let (n, width) = (rows.ids.len(), rows.columns.len());
    if rows.content_hashes.len() != n || rows.values.len() != n * width {
        return Err(Error::internal(format!(
            "a feature table of {n} ids and {width} columns has {} hashes and {} values",
            rows.content_hashes.len(),
            rows.values.len()
        )));
    }
    if let Some(id) = file::repeated(rows.ids.iter().map(String::as_str)) {
        return Err(file::repeated_id(path, &TABLE, id));
    }
    let mut columns = Columns::default()
        .text("utterance_id", rows.ids.iter().map(String::as_str))
        .text(
            "content_hash",
            rows.content_hashes.iter().map(String::as_str),
        );
    for (c, name) in rows.columns.iter().enumerate() {
        columns =
            columns.number::<Float32Type>(name, rows.values.iter().skip(c).step_by(width).copied());
    }
    file::write(path, &TABLE, columns, meta)
}

/// A feature table of any number of rows on its way into a folder: `features.parquet`, or
/// `features-00000.parquet`, … where they are many.
pub struct Writer {
    parts: Parts,
    keys: Keys,
    names: Vec<String>,
    ids: Vec<String>,
    content_hashes: Vec<String>,
    /// By column, since that is how they go into the file.
    columns: Vec<Vec<f32>>,
    rows: u64,
}

impl Writer {
    /// Begins a table with feature columns `names`. The folder is expected to be published as a
    /// whole.
    pub fn new(folder: &Path, names: Vec<String>, meta: &Meta) -> Writer {
        Writer::shaped(folder, names, meta, Shape::STANDARD)
    }

    pub(super) fn shaped(folder: &Path, names: Vec<String>, meta: &Meta, shape: Shape) -> Writer {
        Writer {
            parts: Parts::new(folder, &TABLE, meta, shape),
            keys: Keys::default(),
            columns: vec![Vec::new(); names.len()],
            names,
            ids: Vec::new(),
            content_hashes: Vec::new(),
            rows: 0,
        }
    }

    /// Appends a row; ids have to come in ascending order.
    ///
    /// # Errors
    /// `Data` where an id or a column occurs twice; `Io` where the file system refuses; `Internal`
    /// where ids are out of order or the row has not one value per column.
    pub fn push(&mut self, id: &str, content_hash: &str, row: &[f32]) -> Result<()> {
        self.keys.next(id, &self.parts.path(), &TABLE)?;
        if row.len() != self.columns.len() {
            return Err(Error::internal(format!(
                "`{id}` has {} features, not {}",
                row.len(),
                self.columns.len()
            )));
        }
        self.ids.push(id.to_owned());
        self.content_hashes.push(content_hash.to_owned());
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(*value);
        }
        self.rows += 1;
        if self.ids.len() == self.parts.shape().batch() {
            self.write_batch()
        } else {
            Ok(())
        }
    }

    fn write_batch(&mut self) -> Result<()> {
        let (ids, content_hashes) = (
            std::mem::take(&mut self.ids),
            std::mem::take(&mut self.content_hashes),
        );
        let mut columns = Columns::default()
            .text("utterance_id", ids.iter().map(String::as_str))
            .text("content_hash", content_hashes.iter().map(String::as_str));
        for (name, values) in self.names.iter().zip(&mut self.columns) {
            columns = columns.numbers::<Float32Type>(name, std::mem::take(values));
        }
        self.parts.write(columns, ids.len())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes the table.
    pub fn finish(mut self) -> Result<()> {
        if !self.ids.is_empty() || self.rows == 0 {
            self.write_batch()?;
        }
        self.parts.finish()
    }
}

/// Columns that are decoded at a time, so that pages of a wide table take little memory beside it.
const COLUMNS: usize = 256;

/// Reads the table with its meta, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<(FeatureTable, Meta)> {
    gather([Ok(path.to_owned())])
}

/// Reads a table that [`Writer`] wrote into `folder`, in its row order, with the meta of its first
/// file.
pub fn read_parts(folder: &Path) -> Result<(FeatureTable, Meta)> {
    gather(file::part_paths(folder, TABLE.name, &TABLE))
}

fn gather(files: impl IntoIterator<Item = Result<PathBuf>>) -> Result<(FeatureTable, Meta)> {
    let (mut table, mut meta) = (FeatureTable::default(), None);
    for path in files {
        let path = path?;
        let readers = Batches::by_columns(&path, &TABLE, COLUMNS)?;
        let names = |batches: &Batches| -> Vec<String> {
            let is_feature = |name: &String| name != "utterance_id" && name != "content_hash";
            batches.names().into_iter().filter(is_feature).collect()
        };
        let columns: Vec<String> = readers.iter().flat_map(names).collect();
        if meta.is_none() {
            table.columns = columns;
        } else if table.columns != columns {
            let error = Error::data(format!(
                "{} has other columns than the parts before it",
                path.display()
            ));
            return Err(error.hint("delete all parts and run the command that makes them again"));
        }
        let (start, width) = (table.ids.len(), table.columns.len());
        let mut column = 0;
        for (reader, batches) in readers.into_iter().enumerate() {
            let (names, mut first) = (names(&batches), start);
            for batch in batches {
                let batch = batch?;
                // The first columns are those of the ids.
                if reader == 0 {
                    let ids = batch.texts("utterance_id")?;
                    let hashes = batch.texts("content_hash")?;
                    table.ids.extend(ids.map(str::to_owned));
                    table.content_hashes.extend(hashes.map(str::to_owned));
                    table.values.resize(table.ids.len() * width, 0.0);
                }
                for (c, name) in (column..).zip(&names) {
                    let rows = table.values.get_mut(first * width..).unwrap_or_default();
                    let rows = rows.chunks_exact_mut(width.max(1));
                    for (row, value) in rows.zip(batch.numbers::<Float32Type>(name)?) {
                        row[c] = *value;
                    }
                }
                first += batch.rows();
                meta.get_or_insert(batch.meta);
            }
            column += names.len();
        }
    }
    Ok((table, meta.unwrap_or_default()))
}
