//! The `features` table: one row of 32-bit floats per utterance.

use std::path::Path;

use arrow::datatypes::Float32Type;

use super::file::{self, Columns, Meta, Table};
use crate::error::{Error, Result};

const TABLE: Table = Table { name: "features", version: 1 };

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

/// Writes the table in its row order: `utterance_id`, `content_hash`, then one f32 column per feature. `meta` says how the features were made.
///
/// # Errors
/// `Data` where an id or a column occurs twice; `Io` where the file system refuses; `Internal` where the lengths do not fit.
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
        .text("content_hash", rows.content_hashes.iter().map(String::as_str));
    for (c, name) in rows.columns.iter().enumerate() {
        columns = columns.number::<Float32Type>(name, rows.values.iter().skip(c).step_by(width).copied());
    }
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table with its meta, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<(FeatureTable, Meta)> {
    let table = file::read(path, &TABLE)?;
    let ids = table.text("utterance_id")?;
    let content_hashes = table.text("content_hash")?;
    let columns: Vec<String> = table.names().into_iter().filter(|name| name != "utterance_id" && name != "content_hash").collect();
    let width = columns.len();
    let mut values = vec![0.0; ids.len() * width];
    for (c, name) in columns.iter().enumerate() {
        for (row, value) in table.number::<Float32Type>(name)?.into_iter().enumerate() {
            values[row * width + c] = value;
        }
    }
    Ok((FeatureTable { ids, content_hashes, columns, values }, table.meta))
}
