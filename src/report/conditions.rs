//! How the corpus was recorded, and whether that gives its classes away.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::corpus::Condition;

use super::html::{Html, Table, count, number_cell, numbers, words};

/// Rows of a table on the page; `report.json` holds all.
const LISTED: usize = 40;

/// Writes a warning for each condition that leaks, and a table for each that has more than one
/// value.
pub(super) fn write(h: &mut Html, conditions: &[Condition]) {
    if conditions.is_empty() {
        return;
    }
    h.put(html! {
        h3 #corpus-conditions { "Recording conditions" }
        @for condition in conditions.iter().filter(|condition| condition.leaks()) {
            p.warn.box {
                strong { (heading(condition)) } " " (condition.warning()) "."
                @if !condition.is_speaker() { " No protocol of this report keeps that apart." }
            }
        }
        @for condition in conditions {
            @match condition.counts.as_slice() {
                [] => {}
                [(value, _)] => {
                    p { (capital(&condition.name)) ": " (value) " throughout." }
                }
                many => (table(condition, many.len()))
            }
        }
    });
}

/// What a condition that leaks is called.
pub(super) fn heading(condition: &Condition) -> &'static str {
    if condition.is_speaker() {
        "Speakers tell emotions:"
    } else {
        "A leak:"
    }
}

fn table(condition: &Condition, values: usize) -> Markup {
    let classes = condition
        .counts
        .iter()
        .flat_map(|(_, by_class)| by_class.keys());
    let classes: BTreeSet<&str> = classes.map(String::as_str).collect();
    let table = Table {
        id: &format!("conditions-{}", condition.name.replace(' ', "-")),
        caption: &format!(
            "Utterances by {} and class (Cramér's V {:.2})",
            condition.name, condition.association
        ),
        class: "narrow",
        sortable: true,
    };
    let name = capital(&condition.name);
    let mut columns = vec![words(&name)];
    columns.extend(classes.iter().map(|class| numbers(class)));
    let n = |by_class: &BTreeMap<String, usize>, class: &str| {
        let n = by_class.get(class).copied().unwrap_or(0);
        number_cell(count(n), n as f64)
    };
    let rows = html! {
        @for (value, by_class) in condition.counts.iter().take(LISTED) {
            tr {
                th scope="row" { (value) }
                @for class in &classes { (n(by_class, class)) }
            }
        }
    };
    html! {
        (table.markup(&columns, rows))
        @if values > LISTED { p { (values - LISTED) " more values stand in report.json." } }
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
