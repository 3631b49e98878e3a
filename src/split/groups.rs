//! Folds of whole speakers or sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::{Item, Tested, by_class};
use crate::corpus::UNKNOWN_SPEAKER;
use crate::error::{Error, Result};
use crate::rng;

/// EmoBox's six test folds of RAVDESS by actor (arXiv 2406.07162).
pub(super) const EMOBOX: [[u8; 4]; 6] = [
    [1, 11, 20, 21],
    [4, 10, 12, 14],
    [8, 9, 19, 23],
    [3, 5, 7, 24],
    [2, 15, 16, 18],
    [6, 13, 17, 22],
];

fn speakers<'a>(items: &[Item<'a>]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    items
        .iter()
        .enumerate()
        .for_each(|(i, item)| speakers.entry(item.speaker).or_default().push(i));
    speakers
}

/// Refuses to take utterances for those of one person of which nobody knows who speaks.
fn all_known(items: &[Item]) -> Result<()> {
    match items.iter().filter(|item| item.speaker == UNKNOWN_SPEAKER).count() {
        0 => Ok(()),
        n => Err(Error::data(format!("of {n} of {} utterances the speaker is not known: they cannot be kept apart", items.len())).hint(
            "fill the manifest's column speaker, remove these rows, or choose the protocol stratified-kfold (which shares speakers)",
        )),
    }
}

/// Whole speakers, the largest first, each into the fold that is the smallest so far; among equals
/// into the one where classes stay the most even. The seed decides between speakers of the same
/// size.
pub(super) fn balanced(items: &[Item], folds: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
    all_known(items)?;
    let mut groups: Vec<Vec<usize>> = speakers(items).into_values().collect();
    if groups.len() < folds {
        return Err(Error::data(format!("{} speakers cannot fill {folds} folds of whole speakers", groups.len())).hint(
            match groups.len() {
                0 | 1 => "use a corpus with more speakers, or the protocol stratified-kfold (which shares speakers)".to_owned(),
                n => format!("set folds to at most {n}"),
            },
        ));
    }
    rng::shuffle(&mut groups, &mut rng::numbered(seed, 0));
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));

    let classes: Vec<String> = by_class(items, 0..items.len()).into_keys().collect();
    let count =
        |group: &[usize], class: &str| group.iter().filter(|&&i| items[i].label == class).count();
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); folds];
    let mut counts = vec![vec![0; classes.len()]; folds];
    for group in groups {
        let adds: Vec<usize> = classes.iter().map(|class| count(&group, class)).collect();
        let unevenness = |fold: usize| -> usize {
            counts[fold]
                .iter()
                .zip(&adds)
                .map(|(had, add)| (had + add).pow(2))
                .sum()
        };
        let Some(best) = (0..folds).min_by_key(|&fold| (parts[fold].len(), unevenness(fold)))
        else {
            break;
        };
        counts[best]
            .iter_mut()
            .zip(&adds)
            .for_each(|(had, add)| *had += add);
        parts[best].extend(group);
    }
    Ok(parts)
}

pub(super) fn leave_one_speaker_out(items: &[Item]) -> Result<Vec<Tested>> {
    all_known(items)?;
    let speakers = speakers(items);
    if speakers.len() < 2 {
        return Err(Error::data("the corpus has one speaker: leaving one speaker out leaves nobody to train on")
            .hint("use a corpus with more speakers, or the protocol stratified-kfold (which shares speakers)"));
    }
    Ok(speakers
        .into_iter()
        .map(|(name, part)| (format!("speaker {name}"), part))
        .collect())
}

pub(super) fn leave_one_session_out(items: &[Item]) -> Result<Vec<Tested>> {
    let mut sessions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut without = 0;
    for (i, item) in items.iter().enumerate() {
        match item.session {
            Some(session) => sessions.entry(session).or_default().push(i),
            None => without += 1,
        }
    }
    let hint = "use the protocol leave-one-speaker-out or group-kfold";
    if without > 0 {
        return Err(Error::data(format!(
            "{without} of {} utterances have no session",
            items.len()
        ))
        .hint(hint));
    }
    if sessions.len() < 2 {
        return Err(Error::data(
            "the corpus has one session: leaving one session out leaves nothing to train on",
        )
        .hint(hint));
    }
    Ok(sessions
        .into_iter()
        .map(|(name, part)| (format!("session {name}"), part))
        .collect())
}

/// The actor's number in a RAVDESS speaker name: `07`, `7` or `Actor_07`.
fn actor(speaker: &str) -> Option<u8> {
    let digits = speaker.strip_prefix("Actor_").unwrap_or(speaker);
    let number = if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()?
    } else {
        return None;
    };
    (1..=24).contains(&number).then_some(number)
}

pub(super) fn published(name: &str, items: &[Item]) -> Result<Vec<Tested>> {
    if name != "emobox" {
        return Err(
            Error::config(format!("`{name}` is not a published list of folds"))
                .hint("the known one is `emobox` (RAVDESS, six folds)"),
        );
    }
    let mut parts = vec![Vec::new(); EMOBOX.len()];
    for (i, item) in items.iter().enumerate() {
        let fold = actor(item.speaker)
            .and_then(|actor| EMOBOX.iter().position(|actors| actors.contains(&actor)));
        let fold = fold.ok_or_else(|| {
            Error::data(format!(
                "speaker `{}` is not one of RAVDESS's actors 01 to 24, whose folds `emobox` lists",
                item.speaker
            ))
            .hint("use the protocol group-kfold with other corpora")
        })?;
        parts[fold].push(i);
    }
    let name = |actors: &[u8; 4]| format!("actors {}", actors.map(|a| format!("{a:02}")).join(" "));
    if let Some(empty) = parts.iter().position(Vec::is_empty) {
        return Err(Error::data(format!(
            "none of the {} is there, whom fold {} of `emobox` tests",
            name(&EMOBOX[empty]),
            empty + 1
        ))
        .hint("unpack all 24 actors of RAVDESS, or use the protocol group-kfold"));
    }
    Ok(EMOBOX.iter().map(name).zip(parts).collect())
}

/// A warning where actors of the published folds are not there.
pub(super) fn absent(name: &str, items: &[Item]) -> Option<String> {
    let there: BTreeSet<u8> = items
        .iter()
        .filter_map(|item| actor(item.speaker))
        .collect();
    let absent: Vec<String> = (1..=24)
        .filter(|actor| !there.contains(actor))
        .map(|actor| format!("{actor:02}"))
        .collect();
    (!absent.is_empty()).then(|| {
        format!(
            "the folds of `{name}` are not complete: actors {} are not there",
            absent.join(" ")
        )
    })
}
