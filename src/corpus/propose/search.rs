//! From a tree of files to a proposal: the sources of labels, in the order in which they are
//! believed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Folder;
use super::copies::{Unique, without_copies};
use super::field::{Field, fields, informative_fields};
use super::label_table::LabelTable;
use super::own_files::without_own_files;
use super::path_labels::{emotion_field, field_at, label_by_paths, roles_beside};
use super::place::{Choices, Place};
use super::proposal::{Proposal, Row};
use super::tables::{self, Tables};
use super::{audformat, kaldi, label_warnings, words};
use crate::cancel::Cancel;
use crate::corpus::known::{self, recognise};
use crate::corpus::manifest::with_sounds;
use crate::corpus::utterance::Source;
use crate::corpus::walk::{AUDIO, Tree, check_root, folder, walk_until};
use crate::corpus::{
    Counts, EmodbSettings, GENERATED_MARK, Listing, Reason, compare, emodb, iemocap, is_nobody,
    ravdess, terms,
};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::files::shell_word;
use crate::text::{composed, listed};

/// Tables that are named in one line.
const SHOWN: usize = 12;
/// Share of a folder's names that must be of one form.
const MOST: f64 = 0.9;
/// Folders whose command is written out.
const COMMANDS: usize = 8;

/// Looks at the folder `root`; `name` is what the corpus is called, that of the folder where it is
/// `None`.
///
/// # Errors
/// `Missing` where there is no such folder; `Data` where it has no recordings, nothing in it tells
/// emotions, there are not two classes of two recordings, or what `choices` name is not there;
/// `Interrupted` on request.
pub fn propose(
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
    refuse_iemocap(root)?;
    let mut tree = walk_until(root, "", AUDIO, cancel)?;
    tree.files = without_own_files(root, tree.files);
    if tree.files.is_empty() {
        return Err(no_recording(root, &tree, cancel)?);
    }
    let folder = Folder {
        root,
        files: &tree.files,
        choices,
        cancel,
    };
    let mut proposal = find_labels(&folder)?;
    speakers_of_column(&folder, &mut proposal)?;
    for row in &mut proposal.rows {
        let speaker = row.speaker.take().filter(|speaker| !is_nobody(speaker));
        row.speaker = speaker.map(|speaker| composed(&speaker));
        row.emotion = composed(&row.emotion);
    }
    proposal.warnings.extend(tree.unread());
    // A reader of a corpus has walked the folder, too.
    proposal.set_aside.extend(tree.set_aside);
    let called = || {
        let path = std::fs::canonicalize(root).ok()?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    };
    proposal.name = match (name, proposal.name.as_str()) {
        (Some(name), _) => safe_name(name),
        (None, "") => safe_name(&called().unwrap_or("corpus".to_owned())),
        (None, own) => safe_name(own),
    };
    proposal.generated = root.join(GENERATED_MARK).is_file();
    proposal.tidy_rows();
    if proposal.kind.is_none() {
        label_warnings::label(root, &mut proposal)?;
    }
    proposal.exclude_others(&tree.files);
    Ok(proposal)
}

fn refuse_iemocap(root: &Path) -> Result<()> {
    let Some(place) = iemocap::place(root) else {
        return Ok(());
    };
    let error = Error::data(format!(
        "{} is the official release of IEMOCAP, which has a reader of its own",
        root.display()
    ));
    Err(error.hint(format!(
        "write its pipeline, give corpus.root in it the folder {}, and run it: ser init iemocap; ser run iemocap",
        shell_word(&place.display().to_string())
    )))
}

fn no_recording(root: &Path, tree: &Tree, cancel: &Cancel) -> Result<Error> {
    for table in walk_until(root, "", &["parquet"], cancel)?.files {
        if let Some(error) = with_sounds(root, &root.join(table))? {
            return Ok(error);
        }
    }
    let others = tree
        .unread()
        .map_or(String::new(), |text| format!(": {text}"));
    let error = Error::data(format!("{} holds no recording{others}", root.display()));
    Ok(error.hint(format!(
        "ser reads {} files; name the folder that holds them",
        AUDIO.join(", ")
    )))
}

/// A name that is a file name everywhere.
fn safe_name(name: &str) -> String {
    // German writes umlauts as two letters where it has none.
    let spelled = composed(name)
        .to_lowercase()
        .replace('ä', "ae")
        .replace('ö', "oe")
        .replace('ü', "ue");
    let words: Vec<String> = words::plain(&spelled)
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let out = words.join("-");
    match out.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => out,
        Some(_) => format!("corpus-{out}"),
        None => "corpus".to_owned(),
    }
}

/// The rows, and how they were told, from the first source that has them.
fn find_labels(folder: &Folder) -> Result<Proposal> {
    let Folder {
        root,
        files,
        choices,
        ..
    } = *folder;
    let by_column = matches!(choices.emotion, None | Some(Place::Column(_)));
    if by_column && root.join(audformat::HEADER).is_file() {
        return speakers_by_path(folder, audformat::read(folder)?);
    }
    let mut likeness = None;
    if *choices == Choices::default()
        && let Some(proposal) = corpus_with_reader(folder, &mut likeness)
    {
        return Ok(proposal);
    }
    if choices.emotion.is_none()
        && let Some(proposal) = kaldi::read(folder)?
    {
        return speakers_by_path(folder, proposal);
    }
    let Tables {
        best,
        warnings,
        rejected,
    } = tables::look(folder)?;
    // Of recordings that lie there twice one is used, and counted, whatever tells of them.
    let unique = without_copies(root, files);
    let of_unique = Folder {
        files: &unique.files,
        ..*folder
    };
    if *choices == Choices::default() {
        refuse_several_corpora(folder, best.as_ref())?;
    }
    if let Some(table) = best
        && by_column
    {
        if choices.emotion.is_none()
            && let Ok(by_paths) = label_by_paths(&of_unique, &[])
            && let Some(why) = table.outdone(&by_paths.rows)
        {
            let why = [why].into_iter().chain(unique.warnings.clone());
            return Ok(with(by_paths, &unique, why.chain(likeness).chain(warnings)));
        }
        let mut proposal = Proposal {
            set_aside: table
                .without_label(files)
                .into_iter()
                .chain(table.missing)
                .collect(),
            unlabelled: table.unlabelled,
            rows: table.rows,
            evidence: table.evidence,
            warnings: table.warnings,
            ..Proposal::default()
        };
        proposal.warnings.extend(warnings);
        if choices.speaker.is_none() {
            proposal
                .warnings
                .extend(offer_speakers(files, &proposal.rows));
        }
        return speakers_by_path(folder, proposal);
    }
    let rejected: Vec<String> = rejected.iter().map(|line| shown(line)).collect();
    if let Some(Place::Column(name)) = &choices.emotion {
        let error = Error::data(format!(
            "no table below {} that names the recordings has a column {name}",
            root.display()
        ));
        return Err(error.hint(match &rejected[..] {
            [] => "no table lies there".to_owned(),
            _ => listed(&rejected, SHOWN),
        }));
    }
    let by_paths = label_by_paths(&of_unique, &rejected).map_err(|error| match &likeness {
        Some(likeness) => {
            let hint = error.hint_text().unwrap_or_default().to_owned();
            error.hint(format!("{likeness}. Otherwise: {hint}"))
        }
        None => error,
    })?;
    let all = unique
        .warnings
        .clone()
        .into_iter()
        .chain(likeness)
        .chain(warnings);
    Ok(with(by_paths, &unique, all))
}

/// A proposal with what else is known: the copies that are not used, and more warnings.
fn with(
    mut proposal: Proposal,
    unique: &Unique,
    warnings: impl IntoIterator<Item = String>,
) -> Proposal {
    proposal.set_aside.extend(unique.set_aside.iter().cloned());
    proposal.warnings.extend(warnings);
    proposal
}

/// A corpus that is known by name, where nearly all files are its own; `likeness` says that only
/// the form of the names is that of RAVDESS or EMO-DB.
fn corpus_with_reader(folder: &Folder, likeness: &mut Option<String>) -> Option<Proposal> {
    let root = folder.root;
    type Read = fn(&Path) -> Result<Listing>;
    type IsIt = fn(&[Source]) -> bool;
    let corpora: [(&str, &str, Read, IsIt); 2] = [
        ("RAVDESS", "ravdess", ravdess::read, ravdess::is_complete),
        (
            "EMO-DB",
            "emodb",
            |root| emodb::read(root, &EmodbSettings { all_clips: true }),
            emodb::is_likely,
        ),
    ];
    for (name, kind, read, is_it) in corpora {
        let Ok(listing) = read(root) else { continue };
        let copies = listing
            .set_aside
            .iter()
            .filter(|aside| matches!(aside.reason, Reason::Duplicate | Reason::OtherMaterial))
            .count();
        let (found, files) = (listing.sources.len(), folder.files.len());
        if found == 0 || (found + copies) * 10 < files * 9 {
            continue;
        }
        if !is_it(&listing.sources) {
            *likeness = Some(format!(
                "the file names have the form of {name}'s, but not its numbers of recordings, so that nothing is said of what their codes mean. \
                 If they are a part of {name}, use a pipeline with kind = \"{kind}\"",
            ));
            continue;
        }
        let mut evidence = vec![format!("{found} of {files} file names are those of {name}")];
        if copies > 0 {
            evidence.push(format!("{copies} other files are copies of these, or other material of the same voices, and are not used"));
        }
        let terms = terms(kind);
        return Some(Proposal {
            rows: listing.sources.into_iter().map(row).collect(),
            evidence,
            warnings: listing.warnings,
            set_aside: listing.set_aside,
            licence: terms.map(|terms| terms.licence.to_owned()),
            citation: terms.map(|terms| terms.citation.to_owned()),
            ..Proposal::default()
        });
    }
    let found = described(folder)?;
    *likeness = None;
    Some(found)
}

/// A corpus that is read by its description.
fn described(folder: &Folder) -> Option<Proposal> {
    let corpus = recognise(folder.files, Some(folder.root))?;
    let listing = known::read(folder.root, corpus).ok()?;
    let counts = Counts::of(&listing.sources);
    if counts.by_class.len() < 2 {
        return None;
    }
    let (found, files) = (listing.sources.len(), folder.files.len());
    let mut evidence = vec![format!(
        "{found} of {files} file names are those of {}, each once",
        corpus.name
    )];
    let expected = listing.expected.as_ref();
    let differs = expected.filter(|expected| !counts.matches(expected));
    evidence.extend(compare(&counts, expected).into_iter().take(1));
    let mut warnings = listing.warnings;
    if let Some(expected) = differs {
        warnings.push(format!(
            "{} was published with {} recordings ({}), and {found} are here",
            corpus.name, expected.utterances, expected.source
        ));
    }
    if !corpus.knows_speakers() {
        warnings.push(format!("nothing says who speaks in {}", corpus.name));
    }
    warnings.extend(corpus.remarks.iter().cloned());
    let mut rows: Vec<Row> = listing.sources.into_iter().map(row).collect();
    for row in &mut rows {
        row.speaker = row.speaker.take().filter(|one| !is_nobody(one));
    }
    warnings.extend(without_copies(folder.root, folder.files).warnings);
    let found = Proposal {
        rows,
        evidence,
        warnings,
        set_aside: listing.set_aside,
        ..Proposal::default()
    };
    // Parts that are not of the corpus have to be written down in a manifest.
    if !corpus.is_parted() && parts_of_folders(&found.rows) {
        return Some(with_parts(found, corpus.kind));
    }
    let word = |class: &str| (class.to_owned(), class.to_owned());
    Some(Proposal {
        kind: Some(corpus.kind),
        classes: counts.by_class.keys().map(|class| word(class)).collect(),
        ..found
    })
}

/// The part that a folder of a path names.
fn part_of(path: &str) -> Option<&'static str> {
    folder(path).split('/').find_map(words::part)
}

/// Whether folders tell what to train on and what to test.
fn parts_of_folders(rows: &[Row]) -> bool {
    let has = |part| rows.iter().any(|row| part_of(&row.path) == Some(part));
    has("train") && has("test")
}

fn with_parts(mut found: Proposal, kind: &str) -> Proposal {
    for row in &mut found.rows {
        let part = part_of(&row.path);
        row.columns
            .extend(part.map(|part| ("split", part.to_owned())));
    }
    let terms = terms(kind);
    Proposal {
        licence: terms.map(|terms| terms.licence.to_owned()),
        citation: terms.map(|terms| terms.citation.to_owned()),
        ..found
    }
}

fn row(source: Source) -> Row {
    let columns = [
        ("sex", source.sex.map(|sex| sex.as_str().to_owned())),
        ("text_id", source.text_id),
        ("session", source.session),
        ("intensity", source.intensity),
    ];
    Row {
        path: source.path,
        emotion: source.emotion,
        speaker: Some(source.speaker),
        columns: columns
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
    }
}

/// What the paths could tell of speakers where the table does not.
fn offer_speakers(files: &[String], rows: &[Row]) -> Option<String> {
    if rows.iter().any(|row| row.speaker.is_some()) {
        return None;
    }
    let emotions = rows
        .iter()
        .map(|row| (row.path.as_str(), row.emotion.as_str()))
        .collect();
    let roles = roles_beside(files, &emotions);
    let candidates: Vec<Field> = roles.speaker.into_iter().chain(roles.open).collect();
    let first = candidates.first()?;
    let described: Vec<String> = candidates.iter().map(Field::describe).collect();
    Some(format!(
        "the speaker could be {}: say --speaker {} if it is",
        described.join("; or "),
        first.place
    ))
}

/// The speakers of a table's rows by their paths, where the user says in which field these stand.
fn speakers_by_path(folder: &Folder, mut proposal: Proposal) -> Result<Proposal> {
    let place = match &folder.choices.speaker {
        None | Some(Place::Column(_) | Place::Nowhere) => return Ok(proposal),
        Some(place) => place,
    };
    let field = field_at(folder, &fields(folder.files), place, "--speaker")?;
    let speakers: BTreeMap<&String, &Option<String>> =
        folder.files.iter().zip(&field.values).collect();
    for row in &mut proposal.rows {
        row.speaker = speakers
            .get(&row.path)
            .and_then(|speaker| (*speaker).clone());
    }
    proposal.evidence.push(format!(
        "speaker: {}, {} values",
        place.describe(),
        field.count()
    ));
    Ok(proposal)
}

/// The speakers of a column that the user names, of another table than that of the emotions.
fn speakers_of_column(folder: &Folder, proposal: &mut Proposal) -> Result<()> {
    let Some(Place::Column(column)) = &folder.choices.speaker else {
        return Ok(());
    };
    if proposal.rows.iter().any(|row| row.speaker.is_some()) {
        return Ok(());
    }
    let speakers = tables::column(folder, column)?;
    for row in &mut proposal.rows {
        row.speaker = speakers.get(&row.path).cloned();
    }
    let n = proposal.speakers().len();
    proposal
        .evidence
        .push(format!("speaker: column:{column}, {n} values"));
    Ok(())
}

/// What the recordings of a folder are.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Known(&'static str),
    /// Names that say the emotion in this place, in words or codes of their own.
    Unknown(String),
}

impl Kind {
    /// `None` where the names of the recordings do not tell two emotions.
    fn of(paths: &[String]) -> Option<Kind> {
        let share = |is: fn(&str) -> bool| {
            let n = paths.iter().filter(|path| is(path)).count();
            n as f64 >= MOST * paths.len() as f64
        };
        if share(ravdess::is_name) {
            return Some(Kind::Known("RAVDESS"));
        }
        if share(emodb::is_name) {
            return Some(Kind::Known("EMO-DB"));
        }
        if let Some(corpus) = recognise(paths, None) {
            return Some(Kind::Known(&corpus.name));
        }
        let informative = informative_fields(&fields(paths));
        let emotion = emotion_field(&informative, paths.len())?;
        let class = |value| words::emotion(value).unwrap_or(value);
        let classes: BTreeSet<&str> = emotion.distinct().into_iter().map(class).collect();
        (classes.len() > 1).then(|| Kind::Unknown(emotion.place.to_string()))
    }
}

/// Refuses a folder whose folders are corpora of different forms, unless the table that tells the
/// emotions names recordings of all of them.
///
/// # Errors
/// `Data` with the commands to run in its place.
fn refuse_several_corpora(folder: &Folder, table: Option<&LabelTable>) -> Result<()> {
    let mut below: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in folder.files {
        let Some((folder, rest)) = path.split_once('/') else {
            return Ok(());
        };
        below.entry(folder).or_default().push(rest.to_owned());
    }
    if below.len() < 2 {
        return Ok(());
    }
    let labelled: BTreeSet<&str> = table
        .iter()
        .flat_map(|table| &table.rows)
        .filter_map(|row| Some(row.path.split_once('/')?.0))
        .collect();
    let kinds: Vec<(&str, Kind)> = below
        .iter()
        .filter_map(|(folder, files)| {
            let by_table = || {
                labelled
                    .contains(folder)
                    .then_some(Kind::Unknown("table".to_owned()))
            };
            Some((*folder, Kind::of(files).or_else(by_table)?))
        })
        .collect();
    if kinds.iter().all(|(folder, _)| labelled.contains(folder)) {
        return Ok(());
    }
    let distinct: BTreeSet<&Kind> = kinds.iter().map(|(_, kind)| kind).collect();
    // A table within one folder that names no recording of the others is of a corpus of its own.
    let has_own_table = table.is_some_and(|table| {
        let of = |path: &String| Some(path.split_once('/')?.0.to_owned());
        let folders: BTreeSet<Option<String>> = table.tables.iter().map(of).collect();
        labelled.len() == 1
            && folders.len() == 1
            && folders
                .iter()
                .flatten()
                .any(|folder| labelled.contains(folder.as_str()))
    });
    let is_known = distinct.iter().any(|kind| matches!(kind, Kind::Known(_)));
    if distinct.len() < 2 || !is_known && !has_own_table {
        return Ok(());
    }
    let named: Vec<String> = kinds
        .iter()
        .map(|(folder, kind)| match kind {
            Kind::Known(name) => format!("{folder}/ ({name})"),
            Kind::Unknown(_) => format!("{folder}/"),
        })
        .collect();
    let mut commands: Vec<String> = kinds
        .iter()
        .take(COMMANDS)
        .map(|(name, _)| {
            let path = folder.root.join(name).display().to_string();
            format!(
                "ser corpus init {} --name {}",
                shell_word(&path),
                safe_name(name)
            )
        })
        .collect();
    if kinds.len() > COMMANDS {
        commands.push("…".to_owned());
    }
    let error = Error::data(format!(
        "{} holds {} corpora: {}",
        folder.root.display(),
        kinds.len(),
        listed(&named, COMMANDS)
    ));
    Err(error.hint(format!(
        "init each, then join them with kind = \"joined\" (pipelines/README.md): {}",
        commands.join("; ")
    )))
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
