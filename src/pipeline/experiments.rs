//! The stages of experiments: folds, trainings, evaluations.

use std::collections::BTreeSet;

use super::evaluate;
use super::extract::FEATURES;
use super::flow::Outcome;
use super::options::Stage;
use super::publish::table_hash;
use super::split::{self, Folds};
use super::train::{self, Job};
use super::walk::{Step, Walk};
use crate::config::Experiment;
use crate::corpus::Utterance;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Context, Event, Finished, Identity, Task};

impl<'a> Walk<'a> {
    /// Splits, trains and evaluates. Experiments that were not chosen stand in the report if all of their outputs are there.
    pub(super) fn experiments(
        &self,
        chosen: &[&'a Experiment],
        utterances: &[Utterance],
        extracted: &Finished,
        outcome: &mut Outcome,
    ) -> Result<Vec<Running<'a>>> {
        let mut running: Vec<Running> = Vec::new();
        for experiment in &self.pipeline.experiments {
            let is_chosen = chosen.iter().any(|e| e.name == experiment.name);
            let one = self.split(experiment, is_chosen, utterances);
            match one {
                Ok(Some(one)) => running.push(one),
                Ok(None) => {}
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    running.push(Running::failed(experiment, &error));
                    outcome.failures.push(error);
                }
            }
        }
        if self.options.until == Stage::Split {
            return Ok(running);
        }
        self.train(&mut running, utterances, extracted, outcome)?;
        if self.options.until > Stage::Train {
            self.evaluate(&mut running, utterances, outcome)?;
        }
        Ok(running)
    }

    fn split(&self, experiment: &'a Experiment, chosen: bool, utterances: &[Utterance]) -> Result<Option<Running<'a>>> {
        let mut params = experiment.split_parameters();
        params.insert("experiment".into(), experiment.name.clone());
        let identity = self.identity(Stage::Split, params, [("utterances", split::fingerprint(utterances))])?;
        let id = format!("split/{}", experiment.name);
        let done = if chosen {
            let action = |context: &Context| split::split(utterances, experiment, context);
            let done = self.single(Stage::Split, Task { id, identity, action: Box::new(action) })?;
            if done.is_none() && self.options.until > Stage::Split {
                self.waits(format!("train/{}/…", experiment.name), Stage::Split);
                self.waits(format!("evaluate/{}", experiment.name), Stage::Split);
            }
            done
        } else {
            self.finished(&id, &identity)
        };
        let Some(done) = done else { return Ok(None) };
        let folds = split::read(&done.folder, utterances)?;
        Ok(Some(Running { experiment, chosen, split: Some(done), folds: Some(folds), ..Running::default_for(experiment) }))
    }

    /// One wave over all folds and seeds of all experiments, so that no core waits for the end of an experiment.
    fn train(&self, running: &mut Vec<Running<'a>>, utterances: &[Utterance], extracted: &Finished, outcome: &mut Outcome) -> Result<()> {
        let features = table_hash(extracted, FEATURES)?;
        let mut tasks = Vec::new();
        let mut owners = Vec::new();
        for (owner, one) in running.iter().enumerate() {
            let Some(folds) = &one.folds else { continue };
            let experiment = one.experiment;
            for fold in &folds.folds {
                for &seed in &experiment.seeds {
                    let params = serde_json::json!({
                        "pipeline": self.pipeline.name, "corpus": self.pipeline.corpus.name,
                        "experiment": experiment.name, "protocol": experiment.protocol.name(),
                        "fold": fold.index, "fold_name": fold.name, "seed": seed, "model": experiment.model_parameters(),
                    });
                    let inputs = [("features", features.clone()), ("fold", train::fingerprint(fold, utterances))];
                    let identity = self.identity(Stage::Train, params, inputs)?;
                    let job = Job { pipeline: self.pipeline, experiment, features: &extracted.folder, utterances, fold, seed };
                    tasks.push(Task {
                        id: format!("train/{}/fold-{:02}-seed-{seed}", experiment.name, fold.index),
                        identity,
                        action: Box::new(move |context: &Context| train::train(&job, context)),
                    });
                    owners.push(owner);
                }
            }
        }
        let (mut wanted, mut wanted_owners) = (Vec::new(), Vec::new());
        let mut results: Vec<(usize, Step)> = Vec::new();
        let (mut stuck, mut said) = (BTreeSet::new(), BTreeSet::new());
        for (task, owner) in tasks.into_iter().zip(owners) {
            if !running[owner].chosen {
                results.push((owner, Ok(self.finished(&task.id, &task.identity))));
            } else if !stuck.contains(&owner) {
                match self.open_device(running[owner].experiment, &task, &mut said) {
                    Ok(()) => {
                        wanted.push(task);
                        wanted_owners.push(owner);
                    }
                    Err(error) => {
                        let task = format!("train/{}", running[owner].experiment.name);
                        let hint = error.hint_text().map(str::to_owned);
                        self.observer.observe(Event::TaskFailed { task, error: error.to_string(), hint });
                        stuck.insert(owner);
                        results.push((owner, Err(error)));
                    }
                }
            }
        }
        results.extend(wanted_owners.into_iter().zip(self.wave(Stage::Train, &wanted)));
        drop(wanted);
        for (owner, result) in results {
            let one = &mut running[owner];
            match result {
                Ok(Some(finished)) => one.trained.push(finished),
                Ok(None) => one.complete = false,
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    one.complete = false;
                    one.failed.get_or_insert_with(|| error.to_string());
                    outcome.failures.push(error);
                }
            }
        }
        running.retain(|one| one.chosen || one.complete);
        Ok(())
    }

    /// Tries the device of a task that is going to run, so that one that is not there is said once and not by every fold.
    fn open_device(&self, experiment: &Experiment, task: &Task, said: &mut BTreeSet<String>) -> Result<()> {
        let device = experiment.train.device;
        if self.planning || !experiment.has_epochs() || !device.is_gpu() || self.finished(&task.id, &task.identity).is_some() {
            return Ok(());
        }
        if let Some(hardware) = device.hardware()? {
            let line = format!("networks are trained on {} ({hardware})", device.name());
            if said.insert(line.clone()) {
                self.observer.note(line);
            }
        }
        Ok(())
    }

    fn evaluate(&self, running: &mut Vec<Running<'a>>, utterances: &[Utterance], outcome: &mut Outcome) -> Result<()> {
        for one in running.iter_mut() {
            let (Some(folds), true) = (&one.folds, one.complete && one.failed.is_none()) else {
                if one.failed.is_none() && one.folds.is_some() {
                    self.waits(format!("evaluate/{}", one.experiment.name), Stage::Train);
                }
                continue;
            };
            let mut inputs: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
            for finished in &one.trained {
                inputs.insert(format!("{} predictions", finished.task), finished.hash(train::PREDICTIONS)?);
                inputs.insert(format!("{} history", finished.task), finished.hash(train::FOLD)?);
            }
            inputs.insert("utterances".into(), split::fingerprint(utterances));
            if let Some(split) = &one.split {
                inputs.insert("folds".into(), split.hash(split::ABOUT)?);
            }
            let params = serde_json::json!({
                "experiment": one.experiment.name, "protocol": one.experiment.protocol.name(),
                "model": one.experiment.model.describe(), "seeds": one.experiment.seeds,
            });
            let identity = Identity { inputs, ..self.identity(Stage::Evaluate, params, [])? };
            let id = format!("evaluate/{}", one.experiment.name);
            let step = if one.chosen {
                let action = |context: &Context| evaluate::evaluate(one.experiment, utterances, folds, &one.trained, context);
                self.single(Stage::Evaluate, Task { id, identity, action: Box::new(action) })
            } else {
                Ok(self.finished(&id, &identity))
            };
            match step {
                Ok(finished) => one.evaluated = finished,
                Err(error) if stops_everything(&error) => return Err(error),
                Err(error) => {
                    one.failed = Some(error.to_string());
                    outcome.failures.push(error);
                }
            }
        }
        Ok(())
    }
}

/// An experiment on its way through the stages.
pub(super) struct Running<'a> {
    pub experiment: &'a Experiment,
    chosen: bool,
    pub split: Option<Finished>,
    pub folds: Option<Folds>,
    pub trained: Vec<Finished>,
    complete: bool,
    pub evaluated: Option<Finished>,
    pub failed: Option<String>,
}

impl<'a> Running<'a> {
    fn default_for(experiment: &'a Experiment) -> Self {
        Running { experiment, chosen: true, split: None, folds: None, trained: vec![], complete: true, evaluated: None, failed: None }
    }

    fn failed(experiment: &'a Experiment, error: &Error) -> Self {
        let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
        Running { failed: Some(format!("{error}{hint}")), complete: false, ..Running::default_for(experiment) }
    }
}

/// An interruption or a full disk concerns every experiment; anything else only its own.
fn stops_everything(error: &Error) -> bool {
    matches!(error.kind(), Kind::Interrupted | Kind::Io | Kind::Internal)
}
