//! What is known of one recording, before and after its audio is opened.

use serde::{Deserialize, Serialize};

/// How far (seconds) a segment may reach beyond the end of its recording: label files round their
/// times.
pub const SEGMENT_TOLERANCE_S: f64 = 0.05;

/// Stands for the speaker where nobody knows who it is: not a person, and never unseen.
pub const UNKNOWN_SPEAKER: &str = "unknown";

/// A speaker's sex as the corpus gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// `female` in tables.
    Female,
    /// `male` in tables.
    Male,
}

impl Sex {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Sex::Female => "female",
            Sex::Male => "male",
        }
    }
}

/// One labelled recording as a corpus reader finds it, before its audio is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Unique within the corpus and stable across machines.
    pub id: String,
    /// Relative to the corpus root, `/`-separated.
    pub path: String,
    /// The label as the corpus's own classes name it (`angry`, `anger`, …), already mapped.
    pub emotion: String,
    /// Unique within the corpus; [`UNKNOWN_SPEAKER`] where nobody knows.
    pub speaker: String,
    /// Where the corpus says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// The sentence that is spoken, where the corpus says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_id: Option<String>,
    /// Recording session, where the corpus has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Acted intensity, where the corpus has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity: Option<String>,
    /// Which take of the same sentence this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition: Option<String>,
    /// BCP 47 language tag, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// A part declared by a manifest: `train`, `validation` or `test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Start of the utterance within the file, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// End of the utterance within the file, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
}

impl Source {
    /// A source of which nothing but its id and path is known yet; emotion and speaker are empty.
    pub fn named(id: impl Into<String>, path: impl Into<String>) -> Self {
        Source {
            id: id.into(),
            path: path.into(),
            emotion: String::new(),
            speaker: String::new(),
            sex: None,
            text_id: None,
            session: None,
            intensity: None,
            repetition: None,
            language: None,
            split: None,
            start_s: None,
            end_s: None,
        }
    }
}

/// A [`Source`] whose audio was decoded once and found usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// What the corpus says.
    pub source: Source,
    /// Of the file, in Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
    /// Samples per channel of the utterance (of the segment where there is one).
    pub n_samples: u64,
    /// `n_samples / sample_rate`.
    pub duration_s: f64,
    /// Hex blake3 over rate and decoded mono samples: the same sound gives the same hash under any
    /// name or tag.
    pub content_hash: String,
}

/// How results are marked that rest on a guess.
pub const NOT_CONFIRMED: &str = "guessed from file and folder names, not confirmed";

/// An attribute that may have been inferred from the names of files and folders.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// The class.
    Emotion,
    /// Who speaks.
    Speaker,
    /// Of the speaker.
    Sex,
    /// Recording session.
    Session,
    /// The sentence that is spoken.
    Text,
    /// Any other field that recordings are grouped by.
    Group,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Attribute; 6] = [
        Attribute::Emotion,
        Attribute::Speaker,
        Attribute::Sex,
        Attribute::Session,
        Attribute::Text,
        Attribute::Group,
    ];

    /// The word of a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Attribute::Emotion => "emotion",
            Attribute::Speaker => "speaker",
            Attribute::Sex => "sex",
            Attribute::Session => "session",
            Attribute::Text => "text",
            Attribute::Group => "group",
        }
    }

    /// The attribute of this name.
    pub fn parse(word: &str) -> Option<Attribute> {
        Attribute::ALL.into_iter().find(|one| one.name() == word)
    }

    /// `emotion, speaker`.
    pub fn list(attributes: &[Attribute]) -> String {
        attributes
            .iter()
            .map(|one| one.name())
            .collect::<Vec<_>>()
            .join(", ")
    }
}
