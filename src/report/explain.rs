//! Feature importance of an experiment's models: bars for groups and features, and a strip for each
//! class of what is missed where an input says nothing.

use std::fmt::Write;

use crate::evaluation::{Explanation, Importance};

use super::data::ExperimentSection;
use super::html::{self, Html, Table, cell, number, numbers, plural, row_head, words};
use super::svg::{self, Picture};

/// Features drawn and listed; explain.csv holds all.
const SHOWN: usize = 20;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 500.0;
/// Letters that fit before the bars.
const LETTERS: usize = 18;

/// Writes the part; nothing where nobody asked.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let Some(found) = &experiment.explanation else {
        return;
    };
    h.part(&format!("{id}-explain"), "Feature importance");
    h.within("p", &[], |h| {
        h.raw("How many points of UAR ").text(plural(found.models, "model"));
        // Directions between corpora have no mean in common.
        if experiment.direction_of.is_none() {
            h.raw(" (mean UAR ").text(html::percent(found.uar)).raw(" %)");
        } else {
            h.raw(" of all directions");
        }
        h.raw(" lose on the test part when the values of a group of features are shuffled among its utterances, ");
        h.text(format!("{} times each", found.repeats))
            .raw(". Features that say the same stand in for each other: each alone may seem to matter little.");
    });
    bars(
        h,
        experiment,
        "groups of features",
        &found.groups,
        &format!("{id}-explain-groups"),
    );
    if found.features.is_empty() {
        h.raw("<p class=\"quiet\">There are too many features to look at each one.</p>");
        return;
    }
    let mut best: Vec<&Importance> = found
        .features
        .iter()
        .filter(|feature| found.stands_out(feature))
        .collect();
    best.sort_by(|a, b| b.uar.total_cmp(&a.uar));
    let ranked = best.len();
    let best: Vec<Importance> = best.into_iter().take(SHOWN).cloned().collect();
    h.within("p", &[], |h| {
        let noise = html::decimals(found.noise * 100.0, 1);
        if best.is_empty() {
            h.text(format!("No single feature matters beyond noise: of {}, ", plural(found.features.len(), "feature")));
        } else {
            h.text(format!("Of {}, each shuffled alone, {ranked} ", plural(found.features.len(), "feature")));
            h.raw(if ranked == 1 { "matters" } else { "matter" }).raw(" beyond noise");
            if ranked > best.len() {
                h.text(format!(" (shown: the {} that matter most)", best.len()));
            }
            h.raw("; of the others, ");
        }
        h.text(format!("none loses more than {noise} points, the most that one gains by chance, with a 95 % interval above zero. "));
        h.raw("<a href=\"explain.csv\">explain.csv</a> has all.");
    });
    if !best.is_empty() {
        bars(
            h,
            experiment,
            "single features",
            &best,
            &format!("{id}-explain-features"),
        );
    }
    strips(h, experiment, found, id);
}

fn bars(
    h: &mut Html,
    experiment: &ExperimentSection,
    what: &'static str,
    rows: &[Importance],
    id: &str,
) {
    let ends = rows
        .iter()
        .flat_map(|row| [row.low.min(row.uar), row.high.max(row.uar)]);
    let [low, high] = ends.fold([0.0f64, 0.01], |[low, high], value| {
        [low.min(value), high.max(value)]
    });
    let x = |value: f64| LEFT + (RIGHT - LEFT) * (value - low) / (high - low);
    let title = format!("{}: importance of {what}", experiment.title);
    let description = "Bars: points of UAR lost; whiskers: 95 % interval of the mean. The table below holds every value.";
    let height = 22.0 * rows.len() as f64 + 8.0;
    let picture = Picture::new(id, title, description, [RIGHT + 80.0, height]);
    picture.write(h, |h| {
        svg::line(h, "axis", (x(0.0), 0.0), (x(0.0), height));
        for (i, row) in rows.iter().enumerate() {
            let (top, middle) = (22.0 * i as f64 + 4.0, 22.0 * i as f64 + 12.0);
            svg::label(
                h,
                "name",
                "end",
                (LEFT - 10.0, middle + 4.0),
                &html::shorten(&row.name, LETTERS),
            );
            let points = html::points(row.uar);
            svg::bar(
                h,
                "wa",
                (x(row.uar.min(0.0)), top),
                (x(row.uar.max(0.0)) - x(row.uar.min(0.0)), 16.0),
                &format!("{}: {points}", row.name),
            );
            if row.high > row.low {
                for class in ["halo", "whisker"] {
                    svg::line(h, class, (x(row.low), middle), (x(row.high), middle));
                }
            }
            svg::label(h, "value", "start", (RIGHT + 12.0, middle + 4.0), &points);
        }
    });
    h.raw("<details><summary>Figures</summary>");
    let caption = format!("{}: points lost when {what} are shuffled", experiment.title);
    let table = Table::new(format!("{id}-table"), caption, "narrow");
    let columns = [
        words("Name"),
        words("Group"),
        numbers("UAR lost"),
        numbers("from"),
        numbers("to"),
        numbers("sd over models"),
        numbers("WA lost"),
    ];
    table.write(h, &columns, |h| {
        for row in rows {
            h.raw("<tr>");
            row_head(h, &row.name);
            cell(h, &row.group);
            for value in [row.uar, row.low, row.high, row.sd, row.accuracy] {
                number(h, html::points(value), value);
            }
            h.raw("</tr>");
        }
    });
    h.raw("</details>");
}

/// A row a class, a column an input: how far the probability of the true class falls where the
/// input is set to its mean.
fn strips(h: &mut Html, experiment: &ExperimentSection, found: &Explanation, id: &str) {
    let n = found.features.len();
    let most = found
        .occlusion
        .iter()
        .flatten()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0f64, f64::max);
    if n == 0 || most <= 0.0 {
        return;
    }
    let (row, width) = (22.0, (RIGHT - LEFT) / n as f64);
    let height = row * found.classes.len() as f64;
    let title = format!("{}: occlusion of single inputs", experiment.title);
    let description = format!(
        "A row for each class, a column for each of {n} inputs in the order of the model. Dark: the probability of the true class falls most, by up to {:.1}          points, where the input is set to the mean of the training part.",
        most * 100.0
    );
    h.raw("<p>Each input in turn is set to the mean of the training part; darker, the more of its probability the true class loses.</p>");
    let picture = Picture::new(
        format!("{id}-explain-occlusion"),
        title,
        description,
        [RIGHT + 80.0, height + 26.0],
    );
    picture.write(h, |h| {
        let mut cells = vec![String::new(); 10];
        for (class, drops) in found.occlusion.iter().enumerate() {
            svg::label(
                h,
                "name",
                "end",
                (LEFT - 10.0, row * class as f64 + 15.0),
                &html::shorten(&found.classes[class], LETTERS),
            );
            for (i, drop) in drops.iter().enumerate() {
                let step = ((drop.max(0.0) / most) * 9.0).round() as usize;
                if let Some(path) = cells.get_mut(step) {
                    let (x, y) = (
                        svg::at(LEFT + i as f64 * width),
                        svg::at(row * class as f64),
                    );
                    let _ = write!(path, "M{x} {y}h{0}v20h-{0}z", svg::at(width + 0.1));
                }
            }
        }
        for (step, path) in cells
            .iter()
            .enumerate()
            .filter(|(_, path)| !path.is_empty())
        {
            h.open("path", &[("class", &format!("cells f{step}")), ("d", path)])
                .raw("</path>");
        }
        let mut from = 0;
        while let Some(feature) = found.features.get(from) {
            let len = found.features[from..]
                .iter()
                .take_while(|f| f.group == feature.group)
                .count();
            let (left, middle) = (
                LEFT + from as f64 * width,
                LEFT + (from as f64 + len as f64 / 2.0) * width,
            );
            svg::line(h, "axis", (left, 0.0), (left, height + 6.0));
            // Narrow groups stand in the caption of the table alone.
            if len as f64 * width > 30.0 {
                svg::label(h, "tick", "middle", (middle, height + 18.0), &feature.group);
            }
            from += len;
        }
    });
    h.raw("<details><summary>Figures</summary>");
    let caption = format!(
        "{}: the input whose absence each class feels most",
        experiment.title
    );
    let table = Table::new(format!("{id}-explain-occlusion-table"), caption, "narrow");
    let columns = [
        words("Class"),
        words("Input"),
        words("Group"),
        numbers("Probability lost"),
    ];
    table.write(h, &columns, |h| {
        for (class, drops) in found.classes.iter().zip(&found.occlusion) {
            let best = drops
                .iter()
                .zip(&found.features)
                .reduce(|a, b| if b.0 > a.0 { b } else { a });
            let Some((drop, feature)) = best else {
                continue;
            };
            h.raw("<tr>");
            row_head(h, class);
            cell(h, &feature.name);
            cell(h, &feature.group);
            number(h, html::points(*drop), *drop);
            h.raw("</tr>");
        }
    });
    h.raw("</details>");
}
