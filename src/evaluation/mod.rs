//! From predictions to figures.

mod published;
mod scores;

pub use published::{Mark, Published};
pub use scores::{ClassScores, Confusion, Scores, Spread};
