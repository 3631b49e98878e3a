//! Finds files below a corpus root in an order that does not depend on the file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::listing::{Reason, SetAside};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Extensions (lower case) of the audio files that readers accept. The extension says that a file
/// is audio, its first bytes what it is.
pub(crate) const AUDIO: &[&str] = &[
    "wav", "wave", "flac", "mp3", "ogg", "oga", "opus", "m4a", "m4b", "mp4", "mov", "3gp", "3g2",
    "aac", "aif", "aiff", "aifc", "au", "snd", "sph", "webm", "mka", "mkv",
];

/// Extensions (lower case) of audio and video that is not read.
const UNREAD: &[&str] = &[
    "ac3", "aiffc", "amr", "ape", "asf", "avi", "awb", "caf", "dff", "dsf", "dts", "flv", "g722",
    "gsm", "mp2", "mpc", "mpeg", "mpg", "mts", "ra", "rm", "shn", "spx", "tta", "vob", "voc",
    "w64", "wma", "wmv", "wv",
];

/// What a walk found.
#[derive(Debug, Default)]
pub struct Tree {
    /// Files with a wanted extension, relative to the root, `/`-separated, sorted.
    pub files: Vec<String>,
    /// Folders and names that could not be used.
    pub set_aside: Vec<SetAside>,
    /// Files with a wanted extension that macOS leaves beside others, `._x.wav` beside `x.wav`.
    pub forks: Vec<String>,
    /// How many files have another extension.
    pub others: u64,
    /// How many of those are audio by their extension (lower case), of a kind that is not read.
    pub unread: BTreeMap<String, u64>,
}

impl Tree {
    /// What is said of audio that is not read: nothing where there is none.
    pub fn unread(&self) -> Option<String> {
        let (first, _) = self.unread.first_key_value()?;
        let counts: Vec<String> = self
            .unread
            .iter()
            .map(|(extension, n)| format!("{n} .{extension}"))
            .collect();
        let total: u64 = self.unread.values().sum();
        let (files, they) = if total == 1 {
            ("file", "it is audio")
        } else {
            ("files", "they are audio")
        };
        let counts = counts.join(", ");
        Some(format!(
            "{counts} {files} not read: {they} in a format that ser does not read; convert with ffmpeg -i x.{first} x.flac"
        ))
    }
}

/// The recordings below a folder, by their extensions.
///
/// # Errors
/// [`crate::error::Kind::Io`] where the folder itself cannot be read; `Interrupted` on request.
pub fn recordings(folder: &Path, cancel: &Cancel) -> Result<Tree> {
    walk_until(folder, "", AUDIO, cancel)
}

/// A folder still to be read: where it is, and what it is called below the root.
struct Folder {
    real: PathBuf,
    name: String,
}

/// Checks that `root` is a folder, naming the corpus and what to do if it is not.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where nothing is there, `Data` where it is no folder, `Io` where
/// it cannot be looked at.
pub(crate) fn check_root(root: &Path, corpus: &str, hint: &str) -> Result<()> {
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::data(format!("{} is a file, not {corpus}", root.display())).hint(hint)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(Error::missing(format!("{corpus} is not at {}", root.display())).hint(hint))
        }
        Err(error) => Err(Error::io("read", root, error)),
    }
}

/// The folder of a path, without a `/` behind it.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The file name without its folders and its extension.
pub(crate) fn stem(path: &str) -> &str {
    let name = file_name(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// A path without the extension of its file.
pub(crate) fn without_extension(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(rest, _)| rest)
}

/// The extension in lower case, empty where there is none.
pub(crate) fn extension(path: &str) -> String {
    file_name(path)
        .rsplit_once('.')
        .map_or(String::new(), |(_, extension)| {
            extension.to_ascii_lowercase()
        })
}

/// Whether a name ends as those of audio or video do, whether that is read or not.
pub(crate) fn is_audio_name(path: &str) -> bool {
    let extension = extension(path);
    AUDIO.iter().chain(UNREAD).any(|known| *known == extension)
}

/// Orders copies of the same recording: the one nearest to the root is the one to keep.
pub(crate) fn nearness(path: &str) -> (usize, &str) {
    (path.matches('/').count(), path)
}

/// Lists the files with a `wanted` extension (lower case, compared without case) in the folder
/// `under` of `root` (empty: all of it).
///
/// Every folder is read once however many links lead to it, real folders before linked ones; a link
/// to a folder that contains the root is not followed. Names that begin with a dot and `__MACOSX`
/// folders, which archives made on macOS leave behind, are passed over. A folder that cannot be
/// read, a link that leads nowhere, a name that is not UTF-8 and a special file are set aside.
///
/// # Errors
/// [`crate::error::Kind::Io`] where the first folder itself cannot be read.
pub(crate) fn walk(root: &Path, under: &str, wanted: &[&str]) -> Result<Tree> {
    walk_until(root, under, wanted, &Cancel::default())
}

/// As [`walk`], as long as nobody asks for a stop.
///
/// # Errors
/// As [`walk`]; `Interrupted` on request.
pub(crate) fn walk_until(
    root: &Path,
    under: &str,
    wanted: &[&str],
    cancel: &Cancel,
) -> Result<Tree> {
    let first = root.join(under);
    let top = fs::canonicalize(&first).map_err(|e| Error::io("read", &first, e))?;
    fs::read_dir(&top).map_err(|e| Error::io("read", &first, e))?;
    let mut walk = Walk::default();
    walk.enter(top.clone(), under.to_owned());
    loop {
        while let Some(folder) = walk.folders.pop() {
            walk.read(&folder, wanted, cancel);
            cancel.check()?;
        }
        let Some((name, real)) = walk.links.pop_first() else {
            break;
        };
        if !top.starts_with(&real) {
            walk.enter(real, name);
        }
    }
    let mut tree = walk.tree;
    tree.files.sort_unstable();
    tree.forks.sort_unstable();
    tree.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(tree)
}

/// A walk under way.
#[derive(Default)]
struct Walk {
    tree: Tree,
    folders: Vec<Folder>,
    /// Linked folders wait until all real ones are read, so that files are named by their real
    /// place where there is a choice.
    links: BTreeSet<(String, PathBuf)>,
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    /// Queues a folder, given by its canonical path, unless it was queued before.
    fn enter(&mut self, real: PathBuf, name: String) {
        if self.seen.insert(real.clone()) {
            self.folders.push(Folder { real, name });
        }
    }

    fn leave_aside(&mut self, path: &str, reason: Reason, detail: String) {
        self.tree.set_aside.push(SetAside {
            path: path.to_owned(),
            reason,
            detail,
        });
    }

    fn read(&mut self, folder: &Folder, wanted: &[&str], cancel: &Cancel) {
        match fs::read_dir(&folder.real).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => {
                let entries = entries.iter().take_while(|_| !cancel.requested());
                entries.for_each(|entry| self.look_at(folder, entry, wanted));
            }
            Err(error) => {
                let detail = format!(
                    "the folder cannot be read ({error}), so nothing in it is used: check its permissions"
                );
                self.leave_aside(&folder.name, Reason::BadAudio, detail);
            }
        }
    }

    fn look_at(&mut self, folder: &Folder, entry: &fs::DirEntry, wanted: &[&str]) {
        let name = entry.file_name();
        let shown = join(&folder.name, &name.to_string_lossy());
        let is_wanted = wanted.contains(&extension(&shown).as_str());
        if name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX" {
            if is_wanted && name.as_encoded_bytes().starts_with(b"._") {
                self.tree.forks.push(shown);
            }
            return;
        }
        let place = entry.path();
        match fs::metadata(&place) {
            Err(error) if is_wanted => {
                let detail = format!(
                    "nothing can be opened under this name ({error}): restore the file or remove the link"
                );
                self.leave_aside(&shown, Reason::BadAudio, detail);
            }
            Err(_) => {}
            Ok(found) if name.to_str().is_none() => {
                if found.is_dir() {
                    self.leave_aside(
                        &shown,
                        Reason::BadName,
                        "the folder's name is not UTF-8, so nothing in it is used: rename it"
                            .into(),
                    );
                } else if is_wanted {
                    self.leave_aside(
                        &shown,
                        Reason::BadName,
                        "the name is not UTF-8: rename the file".into(),
                    );
                }
            }
            Ok(found) if found.is_dir() => {
                if entry.file_type().is_ok_and(|t| t.is_symlink()) {
                    // A link that cannot be resolved any more has just been removed: there is
                    // nothing to follow.
                    self.links
                        .extend(fs::canonicalize(&place).map(|real| (shown, real)));
                } else {
                    self.enter(place, shown);
                }
            }
            Ok(found) if !is_wanted && found.is_file() => {
                self.tree.others += 1;
                let extension = extension(&shown);
                if UNREAD.contains(&extension.as_str()) {
                    *self.tree.unread.entry(extension).or_default() += 1;
                }
            }
            Ok(_) if !is_wanted => {}
            Ok(found) if found.is_file() => self.tree.files.push(shown),
            Ok(_) => self.leave_aside(
                &shown,
                Reason::BadAudio,
                "neither a file nor a folder: remove it".into(),
            ),
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }

    #[test]
    fn files_come_sorted_whatever_their_names_hold() {
        let dir = tempfile::tempdir().unwrap();
        touch(
            dir.path(),
            &[
                "b/x.wav",
                "b/with space.WAV",
                "a/new\nline.flac",
                "z.wav",
                "notes.txt",
                "b/._x.wav",
                "__MACOSX/q.wav",
                ".git/q.wav",
            ],
        );
        let tree = walk(dir.path(), "", AUDIO).unwrap();
        assert_eq!(
            tree.files,
            ["a/new\nline.flac", "b/with space.WAV", "b/x.wav", "z.wav"]
        );
        assert!(tree.set_aside.is_empty() && tree.others == 1, "{tree:?}");
        assert_eq!(
            walk(dir.path(), "b", AUDIO).unwrap().files,
            ["b/with space.WAV", "b/x.wav"]
        );
    }

    #[test]
    fn audio_of_all_kinds_is_listed_and_other_audio_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        touch(
            dir.path(),
            &[
                "a.mp4", "b.OPUS", "c.sph", "d.wma", "e.WMA", "f.amr", "g.txt",
            ],
        );
        let tree = walk(dir.path(), "", AUDIO).unwrap();
        assert_eq!(tree.files, ["a.mp4", "b.OPUS", "c.sph"]);
        assert_eq!(tree.others, 4);
        let said = tree.unread().unwrap();
        assert!(
            said.starts_with("1 .amr, 2 .wma files not read")
                && said.contains("ffmpeg -i x.amr x.flac"),
            "{said}"
        );
        assert_eq!(Tree::default().unread(), None);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once_and_never_upwards() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        touch(&root, &["z/x.wav"]);
        touch(dir.path(), &["beside/y.wav", "elsewhere/w.wav"]);
        symlink(&root, root.join("z/loop")).unwrap();
        symlink(dir.path(), root.join("up")).unwrap();
        symlink(root.join("z"), root.join("a-link-that-sorts-first")).unwrap();
        symlink(dir.path().join("elsewhere"), root.join("disk")).unwrap();
        symlink("nowhere.wav", root.join("gone.wav")).unwrap();
        let tree = walk(&root, "", AUDIO).unwrap();
        assert_eq!(tree.files, ["disk/w.wav", "z/x.wav"]);
        assert_eq!(tree.set_aside.len(), 1);
        assert_eq!(
            (tree.set_aside[0].path.as_str(), tree.set_aside[0].reason),
            ("gone.wav", Reason::BadAudio)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_set_aside() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["x.wav"]);
        fs::write(dir.path().join(OsStr::from_bytes(b"\xe9t\xe9.wav")), b"").unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(b"\xe9t\xe9.txt")), b"").unwrap();
        let folder = dir.path().join(OsStr::from_bytes(b"d\xff"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("y.wav"), b"").unwrap();
        let tree = walk(dir.path(), "", AUDIO).unwrap();
        assert_eq!(tree.files, ["x.wav"]);
        let names: Vec<_> = tree
            .set_aside
            .iter()
            .map(|s| (s.path.as_str(), s.reason))
            .collect();
        assert_eq!(
            names,
            [
                ("d\u{fffd}", Reason::BadName),
                ("\u{fffd}t\u{fffd}.wav", Reason::BadName)
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn an_unreadable_folder_does_not_stop_the_walk() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["closed/x.wav", "open/y.wav"]);
        let closed = dir.path().join("closed");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
        let readable_anyway = fs::read_dir(&closed).is_ok();
        let tree = walk(dir.path(), "", AUDIO).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        if readable_anyway {
            crate::skipped::skipped("user", "this user may read everything");
            return;
        }
        assert_eq!(tree.files, ["open/y.wav"]);
        assert_eq!(tree.set_aside[0].path, "closed");
    }

    #[test]
    fn a_root_that_is_not_there_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = check_root(&dir.path().join("no"), "RAVDESS", "download it").unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Missing);
        assert_eq!(error.hint_text(), Some("download it"));
        touch(dir.path(), &["file"]);
        assert_eq!(
            check_root(&dir.path().join("file"), "RAVDESS", "")
                .unwrap_err()
                .kind(),
            crate::error::Kind::Data
        );
    }
}
