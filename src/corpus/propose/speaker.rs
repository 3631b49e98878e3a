//! Which field is the speaker, as far as can be told: a wrong one would make a report call voices unseen that were trained on.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Field;
use super::words;

/// Share of recordings whose value must come again beside the same emotion: a number that counts recordings never does.
const AGAIN: f64 = 0.2;

/// The fields that are something else than the emotion.
#[derive(Default)]
pub(super) struct Roles<'f> {
    pub(super) speaker: Option<&'f Field>,
    pub(super) sex: Option<&'f Field>,
    pub(super) split: Option<&'f Field>,
    pub(super) doubts: Vec<String>,
}

/// A field that may be the speaker.
struct Candidate<'f> {
    field: &'f Field,
    score: i32,
    /// Whether its values count recordings as likely as they name speakers.
    weak: bool,
}

/// `f1`, `m02`: the way in which some corpora name speakers.
pub(super) fn sex(speaker: &str) -> Option<&'static str> {
    let (first, rest) = speaker.split_at_checked(1)?;
    if rest.is_empty() || !rest.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    match first {
        "f" | "F" | "w" | "W" => Some("female"),
        "m" | "M" => Some("male"),
        _ => None,
    }
}

/// Looks for a speaker, a sex and a part of a split among `fields`.
pub(super) fn roles<'f>(fields: &'f [Field], emotion: &Field, folders: &[&str]) -> Roles<'f> {
    let all = |field: &Field, of: &dyn Fn(&str) -> bool| field.is_whole() && field.distinct().into_iter().all(of);
    let split = fields.iter().find(|field| all(field, &|value| words::part(value).is_some()));
    let sexes = fields.iter().find(|field| all(field, &|value| words::sex(value).is_some()));
    let others: Vec<&Field> = fields.iter().filter(|field| all(field, &words::is_other_word)).collect();
    // What stands beside a recording but tells no two speakers apart.
    let beside: Vec<String> = (0..emotion.values.len())
        .map(|i| {
            let more = [split, sexes].into_iter().flatten().chain(others.iter().copied());
            let more: Vec<&str> = more.map(|field| field.values.get(i).and_then(Option::as_deref).unwrap_or_default()).collect();
            format!("{:?}{:?}", emotion.values.get(i).and_then(Option::as_deref), more)
        })
        .collect();
    let fit = |field: &&Field| {
        let is_other = [split, sexes].into_iter().flatten().chain(others.iter().copied()).any(|other| other.values == field.values);
        field.is_whole() && field.values != emotion.values && !is_other
    };
    let mut candidates: Vec<Candidate<'f>> =
        fields.iter().filter(fit).filter_map(|field| candidate(field, emotion, &beside, folders)).collect();
    candidates.sort_by_key(|candidate| (candidate.weak, std::cmp::Reverse(candidate.score)));
    let mut roles = Roles { sex: sexes, split, ..Roles::default() };
    let Some(best) = candidates.first() else { return roles };
    let names = |of: &[&Candidate<'_>]| of.iter().map(|one| one.field.place.told()).collect::<Vec<_>>().join(" or ");
    let differs = |other: &&Candidate<'_>| other.field.partition() != best.field.partition();
    if best.weak {
        roles.doubts.push(format!(
            "no speaker is proposed: {} could be one ({} values), but also a number of the recording, since no value comes again beside \
             the same emotion; if it is the speaker, say --speaker {}",
            best.field.place.told(),
            best.field.distinct().len(),
            best.field.place,
        ));
        return roles;
    }
    roles.speaker = Some(best.field);
    let rivals: Vec<&Candidate<'_>> = candidates.iter().filter(|one| !one.weak && one.score == best.score).filter(differs).collect();
    let is_numbered = best.field.distinct().iter().all(|value| value.chars().all(|c| c.is_ascii_digit()));
    if best.score < CALLED && !rivals.is_empty() {
        roles
            .doubts
            .push(format!("the speaker could also be {}: look whether the manifest is right, or say --speaker FIELD", names(&rivals)));
    } else if best.score < SEXED && (is_numbered || !best.field.is_folder()) {
        roles.doubts.push(format!(
            "{} is taken for the speaker, since each value has several recordings and emotions; if it is a sentence or a session, say \
             --speaker FIELD, or --speaker none",
            best.field.place.told()
        ));
    }
    roles
}

/// What a field scores whose values are called speakers, and one whose values are numbered by sex.
const CALLED: i32 = 6;
const SEXED: i32 = 4;

fn candidate<'f>(field: &'f Field, emotion: &Field, beside: &[String], folders: &[&str]) -> Option<Candidate<'f>> {
    let n = emotion.values.len();
    let classes = emotion.distinct().len();
    let mut heard: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut again: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for (i, value) in field.values.iter().enumerate() {
        let value = value.as_deref()?;
        heard.entry(value).or_default().extend(emotion.values.get(i).and_then(Option::as_deref));
        let folder = if field.is_folder() { "" } else { folders.get(i).copied().unwrap_or_default() };
        *again.entry((value, beside.get(i).map_or("", String::as_str), folder)).or_default() += 1;
    }
    // A speaker says more than one thing in more than one emotion; what tells emotions is no speaker.
    let varied = heard.values().filter(|emotions| emotions.len() * 2 > classes.min(3)).count() * 2 >= heard.len();
    let is_emotion = heard.keys().filter(|value| words::emotion(value).is_some()).count() * 2 > heard.len();
    if heard.len() < 2 || !varied || is_emotion {
        return None;
    }
    let called = heard.keys().all(|value| words::is_speaker_word(value));
    let sexes: BTreeSet<Option<&str>> = heard.keys().map(|value| sex(value)).collect();
    let sexed = sexes.len() == 2 && !sexes.contains(&None);
    let shaped = heard.keys().all(|value| value.ends_with(|c: char| c.is_ascii_digit()) && value.starts_with(|c: char| c.is_alphabetic()));
    let repeated: usize = again.values().filter(|&&times| times > 1).sum();
    let weak = heard.len() * 3 > n || (repeated as f64) < AGAIN * n as f64;
    let score = CALLED * i32::from(called) + SEXED * i32::from(sexed) + 3 * i32::from(field.is_folder()) + i32::from(shaped);
    // Names that say that they are speakers are believed, however few recordings each has.
    Some(Candidate { field, score, weak: weak && !called && !sexed })
}
