//! A generated corpus of speech-like sounds, so that the whole pipeline can be tried without any
//! recording.

mod foreign;
mod generated;
mod official;
mod signal;
mod voice;
mod wave;

pub use foreign::{foreign, has_layout, in_layout};
pub use generated::{SyntheticSettings, generate, is_complete, read, remove};
