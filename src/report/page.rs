//! The page of one pipeline.

use std::collections::BTreeMap;

use super::data::PipelineReport;
use super::html::{self, Html, Table, cell, row_head, words};
use super::{bars, compare, corpus, experiment, paired, steps, summary};

/// Files that stand beside the page, with what they hold.
const FILES: [(&str, &str); 11] = [
    ("metrics.csv", "every figure: pooled, by fold, by seed, by class, with intervals"),
    ("confusion.csv", "confusion matrices, counts and row shares"),
    ("predictions.csv", "every prediction with its probabilities"),
    ("folds.csv", "every fold and seed"),
    ("breakdown.csv", "accuracy and UAR by speaker, sex, intensity, sentence, session"),
    ("calibration.csv", "predictions by their highest probability"),
    ("comparisons.csv", "McNemar's test between experiments"),
    ("history.csv", "every epoch"),
    ("leakage.csv", "what train and test share, fold by fold"),
    ("duplicates.csv", "recordings with the same sound"),
    ("report.json", "all of this page as data"),
];

/// The page as text; a pure function of the report.
pub(super) fn render(report: &PipelineReport) -> String {
    html::page(&format!("{} · speech emotion recognition", report.title), |h| {
        header(h, report);
        h.raw("<main id=\"main\" tabindex=\"-1\">");
        if compare::generated(report) {
            h.raw(
                "<p class=\"banner\" role=\"note\"><strong>Generated, not recorded speech.</strong> These sounds were made by a program. ",
            );
            h.raw(
                "The figures show that the pipeline works; they say nothing about people, and no published figure stands beside them.</p>",
            );
        }
        if !report.overrides.is_empty() {
            h.raw("<p class=\"warn box\" role=\"note\"><strong>Not the settings of the pipeline file.</strong> Overridden for this run: ");
            h.text(report.overrides.join("; ")).raw(".</p>");
        }
        if let Some(missing) = &report.missing {
            let heading = if report.experiments.is_empty() { "Nothing could be computed yet" } else { "Not computed anew" };
            h.raw("<section id=\"missing\" class=\"missing\" aria-labelledby=\"missing-title\">");
            h.el("h2", &[("id", "missing-title")], heading);
            h.el("p", &[("class", "message")], missing);
            h.raw("<p>Put it in place and run the same command again: this page fills itself.</p></section>");
        }
        if !report.experiments.is_empty() {
            verdict(h, report);
        }
        for (i, section) in report.experiments.iter().enumerate() {
            experiment::write(h, section, i);
        }
        if let Some(section) = &report.corpus {
            corpus::write(h, section);
        }
        steps::write(h, &report.steps);
        pairs(h, ("settings", "Settings", "Every setting in force", ["Setting", "Value"]), &report.settings);
        pairs(h, ("versions", "Versions", "What made these figures", ["Part", "Version"]), &report.versions);
        files(h);
        h.raw("</main>");
        h.raw("<footer><p>Written by ser. The same inputs, settings and versions give this same page.</p></footer>");
    })
}

/// So many experiments have links at the top of the page; more are folded away there.
const MOST_LINKS: usize = 8;

fn header(h: &mut Html, report: &PipelineReport) {
    h.raw("<header><div class=\"top\"><p class=\"crumb\"><a href=\"../index.html\">All pipelines</a> / ").text(&report.name).raw("</p>");
    h.raw("<button type=\"button\" class=\"js-only\" id=\"theme\">Dark mode</button></div>");
    h.el("h1", &[], &report.title);
    h.raw("<nav aria-label=\"On this page\"><ul>");
    let experiments: Vec<(String, &str)> =
        report.experiments.iter().enumerate().map(|(i, e)| (format!("#x{}", i + 1), e.title.as_str())).collect();
    let folded = experiments.len() > MOST_LINKS;
    let mut links: Vec<(String, &str)> = Vec::new();
    if report.missing.is_some() {
        links.push(("#missing".into(), "What to do"));
    }
    if !report.experiments.is_empty() {
        links.push(("#verdict".into(), "Results"));
    }
    if !folded {
        links.extend(experiments.iter().cloned());
    }
    if report.corpus.is_some() {
        links.push(("#corpus".into(), "Corpus"));
    }
    for (id, title, filled) in [
        ("#steps", "Steps", !report.steps.is_empty()),
        ("#settings", "Settings", !report.settings.is_empty()),
        ("#versions", "Versions", !report.versions.is_empty()),
    ] {
        if filled {
            links.push((id.into(), title));
        }
    }
    links.push(("#files".into(), "Files"));
    let list = |h: &mut Html, links: &[(String, &str)]| {
        for (target, text) in links {
            h.within("li", &[], |h| {
                h.el("a", &[("href", target)], *text);
            });
        }
    };
    list(h, &links);
    h.raw("</ul>");
    if folded {
        h.raw("<details><summary>").text(format!("{} experiments", experiments.len())).raw("</summary><ul>");
        list(h, &experiments);
        h.raw("</ul></details>");
    }
    h.raw("</nav></header>\n");
}

fn verdict(h: &mut Html, report: &PipelineReport) {
    let published = compare::published(report);
    h.raw("<section id=\"verdict\" aria-labelledby=\"verdict-title\"><h2 id=\"verdict-title\">Results</h2>");
    summary::cards(h, report);
    summary::results(h, report);
    summary::legend(h, !published.is_empty());
    bars::write(h, report);
    if published.iter().any(|p| p.speaker_independent.is_none()) {
        h.raw("<p class=\"quiet\">Published figures whose protocol is not known are listed in the table, not drawn.</p>");
    }
    paired::write(h, report);
    summary::distances(h, report);
    h.raw("</section>");
}

fn pairs(h: &mut Html, (id, title, caption, heads): (&'static str, &str, &str, [&str; 2]), values: &BTreeMap<String, String>) {
    if values.is_empty() {
        return;
    }
    let title_id = format!("{id}-title");
    h.line_break().open("section", &[("id", id), ("aria-labelledby", &title_id)]).el("h2", &[("id", &title_id)], title);
    let table_id = format!("{id}-table");
    let table = Table { id: &table_id, caption, class: "narrow pairs", sortable: false };
    table.write(h, &heads.map(words), |h| {
        h.raw("<tbody>");
        for (key, value) in values {
            h.raw("<tr>");
            row_head(h, key);
            cell(h, value);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    h.raw("</section>");
}

fn files(h: &mut Html) {
    h.raw("\n<section id=\"files\" aria-labelledby=\"files-title\"><h2 id=\"files-title\">Files</h2><ul>");
    for (name, holds) in FILES {
        h.within("li", &[], |h| {
            h.el("a", &[("href", name)], name).raw(": ").text(holds);
        });
    }
    h.raw("</ul></section>");
}
