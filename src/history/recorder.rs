//! Listens to a run and writes its history from a thread of its own, so that the run waits for
//! neither disk nor lock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::revision::{Lookup, Revision};
use super::rows::{Begin, End, TaskRow, What};
use super::schema::{STEPS, Trouble};
use super::store::{FILE, History, News, now};
use crate::error::Result;
use crate::files::create_folder;
use crate::orchestrator::{Event, Observer};

/// Between two writes while tasks finish: what a killed run may lose.
const PACE: Duration = Duration::from_secs(1);
/// How long the end of a run waits for git, which was asked at its beginning.
const LAST_CALL: Duration = Duration::from_millis(200);

/// Passes events on to `inner` and records what becomes of tasks.
pub struct Recorder<'a> {
    inner: &'a dyn Observer,
    begun: Mutex<BTreeMap<String, Begun>>,
    sender: Mutex<Sender<Message>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    trouble: Arc<Notices>,
}

/// What a task said when it started.
struct Begun {
    stage: String,
    key: String,
    why: String,
    at: Instant,
}

enum Message {
    Task(TaskRow),
    Revision(Option<Revision>),
    /// `None` where nobody said how the run ended.
    End(Option<End>),
}

/// What the thread that writes has to say to people, for the thread that may speak.
#[derive(Default)]
struct Notices {
    any: AtomicBool,
    lines: Mutex<Vec<String>>,
}

impl Notices {
    fn put(&self, line: String) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        self.any.store(true, Ordering::Release);
    }

    fn tell(&self, observer: &dyn Observer) {
        if self.any.swap(false, Ordering::AcqRel) {
            for line in
                std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
            {
                observer.warn(line);
            }
        }
    }
}

impl<'a> Recorder<'a> {
    /// Begins a run in the history of `data_dir`. Where that does not work, the run is not recorded
    /// and `inner` gets one warning.
    pub fn begin(data_dir: &Path, begin: Begin, inner: &'a dyn Observer) -> Recorder<'a> {
        let (sender, receiver) = channel();
        let trouble = Arc::new(Notices::default());
        let (notices, back) = (Arc::clone(&trouble), sender.clone());
        let data_dir = data_dir.to_owned();
        let started = now();
        let writer = std::thread::Builder::new().spawn(move || {
            // A warning about the history is the only trace of what fails here.
            if let Err(error) = write(data_dir, begin, started, receiver, back, &notices) {
                let hint = error
                    .hint_text()
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                notices.put(format!(
                    "the history of this run is not complete: {error}{hint}"
                ));
            }
        });
        if let Err(error) = &writer {
            trouble.put(format!(
                "this run is not in the history: the system gives no thread for it: {error}"
            ));
        }
        Recorder {
            inner,
            begun: Mutex::default(),
            sender: Mutex::new(sender),
            writer: Mutex::new(writer.ok()),
            trouble,
        }
    }

    /// Records how the run ended, and waits until that is written.
    pub fn end(self, end: End) {
        self.send(Message::End(Some(end)));
    }

    fn send(&self, message: Message) {
        // A writer that gave up has said so.
        let _ = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(message);
    }

    fn begun(&self, task: &str) -> Option<Begun> {
        self.begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(task)
    }

    fn note(&self, event: &Event) {
        let row = match event {
            Event::TaskStarted {
                task,
                stage,
                key,
                why,
            } => {
                let why = why
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ");
                let begun = Begun {
                    stage: stage.clone(),
                    key: key.clone(),
                    why,
                    at: Instant::now(),
                };
                self.begun
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(task.clone(), begun);
                return;
            }
            Event::TaskReused { task, stage, key } => TaskRow {
                task: task.clone(),
                stage: stage.clone(),
                key: key.clone(),
                what: What::Reused,
                seconds: None,
                why: String::new(),
            },
            Event::TaskFinished {
                task,
                stage,
                key,
                seconds,
            } => TaskRow {
                task: task.clone(),
                stage: stage.clone(),
                key: key.clone(),
                what: What::Ran,
                seconds: Some(*seconds),
                why: self.begun(task).map(|begun| begun.why).unwrap_or_default(),
            },
            Event::TaskFailed { task, error, .. } => {
                let begun = self.begun(task);
                let seconds = begun.as_ref().map(|begun| begun.at.elapsed().as_secs_f64());
                let first = || task.split('/').next().unwrap_or(task).to_owned();
                let (stage, key) = begun.map_or_else(
                    || (first(), String::new()),
                    |begun| (begun.stage, begun.key),
                );
                TaskRow {
                    task: task.clone(),
                    stage,
                    key,
                    what: What::Failed,
                    seconds,
                    why: error.clone(),
                }
            }
            _ => return,
        };
        self.send(Message::Task(row));
    }
}

impl Observer for Recorder<'_> {
    fn observe(&self, event: Event) {
        self.trouble.tell(self.inner);
        self.note(&event);
        self.inner.observe(event);
    }
}

impl Drop for Recorder<'_> {
    /// Waits for what is still to be written, however the run ended.
    fn drop(&mut self) {
        // After an end that was said, nobody is there to hear this one.
        self.send(Message::End(None));
        if let Some(writer) = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            let _ = writer.join();
        }
        self.trouble.tell(self.inner);
    }
}

/// Writes what arrives until the run ends, or its recorder is gone.
fn write(
    data_dir: PathBuf,
    begin: Begin,
    started: f64,
    receiver: Receiver<Message>,
    back: Sender<Message>,
    notices: &Notices,
) -> Result<()> {
    let lookup = Lookup::begin(Path::new(&begin.folder), move |revision| {
        drop(back.send(Message::Revision(revision)))
    });
    let mut asking = lookup.is_some();
    let mut book = Book {
        data_dir,
        begin,
        started,
        run: None,
        rows: vec![],
        revision: None,
        end: None,
        written: 0,
        notices,
    };
    book.write()?;
    let mut due: Option<Instant> = None;
    loop {
        let wait = due.map_or(Duration::from_secs(3600), |due| {
            due.saturating_duration_since(Instant::now())
        });
        match receiver.recv_timeout(wait) {
            Ok(Message::Task(row)) => {
                book.rows.push(row);
                due = due.or(Some(Instant::now() + PACE));
            }
            Ok(Message::Revision(revision)) => {
                asking = false;
                book.revision = revision;
                due = due.or(Some(Instant::now() + PACE));
            }
            Ok(Message::End(end)) => {
                let last = Instant::now() + LAST_CALL;
                let finished = now();
                while asking {
                    match receiver.recv_timeout(last.saturating_duration_since(Instant::now())) {
                        Ok(Message::Revision(revision)) => {
                            book.revision = revision;
                            asking = false;
                        }
                        Ok(_) => {}
                        Err(_) => break,
                    }
                }
                book.end = end.map(|end| (end, finished));
                return book.write();
            }
            Err(RecvTimeoutError::Timeout) => {
                due = None;
                book.write()?;
            }
            Err(RecvTimeoutError::Disconnected) => return book.write(),
        }
    }
}

/// Everything known of the run, and how much of it is written.
struct Book<'n> {
    data_dir: PathBuf,
    begin: Begin,
    started: f64,
    run: Option<i64>,
    rows: Vec<TaskRow>,
    revision: Option<Revision>,
    end: Option<(End, f64)>,
    written: usize,
    notices: &'n Notices,
}

impl Book<'_> {
    /// Brings the history up to date. The file is open only meanwhile, so that a damaged one can be
    /// set aside at any other time.
    fn write(&mut self) -> Result<()> {
        create_folder(&self.data_dir)?;
        let path = self.data_dir.join(FILE);
        match self.attempt(&path) {
            Err(trouble) if trouble.is_damage() => {
                if let Some(aside) = History::set_aside(&self.data_dir)? {
                    let (path, aside) = (path.display(), aside.display());
                    self.notices.put(format!("the history {path} was damaged: it lies in {aside} now, and a new one is begun"));
                }
                self.attempt(&path).map_err(|trouble| trouble.of(&path))
            }
            other => other.map_err(|trouble| trouble.of(&path)),
        }
    }

    fn attempt(&mut self, path: &Path) -> Result<(), Trouble> {
        let mut history = History::open_with(path, STEPS)?;
        if self.run.is_none() {
            history.check()?;
        }
        let run = match self.run {
            Some(run) if history.holds(run, &self.begin, self.started)? => run,
            // It was not written yet, or into a file that somebody has set aside or removed: all of
            // it goes into the new one.
            _ => {
                self.written = 0;
                history.begin(&self.begin, self.started)?
            }
        };
        self.run = Some(run);
        let rows = self.rows.get(self.written..).unwrap_or_default();
        if rows.is_empty() && self.revision.is_none() && self.end.is_none() {
            return Ok(());
        }
        let news = News {
            revision: self.revision.as_ref(),
            end: self.end.as_ref().map(|(end, at)| (end, *at)),
        };
        history.add(run, &self.begin.pipeline, rows, news)?;
        self.written = self.rows.len();
        Ok(())
    }
}
