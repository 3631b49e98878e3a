//! Which files of a folder ser wrote: these alone may be replaced or removed. Such folders are
//! people's as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::patience::read_if_there;
use super::seal::{from_sealed_json, to_sealed_json};
use super::{TEMPORARY, hash_file, write_atomically};
use crate::error::{Error, Result};

/// Name of the record within the folder.
pub const INVENTORY: &str = ".ser-files.json";
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    /// The way from the folder to the pipeline file whose results it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipeline_file: Option<String>,
    /// Hex BLAKE3 of each file by its name within the folder, `/`-separated: two while it is being
    /// replaced, none of a page that every run writes anew.
    files: BTreeMap<String, BTreeSet<String>>,
}

/// The record of what ser wrote into a folder. One that is absent or damaged lists nothing.
#[derive(Debug)]
pub struct Inventory {
    folder: PathBuf,
    document: Document,
}

impl Inventory {
    /// Reads the record of a folder.
    pub fn read(folder: &Path) -> Result<Inventory> {
        let none = || Document {
            format: FORMAT,
            pipeline_file: None,
            files: BTreeMap::new(),
        };
        let bytes = read_if_there(&folder.join(INVENTORY))?;
        let read = bytes.and_then(|bytes| match from_sealed_json::<Document>(&bytes) {
            Ok((document, true)) if document.format == FORMAT => Some(document),
            _ => None,
        });
        Ok(Inventory {
            folder: folder.to_owned(),
            document: read.unwrap_or_else(none),
        })
    }

    /// Whether it lists nothing, and there is none.
    pub fn is_idle(&self) -> bool {
        self.document.files.is_empty() && !self.folder.join(INVENTORY).exists()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The pipeline file whose results the folder holds, where that is known.
    pub fn pipeline_file(&self) -> Option<PathBuf> {
        let way = self.document.pipeline_file.as_ref()?;
        fs::canonicalize(fs::canonicalize(&self.folder).ok()?.join(way)).ok()
    }

    /// Notes the way from the folder to the pipeline file.
    pub fn set_pipeline_file(&mut self, way: Option<String>) {
        self.document.pipeline_file = way;
    }

    /// Whether ser wrote a file of this name, whatever it holds now.
    pub fn lists(&self, name: &str) -> bool {
        self.document.files.contains_key(name)
    }

    /// Whether ser wrote a file of this name with this content.
    pub fn holds(&self, name: &str, hash: &str) -> bool {
        self.document
            .files
            .get(name)
            .is_some_and(|hashes| hashes.is_empty() || hashes.contains(hash))
    }

    /// Notes that a file with this content is about to be written, or is there; what it held until
    /// now stays noted.
    pub fn expect(&mut self, name: &str, hash: &str) {
        self.document
            .files
            .entry(name.to_owned())
            .or_default()
            .insert(hash.to_owned());
    }

    /// Notes that a file holds this and nothing else.
    pub fn settle(&mut self, name: &str, hash: &str) {
        self.document
            .files
            .insert(name.to_owned(), BTreeSet::from([hash.to_owned()]));
    }

    /// Forgets a file.
    pub fn forget(&mut self, name: &str) {
        self.document.files.remove(name);
    }

    /// Forgets files that are not there.
    pub fn forget_absent(&mut self) {
        let folder = &self.folder;
        self.document
            .files
            .retain(|name, _| fs::symlink_metadata(folder.join(name)).is_ok());
    }

    /// Puts the record into the folder, unless it says the same already.
    pub fn save(&self) -> Result<()> {
        let path = self.folder.join(INVENTORY);
        let bytes = to_sealed_json(&self.document)?;
        if read_if_there(&path)?.is_some_and(|old| old == bytes) {
            return Ok(());
        }
        write_atomically(&path, &bytes)
    }

    /// Writes a page that every run writes anew. Returns whether it did: a file of this name that
    /// ser did not write stays, unless `is_ours` knows its content.
    pub fn write_page(
        folder: &Path,
        name: &str,
        bytes: &[u8],
        is_ours: impl Fn(&[u8]) -> bool,
    ) -> Result<bool> {
        let path = folder.join(name);
        let mut inventory = Inventory::read(folder)?;
        if !inventory.lists(name) {
            if is_link(&path) || read_if_there(&path)?.is_some_and(|there| !is_ours(&there)) {
                return Ok(false);
            }
            inventory
                .document
                .files
                .insert(name.to_owned(), BTreeSet::new());
            inventory.save()?;
        }
        write_atomically(&path, bytes).map(|()| true)
    }

    /// Removes what ser wrote into the folder, the record, and folders that are empty then; returns
    /// what is left. Nothing is removed from a folder that is a link to another.
    pub fn remove(mut self) -> Result<Vec<PathBuf>> {
        if is_link(&self.folder) {
            return Ok(vec![self.folder]);
        }
        for path in files_below(&self.folder) {
            let Some(name) = self.name(&path) else {
                continue;
            };
            if self.lists(&name) && !is_link(&path) && self.holds(&name, &hash_file(&path)?.1) {
                remove_below(&path, &self.folder)?;
                self.forget(&name);
            }
        }
        let left: Vec<PathBuf> = files_below(&self.folder)
            .into_iter()
            .filter(|path| *path != self.folder.join(INVENTORY))
            .collect();
        if left.is_empty() && self.folder.join(INVENTORY).exists() {
            remove_file(&self.folder.join(INVENTORY))?;
        } else if !left.is_empty() {
            self.save()?;
        }
        // Only an empty folder can be removed like this.
        drop(fs::remove_dir(&self.folder));
        Ok(left)
    }

    /// The name of a file within the folder.
    pub fn name(&self, path: &Path) -> Option<String> {
        let parts = path.strip_prefix(&self.folder).ok()?.components();
        let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
        parts.map(|parts| parts.join("/"))
    }

    /// Files of the folder that ser did not write, sorted; what is half-written is not among them.
    pub fn others(&self) -> Vec<PathBuf> {
        let own = |path: &PathBuf| {
            let leaf = path.file_name().unwrap_or_default().to_string_lossy();
            leaf == INVENTORY
                || leaf.starts_with(TEMPORARY)
                || self.name(path).is_some_and(|name| self.lists(&name))
        };
        files_below(&self.folder)
            .into_iter()
            .filter(|path| !own(path))
            .collect()
    }
}

/// Whether something is a link.
pub fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

/// Files and links at and below a path, sorted. Folders that are links are not entered.
pub fn files_below(path: &Path) -> Vec<PathBuf> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return vec![];
    };
    if !meta.is_dir() {
        return vec![path.to_owned()];
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    entries
        .iter()
        .flat_map(|entry| files_below(entry))
        .collect()
}

/// Removes empty folders at and below a path; any other stays.
pub fn remove_empty_folders(path: &Path) {
    if is_link(path) {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // Only an empty folder can be removed like this.
    drop(fs::remove_dir(path));
}

/// Removes a file; one that is gone already is none the less removed.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Removes a file, and the folders above it that are empty then, up to `root`, which stays.
pub fn remove_below(path: &Path, root: &Path) -> Result<()> {
    remove_file(path)?;
    for folder in path
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != root)
    {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::hash_bytes;

    #[test]
    fn what_others_wrote_or_changed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("k");
        for (name, text) in [
            ("a/ours", "1"),
            ("a/changed", "2"),
            ("b/ours", "3"),
            ("notes", "mine"),
        ] {
            write_atomically(&folder.join(name), text.as_bytes()).unwrap();
        }
        let mut inventory = Inventory::read(&folder).unwrap();
        assert!(!inventory.lists("a/ours"));
        for (name, text) in [
            ("a/ours", "1"),
            ("a/changed", "other"),
            ("b/ours", "3"),
            ("gone", "4"),
        ] {
            inventory.settle(name, &hash_bytes(text.as_bytes()));
        }
        inventory.forget_absent();
        inventory.save().unwrap();
        let inventory = Inventory::read(&folder).unwrap();
        assert!(inventory.lists("a/changed") && !inventory.lists("gone"));
        assert_eq!(inventory.others(), [folder.join("notes")]);
        let left = inventory.remove().unwrap();
        assert_eq!(left, [folder.join("a/changed"), folder.join("notes")]);
        assert!(!folder.join("b").exists() && !folder.join("a/ours").exists());
        fs::remove_dir_all(folder.join("a")).unwrap();
        fs::remove_file(folder.join("notes")).unwrap();
        assert!(
            Inventory::read(&folder)
                .unwrap()
                .remove()
                .unwrap()
                .is_empty()
        );
        assert!(!folder.exists());
    }

    #[test]
    fn a_damaged_record_lists_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::read(dir.path()).unwrap();
        inventory.settle("a", "00");
        inventory.save().unwrap();
        let path = dir.path().join(INVENTORY);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"a\"", "\"b\"")).unwrap();
        let damaged = Inventory::read(dir.path()).unwrap();
        assert!(!damaged.lists("a") && !damaged.lists("b"));
    }
}
