//! How many times as fast, as bars that begin at equal speed.

use ser::report::html::{Html, decimals};
use ser::report::svg::{self, Picture};

use super::results::Row;
use super::stats::Spread;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 350.0;
const RIGHT: f64 = 730.0;
const BAR: f64 = 18.0;
const ROW: f64 = 42.0;
/// Marks of the axis, which is logarithmic: twice as fast and half as fast are equally far from
/// equal.
const MARKS: [f64; 16] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0,
];

/// A ratio as it stands in text: three digits, and no more decimals than that.
pub fn times(ratio: f64) -> String {
    let places = if ratio >= 99.5 {
        0
    } else if ratio >= 9.95 {
        1
    } else {
        2
    };
    format!("{}×", decimals(ratio, places))
}

/// Marks that enclose all ratios and equal speed.
fn marks(ratios: &[Spread]) -> &'static [f64] {
    let low = ratios.iter().map(|r| r.min).fold(1.0, f64::min);
    let high = ratios.iter().map(|r| r.max).fold(1.0, f64::max);
    let first = MARKS.iter().rposition(|mark| *mark <= low).unwrap_or(0);
    let last = MARKS
        .iter()
        .position(|mark| *mark >= high)
        .unwrap_or(MARKS.len() - 1);
    &MARKS[first..=last.max(first + 1).min(MARKS.len() - 1)]
}

/// Writes the chart of the rows that have a ratio, or nothing where none has.
pub fn write(h: &mut Html, id: &str, title: &str, rows: &[&Row]) {
    let bars: Vec<(&Row, Spread)> = rows
        .iter()
        .filter_map(|row| row.ratio.map(|ratio| (*row, ratio)))
        .collect();
    if bars.is_empty() {
        return;
    }
    let marks = marks(&bars.iter().map(|bar| bar.1).collect::<Vec<_>>());
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    let x = |ratio: f64| {
        LEFT + (RIGHT - LEFT) * ((ratio.clamp(low, high) / low).ln() / (high / low).ln())
    };
    let floor = 8.0 + ROW * bars.len() as f64;
    let description = format!(
        "{} bars on a logarithmic axis from {low} to {high} times as fast; every value is in the table above.",
        bars.len()
    );
    let picture = Picture::new(id, title, description, [WIDTH, floor + 26.0]);
    picture.write(h, |h| {
        for mark in marks {
            svg::line(h, "grid", (x(*mark), 4.0), (x(*mark), floor));
            svg::label(
                h,
                "tick",
                "middle",
                (x(*mark), floor + 16.0),
                &format!("{mark}×"),
            );
        }
        for (i, (row, ratio)) in bars.iter().enumerate() {
            draw(h, row, ratio, 8.0 + ROW * i as f64, &x);
        }
        svg::line(h, "expected", (x(1.0), 4.0), (x(1.0), floor));
    });
}

fn draw(h: &mut Html, row: &Row, ratio: &Spread, top: f64, x: &dyn Fn(f64) -> f64) {
    let peer = row.peer.as_ref().map_or("", |peer| peer.name.as_str());
    let work = row.scenario.split(':').next().unwrap_or_default();
    let (layout, more) = row.what.split_once(", ").unwrap_or((&row.what, ""));
    let more = if more.is_empty() {
        format!("beside {peer}")
    } else {
        format!("{more}, beside {peer}")
    };
    svg::label(
        h,
        "name",
        "end",
        (LEFT - 12.0, top + 12.0),
        &format!("{work}, {layout}"),
    );
    svg::label(h, "tick", "end", (LEFT - 12.0, top + 27.0), &more);
    let (from, to) = (x(ratio.median.min(1.0)), x(ratio.median.max(1.0)));
    let class = if ratio.median >= 1.0 { "wa" } else { "uar" };
    svg::bar(
        h,
        class,
        (from, top + 6.0),
        (to - from, BAR),
        &format!("{}, {}: {}", row.scenario, row.what, times(ratio.median)),
    );
    let middle = top + 6.0 + BAR / 2.0;
    for class in ["halo", "whisker"] {
        svg::line(h, class, (x(ratio.min), middle), (x(ratio.max), middle));
    }
    for end in [ratio.min, ratio.max] {
        svg::line(h, "whisker", (x(end), middle - 4.0), (x(end), middle + 4.0));
    }
    svg::label(
        h,
        "value",
        "start",
        (RIGHT + 14.0, top + 19.0),
        &format!(
            "{} ({}–{})",
            times(ratio.median),
            times(ratio.min),
            times(ratio.max)
        ),
    );
}
