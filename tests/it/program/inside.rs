//! Corpora that come in one file or under names that tell nothing: datasets of Hugging Face and M3ED,
//! unpacked by the lines of the documentation.

use std::collections::BTreeMap;
use std::path::Path;

use super::project::{Project, Ran, tone, wav};
use crate::python;

/// The lines of Python under a heading of a page.
fn lines_of(page: &str, heading: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let (_, rest) = text.split_once(heading).unwrap();
    let (_, rest) = rest.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn run(project: &Project, folder: &str, lines: &str) {
    let mut script = python::python();
    script.args(["-c", lines]).current_dir(project.path(folder));
    Ran::from(script.output().unwrap()).ok();
}

/// What the manifest of a proposal says: emotion and speaker by file name.
fn proposed(project: &Project, name: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let manifest = project.read(&format!("data/manifests/{name}.csv"));
    let mut reader = csv::Reader::from_reader(&*manifest);
    let rows = reader.deserialize::<BTreeMap<String, String>>();
    rows.map(|row| {
        let row = row.unwrap();
        (row["path"].clone(), row)
    })
    .collect()
}

/// Makes a dataset of six recordings in `downloaded`, whose classes are numbers.
const DATASET: &str = r#"
import json, pathlib
import pyarrow as pa, pyarrow.parquet as pq

pathlib.Path("downloaded/data").mkdir(parents=True)
sounds = sorted(pathlib.Path("made").iterdir())

def write(name, rows, names, path, more={}):
    audio = [{"bytes": sounds[n].read_bytes() if n < 6 else None, "path": path(n)} for n in rows]
    table = pa.table({"audio": audio, "emotion": [n % 2 if n < 6 else -1 for n in rows], "speaker": [f"s{n // 2}" for n in rows], "vector": [[0.5]] * len(rows), **more})
    if names:
        features = {"emotion": {"names": names, "_type": "ClassLabel"}, "speaker": {"dtype": "string", "_type": "Value"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, f"downloaded/data/{name}.parquet", row_group_size=100)
"#;

/// Six recordings, padded to `seconds`.
fn recordings(project: &Project, seconds: f32) {
    for n in 0..6 {
        let sound = wav(&tone(150.0 + 20.0 * n as f32, seconds));
        project.write(&format!("made/{n}.wav"), sound);
    }
}

#[test]
fn recordings_inside_parquet_are_named_with_the_cure() {
    if !python::has("python", &["pyarrow"]) {
        return;
    }
    // One and the same, where a page of the file is as small as those of a table and where it is not.
    for seconds in [0.5, 700.0] {
        let project = Project::new();
        recordings(&project, seconds);
        let write =
            r#"write("train-00000-of-00001", range(6), ["wut", "freude"], lambda n: f"{n}.wav")"#;
        run(&project, ".", &format!("{DATASET}{write}"));
        let words = [
            "train-00000-of-00001.parquet holds the recordings themselves, as bytes in its column audio",
            "ser corpus unpack downloaded",
        ];
        project
            .ser(&["corpus", "init", "downloaded", "--name", "own"])
            .fails(4, &words);
        let small = Project::small().replace(
            "corpus/manifest.csv",
            "downloaded/data/train-00000-of-00001.parquet",
        );
        project.pipeline("small", &small.replace("\"corpus\"", "\"downloaded\""));
        project.ser(&["features", "small"]).fails(4, &words);
        project
            .ser(&["corpus", "unpack", "downloaded", "unpacked"])
            .ok();
        project
            .ser(&["corpus", "init", "unpacked", "--name", "own"])
            .ok();
        let rows = proposed(&project, "own");
        assert_eq!(rows.len(), 6);
        for (n, row) in rows.values().enumerate() {
            let path = format!("{n}.wav");
            assert_eq!(row["path"], path);
            assert_eq!(
                project.read(&format!("unpacked/{path}")),
                project.read(&format!("made/{path}"))
            );
            assert_eq!(row["emotion"], ["wut", "freude"][n % 2]);
            assert_eq!(row["speaker"], format!("s{}", n / 2));
        }
    }
}

#[test]
fn whatever_a_dataset_calls_its_recordings_each_becomes_a_file_of_its_own() {
    if !python::has("python", &["pyarrow"]) {
        return;
    }
    let project = Project::new();
    recordings(&project, 0.5);
    let write = r#"
names = ["../../out.wav", "a/manifest.csv", None, "same.wav", "SAME.wav", "/home/x/b.flac", "gone.wav"]
write("train-00000-of-00002", [0, 1, 2], None, lambda n: names[n], {"path": ["x", "y", "z"], "split": ["p", "q", "r"]})
write("test-00000-of-00001", [3, 4, 5, 6], None, lambda n: names[n])
pathlib.Path("downloaded/README.md").write_text("""---
dataset_info:
  features:
  - {name: audio, dtype: audio}
  - name: emotion
    dtype: {class_label: {names: {'0': wut, '1': freude}}}
---
""")
"#;
    run(&project, ".", &format!("{DATASET}{write}"));
    let told = project
        .ser(&["corpus", "unpack", "downloaded", "unpacked"])
        .ok();
    for words in [
        "unpacked: 6 recordings, and manifest.csv with the columns path, emotion, speaker, dataset_path, dataset_split, split, excluded",
        "numbers are names of classes now: emotion",
        "left out, since no manifest can hold them: vector",
        "1 row without sound, excluded in the manifest",
        "next: ser corpus init unpacked",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    let text = String::from_utf8(project.read("unpacked/manifest.csv")).unwrap();
    assert_eq!(
        text,
        "path,emotion,speaker,dataset_path,dataset_split,split,excluded\n\
         same.wav,freude,s1,,,test,\n\
         000001.wav,wut,s2,,,test,\n\
         b.flac,freude,s2,,,test,\n\
         000003.wav,,s3,,,test,no sound in the dataset\n\
         out.wav,wut,s0,x,p,train,\n\
         a/manifest.csv.wav,freude,s0,y,q,train,\n\
         000006.wav,wut,s1,z,r,train,\n"
    );
    for (path, n) in [("same", 3), ("000001", 4), ("out", 0), ("000006", 2)] {
        assert_eq!(
            project.read(&format!("unpacked/{path}.wav")),
            project.read(&format!("made/{n}.wav"))
        );
    }
    // A folder that is there is left as it is, and a damaged file leaves nothing behind.
    project
        .ser(&["corpus", "unpack", "downloaded", "unpacked"])
        .fails(2, &["unpacked is there already"]);
    let table = "downloaded/data/train-00000-of-00002.parquet";
    let bytes = project.read(table);
    project.write(table, &bytes[..bytes.len() - 9]);
    project
        .ser(&["corpus", "unpack", "downloaded", "again"])
        .fails(4, &["train-00000-of-00002.parquet"]);
    assert!(!project.path("again").exists());
    project
        .ser(&["corpus", "unpack", "made", "again"])
        .fails(4, &["made has no Parquet file with recordings inside"]);
}

#[test]
fn m3ed_is_read_by_the_manifest_of_the_documentation() {
    if !python::has("python", &["csv"]) {
        return;
    }
    let project = Project::new();
    let mut label = serde_json::Map::new();
    for (s, (series, list)) in [("anna", "train"), ("bella", "val"), ("cara", "test")]
        .into_iter()
        .enumerate()
    {
        project.write(
            &format!("m3ed/splitInfo/movie_list_{list}.txt"),
            format!("{series}\n"),
        );
        let mut dialog = serde_json::Map::new();
        for n in 0..8 {
            let side = ["A", "B"][n / 4];
            let emotion = ["Anger", "Happy"][n % 2];
            let id = format!("{series}_10_{n}");
            project.write(
                &format!("m3ed/modality_speech/{side}_{id}.wav"),
                wav(&tone(150.0 + 20.0 * (8 * s + n) as f32, 0.4)),
            );
            let said =
                serde_json::json!({"Speaker": side, "EmoAnnotation": {"final_main_emo": emotion}});
            dialog.insert(id, said);
        }
        let scene = serde_json::json!({"SpeakerInfo": {"A": {"Name": "x"}, "B": {"Name": "y"}}, "Dialog": dialog});
        label.insert(series.to_owned(), serde_json::json!({"10": scene}));
    }
    let text = serde_json::Value::Object(label).to_string();
    project.write("m3ed/annotation.json", text);
    // Without the manifest nothing is guessed.
    project
        .ser(&["corpus", "init", "m3ed", "--name", "own"])
        .fails(4, &["nothing"]);
    run(
        &project,
        "m3ed",
        &lines_of("docs/corpora.md", "## Without a description"),
    );
    project
        .ser(&["corpus", "init", "m3ed", "--name", "own"])
        .ok();
    let rows = proposed(&project, "own");
    assert_eq!(rows.len(), 24);
    let row = &rows["modality_speech/B_bella_10_5.wav"];
    assert_eq!(
        (&*row["emotion"], &*row["speaker"], &*row["split"]),
        ("Happy", "bella-y", "validation")
    );
}
