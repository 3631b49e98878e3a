//! The verdict: every experiment as a row, the published figures as marked rows, and the distances
//! between them.

use maud::{Markup, html};

use crate::corpus::{Mark, Published};
use crate::encoder::{Heard, Verdict};
use crate::evaluation::{Interval, Intervals, Scores};

use super::compare::{self, Standing};
use super::data::{ExperimentSection, PipelineReport};
use super::html::{self, Html, Table, markup, numbers, percent, points, words};
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
    let table = Table::new("results", caption, "results").unsorted();
    let bodies = html! {
        tbody {
            @for (i, one) in compare::results(report) {
                (experiment_rows(one, &experiment::file(report, i)))
            }
        }
        @if !published.is_empty() {
            tbody.theirs {
                tr.band {
                    th colspan="8" scope="rowgroup" {
                        "Published figures, each in its own protocol"
                    }
                }
                @for (i, figure) in published.iter().enumerate() {
                    (published_row(figure, &compare::key(i)))
                }
            }
        }
    };
    h.put(table.frame(&columns, bodies));
    controls(h, report, &columns);
}

/// Writes the experiments on shuffled labels, in a table of their own.
fn controls(h: &mut Html, report: &PipelineReport, columns: &[html::Column]) {
    let controls = report.experiments.iter().enumerate();
    let controls: Vec<_> = controls
        .filter(|(_, experiment)| experiment.shuffled_labels)
        .collect();
    let table = Table::new("controls", "Controls on shuffled labels", "results").unsorted();
    let rows = html! {
        @for (i, one) in &controls { (experiment_rows(one, &experiment::file(report, *i))) }
    };
    h.put(html! {
        @if !controls.is_empty() {
            h3 #controls-title { "Controls: labels shuffled" }
            p.warn.box {
                strong { "Not results." }
                " The labels of these experiments were dealt out anew before anything was split "
                "or trained, so that nothing can be learnt from them. A figure clearly above chance "
                "here is a sign of a leak."
            }
            (table.markup(columns, rows))
        }
    });
}

/// The row of an experiment, and one for each ensemble of its seeds.
fn experiment_rows(experiment: &ExperimentSection, page: &str) -> Markup {
    let found = &experiment.uncertainty;
    let ensembles = [
        (
            "probabilities averaged over seeds",
            experiment.ensemble.as_ref(),
            found.ensemble_intervals.as_ref(),
        ),
        ("majority vote of the seeds", found.vote.as_ref(), None),
    ];
    let ensembles = ensembles
        .into_iter()
        .filter_map(|(how, scores, i)| Some((how, scores?, i)));
    html! {
        tr {
            th scope="row" {
                a href=(page) { (experiment.title) } br; span.quiet { (experiment.model) }
            }
            @if let Some(scores) = &experiment.pooled {
                (figures(experiment, scores, found.intervals.as_ref()))
                (spread_cell(experiment))
            } @else {
                td.failed colspan="3" {
                    strong { "No result:" } " "
                    (experiment.failed.as_deref().unwrap_or("not finished yet"))
                }
                td.w { (experiment.protocol) }
                td.n { "–" } td.n { "–" }
            }
            td.w { (seeds(experiment)) }
        }
        @for (how, scores, intervals) in ensembles {
            tr.sub {
                th scope="row" { "↳ ensemble" br; span.quiet { (how) } }
                (figures(experiment, scores, intervals))
                td.n { "–" }
                td.w { (seeds(experiment)) }
            }
        }
    }
}

/// From WA to macro F1, with whom and how they were tested.
fn figures(
    experiment: &ExperimentSection,
    scores: &Scores,
    intervals: Option<&Intervals>,
) -> Markup {
    let figure = |value: f64, of: Option<fn(&Intervals) -> Interval>| {
        let interval = of.and_then(|of| intervals.map(of));
        html! {
            td.n {
                strong { (percent(value)) }
                (markup(|h| uncertainty::interval(h, interval, intervals)))
            }
        }
    };
    html! {
        (figure(scores.accuracy, Some(|found| found.accuracy)))
        (figure(scores.uar, Some(|found| found.uar)))
        td { (markup(|h| badges(h, experiment))) }
        td.w { (experiment.protocol) }
        (figure(scores.macro_f1, None))
    }
}

fn published_row(figure: &Published, key: &str) -> Markup {
    html! {
        tr {
            th scope="row" {
                span.key { (key) } " " (figure.source) " " (markup(|h| mark(h, figure.mark)))
                br; span.quiet { (figure.system) }
            }
            @for value in [figure.accuracy, figure.uar] {
                td.n { (value.map_or("–".to_owned(), percent)) }
            }
            td { (markup(|h| badge(h, compare::speakers_of(figure)))) }
            td.w { (figure.protocol) }
            td.note colspan="3" { (figure.note.as_deref().unwrap_or_default()) }
        }
    }
}

/// Mean and standard deviation over folds, WA above UAR.
fn spread_cell(experiment: &ExperimentSection) -> Markup {
    let text = |metric: &str| match experiment.uncertainty.over_folds.get(metric) {
        Some(spread) if experiment.has_several_folds() => {
            format!("{} ± {}", percent(spread.mean), percent(spread.sd))
        }
        Some(spread) => format!("{} (1 fold)", percent(spread.mean)),
        None => "–".to_owned(),
    };
    html! {
        td.n {
            span.quiet { "WA" } " " (text("accuracy")) br; span.quiet { "UAR" } " " (text("uar"))
        }
    }
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
    h.put(html! {
        @if experiment.pooled.is_some() {
            @if leak::of(experiment).is_some() { span.badge.leak { (LEAK) } " " }
            (markup(|h| badge(h, experiment.speakers))) " "
        }
        @if experiment.transductive { span.badge.unknown { (TRANSDUCTIVE) } " " }
        @if let Some(worst) = Heard::worst(&experiment.encoders) {
            @if worst.verdict.is_leak() {
                span.badge.leak { (worst.badge()) }
            } @else if worst.verdict.is_unseen() && !worst.is_guess() {
                span.badge.unseen { (worst.badge()) }
            } @else {
                span.badge.unknown { (worst.badge()) }
            }
        }
    });
}

const LEAK: &str = "same sound in training";

/// What must be known of a result where it stands beside others by its name alone.
pub(super) fn caveats(experiment: &ExperimentSection) -> Vec<&'static str> {
    let said = [
        (leak::of(experiment).is_some(), LEAK),
        (experiment.transductive, TRANSDUCTIVE),
    ];
    let encoder = Heard::worst(&experiment.encoders).filter(|one| !one.verdict.is_unseen());
    said.into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, words)| words)
        .chain(encoder.map(|one| one.verdict.badge()))
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
    let lacking = report
        .corpus
        .as_ref()
        .and_then(compare::differs_from_published);
    let keys: Vec<String> = (0..published.len()).map(compare::key).collect();
    let mut columns = vec![words("Experiment")];
    columns.extend(keys.iter().map(|key| numbers(key)));
    let table = Table::new(
        "distance-table",
        "Distance in points: ours minus theirs",
        "distances",
    )
    .unsorted();
    let rows = html! {
        @for experiment in &experiments {
            tr {
                th scope="row" {
                    (experiment.title)
                    @for caveat in caveats(experiment) { " " span.badge.unknown { (caveat) } }
                }
                @for figure in published {
                    td.n { (distance(compare::standing(experiment, figure))) }
                }
            }
        }
    };
    h.put(html! {
        h3 #distances { "Distance to the published figures" }
        p {
            "Ours minus theirs, in percentage points, only where both test on speakers of the same "
            "kind (new to the model, or shared with training). The letters are those of the "
            "published figures above. A dash is a pair that cannot be compared, or that has no "
            "figure; the page of an experiment says why. "
            @if experiments.iter().any(|e| e.transductive) {
                "Systems that see unlabelled test recordings (transductive) are not compared with "
                "systems that do not. "
            }
            "Number of folds, training and class sets may still differ: the protocol column above "
            "says how."
        }
        @if let Some(lacking) = lacking {
            p.warn.box {
                strong { "Not like for like:" }
                " this corpus differs from its published counts (" (lacking)
                "), so every distance below is between different sets of utterances."
            }
        }
        (table.markup(&columns, rows))
    });
}

fn distance(standing: Standing) -> Markup {
    let why = match standing {
        Standing::Comparable { accuracy, uar } => {
            let known = [("WA", accuracy), ("UAR", uar)].into_iter();
            let known: Vec<_> = known
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            return html! {
                @if known.is_empty() { "–" }
                @for (i, (name, value)) in known.into_iter().enumerate() {
                    @if i > 0 { br; }
                    span.quiet { (name) } " "
                    strong class=(if value < 0.0 { "minus" } else { "plus" }) { (points(value)) }
                }
            };
        }
        Standing::NoResult => return html! { "–" },
        Standing::OtherProtocol => "other protocol",
        Standing::Transductive => "transductive",
        Standing::UnknownSpeakers => "speakers not known or not confirmed",
        Standing::UnknownProtocol => "protocol not known",
    };
    let why = format!("not comparable: {why}");
    html! { abbr.quiet title=(why) { "–" } }
}

/// Writes what the words and marks of the tables mean.
pub(super) fn legend(h: &mut Html, report: &PipelineReport) {
    let caveats: Vec<&str> = report.experiments.iter().flat_map(caveats).collect();
    let ours = report.experiments.iter().map(|one| one.speakers);
    let theirs = compare::published(report).iter().map(compare::speakers_of);
    let kinds: Vec<Independence> = ours.chain(theirs).map(TestSpeakers::independence).collect();
    let is_guessed = |one: &ExperimentSection| matches!(one.speakers, TestSpeakers::Guessed { .. });
    let mut terms = vec![
        (
            "WA",
            "Accuracy: the share of test utterances whose class is named correctly.",
        ),
        (
            "UAR",
            "Unweighted average recall (balanced accuracy): the mean of the recalls of the \
             classes that occur.",
        ),
        (
            "Macro F1",
            "Mean of the F1 (harmonic mean of precision and recall) of the classes that occur.",
        ),
        (
            "Pooled",
            "The predictions of all folds and seeds counted together.",
        ),
        (
            "From … to …",
            "95 % bootstrap interval (percentiles): how far the figure varies when speakers are \
             resampled from the corpus. It covers neither other corpora nor trainings with other \
             seeds. Intervals from fewer than 10 speakers are far too narrow, and marked.",
        ),
        (
            "Ensemble",
            "One prediction for each utterance: the class of the highest mean probability over \
             the seeds, or the class that most seeds name.",
        ),
        (
            "Folds ± sd",
            "Mean ± sample standard deviation over the folds, each the mean over its seeds.",
        ),
    ];
    let condition = format!(
        "Test recordings, without their labels, had a part in scaling what the model sees. {}",
        pools::condition()
    );
    let optional = [
        (
            caveats.contains(&TRANSDUCTIVE),
            "Transductive",
            condition.as_str(),
        ),
        (
            caveats.contains(&LEAK),
            "Same sound in training",
            "A test recording, or another version of it, was trained on: the figure is too high.",
        ),
        (
            kinds.contains(&Independence::Yes),
            "Unseen",
            "No test speaker was trained on, counted from the folds themselves.",
        ),
        (
            kinds.contains(&Independence::No),
            "Shared",
            "Test speakers were trained on: the figure is for known speakers, and usually higher \
             than for new ones.",
        ),
        (
            report.experiments.iter().any(is_guessed),
            "Guessed, not confirmed",
            "The field that is taken for the speaker was inferred from file names. Whether test \
             speakers were trained on is not known until somebody confirms it.",
        ),
    ];
    for verdict in [Verdict::Unknown, Verdict::HeardSound, Verdict::HeardLabels] {
        let meaning = match verdict {
            Verdict::Unknown => {
                "The pretrained encoder, whose states the model sees, may have been trained on \
                 recordings of this corpus: the figure may be higher than on unseen recordings."
            }
            _ => {
                "The pretrained encoder, whose states the model sees, was trained on this corpus: \
                 the figure is no test on unseen recordings."
            }
        };
        if caveats.contains(&verdict.badge()) {
            terms.push((verdict.badge(), meaning));
        }
    }
    terms.extend(
        optional
            .into_iter()
            .filter(|(applies, ..)| *applies)
            .map(|(_, a, b)| (a, b)),
    );
    h.put(html! {
        details.reading {
            summary { "How to read these figures" }
            dl {
                @for (term, meaning) in terms { dt { (term) } dd { (meaning) } }
                @if !compare::published(report).is_empty() {
                    @for mark in [Mark::P, Mark::R, Mark::I] {
                        dt { "Mark " (compare::describe(mark).0) }
                        dd { "A published figure " (compare::describe(mark).1) "." }
                    }
                }
            }
        }
    });
}
