//! The tables stage: folds, predictions and figures of all experiments of a pipeline as one table
//! each.

use super::evaluate::METRICS;
use super::folds::{ABOUT, SPLITS};
use super::heard::{self, heard};
use super::known::{ExperimentState, Known};
use super::pipeline_run::PipelineRun;
use super::publish::Publication;
use super::stage::{Stage, TaskId};
use super::train::PREDICTIONS;
use crate::audio::Condition;
use crate::config::Pipeline;
use crate::encoder::Heard;
use crate::error::Result;
use crate::features::FeatureSet;
use crate::orchestrator::{Context, Node, Outputs, Task, Upstream};
use crate::table;

/// What the folds share, as a table.
pub(super) const LEAKAGE: &str = "leakage.parquet";

/// The tables of all experiments together; none where nothing is split.
pub(super) fn nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    outputs: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let is_split = |one: &&ExperimentState| known.inputs.is_none() || one.split.is_some();
    let shown: Vec<&ExperimentState> = known.experiments.iter().filter(is_split).collect();
    let names = || shown.iter().map(|one| one.experiment.name.as_str());
    let mut after: Vec<TaskId> = names().map(TaskId::Split).collect();
    if run.options.until > Stage::Train {
        after.extend(names().map(TaskId::Evaluate));
    }
    let after: Vec<String> = after.into_iter().map(String::from).collect();
    let reads = everything(run, known, outputs);
    if shown.is_empty() && !reads.iter().any(|id| outputs.pending(id).is_some()) {
        return Ok(vec![]);
    }
    let order: Vec<String> = names().map(str::to_owned).collect();
    let settings = move || run.identity(Stage::Tables, serde_json::json!({ "order": order }), []);
    let identity = settings.clone();
    let task = move |_: &Upstream| {
        let (data, experiments) = (known.inputs()?, &known.experiments);
        let mut identity = identity()?;
        identity.inputs = inputs(experiments)?.into_iter().collect();
        for one in experiments {
            let heard = heard(run.pipeline, one.experiment);
            identity.inputs.extend(Heard::worst(&heard).map(|worst| {
                let what = format!("corpus unseen by the encoder of {}", one.experiment.name);
                (what, worst.verdict.name().to_owned())
            }));
        }
        identity
            .inputs
            .extend(data.audit.clone().map(|hash| ("audit".to_owned(), hash)));
        let action = move |context: &Context| write(run.pipeline, experiments, context);
        Ok(Task::new(TaskId::Tables, identity, action))
    };
    let settings = move || known.inputs.as_ref().map(|_| settings()).transpose();
    Ok(vec![Node {
        vital: true,
        reads,
        follows: false,
        ..Node::new(TaskId::Tables, after, settings, task)
    }])
}

/// The outputs that a report is made from, as far as they are there or will be.
pub(super) fn everything(run: &PipelineRun, known: &Known, outputs: &Outputs) -> Vec<String> {
    let mut ids = run.features();
    let named = run.sets.iter().copied().filter(|set| set.is_named());
    let sets = FeatureSet::ALL.into_iter().chain(named);
    ids.extend(sets.map(|set| TaskId::Augmented(set).to_string()));
    ids.push(TaskId::Audit.into());
    for one in &known.experiments {
        let name = &one.experiment.name;
        ids.push(TaskId::Split(name).into());
        ids.extend(one.trainings().map(String::from));
        ids.push(TaskId::Evaluate(name).into());
        ids.push(TaskId::Explain(name).into());
        ids.extend(Condition::ALL.map(|condition| TaskId::Stress(name, condition).into()));
    }
    ids.push(run.utterances().into());
    ids.retain(|id| outputs.has(id));
    ids
}

pub(super) fn publish(
    _: &PipelineRun,
    _: &Known,
    outputs: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let Some(done) = outputs.ready(&TaskId::Tables.to_string()) else {
        return Ok(());
    };
    let [tables, ..] = publication.folders.clone();
    publication.all(&tables, done, &[])?;
    let all = [SPLITS, LEAKAGE, PREDICTIONS, METRICS].into_iter();
    let others = all.filter(|name| done.hash(name).is_err());
    publication.without(others.map(|name| tables.join(name)));
    Ok(())
}

/// What the tables are made of, by name, where it is all there.
pub(super) fn inputs(experiments: &[ExperimentState]) -> Result<Vec<(String, String)>> {
    let mut inputs = Vec::new();
    for experiment in experiments {
        let name = &experiment.experiment.name;
        let Some(split) = &experiment.split else {
            continue;
        };
        inputs.push((format!("split/{name}"), split.hash(SPLITS)?));
        inputs.push((format!("split/{name} sharing"), split.hash(ABOUT)?));
        if let Some(done) = &experiment.evaluated {
            inputs.push((
                format!("evaluate/{name} predictions"),
                done.hash(PREDICTIONS)?,
            ));
            inputs.push((format!("evaluate/{name} metrics"), done.hash(METRICS)?));
        }
    }
    Ok(inputs)
}

/// Writes the tables of folds, of what they share and, where anything is evaluated, of predictions
/// and metrics.
pub(super) fn write(
    pipeline: &Pipeline,
    experiments: &[ExperimentState],
    context: &Context,
) -> Result<()> {
    let (mut splits, mut leakage, mut predictions, mut metrics, mut labels) =
        (vec![], vec![], vec![], vec![], vec![]);
    for experiment in experiments {
        let Some(split) = &experiment.split else {
            continue;
        };
        splits.extend(table::splits::read(&split.path(SPLITS))?);
        if let Some(folds) = &experiment.folds {
            let shared = folds.leakage(experiment.experiment);
            let heard = heard(pipeline, experiment.experiment);
            leakage.extend(heard::leakage(&heard, &shared));
            leakage.extend(shared);
        }
        let Some(evaluated) = &experiment.evaluated else {
            continue;
        };
        let (found, rows, _) = table::predictions::read(&evaluated.path(PREDICTIONS))?;
        labels = found;
        predictions.extend(rows);
        metrics.extend(table::metrics::read(&evaluated.path(METRICS))?);
    }
    let meta = table::Meta::new();
    table::splits::write(&context.folder.join(SPLITS), &splits, &meta)?;
    table::leakage::write(&context.folder.join(LEAKAGE), &leakage, &meta)?;
    if !predictions.is_empty() {
        table::predictions::write(
            &context.folder.join(PREDICTIONS),
            &labels,
            &predictions,
            &meta,
        )?;
        table::metrics::write(&context.folder.join(METRICS), &metrics, &meta)?;
    }
    Ok(())
}
