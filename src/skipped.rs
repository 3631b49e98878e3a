//! How a test says that it could not run here.

use std::fmt::Display;
use std::io::Write;

/// Writes `skipped: reason` past the capture of the test harness, which hides what tests that pass
/// print.
pub fn skipped(reason: impl Display) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
