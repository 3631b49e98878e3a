//! From predictions to figures.

mod baselines;
mod bootstrap;
mod importance;
mod overview;
mod pairs;
mod pools;
mod predictions;
mod projection;
mod robustness;
mod scores;
mod significance;
mod uncertainty;
pub mod vote;

pub use baselines::{Baselines, chance_and_majority};
pub use bootstrap::{Interval, Intervals, PairedIntervals, Resampled};
pub use importance::{
    Columns, Explanation, Importance, Lost, MOST_FEATURES, REPEATS, explanation, lost,
};
pub use overview::{DETAILED, FeatureByClass, FeatureSummary, MOST_ROWS, Overview, Row, overview};
pub use pairs::{Answered, Pair, holm, pairs};
pub use pools::{Half, InductiveTwin, RestrictedPool, halves};
pub use projection::Projection;
pub use robustness::{Robustness, correct};
pub use scores::{ClassScores, Confusion, Scores, Spread};
pub use significance::{McNemar, Paired, compare};
pub use uncertainty::{Bin, Calibration};
pub use uncertainty::{Breakdown, Group, SeedFigures, Uncertainty};
pub use vote::Vote;

pub use crate::table::predictions::argmax;
