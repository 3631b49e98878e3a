//! Checks of an ensemble: experiments of the same file, on the same folds.

use std::ops::Range;

use toml::Spanned;

use super::check::{Context, span};
use super::raw::{RawExperiment, RawModel};
use super::texts::{shorten, suggestion};
use super::validated::{Experiment, ModelSettings};
use crate::error::Result;
use crate::evaluation::Vote;

/// The settings as far as they can be checked without the other experiments.
pub(super) fn model(raw: RawModel, place: &Range<usize>, context: &Context<'_>) -> Result<ModelSettings> {
    let Some(members) = raw.members else {
        let error = context.texts.error(place, "an ensemble needs the key `members`");
        return Err(error.hint("members = [\"a\", \"b\"], by the names of other experiments of this file"));
    };
    let all = members.span();
    let members: Vec<String> = members.into_inner().into_iter().map(Spanned::into_inner).collect();
    if members.len() < 2 {
        let error = context.texts.error(&all, format!("an ensemble of {} makes no sense", members.len()));
        return Err(error.hint("name at least two experiments"));
    }
    let vote = raw.vote.map_or(Vote::Mean, Spanned::into_inner);
    let mut weights = Vec::new();
    if let Some(raw) = raw.weights {
        let place = raw.span();
        if vote == Vote::Majority {
            let error = context.texts.error(&place, "a majority has no weights: each member has one vote");
            return Err(error.hint("remove them, or choose vote = \"mean\""));
        }
        for weight in raw.into_inner() {
            weights.push(context.real("weights", &weight, |x| x > 0.0, "above 0")?);
        }
        if weights.len() != members.len() {
            let message = format!("{} weights for {} members", weights.len(), members.len());
            return Err(context.texts.error(&place, message).hint("write one weight for each member, in their order"));
        }
    }
    Ok(ModelSettings::Ensemble { members, vote, weights })
}

/// Refuses what belongs to a training.
pub(super) fn refuse_training(raw: &RawExperiment, context: &Context<'_>) -> Result<()> {
    // The table of inputs has no place of its own; its keys are refused by the name of the model.
    let inputs = raw.inputs.is_some().then(|| raw.model.span());
    for (key, place) in
        [("inputs", inputs), ("validation", span(&raw.validation)), ("train", span(&raw.train)), ("seeds", span(&raw.seeds))]
    {
        if let Some(place) = place {
            let error = context.texts.error(&place, format!("an ensemble is not trained: `{key}` belongs to its members"));
            return Err(error.hint(format!("remove `{key}` from this experiment")));
        }
    }
    Ok(())
}

/// Members must be there, be no ensembles, and have the folds of the ensemble.
pub(super) fn check_members(
    ensemble: &Experiment,
    members: &Spanned<Vec<Spanned<String>>>,
    experiments: &[Experiment],
    context: &Context<'_>,
) -> Result<()> {
    let others: Vec<&str> = experiments.iter().filter(|e| e.members().is_empty()).map(|e| e.name.as_str()).collect();
    for (i, member) in members.get_ref().iter().enumerate() {
        let (name, place) = (member.get_ref(), member.span());
        if members.get_ref()[..i].iter().any(|earlier| earlier.get_ref() == name) {
            return Err(context.texts.error(&place, format!("the member `{}` stands here twice", shorten(name))));
        }
        let Some(found) = experiments.iter().find(|e| e.name == *name) else {
            let error = context.texts.error(&place, format!("there is no experiment `{}` in this file", shorten(name)));
            return Err(error.hint(suggestion(name, "experiments", &others)));
        };
        if !found.members().is_empty() {
            let error = context.texts.error(&place, format!("`{name}` is an ensemble itself: only what is trained can be a member"));
            return Err(error.hint(suggestion(name, "experiments", &others)));
        }
        if found.protocol != ensemble.protocol {
            let (theirs, ours) = (found.protocol.name(), ensemble.protocol.name());
            let error = context.texts.error(&place, format!("`{name}` has the protocol {theirs}, this ensemble has {ours}"));
            return Err(error.hint("an ensemble and its members have the same protocol, so that they test the same folds"));
        }
        if found.split_seed != ensemble.split_seed {
            let (theirs, ours) = (found.split_seed, ensemble.split_seed);
            let error = context.texts.error(&place, format!("`{name}` has split_seed = {theirs}, this ensemble has {ours}"));
            return Err(error.hint("an ensemble and its members have the same split_seed, so that they test the same folds"));
        }
    }
    Ok(())
}
