//! From a cell of a table to the recording that it means.

use std::collections::HashMap;

use super::text::composed;
use crate::cancel::Cancel;
use crate::corpus::manifest::{absolute, shared};
use crate::corpus::walk::{is_audio_name, stem};

/// Recordings by file name and stem.
pub(super) struct Names<'f> {
    pub(super) files: &'f [String],
    pub(super) cancel: &'f Cancel,
    by_name: HashMap<String, Vec<&'f String>>,
}

impl<'f> Names<'f> {
    /// Of `files`, which are sorted.
    pub(super) fn of(files: &'f [String], cancel: &'f Cancel) -> Self {
        let mut by_name: HashMap<String, Vec<&String>> = HashMap::new();
        for file in files {
            let name = file.rsplit('/').next().unwrap_or(file);
            by_name.entry(composed(name)).or_default().push(file);
            if stem(file) != name {
                by_name.entry(composed(stem(file))).or_default().push(file);
            }
        }
        Names {
            files,
            cancel,
            by_name,
        }
    }

    /// Whoever finds the recordings of a column of a table.
    pub(super) fn beside<'n, 'c>(
        &'n self,
        table: &str,
        cells: impl Iterator<Item = &'c str>,
    ) -> Finder<'n, 'f> {
        let folder = folder(table);
        // A table among recordings speaks of those; one apart from all of them, of any.
        let first = self
            .files
            .get(self.files.partition_point(|file| *file < folder));
        let below = if first.is_some_and(|file| file.starts_with(&folder)) {
            folder.clone()
        } else {
            String::new()
        };
        let above = cells
            .filter_map(absolute)
            .fold(None, |above, path| shared(above, &path))
            .map_or(0, |above| above.len());
        Finder {
            names: self,
            folder,
            below,
            above,
        }
    }

    /// Recordings whose path is `path`, or ends in it: by their names, or else without an extension
    /// that those may not have.
    fn ending_in(&self, path: &str) -> Vec<&'f String> {
        let named = |path: &str, without: bool| -> Vec<&'f String> {
            let name = path.rsplit('/').next().unwrap_or_default();
            let ends = |file: &&&String| {
                let file = composed(file);
                let file = if without {
                    file.rsplit_once('.')
                        .map_or(file.as_str(), |(rest, _)| rest)
                } else {
                    file.as_str()
                };
                file.strip_suffix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            };
            self.by_name
                .get(name)
                .into_iter()
                .flatten()
                .filter(ends)
                .copied()
                .collect()
        };
        let found = named(path, false);
        let plain = if is_audio_name(path) {
            path.rsplit_once('.').map_or(path, |(rest, _)| rest)
        } else {
            path
        };
        if found.is_empty() {
            named(plain, true)
        } else {
            found
        }
    }
}

/// Finds the recordings of one column.
pub(super) struct Finder<'n, 'f> {
    names: &'n Names<'f>,
    /// The folder of the table below the root, with a `/` behind it.
    folder: String,
    /// Where bare names are looked for.
    below: String,
    /// How many folders all absolute paths of the column have in common.
    above: usize,
}

impl<'f> Finder<'_, 'f> {
    /// The recording that a cell means. A path with folders means a file whose path ends in it, and
    /// a bare name one of that name; where several are meant, none is.
    pub(super) fn find(&self, cell: &str) -> Option<&'f String> {
        // The names as they are written, those beside the table before those of the whole tree.
        let whole = Some(cell).filter(|cell| self.below.is_empty() || cell.contains('/'));
        for exactly in [Some(format!("{}{cell}", self.folder).as_str()), whole]
            .into_iter()
            .flatten()
        {
            if let Ok(at) = self
                .names
                .files
                .binary_search_by(|file| file.as_str().cmp(exactly))
            {
                return self.names.files.get(at);
            }
        }
        let cell = composed(cell.trim());
        if let Some(parts) = absolute(&cell) {
            // Where the table was made, other folders stood before: those that all of its paths
            // share are no part of a name.
            return (0..=self.above)
                .filter_map(|n| parts.get(n..))
                .find_map(|rest| {
                    let path = rest.join("/");
                    let found = self.names.ending_in(&path);
                    self.here(&found, &path)
                        .or_else(|| only(&found).filter(|_| path.contains('/')))
                });
        }
        let path = cell.replace('\\', "/");
        let (up, down) = tidy(&self.folder, &path);
        if down.is_empty() {
            return None;
        }
        let found = self.names.ending_in(&down);
        if up {
            return self.here(&found, &down).or_else(|| only(&found));
        }
        let beside = format!("{}{down}", composed(&self.folder));
        let inside: Vec<&String> = found
            .iter()
            .copied()
            .filter(|file| file.starts_with(&self.below))
            .collect();
        let whole = || {
            self.here(&found, &down)
                .filter(|_| self.below.is_empty() || down.contains('/'))
        };
        self.here(&found, &beside)
            .or_else(whole)
            .or_else(|| only(&inside))
    }

    /// The file of exactly that path, its extension apart.
    fn here(&self, found: &[&'f String], path: &str) -> Option<&'f String> {
        let plain = |path: &str| {
            if is_audio_name(path) {
                path.rsplit_once('.')
                    .map_or(path, |(rest, _)| rest)
                    .to_owned()
            } else {
                path.to_owned()
            }
        };
        let same: Vec<&String> = found
            .iter()
            .copied()
            .filter(|file| plain(&composed(file)) == plain(path))
            .collect();
        same.iter()
            .copied()
            .find(|file| composed(file) == path)
            .or_else(|| only(&same))
    }
}

fn only<'f>(found: &[&'f String]) -> Option<&'f String> {
    match found {
        [one] => Some(one),
        _ => None,
    }
}

/// A relative path without `.` and `..`, and whether it led out of the folder of its table; what
/// leads out of the root is left away.
fn tidy(folder: &str, path: &str) -> (bool, String) {
    let up = path.split('/').any(|part| part == "..");
    let mut parts: Vec<&str> = folder
        .split('/')
        .filter(|part| up && !part.is_empty())
        .collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    (up, parts.join("/"))
}

/// The folder of a table below the root, with a `/` behind it.
pub(super) fn folder(table: &str) -> String {
    table
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], table: &str, cells: &[&str]) -> Vec<Option<String>> {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let cancel = Cancel::default();
        let names = Names::of(&files, &cancel);
        let finder = names.beside(table, cells.iter().copied());
        cells
            .iter()
            .map(|cell| finder.find(cell).cloned())
            .collect()
    }

    #[test]
    fn a_row_with_a_folder_means_a_path_that_ends_in_it() {
        let files = ["data/s4/a.wav", "s4/a.wav", "s4/b.flac", "x.wav"];
        let want = |names: &[&str]| {
            names
                .iter()
                .map(|name| Some((*name).to_owned()).filter(|name| !name.is_empty()))
                .collect::<Vec<_>>()
        };
        // Of the same bare name, but not the same recording.
        assert_eq!(
            found(&files, "t.csv", &["s1/a.wav", "s1/b.wav", "a.wav"]),
            want(&["", "", ""])
        );
        assert_eq!(
            found(
                &files,
                "t.csv",
                &["s4/a.wav", "data\\s4\\a", "b.wav", "./x"]
            ),
            want(&["s4/a.wav", "data/s4/a.wav", "s4/b.flac", "x.wav"])
        );
        assert_eq!(
            found(&files, "s4/t.csv", &["a", "x.wav", "../x.wav"]),
            want(&["s4/a.wav", "", "x.wav"])
        );
        assert_eq!(
            found(&files, "labels/t.csv", &["x", "b"]),
            want(&["x.wav", "s4/b.flac"])
        );
    }

    #[test]
    fn absolute_paths_lose_what_they_share_and_no_more() {
        let want = |names: &[&str]| {
            names
                .iter()
                .map(|name| Some((*name).to_owned()).filter(|name| !name.is_empty()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(
                &["s4/a.wav"],
                "t.csv",
                &["/d/rec/s4/a.wav", "/d/rec/s1/a.wav"]
            ),
            want(&["s4/a.wav", ""])
        );
        assert_eq!(
            found(
                &["rec/s4/a.wav"],
                "t.csv",
                &["C:\\d\\s4\\a.wav", "C:\\d\\s1\\a.wav"]
            ),
            want(&["rec/s4/a.wav", ""])
        );
        assert_eq!(
            found(&["s4/a.wav"], "t.csv", &["/d/s1/a.wav", "/d/s1/b.wav"]),
            want(&["", ""])
        );
        assert_eq!(
            found(&["a.wav"], "t.csv", &["/d/s1/a.wav", "/d/s1/b.wav"]),
            want(&["a.wav", ""])
        );
    }

    #[test]
    fn names_of_a_mac_are_found_and_a_dot_in_a_name_is_no_extension() {
        assert_eq!(
            found(&["wu\u{308}t/a.wav"], "t.csv", &["wüt/a.wav", "a"]),
            vec![Some("wu\u{308}t/a.wav".to_owned()); 2]
        );
        assert_eq!(
            found(
                &["s1.wav", "s1.02.wav"],
                "t.csv",
                &["s1.01", "s1.02", "s1.mp3"]
            ),
            [None, Some("s1.02.wav".into()), Some("s1.wav".into())]
        );
    }
}
