//! Emotions that a table gives as votes: a column for each emotion (how many raters chose it, or a
//! one for the one that counts), a column or a row for each rater, or a cell that lists what each
//! rater chose.

use std::collections::{BTreeMap, BTreeSet};

use super::sheet::Sheet;
use super::words;
use crate::corpus::{is_missing, is_unknown};
use crate::text::{excerpt, listed, plural};

/// The column that is put behind the others of a table with a column for each emotion or rater.
const COLUMN: &str = "most votes";
/// What stands where no emotion has more votes than all others.
pub(super) const UNDECIDED: &str = "no single commonest emotion";
/// Names of columns that say who rated and, with a number behind, of those of one rater each.
const RATERS: [&str; 10] = [
    "rater",
    "annotator",
    "annotation",
    "evaluator",
    "listener",
    "worker",
    "judge",
    "coder",
    "bewerter",
    "anotador",
];
/// Columns that are named in one line.
const SHOWN: usize = 12;
/// What stands between the choices of raters in one cell.
const BETWEEN: [char; 5] = [';', ',', '|', '/', '+'];

/// Adds a column with the emotion of most votes to a table that has a column of numbers for each
/// emotion, and none of emotions. A row without a single largest number gets [`UNDECIDED`].
pub(super) fn add_winner(sheet: &mut Sheet, file: usize) -> Option<Votes> {
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
            // No vote at all is no label.
            _ if most == 0.0 => String::new(),
            _ => UNDECIDED.to_owned(),
        };
        undecided += usize::from(winner == UNDECIDED);
        row.push(winner);
    }
    sheet.columns.push(COLUMN.to_owned());
    let what = format!("the columns {} are read as votes", listed(&names, SHOWN));
    Some(Votes {
        columns,
        said: told(&what, undecided),
    })
}

/// Columns that were read as votes, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Votes {
    pub(super) columns: Vec<usize>,
    pub(super) said: String,
}

/// Adds a column with the emotion that most raters chose to a table that has a column of emotions
/// for each rater, and no other one of emotions.
pub(super) fn add_majority(sheet: &mut Sheet, file: usize) -> Option<Votes> {
    let is_rater = |c: &usize| {
        let there = sheet.cells(*c).filter(|cell| !is_unknown(cell)).count();
        let known = sheet.cells(*c).filter_map(words::emotion).count();
        let name = sheet.columns.get(*c).map_or("", String::as_str);
        *c != file && rater(name).is_some_and(|which| !which.is_empty()) && known * 2 > there
    };
    let columns: Vec<usize> = (0..sheet.columns.len()).filter(is_rater).collect();
    let found = sheet.emotions(file).columns;
    if columns.len() < 2 || found.iter().any(|c| !columns.contains(c)) {
        return None;
    }
    let mut undecided = 0;
    for row in &mut sheet.rows {
        let winner = decided(columns.iter().filter_map(|c| row.get(*c)));
        undecided += usize::from(winner == UNDECIDED);
        row.push(winner);
    }
    let names = columns
        .iter()
        .filter_map(|c| sheet.columns.get(*c).cloned());
    let names = listed(&names.collect::<Vec<_>>(), SHOWN);
    sheet.columns.push(COLUMN.to_owned());
    let what = format!("the columns {names} are read as votes of raters");
    Some(Votes {
        columns,
        said: told(&what, undecided),
    })
}

/// Of a table with a row for each rater, keeps one row for each recording, with the emotion that
/// most raters chose; `None` where rows of a recording are by the same rater, or differ in one of
/// the columns `more`: they are of segments, or contradict each other.
pub(super) fn count_raters(
    sheet: &mut Sheet,
    file: usize,
    emotion: usize,
    more: &[usize],
) -> Option<String> {
    let is_taken = |c: usize| c == file || c == emotion || more.contains(&c);
    let mut names = sheet.columns.iter().enumerate();
    let (by, name) = names.find(|(c, name)| !is_taken(*c) && rater(name) == Some(""))?;
    let name = excerpt(name);
    let cell = |n: usize, c: usize| {
        let row = sheet.rows.get(n);
        row.and_then(|row| row.get(c))
            .map_or("", |cell| cell.trim())
    };
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for n in 0..sheet.rows.len() {
        groups.entry(cell(n, file)).or_default().push(n);
    }
    let is_one = |rows: &Vec<usize>| {
        let of = |c: usize| rows.iter().map(|n| cell(*n, c)).collect::<BTreeSet<_>>();
        of(by).len() == rows.len() && more.iter().all(|c| of(*c).len() == 1)
    };
    if groups.len() == sheet.rows.len() || !groups.values().all(is_one) {
        return None;
    }
    let mut kept: Vec<(usize, String)> = groups
        .into_values()
        .filter_map(|rows| {
            let cells = rows.iter().filter_map(|n| sheet.rows.get(*n)?.get(emotion));
            Some((*rows.first()?, decided(cells)))
        })
        .collect();
    kept.sort_unstable();
    let all = plural(sheet.rows.len(), "row");
    let undecided = kept
        .iter()
        .filter(|(_, winner)| winner == UNDECIDED)
        .count();
    sheet.keep(kept.iter().map(|(n, _)| *n));
    for (row, (_, winner)) in sheet.rows.iter_mut().zip(&kept) {
        row.get_mut(emotion)?.clone_from(winner);
    }
    let what = format!(
        "{all} of raters, which column {name} names, are read as votes on {}",
        plural(kept.len(), "recording")
    );
    Some(told(&what, undecided))
}

/// What follows the word for a rater in the name of a column: nothing, or the number of one.
fn rater(name: &str) -> Option<&str> {
    let name = name.trim();
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let which = name.get(word.len()..)?;
    let key = words::key(word);
    let key = key.strip_suffix("id").unwrap_or(&key);
    let key = key.strip_suffix('s').unwrap_or(key);
    RATERS.contains(&key).then_some(which)
}

/// The emotion that most of the cells give; nothing where none gives one.
fn decided<'c>(cells: impl Iterator<Item = &'c String>) -> String {
    let cells = cells.map(|cell| cell.trim());
    let chosen: Vec<&str> = cells.filter(|cell| !is_unknown(cell)).collect();
    match (chosen.is_empty(), commonest(&chosen)) {
        (true, _) => String::new(),
        (false, winner) => winner.unwrap_or(UNDECIDED).to_owned(),
    }
}

/// Replaces lists of choices (`anger;anger;neutral`, `['anger']`) in columns of such cells by the
/// emotion that most chose, or by [`UNDECIDED`]; says so of each column.
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
                *cell = winner.unwrap_or_else(|| UNDECIDED.to_owned());
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
        let class = words::emotion(choice).unwrap_or(choice);
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
        let Votes { columns, said } = add_winner(&mut votes, 0).unwrap();
        let won: Vec<&str> = votes.cells(4).collect();
        assert_eq!(won, ["Anger", UNDECIDED, "Sad", ""]);
        assert_eq!(columns, [1, 2, 3]);
        assert!(said.contains("1 row without"), "{said}");
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
        assert_eq!(cells, ["anger", UNDECIDED, "sad", "sad", "well, you know"]);
        assert!(said[0].contains("column emotion") && said[0].contains("1 row without"));
    }

    #[test]
    fn raters_in_columns_and_in_rows_are_votes() {
        let rows: [&[&str]; 3] = [
            &["a", "anger", "Wut", "fear"],
            &["b", "anger", "fear", "joy"],
            &["c", "", "", ""],
        ];
        let mut wide = sheet(&["file", "rater_1", "rater_2", "rater_3"], &rows);
        let votes = add_majority(&mut wide, 0).unwrap();
        assert_eq!(votes.columns, [1, 2, 3]);
        assert_eq!(wide.cells(4).collect::<Vec<_>>(), ["anger", UNDECIDED, ""]);
        assert!(votes.said.contains("1 row without"), "{}", votes.said);
        let mut told = sheet(&["file", "rater_1", "rater_2", "final"], &rows);
        assert_eq!(add_majority(&mut told, 0), None);
        let rows: [&[&str]; 2] = [
            &["a", "anger", "keine Angabe", "fear"],
            &["b", "joy", "joy", "joy"],
        ];
        let names = ["file", "annotation_1", "annotation_2", "annotation_final"];
        let mut told = sheet(&names, &rows);
        assert_eq!(add_majority(&mut told, 0), None);
        let rows = rows.map(|row| &row[..3]);
        let mut unknown = sheet(&["file", "rater1", "rater2"], &rows);
        add_majority(&mut unknown, 0).unwrap();
        assert_eq!(unknown.cells(3).collect::<Vec<_>>(), ["anger", "joy"]);

        let rows: [&[&str]; 6] = [
            &["b", "AB", "joy", "s2"],
            &["a", "AB", "anger", "s1"],
            &["a", "CD", "Wut", "s1"],
            &["a", "EF", "fear", "s1"],
            &["b", "CD", "fear", "s2"],
            &["c", "AB", "fear", "s3"],
        ];
        let mut long = sheet(&["file", "Rater", "emotion", "speaker"], &rows);
        let said = count_raters(&mut long, 0, 2, &[]).unwrap();
        assert!(
            said.contains("6 rows") && said.contains("3 recordings"),
            "{said}"
        );
        let cells = |c| long.cells(c).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cells(0), ["b", "a", "c"]);
        assert_eq!(cells(2), [UNDECIDED, "anger", "fear"]);
        assert_eq!(cells(3), ["s2", "s1", "s3"]);
        assert_eq!(count_raters(&mut long, 0, 2, &[]), None);

        // Segments by one annotator, and two speakers of one recording, are no votes.
        let rows: [&[&str]; 2] = [&["a", "AB", "joy", "s2"], &["a", "AB", "anger", "s2"]];
        let mut segments = sheet(&["file", "annotator_id", "emotion", "speaker"], &rows);
        assert_eq!(count_raters(&mut segments, 0, 2, &[3]), None);
        let rows: [&[&str]; 2] = [&["a", "AB", "joy", "s1"], &["a", "CD", "joy", "s2"]];
        let mut two = sheet(&["file", "annotator", "emotion", "speaker"], &rows);
        assert_eq!(count_raters(&mut two, 0, 2, &[3]), None);
    }
}
