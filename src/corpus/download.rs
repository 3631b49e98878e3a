//! Fetching a file from where its makers offer it: resumed after a break, checked against known sizes
//! and checksums; and a corpus as such an archive.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::Md5;
use sha2::Sha256;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::files::{TEMPORARY, digest_of, hash_if_there, sync_folder, temporary_folder};

use super::archive;
use super::originals::originals;

/// How often a transfer that broke off is taken up again, as long as each attempt brings some
/// bytes.
const ATTEMPTS: usize = 10;

/// A file on the web and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it is fetched from.
    pub url: String,
    /// What it is called here.
    pub file_name: String,
    /// Its exact size, where it is known.
    pub bytes: Option<u64>,
    /// What its content is known by.
    pub checksum: Option<Checksum>,
}

/// A checksum in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// MD5, which tells damage from no damage.
    Md5(String),
    /// SHA-256.
    Sha256(String),
}

impl Checksum {
    fn name(&self) -> &'static str {
        match self {
            Checksum::Md5(_) => "MD5",
            Checksum::Sha256(_) => "SHA-256",
        }
    }

    fn expected(&self) -> &str {
        match self {
            Checksum::Md5(sum) | Checksum::Sha256(sum) => sum,
        }
    }

    /// The sum of this kind of a file.
    fn of(&self, path: &Path, cancel: &Cancel) -> Result<String> {
        match self {
            Checksum::Md5(_) => digest_of::<Md5>(path, cancel),
            Checksum::Sha256(_) => digest_of::<Sha256>(path, cancel),
        }
    }
}

/// The speech part of RAVDESS (Zenodo 1188976, CC BY-NC-SA 4.0).
pub fn ravdess() -> Download {
    Download {
        url: "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1"
            .to_owned(),
        file_name: "Audio_Speech_Actors_01-24.zip".to_owned(),
        bytes: Some(208_468_073),
        checksum: Some(Checksum::Md5("bc696df654c87fed845eb13823edef8a".to_owned())),
    }
}

/// EMO-DB as first released. No checksum of the archive is published: what comes out of it is
/// checked.
pub fn emodb() -> Download {
    Download {
        url: "http://emodb.bilderbar.info/download/download.zip".to_owned(),
        file_name: "emodb.zip".to_owned(),
        bytes: Some(40_567_066),
        checksum: None,
    }
}

/// What became of a request for a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obtained {
    /// It is complete under this folder, which is the root for its reader.
    Ready(PathBuf),
    /// It cannot be fetched by a program: a text that says how a person gets it.
    ByHand(String),
}

/// Puts the corpus `name` (`ravdess`, `emodb`, `iemocap`) into `dest/<name>`: nothing is done where
/// all its recordings lie there as they were published, else the archive is fetched into
/// `dest/downloads` (see [`fetch`]), unpacked into a temporary folder (see [`archive::unpack`]),
/// checked against the sizes and SHA-256 of all recordings ([`super::Originals`]), and put in
/// place.
///
/// An archive that is a wrong one is renamed to `<name>.bad`, so that the next call fetches it
/// anew.
///
/// # Errors
/// Those of [`fetch`] and [`archive::unpack`]; [`Kind::Data`] for another content; [`Kind::Usage`]
/// for another name.
pub fn corpora(
    name: &str,
    dest: &Path,
    cancel: &Cancel,
    tick: &dyn Fn(u64, Option<u64>),
) -> Result<Obtained> {
    let root = dest.join(name);
    let spec = match name {
        "ravdess" => ravdess(),
        "emodb" => emodb(),
        "iemocap" => return Ok(Obtained::ByHand(iemocap_instructions(&root))),
        _ => {
            return Err(Error::usage(format!("no corpus is called {name:?}"))
                .hint("choose ravdess, emodb or iemocap"));
        }
    };
    let files = originals(name)
        .ok_or_else(|| Error::internal(format!("the files of {name} are not known")))?;
    match files.verify(&root, cancel) {
        Ok(()) => return Ok(Obtained::Ready(root)),
        Err(error) if ![Kind::Data, Kind::Missing].contains(&error.kind()) => return Err(error),
        Err(_) => {}
    }
    let archive = fetch(&spec, &dest.join("downloads"), cancel, tick)?;
    install(&archive, &root, cancel, &|folder| {
        files.verify(folder, cancel)
    })?;
    Ok(Obtained::Ready(root))
}

/// Unpacks an archive beside `root`, has the outcome checked, and puts its files in place: each by
/// a rename, once all of them are on the disk. A wrong archive is set aside.
fn install(
    archive: &Path,
    root: &Path,
    cancel: &Cancel,
    check: &dyn Fn(&Path) -> Result<()>,
) -> Result<()> {
    // A link to another disk is followed: nothing can be renamed from one to another.
    let root = &fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let beside = root.parent().unwrap_or(Path::new("."));
    let mark = format!(
        "unpack-{}-",
        root.file_name().unwrap_or_default().to_string_lossy()
    );
    // A process that was killed leaves its folder behind.
    for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{TEMPORARY}{mark}"))
        {
            fs::remove_dir_all(entry.path()).map_err(|e| Error::io("remove", &entry.path(), e))?;
        }
    }
    let fresh = temporary_folder(beside, &mark)?;
    let unpacked = archive::unpack(archive, fresh.path(), cancel)
        .and_then(|written| check(fresh.path()).map(|()| written));
    let written = match unpacked {
        Err(error) if error.kind() == Kind::Data => {
            return Err(set_aside(archive, &error.to_string())?);
        }
        other => other?,
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in &written {
        cancel.check()?;
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|e| Error::io("write", path, e))?;
    }
    for path in &written {
        cancel.check()?;
        let name = path
            .strip_prefix(fresh.path())
            .map_err(|_| Error::internal("a file was unpacked elsewhere"))?;
        let target = root.join(name);
        let there = hash_if_there(&target)?;
        if there.is_some() && there != hash_if_there(path)? {
            return Err(Error::data(format!("{} is there already, and is not what {} holds", target.display(), archive.display()))
                .hint("move it elsewhere, or remove it, and run the same command again; nothing was unpacked"));
        }
    }
    for path in &written {
        let name = path
            .strip_prefix(fresh.path())
            .map_err(|_| Error::internal("a file was unpacked elsewhere"))?;
        let target = root.join(name);
        let folder = target.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        fs::rename(path, &target).map_err(|e| Error::io("write", &target, e))?;
        if folders.last().is_none_or(|last| last != folder) {
            folders.push(folder.to_owned());
        }
    }
    folders.iter().for_each(|folder| sync_folder(folder));
    Ok(())
}

/// Renames a wrong archive, and says so.
fn set_aside(archive: &Path, why: &str) -> Result<Error> {
    let named = |end: String| {
        let mut name = archive.file_name().unwrap_or_default().to_owned();
        name.push(end);
        archive.with_file_name(name)
    };
    let mut names = std::iter::once(".bad".to_owned())
        .chain((2..).map(|n| format!(".bad-{n}")))
        .map(named);
    let bad = names
        .find(|path| fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| named(".bad".to_owned()));
    fs::rename(archive, &bad).map_err(|e| Error::io("rename", archive, e))?;
    Ok(Error::data(format!(
        "{why}; the archive was renamed to {}",
        bad.display()
    ))
    .hint("run the same command again, which fetches it anew"))
}

fn iemocap_instructions(root: &Path) -> String {
    format!(
        "IEMOCAP is given out under a signed licence, so that no program can fetch it.\n\
         1. Fill in and sign the release form at https://sail.usc.edu/iemocap/ and send it as described there.\n\
         2. Unpack the full release that you are sent so that the folders Session1 to Session5 lie in {}\n   \
            (or set `root` in the pipeline file to the folder that holds them).\n\
         3. Run the pipeline again.\n",
        root.display()
    )
}

/// Fetches `spec` into the folder `dest` and returns the file, which has the right size and
/// checksum as far as they are known.
///
/// A file of that name, put there by hand or by an earlier run, is checked and used; a wrong one is
/// renamed to `<name>.bad`. The transfer goes to `<name>.part`, is continued there after a break
/// (HTTP Range), by itself as long as bytes come and otherwise in the next run, and gets its name
/// once it is right. `tick` is told the bytes at hand and the bytes in all.
///
/// # Errors
/// [`crate::error::Kind::Network`] with what to do by hand; [`crate::error::Kind::Data`] where a
/// file put there by hand is a wrong one; [`crate::error::Kind::Io`];
/// [`crate::error::Kind::Interrupted`], which keeps what was fetched.
pub fn fetch(
    spec: &Download,
    dest: &Path,
    cancel: &Cancel,
    tick: &dyn Fn(u64, Option<u64>),
) -> Result<PathBuf> {
    fs::create_dir_all(dest).map_err(|e| Error::io("create", dest, e))?;
    let target = dest.join(&spec.file_name);
    let by_hand = by_hand(spec, dest);
    if target.exists() {
        return match difference(spec, &target, cancel)? {
            None => Ok(target),
            Some(why) => Err(set_aside(&target, &format!("{} {why}", target.display()))?),
        };
    }
    let part = dest.join(format!("{}.part", spec.file_name));
    let transfer = Transfer {
        spec,
        part: &part,
        by_hand: &by_hand,
        cancel,
        tick,
    };
    let mut attempt = 1;
    let mut is_whole = spec.bytes == Some(size_of(&part));
    while !is_whole {
        let before = size_of(&part);
        match transfer.attempt(before) {
            Ok(()) => is_whole = true,
            Err(e) if e.kind() == Kind::Network && size_of(&part) > before => {
                if attempt == ATTEMPTS {
                    let why = "the transfer breaks off again and again".to_owned();
                    return Err(transfer.failed(why));
                }
            }
            Err(e) => return Err(e),
        }
        attempt += 1;
    }
    if let Some(why) = difference(spec, &part, cancel)? {
        // Nothing could be continued from it.
        fs::remove_file(&part).map_err(|e| Error::io("remove", &part, e))?;
        return Err(transfer.failed(format!("what was fetched {why}")));
    }
    fs::rename(&part, &target).map_err(|e| Error::io("write", &target, e))?;
    Ok(target)
}

fn by_hand(spec: &Download, dest: &Path) -> String {
    let size = spec.bytes.map(|bytes| format!(" ({bytes} bytes)"));
    format!(
        "or download {} by hand and put it into {} as {}{}",
        spec.url,
        dest.display(),
        spec.file_name,
        size.unwrap_or_default()
    )
}

/// What is wrong with a file, as the end of a sentence; `None` where it is the right one.
fn difference(spec: &Download, path: &Path, cancel: &Cancel) -> Result<Option<String>> {
    let size = fs::metadata(path)
        .map_err(|e| Error::io("read", path, e))?
        .len();
    if let Some(bytes) = spec.bytes.filter(|bytes| *bytes != size) {
        return Ok(Some(format!("has {size} bytes instead of {bytes}")));
    }
    let Some(checksum) = &spec.checksum else {
        return Ok(None);
    };
    let (name, expected) = (checksum.name(), checksum.expected());
    let found = checksum.of(path, cancel)?;
    Ok((found != expected).then(|| format!("has the {name} {found} instead of {expected}")))
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

struct Transfer<'a> {
    spec: &'a Download,
    part: &'a Path,
    by_hand: &'a str,
    cancel: &'a Cancel,
    tick: &'a dyn Fn(u64, Option<u64>),
}

impl Transfer<'_> {
    fn failed(&self, why: String) -> Error {
        Error::network(format!("failed to fetch {}: {why}", self.spec.url)).hint(format!(
            "run the same command again, which continues where it stopped, {}",
            self.by_hand
        ))
    }

    /// One request; returns with the part longer, complete, or an error.
    fn attempt(&self, mut have: u64) -> Result<()> {
        if self.spec.bytes.is_some_and(|bytes| have > bytes) {
            have = 0;
        }
        let mut response = self.request(have)?;
        let length = response.body().content_length();
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range_starts_at(&response, have) => {}
            // The server cannot continue: from the beginning.
            StatusCode::OK => have = 0,
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if have > 0 => {
                fs::remove_file(self.part).map_err(|e| Error::io("remove", self.part, e))?;
                return Err(self.failed(
                    "the server does not continue the transfer from where it stopped".to_owned(),
                ));
            }
            status => return Err(self.failed(format!("the server answers {status}"))),
        }
        let offered = length.map(|length| have + length);
        let total = self.spec.bytes.or(offered);
        if let (Some(offered), Some(bytes)) = (offered, self.spec.bytes)
            && offered != bytes
        {
            return Err(self.failed(format!(
                "the server offers {offered} bytes instead of {bytes}"
            )));
        }
        let opened = if have > 0 {
            OpenOptions::new().append(true).open(self.part)
        } else {
            File::create(self.part)
        };
        let mut file = opened.map_err(|e| Error::io("write", self.part, e))?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 64 * 1024];
        (self.tick)(have, total);
        loop {
            self.cancel.check()?;
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) => {
                    return Err(self
                        .failed("the connection breaks off".to_owned())
                        .because(e));
                }
            };
            have += n as u64;
            if let Some(total) = total.filter(|total| have > *total) {
                return Err(self.failed(format!("the server sends more than {total} bytes")));
            }
            file.write_all(&buffer[..n])
                .map_err(|e| Error::io("write", self.part, e))?;
            (self.tick)(have, total);
        }
        file.sync_all()
            .map_err(|e| Error::io("write", self.part, e))?;
        match total.filter(|total| have < *total) {
            Some(total) => Err(self.failed(format!("only {have} of {total} bytes came"))),
            None => Ok(()),
        }
    }

    fn request(&self, have: u64) -> Result<Response<ureq::Body>> {
        let limit = Some(Duration::from_secs(30));
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("ser/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .build()
            .into();
        let mut request = agent.get(&self.spec.url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        request
            .call()
            .map_err(|e| self.failed("no answer".to_owned()).because(e))
    }
}

/// Whether a partial answer begins where it was asked to (`Content-Range: bytes 100-199/200`).
fn range_starts_at(response: &Response<ureq::Body>, have: u64) -> bool {
    let range = response
        .headers()
        .get("content-range")
        .and_then(|v| v.to_str().ok());
    range.and_then(|r| {
        r.strip_prefix("bytes ")?
            .split('-')
            .next()?
            .trim()
            .parse()
            .ok()
    }) == Some(have)
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
