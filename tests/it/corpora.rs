//! The corpus readers on trees in the layouts that the corpora come in, and on the recordings
//! themselves where `SER_CORPORA` names them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ser::corpus::iemocap::{Agreement, Dialogs, Excitement};
use ser::corpus::{
    Counts, EmodbSettings, IemocapSettings, Listing, Reason, compare, describe, emodb, iemocap,
    ravdess,
};
use ser::error::Kind;

/// One turn as the generator meant it.
struct Truth {
    name: String,
    code: &'static str,
    session: usize,
    speaker: String,
    improvised: bool,
    unanimous: bool,
    text_id: Option<String>,
}

/// A small IEMOCAP in the official layout, in which the facts are decided first and the files
/// written from them.
struct Release {
    dir: tempfile::TempDir,
    turns: Vec<Truth>,
}

const SCENES: [(&str, Option<&str>); 5] = [
    ("impro01", None),
    ("impro05a", None),
    ("impro05b", None),
    ("script01_1", Some("script01_1")),
    ("script01_1b", Some("script01_1")),
];

const CODES: [(&str, &str); 11] = [
    ("ang", "Anger"),
    ("neu", "Neutral"),
    ("exc", "Excited"),
    ("sad", "Sadness"),
    ("hap", "Happiness"),
    ("xxx", ""),
    ("fru", "Frustration"),
    ("oth", "Other"),
    ("dis", "Disgust"),
    ("sur", "Surprise"),
    ("fea", "Fear"),
];

impl Release {
    fn write() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut turns = Vec::new();
        let mut count = 0;
        for session in 1..=5 {
            for (scene, script) in SCENES {
                for marked in ["F", "M"] {
                    let dialog = format!("Ses{session:02}{marked}_{scene}");
                    let mut file =
                        String::from("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n");
                    // Both actors speak in every dialog, whoever wears the markers, and not equally
                    // often.
                    for (field, letter) in [
                        ("F000", "F"),
                        ("M000", "M"),
                        ("M001", "M"),
                        ("F001", "F"),
                        ("M002", "M"),
                        ("MXX0", "M"),
                    ] {
                        let (code, word) = CODES[count % CODES.len()];
                        let kind = count % 4;
                        count += 1;
                        let name = format!("{dialog}_{field}");
                        writeln!(file, "[{count}.2901 - {count}.9357]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]").unwrap();
                        file.push_str(&raters(kind, word));
                        turns.push(Truth {
                            code,
                            session,
                            speaker: format!("Ses{session:02}{letter}"),
                            improvised: script.is_none(),
                            unanimous: kind == 0 && code != "xxx",
                            text_id: script.map(|script| format!("{script}_{field}")),
                            name,
                        });
                    }
                    let labels = dir
                        .path()
                        .join(format!("Session{session}/dialog/EmoEvaluation"));
                    write_file(
                        &labels.join(format!("{dialog}.txt")),
                        &latin1(&file, marked == "M"),
                    );
                    // Single raters' files say something else, under names that look like the real
                    // ones.
                    write_file(
                        &labels.join(format!("Categorical/{dialog}_e2_cat.txt")),
                        format!("{dialog}_F000 :Anger; ()\n").as_bytes(),
                    );
                    let contradiction = format!("[0.0 - 1.0]\t{dialog}_F000\tfea\t[1, 1, 1]\n");
                    write_file(
                        &labels.join(format!("Self-evaluation/{dialog}.txt")),
                        contradiction.as_bytes(),
                    );
                    write_file(&labels.join(format!("._{dialog}.txt")), b"\0\x05\x16\x07");
                }
            }
        }
        let release = Release { dir, turns };
        for turn in &release.turns {
            write_file(&release.recording(&turn.name), b"");
        }
        release
    }

    fn recording(&self, name: &str) -> PathBuf {
        let (dialog, _) = name.rsplit_once('_').unwrap();
        self.dir.path().join(format!(
            "Session{}/sentences/wav/{dialog}/{name}.wav",
            &name[4..5]
        ))
    }

    fn read(&self, settings: &IemocapSettings) -> Listing {
        iemocap::read(self.dir.path(), settings).unwrap()
    }

    /// Utterances by class as the tree's own labels have them.
    fn classes(
        &self,
        excitement: Excitement,
        wanted: impl Fn(&Truth) -> bool,
    ) -> BTreeMap<String, usize> {
        let mut classes = BTreeMap::new();
        for turn in self.turns.iter().filter(|t| wanted(t)) {
            let class = match (turn.code, excitement) {
                ("ang", _) => "anger",
                ("neu", _) => "neutral",
                ("sad", _) => "sadness",
                ("hap", _) | ("exc", Excitement::Merge) => "happiness",
                _ => continue,
            };
            *classes.entry(class.to_owned()).or_default() += 1;
        }
        classes
    }
}

/// The lines under a turn: 0 all agree (the actor differs), 1 one rater names two, 2 one differs, 3
/// no categories at all.
fn raters(kind: usize, word: &str) -> String {
    let (second, third) = match kind {
        0 => (format!("{word};"), format!("{word};")),
        1 => (format!("{word}; Other;"), format!("{word};")),
        2 => (format!("{word};"), "Fear; ".to_owned() + "Surprise;"),
        _ => return "A-E3:\tval 3; act 2; dom  2;\t()\n\n".into(),
    };
    format!(
        "C-E2:\t{word};\t()\nC-E3:\t{second}\t(d\u{e9}j\u{e0} vu)\nC-E4:\t{third}\t()\nC-F1:\tSurprise;\t(curious)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    )
}

/// The bytes of a text whose characters are all below 256, with Windows line ends where asked.
fn latin1(text: &str, windows: bool) -> Vec<u8> {
    let text = if windows {
        text.replace('\n', "\r\n")
    } else {
        text.to_owned()
    };
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

fn write_file(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn count(listing: &Listing, reason: Reason) -> usize {
    listing
        .set_aside
        .iter()
        .filter(|s| s.reason == reason)
        .count()
}

#[test]
fn iemocap_speakers_and_texts_are_those_of_the_turn() {
    let release = Release::write();
    let listing = release.read(&IemocapSettings::default());
    let by_id: BTreeMap<&str, _> = listing.sources.iter().map(|s| (s.id.as_str(), s)).collect();
    assert!(!by_id.is_empty() && by_id.len() == listing.sources.len());
    for turn in &release.turns {
        let Some(source) = by_id.get(turn.name.as_str()) else {
            continue;
        };
        assert_eq!(source.speaker, turn.speaker, "{}", turn.name);
        assert_eq!(
            source.sex.map(|s| s.as_str()),
            Some(if turn.speaker.ends_with('F') {
                "female"
            } else {
                "male"
            })
        );
        assert_eq!(source.session, Some(format!("Session{}", turn.session)));
        assert_eq!(source.text_id, turn.text_id);
        assert_eq!(
            listing_path(&release, &source.path),
            release.recording(&turn.name)
        );
    }
    // Half of the turns are not of the actor that the dialog's name has.
    assert!(
        listing
            .sources
            .iter()
            .filter(|s| s.id[5..6] != s.speaker[5..6])
            .count()
            > listing.sources.len() / 3
    );
    assert_eq!(Counts::of(&listing.sources).by_speaker.len(), 10);
    // The same play in another session, with other markers and in another take is the same text.
    let sessions: BTreeSet<_> = listing
        .sources
        .iter()
        .filter(|s| s.text_id.as_deref() == Some("script01_1_M000"))
        .map(|s| &s.session)
        .collect();
    assert!(sessions.len() > 1);
}

fn listing_path(release: &Release, path: &str) -> PathBuf {
    release.dir.path().join(path)
}

#[test]
fn iemocap_subsets_hold_what_their_labels_say() {
    let release = Release::write();
    for excitement in [Excitement::Merge, Excitement::Drop] {
        for dialogs in [Dialogs::All, Dialogs::Improvised, Dialogs::Scripted] {
            for agreement in [Agreement::Majority, Agreement::Full] {
                let settings = IemocapSettings {
                    excitement,
                    dialogs,
                    agreement,
                    ..IemocapSettings::default()
                };
                let listing = release.read(&settings);
                let wanted = |t: &Truth| {
                    (agreement == Agreement::Majority || t.unanimous)
                        && match dialogs {
                            Dialogs::All => true,
                            Dialogs::Improvised => t.improvised,
                            Dialogs::Scripted => !t.improvised,
                        }
                };
                let classes = release.classes(excitement, wanted);
                assert_eq!(classes.len(), 4);
                assert_eq!(
                    Counts::of(&listing.sources).by_class,
                    classes,
                    "{settings:?}"
                );
                assert_eq!(
                    listing.sources.len() + listing.set_aside.len(),
                    release.turns.len()
                );
                let reasons: BTreeSet<Reason> =
                    listing.set_aside.iter().map(|s| s.reason).collect();
                assert!(
                    reasons.is_subset(&BTreeSet::from([Reason::ClassNotUsed, Reason::NotInSubset])),
                    "{reasons:?}"
                );
            }
        }
    }
}

#[test]
fn iemocap_published_counts_stand_beside_the_found_ones() {
    let listing = Release::write().read(&IemocapSettings::default());
    let lines = describe(&listing).join("\n");
    assert!(
        lines.contains("of 5531 utterances (IEMOCAP, all dialogs)"),
        "{lines}"
    );
    assert!(
        lines.contains("the label files hold 300 of 10039 turns: ang 28 of 1103"),
        "{lines}"
    );
    assert!(lines.contains("of 1085, Session2"), "{lines}");
    let full = IemocapSettings {
        agreement: Agreement::Full,
        ..IemocapSettings::default()
    };
    assert_eq!(Release::write().read(&full).expected, None);
}

#[test]
fn iemocap_losses_are_loud() {
    let release = Release::write();
    let before = release.read(&IemocapSettings::default());
    let used = |name: &str| before.sources.iter().any(|s| s.id == name);
    let labels = |dialog: &str| {
        release.dir.path().join(format!(
            "Session{}/dialog/EmoEvaluation/{dialog}.txt",
            &dialog[4..5]
        ))
    };

    // One recording of a used turn, one label file, a folder of recordings, a recording more than
    // labels, lines that cannot be read.
    let gone = release
        .turns
        .iter()
        .find(|t| t.session == 1 && used(&t.name))
        .unwrap();
    fs::remove_file(release.recording(&gone.name)).unwrap();
    fs::remove_file(labels("Ses02M_impro05a")).unwrap();
    fs::remove_dir_all(
        release
            .dir
            .path()
            .join("Session3/sentences/wav/Ses03F_script01_1b"),
    )
    .unwrap();
    write_file(&release.recording("Ses04F_impro01_F999"), b"");
    let broken = labels("Ses05F_impro01");
    let mut text = fs::read(&broken).unwrap();
    text.extend_from_slice(b"[1 - 2] Ses05F_impro01_F100 ang [1, 1, 1]\n[1 - 2]\tSes05M_impro01_F100\tang\t[1, 1, 1]\n");
    text.extend_from_slice(b"[1 - 2]\tSes05F_impro01_F000\tang\t[1, 1, 1]\n[1 - 2]\tSes05F_impro01_F101\tqqq\t[1, 1, 1]\n");
    fs::write(&broken, text).unwrap();

    let after = release.read(&IemocapSettings::default());
    let in_dialog = |dialog: &str| {
        before
            .sources
            .iter()
            .filter(|s| s.id.starts_with(&format!("{dialog}_")))
            .count()
    };
    let (unlabelled, unrecorded) = (
        in_dialog("Ses02M_impro05a"),
        in_dialog("Ses03F_script01_1b"),
    );
    assert!(unlabelled > 0 && unrecorded > 0);
    assert_eq!(
        after.sources.len(),
        before.sources.len() - 1 - unlabelled - unrecorded
    );
    assert_eq!(count(&after, Reason::MissingAudio), 1 + unrecorded);
    assert_eq!(count(&after, Reason::MissingLabel), 6 + 1);
    assert_eq!(count(&after, Reason::BadRow), 2);
    assert_eq!(count(&after, Reason::Duplicate), 1);
    assert_eq!(count(&after, Reason::UnknownCode), 1);
    let notes = after.notes.join("\n");
    assert!(
        notes.contains("Ses02M_impro05a.txt is not there or labels nothing: 6 recordings"),
        "{notes}"
    );
    assert!(
        notes.contains("Session3/sentences/wav/Ses03F_script01_1b holds no recording"),
        "{notes}"
    );
    assert!(
        after
            .set_aside
            .iter()
            .all(|s| !s.detail.is_empty() && !s.path.is_empty())
    );

    // A label file that is there but cut off after its header is as lost as one that is not.
    fs::write(
        labels("Ses01F_impro01"),
        b"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n",
    )
    .unwrap();
    fs::remove_dir_all(release.dir.path().join("Session5")).unwrap();
    let notes = release.read(&IemocapSettings::default()).notes.join("\n");
    assert!(
        notes.contains("Ses01F_impro01.txt is not there or labels nothing"),
        "{notes}"
    );
    assert!(notes.contains("Session5 is not there"), "{notes}");
}

#[test]
fn iemocap_roots_that_are_wrong_say_where_the_sessions_are() {
    let release = Release::write();
    let parent = tempfile::tempdir().unwrap();
    let error = iemocap::read(parent.path(), &IemocapSettings::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing);
    let inside = parent.path().join("IEMOCAP_full_release");
    fs::create_dir(&inside).unwrap();
    fs::rename(release.dir.path().join("Session1"), inside.join("Session1")).unwrap();
    let error = iemocap::read(parent.path(), &IemocapSettings::default()).unwrap_err();
    assert!(
        error.hint_text().unwrap().ends_with("IEMOCAP_full_release"),
        "{error:?}"
    );
    assert_eq!(
        iemocap::read(&parent.path().join("no"), &IemocapSettings::default())
            .unwrap_err()
            .kind(),
        Kind::Missing
    );
}

pub fn recordings(corpus: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SER_CORPORA")
        .map(|folder| PathBuf::from(folder).join(corpus))
        .filter(|root| root.is_dir());
    if root.is_none() {
        crate::skipped::skipped("corpora", "SER_CORPORA names no recorded corpora");
    }
    root
}

#[test]
fn recorded_ravdess_is_complete() {
    let Some(root) = recordings("ravdess") else {
        return;
    };
    let listing = ravdess::read(&root).unwrap();
    let counts = Counts::of(&listing.sources);
    assert_eq!(
        (
            counts.utterances,
            counts.by_speaker.len(),
            counts.by_class.len()
        ),
        (1440, 24, 8)
    );
    assert!(counts.matches(listing.expected.as_ref().unwrap()));
    assert!(listing.set_aside.is_empty() && listing.notes.is_empty());
}

#[test]
fn recorded_emodb_is_counted_against_the_published_set() {
    let Some(root) = recordings("emodb") else {
        return;
    };
    let listing = emodb::read(&root, &EmodbSettings::default()).unwrap();
    let lines = compare(&Counts::of(&listing.sources), listing.expected.as_ref());
    assert_eq!(
        lines[0],
        "found 535 of 535 utterances (Burkhardt et al. 2005): anger 127 of 127, boredom 81 of 81, disgust 46 of 46, fear 69 of 69, \
         happiness 71 of 71, neutral 79 of 79, sadness 62 of 62"
    );
    assert!(
        lines[1].starts_with("speakers: 10 of 10 (03 49, 08 58,"),
        "{}",
        lines[1]
    );
    assert!(listing.set_aside.is_empty());
}

#[test]
fn recorded_emodb_2s_has_every_utterance() {
    let Some(root) = recordings("emodb-2s") else {
        return;
    };
    let listing = emodb::read(&root, &EmodbSettings::default()).unwrap();
    assert!(Counts::of(&listing.sources).matches(listing.expected.as_ref().unwrap()));
    assert_eq!((listing.sources.len(), listing.set_aside.len()), (535, 0));
}
