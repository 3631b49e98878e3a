//! The page over all pipelines.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::corpus::Published;
use crate::error::{Error, Result};
use crate::files::{self, Inventory, create_folder};

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::html::{self, Html, Table, cell, number, numbers, percent, relative_link, words};
use super::summary;
use super::write::{SCHEMA_VERSION, is_unchanged};
use crate::split::TestSpeakers;

/// One folder with a `report.json`.
struct Entry {
    folder: String,
    report: std::result::Result<Box<PipelineReport>, String>,
}

/// Reads every `*/report.json` under `reports_dir` and writes `reports_dir/index.html`, a table of
/// all pipelines and experiments. A report that cannot be read is a line of the page. Returns
/// whether it was written: a page of this name that ser did not write stays.
pub fn write_index(reports_dir: &Path) -> Result<bool> {
    create_folder(reports_dir)?;
    let entries = read(reports_dir)?;
    Inventory::write_page(
        reports_dir,
        "index.html",
        render(&entries).as_bytes(),
        html::is_written_by_ser,
    )
}

fn read(reports_dir: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for item in std::fs::read_dir(reports_dir).map_err(|e| Error::io("list", reports_dir, e))? {
        let item = item.map_err(|e| Error::io("list", reports_dir, e))?;
        let path = item.path().join("report.json");
        if path.is_file() {
            entries.push(Entry {
                folder: item.file_name().to_string_lossy().into_owned(),
                report: parse(&path).map(Box::new),
            });
        }
    }
    // A pipeline, then its variants.
    entries.sort_by(|a, b| a.folder.split('@').cmp(b.folder.split('@')));
    Ok(entries)
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    schema_version: u32,
}

pub(super) fn parse(path: &Path) -> std::result::Result<PipelineReport, String> {
    let bytes = files::read(path).map_err(|e| e.to_string())?;
    if !is_unchanged(&bytes) {
        return Err("it is damaged: its content does not match its checksum".to_owned());
    }
    let version: Version = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    if version.schema_version > SCHEMA_VERSION {
        return Err(format!(
            "written by a newer ser (schema {}, this program reads up to {SCHEMA_VERSION})",
            version.schema_version
        ));
    }
    serde_json::from_slice(&bytes)
        .map(PipelineReport::settle)
        .map_err(|e| e.to_string())
}

fn render(entries: &[Entry]) -> String {
    html::page("Speech emotion recognition: all pipelines", |h| {
        h.raw("<header><div class=\"top\"><p class=\"crumb\">Reports</p>");
        h.raw(
            "<button type=\"button\" class=\"js-only\" id=\"theme\">Dark mode</button></div><h1>Speech emotion recognition</h1></header>\n",
        );
        h.raw("<main id=\"main\" tabindex=\"-1\"><section aria-labelledby=\"all-title\"><h2 id=\"all-title\">All pipelines and experiments</h2>");
        if entries.is_empty() {
            h.raw("<p class=\"missing box\">No report yet. Run a pipeline, and it appears here.</p></section></main>");
            return;
        }
        h.raw("<p>Figures compare only within one corpus and one kind of protocol: a test on new speakers is harder than one on speakers ");
        h.raw("shared with training. Published figures are marked, each in its own protocol. Select a column header to sort.</p>");
        table(h, entries);
        h.raw("</section>");
        h.raw(
            "</main><footer><p>Written by ser. The same reports give this same page.</p></footer>",
        );
    })
}

fn table(h: &mut Html, entries: &[Entry]) {
    let columns = [
        words("Pipeline"),
        words("Experiment"),
        numbers("WA %"),
        numbers("UAR %"),
        words("Test speakers"),
        words("Protocol"),
        numbers("Macro F1 %"),
        numbers("Classes"),
        numbers("Tested"),
        numbers("Seeds"),
        words("Corpus"),
    ];
    filters(h, entries);
    let caption = "Pipelines and experiments, pooled figures, and published figures (marked) of the same corpora";
    let table = Table::new("pipelines", caption, "results");
    table.write(h, &columns, |h| {
        for entry in entries {
            match &entry.report {
                Ok(report) => pipeline(h, &entry.folder, report),
                Err(why) => line(
                    h,
                    &entry.folder,
                    None,
                    "broken",
                    &format!("report.json cannot be read: {why}"),
                ),
            }
        }
        published(h, entries);
    });
}

/// What narrows the table down; without script it is not there.
fn filters(h: &mut Html, entries: &[Entry]) {
    let corpora: BTreeSet<&str> = entries
        .iter()
        .filter_map(|e| e.report.as_ref().ok()?.corpus.as_ref())
        .map(|c| c.corpus.as_str())
        .collect();
    h.raw("<form class=\"filters js-only\" data-filter=\"pipelines\"><label>Search <input type=\"search\" name=\"words\"></label>");
    h.raw("<label>Corpus <select name=\"corpus\"><option value=\"\">all</option>");
    for corpus in corpora {
        h.el("option", &[("value", corpus)], corpus);
    }
    h.raw("</select></label><label>Test speakers <select name=\"kind\"><option value=\"\">all</option>");
    for speakers in kinds(entries) {
        h.el("option", &[("value", speakers.word())], speakers.badge());
    }
    h.raw("</select></label>");
    h.raw("<label><input type=\"checkbox\" name=\"published\" checked> published figures</label>");
    h.raw("<output aria-live=\"polite\"></output></form>");
}

/// What the rows say of their test speakers, each once.
fn kinds(entries: &[Entry]) -> Vec<TestSpeakers> {
    let mut kinds = Vec::new();
    for report in entries
        .iter()
        .filter_map(|entry| entry.report.as_ref().ok())
    {
        kinds.extend(
            report
                .experiments
                .iter()
                .filter(|one| one.pooled.is_some())
                .map(|one| one.speakers),
        );
        kinds.extend(compare::published(report).iter().map(compare::speakers_of));
    }
    kinds.sort_by_key(|kind| kind.place());
    kinds.dedup_by_key(|kind| kind.place());
    kinds
}

/// The start tag of a row, with what it is filtered by.
fn open_row(h: &mut Html, corpus: &str, speakers: Option<TestSpeakers>, class: &'static str) {
    let kind = speakers.map_or("", TestSpeakers::word);
    h.open(
        "tr",
        &[
            ("class", class),
            ("data-corpus", corpus),
            ("data-kind", kind),
        ],
    );
}

/// The figures of the literature, once each, marked, with the corpus that they are about.
fn published(h: &mut Html, entries: &[Entry]) {
    let mut seen = BTreeSet::new();
    for report in entries
        .iter()
        .filter_map(|entry| entry.report.as_ref().ok())
    {
        let Some(corpus) = report.corpus.as_ref().map(|c| c.corpus.as_str()) else {
            continue;
        };
        for figure in compare::published(report) {
            let values = [figure.accuracy, figure.uar].map(|value| value.map(f64::to_bits));
            if seen.insert((
                corpus,
                [&figure.source, &figure.system, &figure.protocol],
                values,
            )) {
                published_row(h, corpus, figure);
            }
        }
    }
}

fn published_row(h: &mut Html, corpus: &str, figure: &Published) {
    open_row(h, corpus, Some(compare::speakers_of(figure)), "theirs");
    h.raw("<th scope=\"row\"><span class=\"key\">published</span> ")
        .text(&figure.source)
        .raw(" ");
    summary::mark(h, figure.mark);
    h.raw("</th>");
    cell(h, &figure.system);
    for value in [figure.accuracy, figure.uar] {
        match value {
            Some(value) => number(h, percent(value), value),
            None => missing(h),
        }
    }
    h.raw("<td>");
    summary::badge(h, compare::speakers_of(figure));
    h.raw("</td>");
    cell(h, &figure.protocol);
    (0..4).for_each(|_| missing(h));
    cell(h, corpus);
    h.raw("</tr>");
}

/// A figure that nobody gives: it comes last, however the column is sorted.
fn missing(h: &mut Html) {
    h.el("td", &[("class", "n"), ("data-v", "NaN")], "–");
}

fn corpus_of(report: &PipelineReport) -> &str {
    report
        .corpus
        .as_ref()
        .map_or("–", |corpus| corpus.corpus.as_str())
}

fn pipeline(h: &mut Html, folder: &str, report: &PipelineReport) {
    if let Some(missing) = &report.missing {
        line(h, folder, Some(report), "missing", missing);
    }
    for (i, experiment) in report.experiments.iter().enumerate() {
        match &experiment.pooled {
            Some(_) => row(h, folder, report, experiment, i),
            None => {
                let why = experiment.failed.as_deref().unwrap_or("not finished yet");
                line(
                    h,
                    folder,
                    Some(report),
                    "no result",
                    &format!("{}: {why}", experiment.title),
                );
            }
        }
    }
    if report.experiments.is_empty() && report.missing.is_none() {
        line(h, folder, Some(report), "empty", "no experiment");
    }
}

fn row(
    h: &mut Html,
    folder: &str,
    report: &PipelineReport,
    experiment: &ExperimentSection,
    index: usize,
) {
    let Some(scores) = &experiment.pooled else {
        return;
    };
    open_row(h, corpus_of(report), Some(experiment.speakers), "ours");
    head(h, folder, Some(report));
    h.raw("<td class=\"w\">")
        .el(
            "a",
            &[(
                "href",
                &relative_link(folder, &super::experiment::file(report, index)),
            )],
            &experiment.title,
        )
        .raw("<br>");
    h.el("span", &[("class", "quiet")], &experiment.model)
        .raw("</td>");
    for value in [scores.accuracy, scores.uar] {
        number(h, percent(value), value);
    }
    h.raw("<td>");
    if experiment.shuffled_labels {
        h.raw("<span class=\"badge unknown\">control: shuffled labels</span> ");
    }
    summary::badges(h, experiment);
    h.raw("</td>");
    cell(h, &experiment.protocol);
    number(h, percent(scores.macro_f1), scores.macro_f1);
    number(
        h,
        experiment.labels.len().to_string(),
        experiment.labels.len() as f64,
    );
    number(h, html::count(scores.n as usize), scores.n as f64);
    let seeds = compare::seeds(experiment).len();
    number(h, seeds.to_string(), seeds as f64);
    cell(h, corpus_of(report));
    h.raw("</tr>");
}

/// A row without figures: what stands in their place, and why.
fn line(h: &mut Html, folder: &str, report: Option<&PipelineReport>, state: &str, why: &str) {
    open_row(h, report.map_or("–", corpus_of), None, "ours");
    head(h, folder, report);
    h.within("td", &[("colspan", "9"), ("class", "failed")], |h| {
        h.el("span", &[("class", "badge unknown")], state)
            .raw(" ")
            .text(why);
    });
    match report {
        Some(report) => cell(h, corpus_of(report)),
        None => cell(h, "–"),
    }
    h.raw("</tr>");
}

fn head(h: &mut Html, folder: &str, report: Option<&PipelineReport>) {
    h.raw("<th scope=\"row\">");
    match report {
        Some(report) => {
            h.el(
                "a",
                &[("href", &relative_link(folder, "index.html"))],
                &report.title,
            )
            .raw("<br>")
            .el("span", &[("class", "quiet")], folder);
            if compare::generated(report) {
                h.raw("<br><span class=\"badge generated\">generated, not recorded</span>");
            }
            if !report.overrides.is_empty() {
                h.raw("<br><span class=\"badge generated\">settings overridden</span> <span class=\"quiet\">");
                h.text(report.overrides.join("; ")).raw("</span>");
            }
        }
        None => {
            h.text(folder);
        }
    }
    h.raw("</th>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_survive_odd_folder_names() {
        assert_eq!(
            relative_link("emodb-2s", "index.html"),
            "./emodb-2s/index.html"
        );
        assert_eq!(
            relative_link("a b#\"é", "index.html"),
            "./a%20b%23%22%C3%A9/index.html"
        );
        assert_eq!(
            relative_link("javascript:x", "index.html"),
            "./javascript%3Ax/index.html"
        );
    }
}
