//! The `heard` table: what a saved model says of recordings, a row for each or for each window of
//! one.

use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;

use super::file::{self, Meta, ROW_GROUP};
use super::row;
use crate::error::{Error, Result};

table! {
    "heard", version 2;
    /// What a model says of a stretch of a recording.
    #[derive(Debug, Clone, PartialEq)]
    pub struct InferenceRow {
        /// Path of the recording.
        pub file: String,
        /// Beginning of the stretch in the file, in seconds.
        pub start_s: f64,
        /// Its end, in seconds.
        pub end_s: f64,
        /// The class of the highest probability.
        pub emotion: String,
        /// Whether the recording is like those that the model was trained on.
        pub in_domain: bool,
        /// In what it differs from those: `duration`, `features` or both.
        pub domain_reason: Option<String>,
        /// Probability of the class, 0 to 1.
        pub probabilities: Vec<f32>,
    }
}

/// The table in memory, with the columns that [`Writer`] writes.
pub fn batch(labels: &[String], rows: &[InferenceRow]) -> Result<RecordBatch> {
    InferenceRow::columns(rows, labels).batch()
}

/// Whether the file is such a table.
pub fn is_table(path: &Path) -> bool {
    file::meta(path).is_ok_and(|meta| meta.get("ser.table").is_some_and(|name| name == TABLE.name))
}

/// Writes the table in the order in which rows come. Holds a row group at a time; the same rows give
/// the same bytes.
pub struct Writer<W: Write + Send> {
    labels: Vec<String>,
    rows: Vec<InferenceRow>,
    out: file::Writer<W>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a table; `path` is for messages.
    ///
    /// # Errors
    /// `Data` where a label occurs twice; `Io` where the file system refuses.
    pub fn new(out: W, path: &Path, labels: &[String], meta: &Meta) -> Result<Self> {
        let like = InferenceRow::columns(&[], labels);
        like.check(path, &TABLE)?;
        let out = file::Writer::new(out, path, &TABLE, &like, meta, ROW_GROUP)?;
        Ok(Writer {
            labels: labels.to_vec(),
            rows: Vec::new(),
            out,
        })
    }

    /// Appends a row.
    pub fn push(&mut self, row: InferenceRow) -> Result<()> {
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
        self.out.write(InferenceRow::columns(&rows, &self.labels))
    }

    /// Writes what is left and the footer; returns what was written into.
    pub fn finish(mut self) -> Result<W> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.out.finish()
    }
}

/// Reads labels (in column order) and rows (in file order).
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<(Vec<String>, Vec<InferenceRow>)> {
    let table = file::read(path, &TABLE)?;
    let rows = InferenceRow::rows(&table)?.collect();
    Ok((row::labels(&table), rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: usize) -> InferenceRow {
        let p = i as f32 / 10_000.0;
        InferenceRow {
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
