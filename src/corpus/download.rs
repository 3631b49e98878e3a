//! Fetching a corpus from where its makers offer it: resumed after a break, checked against known sizes and checksums.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use sha2::Sha256;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};

use super::archive;

/// Name, size and SHA-256 of the 535 recordings of EMO-DB as first released, from a published list.
const EMODB_FILES: &str = include_str!("emodb_sha256.tsv");

/// RAVDESS: 24 actors, each with an `Actor_XX` folder of 60 recordings of speech.
const RAVDESS_ACTORS: usize = 24;
const RAVDESS_PER_ACTOR: usize = 60;

/// How often a transfer that broke off is taken up again, as long as each attempt brings some bytes.
const ATTEMPTS: usize = 10;

/// An archive on the web and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Name of the corpus.
    pub corpus: String,
    /// Where it is fetched from.
    pub url: String,
    /// What it is called here.
    pub file_name: String,
    /// Its exact size.
    pub bytes: u64,
    /// Hex MD5, where its makers publish it.
    pub md5: Option<String>,
}

/// The speech part of RAVDESS (Zenodo 1188976, CC BY-NC-SA 4.0).
pub fn ravdess() -> Download {
    Download {
        corpus: "ravdess".to_owned(),
        url: "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1".to_owned(),
        file_name: "Audio_Speech_Actors_01-24.zip".to_owned(),
        bytes: 208_468_073,
        md5: Some("bc696df654c87fed845eb13823edef8a".to_owned()),
    }
}

/// EMO-DB as first released. No checksum of the archive is published: [`verify_emodb`] checks what comes out of it.
pub fn emodb() -> Download {
    Download {
        corpus: "emodb".to_owned(),
        url: "http://emodb.bilderbar.info/download/download.zip".to_owned(),
        file_name: "emodb.zip".to_owned(),
        bytes: 40_567_066,
        md5: None,
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

/// Puts the corpus `name` (`ravdess`, `emodb`, `iemocap`) into `dest/<name>`: nothing is done where it is complete already, else the archive
/// is fetched into `dest/downloads` (see [`fetch`]), unpacked (see [`archive::unpack`]) and checked.
///
/// # Errors
/// Those of [`fetch`], [`archive::unpack`] and [`verify_emodb`]; [`crate::error::Kind::Usage`] for another name.
pub fn corpora(name: &str, dest: &Path, cancel: &Cancel, tick: &dyn Fn(u64, Option<u64>)) -> Result<Obtained> {
    let root = dest.join(name);
    let (spec, check): (Download, fn(&Path) -> Result<()>) = match name {
        "ravdess" => (ravdess(), verify_ravdess),
        "emodb" => (emodb(), verify_emodb),
        "iemocap" => return Ok(Obtained::ByHand(iemocap_instructions(&root))),
        _ => return Err(Error::usage(format!("no corpus is called {name:?}")).hint("choose ravdess, emodb or iemocap")),
    };
    if check(&root).is_err() {
        let archive = fetch(&spec, &dest.join("downloads"), cancel, tick)?;
        archive::unpack(&archive, &root, cancel)?;
        check(&root)?;
    }
    Ok(Obtained::Ready(root))
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

/// Checks that every actor's folder holds its recordings of speech; their content is vouched for by the archive's MD5 and CRCs.
fn verify_ravdess(root: &Path) -> Result<()> {
    for actor in 1..=RAVDESS_ACTORS {
        let folder = root.join(format!("Actor_{actor:02}"));
        let entries = fs::read_dir(&folder).map_err(|e| Error::io("read", &folder, e))?;
        let recordings = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("03-01-")).count();
        if recordings != RAVDESS_PER_ACTOR {
            return Err(Error::data(format!("{} holds {recordings} recordings of {RAVDESS_PER_ACTOR}", folder.display()))
                .hint("remove the folder and fetch the corpus again"));
        }
    }
    Ok(())
}

/// Checks `root/wav` against the published sizes and SHA-256 of all 535 recordings of EMO-DB; other files there are not looked at.
///
/// # Errors
/// [`crate::error::Kind::Data`] with the number of missing and differing files and the first of their names.
pub fn verify_emodb(root: &Path) -> Result<()> {
    let folder = root.join("wav");
    let mut wrong = Vec::new();
    let mut all = 0;
    for line in EMODB_FILES.lines().skip(1) {
        let [name, bytes, sha256] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(Error::internal(format!("the list of EMO-DB's files has a bad line: {line}")));
        };
        all += 1;
        let path = folder.join(name);
        let same_size = fs::metadata(&path).is_ok_and(|m| m.len().to_string() == bytes);
        if !same_size || fs::read(&path).map_err(|e| Error::io("read", &path, e)).map(|b| hex(&Sha256::digest(&b)))? != sha256 {
            wrong.push(name);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let first = wrong.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    Err(Error::data(format!("{} of the {all} recordings in {} are missing or altered, such as {first}", wrong.len(), folder.display()))
        .hint("remove the folder and fetch the corpus again; an altered copy has no place in a comparison with published results"))
}

/// Fetches `spec` into the folder `dest` and returns the file, which has the right size and checksum.
///
/// A file of that name, put there by hand or by an earlier run, is checked and used. The transfer goes to `<name>.part`, is continued there
/// after a break (HTTP Range), by itself as long as bytes come and otherwise in the next run, and gets its name once it is right.
/// `tick` is told the bytes at hand and the bytes in all.
///
/// # Errors
/// [`crate::error::Kind::Network`] with what to do by hand; [`crate::error::Kind::Data`] where a file put there by hand is a wrong one;
/// [`crate::error::Kind::Io`]; [`crate::error::Kind::Interrupted`], which keeps what was fetched.
pub fn fetch(spec: &Download, dest: &Path, cancel: &Cancel, tick: &dyn Fn(u64, Option<u64>)) -> Result<PathBuf> {
    fs::create_dir_all(dest).map_err(|e| Error::io("create", dest, e))?;
    let target = dest.join(&spec.file_name);
    let by_hand = by_hand(spec, dest);
    if target.exists() {
        return match difference(spec, &target)? {
            None => Ok(target),
            Some(why) => {
                Err(Error::data(format!("{} {why}", target.display())).hint(format!("remove it and run the command again, {by_hand}")))
            }
        };
    }
    let part = dest.join(format!("{}.part", spec.file_name));
    let transfer = Transfer { spec, part: &part, by_hand: &by_hand, cancel, tick };
    let mut attempt = 1;
    while size_of(&part) != spec.bytes {
        let before = size_of(&part);
        match transfer.attempt(before) {
            Ok(()) => {}
            Err(e) if e.kind() == Kind::Network && attempt < ATTEMPTS && size_of(&part) > before => {}
            Err(e) => return Err(e),
        }
        attempt += 1;
        if attempt > ATTEMPTS && size_of(&part) != spec.bytes {
            return Err(transfer.failed("the transfer breaks off again and again".to_owned()));
        }
    }
    if let Some(why) = difference(spec, &part)? {
        // Nothing could be continued from it.
        fs::remove_file(&part).map_err(|e| Error::io("remove", &part, e))?;
        return Err(transfer.failed(format!("what was fetched {why}")));
    }
    fs::rename(&part, &target).map_err(|e| Error::io("write", &target, e))?;
    Ok(target)
}

fn by_hand(spec: &Download, dest: &Path) -> String {
    format!("or download {} by hand and put it into {} as {} ({} bytes)", spec.url, dest.display(), spec.file_name, spec.bytes)
}

/// What is wrong with a file, as the end of a sentence; `None` where it is the right one.
fn difference(spec: &Download, path: &Path) -> Result<Option<String>> {
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let size = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    if size != spec.bytes {
        return Ok(Some(format!("has {size} bytes instead of {}", spec.bytes)));
    }
    let Some(expected) = &spec.md5 else { return Ok(None) };
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(|e| Error::io("read", path, e))? {
            0 => break,
            n => md5.update(&buffer[..n]),
        }
    }
    let found = hex(&md5.finalize());
    Ok((&found != expected).then(|| format!("has the MD5 {found} instead of {expected}")))
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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
        Error::network(format!("failed to fetch {}: {why}", self.spec.url))
            .hint(format!("run the same command again, which continues where it stopped, {}", self.by_hand))
    }

    /// One request; returns with the part longer, complete, or an error.
    fn attempt(&self, mut have: u64) -> Result<()> {
        if have > self.spec.bytes {
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
                return Err(self.failed("the server does not continue the transfer from where it stopped".to_owned()));
            }
            status => return Err(self.failed(format!("the server answers {status}"))),
        }
        if let Some(length) = length
            && have + length != self.spec.bytes
        {
            return Err(self.failed(format!("the server offers {} bytes instead of {}", have + length, self.spec.bytes)));
        }
        let opened = if have > 0 { OpenOptions::new().append(true).open(self.part) } else { File::create(self.part) };
        let mut file = opened.map_err(|e| Error::io("write", self.part, e))?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 64 * 1024];
        (self.tick)(have, Some(self.spec.bytes));
        loop {
            self.cancel.check()?;
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) => return Err(self.failed("the connection breaks off".to_owned()).because(e)),
            };
            have += n as u64;
            if have > self.spec.bytes {
                return Err(self.failed(format!("the server sends more than {} bytes", self.spec.bytes)));
            }
            file.write_all(&buffer[..n]).map_err(|e| Error::io("write", self.part, e))?;
            (self.tick)(have, Some(self.spec.bytes));
        }
        file.sync_all().map_err(|e| Error::io("write", self.part, e))?;
        if have < self.spec.bytes { Err(self.failed(format!("only {have} of {} bytes came", self.spec.bytes))) } else { Ok(()) }
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
        request.call().map_err(|e| self.failed("no answer".to_owned()).because(e))
    }
}

/// Whether a partial answer begins where it was asked to (`Content-Range: bytes 100-199/200`).
fn range_starts_at(response: &Response<ureq::Body>, have: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|v| v.to_str().ok());
    range.and_then(|r| r.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()) == Some(have)
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
