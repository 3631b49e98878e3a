//! Changed copies of training recordings, and subsets of a corpus, through the whole program.

use std::collections::{BTreeMap, BTreeSet};

use ser::table;

use super::project::{Project, extractions, json_lines};

const TABLES: [&str; 4] = [
    "features-shift",
    "features-speed-up",
    "features-slow-down",
    "features-noise",
];
const TASK: &str = "features/issa193-augmented";

/// The logistic baseline without and with augmentation, on a part held out.
fn pipeline() -> String {
    let plain = Project::small().replace(
        "{ kind = \"stratified-kfold\", folds = 2 }",
        "{ kind = \"hold-out\", test_fraction = 0.33 }",
    );
    let (head, experiment) = plain.split_once("[[experiment]]").unwrap();
    let augmented = experiment.replace("name = \"base\"", "name = \"more\"\naugment = true");
    format!("{head}[[experiment]]{experiment}\n[[experiment]]{augmented}")
}

fn project() -> Project {
    let project = Project::with_tones(3);
    project.pipeline("small", &pipeline());
    project
}

fn report(project: &Project) -> BTreeMap<String, serde_json::Value> {
    report_of(project, "small")
}

fn report_of(project: &Project, pipeline: &str) -> BTreeMap<String, serde_json::Value> {
    let report: serde_json::Value =
        serde_json::from_slice(&project.read(&format!("reports/{pipeline}/report.json"))).unwrap();
    let experiments = report["experiments"].as_array().unwrap().iter();
    experiments
        .map(|e| (e["name"].as_str().unwrap().to_owned(), e.clone()))
        .collect()
}

fn started(events: &str) -> BTreeSet<String> {
    let events = json_lines(events);
    let started = events
        .iter()
        .filter(|event| event["event"] == "task-started");
    started
        .map(|event| event["task"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn training_rows_are_five_times_as_many_and_nothing_else_changes() {
    let project = project();
    let ran = project.ser(&["run", "small", "--json", "--jobs", "1"]).ok();
    assert_eq!(extractions(&ran), 18 * 5);
    for name in TABLES {
        let (copies, meta) =
            table::features::read(&project.path(&format!("data/tables/small/{name}.parquet")))
                .unwrap();
        let (originals, _) =
            table::features::read(&project.path("data/tables/small/features.parquet")).unwrap();
        assert_eq!(
            (&copies.ids, &copies.content_hashes),
            (&originals.ids, &originals.content_hashes)
        );
        assert!((0..18).all(|i| copies.row(i) != originals.row(i)), "{name}");
        assert!(name.ends_with(&meta["ser.variant"]));
    }
    let report = report(&project);
    let fold = |name: &str| report[name]["folds"][0].clone();
    let (plain, more) = (fold("base"), fold("more"));
    assert_eq!(
        (&plain["n_train"], &plain["n_test"]),
        (&more["n_train"], &more["n_test"])
    );
    assert_eq!(
        more["n_augmented"].as_u64(),
        plain["n_train"].as_u64().map(|n| 4 * n)
    );
    assert!(
        plain["n_augmented"].is_null()
            && report["more"]["model"]
                .as_str()
                .unwrap()
                .contains("augmented")
    );
    let tested = |name: &str| -> Vec<String> {
        let predictions = project.predictions("small", name);
        predictions.iter().map(|row| row[4].to_owned()).collect()
    };
    assert_eq!(tested("base"), tested("more"));
    let page = project.pages("small");
    assert!(page.contains("12 → 60"), "the report names the counts");

    let other = Project::copy_of(&project);
    std::fs::remove_dir_all(other.path("data")).unwrap();
    std::fs::remove_dir_all(other.path("reports")).unwrap();
    other.ser(&["run", "small", "--jobs", "3"]).ok();
    for folder in ["data/tables", "data/models", "reports"] {
        assert!(
            project.tree(folder) == other.tree(folder),
            "{folder} depends on the number of threads"
        );
    }
}

#[test]
fn no_copy_of_a_test_recording_is_in_a_training() {
    let project = project();
    project.ser(&["run", "small"]).ok();
    let tested: Vec<String> = project
        .predictions("small", "more")
        .iter()
        .map(|row| row[5].to_owned())
        .collect();
    assert_eq!(tested.len(), 6);
    let models = |project: &Project| {
        (
            project.tree("data/models/small/base"),
            project.tree("data/models/small/more"),
        )
    };
    let (plain, more) = models(&project);
    assert!(plain != more, "copies change the model");
    // The same folds with other sounds to be tested: had one of them, or a copy, been seen, the
    // model would be another.
    for (n, path) in tested.iter().enumerate() {
        project.tone(path, 900.0 + 77.0 * n as f32, 0.5);
    }
    let ran = project.ser(&["run", "small", "--json"]).ok();
    assert!(started(&ran.stderr).contains(TASK) && extractions(&ran) == 6 * 5);
    assert!(
        models(&project) == (plain, more),
        "a test recording reached a model"
    );
}

#[test]
fn copies_are_there_only_where_an_experiment_asks_for_them() {
    let project = project();
    project.pipeline(
        "small",
        &pipeline().replace("augment = true", "augment = true\ndefault = false"),
    );
    let planned = |args: &[&str]| {
        let plan = project
            .ser(&[&["plan", "small", "--json"], args].concat())
            .ok()
            .stdout;
        json_lines(&plan)
            .iter()
            .any(|line| line["plan"]["task"] == TASK)
    };
    assert!(!planned(&[]) && planned(&["--experiment", "more"]));
    let ran = project.ser(&["run", "small", "--json"]).ok();
    assert!(
        !started(&ran.stderr).contains(TASK)
            && !project
                .path("data/tables/small/features-noise.parquet")
                .exists()
    );
    let ran = project
        .ser(&["run", "small", "--json", "--experiment", "more"])
        .ok();
    assert!(started(&ran.stderr).contains(TASK) && extractions(&ran) == 18 * 4);
    // What is there stays, and stands in the report.
    project.ser(&["run", "small"]).ok();
    assert!(
        project
            .path("data/tables/small/features-noise.parquet")
            .exists()
            && report(&project).contains_key("more")
    );

    // Another amount: the copies that it concerns, and what is trained on them.
    let set = [
        "--set",
        "features.augment.noise_snr_db=10",
        "--experiment",
        "more",
        "--json",
    ];
    let again = project
        .ser(&[&["run", "small"], set.as_slice()].concat())
        .ok();
    assert_eq!(extractions(&again), 18);
    let ran = started(&again.stderr);
    assert!(
        ran.contains(TASK)
            && ran.contains("train/more/fold-00-seed-0")
            && !ran.contains("train/base/fold-00-seed-0"),
        "{ran:?}"
    );
    assert!(
        !ran.contains("features") && !ran.contains("ingest"),
        "{ran:?}"
    );

    // Some kinds alone, scaled by speaker and searched.
    let mut some = vec![
        "run",
        "small",
        "--as",
        "some",
        "--experiment",
        "more",
        "--set",
        "experiment.more.augment=[\"slow-down\", \"speed-up\"]",
    ];
    some.extend(["--set", "experiment.more.inputs.scaler=per-speaker"]);
    some.extend([
        "--set",
        "experiment.more.search={ folds = 2, by = \"utterance\", grid = { model.c = [0.1, 1] } }",
    ]);
    project.ser(&some).ok();
    let has = |name: &str| {
        let path = format!("data/tables/small@some/{name}.parquet");
        project.path(&path).exists()
    };
    assert_eq!(
        TABLES.map(has),
        [false, true, true, false],
        "kinds that nothing is trained on are not computed"
    );
    let more = report_of(&project, "small@some")["more"].clone();
    let fold = &more["folds"][0];
    assert_eq!(
        fold["n_augmented"].as_u64(),
        fold["n_train"].as_u64().map(|n| 2 * n)
    );
    assert!(
        more["model"]
            .as_str()
            .unwrap()
            .contains("augmented by speed-up and slow-down, transductive"),
        "{more}"
    );
    for (wrong, said) in [
        ("[\"faster\"]", "unknown value"),
        ("[]", "is empty"),
        ("[\"noise\", \"noise\"]", "twice"),
        ("1", "list"),
    ] {
        project
            .ser(&[
                "run",
                "small",
                "--set",
                &format!("experiment.more.augment={wrong}"),
            ])
            .fails(3, &["augment", said]);
    }
}

#[test]
fn what_a_subset_leaves_out_is_named() {
    let project = Project::with_tones(3);
    project.tone("s1_happy_0.wav", 400.0, 0.3);
    project.tone("s2_calm_1.wav", 200.0, 0.35);
    project
        .ser(&[
            "run",
            "small",
            "--as",
            "some",
            "--set",
            "corpus.subset.size=16",
        ])
        .ok();
    let (utterances, _) =
        table::features::read(&project.path("data/tables/small@some/features.parquet")).unwrap();
    assert_eq!(utterances.ids.len(), 16);
    let page = project.pages("small@some");
    assert!(
        page.contains("left out by the subset rule")
            && page.contains("s1_happy_0.wav")
            && page.contains("s2_calm_1.wav")
    );

    let drawn = |seed: &str| {
        let (name, seed) = (
            format!("drawn-{seed}"),
            format!("corpus.subset={{ size = 9, rule = \"random\", seed = {seed} }}"),
        );
        let ran = project
            .ser(&["features", "small", "--as", &name, "--json", "--set", &seed])
            .ok();
        assert_eq!(
            extractions(&ran),
            0,
            "the features of all are there already"
        );
        table::features::read(&project.path(&format!("data/tables/small@{name}/features.parquet")))
            .unwrap()
            .0
            .ids
    };
    let (one, other) = (drawn("1"), drawn("2"));
    assert!(one.len() == 9 && other.len() == 9 && one != other);
    assert_eq!(one, drawn("1"));
    project
        .ser(&["run", "small", "--set", "corpus.subset.size=19"])
        .fails(4, &["corpus.subset", "19", "18"]);
    project
        .ser(&["run", "small", "--set", "corpus.subset.rule=random"])
        .fails(3, &["size"]);
    project
        .ser(&["run", "small", "--set", "corpus.subset.seed=1"])
        .fails(3, &["`seed` is for rule"]);
    project
        .ser(&[
            "run",
            "small",
            "--set",
            "corpus.subset={ size = 9, seed = 1 }",
        ])
        .fails(3, &["random"]);
}

/// Probabilities by recording: those of a run's test part, and those of `ser predict` with the same
/// model.
fn tested_and_predicted(project: &Project, args: &[&str]) -> Vec<(Vec<f32>, Vec<f32>)> {
    let (labels, rows, _) =
        table::predictions::read(&project.path("data/tables/small/predictions.parquet")).unwrap();
    let model = ["predict", "small/more/fold-00-seed-0", "--format", "jsonl"];
    let said = json_lines(&project.ser(&[model.as_slice(), args].concat()).ok().stdout);
    let of = |id: &str| {
        let line = said
            .iter()
            .find(|line| line["file"].as_str().unwrap().ends_with(id))
            .unwrap();
        labels
            .iter()
            .map(|label| line["probabilities"][label].as_f64().unwrap() as f32)
            .collect()
    };
    rows.into_iter()
        .filter(|row| row.experiment == "more")
        .map(|row| (row.probabilities, of(&row.utterance_id)))
        .collect()
}

#[test]
fn test_time_augmentation_is_the_same_in_a_run_and_in_a_prediction() {
    let project = project();
    // The copies that are averaged over, and the scaler, of the second experiment.
    let run = |copies: &str, scaler: &str| {
        let kinds = format!("augment = [\"speed-up\", \"slow-down\"]\n{copies}");
        let (head, experiments) = pipeline()
            .split_once("[[experiment]]")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let experiments = experiments
            .replace("augment = true", &kinds)
            .replace("scaler = \"standard\"", &format!("scaler = \"{scaler}\""));
        project.pipeline(
            "small",
            &format!("{head}[features.augment]\nspeed_up = 1.2\n\n[[experiment]]{experiments}"),
        );
        project.ser(&["run", "small"])
    };
    run("", "standard").ok();
    let plain = tested_and_predicted(&project, &["corpus"]);
    assert!(plain.len() == 6 && plain.iter().all(|(run, predict)| run == predict));
    run("test_time_augment = true", "standard").ok();
    let averaged = tested_and_predicted(&project, &["corpus"]);
    assert!(
        averaged.iter().all(|(run, predict)| run == predict),
        "{averaged:?}"
    );
    assert!(
        plain.iter().zip(&averaged).all(|(a, b)| a.0 != b.0),
        "the mean is another"
    );
    let model: serde_json::Value =
        serde_json::from_slice(&project.read("data/models/small/more/fold-00-seed-0/model.json"))
            .unwrap();
    assert_eq!(
        model["test_time_augment"]["kinds"],
        serde_json::json!(["speed-up", "slow-down"])
    );
    assert_eq!(model["test_time_augment"]["amounts"]["speed_up"], 1.2);
    let card =
        String::from_utf8(project.read("data/models/small/more/fold-00-seed-0/README.md")).unwrap();
    assert!(card.contains("Test-time augmentation"), "{card}");
    assert!(
        report(&project)["more"]["model"]
            .as_str()
            .unwrap()
            .ends_with("augmented by speed-up and slow-down, test-time augmentation")
    );
    // One kind alone, and every speaker scaled by all clips.
    run("test_time_augment = [\"slow-down\"]", "per-speaker").ok();
    let scaled = tested_and_predicted(&project, &["corpus/manifest.csv"]);
    assert!(
        scaled.iter().all(|(run, predict)| run == predict),
        "{scaled:?}"
    );
    for (wrong, said) in [
        ("[\"noise\"]", "predicted but not trained on"),
        ("[\"faster\"]", "unknown value"),
        ("[]", "is empty"),
    ] {
        run(&format!("test_time_augment = {wrong}"), "standard")
            .fails(3, &["test_time_augment", said]);
    }
    project.pipeline("small", &Project::small());
    project
        .ser(&[
            "run",
            "small",
            "--set",
            "experiment.base.test_time_augment=true",
        ])
        .fails(3, &["there are none"]);
}
