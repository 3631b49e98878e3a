//! Whole runs: the same bytes for any number of threads, reuse that is explained, and resumption
//! after an interruption.

use super::project::{Project, extractions, json_lines};

fn outputs(project: &Project) -> Vec<(String, Vec<u8>)> {
    ["data/tables", "data/models", "reports"]
        .iter()
        .flat_map(|folder| project.tree(folder))
        .collect()
}

#[track_caller]
fn same(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b));
    for ((name, left), (_, right)) in a.iter().zip(b) {
        assert!(left == right, "{name} differs");
    }
}

#[test]
fn one_and_two_threads_and_two_runs_give_the_same_bytes() {
    let one = Project::with_tones(3);
    one.pipeline("net", &Project::network(2));
    one.ser(&["run", "net", "--jobs", "1"]).ok();
    let two = Project::with_tones(3);
    two.pipeline("net", &Project::network(2));
    two.ser(&["run", "net", "--jobs", "2"]).ok();
    let first = outputs(&one);
    assert!(
        first
            .iter()
            .any(|(name, _)| name.ends_with("model.safetensors"))
    );
    same(&first, &outputs(&two));
    std::fs::remove_dir_all(one.path("data")).unwrap();
    one.ser(&["run", "net", "--jobs", "2"]).ok();
    same(&first, &outputs(&one));
}

#[test]
fn what_did_not_change_is_not_run_again_and_what_did_is_explained() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(1));
    let plan = project.ser(&["plan", "net"]).ok();
    assert!(
        plan.stdout.contains("run   ingest  (never ran)")
            && plan
                .stdout
                .contains("run   train/base/fold-00-seed-0  (never ran)")
    );
    project.ser(&["run", "net"]).ok();
    let again = project.ser(&["run", "net", "-v"]).ok();
    assert!(!again.stderr.contains("run    "), "{}", again.stderr);
    assert!(
        again.stderr.contains("keep   train/base/fold-00-seed-0"),
        "{}",
        again.stderr
    );

    let plan = project
        .ser(&["plan", "net", "--set", "train.learning_rate=0.01"])
        .ok();
    assert!(plan.stdout.contains("keep  features"), "{}", plan.stdout);
    assert!(
        plan.stdout
            .contains("run   train/base/fold-00-seed-0  (train.learning_rate: "),
        "{}",
        plan.stdout
    );

    project.pipeline(
        "net",
        &Project::network(1).replacen("[corpus]", "title = \"Another title\"\n\n[corpus]", 1),
    );
    let titled = project.ser(&["run", "net", "-v"]).ok();
    assert!(
        !titled.stderr.contains("run    train"),
        "a title retrains nothing: {}",
        titled.stderr
    );
    assert!(
        String::from_utf8(project.read("reports/net/index.html"))
            .unwrap()
            .contains("Another title")
    );

    project.tone("s0_calm_0.wav", 333.0, 0.5);
    let edited = project.ser(&["run", "net", "--json"]).ok();
    assert_eq!(
        extractions(&edited),
        1,
        "one edited file costs one extraction: {}",
        edited.stderr
    );
    assert!(edited.stderr.contains("train/base/fold-00-seed-0"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_goes_on_to_the_same_bytes() {
    let straight = Project::with_tones(2);
    straight.pipeline("net", &Project::network(40));
    straight.ser(&["run", "net"]).ok();

    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(40));
    project.ser(&["features", "net"]).ok();
    // Interrupted as soon as a checkpoint is there.
    let script = "\"$SER\" run net --jobs 1 2>log & pid=$!; for i in $(seq 600); do \
                  ls data/cache/net/scratch/*/checkpoint* >/dev/null 2>&1 && break; sleep 0.05; done; kill -INT $pid; wait $pid";
    let ran = project.bash(script);
    assert_eq!(
        ran.code,
        130,
        "{}",
        String::from_utf8_lossy(&project.read("log"))
    );
    assert!(
        String::from_utf8_lossy(&project.read("log")).contains("hint: run the same command again")
    );
    assert!(!project.path("reports/net").exists());
    project.ser(&["run", "net"]).ok();
    same(&outputs(&straight), &outputs(&project));
}

#[test]
fn a_killed_run_leaves_nothing_half_written_and_the_next_one_finishes() {
    let straight = Project::with_tones(2);
    straight.pipeline("net", &Project::network(12));
    straight.ser(&["run", "net"]).ok();
    for delay in ["0.02", "0.1", "0.3", "0.7"] {
        let project = Project::with_tones(2);
        project.pipeline("net", &Project::network(12));
        project.bash(&format!("\"$SER\" run net >/dev/null 2>&1 & pid=$!; sleep {delay}; kill -9 $pid; wait $pid; true"));
        project.ser(&["run", "net"]).ok();
        same(&outputs(&straight), &outputs(&project));
    }
}

#[test]
fn json_events_are_one_object_a_line() {
    let project = Project::with_tones(2);
    let ran = project.ser(&["run", "small", "--json"]).ok();
    for line in ran.stderr.lines().chain(ran.stdout.lines()) {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    assert!(ran.stderr.contains("\"event\":\"task-finished\""));
    let result = json_lines(&ran.stdout)
        .into_iter()
        .find(|line| line.get("result").is_some())
        .unwrap();
    assert_eq!(result["pipeline"], "small");
    assert_eq!(result["result"]["experiment"], "base");
    assert_eq!(result["result"]["n"], 12);
    let failed = project
        .ser(&["run", "none", "--json"])
        .fails(5, &["\"exit_code\":5"]);
    json_lines(&failed.stderr);
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let project = Project::with_tones(2);
    project.pipeline(
        "absent",
        &Project::small()
            .replace("\"small\"", "\"absent\"")
            .replace("corpus/manifest.csv", "gone.csv"),
    );
    project.pipeline("odd", "name = \"odd\"\nthis is not");

    let ran = project
        .ser(&["run", "odd", "absent", "small", "--json"])
        .fails(3, &[]);
    let events = json_lines(&ran.stderr);
    let errors: Vec<_> = events.iter().filter(|e| e["event"] == "error").collect();
    assert_eq!(
        errors
            .iter()
            .map(|e| e["of"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["odd", "absent"],
        "each once"
    );
    assert_eq!(
        (
            errors[0]["exit_code"].as_u64(),
            errors[1]["exit_code"].as_u64()
        ),
        (Some(3), Some(5))
    );
    assert!(
        errors[1]["hint"].is_string()
            && errors[1]["message"].as_str().unwrap().contains("gone.csv")
    );
    assert!(
        json_lines(&ran.stdout)
            .iter()
            .any(|line| line["pipeline"] == "small" && line.get("report").is_some())
    );

    json_lines(
        &project
            .ser(&["run", "--no-such-option", "--json"])
            .fails(2, &["\"exit_code\":2", "no-such-option"])
            .stderr,
    );

    let model = "data/models/small/base/fold-00-seed-0";
    let predicted = project
        .ser(&[
            "predict",
            model,
            "gone.wav",
            "corpus/s0_calm_0.wav",
            "--json",
        ])
        .fails(4, &["gone.wav"]);
    let said = json_lines(&predicted.stderr);
    assert_eq!(
        said.iter().filter(|e| e["event"] == "error").count(),
        2,
        "the file and the whole: {}",
        predicted.stderr
    );
    assert!(
        said.iter()
            .any(|e| e["fault"] == "missing" && e["of"] == "gone.wav"),
        "{}",
        predicted.stderr
    );
    assert_eq!(json_lines(&predicted.stdout).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_request_to_stop_is_json_too() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(100_000));
    let script = "\"$SER\" run net --json --jobs 1 2>log >/dev/null & pid=$!; for i in $(seq 600); do \
                  grep -q epochs log && break; sleep 0.05; done; kill -INT $pid; wait $pid";
    assert_eq!(project.bash(script).code, 130);
    let events = json_lines(&String::from_utf8(project.read("log")).unwrap());
    assert!(events.iter().any(|e| e["event"] == "stopping"));
    assert_eq!(events.last().unwrap()["exit_code"], 130);
}

#[test]
fn one_of_several_pipelines_that_is_wrong_stops_no_other() {
    let project = Project::with_tones(2);
    project.pipeline(
        "absent",
        &Project::small()
            .replace("\"small\"", "\"absent\"")
            .replace("corpus/manifest.csv", "gone.csv"),
    );
    project.pipeline("odd", "name = \"odd\"\nthis is not");

    let ran = project.ser(&["run", "absent", "odd", "small"]).fails(
        5,
        &[
            "error: absent: ",
            "gone.csv",
            "error: odd: ",
            "odd.toml:2",
            "hint: ",
        ],
    );
    assert_eq!(
        ran.stderr.matches("gone.csv").count(),
        1,
        "said once: {}",
        ran.stderr
    );
    assert!(project.path("reports/small/index.html").exists());

    // An override may fit one pipeline and not another.
    project.pipeline("net", &Project::network(1));
    let ran = project
        .ser(&["plan", "small", "net", "--set", "train.epochs=3"])
        .fails(3, &["error: small: --set train.epochs=3"]);
    assert!(ran.stdout.contains("net@epochs-3: "), "{}", ran.stdout);
}

#[test]
fn a_missing_corpus_may_be_skipped() {
    let project = Project::with_tones(2);
    project.pipeline(
        "absent",
        &Project::small()
            .replace("\"small\"", "\"absent\"")
            .replace("corpus/manifest.csv", "gone.csv"),
    );
    for command in ["plan", "run"] {
        project
            .ser(&[command, "absent", "small"])
            .fails(5, &["gone.csv"]);
        let ran = project
            .ser(&[command, "absent", "small", "--skip-missing"])
            .ok();
        assert!(
            ran.stderr.contains("warning: absent: ") && ran.stderr.contains("gone.csv"),
            "{}",
            ran.stderr
        );
        assert!(ran.stdout.contains("small"), "{}", ran.stdout);
    }
    project
        .ser(&["plan", "none", "small", "--skip-missing"])
        .fails(5, &["none.toml"]);
}

#[test]
fn a_named_experiment_picks_the_pipelines_that_have_it() {
    let project = Project::with_tones(2);
    project.pipeline(
        "other",
        &Project::small()
            .replace("\"small\"", "\"other\"")
            .replace("\"base\"", "\"rest\""),
    );
    let ran = project.ser(&["plan", "small", "other", "-e", "rest"]).ok();
    assert!(
        ran.stdout.contains("other: ") && !ran.stdout.contains("small: "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("small: has no experiment rest"),
        "{}",
        ran.stderr
    );
    project
        .ser(&["plan", "small", "other", "-e", "rset"])
        .fails(2, &["rset", "small: base", "other: rest"]);
}

#[test]
fn quiet_says_nothing_when_nothing_is_wrong() {
    let project = Project::with_tones(2);
    assert_eq!(project.ser(&["run", "small", "-q"]).ok().stderr, "");
}

#[test]
fn a_plan_of_everything_and_a_run_of_nothing() {
    let project = Project::with_tones(2);
    project.pipeline(
        "absent",
        &Project::small()
            .replace("\"small\"", "\"absent\"")
            .replace("corpus/manifest.csv", "gone.csv"),
    );
    let plan = project.ser(&["plan"]).ok();
    assert!(
        plan.stdout.contains("small: 10 to run") && plan.stderr.contains("warning: absent: "),
        "{}",
        plan.stdout
    );
    project
        .ser(&["run"])
        .fails(2, &["no pipeline is named", "absent, small"]);
}
