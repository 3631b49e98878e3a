//! One table that lies in the tree: its cells, and which column may be what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use encoding_rs::WINDOWS_1252;
use tempfile::NamedTempFile;

use super::recording_index::{CellResolver, RecordingIndex};
use super::words;
use crate::cancel::Cancel;
use crate::corpus::walk::{file_name, folder, stem};
use crate::corpus::{MOST_CLASSES, is_missing, manifest};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::text::{excerpt, listed, plural};

/// Rows looked at most of a table that may be of any use: a corpus of more recordings has a
/// manifest of its own making.
pub(super) const MOST_ROWS: usize = 2_000_000;
/// Columns that are shown.
const SHOWN: usize = 8;

/// What columns of emotions are called; the first of these that is there is taken.
const EMOTION: [&str; 23] = [
    "emotion",
    "emo",
    "emotionlabel",
    "emoclass",
    "emotionclass",
    "finallabel",
    "finalemotion",
    "final",
    "majority",
    "majorityvote",
    "mostvotes",
    "gold",
    "goldstandard",
    "consensus",
    "agreed",
    "emotions",
    "gefuhl",
    "emocion",
    "emozione",
    "label",
    "class",
    "category",
    "target",
];

/// A table as it stands in its file.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Where each of the rows is in the file: `line 12`.
    places: Vec<u64>,
    unit: &'static str,
    /// What reading it left open.
    pub(super) warnings: Vec<String>,
}

/// Reads at most `most` rows of the table at `path`, which is called `name`, also where it is written in Windows-1252.
///
/// # Errors
/// As a manifest's.
pub(super) fn read(path: &Path, name: &str, most: usize, cancel: &Cancel) -> Result<Sheet> {
    let first = manifest::cells(path, most, cancel);
    let is_whole = first.as_ref().is_ok_and(|cells| cells.refused == 0);
    let copy = if is_whole { None } else { as_utf8(path)? };
    let mut warnings = Vec::new();
    let cells = match &copy {
        None => first?,
        Some(copy) => {
            warnings.push(format!(
                "{name} is not UTF-8 and is read as Windows-1252: check that its letters are right, or save it as UTF-8"
            ));
            manifest::cells(copy.path(), most, cancel)?
        }
    };
    if cells.rows.len() + cells.refused >= most {
        warnings.push(format!("{name}: only its first {most} rows are used"));
    }
    if let Some(why) = &cells.why {
        warnings.push(format!(
            "{name}: {} left out that cannot be read, such as {why}",
            plural(cells.refused, "row")
        ));
    }
    Ok(Sheet {
        columns: cells.columns,
        rows: cells.rows,
        places: cells.places,
        unit: cells.unit,
        warnings,
    })
}

/// Columns that may be the emotion.
pub(super) struct Emotions {
    /// The likeliest first.
    pub(super) columns: Vec<usize>,
    /// Of two columns of known words that disagree: the second of them, and on how many rows.
    /// Nothing else says which is meant.
    pub(super) rival: Option<(usize, usize)>,
}

impl Sheet {
    /// Without anything that reading would have left open.
    #[cfg(test)]
    pub(super) fn of(columns: Vec<String>, rows: Vec<Vec<String>>) -> Sheet {
        Sheet {
            places: (2..).take(rows.len()).collect(),
            unit: "line",
            columns,
            rows,
            warnings: vec![],
        }
    }

    /// Keeps these rows, in this order.
    pub(super) fn keep(&mut self, rows: impl Iterator<Item = usize>) {
        let (mut kept, mut places) = (Vec::new(), Vec::new());
        for n in rows {
            kept.extend(self.rows.get_mut(n).map(std::mem::take));
            places.extend(self.places.get(n));
        }
        (self.rows, self.places) = (kept, places);
    }

    /// Where the `i`th row is: `line 12`.
    pub(super) fn place_of(&self, i: usize) -> String {
        let place = self.places.get(i).copied().unwrap_or_default();
        format!("{} {place}", self.unit)
    }

    /// The column of that name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let exactly = self.columns.iter().position(|column| column == name);
        exactly.or_else(|| {
            self.columns
                .iter()
                .position(|column| words::plain(column.trim()) == words::plain(name.trim()))
        })
    }

    /// The column whose cells name recordings, and who finds them: most of its cells, or most of
    /// the recordings.
    pub(super) fn of_files<'n, 'f>(
        &self,
        index: &'n RecordingIndex<'f>,
        table: &str,
        cancel: &Cancel,
    ) -> Option<(usize, CellResolver<'n, 'f>)> {
        (0..self.columns.len()).find_map(|c| {
            let resolver = index.resolver(table, self.cells(c));
            let cells = self.cells(c).take_while(|_| !cancel.requested());
            let found: Vec<&String> = cells.filter_map(|cell| resolver.find(cell)).collect();
            let files: BTreeSet<&&String> = found.iter().collect();
            let names_them = found.len() * 2 > self.rows.len()
                || (files.len() * 2 > index.files.len() && files.len() * 2 > found.len());
            names_them.then_some((c, resolver))
        })
    }

    /// Takes what stands in the place of a header for a row where it names a recording itself, as
    /// in the lists of some toolkits. Columns are called by their numbers then, from 1.
    pub(super) fn without_header(&mut self, index: &RecordingIndex<'_>, table: &str) {
        // `file` may be the name of a column and of a recording.
        let is_path = |cell: &&String| {
            cell.contains(['/', '\\', '.']) || cell.contains(|c: char| c.is_ascii_digit())
        };
        let resolver = index.resolver(table, self.columns.iter().map(String::as_str));
        if self
            .columns
            .iter()
            .filter(is_path)
            .any(|cell| resolver.find(cell).is_some())
        {
            let numbers = (1..=self.columns.len()).map(|n| n.to_string()).collect();
            self.rows
                .insert(0, std::mem::replace(&mut self.columns, numbers));
            self.places.insert(0, 1);
        }
    }

    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(move |row| row.get(column))
            .map(String::as_str)
    }

    /// The values of a column, blanks around them apart, that are not missing.
    fn values(&self, column: usize) -> BTreeSet<&str> {
        self.cells(column)
            .map(str::trim)
            .filter(|cell| !is_missing(cell))
            .collect()
    }

    /// Columns with their numbers of values.
    pub(super) fn seen(&self, columns: impl Iterator<Item = usize>) -> String {
        let seen: Vec<String> = columns
            .filter_map(|c| Some((c, self.columns.get(c)?)))
            .filter(|(_, name)| !name.is_empty())
            .map(|(c, name)| {
                format!(
                    "{} ({} values)",
                    excerpt(&shown(name)),
                    self.values(c).len()
                )
            })
            .collect();
        listed(&seen, SHOWN)
    }

    /// The columns that hold emotions.
    pub(super) fn emotions(&self, file: usize) -> Emotions {
        let rank = |c: usize| {
            let key = words::key(self.columns.get(c)?);
            EMOTION.iter().position(|name| *name == key)
        };
        let known = |c: usize| {
            let there = self.cells(c).filter(|cell| !is_missing(cell)).count();
            let classes: Vec<&str> = self.cells(c).filter_map(words::emotion).collect();
            classes.len() * 2 > there && classes.iter().collect::<BTreeSet<_>>().len() > 1
        };
        let mut found: Vec<(bool, usize, usize)> = (0..self.columns.len())
            .filter(|&c| c != file && (1..=MOST_CLASSES).contains(&self.values(c).len()))
            .filter_map(|c| match (known(c), rank(c)) {
                (false, None) => None,
                (known, rank) => Some((!known, rank.unwrap_or(EMOTION.len()), c)),
            })
            .collect();
        found.sort_unstable();
        // A name tells which of several columns of emotions is meant, where one of them alone has
        // one.
        let words: Vec<(usize, usize)> = found
            .iter()
            .filter(|(unknown, ..)| !unknown)
            .map(|(_, rank, c)| (*rank, *c))
            .collect();
        let is_told = words
            .iter()
            .filter(|(rank, _)| *rank < EMOTION.len())
            .count()
            == 1;
        let rival = match words.first().filter(|_| !is_told) {
            Some((_, first)) => {
                let differ = words
                    .iter()
                    .skip(1)
                    .map(|(_, other)| (*other, self.differing(*first, *other)));
                differ
                    .max_by_key(|(_, rows)| *rows)
                    .filter(|(_, rows)| *rows > 0)
            }
            None => None,
        };
        Emotions {
            columns: found.into_iter().map(|(.., c)| c).collect(),
            rival,
        }
    }

    /// On how many rows two columns hold words of different classes.
    pub(super) fn differing(&self, a: usize, b: usize) -> usize {
        let class = |row: &Vec<String>, c: usize| row.get(c).and_then(|cell| words::emotion(cell));
        let differ = |row: &&Vec<String>| {
            class(row, a)
                .zip(class(row, b))
                .is_some_and(|(a, b)| a != b)
        };
        self.rows.iter().filter(differ).count()
    }
}

/// The longest table that is read into memory to be written anew.
const LONGEST: u64 = 256 << 20;

/// A copy in UTF-8 of the text at `path`, read as Windows-1252; `None` where it is UTF-8 already,
/// or no text in bytes.
///
/// # Errors
/// `Io` where it cannot be read or the copy cannot be written.
fn as_utf8(path: &Path) -> Result<Option<NamedTempFile>> {
    let read = |e| Error::io("read", path, e);
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
        || std::fs::metadata(path).map_err(read)?.len() > LONGEST
    {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(read)?;
    if bytes.contains(&0) || std::str::from_utf8(&bytes).is_ok() {
        return Ok(None);
    }
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(&bytes);
    // The separator of a table is told by its extension, too.
    let extension = path
        .extension()
        .map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    let failed = |e| Error::io("write a copy of", path, e);
    let mut copy = tempfile::Builder::new()
        .suffix(&extension)
        .tempfile()
        .map_err(failed)?;
    copy.write_all(text.as_bytes())
        .and_then(|()| copy.flush())
        .map_err(failed)?;
    Ok(Some(copy))
}

/// The column that is put behind the others of a table of dialogues, as MELD has them: what each
/// row means.
const COLUMN: &str = "Dialogue_ID and Utterance_ID";

/// The part that a table is called after, or else its folder.
pub(in crate::corpus) fn part_of(table: &str) -> Option<&'static str> {
    called_after(stem(table)).or_else(|| called_after(file_name(folder(table))))
}

/// The part that a piece of a name says, the last piece first.
fn called_after(name: &str) -> Option<&'static str> {
    name.split(|c: char| !c.is_alphanumeric())
        .rev()
        .find_map(|piece| Some(manifest::part(piece)?.0))
}

/// Adds a column of recordings (`dia3_utt0`) to a table of dialogues, where it has one. Names come
/// again in every part, so that a table of a part means the recordings in a folder of that part
/// alone.
pub(super) fn name_recordings(sheet: &mut Sheet, table: &str, index: &RecordingIndex<'_>) {
    let place = |wanted: &str| {
        sheet
            .columns
            .iter()
            .position(|column| words::key(column) == wanted)
    };
    let (Some(dialogue), Some(utterance)) = (place("dialogueid"), place("utteranceid")) else {
        return;
    };
    let part = part_of(table);
    let is_meant = |file: &&String| part.is_none() || called_after(file_name(folder(file))) == part;
    let mut by_stem: BTreeMap<&str, Option<&String>> = BTreeMap::new();
    for file in index.files.iter().filter(is_meant) {
        by_stem
            .entry(stem(file))
            .and_modify(|one| *one = None)
            .or_insert(Some(file));
    }
    for row in &mut sheet.rows {
        let number = |c: usize| row.get(c).map_or("", |cell| cell.trim());
        let name = format!("dia{}_utt{}", number(dialogue), number(utterance));
        // From the root, so that a recording that is not there is none of the same name in another
        // part.
        let file = by_stem
            .get(name.as_str())
            .copied()
            .flatten()
            .unwrap_or(&name);
        row.push(format!("/{file}"));
    }
    sheet.columns.push(COLUMN.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_cut_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, "file,emotion\na,wut\nb,wut\nc,wut\n").unwrap();
        let read = |most| {
            let sheet = read(&path, "t.csv", most, &Cancel::default()).unwrap();
            (sheet.rows.len(), sheet.warnings)
        };
        let cut = "t.csv: only its first 2 rows are used".to_owned();
        assert_eq!(read(2), (2, vec![cut]));
        assert_eq!(read(usize::MAX), (3, vec![]));
    }

    #[test]
    fn umlauts_of_older_tables_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.tsv");
        std::fs::write(&path, b"w\xfctend\t\x80 \x93x\x94").unwrap();
        let copy = as_utf8(&path).unwrap().unwrap();
        assert_eq!(
            std::fs::read_to_string(copy.path()).unwrap(),
            "wütend\t€ “x”"
        );
        assert_eq!(copy.path().extension().unwrap(), "tsv");
        std::fs::write(&path, "wütend").unwrap();
        assert!(as_utf8(&path).unwrap().is_none());
        std::fs::write(&path, b"\xff\xfeW\0\xfc\0").unwrap();
        assert!(as_utf8(&path).unwrap().is_none());
    }
}
