//! Reports: pages and CSV files as pure functions of a plain value.

#[cfg(test)]
extern crate self as ser;

mod assets;
mod bars;
mod compare;
mod corpus;
mod csv;
mod curves;
mod data;
mod experiment;
#[cfg(test)]
mod fixture;
mod heat;
pub mod html;
mod index;
mod page;
mod strip;
mod summary;
pub mod svg;
#[cfg(test)]
mod tests;
mod write;

use assets::Style;

pub use data::{CorpusSection, EpochLine, ExperimentSection, FoldSection, PipelineReport, PredictionLine};
pub use index::write_index;
pub use write::write;
