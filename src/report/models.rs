//! What kind of models an experiment left behind, where their imported features are from, and how
//! they are used: the part of its card that depends on it.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::escape::markdown as escape;
use crate::escape::markdown_code;
use crate::import::Summary;

use super::data::{ExperimentSection, PipelineReport};
use super::html::{Html, Table, cell, row_head, words};

/// What an experiment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Trained in epochs: weights that other programs can load.
    Network,
    /// Trained, but no network.
    Other,
    /// Made of the predictions of these other experiments.
    Ensemble(Vec<String>),
}

/// The kind of an experiment, by its settings.
pub(super) fn kind(report: &PipelineReport, experiment: &ExperimentSection) -> Kind {
    let setting = |key: &str| {
        report
            .settings
            .get(&format!(
                "experiment.{}.model.{key}",
                experiment.experiment()
            ))
            .map(String::as_str)
    };
    match setting("kind") {
        Some("ensemble") => Kind::Ensemble(
            setting("members")
                .and_then(|members| serde_json::from_str(members).ok())
                .unwrap_or_default(),
        ),
        Some("cnn" | "perceptron" | "temporal" | "weighted-sum") => Kind::Network,
        Some(_) => Kind::Other,
        // A report without settings still has its histories, and only networks have epochs.
        None if experiment.folds.iter().any(|fold| !fold.history.is_empty()) => Kind::Network,
        None => Kind::Other,
    }
}

/// Whether the searches of the folds chose different inputs: such models have no mean.
fn inputs_differ(experiment: &ExperimentSection) -> bool {
    let chosen = experiment.folds.iter().filter_map(|fold| {
        let search = fold.search.as_ref()?;
        let inputs = search
            .tried
            .get(search.chosen)?
            .settings
            .iter()
            .filter(|(key, _)| key.starts_with("inputs."));
        Some(inputs.collect::<Vec<_>>())
    });
    chosen.collect::<BTreeSet<_>>().len() > 1
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Where `ser` puts the models of an experiment.
fn folder(report: &PipelineReport, experiment: &str) -> String {
    if is_plain(&report.name.replacen('@', "", 1)) && is_plain(experiment) {
        format!("data/models/{}/{experiment}", report.name)
    } else {
        "FOLDER".to_owned()
    }
}

/// Writes the section on the model.
pub(super) fn write(out: &mut String, report: &PipelineReport, experiment: &ExperimentSection) {
    let kind = kind(report, experiment);
    let inputs = match &kind {
        Kind::Ensemble(_) => "those of its members".to_owned(),
        _ => escape(&experiment.inputs),
    };
    let _ = writeln!(
        out,
        "## Model\n\n{}; inputs: {inputs}. It tells {} classes apart: {}.\n",
        escape(&experiment.model),
        experiment.labels.len(),
        escape(&experiment.labels.join(", "))
    );
    if let Kind::Ensemble(members) = &kind {
        ensemble(out, report, experiment, members);
        return;
    }
    let Some(first) = experiment.folds.first() else {
        return;
    };
    *out += "One model for each fold and seed lies in a folder of its own.\n\n```sh\n";
    let folder = folder(report, experiment.experiment());
    let window = experiment.windows.as_ref().map(|of| {
        format!(
            " --window {} --hop {}",
            of.windows.length_s(),
            of.windows.hop_s()
        )
    });
    let table = match imports_of(report, experiment).is_empty() {
        true => "",
        false => " --features FILE",
    };
    let window = window.unwrap_or_default() + table;
    let differ = inputs_differ(experiment);
    if !differ {
        let _ = writeln!(
            out,
            "ser predict {folder}{window} RECORDINGS        # the mean of all models of this folder"
        );
    }
    let _ = writeln!(
        out,
        "ser predict {folder}/fold-{:02}-seed-{}{window} RECORDINGS\n```\n",
        first.fold, first.seed
    );
    if differ {
        *out += "The search chose different inputs in different folds, so that these models have no mean: use them one by one.\n\n";
    }
    if kind == Kind::Network {
        *out += "`examples/load_in_pytorch.py` of the program loads a network in Python.\n\n";
    } else {
        *out += "`examples/load_models.py` of the program loads such a model in Python, with NumPy alone.\n\n";
    }
}

fn ensemble(
    out: &mut String,
    report: &PipelineReport,
    experiment: &ExperimentSection,
    members: &[String],
) {
    *out += "An ensemble has no models of its own: it brings the predictions of its members together, each averaged over its seeds. Predict with ";
    *out += "each member, then combine the probabilities of each recording";
    let mean = experiment.model.starts_with("mean of ");
    *out += if mean {
        " by their mean, in the weights above where there are any"
    } else {
        " by majority vote"
    };
    *out += ".\n\n";
    if !members.is_empty() {
        *out += "```sh\n";
        for member in members {
            let _ = writeln!(out, "ser predict {} RECORDINGS", folder(report, member));
        }
        *out += "```\n\n";
    }
}

/// Writes the section; nothing where nothing is imported.
pub(super) fn imports(h: &mut Html, imports: &[Summary]) {
    if imports.is_empty() {
        return;
    }
    h.line_break().raw("<section id=\"imports\" aria-labelledby=\"imports-title\"><h2 id=\"imports-title\">Imported features</h2>");
    h.raw("<p>Computed by other tools, and read from tables. An utterance that one of them lacks is excluded from all experiments, so that all are tested on the same. Whether such a tool had seen test speakers or labels before is not known here.</p>");
    let table = Table::new("imports-table", "Tables of features", "narrow pairs").unsorted();
    let columns = [words("Set"), words("What was found"), words("SHA-256")];
    table.write(h, &columns, |h| {
        for one in imports {
            h.raw("<tr>");
            row_head(h, &one.set);
            cell(h, one.describe());
            cell(h, sums(one).join(", "));
            h.raw("</tr>");
        }
    });
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
pub(super) fn imports_of<'r>(
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
pub(super) fn imports_card(
    out: &mut String,
    report: &PipelineReport,
    experiment: &ExperimentSection,
) {
    for one in imports_of(report, experiment) {
        let _ = writeln!(
            out,
            "The features `{}` were computed by another tool and imported: {}. SHA-256: {}. Whether that tool had seen test speakers or labels before is not known.\n",
            markdown_code(&one.set),
            escape(&one.describe()),
            escape(&sums(one).join(", "))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::{SearchSection, TriedSetting};
    use super::super::{card, fixture};
    use super::*;

    fn set(report: &mut PipelineReport, key: &str, value: &str) {
        let name = report.experiments[0].name.clone();
        report
            .settings
            .insert(format!("experiment.{name}.model.{key}"), value.to_owned());
    }

    fn rendered(report: &PipelineReport) -> String {
        card::render(report, &report.experiments[0]).unwrap()
    }

    #[test]
    fn an_ensemble_is_used_by_its_members() {
        let mut report = fixture::recorded();
        set(&mut report, "kind", "ensemble");
        set(&mut report, "members", "[\"a\",\"b\"]");
        let one = &mut report.experiments[0];
        (one.inputs, one.model) = (String::new(), "mean of a, b".into());
        let text = rendered(&report);
        for part in [
            "no models of its own",
            "ser predict data/models/ravdess/a RECORDINGS\nser predict data/models/ravdess/b",
            "inputs: those of its members",
        ] {
            assert!(text.contains(part), "{text}");
        }
        for part in ["One model for each fold", "pytorch", "trainings", "fold-0"] {
            assert!(!text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_folder_named_is_one_that_is_there() {
        let mut report = fixture::recorded();
        report.experiments[0]
            .folds
            .iter_mut()
            .for_each(|fold| (fold.fold, fold.seed) = (fold.fold + 1, 7));
        assert!(
            rendered(&report)
                .contains("ser predict data/models/ravdess/paper/fold-01-seed-7 RECORDINGS"),
            "{}",
            rendered(&report)
        );
    }

    #[test]
    fn only_networks_are_loaded_in_pytorch() {
        let mut report = fixture::recorded();
        assert!(
            rendered(&report).contains("load_in_pytorch"),
            "it has epochs"
        );
        set(&mut report, "kind", "svm");
        assert!(!rendered(&report).contains("pytorch"));
    }

    #[test]
    fn models_of_other_inputs_have_no_mean() {
        let mut report = fixture::recorded();
        let searched = |chosen: usize| {
            let tried = ["false", "true"].map(|value| TriedSetting {
                settings: [
                    ("inputs.log_mel".to_owned(), value.to_owned()),
                    ("model.c".to_owned(), value.to_owned()),
                ]
                .into(),
                score: 0.5,
                by_fold: vec![0.5; 2],
            });
            Some(SearchSection {
                folds: 2,
                by: "speaker".into(),
                metric: "uar".into(),
                tried: tried.into(),
                chosen,
            })
        };
        report.experiments[0]
            .folds
            .iter_mut()
            .for_each(|fold| fold.search = searched(1));
        assert!(
            rendered(&report).contains("# the mean of all models")
                && !rendered(&report).contains("one by one")
        );
        report.experiments[0].folds[2].search = searched(0);
        assert!(
            !rendered(&report).contains("# the mean of all models")
                && rendered(&report).contains("use them one by one")
        );
    }
}
