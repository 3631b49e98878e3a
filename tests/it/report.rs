//! Reports from outside the crate: what a folder of reports holds, and that its parts agree with
//! each other.

// Named here so that the fixture finds the crate beside itself, as it does within the library.
extern crate ser;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ser::report::{PipelineReport, write, write_index};

#[path = "../../src/report/fixture/mod.rs"]
#[expect(dead_code, reason = "the module's own tests use the rest of it")]
pub mod fixture;

fn rows(dir: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(dir.join(name))
        .unwrap()
        .deserialize()
        .map(|row| row.unwrap())
        .collect()
}

fn written() -> (tempfile::TempDir, PipelineReport, String) {
    let dir = tempfile::tempdir().unwrap();
    let report = fixture::recorded();
    write(&report, &dir.path().join(&report.name)).unwrap();
    let page = fs::read_to_string(dir.path().join("ravdess/index.html")).unwrap();
    (dir, report, page)
}

/// Every start tag is closed by its own end tag, in order.
pub fn assert_well_formed(page: &str) {
    const VOID: [&str; 6] = ["meta", "link", "br", "input", "!doctype", "!DOCTYPE"];
    let mut open = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("a tag ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop(),
                Some(name),
                "near {}",
                &rest.chars().take(80).collect::<String>()
            );
            continue;
        }
        let name = tag
            .split(|c: char| c.is_whitespace())
            .next()
            .unwrap_or_default();
        if ["style", "script"].contains(&name) {
            rest =
                &rest[rest.find(&format!("</{name}>")).expect("raw text ends") + name.len() + 3..];
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} left open");
}

#[test]
fn every_page_is_well_formed_and_self_contained() {
    let dir = tempfile::tempdir().unwrap();
    for report in [
        fixture::recorded(),
        fixture::generated(),
        fixture::missing(),
        fixture::hostile(),
    ] {
        write(&report, &dir.path().join(&report.name)).unwrap();
    }
    write_index(dir.path()).unwrap();
    for page in [
        "index.html",
        "ravdess/index.html",
        "demo/index.html",
        "iemocap/index.html",
        "hostile/index.html",
    ] {
        let page = fs::read_to_string(dir.path().join(page)).unwrap();
        assert_well_formed(&page);
        for loads in [
            "src=", "@import", "url(", "<iframe", "<img", "http:", "https:",
        ] {
            assert!(!page.contains(loads), "{loads}");
        }
        assert_eq!(page.matches("<h1>").count(), 1);
        assert_eq!(
            page.matches("<table").count(),
            page.matches("<caption").count()
        );
        assert_eq!(
            page.matches("role=\"img\"").count(),
            page.matches("<desc").count()
        );
    }
}

#[test]
fn the_verdict_states_protocols_and_distances() {
    let (_dir, report, page) = written();
    assert!(page.contains("shared with training") && page.contains("unseen"));
    let ours = report.experiments[0].pooled.as_ref().unwrap().accuracy;
    let points = format!("{:.1}", ((ours - 0.7161) * 100.0).abs());
    assert!(
        page.contains(&format!("\u{2212}{points}</strong>")),
        "{points}"
    );
    // Two published figures share speakers, three do not, of one it is not known; two experiments.
    assert_eq!(
        page.matches("title=\"not comparable: other protocol")
            .count(),
        5
    );
    assert_eq!(
        page.matches("title=\"not comparable: protocol not known")
            .count(),
        2
    );
}

#[test]
fn the_files_agree_with_each_other() {
    let (dir, report, _) = written();
    let dir = dir.path().join("ravdess");
    for experiment in &report.experiments {
        let of = |rows: Vec<BTreeMap<String, String>>| -> Vec<BTreeMap<String, String>> {
            rows.into_iter()
                .filter(|row| row["experiment"] == experiment.name)
                .collect()
        };
        let predictions = of(rows(&dir, "predictions.csv"));
        let correct = predictions
            .iter()
            .filter(|row| row["correct"] == "true")
            .count();
        let confusion = of(rows(&dir, "confusion.csv"));
        let pooled: Vec<_> = confusion
            .iter()
            .filter(|row| row["scope"] == "pooled")
            .collect();
        let diagonal: usize = pooled
            .iter()
            .filter(|r| r["truth"] == r["predicted"])
            .map(|r| r["count"].parse::<usize>().unwrap())
            .sum();
        let all: usize = pooled
            .iter()
            .map(|row| row["count"].parse::<usize>().unwrap())
            .sum();
        assert_eq!((correct, predictions.len()), (diagonal, all));
        let metrics = of(rows(&dir, "metrics.csv"));
        let accuracy = metrics
            .iter()
            .find(|row| row["scope"] == "pooled" && row["metric"] == "accuracy")
            .unwrap();
        assert_eq!(
            accuracy["value"].parse::<f64>().unwrap(),
            correct as f64 / all as f64
        );
        assert_eq!(of(rows(&dir, "folds.csv")).len(), experiment.folds.len());
        assert_eq!(
            of(rows(&dir, "history.csv")).len(),
            experiment
                .folds
                .iter()
                .map(|fold| fold.history.len())
                .sum::<usize>()
        );
    }
}
