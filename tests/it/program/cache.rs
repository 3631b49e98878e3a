//! What stands in the cache and under the stable names is what the settings say, and looking
//! changes nothing.

use super::project::Project;

fn folds(project: &Project) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(project.path("data/models/small/base"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn models_of_other_folds_do_not_stay_beside_the_current_ones() {
    let project = Project::with_tones(3);
    project.pipeline("small", &Project::small().replace("folds = 2", "folds = 3"));
    project.ser(&["run", "small"]).ok();
    assert_eq!(
        folds(&project),
        ["fold-00-seed-0", "fold-01-seed-0", "fold-02-seed-0"]
    );
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small"]).ok();
    assert_eq!(folds(&project), ["fold-00-seed-0", "fold-01-seed-0"]);
}

#[test]
fn a_plan_generates_nothing() {
    let project = Project::new();
    let text = "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"made\"\nspeakers = 2\nsentences = 2\ntakes = 1\n\
                [[experiment]]\nname = \"base\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("made", text);
    let plan = project.ser(&["plan", "made"]).ok();
    assert!(plan.stdout.contains("run   generate"), "{}", plan.stdout);
    assert!(!project.path("made").exists() && !project.path("data").exists());
    project.ser(&["run", "made"]).ok();
    let before = project.tree("made");
    let plan = project
        .ser(&["plan", "made", "--set", "corpus.seed=9"])
        .ok();
    assert!(plan.stdout.contains("run   generate"), "{}", plan.stdout);
    assert!(
        before == project.tree("made"),
        "a plan leaves the recordings alone"
    );
    let page = project.pages("made");
    assert!(page.contains("Generated, not recorded speech"));
}

#[test]
fn a_missing_corpus_keeps_the_report_of_an_earlier_run() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    let predictions = project.read("reports/small/predictions.csv");
    std::fs::rename(project.path("corpus"), project.path("elsewhere")).unwrap();
    project.ser(&["run", "small"]).fails(5, &["manifest.csv"]);
    assert!(predictions == project.read("reports/small/predictions.csv"));
    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/small/report.json")).unwrap();
    assert!(
        report["missing"].as_str().unwrap().contains("earlier run"),
        "{}",
        report["missing"]
    );
    assert_eq!(report["experiments"].as_array().unwrap().len(), 1);
}

#[test]
fn warnings_about_folds_stand_in_the_report_of_every_run() {
    let mut project = Project::with_tones(2);
    project.tone("only.wav", 700.0, 0.4);
    project.row("only.wav", "odd", "s0");
    project.write_manifest();
    project.ser(&["run", "small"]).ok();
    let first = project.read("reports/small/report.json");
    assert!(
        String::from_utf8_lossy(&first).contains("`odd`"),
        "{}",
        String::from_utf8_lossy(&first)
    );
    project.ser(&["run", "small"]).ok();
    assert!(first == project.read("reports/small/report.json"));
}

/// Outputs in the cache, by stage.
fn cached(project: &Project) -> Vec<(String, usize)> {
    let stages = std::fs::read_dir(project.path("data/cache/small/tasks"))
        .unwrap()
        .flatten();
    let mut counts: Vec<(String, usize)> = stages
        .map(|stage| {
            (
                stage.file_name().to_string_lossy().into_owned(),
                std::fs::read_dir(stage.path()).unwrap().count(),
            )
        })
        .collect();
    counts.sort();
    counts
}

#[test]
fn what_no_recent_run_used_is_listed_and_then_removed() {
    let project = Project::with_tones(2);
    let with = |command: &str, c: &str| {
        project.pipeline(
            "small",
            &Project::small().replace("c = 1.0", &format!("c = {c}")),
        );
        project.ser(&[command, "small"]).ok().stdout
    };
    let run = |c: &str| with("run", c);
    run("1.0");
    let one = cached(&project);
    for c in ["2.0", "3.0"] {
        run(c);
    }
    let three = cached(&project);
    assert!(three > one);

    let listed = project.ser(&["gc", "small", "--keep", "1"]).ok();
    assert_eq!(
        listed
            .stdout
            .lines()
            .filter(|l| l.starts_with("would remove  train/"))
            .count(),
        4,
        "{}",
        listed.stdout
    );
    assert!(
        listed.stdout.contains("nothing is removed without --yes"),
        "{}",
        listed.stdout
    );
    assert_eq!(cached(&project), three, "a list removes nothing");
    let kept = project.ser(&["gc", "small", "--keep", "3"]).ok();
    assert!(
        kept.stdout.starts_with("small: 0 outputs"),
        "{}",
        kept.stdout
    );

    project.ser(&["gc", "--keep", "2", "--yes"]).ok();
    let plan = |c: &str| with("plan", c);
    // What stands under stable names is of the last run.
    assert!(
        plan("2.0").contains("small: 1 to run, 9 up to date")
            && plan("3.0").contains("small: 0 to run"),
        "{}",
        plan("2.0")
    );
    assert!(plan("1.0").contains("run   train/base/fold-00-seed-0"));
    project
        .ser(&["gc", "nothing"])
        .fails(5, &["nothing is cached of `nothing`"]);
}

#[test]
fn the_graph_of_tasks_is_text_or_for_graphviz() {
    let project = Project::with_tones(2);
    let text = project.ser(&["plan", "small", "--dag"]).ok().stdout;
    assert!(
        text.contains(
            "run   evaluate/base  <- audit, train/base/fold-00-seed-0, train/base/fold-01-seed-0\n"
        ),
        "{text}"
    );
    let dot = project
        .ser(&["run", "small", "--dry-run", "--dag", "dot"])
        .ok()
        .stdout;
    assert!(
        dot.starts_with("digraph") && dot.trim_end().ends_with('}'),
        "{dot}"
    );
    assert!(
        dot.contains("\"small/features\" -> \"small/train/base/fold-00-seed-0\";"),
        "{dot}"
    );
    project.ser(&["run", "small"]).ok();
    let kept = project.ser(&["plan", "small", "--dag"]).ok().stdout;
    assert!(
        kept.contains("keep  train/base/fold-00-seed-0  <- features, split/base\n"),
        "{kept}"
    );
    project
        .ser(&["run", "small", "--dag"])
        .fails(2, &["--dag is for"]);
    let page = project.pages("small");
    assert!(
        page.contains("8 tasks in 7 steps")
            && page.contains("evaluate/base after audit and train/base")
    );
}
