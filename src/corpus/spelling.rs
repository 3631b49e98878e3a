//! Names that differ in their spelling alone: `Anger` and `ANGER`, `s1` and `S01`, `0` and `0.0`.

use std::collections::{BTreeMap, BTreeSet};

/// Numbers up to here are compared as numbers: beyond, not every whole number has a float of its
/// own.
const GREATEST: f64 = 9e15;

/// Groups of two or more names that are the same without case, blanks, `_`, `-`, `.`, leading zeros
/// and the decimals of a whole number.
pub fn variants<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Vec<&'n str>> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(plain(name)).or_default().insert(name);
    }
    groups
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| names.into_iter().collect())
        .collect()
}

fn plain(name: &str) -> String {
    if let Ok(number) = name.trim().parse::<f64>()
        && number.fract() == 0.0
        && number.abs() < GREATEST
    {
        return (number as i64).to_string();
    }
    let ends_in_digit = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let mut out = String::new();
    for part in name
        .split(|c: char| c.is_whitespace() || "_-.".contains(c))
        .filter(|part| !part.is_empty())
    {
        // `1_1` is not `11`.
        if ends_in_digit(&out) && part.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('-');
        }
        for c in part.chars().flat_map(char::to_lowercase) {
            if c != '0' || ends_in_digit(&out) {
                out.push(c);
            }
        }
    }
    // Nothing but separators is a name of its own.
    if out.is_empty() { name.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_their_spelling() {
        let groups = variants([
            "anger", "Anger", "ANGER", "joy", "0", "0.0", "1", "01", "10", "-1", "1.5", "15", "-",
            "_", "a&b", "a<b", "s1", "S_01", "s10",
        ]);
        let want: [&[&str]; 4] = [
            &["0", "0.0"],
            &["01", "1"],
            &["ANGER", "Anger", "anger"],
            &["S_01", "s1"],
        ];
        assert_eq!(groups, want);
        assert!(
            variants(["1_1", "11", "1.01"]).len() == 1,
            "1_1 and 1.01 alone look alike"
        );
    }
}
