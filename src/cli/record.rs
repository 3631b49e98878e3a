//! What the command line tells the history of a run.

use std::path::{Path, PathBuf};

use super::{command_line, system};
use crate::config::{CorpusKind, CorpusPart, PartKind, Pipeline};
use crate::corpus;
use crate::error::{Kind, Result};
use crate::features::FeatureSet;
use crate::files::files_below;
use crate::history::{Begin, End, History, Metric, Outcome, Process, Recorder, Run, What};
use crate::orchestrator::Observer;
use crate::pipeline::{self, ExperimentLine, Options};
use crate::report::{self, CrateRun, RunPage, RunTask, StepSection};
use crate::ui;

/// Begins to record a run.
pub fn begin<'a>(
    pipeline: &Pipeline,
    options: &Options,
    observer: &'a dyn Observer,
) -> Recorder<'a> {
    let begin = Begin {
        pipeline: pipeline.full_name(),
        title: pipeline.full_title(),
        command: command_line(),
        folder: std::env::current_dir()
            .map(|folder| folder.to_string_lossy().into_owned())
            .unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: Process::this(system::host()),
        jobs: options.limits.jobs,
        parameters: pipeline.settings(),
    };
    Recorder::begin(&options.data_dir, begin, observer)
}

/// Records what a run came to.
pub fn end(
    recorder: Recorder,
    pipeline: &Pipeline,
    options: &Options,
    result: &Result<pipeline::Outcome>,
) {
    let end = match result {
        Ok(outcome) => {
            // The report also shows finished experiments that this run did not touch.
            let chosen = pipeline.select(&options.experiments).unwrap_or_default();
            let own = outcome
                .results
                .iter()
                .filter(|line| chosen.iter().any(|e| e.name == line.experiment));
            let first = outcome.failures.first();
            End {
                outcome: if first.is_some() {
                    Outcome::Failed
                } else {
                    Outcome::Done
                },
                error: first.map(ToString::to_string),
                metrics: own.flat_map(metrics).collect(),
            }
        }
        Err(error) => End {
            outcome: if error.kind() == Kind::Interrupted {
                Outcome::Interrupted
            } else {
                Outcome::Failed
            },
            error: Some(error.to_string()),
            metrics: vec![],
        },
    };
    recorder.end(end);
}

fn metrics(line: &ExperimentLine) -> impl Iterator<Item = Metric> {
    let values = [
        ("accuracy", line.accuracy),
        ("uar", line.uar),
        ("macro_f1", line.macro_f1),
        ("ensemble_accuracy", line.ensemble_accuracy),
        ("ensemble_uar", line.ensemble_uar),
    ];
    values.into_iter().filter_map(|(metric, value)| {
        let (experiment, protocol) = (line.experiment.clone(), line.protocol.clone());
        Some(Metric {
            experiment,
            protocol,
            metric: metric.to_owned(),
            value: value?,
            n: line.n,
        })
    })
}

/// Writes the page of the last run beside its report (what ran, what was there, and for how long),
/// and describes the folder for archives. It is a comfort: where the history does not answer, what stands there stays.
pub fn page(
    pipeline: &Pipeline,
    options: &Options,
    steps: &[StepSection],
    observer: &dyn Observer,
) {
    let folder = options.reports_dir.join(pipeline.full_name());
    let run = match latest(pipeline, options) {
        Ok(Some(run)) => run,
        Ok(None) => return,
        Err(error) => return observer.warn(format!("the run is not described: {error}")),
    };
    let page = run_page(&run, pipeline, options, steps);
    let page = page.and_then(|page| report::write_run(&page, &folder));
    // The second lists the first.
    let described = report::write_crate(&crate_run(run, pipeline, options), &folder);
    for (name, written) in [(report::RUN_PAGE, page), (report::CRATE_FILE, described)] {
        match written {
            Ok(true) => {}
            Ok(false) => {
                observer.warn(format!("{name} stays as it is: ser did not write it"));
            }
            Err(error) => observer.warn(format!("{name} was not written: {error}")),
        }
    }
}

/// The last run of a pipeline, where the history has it.
fn latest(pipeline: &Pipeline, options: &Options) -> Result<Option<Run>> {
    match History::existing(&options.data_dir)? {
        Some(history) => history.latest_of(&pipeline.full_name(), &system::host()),
        None => Ok(None),
    }
}

/// A file with its name.
fn named(path: &Path) -> (String, PathBuf) {
    let name = path.file_name().unwrap_or_default();
    (name.to_string_lossy().into_owned(), path.to_owned())
}

/// The tables that say which recordings a corpus has; in a joined one the name of its part stands
/// before that of a table.
fn of_corpus(kind: &CorpusKind) -> Vec<(String, PathBuf)> {
    let database = |root: &Path| -> Vec<_> {
        let tables = corpus::audformat::tables(root).into_iter();
        tables.map(|path| named(&path)).collect()
    };
    match kind {
        CorpusKind::Manifest { path, .. } => vec![named(path)],
        CorpusKind::Audformat { root, .. } => database(root),
        CorpusKind::Joined { root, parts } => {
            let of_part = |part: &CorpusPart| {
                let files = match part.manifest(root) {
                    Some(path) => vec![named(&path)],
                    None if matches!(part.kind, PartKind::Audformat) => database(&part.root(root)),
                    None => vec![],
                };
                let name = part.name.clone();
                let before = move |(file, path)| (format!("{name}/{file}"), path);
                files.into_iter().map(before).collect::<Vec<_>>()
            };
            parts.iter().flat_map(of_part).collect()
        }
        _ => vec![],
    }
}

/// What the description of a report's folder says of the run.
fn crate_run(run: Run, pipeline: &Pipeline, options: &Options) -> CrateRun {
    let mut inputs = of_corpus(&pipeline.corpus.kind);
    let of_experiments = pipeline.experiments.iter().map(|one| one.inputs.set);
    let used: Vec<FeatureSet> = of_experiments
        .chain(pipeline.features.sets.clone())
        .collect();
    let imports = pipeline.features.imports.iter();
    for import in imports.filter(|one| used.iter().any(|set| set.name() == one.name)) {
        inputs.extend(
            std::iter::once(&import.path)
                .chain(&import.ids)
                .map(|path| named(path)),
        );
    }
    // Each recording with the hash of its sound.
    let tables = options.data_dir.join("tables").join(pipeline.full_name());
    let files = files_below(&tables).into_iter().map(|path| named(&path));
    inputs.extend(files.filter(|(name, _)| name.starts_with("utterances")));
    inputs.retain(|(_, path)| path.is_file());
    CrateRun {
        id: run.id,
        started: run.started,
        finished: run.finished.unwrap_or_default(),
        command: run.command,
        version: run.version,
        error: run.error,
        inputs,
    }
}

fn run_page(
    run: &Run,
    pipeline: &Pipeline,
    options: &Options,
    steps: &[StepSection],
) -> Result<RunPage> {
    let run = run.clone();
    let Some(history) = History::existing(&options.data_dir)? else {
        return Ok(RunPage::default());
    };
    let mut tasks = Vec::new();
    for row in history.tasks(run.id)? {
        let seconds = if row.what == What::Reused {
            history.made_in(&row.stage, &row.key)?
        } else {
            row.seconds
        };
        tasks.push(RunTask {
            task: row.task,
            what: row.what.name().to_owned(),
            seconds,
            why: row.why,
        });
    }
    let revision = run.revision.map(|revision| {
        if run.dirty == Some(true) {
            format!("{revision}, with changes")
        } else {
            revision
        }
    });
    let facts = [
        ("run", Some(run.id.to_string())),
        ("started", Some(run.started_here)),
        ("took", run.seconds.map(ui::duration)),
        ("command", Some(run.command)),
        ("revision", revision),
        ("version", Some(run.version)),
        ("worker threads", Some(run.jobs.to_string())),
        ("outcome", Some(run.outcome.name().to_owned())),
        ("error", run.error),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    Ok(RunPage {
        title: pipeline.full_title(),
        facts,
        steps: steps.to_vec(),
        tasks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_joined_parts_are_inputs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir(root.join("b")).unwrap();
        for file in ["db.yaml", "db.emotion.csv", "db.files.pkl", "other.csv"] {
            std::fs::write(root.join("b").join(file), "").unwrap();
        }
        let map = serde_json::json!({ "x": "y" });
        let kind: CorpusKind = serde_json::from_value(serde_json::json!({
            "kind": "joined", "root": root, "parts": [
                { "kind": "manifest", "name": "a", "folder": "a", "path": "m.csv", "label_map": map },
                { "kind": "audformat", "name": "b", "folder": "b", "label_map": map },
                { "kind": "manifest", "name": "c", "root": "far", "path": "near/m.csv", "label_map": map },
                { "kind": "ravdess", "name": "d", "folder": "d", "label_map": map },
            ],
        }))
        .unwrap();
        let expected = [
            ("a/m.csv", root.join("a/m.csv")),
            ("b/db.emotion.csv", root.join("b/db.emotion.csv")),
            ("b/db.yaml", root.join("b/db.yaml")),
            ("c/m.csv", "near/m.csv".into()),
        ]
        .map(|(name, path)| (name.to_owned(), path));
        assert_eq!(of_corpus(&kind), expected);
    }
}
