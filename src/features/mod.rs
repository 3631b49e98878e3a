//! Feature sets: versioned rows of one utterance. `docs/features.md` has what is in them, with
//! formulas and sources.

mod analysis;
mod extractor;
mod frames;
mod functionals;
mod issa193;
mod set;

pub use extractor::Extractor;
pub use issa193::Intermediates;
pub use set::{
    CODE_VERSION, FeatureSet, MOST_FRAMES, Profile, encoder_columns, groups, names, numbered,
};
