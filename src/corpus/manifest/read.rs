//! What the rows of a manifest mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sheet::{Sheet, open};
use crate::corpus::listing::{Listing, Reason, SetAside};
use crate::corpus::utterance::{Sex, Source};
use crate::corpus::walk::check_root;
use crate::error::{Error, Result};

const REQUIRED: [&str; 3] = ["path", "emotion", "speaker"];
const OPTIONAL: [&str; 10] = ["id", "sex", "text_id", "session", "split", "start", "end", "language", "intensity", "repetition"];

/// Where a manifest is and how its rows are to be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSettings {
    /// The table: CSV, TSV or Parquet.
    pub path: PathBuf,
    /// The folder that the table's paths start from.
    pub root: PathBuf,
    /// The class for each label of the table; labels that are not in it are left out. Empty: the labels are the classes.
    #[serde(default)]
    pub label_map: BTreeMap<String, String>,
    /// Whether a recording may lie outside `root`.
    #[serde(default)]
    pub allow_outside: bool,
}

/// Reads a manifest: columns `path`, `emotion`, `speaker`; optional `id`, `sex`, `text_id`, `session`, `split` (train, validation, test),
/// `start` and `end` (seconds), `language`, `intensity`, `repetition`. Column names are compared without case and surrounding space.
///
/// A row's id is its `id`, or else its path, with `#start-end` for a segment. Of rows with one id, or with the same path and segment, the
/// first counts. A row that cannot be used is set aside with its line.
///
/// # Errors
/// `Missing` where the manifest or the root is not there; `Data` where it is no table, lacks a required column or has no rows; `Io` where
/// it cannot be read.
pub fn read(settings: &ManifestSettings) -> Result<Listing> {
    let sheet = open(&settings.path)?;
    check_root(
        &settings.root,
        "the manifest's folder of recordings",
        "set the corpus root to the folder that the manifest's paths start from",
    )?;
    let columns = Columns::of(&sheet.columns, &settings.path)?;
    if sheet.rows.is_empty() {
        return Err(Error::data(format!("{} has a header but no rows", settings.path.display())).hint("write a row for each recording"));
    }
    let mut notes = sheet.notes.clone();
    if !columns.unused.is_empty() {
        notes.push(format!("columns of the manifest that are not used: {}", columns.unused.join(", ")));
    }
    let (sources, mut set_aside) = Rows { settings, columns: &columns }.read(sheet);
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listing { corpus: "manifest".into(), sources: sources.into_values().collect(), set_aside, expected: None, notes, generated: false })
}

/// Which cell of a row is which column.
struct Columns {
    index: BTreeMap<&'static str, usize>,
    unused: Vec<String>,
}

impl Columns {
    fn of(header: &[String], path: &Path) -> Result<Self> {
        let mut columns = Columns { index: BTreeMap::new(), unused: Vec::new() };
        for (at, name) in header.iter().enumerate() {
            let plain = name.to_lowercase().split_whitespace().collect::<Vec<_>>().join("_");
            match REQUIRED.iter().chain(&OPTIONAL).find(|known| **known == plain) {
                Some(known) if columns.index.insert(known, at).is_some() => {
                    return Err(Error::data(format!("{} has two columns {known}", path.display())).hint("remove or rename one of them"));
                }
                Some(_) => {}
                None => columns.unused.push(if name.is_empty() { format!("(column {} without a name)", at + 1) } else { name.clone() }),
            }
        }
        match REQUIRED.iter().find(|name| !columns.index.contains_key(**name)) {
            None => Ok(columns),
            Some(name) => {
                let there = header.join(", ");
                let hint = match nearest(name, columns.unused.iter()) {
                    Some(near) => format!("rename the column {near} to {name}, or add {name}"),
                    None => format!("add a column {name}"),
                };
                Err(Error::data(format!("{} has no column {name}; it has {there}", path.display())).hint(hint))
            }
        }
    }

    /// The trimmed cell, `None` where there is no such column or nothing in it.
    fn cell<'r>(&self, cells: &'r [String], name: &str) -> Option<&'r str> {
        cells.get(*self.index.get(name)?).map(|c| c.trim()).filter(|c| !c.is_empty())
    }
}

/// The name that looks most like `wanted`, where one is near enough to be a slip.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n String>) -> Option<&'n String> {
    let similarity = |name: &String| strsim::jaro_winkler(wanted, &name.to_lowercase());
    names.map(|name| (similarity(name), name)).filter(|(s, _)| *s > 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Why a row is left aside.
type Refusal = (Reason, String);

struct Rows<'a> {
    settings: &'a ManifestSettings,
    columns: &'a Columns,
}

impl Rows<'_> {
    fn read(&self, sheet: Sheet) -> (BTreeMap<String, Source>, Vec<SetAside>) {
        let mut sources: BTreeMap<String, Source> = BTreeMap::new();
        let mut set_aside = Vec::new();
        // What was read from which row: ids, and recordings with their segments.
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        let mut sounds: BTreeMap<String, (String, String)> = BTreeMap::new();
        for row in sheet.rows {
            let place = row.place;
            let shown = |cells: &[String]| self.columns.cell(cells, "path").map_or_else(|| self.manifest_name(), str::to_owned);
            let (path, refusal) = match row.cells {
                Err(why) => (self.manifest_name(), (Reason::BadRow, why)),
                Ok(cells) => match self.source(&cells) {
                    Err(refusal) => (shown(&cells), refusal),
                    Ok(source) => {
                        let sound = format!("{}{}", source.path, segment(&source));
                        if let Some((first, emotion)) = sounds.get(&sound) {
                            let contradiction = if *emotion == source.emotion { "" } else { ", with another emotion" };
                            (
                                source.path,
                                (Reason::Duplicate, format!("the same recording as {first}{contradiction}: remove one of the rows")),
                            )
                        } else if let Some(first) = ids.get(&source.id) {
                            (source.path, (Reason::Duplicate, format!("the id {} is also that of {first}: make ids unique", source.id)))
                        } else {
                            sounds.insert(sound, (place.clone(), source.emotion.clone()));
                            ids.insert(source.id.clone(), place);
                            sources.insert(source.id.clone(), source);
                            continue;
                        }
                    }
                },
            };
            set_aside.push(SetAside { path, reason: refusal.0, detail: format!("{place}: {}", refusal.1) });
        }
        (sources, set_aside)
    }

    fn manifest_name(&self) -> String {
        self.settings.path.file_name().map_or_else(|| "manifest".into(), |n| n.to_string_lossy().into_owned())
    }

    fn source(&self, cells: &[String]) -> Result<Source, Refusal> {
        let cell = |name| self.columns.cell(cells, name);
        let owned = |name| cell(name).map(str::to_owned);
        let bad = |why: String| (Reason::BadRow, why);
        if let Some(name) = REQUIRED.iter().find(|name| cell(name).is_none()) {
            return Err(bad(format!("the cell {name} is empty: fill it or remove the row")));
        }
        let emotion = self.class(cell("emotion").unwrap_or_default())?;
        let (start_s, end_s) = (seconds("start", cell("start"))?, seconds("end", cell("end"))?);
        if end_s.is_some_and(|end| end <= start_s.unwrap_or(0.0)) {
            return Err(bad("the end is not after the start: correct the times (seconds)".into()));
        }
        // The cell as it stands, since a name may begin or end with a space.
        let raw = self.columns.index.get("path").and_then(|at| cells.get(*at)).map_or("", String::as_str);
        let path = self.locate(raw)?;
        let mut source = Source {
            emotion,
            speaker: owned("speaker").unwrap_or_default(),
            sex: cell("sex").map(sex).transpose()?,
            text_id: owned("text_id"),
            session: owned("session"),
            intensity: owned("intensity"),
            repetition: owned("repetition"),
            language: owned("language"),
            split: cell("split").map(part).transpose()?,
            start_s,
            end_s,
            ..Source::named(String::new(), path)
        };
        source.id = owned("id").unwrap_or_else(|| format!("{}{}", source.path, segment(&source)));
        Ok(source)
    }

    fn class(&self, label: &str) -> Result<String, Refusal> {
        let map = &self.settings.label_map;
        if map.is_empty() {
            return Ok(label.to_owned());
        }
        map.get(label).cloned().ok_or_else(|| {
            let near = nearest(&label.to_lowercase(), map.keys()).map_or(String::new(), |near| format!(" (it has {near})"));
            (Reason::ClassNotUsed, format!("the label map has no entry {label}{near}: add one to use the row"))
        })
    }

    /// The path below the root, `/`-separated and without `.` and `..`, of a file that is there.
    fn locate(&self, raw: &str) -> Result<String, Refusal> {
        let mut refusal = None;
        // Tables written on Windows have the other separator; no name with a backslash is shadowed, because it is tried first.
        for candidate in
            [raw.to_owned(), raw.trim().to_owned(), raw.trim().replace('\\', "/")].into_iter().collect::<BTreeSet<_>>().into_iter().rev()
        {
            match self.locate_exactly(&candidate) {
                Ok(path) => return Ok(path),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or((Reason::BadRow, "the path is empty".into())))
    }

    fn locate_exactly(&self, given: &str) -> Result<String, Refusal> {
        let outside = || (Reason::BadRow, "the path leads out of the corpus root: move the file or set allow_outside = true".to_owned());
        let path = Path::new(given);
        let path = path.strip_prefix(&self.settings.root).unwrap_or(path);
        let mut parts: Vec<&str> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
                Component::CurDir => {}
                Component::ParentDir if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
                Component::ParentDir if self.settings.allow_outside => parts.push(".."),
                Component::RootDir | Component::Prefix(_) if self.settings.allow_outside => {}
                _ => return Err(outside()),
            }
        }
        let tidy = if path.is_absolute() { format!("/{}", parts.join("/")) } else { parts.join("/") };
        match fs::metadata(self.settings.root.join(&tidy)) {
            Ok(found) if found.is_file() => Ok(tidy),
            Ok(_) => Err((Reason::BadAudio, "the path is no file: correct it".into())),
            Err(error) => Err((Reason::MissingAudio, format!("the recording cannot be found ({error}): restore it or correct the path"))),
        }
    }
}

/// `#start-end` in seconds for a segment, nothing for a whole file.
fn segment(source: &Source) -> String {
    let text = |t: Option<f64>| t.map_or(String::new(), |t| t.to_string());
    if source.start_s.is_none() && source.end_s.is_none() {
        String::new()
    } else {
        format!("#{}-{}", text(source.start_s), text(source.end_s))
    }
}

fn seconds(name: &str, cell: Option<&str>) -> Result<Option<f64>, Refusal> {
    let Some(text) = cell else { return Ok(None) };
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value + 0.0)),
        _ => Err((Reason::BadRow, format!("the {name} {text} is not a number of seconds from 0: correct it"))),
    }
}

fn sex(text: &str) -> Result<Sex, Refusal> {
    match text.to_lowercase().as_str() {
        "female" | "f" | "woman" => Ok(Sex::Female),
        "male" | "m" | "man" => Ok(Sex::Male),
        _ => Err((Reason::BadRow, format!("the sex {text} is neither female nor male: correct it or leave the cell empty"))),
    }
}

fn part(text: &str) -> Result<String, Refusal> {
    let part = match text.to_lowercase().as_str() {
        "train" | "training" => "train",
        "validation" | "valid" | "val" | "dev" => "validation",
        "test" | "testing" => "test",
        _ => {
            return Err((
                Reason::BadRow,
                format!("the split {text} is none of train, validation, test: correct it or leave the cell empty"),
            ));
        }
    };
    Ok(part.to_owned())
}
