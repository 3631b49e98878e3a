//! Tests that cannot run on this machine.

use std::fmt::Display;
use std::io::Write;

/// Says that a test is skipped for want of `need`, past the capture of the test harness, which
/// hides the output of tests that pass.
///
/// # Panics
/// If `SER_REQUIRE`, a list of needs separated by spaces, contains `need`: where everything ought
/// to be installed, a test that is skipped is a failure.
pub fn skipped(need: &str, reason: impl Display) {
    let required = std::env::var("SER_REQUIRE").unwrap_or_default();
    assert!(
        !required.split_whitespace().any(|one| one == need),
        "{reason}, and SER_REQUIRE demands {need}"
    );
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
