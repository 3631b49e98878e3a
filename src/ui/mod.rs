//! Consumers of events: bars, lines and JSON.
