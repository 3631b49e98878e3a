//! One JSON object a line on standard error, for programs that drive this one.

use std::io::Write;

use crate::escape::shown_json;
use crate::orchestrator::{Event, Observer};

/// Writes every event as it comes.
#[derive(Debug)]
pub struct JsonLines;

impl Observer for JsonLines {
    fn observe(&self, event: Event) {
        if let Ok(line) = serde_json::to_string(&event) {
            // A reader that went away must not end the work.
            let _ = writeln!(std::io::stderr().lock(), "{}", shown_json(&line));
        }
    }
}
