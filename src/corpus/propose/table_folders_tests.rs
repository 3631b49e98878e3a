//! Tables whose names come again in other folders, and rows of recordings that are not there.

use super::tests::{counts, hint, laid_out, says, table};
use crate::corpus::Reason;
use crate::corpus::propose::manifest;

const EMOTIONS: [&str; 3] = ["Wut", "Trauer", "Neutral"];

/// Patients, sessions and numbers: 3 × 2 × 6 recordings, `P-004/Sitzung 1/Aufnahme_001.wav`.
fn clinic() -> Vec<(&'static str, usize, usize)> {
    let of_patient = |patient| {
        (1..=2).flat_map(move |session| (1..=6).map(move |number| (patient, session, number)))
    };
    ["P-004", "P-017", "P-112"]
        .into_iter()
        .flat_map(of_patient)
        .collect()
}

fn recordings() -> Vec<String> {
    let path = |(patient, session, number)| {
        format!("{patient}/Sitzung {session}/Aufnahme_{number:03}.wav")
    };
    clinic().into_iter().map(path).collect()
}

/// The emotion of a recording: another one in each folder for the same name.
fn emotion((patient, session, number): (&str, usize, usize)) -> &'static str {
    EMOTIONS[(patient.len() + patient.as_bytes()[4] as usize + session + number) % 3]
}

fn rows() -> impl Iterator<Item = String> {
    clinic().into_iter().map(|one| {
        let (patient, session, number) = one;
        format!(
            "{patient};{session};Aufnahme_{number:03}.wav;{}",
            emotion(one)
        )
    })
}

#[test]
fn folders_in_columns_of_their_own_tell_which_recording_is_meant() {
    // The recording of one row is not there.
    let rows = rows().chain(["P-017;2;Aufnahme_009.wav;Wut".to_owned()]);
    let labels = table("Patient;Sitzung;Datei;Gefühl", rows);
    let found = laid_out(&recordings(), &[("Auswertung.csv", labels)]).unwrap();
    says(
        &found.evidence,
        "column Datei in the folders of Patient (folder:1) and Sitzung (folder:2) names the recordings",
    );
    assert_eq!(found.recordings(), 36);
    for (one, path) in clinic().into_iter().zip(recordings()) {
        let row = found.rows.iter().find(|row| row.path == path).unwrap();
        assert_eq!(row.emotion, emotion(one), "{path}");
    }
    says(
        &found.warnings,
        "column Patient (3 values) could be the speaker, its values are those of folder:1: say --speaker \"column:Patient\" if it is",
    );
    let [gone] = &found.set_aside[..] else {
        panic!("{:?}", found.set_aside);
    };
    assert_eq!(
        (gone.path.as_str(), gone.reason, gone.detail.as_str()),
        (
            "P-017/2/Aufnahme_009.wav",
            Reason::MissingAudio,
            "line 38 of Auswertung.csv names it, which is not there"
        )
    );
    let manifest = String::from_utf8(manifest(&found).unwrap()).unwrap();
    assert!(
        manifest.contains("P-017/2/Aufnahme_009.wav,,unknown,")
            && manifest.contains("line 38 of Auswertung.csv"),
        "{manifest}"
    );
}

#[test]
fn names_that_come_again_are_ambiguous_without_columns_of_folders() {
    let rows = clinic()
        .into_iter()
        .map(|one| format!("Aufnahme_{:03}.wav,{}", one.2, emotion(one)));
    let refused = hint(laid_out(
        &recordings(),
        &[("l.csv", table("Datei,Gefühl", rows))],
    ));
    assert!(
        refused.contains(
            "column Datei names recordings that lie in several folders (Aufnahme_001.wav in 6), and no column names the folders: write the folder \
             before the name (such as P-004/Sitzung 1/Aufnahme_001.wav)"
        ),
        "{refused}"
    );
    // Patients are no example of emotions.
    assert!(!refused.contains("such as --emotion"), "{refused}");
}

/// Six recordings of each of `folders`, all of the same names, with what a row has of each.
fn numbered(folders: usize) -> (Vec<String>, Vec<(usize, usize)>) {
    let all: Vec<(usize, usize)> = (1..=folders)
        .flat_map(|folder| (1..=6).map(move |number| (folder, number)))
        .collect();
    let path = |(folder, number): &(usize, usize)| format!("Sitzung {folder}/{number:03}.wav");
    (all.iter().map(path).collect(), all)
}

/// What is found with a table of one row for each recording of [`numbered`].
fn with_table(
    folders: usize,
    columns: &str,
    cells: impl Fn(usize, usize) -> String,
) -> crate::error::Result<crate::corpus::propose::Proposal> {
    let (paths, all) = numbered(folders);
    let rows = all.iter().map(|&(folder, number)| {
        let emotion = EMOTIONS[(folder + number) % 3];
        format!("{number:03}.wav;{};{emotion}", cells(folder, number))
    });
    let rows: Vec<String> = rows.collect();
    let labels = table(&format!("Datei;{columns};Gefühl"), rows.into_iter());
    laid_out(&paths, &[("l.csv", labels)])
}

#[test]
fn a_column_called_like_the_folders_is_believed_before_other_numbers() {
    for columns in [
        "Intensität;Sitzung",
        "Intensität;Sitzungsnr",
        "Intensität;Sitz.",
    ] {
        let found = with_table(2, columns, |folder, number| {
            format!("{};{folder}", 1 + number % 2)
        });
        let found = found.unwrap();
        assert_eq!(found.recordings(), 12);
        for (path, (folder, number)) in numbered(2).0.into_iter().zip(numbered(2).1) {
            let row = found.rows.iter().find(|row| row.path == path).unwrap();
            let wanted = ["anger", "sadness", "neutral"][(folder + number) % 3];
            let emotion = crate::corpus::propose::words::emotion(&row.emotion);
            assert_eq!(emotion, Some(wanted), "{path} of {columns}");
        }
    }
}

#[test]
fn numbers_that_may_be_of_anything_name_folders_only_where_nothing_speaks_against_it() {
    // Each row finds another recording.
    let found = with_table(2, "Tag", |folder, _| folder.to_string()).unwrap();
    assert_eq!(found.recordings(), 12);
    // A rating of 1 to 5 beside five folders.
    let rated = hint(with_table(5, "Rating", |folder, number| {
        (1 + (folder * number) % 5).to_string()
    }));
    assert!(
        rated.contains("the numbers of Rating (folder:1) may be those of folders or anything else"),
        "{rated}"
    );
    let both = hint(with_table(2, "Intensität;Tag", |folder, number| {
        format!("{};{folder}", 1 + number % 2)
    }));
    assert!(
        both.contains("Intensität and Tag could each name these (folder:1)"),
        "{both}"
    );
    // Two columns of the same numbers are one.
    let found = with_table(2, "Tag;Termin", |folder, _| format!("{folder};{folder}")).unwrap();
    assert_eq!(found.recordings(), 12);
    // Where no name comes again in the table, nothing says that a number is that of a folder.
    let (paths, _) = numbered(5);
    let rows = (1..=6).map(|n| format!("{n:03}.wav;{};{}", 1 + n % 5, EMOTIONS[n % 3]));
    let once = hint(laid_out(
        &paths,
        &[("l.csv", table("Datei;Rating;Gefühl", rows))],
    ));
    assert!(once.contains("the numbers of Rating (folder:1)"), "{once}");
}

#[test]
fn rows_of_recordings_that_are_not_there_are_excluded_with_their_lines() {
    let recordings: Vec<String> = (0..12).map(|i| format!("{i:02}.wav")).collect();
    let rows = (0..12).map(|i| format!("{i:02}.wav,{}", EMOTIONS[i % 3]));
    let rows = ["a\\99.wav,Wut".to_owned()]
        .into_iter()
        .chain(rows)
        .chain(["77,Wut".to_owned()]);
    let found = laid_out(&recordings, &[("l.csv", table("file,emotion", rows))]).unwrap();
    assert_eq!(
        counts(&found),
        [("anger", 4), ("neutral", 4), ("sadness", 4)]
    );
    let aside: Vec<(&str, &str)> = (found.set_aside.iter())
        .map(|aside| (aside.path.as_str(), aside.detail.as_str()))
        .collect();
    assert_eq!(
        aside,
        [
            ("77", "line 15 of l.csv names it, which is not there"),
            ("a/99.wav", "line 2 of l.csv names it, which is not there"),
        ]
    );
}

#[test]
fn labels_that_nobody_knows_are_none_and_brackets_make_no_class() {
    let recordings: Vec<String> = (0..16).map(|i| format!("{i:02}.wav")).collect();
    let words = ["wut (sicher)", "wut (unsicher)", "Fröhlichkeit", "k.A."];
    let rows = (0..16).map(|i| format!("{i:02}.wav,{},VP{}", words[i % 4], i / 8));
    let found = laid_out(&recordings, &[("l.csv", table("file,emotion,VP", rows))]).unwrap();
    assert_eq!(counts(&found), [("anger", 8), ("happiness", 4)]);
    assert_eq!(found.set_aside.len(), 4);
    says(
        &found.warnings,
        "what labels have in brackets is ignored: wut (sicher) as anger, wut (unsicher) as anger",
    );
    // So is a speaker that nobody knows.
    let rows = (0..16).map(|i| {
        let speaker = ["VP1", "VP2", "keine Angabe", "unbekannt"][i / 4];
        format!("{i:02}.wav,{},{speaker}", ["wut", "trauer"][i % 2])
    });
    let found = laid_out(&recordings, &[("l.csv", table("file,emotion,VP", rows))]).unwrap();
    assert_eq!(
        found.speakers().into_iter().collect::<Vec<_>>(),
        ["VP1", "VP2"]
    );
    says(&found.warnings, "speakers are not known of 8 of 16 rows");
}
