//! The tables of a history, their versions, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::seal::seal_all;
use crate::error::{Error, Kind, Result};

/// Step `i` makes a file of version `i` one of version `i + 1`. A step that was given out is never
/// changed: a new one is added.
pub(super) const STEPS: &[&str] = &[
    "
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started TEXT NOT NULL,
  finished TEXT,
  pipeline TEXT NOT NULL,
  title TEXT NOT NULL,
  command TEXT NOT NULL,
  folder TEXT NOT NULL,
  revision TEXT,
  dirty INTEGER,
  version TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  birth TEXT NOT NULL,
  jobs INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('running', 'done', 'failed', 'interrupted')),
  error TEXT,
  parameters TEXT NOT NULL
) STRICT;
CREATE INDEX runs_of_a_pipeline ON runs (pipeline, id);
CREATE TABLE tasks (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  task TEXT NOT NULL,
  stage TEXT NOT NULL,
  key TEXT NOT NULL,
  what TEXT NOT NULL CHECK (what IN ('ran', 'reused', 'failed')),
  seconds REAL,
  why TEXT NOT NULL,
  PRIMARY KEY (run, task)
) STRICT, WITHOUT ROWID;
CREATE TABLE metrics (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  experiment TEXT NOT NULL,
  protocol TEXT NOT NULL,
  metric TEXT NOT NULL,
  value REAL NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (run, experiment, protocol, metric)
) STRICT, WITHOUT ROWID;
CREATE TABLE predictions (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  experiment TEXT NOT NULL,
  key TEXT NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (run, experiment)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE runs ADD COLUMN seal TEXT;
ALTER TABLE tasks ADD COLUMN seal TEXT;
ALTER TABLE metrics ADD COLUMN seal TEXT;
ALTER TABLE predictions ADD COLUMN seal TEXT;
",
];

/// The first version whose rows have seals.
const SEALED: usize = 2;

/// `serh` in ASCII: marks the file as a history, whatever it is called.
const APPLICATION: i32 = 0x7365_7268;

/// Why a history does not answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// The file is not for this program.
    Refused(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Sql(error)
    }
}

impl Trouble {
    /// Whether the file is no database, or no longer a whole one.
    pub fn is_damage(&self) -> bool {
        let Trouble::Sql(error) = self else {
            return false;
        };
        match error {
            // What no table of this program holds.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => true,
            // Its statements are right for the tables as they were made, and its rows as well.
            _ => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::Unknown
                        | ErrorCode::ConstraintViolation
                )
            ),
        }
    }

    /// The error that a user is shown.
    pub fn of(self, path: &Path) -> Error {
        let damage = self.is_damage();
        let error = match self {
            Trouble::Refused(error) => return error,
            Trouble::Sql(error) => error,
        };
        let failed = |kind, what: &str| {
            Error::new(
                kind,
                format!("failed to {what} the history {}", path.display()),
            )
        };
        match error.sqlite_error_code() {
            _ if damage => Error::data(format!("the history {} is damaged", path.display()))
                .because(error)
                .hint("the next run sets it aside under another name and begins a new one"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => failed(Kind::Io, "use")
                .because(error)
                .hint("another process holds it: try again when that one is done"),
            Some(ErrorCode::DiskFull) => failed(Kind::Io, "write")
                .because(error)
                .hint("free some space"),
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure,
            ) => failed(Kind::Io, "use")
                .because(error)
                .hint("check the permissions of the file and of its folder"),
            _ => failed(Kind::Internal, "use").because(error),
        }
    }
}

/// Brings a file to the newest version, or refuses it; two processes may do so at once.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<(), Trouble> {
    // All in one transaction: another process may be making the tables just now.
    // Read in one transaction: another process may be making the tables just now.
    let reading = connection.transaction()?;
    let known = version(&reading, path, steps)?;
    drop(reading);
    if known == steps.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let from = version(&transaction, path, steps)?;
    for step in steps.get(from..).unwrap_or_default() {
        transaction.execute_batch(step)?;
    }
    if from < SEALED && SEALED <= steps.len() {
        seal_all(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

/// The version of the file; 0 where it is empty.
fn version(connection: &Connection, path: &Path, steps: &[&str]) -> Result<usize, Trouble> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    if application != i64::from(APPLICATION) {
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        if tables > 0 || version != 0 {
            let error = Error::data(format!(
                "{} is a database of another program, not a history of runs",
                path.display()
            ));
            return Err(Trouble::Refused(
                error.hint("move it elsewhere, or name another folder with --data-dir"),
            ));
        }
    }
    match usize::try_from(version) {
        Ok(version) if version <= steps.len() => Ok(version),
        _ => {
            let known = steps.len();
            let error = Error::data(format!(
                "the history {} has version {version}; this ser knows versions up to {known}",
                path.display()
            ));
            Err(Trouble::Refused(error.hint(
                "a newer ser wrote it: use that one, or name another folder with --data-dir",
            )))
        }
    }
}
