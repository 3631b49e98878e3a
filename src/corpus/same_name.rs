//! Files that have one name in several folders: copies, or other sounds of the same recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::listing::{Reason, SetAside};
use super::propose::treated;
use super::utterance::Source;
use super::walk::{extension, nearness};

/// Folders that a message names.
const SHOWN: usize = 3;

/// One source for each id.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) set_aside: Vec<SetAside>,
    pub(super) warnings: Vec<String>,
}

/// Chooses among the files of each id. `in_layout` tells the folders that the corpus itself has: these come first, then the nearest to the root.
///
/// A file with the same bytes is a copy. Another one holds another sound, or the same in another format: nothing of its folder is used, since
/// whoever treats recordings treats all of them alike.
pub(super) fn settle(root: &Path, mut found: Vec<Source>, in_layout: impl Fn(&str) -> bool) -> Settled {
    let rank = |path: &str| (is_treated(folder(path)), !in_layout(folder(path)), nearness(path).0, path.to_owned());
    found.sort_by_cached_key(|source| rank(&source.path));
    let mut first: BTreeMap<&str, &Source> = BTreeMap::new();
    // By folder, which folder has other sounds under the same names, and how many.
    let mut others: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut copies: BTreeSet<&str> = BTreeSet::new();
    for source in &found {
        match first.get(source.id.as_str()) {
            None => {
                first.insert(&source.id, source);
            }
            Some(used) if is_same_file(&root.join(&used.path), &root.join(&source.path)) => {
                copies.insert(&source.path);
            }
            // Two formats may lie in one folder, of which the rest is needed.
            Some(used) if folder(&used.path) == folder(&source.path) => {}
            Some(used) => others.entry(folder(&source.path)).or_insert((folder(&used.path), 0)).1 += 1,
        }
    }
    let mut out = Settled::default();
    for (place, (used, n)) in others.iter().take(SHOWN) {
        out.warnings.push(format!(
            "{n} files in {} have the names of files in {} but other contents: {} is used. If the recordings lie elsewhere, set corpus.root to \
             their folder",
            named(place),
            named(used),
            named(used)
        ));
    }
    if others.len() > SHOWN {
        out.warnings.push(format!("{} more folders hold other contents under names of files that are used", others.len() - SHOWN));
    }
    for source in &found {
        let path = source.path.clone();
        let used = first.get(source.id.as_str()).map_or("", |used| used.path.as_str());
        let (reason, detail) = if copies.contains(path.as_str()) {
            (Reason::Duplicate, format!("the same file as {used}, which is used: nothing to do, or remove this copy"))
        } else if let Some((other, _)) = others.get(folder(&path)) {
            (Reason::OtherMaterial, format!("its folder holds other contents under the names of {}, which is used", named(other)))
        } else if used != path {
            let kind = if extension(used) == extension(&path) { "name" } else { "name in another format" };
            (Reason::OtherMaterial, format!("{used} has the same {kind}, and is used"))
        } else {
            out.sources.insert(source.id.clone(), source.clone());
            continue;
        };
        out.set_aside.push(SetAside { path, reason, detail });
    }
    out
}

fn is_treated(folder: &str) -> bool {
    folder.split('/').any(|part| treated::form(part).0 == Some(treated::Form::Treated))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn named(folder: &str) -> String {
    if folder.is_empty() { "the corpus root".to_owned() } else { format!("{folder}/") }
}

/// Whether two files hold the same bytes; no where one of them cannot be read.
pub(super) fn is_same_file(a: &Path, b: &Path) -> bool {
    let size = |path| fs::metadata(path).map(|about| about.len());
    let (Ok(a_size), Ok(b_size)) = (size(a), size(b)) else { return false };
    a_size == b_size && same_bytes(a, b).unwrap_or(false)
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut here, mut there) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = a.read(&mut here)?;
        if n == 0 {
            return Ok(b.read(&mut there)? == 0);
        }
        let (Some(here), Some(there)) = (here.get(..n), there.get_mut(..n)) else { return Ok(false) };
        if b.read_exact(there).is_err() || here != &*there {
            return Ok(false);
        }
    }
}
