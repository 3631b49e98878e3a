//! Features of a pretrained encoder: a small random one, from the pipeline file to a prediction.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ser::encoder::{Encoder, Padding};
use ser::table;

use super::project::{Project, json_lines};

const EXPERIMENTS: &str = "\
[[encoder]]
name = \"tiny\"
path = \"encoders/tiny\"

[[experiment]]
name = \"first\"
protocol = { kind = \"group-kfold\", folds = 2 }
inputs = { set = \"tiny\", layer = 1, pooling = \"mean-std\" }
model = { kind = \"logistic\", c = 1.0 }

[[experiment]]
name = \"searched\"
protocol = { kind = \"group-kfold\", folds = 2 }
inputs = { set = \"tiny\" }
model = { kind = \"logistic\", c = 1.0 }
search = { folds = 2, grid = { inputs = { layer = [0, 2, \"last\"], pooling = [\"mean\", \"joint-norm\"] } } }
";

/// A project with a small Whisper in `encoders/tiny`.
fn project() -> Project {
    let project = Project::with_tones(4);
    put_encoder(&project, "whisper", "encoders/tiny");
    let text = pipeline(EXPERIMENTS);
    project.pipeline("small", &text);
    project
}

fn pipeline(rest: &str) -> String {
    let head = Project::small();
    let (head, _) = head.split_once("[[experiment]]").unwrap();
    head.to_owned() + rest
}

pub fn put_encoder(project: &Project, model: &str, folder: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/encoders")
        .join(model);
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name != "states.safetensors" {
            project.write(&format!("{folder}/{name}"), fs::read(&path).unwrap());
        }
    }
}

/// Changes one weight by its last bit.
fn change_weights(project: &Project) {
    let name = "encoders/tiny/model.safetensors";
    let mut bytes = project.read(name);
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8 + header] ^= 1;
    project.write(name, bytes);
}

/// The tasks that a run started.
fn started(project: &Project, args: &[&str]) -> BTreeSet<String> {
    let said = project
        .ser(&[&["run", "small", "--json"], args].concat())
        .ok();
    let events = json_lines(&said.stderr);
    let started = events
        .iter()
        .filter(|event| event["event"] == "task-started");
    started
        .map(|event| event["task"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_computes_the_states_of_an_encoder_once() {
    let project = project();
    let first = started(&project, &[]);
    assert!(first.contains("features/tiny"), "{first:?}");
    assert!(started(&project, &[]).is_empty());

    // The table has, for each state, the means and the deviations of its frames.
    let encoder = Encoder::load(&project.path("encoders/tiny")).unwrap();
    let (width, states) = (encoder.width(), encoder.states().len());
    assert_eq!((width, states), (16, 4));
    let wav = project.read("corpus/s0_calm_0.wav");
    let samples = ser::audio::decode_bytes(&wav, "wav").unwrap().samples;
    let mut expected = vec![];
    encoder
        .run(
            &samples,
            Padding::None,
            &mut encoder.buffers(),
            |_, frames| {
                let count = (frames.len() / width) as f32;
                let column = |c: usize| frames.iter().skip(c).step_by(width);
                let means: Vec<f32> = (0..width).map(|c| column(c).sum::<f32>() / count).collect();
                let spread = |c: usize| column(c).map(|v| (v - means[c]).powi(2)).sum::<f32>();
                expected.extend(&means);
                expected.extend((0..width).map(|c| (spread(c) / count).sqrt()));
            },
        )
        .unwrap();
    let folder = fs::read_dir(project.path("data/cache/small/tasks/features"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("frames.parquet").exists())
        .unwrap();
    let mut rows = 0;
    let (columns, meta) = table::frames::read_parts(&folder, |id, _, _, values| {
        rows += 1;
        if id.contains("s0_calm_0") {
            assert_eq!(values.len(), expected.len());
            for (value, expected) in values.iter().zip(&expected) {
                assert!((value - expected).abs() < 1e-4, "{value} {expected}");
            }
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((rows, columns.len()), (24, 16));
    assert_eq!(meta["ser.feature_set"], "tiny");
    assert!(
        project
            .path("data/tables/small/features-tiny.parquet")
            .is_file()
    );

    // It is said which encoder it was, and what was chosen.
    let page = project.pages("small");
    let sum = &meta["ser.encoder_sha256"];
    assert!(page.contains("on tiny, layer 1, mean-std"));
    assert!(page.contains("layer chosen by inner folds") && page.contains("encoder tiny"));
    let card = String::from_utf8(project.read("data/models/small/first/fold-00-seed-0/README.md"));
    let card = card.unwrap();
    assert!(
        card.contains(sum.as_str())
            && card.contains("layer 1 of 2")
            && card.contains("**Pretrained encoder:**"),
        "{card}"
    );

    // Another recording costs one pass, and other weights all of them.
    let before = project.read("data/tables/small/features-tiny.parquet");
    change_weights(&project);
    let again = started(&project, &[]);
    assert!(
        again.contains("features/tiny") && !again.contains("features"),
        "{again:?}"
    );
    assert!(before != project.read("data/tables/small/features-tiny.parquet"));
    let padded = pipeline(&EXPERIMENTS.replace("tiny\"\n\n", "tiny\"\npadding = \"30s\"\n\n"));
    project.pipeline("small", &padded);
    assert!(started(&project, &[]).contains("features/tiny"));
}

#[test]
fn a_prediction_uses_the_encoder_of_the_training() {
    let project = project();
    project.ser(&["run", "small"]).ok();
    let path = project.path("data/tables/small/predictions.parquet");
    let (labels, rows, _) = table::predictions::read(&path).unwrap();
    let predict = |extra: &[&str]| {
        let model = [
            "predict",
            "small/first/fold-00-seed-0",
            "corpus",
            "--format",
            "jsonl",
        ];
        project.ser(&[&model, extra].concat())
    };
    let said = json_lines(&predict(&[]).ok().stdout);
    let mut compared = 0;
    for row in rows
        .iter()
        .filter(|row| row.experiment == "first" && row.fold == 0)
    {
        let of_row =
            |line: &&serde_json::Value| line["file"].as_str().unwrap().ends_with(&row.utterance_id);
        let line = said.iter().find(of_row).unwrap();
        for (label, probability) in labels.iter().zip(&row.probabilities) {
            assert_eq!(
                line["probabilities"][label].as_f64().unwrap() as f32,
                *probability
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 12);

    fs::rename(project.path("encoders"), project.path("moved")).unwrap();
    predict(&[]).fails(5, &["encoders/tiny", "--encoder"]);
    let moved = json_lines(&predict(&["--encoder", "moved/tiny"]).ok().stdout);
    assert_eq!(moved, said);
    put_encoder(&project, "whisper", "encoders/tiny");
    change_weights(&project);
    predict(&[]).fails(
        4,
        &[
            "not the one that the model was trained on",
            "model.safetensors",
        ],
    );
    let model = "data/models/small/base/fold-00-seed-0";
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small"]).ok();
    assert!(
        !project
            .path("data/tables/small/features-tiny.parquet")
            .exists()
    );
    assert!(project.path("data/tables/small/features.parquet").exists());
    project
        .ser(&["predict", model, "corpus", "--encoder", "moved/tiny"])
        .fails(2, &["needs no encoder"]);
}

#[test]
fn an_encoder_that_cannot_be_used_ends_the_run_before_anything_is_computed() {
    let project = project();
    let edited = |from: &str, to: &str| {
        assert!(EXPERIMENTS.contains(from), "{from}");
        project.pipeline("small", &pipeline(&EXPERIMENTS.replace(from, to)));
        project.ser(&["run", "small"])
    };
    edited("encoders/tiny", "encoders/other").fails(5, &["encoders/other", "config.json"]);
    edited("layer = 1", "layer = 3").fails(3, &["layer 3", "0 to 2"]);
    edited("\"last\"]", "7]").fails(3, &["layer 7", "0 to 2"]);
    edited("set = \"tiny\" }", "set = \"tinny\" }").fails(3, &["tinny", "tiny"]);
    edited("name = \"tiny\"", "name = \"frames\"").fails(3, &["frames"]);
    edited("name = \"tiny\"", "name = \"tiny-noise\"").fails(3, &["changed copies"]);
    edited("layer = 1", "frames = 3").fails(3, &["frames", "`tiny`"]);
    put_encoder(&project, "hubert-pre", "encoders/hubert");
    let padded = "encoders/hubert\"\npadding = \"30s\"";
    edited("encoders/tiny\"", padded).fails(3, &["Whisper"]);
    edited("encoders/tiny", "encoders/hubert").ok();

    // A damaged file of weights is the fault of no recording.
    let weights = project.read("encoders/tiny/model.safetensors");
    project.write(
        "encoders/tiny/model.safetensors",
        &weights[..weights.len() - 4],
    );
    edited("encoders/tiny", "encoders/tiny").fails(4, &["model.safetensors"]);

    // Experiments that need no encoder run without it.
    let others = EXPERIMENTS.replace("model = {", "default = false\nmodel = {");
    let base = "\n[[experiment]]\nname = \"base\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline(
        "small",
        &pipeline(&(others.replace("encoders/tiny", "nowhere") + base)),
    );
    project.ser(&["run", "small"]).ok();
    assert!(started(&project, &[]).is_empty());
}
