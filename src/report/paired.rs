//! McNemar's test between the experiments of a pipeline, as a table.

use super::data::PipelineReport;
use super::html::{Html, Table, cell, number, numbers, p_value, plural, words};
use super::summary;

/// Pairs that stand open on the page.
const OPEN: usize = 10;

/// Writes the table, or nothing where no two experiments tested the same utterances.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    let pairs = &report.comparisons;
    if pairs.is_empty() {
        return;
    }
    let title = |h: &mut Html, name: &str| {
        let Some(found) = report.experiments.iter().find(|e| e.name == name) else {
            h.text(name);
            return;
        };
        h.text(&found.title);
        for caveat in summary::caveats(found) {
            h.raw(" ").el("span", &[("class", "badge unknown")], caveat);
        }
    };
    h.raw("<h3 id=\"paired\">Which differences are more than chance</h3>");
    h.raw("<p>McNemar's exact test, two-sided, between all experiments that tested the same utterances in the same protocol; several seeds of one ");
    h.raw("count as one prediction, by mean probability. The last column corrects for ")
        .text(plural(pairs.len(), "test"));
    h.raw(" after Holm: below 0.05, the two differ in accuracy on these utterances. The test takes utterances for independent, which those of ");
    h.raw("one speaker are not: a p value just below 0.05 says little.</p>");
    if pairs.len() > OPEN {
        h.raw("<details><summary>")
            .text(plural(pairs.len(), "pair"))
            .raw("</summary>");
    }
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
    ];
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for pair in pairs {
            h.raw("<tr>");
            h.within("th", &[("scope", "row")], |h| title(h, &pair.a));
            h.within("td", &[("class", "w")], |h| title(h, &pair.b));
            cell(h, &pair.protocol);
            for n in [pair.n, pair.only_a, pair.only_b] {
                number(h, n.to_string(), n as f64);
            }
            for p in [pair.p, pair.p_holm] {
                number(h, p_value(p), p);
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    if pairs.len() > OPEN {
        h.raw("</details>");
    }
}
