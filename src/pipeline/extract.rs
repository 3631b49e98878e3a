//! The features stage: for each set a row per utterance, computed once per distinct sound.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::ingest::{Ingested, bad_audio, contradicted, to_json};
use super::open::{CHUNK, Opener};
use super::publish::table_hash;
use super::rows::{Rows, sound};
use super::workers::Workers;
use crate::audio::Sound;
use crate::config::SetSettings;
use crate::corpus::{SetAside, Source, Utterance};
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

/// The tables of an output: what tells their content, and where they lie.
pub(super) fn tables(set: FeatureSet, finished: &Finished) -> Result<Tables> {
    Ok((
        table_hash(finished, table_name(set))?,
        finished.folder.clone(),
    ))
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

/// Writes the table of a set; utterances without features are set aside.
pub(super) fn extract(
    set: FeatureSet,
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    rows: &Rows,
    context: &Context,
) -> Result<()> {
    let settings = workers.settings().of(set);
    let mut log = rows.take(settings)?;
    let failed = complete(set, ingested, root, workers, &mut log, context)?;
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

/// What is missing in the log, chunk after chunk.
struct Missing<'a> {
    set: FeatureSet,
    root: &'a Path,
    opener: Opener<'a>,
    workers: &'a Workers,
    log: &'a mut RowLog,
    context: &'a Context<'a>,
    /// Why some sounds have no features.
    failed: BTreeMap<String, String>,
    total: u64,
    passed: u64,
    extracted: AtomicU64,
}

/// Computes what the log lacks; returns why some sounds have no features.
fn complete(
    set: FeatureSet,
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    log: &mut RowLog,
    context: &Context,
) -> Result<BTreeMap<String, String>> {
    let (opener, extracted) = (Opener::new(root), AtomicU64::new(0));
    let mut missing = Missing {
        set,
        root,
        opener,
        workers,
        log,
        context,
        failed: BTreeMap::new(),
        total: ingested.summary.utterances,
        passed: 0,
        extracted,
    };
    let (mut waiting, mut sounds): (Vec<Utterance>, HashSet<blake3::Hash>) = Default::default();
    for batch in table::utterances::stream(&ingested.finished.folder) {
        context.cancel.check()?;
        for u in batch? {
            missing.passed += 1;
            let sound = sound(&u.content_hash)?;
            if !missing.log.contains(&sound)
                && !missing.failed.contains_key(&u.content_hash)
                && sounds.insert(sound)
            {
                waiting.push(u);
            }
            if waiting.len() == CHUNK {
                missing.compute(&waiting)?;
                waiting.clear();
                sounds.clear();
            }
        }
    }
    missing.compute(&waiting)?;
    Ok(missing.failed)
}

impl Missing<'_> {
    /// Computes the rows of some utterances with different sounds and appends them to the log.
    fn compute(&mut self, utterances: &[Utterance]) -> Result<()> {
        let sources: Vec<&Source> = utterances.iter().map(|u| &u.source).collect();
        let (set, workers, context, total, extracted) = (
            self.set,
            self.workers,
            self.context,
            self.total,
            &self.extracted,
        );
        let before = self.passed - utterances.len() as u64;
        let done = AtomicU64::new(before);
        let row = |i: usize, sound: Result<&Sound>| -> Result<Vec<f32>> {
            let row = sound.and_then(|sound| {
                if sound.content_hash() != utterances[i].content_hash {
                    return Err(contradicted(&utterances[i].source.path));
                }
                extracted.fetch_add(1, Ordering::Relaxed);
                workers.extract(set, sound)
            });
            let now = done.fetch_add(1, Ordering::Relaxed) + 1;
            if now.is_multiple_of(8) || now == before + utterances.len() as u64 {
                context.progress(
                    now,
                    total,
                    "files",
                    format!("{} extracted", extracted.load(Ordering::Relaxed)),
                );
            }
            row
        };
        let rows = self.opener.each(&sources, workers, context.cancel, row);
        let mut stopped = context.cancel.check();
        let mut computed = Vec::new();
        for (u, row) in utterances.iter().zip(rows) {
            match row {
                Some(Ok(row)) => computed.push((sound(&u.content_hash)?, row)),
                // Ingest could read it a moment ago: that is no property of the recording, and
                // nothing may be published that leaves it out.
                Some(Err(error)) if error.kind() != Kind::Data => {
                    stopped = stopped.and(Err(
                        error.hint("run the same command again: what was computed is kept")
                    ));
                }
                Some(Err(error)) => {
                    self.failed.insert(
                        u.content_hash.clone(),
                        bad_audio(&u.source, self.root, &error).detail,
                    );
                }
                None => {}
            }
        }
        self.log
            .append(computed.iter().map(|(sound, row)| (sound, row.as_slice())))?;
        stopped
    }
}
