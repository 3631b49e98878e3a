//! The figures that a page begins with.

use maud::{Markup, html};

use crate::encoder::Heard;
use crate::evaluation::{Interval, Intervals, Scores};
use crate::split::Independence;

use super::compare;
use super::data::{CorpusSection, ExperimentSection, PipelineReport};
use super::html::{self, Html, percent, plural};
use super::models::{self, Kind};
use super::pools::TRANSDUCTIVE;
use super::{leak, uncertainty};

/// The class of a card with a figure of this experiment.
fn class(experiment: &ExperimentSection) -> &'static str {
    match experiment.speakers.independence() {
        _ if leak::of(experiment).is_some() || knows_corpus(experiment) => "card shared",
        Independence::Yes => "card unseen",
        Independence::No => "card shared",
        Independence::Unknown => "card unknown",
    }
}

/// Whether a pretrained encoder was trained on the corpus.
fn knows_corpus(experiment: &ExperimentSection) -> bool {
    Heard::worst(&experiment.encoders).is_some_and(|worst| worst.verdict.is_leak())
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

/// A card: its class and title, the figure with its unit, and what stands below.
fn card(class: &str, title: &str, figure: (&str, &str), below: Markup) -> Markup {
    html! {
        div class=(class) {
            p.card-title { (title) }
            p.big { (figure.0) span.unit { " " (figure.1) } }
            (below)
        }
    }
}

fn per_cent(fraction: f64) -> String {
    format!("{} %", percent(fraction))
}

/// Writes the cards at the top: the highest result of each kind of protocol, and the level without
/// a model.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    let done: Vec<(&ExperimentSection, &Scores)> = compare::results(report)
        .filter_map(|(_, e)| e.pooled.as_ref().map(|scores| (e, scores)))
        .collect();
    let kinds = compare::by_speakers(&done, |(e, _)| *e, &[]);
    // Experiments on other classes have other levels, which one card cannot show: each stands in
    // the chart then.
    let levels: Vec<(f64, f64)> = report
        .experiments
        .iter()
        .filter_map(compare::levels)
        .collect();
    let same =
        |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs() < 5e-5 && (a.1 - b.1).abs() < 5e-5;
    let level = levels
        .first()
        .filter(|first| levels.iter().all(|other| same(first, other)));
    h.put(html! {
        div.cards {
            @for (speakers, ours, _) in kinds {
                (best_of(speakers.heading(), ours.into_iter().map(|i| done[i])))
            }
            @if let Some(&(chance, majority)) = level { (without_model(chance, majority)) }
            @if let Some(corpus) = &report.corpus { (of_corpus(corpus)) }
        }
    });
}

/// The highest result of one kind of test speakers.
///
/// A transductive system solves another task: it never stands in the place of a result that is not.
fn best_of<'r>(
    title: &str,
    of_kind: impl Iterator<Item = (&'r ExperimentSection, &'r Scores)>,
) -> Markup {
    let (transductive, inductive): (Vec<_>, Vec<_>) = of_kind.partition(|(e, _)| e.transductive);
    let (leading, title) = if inductive.is_empty() {
        (&transductive, format!("{title}, {TRANSDUCTIVE}"))
    } else {
        (&inductive, title.to_owned())
    };
    // A figure that rests on sounds that were trained on leads only where there is no other.
    let sound: Vec<_> = (leading.iter().copied())
        .filter(|(experiment, _)| leak::of(experiment).is_none() && !knows_corpus(experiment))
        .collect();
    let leading = if sound.is_empty() { leading } else { &sound };
    let Some((best, scores)) = highest(leading) else {
        return Markup::default();
    };
    let below = html! {
        p {
            (percent(scores.accuracy)) " % WA · " (best.title)
            @if leading.len() > 1 { " (highest UAR of " (leading.len()) " experiments)" }
        }
        @if let Some(leak) = leak::of(best) {
            p {
                strong.few { "The same sound is in training and test:" }
                " " (leak.describe()) "."
            }
        }
        @if let Some(worst) = Heard::worst(&best.encoders).filter(|one| !one.verdict.is_unseen()) {
            p { strong.few { (worst.badge()) } }
        }
        @if let Some((best, scores)) = highest(&transductive).filter(|_| !inductive.is_empty()) {
            p {
                em { "Transductive:" }
                " " (percent(scores.uar)) " % UAR · " (best.title) " (balanced speakers only)"
            }
        }
    };
    card(class(best), &title, (&per_cent(scores.uar), "UAR"), below)
}

fn without_model(chance: f64, majority: f64) -> Markup {
    let below = html! {
        p { "chance, any constant guess · WA of the largest class: " (percent(majority)) " %" }
    };
    card("card", "Without a model", (&per_cent(chance), "UAR"), below)
}

fn of_corpus(corpus: &CorpusSection) -> Markup {
    let title = if corpus.generated {
        "Generated corpus"
    } else {
        "Corpus"
    };
    let facts = [
        super::corpus::speakers(corpus),
        plural(corpus.by_class.len(), "class"),
        html::duration(corpus.duration_s),
    ];
    let below = html! { p { (facts.join(" · ")) } };
    card(
        "card",
        title,
        (&html::count(corpus.utterances), "utterances"),
        below,
    )
}

/// Writes the cards of one experiment: its figures with their intervals, and what they are to be
/// held against.
pub(super) fn of_experiment(h: &mut Html, report: &PipelineReport, experiment: &ExperimentSection) {
    let Some(scores) = &experiment.pooled else {
        return;
    };
    let kind = class(experiment);
    let found = experiment.uncertainty.intervals.as_ref();
    let doubt = found.and_then(uncertainty::doubt);
    let doubt = doubt.map(|doubt| format!(", {doubt}")).unwrap_or_default();
    let interval = |of: fn(&Intervals) -> Interval| match found.map(of) {
        Some(Interval { low, high }) => html! {
            p { "95 % interval " (percent(low)) " to " (percent(high)) " %" (doubt) }
        },
        None => html! { p { "no interval" } },
    };
    let (uar, wa) = (per_cent(scores.uar), per_cent(scores.accuracy));
    let title = if experiment.windows.is_some() {
        "Accuracy by window"
    } else {
        "Accuracy"
    };
    let (seeds, runs) = (compare::seeds(experiment).len(), experiment.folds.len());
    let made = match models::kind(report, experiment) {
        Kind::Ensemble(_) => format!("{} · made of other experiments", plural(runs, "fold")),
        _ => format!(
            "{} · {}",
            plural(runs, "training run"),
            plural(seeds, "seed")
        ),
    };
    let tested = html::count(scores.n as usize);
    h.put(html! {
        div.cards {
            (card(kind, "Balanced accuracy", (&uar, "UAR"), interval(|i| i.uar)))
            (card(kind, title, (&wa, "WA"), interval(|i| i.accuracy)))
            @if let Some((chance, majority)) = compare::levels(experiment) {
                (without_model(chance, majority))
            }
            (card("card", "Tested", (&tested, "predictions"), html! { p { (made) } }))
        }
    });
}
