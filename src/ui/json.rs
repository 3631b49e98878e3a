//! One JSON object a line on standard error, for programs that drive this one.

use std::io::Write;

use super::Verbosity;
use crate::escape::shown_json;
use crate::orchestrator::{Event, Observer};

/// Writes events as they come: every one, or warnings and failures alone.
#[derive(Debug)]
pub struct JsonLines {
    /// How much is said.
    pub verbosity: Verbosity,
}

impl Observer for JsonLines {
    fn observe(&self, event: Event) {
        let is_wrong = matches!(
            event,
            Event::Warning { .. } | Event::TaskFailed { .. } | Event::TaskRetried { .. }
        );
        if self.verbosity == Verbosity::Quiet && !is_wrong {
            return;
        }
        if let Ok(line) = serde_json::to_string(&event) {
            // A reader that went away must not end the work.
            let _ = writeln!(std::io::stderr().lock(), "{}", shown_json(&line));
        }
    }
}
