//! The chart of the verdict: accuracy and UAR of every experiment with their intervals, published
//! figures as marked lines.

use crate::corpus::Published;
use crate::evaluation::Interval;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::figure::Sample;
use super::html::{Html, percent, shorten};
use super::pools;
use super::summary;
use super::svg::{self, Picture};
use super::uncertainty::{ENOUGH_SPEAKERS, doubt};
use crate::split::Independence;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 20.0;
const RIGHT: f64 = 498.0;
const BAR: f64 = 15.0;
/// Two lines of words above each pair of bars, so that a narrow page has room for both.
const WORDS: f64 = 44.0;
const ROW: f64 = 93.0;
/// Letters of a line of words.
const LETTERS: usize = 68;

fn x(fraction: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * fraction.clamp(0.0, 1.0)
}

/// One panel: the experiments of one kind of protocol with the published figures of that kind.
struct Panel<'a> {
    title: &'static str,
    /// What of the title stands on a line of its own.
    detail: Option<&'static str>,
    rows: Vec<&'a ExperimentSection>,
    marks: Vec<(String, &'a Published)>,
}

impl Panel<'_> {
    /// Room for the title.
    fn head(&self) -> f64 {
        if self.detail.is_some() { 52.0 } else { 30.0 }
    }

    fn height(&self) -> f64 {
        self.head()
            + if self.marks.is_empty() {
                0.0
            } else {
                20.0 * self.levels() as f64 + 6.0
            }
            + ROW * self.rows.len() as f64
            + 14.0
    }

    /// Heights of the letters: neighbours closer than a letter's width stand above each other.
    fn staggered(&self) -> Vec<(f64, usize, &str, &Published)> {
        let mut marks: Vec<(f64, &str, &Published)> = self
            .marks
            .iter()
            .filter_map(|(key, p)| p.accuracy.or(p.uar).map(|v| (x(v), key.as_str(), *p)))
            .collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends: Vec<f64> = Vec::new();
        let mut out = Vec::new();
        for (position, key, published) in marks {
            let level = ends
                .iter()
                .position(|&end| position - end >= 24.0)
                .unwrap_or(ends.len());
            match ends.get_mut(level) {
                Some(end) => *end = position,
                None => ends.push(position),
            }
            out.push((position, level, key, published));
        }
        out
    }

    fn levels(&self) -> usize {
        self.staggered()
            .iter()
            .map(|mark| mark.1 + 1)
            .max()
            .unwrap_or(0)
    }
}

/// Writes the chart of some of a report's experiments, or nothing where none of them has a result.
pub(super) fn write(h: &mut Html, report: &PipelineReport, experiments: &[&ExperimentSection]) {
    let published = compare::published(report);
    let experiments: Vec<&ExperimentSection> = experiments
        .iter()
        .copied()
        .filter(|e| e.pooled.is_some())
        .collect();
    let panels: Vec<Panel> = compare::by_speakers(&experiments, |e| *e, published)
        .into_iter()
        .filter(|(_, ours, _)| !ours.is_empty())
        .map(|(speakers, ours, theirs)| Panel {
            title: speakers.heading().split("; ").next().unwrap_or_default(),
            detail: speakers
                .heading()
                .split_once("; ")
                .map(|(_, detail)| detail),
            rows: ours.into_iter().map(|i| experiments[i]).collect(),
            // What is not known of both is not the same.
            marks: theirs
                .into_iter()
                .filter(|_| speakers.independence() != Independence::Unknown)
                .map(|i| (compare::key(i), &published[i]))
                .collect(),
        })
        .collect();
    if panels.is_empty() {
        return;
    }
    let height = panels.iter().map(Panel::height).sum::<f64>() + 34.0;
    let description = format!(
        "Horizontal bars, one pair for each of {} experiments, from 0 to 100 per cent. Every value is in the table of results above.",
        panels.iter().map(|panel| panel.rows.len()).sum::<usize>()
    );
    let picture = Picture::new(
        "bars",
        "Accuracy and UAR by experiment",
        description,
        [WIDTH, height],
    );
    let few = panels
        .iter()
        .flat_map(|panel| &panel.rows)
        .any(|one| is_doubtful(one));
    let keys = legend(!panels.iter().all(|panel| panel.marks.is_empty()), few);
    picture.write_with(h, &keys, |h| {
        let mut top = 4.0;
        for panel in &panels {
            draw_panel(h, panel, top);
            top += panel.height();
        }
        for tick in 0..=5 {
            let fraction = f64::from(tick) / 5.0;
            svg::label(
                h,
                "tick",
                "middle",
                (x(fraction), top + 10.0),
                &format!("{} %", tick * 20),
            );
        }
    });
    svg::legend(h, &keys);
    if panels
        .iter()
        .flat_map(|panel| &panel.rows)
        .any(|one| one.transductive)
    {
        h.el("p", &[("class", "quiet")], pools::condition());
    }
}

fn draw_panel(h: &mut Html, panel: &Panel, top: f64) {
    svg::label(h, "strong", "start", (0.0, top + 16.0), panel.title);
    let bottom = top + panel.height() - 10.0;
    if let Some(detail) = panel.detail {
        svg::label(h, "tick", "start", (0.0, top + 36.0), detail);
    }
    let letters = top + panel.head();
    let rows = if panel.marks.is_empty() {
        letters
    } else {
        letters + 20.0 * panel.levels() as f64 + 6.0
    };
    for tick in 0..=5 {
        let at = x(f64::from(tick) / 5.0);
        svg::line(h, "grid", (at, rows), (at, bottom));
    }
    for (i, experiment) in panel.rows.iter().enumerate() {
        draw_row(h, experiment, rows + ROW * i as f64 + 6.0);
    }
    for (position, level, key, published) in panel.staggered() {
        let y = letters + 20.0 * level as f64;
        let kind = if published.accuracy.is_some() {
            "accuracy"
        } else {
            "UAR"
        };
        let value = published.accuracy.or(published.uar).unwrap_or(f64::NAN);
        svg::line(h, "theirs", (position, y + 16.0), (position, bottom));
        h.raw("<g>");
        h.el(
            "title",
            &[],
            format!(
                "{key}: {} {} {kind} {} % (mark {:?})",
                published.source,
                published.system,
                percent(value),
                published.mark
            ),
        );
        h.open(
            "rect",
            &[
                ("class", "badge"),
                ("x", &svg::at(position - 10.0)),
                ("y", &svg::at(y)),
                ("width", "20"),
                ("height", "16"),
                ("rx", "3"),
            ],
        );
        h.raw("</rect>");
        svg::label(h, "letter", "middle", (position, y + 12.0), key);
        h.raw("</g>");
    }
    for (i, experiment) in panel.rows.iter().enumerate() {
        draw_words(h, experiment, rows + ROW * i as f64 + 6.0);
    }
}

/// The name of an experiment and what must be known of it, over the lines of the chart.
fn draw_words(h: &mut Html, experiment: &ExperimentSection, top: f64) {
    svg::label(
        h,
        "name",
        "start",
        (0.0, top + 15.0),
        &shorten(&experiment.title, LETTERS),
    );
    let said: String = summary::caveats(experiment)
        .into_iter()
        .map(|words| format!(", {words}"))
        .collect();
    let protocol = shorten(
        &experiment.protocol,
        LETTERS.saturating_sub(said.chars().count()),
    );
    svg::label(
        h,
        "tick",
        "start",
        (0.0, top + 34.0),
        &format!("{protocol}{said}"),
    );
}

fn is_doubtful(experiment: &ExperimentSection) -> bool {
    experiment
        .uncertainty
        .intervals
        .as_ref()
        .is_some_and(|found| doubt(found).is_some())
}

fn draw_row(h: &mut Html, experiment: &ExperimentSection, top: f64) {
    let Some(scores) = &experiment.pooled else {
        return;
    };
    let top = top + WORDS;
    let lines = [
        ("accuracy", "WA", scores.accuracy, "wa"),
        ("uar", "UAR", scores.uar, "uar"),
    ];
    for (i, (metric, short, value, class)) in lines.into_iter().enumerate() {
        let y = top + i as f64 * (BAR + 3.0);
        svg::bar(
            h,
            class,
            (LEFT, y),
            (x(value) - LEFT, BAR),
            &format!("{} {short} {} %", experiment.title, percent(value)),
        );
        let intervals = experiment.uncertainty.intervals.as_ref();
        if let Some(Interval { low, high }) = intervals.map(|found| {
            if metric == "uar" {
                found.uar
            } else {
                found.accuracy
            }
        }) {
            let middle = y + BAR / 2.0;
            for class in [
                "halo",
                if is_doubtful(experiment) {
                    "whisker few"
                } else {
                    "whisker"
                },
            ] {
                svg::line(h, class, (x(low), middle), (x(high), middle));
            }
            for end in [low, high] {
                svg::line(h, "whisker", (x(end), middle - 3.5), (x(end), middle + 3.5));
            }
        }
        svg::label(
            h,
            "value",
            "start",
            (RIGHT + 12.0, y + 12.0),
            &format!("{short} {} %", percent(value)),
        );
    }
    if let Some((chance, majority)) = compare::levels(experiment) {
        let bottom = top + 2.0 * BAR + 7.0;
        for (class, fraction) in [
            ("halo", chance),
            ("halo", majority),
            ("chance", chance),
            ("majority", majority),
        ] {
            svg::line(h, class, (x(fraction), top - 4.0), (x(fraction), bottom));
        }
    }
}

fn legend(with_published: bool, few: bool) -> Vec<(Sample, String)> {
    let too_few = format!("interval of fewer than {ENOUGH_SPEAKERS} speakers: too narrow to trust");
    let keys = [
        (true, Sample::Box("wa"), "WA, accuracy (pooled)"),
        (true, Sample::Box("uar"), "UAR (pooled)"),
        (true, Sample::Line("whisker"), "95 % interval"),
        (few, Sample::Line("whisker few"), &too_few),
        (
            true,
            Sample::Line("chance"),
            "chance: UAR of any constant guess",
        ),
        (
            true,
            Sample::Line("majority"),
            "majority: WA of always naming the largest class",
        ),
        (
            with_published,
            Sample::Line("theirs"),
            "published figure of the same kind of protocol; its letter is in the tables",
        ),
    ];
    let drawn = keys.into_iter().filter(|(drawn, ..)| *drawn);
    drawn
        .map(|(_, sample, text)| (sample, text.to_owned()))
        .collect()
}
