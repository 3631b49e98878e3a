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

/// Makes `downloaded/data/train-00000-of-00001.parquet`, of six recordings with the classes `wut`
/// and `freude` as numbers; each is padded to `seconds`.
const DATASET: &str = r#"
import json, pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq

folder = pathlib.Path("downloaded/data")
folder.mkdir(parents=True, exist_ok=True)
audio = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(pathlib.Path("made").iterdir())]
n = len(audio)
features = {"emotion": {"names": ["wut", "freude"], "_type": "ClassLabel"}}
table = pa.table({"audio": audio, "emotion": [i % 2 for i in range(n)], "speaker": [f"s{i // 2}" for i in range(n)]})
table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
pq.write_table(table, folder / "train-00000-of-00001.parquet", row_group_size=100)
"#;

#[test]
fn recordings_inside_parquet_are_named_with_the_cure() {
    if !python::has("python", &["pyarrow"]) {
        return;
    }
    // One and the same, where a page of the file is as small as those of a table and where it is not.
    for seconds in [0.5, 700.0] {
        let project = Project::new();
        for n in 0..6 {
            let sound = wav(&tone(150.0 + 20.0 * n as f32, seconds));
            project.write(&format!("made/{n}.wav"), sound);
        }
        run(&project, ".", DATASET);
        let words = [
            "train-00000-of-00001.parquet holds the recordings themselves, as bytes in its column audio",
            "write each recording to a file, and path, emotion and speaker to manifest.csv",
            "docs/how-do-i.md",
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
        if seconds > 1.0 {
            continue;
        }
        run(
            &project,
            ".",
            &lines_of("docs/how-do-i.md", "### Use a dataset of Hugging Face"),
        );
        project
            .ser(&["corpus", "init", "unpacked", "--name", "own"])
            .ok();
        let rows = proposed(&project, "own");
        assert_eq!(rows.len(), 6);
        for (n, row) in rows.values().enumerate() {
            assert_eq!(row["path"], format!("{n:06}.wav"));
            assert_eq!(row["emotion"], ["wut", "freude"][n % 2]);
            assert_eq!(row["speaker"], format!("s{}", n / 2));
        }
    }
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
