//! Which field is the speaker, as far as can be told: a wrong one would make a report call voices
//! unseen that were trained on.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Field;
use super::place::Place;
use super::treated::is_no_speaker;
use super::words;

/// Share of recordings whose value must come again beside the same emotion: a number that counts
/// recordings never does.
const AGAIN: f64 = 0.2;
/// Fields that could be the speaker and are named.
const SHOWN: usize = 4;

/// The fields that are something else than the emotion.
#[derive(Default)]
pub(super) struct Roles {
    pub(super) speaker: Option<Field>,
    pub(super) sex: Option<Field>,
    pub(super) split: Option<Field>,
    pub(super) doubts: Vec<String>,
    /// The fields of which one could be the speaker, where none is proposed.
    pub(super) open: Vec<Field>,
}

/// A field that may be the speaker.
struct Candidate {
    field: Field,
    /// Its values are words for speakers, or tell the sexes apart as names of persons do.
    named: Named,
    /// Whether its values count recordings as likely as they name speakers.
    weak: bool,
    /// Whether most values have several emotions, as those of speakers do.
    varied: bool,
}

/// How far the values of a field say that they are speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// They may be codes of anything.
    No,
    /// Each has one sex, and both sexes have several.
    BySex,
    /// `Speaker_01`.
    Called,
}

/// `f1`, `m02`, `female3`: the way in which some corpora name speakers.
pub(super) fn sex(speaker: &str) -> Option<&'static str> {
    let word = speaker.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.strip_suffix(['_', '-', ' ']).unwrap_or(word);
    words::sex(word).filter(|_| word.len() < speaker.len())
}

/// Whether all `values` say their sex, and both sexes are there: `f1` beside `f2` alone may be
/// files.
pub(super) fn are_sexed<'v>(values: impl Iterator<Item = &'v str>) -> bool {
    let sexes: BTreeSet<Option<&str>> = values.map(sex).collect();
    sexes.len() == 2 && !sexes.contains(&None)
}

/// Looks for a speaker, a sex and a part of a split among `fields`.
pub(super) fn roles(fields: &[Field], emotion: &Field, folders: &[&str]) -> Roles {
    let classes = emotion.partition();
    let all = |field: &Field, of: &dyn Fn(&str) -> bool| {
        field.is_whole() && field.distinct().into_iter().all(of)
    };
    let is_free = |field: &&Field| field.partition() != classes;
    let split = fields
        .iter()
        .find(|field| all(field, &|value| words::part(value).is_some()));
    let sexes = fields
        .iter()
        .filter(is_free)
        .find(|field| all(field, &|value| words::sex(value).is_some()));
    // Strengths, formats and the like; where the emotion has no such folder, its own name stands
    // there. A child beside women and men.
    let is_other = |field: &&Field| {
        let known = |value: &str| {
            is_no_speaker(value) || words::part(value).is_some() || words::sex(value).is_some()
        };
        let values = field.distinct();
        let sexed = values
            .iter()
            .filter(|value| words::sex(value).is_some())
            .count();
        all(field, &|value| {
            known(value) || words::emotion(value).is_some()
        }) && values.iter().any(|value| known(value))
            || sexed == 2 && values.len() == 3
    };
    let others: Vec<&Field> = fields.iter().filter(is_other).collect();
    // What stands beside a recording but tells no two speakers apart.
    let beside: Vec<String> = (0..emotion.values.len())
        .map(|i| {
            let folders = others.iter().copied().filter(|field| field.is_folder());
            let more = [split, sexes].into_iter().flatten().chain(folders);
            let more: Vec<&str> = more
                .map(|field| {
                    field
                        .values
                        .get(i)
                        .and_then(Option::as_deref)
                        .unwrap_or_default()
                })
                .collect();
            format!(
                "{:?}{:?}",
                emotion.values.get(i).and_then(Option::as_deref),
                more
            )
        })
        .collect();
    let known: BTreeSet<Vec<Option<usize>>> = [split, sexes]
        .into_iter()
        .flatten()
        .chain(others.iter().copied())
        .map(Field::partition)
        .collect();
    let fit =
        |field: &&Field| field.is_whole() && is_free(field) && !known.contains(&field.partition());
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut seen = BTreeSet::new();
    for field in fields.iter().filter(fit) {
        let Some(found) = with_sex(field, sexes)
            .and_then(|(field, by_sex)| candidate(field, by_sex, emotion, &beside, folders))
        else {
            continue;
        };
        // Whole fields come before what they are combined of.
        if !known.contains(&found.field.partition())
            && seen.insert((found.field.partition(), is_combined(&found.field)))
        {
            candidates.push(found);
        }
    }
    let whole: BTreeSet<Vec<Option<usize>>> = candidates
        .iter()
        .filter(|one| !is_combined(&one.field))
        .map(|one| one.field.partition())
        .collect();
    candidates.retain(|one| !is_combined(&one.field) || !whole.contains(&one.field.partition()));
    let roles = Roles {
        sex: sexes.cloned(),
        split: split.cloned(),
        ..Roles::default()
    };
    decide(candidates, roles)
}

fn is_combined(field: &Field) -> bool {
    matches!(field.place, Place::Together(_))
}

/// The field, or that field together with the sex where one value has both: `01` of the women and
/// `01` of the men are two persons. Also whether the values of the field alone tell the sexes
/// apart; `None` for values of one sex each, of which one sex has a single one.
fn with_sex(field: &Field, sexes: Option<&Field>) -> Option<(Field, bool)> {
    let Some(sexes) = sexes else {
        return Some((field.clone(), false));
    };
    let mut of: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
    for (value, sex) in field.values.iter().zip(&sexes.values) {
        of.entry(value.as_deref()?)
            .or_default()
            .extend(words::sex(sex.as_deref()?));
    }
    if of.values().any(|sexes| sexes.len() > 1) {
        return Some((together(&[sexes, field]), false));
    }
    Some((field.clone(), of.len() > 2))
}

/// Several fields as one.
pub(super) fn together(fields: &[&Field]) -> Field {
    let rows = fields
        .iter()
        .map(|field| field.values.len())
        .min()
        .unwrap_or(0);
    let value = |i: usize| -> Option<String> {
        let parts: Option<Vec<&str>> = fields
            .iter()
            .map(|field| field.values.get(i)?.as_deref())
            .collect();
        Some(parts?.join("_"))
    };
    let places = fields.iter().map(|field| field.place.clone()).collect();
    Field {
        place: Place::Together(places),
        values: (0..rows).map(value).collect(),
    }
}

/// Proposes one of the candidates, or says which could be the speaker.
fn decide(candidates: Vec<Candidate>, mut roles: Roles) -> Roles {
    let told = |one: &Candidate| {
        format!(
            "{} ({} values)",
            one.field.place.told(),
            one.field.distinct().len()
        )
    };
    let how = |could_be: &[&Candidate]| {
        let places: Vec<String> = could_be
            .iter()
            .take(SHOWN)
            .map(|one| format!("--speaker {}", one.field.place))
            .collect();
        places.join(" or ")
    };
    let strong: Vec<&Candidate> = candidates.iter().filter(|one| !one.weak).collect();
    let best = strong.iter().map(|one| one.named).max();
    let best: Vec<&Candidate> = strong
        .iter()
        .copied()
        .filter(|one| Some(one.named) == best)
        .collect();
    if best.is_empty() {
        if let Some(one) = candidates.first() {
            roles.doubts.push(format!(
                "no speaker is proposed: {} could be one, but also a number of the recording, since no value comes again beside the same \
                 emotion; if it is the speaker, say --speaker {}",
                told(one),
                one.field.place
            ));
            roles.open = vec![one.field.clone()];
        }
        return roles;
    }
    let [one] = best[..] else {
        let names: Vec<String> = best.iter().take(SHOWN).map(|one| told(one)).collect();
        let more = if best.len() > SHOWN {
            ", or another field"
        } else {
            ""
        };
        roles.doubts.push(format!(
            "no speaker is proposed: it could be {}{more}. If one of them is, say {}",
            names.join(" or "),
            how(&best)
        ));
        roles.open = best.iter().map(|one| one.field.clone()).collect();
        return roles;
    };
    let is_code =
        |value: &str| value.chars().count() == 1 || value.chars().all(|c| c.is_ascii_digit());
    let is_numbered = one.field.distinct().into_iter().all(is_code);
    if one.named == Named::No && (!one.varied || is_numbered && !one.field.is_folder()) {
        roles.doubts.push(format!(
            "no speaker is proposed: {} could be one, but also a sentence, a take or a file; if it is the speaker, say {}",
            told(one),
            how(&best)
        ));
        roles.open = vec![one.field.clone()];
        return roles;
    }
    if one.named == Named::No && (is_numbered || !one.field.is_folder()) {
        roles.doubts.push(format!(
            "{} is taken for the speaker, since each value has several recordings and emotions; if it is a sentence or a session, say \
             --speaker FIELD, or --speaker none",
            one.field.place.told()
        ));
    }
    roles.speaker = Some(one.field.clone());
    roles
}

fn candidate(
    field: Field,
    by_sex: bool,
    emotion: &Field,
    beside: &[String],
    folders: &[&str],
) -> Option<Candidate> {
    let n = emotion.values.len();
    let classes = emotion.distinct().len();
    let mut heard: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut again: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for (i, value) in field.values.iter().enumerate() {
        let value = value.as_deref()?;
        heard
            .entry(value)
            .or_default()
            .extend(emotion.values.get(i).and_then(Option::as_deref));
        let folder = if field.is_folder() {
            ""
        } else {
            folders.get(i).copied().unwrap_or_default()
        };
        *again
            .entry((value, beside.get(i).map_or("", String::as_str), folder))
            .or_default() += 1;
    }
    // A speaker says more than one thing in more than one emotion; yet in some corpora most
    // speakers have one.
    let varied = heard
        .values()
        .filter(|emotions| emotions.len() * 2 > classes.min(3))
        .count()
        * 2
        >= heard.len();
    let is_emotion = heard
        .keys()
        .filter(|value| words::emotion(value).is_some())
        .count()
        * 2
        > heard.len();
    if heard.len() < 2 || is_emotion || !varied && spells_emotion(&heard) {
        return None;
    }
    let named = match () {
        () if heard.keys().all(|value| words::is_speaker_word(value)) => Named::Called,
        () if is_combined(&field) => Named::No,
        () if by_sex || are_sexed(heard.keys().copied()) => Named::BySex,
        () => Named::No,
    };
    let repeated: usize = again.values().filter(|&&times| times > 1).sum();
    let weak = heard.len() * 3 > n || (repeated as f64) < AGAIN * n as f64;
    // Names that say that they are speakers are believed, however few recordings each has.
    let weak = weak && (named == Named::No || by_sex && !are_sexed(heard.keys().copied()));
    Some(Candidate {
        named,
        weak,
        varied,
        field,
    })
}

/// Whether what the values begin with tells the emotion: `a01`, `a02`, `h01` are no speakers of one
/// emotion each.
fn spells_emotion(heard: &BTreeMap<&str, BTreeSet<&str>>) -> bool {
    let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (value, emotions) in heard {
        of.entry(value.trim_end_matches(|c: char| c.is_ascii_digit()))
            .or_default()
            .extend(emotions);
    }
    of.len() > 1
        && of.values().filter(|emotions| emotions.len() == 1).count() * 10 >= of.len() * 9
        && of.len() * 2 <= heard.len()
}
