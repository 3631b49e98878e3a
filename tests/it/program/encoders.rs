//! Features of a pretrained encoder: a small random one, from the pipeline file to a prediction.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ser::encoder::{Encoder, Padding, State, Usage};
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
    let encoder = Encoder::load(&project.path("encoders/tiny"), &Usage::default()).unwrap();
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

const WEIGHTED: &str = "\
[[encoder]]
name = \"tiny\"
path = \"encoders/tiny\"

[[experiment]]
name = \"sum\"
protocol = { kind = \"group-kfold\", folds = 2 }
inputs = { set = \"tiny\", layer = \"weighted\", pooling = \"mean-std\" }
model = { kind = \"weighted-sum\", hidden = 4, dropout = 0.1 }
train = { epochs = 3 }
";

#[test]
fn layers_are_weighed_with_what_is_learned() {
    let project = project();
    project.pipeline("small", &pipeline(WEIGHTED));
    assert!(started(&project, &[]).contains("features/tiny"));
    let folder = "data/models/small/sum/fold-00-seed-0";
    let info: serde_json::Value =
        serde_json::from_slice(&project.read(&format!("{folder}/model.json"))).unwrap();
    // Four states of sixteen means and sixteen deviations.
    let names: Vec<&str> = (info["feature_names"].as_array().unwrap().iter())
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(
        (names.len(), names[0], names[127]),
        (128, "0_mean_d00", "3_sd_d15")
    );
    let said = info["provenance"]["layer_shares"].as_str().unwrap();
    let shares: Vec<f64> = said
        .split(", ")
        .map(|one| one.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(shares.len(), 4);
    assert!((shares.iter().sum::<f64>() - 100.0).abs() < 0.3, "{said}");
    let card = String::from_utf8(project.read(&format!("{folder}/README.md"))).unwrap();
    assert!(
        card.contains("learned weights") && card.contains(said),
        "{card}"
    );
    assert!(
        project
            .pages("small")
            .contains("mean shares of the layers: 0 ")
    );

    // A prediction is that of the test.
    let path = project.path("data/tables/small/predictions.parquet");
    let (labels, rows, _) = table::predictions::read(&path).unwrap();
    let args = [
        "predict",
        "small/sum/fold-00-seed-0",
        "corpus",
        "--format",
        "jsonl",
    ];
    let said = json_lines(&project.ser(&args).ok().stdout);
    let mut compared = 0;
    for row in rows.iter().filter(|row| row.fold == 0) {
        let of_row =
            |line: &&serde_json::Value| line["file"].as_str().unwrap().ends_with(&row.utterance_id);
        let line = said.iter().find(of_row).unwrap();
        for (label, probability) in labels.iter().zip(&row.probabilities) {
            let predicted = line["probabilities"][label].as_f64().unwrap();
            assert!((predicted - f64::from(*probability)).abs() < 1e-6);
        }
        compared += 1;
    }
    assert_eq!(compared, 12);

    let edited = |from: &str, to: &str| {
        assert!(WEIGHTED.contains(from), "{from}");
        project.pipeline("small", &pipeline(&WEIGHTED.replace(from, to)));
        project.ser(&["run", "small"])
    };
    edited("\"weighted\"", "1").fails(3, &["all layers", "layer = \"weighted\""]);
    edited("weighted-sum\", hidden = 4, dropout = 0.1", "perceptron\"").fails(3, &["weighted-sum"]);
    let grid = "logistic\" }\nsearch = { grid = { inputs = { layer = [1, \"weighted\"] } } }\n#";
    edited("\"weighted\", pooling", "1, pooling").fails(3, &["all layers"]);
    let searched = WEIGHTED
        .replace("layer = \"weighted\", ", "")
        .replace("weighted-sum\", hidden = 4, dropout = 0.1 }\ntrain", grid);
    project.pipeline("small", &pipeline(&searched));
    project.ser(&["run", "small"]).fails(3, &["`weighted`"]);
}

const FRAMES: &str = "\
[[encoder]]
name = \"frames\"
path = \"encoders/tiny\"
frames = 1

[[experiment]]
name = \"temporal\"
protocol = { kind = \"group-kfold\", folds = 2 }
inputs = { set = \"tiny-frames\", frames = 20 }
model = { kind = \"temporal\", channels = 4 }
train = { epochs = 2 }
";

#[test]
fn frames_of_a_layer_are_read_as_a_sequence() {
    let project = project();
    let text = FRAMES.replace("\"frames\"", "\"tiny-frames\"");
    project.pipeline("small", &pipeline(&text));
    assert!(started(&project, &[]).contains("features/tiny-frames"));
    assert!(started(&project, &[]).is_empty());

    // The table has every frame of that layer.
    let encoder = Encoder::load(&project.path("encoders/tiny"), &Usage::default()).unwrap();
    let wav = project.read("corpus/s0_calm_0.wav");
    let samples = ser::audio::decode_bytes(&wav, "wav").unwrap().samples;
    let mut expected = vec![];
    let mut look = |state, frames: &[f32]| {
        if state == State::Layer(1) {
            expected.extend_from_slice(frames);
        }
    };
    encoder
        .run(&samples, Padding::None, &mut encoder.buffers(), &mut look)
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
            assert!(values == expected);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((rows, columns.len()), (24, 16));
    assert_eq!(meta["ser.encoder_frames"], "1");
    let model = "small/temporal/fold-00-seed-0";
    let card = project.read(&format!("data/models/{model}/README.md"));
    assert!(
        String::from_utf8(card)
            .unwrap()
            .contains("frames of layer 1")
    );

    let path = project.path("data/tables/small/predictions.parquet");
    let (labels, rows, _) = table::predictions::read(&path).unwrap();
    let args = ["predict", model, "corpus", "--format", "jsonl"];
    let said = json_lines(&project.ser(&args).ok().stdout);
    for row in rows.iter().filter(|row| row.fold == 0) {
        let of_row =
            |line: &&serde_json::Value| line["file"].as_str().unwrap().ends_with(&row.utterance_id);
        let line = said.iter().find(of_row).unwrap();
        for (label, probability) in labels.iter().zip(&row.probabilities) {
            let predicted = line["probabilities"][label].as_f64().unwrap();
            assert!((predicted - f64::from(*probability)).abs() < 1e-6);
        }
    }

    let edited = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        project.pipeline("small", &pipeline(&text.replace(from, to)));
        project.ser(&["run", "small"])
    };
    edited("frames = 1\n", "frames = 3\n").fails(3, &["layer 3", "0 to 2"]);
    edited("frames = 1\n", "frames = \"weighted\"\n").fails(3, &["`frames`", "one layer"]);
    edited("frames = 1\n", "").fails(3, &["`frames`", "[[encoder]]"]);
    edited("frames = 20", "layer = 1").fails(3, &["name the layer there"]);
    edited("kind = \"temporal\", channels = 4", "kind = \"perceptron\"").fails(3, &["sequences"]);
}

const ONNX: &str = "\
[[encoder]]
name = \"any\"
path = \"encoders/model.onnx\"
normalize = true
output = \"states\"

[[experiment]]
name = \"first\"
protocol = { kind = \"group-kfold\", folds = 2 }
inputs = { set = \"any\", layer = 1, pooling = \"mean-std\" }
model = { kind = \"logistic\", c = 1.0 }
";

/// A project with an ONNX file in `encoders`.
fn onnx_project() -> Project {
    let project = Project::with_tones(4);
    put_encoder(&project, "onnx", "encoders");
    fs::rename(
        project.path("encoders/hubert.onnx"),
        project.path("encoders/model.onnx"),
    )
    .unwrap();
    project.pipeline("small", &pipeline(ONNX));
    project
}

#[test]
fn an_onnx_file_is_an_encoder_as_a_folder_is() {
    let project = onnx_project();
    project.write("encoders/README.md", "---\nlicense: mit\n---\n");
    assert!(started(&project, &[]).contains("features/any"));
    assert!(started(&project, &["--jobs", "2"]).is_empty());
    let table = project.read("data/tables/small/features-any.parquet");
    // The same model as a folder gives the same features but for rounding: the same predictions.
    put_encoder(&project, "hubert-pre", "encoders/folder");
    let folder = ONNX
        .replace(
            "model.onnx\"\nnormalize = true\noutput = \"states\"",
            "folder\"",
        )
        .replace("\"any\"", "\"folder\"")
        .replace("\"first\"", "\"second\"");
    project.pipeline("small", &pipeline(&format!("{ONNX}\n{folder}")));
    assert!(started(&project, &[]).contains("features/folder"));
    assert!(project.read("data/tables/small/features-any.parquet") == table);
    let path = project.path("data/tables/small/predictions.parquet");
    let (_, rows, _) = table::predictions::read(&path).unwrap();
    let of = |name: &str| {
        rows.iter()
            .filter(|row| row.experiment == name)
            .collect::<Vec<_>>()
    };
    let (first, second) = (of("first"), of("second"));
    assert_eq!((first.len(), second.len()), (24, 24));
    for (a, b) in first.iter().zip(second) {
        assert_eq!(a.utterance_id, b.utterance_id);
        for (a, b) in a.probabilities.iter().zip(&b.probabilities) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }
    let card = project.read("data/models/small/first/fold-00-seed-0/README.md");
    let card = String::from_utf8(card).unwrap();
    for word in [
        "model.onnx",
        "layer 1 of 3",
        "mit",
        "samples normalised",
        "output states",
    ] {
        assert!(card.contains(word), "{word}: {card}");
    }
    let page = project.pages("small");
    assert!(page.contains("samples normalised, output states") && page.contains("licence mit"));

    // A prediction loads it again, from another place too, and no other file.
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
    assert!(!said.is_empty());
    fs::rename(project.path("encoders"), project.path("moved")).unwrap();
    predict(&[]).fails(5, &["encoders/model.onnx", "--encoder"]);
    let moved = json_lines(&predict(&["--encoder", "moved/model.onnx"]).ok().stdout);
    assert_eq!(moved, said);
    let mut bytes = project.read("moved/model.onnx");
    let at = bytes.windows(6).position(|word| word == b"frames").unwrap();
    bytes[at] = b'F';
    project.write("moved/model.onnx", bytes);
    predict(&["--encoder", "moved/model.onnx"]).fails(4, &["model.onnx"]);

    // Another output is another encoder.
    fs::rename(project.path("moved"), project.path("encoders")).unwrap();
    put_encoder(&project, "onnx", "encoders");
    fs::rename(
        project.path("encoders/hubert.onnx"),
        project.path("encoders/model.onnx"),
    )
    .unwrap();
    let vector = ONNX
        .replace("states", "vector")
        .replace("layer = 1, pooling = \"mean-std\"", "pooling = \"mean\"");
    project.pipeline("small", &pipeline(&vector));
    assert!(started(&project, &[]).contains("features/any"));
}

#[test]
fn an_onnx_file_that_cannot_be_used_ends_the_run_before_anything_is_computed() {
    let project = onnx_project();
    let edited = |from: &str, to: &str| {
        assert!(ONNX.contains(from), "{from}");
        project.pipeline("small", &pipeline(&ONNX.replace(from, to)));
        project.ser(&["run", "small"])
    };
    edited("normalize = true\n", "").fails(3, &["normalize", "do_normalize"]);
    edited("normalize = true", "padding = \"30s\"\nnormalize = true").fails(3, &["padding"]);
    edited("model.onnx", "other.onnx").fails(5, &["encoders/other.onnx"]);
    edited("encoders/model.onnx", "encoders").fails(3, &["normalize", "ONNX"]);
    edited("output = \"states\"", "").fails(4, &["states, frames, vector", "`output`"]);
    edited("\"states\"", "\"logits\"").fails(4, &["logits", "states, frames, vector"]);
    edited("\"states\"", "\"vector\"").fails(3, &["layer 1", "0 to 0"]);
    let std = "\"vector\"\n[[experiment]]\nname = \"std\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\ninputs = { set = \"any\", pooling = \"mean-std\" }\nmodel = { kind = \"majority\" }\n#";
    edited("\"states\"\n\n[[experiment]]\nname = \"first\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\ninputs = { set = \"any\", layer = 1, pooling = \"mean-std\" }\nmodel = { kind = \"logistic\", c = 1.0 }", std)
        .fails(3, &["mean-std", "one vector"]);
    edited("layer = 1", "layer = 4").fails(3, &["layer 4", "0 to 3"]);
    let whole = project.read("encoders/model.onnx");
    project.write("encoders/model.onnx", &whole[..whole.len() / 2]);
    edited("layer = 1", "layer = 1").fails(4, &["model.onnx", "cut short"]);
}

#[test]
fn the_layer_of_a_network_is_chosen_within_the_training_part() {
    let project = project();
    let network = |name: &str, inputs: &str, more: &str| {
        format!(
            "[[experiment]]\nname = \"{name}\"\nprotocol = {{ kind = \"group-kfold\", folds = 2 }}\ninputs = {{ set = \"tiny\", scaler = \"standard\"{inputs} }}\n\
             model = {{ kind = \"perceptron\", hidden = 8 }}\ntrain = {{ epochs = 3, batch_size = 8 }}\n{more}\n"
        )
    };
    let head = EXPERIMENTS.split_once("[[experiment]]").unwrap().0;
    let search = "search = { folds = 2, grid = { inputs.layer = [0, 2] } }";
    let all = [
        network("searched", "", search),
        network("layer-0", ", layer = 0", ""),
        network("layer-2", ", layer = 2", ""),
    ];
    project.pipeline("small", &pipeline(&(head.to_owned() + &all.concat())));
    project.ser(&["run", "small", "-q"]).ok();
    for fold in ["fold-00-seed-0", "fold-01-seed-0"] {
        let weights = |name: &str| {
            project.read(&format!(
                "data/models/small/{name}/{fold}/model.safetensors"
            ))
        };
        let card = project.read(&format!("data/models/small/searched/{fold}/README.md"));
        let card = String::from_utf8(card).unwrap();
        let chosen = if card.contains("search.chosen: inputs.layer=0") {
            "layer-0"
        } else {
            assert!(card.contains("search.chosen: inputs.layer=2"), "{card}");
            "layer-2"
        };
        assert_eq!(weights("searched"), weights(chosen));
    }
    let stopping = network("searched", "", &format!("validation = 0.2\n{search}"))
        .replace("batch_size = 8", "batch_size = 8, patience = 1");
    project.pipeline("small", &pipeline(&(head.to_owned() + &stopping)));
    let refused = project.ser(&["run", "small", "-q"]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.stderr.contains("early stopping"),
        "{}",
        refused.stderr
    );
}
