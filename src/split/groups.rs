//! Folds of whole speakers or sessions.

use std::collections::BTreeMap;

use super::assign::{Fold, Item, Tested, by_class};
use super::part::Role;
use super::protocol::listed;
use crate::corpus::UNKNOWN_SPEAKER;
use crate::corpus::known::{Description, EmoBox, FoldPlace, known};
use crate::error::{Error, Result};
use crate::rng;

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
    let groups: Vec<Vec<usize>> = speakers(items).into_values().collect();
    if groups.len() < folds {
        return Err(Error::data(format!("{} speakers cannot fill {folds} folds of whole speakers", groups.len())).hint(
            match groups.len() {
                0 | 1 => "use a corpus with more speakers, or the protocol stratified-kfold (which shares speakers)".to_owned(),
                n => format!("set folds to at most {n}"),
            },
        ));
    }
    Ok(dealt_out(groups, items, folds, seed))
}

/// As [`balanced`], of whole sentences.
pub(super) fn balanced_texts(items: &[Item], folds: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
    let mut texts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut without = 0;
    for (i, item) in items.iter().enumerate() {
        match item.text {
            Some(text) => texts.entry(text).or_default().push(i),
            None => without += 1,
        }
    }
    if without > 0 {
        return Err(Error::data(format!(
            "of {without} of {} utterances the sentence is not known: sentences cannot be kept apart",
            items.len()
        ))
        .hint("fill the manifest's column text_id, or choose a protocol that shares sentences"));
    }
    if texts.len() < folds {
        return Err(Error::data(format!(
            "{} sentences cannot fill {folds} folds of whole sentences",
            texts.len()
        ))
        .hint(format!(
            "ask for at most {} folds of sentences",
            texts.len()
        )));
    }
    Ok(dealt_out(texts.into_values().collect(), items, folds, seed))
}

fn dealt_out(
    mut groups: Vec<Vec<usize>>,
    items: &[Item],
    folds: usize,
    seed: u64,
) -> Vec<Vec<usize>> {
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
    parts
}

/// A fold for each pair of a group of speakers and a group of sentences. Utterances of one of them
/// alone have no part in the fold.
pub(super) fn speakers_and_texts(
    items: &[Item],
    [speaker_folds, text_folds]: [usize; 2],
    seed: u64,
) -> Result<Vec<Fold>> {
    let number = |parts: Vec<Vec<usize>>| {
        let mut numbers = vec![0; items.len()];
        for (fold, part) in parts.into_iter().enumerate() {
            part.into_iter().for_each(|i| numbers[i] = fold);
        }
        numbers
    };
    let speakers = number(balanced(items, speaker_folds, seed)?);
    let texts = number(balanced_texts(items, text_folds, seed)?);
    let fold = |index: usize| {
        let (speaker, text) = (index / text_folds, index % text_folds);
        let role = |i: usize| match (speakers[i] == speaker, texts[i] == text) {
            (true, true) => Some(Role::Test),
            (false, false) => Some(Role::Train),
            _ => None,
        };
        Fold {
            index: index as u32,
            name: format!("speakers {speaker}, sentences {text}"),
            roles: (0..items.len()).map(role).collect(),
        }
    };
    Ok((0..speaker_folds * text_folds).map(fold).collect())
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

/// The folds of a published list for a kind of corpus. Utterances that are not in a list of
/// recordings have no part.
pub(super) fn published(name: &str, of: &str, items: &[Item]) -> Result<Vec<Fold>> {
    let (corpus, list) = list(name, of)?;
    let places: Vec<Option<FoldPlace>> = items
        .iter()
        .map(|item| list.place_of(item.id, item.speaker, item.declared))
        .collect();
    if list.is_by_speaker()
        && let Some((item, _)) = items.iter().zip(&places).find(|(_, place)| place.is_none())
    {
        return Err(Error::data(format!(
            "speaker `{}` is not one of {}'s {}, whose folds `{name}` lists",
            item.speaker,
            corpus.name,
            list.called()
        ))
        .hint("use the protocol group-kfold with other corpora"));
    }
    let fold = |index: u32| {
        let role = |place: &Option<FoldPlace>| {
            Some(match place.as_ref()? {
                FoldPlace::Test(fold) if *fold == index => Role::Test,
                FoldPlace::Validation => Role::Validation,
                FoldPlace::Test(_) | FoldPlace::Training => Role::Train,
            })
        };
        Fold {
            index,
            name: list.fold_name(index),
            roles: places.iter().map(role).collect(),
        }
    };
    let folds: Vec<Fold> = (0..list.folds).map(fold).collect();
    if let Some(empty) = folds.iter().find(|fold| fold.count(Role::Test) == 0) {
        let who = if list.is_by_speaker() {
            &empty.name
        } else {
            "recordings"
        };
        return Err(Error::data(format!(
            "none of the {who} is there, whom fold {} of `{name}` tests",
            empty.index + 1
        ))
        .hint(format!(
            "take all of {}, or use another protocol",
            corpus.name
        )));
    }
    Ok(folds)
}

fn list(name: &str, of: &str) -> Result<(&'static Description, &'static EmoBox)> {
    let of = if of.is_empty() { "ravdess" } else { of };
    let found = known(of).zip(listed(of)).filter(|_| name == "emobox");
    found.ok_or_else(|| {
        Error::config(format!("`{name}` is not a published list of folds of {of}"))
            .hint("the known one is `emobox`; `ser corpus list` says for which corpora")
    })
}

/// A warning where speakers or recordings of the published folds are not there.
pub(super) fn absent(name: &str, of: &str, items: &[Item]) -> Option<String> {
    let (_, list) = list(name, of).ok()?;
    let absent = list.absent(items.iter().map(|item| (item.id, item.speaker)));
    let what = match (&absent[..], list.is_by_speaker()) {
        ([], _) => return None,
        (all, true) => format!("{} {}", list.called(), all.join(" ")),
        ([first, ..], false) => format!("{} of its recordings, such as {first},", absent.len()),
    };
    Some(format!(
        "the folds of `{name}` are not complete: {what} are not there"
    ))
}
