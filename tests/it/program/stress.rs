//! Models on changed test recordings, through the whole program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ser::table::{features, predictions};

use super::project::{Project, Ran, json_lines};

const EXPERIMENTS: [&str; 4] = ["base", "copies", "speakers", "both"];

/// A baseline, one that predicts changed copies with each recording, one that scales speakers, and
/// an ensemble; on more speakers than folds.
fn project() -> Project {
    let project = Project::with_tones(4);
    let base = Project::small().replace("stratified-kfold", "group-kfold");
    let (head, experiment) = base.split_once("[[experiment]]").unwrap();
    let other = |name: &str, more: &str| {
        let named = experiment.replace("name = \"base\"", &format!("name = \"{name}\"\n{more}"));
        format!("\n[[experiment]]{named}")
    };
    let copies = other(
        "copies",
        "augment = [\"speed-up\"]\ntest_time_augment = true",
    );
    let speakers = other("speakers", "").replace("\"standard\"", "\"per-speaker\"");
    let both = "\n[[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                model = { kind = \"ensemble\", members = [\"base\", \"speakers\"] }\n";
    let first = format!("{head}[[experiment]]{experiment}");
    project.pipeline(
        "small",
        &[&first, copies.as_str(), &speakers, both].concat(),
    );
    project
}

/// The folder of a task's output.
fn output(project: &Project, task: &str) -> PathBuf {
    let latest = project.read(&format!("data/cache/small/latest/{task}.json"));
    let latest: serde_json::Value = serde_json::from_slice(&latest).unwrap();
    let (stage, key) = (
        task.split('/').next().unwrap(),
        latest["key"].as_str().unwrap(),
    );
    project.path(&format!("data/cache/small/tasks/{stage}/{key}"))
}

fn started(ran: &Ran) -> BTreeSet<String> {
    let events = json_lines(&ran.stderr).into_iter();
    let started = events.filter(|event| event["event"] == "task-started");
    started
        .map(|event| event["task"].as_str().unwrap().to_owned())
        .filter(|task| task != "publish")
        .collect()
}

type Row = BTreeMap<String, String>;

fn rows(project: &Project) -> Vec<Row> {
    let table = project.read("reports/small/stress.csv");
    let mut table = csv::Reader::from_reader(table.as_slice());
    table.deserialize().map(Result::unwrap).collect()
}

fn figure(row: &Row, name: &str) -> f64 {
    row[name]
        .parse()
        .unwrap_or_else(|_| panic!("{name} of {row:?}"))
}

fn stress(project: &Project, conditions: &str) -> Ran {
    project.ser(&["stress", "small", "--conditions", conditions, "--json"])
}

#[test]
fn unchanged_recordings_give_the_stored_predictions_and_nothing_is_computed_twice() {
    let project = project();
    let planned = project
        .ser(&[
            "stress",
            "small",
            "--conditions",
            "clean,noise-0",
            "--dry-run",
            "--json",
        ])
        .ok();
    let first = stress(&project, "clean,noise-0").ok();
    let lines = json_lines(&planned.stdout);
    let planned: BTreeSet<String> = (lines.iter())
        .map(|line| line["plan"]["task"].as_str().unwrap().to_owned())
        .filter(|task| task != "publish" && !task.starts_with("train/"))
        .collect();
    let ran = started(&first);
    assert!(planned.is_subset(&ran), "{planned:?} {ran:?}");
    for name in EXPERIMENTS {
        assert!(
            planned.contains(&format!("stress/{name}/noise-0")),
            "{planned:?}"
        );
        let [stored, clean, noisy] = [
            format!("evaluate/{name}"),
            format!("stress/{name}/clean"),
            format!("stress/{name}/noise-0"),
        ]
        .map(|task| {
            predictions::read(&output(&project, &task).join("predictions.parquet")).unwrap()
        });
        assert_eq!((&stored.0, &stored.1), (&clean.0, &clean.1), "{name}");
        assert_ne!(stored.1, noisy.1, "{name}");
        assert_eq!(noisy.1.len(), 24);
    }
    let rows = rows(&project);
    assert_eq!(rows.len(), 8);
    for row in &rows {
        assert_eq!((row["n"].as_str(), row["lost"].as_str()), ("24", "0"));
        if row["condition"] == "clean" {
            let zero = [
                "uar_drop",
                "uar_drop_ci_low",
                "uar_drop_ci_high",
                "only_before",
            ];
            assert!(zero.iter().all(|name| figure(row, name) == 0.0), "{row:?}");
            assert_eq!(figure(row, "p_holm"), 1.0);
        }
        let (low, high) = (figure(row, "uar_ci_low"), figure(row, "uar_ci_high"));
        assert!(
            low <= figure(row, "uar") && figure(row, "uar") <= high,
            "{row:?}"
        );
    }

    assert_eq!(
        started(&stress(&project, "clean,noise-0").ok()),
        BTreeSet::new()
    );
    let more = started(&stress(&project, "noise-0,quiet-20").ok());
    let own = |task: &&String| task.starts_with("stress/") || task.starts_with("features");
    let own: Vec<&str> = more.iter().filter(own).map(String::as_str).collect();
    let mut want = vec!["features/issa193@quiet-20".to_owned()];
    want.extend(EXPERIMENTS.map(|name| format!("stress/{name}/quiet-20")));
    want.sort();
    assert_eq!(own, want);
    assert!(
        !more.iter().any(|task| task.starts_with("train/")),
        "{more:?}"
    );

    // What is there stays in the report, and the picture of the steps names it once.
    project.ser(&["run", "small"]).ok();
    assert_eq!(self::rows(&project).len(), 12);
    let page = String::from_utf8(project.read("reports/small/experiment-base.html")).unwrap();
    assert!(page.contains("x-stress-plot") && page.contains("20 dB quieter"));
    let page = String::from_utf8(project.read("reports/small/experiment-speakers.html")).unwrap();
    assert!(page.contains("scaled by all of their recordings under the same condition"));
}

#[test]
fn a_quieter_recording_keeps_what_does_not_depend_on_the_level() {
    let project = project();
    project
        .ser(&["stress", "small", "-e", "base", "--conditions", "quiet-20"])
        .ok();
    let read = |path: PathBuf| features::read_parts(&path).unwrap().0;
    let before = read(project.path("data/tables/small"));
    let after = read(output(&project, "features/issa193@quiet-20"));
    assert_eq!((&before.ids, &before.columns), (&after.ids, &after.columns));
    let mut seen = [0, 0];
    for (c, name) in before.columns.iter().enumerate() {
        for i in 0..before.ids.len() {
            let (one, other) = (f64::from(before.row(i)[c]), f64::from(after.row(i)[c]));
            if name.starts_with("chroma") {
                assert!((one - other).abs() < 1e-4, "{name}: {one} {other}");
                seen[0] += 1;
            } else if name.starts_with("mel") {
                // A power: a tenth of the amplitude is a hundredth of it.
                assert!((other / one - 0.01).abs() < 1e-5, "{name}: {one} {other}");
                seen[1] += 1;
            }
        }
    }
    assert_eq!(seen, [12 * 24, 128 * 24]);
}

#[test]
fn a_condition_without_its_codec_is_left_out_by_name() {
    let project = project();
    std::fs::create_dir_all(project.path("empty")).unwrap();
    let args = [
        "stress",
        "small",
        "-e",
        "base",
        "-e",
        "both",
        "--conditions",
        "opus-16k",
    ];
    let mut command = project.command();
    let ran = command.args(args).env("PATH", project.path("empty"));
    let ran = Ran::from(ran.output().unwrap()).ok();
    let why = "neither ffmpeg with libopus nor opusenc is on the path";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    let rows = rows(&project);
    let named: Vec<&str> = rows.iter().map(|row| row["experiment"].as_str()).collect();
    assert_eq!(
        named,
        ["base", "speakers", "both"],
        "members are tested with an ensemble"
    );
    assert!(
        rows.iter()
            .all(|row| row["left_out"] == why && row["uar"].is_empty())
    );
    assert!(project.pages("small").contains(why));

    // A program that is there takes its place.
    project.write(
        "bin/opusenc",
        "#!/bin/sh\ncase $1 in --version) echo opusenc 1;; *) /bin/cp $4 $5;; esac\n",
    );
    let script =
        "chmod +x bin/opusenc; PATH=$PWD/bin \"$SER\" stress small -e base --conditions opus-16k";
    project.bash(script).ok();
    let row = self::rows(&project)
        .into_iter()
        .find(|row| row["experiment"] == "base");
    let row = row.unwrap();
    assert!(row["left_out"].is_empty(), "{row:?}");
    assert_eq!(figure(&row, "uar_drop"), 0.0, "this codec changes nothing");
}

#[test]
fn imported_features_are_refused() {
    let project = Project::with_tones(2);
    let mut table = "name,a,b\n".to_owned();
    for (i, name) in String::from_utf8(project.read("corpus/manifest.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .enumerate()
    {
        let name = name.split(',').next().unwrap().trim_matches('"');
        table += &format!("{name},{i},{}\n", i % 5);
    }
    project.write("tables/other.csv", table);
    let import =
        "[[features.import]]\nname = \"other\"\npath = \"tables/other.csv\"\n\n[[experiment]]";
    let imported = "\n[[experiment]]\nname = \"imported\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
                    inputs = { set = \"other\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n";
    let text = Project::small().replace("[[experiment]]", import) + imported;
    project.pipeline("small", &text);
    let words = [
        "imported cannot be tested under other conditions",
        "imported from a table",
    ];
    project
        .ser(&[
            "stress",
            "small",
            "-e",
            "imported",
            "--conditions",
            "quiet-20",
        ])
        .fails(2, &words);
    let ran = project
        .ser(&["stress", "small", "--conditions", "quiet-20"])
        .ok();
    assert!(ran.stderr.contains(words[0]), "{}", ran.stderr);
    let tested: Vec<String> = rows(&project)
        .iter()
        .map(|row| row["experiment"].clone())
        .collect();
    assert_eq!(tested, ["base"]);
}
