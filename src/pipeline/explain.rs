//! What the models of an experiment lean on, each asked on its own test part.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::evaluate;
use super::experiments::stops_everything;
use super::extract::Tables;
use super::flow::Outcome;
use super::ingest::{from_json, to_json};
use super::inputs::Rows;
use super::jobs::Data;
use super::options::Stage;
use super::running::Running;
use super::train::{self, Job, MODEL};
use super::walk::{Later, Seen, Walk};
use crate::cancel::Cancel;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::evaluation::{Columns, Explanation, Lost, MOST_FEATURES, explanation, lost};
use crate::features::{self, FeatureSet};
use crate::files::{hash_bytes, write_atomically};
use crate::model::artifact::{self, ModelInfo};
use crate::orchestrator::{Context, Finished, Identity, Task};
use crate::split::{Dataset, Fold, Matrix, Parts, Variants};
use crate::transform::{Inputs, Scaler, columns_in_order, finish_row};

/// The explanation within the task's folder.
pub(super) const EXPLANATION: &str = "explanation.json";

/// Id of the task.
pub(super) fn id(experiment: &Experiment) -> String {
    format!("explain/{}", experiment.name)
}

impl Walk<'_> {
    /// Explains the experiments of which that is wanted, and finds what was explained before.
    /// Results stand whatever comes of it: an explanation that fails is told, and the report lacks
    /// it.
    pub(super) fn explain(
        &self,
        experiments: &mut [Running],
        data: &Data,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for one in experiments
            .iter()
            .filter(|one| one.is_ensemble() && one.chosen && self.options.explain)
        {
            let members: Vec<String> = one
                .experiment
                .members()
                .iter()
                .map(|member| format!("-e {member}"))
                .collect();
            let (name, pipeline) = (&one.experiment.name, self.pipeline.full_name());
            self.observer
                .warn(format!("{name} is an ensemble and is not asked; ask its members: ser explain {pipeline} {}", members.join(" ")));
        }
        for one in experiments
            .iter_mut()
            .filter(|one| !one.is_ensemble() && one.failed.is_none())
        {
            let wanted = one.chosen && (one.experiment.explain || self.options.explain);
            let after = vec![evaluate::id(one.experiment)];
            let tables = data.extracted.table(one.experiment.inputs.set)?;
            let explained = match (&tables, one.evaluated.is_some() && one.complete()) {
                (Seen::There(tables), true) => {
                    let shown = &*one;
                    let task = self.explain_task(shown, data, tables)?;
                    if wanted {
                        match self.single(task, after, || false) {
                            Ok(explained) => Some(explained),
                            Err(error) if stops_everything(&error) => return Err(error),
                            Err(error) => {
                                outcome.failures.push(error);
                                None
                            }
                        }
                    } else {
                        self.finished(&task)?.map(Seen::There)
                    }
                }
                _ if wanted && self.planning() => {
                    let upstream = Later {
                        task: after[0].clone(),
                        certain: one.later.as_ref().is_some_and(|later| later.certain),
                    };
                    Some(Seen::Later(self.later(
                        &id(one.experiment),
                        Some(&self.explain_settings(one.experiment)?),
                        after,
                        &upstream,
                    )))
                }
                _ => None,
            };
            one.explained = explained;
        }
        Ok(())
    }

    pub(super) fn explain_settings(&self, experiment: &Experiment) -> Result<Identity> {
        self.identity(
            Stage::Explain,
            serde_json::json!({ "experiment": experiment.name, "inputs": experiment.inputs }),
            [],
        )
    }

    fn explain_task<'t>(
        &'t self,
        one: &'t Running,
        data: &'t Data,
        tables: &'t Tables,
    ) -> Result<Task<'t>> {
        let (hash, folder) = tables;
        let mut inputs = BTreeMap::from([("features".to_owned(), hash.clone())]);
        let folds = one
            .folds
            .as_ref()
            .map(|folds| folds.folds.as_slice())
            .unwrap_or_default();
        let labels = train::labels(one.utterances(data));
        let roles: Vec<String> = folds
            .iter()
            .map(|fold| train::fingerprint(fold, &labels))
            .collect();
        inputs.insert("folds".to_owned(), hash_bytes(roles.join("\n").as_bytes()));
        for finished in &one.trained {
            inputs.extend(train::model_hashes(finished)?);
        }
        inputs.extend(
            one.experiment
                .heeds_speakers()
                .then(|| ("speakers".to_owned(), data.speakers.clone())),
        );
        let identity = Identity {
            inputs,
            ..self.explain_settings(one.experiment)?
        };
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

/// The corpus as models see it whose inputs are the same; a search may have chosen others for
/// another fold.
struct View {
    experiment: Experiment,
    data: Dataset,
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
        let names = columns_in_order(inputs, &rows.columns);
        Ok(View {
            experiment,
            data,
            names,
        })
    }
}

fn explain(runs: &[(Job, &Finished)], walk: &Walk, context: &Context) -> Result<Explanation> {
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
    let (groups, features) = columns(inputs.set, &names, inputs.frames.unwrap_or(1));
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
        let cancel: &Cancel = walk.cancel;
        let key = format!("{}/{}/{}", job.experiment.name, job.fold.index, job.seed);
        let check = || cancel.check();
        let lost = lost(
            model.as_mut(),
            (test.x(), test.y()),
            data.labels.len(),
            [&groups, &features],
            (&neutral, &key),
            &check,
        )?;
        let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        context.progress(done, runs.len() as u64, "models", String::new());
        Ok(lost)
    };
    let found = walk
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
fn neutral(info: &ModelInfo, train: &Matrix) -> Vec<f32> {
    let mut means = vec![0.0f64; train.cols()];
    if info.scaler == Scaler::None {
        for row in 0..train.rows() {
            let mut values = train.row(row).to_vec();
            finish_row(&mut values, &info.inputs);
            means
                .iter_mut()
                .zip(values)
                .for_each(|(mean, value)| *mean += f64::from(value) / train.rows() as f64);
        }
    }
    means.into_iter().map(|mean| mean as f32).collect()
}

/// Groups and, where they are not too many, single features, as columns of the model's inputs.
fn columns(set: FeatureSet, names: &[String], frames: usize) -> (Vec<Columns>, Vec<Columns>) {
    let table = features::names(set);
    let groups = features::groups(set);
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
