//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Creates the folder of `path` where it is missing, lets `fill` write a file beside it, and gives that file its name.
///
/// # Errors
/// Those of the file system, and whatever `fill` returns; nothing is left behind then.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    let mark = format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let beside: PathBuf = folder.join(mark);
    let written = File::create_new(&beside).map_err(|e| Error::io("create", &beside, e)).and_then(|file| {
        let mut file = BufWriter::with_capacity(256 * 1024, file);
        fill(&mut file)?;
        file.flush().map_err(|e| Error::io("write", path, e))?;
        drop(file);
        fs::rename(&beside, path).map_err(|e| Error::io("write", path, e))
    });
    if written.is_err() {
        // Whatever was wrong is what the caller wants to hear of.
        drop(fs::remove_file(&beside));
    }
    written
}
