//! Where predictions go, and the messages about recordings that have none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::{error_json, say};
use crate::error::{Error, Result};
use crate::orchestrator::Observer;
use crate::pipeline::predict::{Clip, Inference, Output, RejectReason, Rejected, Sink};
use crate::report::escape_formula;

/// Recordings excluded for one reason that are named; the others are counted.
const NAMED: u64 = 20;

/// Standard output, or a file; whoever reads the first may go away.
pub(super) enum Target<'a> {
    Standard { gone: Arc<AtomicBool> },
    File(&'a mut File),
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Standard { gone } => seen(gone, io::stdout().lock().write(bytes), bytes.len()),
            Target::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Standard { gone } => seen(gone, io::stdout().lock().flush(), ()),
            Target::File(file) => file.flush(),
        }
    }
}

/// A reader that went away has seen enough; that is no error.
fn seen<T>(gone: &AtomicBool, result: io::Result<T>, otherwise: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            gone.store(true, Ordering::Relaxed);
            Ok(otherwise)
        }
        other => other,
    }
}

/// Writes predictions to one place and errors to others.
pub(super) struct OutputSink<'a> {
    pub output: Output<Target<'a>>,
    /// The file of excluded recordings, where it is asked for.
    pub errors: Option<Errors<'a>>,
    pub gone: Arc<AtomicBool>,
    pub observer: &'a dyn Observer,
    pub json: bool,
    pub counts: BTreeMap<RejectReason, u64>,
    /// Whether every row is to be seen at once.
    pub at_once: bool,
}

impl Sink for OutputSink<'_> {
    fn predicted(&mut self, clip: &Clip, inferences: &[Inference]) -> Result<()> {
        let name = clip.name();
        inferences
            .iter()
            .try_for_each(|one| self.output.push(&name, one))?;
        if self.at_once {
            self.output.flush()
        } else {
            Ok(())
        }
    }

    fn rejected(&mut self, rejected: &Rejected) -> Result<()> {
        if let Some(errors) = &mut self.errors {
            errors.push(rejected)?;
        }
        let count = self.counts.entry(rejected.reason).or_default();
        *count += 1;
        if *count <= NAMED && self.json {
            let mut event = error_json(Some(&rejected.file), &rejected.error);
            event["fault"] = rejected.reason.word().into();
            say(&event.to_string());
        } else if *count <= NAMED {
            self.observer.warn(format!(
                "excluded ({}): {}",
                rejected.reason.word(),
                rejected.error
            ));
        } else if *count == NAMED + 1 {
            let more = if self.errors.is_some() {
                "named in the file of errors alone"
            } else {
                "only counted; --errors FILE.csv names all of them"
            };
            self.observer.warn(format!(
                "further {} recordings are {more}",
                rejected.reason.word()
            ));
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// The file of excluded recordings: `file`, `kind`, `reason`.
pub(super) struct Errors<'a> {
    path: &'a Path,
    csv: csv::Writer<&'a mut File>,
}

impl<'a> Errors<'a> {
    pub(super) fn new(path: &'a Path, file: &'a mut File) -> Result<Self> {
        let csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(file);
        let mut errors = Errors { path, csv };
        errors.record(["file", "kind", "reason"].map(str::to_owned))?;
        Ok(errors)
    }

    fn push(&mut self, rejected: &Rejected) -> Result<()> {
        self.record([
            escape_formula(&rejected.file),
            rejected.reason.word().to_owned(),
            escape_formula(&rejected.error.to_string()),
        ])
    }

    fn record(&mut self, cells: [String; 3]) -> Result<()> {
        self.csv
            .write_record(cells)
            .map_err(|e| self.failed(e.into()))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.csv.flush().map_err(|e| self.failed(e))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", self.path, error)
    }
}
