//! `ser predict`.

mod args;
mod command;
mod sink;

pub use args::Predict;
pub use command::predict;
