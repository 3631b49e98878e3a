//! Where the science meets the orchestrator: the stages of a pipeline as tasks.
//!
//! ingest -> features -> audit -> split -> train (a task per fold and seed) -> evaluate -> report

mod audit;
mod augment;
mod calibrate;
mod combine;
mod doubts;
mod evaluate;
mod experiments;
mod explain;
mod extract;
mod flow;
mod graph;
mod ingest;
mod inputs;
mod joined;
mod known;
mod line;
mod listing;
mod missing;
mod open;
mod overview;
mod pipeline_run;
mod plan;
mod pools;
pub mod predict;
mod probes;
mod publish;
mod recordings;
mod report;
mod results;
mod rows;
mod search;
pub mod slurm;
mod split;
mod stable_names;
mod suspects;
mod tables;
mod terms;
mod train;
mod unusable;
mod windows;
mod workers;

pub use flow::{Outcome, plan, run, work};
pub use graph::Stage;
pub use line::ExperimentLine;
pub use pipeline_run::Options;
pub use plan::{PlanLine, dag_dot, dag_text};
pub use results::{results, variants};

pub use crate::orchestrator::Decision;
