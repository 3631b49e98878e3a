//! The features stage: for each set a row per utterance, computed once per distinct sound.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::ingest::{Ingested, bad_audio, to_json};
use super::missing::{Missing, complete, transient};
use super::publish::table_hash;
use super::rows::{Logs, NewRows, Rows, sound};
use super::walk::{Later, Seen};
use super::workers::Workers;
use crate::audio::Sound;
use crate::config::SetSettings;
use crate::corpus::{SetAside, Utterance};
use crate::error::{Error, Kind, Result};
use crate::features::{self, FeatureSet};
use crate::files::write_atomically;
use crate::orchestrator::{Context, Finished};
use crate::table;
use crate::table::rowlog::RowLog;

/// Name of the table of a set within the task's folder.
pub(super) fn table_name(set: FeatureSet) -> &'static str {
    if set.is_sequence() {
        "frames"
    } else {
        "features"
    }
}

/// Name of the table of a set among those of all stages. The first set has the name from before
/// there were others.
pub(super) fn published_name(set: FeatureSet) -> String {
    match set {
        FeatureSet::Issa193 => "features".to_owned(),
        other => format!("features-{}", other.name()),
    }
}

/// Id of the task of a set.
pub(super) fn id(set: FeatureSet) -> String {
    match set {
        FeatureSet::Issa193 => "features".to_owned(),
        other => format!("features/{}", other.name()),
    }
}

/// Utterances whose features cannot be computed.
pub(super) const SET_ASIDE: &str = "set-aside.json";

/// Content hash of what the features depend on: ids, places and sounds, but no label.
#[derive(Default)]
pub(super) struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Takes in the next utterance.
    pub(super) fn add(&mut self, u: &Utterance) {
        let text = format!(
            "{:?}\n",
            (
                &u.source.id,
                &u.source.path,
                u.source.start_s,
                u.source.end_s,
                &u.content_hash
            )
        );
        self.0.update(text.as_bytes());
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Content hash of what a set's tables hold, and the folder in which they lie.
pub(super) type Tables = (String, PathBuf);

/// What a walk has of the tables, set by set.
pub(super) struct Extracted(pub Vec<(FeatureSet, Seen<Finished>)>);

impl Extracted {
    /// The tables that are there.
    pub(super) fn there(&self) -> impl Iterator<Item = (FeatureSet, &Finished)> {
        self.0
            .iter()
            .filter_map(|(set, seen)| Some((*set, seen.there()?)))
    }

    /// The first that is not.
    pub(super) fn later(&self) -> Option<&Later> {
        self.0.iter().find_map(|(_, seen)| seen.later())
    }

    /// The content of the table of a set and where it lies.
    pub(super) fn table(&self, set: FeatureSet) -> Result<Seen<Tables>> {
        match self.0.iter().find(|(of, _)| *of == set) {
            Some((_, Seen::There(extracted))) => Ok(Seen::There((
                table_hash(extracted, table_name(set))?,
                extracted.folder.clone(),
            ))),
            Some((_, Seen::Later(later))) => Ok(Seen::Later(later.clone())),
            None => Err(Error::internal(format!(
                "there is no table of the set `{}`",
                set.name()
            ))),
        }
    }
}

fn meta(settings: SetSettings) -> table::Meta {
    table::Meta::from([
        ("ser.feature_set".into(), settings.set.name().into()),
        ("ser.profile".into(), settings.profile.name().into()),
        (
            "ser.feature_code_version".into(),
            settings.set.code_version().to_string(),
        ),
    ])
}

/// Writes the table of a set; utterances without features are excluded. Rows that have to be
/// computed are computed for the sets in `together` as well, from the same decoding.
pub(super) fn extract(
    set: FeatureSet,
    together: Logs,
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    rows: &Rows,
    context: &Context,
) -> Result<()> {
    let settings = workers.settings().of(set);
    let mut missing = MissingFeatures {
        set,
        root,
        workers,
        logs: together,
        failed: BTreeMap::new(),
    };
    missing.logs.features.insert(0, (set, rows.take(settings)?));
    complete(&mut missing, ingested, root, workers, context)?;
    let MissingFeatures {
        mut logs, failed, ..
    } = missing;
    let (_, mut log) = logs.features.remove(0);
    rows.put(logs);
    // The table comes next, on a thread whose heap has the room that its extractor leaves.
    workers.rest();
    workers
        .pool()
        .install(|| write(ingested, settings, &mut log, &failed, context))?;
    log.compact()
}

/// The table of a set on its way into a folder.
pub(super) enum Writer {
    Vectors(table::features::Writer),
    Sequences(table::frames::Writer),
}

impl Writer {
    /// Begins the table; `more` stands in its meta beside how the features are made.
    pub(super) fn new<const N: usize>(
        folder: &Path,
        settings: SetSettings,
        more: [(&str, String); N],
    ) -> Writer {
        let (names, mut meta) = (features::names(settings.set), meta(settings));
        meta.extend(more.map(|(key, text)| (key.to_owned(), text)));
        match settings.set.is_sequence() {
            false => Writer::Vectors(table::features::Writer::new(folder, names, &meta)),
            true => Writer::Sequences(table::frames::Writer::new(folder, &names, &meta)),
        }
    }

    pub(super) fn push(&mut self, id: &str, content_hash: &str, row: &[f32]) -> Result<()> {
        match self {
            Writer::Vectors(table) => table.push(id, content_hash, row),
            Writer::Sequences(table) => table.push(id, content_hash, row),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        match self {
            Writer::Vectors(table) => table.rows(),
            Writer::Sequences(table) => table.rows(),
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        match self {
            Writer::Vectors(table) => table.finish(),
            Writer::Sequences(table) => table.finish(),
        }
    }
}

/// The ids of a table that [`extract`] wrote into `folder`, in its order.
pub(super) fn ids(set: FeatureSet, folder: &Path) -> Result<Vec<String>> {
    if !set.is_sequence() {
        return Ok(table::features::read_parts(folder)?.0.ids);
    }
    let mut ids = Vec::new();
    table::frames::read_parts(folder, |id, _, _| {
        ids.push(id.to_owned());
        Ok(())
    })?;
    Ok(ids)
}

/// Copies rows from the log into the table.
fn write(
    ingested: &Ingested,
    settings: SetSettings,
    log: &mut RowLog,
    failed: &BTreeMap<String, String>,
    context: &Context,
) -> Result<()> {
    let mut table = Writer::new(context.folder, settings, []);
    let mut set_aside: Vec<SetAside> = Vec::new();
    let mut row = Vec::new();
    for batch in table::utterances::stream(&ingested.finished.folder) {
        context.cancel.check()?;
        for u in batch? {
            if log.get(&sound(&u.content_hash)?, &mut row)? {
                table.push(&u.source.id, &u.content_hash, &row)?;
            } else {
                let detail = failed.get(&u.content_hash).cloned().unwrap_or_default();
                set_aside.push(SetAside {
                    path: u.source.path,
                    reason: crate::corpus::Reason::BadAudio,
                    detail,
                });
            }
        }
    }
    if table.rows() == 0 {
        let first = set_aside
            .first()
            .map(|s| format!("; the first: {}: {}", s.path, s.detail))
            .unwrap_or_default();
        return Err(Error::data(format!(
            "no features could be computed for any of the {} recordings{first}",
            ingested.summary.utterances
        ))
        .hint("check that the recordings are long enough and not damaged"));
    }
    table.finish()?;
    write_atomically(&context.folder.join(SET_ASIDE), &to_json(&set_aside)?)
}

/// The rows of a set, and what else is computed from the same decoding.
struct MissingFeatures<'a> {
    set: FeatureSet,
    root: &'a Path,
    workers: &'a Workers,
    /// That of the set is the first.
    logs: Logs,
    /// Why some sounds have no features.
    failed: BTreeMap<String, String>,
}

impl Missing for MissingFeatures<'_> {
    type Rows = NewRows;

    fn lacks(&self, utterance: &Utterance, sound: blake3::Hash) -> bool {
        !self.logs.features[0].1.contains(&sound)
            && !self.failed.contains_key(&utterance.content_hash)
    }

    fn compute(
        &self,
        utterance: &Utterance,
        audio: &Sound,
        extracted: &AtomicU64,
    ) -> Result<NewRows> {
        extracted.fetch_add(1, Ordering::Relaxed);
        Ok(self
            .logs
            .compute(sound(&utterance.content_hash)?, audio, self.workers))
    }

    fn keep(&mut self, computed: Vec<(&Utterance, Result<NewRows>)>) -> Result<()> {
        let (mut new, mut ended) = (Vec::new(), Ok(()));
        for (u, rows) in computed {
            let error = match rows {
                Ok(mut rows) => {
                    let error = rows.take_error(self.set);
                    new.push(rows);
                    error
                }
                Err(error) => Some(error),
            };
            match error {
                None => {}
                Some(error) if error.kind() == Kind::Data => {
                    let detail = bad_audio(&u.source, self.root, &error).detail;
                    self.failed.insert(u.content_hash.clone(), detail);
                }
                Some(error) => ended = ended.and(Err(transient(error))),
            }
        }
        self.logs.append(&new)?;
        ended
    }
}
