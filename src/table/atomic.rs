//! A file appears under its name whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `bytes` to `path` so that a reader, a crash or a full disk never sees half of them: into a temporary file in the same folder,
/// synced to the disk and then renamed. Missing parent folders are created; an older file of that name is replaced.
///
/// # Errors
/// `Io` where the file system refuses; the temporary file is then removed and an older file stays as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    publish(path, |file| file.write_all(bytes))
}

fn publish(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let failed = |source| Error::io("write", path, source);
    // The folder of a bare file name is the current one, whose path is empty here.
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "not a file name"))),
    };
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;

    let mut builder = tempfile::Builder::new();
    builder.prefix(".ser-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; a table is as readable as any other file that the user makes.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    fill(file.as_file_mut()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;

    // The rename itself lives in the folder. Elsewhere than on Unix a folder cannot be opened for this.
    #[cfg(unix)]
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io("write", folder, e))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
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
    fn a_disk_that_fills_up_leaves_the_older_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        let full = |file: &mut File| {
            file.write_all(b"half of i")?;
            // What the kernel says on a full disk, from the device that always is.
            File::options().write(true).open("/dev/full")?.write_all(b"t")
        };
        let error = publish(&path, full).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(names(dir.path()).is_empty());

        write_atomically(&path, b"older").unwrap();
        let error = publish(&path, full).unwrap_err();
        assert!(error.to_string().starts_with(&format!("failed to write {}", path.display())), "{error}");
        assert!(error.hint_text().unwrap().contains("free some space"));
        assert_eq!(std::fs::read(&path).unwrap(), b"older");
        assert_eq!(names(dir.path()), ["table"]);
    }

    #[test]
    fn a_name_that_cannot_be_taken_is_an_io_error() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("taken");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(write_atomically(&folder, b"x").unwrap_err().kind(), Kind::Io);
        assert_eq!(names(dir.path()), ["taken"]);

        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(write_atomically(&file.join("table"), b"x").unwrap_err().kind(), Kind::Io);
        assert_eq!(write_atomically(Path::new("/"), b"x").unwrap_err().kind(), Kind::Io);
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
}
