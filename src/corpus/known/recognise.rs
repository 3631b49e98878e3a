//! Which known corpus a folder is, by the names of its files.

use std::collections::BTreeMap;
use std::path::Path;

use super::description::{Description, State};
use super::read;
use super::registry::all;
use crate::corpus::walk::is_audio_name;

/// Share of the files whose names must be those of a corpus, in hundredths.
const MOST: usize = 90;
/// Share by which the recordings of a class may be more or fewer than the published ones where
/// several corpora name their files in one form, in hundredths.
const FORM: usize = 5;

/// The corpus that most of the files below `root` are named as. One whose names do not tell the
/// emotion is not recognised without its tables, and none of these where there is no root.
pub(crate) fn recognise<S: AsRef<str>>(
    files: &[S],
    root: Option<&Path>,
) -> Option<&'static Description> {
    let files: Vec<&str> = files
        .iter()
        .map(AsRef::as_ref)
        .filter(|path| is_audio_name(path))
        .collect();
    let fits = |corpus: &&Description| {
        let Some(names) = &corpus.names else {
            return false;
        };
        let named: Vec<_> = files
            .iter()
            .filter_map(|path| corpus.parse(path, true))
            .collect();
        if named.is_empty() || named.len() * 100 < MOST * files.len() {
            return false;
        }
        if !corpus.tables.is_empty() {
            // A table at hand is believed before what documents say of it.
            return corpus.state != State::Documents
                && root.is_some_and(|root| read::has_tables(root, corpus));
        }
        if !names.shared_form {
            return true;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        named
            .iter()
            .for_each(|one| *counts.entry(&one.emotion).or_default() += 1);
        let is_near = |(class, &n): (&String, &usize)| {
            let found = counts.get(class.as_str()).copied().unwrap_or(0);
            found.abs_diff(n) * 100 <= n * FORM
        };
        counts.len() == corpus.expected.classes.len() && corpus.expected.classes.iter().all(is_near)
    };
    all().iter().find(fits)
}
