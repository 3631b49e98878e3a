//! What the command line tells the history of a run.

use super::{command_line, system};
use crate::config::Pipeline;
use crate::error::{Kind, Result};
use crate::history::{Begin, End, Metric, Outcome, Process, Recorder};
use crate::orchestrator::Observer;
use crate::pipeline::{self, ExperimentLine, Options};

/// Begins to record a run.
pub fn begin<'a>(pipeline: &Pipeline, options: &Options, observer: &'a dyn Observer) -> Recorder<'a> {
    let begin = Begin {
        pipeline: pipeline.name.clone(),
        title: pipeline.title.clone(),
        command: command_line(),
        folder: std::env::current_dir().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: Process::this(system::host()),
        jobs: options.limits.jobs,
        parameters: pipeline.settings(),
    };
    Recorder::begin(&options.data_dir, begin, observer)
}

/// Records what a run came to.
pub fn end(recorder: Recorder, pipeline: &Pipeline, options: &Options, result: &Result<pipeline::Outcome>) {
    let end = match result {
        Ok(outcome) => {
            // The report also shows finished experiments that this run did not touch.
            let chosen = pipeline.select(&options.experiments).unwrap_or_default();
            let own = outcome.results.iter().filter(|line| chosen.iter().any(|e| e.name == line.experiment));
            let first = outcome.failures.first();
            End {
                outcome: if first.is_some() { Outcome::Failed } else { Outcome::Done },
                error: first.map(ToString::to_string),
                metrics: own.flat_map(metrics).collect(),
            }
        }
        Err(error) => End {
            outcome: if error.kind() == Kind::Interrupted { Outcome::Interrupted } else { Outcome::Failed },
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
        Some(Metric { experiment, protocol, metric: metric.to_owned(), value: value?, n: line.n })
    })
}
