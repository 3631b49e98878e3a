//! The log of feature rows that the stages of a run share.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::FeatureSettings;
use crate::error::{Error, Result};
use crate::features;
use crate::table::rowlog::RowLog;

/// Name of the log within the store.
pub(super) const NAME: &str = "sounds.rows";

/// Where the log is; opened by the first stage that needs it and handed on to the next.
pub(super) struct Rows {
    path: PathBuf,
    open: Mutex<Option<RowLog>>,
}

impl Rows {
    /// The log of the store at `root`, which is not opened yet.
    pub(super) fn at(root: &Path) -> Rows {
        Rows { path: root.join(NAME), open: Mutex::default() }
    }

    /// Takes the log, opening it where no other stage did.
    pub(super) fn take(&self, settings: &FeatureSettings) -> Result<RowLog> {
        if let Some(log) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(log);
        }
        open(&self.path, settings)
    }

    /// Whether the log of the store at `root` is there and holds rows of these settings.
    pub(super) fn fit(root: &Path, settings: &FeatureSettings) -> bool {
        RowLog::fits(&root.join(NAME), settings.set.size(), &what(settings))
    }

    /// Hands the log on.
    pub(super) fn put(&self, log: RowLog) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
    }

    /// Lets go of what no stage needs any more.
    pub(super) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Opens a log for rows of these settings.
pub(super) fn open(path: &Path, settings: &FeatureSettings) -> Result<RowLog> {
    RowLog::open(path, settings.set.size(), &what(settings))
}

fn what(settings: &FeatureSettings) -> String {
    format!("{} {} {}", settings.set.name(), settings.profile.name(), features::CODE_VERSION)
}

/// The content hash of a table as bytes.
pub(super) fn sound(content_hash: &str) -> Result<blake3::Hash> {
    blake3::Hash::from_hex(content_hash).map_err(|e| Error::internal(format!("`{content_hash}` is no content hash")).because(e))
}
