//! Features of another tool, from a table to a prediction.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use ser::table;
use serde_json::Value;

use super::project::{EMOTIONS, Project, json_lines};
use crate::python::{has, python};

const IMPORT: &str = "\
[[features.import]]
name = \"other\"
path = \"tables/other.csv\"

";

const EXPERIMENT: &str = "
[[experiment]]
name = \"imported\"
protocol = { kind = \"stratified-kfold\", folds = 2 }
inputs = { set = \"other\" }
model = { kind = \"logistic\", c = 100.0 }
";

/// Rows of three features, which tell the emotions apart, and of what is none, a line each.
fn rows(speakers: usize) -> Vec<String> {
    let mut rows = vec!["name,pitch_mean,pitch_sd,level,emotion,speaker,comment".to_owned()];
    for speaker in 0..speakers {
        for (k, emotion) in EMOTIONS.iter().enumerate() {
            for take in 0..2 {
                let (k, odd) = (k as f64, (speaker + 3 * take) as f64 / 7.0);
                rows.push(format!(
                    "s{speaker}_{emotion}_{take},{},{},{},{k},{speaker},as heard",
                    100.0 + 40.0 * k + odd,
                    5.5 - k - odd,
                    odd * odd - 0.25
                ));
            }
        }
    }
    rows
}

fn text(import: &str, experiments: &str) -> String {
    Project::small().replace("[[experiment]]", &format!("{import}[[experiment]]")) + experiments
}

fn project() -> Project {
    let project = Project::with_tones(4);
    project.write("tables/other.csv", rows(4).join("\n") + "\n");
    project.pipeline("small", &text(IMPORT, EXPERIMENT));
    project
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

fn report(project: &Project) -> Value {
    serde_json::from_slice(&project.read("reports/small/report.json")).unwrap()
}

#[test]
fn an_imported_table_is_a_set_as_any_other() {
    let project = project();
    let ran = project.ser(&["run", "small"]).ok();
    let words = "other: 3 features of other.csv by file name without extension in `name`: 24 of 24 utterances";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    for left in ["`emotion` (", "`speaker` (", "`comment` (text"] {
        assert!(ran.stderr.contains(left), "{left}: {}", ran.stderr);
    }
    let table = project.path("data/tables/small/features-other.parquet");
    let (features, meta) = table::features::read(&table).unwrap();
    assert_eq!(features.columns, ["pitch_mean", "pitch_sd", "level"]);
    assert_eq!(
        (features.ids[6].as_str(), features.row(6)[0]),
        ("s1_angry_0.wav", 180.0 + 1.0 / 7.0)
    );
    let sum = &meta["ser.import_sha256"];
    let report = report(&project);
    assert_eq!(
        report["imports"][0]["files"][0]["sha256"],
        Value::from(sum.as_str())
    );
    assert!(report["experiments"][1]["pooled"]["uar"].as_f64().unwrap() > 0.99);
    let card = String::from_utf8(project.read("reports/small/card-imported.md")).unwrap();
    assert!(
        card.contains(sum) && card.contains("--features FILE"),
        "{card}"
    );
    let card = String::from_utf8(project.read("reports/small/card-base.md")).unwrap();
    assert!(!card.contains(sum), "{card}");
    let model = project.read("data/models/small/imported/fold-00-seed-0/README.md");
    let model = String::from_utf8(model).unwrap();
    assert!(
        model.contains(sum) && model.contains("tables/other.csv"),
        "{model}"
    );
    assert!(project.pages("small").contains(sum));

    // It can be explained, by column and by the word that columns begin with.
    project.ser(&["explain", "small", "-e", "imported"]).ok();
    let explained = project.pages("small");
    assert!(explained.contains("pitch_mean") && explained.contains("level"));

    assert!(started(&project, &[]).is_empty());
    let moved = text(&IMPORT.replace("tables/", "elsewhere/"), EXPERIMENT);
    project.write("elsewhere/other.csv", project.read("tables/other.csv"));
    project.pipeline("small", &moved);
    let again = started(&project, &[]);
    let only = ["publish", "report"];
    assert!(
        again.iter().all(|task| only.contains(&task.as_str())),
        "{again:?}"
    );

    // What depends on it is stale with it, and nothing else.
    let mut changed = rows(4);
    changed[1] = changed[1].replacen("100,", "101,", 1);
    project.write("elsewhere/other.csv", changed.join("\n"));
    let plan = project.ser(&["plan", "small"]).ok().stdout;
    assert!(
        plan.contains("features/other") && plan.contains("table"),
        "{plan}"
    );
    let again = started(&project, &[]);
    assert!(
        again.contains("features/other") && again.iter().any(|t| t.starts_with("train/imported/")),
        "{again:?}"
    );
    assert!(
        !again
            .iter()
            .any(|task| task.contains("base") || task == "features"),
        "{again:?}"
    );

    // Without the table, the experiments that do not need it run.
    fs::remove_file(project.path("elsewhere/other.csv")).unwrap();
    project
        .ser(&["run", "small"])
        .fails(5, &["elsewhere/other.csv", "features.import"]);
    project.ser(&["run", "small", "-e", "base"]).ok();
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small"]).ok();
    assert!(!table.exists());
}

#[test]
fn utterances_without_features_are_excluded_and_counted() {
    let project = project();
    let mut table = rows(4);
    table.remove(3);
    table[5] = table[5]
        .replacen("as heard", "again", 1)
        .replacen(",5.5,", ",,", 1);
    let columns: Vec<&str> = table[7].split(',').collect();
    let flawed = [columns[0], "nan", &columns[2..].join(",")].join(",");
    table[7] = flawed;
    table.push(table[1].clone());
    table.push("s9_calm_0,1,2,3,0,9,of nobody".to_owned());
    project.write("tables/other.csv", table.join("\n"));
    project.ser(&["run", "small"]).ok();
    let report = report(&project);
    let found = &report["imports"][0];
    assert_eq!(found["matched"].as_u64(), Some(22), "{found}");
    assert_eq!(
        (&found["without_row"], &found["repeated"], &found["strange"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(found["not_finite"], serde_json::json!({ "pitch_mean": 1 }));
    let excluded = report["corpus"]["set_aside"].as_array().unwrap();
    let excluded: Vec<&Value> = excluded
        .iter()
        .filter(|one| one["reason"] == "no-features")
        .collect();
    assert_eq!(excluded.len(), 2);
    let detail = excluded
        .iter()
        .map(|one| one["detail"].as_str().unwrap())
        .collect::<String>();
    assert!(
        detail.contains("no row") && detail.contains("`pitch_mean`") && detail.contains("line 8"),
        "{detail}"
    );
    // Both experiments are tested on the same.
    for experiment in ["base", "imported"] {
        assert_eq!(
            project.predictions("small", experiment).len(),
            22,
            "{experiment}"
        );
    }
}

#[test]
fn a_prediction_takes_the_features_of_a_table() {
    let project = project();
    project.ser(&["run", "small"]).ok();
    let model = "small/imported/fold-00-seed-0";
    let predict = |extra: &[&str]| {
        project.ser(&[&["predict", model, "corpus", "--format", "jsonl"], extra].concat())
    };
    predict(&[]).fails(
        2,
        &["3 features", "pitch_mean, pitch_sd, level", "--features"],
    );
    let table = ["--features", "tables/new.csv"];
    // Other columns in another order, and paths in place of names.
    let reordered: Vec<String> = (rows(4).iter())
        .map(|row| {
            let cells: Vec<&str> = row.split(',').collect();
            let name = if cells[0] == "name" {
                "file".to_owned()
            } else {
                format!("D:\\corpus\\{}.wav", cells[0])
            };
            [cells[3], cells[1], "7", &name, cells[2]].join(";")
        })
        .collect();
    let new = reordered.join("\n").replacen(";7;", ";more;", 1);
    project.write("tables/new.csv", &new);
    let said = json_lines(&predict(&table).ok().stdout);
    let path = project.path("data/tables/small/predictions.parquet");
    let (labels, predicted, _) = table::predictions::read(&path).unwrap();
    let mut compared = 0;
    for row in predicted
        .iter()
        .filter(|row| row.experiment == "imported" && row.fold == 0)
    {
        let of_row = |line: &&Value| line["file"].as_str().unwrap().ends_with(&row.utterance_id);
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

    predict(&[&table[..], &["--window", "0.2"]].concat()).fails(2, &["--window"]);
    let shorter: Vec<&str> = new
        .lines()
        .filter(|line| !line.contains("s2_happy_1"))
        .collect();
    project.write("tables/new.csv", shorter.join("\n"));
    predict(&table).fails(4, &["1 of 24", "no-features"]);
    project.write("tables/new.csv", new.replacen("pitch_sd", "pitch_var", 1));
    predict(&table).fails(4, &["tables/new.csv", "`pitch_sd`", "trained on"]);
    let base = ["predict", "small/base/fold-00-seed-0", "corpus"];
    project
        .ser(&[&base[..], &table].concat())
        .fails(2, &["leave out --features"]);
}

#[test]
fn settings_that_cannot_work_with_a_table_are_refused() {
    let project = project();
    let run = |import: &str, experiment: &str| {
        project.pipeline("small", &text(import, experiment));
        project.ser(&["run", "small"])
    };
    let with = |line: &str| format!("{EXPERIMENT}{line}\n");
    run(IMPORT, &with("augment = true")).fails(3, &["augment", "changed copies"]);
    run(IMPORT, &with("test_time_augment = true")).fails(3, &["test_time_augment"]);
    run(
        &(IMPORT.to_owned() + "[corpus.windows]\nlength_s = 0.2\n\n"),
        EXPERIMENT,
    )
    .fails(3, &["corpus.windows"]);
    let set = |set: &str| EXPERIMENT.replace("\"other\"", set);
    run(IMPORT, &set("\"others\"")).fails(3, &["others", "other"]);
    run(IMPORT, &set("\"other\", layer = 1")).fails(3, &["layer", "`other`"]);
    run(IMPORT, &set("\"other\", log_mel = true")).fails(3, &["log_mel"]);
    let import = |from: &str, to: &str| run(&IMPORT.replace(from, to), EXPERIMENT);
    import("\"other\"", "\"frames\"").fails(3, &["frames", "another set"]);
    import("\"other\"", "\"other-noise\"").fails(3, &["changed copies"]);
    import("path", "ids = \"a.txt\"\npath").fails(3, &["ids"]);
    import("path", "array = \"x\"\npath").fails(3, &["array"]);
    import("path", "columns = [\"pich_mean\"]\npath").fails(3, &["pich_mean", "pitch_mean"]);
    import("path", "id = \"file\"\npath").fails(3, &["`file`", "name"]);
    import("path", "file = \"x\"\npath").fails(3, &["file"]);
    import("path", "columns = [\"pitch_*\"]\npath").ok();
    let table = project.path("data/tables/small/features-other.parquet");
    assert_eq!(
        table::features::read(&table).unwrap().0.columns,
        ["pitch_mean", "pitch_sd"]
    );
    // A pipeline may have no other set.
    let whole = text("[features]\nsets = [\"other\"]\n\n", EXPERIMENT);
    let (head, rest) = whole.split_once("[[experiment]]").unwrap();
    let (_, imported) = rest.split_once("[[experiment]]").unwrap();
    let alone = format!("{head}{IMPORT}[[experiment]]{imported}");
    project.pipeline("small", &alone);
    project.ser(&["run", "small"]).ok();
    assert!(!project.path("data/tables/small/features.parquet").exists());
}

#[test]
fn a_joined_corpus_takes_the_rows_of_its_parts() {
    let project = project();
    let corpus = "[corpus]\nkind = \"joined\"\nname = \"both\"\nroot = \".\"\nparts = [\n\
        { kind = \"manifest\", name = \"a\", folder = \"corpus\", label_map = { calm = \"calm\", happy = \"happy\", angry = \"angry\" } },\n\
        { kind = \"manifest\", name = \"b\", folder = \"second\", label_map = { calm = \"calm\", happy = \"happy\", angry = \"angry\" } },\n]\n\n";
    let other = Project::with_tones(1);
    for (name, bytes) in other.tree("corpus") {
        project.write(
            &format!("second/{}", name.replace("s0_", "t0_")),
            if name.ends_with("csv") {
                String::from_utf8(bytes)
                    .unwrap()
                    .replace("s0", "t0")
                    .into_bytes()
            } else {
                bytes
            },
        );
    }
    let mut table = rows(4);
    table.extend(rows(1)[1..].iter().map(|row| row.replacen("s0_", "t0_", 1)));
    project.write("tables/other.csv", table.join("\n"));
    let whole = text(IMPORT, EXPERIMENT);
    let (begin, rest) = (
        whole.find("[corpus]").unwrap(),
        whole.find("[[features").unwrap(),
    );
    project.pipeline(
        "small",
        &format!("{}{corpus}{}", &whole[..begin], &whole[rest..]),
    );
    project.ser(&["run", "small", "-e", "imported"]).ok();
    assert_eq!(report(&project)["imports"][0]["matched"].as_u64(), Some(30));
}

/// The Python blocks of a page.
fn recipes(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let blocks = text.split("```python\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a recipe of the page that contains `word` on generated recordings, and the pipeline on the
/// table that it writes.
fn follow(word: &str, path: &str, prepare: impl Fn(&Project, String) -> String) -> Value {
    let recipes = recipes("docs/imports.md");
    let recipe = recipes.iter().find(|recipe| recipe.contains(word)).unwrap();
    let project = Project::with_tones(2);
    let recipe = prepare(&project, recipe.clone());
    project.write("recipe.py", recipe);
    let mut command: Command = python();
    let ran = command
        .arg("recipe.py")
        .current_dir(project.path("."))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let import = IMPORT.replace("tables/other.csv", path);
    project.pipeline("small", &text(&import, EXPERIMENT));
    project.ser(&["run", "small"]).ok();
    report(&project)["imports"][0].clone()
}

#[test]
fn the_recipe_for_opensmile_works() {
    if !has("opensmile", &["opensmile"]) {
        return;
    }
    let found = follow("opensmile", "egemaps.csv", |_, recipe| recipe);
    assert_eq!(
        (&found["columns"], &found["matched"]),
        (&88.into(), &12.into()),
        "{found}"
    );
}

#[test]
fn the_recipe_for_transformers_works() {
    if !has(
        "transformers",
        &["transformers", "torch", "soundfile", "scipy"],
    ) {
        return;
    }
    // A small random model in place of one that would have to be downloaded.
    let found = follow("transformers", "wavlm.npz", |project, recipe| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoders/wavlm-pre");
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("model/{}", path.file_name().unwrap().to_str().unwrap());
            project.write(&name, fs::read(&path).unwrap());
        }
        assert!(recipe.contains("\"microsoft/wavlm-base-plus\""), "{recipe}");
        recipe.replace("microsoft/wavlm-base-plus", "model")
    });
    assert_eq!(
        (&found["columns"], &found["matched"]),
        (&16.into(), &12.into()),
        "{found}"
    );
}

/// What pandas and NumPy write of the same numbers gives the same table.
#[test]
fn tables_of_pandas_and_numpy_have_the_same_values() {
    if !has("python", &["pandas", "pyarrow", "numpy"]) {
        return;
    }
    let project = project();
    project.write(
        "write.py",
        "import numpy, pandas\n\
         table = pandas.read_csv('tables/other.csv')\n\
         table = table[['name', 'pitch_mean', 'pitch_sd', 'level']]\n\
         table.to_csv('tables/a.tsv', sep='\\t', index=False)\n\
         table.to_csv('tables/b.csv', sep=';', encoding='utf-8-sig', lineterminator='\\r\\n')\n\
         table.to_parquet('tables/c.parquet', index=False)\n\
         values = table.drop(columns='name')\n\
         numpy.savez_compressed('tables/d.npz', x=values.to_numpy(), names=table.name.to_numpy(dtype=str), columns=list(values.columns))\n\
         numpy.save('tables/e.npy', numpy.asfortranarray(values.to_numpy(dtype='float32')))\n\
         table.name.to_csv('tables/ids.txt', header=False, index=False)\n\
         parts = ['corpus/' + name + '.wav' for name in table.name]\n\
         times = pandas.to_timedelta([0.0] * len(table), unit='s'), pandas.to_timedelta([0.4] * len(table), unit='s')\n\
         values.index = pandas.MultiIndex.from_arrays([parts, *times], names=['file', 'start', 'end'])\n\
         values.to_csv('tables/f.csv')\n\
         values.to_parquet('tables/g.parquet')\n",
    );
    let mut command: Command = python();
    let ran = command
        .arg("write.py")
        .current_dir(project.path("."))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let read = |path: &str| {
        let ids = if path.ends_with("npy") {
            "ids = \"tables/ids.txt\"\n\n"
        } else {
            "\n"
        };
        let import = IMPORT.replace("tables/other.csv", &format!("tables/{path}"));
        project.pipeline(
            "small",
            &text(&(import.trim_end().to_owned() + "\n" + ids), EXPERIMENT),
        );
        project.ser(&["features", "small", "-e", "imported"]).ok();
        let table = project.path("data/tables/small/features-other.parquet");
        table::features::read(&table).unwrap().0
    };
    let expected = read("other.csv");
    for path in [
        "a.tsv",
        "b.csv",
        "c.parquet",
        "d.npz",
        "e.npy",
        "f.csv",
        "g.parquet",
    ] {
        let table = read(path);
        assert_eq!(
            (&table.ids, &table.values),
            (&expected.ids, &expected.values),
            "{path}"
        );
        assert!(
            path == "e.npy" || table.columns == expected.columns,
            "{path}: {:?}",
            table.columns
        );
    }
}
