//! The confusion matrix as a table whose cells are coloured by row share.

use maud::{Markup, html};

use crate::evaluation::Confusion;

use super::html::{Html, shorten};
use super::svg::{self, Picture};

/// Steps of the sequential palette (`h0` … `h9` in the stylesheet).
const STEPS: f64 = 10.0;

/// Writes the matrix with counts and row per cent in every cell; where there is script, a button
/// shows one of them at a time.
pub(super) fn write(h: &mut Html, confusion: &Confusion, title: &str, id: &str) {
    let caption_id = format!("{id}-caption");
    let all: u64 = confusion.counts.iter().flatten().sum();
    let modes = [
        ("both", "Both", "true"),
        ("counts", "Counts", "false"),
        ("share", "Row %", "false"),
    ];
    h.put(html! {
        "\n"
        div.heat-box {
            div.buttons.js-only role="group" aria-label={ (title) ": what the cells show" } {
                @for (mode, text, pressed) in modes {
                    button type="button" data-heat=(id) data-mode=(mode) aria-pressed=(pressed) {
                        (text)
                    }
                }
            }
            div.scroll tabindex="0" role="group" aria-labelledby=(caption_id) {
                table.heat id=(id) data-mode="both" {
                    caption id=(caption_id) {
                        span {
                            (title) ": confusion matrix. Rows are the truth, columns the "
                            "prediction; colour and per cent are shares of the row."
                        }
                    }
                    thead {
                        tr {
                            th.corner scope="col" { "truth ↓ predicted →" }
                            @for label in &confusion.labels { th.n scope="col" { (label) } }
                            th.n.total scope="col" { "all" }
                        }
                    }
                    tbody {
                        @for (truth, label) in confusion.labels.iter().enumerate() {
                            (row(confusion, truth, label))
                        }
                        tr.sum {
                            th scope="row" { "all" }
                            @for n in confusion.predicted() { td.n.total { (n) } }
                            td.n.total { (all) }
                        }
                    }
                }
            }
            p.ramp aria-hidden="true" {
                "0 %"
                @for step in 0..STEPS as usize { i class={ "h" (step) } {} }
                "100 % of the row"
            }
        }
    });
    draw(h, confusion, title, &id.replace("heat", "confusion"));
}

/// The matrix as a file.
fn draw(h: &mut Html, confusion: &Confusion, title: &str, id: &str) {
    const LETTERS: usize = 16;
    const HEIGHT: f64 = 42.0;
    let names: Vec<String> = (confusion.labels.iter())
        .map(|label| shorten(label, LETTERS))
        .collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let words = longest.unwrap_or(0) as f64 * 7.6;
    let (left, width) = (words + 34.0, words.max(54.0) + 8.0);
    let n = names.len() as f64;
    let picture = Picture::new(
        id,
        format!("{title}: confusion matrix"),
        "Rows are the truth, columns the prediction; colour and per cent are shares of the row.",
        [(left + n * width).max(300.0), n * HEIGHT + 48.0],
    );
    picture.as_file(h, |h| {
        let middle = (left + n * width / 2.0, 24.0 + n * HEIGHT / 2.0);
        svg::label(h, "tick", "middle", (middle.0, 12.0), "predicted");
        svg::upright(h, (10.0, middle.1), "truth");
        for (truth, (name, counts)) in names.iter().zip(&confusion.counts).enumerate() {
            let top = 24.0 + truth as f64 * HEIGHT;
            let total: u64 = counts.iter().sum();
            svg::label(
                h,
                "value",
                "end",
                (left - 10.0, top + HEIGHT / 2.0 + 4.0),
                name,
            );
            for (predicted, &n) in counts.iter().enumerate() {
                let share = fraction(n, total);
                let step = step(share);
                let corner = (left + predicted as f64 * width, top);
                let right = if truth == predicted { " right" } else { "" };
                let text = format!("{name}, taken for {}: {n}", names[predicted]);
                let class = format!("f{step}{right}");
                svg::bar(
                    h,
                    &class,
                    (corner.0 + 1.0, top + 1.0),
                    (width - 2.0, HEIGHT - 2.0),
                    &text,
                );
                // On a dark ground letters are light.
                let class = if step < 6 { "value" } else { "letter" };
                let x = corner.0 + width / 2.0;
                svg::label(h, class, "middle", (x, top + 18.0), &n.to_string());
                svg::label(
                    h,
                    class,
                    "middle",
                    (x, top + 34.0),
                    &format!("{:.1} %", share * 100.0),
                );
            }
        }
        for (predicted, name) in names.iter().enumerate() {
            let x = left + (predicted as f64 + 0.5) * width;
            svg::label(h, "value", "middle", (x, 24.0 + n * HEIGHT + 18.0), name);
        }
    });
}

/// The share of a row.
fn fraction(n: u64, total: u64) -> f64 {
    match total {
        0 => 0.0,
        total => n as f64 / total as f64,
    }
}

/// The row of one true class.
fn row(confusion: &Confusion, truth: usize, label: &str) -> Markup {
    let counts = &confusion.counts[truth];
    let total: u64 = counts.iter().sum();
    let fraction = |n: u64| fraction(n, total);
    let kind = |predicted: usize, n: u64| match n {
        _ if truth == predicted => " right",
        0 => " zero",
        _ => "",
    };
    html! {
        tr {
            th scope="row" { (label) }
            @for (predicted, &n) in counts.iter().enumerate() {
                td class={ "h" (step(fraction(n))) (kind(predicted, n)) } {
                    span.c { (n) } " " span.p { (format!("{:.1} %", fraction(n) * 100.0)) }
                }
            }
            td.n.total { (total) }
        }
    }
}

/// The palette step of a share.
pub(super) fn step(fraction: f64) -> usize {
    (fraction * STEPS).floor().clamp(0.0, STEPS - 1.0) as usize
}

/// A class that is taken for another: truth, prediction, how often, share of the truth's row.
pub(super) fn most_confused(confusion: &Confusion, limit: usize) -> Vec<(&str, &str, u64, f64)> {
    let mut pairs = Vec::new();
    for (truth, (label, row)) in confusion.labels.iter().zip(&confusion.counts).enumerate() {
        let total: u64 = row.iter().sum();
        for (predicted, (other, &n)) in confusion.labels.iter().zip(row).enumerate() {
            if truth != predicted && n > 0 {
                pairs.push((label.as_str(), other.as_str(), n, n as f64 / total as f64));
            }
        }
    }
    // The sort is stable, so pairs of equal share stay in label order.
    pairs.sort_by(|a, b| b.3.total_cmp(&a.3));
    pairs.truncate(limit);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Confusion {
        Confusion {
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            counts: vec![vec![8, 2, 0], vec![0, 5, 15], vec![1, 0, 0]],
        }
    }

    #[test]
    fn pairs_are_ranked_by_the_share_of_their_class() {
        assert_eq!(
            most_confused(&matrix(), 2),
            [("c", "a", 1, 1.0), ("b", "c", 15, 0.75)]
        );
    }

    #[test]
    fn cells_hold_count_and_share_and_the_colour_follows_the_share() {
        let mut h = Html::new();
        write(&mut h, &matrix(), "x", "m");
        let text = h.into_string();
        assert!(text.contains(
            "<td class=\"h7\"><span class=\"c\">15</span> <span class=\"p\">75.0 %</span></td>"
        ));
        assert!(text.contains("<td class=\"h8 right\"><span class=\"c\">8</span>"));
        assert_eq!((step(0.0), step(0.999), step(1.0)), (0, 9, 9));
    }
}
