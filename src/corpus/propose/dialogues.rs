//! Tables that name a recording by two numbers, a dialogue and an utterance in it, and a part by
//! their own names, as those of MELD do.

use std::collections::BTreeMap;

use super::names::Names;
use super::sheets::Sheet;
use super::text::plain;
use crate::corpus::manifest;
use crate::corpus::walk::stem;

/// The column that is put behind the others: what each row means.
const COLUMN: &str = "Dialogue_ID and Utterance_ID";

/// The part that a table is called after, or else its folder.
pub(super) fn part_of(table: &str) -> Option<&'static str> {
    called_after(stem(table)).or_else(|| called_after(table.rsplit('/').nth(1)?))
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
pub(super) fn name_recordings(sheet: &mut Sheet, table: &str, names: &Names<'_>) {
    let called = |column: &String| {
        plain(column)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect::<String>()
    };
    let place = |wanted: &str| {
        sheet
            .columns
            .iter()
            .position(|column| called(column) == wanted)
    };
    let (Some(dialogue), Some(utterance)) = (place("dialogueid"), place("utteranceid")) else {
        return;
    };
    let part = part_of(table);
    let is_meant =
        |file: &&String| part.is_none() || file.rsplit('/').nth(1).and_then(called_after) == part;
    let mut by_stem: BTreeMap<&str, Option<&String>> = BTreeMap::new();
    for file in names.files.iter().filter(is_meant) {
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
