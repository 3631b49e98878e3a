//! Rows of JSON lines, as far as they name recordings.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::sheet::Row;
use crate::error::{Error, Result};

/// The longest line, as of other manifests.
const LONGEST_ROW: u64 = 64 << 20;

/// The keys of an object that are looked at: a column each.
pub(super) const COLUMNS: [&str; 4] = ["path", "speaker", "start", "end"];

/// Whether a manifest is one of JSON lines, by its extension.
pub(super) fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl") || e.eq_ignore_ascii_case("ndjson"))
}

/// Reads the rows, with cells for [`COLUMNS`]; blank lines are none.
///
/// # Errors
/// `Missing` where the manifest is not there; `Io` where it cannot be read; `Data` where a line is longer than any row.
pub(super) fn rows(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::missing(format!("the manifest is not at {}", path.display())),
        _ => Error::io("read", path, e),
    })?;
    let (mut reader, mut rows, mut line) = (BufReader::new(file), Vec::new(), Vec::new());
    for place in 1.. {
        line.clear();
        let read = Read::by_ref(&mut reader).take(LONGEST_ROW).read_until(b'\n', &mut line);
        match read.map_err(|e| Error::io("read", path, e))? as u64 {
            0 => break,
            LONGEST_ROW => return Err(Error::data(format!("line {place} of {} is longer than any row", path.display()))),
            _ => {}
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| place == 1).unwrap_or(&line).trim_ascii();
        if !text.is_empty() {
            let object = serde_json::from_slice::<Map<String, Value>>(text);
            let cells = object.map(|object| COLUMNS.map(|name| cell(&object, name)).into()).map_err(|e| format!("no JSON object: {e}"));
            rows.push(Row { place, cells });
        }
    }
    Ok(rows)
}

/// A value as CSV would show it; what no cell can hold is empty.
fn cell(object: &Map<String, Value>, name: &str) -> String {
    match object.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
