//! Several corpora in one folder, each in a folder of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::by_path::found;
use super::fields::{fields, telling};
use super::text::{listed, safe};
use super::{forms, words};
use crate::corpus::{emodb, ravdess};
use crate::error::{Error, Result};
use crate::files::shell_word;

/// Share of a folder's names that must be of one form.
const MOST: f64 = 0.9;
/// Folders whose command is written out.
const SHOWN: usize = 8;

/// What the recordings of a folder are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Known(&'static str),
    /// Names that say the emotion in this place, in words or codes of their own.
    Unknown(String),
}

/// Refuses a folder whose folders are corpora of different forms.
///
/// # Errors
/// `Data` with the commands to run in its place.
pub(super) fn refuse_several(root: &Path, files: &[String]) -> Result<()> {
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (folder, rest) in files.iter().filter_map(|path| path.split_once('/')) {
        below.entry(folder).or_default().push(rest);
    }
    if below.len() < 2 || files.iter().any(|path| !path.contains('/')) {
        return Ok(());
    }
    let kinds: Vec<(&str, Kind)> = below
        .iter()
        .filter_map(|(folder, files)| Some((*folder, kind(files)?)))
        .collect();
    let distinct: BTreeSet<&Kind> = kinds.iter().map(|(_, kind)| kind).collect();
    if distinct.len() < 2 || !distinct.iter().any(|kind| matches!(kind, Kind::Known(_))) {
        return Ok(());
    }
    let told: Vec<String> = kinds
        .iter()
        .map(|(folder, kind)| match kind {
            Kind::Known(name) => format!("{folder}/ ({name})"),
            Kind::Unknown(_) => format!("{folder}/"),
        })
        .collect();
    let commands: Vec<String> = kinds
        .iter()
        .map(|(folder, _)| {
            format!(
                "ser corpus init {} --name {}",
                shell_word(&root.join(folder).display().to_string()),
                safe(folder)
            )
        })
        .collect();
    let error = Error::data(format!(
        "{} holds {} corpora: {}",
        root.display(),
        kinds.len(),
        listed(&told, SHOWN)
    ));
    Err(error.hint(format!(
        "init each, then join them with kind = \"joined\" (pipelines/README.md): {}",
        if commands.len() > SHOWN {
            format!("{}; …", commands[..SHOWN].join("; "))
        } else {
            commands.join("; ")
        }
    )))
}

/// What the names of a folder's recordings are; `None` where they do not tell two emotions.
fn kind(paths: &[&str]) -> Option<Kind> {
    let share = |is: fn(&str) -> bool| {
        paths.iter().filter(|path| is(path)).count() as f64 >= MOST * paths.len() as f64
    };
    if share(ravdess::is_name) {
        return Some(Kind::Known("RAVDESS"));
    }
    if share(emodb::is_name) {
        return Some(Kind::Known("EMO-DB"));
    }
    if let Some((form, _)) = forms::form_of(paths.iter().copied()) {
        return Some(Kind::Known(form.name));
    }
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let telling = telling(&fields(&paths));
    let emotion = found(&telling, paths.len())?;
    let classes: BTreeSet<&str> = emotion
        .distinct()
        .into_iter()
        .map(|value| words::emotion(value).unwrap_or(value))
        .collect();
    (classes.len() > 1).then(|| Kind::Unknown(emotion.place.to_string()))
}
