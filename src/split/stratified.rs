//! Parts that hold each class in the proportion of the whole.

use super::assign::{Item, by_class};
use crate::rng;

/// Deals the utterances out like cards, class after class: every class is spread as evenly as it
/// can be, and so is the whole.
pub(super) fn stratified_folds(items: &[Item], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut draw = rng::numbered(seed, 0);
    let mut parts = vec![Vec::new(); folds];
    let mut card = 0;
    for mut members in by_class(items, 0..items.len()).into_values() {
        rng::shuffle(&mut members, &mut draw);
        for i in members {
            parts[card % folds].push(i);
            card += 1;
        }
    }
    parts
}

/// A random part of about `share` of the indices `among`, by class in proportion (largest
/// remainders first), that leaves at least one utterance of every class behind. `None` where that
/// leaves nothing to take.
pub(super) fn stratified_part(
    items: &[Item],
    among: impl Iterator<Item = usize>,
    share: f64,
    seed: u64,
    purpose: u64,
) -> Option<Vec<usize>> {
    let mut draw = rng::numbered(seed, purpose);
    let mut classes: Vec<Vec<usize>> = by_class(items, among).into_values().collect();
    classes
        .iter_mut()
        .for_each(|members| rng::shuffle(members, &mut draw));

    let all: usize = classes.iter().map(Vec::len).sum();
    let most: usize = classes.iter().map(|members| members.len() - 1).sum();
    if most == 0 {
        return None;
    }
    let wanted = ((all as f64 * share).round() as usize).clamp(1, most);
    let exact = |members: &[usize]| members.len() as f64 * share;
    let mut quotas: Vec<usize> = classes
        .iter()
        .map(|members| (exact(members) as usize).min(members.len() - 1))
        .collect();
    let mut by_remainder: Vec<usize> = (0..classes.len()).collect();
    by_remainder.sort_by(|&a, &b| {
        exact(&classes[b])
            .fract()
            .total_cmp(&exact(&classes[a]).fract())
    });
    // The sum of the floors is at most the wanted number, but for a part that is all but
    // everything.
    while quotas.iter().sum::<usize>() < wanted {
        let missing = wanted - quotas.iter().sum::<usize>();
        let open: Vec<usize> = by_remainder
            .iter()
            .copied()
            .filter(|&c| quotas[c] < classes[c].len() - 1)
            .collect();
        open.into_iter().take(missing).for_each(|c| quotas[c] += 1);
    }
    Some(
        classes
            .into_iter()
            .zip(quotas)
            .flat_map(|(members, quota)| members.into_iter().take(quota))
            .collect(),
    )
}
