//! What is proposed for a folder of recordings.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::{Reason, SetAside};

/// One recording, or one segment of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Relative to the folder, `/`-separated.
    pub path: String,
    /// As the corpus writes it.
    pub emotion: String,
    /// `None` where nobody knows.
    pub speaker: Option<String>,
    /// Other columns of a manifest, by name.
    pub columns: BTreeMap<&'static str, String>,
}

/// A recording, or a segment of one: path, start, end.
type Span<'r> = (&'r str, Option<&'r str>, Option<&'r str>);

impl Row {
    fn column(&self, name: &str) -> Option<&str> {
        self.columns.get(name).map(String::as_str)
    }

    /// Whether it is a part of its recording.
    pub(super) fn is_segment(&self) -> bool {
        self.columns.contains_key("start") || self.columns.contains_key("end")
    }

    fn span(&self) -> Span<'_> {
        (&self.path, self.column("start"), self.column("end"))
    }
}

/// What a folder seems to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposal {
    /// Name of the corpus, safe as a file name.
    pub name: String,
    /// The kind of the corpus, where it is known by name: no manifest is needed then.
    pub kind: Option<&'static str>,
    /// BCP 47 or ISO 639 tag, where something says it.
    pub language: Option<String>,
    /// On which terms the recordings may be used, where something says it.
    pub licence: Option<String>,
    /// What to cite, where something says it.
    pub citation: Option<String>,
    /// In the order of their paths.
    pub rows: Vec<Row>,
    /// From the corpus's own words to classes.
    pub classes: BTreeMap<String, String>,
    /// How it was told.
    pub evidence: Vec<String>,
    /// What could not be told, or may be otherwise.
    pub warnings: Vec<String>,
    /// What was inferred from folders and file names, in the words of `corpus.guessed`.
    pub guessed: Vec<&'static str>,
    /// Whether a program made the sounds, as a file beside them says.
    pub generated: bool,
    /// Files that cannot be used.
    pub set_aside: Vec<SetAside>,
    /// What is known of those that lack nothing but an emotion, by path.
    pub unlabelled: BTreeMap<String, Row>,
}

impl Proposal {
    /// The speakers, ascending; empty where nobody knows them.
    pub fn speakers(&self) -> BTreeSet<&str> {
        self.rows
            .iter()
            .filter_map(|row| row.speaker.as_deref())
            .collect()
    }

    /// Whether every recording has a speaker, and there is more than one of them.
    pub fn has_speakers(&self) -> bool {
        self.rows.iter().all(|row| row.speaker.is_some()) && self.speakers().len() > 1
    }

    /// Whether the corpus says what to train on and what to test.
    pub fn is_parted(&self) -> bool {
        let has = |part| {
            self.rows
                .iter()
                .any(|row| row.column("split") == Some(part))
        };
        has("train") && has("test")
    }

    /// The class of a row.
    pub fn class<'r>(&'r self, row: &'r Row) -> &'r str {
        self.classes.get(&row.emotion).unwrap_or(&row.emotion)
    }

    /// How often each class occurs among what a run takes: of several rows for one sound the first.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for row in self.rows.iter().filter(|row| seen.insert(row.span())) {
            *counts.entry(self.class(row)).or_default() += 1;
        }
        counts
    }

    /// How many recordings there are: fewer than rows where these are segments, or say something
    /// twice.
    pub fn recordings(&self) -> usize {
        let paths: BTreeSet<&str> = self.rows.iter().map(|row| row.path.as_str()).collect();
        paths.len()
    }

    /// What there is, for people: `60 recordings`, `120 segments of 60 recordings`.
    pub fn size(&self) -> String {
        let (rows, recordings) = (self.rows.len(), self.recordings());
        if self.rows.iter().any(Row::is_segment) {
            format!("{rows} segments of {recordings} recordings")
        } else if rows != recordings {
            format!("{rows} rows for {recordings} recordings")
        } else {
            format!("{rows} recordings")
        }
    }

    /// Notes of every recording that has neither a row nor a reason that it has no label, so that
    /// none is lost without a word.
    pub(super) fn exclude_others(&mut self, files: &[String]) {
        let used: BTreeSet<&str> = self.rows.iter().map(|row| row.path.as_str()).collect();
        // Of a recording with a row, a part or a rater without a label leaves nothing out.
        self.set_aside.retain(|aside| {
            aside.reason != Reason::MissingLabel || !used.contains(aside.path.as_str())
        });
        let aside = self.set_aside.iter().map(|aside| aside.path.as_str());
        let known: BTreeSet<&str> = used.into_iter().chain(aside).collect();
        let others: Vec<SetAside> = files
            .iter()
            .filter(|path| !known.contains(path.as_str()))
            .map(|path| SetAside {
                path: path.clone(),
                reason: Reason::MissingLabel,
                detail: "no label was found for it".to_owned(),
            })
            .collect();
        self.set_aside.extend(others);
        self.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
        self.set_aside.dedup_by(|a, b| a.path == b.path);
    }

    /// Sorts the rows, and leaves out those of which an earlier one says the same.
    pub(super) fn tidy_rows(&mut self) {
        let start = |row: &Row| row.column("start").and_then(|start| start.parse().ok());
        let mut seen = BTreeSet::new();
        let keep: Vec<bool> = self
            .rows
            .iter()
            .map(|row| seen.insert((row.span(), &row.emotion, &row.speaker)))
            .collect();
        let mut keep = keep.into_iter();
        self.rows.retain(|_| keep.next() == Some(true));
        self.rows.sort_by(|a, b| {
            let (from, to) = (start(a).unwrap_or(0.0), start(b).unwrap_or(0.0));
            a.path.cmp(&b.path).then(f64::total_cmp(&from, &to))
        });
    }
}

/// Recordings or segments of which rows say different emotions or speakers: their paths, with the
/// emotions.
pub(super) fn contradictions(rows: &[Row]) -> Vec<(&str, BTreeSet<&str>)> {
    let mut labels: BTreeMap<Span, BTreeSet<(&str, Option<&str>)>> = BTreeMap::new();
    for row in rows {
        let label = (row.emotion.as_str(), row.speaker.as_deref());
        labels.entry(row.span()).or_default().insert(label);
    }
    labels
        .into_iter()
        .filter(|(_, labels)| labels.len() > 1)
        .map(|((path, ..), labels)| {
            (
                path,
                labels.into_iter().map(|(emotion, _)| emotion).collect(),
            )
        })
        .collect()
}
