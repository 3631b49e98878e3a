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
mod fit;
mod flow;
mod foretell;
mod ingest;
mod inputs;
mod jobs;
mod joined;
mod line;
mod listing;
mod missing;
mod open;
mod options;
mod origin;
mod overview;
mod plan;
mod pools;
pub mod predict;
mod probes;
mod publish;
mod recordings;
mod report;
mod results;
mod rows;
mod running;
mod search;
mod split;
pub mod spread;
mod suspects;
mod tables;
mod terms;
mod train;
mod unusable;
mod walk;
mod windows;
mod workers;

pub use flow::{Outcome, plan, run, work};
pub use line::ExperimentLine;
pub use options::{Options, Stage};
pub use plan::{Decision, PlanLine, dag_dot, dag_text};
pub use results::{results, variants};
