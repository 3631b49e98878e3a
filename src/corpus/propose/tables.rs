//! Which of the tables in the tree are those of labels.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Folder;
use super::label_table::{LabelTable, Rejected, labelled};
use super::own_files::without_own_files;
use super::proposal::{Row, contradictions};
use super::recording_index::RecordingIndex;
use super::sheet::{self, part_of};
use super::table_folders::locate;
use super::words;
use crate::corpus::walk::{extension, walk_until};
use crate::corpus::{Reason, SetAside};
use crate::error::{Error, Result};
use crate::text::{excerpt, listed, plural};

const EXTENSIONS: &[&str] = &[
    "csv", "tsv", "tab", "parquet", "txt", "jsonl", "ndjson", "json",
];
/// Tables that are named and not read.
const SPREADSHEETS: &[&str] = &["xlsx", "xls", "xlsm", "ods"];
/// Share of the recordings whose emotion the paths tell that a table has to name to be believed
/// before them.
const MOST_NAMED: f64 = 0.8;
/// Tables that are named; a folder may hold a text beside each recording.
const SHOWN: usize = 6;

/// What the tables say.
pub(super) struct Tables {
    /// The one that is believed, or several of one form.
    pub(super) best: Option<LabelTable>,
    /// What should be known of the others.
    pub(super) warnings: Vec<String>,
    /// Each table that has no labels, and why.
    pub(super) rejected: Vec<String>,
}

/// Looks at all tables below `root`.
///
/// # Errors
/// `Io` where the folder cannot be read; `Interrupted` on request.
pub(super) fn look(folder: &Folder) -> Result<Tables> {
    let Folder {
        root,
        files,
        cancel,
        ..
    } = *folder;
    let index = RecordingIndex::of(files);
    let mut found: Vec<LabelTable> = Vec::new();
    let (mut rejected, mut warnings) = (Vec::new(), Vec::new());
    for table in without_own_files(
        root,
        walk_until(root, "", &[EXTENSIONS, SPREADSHEETS].concat(), cancel)?.files,
    ) {
        let labels = if SPREADSHEETS.contains(&extension(&table).as_str()) {
            let why = "a spreadsheet, which ser does not read: export the sheet of labels as CSV (UTF-8) beside it".to_owned();
            Err(Rejected { why, matters: true })
        } else {
            labelled(folder, &table, &index)
        };
        cancel.check()?;
        match labels {
            Ok(labels) => found.push(labels),
            Err(Rejected { why, matters }) => {
                let told = format!("{table}: {why}");
                if matters {
                    warnings.push(format!("the table {told}"));
                }
                rejected.push(told);
            }
        }
    }
    let mut found = together(found);
    found.sort_by_cached_key(|labels| {
        let speakers = labels.rows.iter().any(|row| row.speaker.is_some());
        let parted = labels
            .rows
            .iter()
            .any(|row| row.columns.contains_key("split"));
        (
            Reverse(labels.covered().len()),
            !contradictions(&labels.rows).is_empty(),
            !speakers,
            !parted,
            labels.tables.clone(),
        )
    });
    let mut found = found.into_iter();
    let best = found.next().map(|labels| told(labels, files.len()));
    if let Some(best) = &best {
        for other in found {
            let differ = differing(&best.rows, &other.rows);
            warnings.push(format!(
                "{} also names the recordings; {differ} labels differ from those of {}",
                other.name(),
                best.name()
            ));
        }
    }
    if warnings.len() > SHOWN {
        let more = warnings.len() - SHOWN;
        warnings.truncate(SHOWN);
        warnings.push(format!(
            "{more} more tables name the recordings or cannot be read"
        ));
    }
    Ok(Tables {
        best,
        warnings,
        rejected,
    })
}

impl LabelTable {
    /// The recordings that have a label.
    pub(super) fn covered(&self) -> BTreeSet<&String> {
        self.rows.iter().map(|row| &row.path).collect()
    }

    /// The number of recordings that it names, with a label or without.
    fn named(&self) -> usize {
        let covered = self.covered();
        let without = self
            .unlabelled
            .keys()
            .filter(|path| !covered.contains(path));
        covered.len() + without.count()
    }

    /// The recordings that it gives no emotion, with the reason.
    pub(super) fn without_label(&self, files: &[String]) -> Vec<SetAside> {
        let (covered, name) = (self.covered(), self.name());
        let why = |path: &String| match self.unlabelled.contains_key(path) {
            true => format!("{name} gives it no emotion"),
            false => format!("it is not in {name}"),
        };
        files
            .iter()
            .filter(|path| !covered.contains(path))
            .map(|path| SetAside {
                path: path.clone(),
                reason: Reason::MissingLabel,
                detail: why(path),
            })
            .collect()
    }

    /// Why a table is not believed: the paths tell the emotion of many more recordings than it
    /// names. A recording that it names without an emotion counts, since that says something, too;
    /// unless most have none.
    pub(super) fn outdone(&self, by_path: &[Row]) -> Option<String> {
        let covered = self.covered().len();
        let named = match self.named() {
            named if named > 2 * covered => covered,
            named => named,
        };
        let known = by_path
            .iter()
            .filter(|row| words::emotion(&row.emotion).is_some())
            .map(|row| &row.path)
            .collect::<BTreeSet<_>>()
            .len();
        ((named as f64) < MOST_NAMED * known as f64).then(|| {
            format!(
                "{covered} recordings have an emotion in {}, which is not used, since the paths tell those of {known} ({} differ); to use it, say \
                 --emotion \"column:{}\"",
                self.name(),
                differing(by_path, &self.rows),
                self.form.1.get(1).and_then(|c| self.form.0.get(*c)).map_or("", String::as_str)
            )
        })
    }

    /// What the tables are called.
    pub(super) fn name(&self) -> String {
        listed(&self.tables, SHOWN)
    }
}

/// Tables of one form that name different recordings are the parts of one, and where their names
/// say a part of a split, it is that of their rows.
fn together(mut found: Vec<LabelTable>) -> Vec<LabelTable> {
    found.sort_by(|a, b| a.tables.cmp(&b.tables));
    // Each group with the recordings that it covers.
    let mut out: Vec<(BTreeSet<String>, Vec<LabelTable>)> = Vec::new();
    for labels in found {
        let covered: BTreeSet<String> = labels.covered().into_iter().cloned().collect();
        let fits = |(all, group): &&mut (BTreeSet<String>, Vec<LabelTable>)| {
            group.iter().all(|other| other.form == labels.form)
                && covered.iter().all(|path| !all.contains(path))
        };
        match out.iter_mut().find(fits) {
            Some((all, group)) => {
                all.extend(covered);
                group.push(labels);
            }
            None => out.push((covered, vec![labels])),
        }
    }
    out.into_iter()
        .filter_map(|(_, group)| joined(group))
        .collect()
}

fn joined(mut group: Vec<LabelTable>) -> Option<LabelTable> {
    let parts: Vec<Option<&str>> = group
        .iter()
        .map(|labels| part_of(labels.tables.first()?))
        .collect();
    let mut told = None;
    if parts.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
        let named = group
            .iter()
            .zip(&parts)
            .filter_map(|(labels, part)| Some(format!("{} {}", labels.tables.first()?, (*part)?)));
        told = Some(format!(
            "the names of the tables say the part: {}",
            listed(&named.collect::<Vec<_>>(), SHOWN)
        ));
        for (labels, part) in group.iter_mut().zip(&parts) {
            let Some(part) = part else { continue };
            for row in &mut labels.rows {
                row.columns
                    .entry("split")
                    .or_insert_with(|| (*part).to_owned());
            }
        }
    }
    let mut all = group.into_iter().reduce(|mut all, one| {
        all.tables.extend(one.tables);
        all.rows.extend(one.rows);
        all.unlabelled.extend(one.unlabelled);
        all.missing.extend(one.missing);
        all.warnings.extend(one.warnings);
        all
    })?;
    all.evidence.extend(told);
    Some(all)
}

/// With what is known once all tables of the form are together.
fn told(mut labels: LabelTable, recordings: usize) -> LabelTable {
    let tables = if labels.tables.len() == 1 {
        "table"
    } else {
        "tables"
    };
    let name = labels.name();
    if let Some(first) = labels.evidence.first_mut() {
        *first = format!("the {tables} {name}: {first}");
    }
    let lacking = recordings.saturating_sub(labels.named());
    if lacking > 0 {
        labels.warnings.push(format!(
            "not in {name}: {}, left out",
            plural(lacking, "recording")
        ));
    }
    if labels.warnings.len() > 2 * SHOWN {
        let more = labels.warnings.len() - 2 * SHOWN;
        labels.warnings.truncate(2 * SHOWN);
        labels
            .warnings
            .push(format!("{more} more remarks like these on the {tables}"));
    }
    labels
}

/// How many recordings have other classes in `b` than in `a`.
fn differing(a: &[Row], b: &[Row]) -> usize {
    let classes = |rows: &'_ [Row]| {
        let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            out.entry(row.path.clone()).or_default().insert(
                words::emotion(&row.emotion)
                    .unwrap_or(&row.emotion)
                    .to_owned(),
            );
        }
        out
    };
    let (a, b) = (classes(a), classes(b));
    b.iter()
        .filter(|(path, labels)| a.get(*path).is_some_and(|others| others != *labels))
        .count()
}

/// What a column of a table says of each recording: of several tables the one that names most
/// recordings counts.
///
/// # Errors
/// `Data` where no table that names the recordings has it.
pub(super) fn column(folder: &Folder, name: &str) -> Result<BTreeMap<String, String>> {
    let Folder {
        root,
        files,
        cancel,
        ..
    } = *folder;
    let index = RecordingIndex::of(files);
    let mut best = BTreeMap::new();
    let mut seen = Vec::new();
    for table in without_own_files(root, walk_until(root, "", EXTENSIONS, cancel)?.files) {
        cancel.check()?;
        let Ok(mut sheet) = sheet::read(&root.join(&table), &table, sheet::MOST_ROWS, cancel)
        else {
            continue;
        };
        let Ok((file, resolver)) = locate(&mut sheet, &table, &index, cancel) else {
            continue;
        };
        seen.push(format!(
            "{table} has {}",
            sheet.seen(0..sheet.columns.len())
        ));
        let Some(column) = sheet.place(name) else {
            continue;
        };
        let mut values = BTreeMap::new();
        for row in &sheet.rows {
            let (Some(cell), Some(value)) =
                (row.get(file), row.get(column).map(|value| value.trim()))
            else {
                continue;
            };
            if let (Some(path), false) = (resolver.find(cell), value.is_empty()) {
                values
                    .entry(path.clone())
                    .or_insert_with(|| value.to_owned());
            }
        }
        if values.len() > best.len() {
            best = values;
        }
    }
    if best.is_empty() {
        let seen = if seen.is_empty() {
            "no table names the recordings".to_owned()
        } else {
            listed(&seen, SHOWN)
        };
        let error = Error::data(format!(
            "no table below {} that names the recordings has a column {}",
            root.display(),
            excerpt(name)
        ));
        return Err(error.hint(seen));
    }
    Ok(best)
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod release_tests;
#[cfg(test)]
#[path = "table_folders_tests.rs"]
mod table_folders_tests;
#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
