//! The columns of a manifest by name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

/// Columns that every manifest has.
pub(super) const REQUIRED: [&str; 3] = ["path", "emotion", "speaker"];
/// Of these, the ones that no row may leave empty: a speaker may be unknown.
pub(super) const FILLED: [&str; 2] = ["path", "emotion"];
const OPTIONAL: [&str; 10] = ["id", "sex", "text_id", "session", "split", "start", "end", "language", "intensity", "repetition"];

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
        let mut columns = Columns { index: BTreeMap::new(), unused: Vec::new() };
        for (at, name) in header.iter().enumerate() {
            let plain = name.to_lowercase().split_whitespace().collect::<Vec<_>>().join("_");
            match REQUIRED.iter().chain(&OPTIONAL).find(|known| **known == plain) {
                Some(known) if columns.index.insert(known, at).is_some() => {
                    return Err(Error::data(format!("{} has two columns {known}", path.display())).hint("remove or rename one of them"));
                }
                Some(_) => {}
                None => columns.unused.push(if name.is_empty() { format!("(column {} without a name)", at + 1) } else { name.clone() }),
            }
        }
        match required.iter().find(|name| !columns.index.contains_key(**name)) {
            None => Ok(columns),
            Some(name) => {
                let there = header.join(", ");
                let meant = |header: &&String| OTHER_NAMES.contains(&(*name, header.to_lowercase().as_str()));
                let hint = match columns.unused.iter().find(meant).or_else(|| nearest(name, columns.unused.iter())) {
                    Some(near) => format!("rename the column {near} to {name}, or add {name}"),
                    None => format!("add a column {name}"),
                };
                Err(Error::data(format!("{} has no column {name}; it has {there}", path.display())).hint(hint))
            }
        }
    }

    /// The trimmed cell, `None` where there is no such column or nothing in it.
    pub(super) fn cell<'r>(&self, cells: &'r [String], name: &str) -> Option<&'r str> {
        cells.get(*self.index.get(name)?).map(|c| c.trim()).filter(|c| !c.is_empty())
    }
}

/// The name that looks most like `wanted`, where one is near enough to be a slip.
pub(super) fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n String>) -> Option<&'n String> {
    let similarity = |name: &String| strsim::jaro_winkler(wanted, &name.to_lowercase());
    names.map(|name| (similarity(name), name)).filter(|(s, _)| *s > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
