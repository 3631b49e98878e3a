//! An audformat database (<https://audeering.github.io/audformat/>), read as it lies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Sex;
use super::is_nobody;
use super::listing::{Listing, Reason, SetAside};
use super::propose::{Choices, Place, Row, audformat_tables};
use super::utterance::{Source, UNKNOWN_SPEAKER};
use super::walk::{AUDIO, check_root, walk};
use super::{GENERATED_MARK, propose::words};
use crate::error::{Error, Result};
use crate::text::{composed, plural};

/// The header of a database and its tables, by name.
pub fn tables(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_table = [".csv", ".parquet"].iter().any(|end| name.ends_with(end));
            name == "db.yaml" || (name.starts_with("db.") && is_table)
        })
        .collect();
    files.sort();
    files
}

/// Lists a database: every recording, or segment of one, that a table gives an emotion. The columns
/// are those of the schemes `emotion` and `speaker` unless others are named, as `COLUMN` or
/// `TABLE.COLUMN`. No audio is opened.
///
/// # Errors
/// `Missing` where there is no such folder or no header in it; `Data` where that is none, a table
/// that is needed cannot be read, or none has the columns; `Io` where the folder cannot be read.
pub fn read(root: &Path, emotion: Option<&str>, speaker: Option<&str>) -> Result<Listing> {
    check_root(
        root,
        "the audformat database",
        "set the corpus root to the folder that holds its db.yaml",
    )?;
    if !root.join("db.yaml").is_file() {
        return Err(Error::missing(format!(
            "{} holds no db.yaml, the header of an audformat database",
            root.display()
        ))
        .hint("set the corpus root to the folder that holds it"));
    }
    let column = |name: Option<&str>| name.map(|name| Place::Column(name.to_owned()));
    let choices = Choices {
        emotion: column(emotion),
        speaker: column(speaker),
    };
    let found = audformat_tables(root, &choices).map_err(in_a_pipeline)?;
    let tree = walk(root, "", AUDIO)?;
    let files: BTreeSet<&str> = tree.files.iter().map(String::as_str).collect();
    let mut set_aside: Vec<SetAside> = found
        .set_aside
        .into_iter()
        .filter(|aside| files.contains(aside.path.as_str()))
        .collect();
    let (there, gone): (Vec<Row>, Vec<Row>) = found
        .rows
        .into_iter()
        .partition(|row| files.contains(row.path.as_str()));
    let aside = |path: &str, reason: Reason, detail: &str| SetAside {
        path: path.to_owned(),
        reason,
        detail: detail.to_owned(),
    };
    let gone: BTreeSet<&str> = gone.iter().map(|row| row.path.as_str()).collect();
    set_aside.extend(gone.into_iter().map(|path| {
        let detail = "in a table of the database, and not in the folder: restore the recording";
        aside(path, Reason::MissingAudio, detail)
    }));
    let no_emotion = match emotion {
        Some(_) => "the column that was chosen gives it no emotion",
        None => "no table gives it an emotion",
    };
    let known: BTreeSet<&str> = there.iter().map(|row| row.path.as_str()).collect();
    let others: BTreeSet<String> = set_aside.iter().map(|aside| aside.path.clone()).collect();
    set_aside.extend(
        tree.files
            .iter()
            .filter(|path| !known.contains(path.as_str()) && !others.contains(*path))
            .map(|path| aside(path, Reason::MissingLabel, no_emotion)),
    );
    set_aside.extend(tree.set_aside);
    set_aside.sort_by(|a, b| (&a.path, a.reason).cmp(&(&b.path, b.reason)));
    let mut sources: Vec<Source> = there
        .into_iter()
        .map(|row| source(row, found.language.as_deref()))
        .collect();
    sources.sort_by(|a, b| a.id.cmp(&b.id));
    let mut notes = found.evidence;
    let without = sources
        .iter()
        .filter(|source| source.speaker == UNKNOWN_SPEAKER)
        .count();
    if without > 0 {
        notes.push(format!(
            "{} without a speaker",
            plural(without, "utterance")
        ));
    }
    for (what, text) in [("licence", found.licence), ("source", found.citation)] {
        notes.extend(text.map(|text| format!("{what} by the database: {text}")));
    }
    Ok(Listing {
        corpus: "audformat".to_owned(),
        sources,
        set_aside,
        expected: None,
        warnings: found
            .warnings
            .into_iter()
            .map(|warning| as_keys(&warning))
            .collect(),
        notes,
        generated: root.join(GENERATED_MARK).is_file(),
    })
}

/// Options of `ser corpus init` as keys of a pipeline file.
fn as_keys(text: &str) -> String {
    let mut out = text.to_owned();
    for key in ["emotion", "speaker"] {
        out = out
            .replace(&format!("--{key} \"column:"), &format!("corpus.{key} = \""))
            .replace(&format!("--{key} column:NAME"), &format!("corpus.{key}"));
    }
    out
}

fn in_a_pipeline(error: Error) -> Error {
    match error.hint_text().map(as_keys) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn source(row: Row, language: Option<&str>) -> Source {
    let cell = |name: &str| row.columns.get(name).map(String::as_str);
    let time = |name: &str| cell(name).and_then(|text| text.parse::<f64>().ok());
    let (start_s, end_s) = (time("start"), time("end"));
    let text = |time: Option<f64>| time.map_or(String::new(), |time| time.to_string());
    let id = match (start_s, end_s) {
        (None, None) => row.path.clone(),
        _ => format!("{}#{}-{}", row.path, text(start_s), text(end_s)),
    };
    let speaker = row.speaker.as_deref().filter(|one| !is_nobody(one));
    Source {
        emotion: composed(&row.emotion),
        speaker: speaker.map_or_else(|| UNKNOWN_SPEAKER.to_owned(), composed),
        sex: match cell("sex").and_then(words::sex) {
            Some("female") => Some(Sex::Female),
            Some("male") => Some(Sex::Male),
            _ => None,
        },
        split: cell("split").map(str::to_owned),
        language: cell("language").or(language).map(str::to_owned),
        text_id: cell("text_id").map(str::to_owned),
        session: cell("session").map(str::to_owned),
        intensity: cell("intensity").map(str::to_owned),
        repetition: cell("repetition").map(str::to_owned),
        start_s,
        end_s,
        ..Source::named(id, row.path.clone())
    }
}
