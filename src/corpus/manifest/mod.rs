//! Any other corpus: a table (CSV, TSV or Parquet) that names one recording, or one segment of a recording, a row.

mod cell;
mod columns;
mod read;
mod sheet;

pub use read::{ManifestSettings, read};
