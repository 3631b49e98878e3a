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
struct Level {
    /// From 0.
    level: usize,
    column: usize,
    way: Way,
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
    let (names, repeated) = (0..sheet.columns.len())
        .map(|c| (c, sheet.cells(c).filter(|cell| is_repeated(cell)).count()))
        .find(|(_, repeated)| repeated * 2 > sheet.rows.len())?;
    let levels = levels(sheet, names, repeated, index, is_repeated);
    let key = |name: &str, part: &dyn Fn(&Level) -> Option<String>| -> Option<Vec<String>> {
        let mut key = vec![bare(name)];
        for level in &levels {
            key.push(part(level)?);
        }
        Some(key)
    };
    let mut found: HashMap<Vec<String>, Option<&String>> = HashMap::new();
    for file in index.files {
        let part = |one: &Level| one.way.of_folder(folder_at(file, one.level)?);
        if let Some(key) = key(file, &part) {
            let one = found.entry(key);
            one.and_modify(|one| *one = None).or_insert(Some(file));
        }
    }
    let paths: Vec<Option<&String>> = (sheet.rows.iter())
        .map(|row| {
            let part = |one: &Level| one.way.of_cell(row.get(one.column)?);
            found.get(&key(row.get(names)?, &part)?).copied().flatten()
        })
        .collect();
    let title = |c: usize| excerpt(sheet.columns.get(c).map_or("", String::as_str));
    let folders: Vec<String> = levels
        .iter()
        .map(|one| format!("{} (folder:{})", title(one.column), one.level + 1))
        .collect();
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

/// The columns that name folders, of each level the one that names most; names are believed before
/// numbers.
fn levels(
    sheet: &Sheet,
    names: usize,
    repeated: usize,
    index: &RecordingIndex<'_>,
    is_repeated: impl Fn(&str) -> bool,
) -> Vec<Level> {
    let deepest = (index.files.iter())
        .map(|file| file.matches('/').count())
        .max()
        .unwrap_or(0);
    let mut levels: Vec<Level> = Vec::new();
    for level in 0..deepest {
        let folders = index.files.iter().filter_map(|file| folder_at(file, level));
        if folders.collect::<BTreeSet<_>>().len() < 2 {
            continue;
        }
        let found = [Way::Name, Way::Number].into_iter().find_map(|way| {
            let there: HashSet<(String, String)> = (index.files.iter())
                .filter_map(|file| Some((bare(file), way.of_folder(folder_at(file, level)?)?)))
                .collect();
            let fits = |row: &&Vec<String>, c: usize| {
                let name = row.get(names).filter(|name| is_repeated(name));
                let part = row.get(c).and_then(|cell| way.of_cell(cell));
                name.zip(part)
                    .is_some_and(|(name, part)| there.contains(&(bare(name), part)))
            };
            let free = |c: &usize| *c != names && levels.iter().all(|one| one.column != *c);
            let (column, fitting) = (0..sheet.columns.len())
                .filter(free)
                .map(|c| (c, sheet.rows.iter().filter(|row| fits(row, c)).count()))
                .rev()
                .max_by_key(|(_, fitting)| *fitting)?;
            let is_enough = fitting as f64 >= MOST * repeated as f64;
            is_enough.then_some(Level { level, column, way })
        });
        levels.extend(found);
    }
    levels
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
