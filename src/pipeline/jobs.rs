//! What the trainings of experiments work on, and the tasks that they are.

use std::collections::BTreeMap;

use super::audit;
use super::augment::Augmented;
use super::doubts::Doubts;
use super::evaluate;
use super::extract::{Extracted, Tables};
use super::pools;
use super::publish::table_hash;
use super::running::Running;
use super::split::{self, Folds};
use super::train::{self, Job};
use super::walk::{Later, Seen, Walk};
use super::windows::Unit;
use crate::config::{Experiment, Pipeline};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::orchestrator::{Context, Finished, Identity, Task};
use crate::split::Fold;
use crate::table::duplicates::DuplicateRow;

/// What experiments work on.
pub(super) struct Data<'a> {
    pub utterances: &'a [Utterance],
    /// [`split::fingerprint`] of the utterances.
    pub fingerprint: String,
    /// [`evaluate::fingerprint`] of the utterances.
    pub described: String,
    /// [`train::speakers`] of the utterances.
    pub speakers: String,
    pub extracted: &'a Extracted,
    pub augmented: &'a Augmented,
    pub audited: &'a Seen<Finished>,
    /// [`audit::groups`] of the utterances, where the audit is there.
    pub copies: Option<Vec<usize>>,
    /// What the audit found.
    pub pairs: Vec<DuplicateRow>,
    /// [`across_speakers`](super::doubts::across_speakers) of these pairs.
    pub across_speakers: usize,
}

impl Data<'_> {
    /// What makes statements on results doubtful.
    pub(super) fn doubts<'d>(&self, pipeline: &'d Pipeline) -> Doubts<'d> {
        Doubts {
            guessed: &pipeline.corpus.guessed,
            across_speakers: self.across_speakers,
        }
    }

    /// Content hash of the pairs.
    pub(super) fn audit_hash(&self) -> Result<Option<String>> {
        self.audited
            .there()
            .map(|done| table_hash(done, audit::DUPLICATES))
            .transpose()
    }
}

/// [`Data`] on the way through the trainings.
pub(super) struct Work<'w, 'a> {
    pub walk: &'w Walk<'a>,
    pub data: &'w Data<'w>,
    /// [`train::labels`] of the utterances.
    pub labels: String,
    /// The content of the tables and where they lie, set by set.
    pub features: BTreeMap<FeatureSet, Seen<Tables>>,
    /// Those of changed copies.
    pub augmented: BTreeMap<FeatureSet, Seen<Tables>>,
}

/// The table of the set of an experiment, where it is there.
fn there<'t>(
    tables: &'t BTreeMap<FeatureSet, Seen<Tables>>,
    experiment: &Experiment,
) -> Option<&'t Tables> {
    tables.get(&experiment.inputs.set).and_then(Seen::there)
}

impl Work<'_, '_> {
    /// Why the features of an experiment, or of a member of it, are not there yet.
    pub(super) fn lacks(&self, experiment: &Experiment) -> Option<&Later> {
        let member = |one: &&Experiment| experiment.members().contains(&one.name);
        let members = self.walk.pipeline.experiments.iter().filter(member);
        let own = experiment.members().is_empty().then_some(experiment);
        own.into_iter()
            .chain(members)
            .find_map(|one| self.waits_for(one))
    }

    /// What every evaluation depends on besides predictions.
    pub(super) fn evaluation_inputs(&self, split: &Finished) -> Result<BTreeMap<String, String>> {
        let audit = self
            .data
            .audit_hash()?
            .ok_or_else(|| Error::internal("an experiment was evaluated without an audit"))?;
        let inputs = [
            ("utterances", self.data.described.clone()),
            ("folds", split.hash(split::ABOUT)?),
            ("audit", audit),
        ];
        Ok(inputs
            .into_iter()
            .map(|(name, hash)| (name.to_owned(), hash))
            .collect())
    }

    /// The tables that an experiment trains on; nothing where nothing is known of one of them.
    pub(super) fn tables(&self, experiment: &Experiment) -> Option<Vec<&Seen<Tables>>> {
        let set = &experiment.inputs.set;
        let augmented = (!experiment.augment.is_empty()).then_some(&self.augmented);
        [Some(&self.features), augmented]
            .into_iter()
            .flatten()
            .map(|tables| tables.get(set))
            .collect()
    }

    /// Whether all of them are there.
    pub(super) fn is_fed(&self, experiment: &Experiment) -> bool {
        self.tables(experiment)
            .is_some_and(|tables| tables.iter().all(|table| table.there().is_some()))
    }

    /// The first of them that is not there yet.
    pub(super) fn waits_for(&self, experiment: &Experiment) -> Option<&Later> {
        self.tables(experiment)?.into_iter().find_map(Seen::later)
    }

    pub(super) fn train<'t>(
        &'t self,
        one: &'t Running,
        fold: &'t Fold,
        fingerprint: &str,
        seed: u64,
    ) -> Result<Task<'t>> {
        let (experiment, utterances) = (one.experiment, one.utterances(self.data));
        let (Some((hash, features)), true) =
            (there(&self.features, experiment), self.is_fed(experiment))
        else {
            return Err(Error::internal("a training was begun without features"));
        };
        let augmented =
            there(&self.augmented, experiment).filter(|_| !experiment.augment.is_empty());
        let mut inputs = BTreeMap::from([
            ("features".to_owned(), hash.clone()),
            ("fold".to_owned(), fingerprint.to_owned()),
        ]);
        inputs.extend(
            experiment
                .heeds_speakers()
                .then(|| ("speakers".to_owned(), self.data.speakers.clone())),
        );
        inputs.extend(augmented.map(|(hash, _)| ("augmented".to_owned(), hash.clone())));
        let augmented = augmented.map(|(_, folder)| folder.as_path());
        let identity = Identity {
            inputs,
            ..self
                .walk
                .train_settings(experiment, fold.index, &fold.name, seed)?
        };
        let job = Job {
            pipeline: self.walk.pipeline,
            experiment,
            features,
            augmented,
            utterances,
            fold,
            seed,
        };
        let (id, memory) = (train::id(experiment, fold.index, seed), train::memory(&job));
        Ok(Task {
            memory,
            ..Task::new(id, identity, move |context: &Context| {
                train::train(&job, context)
            })
        })
    }

    pub(super) fn evaluate<'t>(
        &'t self,
        one: &'t Running,
        trained: &[&Finished],
    ) -> Result<Task<'t>> {
        let (experiment, utterances, unit) = (
            one.experiment,
            self.data.utterances,
            Unit::of(self.walk.pipeline),
        );
        let (Some(split), Some(folds)) = (&one.split, &one.folds) else {
            return Err(Error::internal("an experiment was evaluated without folds"));
        };
        let mut inputs = self.evaluation_inputs(split)?;
        for finished in trained {
            inputs.insert(
                format!("{} predictions", finished.task),
                finished.hash(train::PREDICTIONS)?,
            );
            inputs.insert(
                format!("{} history", finished.task),
                finished.hash(train::FOLD)?,
            );
        }
        let restricts = self.walk.pipeline.restricts_pools(experiment);
        let runs = if restricts {
            self.runs(one, folds, trained)?
        } else {
            vec![]
        };
        if restricts {
            inputs.extend(
                there(&self.features, experiment)
                    .map(|(hash, _)| ("features".to_owned(), hash.clone())),
            );
            inputs.extend(
                self.tested_copies(experiment)
                    .map(|(hash, _)| ("augmented".to_owned(), hash.clone())),
            );
            for finished in trained {
                inputs.extend(train::model_hashes(finished)?);
            }
        }
        let memory = runs.first().map_or(0, |(job, _)| train::memory(job));
        let identity = Identity {
            inputs,
            ..self.walk.evaluate_settings(experiment)?
        };
        let trained: Vec<Finished> = trained.iter().map(|one| (*one).clone()).collect();
        let action = move |context: &Context| {
            let restricted = restricts
                .then(|| pools::predict(&runs, context))
                .transpose()?;
            evaluate::evaluate(
                experiment, utterances, unit, folds, &trained, restricted, context,
            )
        };
        Ok(Task {
            memory,
            ..Task::new(evaluate::id(experiment), identity, action)
        })
    }

    /// The tables of the copies that tested recordings are predicted with.
    fn tested_copies(&self, experiment: &Experiment) -> Option<&Tables> {
        there(&self.augmented, experiment).filter(|_| !experiment.test_time_augment.is_empty())
    }

    /// The trainings of an experiment with their outputs.
    fn runs<'t>(
        &'t self,
        one: &'t Running,
        folds: &'t Folds,
        trained: &[&Finished],
    ) -> Result<Vec<(Job<'t>, Finished)>> {
        let (pipeline, experiment, utterances) = (
            self.walk.pipeline,
            one.experiment,
            one.utterances(self.data),
        );
        let Some((_, features)) = there(&self.features, experiment) else {
            return Err(Error::internal(
                "an experiment was evaluated without features",
            ));
        };
        let augmented = self
            .tested_copies(experiment)
            .map(|(_, folder)| folder.as_path());
        let job = |fold: &'t Fold, seed: u64| Job {
            pipeline,
            experiment,
            features,
            augmented,
            utterances,
            fold,
            seed,
        };
        let jobs = folds.folds.iter().flat_map(|fold| {
            experiment
                .trained_seeds()
                .iter()
                .map(move |&seed| job(fold, seed))
        });
        Ok(jobs
            .zip(trained.iter().map(|finished| (*finished).clone()))
            .collect())
    }

    /// The trained folds of an experiment up to the first that is not there, and whether that is
    /// all of them.
    pub(super) fn trained(&self, one: &Running) -> Result<(Vec<Finished>, bool)> {
        let mut trained = Vec::new();
        let (Some(folds), true) = (&one.folds, self.is_fed(one.experiment)) else {
            return Ok((trained, false));
        };
        for fold in &folds.folds {
            let fingerprint = train::fingerprint(fold, one.labels(&self.labels));
            for &seed in one.experiment.trained_seeds() {
                match self
                    .walk
                    .finished(&self.train(one, fold, &fingerprint, seed)?)?
                {
                    Some(finished) => trained.push(finished),
                    None => return Ok((trained, false)),
                }
            }
        }
        Ok((trained, true))
    }

    pub(super) fn all_trained(&self, one: &Running) -> Result<bool> {
        self.trained(one).map(|(_, all)| all)
    }

    /// Finds what there is of an experiment that is not to be run.
    pub(super) fn look_up(&self, one: &mut Running) -> Result<()> {
        (one.trained, one.complete) = self.trained(one)?;
        if one.complete {
            self.look_up_evaluation(one)
        } else {
            Ok(())
        }
    }

    /// Finds the evaluation of trained models that are all there.
    pub(super) fn look_up_evaluation(&self, one: &mut Running) -> Result<()> {
        if self.data.audited.there().is_some() {
            let trained: Vec<&Finished> = one.trained.iter().collect();
            let evaluated = self.walk.finished(&self.evaluate(one, &trained)?)?;
            one.evaluated = evaluated;
        }
        Ok(())
    }
}
