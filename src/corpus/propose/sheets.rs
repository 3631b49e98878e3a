//! One table that lies in the tree: its cells, and which column may be what.

use std::collections::BTreeSet;
use std::path::Path;

use super::latin;
use super::names::{Finder, Names};
use super::text::{excerpt, listed, plain};
use super::words;
use crate::cancel::Cancel;
use crate::corpus::{MOST_CLASSES, is_missing, manifest};
use crate::error::Result;
use crate::escape::shown;

/// Rows looked at most of one table: a corpus of more recordings has a manifest of its own making.
const MOST_ROWS: usize = 2_000_000;
/// Columns that are shown.
const SHOWN: usize = 8;

/// What columns of emotions are called; the first of these that is there is taken.
const EMOTION: [&str; 22] = [
    "emotion",
    "emo",
    "emotionlabel",
    "emoclass",
    "emotionclass",
    "finallabel",
    "finalemotion",
    "final",
    "majority",
    "majorityvote",
    "gold",
    "goldstandard",
    "consensus",
    "agreed",
    "emotions",
    "gefuhl",
    "emocion",
    "emozione",
    "label",
    "class",
    "category",
    "target",
];

/// A table as it stands in its file.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// What reading it left open.
    pub(super) doubts: Vec<String>,
}

/// Reads the table at `path`, which is called `name`, also where it is written in Windows-1252.
///
/// # Errors
/// As a manifest's.
pub(super) fn read(path: &Path, name: &str, cancel: &Cancel) -> Result<Sheet> {
    let first = manifest::cells(path, MOST_ROWS, cancel);
    let is_whole = first.as_ref().is_ok_and(|cells| cells.refused == 0);
    let copy = if is_whole {
        None
    } else {
        latin::as_utf8(path)?
    };
    let mut doubts = Vec::new();
    let cells = match &copy {
        None => first?,
        Some(copy) => {
            doubts.push(format!(
                "{name} is not UTF-8 and is read as Windows-1252: look whether its letters are right in the manifest, or save it as UTF-8"
            ));
            manifest::cells(copy.path(), MOST_ROWS, cancel)?
        }
    };
    if let Some(why) = &cells.why {
        doubts.push(format!(
            "{} rows of {name} cannot be read and are left out, such as {why}",
            cells.refused
        ));
    }
    Ok(Sheet {
        columns: cells.columns,
        rows: cells.rows,
        doubts,
    })
}

/// Columns that may be the emotion.
pub(super) struct Emotions {
    /// The likeliest first.
    pub(super) columns: Vec<usize>,
    /// Of two columns of known words that disagree: the second of them, and on how many rows.
    /// Nothing else says which is meant.
    pub(super) rival: Option<(usize, usize)>,
}

impl Sheet {
    /// The column of that name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let exactly = self.columns.iter().position(|column| column == name);
        exactly.or_else(|| {
            self.columns
                .iter()
                .position(|column| plain(column.trim()) == plain(name.trim()))
        })
    }

    /// The column whose cells name recordings, and who finds them: most of its cells, or most of
    /// the recordings.
    pub(super) fn of_files<'n, 'f>(
        &self,
        names: &'n Names<'f>,
        table: &str,
    ) -> Option<(usize, Finder<'n, 'f>)> {
        (0..self.columns.len()).find_map(|c| {
            let finder = names.beside(table, self.cells(c));
            let cells = self.cells(c).take_while(|_| !names.cancel.requested());
            let found: Vec<&String> = cells.filter_map(|cell| finder.find(cell)).collect();
            let files: BTreeSet<&&String> = found.iter().collect();
            let names_them = found.len() * 2 > self.rows.len()
                || (files.len() * 2 > names.files.len() && files.len() * 2 > found.len());
            names_them.then_some((c, finder))
        })
    }

    /// Takes what stands in the place of a header for a row where it names a recording itself, as
    /// in the lists of some toolkits. Columns are called by their numbers then, from 1.
    pub(super) fn without_header(&mut self, names: &Names<'_>, table: &str) {
        // `file` may be the name of a column and of a recording.
        let is_path = |cell: &&String| {
            cell.contains(['/', '\\', '.']) || cell.contains(|c: char| c.is_ascii_digit())
        };
        let finder = names.beside(table, self.columns.iter().map(String::as_str));
        if self
            .columns
            .iter()
            .filter(is_path)
            .any(|cell| finder.find(cell).is_some())
        {
            let numbers = (1..=self.columns.len()).map(|n| n.to_string()).collect();
            self.rows
                .insert(0, std::mem::replace(&mut self.columns, numbers));
        }
    }

    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(move |row| row.get(column))
            .map(String::as_str)
    }

    /// The values of a column, blanks around them apart, that are not missing.
    fn values(&self, column: usize) -> BTreeSet<&str> {
        self.cells(column)
            .map(str::trim)
            .filter(|cell| !is_missing(cell))
            .collect()
    }

    /// Columns with their numbers of values.
    pub(super) fn seen(&self, columns: impl Iterator<Item = usize>) -> String {
        let seen: Vec<String> = columns
            .filter_map(|c| Some((c, self.columns.get(c)?)))
            .filter(|(_, name)| !name.is_empty())
            .map(|(c, name)| {
                format!(
                    "{} ({} values)",
                    excerpt(&shown(name)),
                    self.values(c).len()
                )
            })
            .collect();
        listed(&seen, SHOWN)
    }

    /// The columns that hold emotions.
    pub(super) fn emotions(&self, file: usize) -> Emotions {
        let rank = |c: usize| {
            let plain: String = plain(self.columns.get(c)?)
                .chars()
                .filter(|c| c.is_alphanumeric())
                .collect();
            EMOTION.iter().position(|name| *name == plain)
        };
        let known = |c: usize| {
            let there = self.cells(c).filter(|cell| !is_missing(cell)).count();
            let classes: Vec<&str> = self.cells(c).filter_map(words::emotion).collect();
            classes.len() * 2 > there && classes.iter().collect::<BTreeSet<_>>().len() > 1
        };
        let mut found: Vec<(bool, usize, usize)> = (0..self.columns.len())
            .filter(|&c| c != file && (1..=MOST_CLASSES).contains(&self.values(c).len()))
            .filter_map(|c| match (known(c), rank(c)) {
                (false, None) => None,
                (known, rank) => Some((!known, rank.unwrap_or(EMOTION.len()), c)),
            })
            .collect();
        found.sort_unstable();
        // A name tells which of several columns of emotions is meant, where one of them alone has
        // one.
        let words: Vec<(usize, usize)> = found
            .iter()
            .filter(|(unknown, ..)| !unknown)
            .map(|(_, rank, c)| (*rank, *c))
            .collect();
        let is_told = words
            .iter()
            .filter(|(rank, _)| *rank < EMOTION.len())
            .count()
            == 1;
        let rival = match words.first().filter(|_| !is_told) {
            Some((_, first)) => {
                let differ = words
                    .iter()
                    .skip(1)
                    .map(|(_, other)| (*other, self.differing(*first, *other)));
                differ
                    .max_by_key(|(_, rows)| *rows)
                    .filter(|(_, rows)| *rows > 0)
            }
            None => None,
        };
        Emotions {
            columns: found.into_iter().map(|(.., c)| c).collect(),
            rival,
        }
    }

    /// On how many rows two columns hold words of different classes.
    pub(super) fn differing(&self, a: usize, b: usize) -> usize {
        let class = |row: &Vec<String>, c: usize| row.get(c).and_then(|cell| words::emotion(cell));
        let differ = |row: &&Vec<String>| {
            class(row, a)
                .zip(class(row, b))
                .is_some_and(|(a, b)| a != b)
        };
        self.rows.iter().filter(differ).count()
    }
}
