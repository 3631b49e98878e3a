//! Labels of rows that a label map does not have, and its entries that no row has: together they are most often one misspelt word.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::text::some;

/// Labels named in one warning.
const NAMED: usize = 8;

/// More numbers than this are no codes of classes.
const MOST_CODES: usize = 10;

/// What was found of the labels, and of a label map.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Without a label map: the labels that are numbers, as long as all are and they are few.
    numbers: BTreeSet<String>,
    words: bool,
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
        self.words |= label.parse::<f64>().is_err();
        if !self.words && self.numbers.len() <= MOST_CODES && !self.numbers.contains(label) {
            self.numbers.insert(label.to_owned());
        }
    }

    /// Why the labels are no classes, where they look like measurements: numbers alone, with decimals or many of them.
    pub(super) fn measurements(&self) -> Option<String> {
        let decimal = self.numbers.iter().any(|label| !label.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+'));
        if self.words || self.numbers.is_empty() || !(decimal || self.numbers.len() > MOST_CODES) {
            return None;
        }
        let some: Vec<&str> = self.numbers.iter().take(3).map(String::as_str).collect();
        let many = if self.numbers.len() > MOST_CODES { format!("more than {MOST_CODES}") } else { self.numbers.len().to_string() };
        Some(format!(
            "`emotion` holds {many} different numbers ({}, …): this looks like a regression target, not like classes",
            some.join(", ")
        ))
    }

    /// What whoever wrote the map should look at. Labels that it leaves out are no mistake as long as every entry of it is used.
    pub(super) fn warnings(&self, map: &BTreeMap<String, String>) -> Vec<String> {
        let unused: Vec<String> = map.keys().filter(|key| !self.used.contains(*key)).cloned().collect();
        if unused.is_empty() {
            return Vec::new();
        }
        let mut warning = format!("no row has the label {}, which corpus.label_map has", some(&unused, NAMED));
        if !self.unmapped.is_empty() {
            let rows: Vec<String> = self.unmapped.iter().map(|(label, n)| format!("{label} ({n} rows)")).collect();
            warning += &format!("; it has no entry for {}", some(&rows, NAMED));
        }
        vec![warning]
    }
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
        for (labels, part) in
            [(&["1.0", "2.5", "5.0"][..], "3 different numbers (1.0, 2.5, 5.0"), (&many, "more than 10 different numbers")]
        {
            assert!(found(labels).is_some_and(|why| why.contains(part)), "{labels:?}: {:?}", found(labels));
        }
        for labels in [&["0", "1", "2"][..], &["1.0", "2.5", "joy"], &[], &many[..10]] {
            assert_eq!(found(labels), None, "{labels:?}");
        }
    }

    #[test]
    fn a_misspelt_entry_is_named_beside_the_label_that_it_misses() {
        let map = BTreeMap::from([("wuetend", "anger"), ("froh", "joy")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut labels = Labels::default();
        ["froh", "wütend", "froh", "wütend", "wütend"].iter().for_each(|label| labels.note(label, &map));
        assert_eq!(
            labels.warnings(&map),
            ["no row has the label wuetend, which corpus.label_map has; it has no entry for wütend (3 rows)"]
        );
        labels.note("wuetend", &map);
        assert!(labels.warnings(&map).is_empty());
    }
}
