//! The `predictions` table: one row per tested utterance, fold and seed.

use std::path::Path;

use arrow::datatypes::{Float32Type, UInt32Type, UInt64Type};

use super::file::{self, Columns, Meta, Table};
use crate::error::{Error, Result};

const TABLE: Table = Table {
    name: "predictions",
    version: 1,
};
const PROBABILITY: &str = "prob_";

/// One prediction on a test utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// From 0.
    pub fold: u32,
    /// Seed of the training run.
    pub seed: u64,
    /// Utterance id.
    pub utterance_id: String,
    /// True class.
    pub truth: String,
    /// Predicted class.
    pub predicted: String,
    /// In label order.
    pub probabilities: Vec<f32>,
}

/// Writes the table in its row order: `experiment`, `protocol`, `fold`, `seed`, `utterance_id`,
/// `truth`, `predicted`, then one f32 column `prob_<label>` per class in the order of `labels`.
///
/// # Errors
/// `Data` where a label occurs twice; `Io` where the file system refuses; `Internal` where a row
/// has not one probability per label.
pub fn write(path: &Path, labels: &[String], rows: &[PredictionRow], meta: &Meta) -> Result<()> {
    if let Some(row) = rows.iter().find(|r| r.probabilities.len() != labels.len()) {
        return Err(Error::internal(format!(
            "utterance `{}` has {} probabilities for {} classes",
            row.utterance_id,
            row.probabilities.len(),
            labels.len()
        )));
    }
    let mut columns = Columns::default()
        .text("experiment", rows.iter().map(|r| r.experiment.as_str()))
        .text("protocol", rows.iter().map(|r| r.protocol.as_str()))
        .number::<UInt32Type>("fold", rows.iter().map(|r| r.fold))
        .number::<UInt64Type>("seed", rows.iter().map(|r| r.seed))
        .text("utterance_id", rows.iter().map(|r| r.utterance_id.as_str()))
        .text("truth", rows.iter().map(|r| r.truth.as_str()))
        .text("predicted", rows.iter().map(|r| r.predicted.as_str()));
    for (class, label) in labels.iter().enumerate() {
        columns = columns.number::<Float32Type>(
            &format!("{PROBABILITY}{label}"),
            rows.iter().map(|r| r.probabilities[class]),
        );
    }
    file::write(path, &TABLE, columns, meta)
}

/// Reads labels (in column order), rows (in file order) and meta.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<(Vec<String>, Vec<PredictionRow>, Meta)> {
    let table = file::read(path, &TABLE)?;
    let labels: Vec<String> = table
        .names()
        .iter()
        .filter_map(|name| name.strip_prefix(PROBABILITY))
        .map(str::to_owned)
        .collect();
    let mut probabilities = vec![Vec::with_capacity(labels.len()); table.rows()];
    for label in &labels {
        let column = table.number::<Float32Type>(&format!("{PROBABILITY}{label}"))?;
        for (row, value) in probabilities.iter_mut().zip(column) {
            row.push(value);
        }
    }
    let (experiments, protocols) = (table.text("experiment")?, table.text("protocol")?);
    let (folds, seeds) = (
        table.number::<UInt32Type>("fold")?,
        table.number::<UInt64Type>("seed")?,
    );
    let (ids, truths, predicted) = (
        table.text("utterance_id")?,
        table.text("truth")?,
        table.text("predicted")?,
    );
    let keys = experiments.into_iter().zip(protocols).zip(folds).zip(seeds);
    let outcomes = ids
        .into_iter()
        .zip(truths)
        .zip(predicted)
        .zip(probabilities);
    let rows = keys
        .zip(outcomes)
        .map(
            |(
                (((experiment, protocol), fold), seed),
                (((utterance_id, truth), predicted), probabilities),
            )| PredictionRow {
                experiment,
                protocol,
                fold,
                seed,
                utterance_id,
                truth,
                predicted,
                probabilities,
            },
        )
        .collect();
    Ok((labels, rows, table.meta))
}

/// The class of the highest probability: the first of equals, 0 for none. A NaN never wins over a
/// number.
pub fn argmax(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (class, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] || (probabilities[best].is_nan() && !p.is_nan()) {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_probabilities_wins() {
        assert_eq!(argmax(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(argmax(&[0.5, 0.5]), 0);
        assert_eq!(argmax(&[f32::NAN, 0.1, f32::NAN]), 1);
        assert_eq!(argmax(&[]), 0);
    }
}
