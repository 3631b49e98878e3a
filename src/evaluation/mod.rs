//! From predictions to figures.

mod confusion;
mod published;
mod scores;
mod significance;

pub use published::{Baselines, Mark, Published, chance_and_majority};
pub use scores::{ClassScores, Confusion, Scores, Spread};
pub use significance::{McNemar, Paired, compare};

pub use crate::table::predictions::argmax;
