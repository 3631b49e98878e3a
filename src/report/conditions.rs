//! How the corpus was recorded, and whether that gives its classes away.

use std::collections::BTreeSet;

use crate::corpus::Condition;

use super::html::{Html, Table, count, number, numbers, row_head, words};

/// Rows of a table on the page; `report.json` holds all.
const LISTED: usize = 40;

/// Writes a warning for each condition that leaks, and a table for each that has more than one
/// value.
pub(super) fn write(h: &mut Html, conditions: &[Condition]) {
    if conditions.is_empty() {
        return;
    }
    h.raw("<h3 id=\"corpus-conditions\">Recording conditions</h3>");
    for condition in conditions.iter().filter(|condition| condition.leaks()) {
        h.within("p", &[("class", "warn box")], |h| {
            h.el("strong", &[], heading(condition))
                .raw(" ")
                .text(condition.warning())
                .raw(".");
            if !condition.is_speaker() {
                h.raw(" No protocol of this report keeps that apart.");
            }
        });
    }
    for condition in conditions {
        match condition.counts.as_slice() {
            [] => {}
            [(value, _)] => {
                h.el(
                    "p",
                    &[],
                    format!("{}: {value} throughout.", capital(&condition.name)),
                );
            }
            many => table(h, condition, many.len()),
        }
    }
}

/// What a condition that leaks is called.
pub(super) fn heading(condition: &Condition) -> &'static str {
    if condition.is_speaker() {
        "Speakers tell emotions:"
    } else {
        "A leak:"
    }
}

fn table(h: &mut Html, condition: &Condition, values: usize) {
    let classes: BTreeSet<&str> = condition
        .counts
        .iter()
        .flat_map(|(_, by_class)| by_class.keys().map(String::as_str))
        .collect();
    let caption = format!(
        "Utterances by {} and class (Cramér's V {:.2})",
        condition.name, condition.association
    );
    let id = format!("conditions-{}", condition.name.replace(' ', "-"));
    let name = capital(&condition.name);
    let mut columns = vec![words(&name)];
    columns.extend(classes.iter().map(|class| numbers(class)));
    Table {
        id: &id,
        caption: &caption,
        class: "narrow",
        sortable: true,
    }
    .write(h, &columns, |h| {
        h.raw("<tbody>");
        for (value, by_class) in condition.counts.iter().take(LISTED) {
            h.raw("<tr>");
            row_head(h, value);
            for class in &classes {
                let n = by_class.get(*class).copied().unwrap_or(0);
                number(h, count(n), n as f64);
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    if values > LISTED {
        h.within("p", &[], |h| {
            h.text(format!(
                "{} more values stand in report.json.",
                values - LISTED
            ));
        });
    }
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(condition: Condition) -> String {
        let mut h = Html::default();
        write(&mut h, &[condition]);
        h.into_string()
    }

    #[test]
    fn what_gives_classes_away_is_a_warning_and_what_is_the_same_throughout_a_line() {
        let rates = |of: fn(usize) -> u64| {
            Condition::of(
                "sample rate",
                (0..40).map(move |i| (of(i), ["<b>", "joy"][i % 2])),
                |rate| format!("{rate} Hz"),
            )
        };
        let leak = page(rates(|i| 16_000 * (1 + i as u64 % 2)));
        assert!(
            leak.contains("A leak:") && leak.contains("32000 Hz") && !leak.contains("<b>"),
            "{leak}"
        );
        let even = page(rates(|i| 16_000 * (1 + i as u64 / 20)));
        assert!(
            !even.contains("A leak:") && even.contains("<table"),
            "{even}"
        );
        assert!(page(rates(|_| 8_000)).contains("Sample rate: 8000 Hz throughout."));
    }
}
