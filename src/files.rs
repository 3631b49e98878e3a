//! Files that are seen whole or not at all, and their hashes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Hex blake3 of some bytes.
pub fn hash_bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Size and hex blake3 of a file.
pub fn hash_file(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 16];
    let mut size = 0u64;
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::io("read", path, e))?;
        if n == 0 {
            return Ok((size, hasher.finalize().to_hex().to_string()));
        }
        size += n as u64;
        hasher.update(&buffer[..n]);
    }
}

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))
}

/// Writes a file in one piece: beside its place, synced, then renamed into it. Makes the folder.
///
/// # Errors
/// [`crate::error::Kind::Io`]; the file that was there before is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    publish(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], for content that `write` streams.
pub fn publish(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(folder)?;
    let mut temp = beside(0o666).tempfile_in(folder).map_err(|e| Error::io("create a file in", folder, e))?;
    write(temp.as_file_mut()).and_then(|()| temp.as_file().sync_all()).map_err(|e| Error::io("write", path, e))?;
    temp.persist(path).map_err(|e| Error::io("write", path, e.error))?;
    sync_folder(folder);
    Ok(())
}

/// A fresh folder within `parent`, removed when it is dropped.
pub fn temporary_folder(parent: &Path) -> Result<tempfile::TempDir> {
    create_folder(parent)?;
    beside(0o777).tempdir_in(parent).map_err(|e| Error::io("create a folder in", parent, e))
}

/// Names of what is not whole yet begin with this.
pub const TEMPORARY: &str = ".tmp-";

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

/// Puts a copy of `from` at `to` unless the same bytes are there already.
pub fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    if to.is_file() && hash_file(to)? == hash_file(from)? {
        return Ok(());
    }
    let mut source = File::open(from).map_err(|e| Error::io("open", from, e))?;
    publish(to, |file| std::io::copy(&mut source, file).map(drop))
}

/// Syncs a folder, so that a rename in it survives a power cut; a file system that cannot is let be.
pub fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        write_atomically(&path, b"old").unwrap();
        let failed = publish(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        });
        assert!(failed.unwrap_err().hint_text().is_some_and(|h| h.contains("space")));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
