//! Files that are seen whole or not at all, and their hashes.

mod inventory;
mod patience;
mod seal;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path};

pub use inventory::{
    INVENTORY, Inventory, files_below, is_link, remove_below, remove_empty_folders, remove_file,
};
pub use patience::{patiently, read, read_if_there};
pub use seal::{from_json, from_sealed_json, to_json, to_sealed_json};

use sha2::Digest;

use crate::cancel::Cancel;
use crate::error::{Error, Result, may_pass};

/// A word as a shell takes it.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Hex blake3 of some bytes.
pub fn hash_bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex digest of a file, as others publish it: SHA-256 or MD5.
pub fn digest_of<D: Digest>(path: &Path, cancel: &Cancel) -> Result<String> {
    let mut digest = D::new();
    each_block(path, cancel, |block| digest.update(block))?;
    Ok(hex(&digest.finalize()))
}

/// The first 8 bytes of the blake3 of some bytes: enough to see damage.
pub fn short_check(bytes: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    check
}

/// Size and hex blake3 of a file.
pub fn hash_file(path: &Path) -> Result<(u64, String)> {
    patiently(may_pass, || hash(path)).map_err(|e| Error::io("read", path, e))
}

/// As [`hash_file`]; `None` where there is no such file.
pub fn hash_if_there(path: &Path) -> Result<Option<(u64, String)>> {
    match patiently(may_pass, || hash(path)) {
        Ok(found) => Ok(Some(found)),
        Err(e) if patience::is_absent(&e) => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    /// Up to this size a file is read in one piece.
    const SMALL: u64 = 1 << 20;
    let mut file = open_regular(path)?;
    let size = file.metadata()?.len();
    if size <= SMALL {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        file.read_to_end(&mut bytes)?;
        return Ok((bytes.len() as u64, hash_bytes(&bytes)));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut file)?;
    Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
}

/// Opens a file to read it. A pipe or a device is refused: opening one would wait for somebody who
/// writes, and reading one may never end.
///
/// # Errors
/// As opening, and [`std::io::ErrorKind::InvalidInput`] where it is no regular file.
pub fn open_regular(path: &Path) -> std::io::Result<File> {
    let found = fs::metadata(path)?;
    if found.is_file() {
        return File::open(path);
    }
    let what = if found.is_dir() {
        "it is a folder"
    } else {
        "it is a pipe or a device, not a file"
    };
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what))
}

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))
}

/// Writes a file in one piece: beside its place, synced, then renamed into it. Makes the folder.
///
/// # Errors
/// [`crate::error::Kind::Io`]; the file that was there before is then untouched, and nothing is
/// left beside it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    publish(path, |file| {
        file.write_all(bytes)
            .map_err(|e| Error::io("write", path, e))
    })
}

/// As [`write_atomically`], for content that `fill` streams.
pub fn publish(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let folder = place(path, |file| {
        fill(file)?;
        file.sync_all().map_err(|e| Error::io("write", path, e))
    })?;
    sync_folder(folder);
    Ok(())
}

/// As [`publish`], but leaves it to the system when the bytes reach the disk: for files that a
/// power cut may take since they can be made again. Returns the folder.
pub fn place(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<&Path> {
    let failed = |e| Error::io("write", path, e);
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => {
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::IsADirectory,
                "not a file name",
            )));
        }
    };
    create_folder(folder)?;
    let mut temp = beside(0o666)
        .tempfile_in(folder)
        .map_err(|e| Error::io("create a file in", folder, without_name(e)))?;
    fill(temp.as_file_mut())?;
    temp.persist(path).map_err(|e| failed(e.error))?;
    Ok(folder)
}

/// A refusal without the name of a temporary file, which means nothing to anybody.
fn without_name(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => kind.into(),
        _ => error,
    }
}

/// A fresh folder within `parent`, removed when it is dropped; its name begins with [`TEMPORARY`]
/// and `mark`.
pub fn temporary_folder(parent: &Path, mark: &str) -> Result<tempfile::TempDir> {
    create_folder(parent)?;
    let prefix = format!("{TEMPORARY}{mark}");
    beside(0o777)
        .prefix(&prefix)
        .tempdir_in(parent)
        .map_err(|e| Error::io("create a folder in", parent, without_name(e)))
}

/// A file without a name, gone with its owner however that ends; in `folder`, or where the system
/// keeps temporary files.
pub fn nameless_file(folder: Option<&Path>) -> Result<File> {
    match folder {
        Some(folder) => {
            create_folder(folder)?;
            tempfile::tempfile_in(folder).map_err(|e| Error::io("create a file in", folder, e))
        }
        None => tempfile::tempfile().map_err(|e| {
            Error::io(
                "create a file in",
                Path::new("the folder of temporary files"),
                e,
            )
        }),
    }
}

/// Fills `buffer` with what stands at `offset`, wherever the file is read or written otherwise.
///
/// # Errors
/// As reading, and where the file ends before the buffer is full.
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    if fill(file, buffer, offset)? == buffer.len() {
        Ok(())
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// Fills `buffer` with up to `most` bytes from `offset` on: fewer where the file ends.
pub fn read_at_most(
    file: &File,
    buffer: &mut Vec<u8>,
    most: usize,
    offset: u64,
) -> std::io::Result<()> {
    buffer.resize(most, 0);
    let done = fill(file, buffer, offset)?;
    buffer.truncate(done);
    Ok(())
}

/// Reads into `buffer` until it is full or the file ends; returns how much that is.
fn fill(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read_at(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads some bytes from `offset` on, wherever the file is read or written otherwise; none where it
/// ends.
#[cfg(unix)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads some bytes from `offset` on; none where the file ends.
#[cfg(windows)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Reads a shared file from some place on; several may do so at once.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> Reader<'a> {
    /// Reads `file` from byte `at` on.
    pub fn new(file: &'a File, at: u64) -> Self {
        Reader { file, at }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = read_at(self.file, buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Names of what is not whole yet begin with this.
pub const TEMPORARY: &str = ".tmp-ser-";

/// A folder that nobody else may look into, where the system keeps temporary files; gone when it is
/// dropped.
pub fn private_folder() -> Result<tempfile::TempDir> {
    beside(0o700).tempdir().map_err(|e| {
        Error::io(
            "create a folder in",
            Path::new("the folder of temporary files"),
            e,
        )
    })
}

/// Temporary files are private by default; what is published is for whoever the umask lets in.
fn beside(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Puts a copy of `from` at `to`, in one piece.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source =
        patiently(may_pass, || File::open(from)).map_err(|e| Error::io("open", from, e))?;
    publish(to, |file| {
        io::copy(&mut source, file)
            .map(drop)
            .map_err(|e| Error::io("write", to, e))
    })
}

/// Removes files that a killed process left in `folder`, and with `deep` below it, by their name.
/// Links are neither removed nor followed.
pub fn sweep(folder: &Path, deep: bool) -> Result<()> {
    if is_link(folder) {
        return Ok(());
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(|kind| kind.is_file())
            && entry.file_name().to_string_lossy().starts_with(TEMPORARY)
        {
            remove_file(&path)?;
        } else if deep && kind.is_ok_and(|kind| kind.is_dir()) {
            sweep(&path, true)?;
        }
    }
    Ok(())
}

/// Syncs a folder, so that a rename in it survives a power cut; a file system that cannot is let
/// be.
pub fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// The way from one folder to another, with `/` between; `None` where there is none, as between
/// drives.
pub fn relative(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0
        || from[common..]
            .iter()
            .chain(&to[common..])
            .any(|part| !matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let up = from[common..].iter().map(|_| Some("..".to_owned()));
    let down = to[common..]
        .iter()
        .map(|part| part.as_os_str().to_str().map(str::to_owned));
    up.chain(down)
        .collect::<Option<Vec<_>>>()
        .map(|parts| parts.join("/"))
}

/// Hands on a file block after block, and looks for a request to stop between them.
pub fn each_block(path: &Path, cancel: &Cancel, mut take: impl FnMut(&[u8])) -> Result<()> {
    let failed = |e| Error::io("read", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        cancel.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_replaces_and_creates_folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/table");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["table"]);
    }

    #[test]
    fn a_refusal_names_no_temporary_file() {
        for (kind, text) in [
            (io::ErrorKind::PermissionDenied, "permission denied"),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "read-only filesystem or storage medium",
            ),
            (io::ErrorKind::NotFound, "no: .tmp-ser-x"),
        ] {
            let error = without_name(io::Error::new(kind, "no: .tmp-ser-x"));
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_older_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        let full = |file: &mut File| {
            // What the kernel says on a full disk, from the device that always is.
            let written = file.write_all(b"half of i").and_then(|()| {
                File::options()
                    .write(true)
                    .open("/dev/full")?
                    .write_all(b"t")
            });
            written.map_err(|e| Error::io("write", &path, e))
        };
        let error = publish(&path, full).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(names(dir.path()).is_empty());

        write_atomically(&path, b"older").unwrap();
        let error = publish(&path, full).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("failed to write {}", path.display())),
            "{error}"
        );
        assert!(error.hint_text().unwrap().contains("free some space"));
        assert_eq!(std::fs::read(&path).unwrap(), b"older");
        assert_eq!(names(dir.path()), ["table"]);
    }

    #[test]
    fn a_name_that_cannot_be_taken_is_an_io_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("taken");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(
            write_atomically(&folder, b"x").unwrap_err().kind(),
            Kind::Io
        );
        assert_eq!(names(dir.path()), ["taken"]);

        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(
            write_atomically(&file.join("table"), b"x")
                .unwrap_err()
                .kind(),
            Kind::Io
        );
        assert_eq!(
            write_atomically(Path::new("/"), b"x").unwrap_err().kind(),
            Kind::Io
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_private_folder_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = private_folder().unwrap();
        assert_eq!(
            std::fs::metadata(folder.path())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write_atomically(&ours, b"x").unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn the_way_to_the_recordings_goes_up_and_down() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(
            way("/a/reports/demo", "/a/data/corpora/x").as_deref(),
            Some("../../data/corpora/x")
        );
        assert_eq!(way("/a/b", "/a/b/c").as_deref(), Some("c"));
        assert_eq!(way("/a/b", "/a/../c"), None);
    }
}
