//! The `heard` table: what a saved model says of recordings, a row for each or for each window of
//! one.

use std::io::Write;
use std::path::Path;

use arrow::datatypes::{Float32Type, Float64Type};

use super::file::{self, Columns, Meta, ROW_GROUP, Table};
use crate::error::{Error, Result};

const TABLE: Table = Table {
    name: "heard",
    version: 2,
};
const PROBABILITY: &str = "prob_";

/// Whether the file is such a table.
pub fn is_table(path: &Path) -> bool {
    file::meta(path).is_ok_and(|meta| meta.get("ser.table").is_some_and(|name| name == TABLE.name))
}

/// What was heard in a stretch of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardRow {
    /// Where the recording lies.
    pub file: String,
    /// Begin of the stretch in the file, in seconds.
    pub start_s: f64,
    /// Its end, in seconds.
    pub end_s: f64,
    /// The class of the highest probability.
    pub emotion: String,
    /// Whether the model was trained on the like of it.
    pub in_domain: bool,
    /// In what it differs from that: `duration`, `features` or both.
    pub domain_reason: Option<String>,
    /// In label order.
    pub probabilities: Vec<f32>,
}

/// Writes the table in the order in which rows come: `file`, `start_s`, `end_s`, `emotion`,
/// `in_domain` (boolean), `domain_reason` (text or null), then one f32 column `prob_<label>` per
/// class. Holds a row group at a time; the same rows give the same bytes.
pub struct Writer<W: Write + Send> {
    labels: Vec<String>,
    rows: Vec<HeardRow>,
    out: file::Writer<W>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a table; `path` is for messages.
    ///
    /// # Errors
    /// `Data` where a label occurs twice; `Io` where the file system refuses.
    pub fn new(out: W, path: &Path, labels: &[String], meta: &Meta) -> Result<Self> {
        let like = columns(labels, &[]);
        like.check(path, &TABLE)?;
        let out = file::Writer::new(out, path, &TABLE, &like, meta, ROW_GROUP)?;
        Ok(Writer {
            labels: labels.to_vec(),
            rows: Vec::new(),
            out,
        })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// `Io` where the file system refuses; `Internal` where the row has not one probability per
    /// label.
    pub fn push(&mut self, row: HeardRow) -> Result<()> {
        if row.probabilities.len() != self.labels.len() {
            let (file, found, wanted) = (&row.file, row.probabilities.len(), self.labels.len());
            return Err(Error::internal(format!(
                "{file} has {found} probabilities for {wanted} classes"
            )));
        }
        self.rows.push(row);
        if self.rows.len() == ROW_GROUP {
            self.write_group()
        } else {
            Ok(())
        }
    }

    fn write_group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        self.out.write(columns(&self.labels, &rows))
    }

    /// Writes what is left and the footer; returns what was written into.
    ///
    /// # Errors
    /// `Io` where the file system refuses.
    pub fn finish(mut self) -> Result<W> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.out.finish()
    }
}

fn columns(labels: &[String], rows: &[HeardRow]) -> Columns {
    let mut columns = Columns::default()
        .text("file", rows.iter().map(|r| r.file.as_str()))
        .number::<Float64Type>("start_s", rows.iter().map(|r| r.start_s))
        .number::<Float64Type>("end_s", rows.iter().map(|r| r.end_s))
        .text("emotion", rows.iter().map(|r| r.emotion.as_str()))
        .flag("in_domain", rows.iter().map(|r| r.in_domain))
        .optional_text(
            "domain_reason",
            rows.iter().map(|r| r.domain_reason.as_deref()),
        );
    for (class, label) in labels.iter().enumerate() {
        columns = columns.number::<Float32Type>(
            &format!("{PROBABILITY}{label}"),
            rows.iter().map(|r| r.probabilities[class]),
        );
    }
    columns
}

/// Reads labels (in column order) and rows (in file order).
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<(Vec<String>, Vec<HeardRow>)> {
    let table = file::read(path, &TABLE)?;
    let labels: Vec<String> = table
        .names()
        .iter()
        .filter_map(|name| name.strip_prefix(PROBABILITY))
        .map(str::to_owned)
        .collect();
    let mut probabilities = vec![Vec::with_capacity(labels.len()); table.rows()];
    for label in &labels {
        let column = table.number::<Float32Type>(&format!("{PROBABILITY}{label}"))?;
        probabilities
            .iter_mut()
            .zip(column)
            .for_each(|(row, value)| row.push(value));
    }
    let times = table
        .number::<Float64Type>("start_s")?
        .into_iter()
        .zip(table.number::<Float64Type>("end_s")?);
    let texts = table.text("file")?.into_iter().zip(table.text("emotion")?);
    let domain = table
        .flag("in_domain")?
        .into_iter()
        .zip(table.optional_text("domain_reason")?);
    let rows = texts.zip(times).zip(domain).zip(probabilities);
    let rows = rows.map(
        |((((file, emotion), (start_s, end_s)), (in_domain, domain_reason)), probabilities)| {
            HeardRow {
                file,
                start_s,
                end_s,
                emotion,
                in_domain,
                domain_reason,
                probabilities,
            }
        },
    );
    Ok((labels, rows.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: usize) -> HeardRow {
        let p = i as f32 / 10_000.0;
        HeardRow {
            file: format!("{i}.wav"),
            start_s: 0.5,
            end_s: i as f64,
            emotion: "calm".into(),
            in_domain: i % 3 != 2,
            domain_reason: (i % 3 == 2).then(|| "features".to_owned()),
            probabilities: vec![p, 1.0 - p],
        }
    }

    #[test]
    fn rows_of_several_groups_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        let labels = ["calm".to_owned(), "happy".to_owned()];
        for n in [0, 3, ROW_GROUP + 1] {
            let mut writer = Writer::new(Vec::new(), &path, &labels, &Meta::new()).unwrap();
            (0..n).for_each(|i| writer.push(row(i)).unwrap());
            std::fs::write(&path, writer.finish().unwrap()).unwrap();
            let (found, rows) = read(&path).unwrap();
            assert!(
                found == labels && rows == (0..n).map(row).collect::<Vec<_>>(),
                "{n}"
            );
        }
    }

    #[test]
    fn a_row_with_other_classes_is_a_defect() {
        let labels = ["calm".to_owned()];
        let mut writer = Writer::new(Vec::new(), Path::new("x"), &labels, &Meta::new()).unwrap();
        assert_eq!(
            writer.push(row(1)).unwrap_err().kind(),
            crate::error::Kind::Internal
        );
        assert!(
            Writer::new(
                Vec::new(),
                Path::new("x"),
                &["a".into(), "a".into()],
                &Meta::new()
            )
            .is_err()
        );
    }
}
