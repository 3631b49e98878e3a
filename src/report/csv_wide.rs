//! The tables that a paper or a spreadsheet begins with: a row for each system, class, or recording
//! that was set aside.

use crate::error::Result;
use crate::evaluation::{Interval, Intervals, Scores};
use crate::split::TestSpeakers;
use crate::transform::BALANCED_SPEAKERS;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::sheet::Sheet;
use super::uncertainty::doubt;

/// A row for each experiment, ensemble over seeds and published figure; shares, not per cent.
pub(super) fn results(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "kind",
        "experiment",
        "title",
        "model",
        "protocol",
        "speaker_independent",
        "transductive",
        "classes",
        "n",
        "folds",
        "seeds",
        "wa",
        "wa_ci_low",
        "wa_ci_high",
        "uar",
        "uar_ci_low",
        "uar_ci_high",
        "macro_f1",
        "mark",
        "note",
    ])?;
    let ends = |interval: Option<Interval>| {
        interval.map_or_else(Default::default, |Interval { low, high }| {
            [low.to_string(), high.to_string()]
        })
    };
    for (_, one) in compare::results(report) {
        let found = &one.uncertainty;
        let kinds: [(&str, Option<&Scores>, _); 2] = [
            ("experiment", one.pooled.as_ref(), &found.intervals),
            (
                "ensemble over seeds",
                one.ensemble.as_ref(),
                &found.ensemble_intervals,
            ),
        ];
        for (kind, scores, intervals) in kinds {
            if scores.is_none() && kind != "experiment" {
                continue;
            }
            let (wa, uar) = intervals
                .as_ref()
                .map(|found| (found.accuracy, found.uar))
                .unzip();
            let ([wa_low, wa_high], [uar_low, uar_high]) = (ends(wa), ends(uar));
            let share = |of: fn(&Scores) -> f64| {
                scores
                    .map(|scores| of(scores).to_string())
                    .unwrap_or_default()
            };
            let folds: std::collections::BTreeSet<u32> =
                one.folds.iter().map(|fold| fold.fold).collect();
            sheet.row([
                kind,
                &one.name,
                &one.title,
                &one.model,
                &one.protocol,
                // Of what was never trained nothing is known to be shared.
                scores
                    .map(|_| one.speakers.independence().name())
                    .unwrap_or_default(),
                &one.transductive.to_string(),
                &one.labels.len().to_string(),
                &scores
                    .map(|scores| scores.n.to_string())
                    .unwrap_or_default(),
                &folds.len().to_string(),
                &compare::seeds(one).len().to_string(),
                &share(|s| s.accuracy),
                &wa_low,
                &wa_high,
                &share(|s| s.uar),
                &uar_low,
                &uar_high,
                &share(|s| s.macro_f1),
                "",
                &note(one, intervals.as_ref()),
            ])?;
        }
    }
    for figure in compare::published(report) {
        let known = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let independent = compare::speakers_of(figure).independence().name();
        sheet.row([
            "published",
            "",
            &figure.source,
            &figure.system,
            &figure.protocol,
            independent,
            "",
            "",
            "",
            "",
            "",
            &known(figure.accuracy),
            "",
            "",
            &known(figure.uar),
            "",
            "",
            "",
            compare::describe(figure.mark).0,
            figure.note.as_deref().unwrap_or_default(),
        ])?;
    }
    Ok(sheet)
}

/// Why there is no result, or what its figures presuppose.
fn note(one: &ExperimentSection, intervals: Option<&Intervals>) -> String {
    if let Some(failed) = &one.failed {
        return failed.clone();
    }
    let told = ![TestSpeakers::Unseen, TestSpeakers::Shared].contains(&one.speakers);
    let speakers = (one.pooled.is_some() && told).then(|| one.speakers.phrase());
    let doubt = intervals
        .and_then(doubt)
        .map(|doubt| format!("interval {doubt}"));
    let condition = one
        .transductive
        .then(|| format!("transductive: holds only if {BALANCED_SPEAKERS}"));
    speakers
        .into_iter()
        .chain(doubt)
        .chain(condition)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Counts of utterances by class, speaker and session.
pub(super) fn corpus(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&["by", "name", "utterances", "published"])?;
    let Some(corpus) = &report.corpus else {
        return Ok(sheet);
    };
    let published = |class: &str| {
        corpus
            .expected
            .as_ref()
            .and_then(|e| e.classes.get(class))
            .map(usize::to_string)
            .unwrap_or_default()
    };
    for (by, counts) in [
        ("class", &corpus.by_class),
        ("speaker", &corpus.by_speaker),
        ("session", &corpus.by_session),
    ] {
        for (name, n) in counts {
            let expected = if by == "class" {
                published(name)
            } else {
                String::new()
            };
            sheet.row([by, name, &n.to_string(), &expected])?;
        }
    }
    Ok(sheet)
}

/// Every feature of every set that has one row an utterance.
pub(super) fn features(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "set",
        "feature",
        "group",
        "mean",
        "sd",
        "min",
        "p25",
        "median",
        "p75",
        "max",
        "variance_between_classes",
        "variance_between_speakers",
    ])?;
    for (set, feature) in report
        .overviews
        .iter()
        .flat_map(|one| one.features.iter().map(move |feature| (&one.set, feature)))
    {
        let figures = [feature.mean, feature.sd]
            .into_iter()
            .chain(feature.percentiles)
            .chain([feature.by_class, feature.by_speaker]);
        let words = [set.clone(), feature.name.clone(), feature.group.clone()];
        sheet.row(
            words
                .into_iter()
                .chain(figures.map(|value| value.to_string())),
        )?;
    }
    Ok(sheet)
}

/// What models lean on: a row for each group, each feature, and each class and feature that was
/// blotted out.
pub(super) fn explain(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "experiment",
        "kind",
        "name",
        "group",
        "class",
        "uar_lost",
        "sd",
        "uar_low",
        "uar_high",
        "accuracy_lost",
        "probability_lost",
    ])?;
    for one in &report.experiments {
        let Some(found) = &one.explanation else {
            continue;
        };
        for (kind, rows) in [("group", &found.groups), ("feature", &found.features)] {
            for row in rows {
                let figures = [row.uar, row.sd, row.low, row.high, row.accuracy]
                    .map(|value| value.to_string());
                let [uar, sd, low, high, accuracy] = &figures;
                sheet.row([
                    one.name.as_str(),
                    kind,
                    &row.name,
                    &row.group,
                    "",
                    uar,
                    sd,
                    low,
                    high,
                    accuracy,
                    "",
                ])?;
            }
        }
        for (class, drops) in found.classes.iter().zip(&found.occlusion) {
            for (feature, drop) in found.features.iter().zip(drops) {
                sheet.row([
                    one.name.as_str(),
                    "occlusion",
                    &feature.name,
                    &feature.group,
                    class,
                    "",
                    "",
                    "",
                    "",
                    "",
                    &drop.to_string(),
                ])?;
            }
        }
    }
    Ok(sheet)
}

/// Every file that is no utterance, with the reason.
pub(super) fn set_aside(report: &PipelineReport) -> Result<Sheet> {
    let mut sheet = Sheet::new(&["path", "reason", "detail"])?;
    for file in report.corpus.iter().flat_map(|corpus| &corpus.set_aside) {
        sheet.row([file.path.as_str(), file.reason.describe(), &file.detail])?;
    }
    Ok(sheet)
}
