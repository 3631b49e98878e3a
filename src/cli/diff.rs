//! `diff`: what two runs have set, found and predicted differently.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::args::{Args, Diff};
use super::runs::{aligned, metric_name, opened, revision};
use super::{print, system};
use crate::error::{Kind, Result};
use crate::evaluation::{self, McNemar, Paired};
use crate::history::{History, Metric, Predictions, Run};
use crate::report::html::p_value;
use crate::table;
use crate::text::plural;

/// A setting that is not the same in both.
#[derive(Debug, Serialize)]
struct Setting {
    name: String,
    a: Option<String>,
    b: Option<String>,
}

/// A figure that either has.
#[derive(Debug, Serialize)]
struct Figure {
    experiment: String,
    protocol: String,
    metric: String,
    a: Option<f64>,
    b: Option<f64>,
    difference: Option<f64>,
}

/// The predictions of an experiment in both.
#[derive(Debug, Serialize)]
struct Compared {
    experiment: String,
    /// Runs whose predictions are no longer there, or cannot be read, and why.
    gone: Vec<String>,
    /// Both are the same file of the cache.
    same_output: bool,
    paired: Option<Paired>,
}

/// Compares two runs.
pub fn diff(diff: &Diff, args: &Args) -> Result<()> {
    let history = opened(&diff.data_dir)?;
    let host = system::host();
    let (a, b) = (history.find(&diff.a, &host)?, history.find(&diff.b, &host)?);
    let settings = settings(&a, &b);
    let figures = figures(&history.metrics(a.id)?, &history.metrics(b.id)?);
    let compared = predictions(&history, &a, &b, &diff.data_dir)?;
    if args.global.json {
        let about = |run: &Run| {
            serde_json::json!({
                "id": run.id, "pipeline": run.pipeline, "started": run.started, "revision": run.revision, "dirty": run.dirty,
                "version": run.version, "outcome": run.outcome, "command": run.command,
            })
        };
        let all = serde_json::json!({
            "a": about(&a), "b": about(&b), "settings": settings, "metrics": figures, "predictions": compared,
        });
        return print(&all.to_string());
    }
    heading(&a, &b)?;
    if a.pipeline != b.pipeline {
        print(&format!(
            "\nthese are runs of different pipelines, {} and {}",
            a.pipeline, b.pipeline
        ))?;
    }
    show_settings(&settings)?;
    let data = |run: &Run| -> Result<Vec<String>> {
        let tasks = history
            .tasks(run.id)?
            .into_iter()
            .filter(|task| task.stage == "features" && !task.key.is_empty());
        Ok(tasks.map(|task| task.key).collect())
    };
    let (of_a, of_b) = (data(&a)?, data(&b)?);
    if !of_a.is_empty() && !of_b.is_empty() && of_a != of_b {
        print("\nrecordings or features: not the same in both")?;
    }
    let shared = figures
        .iter()
        .any(|figure| figure.a.is_some() && figure.b.is_some());
    if shared || figures.is_empty() {
        show_figures(&figures, &a, &b)?;
    } else {
        show_contents(&figures, &a, &b)?;
        let others = candidates(&history, [&a, &b], &host)?;
        others.iter().try_for_each(|line| print(line))?;
    }
    compared
        .iter()
        .try_for_each(|one| show_predictions(one, &a, &b))
}

fn settings(a: &Run, b: &Run) -> Vec<Setting> {
    let names: BTreeSet<&String> = a.parameters.keys().chain(b.parameters.keys()).collect();
    let both = names
        .into_iter()
        .map(|name| (name, a.parameters.get(name), b.parameters.get(name)));
    both.filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| Setting {
            name: name.clone(),
            a: a.cloned(),
            b: b.cloned(),
        })
        .collect()
}

fn figures(a: &[Metric], b: &[Metric]) -> Vec<Figure> {
    let key = |m: &Metric| (m.experiment.clone(), m.protocol.clone(), m.metric.clone());
    let keys: BTreeSet<(String, String, String)> = a.iter().chain(b).map(key).collect();
    let value = |metrics: &[Metric], wanted: &(String, String, String)| {
        metrics.iter().find(|m| key(m) == *wanted).map(|m| m.value)
    };
    let figure = |wanted: (String, String, String)| {
        let (a, b) = (value(a, &wanted), value(b, &wanted));
        let (experiment, protocol, metric) = wanted;
        Figure {
            experiment,
            protocol,
            metric,
            a,
            b,
            difference: a.zip(b).map(|(a, b)| b - a),
        }
    };
    keys.into_iter().map(figure).collect()
}

/// For every experiment of which both runs have predictions.
fn predictions(history: &History, a: &Run, b: &Run, data_dir: &Path) -> Result<Vec<Compared>> {
    let (of_a, of_b) = (history.predictions(a.id)?, history.predictions(b.id)?);
    let pairs = of_a
        .iter()
        .filter_map(|a| Some((a, of_b.iter().find(|b| b.experiment == a.experiment)?)));
    pairs
        .map(|(first, second)| compare(first, second, (a.id, b.id), data_dir))
        .collect()
}

fn compare(
    a: &Predictions,
    b: &Predictions,
    runs: (i64, i64),
    data_dir: &Path,
) -> Result<Compared> {
    let mut gone = Vec::new();
    let mut read =
        |place: &Predictions, run: i64| match table::predictions::read(&data_dir.join(&place.path))
        {
            Ok((labels, rows, _)) => Ok(Some((labels, rows))),
            Err(error) if error.kind() == Kind::Missing => {
                gone.push(format!(
                "those of run {run} are gone ({} is not there): they were removed from the cache",
                place.path
            ));
                Ok(None)
            }
            Err(error) if error.kind() == Kind::Data => {
                gone.push(format!("those of run {run} cannot be read: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        };
    let (first, second) = (read(a, runs.0)?, read(b, runs.1)?);
    let paired = match (first, second) {
        (Some((a_labels, a_rows)), Some((b_labels, b_rows))) => Some(evaluation::compare(
            (&a_labels, a_rows),
            (&b_labels, b_rows),
        )?),
        _ => None,
    };
    Ok(Compared {
        experiment: a.experiment.clone(),
        gone,
        same_output: a.key == b.key,
        paired,
    })
}

fn heading(a: &Run, b: &Run) -> Result<()> {
    let row = |name: &str, of: &dyn Fn(&Run) -> String| [name.to_owned(), of(a), of(b)];
    let rows = [
        row("", &|run| format!("run {}", run.id)),
        row("pipeline", &|run| run.pipeline.clone()),
        row("started", &|run| run.started_here.clone()),
        row("outcome", &|run| run.outcome.to_string()),
        row("git", &|run| revision(run, 12)),
        row("ser", &|run| run.version.clone()),
    ];
    aligned(&rows, &[]).iter().try_for_each(|line| print(line))
}

fn show_settings(settings: &[Setting]) -> Result<()> {
    if settings.is_empty() {
        return print("\nsettings: the same");
    }
    print("\nsettings")?;
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not there)".to_owned());
    let rows: Vec<[String; 2]> = settings
        .iter()
        .map(|s| {
            [
                format!("  {}", s.name),
                format!("{} -> {}", word(&s.a), word(&s.b)),
            ]
        })
        .collect();
    aligned(&rows, &[]).iter().try_for_each(|line| print(line))
}

fn show_figures(figures: &[Figure], a: &Run, b: &Run) -> Result<()> {
    if figures.is_empty() {
        return print("\nfigures: neither run has any");
    }
    print("\nfigures, in %")?;
    let percent =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{:.2}", v * 100.0));
    let mut rows = vec![[
        "".to_owned(),
        "".to_owned(),
        "".to_owned(),
        a.id.to_string(),
        b.id.to_string(),
        "difference".to_owned(),
    ]];
    for figure in figures {
        rows.push([
            format!("  {}", figure.experiment),
            figure.protocol.clone(),
            metric_name(&figure.metric).to_owned(),
            percent(figure.a),
            percent(figure.b),
            figure
                .difference
                .map_or_else(|| "-".to_owned(), |d| format!("{:+.2}", d * 100.0)),
        ]);
    }
    aligned(&rows, &[3, 4, 5])
        .iter()
        .try_for_each(|line| print(line))
}

/// What each run has, where neither has anything that the other has.
fn show_contents(figures: &[Figure], a: &Run, b: &Run) -> Result<()> {
    print(
        "\nthe runs share no experiment with the same protocol, so there is no figure to compare",
    )?;
    let of = |run: &Run, has: fn(&Figure) -> bool| {
        let names: BTreeSet<String> = figures
            .iter()
            .filter(|figure| has(figure))
            .map(|figure| format!("{} ({})", figure.experiment, figure.protocol))
            .collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        format!(
            "  run {} of {} has {}",
            run.id,
            run.pipeline,
            if names.is_empty() {
                "no figures".to_owned()
            } else {
                names
            }
        )
    };
    print(&of(a, |figure| figure.a.is_some()))?;
    print(&of(b, |figure| figure.b.is_some()))
}

/// Runs among which others are looked for.
const LOOKED_AT: usize = 100;

/// Of each of two runs that share nothing, the latest other run with which it shares a figure, as the
/// command that compares them.
fn candidates(history: &History, of: [&Run; 2], host: &str) -> Result<Vec<String>> {
    let keys = |run: &Run| -> Result<BTreeSet<(String, String)>> {
        let metrics = history.metrics(run.id)?.into_iter();
        Ok(metrics.map(|m| (m.experiment, m.protocol)).collect())
    };
    let mut lines = Vec::new();
    let runs = history.runs(None, LOOKED_AT, host)?;
    for one in of {
        let own = keys(one)?;
        for other in runs
            .iter()
            .filter(|run| of.iter().all(|one| one.id != run.id))
        {
            let shared: Vec<String> = (own.intersection(&keys(other)?))
                .map(|(experiment, protocol)| format!("{experiment} ({protocol})"))
                .collect();
            if shared.is_empty() || other.pipeline != one.pipeline {
                continue;
            }
            let (first, second) = (one.id.min(other.id), one.id.max(other.id));
            lines.push(format!(
                "  to compare run {} with another: ser diff {first} {second}  # {}",
                one.id,
                shared.join(", ")
            ));
            break;
        }
        if !lines
            .iter()
            .any(|line| line.contains(&format!("compare run {} ", one.id)))
        {
            lines.push(format!(
                "  no other of the last {LOOKED_AT} runs of {} shares a figure with run {}",
                one.pipeline, one.id
            ));
        }
    }
    Ok(lines)
}

fn show_predictions(compared: &Compared, a: &Run, b: &Run) -> Result<()> {
    print(&format!("\npredictions of {}", compared.experiment))?;
    compared
        .gone
        .iter()
        .try_for_each(|line| print(&format!("  {line}")))?;
    let Some(paired) = &compared.paired else {
        return Ok(());
    };
    if paired.n == 0 && paired.other_truth == 0 {
        let (one, other) = (
            plural(paired.only_a, "utterance"),
            plural(paired.only_b, "utterance"),
        );
        return print(&format!(
            "  no utterance in common: run {} predicted {one}, run {} predicted {other}",
            a.id, b.id
        ));
    }
    let mut left_out = Vec::new();
    for (n, why) in [
        (paired.other_truth, "of another true class"),
        (paired.only_a, &*format!("predicted by run {} alone", a.id)),
        (paired.only_b, &*format!("predicted by run {} alone", b.id)),
    ] {
        if n > 0 {
            left_out.push(format!("{n} {why}"));
        }
    }
    let left_out = if left_out.is_empty() {
        String::new()
    } else {
        format!(" (left out: {})", left_out.join(", "))
    };
    print(&format!(
        "  both predicted {}{left_out}",
        plural(paired.n, "utterance")
    ))?;
    if paired.averaged > 1 {
        print(&format!(
            "  up to {} predictions of an utterance are taken together: the class of the highest mean probability",
            paired.averaged
        ))?;
    }
    if paired.n == 0 {
        return Ok(());
    }
    if compared.same_output {
        return print("  they are the same output: nothing that they depend on differs");
    }
    let McNemar {
        b: first,
        c: second,
        p,
        mid_p,
    } = paired.mcnemar;
    print(&format!(
        "  right in both: {}, in {} alone: {first}, in {} alone: {second}, in neither: {}",
        paired.both_right, a.id, b.id, paired.both_wrong
    ))?;
    print(&format!(
        "  McNemar's exact test: p = {} (mid-p {})",
        p_value(p),
        p_value(mid_p)
    ))
}
