//! The feature tables before any model: utterances in a plane, features class by class, and how
//! much of each feature is the speaker.

use crate::evaluation::{FeatureByClass, FeatureSummary, Overview, Projection};

use super::html::{
    Html, Table, count, decimals, number, numbers, percent, plural, row_head, words,
};
use super::marker;
use super::shares;
use super::svg::{self, Picture};

/// Points drawn of one table, evenly spaced: more would hide each other.
const POINTS: usize = 1500;
/// Features drawn class by class.
const BOXES: usize = 6;
pub(super) const WIDTH: f64 = 520.0;
pub(super) const HEIGHT: f64 = 420.0;
pub(super) const LEFT: f64 = 56.0;
pub(super) const TOP: f64 = 12.0;

/// Writes the section; nothing where there is no table.
pub(super) fn write(h: &mut Html, overviews: &[Overview]) {
    if overviews.is_empty() {
        return;
    }
    h.line_break().raw("<section id=\"features\" aria-labelledby=\"features-title\"><h2 id=\"features-title\">Features</h2>");
    h.raw(
        "<p>The features before any training. They are of all recordings, those of test folds included; no model uses these pictures ",
    );
    h.raw("or tables.</p>");
    for (i, one) in overviews.iter().enumerate() {
        let id = format!("f{}", i + 1);
        h.el(
            "h3",
            &[("id", &id)],
            format!("{}: {}", one.set, plural(one.features.len(), "feature")),
        );
        if one.rows < one.of {
            h.el(
                "p",
                &[("class", "quiet")],
                format!(
                    "From {} of {} utterances, evenly spaced.",
                    count(one.rows),
                    count(one.of)
                ),
            );
        }
        h.raw("<div class=\"pair\">");
        if let Some(projection) = &one.projection {
            plane(h, one, projection, &id);
        }
        shares::write(h, one, &id);
        h.raw("</div>");
        boxes(h, one, &id);
        tables(h, one, &id);
    }
    h.raw("</section>");
}

/// Scales values of `[low, high]` to `[from, to]`.
pub(super) fn scale([low, high]: [f64; 2], [from, to]: [f64; 2]) -> impl Fn(f64) -> f64 {
    let width = if high > low { high - low } else { 1.0 };
    move |value| from + (to - from) * (value - low) / width
}

fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values
        .filter(|v| v.is_finite())
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| {
            [low.min(v), high.max(v)]
        })
}

fn plane(h: &mut Html, one: &Overview, projection: &Projection, id: &str) {
    let [across, up] = [0, 1]
        .map(|axis: usize| range(projection.points.iter().map(|point| f64::from(point[axis]))));
    let (x, y) = (
        scale(across, [LEFT + 8.0, WIDTH - 8.0]),
        scale(up, [HEIGHT - 48.0, TOP + 8.0]),
    );
    let kept = svg::thin(projection.points.len(), POINTS);
    let title = format!(
        "{}: utterances by their first two principal components",
        one.set
    );
    let description = format!(
        "A dot for each of {} utterances, coloured by class. The axes hold {} and {} per cent of the variance of the standardised features. \
         The middle of each class is in the table below.",
        kept.len(),
        percent(projection.explained[0]),
        percent(projection.explained[1])
    );
    let plot = format!("{id}-plane");
    h.within("figure", &[], |h| {
        marker::legend(h, &one.classes, &plot);
        let picture = Picture::new(plot, title, description, [WIDTH, HEIGHT]);
        picture.write_with(h, &marker::keys(&one.classes), |h| {
            svg::line(h, "axis", (LEFT, HEIGHT - 40.0), (WIDTH, HEIGHT - 40.0));
            svg::line(h, "axis", (LEFT, TOP), (LEFT, HEIGHT - 40.0));
            let axis = |n: usize| {
                format!(
                    "component {n}: {} % of the variance",
                    decimals(projection.explained[n - 1] * 100.0, 1)
                )
            };
            svg::label(
                h,
                "tick",
                "middle",
                ((LEFT + WIDTH) / 2.0, HEIGHT - 16.0),
                &axis(1),
            );
            let middle = (TOP + HEIGHT - 40.0) / 2.0;
            svg::upright(h, (LEFT - 18.0, middle), &axis(2));
            for class in 0..one.classes.len() {
                let points = kept.iter().filter(|&&i| {
                    projection
                        .classes
                        .get(i)
                        .is_some_and(|&c| usize::from(c) == class)
                });
                let places = points
                    .filter_map(|&i| projection.points.get(i))
                    .map(|point| (x(f64::from(point[0])), y(f64::from(point[1]))));
                marker::write(h, class, places);
            }
        });
        h.el(
            "figcaption",
            &[],
            "Utterances by their first two principal components (PCA)",
        );
    });
}

fn boxes(h: &mut Html, one: &Overview, id: &str) {
    if one.detailed.is_empty() {
        return;
    }
    h.raw("<p>The features that tell the classes apart best, class by class: the box holds the middle half of the utterances, the line in it ");
    h.raw("is the median, the whiskers reach from the 5th to the 95th percentile.</p><div class=\"boxes\">");
    for (i, feature) in one.detailed.iter().take(BOXES).enumerate() {
        boxed(h, one, feature, &format!("{id}-box-{}", i + 1));
    }
    h.raw("</div>");
}

fn boxed(h: &mut Html, one: &Overview, feature: &FeatureByClass, id: &str) {
    let (left, right, row) = (92.0, 340.0, 22.0);
    let ends = range(feature.percentiles.iter().flatten().copied());
    let x = scale(ends, [left, right]);
    let bottom = row * one.classes.len() as f64 + 4.0;
    let fraction = one
        .features
        .iter()
        .find(|f| f.name == feature.name)
        .map_or(f64::NAN, |f| f.by_class);
    let medians: Vec<String> = one
        .classes
        .iter()
        .zip(&feature.percentiles)
        .map(|(class, p)| format!("{class} {}", significant(p[2])))
        .collect();
    h.within("figure", &[], |h| {
        let picture = Picture::new(
            id,
            format!("{} by class", feature.name),
            format!("Medians: {}.", medians.join(", ")),
            [350.0, bottom + 24.0],
        );
        picture.write(h, |h| {
            for (i, (class, p)) in one.classes.iter().zip(&feature.percentiles).enumerate() {
                let (top, middle) = (row * i as f64 + 4.0, row * i as f64 + 12.0);
                svg::label(
                    h,
                    "tick",
                    "end",
                    (left - 8.0, middle + 4.0),
                    &super::html::shorten(class, 12),
                );
                if p.iter().any(|value| !value.is_finite()) {
                    continue;
                }
                svg::line(h, "whisker", (x(p[0]), middle), (x(p[4]), middle));
                let text = format!(
                    "{class}: {} to {}, median {}",
                    significant(p[1]),
                    significant(p[3]),
                    significant(p[2])
                );
                svg::bar(
                    h,
                    "wa",
                    (x(p[1]), top),
                    ((x(p[3]) - x(p[1])).max(1.0), 16.0),
                    &text,
                );
                svg::line(h, "median", (x(p[2]), top - 1.0), (x(p[2]), top + 17.0));
            }
            svg::label(
                h,
                "tick",
                "start",
                (left, bottom + 16.0),
                &significant(ends[0]),
            );
            svg::label(
                h,
                "tick",
                "end",
                (right, bottom + 16.0),
                &significant(ends[1]),
            );
        });
        h.el(
            "figcaption",
            &[],
            format!(
                "{}: {} % of its variance lies between classes",
                feature.name,
                decimals(fraction * 100.0, 1)
            ),
        );
    });
}

fn tables(h: &mut Html, one: &Overview, id: &str) {
    h.raw("<details><summary>The values of these charts</summary>");
    if let Some(projection) = &one.projection {
        let caption = format!("{}: mean place of each class", one.set);
        let table = Table::new(format!("{id}-middles"), caption, "narrow");
        let columns = [
            words("Class"),
            numbers("Utterances"),
            numbers("Component 1"),
            numbers("Component 2"),
        ];
        table.write(h, &columns, |h| {
            for (class, name) in one.classes.iter().enumerate() {
                let of_class = projection
                    .points
                    .iter()
                    .zip(&projection.classes)
                    .filter(|(_, c)| usize::from(**c) == class)
                    .map(|(p, _)| p);
                let n = of_class.clone().count();
                h.raw("<tr>");
                row_head(h, name);
                number(h, n.to_string(), n as f64);
                for axis in 0..2 {
                    let mean = of_class
                        .clone()
                        .map(|point| f64::from(point[axis]))
                        .sum::<f64>()
                        / n.max(1) as f64;
                    number(h, decimals(mean, 2), mean);
                }
                h.raw("</tr>");
            }
        });
    }
    shares::table(h, one, id);
    let caption = format!("{}: the features that tell classes apart best", one.set);
    let table = Table::new(format!("{id}-best"), caption, "narrow");
    let columns = [
        words("Feature"),
        numbers("Mean"),
        numbers("Standard deviation"),
        numbers("Between classes %"),
        numbers("Between speakers %"),
    ];
    table.write(h, &columns, |h| {
        let best = one
            .detailed
            .iter()
            .filter_map(|best| one.features.iter().find(|f| f.name == best.name));
        for FeatureSummary {
            name,
            mean,
            sd,
            by_class,
            by_speaker,
            ..
        } in best
        {
            h.raw("<tr>");
            row_head(h, name);
            number(h, significant(*mean), *mean);
            number(h, significant(*sd), *sd);
            number(h, percent(*by_class), *by_class);
            number(h, percent(*by_speaker), *by_speaker);
            h.raw("</tr>");
        }
    });
    h.raw(
        "<p class=\"quiet\">All features: <a href=\"features.csv\">features.csv</a></p></details>",
    );
}

/// Four significant digits, as features differ by orders of magnitude.
fn significant(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if !value.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.2e}").replace('-', "\u{2212}"),
        _ => decimals(value, (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_any_size_are_short() {
        let shown = [123.456, -0.012345, 0.0, 1.0, 2.5e-7, f64::NAN].map(significant);
        assert_eq!(
            shown,
            [
                "123.5",
                "\u{2212}0.01235",
                "0",
                "1.000",
                "2.50e\u{2212}7",
                "–"
            ]
        );
    }
}
