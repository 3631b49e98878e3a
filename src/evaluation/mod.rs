//! From predictions to figures.

mod confusion;
mod published;
mod scores;

pub use published::{Baselines, Mark, Published, chance_and_majority};
pub use scores::{ClassScores, Confusion, Scores, Spread};

pub use crate::table::predictions::argmax;
