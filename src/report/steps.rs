//! How the results were made: the steps of a pipeline from left to right, with arrows to what waits
//! for each.

use std::collections::BTreeMap;

use super::data::StepSection;
use super::html::{Html, shorten};
use super::svg::{Picture, at, bar, label};

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
pub(super) fn write(h: &mut Html, steps: &[StepSection]) {
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
pub(super) fn graph(h: &mut Html, steps: &[StepSection], notes: &BTreeMap<&str, Note>) {
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
    let picture = Picture {
        id: "steps-plot",
        title: &format!("{tasks} tasks in {} steps", steps.len()),
        description: &format!("{}.", description.join("; ")),
        width: columns as f64 * COLUMN - (COLUMN - BOX.0) + 4.0,
        height: rows as f64 * (ROW + more) + 4.0,
    };
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
        write(&mut h, &steps);
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
