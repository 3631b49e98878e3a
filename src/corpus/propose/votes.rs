//! Emotions that a table gives as votes: a column for each emotion (how many raters chose it, or a
//! one for the one that counts), or a cell that lists what each rater chose.

use std::collections::BTreeMap;

use super::sheet::Sheet;
use super::words;
use crate::corpus::is_missing;
use crate::text::{excerpt, listed, plural};

/// The column that is put behind the others of a table with a column for each emotion.
const COLUMN: &str = "most votes";
/// Columns that are named in one line.
const SHOWN: usize = 12;
/// What stands between the choices of raters in one cell.
const BETWEEN: [char; 5] = [';', ',', '|', '/', '+'];

/// Adds a column with the emotion of most votes to a table that has a column of numbers for each
/// emotion, and none of emotions; says how it was told. A row without a single largest number gets
/// none.
pub(super) fn add_winner(sheet: &mut Sheet, file: usize) -> Option<String> {
    if !sheet.emotions(file).columns.is_empty() {
        return None;
    }
    let number = |cell: &str| match cell.trim() {
        cell if is_missing(cell) => Some(0.0),
        "True" | "true" | "TRUE" => Some(1.0),
        "False" | "false" | "FALSE" => Some(0.0),
        cell => cell
            .parse::<f64>()
            .ok()
            .filter(|n| *n >= 0.0 && n.is_finite()),
    };
    let is_of_votes = |c: &usize| {
        let is_emotion = |name: &String| words::emotion(name).is_some();
        *c != file
            && sheet.columns.get(*c).is_some_and(is_emotion)
            && sheet.cells(*c).all(|cell| number(cell).is_some())
    };
    let columns: Vec<usize> = (0..sheet.columns.len()).filter(is_of_votes).collect();
    if columns.len() < 2 {
        return None;
    }
    let names: Vec<String> = columns
        .iter()
        .filter_map(|c| sheet.columns.get(*c).cloned())
        .collect();
    let mut undecided = 0;
    for row in &mut sheet.rows {
        let votes = columns
            .iter()
            .map(|c| row.get(*c).and_then(|cell| number(cell)));
        let votes: Vec<f64> = votes.map(Option::unwrap_or_default).collect();
        let most = votes.iter().copied().fold(0.0, f64::max);
        let mut first = names.iter().zip(&votes).filter(|(_, n)| **n == most);
        let winner = match (first.next(), first.next()) {
            (Some((name, _)), None) => name.clone(),
            _ => String::new(),
        };
        undecided += usize::from(winner.is_empty());
        row.push(winner);
    }
    sheet.columns.push(COLUMN.to_owned());
    Some(told(
        &format!("the columns {} are read as votes", listed(&names, SHOWN)),
        undecided,
    ))
}

/// Replaces lists of choices (`anger;anger;neutral`, `['anger']`) in columns of such cells by the
/// emotion that most chose; says so of each column. A cell without a single commonest emotion is
/// emptied.
pub(super) fn count_choices(sheet: &mut Sheet, file: usize) -> Vec<String> {
    let mut said = Vec::new();
    for c in (0..sheet.columns.len()).filter(|c| *c != file) {
        let there = sheet.cells(c).filter(|cell| !is_missing(cell)).count();
        let lists = sheet
            .cells(c)
            .filter(|cell| choices(cell).is_some())
            .count();
        if lists * 2 <= there {
            continue;
        }
        let mut undecided = 0;
        for cell in sheet.rows.iter_mut().filter_map(|row| row.get_mut(c)) {
            if let Some(choices) = choices(cell) {
                let winner = commonest(&choices).map(str::to_owned);
                undecided += usize::from(winner.is_none());
                *cell = winner.unwrap_or_default();
            }
        }
        let name = sheet.columns.get(c).map_or("", String::as_str);
        said.push(told(
            &format!("the cells of column {} are read as votes", excerpt(name)),
            undecided,
        ));
    }
    said
}

fn told(what: &str, undecided: usize) -> String {
    let left_out = match undecided {
        0 => String::new(),
        n => format!(
            "; {} without a single commonest emotion left out",
            plural(n, "row")
        ),
    };
    format!("{what}: the emotion with most votes counts{left_out}")
}

/// The choices that a cell lists, each an emotion; `None` for any other cell, a plain word too.
fn choices(cell: &str) -> Option<Vec<&str>> {
    let is_list = cell.trim().starts_with(['[', '(', '{']) || cell.contains(BETWEEN);
    let pieces: Vec<&str> = cell
        .split(BETWEEN)
        .map(|piece| piece.trim_matches(|c: char| c.is_whitespace() || "[](){}'\"".contains(c)))
        .filter(|piece| !piece.is_empty())
        .collect();
    let is_all = !pieces.is_empty() && pieces.iter().all(|piece| words::emotion(piece).is_some());
    (is_list && is_all).then_some(pieces)
}

/// The word of the emotion that occurs most; `None` where several do.
fn commonest<'c>(choices: &[&'c str]) -> Option<&'c str> {
    let mut counts: BTreeMap<&str, (usize, &'c str)> = BTreeMap::new();
    for choice in choices {
        let class = words::emotion(choice)?;
        counts.entry(class).or_insert((0, *choice)).0 += 1;
    }
    let most = counts.values().map(|(n, _)| *n).max()?;
    let mut first = counts.values().filter(|(n, _)| *n == most);
    match (first.next(), first.next()) {
        (Some((_, word)), None) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(columns: &[&str], rows: &[&[&str]]) -> Sheet {
        let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Sheet::of(owned(columns), rows.iter().map(|row| owned(row)).collect())
    }

    #[test]
    fn the_largest_of_several_columns_wins_and_none_of_equals_does() {
        let rows: [&[&str]; 4] = [
            &["a", "3", "1", "0.5"],
            &["b", "2", "2", ""],
            &["c", "0", "0", "1"],
            &["d", "", "", ""],
        ];
        let mut votes = sheet(&["file", "Anger", "joy", "Sad"], &rows);
        let said = add_winner(&mut votes, 0).unwrap();
        let won: Vec<&str> = votes.cells(4).collect();
        assert_eq!(won, ["Anger", "", "Sad", ""]);
        assert!(said.contains("2 rows without"), "{said}");
        let mut dimensions = sheet(&["file", "arousal", "joy"], &[&["a", "1", "2"]]);
        assert_eq!(add_winner(&mut dimensions, 0), None);
        let mut words = sheet(&["file", "anger", "joy"], &[&["a", "yes", "no"]]);
        assert_eq!(add_winner(&mut words, 0), None);
    }

    #[test]
    fn lists_of_choices_become_what_most_chose() {
        let rows: [&[&str]; 5] = [
            &["a", "anger;angry;neutral"],
            &["b", "anger;neutral"],
            &["c", "['sad']"],
            &["d", "sad"],
            &["e", "well, you know"],
        ];
        let mut table = sheet(&["file", "emotion"], &rows);
        let said = count_choices(&mut table, 0);
        let cells: Vec<&str> = table.cells(1).collect();
        assert_eq!(cells, ["anger", "", "sad", "sad", "well, you know"]);
        assert!(said[0].contains("column emotion") && said[0].contains("1 row without"));
    }
}
