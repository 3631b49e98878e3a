//! The `metrics` table: one figure per row.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt32Type, UInt64Type};

use super::file::{self, Columns, Meta, Table};
use crate::error::Result;

const TABLE: Table = Table {
    name: "metrics",
    version: 1,
};

/// One figure of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// `None`: over all folds.
    pub fold: Option<u32>,
    /// `None`: over all seeds.
    pub seed: Option<u64>,
    /// `accuracy`, `uar`, `macro_f1`, …
    pub metric: String,
    /// In the metric's own unit; shares are 0 to 1.
    pub value: f64,
}

/// Writes the table in its row order: `experiment`, `protocol`, `fold` (or null), `seed` (or null),
/// `metric`, `value`.
///
/// # Errors
/// `Io` where the file system refuses.
pub fn write(path: &Path, rows: &[MetricRow], meta: &Meta) -> Result<()> {
    let columns = Columns::default()
        .text("experiment", rows.iter().map(|r| r.experiment.as_str()))
        .text("protocol", rows.iter().map(|r| r.protocol.as_str()))
        .optional_number::<UInt32Type>("fold", rows.iter().map(|r| r.fold))
        .optional_number::<UInt64Type>("seed", rows.iter().map(|r| r.seed))
        .text("metric", rows.iter().map(|r| r.metric.as_str()))
        .number::<Float64Type>("value", rows.iter().map(|r| r.value));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<MetricRow>> {
    let table = file::read(path, &TABLE)?;
    let (experiments, protocols) = (table.text("experiment")?, table.text("protocol")?);
    let (folds, seeds) = (
        table.optional_number::<UInt32Type>("fold")?,
        table.optional_number::<UInt64Type>("seed")?,
    );
    let (metrics, values) = (table.text("metric")?, table.number::<Float64Type>("value")?);
    let rows = experiments
        .into_iter()
        .zip(protocols)
        .zip(folds)
        .zip(seeds)
        .zip(metrics)
        .zip(values);
    Ok(rows
        .map(
            |(((((experiment, protocol), fold), seed), metric), value)| MetricRow {
                experiment,
                protocol,
                fold,
                seed,
                metric,
                value,
            },
        )
        .collect())
}
