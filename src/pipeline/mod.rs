//! Where the science meets the orchestrator: the stages of a pipeline as tasks.
//!
//! ingest -> features -> split -> train (a task per fold and seed) -> evaluate -> report

mod evaluate;
mod extract;
mod flow;
mod ingest;
mod line;
mod options;
mod predict;
mod publish;
mod report;
mod split;
mod train;

pub use flow::{Outcome, PlanLine, plan, run};
pub use line::ExperimentLine;
pub use options::{Options, Stage};
pub use predict::{Prediction, Predictor};
