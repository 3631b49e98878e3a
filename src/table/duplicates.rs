//! The `duplicates` table: pairs of utterances with the same sound, to the sample or nearly.

use std::path::Path;

use arrow::datatypes::Float64Type;

use super::file::{self, Columns, Meta, Table};
use crate::error::Result;

const TABLE: Table = Table {
    name: "duplicates",
    version: 1,
};

/// Two utterances.
#[derive(Debug, Clone, PartialEq)]
pub struct DuplicateRow {
    /// The id that comes first.
    pub utterance_a: String,
    /// The other.
    pub utterance_b: String,
    /// The same samples at the same rate.
    pub exact: bool,
    /// Height of the peak of the normalised cross-correlation, from 0 to 1; 1 where the samples are
    /// the same.
    pub similarity: f64,
    /// Seconds by which the first is late against the second.
    pub lag_s: f64,
}

/// The words of the column `kind`.
pub const EXACT: &str = "exact";
/// See [`EXACT`].
pub const NEAR: &str = "near";

impl DuplicateRow {
    /// The word of the column `kind`.
    pub fn kind(&self) -> &'static str {
        if self.exact { EXACT } else { NEAR }
    }
}

/// Writes the table in its row order: `utterance_a`, `utterance_b`, `kind` (`exact` or `near`),
/// `similarity`, `lag_s`.
///
/// # Errors
/// `Io` where the file system refuses.
pub fn write(path: &Path, rows: &[DuplicateRow], meta: &Meta) -> Result<()> {
    let columns = Columns::default()
        .text("utterance_a", rows.iter().map(|r| r.utterance_a.as_str()))
        .text("utterance_b", rows.iter().map(|r| r.utterance_b.as_str()))
        .text("kind", rows.iter().map(DuplicateRow::kind))
        .number::<Float64Type>("similarity", rows.iter().map(|r| r.similarity))
        .number::<Float64Type>("lag_s", rows.iter().map(|r| r.lag_s));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<DuplicateRow>> {
    let table = file::read(path, &TABLE)?;
    let (first, second, kinds) = (
        table.text("utterance_a")?,
        table.text("utterance_b")?,
        table.text("kind")?,
    );
    let (similarity, lags) = (
        table.numbers::<Float64Type>("similarity")?,
        table.numbers::<Float64Type>("lag_s")?,
    );
    let rows = first
        .into_iter()
        .zip(second)
        .zip(kinds)
        .zip(similarity)
        .zip(lags);
    Ok(rows
        .map(
            |((((utterance_a, utterance_b), kind), &similarity), &lag_s)| DuplicateRow {
                utterance_a,
                utterance_b,
                exact: kind == EXACT,
                similarity,
                lag_s,
            },
        )
        .collect())
}
