mod damage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::schema::{STEPS, Trouble};
use super::store::News;
use super::*;
use crate::error::Kind;
use crate::orchestrator::{Event, Observer, StaleReason};

fn begin(pipeline: &str) -> Begin {
    Begin {
        pipeline: pipeline.into(),
        title: "A title".into(),
        command: "ser run".into(),
        folder: "/nowhere".into(),
        version: "1.2.3".into(),
        process: Process::this("here"),
        jobs: 2,
        parameters: BTreeMap::from([("train.epochs".into(), "15".into())]),
    }
}

fn task(task: &str, key: &str) -> TaskRow {
    let stage = task.split('/').next().unwrap().to_owned();
    TaskRow {
        task: task.into(),
        stage,
        key: key.into(),
        what: What::Ran,
        seconds: Some(0.5),
        why: "never ran".into(),
    }
}

fn end(outcome: Outcome, metrics: Vec<Metric>) -> End {
    End {
        outcome,
        error: None,
        metrics,
    }
}

fn metric(metric: &str, value: f64) -> Metric {
    Metric {
        experiment: "quick".into(),
        protocol: "p".into(),
        metric: metric.into(),
        value,
        n: 12,
    }
}

/// Records a run with one task.
fn record(folder: &Path, pipeline: &str, key: &str) -> i64 {
    let mut history = History::open(folder).unwrap();
    let run = history.begin(&begin(pipeline), 1_764_028_000.25).unwrap();
    history
        .add(
            run,
            pipeline,
            &[task("evaluate/quick", key)],
            News::default(),
        )
        .unwrap();
    run
}

#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Observer for Said {
    fn observe(&self, event: Event) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}

fn started(task: &str) -> Event {
    Event::TaskStarted {
        task: task.into(),
        stage: "train".into(),
        key: "k1".into(),
        why: vec![StaleReason::NeverRan],
    }
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path()).unwrap();
    let run = history.begin(&begin("demo"), 1_764_028_000.25).unwrap();
    let revision = Revision {
        commit: "ab".repeat(20),
        dirty: true,
    };
    let tasks = [task("evaluate/quick", "k2"), task("ingest", "k1")];
    history
        .add(
            run,
            "demo",
            &tasks,
            News {
                revision: Some(&revision),
                end: None,
            },
        )
        .unwrap();
    let end = end(
        Outcome::Done,
        vec![metric("uar", 0.5), metric("nothing", f64::NAN)],
    );
    history
        .add(
            run,
            "demo",
            &[],
            News {
                revision: None,
                end: Some((&end, 1_764_028_002.75)),
            },
        )
        .unwrap();

    let read = history.find("latest", "here").unwrap();
    assert_eq!(
        (read.id, read.started.as_str()),
        (1, "2025-11-24T23:46:40.250Z")
    );
    assert!((read.seconds.unwrap() - 2.5).abs() < 1e-3 && read.outcome == Outcome::Done);
    assert_eq!(
        (read.revision, read.dirty, read.jobs),
        (Some("ab".repeat(20)), Some(true), 2)
    );
    assert_eq!(read.parameters["train.epochs"], "15");
    assert_eq!(
        read.tasks,
        Tasks {
            ran: 2,
            reused: 0,
            failed: 0
        }
    );
    assert_eq!(
        history.tasks(run).unwrap(),
        [tasks[1].clone(), tasks[0].clone()],
        "in the order of the stages"
    );
    assert_eq!(history.metrics(run).unwrap(), [metric("uar", 0.5)]);
    let path = "cache/demo/tasks/evaluate/k2/predictions.parquet".to_owned();
    assert_eq!(
        history.predictions(run).unwrap(),
        [Predictions {
            experiment: "quick".into(),
            key: "k2".into(),
            path
        }]
    );
}

#[test]
fn runs_are_found_by_number_age_and_time() {
    let folder = tempfile::tempdir().unwrap();
    for (i, pipeline) in ["a", "b", "a"].into_iter().enumerate() {
        assert_eq!(
            record(folder.path(), pipeline, &format!("k{i}")),
            i as i64 + 1
        );
    }
    let mut history = History::existing(folder.path()).unwrap().unwrap();
    history.begin(&begin("c"), 1_795_564_800.0).unwrap();
    let id = |name: &str| history.find(name, "here").map(|run| run.id);
    assert_eq!(
        [
            id("2").unwrap(),
            id("latest").unwrap(),
            id("latest~1").unwrap(),
            id("latest~3").unwrap()
        ],
        [2, 4, 3, 1]
    );
    assert_eq!(id("2026-11-25T0").unwrap(), 4);
    assert_eq!(id("5").unwrap_err().kind(), Kind::Missing);
    assert_eq!(id("latest~4").unwrap_err().kind(), Kind::Missing);
    assert_eq!(id("2025-11-2").unwrap_err().kind(), Kind::Usage);
    for odd in ["", "last", "latest~", "latest~x", "latest1", "' OR 1 --"] {
        assert_eq!(id(odd).unwrap_err().kind(), Kind::Usage, "{odd}");
    }
    let ids = |pipeline, limit| {
        history
            .runs(pipeline, limit, "here")
            .unwrap()
            .iter()
            .map(|run| run.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 3), [4, 3, 2]);
    assert_eq!(ids(Some("a"), 20), [3, 1]);
    assert_eq!(ids(None, usize::MAX).len(), 4);
}

#[test]
fn the_last_runs_of_a_pipeline_say_what_they_refer_to() {
    let folder = tempfile::tempdir().unwrap();
    for (pipeline, key) in [
        ("a", "old"),
        ("a", "mid"),
        ("b", "other"),
        ("a", "new"),
        ("a", "new"),
    ] {
        record(folder.path(), pipeline, key);
    }
    let mut history = History::open(folder.path()).unwrap();
    let keys = |history: &History, n| {
        history
            .referenced("a", n)
            .unwrap()
            .into_iter()
            .map(|(_, key)| key)
            .collect::<Vec<_>>()
    };
    assert!(keys(&history, 0).is_empty());
    assert_eq!(keys(&history, 2), ["new"]);
    assert_eq!(keys(&history, 3), ["mid", "new"]);
    assert_eq!(keys(&history, 100), ["mid", "new", "old"]);
    history
        .add(
            5,
            "a",
            &[TaskRow {
                what: What::Failed,
                ..task("train/x", "")
            }],
            News::default(),
        )
        .unwrap();
    assert_eq!(
        keys(&history, 1),
        ["new"],
        "what failed before it had a key refers to nothing"
    );
}

#[test]
fn the_recorder_writes_while_the_run_goes_on_and_passes_everything_on() {
    struct Count(Mutex<usize>);
    impl Observer for Count {
        fn observe(&self, _: Event) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let count = Count(Mutex::new(0));
    let recorder = Recorder::begin(folder.path(), begin("demo"), &count);
    recorder.observe(started("train/a"));
    recorder.observe(Event::TaskFinished {
        task: "train/a".into(),
        stage: "train".into(),
        key: "k1".into(),
        seconds: 1.5,
    });
    recorder.observe(started("train/b"));
    recorder.observe(Event::TaskFailed {
        task: "train/b".into(),
        error: "no good".into(),
        hint: None,
    });
    recorder.observe(Event::TaskFailed {
        task: "evaluate/c".into(),
        error: "no device".into(),
        hint: None,
    });
    assert_eq!(*count.0.lock().unwrap(), 5);
    let mut seen = vec![];
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if let Some(history) = History::existing(folder.path()).unwrap() {
            seen = history.tasks(1).unwrap();
        }
        if !seen.is_empty() {
            break;
        }
    }
    let short: Vec<_> = seen
        .iter()
        .map(|t| {
            (
                t.task.as_str(),
                t.stage.as_str(),
                t.key.as_str(),
                t.what,
                t.why.as_str(),
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            ("train/a", "train", "k1", What::Ran, "never ran"),
            ("train/b", "train", "k1", What::Failed, "no good"),
            ("evaluate/c", "evaluate", "", What::Failed, "no device")
        ]
    );
    let history = History::open(folder.path()).unwrap();
    assert!(
        history.predictions(1).unwrap().is_empty(),
        "what failed wrote none"
    );
    assert_eq!(history.find("1", "here").unwrap().outcome, Outcome::Running);
    drop(recorder);
    assert_eq!(
        history.find("1", "here").unwrap().outcome,
        Outcome::Running,
        "nobody said how it ended"
    );
}

#[test]
fn a_run_whose_process_is_gone_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path()).unwrap();
    let gone = Process {
        host: "here".into(),
        pid: 1,
        birth: "another start of the machine 1".into(),
    };
    history
        .begin(
            &Begin {
                process: gone,
                ..begin("demo")
            },
            0.0,
        )
        .unwrap();
    let outcome = |history: &History, host: &str| history.find("1", host).unwrap().outcome;
    assert_eq!(outcome(&history, "here"), Outcome::Killed);
    assert_eq!(
        outcome(&history, "elsewhere"),
        Outcome::Running,
        "nobody can tell from another machine"
    );
    history
        .add(
            1,
            "demo",
            &[],
            News {
                revision: None,
                end: Some((&end(Outcome::Interrupted, vec![]), 1.0)),
            },
        )
        .unwrap();
    assert_eq!(outcome(&history, "here"), Outcome::Interrupted);
}
