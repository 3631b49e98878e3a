//! Runs with overrides stand beside the results of the pipeline file and replace none of them.

use super::project::{Project, json_lines};

const NET: &str = "\n[[experiment]]\nname = \"net\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
    inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"cnn\", architecture = \"emodb-a\" }\n\
    train = { optimizer = \"adam\", learning_rate = 1e-3, batch_size = 8, epochs = 1 }\n";

type Files = Vec<(String, Vec<u8>)>;

/// Everything that stands under the stable names of a pipeline.
fn published(project: &Project, name: &str) -> [Files; 3] {
    ["reports", "data/tables", "data/models"].map(|kind| project.tree(&format!("{kind}/{name}")))
}

fn names(files: &Files) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

fn two_experiments() -> Project {
    let project = Project::with_tones(3);
    project.pipeline("small", &(Project::small() + NET));
    project
}

#[test]
fn a_run_with_overrides_replaces_nothing() {
    let project = two_experiments();
    project.ser(&["run", "small"]).ok();
    let before = published(&project, "small");
    let runs: [(&[&str], &str); 4] = [
        (&["--set", "train.epochs=2"], "small@epochs-2"),
        (
            &["--protocol", "group-kfold:3", "-e", "base"],
            "small@protocol-group-kfold-3",
        ),
        (&["--device", "burn-flex"], "small@device-burn-flex"),
        (
            &[
                "--set",
                "experiment.base.model.c=2",
                "-e",
                "base",
                "--as",
                "weak",
            ],
            "small@weak",
        ),
    ];
    for (arguments, name) in runs {
        let ran = project.ser(&[&["run", "small"], arguments].concat()).ok();
        assert!(
            ran.stdout
                .contains(&format!("report: reports/{name}/index.html")),
            "{}",
            ran.stdout
        );
        assert!(
            before == published(&project, "small"),
            "{name} changed what the pipeline file gave"
        );
        let page = project.pages(name);
        assert!(
            page.contains("Not the settings of the pipeline file"),
            "{name}"
        );
        let [report, _, models] = published(&project, name);
        assert!(
            names(&report).contains(&"report.json")
                && names(&models)
                    .iter()
                    .any(|file| file.starts_with("base/fold-00-seed-0/"))
        );
    }
    assert!(
        !project
            .pages("small")
            .contains("Not the settings of the pipeline file")
    );
    // All of them side by side, the pipeline first.
    let index = String::from_utf8(project.read("reports/index.html")).unwrap();
    let place = |folder: &str| {
        index
            .find(&format!("./{}/index.html", folder.replace('@', "%40")))
            .unwrap_or_else(|| panic!("{folder}: {index}"))
    };
    let mut last = place("small");
    for name in [
        "small@device-burn-flex",
        "small@epochs-2",
        "small@protocol-group-kfold-3",
        "small@weak",
    ] {
        assert!(place(name) > last, "{name}");
        last = place(name);
    }
    assert!(index.contains("train.epochs=2"));
    let results = project.ser(&["results", "small"]).ok().stdout;
    for heading in ["## small\n", "## small (epochs-2)\n", "## small (weak)\n"] {
        assert!(results.contains(heading), "{heading} in {results}");
    }
    assert!(results.contains("`ser run pipelines/small.toml --set experiment.base.model.c=2 --as weak --experiment base`"), "{results}");
}

#[test]
fn the_cache_serves_a_pipeline_and_its_variants() {
    let project = two_experiments();
    project.ser(&["run", "small"]).ok();
    let started = |arguments: &[&str]| -> Vec<String> {
        let ran = project.ser(&[&["run", "--json"], arguments].concat()).ok();
        let events = json_lines(&ran.stderr)
            .into_iter()
            .filter(|event| event["event"] == "task-started");
        events
            .map(|event| event["task"].as_str().unwrap().to_owned())
            .collect()
    };
    let plan = project
        .ser(&["plan", "small", "--set", "train.epochs=2"])
        .ok()
        .stdout;
    assert!(
        plan.contains("run   train/net/fold-00-seed-0  (train.epochs: 1 -> 2)")
            && plan.contains("keep  train/base/fold-00-seed-0"),
        "{plan}"
    );
    assert!(
        plan.contains("small@epochs-2: ") && !project.path("data/variants").exists(),
        "{plan}"
    );
    let ran = started(&["small", "--set", "train.epochs=2"]);
    let expected = [
        "train/net/fold-00-seed-0",
        "train/net/fold-01-seed-0",
        "evaluate/net",
        "tables",
        "report",
        "publish",
    ];
    assert!(
        ran.len() == expected.len()
            && expected
                .iter()
                .all(|task| ran.iter().any(|one| one == task)),
        "{ran:?}"
    );
    // Neither makes the other stale.
    for name in ["small", "small@epochs-2"] {
        assert!(started(&[name]).is_empty(), "{name}");
        let plan = project.ser(&["plan", name]).ok().stdout;
        assert!(plan.contains(&format!("{name}: 0 to run")), "{plan}");
    }
    // What the file says now is what the variant said before.
    project.pipeline(
        "small",
        &(Project::small() + &NET.replace("epochs = 1", "epochs = 2")),
    );
    let ran = started(&["small"]);
    assert!(
        !ran.iter()
            .any(|task| task.starts_with("train/") || task.starts_with("evaluate/")),
        "{ran:?}"
    );
}

#[test]
fn a_variant_is_called_by_its_name() {
    let project = two_experiments();
    project
        .ser(&["run", "small", "--set", "train.epochs=2", "--as", "two"])
        .ok();
    let [report, ..] = published(&project, "small@two");
    assert!(!project.path("reports/small").exists());
    project.ser(&["run", "small@two"]).ok();
    assert!(published(&project, "small@two")[0] == report);
    project.ser(&["explain", "small@two", "-e", "base"]).ok();
    assert!(
        project.pages("small@two").contains("id=\"explain\"")
            || published(&project, "small@two")[0] != report
    );
    let heard = project
        .bash("$SER predict small@two/base corpus/s0_calm_0.wav")
        .ok()
        .stdout;
    assert!(heard.contains("s0_calm_0.wav"), "{heard}");
    let mut open = project.command();
    let open = super::project::Ran::from(
        open.args(["open", "small@two"])
            .env("BROWSER", "true")
            .output()
            .unwrap(),
    )
    .ok();
    assert!(
        open.stdout.contains("opened reports/small@two/index.html"),
        "{}",
        open.stdout
    );
    project.ser(&["run", "small"]).ok();
    let diff = project.ser(&["diff", "small", "small@two"]).ok().stdout;
    assert!(
        diff.contains("train.epochs") && diff.contains("1 -> 2"),
        "{diff}"
    );
    let runs = project.ser(&["runs", "small"]).ok().stdout;
    assert!(
        runs.contains("small@two") && runs.lines().count() == 5,
        "{runs}"
    );

    let other = project.ser(&["run", "small", "--set", "train.epochs=3", "--as", "two"]);
    other.fails(
        2,
        &[
            "small@two stands for other overrides already: train.epochs=2",
            "ser gc small@two --forget --yes",
        ],
    );
    project
        .ser(&["run", "small@two", "--set", "train.epochs=3"])
        .fails(2, &["has its overrides already", "--as two"]);
    for command in ["run", "plan", "explain"] {
        project.ser(&[command, "small@none"]).fails(
            5,
            &[
                "there is no variant `none` of small",
                "there are: small@two",
            ],
        );
    }
    project
        .ser(&["open", "small@none"])
        .fails(5, &["there is no report"]);
    project
        .ser(&["run", "small", "--as", "../x"])
        .fails(2, &["`../x` cannot be the name of a variant"]);
    assert!(project.ser(&["plan", "small", "--as", "UP"]).code == 2);
}

#[test]
fn what_changes_no_result_is_no_variant() {
    let project = two_experiments();
    project.ser(&["run", "small"]).ok();
    let before = published(&project, "small");
    for arguments in [
        &["--set", "train.epochs=1"][..],
        &["--device", "cpu"],
        &["--set", "slurm.cpus=2"],
        &["--jobs", "1"],
    ] {
        project.ser(&[&["run", "small"], arguments].concat()).ok();
        assert!(before == published(&project, "small"), "{arguments:?}");
    }
    let reports: Vec<_> = std::fs::read_dir(project.path("reports"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !reports
            .iter()
            .any(|name| name.to_string_lossy().contains('@')),
        "{reports:?}"
    );
}

#[test]
fn naming_an_experiment_keeps_those_of_other_runs() {
    let project = two_experiments();
    project.ser(&["run", "small", "-e", "base"]).ok();
    let base = published(&project, "small");
    assert!(!names(&base[0]).contains(&"experiment-net.html"));
    project.ser(&["run", "small", "-e", "net"]).ok();
    let both = published(&project, "small");
    for file in [
        "experiment-base.html",
        "experiment-net.html",
        "card-base.md",
        "card-net.md",
    ] {
        assert!(names(&both[0]).contains(&file), "{file}");
    }
    assert!(both[2].iter().any(|(name, _)| name.starts_with("net/")));
    for file in &base[2] {
        assert!(both[2].contains(file), "{}", file.0);
    }
    let predictions = String::from_utf8(project.read("reports/small/predictions.csv")).unwrap();
    assert!(predictions.contains("base,") && predictions.contains("net,"));
    // Shorter runs take nothing away, either.
    for command in ["train", "evaluate", "features"] {
        project.ser(&[command, "small", "-e", "base"]).ok();
        let now = published(&project, "small");
        for (kind, files) in both.iter().enumerate() {
            assert_eq!(names(&now[kind]), names(files), "{command}");
        }
    }
    project.ser(&["run", "small", "-e", "base"]).ok();
    assert!(both == published(&project, "small"));
}

#[test]
fn other_generated_recordings_lie_elsewhere() {
    let project = Project::new();
    let text = "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"sounds/made\"\nspeakers = 2\nsentences = 2\ntakes = 1\n\
                [[experiment]]\nname = \"base\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("made", text);
    project.ser(&["run", "made"]).ok();
    let before = project.tree("sounds/made");
    project.ser(&["run", "made", "--set", "corpus.seed=9"]).ok();
    assert!(before == project.tree("sounds/made"));
    assert!(before != project.tree("sounds/made@corpus-seed-9"));
}

#[test]
fn a_variant_is_removed_by_its_name() {
    let project = two_experiments();
    project.ser(&["run", "small"]).ok();
    let before = published(&project, "small");
    project
        .ser(&["run", "small", "--set", "train.epochs=2"])
        .ok();
    project
        .ser(&["run", "small", "--set", "train.epochs=3"])
        .ok();
    let listed = project.ser(&["gc", "small", "--keep", "0"]).ok().stdout;
    assert!(
        listed.starts_with("small: 0 outputs"),
        "what variants stand for is kept: {listed}"
    );
    project
        .ser(&["gc", "small", "--forget"])
        .fails(2, &["--forget removes variants"]);
    project
        .ser(&["gc", "small@none", "--forget"])
        .fails(5, &["there is no variant `none`"]);
    let listed = project
        .ser(&["gc", "small@epochs-2", "--forget"])
        .ok()
        .stdout;
    assert!(
        listed.contains("would remove  reports/small@epochs-2")
            && project.path("reports/small@epochs-2").exists(),
        "{listed}"
    );
    let removed = project
        .ser(&["gc", "small@epochs-2", "--forget", "--yes"])
        .ok()
        .stdout;
    assert!(
        removed
            .lines()
            .filter(|line| line.starts_with("remove  train/"))
            .count()
            == 2,
        "{removed}"
    );
    for folder in ["reports", "data/tables", "data/models"] {
        assert!(
            !project.path(&format!("{folder}/small@epochs-2")).exists(),
            "{folder}"
        );
    }
    project
        .ser(&["plan", "small@epochs-2"])
        .fails(5, &["there is no variant `epochs-2`", "small@epochs-3"]);
    let index = String::from_utf8(project.read("reports/index.html")).unwrap();
    assert!(!index.contains("epochs-2") && index.contains("epochs-3"));
    assert!(before == published(&project, "small"));
    assert!(
        project
            .ser(&["plan", "small@epochs-3"])
            .ok()
            .stdout
            .contains("small@epochs-3: 0 to run")
    );
    assert!(
        project
            .ser(&["plan", "small"])
            .ok()
            .stdout
            .contains("small: 0 to run")
    );
}
