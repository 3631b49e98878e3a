//! Where imported features are from, and which utterances have them.

use std::fmt::Write;

use crate::escape::{markdown as escape, markdown_code};
use crate::import::Summary;

use super::data::{ExperimentSection, PipelineReport};
use super::html::{Html, Table, cell, row_head, words};
use super::models::{Kind, kind};

/// Writes the section; nothing where nothing is imported.
pub(super) fn write(h: &mut Html, imports: &[Summary]) {
    if imports.is_empty() {
        return;
    }
    h.line_break().raw("<section id=\"imports\" aria-labelledby=\"imports-title\"><h2 id=\"imports-title\">Imported features</h2>");
    h.raw("<p>Computed by other tools, and read from tables. An utterance that one of them lacks is excluded from all experiments, so that all are tested on the same. Whether such a tool had seen test speakers or labels before is not known here.</p>");
    let table = Table {
        id: "imports-table",
        caption: "Tables of features",
        class: "narrow pairs",
        sortable: false,
    };
    table.write(
        h,
        &[words("Set"), words("What was found"), words("SHA-256")],
        |h| {
            h.raw("<tbody>");
            for one in imports {
                h.raw("<tr>");
                row_head(h, &one.set);
                cell(h, one.describe());
                cell(h, sums(one).join(", "));
                h.raw("</tr>");
            }
            h.raw("</tbody>");
        },
    );
    h.raw("</section>");
}

fn sums(import: &Summary) -> Vec<String> {
    let files = import.files.iter();
    files
        .map(|file| format!("{} {}", file.name, file.sha256))
        .collect()
}

/// The imports that the models of an experiment, or of the members of an ensemble, take features
/// from.
pub(super) fn of<'r>(
    report: &'r PipelineReport,
    experiment: &ExperimentSection,
) -> Vec<&'r Summary> {
    let members = match kind(report, experiment) {
        Kind::Ensemble(members) => members,
        _ => vec![experiment.experiment().to_owned()],
    };
    let set = |name: &String| {
        report
            .settings
            .get(&format!("experiment.{name}.inputs.set"))
    };
    let sets: Vec<&String> = members.iter().filter_map(set).collect();
    let is_used = |one: &&Summary| sets.contains(&&one.set);
    report.imports.iter().filter(is_used).collect()
}

/// What the card of an experiment says of them.
pub(super) fn card(out: &mut String, report: &PipelineReport, experiment: &ExperimentSection) {
    for one in of(report, experiment) {
        let _ = writeln!(
            out,
            "The features `{}` were computed by another tool and imported: {}. SHA-256: {}. Whether that tool had seen test speakers or labels before is not known.\n",
            markdown_code(&one.set),
            escape(&one.describe()),
            escape(&sums(one).join(", "))
        );
    }
}
