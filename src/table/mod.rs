//! The Parquet tables, their schemas and their versions.
//!
//! Six tables, keyed by utterance id: [`utterances`], [`features`], [`frames`], [`splits`],
//! [`predictions`], [`metrics`]; and two of an audit: [`duplicates`], [`leakage`]; and [`heard`],
//! what a saved model says of recordings. They hold plain types, and [`frames`] lists of numbers,
//! so that pandas, polars and DuckDB open them as they are. [`summary`] answers the questions that
//! a report asks of them.

mod file;

pub mod duplicates;
pub mod features;
pub mod frames;
pub mod heard;
pub mod leakage;
pub mod metrics;
pub mod predictions;
pub mod rowlog;
pub mod splits;
pub mod summary;
pub mod utterances;

#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod tests;

pub use file::{Meta, meta};
