//! The results of a run as a table for people, with what has to be known of them below it.

use super::runs::aligned;
use crate::evaluation::{Interval, Robustness};
use crate::pipeline::ExperimentLine;
use crate::report::html::p_value;

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn range(interval: Option<Interval>, text: fn(f64) -> String) -> String {
    interval.map_or_else(String::new, |of| {
        format!("{} to {}", text(of.low), text(of.high))
    })
}

/// A statement on test speakers in the width of a column: what stands before its colon.
fn short(phrase: &str) -> &str {
    phrase.split(": ").next().unwrap_or(phrase)
}

fn row(names: [String; 2], setting: Option<String>, figures: [String; 4]) -> Vec<String> {
    names.into_iter().chain(setting).chain(figures).collect()
}

/// Whether the line saw unlabelled clips of test speakers, and whether it rests on an encoder.
fn setting(line: &ExperimentLine) -> (bool, bool) {
    (line.transductive, !line.encoders.is_empty())
}

/// The experiments that have results, those of one setting together, the best UAR first, and below
/// them caveats and those that have none.
pub fn results(lines: &[ExperimentLine]) -> Vec<String> {
    let mut best: Vec<&ExperimentLine> = lines.iter().filter(|line| line.uar.is_some()).collect();
    let uar = |line: &ExperimentLine| line.uar.unwrap_or_default();
    best.sort_by(|a, b| {
        let order = setting(a).cmp(&setting(b));
        order.then_with(|| uar(b).total_cmp(&uar(a)))
    });
    let share = |share: Option<f64>| share.map(percent).unwrap_or_default();
    // Inductive results alone need no column.
    let is_mixed = best.iter().any(|line| setting(line) != (false, false));
    let with_setting = |setting: &str| is_mixed.then(|| setting.to_owned());
    let mut rows = vec![row(
        ["experiment", "test speakers"].map(str::to_owned),
        with_setting("setting"),
        ["WA %", "UAR %", "95 % interval", "chance %"].map(str::to_owned),
    )];
    rows.extend(best.iter().map(|line| {
        let speakers = short(&line.speakers.phrase()).to_owned();
        let figures = [
            share(line.accuracy),
            share(line.uar),
            range(line.uar_interval, percent),
            share(line.chance),
        ];
        let words = match setting(line) {
            (false, false) => "inductive",
            (false, true) => "inductive, encoder",
            (true, false) => "transductive",
            (true, true) => "transductive, encoder",
        };
        row(
            [line.experiment.clone(), speakers],
            with_setting(words),
            figures,
        )
    }));
    let right: Vec<usize> = (0..4).map(|n| n + 2 + usize::from(is_mixed)).collect();
    let mut out = match best.is_empty() {
        true => vec![],
        false => aligned(&rows, &right),
    };
    for line in &best {
        let phrase = line.speakers.phrase();
        let whole = (short(&phrase) != phrase).then_some(phrase);
        let caveats = whole.into_iter().chain(line.caveats());
        out.extend(caveats.map(|caveat| format!("  {}: {caveat}", line.experiment)));
    }
    let others = lines.iter().filter(|line| line.uar.is_none());
    out.extend(others.map(ToString::to_string));
    out
}

/// An experiment on changed recordings, in the order of conditions; nothing where it was not tested
/// on any.
pub fn robustness(line: &ExperimentLine) -> Vec<String> {
    if line.robustness.is_empty() {
        return vec![];
    }
    let points = |share: f64| format!("{:+.1}", share * 100.0);
    let head = [
        "  condition",
        "UAR %",
        "drop",
        "95 % interval",
        "p, Holm",
        "",
    ];
    let row = |one: &Robustness| {
        let name = format!("  {}", one.condition);
        match &one.left_out {
            Some(why) => {
                let why = format!("left out: {why}");
                [
                    name,
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                    why,
                ]
            }
            None => [
                name,
                percent(one.uar),
                points(one.drop()),
                range(one.intervals.map(|of| of.drop), |share| {
                    format!("{:+.1}", share * 100.0)
                }),
                p_value(one.p_holm),
                String::new(),
            ],
        }
    };
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(line.robustness.iter().map(row));
    let mut out = vec![format!(
        "{} on changed recordings, drop in points of UAR",
        line.experiment
    )];
    out.extend(aligned(&rows, &[1, 2, 3, 4]));
    out
}
