//! The names of the stages and of their tasks.

use std::fmt;

use crate::audio::Condition;
use crate::config::Experiment;
use crate::features::FeatureSet;

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
    /// Predictions on changed recordings.
    Stress,
    /// The tables of all experiments together.
    Tables,
    /// Pages and CSV files.
    Report,
}

/// Those whose tasks are each of one experiment.
pub(super) const OF_EXPERIMENTS: [Stage; 5] = [
    Stage::Split,
    Stage::Train,
    Stage::Evaluate,
    Stage::Explain,
    Stage::Stress,
];

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
            Stage::Stress => "stress",
            Stage::Tables => "tables",
            Stage::Report => "report",
        }
    }

    /// Raised when the stage's own code would give other bytes for the same inputs and parameters.
    pub(super) fn code_version(self) -> u32 {
        match self {
            // 8: names of the classes of datasets.
            Stage::Ingest => 8,
            Stage::Features => crate::features::CODE_VERSION,
            Stage::Audit => crate::fingerprint::CODE_VERSION,
            Stage::Split => 4,
            // Each model has its own besides.
            Stage::Train => 1,
            // 6: remarks stand apart from what is shared.
            Stage::Evaluate => 6,
            Stage::Explain => 3,
            Stage::Stress => 1,
            Stage::Tables => 2,
            Stage::Report => crate::report::CODE_VERSION,
        }
    }
}

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
    /// Features of recordings under a condition.
    Disturbed(FeatureSet, Condition),
    Stress(&'e str, Condition),
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
            TaskId::Disturbed(set, condition) => {
                write!(f, "features/{}{UNDER}{}", set.name(), condition.name())
            }
            TaskId::Stress(experiment, condition) => {
                write!(f, "stress/{experiment}/{}", condition.name())
            }
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

/// Stands between a set of features and the condition under which they are computed.
const UNDER: char = '@';

/// The step of a report's picture that a task belongs to: all trainings of an experiment are one,
/// and so are all conditions that it was tested under; their features are in no picture.
pub(super) fn step_of(id: &str) -> Option<&str> {
    let (first, rest) = id.split_once('/').unwrap_or((id, ""));
    if first == Stage::Features.name() && rest.contains(UNDER) {
        return None;
    }
    let has_parts = first == Stage::Stress.name() || fold_and_seed(id).is_some();
    match id.rsplit_once('/') {
        Some((step, _)) if has_parts => Some(step),
        _ => Some(id),
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
