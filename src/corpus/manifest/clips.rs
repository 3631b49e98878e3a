//! A manifest of which nothing but the recordings matters: no label is asked for.

use std::path::Path;

use super::columns::Columns;
use super::columns::seconds;
use super::sheet::{self, open};
use crate::cancel::Cancel;
use crate::corpus::is_nobody;
use crate::error::{Error, Result};
use crate::text::plural;

/// A recording, or a segment of one, that a row names.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The cell as it stands there; the file is looked for by whoever reads it.
    pub path: String,
    /// Who speaks, where the row says it.
    pub speaker: Option<String>,
    /// Start within the file, in seconds.
    pub start_s: Option<f64>,
    /// End within the file, in seconds.
    pub end_s: Option<f64>,
}

/// A row that names no recording: where it is, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRow {
    /// The cell `path`, where it can be read.
    pub path: Option<String>,
    /// With the line or the row, from 1.
    pub why: String,
}

/// What a manifest says of recordings, in the order of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Clips {
    /// One a row.
    pub rows: Vec<Result<Clip, BadRow>>,
    /// Remarks on the form of the file.
    pub notes: Vec<String>,
}

/// Reads a manifest (CSV, TSV, Parquet, JSON) with a column `path` and perhaps `speaker`, `start`
/// and `end` (seconds); rows with a reason in the column `excluded` are left out, other columns are
/// passed over. Memory grows with the rows, by a few hundred
/// bytes each.
///
/// # Errors
/// `Missing` where the manifest is not there; `Data` where it is no table, lacks the column or has
/// no rows; `Io` where it cannot be read; `Interrupted` on request.
pub fn clips(path: &Path, cancel: &Cancel) -> Result<Clips> {
    let sheet = open(path)?;
    let columns = Columns::with(&sheet.columns, path, &["path"])?;
    let mut rows: Vec<Result<Clip, BadRow>> = Vec::new();
    let mut excluded = 0;
    for row in sheet.rows {
        let sheet::Row { place, cells } = row?;
        cancel.check()?;
        let named = cells
            .as_ref()
            .ok()
            .and_then(|cells| columns.cell(cells, "path"))
            .map(str::to_owned);
        if cells.as_ref().is_ok_and(|cells| columns.is_excluded(cells)) {
            excluded += 1;
            continue;
        }
        let clip = cells.and_then(|cells| clip(&cells, &columns));
        rows.push(clip.map_err(|why| BadRow {
            path: named,
            why: format!("{} {place}: {why}", sheet.unit),
        }));
    }
    let mut notes = sheet.notes;
    if excluded > 0 {
        notes.push(format!(
            "{}: {} excluded by the column excluded",
            path.display(),
            plural(excluded, "row")
        ));
    }
    if rows.is_empty() && excluded == 0 {
        let error = Error::data(format!("{} has a header but no rows", path.display()));
        return Err(error.hint("write a row for each recording"));
    }
    Ok(Clips { rows, notes })
}

fn clip(cells: &[String], columns: &Columns) -> Result<Clip, String> {
    if columns.cell(cells, "path").is_none() {
        return Err("the path is empty: fill it".to_owned());
    }
    let time = |name: &str| seconds(name, columns.cell(cells, name)).map_err(|(_, why)| why);
    Ok(Clip {
        path: columns.path(cells).to_owned(),
        speaker: columns
            .cell(cells, "speaker")
            .filter(|speaker| !is_nobody(speaker))
            .map(str::to_owned),
        start_s: time("start")?,
        end_s: time("end")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Clips> {
        read_as("m.csv", text)
    }

    fn read_as(name: &str, text: &str) -> Result<Clips> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        clips(&path, &Cancel::default())
    }

    #[test]
    fn a_column_of_paths_is_enough() {
        let found = read("note,Path\nx,a.wav\ny,\n\"z\",b.wav,c\n").unwrap();
        assert_eq!(
            found.rows[0],
            Ok(Clip {
                path: "a.wav".into(),
                speaker: None,
                start_s: None,
                end_s: None
            })
        );
        assert_eq!(
            found.rows[1],
            Err(BadRow {
                path: None,
                why: "line 3: the path is empty: fill it".into()
            })
        );
        assert!(
            found.rows[2]
                .as_ref()
                .unwrap_err()
                .why
                .starts_with("line 4: 3 cells where the header has 2")
        );
    }

    #[test]
    fn speakers_and_segments_are_read_where_they_are_there() {
        let found =
            read("path,speaker,start,end\na.wav, s1 ,0.5,1\na.wav,,1,x\na.wav,,1,\n").unwrap();
        assert_eq!(
            found.rows[0],
            Ok(Clip {
                path: "a.wav".into(),
                speaker: Some("s1".into()),
                start_s: Some(0.5),
                end_s: Some(1.0)
            })
        );
        let bad = found.rows[1].clone().unwrap_err();
        assert!(
            bad.path.as_deref() == Some("a.wav")
                && bad.why.contains("the end x is not a number of seconds"),
            "{bad:?}"
        );
        assert_eq!(
            found.rows[2],
            Ok(Clip {
                path: "a.wav".into(),
                speaker: None,
                start_s: Some(1.0),
                end_s: None
            })
        );
    }

    #[test]
    fn excluded_rows_are_left_out_and_counted() {
        let found = read("path,excluded\na.wav,\nb.wav,a copy\n").unwrap();
        assert_eq!(found.rows.len(), 1);
        assert!(found.notes[0].ends_with("1 row excluded by the column excluded"));
    }

    #[test]
    fn json_lines_are_rows_too() {
        let text = "{\"path\": \"a.wav\", \"Speaker\": 7, \"start\": 0.5, \"tags\": [1]}\n\n[1]\n{\"speaker\": \"x\"}\n";
        let found = read_as("m.jsonl", text).unwrap();
        assert_eq!(
            found.rows[0],
            Ok(Clip {
                path: "a.wav".into(),
                speaker: Some("7".into()),
                start_s: Some(0.5),
                end_s: None
            })
        );
        assert!(
            found.rows[1]
                .as_ref()
                .unwrap_err()
                .why
                .starts_with("line 3: no JSON object")
        );
        assert!(
            found.rows[2]
                .as_ref()
                .unwrap_err()
                .why
                .starts_with("line 4: the path is empty")
        );
        assert!(read_as("m.ndjson", "\n").is_err());
    }

    #[test]
    fn a_table_without_paths_is_refused() {
        let error = read("file,emotion\na.wav,calm\n").unwrap_err();
        assert!(
            error.to_string().contains("has no column path")
                && error
                    .hint_text()
                    .unwrap()
                    .contains("rename the column file")
        );
        assert!(read("path\n").unwrap_err().to_string().contains("no rows"));
    }
}
