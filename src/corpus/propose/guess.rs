//! From a tree of files to a row for each recording, with the evidence for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fields::{Field, fields};
use super::{audformat, sheets, words};
use crate::corpus::utterance::Source;
use crate::corpus::walk::{AUDIO, check_root, walk};
use crate::corpus::{EmodbSettings, GENERATED_MARK, Listing, SetAside, emodb, ravdess};
use crate::error::{Error, Result};

/// Share of recordings whose word must be known for a field to be the emotion.
const KNOWN: f64 = 0.5;

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
    /// Whether a program made the sounds, as a file beside them says.
    pub generated: bool,
    /// Files that cannot be used.
    pub set_aside: Vec<SetAside>,
}

impl Proposal {
    /// The speakers, ascending; empty where nobody knows them.
    pub fn speakers(&self) -> BTreeSet<&str> {
        self.rows.iter().filter_map(|row| row.speaker.as_deref()).collect()
    }

    /// Whether every recording has a speaker, and there is more than one of them.
    pub fn has_speakers(&self) -> bool {
        self.rows.iter().all(|row| row.speaker.is_some()) && self.speakers().len() > 1
    }

    /// Whether the corpus says what to train on and what to test.
    pub fn is_parted(&self) -> bool {
        let has = |part: &str| self.rows.iter().any(|row| row.more.get("split").is_some_and(|split| split == part));
        has("train") && has("test")
    }

    /// How often each class occurs.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(self.classes.get(&row.emotion).map_or(row.emotion.as_str(), String::as_str)).or_default() += 1;
        }
        counts
    }
}

/// Looks at the folder `root`; `name` is what the corpus is called, that of the folder where it is `None`.
///
/// # Errors
/// `Missing` where there is no such folder; `Data` where it has no recordings, or nothing in it tells emotions.
pub fn propose(root: &Path, name: Option<&str>) -> Result<Proposal> {
    check_root(root, "a corpus", "name the folder of the recordings")?;
    let tree = walk(root, "", AUDIO)?;
    if tree.files.is_empty() {
        let error = Error::data(format!("{} holds no recording", root.display()));
        return Err(error.hint(format!("ser reads {} files; name the folder that holds them", AUDIO.join(", "))));
    }
    let folder = std::fs::canonicalize(root).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let mut proposal = found(root, &tree.files)?;
    proposal.set_aside.extend(tree.set_aside);
    proposal.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    proposal.name =
        safe(name.or(Some(&proposal.name).filter(|n| !n.is_empty()).map(String::as_str)).or(folder.as_deref()).unwrap_or("corpus"));
    proposal.rows.sort_by(|a, b| (&a.path, &a.more).cmp(&(&b.path, &b.more)));
    classes(&mut proposal);
    if proposal.classes.values().collect::<BTreeSet<_>>().len() < 2 {
        return Err(Error::data(format!("all recordings below {} have one emotion", root.display())).hint("a classifier needs two classes"));
    }
    if !proposal.has_speakers() {
        proposal.doubts.push(
            "speakers are not known: nothing can be tested on unseen speakers, and figures will be those of known voices. Add them in the \
             manifest's column speaker, then choose group-kfold or leave-one-speaker-out"
                .to_owned(),
        );
    }
    Ok(proposal)
}

fn found(root: &Path, files: &[String]) -> Result<Proposal> {
    let empty = Proposal {
        name: String::new(),
        language: None,
        licence: None,
        citation: None,
        rows: vec![],
        classes: BTreeMap::new(),
        evidence: vec![],
        doubts: vec![],
        generated: root.join(GENERATED_MARK).is_file(),
        set_aside: vec![],
    };
    if root.join(audformat::HEADER).is_file() {
        let found = audformat::read(root)?;
        let there: BTreeSet<&String> = files.iter().collect();
        let (rows, gone): (Vec<Row>, Vec<Row>) = found.rows.into_iter().partition(|row| there.contains(&row.path));
        let mut doubts = found.doubts;
        if !gone.is_empty() {
            doubts.push(format!("{} recordings of the database are not there, such as {}", gone.len(), gone[0].path));
        }
        if rows.is_empty() {
            return Err(Error::data(format!("no recording of the audformat database in {} is there", root.display()))
                .hint("put the recordings where its tables say"));
        }
        let audformat::Database { name, language, licence, citation, evidence, .. } = found;
        return Ok(Proposal { name, language, licence, citation, rows, evidence, doubts, ..empty });
    }
    for (name, listing) in [("RAVDESS", ravdess::read(root)), ("EMO-DB", emodb::read(root, &EmodbSettings { all_clips: true }))] {
        if let Ok(Listing { sources, set_aside, .. }) = listing
            && sources.len() * 10 >= files.len() * 9
        {
            let evidence = vec![format!("{} of {} file names are those of {name}", sources.len(), files.len())];
            return Ok(Proposal { rows: sources.into_iter().map(row).collect(), evidence, set_aside, ..empty });
        }
    }
    let tables = walk(root, "", &["csv", "tsv", "tab", "parquet", "txt"])?.files;
    let best = tables
        .iter()
        .filter_map(|table| sheets::labelled(root, table, files))
        .reduce(|a, b| if b.rows.len() > a.rows.len() { b } else { a });
    if let Some(table) = best {
        return Ok(Proposal { rows: table.rows, evidence: table.evidence, doubts: table.doubts, ..empty });
    }
    by_path(root, files, empty)
}

fn row(source: Source) -> Row {
    let mut more = BTreeMap::new();
    let sex = source.sex.map(|sex| sex.as_str().to_owned());
    let columns = [("sex", sex), ("text_id", source.text_id), ("session", source.session), ("intensity", source.intensity)];
    more.extend(columns.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Row { path: source.path, emotion: source.emotion, speaker: Some(source.speaker), more }
}

/// Emotions and speakers by folders and names alone.
fn by_path(root: &Path, files: &[String], empty: Proposal) -> Result<Proposal> {
    let fields = fields(files);
    let known = |field: &Field| {
        let known = field.values.iter().flatten().filter(|value| words::emotion(value).is_some()).count();
        let classes: BTreeSet<&str> = field.values.iter().flatten().filter_map(|value| words::emotion(value)).collect();
        (known as f64 / files.len() as f64, classes.len())
    };
    let emotion = fields
        .iter()
        .map(|field| (known(field), field))
        .filter(|((share, classes), _)| *share >= KNOWN && *classes >= 2)
        .reduce(|a, b| if b.0.0 > a.0.0 + 1e-9 { b } else { a });
    let Some(((share, _), emotion)) = emotion else {
        let tried = fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        let error = Error::data(format!("nothing below {} tells the emotion of its recordings", root.display()));
        return Err(error.hint(format!(
            "looked for words for emotions in {}, and for a table that names the recordings; write a manifest with the columns path, emotion, \
             speaker (pipelines/README.md)",
            if tried.is_empty() { "the names" } else { &tried }
        )));
    };
    let values = emotion.distinct().len();
    let mut evidence =
        vec![format!("emotion: {}, {values} values, of {:.0} % of the recordings a known word", emotion.name, share * 100.0)];
    let mut doubts = Vec::new();
    let (speaker, others) = speaker(&fields, emotion);
    if let Some(speaker) = speaker {
        evidence.push(format!("speaker: {}, {} values", speaker.name, speaker.distinct().len()));
    }
    if !others.is_empty() {
        doubts.push(format!("the speaker could also be {}: look whether the manifest is right", others.join(" or ")));
    }
    let mut rows = Vec::new();
    let mut lacking = 0;
    for (i, path) in files.iter().enumerate() {
        let Some(word) = emotion.values.get(i).cloned().flatten() else {
            lacking += 1;
            continue;
        };
        let speaker = speaker.and_then(|field| field.values.get(i).cloned().flatten());
        let mut more = BTreeMap::new();
        more.extend(speaker.as_deref().and_then(sex).map(|sex| ("sex", sex.to_owned())));
        rows.push(Row { path: path.clone(), emotion: word, speaker, more });
    }
    // One or two speakers that look like a sex are no reason to call it one.
    if rows.iter().any(|row| !row.more.contains_key("sex")) {
        rows.iter_mut().for_each(|row| row.more.clear());
    }
    if lacking > 0 {
        doubts.push(format!("{lacking} recordings have no {}: they are left out", emotion.name));
    }
    Ok(Proposal { rows, evidence, doubts, ..empty })
}

/// `f1`, `m02`: the way in which some corpora name speakers.
fn sex(speaker: &str) -> Option<&'static str> {
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

/// The field that is the speaker, as far as can be told, and others that could be it.
fn speaker<'f>(fields: &'f [Field], emotion: &Field) -> (Option<&'f Field>, Vec<&'f str>) {
    let n = emotion.values.len();
    let classes = emotion.distinct().len();
    let mut candidates: Vec<(i32, &Field)> = Vec::new();
    for field in fields.iter().filter(|field| field.is_whole() && field.values != emotion.values) {
        let mut heard: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (speaker, word) in field.values.iter().flatten().zip(&emotion.values) {
            heard.entry(speaker).or_default().extend(word.as_deref());
        }
        // A speaker says more than one thing in more than one emotion; what tells emotions is no speaker.
        let varied = heard.values().filter(|emotions| emotions.len() * 2 > classes.min(3)).count() * 2 >= heard.len();
        let is_emotion = heard.keys().filter(|value| words::emotion(value).is_some()).count() * 2 > heard.len();
        if heard.len() < 2 || heard.len() * 3 > n || !varied || is_emotion {
            continue;
        }
        let called = heard.keys().all(|value| words::is_speaker_word(value));
        let sexed = heard.keys().all(|value| sex(value).is_some());
        let shaped =
            heard.keys().all(|value| value.ends_with(|c: char| c.is_ascii_digit()) && value.starts_with(|c: char| c.is_alphabetic()));
        let score = 6 * i32::from(called) + 4 * i32::from(sexed) + 3 * i32::from(field.folder) + i32::from(shaped);
        candidates.push((score, field));
    }
    // Of equals the first: names begin with the speaker more often than not.
    let best = candidates.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let chosen = candidates.iter().find(|(score, _)| *score == best).map(|(_, field)| *field);
    let others = candidates.iter().filter(|(score, field)| *score == best && Some(*field) != chosen).map(|(_, field)| field.name.as_str());
    (chosen, if best >= 6 { vec![] } else { others.collect() })
}

/// Known words become classes, in one spelling; others stay as they are.
fn classes(proposal: &mut Proposal) {
    let own: BTreeSet<&String> = proposal.rows.iter().map(|row| &row.emotion).collect();
    let unknown: Vec<&str> = own.iter().filter(|word| words::emotion(word).is_none()).map(|word| word.as_str()).collect();
    if !unknown.is_empty() {
        let shown = unknown.iter().take(12).copied().collect::<Vec<_>>().join(", ");
        proposal.doubts.push(format!("these labels are no words that ser knows, and are kept as classes: {shown}"));
    }
    proposal.classes = own.into_iter().map(|word| (word.clone(), words::emotion(word).unwrap_or(word).to_owned())).collect();
    let counts: BTreeMap<String, usize> = proposal.counts().into_iter().map(|(class, n)| (class.to_owned(), n)).collect();
    let rare: Vec<String> = counts.iter().filter(|(_, n)| **n < 10).map(|(class, n)| format!("{class} ({n})")).collect();
    if !rare.is_empty() {
        proposal.doubts.push(format!("few recordings: {}; leave such classes out with `labels` in the pipeline file", rare.join(", ")));
    }
}

/// A name that is a file name everywhere.
fn safe(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let out = out.trim_end_matches('-').to_owned();
    if out.is_empty() || !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        format!("corpus-{out}").trim_end_matches('-').to_owned()
    } else {
        out
    }
}

#[cfg(test)]
#[path = "guess_tests.rs"]
mod tests;
