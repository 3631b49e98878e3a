//! EmoBox's folds of a corpus (Ma et al. 2024, arXiv 2406.07162), and its figures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::pattern::Forms;
use crate::corpus::utterance::Source;

/// What EmoBox has of a corpus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmoBox {
    /// Whether its folds keep speakers apart.
    pub speakers: Speakers,
    /// How many folds there are.
    pub folds: u32,
    /// What the speakers are called in the names of folds.
    #[serde(default = "speakers")]
    called: String,
    /// Who or what is tested; `None` where no list of it is kept here.
    list: Option<List>,
    /// Figures of a linear classifier on frozen encoders.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// What has to be known of them.
    pub note: Option<String>,
    #[serde(skip)]
    cells: OnceLock<BTreeMap<String, Place>>,
}

fn speakers() -> String {
    "speakers".to_owned()
}

/// Whether test speakers are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speakers {
    /// No test speaker is trained on.
    Apart,
    /// Test speakers are trained on.
    Shared,
    /// Nothing says who speaks, or who is in which fold.
    Unknown,
}

/// A published result: encoder, UAR, accuracy and macro F1 in per cent.
#[derive(Debug, Deserialize)]
pub struct Figure(pub String, pub f64, pub f64, pub f64);

/// Who or what is tested in which fold.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List {
    /// Test speakers, fold by fold.
    Speakers { speakers: Vec<Forms> },
    /// The parts that names or tables declare, and the parts that are trained on, validated on and
    /// tested in the one fold.
    Declared { declared: bool },
    /// A table of ids: a row is the first part of ids and a cell for each column, the last part of
    /// them. A digit is the fold that tests the utterance, `-` an utterance that is only trained
    /// on, `.` one that is not in the list; trailing `.` are left out.
    Cells { columns: String, rows: String },
    /// Ids that the one fold tests, by their first part; all others are trained on.
    Tests { tests: String },
}

/// Where a list of folds puts an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Trained on in every fold.
    Training,
    /// Validated on in every fold.
    Validation,
    /// Tested in this fold, from 0, and trained on in the others.
    Test(u32),
}

impl EmoBox {
    /// Whether its folds are known here.
    pub fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// The place of an utterance; `None` where it is not in the list.
    pub fn place(&self, source: &Source) -> Option<Place> {
        self.place_of(&source.id, &source.speaker, source.split.as_deref())
    }

    /// The place of an utterance by its id, its speaker and the part that the corpus declares.
    pub fn place_of(&self, id: &str, speaker: &str, declared: Option<&str>) -> Option<Place> {
        match self.list.as_ref()? {
            List::Speakers { speakers } => {
                let fold = speakers.iter().position(|one| one.hold(speaker))?;
                Some(Place::Test(fold as u32))
            }
            List::Declared { .. } => match declared? {
                "train" => Some(Place::Training),
                "validation" => Some(Place::Validation),
                "test" => Some(Place::Test(0)),
                _ => None,
            },
            List::Cells { .. } => self.cells().get(id).copied(),
            List::Tests { .. } => Some(self.cells().get(id).copied().unwrap_or(Place::Training)),
        }
    }

    /// Whether it lists speakers, and not recordings.
    pub fn is_by_speaker(&self) -> bool {
        matches!(self.list, Some(List::Speakers { .. }))
    }

    /// The name of a fold, from 0.
    pub fn fold_name(&self, fold: u32) -> String {
        match &self.list {
            Some(List::Speakers { speakers }) => match speakers.get(fold as usize) {
                Some(one) => format!("{} {}", self.called, one.as_str()),
                None => format!("fold {fold}"),
            },
            _ => format!("fold {fold}"),
        }
    }

    /// Speakers or utterances of the list that are not among those given, by name; empty where the
    /// list names none.
    pub fn absent<'a>(&self, ids: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let (ids, there): (BTreeSet<&str>, BTreeSet<&str>) = ids.unzip();
        match &self.list {
            Some(List::Speakers { speakers }) => {
                let named = speakers.iter().flat_map(|one| one.as_str().split(' '));
                let mut absent: Vec<String> = named
                    .filter(|name| !there.contains(name))
                    .map(str::to_owned)
                    .collect();
                absent.sort();
                absent
            }
            Some(List::Cells { .. } | List::Tests { .. }) => {
                let absent = self.cells().keys().filter(|id| !ids.contains(id.as_str()));
                absent.cloned().collect()
            }
            _ => vec![],
        }
    }

    /// What is listed is called, for people.
    pub fn called(&self) -> &str {
        match self.list {
            Some(List::Speakers { .. }) => &self.called,
            _ => "recordings",
        }
    }

    /// A text that differs where the folds do.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        match &self.list {
            None => {}
            Some(List::Speakers { speakers }) => {
                for one in speakers {
                    hasher.update(one.as_str().as_bytes()).update(b"|");
                }
            }
            Some(List::Declared { declared }) => {
                hasher.update(&[u8::from(*declared)]);
            }
            Some(List::Cells { columns, rows }) => {
                hasher
                    .update(columns.as_bytes())
                    .update(b"|")
                    .update(rows.as_bytes());
            }
            Some(List::Tests { tests }) => {
                hasher.update(tests.as_bytes());
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    fn cells(&self) -> &BTreeMap<String, Place> {
        self.cells.get_or_init(|| match &self.list {
            Some(List::Cells { columns, rows }) => {
                let columns: Vec<&str> = columns.split_whitespace().collect();
                let row = |line: &str| -> Vec<(String, Place)> {
                    let Some((first, cells)) = line.rsplit_once(' ') else {
                        return vec![];
                    };
                    let cell = |(column, cell): (&&str, char)| {
                        let place = match cell {
                            '-' => Place::Training,
                            'v' => Place::Validation,
                            digit => Place::Test(digit.to_digit(10)?.checked_sub(1)?),
                        };
                        // An utterance whose id is the first part alone has the column `=`.
                        let last = if *column == "=" { "" } else { column };
                        Some((format!("{first}{last}"), place))
                    };
                    columns.iter().zip(cells.chars()).filter_map(cell).collect()
                };
                rows.lines().flat_map(row).collect()
            }
            Some(List::Tests { tests }) => {
                let row = |line: &str| -> Vec<(String, Place)> {
                    let mut words = line.split(' ');
                    let first = words.next().unwrap_or_default().to_owned();
                    words
                        .map(|last| match last {
                            "=" => (first.clone(), Place::Test(0)),
                            last => (format!("{first}{last}"), Place::Test(0)),
                        })
                        .collect()
                };
                tests.lines().flat_map(row).collect()
            }
            _ => BTreeMap::new(),
        })
    }
}
