//! Feature sets: versioned vectors of one utterance.

mod extractor;
mod set;

pub use extractor::{Analysis, Extractor};
pub use set::{CODE_VERSION, FeatureSet, Profile, groups, names};
