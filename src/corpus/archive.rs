//! Unpacking a downloaded archive into a folder, and nowhere else.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;
use zip::ZipArchive;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::place;

/// What an archive may hold at most. The corpora stay far below: RAVDESS unpacks to 590 MB in 1440
/// files, at a ratio of 3.
const MAX_ENTRIES: usize = 100_000;
const MAX_BYTES: u64 = 8 << 30;
const MAX_RATIO: u64 = 200;

/// No file of a corpus has a longer name (bytes) or lies deeper, and what is done for each folder
/// of a name has to be bounded.
const MAX_NAME: usize = 1_024;
const MAX_DEPTH: usize = 32;

/// Below this size no ratio is suspicious.
const RATIO_FROM: u64 = 1 << 20;

/// Unpacks `archive` (zip; stored or deflated) below `dest` and returns the files' paths, in the
/// archive's order.
///
/// Every entry is judged before the first is written: a name that leaves `dest` (`..`, absolute,
/// drive letter, backslash), one that some systems cannot have or change (`CON`, a dot at its end,
/// `?`), a link or device, an encrypted entry, a name that comes twice or differs from another in
/// nothing but case or the composition of its letters, a file where another entry needs a folder, a
/// name of more than 1024 bytes or 32 folders, entries that share bytes, or more than 100,000
/// entries, 8 GiB or a ratio of 200 make the whole archive unusable. Each file appears whole or not
/// at all; `dest` should be a folder of its own, since files there are replaced.
///
/// # Errors
/// [`crate::error::Kind::Data`] naming archive and entry for all of the above and for a wrong CRC;
/// [`crate::error::Kind::Io`] where a file cannot be read or written;
/// [`crate::error::Kind::Interrupted`].
pub fn unpack(archive: &Path, dest: &Path, cancel: &Cancel) -> Result<Vec<PathBuf>> {
    let file = File::open(archive).map_err(|e| Error::io("read", archive, e))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| broken(archive, e))?;
    let names = judge(archive, &mut zip)?;
    let mut written = Vec::new();
    for (index, name) in names.iter().enumerate() {
        cancel.check()?;
        let mut entry = zip.by_index(index).map_err(|e| broken(archive, e))?;
        let path = dest.join(name);
        if entry.is_dir() {
            std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))?;
            continue;
        }
        let declared = entry.size();
        place(&path, |out| {
            copy(&mut entry, out, declared, cancel, (archive, &path))
        })?;
        written.push(path);
    }
    Ok(written)
}

/// The relative path of every entry, or what is wrong with one of them.
fn judge(archive: &Path, zip: &mut ZipArchive<BufReader<File>>) -> Result<Vec<PathBuf>> {
    if zip.len() > MAX_ENTRIES {
        return Err(hostile(archive, format!("it has {} entries", zip.len())));
    }
    if zip.has_duplicate_names() {
        return Err(hostile(
            archive,
            "it has several entries of one name".to_owned(),
        ));
    }
    let mut names = Vec::with_capacity(zip.len());
    let mut places = Places::default();
    let mut total: u64 = 0;
    for index in 0..zip.len() {
        // Raw: an encrypted entry could not be opened otherwise, and would be called a missing
        // password.
        let entry = zip.by_index_raw(index).map_err(|e| broken(archive, e))?;
        let name = entry.name().map_err(|e| broken(archive, e))?.into_owned();
        let refuse = |why: &str| Err(hostile(archive, format!("its entry {name:?} {why}")));
        let Some(path) = inside(&name) else {
            return refuse("would leave the folder that it is unpacked into");
        };
        if let Some(why) = unportable(&name) {
            return refuse(why);
        }
        if name.len() > MAX_NAME || path.components().count() > MAX_DEPTH {
            return Err(hostile(
                archive,
                format!("an entry has a name of {} bytes", name.len()),
            ));
        }
        // The type of file as Unix writes it (S_IFMT): none given, a regular file or a folder.
        if entry.is_symlink()
            || entry
                .unix_mode()
                .is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o100_000 | 0o040_000))
        {
            return refuse("is a link or a device");
        }
        if entry.encrypted() {
            return refuse("is encrypted");
        }
        if entry.size() > RATIO_FROM && entry.size() / MAX_RATIO > entry.compressed_size() {
            return refuse(&format!(
                "unpacks from {} bytes to {}",
                entry.compressed_size(),
                entry.size()
            ));
        }
        total = total.saturating_add(entry.size());
        if total > MAX_BYTES {
            return Err(hostile(
                archive,
                format!("it unpacks to more than {MAX_BYTES} bytes"),
            ));
        }
        if let Some(other) = places.taken(&name) {
            return refuse(&format!("would lie where {other:?} does"));
        }
        names.push(path);
    }
    if zip
        .has_overlapping_files()
        .map_err(|e| broken(archive, e))?
    {
        return Err(hostile(archive, "its entries share bytes".to_owned()));
    }
    Ok(names)
}

/// Why a name cannot be a file's on every system, or would become another there.
pub(super) fn unportable(name: &str) -> Option<&'static str> {
    name.split('/').find_map(|part| {
        let stem = part
            .split('.')
            .next()
            .unwrap_or(part)
            .trim_end()
            .to_ascii_uppercase();
        let numbered = |word: &str| {
            matches!(
                stem.strip_prefix(word).map(str::as_bytes),
                Some([b'0'..=b'9'])
            )
        };
        match part {
            _ if part.ends_with(['.', ' ']) => {
                Some("ends in a dot or a space, which Windows drops")
            }
            _ if part.contains(['<', '>', '"', '|', '?', '*'])
                || part.contains(char::is_control) =>
            {
                Some("has a character that Windows does not allow")
            }
            _ if matches!(
                stem.as_str(),
                "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
            ) || numbered("COM")
                || numbered("LPT") =>
            {
                Some("has the name of a device on Windows")
            }
            _ => None,
        }
    })
}

/// What the files and folders of an archive are called, as a file system sees it that tells no case
/// and composes letters.
#[derive(Default)]
pub(super) struct Places {
    /// The name by its composed lower case, and whether it is a folder.
    known: HashMap<String, (String, bool)>,
}

impl Places {
    /// Notes an entry and the folders that it lies in; what stands in its way, if anything.
    pub(super) fn taken(&mut self, name: &str) -> Option<String> {
        let (whole, is_folder) = name
            .strip_suffix('/')
            .map_or((name, false), |folder| (folder, true));
        let folders = whole
            .match_indices('/')
            .map(|(end, _)| (&whole[..end], true));
        for (part, is_folder) in folders.chain([(whole, is_folder)]) {
            let key: String = part.to_lowercase().nfc().collect();
            match self.known.get(&key) {
                Some((other, folder)) if other != part || !folder || !is_folder => {
                    return Some(other.clone());
                }
                Some(_) => {}
                None => drop(self.known.insert(key, (part.to_owned(), is_folder))),
            }
        }
        None
    }
}

/// `name` as a relative path of plain components, on any system; `None` where it is anything else.
pub(super) fn inside(name: &str) -> Option<PathBuf> {
    let plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
    };
    let name = name.strip_suffix('/').unwrap_or(name);
    name.split('/')
        .all(plain)
        .then(|| name.split('/').collect())
}

/// Copies an entry, which may be as long as it declares and no longer.
fn copy(
    entry: &mut dyn Read,
    out: &mut dyn Write,
    declared: u64,
    cancel: &Cancel,
    (archive, path): (&Path, &Path),
) -> Result<()> {
    let mut entry = entry.take(declared.saturating_add(1));
    let mut buffer = vec![0; 256 * 1024];
    let mut copied = 0;
    loop {
        cancel.check()?;
        match entry.read(&mut buffer) {
            Ok(0) if copied == declared => return Ok(()),
            Ok(n) if n > 0 && copied + n as u64 <= declared => {
                out.write_all(&buffer[..n])
                    .map_err(|e| Error::io("write", path, e))?;
                copied += n as u64;
            }
            Ok(_) => {
                return Err(hostile(
                    archive,
                    format!(
                        "its entry for {} has another size than it says",
                        path.display()
                    ),
                ));
            }
            Err(e) => return Err(broken(archive, e)),
        }
    }
}

fn broken(archive: &Path, e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::data(format!("failed to unpack {}", archive.display()))
        .because(e)
        .hint("fetch the archive again")
}

fn hostile(archive: &Path, why: String) -> Error {
    Error::data(format!("failed to unpack {}: {why}", archive.display()))
        .hint("this is not the archive that the corpus's page offers: fetch that one; nothing of it is used")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::error::Kind;

    fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            zip.start_file(
                *name,
                SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
            )
            .unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// Replaces every occurrence of `from` (a name is in the local header and in the directory) by
    /// as many bytes.
    fn patch(bytes: &mut [u8], from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = (0..=bytes.len() - from.len())
            .filter(|&i| &bytes[i..i + from.len()] == from)
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }

    /// Unpacks into `<temporary>/in/dest`; the folder above is there to see what leaves.
    fn attempt(bytes: &[u8]) -> (tempfile::TempDir, Result<Vec<PathBuf>>) {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        fs::write(&archive, bytes).unwrap();
        let result = unpack(&archive, &folder.path().join("in/dest"), &Cancel::default());
        (folder, result)
    }

    /// The message of a refusal that wrote nothing at all.
    fn refused(bytes: &[u8]) -> String {
        let (folder, result) = attempt(bytes);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains("a.zip"), "{error}");
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a.zip"]);
        error.to_string()
    }

    #[test]
    fn files_and_folders_come_out_as_they_went_in() {
        let long = vec![7; 300_000];
        let (folder, result) = attempt(&zip_of(&[
            ("wav/x y.wav", &long),
            ("wav/deep/z.wav", b"z"),
            ("top.txt", b""),
        ]));
        let dest = folder.path().join("in/dest");
        assert_eq!(
            result.unwrap(),
            ["wav/x y.wav", "wav/deep/z.wav", "top.txt"].map(|name| dest.join(name))
        );
        assert_eq!(fs::read(dest.join("wav/x y.wav")).unwrap(), long);
        assert_eq!(fs::read(dest.join("top.txt")).unwrap(), b"");
        assert_eq!(
            fs::read_dir(dest.join("wav")).unwrap().count(),
            2,
            "no temporary file stays"
        );
        // A second time over what is there.
        unpack(&folder.path().join("a.zip"), &dest, &Cancel::default()).unwrap();
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in [
            "../../evil",
            "/tmp/evil",
            "ok/../../e",
            "C:\\evil.x",
            "c:/evil",
            "..\\evil",
            "a//evil",
            "./evil",
        ] {
            let stand_in = "n".repeat(name.len());
            let mut bytes = zip_of(&[("fine.wav", b"fine"), (&stand_in, b"evil")]);
            patch(&mut bytes, stand_in.as_bytes(), name.as_bytes());
            assert!(refused(&bytes).contains("would leave the folder"), "{name}");
        }
    }

    #[test]
    fn names_that_clash_are_refused() {
        for (first, second) in [
            ("wav/a.wav", "wav/A.wav"),
            ("wav/a.wav", "WAV/b.wav"),
            ("wav", "wav/a.wav"),
            ("wav/a.wav", "wav"),
            ("É", "é"),
            ("\u{e9}.wav", "e\u{301}.wav"),
        ] {
            assert!(
                refused(&zip_of(&[(first, b"1"), (second, b"2")])).contains("would lie where"),
                "{first} {second}"
            );
        }
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_directory("wav/", SimpleFileOptions::default())
            .unwrap();
        for name in ["wav/a.wav", "wav/b.wav"] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
        }
        assert_eq!(
            attempt(&zip.finish().unwrap().into_inner())
                .1
                .unwrap()
                .len(),
            2
        );
        let mut twice = zip_of(&[("aaa.wav", b"1"), ("bbb.wav", b"2")]);
        patch(&mut twice, b"bbb.wav", b"aaa.wav");
        refused(&twice);
    }

    #[test]
    fn names_that_some_systems_change_are_refused() {
        for (name, part) in [
            ("wav/a.", "ends in a dot"),
            ("wav /a.wav", "ends in a dot or a space"),
            ("CON", "a device on Windows"),
            ("wav/con.wav", "a device on Windows"),
            ("Lpt1.tar.gz", "a device on Windows"),
            ("a?.wav", "Windows does not allow"),
            ("a\u{1b}.wav", "Windows does not allow"),
        ] {
            assert!(
                refused(&zip_of(&[("fine.wav", b"fine"), (name, b"x")])).contains(part),
                "{name}"
            );
        }
        for name in ["contra.wav", "COM.wav", "com10.wav", ".hidden", "a.b c.wav"] {
            assert!(attempt(&zip_of(&[(name, b"x")])).1.is_ok(), "{name}");
        }
    }

    #[test]
    fn absurd_names_are_refused() {
        for name in ["n".repeat(MAX_NAME + 1), vec!["d"; MAX_DEPTH + 1].join("/")] {
            assert!(
                refused(&zip_of(&[("fine.wav", b"fine"), (&name, b"")]))
                    .contains("an entry has a name of")
            );
        }
    }

    #[test]
    fn links_are_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("link", "/etc", SimpleFileOptions::default())
            .unwrap();
        zip.start_file("link/passwd", SimpleFileOptions::default())
            .unwrap();
        assert!(refused(&zip.finish().unwrap().into_inner()).contains("is a link"));
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0; 4 << 20];
        assert!(
            refused(&zip_of(&[("fine.wav", b"fine"), ("bomb", &zeros)])).contains("unpacks from")
        );
        // An entry that declares less than it holds.
        let mut bytes = zip_of(&[("a", &[1; 5_000])]);
        patch(&mut bytes, &5_000_u32.to_le_bytes(), &50_u32.to_le_bytes());
        let (folder, result) = attempt(&bytes);
        assert_eq!(result.unwrap_err().kind(), Kind::Data);
        assert!(
            fs::read_dir(folder.path().join("in/dest"))
                .unwrap()
                .next()
                .is_none()
        );
        // More in all than any corpus: sixty entries that declare 4 GiB (stored, so that their
        // ratio is inconspicuous).
        let names: Vec<String> = (0..60).map(|i| format!("{i}")).collect();
        let entries: Vec<(&str, &[u8])> = names
            .iter()
            .map(|n| (n.as_str(), [9_u8; 777].as_slice()))
            .collect();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            zip.start_file(
                name,
                SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
            )
            .unwrap();
            zip.write_all(content).unwrap();
        }
        let mut bytes = zip.finish().unwrap().into_inner();
        patch(
            &mut bytes,
            &777_u32.to_le_bytes(),
            &0xFFFF_FFF0_u32.to_le_bytes(),
        );
        refused(&bytes);
    }

    #[test]
    fn damage_is_an_error_and_leaves_no_file() {
        for bytes in [b"no zip at all".as_slice(), b""] {
            refused(bytes);
        }
        let content: Vec<u8> = (0..9_000_u32).map(|i| (i * i % 251) as u8).collect();
        let whole = zip_of(&[("one.wav", &content)]);
        refused(&whole[..whole.len() - 10]);
        let mut flipped = whole.clone();
        flipped[200] ^= 0x10;
        let (folder, result) = attempt(&flipped);
        assert_eq!(result.unwrap_err().kind(), Kind::Data);
        assert!(
            fs::read_dir(folder.path().join("in/dest"))
                .unwrap()
                .next()
                .is_none()
        );
    }

    #[test]
    fn a_stop_is_heeded() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        fs::write(&archive, zip_of(&[("x", b"x")])).unwrap();
        let cancel = Cancel::default();
        cancel.request();
        assert_eq!(
            unpack(&archive, folder.path(), &cancel).unwrap_err().kind(),
            Kind::Interrupted
        );
        assert!(!folder.path().join("x").exists());
    }
}
