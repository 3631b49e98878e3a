//! Reports: pages and CSV files as pure functions of a plain value.

#[cfg(test)]
extern crate self as ser;

mod assets;
mod bars;
mod compare;
mod corpus;
mod csv;
mod csv_uncertainty;
mod curves;
mod data;
mod experiment;
#[cfg(test)]
mod fixture;
mod heat;
pub mod html;
mod index;
mod page;
mod paired;
mod results;
mod steps;
mod strip;
mod summary;
pub mod svg;
#[cfg(test)]
mod tests;
mod uncertainty;
mod write;

use assets::Style;

/// Raised whenever the same report would be written as other bytes.
pub const CODE_VERSION: u32 = 3;

pub use data::{
    CorpusSection, EpochLine, ExperimentSection, FoldSection, LeakageLine, NearDuplicate, PipelineReport, PredictionLine, SearchSection,
    StepSection, TriedSetting,
};
pub use index::write_index;
pub use results::{ResultsExperiment, ResultsPipeline, read as read_report, results};
pub use write::write;
