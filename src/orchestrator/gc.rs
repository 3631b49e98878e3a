//! What a store may lose without any recent run missing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::store::{ABANDONED, Store};
use crate::error::{Error, Result};
use crate::files::{TEMPORARY, is_link};

/// A folder of the store that nobody refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Its stage, or `scratch` for a checkpoint.
    pub stage: String,
    /// Its key.
    pub key: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Size of its files.
    pub bytes: u64,
}

impl Store {
    /// What is neither in `referenced` (stage and key) nor the latest output of any task; sorted by
    /// stage and key.
    pub fn garbage(&self, referenced: &BTreeSet<(String, String)>) -> Result<Vec<Garbage>> {
        let mut found = Vec::new();
        for stage in folders(&self.root().join("tasks"))? {
            for folder in folders(&stage)?
                .into_iter()
                .filter(|folder| is_key(&name(folder)))
            {
                found.push((name(&stage), folder));
            }
        }
        // What a cluster has left behind when its work was never brought together.
        let shards = folders(&self.root().join("shards"))?
            .into_iter()
            .filter(|folder| is_old(folder));
        found.extend(shards.map(|folder| ("shards".to_owned(), folder)));
        // A checkpoint is of a task that no run has finished: it goes when nobody has gone on from
        // it for long.
        let scratch = folders(&self.root().join("scratch"))?
            .into_iter()
            .filter(|folder| is_key(&name(folder)) && is_old(folder));
        found.extend(scratch.map(|folder| ("scratch".to_owned(), folder)));
        // Read last: workers of a cluster take no lock, and note an output after it is in its
        // place.
        let mut keep: BTreeSet<String> = referenced.iter().map(|(_, key)| key.clone()).collect();
        keep.extend(self.latest_keys()?);
        let unknown = found
            .into_iter()
            .filter(|(_, folder)| !keep.contains(&name(folder)));
        unknown
            .map(|(stage, folder)| {
                Ok(Garbage {
                    stage,
                    key: name(&folder),
                    bytes: size(&folder)?,
                    folder,
                })
            })
            .collect()
    }

    /// Removes what [`Store::garbage`] found, but for what became some task's latest output since;
    /// call it with the store's lock held. A folder is first moved out of sight, so that none is
    /// ever seen half removed.
    ///
    /// # Errors
    /// `Io`; what was removed until then is gone.
    pub fn remove(&self, garbage: &[Garbage]) -> Result<()> {
        let latest: BTreeSet<String> = self.latest_keys()?.into_iter().collect();
        for one in garbage.iter().filter(|one| !latest.contains(&one.key)) {
            let aside = self
                .root()
                .join("tasks")
                .join(&one.stage)
                .join(format!("{TEMPORARY}{}", one.key));
            let gone = if one.stage == "scratch" || one.stage == "shards" {
                fs::remove_dir_all(&one.folder)
            } else {
                fs::rename(&one.folder, &aside).and_then(|()| fs::remove_dir_all(&aside))
            };
            gone.map_err(|e| Error::io("remove", &one.folder, e))?;
        }
        Ok(())
    }
}

fn is_old(folder: &Path) -> bool {
    let changed = fs::metadata(folder).and_then(|meta| meta.modified()).ok();
    changed
        .and_then(|time| time.elapsed().ok())
        .is_some_and(|age| age > ABANDONED)
}

fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Whether a folder is called as the store calls its own: what else lies there is somebody else's.
fn is_key(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Folders within a folder that may not be there, sorted; links and what is on its way in or out
/// are not among them.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|e| Error::io("list", folder, e))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        if path.is_dir() && !is_link(&path) && !name(&path).starts_with(TEMPORARY) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))? {
        let entry = entry.map_err(|e| Error::io("list", folder, e))?;
        let meta = entry
            .metadata()
            .map_err(|e| Error::io("look at", &entry.path(), e))?;
        bytes += if meta.is_dir() {
            size(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(bytes)
}
