//! `ser export audformat`: a corpus and its predictions as a database, read by `ser` and by
//! audformat itself.

use ser::corpus::Utterance;
use serde_json::{Value, json};

use super::project::{Project, tone, wav};
use crate::python;

/// Speakers and texts that YAML 1.1 or a spreadsheet would take for something else.
const SPEAKERS: [&str; 4] = ["03", "yes", "12:30", "null-1"];

/// A corpus of 24 utterances: segments of six recordings, or one recording each.
fn corpus(segments: bool, split: bool) -> Project {
    let project = Project::new();
    let mut rows = String::from(
        "path,emotion,speaker,sex,text_id,session,intensity,repetition,language,split,start,end\n",
    );
    for n in 0..24 {
        let (speaker, take) = (n / 6, n % 6);
        let emotion = ["calm", "very, \"happy\"", "1"][take % 3];
        let sex = ["male", "female"][speaker % 2];
        let part = ["train", "validation", "test"][take / 2];
        let (path, place) = match segments {
            true => (
                format!("{speaker}.wav"),
                format!("{},{}", take, take as f64 + 0.25),
            ),
            false => (format!("a, b/{n}.wav"), ",".to_owned()),
        };
        let part = if split { part } else { "" };
        let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        rows += &format!(
            "{},{},{},{sex},s{},day {},{},{take},en-NZ,{part},{place}\n",
            cell(&path),
            cell(emotion),
            SPEAKERS[speaker],
            take % 2,
            speaker / 2,
            ["normal", "strong"][take % 2]
        );
        if !segments || take == 0 {
            let seconds = if segments { 6.5 } else { 0.25 };
            let sound = wav(&tone(150.0 + 31.0 * n as f32, seconds));
            project.write(&format!("corpus/{path}"), sound);
        }
    }
    project.write("corpus/manifest.csv", rows);
    let corpus = "licence = \"CC BY-NC 4.0: no commercial use\"\ncitation = \"A. Doe 2020\"\n";
    project.pipeline(
        "small",
        &Project::small().replace("\n[[exp", &format!("{corpus}\n[[exp")),
    );
    project
}

/// What an utterance is, without its id.
fn facts(folder: &Project, pipeline: &str) -> Vec<Value> {
    let path = folder.path(&format!("data/tables/{pipeline}/utterances.parquet"));
    let all = ser::table::utterances::read(&path).unwrap();
    let of = |one: Utterance| {
        let source = one.source;
        json!([
            source.path,
            source.start_s.unwrap_or(0.0),
            source.end_s,
            source.emotion,
            source.speaker,
            source.sex,
            source.split,
            source.text_id,
            source.session,
            source.intensity,
            source.repetition,
            source.language,
            one.n_samples,
            one.content_hash
        ])
    };
    let mut all: Vec<Value> = all.into_iter().map(of).collect();
    all.sort_by_key(|one| format!("{} {:8}", one[0], one[1]));
    all
}

#[test]
fn a_database_is_read_again_as_it_was() {
    for (segments, split) in [(false, false), (false, true), (true, false), (true, true)] {
        let project = corpus(segments, split);
        project.ser(&["features", "small", "-q"]).ok();
        let export = [
            "export",
            "audformat",
            "small",
            "--recordings",
            "-o",
            "out/db",
        ];
        let said = project.ser(&export).ok().stdout;
        let tables = match split {
            true => "emotion.test, emotion.train, emotion.dev",
            false => "emotion",
        };
        assert_eq!(said, format!("export: out/db ({tables})\n"));
        project
            .ser(&export)
            .fails(2, &["out/db is there already", "name a new folder"]);
        let again = [
            "export",
            "audformat",
            "small",
            "--recordings",
            "-o",
            "out/two",
        ];
        project.ser(&again).ok();
        assert_eq!(project.tree("out/db"), project.tree("out/two"));
        let protocol = if split {
            "declared"
        } else {
            "leave-one-speaker-out"
        };
        project.pipeline(
            "back",
            &format!(
                "name = \"back\"\n[corpus]\nkind = \"audformat\"\nroot = \"out/db\"\n[[experiment]]\nname = \"x\"\n\
                 protocol = {{ kind = \"{protocol}\" }}\nmodel = {{ kind = \"majority\" }}\n"
            ),
        );
        project.ser(&["run", "back", "-q"]).ok();
        assert_eq!(facts(&project, "back"), facts(&project, "small"));
        let report = String::from_utf8(project.read("reports/back/report.json")).unwrap();
        assert!(report.contains("licence by the database: CC BY-NC 4.0: no commercial use"));
        assert!(!report.contains("without a speaker"));
    }
}

/// Prints what audformat makes of a database.
const LOADED: &str = r#"
import json, sys
import audformat
db = audformat.Database.load(sys.argv[1], load_data=True)
for table in db.tables.values():
    for column in table.columns.values():
        assert column.scheme_id in db.schemes, column
    # Values that are not among the labels of a scheme become missing ones.
    values = {name: [None if str(v) in ("nan", "<NA>", "None") else v for v in table.df[name].tolist()] for name in table.df}
    index = audformat.utils.to_segmented_index(table.df.index).to_frame()
    table.loaded = {
        "type": table.type, "split": table.split_id, "media": table.media_id, "columns": values, "files": index["file"].tolist(),
        "start": index["start"].dt.total_seconds().tolist(),
        "end": [None if v != v else v for v in index["end"].dt.total_seconds().tolist()],
    }
print(json.dumps({
    "name": db.name, "usage": db.usage, "languages": db.languages, "license": db.license, "source": db.source,
    "speakers": dict(db.schemes["speaker"].labels), "splits": {k: v.type for k, v in db.splits.items()},
    "media": {k: [v.format, v.sampling_rate, v.channels] for k, v in db.media.items()},
    "tables": {k: v.loaded for k, v in db.tables.items()},
}))
"#;

fn loaded(project: &Project, folder: &str) -> Value {
    let mut script = python::python();
    script
        .args(["-c", LOADED, folder])
        .current_dir(project.path("."));
    let out = script.output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn audformat_itself_reads_what_is_written() {
    if !python::has("python", &["audformat"]) {
        return;
    }
    for segments in [false, true] {
        let project = corpus(segments, true);
        let two = "\n[[experiment]]\nname = \"two\"\nseeds = [0, 1]\nprotocol = { kind = \"leave-one-speaker-out\" }\n\
                   model = { kind = \"random-forest\", trees = 10 }\n";
        let small = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
        project.pipeline("small", &(small + two));
        project.ser(&["run", "small", "-q"]).ok();
        project
            .ser(&["export", "audformat", "small", "-o", "db"])
            .ok();
        let found = loaded(&project, "db");
        for (key, value) in [
            ("name", json!("tones")),
            ("usage", json!("research")),
            ("languages", json!(["eng"])),
            ("license", json!("CC BY-NC 4.0: no commercial use")),
            ("source", json!("A. Doe 2020")),
            (
                "splits",
                json!({"dev": "dev", "test": "test", "train": "train"}),
            ),
            ("media", json!({"wav-16000-1": ["wav", 16000, [0]]})),
            (
                "speakers",
                json!({"03": {"gender": "male"}, "yes": {"gender": "female"}, "12:30": {"gender": "male"}, "null-1": {"gender": "female"}}),
            ),
        ] {
            assert_eq!(found[key], value, "{key}");
        }
        let mut rows = Vec::new();
        for (part, ours) in [("dev", "validation"), ("test", "test"), ("train", "train")] {
            let table = &found["tables"][format!("emotion.{part}")];
            assert_eq!(
                (&table["split"], &table["media"]),
                (&json!(part), &json!("wav-16000-1"))
            );
            assert_eq!(
                table["type"],
                if segments { "segmented" } else { "filewise" }
            );
            for n in 0..8 {
                let column = |name: &str| &table["columns"][name][n];
                rows.push(json!([
                    table["files"][n],
                    table["start"][n],
                    table["end"][n],
                    column("emotion"),
                    column("speaker"),
                    column("gender"),
                    ours,
                    column("sentence"),
                    column("language")
                ]));
            }
        }
        rows.sort_by_key(|one| format!("{} {:8}", one[0], one[1]));
        let path = project.path("data/tables/small/utterances.parquet");
        let mut want: Vec<Value> = ser::table::utterances::read(&path)
            .unwrap()
            .into_iter()
            .map(|one| {
                let s = one.source;
                json!([
                    s.path,
                    s.start_s.unwrap_or(0.0),
                    s.end_s,
                    s.emotion,
                    s.speaker,
                    s.sex,
                    s.split,
                    s.text_id,
                    s.language
                ])
            })
            .collect();
        want.sort_by_key(|one| format!("{} {:8}", one[0], one[1]));
        assert_eq!(rows, want);

        let predictions = project.predictions("small", "two");
        assert_eq!(predictions.len(), 48);
        for seed in ["0", "1"] {
            let table = &found["tables"][format!("predictions.two.seed-{seed}")];
            assert_eq!(table["files"].as_array().unwrap().len(), 24);
        }
        let table = &found["tables"]["predictions.base"];
        let (mut checked, columns) = (0, &table["columns"]);
        let exported = project
            .ser(&["export", "predictions", "small", "-e", "base"])
            .ok()
            .stdout;
        let mut reader = csv::Reader::from_reader(exported.as_bytes());
        for row in reader.deserialize::<std::collections::BTreeMap<String, String>>() {
            let row = row.unwrap();
            let place = |n: &usize| {
                let start = |text: &str| text.parse().unwrap_or(0.0);
                table["files"][*n] == row["path"]
                    && table["start"][*n] == json!(start(&row["start_s"]))
            };
            let n = (0..24).find(place).unwrap();
            assert_eq!(columns["predicted"][n], row["predicted"]);
            assert_eq!(columns["truth"][n], row["emotion"]);
            assert_eq!(columns["fold"][n].to_string(), row["fold"]);
            let probability: f32 = row["prob_calm"].parse().unwrap();
            assert_eq!(
                columns["prob_calm"][n].as_f64().unwrap() as f32,
                probability
            );
            checked += 1;
        }
        assert_eq!(checked, 24);
    }
}

#[test]
fn speakers_that_were_guessed_are_not_called_speakers() {
    let project = corpus(false, false);
    let small = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
    let guessed = small.replace("licence =", "guessed = [\"speaker\", \"text\"]\nlicence =");
    project.pipeline("small", &guessed);
    project.ser(&["features", "small", "-q"]).ok();
    let said = project
        .ser(&["export", "audformat", "small", "-o", "db"])
        .ok();
    assert!(
        said.stderr.contains("without its 24 recordings"),
        "{}",
        said.stderr
    );
    let header = String::from_utf8(project.read("db/db.yaml")).unwrap();
    assert!(
        header.contains("speaker, text: guessed from file and folder names, not confirmed"),
        "{header}"
    );
    let table = String::from_utf8(project.read("db/db.emotion.csv")).unwrap();
    assert!(
        table.starts_with("file,emotion,guessed_speaker,gender,guessed_sentence,session,intensity,repetition,language\n"),
        "{table}"
    );
    // Only who asks for them gets them; their sex was not guessed.
    std::fs::rename(project.path("corpus/a, b"), project.path("db/a, b")).unwrap();
    for (key, speakers) in [("", 2), ("speaker = \"guessed_speaker\"\n", 4)] {
        project.pipeline(
            "back",
            &format!(
                "name = \"back\"\n[corpus]\nkind = \"audformat\"\nroot = \"db\"\n{key}[[experiment]]\nname = \"x\"\n\
                 protocol = {{ kind = \"stratified-kfold\", folds = 2 }}\nmodel = {{ kind = \"majority\" }}\n"
            ),
        );
        project.ser(&["features", "back", "-q"]).ok();
        let path = project.path("data/tables/back/utterances.parquet");
        let all = ser::table::utterances::read(&path).unwrap();
        let found: std::collections::BTreeSet<_> = all
            .iter()
            .map(|one| (&one.source.speaker, one.source.sex))
            .collect();
        assert_eq!(found.len(), speakers, "{found:?}");
        assert_eq!(found.iter().all(|(_, sex)| sex.is_some()), speakers > 1);
    }
}

#[test]
fn what_cannot_be_exported_is_named() {
    let project = corpus(false, false);
    let export = |more: &[&str]| {
        let all: Vec<&str> = ["export", "audformat", "small", "-o", "db"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        project.ser(&all)
    };
    export(&[]).fails(
        5,
        &["utterances.parquet does not exist", "ser features small"],
    );
    export(&["-e", "bse"]).fails(2, &["no experiment `bse`", "base"]);
    project.ser(&["features", "small", "-q"]).ok();
    export(&["-e", "base"]).fails(
        5,
        &[
            "predictions.parquet does not exist",
            "ser run small -e base",
        ],
    );
    std::fs::remove_file(project.path("corpus/a, b/3.wav")).unwrap();
    export(&["--recordings"]).fails(5, &["3.wav is not there any more", "restore the recording"]);
    // Nothing is left half written.
    let left = std::fs::read_dir(project.path(".")).unwrap().filter(|one| {
        one.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("audformat")
    });
    assert_eq!(left.count(), 0);
    assert!(!project.path("db").exists());
    project.write("db/mine.txt", "x");
    export(&[]).fails(2, &["db is there already"]);
}

#[test]
fn predictions_are_exported_only_with_the_labels_that_they_were_tested_on() {
    let project = corpus(false, false);
    let small = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
    let control = "\n[[experiment]]\nname = \"control\"\nshuffle_labels = true\n\
                   protocol = { kind = \"leave-one-speaker-out\" }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("small", &(small + control));
    project.ser(&["run", "small", "-q"]).ok();
    let export = |folder: &str, more: &[&str]| {
        let all = [&["export", "audformat", "small", "-o", folder], more].concat();
        project.ser(&all)
    };
    let said = export("one", &[]).ok().stdout;
    assert_eq!(said, "export: one (emotion, predictions.base)\n");
    export("two", &["-e", "control"])
        .fails(2, &["the labels of control were shuffled", "leave it out"]);

    // Labels that are corrected after the run.
    let manifest = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
    project.write(
        "corpus/manifest.csv",
        manifest.replacen("\"calm\"", "\"1\"", 1),
    );
    project.ser(&["features", "small", "-q"]).ok();
    export("two", &[]).fails(
        4,
        &[
            "is calm, and 1 in the table of utterances",
            "run the pipeline again",
        ],
    );
    assert!(!project.path("two").exists());
    project.ser(&["run", "small", "-q"]).ok();
    export("two", &[]).ok();
}

#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let project = corpus(false, false);
    project.ser(&["features", "small", "-q"]).ok();
    let file = project.path("pipelines/small.toml");
    let mut pipeline = ser::config::load(&file, &[], None).unwrap();
    let ser::config::CorpusKind::Manifest { root, .. } = &mut pipeline.corpus.kind else {
        panic!("a manifest");
    };
    *root = project.path("corpus");
    let cancel = ser::cancel::Cancel::default();
    cancel.request();
    let folder = project.path("db");
    let write = |recordings| {
        let data = project.path("data");
        ser::pipeline::audformat::write(&pipeline, &[], &data, &folder, recordings, &cancel)
    };
    let error = write(true).unwrap_err();
    assert_eq!(error.kind(), ser::error::Kind::Interrupted);
    let names = std::fs::read_dir(project.path(".")).unwrap();
    let is_left = |name: std::ffi::OsString| name.to_string_lossy().contains("audformat");
    assert!(!names.flatten().any(|one| is_left(one.file_name())));
    assert!(!folder.exists());
}
