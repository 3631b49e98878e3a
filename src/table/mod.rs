//! The Parquet tables, their schemas and their versions.
//!
//! Six tables, keyed by utterance id: [`utterances`], [`features`], [`frames`], [`splits`],
//! [`predictions`], [`metrics`]; and two of an audit: [`duplicates`], [`leakage`]; and [`inference`],
//! the predictions of a saved model. They hold plain types, and [`frames`] lists of numbers,
//! so that pandas, polars and DuckDB open them as they are. [`summary`] answers the questions that
//! a report asks of them.

mod file;
#[macro_use]
mod row;
mod rows;

pub mod features;
pub mod frames;
pub mod inference;
pub mod rowlog;
pub mod summary;
pub mod utterances;

#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod tests;

pub use file::{Meta, meta};
pub use rows::{duplicates, leakage, metrics, predictions, splits};

/// The columns of all tables as a Markdown text: what `docs/tables.md` holds.
pub fn dictionary() -> String {
    let mut out = String::new();
    for (name, about, columns) in [
        (
            "utterances",
            "`data/tables/<pipeline>/utterances.parquet`: what is known of each recording.",
            utterances::UtteranceRow::COLUMNS,
        ),
        (
            "splits",
            "`splits.parquet`: which utterance is in which fold of which experiment.",
            splits::SplitRow::COLUMNS,
        ),
        (
            "predictions",
            "`predictions.parquet`: a row for each tested utterance, fold and seed.",
            predictions::PredictionRow::COLUMNS,
        ),
        (
            "metrics",
            "`metrics.parquet`: a row for each figure.",
            metrics::MetricRow::COLUMNS,
        ),
        (
            "leakage",
            "`leakage.parquet`: what the test part of a fold shares with its training part.",
            leakage::LeakageRow::COLUMNS,
        ),
        (
            "duplicates",
            "`duplicates.parquet`: pairs of utterances with the same sound.",
            duplicates::DuplicateRow::COLUMNS,
        ),
        (
            "heard",
            "The Parquet output of `ser predict`: a row for each recording or window.",
            inference::InferenceRow::COLUMNS,
        ),
    ] {
        row::document(&mut out, name, about, columns);
    }
    out
}
