//! What ser writes, opened by the tools that others use: pandas, polars, DuckDB, PyTorch.
//! `SER_PYTHON` names the interpreter; what it lacks is skipped, and said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use ser::encoder::{Encoder, EncoderName, Padding, Usage};
use serde_json::{Value, json};

use crate::program::project::Project;
use crate::report::fixture;

pub fn python() -> Command {
    Command::new(std::env::var_os("SER_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Whether the interpreter has all of the modules, which are a part of what `need` says.
pub fn has(need: &str, modules: &[&str]) -> bool {
    let tried = python()
        .arg("-c")
        .arg(format!("import {}", modules.join(", ")))
        .output();
    let found = tried.is_ok_and(|output| output.status.success());
    if !found {
        crate::skipped::skipped(
            need,
            format_args!(
                "no {} (SER_PYTHON names a Python that has them)",
                modules.join(", ")
            ),
        );
    }
    found
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cell(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => json!(value),
        Field::Byte(value) => json!(value),
        Field::Short(value) => json!(value),
        Field::UByte(value) => json!(value),
        Field::UShort(value) => json!(value),
        Field::Int(value) => json!(value),
        Field::Long(value) => json!(value),
        Field::UInt(value) => json!(value),
        Field::ULong(value) => json!(value),
        Field::Float(value) => json!({ "f32": value.to_bits() }),
        Field::Double(value) => json!({ "f64": value.to_bits().to_string() }),
        Field::Str(text) => json!(text),
        Field::ListInternal(list) => list.elements().iter().map(cell).collect(),
        other => panic!("a table holds {other:?}"),
    }
}

fn parquet(path: &Path) -> Value {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let columns: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema()
        .get_fields()
        .iter()
        .map(|f| f.name().to_owned())
        .collect();
    let rows: Vec<Vec<Value>> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            row.unwrap()
                .get_column_iter()
                .map(|(_, field)| cell(field))
                .collect()
        })
        .collect();
    json!({ "columns": columns, "rows": rows })
}

fn sheet(path: &Path) -> Value {
    let mut reader = csv::ReaderBuilder::new().from_path(path).unwrap();
    let columns: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect();
    json!({ "columns": columns, "rows": rows })
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

fn compare(tables: BTreeMap<String, Value>) {
    let dir = tempfile::tempdir().unwrap();
    let expected = dir.path().join("expected.json");
    fs::write(&expected, serde_json::to_vec(&tables).unwrap()).unwrap();
    let output = python()
        .arg(repository("tests/it/python/tables.py"))
        .arg(&expected)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_table_opens_in_pandas_polars_and_duckdb_cell_by_cell() {
    if !has("python", &["json"]) {
        return;
    }
    let project = Project::with_tones(3);
    let frames = Project::small().replace(
        "[[experiment]]",
        "[features]\nsets = [\"issa193\", \"functionals\", \"frames\"]\n\n[[experiment]]",
    );
    project.pipeline("small", &frames);
    project.ser(&["run", "small", "-q"]).ok();
    let mut tables = BTreeMap::new();
    for path in files(&project.path("data/tables/small"), "parquet") {
        tables.insert(path.display().to_string(), parquet(&path));
    }
    for name in [
        "utterances",
        "features",
        "features-functionals",
        "features-frames",
        "splits",
        "predictions",
        "metrics",
    ] {
        assert!(
            tables
                .keys()
                .any(|path| path.ends_with(&format!("/{name}.parquet"))),
            "{name}: {:?}",
            tables.keys()
        );
    }
    for path in files(&project.path("reports/small"), "csv") {
        tables.insert(path.display().to_string(), sheet(&path));
    }
    compare(tables);
}

#[test]
fn csv_files_with_hostile_names_open_in_pandas_polars_and_duckdb() {
    if !has("python", &["json"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    ser::report::write(&fixture::hostile(), dir.path()).unwrap();
    compare(
        files(dir.path(), "csv")
            .into_iter()
            .map(|path| (path.display().to_string(), sheet(&path)))
            .collect(),
    );
}

/// Logits by utterance, from the script that users copy.
fn pytorch(model: &Path, table: &Path) -> Vec<(String, Vec<f32>)> {
    let output = python()
        .arg(repository("examples/load_in_pytorch.py"))
        .arg(model)
        .arg(table)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    reader
        .records()
        .map(|row| row.unwrap())
        .map(|row| {
            (
                row[0].to_owned(),
                row.iter().skip(1).map(|v| v.parse().unwrap()).collect(),
            )
        })
        .collect()
}

#[test]
fn networks_give_the_same_logits_in_pytorch() {
    if !has("python", &["torch", "pandas", "safetensors"]) {
        return;
    }
    let project = Project::with_tones(3);
    let perceptron = Project::network(2)
        .replace("name = \"net\"", "name = \"mlp\"")
        .replace(
            "kind = \"cnn\", architecture = \"emodb-a\"",
            "kind = \"perceptron\", hidden = 16",
        )
        .replace("scaler = \"standard\"", "scaler = \"standard\", clip = 3");
    let keras = Project::network(2)
        .replace("name = \"net\"", "name = \"keras\"")
        .replace("architecture = \"emodb-a\"", "architecture = \"ravdess\"")
        .replace(
            "log_mel = true, scaler = \"standard\"",
            "order = \"keras\", scaler = \"none\"",
        );
    for (name, text) in [
        ("net", Project::network(2)),
        ("mlp", perceptron),
        ("keras", keras),
    ] {
        project.pipeline(name, &text);
        project.ser(&["train", name, "-q"]).ok();
        let folder = project.path(&format!("data/models/{name}/base/fold-00-seed-0"));
        let table = project.path(&format!("data/tables/{name}/features.parquet"));
        let theirs = pytorch(&folder, &table);
        let (features, _) = ser::table::features::read_parts(table.parent().unwrap()).unwrap();
        let saved = ser::model::artifact::load(&folder).unwrap();
        let mut network = saved.network().expect("a network").unwrap();
        assert_eq!(theirs.len(), features.ids.len());
        for (i, (id, logits)) in theirs.iter().enumerate() {
            assert_eq!(*id, features.ids[i]);
            let mut row =
                ser::transform::rearrange(&saved.info.inputs, &features.columns, features.row(i));
            saved.info.scaler.apply_row(&mut row);
            ser::transform::finish_row(&mut row, &saved.info.inputs);
            let ours = network
                .logits(&ser::split::Matrix::new(1, row.len(), row))
                .unwrap();
            // Logits above 1 have fewer digits behind the point.
            let scale = ours
                .iter()
                .fold(1.0f32, |most, value| most.max(value.abs()));
            for (a, b) in ours.iter().zip(logits) {
                assert!(
                    (a - b).abs() <= 1e-5 * scale,
                    "{name}, {id}: {ours:?} and {logits:?}"
                );
            }
        }
    }
}

/// Rows of a CSV text by their first column.
fn by_first(csv: &[u8]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv);
    let columns = reader.headers().unwrap().clone();
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| {
        let cells = columns.iter().zip(row.iter());
        let cells = cells.map(|(name, cell)| (name.to_owned(), cell.to_owned()));
        (row[0].to_owned(), cells.collect())
    })
    .collect()
}

#[test]
fn classical_models_give_the_same_classes_and_probabilities_in_numpy() {
    if !has("python", &["numpy"]) {
        return;
    }
    let project = Project::with_tones(4);
    let models = [
        (
            "rbf",
            "{ kind = \"svm\", kernel = \"rbf\", c = 10.0 }",
            "standard",
        ),
        (
            "linear",
            "{ kind = \"svm\", kernel = \"linear\", c = 0.01 }",
            "standard",
        ),
        ("logistic", "{ kind = \"logistic\", c = 0.01 }", "none"),
        ("lda", "{ kind = \"lda\" }", "standard"),
        ("forest", "{ kind = \"random-forest\", trees = 20 }", "none"),
        ("near", "{ kind = \"knn\", k = 3 }", "standard"),
        (
            "nearest",
            "{ kind = \"knn\", k = 5, weights = \"distance\" }",
            "standard",
        ),
        ("bayes", "{ kind = \"naive-bayes\" }", "standard"),
        ("majority", "{ kind = \"majority\" }", "none"),
    ];
    let small = Project::small();
    let mut text = small.split("[[experiment]]").next().unwrap().to_owned();
    for (name, model, scaler) in models {
        let clip = if name == "linear" { ", clip = 2" } else { "" };
        text += &format!(
            "[[experiment]]\nname = \"{name}\"\nprotocol = {{ kind = \"leave-one-speaker-out\" }}\n\
             inputs = {{ log_mel = true, scaler = \"{scaler}\"{clip} }}\nmodel = {model}\n\n"
        );
    }
    project.pipeline("small", &text);
    project.ser(&["train", "small", "-q"]).ok();
    project
        .ser(&["export", "features", "small", "-o", "features.csv"])
        .ok();
    for (name, ..) in models {
        let folder = format!("data/models/small/{name}/fold-00-seed-0");
        let predicted = ["predict", &folder, "corpus", "--format", "csv", "-q"];
        let ours = by_first(project.ser(&predicted).ok().stdout.as_bytes());
        let output = python()
            .arg(repository("examples/load_models.py"))
            .args([project.path(&folder), project.path("features.csv")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let theirs = by_first(&output.stdout);
        assert_eq!((ours.len(), theirs.len()), (24, 24));
        for (file, ours) in &ours {
            let id = Path::new(file).file_stem().unwrap().to_str().unwrap();
            let (_, theirs) = theirs.iter().find(|(other, _)| other.contains(id)).unwrap();
            assert_eq!(theirs["predicted"], ours["emotion"], "{name}, {file}");
            for (column, value) in ours
                .iter()
                .filter(|(column, _)| column.starts_with("prob_"))
            {
                let [a, b] = [value, &theirs[column]].map(|cell| cell.parse::<f64>().unwrap());
                assert!(
                    (a - b).abs() < 2e-5,
                    "{name}, {file}, {column}: {a} and {b}"
                );
            }
        }
    }
    // What the script does not do is refused.
    let folder = "data/models/small/majority/fold-00-seed-0";
    let model = format!("{folder}/model.json");
    let mut card: serde_json::Value = serde_json::from_slice(&project.read(&model)).unwrap();
    card["test_time_augment"] = serde_json::json!({ "kinds": ["speed"] });
    project.write(&model, card.to_string());
    let output = python()
        .arg(repository("examples/load_models.py"))
        .args([project.path(folder), project.path("features.csv")])
        .output()
        .unwrap();
    assert!(
        !output.status.success()
            && String::from_utf8_lossy(&output.stderr).contains("test_time_augment")
    );
}

/// The states of an ONNX file by ONNX Runtime, the values of one behind those of another.
fn onnxruntime(model: &Path, output: &str, samples: &[f32]) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    fs::write(folder.path().join("samples"), bytes).unwrap();
    let script = "import sys, numpy, onnxruntime\n\
        session = onnxruntime.InferenceSession(sys.argv[1])\n\
        x = numpy.fromfile(sys.argv[3] + '/samples', '<f4')[None]\n\
        y, = session.run([sys.argv[2]], {session.get_inputs()[0].name: x})\n\
        y.astype('<f4').tofile(sys.argv[3] + '/states')";
    let done = python()
        .args(["-c", script])
        .args([model, Path::new(output), folder.path()])
        .status();
    assert!(done.unwrap().success(), "{}", model.display());
    let bytes = fs::read(folder.path().join("states")).unwrap();
    let values = bytes.as_chunks().0.iter();
    values.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn onnx_files_give_the_states_of_onnxruntime() {
    if !has("onnxruntime", &["numpy", "onnxruntime"]) {
        return;
    }
    let own = repository("tests/encoders/onnx/hubert.onnx");
    let outputs = ["states", "frames", "vector", "pooled"];
    let mut models: Vec<_> = outputs.map(|output| (own.clone(), output)).into();
    if let Some(root) = std::env::var_os("SER_ENCODERS") {
        let others = files(&Path::new(&root).join("random/onnx"), "onnx");
        models.extend(others.into_iter().map(|path| (path, "y")));
    }
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let samples: Vec<f32> = (0..40_000).map(|_| noise()).collect();
    for (model, output) in models {
        let usage = Usage {
            normalize: Some(false),
            output: EncoderName::new(output),
            ..Usage::default()
        };
        let encoder = Encoder::load(&model, &usage).unwrap();
        let (mut buffers, mut states) = (encoder.buffers(), vec![]);
        encoder
            .run(&samples, Padding::None, &mut buffers, |_, state| {
                states.push(state.to_vec());
            })
            .unwrap();
        let expected = onnxruntime(&model, output, &samples);
        assert_eq!(states.concat().len(), expected.len());
        let each = expected.len() / states.len();
        for (state, expected) in states.iter().zip(expected.chunks(each)) {
            let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            for (value, expected) in state.iter().zip(expected) {
                let far = (value - expected).abs() / largest;
                assert!(far < 1e-4, "{}: {far:e}", model.display());
            }
        }
    }
}

/// The Python package as an installation has it, made of the module that cargo builds; `None`
/// where `SER_PYTHON` names no Python with these modules. Nothing else compiles pyo3.
fn package(modules: &[&str]) -> Option<tempfile::TempDir> {
    if std::env::var_os("SER_PYTHON").is_none() {
        crate::skipped::skipped("python", "SER_PYTHON names no Python for the package");
        return None;
    }
    if !has("python", modules) {
        return None;
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_ser")).parent().unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--locked", "--package", "ser-python"])
        .args(folder.ends_with("release").then_some("--release"))
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(repository(""))
        .env("PYO3_BUILD_EXTENSION_MODULE", "1");
    assert!(cargo.status().unwrap().success());
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("ser_rs");
    fs::create_dir(&inside).unwrap();
    for path in files(&repository("python/ser_rs"), "py") {
        fs::copy(&path, inside.join(path.file_name().unwrap())).unwrap();
    }
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let name = if cfg!(windows) {
        "_ser.pyd"
    } else {
        "_ser.abi3.so"
    };
    let built = folder.join(format!("{DLL_PREFIX}_ser{DLL_SUFFIX}"));
    fs::copy(built, inside.join(name)).unwrap();
    Some(place)
}

/// Runs a Python file of the tests in a project, with the package.
fn run_in(project: &Project, package: &Path, file: &str, arguments: &[&str]) {
    let output = python()
        .arg(repository("tests/it/python").join(file))
        .args(arguments)
        .current_dir(project.path(""))
        .env("PYTHONPATH", package)
        .env("MPLBACKEND", "Agg")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_python_package_gives_what_the_command_gives() {
    let Some(package) = package(&["numpy", "pandas", "polars", "pyarrow"]) else {
        return;
    };
    let project = Project::with_tones(3);
    let base = "[[experiment]]\nname = \"base\"";
    let (head, logistic) = Project::small()
        .split_once(base)
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let network = Project::network(1);
    let (_, network) = network.split_once(base).unwrap();
    let sets = "[features]\nsets = [\"issa193\", \"functionals\", \"frames\"]\n\n";
    let kind = |name: &str, text: &str| format!("[[experiment]]\nname = \"{name}\"{text}\n");
    let all = [
        head,
        sets.to_owned(),
        kind("logistic", &logistic),
        kind(
            "knn",
            &logistic.replace("\"logistic\", c = 1.0", "\"knn\", k = 3"),
        ),
        kind(
            "svm",
            &logistic.replace(
                "\"logistic\", c = 1.0",
                "\"svm\", kernel = \"rbf\", c = 1.0",
            ),
        ),
        kind("net", network),
        kind(
            "speakers",
            &logistic.replace("\"standard\"", "\"per-speaker\""),
        ),
        "[[experiment]]\nname = \"ensemble\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
         model = { kind = \"ensemble\", members = [\"logistic\", \"knn\"] }\n"
            .to_owned(),
    ];
    project.pipeline("small", &all.concat());
    project.ser(&["run", "small", "-q"]).ok();
    project.pipeline(
        "long",
        &Project::network(100_000).replace("\"net\"", "\"long\""),
    );
    for name in ["logistic", "knn", "svm", "net"] {
        let (model, out) = (format!("small/{name}"), format!("{name}.parquet"));
        project
            .ser(&["predict", &model, "corpus", "-o", &out, "-q"])
            .ok();
    }
    let speakers = [
        "predict",
        "small/speakers",
        "corpus/manifest.csv",
        "-o",
        "speakers.parquet",
    ];
    project.ser(&speakers).ok();
    let windows = [
        "predict",
        "small/svm",
        "corpus",
        "--window",
        "0.2",
        "-o",
        "windows.parquet",
    ];
    project.ser(&windows).ok();
    run_in(
        &project,
        package.path(),
        "api.py",
        &[env!("CARGO_BIN_EXE_ser")],
    );
    run_in(&project, package.path(), "mistakes.py", &[]);
}

#[test]
fn the_notebook_of_the_examples_runs() {
    let modules = ["matplotlib", "numpy", "pandas", "pyarrow", "sklearn"];
    if let Some(package) = package(&modules) {
        let notebook = repository("examples/features.ipynb");
        let arguments = [notebook.to_str().unwrap()];
        run_in(&Project::new(), package.path(), "notebook.py", &arguments);
    }
}
