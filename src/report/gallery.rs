//! All experiments at a glance: a small confusion matrix each, which leads to the experiment's
//! page.

use std::fmt::Write;

use crate::evaluation::Confusion;

use super::confusion_table;
use super::data::{ExperimentSection, PipelineReport};
use super::experiment;
use super::html::{Html, percent};
use super::summary;

/// Writes the section; nothing where there is no experiment.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    if report.experiments.is_empty() {
        return;
    }
    h.line_break().raw("<section id=\"experiments\" aria-labelledby=\"experiments-title\"><h2 id=\"experiments-title\">Experiments</h2>");
    h.raw("<p>Each experiment has its own page. The small confusion matrices show the share of each true class (row) that was predicted as each class (column): ");
    h.raw("correct predictions lie on the diagonal.</p><ul class=\"gallery\">");
    for (i, one) in report.experiments.iter().enumerate() {
        h.within("li", &[], |h| tile(h, one, &experiment::file(report, i)));
    }
    h.raw("</ul></section>");
}

fn tile(h: &mut Html, experiment: &ExperimentSection, page: &str) {
    h.within("h3", &[], |h| {
        h.el("a", &[("href", page)], &experiment.title);
    });
    match &experiment.pooled {
        Some(scores) => {
            thumbnail(h, &scores.confusion);
            h.within("p", &[], |h| {
                h.el("b", &[], percent(scores.uar))
                    .raw(" % UAR · ")
                    .text(percent(scores.accuracy))
                    .raw(" % WA");
            });
        }
        None => {
            h.el(
                "p",
                &[],
                experiment
                    .failed
                    .as_deref()
                    .map_or("not finished yet", |_| "no result"),
            );
        }
    }
    h.within("p", &[], |h| {
        if experiment.shuffled_labels {
            h.raw("<span class=\"badge unknown\">control: shuffled labels</span> ");
        }
        summary::badges(h, experiment);
    });
}

/// The matrix without words: the page behind it has them.
fn thumbnail(h: &mut Html, confusion: &Confusion) {
    let n = confusion.labels.len();
    let mut cells = vec![String::new(); 10];
    for (truth, row) in confusion.counts.iter().enumerate() {
        let total: u64 = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate() {
            let fraction = if total == 0 {
                0.0
            } else {
                count as f64 / total as f64
            };
            if let Some(path) = cells.get_mut(confusion_table::step(fraction)) {
                let _ = write!(path, "M{predicted} {truth}h1v1h-1z");
            }
        }
    }
    h.open(
        "svg",
        &[
            ("class", "thumb"),
            ("aria-hidden", "true"),
            ("viewBox", &format!("0 0 {n} {n}")),
            ("width", "96"),
            ("height", "96"),
        ],
    );
    for (step, path) in cells
        .iter()
        .enumerate()
        .filter(|(_, path)| !path.is_empty())
    {
        h.open("path", &[("class", &format!("f{step}")), ("d", path)])
            .raw("</path>");
    }
    h.raw("</svg>");
}
