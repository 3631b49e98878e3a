//! Ensembles: the predictions of other experiments on the same folds, brought together in an evaluation without a training.

use std::collections::BTreeMap;

use super::evaluate::{self, ECE, Found, METRICS};
use super::jobs::Work;
use super::options::Stage;
use super::running::Running;
use super::split::Folds;
use super::train::PREDICTIONS;
use crate::config::{Experiment, ModelSettings};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::{Vote, argmax, vote};
use crate::orchestrator::{Context, Finished, Identity, Task};
use crate::report::FoldSection;
use crate::split::Role;
use crate::table::{metrics, predictions, predictions::PredictionRow, summary};

/// The seed of predictions that no draw has a part in.
const NO_SEED: u64 = 0;

impl Work<'_, '_> {
    /// The evaluation of an ensemble from those of its members, in their order.
    pub(super) fn combine<'t>(&'t self, one: &'t Running, members: &[&Finished]) -> Result<Task<'t>> {
        let (experiment, utterances) = (one.experiment, one.utterances(self.data));
        let (Some(split), Some(folds)) = (&one.split, &one.folds) else {
            return Err(Error::internal("an ensemble was evaluated without folds"));
        };
        let mut inputs = self.evaluation_inputs(split)?;
        for finished in members {
            inputs.insert(format!("{} predictions", finished.task), finished.hash(PREDICTIONS)?);
        }
        let identity = Identity { inputs, ..self.walk.evaluate_settings(experiment)? };
        let members: Vec<Finished> = members.iter().map(|one| (*one).clone()).collect();
        let action = move |context: &Context| combine(experiment, utterances, folds, &members, context);
        Ok(Task::new(evaluate::id(experiment), identity, action))
    }

    /// Says why an ensemble has no result, and finds what there is of those that were not to be run.
    pub(super) fn end_ensembles(&self, running: &mut [Running]) -> Result<()> {
        let mut ends = Vec::new();
        for (place, one) in running.iter().enumerate().filter(|(_, one)| one.is_ensemble() && one.evaluated.is_none()) {
            let members: Vec<Option<&Running>> =
                one.experiment.members().iter().map(|member| running.iter().find(|other| other.experiment.name == *member)).collect();
            let failed = members.iter().flatten().find(|member| member.failed.is_some());
            if let Some(member) = failed.filter(|_| one.chosen && one.failed.is_none()) {
                ends.push((place, None, Some(format!("its member {} has no result", member.experiment.name))));
            } else if !one.chosen && self.walk.options.until > Stage::Train {
                let evaluated: Option<Vec<&Finished>> = members.iter().map(|member| (*member)?.evaluated.as_ref()).collect();
                let found = evaluated.map(|evaluated| self.combine(one, &evaluated)).transpose()?;
                ends.push((place, found.and_then(|task| self.walk.finished(&task)), None));
            }
        }
        for (place, evaluated, failed) in ends {
            let one = &mut running[place];
            one.complete = evaluated.is_some();
            (one.evaluated, one.failed) = (evaluated, failed);
        }
        Ok(())
    }
}

/// Brings the predictions of the members together, each first averaged over its seeds, and evaluates them like any others.
fn combine(experiment: &Experiment, utterances: &[Utterance], folds: &Folds, members: &[Finished], context: &Context) -> Result<()> {
    let ModelSettings::Ensemble { vote: how, weights, .. } = &experiment.model else {
        return Err(Error::internal("what is no ensemble was to be combined"));
    };
    let mut labels: Vec<String> = Vec::new();
    let mut all: Vec<BTreeMap<(u32, String), summary::EnsembleRow>> = Vec::new();
    for member in members {
        let (found, rows, _) = predictions::read(&member.path(PREDICTIONS))?;
        if !labels.is_empty() && labels != found {
            return Err(Error::internal("two members of an ensemble have different classes"));
        }
        let rows = summary::ensemble(&found, &rows)?;
        labels = found;
        all.push(rows.into_iter().map(|row| ((row.fold, row.utterance_id.clone()), row)).collect());
    }
    // A vote counts classes; a mean of probabilities estimates one where every member does.
    let mut estimates = *how == Vote::Mean;
    for member in members {
        let figures = metrics::read(&member.path(METRICS))?;
        estimates &= figures.iter().any(|figure| figure.metric == ECE);
    }
    let (mut rows, mut sections, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
    for fold in &folds.folds {
        let first = rows.len();
        for (utterance, _) in utterances.iter().zip(&fold.roles).filter(|(_, role)| **role == Some(Role::Test)) {
            let key = (fold.index, utterance.source.id.clone());
            let lacks = || Error::internal(format!("a member of {} did not test {} in fold {}", experiment.name, key.1, fold.index));
            let given = all.iter().map(|rows| rows.get(&key).ok_or_else(lacks)).collect::<Result<Vec<_>>>()?;
            let probabilities: Vec<&[f32]> = given.iter().map(|row| row.probabilities.as_slice()).collect();
            let probabilities = match how {
                Vote::Mean => vote::mean(&probabilities, (!weights.is_empty()).then_some(weights.as_slice())),
                Vote::Majority => vote::majority(&probabilities),
            };
            rows.push(PredictionRow {
                experiment: experiment.name.clone(),
                protocol: experiment.protocol.name(),
                fold: fold.index,
                seed: NO_SEED,
                utterance_id: key.1,
                truth: utterance.source.emotion.clone(),
                predicted: labels.get(argmax(&probabilities)).cloned().unwrap_or_default(),
                probabilities,
            });
        }
        let scores = evaluate::score(&labels, evaluate::pairs(&rows[first..]))?;
        metrics.extend(evaluate::of_fold(experiment, fold.index, NO_SEED, &scores));
        let count = |role: Role| fold.roles.iter().filter(|found| **found == Some(role)).count();
        sections.push(FoldSection {
            fold: fold.index,
            name: fold.name.clone(),
            seed: NO_SEED,
            n_train: count(Role::Train),
            n_augmented: 0,
            n_validation: count(Role::Validation),
            n_test: count(Role::Test),
            scores,
            best_epoch: None,
            history: vec![],
            search: None,
        });
    }
    if all.iter().any(|member| member.len() != rows.len()) {
        return Err(Error::internal(format!("the members of {} tested other utterances than its folds say", experiment.name)));
    }
    let found = Found { labels, rows, folds: sections, metrics, shared: folds.about.remarks(), estimates, model: experiment.describe() };
    evaluate::conclude(experiment, utterances, folds, found, context)
}
