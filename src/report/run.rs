//! The page of a run: what was done, what was there already, and how long it took. Unlike a report
//! it differs from run to run. The picture of the steps stands in both.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::files::Inventory;

use super::data::StepSection;
use super::html::{
    Html, Table, cell, duration, is_written_by_ser, number, numbers, plural, row_head, shorten,
    words,
};
use super::svg::{Picture, at, bar, label};
use super::{html, page};

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
            graph(h, &run.steps, &notes);
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
    let table = Table::new("facts", "The last run of this pipeline", "narrow pairs").unsorted();
    table.write(h, &[words("What"), words("Value")], |h| {
        for (name, value) in &run.facts {
            h.raw("<tr>");
            row_head(h, name);
            cell(h, value);
            h.raw("</tr>");
        }
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
    let table = Table::new("task-table", "Tasks of the run", "tall");
    let columns = [
        words("Task"),
        words("What"),
        numbers("Seconds"),
        words("Why"),
    ];
    table.write(h, &columns, |h| {
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
    });
    if run.tasks.len() > LISTED {
        h.el(
            "p",
            &[("class", "quiet")],
            format!("The first {LISTED} are shown; `ser runs show latest` has all."),
        );
    }
}

const COLUMN: f64 = 190.0;
const ROW: f64 = 34.0;
const BOX: (f64, f64) = (150.0, 24.0);
/// How much higher boxes with a note are.
const NOTE: f64 = 18.0;
/// Longer names are cut in the boxes; the hover text has them whole.
const LETTERS: usize = 22;

/// What stands in the box of a step besides its name.
pub(super) struct Note {
    /// A few words.
    pub text: String,
    /// Length of the bar beneath them, 0 to 1.
    pub fraction: f64,
}

/// Writes the section; nothing where there are no steps.
pub(super) fn steps(h: &mut Html, steps: &[StepSection]) {
    if steps.is_empty() {
        return;
    }
    h.raw(
        "\n<section id=\"steps\" aria-labelledby=\"steps-title\"><h2 id=\"steps-title\">Steps</h2>",
    );
    graph(h, steps, &BTreeMap::new());
    h.raw("<p>How long they took: <a href=\"run.html\">the last run</a>.</p></section>");
}

/// Draws the steps with notes in the boxes of those that have one.
fn graph(h: &mut Html, steps: &[StepSection], notes: &BTreeMap<&str, Note>) {
    let more = if notes.is_empty() { 0.0 } else { NOTE };
    let size = (BOX.0, BOX.1 + more);
    let places = places(steps);
    let columns = places.values().map(|(x, _)| x + 1).max().unwrap_or(1);
    let rows = places.values().map(|(_, y)| y + 1).max().unwrap_or(1);
    let tasks: usize = steps.iter().map(|step| step.tasks).sum();
    let described = |step: &StepSection| match step.after.as_slice() {
        [] => format!("{} comes first", step.name),
        after => format!("{} after {}", step.name, after.join(" and ")),
    };
    let description: Vec<String> = steps.iter().map(described).collect();
    let picture = Picture::new(
        "steps-plot",
        format!("{tasks} tasks in {} steps", steps.len()),
        format!("{}.", description.join("; ")),
        [
            columns as f64 * COLUMN - (COLUMN - BOX.0) + 4.0,
            rows as f64 * (ROW + more) + 4.0,
        ],
    );
    picture.write(h, |h| {
        let corner = |name: &str| {
            places
                .get(name)
                .map(|(x, y)| (2.0 + *x as f64 * COLUMN, 2.0 + *y as f64 * (ROW + more)))
        };
        for step in steps {
            for before in step
                .after
                .iter()
                .filter(|before| !is_implied(steps, step, before))
            {
                if let (Some(from), Some(to)) = (corner(before), corner(&step.name)) {
                    arrow(
                        h,
                        (from.0 + size.0, from.1 + size.1 / 2.0),
                        (to.0, to.1 + size.1 / 2.0),
                    );
                }
            }
        }
        for step in steps {
            let Some((x, y)) = corner(&step.name) else {
                continue;
            };
            let count = if step.tasks == 1 {
                String::new()
            } else {
                format!(" × {}", step.tasks)
            };
            bar(h, "step", (x, y), size, &format!("{}{count}", step.name));
            let room = LETTERS - count.chars().count().min(LETTERS);
            label(
                h,
                "tick",
                "middle",
                (x + size.0 / 2.0, y + BOX.1 / 2.0 + 4.0),
                &format!("{}{count}", shorten(&step.name, room)),
            );
            if let Some(note) = notes.get(step.name.as_str()) {
                label(
                    h,
                    "tick",
                    "middle",
                    (x + size.0 / 2.0, y + BOX.1 + 8.0),
                    &note.text,
                );
                let width = (size.0 - 2.0) * note.fraction.clamp(0.0, 1.0);
                bar(
                    h,
                    "wa",
                    (x + 1.0, y + size.1 - 5.0),
                    (width, 4.0),
                    &note.text,
                );
            }
        }
    });
}

/// Column and row of each step: a column after all that it waits for, rows in order of appearance.
fn places(steps: &[StepSection]) -> BTreeMap<&str, (usize, usize)> {
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut filled: BTreeMap<usize, usize> = BTreeMap::new();
    for step in steps {
        let column = step
            .after
            .iter()
            .filter_map(|before| places.get(before.as_str()))
            .map(|(x, _)| x + 1)
            .max()
            .unwrap_or(0);
        let row = filled.entry(column).or_default();
        places.insert(&step.name, (column, *row));
        *row += 1;
    }
    places
}

/// Whether one of the other steps that `step` waits for waits for `before` itself: its arrow would
/// say nothing new.
fn is_implied(steps: &[StepSection], step: &StepSection, before: &str) -> bool {
    let waits = |name: &String| {
        steps
            .iter()
            .any(|other| other.name == *name && other.after.iter().any(|earlier| earlier == before))
    };
    step.after.iter().any(waits)
}

fn arrow(h: &mut Html, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let middle = (x1 + x2) / 2.0;
    let path = format!(
        "M{} {}C{} {} {} {} {} {}",
        at(x1),
        at(y1),
        at(middle),
        at(y1),
        at(middle),
        at(y2),
        at(x2),
        at(y2)
    );
    h.open("path", &[("class", "arrow"), ("d", &path)])
        .raw("</path>");
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

    #[test]
    fn each_step_stands_behind_what_it_waits_for() {
        let step = |name: &str, after: &[&str]| StepSection {
            name: name.into(),
            tasks: 2,
            after: after.iter().map(|a| (*a).to_owned()).collect(),
        };
        let steps = [
            step("a", &[]),
            step("b", &["a"]),
            step("c", &["a"]),
            step("d", &["a", "c"]),
        ];
        assert_eq!(
            places(&steps),
            BTreeMap::from([("a", (0, 0)), ("b", (1, 0)), ("c", (1, 1)), ("d", (2, 0))])
        );
        let mut h = Html::new();
        super::steps(&mut h, &steps);
        let page = h.into_string();
        assert_eq!(
            (
                page.matches("class=\"arrow\"").count(),
                page.matches("class=\"step\"").count()
            ),
            (3, 4),
            "that from a to d is implied"
        );
        assert!(
            page.contains("8 tasks in 4 steps") && page.contains("d after a and c"),
            "{page}"
        );
    }
}
