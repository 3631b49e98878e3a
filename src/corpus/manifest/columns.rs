//! The columns of a manifest by name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::text::{excerpt, listed, nearest};

/// Columns named in one message.
const SHOWN: usize = 12;

/// Columns that every manifest has.
pub(super) const REQUIRED: [&str; 3] = ["path", "emotion", "speaker"];
const OPTIONAL: [&str; 10] = [
    "id",
    "sex",
    "text_id",
    "session",
    "split",
    "start",
    "end",
    "language",
    "intensity",
    "repetition",
];

/// What other tables call the required columns; only offered, never assumed.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("path", "file"),
    ("path", "filename"),
    ("path", "audio"),
    ("path", "wav"),
    ("emotion", "label"),
    ("emotion", "class"),
    ("emotion", "category"),
    ("speaker", "actor"),
    ("speaker", "subject"),
];

/// Which cell of a row is which column.
pub(super) struct Columns {
    pub(super) index: BTreeMap<&'static str, usize>,
    /// The names of the others, as they stand in the file.
    pub(super) unused: Vec<String>,
}

impl Columns {
    /// Finds the known columns in a header.
    ///
    /// # Errors
    /// `Data` where a required column is not there or a known one is there twice.
    pub(super) fn of(header: &[String], path: &Path) -> Result<Self> {
        Columns::with(header, path, &REQUIRED)
    }

    /// As [`Columns::of`], where fewer columns are required.
    ///
    /// # Errors
    /// As [`Columns::of`].
    pub(super) fn with(header: &[String], path: &Path, required: &[&str]) -> Result<Self> {
        let mut columns = Columns {
            index: BTreeMap::new(),
            unused: Vec::new(),
        };
        for (at, name) in header.iter().enumerate() {
            let plain = name
                .to_lowercase()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join("_");
            match REQUIRED
                .iter()
                .chain(&OPTIONAL)
                .find(|known| **known == without_seconds(&plain))
            {
                Some(known) if columns.index.insert(known, at).is_some() => {
                    return Err(
                        Error::data(format!("{} has two columns {known}", path.display()))
                            .hint("remove or rename one of them"),
                    );
                }
                Some(_) => {}
                None => columns.unused.push(if name.is_empty() {
                    format!("(column {} without a name)", at + 1)
                } else {
                    name.clone()
                }),
            }
        }
        match required
            .iter()
            .find(|name| !columns.index.contains_key(**name))
        {
            None => Ok(columns),
            Some(name) => {
                let there = listed(
                    &header.iter().map(|name| excerpt(name)).collect::<Vec<_>>(),
                    SHOWN,
                );
                let meant = |header: &&String| {
                    OTHER_NAMES.contains(&(*name, header.to_lowercase().as_str()))
                };
                let is_one = header.len() == 1
                    && there
                        .split_whitespace()
                        .any(|word| word.eq_ignore_ascii_case(name));
                let hint = match columns
                    .unused
                    .iter()
                    .find(meant)
                    .map(String::as_str)
                    .or_else(|| nearest(name, columns.unused.iter().map(String::as_str)))
                {
                    _ if is_one => "separate the cells by commas or tabs, not by spaces".to_owned(),
                    Some(near) => {
                        format!(
                            "rename the column {} to {name}, or add {name}",
                            excerpt(near)
                        )
                    }
                    None => format!("add a column {name}"),
                };
                Err(Error::data(format!(
                    "{} has no column {name}; it has {there}",
                    path.display()
                ))
                .hint(hint))
            }
        }
    }

    /// What to do with columns that look like the times of segments and are none of those known, so
    /// that whole recordings are used.
    pub(super) fn other_units(&self) -> Option<String> {
        let of = |words: &[&str]| {
            self.unused.iter().find(|name| {
                words
                    .iter()
                    .any(|word| name.trim().to_lowercase().starts_with(word))
            })
        };
        let (start, end) = (
            of(&["start", "begin", "onset"])?,
            of(&["end", "stop", "offset"])?,
        );
        let is_known = self.index.contains_key("start") || self.index.contains_key("end");
        (!is_known).then(|| {
            let (start, end) = (excerpt(start), excerpt(end));
            format!("the columns {start} and {end} look like the times of segments and are not used, so that each row is a whole recording: rename them to start and end, in seconds")
        })
    }

    /// The trimmed cell, `None` where there is no such column or nothing in it.
    pub(super) fn cell<'r>(&self, cells: &'r [String], name: &str) -> Option<&'r str> {
        cells
            .get(*self.index.get(name)?)
            .map(|c| c.trim())
            .filter(|c| !c.is_empty())
    }
}

/// A plain name of a time without the unit behind it, where that is seconds: `start_(s)`,
/// `end_sec`.
fn without_seconds(plain: &str) -> &str {
    let words: Vec<&str> = plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    match words[..] {
        [
            time @ ("start" | "end"),
            "s" | "sec" | "secs" | "second" | "seconds",
        ] => time,
        _ => plain,
    }
}
