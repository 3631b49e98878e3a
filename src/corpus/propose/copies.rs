//! Recordings that lie in a folder twice: by their names, in two formats, clean and treated, or in a
//! folder inside its copy; or by the labels of a database, in two media.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::proposal::Row;
use super::variant::{Variant, is_treated, variant};
use crate::corpus::listing::{Reason, SetAside};
use crate::corpus::same_name::{is_same_file, parting};
use crate::corpus::walk::{extension, file_name, folder, stem, without_extension};

/// Share of a folder's names that must lie in the other for both to be the same recordings.
const MOST: f64 = 0.9;
/// Share of the names of a folder that another one must have, and of the labels that must agree,
/// for both to be media of the same recordings.
const NAMES: f64 = 0.5;
const LABELS: f64 = 0.95;

/// The recordings without those that others repeat.
pub(super) struct Unique {
    /// One file of each recording.
    pub(super) files: Vec<String>,
    /// The others, with what they repeat.
    pub(super) set_aside: Vec<SetAside>,
    /// What should be known of them.
    pub(super) warnings: Vec<String>,
}

/// Files that repeat another one, with that one.
type Copies = BTreeMap<String, String>;

/// Of files that are one recording by their names, the one to use; `files` are sorted.
pub(super) fn without_copies(root: &Path, files: &[String]) -> Unique {
    let mut copies = Copies::new();
    let mut left: Vec<&str> = files.iter().map(String::as_str).collect();
    for find in [in_nested_folders, in_other_variants, in_other_formats] {
        copies.extend(find(&left));
        left.retain(|path| !copies.contains_key(*path));
    }
    let mut out = Unique {
        files: left.into_iter().map(str::to_owned).collect(),
        set_aside: vec![],
        warnings: vec![],
    };
    let mut groups: BTreeMap<(bool, String), (usize, String, String)> = BTreeMap::new();
    for (path, first) in copies {
        let is_copy = is_same_file(&root.join(&path), &root.join(&first));
        let (reason, detail) = match is_copy {
            true => (
                Reason::Duplicate,
                format!("the same file as {first}, which is used"),
            ),
            false => (
                Reason::OtherMaterial,
                format!("{first} is the same recording by its name, and is used"),
            ),
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
        out.warnings.push(if is_copy {
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

/// Where a file lies that repeats another one, for people.
fn place(path: &str, first: &str) -> String {
    if folder(path) != folder(first) {
        format!("files in {}", parting(path, first))
    } else if extension(path) != extension(first) {
        format!(".{} files", extension(path))
    } else {
        "files".to_owned()
    }
}

/// Files of folders that all lie in the folder around them as well: `audio/Actor_01/x.wav` beside
/// `Actor_01/x.wav`.
fn in_nested_folders(files: &[&str]) -> Copies {
    let all: BTreeSet<&str> = files.iter().copied().collect();
    /// How many files lie below a folder, and those of them that lie around it, too.
    type Below<'f> = (usize, Vec<(&'f str, String)>);
    let mut below: BTreeMap<&str, Below> = BTreeMap::new();
    for path in files {
        for (end, _) in path.match_indices('/') {
            let around = path[..end].rfind('/').map_or("", |at| &path[..=at]);
            let rest = &path[end + 1..];
            let (count, copies) = below.entry(&path[..end]).or_default();
            *count += 1;
            let other = format!("{around}{rest}");
            // A name alone may be that of another recording: it takes a folder to tell.
            if rest.contains('/') && all.contains(other.as_str()) {
                copies.push((path, other));
            }
        }
    }
    let mut out = Copies::new();
    for (count, copies) in below.into_values() {
        if (copies.len() as f64) < MOST * count as f64 {
            continue;
        }
        for (path, other) in copies {
            if !out.contains_key(&other) {
                out.entry(path.to_owned()).or_insert(other);
            }
        }
    }
    out
}

/// A file by what is left of its path without the mark of a variant in one of its parts.
struct Marked<'p> {
    /// Whether that part is the file name, and the path without the mark.
    key: (bool, String),
    variant: Option<Variant>,
    path: &'p str,
}

impl<'p> Marked<'p> {
    fn of(path: &'p str, at: usize) -> Option<Self> {
        let mut parts: Vec<&str> = folder(path)
            .split('/')
            .filter(|part| !part.is_empty())
            .chain([stem(path)])
            .collect();
        let in_name = at + 1 == parts.len();
        let part = parts.get_mut(at)?;
        let (found, mut bare) = variant(part);
        // A part without a mark is spelled as it would be beside one.
        if found.is_none() {
            bare = variant(&format!("{part}_raw")).1;
        }
        *part = &bare;
        Some(Marked {
            key: (in_name, parts.join("/")),
            variant: found,
            path,
        })
    }
}

/// Files that differ from another one in nothing but the variant that a folder or the name says;
/// the original, or else the best, is kept.
fn in_other_variants(files: &[&str]) -> Copies {
    let depth = files.iter().map(|path| path.matches('/').count() + 1).max();
    let mut out = Copies::new();
    for at in 0..depth.unwrap_or(0) {
        let mut groups: BTreeMap<(bool, String), Vec<Marked<'_>>> = BTreeMap::new();
        for marked in files
            .iter()
            .filter(|path| !out.contains_key(**path))
            .filter_map(|path| Marked::of(path, at))
        {
            groups.entry(marked.key.clone()).or_default().push(marked);
        }
        let marks = |groups: &BTreeMap<_, Vec<Marked<'_>>>| {
            groups
                .values()
                .flatten()
                .filter(|one| one.variant.is_some())
                .count()
        };
        let all = marks(&groups);
        groups.retain(|(in_name, _), group| {
            let variants: BTreeSet<_> = group.iter().map(|one| one.variant).collect();
            // A word in a file name may be what was said.
            variants.len() > 1 && (!*in_name || variants.contains(&None))
        });
        // Most files with a mark have a fellow: somebody may be called `Clean`.
        if marks(&groups) * 2 < all {
            continue;
        }
        for group in groups.into_values() {
            let rank = |one: &&Marked<'_>| {
                (
                    one.variant.unwrap_or(Variant::Original),
                    is_lossy(one.path),
                    one.path.to_owned(),
                )
            };
            // Where all are treated, none is the original, and all are left.
            let Some(best) = group
                .iter()
                .min_by_key(rank)
                .filter(|one| one.variant != Some(Variant::Treated))
            else {
                continue;
            };
            for one in group.iter().filter(|one| one.variant != best.variant) {
                out.insert(one.path.to_owned(), best.path.to_owned());
            }
        }
    }
    out
}

/// Files of one name and folder in several formats.
fn in_other_formats(files: &[&str]) -> Copies {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files {
        groups
            .entry(without_extension(path))
            .or_default()
            .push(path);
    }
    let mut out = Copies::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|path| (is_lossy(path), *path));
        if let [best, others @ ..] = &group[..] {
            out.extend(
                others
                    .iter()
                    .map(|path| ((*path).to_owned(), (*best).to_owned())),
            );
        }
    }
    out
}

/// Whether a file is of a kind that loses something, by its extension.
fn is_lossy(path: &str) -> bool {
    let lossless = "wav wave flac aif aiff aifc au snd sph";
    !lossless.split(' ').any(|kind| kind == extension(path))
}

/// What stands in one folder: by file name the emotion and the speaker.
type Labels<'r> = BTreeMap<&'r str, (&'r str, Option<&'r str>)>;

/// The rows of one medium where tables name the same recordings in several (speech, and what
/// another sensor took at the same time), and how many rows were those of other folders, by folder.
/// `rank` says which folder is wanted most (the least counts).
pub(super) fn one_medium<R: Ord>(
    rows: Vec<Row>,
    rank: impl Fn(&str) -> R,
) -> (Vec<Row>, BTreeMap<String, usize>) {
    let mut folders: BTreeMap<&str, Labels<'_>> = BTreeMap::new();
    for row in &rows {
        folders
            .entry(folder(&row.path))
            .or_default()
            .insert(file_name(&row.path), (&row.emotion, row.speaker.as_deref()));
    }
    let mut order: Vec<(&str, Labels)> = folders.into_iter().collect();
    order
        .sort_by_cached_key(|(folder, _)| (rank(folder), is_treated(folder), (*folder).to_owned()));
    let mut kept: Vec<&Labels> = Vec::new();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for (folder, labels) in &order {
        if kept.iter().any(|other| are_same_recordings(labels, other)) {
            others.insert((*folder).to_owned(), 0);
        } else {
            kept.push(labels);
        }
    }
    let mut rows = rows;
    rows.retain(|row| match others.get_mut(folder(&row.path)) {
        Some(count) => {
            *count += 1;
            false
        }
        None => true,
    });
    (rows, others)
}

/// Whether two folders hold the same recordings, by names and labels.
fn are_same_recordings(a: &Labels<'_>, b: &Labels<'_>) -> bool {
    let both: Vec<_> = a
        .iter()
        .filter_map(|(name, labels)| Some((labels, b.get(name)?)))
        .collect();
    let agree = both.iter().filter(|(a, b)| a == b).count();
    let emotions: BTreeSet<&str> = both.iter().map(|(labels, _)| labels.0).collect();
    emotions.len() > 1
        && both.len() as f64 >= NAMES * a.len().min(b.len()) as f64
        && agree as f64 >= LABELS * both.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(paths: &[&str]) -> Vec<String> {
        let mut paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        paths.sort();
        without_copies(Path::new("/nowhere"), &paths).files
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
