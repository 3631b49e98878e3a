//! What must be known before any figure of a pipeline is read; it stands on each of its pages.

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
    h.raw("<p class=\"warn box\" role=\"note\">")
        .el("strong", &[], bold)
        .raw(" ")
        .text(rest);
    h.raw(" It concerns: ").text(titles.join("; ")).raw(".</p>");
}

/// Writes what applies; nothing where the report is one like any other.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    if compare::generated(report) {
        h.raw("<p class=\"banner\" role=\"note\"><strong>Generated, not recorded speech.</strong> These sounds were made by a program. ");
        h.raw("The figures show that the pipeline works; they say nothing about people, and no published figure stands beside them.</p>");
    }
    if !report.overrides.is_empty() {
        h.raw("<p class=\"warn box\" role=\"note\"><strong>Not the settings of the pipeline file.</strong> Overridden for this run: ");
        h.text(report.overrides.join("; ")).raw(".</p>");
    }
    audited(h, report);
    let guessed = report
        .corpus
        .as_ref()
        .map(|corpus| corpus.guessed.as_slice())
        .unwrap_or_default();
    if !guessed.is_empty() {
        h.raw(
            "<p class=\"warn box\" role=\"note\"><strong>Guessed from file names, not confirmed: ",
        )
        .text(Attribute::list(guessed));
        h.raw(".</strong> Nobody has said that these fields are what they are taken for. Look at the manifest, correct what is wrong, then take ");
        h.raw("what is right out of <code>corpus.guessed</code> in the pipeline file.</p>");
    }
    if let Some(missing) = &report.missing {
        let heading = if report.experiments.is_empty() {
            "Nothing could be computed yet"
        } else {
            "Not computed anew"
        };
        h.raw("<section id=\"missing\" class=\"missing\" aria-labelledby=\"missing-title\">");
        h.el("h2", &[("id", "missing-title")], heading);
        h.el("p", &[("class", "message")], missing);
        h.raw("<p>Put it in place and run the same command again: this page fills itself.</p></section>");
    }
}
