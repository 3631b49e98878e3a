//! An experiment on changed test recordings: UAR under each condition with its interval, beside that
//! on the recordings as they are.

use std::fmt::Write;

use maud::html;

use super::compare;
use super::data::ExperimentSection;
use super::html::{
    Html, Table, count, markup, number_cell, numbers, p_value, percent, plural, points, words,
};
use super::svg::{self, Picture};
use super::uncertainty::ENOUGH_SPEAKERS;
use crate::escape::markdown as escape;
use crate::evaluation::{Interval, Resampled, Robustness};

const LEFT: f64 = 262.0;
const RIGHT: f64 = 620.0;
const ROW: f64 = 24.0;
const HEAD: f64 = 24.0;

/// How test recordings under a condition are treated where speakers are scaled.
pub(super) const POOLS: &str =
    "Each test speaker is scaled by all of their recordings under the same condition.";

/// Writes the part; nothing where nobody asked.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let found = &experiment.robustness;
    if found.is_empty() {
        return;
    }
    h.part(&format!("{id}-stress"), "Changed recordings");
    let tested: Vec<&Robustness> = found.iter().filter(|one| one.left_out.is_none()).collect();
    h.put(html! {
        p {
            "Each test recording was changed and predicted again by the model of its own fold, "
            "which was trained on recordings as they are. Drop is how many points of UAR are lost, "
            "on the same recordings. p is that of McNemar's exact test, two-sided, utterance by "
            "utterance, after Holm's correction for " (plural(tested.len(), "condition")) "."
            @if experiment.transductive { " " (POOLS) }
        }
    });
    if !tested.is_empty() {
        draw(h, experiment, &tested, id);
    }
    h.put(html! { (markup(|h| table(h, experiment, id))) });
    let intervals = tested.iter().filter_map(|one| one.intervals.as_ref());
    let few = intervals
        .map(|of| (of.resampled, of.units))
        .min_by_key(|(_, units)| *units);
    h.put(html! {
        @if let Some((Resampled::Speakers, units)) = few && units < ENOUGH_SPEAKERS {
            p.quiet { "Intervals are from only " (plural(units, "speaker")) ": too narrow to trust." }
        }
        p.quiet {
            a href="stress.csv" { "stress.csv" } " has every digit; "
            code { "ser stress" } " tests other conditions."
        }
    });
}

fn draw(h: &mut Html, experiment: &ExperimentSection, tested: &[&Robustness], id: &str) {
    let x = |fraction: f64| LEFT + (RIGHT - LEFT) * fraction.clamp(0.0, 1.0);
    let floor = HEAD + ROW * tested.len() as f64;
    let title = format!("{}: UAR on changed recordings", experiment.title);
    let description = format!(
        "A dot for each of {} from 0 to 100 per cent, with its 95 % interval as a line, and the UAR on the recordings as they are. The table below holds every value.",
        plural(tested.len(), "condition")
    );
    let picture = Picture::new(
        format!("{id}-stress-plot"),
        title,
        description,
        [RIGHT + 60.0, floor + 28.0],
    );
    picture.write(h, |h| {
        for tick in 0..=5 {
            let at = x(f64::from(tick) / 5.0);
            svg::line(h, "grid", (at, HEAD), (at, floor));
            let text = format!("{} %", tick * 20);
            svg::label(h, "tick", "middle", (at, floor + 18.0), &text);
        }
        let chance = compare::levels(experiment).map(|(chance, _)| ("chance", "chance", chance));
        let whole = (experiment.pooled.as_ref()).map(|scores| ("mean", "as recorded", scores.uar));
        for (class, text, fraction) in chance.into_iter().chain(whole) {
            svg::line(h, class, (x(fraction), HEAD - 6.0), (x(fraction), floor));
            let text = format!("{text} {}", percent(fraction));
            svg::label(h, "tick", "middle", (x(fraction), 12.0), &text);
        }
        for (i, one) in tested.iter().enumerate() {
            let y = HEAD + ROW * (i as f64 + 0.5);
            svg::label(h, "name", "end", (LEFT - 10.0, y + 4.0), &one.title);
            if let Some(Interval { low, high }) = one.intervals.map(|of| of.uar) {
                for class in ["halo", "whisker"] {
                    svg::line(h, class, (x(low), y), (x(high), y));
                }
            }
            let text = format!("{}: UAR {} %", one.title, percent(one.uar));
            svg::dot(h, "uar", (x(one.uar), y), 5.0, &text);
            svg::label(
                h,
                "value",
                "start",
                (RIGHT + 12.0, y + 4.0),
                &percent(one.uar),
            );
        }
    });
}

/// `-1.2 to +3.4`, in points.
fn range(Interval { low, high }: Interval) -> String {
    format!("{} to {}", points(low), points(high))
}

fn table(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let table = Table::new(
        format!("{id}-stress-table"),
        format!("{}: UAR on changed recordings", experiment.title),
        "results",
    );
    let columns = [
        words("Condition"),
        numbers("UAR\u{a0}%"),
        numbers("95\u{a0}% interval"),
        numbers("Drop, points"),
        numbers("95\u{a0}% of the drop"),
        numbers("p, Holm"),
        numbers("Predictions"),
    ];
    let rows = html! {
        @for one in &experiment.robustness {
            tr {
                th scope="row" { (one.title) }
                @if let Some(why) = &one.left_out {
                    td.w colspan="6" { "left out: " (why) }
                } @else {
                    (number_cell(percent(one.uar), one.uar))
                    @match &one.intervals {
                        Some(of) => {
                            td.n { (percent(of.uar.low)) " to " (percent(of.uar.high)) }
                        }
                        None => { td.n { "–" } }
                    }
                    (number_cell(points(one.drop()), one.drop()))
                    @match &one.intervals {
                        Some(of) => { td.n { (range(of.drop)) } }
                        None => { td.n { "–" } }
                    }
                    (number_cell(p_value(one.p_holm), one.p_holm))
                    @let lost = match one.lost {
                        0 => String::new(),
                        lost => format!(", {} without features", count(lost as usize)),
                    };
                    (number_cell(format!("{}{lost}", count(one.n as usize)), one.n as f64))
                }
            }
        }
    };
    h.put(table.markup(&columns, rows));
}

/// The figures as a Markdown table, after a blank line; nothing where there are none.
pub(super) fn markdown(out: &mut String, experiment: &ExperimentSection) {
    if experiment.robustness.is_empty() {
        return;
    }
    out.push_str(
        "\nUAR where the test recordings are changed, predicted by the model of their fold:\n\n",
    );
    out.push_str("| condition | UAR % | drop, points | 95 % interval of the drop | p, Holm |\n| --- | ---: | ---: | ---: | ---: |\n");
    for one in &experiment.robustness {
        let title = escape(&one.title);
        let _ = match &one.left_out {
            Some(why) => writeln!(out, "| {title} | left out: {} | | | |", escape(why)),
            None => writeln!(
                out,
                "| {title} | {} | {} | {} | {} |",
                percent(one.uar),
                points(one.drop()),
                one.intervals.map_or("–".to_owned(), |of| range(of.drop)),
                p_value(one.p_holm)
            ),
        };
    }
}
