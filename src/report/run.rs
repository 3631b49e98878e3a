//! The page of a run: what was done, what was there already, and how long it took. Unlike a report
//! it differs from run to run.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::files::Inventory;

use super::data::StepSection;
use super::html::{
    self, Html, Table, cell, duration, is_written_by_ser, number, numbers, plural, row_head, words,
};
use super::page;
use super::steps::{self, Note};

/// Name of the page, beside the report.
pub const RUN_PAGE: &str = "run.html";
/// Tasks listed; `ser runs show` has all.
const LISTED: usize = 500;

/// One run of a pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunPage {
    /// Title of the pipeline.
    pub title: String,
    /// What is known of the run by name: when it began, its command, its end.
    pub facts: Vec<(String, String)>,
    /// The steps of the pipeline.
    pub steps: Vec<StepSection>,
    /// The tasks, in the order of the pipeline.
    pub tasks: Vec<RunTask>,
}

/// One task of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunTask {
    /// Task id.
    pub task: String,
    /// `ran`, `reused` or `failed`.
    pub what: String,
    /// Wall time in seconds: of this run, or of the one that made what was used again.
    pub seconds: Option<f64>,
    /// Why it ran, or the error.
    pub why: String,
}

/// Writes the page into the folder of a report. Returns whether it did: a page of this name that
/// ser did not write stays.
///
/// # Errors
/// `Io` where the folder cannot be written.
pub fn write_run(run: &RunPage, dir: &Path) -> Result<bool> {
    Inventory::write_page(dir, RUN_PAGE, render(run).as_bytes(), is_written_by_ser)
}

fn render(run: &RunPage) -> String {
    html::page(&format!("Run · {}", run.title), |h| {
        h.raw("<header><div class=\"top\"><p class=\"crumb\"><a href=\"../index.html\">All pipelines</a> / <a href=\"index.html\">");
        h.text(&run.title)
            .raw("</a> / run</p>")
            .raw(page::THEME)
            .raw("</div><h1>How it ran</h1></header>\n");
        h.raw("<main id=\"main\" class=\"one\" tabindex=\"-1\">");
        facts(h, run);
        if !run.steps.is_empty() {
            h.part("steps", "Steps");
            let notes = notes(run);
            steps::graph(h, &run.steps, &notes);
            if !notes.is_empty() {
                h.raw("<p class=\"quiet\">Seconds are summed over the tasks of a step, which may have run in parallel; for reused outputs they are those ");
                h.raw(
                    "of the run that computed them. The bar is relative to the longest step.</p>",
                );
            }
        }
        tasks(h, run);
        h.raw("</main><footer><p>Written by ser. Times differ from run to run; the report beside this page does not.</p></footer>");
    })
}

fn facts(h: &mut Html, run: &RunPage) {
    if run.facts.is_empty() {
        h.raw("<p class=\"note box\">No times are known: the run was not recorded on this machine, as with one on a cluster ");
        h.raw("(<code>ser slurm status</code> tells of it).</p>");
        return;
    }
    let table = Table {
        id: "facts",
        caption: "The last run of this pipeline",
        class: "narrow pairs",
        sortable: false,
    };
    table.write(h, &[words("What"), words("Value")], |h| {
        h.raw("<tbody>");
        for (name, value) in &run.facts {
            h.raw("<tr>");
            row_head(h, name);
            cell(h, value);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}

/// The step that a task belongs to: the longest name that the task's begins with.
fn step_of<'s>(steps: &'s [StepSection], task: &str) -> Option<&'s str> {
    let fits = |name: &str| {
        task.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    steps
        .iter()
        .map(|step| step.name.as_str())
        .filter(|name| fits(name))
        .max_by_key(|name| name.len())
}

fn notes(run: &RunPage) -> BTreeMap<&str, Note> {
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for task in &run.tasks {
        let (Some(step), Some(seconds)) = (step_of(&run.steps, &task.task), task.seconds) else {
            continue;
        };
        let (sum, ran) = sums.entry(step).or_default();
        *sum += seconds;
        *ran += usize::from(task.what != "reused");
    }
    let most = sums
        .values()
        .map(|(seconds, _)| *seconds)
        .fold(0.0, f64::max);
    let note = |(seconds, ran): (f64, usize)| {
        let reused = if ran == 0 { " (kept)" } else { "" };
        Note {
            text: format!("{}{reused}", duration(seconds)),
            fraction: if most > 0.0 { seconds / most } else { 0.0 },
        }
    };
    sums.into_iter()
        .map(|(step, sum)| (step, note(sum)))
        .collect()
}

fn tasks(h: &mut Html, run: &RunPage) {
    if run.tasks.is_empty() {
        return;
    }
    h.part("tasks", "Tasks");
    let count = |what: &str| run.tasks.iter().filter(|task| task.what == what).count();
    let (ran, reused, failed) = (count("ran"), count("reused"), count("failed"));
    h.el(
        "p",
        &[],
        format!(
            "{}: {ran} ran, {reused} reused, {failed} failed.",
            plural(run.tasks.len(), "task")
        ),
    );
    let table = Table {
        id: "task-table",
        caption: "Tasks of the run",
        class: "tall",
        sortable: true,
    };
    table.write(
        h,
        &[
            words("Task"),
            words("What"),
            numbers("Seconds"),
            words("Why"),
        ],
        |h| {
            h.raw("<tbody>");
            for task in run.tasks.iter().take(LISTED) {
                h.raw("<tr>");
                row_head(h, &task.task);
                cell(h, &task.what);
                match task.seconds {
                    Some(seconds) => number(h, html::decimals(seconds, 2), seconds),
                    None => number(h, "–", f64::NAN),
                }
                cell(h, &task.why);
                h.raw("</tr>");
            }
            h.raw("</tbody>");
        },
    );
    if run.tasks.len() > LISTED {
        h.el(
            "p",
            &[("class", "quiet")],
            format!("The first {LISTED} are shown; `ser runs show latest` has all."),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunPage {
        let step = |name: &str, after: &[&str]| StepSection {
            name: name.into(),
            tasks: 1,
            after: after.iter().map(|a| (*a).into()).collect(),
        };
        let task = |task: &str, what: &str, seconds| RunTask {
            task: task.into(),
            what: what.into(),
            seconds,
            why: "<b>why".into(),
        };
        RunPage {
            title: "A & B".into(),
            facts: vec![("command".into(), "ser run <x>".into())],
            steps: vec![
                step("features", &[]),
                step("features/more", &["features"]),
                step("train/a", &["features"]),
            ],
            tasks: vec![
                task("features", "reused", Some(2.0)),
                task("features/more", "ran", Some(1.0)),
                task("train/a/fold-00-seed-0", "ran", Some(3.0)),
                task("train/a/fold-01-seed-0", "failed", None),
            ],
        }
    }

    #[test]
    fn times_are_summed_by_step_and_kept_outputs_are_called_so() {
        let run = run();
        let notes = notes(&run);
        let texts: Vec<&str> = notes.values().map(|note| note.text.as_str()).collect();
        assert_eq!(texts, ["2.0 s (kept)", "1.0 s", "3.0 s"]);
        assert_eq!(notes["train/a"].fraction, 1.0);
    }

    #[test]
    fn nothing_in_a_run_becomes_markup() {
        let page = render(&run());
        assert!(
            page.contains("ser run &lt;x&gt;")
                && page.contains("A &amp; B")
                && !page.contains("<b>why")
        );
        assert!(page.contains("2 ran, 1 reused, 1 failed"));
        assert!(render(&RunPage::default()).contains("No times are known"));
    }
}
