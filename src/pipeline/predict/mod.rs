//! A saved model, or all of an experiment, on recordings: the same decoding, features and scaling
//! as in training.

mod given;
mod loader;
mod output;
mod pool;
mod run;
mod sources;
mod speakers;
mod worker;

pub use crate::audio::Windows;
pub use loader::Predictor;
pub use output::{Format, Output};
pub use pool::Inference;
pub use run::{LONG_S, Settings, Sink, Speakers, Tally, predict};
pub use sources::{Clip, Item, RejectReason, Rejected, Sources};
