//! Folders under stable names are people's as well: what ser did not write is neither replaced nor
//! removed.

use std::fs;
use std::os::unix::fs::symlink;

use super::project::Project;

/// Files that somebody put beside those of the pipeline `small`, under names that ser could use
/// itself.
const OTHERS: [&str; 9] = [
    "data/models/small/notes.txt",
    "data/models/small/older/model.safetensors",
    "data/models/small/base/fold-77-mine/model.json",
    "data/models/small/.tmp-backup/weights",
    "data/tables/small/features-00007.parquet",
    "data/tables/small/leakage-00001.parquet",
    "reports/small/card-mine.md",
    "reports/small/experiment-mine.html",
    "reports/small/.tmp-page",
];

#[test]
fn files_of_others_stay_and_are_told_in_one_line() {
    let project = Project::with_tones(3);
    OTHERS
        .iter()
        .for_each(|name| drop(project.write(name, name)));
    let three_folds = Project::small()
        .replace("folds = 2", "folds = 3")
        .replace("base", "first");
    for text in [Project::small(), three_folds, Project::small()] {
        project.pipeline("small", &text);
        let ran = project.ser(&["run", "small"]).ok();
        for name in OTHERS {
            assert!(project.read(name) == name.as_bytes(), "{name} was changed");
        }
        let told: Vec<&str> = ran
            .stderr
            .lines()
            .filter(|line| line.contains("did not write"))
            .collect();
        assert!(
            matches!(told[..], [line] if line.contains("notes.txt") || line.contains(" more")),
            "{}",
            ran.stderr
        );
    }
    // What ser wrote itself has gone with the experiment.
    assert!(
        !project.path("data/models/small/first").exists()
            && !project.path("reports/small/experiment-first.html").exists()
    );
    assert!(
        project
            .path("data/models/small/base/fold-01-seed-0/model.json")
            .exists()
    );
}

#[test]
fn a_model_that_somebody_changed_is_not_removed() {
    let project = Project::with_tones(2);
    project.pipeline("small", &Project::small().replace("folds = 2", "folds = 3"));
    project.ser(&["run", "small"]).ok();
    let card = "data/models/small/base/fold-02-seed-0/README.md";
    project.write(card, "my own words");
    project.pipeline("small", &Project::small());
    let ran = project.ser(&["run", "small"]).ok();
    assert!(
        project.read(card) == b"my own words" && ran.stderr.contains(card),
        "{}",
        ran.stderr
    );
    assert!(
        !project
            .path("data/models/small/base/fold-02-seed-0/model.json")
            .exists()
    );
}

#[test]
fn a_folder_that_is_a_link_loses_nothing() {
    let project = Project::with_tones(2);
    for name in ["old.bin", "base/fold-09-seed-0/model.json", ".tmp-ser-x"] {
        project.write(&format!("precious/{name}"), name);
    }
    fs::create_dir_all(project.path("data/models")).unwrap();
    symlink("../../precious", project.path("data/models/small")).unwrap();
    project.pipeline("small", &Project::small().replace("folds = 2", "folds = 3"));
    project.ser(&["run", "small"]).ok();
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small"]).ok();
    for name in ["old.bin", "base/fold-09-seed-0/model.json", ".tmp-ser-x"] {
        assert!(
            project.read(&format!("precious/{name}")) == name.as_bytes(),
            "{name}"
        );
    }
    assert!(
        project
            .path("precious/base/fold-01-seed-0/model.json")
            .exists()
    );
    // One below is not entered either.
    project.write("elsewhere/fold-05-seed-0/model.json", "x");
    symlink(
        project.path("elsewhere"),
        project.path("data/models/small/gone"),
    )
    .unwrap();
    project.ser(&["run", "small"]).ok();
    assert!(
        project
            .path("data/models/small/gone/fold-05-seed-0/model.json")
            .exists()
    );
}

#[test]
fn what_lies_where_ser_would_write_is_refused_and_stays() {
    let project = Project::with_tones(2);
    project.write("reports/small/index.html", "mine");
    project.write("reports/index.html", "mine as well");
    project.ser(&["run", "small"]).fails(
        4,
        &[
            "reports/small/index.html is in the way: ser did not write it",
            "move it elsewhere",
        ],
    );
    assert!(project.read("reports/small/index.html") == b"mine");
    fs::remove_file(project.path("reports/small/index.html")).unwrap();
    let ran = project.ser(&["run", "small"]).ok();
    assert!(
        ran.stderr.contains("reports/index.html stays as it is"),
        "{}",
        ran.stderr
    );
    assert!(
        project.read("reports/index.html") == b"mine as well"
            && project
                .read("reports/small/index.html")
                .starts_with(b"<!doctype")
    );
}

#[test]
fn results_of_an_earlier_version_are_taken_over() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    let right = project.read("reports/small/index.html");
    for folder in [
        "reports",
        "reports/small",
        "data/models/small",
        "data/tables/small",
    ] {
        fs::remove_file(project.path(&format!("{folder}/.ser-files.json"))).unwrap();
    }
    project.pipeline(
        "small",
        &Project::small().replace("name = \"base\"", "name = \"base\"\ntitle = \"Another\""),
    );
    project.ser(&["run", "small"]).ok();
    assert!(project.read("reports/small/index.html") != right);
    assert!(project.path("data/models/small/.ser-files.json").exists());
}

#[test]
fn two_pipeline_files_of_one_name_are_refused() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    let before = [project.tree("data/models"), project.tree("reports")];
    let other = Project::small()
        .replace("base", "second")
        .replace("c = 1.0", "c = 2.0");
    project.pipeline("other", &other);
    let words = [
        "both called `small`",
        "pipelines/small.toml",
        "change `name`",
        "--data-dir",
    ];
    for args in [
        &["run", "other"][..],
        &["plan", "other"],
        &["run", "other", "--set", "experiment.second.model.c=3"],
        &["features", "other"],
    ] {
        project.ser(args).fails(3, &words);
    }
    assert!(before == [project.tree("data/models"), project.tree("reports")]);
    project
        .ser(&[
            "run",
            "other",
            "--data-dir",
            "data2",
            "--reports-dir",
            "reports2",
        ])
        .ok();
    // The reports of two data folders would meet as well.
    project
        .ser(&["run", "other", "--data-dir", "data2"])
        .fails(3, &words);
    // A copy is the same pipeline, and so is a file that was moved or that another cannot be
    // mistaken for.
    project.pipeline("copy", &Project::small());
    project.ser(&["run", "copy"]).ok();
    project.ser(&["run", "other"]).fails(3, &words);
    fs::remove_file(project.path("pipelines/copy.toml")).unwrap();
    fs::rename(
        project.path("pipelines/small.toml"),
        project.path("pipelines/moved.toml"),
    )
    .unwrap();
    project
        .ser(&["run", "moved", "--set", "experiment.base.model.c=3"])
        .ok();
    project.ser(&["run", "moved"]).ok();
    project
        .ser(&["run", "other"])
        .fails(3, &["pipelines/moved.toml"]);
    project.pipeline(
        "moved",
        &Project::small().replace("name = \"small\"", "name = \"renamed\""),
    );
    project.ser(&["run", "other"]).ok();
}

#[test]
fn a_variant_is_forgotten_with_its_recordings_and_without_files_of_others() {
    let project = Project::new();
    let text = "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"made\"\nspeakers = 2\nsentences = 2\ntakes = 1\n\
                [[experiment]]\nname = \"base\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("made", text);
    for seed in ["8", "9"] {
        project
            .ser(&["run", "made", "--set", &format!("corpus.seed={seed}")])
            .ok();
    }
    project.write("reports/made@corpus-seed-9/notes.txt", "mine");
    project.write("made@corpus-seed-9/spk01/own.wav", "mine");
    let listed = project.ser(&["gc", "made@corpus-seed-9", "--forget"]).ok();
    assert!(
        listed.stdout.contains("would remove  made@corpus-seed-9"),
        "{}",
        listed.stdout
    );
    let ran = project
        .ser(&["gc", "made@corpus-seed-9", "--forget", "--yes"])
        .ok();
    assert!(
        ran.stdout
            .contains("left    reports/made@corpus-seed-9/notes.txt"),
        "{}",
        ran.stdout
    );
    let left = |folder: &str| {
        project
            .tree(folder)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(left("reports/made@corpus-seed-9"), ["notes.txt"]);
    assert_eq!(left("made@corpus-seed-9"), ["corpus.json", "spk01/own.wav"]);
    assert!(
        !project.path("data/models/made@corpus-seed-9").exists()
            && !project.path("data/tables/made@corpus-seed-9").exists()
    );
    project
        .ser(&["gc", "made@corpus-seed-8", "--forget", "--yes"])
        .ok();
    assert!(
        !project.path("made@corpus-seed-8").exists()
            && !project.path("reports/made@corpus-seed-8").exists()
    );
}

#[test]
fn gc_removes_no_folder_that_is_not_called_like_its_own() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    for name in [
        "tasks/train/mine/weights",
        "latest/train/mine/notes",
        "latest/train/gone/base.txt",
    ] {
        project.write(&format!("data/cache/small/{name}"), "mine");
    }
    project.ser(&["run", "small"]).ok();
    project.ser(&["gc", "small", "--keep", "0", "--yes"]).ok();
    for name in [
        "tasks/train/mine/weights",
        "latest/train/mine/notes",
        "latest/train/gone/base.txt",
    ] {
        assert!(
            project.path(&format!("data/cache/small/{name}")).exists(),
            "{name}"
        );
    }
}
