//! Databases in audformat (<https://audeering.github.io/audformat/>): a header `db.yaml`, and a
//! table `db.<name>.csv` or `.parquet` each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_yaml_ng::{Mapping, Value};

use super::Folder;
use super::audformat_speakers::sexes;
use super::audformat_table::{Index, rows};
use super::copies::one_medium;
use super::place::{Choices, Place};
use super::proposal::{Proposal, Row};
use crate::corpus::language::tag;
use crate::corpus::walk::folder;
use crate::corpus::{Reason, SetAside, is_unknown};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::text::plural;

/// What the tables say of a recording or segment.
#[derive(Default)]
struct Labels {
    emotion: Option<String>,
    speaker: Option<String>,
    /// Of [`MORE`], by the name in manifests.
    more: BTreeMap<&'static str, String>,
}

/// Columns that say more of a recording, and their names in manifests; of two for one name the
/// first counts. Only of tables with emotions or speakers.
const MORE: [(&str, &str); 6] = [
    ("sentence", "text_id"),
    ("transcription", "text_id"),
    ("session", "session"),
    ("intensity", "intensity"),
    ("repetition", "repetition"),
    ("language", "language"),
];

/// Of each recording or segment.
type Cells = BTreeMap<Index, Labels>;

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
    let chosen_emotion = chosen(tables, choices.emotion.as_ref(), "emotion", &all);
    let chosen_speaker = chosen(tables, choices.speaker.as_ref(), "speaker", &all);
    let mut tables = tables_of_interest(tables, &[&chosen_emotion, &chosen_speaker]);
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
    for (name, table, columns) in tables {
        let of = |column: Option<&'_ String>, role: &str, asked: &Option<Chosen>| {
            let column = column.filter(|_| is_asked(asked, name))?;
            (columns.get(column)? == role).then(|| column.clone())
        };
        let wanted = Labels {
            emotion: of(Some(&emotion), "emotion", &chosen_emotion),
            speaker: of(speaker.as_ref(), "speaker", &chosen_speaker),
            more: BTreeMap::new(),
        };
        if wanted.emotion.is_none() && wanted.speaker.is_none() {
            continue;
        }
        evidence.push(format!("audformat table {name}"));
        let rows = rows(root, name, &mut warnings)?;
        let others = merged.add(name, rows, &wanted, part(&header, table));
        if others > 0 {
            warnings.push(format!(
                "in {}, the table {name} disagrees with an earlier table, which is used",
                plural(others, "row")
            ));
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

/// The tables of a database, joined by file and time. Of several values of a cell the first counts.
#[derive(Default)]
struct Merged<'t> {
    cells: Cells,
    parts: BTreeMap<Index, &'static str>,
    /// Of each folder, how plain the plainest name of a table with emotions is.
    ranks: BTreeMap<String, usize>,
    /// Of each folder, the first table with emotions.
    tables: BTreeMap<String, &'t str>,
    /// Tables with emotions of segments.
    of_segments: BTreeSet<&'t str>,
}

impl<'t> Merged<'t> {
    /// Takes the wanted columns of a table; gives the number of rows that disagree with earlier ones.
    fn add(
        &mut self,
        name: &'t str,
        rows: Vec<(Index, BTreeMap<String, String>)>,
        wanted: &Labels,
        part: Option<&'static str>,
    ) -> usize {
        let mut others = 0;
        for (index, mut row) in rows {
            if wanted.emotion.is_some() {
                let folder = folder(&index.0);
                let rank = name.matches('.').count();
                let best = self.ranks.entry(folder.to_owned()).or_insert(rank);
                *best = rank.min(*best);
                self.tables.entry(folder.to_owned()).or_insert(name);
                if !is_whole(&index) {
                    self.of_segments.insert(name);
                }
            }
            let mut is_other =
                part.is_some_and(|part| *self.parts.entry(index.clone()).or_insert(part) != part);
            let known = self.cells.entry(index).or_default();
            for (column, known) in [
                (&wanted.emotion, &mut known.emotion),
                (&wanted.speaker, &mut known.speaker),
            ] {
                if let Some(value) = column.as_ref().and_then(|column| row.remove(column)) {
                    is_other |= *known.get_or_insert_with(|| value.clone()) != value;
                }
            }
            for (column, name) in MORE {
                let cell = row.remove(column).filter(|cell| !is_unknown(cell));
                if let Some(cell) = cell {
                    let cell = if name == "language" {
                        tag(&cell).to_owned()
                    } else {
                        cell
                    };
                    known.more.entry(name).or_insert(cell);
                }
            }
            others += usize::from(is_other);
        }
        others
    }

    /// What has an emotion.
    fn rows(&self, sexes: &BTreeMap<String, &str>) -> Vec<Row> {
        let of_file = speakers_of_files(&self.cells);
        let mut out = Vec::new();
        for (index, row) in &self.cells {
            let Some(emotion) = row.emotion.as_ref().filter(|e| !is_unknown(e)) else {
                continue;
            };
            let (file, start, end) = index;
            let own = row.speaker.as_ref();
            let speaker = own.or_else(|| of_file.get(file.as_str()).copied()).cloned();
            let whole = (file.clone(), String::new(), String::new());
            let part = self.parts.get(index).or_else(|| self.parts.get(&whole));
            let of_whole = self.cells.get(&whole);
            // Either time may be open: a segment that begins later than its file, or ends before it.
            let more = [
                (
                    "sex",
                    speaker
                        .as_ref()
                        .and_then(|speaker| sexes.get(speaker))
                        .copied(),
                ),
                (
                    "start",
                    Some(start.as_str()).filter(|time| !time.is_empty()),
                ),
                ("end", Some(end.as_str()).filter(|time| !time.is_empty())),
                ("split", part.copied()),
            ];
            let more = more.into_iter();
            let mut columns: BTreeMap<_, _> = more
                .filter_map(|(name, cell)| Some((name, cell?.to_owned())))
                .collect();
            for said in [Some(row), of_whole].into_iter().flatten() {
                for (name, cell) in &said.more {
                    columns.entry(name).or_insert_with(|| cell.clone());
                }
            }
            out.push(Row {
                path: file.clone(),
                emotion: emotion.clone(),
                speaker,
                columns,
            });
        }
        out
    }

    /// A warning where a recording has an emotion as a whole, and others in segments.
    fn segments_of_labelled_files(&self, rows: &[Row], emotion: &str) -> Option<String> {
        let whole = rows.iter().filter(|row| !row.is_segment());
        let files: BTreeSet<&str> = whole.map(|row| row.path.as_str()).collect();
        let twice = rows
            .iter()
            .filter(|row| row.is_segment() && files.contains(row.path.as_str()))
            .count();
        (twice > 0).then(|| {
            format!(
                "{} (table {}) in recordings that have an emotion as a whole, too: choose the table of either with --emotion \"column:TABLE.{emotion}\"",
                plural(twice, "segment"),
                self.of_segments.iter().copied().collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// Whether it is a file from its beginning to its end.
fn is_whole((_, start, end): &Index) -> bool {
    start.is_empty() && end.is_empty()
}

/// The speaker of each file, for segments that name none: the one of the file as a whole, or else
/// the only one that its segments name.
fn speakers_of_files(cells: &Cells) -> BTreeMap<&str, &String> {
    let mut out: BTreeMap<&str, Option<&String>> = BTreeMap::new();
    let mut whole = BTreeMap::new();
    for (index, row) in cells {
        let file = &index.0;
        let Some(speaker) = &row.speaker else {
            continue;
        };
        if is_whole(index) {
            whole.insert(file.as_str(), speaker);
        }
        out.entry(file)
            .and_modify(|one| *one = one.filter(|one| *one == speaker))
            .or_insert(Some(speaker));
    }
    let mut out: BTreeMap<&str, &String> = out
        .into_iter()
        .filter_map(|(file, one)| Some((file, one?)))
        .collect();
    out.extend(whole);
    out
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
