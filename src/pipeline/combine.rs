//! Ensembles: the predictions of other experiments on the same folds, brought together in an
//! evaluation without a training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::evaluate::{self, Found, METRICS};
use super::figures::{self, ECE};
use super::folds::Folds;
use super::known::{ExperimentState, Known};
use super::pipeline_run::PipelineRun;
use super::pools::RESTRICTED;
use super::stage::TaskId;
use super::train::PREDICTIONS;
use super::windows::Unit;
use crate::config::{Experiment, ModelSettings};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::{Vote, argmax, halves, vote};
use crate::orchestrator::{Context, Identity, Task, Upstream};
use crate::report::FoldSection;
use crate::split::Role;
use crate::table::{metrics, predictions, predictions::PredictionRow, summary};

/// The seed of predictions that no draw has a part in.
const NO_SEED: u64 = 0;

/// The evaluation of an ensemble from those of its members, in their order.
pub(super) fn task<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    mut identity: Identity,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let (experiment, unit) = (one.experiment, Unit::of(run.pipeline));
    let utterances = one.utterances(known.inputs()?);
    let Some(folds) = &one.folds else {
        return Err(Error::internal("an ensemble was evaluated without folds"));
    };
    let restricts = run.pipeline.restricts_pools(experiment);
    let mut given = Vec::new();
    for member in experiment.members() {
        let finished = inputs.get(&TaskId::Evaluate(member).to_string())?;
        let mut add = |what: &str, file: &str| {
            let name = format!("{} {what}", finished.task);
            identity.inputs.insert(name, finished.hash(file)?);
            Ok(())
        };
        add("predictions", PREDICTIONS)?;
        add("metrics", METRICS)?;
        // The answers of an inductive member do not depend on pools.
        let is_transductive = finished.names().any(|name| name == RESTRICTED);
        let restricted = match is_transductive {
            true => RESTRICTED,
            false => PREDICTIONS,
        };
        if restricts && is_transductive {
            add("restricted", RESTRICTED)?;
        }
        given.push(Member {
            whole: finished.path(PREDICTIONS),
            restricted: restricts.then(|| finished.path(restricted)),
            metrics: finished.path(METRICS),
        });
    }
    let action =
        move |context: &Context| combine(experiment, utterances, unit, folds, &given, context);
    Ok(Task::new(
        TaskId::Evaluate(&experiment.name),
        identity,
        action,
    ))
}

/// Where the predictions of a member lie.
struct Member {
    whole: PathBuf,
    /// Those with restricted pools, where they are asked for.
    restricted: Option<PathBuf>,
    metrics: PathBuf,
}

/// The predictions of all members, each averaged over its seeds, by fold and utterance.
struct Given<'e> {
    experiment: &'e Experiment,
    labels: Vec<String>,
    members: Vec<BTreeMap<(u32, String), PredictionRow>>,
}

impl<'e> Given<'e> {
    fn read<'p>(
        experiment: &'e Experiment,
        paths: impl Iterator<Item = &'p PathBuf>,
    ) -> Result<Self> {
        let mut given = Given {
            experiment,
            labels: Vec::new(),
            members: Vec::new(),
        };
        for path in paths {
            let (found, rows, _) = predictions::read(path)?;
            if !given.labels.is_empty() && given.labels != found {
                return Err(Error::internal(
                    "two members of an ensemble have different classes",
                ));
            }
            let rows = summary::ensemble(&found, &rows)?;
            given.labels = found;
            given.members.push(
                rows.into_iter()
                    .map(|row| ((row.fold, row.utterance_id.clone()), row))
                    .collect(),
            );
        }
        Ok(given)
    }

    /// The one prediction that the members make together.
    fn together(&self, fold: u32, utterance: &str, truth: &str) -> Result<PredictionRow> {
        let ModelSettings::Ensemble {
            vote: how, weights, ..
        } = &self.experiment.model
        else {
            return Err(Error::internal("what is no ensemble was to be combined"));
        };
        let key = (fold, utterance.to_owned());
        let lacks = || {
            Error::internal(format!(
                "a member of {} did not test {utterance} in fold {fold}",
                self.experiment.name
            ))
        };
        let given = self
            .members
            .iter()
            .map(|rows| rows.get(&key).ok_or_else(lacks))
            .collect::<Result<Vec<_>>>()?;
        let probabilities: Vec<&[f32]> = given
            .iter()
            .map(|row| row.probabilities.as_slice())
            .collect();
        let probabilities = match how {
            Vote::Mean => vote::mean(
                &probabilities,
                (!weights.is_empty()).then_some(weights.as_slice()),
            ),
            Vote::Majority => vote::majority(&probabilities),
        };
        Ok(PredictionRow {
            experiment: self.experiment.name.clone(),
            protocol: self.experiment.protocol.name(),
            fold,
            seed: NO_SEED,
            utterance_id: key.1,
            truth: truth.to_owned(),
            predicted: self
                .labels
                .get(argmax(&probabilities))
                .cloned()
                .unwrap_or_default(),
            probabilities,
        })
    }
}

/// Brings the predictions of the members together, each first averaged over its seeds, and
/// evaluates them like any others.
fn combine(
    experiment: &Experiment,
    utterances: &[Utterance],
    unit: Unit,
    folds: &Folds,
    members: &[Member],
    context: &Context,
) -> Result<()> {
    let whole = Given::read(experiment, members.iter().map(|member| &member.whole))?;
    let ModelSettings::Ensemble { vote: how, .. } = &experiment.model else {
        return Err(Error::internal("what is no ensemble was to be combined"));
    };
    // A vote counts classes; a mean of probabilities estimates one where every member does.
    let mut estimates = *how == Vote::Mean;
    for member in members {
        estimates &= metrics::read(&member.metrics)?
            .iter()
            .any(|figure| figure.metric == ECE);
    }
    let restricted = members
        .iter()
        .map(|member| member.restricted.as_ref())
        .collect::<Option<Vec<_>>>();
    let restricted = restricted
        .map(|paths| Given::read(experiment, paths.into_iter()))
        .transpose()?;
    let given = Members {
        whole,
        restricted,
        estimates,
    };
    let parts = folds.together(experiment).into_iter();
    let parts = parts
        .map(|folds| Ok((found(experiment, utterances, unit, &folds, &given)?, folds)))
        .collect::<Result<Vec<_>>>()?;
    let tested: usize = parts.iter().map(|(found, _)| found.rows.len()).sum();
    if given
        .whole
        .members
        .iter()
        .any(|member| member.len() != tested)
    {
        return Err(Error::internal(format!(
            "the members of {} tested other utterances than its folds say",
            experiment.name
        )));
    }
    evaluate::conclude(experiment, utterances, parts, context)
}

/// The labels and the predictions of an ensemble under a condition, from those of its members; of
/// the utterances that it was tested on, those of which all members have one.
pub(super) fn under_condition(
    experiment: &Experiment,
    tested: &[PredictionRow],
    members: &[PathBuf],
) -> Result<(Vec<String>, Vec<PredictionRow>)> {
    let given = Given::read(experiment, members.iter())?;
    let is_there = |row: &&PredictionRow| {
        let key = (row.fold, row.utterance_id.clone());
        given.members.iter().all(|rows| rows.contains_key(&key))
    };
    let rows = tested.iter().filter(is_there);
    let rows = rows.map(|row| given.together(row.fold, &row.utterance_id, &row.truth));
    let rows = rows.collect::<Result<_>>()?;
    Ok((given.labels, rows))
}

/// The predictions of all members: of the recordings as they are, and where asked for with
/// restricted pools.
struct Members<'e> {
    whole: Given<'e>,
    restricted: Option<Given<'e>>,
    estimates: bool,
}

/// The members' predictions on some folds, together.
fn found(
    experiment: &Experiment,
    utterances: &[Utterance],
    unit: Unit,
    folds: &Folds,
    given: &Members,
) -> Result<Found> {
    let (mut rows, mut sections, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
    for fold in &folds.folds {
        let first = rows.len();
        for (utterance, _) in utterances
            .iter()
            .zip(&fold.roles)
            .filter(|(_, role)| **role == Some(Role::Test))
        {
            rows.push(given.whole.together(
                fold.index,
                &utterance.source.id,
                &utterance.source.emotion,
            )?);
        }
        let scores = figures::score(&given.whole.labels, figures::pairs(&rows[first..]))?;
        metrics.extend(figures::of_fold(experiment, fold.index, NO_SEED, &scores));
        let count = |role: Role| {
            fold.roles
                .iter()
                .filter(|found| **found == Some(role))
                .count()
        };
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
    let restricted = given.restricted.as_ref().map(|restricted| {
        let halves = halves(&given.whole.labels);
        let in_a_half =
            |row: &&PredictionRow| halves.iter().any(|half| half.classes.contains(&row.truth));
        rows.iter()
            .filter(in_a_half)
            .map(|row| restricted.together(row.fold, &row.utterance_id, &row.truth))
            .collect::<Result<Vec<_>>>()
    });
    let remarks = restricted
        .is_some()
        .then(evaluate::transductive)
        .into_iter()
        .collect();
    Ok(Found {
        labels: given.whole.labels.clone(),
        rows,
        unit,
        restricted: restricted.transpose()?,
        folds: sections,
        metrics,
        remarks,
        estimates: given.estimates,
        model: experiment.describe(),
    })
}
