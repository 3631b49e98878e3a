//! The Parquet tables, their schemas and their versions.
//!
//! Six tables, keyed by utterance id: [`utterances`], [`features`], [`frames`], [`splits`],
//! [`predictions`], [`metrics`]; and two of an audit: [`duplicates`], [`leakage`]; and [`inference`],
//! the predictions of a saved model. [`export`] joins some of them for other programs. They hold plain types, and [`frames`] lists of numbers,
//! so that pandas, polars and DuckDB open them as they are. [`summary`] answers the questions that
//! a report asks of them.

mod file;
#[macro_use]
mod row;
mod rows;

pub mod export;
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
pub use row::dictionary;
pub use rows::{duplicates, leakage, metrics, predictions, splits};
