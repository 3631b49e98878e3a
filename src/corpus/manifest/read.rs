//! What the rows of a manifest mean.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::columns::{Columns, Refusal, is_too_long, part, seconds, sex};
use super::labels::Labels;
use super::locate::Locator;
use super::remarks::{Remark, Remarks};
use super::sheet::{self, AS_UTF8, NOT_UTF8, Row, open};
use crate::cancel::Cancel;
use crate::corpus::listing::{Listing, Reason, SetAside};
use crate::corpus::utterance::{Source, UNKNOWN_SPEAKER};
use crate::corpus::walk::check_root;
use crate::corpus::{GENERATED_MARK, Sex};
use crate::corpus::{is_missing, is_nobody, is_unknown};
use crate::error::{Error, Result};
use crate::text::{composed, excerpt, listed, nearest, plural};

/// Share of the rows that may be in another encoding than UTF-8. Letters beyond ASCII stand in some
/// labels and not in others, so that many such rows are lost by class.
const MOST_IN_OTHER_ENCODING: f64 = 0.01;
/// Stands for the label of a row that is not to be used.
const NOT_USED: &str = "\0";
/// Columns named in one note.
const SHOWN: usize = 12;

/// Where a manifest is and how its rows are to be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSettings {
    /// The table: CSV, TSV, Parquet or JSON.
    pub path: PathBuf,
    /// The folder that the table's paths start from.
    pub root: PathBuf,
    /// The class for each label of the table; labels that are not in it are left out. Empty: the
    /// labels are the classes.
    #[serde(default)]
    pub label_map: BTreeMap<String, String>,
    /// Whether a recording may lie outside `root`, by its path or by a link.
    #[serde(default)]
    pub allow_outside: bool,
}

/// As [`scan`], with all sources in the listing.
///
/// # Errors
/// As [`scan`].
pub fn read(settings: &ManifestSettings) -> Result<Listing> {
    let mut sources = Vec::new();
    let mut listing = scan(settings, &Cancel::default(), &mut |source| {
        sources.push(source);
        Ok(())
    })?;
    sources.sort_by(|a: &Source, b| a.id.cmp(&b.id));
    listing.sources = sources;
    Ok(listing)
}

/// Reads a manifest: columns `path`, `emotion`, `speaker`; optional `id`, `sex`, `text_id`,
/// `session`, `split` (train, validation, test), `start` and `end` (seconds), `language`,
/// `intensity`, `repetition`, `excluded`. Column names are compared without case and surrounding space.
///
/// A row's id is its `id`, or else its path, with `#start-end` for a segment. Of rows with one id,
/// or with the same path and segment, the first counts. A row that cannot be used is set aside with
/// its line, one without a label too; an optional cell that says nothing usable is left empty, and
/// counted. A path that is not there as it stands is looked for with other separators, accents and
/// extensions, and, where it is absolute, below another folder: the listing says how many rows were
/// found so. Sources go to `sink` in the order of the rows; the listing that is returned holds
/// none. Memory grows by some 40 bytes a row, by twice as much where there is a column `id`, and by
/// what is set aside.
///
/// # Errors
/// `Missing` where the manifest or the root is not there; `Data` where it is no table, lacks a
/// required column or has no rows; `Io` where it cannot be read; `Interrupted` on request; what
/// `sink` returns.
pub fn scan(
    settings: &ManifestSettings,
    cancel: &Cancel,
    sink: &mut dyn FnMut(Source) -> Result<()>,
) -> Result<Listing> {
    let sheet = open(&settings.path)?;
    check_root(
        &settings.root,
        "the manifest's folder of recordings",
        "set the corpus root to the folder that the manifest's paths start from",
    )?;
    let columns = Columns::of(&sheet.columns, &settings.path)?;
    let mut notes = sheet.notes;
    if !columns.unused.is_empty() {
        let unused: Vec<String> = columns.unused.iter().map(|name| excerpt(name)).collect();
        notes.push(format!(
            "columns of the manifest that are not used: {}",
            listed(&unused, SHOWN)
        ));
    }
    let mut rows = Rows {
        settings,
        columns: &columns,
        unit: sheet.unit,
        locator: Locator::new(settings, cancel)?,
        sounds: Repeats::default(),
        labels: Labels::default(),
        remarks: Remarks::default(),
    };
    let mut set_aside = rows.read(sheet.rows, cancel, sink)?;
    if let Some(why) = rows.labels.measurements() {
        let hint = "ser trains classifiers: name classes in the column `emotion` (low, middle, high), or give each number a class: \
                    label_map = { \"1\" = \"low\", … } under [corpus]";
        return Err(Error::data(format!("{}: {why}", settings.path.display())).hint(hint));
    }
    let mut warnings = rows.labels.warnings(&settings.label_map);
    warnings.extend(columns.other_units());
    let (remarked, noted) = rows.remarks.told();
    warnings.extend(remarked);
    notes.extend(noted);
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listing {
        corpus: "manifest".into(),
        sources: vec![],
        set_aside,
        expected: None,
        warnings,
        notes,
        generated: settings.root.join(GENERATED_MARK).is_file(),
    })
}

struct Rows<'a> {
    settings: &'a ManifestSettings,
    columns: &'a Columns,
    unit: &'static str,
    locator: Locator<'a>,
    /// Recordings with their segments.
    sounds: Repeats,
    labels: Labels,
    remarks: Remarks,
}

impl Rows<'_> {
    fn read(
        &mut self,
        rows: sheet::Rows,
        cancel: &Cancel,
        sink: &mut dyn FnMut(Source) -> Result<()>,
    ) -> Result<Vec<SetAside>> {
        let mut set_aside = Vec::new();
        // Without a column of ids, an id says no more than the recording and its segment.
        let mut ids = self.columns.index.contains_key("id").then(Repeats::default);
        let (mut n, mut in_other_encoding, mut first) = (0, 0, 0);
        for row in rows {
            let Row { place, cells } = row?;
            n += 1;
            if let Err(why) = &cells
                && why.starts_with(NOT_UTF8)
            {
                in_other_encoding += 1;
                first = if first == 0 { place } else { first };
            }
            cancel.check()?;
            let (path, refusal) = match cells {
                Err(why) => (self.manifest_name(), (Reason::BadRow, why)),
                Ok(cells) if self.columns.is_excluded(&cells) => self.excluded(&cells, place)?,
                Ok(cells) => match self.source(&cells)? {
                    Err(refusal) => (
                        self.columns
                            .cell(&cells, "path")
                            .map_or_else(|| self.manifest_name(), shortened),
                        refusal,
                    ),
                    Ok(source) => match self.repeated(&source, place, ids.as_mut()) {
                        Some(refusal) => (source.path, refusal),
                        None => {
                            sink(source)?;
                            continue;
                        }
                    },
                },
            };
            // A reason of the manifest's own stands first, since it may name another table.
            let detail = match refusal.0 {
                Reason::Excluded => {
                    format!("{} ({} {place} of the manifest)", refusal.1, self.unit)
                }
                _ => format!("{} {place}: {}", self.unit, refusal.1),
            };
            set_aside.push(SetAside {
                path,
                reason: refusal.0,
                detail,
            });
        }
        if in_other_encoding as f64 > MOST_IN_OTHER_ENCODING * n as f64 {
            let error = Error::data(format!(
                "{} is not UTF-8 in {} of {n}, such as {} {first}: without them whole classes may be missing",
                self.settings.path.display(),
                plural(in_other_encoding, "row"),
                self.unit
            ));
            return Err(error.hint(AS_UTF8));
        }
        if n == 0 {
            return Err(Error::data(format!(
                "{} has a header but no rows",
                self.settings.path.display()
            ))
            .hint("write a row for each recording"));
        }
        Ok(set_aside)
    }

    /// The recording of a row that is not to be used, and why: its other rows are not either,
    /// unless the first of them is.
    fn excluded(&mut self, cells: &[String], place: u64) -> Result<(String, Refusal)> {
        let raw = self.columns.path(cells);
        let found = match is_too_long("path", raw) {
            true => None,
            false => self.locator.locate(raw)?.ok(),
        };
        let path = found.map_or_else(|| shortened(raw.trim()), |(path, _)| path);
        let time = |name| seconds(name, self.columns.cell(cells, name)).ok().flatten();
        let source = Source {
            start_s: time("start"),
            end_s: time("end"),
            ..Source::named(String::new(), path.clone())
        };
        let sound = format!("{path}{}", segment(&source));
        if let Some((first, is_used)) = self.sounds.first(&sound, NOT_USED) {
            if is_used {
                self.remarks.add(Remark::Contradicts, &sound);
            }
            let used = if is_used { "uses" } else { "excludes" };
            let detail = format!(
                "the same recording as {} {first}, which {used} it: remove one of the rows",
                self.unit
            );
            return Ok((path, (Reason::Duplicate, detail)));
        }
        self.sounds.note(&sound, place, NOT_USED);
        let why = self.columns.exclusion(cells).unwrap_or_default();
        Ok((path, (Reason::Excluded, why)))
    }

    /// Why a source is none of its own; one that is, is noted.
    fn repeated(
        &mut self,
        source: &Source,
        place: u64,
        ids: Option<&mut Repeats>,
    ) -> Option<Refusal> {
        let sound = format!("{}{}", source.path, segment(source));
        let label = format!("{}\0{}", source.emotion, source.speaker);
        if let Some((first, contradiction)) = self.sounds.first(&sound, &label) {
            if contradiction {
                self.remarks.add(Remark::Contradicts, &sound);
            }
            let is_excluded = self
                .sounds
                .first(&sound, NOT_USED)
                .is_some_and(|(_, other)| !other);
            let contradiction = match contradiction {
                _ if is_excluded => ", which excludes it",
                true => ", with another emotion or speaker",
                false => "",
            };
            let detail = format!(
                "the same recording as {} {first}{contradiction}: remove one of the rows",
                self.unit
            );
            return Some((Reason::Duplicate, detail));
        }
        if let Some(ids) = ids {
            if let Some((first, _)) = ids.first(&source.id, "") {
                let detail = format!(
                    "the id {} is also that of {} {first}: make ids unique",
                    source.id, self.unit
                );
                return Some((Reason::Duplicate, detail));
            }
            ids.note(&source.id, place, "");
        }
        self.sounds.note(&sound, place, &label);
        None
    }

    fn manifest_name(&self) -> String {
        self.settings
            .path
            .file_name()
            .map_or_else(|| "manifest".into(), |n| n.to_string_lossy().into_owned())
    }

    /// The recording that a row names, or why it names none; the path is looked up last, since that
    /// takes longest.
    fn source(&mut self, cells: &[String]) -> Result<Result<Source, Refusal>> {
        let mut source = match self.said(cells) {
            Ok(source) => source,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let raw = self.columns.path(cells);
        let (path, remark) = match self.locator.locate(raw)? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(remark) = remark {
            self.remarks.add(remark, raw.trim());
        }
        if source.id.is_empty() {
            source.id = format!("{path}{}", segment(&source));
        }
        source.path = path;
        Ok(Ok(source))
    }

    /// What a row says of its recording.
    fn said(&mut self, cells: &[String]) -> Result<Source, Refusal> {
        let cell = |name| self.columns.cell(cells, name);
        let bad = |why: String| (Reason::BadRow, why);
        if cell("path").is_none() {
            return Err(bad(
                "the cell path is empty: fill it or remove the row".to_owned()
            ));
        }
        for (name, text) in ["path", "emotion", "speaker", "id"]
            .into_iter()
            .filter_map(|name| Some((name, cell(name)?)))
        {
            if is_too_long(name, text) {
                return Err(bad(format!(
                    "the cell {name} is {} bytes long, more than any such name: correct it",
                    text.len()
                )));
            }
            if text.contains('\n') && matches!(name, "emotion" | "speaker") {
                return Err(bad(format!(
                    "the cell {name} goes over several lines: look for a quotation mark that is never closed"
                )));
            }
        }
        let label = composed(cell("emotion").unwrap_or_default());
        let speaker = cell("speaker")
            .filter(|speaker| !is_nobody(speaker))
            .map_or_else(|| UNKNOWN_SPEAKER.to_owned(), composed);
        let (start_s, end_s) = (
            seconds("start", cell("start"))?,
            seconds("end", cell("end"))?,
        );
        if end_s.is_some_and(|end| end <= start_s.unwrap_or(0.0)) {
            return Err(bad(
                "the end is not after the start: correct the times (seconds)".into(),
            ));
        }
        let id = cell("id").unwrap_or_default().to_owned();
        let emotion = self.class(&label)?;
        let mut source = Source {
            id,
            emotion,
            speaker,
            start_s,
            end_s,
            ..Source::named(String::new(), String::new())
        };
        source.sex = self.sex(cells);
        source.split = self.part(cells);
        for (name, place) in [
            ("text_id", &mut source.text_id),
            ("session", &mut source.session),
            ("intensity", &mut source.intensity),
            ("repetition", &mut source.repetition),
            ("language", &mut source.language),
        ] {
            match self.columns.cell(cells, name) {
                Some(text) if is_too_long(name, text) => self.remarks.add(Remark::TooLong, text),
                text => *place = text.map(str::to_owned),
            }
        }
        Ok(source)
    }

    fn sex(&mut self, cells: &[String]) -> Option<Sex> {
        let text = self
            .columns
            .cell(cells, "sex")
            .filter(|text| !is_missing(text))?;
        let found = sex(text);
        if found.is_none() {
            self.remarks.add(Remark::NoSex, text);
        }
        found
    }

    fn part(&mut self, cells: &[String]) -> Option<String> {
        let text = self
            .columns
            .cell(cells, "split")
            .filter(|text| !is_missing(text))?;
        let found = part(text);
        match found {
            None => self.remarks.add(Remark::NoPart, text),
            Some((_, true)) => self.remarks.add(Remark::NumberedPart, text),
            Some((_, false)) => {}
        }
        found.map(|(part, _)| part.to_owned())
    }

    fn class(&mut self, label: &str) -> Result<String, Refusal> {
        let map = &self.settings.label_map;
        if !map.contains_key(label) && is_unknown(label) {
            return Err(match label {
                "" => (
                    Reason::MissingLabel,
                    "the cell emotion is empty: fill it or remove the row".to_owned(),
                ),
                _ => (
                    Reason::MissingLabel,
                    format!(
                        "the emotion is {label}, which is no label: fill the cell or remove the row, or, where it is a class, give it an entry in corpus.label_map"
                    ),
                ),
            });
        }
        if map.is_empty() {
            self.labels.class(label);
            return Ok(label.to_owned());
        }
        self.labels.note(label, map);
        map.get(label).cloned().ok_or_else(|| {
            let near = nearest(label, map.keys().map(String::as_str))
                .map_or(String::new(), |near| format!(" (it has {near})"));
            (
                Reason::ClassNotUsed,
                format!(
                    "the label map has no entry {}{near}: add one to use the row",
                    excerpt(label)
                ),
            )
        })
    }
}

/// A path of a row that is left aside: as it stands, unless it is longer than any.
fn shortened(path: &str) -> String {
    if is_too_long("path", path) {
        excerpt(path)
    } else {
        path.to_owned()
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

/// The rows of a manifest by a hash of what they are about: 24 bytes each, whatever they hold.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    first: HashMap<[u8; 16], First>,
}

/// Where something was read first.
#[derive(Debug, Clone, Copy)]
struct First {
    place: u32,
    label: u32,
}

impl Repeats {
    /// The row in which `key` stood before, and whether it had another label there.
    pub(super) fn first(&self, key: &str, label: &str) -> Option<(u64, bool)> {
        self.first
            .get(&short(key))
            .map(|first| (u64::from(first.place), first.label != code(label)))
    }

    /// Notes that `key` stands in row `place` with a label.
    pub(super) fn note(&mut self, key: &str, place: u64, label: &str) {
        self.first.insert(
            short(key),
            First {
                place: u32::try_from(place).unwrap_or(u32::MAX),
                label: code(label),
            },
        );
    }
}

fn short(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    short
}

/// Enough to tell the labels of a corpus apart.
fn code(label: &str) -> u32 {
    let [a, b, c, d, ..] = *blake3::hash(label.as_bytes()).as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "read_row_tests.rs"]
mod row_tests;
