//! What a corpus reader reports: what it found, what it left aside and why, and what should have
//! been there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::utterance::Source;

/// Why a file or a label is not an utterance of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A modality or vocal channel that repeats the same voices (RAVDESS song, audio-visual
    /// copies).
    OtherMaterial,
    /// A file name or label code that the corpus does not define.
    UnknownCode,
    /// A class that this pipeline does not use.
    ClassNotUsed,
    /// Left out by the chosen subset (scripted dialogs, weak agreement, …).
    NotInSubset,
    /// Left out by the pipeline's own rule for a smaller corpus.
    SubsetRule,
    /// The manifest says that it is not to be used, and why.
    Excluded,
    /// A label without its recording.
    MissingAudio,
    /// A recording without a label.
    MissingLabel,
    /// The same path or the same sound a second time.
    Duplicate,
    /// A file that is no usable audio.
    BadAudio,
    /// A recording without usable features in an imported table.
    NoFeatures,
    /// A name that cannot be stored (not UTF-8).
    BadName,
    /// A manifest row or label line that cannot be read.
    BadRow,
}

impl Reason {
    /// Whether somebody has something to mend, rather than that a choice was made.
    pub fn is_mistake(self) -> bool {
        matches!(
            self,
            Reason::UnknownCode
                | Reason::MissingAudio
                | Reason::BadAudio
                | Reason::NoFeatures
                | Reason::BadName
                | Reason::BadRow
        )
    }

    /// A few words for people.
    pub fn describe(self) -> &'static str {
        match self {
            Reason::OtherMaterial => "other material of the same voices",
            Reason::UnknownCode => "unknown code",
            Reason::ClassNotUsed => "class not used here",
            Reason::NotInSubset => "not in the chosen subset",
            Reason::SubsetRule => "left out by the subset rule",
            Reason::Excluded => "excluded by the manifest",
            Reason::MissingAudio => "label without a recording",
            Reason::MissingLabel => "recording without a label",
            Reason::Duplicate => "duplicate",
            Reason::BadAudio => "unusable audio",
            Reason::NoFeatures => "no usable row of imported features",
            Reason::BadName => "unusable name",
            Reason::BadRow => "unreadable row",
        }
    }
}

/// One thing that was left aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The file or utterance, relative to the corpus root where it has a path.
    pub path: String,
    /// The kind of cause, for counting.
    pub reason: Reason,
    /// What exactly is wrong and what to do.
    pub detail: String,
}

/// A published count to hold a found one against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Where the numbers come from.
    pub source: String,
    /// Utterances in all.
    pub utterances: usize,
    /// Number of speakers; 0 where it is not published.
    pub speakers: usize,
    /// Utterances per emotion.
    pub classes: BTreeMap<String, usize>,
}

impl Expected {
    /// The counts of the classes that a map makes of the published ones; `None` where there are
    /// none by class.
    pub fn mapped(self, map: &BTreeMap<String, String>) -> Option<Expected> {
        let mut classes: BTreeMap<String, usize> = BTreeMap::new();
        for (class, n) in &self.classes {
            if let Some(to) = map.get(class) {
                *classes.entry(to.clone()).or_default() += n;
            }
        }
        (!classes.is_empty()).then(|| Expected {
            utterances: classes.values().sum(),
            classes,
            ..self
        })
    }
}

/// What a reader found under a corpus root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The corpus's name.
    pub corpus: String,
    /// Usable candidates, sorted by id.
    pub sources: Vec<Source>,
    /// What is left aside, sorted by path.
    pub set_aside: Vec<SetAside>,
    /// The published counts, where the corpus has them.
    pub expected: Option<Expected>,
    /// What is probably a mistake of the pipeline file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Remarks for the report ("emodb-2s: cut to 2 s, not comparable with published results").
    pub notes: Vec<String>,
    /// Generated, not recorded: a report says so everywhere and never shows published figures
    /// beside it.
    pub generated: bool,
}
