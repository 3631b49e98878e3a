//! Tests of all protocols together: what must hold for every corpus and every seed.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::keeps_speakers_apart;
use super::sharing::{Stretch, are_cut};
use super::{
    Assignment, Fold, Item, Protocol, Requirement, Role, Sharing, TestSpeakers, assign,
    near_shared, on_both_sides, repeated, sharing,
};
use crate::corpus::{Attribute, UNKNOWN_SPEAKER};
use crate::error::{Error, Kind};
use crate::rng;

#[derive(Clone)]
struct Row {
    id: String,
    label: String,
    speaker: String,
    session: Option<String>,
    text: Option<String>,
    declared: Option<String>,
}

fn items(rows: &[Row]) -> Vec<Item<'_>> {
    fn item(
        Row {
            id,
            label,
            speaker,
            session,
            text,
            declared,
        }: &Row,
    ) -> Item<'_> {
        Item {
            id,
            label,
            speaker,
            session: session.as_deref(),
            text: text.as_deref(),
            declared: declared.as_deref(),
        }
    }
    rows.iter().map(item).collect()
}

/// `n` utterances of uneven classes and speakers; each speaker has one session.
fn corpus(n: usize, classes: usize, speakers: usize, seed: u64) -> Vec<Row> {
    let mut picks: Vec<(usize, usize)> = (0..n)
        .map(|i| {
            (
                i * i / 3 % classes,
                i % speakers.min(1 + i % (speakers + 2)),
            )
        })
        .collect();
    rng::shuffle(&mut picks, &mut rng::numbered(seed, 99));
    let row = |(i, (class, speaker)): (usize, (usize, usize))| Row {
        id: format!("u{i:04}"),
        label: format!("class {class}"),
        speaker: format!("{:02}", speaker + 1),
        session: Some(format!("s{}", speaker / 2)),
        text: None,
        declared: Some(["train", "validation", "test", "train"][(i + class) % 4].to_owned()),
    };
    picks.into_iter().enumerate().map(row).collect()
}

/// RAVDESS's 24 actors with 60 utterances each.
fn ravdess() -> Vec<Row> {
    let emotions = [
        "neutral",
        "calm",
        "happy",
        "sad",
        "angry",
        "fearful",
        "disgust",
        "surprised",
    ];
    let mut rows = Vec::new();
    for actor in 1..=24 {
        for i in 0..60 {
            let class = if i < 4 { 0 } else { 1 + (i - 4) / 8 };
            let (id, label) = (format!("{actor:02}-{i:02}"), emotions[class].to_owned());
            rows.push(Row {
                id,
                label,
                speaker: format!("{actor:02}"),
                session: None,
                text: None,
                declared: None,
            });
        }
    }
    rows
}

const ALL: [Protocol; 6] = [
    Protocol::HoldOut { test_fraction: 0.2 },
    Protocol::StratifiedKfold { folds: 4 },
    Protocol::GroupKfold { folds: 3 },
    Protocol::LeaveOneSpeakerOut,
    Protocol::LeaveOneSessionOut,
    Protocol::Declared,
];

fn is_apart_by_design(protocol: &Protocol) -> bool {
    !matches!(
        protocol,
        Protocol::HoldOut { .. } | Protocol::StratifiedKfold { .. } | Protocol::Declared
    )
}

fn indices(fold: &Fold, role: Role) -> Vec<usize> {
    (0..fold.roles.len())
        .filter(|&i| fold.roles[i] == Some(role))
        .collect()
}

fn speakers<'a>(items: &[Item<'a>], rows: &[usize]) -> BTreeSet<&'a str> {
    rows.iter().map(|&i| items[i].speaker).collect()
}

#[test]
fn what_must_hold_for_every_protocol_corpus_and_seed() {
    for seed in 0..40 {
        let rows = corpus(
            60 + 7 * seed as usize,
            3 + seed as usize % 3,
            6 + seed as usize % 5,
            seed,
        );
        let items = items(&rows);
        for protocol in &ALL {
            for validation in [None, Some(0.15), Some(0.5)] {
                let what = format!("{} validation {validation:?} seed {seed}", protocol.name());
                let Assignment { folds, .. } = assign(protocol, &items, validation, seed)
                    .unwrap_or_else(|e| panic!("{what}: {e}"));
                let mut times_tested = vec![0; items.len()];
                for (index, fold) in folds.iter().enumerate() {
                    assert_eq!(
                        (fold.index as usize, fold.roles.len()),
                        (index, items.len()),
                        "{what}"
                    );
                    let [train, held, test] =
                        [Role::Train, Role::Validation, Role::Test].map(|role| indices(fold, role));
                    assert!(!train.is_empty() && !test.is_empty(), "{what}");
                    assert_eq!(
                        held.is_empty(),
                        validation.is_none() && *protocol != Protocol::Declared,
                        "{what}"
                    );
                    test.iter().for_each(|&i| times_tested[i] += 1);
                    if is_apart_by_design(protocol) {
                        let [train, held, test] =
                            [train, held, test].map(|rows| speakers(&items, &rows));
                        assert!(
                            train.is_disjoint(&test)
                                && held.is_disjoint(&test)
                                && train.is_disjoint(&held),
                            "{what}"
                        );
                    }
                }
                assert_eq!(
                    keeps_speakers_apart(&folds, &items),
                    is_apart_by_design(protocol),
                    "{what}"
                );
                if !matches!(protocol, Protocol::HoldOut { .. } | Protocol::Declared) {
                    assert!(times_tested.iter().all(|&n| n == 1), "{what}");
                }
            }
        }
    }
}

#[test]
fn nothing_depends_on_the_order_of_the_items() {
    let rows = corpus(150, 4, 7, 3);
    let mut shuffled = rows.clone();
    rng::shuffle(&mut shuffled, &mut rng::numbered(5, 0));
    let (items, shuffled) = (items(&rows), items(&shuffled));
    let by_id = |items: &[Item], fold: &Fold| -> BTreeMap<String, Option<Role>> {
        items
            .iter()
            .zip(&fold.roles)
            .map(|(item, role)| (item.id.to_owned(), *role))
            .collect()
    };
    for protocol in &ALL {
        let one = assign(protocol, &items, Some(0.2), 11).unwrap();
        let other = assign(protocol, &shuffled, Some(0.2), 11).unwrap();
        assert_eq!(one.warnings, other.warnings);
        for (a, b) in one.folds.iter().zip(&other.folds) {
            assert_eq!(
                (&a.name, by_id(&items, a)),
                (&b.name, by_id(&shuffled, b)),
                "{}",
                protocol.name()
            );
        }
        assert_eq!(one, assign(protocol, &items, Some(0.2), 11).unwrap());
    }
    let seeds = [0, 1].map(|seed| assign(&ALL[1], &items, None, seed).unwrap().folds);
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn stratified_folds_are_even_by_class_and_in_all() {
    for (n, classes, folds) in [(535, 7, 5), (1440, 8, 5), (61, 3, 10), (20, 4, 20)] {
        let rows = corpus(n, classes, 10, 1);
        let items = items(&rows);
        let assignment = assign(&Protocol::StratifiedKfold { folds }, &items, None, 0).unwrap();
        let spread = |count: &dyn Fn(&Fold) -> usize| {
            let counts: Vec<usize> = assignment.folds.iter().map(count).collect();
            counts.iter().max().unwrap() - counts.iter().min().unwrap()
        };
        assert!(spread(&|fold| fold.count(Role::Test)) <= 1);
        for class in 0..classes {
            let label = format!("class {class}");
            assert!(
                spread(&|fold| indices(fold, Role::Test)
                    .iter()
                    .filter(|&&i| items[i].label == label)
                    .count())
                    <= 1
            );
        }
    }
}

#[test]
fn the_stratified_folds_of_a_seed_never_change() {
    let rows = corpus(12, 3, 4, 0);
    let assignment = assign(
        &Protocol::StratifiedKfold { folds: 3 },
        &items(&rows),
        None,
        42,
    )
    .unwrap();
    let tested: Vec<Vec<usize>> = assignment
        .folds
        .iter()
        .map(|fold| indices(fold, Role::Test))
        .collect();
    assert_eq!(tested, [[2, 4, 5, 9], [1, 7, 10, 11], [0, 3, 6, 8]]);
}

#[test]
fn group_folds_of_ravdess_are_of_one_size() {
    let rows = ravdess();
    let items = items(&rows);
    for (folds, sizes) in [
        (6, vec![240; 6]),
        (5, vec![300, 300, 300, 300, 240]),
        (24, vec![60; 24]),
    ] {
        let assignment = assign(&Protocol::GroupKfold { folds }, &items, None, 0).unwrap();
        let mut found: Vec<usize> = assignment
            .folds
            .iter()
            .map(|fold| fold.count(Role::Test))
            .collect();
        found.sort_by_key(|&n| std::cmp::Reverse(n));
        assert_eq!(found, sizes);
    }
}

#[test]
fn emobox_tests_its_four_actors_per_fold() {
    let rows = ravdess();
    let emobox = Protocol::Published {
        name: "emobox".into(),
        of: String::new(),
    };
    let assignment = assign(&emobox, &items(&rows), Some(0.1), 0).unwrap();
    assert!(assignment.warnings.is_empty(), "{:?}", assignment.warnings);
    assert_eq!(assignment.folds.len(), 6);
    let items = items(&rows);
    for fold in &assignment.folds {
        assert_eq!(
            (
                fold.count(Role::Test),
                fold.count(Role::Validation),
                fold.count(Role::Train)
            ),
            (240, 120, 1080)
        );
    }
    assert_eq!(assignment.folds[3].name, "actors 03 05 07 24");
    assert_eq!(
        speakers(&items, &indices(&assignment.folds[3], Role::Test)),
        BTreeSet::from(["03", "05", "07", "24"])
    );
    // Over the folds different actors have their turn in validation: six times two, none of them
    // twice.
    let turns: BTreeSet<&str> = assignment
        .folds
        .iter()
        .flat_map(|fold| speakers(&items, &indices(fold, Role::Validation)))
        .collect();
    assert!(turns.len() >= 8, "{turns:?}");

    let absent: Vec<Row> = rows
        .iter()
        .filter(|row| row.speaker != "07")
        .cloned()
        .collect();
    assert!(
        assign(&emobox, &self::items(&absent), None, 0)
            .unwrap()
            .warnings[0]
            .contains("actors 07 are not there")
    );
    let few: Vec<Row> = rows
        .iter()
        .filter(|row| row.speaker.as_str() < "07")
        .cloned()
        .collect();
    assert!(
        told(assign(&emobox, &self::items(&few), None, 0), Kind::Data)
            .contains("none of the actors 08 09 19 23 is there")
    );
    let mut other = rows.clone();
    other[5].speaker = "25".into();
    assert!(
        told(assign(&emobox, &self::items(&other), None, 0), Kind::Data)
            .contains("speaker `25` is not one of RAVDESS's actors")
    );
    let unknown = Protocol::Published {
        name: "emodb".into(),
        of: String::new(),
    };
    assert!(
        told(assign(&unknown, &items, None, 0), Kind::Config)
            .contains("`emodb` is not a published list")
    );
}

/// Every speaker says every sentence in every class.
fn spoken(speakers: usize, texts: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (speaker, text, class) in
        (0..speakers).flat_map(|s| (0..texts).flat_map(move |t| (0..3).map(move |c| (s, t, c))))
    {
        rows.push(Row {
            id: format!("{speaker}-{text}-{class}"),
            label: format!("class {class}"),
            speaker: format!("s{speaker}"),
            session: None,
            text: Some(format!("t{text}")),
            declared: None,
        });
    }
    rows
}

#[test]
fn whole_sentences_are_held_out_alone_and_with_whole_speakers() {
    let rows = spoken(6, 5);
    let items = items(&rows);
    let texts = |fold: &Fold, role| -> BTreeSet<&str> {
        indices(fold, role)
            .iter()
            .filter_map(|&i| items[i].text)
            .collect()
    };
    let both = Protocol::SpeakerTextKfold {
        speaker_folds: 3,
        text_folds: 2,
    };
    for (protocol, folds) in [(Protocol::TextKfold { folds: 5 }, 5), (both, 6)] {
        let assignment = assign(&protocol, &items, None, 0).unwrap();
        assert_eq!(assignment.folds.len(), folds);
        assert_eq!(protocol.expected_folds(6, 0), folds as u32);
        let mut tested = vec![0; items.len()];
        for fold in &assignment.folds {
            indices(fold, Role::Test)
                .into_iter()
                .for_each(|i| tested[i] += 1);
            assert!(texts(fold, Role::Test).is_disjoint(&texts(fold, Role::Train)));
            assert_eq!(
                keeps_speakers_apart(std::slice::from_ref(fold), &items),
                protocol.keeps_speakers_apart()
            );
        }
        assert!(tested.iter().all(|&n| n == 1), "{tested:?}");
    }
    let mut unknown = rows.clone();
    unknown[4].text = None;
    let few = told(
        assign(&Protocol::TextKfold { folds: 6 }, &items, None, 0),
        Kind::Data,
    );
    assert!(few.contains("5 sentences cannot fill 6 folds"), "{few}");
    let lacks = told(
        assign(
            &Protocol::TextKfold { folds: 2 },
            &self::items(&unknown),
            None,
            0,
        ),
        Kind::Data,
    );
    assert!(
        lacks.contains("of 1 of 90 utterances the sentence is not known"),
        "{lacks}"
    );
}

#[test]
fn published_folds_are_those_of_the_corpus() {
    let of = |kind: &str| Protocol::Published {
        name: "emobox".into(),
        of: kind.into(),
    };
    let row = |id: &str, label: &str, speaker: &str| Row {
        id: id.into(),
        label: label.into(),
        speaker: speaker.into(),
        session: None,
        text: None,
        declared: None,
    };
    let savee: Vec<Row> = ["DC", "JE", "JK", "KL"]
        .iter()
        .flat_map(|s| ["anger", "fear"].map(|e| row(&format!("{s}-{e}-01"), e, s)))
        .collect();
    let folds = assign(&of("savee"), &items(&savee), None, 0).unwrap().folds;
    let names: Vec<&str> = folds.iter().map(|fold| fold.name.as_str()).collect();
    assert_eq!(
        names,
        ["speakers JE", "speakers KL", "speakers DC", "speakers JK"]
    );
    assert!(of("savee").keeps_speakers_apart() && !of("tess").keeps_speakers_apart());
    assert_eq!(
        (
            of("esd").expected_folds(20, 0),
            of("tess").expected_folds(2, 0)
        ),
        (5, 1)
    );
    // The last is not in EmoBox's list.
    let mut rows: Vec<Row> = [
        ("angry", "anger"),
        ("happy", "happiness"),
        ("ps", "surprise"),
    ]
    .iter()
    .map(|(code, label)| row(&format!("OAF_back_{code}"), label, "OAF"))
    .collect();
    rows.push(row("OAF_nonsense_angry", "anger", "OAF"));
    let list = crate::corpus::known::known("tess")
        .unwrap()
        .emobox
        .as_ref()
        .unwrap();
    let places: Vec<_> = rows
        .iter()
        .map(|r| list.place_of(&r.id, &r.speaker, None))
        .collect();
    assert!(
        places[..3].iter().all(Option::is_some) && places[3].is_none(),
        "{places:?}"
    );
}

#[test]
fn declared_parts_are_kept_and_the_undeclared_take_no_part() {
    let mut rows = corpus(40, 3, 5, 0);
    rows[3].declared = None;
    let assignment = assign(&Protocol::Declared, &items(&rows), Some(0.2), 0).unwrap();
    for (row, role) in rows.iter().zip(&assignment.folds[0].roles) {
        assert_eq!(row.declared.as_deref(), role.map(Role::as_str));
    }
    assert!(
        assignment
            .warnings
            .iter()
            .any(|w| w.starts_with("1 of 40 utterances are declared in no part")),
        "{:?}",
        assignment.warnings
    );

    rows.iter_mut()
        .for_each(|row| row.declared = row.declared.take().filter(|word| word != "test"));
    assert!(
        told(
            assign(&Protocol::Declared, &items(&rows), None, 0),
            Kind::Data
        )
        .contains("declares no test utterance")
    );
    rows[0].declared = Some("dev".into());
    assert!(
        told(
            assign(&Protocol::Declared, &items(&rows), None, 0),
            Kind::Data
        )
        .contains("declared as `dev`")
    );
}

#[test]
fn a_stratified_part_keeps_the_proportions() {
    let rows = corpus(1000, 4, 10, 2);
    let items = items(&rows);
    let assignment = assign(
        &Protocol::HoldOut { test_fraction: 0.2 },
        &items,
        Some(0.25),
        0,
    )
    .unwrap();
    let fold = &assignment.folds[0];
    assert_eq!(
        (
            fold.count(Role::Test),
            fold.count(Role::Validation),
            fold.count(Role::Train)
        ),
        (200, 200, 600)
    );
    for class in 0..4 {
        let label = format!("class {class}");
        let all = items.iter().filter(|item| item.label == label).count() as f64;
        let tested = indices(fold, Role::Test)
            .iter()
            .filter(|&&i| items[i].label == label)
            .count() as f64;
        assert!(
            (tested - all * 0.2).abs() <= 1.0,
            "{label}: {tested} of {all}"
        );
    }
}

/// Message and hint of an error of the given kind.
fn told<T>(result: Result<T, Error>, kind: Kind) -> String {
    let Err(error) = result else {
        panic!("no error")
    };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.hint_text().is_some(), "{error} has no hint");
    error.to_string()
}

#[test]
fn what_a_corpus_cannot_give_is_said() {
    let rows = corpus(30, 3, 4, 0);
    let four = items(&rows);
    let kfold = |folds| Protocol::StratifiedKfold { folds };
    assert!(
        told(assign(&kfold(31), &four, None, 0), Kind::Data)
            .contains("30 utterances cannot fill 31 folds")
    );
    told(assign(&kfold(1), &four, None, 0), Kind::Config);
    told(
        assign(&Protocol::GroupKfold { folds: 0 }, &four, None, 0),
        Kind::Config,
    );
    assert!(
        told(
            assign(&Protocol::GroupKfold { folds: 5 }, &four, None, 0),
            Kind::Data
        )
        .contains("4 speakers cannot fill 5 folds")
    );
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        told(assign(&kfold(2), &four, Some(share), 0), Kind::Config);
        told(
            assign(
                &Protocol::HoldOut {
                    test_fraction: share,
                },
                &four,
                None,
                0,
            ),
            Kind::Config,
        );
    }
    told(assign(&kfold(2), &[], None, 0), Kind::Data);

    let mut alone = rows.clone();
    alone
        .iter_mut()
        .for_each(|row| (row.speaker, row.session) = ("one".into(), Some("one".into())));
    assert!(
        told(
            assign(&Protocol::LeaveOneSpeakerOut, &items(&alone), None, 0),
            Kind::Data
        )
        .contains("one speaker")
    );
    assert!(
        told(
            assign(&Protocol::LeaveOneSessionOut, &items(&alone), None, 0),
            Kind::Data
        )
        .contains("one session")
    );
    alone[0].session = None;
    assert!(
        told(
            assign(&Protocol::LeaveOneSessionOut, &items(&alone), None, 0),
            Kind::Data
        )
        .contains("1 of 30 utterances have no session")
    );
    alone.iter_mut().for_each(|row| row.label = "sad".into());
    assert!(
        told(assign(&kfold(2), &items(&alone), None, 0), Kind::Data).contains("of the class `sad`")
    );
    alone[1].id = alone[0].id.clone();
    assert!(
        told(assign(&kfold(2), &items(&alone), None, 0), Kind::Data).contains("is there twice")
    );

    let mut two = rows.clone();
    two.iter_mut()
        .enumerate()
        .for_each(|(i, row)| row.speaker = format!("{}", i % 2));
    assert!(
        told(
            assign(&Protocol::LeaveOneSpeakerOut, &items(&two), Some(0.2), 0),
            Kind::Data
        )
        .contains("trains on one speaker")
    );
    two.iter_mut()
        .for_each(|row| row.label = row.speaker.clone());
    assert!(
        told(
            assign(&Protocol::LeaveOneSpeakerOut, &items(&two), None, 0),
            Kind::Data
        )
        .contains("fewer than two classes")
    );
}

#[test]
fn a_class_with_one_utterance_is_allowed_with_a_warning() {
    let mut rows = corpus(30, 3, 4, 0);
    rows[7].label = "rare".into();
    let warnings = assign(
        &Protocol::StratifiedKfold { folds: 3 },
        &items(&rows),
        Some(0.2),
        0,
    )
    .unwrap()
    .warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("class `rare` has 1 utterances for 3 folds"));
    assert!(warnings[1].starts_with("class `rare` is tested without being trained on: fold "));
    let warnings = assign(
        &Protocol::HoldOut { test_fraction: 0.3 },
        &items(&rows),
        None,
        0,
    )
    .unwrap()
    .warnings;
    assert_eq!(warnings, ["class `rare` is tested in no fold"]);
}

#[test]
fn what_train_and_test_share_is_counted() {
    let row = |id: &str, speaker: &str| Row {
        id: id.into(),
        label: "x".into(),
        speaker: speaker.into(),
        session: None,
        text: None,
        declared: None,
    };
    let rows = [
        row("a", "1"),
        row("b", "1"),
        row("c", "2"),
        row("d", "3"),
        row("e", "3"),
    ];
    let items = items(&rows);
    let fold = |roles: [Option<Role>; 5]| Fold {
        index: 0,
        name: "fold 1".into(),
        roles: roles.into(),
    };
    let mixed = fold([
        Some(Role::Train),
        Some(Role::Test),
        Some(Role::Validation),
        Some(Role::Test),
        None,
    ]);
    let texts = [Some("kids"), Some("kids"), Some("dogs"), None, None];
    let whole = ["a", "b", "c", "d", "e"].map(|path| Stretch {
        path,
        start: 0.0,
        end: f64::INFINITY,
    });
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
    let apart = fold([
        Some(Role::Train),
        Some(Role::Train),
        Some(Role::Validation),
        Some(Role::Test),
        None,
    ]);
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
    let row = |id: &str| Row {
        id: id.into(),
        label: "x".into(),
        speaker: id.into(),
        session: None,
        text: None,
        declared: None,
    };
    let rows: Vec<Row> = ["a", "b", "c", "d", "e", "f"].map(row).into();
    let cut = |path, start, end| Stretch { path, start, end };
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
    let roles: Vec<Option<Role>> = (0..6)
        .map(|i| Some(if i < 3 { Role::Train } else { Role::Test }))
        .collect();
    let fold = Fold {
        index: 0,
        name: "fold 1".into(),
        roles,
    };
    let counts = sharing(
        &items(&rows),
        &fold,
        &[None; 6],
        &["h"; 6],
        Some(&stretches),
    );
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
fn speakers_that_nobody_knows_are_never_unseen() {
    let mut rows = corpus(30, 3, 4, 0);
    rows[3].speaker = UNKNOWN_SPEAKER.into();
    for protocol in [
        Protocol::GroupKfold { folds: 2 },
        Protocol::LeaveOneSpeakerOut,
    ] {
        let error = assign(&protocol, &items(&rows), None, 0).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("of 1 of 30 utterances the speaker is not known"),
            "{error}"
        );
    }
    let apart = |i: usize| {
        Some(if rows[i].speaker == rows[0].speaker {
            Role::Test
        } else {
            Role::Train
        })
    };
    let fold = Fold {
        index: 0,
        name: "fold 1".into(),
        roles: (0..30).map(apart).collect(),
    };
    assert!(!keeps_speakers_apart(
        std::slice::from_ref(&fold),
        &items(&rows)
    ));
    let paths: Vec<Stretch> = rows
        .iter()
        .map(|row| Stretch {
            path: &row.id,
            start: 0.0,
            end: f64::INFINITY,
        })
        .collect();
    let counts = sharing(
        &items(&rows),
        &fold,
        &[None; 30],
        &vec!["h"; 30],
        are_cut(&paths).then_some(&paths[..]),
    );
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

/// The verdict where nothing is guessed and no copies have different speakers.
fn verdict(folds: &[Sharing]) -> Vec<String> {
    super::verdict(folds, TestSpeakers::of(folds, false, 0), &[])
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
fn a_statement_is_read_back_and_older_reports_have_true_or_false() {
    let all = [
        TestSpeakers::Unseen,
        TestSpeakers::OnBothSides { recordings: 3 },
        TestSpeakers::Guessed { disjoint: true },
        TestSpeakers::Guessed { disjoint: false },
        TestSpeakers::InDoubt { pairs: 2 },
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
    let roles = [
        Some(Role::Train),
        Some(Role::Test),
        Some(Role::Test),
        Some(Role::Validation),
        Some(Role::Test),
        None,
    ];
    let fold = Fold {
        index: 0,
        name: "fold 1".into(),
        roles: roles.into(),
    };
    let cut = |path, start, end| Stretch { path, start, end };
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
    let roles = [
        Some(Role::Train),
        Some(Role::Test),
        Some(Role::Test),
        Some(Role::Validation),
        Some(Role::Test),
        None,
    ];
    let fold = Fold {
        index: 0,
        name: "fold 1".into(),
        roles: roles.into(),
    };
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
        shared_speakers: 0,
        test_texts: 2,
        shared_texts: 0,
        test_without_text: 0,
        train_without_text: 0,
        test_sessions: 1,
        shared_sessions: 0,
        test_without_session: 0,
        train_without_session: 0,
        shared_duplicates: 0,
        shared_near: Some(0),
        test_without_speaker: 0,
        train_without_speaker: 0,
        shared_recordings: None,
        shared_overlaps: None,
        both_sides: 0,
    };
    let unmet = |demand: Requirement, bad: Sharing| demand.unmet(&[fine, bad, bad]);
    for demand in Requirement::ALL {
        assert_eq!(Requirement::parse(demand.name()), Some(demand));
        assert_eq!(unmet(demand, fine), None);
    }
    let cases = [
        (
            Requirement::SpeakerDisjoint,
            Sharing {
                shared_speakers: 1,
                ..fine
            },
            "1 of 2 test speakers",
        ),
        (
            Requirement::TextDisjoint,
            Sharing {
                shared_texts: 2,
                ..fine
            },
            "2 of 2 test sentences",
        ),
        (
            Requirement::TextDisjoint,
            Sharing {
                train_without_text: 3,
                ..fine
            },
            "0 tested and 3 trained utterances have no named sentence",
        ),
        (
            Requirement::SessionDisjoint,
            Sharing {
                shared_sessions: 1,
                ..fine
            },
            "1 of 1 test sessions",
        ),
        (
            Requirement::SessionDisjoint,
            Sharing {
                test_without_session: 4,
                ..fine
            },
            "4 tested and 0 trained utterances have no named session",
        ),
        (
            Requirement::DuplicateFree,
            Sharing {
                shared_duplicates: 1,
                ..fine
            },
            "1 have the same sound",
        ),
        (
            Requirement::DuplicateFree,
            Sharing {
                shared_near: Some(2),
                ..fine
            },
            "2 are another version",
        ),
        (
            Requirement::DuplicateFree,
            Sharing {
                shared_overlaps: Some(3),
                ..fine
            },
            "and 3 overlap with one in the same recording",
        ),
        (
            Requirement::SpeakerDisjoint,
            Sharing {
                test_without_speaker: 1,
                ..fine
            },
            "1 tested and 0 trained utterances have no named speaker",
        ),
    ];
    for (demand, bad, words) in cases {
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
