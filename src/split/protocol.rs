//! The evaluation protocols by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is tested on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Protocol {
    /// One stratified random test part; speakers shared.
    HoldOut {
        /// Share of the utterances that is tested.
        #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
        test_fraction: f64,
    },
    /// Stratified random folds; speakers shared. The paper's setting with 5 folds.
    StratifiedKfold {
        /// Number of folds.
        #[schemars(range(min = 2, max = 1000))]
        folds: usize,
    },
    /// Folds of whole speakers, balanced in size; at most as many as there are speakers.
    GroupKfold {
        /// Number of folds.
        #[schemars(range(min = 2, max = 1000))]
        folds: usize,
    },
    /// One fold per speaker.
    LeaveOneSpeakerOut,
    /// One fold per recording session; not RAVDESS, not EMO-DB.
    LeaveOneSessionOut,
    /// One fold per corpus of a `joined` one: trained on the others, tested on this one.
    CrossCorpus,
    /// A published list of folds.
    Published {
        /// `emobox`: six folds of four actors, RAVDESS only.
        #[schemars(extend("format" = "word"))]
        name: String,
    },
    /// The `split` column of the manifest; manifests only.
    Declared,
}

impl Protocol {
    /// Whether nobody is tested who is trained on, as far as the corpus allows.
    pub fn keeps_speakers_apart(&self) -> bool {
        !matches!(
            self,
            Protocol::HoldOut { .. } | Protocol::StratifiedKfold { .. }
        )
    }

    /// How many folds there will be in a corpus of so many speakers and sessions.
    pub fn expected_folds(&self, speakers: usize, sessions: usize) -> u32 {
        let folds = match self {
            Protocol::HoldOut { .. } | Protocol::Declared => 1,
            Protocol::StratifiedKfold { folds } | Protocol::GroupKfold { folds } => *folds,
            Protocol::LeaveOneSpeakerOut => speakers,
            Protocol::LeaveOneSessionOut | Protocol::CrossCorpus => sessions,
            Protocol::Published { .. } => super::groups::EMOBOX.len(),
        };
        u32::try_from(folds).unwrap_or(u32::MAX)
    }

    /// The short name used in tables and file names.
    pub fn name(&self) -> String {
        match self {
            Protocol::HoldOut { test_fraction } => {
                format!("hold-out-{}", (test_fraction * 1e8).round() / 1e6)
            }
            Protocol::StratifiedKfold { folds } => format!("stratified-{folds}-fold"),
            Protocol::GroupKfold { folds } => format!("group-{folds}-fold"),
            Protocol::LeaveOneSpeakerOut => "leave-one-speaker-out".into(),
            Protocol::LeaveOneSessionOut => "leave-one-session-out".into(),
            Protocol::CrossCorpus => "cross-corpus".into(),
            Protocol::Published { name } => format!("published-{name}"),
            Protocol::Declared => "declared".into(),
        }
    }
}
