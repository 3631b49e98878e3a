//! The page of one pipeline.

use std::collections::BTreeMap;

use super::data::PipelineReport;
use super::figure::Figure;
use super::html::{self, Html, Table, cell, row_head, words};
use super::{
    banners, bars, cards, compare, corpus, experiment, gallery, imports, overview, paired, pools,
    settings, steps, summary,
};

/// Files that stand beside the page, with what they hold.
const FILES: [(&str, &str); 20] = [
    (
        "results.csv",
        "a row for each system and published figure, as in the table above",
    ),
    (
        "metrics.csv",
        "every figure: pooled, by fold, by seed, by class, with intervals",
    ),
    ("confusion.csv", "confusion matrices, counts and row shares"),
    ("predictions.csv", "every prediction with its probabilities"),
    ("folds.csv", "every fold and seed"),
    (
        "breakdown.csv",
        "accuracy and UAR by speaker, sex, intensity, sentence, session",
    ),
    (
        "calibration.csv",
        "predictions by their highest probability",
    ),
    ("comparisons.csv", "McNemar's test between experiments"),
    (
        "restricted-pools.csv",
        "UAR of experiments that scale each speaker, with their clips of some classes alone to scale by",
    ),
    ("history.csv", "every epoch"),
    (
        "leakage.csv",
        "speakers, sentences and copies that train and test share, by fold",
    ),
    ("corpus.csv", "utterances by class, speaker and session"),
    (
        "features.csv",
        "every feature: mean, spread, shares of its variance between classes and speakers",
    ),
    ("explain.csv", "feature importance (ser explain)"),
    ("duplicates.csv", "recordings with the same sound"),
    ("set-aside.csv", "excluded files, each with the reason"),
    (
        "results.tex",
        "the table of results for a paper (LaTeX, booktabs)",
    ),
    (
        "confusion.tex",
        "a confusion matrix for each experiment (LaTeX, booktabs)",
    ),
    ("references.bib", "what to cite (BibTeX)"),
    ("report.json", "all of this page as data"),
];

/// The end of every page of a pipeline.
pub(super) const FOOTER: &str = "<footer><p>Written by ser. The same inputs, settings and versions give this same page.</p></footer>";
/// The button that changes between light and dark.
pub(super) const THEME: &str =
    "<button type=\"button\" class=\"js-only\" id=\"theme\">Dark mode</button>";

/// The page as text with its pictures as files; a pure function of the report.
pub(super) fn render(report: &PipelineReport) -> (String, Vec<Figure>) {
    html::page_with_figures(
        "",
        &format!("{} · speech emotion recognition", report.title),
        |h| {
            header(h, report);
            h.raw("<main id=\"main\" tabindex=\"-1\">");
            banners::write(h, report);
            if !report.experiments.is_empty() {
                verdict(h, report);
            }
            gallery::write(h, report);
            if let Some(section) = &report.corpus {
                corpus::write(h, section);
            }
            imports::write(h, &report.imports);
            overview::write(h, &report.overviews);
            steps::write(h, &report.steps);
            settings::write(h, report);
            pairs(
                h,
                (
                    "versions",
                    "Versions",
                    "Versions of the program and its parts",
                    ["Part", "Version"],
                ),
                &report.versions,
            );
            files(h);
            h.raw("</main>").raw(FOOTER);
        },
    )
}

/// So many experiments have links at the top of the page; more are folded away there.
const MOST_LINKS: usize = 8;

fn header(h: &mut Html, report: &PipelineReport) {
    h.raw("<header><div class=\"top\"><p class=\"crumb\"><a href=\"../index.html\">All pipelines</a> / ").text(&report.name).raw("</p>");
    h.raw(THEME).raw("</div>");
    h.el("h1", &[], &report.title);
    h.raw("<nav aria-label=\"On this page\"><ul>");
    let experiments: Vec<(String, &str)> = report
        .experiments
        .iter()
        .enumerate()
        .map(|(i, e)| (experiment::file(report, i), e.title.as_str()))
        .collect();
    let folded = experiments.len() > MOST_LINKS;
    let mut links: Vec<(String, &str)> = Vec::new();
    if report.missing.is_some() {
        links.push(("#missing".into(), "What to do"));
    }
    if !report.experiments.is_empty() {
        links.push(("#verdict".into(), "Results"));
    }
    if !report.experiments.is_empty() {
        links.push(("#experiments".into(), "Experiments"));
    }
    if !folded {
        links.extend(experiments.iter().cloned());
    }
    if report.corpus.is_some() {
        links.push(("#corpus".into(), "Corpus"));
    }
    for (id, title, filled) in [
        ("#imports", "Imported features", !report.imports.is_empty()),
        ("#features", "Features", !report.overviews.is_empty()),
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
        h.raw("<details><summary>")
            .text(format!("{} experiments", experiments.len()))
            .raw("</summary><ul>");
        list(h, &experiments);
        h.raw("</ul></details>");
    }
    h.raw("</nav></header>\n");
}

fn verdict(h: &mut Html, report: &PipelineReport) {
    let published = compare::published(report);
    h.raw("<section id=\"verdict\" aria-labelledby=\"verdict-title\"><h2 id=\"verdict-title\">Results</h2>");
    cards::write(h, report);
    summary::results(h, report);
    summary::legend(h, report);
    bars::write(
        h,
        report,
        &compare::results(report).map(|(_, e)| e).collect::<Vec<_>>(),
    );
    if published.iter().any(|p| p.speaker_independent.is_none()) {
        h.raw("<p class=\"quiet\">Published figures whose protocol is not known are listed in the table, not drawn.</p>");
    }
    pools::overview(h, report);
    paired::write(h, report);
    summary::distances(h, report);
    h.raw("</section>");
}

fn pairs(
    h: &mut Html,
    (id, title, caption, heads): (&'static str, &str, &str, [&str; 2]),
    values: &BTreeMap<String, String>,
) {
    if values.is_empty() {
        return;
    }
    let title_id = format!("{id}-title");
    h.line_break()
        .open("section", &[("id", id), ("aria-labelledby", &title_id)])
        .el("h2", &[("id", &title_id)], title);
    let table_id = format!("{id}-table");
    let table = Table {
        id: &table_id,
        caption,
        class: "narrow pairs",
        sortable: false,
    };
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
    h.raw("</ul><p class=\"quiet\">The folder figures has each picture of these pages as a file (SVG). Tables of at most 500 rows lie beside them as Markdown (results.md, …). In CSV files a text that a ");
    h.raw("spreadsheet would take for a formula has an apostrophe before it.</p></section>");
}
