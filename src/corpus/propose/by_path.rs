//! Emotions and speakers by folders and names alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fields::{Field, fields, telling};
use super::forms;
use super::guess::{Proposal, Row};
use super::place::{Choices, Place};
use super::speaker::{Roles, are_sexed, roles, sex, together};
use super::text::listed;
use super::words;
use crate::corpus::{Reason, SetAside};
use crate::error::{Error, Result};
use crate::escape::shown;

/// Share of recordings whose word must be known for a field to be the emotion.
const KNOWN: f64 = 0.5;
/// Share of recordings in which two fields of emotions may differ by slips of who named them.
const SLIPS: f64 = 0.05;
/// Fields whose values are shown.
const SHOWN: usize = 8;

/// A proposal by the paths of `files`; `tables` says what was found in tables, for people.
///
/// # Errors
/// `Data` where nothing tells emotions, or the field that is named is not there.
pub(super) fn by_path(
    root: &Path,
    files: &[String],
    choices: &Choices,
    tables: &[String],
    empty: Proposal,
) -> Result<Proposal> {
    let all = fields(files);
    let telling = telling(&all);
    let form = forms::form_of(files.iter().map(String::as_str));
    let said = form.as_ref().map_or(&[][..], |(_, said)| said);
    let spelled = forms::field(said, |said| said.emotion.map(str::to_owned));
    let emotion = match &choices.emotion {
        Some(place) => field(root, &all, place, "--emotion")?,
        None => match spelled {
            Some(field) => field,
            None => found(&telling, files.len())
                .cloned()
                .ok_or_else(|| unknown(root, &all, &telling, tables))?,
        },
    };
    let rivals = if choices.emotion.is_none() {
        disagreeing(&telling, &emotion)
    } else {
        vec![]
    };
    if let Some((rival, differ)) = rivals
        .iter()
        .find(|(_, differ)| *differ as f64 > SLIPS * files.len() as f64)
    {
        return Err(which(root, files, &emotion, rival, *differ));
    }
    let known = emotion
        .values
        .iter()
        .flatten()
        .filter(|value| words::emotion(value).is_some())
        .count();
    let told = |field: &Field| match (&form, &field.place) {
        (Some((form, _)), Place::Nowhere) => format!("file names as in {}", form.name),
        (_, place) => place.told(),
    };
    let mut evidence = vec![format!(
        "emotion: {}, {} values, of {:.0} % of the recordings a known word",
        told(&emotion),
        emotion.distinct().len(),
        100.0 * known as f64 / files.len().max(1) as f64
    )];
    let folders: Vec<&str> = files
        .iter()
        .map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder))
        .collect();
    let mut roles = match forms::field(said, |said| Some(said.speaker.clone())) {
        // The names of a known corpus leave nothing to look for, but for the part and a sex that a
        // folder says.
        Some(speaker) => Roles {
            speaker: Some(speaker),
            doubts: vec![],
            open: vec![],
            ..roles(&telling, &emotion, &folders)
        },
        None => roles(&telling, &emotion, &folders),
    };
    match &choices.speaker {
        None => {}
        Some(Place::Nowhere | Place::Column(_)) => {
            roles = Roles {
                speaker: None,
                doubts: vec![],
                ..roles
            }
        }
        Some(place) => {
            roles = Roles {
                speaker: Some(field(root, &all, place, "--speaker")?),
                doubts: vec![],
                ..roles
            }
        }
    }
    for (what, field) in [
        ("speaker", &roles.speaker),
        ("sex", &roles.sex),
        ("split", &roles.split),
    ] {
        evidence.extend(
            field
                .as_ref()
                .map(|field| format!("{what}: {}, {} values", told(field), field.distinct().len())),
        );
    }
    let mut doubts = roles.doubts;
    doubts.extend(rivals.iter().map(|(rival, differ)| {
        let first = first_of(files, &emotion, rival).unwrap_or_default();
        format!(
            "{} tells another emotion of {differ} recordings, such as {first}: look which is right",
            rival.place.told()
        )
    }));
    let mut rows = Vec::new();
    let mut lacking = 0;
    let mut set_aside = empty.set_aside.clone();
    let is_form = choices.speaker.is_none();
    for (i, path) in files.iter().enumerate() {
        if let (Some((form, said)), true) = (&form, is_form)
            && said.get(i).is_none_or(Option::is_none)
        {
            let detail = format!(
                "its name is not one as in {}, so that its speaker is not known: rename or remove the file",
                form.name
            );
            set_aside.push(SetAside {
                path: path.clone(),
                reason: Reason::UnknownCode,
                detail,
            });
            continue;
        }
        let at =
            |field: Option<&Field>| field.and_then(|field| field.values.get(i).cloned().flatten());
        let Some(word) = at(Some(&emotion)) else {
            lacking += 1;
            continue;
        };
        let mut more = BTreeMap::new();
        let sex = said
            .get(i)
            .and_then(|said| said.as_ref()?.sex)
            .filter(|_| is_form);
        more.extend(
            sex.or_else(|| at(roles.sex.as_ref()).as_deref().and_then(words::sex))
                .map(|sex| ("sex", sex.to_owned())),
        );
        more.extend(
            at(roles.split.as_ref())
                .as_deref()
                .and_then(words::part)
                .map(|part| ("split", part.to_owned())),
        );
        rows.push(Row {
            path: path.clone(),
            emotion: word,
            speaker: at(roles.speaker.as_ref()),
            more,
        });
    }
    // One or two speakers that look like a sex are no reason to call it one.
    if rows.iter().all(|row| !row.more.contains_key("sex"))
        && are_sexed(
            rows.iter()
                .map(|row| row.speaker.as_deref().unwrap_or_default()),
        )
    {
        for row in &mut rows {
            row.more.extend(
                row.speaker
                    .as_deref()
                    .and_then(sex)
                    .map(|sex| ("sex", sex.to_owned())),
            );
        }
    }
    if lacking > 0 {
        doubts.push(format!(
            "{lacking} recordings have no {}: they are left out",
            told(&emotion)
        ));
    }
    let guessed = [
        ("emotion", choices.emotion.is_none()),
        (
            "speaker",
            choices.speaker.is_none() && rows.iter().any(|row| row.speaker.is_some()),
        ),
        ("sex", rows.iter().any(|row| row.more.contains_key("sex"))),
    ];
    let guessed = guessed
        .into_iter()
        .filter(|(_, is)| *is)
        .map(|(what, _)| what)
        .collect();
    Ok(Proposal {
        rows,
        evidence,
        doubts,
        guessed,
        set_aside,
        ..empty
    })
}

/// The field that a path is given by.
///
/// # Errors
/// `Data` where no path has it.
pub(super) fn field(root: &Path, all: &[Field], place: &Place, option: &str) -> Result<Field> {
    if let Place::Together(places) = place {
        let fields = places
            .iter()
            .map(|place| field(root, all, place, option))
            .collect::<Result<Vec<_>>>()?;
        return Ok(together(&fields.iter().collect::<Vec<_>>()));
    }
    // Where all paths have as many parts, the last stands there by its number alone.
    let greatest = || {
        all.iter()
            .filter(|field| place.may_be(&field.place))
            .max_by(|a, b| a.place.cmp(&b.place))
    };
    all.iter()
        .find(|field| field.place == *place)
        .or_else(greatest)
        .cloned()
        .ok_or_else(|| {
            let error = Error::data(format!(
                "the recordings below {} have no {place}, which {option} names",
                root.display()
            ));
            error.hint(format!("they have {}", seen(all)))
        })
}

/// The field with most known words, of equals the first; where none has any, one of letters for
/// emotions.
pub(super) fn found(telling: &[Field], n: usize) -> Option<&Field> {
    let known = |field: &Field| {
        let classes: Vec<&str> = field
            .values
            .iter()
            .flatten()
            .filter_map(|value| words::emotion(value))
            .collect();
        (
            classes.len() as f64 / n.max(1) as f64,
            classes.into_iter().collect::<BTreeSet<_>>().len(),
        )
    };
    let words = telling
        .iter()
        .map(|field| (known(field), field))
        .filter(|((share, classes), _)| *share >= KNOWN && *classes >= 2)
        .reduce(|a, b| if b.0.0 > a.0.0 + 1e-9 { b } else { a })
        .map(|(_, field)| field);
    words.or_else(|| {
        telling
            .iter()
            .find(|field| field.is_whole() && words::letters(&field.distinct()).is_some())
    })
}

/// Fields of words for emotions that say otherwise than `emotion`, and of how many recordings.
fn disagreeing<'f>(telling: &'f [Field], emotion: &Field) -> Vec<(&'f Field, usize)> {
    let known = |field: &Field| -> Vec<Option<&'static str>> {
        field
            .values
            .iter()
            .map(|value| words::emotion(value.as_deref()?))
            .collect()
    };
    let own = known(emotion);
    let differ = |field: &'f Field| {
        let other = known(field);
        let classes: BTreeSet<&str> = other.iter().flatten().copied().collect();
        let is_emotion = other.iter().flatten().count() as f64 >= KNOWN * other.len() as f64
            && classes.len() >= 2;
        let differ = own
            .iter()
            .zip(&other)
            .filter(|(a, b)| a.is_some() && b.is_some() && a != b)
            .count();
        (is_emotion && differ > 0).then_some((field, differ))
    };
    telling.iter().filter_map(differ).collect()
}

/// A recording of which two fields tell different emotions, with both.
fn first_of(files: &[String], a: &Field, b: &Field) -> Option<String> {
    let differ = |i: &usize| {
        let class = |field: &Field| {
            field
                .values
                .get(*i)
                .and_then(|value| words::emotion(value.as_deref()?))
        };
        class(a).zip(class(b)).is_some_and(|(a, b)| a != b)
    };
    let i = (0..files.len()).find(differ)?;
    let word = |field: &Field| {
        shown(
            field
                .values
                .get(i)
                .and_then(Option::as_deref)
                .unwrap_or_default(),
        )
    };
    Some(format!(
        "{} ({} and {})",
        shown(files.get(i)?),
        word(a),
        word(b)
    ))
}

/// Two fields tell emotions, and not the same ones: nothing says which of them is meant.
fn which(root: &Path, files: &[String], a: &Field, b: &Field, differ: usize) -> Error {
    let (n, all) = (first_of(files, a, b).unwrap_or_default(), files.len());
    let error = format!(
        "two fields of the paths below {} are emotions, and they differ in {differ} of {all} recordings, such as {n}",
        root.display()
    );
    Error::data(error).hint(format!(
        "say which one is the emotion of the recording: --emotion {} ({}) or --emotion {} ({})",
        a.place,
        a.seen(),
        b.place,
        b.seen()
    ))
}

/// Why no field is the emotion.
fn unknown(root: &Path, all: &[Field], telling: &[Field], tables: &[String]) -> Error {
    let root = root.display();
    for field in all {
        let known: BTreeMap<&str, &str> = field
            .distinct()
            .into_iter()
            .filter_map(|value| Some((words::emotion(value)?, value)))
            .collect();
        if let [(class, word)] = known.into_iter().collect::<Vec<_>>()[..]
            && field.distinct().len() == 1
            && field.is_whole()
        {
            return Error::data(format!("all recordings below {root} are `{class}`: {} is {} everywhere", field.place.told(), shown(word)))
                .hint("a classifier needs a second class: name the folder that holds the other emotions, too");
        }
    }
    let tables = if tables.is_empty() {
        "no table lies there".to_owned()
    } else {
        format!("tables: {}", listed(tables, SHOWN))
    };
    let fields = if telling.is_empty() {
        "the names tell nothing apart".to_owned()
    } else {
        seen(telling)
    };
    Error::data(format!("nothing below {root} tells the emotion of its recordings")).hint(format!(
        "looked for words for emotions in {fields}; {tables}. If one of these is the emotion, say so with --emotion FIELD, such as --emotion \
         {}; otherwise write a manifest with the columns path, emotion, speaker (pipelines/README.md)",
        telling.first().map_or("folder:1".to_owned(), |field| field.place.to_string())
    ))
}

fn seen(fields: &[Field]) -> String {
    let seen: Vec<String> = fields.iter().take(SHOWN).map(Field::seen).collect();
    let more = fields.len().saturating_sub(SHOWN);
    seen.join("; ")
        + &if more > 0 {
            format!("; and {more} more fields")
        } else {
            String::new()
        }
}
