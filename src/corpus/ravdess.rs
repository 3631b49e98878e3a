//! RAVDESS, the speech part: `Actor_AA/03-01-EE-II-SS-RR-AA.wav` (Livingstone & Russo 2018, doi
//! 10.1371/journal.pone.0196391).

use std::collections::BTreeMap;
use std::path::Path;

use super::labels;
use super::listing::{Expected, Listing, Reason, SetAside};
use super::same_name::{Settled, settle};
use super::utterance::{Sex, Source};
use super::walk::{AUDIO, check_root, extension, stem, walk};
use crate::error::Result;

const HINT: &str = "unpack Audio_Speech_Actors_01-24.zip (https://doi.org/10.5281/zenodo.1188976) there, or set the corpus root to where it lies";

/// Containers of the audio-visual copies.
const VIDEO: &[&str] = &["mp4", "mov", "avi", "mkv", "webm"];

const ACTORS: u8 = 24;

/// Reads a RAVDESS folder: `Actor_AA` folders as unpacked, all files flat, or either nested deeper.
///
/// Only names count; no audio is opened. The song part and the audio-visual and video-only copies
/// are the same voices, and partly the same recordings, again: they are set aside and counted. Of
/// several files with one name one is kept: that in a folder as the corpus has it, nearest to the
/// root. A file with the same bytes is a copy; where a folder holds other contents under the same
/// names, nothing of it is used.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where there is no such folder, `Data` where it is a file, `Io`
/// where it cannot be read.
pub fn read(root: &Path) -> Result<Listing> {
    check_root(root, "RAVDESS", HINT)?;
    let wanted: Vec<&str> = AUDIO.iter().chain(VIDEO).copied().collect();
    let tree = walk(root, "", &wanted)?;
    let mut found = Vec::new();
    let mut set_aside = tree.set_aside;
    let (mut songs, mut films) = (0, 0);
    for path in tree.files {
        let (reason, detail) = match parse(&path) {
            Name::Speech(source) => {
                found.push(*source);
                continue;
            }
            Name::Song => {
                songs += 1;
                (
                    Reason::OtherMaterial,
                    "song, not speech: nothing to do, or move the song part to a folder of its own"
                        .into(),
                )
            }
            Name::Film => {
                films += 1;
                (
                    Reason::OtherMaterial,
                    "a copy from the video material: nothing to do, the audio-only files are used"
                        .into(),
                )
            }
            Name::Unknown(why) => (Reason::UnknownCode, why),
        };
        set_aside.push(SetAside {
            path,
            reason,
            detail,
        });
    }
    let Settled {
        sources,
        set_aside: others,
        warnings,
    } = settle(root, found, |folder| {
        let last = folder.rsplit('/').next().unwrap_or(folder);
        last.is_empty()
            || last.starts_with("Actor_")
            || last.to_lowercase().starts_with("audio_speech_actors")
    });
    set_aside.extend(others);
    let misplaced = sources
        .values()
        .filter(|source| in_another_actors_folder(&source.path, &source.speaker))
        .count();
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    let mut notes = Vec::new();
    if songs + films > 0 {
        notes.push(format!("{songs} song files and {films} audio-visual copies lie beside the speech: the same voices again, not used"));
    }
    if misplaced > 0 {
        notes.push(format!("{misplaced} files lie in the folder of another actor than their name says: the name is believed"));
    }
    Ok(Listing {
        corpus: "ravdess".into(),
        sources: sources.into_values().collect(),
        set_aside,
        expected: Some(expected()),
        warnings,
        notes,
        generated: false,
    })
}

/// The published counts of the speech part.
pub fn expected() -> Expected {
    let classes = labels::RAVDESS
        .iter()
        .map(|c| (c.label.to_owned(), c.count))
        .collect();
    Expected {
        source: "Livingstone & Russo 2018, speech part".into(),
        utterances: 1440,
        speakers: usize::from(ACTORS),
        classes,
    }
}

/// Whether a file has a name of the speech part, the song part or their films.
pub(super) fn is_name(path: &str) -> bool {
    !matches!(parse(path), Name::Unknown(_))
}

/// Whether most actors have as many recordings of each class that is there as the published corpus:
/// other corpora name files in the same form.
pub(super) fn is_complete(sources: &[Source]) -> bool {
    let mut actors: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for source in sources {
        *actors
            .entry(&source.speaker)
            .or_default()
            .entry(&source.emotion)
            .or_default() += 1;
    }
    let is_whole = |(&class, n): (&&str, &usize)| {
        labels::RAVDESS
            .iter()
            .find(|code| code.label == class)
            .is_some_and(|code| code.count == n * usize::from(ACTORS))
    };
    actors
        .values()
        .filter(|classes| classes.iter().all(is_whole))
        .count()
        * 2
        > actors.len()
}

/// What a file name says.
enum Name {
    Speech(Box<Source>),
    Song,
    Film,
    Unknown(String),
}

fn parse(path: &str) -> Name {
    let stem = stem(path);
    let fields: Vec<&str> = stem.split('-').collect();
    let two_digits = |f: &&str| f.len() == 2 && f.bytes().all(|b| b.is_ascii_digit());
    let [
        modality,
        channel,
        emotion,
        intensity,
        sentence,
        repetition,
        actor,
    ] = fields[..]
    else {
        return Name::Unknown(
            "not a RAVDESS name (seven two-digit numbers joined by -): rename or remove the file"
                .into(),
        );
    };
    if !fields.iter().all(two_digits) {
        return Name::Unknown(
            "not a RAVDESS name (seven two-digit numbers joined by -): rename or remove the file"
                .into(),
        );
    }
    let unknown = |field: &str, code: &str, known: &str| {
        Name::Unknown(format!(
            "{field} {code} is not one of {known}: correct the name"
        ))
    };
    match (modality, channel) {
        ("01" | "02" | "03", "02") => return Name::Song,
        ("01" | "02", "01") => return Name::Film,
        ("03", "01") if VIDEO.contains(&extension(path).as_str()) => return Name::Film,
        ("03", "01") => {}
        ("01" | "02" | "03", _) => return unknown("vocal channel", channel, "01 speech, 02 song"),
        _ => {
            return unknown(
                "modality",
                modality,
                "01 audio-visual, 02 video only, 03 audio only",
            );
        }
    }
    let Some(label) = labels::find(&labels::RAVDESS, emotion) else {
        return unknown("emotion", emotion, &labels::list(&labels::RAVDESS));
    };
    let strength = match (intensity, label.label) {
        ("01", _) => "normal",
        ("02", "neutral") => {
            return Name::Unknown("neutral has no strong intensity (02): correct the name".into());
        }
        ("02", _) => "strong",
        _ => return unknown("intensity", intensity, "01 normal, 02 strong"),
    };
    if !matches!(sentence, "01" | "02") {
        return unknown("sentence", sentence, "01, 02");
    }
    if !matches!(repetition, "01" | "02") {
        return unknown("repetition", repetition, "01, 02");
    }
    let sex = match actor.parse::<u8>() {
        Ok(number @ 1..=ACTORS) if number % 2 == 1 => Sex::Male,
        Ok(1..=ACTORS) => Sex::Female,
        _ => return unknown("actor", actor, "01 to 24"),
    };
    Name::Speech(Box::new(Source {
        emotion: label.label.into(),
        speaker: actor.into(),
        sex: Some(sex),
        text_id: Some(sentence.into()),
        intensity: Some(strength.into()),
        repetition: Some(repetition.into()),
        language: Some("en".into()),
        ..Source::named(stem, path)
    }))
}

/// Whether the file's own folder is called `Actor_NN` with another number than the file's.
fn in_another_actors_folder(path: &str, actor: &str) -> bool {
    let folder = path.rsplit('/').nth(1).unwrap_or("");
    folder
        .strip_prefix("Actor_")
        .is_some_and(|number| number != actor)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::corpus::Counts;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        dir
    }

    fn complete() -> Vec<String> {
        let mut names = Vec::new();
        for actor in 1..=24 {
            for emotion in 1..=8 {
                for intensity in 1..=if emotion == 1 { 1 } else { 2 } {
                    for (sentence, repetition) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
                        names.push(format!(
                            "Actor_{actor:02}/03-01-{emotion:02}-{intensity:02}-{sentence:02}-{repetition:02}-{actor:02}.wav"
                        ));
                    }
                }
            }
        }
        names
    }

    #[test]
    fn a_complete_tree_matches_the_published_counts() {
        let names = complete();
        let dir = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let listing = read(dir.path()).unwrap();
        assert!(Counts::of(&listing.sources).matches(&expected()));
        assert_eq!((listing.set_aside.len(), listing.notes.len()), (0, 0));
        assert!(listing.sources.is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn every_field_of_a_name_is_read() {
        let dir = tree(&["deep/er/03-01-06-02-01-02-14.FLAC"]);
        let listing = read(dir.path()).unwrap();
        let want = Source {
            emotion: "fearful".into(),
            speaker: "14".into(),
            sex: Some(Sex::Female),
            text_id: Some("01".into()),
            intensity: Some("strong".into()),
            repetition: Some("02".into()),
            language: Some("en".into()),
            ..Source::named("03-01-06-02-01-02-14", "deep/er/03-01-06-02-01-02-14.FLAC")
        };
        assert_eq!(listing.sources, [want]);
    }

    #[test]
    fn other_material_copies_and_wrong_codes_are_set_aside() {
        let dir = tree(&[
            "03-01-03-01-01-01-01.wav",
            "03-01-03-01-01-01-01.flac",
            "nested/Actor_01/03-01-03-01-01-01-01.wav",
            "03-02-03-01-01-01-01.wav",
            "01-01-03-01-01-01-01.mp4",
            "02-01-03-01-01-01-01.wav",
            "03-01-09-01-01-01-01.wav",
            "03-01-01-02-01-01-01.wav",
            "03-01-03-01-01-01-25.wav",
            "03-01-03-01-03-01-01.wav",
            "03-01-03-01-01-03-01.wav",
            "03-03-03-01-01-01-01.wav",
            "04-01-03-01-01-01-01.wav",
            "03-01-03-01-01-01-01 (1).wav",
            "voice.wav",
            "Actor_02/03-01-03-01-01-01-03.wav",
        ]);
        let listing = read(dir.path()).unwrap();
        let ids: Vec<_> = listing
            .sources
            .iter()
            .map(|s| (s.id.as_str(), s.path.as_str()))
            .collect();
        assert_eq!(
            ids,
            [
                ("03-01-03-01-01-01-01", "03-01-03-01-01-01-01.flac"),
                ("03-01-03-01-01-01-03", "Actor_02/03-01-03-01-01-01-03.wav")
            ]
        );
        let count = |reason| {
            listing
                .set_aside
                .iter()
                .filter(|s| s.reason == reason)
                .count()
        };
        assert_eq!(
            (
                count(Reason::Duplicate),
                count(Reason::OtherMaterial),
                count(Reason::UnknownCode)
            ),
            (2, 3, 9)
        );
        assert_eq!(listing.notes.len(), 2);
        assert!(listing.notes[0].starts_with("1 song files and 2 audio-visual copies"));
        assert!(listing.set_aside.is_sorted_by(|a, b| a.path <= b.path));
    }

    #[test]
    fn a_missing_root_says_where_to_get_the_corpus() {
        let error = read(Path::new("/nowhere/ravdess")).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Missing);
        assert!(error.to_string().contains("/nowhere/ravdess"));
        assert!(error.hint_text().is_some_and(|h| h.contains("zenodo")));
    }
}
