//! Ensembles of experiments, and the table of results.

use std::fs;

use super::project::{Project, json_lines};

const EXPERIMENTS: &str = r#"
[[experiment]]
name = "log"
default = false
protocol = { kind = "group-kfold", folds = 2 }
inputs = { log_mel = true, scaler = "standard" }
model = { kind = "logistic", c = 1.0 }

[[experiment]]
name = "net"
default = false
protocol = { kind = "group-kfold", folds = 2 }
validation = 0.4
inputs = { log_mel = true, scaler = "standard" }
model = { kind = "cnn", architecture = "emodb-a" }
train = { optimizer = "adam", learning_rate = 1e-3, batch_size = 8, epochs = 2 }
seeds = [0, 1]

[[experiment]]
name = "both"
protocol = { kind = "group-kfold", folds = 2 }
model = { kind = "ensemble", members = ["log", "net"] }

[[experiment]]
name = "vote"
default = false
protocol = { kind = "group-kfold", folds = 2 }
model = { kind = "ensemble", members = ["net", "log"], vote = "majority" }
"#;

fn project(speakers: usize) -> Project {
    let project = Project::with_tones(speakers);
    let text = Project::small();
    let head = text.split("[[experiment]]").next().unwrap();
    project.pipeline("small", &format!("{head}{EXPERIMENTS}"));
    project
}

/// Probabilities by utterance, averaged over the rows of an experiment.
fn means(project: &Project, experiment: &str) -> std::collections::BTreeMap<String, Vec<f64>> {
    let mut sums = std::collections::BTreeMap::<String, (Vec<f64>, f64)>::new();
    for row in project.predictions("small", experiment) {
        let (sum, n) = sums
            .entry(row[4].to_owned())
            .or_insert_with(|| (vec![0.0; 3], 0.0));
        sum.iter_mut()
            .enumerate()
            .for_each(|(i, sum)| *sum += row[10 + i].parse::<f64>().unwrap());
        *n += 1.0;
    }
    sums.into_iter()
        .map(|(id, (sum, n))| (id, sum.into_iter().map(|s| s / n).collect()))
        .collect()
}

#[test]
fn an_ensemble_is_the_mean_of_its_members_on_the_same_folds() {
    let project = project(4);
    let ran = project.ser(&["run", "small", "--json"]).ok();
    let started: Vec<String> = json_lines(&ran.stderr)
        .iter()
        .filter(|event| event["event"] == "task-started")
        .map(|event| event["task"].as_str().unwrap().to_owned())
        .collect();
    // Neither is a default experiment: the ensemble needs both.
    assert!(
        started.contains(&"train/net/fold-01-seed-1".to_owned())
            && started.contains(&"train/log/fold-00-seed-0".to_owned())
    );
    assert!(
        started.contains(&"evaluate/both".to_owned())
            && !started.iter().any(|id| id.starts_with("train/both")),
        "{started:?}"
    );
    let (log, net, both) = (
        means(&project, "log"),
        means(&project, "net"),
        means(&project, "both"),
    );
    assert_eq!((log.len(), both.len()), (24, 24));
    for (id, found) in &both {
        for (class, p) in found.iter().enumerate() {
            let want = (log[id][class] + net[id][class]) / 2.0;
            assert!((p - want).abs() < 1e-6, "{id}: {p} for {want}");
        }
    }
    assert!(
        !project.path("data/models/small/both").exists(),
        "an ensemble has no model of its own"
    );
    let page = project.pages("small");
    assert!(page.contains("mean of log, net") && page.contains("id=\"paired-table\""));
    // What was not asked for shows once it is there, and nothing is trained for it.
    let ran = project
        .ser(&["run", "small", "--experiment", "vote", "--json"])
        .ok();
    let trains = |line: &serde_json::Value| {
        line["event"] == "task-started"
            && line["task"]
                .as_str()
                .is_some_and(|id| id.starts_with("train/"))
    };
    assert!(
        !json_lines(&ran.stderr).iter().any(trains),
        "{}",
        ran.stderr
    );
    let page = project.pages("small");
    assert!(page.contains("mean of log, net") && page.contains("majority vote of net, log"));
    // A plan of everything finds nothing to do.
    let plan = project
        .ser(&[
            "plan",
            "small",
            "--experiment",
            "vote",
            "--experiment",
            "both",
        ])
        .ok();
    assert!(plan.stdout.contains("0 to run"), "{}", plan.stdout);
}

#[test]
fn an_ensemble_says_which_member_has_no_result() {
    // With two speakers each fold trains on one, who cannot be set aside to validate on.
    let project = project(2);
    project
        .ser(&["run", "small"])
        .fails(4, &["none can be set aside for validation"]);
    let page = project.pages("small");
    assert!(page.contains("its member net has no result"), "{page}");
    let plan = project.ser(&["plan", "small", "--json"]).ok();
    assert!(
        !json_lines(&plan.stdout)
            .iter()
            .any(|line| line["plan"]["task"] == "evaluate/both"),
        "{}",
        plan.stdout
    );
}

/// A text of results without the link to its picture.
fn without_picture(text: &str) -> String {
    let (before, after) = text.split_once("\n![").unwrap();
    let (link, after) = after.split_once('\n').unwrap();
    assert!(link.ends_with("(RESULTS.svg)"), "{link}");
    before.to_owned() + after
}

#[test]
fn results_are_written_by_protocol_and_never_of_other_settings() {
    let project = project(4);
    let results = |project: &Project| {
        project.ser(&["results", "small", "-o", "RESULTS.md"]).ok();
        String::from_utf8(project.read("RESULTS.md")).unwrap()
    };
    project.write("RESULTS.md", "# Results\n\nolder, by `make results`\n");
    project
        .ser(&["results", "small", "-o", "RESULTS.md"])
        .fails(
            5,
            &["there is no result of small in reports", "ser run small"],
        );
    assert_eq!(
        project.read("RESULTS.md"),
        b"# Results\n\nolder, by `make results`\n"
    );
    project.ser(&["run", "small", "--experiment", "log"]).ok();
    let printed = project.ser(&["results", "small"]).ok().stdout;
    assert!(
        printed.contains("| not run | `ser run pipelines/small.toml --experiment both` |"),
        "{printed}"
    );
    assert_eq!(
        project.read("RESULTS.md"),
        b"# Results\n\nolder, by `make results`\n",
        "without -o nothing is written"
    );
    assert_eq!(printed, without_picture(&results(&project)));
    let picture = String::from_utf8(project.read("RESULTS.svg")).unwrap();
    assert!(picture.contains("<svg") && picture.contains("small</text>"));
    project.ser(&["run", "small"]).ok();
    let text = results(&project);
    assert_eq!(text, results(&project), "the same bytes every time");
    assert!(
        text.contains("### group-2-fold: test speakers unseen"),
        "{text}"
    );
    let line = |name: &str| {
        text.lines()
            .find(|line| line.contains(&format!("--experiment {name}`")))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("both").contains("mean of log, net") && line("both").contains("those of its members"),
        "{text}"
    );
    assert!(
        line("net").contains(" ± ") && line("net").contains("| 2 | 2 |"),
        "{text}"
    );
    assert!(
        line("log").contains("issa193, log mel, scaler standard") && line("log").contains(" to "),
        "{text}"
    );
    assert!(line("vote").contains("not run"), "{text}");
    // A setting that the result was not made with.
    let file = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
    project.pipeline("small", &file.replace("c = 1.0", "c = 2.0"));
    let text = results(&project);
    for name in ["log", "both"] {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("--experiment {name}`")))
            .unwrap();
        assert!(line.contains("not run with the present settings"), "{text}");
    }
    assert!(
        text.lines()
            .find(|line| line.contains("--experiment net`"))
            .unwrap()
            .contains(" ± "),
        "{text}"
    );
    // Those of overridden settings stand apart.
    project.pipeline("small", &file);
    project
        .ser(&[
            "run",
            "small",
            "-e",
            "log",
            "--set",
            "experiment.log.model.c=3",
        ])
        .ok();
    let text = results(&project);
    let (own, variant) = text
        .split_once("<a id=\"corpus-2\"></a>\n\n## small (log.c-3)")
        .unwrap_or_else(|| panic!("{text}"));
    let line = |text: &str| {
        text.lines()
            .find(|line| line.contains("--experiment log`"))
            .unwrap()
            .to_owned()
    };
    assert!(
        line(own).contains("`ser run pipelines/small.toml --experiment log`")
            && line(own).contains("C=1 "),
        "{own}"
    );
    assert!(
        line(variant).contains(
            "`ser run pipelines/small.toml --set experiment.log.model.c=3 --experiment log`"
        ),
        "{variant}"
    );
    assert!(
        line(variant).contains("C=3 ") && !variant.contains("not run"),
        "{variant}"
    );
    assert_eq!(
        project
            .ser(&["results", "small", "--no-variants"])
            .ok()
            .stdout,
        without_picture(own).trim_end().to_owned() + "\n"
    );
    let alone = project.ser(&["results", "small@log.c-3"]).ok().stdout;
    assert!(
        alone.contains("## small (log.c-3)") && !alone.contains("## small\n"),
        "{alone}"
    );
    project
        .ser(&["results", "small@other"])
        .fails(5, &["there is no report of small@other"]);
    project
        .ser(&["results", "nothing"])
        .fails(5, &["there is no pipeline file"]);
    fs::write(project.path("reports/small/report.json"), "{").unwrap();
    project
        .ser(&["results", "small"])
        .fails(4, &["report.json cannot be read"]);
}
