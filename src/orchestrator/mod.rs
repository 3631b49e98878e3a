//! Stages, tasks, keys and their execution; knows nothing of emotions.
//!
//! A [`Task`] is an identity (stage, code version, parameters, content of its inputs) and an action
//! that writes files into a folder. A [`Graph`] says which task waits for which. The [`Store`]
//! keeps one folder per identity, published by a rename when it is whole; [`execute`] runs what the
//! store does not hold.

mod event;
mod execute;
mod gc;
mod graph;
mod identity;
mod latest;
mod lock;
mod record;
mod status;
mod store;

#[cfg(test)]
mod execute_tests;

pub use event::{Event, Observer};
pub use execute::{Ended, Limits, execute, execute_one};
pub use gc::Garbage;
pub use graph::{Action, Context, Graph, Node, Task, Which};
pub use identity::{Identity, Key};
pub use lock::{Lock, Owner};
pub use record::Finished;
pub use status::{Status, Why};
pub use store::Store;
