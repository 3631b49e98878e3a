//! A saved model, or all of an experiment, on recordings: the same decoding, features and scaling
//! as in training; and the features alone.

mod features;
mod loader;
mod output;
mod pool;
mod remarks;
mod run;
mod sources;
mod speakers;
mod worker;

pub use crate::audio::Windows;
pub use features::{RecordingFeatures, features};
pub use loader::Predictor;
pub use output::{Format, Output};
pub use pool::Inference;
pub use remarks::{caution, remark, remark_on_decoding};
pub use run::{LONG_S, Settings, Sink, Speakers, Tally, predict};
pub use sources::{Clip, Item, RejectReason, Rejected, Sources};
