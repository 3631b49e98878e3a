//! Experiments that a run leaves out, because an optional encoder is not there.

use serde::Serialize;

use crate::config::{EncoderSettings, Experiment, Pipeline};
use crate::encoder::how_to_get;
use crate::error::{Error, Kind, Result};

/// An experiment that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub experiment: String,
    /// What is missing, and how to get it.
    pub why: String,
}

/// The experiments that would run by default and are left out: those whose encoder is `optional` and
/// not there, and ensembles of them. One that is named, by itself or as a member, is not left out.
pub fn left_out(pipeline: &Pipeline, names: &[String]) -> Vec<LeftOut> {
    let chosen = pipeline.select(names).unwrap_or_default();
    let is_named = |one: &Experiment| {
        let named = pipeline
            .experiments
            .iter()
            .filter(|e| names.contains(&e.name));
        let mut named = named.filter(|e| e.name == one.name || e.members().contains(&one.name));
        named.next().is_some()
    };
    let mut left: Vec<LeftOut> = Vec::new();
    let unnamed = || chosen.iter().filter(|one| !is_named(one));
    for one in unnamed() {
        left.extend(missing(pipeline, one).map(|why| LeftOut {
            experiment: one.name.clone(),
            why,
        }));
    }
    for one in unnamed() {
        let is_left = |member: &&String| left.iter().any(|other| other.experiment == **member);
        if let Some(member) = one.members().iter().find(is_left) {
            let why = format!("its member {member} is left out");
            left.push(LeftOut {
                experiment: one.name.clone(),
                why,
            });
        }
    }
    left
}

/// What an experiment lacks, where its encoder may be missing and is.
fn missing(pipeline: &Pipeline, experiment: &Experiment) -> Option<String> {
    let source = pipeline.features.encoder(experiment.inputs.set)?;
    let name = source.name();
    let is_it = |one: &&EncoderSettings| one.name == name.as_str();
    let settings = pipeline.encoders.iter().find(is_it)?;
    let error = settings.optional.then(|| source.describe().err())??;
    (error.kind() == Kind::Missing).then(|| {
        let get = how_to_get(name.as_str(), source.path());
        format!("{error} ({get})")
    })
}

/// The experiments that run: those that are chosen, without those that are left out.
///
/// # Errors
/// As [`Pipeline::select`]; `Missing` where all of them are left out.
pub(super) fn runnable<'p>(
    pipeline: &'p Pipeline,
    names: &[String],
) -> Result<Vec<&'p Experiment>> {
    let left = left_out(pipeline, names);
    let mut chosen = pipeline.select(names)?;
    chosen.retain(|one| left.iter().all(|other| other.experiment != one.name));
    match left.first().filter(|_| chosen.is_empty()) {
        Some(LeftOut { experiment, why }) => {
            let error = Error::missing(format!("no experiment can run: {experiment}: {why}"));
            Err(error.hint("docs/encoders.md says how encoders are got"))
        }
        None => Ok(chosen),
    }
}
