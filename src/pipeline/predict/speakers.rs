//! Models that scale every speaker by all of the speaker's clips: all are heard before anything is said of one.

use std::collections::BTreeMap;

use super::faults::{Bad, Fault};
use super::listen::{Heard, Listeners, Outcome, Wanted};
use super::loader::Predictor;
use super::run::CHUNK;
use super::sources::{Clip, Item};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::orchestrator::Observer;
use crate::transform::standardise_speaker;

/// Sets aside the clips of which nobody says who speaks.
pub(super) fn require_speakers(items: &mut [Item]) {
    for item in items {
        if let Ok(Clip { speaker: None, .. }) = item {
            let name = item.as_ref().map(Clip::name).unwrap_or_default();
            let error = Error::data(format!("{name} has no speaker, and the model scales each speaker by the own clips"));
            *item = Err(Bad::new(name, Fault::NoSpeaker, error.hint("fill the column speaker of the manifest")));
        }
    }
}

/// The outcome of every clip, in order; each speaker's clips (and windows of them) are scaled by each other. Holds the rows of some speakers at
/// a time, and what came of all clips.
pub(super) fn by_speaker(
    predictor: &Predictor,
    clips: &[&Clip],
    one_speaker: bool,
    listeners: &Listeners,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Vec<Outcome>> {
    let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, clip) in clips.iter().enumerate() {
        let speaker = if one_speaker { "" } else { clip.speaker.as_deref().unwrap_or_default() };
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
        for (i, outcome) in places.into_iter().zip(listeners.each(&together, Wanted::Rows)) {
            outcomes[i] = outcome;
        }
        cancel.check()?;
        for speaker in waiting.drain(..) {
            lonely += u64::from(scale(predictor, &speaker, &mut outcomes, listeners)? == 1);
        }
    }
    if lonely > 0 {
        observer.warn(format!("speakers with a single clip: {lonely}. It is scaled by itself, so that nothing is left of it to judge"));
    }
    outcomes.into_iter().map(|outcome| outcome.ok_or_else(|| Error::internal("a recording that nobody heard"))).collect()
}

/// Scales the rows of a speaker's clips, and puts what the models say of them in their place; returns how many there are.
fn scale(predictor: &Predictor, speaker: &[usize], outcomes: &mut [Option<Outcome>], listeners: &Listeners) -> Result<usize> {
    let mut rows = Vec::new();
    for i in speaker {
        if let Some(Ok(heard)) = &mut outcomes[*i] {
            rows.extend(heard.iter_mut().map(|one| std::mem::take(&mut one.probabilities)));
        }
    }
    if rows.is_empty() {
        return Ok(0);
    }
    standardise_speaker(&mut rows, predictor.inputs().shape(predictor.columns.len()).columns());
    listeners.classify(&mut rows)?;
    let count = rows.len();
    let mut rows = rows.into_iter();
    for i in speaker {
        if let Some(Ok(heard)) = &mut outcomes[*i] {
            heard.iter_mut().zip(rows.by_ref()).for_each(|(one, row): (&mut Heard, Vec<f32>)| one.probabilities = row);
        }
    }
    Ok(count)
}
