//! A guess at an unknown corpus: which part of a path is the emotion, which the speaker, and what cannot be told.

mod audformat;
mod by_path;
mod dialogues;
mod fields;
mod guess;
mod labelled;
mod latin;
mod names;
mod place;
mod repeats;
mod sheets;
mod speaker;
mod tables;
mod text;
pub(super) mod words;
mod write;

pub use guess::{Proposal, Row, propose, propose_until};
pub use place::{Choices, Place};
pub use write::{manifest, pipeline};
