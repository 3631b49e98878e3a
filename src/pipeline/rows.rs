//! The logs of feature rows that the stages of a run share: one for each set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::audio::augment;
use crate::config::{FeatureSettings, SetSettings};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::table::rowlog::{RowLog, Width};

/// Name of the log of a set within the store.
pub(super) fn name(set: FeatureSet) -> String {
    match set {
        FeatureSet::Issa193 => "sounds.rows".to_owned(),
        other => format!("sounds-{}.rows", other.name()),
    }
}

/// Where the logs are; each is opened by the first stage that needs it and handed on to the next.
pub(super) struct Rows {
    root: PathBuf,
    open: Mutex<BTreeMap<FeatureSet, RowLog>>,
}

impl Rows {
    /// The logs of the store at `root`, which are not opened yet.
    pub(super) fn at(root: &Path) -> Rows {
        Rows {
            root: root.to_owned(),
            open: Mutex::default(),
        }
    }

    /// Takes a log, opening it where no other stage did.
    pub(super) fn take(&self, settings: SetSettings) -> Result<RowLog> {
        if let Some(log) = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&settings.set)
        {
            return Ok(log);
        }
        open(&self.root, settings)
    }

    /// Opens the log of the changed copies, which one stage alone works with. Its rows go by the
    /// copy, not by the sound.
    pub(super) fn augmented(&self, settings: SetSettings) -> Result<RowLog> {
        let name = format!("sounds-{}-augmented.rows", settings.set.name());
        RowLog::open(
            &self.root.join(name),
            width(settings.set),
            &format!("{} augmented {}", what(settings), augment::CODE_VERSION),
        )
    }

    /// Takes the logs of all sets.
    pub(super) fn take_all(&self, settings: &FeatureSettings) -> Result<Logs> {
        settings
            .sets
            .iter()
            .map(|set| Ok((*set, self.take(settings.of(*set))?)))
            .collect()
    }

    /// Whether the logs of the store at `root` are there and hold rows of these settings.
    pub(super) fn fit(root: &Path, settings: &FeatureSettings) -> bool {
        settings.sets.iter().all(|set| {
            RowLog::fits(
                &root.join(name(*set)),
                width(*set),
                &what(settings.of(*set)),
            )
        })
    }

    /// Hands logs on.
    pub(super) fn put(&self, logs: Logs) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(logs);
    }

    /// Lets go of what no stage needs any more.
    pub(super) fn close(&self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Logs of different sets.
pub(super) type Logs = Vec<(FeatureSet, RowLog)>;

/// Opens the log in `folder` for rows of these settings.
pub(super) fn open(folder: &Path, settings: SetSettings) -> Result<RowLog> {
    RowLog::open(
        &folder.join(name(settings.set)),
        width(settings.set),
        &what(settings),
    )
}

fn width(set: FeatureSet) -> Width {
    if set.is_sequence() {
        Width::Any
    } else {
        Width::Fixed(set.size())
    }
}

fn what(settings: SetSettings) -> String {
    format!(
        "{} {} {}",
        settings.set.name(),
        settings.profile.name(),
        settings.set.code_version()
    )
}

/// The content hash of a table as bytes.
pub(super) fn sound(content_hash: &str) -> Result<blake3::Hash> {
    blake3::Hash::from_hex(content_hash)
        .map_err(|e| Error::internal(format!("`{content_hash}` is no content hash")).because(e))
}
