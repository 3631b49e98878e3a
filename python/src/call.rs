//! Work of the library on behalf of Python: without the interpreter's lock, ended by ctrl-C, with
//! errors as exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use ser::cancel::Cancel;
use ser::orchestrator::{Event, Observer};
use ser::{Error, Result};

/// How long ctrl-C may wait until it is seen.
const LOOK: Duration = Duration::from_millis(50);

/// What there is to say beside a result: whether it is a warning, and the text.
pub type Messages = Vec<(bool, String)>;

/// Collects remarks and warnings.
#[derive(Default)]
pub struct Listener(Mutex<Messages>);

impl Observer for Listener {
    fn observe(&self, event: Event) {
        let said = match event {
            Event::Warning { message } => (true, message),
            Event::Note { message } => (false, message),
            _ => return,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(said);
    }
}

impl Listener {
    /// What was heard.
    pub fn into_messages(self) -> Messages {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` on a thread of its own, while this one looks for signals.
///
/// # Errors
/// What `work` returns as an exception; `KeyboardInterrupt`, or what a signal handler raises, once
/// the work has stopped.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send,
) -> PyResult<T> {
    let cancel = Cancel::default();
    let (is_over, ends) = (Mutex::new(false), Condvar::new());
    let mut signal = None;
    let result = std::thread::scope(|scope| {
        let of_work = || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&cancel)));
            *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            ends.notify_all();
            result
        };
        let worker = std::thread::Builder::new().spawn_scoped(scope, of_work);
        let worker =
            worker.map_err(|e| Error::io("start a thread beside", Path::new("this process"), e))?;
        let wait = || {
            let now = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = ends.wait_timeout_while(now, LOOK, |is_over| !*is_over);
            *waited.unwrap_or_else(PoisonError::into_inner).0
        };
        while !py.detach(wait) {
            if let Err(raised) = py.check_signals() {
                cancel.request();
                signal.get_or_insert(raised);
            }
        }
        let defect = |_| Err(Error::internal("ser stopped in the middle of its work"));
        worker
            .join()
            .and_then(|result| result)
            .unwrap_or_else(defect)
    });
    match signal {
        Some(raised) => Err(raised),
        None => result.map_err(|error| exception(py, &error)),
    }
}

/// An error as an exception, of the class for its kind.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let kind = error.kind();
    let make = || {
        py.import("ser_rs._errors")?.getattr("exception")?.call1((
            format!("{kind:?}"),
            error.to_string(),
            error.hint_text(),
            kind.exit_code(),
        ))
    };
    make().map_or_else(|failed| failed, PyErr::from_value)
}
