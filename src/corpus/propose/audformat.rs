//! Databases in audformat (<https://audeering.github.io/audformat/>): a header `db.yaml`, and a
//! table `db.<name>.csv` or `.parquet` each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_yaml_ng::{Mapping, Value};

use super::Folder;
use super::audformat_merged::{Labels, Merged, more_columns};
use super::audformat_speakers::sexes;
use super::audformat_table::rows;
use super::copies::one_medium;
use super::place::{Choices, Place};
use super::proposal::{Proposal, Row};
use crate::corpus::language::tag;
use crate::corpus::{Reason, SetAside};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::text::plural;

/// A column that a choice names, and the only table to take it from, where it names one.
struct Chosen {
    column: String,
    table: Option<String>,
}

impl Chosen {
    fn is_in(&self, table: &str) -> bool {
        self.table.as_deref().is_none_or(|own| own == table)
    }
}

/// The schemes of interest.
const ROLES: [&str; 2] = ["emotion", "speaker"];

/// The name of the header.
pub(super) const HEADER: &str = "db.yaml";

/// The tables in the order in which they are believed, with their columns of interest and the
/// scheme of each.
type Tables<'h> = Vec<(&'h str, &'h Value, BTreeMap<String, String>)>;

/// Reads the header and the tables, as far as their recordings are there.
///
/// # Errors
/// `Data` where the header is no audformat header, a table that is needed is there as a pickle
/// alone, no table has emotions, or none of its recordings is there.
pub(super) fn read(folder: &Folder) -> Result<Proposal> {
    let mut proposal = read_tables(folder.root, folder.choices)?;
    let files: BTreeSet<&String> = folder.files.iter().collect();
    let (rows, gone): (Vec<Row>, Vec<Row>) = std::mem::take(&mut proposal.rows)
        .into_iter()
        .partition(|row| files.contains(&row.path));
    proposal
        .set_aside
        .retain(|aside| files.contains(&aside.path));
    if let Some(first) = gone.first() {
        proposal.warnings.push(format!(
            "not there: {} of the database, such as {}",
            plural(gone.len(), "recording"),
            first.path
        ));
    }
    if rows.is_empty() {
        return Err(Error::data(format!(
            "no recording of the audformat database in {} is there",
            folder.root.display()
        ))
        .hint("put the recordings where its tables say"));
    }
    Ok(Proposal { rows, ..proposal })
}

/// Reads the header and the tables, whatever recordings are there.
///
/// # Errors
/// As [`read`], but for recordings that are not there.
pub(in crate::corpus) fn read_tables(root: &Path, choices: &Choices) -> Result<Proposal> {
    let path = root.join(HEADER);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    let header: Value = serde_yaml_ng::from_str(&text).map_err(|e| {
        Error::data(format!("{} is not YAML", path.display()))
            .because(e)
            .hint("save the database again with audformat, or remove the file")
    })?;
    let Some(tables) = header.get("tables").and_then(Value::as_mapping) else {
        return Err(Error::data(format!("{} has no tables", path.display()))
            .hint("it is no audformat header, or that of an empty database"));
    };
    let all: BTreeSet<String> = tables
        .iter()
        .flat_map(|(_, table)| columns(table).into_keys())
        .collect();
    let more = more_columns(&all);
    let chosen_emotion = chosen(tables, choices.emotion.as_ref(), "emotion", &all);
    let chosen_speaker = chosen(tables, choices.speaker.as_ref(), "speaker", &all);
    let listed = tables;
    let mut tables = tables_of_interest(listed, &[&chosen_emotion, &chosen_speaker]);
    let is_asked =
        |asked: &Option<Chosen>, table: &str| asked.as_ref().is_none_or(|one| one.is_in(table));
    tables.sort_by_key(|(name, ..)| !is_asked(&chosen_emotion, name));
    let (emotion, others) = emotion_column(&path, &tables, chosen_emotion.as_ref(), &all)?;
    let is_elsewhere = choices.speaker.is_some() && chosen_speaker.is_none();
    let speaker = if is_elsewhere {
        None
    } else {
        speaker_column(&path, &tables, chosen_speaker.as_ref(), &all)?
    };
    let scheme_of_speakers = speaker.as_ref().and_then(|column| {
        let mut tables = tables.iter();
        let table = tables.find(|(name, _, columns)| {
            is_asked(&chosen_speaker, name) && columns.contains_key(column)
        });
        columns(table?.1).remove(column)?
    });
    let mut evidence = Vec::new();
    let mut warnings = Vec::new();
    if let Some(first) = others.first() {
        warnings.push(format!(
            "the emotion could also be column {}: say so with --emotion \"column:{first}\"",
            others.join(", ")
        ));
    }
    let mut merged = Merged::default();
    let mut read: BTreeSet<&str> = BTreeSet::new();
    for (name, table, columns) in tables {
        let of = |column: Option<&'_ String>, role: &str, asked: &Option<Chosen>| {
            let column = column.filter(|_| is_asked(asked, name))?;
            (columns.get(column)? == role).then(|| column.clone())
        };
        let wanted = Labels {
            emotion: of(Some(&emotion), "emotion", &chosen_emotion),
            speaker: of(speaker.as_ref(), "speaker", &chosen_speaker),
            ..Labels::default()
        };
        if wanted.emotion.is_none() && wanted.speaker.is_none() {
            continue;
        }
        evidence.push(format!("audformat table {name}"));
        read.insert(name);
        let rows = rows(root, name, &mut warnings)?;
        let part = part(&header, table);
        warnings.extend(merged.add(name, rows, &wanted, &more, part));
    }
    // Tables of nothing but what else is known: one that cannot be read is done without.
    for (name, table) in listed {
        let has_more = || {
            columns(table)
                .keys()
                .any(|column| more.contains_key(&**column))
        };
        let Some(name) = name
            .as_str()
            .filter(|name| !read.contains(name) && has_more())
        else {
            continue;
        };
        match rows(root, name, &mut warnings) {
            Ok(rows) => {
                evidence.push(format!("audformat table {name}"));
                warnings.extend(merged.add(name, rows, &Labels::default(), &more, None));
            }
            Err(error) => warnings.push(format!("not used: {error}")),
        }
    }
    let sexes = match &scheme_of_speakers {
        Some(scheme) => sexes(root, &header, scheme, &mut warnings)?,
        None => BTreeMap::new(),
    };
    let out = merged.rows(&sexes);
    let all: BTreeSet<String> = out.iter().map(|row| row.path.clone()).collect();
    let (out, other_media) = one_medium(out, |folder| merged.ranks.get(folder).copied());
    let kept: BTreeSet<&String> = out.iter().map(|row| &row.path).collect();
    let set_aside: Vec<SetAside> = all
        .iter()
        .filter(|path| !kept.contains(path))
        .map(|path| SetAside {
            path: path.clone(),
            reason: Reason::OtherMaterial,
            detail: "another sound of a recording that is used".to_owned(),
        })
        .collect();
    for (folder, n) in other_media {
        let how = merged
            .tables
            .get(&folder)
            .map(|table| format!(": for these say --emotion \"column:{table}.{emotion}\""))
            .unwrap_or_default();
        warnings.push(format!(
            "not used: {}, in {folder}/, with other sounds of the same recordings{how}",
            plural(n, "row")
        ));
    }
    evidence.push(format!("column {emotion} is the emotion"));
    warnings.extend(merged.segments_of_labelled_files(&out, &emotion));
    match &speaker {
        Some(column) => evidence.push(format!("column {column} is the speaker")),
        None if choices.speaker.is_none() => {
            warnings.push("no table has a scheme `speaker`".to_owned())
        }
        None => {}
    }
    Ok(Proposal {
        rows: out,
        evidence,
        warnings,
        set_aside,
        ..described(&header)
    })
}

/// Name, language, licence and citation, as far as the header has them.
fn described(header: &Value) -> Proposal {
    let text = |key: &str| header.get(key).and_then(Value::as_str).map(str::to_owned);
    // Of several it is not known which recording is in which.
    let languages = header.get("languages").and_then(Value::as_sequence);
    let language = languages
        .filter(|all| all.len() == 1)
        .and_then(|all| all.first()?.as_str());
    let told = |keys: &[&str], between: &str| {
        let words: Vec<String> = keys
            .iter()
            .filter_map(|key| text(key))
            .map(|text| one_line(&text))
            .filter(|text| !text.is_empty())
            .collect();
        (!words.is_empty()).then(|| words.join(between))
    };
    Proposal {
        name: text("name").unwrap_or_default(),
        language: language.map(|code| tag(code).to_owned()),
        licence: told(&["license", "license_url"], ", "),
        citation: told(&["author", "name", "source"], ". ")
            .map(|words| words.trim_start_matches('@').to_owned())
            .filter(|_| text("author").is_some() || text("source").is_some()),
        ..Proposal::default()
    }
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
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

/// Columns of a table, with the scheme of each that has one.
fn columns(table: &Value) -> BTreeMap<String, Option<String>> {
    let columns = table
        .get("columns")
        .and_then(Value::as_mapping)
        .into_iter()
        .flatten();
    let scheme = |column: &Value| {
        column
            .get("scheme_id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    columns
        .filter_map(|(name, column)| Some((name.as_str()?.to_owned(), scheme(column))))
        .collect()
}

/// The column that a choice names, as `COLUMN`, `TABLE.COLUMN`, or `TABLE` for its column of the
/// scheme `role`.
fn chosen(
    tables: &Mapping,
    choice: Option<&Place>,
    role: &str,
    all: &BTreeSet<String>,
) -> Option<Chosen> {
    let Some(Place::Column(asked)) = choice else {
        return None;
    };
    let in_table = |(name, table): (&Value, &Value)| {
        let name = name.as_str()?;
        let mut columns = columns(table).into_iter();
        let column = match asked.strip_prefix(name)? {
            "" => columns.find(|(_, scheme)| scheme.as_deref() == Some(role)),
            rest => columns.find(|(column, _)| rest.strip_prefix('.') == Some(column)),
        };
        Some(Chosen {
            column: column?.0,
            table: Some(name.to_owned()),
        })
    };
    let alone = || Chosen {
        column: asked.clone(),
        table: None,
    };
    let mut tables = tables.iter().filter(|_| !all.contains(asked));
    Some(tables.find_map(in_table).unwrap_or_else(alone))
}

/// Tables with columns of emotions or speakers: those of a gold standard first, the others as the
/// header has them.
fn tables_of_interest<'h>(tables: &'h Mapping, chosen: &[&Option<Chosen>; 2]) -> Tables<'h> {
    let mut out: Tables<'h> = Vec::new();
    for (name, table) in tables {
        let role = |column: &String, scheme: Option<String>| {
            let is_meant = |one: &Option<Chosen>| {
                let one = one.as_ref();
                one.is_some_and(|one| {
                    one.column == *column && name.as_str().is_some_and(|name| one.is_in(name))
                })
            };
            let choice = chosen.iter().position(|one| is_meant(one));
            choice
                .map(|at| ROLES[at].to_owned())
                .or(scheme)
                .filter(|scheme| ROLES.contains(&scheme.as_str()))
        };
        let wanted: BTreeMap<String, String> = columns(table)
            .into_iter()
            .filter_map(|(column, of)| Some((column.clone(), role(&column, of)?)))
            .collect();
        if let (Some(name), false) = (name.as_str(), wanted.is_empty()) {
            out.push((name, table, wanted));
        }
    }
    out.sort_by_key(|(name, ..)| !name.to_lowercase().contains("gold"));
    out
}

/// The column of emotions, and others that could be it where nobody said which.
fn emotion_column(
    path: &Path,
    tables: &Tables<'_>,
    chosen: Option<&Chosen>,
    all: &BTreeSet<String>,
) -> Result<(String, Vec<String>)> {
    let found = candidates(tables, "emotion");
    if let Some(Chosen { column, .. }) = chosen {
        return if found.contains(column) {
            Ok((column.clone(), vec![]))
        } else {
            Err(missing(path, column, all))
        };
    }
    let mut found = found.into_iter();
    let first = found.next().ok_or_else(|| {
        Error::data(format!("{} has no table with a scheme `emotion`", path.display())).hint(
            "ser learns classes: a database of dimensions alone (arousal, valence) is of no use to it. If a column holds emotions under \
             another scheme, say so with --emotion column:NAME",
        )
    })?;
    Ok((first, found.collect()))
}

/// The column of speakers, where there is one.
fn speaker_column(
    path: &Path,
    tables: &Tables<'_>,
    chosen: Option<&Chosen>,
    all: &BTreeSet<String>,
) -> Result<Option<String>> {
    let found = candidates(tables, "speaker");
    match chosen {
        Some(Chosen { column, .. }) if found.contains(column) => Ok(Some(column.clone())),
        Some(Chosen { column, .. }) => Err(missing(path, column, all)),
        None => Ok(found.into_iter().next()),
    }
}

fn missing(path: &Path, column: &str, all: &BTreeSet<String>) -> Error {
    let all: Vec<String> = all.iter().map(|column| shown(column)).collect();
    Error::data(format!(
        "{} has no table with a column {column}",
        path.display()
    ))
    .hint(format!("its columns: {}", all.join(", ")))
}

/// The columns of a scheme: one that is called like it first, then in the order of the tables.
fn candidates(tables: &Tables<'_>, scheme: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (column, _) in tables
        .iter()
        .flat_map(|(.., columns)| columns)
        .filter(|(_, of)| *of == scheme)
    {
        if !out.contains(column) {
            out.push(column.clone());
        }
    }
    out.sort_by_key(|column| column != scheme);
    out
}

#[cfg(test)]
#[path = "audformat_tests.rs"]
mod tests;
