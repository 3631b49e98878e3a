//! Reports: pages and CSV files as pure functions of a plain value.

#[cfg(test)]
extern crate self as ser;

mod bars;
mod bibtex;
mod card;
mod cards;
mod compare;
mod confusion_table;
mod corpus;
mod crate_metadata;
mod csv;
mod csv_results;
mod csv_table;
mod curves;
mod data;
mod experiment;
mod explain;
mod figure;
#[cfg(test)]
mod fixture;
mod headline;
pub mod html;
mod hub;
mod index;
mod latex;
pub mod leak;
mod marker;
mod models;
mod overview;
mod page;
pub mod pools;
mod results;
mod run;
mod runs;
mod settings;
mod shares;
mod speaker_dots;
mod stress;
mod summary;
pub mod svg;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_figures;
#[cfg(test)]
mod tests_warnings;
mod uncertainty;
mod write;

/// Raised whenever the same report would be written as other bytes.
pub const CODE_VERSION: u32 = 15;

pub use crate_metadata::{CRATE_FILE, CrateRun, write_crate};
pub use csv::TABLES;
pub use csv_table::escape_formula;
pub use data::{
    CorpusSection, ExperimentSection, FoldSection, OfWindows, PipelineReport, SearchSection,
    StepSection, TestedUtterance, TriedSetting,
};
pub use figure::FIGURES;
pub use headline::RESULTS_PICTURE;
pub use index::write_index;
pub use results::{
    RESULTS_HEAD, ResultsExperiment, ResultsPipeline, read as read_report, results, results_picture,
};
pub use run::{RUN_PAGE, RunPage, RunTask, write_run};
pub use write::write;
