//! What must be known before any figure of a pipeline is read; it stands on each of its pages.

use maud::html;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::html::Html;
use crate::corpus::Attribute;
use crate::split::TestSpeakers;

/// Says of which experiments the audit found that copies are on both sides of speakers that are
/// apart by name.
fn audited(h: &mut Html, report: &PipelineReport) {
    let found = |one: &&ExperimentSection| {
        one.pooled.is_some() && matches!(one.speakers, TestSpeakers::OnBothSides { .. })
    };
    let found: Vec<&ExperimentSection> = report.experiments.iter().filter(found).collect();
    let Some(worst) = found.iter().map(|one| one.speakers).max() else {
        return;
    };
    let (bold, rest) = worst.explain();
    let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
    h.put(html! {
        p.warn.box role="note" {
            strong { (bold) } " " (rest) " It concerns: " (titles.join("; ")) "."
        }
    });
}

/// Writes what applies; nothing where the report is one like any other.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    let guessed = report
        .corpus
        .as_ref()
        .map(|corpus| corpus.guessed.as_slice());
    let guessed = guessed.unwrap_or_default();
    let missing = if report.experiments.is_empty() {
        "Nothing could be computed yet"
    } else {
        "Not computed anew"
    };
    h.put(html! {
        @if compare::generated(report) {
            p.banner role="note" {
                strong { "Generated, not recorded speech." }
                " These sounds were made by a program. The figures show that the pipeline works; "
                "they say nothing about people, and no published figure stands beside them."
            }
        }
        @if !report.overrides.is_empty() {
            p.warn.box role="note" {
                strong { "Not the settings of the pipeline file." }
                " Overridden for this run: " (report.overrides.join("; ")) "."
            }
        }
    });
    audited(h, report);
    h.put(html! {
        @if !guessed.is_empty() {
            p.warn.box role="note" {
                strong { "Guessed from file names, not confirmed: " (Attribute::list(guessed)) "." }
                " Nobody has confirmed these fields. Check them in the manifest, correct wrong "
                "entries, then delete the confirmed fields from " code { "corpus.guessed" }
                " in the pipeline file."
            }
        }
        @if let Some(why) = &report.missing {
            section #missing.missing aria-labelledby="missing-title" {
                h2 #missing-title { (missing) }
                p.message { (why) }
                p { "Put the corpus in place and run the same command again." }
            }
        }
    });
}
