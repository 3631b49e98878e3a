//! What must be known before any figure of a pipeline is read; it stands on each of its pages.

use super::compare;
use super::data::PipelineReport;
use super::html::Html;

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
    if let Some(missing) = &report.missing {
        let heading = if report.experiments.is_empty() { "Nothing could be computed yet" } else { "Not computed anew" };
        h.raw("<section id=\"missing\" class=\"missing\" aria-labelledby=\"missing-title\">");
        h.el("h2", &[("id", "missing-title")], heading);
        h.el("p", &[("class", "message")], missing);
        h.raw("<p>Put it in place and run the same command again: this page fills itself.</p></section>");
    }
}
