//! `run`, its shorter forms, and `plan`.

use std::path::PathBuf;

use super::args::{Args, Run};
use super::{print, say};
use crate::cancel::Cancel;
use crate::config::{self, Pipeline};
use crate::error::{Error, Kind, Result};
use crate::orchestrator::Observer;
use crate::pipeline::{self, Options, PlanLine, Stage};

/// `ser run`, or `ser plan` with `--dry-run`.
pub fn run(run: &Run, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    until(run, Stage::Report, args, cancel, observer)
}

/// Runs every named pipeline up to `stage`.
pub fn until(run: &Run, stage: Stage, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    if run.dry_run {
        return show_plan(run, stage, args, cancel, observer);
    }
    let pipelines = load(run)?;
    let mut first: Option<Error> = None;
    let mut note = |error: Error| {
        first.get_or_insert(error);
    };
    for pipeline in &pipelines {
        match pipeline::run(pipeline, &options(run, stage), cancel, observer) {
            Ok(outcome) => {
                for line in &outcome.results {
                    let json = || serde_json::json!({ "pipeline": pipeline.name, "result": line }).to_string();
                    print(&if args.global.json { json() } else { line.to_string() })?;
                }
                if let Some(path) = &outcome.report {
                    let path = path.display().to_string();
                    print(&if args.global.json { json_line("report", &pipeline.name, &path) } else { format!("report: {path}") })?;
                }
                outcome.failures.into_iter().for_each(&mut note);
            }
            Err(error) if error.kind() == Kind::Interrupted => {
                return Err(error.hint("run the same command again to go on: what was finished is kept"));
            }
            Err(error) if run.skip_missing && error.kind() == Kind::Missing => observer.warn(format!("{}: {error}", pipeline.name)),
            Err(error) if pipelines.len() > 1 => {
                say(&format!("error: {}: {error}", pipeline.name));
                note(error);
            }
            Err(error) => return Err(error),
        }
    }
    first.map_or(Ok(()), Err)
}

/// `ser plan`.
pub fn plan(run: &Run, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    show_plan(run, Stage::Report, args, cancel, observer)
}

fn show_plan(run: &Run, stage: Stage, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    for pipeline in load(run)? {
        let lines = pipeline::plan(&pipeline, &options(run, stage), cancel, observer)?;
        for line in &lines {
            print(&if args.global.json { serde_json::json!({"pipeline": pipeline.name, "plan": line}).to_string() } else { text(line) })?;
        }
        if !args.global.json {
            let stale = lines.iter().filter(|l| !l.why.is_empty()).count();
            print(&format!("{}: {stale} to run, {} up to date", pipeline.name, lines.len() - stale))?;
        }
    }
    Ok(())
}

fn text(line: &PlanLine) -> String {
    if line.why.is_empty() {
        return format!("keep  {}", line.task);
    }
    let why: Vec<String> = line.why.iter().map(ToString::to_string).collect();
    format!("run   {}  ({})", line.task, why.join("; "))
}

fn json_line(what: &str, pipeline: &str, value: &str) -> String {
    serde_json::json!({ "pipeline": pipeline, what: value }).to_string()
}

fn options(run: &Run, until: Stage) -> Options {
    Options {
        data_dir: run.data_dir.clone(),
        reports_dir: run.reports_dir.clone(),
        until,
        experiments: run.experiments.clone(),
        jobs: run.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
    }
}

fn load(run: &Run) -> Result<Vec<Pipeline>> {
    let mut overrides = run.overrides.clone();
    if let Some(protocol) = &run.protocol {
        overrides.push(format!("protocol={}", protocol_value(protocol)?));
    }
    run.pipelines.iter().map(|name| config::load(&path(run, name), &overrides, run.corpora_dir.as_deref())).collect()
}

/// A bare name is a file of the pipelines' folder; anything that looks like a path is one.
fn path(run: &Run, name: &str) -> PathBuf {
    if name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
        PathBuf::from(name)
    } else {
        run.pipelines_dir.join(format!("{name}.toml"))
    }
}

/// The inline table that a word such as `group-kfold:5` stands for.
fn protocol_value(word: &str) -> Result<String> {
    let (kind, argument) = word.split_once(':').map_or((word, None), |(kind, argument)| (kind, Some(argument)));
    let key = match kind {
        "stratified-kfold" | "group-kfold" => Some("folds"),
        "hold-out" => Some("test_fraction"),
        "published" => Some("name"),
        _ => None,
    };
    match (key, argument) {
        (Some("name"), Some(value)) if value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            Ok(format!("{{ kind = \"{kind}\", name = \"{value}\" }}"))
        }
        (Some(key), Some(value)) if value.parse::<f64>().is_ok() => Ok(format!("{{ kind = \"{kind}\", {key} = {value} }}")),
        (None, None) if kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => Ok(format!("{{ kind = \"{kind}\" }}")),
        _ => Err(Error::usage(format!("`{word}` names no protocol"))
            .hint("use stratified-kfold:5, group-kfold:5, leave-one-speaker-out, leave-one-session-out, hold-out:0.2 or published:emobox")),
    }
}
