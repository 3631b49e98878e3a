//! Files that are seen whole or not at all.

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

/// Writes a file beside its place, syncs it and renames it into place; makes the folder.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    let mut temp = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(|e| Error::io("create a file in", folder, e))?;
    temp.write_all(bytes).and_then(|()| temp.as_file().sync_all()).map_err(|e| Error::io("write", path, e))?;
    give_usual_permissions(temp.as_file());
    temp.persist(path).map_err(|e| Error::io("write", path, e.error))?;
    Ok(())
}

/// Temporary files are private; what is published is as readable as any other file.
pub(super) fn give_usual_permissions(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Failure leaves the file private, which loses nothing.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o644));
    }
    #[cfg(not(unix))]
    let _ = file;
}

/// Puts a copy of `from` at `to` unless the same bytes are there already.
pub fn publish_file(from: &Path, to: &Path) -> Result<()> {
    if to.is_file() && hash_file(to)? == hash_file(from)? {
        return Ok(());
    }
    let bytes = fs::read(from).map_err(|e| Error::io("read", from, e))?;
    write_atomically(to, &bytes)
}

/// Syncs a folder, so that a rename in it survives a power cut; a file system that cannot is let be.
pub(super) fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}
