//! The stages of experiments: folds, trainings, evaluations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::augment::{self};
use super::evaluate;
use super::extract::{self};
use super::flow::Outcome;
use super::jobs::{Data, Work};
use super::options::Stage;
use super::pools;
use super::running::{Running, Shuffled};
use super::split::{self};
use super::train::{self};
use super::walk::{Came, Later, Mode, Seen, Walk};
use super::windows::Unit;
use crate::config::{CorpusKind, Experiment};
use crate::error::{Error, Kind, Result};
use crate::model::artifact;
use crate::orchestrator::{Context, Event, Graph, Identity, Task};

/// What a node of the graph is for.
enum Part {
    Train {
        owner: usize,
        fold: usize,
        seed: u64,
    },
    Evaluate {
        owner: usize,
    },
}

impl<'a> Walk<'a> {
    /// Splits, trains and evaluates. Experiments that were not chosen stand in the report if all of
    /// their outputs are there.
    pub(super) fn experiments(
        &self,
        chosen: &[&'a Experiment],
        data: &Data,
        outcome: &mut Outcome,
    ) -> Result<Vec<Running<'a>>> {
        let mut running: Vec<Running> = Vec::new();
        let split = |experiment: &'a Experiment| {
            self.split(
                experiment,
                chosen.iter().any(|e| e.name == experiment.name),
                data,
            )
        };
        let experiments = &self.pipeline.experiments;
        // A run's splits are tasks like others; a plan only looks, on all threads.
        let splits: Box<dyn Iterator<Item = Result<Option<Running>>>> = match self.mode {
            Mode::Plan => {
                let all: Vec<_> = self
                    .workers
                    .pool()
                    .install(|| experiments.par_iter().map(split).collect());
                Box::new(all.into_iter())
            }
            _ => Box::new(experiments.iter().map(split)),
        };
        for (experiment, split) in experiments.iter().zip(splits) {
            match split {
                Ok(Some(mut one)) => {
                    if let Some((decision, why)) = one.planned.clone() {
                        self.line(
                            format!("split/{}", experiment.name),
                            self.features(),
                            decision,
                            why,
                        );
                    }
                    match one
                        .folds
                        .as_ref()
                        .map_or(Ok(()), |folds| folds.check(experiment))
                    {
                        Ok(()) => running.push(one),
                        Err(_) if !one.chosen => {}
                        Err(error) if self.is_only(experiment) => return Err(error),
                        Err(_) if matches!(self.mode, Mode::Only(_)) => {}
                        Err(error) => {
                            self.refuse(&mut one, error, outcome);
                            running.push(one);
                            self.stop_after_failure(outcome)?;
                        }
                    }
                }
                Ok(None) => {}
                Err(error) if stops_everything(&error) || self.is_only(experiment) => {
                    return Err(error);
                }
                Err(_) if matches!(self.mode, Mode::Only(_)) => {}
                Err(error) if self.planning() => {
                    let why = format!("cannot be split: {error}");
                    self.observer.warn(format!("{}: {why}", experiment.name));
                    running.push(Running::failed(experiment, &error));
                }
                Err(error) => {
                    running.push(Running::failed(experiment, &error));
                    outcome.failures.push(error);
                    self.stop_after_failure(outcome)?;
                }
            }
        }
        if self.options.until == Stage::Split {
            return Ok(running);
        }
        if !matches!(self.mode, Mode::Only(_)) {
            for one in running.iter().filter(|one| one.chosen) {
                one.experiment
                    .unused_validation()
                    .into_iter()
                    .for_each(|why| {
                        self.observer
                            .warn(format!("{}: {why}", one.experiment.name))
                    });
            }
        }
        self.train_and_evaluate(&mut running, data, outcome)?;
        self.stop_after_failure(outcome)?;
        running.retain(|one| {
            one.chosen
                || (one.complete && (self.options.until <= Stage::Train || one.evaluated.is_some()))
        });
        Ok(running)
    }

    fn split(
        &self,
        experiment: &'a Experiment,
        chosen: bool,
        data: &Data,
    ) -> Result<Option<Running<'a>>> {
        let unit = Unit::of(self.pipeline);
        let mut identity = self.identity(
            Stage::Split,
            experiment.split_key(),
            [("utterances", data.fingerprint.clone())],
        )?;
        identity.inputs.extend(
            unit.are_windows()
                .then(|| ("dealt out".to_owned(), "whole utterances".to_owned())),
        );
        let id = format!("split/{}", experiment.name);
        let joined = matches!(self.pipeline.corpus.kind, CorpusKind::Joined { .. });
        let shuffled = experiment.shuffle_labels.then(|| {
            Arc::new(Shuffled::of(
                data.utterances,
                unit,
                joined,
                experiment.split_seed,
            ))
        });
        let theirs = shuffled.clone();
        let task = Task::new(id, identity, move |context: &Context| {
            let utterances = theirs
                .as_ref()
                .map_or(data.utterances, |shuffled| &shuffled.utterances);
            split::split(utterances, unit, experiment, context)
        });
        let mut planned = None;
        let seen = if chosen && self.planning() {
            let (decision, why, seen) = self.look_ahead(&task, || true)?;
            planned = Some((decision, why));
            seen
        } else if chosen {
            self.single(task, self.features(), || true)?
        } else {
            match self.finished(&task)? {
                Some(finished) => Seen::There(finished),
                None => return Ok(None),
            }
        };
        Ok(Some(match seen {
            Seen::There(done) => {
                let mut folds = split::read(&done.folder, data.utterances)?;
                folds.count_copies(data.utterances, unit, data.copies.as_deref());
                Running {
                    chosen,
                    planned,
                    shuffled,
                    split: Some(done),
                    folds: Some(folds),
                    ..Running::of(experiment)
                }
            }
            // A plan makes the folds in advance; where that fails, the run will say why.
            Seen::Later(later) => Running {
                chosen,
                planned,
                complete: false,
                later: Some(later),
                ..Running::of(experiment)
            },
        }))
    }

    /// Ends an experiment whose folds are not what it requires, before anything of it is trained.
    fn refuse(&self, one: &mut Running, error: Error, outcome: &mut Outcome) {
        let hint = error.hint_text().map(str::to_owned);
        if self.planning() {
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            self.observer.warn(format!(
                "{}: will be refused: {error}{hint}",
                one.experiment.name
            ));
            one.complete = false;
            one.failed = Some(error.to_string());
            return;
        }
        let task = format!("train/{}", one.experiment.name);
        self.observer.observe(Event::TaskFailed {
            task,
            error: error.to_string(),
            hint,
        });
        one.fail(error, outcome);
    }

    /// Whether the one task that is asked for belongs to this experiment.
    fn is_only(&self, experiment: &Experiment) -> bool {
        matches!(&self.mode, Mode::Only(id) if id.split('/').nth(1) == Some(&experiment.name))
    }

    /// Parameters of a training besides its data.
    pub(super) fn train_settings(
        &self,
        experiment: &Experiment,
        fold: u32,
        fold_name: &str,
        seed: u64,
    ) -> Result<Identity> {
        #[derive(Serialize)]
        struct TrainKey<'k> {
            pipeline: &'k str,
            corpus: &'k str,
            experiment: &'k str,
            protocol: String,
            fold: u32,
            fold_name: &'k str,
            seed: u64,
            /// What a saved model says of itself is a part of the output.
            model_schema_version: u32,
            #[serde(flatten)]
            model: serde_json::Map<String, serde_json::Value>,
            /// Version of what the card of a transductive model says.
            #[serde(skip_serializing_if = "Option::is_none")]
            transductive_card: Option<u32>,
        }
        let key = TrainKey {
            pipeline: &self.pipeline.name,
            corpus: &self.pipeline.corpus.name,
            experiment: &experiment.name,
            protocol: experiment.protocol.name(),
            fold,
            fold_name,
            seed,
            model_schema_version: artifact::SCHEMA_VERSION,
            model: experiment.model_key(),
            transductive_card: experiment.is_transductive().then_some(1),
        };
        let identity = self.identity(Stage::Train, key, [])?;
        Ok(Identity {
            code_version: experiment.model.code_version(),
            ..identity
        })
    }

    pub(super) fn evaluate_settings(&self, experiment: &Experiment) -> Result<Identity> {
        let mut params = serde_json::json!({
            "experiment": experiment.name, "protocol": experiment.protocol.name(),
            "model": experiment.describe(), "seeds": experiment.seeds, "shuffle_labels": experiment.shuffle_labels,
        });
        if let Some(windows) = Unit::of(self.pipeline).describe() {
            params["windows"] = windows.into();
        }
        if self.pipeline.is_transductive(experiment) {
            params["restricted_pools"] = pools::CODE_VERSION.into();
        }
        self.identity(Stage::Evaluate, params, [])
    }

    /// One graph over all folds and seeds of all experiments, so that no core waits for the end of
    /// an experiment.
    fn train_and_evaluate(
        &self,
        running: &mut [Running<'a>],
        data: &Data,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let tables = self
            .pipeline
            .features
            .sets
            .iter()
            .map(|set| Ok((*set, data.extracted.table(*set)?)));
        let features = tables.collect::<Result<_>>()?;
        let augmented = data.augmented.tables()?.into_iter().collect();
        let work = Work {
            walk: self,
            data,
            labels: train::labels(data.utterances),
            features,
            augmented,
        };
        running
            .iter_mut()
            .filter(|one| !one.chosen && !one.is_ensemble())
            .try_for_each(|one| work.look_up(one))?;
        self.open_devices(running, &work, outcome)?;

        // In a plan, evaluations of which only the audit is not there yet.
        let mut unaudited = Vec::new();
        let (mut graph, mut parts) = (Graph::default(), Vec::new());
        let known = &*running;
        let mut evaluations = BTreeMap::new();
        // Ensembles come after what they bring together.
        let (ensembles, others): (Vec<_>, Vec<_>) = known
            .iter()
            .enumerate()
            .filter(|(_, one)| one.chosen && one.failed.is_none())
            .partition(|(_, one)| one.is_ensemble());
        for (owner, one) in others.into_iter().chain(ensembles) {
            let Some(folds) = &one.folds else { continue };
            if let Some(later) = work.lacks(one.experiment) {
                let folds: Vec<(u32, &str)> = folds
                    .folds
                    .iter()
                    .map(|fold| (fold.index, fold.name.as_str()))
                    .collect();
                self.foretell(one.experiment, &folds, later)?;
                continue;
            }
            let (mut places, mut ids) = (Vec::new(), Vec::new());
            for (at, fold) in folds.folds.iter().enumerate() {
                let fingerprint = train::fingerprint(fold, one.labels(&work.labels));
                for &seed in one.experiment.trained_seeds() {
                    let (work, fingerprint) = (&work, fingerprint.clone());
                    let id = train::id(one.experiment, fold.index, seed);
                    ids.push(id.clone());
                    places.push(graph.add_after(id, vec![], move |_| {
                        work.train(one, fold, &fingerprint, seed)
                    })?);
                    parts.push(Part::Train {
                        owner,
                        fold: at,
                        seed,
                    });
                }
            }
            if let Seen::Later(later) = data.audited {
                if one.is_ensemble() {
                    ids = one
                        .experiment
                        .members()
                        .iter()
                        .map(|member| evaluate::id_of(member))
                        .collect();
                }
                unaudited.extend(
                    (self.options.until > Stage::Train)
                        .then(|| (one.experiment, ids, later.clone())),
                );
            } else if self.options.until > Stage::Train {
                let (work, id, name) = (
                    &work,
                    evaluate::id(one.experiment),
                    one.experiment.name.as_str(),
                );
                let place = if one.is_ensemble() {
                    let members = one
                        .experiment
                        .members()
                        .iter()
                        .map(|member| evaluations.get(member.as_str()).copied());
                    let Some(members) = members.collect::<Option<Vec<usize>>>() else {
                        continue;
                    };
                    graph.add_after(id, members, move |members| work.combine(one, members))?
                } else {
                    graph.add_after(id, places, move |trained| work.evaluate(one, trained))?
                };
                evaluations.insert(name, place);
                parts.push(Part::Evaluate { owner });
            }
        }
        let settings = |place: usize| match &parts[place] {
            Part::Train { owner, fold, seed } => {
                let fold = known[*owner]
                    .folds
                    .as_ref()
                    .and_then(|folds| folds.folds.get(*fold));
                let (index, name) = fold.map_or((0, ""), |fold| (fold.index, fold.name.as_str()));
                self.train_settings(known[*owner].experiment, index, name, *seed)
            }
            Part::Evaluate { owner } => self.evaluate_settings(known[*owner].experiment),
        };
        let before = |place: usize| match &parts[place] {
            Part::Train { owner, .. } => before_training(known[*owner].experiment),
            Part::Evaluate { .. } => vec!["audit".to_owned()],
        };
        let came = self.graph(&graph, &settings, &before)?;
        drop(graph);
        for (experiment, trainings, later) in unaudited {
            let after = ["audit".to_owned()].into_iter().chain(trainings).collect();
            self.later(
                &evaluate::id(experiment),
                Some(&self.evaluate_settings(experiment)?),
                after,
                &Later {
                    certain: false,
                    ..later
                },
            );
        }
        for (part, came) in parts.into_iter().zip(came) {
            let (Part::Train { owner, .. } | Part::Evaluate { owner }) = part;
            let one = &mut running[owner];
            match came {
                Came::Seen(Seen::There(finished)) => match part {
                    Part::Train { .. } => one.trained.push(finished),
                    Part::Evaluate { .. } => one.evaluated = Some(finished),
                },
                Came::Seen(Seen::Later(later)) => {
                    one.complete = false;
                    one.later.get_or_insert(later);
                }
                Came::Skipped => one.complete = false,
                Came::Failed(error) if stops_everything(&error) => return Err(error),
                Came::Failed(error) => one.fail(error, outcome),
            }
        }
        if self.options.until == Stage::Train {
            // What is evaluated already stays in the tables.
            let mut trained = running
                .iter_mut()
                .filter(|one| one.chosen && one.complete() && !one.is_ensemble());
            trained.try_for_each(|one| work.look_up_evaluation(one))?;
        }
        work.end_ensembles(running)
    }

    /// Ids of the tasks of all sets.
    pub(super) fn features(&self) -> Vec<String> {
        self.pipeline
            .features
            .sets
            .iter()
            .map(|set| extract::id(*set))
            .collect()
    }

    /// Tries the device of what is going to be trained, so that one that is not there is said once
    /// and not by every fold.
    fn open_devices(
        &self,
        running: &mut [Running<'a>],
        work: &Work,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut said = BTreeSet::new();
        for one in running
            .iter_mut()
            .filter(|one| one.chosen && one.failed.is_none())
        {
            let (experiment, device) = (one.experiment, one.experiment.train.device);
            if self.mode != Mode::Run
                || !experiment.has_epochs()
                || !device.is_gpu()
                || work.all_trained(one)?
            {
                continue;
            }
            match device.hardware() {
                Ok(Some(hardware)) => {
                    let line = format!("networks are trained on {} ({hardware})", device.name());
                    if said.insert(line.clone()) {
                        self.observer.note(line);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let hint = error.hint_text().map(str::to_owned);
                    let task = format!("train/{}", experiment.name);
                    self.observer.observe(Event::TaskFailed {
                        task,
                        error: error.to_string(),
                        hint,
                    });
                    one.fail(error, outcome);
                }
            }
        }
        self.stop_after_failure(outcome)
    }

    /// Lines of a plan for the trainings and the evaluation of an experiment whose folds or
    /// features are not there yet.
    pub(super) fn foretell(
        &self,
        experiment: &Experiment,
        folds: &[(u32, &str)],
        later: &Later,
    ) -> Result<()> {
        let mut trainings = Vec::new();
        for &(index, name) in folds {
            for &seed in experiment.trained_seeds() {
                let id = train::id(experiment, index, seed);
                let after = before_training(experiment);
                // Without its folds, a plan does not know what they are called.
                let settings = if name.is_empty() {
                    None
                } else {
                    Some(self.train_settings(experiment, index, name, seed)?)
                };
                self.later(&id, settings.as_ref(), after, later);
                trainings.push(id);
            }
        }
        if self.options.until > Stage::Train {
            if !experiment.members().is_empty() {
                trainings = experiment
                    .members()
                    .iter()
                    .map(|member| evaluate::id_of(member))
                    .collect();
            }
            let last = Later {
                task: trainings.last().cloned().unwrap_or_default(),
                certain: false,
            };
            trainings.insert(0, "audit".into());
            self.later(
                &evaluate::id(experiment),
                Some(&self.evaluate_settings(experiment)?),
                trainings,
                &last,
            );
        }
        Ok(())
    }

    /// Ends the run after a failure where nothing else is to be begun.
    fn stop_after_failure(&self, outcome: &mut Outcome) -> Result<()> {
        if self.options.limits.keep_going || outcome.failures.is_empty() {
            Ok(())
        } else {
            Err(outcome.failures.remove(0))
        }
    }
}

/// Ids of the tasks whose output a training reads.
pub(super) fn before_training(experiment: &Experiment) -> Vec<String> {
    let augmented = (!experiment.augment.is_empty()).then(|| augment::id(experiment.inputs.set));
    let split = format!("split/{}", experiment.name);
    [extract::id(experiment.inputs.set)]
        .into_iter()
        .chain(augmented)
        .chain([split])
        .collect()
}

/// An interruption or a full disk concerns every experiment; anything else only its own.
pub(super) fn stops_everything(error: &Error) -> bool {
    error.kind() == Kind::Interrupted || error.is_disk_full()
}
