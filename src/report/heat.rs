//! The confusion matrix as a table whose cells are coloured by row share.

use crate::evaluation::Confusion;

use super::html::{self, Html};

/// Steps of the sequential palette (`h0` … `h9` in the stylesheet).
const STEPS: f64 = 10.0;

/// Writes the matrix with counts and row per cent in every cell; where there is script, a button
/// shows one of them at a time.
pub(super) fn write(h: &mut Html, confusion: &Confusion, title: &str, id: &str) {
    let caption_id = format!("{id}-caption");
    h.line_break().open("div", &[("class", "heat-box")]);
    h.within(
        "div",
        &[
            ("class", "buttons js-only"),
            ("role", "group"),
            ("aria-label", &format!("{title}: what the cells show")),
        ],
        |h| {
            for (mode, text, pressed) in [
                ("both", "Both", "true"),
                ("counts", "Counts", "false"),
                ("share", "Row %", "false"),
            ] {
                h.el(
                    "button",
                    &[
                        ("type", "button"),
                        ("data-heat", id),
                        ("data-mode", mode),
                        ("aria-pressed", pressed),
                    ],
                    text,
                );
            }
        },
    );
    h.open(
        "div",
        &[
            ("class", "scroll"),
            ("tabindex", "0"),
            ("role", "group"),
            ("aria-labelledby", &caption_id),
        ],
    );
    h.open(
        "table",
        &[("class", "heat"), ("id", id), ("data-mode", "both")],
    );
    h.within("caption", &[("id", &caption_id)], |h| {
        h.raw("<span>").text(title);
        h.raw(": confusion matrix. Rows are the truth, columns the prediction; colour and per cent are shares of the row.</span>");
    });
    h.raw("<thead><tr><th scope=\"col\" class=\"corner\">truth ↓ predicted →</th>");
    for label in &confusion.labels {
        h.el("th", &[("scope", "col"), ("class", "n")], label);
    }
    h.raw("<th scope=\"col\" class=\"n total\">all</th></tr></thead><tbody>");
    for (truth, (label, row)) in confusion.labels.iter().zip(&confusion.counts).enumerate() {
        let total: u64 = row.iter().sum();
        h.raw("<tr>");
        html::row_head(h, label);
        for (predicted, &n) in row.iter().enumerate() {
            let share = if total == 0 {
                0.0
            } else {
                n as f64 / total as f64
            };
            let kind = match n {
                _ if truth == predicted => " right",
                0 => " zero",
                _ => "",
            };
            let class = format!("h{}{kind}", step(share));
            h.within("td", &[("class", &class)], |h| {
                h.el("span", &[("class", "c")], n.to_string());
                h.raw(" ")
                    .el("span", &[("class", "p")], format!("{:.1} %", share * 100.0));
            });
        }
        h.el("td", &[("class", "n total")], total.to_string())
            .raw("</tr>");
    }
    h.raw("<tr class=\"sum\"><th scope=\"row\">all</th>");
    for predicted in 0..confusion.labels.len() {
        let sum: u64 = confusion
            .counts
            .iter()
            .filter_map(|row| row.get(predicted))
            .sum();
        h.el("td", &[("class", "n total")], sum.to_string());
    }
    let all: u64 = confusion.counts.iter().flatten().sum();
    h.el("td", &[("class", "n total")], all.to_string())
        .raw("</tr></tbody></table></div>");
    h.raw("<p class=\"ramp\" aria-hidden=\"true\">0 %");
    for step in 0..STEPS as usize {
        h.el("i", &[("class", &format!("h{step}"))], "");
    }
    h.raw("100 % of the row</p></div>");
}

/// The palette step of a share.
pub(super) fn step(share: f64) -> usize {
    (share * STEPS).floor().clamp(0.0, STEPS - 1.0) as usize
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
