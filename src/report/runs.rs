//! The trainings of an experiment: every fold and seed, and what was chosen within them.

use super::data::{ExperimentSection, FoldSection, SearchSection};
use super::html::{Html, Table, cell, number, numbers, percent, plural, row_head, words};

/// Folds shown before the table is folded up.
const OPEN_FOLDS: usize = 12;

/// Writes the table of folds.
pub(super) fn folds(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    if experiment.folds.is_empty() {
        return;
    }
    h.part(&format!("{id}-folds"), "By fold");
    let folded = experiment.folds.len() > OPEN_FOLDS;
    if folded {
        h.raw("<details><summary>")
            .text(plural(experiment.folds.len(), "training run"))
            .raw("</summary>");
    }
    let table = Table::new(
        format!("{id}-fold-table"),
        format!("{}: each fold and seed", experiment.title),
        "folds",
    );
    let columns = [
        words("Held out"),
        numbers("WA %"),
        numbers("UAR %"),
        numbers("Macro F1 %"),
        numbers("Fold"),
        numbers("Seed"),
        numbers("Trained on"),
        numbers("Validation"),
        numbers("Tested"),
        numbers("Epoch kept"),
        numbers("Epochs run"),
    ];
    table.write(h, &columns, |h| {
        for fold in &experiment.folds {
            h.raw("<tr>");
            row_head(h, &fold.name);
            for value in [fold.scores.accuracy, fold.scores.uar, fold.scores.macro_f1] {
                number(h, percent(value), value);
            }
            number(h, fold.fold.to_string(), f64::from(fold.fold));
            number(h, fold.seed.to_string(), fold.seed as f64);
            let rows = fold.n_train + fold.n_augmented;
            let trained = if fold.n_augmented == 0 {
                rows.to_string()
            } else {
                format!("{} → {rows}", fold.n_train)
            };
            number(h, trained, rows as f64);
            for n in [fold.n_validation, fold.n_test] {
                number(h, n.to_string(), n as f64);
            }
            number(
                h,
                fold.best_epoch.map_or("–".to_owned(), |e| e.to_string()),
                fold.best_epoch.map_or(-1.0, |e| e as f64),
            );
            let epochs = fold.history.len();
            number(
                h,
                if epochs == 0 {
                    "–".to_owned()
                } else {
                    epochs.to_string()
                },
                epochs as f64,
            );
            h.raw("</tr>");
        }
    });
    if folded {
        h.raw("</details>");
    }
}

/// What was chosen within each training part, and what else was tried.
pub(super) fn searched(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let searches: Vec<(&FoldSection, &SearchSection)> = experiment
        .folds
        .iter()
        .filter_map(|fold| fold.search.as_ref().map(|search| (fold, search)))
        .collect();
    let Some((_, first)) = searches.first() else {
        return;
    };
    h.part(&format!("{id}-search"), "Chosen within the training part");
    h.within("p", &[], |h| {
        h.text(format!(
            "{} were compared by {} over ",
            plural(first.tried.len(), "setting"),
            first.metric.replace('_', " ")
        ));
        h.text(format!(
            "{} inner folds by {} of each training part; ",
            first.folds, first.by
        ));
        h.raw("the best, refitted on the whole training part, was tested once.");
    });
    let caption = format!("{}: the setting chosen in each fold", experiment.title);
    let table = Table::new(format!("{id}-search-table"), caption, "narrow");
    let columns = [
        words("Held out"),
        numbers("Seed"),
        words("Chosen"),
        numbers("Inner score %"),
        numbers("Lowest tried %"),
    ];
    table.write(h, &columns, |h| {
        for (fold, search) in &searches {
            let Some(chosen) = search.tried.get(search.chosen) else {
                continue;
            };
            let lowest = search
                .tried
                .iter()
                .map(|tried| tried.score)
                .fold(f64::INFINITY, f64::min);
            h.raw("<tr>");
            row_head(h, &fold.name);
            number(h, fold.seed.to_string(), fold.seed as f64);
            cell(h, chosen.describe());
            for score in [chosen.score, lowest] {
                number(h, percent(score), score);
            }
            h.raw("</tr>");
        }
    });
}
