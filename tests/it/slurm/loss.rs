//! What takes minutes: nodes that are lost, tasks that have to make room or meet their time limit.

use std::process::Command;

use serde_json::Value;

use super::cluster::{
    Cluster, assert_same_as_local, cluster_for_long, intents, ledger, plan_of, scripts, stage,
};
use crate::program::project::Project;

fn projects(epochs: usize) -> (Project, Project) {
    let (project, local) = (Project::with_tones(3), Project::with_tones(3));
    for project in [&project, &local] {
        project.pipeline("net", &Project::network(epochs));
    }
    (project, local)
}

fn submitted(cluster: &Cluster, project: &Project, more: &[&str]) -> String {
    cluster
        .ser(project, None, &[&["slurm", "submit", "net"], more].concat())
        .ok();
    plan_of(project)
}

/// The node on which a training runs, some epochs on.
fn training_node(cluster: &Cluster, project: &Project, plan: &str) -> String {
    let running = |status: &Value| {
        let tasks = stage(status, "train")["missing"]
            .as_array()
            .unwrap()
            .clone();
        tasks
            .into_iter()
            .find(|task| task["scheduler"]["state"] == "RUNNING")
    };
    let status = cluster.wait(project, plan, "training", |status| {
        running(status).is_some()
            && project
                .path("data/cache/net/scratch")
                .read_dir()
                .is_ok_and(|mut entries| entries.next().is_some())
    });
    running(&status).unwrap()["scheduler"]["node"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn ends_as_locally(cluster: &Cluster, project: &Project, local: &Project, plan: &str) {
    let all_done = |status: &Value| {
        status["stages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|stage| stage["done"] == stage["tasks"])
    };
    cluster.wait(project, plan, "done", all_done);
    for name in ["features", "prepare", "train", "report"] {
        assert_eq!(
            intents(project, plan, name).len(),
            1,
            "{name}: {:?}",
            ledger(project, plan)
        );
    }
    assert_same_as_local(project, local, "net");
}

/// How often the trainings of a plan were begun.
fn starts(project: &Project, plan: &str, trainings: u32) -> usize {
    let log = |i: u32| {
        String::from_utf8_lossy(&project.read(&format!("data/slurm/{plan}/logs/train-{i}.log")))
            .into_owned()
    };
    (0..trainings)
        .map(|i| log(i).matches("run    train/").count())
        .sum()
}

#[test]
fn what_ran_on_a_lost_node_runs_elsewhere() {
    let Some(cluster) = cluster_for_long() else {
        return;
    };
    let _alone = cluster
        .whole
        .write()
        .unwrap_or_else(|broken| broken.into_inner());
    for how in [&[][..], &["--daemon-only"]] {
        let (project, local) = projects(800);
        let plan = submitted(cluster, &project, &[]);
        let node = training_node(cluster, &project, &plan);
        let lost = Command::new(scripts().join("lose-node"))
            .arg(&cluster.folder)
            .arg(&node)
            .args(how)
            .status()
            .unwrap();
        assert!(lost.success());
        ends_as_locally(cluster, &project, &local, &plan);
        // Where the daemon alone is gone, a training may come to its end before the scheduler
        // begins it elsewhere.
        let least = if how.is_empty() { 3 } else { 2 };
        assert!(
            starts(&project, &plan, 2) >= least,
            "begun again after {how:?}"
        );
        cluster.call(
            "slurmd",
            &["-f", cluster.conf().to_str().unwrap(), "-N", &node],
        );
    }
}

#[test]
fn a_training_that_has_to_make_room_goes_on_from_its_checkpoint() {
    let Some(cluster) = cluster_for_long() else {
        return;
    };
    let _alone = cluster
        .whole
        .write()
        .unwrap_or_else(|broken| broken.into_inner());
    let (project, local) = projects(800);
    let plan = submitted(cluster, &project, &["--set", "slurm.partition=scavenge"]);
    training_node(cluster, &project, &plan);
    cluster.call(
        "sbatch",
        &[
            "--array=0-2",
            "--exclusive",
            "--partition=main",
            "--output=/dev/null",
            "--wrap=sleep 5",
        ],
    );
    ends_as_locally(cluster, &project, &local, &plan);
    assert_eq!(starts(&project, &plan, 2), 4, "both were preempted once");
}

#[test]
fn a_training_that_is_told_of_its_time_limit_queues_again_and_goes_on() {
    let Some(cluster) = cluster_for_long() else {
        return;
    };
    let _alone = cluster
        .whole
        .write()
        .unwrap_or_else(|broken| broken.into_inner());
    let (project, local) = projects(800);
    let plan = submitted(cluster, &project, &[]);
    training_node(cluster, &project, &plan);
    // What the scheduler sends by itself some time before the limit, which is a minute at least.
    let job = cluster
        .tasks(&plan)
        .iter()
        .find(|task| task[3] == format!("{plan}/train/1") && task[2] == "RUNNING")
        .unwrap()
        .clone();
    cluster.call(
        "scancel",
        &[
            "--signal=USR1",
            "--batch",
            &format!("{}_{}", job[0], job[1]),
        ],
    );
    ends_as_locally(cluster, &project, &local, &plan);
    assert_eq!(starts(&project, &plan, 2), 3, "one of them was begun twice");
}
