//! Files that have one name in several folders: copies, or other sounds of the same recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::listing::{Reason, SetAside};
use super::propose::is_treated;
use super::utterance::Source;
use super::walk::{extension, folder, nearness};

/// Folders that a message names.
const SHOWN: usize = 3;

/// One source for each id.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) set_aside: Vec<SetAside>,
    pub(super) warnings: Vec<String>,
}

/// Chooses among the files of each id. `in_layout` tells the folders that the corpus itself has:
/// these come first, then the nearest to the root.
///
/// A file with the same bytes is a copy. Another one holds another sound, or the same in another
/// format: nothing of its folder is used, since whoever treats recordings treats all of them alike.
pub(super) fn settle(
    root: &Path,
    mut found: Vec<Source>,
    in_layout: impl Fn(&str) -> bool,
) -> Settled {
    let rank = |path: &str| {
        (
            is_treated(folder(path)),
            !in_layout(folder(path)),
            nearness(path).0,
            path.to_owned(),
        )
    };
    found.sort_by_cached_key(|source| rank(&source.path));
    let mut first: BTreeMap<&str, &Source> = BTreeMap::new();
    // The folders that have other contents under names that are used, each with such a name and
    // where that lies.
    let mut others: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
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
            Some(used) => {
                others
                    .entry(folder(&source.path))
                    .or_insert((&source.path, &used.path));
            }
        }
    }
    let mut out = Settled::default();
    let mut places: BTreeMap<(String, String), (usize, &str, &str)> = BTreeMap::new();
    for source in &found {
        if let Some((path, used)) = others.get(folder(&source.path)) {
            places
                .entry((parting(path, used), parting(used, path)))
                .or_insert((0, path, used))
                .0 += 1;
        }
    }
    for ((place, used_place), (n, path, used)) in places.iter().take(SHOWN) {
        out.warnings.push(format!(
            "{place} has other contents under the names of files in {used_place}, such as {path} beside {used}: {used_place} is used, and the {n} \
             files in {place} are not. If these are the recordings, set corpus.root to their folder"
        ));
    }
    if places.len() > SHOWN {
        out.warnings.push(format!(
            "{} more folders have other contents under names of files that are used",
            places.len() - SHOWN
        ));
    }
    for source in &found {
        let path = source.path.clone();
        let used = first
            .get(source.id.as_str())
            .map_or("", |used| used.path.as_str());
        let (reason, detail) = if copies.contains(path.as_str()) {
            (
                Reason::Duplicate,
                format!(
                    "the same file as {used}, which is used: nothing to do, or remove this copy"
                ),
            )
        } else if let Some((path, used)) = others.get(folder(&path)) {
            (
                Reason::OtherMaterial,
                format!(
                    "its folder has other contents under names that are used, such as {path} beside {used}"
                ),
            )
        } else if used != path {
            let kind = if extension(used) == extension(&path) {
                "name"
            } else {
                "name in another format"
            };
            (
                Reason::OtherMaterial,
                format!("{used} has the same {kind}, and is used"),
            )
        } else {
            out.sources.insert(source.id.clone(), source.clone());
            continue;
        };
        out.set_aside.push(SetAside {
            path,
            reason,
            detail,
        });
    }
    out
}

/// The folder of a path from which on it is another one than that of `other`, for people.
pub(super) fn parting(path: &str, other: &str) -> String {
    let parts: Vec<&str> = folder(path).split('/').collect();
    let same = parts
        .iter()
        .zip(folder(other).split('/'))
        .take_while(|(a, b)| *a == b)
        .count();
    let named = parts.get(..=same).unwrap_or(&parts).join("/");
    if named.is_empty() {
        "the folder itself".to_owned()
    } else {
        format!("{named}/")
    }
}

/// Whether two files hold the same bytes; no where one of them cannot be read.
pub(super) fn is_same_file(a: &Path, b: &Path) -> bool {
    let size = |path| fs::metadata(path).map(|about| about.len());
    let (Ok(a_size), Ok(b_size)) = (size(a), size(b)) else {
        return false;
    };
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
        let (Some(here), Some(there)) = (here.get(..n), there.get_mut(..n)) else {
            return Ok(false);
        };
        if b.read_exact(there).is_err() || here != &*there {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn settled(files: &[(&str, &str)]) -> (Vec<String>, Vec<Reason>, Vec<String>) {
        let dir = tree(files);
        let found = files
            .iter()
            .map(|(path, _)| Source::named(super::super::walk::stem(path), *path))
            .collect();
        let settled = settle(dir.path(), found, |folder| {
            folder.is_empty() || folder.ends_with("wav")
        });
        let paths = settled
            .sources
            .into_values()
            .map(|source| source.path)
            .collect();
        (
            paths,
            settled.set_aside.iter().map(|aside| aside.reason).collect(),
            settled.warnings,
        )
    }

    #[test]
    fn the_folder_of_the_layout_is_used_and_other_sounds_are_no_copies() {
        for other in ["laryngo", "noisy", "augmented", "anything"] {
            let of = |name: &str| format!("{other}/{name}.wav");
            let files = [
                ("wav/a.wav", "1"),
                ("wav/b.wav", "2"),
                (&of("a"), "x"),
                (&of("b"), "y"),
                (&of("c"), "z"),
            ];
            let (paths, reasons, warnings) = settled(&files);
            assert_eq!(paths, ["wav/a.wav", "wav/b.wav"], "{other}");
            assert_eq!(reasons, [Reason::OtherMaterial; 3]);
            assert!(
                warnings.len() == 1
                    && warnings[0].starts_with(&format!("{other}/ has other contents")),
                "{warnings:?}"
            );
            assert!(!warnings[0].contains("remove"));
        }
    }

    #[test]
    fn equal_files_are_copies_and_formats_lie_beside_each_other() {
        let (paths, reasons, warnings) = settled(&[
            ("wav/a.wav", "1"),
            ("old/wav/a.wav", "1"),
            ("old/wav/b.wav", "2"),
        ]);
        assert_eq!(
            (paths, reasons),
            (
                vec!["wav/a.wav".to_owned(), "old/wav/b.wav".to_owned()],
                vec![Reason::Duplicate]
            )
        );
        assert!(warnings.is_empty());
        let (paths, reasons, warnings) =
            settled(&[("a.flac", "1"), ("a.mp3", "2"), ("b.mp3", "3")]);
        assert_eq!(
            (paths, reasons),
            (
                vec!["a.flac".to_owned(), "b.mp3".to_owned()],
                vec![Reason::OtherMaterial]
            )
        );
        assert!(warnings.is_empty());
    }
}
