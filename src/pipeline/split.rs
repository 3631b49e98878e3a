//! The split stage: the folds of each experiment as a table, with what train and test share.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::folds::{self, ABOUT, About, SPLITS, stretch};
use super::heard;
use super::known::{ExperimentState, Known, PipelineInputs};
use super::pipeline_run::PipelineRun;
use super::stage::{Stage, TaskId};
use super::windows::Unit;
use crate::config::Experiment;
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomically};
use crate::orchestrator::{Context, Failure, Identity, Interpreter, Mode, Node, Outputs, Task};
use crate::split::{self, Item, Stretch};
use crate::table::{self, splits::SplitRow};

/// The folds of all experiments. Of those that were not chosen, only what is there is read.
pub(super) fn nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    _: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let node = |one: &'n ExperimentState| {
        let experiment = one.experiment;
        // A plan draws folds before there are features, as if all utterances would get some.
        let reads = match &known.inputs {
            Some(_) => vec![],
            None => vec![TaskId::Features(experiment.inputs.set).into()],
        };
        Node {
            wanted: one.chosen,
            reads,
            ..Node::new(
                TaskId::Split(&experiment.name),
                run.features(),
                move || settings(run, experiment).map(Some),
                move |_| task(run, known, one),
            )
        }
    };
    Ok(known.experiments.iter().map(node).collect())
}

fn settings(run: &PipelineRun, experiment: &Experiment) -> Result<Identity> {
    run.identity(Stage::Split, experiment.split_key(), [])
}

fn task<'n>(run: &'n PipelineRun, known: &'n Known, one: &'n ExperimentState) -> Result<Task<'n>> {
    let inputs = known.inputs()?;
    let (experiment, unit) = (one.experiment, Unit::of(run.pipeline));
    let mut identity = settings(run, experiment)?;
    identity
        .inputs
        .insert("utterances".to_owned(), inputs.fingerprint.clone());
    identity.inputs.extend(
        unit.are_windows()
            .then(|| ("dealt out".to_owned(), "whole utterances".to_owned())),
    );
    let action = move |context: &Context| split(one.utterances(inputs), unit, experiment, context);
    Ok(Task {
        preview: Some(Box::new(|| true)),
        ..Task::new(TaskId::Split(&experiment.name), identity, action)
    })
}

/// Assigns every utterance its role in every fold.
///
/// Windows of one utterance have one role: it is the utterances that are dealt out.
pub(super) fn split(
    utterances: &[Utterance],
    unit: Unit,
    experiment: &Experiment,
    context: &Context,
) -> Result<()> {
    let (whole, places) = unit.whole(utterances);
    let mut assignment = split::assign(
        &experiment.protocol,
        &items(&whole),
        experiment.validation,
        experiment.split_seed,
    )?;
    for fold in &mut assignment.folds {
        fold.roles = places.iter().map(|&place| fold.roles[place]).collect();
    }
    let items = items(utterances);
    let texts: Vec<Option<&str>> = utterances
        .iter()
        .map(|u| u.source.text_id.as_deref())
        .collect();
    let hashes: Vec<&str> = places
        .iter()
        .map(|&place| whole[place].content_hash.as_str())
        .collect();
    let stretches: Vec<Stretch> = utterances.iter().map(stretch).collect();
    let stretches = split::are_cut(&stretches).then_some(stretches.as_slice());
    let sharing: Vec<_> = assignment
        .folds
        .iter()
        .map(|fold| split::sharing(&items, fold, &texts, &hashes, stretches))
        .collect();
    let about = About {
        sharing,
        warnings: assignment.warnings,
    };
    for warning in &about.warnings {
        context.warn(format!("{}: {warning}", experiment.name));
    }
    let protocol = experiment.protocol.name();
    let rows: Vec<SplitRow> = assignment
        .folds
        .iter()
        .flat_map(|fold| {
            let protocol = &protocol;
            fold.roles
                .iter()
                .zip(&items)
                .filter_map(move |(role, item)| {
                    role.map(|role| SplitRow {
                        experiment: experiment.name.as_str().into(),
                        protocol: protocol.as_str().into(),
                        fold: fold.index,
                        fold_name: fold.name.as_str().into(),
                        utterance_id: item.id.into(),
                        role: role.as_str().into(),
                    })
                })
        })
        .collect();
    table::splits::write(&context.folder.join(SPLITS), &rows, &table::Meta::new())?;
    write_atomically(&context.folder.join(ABOUT), &to_json(&about)?)
}

fn items(utterances: &[Utterance]) -> Vec<Item<'_>> {
    utterances
        .iter()
        .map(|u| Item {
            id: &u.source.id,
            label: &u.source.emotion,
            speaker: &u.source.speaker,
            session: u.source.session.as_deref(),
            text: u.source.text_id.as_deref(),
            declared: u.source.split.as_deref(),
        })
        .collect()
}

/// Loads what experiments work on, and begins the experiments.
pub(super) fn before<'a>(
    run: &PipelineRun<'a>,
    known: &mut Known<'a>,
    interpreter: &Interpreter,
) -> Result<Vec<Error>> {
    known.inputs = PipelineInputs::load(run, &interpreter.outputs)?;
    known.begin_experiments(run);
    Ok(vec![])
}

/// Reads the folds, and ends the experiments that could not be split or whose folds are not
/// what they require. Returns the errors of these.
///
/// # Errors
/// Of a single training, what keeps its experiment from being trained; an interruption.
pub(super) fn after(
    run: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    let (inputs, unit) = (known.inputs.as_ref(), Unit::of(run.pipeline));
    let read = |one: &mut ExperimentState| -> Result<()> {
        let id = TaskId::Split(&one.experiment.name).to_string();
        let (Some(inputs), Some(done)) = (inputs, outputs.ready(&id)) else {
            return Ok(());
        };
        let mut folds = folds::read(&done.folder, &inputs.utterances)?;
        folds.count_contradictions(&inputs.utterances, unit, inputs.copies.as_deref());
        one.split = Some(done.clone());
        one.folds = Some(folds);
        Ok(())
    };
    let experiments = &mut known.experiments;
    let read: Vec<Result<()>> =
        (run.workers.pool()).install(|| experiments.par_iter_mut().map(read).collect());
    let mut failures: BTreeMap<String, Error> = result?.into_iter().collect();
    let mut errors = Vec::new();
    for (one, read) in experiments.iter_mut().zip(read) {
        let failed = failures.remove(&TaskId::Split(&one.experiment.name).to_string());
        if let Some(error) = failed.or(read.err()) {
            if run.is_plan() {
                run.observer
                    .warn(format!("{}: cannot be split: {error}", one.experiment.name));
            }
            one.failed = Some(format!("{error}{}", in_brackets(&error)));
            errors.push(error);
            continue;
        }
        let folds = one.folds.as_ref();
        let checked = folds.map_or(Ok(()), |folds| folds.check(one.experiment));
        let checked = checked.and_then(|()| heard::check(run.pipeline, one.experiment));
        let Err(error) = checked else {
            continue;
        };
        if !one.chosen {
            one.split = None;
            continue;
        }
        match run.mode {
            Mode::Plan => run.observer.warn(format!(
                "{}: will be refused: {error}{}",
                one.experiment.name,
                in_brackets(&error)
            )),
            _ => run.tell_failure(one.experiment, &error),
        }
        one.fail(&error);
        errors.push(error);
    }
    experiments.retain(|one| one.chosen || one.split.is_some());
    match (&run.mode, errors.is_empty()) {
        (Mode::Only(_), false) => Err(errors.remove(0)),
        (Mode::Plan, _) => Ok(vec![]),
        _ => Ok(errors),
    }
}

fn in_brackets(error: &Error) -> String {
    let hint = error.hint_text();
    hint.map(|hint| format!(" ({hint})")).unwrap_or_default()
}
