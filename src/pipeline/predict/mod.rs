//! A saved model, or all of an experiment, on recordings: the same decoding, features and scaling
//! as in training.

mod faults;
mod judge;
mod listen;
mod loader;
mod output;
mod run;
mod sources;
mod speakers;

pub use crate::audio::Windows;
pub use faults::{Bad, Fault};
pub use listen::Heard;
pub use loader::Predictor;
pub use output::{Format, Output};
pub use run::{LONG_S, Settings, Sink, Speakers, Tally, predict};
pub use sources::{Clip, Item, Sources};
