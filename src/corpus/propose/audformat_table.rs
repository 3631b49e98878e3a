//! One table of an audformat database: `db.<name>.csv` or `.parquet`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::audformat::HEADER;
use super::sheet::{self, Sheet};
use crate::cancel::Cancel;
use crate::corpus::seconds;
use crate::error::{Error, Result};
use crate::text::excerpt;

/// One recording, or one segment of it: file, start and end.
pub(super) type Index = (String, String, String);

/// The file of a table.
pub(super) fn file_of(root: &Path, name: &str) -> Result<PathBuf> {
    let file = ["csv", "parquet"]
        .map(|extension| root.join(format!("db.{name}.{extension}")))
        .into_iter()
        .find(|path| path.is_file());
    file.ok_or_else(|| {
        let error = Error::data(format!(
            "the table {name} of {} is not there as CSV or Parquet",
            root.join(HEADER).display()
        ));
        error.hint("save the database with audformat as CSV or Parquet; a pickled table (.pkl) is a program, and is not run")
    })
}

/// All cells of a table, with what reading them left open.
pub(super) fn cells(path: &Path) -> Result<Sheet> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    sheet::read(path, &name, usize::MAX, &Cancel::default())
}

/// The rows of a table by file and, where it has them, start and end.
pub(super) fn rows(
    root: &Path,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<(Index, BTreeMap<String, String>)>> {
    let path = file_of(root, name)?;
    let sheet = cells(&path)?;
    warnings.extend(sheet.warnings);
    let place = |wanted: &str| sheet.columns.iter().position(|column| column == wanted);
    let Some(file) = place("file") else {
        return Err(
            Error::data(format!("{} has no column file", path.display()))
                .hint("save the database again with audformat"),
        );
    };
    let (start_at, end_at) = (place("start"), place("end"));
    let text = |row: &[String], c: usize| row.get(c).cloned().unwrap_or_default();
    let row = |(n, row): (usize, &Vec<String>)| -> Result<(Index, BTreeMap<String, String>)> {
        let time = |c: Option<usize>| {
            let cell = c.map_or(String::new(), |c| text(row, c));
            let time = seconds(&cell).map_err(|_| {
                Error::data(format!(
                    "{}: in row {} `{}` is no time of a segment",
                    path.display(),
                    n + 1,
                    excerpt(&cell)
                ))
                .hint("write it as audformat does, 0 days 00:00:01.500000, or in seconds")
            })?;
            Ok(time.map_or_else(String::new, spelled))
        };
        let (mut start, end) = (time(start_at)?, time(end_at)?);
        // Segments begin with their file unless they say when.
        if start == "0" {
            start.clear();
        }
        let rest = sheet
            .columns
            .iter()
            .zip(row)
            .enumerate()
            .filter(|(c, (_, cell))| {
                *c != file && Some(*c) != start_at && Some(*c) != end_at && !cell.is_empty()
            });
        let values = rest
            .map(|(_, (column, cell))| (column.clone(), cell.clone()))
            .collect();
        Ok(((text(row, file), start, end), values))
    };
    sheet.rows.iter().enumerate().map(row).collect()
}

/// A time in one spelling, to the nanosecond as audformat has it, so that equal times are one key.
fn spelled(seconds: f64) -> String {
    let text = format!("{seconds:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_one_key_however_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let key = |start: &str, end: &str| {
            let text = format!("file,start,end,emotion\na.wav,{start},{end},wut\n");
            std::fs::write(dir.path().join("db.a.csv"), text).unwrap();
            let all = rows(dir.path(), "a", &mut vec![]).map_err(|e| e.to_string())?;
            let (_, start, end) = all[0].0.clone();
            Ok::<_, String>((start, end))
        };
        let is = |start: &str, end: &str| Ok((start.to_owned(), end.to_owned()));
        for start in ["", "NaT", "0", "0.0", "-0.0", "0 days", "0 days 00:00:00"] {
            assert_eq!(key(start, "1.50"), is("", "1.5"), "{start}");
        }
        for end in ["3661.1", "0 days 01:01:01.100000", "01:01:01.1"] {
            assert_eq!(key("10", end), is("10", "3661.1"), "{end}");
        }
        for wrong in ["-1", "-1 days +23:59:59", "soon", "inf", "1 days 00:01"] {
            assert!(key(wrong, "").unwrap_err().contains("in row 1"), "{wrong}");
        }
    }
}
