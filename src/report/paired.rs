//! McNemar's test between the experiments of a pipeline, as a table.

use maud::{Markup, html};

use super::data::PipelineReport;
use super::html::{Html, Table, number_cell, numbers, p_value, plural, words};
use super::summary;

/// Pairs that stand open on the page.
const OPEN: usize = 10;

/// Writes the table, or nothing where no two experiments tested the same utterances.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    let pairs = &report.comparisons;
    if pairs.is_empty() {
        return;
    }
    let title = |name: &str| -> Markup {
        let found = report.experiments.iter().find(|e| e.name == name);
        let caveats = found.map(summary::caveats).unwrap_or_default();
        html! {
            (found.map_or(name, |found| &found.title))
            @for caveat in caveats { " " span.badge.unknown { (caveat) } }
        }
    };
    let table = Table {
        id: "paired-table",
        caption: "McNemar's test, utterance by utterance",
        class: "tall",
        sortable: true,
    };
    let columns = [
        words("First"),
        words("Second"),
        words("Protocol"),
        numbers("Utterances"),
        numbers("Right by the first alone"),
        numbers("Right by the second alone"),
        numbers("p"),
        numbers("p, Holm"),
        numbers("Least detectable, points"),
    ];
    let rows = html! {
        @for pair in pairs {
            tr {
                th scope="row" { (title(&pair.a)) }
                td.w { (title(&pair.b)) }
                td.w { (pair.protocol) }
                @for n in [pair.n, pair.only_a, pair.only_b] {
                    (number_cell(n.to_string(), n as f64))
                }
                @for p in [pair.p, pair.p_holm] { (number_cell(p_value(p), p)) }
                @match pair.least_detectable() {
                    Some(found) => { (number_cell(format!("{:.1}", 100.0 * found), found)) }
                    None => { (number_cell("–", f64::MAX)) }
                }
            }
        }
    };
    let table = table.markup(&columns, rows);
    h.put(html! {
        h3 #paired { "Significance of differences" }
        p {
            "McNemar's exact test, two-sided, between all experiments that tested the same "
            "utterances in the same protocol; several seeds of one count as one prediction, by "
            "mean probability. The column after p is corrected for " (plural(pairs.len(), "test"))
            " after Holm: below 0.05, the two differ in accuracy on these utterances. The test "
            "assumes independent utterances, which those of one speaker are not: a p value just "
            "below 0.05 is weak evidence. The last column is the smallest difference in accuracy "
            "that such a test detects with a power of 80 %, given the number of utterances and how "
            "often the two systems disagree."
        }
        @if pairs.len() > OPEN {
            details { summary { (plural(pairs.len(), "pair")) } (table) }
        } @else {
            (table)
        }
    });
}
