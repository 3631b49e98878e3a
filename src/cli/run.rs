//! `run`, its shorter forms, and `plan`.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::advice::with_advice;
use super::args::{Args, Dag, Executor, Run};
use super::{
    Exit, command_line, open, print, record, report_of, shell_word, summary, system, unreached,
    variants,
};
use crate::audio::Condition;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Limits, Observer, Owner};
use crate::pipeline::{self, Decision, Options, PlanLine, Stage};
use crate::text::plural;
use crate::ui;

/// Runs every named pipeline up to `stage`, or shows what that would do with `--dry-run`.
pub fn until(
    run: &Run,
    stage: Stage,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Exit> {
    work(run, stage, &Extra::default(), args, cancel, observer)
}

/// `ser explain`: a run to the report, with the importance of features for the models of the named
/// experiments.
pub fn explain(run: &Run, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<Exit> {
    let extra = Extra {
        explain: true,
        stress: vec![],
    };
    work(run, Stage::Report, &extra, args, cancel, observer)
}

/// Which pipelines, under which conditions.
#[derive(Debug, Clone, clap::Args)]
pub struct Stress {
    /// Which pipelines.
    #[command(flatten)]
    pub run: Run,
    /// Conditions, separated by commas; without it all but `clean`, which changes nothing
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(Condition::ALL.map(Condition::name)))]
    pub conditions: Vec<String>,
}

/// `ser stress`: a run to the report, with tests of the named experiments on changed recordings.
pub fn stress(
    stress: &Stress,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Exit> {
    let mut conditions: Vec<Condition> = match stress.conditions.is_empty() {
        true => Condition::ALL
            .into_iter()
            .filter(|one| *one != Condition::Clean)
            .collect(),
        false => stress
            .conditions
            .iter()
            .filter_map(|name| Condition::named(name))
            .collect(),
    };
    conditions.sort();
    conditions.dedup();
    let extra = Extra {
        explain: false,
        stress: conditions,
    };
    work(&stress.run, Stage::Report, &extra, args, cancel, observer)
}

/// What is computed beyond results.
#[derive(Default)]
struct Extra {
    explain: bool,
    stress: Vec<Condition>,
}

fn work(
    run: &Run,
    stage: Stage,
    extra: &Extra,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Exit> {
    if run.executor == Executor::Slurm || run.profile.is_some() || run.detach {
        let error = Error::usage(
            "--executor slurm, --profile and --detach are for `ser run`, and the last two for a cluster",
        );
        return Err(error.hint("ser run PIPELINE --executor slurm"));
    }
    if run.dag.is_some() && !run.dry_run {
        return Err(Error::usage(
            "--dag is for `ser plan` and --dry-run: a run shows no graph",
        ));
    }
    if run.dry_run {
        return show_plan(run, stage, extra, args, cancel, observer);
    }
    let reports: RefCell<Vec<PathBuf>> = RefCell::default();
    let is_terminal = std::io::stdout().is_terminal();
    let exit = each(run, args, observer, |pipeline, experiments| {
        let options = options(run, stage, extra, experiments);
        variants::keep(pipeline, &run.data_dir)?;
        let recorder = record::begin(pipeline, &options, observer);
        let result = pipeline::run(pipeline, &options, cancel, &recorder);
        record::end(recorder, pipeline, &options, &result);
        let outcome = result?;
        if outcome.report.is_some() {
            record::page(pipeline, &options, &outcome.steps, observer);
        }
        if args.global.json {
            outcome
                .results
                .iter()
                .try_for_each(|line| print(&json_line("result", &pipeline.full_name(), line)))?;
        } else {
            if run.pipelines.len() > 1 && !outcome.results.is_empty() {
                print(&format!("== {}", pipeline.full_name()))?;
            }
            summary::results(&outcome.results)
                .iter()
                .try_for_each(|line| print(line))?;
        }
        let is_stress = !args.global.json && !extra.stress.is_empty();
        for line in outcome.results.iter().filter(|_| is_stress) {
            summary::robustness(line)
                .iter()
                .try_for_each(|line| print(line))?;
        }
        if let Some(path) = &outcome.report {
            reports.borrow_mut().push(path.clone());
            let path = path.display().to_string();
            print(&if args.global.json {
                json_line("report", &pipeline.full_name(), &path)
            } else {
                format!("report: {path}")
            })?;
            if is_terminal && !args.global.json && !run.open {
                print(&format!("next: {}", next(&pipeline.full_name(), run)))?;
            }
        }
        Ok(outcome.failures.into_iter().next())
    })?;
    if run.open {
        let page = match reports.borrow().as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            _ => Some(run.reports_dir.join("index.html")),
        };
        // The work is done, whether or not it can be shown.
        if let Some(Err(error)) = page.map(|page| open::show(&page)) {
            observer.warn(format!("{error}"));
        }
    }
    Ok(exit)
}

/// The command that shows a report.
fn next(pipeline: &str, run: &Run) -> String {
    let command = match open::is_elsewhere() {
        true => "serve",
        false => "open",
    };
    let mut text = format!("ser {command} {}", shell_word(pipeline));
    if run.reports_dir != Path::new("reports") {
        let folder = run.reports_dir.to_string_lossy();
        text += &format!(" --reports-dir {}", shell_word(&folder));
    }
    text
}

/// `ser plan`.
pub fn plan(run: &Run, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<Exit> {
    show_plan(
        run,
        Stage::Report,
        &Extra::default(),
        args,
        cancel,
        observer,
    )
}

fn show_plan(
    run: &Run,
    stage: Stage,
    extra: &Extra,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Exit> {
    let plans: RefCell<Vec<(String, Vec<PlanLine>)>> = RefCell::default();
    let json = args.global.json;
    let all;
    let run = if run.pipelines.is_empty() {
        all = Run {
            pipelines: known(&run.pipelines_dir)?,
            skip_missing: true,
            ..run.clone()
        };
        &all
    } else {
        run
    };
    let exit = each(run, args, observer, |pipeline, experiments| {
        let lines = pipeline::plan(
            pipeline,
            &options(run, stage, extra, experiments.clone()),
            cancel,
            observer,
        )?;
        if run.dag == Some(Dag::Dot) {
            plans.borrow_mut().push((pipeline.full_name(), lines));
            return Ok(None);
        }
        if run.pipelines.len() > 1 && !json {
            print(&format!("== {}", pipeline.full_name()))?;
        }
        match run.dag {
            Some(_) if !json => print(pipeline::dag_text(&lines).trim_end())?,
            _ => lines.iter().try_for_each(|line| {
                let text =
                    || line.with_reasons(&ui::reasons(&line.task, &line.why, args.global.verbose));
                print(&if json {
                    serde_json::json!({"pipeline": pipeline.full_name(), "plan": line}).to_string()
                } else {
                    text()
                })
            })?,
        }
        let left_out = pipeline::left_out(pipeline, &experiments);
        for one in left_out.iter().filter(|_| run.dag.is_none()) {
            print(&if json {
                json_line("left_out", &pipeline.full_name(), one)
            } else {
                format!("skip  {}  ({})", one.experiment, one.why)
            })?;
        }
        if !json {
            let count = |decision: Decision| {
                lines
                    .iter()
                    .filter(|line| line.decision == decision)
                    .count()
            };
            let maybe = match count(Decision::Maybe) {
                0 => String::new(),
                n => format!("{n} perhaps, "),
            };
            let left = match left_out.len() {
                0 => String::new(),
                n => format!(", {} left out", plural(n, "experiment")),
            };
            print(&format!(
                "{}: {} to run, {maybe}{} up to date{left}",
                pipeline.full_name(),
                count(Decision::Run),
                count(Decision::Keep)
            ))?;
        }
        Ok(None)
    })?;
    if run.dag == Some(Dag::Dot) {
        let plans = plans.borrow();
        print(
            pipeline::dag_dot(
                plans
                    .iter()
                    .map(|(name, lines)| (name.as_str(), lines.as_slice())),
            )
            .trim_end(),
        )?;
    }
    Ok(exit)
}

/// Does `work` with every named pipeline and the named experiments that it has; `work` returns the
/// first failure that did not stop it.
///
/// What is wrong with one of several pipelines, its file included, is said at once and stops no
/// other one; the first error decides the exit code.
fn each(
    run: &Run,
    args: &Args,
    observer: &dyn Observer,
    work: impl Fn(&Pipeline, Vec<String>) -> Result<Option<Error>>,
) -> Result<Exit> {
    if run.pipelines.is_empty() {
        return Err(unnamed(run)?);
    }
    let load = |name: &String| variants::load(run, name).map(|loaded| loaded.pipeline);
    let loaded: Vec<Result<Pipeline>> = run.pipelines.iter().map(load).collect();
    known_somewhere(&run.experiments, &loaded)?;
    same_name(&run.pipelines, &loaded)?;
    let several = loaded.len() > 1;
    let mut exit = Exit::Done;
    for (name, pipeline) in run.pipelines.iter().zip(loaded) {
        let failure = match pipeline {
            Err(error) => Some(error),
            Ok(pipeline) => {
                let own = own_experiments(&run.experiments, &pipeline);
                if several && own.is_empty() && !run.experiments.is_empty() {
                    observer.note(format!(
                        "{}: has no experiment {}",
                        pipeline.name,
                        run.experiments.join(", ")
                    ));
                    continue;
                }
                if !run.overrides.is_empty() || run.device.is_some() {
                    let file = path(&run.pipelines_dir, name);
                    unreached::warn(&pipeline, &file, run.corpora_dir.as_deref(), &own, observer);
                }
                match work(&pipeline, own)
                    .map_err(|error| with_advice(error, &pipeline, run.corpora_dir.as_deref()))
                {
                    Ok(failure) => failure,
                    Err(error) if error.kind() == Kind::Interrupted => {
                        return Err(error.hint(
                            "run the same command again to go on: what was finished is kept",
                        ));
                    }
                    Err(error) if run.skip_missing && error.kind() == Kind::Missing => {
                        observer.warn(format!("{name}: {error}"));
                        None
                    }
                    Err(error) => Some(error),
                }
            }
        };
        match failure {
            None => {}
            Some(error) if several => {
                report_of(name, &error, args.global.json);
                exit = exit.or(error.kind());
            }
            Some(error) => return Err(error),
        }
    }
    Ok(exit)
}

/// What is wrong where no pipeline is named.
pub(super) fn unnamed(run: &Run) -> Result<Error> {
    Ok(Error::usage("no pipeline is named").hint(format!(
        "name one or more of: {}",
        known(&run.pipelines_dir)?.join(", ")
    )))
}

/// Names of all pipeline files in their folder.
pub(super) fn known(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| {
        let hint = "run this in a folder with pipelines/, name it with --pipelines-dir, or write the files that come with ser: ser init";
        Error::missing(format!("there is no folder {}", folder.display())).because(e).hint(hint)
    })?;
    let names = entries.flatten().filter_map(|entry| {
        entry
            .file_name()
            .to_str()?
            .strip_suffix(".toml")
            .map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// A name that no pipeline knows is a slip of the pen; one that only some know picks those.
fn known_somewhere(names: &[String], loaded: &[Result<Pipeline>]) -> Result<()> {
    let pipelines: Vec<&Pipeline> = loaded.iter().flatten().collect();
    // Where a file could not be read, the name may be one of its experiments.
    if pipelines.len() < loaded.len() {
        return Ok(());
    }
    let unknown = names
        .iter()
        .find(|name| !pipelines.iter().any(|p| p.has(name)));
    match (unknown, pipelines.as_slice()) {
        (None, _) => Ok(()),
        (Some(unknown), [only]) => only.select(std::slice::from_ref(unknown)).map(drop),
        (Some(unknown), all) => {
            let of = |p: &&Pipeline| {
                format!(
                    "{}: {}",
                    p.name,
                    p.experiments
                        .iter()
                        .map(|e| e.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            };
            let error = Error::usage(format!(
                "none of the {} pipelines has an experiment `{unknown}`",
                all.len()
            ));
            Err(error.hint(all.iter().map(of).collect::<Vec<_>>().join("; ")))
        }
    }
}

/// Two files of one name would write over each other's tables, models and reports.
fn same_name(files: &[String], loaded: &[Result<Pipeline>]) -> Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for (file, pipeline) in files.iter().zip(loaded) {
        let Ok(pipeline) = pipeline else { continue };
        if let Some(other) = seen.insert(pipeline.full_name(), file) {
            let error = Error::config(format!(
                "{other} and {file} are both called `{}`",
                pipeline.full_name()
            ));
            return Err(error.hint("give each pipeline file a name of its own: it names the folders of its tables, models and reports"));
        }
    }
    Ok(())
}

fn own_experiments(names: &[String], pipeline: &Pipeline) -> Vec<String> {
    names
        .iter()
        .filter(|name| pipeline.has(name))
        .cloned()
        .collect()
}

fn json_line(what: &str, pipeline: &str, value: impl serde::Serialize) -> String {
    serde_json::json!({ "pipeline": pipeline, what: value }).to_string()
}

fn options(run: &Run, until: Stage, extra: &Extra, experiments: Vec<String>) -> Options {
    Options {
        explain: extra.explain,
        stress: extra.stress.clone(),
        data_dir: run.data_dir.clone(),
        reports_dir: run.reports_dir.clone(),
        until,
        experiments,
        limits: Limits {
            jobs: run.jobs.map_or_else(
                || std::thread::available_parallelism().map_or(1, usize::from),
                usize::from,
            ),
            memory: run.memory.or_else(system::memory),
            retries: run.retries,
            time_limit: run.time_limit,
            keep_going: !run.fail_fast,
        },
        owner: Owner::this(system::host(), command_line()),
        wait: !run.no_wait,
    }
}

pub(super) fn overrides(run: &Run) -> Result<Vec<String>> {
    let mut overrides = run.overrides.clone();
    if let Some(protocol) = &run.protocol {
        overrides.push(format!("protocol={}", protocol_value(protocol)?));
    }
    if let Some(device) = &run.device {
        overrides.push(format!("train.device={device}"));
    }
    Ok(overrides)
}

/// A bare name is a file of the pipelines' folder; anything that looks like a path is one.
pub(super) fn path(pipelines_dir: &Path, name: &str) -> PathBuf {
    if name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
        PathBuf::from(name)
    } else {
        pipelines_dir.join(format!("{name}.toml"))
    }
}

/// The inline table that a word such as `group-kfold:5` stands for.
fn protocol_value(word: &str) -> Result<String> {
    let (kind, argument) = word
        .split_once(':')
        .map_or((word, None), |(kind, argument)| (kind, Some(argument)));
    let key = match kind {
        "stratified-kfold" | "group-kfold" | "text-kfold" => Some("folds"),
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
            .hint("use stratified-kfold:5, group-kfold:5, text-kfold:5, leave-one-speaker-out, leave-one-session-out, hold-out:0.2 or published:emobox")),
    }
}
