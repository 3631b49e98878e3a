//! Emotions and speakers by folders and file names alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Folder;
use super::field::{Field, fields, informative_fields};
use super::place::{Choices, Place};
use super::proposal::{Proposal, Row};
use super::speaker::{Roles, are_sexed, is_counter, sex};
use super::words;
use crate::corpus::{Reason, SetAside};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::text::{excerpt, listed, plural};

/// Share of recordings whose word must be known for a field to be the emotion.
const KNOWN: f64 = 0.5;
/// Share of recordings that is enough where the field holds words alone, several of them known.
const KNOWN_AMONG_WORDS: f64 = 0.2;
/// Words that such a field may hold.
const MOST_WORDS: usize = 20;
/// Share of recordings in which two fields of emotions may differ by slips of who named them.
const SLIPS: f64 = 0.05;
/// Fields whose values are shown.
const SHOWN: usize = 8;

/// A proposal by the paths of the recordings; `tables` says what was found in tables, for people.
///
/// # Errors
/// `Data` where nothing tells emotions, or the field that is named is not there.
pub(super) fn label_by_paths(folder: &Folder, tables: &[String]) -> Result<Proposal> {
    let Folder {
        root,
        files,
        choices,
        ..
    } = *folder;
    let all = fields(files);
    let informative = informative_fields(&all);
    let emotion = match &choices.emotion {
        Some(place) => field_at(folder, &all, place, "--emotion")?,
        None => emotion_field(&informative, files.len())
            .cloned()
            .ok_or_else(|| no_emotion(root, &all, &informative, tables))?,
    };
    let rivals = match choices.emotion {
        None => disagreeing(&informative, &emotion),
        Some(_) => vec![],
    };
    if let Some(rival) = rivals
        .iter()
        .find(|rival| rival.differ as f64 > SLIPS * files.len() as f64)
    {
        return Err(ambiguous(folder, &emotion, rival));
    }
    let roles = roles(folder, &all, &informative, &emotion)?;
    let describe = |field: &Field| field.place.describe();
    // Letters are no words, and known all the same.
    let words = match emotion.emotions().flatten().count() {
        0 => String::new(),
        known if known == files.len() => ", all of them known words".to_owned(),
        known => format!(
            ", known words in {known} of {}",
            plural(files.len(), "recording")
        ),
    };
    let mut evidence = vec![format!(
        "emotion: {}, {} values{words}",
        describe(&emotion),
        emotion.count()
    )];
    for (what, field) in [
        ("speaker", &roles.speaker),
        ("sex", &roles.sex),
        ("split", &roles.split),
    ] {
        let line = |field| format!("{what}: {}, {} values", describe(field), field.count());
        evidence.extend(field.as_ref().map(line));
    }
    let mut warnings = roles.warnings;
    let counter = (roles.speaker.as_ref())
        .filter(|field| choices.speaker.is_some() && is_counter(field, files));
    warnings.extend(counter.map(|field| {
        format!(
            "{} looks like a number of takes or recordings, as every speaker has them: results rest on a guess until you take \"speaker\" \
             out of corpus.guessed",
            field.place.describe()
        )
    }));
    warnings.extend(rivals.iter().map(|rival| {
        format!(
            "{} tells another emotion of {}, such as {}: look which is right",
            rival.field.place.describe(),
            plural(rival.differ, "recording"),
            example(files, &emotion, rival.field)
        )
    }));
    let is_strange = strange_words(&emotion, choices);
    let mut strange: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut rows, mut set_aside, mut lacking) = (Vec::new(), Vec::new(), 0);
    for (i, path) in files.iter().enumerate() {
        let Some(word) = emotion.value(i) else {
            lacking += 1;
            set_aside.push(SetAside {
                path: path.clone(),
                reason: Reason::MissingLabel,
                detail: format!("its path has no {}", describe(&emotion)),
            });
            continue;
        };
        if is_strange(word) {
            *strange.entry(word).or_default() += 1;
            set_aside.push(SetAside {
                path: path.clone(),
                reason: Reason::MissingLabel,
                detail: format!(
                    "its {} is {word}, no emotion that ser knows",
                    describe(&emotion)
                ),
            });
            continue;
        }
        let columns = [
            ("sex", value(&roles.sex, i).and_then(words::sex)),
            ("split", value(&roles.split, i).and_then(words::part)),
        ];
        rows.push(Row {
            path: path.clone(),
            emotion: word.to_owned(),
            speaker: value(&roles.speaker, i).map(str::to_owned),
            columns: columns
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.to_owned())))
                .collect(),
        });
    }
    sexes_of_speakers(&mut rows);
    if lacking > 0 {
        warnings.push(format!(
            "without {}: {}, left out",
            describe(&emotion),
            plural(lacking, "recording")
        ));
    }
    if !strange.is_empty() {
        let words: Vec<String> = strange.keys().map(|word| excerpt(word)).collect();
        warnings.push(format!(
            "{} excluded, since {} is no emotion that ser knows: {}. To include them, write their emotions into the manifest and empty \
             their cells in the column excluded, or say --emotion {} to take all of these for classes",
            plural(strange.values().sum(), "recording"),
            describe(&emotion),
            listed(&words, SHOWN),
            emotion.place
        ));
    }
    let has_speakers = rows.iter().any(|row| row.speaker.is_some());
    let has_sexes = rows.iter().any(|row| row.columns.contains_key("sex"));
    let guessed = [
        ("emotion", choices.emotion.is_none()),
        (
            "speaker",
            has_speakers && (choices.speaker.is_none() || counter.is_some()),
        ),
        ("sex", has_sexes),
    ];
    Ok(Proposal {
        rows,
        evidence,
        warnings,
        guessed: guessed
            .into_iter()
            .filter_map(|(what, is)| is.then_some(what))
            .collect(),
        set_aside,
        ..Proposal::default()
    })
}

/// Which words of a piece of the file names are no emotions: those that nobody knows, where most
/// recordings have a known one and the user does not say that these are the emotions.
fn strange_words(emotion: &Field, choices: &Choices) -> impl Fn(&str) -> bool {
    let known = emotion.emotions().flatten().count();
    let most = known * 2 > emotion.values.len();
    let is_guess = most && choices.emotion.is_none() && !emotion.is_folder();
    move |word| is_guess && words::emotion(word).is_none()
}

fn value(field: &Option<Field>, i: usize) -> Option<&str> {
    field.as_ref().and_then(|field| field.value(i))
}

/// The other fields, with the speaker that the user says.
fn roles(folder: &Folder, all: &[Field], informative: &[Field], emotion: &Field) -> Result<Roles> {
    let found = Roles::of(informative, emotion, folder.files);
    let speaker = match &folder.choices.speaker {
        None => return Ok(found),
        Some(Place::Nowhere | Place::Column(_)) => None,
        Some(place) => Some(field_at(folder, all, place, "--speaker")?),
    };
    Ok(Roles {
        speaker,
        warnings: vec![],
        ..found
    })
}

/// The sexes that the names of speakers tell, where nothing else does. One or two speakers that
/// look like a sex are no reason to call it one.
fn sexes_of_speakers(rows: &mut [Row]) {
    let speakers = || {
        rows.iter()
            .map(|row| row.speaker.as_deref().unwrap_or_default())
    };
    if rows.iter().any(|row| row.columns.contains_key("sex")) || !are_sexed(speakers()) {
        return;
    }
    for row in rows {
        let sex = row.speaker.as_deref().and_then(sex);
        row.columns.extend(sex.map(|sex| ("sex", sex.to_owned())));
    }
}

/// The field that stands at a place.
///
/// # Errors
/// `Data` where no path has it.
pub(super) fn field_at(
    folder: &Folder,
    all: &[Field],
    place: &Place,
    option: &str,
) -> Result<Field> {
    if let Place::Together(places) = place {
        let fields = places
            .iter()
            .map(|place| field_at(folder, all, place, option))
            .collect::<Result<Vec<_>>>()?;
        return Ok(Field::together(&fields.iter().collect::<Vec<_>>()));
    }
    // Where all paths have as many parts, the last stands there by its number alone.
    let greatest = || {
        all.iter()
            .filter(|field| place.matches_last(&field.place))
            .max_by(|a, b| a.place.cmp(&b.place))
    };
    all.iter()
        .find(|field| field.place == *place)
        .or_else(greatest)
        .cloned()
        .ok_or_else(|| {
            let error = Error::data(format!(
                "the recordings below {} have no {place}, which {option} names",
                folder.root.display()
            ));
            error.hint(format!("they have {}", describe_all(all)))
        })
}

/// The field with most known words, of equals the first; where none has any, one of letters for
/// emotions.
pub(super) fn emotion_field(informative: &[Field], n: usize) -> Option<&Field> {
    let mut best: Option<(f64, &Field)> = None;
    for field in informative {
        let classes: Vec<&str> = field.emotions().flatten().collect();
        let share = classes.len() as f64 / n.max(1) as f64;
        let distinct = classes.into_iter().collect::<BTreeSet<_>>().len();
        let is_emotion = share >= KNOWN && distinct >= 2
            || share >= KNOWN_AMONG_WORDS && distinct >= 3 && is_of_words(field);
        if is_emotion && best.is_none_or(|(most, _)| share > most + 1e-9) {
            best = Some((share, field));
        }
    }
    best.map(|(_, field)| field).or_else(|| {
        informative
            .iter()
            .find(|field| field.is_whole() && words::letters(&field.distinct()).is_some())
    })
}

/// Whether a field holds few words, and nothing else.
fn is_of_words(field: &Field) -> bool {
    let values = field.distinct();
    field.is_whole()
        && values.len() <= MOST_WORDS
        && values
            .iter()
            .all(|value| value.chars().count() > 2 && value.chars().all(char::is_alphabetic))
}

/// A field of words for emotions that says otherwise than the one that is taken.
struct Rival<'f> {
    field: &'f Field,
    /// Of how many recordings.
    differ: usize,
}

fn disagreeing<'f>(informative: &'f [Field], emotion: &Field) -> Vec<Rival<'f>> {
    let own: Vec<Option<&str>> = emotion.emotions().collect();
    let rival = |field: &'f Field| {
        let other: Vec<Option<&str>> = field.emotions().collect();
        let known: Vec<&str> = other.iter().flatten().copied().collect();
        let is_emotion = known.len() as f64 >= KNOWN * other.len() as f64
            && known.iter().collect::<BTreeSet<_>>().len() >= 2;
        let differ = own
            .iter()
            .zip(&other)
            .filter(|(a, b)| a.is_some() && b.is_some() && a != b)
            .count();
        (is_emotion && differ > 0).then_some(Rival { field, differ })
    };
    informative.iter().filter_map(rival).collect()
}

/// A recording of which two fields tell different emotions, with both.
fn example(files: &[String], a: &Field, b: &Field) -> String {
    let differing = |(i, path): (usize, &String)| {
        let (a, b) = (a.value(i)?, b.value(i)?);
        (words::emotion(a)? != words::emotion(b)?)
            .then(|| format!("{} ({} and {})", shown(path), shown(a), shown(b)))
    };
    files
        .iter()
        .enumerate()
        .find_map(differing)
        .unwrap_or_default()
}

/// Two fields tell emotions, and not the same ones: nothing says which of them is meant.
fn ambiguous(folder: &Folder, emotion: &Field, rival: &Rival) -> Error {
    let (a, b) = (emotion, rival.field);
    let error = Error::data(format!(
        "two fields of the paths below {} are emotions, and they differ in {} of {} recordings, such as {}",
        folder.root.display(),
        rival.differ,
        folder.files.len(),
        example(folder.files, a, b)
    ));
    error.hint(format!(
        "say which one is the emotion of the recording: --emotion {} ({}) or --emotion {} ({})",
        a.place,
        a.describe(),
        b.place,
        b.describe()
    ))
}

/// Why no field is the emotion.
fn no_emotion(
    root: &std::path::Path,
    all: &[Field],
    informative: &[Field],
    tables: &[String],
) -> Error {
    let root = root.display();
    for field in all.iter().filter(|field| field.is_whole()) {
        let values: Vec<&str> = field.distinct().into_iter().collect();
        if let [word] = values[..]
            && let Some(class) = words::emotion(word)
        {
            return Error::data(format!(
                "all recordings below {root} are `{class}`: {} is {} everywhere",
                field.place.describe(),
                shown(word)
            ))
            .hint("a classifier needs a second class: name the folder that holds the other emotions, too");
        }
    }
    let tables = match tables {
        [] => "no table lies there".to_owned(),
        _ => format!("tables: {}", listed(tables, SHOWN)),
    };
    let fields = match informative {
        [] => "the names tell nothing apart".to_owned(),
        _ => describe_all(informative),
    };
    // Codes of persons or sessions are no example.
    let example = informative.iter().find(|field| is_of_words(field));
    let example = example.map_or(String::new(), |field| {
        format!(", such as --emotion {}", field.place)
    });
    Error::data(format!("nothing below {root} tells the emotion of its recordings")).hint(format!(
        "looked for words for emotions in {fields}; {tables}. If one of these is the emotion, say so with --emotion FIELD{example}; \
         otherwise write a manifest with the columns path, emotion, speaker (pipelines/README.md)",
    ))
}

fn describe_all(fields: &[Field]) -> String {
    let mut described: Vec<String> = fields.iter().take(SHOWN).map(Field::describe).collect();
    if fields.len() > SHOWN {
        described.push(format!("and {} more fields", fields.len() - SHOWN));
    }
    described.join("; ")
}

/// Emotions and speakers by the recordings' paths, where a table says the emotion: for [`Roles`].
pub(super) fn roles_beside(files: &[String], emotions: &BTreeMap<&str, &str>) -> Roles {
    let emotion = Field {
        place: Place::Nowhere,
        values: files
            .iter()
            .map(|path| emotions.get(path.as_str()).map(|word| (*word).to_owned()))
            .collect(),
    };
    Roles::of(&informative_fields(&fields(files)), &emotion, files)
}
