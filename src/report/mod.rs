//! Reports: pages and CSV files as pure functions of a plain value.

mod data;

pub use data::{CorpusSection, EpochLine, ExperimentSection, FoldSection, PipelineReport, PredictionLine};
