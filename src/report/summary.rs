//! The verdict: every experiment as a row, the published figures as marked rows, and the distances
//! between them.

use crate::evaluation::{Intervals, Mark, Published, Scores, Spread};

use super::compare::{self, Standing};
use super::data::{ExperimentSection, PipelineReport};
use super::html::{self, Html, Table, cell, numbers, percent, points, words};
use super::pools::{self, TRANSDUCTIVE};
use super::{experiment, leak, uncertainty};
use crate::split::{Independence, TestSpeakers};

/// Writes the table of results, and what its words mean.
pub(super) fn results(h: &mut Html, report: &PipelineReport) {
    // The figures come first: a narrow page shows the left of the table.
    let columns = [
        words("Experiment"),
        numbers("WA\u{a0}%"),
        numbers("UAR\u{a0}%"),
        words("Test speakers"),
        words("Protocol"),
        numbers("Macro F1\u{a0}%"),
        numbers("Folds\u{a0}±\u{a0}sd"),
        words("Seed"),
    ];
    let published = compare::published(report);
    let caption = if published.is_empty() {
        "Results of this pipeline"
    } else {
        "Results of this pipeline, and published figures"
    };
    let table = Table {
        id: "results",
        caption,
        class: "results",
        sortable: false,
    };
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for (i, one) in compare::results(report) {
            experiment_row(h, one, &experiment::file(report, i));
        }
        h.raw("</tbody>");
        if !published.is_empty() {
            h.raw("<tbody class=\"theirs\"><tr class=\"band\"><th colspan=\"8\" scope=\"rowgroup\">Published figures, each in its own protocol</th></tr>");
            for (i, figure) in published.iter().enumerate() {
                published_row(h, figure, &compare::key(i));
            }
            h.raw("</tbody>");
        }
    });
    controls(h, report, &columns);
}

/// Writes the experiments on shuffled labels, in a table of their own.
fn controls(h: &mut Html, report: &PipelineReport, columns: &[html::Column]) {
    let controls = || {
        report
            .experiments
            .iter()
            .enumerate()
            .filter(|(_, experiment)| experiment.shuffled_labels)
    };
    if controls().next().is_none() {
        return;
    }
    h.raw("<h3 id=\"controls-title\">Controls: labels shuffled</h3>");
    h.raw("<p class=\"warn box\"><strong>Not results.</strong> The labels of these experiments were dealt out anew before anything was split or ");
    h.raw("trained, so that nothing can be learnt from them. What stands clearly above chance here is a leak.</p>");
    let table = Table {
        id: "controls",
        caption: "Controls on shuffled labels",
        class: "results",
        sortable: false,
    };
    table.write(h, columns, |h| {
        h.raw("<tbody>");
        for (i, one) in controls() {
            experiment_row(h, one, &experiment::file(report, i));
        }
        h.raw("</tbody>");
    });
}

fn experiment_row(h: &mut Html, experiment: &ExperimentSection, page: &str) {
    h.raw("<tr><th scope=\"row\">");
    h.el("a", &[("href", page)], &experiment.title).raw("<br>");
    h.el("span", &[("class", "quiet")], &experiment.model)
        .raw("</th>");
    match &experiment.pooled {
        Some(scores) => {
            figures(
                h,
                experiment,
                scores,
                experiment.uncertainty.intervals.as_ref(),
            );
            spread_cell(h, experiment);
        }
        None => {
            let why = experiment.failed.as_deref().unwrap_or("not finished yet");
            h.within("td", &[("colspan", "3"), ("class", "failed")], |h| {
                h.raw("<strong>No result:</strong> ").text(why);
            });
            cell(h, &experiment.protocol);
            h.raw("<td class=\"n\">–</td><td class=\"n\">–</td>");
        }
    }
    cell(h, seeds(experiment));
    h.raw("</tr>");
    let (intervals, vote) = (
        experiment.uncertainty.ensemble_intervals.as_ref(),
        experiment.uncertainty.vote.as_ref(),
    );
    for (how, scores, intervals) in [
        (
            "probabilities averaged over seeds",
            experiment.ensemble.as_ref(),
            intervals,
        ),
        ("majority vote of the seeds", vote, None),
    ] {
        let Some(scores) = scores else { continue };
        h.raw("<tr class=\"sub\"><th scope=\"row\">↳ ensemble<br>")
            .el("span", &[("class", "quiet")], how)
            .raw("</th>");
        figures(h, experiment, scores, intervals);
        h.raw("<td class=\"n\">–</td>");
        cell(h, seeds(experiment));
        h.raw("</tr>");
    }
}

/// From WA to macro F1, with whom and how they were tested.
fn figures(
    h: &mut Html,
    experiment: &ExperimentSection,
    scores: &Scores,
    intervals: Option<&Intervals>,
) {
    let (accuracy, uar) = intervals.map(|found| (found.accuracy, found.uar)).unzip();
    let figure = |h: &mut Html, value: f64, interval| {
        h.within("td", &[("class", "n")], |h| {
            h.el("strong", &[], percent(value));
            uncertainty::interval(h, interval, intervals);
        });
    };
    figure(h, scores.accuracy, accuracy);
    figure(h, scores.uar, uar);
    h.raw("<td>");
    badges(h, experiment);
    h.raw("</td>");
    cell(h, &experiment.protocol);
    figure(h, scores.macro_f1, None);
}

fn published_row(h: &mut Html, figure: &Published, key: &str) {
    h.raw("<tr><th scope=\"row\">");
    h.el("span", &[("class", "key")], key)
        .raw(" ")
        .text(&figure.source)
        .raw(" ");
    mark(h, figure.mark);
    h.raw("<br>")
        .el("span", &[("class", "quiet")], &figure.system)
        .raw("</th>");
    for value in [figure.accuracy, figure.uar] {
        h.el(
            "td",
            &[("class", "n")],
            value.map_or("–".to_owned(), percent),
        );
    }
    h.raw("<td>");
    badge(h, compare::speakers_of(figure));
    h.raw("</td>");
    cell(h, &figure.protocol);
    h.el(
        "td",
        &[("colspan", "3"), ("class", "note")],
        figure.note.as_deref().unwrap_or_default(),
    )
    .raw("</tr>");
}

/// Mean and standard deviation over folds, WA above UAR.
fn spread_cell(h: &mut Html, experiment: &ExperimentSection) {
    let text = |spread: Option<&Spread>| match spread {
        Some(spread) if experiment.has_several_folds() => {
            format!("{} ± {}", percent(spread.mean), percent(spread.sd))
        }
        Some(spread) => format!("{} (1 fold)", percent(spread.mean)),
        None => "–".to_owned(),
    };
    h.within("td", &[("class", "n")], |h| {
        let found = &experiment.uncertainty.over_folds;
        h.raw("<span class=\"quiet\">WA</span> ")
            .text(text(found.get("accuracy")));
        h.raw("<br><span class=\"quiet\">UAR</span> ")
            .text(text(found.get("uar")));
    });
}

/// The seeds in words.
pub(super) fn seeds(experiment: &ExperimentSection) -> String {
    let seeds = compare::seeds(experiment);
    if seeds.len() > 6 {
        let (first, last) = (
            seeds.first().copied().unwrap_or(0),
            seeds.last().copied().unwrap_or(0),
        );
        return format!("{} ({first} to {last})", seeds.len());
    }
    seeds
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Says plainly whether the test speakers were heard in training.
pub(super) fn badge(h: &mut Html, speakers: TestSpeakers) {
    let class = match speakers.independence() {
        Independence::Yes => "badge unseen",
        Independence::No => "badge shared",
        Independence::Unknown => "badge unknown",
    };
    h.el("span", &[("class", class)], speakers.badge());
}

/// Whether the test speakers were heard in training, and whether test utterances had a part in
/// scaling. Nothing was shared where nothing was trained.
pub(super) fn badges(h: &mut Html, experiment: &ExperimentSection) {
    if experiment.pooled.is_some() {
        match leak::of(experiment) {
            None => badge(h, experiment.speakers),
            Some(_) => {
                h.raw("<span class=\"badge leak\">")
                    .raw(LEAK)
                    .raw("</span> ");
                badge(h, experiment.speakers);
            }
        }
        h.raw(" ");
    }
    if experiment.transductive {
        h.raw("<span class=\"badge unknown\">")
            .raw(TRANSDUCTIVE)
            .raw("</span>");
    }
}

const LEAK: &str = "same sound in training";

/// What must be known of a result where it stands beside others by its name alone.
pub(super) fn caveats(experiment: &ExperimentSection) -> Vec<&'static str> {
    let said = [
        (leak::of(experiment).is_some(), LEAK),
        (experiment.transductive, TRANSDUCTIVE),
    ];
    said.into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, words)| words)
        .collect()
}

/// The mark of a published figure, which says where it comes from.
pub(super) fn mark(h: &mut Html, mark: Mark) {
    let (letter, meaning) = compare::describe(mark);
    h.el("abbr", &[("class", "mark"), ("title", meaning)], letter);
}

/// Writes how far each experiment stands from each published figure of the same kind of protocol.
pub(super) fn distances(h: &mut Html, report: &PipelineReport) {
    let published = compare::published(report);
    let experiments: Vec<&ExperimentSection> = compare::results(report)
        .map(|(_, e)| e)
        .filter(|e| e.pooled.is_some())
        .collect();
    if published.is_empty() || experiments.is_empty() {
        return;
    }
    h.raw("<h3 id=\"distances\">Distance to the published figures</h3>");
    h.raw(
        "<p>Ours minus theirs, in percentage points, only where both test on speakers of the same kind (new to the model, or shared with training). ",
    );
    if experiments.iter().any(|e| e.transductive) {
        h.raw("What looks at unlabelled test recordings (transductive) has no distance to what does not. ");
    }
    h.raw("Number of folds, training and class sets may still differ: the protocol column above says how.</p>");
    if let Some(lacking) = report
        .corpus
        .as_ref()
        .and_then(compare::differs_from_published)
    {
        h.within("p", &[("class", "warn box")], |h| {
            h.raw("<strong>Not like for like:</strong> this corpus differs from its published counts (").text(lacking);
            h.raw("), so every distance below is between different sets of utterances.");
        });
    }
    let mut columns = vec![words("Published figure")];
    let caveats: Vec<Vec<&'static str>> = experiments.iter().map(|e| caveats(e)).collect();
    columns.extend(
        experiments
            .iter()
            .zip(&caveats)
            .map(|(e, caveats)| numbers(&e.title).badged(caveats)),
    );
    let table = Table {
        id: "distance-table",
        caption: "Distance in points: ours minus theirs",
        class: "distances",
        sortable: false,
    };
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for (i, figure) in published.iter().enumerate() {
            h.raw("<tr><th scope=\"row\">")
                .el("span", &[("class", "key")], compare::key(i))
                .raw(" ")
                .text(&figure.source)
                .raw("<br>");
            h.el("span", &[("class", "quiet")], &figure.system)
                .raw("</th>");
            for experiment in &experiments {
                h.raw("<td class=\"n\">");
                distance(h, compare::standing(experiment, figure));
                h.raw("</td>");
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}

fn distance(h: &mut Html, standing: Standing) {
    let parts = match standing {
        Standing::Comparable { accuracy, uar } => [("WA", accuracy), ("UAR", uar)],
        Standing::OtherProtocol => {
            h.raw("<span class=\"quiet\">not comparable: other protocol</span>");
            return;
        }
        Standing::Transductive => {
            h.raw("<span class=\"quiet\">not comparable: transductive</span>");
            return;
        }
        Standing::UnknownSpeakers => {
            h.raw(
                "<span class=\"quiet\">not comparable: speakers not known or not confirmed</span>",
            );
            return;
        }
        Standing::UnknownProtocol => {
            h.raw("<span class=\"quiet\">not comparable: protocol not known</span>");
            return;
        }
        Standing::NoResult => {
            h.raw("–");
            return;
        }
    };
    let mut first = true;
    for (name, value) in parts {
        let Some(value) = value else { continue };
        if !first {
            h.raw("<br>");
        }
        first = false;
        let sign = if value < 0.0 { "minus" } else { "plus" };
        h.el("span", &[("class", "quiet")], name).raw(" ").el(
            "strong",
            &[("class", sign)],
            points(value),
        );
    }
    if first {
        h.raw("–");
    }
}

/// Writes what the words and marks of the tables mean.
pub(super) fn legend(h: &mut Html, report: &PipelineReport) {
    h.raw("<details class=\"reading\"><summary>How to read these figures</summary><dl>");
    h.raw("<dt>WA</dt><dd>Accuracy: the share of test utterances whose class is named correctly.</dd>");
    h.raw("<dt>UAR</dt><dd>Mean of the recalls of the classes that occur, so that each class weighs the same.</dd>");
    h.raw("<dt>Macro F1</dt><dd>Mean of the F1 (harmonic mean of precision and recall) of the classes that occur.</dd>");
    h.raw("<dt>Pooled</dt><dd>The predictions of all folds and seeds counted together.</dd>");
    h.raw(
        "<dt>From … to …</dt><dd>95 % bootstrap interval (percentiles): what the figure would be with other speakers drawn from those of ",
    );
    h.raw(
        "the corpus. It says nothing about other corpora, nor about trainings with other seeds. From fewer than 10 speakers it comes out ",
    );
    h.raw("far too narrow and is marked.</dd>");
    h.raw("<dt>Ensemble</dt><dd>One prediction for each utterance: the class of the highest mean probability over the seeds, or the class that ");
    h.raw("most seeds name.</dd>");
    h.raw("<dt>Folds ± sd</dt><dd>Mean ± sample standard deviation over the folds, each the mean over its seeds.</dd>");
    let caveats: Vec<&str> = report.experiments.iter().flat_map(caveats).collect();
    if caveats.contains(&TRANSDUCTIVE) {
        h.raw("<dt>Transductive</dt><dd>Test recordings, without their labels, had a part in scaling what the model sees. ");
        h.text(pools::condition()).raw("</dd>");
    }
    if caveats.contains(&LEAK) {
        h.raw(
            "<dt>Same sound in training</dt><dd>A test recording, or another version of it, was trained on: the figure is too high.</dd>",
        );
    }
    let kinds: Vec<Independence> = report
        .experiments
        .iter()
        .map(|one| one.speakers)
        .chain(compare::published(report).iter().map(compare::speakers_of))
        .map(TestSpeakers::independence)
        .collect();
    if kinds.contains(&Independence::Yes) {
        h.raw("<dt>Unseen</dt><dd>No test speaker was trained on, counted from the folds themselves.</dd>");
    }
    if kinds.contains(&Independence::No) {
        h.raw("<dt>Shared</dt><dd>Test speakers were trained on: the figure tells how well known voices are recognised, ");
        h.raw("and is usually higher than for a new voice.</dd>");
    }
    if report
        .experiments
        .iter()
        .any(|one| matches!(one.speakers, TestSpeakers::Guessed { .. }))
    {
        h.raw("<dt>Guessed, not confirmed</dt><dd>The field that is taken for the speaker was inferred from file names. Whether test ");
        h.raw("speakers were trained on is not known until somebody confirms it.</dd>");
    }
    if !compare::published(report).is_empty() {
        for mark in [Mark::P, Mark::R, Mark::I] {
            let (letter, meaning) = compare::describe(mark);
            h.within("dt", &[], |h| {
                h.raw("Mark ").text(letter);
            });
            h.within("dd", &[], |h| {
                h.raw("A published figure ").text(meaning).raw(".");
            });
        }
    }
    h.raw("</dl></details>");
}
