//! The `ser` program: parses, calls the library, maps the outcome to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ser::cli::main()
}
