//! One JSON object a line on standard error, for programs that drive this one.

use std::io::Write;

use crate::orchestrator::{Event, Observer};

/// Writes every event as it comes.
#[derive(Debug)]
pub struct JsonLines;

impl Observer for JsonLines {
    fn observe(&self, event: Event) {
        if let Ok(mut line) = serde_json::to_vec(&event) {
            line.push(b'\n');
            // A reader that went away must not end the work.
            let _ = std::io::stderr().lock().write_all(&line);
        }
    }
}
