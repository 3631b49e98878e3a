//! Files that appear whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes `bytes` beside `dir/name` and renames it into place, so that a reader never sees half a file.
pub(super) fn publish(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = dir.join(name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ser-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private by default; a report is for whoever the umask lets in.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir).map_err(|e| Error::io("create a file in", dir, e))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| Error::io("write", &path, e))?;
    file.persist(&path).map_err(|e| Error::io("write", &path, e.error))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        publish(dir.path(), "a.csv", b"one").unwrap();
        publish(dir.path(), "a.csv", b"two").unwrap();
        assert_eq!(std::fs::read(dir.path().join("a.csv")).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = publish(Path::new("/nonexistent/reports"), "a.csv", b"").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/reports"));
    }
}
