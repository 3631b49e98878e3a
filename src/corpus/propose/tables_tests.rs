use std::collections::BTreeSet;

use super::*;
use crate::corpus::propose::{Proposal, propose};

/// A folder of `n` recordings and the given tables, as it is proposed.
fn proposed(n: usize, tables: &[(&str, Vec<u8>)], emotion: Option<&str>, speaker: Option<&str>) -> Result<Proposal> {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..n {
        std::fs::write(dir.path().join(format!("{i:02}.wav")), "").unwrap();
    }
    for (name, text) in tables {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let choices = Choices { emotion: emotion.map(|f| f.parse().unwrap()), speaker: speaker.map(|f| f.parse().unwrap()) };
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
    assert!(lines.iter().any(|line| line.contains(part)), "{part} is not in {lines:#?}");
}

#[test]
fn a_table_of_recordings_is_believed_before_one_of_votes() {
    let votes = table("file,emotion", (0..60).map(|i| format!("{:02}.wav,{}", i / 3, if i % 3 == 2 { "joy" } else { emotion(i / 3) })));
    let labels = table("file,emotion,Sprecher,room", (0..20).map(|i| format!("{i:02}.wav,{},s{},r{}", emotion(i), i % 4, i % 5)));
    let found = proposed(20, &[("labels.csv", labels), ("a_votes.csv", votes.clone())], None, None).unwrap();
    assert_eq!((found.size().as_str(), found.speakers().len()), ("20 recordings", 4));
    says(&found.doubts, "a_votes.csv also names the recordings; 20 labels differ from those of labels.csv");
    says(&found.evidence, "not used: room (5 values)");
    let found = proposed(20, &[("votes.csv", votes)], None, None).unwrap();
    // Two of three votes are the same.
    assert_eq!(found.size(), "40 rows for 20 recordings");
    assert_eq!(found.counts().into_iter().collect::<Vec<_>>(), [("anger", 10), ("sadness", 10)]);
    says(&found.doubts, "20 recordings or segments stand in several rows that differ in emotion or speaker, such as 00.wav (angry, joy)");
}

#[test]
fn segments_are_no_repeats() {
    let rows = (0..40).map(|i| format!("{:02}.wav,{},{},{}", i / 2, i % 2, i % 2 + 1, emotion(i)));
    let found = proposed(20, &[("t.csv", table("file,start,end,emotion", rows))], None, None).unwrap();
    assert_eq!((found.size().as_str(), found.counts()["anger"]), ("40 segments of 20 recordings", 20));
    assert!(!found.doubts.iter().any(|doubt| doubt.contains("several rows")));
}

#[test]
fn older_tables_are_read_and_unreadable_ones_named() {
    let text: String = std::iter::once("file;emotion;VP_Nr\n".to_owned())
        .chain((0..20).map(|i| format!("{i:02};{};{}\n", ["wütend", "fröhlich"][i % 2], i % 3)))
        .collect();
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let found = proposed(20, &[("t.csv", latin)], None, None).unwrap();
    assert_eq!((found.rows.len(), found.speakers().len(), found.counts()["anger"]), (20, 3, 10));
    says(&found.doubts, "t.csv is not UTF-8 and is read as Windows-1252");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let error = proposed(20, &[("t.csv", wide)], None, None).unwrap_err();
    assert!(error.hint_text().unwrap().contains("t.csv: is not UTF-8 text (save the manifest as CSV in UTF-8"), "{:?}", error.hint_text());
}

#[test]
fn columns_may_be_said() {
    let labels = table("file,emotion,mood,who", (0..20).map(|i| format!("{i:02}.wav,{},m{},w{}", emotion(i), i % 2, i % 4)));
    let who = table("file,leader", (0..20).map(|i| format!("{i:02},l{}", i % 5)));
    let tables = [("a.csv", labels), ("who.csv", who)];
    let found = proposed(20, &tables, None, None).unwrap();
    assert!(found.speakers().is_empty());
    says(&found.doubts, "the table who.csv: column file names the recordings, but none holds emotions: leader (5 values)");
    let found = proposed(20, &tables, Some("column:mood"), Some("column:WHO")).unwrap();
    assert_eq!((found.counts()["m0"], found.speakers().len()), (10, 4));
    assert_eq!(proposed(20, &tables, None, Some("column:leader")).unwrap().speakers().len(), 5);
    assert_eq!(proposed(20, &tables, None, Some("letters:1")).unwrap().speakers().len(), 20);
    assert!(proposed(20, &tables, None, Some("column:x")).unwrap_err().hint_text().unwrap().contains("who.csv has file"));
    assert!(proposed(20, &tables, Some("column:x"), None).unwrap_err().hint_text().unwrap().contains("none is x"));
}

#[test]
fn tables_that_name_no_recordings_are_told_where_nothing_else_helps() {
    let other = table("a,b", (0..20).map(|i| format!("{i}x,{i}")));
    let error = proposed(4, &[("notes.csv", other)], None, None).unwrap_err();
    assert!(error.hint_text().unwrap().contains("tables: notes.csv: no column names the recordings"), "{:?}", error.hint_text());
}

#[test]
fn names_of_a_mac_are_found() {
    let files: Vec<String> = ["wu\u{308}t/a.wav", "x.wav"].map(str::to_owned).into();
    let names = Names::of(&files);
    assert_eq!(names.find("", "wüt/a.wav"), Some(&files[0]));
    assert_eq!([names.find("", "./x"), names.find("", "a"), names.find("", "b")], [Some(&files[1]), Some(&files[0]), None]);
    assert_eq!(differing(&[], &[]), 0);
    assert!(BTreeSet::from([names.find("wu\u{308}t/", "a.wav")]).contains(&Some(&files[0])));
}
