//! Attributes of recordings that names can suggest: until somebody confirms them, they are guesses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How results are marked that rest on a guess.
pub const NOT_CONFIRMED: &str = "guessed from file names, not confirmed";

/// An attribute that may have been inferred from the names of files and folders.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
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
