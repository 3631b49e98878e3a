//! From the path in a cell to a file below the corpus root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::columns::{Columns, Refusal};
use super::read::ManifestSettings;
use super::remarks::Remark;
use super::sheet::open;
use crate::cancel::Cancel;
use crate::corpus::listing::Reason;
use crate::corpus::walk::{AUDIO, is_audio_name};
use crate::error::{Error, Result};

/// Looks up the paths of a manifest.
pub(super) struct Locator<'a> {
    settings: &'a ManifestSettings,
    cancel: &'a Cancel,
    /// The root as absolute paths of a table may have it.
    real_root: PathBuf,
    /// The last cell and its path: the segments of a recording mostly stand together.
    last: Option<(String, Found)>,
    /// The last folder below the root, and whether it is there when links are followed.
    folder: Option<(String, bool)>,
    /// What absolute paths begin with in place of the root, once it was looked for.
    moved: Option<Option<Vec<String>>>,
}

/// A file below the root, and what in the cell differs from its path.
pub(super) type Found = (String, Option<Remark>);

impl<'a> Locator<'a> {
    /// Looks below the root that the settings name.
    ///
    /// # Errors
    /// `Io` where the root cannot be looked at.
    pub(super) fn new(settings: &'a ManifestSettings, cancel: &'a Cancel) -> Result<Self> {
        let real_root =
            fs::canonicalize(&settings.root).map_err(|e| Error::io("read", &settings.root, e))?;
        Ok(Locator {
            settings,
            cancel,
            real_root,
            last: None,
            folder: None,
            moved: None,
        })
    }

    /// The path below the root, `/`-separated and without `.` and `..`, of a file that is there.
    ///
    /// # Errors
    /// Where the table has to be read again for its absolute paths, and cannot be. Within, why
    /// there is no such file.
    pub(super) fn locate(&mut self, raw: &str) -> Result<Result<Found, Refusal>> {
        if let Some((cell, found)) = &self.last
            && cell == raw
        {
            return Ok(Ok(found.clone()));
        }
        let found = self.look(raw)?;
        if let Ok(found) = &found {
            self.last = Some((raw.to_owned(), found.clone()));
        }
        Ok(found)
    }

    fn look(&mut self, raw: &str) -> Result<Result<Found, Refusal>> {
        // As it stands first, since a name may begin with a space or hold a backslash; then as a
        // table from Windows means it.
        let plain = raw.trim().replace('\\', "/");
        let mut tries = [raw, raw.trim_end(), raw.trim()]
            .map(|name| (name.to_owned(), None))
            .to_vec();
        tries.push((plain.clone(), Some(Remark::Backslashes)));
        if !plain.is_ascii() {
            let accents = Some(Remark::Accents);
            tries.extend([
                (plain.nfc().collect(), accents),
                (plain.nfd().collect(), accents),
            ]);
        }
        let mut refusal = (Reason::BadRow, "the path is empty: fill it".to_owned());
        for (i, (candidate, remark)) in tries.iter().enumerate() {
            if tries[..i].iter().any(|(earlier, _)| earlier == candidate) {
                continue;
            }
            match self.exactly(candidate) {
                Ok(path) => return Ok(Ok((path, *remark))),
                Err(error) => refusal = error,
            }
        }
        if refusal.0 != Reason::MissingAudio {
            return Ok(Err(refusal));
        }
        let rest = self.below_root(&plain)?;
        if let Some(Ok(path)) = rest.as_deref().map(|rest| self.exactly(rest)) {
            return Ok(Ok((path, Some(Remark::Moved))));
        }
        let name = rest.as_deref().unwrap_or(&plain);
        Ok(match &self.other_extensions(name)[..] {
            [] => Err(refusal),
            [one] => Ok((one.clone(), Some(Remark::OtherExtension))),
            several => Err((
                Reason::MissingAudio,
                format!(
                    "the recording is not there, but {} are: name one of them",
                    several.join(" and ")
                ),
            )),
        })
    }

    /// What of an absolute path lies below the root, where the table was made elsewhere.
    fn below_root(&mut self, path: &str) -> Result<Option<String>> {
        let Some(parts) = absolute(path) else {
            return Ok(None);
        };
        if self.moved.is_none() {
            self.moved = Some(folder_of(
                &self.settings.path,
                &self.settings.root,
                self.cancel,
            )?);
        }
        let folder = self.moved.as_ref().and_then(Option::as_ref);
        Ok(folder
            .and_then(|folder| parts.strip_prefix(folder.as_slice()))
            .map(|rest| rest.join("/")))
    }

    /// Recordings of that name with another extension: in another case where there is one, or else
    /// of any kind that is read.
    fn other_extensions(&mut self, name: &str) -> Vec<String> {
        let (stem, own) = match name.rsplit_once('.') {
            Some((stem, own)) if is_audio_name(name) => (stem, own),
            _ => (name, ""),
        };
        for own in [own.to_lowercase(), own.to_uppercase()] {
            if let Some(Ok(path)) =
                (!own.is_empty()).then(|| self.exactly(&format!("{stem}.{own}")))
            {
                return vec![path];
            }
        }
        let lower: Vec<String> = AUDIO
            .iter()
            .filter_map(|other| self.exactly(&format!("{stem}.{other}")).ok())
            .collect();
        if lower.is_empty() && own.is_empty() {
            return AUDIO
                .iter()
                .filter_map(|other| {
                    self.exactly(&format!("{stem}.{}", other.to_uppercase()))
                        .ok()
                })
                .collect();
        }
        lower
    }

    fn exactly(&mut self, given: &str) -> Result<String, Refusal> {
        let outside = || {
            (
                Reason::BadRow,
                "the path leads out of the corpus root: move the file or set allow_outside = true"
                    .to_owned(),
            )
        };
        let missing = |why: &str| {
            (
                Reason::MissingAudio,
                format!("the recording cannot be found ({why}): restore it or correct the path"),
            )
        };
        let path = Path::new(given);
        let path = path
            .strip_prefix(&self.settings.root)
            .or_else(|_| path.strip_prefix(&self.real_root))
            .unwrap_or(path);
        if path.is_absolute() && !self.settings.allow_outside && !path.exists() {
            return Err(missing("no such file"));
        }
        let mut parts: Vec<&str> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
                Component::CurDir => {}
                Component::ParentDir if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                Component::ParentDir if self.settings.allow_outside => parts.push(".."),
                Component::RootDir | Component::Prefix(_) if self.settings.allow_outside => {}
                _ => return Err(outside()),
            }
        }
        let tidy = if path.is_absolute() {
            format!("/{}", parts.join("/"))
        } else {
            parts.join("/")
        };
        let place = self.settings.root.join(&tidy);
        match fs::metadata(&place) {
            Ok(found)
                if found.is_file()
                    && (self.settings.allow_outside || self.stays(&tidy, &place)) =>
            {
                Ok(tidy)
            }
            Ok(found) if found.is_file() => Err(outside()),
            Ok(_) => Err((Reason::BadAudio, "the path is no file: correct it".into())),
            Err(error) => Err(missing(&error.to_string())),
        }
    }

    /// Whether a file is below the root when links are followed.
    fn stays(&mut self, tidy: &str, place: &Path) -> bool {
        let below = |path: &Path| {
            fs::canonicalize(path).is_ok_and(|real| real.starts_with(&self.real_root))
        };
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

/// Paths that are looked up to find the folder: enough of them that chance does not choose.
const LOOKED_UP: usize = 256;

/// The parts of an absolute path, whichever system wrote it (`C:\x\y.wav`, `/x/y.wav`); nothing for
/// a relative one.
pub(in crate::corpus) fn absolute(path: &str) -> Option<Vec<String>> {
    let plain = path.trim().replace('\\', "/");
    let bytes = plain.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && bytes.get(2) == Some(&b'/');
    if !plain.starts_with('/') && !has_drive {
        return None;
    }
    let parts: Vec<String> = plain
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect();
    (!parts.iter().any(|part| part == "..")).then_some(parts)
}

/// How many parts all of the paths begin with, their file names apart.
pub(in crate::corpus) fn shared<'p>(
    shared: Option<Vec<String>>,
    path: &'p [String],
) -> Option<Vec<String>> {
    let folders: &'p [String] = path.split_last().map_or(&[], |(_, folders)| folders);
    Some(match shared {
        None => folders.to_vec(),
        Some(mut shared) => {
            let same = shared
                .iter()
                .zip(folders)
                .take_while(|(a, b)| a == b)
                .count();
            shared.truncate(same);
            shared
        }
    })
}

/// What the absolute paths of the table begin with in place of `root`: a folder above all of them,
/// so that paths which differ there still differ, under which most of a sample lie below `root`.
/// Nothing where none does.
///
/// # Errors
/// As reading the table.
pub(super) fn folder_of(table: &Path, root: &Path, cancel: &Cancel) -> Result<Option<Vec<String>>> {
    let sheet = open(table)?;
    let columns = Columns::with(&sheet.columns, table, &["path"])?;
    let mut above = None;
    let mut sample: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
    for row in sheet.rows {
        cancel.check()?;
        let Ok(cells) = row?.cells else { continue };
        let Some(path) = columns.cell(&cells, "path").and_then(absolute) else {
            continue;
        };
        above = shared(above, &path);
        sample.insert(*blake3::hash(path.join("/").as_bytes()).as_bytes(), path);
        if sample.len() > LOOKED_UP {
            sample.pop_last();
        }
    }
    let above = above.unwrap_or_default();
    let there = |left_out: usize| {
        let below = |path: &&Vec<String>| {
            path.get(left_out..)
                .is_some_and(|rest| root.join(rest.join("/")).is_file())
        };
        sample.values().filter(below).count()
    };
    // Of equals the one that leaves the longest path.
    let best = (0..=above.len())
        .rev()
        .map(|left_out| (there(left_out), left_out))
        .max_by_key(|(found, left_out)| (*found, usize::MAX - left_out));
    Ok(best
        .filter(|(found, _)| *found > 0)
        .map(|(_, left_out)| above.into_iter().take(left_out).collect()))
}
