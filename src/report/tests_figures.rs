//! Charts and columns as files: each is there, and a chart has a link beside it and its styles in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::files::files_below;

use super::tests::{page_of, written};
use super::{csv, fixture};

/// The identifiers of the charts of a page.
fn charts(page: &str) -> Vec<&str> {
    let charts = page.split("<svg id=\"").skip(1);
    charts.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn each_chart_is_a_file_with_a_link_beside_it() {
    let report = fixture::recorded();
    let (dir, page) = written(&report);
    let mut expected = BTreeSet::new();
    for (page, stem) in
        std::iter::once((page, String::new())).chain((report.experiments.iter()).map(|one| {
            (
                page_of(dir.path(), &one.name),
                format!("experiment-{}/", one.name),
            )
        }))
    {
        let mut names: Vec<String> = (charts(&page).into_iter())
            .map(|id| format!("{stem}{}.svg", id.trim_start_matches("x-")))
            .collect();
        // The confusion matrix is a table of the page.
        let matrices = page.matches("<table class=\"heat\"").count();
        names.extend((matrices > 0).then(|| format!("{stem}confusion.svg")));
        names.extend((matrices > 1).then(|| format!("{stem}ensemble-confusion.svg")));
        for name in &names {
            assert!(
                page.contains(&format!(
                    "<a href=\"figures/{name}\" download=\"{}\" ",
                    name.replace('/', "-")
                )),
                "{name}"
            );
        }
        expected.extend(names);
    }
    let figures = dir.path().join("figures");
    let files = files_below(&figures);
    let names = files.iter().map(|path| {
        let name = path.strip_prefix(&figures).unwrap();
        name.to_str().unwrap().replace('\\', "/")
    });
    assert_eq!(names.collect::<BTreeSet<_>>(), expected);
    assert!(
        expected.contains("bars.svg") && expected.len() > 10,
        "{expected:?}"
    );
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let body = text.split_once("?>\n").unwrap().1;
        assert!(body.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\""));
        assert!(!body.contains("var(") && !body.contains("light-dark") && !body.contains("&nbsp;"));
        // All classes of a drawing have their styles with them, or need none.
        let styles = body
            .split("<style>")
            .nth(1)
            .unwrap()
            .split("</style>")
            .next()
            .unwrap();
        let used = body
            .split(" class=\"")
            .skip(1)
            .flat_map(|rest| rest.split('"').next().unwrap().split(' '));
        for class in used.filter(|class| !["plot", "value", "speaker", "cells"].contains(class)) {
            assert!(
                styles.contains(&format!(".{class}")),
                "{class} of {}",
                path.display()
            );
        }
    }
}

#[test]
fn experiments_whose_names_begin_alike_have_figures_of_their_own() {
    let mut report = fixture::recorded();
    let mut other = report.experiments[0].clone();
    other.name = format!("{}-ensemble", report.experiments[0].name);
    other.ensemble = None;
    report.experiments[0].ensemble = report.experiments[0].pooled.clone();
    assert!(other.pooled.is_some());
    report.experiments.push(other);
    let dir = tempfile::tempdir().unwrap();
    let paths = super::write(&report, dir.path()).unwrap();
    let distinct: BTreeSet<_> = paths.iter().collect();
    assert_eq!(distinct.len(), paths.len());
}

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
