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

/// The experiments that have results, the best UAR first, and below them caveats and those that
/// have none.
pub fn results(lines: &[ExperimentLine]) -> Vec<String> {
    let mut best: Vec<&ExperimentLine> = lines.iter().filter(|line| line.uar.is_some()).collect();
    let uar = |line: &ExperimentLine| line.uar.unwrap_or_default();
    best.sort_by(|a, b| uar(b).total_cmp(&uar(a)));
    let share = |share: Option<f64>| share.map(percent).unwrap_or_default();
    let head = [
        "experiment",
        "test speakers",
        "WA %",
        "UAR %",
        "95 % interval",
        "chance %",
    ];
    let row = |line: &&ExperimentLine| {
        [
            line.experiment.clone(),
            short(&line.speakers.phrase()).to_owned(),
            share(line.accuracy),
            share(line.uar),
            range(line.uar_interval, percent),
            share(line.chance),
        ]
    };
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(best.iter().map(row));
    let mut out = match best.is_empty() {
        true => vec![],
        false => aligned(&rows, &[2, 3, 4, 5]),
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
