//! Pipeline files: strict reading, overrides from the command line, and total settings.

mod accepted;
mod check;
mod citation;
mod ensemble;
mod experiment;
mod joined;
mod keys;
mod load;
mod model;
mod network;
mod overrides;
mod published;
mod raw;
mod search;
mod shipped;
#[cfg(test)]
mod shipped_tests;
mod slurm;
#[cfg(test)]
mod tests;
mod texts;
mod training;
mod twin;
mod validated;
mod variant;

pub use joined::{CorpusPart, PartKind};
pub use keys::{CorpusKey, ModelKey, SplitKey};
pub use load::{load, name_in, parse, read};
pub use model::{Gamma, ModelSettings};
pub use search::{Candidate, Grid, Search, SearchMetric};
pub use shipped::SHIPPED;
pub use slurm::{SLURM_STAGES, SlurmSettings, SlurmShare, load_profile};
pub(crate) use texts::suggestion;
pub use validated::{
    CorpusKind, CorpusSettings, Experiment, FeatureSettings, Pipeline, SetSettings,
};
pub use variant::{derived_name, parse_variant, split_variant};
