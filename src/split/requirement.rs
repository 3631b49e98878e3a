//! What an experiment may demand of its folds before anything is trained on them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sharing::Sharing;

/// A demand on every fold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// No test speaker is trained on.
    SpeakerDisjoint,
    /// No test sentence is trained on, and every sentence is known.
    TextDisjoint,
    /// No test session is trained on, and every session is known.
    SessionDisjoint,
    /// No tested sound is trained on, neither under another name nor as another version of the
    /// recording.
    DuplicateFree,
    /// The pretrained encoder, where there is one, is known not to have been trained on the corpus.
    /// No fold has a part in it: whoever knows the encoder decides.
    EncoderUnseen,
}

/// How folds fall short of a demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Place of the first such fold.
    pub fold: usize,
    /// How many there are.
    pub folds: usize,
    /// What the first of them has (`24 of 24 test speakers are also trained on`).
    pub what: String,
    /// What can be done.
    pub hint: &'static str,
}

impl Requirement {
    /// All of them.
    pub const ALL: [Requirement; 5] = [
        Requirement::SpeakerDisjoint,
        Requirement::TextDisjoint,
        Requirement::SessionDisjoint,
        Requirement::DuplicateFree,
        Requirement::EncoderUnseen,
    ];

    /// The word of a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Requirement::SpeakerDisjoint => "speaker-disjoint",
            Requirement::TextDisjoint => "text-disjoint",
            Requirement::SessionDisjoint => "session-disjoint",
            Requirement::DuplicateFree => "duplicate-free",
            Requirement::EncoderUnseen => "encoder-unseen",
        }
    }

    /// How the folds fall short of the demand; nothing where they meet it. Near-duplicates count as
    /// far as they were looked for.
    pub fn unmet(self, folds: &[Sharing]) -> Option<Unmet> {
        let short: Vec<(usize, String)> = folds
            .iter()
            .enumerate()
            .filter_map(|(i, fold)| Some((i, self.lacks(fold)?)))
            .collect();
        let (fold, what) = short.first()?.clone();
        Some(Unmet {
            fold,
            folds: short.len(),
            what,
            hint: self.hint(),
        })
    }

    fn lacks(self, fold: &Sharing) -> Option<String> {
        let shared = |n: usize, all: usize, what: &str| {
            (n > 0).then(|| format!("{n} of {all} {what} are also trained on"))
        };
        let unknown = |tested: usize, trained: usize, what: &str| {
            (tested + trained > 0).then(|| {
                format!("{tested} tested and {trained} trained utterances have no named {what}")
            })
        };
        match self {
            Requirement::SpeakerDisjoint => {
                shared(fold.shared_speakers, fold.test_speakers, "test speakers").or_else(|| {
                    unknown(
                        fold.test_without_speaker,
                        fold.train_without_speaker,
                        "speaker",
                    )
                })
                .or_else(|| {
                    let (n, all) = (fold.respelt_speakers, fold.test_speakers);
                    (n > 0).then(|| {
                        format!("the names of {n} of {all} test speakers differ from names that are trained on in their spelling alone")
                    })
                })
            }
            Requirement::TextDisjoint => {
                shared(fold.shared_texts, fold.test_texts, "test sentences").or_else(|| {
                    unknown(fold.test_without_text, fold.train_without_text, "sentence")
                })
            }
            Requirement::SessionDisjoint => {
                shared(fold.shared_sessions, fold.test_sessions, "test sessions").or_else(|| {
                    unknown(
                        fold.test_without_session,
                        fold.train_without_session,
                        "session",
                    )
                })
            }
            Requirement::DuplicateFree => {
                let (exact, near, all) = (
                    fold.shared_duplicates,
                    fold.shared_near.unwrap_or_default(),
                    fold.test_utterances,
                );
                let cut = fold.shared_overlaps.unwrap_or_default();
                let overlaps = if cut > 0 {
                    format!(", and {cut} overlap with one in the same recording")
                } else {
                    String::new()
                };
                let words = format!(
                    "of {all} tested utterances, {exact} have the same sound as one that is trained on and {near} are another version of \
                     one{overlaps}"
                );
                (exact + near + cut > 0).then_some(words)
            }
            Requirement::EncoderUnseen => None,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Requirement::SpeakerDisjoint => {
                "choose a protocol that keeps speakers apart (group-kfold, leave-one-speaker-out), write the name of each speaker in one way, or take \
                 speaker-disjoint out of `require`"
            }
            Requirement::TextDisjoint => {
                "only parts that a manifest declares can keep sentences apart (protocol kind `declared`); \
                 name every sentence in its text_id column, or take text-disjoint out of `require`"
            }
            Requirement::SessionDisjoint => {
                "choose protocol kind `leave-one-session-out`, name every session, or take session-disjoint out of `require`"
            }
            Requirement::DuplicateFree => {
                "the pairs stand in duplicates.csv beside the report, and in duplicates.parquet among the tables: leave one recording of each pair out of the corpus, \
                 keep the segments of a recording together (as sessions, or declared parts), or take duplicate-free out of `require`"
            }
            Requirement::EncoderUnseen => "take encoder-unseen out of `require`",
        }
    }
}
