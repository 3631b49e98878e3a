//! The utterances that were taken for another class.

use maud::html;

use super::data::{ExperimentSection, TestedUtterance};
use super::html::{self, Html, Table, count, number_cell, numbers, plural, words};
use crate::table::predictions::PredictionRow;

/// Misclassified utterances shown; `predictions.csv` holds all.
const SHOWN: usize = 200;

/// Writes the list, the surest mistakes first. Where there is a way from the page to the folder of
/// the `recordings`, each can be heard.
pub(super) fn write(
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
    let table = Table {
        id: &format!("{id}-wrong-table"),
        caption: &format!("{}: misclassified utterances", experiment.title),
        class: "tall",
        sortable: true,
    };
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
    let rows = html! { @for &(sure, tested) in wrong.iter().take(SHOWN) { (row(sure, tested)) } };
    h.put(html! {
        p {
            (count(wrong.len())) " of " (plural(experiment.predictions.len(), "prediction"))
            @if wrong.is_empty() {
                " are wrong."
            } @else {
                " are wrong, listed by the probability of the predicted class, the highest first."
            }
            @if wrong.len() > SHOWN {
                " The first " (SHOWN) " are shown; "
                a href="predictions.csv" { "predictions.csv" } " holds all."
            }
        }
        @if !wrong.is_empty() {
            details {
                summary { (plural(wrong.len().min(SHOWN), "utterance")) }
                (table.markup(&columns, rows))
            }
        }
    });
}
