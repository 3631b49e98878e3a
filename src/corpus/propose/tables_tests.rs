use super::*;
use crate::cancel::Cancel;
use crate::corpus::propose::{Choices, Proposal};

fn propose(root: &std::path::Path, name: Option<&str>, choices: &Choices) -> Result<Proposal> {
    crate::corpus::propose::propose(root, name, choices, &Cancel::default())
}

/// A folder of `n` recordings and the given tables, as it is proposed.
fn proposed(
    n: usize,
    tables: &[(&str, Vec<u8>)],
    emotion: Option<&str>,
    speaker: Option<&str>,
) -> Result<Proposal> {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..n {
        std::fs::write(dir.path().join(format!("{i:02}.wav")), "").unwrap();
    }
    put(dir.path(), tables);
    let choices = Choices {
        emotion: emotion.map(|f| f.parse().unwrap()),
        speaker: speaker.map(|f| f.parse().unwrap()),
    };
    propose(dir.path(), Some("x"), &choices)
}

fn table(header: &str, rows: impl Iterator<Item = String>) -> Vec<u8> {
    format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n")).into_bytes()
}

fn emotion(i: usize) -> &'static str {
    ["angry", "sad"][i % 2]
}

#[track_caller]
fn says(lines: &[String], part: &str) {
    assert!(
        lines.iter().any(|line| line.contains(part)),
        "{part} is not in {lines:#?}"
    );
}

#[test]
fn a_table_of_recordings_is_believed_before_one_of_votes() {
    let votes = table(
        "file,emotion",
        (0..60).map(|i| {
            format!(
                "{:02}.wav,{}",
                i / 3,
                if i % 3 == 2 { "joy" } else { emotion(i / 3) }
            )
        }),
    );
    let labels = table(
        "file,emotion,Sprecher,room",
        (0..20).map(|i| format!("{i:02}.wav,{},s{},r{}", emotion(i), i % 4, i % 5)),
    );
    let found = proposed(
        20,
        &[("labels.csv", labels), ("a_votes.csv", votes.clone())],
        None,
        None,
    )
    .unwrap();
    assert_eq!(
        (found.size().as_str(), found.speakers().len()),
        ("20 recordings", 4)
    );
    says(
        &found.warnings,
        "a_votes.csv also names the recordings; 20 labels differ from those of labels.csv",
    );
    says(&found.evidence, "not used: room (5 values)");
    let found = proposed(20, &[("votes.csv", votes)], None, None).unwrap();
    // Two of three votes are the same.
    assert_eq!(found.size(), "40 rows for 20 recordings");
    assert_eq!(
        found.counts().into_iter().collect::<Vec<_>>(),
        [("anger", 10), ("sadness", 10)]
    );
    says(
        &found.warnings,
        "20 recordings with several rows that differ in emotion or speaker, such as 00.wav (angry, joy)",
    );
}

#[test]
fn a_complete_table_is_not_outdone_by_copies() {
    let dir = tempfile::tempdir().unwrap();
    let name = |i: usize| format!("{}_{}_{i:02}", ["anna", "bert"][i / 2 % 2], emotion(i));
    for i in 0..20 {
        for (folder, kind) in [("wav", "wav"), ("mp3", "mp3")] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(format!("{folder}/{}.{kind}", name(i))), "").unwrap();
        }
    }
    let rows = (0..20).map(|i| format!("wav/{}.wav,{},s{}", name(i), emotion(i), i / 2 % 2));
    put(
        dir.path(),
        &[("metadata.csv", table("path,emotion,speaker", rows))],
    );
    let found = propose(dir.path(), Some("x"), &Choices::default()).unwrap();
    assert_eq!(
        (found.rows.len(), found.speakers().len()),
        (20, 2),
        "{:?}",
        found.warnings
    );
    assert!(found.rows.iter().all(|row| row.path.starts_with("wav/")));
}

#[test]
fn segments_are_no_repeats() {
    let rows = (0..40).map(|i| format!("{:02}.wav,{},{},{}", i / 2, i % 2, i % 2 + 1, emotion(i)));
    let found = proposed(
        20,
        &[("t.csv", table("file,start,end,emotion", rows))],
        None,
        None,
    )
    .unwrap();
    assert_eq!(
        (found.size().as_str(), found.counts()["anger"]),
        ("40 segments of 20 recordings", 20)
    );
    assert!(
        !found
            .warnings
            .iter()
            .any(|doubt| doubt.contains("several rows"))
    );
}

#[test]
fn older_tables_are_read_and_unreadable_ones_named() {
    let text: String = std::iter::once("file;emotion;VP_Nr\n".to_owned())
        .chain((0..20).map(|i| format!("{i:02};{};{}\n", ["wütend", "fröhlich"][i % 2], i % 3)))
        .collect();
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let found = proposed(20, &[("t.csv", latin)], None, None).unwrap();
    assert_eq!(
        (
            found.rows.len(),
            found.speakers().len(),
            found.counts()["anger"]
        ),
        (20, 3, 10)
    );
    says(
        &found.warnings,
        "t.csv is not UTF-8 and is read as Windows-1252",
    );
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let in_utf16 = proposed(20, &[("t.csv", wide)], None, None).unwrap();
    assert_eq!(
        (in_utf16.rows, in_utf16.classes),
        (found.rows, found.classes)
    );
}

#[test]
fn columns_may_be_said() {
    let labels = table(
        "file,emotion,mood,who",
        (0..20).map(|i| format!("{i:02}.wav,{},m{},w{}", emotion(i), i % 2, i % 4)),
    );
    let who = table("file,leader", (0..20).map(|i| format!("{i:02},l{}", i % 5)));
    let tables = [("a.csv", labels), ("who.csv", who)];
    let found = proposed(20, &tables, None, None).unwrap();
    assert!(found.speakers().is_empty());
    says(
        &found.warnings,
        "the table who.csv: column file names the recordings, but none holds emotions: leader (5 values)",
    );
    let found = proposed(20, &tables, Some("column:mood"), Some("column:WHO")).unwrap();
    assert_eq!((found.counts()["m0"], found.speakers().len()), (10, 4));
    assert_eq!(
        proposed(20, &tables, None, Some("column:leader"))
            .unwrap()
            .speakers()
            .len(),
        5
    );
    assert_eq!(
        proposed(20, &tables, None, Some("letters:1"))
            .unwrap()
            .speakers()
            .len(),
        20
    );
    assert!(
        proposed(20, &tables, None, Some("column:x"))
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("who.csv has file")
    );
    assert!(
        proposed(20, &tables, Some("column:x"), None)
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("none is x")
    );
}

#[test]
fn tables_that_name_no_recordings_are_told_where_nothing_else_helps() {
    let other = table("a,b", (0..20).map(|i| format!("{i}x,{i}")));
    let error = proposed(4, &[("notes.csv", other)], None, None).unwrap_err();
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("tables: notes.csv: no column names the recordings"),
        "{:?}",
        error.hint_text()
    );
}

/// Files with their content, and the folders that they stand in.
fn put(root: &std::path::Path, files: &[(&str, Vec<u8>)]) {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// A folder of these recordings and tables, as it is proposed.
fn laid_out(recordings: &[String], tables: &[(&str, Vec<u8>)]) -> Result<Proposal> {
    let dir = tempfile::tempdir().unwrap();
    let recordings: Vec<(&str, Vec<u8>)> = recordings
        .iter()
        .map(|name| (name.as_str(), vec![]))
        .collect();
    put(dir.path(), &recordings);
    put(dir.path(), tables);
    propose(dir.path(), Some("x"), &Choices::default())
}

fn counts(found: &Proposal) -> Vec<(&str, usize)> {
    found.counts().into_iter().collect()
}

#[test]
fn rows_of_recordings_that_are_not_there_label_no_others_of_the_same_name() {
    let there: Vec<String> = (0..8).map(|i| format!("s4/{i}.wav")).collect();
    let rows = |speakers: &'static [&str]| {
        let row = move |i: usize, s: &str| {
            format!(
                "{s}/{i}.wav,{},{s}",
                if s == "s4" { emotion(i) } else { "joy" }
            )
        };
        table(
            "file,emotion,speaker",
            (0..8).flat_map(move |i| speakers.iter().map(move |s| row(i, s))),
        )
    };
    let found = laid_out(&there, &[("labels.csv", rows(&["s1", "s4"]))]).unwrap();
    assert_eq!(counts(&found), [("anger", 4), ("sadness", 4)]);
    assert_eq!(found.speakers().into_iter().collect::<Vec<_>>(), ["s4"]);
    says(
        &found.warnings,
        "in 8 rows, labels.csv names recordings that are not there, such as s1/0.wav",
    );
    // A table of others alone is none of these recordings.
    let error = laid_out(&there, &[("labels.csv", rows(&["s1"]))]).unwrap_err();
    assert!(
        error.hint_text().unwrap().contains(
            "column file names recordings in folders that are not there: 8 rows, such as s1/0.wav"
        ),
        "{error}"
    );
}

#[test]
fn a_missing_label_is_no_class_in_a_table() {
    let labels = table(
        "file,emotion,speaker",
        (0..24).map(|i| {
            format!(
                "{i:02}.wav,{},s{}",
                if i % 4 == 0 { "None" } else { emotion(i) },
                i % 3
            )
        }),
    );
    let found = proposed(24, &[("labels.csv", labels)], None, None).unwrap();
    assert_eq!(counts(&found), [("anger", 6), ("sadness", 12)]);
    says(
        &found.warnings,
        "in 6 rows, labels.csv gives no emotion (`None`): left out",
    );
}

#[test]
fn of_two_emotions_that_disagree_none_is_taken() {
    let paths: Vec<String> = ["anger", "fear", "sadness"]
        .iter()
        .flat_map(|a| {
            ["fear", "sadness", "anger"]
                .iter()
                .filter(move |b| *b != a)
                .flat_map(move |b| (0..3).map(move |k| format!("{a}_{b}/{k}_{a}_{b}.wav")))
        })
        .collect();
    let error = laid_out(&paths, &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("are emotions, and they differ in 18 of 18 recordings"),
        "{error}"
    );
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("--emotion folder:1.1 (")
            && error
                .hint_text()
                .unwrap()
                .contains("--emotion folder:1.2 (")
    );
    // One slip of a name is told, and is no reason to stop.
    let slip: Vec<String> = (0..40)
        .map(|i| {
            format!(
                "{}/{i:02}_{}.wav",
                emotion(i),
                if i == 7 { "angry" } else { emotion(i) }
            )
        })
        .collect();
    says(
        &laid_out(&slip, &[]).unwrap().warnings,
        "tells another emotion of 1 recording, such as sad/07_angry.wav (sad and angry)",
    );
    // Columns, too, unless one of them alone is called after emotions.
    let two = |header: &str| {
        table(
            header,
            (0..20).map(|i| format!("{i:02}.wav,{},{}", emotion(i), emotion(i / 2))),
        )
    };
    let error = proposed(20, &[("t.csv", two("file,acted,heard"))], None, None).unwrap_err();
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("columns acted and heard both hold emotions, which differ in 10 of 20 rows"),
        "{error:?}"
    );
    let found = proposed(
        20,
        &[("t.csv", two("file,acted,heard"))],
        Some("column:heard"),
        None,
    )
    .unwrap();
    assert_eq!(found.rows[1].emotion, "angry");
    let found = proposed(20, &[("t.csv", two("file,acted,emotion"))], None, None).unwrap();
    assert_eq!(found.rows[1].emotion, "angry");
    says(
        &found.warnings,
        "could also be column acted of t.csv (10 rows differ)",
    );
}

#[test]
fn tables_of_the_parts_of_a_split_belong_together() {
    let paths: Vec<String> = (0..30).map(|i| format!("wavs/{i:02}.wav")).collect();
    let part = |range: std::ops::Range<usize>| {
        table(
            "path,emotion,speaker",
            range.map(|i| format!("wavs/{i:02}.wav,{},s{}", emotion(i), i / 5)),
        )
    };
    let tables = [
        ("my_train.csv", part(0..15)),
        ("my_val.csv", part(15..20)),
        ("my_test.csv", part(20..30)),
    ];
    let found = laid_out(&paths, &tables).unwrap();
    assert_eq!(counts(&found), [("anger", 15), ("sadness", 15)]);
    assert!(
        found.is_parted() && found.speakers().len() == 6,
        "{:#?}",
        found.warnings
    );
    let of = |part: &str| {
        found
            .rows
            .iter()
            .filter(|row| row.columns["split"] == part)
            .count()
    };
    assert_eq!([of("train"), of("validation"), of("test")], [15, 5, 10]);
    says(
        &found.evidence,
        "the tables my_test.csv, my_train.csv, my_val.csv: column path names the recordings",
    );
    // A table of all of them says no more than these do.
    let found = laid_out(&paths, &[&tables[..], &[("all.csv", part(0..30))]].concat()).unwrap();
    assert!(found.is_parted());
    says(
        &found.warnings,
        "all.csv also names the recordings; 0 labels differ",
    );
    // Of two versions of one table only one counts.
    let found = laid_out(
        &paths,
        &[("old.csv", part(0..20)), ("test.csv", part(0..30))],
    )
    .unwrap();
    assert!(!found.is_parted() && found.rows.len() == 30);
}

#[test]
fn a_table_of_a_few_recordings_does_not_win_over_the_paths() {
    let paths: Vec<String> = (0..20)
        .map(|i| format!("s{}/{}/{i:02}.wav", i / 5, emotion(i)))
        .collect();
    let two = table("file,emotion", (0..2).map(|i| format!("{i:02}.wav,joy")));
    let found = laid_out(&paths, &[("two.csv", two)]).unwrap();
    assert_eq!(counts(&found), [("anger", 10), ("sadness", 10)]);
    assert_eq!(found.speakers().len(), 4);
    says(
        &found.warnings,
        "2 recordings have an emotion in two.csv, which is not used, since the paths tell those of 20 (2 differ)",
    );
    // Where the paths tell nothing, the table is what there is.
    let bare: Vec<String> = (0..20).map(|i| format!("{i:02}.wav")).collect();
    let some = table(
        "file,emotion",
        (0..12).map(|i| format!("{i:02}.wav,{}", emotion(i))),
    );
    assert_eq!(
        laid_out(&bare, &[("some.csv", some)]).unwrap().rows.len(),
        12
    );
}

#[test]
fn lists_without_a_header_are_read_by_the_numbers_of_their_columns() {
    let list: String = (0..20)
        .map(|i| format!("wavs/{i:02}.wav|s{}|{}\n", i % 4, emotion(i)))
        .collect();
    let paths: Vec<String> = (0..20).map(|i| format!("wavs/{i:02}.wav")).collect();
    let found = laid_out(&paths, &[("list.txt", list.into_bytes())]).unwrap();
    assert_eq!(counts(&found), [("anger", 10), ("sadness", 10)]);
    says(
        &found.evidence,
        "column 1 names the recordings, column 3 the emotion",
    );
}

#[test]
fn tables_in_json_are_read() {
    let lines = |range: std::ops::Range<usize>| -> Vec<u8> {
        let line = |i: usize| {
            format!(
                "{{\"file_name\": \"{i:02}.wav\", \"emotion\": \"{}\", \"speaker_id\": {}}}\n",
                emotion(i),
                i % 3
            )
        };
        range.map(line).collect::<String>().into_bytes()
    };
    // Each beside its recordings, as the Hugging Face audiofolder has them.
    let paths: Vec<String> = (0..20)
        .map(|i| format!("{}/{i:02}.wav", if i < 12 { "train" } else { "test" }))
        .collect();
    let found = laid_out(
        &paths,
        &[
            ("train/metadata.jsonl", lines(0..12)),
            ("test/metadata.jsonl", lines(12..20)),
        ],
    )
    .unwrap();
    assert_eq!(counts(&found), [("anger", 10), ("sadness", 10)]);
    assert!(found.is_parted() && found.speakers().len() == 3);
    // ShEMO: names are those of the recordings, without their extensions.
    let entries: Vec<String> = (0..20)
        .map(|i| format!("\"F{i:02}A01\": {{\"speaker_id\": \"F{}\", \"gender\": \"female\", \"emotion\": \"{}\"}}", i % 4, emotion(i)))
        .collect();
    let paths: Vec<String> = (0..20).map(|i| format!("female/F{i:02}A01.wav")).collect();
    let found = laid_out(
        &paths,
        &[(
            "shemo.json",
            format!("{{{}}}", entries.join(", ")).into_bytes(),
        )],
    )
    .unwrap();
    assert_eq!(
        (counts(&found), found.speakers().len()),
        (vec![("anger", 10), ("sadness", 10)], 4)
    );
    assert!(found.rows.iter().all(|row| row.columns["sex"] == "female"));
}

#[test]
fn dialogues_are_found_in_the_folder_of_their_part() {
    let paths: Vec<String> = [("train_splits", 10), ("dev_splits_complete", 4)]
        .iter()
        .flat_map(|(folder, n)| (0..*n).map(move |i| format!("{folder}/dia{i}_utt0.wav")))
        .collect();
    let rows = |n: usize, shift: usize| -> Vec<u8> {
        let row =
            move |i: usize| format!("{i},it\u{92}s,Ross,{},neutral,{i},0\n", emotion(i + shift));
        let text = format!(
            "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n{}",
            (0..n).map(row).collect::<String>()
        );
        text.chars().map(|c| c as u8).collect()
    };
    // The last two of the second table are not there, though recordings of the same name are in the
    // other part.
    let found = laid_out(
        &paths,
        &[
            ("train_sent_emo.csv", rows(10, 0)),
            ("dev_sent_emo.csv", rows(6, 1)),
        ],
    )
    .unwrap();
    assert_eq!(found.rows.len(), 14, "{:#?}", found.warnings);
    let dev: Vec<&Row> = found
        .rows
        .iter()
        .filter(|row| row.path.starts_with("dev"))
        .collect();
    assert!(dev.iter().all(|row| row.columns["split"] == "validation"));
    assert_eq!(
        dev.iter()
            .map(|row| row.emotion.as_str())
            .collect::<Vec<_>>(),
        ["sad", "angry", "sad", "angry"]
    );
    says(
        &found.warnings,
        "in 2 rows, dev_sent_emo.csv names recordings that are not there, such as /dia4_utt0",
    );
    says(
        &found.warnings,
        "train_sent_emo.csv is not UTF-8 and is read as Windows-1252",
    );
}

#[test]
fn the_consensus_table_of_msp_podcast_is_read() {
    let paths: Vec<String> = (0..40)
        .map(|i| format!("Audios/MSP-PODCAST_{i:04}_0001.wav"))
        .collect();
    let row = |i: usize| {
        let (code, part) = (
            ["A", "S", "N", "U", "X"][i % 5],
            ["Train", "Development", "Test1", "Test2"][i % 4],
        );
        format!(
            "MSP-PODCAST_{i:04}_0001.wav,{code},4.2,{},{},{part}",
            if i.is_multiple_of(8) {
                "Unknown".to_owned()
            } else {
                (i % 7).to_string()
            },
            ["Male", "Female", "Unknown"][i % 3]
        )
    };
    let labels = table(
        "FileName,EmoClass,EmoVal,SpkrID,Gender,Split_Set",
        (0..40).map(row),
    );
    let parts = (0..40)
        .map(|i| format!("Train; MSP-PODCAST_{i:04}_0001.wav\n"))
        .collect::<String>();
    let found = laid_out(
        &paths,
        &[
            ("Labels/labels_consensus.csv", labels),
            ("Partitions.txt", parts.into_bytes()),
        ],
    )
    .unwrap();
    assert_eq!(
        counts(&found),
        [
            ("anger", 8),
            ("neutral", 8),
            ("sadness", 8),
            ("surprise", 8)
        ]
    );
    let of = |part: &str| {
        found
            .rows
            .iter()
            .filter(|row| row.columns["split"] == part)
            .count()
    };
    assert_eq!([of("train"), of("validation"), of("test")], [8, 8, 16]);
    assert_eq!(
        found
            .rows
            .iter()
            .filter(|row| !row.columns.contains_key("sex"))
            .count(),
        11
    );
    assert_eq!(
        found
            .rows
            .iter()
            .filter(|row| row.speaker.is_none())
            .count(),
        4
    );
    says(
        &found.warnings,
        "recordings on whose emotion the raters do not agree (X) are left out",
    );
    let unclear = found
        .set_aside
        .iter()
        .filter(|aside| aside.detail.contains("raters"));
    assert!(unclear.count() > 0);
    says(
        &found.warnings,
        "in 13 cells, column Gender of Labels/labels_consensus.csv gives no sex, such as Unknown: left empty",
    );
}

#[test]
fn spreadsheets_and_the_iemocap_release_are_named() {
    let bare: Vec<String> = (0..8).map(|i| format!("{i:02}.wav")).collect();
    let error = laid_out(&bare, &[("labels.xlsx", b"PK".to_vec())]).unwrap_err();
    assert!(error.hint_text().unwrap().contains(
        "labels.xlsx: a spreadsheet, which ser does not read: export the sheet of labels as CSV"
    ));
    let error = laid_out(
        &["IEMOCAP_full_release/Session1/dialog/EmoEvaluation/x.wav".to_owned()],
        &[],
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("official release of IEMOCAP")
            && error.hint_text().unwrap().contains("ser init iemocap"),
        "{error}"
    );
}

#[test]
fn spellings_of_one_name_are_told() {
    let labels = table(
        "file,emotion,speaker",
        (0..20).map(|i| {
            format!(
                "{i:02}.wav,{},{}",
                ["vola", "Vola", "mira"][i % 3],
                ["1", "1.0", "2"][i % 3]
            )
        }),
    );
    let found = proposed(20, &[("t.csv", labels)], None, None).unwrap();
    says(
        &found.warnings,
        "classes that differ in their spelling alone are kept apart: Vola and vola; give them one class in label_map",
    );
    says(
        &found.warnings,
        "speakers whose names differ in their spelling alone count as different voices: 1 and 1.0",
    );
}

#[test]
fn several_corpora_are_refused_though_one_has_a_table() {
    let crema = ["1001", "1002"].into_iter().flat_map(|s| {
        ["ANG_DFA", "HAP_IEO", "SAD_TIE", "NEU_ITS"].map(|e| {
            let (emotion, text) = e.split_once('_').unwrap();
            format!("crema/{s}_{text}_{emotion}_XX.wav")
        })
    });
    for named in ["anna_wut", "a"] {
        let lab: Vec<String> = (0..8).map(|i| format!("lab/{named}_{i}.wav")).collect();
        let labels = |paths: &[String]| {
            table(
                "Datei,Emotion",
                paths.iter().enumerate().map(|(i, path)| {
                    format!("{path},{}", ["Wut", "Freude", "Trauer", "neutral"][i % 4])
                }),
            )
        };
        let all: Vec<String> = lab.iter().cloned().chain(crema.clone()).collect();
        let error = laid_out(&all, &[("lab/labels.csv", labels(&lab))]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("holds 2 corpora: crema/ (CREMA-D), lab/"),
            "{error}"
        );
        // A table of both makes one corpus of them.
        let found = laid_out(&all, &[("labels.csv", labels(&all))]).unwrap();
        assert_eq!((found.rows.len(), found.set_aside.len()), (16, 0));
    }
}

#[test]
fn a_recording_that_a_table_leaves_without_a_label_has_none_whatever_its_name_says() {
    let name = |i: usize| format!("s{}_{}_{i:02}.wav", i % 3, ["angry", "sad"][i % 2]);
    let paths: Vec<String> = (0..20).map(name).collect();
    let rows = (0..19).map(|i| {
        let said = if i % 5 == 0 { "" } else { emotion(i) };
        format!("{},{said},f,p{}", name(i), i % 3)
    });
    let found = laid_out(
        &paths,
        &[("labels.csv", table("file,emotion,sex,speaker", rows))],
    )
    .unwrap();
    assert_eq!(found.rows.len(), 15);
    assert!(found.guessed.is_empty() && found.speakers().contains("p0"));
    says(
        &found.warnings,
        "in 4 rows, labels.csv gives no emotion (an empty cell, or one like it)",
    );
    says(&found.warnings, "not in labels.csv: 1 recording, left out");
    // The manifest names all, and a run counts those that are not used.
    let manifest = String::from_utf8(super::super::manifest(&found).unwrap()).unwrap();
    assert_eq!(manifest.lines().count(), 21);
    assert!(
        manifest.starts_with("path,emotion,speaker,sex,excluded\n"),
        "{manifest}"
    );
    assert!(manifest.contains("s0_angry_00.wav,,p0,female,labels.csv gives it no emotion\n"));
    assert!(manifest.contains("s1_sad_19.wav,,unknown,,it is not in labels.csv\n"));
}

#[test]
fn a_column_for_each_emotion_is_named_as_such() {
    let is = |yes: bool| if yes { "yes" } else { "no" };
    let rows = (0..8).map(|i| format!("{i:02}.wav,{},{}", is(i % 2 == 0), is(i % 2 == 1)));
    let error = proposed(
        8,
        &[("labels.csv", table("file,angry,sad", rows))],
        None,
        None,
    );
    let error = error.unwrap_err();
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("columns angry, sad are one for each emotion"),
        "{hint}"
    );
}
