//! Rows of small tables, and whose they are.

use std::fs;

use super::*;
use crate::cancel::Cancel;
use crate::error::Kind as Fault;
use crate::import::{ImportSettings, Imported};

fn read(text: impl AsRef<[u8]>, recordings: &[Recording]) -> Result<Imported> {
    with(ImportSettings::default(), text, recordings)
}

fn with(
    settings: ImportSettings,
    text: impl AsRef<[u8]>,
    recordings: &[Recording],
) -> Result<Imported> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, text).unwrap();
    let settings = ImportSettings {
        name: "x".to_owned(),
        path,
        ..settings
    };
    Imported::read(&settings, recordings, &Cancel::default())
}

fn whole<'a>(id: &'a str, path: &'a str) -> Recording<'a> {
    Recording {
        id,
        path,
        start_s: None,
        end_s: None,
        duration_s: Some(1.5),
    }
}

fn segment<'a>(id: &'a str, path: &'a str, start: f64, end: f64) -> Recording<'a> {
    Recording {
        start_s: Some(start),
        end_s: Some(end),
        duration_s: Some(end - start),
        ..whole(id, path)
    }
}

const TWO: [Recording; 2] = [
    Recording {
        id: "u1",
        path: "wav/a.wav",
        start_s: None,
        end_s: None,
        duration_s: Some(1.5),
    },
    Recording {
        id: "u2",
        path: "wav/b.wav",
        start_s: None,
        end_s: None,
        duration_s: Some(1.5),
    },
];

/// The first value of each recording; not a number where it has none.
fn firsts(imported: &Imported, recordings: usize) -> Vec<f32> {
    let first = |i| imported.row(i).map_or(f32::NAN, |row| row[0]);
    (0..recordings).map(first).collect()
}

#[test]
fn names_of_all_kinds_lead_to_their_recordings() {
    for (by, b, a) in [
        ("path", "wav/b.wav", "wav/a.wav"),
        ("path", "./wav/b.wav", "/home/x/corpus/wav/a.wav"),
        (
            "path",
            "../other/../wav/b.wav",
            "C:\\\\data\\\\wav\\\\a.wav",
        ),
        ("file name", "b.wav", "x/a.wav"),
        ("file name without extension", "b", "a.flac"),
        ("utterance id", "u2", "u1"),
    ] {
        let imported = read(format!("file,f0\n{b},2\n{a},1\n"), &TWO).unwrap();
        assert_eq!(firsts(&imported, 2), [1.0, 2.0], "{b}");
        assert_eq!(imported.summary.by, format!("{by} in `file`"), "{b}");
    }
    // Accents in two ways, a mark in front, and lines that end as in Windows.
    let accented = [whole("", "wav/\u{e9}.wav")];
    let text = "\u{feff}file;f0\r\nwav/e\u{301}.wav;7\r\n";
    assert_eq!(firsts(&read(text, &accented).unwrap(), 1), [7.0]);
    // A shorter way from elsewhere, where it is enough to tell.
    let deep = [whole("", "x/s1/a.wav"), whole("", "x/s2/a.wav")];
    let text = "file,f0\ns2/a.wav,2\ns1/a.wav,1\n";
    assert_eq!(firsts(&read(text, &deep).unwrap(), 2), [1.0, 2.0]);
}

#[test]
fn segments_are_told_by_their_times_and_a_whole_file_is_one() {
    let text = "file,start,end,f0\n\
        wav/a.wav,0 days 00:00:00,0 days 00:00:01.500000,1\n\
        wav/b.wav,0 days 00:00:00.250000,0 days 00:00:00.750000,2\n\
        wav/b.wav,0 days 00:00:00.750000,0 days 00:00:01.250000,3\n";
    let recordings = [
        whole("", "wav/a.wav"),
        segment("", "wav/b.wav", 0.75, 1.25),
        segment("", "wav/b.wav", 0.25, 0.75),
    ];
    let imported = read(text, &recordings).unwrap();
    assert_eq!(firsts(&imported, 3), [1.0, 3.0, 2.0]);
    assert_eq!(imported.summary.by, "path and times in `file`");
    // The end of a whole file may be left open, but no part of it is the whole.
    for (row, value) in [
        ("0,", 5.0),
        ("0,1.5", 5.0),
        ("0,1.2", f32::NAN),
        ("0.2,1.5", f32::NAN),
    ] {
        let text = format!("file,start,end,f0\nwav/a.wav,{row},5\nwav/b.wav,0,1.5,6\n");
        let found = firsts(&read(text, &TWO).unwrap(), 2);
        assert!(
            found[0] == value || (found[0].is_nan() && value.is_nan()),
            "{row}: {found:?}"
        );
        assert_eq!(found[1], 6.0);
    }
    let error = read("file,f0\nwav/b.wav,1\n", &recordings[1..])
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("of which the corpus has 2 segments"),
        "{error}"
    );
    let named = [
        segment("s1", "b.wav", 0.0, 1.0),
        segment("s2", "b.wav", 1.0, 2.0),
    ];
    assert_eq!(
        firsts(&read("id,f0\ns2,2\ns1,1\n", &named).unwrap(), 2),
        [1.0, 2.0]
    );
}

#[test]
fn what_has_no_features_is_counted_by_reason() {
    let five: Vec<String> = (0..5).map(|i| format!("{i}.wav")).collect();
    let recordings: Vec<Recording> = five.iter().map(|path| whole("", path)).collect();
    let text = "file,f0,f1,emotion_id,speaker,note\n\
        0.wav,1,2,0,7,x\n1.wav,,2,1,7,x\n2.wav,1,inf,0,8,x\n3.wav,1,1e300,0,8,x\n\
        0.wav,1,2,0,7,x\n9.wav,1,2,0,9,x\n";
    let imported = read(text, &recordings).unwrap();
    let found = &imported.summary;
    assert_eq!((found.matched, found.without_row, found.rows), (1, 1, 6));
    assert_eq!((found.repeated, found.strange), (1, 1));
    assert_eq!(found.first_strange.as_deref(), Some("9.wav"));
    let columns: Vec<(&str, usize)> = found
        .not_finite
        .iter()
        .map(|(c, n)| (c.as_str(), *n))
        .collect();
    assert_eq!(columns, [("f0", 1), ("f1", 2)]);
    assert_eq!(imported.table.columns, ["f0", "f1"]);
    let left: Vec<&str> = found
        .left_out
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(left, ["emotion_id", "speaker", "note"]);
    assert_eq!(
        imported.row(1).unwrap_err(),
        "x: `f0` is no finite number in line 3 of t.csv"
    );
    assert_eq!(imported.row(4).unwrap_err(), "x: t.csv has no row for it");
}

#[test]
fn columns_are_chosen_by_name_or_by_their_beginning() {
    let text = "file,mfcc_1,f0,mfcc_2,label,valence\nwav/a.wav,1,2,3,4,5\n";
    let columns = |listed: &[&str]| {
        let columns = listed.iter().map(|one| (*one).to_owned()).collect();
        let settings = ImportSettings {
            columns,
            ..ImportSettings::default()
        };
        with(settings, text, &TWO).map(|imported| imported.table.columns)
    };
    assert_eq!(columns(&["mfcc_*"]).unwrap(), ["mfcc_1", "mfcc_2"]);
    assert_eq!(columns(&["f0", "valence"]).unwrap(), ["f0", "valence"]);
    for (listed, words) in [
        ("f1", "no column `f1`"),
        ("x*", "no column `x*`"),
        ("file", "holds no numbers"),
        ("label", "cannot be an input"),
    ] {
        let error = columns(&[listed]).unwrap_err();
        assert_eq!(error.kind(), Fault::Config, "{listed}");
        assert!(error.to_string().contains(words), "{listed}: {error}");
    }
}

/// What a table is refused for.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, recordings: &[Recording], words: &[&str]) {
    let error = read(text, recordings).err().expect("a refusal");
    assert_eq!(error.kind(), Fault::Data, "{error}");
    let said = format!("{error} ({})", error.hint_text().unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn what_could_mean_several_things_is_refused() {
    let twice = [whole("", "x/a.wav"), whole("", "y/a.wav")];
    refused(
        "file,f0\na.wav,1\n",
        &twice,
        &["line 2 of t.csv", "x/a.wav and y/a.wav"],
    );
    let differ = "file,f0,f1\nwav/a.wav,1,2\nwav/b.wav,1,2\nwav/a.wav,1,3\n";
    refused(
        differ,
        &TWO,
        &["line 2 of t.csv and line 4 of t.csv", "`f1` is 2 and 3"],
    );
    let swapped = "file,reference,f0\nwav/a.wav,wav/b.wav,1\nwav/b.wav,wav/a.wav,2\n";
    refused(swapped, &TWO, &["`file` and `reference`", "`id`"]);
    let settings = ImportSettings {
        id: Some("reference".to_owned()),
        ..ImportSettings::default()
    };
    assert_eq!(
        firsts(&with(settings, swapped, &TWO).unwrap(), 2),
        [2.0, 1.0]
    );
    refused(
        "file,f0\nc.wav,1\n",
        &TWO,
        &["no row of t.csv", "c.wav", "wav/a.wav"],
    );
    let close = [
        segment("", "a.wav", 0.0, 1.0),
        segment("", "a.wav", 0.0005, 1.0),
    ];
    refused(
        "file,start,end,f0\na.wav,0,1,1\n",
        &close,
        &["two segments"],
    );
}

#[test]
fn frames_are_refused() {
    let mut plain = "name;frameTime;f0\n".to_owned();
    let mut timed = "file,start,end,f0\n".to_owned();
    for i in 0..50 {
        plain += &format!("a.wav;{};{i}\n", f64::from(i) / 100.0);
        timed += &format!(
            "wav/a.wav,0 days 00:00:00.{i:02}0000,0 days 00:00:00.{:02}0000,{i}\n",
            i + 10
        );
    }
    for text in [plain, timed] {
        refused(
            text,
            &TWO,
            &[
                "50 rows for wav/a.wav",
                "looks like frames, aggregate first",
            ],
        );
    }
}

#[test]
fn tables_that_are_none_are_refused() {
    let utf16: Vec<u8> = "\u{feff}file,f0\nwav/a.wav,1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(firsts(&read(utf16, &TWO).unwrap(), 1), [1.0]);
    refused(
        b"file,f0\nwav/\xe9.wav,1\n",
        &TWO,
        &["not UTF-8", "save the table as CSV in UTF-8"],
    );
    refused(
        "file;f0\nwav/a.wav;0,5\n",
        &TWO,
        &["line 2", "decimal comma", "decimal point"],
    );
    refused("file,f0\nwav/a.wav,\"0,5\"\n", &TWO, &["decimal comma"]);
    refused(
        "file,f0\nwav/a.wav,1\nwav/b.wav,\"1,5\"\n",
        &TWO,
        &["line 3", "decimal comma"],
    );
    refused("", &TWO, &["is empty"]);
    refused("file,f0\n", &TWO, &["a header but no rows"]);
    refused(
        "wav/a.wav,0.1,0.2\nwav/b.wav,0.3,0.1\n",
        &TWO,
        &["write a header"],
    );
    refused(
        "file,f0,f0\nwav/a.wav,1,2\n",
        &TWO,
        &["two columns named `f0`"],
    );
    refused(
        "file,f0,f1\nwav/a.wav,1,2\nwav/b.wav,1\n",
        &TWO,
        &["line 3", "2 cells where the header has 3"],
    );
    refused("file,f0\nwav/a.wav,1\nwav/b.wav,2,3\n", &TWO, &["line 3"]);
    refused(
        "file,f0\nwav/a.wav,1\nwav/a.wav,2\nwav/b.wav,oops\n",
        &TWO,
        &["line 4", "`oops` is no number"],
    );
    refused(
        "file,label\nwav/a.wav,3\n",
        &TWO,
        &["no column of t.csv holds numbers"],
    );
    refused(
        "f0,f1\n1.5,2\n",
        &TWO,
        &["no column of t.csv names recordings"],
    );
    refused(
        "file,start,end,f0\nwav/a.wav,0,soon,1\n",
        &TWO,
        &["line 2", "soon is no time"],
    );
    // What is odd, and plain enough to be read: a cell over two lines, whole numbers, numbered names.
    let text = ",0,1,note\nwav/a.wav,1,2,\"two\nlines\"\nwav/b.wav,3,4,x\n";
    assert_eq!(firsts(&read(text, &TWO).unwrap(), 2), [1.0, 3.0]);
    let wide: Vec<String> = (0..10_000).map(|i| format!("c{i}")).collect();
    let row = |file: &str| format!("{file}{}\n", ",1".repeat(10_000));
    let text = format!(
        "file,{}\n{}{}",
        wide.join(","),
        row("wav/a.wav"),
        row("wav/b.wav")
    );
    assert_eq!(read(text, &TWO).unwrap().summary.columns, 10_000);
    let wide: Vec<String> = (0..20_000).map(|i| format!("c{i}")).collect();
    let text = format!(
        "file,{}\nwav/a.wav{}\n",
        wide.join(","),
        ",1".repeat(20_000)
    );
    refused(text, &TWO, &["20000 column", "16384"]);
}
