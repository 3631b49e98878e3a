//! What an audformat database says of its speakers: in their scheme itself, or in the table that
//! this names.

use std::collections::BTreeMap;
use std::path::Path;

use serde_yaml_ng::Value;

use super::audformat_table::{cells, file_of};
use super::words;
use crate::error::Result;

/// Attributes that are the sex of a speaker.
const SEX: [&str; 2] = ["gender", "sex"];

/// The sex of each speaker of `scheme` of whom the database says it.
///
/// # Errors
/// Those of the table that the scheme of speakers names, where there is one that can be read;
/// one that is there as a pickle alone is remarked on.
pub(super) fn sexes(
    root: &Path,
    header: &Value,
    scheme: &str,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, &'static str>> {
    let labels = header
        .get("schemes")
        .and_then(|schemes| schemes.get(scheme)?.get("labels"));
    match labels {
        Some(Value::Mapping(speakers)) => Ok(speakers.iter().filter_map(in_scheme).collect()),
        Some(Value::String(table)) => in_table(root, table, warnings),
        _ => Ok(BTreeMap::new()),
    }
}

fn in_scheme((key, about): (&Value, &Value)) -> Option<(String, &'static str)> {
    let speaker = match key {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let word = SEX.iter().find_map(|key| about.get(*key)?.as_str())?;
    Some((speaker, words::sex(word)?))
}

/// A table of speakers has one a row, by the first of its columns.
fn in_table(
    root: &Path,
    table: &str,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, &'static str>> {
    let Ok(path) = file_of(root, table) else {
        warnings.push(format!(
            "the table {table} of speakers is not there as CSV or Parquet, so that their sex is not known"
        ));
        return Ok(BTreeMap::new());
    };
    let sheet = cells(&path)?;
    let place = |wanted: &str| sheet.columns.iter().position(|column| column == wanted);
    let key = place("speaker").unwrap_or(0);
    let Some(sex) = SEX.into_iter().find_map(place) else {
        return Ok(BTreeMap::new());
    };
    let of = |row: &Vec<String>| Some((row.get(key)?.clone(), words::sex(row.get(sex)?)?));
    Ok(sheet.rows.iter().filter_map(of).collect())
}
