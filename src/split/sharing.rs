//! What train and test share, counted: the same voices, the same sentences, the same sessions, the
//! same sounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::assign::{Fold, Item};
use super::part::Role;
use super::speakers::TestSpeakers;
use crate::corpus::{Attribute, NOT_CONFIRMED, UNKNOWN_SPEAKER, variants};

/// What the test part of one fold has in common with what its model was trained or chosen on
/// (training and validation parts).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Tested utterances.
    pub test_utterances: usize,
    /// Speakers of the test part.
    pub test_speakers: usize,
    /// Of these, the ones that are trained on.
    pub shared_speakers: usize,
    /// Tested utterances whose speaker is not known.
    #[serde(default)]
    pub test_without_speaker: usize,
    /// Utterances trained on whose speaker is not known.
    #[serde(default)]
    pub train_without_speaker: usize,
    /// Sentences of the test part, as far as the corpus names them.
    pub test_texts: usize,
    /// Of these, the ones that are trained on.
    pub shared_texts: usize,
    /// Tested utterances whose sentence is not known.
    pub test_without_text: usize,
    /// Utterances trained on whose sentence is not known.
    pub train_without_text: usize,
    /// Recording sessions of the test part, as far as the corpus names them.
    pub test_sessions: usize,
    /// Of these, the ones that are trained on.
    pub shared_sessions: usize,
    /// Tested utterances whose session is not known.
    pub test_without_session: usize,
    /// Utterances trained on whose session is not known.
    pub train_without_session: usize,
    /// Tested utterances whose very sound is trained on, under whatever name.
    pub shared_duplicates: usize,
    /// Tested utterances of which a copy with other samples is trained on; `None` where nobody has
    /// looked for such copies.
    pub shared_near: Option<usize>,
    /// Tested utterances that are cut from a recording of which another part is trained on; `None`
    /// where each recording is one utterance.
    #[serde(default)]
    pub shared_recordings: Option<usize>,
    /// Of these, the ones that overlap with what is trained on: some of their sound is the same.
    #[serde(default)]
    pub shared_overlaps: Option<usize>,
    /// Tested recordings whose sound, or another version of it, is trained on, as far as was
    /// looked: see [`on_both_sides`].
    #[serde(skip)]
    pub both_sides: usize,
    /// Test speakers that are not trained on by name, but under another spelling of it: see
    /// [`respelt_speakers`].
    #[serde(skip)]
    pub respelt_speakers: usize,
}

/// Where an utterance lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch<'a> {
    /// The recording.
    pub path: &'a str,
    /// Seconds.
    pub start: f64,
    /// Seconds; infinite where it goes on to the end.
    pub end: f64,
}

/// Seconds of common sound below which stretches touch and do not overlap: what rounding of times
/// leaves.
const TOUCHING: f64 = 1e-3;

/// Those of `tested` that are cut from the same recordings as `trained`, each with whether it
/// overlaps with them.
fn cut_from_the_same(
    stretches: &[Stretch],
    tested: &[usize],
    trained: &[usize],
) -> Vec<(usize, bool)> {
    let mut known: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for &i in trained {
        known
            .entry(stretches[i].path)
            .or_default()
            .push((stretches[i].start, stretches[i].end));
    }
    // By start, each with the furthest end so far, so that one look tells whether any reaches into
    // a stretch.
    for parts in known.values_mut() {
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut furthest = f64::NEG_INFINITY;
        for (_, end) in parts.iter_mut() {
            furthest = furthest.max(*end);
            *end = furthest;
        }
    }
    let mut cut = Vec::new();
    for &i in tested {
        let stretch = stretches[i];
        let Some(parts) = known.get(stretch.path) else {
            continue;
        };
        let before = parts.partition_point(|(start, _)| *start + TOUCHING < stretch.end);
        cut.push((
            i,
            before
                .checked_sub(1)
                .is_some_and(|last| parts[last].1 > stretch.start + TOUCHING),
        ));
    }
    cut
}

/// Whether any recording holds more than one utterance.
pub fn are_cut(stretches: &[Stretch]) -> bool {
    stretches
        .iter()
        .map(|one| one.path)
        .collect::<BTreeSet<_>>()
        .len()
        < stretches.len()
}

/// Counts what one fold shares. `text_ids`, `hashes` (of the content) and, where utterances [are
/// cut](are_cut) from recordings, `stretches` belong to `items`, one each.
pub fn sharing(
    items: &[Item],
    fold: &Fold,
    text_ids: &[Option<&str>],
    hashes: &[&str],
    stretches: Option<&[Stretch]>,
) -> Sharing {
    let (tested, trained) = sides(fold);
    let named = |&i: &usize| Some(items[i].speaker).filter(|speaker| *speaker != UNKNOWN_SPEAKER);
    let speakers = |rows: &[usize]| -> BTreeSet<&str> { rows.iter().filter_map(named).collect() };
    let without_speaker = |rows: &[usize]| rows.iter().filter(|i| named(i).is_none()).count();
    let cut = stretches.map(|stretches| cut_from_the_same(stretches, &tested, &trained));
    let texts =
        |rows: &[usize]| -> BTreeSet<&str> { rows.iter().filter_map(|&i| text_ids[i]).collect() };
    let sessions = |rows: &[usize]| -> BTreeSet<&str> {
        rows.iter().filter_map(|&i| items[i].session).collect()
    };
    let without_text = |rows: &[usize]| rows.iter().filter(|&&i| text_ids[i].is_none()).count();
    let without_session =
        |rows: &[usize]| rows.iter().filter(|&&i| items[i].session.is_none()).count();
    let (test_speakers, test_texts, test_sessions) =
        (speakers(&tested), texts(&tested), sessions(&tested));
    let sounds: BTreeSet<&str> = trained.iter().map(|&i| hashes[i]).collect();
    Sharing {
        test_utterances: tested.len(),
        shared_speakers: test_speakers.intersection(&speakers(&trained)).count(),
        test_speakers: test_speakers.len(),
        test_without_speaker: without_speaker(&tested),
        train_without_speaker: without_speaker(&trained),
        shared_texts: test_texts.intersection(&texts(&trained)).count(),
        test_texts: test_texts.len(),
        test_without_text: without_text(&tested),
        train_without_text: without_text(&trained),
        shared_sessions: test_sessions.intersection(&sessions(&trained)).count(),
        test_sessions: test_sessions.len(),
        test_without_session: without_session(&tested),
        train_without_session: without_session(&trained),
        shared_duplicates: tested
            .iter()
            .filter(|&&i| sounds.contains(hashes[i]))
            .count(),
        shared_near: None,
        shared_recordings: cut.as_ref().map(Vec::len),
        shared_overlaps: cut.map(|cut| cut.iter().filter(|(_, overlaps)| *overlaps).count()),
        both_sides: 0,
        respelt_speakers: 0,
    }
}

/// How many speakers of the test part are not trained on by name, while a name that differs from
/// theirs in its [spelling alone](variants) is. `speakers` belong to the items of the fold.
pub fn respelt_speakers(fold: &Fold, speakers: &[&str]) -> usize {
    let (tested, trained) = sides(fold);
    let named = |rows: &[usize]| -> BTreeSet<&str> {
        let named = rows.iter().map(|&i| speakers[i]);
        named.filter(|name| *name != UNKNOWN_SPEAKER).collect()
    };
    let (tested, trained) = (named(&tested), named(&trained));
    variants(tested.union(&trained).copied())
        .iter()
        .filter(|spelt| spelt.iter().any(|name| trained.contains(name)))
        .flatten()
        .filter(|name| !trained.contains(*name))
        .count()
}

/// Places of the items whose value is not theirs alone.
pub fn repeated<S: Ord>(sounds: &[S]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sounds.len()).collect();
    order.sort_by(|&a, &b| sounds[a].cmp(&sounds[b]));
    let mut places: Vec<usize> = order
        .chunk_by(|&a, &b| sounds[a] == sounds[b])
        .filter(|same| same.len() > 1)
        .flatten()
        .copied()
        .collect();
    places.sort_unstable();
    places
}

/// Places of the tested items of which some sound is trained on: `sounds` gives copies of one
/// recording the same value, `repeated` are the [places](repeated) of those with copies, and
/// `stretches`, where utterances [are cut](are_cut) from recordings, tell which overlap. All belong
/// to the items of the fold.
pub fn on_both_sides<S: Ord>(
    fold: &Fold,
    sounds: &[S],
    repeated: &[usize],
    stretches: Option<&[Stretch]>,
) -> Vec<usize> {
    let role = |i: &&usize, is: fn(Role) -> bool| fold.roles[**i].is_some_and(is);
    let known: BTreeSet<&S> = repeated
        .iter()
        .filter(|i| role(i, |role| role != Role::Test))
        .map(|&i| &sounds[i])
        .collect();
    let tested = repeated
        .iter()
        .filter(|i| role(i, |role| role == Role::Test));
    let mut found: BTreeSet<usize> = tested
        .copied()
        .filter(|&i| known.contains(&sounds[i]))
        .collect();
    if let Some(stretches) = stretches {
        let (tested, trained) = sides(fold);
        found.extend(
            cut_from_the_same(stretches, &tested, &trained)
                .into_iter()
                .filter(|(_, overlaps)| *overlaps)
                .map(|(i, _)| i),
        );
    }
    found.into_iter().collect()
}

/// How many tested utterances have a copy with other samples among what is trained on. `groups`
/// gives the copies of one recording the same number; like `hashes`, it belongs to the items of the
/// fold.
pub fn near_shared(fold: &Fold, hashes: &[&str], groups: &[usize]) -> usize {
    let (tested, trained) = sides(fold);
    let mut sounds: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for &i in &trained {
        sounds.entry(groups[i]).or_default().insert(hashes[i]);
    }
    let has_copy = |i: &&usize| {
        sounds
            .get(&groups[**i])
            .is_some_and(|sounds| sounds.iter().any(|sound| *sound != hashes[**i]))
    };
    tested.iter().filter(has_copy).count()
}

/// What is tested, and what the model is trained or chosen on.
fn sides(fold: &Fold) -> (Vec<usize>, Vec<usize>) {
    let with = |is: fn(Role) -> bool| {
        (0..fold.roles.len())
            .filter(|&i| fold.roles[i].is_some_and(is))
            .collect()
    };
    (
        with(|role| role == Role::Test),
        with(|role| role != Role::Test),
    )
}

impl Sharing {
    /// Tested and trained utterances whose speaker is not known.
    pub fn without_speaker(&self) -> usize {
        self.test_without_speaker + self.train_without_speaker
    }

    /// Each kind by its name in tables, with the units of the test part and how many of them are
    /// shared.
    pub fn kinds(&self) -> Vec<(&'static str, usize, usize)> {
        let mut kinds = vec![
            ("speakers", self.test_speakers, self.shared_speakers),
            ("sentences", self.test_texts, self.shared_texts),
            ("sessions", self.test_sessions, self.shared_sessions),
            ("duplicates", self.test_utterances, self.shared_duplicates),
        ];
        // Of nobody among them can it be said that they are not trained on.
        kinds.extend((self.without_speaker() > 0).then_some((
            "unknown-speakers",
            self.test_utterances,
            self.test_without_speaker,
        )));
        kinds.extend(
            self.shared_near
                .map(|shared| ("near-duplicates", self.test_utterances, shared)),
        );
        kinds.extend(
            self.shared_recordings
                .map(|shared| ("recordings", self.test_utterances, shared)),
        );
        kinds.extend(
            self.shared_overlaps
                .map(|shared| ("overlaps", self.test_utterances, shared)),
        );
        kinds
    }
}

/// The counts of all folds of a protocol in plain words: one sentence each on speakers, sentences,
/// sessions where there are any, duplicates and, where they were looked for, near-duplicates.
/// `speakers` is the statement on these folds; `guessed` are attributes that nobody has confirmed.
pub fn verdict(folds: &[Sharing], speakers: TestSpeakers, guessed: &[Attribute]) -> Vec<String> {
    let Some(first) = folds.first() else {
        return Vec::new();
    };
    let pairs = |of: fn(&Sharing) -> (usize, usize)| -> Vec<(usize, usize)> {
        folds.iter().map(of).collect()
    };
    let mut lines = vec![speakers.describe(folds)];
    let groups = [
        (
            "sentence",
            Attribute::Text,
            pairs(|s| (s.shared_texts, s.test_texts)),
            pairs(|s| (s.test_without_text, s.test_utterances)),
        ),
        (
            "session",
            Attribute::Session,
            pairs(|s| (s.shared_sessions, s.test_sessions)),
            pairs(|s| (s.test_without_session, s.test_utterances)),
        ),
    ];
    for (kind, attribute, named, without) in groups {
        let doubt = if guessed.contains(&attribute) {
            format!(" ({NOT_CONFIRMED})")
        } else {
            String::new()
        };
        let (without, tested) = without
            .iter()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        match without {
            0 => lines.push(format!(
                "{kind}s{doubt}: {}",
                shared(&format!("test {kind}"), &named)
            )),
            n if n == tested && kind == "session" => {}
            n if n == tested => lines.push(format!(
                "{kind}s: the corpus names none, so that it is not known whether they are shared"
            )),
            n => {
                let counted = shared(&format!("test {kind}"), &named);
                lines.push(format!(
                    "{kind}s{doubt}: {counted}; of {n} tested utterances none is named"
                ));
            }
        }
    }
    lines.push(format!(
        "duplicates: {}",
        copies(
            folds.iter().map(|s| s.shared_duplicates),
            folds.len(),
            "the very same sound as one"
        )
    ));
    if first.shared_near.is_some() {
        let near = folds.iter().map(|s| s.shared_near.unwrap_or_default());
        lines.push(format!(
            "near-duplicates: {}",
            copies(near, folds.len(), "another version of a recording")
        ));
    }
    if first.shared_recordings.is_some() {
        let parts = folds
            .iter()
            .map(|s| s.shared_recordings.unwrap_or_default());
        lines.push(format!(
            "recordings: {}",
            copies(parts, folds.len(), "cut from the recording of another")
        ));
        let overlaps = folds.iter().map(|s| s.shared_overlaps.unwrap_or_default());
        lines.push(format!(
            "overlaps: {}",
            copies(overlaps, folds.len(), "in overlap with one")
        ));
    }
    lines
}

fn copies(counts: impl Iterator<Item = usize>, folds: usize, what: &str) -> String {
    let counts: Vec<usize> = counts.collect();
    let over = if folds == 1 {
        "in the only fold".to_owned()
    } else {
        format!("over {folds} folds")
    };
    match counts.iter().sum::<usize>() {
        0 => format!("none {over}: no tested utterance is {what} that is trained on"),
        1 => format!("1 tested utterance {over} is {what} that is trained on"),
        n => format!("{n} tested utterances {over} are {what} that is trained on"),
    }
}

/// `24 of 24 test speakers are also trained on in each of 5 folds`.
pub(super) fn shared(what: &str, counts: &[(usize, usize)]) -> String {
    let n = counts.len();
    if counts.iter().all(|&(shared, _)| shared == 0) {
        let folds = if n == 1 {
            "in the only fold".to_owned()
        } else {
            format!("in any of {n} folds")
        };
        return format!("no {what} is trained on {folds}");
    }
    let folds = if n == 1 {
        "in the only fold".to_owned()
    } else {
        format!("in each of {n} folds")
    };
    let mut words: Vec<(usize, usize)> = counts.to_vec();
    words.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)).then(a.cmp(b)));
    words.dedup();
    let word = |&(shared, all): &(usize, usize)| format!("{shared} of {all}");
    let range = match words.as_slice() {
        [only] => word(only),
        many => format!("{} to {}", word(&many[0]), word(&many[many.len() - 1])),
    };
    format!("{range} {what}s are also trained on {folds}")
}
