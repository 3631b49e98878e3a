//! Recordings that lie in a folder twice by their names: in two formats, clean and treated, or in a
//! folder inside its copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::treated::{self, Form, form};
use crate::corpus::listing::{Reason, SetAside};
use crate::corpus::same_name::{is_same_file, parting};
use crate::corpus::walk::{extension, stem};

/// Share of a folder's names that must lie in the other for both to be the same recordings.
const MOST: f64 = 0.9;

/// The recordings without those that others repeat.
pub(super) struct Once {
    /// One file of each recording.
    pub(super) files: Vec<String>,
    /// The others, with what they repeat.
    pub(super) set_aside: Vec<SetAside>,
    /// What should be known of them.
    pub(super) doubts: Vec<String>,
}

/// Of files that are one recording by their names, the one to use; `files` are sorted.
pub(super) fn once(root: &Path, files: &[String]) -> Once {
    let mut repeats: BTreeMap<String, String> = BTreeMap::new();
    let mut left: Vec<&str> = files.iter().map(String::as_str).collect();
    for find in [nested, forms, formats] {
        repeats.extend(find(&left));
        left.retain(|path| !repeats.contains_key(*path));
    }
    let mut out = Once {
        files: left.iter().map(|path| (*path).to_owned()).collect(),
        set_aside: vec![],
        doubts: vec![],
    };
    let mut groups: BTreeMap<(bool, String), (usize, String, String)> = BTreeMap::new();
    for (path, first) in repeats {
        let is_copy = is_same_file(&root.join(&path), &root.join(&first));
        let (reason, detail) = if is_copy {
            (
                Reason::Duplicate,
                format!("the same file as {first}, which is used"),
            )
        } else {
            (
                Reason::OtherMaterial,
                format!("{first} is the same recording by its name, and is used"),
            )
        };
        groups
            .entry((is_copy, place(&path, &first)))
            .or_insert_with(|| (0, path.clone(), first.clone()))
            .0 += 1;
        out.set_aside.push(SetAside {
            path,
            reason,
            detail,
        });
    }
    for ((is_copy, place), (n, path, first)) in groups {
        out.doubts.push(if is_copy {
            format!("{n} {place} are copies of files that are used, such as {path} of {first}, and are not used")
        } else {
            format!(
                "{n} {place} are by their names recordings that are used in another form (a format, a treatment, another sensor), such as {path} \
                 beside {first}, and are not used: if they are the ones that you want, run ser corpus init on their folder alone"
            )
        });
    }
    out
}

/// What is said of where a file lies that repeats another one.
fn place(path: &str, first: &str) -> String {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    match (folder(path) == folder(first), extension(path)) {
        (false, _) => format!("files in {}", parting(path, first)),
        (true, kind) if kind != extension(first) => format!(".{kind} files"),
        (true, _) => "files".to_owned(),
    }
}

/// Folders whose files all lie in the folder around them as well: `audio/Actor_01/x.wav` beside
/// `Actor_01/x.wav`.
fn nested(files: &[&str]) -> BTreeMap<String, String> {
    let all: BTreeSet<&str> = files.iter().copied().collect();
    /// How many files lie below a folder, and those of them that lie around it, too.
    type Below<'f> = (usize, Vec<(&'f str, String)>);
    let mut below: BTreeMap<&str, Below> = BTreeMap::new();
    for path in files {
        for (end, _) in path.match_indices('/') {
            let (around, rest) = (
                path[..end].rfind('/').map_or("", |at| &path[..=at]),
                &path[end + 1..],
            );
            let found = below.entry(&path[..end]).or_default();
            found.0 += 1;
            let other = format!("{around}{rest}");
            // A name alone may be that of another recording: it takes a folder to tell.
            if rest.contains('/') && all.contains(other.as_str()) {
                found.1.push((path, other));
            }
        }
    }
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (_, there) in below
        .into_values()
        .filter(|(n, there)| there.len() as f64 >= MOST * *n as f64)
    {
        for (path, other) in there {
            if !out.contains_key(&other) {
                out.entry(path.to_owned()).or_insert(other);
            }
        }
    }
    out
}

/// A file by what is left of its path without the mark of a form in one of its parts, and that
/// mark.
struct Marked<'p> {
    /// The path without the mark, and whether it stood in the file name.
    key: (bool, String),
    form: Option<Form>,
    path: &'p str,
}

impl<'p> Marked<'p> {
    fn of(path: &'p str, at: usize) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parts: Vec<&str> = folder
            .split('/')
            .filter(|part| !part.is_empty())
            .chain([stem(name)])
            .collect();
        let in_name = at + 1 == parts.len();
        let part = parts.get_mut(at)?;
        let (form, bare) = form(part);
        // A part without a mark is spelled as it would be beside one.
        let bare = if form.is_some() {
            bare
        } else {
            treated::form(&format!("{part}_raw")).1
        };
        *part = &bare;
        Some(Marked {
            key: (in_name, parts.join("/")),
            form,
            path,
        })
    }
}

/// Files that differ from another one in the form alone that a folder or the name says; the
/// original, or else the best, is kept.
fn forms(files: &[&str]) -> BTreeMap<String, String> {
    let depth = files
        .iter()
        .map(|path| path.matches('/').count() + 1)
        .max()
        .unwrap_or(0);
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for at in 0..depth {
        let mut groups: BTreeMap<(bool, String), Vec<Marked<'_>>> = BTreeMap::new();
        for marked in files
            .iter()
            .filter(|path| !out.contains_key(**path))
            .filter_map(|path| Marked::of(path, at))
        {
            groups.entry(marked.key.clone()).or_default().push(marked);
        }
        let marks = |group: &[Marked<'_>]| group.iter().filter(|one| one.form.is_some()).count();
        let all: usize = groups.values().map(|group| marks(group)).sum();
        groups.retain(|(in_name, _), group| {
            let forms: BTreeSet<Option<Form>> = group.iter().map(|one| one.form).collect();
            // A word in a file name may be what was said.
            forms.len() > 1 && (!*in_name || forms.contains(&None))
        });
        // Most files with a mark have a fellow: somebody may be called `Clean`.
        if groups.values().map(|group| marks(group)).sum::<usize>() * 2 < all {
            continue;
        }
        for group in groups.into_values() {
            let rank = |one: &&Marked<'_>| {
                (
                    one.form.unwrap_or(Form::Original),
                    lossy(one.path),
                    one.path.to_owned(),
                )
            };
            // Where all are treated, none is the original, and all are left.
            let Some(best) = group
                .iter()
                .min_by_key(rank)
                .filter(|one| one.form != Some(Form::Treated))
            else {
                continue;
            };
            for one in group.iter().filter(|one| one.form != best.form) {
                out.insert(one.path.to_owned(), best.path.to_owned());
            }
        }
    }
    out
}

/// Files of one name and folder in several formats.
fn formats(files: &[&str]) -> BTreeMap<String, String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files {
        groups
            .entry(path.rsplit_once('.').map_or(*path, |(stem, _)| stem))
            .or_default()
            .push(path);
    }
    let mut out = BTreeMap::new();
    for group in groups.into_values() {
        let Some(best) = group.iter().min_by_key(|path| (lossy(path), **path)) else {
            continue;
        };
        for path in group.iter().filter(|path| *path != best) {
            out.insert((*path).to_owned(), (*best).to_owned());
        }
    }
    out
}

/// Whether a file is of a kind that loses something, by its extension.
fn lossy(path: &str) -> bool {
    ![
        "wav", "wave", "flac", "aif", "aiff", "aifc", "au", "snd", "sph",
    ]
    .contains(&extension(path).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(paths: &[&str]) -> Vec<String> {
        let mut paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        paths.sort();
        once(Path::new("/nowhere"), &paths).files
    }

    #[test]
    fn one_of_two_formats_is_used() {
        assert_eq!(
            left(&[
                "AudioMP3/a.mp3",
                "AudioMP3/b.mp3",
                "AudioWAV/a.wav",
                "AudioWAV/b.wav"
            ]),
            ["AudioWAV/a.wav", "AudioWAV/b.wav"]
        );
        assert_eq!(
            left(&["s1/a.flac", "s1/a.mp3", "s1/b.mp3"]),
            ["s1/a.flac", "s1/b.mp3"]
        );
        assert_eq!(
            left(&["16k/s1/a.wav", "48k/s1/a.wav", "8000/s1/a.wav"]),
            ["48k/s1/a.wav"]
        );
    }

    #[test]
    fn treated_copies_are_left_out_and_originals_kept() {
        assert_eq!(
            left(&["clean/a.wav", "noisy/a.wav", "speed0.9/a.wav"]),
            ["clean/a.wav"]
        );
        assert_eq!(left(&["wav/a.wav", "laryngo/a.wav"]), ["wav/a.wav"]);
        assert_eq!(
            left(&["anna/a.wav", "anna_aug1/a.wav", "bert/a.wav"]),
            ["anna/a.wav", "bert/a.wav"]
        );
        assert_eq!(
            left(&[
                "s1_wut_1.wav",
                "s1_wut_1_noise.wav",
                "s1_wut_1_aug_2.wav",
                "s1_wut_2.wav"
            ]),
            ["s1_wut_1.wav", "s1_wut_2.wav"]
        );
        // Without an original nothing is left out.
        assert_eq!(left(&["noisy/a.wav", "reverb/a.wav"]).len(), 2);
    }

    #[test]
    fn a_folder_inside_its_copy_is_used_once() {
        assert_eq!(
            left(&["T/T/OAF_sad/a.wav", "T/OAF_sad/a.wav", "T/YAF_sad/a.wav"]),
            ["T/OAF_sad/a.wav", "T/YAF_sad/a.wav"]
        );
        assert_eq!(
            left(&["audio/Actor_01/a.wav", "Actor_01/a.wav"]),
            ["Actor_01/a.wav"]
        );
    }

    #[test]
    fn speakers_and_parts_of_like_names_are_no_copies() {
        let all = [
            "anna/a.wav",
            "bert/a.wav",
            "carla/wut/1.wav",
            "carla/1.wav",
            "train/x/1.wav",
            "test/x/1.wav",
        ];
        assert_eq!(left(&all).len(), all.len());
    }
}
