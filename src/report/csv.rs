//! The figures as CSV: UTF-8, RFC 4180, every number with all its digits.

use crate::error::Result;
use crate::evaluation::Scores;

use super::csv_uncertainty as sure;
use super::csv_wide as wide;
use super::data::{ExperimentSection, PipelineReport};
use super::pools;
use super::sheet::Sheet;

/// Names of the tables, in the order in which they are written.
pub const TABLES: [&str; 16] = [
    "results",
    "corpus",
    "features",
    "explain",
    "set-aside",
    "metrics",
    "confusion",
    "predictions",
    "folds",
    "history",
    "leakage",
    "duplicates",
    "breakdown",
    "calibration",
    "comparisons",
    "restricted-pools",
];

/// A file of the report: its name and its bytes.
pub(super) type File = (String, Vec<u8>);

/// What stands beside the page: each table as CSV, and as Markdown where it is short; in a fixed
/// order.
pub(super) fn files(report: &PipelineReport) -> Result<Vec<File>> {
    let sheets = [
        wide::results(report)?,
        wide::corpus(report)?,
        wide::features(report)?,
        wide::explain(report)?,
        wide::set_aside(report)?,
        metrics(report)?,
        confusion(report)?,
        predictions(report)?,
        folds(report)?,
        history(report)?,
        leakage(report)?,
        duplicates(report)?,
        sure::breakdown(report)?,
        sure::calibration(report)?,
        sure::comparisons(report)?,
        pools::sheet(report)?,
    ];
    let mut files = Vec::new();
    for (name, sheet) in TABLES.into_iter().zip(sheets) {
        let (csv, markdown) = sheet.finish()?;
        files.push((format!("{name}.csv"), csv));
        files.extend(markdown.map(|markdown| (format!("{name}.md"), markdown)));
    }
    Ok(files)
}

/// Where a figure was taken.
pub(super) struct Scope<'a> {
    pub name: &'a str,
    pub fold: String,
    pub fold_name: &'a str,
    pub seed: String,
}

impl<'a> Scope<'a> {
    pub(super) fn whole(name: &'a str) -> Self {
        Scope {
            name,
            fold: String::new(),
            fold_name: "",
            seed: String::new(),
        }
    }
}

/// Long form: one figure a row. `scope` is pooled, ensemble (mean probability of the seeds), vote
/// (their majority), mean, sd (over folds and seeds), folds-mean, folds-sd, seeds-mean, seeds-sd,
/// seed (all folds of one), fold or, of windows, utterances (mean probability of the windows of
/// each); `class` is empty for whole-set figures.
fn metrics(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "speaker_independent",
        "scope",
        "fold",
        "fold_name",
        "seed",
        "n",
        "class",
        "metric",
        "value",
    ])?;
    for experiment in &report.experiments {
        for (name, scores) in [
            ("pooled", &experiment.pooled),
            ("ensemble", &experiment.ensemble),
            ("vote", &experiment.uncertainty.vote),
        ] {
            if let Some(scores) = scores {
                score_rows(&mut sheet, experiment, &Scope::whole(name), scores)?;
            }
        }
        for (metric, spread) in &experiment.spread {
            for (name, value) in [("mean", spread.mean), ("sd", spread.sd)]
                .into_iter()
                .take(experiment.folds.len().min(2))
            {
                metric_row(
                    &mut sheet,
                    experiment,
                    &Scope::whole(name),
                    ("", "", metric, value),
                )?;
            }
        }
        sure::metrics(&mut sheet, experiment)?;
        for (metric, value) in experiment.windows.iter().flat_map(|of| &of.figures) {
            metric_row(
                &mut sheet,
                experiment,
                &Scope::whole("utterances"),
                ("", "", metric, *value),
            )?;
        }
        for fold in &experiment.folds {
            let scope = Scope {
                name: "fold",
                fold: fold.fold.to_string(),
                fold_name: &fold.name,
                seed: fold.seed.to_string(),
            };
            score_rows(&mut sheet, experiment, &scope, &fold.scores)?;
        }
    }
    Ok(sheet)
}

fn score_rows(
    sheet: &mut Sheet,
    experiment: &ExperimentSection,
    scope: &Scope,
    scores: &Scores,
) -> Result<()> {
    let n = scores.n.to_string();
    for (metric, value) in [
        ("accuracy", scores.accuracy),
        ("uar", scores.uar),
        ("macro_f1", scores.macro_f1),
    ] {
        metric_row(sheet, experiment, scope, (&n, "", metric, value))?;
    }
    for class in &scores.per_class {
        let n = class.support.to_string();
        for (metric, value) in [
            ("precision", class.precision),
            ("recall", class.recall),
            ("f1", class.f1),
        ] {
            metric_row(sheet, experiment, scope, (&n, &class.label, metric, value))?;
        }
    }
    Ok(())
}

pub(super) fn metric_row(
    sheet: &mut Sheet,
    experiment: &ExperimentSection,
    scope: &Scope,
    (n, class, metric, value): (&str, &str, &str, f64),
) -> Result<()> {
    let independent = experiment.speakers.independence().name();
    let value = value.to_string();
    sheet.row([
        &experiment.name,
        &experiment.protocol,
        independent,
        scope.name,
        &scope.fold,
        scope.fold_name,
        &scope.seed,
        n,
        class,
        metric,
        &value,
    ])
}

/// Counts of truth against prediction, pooled over folds and seeds, and of the ensemble over seeds.
fn confusion(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "scope",
        "truth",
        "predicted",
        "count",
        "row_share",
    ])?;
    for experiment in &report.experiments {
        for (scope, scores) in [
            ("pooled", &experiment.pooled),
            ("ensemble", &experiment.ensemble),
        ] {
            let Some(matrix) = scores.as_ref().map(|s| &s.confusion) else {
                continue;
            };
            for (truth, row) in matrix.labels.iter().zip(&matrix.counts) {
                let total: u64 = row.iter().sum();
                for (predicted, &n) in matrix.labels.iter().zip(row) {
                    let share = if total == 0 {
                        0.0
                    } else {
                        n as f64 / total as f64
                    };
                    let (n, share) = (n.to_string(), share.to_string());
                    sheet.row([
                        &experiment.name,
                        &experiment.protocol,
                        scope,
                        truth,
                        predicted,
                        &n,
                        &share,
                    ])?;
                }
            }
        }
    }
    Ok(sheet)
}

/// Every prediction. The probability columns are the classes of all experiments, in order of first
/// appearance.
fn predictions(report: &PipelineReport) -> Result<Sheet> {
    let mut classes: Vec<&str> = Vec::new();
    for label in report.experiments.iter().flat_map(|e| &e.labels) {
        if !classes.contains(&label.as_str()) {
            classes.push(label);
        }
    }
    let mut header: Vec<String> = [
        "experiment",
        "protocol",
        "fold",
        "seed",
        "utterance_id",
        "path",
        "speaker",
        "truth",
        "predicted",
        "correct",
    ]
    .map(str::to_owned)
    .to_vec();
    header.extend(classes.iter().map(|class| format!("prob_{class}")));
    let mut sheet = Sheet::new(&header.iter().map(String::as_str).collect::<Vec<_>>())?;
    for experiment in &report.experiments {
        let places: Vec<Option<usize>> = classes
            .iter()
            .map(|class| experiment.labels.iter().position(|label| label == class))
            .collect();
        for tested in &experiment.predictions {
            let line = &tested.prediction;
            let mut row = vec![
                experiment.name.clone(),
                experiment.protocol.clone(),
                line.fold.to_string(),
                line.seed.to_string(),
                line.utterance_id.clone(),
                tested.path.clone(),
                tested.speaker.clone(),
                line.truth.clone(),
                line.predicted.clone(),
                (line.truth == line.predicted).to_string(),
            ];
            row.extend(places.iter().map(|place| {
                place
                    .and_then(|i| line.probabilities.get(i))
                    .map(f32::to_string)
                    .unwrap_or_default()
            }));
            sheet.row(row)?;
        }
    }
    Ok(sheet)
}

/// One row a trained fold.
fn folds(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "fold",
        "fold_name",
        "seed",
        "n_train",
        "n_validation",
        "n_test",
        "accuracy",
        "uar",
        "macro_f1",
        "best_epoch",
        "epochs",
    ])?;
    for experiment in &report.experiments {
        for fold in &experiment.folds {
            sheet.row([
                experiment.name.clone(),
                experiment.protocol.clone(),
                fold.fold.to_string(),
                fold.name.clone(),
                fold.seed.to_string(),
                fold.n_train.to_string(),
                fold.n_validation.to_string(),
                fold.n_test.to_string(),
                fold.scores.accuracy.to_string(),
                fold.scores.uar.to_string(),
                fold.scores.macro_f1.to_string(),
                fold.best_epoch.map(|e| e.to_string()).unwrap_or_default(),
                fold.history.len().to_string(),
            ])?;
        }
    }
    Ok(sheet)
}

/// One row a fold and kind: what its test part shares with what the model was trained or chosen on.
fn leakage(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "fold",
        "kind",
        "test_units",
        "shared_units",
    ])?;
    for experiment in &report.experiments {
        for line in &experiment.leakage {
            let (fold, tested, shared) = (
                line.fold.to_string(),
                line.test_units.to_string(),
                line.shared_units.to_string(),
            );
            sheet.row([
                &experiment.name,
                &experiment.protocol,
                &fold,
                &line.kind,
                &tested,
                &shared,
            ])?;
        }
    }
    Ok(sheet)
}

/// One row a pair: of recordings with the same samples, the first with each other; of versions of
/// one recording, all that were found.
fn duplicates(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&["utterance_a", "utterance_b", "kind", "similarity", "lag_s"])?;
    let Some(corpus) = &report.corpus else {
        return Ok(sheet);
    };
    for group in &corpus.duplicates {
        let Some((first, others)) = group.split_first() else {
            continue;
        };
        for other in others {
            sheet.row([first.as_str(), other, "exact", "1", "0"])?;
        }
    }
    for pair in &corpus.near_duplicates {
        let (similarity, lag) = (pair.similarity.to_string(), pair.lag_s.to_string());
        sheet.row([
            pair.utterance_a.as_str(),
            &pair.utterance_b,
            "near",
            &similarity,
            &lag,
        ])?;
    }
    Ok(sheet)
}

/// One row an epoch; empty fields where nothing watched the training.
fn history(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "fold",
        "seed",
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ])?;
    let optional = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    for experiment in &report.experiments {
        for fold in &experiment.folds {
            for line in &fold.history {
                sheet.row([
                    experiment.name.clone(),
                    experiment.protocol.clone(),
                    fold.fold.to_string(),
                    fold.seed.to_string(),
                    line.epoch.to_string(),
                    line.train_loss.to_string(),
                    line.train_accuracy.to_string(),
                    optional(line.validation_loss),
                    optional(line.validation_accuracy),
                ])?;
            }
        }
    }
    Ok(sheet)
}
