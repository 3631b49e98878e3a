//! Tests of all protocols together: what must hold for every corpus and every seed.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::keeps_speakers_apart;
use super::{Assignment, Fold, Item, Protocol, Role, assign};
use crate::corpus::UNKNOWN_SPEAKER;
use crate::error::Kind;
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

fn row(id: &str, label: &str, speaker: &str) -> Row {
    Row {
        id: id.into(),
        label: label.into(),
        speaker: speaker.into(),
        session: None,
        text: None,
        declared: None,
    }
}

fn items(rows: &[Row]) -> Vec<Item<'_>> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(Item {
            id: &row.id,
            label: &row.label,
            speaker: &row.speaker,
            session: row.session.as_deref(),
            text: row.text.as_deref(),
            declared: row.declared.as_deref(),
        });
    }
    items
}

fn drawn(protocol: &Protocol, rows: &[Row], validation: Option<f64>) -> Assignment {
    assign(protocol, &items(rows), validation, 0).expect("folds")
}

/// Message and hint of a refusal of the given kind.
fn refused(protocol: &Protocol, rows: &[Row], validation: Option<f64>, kind: Kind) -> String {
    let error = assign(protocol, &items(rows), validation, 0).expect_err("no error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.hint_text().is_some(), "{error} has no hint");
    error.to_string()
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
    let parts = ["train", "validation", "test", "train"];
    let row = |(i, (class, speaker)): (usize, (usize, usize))| Row {
        session: Some(format!("s{}", speaker / 2)),
        declared: Some(parts[(i + class) % 4].to_owned()),
        ..row(
            &format!("u{i:04}"),
            &format!("class {class}"),
            &format!("{:02}", speaker + 1),
        )
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
            let (id, speaker) = (format!("{actor:02}-{i:02}"), format!("{actor:02}"));
            rows.push(row(&id, emotions[class], &speaker));
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
    let assignment = drawn(&emobox, &rows, Some(0.1));
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
    let warnings = drawn(&emobox, &absent, None).warnings;
    assert!(warnings[0].contains("actors 07 are not there"));
    let few: Vec<Row> = rows
        .iter()
        .filter(|row| row.speaker.as_str() < "07")
        .cloned()
        .collect();
    let error = refused(&emobox, &few, None, Kind::Data);
    assert!(error.contains("none of the actors 08 09 19 23 is there"));
    let mut other = rows.clone();
    other[5].speaker = "25".into();
    let error = refused(&emobox, &other, None, Kind::Data);
    assert!(error.contains("speaker `25` is not one of RAVDESS's actors"));
    let unknown = Protocol::Published {
        name: "emodb".into(),
        of: String::new(),
    };
    let error = refused(&unknown, &rows, None, Kind::Config);
    assert!(error.contains("`emodb` is not a published list"));
}

/// Every speaker says every sentence in every class.
fn spoken(speakers: usize, texts: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (speaker, text, class) in
        (0..speakers).flat_map(|s| (0..texts).flat_map(move |t| (0..3).map(move |c| (s, t, c))))
    {
        rows.push(Row {
            text: Some(format!("t{text}")),
            ..row(
                &format!("{speaker}-{text}-{class}"),
                &format!("class {class}"),
                &format!("s{speaker}"),
            )
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
    let few = refused(&Protocol::TextKfold { folds: 6 }, &rows, None, Kind::Data);
    assert!(few.contains("5 sentences cannot fill 6 folds"), "{few}");
    let lacks = refused(
        &Protocol::TextKfold { folds: 2 },
        &unknown,
        None,
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
    let savee: Vec<Row> = ["DC", "JE", "JK", "KL"]
        .iter()
        .flat_map(|s| ["anger", "fear"].map(|e| row(&format!("{s}-{e}-01"), e, s)))
        .collect();
    let folds = drawn(&of("savee"), &savee, None).folds;
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
    let assignment = drawn(&Protocol::Declared, &rows, Some(0.2));
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
    let error = refused(&Protocol::Declared, &rows, None, Kind::Data);
    assert!(error.contains("declares no test utterance"));
    rows[0].declared = Some("dev".into());
    let error = refused(&Protocol::Declared, &rows, None, Kind::Data);
    assert!(error.contains("declared as `dev`"));
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

#[test]
fn what_a_corpus_cannot_give_is_said() {
    let rows = corpus(30, 3, 4, 0);
    let kfold = |folds| Protocol::StratifiedKfold { folds };
    let groups = |folds| Protocol::GroupKfold { folds };
    let hold_out = |test_fraction| Protocol::HoldOut { test_fraction };
    refused(&kfold(1), &rows, None, Kind::Config);
    refused(&groups(0), &rows, None, Kind::Config);
    refused(&kfold(2), &[], None, Kind::Data);
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        refused(&kfold(2), &rows, Some(share), Kind::Config);
        refused(&hold_out(share), &rows, None, Kind::Config);
    }
    let changed = |change: &dyn Fn(usize, &mut Row)| {
        let mut rows = rows.clone();
        rows.iter_mut()
            .enumerate()
            .for_each(|(i, row)| change(i, row));
        rows
    };
    let one = |row: &mut Row| (row.speaker, row.session) = ("one".into(), Some("one".into()));
    let alone = changed(&|_, row| one(row));
    let lacking = changed(&|i, row| row.session = (i > 0).then(|| "one".into()));
    let sad = changed(&|_, row| row.label = "sad".into());
    let twice = changed(&|_, row| row.id = "same".into());
    let two = changed(&|i, row| row.speaker = format!("{}", i % 2));
    let by_class = changed(&|i, row| {
        (row.speaker, row.label) = (format!("{}", i % 2), format!("{}", i % 2));
    });
    let (speaker, session) = (Protocol::LeaveOneSpeakerOut, Protocol::LeaveOneSessionOut);
    for (protocol, rows, validation, words) in [
        (
            &kfold(31),
            &rows,
            None,
            "30 utterances cannot fill 31 folds",
        ),
        (&groups(5), &rows, None, "4 speakers cannot fill 5 folds"),
        (&speaker, &alone, None, "one speaker"),
        (&session, &alone, None, "one session"),
        (
            &session,
            &lacking,
            None,
            "1 of 30 utterances have no session",
        ),
        (&kfold(2), &sad, None, "of the class `sad`"),
        (&kfold(2), &twice, None, "is there twice"),
        (&speaker, &two, Some(0.2), "trains on one speaker"),
        (&speaker, &by_class, None, "fewer than two classes"),
    ] {
        let error = refused(protocol, rows, validation, Kind::Data);
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_class_with_one_utterance_is_allowed_with_a_warning() {
    let mut rows = corpus(30, 3, 4, 0);
    rows[7].label = "rare".into();
    let warnings = drawn(&Protocol::StratifiedKfold { folds: 3 }, &rows, Some(0.2)).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("class `rare` has 1 utterances for 3 folds"));
    assert!(warnings[1].starts_with("class `rare` is tested without being trained on: fold "));
    let warnings = drawn(&Protocol::HoldOut { test_fraction: 0.3 }, &rows, None).warnings;
    assert_eq!(warnings, ["class `rare` is tested in no fold"]);
}

#[test]
fn folds_by_speaker_need_known_speakers() {
    let mut rows = corpus(30, 3, 4, 0);
    rows[3].speaker = UNKNOWN_SPEAKER.into();
    for protocol in [
        Protocol::GroupKfold { folds: 2 },
        Protocol::LeaveOneSpeakerOut,
    ] {
        let error = refused(&protocol, &rows, None, Kind::Data);
        assert!(
            error.contains("of 1 of 30 utterances the speaker is not known"),
            "{error}"
        );
    }
}
