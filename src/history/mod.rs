//! What was run, when, with which settings, and what came of it: `data/runs.sqlite`.
//!
//! A [`Recorder`] listens to a run and writes in the background; [`History`] answers afterwards. A
//! history that cannot be written costs a warning, never a run.

mod process;
mod query;
mod recorder;
mod revision;
mod rows;
mod schema;
mod seal;
mod store;
#[cfg(test)]
mod tests;

pub use process::Process;
pub use recorder::Recorder;
pub use revision::Revision;
pub use rows::{Begin, End, Metric, Outcome, Predictions, Run, TaskRow, Tasks, What};
pub use store::{FILE, History};
