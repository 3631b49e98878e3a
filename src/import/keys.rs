//! Which row of a table belongs to which recording or segment of the corpus.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::table::{ImportTable, Key, SHOWN};
use crate::error::{Error, Result};
use crate::text::{composed, excerpt, listed, plural};

/// How far the times of a row and of a segment may lie apart, in seconds: manifests are often
/// rounded to milliseconds.
const NEAR_S: f64 = 0.001;
/// How far the end of a row may lie from that of a whole recording, which decoders count
/// differently where a format pads it.
const NEAR_END_S: f64 = 0.05;
/// Rows of one recording from which on they are taken for frames.
const FRAMES: usize = 3;

/// A recording, or a segment of one, for which a row is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// Utterance id; empty where there are none.
    pub id: &'a str,
    /// `/`-separated; of a corpus, relative to its root.
    pub path: &'a str,
    /// Of a segment, in seconds.
    pub start_s: Option<f64>,
    /// Of a segment, in seconds.
    pub end_s: Option<f64>,
    /// Seconds of the recording or segment, where they are known.
    pub duration_s: Option<f64>,
}

impl Recording<'_> {
    fn is_whole(&self) -> bool {
        self.start_s.is_none() && self.end_s.is_none()
    }

    fn start(&self) -> f64 {
        self.start_s.unwrap_or(0.0)
    }

    /// Whether a row from `start` to `end` (of a recording: to its end) is of it.
    fn is_at(&self, (start, end): (f64, Option<f64>)) -> bool {
        let known = self.duration_s.map(|duration| self.start() + duration);
        let own = self.end_s.or(known);
        let most = if self.end_s.is_some() {
            NEAR_S
        } else {
            NEAR_END_S
        };
        let is_near = |a: f64, b: f64, most: f64| (a - b).abs() <= most * (1.0 + 1e-9);
        is_near(self.start(), start, NEAR_S)
            && match (own, end) {
                (Some(own), Some(end)) => is_near(own, end, most),
                (None, _) => true,
                (Some(_), None) => self.end_s.is_none(),
            }
    }
}

/// By what the rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Id,
    Path,
    FileName,
    Stem,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Id, Kind::Path, Kind::FileName, Kind::Stem];

    fn words(self) -> &'static str {
        match self {
            Kind::Id => "utterance id",
            Kind::Path => "path",
            Kind::FileName => "file name",
            Kind::Stem => "file name without extension",
        }
    }
}

/// The rows of the recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// By what rows and recordings were matched, in words.
    pub by: String,
    /// The column that names the recordings.
    pub column: String,
    /// The row of each recording.
    pub rows: Vec<Option<usize>>,
    /// Rows that say the same again.
    pub repeated: usize,
    /// How many rows are of no recording, and the first of their names.
    pub strange: usize,
    /// See [`Matching::strange`].
    pub first_strange: Option<String>,
}

/// A row is of this recording (by its place among the different ones), of none, or of either of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    One(usize),
    None,
    Either(usize, usize),
}

/// Different recordings, each with the places of its segments, and their names.
struct Index {
    groups: Vec<Vec<usize>>,
    names: HashMap<String, Found>,
}

impl Index {
    /// An index by what `names` says of each recording: its names, of which a row has one.
    fn of(recordings: &[Recording], kind: Kind) -> Index {
        let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, one) in recordings.iter().enumerate() {
            let name = match kind {
                Kind::Id => composed(one.id),
                _ => parts(one.path).join("/"),
            };
            by_path.entry(name).or_default().push(i);
        }
        let mut index = Index {
            groups: vec![],
            names: HashMap::new(),
        };
        let mut shorter: Vec<(String, usize)> = Vec::new();
        for (at, (path, group)) in by_path.into_iter().enumerate() {
            index.groups.push(group);
            let file = path.rsplit('/').next().unwrap_or(&path).to_owned();
            match kind {
                Kind::Id if path.is_empty() => {}
                Kind::Id => index.add(path, at),
                Kind::FileName => index.add(file, at),
                Kind::Stem => index.add(stem(&file).to_owned(), at),
                Kind::Path => {
                    let places = path
                        .match_indices('/')
                        .map(|(i, _)| path[i + 1..].to_owned());
                    shorter.extend(places.filter(|end| end.contains('/')).map(|end| (end, at)));
                    index.add(path, at);
                }
            }
        }
        // A whole path goes before the end of another.
        let whole: HashSet<String> = index.names.keys().cloned().collect();
        for (end, at) in shorter {
            if !whole.contains(&end) {
                index.add(end, at);
            }
        }
        index
    }

    fn add(&mut self, name: String, at: usize) {
        self.names
            .entry(name)
            .and_modify(|found| {
                if let Found::One(other) = *found
                    && other != at
                {
                    *found = Found::Either(other, at);
                }
            })
            .or_insert(Found::One(at));
    }

    fn get(&self, name: &str) -> Found {
        self.names.get(name).copied().unwrap_or(Found::None)
    }

    /// The recording that a cell names.
    fn find(&self, cell: &str, kind: Kind) -> Found {
        if kind == Kind::Id {
            return self.get(&composed(cell.trim()));
        }
        let parts = parts(cell);
        let file = parts.last().map_or("", String::as_str);
        match kind {
            Kind::Path => {
                let ends = (0..parts.len()).map(|from| (from, parts[from..].join("/")));
                let named = ends.filter(|(from, end)| *from == 0 || end.contains('/'));
                let mut found = named.map(|(_, end)| self.get(&end));
                found
                    .find(|found| *found != Found::None)
                    .unwrap_or(Found::None)
            }
            Kind::FileName => self.get(file),
            _ => match self.get(file) {
                Found::None => self.get(stem(file)),
                found => found,
            },
        }
    }
}

/// The parts of a path, whichever system wrote it, without those that lead nowhere.
fn parts(path: &str) -> Vec<String> {
    let plain = composed(path.trim()).replace('\\', "/");
    let mut parts: Vec<String> = Vec::new();
    for part in plain.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()),
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

fn stem(file: &str) -> &str {
    match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => stem,
        _ => file,
    }
}

/// How one column names the recordings.
struct Way<'t> {
    key: &'t Key,
    kind: Kind,
    found: Vec<Found>,
    /// Recordings that a row has.
    reached: usize,
    either: Option<usize>,
}

/// Finds the row of each recording. The column and the kind of name are those that reach most
/// recordings; a row of a table of segments is of the segment that has its times, and a row from
/// 0 to the end of a recording is of the whole.
///
/// # Errors
/// `Data` where no row is of a recording, where names or rows could mean several, where rows of one
/// recording differ, and where they look like frames.
pub fn match_rows(table: &ImportTable, recordings: &[Recording]) -> Result<Matching> {
    let indexes = Kind::ALL.map(|kind| Index::of(recordings, kind));
    let way = best(table, recordings, &indexes)?;
    let index = &indexes[way.kind as usize];
    if let Some(row) = way.either {
        return Err(ambiguous(table, recordings, &way, index, row));
    }
    let mut taken = Taken {
        table,
        rows: vec![None; recordings.len()],
        repeated: 0,
        conflicts: BTreeMap::new(),
    };
    let (mut strange, mut first) = (0, None);
    let mut strays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, found) in way.found.iter().enumerate() {
        let Found::One(group) = *found else {
            strange += 1;
            first.get_or_insert_with(|| excerpt(way.key.cells[row].trim()));
            continue;
        };
        let all = &index.groups[group];
        match &table.times {
            Some(times) => {
                let mut at = all.iter().filter(|i| recordings[**i].is_at(times[row]));
                match (at.next(), at.next()) {
                    (Some(one), None) => taken.take(*one, row),
                    (Some(_), Some(_)) => return Err(two_segments(table, row)),
                    (None, _) => strays.entry(group).or_default().push(row),
                }
            }
            None if way.kind != Kind::Id && (all.len() > 1 || !recordings[all[0]].is_whole()) => {
                return Err(no_times(table, recordings, row, all));
            }
            None => taken.take(all[0], row),
        }
    }
    taken.check(recordings)?;
    for (group, rows) in &strays {
        let lacking = index.groups[*group]
            .iter()
            .any(|i| taken.rows[*i].is_none());
        if rows.len() >= FRAMES && lacking {
            return Err(frames(
                table,
                recordings[index.groups[*group][0]].path,
                rows,
            ));
        }
    }
    for row in strays.into_values().flatten() {
        strange += 1;
        first.get_or_insert_with(|| {
            format!(
                "{} ({})",
                excerpt(way.key.cells[row].trim()),
                table.place(row)
            )
        });
    }
    if taken.rows.iter().all(Option::is_none) {
        return Err(no_row(table, recordings, Some(way.key)));
    }
    let times = match &table.times {
        Some(_) => " and times",
        None => "",
    };
    Ok(Matching {
        by: format!("{}{times} in {}", way.kind.words(), named(&way.key.name)),
        column: way.key.name.clone(),
        rows: taken.rows,
        repeated: taken.repeated,
        strange,
        first_strange: first,
    })
}

fn named(column: &str) -> String {
    match column {
        "" => "the column without a name".to_owned(),
        name => format!("`{}`", excerpt(name)),
    }
}

/// The column and the kind of name that reach most recordings; of equals the first, since columns
/// are sorted by how telling their names are, and kinds by how exact they are.
fn best<'t>(
    table: &'t ImportTable,
    recordings: &[Recording],
    indexes: &[Index; 4],
) -> Result<Way<'t>> {
    let mut best: Option<Way> = None;
    let mut other = None;
    for key in &table.keys {
        for (kind, index) in Kind::ALL.into_iter().zip(indexes) {
            let way = Way::of(key, kind, index);
            match &best {
                _ if way.rank() == 0 => {}
                Some(best) if best.rank() > way.rank() => {}
                Some(best) if best.rank() == way.rank() => {
                    if best.kind == kind && best.found != way.found {
                        other.get_or_insert(&key.name);
                    }
                }
                _ => (best, other) = (Some(way), None),
            }
        }
    }
    match (best, other) {
        (Some(way), None) => Ok(way),
        (None, _) => Err(no_row(table, recordings, table.keys.first())),
        (Some(way), Some(other)) => {
            let message = format!(
                "the columns {} and {} of {} name recordings in different rows",
                named(&way.key.name),
                named(other),
                table.file
            );
            Err(Error::data(message)
                .hint("say with `id` of the [[features.import]] which of them the features are of"))
        }
    }
}

impl<'t> Way<'t> {
    fn of(key: &'t Key, kind: Kind, index: &Index) -> Way<'t> {
        let found: Vec<Found> = key
            .cells
            .iter()
            .map(|cell| index.find(cell, kind))
            .collect();
        let mut is_reached = vec![false; index.groups.len()];
        for found in &found {
            if let Found::One(group) = found {
                is_reached[*group] = true;
            }
        }
        let reached = is_reached.iter().zip(&index.groups).filter(|(is, _)| **is);
        Way {
            key,
            kind,
            reached: reached.map(|(_, group)| group.len()).sum(),
            either: found
                .iter()
                .position(|one| matches!(one, Found::Either(..))),
            found,
        }
    }

    /// The more the better; 0 where it leads nowhere.
    fn rank(&self) -> usize {
        match self.reached {
            0 => usize::from(self.either.is_some()),
            reached => 1 + reached,
        }
    }
}

fn no_row(table: &ImportTable, recordings: &[Recording], key: Option<&Key>) -> Error {
    let Some(key) = key else {
        let error = Error::data(format!("no column of {} names recordings", table.file));
        return error.hint("add one with paths, file names or utterance ids, such as `file`");
    };
    let cell = key.cells.first().map_or("", String::as_str);
    let times = match &table.times {
        Some(_) => ", or no row has its times",
        None => "",
    };
    let message = format!(
        "no row of {} is of a recording here: {} has for example {}, and the first of {} is {}{times}",
        table.file,
        named(&key.name),
        excerpt(cell.trim()),
        plural(recordings.len(), "recording"),
        recordings.first().map_or("", |one| one.path)
    );
    Error::data(message).hint("name recordings by path, file name or utterance id; `id` of the [[features.import]] names the column")
}

fn ambiguous(
    table: &ImportTable,
    recordings: &[Recording],
    way: &Way,
    index: &Index,
    row: usize,
) -> Error {
    let path = |group: usize| recordings[index.groups[group][0]].path;
    let (a, b) = match way.found[row] {
        Found::Either(a, b) => (path(a), path(b)),
        _ => ("", ""),
    };
    let message = format!(
        "{}: {} is the {} of both {a} and {b}",
        table.place(row),
        excerpt(way.key.cells[row].trim()),
        way.kind.words()
    );
    Error::data(message).hint("write paths from the corpus root, or utterance ids")
}

fn two_segments(table: &ImportTable, row: usize) -> Error {
    let error = Error::data(format!(
        "{}: two segments of the corpus have its times",
        table.place(row)
    ));
    error.hint("name utterances by their ids")
}

fn no_times(
    table: &ImportTable,
    recordings: &[Recording],
    row: usize,
    segments: &[usize],
) -> Error {
    let error = Error::data(format!(
        "{} is of the recording {}, of which the corpus has {}",
        table.place(row),
        recordings[segments[0]].path,
        plural(segments.len(), "segment")
    ));
    error.hint(
        "add the columns start and end (seconds or timedeltas), or name utterances by their ids",
    )
}

fn frames(table: &ImportTable, path: &str, rows: &[usize]) -> Error {
    let error = Error::data(format!(
        "{} has {} for {path}, such as {}: this looks like frames, aggregate first",
        table.file,
        plural(rows.len(), "row"),
        table.place(rows[0])
    ));
    error.hint("a row is of a whole utterance: write means and deviations over its frames, or openSMILE's functionals; segments need the same times as in the corpus")
}

/// The rows that recordings have so far.
struct Taken<'t> {
    table: &'t ImportTable,
    rows: Vec<Option<usize>>,
    repeated: usize,
    /// Of recordings with rows that differ, all of them.
    conflicts: BTreeMap<usize, Vec<usize>>,
}

impl Taken<'_> {
    fn take(&mut self, recording: usize, row: usize) {
        let Some(first) = self.rows[recording] else {
            self.rows[recording] = Some(row);
            return;
        };
        let (a, b) = (self.table.row(first), self.table.row(row));
        let same = a
            .iter()
            .zip(b)
            .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
        match same {
            true => self.repeated += 1,
            false => self
                .conflicts
                .entry(recording)
                .or_insert_with(|| vec![first])
                .push(row),
        }
    }

    fn check(&self, recordings: &[Recording]) -> Result<()> {
        let most = self.conflicts.iter().max_by_key(|(_, rows)| rows.len());
        if let Some((recording, rows)) = most.filter(|(_, rows)| rows.len() >= FRAMES) {
            return Err(frames(self.table, recordings[*recording].path, rows));
        }
        let Some((recording, rows)) = self.conflicts.iter().next() else {
            return Ok(());
        };
        let (a, b) = (self.table.row(rows[0]), self.table.row(rows[1]));
        let at = a
            .iter()
            .zip(b)
            .position(|(a, b)| a != b && !(a.is_nan() && b.is_nan()));
        let at = at.unwrap_or_default();
        let error = Error::data(format!(
            "{} and {} are both of {}, and differ (`{}` is {} and {})",
            self.table.place(rows[0]),
            self.table.place(rows[1]),
            recordings[*recording].path,
            self.table.columns[at],
            a[at],
            b[at]
        ));
        let places: Vec<String> = self
            .conflicts
            .keys()
            .map(|i| recordings[*i].path.to_owned())
            .collect();
        Err(error.hint(format!("keep one row of each: {}", listed(&places, SHOWN))))
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
