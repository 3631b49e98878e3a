use super::*;

fn database(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const DB: &str = "name: tiny\nlanguages: [deu]\nlicense: CC0-1.0\nauthor: A. Doe\nsource: https://x.org/tiny\nsplits: {t: {type: test}}\nschemes:\n  emotion: {dtype: str, labels: [wut, freude]}\n  speaker:\n    dtype: int\n    labels:\n      3: {gender: male}\n      8: {gender: female}\ntables:\n  files: {type: filewise, split_id: t, columns: {speaker: {scheme_id: speaker}}}\n  emotion: {type: segmented, columns: {emotion: {scheme_id: emotion}, emotion.confidence: {scheme_id: confidence}}}\n";

#[test]
fn tables_are_joined_and_times_are_seconds() {
    let dir = database(&[
        (HEADER, DB),
        ("db.files.csv", "file,speaker\na.wav,3\nb.wav,8\n"),
        (
            "db.emotion.csv",
            "file,start,end,emotion,emotion.confidence\na.wav,0 days,0 days 00:00:01.5,wut,0.9\nb.wav,0 days 00:01:00,0 days 00:01:02,freude,1\n",
        ),
    ]);
    let found = read_tables(dir.path(), &Choices::default()).unwrap();
    assert_eq!(
        (
            found.name.as_str(),
            found.language.as_deref(),
            found.rows.len()
        ),
        ("tiny", Some("de"), 2)
    );
    let row = &found.rows[1];
    assert_eq!(
        (
            row.path.as_str(),
            row.emotion.as_str(),
            row.speaker.as_deref()
        ),
        ("b.wav", "freude", Some("8"))
    );
    let more: Vec<(&str, &str)> = row.columns.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(
        more,
        [
            ("end", "62"),
            ("sex", "female"),
            ("split", "test"),
            ("start", "60")
        ]
    );
    assert_eq!(
        (found.licence.as_deref(), found.citation.as_deref()),
        (Some("CC0-1.0"), Some("A. Doe. tiny. https://x.org/tiny"))
    );
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
}

#[test]
fn tables_that_disagree_and_segments_of_labelled_files_are_doubts() {
    let header = "name: x\ntables:\n  a: {columns: {emotion: {scheme_id: emotion}}}\n  b: {columns: {emotion: {scheme_id: emotion}}}\n";
    let dir = database(&[
        (HEADER, header),
        ("db.a.csv", "file,emotion\na.wav,wut\nb.wav,wut\n"),
        (
            "db.b.csv",
            "file,start,end,emotion\na.wav,,,freude\nb.wav,0.5,1,freude\n",
        ),
    ]);
    let found = read_tables(dir.path(), &Choices::default()).unwrap();
    assert_eq!(found.rows[0].emotion, "wut");
    assert!(
        found.warnings[0].starts_with("in 1 row, the table b")
            && found.warnings[1].starts_with("1 segment (table b) in"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let pickled = database(&[
        (HEADER, DB),
        ("db.files.csv", "file,speaker\n"),
        ("db.emotion.pkl", ""),
    ]);
    let error = read_tables(pickled.path(), &Choices::default())
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("the table emotion")
            && error.hint_text().unwrap().contains("pickled")
    );
    let none = database(&[(
        HEADER,
        "name: x\ntables:\n  a: {columns: {arousal: {scheme_id: arousal}}}\n",
    )]);
    assert!(
        read_tables(none.path(), &Choices::default())
            .err()
            .unwrap()
            .to_string()
            .contains("no table with a scheme `emotion`")
    );
    assert!(
        read_tables(database(&[(HEADER, "a: [")]).path(), &Choices::default())
            .err()
            .unwrap()
            .to_string()
            .contains("not YAML")
    );
}

#[test]
fn segments_may_be_open_on_either_side() {
    let header = "name: x\ntables:\n  a: {columns: {emotion: {scheme_id: emotion}}}\n";
    let text = "file,start,end,emotion\na.wav,0 days 00:00:02,NaT,wut\na.wav,0 days,0 days 00:00:01,wut\nb.wav,0 days,NaT,freude\n";
    let found = read_tables(
        database(&[(HEADER, header), ("db.a.csv", text)]).path(),
        &Choices::default(),
    )
    .unwrap();
    let mut more: Vec<Vec<(&str, &str)>> = found
        .rows
        .iter()
        .map(|row| row.columns.iter().map(|(k, v)| (*k, v.as_str())).collect())
        .collect();
    more.sort();
    assert_eq!(more, [vec![], vec![("end", "1")], vec![("start", "2")]]);
}

#[test]
fn the_gold_standard_is_taken_and_other_columns_are_named() {
    let scheme = "{scheme_id: emotion}";
    let header = format!(
        "name: x\ntables:\n  votes: {{columns: {{rater1: {scheme}, rater2: {scheme}}}}}\n  x.gold: {{columns: {{emotion: {scheme}}}}}\n  y: {{columns: {{mood: {{}}}}}}\n"
    );
    let dir = database(&[
        (HEADER, &header),
        (
            "db.votes.csv",
            "file,rater1,rater2\na.wav,wut,freude\nb.wav,wut,wut\n",
        ),
        ("db.x.gold.csv", "file,emotion\na.wav,trauer\nb.wav,wut\n"),
        ("db.y.csv", "file,mood\na.wav,good\nb.wav,bad\n"),
    ]);
    let labels = |choice: Option<&str>| {
        let choices = Choices {
            emotion: choice.map(|name| Place::Column(name.to_owned())),
            speaker: None,
        };
        read_tables(dir.path(), &choices).map(|found| {
            (
                found
                    .rows
                    .into_iter()
                    .map(|row| row.emotion)
                    .collect::<Vec<_>>(),
                found.warnings,
            )
        })
    };
    let (found, doubts) = labels(None).unwrap();
    assert_eq!(found, ["trauer", "wut"]);
    assert!(
        doubts[0].contains("rater1, rater2") && doubts[0].contains("--emotion \"column:rater1\""),
        "{doubts:?}"
    );
    assert_eq!(labels(Some("rater2")).unwrap().0, ["freude", "wut"]);
    assert_eq!(labels(Some("mood")).unwrap().0, ["good", "bad"]);
    assert!(
        labels(Some("moot"))
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("mood")
    );
    // Without a column of that very name, a table of a gold standard counts.
    let header = format!(
        "name: x\ntables:\n  a: {{columns: {{a: {scheme}}}}}\n  gold: {{columns: {{z: {scheme}}}}}\n"
    );
    let dir = database(&[
        (HEADER, &header),
        ("db.a.csv", "file,a\na.wav,wut\n"),
        ("db.gold.csv", "file,z\na.wav,freude\n"),
    ]);
    assert_eq!(
        read_tables(dir.path(), &Choices::default()).unwrap().rows[0].emotion,
        "freude"
    );
}

#[test]
fn another_sensor_is_used_only_when_it_is_asked_for() {
    let scheme = "{scheme_id: emotion}";
    let header = format!(
        "name: x\ntables:\n  emotion: {{columns: {{emotion: {scheme}}}}}\n  laryngo.emotion: {{columns: {{emotion: {scheme}}}}}\n"
    );
    let text = |folder: &str| format!("file,emotion\n{folder}/a.wav,wut\n{folder}/b.wav,freude\n");
    let dir = database(&[
        (HEADER, &header),
        ("db.emotion.csv", &text("wav")),
        ("db.laryngo.emotion.csv", &text("laryngo")),
    ]);
    let folders = |choice: Option<&str>| {
        let choices = Choices {
            emotion: choice.map(|name| Place::Column(name.to_owned())),
            speaker: None,
        };
        let found = read_tables(dir.path(), &choices).unwrap();
        (
            found
                .rows
                .iter()
                .map(|row| row.path.clone())
                .collect::<Vec<_>>(),
            found.warnings,
        )
    };
    let (paths, doubts) = folders(None);
    assert_eq!(paths, ["wav/a.wav", "wav/b.wav"]);
    assert!(
        doubts.iter().any(|doubt| doubt.contains("not used: 2 rows")
            && doubt.contains("column:laryngo.emotion.emotion")),
        "{doubts:?}"
    );
    for asked in ["laryngo.emotion", "laryngo.emotion.emotion"] {
        assert_eq!(folders(Some(asked)).0, ["laryngo/a.wav", "laryngo/b.wav"]);
    }
    // Parts that number their files alike are other recordings: their labels differ.
    let header = format!("name: x\ntables:\n  emotion: {{columns: {{emotion: {scheme}}}}}\n");
    let rows =
        "file,emotion\ntrain/a.wav,wut\ntrain/b.wav,freude\ntest/a.wav,freude\ntest/b.wav,wut\n";
    let dir = database(&[(HEADER, &header), ("db.emotion.csv", rows)]);
    assert_eq!(
        read_tables(dir.path(), &Choices::default())
            .unwrap()
            .rows
            .len(),
        4
    );
}

#[test]
fn a_segment_has_its_own_speaker_or_the_one_of_its_file() {
    let dir = database(&[
        (
            HEADER,
            "name: x\ntables:\n  a: {columns: {emotion: {scheme_id: emotion}}}\n  s: {columns: {speaker: {scheme_id: speaker}}}\n",
        ),
        (
            "db.a.csv",
            "file,start,end,emotion\ntalk.wav,0,1,wut\ntalk.wav,1,2,wut\ntalk.wav,5,6,wut\nmono.wav,0,1,wut\nwhole.wav,0,1,wut\n",
        ),
        (
            "db.s.csv",
            "file,start,end,speaker\ntalk.wav,0,1,anna\ntalk.wav,1,2,bert\nmono.wav,1,2,carla\nmono.wav,2,3,carla\nwhole.wav,,,dora\nwhole.wav,1,2,emil\n",
        ),
    ]);
    let found = read_tables(dir.path(), &Choices::default()).unwrap();
    let speakers: Vec<(&str, Option<&str>)> = found
        .rows
        .iter()
        .map(|row| (row.path.as_str(), row.speaker.as_deref()))
        .collect();
    assert_eq!(
        speakers,
        [
            ("mono.wav", Some("carla")),
            ("talk.wav", Some("anna")),
            ("talk.wav", Some("bert")),
            ("talk.wav", None),
            ("whole.wav", Some("dora"))
        ]
    );
}

#[test]
fn a_table_that_is_asked_for_alone_gives_the_emotions() {
    let table =
        |part: &str| format!("{{split_id: {part}, columns: {{emotion: {{scheme_id: emotion}}}}}}");
    let header = format!(
        "name: x\nsplits: {{u: {{type: train}}, v: {{type: test}}}}\ntables:\n  a: {}\n  b: {}\n  s: {{columns: {{speaker: {{scheme_id: speaker}}}}}}\n",
        table("u"),
        table("v")
    );
    let dir = database(&[
        (HEADER, &header),
        ("db.a.csv", "file,emotion\na.wav,wut\nb.wav,wut\n"),
        ("db.b.csv", "file,emotion\nb.wav,wut\nc.wav,freude\n"),
        ("db.s.csv", "file,speaker\na.wav,1\nb.wav,2\nc.wav,3\n"),
    ]);
    let read = |emotion: Option<&str>| {
        let choices = Choices {
            emotion: emotion.map(|name| Place::Column(name.to_owned())),
            speaker: None,
        };
        let found = read_tables(dir.path(), &choices).unwrap();
        let words = |row: &Row| {
            let speaker = row.speaker.clone().unwrap_or_default();
            format!(
                "{} {} {speaker} {}",
                row.path, row.emotion, row.columns["split"]
            )
        };
        (
            found.rows.iter().map(words).collect::<Vec<_>>(),
            found.warnings,
        )
    };
    let (rows, warnings) = read(None);
    assert_eq!(
        rows,
        [
            "a.wav wut 1 train",
            "b.wav wut 2 train",
            "c.wav freude 3 test"
        ]
    );
    // The labels agree, the parts do not.
    assert_eq!(
        warnings,
        ["in 1 row, the table b disagrees with an earlier table, which is used"]
    );
    for asked in ["b", "b.emotion"] {
        let (rows, warnings) = read(Some(asked));
        assert_eq!(rows, ["b.wav wut 2 test", "c.wav freude 3 test"]);
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn a_table_that_is_asked_for_alone_gives_the_speakers() {
    let header = "name: x
languages: [deu, eng]
schemes:
  speaker: {labels: {'1': {gender: male}, '2': {gender: male}}}
  rater: {labels: {'1': {gender: female}, '3': {gender: female}}}
tables:
  emotion: {columns: {emotion: {scheme_id: emotion}, speaker: {scheme_id: speaker}}}
  other: {columns: {speaker: {scheme_id: speaker}, name: {scheme_id: rater}}}
";
    let dir = database(&[
        (HEADER, header),
        (
            "db.emotion.csv",
            "file,emotion,speaker\na.wav,wut,1\nb.wav,freude,2\n",
        ),
        ("db.other.csv", "file,speaker,name\na.wav,2,1\nb.wav,1,3\n"),
    ]);
    let read = |speaker: &str| {
        let choices = Choices {
            emotion: None,
            speaker: Some(Place::Column(speaker.to_owned())),
        };
        read_tables(dir.path(), &choices)
    };
    let found = |speaker: &str| {
        let found = read(speaker).unwrap();
        assert_eq!(found.language, None, "which of two languages is not said");
        let words = |row: &Row| {
            let speaker = row.speaker.clone().unwrap_or_default();
            let sex = row.columns.get("sex");
            format!("{} {speaker} {}", row.emotion, sex.map_or("-", |sex| sex))
        };
        let rows: Vec<String> = found.rows.iter().map(words).collect();
        (rows.join(", "), found.warnings.len())
    };
    let first = "wut 1 male, freude 2 male".to_owned();
    // Without a table, the first one counts, and the other disagrees with it.
    assert_eq!(found("speaker"), (first.clone(), 1));
    assert_eq!(found("emotion.speaker"), (first.clone(), 0));
    for asked in ["other", "other.speaker"] {
        assert_eq!(found(asked), ("wut 2 male, freude 1 male".to_owned(), 0));
    }
    let names = "wut 1 female, freude 3 female".to_owned();
    assert_eq!(found("other.name"), (names, 0));
    let error = read("emotion.name").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no table with a column emotion.name"),
        "{error}"
    );
}

#[test]
fn what_else_is_known_is_read_from_whichever_table_has_it() {
    let header = "name: x
languages: [deu, eng]
schemes: {speaker: {labels: {'1': {gender: male}, '2': {}}}}
tables:
  emotion: {columns: {emotion: {scheme_id: emotion}, speaker: {scheme_id: speaker}, gender: {}, sentence: {}}}
  files: {columns: {transcription: {}, session: {}, language: {}}}
  gone: {columns: {intensity: {}}}
";
    let dir = database(&[
        (HEADER, header),
        (
            "db.emotion.csv",
            "file,emotion,speaker,gender,sentence\na.wav,wut,1,,s1\nb.wav,freude,2,female,\n",
        ),
        (
            "db.files.csv",
            "file,transcription,session,language\na.wav,Hallo,one,deu\nb.wav,Hello,unknown,eng\nc.wav,x,y,z\n",
        ),
    ]);
    let found = read_tables(dir.path(), &Choices::default()).unwrap();
    let words = |row: &Row| {
        let columns = row.columns.iter();
        let columns: Vec<String> = columns
            .map(|(name, cell)| format!("{name} {cell}"))
            .collect();
        columns.join(", ")
    };
    // Sentences of a database are of one column: a transcription is none where some have a number.
    assert_eq!(
        found.rows.iter().map(words).collect::<Vec<_>>(),
        [
            "language de, session one, sex male, text_id s1",
            "language en, sex female"
        ]
    );
    let [lacking] = &found.warnings[..] else {
        panic!("{:?}", found.warnings);
    };
    assert!(lacking.contains("not used: the table gone of"), "{lacking}");
}
