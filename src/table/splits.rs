//! The `splits` table: who is in which fold of which protocol.

use std::borrow::Cow;
use std::path::Path;

use arrow::datatypes::UInt32Type;

use super::file::{self, Columns, Meta, Table};
use crate::error::Result;

const TABLE: Table = Table {
    name: "splits",
    version: 2,
};

/// One utterance in one fold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SplitRow<'a> {
    /// Name within the pipeline; two experiments may draw other folds under one protocol.
    pub experiment: Cow<'a, str>,
    /// Short protocol name (`stratified-5-fold`).
    pub protocol: Cow<'a, str>,
    /// From 0.
    pub fold: u32,
    /// What is held out (`speaker 03`), or `fold 1`.
    pub fold_name: Cow<'a, str>,
    /// Utterance id.
    pub utterance_id: Cow<'a, str>,
    /// `train`, `validation` or `test`.
    pub role: Cow<'a, str>,
}

/// Writes the table in its row order: `experiment`, `protocol`, `fold`, `fold_name`,
/// `utterance_id`, `role`.
///
/// # Errors
/// `Io` where the file system refuses.
pub fn write(path: &Path, rows: &[SplitRow], meta: &Meta) -> Result<()> {
    let columns = Columns::default()
        .text("experiment", rows.iter().map(|r| r.experiment.as_ref()))
        .text("protocol", rows.iter().map(|r| r.protocol.as_ref()))
        .number::<UInt32Type>("fold", rows.iter().map(|r| r.fold))
        .text("fold_name", rows.iter().map(|r| r.fold_name.as_ref()))
        .text("utterance_id", rows.iter().map(|r| r.utterance_id.as_ref()))
        .text("role", rows.iter().map(|r| r.role.as_ref()));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<SplitRow<'static>>> {
    let mut rows = Vec::new();
    let own = |text: Cow<str>| Cow::Owned(text.into_owned());
    each(path, |row| {
        rows.push(SplitRow {
            experiment: own(row.experiment),
            protocol: own(row.protocol),
            fold: row.fold,
            fold_name: own(row.fold_name),
            utterance_id: own(row.utterance_id),
            role: own(row.role),
        });
        Ok(())
    })?;
    Ok(rows)
}

/// Hands on the rows of the table one after the other, in file order.
///
/// # Errors
/// As [`read`], and what `take` returns.
pub fn each(path: &Path, mut take: impl FnMut(SplitRow) -> Result<()>) -> Result<()> {
    let table = file::read(path, &TABLE)?;
    let experiments = table.texts("experiment")?;
    let (protocols, folds, names) = (
        table.texts("protocol")?,
        table.numbers::<UInt32Type>("fold")?,
        table.texts("fold_name")?,
    );
    let (ids, roles) = (table.texts("utterance_id")?, table.texts("role")?);
    let rows = experiments
        .zip(protocols)
        .zip(folds)
        .zip(names)
        .zip(ids)
        .zip(roles);
    rows.map(
        |(((((experiment, protocol), &fold), fold_name), utterance_id), role)| SplitRow {
            experiment: experiment.into(),
            protocol: protocol.into(),
            fold,
            fold_name: fold_name.into(),
            utterance_id: utterance_id.into(),
            role: role.into(),
        },
    )
    .try_for_each(&mut take)
}
