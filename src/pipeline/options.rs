//! What a caller may choose besides the pipeline file.

use std::path::PathBuf;

use crate::orchestrator::{Limits, Owner};

/// The stages in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Read the corpus and probe its audio.
    Ingest,
    /// A feature vector per utterance.
    Features,
    /// Which recordings are copies of one another.
    Audit,
    /// Who is in which fold.
    Split,
    /// A model per experiment, fold and seed.
    Train,
    /// Predictions and figures.
    Evaluate,
    /// What models lean on.
    Explain,
    /// The tables of all experiments together.
    Tables,
    /// Pages and CSV files.
    Report,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 9] = [
        Stage::Ingest,
        Stage::Features,
        Stage::Audit,
        Stage::Split,
        Stage::Train,
        Stage::Evaluate,
        Stage::Explain,
        Stage::Tables,
        Stage::Report,
    ];

    /// The name used in ids and messages.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Ingest => "ingest",
            Stage::Features => "features",
            Stage::Audit => "audit",
            Stage::Split => "split",
            Stage::Train => "train",
            Stage::Evaluate => "evaluate",
            Stage::Explain => "explain",
            Stage::Tables => "tables",
            Stage::Report => "report",
        }
    }

    /// Raised when the stage's own code would give other bytes for the same inputs and parameters.
    pub(super) fn code_version(self) -> u32 {
        match self {
            // 4: made from checked probes alone.
            Stage::Ingest => 4,
            Stage::Features => crate::features::CODE_VERSION,
            Stage::Audit => crate::fingerprint::CODE_VERSION,
            Stage::Split => 4,
            // Each model has its own besides.
            Stage::Train => 1,
            // 5: predictions are in their table alone.
            Stage::Evaluate => 5,
            Stage::Explain => 3,
            Stage::Tables => 2,
            Stage::Report => crate::report::CODE_VERSION,
        }
    }
}

/// Where things lie and how much is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `tables/`, `models/` and `cache/`.
    pub data_dir: PathBuf,
    /// Gets a folder per pipeline.
    pub reports_dir: PathBuf,
    /// The last stage to run.
    pub until: Stage,
    /// Names of the experiments to run; empty: those that the pipeline marks as default.
    pub experiments: Vec<String>,
    /// Whether the models of these experiments are asked what they lean on, whatever the pipeline
    /// file says.
    pub explain: bool,
    /// How tasks are run; each stage uses as many threads as there are tasks side by side.
    pub limits: Limits,
    /// Who runs them, for others that have to wait.
    pub owner: Owner,
    /// Whether to wait for another process that works on the same pipeline; without it, that is an
    /// error.
    pub wait: bool,
}

impl Options {
    /// Where the cache of a pipeline lies.
    pub fn store(&self, pipeline: &str) -> PathBuf {
        self.data_dir.join("cache").join(pipeline)
    }
}
