//! `runs` and `runs show`: what was run, when, and what came of it.

use std::path::Path;

use super::args::{Args, OneRun, Runs, Show};
use super::{print, system};
use crate::error::{Error, Result};
use crate::history::{FILE, History, Metric, Outcome, Run, TaskRow};
use crate::text::plural;
use crate::ui::duration;

/// Lists runs, or shows one.
pub fn runs(runs: &Runs, args: &Args) -> Result<()> {
    if let Some(OneRun::Show(one)) = &runs.one {
        return show(one, args);
    }
    let Some(history) = History::existing(&runs.data_dir)? else {
        return if args.global.json {
            Ok(())
        } else {
            print(&format!(
                "no run is recorded in {} yet",
                runs.data_dir.join(FILE).display()
            ))
        };
    };
    let found = history.runs(
        runs.pipeline.as_deref(),
        runs.limit as usize,
        &system::host(),
    )?;
    if args.global.json {
        return found
            .iter()
            .try_for_each(|run| print(&json(&history, run, false)?.to_string()));
    }
    if found.is_empty() {
        let of = runs
            .pipeline
            .as_ref()
            .map(|name| format!(" of pipeline `{name}`"))
            .unwrap_or_default();
        return print(&format!(
            "no run{of} is recorded in {} yet",
            runs.data_dir.join(FILE).display()
        ));
    }
    let mut table = vec![
        [
            "run", "started", "pipeline", "git", "outcome", "took", "ran", "kept", "UAR/WA %",
        ]
        .map(str::to_owned),
    ];
    for run in &found {
        let took = run.seconds.map_or_else(|| "-".to_owned(), duration);
        let ran = run.tasks.ran + run.tasks.failed;
        table.push([
            run.id.to_string(),
            run.started_here.clone(),
            run.pipeline.clone(),
            revision(run, 8),
            run.outcome.to_string(),
            took,
            ran.to_string(),
            run.tasks.reused.to_string(),
            headline(&history.metrics(run.id)?, 3),
        ]);
    }
    aligned(&table, &[0, 5, 6, 7])
        .iter()
        .try_for_each(|line| print(line))
}

/// The history of `data_dir`, for a command that needs one.
pub fn opened(data_dir: &Path) -> Result<History> {
    History::existing(data_dir)?.ok_or_else(|| {
        let error = Error::missing(format!(
            "there is no history {}",
            data_dir.join(FILE).display()
        ));
        error.hint("`ser run` begins one; --data-dir names another folder")
    })
}

fn show(show: &Show, args: &Args) -> Result<()> {
    let history = opened(&show.data_dir)?;
    let run = history.find(&show.run, &system::host())?;
    if args.global.json {
        return print(&json(&history, &run, true)?.to_string());
    }
    let (tasks, metrics) = (history.tasks(run.id)?, history.metrics(run.id)?);
    print(&format!("run {}: {} ({})", run.id, run.pipeline, run.title))?;
    let took = run
        .seconds
        .map(|s| format!(" after {}", duration(s)))
        .unwrap_or_default();
    let elsewhere = if run.outcome == Outcome::Running {
        format!(" (process {} on {})", run.process.pid, run.process.host)
    } else {
        String::new()
    };
    let mut lines = vec![
        [
            "  started".to_owned(),
            format!("{} ({})", run.started_here, run.started),
        ],
        [
            "  outcome".to_owned(),
            format!("{}{took}{elsewhere}", run.outcome),
        ],
    ];
    lines.extend(
        run.error
            .iter()
            .map(|error| ["  error".to_owned(), error.clone()]),
    );
    lines.extend([
        ["  command".to_owned(), run.command.clone()],
        ["  in".to_owned(), run.folder.clone()],
        ["  git".to_owned(), revision(&run, 40)],
        [
            "  by".to_owned(),
            format!(
                "ser {} on {}, process {}, {} threads",
                run.version, run.process.host, run.process.pid, run.jobs
            ),
        ],
    ]);
    aligned(&lines, &[])
        .iter()
        .try_for_each(|line| print(line))?;

    print("\nsettings")?;
    let settings: Vec<[String; 2]> = run
        .parameters
        .iter()
        .map(|(key, value)| [format!("  {key}"), value.clone()])
        .collect();
    aligned(&settings, &[])
        .iter()
        .try_for_each(|line| print(line))?;

    print(&format!(
        "\ntasks: {} ran, {} kept, {} failed",
        run.tasks.ran, run.tasks.reused, run.tasks.failed
    ))?;
    for stage in tasks.chunk_by(|a, b| a.stage == b.stage) {
        let seconds = stage
            .iter()
            .filter_map(|task| task.seconds)
            .fold(0.0, |sum, seconds| sum + seconds);
        let name = stage
            .first()
            .map(|task| task.stage.as_str())
            .unwrap_or_default();
        print(&format!(
            "  {name}: {} in {}",
            plural(stage.len(), "task"),
            duration(seconds)
        ))?;
        let rows: Vec<[String; 5]> = stage.iter().map(task_row).collect();
        aligned(&rows, &[2])
            .iter()
            .try_for_each(|line| print(line))?;
    }

    if !metrics.is_empty() {
        print("\nfigures")?;
    }
    for one in metrics.chunk_by(|a, b| (&a.experiment, &a.protocol) == (&b.experiment, &b.protocol))
    {
        let Some(first) = one.first() else { continue };
        let figures: Vec<String> = one
            .iter()
            .map(|m| format!("{} {:.2} %", metric_name(&m.metric), m.value * 100.0))
            .collect();
        print(&format!(
            "  {} ({}, {}): {}",
            first.experiment,
            first.protocol,
            plural(first.n as usize, "prediction"),
            figures.join(", ")
        ))?;
    }
    Ok(())
}

fn task_row(task: &TaskRow) -> [String; 5] {
    let seconds = task.seconds.map(duration).unwrap_or_default();
    let key: String = task.key.chars().take(12).collect();
    [
        format!("    {}", task.what.name()),
        task.task.clone(),
        seconds,
        key,
        task.why.clone(),
    ]
}

fn json(history: &History, run: &Run, all: bool) -> Result<serde_json::Value> {
    let failed = |e| Error::internal("failed to write a run as JSON").because(e);
    let mut value = serde_json::to_value(run).map_err(failed)?;
    value["metrics"] = serde_json::to_value(history.metrics(run.id)?).map_err(failed)?;
    if all {
        value["task_list"] = serde_json::to_value(history.tasks(run.id)?).map_err(failed)?;
        value["predictions"] =
            serde_json::to_value(history.predictions(run.id)?).map_err(failed)?;
    } else if let Some(run) = value.as_object_mut() {
        run.remove("parameters");
    }
    Ok(value)
}

/// The first digits of the commit, with a mark where files differed from it.
pub fn revision(run: &Run, digits: usize) -> String {
    let commit = run
        .revision
        .as_deref()
        .map_or("-", |commit| commit.get(..digits).unwrap_or(commit));
    format!("{commit}{}", if run.dirty == Some(true) { "+" } else { "" })
}

/// UAR and WA of the first `most` experiments.
fn headline(metrics: &[Metric], most: usize) -> String {
    let value = |one: &[Metric], name: &str| {
        one.iter()
            .find(|m| m.metric == name)
            .map(|m| format!("{:.1}", m.value * 100.0))
    };
    let experiments: Vec<&[Metric]> = metrics
        .chunk_by(|a, b| a.experiment == b.experiment)
        .collect();
    let mut texts: Vec<String> = experiments
        .iter()
        .take(most)
        .filter_map(|one| {
            Some(format!(
                "{} {}/{}",
                one.first()?.experiment,
                value(one, "uar")?,
                value(one, "accuracy")?
            ))
        })
        .collect();
    if experiments.len() > most {
        texts.push(format!("and {} more", experiments.len() - most));
    }
    texts.join(", ")
}

/// A metric as people call it.
pub fn metric_name(metric: &str) -> &str {
    match metric {
        "accuracy" => "WA",
        "uar" => "UAR",
        "macro_f1" => "macro F1",
        "ensemble_accuracy" => "seeds together WA",
        "ensemble_uar" => "seeds together UAR",
        other => other,
    }
}

/// Rows as lines with columns of one width; those of `right` stand to the right.
pub fn aligned(rows: &[impl AsRef<[String]>], right: &[usize]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row.as_ref()[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let cell = |(column, text): (usize, &String)| match widths[column] {
        width if right.contains(&column) => format!("{text:>width$}"),
        width => format!("{text:<width$}"),
    };
    rows.iter()
        .map(|row| {
            row.as_ref()
                .iter()
                .enumerate()
                .map(cell)
                .collect::<Vec<_>>()
                .join("  ")
                .trim_end()
                .to_owned()
        })
        .collect()
}
