//! The features stage: for each set a row per utterance, computed once per distinct sound, or read
//! from a table that another tool made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::audio::Sound;
use crate::config::SetSettings;
use crate::corpus::{Reason, SetAside, Utterance};
use crate::encoder::EncoderKey;
use crate::error::{Error, Kind, Result};
use crate::features::{self, FeatureSet};
use crate::files::{from_json, to_json, write_atomically};
use crate::import::{ImportSettings, Imported, Recording, Summary};
use crate::orchestrator::{Context, Finished, Identity, Outputs, Task, Upstream};
use crate::table;
use crate::table::rowlog::RowLog;

use super::ingest::{Ingested, bad_audio};
use super::known::extracted;
use super::missing::{Missing, complete, transient};
use super::open::CHUNK;
use super::pipeline_run::PipelineRun;
use super::publish::table_hash;
use super::rows::{Logs, NewRows, Rows, sound};
use super::stage::{Stage, TaskId};
use super::workers::Workers;

/// Name of the table of a set within the task's folder.
pub(super) fn table_name(set: FeatureSet) -> &'static str {
    if set.has_columns() {
        "features"
    } else {
        "frames"
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
    let mut meta = table::Meta::from([
        ("ser.feature_set".into(), settings.set.name().into()),
        ("ser.profile".into(), settings.profile.name().into()),
        (
            "ser.feature_code_version".into(),
            settings.set.code_version().to_string(),
        ),
    ]);
    if let Some(EncoderKey { sha256, usage, .. }) = settings.encoder {
        meta.extend([
            ("ser.encoder_sha256".to_owned(), sha256.to_string()),
            (
                "ser.encoder_padding".to_owned(),
                usage.padding.name().to_owned(),
            ),
            ("ser.encoder_windows".to_owned(), usage.windows.to_string()),
        ]);
        let normalize = usage.normalize.map(|normalize| normalize.to_string());
        let output = usage.output.map(|output| output.as_str().to_owned());
        meta.extend(normalize.map(|it| ("ser.encoder_normalize".to_owned(), it)));
        let frames = usage.frames.map(|layer| layer.to_string());
        meta.extend(frames.map(|it| ("ser.encoder_frames".to_owned(), it)));
        meta.extend(output.map(|it| ("ser.encoder_output".to_owned(), it)));
    }
    meta
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
    let settings = workers.settings().of(set)?;
    let together_with = together.features.iter().map(|(set, _)| *set);
    workers.load_encoders(&together_with.chain([set]).collect::<Vec<_>>())?;
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
        let names = match settings.encoder {
            Some(encoder) => features::encoder_columns(encoder.width),
            None => features::names(settings.set),
        };
        let mut meta = meta(settings);
        meta.extend(more.map(|(key, text)| (key.to_owned(), text)));
        match settings.set.has_columns() {
            true => Writer::Vectors(table::features::Writer::new(folder, names, &meta)),
            false => {
                let keeps_frames = settings.encoder.is_some_and(|of| of.usage.frames.is_some());
                Writer::Sequences(match keeps_frames {
                    true => table::frames::Writer::wide(folder, &names, &meta),
                    false => table::frames::Writer::new(folder, &names, &meta),
                })
            }
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

    /// Writes the rows that a log has of the utterances, by the name that `row_of` gives to that of
    /// a sound; returns whether there are any.
    pub(super) fn write(
        mut self,
        ingested: &Ingested,
        log: &mut RowLog,
        row_of: &dyn Fn(&str) -> Result<blake3::Hash>,
        context: &Context,
    ) -> Result<bool> {
        let mut row = Vec::new();
        for batch in table::utterances::stream(&ingested.finished.folder) {
            context.cancel.check()?;
            for u in batch? {
                if log.get(&row_of(&u.content_hash)?, &mut row)? {
                    self.push(&u.source.id, &u.content_hash, &row)?;
                }
            }
        }
        if self.rows() == 0 {
            return Ok(false);
        }
        self.finish().map(|()| true)
    }
}

/// The ids of a table that [`extract`] wrote into `folder`, in its order.
pub(super) fn ids(set: FeatureSet, folder: &Path) -> Result<Vec<String>> {
    if set.has_columns() {
        return Ok(table::features::read_parts(folder)?.0.ids);
    }
    let mut ids = Vec::new();
    table::frames::read_parts(folder, |id, _, _, _| {
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

    /// Frames of an encoder are ten times as large as any other row.
    fn at_once(&self) -> usize {
        let keeps_frames = |(set, _): &(FeatureSet, RowLog)| {
            let source = self.workers.settings().encoder(*set);
            source.is_some_and(|source| source.usage().frames.is_some())
        };
        match self.logs.features.iter().any(keeps_frames) {
            true => CHUNK / 16,
            false => CHUNK,
        }
    }

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

/// What came of an import, within the task's folder.
pub(super) const IMPORT_SUMMARY: &str = "import.json";

/// Its settings, and its files by their content.
pub(super) fn imported_settings(
    run: &PipelineRun,
    set: FeatureSet,
    import: &ImportSettings,
) -> Result<Identity> {
    let ImportSettings {
        id, columns, array, ..
    } = import;
    let params = serde_json::json!({ "set": set, "id": id, "columns": columns, "array": array });
    let mut identity = run.identity(Stage::Features, params, [])?;
    identity.code_version = set.code_version();
    let names = ["table", "list of ids"];
    for (name, file) in names.into_iter().zip(import.files()?) {
        identity.inputs.insert(name.to_owned(), file.sha256);
    }
    Ok(identity)
}

/// Writes the table of the set; utterances without a row, or with one that is not finite, are
/// excluded.
pub(super) fn imported_task<'n>(
    run: &'n PipelineRun,
    set: FeatureSet,
    import: &'n ImportSettings,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let mut identity = imported_settings(run, set, import)?;
    let sounds = ingested.summary.sounds.clone();
    identity.inputs.insert("utterances".to_owned(), sounds);
    let action = move |context: &Context| {
        let utterances = table::utterances::read_parts(&ingested.finished.folder)?;
        write_imported(set, import, &utterances, context)
    };
    Ok(Task {
        names_inputs: true,
        ..Task::new(TaskId::Features(set), identity, action)
    })
}

fn write_imported(
    set: FeatureSet,
    import: &ImportSettings,
    utterances: &[Utterance],
    context: &Context,
) -> Result<()> {
    let recordings: Vec<Recording> = utterances
        .iter()
        .map(|u| Recording {
            id: &u.source.id,
            path: &u.source.path,
            start_s: u.source.start_s,
            end_s: u.source.end_s,
            duration_s: Some(u.duration_s),
        })
        .collect();
    let imported = Imported::read(import, &recordings, context.cancel)?;
    let sums: Vec<&str> = (imported.summary.files.iter())
        .map(|file| file.sha256.as_str())
        .collect();
    let meta = table::Meta::from([
        ("ser.feature_set".into(), set.name().into()),
        (
            "ser.feature_code_version".into(),
            set.code_version().to_string(),
        ),
        ("ser.import_sha256".into(), sums.join(" ")),
    ]);
    let columns = imported.table.columns.clone();
    let mut table = table::features::Writer::new(context.folder, columns, &meta);
    let mut set_aside = Vec::new();
    for (i, u) in utterances.iter().enumerate() {
        context.cancel.check()?;
        match imported.row(i) {
            Ok(row) => table.push(&u.source.id, &u.content_hash, row)?,
            Err(detail) => set_aside.push(SetAside {
                path: u.source.path.clone(),
                reason: Reason::NoFeatures,
                detail,
            }),
        }
    }
    if table.rows() == 0 {
        let error = Error::data(format!(
            "no utterance has usable features: {}",
            imported.summary.describe()
        ));
        return Err(error.hint("fill the cells, or name the columns that are wanted with `columns` of the [[features.import]]"));
    }
    table.finish()?;
    write_atomically(&context.folder.join(SET_ASIDE), &to_json(&set_aside)?)?;
    write_atomically(
        &context.folder.join(IMPORT_SUMMARY),
        &to_json(&imported.summary)?,
    )
}

/// What came of an import.
pub(super) fn imported_summary(finished: &Finished) -> Result<Summary> {
    from_json(&finished.path(IMPORT_SUMMARY))
}

/// Says what came of the imports.
pub(super) fn tell_imported(run: &PipelineRun, outputs: &Outputs) -> Result<()> {
    for (set, finished) in extracted(run, outputs) {
        if set.is_imported() {
            let found = imported_summary(finished)?;
            run.observer
                .note(format!("       {}: {}", set.name(), found.describe()));
        }
    }
    Ok(())
}
