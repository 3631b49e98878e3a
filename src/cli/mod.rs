//! Arguments and commands of the `ser` program.

mod args;
mod corpora;
mod predict;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::ui;

pub use args::Args;

/// Parses the command line, runs the command, says what went wrong and returns the documented exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let cancel = Cancel::default();
    install_interrupt_handler(&cancel);
    let observer = ui::observer(args.global.json, args.global.verbosity());
    match dispatch(&args, &cancel, observer.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, args.global.json);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch(args: &Args, cancel: &Cancel, observer: &dyn crate::orchestrator::Observer) -> Result<()> {
    use args::Command;
    match &args.command {
        Command::Run(run) => run::run(run, args, cancel, observer),
        Command::Features(run) => run::until(run, crate::pipeline::Stage::Features, args, cancel, observer),
        Command::Train(run) => run::until(run, crate::pipeline::Stage::Train, args, cancel, observer),
        Command::Evaluate(run) => run::until(run, crate::pipeline::Stage::Evaluate, args, cancel, observer),
        Command::Report(run) => run::until(run, crate::pipeline::Stage::Report, args, cancel, observer),
        Command::Plan(run) => run::plan(run, args, cancel, observer),
        Command::Predict(predict) => predict::predict(predict, args, cancel),
        Command::Corpora(corpora) => corpora::corpora(corpora, args, cancel, observer),
    }
}

/// The first ctrl-C asks for a clean stop; the second ends the process.
fn install_interrupt_handler(cancel: &Cancel) {
    let cancel = cancel.clone();
    // Without a handler the default applies: the process ends, and what it published stays whole.
    let _ = ctrlc::set_handler(move || {
        if cancel.requested() {
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        }
        cancel.request();
        say("stopping at the next safe point; press ctrl-C again to stop at once");
    });
}

fn report(error: &Error, json: bool) {
    if json {
        let line = serde_json::json!({
            "event": "error", "kind": format!("{:?}", error.kind()).to_lowercase(), "message": error.to_string(),
            "hint": error.hint_text(), "exit_code": error.kind().exit_code(),
        });
        say(&line.to_string());
        return;
    }
    say(&format!("error: {error}"));
    if let Some(hint) = error.hint_text() {
        say(&format!("hint: {hint}"));
    }
}

/// A line on standard error; a reader that went away must not end the work.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A line on standard output; a closed pipe ends the program quietly, as it does with any Unix tool.
fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Error::io("write to", std::path::Path::new("standard output"), error)),
        Ok(()) => Ok(()),
    }
}
