//! The tables of an audformat database, joined.

use std::collections::{BTreeMap, BTreeSet};

use super::audformat_table::Index;
use super::proposal::Row;
use super::words;
use crate::corpus::is_unknown;
use crate::corpus::language::tag;
use crate::corpus::walk::folder;
use crate::text::plural;

/// What the tables say of a recording or segment.
#[derive(Default)]
pub(super) struct Labels {
    pub(super) emotion: Option<String>,
    pub(super) speaker: Option<String>,
    /// Of [`MORE`], by the name in manifests.
    pub(super) more: BTreeMap<&'static str, String>,
}

/// Columns that say more of a recording, and their names in manifests; of two for one name the
/// first that the database has.
const MORE: [(&str, &str); 8] = [
    ("gender", "sex"),
    ("sex", "sex"),
    ("sentence", "text_id"),
    ("transcription", "text_id"),
    ("session", "session"),
    ("intensity", "intensity"),
    ("repetition", "repetition"),
    ("language", "language"),
];

/// Of each recording or segment.
type Cells = BTreeMap<Index, Labels>;

/// Of [`MORE`], the columns that are there, one for each name in manifests.
pub(super) fn more_columns(all: &BTreeSet<String>) -> BTreeMap<&'static str, &'static str> {
    let mut out: BTreeMap<&str, &str> = BTreeMap::new();
    for (column, name) in MORE {
        if all.contains(column) && !out.values().any(|taken| *taken == name) {
            out.insert(column, name);
        }
    }
    out
}

/// The tables of a database, joined by file and time. Of several values of a cell the first counts.
#[derive(Default)]
pub(super) struct Merged<'t> {
    cells: Cells,
    parts: BTreeMap<Index, &'static str>,
    /// Of each folder, how plain the plainest name of a table with emotions is.
    pub(super) ranks: BTreeMap<String, usize>,
    /// Of each folder, the first table with emotions.
    pub(super) tables: BTreeMap<String, &'t str>,
    /// Tables with emotions of segments.
    of_segments: BTreeSet<&'t str>,
}

impl<'t> Merged<'t> {
    /// Takes the wanted columns of a table; warns where rows disagree with earlier ones.
    pub(super) fn add(
        &mut self,
        name: &'t str,
        rows: Vec<(Index, BTreeMap<String, String>)>,
        wanted: &Labels,
        more: &BTreeMap<&'static str, &'static str>,
        part: Option<&'static str>,
    ) -> Option<String> {
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
            for (column, name) in more {
                let cell = row.remove(*column).filter(|cell| !is_unknown(cell));
                let cell = cell.and_then(|cell| match *name {
                    "language" => Some(tag(&cell).to_owned()),
                    "sex" => words::sex(&cell).map(str::to_owned),
                    _ => Some(cell),
                });
                if let Some(cell) = cell {
                    is_other |= *known.more.entry(name).or_insert_with(|| cell.clone()) != cell;
                }
            }
            others += usize::from(is_other);
        }
        (others > 0).then(|| {
            format!(
                "in {}, the table {name} disagrees with an earlier table, which is used",
                plural(others, "row")
            )
        })
    }

    /// What has an emotion.
    pub(super) fn rows(&self, sexes: &BTreeMap<String, &str>) -> Vec<Row> {
        let of_file = speakers_of_files(&self.cells);
        // What segments have of their own is not that of a whole file where one lacks it.
        let segments = self.cells.iter().filter(|(index, _)| !is_whole(index));
        let of_segments: BTreeSet<&str> = segments
            .flat_map(|(_, row)| row.more.keys().copied())
            .collect();
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
            let of_whole = of_whole.into_iter().flat_map(|row| &row.more);
            let of_whole = of_whole.filter(|(name, _)| !of_segments.contains(*name));
            for (name, cell) in row.more.iter().chain(of_whole) {
                columns.entry(name).or_insert_with(|| cell.clone());
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
    pub(super) fn segments_of_labelled_files(&self, rows: &[Row], emotion: &str) -> Option<String> {
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
