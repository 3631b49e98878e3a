//! What runs when, what is skipped, and what is tried again.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::event::{Event, Observer};
use super::execute::{Limits, NodeOutcome, execute, execute_one};
use super::graph::Identity;
use super::graph::{Context, Node, Outputs, Task, Upstream};
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Nodes without settings of their own.
#[derive(Default)]
struct Graph<'a>(Vec<Node<'a>>);

impl<'a> Graph<'a> {
    /// A task that reads nothing.
    fn add(&mut self, task: impl Fn() -> Task<'a> + Send + Sync + 'a) -> String {
        self.add_after(&task().id, &[], move |_| Ok(task()))
    }

    fn add_after(
        &mut self,
        id: &str,
        after: &[&str],
        prepare: impl Fn(&Upstream) -> Result<Task<'a>> + Send + Sync + 'a,
    ) -> String {
        let after = after.iter().map(|id| (*id).to_owned()).collect();
        self.0.push(Node::new(id, after, || Ok(None), prepare));
        id.to_owned()
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn observe(&self, event: Event) {
        let line = match event {
            Event::TaskStarted { task, .. } => format!("start {task}"),
            Event::TaskReused { task, .. } => format!("reuse {task}"),
            Event::TaskFailed { task, error, .. } => format!("fail {task}: {error}"),
            Event::TaskRetried {
                task, attempt, of, ..
            } => format!("again {task} {attempt}/{of}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

fn task<'a>(id: &str, action: impl Fn(&Context) -> Result<()> + Send + Sync + 'a) -> Task<'a> {
    let params = serde_json::json!({ "id": id });
    Task::new(
        id,
        Identity {
            stage: "s".into(),
            code_version: 1,
            params,
            inputs: BTreeMap::new(),
        },
        action,
    )
}

fn write(context: &Context) -> Result<()> {
    fs::write(context.folder.join("out"), b"1").map_err(|e| Error::io("write", context.folder, e))
}

fn states(ended: &[NodeOutcome]) -> String {
    let one = |e: &NodeOutcome| match e {
        NodeOutcome::Done(finished) if finished.reused => "reused".to_owned(),
        NodeOutcome::Done(_) => "done".to_owned(),
        NodeOutcome::Failed(error) => format!("{:?}", error.kind()),
        NodeOutcome::Skipped { because } => format!("after {because}"),
        NodeOutcome::Absent => "absent".to_owned(),
    };
    ended.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn run(store: &Store, graph: &Graph, limits: &Limits) -> (String, Vec<String>) {
    let log = Log::default();
    let ended = states(&execute(
        store,
        &graph.0,
        &Outputs::default(),
        limits,
        &Cancel::default(),
        &log,
    ));
    (ended, log.0.into_inner().unwrap())
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    (folder, store)
}

#[test]
fn a_failure_stops_what_depends_on_it_and_nothing_else() {
    let (folder, store) = store();
    let mut graph = Graph::default();
    graph.add(|| task("a", write));
    graph.add(|| task("b", |_| Err(Error::data("no good"))));
    graph.add_after("ab", &["a", "b"], |_| Ok(task("ab", write)));
    graph.add_after("abc", &["ab"], |_| Ok(task("abc", write)));
    graph.add_after("a2", &["a"], |_| Ok(task("a2", write)));
    for jobs in [1, 2, 8] {
        let limits = Limits {
            jobs,
            ..Limits::default()
        };
        let (ended, log) = run(&store, &graph, &limits);
        assert!(
            ended == "done Data after b after b done"
                || ended == "reused Data after b after b reused",
            "{ended}"
        );
        assert!(log.contains(&"fail b: no good".to_owned()));
    }
    assert!(
        !fs::read_dir(folder.path().join("tasks/s"))
            .unwrap()
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with(".tmp"))
    );
    // What reads an output that is not there is not begun, nor is what reads that.
    let mut graph = Graph::default();
    graph.add_after("x", &["nowhere"], |_| Ok(task("x", write)));
    graph.add_after("xy", &["x"], |_| Ok(task("xy", write)));
    graph.0.extend([Node {
        wanted: false,
        ..Node::new("new", vec![], || Ok(None), |_| Ok(task("new", write)))
    }]);
    assert_eq!(
        run(&store, &graph, &Limits::default()).0,
        "absent absent absent"
    );
}

#[test]
fn without_keep_going_nothing_is_begun_after_a_failure() {
    let (_folder, store) = store();
    let mut graph = Graph::default();
    graph.add(|| task("a", |_| Err(Error::data("no good"))));
    graph.add(|| task("b", write));
    let (ended, log) = run(
        &store,
        &graph,
        &Limits {
            keep_going: false,
            ..Limits::default()
        },
    );
    assert_eq!(ended, "Data after a");
    assert_eq!(log, ["start a", "fail a: no good"]);
}

#[test]
fn what_follows_sees_the_outputs_that_it_reads() {
    let (_folder, store) = store();
    let names = Mutex::new(vec![]);
    let mut graph = Graph::default();
    graph.add(|| task("a", write));
    graph.add(|| task("b", write));
    graph.add_after("c", &["b", "a"], |upstream| {
        for id in ["b", "a"] {
            let finished = upstream.get(id)?;
            finished.hash("out")?;
            names.lock().unwrap().push(finished.task.clone());
        }
        assert!(upstream.get("c").is_err() && upstream.find("d").is_none());
        Ok(task("c", write))
    });
    assert_eq!(
        run(
            &store,
            &graph,
            &Limits {
                jobs: 2,
                ..Limits::default()
            }
        )
        .0,
        "done done done"
    );
    assert_eq!(*names.lock().unwrap(), ["b", "a"]);
}

#[test]
fn what_may_pass_is_tried_again_as_often_as_allowed_and_nothing_else_is() {
    let flaky = |failures: usize, kind: ErrorKind| {
        let tries = AtomicUsize::new(0);
        move |context: &Context| {
            if tries.fetch_add(1, Ordering::Relaxed) < failures {
                return Err(Error::io("read", context.folder, kind.into()));
            }
            write(context)
        }
    };
    let ended = |failures, kind, retries| {
        let (_folder, store) = store();
        let action = flaky(failures, kind);
        let action = &action;
        let mut graph = Graph::default();
        graph.add(move || task("a", action));
        let (ended, log) = run(
            &store,
            &graph,
            &Limits {
                retries,
                ..Limits::default()
            },
        );
        (ended, log.iter().filter(|l| l.starts_with("again")).count())
    };
    assert_eq!(
        ended(1, ErrorKind::StaleNetworkFileHandle, 1),
        ("done".into(), 1)
    );
    assert_eq!(ended(2, ErrorKind::ResourceBusy, 1), ("Io".into(), 1));
    assert_eq!(
        ended(1, ErrorKind::StorageFull, 5),
        ("Io".into(), 0),
        "a full disk stays full"
    );
    assert_eq!(ended(1, ErrorKind::PermissionDenied, 5), ("Io".into(), 0));
}

#[test]
fn a_task_that_takes_too_long_fails_alone() {
    let (_folder, store) = store();
    let mut graph = Graph::default();
    graph.add(|| {
        task("slow", |context| {
            context.cancel.sleep(Duration::from_secs(60))
        })
    });
    graph.add(|| task("quick", write));
    let limits = Limits {
        jobs: 2,
        time_limit: Some(Duration::from_millis(30)),
        ..Limits::default()
    };
    let (ended, log) = run(&store, &graph, &limits);
    assert_eq!(ended, "TimedOut done");
    assert!(
        log.iter()
            .any(|l| l.starts_with("fail slow: stopped at the time limit of 0.03 s")),
        "{log:?}"
    );
}

#[test]
fn tasks_that_need_too_much_memory_together_run_one_after_the_other() {
    let most_together = |memory: u64| {
        let (_folder, store) = store();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (now, most) = (&now, &most);
        let action = move |context: &Context| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(40));
            now.fetch_sub(1, Ordering::SeqCst);
            write(context)
        };
        let mut graph = Graph::default();
        for id in ["a", "b", "c"] {
            graph.add(move || Task {
                memory: 60,
                ..task(id, action)
            });
        }
        let (ended, _) = run(
            &store,
            &graph,
            &Limits {
                jobs: 3,
                memory: Some(memory),
                ..Limits::default()
            },
        );
        assert_eq!(
            ended, "done done done",
            "also what needs more than there is"
        );
        most.load(Ordering::SeqCst)
    };
    assert_eq!((most_together(10), most_together(130)), (1, 2));
}

#[test]
fn an_interruption_publishes_nothing_half_written() {
    let (folder, store) = store();
    let cancel = Cancel::default();
    let mut graph = Graph::default();
    graph.add(|| {
        task("a", |context| {
            write(context)?;
            cancel.request();
            context.cancel.check()
        })
    });
    graph.add(|| task("b", write));
    let ended = execute(
        &store,
        &graph.0,
        &Outputs::default(),
        &Limits::default(),
        &cancel,
        &Log::default(),
    );
    assert_eq!(states(&ended), "Interrupted Interrupted");
    assert_eq!(
        fs::read_dir(folder.path().join("tasks/s")).unwrap().count(),
        0
    );
}

#[test]
fn a_task_that_panics_fails_and_the_others_go_on() {
    let (_folder, store) = store();
    let mut graph = Graph::default();
    graph.add(|| task("a", |_| panic!("a defect")));
    graph.add(|| task("b", write));
    assert_eq!(run(&store, &graph, &Limits::default()).0, "Internal done");
}

#[test]
fn two_processes_that_publish_the_same_task_leave_one_whole_output() {
    let (folder, one) = store();
    let other = Store::at(folder.path());
    let barrier = std::sync::Barrier::new(2);
    let barrier = &barrier;
    let both = |context: &Context| {
        barrier.wait();
        write(context)
    };
    std::thread::scope(|scope| {
        let mut handles = vec![];
        for store in [&one, &other] {
            handles.push(scope.spawn(move || {
                let mut graph = Graph::default();
                graph.add(|| task("a", both));
                run(store, &graph, &Limits::default()).0
            }));
        }
        handles
            .into_iter()
            .for_each(|h| assert_eq!(h.join().unwrap(), "done"));
    });
    let names: Vec<_> = fs::read_dir(folder.path().join("tasks/s"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(
        one.garbage(&Default::default()).unwrap(),
        [],
        "the latest output of a task is none"
    );
}

#[test]
fn what_no_run_refers_to_is_found_and_removed() {
    let (_folder, store) = store();
    for version in 1..=3 {
        let mut graph = Graph::default();
        graph.add(|| Task {
            identity: Identity {
                code_version: version,
                ..task("a", write).identity
            },
            ..task("a", write)
        });
        assert_eq!(run(&store, &graph, &Limits::default()).0, "done");
    }
    let garbage = store.garbage(&Default::default()).unwrap();
    assert_eq!(garbage.len(), 2);
    assert!(garbage.iter().all(|g| g.stage == "s" && g.bytes > 0));
    let kept = [(garbage[0].stage.clone(), garbage[0].key.clone())].into();
    let less = store.garbage(&kept).unwrap();
    assert_eq!(less, garbage[1..]);
    store.remove(&less).unwrap();
    assert!(!garbage[1].folder.exists() && garbage[0].folder.exists());
    assert_eq!(store.garbage(&kept).unwrap(), []);
}

#[test]
fn a_copy_that_fails_after_another_has_finished_takes_the_output_for_its_own() {
    for (shared, expected) in [(true, "reused"), (false, "Data")] {
        let (folder, alone) = store();
        let here = if shared {
            Store::shared(folder.path())
        } else {
            alone
        };
        let mut graph = Graph::default();
        let overtaken = |_: &Context| {
            let there = Store::shared(folder.path());
            execute_one(
                &there,
                &task("a", write),
                &Limits::default(),
                &Cancel::default(),
                &Log::default(),
            )?;
            Err(Error::data("what copies share is gone"))
        };
        graph.add(move || task("a", overtaken));
        assert_eq!(run(&here, &graph, &Limits::default()).0, expected);
    }
}
