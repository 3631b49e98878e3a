//! A generated corpus of speech-like sounds, so that the whole pipeline can be tried without any recording.

mod generated;
mod phones;
mod signal;
mod voice;

pub use generated::{SyntheticSettings, generate, is_complete, read};
