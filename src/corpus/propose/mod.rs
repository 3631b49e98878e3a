//! A guess at an unknown corpus: which part of a path is the emotion, which the speaker, and what cannot be told.

mod audformat;
mod fields;
mod guess;
mod sheets;
mod words;
mod write;

pub use guess::{Proposal, Row, propose};
pub use write::{manifest, pipeline};
