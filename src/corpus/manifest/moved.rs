//! Absolute paths of a table that was made on another machine: what they begin with there, in place
//! of the corpus root.

use std::collections::BTreeMap;
use std::path::Path;

use super::columns::Columns;
use super::sheet::open;
use crate::cancel::Cancel;
use crate::error::Result;

/// Paths that are looked up to find the folder: enough of them that chance does not choose.
const LOOKED_UP: usize = 256;

/// The parts of an absolute path, whichever system wrote it (`C:\x\y.wav`, `/x/y.wav`); nothing for
/// a relative one.
pub(in crate::corpus) fn absolute(path: &str) -> Option<Vec<String>> {
    let plain = path.trim().replace('\\', "/");
    let bytes = plain.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && bytes.get(2) == Some(&b'/');
    if !plain.starts_with('/') && !has_drive {
        return None;
    }
    let parts: Vec<String> = plain
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect();
    (!parts.iter().any(|part| part == "..")).then_some(parts)
}

/// How many parts all of the paths begin with, their file names apart.
pub(in crate::corpus) fn shared<'p>(
    shared: Option<Vec<String>>,
    path: &'p [String],
) -> Option<Vec<String>> {
    let folders: &'p [String] = path.split_last().map_or(&[], |(_, folders)| folders);
    Some(match shared {
        None => folders.to_vec(),
        Some(mut shared) => {
            let same = shared
                .iter()
                .zip(folders)
                .take_while(|(a, b)| a == b)
                .count();
            shared.truncate(same);
            shared
        }
    })
}

/// What the absolute paths of the table begin with in place of `root`: a folder above all of them,
/// so that paths which differ there still differ, under which most of a sample lie below `root`.
/// Nothing where none does.
///
/// # Errors
/// As reading the table.
pub(super) fn folder_of(table: &Path, root: &Path, cancel: &Cancel) -> Result<Option<Vec<String>>> {
    let sheet = open(table)?;
    let columns = Columns::with(&sheet.columns, table, &["path"])?;
    let mut above = None;
    let mut sample: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
    for row in sheet.rows {
        cancel.check()?;
        let Ok(cells) = row?.cells else { continue };
        let Some(path) = columns.cell(&cells, "path").and_then(absolute) else {
            continue;
        };
        above = shared(above, &path);
        sample.insert(*blake3::hash(path.join("/").as_bytes()).as_bytes(), path);
        if sample.len() > LOOKED_UP {
            sample.pop_last();
        }
    }
    let above = above.unwrap_or_default();
    let there = |left_out: usize| {
        let below = |path: &&Vec<String>| {
            path.get(left_out..)
                .is_some_and(|rest| root.join(rest.join("/")).is_file())
        };
        sample.values().filter(below).count()
    };
    // Of equals the one that leaves the longest path.
    let best = (0..=above.len())
        .rev()
        .map(|left_out| (there(left_out), left_out))
        .max_by_key(|(found, left_out)| (*found, usize::MAX - left_out));
    Ok(best
        .filter(|(found, _)| *found > 0)
        .map(|(_, left_out)| above.into_iter().take(left_out).collect()))
}
