//! Stages, tasks, keys and their execution; knows nothing of emotions.
//!
//! A [`Task`] is an identity (stage, code version, parameters, content of its inputs) and an action
//! that writes files into a folder. A [`Node`] is a task before the outputs that it reads are there.
//! The [`Store`] keeps one folder per identity, published by a rename when it is whole. The
//! [`Interpreter`] goes through groups of nodes to run what the store does not hold, or to say what
//! that would be.

mod event;
mod execute;
mod gc;
mod graph;
mod interpreter;
mod lock;
mod record;
mod status;
mod store;

#[cfg(test)]
mod execute_tests;
#[cfg(test)]
mod interpreter_tests;

pub use event::{Event, Observer};
pub use execute::{Limits, NodeOutcome, execute, execute_one};
pub use gc::Garbage;
pub use graph::{
    Action, Cached, Context, InputDetail, Node, Outputs, Pending, Prepare, Settings, Task, Upstream,
};
pub use graph::{Identity, Key};
pub use interpreter::{Decision, Failure, Interpreter, Mode, Planned, stops_everything};
pub use lock::{Lock, Owner};
pub use record::Finished;
pub use status::{StaleReason, Status};
pub use store::Store;
