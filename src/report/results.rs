//! RESULTS.md: the finished experiments of several pipelines beside the published figures, a table
//! for each protocol.

use std::path::Path;

use crate::corpus::Attribute;
use crate::corpus::Published;
use crate::encoder::Heard;
use crate::error::{Error, Result};
use crate::escape::{markdown as text, markdown_code as code};
use crate::evaluation::{Interval, Intervals, Resampled, Spread};
use crate::split::{Independence, TestSpeakers};
use crate::transform::BALANCED_SPEAKERS;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::headline;
use super::html::percent;
use super::index;
use super::leak;
use super::uncertainty::doubt;

/// One pipeline as its file says it now.
pub struct ResultsPipeline {
    /// For people.
    pub title: String,
    /// Of the pipeline file.
    pub file: String,
    /// What was last written about it, where anything was.
    pub report: Option<PipelineReport>,
    /// Figures to stand beside.
    pub published: Vec<Published>,
    /// In the order of the file.
    pub experiments: Vec<ResultsExperiment>,
}

/// How the text begins.
pub const RESULTS_HEAD: &str = "# Results\n\n";

/// One experiment as the pipeline file says it now.
pub struct ResultsExperiment {
    /// Name within the pipeline.
    pub name: String,
    /// For people.
    pub title: String,
    /// Short protocol name.
    pub protocol: String,
    /// What the model sees, in words; empty for an ensemble.
    pub inputs: String,
    /// Whether test utterances, without their labels, have a part in what is done to them.
    pub transductive: bool,
    /// What makes the result.
    pub command: String,
    /// Why there is no result with the present settings, where there is none.
    pub lacks: Option<String>,
}

/// The report of a pipeline in its folder; `None` where there is none.
///
/// # Errors
/// `Data` where it is damaged or written by a newer version.
pub fn read(folder: &Path) -> Result<Option<PipelineReport>> {
    let path = folder.join("report.json");
    if !path.is_file() {
        return Ok(None);
    }
    let wrong = |why| {
        Error::data(format!("{} cannot be read: {why}", path.display()))
            .hint("run the pipeline again")
    };
    index::parse(&path).map(Some).map_err(wrong)
}

/// The text of RESULTS.md: a pure function of its arguments, with no time of day in it.
///
/// `picture` is where [`results_picture`] lies, as the text links to it.
pub fn results(pipelines: &[ResultsPipeline], version: &str, picture: Option<&str>) -> String {
    let mut out = RESULTS_HEAD.to_owned();
    out.push_str(&format!(
        "Written by `ser results` (ser {version}) and never by hand: change a pipeline file, run it with `ser run`, and write this file again.\n\n"
    ));
    out.push_str(&format!(
        "WA is accuracy, UAR the mean of the recalls of the classes, both in per cent, pooled over all folds: the mean over seeds, ± the standard \
         deviation over seeds where there are several. *95 %* is the bootstrap interval that draws whole speakers. ECE is the expected calibration \
         error in 15 bins. *Inductive* experiments see one test utterance at a time; **transductive** ones use the test speakers' other \
         recordings, without labels, for scaling. Their figures hold only if {BALANCED_SPEAKERS}; a table of restricted pools below theirs \
         says what becomes of them otherwise. Each table holds one protocol; figures of different tables are not comparable. Published \
         figures stand apart, each in its own protocol: P is from the publication itself, R from a re-implementation or a later paper, I \
         inferred here. How all of it is computed stands in docs/protocols.md, which comes with the source of ser.\n",
    ));
    out.push_str(&headline::table(&headline::lines(pipelines), picture));
    for (at, pipeline) in pipelines.iter().enumerate() {
        of_pipeline(&mut out, at + 1, pipeline);
    }
    out
}

/// The first table of the text as an SVG file; `None` without a result on recorded speech.
pub fn results_picture(pipelines: &[ResultsPipeline]) -> Option<String> {
    headline::picture(&headline::lines(pipelines))
}

/// The experiments with a result, each with its section of the report; of an experiment between two
/// corpora, with those of its directions.
pub(super) fn finished(
    pipeline: &ResultsPipeline,
) -> impl Iterator<Item = (&ResultsExperiment, &ExperimentSection)> {
    let sections = || pipeline.report.iter().flat_map(|r| &r.experiments);
    let experiments = pipeline.experiments.iter();
    experiments
        .filter(|experiment| experiment.lacks.is_none())
        .flat_map(move |experiment| {
            sections()
                .filter(|one| one.experiment() == experiment.name && one.pooled.is_some())
                .map(move |section| (experiment, section))
        })
}

fn of_pipeline(out: &mut String, at: usize, pipeline: &ResultsPipeline) {
    out.push_str(&format!(
        "\n<a id=\"corpus-{at}\"></a>\n\n## {}\n\nPipeline file: `{}`.\n",
        text(&pipeline.title),
        code(&pipeline.file)
    ));
    let generated = pipeline.report.as_ref().is_some_and(compare::generated);
    if let Some(report) = &pipeline.report {
        about_corpus(out, report, generated);
    }
    let done: Vec<(&ResultsExperiment, &ExperimentSection)> = finished(pipeline).collect();
    let other_task = pipeline
        .report
        .as_ref()
        .and_then(compare::other_classes)
        .is_some();
    let published: &[Published] = if generated || other_task {
        &[]
    } else {
        &pipeline.published
    };
    for (speakers, tested, theirs) in
        compare::by_speakers(&done, |(_, section)| *section, published)
    {
        let heading = lower_first(speakers.heading());
        let of_kind: Vec<_> = tested.into_iter().map(|i| &done[i]).collect();
        let mut protocols: Vec<&str> = Vec::new();
        for (_, section) in &of_kind {
            if !protocols.contains(&section.protocol.as_str()) {
                protocols.push(&section.protocol);
            }
        }
        for protocol in protocols {
            out.push_str(&format!("\n### {}: {heading}\n\n", text(protocol)));
            let rows: Vec<_> = of_kind
                .iter()
                .filter(|(_, section)| section.protocol == protocol)
                .collect();
            if let Some((chance, majority)) = rows
                .first()
                .and_then(|(_, section)| compare::levels(section))
            {
                let (chance, majority) = (percent(chance), percent(majority));
                out.push_str(&format!("Without a model: UAR {chance} (any constant guess), WA {majority} (the largest class).\n\n"));
            }
            out.push_str("| system | inputs | setting | WA | 95 % | UAR | 95 % | ECE | folds | seeds | command |\n");
            out.push_str("|---|---|---|---:|---|---:|---|---:|---:|---:|---|\n");
            rows.iter()
                .for_each(|(experiment, section)| ours(out, experiment, section));
            restricted(
                out,
                &rows
                    .iter()
                    .map(|(experiment, section)| (*experiment, *section))
                    .collect::<Vec<_>>(),
            );
        }
        if !theirs.is_empty() {
            out.push_str(&format!("\n#### Published: {heading}\n\n"));
            out.push_str("| mark | source | system | their protocol | WA | UAR | note |\n|---|---|---|---|---:|---:|---|\n");
            theirs
                .into_iter()
                .for_each(|i| published_row(out, &published[i]));
        }
    }
    not_run(out, pipeline, &done);
}

/// A heading within a line.
pub(super) fn lower_first(heading: &str) -> String {
    let (first, rest) = heading.split_at_checked(1).unwrap_or(("", heading));
    first.to_lowercase() + rest
}

fn about_corpus(out: &mut String, report: &PipelineReport, generated: bool) {
    let Some(corpus) = &report.corpus else { return };
    let (speakers, classes) = (super::corpus::speakers(corpus), corpus.by_class.len());
    out.push_str(&format!(
        "\n{} utterances, {speakers}, {classes} classes.",
        corpus.utterances
    ));
    if generated {
        out.push_str(
            " **Generated by a program, not recorded: the figures say nothing about emotions, and no published figure stands here.**",
        );
    }
    if let Some(differs) = compare::differs_from_published(corpus) {
        out.push_str(&format!(
            " **Not the corpus of the publications: {}.**",
            text(&differs)
        ));
    }
    if let Some(other) = compare::other_classes(report) {
        out.push_str(&format!(" **Another task than the published one, so that no published figures stand here: {}.**", text(&other)));
    }
    if !corpus.guessed.is_empty() {
        out.push_str(&format!(
            " **Guessed from file names, not confirmed: {}.**",
            Attribute::list(&corpus.guessed)
        ));
    }
    if !report.overrides.is_empty() {
        out.push_str(&format!(
            " **Overridden for this run: {}.**",
            text(&report.overrides.join("; "))
        ));
    }
    out.push('\n');
}

fn ours(out: &mut String, experiment: &ResultsExperiment, section: &ExperimentSection) {
    let Some(pooled) = &section.pooled else {
        return;
    };
    let found = &section.uncertainty;
    let setting = setting(experiment.transductive);
    let mut setting = setting.to_owned();
    if leak::of(section).is_some() {
        setting.push_str(", **same sound in training**");
    }
    if let Some(worst) = Heard::worst(&section.encoders) {
        setting.push_str(&match worst.verdict.is_leak() {
            true => format!(", **{}**", worst.badge()),
            false => format!(", {}", worst.badge()),
        });
    }
    if section.speakers.independence() != Independence::Yes
        && section.speakers != TestSpeakers::Shared
    {
        setting.push_str(&format!(", **{}**", section.speakers.phrase()));
    }
    let setting = setting.as_str();
    let mut folds: Vec<u32> = section.folds.iter().map(|fold| fold.fold).collect();
    folds.sort_unstable();
    folds.dedup();
    let seeds = compare::seeds(section).len();
    let figure = |metric: &str, value: f64| match found.over_seeds.get(metric) {
        Some(Spread { mean, sd }) if seeds > 1 => format!("{} ± {}", percent(*mean), percent(*sd)),
        _ => percent(value),
    };
    let (accuracy, uar) = ends(found.intervals.as_ref());
    let name = format!("{}: {}", text(&experiment.title), text(&section.model));
    let calibration = found
        .calibration
        .as_ref()
        .map_or("–".to_owned(), |c| percent(c.ece));
    let command = format!("`{}`", code(&experiment.command));
    let (wa, recall) = (
        figure("accuracy", pooled.accuracy),
        figure("uar", pooled.uar),
    );
    // What is made of other experiments has no seed of its own.
    let shown = if experiment.inputs.is_empty() {
        "–".to_owned()
    } else {
        seeds.to_string()
    };
    let inputs = if experiment.inputs.is_empty() {
        "those of its members".to_owned()
    } else {
        text(&experiment.inputs)
    };
    let cells = [
        &name,
        &inputs,
        setting,
        &wa,
        &accuracy,
        &recall,
        &uar,
        &calibration,
        &folds.len().to_string(),
        &shown,
        &command,
    ];
    row(out, &cells);
    if let Some(of) = &section.windows {
        let [wa, uar] = ["accuracy", "uar"].map(|metric| {
            of.figures
                .get(metric)
                .map_or("–".to_owned(), |value| percent(*value))
        });
        let (length, hop) = (of.windows.length_s(), of.windows.hop_s());
        let name = format!(
            "↳ the figures above count windows ({length} s, hop {hop} s); here utterances, by the mean probability of their windows"
        );
        row(
            out,
            &[
                &name,
                "",
                setting,
                &wa,
                "–",
                &uar,
                "–",
                "–",
                &folds.len().to_string(),
                &shown,
                "",
            ],
        );
    }
    let together = [
        (
            "mean probability",
            section.ensemble.as_ref(),
            found.ensemble_intervals.as_ref(),
            found.ensemble_calibration.as_ref(),
        ),
        ("majority vote", found.vote.as_ref(), None, None),
    ];
    for (how, scores, intervals, calibration) in together {
        let Some(scores) = scores else { continue };
        let (accuracy, uar) = ends(intervals);
        let name = format!("↳ its {seeds} seeds as one, {how}");
        let calibration = calibration.map_or("–".to_owned(), |c| percent(c.ece));
        let (wa, recall, folds) = (
            percent(scores.accuracy),
            percent(scores.uar),
            folds.len().to_string(),
        );
        row(
            out,
            &[
                &name,
                "",
                setting,
                &wa,
                &accuracy,
                &recall,
                &uar,
                &calibration,
                &folds,
                &seeds.to_string(),
                "",
            ],
        );
    }
}

fn setting(transductive: bool) -> &'static str {
    if transductive {
        "**transductive**: balanced speakers only"
    } else {
        "inductive"
    }
}

/// The transductive rows of a table once more, by the pools that test speakers are scaled by.
fn restricted(out: &mut String, rows: &[(&ResultsExperiment, &ExperimentSection)]) {
    if rows
        .iter()
        .all(|(_, section)| section.restricted_pools.is_empty())
    {
        return;
    }
    out.push_str(
        "\nRestricted pools: UAR of the same models on the clips of some classes, each test speaker scaled by all of their clips (full) \
                  or by their clips of these classes alone (restricted); inductive is the system that differs in its scaler alone.\n\n",
    );
    out.push_str(
        "| system | clips of | full | restricted | inductive |\n|---|---|---:|---:|---:|\n",
    );
    for (experiment, pool) in rows.iter().flat_map(|(experiment, section)| {
        section
            .restricted_pools
            .iter()
            .map(move |pool| (experiment, pool))
    }) {
        let clips = format!("{}: {}", pool.pool, text(&pool.classes.join(", ")));
        let twin = pool
            .inductive
            .as_ref()
            .map_or("–".to_owned(), |twin| percent(twin.uar));
        row(
            out,
            &[
                &text(&experiment.title),
                &clips,
                &percent(pool.full),
                &percent(pool.restricted),
                &twin,
            ],
        );
    }
}

fn row(out: &mut String, cells: &[&str]) {
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// The intervals of accuracy and UAR.
fn ends(intervals: Option<&Intervals>) -> (String, String) {
    let Some(found) = intervals else {
        return ("–".to_owned(), "–".to_owned());
    };
    let by = match (found.resampled, doubt(found)) {
        (Resampled::Utterances, _) => " (draws utterances)".to_owned(),
        (Resampled::Speakers, doubt) => {
            doubt.map(|doubt| format!(" ({doubt})")).unwrap_or_default()
        }
    };
    let one =
        |Interval { low, high }: Interval| format!("{} to {}{by}", percent(low), percent(high));
    (one(found.accuracy), one(found.uar))
}

fn published_row(out: &mut String, figure: &Published) {
    let share = |value: Option<f64>| value.map_or("–".to_owned(), percent);
    let mark = format!("**{}**", compare::describe(figure.mark).0);
    let note = figure.note.as_deref().map(text).unwrap_or_default();
    let (source, system, protocol) = (
        text(&figure.source),
        text(&figure.system),
        text(&figure.protocol),
    );
    row(
        out,
        &[
            &mark,
            &source,
            &system,
            &protocol,
            &share(figure.accuracy),
            &share(figure.uar),
            &note,
        ],
    );
}

fn not_run(
    out: &mut String,
    pipeline: &ResultsPipeline,
    done: &[(&ResultsExperiment, &ExperimentSection)],
) {
    let lacking: Vec<&ResultsExperiment> = pipeline
        .experiments
        .iter()
        .filter(|experiment| !done.iter().any(|(other, _)| other.name == experiment.name))
        .collect();
    if lacking.is_empty() {
        return;
    }
    out.push_str("\n### Without a result\n\n| experiment | protocol | setting | state | command |\n|---|---|---|---|---|\n");
    for experiment in lacking {
        let setting = setting(experiment.transductive);
        let state = experiment
            .lacks
            .as_deref()
            .map_or_else(|| "not run".to_owned(), text);
        let (title, command) = (
            text(&experiment.title),
            format!("`{}`", code(&experiment.command)),
        );
        row(
            out,
            &[
                &title,
                &text(&experiment.protocol),
                setting,
                &state,
                &command,
            ],
        );
    }
}

#[cfg(test)]
#[path = "results_tests.rs"]
mod tests;
