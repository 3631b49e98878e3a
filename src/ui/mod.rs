//! Consumers of events: bars on a terminal, plain lines elsewhere, JSON lines for machines.

mod bars;
mod json;
mod lines;
mod phase;
mod reasons;
mod stages;

pub use bars::Bars;
pub use json::JsonLines;
pub use lines::Lines;
pub use reasons::reasons;

use crate::orchestrator::Observer;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings and errors only.
    Quiet,
    /// What each stage came to.
    Normal,
    /// Every task, also what was reused, and why it runs.
    Verbose,
}

/// The consumer that fits: JSON on request, bars on a terminal, lines elsewhere.
pub fn observer(json: bool, verbosity: Verbosity) -> Box<dyn Observer + Send> {
    use std::io::IsTerminal;
    if json {
        Box::new(JsonLines { verbosity })
    } else if std::io::stderr().is_terminal() && verbosity != Verbosity::Quiet {
        Box::new(Bars::new(verbosity))
    } else {
        Box::new(Lines::new(verbosity))
    }
}

/// `1.2 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        let minutes = (seconds / 60.0).round() as u64;
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(1.234), "1.2 s");
        assert_eq!(duration(185.0), "3 min 05 s");
        assert_eq!(duration(7620.0), "2 h 07 min");
    }
}
