//! Tables that name a recording by its bare name, which comes again in other folders, and by those
//! folders in columns of their own: `Patient;Sitzung;Datei` for `P-004/Sitzung 1/001.wav`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::recording_index::{CellResolver, RecordingIndex};
use super::sheet::Sheet;
use super::words;
use crate::cancel::Cancel;
use crate::corpus::walk::{file_name, folder, is_audio_name, without_extension};
use crate::text::{composed, excerpt, plural};

/// Share of the rows whose cell has to name the folder of a recording of the row's name.
const MOST: f64 = 0.8;

/// Letters by which a column that is called like folders is known to mean them.
const SURE_LETTERS: usize = 3;
/// What to do where no columns tell the folders.
const REPAIR: &str = "write the folder before the name, or put a table into each folder";

/// How the cells of a column name a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As it is called, punctuation apart.
    Name,
    /// By the number at its end: `1` is `Sitzung 1`.
    Number,
}

impl Way {
    fn of_folder(self, name: &str) -> Option<String> {
        match self {
            Way::Name => Some(words::key(name)).filter(|key| !key.is_empty()),
            Way::Number => {
                let start = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
                number(&name[start..])
            }
        }
    }

    fn of_cell(self, cell: &str) -> Option<String> {
        match self {
            Way::Name => self.of_folder(cell),
            Way::Number => number(cell.trim()),
        }
    }
}

/// Digits without the zeros before them.
fn number(text: &str) -> Option<String> {
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    is_number.then(|| text.trim_start_matches('0').to_owned())
}

/// The column that names the recordings, and who finds them. Where none does alone, one may do so
/// together with columns that name the folders: it is put behind the others then.
///
/// # Errors
/// Why there is none, where recordings are named that lie in several folders.
pub(super) fn locate<'n, 'f>(
    sheet: &mut Sheet,
    table: &str,
    index: &'n RecordingIndex<'f>,
    cancel: &Cancel,
) -> Result<(usize, CellResolver<'n, 'f>), Option<String>> {
    if let Some(found) = sheet.of_files(index, table, cancel) {
        return Ok(found);
    }
    match join_folders(sheet, index) {
        Some(Ok(())) => sheet.of_files(index, table, cancel).ok_or(None),
        Some(Err(why)) => Err(Some(why)),
        None => Err(None),
    }
}

/// The bare name of a recording, without its extension.
fn bare(name: &str) -> String {
    let name = composed(file_name(name.trim()));
    match is_audio_name(&name) {
        true => without_extension(&name).to_owned(),
        false => name,
    }
}

/// A column for a level of folders.
#[derive(Clone, Copy)]
struct Level {
    /// From 0.
    level: usize,
    column: usize,
    way: Way,
}

impl Level {
    fn describe(&self, sheet: &Sheet) -> String {
        format!("{} (folder:{})", title(sheet, self.column), self.level + 1)
    }
}

fn title(sheet: &Sheet, column: usize) -> String {
    excerpt(sheet.columns.get(column).map_or("", String::as_str))
}

fn folder_at(file: &str, level: usize) -> Option<&str> {
    let folders = Some(folder(file)).filter(|folders| !folders.is_empty());
    folders?.split('/').nth(level)
}

/// Adds a column with the path of each row's recording, where a column of bare names and columns of
/// folders tell it.
///
/// # Errors
/// Why not, where names come again in several folders and no columns tell which is meant; `None`
/// where no column has such names.
fn join_folders(sheet: &mut Sheet, index: &RecordingIndex<'_>) -> Option<Result<(), String>> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for file in index.files {
        *times.entry(bare(file)).or_default() += 1;
    }
    let is_repeated = |cell: &str| {
        !cell.contains(['/', '\\']) && times.get(&bare(cell)).is_some_and(|times| *times > 1)
    };
    let names = (0..sheet.columns.len()).find(|c| {
        let repeated = sheet.cells(*c).filter(|cell| is_repeated(cell)).count();
        repeated * 2 > sheet.rows.len()
    })?;
    let columns = FolderColumns {
        sheet,
        names,
        index,
        rows: (sheet.rows.iter())
            .filter(|row| row.get(names).is_some_and(|name| is_repeated(name)))
            .collect(),
    };
    let (levels, paths) = match columns.chosen() {
        Ok(chosen) => chosen,
        Err(why) => return Some(Err(why)),
    };
    let title = |c: usize| title(sheet, c);
    let folders: Vec<String> = levels.iter().map(|one| one.describe(sheet)).collect();
    let folders = folders.join(" and ");
    let resolved = paths.iter().flatten().count();
    if resolved * 2 <= sheet.rows.len() {
        let first = sheet.cells(names).find(|cell| is_repeated(cell))?;
        let (first, times) = (first.trim(), times.get(&bare(first))?);
        let told = match levels.is_empty() {
            true => "no column names the folders".to_owned(),
            false => format!("{folders} tell those of {} alone", plural(resolved, "row")),
        };
        return Some(Err(format!(
            "column {} names recordings that lie in several folders ({} in {times}), and {told}: write the folder before the name (such \
             as {}), or put a table into each folder",
            title(names),
            excerpt(first),
            index.files.iter().find(|file| bare(file) == bare(first))?
        )));
    }
    let column = format!("{} in the folders of {folders}", title(names));
    let cells: Vec<String> = (sheet.rows.iter().zip(&paths))
        .map(|(row, path)| match path {
            Some(path) => format!("/{path}"),
            // From the root, so that it is no recording of the same name in another folder.
            None => {
                let parts = levels.iter().map(|one| one.column).chain([names]);
                let parts: Vec<&str> = parts.filter_map(|c| row.get(c)).map(|c| c.trim()).collect();
                match parts.last() {
                    None | Some(&"") => String::new(),
                    _ => format!("/{}", parts.join("/")),
                }
            }
        })
        .collect();
    for (row, cell) in sheet.rows.iter_mut().zip(cells) {
        row.push(cell);
    }
    sheet.columns.push(column);
    Some(Ok(()))
}

/// The columns of a table as names of the folders of its recordings.
struct FolderColumns<'t, 'f> {
    sheet: &'t Sheet,
    /// The column of the bare names.
    names: usize,
    index: &'t RecordingIndex<'f>,
    /// The rows whose names come again in other folders.
    rows: Vec<&'t Vec<String>>,
}

impl<'t> FolderColumns<'t, '_> {
    /// For each level of folders the column that names them, and the path of each row's recording.
    /// Columns that are called like the folders, or hold their names, are believed; numbers of any
    /// other column may be strengths or ratings, and are asked where those do not suffice.
    ///
    /// # Errors
    /// Which columns could be meant, where they name different recordings; which do not tell rows
    /// apart.
    fn chosen(&self) -> Result<(Vec<Level>, Vec<Option<&'t String>>), String> {
        let mut levels = Vec::new();
        self.add(&mut levels, true)?;
        let paths = self.paths(&levels, self.sheet.rows.iter());
        let believed = levels.len();
        let found = self.paths(&levels, self.rows.iter().copied());
        if found.iter().flatten().count() as f64 >= MOST * self.rows.len() as f64 {
            return Ok((levels, paths));
        }
        self.add(&mut levels, false)?;
        if levels.len() == believed {
            return Ok((levels, paths));
        }
        let found = self.paths(&levels, self.rows.iter().copied());
        let names: HashSet<String> = (self.rows.iter())
            .filter_map(|row| row.get(self.names).map(|name| bare(name)))
            .collect();
        let distinct: HashSet<&String> = found.iter().flatten().copied().collect();
        if distinct.len() < self.rows.len() || names.len() == self.rows.len() {
            let guessed: Vec<String> = (levels[believed..].iter())
                .map(|one| one.describe(self.sheet))
                .collect();
            return Err(format!(
                "column {} names recordings that lie in several folders, and the numbers of {} may be those of folders or anything else, as they \
                 do not tell each row another recording: {REPAIR}",
                title(self.sheet, self.names),
                guessed.join(" and ")
            ));
        }
        let paths = self.paths(&levels, self.sheet.rows.iter());
        Ok((levels, paths))
    }

    /// Adds columns for the levels that have none: those that are `sure`, or the others.
    fn add(&self, levels: &mut Vec<Level>, sure: bool) -> Result<(), String> {
        let files = self.index.files;
        let deepest = files.iter().map(|file| file.matches('/').count()).max();
        for level in 0..deepest.unwrap_or(0) {
            let folders: BTreeSet<&str> = (files.iter())
                .filter_map(|file| folder_at(file, level))
                .collect();
            if folders.len() < 2 || levels.iter().any(|one| one.level == level) {
                continue;
            }
            for way in [Way::Name, Way::Number] {
                if let Some(column) = self.column(level, way, &folders, levels, sure)? {
                    levels.push(Level { level, column, way });
                    break;
                }
            }
        }
        levels.sort_by_key(|one| one.level);
        Ok(())
    }

    /// The column that names the folders of a level in this way.
    fn column(
        &self,
        level: usize,
        way: Way,
        folders: &BTreeSet<&str>,
        levels: &[Level],
        sure: bool,
    ) -> Result<Option<usize>, String> {
        let there: HashSet<(String, String)> = (self.index.files.iter())
            .filter_map(|file| Some((bare(file), way.of_folder(folder_at(file, level)?)?)))
            .collect();
        let are_numbers = (there.iter()).all(|(_, part)| part.chars().all(|c| c.is_ascii_digit()));
        let parts = |c: usize| -> Vec<Option<String>> {
            let part = |row: &&Vec<String>| {
                let part = way.of_cell(row.get(c)?)?;
                let key = (bare(row.get(self.names)?), part);
                there.contains(&key).then_some(key.1)
            };
            self.rows.iter().map(part).collect()
        };
        let count = |parts: &[Option<String>]| parts.iter().flatten().count();
        let mut fitting: Vec<(usize, Likeness, Vec<Option<String>>)> =
            (0..self.sheet.columns.len())
                .filter(|c| *c != self.names && levels.iter().all(|one| one.column != *c))
                .map(|c| (c, Likeness::of(&self.sheet.columns[c], folders), parts(c)))
                .filter(|(.., parts)| count(parts) as f64 >= MOST * self.rows.len() as f64)
                .filter(|(_, like, _)| (!are_numbers || *like == Likeness::Word) == sure)
                .collect();
        let best = fitting.iter().map(|(_, like, _)| *like).max();
        fitting.retain(|(_, like, _)| Some(*like) == best);
        let most = (fitting.iter().rev()).max_by_key(|(.., parts)| count(parts));
        let Some((column, _, chosen)) = most else {
            return Ok(None);
        };
        let differs = |parts: &[Option<String>]| {
            let both = parts.iter().zip(chosen);
            both.into_iter()
                .any(|(a, b)| a.is_some() && b.is_some() && a != b)
        };
        if fitting.iter().any(|(.., parts)| differs(parts)) {
            let columns: Vec<String> = (fitting.iter())
                .map(|(c, ..)| title(self.sheet, *c))
                .collect();
            return Err(format!(
                "column {} names recordings that lie in several folders, and {} could each name these (folder:{}), but of different recordings: \
                 {REPAIR}",
                title(self.sheet, self.names),
                columns.join(" and "),
                level + 1
            ));
        }
        Ok(Some(*column))
    }

    /// The one recording that each row names.
    fn paths<'r>(
        &self,
        levels: &[Level],
        rows: impl Iterator<Item = &'r Vec<String>>,
    ) -> Vec<Option<&'t String>> {
        let key = |name: &str, part: &dyn Fn(&Level) -> Option<String>| -> Option<Vec<String>> {
            let parts: Option<Vec<String>> = levels.iter().map(part).collect();
            Some([vec![bare(name)], parts?].concat())
        };
        let mut found: HashMap<Vec<String>, Option<&'t String>> = HashMap::new();
        for file in self.index.files {
            let part = |one: &Level| one.way.of_folder(folder_at(file, one.level)?);
            if let Some(key) = key(file, &part) {
                let one = found.entry(key);
                one.and_modify(|one| *one = None).or_insert(Some(file));
            }
        }
        rows.map(|row| {
            let part = |one: &Level| one.way.of_cell(row.get(one.column)?);
            found
                .get(&key(row.get(self.names)?, &part)?)
                .copied()
                .flatten()
        })
        .collect()
    }
}

/// How far a column is called like folders, `Sitzung` like `Sitzung 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    None,
    /// `Session` and `S1`: as `Score` is.
    Letters,
    Word,
}

impl Likeness {
    fn of(column: &str, folders: &BTreeSet<&str>) -> Likeness {
        let column = words::key(column);
        let like = |folder: &&str| {
            let folder = words::key(folder);
            let word = folder.trim_end_matches(|c: char| c.is_ascii_digit());
            let is_short = word.len().min(column.len()) < SURE_LETTERS;
            match word.is_empty() || column.is_empty() {
                false if word == column => Likeness::Word,
                false if word.starts_with(&column) || column.starts_with(word) => match is_short {
                    true => Likeness::Letters,
                    false => Likeness::Word,
                },
                _ => Likeness::None,
            }
        };
        folders.iter().map(like).max().unwrap_or(Likeness::None)
    }
}

/// The level of folders, from 1, that tells the same recordings apart as the cells of a column:
/// `rows` has the path of each row's recording, the cell and the emotion. Several recordings of
/// several emotions must have one cell.
pub(super) fn level_like<'r>(
    rows: impl Iterator<Item = (&'r str, &'r str, &'r str)> + Clone,
) -> Option<usize> {
    let mut emotions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut count = 0;
    for (_, cell, emotion) in rows.clone() {
        emotions.entry(cell).or_default().insert(emotion);
        count += 1;
    }
    let is_varied = emotions.values().any(|own| own.len() > 1);
    if emotions.len() < 2 || emotions.len() * 2 > count || !is_varied {
        return None;
    }
    let deepest = rows
        .clone()
        .map(|(path, ..)| path.matches('/').count())
        .min()?;
    let is_like = |level: &usize| {
        let (mut to, mut from) = (BTreeMap::new(), BTreeMap::new());
        rows.clone().all(|(path, cell, _)| {
            folder_at(path, *level).is_some_and(|folder| {
                *to.entry(cell).or_insert(folder) == folder
                    && *from.entry(folder).or_insert(cell) == cell
            })
        })
    };
    (0..deepest).find(is_like).map(|level| level + 1)
}
