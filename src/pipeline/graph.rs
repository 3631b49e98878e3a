//! The stages of a pipeline, their order, and the ids of their tasks.
//!
//! Runs, plans, single trainings on a cluster, and the picture of the steps in a report all follow
//! [`ORDER`] and the nodes that it makes. A new stage is a file with a function that makes nodes, and
//! its lines here.

use std::collections::BTreeSet;
use std::fmt;

use super::known::Known;
use super::pipeline_run::PipelineRun;
use super::{experiments, explain, recordings, report, split};
use crate::config::Experiment;
use crate::error::Result;
use crate::features::FeatureSet;
use crate::orchestrator::{Node, Outputs, Planned};
use crate::report::StepSection;

/// The stages in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Read the corpus and probe its audio.
    Ingest,
    /// A feature vector per utterance.
    Features,
    /// Which recordings are copies of one another.
    Audit,
    /// Who is in which fold.
    Split,
    /// A model per experiment, fold and seed.
    Train,
    /// Predictions and figures.
    Evaluate,
    /// Feature importance.
    Explain,
    /// The tables of all experiments together.
    Tables,
    /// Pages and CSV files.
    Report,
}

impl Stage {
    /// The name used in ids and messages.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Ingest => "ingest",
            Stage::Features => "features",
            Stage::Audit => "audit",
            Stage::Split => "split",
            Stage::Train => "train",
            Stage::Evaluate => "evaluate",
            Stage::Explain => "explain",
            Stage::Tables => "tables",
            Stage::Report => "report",
        }
    }

    /// Raised when the stage's own code would give other bytes for the same inputs and parameters.
    pub(super) fn code_version(self) -> u32 {
        match self {
            // 4: made from checked probes alone.
            Stage::Ingest => 4,
            Stage::Features => crate::features::CODE_VERSION,
            Stage::Audit => crate::fingerprint::CODE_VERSION,
            Stage::Split => 4,
            // Each model has its own besides.
            Stage::Train => 1,
            // 5: predictions are in their table alone.
            Stage::Evaluate => 5,
            Stage::Explain => 3,
            Stage::Tables => 2,
            Stage::Report => crate::report::CODE_VERSION,
        }
    }
}

/// Makes the tasks of a group from what is known of the groups before it.
type MakeNodes = for<'n> fn(&'n PipelineRun<'_>, &'n Known<'_>, &Outputs) -> Result<Vec<Node<'n>>>;

/// Tasks of one stage, or of two that belong together.
pub(super) struct Group {
    pub stage: Stage,
    /// Whether its tasks run side by side; others run one after the other, each with all threads.
    pub side_by_side: bool,
    pub nodes: MakeNodes,
}

impl Group {
    const fn new(stage: Stage, nodes: MakeNodes) -> Group {
        Group {
            stage,
            side_by_side: false,
            nodes,
        }
    }

    /// Whether its tasks are due in a run up to this stage. Tables show whatever there is.
    pub(super) fn is_due(&self, until: Stage) -> bool {
        match self.stage {
            Stage::Tables => until >= Stage::Split,
            stage => stage <= until,
        }
    }
}

/// The order of all work. Trainings and evaluations of all experiments are one group, so that no
/// core waits for the end of an experiment.
pub(super) const ORDER: [Group; 8] = [
    Group::new(Stage::Ingest, recordings::ingest),
    Group::new(Stage::Features, recordings::features),
    Group::new(Stage::Audit, recordings::audit),
    Group::new(Stage::Split, split::nodes),
    Group {
        side_by_side: true,
        ..Group::new(Stage::Train, experiments::nodes)
    },
    Group::new(Stage::Explain, explain::nodes),
    Group::new(Stage::Tables, report::tables),
    Group::new(Stage::Report, report::report),
];

/// A task of a pipeline, with the name of its experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskId<'e> {
    /// Makes a corpus that is not recorded; no task of the store.
    Generate,
    Ingest,
    Windows,
    Features(FeatureSet),
    /// Features of changed copies of the recordings.
    Augmented(FeatureSet),
    Audit,
    Split(&'e str),
    Train {
        experiment: &'e str,
        fold: u32,
        seed: u64,
    },
    Evaluate(&'e str),
    Explain(&'e str),
    Tables,
    Report,
    /// Copies outputs to their stable names; no task of the store.
    Publish,
}

impl fmt::Display for TaskId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskId::Generate => f.write_str("generate"),
            TaskId::Ingest => f.write_str("ingest"),
            TaskId::Windows => f.write_str("windows"),
            // The first set has the name from before there were others.
            TaskId::Features(FeatureSet::Issa193) => f.write_str("features"),
            TaskId::Features(set) => write!(f, "features/{}", set.name()),
            TaskId::Augmented(set) => write!(f, "features/{}-augmented", set.name()),
            TaskId::Audit => f.write_str("audit"),
            TaskId::Split(experiment) => write!(f, "split/{experiment}"),
            TaskId::Train {
                experiment,
                fold,
                seed,
            } => write!(f, "train/{experiment}/fold-{fold:02}-seed-{seed}"),
            TaskId::Evaluate(experiment) => write!(f, "evaluate/{experiment}"),
            TaskId::Explain(experiment) => write!(f, "explain/{experiment}"),
            TaskId::Tables => f.write_str("tables"),
            TaskId::Report => f.write_str("report"),
            TaskId::Publish => f.write_str("publish"),
        }
    }
}

impl From<TaskId<'_>> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

/// The name of the experiment in an id, where there is one.
pub(super) fn experiment_of(id: &str) -> Option<&str> {
    let mut parts = id.split('/');
    // What follows a stage is an experiment, but for features, where it is a set.
    let stage = parts.next()?;
    parts.next().filter(|_| stage != Stage::Features.name())
}

/// The fold and the seed in the id of a training.
pub(super) fn fold_and_seed(id: &str) -> Option<(u32, u64)> {
    let (fold, seed) = id
        .split('/')
        .nth(2)?
        .strip_prefix("fold-")?
        .split_once("-seed-")?;
    Some((fold.parse().ok()?, seed.parse().ok()?))
}

/// Folds and seeds of the trainings of an experiment.
pub(super) fn trainings(
    experiment: &Experiment,
    folds: impl IntoIterator<Item = u32>,
) -> impl Iterator<Item = TaskId<'_>> {
    folds.into_iter().flat_map(move |fold| {
        experiment
            .trained_seeds()
            .iter()
            .map(move |&seed| TaskId::Train {
                experiment: &experiment.name,
                fold,
                seed,
            })
    })
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
    let name = |id: &str| match fold_and_seed(id) {
        Some(_) => id.rsplit_once('/').map_or(id, |(step, _)| step).to_owned(),
        None => id.to_owned(),
    };
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
        let step = name(&one.task);
        if step == TaskId::Generate.to_string() || step == TaskId::Tables.to_string() {
            continue;
        }
        match steps.last_mut().filter(|last| last.name == step) {
            Some(last) => last.tasks += 1,
            None => {
                let mut after: Vec<String> = one.after.iter().map(|id| name(id)).collect();
                after.dedup();
                steps.push(StepSection {
                    name: step,
                    tasks: 1,
                    after,
                });
            }
        }
    }
    steps.push(StepSection {
        name: TaskId::Report.to_string(),
        tasks: 1,
        after: report.to_vec(),
    });
    steps
}
