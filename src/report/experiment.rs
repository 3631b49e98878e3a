//! The section of one experiment.

use crate::evaluation::Scores;

use super::data::{ExperimentSection, FoldSection, PredictionLine, SearchSection};
use super::html::{self, Html, Table, cell, count, number, numbers, percent, plural, row_head, words};
use super::{curves, heat, strip, summary, uncertainty};

/// Misclassified utterances shown; `predictions.csv` holds all.
const SHOWN: usize = 200;
/// Folds shown before the table is folded up.
const OPEN_FOLDS: usize = 12;

/// Writes the section of the experiment at `index`.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, index: usize) {
    let id = format!("x{}", index + 1);
    h.line_break().open("section", &[("id", &id), ("aria-labelledby", &format!("{id}-title")), ("class", "experiment")]);
    h.within("h2", &[("id", &format!("{id}-title"))], |h| {
        h.text(&experiment.title).raw(" ");
        summary::badges(h, experiment);
    });
    h.within("p", &[("class", "quiet")], |h| {
        h.text(&experiment.name).raw(" · ").text(&experiment.protocol).raw(" · ").text(&experiment.model);
        if !experiment.inputs.is_empty() {
            h.raw(" · ").text(&experiment.inputs);
        }
    });
    if experiment.shuffled_labels {
        h.raw(
            "<p class=\"warn box\"><strong>Labels are shuffled:</strong> this is a control and no result. A model that learns nothing but ",
        );
        h.raw("chance comes out at the level of chance.</p>");
    }
    sharing(h, experiment);
    augmentation(h, experiment);
    if let Some(why) = &experiment.failed {
        h.within("p", &[("class", "warn box")], |h| {
            h.raw("<strong>No result:</strong> ").text(why);
        });
    } else if experiment.pooled.is_none() {
        h.raw("<p class=\"warn box\"><strong>Not finished yet.</strong> Run the pipeline again to complete it.</p>");
    }
    if let Some(scores) = &experiment.pooled {
        h.el("h3", &[("id", &format!("{id}-confusion"))], "Confusion");
        heat::write(h, &scores.confusion, &experiment.title, &format!("{id}-heat"));
        confused(h, scores);
        if let Some(ensemble) = &experiment.ensemble {
            h.raw("<details><summary>Confusion of the ensemble over seeds</summary>");
            heat::write(h, &ensemble.confusion, &format!("{}, ensemble", experiment.title), &format!("{id}-ensemble-heat"));
            h.raw("</details>");
        }
        classes(h, experiment, scores, &id);
    }
    uncertainty::write(h, experiment, &id);
    folds(h, experiment, &id);
    searched(h, experiment, &id);
    curves::write(h, experiment, &id);
    strip::write(h, experiment, &id);
    misclassified(h, experiment, &id);
    h.raw("</section>");
}

fn sharing(h: &mut Html, experiment: &ExperimentSection) {
    h.open("div", &[("class", if experiment.speaker_independent { "sharing unseen box" } else { "sharing shared box" })]);
    if experiment.speaker_independent {
        h.raw("<p><strong>Test speakers are unseen:</strong> none of them was trained on.</p>");
    } else {
        h.raw("<p><strong>Speakers are shared:</strong> the model was trained on other recordings of its test speakers.</p>");
    }
    if experiment.transductive {
        h.raw("<p><strong>Transductive:</strong> test utterances, without their labels, had a part in scaling what the model sees. ");
        h.raw("The figure holds where all recordings of a new speaker are there before the first is judged.</p>");
    }
    if !experiment.shared.is_empty() {
        h.raw("<p>What training and test share:</p><ul>");
        for line in &experiment.shared {
            h.el("li", &[], line);
        }
        h.raw("</ul>");
        if !experiment.leakage.is_empty() {
            h.raw("<p class=\"quiet\">Fold by fold: <a href=\"leakage.csv\">leakage.csv</a></p>");
        }
    }
    h.raw("</div>");
}

/// What was trained on beside the recordings of the corpus.
fn augmentation(h: &mut Html, experiment: &ExperimentSection) {
    let range = |of: &dyn Fn(&FoldSection) -> usize| -> String {
        let (least, most) = experiment.folds.iter().map(of).fold((usize::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
        if least == most { count(most) } else { format!("{} to {}", count(least), count(most)) }
    };
    if experiment.folds.iter().all(|fold| fold.n_augmented == 0) {
        return;
    }
    h.within("p", &[("class", "note box")], |h| {
        h.raw("<strong>Augmented:</strong> changed copies of the training recordings were trained on as well, ");
        h.text(range(&|fold| fold.n_train)).raw(" → ").text(range(&|fold| fold.n_train + fold.n_augmented));
        h.raw(" rows in a fold. No copy of a validation or test recording is used for anything.");
    });
}

fn confused(h: &mut Html, scores: &Scores) {
    let pairs = heat::most_confused(&scores.confusion, 8);
    if pairs.is_empty() {
        return;
    }
    h.raw("<h4>Most confused</h4><ol class=\"pairs\">");
    for (truth, predicted, n, share) in pairs {
        h.within("li", &[], |h| {
            h.el("b", &[], truth).raw(" taken for ").el("b", &[], predicted).raw(": ");
            h.text(n.to_string()).raw(" <span class=\"quiet\">(").text(percent(share)).raw(" % of ").text(truth).raw(")</span>");
        });
    }
    h.raw("</ol>");
}

fn classes(h: &mut Html, experiment: &ExperimentSection, scores: &Scores, id: &str) {
    h.el("h3", &[("id", &format!("{id}-classes"))], "By class");
    let table_id = format!("{id}-class-table");
    let caption = format!("{}: precision, recall and F1 by class, pooled", experiment.title);
    let table = Table { id: &table_id, caption: &caption, class: "narrow", sortable: true };
    let columns = [words("Class"), numbers("Utterances"), numbers("Precision %"), numbers("Recall %"), numbers("F1 %")];
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for class in &scores.per_class {
            h.raw("<tr>");
            row_head(h, &class.label);
            number(h, class.support.to_string(), class.support as f64);
            for value in [class.precision, class.recall, class.f1] {
                number(h, percent(value), value);
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}

fn folds(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    if experiment.folds.is_empty() {
        return;
    }
    h.el("h3", &[("id", &format!("{id}-folds"))], "By fold");
    let folded = experiment.folds.len() > OPEN_FOLDS;
    if folded {
        h.raw("<details><summary>").text(plural(experiment.folds.len(), "training run")).raw("</summary>");
    }
    let table_id = format!("{id}-fold-table");
    let caption = format!("{}: each fold and seed", experiment.title);
    let table = Table { id: &table_id, caption: &caption, class: "", sortable: true };
    let columns = [
        words("Held out"),
        numbers("Fold"),
        numbers("Seed"),
        numbers("Trained on"),
        numbers("Validation"),
        numbers("Tested"),
        numbers("WA %"),
        numbers("UAR %"),
        numbers("Macro F1 %"),
        numbers("Epoch kept"),
        numbers("Epochs run"),
    ];
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for fold in &experiment.folds {
            h.raw("<tr>");
            row_head(h, &fold.name);
            number(h, fold.fold.to_string(), f64::from(fold.fold));
            number(h, fold.seed.to_string(), fold.seed as f64);
            let rows = fold.n_train + fold.n_augmented;
            let trained = if fold.n_augmented == 0 { rows.to_string() } else { format!("{} → {rows}", fold.n_train) };
            number(h, trained, rows as f64);
            for n in [fold.n_validation, fold.n_test] {
                number(h, n.to_string(), n as f64);
            }
            for value in [fold.scores.accuracy, fold.scores.uar, fold.scores.macro_f1] {
                number(h, percent(value), value);
            }
            number(h, fold.best_epoch.map_or("–".to_owned(), |e| e.to_string()), fold.best_epoch.map_or(-1.0, |e| e as f64));
            let epochs = fold.history.len();
            number(h, if epochs == 0 { "–".to_owned() } else { epochs.to_string() }, epochs as f64);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    if folded {
        h.raw("</details>");
    }
}

/// What was chosen within each training part, and what else was tried.
fn searched(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let searches: Vec<(&FoldSection, &SearchSection)> =
        experiment.folds.iter().filter_map(|fold| fold.search.as_ref().map(|search| (fold, search))).collect();
    let Some((_, first)) = searches.first() else { return };
    h.el("h3", &[("id", &format!("{id}-search"))], "Chosen within the training part");
    h.within("p", &[], |h| {
        h.text(format!("{} were compared by {} over ", plural(first.tried.len(), "setting"), first.metric.replace('_', " ")));
        h.text(format!("{} inner folds by {} of each training part; ", first.folds, first.by));
        h.raw("the best, refitted on the whole training part, was tested once.");
    });
    let table_id = format!("{id}-search-table");
    let caption = format!("{}: the setting chosen in each fold", experiment.title);
    let table = Table { id: &table_id, caption: &caption, class: "narrow", sortable: true };
    let columns = [words("Held out"), numbers("Seed"), words("Chosen"), numbers("Inner score %"), numbers("Lowest tried %")];
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for (fold, search) in &searches {
            let Some(chosen) = search.tried.get(search.chosen) else { continue };
            let lowest = search.tried.iter().map(|tried| tried.score).fold(f64::INFINITY, f64::min);
            h.raw("<tr>");
            row_head(h, &fold.name);
            number(h, fold.seed.to_string(), fold.seed as f64);
            cell(h, chosen.describe());
            for score in [chosen.score, lowest] {
                number(h, percent(score), score);
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}

fn misclassified(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    if experiment.predictions.is_empty() {
        return;
    }
    let probability = |line: &PredictionLine, class: &str| {
        experiment.labels.iter().position(|l| l == class).and_then(|i| line.probabilities.get(i)).map_or(f64::NAN, |&p| f64::from(p))
    };
    let mut wrong: Vec<(f64, &PredictionLine)> = experiment
        .predictions
        .iter()
        .filter(|line| line.truth != line.predicted)
        .map(|line| (probability(line, &line.predicted), line))
        .collect();
    wrong.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then_with(|| (&a.1.utterance_id, a.1.seed, a.1.fold).cmp(&(&b.1.utterance_id, b.1.seed, b.1.fold)))
    });
    h.el("h3", &[("id", &format!("{id}-wrong"))], "Misclassified utterances");
    h.within("p", &[], |h| {
        h.text(count(wrong.len())).raw(" of ").text(plural(experiment.predictions.len(), "prediction")).raw(" are wrong");
        h.raw(if wrong.is_empty() { "." } else { ", listed by how sure the model was." });
        if wrong.len() > SHOWN {
            h.text(format!(" The first {SHOWN} are shown; ")).raw("<a href=\"predictions.csv\">predictions.csv</a> holds all.");
        }
    });
    if wrong.is_empty() {
        return;
    }
    h.raw("<details><summary>").text(plural(wrong.len().min(SHOWN), "utterance")).raw("</summary>");
    let table_id = format!("{id}-wrong-table");
    let caption = format!("{}: misclassified utterances", experiment.title);
    let table = Table { id: &table_id, caption: &caption, class: "tall", sortable: true };
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
        for (sure, line) in wrong.iter().take(SHOWN) {
            h.raw("<tr>");
            row_head(h, &line.utterance_id);
            cell(h, &line.truth);
            cell(h, &line.predicted);
            number(h, html::decimals(sure * 100.0, 1), *sure);
            let truth = probability(line, &line.truth);
            number(h, html::decimals(truth * 100.0, 1), truth);
            cell(h, &line.speaker);
            number(h, line.fold.to_string(), f64::from(line.fold));
            number(h, line.seed.to_string(), line.seed as f64);
            h.el("td", &[("class", "path")], &line.path);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    h.raw("</details>");
}
