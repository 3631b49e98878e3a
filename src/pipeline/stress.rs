//! The stress stage: each test recording of each fold, changed by a condition, is predicted by the
//! very model of its fold, and the figures are compared with those on the recording as it is.

use std::collections::{BTreeMap, HashSet};

use super::experiments::Jobs;
use super::folds::Folds;
use super::inputs::{Job, Rows, tested_copies};
use super::known::{ExperimentState, Known};
use super::pipeline_run::PipelineRun;
use super::stage::{Stage, TaskId};
use super::train::{self, PREDICTIONS, View};
use super::windows::Unit;
use super::{combine, disturbed, evaluate};
use crate::audio::Condition;
use crate::config::{Experiment, Pipeline};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::{Robustness, correct};
use crate::files::{from_json, hash_bytes, to_json, write_atomically};
use crate::orchestrator::{
    Context, Failure, Finished, Identity, Interpreter, Node, Outputs, Task, Upstream,
};
use crate::report::ExperimentSection;
use crate::split::Protocol;
use crate::table;
use crate::table::predictions::{self, PredictionRow};

/// The figures within the task's folder: of each direction between corpora, otherwise one.
pub(super) const FIGURES: &str = "robustness.json";

/// The tests that are wanted, and those that were made before, each after the features that it
/// needs.
pub(super) fn nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    outputs: &Outputs,
) -> Result<Vec<Node<'n>>> {
    if run.options.stress.is_empty() && !run.store.has_any(Stage::Stress.name()) {
        return Ok(vec![]);
    }
    let has = |id: TaskId| outputs.has(&id.to_string());
    let is_whole = |one: &&ExperimentState| {
        one.failed.is_none()
            && obstacle(run.pipeline, one.experiment).is_none()
            && has(TaskId::Evaluate(&one.experiment.name))
            && (one.is_ensemble() || one.trainings().all(has))
    };
    let (ensembles, others): (Vec<_>, Vec<_>) = (known.experiments.iter())
        .filter(is_whole)
        .partition(|one| one.is_ensemble());
    let wanted =
        |one: &ExperimentState, condition| one.chosen && run.options.stress.contains(&condition);
    let mut nodes = Vec::new();
    for condition in Condition::ALL {
        let is_made = disturbed::key(condition).is_some();
        for set in run.sets.iter().filter(|_| is_made) {
            let mut of_set = others
                .iter()
                .filter(|one| one.experiment.inputs.set == *set);
            if of_set.clone().next().is_some() {
                let wanted = of_set.any(|one| wanted(one, condition));
                nodes.push(disturbed::node(run, *set, condition, wanted));
            }
        }
        for one in others.iter().chain(&ensembles) {
            nodes.push(Node {
                wanted: wanted(one, condition),
                ..node(run, known, one, condition, is_made)
            });
        }
    }
    Ok(nodes)
}

/// Why recordings cannot be changed for an experiment, where they cannot.
fn obstacle(pipeline: &Pipeline, experiment: &Experiment) -> Option<String> {
    if experiment.inputs.set.is_imported() {
        return Some(format!(
            "its features `{}` were imported from a table, and ser cannot compute them of changed recordings",
            experiment.inputs.set.name()
        ));
    }
    let member = |name: &String| {
        let member = pipeline.experiments.iter().find(|one| one.name == *name)?;
        Some(format!(
            "its member {name}: {}",
            obstacle(pipeline, member)?
        ))
    };
    experiment.members().iter().find_map(member)
}

/// Says what cannot be tested, and which conditions are left out for want of a codec.
pub(super) fn before(run: &PipelineRun, known: &mut Known, _: &Interpreter) -> Result<Vec<Error>> {
    let mut errors = Vec::new();
    if run.options.stress.is_empty() {
        return Ok(errors);
    }
    let is_named = |name: &String| run.options.experiments.contains(name);
    for one in known.experiments.iter().filter(|one| one.chosen) {
        let name = &one.experiment.name;
        let Some(why) = obstacle(run.pipeline, one.experiment) else {
            continue;
        };
        let text = format!("{name} cannot be tested under other conditions: {why}");
        match is_named(name) {
            true => errors.push(Error::usage(text).hint(
                "name experiments on features that ser computes, with --experiment; import other tables of changed recordings yourself",
            )),
            false => run.observer.warn(text),
        }
    }
    for condition in &run.options.stress {
        if let Some(Err(error)) = condition.format().map(|format| format.encoder()) {
            let hint = error.hint_text().map(|hint| format!(" ({hint})"));
            run.observer.warn(format!(
                "the condition {} is left out: {error}{}",
                condition.name(),
                hint.unwrap_or_default()
            ));
        }
    }
    Ok(errors)
}

/// Notes which tests are there.
pub(super) fn after(
    _: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    for one in &mut known.experiments {
        let ready = |condition| {
            let id = TaskId::Stress(&one.experiment.name, condition).to_string();
            outputs.ready(&id).cloned()
        };
        one.stressed = Condition::ALL.into_iter().filter_map(ready).collect();
    }
    Ok(result?.into_iter().map(|(_, error)| error).collect())
}

fn node<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    condition: Condition,
    is_made: bool,
) -> Node<'n> {
    let experiment = one.experiment;
    let evaluate = TaskId::Evaluate(&experiment.name);
    let mut reads = vec![String::from(evaluate)];
    if is_made && one.is_ensemble() {
        let members = experiment.members().iter();
        reads.extend(members.map(|member| TaskId::Stress(member, condition).to_string()));
    } else if is_made {
        reads.push(TaskId::Disturbed(experiment.inputs.set, condition).into());
        reads.extend(one.trainings().map(String::from));
    }
    Node {
        reads,
        ..Node::new(
            TaskId::Stress(&experiment.name, condition),
            vec![evaluate.into()],
            move || settings(run, experiment, condition).map(Some),
            move |inputs| task(run, known, one, condition, inputs),
        )
    }
}

fn settings(run: &PipelineRun, experiment: &Experiment, condition: Condition) -> Result<Identity> {
    let mut params = serde_json::json!({
        "experiment": experiment.name, "protocol": experiment.protocol.name(),
        "condition": condition.name(), "made by": disturbed::key(condition),
        "model": experiment.model, "inputs": experiment.inputs, "seeds": experiment.seeds,
        "test_time_augment": experiment.test_time_augment,
    });
    if let Some(windows) = Unit::of(run.pipeline).describe() {
        params["windows"] = windows.into();
    }
    run.identity(Stage::Stress, params, [])
}

fn task<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    condition: Condition,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let (experiment, data) = (one.experiment, known.inputs()?);
    let mut identity = settings(run, experiment, condition)?;
    let id = TaskId::Stress(&experiment.name, condition);
    if let Some(Err(error)) = condition.format().map(|format| format.encoder()) {
        let (name, title) = (condition.name(), condition.describe());
        let left_out = vec![Robustness::left_out(name, title, error.to_string())];
        return Ok(Task::new(id, identity, move |context: &Context| {
            write_atomically(&context.folder.join(FIGURES), &to_json(&left_out)?)
        }));
    }
    let Some(folds) = &one.folds else {
        return Err(Error::internal("an experiment was stressed without folds"));
    };
    let evaluated = inputs.get(&TaskId::Evaluate(&experiment.name).to_string())?;
    let before = evaluated.path(PREDICTIONS);
    let roles = folds.folds.iter();
    let roles: Vec<String> = roles
        .map(|fold| train::fingerprint(fold, one.labels(data)))
        .collect();
    identity.inputs = BTreeMap::from([
        ("predictions".to_owned(), evaluated.hash(PREDICTIONS)?),
        ("utterances".to_owned(), data.described.clone()),
        ("folds".to_owned(), hash_bytes(roles.join("\n").as_bytes())),
    ]);
    let test = Test {
        run,
        one,
        folds,
        utterances: one.utterances(data),
        condition,
    };
    if one.is_ensemble() {
        let mut given = Vec::new();
        for member in experiment.members() {
            let finished = inputs.get(&TaskId::Stress(member, condition).to_string())?;
            let hash = finished.hash(PREDICTIONS)?;
            identity.inputs.insert(finished.task.clone(), hash);
            given.push(finished.path(PREDICTIONS));
        }
        return Ok(Task::new(id, identity, move |context: &Context| {
            let (_, before, _) = predictions::read(&before)?;
            let (labels, after) = combine::under_condition(experiment, &before, &given)?;
            test.conclude(&labels, &before, &after, context)
        }));
    }
    let set = experiment.inputs.set;
    let tables = inputs.get(&TaskId::Disturbed(set, condition).to_string())?;
    let (hash, features) = disturbed::tables(run, set, tables)?;
    identity.inputs.insert("features".to_owned(), hash);
    let trained: Vec<Finished> = (one.trainings())
        .map(|id| inputs.get(&id.to_string()).cloned())
        .collect::<Result<_>>()?;
    for finished in &trained {
        identity.inputs.extend(train::model_hashes(finished)?);
    }
    identity.inputs.extend(
        (experiment.depends_on_speakers()).then(|| ("speakers".to_owned(), data.speakers.clone())),
    );
    let jobs = Jobs {
        run,
        one,
        utterances: one.utterances(data),
        augmented: Some(features.clone()),
        features,
    };
    let memory = train::memory(experiment, one.utterances(data).len());
    let action = move |context: &Context| {
        let (labels, before, _) = predictions::read(&before)?;
        let runs: Vec<(Job, &Finished)> = jobs.all().zip(&trained).collect();
        let after = predict(&runs, context);
        run.tables.release();
        test.conclude(&labels, &before, &after?, context)
    };
    Ok(Task {
        memory,
        ..Task::new(id, identity, action)
    })
}

/// Predicts the test recordings of every trained fold and seed, those apart that have no features
/// under the condition. What was fitted stays as it is; where speakers are scaled, each is scaled
/// by all of their recordings under the condition.
fn predict(runs: &[(Job, &Finished)], context: &Context) -> Result<Vec<PredictionRow>> {
    train::predict_views(runs, context, |job| {
        let rows = Rows::read(job)?;
        let there: HashSet<&str> = rows.ids().iter().map(String::as_str).collect();
        let is_there = |u: &&Utterance| there.contains(u.source.id.as_str());
        let tested = job.utterances.iter().map(|u| is_there(&u).then_some(true));
        let tested = tested.collect();
        let utterances: Vec<Utterance> = job.utterances.iter().filter(is_there).cloned().collect();
        Ok(View {
            data: rows.dataset(&utterances, job.experiment)?,
            copies: tested_copies(job, None)?,
            tested,
        })
    })
}

/// What is tested, and how its figures are divided.
struct Test<'n> {
    run: &'n PipelineRun<'n>,
    one: &'n ExperimentState<'n>,
    folds: &'n Folds,
    utterances: &'n [Utterance],
    condition: Condition,
}

impl Test<'_> {
    /// Writes the predictions under the condition and the figures of each part.
    fn conclude(
        &self,
        labels: &[String],
        before: &[PredictionRow],
        after: &[PredictionRow],
        context: &Context,
    ) -> Result<()> {
        let unit = Unit::of(self.run.pipeline);
        let (whole, places) = unit.whole(self.utterances);
        let drawn = (self.utterances.iter().zip(places))
            .map(|(u, place)| (u.source.id.as_str(), &whole[place].source))
            .collect();
        let parts: Vec<Option<u32>> = match self.one.experiment.protocol {
            Protocol::CrossCorpus => self
                .folds
                .folds
                .iter()
                .map(|fold| Some(fold.index))
                .collect(),
            _ => vec![None],
        };
        let figures = parts.into_iter().map(|fold| {
            let of_part = |rows: &[PredictionRow]| -> Vec<PredictionRow> {
                let rows = rows.iter();
                let rows = rows.filter(|row| fold.is_none_or(|fold| row.fold == fold));
                rows.cloned().collect()
            };
            let figures = Robustness::of(
                (self.condition.name(), self.condition.describe()),
                labels,
                &of_part(before),
                &of_part(after),
                &drawn,
                |rows| evaluate::of_utterances(labels, rows, unit),
            )?;
            Ok(Robustness { fold, ..figures })
        });
        let figures: Vec<Robustness> = figures.collect::<Result<_>>()?;
        let path = context.folder.join(PREDICTIONS);
        predictions::write(&path, labels, after, &table::Meta::new())?;
        write_atomically(&context.folder.join(FIGURES), &to_json(&figures)?)
    }
}

/// What was found of an experiment under all conditions, for the whole or for one direction.
pub(super) fn read(
    one: &ExperimentState,
    section: &ExperimentSection,
    direction: Option<u32>,
) -> Result<Vec<Robustness>> {
    let mut found: Vec<Robustness> = Vec::new();
    if section.pooled.is_none() {
        return Ok(found);
    }
    for finished in &one.stressed {
        let figures: Vec<Robustness> = from_json(&finished.path(FIGURES))?;
        let is_of = |figure: &Robustness| figure.left_out.is_some() || figure.fold == direction;
        found.extend(figures.into_iter().filter(is_of));
    }
    correct(&mut found);
    Ok(found)
}
