//! Columns of the CSV files, whose types in Python follow from their names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{csv, fixture};

/// Columns of 64-bit floats.
const FLOATS: &str = "accuracy accuracy_lost confidence from lag_s least_detectable macro_f1 max mean \
    median min p p25 p75 p_holm probability_lost row_share sd similarity to train_accuracy train_loss uar \
    uar_before uar_ci_high uar_ci_low uar_drop uar_drop_ci_high uar_drop_ci_low uar_full uar_high \
    uar_inductive uar_lost uar_low uar_restricted validation_accuracy validation_loss value \
    variance_between_classes variance_between_speakers wa wa_before wa_ci_high wa_ci_low";

/// The names in a list of a source file.
fn list<'s>(source: &'s str, name: &str) -> Vec<&'s str> {
    let (_, rest) = source
        .split_once(&format!("const {name}: [&str; "))
        .unwrap();
    let (_, rest) = rest.split_once("= [").unwrap();
    let (body, _) = rest.split_once(']').unwrap();
    body.split('"').skip(1).step_by(2).collect()
}

#[test]
fn the_type_of_each_column_is_known_by_its_name() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/src/report_table.rs");
    let source = fs::read_to_string(path).unwrap();
    let lists = ["INTEGERS", "FLAGS", "TEXTS"].map(|name| list(&source, name));
    let known = lists.iter().flatten().copied();
    let known: Vec<&str> = known.chain(FLOATS.split_whitespace()).collect();
    let distinct: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(distinct.len(), known.len(), "a name in two lists");
    let mut used = BTreeSet::new();
    for (name, bytes) in csv::files(&fixture::recorded()).unwrap() {
        if !name.ends_with(".csv") {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let header = text.lines().next().unwrap();
        for column in header.split(',').filter(|c| !c.starts_with("prob_")) {
            assert!(distinct.contains(column), "{name}: {column}");
            used.insert(column.to_owned());
        }
    }
    for column in FLOATS.split_whitespace() {
        assert!(used.contains(column), "no table has {column}");
    }
}
