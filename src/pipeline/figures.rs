//! Figures of predictions, as rows of the table of metrics.

use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::evaluation::{Scores, Uncertainty};
use crate::table::{self, metrics::MetricRow, predictions::PredictionRow};

/// The calibration error: only where values estimate probabilities.
pub(super) const ECE: &str = "ece";
/// The three figures of one fold and seed as rows.
pub(super) fn of_fold(
    experiment: &Experiment,
    fold: u32,
    seed: u64,
    scores: &Scores,
) -> impl Iterator<Item = MetricRow> {
    let figures = scores.metrics().into_iter();
    figures.map(move |(metric, value)| {
        figure(experiment, (Some(fold), Some(seed)), "fold", metric, value)
    })
}

pub(super) fn figure(
    experiment: &Experiment,
    (fold, seed): (Option<u32>, Option<u64>),
    scope: &str,
    metric: &str,
    value: f64,
) -> MetricRow {
    MetricRow {
        experiment: experiment.name.clone(),
        protocol: experiment.protocol.name(),
        fold,
        seed,
        metric: table::metrics::name(scope, metric),
        value,
        scope: scope.to_owned(),
    }
}

/// Figures over all folds, or over the seeds of one; docs/protocols.md names them.
pub(super) fn whole(
    experiment: &Experiment,
    fold: Option<u32>,
    folds: usize,
    pooled: &Scores,
    ensemble: Option<&Scores>,
    uncertainty: &Uncertainty,
) -> Vec<MetricRow> {
    let row = |scope, metric: &str, value| figure(experiment, (fold, None), scope, metric, value);
    let of = |scope, figures: &[(&'static str, f64)]| -> Vec<MetricRow> {
        figures
            .iter()
            .map(|(metric, value)| row(scope, metric, *value))
            .collect()
    };
    let mut rows = of("pooled", &pooled.metrics());
    for one in &uncertainty.by_seed {
        let figures = one.metrics().into_iter();
        rows.extend(figures.map(|(metric, value)| {
            figure(experiment, (fold, Some(one.seed)), "seed", metric, value)
        }));
    }
    let spreads = [
        ("folds-mean", "folds-sd", &uncertainty.over_folds, folds),
        (
            "seeds-mean",
            "seeds-sd",
            &uncertainty.over_seeds,
            uncertainty.by_seed.len(),
        ),
    ];
    // One direction is one fold.
    for (mean, sd, spreads, n) in spreads.into_iter().skip(usize::from(fold.is_some())) {
        for (metric, spread) in spreads {
            rows.push(row(mean, metric, spread.mean));
            // One value has no standard deviation.
            rows.extend((n > 1).then(|| row(sd, metric, spread.sd)));
        }
    }
    for (scope, intervals) in [
        ("pooled", uncertainty.intervals),
        ("ensemble", uncertainty.ensemble_intervals),
    ] {
        rows.extend(
            intervals
                .iter()
                .flat_map(|found| of(scope, &found.metrics())),
        );
    }
    for (scope, calibration) in [
        ("pooled", &uncertainty.calibration),
        ("ensemble", &uncertainty.ensemble_calibration),
    ] {
        rows.extend(calibration.iter().map(|found| row(scope, ECE, found.ece)));
    }
    for (scope, scores) in [("ensemble", ensemble), ("vote", uncertainty.vote.as_ref())] {
        rows.extend(
            scores
                .iter()
                .flat_map(|scores| of(scope, &scores.metrics())),
        );
    }
    rows
}

pub(super) fn pairs(rows: &[PredictionRow]) -> impl Iterator<Item = (&String, &String)> {
    rows.iter().map(|r| (&r.truth, &r.predicted))
}

/// Scores of pairs of truth and prediction.
pub(super) fn score<'a>(
    labels: &[String],
    pairs: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<Scores> {
    let index = |label: &String| {
        labels
            .iter()
            .position(|l| l == label)
            .ok_or_else(|| Error::data(format!("a prediction names the unknown class {label}")))
    };
    let (mut truth, mut predicted) = (vec![], vec![]);
    for (t, p) in pairs {
        truth.push(index(t)?);
        predicted.push(index(p)?);
    }
    Ok(Scores::of(labels, &truth, &predicted))
}
