//! The evaluate stage: the predictions of all folds and seeds of an experiment as tables and
//! figures.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::figures::{figure, of_fold, pairs, score, whole};
use super::fit::in_words;
use super::folds::Folds;
use super::pools::{self, RESTRICTED};
use super::train::{FOLD, FoldFile, PREDICTIONS};
use super::windows::Unit;
use crate::config::Experiment;
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::{Scores, Spread, Uncertainty, argmax, vote};
use crate::files::{from_json, to_json, write_atomically};
use crate::orchestrator::{Context, Finished};
use crate::report::{ExperimentSection, FoldSection, OfWindows};
use crate::split::{Fold, Protocol, TestSpeakers};
use crate::table::{self, metrics::MetricRow, predictions::PredictionRow, summary};
use crate::transform::BALANCED_SPEAKERS;

/// Figures by fold, seed and metric within the task's folder.
pub(super) const METRICS: &str = "metrics.parquet";
/// The experiment's section of the report; of several directions, one each.
pub(super) const SECTIONS: &str = "sections.json";

/// What must be known of a result that was reached with a look at clips of test speakers.
pub(super) fn transductive() -> String {
    format!(
        "transductive: every speaker's features were scaled by all of their clips, the tested ones among them, though without their labels; \
         a model cannot do so for a speaker whom it hears for the first time, and the figures hold only if {BALANCED_SPEAKERS}"
    )
}

/// Brings the trained folds of an experiment together.
pub(super) fn evaluate(
    experiment: &Experiment,
    utterances: &[Utterance],
    unit: Unit,
    folds: &Folds,
    trained: &[Finished],
    restricted: Option<Vec<PredictionRow>>,
    context: &Context,
) -> Result<()> {
    let files = trained
        .iter()
        .map(|finished| from_json(&finished.path(FOLD)))
        .collect::<Result<Vec<FoldFile>>>()?;
    let parts = folds.together(experiment);
    let parts = parts.into_iter().map(|folds| {
        let trained = trained
            .iter()
            .zip(&files)
            .filter(|(_, file)| folds.has(file.section.fold));
        let restricted = restricted.as_deref().map(|rows| {
            rows.iter()
                .filter(|row| folds.has(row.fold))
                .cloned()
                .collect()
        });
        Ok((found(experiment, unit, trained, restricted)?, folds))
    });
    conclude(
        experiment,
        utterances,
        parts.collect::<Result<Vec<_>>>()?,
        context,
    )
}

/// Brings some trained folds of an experiment together.
fn found<'t>(
    experiment: &Experiment,
    unit: Unit,
    trained: impl Iterator<Item = (&'t Finished, &'t FoldFile)>,
    restricted: Option<Vec<PredictionRow>>,
) -> Result<Found> {
    let mut labels: Vec<String> = Vec::new();
    let mut rows: Vec<PredictionRow> = Vec::new();
    let mut sections = Vec::new();
    let mut metrics = Vec::new();
    let mut remarks = Vec::new();
    if experiment.is_transductive() {
        remarks.push(transductive());
    }
    remarks.extend(experiment.unused_validation());
    let (mut estimates, mut reconciled, mut chosen) = (true, 0, Vec::new());
    let mut said: Vec<(String, BTreeSet<u32>)> = Vec::new();
    let (mut variance_ratios, mut shares) = (Vec::new(), Vec::new());
    for (finished, file) in trained {
        let FoldFile {
            mut section,
            warnings,
            estimates: estimated,
            reconciled: changed,
            variance_ratios: ratios,
            layer_shares,
        } = file.clone();
        let (found, predictions, _) = table::predictions::read(&finished.path(PREDICTIONS))?;
        if predictions
            .iter()
            .any(|row| row.probabilities.iter().any(|p| !p.is_finite()))
        {
            return Err(Error::data(format!(
                "{} gave probabilities that are not finite numbers",
                finished.task
            ))
            .hint("scale the inputs, or train with a lower learning rate"));
        }
        if labels.is_empty() {
            labels = found;
        } else if labels != found {
            return Err(Error::internal(
                "two folds of one experiment have different classes",
            ));
        }
        section.scores = score(&labels, pairs(&predictions))?;
        metrics.extend(of_fold(
            experiment,
            section.fold,
            section.seed,
            &section.scores,
        ));
        estimates &= estimated;
        reconciled += changed;
        chosen.extend(
            section
                .search
                .as_ref()
                .and_then(|search| Some(search.tried.get(search.chosen)?.settings.clone())),
        );
        for warning in warnings {
            match said.iter_mut().find(|(text, _)| *text == warning) {
                Some((_, folds)) => {
                    folds.insert(section.fold);
                }
                None => said.push((warning, BTreeSet::from([section.fold]))),
            }
        }
        variance_ratios.push(ratios);
        shares.push(layer_shares);
        sections.push(section);
        rows.extend(predictions);
    }
    if reconciled > 0 {
        let averaged = if experiment.test_time_augment.is_empty() {
            ""
        } else {
            ", before those of the changed copies were averaged with them"
        };
        remarks.push(format!(
            "probabilities: in {reconciled} of {} predictions they named another class than the decision function of the support vector \
             machine, and were changed as little as possible so that its class has the highest{averaged}",
            rows.len()
        ));
    }
    remarks.extend(unsettled(&variance_ratios));
    remarks.extend(said.into_iter().map(|(text, folds)| {
        let numbers: Vec<String> = folds.iter().map(u32::to_string).collect();
        format!(
            "fold{} {}: {text}",
            if folds.len() == 1 { "" } else { "s" },
            numbers.join(", ")
        )
    }));
    Ok(Found {
        labels,
        rows,
        unit,
        restricted,
        folds: sections,
        metrics,
        remarks,
        estimates,
        model: experiment.describe_chosen(&chosen) + &mean_shares(&shares),
    })
}

/// The shares of an encoder's layers in words, over all trainings; empty where none were learned.
fn mean_shares(shares: &[Vec<f32>]) -> String {
    let Some(first) = shares.first().filter(|first| !first.is_empty()) else {
        return String::new();
    };
    let mut mean = vec![0.0f32; first.len()];
    for shares in shares {
        for (sum, share) in mean.iter_mut().zip(shares) {
            *sum += share;
        }
    }
    let count = shares.len() as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    format!(", mean shares of the layers: {}", in_words(&mean))
}

/// What must be known of networks whose moving averages are far from what they average: the factor
/// between the variances, by layer, of each training; none where others were applied.
fn unsettled(variance_ratios: &[Vec<f64>]) -> Option<String> {
    const FAR: f64 = 1.5;
    let worst = |ratios: &Vec<f64>| {
        ratios
            .iter()
            .map(|ratio| ratio.max(1.0 / ratio))
            .fold(1.0, f64::max)
    };
    let mut factors: Vec<f64> = variance_ratios
        .iter()
        .map(worst)
        .filter(|factor| *factor > FAR)
        .collect();
    factors.sort_by(f64::total_cmp);
    let typical = factors.get(factors.len() / 2)?;
    Some(format!(
        "batch normalisation applies moving averages that have not settled: in {} of {} trainings the variances of a layer are off those over \
         the training part by a factor of {FAR} or more, typically {typical:.1}. The figures are those of the averages rather than of the network: \
         train longer, or with batch_norm = \"population\"",
        factors.len(),
        variance_ratios.len()
    ))
}

/// The predictions of an experiment with what is known of each fold.
pub(super) struct Found {
    pub labels: Vec<String>,
    pub rows: Vec<PredictionRow>,
    pub unit: Unit,
    /// Predictions with restricted pools, where they were asked for.
    pub restricted: Option<Vec<PredictionRow>>,
    pub folds: Vec<FoldSection>,
    /// By fold and seed.
    pub metrics: Vec<MetricRow>,
    pub remarks: Vec<String>,
    /// Whether all values by class estimate probabilities, so that a calibration error means
    /// something.
    pub estimates: bool,
    /// The model in words.
    pub model: String,
}

/// Figures over all folds and seeds of each part, and the outputs of the task.
pub(super) fn conclude(
    experiment: &Experiment,
    utterances: &[Utterance],
    parts: Vec<(Found, Cow<'_, Folds>)>,
    context: &Context,
) -> Result<()> {
    let (mut labels, mut rows, mut restricted) = (Vec::new(), Vec::new(), Vec::new());
    let (mut metrics, mut sections, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    for (found, folds) in parts {
        labels.clone_from(&found.labels);
        rows.extend_from_slice(&found.rows);
        restricted.extend(found.restricted.clone());
        metrics.extend_from_slice(&found.metrics);
        let (section, of_part) = summarise(experiment, utterances, &folds, found)?;
        sections.push(section);
        figures.extend(of_part);
    }
    metrics.extend(figures);
    table::predictions::write(
        &context.folder.join(PREDICTIONS),
        &labels,
        &rows,
        &table::Meta::new(),
    )?;
    if !restricted.is_empty() {
        table::predictions::write(
            &context.folder.join(RESTRICTED),
            &labels,
            &restricted.concat(),
            &table::Meta::new(),
        )?;
    }
    table::metrics::write(&context.folder.join(METRICS), &metrics, &table::Meta::new())?;
    write_atomically(&context.folder.join(SECTIONS), &to_json(&sections)?)
}

/// The section of a whole experiment, or of one direction between corpora, and the figures over its
/// folds and seeds.
fn summarise(
    experiment: &Experiment,
    utterances: &[Utterance],
    folds: &Folds,
    found: Found,
) -> Result<(ExperimentSection, Vec<MetricRow>)> {
    let direction = folds
        .folds
        .first()
        .filter(|_| experiment.protocol == Protocol::CrossCorpus);
    let Found {
        labels,
        rows,
        unit,
        restricted,
        folds: sections,
        metrics,
        mut remarks,
        estimates,
        model,
    } = found;
    let pooled = score(&labels, pairs(&rows))?;
    let spread: BTreeMap<String, Spread> = summary::spreads(&metrics)?
        .into_iter()
        .map(|line| {
            (
                line.metric,
                Spread {
                    mean: line.mean,
                    sd: line.sd,
                },
            )
        })
        .collect();
    let ensemble = if experiment.seeds.len() > 1 {
        let ensembled = summary::ensemble(&labels, &rows)?;
        Some(score(
            &labels,
            ensembled.iter().map(|r| (&r.truth, &r.predicted)),
        )?)
    } else {
        None
    };
    let (whole_utterances, places) = unit.whole(utterances);
    // Windows of one utterance are drawn together.
    let drawn = utterances
        .iter()
        .zip(places)
        .map(|(u, place)| (u.source.id.as_str(), &whole_utterances[place].source))
        .collect();
    let mut uncertainty = Uncertainty::of(&labels, &rows, &drawn)?;
    if !estimates {
        (uncertainty.calibration, uncertainty.ensemble_calibration) = (None, None);
    }
    let mut figures = whole(
        experiment,
        direction.map(|fold| fold.index),
        folds.folds.len(),
        &pooled,
        ensemble.as_ref(),
        &uncertainty,
    );
    let mut windows = None;
    if let (Some(what), Some(one)) = (unit.describe(), unit.0) {
        let (utterances, scores) = by_utterance(&labels, &rows, unit)?;
        let by_metric = scores
            .metrics()
            .into_iter()
            .map(|(metric, value)| (metric.to_owned(), value))
            .collect();
        windows = Some(OfWindows {
            windows: one,
            utterances,
            figures: by_metric,
        });
        let at = (direction.map(|fold| fold.index), None);
        let of_utterances = scores.metrics().into_iter();
        figures.extend(
            of_utterances
                .map(|(metric, value)| figure(experiment, at, "utterances", metric, value)),
        );
        let seeds = if experiment.seeds.len() > 1 {
            ", each seed for itself"
        } else {
            ""
        };
        let (wa, uar) = (scores.accuracy * 100.0, scores.uar * 100.0);
        remarks.push(format!(
            "a row is a window, not an utterance ({what}): figures count windows. By the mean probability of the windows of each of the {utterances} \
             tested utterances{seeds}, accuracy (WA) is {wa:.1} % and UAR {uar:.1} %"
        ));
    }
    let section = ExperimentSection {
        pooled: Some(pooled),
        model,
        remarks,
        windows,
        labels: labels.clone(),
        spread,
        ensemble,
        uncertainty,
        restricted_pools: restricted
            .as_ref()
            .map(|restricted| pools::figures(&labels, &rows, restricted))
            .unwrap_or_default(),
        folds: sections,
        ..empty_section(experiment, Some(folds))
    };
    Ok((
        if let Some(fold) = direction {
            directed(section, fold)
        } else {
            section
        },
        figures,
    ))
}

/// The section as that of one direction.
fn directed(section: ExperimentSection, fold: &Fold) -> ExperimentSection {
    let tested = fold.name.strip_prefix("corpus ").unwrap_or(&fold.name);
    ExperimentSection {
        name: format!("{}-on-{tested}", section.name),
        direction_of: Some(section.name),
        protocol: format!("{}, tested on {tested}", section.protocol),
        ..section
    }
}

/// How many utterances the windows were cut from, and the scores of the mean probability of each
/// one's windows, fold by fold and seed by seed.
fn by_utterance(labels: &[String], rows: &[PredictionRow], unit: Unit) -> Result<(usize, Scores)> {
    let means = of_utterances(labels, rows, unit);
    let utterances = means
        .iter()
        .map(|row| row.utterance_id.as_str())
        .collect::<BTreeSet<_>>()
        .len();
    Ok((utterances, score(labels, pairs(&means))?))
}

/// For each utterance, fold and seed a prediction by the mean probability of its windows; of whole
/// utterances, the predictions themselves.
pub(super) fn of_utterances(
    labels: &[String],
    rows: &[PredictionRow],
    unit: Unit,
) -> Vec<PredictionRow> {
    if !unit.are_windows() {
        return rows.to_vec();
    }
    let mut whole: BTreeMap<(&str, u32, u64), Vec<&PredictionRow>> = BTreeMap::new();
    for row in rows {
        whole
            .entry((unit.id(&row.utterance_id), row.fold, row.seed))
            .or_default()
            .push(row);
    }
    let mean = |((id, ..), rows): ((&str, u32, u64), Vec<&PredictionRow>)| {
        let probabilities = vote::mean(
            &rows
                .iter()
                .map(|row| row.probabilities.as_slice())
                .collect::<Vec<_>>(),
            None,
        );
        let predicted = labels
            .get(argmax(&probabilities))
            .cloned()
            .unwrap_or_default();
        PredictionRow {
            utterance_id: id.to_owned(),
            predicted,
            probabilities,
            ..rows[0].clone()
        }
    };
    whole.into_iter().map(mean).collect()
}

/// The protocol as pages and CSV files have it.
fn protocol(experiment: &Experiment) -> String {
    let shuffled = if experiment.shuffle_labels {
        ", labels shuffled"
    } else {
        ""
    };
    format!("{}{shuffled}", experiment.protocol.name())
}

/// The section of an experiment that could not be finished.
pub(super) fn failed_section(
    experiment: &Experiment,
    folds: Option<&Folds>,
    why: String,
) -> ExperimentSection {
    ExperimentSection {
        failed: Some(why),
        ..empty_section(experiment, folds)
    }
}

fn empty_section(experiment: &Experiment, folds: Option<&Folds>) -> ExperimentSection {
    ExperimentSection {
        explanation: None,
        robustness: vec![],
        name: experiment.name.clone(),
        direction_of: None,
        title: experiment.title.clone(),
        protocol: protocol(experiment),
        model: experiment.describe(),
        shuffled_labels: experiment.shuffle_labels,
        // The statement on speakers, and the lines on what folds share, rest on what the pipeline
        // file says is guessed: the report adds them.
        speakers: TestSpeakers::Unknown,
        guessed: vec![],
        transductive: false,
        inputs: String::new(),
        shared: vec![],
        remarks: vec![],
        windows: None,
        leakage: folds
            .map(|folds| folds.leakage(experiment))
            .unwrap_or_default(),
        failed: None,
        left_out: false,
        encoders: vec![],
        labels: vec![],
        pooled: None,
        spread: BTreeMap::new(),
        ensemble: None,
        uncertainty: Uncertainty::default(),
        restricted_pools: vec![],
        folds: vec![],
        predictions: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_that_is_furthest_off_counts() {
        assert_eq!(unsettled(&[vec![], vec![1.0, 1.2], vec![0.7]]), None);
        let text = unsettled(&[vec![1.1, 7.04], vec![0.25, 1.0], vec![1.0], vec![8.0]]).unwrap();
        assert!(
            text.contains("in 3 of 4 trainings") && text.contains("typically 7.0"),
            "{text}"
        );
        assert!(
            unsettled(&[vec![f64::INFINITY]])
                .unwrap()
                .contains("1 of 1")
        );
    }
}
