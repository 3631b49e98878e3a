//! Plans that go well, and those that a user ends or gets wrong.

use super::cluster::{assert_same_as_local, cluster, intents, is_over, ledger, plan_of, stage};
use crate::program::project::Project;

const SHARDS: &str = "slurm.shard_size=9";

#[test]
fn a_plan_gives_the_bytes_of_a_local_run_and_its_second_submission_finds_all_done() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(4), Project::with_tones(4));
    let text =
        Project::network(3).replace("name = \"base\"\n", "name = \"base\"\nseeds = [0, 1]\n");
    let of_speakers = "\n[[experiment]]\nname = \"unseen\"\nprotocol = { kind = \"leave-one-speaker-out\" }\nmodel = { kind = \"majority\" }\n";
    for project in [&project, &local] {
        project.pipeline(
            "net",
            &format!("{text}{of_speakers}\n[slurm]\nmemory = \"500M\"\ntime = \"0:20:00\"\n[slurm.train]\nmax_concurrent = 4\n"),
        );
    }
    let ran = cluster
        .ser(
            &project,
            None,
            &["run", "net", "--executor", "slurm", "--set", SHARDS],
        )
        .ok();
    assert!(
        ran.stdout.contains("report: reports/net/index.html"),
        "{}",
        ran.stdout
    );
    let plan = plan_of(&project);
    assert_eq!(intents(&project, &plan, "features"), ["0-2"]);
    assert_eq!(
        intents(&project, &plan, "train"),
        ["0-7"],
        "two folds of two seeds, and four speakers"
    );
    // Features came from the shards alone.
    let log =
        String::from_utf8(project.read(&format!("data/slurm/{plan}/logs/prepare-0.log"))).unwrap();
    assert!(
        log.contains("done   features") && !log.contains("analysed"),
        "{log}"
    );
    assert!(!project.path("data/cache/net/shards").join(&plan).exists());
    assert_same_as_local(&project, &local, "net");

    let status = cluster.status(&project, "net");
    assert!(
        status["stages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|stage| stage["done"] == stage["tasks"]),
        "{status:#}"
    );
    cluster
        .ser(&project, None, &["slurm", "resume", &plan])
        .ok();
    assert_eq!(intents(&project, &plan, "train").len(), 1);
    let logs = cluster
        .ser(&project, None, &["slurm", "logs", &plan, "train", "5"])
        .ok();
    assert!(
        logs.stdout.contains("train/unseen/fold-01-seed-0"),
        "{}",
        logs.stdout
    );
}

/// Several sets of features, changed copies, a search and an ensemble, whose evaluation waits for
/// others.
#[test]
fn sets_copies_searches_and_ensembles_come_out_as_on_one_machine() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(4), Project::with_tones(4));
    let folds = "protocol = { kind = \"stratified-kfold\", folds = 2 }\n";
    let sets = "[features]\nsets = [\"issa193\", \"functionals\", \"frames\"]\naugment = { speed_up = 1.1, slow_down = 0.9 }\n";
    let text = Project::small()
        .replace("name = \"small\"", "name = \"sets\"")
        .replacen("[[experiment]]", &format!("{sets}[[experiment]]"), 1)
        + &format!(
            "[[experiment]]\nname = \"searched\"\n{folds}inputs = {{ set = \"functionals\", scaler = \"per-speaker\" }}\n\
             augment = [\"slow-down\"]\nmodel = {{ kind = \"svm\" }}\n\
             search = {{ folds = 2, by = \"utterance\", grid = {{ model.c = [0.1, 1] }} }}\n\
             [[experiment]]\nname = \"frames\"\n{folds}inputs = {{ set = \"frames\", frames = 16, scaler = \"standard\" }}\n\
             model = {{ kind = \"temporal\", channels = 8 }}\ntrain = {{ batch_size = 8, epochs = 2, spec_augment = {{}} }}\n\
             [[experiment]]\nname = \"both\"\n{folds}model = {{ kind = \"ensemble\", members = [\"searched\", \"frames\"] }}\n"
        );
    for project in [&project, &local] {
        project.pipeline(
            "sets",
            &format!("{text}\n[slurm]\nmemory = \"500M\"\ntime = \"0:20:00\"\n"),
        );
    }
    let ran = cluster
        .ser(
            &project,
            None,
            &["run", "sets", "--executor", "slurm", "--set", SHARDS],
        )
        .ok();
    assert!(
        ran.stdout.contains("report: reports/sets/index.html"),
        "{}",
        ran.stdout
    );
    assert_same_as_local(&project, &local, "sets");
}

#[test]
fn a_dry_run_shows_scripts_and_command_lines_and_leaves_nothing() {
    let project = Project::with_tones(3);
    let ran = project
        .ser(&[
            "slurm",
            "submit",
            "small",
            "--dry-run",
            "--set",
            "slurm.train.options=['--gres=gpu:1']",
        ])
        .ok();
    for words in [
        "sbatch --parsable --requeue",
        "--array=0-1 ",
        "--dependency=afterok:<job of prepare>",
        "--gres=gpu:1",
        "#!/bin/bash",
        "worker",
    ] {
        assert!(
            ran.stdout.contains(words),
            "`{words}` is not in:\n{}",
            ran.stdout
        );
    }
    assert!(!project.path("data").exists());
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_submitted() {
    let project = Project::with_tones(2);
    project.write("profiles/x.toml", "partition = \"a\"\ntime = \"soon\"\n");
    let submit = |more: &[&str]| project.ser(&[&["slurm", "submit", "small"], more].concat());
    submit(&["--profile", "profiles/x.toml"]).fails(
        3,
        &[
            "profiles/x.toml:2:8: `time` is no time limit",
            "hours:minutes:seconds",
        ],
    );
    submit(&["--profile", "profiles/none.toml"])
        .fails(5, &["there is no profile profiles/none.toml"]);
    submit(&["--set", "slurm.cpus=0"]).fails(3, &["--set slurm.cpus=0", "must be from 1 to 4096"]);
    submit(&["--set", "slurm.options=['--array=1']"])
        .fails(3, &["`--array` is stated by ser itself"]);
    submit(&["--jobs", "3"]).fails(2, &["--jobs", "under [slurm]"]);
    project
        .ser(&["train", "small", "--executor", "slurm"])
        .fails(2, &["ser run PIPELINE --executor slurm"]);
    project
        .ser(&["slurm", "status", "small"])
        .fails(5, &["there is no plan `small`"]);
    assert!(!project.path("data").exists());
}

#[test]
fn a_cancelled_plan_ends_with_all_its_jobs_and_goes_on_when_it_is_resumed() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(2), Project::with_tones(2));
    for project in [&project, &local] {
        project.pipeline("net", &Project::network(400));
    }
    cluster
        .ser(&project, None, &["slurm", "submit", "net", "--set", SHARDS])
        .ok();
    let plan = plan_of(&project);
    let running = |status: &serde_json::Value| {
        stage(status, "train")["missing"]
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["scheduler"]["state"] == "RUNNING")
    };
    cluster.wait(&project, &plan, "training", running);
    cluster
        .ser(&project, None, &["slurm", "submit", "net"])
        .fails(2, &[&plan, "still under way"]);
    let ran = cluster
        .ser(&project, None, &["slurm", "cancel", "net"])
        .ok();
    assert!(ran.stdout.contains("cancelled job"), "{}", ran.stdout);
    assert!(is_over(&cluster.status(&project, &plan)));
    assert!(
        cluster
            .tasks(&plan)
            .iter()
            .all(|task| ["COMPLETED", "CANCELLED", "FAILED"].contains(&task[2].as_str())),
        "{:?}",
        cluster.tasks(&plan)
    );
    let ended = ledger(&project, &plan)
        .iter()
        .filter(|event| event["event"] == "cancelled")
        .count();
    assert_eq!(ended, 2, "train and report");
    cluster
        .ser(&project, None, &["slurm", "cancel", "net"])
        .ok();

    cluster
        .ser(&project, None, &["slurm", "resume", "net", "--follow"])
        .ok();
    assert_eq!(
        intents(&project, &plan, "features"),
        ["0-1"],
        "shards are not made again"
    );
    assert_same_as_local(&project, &local, "net");
}

#[test]
fn a_stage_that_the_scheduler_refuses_takes_those_before_it_back() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let project = Project::with_tones(2);
    let ran = cluster.ser(
        &project,
        None,
        &[
            "slurm",
            "submit",
            "small",
            "--set",
            "slurm.train.partition=nowhere",
        ],
    );
    ran.fails(
        9,
        &[
            "the scheduler refuses stage train",
            "invalid partition",
            "under [slurm]",
        ],
    );
    let plan = plan_of(&project);
    let states: Vec<String> = cluster
        .tasks(&plan)
        .into_iter()
        .map(|task| task[2].clone())
        .collect();
    assert_eq!(
        states,
        ["CANCELLED", "CANCELLED"],
        "features and prepare never ran"
    );
    assert_eq!(
        ledger(&project, &plan).last().unwrap()["event"],
        "cancelled"
    );
    assert!(
        !project.path("data/cache/small/shards").exists() && !project.path("data/tables").exists()
    );
    cluster
        .ser(&project, None, &["slurm", "resume", &plan])
        .fails(9, &["the scheduler refuses stage train"]);
    assert!(is_over(&cluster.status(&project, &plan)));
}
