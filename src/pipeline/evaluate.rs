//! The evaluate stage: the predictions of all folds and seeds of an experiment as tables and figures.

use std::collections::{BTreeMap, BTreeSet};

use super::ingest::{from_json, to_json};
use super::split::Folds;
use super::train::{FOLD, FoldFile, PREDICTIONS};
use crate::config::Experiment;
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::{Scores, Spread};
use crate::files::write_atomically;
use crate::orchestrator::{Context, Finished};
use crate::report::{EpochLine, ExperimentSection, FoldSection, PredictionLine};
use crate::table::{self, metrics::MetricRow, predictions::PredictionRow, summary};

/// Figures by fold, seed and metric within the task's folder.
pub(super) const METRICS: &str = "metrics.parquet";
/// The experiment's section of the report.
pub(super) const SECTION: &str = "section.json";

/// Id of an evaluation.
pub(super) fn id(experiment: &Experiment) -> String {
    format!("evaluate/{}", experiment.name)
}

/// Brings the trained folds of an experiment together.
pub(super) fn evaluate(
    experiment: &Experiment,
    utterances: &[Utterance],
    folds: &Folds,
    trained: &[Finished],
    context: &Context,
) -> Result<()> {
    let mut labels: Vec<String> = Vec::new();
    let mut rows: Vec<PredictionRow> = Vec::new();
    let mut sections = Vec::new();
    let mut metrics = Vec::new();
    let mut shared = folds.about.remarks();
    let mut said = BTreeSet::new();
    for finished in trained {
        let file: FoldFile = from_json(&finished.path(FOLD))?;
        let (found, predictions, _) = table::predictions::read(&finished.path(PREDICTIONS))?;
        if labels.is_empty() {
            labels = found;
        } else if labels != found {
            return Err(Error::internal("two folds of one experiment have different classes"));
        }
        let scores = score(&labels, pairs(&predictions))?;
        for (metric, value) in scores.metrics() {
            metrics.push(MetricRow {
                experiment: experiment.name.clone(),
                protocol: experiment.protocol.name(),
                fold: Some(file.fold),
                seed: Some(file.seed),
                metric: metric.to_owned(),
                value,
            });
        }
        shared.extend(file.warnings.iter().map(|w| format!("fold {}: {w}", file.fold)).filter(|line| said.insert(line.clone())));
        sections.push(FoldSection {
            fold: file.fold,
            name: file.name,
            seed: file.seed,
            n_train: file.n_train,
            n_augmented: file.n_augmented,
            n_validation: file.n_validation,
            n_test: file.n_test,
            scores,
            best_epoch: file.best_epoch,
            history: file.history.iter().map(EpochLine::from).collect(),
        });
        rows.extend(predictions);
    }
    let pooled = score(&labels, pairs(&rows))?;
    let spread: BTreeMap<String, Spread> =
        summary::spreads(&metrics)?.into_iter().map(|line| (line.metric, Spread { mean: line.mean, sd: line.sd })).collect();
    let ensemble = if experiment.seeds.len() > 1 {
        let ensembled = summary::ensemble(&labels, &rows)?;
        Some(score(&labels, ensembled.iter().map(|r| (&r.truth, &r.predicted)))?)
    } else {
        None
    };
    for (metric, value) in pooled.metrics() {
        metrics.push(MetricRow {
            experiment: experiment.name.clone(),
            protocol: experiment.protocol.name(),
            fold: None,
            seed: None,
            metric: format!("pooled_{metric}"),
            value,
        });
    }
    let known: BTreeMap<&str, &Utterance> = utterances.iter().map(|u| (u.source.id.as_str(), u)).collect();
    let predictions = rows
        .iter()
        .map(|row| {
            let source = known.get(row.utterance_id.as_str()).map(|u| &u.source);
            PredictionLine {
                utterance_id: row.utterance_id.clone(),
                path: source.map(|s| s.path.clone()).unwrap_or_default(),
                speaker: source.map(|s| s.speaker.clone()).unwrap_or_default(),
                fold: row.fold,
                seed: row.seed,
                truth: row.truth.clone(),
                predicted: row.predicted.clone(),
                probabilities: row.probabilities.clone(),
            }
        })
        .collect();
    let section = ExperimentSection {
        name: experiment.name.clone(),
        title: experiment.title.clone(),
        protocol: experiment.protocol.name(),
        model: experiment.describe(),
        speaker_independent: folds.about.speaker_independent,
        shared,
        failed: None,
        labels: labels.clone(),
        pooled: Some(pooled),
        spread,
        ensemble,
        folds: sections,
        predictions,
    };
    table::predictions::write(&context.folder.join(PREDICTIONS), &labels, &rows, &table::Meta::new())?;
    table::metrics::write(&context.folder.join(METRICS), &metrics, &table::Meta::new())?;
    write_atomically(&context.folder.join(SECTION), &to_json(&section)?)
}

fn pairs(rows: &[PredictionRow]) -> impl Iterator<Item = (&String, &String)> {
    rows.iter().map(|r| (&r.truth, &r.predicted))
}

/// Scores of pairs of truth and prediction.
fn score<'a>(labels: &[String], pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Result<Scores> {
    let index = |label: &String| {
        labels.iter().position(|l| l == label).ok_or_else(|| Error::data(format!("a prediction names the unknown class {label}")))
    };
    let (mut truth, mut predicted) = (vec![], vec![]);
    for (t, p) in pairs {
        truth.push(index(t)?);
        predicted.push(index(p)?);
    }
    Ok(Scores::of(labels, &truth, &predicted))
}

impl From<&crate::model::EpochRecord> for EpochLine {
    fn from(epoch: &crate::model::EpochRecord) -> EpochLine {
        EpochLine {
            epoch: epoch.epoch,
            train_loss: epoch.train_loss,
            train_accuracy: epoch.train_accuracy,
            validation_loss: epoch.validation_loss,
            validation_accuracy: epoch.validation_accuracy,
        }
    }
}

/// The section of an experiment that could not be finished.
pub(super) fn failed_section(experiment: &Experiment, folds: Option<&Folds>, why: String) -> ExperimentSection {
    ExperimentSection {
        name: experiment.name.clone(),
        title: experiment.title.clone(),
        protocol: experiment.protocol.name(),
        model: experiment.describe(),
        speaker_independent: folds.is_some_and(|f| f.about.speaker_independent),
        shared: folds.map(|f| f.about.remarks()).unwrap_or_default(),
        failed: Some(why),
        labels: vec![],
        pooled: None,
        spread: BTreeMap::new(),
        ensemble: None,
        folds: vec![],
        predictions: vec![],
    }
}
