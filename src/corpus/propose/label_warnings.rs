//! From the words of a corpus to classes, and what should be looked at in a proposal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::proposal::{Proposal, Row, contradictions};
use super::words;
use crate::corpus::manifest::measurements;
use crate::corpus::{Reason, SetAside, is_unknown, variants};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::text::{composed, excerpt, listed, plural};

/// Classes and recordings that are named in one line.
const SHOWN: usize = 12;
/// Classes of fewer recordings are said to be rare.
const FEW: usize = 10;

/// Known words become classes, in one spelling; others stay as they are. Warnings say what should
/// be looked at.
///
/// # Errors
/// `Data` where there are not two classes of two recordings.
pub(super) fn label(root: &Path, proposal: &mut Proposal) -> Result<()> {
    without_emotion(proposal);
    classify(proposal);
    merged(proposal);
    require_two_classes(root, proposal)?;
    let warnings = [
        numbers(proposal),
        names_by_accent(proposal),
        contradicting_rows(proposal),
        single_recordings(proposal),
        rare_classes(proposal),
        spellings_of_classes(proposal),
        spellings_of_speakers(proposal),
        speakers(proposal),
    ];
    proposal.warnings.extend(warnings.into_iter().flatten());
    Ok(())
}

/// Excludes recordings whose label says that nobody knows the emotion.
fn without_emotion(proposal: &mut Proposal) {
    let (unknown, rows): (Vec<Row>, Vec<Row>) = std::mem::take(&mut proposal.rows)
        .into_iter()
        .partition(|row| is_unknown(&row.emotion));
    proposal.rows = rows;
    let Some(first) = unknown.first() else {
        return;
    };
    proposal.warnings.push(format!(
        "{} whose emotion is not known (`{}`) excluded; where that is a class, write it into the manifest and label_map",
        plural(unknown.len(), "recording"),
        excerpt(&first.emotion)
    ));
    proposal
        .set_aside
        .extend(unknown.into_iter().map(|row| SetAside {
            detail: format!("its emotion is not known: {}", row.emotion),
            reason: Reason::MissingLabel,
            path: row.path,
        }));
}

fn classify(proposal: &mut Proposal) {
    let own: BTreeSet<&str> = proposal
        .rows
        .iter()
        .map(|row| row.emotion.as_str())
        .collect();
    let unknown: Vec<String> = own
        .iter()
        .filter(|word| words::emotion(word).is_none())
        .map(|word| (*word).to_owned())
        .collect();
    let letters = if unknown.len() == own.len() {
        words::letters(&own)
    } else {
        None
    };
    if let Some(letters) = &letters {
        let read = letters
            .iter()
            .map(|(letter, class)| format!("{letter} as {class}"));
        proposal.warnings.push(format!(
            "letters are read as emotions: {}; correct label_map in the pipeline file",
            read.collect::<Vec<_>>().join(", ")
        ));
    } else if !unknown.is_empty() {
        proposal.warnings.push(format!(
            "these labels are no words that ser knows, and are kept as classes: {}",
            listed(&unknown, SHOWN)
        ));
    }
    let bracketed: Vec<String> = own
        .iter()
        .filter_map(|word| {
            let class = words::without_brackets(word).and(words::emotion(word))?;
            Some(format!("{word} as {class}"))
        })
        .collect();
    if !bracketed.is_empty() {
        proposal.warnings.push(format!(
            "what labels have in brackets is ignored: {}; where it makes another class, correct label_map in the pipeline file",
            listed(&bracketed, SHOWN)
        ));
    }
    let class = |word: &str| {
        let letter = || {
            letters
                .as_ref()
                .and_then(|letters| letters.get(word).copied())
        };
        let known = words::emotion(word).or_else(letter);
        // An unknown word is a class, but on one line.
        known.map_or_else(
            || composed(word).replace(char::is_control, " "),
            str::to_owned,
        )
    };
    proposal.classes = own
        .iter()
        .map(|word| ((*word).to_owned(), class(word)))
        .collect();
    let unclear: Vec<String> = proposal
        .classes
        .iter()
        .filter(|(_, class)| *class == words::NO_AGREEMENT)
        .map(|(word, _)| word.clone())
        .collect();
    if !unclear.is_empty() {
        proposal.classes.retain(|word, _| !unclear.contains(word));
        let (without, rows): (Vec<Row>, Vec<Row>) = std::mem::take(&mut proposal.rows)
            .into_iter()
            .partition(|row| unclear.contains(&row.emotion));
        proposal.rows = rows;
        proposal
            .set_aside
            .extend(without.into_iter().map(|row| SetAside {
                path: row.path,
                reason: Reason::MissingLabel,
                detail: "its raters do not agree on an emotion".to_owned(),
            }));
        proposal.warnings.push(format!(
            "recordings on whose emotion the raters do not agree ({}) are left out",
            unclear.join(", ")
        ));
    }
}

/// Words of one class that are not forms of one word: happy and joy, fear and anxiety.
fn merged(proposal: &mut Proposal) {
    let mut of: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for (own, class) in &proposal.classes {
        let stem = words::key(own).chars().take(3).collect();
        of.entry(class).or_default().entry(stem).or_insert(own);
    }
    let merged: Vec<String> = of
        .into_iter()
        .filter(|(_, words)| words.len() > 1)
        .map(|(class, words)| {
            let words: Vec<&str> = words.into_values().collect();
            format!("{} as {class}", words.join(" and "))
        })
        .collect();
    if !merged.is_empty() {
        proposal.warnings.push(format!(
            "labels are merged: {}. Are they one class? If not, correct label_map in the pipeline file",
            listed(&merged, SHOWN)
        ));
    }
}

/// A class of one recording cannot be trained on and tested.
fn require_two_classes(root: &Path, proposal: &Proposal) -> Result<()> {
    let counts = proposal.counts();
    if counts.values().filter(|&&n| n > 1).count() > 1 {
        return Ok(());
    }
    let all: Vec<String> = counts
        .iter()
        .map(|(class, n)| format!("{} {n}", shown(class)))
        .collect();
    let (root, classes) = (root.display(), listed(&all, SHOWN));
    let error = Error::data(match all.len() {
        1 => format!("all recordings below {root} have one emotion ({classes})"),
        _ => format!("fewer than two classes below {root} have two recordings: {classes}"),
    });
    let evidence: Vec<String> = proposal.evidence.iter().map(|line| shown(line)).collect();
    let numbers = numbers(proposal).map_or(String::new(), |why| format!("{why}. "));
    Err(error.hint(format!(
        "{numbers}a classifier needs two classes of two recordings each. How these were told: {}; say where else the emotion stands with --emotion FIELD",
        evidence.join("; ")
    )))
}

/// Numbers that a run refuses, since they are no classes.
fn numbers(proposal: &Proposal) -> Option<String> {
    let own = proposal.rows.iter().map(|row| row.emotion.as_str());
    let why = measurements(&own.collect())?;
    Some(format!(
        "{why}; a run refuses them until label_map in the pipeline file gives each number a class; say where else the emotion stands with --emotion"
    ))
}

/// Names that differ in the form of their accents alone are one name on some systems.
fn names_by_accent(proposal: &Proposal) -> Option<String> {
    let paths: BTreeSet<&str> = proposal.rows.iter().map(|row| row.path.as_str()).collect();
    let mut seen = BTreeSet::new();
    let twins: Vec<&str> = paths
        .into_iter()
        .filter(|path| !seen.insert(composed(path)))
        .collect();
    let first = twins.first()?;
    Some(format!(
        "{} with the name of another one in another form of its accents (NFC and NFD), such as {first}: on some systems these are \
         one file, so rename or remove one of each",
        plural(twins.len(), "recording")
    ))
}

fn contradicting_rows(proposal: &Proposal) -> Option<String> {
    let found = contradictions(&proposal.rows);
    let (path, emotions) = found.first()?;
    let emotions: Vec<&str> = emotions.iter().copied().collect();
    Some(format!(
        "{} with several rows that differ in emotion or speaker, such as {path} ({}): a run takes the \
         first row of each, so keep the right one in the manifest",
        plural(found.len(), "recording"),
        emotions.join(", ")
    ))
}

/// The classes with a number of recordings that `is` holds for; `None` where there are none.
fn classes_of(proposal: &Proposal, is: impl Fn(usize) -> bool) -> Option<String> {
    let classes: Vec<String> = proposal
        .counts()
        .into_iter()
        .filter(|(_, n)| is(*n))
        .map(|(class, n)| format!("{class} ({n})"))
        .collect();
    (!classes.is_empty()).then(|| listed(&classes, SHOWN))
}

fn single_recordings(proposal: &Proposal) -> Option<String> {
    let classes = classes_of(proposal, |n| n < 2)?;
    Some(format!(
        "a class of one recording cannot be trained on and tested: `labels` in the pipeline file is without {classes}"
    ))
}

fn rare_classes(proposal: &Proposal) -> Option<String> {
    let classes = classes_of(proposal, |n| (2..FEW).contains(&n))?;
    let how = match classes_of(proposal, |n| n < 2) {
        None => "leave such classes out with `labels` in the pipeline file",
        Some(_) => "take such classes out of `labels`, too",
    };
    Some(format!("few recordings: {classes}; {how}"))
}

/// Groups of names that differ in their spelling alone.
fn spellings(names: BTreeSet<&str>) -> Option<String> {
    let groups: Vec<String> = variants(names)
        .into_iter()
        .map(|group| {
            group
                .into_iter()
                .map(excerpt)
                .collect::<Vec<_>>()
                .join(" and ")
        })
        .collect();
    (!groups.is_empty()).then(|| listed(&groups, SHOWN))
}

fn spellings_of_classes(proposal: &Proposal) -> Option<String> {
    let all = spellings(proposal.classes.values().map(String::as_str).collect())?;
    Some(format!(
        "classes that differ in their spelling alone are kept apart: {all}; give them one class in label_map"
    ))
}

fn spellings_of_speakers(proposal: &Proposal) -> Option<String> {
    let all = spellings(proposal.speakers())?;
    Some(format!(
        "speakers whose names differ in their spelling alone count as different voices: {all}"
    ))
}

fn speakers(proposal: &Proposal) -> Option<String> {
    let (speakers, recordings) = (proposal.speakers().len(), proposal.recordings());
    if proposal.has_speakers() {
        // A recording of one person may have many segments.
        let are_many = speakers * 2 > recordings && speakers * 2 > proposal.rows.len();
        return are_many.then(|| {
            format!("{speakers} speakers of {recordings} recordings are many: look whether these are speakers")
        });
    }
    let rows = proposal.rows.len();
    let without = proposal
        .rows
        .iter()
        .filter(|row| row.speaker.is_none())
        .count();
    let who = match (speakers, without) {
        (0, _) => "speakers are not known".to_owned(),
        (1, 0) => {
            return Some(
                "there is one speaker: figures will be those of this voice alone, and say nothing about others".to_owned(),
            );
        }
        _ => format!("speakers are not known of {without} of {rows} rows"),
    };
    Some(format!(
        "{who}: no test can keep them apart, and figures will be those of known voices. Say where speakers stand with \
         --speaker FIELD, or add them in the manifest's column speaker, then choose group-kfold or leave-one-speaker-out"
    ))
}
