//! What a run would do, task by task.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::stage::{TaskId, experiment_of, fold_and_seed, step_of};
use crate::orchestrator::{Decision, Planned, StaleReason};
use crate::report::StepSection;

/// One task of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanLine {
    /// Task id.
    pub task: String,
    /// The first part of the id.
    pub stage: String,
    /// Of splits, trainings and evaluations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// Of trainings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Of trainings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Tasks that come before it.
    pub after: Vec<String>,
    /// Whether it runs.
    pub decision: Decision,
    /// Empty where it does not.
    pub why: Vec<StaleReason>,
}

impl From<Planned> for PlanLine {
    fn from(planned: Planned) -> PlanLine {
        let Planned {
            task,
            after,
            decision,
            why,
            ..
        } = planned;
        let (fold, seed) = fold_and_seed(&task).unzip();
        PlanLine {
            stage: task.split('/').next().unwrap_or_default().to_owned(),
            experiment: experiment_of(&task).map(str::to_owned),
            fold,
            seed,
            task,
            after,
            decision,
            why,
        }
    }
}

impl PlanLine {
    /// The line with the reasons as the caller words them.
    pub fn with_reasons(&self, reasons: &str) -> String {
        let reasons = if reasons.is_empty() {
            String::new()
        } else {
            format!("  ({reasons})")
        };
        format!("{:5} {}{reasons}", self.decision, self.task)
    }
}

impl fmt::Display for PlanLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_reasons(&StaleReason::list(&self.why)))
    }
}

/// The tasks with what comes before each, a line for each.
pub fn dag_text(lines: &[PlanLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let after = if line.after.is_empty() {
            String::new()
        } else {
            format!("  <- {}", line.after.join(", "))
        };
        text.push_str(&format!("{:5} {}{after}\n", line.decision, line.task));
    }
    text
}

/// The tasks of several pipelines as a graph for Graphviz: what runs is bold, what may run is
/// dashed.
pub fn dag_dot<'p>(pipelines: impl IntoIterator<Item = (&'p str, &'p [PlanLine])>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from(
        "digraph ser {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
    );
    for (pipeline, lines) in pipelines {
        let node = |task: &str| quoted(&format!("{pipeline}/{task}"));
        text.push_str(&format!(
            "  subgraph {} {{\n    label={};\n",
            quoted(&format!("cluster {pipeline}")),
            quoted(pipeline)
        ));
        for line in lines {
            let style = match line.decision {
                Decision::Keep => "solid",
                Decision::Run => "bold",
                Decision::Maybe => "dashed",
            };
            text.push_str(&format!(
                "    {} [label={}, style={style}];\n",
                node(&line.task),
                quoted(&line.task)
            ));
        }
        text.push_str("  }\n");
        for line in lines {
            for before in &line.after {
                text.push_str(&format!("  {} -> {};\n", node(before), node(&line.task)));
            }
        }
    }
    text.push_str("}\n");
    text
}

/// The tasks that no other comes after.
pub(super) fn last(planned: &[Planned]) -> Vec<String> {
    let before: BTreeSet<&String> = planned.iter().flat_map(|one| &one.after).collect();
    let last = planned
        .iter()
        .filter(|one| one.wanted && !before.contains(&one.task));
    last.map(|one| one.task.clone()).collect()
}

/// The picture of the steps before the report: all trainings of an experiment are one step.
pub(super) fn steps(
    planned: &[Planned],
    experiments: &[&str],
    report: &[String],
) -> Vec<StepSection> {
    let name = |id: &str| step_of(id).map(str::to_owned);
    let place = |id: &str| {
        experiments
            .iter()
            .position(|name| Some(*name) == experiment_of(id))
    };
    let mut shown: Vec<(Option<usize>, &Planned)> = (planned.iter())
        .map(|one| (place(&one.task), one))
        .filter(|(place, one)| place.is_some() == experiment_of(&one.task).is_some())
        .collect();
    shown.sort_by_key(|(place, _)| *place);
    let mut steps: Vec<StepSection> = Vec::new();
    for (_, one) in shown {
        let Some(step) = name(&one.task) else {
            continue;
        };
        if step == TaskId::Generate.to_string() || step == TaskId::Tables.to_string() {
            continue;
        }
        match steps.last_mut().filter(|last| last.name == step) {
            Some(last) => last.tasks += 1,
            None => {
                let mut after: Vec<String> = one.after.iter().filter_map(|id| name(id)).collect();
                after.dedup();
                steps.push(StepSection {
                    name: step,
                    tasks: 1,
                    after,
                });
            }
        }
    }
    let mut after: Vec<String> = report.iter().filter_map(|id| name(id)).collect();
    after.dedup();
    steps.push(StepSection {
        name: TaskId::Report.to_string(),
        tasks: 1,
        after,
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(task: &str, after: &[&str], decision: Decision, why: Vec<StaleReason>) -> PlanLine {
        PlanLine::from(Planned {
            task: task.to_owned(),
            after: after.iter().map(|id| (*id).to_owned()).collect(),
            decision,
            why,
            wanted: true,
        })
    }

    #[test]
    fn a_line_knows_the_parts_of_its_id() {
        let never = vec![StaleReason::NeverRan];
        let train = line("train/quick/fold-02-seed-7", &[], Decision::Run, never);
        assert_eq!(
            (
                train.stage.as_str(),
                train.experiment.as_deref(),
                train.fold,
                train.seed
            ),
            ("train", Some("quick"), Some(2), Some(7))
        );
        assert_eq!(
            train.to_string(),
            "run   train/quick/fold-02-seed-7  (never ran)"
        );
        let ingest = line("ingest", &[], Decision::Keep, vec![]);
        assert_eq!(
            (ingest.stage.as_str(), ingest.experiment, ingest.fold),
            ("ingest", None, None)
        );
    }

    #[test]
    fn a_graph_names_every_arrow_once_and_escapes_names() {
        let lines = [
            line("ingest", &[], Decision::Keep, vec![]),
            line("split/a\"b", &["ingest"], Decision::Maybe, vec![]),
        ];
        let dot = dag_dot([("p", lines.as_slice())]);
        assert!(
            dot.contains("\"p/ingest\" -> \"p/split/a\\\"b\";") && dot.contains("style=dashed"),
            "{dot}"
        );
        assert_eq!(
            dag_text(&lines),
            "keep  ingest\nmaybe split/a\"b  <- ingest\n"
        );
    }
}
