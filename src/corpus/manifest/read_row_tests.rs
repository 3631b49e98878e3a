use std::fs;

use super::tests::{asides, case, ids};
use super::*;

#[test]
fn paths_of_other_machines_are_found_where_they_can_mean_one_file_only() {
    let files = [
        "s1/a.wav",
        "s1/b.flac",
        "s2/a.wav",
        "c.wav",
        "two.mp3",
        "two.ogg",
        "u\u{308}.wav",
        "UP.WAV",
        " blank.wav",
    ];
    let table = "path,emotion,speaker\nC:\\data\\rec\\s1\\a.wav,joy,1\nC:\\data\\rec\\s1\\b.wav,joy,1\nC:\\data\\rec\\c.wav,joy,1\n\
        C:\\data\\rec\\s3\\a.wav,fear,1\ns2\\./a,joy,2\ntwo.wav,joy,2\nü.wav,joy,2\nUP.wav,joy,1\n blank.wav ,joy,1\n";
    let case = case("m.csv", table, &files);
    let listing = read(&case.settings).unwrap();
    assert_eq!(
        ids(&listing),
        [
            " blank.wav",
            "UP.WAV",
            "c.wav",
            "s1/a.wav",
            "s1/b.flac",
            "s2/a.wav",
            "u\u{308}.wav"
        ]
    );
    // The recording of a speaker who is not there is nobody else's of the same name.
    assert_eq!(
        asides(&listing),
        [
            ("C:\\data\\rec\\s3\\a.wav", Reason::MissingAudio),
            ("two.wav", Reason::MissingAudio)
        ]
    );
    assert!(
        listing.set_aside[1]
            .detail
            .ends_with("not there, but two.mp3 and two.ogg are: name one of them"),
        "{:?}",
        listing.set_aside[1]
    );
    let told = [&listing.warnings[..], &listing.notes].concat();
    let starts = [
        "2 rows of the manifest have a path that begins",
        "3 rows of the manifest name a recording that is there with another",
        "1 row of the manifest names a recording whose accents",
    ];
    assert!(
        told.len() == 3
            && told
                .iter()
                .zip(starts)
                .all(|(line, start)| line.starts_with(start)),
        "{told:#?}"
    );
}

#[test]
fn one_folder_stands_for_the_root_in_all_absolute_paths() {
    // Were each path cut by itself, the rows of the other speakers would name the files that lie
    // there.
    let rows = |speakers: &[&str]| -> String {
        let row = |speaker: &&str| {
            format!(
                "/data/{speaker}/a.wav,{speaker},{speaker}\n/data/{speaker}/b.wav,{speaker},{speaker}\n"
            )
        };
        format!(
            "path,emotion,speaker\n{}",
            speakers.iter().map(row).collect::<String>()
        )
    };
    let several = case("m.csv", rows(&["s1", "s2", "s4"]), &["a.wav", "b.wav"]);
    assert!(read(&several.settings).unwrap().sources.is_empty());
    let below = case(
        "m.csv",
        rows(&["s1", "s2", "s4"]),
        &["s4/a.wav", "s4/b.wav"],
    );
    assert_eq!(
        read(&below.settings)
            .unwrap()
            .sources
            .iter()
            .map(|s| s.speaker.as_str())
            .collect::<Vec<_>>(),
        ["s4", "s4"]
    );
}

#[test]
fn recordings_with_two_labels_are_told() {
    let case = case(
        "m.csv",
        "path,emotion,speaker\na.wav,joy,1\na.wav,fear,1\nb.wav,joy,1\nb.wav,joy,1\n",
        &["a.wav", "b.wav"],
    );
    let listing = read(&case.settings).unwrap();
    assert_eq!(
        listing.warnings,
        [
            "1 row of the manifest repeats a recording with another emotion, speaker or exclusion than the first row of it, which counts, such as a.wav"
        ]
    );
}

#[test]
fn more_forms_of_tables_are_read() {
    for (name, table) in [
        ("m.csv", "path|emotion|speaker\na.wav|joy|1\n"),
        ("m.csv", "sep=;\r\npath;emotion;speaker\r\na.wav;joy;1\r\n"),
        (
            "m.csv",
            "# my labels\n# of 2024\npath,emotion,speaker\na.wav,joy,1\n",
        ),
        (
            "m.jsonl",
            "{\"path\": \"a.wav\", \"emotion\": \"joy\", \"speaker\": 1}",
        ),
        (
            "m.json",
            "{\"a.wav\": {\"emotion\": \"joy\", \"speaker\": \"1\"}}",
        ),
        (
            "m.csv",
            "\u{feff}path;emotion;speaker;text\na.wav;joy;1;\"two\nlines; one text\"\n",
        ),
        (
            "m.csv",
            "path,emotion,speaker,start (s),end [sec]\na.wav,joy,1,NaT,\n,,,s,s\n",
        ),
    ] {
        let case = case(name, table, &["a.wav"]);
        let listing = read(&case.settings).unwrap();
        assert_eq!(
            (ids(&listing), listing.sources[0].speaker.as_str()),
            (vec!["a.wav"], "1"),
            "{table}"
        );
    }
    let broken = case(
        "m.csv",
        "sep=;\n# x\npath;emotion;speaker\n\na.wav;joy;1\nb;joy\n",
        &["a.wav"],
    );
    assert!(
        read(&broken.settings).unwrap().set_aside[0]
            .detail
            .starts_with("line 6: 2 cells")
    );
    let times = case(
        "m.csv",
        "path,emotion,speaker,start_ms,End_ms\na.wav,joy,1,0,9\n",
        &["a.wav"],
    );
    assert!(
        read(&times.settings).unwrap().warnings[0]
            .starts_with("the columns start_ms and End_ms look like the times of segments")
    );
    let spaces = case("m.csv", "path emotion speaker\na.wav joy 1\n", &["a.wav"]);
    assert_eq!(
        read(&spaces.settings).unwrap_err().hint_text(),
        Some("separate the cells by commas or tabs, not by spaces")
    );
}

#[test]
fn a_label_as_long_as_a_book_is_refused_and_messages_stay_short() {
    let long = "x".repeat(1_000_000);
    let table =
        format!("path,emotion,speaker,{long}\na.wav,{long},1,y\n{long},joy,1,y\nb.wav,joy,1,y\n");
    let listing = read(&case("m.csv", table, &["a.wav", "b.wav"]).settings).unwrap();
    assert_eq!(ids(&listing), ["b.wav"]);
    assert!(
        format!("{listing:?}").len() < 3_000,
        "{}",
        format!("{listing:?}").len()
    );
    let error =
        read(&case("m.csv", format!("path,{long}\na.wav,joy\n"), &[]).settings).unwrap_err();
    assert!(error.to_string().len() < 500);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let case = case("m.csv", "", &[]);
    fs::remove_file(&case.settings.path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&case.settings.path)
            .status()
            .unwrap()
            .success()
    );
    let error = read(&case.settings).unwrap_err();
    assert!(
        error.kind() == crate::error::Kind::Data
            && error.to_string().contains("a pipe or a device"),
        "{error}"
    );
}

#[test]
fn pointers_and_spreadsheets_are_named() {
    for (bytes, part) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"[..],
            "git lfs pull",
        ),
        (b"PK\x03\x04\0\0", "export the sheet as CSV"),
    ] {
        assert!(
            read(&case("m.csv", bytes, &[]).settings)
                .unwrap_err()
                .hint_text()
                .unwrap()
                .contains(part),
            "{part}"
        );
    }
}

#[test]
fn a_request_to_stop_is_seen_although_no_row_is_usable() {
    let table = format!("path,emotion,speaker\n{}", "gone.wav,joy,1\n".repeat(10));
    let (case, cancel) = (case("m.csv", table, &[]), Cancel::default());
    cancel.request();
    assert_eq!(
        scan(&case.settings, &cancel, &mut |_| Ok(()))
            .unwrap_err()
            .kind(),
        crate::error::Kind::Interrupted
    );
}

#[test]
fn excluded_rows_are_counted_with_their_reason() {
    let table = "path,emotion,speaker,excluded\na.wav,joy,1,\nb.wav,,1,laryngogram of b\nc.wav,joy,1,No\nd.wav,joy,1,yes\ngone.wav,,1,a copy\n,joy,1,yes\n";
    let case = case("m.csv", table, &["a.wav", "b.wav", "c.wav", "d.wav"]);
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["a.wav", "c.wav"]);
    // A row without a path is no recording, whatever else it says.
    use Reason::{BadRow, Excluded};
    let reasons: Vec<Reason> = listing.set_aside.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, [Excluded, Excluded, Excluded, BadRow]);
    let details: Vec<&str> = listing
        .set_aside
        .iter()
        .map(|one| one.detail.as_str())
        .collect();
    assert_eq!(
        details,
        [
            "laryngogram of b (line 3 of the manifest)",
            "the column excluded says so (line 5 of the manifest)",
            "a copy (line 6 of the manifest)",
            "line 7: the cell path is empty: fill it or remove the row"
        ]
    );
}

#[test]
fn a_manifest_in_another_encoding_is_refused_and_a_slip_of_it_is_not() {
    let table = |odd: &dyn Fn(usize) -> bool| {
        let mut table = b"path,emotion,speaker\n".to_vec();
        for i in 0..200 {
            let label: &[u8] = if odd(i) { b"\xc4rger" } else { b"Freude" };
            table.extend([format!("{i}.wav,").as_bytes(), label, b",s\n"].concat());
        }
        table
    };
    let names: Vec<String> = (0..200).map(|i| format!("{i}.wav")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let half = case("m.csv", table(&|i| i % 2 == 0), &names);
    let error = read(&half.settings).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not UTF-8 in 100 rows of 200, such as line 2"),
        "{error}"
    );
    assert!(error.hint_text().unwrap().contains("WINDOWS-1252"));
    let listing = read(&case("m.csv", table(&|i| i == 7), &names).settings).unwrap();
    assert_eq!(
        (listing.sources.len(), asides(&listing)[0].1),
        (199, Reason::BadRow)
    );
}

#[test]
fn of_a_recording_that_is_both_excluded_and_used_the_first_row_counts_with_a_warning() {
    let table = "path,emotion,speaker,excluded\na.wav,,1,noise\na.wav,joy,1,\nb.wav,joy,1,\nb.wav,joy,1,yes\nc.wav,joy,1,\nc.wav,joy,2,\n";
    let case = case("m.csv", table, &["a.wav", "b.wav", "c.wav"]);
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["b.wav", "c.wav"]);
    let details: Vec<&str> = listing
        .set_aside
        .iter()
        .map(|one| one.detail.as_str())
        .collect();
    assert_eq!(
        details,
        [
            "noise (line 2 of the manifest)",
            "line 3: the same recording as line 2, which excludes it: remove one of the rows",
            "line 5: the same recording as line 4, which uses it: remove one of the rows",
            "line 7: the same recording as line 6, with another emotion or speaker: remove one of the rows",
        ]
    );
    assert!(
        listing.warnings[0].contains("another emotion, speaker or exclusion"),
        "{:?}",
        listing.warnings
    );
}
