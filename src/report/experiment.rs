//! The page of one experiment.

use maud::{PreEscaped, html};

use crate::corpus::Attribute;
use crate::corpus::Published;
use crate::encoder::Heard;
use crate::evaluation::Scores;
use crate::split::{Independence, TestSpeakers};
use crate::table::predictions::PredictionRow;

use super::compare::Standing;
use super::data::{ExperimentSection, FoldSection, PipelineReport, TestedUtterance};
use super::figure::Figure;
use super::html::{Html, Table, count, markup, number_cell, numbers, percent, plural, words};
use super::{
    bars, cards, compare, confusion_table, corpus, curves, explain, html, leak, page, pools, runs,
    speaker_dots, stress, summary, uncertainty,
};

/// Prefix of the identifiers of the page's parts.
const ID: &str = "x";

/// File name of the page of the experiment at `index`, beside the pipeline's own.
pub(super) fn file(report: &PipelineReport, index: usize) -> String {
    let name = report
        .experiments
        .get(index)
        .map_or("", |experiment| experiment.name.as_str());
    let safe = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if safe {
        format!("experiment-{name}.html")
    } else {
        format!("experiment-{}.html", index + 1)
    }
}

/// The page as text with its pictures as files, a pure function of the report; empty where there is
/// no such experiment.
pub(super) fn render(report: &PipelineReport, index: usize) -> (String, Vec<Figure>) {
    let Some(experiment) = report.experiments.get(index) else {
        return Default::default();
    };
    let page = file(report, index);
    let folder = page.strip_suffix(".html").unwrap_or(&page);
    let mut body = Html::with_figures(folder);
    parts(&mut body, report, experiment);
    let title = format!("{} · {}", experiment.title, report.title);
    html::page_with_figures(folder, &title, |h| {
        header(h, report, experiment, body.parts());
        h.raw("<main id=\"main\" class=\"one\" tabindex=\"-1\">");
        page::banners(h, report);
        h.append(body);
        neighbours(h, report, index);
        h.raw("</main>").raw(page::FOOTER);
    })
}

fn header(
    h: &mut Html,
    report: &PipelineReport,
    experiment: &ExperimentSection,
    parts: &[(String, String)],
) {
    h.put(html! {
        header {
            div.top {
                p.crumb {
                    a href="../index.html" { "All pipelines" } " / "
                    a href="index.html" { (report.title) } " / " (experiment.name)
                }
                (PreEscaped(page::THEME))
            }
            h1 { (experiment.title) }
            p {
                (markup(|h| summary::badges(h, experiment))) " "
                span.quiet {
                    (experiment.protocol) " · " (experiment.model)
                    @if !experiment.inputs.is_empty() { " · " (experiment.inputs) }
                }
            }
            @if !parts.is_empty() {
                nav aria-label="On this page" {
                    ul {
                        @for (id, title) in parts { li { a href={ "#" (id) } { (title) } } }
                    }
                }
            }
        }
        "\n"
    });
}

fn parts(h: &mut Html, report: &PipelineReport, experiment: &ExperimentSection) {
    let leaks = report.corpus.iter().flat_map(|corpus| &corpus.conditions);
    let leaks = leaks.filter(|condition| condition.leaks());
    h.put(html! {
        @if experiment.shuffled_labels {
            p.warn.box {
                strong { "Labels are shuffled:" }
                " this is a control and no result. A model that learns nothing but chance comes "
                "out at the level of chance."
            }
        }
        @if let Some(why) = &experiment.failed {
            p.warn.box { strong { "No result:" } " " (why) }
        } @else if experiment.pooled.is_none() {
            p.warn.box {
                strong { "Not finished yet." } " Run the pipeline again to complete it."
            }
        }
        @for condition in leaks {
            p.warn.box {
                strong { (corpus::condition_heading(condition)) } " " (condition.warning()) "."
            }
        }
    });
    cards::of_experiment(h, report, experiment);
    sharing(h, experiment);
    augmentation(h, experiment);
    pools::write(h, experiment, ID);
    let ours = experiment.speakers;
    let kin = ours.independence() != Independence::Unknown
        && compare::published(report)
            .iter()
            .any(|figure| compare::speakers_of(figure).place() == ours.place());
    if kin && experiment.pooled.is_some() && !experiment.shuffled_labels {
        h.part("x-published", "Beside published figures");
        bars::write(h, report, &[experiment]);
        let is_comparable = |p: &Published| {
            matches!(
                compare::standing(experiment, p),
                Standing::Comparable { .. }
            )
        };
        let none = !compare::published(report).iter().any(is_comparable);
        h.put(html! {
            @if experiment.transductive && none {
                p.warn.box {
                    strong { "Not comparable: transductive." }
                    " The published figures are of systems that see one test recording at a time."
                }
            }
            p.quiet {
                "Every figure with its protocol: "
                a href="index.html#verdict" { "the table of all experiments" } "."
            }
        });
    }
    if let Some(scores) = &experiment.pooled {
        h.part("x-confusion", "Confusion");
        let doubt = experiment
            .doubt(Attribute::Emotion)
            .replacen(" (", " (classes ", 1);
        confusion_table::write(
            h,
            &scores.confusion,
            &format!("{}{doubt}", experiment.title),
            "x-heat",
        );
        confused(h, scores);
        if let Some(ensemble) = &experiment.ensemble {
            let title = format!("{}, ensemble{doubt}", experiment.title);
            h.within("details", &[], |h| {
                h.raw("<summary>Confusion of the ensemble over seeds</summary>");
                confusion_table::write(h, &ensemble.confusion, &title, "x-ensemble-heat");
            });
        }
        classes(h, experiment, scores, ID);
    }
    uncertainty::write(h, experiment, ID);
    speaker_dots::write(h, experiment, ID);
    curves::write(h, experiment, ID);
    explain::write(h, experiment, ID);
    stress::write(h, experiment, ID);
    runs::folds(h, experiment, ID);
    runs::searched(h, experiment, ID);
    misclassified(h, experiment, report.recordings.as_deref(), ID);
}

/// The experiments before and after it.
fn neighbours(h: &mut Html, report: &PipelineReport, index: usize) {
    let around = [(index.checked_sub(1), "← "), (Some(index + 1), "→ ")];
    let around = around.into_iter().filter_map(|(at, arrow)| {
        let at = at?;
        Some((file(report, at), arrow, &report.experiments.get(at)?.title))
    });
    h.put(html! {
        nav.neighbours aria-label="Other experiments" {
            ul {
                @for (file, arrow, title) in around { li { a href=(file) { (arrow) (title) } } }
                li { a href="index.html" { "All experiments of this pipeline" } }
            }
        }
    });
}

/// What training and test share, a leak first; nothing where nothing was trained.
fn sharing(h: &mut Html, experiment: &ExperimentSection) {
    if experiment.pooled.is_none() {
        return;
    }
    let leak = leak::of(experiment);
    let heard = Heard::worst(&experiment.encoders);
    let class = match experiment.speakers.independence() {
        _ if leak.is_some() || heard.is_some_and(|one| one.verdict.is_leak()) => "sharing leak box",
        Independence::Yes => "sharing unseen box",
        Independence::No => "sharing shared box",
        Independence::Unknown => "sharing unknown box",
    };
    let (bold, rest) = experiment.speakers.explain();
    let statement = html! { p { strong { (bold) } " " (rest) } };
    // What the audit found wins over names.
    let audited = matches!(experiment.speakers, TestSpeakers::OnBothSides { .. });
    h.put(html! {
        div class=(class) {
            @if audited { (statement) }
            @if let Some(leak) = leak {
                p {
                    strong { "The same sound is in training and test:" } " " (leak.describe())
                    ". The figures are too high; the key " code { "require" }
                    " of an experiment refuses such folds."
                }
            }
            @if let Some(worst) = heard.filter(|one| one.verdict.is_leak()) {
                p {
                    strong { "The pretrained encoder knows the corpus:" } " " (worst.describe())
                    ". The figures are no test on unseen recordings; "
                    code { "require = \"encoder-unseen\"" } " refuses such an encoder."
                }
            }
            @if !audited { (statement) }
            @if experiment.transductive {
                p {
                    strong { "Transductive:" }
                    " test utterances, without their labels, had a part in scaling what the model "
                    "sees. The figure holds where all recordings of a new speaker are there before "
                    "the first is judged. " (pools::condition())
                    @if !experiment.restricted_pools.is_empty() {
                        " " a href="#x-pools" { "Measured with other speakers" } "."
                    }
                }
            }
            @if !experiment.shared.is_empty() {
                p { "What training and test share:" }
                ul { @for line in &experiment.shared { li { (line) } } }
                @if !experiment.leakage.is_empty() {
                    p.quiet { "Fold by fold: " a href="leakage.csv" { "leakage.csv" } }
                }
            }
            @if !experiment.remarks.is_empty() {
                p { "Remarks:" }
                ul { @for line in &experiment.remarks { li { (line) } } }
            }
        }
    });
}

/// What was trained on beside the recordings of the corpus.
fn augmentation(h: &mut Html, experiment: &ExperimentSection) {
    let range = |of: &dyn Fn(&FoldSection) -> usize| -> String {
        let numbers = || experiment.folds.iter().map(of);
        match (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0)) {
            (least, most) if least == most => count(most),
            (least, most) => format!("{} to {}", count(least), count(most)),
        }
    };
    if experiment.folds.iter().all(|fold| fold.n_augmented == 0) {
        return;
    }
    h.put(html! {
        p.note.box {
            strong { "Augmented:" }
            " changed copies of the training recordings were trained on as well, "
            (range(&|fold| fold.n_train)) " → "
            (range(&|fold| fold.n_train + fold.n_augmented))
            " rows in a fold. No copy of a validation or test recording is used for anything."
        }
    });
}

fn confused(h: &mut Html, scores: &Scores) {
    let pairs = confusion_table::most_confused(&scores.confusion, 8);
    h.put(html! {
        @if !pairs.is_empty() {
            h3 { "Most confused" }
            ol.pairs {
                @for (truth, predicted, n, fraction) in pairs {
                    li {
                        b { (truth) } " taken for " b { (predicted) } ": " (n) " "
                        span.quiet { "(" (percent(fraction)) " % of " (truth) ")" }
                    }
                }
            }
        }
    });
}

fn classes(h: &mut Html, experiment: &ExperimentSection, scores: &Scores, id: &str) {
    h.part(&format!("{id}-classes"), "By class");
    let table = Table::new(
        format!("{id}-class-table"),
        format!(
            "{}: precision, recall and F1 by class{}, pooled",
            experiment.title,
            experiment.doubt(Attribute::Emotion)
        ),
        "narrow",
    );
    let unit = if experiment.windows.is_some() {
        "Windows"
    } else {
        "Utterances"
    };
    let columns = [
        words("Class"),
        numbers("Precision %"),
        numbers("Recall %"),
        numbers("F1 %"),
        numbers(unit),
    ];
    let rows = html! {
        @for class in &scores.per_class {
            tr {
                th scope="row" { (class.label) }
                @for value in [class.precision, class.recall, class.f1] {
                    (number_cell(percent(value), value))
                }
                (number_cell(class.support.to_string(), class.support as f64))
            }
        }
    };
    h.put(table.markup(&columns, rows));
}

/// Misclassified utterances shown; `predictions.csv` holds all.
const MOST_WRONG: usize = 200;

/// Writes the list, the surest mistakes first. Where there is a way from the page to the folder of
/// the `recordings`, each can be heard.
pub(super) fn misclassified(
    h: &mut Html,
    experiment: &ExperimentSection,
    recordings: Option<&str>,
    id: &str,
) {
    if experiment.predictions.is_empty() {
        return;
    }
    let probability = |line: &PredictionRow, class: &str| {
        experiment
            .labels
            .iter()
            .position(|l| l == class)
            .and_then(|i| line.probabilities.get(i))
            .map_or(f64::NAN, |&p| f64::from(p))
    };
    let wrong = experiment
        .predictions
        .iter()
        .filter(|tested| !tested.prediction.is_correct());
    let mut wrong: Vec<(f64, &TestedUtterance)> = wrong
        .map(|tested| {
            (
                probability(&tested.prediction, &tested.prediction.predicted),
                tested,
            )
        })
        .collect();
    wrong.sort_by(|(a, one), (b, other)| {
        let key = |row: &'_ PredictionRow| (row.seed, row.fold);
        let (one, other) = (&one.prediction, &other.prediction);
        let names = one.utterance_id.cmp(&other.utterance_id);
        b.total_cmp(a)
            .then(names)
            .then_with(|| key(one).cmp(&key(other)))
    });
    h.part(&format!("{id}-wrong"), "Misclassified utterances");
    let table = Table::new(
        format!("{id}-wrong-table"),
        format!("{}: misclassified utterances", experiment.title),
        "tall",
    );
    let columns = [
        words("Utterance"),
        words("Truth"),
        words("Predicted"),
        numbers("P(predicted) %"),
        numbers("P(truth) %"),
        words("Speaker"),
        numbers("Fold"),
        numbers("Seed"),
        words("Recording"),
    ];
    let per_cent = |p: f64| number_cell(html::decimals(p * 100.0, 1), p);
    let row = |sure: f64, tested: &TestedUtterance| {
        let row = &tested.prediction;
        let link = recordings.filter(|_| !tested.path.starts_with('/'));
        html! {
            tr {
                th scope="row" { (row.utterance_id) }
                td.w { (row.truth) }
                td.w { (row.predicted) }
                (per_cent(sure))
                (per_cent(probability(row, &row.truth)))
                td.w { (tested.speaker) }
                (number_cell(row.fold.to_string(), f64::from(row.fold)))
                (number_cell(row.seed.to_string(), row.seed as f64))
                td.path {
                    @if let Some(folder) = link {
                        a data-sound="" href=(html::relative_link(folder, &tested.path)) {
                            (tested.path)
                        }
                    } @else {
                        (tested.path)
                    }
                }
            }
        }
    };
    let rows =
        html! { @for &(sure, tested) in wrong.iter().take(MOST_WRONG) { (row(sure, tested)) } };
    h.put(html! {
        p {
            (count(wrong.len())) " of " (plural(experiment.predictions.len(), "prediction"))
            @if wrong.is_empty() {
                " are wrong."
            } @else {
                " are wrong, listed by the probability of the predicted class, the highest first."
            }
            @if wrong.len() > MOST_WRONG {
                " The first " (MOST_WRONG) " are shown; "
                a href="predictions.csv" { "predictions.csv" } " holds all."
            }
        }
        @if !wrong.is_empty() {
            details {
                summary { (plural(wrong.len().min(MOST_WRONG), "utterance")) }
                (table.markup(&columns, rows))
            }
        }
    });
}
