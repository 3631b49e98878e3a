//! What the models of an experiment lean on, each asked on its own test part.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::evaluate;
use super::extract::Tables;
use super::ingest::{from_json, to_json};
use super::inputs::Rows;
use super::jobs::Data;
use super::options::Stage;
use super::running::Running;
use super::train::{self, Job, MODEL};
use super::walk::{Seen, Walk};
use crate::cancel::Cancel;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::evaluation::{Columns, Explanation, Lost, MOST_FEATURES, explanation, lost};
use crate::features::{self, FeatureSet};
use crate::files::{hash_bytes, write_atomically};
use crate::model::artifact;
use crate::orchestrator::{Context, Finished, Identity, Task};
use crate::split::{Fold, Matrix, Parts, Variants};
use crate::transform::{Scaler, columns_in_order, finish_row};

/// The explanation within the task's folder.
pub(super) const EXPLANATION: &str = "explanation.json";

/// Id of the task.
pub(super) fn id(experiment: &Experiment) -> String {
    format!("explain/{}", experiment.name)
}

impl Walk<'_> {
    /// Explains the experiments of which that is wanted, and finds what was explained before.
    pub(super) fn explain(&self, experiments: &mut [Running], data: &Data) -> Result<()> {
        for one in experiments.iter_mut() {
            let ready = one.evaluated.is_some() && one.complete() && !one.is_ensemble() && one.failed.is_none();
            if !ready {
                continue;
            }
            let wanted = one.chosen && (one.experiment.explain || self.options.explain);
            let Seen::There(tables) = data.extracted.table(one.experiment.inputs.set)? else { continue };
            let done = {
                let shown = &*one;
                let task = self.explain_task(shown, data, &tables)?;
                if wanted {
                    let after = vec![evaluate::id(one.experiment)];
                    self.single(task, after, || false)?.there().cloned()
                } else {
                    self.finished(&task)
                }
            };
            one.explained = done;
        }
        Ok(())
    }

    fn explain_task<'t>(&'t self, one: &'t Running, data: &'t Data, tables: &'t Tables) -> Result<Task<'t>> {
        let (hash, folder) = tables;
        let mut inputs = BTreeMap::from([("features".to_owned(), hash.clone())]);
        let folds = one.folds.as_ref().map(|folds| folds.folds.as_slice()).unwrap_or_default();
        let labels = train::labels(one.utterances(data));
        let roles: Vec<String> = folds.iter().map(|fold| train::fingerprint(fold, &labels)).collect();
        inputs.insert("folds".to_owned(), hash_bytes(roles.join("\n").as_bytes()));
        for finished in &one.trained {
            inputs.insert(format!("{} model", finished.task), finished.hash(&format!("{MODEL}/model.json"))?);
        }
        let params = serde_json::json!({ "experiment": one.experiment.name, "inputs": one.experiment.inputs });
        let identity = Identity { inputs, ..self.identity(Stage::Explain, params, [])? };
        let action = move |context: &Context| {
            let job = |fold: &'t Fold, seed: u64| Job {
                pipeline: self.pipeline,
                experiment: one.experiment,
                features: folder,
                augmented: None,
                utterances: one.utterances(data),
                fold,
                seed,
            };
            let seeds = one.experiment.trained_seeds();
            let runs: Vec<(Job, &Finished)> = folds
                .iter()
                .flat_map(|fold| seeds.iter().map(move |&seed| (fold, seed)))
                .map(|(fold, seed)| job(fold, seed))
                .zip(&one.trained)
                .collect();
            let found = explain(&runs, self, context)?;
            write_atomically(&context.folder.join(EXPLANATION), &to_json(&found)?)
        };
        Ok(Task::new(id(one.experiment), identity, action))
    }
}

fn explain(runs: &[(Job, &Finished)], walk: &Walk, context: &Context) -> Result<Explanation> {
    let Some((first, _)) = runs.first() else { return Err(Error::internal("an experiment without models was to be explained")) };
    let (rows, _) = Rows::read(first)?;
    let inputs = &first.experiment.inputs;
    let names = columns_in_order(inputs, &rows.columns);
    let frames = inputs.frames.unwrap_or(1);
    let (groups, features) = columns(inputs.set, &names, frames);
    let data = rows.dataset(first.utterances, first.experiment)?;
    let done = std::sync::atomic::AtomicU64::new(0);
    let one = |(job, finished): &(Job, &Finished)| -> Result<Lost> {
        let saved = artifact::load(&finished.path(MODEL))?;
        let parts = Parts::with_variants(&data, &job.fold.roles, &Variants::default())?;
        let test = parts.test.map_rows(|row: &mut [f32]| {
            saved.info.scaler.apply_row(row);
            finish_row(row, &saved.info.inputs);
        });
        let neutral = neutral(&saved.info.scaler, parts.train.x());
        let mut model = saved.classifier()?;
        let cancel: &Cancel = walk.cancel;
        let key = format!("{}/{}/{}", job.experiment.name, job.fold.index, job.seed);
        let check = || cancel.check();
        let lost = lost(model.as_mut(), (test.x(), test.y()), data.labels.len(), [&groups, &features], (&neutral, &key), &check)?;
        let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        context.progress(done, runs.len() as u64, "models", String::new());
        Ok(lost)
    };
    let found = walk.workers.pool().install(|| runs.par_iter().map(one).collect::<Result<Vec<Lost>>>())?;
    Ok(explanation(&groups, &features, &data.labels, &found))
}

/// The value of each input that says nothing: the mean of the training part, which is 0 where inputs are scaled.
fn neutral(scaler: &Scaler, train: &Matrix) -> Vec<f32> {
    let mut means = vec![0.0f64; train.cols()];
    if *scaler == Scaler::None {
        for row in 0..train.rows() {
            means.iter_mut().zip(train.row(row)).for_each(|(mean, value)| *mean += f64::from(*value) / train.rows() as f64);
        }
    }
    means.into_iter().map(|mean| mean as f32).collect()
}

/// Groups and, where they are not too many, single features, as columns of the model's inputs.
fn columns(set: FeatureSet, names: &[String], frames: usize) -> (Vec<Columns>, Vec<Columns>) {
    let table = features::names(set);
    let groups = features::groups(set);
    let group_of = |name: &str| {
        let plain = name.strip_prefix("log_").filter(|plain| table.iter().any(|t| t == plain)).unwrap_or(name);
        let place = table.iter().position(|t| t == plain);
        place.and_then(|place| groups.iter().find(|(_, columns)| columns.contains(&place))).map_or("", |(group, _)| group.as_str())
    };
    let places = |c: usize| (0..frames).map(move |frame| frame * names.len() + c);
    let mut together: Vec<Columns> = Vec::new();
    let mut single = Vec::new();
    for (c, name) in names.iter().enumerate() {
        let group = group_of(name);
        match together.iter_mut().find(|columns| columns.name == group) {
            Some(columns) => columns.places.extend(places(c)),
            None => together.push(Columns { name: group.to_owned(), group: group.to_owned(), places: places(c).collect() }),
        }
        single.push(Columns { name: name.clone(), group: group.to_owned(), places: places(c).collect() });
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
