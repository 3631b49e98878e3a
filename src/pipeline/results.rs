//! What stands in RESULTS.md: the experiments of pipeline files with what their reports hold of
//! them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Experiment, Pipeline, split_variant};
use crate::error::Result;
use crate::report::{self, PipelineReport, ResultsExperiment, ResultsPipeline};

const NOT_RUN: &str = "not run";

/// The experiments of a pipeline file or of a variant of it, each with its result where the report
/// in `reports_dir` has one made with the settings that file and overrides give now; `file` is what
/// it is called, and `run` the command that runs it. Of a variant, experiments without any result
/// are left out: few are run of most.
///
/// # Errors
/// `Data` where there is a report that cannot be read.
pub fn results(
    pipeline: &Pipeline,
    file: &str,
    run: &str,
    reports_dir: &Path,
) -> Result<ResultsPipeline> {
    let report = report::read_report(&reports_dir.join(pipeline.full_name()))?;
    let settings = pipeline.settings();
    let experiments = pipeline
        .experiments
        .iter()
        .map(|experiment| ResultsExperiment {
            name: experiment.name.clone(),
            title: experiment.title.clone(),
            protocol: experiment.protocol.name(),
            inputs: pipeline.describe_inputs(experiment),
            transductive: pipeline.is_transductive(experiment),
            command: format!("{run} --experiment {}", experiment.name),
            lacks: lacks(experiment, &settings, report.as_ref()),
        });
    let experiments = experiments
        .filter(|one| pipeline.variant.is_none() || one.lacks.as_deref() != Some(NOT_RUN));
    Ok(ResultsPipeline {
        title: pipeline.full_title(),
        file: file.to_owned(),
        experiments: experiments.collect(),
        // Published figures are of whole utterances.
        published: if pipeline.corpus.windows.is_none() {
            pipeline.published.clone()
        } else {
            vec![]
        },
        report,
    })
}

/// Full names of the variants of a pipeline that have a report in `reports_dir`, sorted, with their
/// overrides.
///
/// # Errors
/// `Data` where there is a report that cannot be read.
pub fn variants(pipeline: &str, reports_dir: &Path) -> Result<Vec<(String, Vec<String>)>> {
    let entries = std::fs::read_dir(reports_dir)
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.retain(|name| matches!(split_variant(name), (of, Some(_)) if of == pipeline));
    names.sort();
    let mut found = Vec::new();
    for name in names {
        if let Some(report) = report::read_report(&reports_dir.join(&name))? {
            found.push((name, report.overrides));
        }
    }
    Ok(found)
}

/// Why there is no result of an experiment with the settings that are in force.
fn lacks(
    experiment: &Experiment,
    settings: &BTreeMap<String, String>,
    report: Option<&PipelineReport>,
) -> Option<String> {
    let not_run = || Some(NOT_RUN.to_owned());
    let Some(report) = report else {
        return not_run();
    };
    let Some(section) = report
        .experiments
        .iter()
        .find(|section| section.experiment() == experiment.name)
    else {
        return not_run();
    };
    if let Some(why) = &section.failed {
        return Some(match section.left_out {
            true => why.clone(),
            false => format!("failed: {why}"),
        });
    }
    if section.pooled.is_none() {
        return not_run();
    }
    let names: Vec<&String> = std::iter::once(&experiment.name)
        .chain(experiment.members())
        .collect();
    let differs = settings
        .keys()
        .chain(report.settings.keys())
        .find(|key| decides(key, &names) && settings.get(*key) != report.settings.get(*key));
    differs.map(|key| format!("not run with the present settings: {key} has changed"))
}

/// Whether a setting has a part in the results of these experiments.
fn decides(key: &str, experiments: &[&String]) -> bool {
    if let Some(of_one) = key.strip_prefix("experiment.") {
        let Some((name, setting)) = of_one.split_once('.') else {
            return false;
        };
        return experiments.iter().any(|experiment| *experiment == name)
            && !["title", "default", "train.checkpoint_every"].contains(&setting);
    }
    key.starts_with("features.")
        || (key.starts_with("corpus.")
            && ![
                "corpus.root",
                "corpus.path",
                "corpus.notes",
                "corpus.licence",
                "corpus.citation",
                "corpus.unpublished",
            ]
            .contains(&key))
}
