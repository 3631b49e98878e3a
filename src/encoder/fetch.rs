//! Fetching a published encoder from a model hub, and comparing files with those published.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::Sha256;

use super::known::{Known, KnownFile};
use crate::cancel::Cancel;
use crate::corpus::download::{self, Checksum, Download};
use crate::error::{Error, Kind, Result};
use crate::files::{digest_of, sync_folder};

/// How a file compares with the one that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sum {
    /// Its SHA-256 is that of the published file.
    AsPublished,
    /// It has another SHA-256 or size.
    Differs,
    /// The published SHA-256 is not known.
    NotVerified,
}

/// A file that was fetched or was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// How that compares.
    pub sum: Sum,
}

/// Compares a file, at `path`, with the published one.
pub fn compare(file: &KnownFile, path: &Path, cancel: &Cancel) -> Result<Fetched> {
    let bytes = fs::metadata(path)
        .map_err(|e| Error::io("read", path, e))?
        .len();
    let sha256 = digest_of::<Sha256>(path, cancel)?;
    let sum = match (&file.sha256, file.bytes) {
        (_, Some(size)) if size != bytes => Sum::Differs,
        (Some(known), _) if *known != sha256 => Sum::Differs,
        (Some(_), _) => Sum::AsPublished,
        (None, _) => Sum::NotVerified,
    };
    Ok(Fetched {
        name: file.name.clone(),
        bytes,
        sha256,
        sum,
    })
}

/// Puts the files of `known` into the folder `into`, which appears under this name once all of them
/// are there and right; until then they lie in `<into>.part`, where the next call goes on. Of a folder
/// that is there already, the missing files are fetched, and no file is replaced.
///
/// `endpoint` is the address of the hub; `tick` is told the name of a file, the bytes at hand and the
/// bytes in all.
///
/// # Errors
/// [`Kind::Network`] with what to do by hand; [`Kind::Data`] where the folder holds another file
/// under the name of one; [`Kind::Missing`] where ser cannot read what is published;
/// [`Kind::Io`]; [`Kind::Interrupted`], which keeps what was fetched.
pub fn fetch(
    known: &Known,
    endpoint: &str,
    into: &Path,
    cancel: &Cancel,
    tick: &dyn Fn(&str, u64, Option<u64>),
) -> Result<Vec<Fetched>> {
    if let Some(why) = &known.not_read {
        let error = Error::missing(format!(
            "ser cannot read what is published of {} ({}): {why}",
            known.name, known.hub
        ));
        return Err(error.hint("`ser encoders list` says which encoders it can fetch"));
    }
    let is_new = !into.exists();
    let place = if is_new { part(into) } else { into.to_owned() };
    let path = |file: &KnownFile| place.join(&file.name);
    // What is there is looked at before anything is fetched.
    let there = |file: &KnownFile| {
        let is_there = path(file).exists();
        is_there
            .then(|| as_published(file, &path(file), cancel))
            .transpose()
    };
    let there: Vec<Option<Fetched>> = known.files.iter().map(there).collect::<Result<_>>()?;
    let mut fetched = Vec::new();
    for (file, there) in known.files.iter().zip(there) {
        if let Some(found) = there {
            fetched.push(found);
            continue;
        }
        let spec = Download {
            url: known.url(endpoint, file),
            file_name: file.name.clone(),
            bytes: file.bytes,
            checksum: file.sha256.clone().map(Checksum::Sha256),
        };
        let tick = |done, total| tick(&file.name, done, total);
        download::fetch(&spec, &place, cancel, &tick).map_err(|error| {
            // Nothing is left where nothing came.
            let _ = is_new.then(|| fs::remove_dir(&place));
            by_hand(error, known, endpoint, into)
        })?;
        fetched.push(as_published(file, &path(file), cancel)?);
    }
    if is_new {
        fs::rename(&place, into).map_err(|e| Error::io("write", into, e))?;
        sync_folder(into.parent().unwrap_or(Path::new(".")));
    }
    Ok(fetched)
}

/// Compares a file that is to be used with the published one.
fn as_published(file: &KnownFile, path: &Path, cancel: &Cancel) -> Result<Fetched> {
    let found = compare(file, path, cancel)?;
    if found.sum != Sum::Differs {
        return Ok(found);
    }
    let (bytes, sha256) = (found.bytes, &found.sha256);
    let error = Error::data(format!(
        "{} is not the file that was published: it has {bytes} bytes and the SHA-256 {sha256}",
        path.display()
    ));
    Err(error.hint("move it elsewhere, or name another folder with --into; nothing was replaced"))
}

/// Where a folder is filled before it gets its name.
fn part(into: &Path) -> PathBuf {
    let mut name = into.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".part");
    into.with_file_name(name)
}

/// The error of a transfer, with what a person can do.
fn by_hand(error: Error, known: &Known, endpoint: &str, into: &Path) -> Error {
    if error.kind() != Kind::Network {
        return error;
    }
    let line = |file: &KnownFile| {
        let size = file.bytes.map(|bytes| format!(" ({bytes} bytes)"));
        let sum = file
            .sha256
            .as_ref()
            .map(|sum| format!("\n    SHA-256 {sum}"));
        let (size, sum) = (size.unwrap_or_default(), sum.unwrap_or_default());
        format!("\n  {}{size}{sum}", known.url(endpoint, file))
    };
    let files: String = known.files.iter().map(line).collect();
    error.hint(format!(
        "run the same command again, which goes on where it stopped; or put these files into {} by hand, each under its own name:{files}",
        into.display()
    ))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
