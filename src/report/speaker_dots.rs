//! Accuracy by speaker: a dot each, with the exact figures in a table.

use std::collections::BTreeMap;

use maud::html;

use super::compare;
use super::data::ExperimentSection;
use super::html::{Html, Table, number_cell, numbers, percent, plural, words};
use super::svg::{self, Picture};
use crate::corpus::Attribute;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 26.0;
const RIGHT: f64 = 610.0;
const RADIUS: f64 = 5.5;

/// One speaker's predictions over all seeds.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    n: usize,
    correct: usize,
}

impl Tally {
    fn accuracy(self) -> f64 {
        if self.n == 0 {
            0.0
        } else {
            self.correct as f64 / self.n as f64
        }
    }
}

/// Writes the plot and its table, or nothing where there are no predictions.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for tested in &experiment.predictions {
        let line = &tested.prediction;
        let tally = tallies.entry(&tested.speaker).or_default();
        tally.n += 1;
        tally.correct += usize::from(line.truth == line.predicted);
    }
    let mut speakers: Vec<(&str, Tally)> = tallies.into_iter().collect();
    speakers.sort_by(|a, b| a.1.accuracy().total_cmp(&b.1.accuracy()).then(a.0.cmp(b.0)));
    let (Some(lowest), Some(highest)) = (speakers.first().copied(), speakers.last().copied())
    else {
        return;
    };

    h.part(&format!("{id}-speakers"), "Accuracy by speaker");
    let doubt = experiment.doubt(Attribute::Speaker);
    let breakdowns = &experiment.uncertainty.breakdowns;
    let by_speaker = breakdowns.iter().find(|b| b.attribute == "speaker");
    let uar = |speaker: &str| {
        let group = by_speaker.and_then(|b| b.groups.iter().find(|g| g.value == speaker));
        group.map_or(f64::NAN, |g| g.uar)
    };
    let table = Table::new(
        format!("{id}-speaker-table"),
        format!(
            "{}: accuracy by speaker{doubt}, all folds and seeds",
            experiment.title
        ),
        "narrow",
    );
    let columns = [
        words("Speaker"),
        numbers("Accuracy %"),
        numbers("UAR %"),
        numbers("Correct"),
        numbers("Predictions"),
    ];
    let rows = html! {
        @for (speaker, tally) in &speakers {
            tr {
                th scope="row" { (speaker) }
                (number_cell(percent(tally.accuracy()), tally.accuracy()))
                (number_cell(percent(uar(speaker)), uar(speaker)))
                (number_cell(tally.correct.to_string(), tally.correct as f64))
                (number_cell(tally.n.to_string(), tally.n as f64))
            }
        }
    };
    h.put(html! {
        p {
            (plural(speakers.len(), "speaker")) (doubt)
            @if speakers.len() > 1 {
                ", from " (percent(lowest.1.accuracy())) " % (" (lowest.0) ") to "
                (percent(highest.1.accuracy())) " % (" (highest.0) ")"
            }
            "."
        }
    });
    draw(h, experiment, id, &speakers);
    h.put(html! {
        details { summary { "Figures by speaker" } (table.markup(&columns, rows)) }
    });
}

fn draw(h: &mut Html, experiment: &ExperimentSection, id: &str, speakers: &[(&str, Tally)]) {
    let x = |fraction: f64| LEFT + (RIGHT - LEFT) * fraction;
    // From left to right, each dot takes the lowest row in which it touches no other.
    let step = 2.0 * RADIUS + 1.0;
    let mut ends: Vec<f64> = Vec::new();
    let mut placed = Vec::new();
    for (speaker, tally) in speakers {
        let position = x(tally.accuracy());
        let level = ends
            .iter()
            .position(|&end| position - end >= step)
            .unwrap_or(ends.len());
        match ends.get_mut(level) {
            Some(end) => *end = position,
            None => ends.push(position),
        }
        placed.push((*speaker, *tally, level));
    }
    let tallest = ends.len() as f64;
    let floor = 32.0 + tallest * step;
    let title = format!("{}: accuracy by speaker", experiment.title);
    let description = format!(
        "{} dots between 0 and 100 per cent. The table below holds every value.",
        speakers.len()
    );
    let picture = Picture::new(
        format!("{id}-strip"),
        title,
        description,
        [WIDTH, floor + 28.0],
    );
    picture.write(h, |h| {
        svg::line(h, "axis", (LEFT, floor), (RIGHT, floor));
        for tick in 0..=5 {
            let at = x(f64::from(tick) / 5.0);
            svg::line(h, "axis", (at, floor), (at, floor + 4.0));
            svg::label(
                h,
                "tick",
                "middle",
                (at, floor + 20.0),
                &format!("{} %", tick * 20),
            );
        }
        if let (Some((chance, _)), Some(scores)) = (compare::levels(experiment), &experiment.pooled)
        {
            for (class, text, fraction) in [
                ("chance", "chance", chance),
                ("mean", "WA", scores.accuracy),
            ] {
                svg::line(h, class, (x(fraction), 22.0), (x(fraction), floor));
                svg::label(
                    h,
                    "tick",
                    "middle",
                    (x(fraction), 16.0),
                    &format!("{text} {:.1} %", fraction * 100.0),
                );
            }
        }
        for (speaker, tally, level) in placed {
            let y = floor - 3.0 - RADIUS - level as f64 * step;
            let title = format!(
                "{speaker}: {} % ({} of {})",
                percent(tally.accuracy()),
                tally.correct,
                tally.n
            );
            svg::dot(h, "speaker", (x(tally.accuracy()), y), RADIUS, &title);
        }
    });
}
