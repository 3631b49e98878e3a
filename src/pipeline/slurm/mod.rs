//! A pipeline over the machines of a cluster: its stages as a plan of equal tasks, and what each of
//! these tasks does.
//!
//! features (a task per shard of the corpus) -> prepare -> train (a task per experiment, fold and
//! seed) -> report

mod request;
mod worker;

pub use request::{JobRequest, Place, plan};
pub use worker::{done, worker};
