//! What breaks: tasks, the program that submits, and two copies of one task.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::cluster::{assert_same_as_local, cluster, intents, is_over, ledger, plan_of, stage};
use crate::program::project::Project;

const SHARDS: &str = "slurm.shard_size=9";

#[test]
fn of_a_shard_that_failed_and_what_waited_for_it_nothing_else_is_submitted_again() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(4), Project::with_tones(4));
    // Time to break one task before it begins: where its log cannot be written, the scheduler fails
    // it.
    let later = "slurm.features.options=['--begin=now+4']";
    cluster
        .ser(
            &project,
            None,
            &["slurm", "submit", "small", "--set", SHARDS, "--set", later],
        )
        .ok();
    let plan = plan_of(&project);
    let log = project.path(&format!("data/slurm/{plan}/logs/features-1.log"));
    fs::create_dir(&log).unwrap();
    let status = cluster.wait(&project, &plan, "over", is_over);
    assert_eq!(
        (
            stage(&status, "features")["done"].as_u64(),
            stage(&status, "prepare")["done"].as_u64()
        ),
        (Some(2), Some(0)),
        "{status:#}"
    );
    assert_eq!(
        stage(&status, "features")["missing"][0]["scheduler"]["state"],
        "FAILED",
        "{status:#}"
    );
    assert_eq!(
        stage(&status, "report")["missing"][0]["scheduler"]["state"],
        "CANCELLED",
        "{status:#}"
    );

    fs::remove_dir(&log).unwrap();
    cluster
        .ser(&project, None, &["slurm", "resume", "small", "--follow"])
        .ok();
    assert_eq!(intents(&project, &plan, "features"), ["0-2", "1"]);
    assert_eq!(intents(&project, &plan, "train"), ["0-1", "0-1"]);
    assert_same_as_local(&project, &local, "small");
}

#[test]
fn a_crash_between_sbatch_and_ledger_submits_nothing_twice() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(3), Project::with_tones(3));
    let sbatch = project.write(
        "programs/sbatch",
        "#!/bin/bash\nPATH=${PATH#*:}\nsbatch \"$@\"\ncode=$?\ncase \"$*\" in */prepare/1*) kill -KILL $PPID ;; esac\nexit $code\n",
    );
    fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = cluster.ser(
        &project,
        Some(&project.path("programs")),
        &["slurm", "submit", "small", "--set", SHARDS],
    );
    assert_eq!(ran.code, -1, "it was killed: {}", ran.stderr);
    let plan = plan_of(&project);
    assert_eq!(
        ledger(&project, &plan).last().unwrap()["event"],
        "intent",
        "the job is there, and nobody wrote it down"
    );
    assert!(
        cluster.tasks(&plan).iter().all(|task| task[2] == "PENDING"),
        "half a plan does not begin: {:?}",
        cluster.tasks(&plan)
    );

    cluster
        .ser(&project, None, &["slurm", "resume", "small", "--follow"])
        .ok();
    let found: Vec<_> = ledger(&project, &plan)
        .into_iter()
        .filter(|event| event["event"] == "found")
        .collect();
    assert_eq!(
        (found.len(), found[0]["stage"].as_str()),
        (1, Some("prepare"))
    );
    for (name, tasks) in [("features", 2), ("prepare", 1), ("train", 2), ("report", 1)] {
        assert_eq!(intents(&project, &plan, name).len(), 1, "{name}");
        let listed = cluster
            .tasks(&plan)
            .into_iter()
            .filter(|task| task[3] == format!("{plan}/{name}/1"))
            .count();
        assert_eq!(listed, tasks, "{name}");
    }
    assert_same_as_local(&project, &local, "small");
}

#[test]
fn two_copies_of_a_task_at_once_agree() {
    let Some((cluster, _whole)) = cluster() else {
        return;
    };
    let (project, local) = (Project::with_tones(3), Project::with_tones(3));
    for project in [&project, &local] {
        project.pipeline("net", &Project::network(60));
    }
    let later = "slurm.train.options=['--begin=now+600']";
    cluster
        .ser(
            &project,
            None,
            &["slurm", "submit", "net", "--set", SHARDS, "--set", later],
        )
        .ok();
    let plan = plan_of(&project);
    cluster.wait(&project, &plan, "prepared", |status| {
        stage(status, "prepare")["done"] == 1
    });
    let folder = format!("data/slurm/{plan}");
    let copies: Vec<_> = [0, 0, 0, 1]
        .iter()
        .map(|index| {
            project
                .command()
                .args(["worker", &folder, "train", &index.to_string()])
                .spawn()
                .unwrap()
        })
        .collect();
    for mut copy in copies {
        assert!(copy.wait().unwrap().success());
    }
    let kept: Vec<String> = fs::read_dir(project.path("data/cache/net/tasks/train"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        kept.len(),
        2,
        "one folder a training, and nothing half-written: {kept:?}"
    );
    // The tasks that wait are not needed any more: what waits for them is.
    assert_eq!(stage(&cluster.status(&project, &plan), "train")["done"], 2);
    cluster
        .ser(&project, None, &["slurm", "cancel", &plan])
        .ok();
    cluster
        .ser(&project, None, &["slurm", "resume", &plan, "--follow"])
        .ok();
    assert_eq!(intents(&project, &plan, "train"), ["0-1"]);
    assert_eq!(intents(&project, &plan, "report"), ["0", "0"]);
    assert_same_as_local(&project, &local, "net");
}
