//! From a cell of a table to the recording that it means.

use std::collections::HashMap;
use std::ops::Range;

use crate::corpus::manifest::{absolute, shared};
use crate::corpus::walk::{folder, is_audio_name, without_extension};
use crate::text::composed;

/// Recordings by the endings of their paths, cut at folders: `a/b/c.wav` is `c.wav`, `b/c.wav` and
/// `a/b/c.wav`, and as a whole path `/a/b/c.wav`.
pub(super) struct RecordingIndex<'f> {
    pub(super) files: &'f [String],
    /// The places in `files` of those with an ending, ascending.
    with_extension: HashMap<String, Vec<usize>>,
    without_extension: HashMap<String, Vec<usize>>,
}

impl<'f> RecordingIndex<'f> {
    /// Of `files`, which are sorted.
    pub(super) fn of(files: &'f [String]) -> Self {
        let mut index = RecordingIndex {
            files,
            with_extension: HashMap::new(),
            without_extension: HashMap::new(),
        };
        for (i, file) in files.iter().enumerate() {
            let path = format!("/{}", composed(file));
            for start in path.match_indices('/').flat_map(|(at, _)| [at, at + 1]) {
                // Of a whole path alone the `/` before it is part of the key.
                if start == 0 || !path[start..].starts_with('/') {
                    let ending = &path[start..];
                    let add = |map: &mut HashMap<String, Vec<usize>>, key: &str| {
                        map.entry(key.to_owned()).or_default().push(i);
                    };
                    add(&mut index.with_extension, ending);
                    add(&mut index.without_extension, without_extension(ending));
                }
            }
        }
        index
    }

    /// Resolves the cells of one column of a table.
    pub(super) fn resolver<'n, 'c>(
        &'n self,
        table: &str,
        cells: impl Iterator<Item = &'c str>,
    ) -> CellResolver<'n, 'f> {
        let folder = match folder(table) {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        // A table among recordings speaks of those; one apart from all of them, of any.
        let first = self.files.partition_point(|file| *file < folder);
        let count = self.files[first..]
            .iter()
            .take_while(|file| file.starts_with(&folder))
            .count();
        let below = match count {
            0 => 0..self.files.len(),
            _ => first..first + count,
        };
        let above = cells
            .filter_map(absolute)
            .fold(None, |above, path| shared(above, &path))
            .map_or(0, |above| above.len());
        CellResolver {
            index: self,
            below_root: folder.is_empty() || count == 0,
            below,
            folder,
            above,
        }
    }

    /// Whether several recordings have a path that ends in `path`.
    pub(super) fn is_repeated(&self, path: &str) -> bool {
        self.ending_in(&composed(path)).places.len() > 1
    }

    /// Recordings whose path ends in `path`: with its extension, or else without one that those may
    /// not have.
    fn ending_in(&self, path: &str) -> Matches<'_, 'f> {
        let with_extension = self.with_extension.get(path);
        let places = with_extension.or_else(|| self.without_extension.get(bare(path)));
        Matches {
            index: self,
            places: places.map_or(&[], Vec::as_slice),
            with_extension: with_extension.is_some(),
        }
    }
}

/// A name without the extension of an audio file.
fn bare(path: &str) -> &str {
    if is_audio_name(path) {
        without_extension(path)
    } else {
        path
    }
}

/// The recordings that a path may mean.
struct Matches<'n, 'f> {
    index: &'n RecordingIndex<'f>,
    places: &'n [usize],
    with_extension: bool,
}

impl<'f> Matches<'_, 'f> {
    /// The one among the files of a range; where several are meant, none is.
    fn only_within(&self, range: &Range<usize>) -> Option<&'f String> {
        let first = self.places.partition_point(|place| *place < range.start);
        let end = self.places.partition_point(|place| *place < range.end);
        match self.places.get(first..end)? {
            [place] => self.index.files.get(*place),
            _ => None,
        }
    }

    fn only(&self) -> Option<&'f String> {
        self.only_within(&(0..self.index.files.len()))
    }

    /// The file of exactly that path, its extension apart where none of the files has that.
    fn exactly(&self, path: &str) -> Option<&'f String> {
        let places = match self.with_extension {
            true => self.index.with_extension.get(&format!("/{path}"))?,
            false => self
                .index
                .without_extension
                .get(&format!("/{}", bare(path)))?,
        };
        match places[..] {
            [first, ..] if self.with_extension => self.index.files.get(first),
            [one] => self.index.files.get(one),
            _ => None,
        }
    }
}

/// Finds the recordings of one column.
pub(super) struct CellResolver<'n, 'f> {
    index: &'n RecordingIndex<'f>,
    /// The folder of the table below the root, with a `/` behind it.
    folder: String,
    /// Where bare names are looked for, and whether that is the whole tree.
    below: Range<usize>,
    below_root: bool,
    /// How many folders all absolute paths of the column have in common.
    above: usize,
}

impl<'f> CellResolver<'_, 'f> {
    /// The recording that a cell means. A path with folders means a file whose path ends in it, and
    /// a bare name one of that name; where several are meant, none is.
    pub(super) fn find(&self, cell: &str) -> Option<&'f String> {
        // The names as they are written, those beside the table before those of the whole tree.
        let beside = format!("{}{cell}", self.folder);
        let whole = Some(cell).filter(|cell| self.below_root || cell.contains('/'));
        for path in [Some(beside.as_str()), whole].into_iter().flatten() {
            let files = self.index.files;
            if let Ok(at) = files.binary_search_by(|file| file.as_str().cmp(path)) {
                return files.get(at);
            }
        }
        let cell = composed(cell.trim());
        if let Some(parts) = absolute(&cell) {
            // Where the table was made, other folders stood before: those that all of its paths
            // share are no part of a name.
            return (0..=self.above).find_map(|n| {
                let path = parts.get(n..)?.join("/");
                let found = self.index.ending_in(&path);
                let only = || found.only().filter(|_| path.contains('/'));
                found.exactly(&path).or_else(only)
            });
        }
        let (up, down) = tidy(&self.folder, &cell.replace('\\', "/"));
        let found = self.index.ending_in(&down);
        if up {
            return found.exactly(&down).or_else(|| found.only());
        }
        let beside = found.exactly(&format!("{}{down}", composed(&self.folder)));
        let whole = || {
            let is_whole = self.below_root || down.contains('/');
            found.exactly(&down).filter(|_| is_whole)
        };
        beside
            .or_else(whole)
            .or_else(|| found.only_within(&self.below))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of the `cells` of a table means, `-` where nothing is meant.
    #[track_caller]
    fn means(files: &[&str], table: &str, cells: &[(&str, &str)]) {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let index = RecordingIndex::of(&files);
        let resolver = index.resolver(table, cells.iter().map(|(cell, _)| *cell));
        for (cell, want) in cells {
            let found = resolver.find(cell).map_or("-", String::as_str);
            assert_eq!(found, *want, "{cell} of {table}");
        }
    }

    #[test]
    fn a_row_with_a_folder_means_a_path_that_ends_in_it() {
        let files = ["data/s4/a.wav", "s4/a.wav", "s4/b.flac", "x.wav"];
        // Of the same bare name, but not the same recording.
        means(
            &files,
            "t.csv",
            &[("s1/a.wav", "-"), ("s1/b.wav", "-"), ("a.wav", "-")],
        );
        let by_parts = [
            ("s4/a.wav", "s4/a.wav"),
            ("data\\s4\\a", "data/s4/a.wav"),
            ("b.wav", "s4/b.flac"),
            ("./x", "x.wav"),
            ("..", "-"),
        ];
        means(&files, "t.csv", &by_parts);
        means(
            &files,
            "s4/t.csv",
            &[("a", "s4/a.wav"), ("x.wav", "-"), ("../x.wav", "x.wav")],
        );
        means(
            &files,
            "labels/t.csv",
            &[("x", "x.wav"), ("b", "s4/b.flac")],
        );
    }

    #[test]
    fn absolute_paths_lose_what_they_share_and_no_more() {
        let found = [("/d/rec/s4/a.wav", "s4/a.wav"), ("/d/rec/s1/a.wav", "-")];
        means(&["s4/a.wav"], "t.csv", &found);
        let found = [
            ("C:\\d\\s4\\a.wav", "rec/s4/a.wav"),
            ("C:\\d\\s1\\a.wav", "-"),
        ];
        means(&["rec/s4/a.wav"], "t.csv", &found);
        means(
            &["s4/a.wav"],
            "t.csv",
            &[("/d/s1/a.wav", "-"), ("/d/s1/b.wav", "-")],
        );
        means(
            &["a.wav"],
            "t.csv",
            &[("/d/s1/a.wav", "a.wav"), ("/d/s1/b.wav", "-")],
        );
    }

    #[test]
    fn names_of_a_mac_are_found_and_a_dot_in_a_name_is_no_extension() {
        let file = "wu\u{308}t/a.wav";
        means(&[file], "t.csv", &[("wüt/a.wav", file), ("a", file)]);
        let files = ["s1.wav", "s1.02.wav"];
        means(
            &files,
            "t.csv",
            &[("s1.01", "-"), ("s1.02", "s1.02.wav"), ("s1.mp3", "s1.wav")],
        );
    }

    #[test]
    fn one_name_in_every_folder_means_none_of_them_but_a_folder_tells() {
        let mut files: Vec<String> = (0..1000).map(|i| format!("s{i:03}/001.wav")).collect();
        files.sort();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let cells = [
            ("s007/001.wav", "s007/001.wav"),
            ("001.wav", "-"),
            ("s1/001.wav", "-"),
        ];
        means(&files, "t.csv", &cells);
        means(
            &files,
            "s007/t.csv",
            &[("001.wav", "s007/001.wav"), ("001", "s007/001.wav")],
        );
    }
}
