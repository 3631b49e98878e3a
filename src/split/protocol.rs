//! The evaluation protocols by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::corpus::known::{EmoBox, Speakers, known};

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
    /// One fold per recording session; of the known corpora, IEMOCAP has them.
    LeaveOneSessionOut,
    /// One fold per corpus of a `joined` one: trained on the others, tested on this one.
    CrossCorpus,
    /// Folds of whole sentences, balanced in size; speakers shared.
    TextKfold {
        /// Number of folds.
        #[schemars(range(min = 2, max = 1000))]
        folds: usize,
    },
    /// A fold for each pair of a group of speakers and a group of sentences: trained on whatever is
    /// of neither.
    SpeakerTextKfold {
        /// Number of groups of speakers.
        #[schemars(range(min = 2, max = 100))]
        speaker_folds: usize,
        /// Number of groups of sentences.
        #[schemars(range(min = 2, max = 100))]
        text_folds: usize,
    },
    /// A published list of folds.
    Published {
        /// `emobox`, for the corpora of which `ser corpus list` says so.
        #[schemars(extend("format" = "word"))]
        name: String,
        /// The kind of the corpus, which the pipeline says.
        #[serde(skip)]
        of: String,
    },
    /// The parts of the corpus: the `split` column of a manifest, or those of MELD, MER2023, MSP-Podcast
    /// and RESD.
    Declared,
}

impl Protocol {
    /// Whether nobody is tested who is trained on, as far as the corpus allows.
    pub fn keeps_speakers_apart(&self) -> bool {
        match self {
            Protocol::HoldOut { .. }
            | Protocol::StratifiedKfold { .. }
            | Protocol::TextKfold { .. } => false,
            Protocol::Published { of, .. } => {
                listed(of).is_none_or(|list| list.speakers == Speakers::Apart)
            }
            _ => true,
        }
    }

    /// How many folds there will be in a corpus of so many speakers and sessions.
    pub fn expected_folds(&self, speakers: usize, sessions: usize) -> u32 {
        let folds = match self {
            Protocol::HoldOut { .. } | Protocol::Declared => 1,
            Protocol::StratifiedKfold { folds }
            | Protocol::GroupKfold { folds }
            | Protocol::TextKfold { folds } => *folds,
            Protocol::SpeakerTextKfold {
                speaker_folds,
                text_folds,
            } => speaker_folds * text_folds,
            Protocol::LeaveOneSpeakerOut => speakers,
            Protocol::LeaveOneSessionOut | Protocol::CrossCorpus => sessions,
            Protocol::Published { of, .. } => listed(of).map_or(0, |list| list.folds as usize),
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
            Protocol::TextKfold { folds } => format!("text-{folds}-fold"),
            Protocol::SpeakerTextKfold {
                speaker_folds,
                text_folds,
            } => format!("speaker-{speaker_folds}-text-{text_folds}-fold"),
            Protocol::Published { name, .. } => format!("published-{name}"),
            Protocol::Declared => "declared".into(),
        }
    }
}

/// EmoBox's folds of a kind of corpus.
pub(super) fn listed(kind: &str) -> Option<&'static EmoBox> {
    let known = known(if kind.is_empty() { "ravdess" } else { kind })?;
    known.emobox.as_ref().filter(|list| list.has_list())
}
