//! Files of older versions, of other programs, damaged ones, and several writers at once.

use super::*;

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
