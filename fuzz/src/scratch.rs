//! A folder in memory, where there is one, for what the library only reads from files.

use std::path::Path;

use tempfile::TempDir;

/// A folder of its own that goes away with its owner.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder for scratch files")
}
