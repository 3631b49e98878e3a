//! The condition of transductive results, and what they are worth where it is not met.

use std::fmt::Write;

use crate::escape::markdown as escape;
use crate::evaluation::RestrictedPool;
use crate::transform::BALANCED_SPEAKERS;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::html::{self, Html, Table, cell, number, numbers, percent, row_head, words};

/// Stands beside every figure that is transductive, where there is no room for [`condition`].
pub(super) const TRANSDUCTIVE: &str = "transductive: balanced speakers only";

/// What transductive figures presuppose, as a sentence.
pub(super) fn condition() -> String {
    format!("Transductive figures hold only if {BALANCED_SPEAKERS}.")
}

/// How the condition was tested, as sentences.
const MEASURED: &str = "Measured with the same models and test clips: each test speaker is scaled by all of their clips (full pool), or by their \
                        clips of these classes alone (restricted pool).";

/// `high-arousal (anger, fear)`.
fn named(pool: &RestrictedPool) -> String {
    format!("{} ({})", pool.pool, pool.classes.join(", "))
}

/// Writes the part of the page of a transductive experiment.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    if !experiment.transductive || experiment.pooled.is_none() {
        return;
    }
    h.part(&format!("{id}-pools"), "Restricted pools");
    if experiment.restricted_pools.is_empty() {
        h.within("p", &[], |h| {
            h.text(condition())
                .raw(" Not measured for this experiment.");
        });
        return;
    }
    explain(h);
    table(h, &format!("{id}-pool-table"), &[experiment]);
}

/// Writes all of a pipeline's transductive results together.
pub(super) fn overview(h: &mut Html, report: &PipelineReport) {
    let measured: Vec<&ExperimentSection> = compare::results(report)
        .map(|(_, one)| one)
        .filter(|one| !one.restricted_pools.is_empty())
        .collect();
    if measured.is_empty() {
        return;
    }
    h.raw("<h3 id=\"restricted-pools\">Transductive results with restricted pools</h3>");
    explain(h);
    table(h, "pool-table", &measured);
}

fn explain(h: &mut Html) {
    h.within("p", &[], |h| {
        h.el("strong", &[], condition()).raw(" ").raw(MEASURED);
        h.raw(" Inductive is the experiment that differs in its scaler alone, on the same clips.");
    });
}

fn table(h: &mut Html, id: &str, experiments: &[&ExperimentSection]) {
    let columns = [
        words("Experiment"),
        words("Clips of"),
        numbers("Predictions"),
        numbers("UAR\u{a0}% full pool"),
        numbers("UAR\u{a0}% restricted pool"),
        numbers("UAR\u{a0}% inductive"),
    ];
    let table = Table::new(
        id,
        "UAR on the clips of some classes, by the pool that speakers are scaled by",
        "results",
    )
    .unsorted();
    table.write(h, &columns, |h| {
        for (one, pool) in experiments
            .iter()
            .flat_map(|one| one.restricted_pools.iter().map(move |pool| (one, pool)))
        {
            h.raw("<tr>");
            row_head(h, &one.title);
            cell(h, named(pool));
            number(h, html::count(pool.n as usize), pool.n as f64);
            for value in [
                Some(pool.full),
                Some(pool.restricted),
                pool.inductive.as_ref().map(|twin| twin.uar),
            ] {
                number(
                    h,
                    value.map_or("–".to_owned(), percent),
                    value.unwrap_or(f64::NAN),
                );
            }
            h.raw("</tr>");
        }
    });
}

/// The figures as a Markdown table, after a blank line; nothing where there are none.
pub(super) fn markdown(out: &mut String, experiment: &ExperimentSection) {
    if experiment.restricted_pools.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{MEASURED}\n");
    out.push_str("| clips of | UAR %, full pool | UAR %, restricted pool | UAR %, inductive |\n| --- | ---: | ---: | ---: |\n");
    for pool in &experiment.restricted_pools {
        let twin = pool
            .inductive
            .as_ref()
            .map_or("–".to_owned(), |twin| percent(twin.uar));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {twin} |",
            escape(&named(pool)),
            percent(pool.full),
            percent(pool.restricted)
        );
    }
}

/// `high-arousal 55.3 (full pool 74.1, inductive 62.9), low-arousal …`: UAR with restricted pools
/// in per cent; `None` where it was not measured.
pub fn in_words(pools: &[RestrictedPool]) -> Option<String> {
    let one = |pool: &RestrictedPool| {
        let twin = pool
            .inductive
            .as_ref()
            .map(|twin| format!(", inductive {}", percent(twin.uar)))
            .unwrap_or_default();
        format!(
            "{} {} (full pool {}{twin})",
            pool.pool,
            percent(pool.restricted),
            percent(pool.full)
        )
    };
    (!pools.is_empty()).then(|| pools.iter().map(one).collect::<Vec<_>>().join(", "))
}
