//! Recordings that stand in several rows.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::Row;

/// A recording, or a segment of one.
type Sound<'r> = (&'r str, Option<&'r String>, Option<&'r String>);

pub(super) fn sound(row: &Row) -> Sound<'_> {
    (&row.path, row.more.get("start"), row.more.get("end"))
}

/// The rows of which no earlier one says the same of the same sound.
pub(super) fn without_repeats(rows: &[Row]) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    rows.iter()
        .filter(|row| seen.insert((sound(row), &row.emotion, &row.speaker)))
        .cloned()
        .collect()
}

/// The first row of each sound: what a run takes.
pub(super) fn first_rows(rows: &[Row]) -> impl Iterator<Item = &Row> {
    let mut seen = BTreeSet::new();
    rows.iter().filter(move |row| seen.insert(sound(row)))
}

/// Sounds of which rows say different emotions or speakers, with the emotions.
pub(super) fn contradicted(rows: &[Row]) -> BTreeMap<Sound<'_>, BTreeSet<&str>> {
    let mut said: BTreeMap<Sound<'_>, BTreeSet<(&str, Option<&str>)>> = BTreeMap::new();
    for row in rows {
        said.entry(sound(row))
            .or_default()
            .insert((&row.emotion, row.speaker.as_deref()));
    }
    let several = said.into_iter().filter(|(_, said)| said.len() > 1);
    several
        .map(|(sound, said)| {
            (
                sound,
                said.into_iter().map(|(emotion, _)| emotion).collect(),
            )
        })
        .collect()
}
