//! What a path can be taken apart into: its folders, and the pieces of its name.

use std::collections::BTreeSet;

use crate::corpus::walk::stem;

/// One part of every path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// For people: `folder 1`, `piece 2 of the name`.
    pub(super) name: String,
    /// Whether it is a folder.
    pub(super) folder: bool,
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
}

/// Pieces between separators.
fn pieces(name: &str) -> Vec<String> {
    name.split(['_', '-', ' ', '.', '(', ')', '+', '~']).filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

/// Pieces of letters and of digits.
fn runs(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut kind = None;
    for c in name.chars() {
        let is = if c.is_numeric() {
            Some(0)
        } else if c.is_alphabetic() {
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

/// All fields in which paths differ: folders, pieces between separators counted from both ends, runs of letters and digits.
pub(super) fn fields(paths: &[String]) -> Vec<Field> {
    let folders: Vec<Vec<String>> = paths
        .iter()
        .map(|path| path.rsplit_once('/').map_or(vec![], |(folders, _)| folders.split('/').map(str::to_owned).collect()))
        .collect();
    let names: Vec<Vec<String>> = paths.iter().map(|path| pieces(stem(path))).collect();
    let letters: Vec<Vec<String>> = paths.iter().map(|path| runs(stem(path))).collect();
    let mut out = Vec::new();
    add(&mut out, &folders, true, &|place| format!("folder {place}"), "folder of the file");
    add(&mut out, &names, false, &|place| format!("piece {place} of the file name"), "last piece of the file name");
    add(
        &mut out,
        &letters,
        false,
        &|place| format!("letters or digits {place} of the file name"),
        "last letters or digits of the file name",
    );
    // What is the same everywhere tells nothing, and what another field says already tells nothing new.
    let mut seen = BTreeSet::new();
    out.retain(|field| field.distinct().len() > 1 && seen.insert(field.values.clone()));
    out
}

fn add(out: &mut Vec<Field>, parts: &[Vec<String>], folder: bool, name: &dyn Fn(usize) -> String, last: &str) {
    let most = parts.iter().map(Vec::len).max().unwrap_or(0);
    let least = parts.iter().map(Vec::len).min().unwrap_or(0);
    for place in 0..most {
        let values = parts.iter().map(|parts| parts.get(place).cloned()).collect();
        out.push(Field { name: name(place + 1), folder, values });
    }
    if least < most {
        out.push(Field { name: last.to_owned(), folder, values: parts.iter().map(|parts| parts.last().cloned()).collect() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_in_every_way_that_differs() {
        let paths = ["s1/anger/x_01.wav", "s2/anger/x_02.wav", "s2/joy/x_03b.wav"].map(str::to_owned);
        let found = fields(&paths);
        let names: Vec<&str> = found.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "folder 1",
                "folder 2",
                "piece 2 of the file name",
                "letters or digits 2 of the file name",
                "last letters or digits of the file name"
            ]
        );
        assert_eq!(found[0].distinct().into_iter().collect::<Vec<_>>(), ["s1", "s2"]);
        assert_eq!(found[4].values[2].as_deref(), Some("b"));
        assert!(found.iter().all(Field::is_whole));
    }
}
