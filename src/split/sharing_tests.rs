//! Tests of what train and test share, and of what is said of it.

use super::assign::keeps_speakers_apart;
use super::sharing::{Stretch, are_cut};
use super::{
    Fold, Item, Requirement, Role, Sharing, TestSpeakers, near_shared, on_both_sides, repeated,
    respelt_speakers, sharing,
};
use crate::corpus::{Attribute, UNKNOWN_SPEAKER};

fn item<'a>((id, speaker): (&'a str, &'a str)) -> Item<'a> {
    Item {
        id,
        label: "x",
        speaker,
        session: None,
        text: None,
        declared: None,
    }
}

/// The only fold, by the words of roles; `-` takes no part.
fn fold(roles: &str) -> Fold {
    Fold {
        index: 0,
        name: "fold 1".into(),
        roles: roles.split(' ').map(Role::parse).collect(),
    }
}

fn cut(path: &str, start: f64, end: f64) -> Stretch<'_> {
    Stretch { path, start, end }
}

/// The verdict where nothing is guessed and no copies have different speakers.
fn verdict(folds: &[Sharing]) -> Vec<String> {
    super::verdict(folds, TestSpeakers::of(folds, false, 0), &[])
}

#[test]
fn speakers_that_nobody_knows_are_never_unseen() {
    let items = [("a", "1"), ("b", UNKNOWN_SPEAKER), ("c", "2")].map(item);
    let fold = fold("test train train");
    assert!(!keeps_speakers_apart(std::slice::from_ref(&fold), &items));
    let paths = ["a", "b", "c"].map(|path| cut(path, 0.0, f64::INFINITY));
    let stretches = are_cut(&paths).then_some(&paths[..]);
    let counts = sharing(&items, &fold, &[None; 3], &["h"; 3], stretches);
    assert_eq!(
        (counts.train_without_speaker, counts.shared_recordings),
        (1, None)
    );
    assert_eq!(
        verdict(&[counts])[0],
        "not all speakers known: no named test speaker is trained on in the only fold; of 0 tested and 1 trained utterances, over all folds, the \
         speaker is not known"
    );
}

#[test]
fn what_train_and_test_share_is_counted() {
    let items = [("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"), ("e", "3")].map(item);
    let mixed = fold("train test validation test -");
    let texts = [Some("kids"), Some("kids"), Some("dogs"), None, None];
    let whole = ["a", "b", "c", "d", "e"].map(|path| cut(path, 0.0, f64::INFINITY));
    let counts = sharing(
        &items,
        &mixed,
        &texts,
        &["h1", "h1", "h2", "h2", "h3"],
        None,
    );
    assert_eq!(
        (
            counts.test_utterances,
            counts.test_speakers,
            counts.shared_speakers
        ),
        (2, 2, 1)
    );
    assert_eq!(
        (
            counts.test_texts,
            counts.shared_texts,
            counts.test_without_text,
            counts.shared_duplicates
        ),
        (1, 1, 1, 2)
    );
    assert_eq!(
        (
            counts.test_sessions,
            counts.test_without_session,
            counts.train_without_text
        ),
        (0, 2, 0)
    );
    assert!(!keeps_speakers_apart(&[mixed], &items));
    assert_eq!(
        verdict(&[counts]),
        [
            "speaker-dependent: 1 of 2 test speakers are also trained on in the only fold",
            "sentences: 1 of 1 test sentences are also trained on in the only fold; of 1 tested utterances none is named",
            "duplicates: 2 tested utterances in the only fold are the very same sound as one that is trained on",
        ]
    );

    // The undeclared `e` shares speaker 3 but takes no part.
    let apart = fold("train train validation test -");
    let counts = sharing(
        &items,
        &apart,
        &[None; 5],
        &["h1", "h2", "h3", "h4", "h4"],
        are_cut(&whole).then_some(&whole[..]),
    );
    assert!(keeps_speakers_apart(&[apart], &items));
    assert_eq!(
        verdict(&[counts, counts]),
        [
            "speaker-independent: no test speaker is trained on in any of 2 folds",
            "sentences: the corpus names none, so that it is not known whether they are shared",
            "duplicates: none over 2 folds: no tested utterance is the very same sound as one that is trained on",
        ]
    );
    assert!(verdict(&[]).is_empty());
}

#[test]
fn parts_of_one_recording_and_their_overlaps_are_counted() {
    let items = ["a", "b", "c", "d", "e", "f"].map(|id| item((id, id)));
    // Trained: all of 1 but its last second, and a second of 2. `d` lies within a long stretch that
    // another begins after.
    let stretches = [
        cut("1", 0.0, 9.0),
        cut("1", 3.0, 4.0),
        cut("2", 5.0, 6.0),
        cut("1", 8.0, 10.0),
        // Touches the second that is trained on, but for rounding.
        cut("2", 6.0 - 1e-9, f64::INFINITY),
        cut("3", 0.0, f64::INFINITY),
    ];
    let fold = fold("train train train test test test");
    let counts = sharing(&items, &fold, &[None; 6], &["h"; 6], Some(&stretches));
    assert_eq!(
        (counts.shared_recordings, counts.shared_overlaps),
        (Some(2), Some(1))
    );
    let lines = verdict(&[counts]);
    let said = |line: &str| lines.iter().any(|one| one == line);
    assert!(
        said(
            "recordings: 2 tested utterances in the only fold are cut from the recording of another that is trained on"
        ) && said(
            "overlaps: 1 tested utterance in the only fold is in overlap with one that is trained on"
        ),
        "{lines:?}"
    );
}

#[test]
fn a_guess_is_never_confirmed_and_what_the_audit_finds_wins() {
    let apart = Sharing {
        test_utterances: 4,
        test_speakers: 2,
        ..Sharing::default()
    };
    let shared = Sharing {
        shared_speakers: 1,
        ..apart
    };
    let copied = Sharing {
        both_sides: 339,
        ..apart
    };
    let partly = Sharing {
        train_without_speaker: 3,
        ..apart
    };
    let respelt = Sharing {
        respelt_speakers: 2,
        ..apart
    };
    let nobody = Sharing {
        test_speakers: 0,
        test_without_speaker: 4,
        ..apart
    };
    let said = |fold: Sharing, guessed: bool, pairs: usize| {
        let found = TestSpeakers::of(&[fold, fold], guessed, pairs);
        let lines = super::verdict(&[fold, fold], found, &[Attribute::Text]);
        (found.independence().name(), lines[0].clone())
    };
    let cases = [
        (
            apart,
            false,
            0,
            "yes",
            "speaker-independent: no test speaker is trained on in any of 2 folds",
        ),
        (
            shared,
            false,
            0,
            "no",
            "speaker-dependent: 1 of 2 test speakers are also trained on in each of 2 folds",
        ),
        (
            shared,
            false,
            7,
            "no",
            "speaker-dependent: 1 of 2 test speakers are also trained on in each of 2 folds",
        ),
        (
            copied,
            false,
            7,
            "no",
            "not speaker-independent: 678 recordings are on both sides; by name, no test speaker is trained on in any of 2 folds",
        ),
        (
            copied,
            true,
            7,
            "no",
            "not speaker-independent: 678 recordings are on both sides; by name, no test speaker is trained on in any of 2 folds",
        ),
        (
            apart,
            true,
            0,
            "unknown",
            "speakers guessed from file and folder names: not confirmed; disjoint in the guessed field: no test value is trained on in any of 2 folds",
        ),
        (
            shared,
            true,
            0,
            "unknown",
            "speakers guessed from file and folder names: not confirmed; shared in the guessed field: 1 of 2 test values are also trained on in each of \
             2 folds",
        ),
        (
            apart,
            false,
            1,
            "unknown",
            "speakers in doubt: 1 pair of copies has different speakers; by name, no test speaker is trained on in any of 2 folds",
        ),
        (
            respelt,
            false,
            1,
            "unknown",
            "speakers in doubt: 1 pair of copies has different speakers, and 4 test speakers, counted in each fold, are trained on under other spellings; by name, \
             no test speaker is trained on in any of 2 folds",
        ),
        (
            partly,
            false,
            0,
            "unknown",
            "not all speakers known: no named test speaker is trained on in any of 2 folds; of 0 tested and 6 trained utterances, over all \
             folds, the speaker is not known",
        ),
        (
            nobody,
            true,
            0,
            "unknown",
            "speakers are not known: whether test speakers are also trained on cannot be told, and has to be assumed",
        ),
    ];
    for (fold, guessed, pairs, independence, line) in cases {
        assert_eq!(said(fold, guessed, pairs), (independence, line.to_owned()));
    }
    assert_eq!(TestSpeakers::of(&[], false, 0), TestSpeakers::Unknown);
    let texts = super::verdict(
        &[Sharing {
            test_texts: 1,
            ..apart
        }],
        TestSpeakers::Unseen,
        &[Attribute::Text],
    );
    assert_eq!(
        texts[1],
        "sentences (guessed from file and folder names, not confirmed): no test sentence is trained on in the only fold"
    );
}

#[test]
fn a_speaker_under_another_spelling_of_the_name_is_not_unseen() {
    // The first is trained on under another spelling, the second by name too, the third not at all.
    let fold = fold("test test test train validation train train test");
    let speakers = [
        "VP03", "S1", "VP30", "vp 003", "s_01", "S1", "unknown", "Unknown",
    ];
    let respelt = respelt_speakers(&fold, &speakers);
    assert_eq!(respelt, 1);
    let sharing = Sharing {
        test_speakers: 1,
        respelt_speakers: respelt,
        ..Sharing::default()
    };
    let found = TestSpeakers::of(&[sharing], false, 0);
    assert_eq!(
        found.phrase(),
        "speakers in doubt: 1 test speaker is trained on under another spelling"
    );
    let unmet = Requirement::SpeakerDisjoint.unmet(&[sharing]).unwrap();
    assert_eq!(
        unmet.what,
        "the names of 1 of 1 test speakers differ from names that are trained on in their spelling alone"
    );
    let apart = Sharing {
        respelt_speakers: 0,
        ..sharing
    };
    assert_eq!(Requirement::SpeakerDisjoint.unmet(&[apart]), None);
}

#[test]
fn a_statement_is_read_back_and_older_reports_have_true_or_false() {
    let all = [
        TestSpeakers::Unseen,
        TestSpeakers::OnBothSides { recordings: 3 },
        TestSpeakers::Guessed { disjoint: true },
        TestSpeakers::Guessed { disjoint: false },
        TestSpeakers::InDoubt {
            pairs: 2,
            respelt: 0,
        },
        TestSpeakers::InDoubt {
            pairs: 0,
            respelt: 5,
        },
        TestSpeakers::Shared,
        TestSpeakers::PartlyKnown,
        TestSpeakers::Unknown,
    ];
    for one in all {
        let json = serde_json::to_value(one).unwrap();
        assert_eq!(json["speaker_independent"], one.independence().name());
        assert_eq!(serde_json::from_value::<TestSpeakers>(json).unwrap(), one);
        // Words of a claim stand nowhere but where it is made.
        let (bold, rest) = one.explain();
        let words = format!(
            "{} {} {} {bold} {rest}",
            one.heading(),
            one.badge(),
            one.phrase()
        )
        .to_lowercase();
        assert_eq!(
            words.contains("unseen")
                || words
                    .replace("not speaker-independent", "")
                    .contains("speaker-independent"),
            one == all[0]
        );
    }
    for (text, old) in [
        ("true", TestSpeakers::Unseen),
        ("false", TestSpeakers::Shared),
    ] {
        assert_eq!(
            serde_json::from_str::<TestSpeakers>(&format!("{{\"speaker_independent\": {text}}}"))
                .unwrap(),
            old
        );
    }
}

#[test]
fn recordings_on_both_sides_are_counted_once() {
    let fold = fold("train test test validation test -");
    let stretches = [
        cut("a", 0.0, 2.0),
        cut("a", 1.0, 3.0),
        cut("a", 2.0, 3.0),
        cut("b", 0.0, 1.0),
        cut("c", 0.0, 1.0),
        cut("c", 0.0, 1.0),
    ];
    assert_eq!(
        repeated(&["h0", "h0", "h2", "h3", "h3", "h5"]),
        [0, 1, 3, 4]
    );
    assert_eq!(
        on_both_sides(
            &fold,
            &["h0", "h0", "h2", "h3", "h3", "h5"],
            &[0, 1, 3, 4],
            None
        ),
        [1, 4]
    );
    let found = |groups: [usize; 6], stretches| {
        on_both_sides(&fold, &groups, &repeated(&groups), stretches)
    };
    // A copy that overlaps as well is one; what takes no part is on no side.
    assert_eq!(found([0, 0, 2, 3, 4, 4], Some(&stretches[..])), [1]);
    assert_eq!(found([0, 1, 2, 3, 4, 5], Some(&stretches[..])), [1]);
    assert!(found([0, 1, 2, 3, 4, 5], None).is_empty());
}

#[test]
fn copies_are_counted_by_group_and_the_same_sound_is_no_version_of_itself() {
    let fold = fold("train test test validation test -");
    let hashes = ["h0", "h0", "h2", "h3", "h4", "h5"];
    // `1` is the very sound of `0`; `2` is a version of it; `4` is a version of what takes no part.
    assert_eq!(near_shared(&fold, &hashes, &[0, 0, 0, 3, 4, 4]), 1);
    assert_eq!(near_shared(&fold, &hashes, &[0, 0, 2, 3, 3, 5]), 1);
    assert_eq!(near_shared(&fold, &hashes, &[0, 1, 2, 3, 4, 5]), 0);
}

#[test]
fn a_demand_names_the_first_fold_that_falls_short() {
    let fine = Sharing {
        test_utterances: 4,
        test_speakers: 2,
        test_texts: 2,
        test_sessions: 1,
        shared_near: Some(0),
        ..Sharing::default()
    };
    let unmet = |demand: Requirement, bad: Sharing| demand.unmet(&[fine, bad, bad]);
    for demand in Requirement::ALL {
        assert_eq!(unmet(demand, fine), None);
    }
    type Change = fn(&mut Sharing);
    let cases: [(Requirement, Change, &str); 9] = [
        (
            Requirement::SpeakerDisjoint,
            |bad| bad.shared_speakers = 1,
            "1 of 2 test speakers",
        ),
        (
            Requirement::TextDisjoint,
            |bad| bad.shared_texts = 2,
            "2 of 2 test sentences",
        ),
        (
            Requirement::TextDisjoint,
            |bad| bad.train_without_text = 3,
            "0 tested and 3 trained utterances have no named sentence",
        ),
        (
            Requirement::SessionDisjoint,
            |bad| bad.shared_sessions = 1,
            "1 of 1 test sessions",
        ),
        (
            Requirement::SessionDisjoint,
            |bad| bad.test_without_session = 4,
            "4 tested and 0 trained utterances have no named session",
        ),
        (
            Requirement::DuplicateFree,
            |bad| bad.shared_duplicates = 1,
            "1 have the same sound",
        ),
        (
            Requirement::DuplicateFree,
            |bad| bad.shared_near = Some(2),
            "2 are another version",
        ),
        (
            Requirement::DuplicateFree,
            |bad| bad.shared_overlaps = Some(3),
            "and 3 overlap with one in the same recording",
        ),
        (
            Requirement::SpeakerDisjoint,
            |bad| bad.test_without_speaker = 1,
            "1 tested and 0 trained utterances have no named speaker",
        ),
    ];
    for (demand, change, words) in cases {
        let mut bad = fine;
        change(&mut bad);
        let unmet = unmet(demand, bad).unwrap();
        assert!(
            (unmet.fold, unmet.folds) == (1, 2) && unmet.what.contains(words),
            "{unmet:?}"
        );
        let others = Requirement::ALL
            .into_iter()
            .filter(|other| *other != demand);
        assert!(
            others
                .into_iter()
                .all(|other| other.unmet(&[bad]).is_none()),
            "{demand:?}"
        );
    }
    // What nobody looked for is no violation yet.
    assert_eq!(
        unmet(
            Requirement::DuplicateFree,
            Sharing {
                shared_near: None,
                ..fine
            }
        ),
        None
    );
}
