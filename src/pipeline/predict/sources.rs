//! From what a user names to a list of recordings: files, folders, manifests, lists, bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cancel::Cancel;
use crate::corpus::manifest::{self, BadRow};
use crate::corpus::{self, Reason};
use crate::error::{Error, Kind, Result};

/// Extensions (lower case) of tables that name recordings.
const TABLES: [&str; 6] = ["csv", "tsv", "tab", "parquet", "jsonl", "ndjson"];

/// A recording or a segment of one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clip {
    /// The path of the recording from the working directory; of bytes, their name.
    pub path: PathBuf,
    /// Bytes that are decoded in place of a file.
    pub bytes: Option<Arc<[u8]>>,
    /// The speaker, where a manifest names one.
    pub speaker: Option<String>,
    /// Start within the recording, in seconds.
    pub start_s: Option<f64>,
    /// End within the recording, in seconds.
    pub end_s: Option<f64>,
    /// Features that another tool computed, in the order of the model's.
    pub(super) features: Option<Arc<[f32]>>,
}

impl Clip {
    /// Its name in the output: the path as text, with U+FFFD for what is not UTF-8.
    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Whether another one is of the same recording.
    pub(super) fn shares_sound(&self, other: &Clip) -> bool {
        self.path == other.path && self.bytes.is_some() == other.bytes.is_some()
    }
}

/// Why a recording is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// No such file.
    Missing,
    /// The file system refuses it.
    Unreadable,
    /// No usable audio.
    Undecodable,
    /// Audio of which no features can be computed: too short, say.
    NoFeatures,
    /// The models give no finite probability.
    NoPrediction,
    /// A segment that is no stretch of its recording.
    BadSegment,
    /// A row of a manifest that names no recording.
    BadRow,
    /// A name that cannot be used.
    BadName,
    /// The model scales speakers, and nothing says who speaks.
    NoSpeaker,
}

impl RejectReason {
    /// The word in messages and files.
    pub fn word(self) -> &'static str {
        match self {
            RejectReason::Missing => "missing",
            RejectReason::Unreadable => "unreadable",
            RejectReason::Undecodable => "undecodable",
            RejectReason::NoFeatures => "no-features",
            RejectReason::NoPrediction => "no-prediction",
            RejectReason::BadSegment => "bad-segment",
            RejectReason::BadRow => "bad-row",
            RejectReason::BadName => "bad-name",
            RejectReason::NoSpeaker => "no-speaker",
        }
    }

    /// The reason of a failure to open `path`.
    pub(super) fn of_opening(error: &Error, path: &Path) -> RejectReason {
        match error.kind() {
            Kind::Io
                if std::fs::metadata(path)
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) =>
            {
                RejectReason::Missing
            }
            Kind::Io => RejectReason::Unreadable,
            _ => RejectReason::Undecodable,
        }
    }
}

/// A recording that was excluded.
#[derive(Debug)]
pub struct Rejected {
    /// As it is called in the output.
    pub file: String,
    /// The kind of cause.
    pub reason: RejectReason,
    /// The error.
    pub error: Error,
}

impl Rejected {
    pub(super) fn new(file: impl Into<String>, reason: RejectReason, error: Error) -> Rejected {
        Rejected {
            file: file.into(),
            reason,
            error,
        }
    }
}

/// One place of the list: a clip, or a recording that cannot be used.
pub type Item = Result<Clip, Rejected>;

/// The recordings in the order in which they were named; a folder's are sorted by path. Holds a few
/// hundred bytes for each.
#[derive(Debug, Default)]
pub struct Sources {
    /// One after the other.
    pub items: Vec<Item>,
    /// Remarks for people.
    pub notes: Vec<String>,
    /// Of which lists and manifests nothing lies where they say, a sentence each.
    pub astray: Vec<String>,
    /// Where their relative paths start, in place of the folder of a manifest or the working
    /// directory.
    root: Option<PathBuf>,
    /// Whether that was asked for by any of them.
    rooted: bool,
    cancel: Cancel,
}

impl Sources {
    /// Sources of which manifests and lists are relative to `root`, where there is one.
    pub fn under(root: Option<&Path>) -> Sources {
        Sources {
            root: root.map(Path::to_owned),
            ..Sources::default()
        }
    }

    /// Looks at folders and manifests as long as nobody asks for a stop.
    #[must_use]
    pub fn until(self, cancel: &Cancel) -> Sources {
        Sources {
            cancel: cancel.clone(),
            ..self
        }
    }

    /// Whether any manifest or list was taken.
    pub fn has_lists(&self) -> bool {
        self.rooted
    }

    /// Takes a file, a folder with all audio files below it, or a manifest (known by its
    /// extension). A file that is missing is excluded later, when it is opened.
    ///
    /// # Errors
    /// Where a folder cannot be read or a manifest is none.
    pub fn add(&mut self, path: &Path) -> Result<()> {
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if path.is_dir() {
            self.add_folder(path)
        } else if TABLES.contains(&extension.as_str()) {
            self.add_manifest(path)
        } else {
            self.add_file(path);
            Ok(())
        }
    }

    /// Takes one recording.
    pub fn add_file(&mut self, path: &Path) {
        self.items.push(Ok(Clip {
            path: path.to_owned(),
            ..Clip::default()
        }));
    }

    /// Takes a recording that was read already.
    pub fn add_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.items.push(Ok(Clip {
            path: name.into(),
            bytes: Some(bytes.into()),
            ..Clip::default()
        }));
    }

    /// Takes a list of paths, each ended by a new line (with or without a carriage return), or by a
    /// zero byte. Empty ones are passed over.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] where the list is a recording.
    pub fn add_list(&mut self, list: &[u8], by_zero: bool) -> Result<()> {
        let audio: [&[u8]; 5] = [b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3"];
        if audio.iter().any(|mark| list.starts_with(mark)) && list.contains(&0) && !by_zero {
            return Err(Error::usage(
                "what comes on standard input is a recording, not a list of paths",
            )
            .hint("say --stdin in place of -"));
        }
        self.rooted = true;
        let before = self.items.len();
        for entry in list.split(|b| *b == if by_zero { 0 } else { b'\n' }) {
            let entry = if by_zero {
                entry
            } else {
                entry.strip_suffix(b"\r").unwrap_or(entry)
            };
            if !entry.is_empty() {
                match path_of(entry) {
                    Ok(path) => self.add_file(
                        &self
                            .root
                            .as_ref()
                            .map_or_else(|| path.clone(), |root| root.join(&path)),
                    ),
                    Err(name) => {
                        let error =
                            Error::data(format!("{name} is not UTF-8")).hint("rename the file");
                        self.items
                            .push(Err(Rejected::new(name, RejectReason::BadName, error)));
                    }
                }
            }
        }
        let start = self.root.clone().unwrap_or_default();
        self.find_astray(before, "the list on standard input", &start);
        Ok(())
    }

    /// Notes where nothing of what was added since there were `before` items is there: then the
    /// paths start from elsewhere.
    fn find_astray(&mut self, before: usize, list: &str, start: &Path) {
        let added = || self.items.iter().skip(before).flatten();
        let (count, Some(first)) = (added().count(), added().next()) else {
            return;
        };
        // A whole path starts from nowhere.
        let whole = |path: &Path| {
            if start.as_os_str().is_empty() {
                path.is_absolute()
            } else {
                !path.starts_with(start)
            }
        };
        if added().any(|clip| clip.path.exists() || whole(&clip.path)) {
            return;
        }
        let start = if start.as_os_str().is_empty() {
            "the working directory".to_owned()
        } else {
            start.display().to_string()
        };
        let first = first.name();
        self.astray
            .push(format!("none of the {count} recordings that {list} names is there: its paths start from {start} (the first: {first})"));
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let found = corpus::recordings(folder, &self.cancel)?;
        let (files, unread) = (found.files.len(), found.unread());
        let others = found.others - found.unread.values().sum::<u64>();
        self.items.extend(found.files.into_iter().map(|file| {
            Ok(Clip {
                path: folder.join(file),
                ..Clip::default()
            })
        }));
        self.items.extend(found.set_aside.into_iter().map(|one| {
            let name = folder.join(&one.path).to_string_lossy().into_owned();
            let reason = if one.reason == Reason::BadName {
                RejectReason::BadName
            } else {
                RejectReason::Unreadable
            };
            let error = Error::data(format!("{name}: {}", one.detail));
            Err(Rejected::new(name, reason, error))
        }));
        let left = if others == 0 {
            String::new()
        } else {
            format!("; {others} other files are no audio by their names")
        };
        self.notes
            .push(format!("{}: {files} recordings{left}", folder.display()));
        self.notes
            .extend(unread.map(|said| format!("{}: {said}", folder.display())));
        Ok(())
    }

    fn add_manifest(&mut self, path: &Path) -> Result<()> {
        let found = manifest::clips(path, &self.cancel)?;
        let folder = self
            .root
            .clone()
            .unwrap_or_else(|| path.parent().unwrap_or(Path::new("")).to_owned());
        let folder = folder.as_path();
        self.rooted = true;
        let before = self.items.len();
        for row in found.rows {
            self.items.push(match row {
                Ok(row) => Ok(Clip {
                    path: locate(folder, &row.path),
                    bytes: None,
                    speaker: row.speaker,
                    start_s: row.start_s,
                    end_s: row.end_s,
                    features: None,
                }),
                Err(BadRow { path: named, why }) => {
                    let name = named.map_or_else(
                        || path.to_string_lossy().into_owned(),
                        |n| folder.join(n).to_string_lossy().into_owned(),
                    );
                    Err(Rejected::new(
                        name,
                        RejectReason::BadRow,
                        Error::data(format!("{}, {why}", path.display())),
                    ))
                }
            });
        }
        self.notes.extend(found.notes);
        self.find_astray(before, &path.display().to_string(), folder);
        Ok(())
    }
}

/// Where the recording of a cell lies: as the cell says, or, where nothing lies there, as a table
/// from Windows would mean it.
fn locate(folder: &Path, cell: &str) -> PathBuf {
    let tries = [
        cell.to_owned(),
        cell.trim().to_owned(),
        cell.trim().replace('\\', "/"),
    ];
    let there = tries
        .iter()
        .map(|cell| folder.join(cell))
        .find(|path| path.exists());
    there.unwrap_or_else(|| folder.join(cell.trim()))
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Result<PathBuf, String> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Result<PathBuf, String> {
    std::str::from_utf8(bytes)
        .map(PathBuf::from)
        .map_err(|_| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sources: &Sources) -> Vec<String> {
        sources
            .items
            .iter()
            .map(|item| {
                item.as_ref()
                    .map_or_else(|rejected| format!("!{}", rejected.file), Clip::name)
            })
            .collect()
    }

    #[test]
    fn lists_are_cut_at_lines_or_at_zeros() {
        let mut sources = Sources::default();
        sources
            .add_list(b"a.wav\r\n\nb c.wav\n d.wav", false)
            .unwrap();
        sources.add_list(b"e\nf.wav\0g\r.wav\0", true).unwrap();
        assert_eq!(
            names(&sources),
            ["a.wav", "b c.wav", " d.wav", "e\nf.wav", "g\r.wav"]
        );
    }

    #[test]
    fn a_recording_is_no_list() {
        let error = Sources::default()
            .add_list(b"RIFF\x24\0\0\0WAVE", false)
            .unwrap_err();
        assert!(error.hint_text().unwrap().contains("--stdin"));
        Sources::default()
            .add_list(b"RIFF.wav\nx.wav\n", false)
            .unwrap();
    }

    #[test]
    fn paths_of_a_manifest_start_from_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("x")).unwrap();
        std::fs::write(dir.path().join("x/a.wav"), b"").unwrap();
        std::fs::write(
            dir.path().join("m.csv"),
            "path,speaker\nx\\a.wav,s\ngone.wav,\n,t\n",
        )
        .unwrap();
        let mut sources = Sources::default();
        sources.add(&dir.path().join("m.csv")).unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        assert_eq!(
            names(&sources),
            [at("x/a.wav"), at("gone.wav"), format!("!{}", at("m.csv"))]
        );
        assert_eq!(
            sources.items[0].as_ref().unwrap().speaker.as_deref(),
            Some("s")
        );
    }

    #[test]
    fn lists_and_manifests_start_from_a_root_and_say_where_nothing_lies() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sounds")).unwrap();
        std::fs::write(dir.path().join("sounds/a.wav"), b"").unwrap();
        std::fs::write(dir.path().join("m.csv"), "path\na.wav\ngone.wav\n").unwrap();
        let mut there = Sources::under(Some(&dir.path().join("sounds")));
        there.add(&dir.path().join("m.csv")).unwrap();
        there.add_list(b"a.wav\n/b.wav\n", false).unwrap();
        let at = |name: &str| dir.path().join("sounds").join(name).display().to_string();
        assert_eq!(
            names(&there),
            [
                at("a.wav"),
                at("gone.wav"),
                at("a.wav"),
                "/b.wav".to_owned()
            ]
        );
        assert!(there.astray.is_empty() && there.has_lists());
        let mut astray = Sources::default();
        astray.add(&dir.path().join("m.csv")).unwrap();
        assert!(astray.astray[0].contains(&format!(
            "none of the 2 recordings that {}",
            dir.path().join("m.csv").display()
        )));
        astray.add_list(b"/nowhere/a.wav", false).unwrap();
        astray.add_list(b"nowhere/a.wav", false).unwrap();
        assert!(
            astray.astray.len() == 2
                && astray.astray[1].contains("start from the working directory"),
            "{:?}",
            astray.astray
        );
    }

    #[test]
    fn folders_are_walked_and_other_files_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["b/x.wav", "a.FLAC", "b/notes.txt", "m.csv"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let mut sources = Sources::default();
        sources.add(dir.path()).unwrap();
        assert_eq!(
            names(&sources),
            ["a.FLAC", "b/x.wav"].map(|name| dir.path().join(name).display().to_string())
        );
        assert!(
            sources.notes[0].ends_with("2 recordings; 2 other files are no audio by their names"),
            "{:?}",
            sources.notes
        );
    }
}
