//! One table of an audformat database: `db.<name>.csv` or `.parquet`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::audformat::HEADER;
use super::sheet::{self, Sheet};
use crate::cancel::Cancel;
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

/// The cells of a table, with what reading them left open.
pub(super) fn cells(path: &Path) -> Result<Sheet> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    sheet::read(path, &name, &Cancel::default())
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
    let (start, end) = (place("start"), place("end"));
    let text = |row: &[String], c: usize| row.get(c).cloned().unwrap_or_default();
    let row = |(n, row): (usize, &Vec<String>)| -> Result<(Index, BTreeMap<String, String>)> {
        let time = |c: Option<usize>| {
            let cell = c.map_or(String::new(), |c| text(row, c));
            seconds(&cell).ok_or_else(|| {
                Error::data(format!(
                    "{}: in row {} `{}` is no time of a segment",
                    path.display(),
                    n + 1,
                    excerpt(&cell)
                ))
                .hint("write it as audformat does, 0 days 00:00:01.500000, or in seconds")
            })
        };
        let rest = sheet
            .columns
            .iter()
            .zip(row)
            .enumerate()
            .filter(|(c, (_, cell))| {
                *c != file && Some(*c) != start && Some(*c) != end && !cell.is_empty()
            });
        let values = rest
            .map(|(_, (column, cell))| (column.clone(), cell.clone()))
            .collect();
        Ok(((text(row, file), time(start)?, time(end)?), values))
    };
    sheet.rows.iter().enumerate().map(row).collect()
}

/// A time as seconds: a pandas Timedelta (`0 days`, `0 days 00:00:01.500000`), or a number of
/// seconds, as the durations of Parquet are read. What is open stays empty.
fn seconds(text: &str) -> Option<String> {
    if text.is_empty() || text == "NaT" {
        return Some(String::new());
    }
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Some(text.to_owned());
    }
    let (days, clock) = text.split_once(" days")?;
    let clock = if clock.trim().is_empty() {
        "0:0:0"
    } else {
        clock.trim().trim_start_matches('+')
    };
    let days: f64 = days.trim().parse().ok()?;
    let parts: Vec<f64> = clock
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    Some((((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_several_ways() {
        let read = |text: &str| seconds(text).unwrap();
        assert_eq!(
            [
                read("0 days"),
                read("1 days 00:01:00.25"),
                read("2.5"),
                read("NaT"),
                read("")
            ],
            ["0", "86460.25", "2.5", "", ""]
        );
        assert_eq!(
            [seconds("soon"), seconds("inf"), seconds("1 days 00:01")],
            [None, None, None]
        );
    }
}
