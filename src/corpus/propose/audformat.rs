//! Databases in audformat (<https://audeering.github.io/audformat/>): a header `db.yaml`, and a table `db.<name>.csv` or `.parquet` each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_yaml_ng::Value;

use super::guess::Row;
use crate::corpus::manifest;
use crate::error::{Error, Result};

/// The name of the header.
pub(super) const HEADER: &str = "db.yaml";
const MOST_ROWS: usize = 2_000_000;

/// What the database says.
pub(super) struct Database {
    pub(super) name: String,
    pub(super) language: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) citation: Option<String>,
    pub(super) rows: Vec<Row>,
    pub(super) evidence: Vec<String>,
    pub(super) doubts: Vec<String>,
}

/// One recording, or one segment of it.
type Index = (String, String, String);

/// Reads the header and the tables below `root`.
///
/// # Errors
/// `Data` where the header is no audformat header, a table that is needed is there as a pickle alone, or no table has emotions.
pub(super) fn read(root: &Path) -> Result<Database> {
    let path = root.join(HEADER);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let header: Value = serde_yaml_ng::from_str(&text).map_err(|e| {
        Error::data(format!("{} is not YAML", path.display())).because(e).hint("save the database again with audformat, or remove the file")
    })?;
    let Some(tables) = header.get("tables").and_then(Value::as_mapping) else {
        return Err(
            Error::data(format!("{} has no tables", path.display())).hint("it is no audformat header, or that of an empty database")
        );
    };
    let mut cells: BTreeMap<Index, BTreeMap<String, String>> = BTreeMap::new();
    let mut schemes: BTreeMap<String, String> = BTreeMap::new();
    let mut evidence = Vec::new();
    let mut doubts = Vec::new();
    let mut parts: BTreeMap<Index, &str> = BTreeMap::new();
    for (name, table) in tables {
        let Some(name) = name.as_str() else { continue };
        let wanted = columns(table);
        if !wanted.values().any(|scheme| scheme == "emotion" || scheme == "speaker") {
            continue;
        }
        evidence.push(format!("audformat table {name}"));
        let part = part(&header, table);
        let mut others = 0;
        for (index, row) in rows(root, name)? {
            if let Some(part) = part {
                parts.insert(index.clone(), part);
            }
            let known = cells.entry(index).or_default();
            let other = |column: &String, value: &String| wanted.contains_key(column) && known.get(column).is_some_and(|old| old != value);
            others += usize::from(row.iter().any(|(column, value)| other(column, value)));
            for (column, value) in row {
                known.entry(column).or_insert(value);
            }
        }
        schemes.extend(wanted);
        if others > 0 {
            doubts.push(format!("{others} rows of the table {name} say otherwise than a table before it, which is believed"));
        }
    }
    let column = |scheme: &str| schemes.iter().find(|(_, of)| *of == scheme).map(|(column, _)| column.clone());
    let Some(emotion) = column("emotion") else {
        return Err(Error::data(format!("{} has no table with a scheme `emotion`", path.display()))
            .hint("ser learns classes: a database of dimensions alone (arousal, valence) is of no use to it"));
    };
    let speaker = column("speaker");
    // A filewise speaker holds for every segment of its file.
    let of_file: BTreeMap<&str, &String> =
        cells.iter().filter_map(|((file, ..), row)| Some((file.as_str(), row.get(speaker.as_ref()?)?))).collect();
    let mut out = Vec::new();
    for ((file, start, end), row) in &cells {
        let Some(emotion) = row.get(&emotion).filter(|e| !e.is_empty()) else { continue };
        let speaker = speaker.as_ref().and_then(|column| row.get(column)).or_else(|| of_file.get(file.as_str()).copied()).cloned();
        let mut more = BTreeMap::new();
        if let Some(sex) = speaker.as_deref().and_then(|speaker| sex(&header, speaker)) {
            more.insert("sex", sex);
        }
        if !start.is_empty() && !end.is_empty() {
            more.insert("start", start.clone());
            more.insert("end", end.clone());
        }
        let part = parts.get(&(file.clone(), start.clone(), end.clone()));
        if let Some(part) = part.or_else(|| parts.get(&(file.clone(), String::new(), String::new()))) {
            more.insert("split", (*part).to_owned());
        }
        out.push(Row { path: file.clone(), emotion: emotion.clone(), speaker, more });
    }
    evidence.push(format!("column {emotion} is the emotion"));
    let whole = |row: &Row| !row.more.contains_key("start");
    let files: BTreeSet<&str> = out.iter().filter(|row| whole(row)).map(|row| row.path.as_str()).collect();
    let twice = out.iter().filter(|row| !whole(row) && files.contains(row.path.as_str())).count();
    if twice > 0 {
        doubts.push(format!("{twice} segments lie in recordings that have an emotion as a whole, too: keep one of both in the manifest"));
    }
    match &speaker {
        Some(column) => evidence.push(format!("column {column} is the speaker")),
        None => doubts.push("no table has a scheme `speaker`".to_owned()),
    }
    let text = |key: &str| header.get(key).and_then(Value::as_str).map(str::to_owned);
    let language = header.get("languages").and_then(|list| list.get(0)).and_then(Value::as_str).map(str::to_owned);
    let told = |keys: &[&str], between: &str| {
        let words: Vec<String> =
            keys.iter().filter_map(|key| text(key)).map(|text| one_line(&text)).filter(|text| !text.is_empty()).collect();
        (!words.is_empty()).then(|| words.join(between))
    };
    Ok(Database {
        name: text("name").unwrap_or_default(),
        language,
        licence: told(&["license", "license_url"], ", "),
        citation: told(&["author", "name", "source"], ". ").filter(|_| text("author").is_some() || text("source").is_some()),
        rows: out,
        evidence,
        doubts,
    })
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The part of a split that a table stands for, in the words of a manifest.
fn part(header: &Value, table: &Value) -> Option<&'static str> {
    let split = header.get("splits")?.get(table.get("split_id")?)?;
    match split.get("type")?.as_str()? {
        "train" => Some("train"),
        "dev" => Some("validation"),
        "test" => Some("test"),
        _ => None,
    }
}

/// Columns of a table that have a scheme, by name.
fn columns(table: &Value) -> BTreeMap<String, String> {
    let columns = table.get("columns").and_then(Value::as_mapping).into_iter().flatten();
    let scheme = |column: &Value| column.get("scheme_id").and_then(Value::as_str).map(str::to_owned);
    columns.filter_map(|(name, column)| Some((name.as_str()?.to_owned(), scheme(column)?))).collect()
}

/// The rows of a table by file and, where it has them, start and end.
fn rows(root: &Path, name: &str) -> Result<Vec<(Index, BTreeMap<String, String>)>> {
    let file = ["csv", "parquet"].map(|extension| root.join(format!("db.{name}.{extension}"))).into_iter().find(|path| path.is_file());
    let Some(path) = file else {
        let error = Error::data(format!("the table {name} of {} is not there as CSV or Parquet", root.join(HEADER).display()));
        return Err(error.hint("save the database with audformat as CSV or Parquet; a pickled table (.pkl) is a program, and is not run"));
    };
    let (columns, cells) = manifest::cells(&path, MOST_ROWS)?;
    let place = |wanted: &str| columns.iter().position(|column| column == wanted);
    let Some(file) = place("file") else {
        return Err(Error::data(format!("{} has no column file", path.display())).hint("save the database again with audformat"));
    };
    let index: BTreeSet<usize> = ["file", "start", "end"].iter().filter_map(|name| place(name)).collect();
    // Parquet keeps times as nanoseconds.
    let nanoseconds = path.extension().is_some_and(|extension| extension == "parquet");
    let text = |row: &[String], c: Option<usize>| c.and_then(|c| row.get(c)).cloned().unwrap_or_default();
    let time = |row: &[String], name: &str| seconds(&text(row, place(name)), nanoseconds);
    let row = |row: &Vec<String>| -> Result<(Index, BTreeMap<String, String>)> {
        let rest = columns.iter().zip(row).enumerate().filter(|(c, (_, cell))| !index.contains(c) && !cell.is_empty());
        let values = rest.map(|(_, (column, cell))| (column.clone(), cell.clone())).collect();
        Ok(((text(row, Some(file)), time(row, "start")?, time(row, "end")?), values))
    };
    cells.iter().map(row).collect()
}

/// What the scheme of speakers says of one.
fn sex(header: &Value, speaker: &str) -> Option<String> {
    let labels = header.get("schemes")?.get("speaker")?.get("labels")?.as_mapping()?;
    let is = |key: &Value| match key {
        Value::String(text) => text == speaker,
        Value::Number(number) => number.to_string() == speaker,
        _ => false,
    };
    let (_, about) = labels.iter().find(|(key, _)| is(key))?;
    let word = ["gender", "sex"].iter().find_map(|key| about.get(*key)?.as_str())?;
    ["female", "male"].into_iter().find(|known| *known == word).map(str::to_owned)
}

/// A time as seconds: a pandas Timedelta (`0 days`, `0 days 00:00:01.500000`), a number of seconds, or of nanoseconds. What is open stays
/// empty.
fn seconds(text: &str, nanoseconds: bool) -> Result<String> {
    let bad = || Error::data(format!("`{text}` is no time of a segment")).hint("audformat writes times as 0 days 00:00:01.500000");
    if text.is_empty() || text == "NaT" {
        return Ok(String::new());
    }
    if let Ok(number) = text.parse::<f64>() {
        return Ok(if nanoseconds { (number / 1e9).to_string() } else { text.to_owned() });
    }
    let (days, clock) = text.split_once(" days").ok_or_else(bad)?;
    let clock = if clock.trim().is_empty() { "0:0:0" } else { clock.trim().trim_start_matches('+') };
    let mut parts = clock.split(':').map(str::parse::<f64>);
    let (Ok(days), Some(Ok(hours)), Some(Ok(minutes)), Some(Ok(seconds)), None) =
        (days.trim().parse::<f64>(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad());
    };
    Ok((((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    const DB: &str = "name: tiny\nlanguages: [deu]\nlicense: CC0-1.0\nauthor: A. Doe\nsource: https://x.org/tiny\nsplits: {t: {type: test}}\nschemes:\n  emotion: {dtype: str, labels: [wut, freude]}\n  speaker:\n    dtype: int\n    labels:\n      3: {gender: male}\n      8: {gender: female}\ntables:\n  files: {type: filewise, split_id: t, columns: {speaker: {scheme_id: speaker}}}\n  emotion: {type: segmented, columns: {emotion: {scheme_id: emotion}, emotion.confidence: {scheme_id: confidence}}}\n";

    #[test]
    fn tables_are_joined_and_times_are_seconds() {
        let dir = database(&[
            (HEADER, DB),
            ("db.files.csv", "file,speaker\na.wav,3\nb.wav,8\n"),
            (
                "db.emotion.csv",
                "file,start,end,emotion,emotion.confidence\na.wav,0 days,0 days 00:00:01.5,wut,0.9\nb.wav,0 days 00:01:00,0 days 00:01:02,freude,1\n",
            ),
        ]);
        let found = read(dir.path()).unwrap();
        assert_eq!((found.name.as_str(), found.language.as_deref(), found.rows.len()), ("tiny", Some("deu"), 2));
        let row = &found.rows[1];
        assert_eq!((row.path.as_str(), row.emotion.as_str(), row.speaker.as_deref()), ("b.wav", "freude", Some("8")));
        let more: Vec<(&str, &str)> = row.more.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(more, [("end", "62"), ("sex", "female"), ("split", "test"), ("start", "60")]);
        assert_eq!((found.licence.as_deref(), found.citation.as_deref()), (Some("CC0-1.0"), Some("A. Doe. tiny. https://x.org/tiny")));
        assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    }

    #[test]
    fn tables_that_disagree_and_segments_of_labelled_files_are_doubts() {
        let header = "name: x\ntables:\n  a: {columns: {emotion: {scheme_id: emotion}}}\n  b: {columns: {emotion: {scheme_id: emotion}}}\n";
        let dir = database(&[
            (HEADER, header),
            ("db.a.csv", "file,emotion\na.wav,wut\nb.wav,wut\n"),
            ("db.b.csv", "file,start,end,emotion\na.wav,,,freude\nb.wav,0.5,1,freude\n"),
        ]);
        let found = read(dir.path()).unwrap();
        assert_eq!(found.rows[0].emotion, "wut");
        assert!(found.doubts[0].starts_with("1 rows of the table b") && found.doubts[1].starts_with("1 segments"), "{:?}", found.doubts);
    }

    #[test]
    fn times_are_written_in_several_ways() {
        let read = |text: &str, nanoseconds| seconds(text, nanoseconds).unwrap();
        assert_eq!([read("0 days", false), read("1 days 00:01:00.25", false), read("2.5", false)], ["0", "86460.25", "2.5"]);
        assert_eq!([read("1200000000", true), read("NaT", false), read("", true)], ["1.2", "", ""]);
        assert!(seconds("soon", false).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let pickled = database(&[(HEADER, DB), ("db.files.csv", "file,speaker\n"), ("db.emotion.pkl", "")]);
        let error = read(pickled.path()).err().unwrap();
        assert!(error.to_string().contains("the table emotion") && error.hint_text().unwrap().contains("pickled"));
        let none = database(&[(HEADER, "name: x\ntables:\n  a: {columns: {arousal: {scheme_id: arousal}}}\n")]);
        assert!(read(none.path()).err().unwrap().to_string().contains("no table with a scheme `emotion`"));
        assert!(read(database(&[(HEADER, "a: [")]).path()).err().unwrap().to_string().contains("not YAML"));
    }
}
