//! A database in audformat, read as it lies.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, DurationNanosecondArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use ser::corpus::{Sex, Utterance};

use super::project::{Project, tone, wav};

const EMOTIONS: [&str; 2] = ["wut", "freude"];
const SPEAKERS: [(&str, &str, Sex); 3] = [
    ("s1", "train", Sex::Female),
    ("s2", "dev", Sex::Male),
    ("s3", "test", Sex::Female),
];

const HEADER: &str = "name: tiny
usage: research
languages: [deu]
license: CC0-1.0
author: A. Doe
splits: {train: {type: train}, dev: {type: dev}, test: {type: test}}
schemes:
  emotion: {dtype: str, labels: [wut, freude]}
  mood: {dtype: str}
  speaker: {dtype: str, labels: speakers}
misc_tables:
  speakers: {levels: {speaker: str}, columns: {sex: {scheme_id: sex}}}
tables:
";

/// The recordings of a speaker with their emotions, and the table of their part.
fn rows(speaker: &str) -> Vec<(String, &'static str)> {
    let one = |n: usize| (format!("wav/{speaker}-{n}.wav"), EMOTIONS[n % 2]);
    (0..4).map(one).collect()
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// A database with a table for each part: whole files as CSV, or segments as Parquet, which keeps
/// times as nanoseconds.
fn database(segments: bool) -> Project {
    let project = Project::new();
    let mut header = HEADER.to_owned();
    for (s, (speaker, part, _)) in SPEAKERS.iter().enumerate() {
        let kind = if segments { "segmented" } else { "filewise" };
        header += &format!(
            "  emotion.{part}: {{type: {kind}, split_id: {part}, columns: {{emotion: {{scheme_id: emotion}}, speaker: {{scheme_id: speaker}}, \
             mood: {{scheme_id: mood}}}}}}\n"
        );
        let rows = rows(speaker);
        for (n, (path, _)) in rows.iter().enumerate() {
            let sound = wav(&tone(140.0 + 17.0 * (4 * s + n) as f32, 0.5));
            project.write(&format!("db/{path}"), sound);
        }
        if !segments {
            let lines = rows
                .iter()
                .map(|(path, emotion)| format!("{path},{emotion},{speaker},x{emotion}\n"));
            let text = format!("file,emotion,speaker,mood\n{}", lines.collect::<String>());
            project.write(&format!("db/db.emotion.{part}.csv"), text);
            continue;
        }
        let text = |cells: Vec<&str>| Arc::new(StringArray::from(cells)) as ArrayRef;
        let time =
            |time: Vec<Option<i64>>| Arc::new(DurationNanosecondArray::from(time)) as ArrayRef;
        let bytes = parquet(vec![
            (
                "file",
                text(rows.iter().map(|(path, _)| path.as_str()).collect()),
            ),
            ("start", time(vec![Some(100_000_000); 4])),
            // Open ends reach to that of the file.
            (
                "end",
                time(vec![Some(350_000_000), None, Some(350_000_000), None]),
            ),
            (
                "emotion",
                text(rows.iter().map(|(_, emotion)| *emotion).collect()),
            ),
            ("speaker", text(vec![speaker; 4])),
            ("mood", text(vec!["x"; 4])),
        ]);
        project.write(&format!("db/db.emotion.{part}.parquet"), bytes);
    }
    project.write("db/db.yaml", header);
    let sexes = SPEAKERS
        .iter()
        .map(|(speaker, _, sex)| format!("{speaker},{}\n", sex.as_str()));
    project.write(
        "db/db.speakers.csv",
        format!("speaker,sex\n{}", sexes.collect::<String>()),
    );
    project
}

fn pipeline(project: &Project, corpus: &str) {
    project.pipeline(
        "own",
        &format!(
            "name = \"own\"\n[corpus]\nkind = \"audformat\"\nname = \"tiny\"\nroot = \"db\"\n{corpus}\n[[experiment]]\nname = \"x\"\nprotocol = \
             {{ kind = \"declared\" }}\ninputs = {{ log_mel = true, scaler = \"standard\" }}\nmodel = {{ kind = \"majority\" }}\n"
        ),
    );
}

fn utterances(project: &Project) -> Vec<Utterance> {
    ser::table::utterances::read(&project.path("data/tables/own/utterances.parquet")).unwrap()
}

#[test]
fn whole_files_and_segments_are_read_with_speakers_sexes_and_parts() {
    for segments in [false, true] {
        let project = database(segments);
        pipeline(&project, "");
        project.ser(&["run", "own", "-q"]).ok();
        let found = utterances(&project);
        assert_eq!(found.len(), 12);
        for (s, (speaker, part, sex)) in SPEAKERS.into_iter().enumerate() {
            for (n, (path, emotion)) in rows(speaker).into_iter().enumerate() {
                let one = &found[4 * s + n];
                let source = &one.source;
                assert_eq!((&*source.path, &*source.emotion), (&*path, emotion));
                let part = if part == "dev" { "validation" } else { part };
                assert_eq!((&*source.speaker, source.sex), (speaker, Some(sex)));
                assert_eq!(source.split.as_deref(), Some(part));
                assert_eq!(source.language.as_deref(), Some("de"));
                // Half a second at 16 kHz, or a part of it.
                let samples = match (segments, n % 2) {
                    (false, _) => 8_000,
                    (true, 0) => 4_000,
                    (true, _) => 6_400,
                };
                assert_eq!(one.n_samples, samples, "{path}");
            }
        }
        let report = String::from_utf8(project.read("reports/own/report.json")).unwrap();
        assert!(
            report.contains("licence by the database: CC0-1.0"),
            "{report}"
        );
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["experiments"][0]["speaker_independent"], "yes");
    }
}

#[test]
fn another_column_and_a_label_map_can_be_chosen() {
    let project = database(false);
    pipeline(
        &project,
        "emotion = \"mood\"\nlabel_map = { xwut = \"bad\", xfreude = \"good\" }",
    );
    project.ser(&["features", "own", "-q"]).ok();
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for one in utterances(&project) {
        *classes.entry(one.source.emotion).or_default() += 1;
    }
    assert_eq!(
        classes,
        [("bad", 6), ("good", 6)]
            .map(|(class, n)| (class.to_owned(), n))
            .into()
    );
}

#[test]
fn recordings_and_rows_without_each_other_are_counted() {
    let project = database(false);
    pipeline(&project, "");
    std::fs::remove_file(project.path("db/wav/s1-0.wav")).unwrap();
    project.write("db/wav/more.wav", wav(&tone(500.0, 0.5)));
    project.ser(&["run", "own", "-q"]).ok();
    let excluded = String::from_utf8(project.read("reports/own/set-aside.csv")).unwrap();
    for line in [
        "wav/s1-0.wav,label without a recording",
        "wav/more.wav,recording without a label",
    ] {
        assert!(excluded.contains(line), "{line} in {excluded}");
    }
}

#[test]
fn wrong_databases_are_named_with_the_cure() {
    // What is spoilt, and how; keys of the corpus; the exit code, and words of the message.
    type Case<'c> = (&'c str, &'c dyn Fn(&Project), &'c str, i32, &'c [&'c str]);
    let cases: [Case; 6] = [
        (
            "no header",
            &|project| std::fs::remove_file(project.path("db/db.yaml")).unwrap(),
            "",
            5,
            &["db holds no db.yaml"],
        ),
        (
            "no YAML",
            &|project| drop(project.write("db/db.yaml", "a: [")),
            "",
            4,
            &["db/db.yaml is not YAML"],
        ),
        (
            "a pickle",
            &|project| {
                let (from, to) = ("db/db.emotion.dev.csv", "db/db.emotion.dev.pkl");
                std::fs::rename(project.path(from), project.path(to)).unwrap();
            },
            "",
            4,
            &[
                "the table emotion.dev",
                "save the database with audformat as CSV or Parquet",
            ],
        ),
        (
            "no such column",
            &|_| {},
            "emotion = \"moood\"",
            4,
            &[
                "no table with a column moood",
                "its columns: emotion, mood, speaker",
            ],
        ),
        (
            "a bad time",
            &|project| {
                let text = "file,start,end,emotion,speaker\nwav/s2-0.wav,0 days,0 days,wut,s2\nwav/s2-1.wav,soon,0 days,wut,s2\n";
                project.write("db/db.emotion.dev.csv", text);
            },
            "",
            4,
            &[
                "db.emotion.dev.csv: in row 2 `soon` is no time",
                "0 days 00:00:01.500000",
            ],
        ),
        ("an unknown key", &|_| {}, "path = \"db.csv\"", 3, &["path"]),
    ];
    for (name, spoil, corpus, code, words) in cases {
        let project = database(false);
        spoil(&project);
        pipeline(&project, corpus);
        let ran = project.ser(&["features", "own", "-q"]);
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        ran.fails(code, words);
    }
}

#[test]
fn a_database_is_a_part_of_several_corpora() {
    let project = database(false);
    project.write(
        "other/manifest.csv",
        "path,emotion,speaker\na.wav,joy,x\nb.wav,joy,y\nc.wav,rage,x\nd.wav,rage,y\n",
    );
    for (n, name) in ["a", "b", "c", "d"].iter().enumerate() {
        project.write(
            &format!("other/{name}.wav"),
            wav(&tone(300.0 + 40.0 * n as f32, 0.4)),
        );
    }
    project.pipeline(
        "own",
        "name = \"own\"\n[corpus]\nkind = \"joined\"\nroot = \".\"\nparts = [\n\
         { kind = \"audformat\", name = \"tiny\", folder = \"db\", label_map = { wut = \"anger\", freude = \"joy\" } },\n\
         { kind = \"manifest\", name = \"other\", label_map = { rage = \"anger\", joy = \"joy\" } },\n]\n\
         [[experiment]]\nname = \"x\"\nprotocol = { kind = \"cross-corpus\" }\nmodel = { kind = \"majority\" }\n",
    );
    project.ser(&["features", "own", "-q"]).ok();
    let found = utterances(&project);
    let of = |class: &str| {
        found
            .iter()
            .filter(|one| one.source.emotion == class)
            .count()
    };
    assert_eq!((of("anger"), of("joy")), (8, 8));
    assert!(found.iter().any(|one| one.source.speaker == "tiny-s1"));
}
