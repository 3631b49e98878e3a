//! The search of an experiment, within the training part of one fold: every candidate is judged on
//! rows that it was not fitted on, and none of them is a test row.

use std::collections::BTreeMap;

use super::fit::{fit_inner_network, is_standardised};
use super::inputs::{Job, Rows, variants};
use super::windows::Unit;
use crate::config::{Candidate, Experiment, ModelSettings, Search, SearchMetric};
use crate::error::Result;
use crate::evaluation::{Scores, argmax};
use crate::model::{FitContext, NetSpec, PairwiseDistances};
use crate::orchestrator::Context;
use crate::report::{SearchSection, TriedSetting};
use crate::split::{Grouping, Part, Parts, Training, Validation};
use crate::transform::{Scaler, finish_row};

/// An experiment without open questions, and how they were answered.
pub(super) struct Settled {
    pub experiment: Experiment,
    pub section: SearchSection,
}

/// Tries every candidate on inner folds of the training part, with the scaler fitted anew in each,
/// and settles on the first of the best.
pub(super) fn settle(job: &Job, search: &Search, context: &Context) -> Result<Settled> {
    let (experiment, unit) = (job.experiment, Unit::of(job.pipeline));
    let candidates = search
        .grid
        .candidates(&experiment.model, &experiment.inputs);
    let all = (candidates.len() * search.folds) as u64;
    let mut done = 0;
    let mut tried: Vec<Option<TriedSetting>> = candidates.iter().map(|_| None).collect();
    let mut seen = Vec::new();
    for Candidate { inputs, .. } in &candidates {
        if seen.contains(inputs) {
            continue;
        }
        seen.push(*inputs);
        let own: Vec<usize> = (0..candidates.len())
            .filter(|&i| candidates[i].inputs == *inputs)
            .collect();
        let viewed = Experiment {
            inputs: *inputs,
            ..experiment.clone()
        };
        let rows = Rows::read(&Job {
            experiment: &viewed,
            ..*job
        })?;
        let data = rows.dataset(job.utterances, &viewed)?;
        let variants = variants(&Job {
            experiment: &viewed,
            ..*job
        })?;
        let train = Parts::of(&data, &job.fold.roles)
            .train
            .keep_together(|id| unit.id(id));
        let mut judgements: Vec<Vec<Judgement>> = own.iter().map(|_| Vec::new()).collect();
        for (fitted, judged) in train.inner_folds(search.folds, search.by, experiment.split_seed)? {
            let fitted = fitted.with_variants(&variants)?;
            let scaler = Scaler::fit(inputs.scaler, &fitted);
            let scaled = |row: &mut [f32]| {
                scaler.apply_row(row);
                finish_row(row, inputs);
            };
            let (fitted, judged) = (fitted.map_rows(scaled), judged.map_rows(scaled));
            let shared = shared(&experiment.model, &fitted, context)?;
            for (&i, judgements) in own.iter().zip(&mut judgements) {
                context.cancel.check()?;
                judgements.push(judge(
                    job,
                    &candidates[i],
                    &fitted,
                    &judged,
                    shared.as_ref(),
                    context,
                )?);
                done += 1;
                context.progress(done, all, "fits of the search", String::new());
            }
        }
        for (i, judgements) in own.into_iter().zip(judgements) {
            let score = |judgements: &[Judgement]| value(search.metric, &data.labels, judgements);
            let by_fold = judgements
                .iter()
                .map(|one| score(std::slice::from_ref(one)))
                .collect();
            tried[i] = Some(TriedSetting {
                settings: candidates[i].settings.clone(),
                score: score(&judgements),
                by_fold,
            });
        }
    }
    let tried: Vec<TriedSetting> = tried.into_iter().flatten().collect();
    let chosen = (0..tried.len()).fold(0, |best, i| {
        if tried[i].score > tried[best].score {
            i
        } else {
            best
        }
    });
    let Candidate { model, inputs, .. } = candidates[chosen].clone();
    let by = match search.by {
        Grouping::Speaker => "speaker",
        Grouping::Utterance => "utterance",
    };
    let section = SearchSection {
        folds: search.folds,
        by: by.to_owned(),
        metric: search.metric.name().to_owned(),
        tried,
        chosen,
    };
    Ok(Settled {
        experiment: Experiment {
            model,
            inputs,
            search: None,
            ..experiment.clone()
        },
        section,
    })
}

/// Truth and prediction of every row of an inner fold.
type Judgement = Vec<(usize, usize)>;

/// What the candidates of a support vector machine share.
fn shared(
    model: &ModelSettings,
    fitted: &Part<Training>,
    context: &Context,
) -> Result<Option<PairwiseDistances>> {
    match model {
        ModelSettings::Svm(settings) => {
            PairwiseDistances::of(settings.kernel, fitted, context.cancel).map(Some)
        }
        _ => Ok(None),
    }
}

fn judge(
    job: &Job,
    candidate: &Candidate,
    fitted: &Part<Training>,
    judged: &Part<Validation>,
    shared: Option<&PairwiseDistances>,
    context: &Context,
) -> Result<Judgement> {
    let predicted = match candidate.model.classical() {
        Some(settings) => {
            let context = FitContext {
                seed: job.seed,
                standardised: is_standardised(&candidate.inputs),
                distances: shared,
                ..FitContext::new(context.cancel)
            };
            settings
                .fit(fitted, context)?
                .classes(&judged.x().gather())?
        }
        None => {
            let experiment = &Experiment {
                inputs: candidate.inputs,
                ..job.experiment.clone()
            };
            let network = fit_inner_network(&Job { experiment, ..*job }, fitted, context)?;
            let (n_features, n_classes) = (fitted.x().cols(), fitted.n_classes());
            let layers = network.layers;
            let spec = || NetSpec {
                layers,
                n_features,
                n_classes,
            };
            let probabilities = network
                .weights
                .classifier(spec)?
                .probabilities(&judged.x().gather())?;
            probabilities.chunks(n_classes).map(argmax).collect()
        }
    };
    Ok(judged.y().iter().copied().zip(predicted).collect())
}

fn value(metric: SearchMetric, labels: &[String], judgements: &[Judgement]) -> f64 {
    let (truth, predicted): (Vec<usize>, Vec<usize>) = judgements.iter().flatten().copied().unzip();
    let scores = Scores::of(labels, &truth, &predicted);
    match metric {
        SearchMetric::Uar => scores.uar,
        SearchMetric::Accuracy => scores.accuracy,
        SearchMetric::MacroF1 => scores.macro_f1,
    }
}

/// What a model's card says of the search.
pub(super) fn provenance(section: &SearchSection) -> BTreeMap<String, String> {
    let line = |tried: &TriedSetting| format!("{}: {:.4}", tried.describe(), tried.score);
    let mut said = BTreeMap::from([
        ("search.metric".to_owned(), section.metric.clone()),
        (
            "search.inner_folds".to_owned(),
            format!("{} by {}", section.folds, section.by),
        ),
        (
            "search.tried".to_owned(),
            section
                .tried
                .iter()
                .map(line)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]);
    if let Some(chosen) = section.tried.get(section.chosen) {
        said.insert("search.chosen".to_owned(), line(chosen));
    }
    said
}
