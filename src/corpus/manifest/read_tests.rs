use std::fs;

use super::*;
use crate::corpus::utterance::Sex;

pub(super) struct Case {
    pub(super) dir: tempfile::TempDir,
    pub(super) settings: ManifestSettings,
}

pub(super) fn case(name: &str, table: impl AsRef<[u8]>, recordings: &[&str]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    for recording in recordings {
        let path = root.join(recording);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let path = dir.path().join(name);
    fs::write(&path, table).unwrap();
    Case {
        settings: ManifestSettings {
            path,
            root,
            ..ManifestSettings::default()
        },
        dir,
    }
}

pub(super) fn ids(listing: &Listing) -> Vec<&str> {
    listing.sources.iter().map(|s| s.id.as_str()).collect()
}

pub(super) fn asides(listing: &Listing) -> Vec<(&str, Reason)> {
    listing
        .set_aside
        .iter()
        .map(|s| (s.path.as_str(), s.reason))
        .collect()
}

#[test]
fn a_full_row_is_read_whatever_the_form_of_the_header() {
    let table = "\u{feff} Path ,EMOTION,Speaker,sex,Text ID,session,split,start,end,language,intensity,repetition,id,mood\r\n\
        \"a, b.wav\", joy ,01,F,t1,s1,Dev,0.50,2,de,strong,2,u1,x\r\n";
    let case = case("m.csv", table, &["a, b.wav"]);
    let listing = read(&case.settings).unwrap();
    let want = Source {
        emotion: "joy".into(),
        speaker: "01".into(),
        sex: Some(Sex::Female),
        text_id: Some("t1".into()),
        session: Some("s1".into()),
        intensity: Some("strong".into()),
        repetition: Some("2".into()),
        language: Some("de".into()),
        split: Some("validation".into()),
        start_s: Some(0.5),
        end_s: Some(2.0),
        ..Source::named("u1", "a, b.wav")
    };
    assert_eq!(listing.sources, [want]);
    assert_eq!(
        listing.notes,
        ["columns of the manifest that are not used: mood"]
    );
}

#[test]
fn separators_are_found_out() {
    for (name, table) in [
        ("m.tsv", "path\temotion\tspeaker\na,1.wav\tjoy\t1\n"),
        ("m.csv", "path;emotion;speaker\n\"a,1.wav\";joy;1\n"),
        ("m.txt", "path\temotion\tspeaker\na,1.wav\tjoy\t1"),
    ] {
        let case = case(name, table, &["a,1.wav"]);
        assert_eq!(ids(&read(&case.settings).unwrap()), ["a,1.wav"], "{name}");
    }
}

#[test]
fn a_missing_column_is_named_with_what_is_there() {
    let message = |header: &str| {
        let case = case("m.csv", format!("{header}\na,b,c\n"), &[]);
        let error = read(&case.settings).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Data);
        (
            error.to_string(),
            error.hint_text().unwrap_or_default().to_owned(),
        )
    };
    let (text, hint) = message("path,emotoin,speaker");
    assert!(
        text.ends_with("has no column emotion; it has path, emotoin, speaker"),
        "{text}"
    );
    assert_eq!(hint, "rename the column emotoin to emotion, or add emotion");
    assert_eq!(
        message("file,emotion,speaker").1,
        "rename the column file to path, or add path"
    );
    assert_eq!(message("path,emotion,zzz").1, "add a column speaker");
    let (text, hint) = message("file,emo,spk");
    assert!(
        text.ends_with("has no columns path, emotion, speaker; it has file, emo, spk"),
        "{text}"
    );
    assert_eq!(
        hint,
        "rename the column file to path, or add path; rename the column emo to emotion, or add emotion; \
         rename the column spk to speaker, or add speaker"
    );
    assert!(
        message("path,emotion,speaker,Path")
            .0
            .contains("two columns path")
    );
}

#[test]
fn bad_rows_are_told_by_line() {
    let table = "path,emotion,speaker,start,end\n\nok.wav,joy,1,,\n,joy,1,,\nok2.wav,,1,,\n\n\nwho.wav,joy, ,,\nok2.wav,joy,1\n\
        ok2.wav,joy,1,x,\nok2.wav,joy,1,2,1\nok2.wav,joy,1,-1,\nok.wav,joy,1,NaN,\n\"new\nline.wav\",joy,1,,\ngone.wav,joy,1,,\n";
    let case = case(
        "m.csv",
        table,
        &["ok.wav", "ok2.wav", "who.wav", "new\nline.wav"],
    );
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["new\nline.wav", "ok.wav", "who.wav"]);
    assert_eq!(listing.sources[2].speaker, UNKNOWN_SPEAKER);
    let mut lines: Vec<(u32, Reason)> = listing
        .set_aside
        .iter()
        .map(|s| {
            (
                s.detail
                    .strip_prefix("line ")
                    .and_then(|d| d.split(':').next())
                    .unwrap()
                    .parse()
                    .unwrap(),
                s.reason,
            )
        })
        .collect();
    lines.sort_unstable();
    use Reason::{BadRow, MissingAudio, MissingLabel};
    let bad = [4, 9, 10, 11, 12].map(|line| (line, BadRow));
    assert_eq!([lines[0], lines[2], lines[3], lines[4], lines[5]], bad);
    // `NaN` is no time but what a table has where none is known.
    assert_eq!(
        [lines[1], lines[6], lines[7]],
        [
            (5, MissingLabel),
            (13, Reason::Duplicate),
            (16, MissingAudio)
        ]
    );
}

#[test]
fn a_quotation_mark_that_is_never_closed_does_not_swallow_rows_in_silence() {
    let case = case(
        "m.csv",
        "path,emotion,speaker\na.wav,joy,1\nb.wav,\"joy,1\nc.wav,joy,1\n",
        &["a.wav", "b.wav", "c.wav"],
    );
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["a.wav"]);
    assert!(
        listing.set_aside[0]
            .detail
            .starts_with("line 3: a quotation mark is opened and never closed"),
        "{:?}",
        listing.set_aside
    );
    // The last column takes the rest of the file without a wrong number of cells.
    let case = self::case(
        "m.csv",
        "path,emotion,speaker\na.wav,joy,\"1\nc.wav,joy,1\nd.wav,joy,\"2\"\n",
        &["a.wav", "c.wav", "d.wav"],
    );
    let listing = read(&case.settings).unwrap();
    assert!(listing.sources.is_empty(), "{:?}", listing.sources);
}

#[test]
fn paths_stay_inside_the_root_unless_allowed() {
    let table = "path,emotion,speaker\n./d/../a.wav,joy,1\n../b.wav,joy,1\nd/../../b.wav,joy,1\nd\\c.wav,joy,1\n";
    let mut case = case("m.csv", table, &["a.wav", "d/c.wav"]);
    fs::write(case.dir.path().join("b.wav"), b"").unwrap();
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["a.wav", "d/c.wav"]);
    assert_eq!(
        asides(&listing),
        [
            ("../b.wav", Reason::BadRow),
            ("d/../../b.wav", Reason::BadRow)
        ]
    );
    case.settings.allow_outside = true;
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["../b.wav", "a.wav", "d/c.wav"]);
    assert_eq!(asides(&listing), [("../b.wav", Reason::Duplicate)]);

    let (inside, outside) = (
        case.settings.root.join("a.wav"),
        case.dir.path().join("b.wav"),
    );
    fs::write(
        &case.settings.path,
        format!(
            "path,emotion,speaker\n{},joy,1\n{},joy,1\n",
            inside.display(),
            outside.display()
        ),
    )
    .unwrap();
    let listing = read(&case.settings).unwrap();
    assert_eq!(
        listing
            .sources
            .iter()
            .map(|s| s.path.clone())
            .collect::<Vec<_>>(),
        [outside.display().to_string(), "a.wav".into()]
    );
    case.settings.allow_outside = false;
    let listing = read(&case.settings).unwrap();
    assert_eq!(
        (ids(&listing), asides(&listing)[0].1),
        (vec!["a.wav"], Reason::BadRow)
    );
}

#[cfg(unix)]
#[test]
fn links_out_of_the_root_are_paths_out_of_it() {
    use std::os::unix::fs::symlink;
    let table = "path,emotion,speaker\na.wav,joy,1\nlink.wav,joy,1\nd/b.wav,joy,1\nd/c.wav,joy,1\nd/back.wav,joy,1\nin.wav,joy,1\n";
    let mut case = case("m.csv", table, &["a.wav", "e/f.wav"]);
    let other = case.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    for name in ["b.wav", "c.wav"] {
        fs::write(other.join(name), b"").unwrap();
    }
    symlink(other.join("b.wav"), case.settings.root.join("link.wav")).unwrap();
    symlink(&other, case.settings.root.join("d")).unwrap();
    symlink(case.settings.root.join("a.wav"), other.join("back.wav")).unwrap();
    symlink("e/f.wav", case.settings.root.join("in.wav")).unwrap();
    // A root that is itself a link is as good as what it names.
    let root = case.dir.path().join("linked-root");
    symlink(&case.settings.root, &root).unwrap();
    for root in [case.settings.root.clone(), root] {
        case.settings = ManifestSettings {
            root,
            allow_outside: false,
            ..case.settings.clone()
        };
        let listing = read(&case.settings).unwrap();
        assert_eq!(ids(&listing), ["a.wav", "d/back.wav", "in.wav"]);
        assert_eq!(
            asides(&listing),
            ["d/b.wav", "d/c.wav", "link.wav"].map(|path| (path, Reason::BadRow))
        );
        case.settings.allow_outside = true;
        assert_eq!(read(&case.settings).unwrap().sources.len(), 6);
    }
}

#[test]
fn repeated_recordings_and_ids_count_once_but_segments_may_share_a_file() {
    let table = "id,path,emotion,speaker,start,end\n,a.wav,joy,1,0,1.5\n,a.wav,joy,1,1.5,\n,a.wav,joy,1,0,1.50\n\
        u,b.wav,joy,1,,\nv,./b.wav,fear,1,,\nu,c.wav,joy,1,,\n";
    let case = case("m.csv", table, &["a.wav", "b.wav", "c.wav"]);
    let listing = read(&case.settings).unwrap();
    assert_eq!(ids(&listing), ["a.wav#0-1.5", "a.wav#1.5-", "u"]);
    assert_eq!(
        asides(&listing),
        [
            ("a.wav", Reason::Duplicate),
            ("b.wav", Reason::Duplicate),
            ("c.wav", Reason::Duplicate)
        ]
    );
    assert!(
        listing.set_aside[1]
            .detail
            .contains("line 6: the same recording as line 5, with another emotion")
    );
    assert!(
        listing.set_aside[2]
            .detail
            .contains("the id u is also that of line 5")
    );
}

#[test]
fn a_label_map_renames_and_leaves_out() {
    let mut case = case(
        "m.csv",
        "path,emotion,speaker\na.wav,Joy,1\nb.wav,joy,1\nc.wav,rage,1\n",
        &["a.wav", "b.wav", "c.wav"],
    );
    case.settings.label_map = BTreeMap::from([("joy".to_owned(), "happiness".to_owned())]);
    let listing = read(&case.settings).unwrap();
    assert_eq!(
        listing
            .sources
            .iter()
            .map(|s| s.emotion.as_str())
            .collect::<Vec<_>>(),
        ["happiness"]
    );
    assert_eq!(
        asides(&listing),
        [
            ("a.wav", Reason::ClassNotUsed),
            ("c.wav", Reason::ClassNotUsed)
        ]
    );
    assert!(
        listing.set_aside[0]
            .detail
            .contains("no entry Joy (it has joy)")
    );
}

#[test]
fn what_is_no_table_is_refused() {
    for bytes in [
        &b""[..],
        b"path,emotion,speaker\n",
        b"\xff\xfep\0a\0",
        b"PAR1 and nothing else",
        b"p\xe4th,emotion,speaker\n",
    ] {
        let case = case("m.csv", bytes, &[]);
        assert_eq!(
            read(&case.settings).unwrap_err().kind(),
            crate::error::Kind::Data,
            "{bytes:?}"
        );
    }
    let mut case = case("m.csv", "", &[]);
    case.settings.path = case.dir.path().join("other.csv");
    assert_eq!(
        read(&case.settings).unwrap_err().kind(),
        crate::error::Kind::Missing
    );
    fs::write(
        &case.settings.path,
        b"path,emotion,speaker\n\xe4.wav,joy,1\n",
    )
    .unwrap();
    assert!(
        read(&case.settings)
            .unwrap_err()
            .to_string()
            .contains("in 1 row of 1")
    );
    case.settings.root = case.dir.path().join("no");
    assert_eq!(
        read(&case.settings).unwrap_err().kind(),
        crate::error::Kind::Missing
    );
}

#[test]
fn many_rows_stream_in_their_order_and_a_zero_byte_spoils_one_of_them() {
    use std::fmt::Write as _;
    let mut table = "path,emotion,speaker,start,end\n".to_owned();
    for i in 0..5_000 {
        writeln!(table, "\n\"a.wav\",joy,1,{i},{}", i + 1).unwrap();
    }
    table.push_str("a.wav,j\0y,1,0,9\na.wav,joy,1,7,8\n");
    let case = case("m.csv", &table, &["a.wav"]);
    let mut starts = Vec::new();
    let mut take = |source: Source| {
        starts.push(source.start_s);
        Ok(())
    };
    let listing = scan(&case.settings, &Cancel::default(), &mut take).unwrap();
    assert_eq!(
        starts,
        (0..5_000).map(|i| Some(f64::from(i))).collect::<Vec<_>>()
    );
    assert!(listing.sources.is_empty());
    let details: Vec<&str> = listing
        .set_aside
        .iter()
        .map(|s| s.detail.as_str())
        .collect();
    assert!(
        details[0].starts_with("line 10003: the same recording as line 17: "),
        "{details:?}"
    );
    assert!(
        details[1].starts_with("line 10002: a byte that is zero"),
        "{details:?}"
    );
    let stop = scan(&case.settings, &Cancel::default(), &mut |_| {
        Err(Error::interrupted())
    });
    assert_eq!(stop.unwrap_err().kind(), crate::error::Kind::Interrupted);
}

#[test]
fn parquet_says_the_same_as_csv() {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    let columns: [(&str, ArrayRef); 5] = [
        (
            "path",
            Arc::new(StringArray::from(vec!["a.wav", "a.wav", "gone.wav"])),
        ),
        (
            "emotion",
            Arc::new(StringArray::from(vec![Some("joy"), Some("fear"), None])),
        ),
        ("speaker", Arc::new(Int64Array::from(vec![3, 3, 4]))),
        (
            "start",
            Arc::new(Float64Array::from(vec![Some(0.25), None, None])),
        ),
        (
            "end",
            Arc::new(Float64Array::from(vec![Some(1.0), Some(0.2), None])),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let binary = case("m.parquet", bytes, &["a.wav"]);
    let text = case(
        "m.csv",
        "path,emotion,speaker,start,end\na.wav,joy,3,0.25,1\na.wav,fear,3,,0.2\ngone.wav,,4,,\n",
        &["a.wav"],
    );
    let (binary, text) = (
        read(&binary.settings).unwrap(),
        read(&text.settings).unwrap(),
    );
    assert_eq!(ids(&binary), ["a.wav#-0.2", "a.wav#0.25-1"]);
    assert_eq!(binary.sources, text.sources);
    assert_eq!(asides(&binary), asides(&text));
    assert_eq!(
        binary.set_aside[0].detail,
        "row 3: the cell emotion is empty: fill it or remove the row"
    );
}

#[test]
fn what_tables_have_for_a_missing_label_is_no_class() {
    let labels = [
        "None",
        "N/A",
        "nan",
        "-",
        "",
        "NULL",
        " ",
        "neutral",
        "none of these",
    ];
    let names: Vec<String> = (0..labels.len()).map(|i| format!("{i}.wav")).collect();
    let rows: Vec<String> = names
        .iter()
        .zip(labels)
        .map(|(name, label)| format!("{name},{label},s1\n"))
        .collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut case = case(
        "m.csv",
        format!("path,emotion,speaker\n{}", rows.concat()),
        &files,
    );
    let listing = read(&case.settings).unwrap();
    let emotions = |listing: &Listing| {
        listing
            .sources
            .iter()
            .map(|s| s.emotion.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(emotions(&listing), ["neutral", "none of these"]);
    assert_eq!(
        asides(&listing),
        files[..7]
            .iter()
            .map(|name| (*name, Reason::MissingLabel))
            .collect::<Vec<_>>()
    );
    assert!(
        listing.set_aside[0]
            .detail
            .starts_with("line 2: the emotion is None, which is no label"),
        "{:?}",
        listing.set_aside[0]
    );
    // A class that is called so is kept by a label map.
    case.settings.label_map = BTreeMap::from([
        ("None".to_owned(), "nothing".to_owned()),
        ("neutral".to_owned(), "neutral".to_owned()),
    ]);
    assert_eq!(
        emotions(&read(&case.settings).unwrap()),
        ["nothing", "neutral"]
    );
}

#[test]
fn optional_cells_that_say_nothing_leave_the_row_as_it_is() {
    let long = "x".repeat(5000);
    let table = format!(
        "path,emotion,speaker,sex,split,text_id\n1.wav,joy,1,unknown,Development,{long}\n2.wav,joy,1,child,Test1,t\n3.wav,joy,1,NA,Test2,t\n\
         4.wav,joy,1,Frau,2,t\n5.wav,joy,1,,,t\n"
    );
    let case = case(
        "m.csv",
        table,
        &["1.wav", "2.wav", "3.wav", "4.wav", "5.wav"],
    );
    let listing = read(&case.settings).unwrap();
    assert!(listing.set_aside.is_empty());
    assert_eq!(
        listing.sources.iter().map(|s| s.sex).collect::<Vec<_>>(),
        [None, None, None, Some(Sex::Female), None]
    );
    let parts: Vec<Option<&str>> = listing.sources.iter().map(|s| s.split.as_deref()).collect();
    assert_eq!(
        parts,
        [Some("validation"), Some("test"), Some("test"), None, None]
    );
    assert_eq!(
        listing
            .sources
            .iter()
            .filter(|s| s.text_id.is_some())
            .count(),
        4
    );
    assert_eq!(listing.warnings.len(), 3, "{:#?}", listing.warnings);
    assert!(
        listing.warnings[0]
            .starts_with("2 rows of the manifest have a sex that is neither female nor male: the cell is left empty, such as child")
    );
    assert!(
        listing.warnings[1].starts_with(
            "1 row of the manifest has a split that is none of train, validation, test"
        )
    );
    assert!(
        listing.warnings[2].len() < 200,
        "{}",
        listing.warnings[2].len()
    );
    assert_eq!(
        listing.notes,
        [
            "2 rows of the manifest have a split with a number behind it, which is passed over, such as Test1"
        ]
    );
}
