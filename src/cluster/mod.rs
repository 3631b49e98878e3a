//! Plans of work on a Slurm cluster: what was submitted, what the scheduler says of it, and what is
//! still missing.
//!
//! The outputs say what is done; the scheduler's word stands beside it. A [`Run`] is the folder of
//! one plan, a [`Session`] works on it.

mod client;
mod ledger;
mod plan;
mod script;
mod session;
mod status;
mod submit;

pub use client::Client;
pub use client::{Queue, Task};
pub use ledger::{Entry, Event};
pub use plan::Run;
pub use plan::{Indices, Plan, Resources, Stage};
pub use script::{command_line, script};
pub use session::{Done, Session};
pub use status::{StageStatus, Status, TaskStatus};
pub use submit::Submitted;
