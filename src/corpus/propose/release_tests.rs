//! Tables as corpora are published with them.

use super::tests::{counts, emotion, hint, laid_out, proposed, says, table};
use super::*;

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
    let hint = hint(laid_out(&there, &[("labels.csv", rows(&["s1"]))]));
    assert!(
        hint.contains(
            "column file names recordings in folders that are not there: 8 rows, such as s1/0.wav"
        ),
        "{hint}"
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
    let hint = hint(laid_out(&bare, &[("labels.xlsx", b"PK".to_vec())]));
    assert!(
        hint.contains(
            "labels.xlsx: a spreadsheet, which ser does not read: export the sheet of labels as CSV"
        ),
        "{hint}"
    );
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
