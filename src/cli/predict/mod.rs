//! `ser predict`.

mod args;
mod command;
mod model;
mod outputs;
mod sink;

pub use args::Predict;
pub use command::predict;
