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
fn an_older_file_is_brought_up_to_date_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut later = STEPS.to_vec();
    later.extend([
        "ALTER TABLE runs ADD COLUMN mood TEXT NOT NULL DEFAULT 'good'",
        "CREATE TABLE moods (mood TEXT) STRICT",
    ]);
    record(folder.path(), "demo", "k");
    let history = History::open_with(&path, &later).unwrap();
    assert_eq!(history.version().unwrap(), STEPS.len() as i64 + 2);
    let mood: String = history
        .connection
        .query_row("SELECT mood FROM runs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        (mood.as_str(), history.tasks(1).unwrap().len()),
        ("good", 1)
    );
    drop(history);

    let newer = History::open(folder.path()).unwrap_err();
    assert_eq!(newer.kind(), Kind::Data);
    let (said, known) = (newer.to_string(), STEPS.len());
    assert!(
        said.contains(&format!(
            "has version {}; this ser knows versions up to {known}",
            known + 2
        )),
        "{said}"
    );

    // A step that fails leaves the file as it was.
    later.push("CREATE TABLE half (a TEXT); CREATE TABLE half (a TEXT)");
    assert!(matches!(
        History::open_with(&path, &later),
        Err(Trouble::Sql(_))
    ));
    later.pop();
    let history = History::open_with(&path, &later).unwrap();
    let half: i64 = history
        .connection
        .query_row(
            "SELECT count(*) FROM sqlite_master WHERE name = 'half'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        (history.version().unwrap(), half),
        (STEPS.len() as i64 + 2, 0)
    );
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let said = Said::default();
    Recorder::begin(folder.path(), begin("demo"), &said).end(end(Outcome::Done, vec![]));
    let warnings = said.0.into_inner().unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("another program"),
        "{warnings:?}"
    );
    assert!(before == fs::read(&path).unwrap());
}

#[test]
fn a_damaged_file_is_set_aside_and_the_run_recorded_in_a_new_one() {
    for case in ["no database", "cut", "within"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for i in 0..20 {
            record(folder.path(), "demo", &format!("{i:01000}"));
        }
        let whole = fs::read(&path).unwrap();
        let damaged = match case {
            "no database" => vec![b'x'; 5000],
            "cut" => whole[..whole.len() / 2].to_vec(),
            // The first page, with the schema, stays as it was.
            _ => whole
                .iter()
                .enumerate()
                .map(|(i, byte)| if i < 4096 { *byte } else { 0xa5 })
                .collect(),
        };
        fs::write(&path, &damaged).unwrap();
        let said = Said::default();
        let recorder = Recorder::begin(folder.path(), begin("after"), &said);
        recorder.observe(started("train/a"));
        recorder.observe(Event::TaskFinished {
            task: "train/a".into(),
            stage: "train".into(),
            key: "k1".into(),
            seconds: 1.0,
        });
        recorder.end(end(Outcome::Done, vec![metric("uar", 0.5)]));
        let warnings = said.0.into_inner().unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains("was damaged: it lies in"),
            "{case}: {warnings:?}"
        );
        assert!(
            fs::read(folder.path().join(format!("{FILE}.damaged-1"))).unwrap() == damaged,
            "{case}"
        );
        let history = History::open(folder.path()).unwrap();
        let runs = history.runs(None, 10, "here").unwrap();
        assert_eq!(
            runs.iter()
                .map(|run| (run.pipeline.as_str(), run.outcome))
                .collect::<Vec<_>>(),
            [("after", Outcome::Done)],
            "{case}"
        );
        assert_eq!(
            (
                history.tasks(1).unwrap().len(),
                history.metrics(1).unwrap().len()
            ),
            (1, 1),
            "{case}"
        );
    }
}

#[test]
fn a_reader_of_a_damaged_file_is_told_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    assert!(
        History::existing(folder.path()).unwrap().is_none() && !path.exists(),
        "looking makes no file"
    );
    fs::write(&path, [b'x'; 5000]).unwrap();
    let error = History::existing(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert!(error.to_string().contains("is damaged") && path.exists());
}

#[test]
fn many_threads_begin_a_file_and_write_at_once_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let said = Said::default();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (folder, said) = (folder.path(), &said);
            scope.spawn(move || {
                for run in 0..5 {
                    let recorder = Recorder::begin(folder, begin(&format!("p{thread}")), said);
                    for i in 0..20 {
                        let (task, key) =
                            (format!("train/{run}/{i}"), format!("{thread}-{run}-{i}"));
                        recorder.observe(Event::TaskReused {
                            task,
                            stage: "train".into(),
                            key,
                        });
                    }
                    recorder.end(end(Outcome::Done, vec![metric("uar", 0.1)]));
                }
            });
        }
    });
    assert!(said.0.into_inner().unwrap().is_empty());
    let history = History::open(folder.path()).unwrap();
    let runs = history.runs(None, 1000, "here").unwrap();
    assert_eq!(runs.len(), 40);
    assert!(
        runs.iter()
            .all(|run| run.outcome == Outcome::Done && run.tasks.reused == 20)
    );
    assert!(
        (0..8).all(|thread| history.referenced(&format!("p{thread}"), 5).unwrap().len() == 100)
    );
}

#[test]
fn several_that_find_a_damaged_file_lose_no_run_of_each_other() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), [b'x'; 5000]).unwrap();
        let said = Said::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    Recorder::begin(folder.path(), begin("demo"), &said)
                        .end(end(Outcome::Done, vec![]))
                });
            }
        });
        let warnings = said.0.into_inner().unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains("was damaged"),
            "one of them says so: {warnings:?}"
        );
        assert_eq!(
            History::open(folder.path())
                .unwrap()
                .runs(None, 10, "here")
                .unwrap()
                .len(),
            4
        );
    }
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

#[test]
fn a_history_that_is_removed_meanwhile_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let said = Said::default();
    let recorder = Recorder::begin(folder.path(), begin("demo"), &said);
    recorder.observe(Event::TaskReused {
        task: "ingest".into(),
        stage: "ingest".into(),
        key: "k0".into(),
    });
    let written = || {
        History::existing(folder.path())
            .unwrap()
            .is_some_and(|history| history.tasks(1).unwrap().len() == 1)
    };
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if written() {
            break;
        }
    }
    assert!(written());
    fs::remove_file(folder.path().join(FILE)).unwrap();
    // The number of the run is that of another one now.
    record(folder.path(), "other", "k9");
    recorder.observe(Event::TaskReused {
        task: "features".into(),
        stage: "features".into(),
        key: "k1".into(),
    });
    recorder.end(end(Outcome::Done, vec![]));
    let history = History::open(folder.path()).unwrap();
    let names = |run| {
        history
            .tasks(run)
            .unwrap()
            .into_iter()
            .map(|task| task.task)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(1), names(2)),
        (
            vec!["evaluate/quick".to_owned()],
            vec!["ingest".to_owned(), "features".to_owned()]
        )
    );
    assert!(said.0.into_inner().unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_costs_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = Said::default();
    let recorder = Recorder::begin(&file.join("data"), begin("demo"), &said);
    recorder.observe(started("train/a"));
    recorder.end(end(Outcome::Done, vec![]));
    let warnings = said.0.into_inner().unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("the history of this run is not complete: "),
        "{warnings:?}"
    );
}

#[test]
fn a_row_that_was_changed_is_seen_and_rows_of_an_older_file_are_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    {
        let older = History::open_with(&path, &STEPS[..1]).unwrap();
        let row = "INSERT INTO runs (started, pipeline, title, command, folder, version, host, pid, birth, jobs, outcome, parameters)
                   VALUES ('2025-11-24T23:46:40.250Z', 'demo', '', '', '', '', 'here', 1, '', 2, 'done', '{}')";
        older.connection.execute_batch(row).unwrap();
        older
            .connection
            .execute_batch("INSERT INTO metrics VALUES (1, 'quick', 'p', 'uar', 1, 12)")
            .unwrap();
    }
    let run = record(folder.path(), "demo", "k");
    let mut history = History::existing(folder.path()).unwrap().unwrap();
    assert_eq!(
        (run, history.metrics(1).unwrap()),
        (2, vec![metric("uar", 1.0)])
    );
    let revision = Revision {
        commit: "ab".repeat(20),
        dirty: false,
    };
    let end = end(Outcome::Done, vec![metric("uar", 0.5)]);
    history
        .add(
            run,
            "demo",
            &[],
            News {
                revision: Some(&revision),
                end: None,
            },
        )
        .unwrap();
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
    drop(history);
    for (change, back) in [
        (
            "UPDATE runs SET revision = 'cd' WHERE id = 2",
            "UPDATE runs SET revision = replace(hex(zeroblob(20)), '00', 'ab') WHERE id = 2",
        ),
        (
            "UPDATE metrics SET value = 0.75 WHERE run = 2",
            "UPDATE metrics SET value = 0.5 WHERE run = 2",
        ),
        (
            "UPDATE metrics SET value = 2 WHERE run = 1",
            "UPDATE metrics SET value = 1 WHERE run = 1",
        ),
        (
            "UPDATE tasks SET why = ''",
            "UPDATE tasks SET why = 'never ran'",
        ),
        (
            "UPDATE predictions SET experiment = 'x'",
            "UPDATE predictions SET experiment = 'quick'",
        ),
        (
            "DROP INDEX runs_of_a_pipeline",
            "CREATE INDEX runs_of_a_pipeline ON runs (pipeline, id)",
        ),
    ] {
        History::open(folder.path())
            .unwrap()
            .connection
            .execute_batch(change)
            .unwrap();
        let error = History::existing(folder.path()).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().contains("is damaged"),
            "{change}: {error}"
        );
        History::open(folder.path())
            .unwrap()
            .connection
            .execute_batch(back)
            .unwrap();
        History::existing(folder.path()).unwrap();
    }
}
