//! From a tree of files to a row for each recording, with the evidence for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::by_path::{by_path, field};
use super::fields::{Field, fields, telling};
use super::labelled::Labelled;
use super::ours::without_ours;
use super::place::{Choices, Place};
use super::repeats::{contradicted, first_rows, without_repeats};
use super::several::refuse_several;
use super::speaker::roles;
use super::text::{composed, excerpt, listed, plain, safe};
use super::twins::{Once, once};
use super::{audformat, tables, words};
use crate::cancel::Cancel;
use crate::corpus::utterance::Source;
use crate::corpus::walk::{AUDIO, check_root, walk_until};
use crate::corpus::{
    EmodbSettings, GENERATED_MARK, Listing, Reason, SetAside, emodb, iemocap, is_nobody, ravdess,
    terms, variants,
};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::files::shell_word;

/// Classes and recordings that are named in one line.
const SHOWN: usize = 12;
/// Classes of fewer recordings are said to be rare.
const FEW: usize = 10;

/// One recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Relative to the folder, `/`-separated.
    pub path: String,
    /// As the corpus writes it.
    pub emotion: String,
    /// `None` where nobody knows.
    pub speaker: Option<String>,
    /// Other columns of a manifest, by name.
    pub more: BTreeMap<&'static str, String>,
}

/// What a folder seems to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Name of the corpus, safe as a file name.
    pub name: String,
    /// BCP 47 or ISO 639 tag, where something says it.
    pub language: Option<String>,
    /// On which terms the recordings may be used, where something says it.
    pub licence: Option<String>,
    /// What to cite, where something says it.
    pub citation: Option<String>,
    /// In the order of their paths.
    pub rows: Vec<Row>,
    /// From the corpus's own words to classes.
    pub classes: BTreeMap<String, String>,
    /// How it was told.
    pub evidence: Vec<String>,
    /// What could not be told, or may be otherwise.
    pub doubts: Vec<String>,
    /// What was inferred from folders and file names, in the words of `corpus.guessed`.
    pub guessed: Vec<&'static str>,
    /// Whether a program made the sounds, as a file beside them says.
    pub generated: bool,
    /// Files that cannot be used.
    pub set_aside: Vec<SetAside>,
}

impl Proposal {
    /// The speakers, ascending; empty where nobody knows them.
    pub fn speakers(&self) -> BTreeSet<&str> {
        self.rows
            .iter()
            .filter_map(|row| row.speaker.as_deref())
            .collect()
    }

    /// Whether every recording has a speaker, and there is more than one of them.
    pub fn has_speakers(&self) -> bool {
        self.rows.iter().all(|row| row.speaker.is_some()) && self.speakers().len() > 1
    }

    /// Whether the corpus says what to train on and what to test.
    pub fn is_parted(&self) -> bool {
        let has = |part: &str| {
            self.rows
                .iter()
                .any(|row| row.more.get("split").is_some_and(|split| split == part))
        };
        has("train") && has("test")
    }

    /// The class of a row.
    pub fn class<'r>(&'r self, row: &'r Row) -> &'r str {
        self.classes
            .get(&row.emotion)
            .map_or(row.emotion.as_str(), String::as_str)
    }

    /// How often each class occurs among what a run takes: of several rows for one sound the first.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for row in first_rows(&self.rows) {
            *counts.entry(self.class(row)).or_default() += 1;
        }
        counts
    }

    /// How many recordings there are: fewer than rows where these are segments, or say something
    /// twice.
    pub fn recordings(&self) -> usize {
        self.rows
            .iter()
            .map(|row| &row.path)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// What there is, for people: `60 recordings`, `120 segments of 60 recordings`.
    pub fn size(&self) -> String {
        let (rows, recordings) = (self.rows.len(), self.recordings());
        match self
            .rows
            .iter()
            .any(|row| row.more.contains_key("start") || row.more.contains_key("end"))
        {
            true => format!("{rows} segments of {recordings} recordings"),
            false if rows != recordings => format!("{rows} rows for {recordings} recordings"),
            false => format!("{rows} recordings"),
        }
    }
}

/// Looks at the folder `root`; `name` is what the corpus is called, that of the folder where it is
/// `None`.
///
/// # Errors
/// `Missing` where there is no such folder; `Data` where it has no recordings, nothing in it tells
/// emotions, there are not two classes of two recordings, or what `choices` name is not there.
pub fn propose(root: &Path, name: Option<&str>, choices: &Choices) -> Result<Proposal> {
    propose_until(root, name, choices, &Cancel::default())
}

/// As [`propose`], as long as nobody asks for a stop.
///
/// # Errors
/// As [`propose`]; `Interrupted` on request.
pub fn propose_until(
    root: &Path,
    name: Option<&str>,
    choices: &Choices,
    cancel: &Cancel,
) -> Result<Proposal> {
    check_root(
        root,
        "the folder of recordings",
        "name the folder that holds them",
    )?;
    if let Some(place) = iemocap::place(root) {
        let error = Error::data(format!(
            "{} is the official release of IEMOCAP, which has a reader of its own",
            root.display()
        ));
        return Err(error.hint(format!(
            "write its pipeline, give corpus.root in it the folder {}, and run it: ser init iemocap; ser run iemocap",
            shell_word(&place.display().to_string())
        )));
    }
    let mut tree = walk_until(root, "", AUDIO, cancel)?;
    tree.files = without_ours(root, tree.files);
    if tree.files.is_empty() {
        let others = tree
            .unread()
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        let error = Error::data(format!("{} holds no recording{others}", root.display()));
        return Err(error.hint(format!(
            "ser reads {} files; name the folder that holds them",
            AUDIO.join(", ")
        )));
    }
    let folder = std::fs::canonicalize(root)
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let mut proposal = found(root, &tree.files, choices, cancel)?;
    if let Some(Place::Column(column)) = &choices.speaker
        && proposal.rows.iter().all(|row| row.speaker.is_none())
    {
        let speakers = tables::column(root, &tree.files, column, cancel)?;
        proposal
            .rows
            .iter_mut()
            .for_each(|row| row.speaker = speakers.get(&row.path).cloned());
        proposal.evidence.push(format!(
            "speaker: column:{column}, {} values",
            proposal.speakers().len()
        ));
    }
    proposal.rows.iter_mut().for_each(|row| {
        row.speaker = row
            .speaker
            .take()
            .filter(|speaker| !is_nobody(speaker))
            .map(|speaker| composed(&speaker));
        row.emotion = composed(&row.emotion);
    });
    proposal.doubts.extend(tree.unread());
    // A reader of a corpus has walked the folder, too.
    proposal.set_aside.extend(tree.set_aside);
    proposal.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    proposal.set_aside.dedup_by(|a, b| a.path == b.path);
    proposal.name = safe(
        name.or(Some(&proposal.name)
            .filter(|n| !n.is_empty())
            .map(String::as_str))
            .or(folder.as_deref())
            .unwrap_or("corpus"),
    );
    let start = |row: &Row| {
        row.more
            .get("start")
            .and_then(|start| start.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    proposal.rows = without_repeats(&proposal.rows);
    proposal
        .rows
        .sort_by(|a, b| a.path.cmp(&b.path).then(start(a).total_cmp(&start(b))));
    classes(&mut proposal);
    two_classes(root, &proposal)?;
    say_clashes(&mut proposal);
    say_repeats(&mut proposal);
    say_rare(&mut proposal);
    say_spellings(&mut proposal);
    say_speakers(&mut proposal);
    Ok(proposal)
}

/// A class of one recording cannot be trained on and tested.
fn two_classes(root: &Path, proposal: &Proposal) -> Result<()> {
    let counts = proposal.counts();
    if counts.values().filter(|&&n| n > 1).count() > 1 {
        return Ok(());
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(class, n)| format!("{} {n}", shown(class)))
        .collect();
    let error = match &all[..] {
        [_] => Error::data(format!(
            "all recordings below {} have one emotion ({})",
            root.display(),
            listed(&all, SHOWN)
        )),
        _ => Error::data(format!(
            "fewer than two classes below {} have two recordings: {}",
            root.display(),
            listed(&all, SHOWN)
        )),
    };
    let evidence: Vec<String> = proposal.evidence.iter().map(|line| shown(line)).collect();
    Err(error.hint(format!(
        "a classifier needs two classes of two recordings each. How these were told: {}; say where else the emotion stands with --emotion FIELD",
        evidence.join("; ")
    )))
}

/// Names that differ in the form of their accents alone are one name on some systems.
fn say_clashes(proposal: &mut Proposal) {
    let paths: BTreeSet<&str> = proposal.rows.iter().map(|row| row.path.as_str()).collect();
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let twins: Vec<&str> = paths
        .into_iter()
        .filter(|path| first.insert(composed(path), path).is_some())
        .collect();
    if let Some(twin) = twins.first() {
        let n = twins.len();
        proposal.doubts.push(format!(
            "{n} recordings have the name of another one in another form of its accents (NFC and NFD), such as {twin}: on some systems these are \
             one file, so rename or remove one of each"
        ));
    }
}

fn say_repeats(proposal: &mut Proposal) {
    let said = contradicted(&proposal.rows);
    if let Some(((path, ..), emotions)) = said.first_key_value() {
        let emotions = emotions.iter().copied().collect::<Vec<_>>().join(", ");
        let n = said.len();
        let doubt = format!(
            "{n} recordings or segments stand in several rows that differ in emotion or speaker, such as {path} ({emotions}): a run takes the \
             first row of each, so keep the right one in the manifest"
        );
        proposal.doubts.push(doubt);
    }
}

fn say_speakers(proposal: &mut Proposal) {
    let (speakers, recordings) = (proposal.speakers().len(), proposal.recordings());
    if !proposal.has_speakers() {
        let without = proposal
            .rows
            .iter()
            .filter(|row| row.speaker.is_none())
            .count();
        let who = match (speakers, without) {
            (0, _) => "speakers are not known".to_owned(),
            (1, 0) => "there is one speaker".to_owned(),
            _ => format!(
                "speakers are not known of {without} of {} rows",
                proposal.rows.len()
            ),
        };
        proposal.doubts.push(format!(
            "{who}: no test can keep them apart, and figures will be those of known voices. Say where speakers stand with \
             --speaker FIELD, or add them in the manifest's column speaker, then choose group-kfold or leave-one-speaker-out"
        ));
    } else if speakers * 2 > recordings {
        proposal.doubts.push(format!("{speakers} speakers of {recordings} recordings are many: look whether these are speakers"));
    }
}

fn found(root: &Path, files: &[String], choices: &Choices, cancel: &Cancel) -> Result<Proposal> {
    let empty = Proposal {
        name: String::new(),
        language: None,
        licence: None,
        citation: None,
        rows: vec![],
        classes: BTreeMap::new(),
        evidence: vec![],
        doubts: vec![],
        guessed: vec![],
        generated: root.join(GENERATED_MARK).is_file(),
        set_aside: vec![],
    };
    let by_column = matches!(choices.emotion, None | Some(Place::Column(_)));
    if by_column && root.join(audformat::HEADER).is_file() {
        return database(root, files, choices, empty);
    }
    let known = [
        ("RAVDESS", terms("ravdess"), ravdess::read(root)),
        (
            "EMO-DB",
            terms("emodb"),
            emodb::read(root, &EmodbSettings { all_clips: true }),
        ),
    ];
    let mut likeness = None;
    for (name, terms, listing) in known.into_iter().filter(|_| *choices == Choices::default()) {
        let Ok(Listing {
            sources,
            set_aside,
            warnings,
            ..
        }) = listing
        else {
            continue;
        };
        let copies = set_aside
            .iter()
            .filter(|aside| matches!(aside.reason, Reason::Duplicate | Reason::OtherMaterial))
            .count();
        if sources.is_empty() || (sources.len() + copies) * 10 < files.len() * 9 {
            continue;
        }
        let is_it = if name == "RAVDESS" {
            ravdess::is_complete(&sources)
        } else {
            emodb::is_likely(&sources)
        };
        if !is_it {
            likeness = Some(format!(
                "the file names have the form of {name}'s, but not its numbers of recordings, so that nothing is said of what their codes mean. \
                 If they are a part of {name}, use a pipeline with kind = \"{}\"",
                name.to_lowercase().replace('-', "")
            ));
            continue;
        }
        let mut evidence = vec![format!(
            "{} of {} file names are those of {name}",
            sources.len(),
            files.len()
        )];
        if copies > 0 {
            evidence.push(format!("{copies} other files are copies of these, or other material of the same voices, and are not used"));
        }
        let (licence, citation) = (
            terms.map(|terms| terms.licence.to_owned()),
            terms.map(|terms| terms.citation.to_owned()),
        );
        let rows = sources.into_iter().map(row).collect();
        return Ok(Proposal {
            rows,
            evidence,
            doubts: warnings,
            set_aside,
            licence,
            citation,
            ..empty
        });
    }
    let tables::Look {
        best,
        doubts: others,
        rejected,
    } = tables::look(root, files, choices, cancel)?;
    // Of recordings that lie there twice one is used, and counted, whatever tells of them.
    let one_of_each = once(root, files);
    if let (Some(table), None) = (&best, &choices.emotion)
        && let Ok(mut proposal) = by_path(root, &one_of_each.files, choices, &[], empty.clone())
        && let Some(why) = tables::outdone(table, &proposal.rows)
    {
        proposal.set_aside.extend(one_of_each.set_aside);
        proposal.doubts.push(why);
        proposal
            .doubts
            .extend(one_of_each.doubts.into_iter().chain(likeness).chain(others));
        return Ok(proposal);
    }
    match (best, &choices.emotion) {
        (
            Some(Labelled {
                rows,
                evidence,
                mut doubts,
                ..
            }),
            _,
        ) if by_column => {
            doubts.extend(others);
            doubts.extend(speaker_of_paths(files, &rows).filter(|_| choices.speaker.is_none()));
            if let Some(place) = choices
                .speaker
                .as_ref()
                .filter(|place| !matches!(place, Place::Column(_) | Place::Nowhere))
            {
                return with_speakers(
                    root,
                    files,
                    place,
                    Proposal {
                        rows,
                        evidence,
                        doubts,
                        ..empty
                    },
                );
            }
            Ok(Proposal {
                rows,
                evidence,
                doubts,
                ..empty
            })
        }
        (_, Some(Place::Column(name))) => {
            let error = Error::data(format!(
                "no table below {} that names the recordings has a column {name}",
                root.display()
            ));
            let rejected: Vec<String> = rejected.iter().map(|line| shown(line)).collect();
            Err(error.hint(if rejected.is_empty() {
                "no table lies there".to_owned()
            } else {
                listed(&rejected, SHOWN)
            }))
        }
        _ => {
            let rejected: Vec<String> = rejected.iter().map(|line| shown(line)).collect();
            if *choices == Choices::default() {
                refuse_several(root, files)?;
            }
            let Once {
                files,
                set_aside,
                doubts,
            } = one_of_each;
            let mut proposal = by_path(
                root,
                &files,
                choices,
                &rejected,
                Proposal { set_aside, ..empty },
            )
            .map_err(|error| match &likeness {
                Some(likeness) => {
                    let hint = error.hint_text().unwrap_or_default().to_owned();
                    error.hint(format!("{likeness}. Otherwise: {hint}"))
                }
                None => error,
            })?;
            proposal
                .doubts
                .extend(doubts.into_iter().chain(likeness).chain(others));
            Ok(proposal)
        }
    }
}

/// What the paths could tell of speakers where the table does not.
fn speaker_of_paths(files: &[String], rows: &[Row]) -> Option<String> {
    if rows.iter().any(|row| row.speaker.is_some()) {
        return None;
    }
    let emotions: BTreeMap<&String, &String> =
        rows.iter().map(|row| (&row.path, &row.emotion)).collect();
    let values = files
        .iter()
        .map(|path| emotions.get(path).map(|emotion| (*emotion).clone()))
        .collect();
    let folders: Vec<&str> = files
        .iter()
        .map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder))
        .collect();
    let telling = telling(&fields(files));
    let roles = roles(
        &telling,
        &Field {
            place: Place::Nowhere,
            values,
        },
        &folders,
    );
    let could: Vec<Field> = roles.speaker.into_iter().chain(roles.open).collect();
    let speaker = could.first()?;
    let seen: Vec<String> = could.iter().map(Field::seen).collect();
    Some(format!(
        "the speaker could be {}: say --speaker {} if it is",
        seen.join("; or "),
        speaker.place
    ))
}

/// The speakers of a table's rows by their paths.
fn with_speakers(
    root: &Path,
    files: &[String],
    place: &Place,
    mut proposal: Proposal,
) -> Result<Proposal> {
    let all = fields(files);
    let field = field(root, &all, place, "--speaker")?;
    let speakers: BTreeMap<&String, &String> = files
        .iter()
        .zip(&field.values)
        .filter_map(|(path, value)| Some((path, value.as_ref()?)))
        .collect();
    proposal
        .rows
        .iter_mut()
        .for_each(|row| row.speaker = speakers.get(&row.path).map(|speaker| (*speaker).clone()));
    proposal.evidence.push(format!(
        "speaker: {}, {} values",
        place.told(),
        field.distinct().len()
    ));
    Ok(proposal)
}

fn database(root: &Path, files: &[String], choices: &Choices, empty: Proposal) -> Result<Proposal> {
    let found = audformat::read(root, choices)?;
    let there: BTreeSet<&String> = files.iter().collect();
    let (rows, gone): (Vec<Row>, Vec<Row>) = found
        .rows
        .into_iter()
        .partition(|row| there.contains(&row.path));
    let mut doubts = found.doubts;
    if let Some(first) = gone.first() {
        doubts.push(format!(
            "{} recordings of the database are not there, such as {}",
            gone.len(),
            first.path
        ));
    }
    if rows.is_empty() {
        return Err(Error::data(format!(
            "no recording of the audformat database in {} is there",
            root.display()
        ))
        .hint("put the recordings where its tables say"));
    }
    let audformat::Database {
        name,
        language,
        licence,
        citation,
        evidence,
        ..
    } = found;
    let proposal = Proposal {
        name,
        language,
        licence,
        citation,
        rows,
        evidence,
        doubts,
        ..empty
    };
    match &choices.speaker {
        None | Some(Place::Column(_) | Place::Nowhere) => Ok(proposal),
        Some(place) => with_speakers(root, files, place, proposal),
    }
}

fn row(source: Source) -> Row {
    let mut more = BTreeMap::new();
    let sex = source.sex.map(|sex| sex.as_str().to_owned());
    let columns = [
        ("sex", sex),
        ("text_id", source.text_id),
        ("session", source.session),
        ("intensity", source.intensity),
    ];
    more.extend(
        columns
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    Row {
        path: source.path,
        emotion: source.emotion,
        speaker: Some(source.speaker),
        more,
    }
}

/// Known words become classes, in one spelling; others stay as they are.
fn classes(proposal: &mut Proposal) {
    let own: BTreeSet<&str> = proposal
        .rows
        .iter()
        .map(|row| row.emotion.as_str())
        .collect();
    let is_unknown = own.iter().all(|word| words::emotion(word).is_none());
    let letters = if is_unknown {
        words::letters(&own)
    } else {
        None
    };
    let unknown: Vec<String> = own
        .iter()
        .filter(|word| words::emotion(word).is_none())
        .map(|word| (*word).to_owned())
        .collect();
    if let Some(letters) = &letters {
        let read: Vec<String> = letters
            .iter()
            .map(|(letter, class)| format!("{letter} as {class}"))
            .collect();
        proposal.doubts.push(format!(
            "letters are read as emotions: {}; correct label_map in the pipeline file",
            read.join(", ")
        ));
    } else if !unknown.is_empty() {
        proposal.doubts.push(format!(
            "these labels are no words that ser knows, and are kept as classes: {}",
            listed(&unknown, SHOWN)
        ));
    }
    let class = |word: &str| {
        let letter = letters
            .as_ref()
            .and_then(|letters| letters.get(word).copied());
        words::emotion(word)
            .or(letter)
            .map_or_else(|| class_name(word), str::to_owned)
    };
    proposal.classes = own
        .into_iter()
        .map(|word| (word.to_owned(), class(word)))
        .collect();
    let unclear: Vec<String> = proposal
        .classes
        .iter()
        .filter(|(_, class)| *class == words::NO_AGREEMENT)
        .map(|(word, _)| word.clone())
        .collect();
    if !unclear.is_empty() {
        proposal.classes.retain(|word, _| !unclear.contains(word));
        proposal.rows.retain(|row| !unclear.contains(&row.emotion));
        proposal.doubts.push(format!(
            "recordings on whose emotion the raters do not agree ({}) are left out",
            unclear.join(", ")
        ));
    }
    say_merged(proposal);
}

/// An unknown word as the name of a class, which stays on its line.
fn class_name(word: &str) -> String {
    composed(word)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Words of one class that are not forms of one word: happy and joy, fear and anxiety.
fn say_merged(proposal: &mut Proposal) {
    let stem = |word: &str| {
        plain(word)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .take(3)
            .collect::<String>()
    };
    let mut of: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for (own, class) in &proposal.classes {
        of.entry(class).or_default().entry(stem(own)).or_insert(own);
    }
    let merged = of.into_iter().filter(|(_, words)| words.len() > 1);
    let told: Vec<String> = merged
        .map(|(class, words)| {
            format!(
                "{} as {class}",
                words.into_values().collect::<Vec<_>>().join(" and ")
            )
        })
        .collect();
    if !told.is_empty() {
        let told = listed(&told, SHOWN);
        proposal.doubts.push(format!("labels are merged: {told}. Are they one class? If not, correct label_map in the pipeline file"));
    }
}

/// Classes of one recording are not among the labels that the pipeline file takes; others can be
/// taken out there.
fn say_rare(proposal: &mut Proposal) {
    let counts = proposal.counts();
    let told = |of: &dyn Fn(usize) -> bool| -> Vec<String> {
        counts
            .iter()
            .filter(|(_, n)| of(**n))
            .map(|(class, n)| format!("{class} ({n})"))
            .collect()
    };
    let (single, few) = (told(&|n| n < 2), told(&|n| (2..FEW).contains(&n)));
    let mut doubts = Vec::new();
    if !single.is_empty() {
        let all = listed(&single, SHOWN);
        doubts.push(format!("a class of one recording cannot be trained on and tested: `labels` in the pipeline file is without {all}"));
    }
    if !few.is_empty() {
        let how = if single.is_empty() {
            "leave such classes out with `labels` in the pipeline file"
        } else {
            "take such classes out of `labels`, too"
        };
        doubts.push(format!("few recordings: {}; {how}", listed(&few, SHOWN)));
    }
    proposal.doubts.extend(doubts);
}

/// Classes and speakers that differ in their spelling alone count as different ones.
fn say_spellings(proposal: &mut Proposal) {
    let told = |names: BTreeSet<&str>| {
        let groups = variants(names);
        let told: Vec<String> = groups
            .into_iter()
            .map(|group| {
                group
                    .into_iter()
                    .map(excerpt)
                    .collect::<Vec<_>>()
                    .join(" and ")
            })
            .collect();
        (!told.is_empty()).then(|| listed(&told, SHOWN))
    };
    let classes = told(proposal.classes.values().map(String::as_str).collect());
    let speakers = told(proposal.speakers());
    let doubts = [
        classes.map(|all| format!("classes that differ in their spelling alone are kept apart: {all}; give them one class in label_map")),
        speakers.map(|all| format!("speakers whose names differ in their spelling alone count as different voices: {all}")),
    ];
    proposal.doubts.extend(doubts.into_iter().flatten());
}

#[cfg(test)]
#[path = "guess_tests.rs"]
mod tests;
