//! What the command line tells the history of a run.

use std::fs;

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
        command: command(),
        folder: std::env::current_dir().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: Process::this(host()),
        jobs: options.jobs,
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

/// Name of this machine.
pub fn host() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let variables = ["HOSTNAME", "COMPUTERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let names = files.chain(variables).map(|name| name.trim().to_owned());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// The command line of this process, quoted so that a shell reads it again.
pub fn command() -> String {
    let mut words: Vec<String> = std::env::args_os().map(|word| quoted(&word.to_string_lossy())).collect();
    if let Some(first) = words.first_mut() {
        *first = "ser".to_owned();
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_would_read_the_words_again() {
        assert_eq!(quoted("train.epochs=15"), "train.epochs=15");
        assert_eq!(quoted("seeds=[0, 1]"), "'seeds=[0, 1]'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
        assert!(!host().is_empty());
    }
}
