//! The `leakage` table: what the test part of each fold shares with what its model was trained or
//! chosen on.

use std::path::Path;

use arrow::datatypes::{UInt32Type, UInt64Type};

use super::file::{self, Columns, Meta, Table};
use crate::error::Result;

const TABLE: Table = Table {
    name: "leakage",
    version: 1,
};

/// One kind of sharing in one fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakageRow {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// From 0.
    pub fold: u32,
    /// `speakers`, `sentences`, `sessions`, `duplicates` or `near-duplicates`.
    pub kind: String,
    /// Speakers, named sentences or sessions of the test part; of the last two kinds, its
    /// utterances.
    pub test_units: u64,
    /// Of these, the ones that the training or validation part has as well.
    pub shared_units: u64,
}

/// Writes the table in its row order: `experiment`, `protocol`, `fold`, `kind`, `test_units`,
/// `shared_units`.
///
/// # Errors
/// `Io` where the file system refuses.
pub fn write(path: &Path, rows: &[LeakageRow], meta: &Meta) -> Result<()> {
    let columns = Columns::default()
        .text("experiment", rows.iter().map(|r| r.experiment.as_str()))
        .text("protocol", rows.iter().map(|r| r.protocol.as_str()))
        .number::<UInt32Type>("fold", rows.iter().map(|r| r.fold))
        .text("kind", rows.iter().map(|r| r.kind.as_str()))
        .number::<UInt64Type>("test_units", rows.iter().map(|r| r.test_units))
        .number::<UInt64Type>("shared_units", rows.iter().map(|r| r.shared_units));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<LeakageRow>> {
    let table = file::read(path, &TABLE)?;
    let (experiments, protocols, kinds) = (
        table.text("experiment")?,
        table.text("protocol")?,
        table.text("kind")?,
    );
    let folds = table.numbers::<UInt32Type>("fold")?;
    let (tested, shared) = (
        table.numbers::<UInt64Type>("test_units")?,
        table.numbers::<UInt64Type>("shared_units")?,
    );
    let rows = experiments
        .into_iter()
        .zip(protocols)
        .zip(kinds)
        .zip(folds)
        .zip(tested)
        .zip(shared);
    Ok(rows
        .map(
            |(((((experiment, protocol), kind), &fold), &test_units), &shared_units)| LeakageRow {
                experiment,
                protocol,
                fold,
                kind,
                test_units,
                shared_units,
            },
        )
        .collect())
}
