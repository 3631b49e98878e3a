//! Which of the tables in the tree is the one of labels.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::guess::Row;
use super::ours::without_ours;
use super::place::Choices;
use super::repeats::contradicted;
use super::sheets::{self, Labelled, Names, Rejected, labelled};
use super::text::some;
use super::words;
use crate::corpus::walk::walk;
use crate::error::{Error, Result};

const EXTENSIONS: &[&str] = &["csv", "tsv", "tab", "parquet", "txt"];
/// Tables that are named; a folder may hold a text beside each recording.
const SHOWN: usize = 6;

/// What the tables say.
pub(super) struct Look {
    /// The one that is believed.
    pub(super) best: Option<Labelled>,
    /// What should be known of the others.
    pub(super) doubts: Vec<String>,
    /// Each table that has no labels, and why.
    pub(super) rejected: Vec<String>,
}

/// Looks at all tables below `root`.
///
/// # Errors
/// `Io` where the folder cannot be read.
pub(super) fn look(root: &Path, files: &[String], choices: &Choices) -> Result<Look> {
    let names = Names::of(files);
    let mut found: Vec<Labelled> = Vec::new();
    let (mut rejected, mut doubts) = (Vec::new(), Vec::new());
    for table in without_ours(root, walk(root, "", EXTENSIONS)?.files) {
        match labelled(root, &table, &names, choices) {
            Ok(labels) => found.push(labels),
            Err(Rejected { why, matters }) => {
                let told = format!("{table}: {why}");
                if matters {
                    doubts.push(format!("the table {told}"));
                }
                rejected.push(told);
            }
        }
    }
    found.sort_by_cached_key(|labels| {
        let covered = labels.rows.iter().map(|row| &row.path).collect::<BTreeSet<_>>().len();
        let speakers = labels.rows.iter().any(|row| row.speaker.is_some());
        (Reverse(covered), !contradicted(&labels.rows).is_empty(), !speakers, labels.table.clone())
    });
    let mut found = found.into_iter();
    let best = found.next();
    if let Some(best) = &best {
        for other in found {
            let differ = differing(&best.rows, &other.rows);
            doubts.push(format!("{} also names the recordings; {differ} labels differ from those of {}", other.table, best.table));
        }
    }
    if doubts.len() > SHOWN {
        let more = doubts.len() - SHOWN;
        doubts.truncate(SHOWN);
        doubts.push(format!("{more} more tables name the recordings or cannot be read"));
    }
    Ok(Look { best, doubts, rejected })
}

/// How many recordings have other classes in `b` than in `a`.
fn differing(a: &[Row], b: &[Row]) -> usize {
    let classes = |rows: &'_ [Row]| {
        let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            out.entry(row.path.clone()).or_default().insert(words::emotion(&row.emotion).unwrap_or(&row.emotion).to_owned());
        }
        out
    };
    let (a, b) = (classes(a), classes(b));
    b.iter().filter(|(path, labels)| a.get(*path).is_some_and(|others| others != *labels)).count()
}

/// What a column of a table says of each recording: of several tables the one that names most recordings counts.
///
/// # Errors
/// `Data` where no table that names the recordings has it.
pub(super) fn column(root: &Path, files: &[String], name: &str) -> Result<BTreeMap<String, String>> {
    let names = Names::of(files);
    let mut best = BTreeMap::new();
    let mut seen = Vec::new();
    for table in without_ours(root, walk(root, "", EXTENSIONS)?.files) {
        let Ok(sheet) = sheets::read(&root.join(&table), &table) else { continue };
        let folder = sheets::folder(&table);
        let Some(file) = sheet.of_files(&names, &folder) else { continue };
        seen.push(format!("{table} has {}", sheet.seen(0..sheet.columns.len())));
        let Some(column) = sheet.place(name) else { continue };
        let mut values = BTreeMap::new();
        for row in &sheet.rows {
            let (Some(cell), Some(value)) = (row.get(file), row.get(column).map(|value| value.trim())) else { continue };
            if let (Some(path), false) = (names.find(&folder, cell), value.is_empty()) {
                values.entry(path.clone()).or_insert_with(|| value.to_owned());
            }
        }
        if values.len() > best.len() {
            best = values;
        }
    }
    if best.is_empty() {
        let seen = if seen.is_empty() { "no table names the recordings".to_owned() } else { some(&seen, SHOWN) };
        let error = Error::data(format!("no table below {} that names the recordings has a column {name}", root.display()));
        return Err(error.hint(seen));
    }
    Ok(best)
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
