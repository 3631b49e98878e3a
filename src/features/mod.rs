//! Feature sets: versioned rows of one utterance. `docs/features.md` has what is in them, with
//! formulas and sources.

mod descriptors;
mod extractor;
mod frames;
mod front;
mod functionals;
mod issa193;
mod set;

pub use descriptors::{DescriptorExtractor, Descriptors, descriptor_names};
pub use extractor::Extractor;
pub use issa193::{Analysis, Issa193};
pub use set::{CODE_VERSION, FeatureSet, Profile, groups, names};
