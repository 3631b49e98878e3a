//! The corpora of EmoBox, read from trees of the names in its lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::cancel::Cancel;
use crate::corpus::propose::{self, words};
use crate::corpus::{Listing, Reason, UNKNOWN_SPEAKER};

/// The lists that `SER_EMOBOX` names: paths, labels and folds of corpora as people unpack them.
fn lists() -> Option<PathBuf> {
    let root = std::env::var_os("SER_EMOBOX").map(PathBuf::from);
    if root.is_none() {
        crate::skipped::skipped("emobox", "SER_EMOBOX names no lists of EmoBox");
    }
    root
}

/// A line of a list.
struct Line {
    path: String,
    label: String,
    test: Option<u32>,
    validation: bool,
}

fn list(root: &Path, name: &str) -> Vec<Line> {
    let file = root.join(format!("{name}.tsv.gz"));
    let out = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", file.display());
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, .., label, test, validation] = cells[..] else {
            panic!("{line}")
        };
        Line {
            path: path.to_owned(),
            label: label.to_owned(),
            test: test.parse().ok(),
            validation: !validation.is_empty(),
        }
    });
    lines.collect()
}

/// The list of each kind, and how many speakers its names tell of; 0 where they tell of none.
const LISTS: [(&str, &str, usize); 29] = [
    ("aesdd", "aesdd", 6),
    ("ased", "ased", 65),
    ("asvp-esd", "asvpesd", 0),
    ("cafe", "cafe", 12),
    ("casia", "casia", 4),
    ("crema-d", "cremad", 91),
    ("emns", "emns", 1),
    ("emov-db", "emovdb", 4),
    ("emovo", "emovo", 6),
    ("emozionalmente", "emozionalmente", 7),
    ("enterface", "enterface", 43),
    ("esd", "esd", 20),
    ("jl-corpus", "jlcorpus", 4),
    ("mead", "mead", 48),
    ("meld", "meld", 7),
    ("mer2023", "mer2023", 0),
    ("mesd", "mesd", 0),
    ("oreau", "oreau", 32),
    ("pavoque", "pavoque", 1),
    ("polish", "polish", 5),
    ("resd", "resd", 0),
    ("savee", "savee", 4),
    ("shemo", "shemo", 87),
    ("subesco", "subesco", 20),
    ("tess", "tess", 2),
    ("turev-db", "turevdb", 6),
    ("urdu", "urdu", 29),
    ("emodb", "emodb", 10),
    ("ravdess", "ravdess", 24),
];

/// The class of a label of the lists.
fn class(label: &str) -> String {
    let other = match label {
        "Anxious" => "anxiety",
        "Enthusiastic" => "enthusiasm",
        "Worried" => "worry",
        "Poker" => "poker face",
        "Contempt" => "contempt",
        "pain, groan" => "pain",
        "disappointment, disapproval" => "disappointment",
        label => words::emotion(label).unwrap_or(label),
    };
    other.to_owned()
}

fn recording(root: &Path, path: &str, sound: &Path) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::hard_link(sound, path).unwrap();
}

/// A tree of the paths of a list, with the tables of labels of its corpus, and rubbish between.
fn tree(kind: &str, lines: &[&Line]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    let mut wav = hound::WavWriter::create(
        &sound,
        hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        },
    )
    .unwrap();
    (0..1_600_i32).for_each(|i| wav.write_sample((i * 997 % 4_001 - 2_000) as i16).unwrap());
    wav.finalize().unwrap();
    let root = dir.path().join("downloaded");
    for line in lines {
        recording(&root, &line.path, &sound);
    }
    write_tables(kind, lines, &root);
    let first = &lines[0].path;
    let (folder, name) = first.rsplit_once('/').unwrap_or((".", first));
    let extension = name.rsplit_once('.').unwrap().1;
    recording(&root, &format!("{folder}/._{name}"), &sound);
    recording(&root, "__MACOSX/x.wav", &sound);
    fs::write(root.join(folder).join(".DS_Store"), "x").unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 130\n";
    fs::write(
        root.join(folder).join(format!("pointer.{extension}")),
        pointer,
    )
    .unwrap();
    recording(
        &root,
        &format!("{folder}/notes of the day.{extension}"),
        &sound,
    );
    for line in lines.iter().take(20) {
        recording(&root, &format!("again/{}", line.path), &sound);
    }
    dir
}

/// Tables of labels in their official columns, with invented speakers.
fn write_tables(kind: &str, lines: &[&Line], root: &Path) {
    let stem = |path: &str| {
        path.rsplit('/')
            .next()
            .unwrap()
            .rsplit_once('.')
            .unwrap()
            .0
            .to_owned()
    };
    let numbered = lines.iter().enumerate();
    let write = |name: &str, header: &str, rows: Vec<String>| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    };
    match kind {
        "emns" => {
            let rows = numbered.map(|(i, line)| {
                let name = stem(&line.path);
                format!("{i}|wavs/{name}.webm|female|{}|30|8", line.label)
            });
            write(
                "metadata.csv",
                "id|audio_recording|gender|emotion|age|level",
                rows.collect(),
            );
        }
        "emozionalmente" => {
            let word = |label: &str| match label {
                "Happy" => "joy".to_owned(),
                "Neutral" => "neutrality".to_owned(),
                other => class(other),
            };
            let rows = numbered.map(|(i, line)| {
                format!(
                    "{}.wav,a{},{},text {}",
                    stem(&line.path),
                    i % 7,
                    word(&line.label),
                    i % 18
                )
            });
            let header = "file_name,actor,emotion_expressed,sentence";
            write("metadata/samples.csv", header, rows.collect());
        }
        "meld" => {
            for (file, folder) in [
                ("train/train_sent_emo.csv", "train_splits"),
                ("dev_sent_emo.csv", "dev_splits_complete"),
                ("test_sent_emo.csv", "output_repeated_splits_test"),
            ] {
                let of = lines
                    .iter()
                    .filter(|line| line.path.contains(folder))
                    .enumerate();
                let rows = of.map(|(i, line)| {
                    let name = stem(&line.path);
                    let (dialogue, utterance) = name
                        .strip_prefix("dia")
                        .unwrap()
                        .split_once("_utt")
                        .unwrap();
                    let emotion = match class(&line.label).as_str() {
                        "happiness" => "joy".to_owned(),
                        other => other.to_owned(),
                    };
                    let speaker = if i % 8 == 7 {
                        "Man".to_owned()
                    } else {
                        format!("R{}", i % 8)
                    };
                    format!(
                        "{i},\"Oh, \u{201c}no\u{201d}\",{speaker},{emotion},{dialogue},{utterance}"
                    )
                });
                let header = "Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID";
                write(file, header, rows.collect());
            }
        }
        "mer2023" => {
            for (file, folder) in [
                ("train-label.csv", "/train/"),
                ("test1-label.csv", "test1/"),
            ] {
                let of = lines.iter().filter(|line| line.path.contains(folder));
                let rows = of
                    .map(|line| format!("{},{},0.1", stem(&line.path), line.label.to_lowercase()));
                write(file, "name,discrete,valence", rows.collect());
            }
        }
        _ => {}
    }
}

fn count(listing: &Listing, reason: Reason) -> usize {
    listing
        .set_aside
        .iter()
        .filter(|one| one.reason == reason)
        .count()
}

/// Reads a tree of the names of each list; says what it found in a line for each.
#[test]
fn the_lists_of_emobox_are_read_as_they_say() {
    let Some(root) = lists() else { return };
    for (kind, name, speakers) in LISTS {
        let all = list(&root, name);
        let lines: Vec<&Line> = all.iter().collect();
        let dir = tree(kind, &lines);
        let folder = dir.path().join("downloaded");
        let corpus = known(kind).unwrap();
        let listing = match kind {
            "emodb" => crate::corpus::emodb::read(&folder, &Default::default()).unwrap(),
            "ravdess" => crate::corpus::ravdess::read(&folder).unwrap(),
            _ => read(&folder, corpus).unwrap(),
        };
        let by_path: BTreeMap<&str, &crate::corpus::Source> = listing
            .sources
            .iter()
            .map(|source| (source.path.as_str(), source))
            .collect();
        let (mut right, mut folds, mut unlabelled) = (0, 0, 0);
        let emobox = corpus.emobox.as_ref().filter(|emobox| emobox.has_list());
        for line in &lines {
            let Some(source) = by_path.get(line.path.as_str()) else {
                assert!(
                    ["UnKnown", "outtakes"].contains(&line.label.as_str())
                        || line.path.contains("outtakes"),
                    "{kind}: {}",
                    line.path
                );
                unlabelled += 1;
                continue;
            };
            let want = class(&line.label);
            assert!(
                source.emotion == want || words::emotion(&source.emotion) == Some(&want),
                "{kind}: {} {}",
                line.path,
                source.emotion
            );
            right += 1;
            if let Some(emobox) = emobox {
                let place = match (line.test, line.validation) {
                    (Some(fold), _) => FoldPlace::Test(fold - 1),
                    (None, true) => FoldPlace::Validation,
                    (None, false) => FoldPlace::Training,
                };
                assert_eq!(emobox.place(source), Some(place), "{kind}: {}", line.path);
                folds += 1;
            }
        }
        let found: BTreeSet<&str> = listing
            .sources
            .iter()
            .map(|source| source.speaker.as_str())
            .filter(|speaker| *speaker != UNKNOWN_SPEAKER)
            .collect();
        assert_eq!(found.len(), speakers, "{kind}: {found:?}");
        // By its labels, its copies, the pointer, the data of macOS and the strange name.
        assert_eq!(listing.sources.len() + unlabelled, lines.len(), "{kind}");
        // Of six files, the rubbish is too much to recognise a corpus.
        if kind != "pavoque" {
            check_proposal(kind, &folder, &listing);
        }
        if corpus.names.is_some() {
            assert_eq!(count(&listing, Reason::BadAudio), 1, "{kind}");
            assert_eq!(
                count(&listing, Reason::Duplicate),
                (lines.len() - unlabelled).min(20),
                "{kind}"
            );
            assert_eq!(count(&listing, Reason::OtherMaterial), 1, "{kind}");
        }
        if let Some(emobox) = emobox {
            let all = listing
                .sources
                .iter()
                .map(|one| (one.id.as_str(), one.speaker.as_str()));
            assert_eq!(emobox.absent(all), Vec::<String>::new(), "{kind}");
            check_speakers(kind, emobox, &listing);
        }
        let told = emobox.map_or("none".to_owned(), |one| {
            format!("{folds} places, {:?}", one.speakers).to_lowercase()
        });
        eprintln!(
            "| {name} | `{kind}` | {} | {right}, {unlabelled} without | {} | {told} | {} |",
            lines.len(),
            found.len(),
            listing.set_aside.len()
        );
    }
}

/// A proposal for the folder, under a name that says nothing, names the corpus and has the labels and
/// speakers of its reader.
fn check_proposal(kind: &str, folder: &Path, listing: &Listing) {
    let proposal = propose::propose(folder, None, &Default::default(), &Cancel::default());
    // AVI is not read: nothing is there to propose anything for.
    if ["enterface", "mer2023"].contains(&kind) {
        let error = proposal.unwrap_err().to_string();
        assert!(error.contains(".avi files not read"), "{kind}: {error}");
        return;
    }
    let proposal = proposal.unwrap();
    let corpus = known(kind).unwrap();
    assert!(
        proposal.evidence[0].contains(&corpus.name),
        "{kind}: {:?}",
        proposal.evidence
    );
    assert_eq!(proposal.kind, corpus.names.as_ref().map(|_| corpus.kind));
    let by_path: BTreeMap<&str, &crate::corpus::Source> = listing
        .sources
        .iter()
        .map(|source| (source.path.as_str(), source))
        .collect();
    assert_eq!(proposal.rows.len(), by_path.len(), "{kind}");
    for row in &proposal.rows {
        let source = by_path[row.path.as_str()];
        let speaker = row.speaker.as_deref().unwrap_or(UNKNOWN_SPEAKER);
        assert_eq!(
            (&*row.emotion, speaker),
            (&*source.emotion, &*source.speaker),
            "{kind}"
        );
    }
}

/// What a description says of the speakers of folds is what the files say.
fn check_speakers(kind: &str, emobox: &EmoBox, listing: &Listing) {
    let mut tested: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for source in &listing.sources {
        if let Some(FoldPlace::Test(fold)) = emobox.place(source) {
            tested.entry(fold).or_default().insert(&source.speaker);
        }
    }
    assert_eq!(tested.len(), emobox.folds as usize, "{kind}");
    let is_shared = tested.iter().any(|(fold, speakers)| {
        listing.sources.iter().any(|source| {
            let place = emobox.place(source);
            let is_trained = place.is_some_and(|place| place != FoldPlace::Test(*fold));
            is_trained && speakers.contains(source.speaker.as_str())
        })
    });
    let is_known = listing
        .sources
        .iter()
        .all(|one| one.speaker != UNKNOWN_SPEAKER);
    match emobox.speakers {
        Speakers::Apart => assert!(is_known && !is_shared, "{kind}"),
        Speakers::Shared => assert!(is_known && is_shared, "{kind}"),
        // Invented speakers of a table say nothing.
        Speakers::Unknown => {}
    }
}

/// Of M3ED the names tell neither emotion nor speaker, and nothing is made of them.
#[test]
fn nothing_is_guessed_of_names_that_tell_nothing() {
    let Some(root) = lists() else { return };
    let lines = list(&root, "m3ed");
    let dir = tree("m3ed", &lines.iter().collect::<Vec<_>>());
    let folder = dir.path().join("downloaded");
    let proposal = propose::propose(&folder, None, &Default::default(), &Cancel::default());
    let error = proposal.unwrap_err().to_string();
    assert!(error.contains("nothing"), "{error}");
    eprintln!("m3ed: {} names: {error}", lines.len());
}
