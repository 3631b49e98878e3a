//! Tables of one database that name the same recordings in several media: speech, and what another
//! sensor took at the same time.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::Row;
use super::treated::{Form, form};

/// Share of the names of a folder that another one must have, and of the labels that must agree,
/// for both to be of the same recordings.
const NAMES: f64 = 0.5;
const LABELS: f64 = 0.95;

/// What stands in one folder: by file name the labels, as far as they are those of the whole file.
type Labels<'r> = BTreeMap<&'r str, (&'r str, Option<&'r str>)>;

pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The rows of one medium, and how many were those of other folders, by folder. `rank` says which
/// folder is wanted most (the least counts).
pub(super) fn one_medium<R: Ord>(
    rows: Vec<Row>,
    rank: impl Fn(&str) -> R,
) -> (Vec<Row>, BTreeMap<String, usize>) {
    let mut folders: BTreeMap<&str, Labels<'_>> = BTreeMap::new();
    for row in &rows {
        let name = row.path.rsplit('/').next().unwrap_or(&row.path);
        folders
            .entry(folder(&row.path))
            .or_default()
            .insert(name, (&row.emotion, row.speaker.as_deref()));
    }
    let mut order: Vec<&str> = folders.keys().copied().collect();
    let is_treated = |folder: &str| {
        folder
            .split('/')
            .any(|part| form(part).0 == Some(Form::Treated))
    };
    order.sort_by_cached_key(|folder| (rank(folder), is_treated(folder), (*folder).to_owned()));
    let mut kept: Vec<&str> = Vec::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for folder in order {
        let labels = folders.get(folder);
        if kept.iter().any(|other| {
            labels
                .zip(folders.get(other))
                .is_some_and(|(a, b)| is_same(a, b))
        }) {
            others.insert(folder.to_owned());
        } else {
            kept.push(folder);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (rows, gone): (Vec<Row>, Vec<Row>) = rows
        .into_iter()
        .partition(|row| !others.contains(folder(&row.path)));
    gone.iter()
        .for_each(|row| *counts.entry(folder(&row.path).to_owned()).or_default() += 1);
    (rows, counts)
}

/// Whether two folders hold the same recordings, by names and labels.
fn is_same(a: &Labels<'_>, b: &Labels<'_>) -> bool {
    let both: Vec<_> = a
        .iter()
        .filter_map(|(name, labels)| Some((labels, b.get(name)?)))
        .collect();
    let agree = both.iter().filter(|(a, b)| a == b).count();
    let emotions: BTreeSet<&str> = both.iter().map(|(labels, _)| labels.0).collect();
    emotions.len() > 1
        && both.len() as f64 >= NAMES * a.len().min(b.len()) as f64
        && agree as f64 >= LABELS * both.len() as f64
}
