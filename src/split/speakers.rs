//! What may be said of the speakers of test parts. [`TestSpeakers::of`] alone turns counts and
//! doubts into a statement; whatever shows a result takes its words from there.

use serde::{Deserialize, Deserializer, Serialize};

use super::sharing::{Sharing, shared};

/// Whether the speakers of the test part are unseen in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Independence {
    /// As counted from the folds, and nothing contradicts it.
    Yes,
    /// Speakers, or the very recordings, are in training as well.
    No,
    /// It cannot be told.
    Unknown,
}

impl Independence {
    /// `yes`, `no` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Independence::Yes => "yes",
            Independence::No => "no",
            Independence::Unknown => "unknown",
        }
    }

    /// What a source says, where it says anything.
    pub fn of(stated: Option<bool>) -> Independence {
        match stated {
            Some(true) => Independence::Yes,
            Some(false) => Independence::No,
            None => Independence::Unknown,
        }
    }
}

impl<'de> Deserialize<'de> for Independence {
    /// A word, or as older reports have it, `true` or `false`.
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Known(bool),
            Word(String),
        }
        Ok(match Value::deserialize(source)? {
            Value::Known(known) => Independence::of(Some(known)),
            Value::Word(word) => match word.as_str() {
                "yes" => Independence::Yes,
                "no" => Independence::No,
                _ => Independence::Unknown,
            },
        })
    }
}

/// The speakers of the test parts of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum TestSpeakers {
    /// None is trained on.
    Unseen,
    /// Whatever they are called, recordings of theirs are trained on: the same ones, other versions
    /// or overlapping parts.
    OnBothSides {
        /// Tested recordings with a copy in training, summed over folds.
        recordings: usize,
    },
    /// Whether the field that is taken for the speaker is one, nobody has confirmed.
    Guessed {
        /// Whether no tested value of the field is trained on.
        disjoint: bool,
    },
    /// By name none is trained on, but copies of one recording have different speakers, or names
    /// differ in their spelling alone.
    InDoubt {
        /// Such pairs of copies in the corpus.
        pairs: usize,
        /// Test speakers that are trained on under another spelling, summed over folds.
        respelt: usize,
    },
    /// Some are trained on.
    Shared,
    /// Of those that are known none is trained on.
    PartlyKnown,
    /// Nobody is known.
    Unknown,
}

/// The statement as it stands in a report.
#[derive(Serialize, Deserialize)]
struct Stored {
    speaker_independent: Independence,
    /// Absent from older reports.
    #[serde(default)]
    test_speakers: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    recordings_on_both_sides: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    copies_of_other_speakers: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    respelt_speakers: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl From<TestSpeakers> for Stored {
    fn from(speakers: TestSpeakers) -> Stored {
        let (recordings_on_both_sides, copies_of_other_speakers, respelt_speakers) = match speakers
        {
            TestSpeakers::OnBothSides { recordings } => (recordings, 0, 0),
            TestSpeakers::InDoubt { pairs, respelt } => (0, pairs, respelt),
            _ => (0, 0, 0),
        };
        Stored {
            speaker_independent: speakers.independence(),
            test_speakers: Some(speakers.word().to_owned()),
            recordings_on_both_sides,
            copies_of_other_speakers,
            respelt_speakers,
        }
    }
}

impl From<Stored> for TestSpeakers {
    fn from(stored: Stored) -> TestSpeakers {
        let (recordings, pairs, respelt) = (
            stored.recordings_on_both_sides,
            stored.copies_of_other_speakers,
            stored.respelt_speakers,
        );
        let all = [
            TestSpeakers::Unseen,
            TestSpeakers::OnBothSides { recordings },
            TestSpeakers::Guessed { disjoint: true },
            TestSpeakers::Guessed { disjoint: false },
            TestSpeakers::InDoubt { pairs, respelt },
            TestSpeakers::Shared,
            TestSpeakers::PartlyKnown,
            TestSpeakers::Unknown,
        ];
        match stored.test_speakers {
            Some(word) => all
                .into_iter()
                .find(|one| one.word() == word)
                .unwrap_or(TestSpeakers::Unknown),
            None => TestSpeakers::stated(stored.speaker_independent),
        }
    }
}

impl TestSpeakers {
    /// The statement that `folds` allow. `guessed` says that the speakers were inferred from names
    /// and not confirmed, `pairs` how many pairs of copies of one recording in the corpus have
    /// different speakers. What the audit found wins over names.
    pub fn of(folds: &[Sharing], guessed: bool, pairs: usize) -> TestSpeakers {
        let sum = |of: fn(&Sharing) -> usize| folds.iter().map(of).sum::<usize>();
        let (named, trained_on) = (sum(|s| s.test_speakers), sum(|s| s.shared_speakers));
        let (nameless, recordings) = (sum(Sharing::without_speaker), sum(|s| s.both_sides));
        let respelt = sum(|s| s.respelt_speakers);
        match trained_on {
            // Copies on both sides confirm what a guess alone does not.
            1.. if !guessed || recordings > 0 => TestSpeakers::Shared,
            _ if recordings > 0 => TestSpeakers::OnBothSides { recordings },
            _ if named == 0 => TestSpeakers::Unknown,
            _ if guessed => TestSpeakers::Guessed {
                disjoint: trained_on + nameless == 0,
            },
            _ if nameless > 0 => TestSpeakers::PartlyKnown,
            _ if pairs + respelt > 0 => TestSpeakers::InDoubt { pairs, respelt },
            _ => TestSpeakers::Unseen,
        }
    }

    /// What a publication, or an older report, says.
    pub fn stated(independence: Independence) -> TestSpeakers {
        match independence {
            Independence::Yes => TestSpeakers::Unseen,
            Independence::No => TestSpeakers::Shared,
            Independence::Unknown => TestSpeakers::Unknown,
        }
    }

    /// Whether they are unseen.
    pub fn independence(self) -> Independence {
        match self {
            TestSpeakers::Unseen => Independence::Yes,
            TestSpeakers::Shared | TestSpeakers::OnBothSides { .. } => Independence::No,
            TestSpeakers::Guessed { .. }
            | TestSpeakers::InDoubt { .. }
            | TestSpeakers::PartlyKnown
            | TestSpeakers::Unknown => Independence::Unknown,
        }
    }

    /// The same for all results that may stand in one table or chart.
    pub fn word(self) -> &'static str {
        match self {
            TestSpeakers::Unseen => "unseen",
            TestSpeakers::OnBothSides { .. } => "on-both-sides",
            TestSpeakers::Guessed { disjoint: true } => "guessed-disjoint",
            TestSpeakers::Guessed { disjoint: false } => "guessed-shared",
            TestSpeakers::InDoubt { .. } => "in-doubt",
            TestSpeakers::Shared => "shared",
            TestSpeakers::PartlyKnown => "partly-known",
            TestSpeakers::Unknown => "unknown",
        }
    }

    /// Place in the order of tables: what may be held beside figures of other speakers comes first,
    /// what holds for none after all whose training and test parts are what they are called.
    pub fn place(self) -> usize {
        match self {
            TestSpeakers::Unseen => 0,
            TestSpeakers::Guessed { disjoint: true } => 1,
            TestSpeakers::InDoubt { .. } => 2,
            TestSpeakers::Shared => 3,
            TestSpeakers::Guessed { disjoint: false } => 4,
            TestSpeakers::OnBothSides { .. } => 5,
            TestSpeakers::PartlyKnown => 6,
            TestSpeakers::Unknown => 7,
        }
    }

    /// Above a table, a panel or a card of results of this kind.
    pub fn heading(self) -> &'static str {
        match self {
            TestSpeakers::Unseen => "Test speakers unseen",
            TestSpeakers::OnBothSides { .. } => {
                "Not speaker-independent: recordings are on both sides"
            }
            TestSpeakers::Guessed { disjoint: true } => {
                "Speakers guessed from file and folder names: not confirmed; disjoint in the guessed field"
            }
            TestSpeakers::Guessed { disjoint: false } => {
                "Speakers guessed from file and folder names: not confirmed; shared in the guessed field"
            }
            TestSpeakers::InDoubt { .. } => {
                "Speakers in doubt: copies, or spellings of their names, contradict them"
            }
            TestSpeakers::Shared => "Test speakers shared with training",
            TestSpeakers::PartlyKnown => "Not all test speakers known",
            TestSpeakers::Unknown => "Test speakers not known",
        }
    }

    /// In a few words beside a figure.
    pub fn badge(self) -> &'static str {
        match self {
            TestSpeakers::Unseen => "unseen",
            TestSpeakers::OnBothSides { .. } => "not speaker-independent",
            TestSpeakers::Guessed { disjoint: true } => "guessed, not confirmed",
            TestSpeakers::Guessed { disjoint: false } => "shared in the guessed field",
            TestSpeakers::InDoubt { .. } => "in doubt",
            TestSpeakers::Shared => "shared with training",
            TestSpeakers::PartlyKnown => "not all known",
            TestSpeakers::Unknown => "not known",
        }
    }

    /// On the line of a result: `speaker-independent`, `not speaker-independent: 678 recordings are
    /// on both sides`.
    pub fn phrase(self) -> String {
        match self {
            TestSpeakers::Unseen => "speaker-independent".to_owned(),
            TestSpeakers::OnBothSides { recordings: 1 } => {
                "not speaker-independent: 1 recording is on both sides".to_owned()
            }
            TestSpeakers::OnBothSides { recordings } => {
                format!("not speaker-independent: {recordings} recordings are on both sides")
            }
            TestSpeakers::Guessed { disjoint: true } => {
                "speakers guessed from file and folder names: not confirmed; disjoint in the guessed field"
                    .to_owned()
            }
            TestSpeakers::Guessed { disjoint: false } => {
                "speakers guessed from file and folder names: not confirmed; shared in the guessed field"
                    .to_owned()
            }
            TestSpeakers::InDoubt { pairs, respelt } => {
                let copies = match pairs {
                    0 => None,
                    1 => Some("1 pair of copies has different speakers".to_owned()),
                    n => Some(format!("{n} pairs of copies have different speakers")),
                };
                let names = match respelt {
                    0 => None,
                    1 => Some("1 test speaker is trained on under another spelling".to_owned()),
                    n => Some(format!("{n} test speakers, counted in each fold, are trained on under other spellings")),
                };
                let why: Vec<String> = copies.into_iter().chain(names).collect();
                format!("speakers in doubt: {}", why.join(", and "))
            }
            TestSpeakers::Shared => "speakers shared".to_owned(),
            TestSpeakers::PartlyKnown => "not all speakers known".to_owned(),
            TestSpeakers::Unknown => "speakers not known".to_owned(),
        }
    }

    /// The statement with what follows from it and what to do: a sentence to be seen, and the rest.
    pub fn explain(self) -> (String, &'static str) {
        let (bold, rest) = match self {
            TestSpeakers::Unseen => ("Test speakers are unseen:", "none of them was trained on."),
            TestSpeakers::OnBothSides { .. } => (
                "",
                "These recordings, other versions of them or overlapping parts were trained on, so that the figures say nothing about new \
                 voices. Remove the copies (one of two formats, say), or correct speakers and times; require = \"duplicate-free\" refuses such \
                 folds.",
            ),
            TestSpeakers::Guessed { disjoint: true } => (
                "Speakers guessed from file and folder names: not confirmed.",
                "Training and test are disjoint in the guessed field, but whether it names speakers is not known. Look at the column speaker \
                 of the manifest and correct it where it is wrong; then take \"speaker\" out of corpus.guessed.",
            ),
            TestSpeakers::Guessed { disjoint: false } => (
                "Speakers guessed from file and folder names: not confirmed.",
                "Values of the guessed field are in training and test, and whether it names speakers is not known: expect less of a new \
                 voice.",
            ),
            TestSpeakers::InDoubt { pairs: 0, .. } => (
                "",
                "Names that differ in their spelling alone are most often one speaker's. Write the name of each speaker in one way in the \
                 column speaker of the manifest; where they are two speakers, give them names that differ in more.",
            ),
            TestSpeakers::InDoubt { .. } => (
                "",
                "At least one of each pair is attributed to the wrong speaker. Correct the speakers, or remove one recording of each pair \
                 (duplicates.csv).",
            ),
            TestSpeakers::Shared => (
                "Speakers are shared:",
                "the model was trained on other recordings of its test speakers.",
            ),
            TestSpeakers::PartlyKnown | TestSpeakers::Unknown => (
                "Not every speaker is known:",
                "test speakers may have been trained on, and that has to be assumed.",
            ),
        };
        if bold.is_empty() {
            let phrase = self.phrase();
            let (first, others) = phrase.split_at_checked(1).unwrap_or(("", &phrase));
            return (format!("{}{others}.", first.to_uppercase()), rest);
        }
        (bold.to_owned(), rest)
    }

    /// The statement with the counts behind it.
    pub(super) fn describe(self, folds: &[Sharing]) -> String {
        let counts: Vec<(usize, usize)> = folds
            .iter()
            .map(|s| (s.shared_speakers, s.test_speakers))
            .collect();
        let (tested, trained) = folds.iter().fold((0, 0), |sum, s| {
            (
                sum.0 + s.test_without_speaker,
                sum.1 + s.train_without_speaker,
            )
        });
        let noun = match (self, tested + trained) {
            (TestSpeakers::Guessed { .. }, _) => "test value",
            (_, 0) => "test speaker",
            _ => "named test speaker",
        };
        let begin = match self {
            TestSpeakers::Unknown => {
                return "speakers are not known: whether test speakers are also trained on cannot be told, and has to be assumed"
                    .to_owned();
            }
            TestSpeakers::Shared => "speaker-dependent".to_owned(),
            TestSpeakers::OnBothSides { .. } | TestSpeakers::InDoubt { .. } => {
                format!("{}; by name", self.phrase())
            }
            other => other.phrase(),
        };
        let counted = if folds.iter().all(|s| s.test_speakers == 0) {
            "no test speaker is known".to_owned()
        } else {
            shared(noun, &counts)
        };
        let nameless = match tested + trained {
            0 => String::new(),
            _ => format!(
                "; of {tested} tested and {trained} trained utterances, over all folds, the speaker is not known"
            ),
        };
        let colon = if begin.ends_with("by name") { "," } else { ":" };
        format!("{begin}{colon} {counted}{nameless}")
    }
}
