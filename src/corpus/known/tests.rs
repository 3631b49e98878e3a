use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::cancel::Cancel;
use crate::corpus::propose::{self, words};
use crate::corpus::{Listing, Reason, UNKNOWN_SPEAKER};

/// A few names of each corpus, written out by hand, with the id, the emotion and the speaker that
/// they tell; `-` for an unknown speaker.
const NAMES: &str = "
aesdd | anger/a01 (1).wav | a01 (1) | anger | 1
aesdd | disgust/d03 (5)b.wav | d03 (5)b | disgust | 5
aesdd | disgust/d03 (01).wav | d03 (01) | disgust | 1
ased | 04Sad/S4-03-01-02-64.wav | S4-03-01-02-64 | sadness | 64
asvp-esd | Audio/actor_53/03-01-02-02-01-53-02-02-02.wav | 03-01-02-02-01-53-02-02-02 | neutral | -
banglaser | 03-01-04-02-03-01-34.wav | 03-01-04-02-03-01-34 | surprise | 34
cafe | Col\u{8a}re/Fort/11-C-2-4.wav | 11-C-2-4 | anger | 11
casia | CASIA/wangzhe/neutral/233.wav | wangzhe-neutral-233 | neutral | wangzhe
crema-d | AudioWAV/1091_IEO_HAP_MD.wav | 1091_IEO_HAP_MD | happiness | 1091
emov-db | bea_Sleepy/sleepiness_421-448_0429.wav | bea-sleepiness-0429 | sleepiness | bea
emovo | f1/gio-f1-b1.wav | gio-f1-b1 | happiness | f1
enterface | subject 16/surprise/sentence 3/s16_su_3avi.avi | 16-surprise-3 | surprise | 16
enterface | subject 11/anger/sentence 1/s12_an_1.avi | 11-anger-1 | anger | 11
enterface | subject 6/fear/s6_fe.avi | 6-fear | fear | 6
esd | 0001/Angry/0001_000351.wav | 0001_000351 | anger | 0001
jl-corpus | JL(wav+txt)/female1_anxious_10a_1.wav | female1_anxious_10a_1 | anxiety | female1
mead | W040/audio/happy/level_1/016.m4a | W040-happiness-1-016 | happiness | W040
mesd | Anger_C_A_basta_ya.wav | Anger_C_A_basta_ya | anger | -
nemo | samples/EB0_anger_1.wav | EB0_anger_1 | anger | EB0
oreau | Or\u{301}/f/sessc/10a01Ca.wav | 10a01Ca | anger | 10
pavoque | pavoque-poker.flac | pavoque-poker | poker face | pavoque
polish | m1.s_nie_1.wav | m1.s_nie_1 | fear | m1
ravdess-song | 03-02-05-01-02-01-24.wav | 03-02-05-01-02-01-24 | angry | 24
resd | test/01_happiness_anger/01_happiness_anger a_010.wav | 01_happiness_anger a_010 | anger | -
resd | train/sadness_disgust_12/12_sadness_disgust_d_010.wav | 12_sadness_disgust_d_010 | disgust | -
savee | DC_sa12.wav | DC-sadness-12 | sadness | DC
savee | AudioData/KL/n30.wav | KL-neutral-30 | neutral | KL
shemo | male/M12N09.wav | M12N09 | neutral | M12
subesco | F_02_MONIKA_S_2_SURPRISE_3].wav | F_02-MONIKA-2-surprise-3 | surprise | F_02
tess | OA_bite_neutral.wav | OA_bite_neutral | neutral | OAF
tess | YAF_pleasant_surprised/YAF_back_ps.wav | YAF_back_ps | surprise | YAF
turev-db | Sound Source/Sad/7895_hl_ogul1.wav | 7895_hl_ogul1 | sadness | 7895
urdu | Angry/SM1_F10_A010.wav | SM1_F10_A010 | anger | SM1
";

#[test]
fn names_of_each_corpus_tell_what_their_authors_say() {
    let mut named = BTreeSet::new();
    for line in NAMES.lines().filter(|line| !line.is_empty()) {
        let line = line
            .replace("\\u{8a}", "\u{8a}")
            .replace("\\u{301}", "\u{301}");
        let [kind, path, id, emotion, speaker] =
            line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let source = known(kind)
            .unwrap()
            .parse(path, false)
            .unwrap_or_else(|| panic!("{line}"));
        let unknown = if speaker == "-" {
            UNKNOWN_SPEAKER
        } else {
            speaker
        };
        let found = (
            source.id.as_str(),
            source.emotion.as_str(),
            source.speaker.as_str(),
        );
        assert_eq!(found, (id, emotion, unknown), "{line}");
        named.insert(kind.to_owned());
    }
    for corpus in by_description().filter(|corpus| corpus.tables.is_empty()) {
        assert!(
            named.contains(corpus.kind),
            "{} has no name here",
            corpus.kind
        );
    }
    for (kind, path) in [
        ("crema-d", "1092_DFA_ANG_XX.wav"),
        ("crema-d", "1001_DFA_XXX_XX.wav"),
        ("shemo", "male/M12X09.wav"),
        ("esd", "0001/Angry/0002_000351.wav"),
        ("asvp-esd", "03-01-05-01-02-01-12.wav"),
        ("savee", "AB_a01.wav"),
    ] {
        assert!(known(kind).unwrap().parse(path, false).is_none(), "{path}");
    }
}

#[test]
fn what_else_a_name_tells_is_read() {
    let esd = known("esd").unwrap();
    let (zh, en) = (
        esd.parse("0010/Sad/0010_001052.wav", false).unwrap(),
        esd.parse("0011/Sad/0011_000352.wav", false).unwrap(),
    );
    assert_eq!(
        (zh.text_id.as_deref(), zh.language.as_deref()),
        (Some("zh-2"), Some("zh"))
    );
    assert_eq!(
        (en.text_id.as_deref(), en.language.as_deref()),
        (Some("en-2"), Some("en"))
    );
    let crema = known("crema-d").unwrap();
    let one = crema.parse("1001_IEO_SAD_HI.wav", false).unwrap();
    assert_eq!(
        (one.text_id.as_deref(), one.intensity.as_deref()),
        (Some("IEO"), Some("high"))
    );
    let xx = crema.parse("1001_DFA_SAD_XX.wav", false).unwrap();
    assert_eq!((xx.intensity, xx.sex), (None, None));
    let resd = known("resd").unwrap();
    let part = |path| resd.parse(path, false).unwrap().split;
    assert_eq!(
        part("test/a_b_12/12_a_b_s_010.wav").as_deref(),
        Some("test")
    );
    assert_eq!(part("12_a_b_s_010.wav"), None);
}

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

/// Every n-th line is taken where a list has more than this.
const SAMPLE: usize = 3_000;

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
fn check_lists(sample: usize) {
    let Some(root) = lists() else { return };
    for (kind, name, speakers) in LISTS {
        let all = list(&root, name);
        let step = all.len().div_ceil(sample);
        let lines: Vec<&Line> = all.iter().step_by(step).collect();
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
        if step == 1 || speakers < 50 {
            assert_eq!(found.len(), speakers, "{kind}: {found:?}");
        }
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
        if let Some(emobox) = emobox.filter(|_| step == 1) {
            let all = listing
                .sources
                .iter()
                .map(|one| (one.id.as_str(), one.speaker.as_str()));
            assert_eq!(emobox.absent(all), Vec::<String>::new(), "{kind}");
            check_speakers(kind, emobox, &listing);
        }
        eprintln!(
            "{kind}: {right} of {} labels right, {} speakers, {folds} places in folds, {} excluded",
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

#[test]
fn the_lists_of_emobox_are_read_as_they_say() {
    check_lists(SAMPLE);
}

#[test]
#[ignore = "all 133,653 names: minutes"]
fn the_whole_lists_of_emobox_are_read_as_they_say() {
    check_lists(usize::MAX);
}

#[test]
fn a_generated_corpus_in_each_layout_is_recognised_and_read() {
    for corpus in by_description() {
        let Some(names) = corpus.layout() else {
            assert!(!corpus.tables.is_empty(), "{}", corpus.kind);
            continue;
        };
        let paths: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let read: Vec<_> = paths
            .iter()
            .map(|path| corpus.parse(path, true).unwrap())
            .collect();
        let ids: BTreeSet<&str> = read.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids.len(), names.len(), "{}", corpus.kind);
        let classes: BTreeSet<&str> = read.iter().map(|one| one.emotion.as_str()).collect();
        let published: BTreeSet<&str> = corpus.classes().into_iter().collect();
        assert_eq!(classes, published, "{}", corpus.kind);
        let found = recognise(&paths, None).map(|corpus| corpus.kind);
        let expected = (corpus.kind != "banglaser").then_some(corpus.kind);
        assert_eq!(found, expected, "{}: {paths:?}", corpus.kind);
    }
}

#[test]
fn names_that_only_look_alike_are_of_no_known_corpus() {
    for other in [
        ["1101_DFA_ANG_XX.wav", "1102_DFA_ANG_XX.wav"],
        ["AB_a01.wav", "CD_a01.wav"],
        ["x_back_sad.wav", "y_back_sad.wav"],
        ["1612871026347.wav", "1612871037341.wav"],
        ["anna/wut_01.wav", "bernd/freude_01.wav"],
    ] {
        let found = recognise(&other, None).map(|corpus| corpus.kind);
        assert_eq!(found, None, "{other:?}");
    }
}

#[test]
fn the_page_of_known_corpora_is_current() {
    let page = include_str!("../../../docs/corpora.md");
    let number = |n: usize| {
        if n == 0 {
            "?".to_owned()
        } else {
            n.to_string()
        }
    };
    for corpus in all() {
        let folds = match &corpus.emobox {
            None => "none".to_owned(),
            Some(emobox) if !emobox.has_list() => "not kept".to_owned(),
            Some(emobox) => {
                let speakers = match emobox.speakers {
                    Speakers::Apart => "apart",
                    Speakers::Shared => "shared",
                    Speakers::Unknown => "not known",
                };
                format!("{}, {speakers}", emobox.folds)
            }
        };
        let row = format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {folds} |",
            corpus.kind,
            corpus.name,
            number(corpus.expected.utterances),
            number(corpus.expected.speakers),
            number(corpus.expected.classes.len()),
            corpus.licence.as_deref().unwrap_or("not known"),
            corpus.state.describe()
        );
        assert!(page.contains(&row), "docs/corpora.md lacks {row}");
    }
}
