//! Where in a folder the official release is.

use std::path::{Path, PathBuf};

/// Folders below another that are looked at.
const LOOKED_AT: usize = 64;

/// The folder of the sessions: `root` itself, one right below it, or the one above where `root` is
/// a session; `None` where there is no session with label files.
pub fn place(root: &Path) -> Option<PathBuf> {
    let is_release = |folder: &Path| {
        (1..=5).any(|n| {
            folder
                .join(format!("Session{n}/dialog/EmoEvaluation"))
                .is_dir()
        })
    };
    if is_release(root) {
        return Some(root.to_owned());
    }
    if let Some(above) = root
        .join("dialog/EmoEvaluation")
        .is_dir()
        .then(|| root.parent())
        .flatten()
        && is_release(above)
    {
        return Some(above.to_owned());
    }
    let mut below: Vec<PathBuf> = std::fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    below.sort();
    below
        .into_iter()
        .take(LOOKED_AT)
        .find(|folder| is_release(folder))
}
