//! From the path in a cell to a file below the corpus root.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::cell::Refusal;
use super::read::ManifestSettings;
use crate::corpus::listing::Reason;
use crate::error::{Error, Result};

/// Looks up the paths of a manifest.
pub(super) struct Locator<'a> {
    settings: &'a ManifestSettings,
    /// The root as absolute paths of a table may have it.
    real_root: PathBuf,
    /// The last cell and its path: the segments of a recording mostly stand together.
    last: Option<(String, String)>,
    /// The last folder below the root, and whether it is there when links are followed.
    folder: Option<(String, bool)>,
}

impl<'a> Locator<'a> {
    /// Looks below the root that the settings name.
    ///
    /// # Errors
    /// `Io` where the root cannot be looked at.
    pub(super) fn new(settings: &'a ManifestSettings) -> Result<Self> {
        let real_root = fs::canonicalize(&settings.root).map_err(|e| Error::io("read", &settings.root, e))?;
        Ok(Locator { settings, real_root, last: None, folder: None })
    }

    /// The path below the root, `/`-separated and without `.` and `..`, of a file that is there.
    pub(super) fn locate(&mut self, raw: &str) -> Result<String, Refusal> {
        if let Some((cell, path)) = &self.last
            && cell == raw
        {
            return Ok(path.clone());
        }
        // As it stands first, since a name may begin with a space or hold a backslash; then as a table from Windows means it.
        let tries = [raw.to_owned(), raw.trim().to_owned(), raw.trim().replace('\\', "/")];
        let mut refusal = (Reason::BadRow, "the path is empty: fill it".to_owned());
        for (i, candidate) in tries.iter().enumerate() {
            if tries[..i].contains(candidate) {
                continue;
            }
            match self.exactly(candidate) {
                Ok(path) => {
                    self.last = Some((raw.to_owned(), path.clone()));
                    return Ok(path);
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn exactly(&mut self, given: &str) -> Result<String, Refusal> {
        let outside = || (Reason::BadRow, "the path leads out of the corpus root: move the file or set allow_outside = true".to_owned());
        let path = Path::new(given);
        let path = path.strip_prefix(&self.settings.root).or_else(|_| path.strip_prefix(&self.real_root)).unwrap_or(path);
        let mut parts: Vec<&str> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
                Component::CurDir => {}
                Component::ParentDir if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
                Component::ParentDir if self.settings.allow_outside => parts.push(".."),
                Component::RootDir | Component::Prefix(_) if self.settings.allow_outside => {}
                _ => return Err(outside()),
            }
        }
        let tidy = if path.is_absolute() { format!("/{}", parts.join("/")) } else { parts.join("/") };
        let place = self.settings.root.join(&tidy);
        match fs::metadata(&place) {
            Ok(found) if found.is_file() && (self.settings.allow_outside || self.stays(&tidy, &place)) => Ok(tidy),
            Ok(found) if found.is_file() => Err(outside()),
            Ok(_) => Err((Reason::BadAudio, "the path is no file: correct it".into())),
            Err(error) => Err((Reason::MissingAudio, format!("the recording cannot be found ({error}): restore it or correct the path"))),
        }
    }

    /// Whether a file is below the root when links are followed.
    fn stays(&mut self, tidy: &str, place: &Path) -> bool {
        let below = |path: &Path| fs::canonicalize(path).is_ok_and(|real| real.starts_with(&self.real_root));
        if fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink()) {
            return below(place);
        }
        let folder = tidy.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some((last, stays)) = &self.folder
            && last == folder
        {
            return *stays;
        }
        let stays = below(&self.settings.root.join(folder));
        self.folder = Some((folder.to_owned(), stays));
        stays
    }
}
