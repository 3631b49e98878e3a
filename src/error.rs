//! One error type for the crate: what is wrong, for whom, and what to do about it.

use std::fmt;
use std::path::Path;

/// Whose move it is, which also fixes the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A defect of this program.
    Internal,
    /// A command line that cannot be carried out.
    Usage,
    /// A pipeline file or an override that is wrong.
    Config,
    /// Data that is there but cannot be used: audio, label files, manifests, tables, models.
    Data,
    /// Something that has to be put in place first: a corpus, a table, a model.
    Missing,
    /// The file system refused: no space, no permission, a vanished file.
    Io,
    /// A download failed.
    Network,
    /// A task took longer than it was allowed to.
    TimedOut,
    /// Another process works on the same pipeline.
    Busy,
    /// A cluster's scheduler refused, or did not answer.
    Scheduler,
    /// Stopped on request (ctrl-C or a termination signal).
    Interrupted,
}

impl Kind {
    /// The exit code that the README documents.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::Config => 3,
            Kind::Data => 4,
            Kind::Missing => 5,
            Kind::Io => 6,
            Kind::Network => 7,
            Kind::TimedOut => 8,
            Kind::Busy => 10,
            Kind::Scheduler => 9,
            Kind::Interrupted => 130,
        }
    }
}

/// What went wrong (lower case, present tense, naming the file or key), and what to do.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// A defect of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Kind::Internal, message)
            .hint("this is a defect of ser: please report it with the command that you ran")
    }

    /// A command line that cannot be carried out.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Kind::Usage, message)
    }

    /// A wrong pipeline file or override.
    pub fn config(message: impl Into<String>) -> Self {
        Error::new(Kind::Config, message)
    }

    /// Unusable data.
    pub fn data(message: impl Into<String>) -> Self {
        Error::new(Kind::Data, message)
    }

    /// Something that has to be put in place first.
    pub fn missing(message: impl Into<String>) -> Self {
        Error::new(Kind::Missing, message)
    }

    /// A failed download.
    pub fn network(message: impl Into<String>) -> Self {
        Error::new(Kind::Network, message)
    }

    /// Stopped on request.
    pub fn interrupted() -> Self {
        Error::new(Kind::Interrupted, "interrupted")
    }

    /// A refusal of the file system while doing `action` ("read", "write", "create", …) to `path`.
    pub fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        let hint = match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Some("free some space and run the same command again: what was finished is kept")
            }
            std::io::ErrorKind::FileTooLarge => {
                Some("a limit on the size of files is in force: raise it (ulimit -f)")
            }
            std::io::ErrorKind::PermissionDenied => {
                Some("check the permissions of the file and of its folder")
            }
            std::io::ErrorKind::NotFound => {
                Some("check that the path exists and was not moved meanwhile")
            }
            _ if may_pass(&source) => Some(
                "such an error often passes: run the same command again, and look after the disk or the network if it stays",
            ),
            _ => None,
        };
        Error {
            kind: Kind::Io,
            message: format!("failed to {action} {}", path.display()),
            hint: hint.map(str::to_owned),
            source: Some(Box::new(source)),
        }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error once more, with its causes in the message.
    pub fn again(&self) -> Self {
        Error {
            hint: self.hint.clone(),
            ..Error::new(self.kind, self.to_string())
        }
    }

    /// Whose move it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether there is no room left on a disk: nothing else can be written either.
    pub fn is_disk_full(&self) -> bool {
        self.io_cause().is_some_and(|io| {
            matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        })
    }

    /// Whether the same work may well succeed a little later: a busy or briefly unreachable file
    /// system or network, but no full disk and no missing permission.
    pub fn may_pass(&self) -> bool {
        self.io_cause().map_or(self.kind == Kind::Network, may_pass)
    }

    /// What the system said, where that is the cause.
    fn io_cause(&self) -> Option<&std::io::Error> {
        let first = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        std::iter::successors(first, |error| error.source()).find_map(|error| error.downcast_ref())
    }

    /// Whether a cause of this type is among what led to it.
    pub fn has_cause<T: std::error::Error + 'static>(&self) -> bool {
        let first = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        std::iter::successors(first, |error| error.source()).any(|error| error.is::<T>())
    }

    /// What the user can do, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    /// The message with its chain of causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause: Option<&dyn std::error::Error> =
            self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Whether the same call may well succeed a little later.
pub fn may_pass(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as E;
    /// EIO: what a network file system says while its server is away.
    const INPUT_OUTPUT: i32 = 5;
    matches!(
        error.kind(),
        E::Interrupted
            | E::WouldBlock
            | E::TimedOut
            | E::ResourceBusy
            | E::StaleNetworkFileHandle
            | E::NetworkDown
            | E::NetworkUnreachable
            | E::HostUnreachable
            | E::ConnectionReset
            | E::ConnectionAborted
            | E::OutOfMemory
    ) || error.raw_os_error() == Some(INPUT_OUTPUT)
}
