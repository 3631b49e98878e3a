//! The page of one pipeline.

use std::collections::BTreeMap;
use std::fmt::Write;

use maud::{Markup, html};

use crate::corpus::Attribute;
use crate::evaluation::Confusion;
use crate::split::TestSpeakers;

use super::data::{ExperimentSection, PipelineReport};
use super::figure::Figure;
use super::html::{
    Html, Table, cell, number_cell, numbers, p_value, percent, plural, row_head, words,
};
use super::{
    bars, cards, compare, confusion_table, corpus, experiment, html, models, overview, pools, run,
    settings, summary,
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
            banners(h, report);
            if !report.experiments.is_empty() {
                verdict(h, report);
            }
            gallery(h, report);
            if let Some(section) = &report.corpus {
                corpus::write(h, section);
            }
            models::imports(h, &report.imports);
            overview::write(h, &report.overviews);
            run::steps(h, &report.steps);
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
    paired(h, report);
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
    let table = Table::new(format!("{id}-table"), caption, "narrow pairs").unsorted();
    table.write(h, &heads.map(words), |h| {
        for (key, value) in values {
            h.raw("<tr>");
            row_head(h, key);
            cell(h, value);
            h.raw("</tr>");
        }
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

/// Pairs that stand open on the page.
const OPEN: usize = 10;

/// Writes the table, or nothing where no two experiments tested the same utterances.
pub(super) fn paired(h: &mut Html, report: &PipelineReport) {
    let pairs = &report.comparisons;
    if pairs.is_empty() {
        return;
    }
    let title = |name: &str| -> Markup {
        let found = report.experiments.iter().find(|e| e.name == name);
        let caveats = found.map(summary::caveats).unwrap_or_default();
        html! {
            (found.map_or(name, |found| &found.title))
            @for caveat in caveats { " " span.badge.unknown { (caveat) } }
        }
    };
    let table = Table::new(
        "paired-table",
        "McNemar's test, utterance by utterance",
        "tall",
    );
    let columns = [
        words("First"),
        words("Second"),
        words("Protocol"),
        numbers("Utterances"),
        numbers("Right by the first alone"),
        numbers("Right by the second alone"),
        numbers("p"),
        numbers("p, Holm"),
        numbers("Least detectable, points"),
    ];
    let rows = html! {
        @for pair in pairs {
            tr {
                th scope="row" { (title(&pair.a)) }
                td.w { (title(&pair.b)) }
                td.w { (pair.protocol) }
                @for n in [pair.n, pair.only_a, pair.only_b] {
                    (number_cell(n.to_string(), n as f64))
                }
                @for p in [pair.p, pair.p_holm] { (number_cell(p_value(p), p)) }
                @match pair.least_detectable() {
                    Some(found) => { (number_cell(format!("{:.1}", 100.0 * found), found)) }
                    None => { (number_cell("–", f64::MAX)) }
                }
            }
        }
    };
    let table = table.markup(&columns, rows);
    h.put(html! {
        h3 #paired { "Significance of differences" }
        p {
            "McNemar's exact test, two-sided, between all experiments that tested the same "
            "utterances in the same protocol; several seeds of one count as one prediction, by "
            "mean probability. The column after p is corrected for " (plural(pairs.len(), "test"))
            " after Holm: below 0.05, the two differ in accuracy on these utterances. The test "
            "assumes independent utterances, which those of one speaker are not: a p value just "
            "below 0.05 is weak evidence. The last column is the smallest difference in accuracy "
            "that such a test detects with a power of 80 %, given the number of utterances and how "
            "often the two systems disagree."
        }
        @if pairs.len() > OPEN {
            details { summary { (plural(pairs.len(), "pair")) } (table) }
        } @else {
            (table)
        }
    });
}

/// Writes the section; nothing where there is no experiment.
pub(super) fn gallery(h: &mut Html, report: &PipelineReport) {
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

/// Says of which experiments the audit found that copies are on both sides of speakers that are
/// apart by name.
fn audited(h: &mut Html, report: &PipelineReport) {
    let found = |one: &&ExperimentSection| {
        one.pooled.is_some() && matches!(one.speakers, TestSpeakers::OnBothSides { .. })
    };
    let found: Vec<&ExperimentSection> = report.experiments.iter().filter(found).collect();
    let Some(worst) = found.iter().map(|one| one.speakers).max() else {
        return;
    };
    let (bold, rest) = worst.explain();
    let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
    h.put(html! {
        p.warn.box role="note" {
            strong { (bold) } " " (rest) " It concerns: " (titles.join("; ")) "."
        }
    });
}

/// Writes what applies; nothing where the report is one like any other.
pub(super) fn banners(h: &mut Html, report: &PipelineReport) {
    let guessed = report
        .corpus
        .as_ref()
        .map(|corpus| corpus.guessed.as_slice());
    let guessed = guessed.unwrap_or_default();
    let missing = if report.experiments.is_empty() {
        "Nothing could be computed yet"
    } else {
        "Not computed anew"
    };
    h.put(html! {
        @if compare::generated(report) {
            p.banner role="note" {
                strong { "Generated, not recorded speech." }
                " These sounds were made by a program. The figures show that the pipeline works; "
                "they say nothing about people, and no published figure stands beside them."
            }
        }
        @if !report.overrides.is_empty() {
            p.warn.box role="note" {
                strong { "Not the settings of the pipeline file." }
                " Overridden for this run: " (report.overrides.join("; ")) "."
            }
        }
    });
    audited(h, report);
    h.put(html! {
        @if !guessed.is_empty() {
            p.warn.box role="note" {
                strong { "Guessed from file names, not confirmed: " (Attribute::list(guessed)) "." }
                " Nobody has confirmed these fields. Check them in the manifest, correct wrong "
                "entries, then delete the confirmed fields from " code { "corpus.guessed" }
                " in the pipeline file."
            }
        }
        @if let Some(why) = &report.missing {
            section #missing.missing aria-labelledby="missing-title" {
                h2 #missing-title { (missing) }
                p.message { (why) }
                p { "Put the corpus in place and run the same command again." }
            }
        }
    });
}
