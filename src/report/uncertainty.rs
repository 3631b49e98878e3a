//! How sure the figures of an experiment are: spreads, a reliability diagram, and tables by sex,
//! intensity and so on.

use crate::corpus::{Attribute, NOT_CONFIRMED};
use crate::evaluation::{Breakdown, Calibration, Interval, Intervals, Resampled, Spread};

use super::compare;
use super::data::ExperimentSection;
use super::html::{self, Html, Table, number, numbers, percent, plural, row_head, words};
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
    let others: Vec<&Breakdown> = experiment
        .uncertainty
        .breakdowns
        .iter()
        .filter(|b| b.attribute != "speaker")
        .collect();
    if !others.is_empty() {
        h.part(&format!("{id}-breakdown"), "By what the corpus says");
        h.within("div", &[("class", "pair")], |h| {
            others
                .iter()
                .for_each(|one| breakdown(h, experiment, one, id));
        });
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
        Resampled::Speakers if intervals.units >= ENOUGH_SPEAKERS => None,
        Resampled::Speakers => Some(format!(
            "of only {} speakers: too narrow to trust",
            intervals.units
        )),
        Resampled::Utterances => {
            Some("of one speaker, or of speakers nobody knows: too narrow to trust".to_owned())
        }
    }
}

/// `95 % interval, 2000 draws of 24 speakers`.
pub(super) fn describe(intervals: &Intervals) -> String {
    let Intervals {
        resampled,
        units,
        replicates,
        ..
    } = intervals;
    format!(
        "95 % interval, {replicates} draws of {units} {}",
        resampled.describe()
    )
}

fn spreads(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let uncertainty = &experiment.uncertainty;
    let (Some(folds), Some(seeds)) = (
        uncertainty.over_folds.get("uar"),
        uncertainty.over_seeds.get("uar"),
    ) else {
        return;
    };
    h.part(&format!("{id}-spread"), "How sure");
    h.raw("<ul>");
    if let Some(intervals) = &uncertainty.intervals {
        h.within("li", &[], |h| {
            h.text(describe(intervals)).text(experiment.doubt(Attribute::Speaker)).raw(": ");
            for (name, interval) in [("WA ", intervals.accuracy), (" %, UAR ", intervals.uar)] {
                h.raw(name).text(percent(interval.low)).raw(" to ").text(percent(interval.high));
            }
            h.raw(" %.");
            if let Some(doubt) = doubt(intervals) {
                h.raw(" <strong class=\"few\">The interval is ").text(doubt).raw(".</strong>");
            }
            if intervals.resampled == Resampled::Utterances {
                h.raw(" There are too few speakers to draw from: the interval holds for other utterances of the same speaker.");
            }
        });
    }
    let line = |h: &mut Html, over: &'static str, n: usize, wa: Option<&Spread>, uar: &Spread| {
        h.within("li", &[], |h| {
            h.raw("Over ").text(plural(n, over)).raw(", mean ± sd: ");
            if let Some(wa) = wa {
                h.raw("WA ")
                    .text(percent(wa.mean))
                    .raw(" ± ")
                    .text(percent(wa.sd))
                    .raw(" %, ");
            }
            h.raw("UAR ")
                .text(percent(uar.mean))
                .raw(" ± ")
                .text(percent(uar.sd))
                .raw(" %.");
        });
    };
    let n_folds = experiment
        .folds
        .iter()
        .map(|fold| fold.fold)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    if n_folds > 1 {
        line(
            h,
            "fold",
            n_folds,
            uncertainty.over_folds.get("accuracy"),
            folds,
        );
    }
    let n_seeds = compare::seeds(experiment).len();
    if n_seeds > 1 {
        line(
            h,
            "seed",
            n_seeds,
            uncertainty.over_seeds.get("accuracy"),
            seeds,
        );
    }
    h.raw("</ul>");
}

fn reliability(h: &mut Html, experiment: &ExperimentSection, calibration: &Calibration, id: &str) {
    h.part(&format!("{id}-calibration"), "Calibration");
    h.within("p", &[], |h| {
        h.raw("Expected calibration error (ECE): ")
            .el("strong", &[], percent(calibration.ece))
            .raw(" %, over ");
        h.text(html::count(calibration.n as usize))
            .raw(" predictions in ")
            .text(calibration.bins.len().to_string())
            .raw(" equal parts.");
        if let Some(ensemble) = &experiment.uncertainty.ensemble_calibration {
            h.raw(" Of the seeds together: ")
                .text(percent(ensemble.ece))
                .raw(" %.");
        }
        if calibration.left_out > 0 {
            h.text(format!(
                " {} are left out: their probabilities are not numbers.",
                calibration.left_out
            ));
        }
    });
    h.raw("<div class=\"pair\">");
    diagram(h, experiment, calibration, id);
    counts(h, experiment, calibration, id);
    h.raw("</div>");
    h.raw("<ul class=\"legend\"><li><i class=\"sw wa\"></i>share that is right</li>");
    svg::line_key(h, "expected", "mean highest probability");
    svg::line_key(h, "diagonal", "as sure as right");
    h.raw("<li><i class=\"sw uar\"></i>predictions</li></ul>");
    h.raw("<details><summary>Figures of the diagram</summary>");
    let table_id = format!("{id}-reliability-table");
    let caption = format!(
        "{}: predictions by their highest probability",
        experiment.title
    );
    let table = Table {
        id: &table_id,
        caption: &caption,
        class: "narrow",
        sortable: false,
    };
    table.write(
        h,
        &[
            words("Highest probability"),
            numbers("Predictions"),
            numbers("Mean probability %"),
            numbers("Right %"),
        ],
        |h| {
            h.raw("<tbody>");
            for (i, bin) in calibration
                .bins
                .iter()
                .enumerate()
                .filter(|(_, bin)| bin.n > 0)
            {
                h.raw("<tr>");
                row_head(h, part(i, calibration));
                number(h, bin.n.to_string(), bin.n as f64);
                number(h, percent(bin.confidence), bin.confidence);
                number(h, percent(bin.accuracy), bin.accuracy);
                h.raw("</tr>");
            }
            h.raw("</tbody>");
        },
    );
    h.raw("</details>");
}

/// The share of right predictions in each part, against the diagonal.
fn diagram(h: &mut Html, experiment: &ExperimentSection, calibration: &Calibration, id: &str) {
    let (x, y) = (
        |share: f64| LEFT + SIZE * share,
        |share: f64| TOP + SIZE * (1.0 - share),
    );
    let title = format!("{}: reliability diagram", experiment.title);
    let description = "Bars: the share of right predictions among those whose highest probability lies in one of equal parts of 0 to 100 per cent. \
                       On the diagonal both are the same. The table below holds every value.";
    let plot = format!("{id}-reliability");
    let picture = Picture {
        id: &plot,
        title: &title,
        description,
        width: WIDTH,
        height: TOP + SIZE + 44.0,
    };
    let width = SIZE / calibration.bins.len().max(1) as f64;
    picture.write(h, |h| {
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
                "{}: {} sure, {} right, {}",
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
    let plot = format!("{id}-reliability-counts");
    let picture = Picture {
        id: &plot,
        title: &title,
        description,
        width: WIDTH,
        height: TOP + SIZE + 44.0,
    };
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

/// `sex`, `sex (guessed from file names, not confirmed)`.
pub(super) fn named(experiment: &ExperimentSection, one: &Breakdown) -> String {
    if is_guessed(experiment, one) {
        format!("{} ({NOT_CONFIRMED})", one.attribute)
    } else {
        one.attribute.clone()
    }
}

fn breakdown(h: &mut Html, experiment: &ExperimentSection, one: &Breakdown, id: &str) {
    h.raw("<div>");
    let table_id = format!("{id}-by-{}", one.attribute);
    let caption = format!(
        "{}: by {}, all folds and seeds",
        experiment.title,
        named(experiment, one)
    );
    let table = Table {
        id: &table_id,
        caption: &caption,
        class: "narrow",
        sortable: true,
    };
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
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for group in one.groups.iter().take(SHOWN) {
            h.raw("<tr>");
            row_head(h, &group.value);
            number(h, percent(group.accuracy), group.accuracy);
            number(h, percent(group.uar), group.uar);
            number(h, group.utterances.to_string(), group.utterances as f64);
            number(h, group.classes.to_string(), group.classes as f64);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    if one.groups.len() > SHOWN {
        h.within("p", &[("class", "quiet")], |h| {
            h.text(format!("The first {SHOWN} of {}; ", one.groups.len()))
                .raw("<a href=\"breakdown.csv\">breakdown.csv</a> holds all.");
        });
    }
    h.raw("</div>");
}
