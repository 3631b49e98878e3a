//! Where the science meets the orchestrator: the stages of a pipeline as tasks.
//!
//! ingest -> features -> split -> train (a task per fold and seed) -> evaluate -> report

mod evaluate;
mod experiments;
mod extract;
mod flow;
mod ingest;
mod line;
mod listing;
mod open;
mod options;
mod predict;
mod probes;
mod publish;
mod report;
mod rows;
mod split;
mod train;
mod walk;
mod workers;

pub use flow::{Outcome, plan, run};
pub use line::ExperimentLine;
pub use options::{Options, Stage};
pub use predict::{Prediction, Predictor};
pub use walk::PlanLine;
