//! Rows of JSON: an object a line, a list of objects, or objects by the name of their recording.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::sheet::{Row, Sheet};
use crate::error::{Error, Result};
use crate::files::open_regular;

/// The longest line, as of other manifests, and the longest file that is one value.
const LONGEST: u64 = 64 << 20;
/// Columns looked at, as of other tables.
const MOST_COLUMNS: usize = 10_000;

/// A table has at most so many cells for each value that is there: of objects with other keys each,
/// nearly all cells would be empty.
const SPARSE: usize = 16;
const FEW_CELLS: usize = 1_000_000;

/// Votes at most in an object of counts.
const MOST_VOTES: f64 = 1000.0;

/// What a list or an object is in place of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    /// Nothing that a cell can hold.
    Empty,
    /// What raters chose, with semicolons between: `["anger", "fear"]`, or how many chose each:
    /// `{"anger": 2, "fear": 1}`.
    Votes,
}

type Object = Map<String, Value>;

/// Whether a manifest is one of JSON, by its extension.
pub(super) fn is_json(path: &Path) -> bool {
    is_lines(path)
        || path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

fn is_lines(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jsonl") || e.eq_ignore_ascii_case("ndjson"))
}

/// Reads all rows. The columns are the keys of the objects, whatever their case; what no
/// cell can hold is empty.
///
/// # Errors
/// `Io` where the file cannot be read; `Data` where a line or the file is longer than any, or it is
/// no table.
pub(super) fn sheet(path: &Path, nested: Nested) -> Result<Sheet> {
    let (unit, rows) = if is_lines(path) {
        ("line", lines(path)?)
    } else {
        ("entry", entries(path)?)
    };
    let plain = |key: &str| key.trim().to_lowercase();
    let mut columns: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for key in rows
        .iter()
        .filter_map(|(_, row)| row.as_ref().ok())
        .flat_map(|row| row.keys())
    {
        if places.len() < MOST_COLUMNS && !places.contains_key(&plain(key)) {
            places.insert(plain(key), columns.len());
            columns.push(key.trim().to_owned());
        }
    }
    let filled: usize = rows
        .iter()
        .filter_map(|(_, row)| row.as_ref().ok())
        .map(Map::len)
        .sum();
    if columns.len().saturating_mul(rows.len()) > SPARSE * filled + FEW_CELLS {
        let error = Error::data(format!(
            "{} is no table: its objects have other keys each",
            path.display()
        ));
        return Err(error.hint("give all objects the same keys, or write a table as CSV"));
    }
    let width = columns.len();
    let cells = move |row: Object| {
        let mut cells = vec![String::new(); width];
        for (key, value) in &row {
            if let Some(place) = places
                .get(&plain(key))
                .and_then(|place| cells.get_mut(*place))
            {
                *place = cell(value, nested);
            }
        }
        cells
    };
    let rows = rows.into_iter().map(move |(place, row)| {
        Ok(Row {
            place,
            cells: row.map(&cells),
        })
    });
    Ok(Sheet {
        columns,
        rows: Box::new(rows),
        unit,
        notes: vec![],
    })
}

type Found = Vec<(u64, Result<Object, String>)>;

/// An object a line; blank lines are none.
fn lines(path: &Path) -> Result<Found> {
    let file = open_regular(path).map_err(|e| Error::io("read", path, e))?;
    let (mut reader, mut rows, mut line) = (BufReader::new(file), Vec::new(), Vec::new());
    for place in 1.. {
        line.clear();
        let read = Read::by_ref(&mut reader)
            .take(LONGEST)
            .read_until(b'\n', &mut line);
        match read.map_err(|e| Error::io("read", path, e))? as u64 {
            0 => break,
            LONGEST => {
                return Err(Error::data(format!(
                    "line {place} of {} is longer than any row",
                    path.display()
                )));
            }
            _ => {}
        }
        let text = line
            .strip_prefix(b"\xef\xbb\xbf")
            .filter(|_| place == 1)
            .unwrap_or(&line)
            .trim_ascii();
        if !text.is_empty() {
            rows.push((
                place,
                serde_json::from_slice::<Object>(text).map_err(|e| format!("no JSON object: {e}")),
            ));
        }
    }
    Ok(rows)
}

/// The entries of one value: a list of objects, alone or as the one list of an object; lists of
/// equal lengths, a column each; or what is said of each recording by its name, which becomes the
/// column `path`.
fn entries(path: &Path) -> Result<Found> {
    let wrong = |why: String| {
        Error::data(format!("{} is no table: {why}", path.display())).hint(
            "write a list of objects with the keys path, emotion and speaker, or a table as CSV",
        )
    };
    let file = open_regular(path).map_err(|e| Error::io("read", path, e))?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > LONGEST {
        return Err(wrong(format!("it has more than {} MiB", LONGEST >> 20)));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let whole: Value = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
    let objects = match whole {
        Value::Array(list) => list,
        Value::Object(object) => {
            let mut values = object
                .values()
                .filter_map(Value::as_array)
                .filter(|list| !list.is_empty() && list.iter().all(Value::is_object));
            match (values.next(), values.next(), of_columns(&object)) {
                (Some(list), None, _) => list.clone(),
                (_, _, Some(rows)) => rows,
                _ => object
                    .into_iter()
                    .map(|(name, about)| Value::Object(named(name, about)))
                    .collect(),
            }
        }
        _ => return Err(wrong("it is one value".to_owned())),
    };
    let object = |value: Value| match value {
        Value::Object(object) => Ok(object),
        _ => Err("no JSON object".to_owned()),
    };
    Ok((1..).zip(objects.into_iter().map(object)).collect())
}

/// Rows out of columns: lists of equal lengths.
fn of_columns(object: &Object) -> Option<Vec<Value>> {
    let lists: Vec<(&String, &Vec<Value>)> = object
        .iter()
        .map(|(name, list)| Some((name, list.as_array()?)))
        .collect::<Option<_>>()?;
    let rows = lists.first()?.1.len();
    if lists.len() < 2 || lists.iter().any(|(_, list)| list.len() != rows) {
        return None;
    }
    let row = |i: usize| {
        lists
            .iter()
            .filter_map(|(name, list)| Some(((*name).clone(), list.get(i)?.clone())))
            .collect()
    };
    Some((0..rows).map(|i| Value::Object(row(i))).collect())
}

/// What is said of a recording, with its name.
fn named(name: String, about: Value) -> Object {
    let mut row = Map::new();
    match about {
        Value::Object(about)
            if about
                .keys()
                .all(|key| !key.trim().eq_ignore_ascii_case("path")) =>
        {
            row.insert("path".to_owned(), Value::String(name));
            row.extend(about);
        }
        Value::Object(about) => row = about,
        label => {
            row.insert("path".to_owned(), Value::String(name));
            row.insert("emotion".to_owned(), label);
        }
    }
    row
}

/// A value as CSV would show it.
fn cell(value: &Value, nested: Nested) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(all) if nested == Nested::Votes && !all.iter().any(is_nested) => {
            let cells: Vec<String> = all.iter().map(|one| cell(one, nested)).collect();
            cells.join(";")
        }
        Value::Object(counts) if nested == Nested::Votes => {
            let count = |n: &Value| n.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0);
            let each = counts.iter().map(|(key, n)| Some((key, count(n)?)));
            let Some(each) = each.collect::<Option<Vec<_>>>() else {
                return String::new();
            };
            if each.iter().map(|(_, n)| n).sum::<f64>() > MOST_VOTES {
                return String::new();
            }
            let votes = each.iter().map(|(key, n)| vec![key.as_str(); *n as usize]);
            votes.collect::<Vec<_>>().concat().join(";")
        }
        _ => String::new(),
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let sheet = sheet(&path, Nested::Votes).unwrap();
        (
            sheet.columns,
            sheet.rows.map(|row| row.unwrap().cells.unwrap()).collect(),
        )
    }

    #[test]
    fn lists_and_counts_are_what_raters_chose() {
        let text = r#"{"path": "a", "votes": ["anger", "fear", "anger"], "n": {"joy": 2, "sad": 1, "fear": 0}, "x": {"y": [1]}, "z": [[1]]}"#;
        let (columns, rows) = read("a.jsonl", text);
        let mut cells: Vec<_> = columns.iter().zip(&rows[0]).collect();
        cells.sort();
        let of = |at: usize| cells[at].1.as_str();
        assert_eq!(
            [of(0), of(2), of(3), of(4)],
            ["joy;joy;sad", "anger;fear;anger", "", ""]
        );
    }

    #[test]
    fn json_of_every_form_is_the_same_table() {
        let forms = [
            (
                "m.jsonl",
                "{\"path\": \"a.wav\", \"emotion\": \"joy\"}\n\n{\"path\": \"b.wav\", \"emotion\": 1}\n",
            ),
            (
                "m.json",
                "[{\"path\": \"a.wav\", \"emotion\": \"joy\"}, {\"path\": \"b.wav\", \"emotion\": 1}]",
            ),
            (
                "m.json",
                "{\"version\": 2, \"data\": [{\"path\": \"a.wav\", \"emotion\": \"joy\"}, {\"path\": \"b.wav\", \"emotion\": 1}]}",
            ),
            (
                "m.json",
                "\u{feff}{\"a.wav\": {\"emotion\": \"joy\"}, \"b.wav\": {\"emotion\": 1, \"list\": [1]}}",
            ),
            ("m.json", "{\"a.wav\": \"joy\", \"b.wav\": 1}"),
            (
                "m.json",
                "{\"path\": [\"a.wav\", \"b.wav\"], \"emotion\": [\"joy\", 1]}",
            ),
        ];
        for (name, text) in forms {
            let (columns, rows) = read(name, text);
            let place = |wanted: &str| columns.iter().position(|column| column == wanted).unwrap();
            let cells: Vec<[&str; 2]> = rows
                .iter()
                .map(|row| ["path", "emotion"].map(|name| row[place(name)].as_str()))
                .collect();
            assert_eq!(cells, [["a.wav", "joy"], ["b.wav", "1"]], "{text}");
        }
    }

    #[test]
    fn json_that_is_no_table_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.json");
        for text in ["", "7", "[", &"[".repeat(100_000)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                sheet(&path, Nested::Empty).map(|_| ()).unwrap_err().kind(),
                crate::error::Kind::Data,
                "{}",
                text.len()
            );
        }
    }

    #[test]
    fn objects_with_other_keys_each_are_no_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.json");
        let keys: Vec<String> = (0..2_000).map(|i| format!("\"k{i}\": 1")).collect();
        std::fs::write(
            &path,
            format!("[{{{}}}{}]", keys.join(", "), ", {}".repeat(2_000)),
        )
        .unwrap();
        assert!(
            sheet(&path, Nested::Empty)
                .map(|_| ())
                .unwrap_err()
                .to_string()
                .ends_with("its objects have other keys each")
        );
    }
}
