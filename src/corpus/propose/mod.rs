//! A guess at an unknown corpus: which part of a path is the emotion, which the speaker, and what
//! cannot be told.

mod audformat;
mod by_path;
mod dialogues;
mod fields;
mod forms;
mod guess;
mod labelled;
mod latin;
mod media;
mod names;
mod ours;
mod place;
mod repeats;
mod several;
mod sheets;
mod sounds;
mod speaker;
mod tables;
mod text;
pub(super) mod treated;
mod twins;
pub(super) mod words;
mod write;

pub use guess::{Proposal, Row, propose, propose_until};
pub use place::{Choices, Place};
pub use sounds::{Sound, heed};
pub use write::{manifest, pipeline};
