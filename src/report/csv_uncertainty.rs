//! The CSV files of intervals, calibration, breakdowns and tests.

use crate::error::Result;

use super::csv::{Scope, metric_row};
use super::data::{ExperimentSection, PipelineReport};
use super::sheet::Sheet;
use super::uncertainty;

/// Rows of metrics.csv: by seed, spreads, ends of the intervals, calibration errors.
pub(super) fn metrics(sheet: &mut Sheet, experiment: &ExperimentSection) -> Result<()> {
    let found = &experiment.uncertainty;
    for one in &found.by_seed {
        let scope = Scope {
            seed: one.seed.to_string(),
            ..Scope::whole("seed")
        };
        for (metric, value) in [
            ("accuracy", one.accuracy),
            ("uar", one.uar),
            ("macro_f1", one.macro_f1),
        ] {
            metric_row(sheet, experiment, &scope, ("", "", metric, value))?;
        }
    }
    for (mean, sd, spreads) in [
        ("folds-mean", "folds-sd", &found.over_folds),
        ("seeds-mean", "seeds-sd", &found.over_seeds),
    ] {
        for (metric, spread) in spreads {
            metric_row(
                sheet,
                experiment,
                &Scope::whole(mean),
                ("", "", metric, spread.mean),
            )?;
            // One value has no standard deviation.
            let several = if sd == "seeds-sd" {
                found.by_seed.len() > 1
            } else {
                experiment.has_several_folds()
            };
            if several {
                metric_row(
                    sheet,
                    experiment,
                    &Scope::whole(sd),
                    ("", "", metric, spread.sd),
                )?;
            }
        }
    }
    for (scope, intervals) in [
        ("pooled", &found.intervals),
        ("ensemble", &found.ensemble_intervals),
    ] {
        let Some(intervals) = intervals else { continue };
        for (low, high, interval) in [
            ("accuracy_ci_low", "accuracy_ci_high", intervals.accuracy),
            ("uar_ci_low", "uar_ci_high", intervals.uar),
        ] {
            metric_row(
                sheet,
                experiment,
                &Scope::whole(scope),
                ("", "", low, interval.low),
            )?;
            metric_row(
                sheet,
                experiment,
                &Scope::whole(scope),
                ("", "", high, interval.high),
            )?;
        }
    }
    for (scope, calibration) in [
        ("pooled", &found.calibration),
        ("ensemble", &found.ensemble_calibration),
    ] {
        if let Some(calibration) = calibration {
            metric_row(
                sheet,
                experiment,
                &Scope::whole(scope),
                (&calibration.n.to_string(), "", "ece", calibration.ece),
            )?;
        }
    }
    Ok(())
}

/// Accuracy and UAR by what the corpus says.
pub(super) fn breakdown(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "attribute",
        "value",
        "utterances",
        "predictions",
        "classes",
        "accuracy",
        "uar",
        "guessed",
    ])?;
    for experiment in &report.experiments {
        for one in &experiment.uncertainty.breakdowns {
            for group in &one.groups {
                sheet.row([
                    experiment.name.clone(),
                    experiment.protocol.clone(),
                    one.attribute.clone(),
                    group.value.clone(),
                    group.utterances.to_string(),
                    group.predictions.to_string(),
                    group.classes.to_string(),
                    group.accuracy.to_string(),
                    group.uar.to_string(),
                    uncertainty::is_guessed(experiment, one).to_string(),
                ])?;
            }
        }
    }
    Ok(sheet)
}

/// The bins of the reliability diagrams. `scope` is pooled or ensemble.
pub(super) fn calibration(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "protocol",
        "scope",
        "from",
        "to",
        "n",
        "confidence",
        "accuracy",
    ])?;
    for experiment in &report.experiments {
        let found = &experiment.uncertainty;
        for (scope, calibration) in [
            ("pooled", &found.calibration),
            ("ensemble", &found.ensemble_calibration),
        ] {
            let Some(calibration) = calibration else {
                continue;
            };
            let end = |i: usize| (i as f64 / calibration.bins.len() as f64).to_string();
            for (i, bin) in calibration.bins.iter().enumerate() {
                sheet.row([
                    experiment.name.clone(),
                    experiment.protocol.clone(),
                    scope.to_owned(),
                    end(i),
                    end(i + 1),
                    bin.n.to_string(),
                    bin.confidence.to_string(),
                    bin.accuracy.to_string(),
                ])?;
            }
        }
    }
    Ok(sheet)
}

/// McNemar's test between experiments.
pub(super) fn comparisons(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "a",
        "b",
        "protocol",
        "n",
        "right_a_only",
        "right_b_only",
        "p",
        "p_holm",
        "tests",
    ])?;
    let tests = report.comparisons.len().to_string();
    for pair in &report.comparisons {
        sheet.row([
            pair.a.clone(),
            pair.b.clone(),
            pair.protocol.clone(),
            pair.n.to_string(),
            pair.only_a.to_string(),
            pair.only_b.to_string(),
            pair.p.to_string(),
            pair.p_holm.to_string(),
            tests.clone(),
        ])?;
    }
    Ok(sheet)
}
