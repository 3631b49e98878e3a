//! The validation part: out of the training rows, and out of nothing else.

use std::collections::BTreeSet;

use super::assign::{Fold, Item};
use super::part::Role;
use super::stratified::stratified_part;
use crate::error::{Error, Result};
use crate::rng;

/// Streams of a seed: 0 draws folds, 1 the order of speakers, the rest the validation part of each
/// fold.
const SPEAKERS: u64 = 1;
const FIRST_FOLD: u64 = 2;

/// Turns about `share` of the fold's training rows into validation rows: whole speakers or a
/// stratified random part.
pub(super) fn set_aside(
    fold: &mut Fold,
    items: &[Item],
    share: f64,
    whole_speakers: bool,
    seed: u64,
) -> Result<()> {
    let training = || (0..items.len()).filter(|&i| fold.roles[i] == Some(Role::Train));
    let part: Vec<usize> = if whole_speakers {
        let chosen = speakers(fold, items, share, seed)?;
        training()
            .filter(|&i| chosen.contains(items[i].speaker))
            .collect()
    } else {
        stratified_part(
            items,
            training(),
            share,
            seed,
            FIRST_FOLD + u64::from(fold.index),
        )
        .ok_or_else(|| {
            Error::data(format!(
                "{} trains on one utterance per class: none can be set aside for validation",
                fold.name
            ))
            .hint("train without validation or use a larger corpus")
        })?
    };
    part.into_iter()
        .for_each(|i| fold.roles[i] = Some(Role::Validation));
    Ok(())
}

/// The speakers to validate on. Their order is drawn once, and each fold goes on in it where the
/// fold before stopped, so that over the folds everyone has a turn.
fn speakers<'a>(
    fold: &Fold,
    items: &[Item<'a>],
    share: f64,
    seed: u64,
) -> Result<BTreeSet<&'a str>> {
    let all: BTreeSet<&str> = items.iter().map(|item| item.speaker).collect();
    let trained: BTreeSet<&str> = items
        .iter()
        .zip(&fold.roles)
        .filter(|(_, role)| **role == Some(Role::Train))
        .map(|(item, _)| item.speaker)
        .collect();
    if trained.len() < 2 {
        return Err(Error::data(format!(
            "{} trains on one speaker: none can be set aside for validation",
            fold.name
        ))
        .hint("train without validation, or choose a protocol with more training speakers"));
    }
    let mut order: Vec<&str> = all.into_iter().collect();
    rng::shuffle(&mut order, &mut rng::numbered(seed, SPEAKERS));
    order.retain(|speaker| trained.contains(speaker));
    let n = ((order.len() as f64 * share).round() as usize).clamp(1, order.len() - 1);
    let start = fold.index as usize * n;
    Ok((0..n).map(|i| order[(start + i) % order.len()]).collect())
}
