//! The history of runs: what is recorded, listed, shown and compared, and that it never costs a
//! run.

use serde_json::Value;

use super::project::{Project, Ran};

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}

fn listed(project: &Project) -> Vec<Value> {
    lines(&project.ser(&["runs", "--limit", "1000", "--json"]).ok())
}

#[test]
fn two_runs_are_listed_shown_and_compared() {
    let project = Project::with_tones(3);
    project.pipeline("net", &Project::network(2));
    assert!(
        project
            .ser(&["runs"])
            .ok()
            .stdout
            .contains("no run is recorded in data/runs.sqlite yet")
    );
    project
        .ser(&["runs", "show", "latest"])
        .fails(5, &["there is no history data/runs.sqlite"]);
    project.ser(&["plan", "net"]).ok();
    project.ser(&["run", "net", "--dry-run"]).ok();
    assert!(!project.path("data").exists(), "looking records nothing");

    project.bash("git init -q && git add pipelines && git -c user.name=n -c user.email=e@example.org commit -qm one").ok();
    project.ser(&["run", "net", "--jobs", "1"]).ok();
    project.pipeline("net", &(Project::network(2) + "\n# changed\n"));
    project
        .ser(&[
            "run",
            "net",
            "--set",
            "experiment.base.train.learning_rate=0.03",
        ])
        .ok();

    let runs = listed(&project);
    assert_eq!(
        runs.iter()
            .map(|run| run["id"].as_i64().unwrap())
            .collect::<Vec<_>>(),
        [2, 1]
    );
    let (second, first) = (&runs[0], &runs[1]);
    assert_eq!(
        (first["pipeline"].as_str(), second["pipeline"].as_str()),
        (Some("net"), Some("net@base.learning-rate-0.03"))
    );
    assert!(
        runs.iter()
            .all(|run| run["outcome"] == "done" && run["seconds"].as_f64().unwrap() > 0.0)
    );
    assert_eq!(
        (first["dirty"].as_bool(), second["dirty"].as_bool()),
        (Some(false), Some(true))
    );
    assert!(
        first["revision"] == second["revision"] && first["revision"].as_str().unwrap().len() == 40
    );
    let all = first["tasks"]["ran"].as_u64().unwrap();
    assert!(all >= 6 && first["tasks"]["reused"] == 0, "{first}");
    assert_eq!(
        second["tasks"]["ran"].as_u64().unwrap() + second["tasks"]["reused"].as_u64().unwrap(),
        all
    );
    let tasks_of = |run: &str, what: &str| -> Vec<String> {
        let shown = &lines(&project.ser(&["runs", "show", run, "--json"]).ok())[0];
        let tasks = shown["task_list"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|task| task["what"] == what);
        tasks
            .map(|task| task["task"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        tasks_of("2", "reused")[..3],
        ["ingest", "features", "audit"]
    );
    assert_eq!(
        tasks_of("2", "ran")[..3],
        [
            "train/base/fold-00-seed-0",
            "train/base/fold-01-seed-0",
            "evaluate/base"
        ]
    );
    assert_eq!(
        second["command"],
        "ser run net --set experiment.base.train.learning_rate=0.03"
    );

    let table = project.ser(&["runs", "net", "--limit", "1"]).ok().stdout;
    let digits = &first["revision"].as_str().unwrap()[..8];
    assert!(
        table.lines().count() == 2
            && table.contains(&format!("{digits}+  done"))
            && table.contains("base "),
        "{table}"
    );
    assert!(
        project
            .ser(&["runs", "other"])
            .ok()
            .stdout
            .contains("no run of pipeline `other`")
    );

    let shown = project.ser(&["runs", "show", "latest"]).ok().stdout;
    for part in [
        "run 2: net",
        "experiment.base.train.learning_rate",
        "0.03",
        "train: 2 tasks in",
        "train.learning_rate: 0.001 -> 0.03",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    let shown = &lines(&project.ser(&["runs", "show", "1", "--json"]).ok())[0];
    assert_eq!(
        shown["parameters"]["experiment.base.train.learning_rate"],
        "0.001"
    );
    let tasks = shown["task_list"].as_array().unwrap();
    assert!(tasks.iter().all(|t| t["seconds"].is_f64()), "{tasks:?}");
    assert_eq!(
        tasks
            .iter()
            .filter(|t| t["stage"] == "train"
                && t["key"].as_str().unwrap().len() == 64
                && t["why"] == "never ran")
            .count(),
        2
    );
    let metric = |run: &Value, name: &str| {
        run["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["metric"] == name)
            .unwrap()["value"]
            .as_f64()
            .unwrap()
    };
    // Each has a report of its own.
    for (run, name) in [(first, "net"), (second, "net@base.learning-rate-0.03")] {
        let report: Value =
            serde_json::from_slice(&project.read(&format!("reports/{name}/report.json"))).unwrap();
        for figure in ["uar", "macro_f1"] {
            assert_eq!(
                metric(run, figure),
                report["experiments"][0]["pooled"][figure].as_f64().unwrap(),
                "{name}"
            );
        }
    }

    let diff = &lines(&project.ser(&["diff", "1", "2", "--json"]).ok())[0];
    let settings = diff["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1, "{settings:?}");
    assert_eq!(
        (&settings[0]["a"], &settings[0]["b"]),
        (&Value::from("0.001"), &Value::from("0.03"))
    );
    let paired = &diff["predictions"][0]["paired"];
    assert_eq!(
        (paired["n"].as_u64(), paired["other_truth"].as_u64()),
        (Some(18), Some(0))
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let wrong = number(&paired["both_wrong"]) + number(&paired["mcnemar"]["c"]);
    assert!(
        (1.0 - wrong / 18.0 - metric(first, "accuracy")).abs() < 1e-12,
        "{paired}"
    );
    let accuracy = diff["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|m| m["metric"] == "accuracy")
        .unwrap();
    let more = number(&paired["mcnemar"]["c"]) - number(&paired["mcnemar"]["b"]);
    assert!(
        (number(&accuracy["difference"]) - more / 18.0).abs() < 1e-12,
        "{accuracy} {paired}"
    );

    let text = project.ser(&["diff", "latest~1", "latest"]).ok().stdout;
    assert_eq!(
        text,
        project
            .ser(&["diff", "net", "net@base.learning-rate-0.03"])
            .ok()
            .stdout
    );
    for part in [
        "0.001 -> 0.03",
        "both predicted 18 utterances",
        "McNemar's exact test: p = ",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    // Predictions that were removed are said to be gone; the rest is still compared.
    let place = shown["predictions"][0]["path"].as_str().unwrap();
    std::fs::remove_file(project.path("data").join(place)).unwrap();
    let text = project.ser(&["diff", "1", "2"]).ok().stdout;
    assert!(
        text.contains("those of run 1 are gone")
            && text.contains("0.001 -> 0.03")
            && !text.contains("McNemar"),
        "{text}"
    );
    project
        .ser(&["diff", "1", "9"])
        .fails(5, &["there is no run `9`"]);
    project
        .ser(&["diff", "1", "yesterday"])
        .fails(2, &["`yesterday` names no run", "latest~1"]);
}

#[test]
fn failed_runs_are_recorded_with_their_error() {
    let project = Project::with_tones(2);
    project.pipeline(
        "absent",
        &Project::small()
            .replace("\"small\"", "\"absent\"")
            .replace("corpus/manifest.csv", "gone.csv"),
    );
    project
        .ser(&["run", "absent", "small", "--skip-missing"])
        .ok();
    let runs = listed(&project);
    assert_eq!(
        runs.iter()
            .map(|r| r["outcome"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["done", "failed"]
    );
    assert!(runs[1]["error"].as_str().unwrap().contains("gone.csv"));
}

#[cfg(unix)]
#[test]
fn interrupted_and_killed_runs_are_listed_as_such_with_what_they_finished() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(100_000));
    for signal in ["INT", "KILL"] {
        // Two seconds after the trainings began, what was finished before is written.
        let script = format!(
            "\"$SER\" run net --json --jobs 1 2>log >/dev/null & pid=$!; for i in $(seq 600); do grep -q epochs log && break; sleep 0.05; \
             done; sleep 2; kill -{signal} $pid; wait $pid; true"
        );
        project.bash(&script).ok();
    }
    let runs = listed(&project);
    assert_eq!(
        runs.iter()
            .map(|r| r["outcome"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["killed", "interrupted"]
    );
    assert!(runs[0]["finished"].is_null() && runs[1]["finished"].is_string());
    assert_eq!(
        (
            runs[1]["tasks"]["ran"].as_u64(),
            runs[0]["tasks"]["reused"].as_u64()
        ),
        (Some(4), Some(4)),
        "{runs:?}"
    );
    assert!(project.ser(&["runs"]).ok().stdout.contains("killed"));
}

#[test]
fn a_history_that_cannot_be_written_costs_one_warning_and_no_run() {
    let project = Project::with_tones(2);
    project.write(
        "data/runs.sqlite",
        b"this is no database, and long enough to be taken for none ".repeat(20),
    );
    let ran = project.ser(&["run", "small"]).ok();
    assert_eq!(
        ran.stderr
            .matches("warning: the history data/runs.sqlite was damaged")
            .count(),
        1,
        "{}",
        ran.stderr
    );
    assert_eq!(listed(&project).len(), 1);

    std::fs::remove_file(project.path("data/runs.sqlite")).unwrap();
    std::fs::create_dir(project.path("data/runs.sqlite")).unwrap();
    let ran = project.ser(&["run", "small"]).ok();
    assert_eq!(
        ran.stderr
            .matches("warning: the history of this run is not complete")
            .count(),
        1,
        "{}",
        ran.stderr
    );
    project.ser(&["runs"]).fails(6, &["runs.sqlite"]);
}

#[test]
fn processes_at_once_lose_no_history() {
    let project = Project::with_tones(2);
    let names: Vec<String> = (0..4).map(|i| format!("p{i}")).collect();
    for name in &names {
        project.pipeline(
            name,
            &Project::small().replace("\"small\"", &format!("\"{name}\"")),
        );
    }
    for round in 0..8 {
        if round == 4 {
            project.write("data/runs.sqlite", [b'x'; 5000]);
        }
        let all: Vec<String> = names
            .iter()
            .map(|name| format!("\"$SER\" run {name} -q >/dev/null 2>>log || echo failed >>log &"))
            .collect();
        project.bash(&format!("{} wait", all.join(" "))).ok();
    }
    let said = String::from_utf8(project.read("log")).unwrap();
    assert!(
        said.lines().count() == 1 && said.contains("was damaged"),
        "{said}"
    );
    let runs = listed(&project);
    assert_eq!(runs.len(), 16, "all since the file was damaged");
    for name in &names {
        let own: Vec<&Value> = runs
            .iter()
            .filter(|run| run["pipeline"] == **name)
            .collect();
        assert!(
            own.len() == 4
                && own
                    .iter()
                    .all(|run| run["outcome"] == "done" && run["tasks"]["ran"] == 0),
            "{own:?}"
        );
    }
}
