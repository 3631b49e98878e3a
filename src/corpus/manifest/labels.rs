//! Labels of rows that a label map does not have, and its entries that no row has: together they are most often one misspelt word.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::text::some;

/// Labels named in one warning.
const NAMED: usize = 8;

/// What was found of a label map.
#[derive(Debug, Default)]
pub(super) struct Labels {
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
