//! Kills, full disks, requests to stop and two processes at once: what is left is whole, nothing
//! finished is done again, and the next run comes to the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::project::{Project, json_lines};

/// How often something is tried; all of it with SER_FAULTS=all, a part where time is short.
fn rounds(all: usize, some: usize) -> usize {
    if std::env::var("SER_FAULTS").is_ok_and(|value| value == "all") {
        all
    } else {
        some
    }
}

/// A pipeline of every kind of stage: a network that keeps checkpoints, and a baseline.
fn project() -> Project {
    let project = Project::with_tones(3);
    let text = Project::network(6)
        + "\n[[experiment]]\nname = \"log\"\nprotocol = { kind = \"leave-one-speaker-out\" }\n\
               inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n";
    project.pipeline("net", &text);
    project
}

fn outputs(project: &Project) -> Vec<(String, Vec<u8>)> {
    ["data/tables", "data/models", "reports"]
        .iter()
        .flat_map(|folder| project.tree(folder))
        .collect()
}

#[track_caller]
fn same(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)], what: &str) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b), "{what}");
    for ((name, left), (_, right)) in a.iter().zip(b) {
        assert!(left == right, "{what}: {name} differs");
    }
}

/// Without the checksum in `report.json`, which is of the way to the recordings as well.
fn unsummed(files: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let without = |bytes: Vec<u8>| {
        let lines = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"  \"blake3\": "));
        lines.flatten().copied().collect()
    };
    files
        .into_iter()
        .map(|(name, bytes)| {
            if name.ends_with("report.json") {
                (name, without(bytes))
            } else {
                (name, bytes)
            }
        })
        .collect()
}

/// A seeded stream of numbers in [0, 1): moments that differ and come again.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1u32 << 24)
    }
}

fn start(project: &Project, args: &[&str]) -> Child {
    project
        .command()
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: `kill` takes numbers alone; the process is our own child and was not waited for yet.
    unsafe { libc::kill(child.id() as libc::pid_t, signal) };
}

/// Keys of the tasks whose record is there, which is the last thing that is written.
fn finished(project: &Project) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for stage in fs::read_dir(project.path("data/cache/net/tasks"))
        .into_iter()
        .flatten()
        .flatten()
    {
        for task in fs::read_dir(stage.path()).unwrap().flatten() {
            let name = task.file_name().into_string().unwrap();
            if !name.starts_with(".tmp-") {
                assert!(
                    task.path().join("record.json").is_file(),
                    "{name} has no record"
                );
                keys.insert(name);
            }
        }
    }
    keys
}

/// Every published file is one of those that the finished run has, or is a whole one of its kind:
/// nothing half-written has a final name.
fn check_published(project: &Project, whole: &[(String, Vec<u8>)]) {
    for folder in ["data/tables", "data/models", "reports"] {
        if !project.path(folder).exists() {
            continue;
        }
        for (name, bytes) in project.tree(folder) {
            let leaf = Path::new(&name)
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if leaf.starts_with(".tmp-") {
                continue;
            }
            let expected = whole
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap_or_else(|| panic!("{folder}/{name} does not belong there"));
            assert!(bytes == expected.1, "{folder}/{name} is not whole");
        }
    }
}

/// Runs to the end; nothing that was finished is done again.
fn finish(project: &Project, whole: &[(String, Vec<u8>)], what: &str) {
    let before = finished(project);
    let ran = project.ser(&["run", "net", "--json"]).ok();
    for event in json_lines(&ran.stderr) {
        let again =
            event["event"] == "task-started" && before.contains(event["key"].as_str().unwrap());
        assert!(!again, "{what}: done again: {event}");
    }
    same(whole, &outputs(project), what);
    let left: Vec<_> = project
        .tree("data")
        .into_iter()
        .filter(|(name, _)| name.contains(".tmp-"))
        .map(|(name, _)| name)
        .collect();
    assert!(left.is_empty(), "{what}: {left:?}");
}

/// The bytes of a run that nothing disturbed, and how long it took.
fn undisturbed() -> (Project, Vec<(String, Vec<u8>)>, f64) {
    let (fresh, project) = (project(), project());
    let begin = Instant::now();
    project.ser(&["run", "net"]).ok();
    let seconds = begin.elapsed().as_secs_f64();
    (fresh, outputs(&project), seconds)
}

fn interrupt_at_random(sent: libc::c_int, rounds: usize, seed: u64) {
    let (fresh, whole, mut seconds) = undisturbed();
    let mut moments = Moments(seed);
    let mut hit = 0;
    // A run that ends before its signal does not count, and shows that the machine is quicker now.
    for round in 0..3 * rounds {
        if hit == rounds {
            return;
        }
        let project = Project::copy_of(&fresh);
        let begin = Instant::now();
        let mut child = start(&project, &["run", "net"]);
        let moment = moments.next() * seconds;
        while begin.elapsed().as_secs_f64() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            signal(&child, sent);
        }
        let status = child.wait().unwrap();
        if status.success() {
            seconds = begin.elapsed().as_secs_f64().min(seconds);
        } else {
            hit += 1;
            assert!(
                sent != libc::SIGTERM || status.code() == Some(130),
                "round {round}: {status}"
            );
        }
        check_published(&project, &whole);
        finish(
            &project,
            &whole,
            &format!("round {round}, signal {sent} after {moment:.3} s"),
        );
    }
    assert_eq!(hit, rounds, "signals that came before the end");
}

#[test]
fn killed_at_random_moments() {
    interrupt_at_random(libc::SIGKILL, rounds(50, 10), 1);
}

#[test]
fn asked_to_stop_at_random_moments() {
    interrupt_at_random(libc::SIGTERM, rounds(20, 5), 2);
}

#[test]
fn a_second_request_stops_at_once() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(100_000));
    let mut child = start(&project, &["run", "net", "--jobs", "1"]);
    let begin = Instant::now();
    while !project.path("data/cache/net/scratch").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, libc::SIGINT);
    signal(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_interrupted_run_says_how_to_resume() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(100_000));
    let script = "\"$SER\" run net --jobs 1 --set 'train.epochs=90000' 2>log >/dev/null & pid=$!; for i in $(seq 600); do \
                  ls data/cache/net/scratch/*/checkpoint* >/dev/null 2>&1 && break; sleep 0.05; done; kill -INT $pid; wait $pid";
    assert_eq!(project.bash(script).code, 130);
    let log = String::from_utf8(project.read("log")).unwrap();
    assert!(
        log.trim_end()
            .ends_with("to resume: ser run net --jobs 1 --set train.epochs=90000"),
        "{log}"
    );
}

/// On a file system that is full sooner or later, run after run with a little more room each.
#[test]
fn a_disk_that_fills_up_at_any_point() {
    let (fresh, whole, _) = undisturbed();
    let mount = tempfile::tempdir().unwrap();
    let tmpfs = |options: &str| {
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "ser-test"])
            .arg(mount.path())
            .output();
        done.is_ok_and(|output| output.status.success())
    };
    if !tmpfs("size=256k") {
        crate::skipped::skipped("mount", "no right to mount a small file system");
        return;
    }
    struct Unmount<'m>(&'m Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount")
                .arg("-l")
                .arg(self.0)
                .status();
        }
    }
    let _unmount = Unmount(mount.path());
    let place = mount.path().to_str().unwrap();
    let (data, reports) = (format!("{place}/data"), format!("{place}/reports"));
    let args = [
        "run",
        "net",
        "--data-dir",
        &data,
        "--reports-dir",
        &reports,
        "--retries",
        "0",
    ];
    let mut refused = 0;
    let mut kib = 256;
    loop {
        let ran = fresh.ser(&args);
        if ran.code == 0 {
            break;
        }
        refused += 1;
        assert_eq!(ran.code, 6, "at {kib} KiB: {}", ran.stderr);
        assert!(
            ran.stderr.contains("free some space"),
            "at {kib} KiB: {}",
            ran.stderr
        );
        kib = kib * 5 / 4;
        assert!(kib < 1 << 20, "{}", ran.stderr);
        assert!(tmpfs(&format!("remount,size={kib}k")));
    }
    assert!(refused > 5, "the disk was full {refused} times only");
    let copy = Project::copy_of(&fresh);
    for (from, to) in [(&data, "data"), (&reports, "reports")] {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(copy.path(to))
            .status()
            .unwrap();
        assert!(copied.success());
    }
    // From there the way to the recordings was another.
    let way = format!(
        "../../../{}/corpus",
        fresh
            .path("")
            .canonicalize()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
    );
    for (name, bytes) in copy.tree("reports/net") {
        if let Ok(text) = String::from_utf8(bytes) {
            copy.write(
                &format!("reports/net/{name}"),
                text.replace(&way, "../../corpus"),
            );
        }
    }
    same(
        &unsummed(whole),
        &unsummed(outputs(&copy)),
        "after a full disk",
    );
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let (fresh, whole, _) = undisturbed();
    for round in 0..rounds(20, 4) {
        let project = Project::copy_of(&fresh);
        let mut children = [
            start(&project, &["run", "net"]),
            start(&project, &["run", "net"]),
        ];
        for child in &mut children {
            assert!(child.wait().unwrap().success(), "round {round}");
        }
        finish(&project, &whole, &format!("round {round}"));
    }
}

#[test]
fn who_does_not_wait_is_told_who_works_there() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(100_000));
    let mut child = start(&project, &["run", "net", "--jobs", "1"]);
    let begin = Instant::now();
    while !project.path("data/cache/net/tasks").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let owner = format!("process {}", child.id());
    project.ser(&["run", "net", "--no-wait"]).fails(
        10,
        &[&owner, "ser run net --jobs 1", "is already working in"],
    );
    project.ser(&["plan", "net"]).ok();
    signal(&child, libc::SIGKILL);
    child.wait().unwrap();
    project
        .ser(&["run", "net", "--no-wait", "--set", "train.epochs=1"])
        .ok();
}

#[test]
fn a_training_that_takes_too_long_leaves_a_checkpoint_to_go_on_from() {
    let straight = Project::with_tones(2);
    straight.pipeline("net", &Project::network(40));
    straight.ser(&["run", "net"]).ok();
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(40));
    let mut limited = 0;
    loop {
        let ran = project.ser(&["run", "net", "--time-limit", "400ms"]);
        if ran.code == 0 {
            break;
        }
        ran.fails(8, &["stopped at the time limit of 0.4 s", "--time-limit"]);
        limited += 1;
        assert!(limited < 100);
    }
    same(
        &outputs(&straight),
        &outputs(&project),
        "after a time limit",
    );
}

#[test]
fn with_fail_fast_nothing_follows_a_failure() {
    let project = Project::with_tones(2);
    let odd = "\n[[experiment]]\nname = \"odd\"\nprotocol = { kind = \"leave-one-session-out\" }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("small", &(Project::small() + odd));
    project
        .ser(&["run", "small", "--fail-fast"])
        .fails(4, &["session"]);
    assert!(
        !project.path("reports/small").exists()
            && !project.path("data/cache/small/tasks/train").exists()
    );
    project
        .ser(&["run", "small", "--keep-going"])
        .fails(4, &["session"]);
    assert!(project.path("reports/small/index.html").exists());
}
