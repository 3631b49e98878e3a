//! Feature importance for the models of an experiment, each on its own test part.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::experiments::{Jobs, features_of};
use super::inputs::{Job, Rows};
use super::known::{ExperimentState, Known};
use super::pipeline_run::PipelineRun;
use super::stage::{Stage, TaskId};
use super::train::{self, MODEL};
use crate::cancel::Cancel;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::evaluation::{Columns, Explanation, Lost, MOST_FEATURES, explanation, lost};
use crate::features;
use crate::files::{from_json, hash_bytes, to_json, write_atomically};
use crate::model::artifact::{self, ModelInfo};
use crate::orchestrator::{
    Context, Failure, Finished, Identity, Interpreter, Node, Outputs, Task, Upstream,
};
use crate::split::{Dataset, Parts, RowView, Variants};
use crate::transform::{Inputs, Scaler, finish_row};

/// The explanation within the task's folder.
pub(super) const EXPLANATION: &str = "explanation.json";

/// The explanations that are wanted, and those that were made before. Results stand whatever comes
/// of one: an explanation that fails is told, and the report lacks it.
pub(super) fn nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    outputs: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let node = |one: &'n ExperimentState| {
        let experiment = one.experiment;
        let evaluate = TaskId::Evaluate(&experiment.name);
        let features = TaskId::Features(experiment.inputs.set);
        let reads = [evaluate, features].into_iter().chain(one.trainings());
        Node {
            wanted: one.chosen && (experiment.explain || run.options.explain),
            reads: reads.map(String::from).collect(),
            ..Node::new(
                TaskId::Explain(&experiment.name),
                vec![evaluate.into()],
                move || settings(run, experiment).map(Some),
                move |inputs| task(run, known, one, inputs),
            )
        }
    };
    let is_whole = |one: &&ExperimentState| {
        let has = |id: TaskId| outputs.has(&id.to_string());
        !one.is_ensemble()
            && !is_of_encoder(one.experiment)
            && one.failed.is_none()
            && one.trainings().all(has)
    };
    Ok(known
        .experiments
        .iter()
        .filter(is_whole)
        .map(node)
        .collect())
}

/// Says of which ensembles an explanation was asked for in vain.
pub(super) fn before(run: &PipelineRun, known: &mut Known, _: &Interpreter) -> Result<Vec<Error>> {
    if run.options.explain {
        warn_of_ensembles(run, known);
        let mut chosen = known.experiments.iter().filter(|one| one.chosen);
        if let Some(one) = chosen.find(|one| is_of_encoder(one.experiment)) {
            run.observer.warn(format!(
                "{}: no feature importance, since the single values of an encoder's states have no meaning of their own",
                one.experiment.name
            ));
        }
    }
    Ok(vec![])
}

/// Single values of an encoder's states mean nothing that could be named.
fn is_of_encoder(experiment: &Experiment) -> bool {
    experiment.inputs.set.is_of_encoder()
}

/// Notes which explanations are there.
pub(super) fn after(
    _: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    let failures = result?.into_iter();
    for one in &mut known.experiments {
        let id = TaskId::Explain(&one.experiment.name).to_string();
        one.explained = outputs.ready(&id).cloned();
    }
    Ok(failures.map(|(_, error)| error).collect())
}

/// Says which ensembles are not explained, though that was asked for.
fn warn_of_ensembles(run: &PipelineRun, known: &Known) {
    for one in known
        .experiments
        .iter()
        .filter(|one| one.is_ensemble() && one.chosen)
    {
        let members: Vec<String> = one
            .experiment
            .members()
            .iter()
            .map(|member| format!("-e {member}"))
            .collect();
        let (name, pipeline) = (&one.experiment.name, run.pipeline.full_name());
        run.observer.warn(format!(
            "{name} is an ensemble, of which no feature importance is computed; explain its members: ser explain {pipeline} {}",
            members.join(" ")
        ));
    }
}

fn settings(run: &PipelineRun, experiment: &Experiment) -> Result<Identity> {
    let params = serde_json::json!({ "experiment": experiment.name, "inputs": experiment.inputs });
    run.identity(Stage::Explain, params, [])
}

fn task<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let data = known.inputs()?;
    let (hash, features) = features_of(one.experiment, inputs)?;
    let labels = one.labels(data);
    let folds = one.folds.iter().flat_map(|folds| &folds.folds);
    let roles: Vec<String> = folds.map(|fold| train::fingerprint(fold, labels)).collect();
    let mut identity = settings(run, one.experiment)?;
    identity.inputs = BTreeMap::from([
        ("features".to_owned(), hash),
        ("folds".to_owned(), hash_bytes(roles.join("\n").as_bytes())),
    ]);
    let trained: Vec<Finished> = (one.trainings())
        .map(|id| inputs.get(&id.to_string()).cloned())
        .collect::<Result<_>>()?;
    for finished in &trained {
        identity.inputs.extend(train::model_hashes(finished)?);
    }
    identity.inputs.extend(
        one.experiment
            .depends_on_speakers()
            .then(|| ("speakers".to_owned(), data.speakers.clone())),
    );
    let jobs = Jobs {
        run,
        one,
        utterances: one.utterances(data),
        features,
        augmented: None,
    };
    let action = move |context: &Context| {
        let runs: Vec<(Job, &Finished)> = jobs.all().zip(&trained).collect();
        let found = explain(&runs, run, context)?;
        write_atomically(&context.folder.join(EXPLANATION), &to_json(&found)?)
    };
    Ok(Task::new(
        TaskId::Explain(&one.experiment.name),
        identity,
        action,
    ))
}

/// The corpus as models see it whose inputs are the same; a search may have chosen others for
/// another fold.
struct View {
    experiment: Experiment,
    data: Dataset,
    table: Vec<String>,
    names: Vec<String>,
}

impl View {
    fn of(job: &Job, inputs: &Inputs) -> Result<View> {
        let experiment = Experiment {
            inputs: *inputs,
            ..job.experiment.clone()
        };
        let rows = Rows::read(&Job {
            experiment: &experiment,
            ..*job
        })?;
        let data = rows.dataset(job.utterances, &experiment)?;
        let names = rows.names(inputs);
        Ok(View {
            experiment,
            data,
            table: rows.columns.clone(),
            names,
        })
    }
}

fn explain(runs: &[(Job, &Finished)], run: &PipelineRun, context: &Context) -> Result<Explanation> {
    // Models may be large: for their inputs each is read once more, rather than all of them kept.
    let load = |finished: &Finished| artifact::load(&finished.path(MODEL));
    let mut views: Vec<View> = Vec::new();
    for (job, finished) in runs {
        let inputs = load(finished)?.info.inputs;
        if !views.iter().any(|view| view.experiment.inputs == inputs) {
            views.push(View::of(job, &inputs)?);
        }
    }
    let Some(first) = views.first() else {
        return Err(Error::internal(
            "an experiment without models was to be explained",
        ));
    };
    // The same features in the same order in all views; only their logarithms have other names.
    let same = |c: usize| views.iter().all(|view| view.names[c] == first.names[c]);
    let name = |(c, name): (usize, &String)| {
        if same(c) {
            name.clone()
        } else {
            name.trim_start_matches("log_").to_owned()
        }
    };
    let names: Vec<String> = first.names.iter().enumerate().map(name).collect();
    let inputs = &first.experiment.inputs;
    let (groups, features) = columns(&first.table, &names, inputs.frames.unwrap_or(1));
    let done = std::sync::atomic::AtomicU64::new(0);
    let one = |(job, finished): &(Job, &Finished)| -> Result<Lost> {
        let saved = load(finished)?;
        let view = views
            .iter()
            .find(|view| view.experiment.inputs == saved.info.inputs);
        let data = &view
            .ok_or_else(|| Error::internal("a model's inputs got lost"))?
            .data;
        let parts = Parts::with_variants(data, &job.fold.roles, &Variants::default())?;
        let test = parts.test.map_rows(|row: &mut [f32]| {
            saved.info.scaler.apply_row(row);
            finish_row(row, &saved.info.inputs);
        });
        let neutral = neutral(&saved.info, parts.train.x());
        let mut model = saved.classifier()?;
        let cancel: &Cancel = run.cancel;
        let key = format!("{}/{}/{}", job.experiment.name, job.fold.index, job.seed);
        let check = || cancel.check();
        let lost = lost(
            model.as_mut(),
            (&test.x().gather(), test.y()),
            data.labels.len(),
            [&groups, &features],
            (&neutral, &key),
            &check,
        )?;
        let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        context.progress(done, runs.len() as u64, "models", String::new());
        Ok(lost)
    };
    let found = run
        .workers
        .pool()
        .install(|| runs.par_iter().map(one).collect::<Result<Vec<Lost>>>())?;
    let found = explanation(&groups, &features, &first.data.labels, &found);
    if found.is_finite() {
        return Ok(found);
    }
    Err(Error::data(
        "a model gives probabilities that are not finite, so that nothing can be said of it",
    )
    .hint("scale the inputs, or train with a lower learning rate"))
}

/// The value of each input that says nothing: the mean of the training part, which is 0 where
/// inputs are scaled.
fn neutral(info: &ModelInfo, train: &RowView) -> Vec<f32> {
    let mut means = vec![0.0f64; train.cols()];
    if info.scaler == Scaler::None {
        train.each_row(|row| {
            let mut values = row.to_vec();
            finish_row(&mut values, &info.inputs);
            means
                .iter_mut()
                .zip(values)
                .for_each(|(mean, value)| *mean += f64::from(value) / train.rows() as f64);
        });
    }
    means.into_iter().map(|mean| mean as f32).collect()
}

/// Groups and, where they are not too many, single features, as columns of the model's inputs;
/// `table` has the columns of the table.
fn columns(table: &[String], names: &[String], frames: usize) -> (Vec<Columns>, Vec<Columns>) {
    let groups = features::groups(table);
    let group_of = |name: &str| {
        let plain = name
            .strip_prefix("log_")
            .filter(|plain| table.iter().any(|t| t == plain))
            .unwrap_or(name);
        let place = table.iter().position(|t| t == plain);
        place
            .and_then(|place| groups.iter().find(|(_, columns)| columns.contains(&place)))
            .map_or("", |(group, _)| group.as_str())
    };
    let places = |c: usize| (0..frames).map(move |frame| frame * names.len() + c);
    let mut together: Vec<Columns> = Vec::new();
    let mut single = Vec::new();
    for (c, name) in names.iter().enumerate() {
        let group = group_of(name);
        match together.iter_mut().find(|columns| columns.name == group) {
            Some(columns) => columns.places.extend(places(c)),
            None => together.push(Columns {
                name: group.to_owned(),
                group: group.to_owned(),
                places: places(c).collect(),
            }),
        }
        single.push(Columns {
            name: name.clone(),
            group: group.to_owned(),
            places: places(c).collect(),
        });
    }
    if single.len() > MOST_FEATURES {
        single.clear();
    }
    (together, single)
}

/// What was found, where something was.
pub(super) fn read(finished: &Finished) -> Result<Explanation> {
    from_json(&finished.path(EXPLANATION))
}
