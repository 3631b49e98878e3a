//! Why a recording is not read, and the cure.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::escape::shown;
use crate::files::shell_word;

/// Why a recording is not read; the text completes "failed to decode x: …".
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is damaged or no audio.
    Damaged(String),
    /// It is in a format that is not read, which the text names.
    Foreign(String),
    /// The text says the cure as well.
    Told(String),
    /// The file system refuses it.
    Io(io::Error),
    /// Its samples cannot be kept: the error of the file that they were written into.
    Kept(Error),
    /// A stop was asked for.
    Stopped,
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Refusal::Damaged(why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Refusal::Damaged(why.to_owned())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Kept(error)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".into(),
            _ => Refusal::Io(error),
        }
    }
}

impl Refusal {
    /// The error for the file at `path`, or for bytes without one.
    pub(super) fn into_error(self, path: Option<&Path>) -> Error {
        let name = path.map_or_else(
            || "the given bytes".to_owned(),
            |path| shown(&path.to_string_lossy()),
        );
        let failed = |why: &str| Error::data(format!("failed to decode {name}: {why}"));
        match self {
            Refusal::Damaged(why) => failed(&why)
                .hint("replace the file with an undamaged copy, or take it out of the corpus"),
            Refusal::Foreign(what) => {
                let from = path.unwrap_or(Path::new("recording"));
                // A file whose extension is wrong must not be its own target.
                let to = from.with_extension(
                    if from.extension().is_some_and(|ending| ending == "flac") {
                        "wav"
                    } else {
                        "flac"
                    },
                );
                let [from, to] =
                    [from, &to].map(|path| shell_word(&shown(&path.to_string_lossy())));
                failed(&format!(
                    "it is {what}, which ser does not read: convert it with ffmpeg -i {from} {to}"
                ))
            }
            Refusal::Told(why) => failed(&why),
            Refusal::Kept(error) => error,
            Refusal::Stopped => Error::interrupted(),
            Refusal::Io(error) => match path {
                Some(path) => Error::io("read", path, error),
                None => failed("it cannot be read").because(error),
            },
        }
    }
}
