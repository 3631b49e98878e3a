//! What a path can be taken apart into: its folders, and the pieces of its names.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Place, Position};
use super::words;
use crate::corpus::walk::stem;
use crate::escape::shown;
use crate::text::listed;

/// Values of a field that are shown.
const SHOWN: usize = 5;

/// One part of every path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) place: Place,
    /// Of each path, in order; `None` where a path has no such part.
    pub(super) values: Vec<Option<String>>,
}

impl Field {
    pub(super) fn distinct(&self) -> BTreeSet<&str> {
        self.values.iter().flatten().map(String::as_str).collect()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.values.iter().all(Option::is_some)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.place.is_folder()
    }

    /// The value in the `i`th path, where that has one.
    pub(super) fn value(&self, i: usize) -> Option<&str> {
        self.values.get(i)?.as_deref()
    }

    /// The number of distinct values.
    pub(super) fn count(&self) -> usize {
        self.distinct().len()
    }

    /// The known class of each path's value.
    pub(super) fn emotions(&self) -> impl Iterator<Item = Option<&'static str>> {
        self.values
            .iter()
            .map(|value| words::emotion(value.as_deref()?))
    }

    /// Several fields as one: its values are theirs, joined by `_`.
    pub(super) fn together(fields: &[&Field]) -> Field {
        let rows = fields.iter().map(|field| field.values.len()).min();
        let value = |i: usize| -> Option<String> {
            let parts: Option<Vec<&str>> = fields.iter().map(|field| field.value(i)).collect();
            Some(parts?.join("_"))
        };
        Field {
            place: Place::Together(fields.iter().map(|field| field.place.clone()).collect()),
            values: (0..rows.unwrap_or(0)).map(value).collect(),
        }
    }

    /// Where it is and what stands there most often: `folder:1: 01_happy 10, 02_sad 10`.
    pub(super) fn describe(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in self.values.iter().flatten() {
            *counts.entry(value).or_default() += 1;
        }
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(value, n)| format!("{} {n}", shown(value)))
            .collect();
        format!("{}: {}", self.place, listed(&counts, SHOWN))
    }

    /// The values by number, in the order in which they come first: the same for fields that tell
    /// the same things apart.
    pub(super) fn partition<'f>(&'f self) -> Vec<Option<usize>> {
        let mut numbers: BTreeMap<&'f str, usize> = BTreeMap::new();
        let mut number = |value: &'f str| {
            let next = numbers.len();
            *numbers.entry(value).or_insert(next)
        };
        self.values
            .iter()
            .map(|value| value.as_deref().map(&mut number))
            .collect()
    }
}

/// Pieces between separators.
pub(super) fn pieces(name: &str) -> Vec<String> {
    name.split(['_', '-', ' ', '.', '(', ')', '+', '~'])
        .filter(|piece| !piece.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Pieces of letters and of digits.
pub(super) fn runs(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut kind = None;
    for c in name.chars() {
        let is = if c.is_numeric() {
            Some(0)
        } else if c.is_alphabetic()
            || kind == Some(1) && unicode_normalization::char::is_combining_mark(c)
        {
            Some(1)
        } else {
            None
        };
        match (is, out.last_mut()) {
            (Some(_), Some(last)) if is == kind => last.push(c),
            (Some(_), _) => out.push(c.to_string()),
            (None, _) => {}
        }
        kind = is;
    }
    out
}

/// All fields of the paths: folders and their pieces, pieces of the file name between separators
/// counted from both ends, runs of letters and digits. Those that are the same everywhere are among
/// them.
pub(super) fn fields(paths: &[String]) -> Vec<Field> {
    let folders: Vec<Vec<String>> = paths
        .iter()
        .map(|path| {
            path.rsplit_once('/').map_or(vec![], |(folders, _)| {
                folders.split('/').map(str::to_owned).collect()
            })
        })
        .collect();
    let names: Vec<Vec<String>> = paths.iter().map(|path| pieces(stem(path))).collect();
    let letters: Vec<Vec<String>> = paths.iter().map(|path| runs(stem(path))).collect();
    let mut out = Vec::new();
    add(&mut out, &folders, Place::Folder);
    for folder in out
        .iter()
        .map(|field| field.place.clone())
        .collect::<Vec<_>>()
    {
        let Place::Folder(at) = folder else { continue };
        let inside: Vec<Vec<String>> = folders
            .iter()
            .map(|folders| at.get(folders).map_or(vec![], |folder| pieces(folder)))
            .collect();
        if inside.iter().any(|pieces| pieces.len() > 1) {
            add(&mut out, &inside, |piece| Place::Piece(at, piece));
        }
    }
    add(&mut out, &names, Place::Name);
    add(&mut out, &letters, Place::AlnumRun);
    out
}

/// The fields that can tell something: what is the same everywhere cannot, and what another field
/// says already tells nothing new.
pub(super) fn informative_fields(fields: &[Field]) -> Vec<Field> {
    let mut seen = BTreeSet::new();
    fields
        .iter()
        .filter(|field| field.distinct().len() > 1 && seen.insert(&field.values))
        .cloned()
        .collect()
}

fn add(out: &mut Vec<Field>, parts: &[Vec<String>], place: impl Fn(Position) -> Place) {
    let most = parts.iter().map(Vec::len).max().unwrap_or(0);
    let least = parts.iter().map(Vec::len).min().unwrap_or(0);
    let last = (least < most).then_some(Position::Last);
    for at in (1..=most).map(Position::Nth).chain(last) {
        out.push(Field {
            place: place(at),
            values: parts.iter().map(|parts| at.get(parts).cloned()).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(paths: &[&str]) -> Vec<String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        informative_fields(&fields(&paths))
            .iter()
            .map(|field| field.place.to_string())
            .collect()
    }

    #[test]
    fn paths_are_taken_apart_in_every_way_that_differs() {
        let paths =
            ["s1/anger/x_01.wav", "s2/anger/x_02.wav", "s2/joy/x_03b.wav"].map(str::to_owned);
        let found = informative_fields(&fields(&paths));
        let names: Vec<String> = found.iter().map(|field| field.place.to_string()).collect();
        assert_eq!(
            names,
            [
                "folder:1",
                "folder:2",
                "name:2",
                "letters:2",
                "letters:last"
            ]
        );
        assert_eq!(
            found[0].distinct().into_iter().collect::<Vec<_>>(),
            ["s1", "s2"]
        );
        assert_eq!(found[4].values[2].as_deref(), Some("b"));
        assert!(found.iter().all(Field::is_whole));
        assert_eq!(
            (found[0].describe().as_str(), found[0].partition()),
            ("folder:1: s2 2, s1 1", vec![Some(0), Some(1), Some(1)])
        );
    }

    #[test]
    fn folders_have_pieces_too() {
        assert_eq!(
            places(&["01_happy/a.wav", "02_sad/a.wav"]),
            ["folder:1", "folder:1.1", "folder:1.2"]
        );
        assert_eq!(
            places(&["wu\u{308}tend1.wav", "froh1.wav"]),
            ["name:1", "letters:1"]
        );
    }
}
