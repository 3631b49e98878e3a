//! How much of each feature is the class and how much the speaker: a dot for each feature, or,
//! where there are many, a row for each group.

use crate::evaluation::{FeatureSummary, Overview};
use crate::stats;

use super::figure::Sample;
use super::html::{
    Html, Table, count, decimals, number, numbers, percent, plural, row_head, shorten, words,
};
use super::marker;
use super::overview::{HEIGHT, LEFT, TOP, WIDTH, scale};
use super::svg::{self, Picture};

/// More dots than these hide each other, and more groups have no colour of their own.
const MOST_DOTS: usize = 500;
const MOST_GROUPS: usize = 8;
/// Where rows of groups begin, and how high each is.
const NAMES: f64 = 190.0;
const ROW: f64 = 20.0;
/// Letters of a group's name with its count.
const LETTERS: usize = 24;

/// The features of one group.
struct Group<'a> {
    name: &'a str,
    features: Vec<&'a FeatureSummary>,
}

impl Group<'_> {
    fn mean(&self, of: fn(&FeatureSummary) -> f64) -> f64 {
        let values: Vec<f64> = self
            .features
            .iter()
            .map(|f| of(f))
            .filter(|v| v.is_finite())
            .collect();
        stats::mean(&values)
    }
}

/// In order of first appearance.
fn groups(one: &Overview) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for feature in &one.features {
        match groups.iter_mut().find(|group| group.name == feature.group) {
            Some(group) => group.features.push(feature),
            None => groups.push(Group {
                name: &feature.group,
                features: vec![feature],
            }),
        }
    }
    groups
}

/// Writes the picture that can be read with so many features.
pub(super) fn write(h: &mut Html, one: &Overview, id: &str) {
    let groups = groups(one);
    let more = one
        .features
        .iter()
        .filter(|f| f.by_speaker > f.by_class)
        .count();
    h.within("figure", &[], |h| {
        if groups.len() <= MOST_GROUPS && one.features.len() <= MOST_DOTS {
            dots(h, one, &groups, more, id);
        } else {
            rows(h, one, &groups, id);
        }
        h.within("figcaption", &[], |h| {
            h.text(format!(
                "{more} of {} features vary more between speakers than between classes",
                one.features.len()
            ));
        });
    });
}

fn dots(h: &mut Html, one: &Overview, groups: &[Group], more: usize, id: &str) {
    let most = one
        .features
        .iter()
        .flat_map(|f| [f.by_class, f.by_speaker])
        .fold(0.1, f64::max);
    let ticks = svg::ticks(most, 5);
    let end = ticks.last().copied().unwrap_or(1.0);
    let (x, y) = (
        scale([0.0, end], [LEFT, WIDTH - 24.0]),
        scale([0.0, end], [HEIGHT - 48.0, TOP + 8.0]),
    );
    let title = format!(
        "{}: share of each feature's variance between classes and between speakers",
        one.set
    );
    let description = format!(
        "A dot for each of {} features. {more} of them differ more between speakers than between classes: they lie above the diagonal.",
        one.features.len()
    );
    let plot = format!("{id}-shares");
    let names: Vec<String> = groups.iter().map(|group| group.name.to_owned()).collect();
    marker::legend(h, &names, &plot);
    let picture = Picture::new(plot, title, description, [WIDTH, HEIGHT]);
    picture.write_with(h, &marker::keys(&names), |h| {
        for &tick in &ticks {
            let text = format!("{:.0} %", tick * 100.0);
            svg::line(h, "grid", (LEFT, y(tick)), (WIDTH - 24.0, y(tick)));
            svg::label(h, "tick", "end", (LEFT - 6.0, y(tick) + 4.0), &text);
            svg::label(h, "tick", "middle", (x(tick), HEIGHT - 30.0), &text);
        }
        svg::line(h, "diagonal", (x(0.0), y(0.0)), (x(end), y(end)));
        svg::label(
            h,
            "tick",
            "middle",
            ((LEFT + WIDTH) / 2.0, HEIGHT - 10.0),
            "of the variance lies between classes",
        );
        svg::upright(
            h,
            (12.0, (TOP + HEIGHT - 48.0) / 2.0),
            "lies between speakers",
        );
        for (place, group) in groups.iter().enumerate() {
            marker::write(
                h,
                place,
                group
                    .features
                    .iter()
                    .map(|f| (x(f.by_class), y(f.by_speaker))),
            );
        }
    });
}

/// A row for each group: the mean share between classes and the mean share between speakers, joined
/// by a line.
fn rows(h: &mut Html, one: &Overview, groups: &[Group], id: &str) {
    let means: Vec<(f64, f64)> = groups
        .iter()
        .map(|group| (group.mean(|f| f.by_class), group.mean(|f| f.by_speaker)))
        .collect();
    let most = means
        .iter()
        .flat_map(|&(class, speaker)| [class, speaker])
        .fold(0.05, f64::max);
    let ticks = svg::ticks(most, 4);
    let x = scale(
        [0.0, ticks.last().copied().unwrap_or(1.0)],
        [NAMES, WIDTH - 24.0],
    );
    let floor = TOP + ROW * groups.len() as f64;
    let title = format!(
        "{}: mean share of the variance of each group of features between classes and between speakers",
        one.set
    );
    let description = format!(
        "A row for each of {} groups of {} features. The table below holds every value.",
        groups.len(),
        one.features.len()
    );
    let keys = [
        ("wa", "mean share between classes"),
        ("uar", "mean share between speakers"),
    ]
    .map(|(class, text)| (Sample::Box(class), text.to_owned()));
    svg::legend(h, &keys);
    let picture = Picture::new(
        format!("{id}-shares"),
        title,
        description,
        [WIDTH, floor + 44.0],
    );
    picture.write_with(h, &keys, |h| {
        for &tick in &ticks {
            svg::line(h, "grid", (x(tick), TOP), (x(tick), floor));
            svg::label(
                h,
                "tick",
                "middle",
                (x(tick), floor + 17.0),
                &format!("{} %", decimals(tick * 100.0, 0)),
            );
        }
        svg::label(
            h,
            "tick",
            "middle",
            ((NAMES + WIDTH) / 2.0, floor + 36.0),
            "of the variance",
        );
        for (i, (group, &(class, speaker))) in groups.iter().zip(&means).enumerate() {
            let middle = TOP + ROW * (i as f64 + 0.5);
            let n = format!(" ({})", group.features.len());
            let name = format!(
                "{}{n}",
                shorten(group.name, LETTERS.saturating_sub(n.len()))
            );
            svg::label(h, "tick", "end", (NAMES - 12.0, middle + 4.0), &name);
            svg::line(h, "axis", (x(class), middle), (x(speaker), middle));
            for (kind, fraction, between) in
                [("uar", speaker, "speakers"), ("wa", class, "classes")]
            {
                let text = format!(
                    "{}, {}: {} % between {between}",
                    group.name,
                    plural(group.features.len(), "feature"),
                    percent(fraction)
                );
                svg::dot(h, kind, (x(fraction), middle), 5.0, &text);
            }
        }
    });
}

/// Writes the figures of the groups, which no picture has in full.
pub(super) fn table(h: &mut Html, one: &Overview, id: &str) {
    let table = Table::new(
        format!("{id}-groups"),
        format!("{}: groups of features, means over each", one.set),
        "narrow",
    );
    let columns = [
        words("Group"),
        numbers("Features"),
        numbers("Between classes %"),
        numbers("Between speakers %"),
    ];
    table.write(h, &columns, |h| {
        for group in groups(one) {
            h.raw("<tr>");
            row_head(h, group.name);
            number(h, count(group.features.len()), group.features.len() as f64);
            for mean in [group.mean(|f| f.by_class), group.mean(|f| f.by_speaker)] {
                number(h, percent(mean), mean);
            }
            h.raw("</tr>");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn drawn(one: &Overview) -> String {
        let mut h = Html::new();
        write(&mut h, one, "f1");
        h.into_string()
    }

    #[test]
    fn many_groups_are_a_row_each_and_few_have_a_dot_for_each_feature() {
        let mut one = fixture::recorded().overviews.remove(0);
        assert!(drawn(&one).contains("class=\"dots k0\"") && !drawn(&one).contains("<circle"));
        let feature = one.features[0].clone();
        one.features = (0..2400)
            .map(|n| FeatureSummary {
                group: format!("group {}", n % 20),
                by_class: (n % 20) as f64 / 100.0,
                by_speaker: if n < 20 { f64::NAN } else { 0.25 },
                ..feature.clone()
            })
            .collect();
        let picture = drawn(&one);
        assert!(!picture.contains("class=\"dots"));
        assert_eq!(picture.matches("<circle").count(), 2 * 20);
        assert!(
            picture.contains("group 7, 120 features: 7.0 % between classes")
                && picture.contains("25.0 % between speakers"),
            "{picture}"
        );
        assert!(picture.contains(">group 7 (120)</text>"));
    }
}
