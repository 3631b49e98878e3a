//! Recordings that cannot be predicted, and why.

use std::path::Path;

use crate::error::{Error, Kind};

/// The kind of cause, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nothing lies there.
    Missing,
    /// The file system refuses it.
    Unreadable,
    /// No usable audio.
    Undecodable,
    /// Audio of which no features can be computed: too short, say.
    NoFeatures,
    /// The models give no finite probability.
    NoPrediction,
    /// A segment that is no stretch of its recording.
    BadSegment,
    /// A row of a manifest that names no recording.
    BadRow,
    /// A name that cannot be used.
    BadName,
    /// The model scales speakers, and nothing says who speaks.
    NoSpeaker,
}

impl Fault {
    /// The word in messages and files.
    pub fn word(self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::Unreadable => "unreadable",
            Fault::Undecodable => "undecodable",
            Fault::NoFeatures => "no-features",
            Fault::NoPrediction => "no-prediction",
            Fault::BadSegment => "bad-segment",
            Fault::BadRow => "bad-row",
            Fault::BadName => "bad-name",
            Fault::NoSpeaker => "no-speaker",
        }
    }

    /// What a failure to open `path` is.
    pub(super) fn of_opening(error: &Error, path: &Path) -> Fault {
        match error.kind() {
            Kind::Io
                if std::fs::metadata(path)
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) =>
            {
                Fault::Missing
            }
            Kind::Io => Fault::Unreadable,
            _ => Fault::Undecodable,
        }
    }
}

/// A recording that was set aside.
#[derive(Debug)]
pub struct Bad {
    /// As it is called in the output.
    pub file: String,
    /// The kind of cause.
    pub fault: Fault,
    /// What exactly is wrong.
    pub error: Error,
}

impl Bad {
    pub(super) fn new(file: impl Into<String>, fault: Fault, error: Error) -> Bad {
        Bad {
            file: file.into(),
            fault,
            error,
        }
    }
}
