//! The labels of a manifest: those that a label map does not have, those that look like
//! measurements, those that differ in spelling alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::{MOST_CLASSES, variants};
use crate::text::{excerpt, listed};

/// Labels named in one warning.
const NAMED: usize = 8;
/// Labels of a label map that is written out.
const MAPPED: usize = 40;

/// More numbers than this are no codes of classes.
const MOST_CODES: usize = 10;

/// What was found of the labels, and of a label map.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Without a label map: all labels, as long as they are not too many to be classes.
    all: BTreeSet<String>,
    used: BTreeSet<String>,
    unmapped: BTreeMap<String, u64>,
}

impl Labels {
    pub(super) fn note(&mut self, label: &str, map: &BTreeMap<String, String>) {
        if !map.contains_key(label) {
            *self.unmapped.entry(label.to_owned()).or_default() += 1;
        } else if !self.used.contains(label) {
            self.used.insert(label.to_owned());
        }
    }

    /// Notes a label that is a class by itself.
    pub(super) fn class(&mut self, label: &str) {
        if self.all.len() <= MOST_CLASSES && !self.all.contains(label) {
            self.all.insert(label.to_owned());
        }
    }

    /// As [`measurements`], of the labels that were noted.
    pub(super) fn measurements(&self) -> Option<String> {
        measurements(&self.all)
    }

    /// What to write where labels differ in their spelling alone, so that they count as different
    /// classes.
    fn spellings(&self) -> Option<String> {
        let groups = variants(self.all.iter().map(String::as_str));
        let told: Vec<String> = groups
            .iter()
            .map(|group| {
                group
                    .iter()
                    .map(|label| excerpt(label))
                    .collect::<Vec<_>>()
                    .join(" and ")
            })
            .collect();
        if told.is_empty() || self.all.len() > MOST_CLASSES {
            return None;
        }
        // The shortest stands for all; of equals the last, which is in lower case where one is.
        let of = |label: &str| {
            let group = groups.iter().find(|group| group.contains(&label));
            group.and_then(|group| {
                group
                    .iter()
                    .min_by_key(|one| (one.len(), Reverse(**one)))
                    .copied()
            })
        };
        let text = |label: &str| toml::Value::String(label.to_owned()).to_string();
        let entry =
            |label: &String| format!("{} = {}", text(label), text(of(label).unwrap_or(label)));
        let map = if self.all.len() <= MAPPED {
            format!(
                "label_map = {{ {} }}",
                self.all.iter().map(entry).collect::<Vec<_>>().join(", ")
            )
        } else {
            let merged: Vec<String> = self
                .all
                .iter()
                .filter(|label| of(label).is_some())
                .map(entry)
                .collect();
            format!(
                "label_map = {{ {}, … }} with an entry for every other label too",
                listed(&merged, MAPPED)
            )
        };
        Some(format!(
            "labels that differ in their spelling alone count as different classes: {}; to make one class of each, write below [corpus]: {map}",
            listed(&told, NAMED)
        ))
    }

    /// What whoever wrote the map should look at. Labels that it leaves out are no mistake as long
    /// as every entry of it is used.
    pub(super) fn warnings(&self, map: &BTreeMap<String, String>) -> Vec<String> {
        if map.is_empty() {
            return self.spellings().into_iter().collect();
        }
        let unused: Vec<String> = map
            .keys()
            .filter(|key| !self.used.contains(*key))
            .cloned()
            .collect();
        if unused.is_empty() {
            return Vec::new();
        }
        let mut warning = format!(
            "no row has the label {}, which corpus.label_map has",
            listed(&unused, NAMED)
        );
        if !self.unmapped.is_empty() {
            let rows: Vec<String> = self
                .unmapped
                .iter()
                .map(|(label, n)| format!("{} ({n} rows)", excerpt(label)))
                .collect();
            warning += &format!("; it has no entry for {}", listed(&rows, NAMED));
        }
        vec![warning]
    }
}

/// Why labels are no classes, where they look like measurements: numbers alone, with decimals or
/// many of them. The decimals of `1.0` are none: tables of whole numbers with gaps are written like
/// that.
pub(in crate::corpus) fn measurements<L: AsRef<str>>(all: &BTreeSet<L>) -> Option<String> {
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    let numbers: Vec<f64> = all
        .iter()
        .map(|label| label.parse().ok().filter(|n: &f64| n.is_finite()))
        .collect::<Option<_>>()?;
    let decimal = numbers.iter().any(|number| number.fract() != 0.0);
    let same: usize = variants(all.iter().copied())
        .iter()
        .map(|group| group.len() - 1)
        .sum();
    let many = numbers.len() - same;
    if numbers.is_empty() || !(decimal || many > MOST_CODES) {
        return None;
    }
    let some: Vec<&str> = all.iter().take(3).copied().collect();
    let many = if many > MOST_CODES {
        format!("more than {MOST_CODES}")
    } else {
        many.to_string()
    };
    Some(format!(
        "`emotion` holds {many} different numbers ({}, …): this looks like a regression target, not like classes",
        some.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_told_from_codes() {
        let found = |labels: &[&str]| {
            let mut all = Labels::default();
            labels.iter().for_each(|label| all.class(label));
            all.measurements()
        };
        let many: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (labels, part) in [
            (
                &["1.0", "2.5", "5.0"][..],
                "3 different numbers (1.0, 2.5, 5.0",
            ),
            (&many, "more than 10 different numbers"),
        ] {
            assert!(
                found(labels).is_some_and(|why| why.contains(part)),
                "{labels:?}: {:?}",
                found(labels)
            );
        }
        let decimals: Vec<String> = (0..10)
            .flat_map(|n| [n.to_string(), format!("{n}.0")])
            .collect();
        let decimals: Vec<&str> = decimals.iter().map(String::as_str).collect();
        for labels in [
            &["0", "1", "2"][..],
            &["1.0", "2.5", "joy"],
            &[],
            &many[..10],
            &decimals,
            &["inf", "0"],
        ] {
            assert_eq!(found(labels), None, "{labels:?}");
        }
    }

    #[test]
    fn a_misspelt_entry_is_named_beside_the_label_that_it_misses() {
        let map = BTreeMap::from(
            [("wuetend", "anger"), ("froh", "joy")].map(|(a, b)| (a.to_owned(), b.to_owned())),
        );
        let mut labels = Labels::default();
        ["froh", "wütend", "froh", "wütend", "wütend"]
            .iter()
            .for_each(|label| labels.note(label, &map));
        assert_eq!(
            labels.warnings(&map),
            [
                "no row has the label wuetend, which corpus.label_map has; it has no entry for wütend (3 rows)"
            ]
        );
        labels.note("wuetend", &map);
        assert!(labels.warnings(&map).is_empty());
    }

    #[test]
    fn labels_of_several_spellings_are_told_with_the_map_that_merges_them() {
        let warnings = |labels: &[&str]| {
            let mut all = Labels::default();
            labels.iter().for_each(|label| all.class(label));
            all.warnings(&BTreeMap::new())
        };
        let said = &warnings(&["Anger", "joy", "anger", "ANGER", "a \"b\""])[0];
        assert!(
            said.contains("count as different classes: ANGER and Anger and anger; "),
            "{said}"
        );
        let map = said.split_once("label_map = ").unwrap().1;
        let map: toml::Table = toml::from_str(&format!("label_map = {map}")).unwrap();
        let map: BTreeMap<String, String> = map["label_map"].clone().try_into().unwrap();
        let want = [
            ("ANGER", "anger"),
            ("Anger", "anger"),
            ("a \"b\"", "a \"b\""),
            ("anger", "anger"),
            ("joy", "joy"),
        ];
        assert_eq!(map, want.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        assert!(warnings(&["0", "0.0", "1"])[0].contains("\"0.0\" = \"0\", \"1\" = \"1\""));
        assert!(warnings(&["anger", "joy"]).is_empty());
    }
}
