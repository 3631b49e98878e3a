use super::*;
use crate::cancel::Cancel;
use crate::corpus::propose::{Choices, Proposal};

fn propose(root: &std::path::Path, name: Option<&str>, choices: &Choices) -> Result<Proposal> {
    crate::corpus::propose::propose(root, name, choices, &Cancel::default())
}

/// A folder of `n` recordings and the given tables, as it is proposed.
pub(super) fn proposed(
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

pub(super) fn table(header: &str, rows: impl Iterator<Item = String>) -> Vec<u8> {
    format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n")).into_bytes()
}

pub(super) fn emotion(i: usize) -> &'static str {
    ["angry", "sad"][i % 2]
}

#[track_caller]
pub(super) fn says(lines: &[String], part: &str) {
    assert!(
        lines.iter().any(|line| line.contains(part)),
        "{part} is not in {lines:#?}"
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
pub(super) fn laid_out(recordings: &[String], tables: &[(&str, Vec<u8>)]) -> Result<Proposal> {
    let dir = tempfile::tempdir().unwrap();
    let recordings: Vec<(&str, Vec<u8>)> = recordings
        .iter()
        .map(|name| (name.as_str(), vec![]))
        .collect();
    put(dir.path(), &recordings);
    put(dir.path(), tables);
    propose(dir.path(), Some("x"), &Choices::default())
}

pub(super) fn counts(found: &Proposal) -> Vec<(&str, usize)> {
    found.counts().into_iter().collect()
}

/// The hint of a refusal.
pub(super) fn hint(result: Result<Proposal>) -> String {
    let error = result.expect_err("refused");
    error.hint_text().unwrap_or_default().to_owned()
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
    let unknown = |emotion, speaker| hint(proposed(20, &tables, emotion, speaker));
    assert!(unknown(None, Some("column:x")).contains("who.csv has file"));
    assert!(unknown(Some("column:x"), None).contains("none is x"));
}

#[test]
fn tables_that_name_no_recordings_are_told_where_nothing_else_helps() {
    let other = table("a,b", (0..20).map(|i| format!("{i}x,{i}")));
    let hint = hint(proposed(4, &[("notes.csv", other)], None, None));
    assert!(
        hint.contains("tables: notes.csv: no column names the recordings"),
        "{hint}"
    );
}

#[test]
fn a_table_of_recordings_that_cannot_be_read_is_told_although_the_paths_have_labels() {
    let recordings: Vec<String> = (0..24)
        .map(|i| format!("s{}_{}_{i}.wav", i % 3, emotion(i)))
        .collect();
    let rows = |cells: &dyn Fn(&String) -> String| recordings.iter().map(cells).collect::<Vec<_>>();
    let more_cells = rows(&|name| format!("{name},angry,well, you know"));
    let blanks = rows(&|name| format!("{name} angry"));
    for (header, rows, said) in [
        (
            "path,emotion,text",
            more_cells,
            "m.csv: no row can be used: m.csv: 24 rows left out",
        ),
        (
            "path emotion",
            blanks,
            "m.csv: the cells of 24 rows begin with names of recordings",
        ),
    ] {
        let table = table(header, rows.into_iter());
        let found = laid_out(&recordings, &[("m.csv", table)]).unwrap();
        assert!(found.guessed.contains(&"emotion"));
        says(&found.warnings, said);
    }
}

#[test]
fn a_sex_that_nobody_knows_leaves_its_cell_empty() {
    let rows = (0..24).map(|i| {
        let sex = ["unknown", "unbekannt", "Female", "女性"][i % 4];
        format!("{i:02}.wav,{},s{},{sex}", emotion(i / 2), i % 4)
    });
    let tables = [("labels.csv", table("file,emotion,speaker,sex", rows))];
    let found = proposed(24, &tables, None, None).unwrap();
    let sexes = found.rows.iter().map(|row| row.columns.get("sex"));
    let sexes: Vec<Option<&str>> = sexes.map(|sex| sex.map(String::as_str)).collect();
    assert_eq!(sexes[..4], [None, None, Some("female"), Some("female")]);
    says(
        &found.warnings,
        "in 12 cells, column sex of labels.csv gives no sex, such as unknown: left empty",
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
    let hint = hint(proposed(
        20,
        &[("t.csv", two("file,acted,heard"))],
        None,
        None,
    ));
    assert!(
        hint.contains("columns acted and heard both hold emotions, which differ in 10 of 20 rows"),
        "{hint}"
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
