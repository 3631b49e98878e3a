//! What came of an import: for the report, the command line and the model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::keys::{Matching, Recording, match_rows};
use super::settings::{File, ImportSettings};
use super::table::{ImportTable, SHOWN};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::text::{excerpt, listed, plural};

/// An imported table with the rows of the recordings.
pub struct Imported {
    /// The table.
    pub table: ImportTable,
    /// What came of it.
    pub summary: Summary,
    rows: Vec<Option<usize>>,
}

/// Where imported features are from, and which recordings have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the set.
    pub set: String,
    /// The files.
    pub files: Vec<File>,
    /// Number of features.
    pub columns: usize,
    /// Columns of the table that are no features, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// By what rows and recordings were matched, in words.
    pub by: String,
    /// Rows of the table.
    pub rows: usize,
    /// Rows that say the same again.
    pub repeated: usize,
    /// Rows of no recording of the corpus.
    pub strange: usize,
    /// The first of these.
    pub first_strange: Option<String>,
    /// Recordings or segments that were looked for.
    pub utterances: usize,
    /// Of these, those that have features.
    pub matched: usize,
    /// Of these, those without a row.
    pub without_row: usize,
    /// Of these, those with a row in which a feature is no finite number, by the first such column.
    pub not_finite: BTreeMap<String, usize>,
}

impl Imported {
    /// Reads a table, and finds the row of each recording.
    pub fn read(
        settings: &ImportSettings,
        recordings: &[Recording],
        cancel: &Cancel,
    ) -> Result<Imported> {
        let (table, files) = settings.read(cancel)?;
        let matching = match_rows(&table, recordings)?;
        let Matching {
            by,
            column,
            rows,
            repeated,
            strange,
            first_strange,
        } = matching;
        let other_names = table.names().filter(|name| **name != column);
        let other_names = other_names.map(|name| (name.clone(), "text or names".to_owned()));
        let left_out = table.left_out.iter().cloned().chain(other_names).collect();
        let mut imported = Imported {
            summary: Summary {
                set: settings.name.clone(),
                files,
                columns: table.columns.len(),
                left_out,
                by,
                rows: table.rows(),
                repeated,
                strange,
                first_strange,
                utterances: recordings.len(),
                matched: 0,
                without_row: 0,
                not_finite: BTreeMap::new(),
            },
            table,
            rows,
        };
        for i in 0..recordings.len() {
            match (imported.row(i), imported.flaw(i)) {
                (Ok(_), _) => imported.summary.matched += 1,
                (Err(_), None) => imported.summary.without_row += 1,
                (Err(_), Some(column)) => {
                    *imported.summary.not_finite.entry(column).or_default() += 1;
                }
            }
        }
        Ok(imported)
    }

    /// The features of a recording, or why there are none.
    ///
    /// # Errors
    /// A sentence.
    pub fn row(&self, recording: usize) -> Result<&[f32], String> {
        let file = &self.table.file;
        match (self.rows[recording], self.flaw(recording)) {
            (None, _) => Err(format!("{}: {file} has no row for it", self.summary.set)),
            (Some(row), None) => Ok(self.table.row(row)),
            (Some(row), Some(column)) => Err(format!(
                "{}: `{}` is no finite number in {}",
                self.summary.set,
                excerpt(&column),
                self.table.place(row)
            )),
        }
    }

    /// The first column that holds no finite number for a recording with a row.
    fn flaw(&self, recording: usize) -> Option<String> {
        let row = self.table.row(self.rows[recording]?);
        let column = row.iter().position(|value| !value.is_finite())?;
        Some(self.table.columns[column].clone())
    }
}

impl Summary {
    /// What was found, in words, without the sums.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let mut out = format!(
            "{} of {} by {}: {} of {}",
            plural(self.columns, "feature"),
            names.join(" and "),
            self.by,
            self.matched,
            plural(self.utterances, "utterance")
        );
        if self.without_row > 0 {
            out += &format!("; {} without a row", self.without_row);
        }
        if !self.not_finite.is_empty() {
            let columns = self.not_finite.iter();
            let columns: Vec<String> = columns
                .map(|(column, n)| format!("`{}` {n}", excerpt(column)))
                .collect();
            out += &format!("; without a finite number in {}", listed(&columns, SHOWN));
        }
        if self.strange > 0 {
            let first = self.first_strange.as_deref().unwrap_or_default();
            out += &format!(
                "; {} of no utterance (the first: {first})",
                plural(self.strange, "row")
            );
        }
        if self.repeated > 0 {
            out += &format!(
                "; {} repeated with the same values",
                plural(self.repeated, "row")
            );
        }
        if !self.left_out.is_empty() {
            let columns = self.left_out.iter();
            let columns: Vec<String> = columns
                .map(|(column, why)| format!("`{}` ({why})", excerpt(column)))
                .collect();
            out += &format!(
                "; columns that are no features: {}",
                listed(&columns, SHOWN)
            );
        }
        out
    }
}
