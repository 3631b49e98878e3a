//! Stages, tasks, keys and their execution; knows nothing of emotions.
//!
//! A [`Task`] is an identity (stage, code version, parameters, content of its inputs) and an action that writes files into a folder. The
//! [`Store`] keeps one folder per identity, published by a rename when it is whole; [`execute`] runs what the store does not hold.

mod event;
mod execute;

mod identity;
mod lock;
mod status;
mod store;

pub use event::{Event, Observer};
pub use execute::{Action, Context, Task, execute};

pub use identity::{Identity, Key};
pub use lock::Lock;
pub use status::{Status, Why};
pub use store::{Finished, Store};
