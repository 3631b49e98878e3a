//! Arguments and commands of the `ser` program.

mod advice;
mod args;
mod corpora;
mod corpus;
mod diff;
mod doctor;
mod encoders;
mod export;
mod gc;
mod init;
mod manual;
mod open;
mod predict;
mod record;
mod results;
mod run;
mod runs;
mod schema;
mod serve;
mod slurm;
mod summary;
mod system;
mod unpack;
mod unreached;
mod variants;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::escape::{shown_json, shown_lines};
use crate::files::shell_word;
use crate::ui;

pub use args::Args;
pub use system::memory;

/// The program and its arguments, as they were handed to [`run`].
static CALLED: OnceLock<(PathBuf, Vec<OsString>)> = OnceLock::new();

/// What a command came to that told of its errors itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Nothing went wrong.
    Done,
    /// Something did: the first error was of this kind.
    Failed(Kind),
}

impl Exit {
    /// The first failure counts.
    fn or(self, kind: Kind) -> Exit {
        match self {
            Exit::Done => Exit::Failed(kind),
            failed @ Exit::Failed(_) => failed,
        }
    }
}

/// Where a limit on the size of files is in force, a write beyond it is to fail and say so, rather
/// than end the process.
#[cfg(unix)]
fn outlive_file_size_limit() {
    // SAFETY: the call takes numbers alone, and no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(not(unix))]
fn outlive_file_size_limit() {}

/// The `ser` program: [`run`] with the arguments of this process.
pub fn main() -> ExitCode {
    let program = std::env::current_exe().unwrap_or_else(|_| "ser".into());
    ExitCode::from(run(program, std::env::args_os().skip(1).collect()))
}

/// Parses the arguments, runs the command, says what went wrong and returns the documented exit
/// code. `program` is the path by which jobs of a cluster start this program again. It may be called
/// once in a process, since it takes over ctrl-C.
pub fn run(program: PathBuf, arguments: Vec<OsString>) -> u8 {
    let code = run_command(program, arguments);
    // A host in another language does not flush what Rust holds back.
    let _ = std::io::stdout().lock().flush();
    code
}

fn run_command(program: PathBuf, arguments: Vec<OsString>) -> u8 {
    let (_, arguments) = CALLED.get_or_init(|| (program, arguments));
    let args = match Args::try_parse_from([&OsString::from("ser")].into_iter().chain(arguments)) {
        Ok(args) => args,
        Err(error) if error.use_stderr() && arguments.iter().any(|arg| arg == "--json") => {
            let error = Error::usage(error.to_string().trim_end().to_owned());
            report(&error, true);
            return error.kind().exit_code();
        }
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.exit_code());
        }
    };
    outlive_file_size_limit();
    let json = args.global.json;
    let cancel = Cancel::default();
    // A scheduler may tell a task of its end twice; that is no impatience.
    let patient = matches!(args.command, args::Command::Worker(_));
    install_interrupt_handler(&cancel, json, patient);
    let observer = ui::observer(json, args.global.verbosity());
    let work = std::panic::AssertUnwindSafe(|| dispatch(&args, &cancel, observer.as_ref()));
    let result = std::panic::catch_unwind(work)
        .unwrap_or_else(|_| Err(Error::internal("ser stopped in the middle of its work")));
    // Bars that are still drawn would run into the message.
    drop(observer);
    match result {
        Ok(Exit::Done) => 0,
        Ok(Exit::Failed(kind)) => kind.exit_code(),
        Err(error) => {
            report(&error, json);
            if error.kind() == Kind::Interrupted && !json && goes_on(&args.command) {
                say(&format!("to resume: {}", command_line()));
            }
            error.kind().exit_code()
        }
    }
}

fn dispatch(
    args: &Args,
    cancel: &Cancel,
    observer: &dyn crate::orchestrator::Observer,
) -> Result<Exit> {
    use crate::pipeline::Stage;
    use args::Command;
    match &args.command {
        Command::Run(run) if run.executor == args::Executor::Slurm => {
            slurm::submit(run, !run.detach, args, cancel, observer)
        }
        Command::Run(run) | Command::Report(run) => {
            run::until(run, Stage::Report, args, cancel, observer)
        }
        Command::Features(run) => run::until(run, Stage::Features, args, cancel, observer),
        Command::Train(run) => run::until(run, Stage::Train, args, cancel, observer),
        Command::Evaluate(run) => run::until(run, Stage::Evaluate, args, cancel, observer),
        Command::Explain(run) => run::explain(run, args, cancel, observer),
        Command::Stress(stress) => run::stress(stress, args, cancel, observer),
        Command::Plan(run) => run::plan(run, args, cancel, observer),
        Command::Runs(runs) => runs::runs(runs, args).map(|()| Exit::Done),
        Command::Diff(diff) => diff::diff(diff, args).map(|()| Exit::Done),
        Command::Results(one) => results::results(one, args).map(|()| Exit::Done),
        Command::Export(one) => export::export(one, args, cancel).map(|()| Exit::Done),
        Command::Predict(predict) => {
            predict::predict(predict, args, cancel, observer).map(|()| Exit::Done)
        }
        Command::Gc(gc) => gc::gc(gc, args, cancel, observer).map(|()| Exit::Done),
        Command::Slurm(one) => slurm::slurm(one, args, cancel, observer),
        Command::Worker(worker) => slurm::worker(worker, cancel, observer),
        Command::Corpus(args::CorpusArgs {
            command: args::CorpusCommand::Init(init),
        }) => corpus::init(init, args, cancel, observer).map(|()| Exit::Done),
        Command::Corpus(args::CorpusArgs {
            command: args::CorpusCommand::Unpack(one),
        }) => unpack::unpack(one, args, cancel, observer).map(|()| Exit::Done),
        Command::Corpus(args::CorpusArgs {
            command: args::CorpusCommand::Generate(one),
        }) => corpus::generate(one, args, cancel).map(|()| Exit::Done),
        Command::Corpus(args::CorpusArgs {
            command: args::CorpusCommand::List,
        }) => corpora::list(args).map(|()| Exit::Done),
        Command::Init(one) => init::init(one, args).map(|()| Exit::Done),
        Command::Open(one) => open::open(one).map(|()| Exit::Done),
        Command::Serve(one) => serve::serve(one, args, cancel).map(|()| Exit::Done),
        Command::Doctor(one) => doctor::doctor(one, args),
        Command::Completions(one) => manual::completions(one).map(|()| Exit::Done),
        Command::Man(one) => manual::man(one).map(|()| Exit::Done),
        Command::Schema(one) => schema::schema(one).map(|()| Exit::Done),
        Command::Encoders(one) => {
            encoders::encoders(&one.command, args, cancel, observer).map(|()| Exit::Done)
        }
        Command::Corpora(corpora) => {
            corpora::corpora(corpora, args, cancel, observer).map(|()| Exit::Done)
        }
    }
}

/// Whether the same command, given again, goes on where it was. What is followed on a cluster runs
/// on by itself.
fn goes_on(command: &args::Command) -> bool {
    use args::Command;
    match command {
        Command::Run(run) => run.executor == args::Executor::Local,
        Command::Features(_)
        | Command::Train(_)
        | Command::Evaluate(_)
        | Command::Report(_)
        | Command::Explain(_)
        | Command::Stress(_)
        | Command::Corpora(_)
        | Command::Encoders(args::EncodersArgs {
            command: args::EncodersCommand::Get(_),
        }) => true,
        _ => false,
    }
}

/// The first ctrl-C asks for a clean stop; the second ends the process.
fn install_interrupt_handler(cancel: &Cancel, json: bool, patient: bool) {
    let cancel = cancel.clone();
    // Without a handler the default applies: the process ends, and what it published stays whole.
    let _ = ctrlc::set_handler(move || {
        if cancel.requested() && patient {
            return;
        }
        if cancel.requested() {
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        }
        cancel.request();
        let message = "stopping at the next safe point; press ctrl-C again to stop at once";
        say(&if json {
            serde_json::json!({ "event": "stopping", "message": message }).to_string()
        } else {
            message.to_owned()
        });
    });
}

/// Says on standard error what went wrong and what can be done about it.
fn report(error: &Error, json: bool) {
    say(&error_text(None, error, json));
}

/// [`report`] for one of several: a pipeline, a recording.
fn report_of(what: &str, error: &Error, json: bool) {
    say(&error_text(Some(what), error, json));
}

fn error_text(what: Option<&str>, error: &Error, json: bool) -> String {
    if json {
        return error_json(what, error).to_string();
    }
    let what = what.map(|what| format!("{what}: ")).unwrap_or_default();
    let hint = error
        .hint_text()
        .map(|hint| format!("\nhint: {hint}"))
        .unwrap_or_default();
    shown_lines(&format!("error: {what}{error}{hint}"))
}

fn error_json(what: Option<&str>, error: &Error) -> serde_json::Value {
    let mut event = serde_json::json!({
        "event": "error", "kind": format!("{:?}", error.kind()).to_lowercase(), "message": error.to_string(),
        "hint": error.hint_text(), "exit_code": error.kind().exit_code(),
    });
    if let Some(what) = what {
        event["of"] = what.into();
    }
    event
}

/// The command as it could be typed again.
fn command_line() -> String {
    let arguments = CALLED.get().into_iter().flat_map(|(_, all)| all);
    let arguments = arguments.map(|arg| shell_word(&arg.to_string_lossy()));
    std::iter::once("ser".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Lines for a terminal, or an object of JSON: without what a terminal would obey.
fn visible(text: &str) -> String {
    if text.starts_with('{') {
        shown_json(text)
    } else {
        shown_lines(text)
    }
}

/// Why a file is not replaced that `writer`, in words, has not written.
fn not_ours(path: &Path, writer: &str) -> Error {
    let what = format!("{} exists and was not written by {writer}", path.display());
    Error::usage(what).hint("name another file, or remove that one first")
}

/// A line on standard error; a reader that went away must not end the work.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(line));
}

/// A line on standard output. A reader that went away has seen enough: the work goes on, and the
/// exit code says how it ended.
fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    // Programs get the bytes of names as they are.
    let line = if out.is_terminal() || line.starts_with('{') {
        visible(line)
    } else {
        line.to_owned()
    };
    match writeln!(out, "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::io(
            "write to",
            std::path::Path::new("standard output"),
            error,
        )),
        Ok(()) => Ok(()),
    }
}
