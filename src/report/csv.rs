//! The figures as CSV: UTF-8, RFC 4180, every number with all its digits.

use crate::error::{Error, Result};
use crate::evaluation::Scores;

use super::csv_uncertainty as sure;
use super::data::{ExperimentSection, PipelineReport};

/// File names and contents, in a fixed order.
pub(super) fn files(report: &PipelineReport) -> Result<[(&'static str, Vec<u8>); 10]> {
    Ok([
        ("metrics.csv", metrics(report)?),
        ("confusion.csv", confusion(report)?),
        ("predictions.csv", predictions(report)?),
        ("folds.csv", folds(report)?),
        ("history.csv", history(report)?),
        ("leakage.csv", leakage(report)?),
        ("duplicates.csv", duplicates(report)?),
        ("breakdown.csv", sure::breakdown(report)?),
        ("calibration.csv", sure::calibration(report)?),
        ("comparisons.csv", sure::comparisons(report)?),
    ])
}

pub(super) struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    pub(super) fn new(header: &[&str]) -> Result<Self> {
        let mut sheet = Sheet(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new()));
        sheet.row(header)?;
        Ok(sheet)
    }

    pub(super) fn row<T: AsRef<[u8]>>(&mut self, fields: impl IntoIterator<Item = T>) -> Result<()> {
        self.0.write_record(fields).map_err(|e| Error::internal("failed to write a row of a CSV file").because(e))
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(|e| Error::internal("failed to finish a CSV file").because(e.into_error()))
    }
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
        Scope { name, fold: String::new(), fold_name: "", seed: String::new() }
    }
}

/// Long form: one figure a row. `scope` is pooled, ensemble (mean probability of the seeds), vote (their majority), mean, sd (over folds and
/// seeds), folds-mean, folds-sd, seeds-mean, seeds-sd, seed (all folds of one) or fold; `class` is empty for whole-set figures.
fn metrics(report: &PipelineReport) -> Result<Vec<u8>> {
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
        for (name, scores) in [("pooled", &experiment.pooled), ("ensemble", &experiment.ensemble), ("vote", &experiment.uncertainty.vote)] {
            if let Some(scores) = scores {
                score_rows(&mut sheet, experiment, &Scope::whole(name), scores)?;
            }
        }
        for (metric, spread) in &experiment.spread {
            for (name, value) in [("mean", spread.mean), ("sd", spread.sd)] {
                metric_row(&mut sheet, experiment, &Scope::whole(name), ("", "", metric, value))?;
            }
        }
        sure::metrics(&mut sheet, experiment)?;
        for fold in &experiment.folds {
            let scope = Scope { name: "fold", fold: fold.fold.to_string(), fold_name: &fold.name, seed: fold.seed.to_string() };
            score_rows(&mut sheet, experiment, &scope, &fold.scores)?;
        }
    }
    sheet.finish()
}

fn score_rows(sheet: &mut Sheet, experiment: &ExperimentSection, scope: &Scope, scores: &Scores) -> Result<()> {
    let n = scores.n.to_string();
    for (metric, value) in [("accuracy", scores.accuracy), ("uar", scores.uar), ("macro_f1", scores.macro_f1)] {
        metric_row(sheet, experiment, scope, (&n, "", metric, value))?;
    }
    for class in &scores.per_class {
        let n = class.support.to_string();
        for (metric, value) in [("precision", class.precision), ("recall", class.recall), ("f1", class.f1)] {
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
    let independent = experiment.speaker_independent.to_string();
    let value = value.to_string();
    sheet.row([
        &experiment.name,
        &experiment.protocol,
        &independent,
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
fn confusion(report: &PipelineReport) -> Result<Vec<u8>> {
    let mut sheet = Sheet::new(&["experiment", "protocol", "scope", "truth", "predicted", "count", "row_share"])?;
    for experiment in &report.experiments {
        for (scope, scores) in [("pooled", &experiment.pooled), ("ensemble", &experiment.ensemble)] {
            let Some(matrix) = scores.as_ref().map(|s| &s.confusion) else { continue };
            for (truth, row) in matrix.labels.iter().zip(&matrix.counts) {
                let total: u64 = row.iter().sum();
                for (predicted, &n) in matrix.labels.iter().zip(row) {
                    let share = if total == 0 { 0.0 } else { n as f64 / total as f64 };
                    let (n, share) = (n.to_string(), share.to_string());
                    sheet.row([&experiment.name, &experiment.protocol, scope, truth, predicted, &n, &share])?;
                }
            }
        }
    }
    sheet.finish()
}

/// Every prediction. The probability columns are the classes of all experiments, in order of first appearance.
fn predictions(report: &PipelineReport) -> Result<Vec<u8>> {
    let mut classes: Vec<&str> = Vec::new();
    for label in report.experiments.iter().flat_map(|e| &e.labels) {
        if !classes.contains(&label.as_str()) {
            classes.push(label);
        }
    }
    let mut header: Vec<String> =
        ["experiment", "protocol", "fold", "seed", "utterance_id", "path", "speaker", "truth", "predicted", "correct"]
            .map(str::to_owned)
            .to_vec();
    header.extend(classes.iter().map(|class| format!("prob_{class}")));
    let mut sheet = Sheet::new(&header.iter().map(String::as_str).collect::<Vec<_>>())?;
    for experiment in &report.experiments {
        let places: Vec<Option<usize>> = classes.iter().map(|class| experiment.labels.iter().position(|label| label == class)).collect();
        for line in &experiment.predictions {
            let mut row = vec![
                experiment.name.clone(),
                experiment.protocol.clone(),
                line.fold.to_string(),
                line.seed.to_string(),
                line.utterance_id.clone(),
                line.path.clone(),
                line.speaker.clone(),
                line.truth.clone(),
                line.predicted.clone(),
                (line.truth == line.predicted).to_string(),
            ];
            row.extend(places.iter().map(|place| place.and_then(|i| line.probabilities.get(i)).map(f32::to_string).unwrap_or_default()));
            sheet.row(row)?;
        }
    }
    sheet.finish()
}

/// One row a trained fold.
fn folds(report: &PipelineReport) -> Result<Vec<u8>> {
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
    sheet.finish()
}

/// One row a fold and kind: what its test part shares with what the model was trained or chosen on.
fn leakage(report: &PipelineReport) -> Result<Vec<u8>> {
    let mut sheet = Sheet::new(&["experiment", "protocol", "fold", "kind", "test_units", "shared_units"])?;
    for experiment in &report.experiments {
        for line in &experiment.leakage {
            let (fold, tested, shared) = (line.fold.to_string(), line.test_units.to_string(), line.shared_units.to_string());
            sheet.row([&experiment.name, &experiment.protocol, &fold, &line.kind, &tested, &shared])?;
        }
    }
    sheet.finish()
}

/// One row a pair: of recordings with the same samples, the first with each other; of versions of one recording, all that were found.
fn duplicates(report: &PipelineReport) -> Result<Vec<u8>> {
    let mut sheet = Sheet::new(&["utterance_a", "utterance_b", "kind", "similarity", "lag_s"])?;
    let Some(corpus) = &report.corpus else { return sheet.finish() };
    for group in &corpus.duplicates {
        let Some((first, others)) = group.split_first() else { continue };
        for other in others {
            sheet.row([first.as_str(), other, "exact", "1", "0"])?;
        }
    }
    for pair in &corpus.near_duplicates {
        let (similarity, lag) = (pair.similarity.to_string(), pair.lag_s.to_string());
        sheet.row([pair.a.as_str(), &pair.b, "near", &similarity, &lag])?;
    }
    sheet.finish()
}

/// One row an epoch; empty fields where nothing watched the training.
fn history(report: &PipelineReport) -> Result<Vec<u8>> {
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
    sheet.finish()
}
