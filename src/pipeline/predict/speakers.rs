//! Models that scale every speaker by all of the speaker's clips: all are read before anything is
//! said of one.

use std::collections::BTreeMap;

use super::loader::Predictor;
use super::pool::{Outcome, Wanted, WorkerPool};
use super::run::CHUNK;
use super::sources::{Clip, Item};
use super::sources::{RejectReason, Rejected};
use super::worker::Views;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::orchestrator::Observer;
use crate::transform::standardise_speaker;

/// Excludes the clips without a speaker.
pub(super) fn require_speakers(items: &mut [Item]) {
    for item in items {
        if let Ok(Clip { speaker: None, .. }) = item {
            let name = item.as_ref().map(Clip::name).unwrap_or_default();
            let error = Error::data(format!(
                "{name} has no speaker, and the model scales each speaker by their own clips"
            ));
            *item = Err(Rejected::new(
                name,
                RejectReason::NoSpeaker,
                error.hint("fill the column speaker of the manifest"),
            ));
        }
    }
}

/// The outcome of every clip, in order; each speaker's clips (and windows of them) are scaled by
/// each other. Holds the rows of some speakers at a time, and what came of all clips.
pub(super) fn by_speaker(
    predictor: &Predictor,
    clips: &[&Clip],
    one_speaker: bool,
    pool: &WorkerPool,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Vec<Outcome>> {
    let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, clip) in clips.iter().enumerate() {
        let speaker = if one_speaker {
            ""
        } else {
            clip.speaker.as_deref().unwrap_or_default()
        };
        speakers.entry(speaker).or_default().push(i);
    }
    let mut outcomes: Vec<Option<Outcome>> = clips.iter().map(|_| None).collect();
    let (mut lonely, mut waiting) = (0u64, Vec::new());
    let mut speakers = speakers.into_values().peekable();
    while let Some(speaker) = speakers.next() {
        waiting.push(speaker);
        if waiting.iter().map(Vec::len).sum::<usize>() < CHUNK && speakers.peek().is_some() {
            continue;
        }
        let places: Vec<usize> = waiting.iter().flatten().copied().collect();
        let together: Vec<&Clip> = places.iter().map(|i| clips[*i]).collect();
        for (i, outcome) in places.into_iter().zip(pool.each(&together, Wanted::Rows)) {
            outcomes[i] = outcome;
        }
        cancel.check()?;
        for speaker in waiting.drain(..) {
            lonely += u64::from(scale(predictor, &speaker, &mut outcomes, pool)? == 1);
        }
    }
    if lonely > 0 {
        observer.warn(format!("speakers with a single clip: {lonely}. It is scaled by itself, so that its features carry no information"));
    }
    outcomes
        .into_iter()
        .map(|outcome| outcome.ok_or_else(|| Error::internal("a recording without a result")))
        .collect()
}

/// Scales the rows of a speaker's clips, those of changed copies kind by kind, and classifies
/// them; returns how many clips there are.
fn scale(
    predictor: &Predictor,
    speaker: &[usize],
    outcomes: &mut [Option<Outcome>],
    pool: &WorkerPool,
) -> Result<usize> {
    let mut views: Vec<(f64, Views)> = Vec::new();
    for i in speaker {
        if let Some(Ok(found)) = &mut outcomes[*i] {
            views.extend(
                found
                    .iter_mut()
                    .map(|one| (one.duration_s(), std::mem::take(&mut one.views))),
            );
        }
    }
    let Some(kinds) = views.first().map(|(_, first)| first.copies.len()) else {
        return Ok(0);
    };
    let names = &predictor.models[0].info.feature_names;
    let columns = predictor.inputs().shape(names.len()).columns();
    standardise(views.iter_mut().map(|(_, views)| &mut views.own), columns);
    for kind in 0..kinds {
        standardise(
            views
                .iter_mut()
                .filter_map(|(_, views)| views.copies[kind].as_mut()),
            columns,
        );
    }
    let count = views.len();
    let mut outputs = pool.classify(&views)?.into_iter();
    for i in speaker {
        if let Some(Ok(found)) = &mut outcomes[*i] {
            found
                .iter_mut()
                .zip(outputs.by_ref())
                .for_each(|(one, output)| one.take(output));
        }
    }
    Ok(count)
}

fn standardise<'r>(rows: impl Iterator<Item = &'r mut Vec<f32>>, columns: usize) {
    let places: Vec<&mut Vec<f32>> = rows.collect();
    let (mut values, places): (Vec<Vec<f32>>, Vec<_>) = places
        .into_iter()
        .map(|place| (std::mem::take(place), place))
        .unzip();
    standardise_speaker(&mut values, columns);
    places
        .into_iter()
        .zip(values)
        .for_each(|(place, row)| *place = row);
}
