//! The utterances that were taken for another class.

use super::data::{ExperimentSection, TestedUtterance};
use super::html::{self, Html, Table, cell, count, number, numbers, plural, row_head, words};
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
    let mut wrong: Vec<(f64, &TestedUtterance)> = experiment
        .predictions
        .iter()
        .filter(|tested| tested.prediction.truth != tested.prediction.predicted)
        .map(|tested| {
            let line = &tested.prediction;
            (probability(line, &line.predicted), tested)
        })
        .collect();
    wrong.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then_with(|| {
            let key = |tested: &TestedUtterance| {
                let line = &tested.prediction;
                (line.utterance_id.clone(), line.seed, line.fold)
            };
            key(a.1).cmp(&key(b.1))
        })
    });
    h.part(&format!("{id}-wrong"), "Misclassified utterances");
    h.within("p", &[], |h| {
        h.text(count(wrong.len()))
            .raw(" of ")
            .text(plural(experiment.predictions.len(), "prediction"))
            .raw(" are wrong");
        h.raw(if wrong.is_empty() {
            "."
        } else {
            ", listed by how sure the model was."
        });
        if wrong.len() > SHOWN {
            h.text(format!(" The first {SHOWN} are shown; "))
                .raw("<a href=\"predictions.csv\">predictions.csv</a> holds all.");
        }
    });
    if wrong.is_empty() {
        return;
    }
    h.raw("<details><summary>")
        .text(plural(wrong.len().min(SHOWN), "utterance"))
        .raw("</summary>");
    let table_id = format!("{id}-wrong-table");
    let caption = format!("{}: misclassified utterances", experiment.title);
    let table = Table {
        id: &table_id,
        caption: &caption,
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
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for (sure, tested) in wrong.iter().take(SHOWN) {
            let line = &tested.prediction;
            h.raw("<tr>");
            row_head(h, &line.utterance_id);
            cell(h, &line.truth);
            cell(h, &line.predicted);
            number(h, html::decimals(sure * 100.0, 1), *sure);
            let truth = probability(line, &line.truth);
            number(h, html::decimals(truth * 100.0, 1), truth);
            cell(h, &tested.speaker);
            number(h, line.fold.to_string(), f64::from(line.fold));
            number(h, line.seed.to_string(), line.seed as f64);
            match recordings.filter(|_| !tested.path.starts_with('/')) {
                Some(folder) => {
                    h.raw("<td class=\"path\">").el(
                        "a",
                        &[
                            ("data-sound", ""),
                            ("href", &html::relative_link(folder, &tested.path)),
                        ],
                        &tested.path,
                    );
                    h.raw("</td>");
                }
                None => {
                    h.el("td", &[("class", "path")], &tested.path);
                }
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    h.raw("</details>");
}
