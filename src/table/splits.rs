//! The `splits` table: who is in which fold of which protocol.

use std::path::Path;

use arrow::datatypes::UInt32Type;

use super::file::{self, Columns, Meta, Table};
use crate::error::Result;

const TABLE: Table = Table { name: "splits", version: 2 };

/// One utterance in one fold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SplitRow {
    /// Name within the pipeline; two experiments may draw other folds under one protocol.
    pub experiment: String,
    /// Short protocol name (`stratified-5-fold`).
    pub protocol: String,
    /// From 0.
    pub fold: u32,
    /// What is held out (`speaker 03`), or `fold 1`.
    pub fold_name: String,
    /// Utterance id.
    pub utterance_id: String,
    /// `train`, `validation` or `test`.
    pub role: String,
}

/// Writes the table in its row order: `experiment`, `protocol`, `fold`, `fold_name`, `utterance_id`, `role`.
///
/// # Errors
/// `Io` where the file system refuses.
pub fn write(path: &Path, rows: &[SplitRow], meta: &Meta) -> Result<()> {
    let columns = Columns::default()
        .text("experiment", rows.iter().map(|r| r.experiment.as_str()))
        .text("protocol", rows.iter().map(|r| r.protocol.as_str()))
        .number::<UInt32Type>("fold", rows.iter().map(|r| r.fold))
        .text("fold_name", rows.iter().map(|r| r.fold_name.as_str()))
        .text("utterance_id", rows.iter().map(|r| r.utterance_id.as_str()))
        .text("role", rows.iter().map(|r| r.role.as_str()));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<SplitRow>> {
    let table = file::read(path, &TABLE)?;
    let experiments = table.text("experiment")?;
    let (protocols, folds, names) = (table.text("protocol")?, table.number::<UInt32Type>("fold")?, table.text("fold_name")?);
    let (ids, roles) = (table.text("utterance_id")?, table.text("role")?);
    let rows = experiments.into_iter().zip(protocols).zip(folds).zip(names).zip(ids).zip(roles);
    Ok(rows
        .map(|(((((experiment, protocol), fold), fold_name), utterance_id), role)| SplitRow {
            experiment,
            protocol,
            fold,
            fold_name,
            utterance_id,
            role,
        })
        .collect())
}
