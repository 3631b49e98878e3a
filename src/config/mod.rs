//! Pipeline files: strict reading, overrides from the command line, and total settings.
//!
//! Each part of a file is one type, whose fields are its keys: read by serde, checked and documented
//! by its JSON Schema, and serialized as a part of cache keys.

mod check;
mod corpus;
mod encoder;
mod ensemble;
mod experiment;
#[cfg(test)]
mod experiment_tests;
mod features;
mod format;
mod inputs;
mod joined;
mod known;
mod load;
mod matrix;
mod model;
mod overrides;
mod pipeline;
mod protocol;
mod published;
#[cfg(test)]
mod refusal_tests;
mod schema;
mod search;
mod section;
#[cfg(test)]
mod shipped_tests;
mod slurm;
mod source;
#[cfg(test)]
mod tests;
mod train;
mod variant;

pub use corpus::{CorpusKind, CorpusSettings};
pub use encoder::EncoderSettings;
pub use experiment::Experiment;
pub use features::{FeatureSettings, SetSettings};
pub use joined::{CorpusPart, PartKind};
pub use known::{KnownCorpus, KnownKind, KnownPart};
pub use load::{SCHEMA_FILE, SCHEMA_LINE, SHIPPED, load, name_in, parse, read};
pub use model::ModelSettings;
pub use pipeline::{Pipeline, pipeline_schema, update_page};
pub use search::{Candidate, Grid, Search, SearchMetric};
pub use slurm::{SLURM_STAGES, SlurmSettings, SlurmShare, load_profile, slurm_schema};
pub(crate) use source::suggestion;
pub use variant::{derived_name, parse_variant, split_variant};
