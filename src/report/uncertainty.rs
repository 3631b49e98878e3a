//! The uncertainty of an experiment's figures: spreads, a reliability diagram, and tables by sex,
//! intensity and so on.

use maud::{Markup, html};

use crate::corpus::{Attribute, NOT_CONFIRMED};
use crate::evaluation::{Breakdown, Calibration, Interval, Intervals, Resampled, Spread};

use super::compare;
use super::data::ExperimentSection;
use super::figure::{Legend, Sample};
use super::html::{self, Html, Table, number_cell, numbers, percent, plural, words};
use super::svg::{self, Picture};

/// Rows of one breakdown on the page; breakdown.csv holds all.
const SHOWN: usize = 40;

const SIZE: f64 = 320.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 14.0;
/// With room for half a tick label at the right.
const WIDTH: f64 = LEFT + SIZE + 28.0;

/// Writes what an experiment's figures are to be read with.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    spreads(h, experiment, id);
    if let Some(calibration) = &experiment.uncertainty.calibration {
        reliability(h, experiment, calibration, id);
    }
    let breakdowns = experiment.uncertainty.breakdowns.iter();
    let others: Vec<&Breakdown> = breakdowns.filter(|b| b.attribute != "speaker").collect();
    if !others.is_empty() {
        h.part(&format!("{id}-breakdown"), "Breakdown by attribute");
        h.put(html! { div.pair { @for one in others { (breakdown(experiment, one, id)) } } });
    }
}

/// An interval under its figure, with what is wrong with it.
pub(super) fn interval(h: &mut Html, interval: Option<Interval>, of: Option<&Intervals>) {
    let Some(Interval { low, high }) = interval else {
        return;
    };
    h.raw("<br>").el(
        "span",
        &[("class", "quiet")],
        format!("{} to {}", percent(low), percent(high)),
    );
    if let Some(doubt) = of.and_then(doubt) {
        h.raw("<br>").el("span", &[("class", "few")], doubt);
    }
}

/// So many speakers are the least from which an interval is to be believed: drawn from fewer, it is
/// far too narrow.
pub(super) const ENOUGH_SPEAKERS: usize = 10;

/// Why an interval is not to be trusted, where it is not.
pub(super) fn doubt(intervals: &Intervals) -> Option<String> {
    match intervals.resampled {
        Resampled::Speakers if intervals.known_units() >= ENOUGH_SPEAKERS => None,
        Resampled::Speakers => Some(format!(
            "from only {} speakers: too narrow to trust",
            intervals.known_units()
        )),
        Resampled::Utterances => {
            Some("from one speaker, or from unknown speakers: too narrow to trust".to_owned())
        }
    }
}

/// `95 % interval, 2000 draws of 24 speakers`.
pub(super) fn describe(intervals: &Intervals) -> String {
    let Intervals {
        resampled,
        replicates,
        with_unknown,
        ..
    } = intervals;
    let unknown = match with_unknown {
        true => " and the utterances of unknown ones together",
        false => "",
    };
    format!(
        "95 % interval, {replicates} draws of {} {}{unknown}",
        intervals.known_units(),
        resampled.describe()
    )
}

fn spreads(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let found = &experiment.uncertainty;
    if found.over_folds.is_empty() || found.over_seeds.is_empty() {
        return;
    }
    let mut folds: Vec<u32> = experiment.folds.iter().map(|fold| fold.fold).collect();
    folds.sort_unstable();
    folds.dedup();
    let over = [
        (plural(folds.len(), "fold"), folds.len(), &found.over_folds),
        (
            plural(compare::seeds(experiment).len(), "seed"),
            compare::seeds(experiment).len(),
            &found.over_seeds,
        ),
    ];
    let spread = |of: &Spread| format!("{} ± {} %", percent(of.mean), percent(of.sd));
    h.part(&format!("{id}-spread"), "Uncertainty");
    h.put(html! {
        ul {
            @if let Some(intervals) = &found.intervals {
                li { (intervals_in_words(experiment, intervals)) }
            }
            @for (n, _, spreads) in over.iter().filter(|(_, n, _)| *n > 1) {
                li {
                    "Over " (n) ", mean ± sd: "
                    @if let Some(wa) = spreads.get("accuracy") { "WA " (spread(wa)) ", " }
                    @if let Some(uar) = spreads.get("uar") { "UAR " (spread(uar)) "." }
                }
            }
        }
    });
}

fn intervals_in_words(experiment: &ExperimentSection, intervals: &Intervals) -> Markup {
    let ends = |of: Interval| format!("{} to {} %", percent(of.low), percent(of.high));
    html! {
        (describe(intervals)) (experiment.doubt(Attribute::Speaker)) ": WA "
        (ends(intervals.accuracy)) ", UAR " (ends(intervals.uar)) "."
        @if let Some(doubt) = doubt(intervals) {
            " " strong.few { "The interval is " (doubt) "." }
        }
        @if intervals.resampled == Resampled::Utterances {
            " There are too few speakers to draw from: the interval holds for other utterances of "
            "the same speaker."
        }
    }
}

fn reliability(h: &mut Html, experiment: &ExperimentSection, calibration: &Calibration, id: &str) {
    h.part(&format!("{id}-calibration"), "Calibration");
    let table = Table::new(
        format!("{id}-reliability-table"),
        format!(
            "{}: predictions by their highest probability",
            experiment.title
        ),
        "narrow",
    )
    .unsorted();
    let columns = [
        words("Highest probability"),
        numbers("Predictions"),
        numbers("Mean probability %"),
        numbers("Accuracy %"),
    ];
    let bins = calibration
        .bins
        .iter()
        .enumerate()
        .filter(|(_, bin)| bin.n > 0);
    let rows = html! {
        @for (i, bin) in bins {
            tr {
                th scope="row" { (part(i, calibration)) }
                (number_cell(bin.n.to_string(), bin.n as f64))
                (number_cell(percent(bin.confidence), bin.confidence))
                (number_cell(percent(bin.accuracy), bin.accuracy))
            }
        }
    };
    h.put(html! {
        p {
            "Expected calibration error (ECE): " strong { (percent(calibration.ece)) } " %, over "
            (html::count(calibration.n as usize)) " predictions in " (calibration.bins.len())
            " equal parts."
            @if let Some(ensemble) = &experiment.uncertainty.ensemble_calibration {
                " Of the seeds together: " (percent(ensemble.ece)) " %."
            }
            @if calibration.left_out > 0 {
                " " (calibration.left_out) " are left out: their probabilities are not numbers."
            }
        }
    });
    let keys = [
        (Sample::Box("wa"), "accuracy".to_owned()),
        (
            Sample::Line("expected"),
            "mean highest probability".to_owned(),
        ),
        (Sample::Line("diagonal"), "perfect calibration".to_owned()),
        (Sample::Box("uar"), "predictions".to_owned()),
    ];
    h.within("div", &[("class", "pair")], |h| {
        // Each in a box, so that its link stands below it.
        h.within("div", &[], |h| {
            diagram(h, experiment, calibration, &keys[..3], id)
        });
        h.within("div", &[], |h| counts(h, experiment, calibration, id));
    });
    svg::legend(h, &keys);
    h.put(html! {
        details { summary { "The values of the diagram" } (table.markup(&columns, rows)) }
    });
}

/// The share of right predictions in each part, against the diagonal.
fn diagram(
    h: &mut Html,
    experiment: &ExperimentSection,
    calibration: &Calibration,
    keys: Legend,
    id: &str,
) {
    let (x, y) = (
        |fraction: f64| LEFT + SIZE * fraction,
        |fraction: f64| TOP + SIZE * (1.0 - fraction),
    );
    let title = format!("{}: reliability diagram", experiment.title);
    let description = "Bars: the fraction of correct predictions among those whose highest probability lies in one of equal parts of 0 to 100 per cent. \
                       On the diagonal both are the same. The table below holds every value.";
    let picture = Picture::new(
        format!("{id}-reliability"),
        title,
        description,
        [WIDTH, TOP + SIZE + 44.0],
    );
    let width = SIZE / calibration.bins.len().max(1) as f64;
    picture.write_with(h, keys, |h| {
        for tick in 0..=5 {
            let share = f64::from(tick) / 5.0;
            svg::line(h, "grid", (x(0.0), y(share)), (x(1.0), y(share)));
            svg::label(
                h,
                "tick",
                "end",
                (LEFT - 6.0, y(share) + 4.0),
                &format!("{} %", tick * 20),
            );
            svg::label(
                h,
                "tick",
                "middle",
                (x(share), y(0.0) + 17.0),
                &format!("{} %", tick * 20),
            );
        }
        for (i, bin) in calibration
            .bins
            .iter()
            .enumerate()
            .filter(|(_, bin)| bin.n > 0)
        {
            let left = LEFT + i as f64 * width;
            let title = format!(
                "{}: mean highest probability {}, accuracy {}, {}",
                part(i, calibration),
                of_hundred(bin.confidence),
                of_hundred(bin.accuracy),
                plural(bin.n as usize, "prediction")
            );
            svg::bar(
                h,
                "wa",
                (left + 1.0, y(bin.accuracy)),
                (width - 2.0, y(0.0) - y(bin.accuracy)),
                &title,
            );
            svg::line(
                h,
                "expected",
                (left + 1.0, y(bin.confidence)),
                (left + width - 1.0, y(bin.confidence)),
            );
        }
        svg::line(h, "diagonal", (x(0.0), y(0.0)), (x(1.0), y(1.0)));
        svg::line(h, "axis", (x(0.0), y(0.0)), (x(1.0), y(0.0)));
        svg::label(
            h,
            "tick",
            "middle",
            (x(0.5), y(0.0) + 38.0),
            "highest probability",
        );
    });
}

/// How many predictions each part has.
fn counts(h: &mut Html, experiment: &ExperimentSection, calibration: &Calibration, id: &str) {
    let title = format!(
        "{}: predictions by their highest probability",
        experiment.title
    );
    let description = "Bars: how many predictions have their highest probability in one of equal parts of 0 to 100 per cent. \
                       The table below holds every value.";
    let picture = Picture::new(
        format!("{id}-reliability-counts"),
        title,
        description,
        [WIDTH, TOP + SIZE + 44.0],
    );
    let most = calibration
        .bins
        .iter()
        .map(|bin| bin.n)
        .max()
        .unwrap_or(0)
        .max(1) as f64;
    let step = SIZE / calibration.bins.len().max(1) as f64;
    let floor = TOP + SIZE;
    picture.write(h, |h| {
        for (i, bin) in calibration.bins.iter().enumerate() {
            let height = SIZE * bin.n as f64 / most;
            let title = format!(
                "{}: {}",
                part(i, calibration),
                plural(bin.n as usize, "prediction")
            );
            svg::bar(
                h,
                "uar",
                (LEFT + i as f64 * step + 1.0, floor - height),
                (step - 2.0, height),
                &title,
            );
        }
        svg::line(h, "axis", (LEFT, floor), (LEFT + SIZE, floor));
        for tick in 0..=5 {
            svg::label(
                h,
                "tick",
                "middle",
                (LEFT + SIZE * f64::from(tick) / 5.0, floor + 17.0),
                &format!("{} %", tick * 20),
            );
        }
        svg::label(
            h,
            "tick",
            "middle",
            (LEFT + SIZE / 2.0, floor + 38.0),
            &format!("predictions, up to {most}"),
        );
    });
}

/// `60.0 to 66.7 %`.
fn part(i: usize, calibration: &Calibration) -> String {
    let end = |i: usize| html::decimals(i as f64 / calibration.bins.len() as f64 * 100.0, 1);
    format!("{} to {} %", end(i), end(i + 1))
}

fn of_hundred(share: f64) -> String {
    format!("{} %", html::decimals(share * 100.0, 1))
}

/// Whether the attribute of a breakdown was inferred from names and not confirmed.
pub(super) fn is_guessed(experiment: &ExperimentSection, one: &Breakdown) -> bool {
    let attribute = if one.attribute == "sentence" {
        Some(Attribute::Text)
    } else {
        Attribute::parse(&one.attribute)
    };
    attribute.is_some_and(|attribute| experiment.guessed.contains(&attribute))
}

/// `sex`, `sex (guessed from file and folder names, not confirmed)`.
pub(super) fn named(experiment: &ExperimentSection, one: &Breakdown) -> String {
    if is_guessed(experiment, one) {
        format!("{} ({NOT_CONFIRMED})", one.attribute)
    } else {
        one.attribute.clone()
    }
}

fn breakdown(experiment: &ExperimentSection, one: &Breakdown, id: &str) -> Markup {
    let table = Table::new(
        format!("{id}-by-{}", one.attribute),
        format!(
            "{}: by {}, all folds and seeds",
            experiment.title,
            named(experiment, one)
        ),
        "narrow",
    );
    let heading = match one.attribute.split_at_checked(1) {
        Some((first, rest)) => first.to_uppercase() + rest,
        None => String::new(),
    };
    let columns = [
        words(&heading),
        numbers("WA %"),
        numbers("UAR %"),
        numbers("Utterances"),
        numbers("Classes"),
    ];
    let rows = html! {
        @for group in one.groups.iter().take(SHOWN) {
            tr {
                th scope="row" { (group.value) }
                (number_cell(percent(group.accuracy), group.accuracy))
                (number_cell(percent(group.uar), group.uar))
                (number_cell(group.utterances.to_string(), group.utterances as f64))
                (number_cell(group.classes.to_string(), group.classes as f64))
            }
        }
    };
    html! {
        div {
            (table.markup(&columns, rows))
            @if one.groups.len() > SHOWN {
                p.quiet {
                    "The first " (SHOWN) " of " (one.groups.len()) "; "
                    a href="breakdown.csv" { "breakdown.csv" } " holds all."
                }
            }
        }
    }
}
