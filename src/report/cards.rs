//! The figures that a page begins with.

use crate::evaluation::{Interval, Scores};
use crate::split::Independence;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::html::{self, Html, percent, plural};
use super::models::{self, Kind};
use super::pools::TRANSDUCTIVE;
use super::{leak, uncertainty};

/// The class of a card with a figure of this experiment.
fn class(experiment: &ExperimentSection) -> &'static str {
    match experiment.speakers.independence() {
        _ if leak::of(experiment).is_some() => "card shared",
        Independence::Yes => "card unseen",
        Independence::No => "card shared",
        Independence::Unknown => "card unknown",
    }
}

/// The first of the highest UAR.
fn highest<'r>(
    results: &[(&'r ExperimentSection, &'r Scores)],
) -> Option<(&'r ExperimentSection, &'r Scores)> {
    results
        .iter()
        .copied()
        .reduce(|a, b| if b.1.uar > a.1.uar { b } else { a })
}

/// Writes the cards at the top: the highest result of each kind of protocol, and the level without
/// a model.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    h.raw("<div class=\"cards\">");
    let done: Vec<(&ExperimentSection, &Scores)> = compare::results(report)
        .filter_map(|(_, e)| e.pooled.as_ref().map(|scores| (e, scores)))
        .collect();
    for (speakers, ours, _) in compare::by_speakers(&done, |(e, _)| *e, &[]) {
        let title = speakers.heading();
        let of_kind = ours.into_iter().map(|i| done[i]);
        // What looks at unlabelled test clips is another task: it never stands in the place of a
        // result that does not.
        let (transductive, inductive): (Vec<_>, Vec<_>) =
            of_kind.partition(|(e, _)| e.transductive);
        let leading = if inductive.is_empty() {
            &transductive
        } else {
            &inductive
        };
        let Some((best, scores)) = highest(leading) else {
            continue;
        };
        let leak = leak::of(best);
        h.open("div", &[("class", class(best))]);
        h.el(
            "p",
            &[("class", "card-title")],
            if inductive.is_empty() {
                format!("{title}, {TRANSDUCTIVE}")
            } else {
                title.to_owned()
            },
        );
        h.within("p", &[("class", "big")], |h| {
            h.text(percent(scores.uar))
                .raw(" %<span class=\"unit\"> UAR</span>");
        });
        h.within("p", &[], |h| {
            h.text(percent(scores.accuracy))
                .raw(" % WA · ")
                .text(&best.title);
            if leading.len() > 1 {
                h.text(format!(" (highest UAR of {} experiments)", leading.len()));
            }
        });
        if let Some(leak) = leak {
            h.within("p", &[], |h| {
                h.raw("<strong class=\"few\">The same sound is in training and test:</strong> ")
                    .text(leak.describe())
                    .raw(".");
            });
        }
        if let Some((best, scores)) = highest(&transductive).filter(|_| !inductive.is_empty()) {
            h.within("p", &[], |h| {
                h.raw("<em>Transductive:</em> ")
                    .text(percent(scores.uar))
                    .raw(" % UAR · ")
                    .text(&best.title);
                h.raw(" (balanced speakers only)");
            });
        }
        h.raw("</div>");
    }
    // Experiments on other classes have other levels, which one card cannot show: each stands in
    // the chart then.
    let levels: Vec<(f64, f64)> = report
        .experiments
        .iter()
        .filter_map(compare::levels)
        .collect();
    let same =
        |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs() < 5e-5 && (a.1 - b.1).abs() < 5e-5;
    if let Some(&(chance, majority)) = levels
        .first()
        .filter(|first| levels.iter().all(|other| same(first, other)))
    {
        h.raw("<div class=\"card\"><p class=\"card-title\">Without a model</p>");
        h.within("p", &[("class", "big")], |h| {
            h.text(percent(chance))
                .raw(" %<span class=\"unit\"> UAR</span>");
        });
        h.within("p", &[], |h| {
            h.raw("chance, any constant guess · WA of the largest class: ")
                .text(percent(majority))
                .raw(" %");
        });
        h.raw("</div>");
    }
    if let Some(corpus) = &report.corpus {
        h.raw("<div class=\"card\"><p class=\"card-title\">")
            .raw(if corpus.generated {
                "Generated corpus"
            } else {
                "Corpus"
            })
            .raw("</p>");
        h.within("p", &[("class", "big")], |h| {
            h.text(html::count(corpus.utterances))
                .raw("<span class=\"unit\"> utterances</span>");
        });
        let facts = [
            super::corpus::speakers(corpus),
            plural(corpus.by_class.len(), "class"),
            html::duration(corpus.duration_s),
        ]
        .join(" · ");
        h.el("p", &[], facts).raw("</div>");
    }
    h.raw("</div>");
}

/// Writes the cards of one experiment: its figures with their intervals, and what they are to be
/// held against.
pub(super) fn of_experiment(h: &mut Html, report: &PipelineReport, experiment: &ExperimentSection) {
    let Some(scores) = &experiment.pooled else {
        return;
    };
    let kind = class(experiment);
    let (wa, uar) = experiment
        .uncertainty
        .intervals
        .as_ref()
        .map(|found| (found.accuracy, found.uar))
        .unzip();
    let card = |h: &mut Html,
                class: &str,
                title: &'static str,
                value: f64,
                unit: &'static str,
                below: &str| {
        h.open("div", &[("class", class)])
            .el("p", &[("class", "card-title")], title);
        h.within("p", &[("class", "big")], |h| {
            h.text(percent(value))
                .raw(" %<span class=\"unit\"> ")
                .raw(unit)
                .raw("</span>");
        });
        h.el("p", &[], below).raw("</div>");
    };
    let interval = |found: Option<Interval>| match found {
        Some(Interval { low, high }) => {
            let doubt = experiment
                .uncertainty
                .intervals
                .as_ref()
                .and_then(uncertainty::doubt);
            let doubt = doubt.map(|doubt| format!(", {doubt}")).unwrap_or_default();
            format!(
                "95 % interval {} to {} %{doubt}",
                percent(low),
                percent(high)
            )
        }
        None => "no interval".to_owned(),
    };
    h.raw("<div class=\"cards\">");
    card(
        h,
        kind,
        "Each class weighs the same",
        scores.uar,
        "UAR",
        &interval(uar),
    );
    let title = if experiment.windows.is_some() {
        "Each window weighs the same"
    } else {
        "Each utterance weighs the same"
    };
    card(h, kind, title, scores.accuracy, "WA", &interval(wa));
    if let Some((chance, majority)) = compare::levels(experiment) {
        let below = format!(
            "chance, any constant guess · WA of the largest class: {} %",
            percent(majority)
        );
        card(h, "card", "Without a model", chance, "UAR", &below);
    }
    h.raw("<div class=\"card\"><p class=\"card-title\">Tested</p>");
    h.within("p", &[("class", "big")], |h| {
        h.text(html::count(scores.n as usize))
            .raw("<span class=\"unit\"> predictions</span>");
    });
    let (seeds, runs) = (compare::seeds(experiment).len(), experiment.folds.len());
    let made = match models::kind(report, experiment) {
        Kind::Ensemble(_) => format!("{} · made of other experiments", plural(runs, "fold")),
        _ => format!(
            "{} · {}",
            plural(runs, "training run"),
            plural(seeds, "seed")
        ),
    };
    h.el("p", &[], made).raw("</div></div>");
}
