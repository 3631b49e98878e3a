//! EMO-DB, the Berlin Database of Emotional Speech: `wav/03a01Fa.wav` (Burkhardt et al. 2005).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::labels;
use super::listing::{Expected, Listing, Reason, SetAside};
use super::same_name::{Settled, settle};
use super::utterance::{Sex, Source};
use super::walk::{AUDIO, check_root, stem, walk};
use crate::error::Result;

const HINT: &str = "unpack download.zip (http://emodb.bilderbar.info) there, or set the corpus root to where its wav folder lies";

/// Size and SHA-256 of the 535 files of the first release, one a line: name, bytes, sha256.
pub const ORIGINAL_FILES: &str = super::originals::EMODB;

static ORIGINALS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let names = ORIGINAL_FILES
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next());
    names.map(stem).collect()
});

/// The names of the files of the first release, without their endings.
pub(super) fn first_release() -> impl Iterator<Item = &'static str> {
    ORIGINALS.iter().copied()
}

const FEMALE: [&str; 5] = ["08", "09", "13", "14", "16"];
const MALE: [&str; 5] = ["03", "10", "11", "12", "15"];

/// Which recordings of EMO-DB are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmodbSettings {
    /// Also the clips that EmoDB 2.0 adds, most of which listeners recognised too rarely for the
    /// first release. Published results are on the 535 files without them.
    pub all_clips: bool,
}

/// Reads an EMO-DB folder: the one that holds `wav/`, the `wav` folder itself, or one that holds
/// either deeper down.
///
/// Names are read without regard to case and ids are given in the corpus's own case. Of several
/// files with one name one is kept: that in `wav` or the root itself, nearest to the root. A file
/// with the same bytes is a copy; where a folder holds other contents under the same names
/// (laryngograms, noise), nothing of it is used.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where there is no such folder, `Data` where it is a file, `Io`
/// where it cannot be read.
pub fn read(root: &Path, settings: &EmodbSettings) -> Result<Listing> {
    check_root(root, "EMO-DB", HINT)?;
    let tree = walk(root, "", AUDIO)?;
    let mut found = Vec::new();
    let mut set_aside = tree.set_aside;
    for path in tree.files {
        let (reason, detail) = match parse(&path) {
            Err(why) => (Reason::UnknownCode, why),
            Ok(source) if !settings.all_clips && !ORIGINALS.contains(source.id.as_str()) => (
                Reason::NotInSubset,
                "not among the 535 files of the first release: set all_clips = true to use it"
                    .into(),
            ),
            Ok(source) => {
                found.push(source);
                continue;
            }
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
        folder.is_empty() || folder.rsplit('/').next() == Some("wav")
    });
    set_aside.extend(others);
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    let sources: Vec<Source> = sources.into_values().collect();
    let notes = mixed_folders(&sources).into_iter().collect();
    Ok(Listing {
        corpus: "emodb".into(),
        sources,
        set_aside,
        expected: Some(expected(settings)),
        warnings,
        notes,
        generated: false,
    })
}

/// Whether a file has a name of the corpus.
pub(super) fn is_name(path: &str) -> bool {
    parse(path).is_ok()
}

/// Whether most of the sentences are those of the corpus: other corpora may name files in the same
/// form.
pub(super) fn is_likely(sources: &[Source]) -> bool {
    const SENTENCES: [&str; 10] = [
        "a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10",
    ];
    let known = |source: &&Source| {
        source
            .text_id
            .as_deref()
            .is_some_and(|text| SENTENCES.contains(&text))
    };
    sources.iter().filter(known).count() * 10 >= sources.len() * 9
}

/// The published counts of what `settings` ask for. EmoDB 2.0 comes without class counts here.
pub fn expected(settings: &EmodbSettings) -> Expected {
    if settings.all_clips {
        return Expected {
            source: "EmoDB 2.0, all clips".into(),
            utterances: 816,
            speakers: 10,
            classes: BTreeMap::new(),
        };
    }
    let classes = labels::EMODB
        .iter()
        .map(|c| (c.label.to_owned(), c.count))
        .collect();
    Expected {
        source: "Burkhardt et al. 2005".into(),
        utterances: 535,
        speakers: 10,
        classes,
    }
}

/// The original corpus is one folder; two folders may be two treatments of the same recordings,
/// which a model can tell apart by sound.
fn mixed_folders(sources: &[Source]) -> Option<String> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources {
        *folders
            .entry(
                source
                    .path
                    .rsplit_once('/')
                    .map_or(".", |(folder, _)| folder),
            )
            .or_default() += 1;
    }
    let list = folders
        .iter()
        .map(|(folder, count)| format!("{folder} {count}"))
        .collect::<Vec<_>>()
        .join(", ");
    (folders.len() > 1).then(|| {
        format!("the recordings come from {} folders ({list}): make sure that these are not differently treated copies", folders.len())
    })
}

fn parse(path: &str) -> Result<Source, String> {
    let stem = stem(path);
    let form = || {
        "not an EMO-DB name (speaker, sentence, emotion letter, version: 03a01Fa): rename or remove the file".to_owned()
    };
    let &[s1, s2, text, t1, t2, emotion, version] = stem.as_bytes() else {
        return Err(form());
    };
    if ![s1, s2, t1, t2].iter().all(u8::is_ascii_digit)
        || ![text, emotion, version].iter().all(u8::is_ascii_alphabetic)
    {
        return Err(form());
    }
    let text_id = stem[2..5].to_ascii_lowercase();
    let letter = stem[5..6].to_ascii_uppercase();
    let repetition = stem[6..].to_ascii_lowercase();
    let speaker = &stem[..2];
    let sex = match speaker {
        s if FEMALE.contains(&s) => Sex::Female,
        s if MALE.contains(&s) => Sex::Male,
        _ => {
            return Err(format!(
                "speaker {speaker} is not one of 03, 08 to 16: correct the name"
            ));
        }
    };
    let Some(label) = labels::find(&labels::EMODB, &letter) else {
        return Err(format!(
            "emotion {letter} is not one of {}: correct the name",
            labels::list(&labels::EMODB)
        ));
    };
    Ok(Source {
        emotion: label.label.into(),
        speaker: speaker.into(),
        sex: Some(sex),
        text_id: Some(text_id.clone()),
        repetition: Some(repetition.clone()),
        language: Some("de".into()),
        ..Source::named(format!("{speaker}{text_id}{letter}{repetition}"), path)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::corpus::{Counts, compare};

    fn tree<S: AsRef<str>>(names: &[S]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name.as_ref());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        dir
    }

    #[test]
    fn the_list_of_originals_has_the_published_counts() {
        assert_eq!(ORIGINALS.len(), 535);
        assert_eq!(ORIGINAL_FILES.lines().next(), Some("name\tbytes\tsha256"));
        let names: Vec<String> = ORIGINALS
            .iter()
            .map(|name| format!("wav/{name}.wav"))
            .collect();
        let dir = tree(&names);
        for root in [dir.path().to_owned(), dir.path().join("wav")] {
            let listing = read(&root, &EmodbSettings::default()).unwrap();
            let counts = Counts::of(&listing.sources);
            assert!(
                counts.matches(&expected(&EmodbSettings::default())),
                "{counts:?}"
            );
            assert_eq!((counts.by_speaker["03"], counts.by_speaker["16"]), (49, 71));
            assert!(listing.set_aside.is_empty() && listing.notes.is_empty());
        }
    }

    #[test]
    fn every_field_of_a_name_is_read_whatever_its_case() {
        let dir = tree(&["03a01Fa.wav", "16B10WB.WAV"]);
        let listing = read(dir.path(), &EmodbSettings::default()).unwrap();
        let want = Source {
            emotion: "anger".into(),
            speaker: "16".into(),
            sex: Some(Sex::Female),
            text_id: Some("b10".into()),
            repetition: Some("b".into()),
            language: Some("de".into()),
            ..Source::named("16b10Wb", "16B10WB.WAV")
        };
        assert_eq!(listing.sources[1], want);
        assert_eq!(
            (listing.sources[0].emotion.as_str(), listing.sources[0].sex),
            ("happiness", Some(Sex::Male))
        );
    }

    #[test]
    fn clips_beyond_the_first_release_are_taken_only_on_request() {
        let dir = tree(&["wav/03a01Fa.wav", "wav/03a01Fz.wav"]);
        let listing = read(dir.path(), &EmodbSettings::default()).unwrap();
        assert_eq!(listing.sources.len(), 1);
        assert_eq!(
            (
                listing.set_aside[0].path.as_str(),
                listing.set_aside[0].reason
            ),
            ("wav/03a01Fz.wav", Reason::NotInSubset)
        );
        let all = EmodbSettings { all_clips: true };
        let listing = read(dir.path(), &all).unwrap();
        assert_eq!(listing.sources.len(), 2);
        let lines = compare(&Counts::of(&listing.sources), listing.expected.as_ref());
        assert_eq!(
            lines[0],
            "found 2 of 816 utterances (EmoDB 2.0, all clips): happiness 2"
        );
    }

    #[test]
    fn wrong_names_copies_and_mixed_folders_are_told() {
        let dir = tree(&[
            "wav/03a01Fa.wav",
            "old/wav/03a01Fa.wav",
            "old/wav/03a01Nc.wav",
            "wav/99a01Fa.wav",
            "wav/03a01Xa.wav",
            "wav/é3a01a.wav",
            "wav/x.wav",
        ]);
        let listing = read(dir.path(), &EmodbSettings::default()).unwrap();
        assert_eq!(
            listing
                .sources
                .iter()
                .map(|s| s.path.as_str())
                .collect::<Vec<_>>(),
            ["wav/03a01Fa.wav", "old/wav/03a01Nc.wav"]
        );
        let count = |reason| {
            listing
                .set_aside
                .iter()
                .filter(|s| s.reason == reason)
                .count()
        };
        assert_eq!(
            (count(Reason::Duplicate), count(Reason::UnknownCode)),
            (1, 4)
        );
        assert!(listing.notes[0].contains("2 folders (old/wav 1, wav 1)"));
    }

    #[test]
    fn a_missing_root_says_where_to_get_the_corpus() {
        let error = read(Path::new("/nowhere/emodb"), &EmodbSettings::default()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Missing);
    }
}
