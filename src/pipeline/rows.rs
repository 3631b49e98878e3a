//! The logs of rows that the stages of a run share: one for each feature set, and one of sketches.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::workers::Workers;
use crate::audio::{Sound, augment};
use crate::config::{FeatureSettings, SetSettings};
use crate::encoder::EncoderKey;
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::create_folder;
use crate::fingerprint;
use crate::orchestrator::Context;
use crate::table::rowlog::{RowLog, Width};

/// Name of the log of sketches within the store.
const SKETCHES: &str = "sketches.rows";

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
    open: Mutex<Logs>,
}

/// Open logs.
#[derive(Default)]
pub(super) struct Logs {
    pub features: Vec<(FeatureSet, RowLog)>,
    pub sketches: Option<RowLog>,
}

/// Rows of a sound that logs lacked.
pub(super) struct NewRows {
    sound: blake3::Hash,
    pub features: Vec<(FeatureSet, Result<Vec<f32>>)>,
    sketch: Option<Vec<f32>>,
}

impl Logs {
    /// Computes what the logs lack of a sound, on a thread of the pool. A row that cannot be
    /// computed is missed by the stage that needs it, which says why.
    pub(super) fn compute(&self, sound: blake3::Hash, audio: &Sound, workers: &Workers) -> NewRows {
        let lacks = |log: &RowLog| !log.contains(&sound);
        let sets: Vec<FeatureSet> = self
            .features
            .iter()
            .filter(|(_, log)| lacks(log))
            .map(|(set, _)| *set)
            .collect();
        NewRows {
            sound,
            features: workers.extract(&sets, audio),
            sketch: self
                .sketches
                .as_ref()
                .filter(|log| lacks(log))
                .and_then(|_| workers.sketch(audio).ok()),
        }
    }

    /// Appends the rows that could be computed.
    pub(super) fn append(&mut self, rows: &[NewRows]) -> Result<()> {
        for (set, log) in &mut self.features {
            log.append(rows.iter().flat_map(|new| {
                let of_set = new.features.iter().filter(|(of, _)| of == set);
                of_set.filter_map(|(_, row)| Some((&new.sound, row.as_ref().ok()?.as_slice())))
            }))?;
        }
        if let Some(log) = &mut self.sketches {
            log.append(
                rows.iter()
                    .filter_map(|new| Some((&new.sound, new.sketch.as_deref()?))),
            )?;
        }
        Ok(())
    }
}

impl NewRows {
    /// Why there is no row of a set.
    pub(super) fn take_error(&mut self, set: FeatureSet) -> Option<Error> {
        let at = self
            .features
            .iter()
            .position(|(of, row)| *of == set && row.is_err())?;
        self.features.swap_remove(at).1.err()
    }
}

impl Rows {
    /// The logs of the store at `root`, which are not opened yet.
    pub(super) fn at(root: &Path) -> Rows {
        Rows {
            root: root.to_owned(),
            open: Mutex::default(),
        }
    }

    /// Takes the log of a set, opening it where no other stage did.
    pub(super) fn take(&self, settings: SetSettings) -> Result<RowLog> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open
            .features
            .iter()
            .position(|(set, _)| *set == settings.set)
        {
            Some(at) => Ok(open.features.swap_remove(at).1),
            None => self::open(&self.root, settings),
        }
    }

    /// Takes the log of sketches, opening it where no other stage did.
    pub(super) fn take_sketches(&self) -> Result<RowLog> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.sketches.take() {
            Some(log) => Ok(log),
            None => RowLog::open(
                &self.root.join(SKETCHES),
                Width::Fixed(fingerprint::WIDTH),
                &format!("sketch {}", fingerprint::CODE_VERSION),
            ),
        }
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

    /// Opens a log in the scratch folder of a task that computes rows of a set from sounds which no
    /// other task has.
    pub(super) fn scratch(context: &Context, settings: SetSettings) -> Result<RowLog> {
        create_folder(&context.scratch)?;
        RowLog::open(
            &context.scratch.join(name(settings.set)),
            width(settings.set),
            &what(settings),
        )
    }

    /// Takes the logs of some sets.
    pub(super) fn take_sets(
        &self,
        sets: &[FeatureSet],
        settings: &FeatureSettings,
    ) -> Result<Logs> {
        let take = |set: &FeatureSet| Ok((*set, self.take(settings.of(*set)?)?));
        Ok(Logs {
            features: sets.iter().map(take).collect::<Result<_>>()?,
            sketches: None,
        })
    }

    /// Whether the logs of the store at `root` are there and hold rows of these settings.
    pub(super) fn fit(root: &Path, sets: &[FeatureSet], settings: &FeatureSettings) -> bool {
        sets.iter().all(|set| {
            let fits =
                |of: SetSettings| RowLog::fits(&root.join(name(*set)), width(*set), &what(of));
            settings.of(*set).is_ok_and(fits)
        })
    }

    /// Hands logs on.
    pub(super) fn put(&self, logs: Logs) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.features.extend(logs.features);
        open.sketches = open.sketches.take().or(logs.sketches);
    }

    /// Closes the logs of features, which no further stage needs.
    pub(super) fn close(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.features.clear();
    }
}

/// Opens the log in `folder` for rows of these settings.
pub(super) fn open(folder: &Path, settings: SetSettings) -> Result<RowLog> {
    RowLog::open(
        &folder.join(name(settings.set)),
        width(settings.set),
        &what(settings),
    )
}

fn width(set: FeatureSet) -> Width {
    if set.has_columns() {
        Width::Fixed(set.size())
    } else {
        Width::Any
    }
}

fn what(settings: SetSettings) -> String {
    let what = format!(
        "{} {} {}",
        settings.set.name(),
        settings.profile.name(),
        settings.set.code_version()
    );
    match settings.encoder {
        Some(EncoderKey { sha256, usage, .. }) => {
            let mut what = format!(
                "{what} {sha256} padding={} windows={}",
                usage.padding.name(),
                usage.windows
            );
            if let Some(normalize) = usage.normalize {
                what += &format!(" normalize={normalize}");
            }
            if let Some(output) = usage.output {
                what += &format!(" output={}", output.as_str());
            }
            if let Some(layer) = usage.frames {
                what += &format!(" frames={layer}");
            }
            what
        }
        None => what,
    }
}

/// The content hash of a table as bytes.
pub(super) fn sound(content_hash: &str) -> Result<blake3::Hash> {
    blake3::Hash::from_hex(content_hash)
        .map_err(|e| Error::internal(format!("`{content_hash}` is no content hash")).because(e))
}
