//! The features stage: a vector per utterance, computed once per distinct sound.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::ingest::{bad_audio, open, to_json};
use crate::config::FeatureSettings;
use crate::corpus::{SetAside, Utterance};
use crate::error::{Error, Kind, Result};
use crate::features::{self, Extractor};
use crate::files::{hash_bytes, write_atomically};
use crate::orchestrator::Context;
use crate::table::{self, features::FeatureTable};

/// Name of the feature table within the task's folder.
pub(super) const FEATURES: &str = "features.parquet";
/// Utterances whose features cannot be computed.
pub(super) const SET_ASIDE: &str = "set-aside.json";

/// Content hash of what the features depend on: ids, places and sounds, but no label.
pub(super) fn fingerprint(utterances: &[Utterance]) -> String {
    let mut text = String::new();
    for u in utterances {
        text.push_str(&format!("{:?}\n", (&u.source.id, &u.source.path, u.source.start_s, u.source.end_s, &u.content_hash)));
    }
    hash_bytes(text.as_bytes())
}

fn meta(settings: &FeatureSettings) -> table::Meta {
    table::Meta::from([
        ("ser.feature_set".into(), settings.set.name().into()),
        ("ser.profile".into(), settings.profile.name().into()),
        ("ser.feature_code_version".into(), features::CODE_VERSION.to_string()),
    ])
}

/// Rows of an earlier table in `folder` by content hash, where the same code and profile made it.
fn earlier(folder: &Path, settings: &FeatureSettings) -> BTreeMap<String, Vec<f32>> {
    let Ok((table, found)) = table::features::read(&folder.join(FEATURES)) else { return BTreeMap::new() };
    if meta(settings).iter().any(|(key, value)| found.get(key) != Some(value)) || table.columns != features::names(settings.set) {
        return BTreeMap::new();
    }
    let rows = table.values.chunks(table.columns.len()).map(<[f32]>::to_vec);
    table.content_hashes.iter().cloned().zip(rows).collect()
}

/// Keeps finished rows for the run that goes on.
fn keep(rows: &BTreeMap<String, Vec<f32>>, settings: &FeatureSettings, scratch: &Path) -> Result<()> {
    let table = FeatureTable {
        ids: rows.keys().cloned().collect(),
        content_hashes: rows.keys().cloned().collect(),
        columns: features::names(settings.set),
        values: rows.values().flatten().copied().collect(),
    };
    table::features::write(&scratch.join(FEATURES), &table, &meta(settings))
}

/// Writes the feature table of all utterances; those without features are set aside.
pub(super) fn extract(
    utterances: &[Utterance],
    root: &Path,
    settings: &FeatureSettings,
    pool: &rayon::ThreadPool,
    context: &Context,
) -> Result<()> {
    let mut known = context.previous.as_deref().map(|folder| earlier(folder, settings)).unwrap_or_default();
    known.extend(earlier(&context.scratch, settings));
    let mut seen = BTreeSet::new();
    let missing: Vec<&Utterance> =
        utterances.iter().filter(|u| !known.contains_key(&u.content_hash) && seen.insert(&u.content_hash)).collect();
    let total = missing.len() as u64;
    let done = AtomicU64::new(0);
    let compute = |extractor: &mut Extractor, u: &Utterance| -> Result<Vec<f32>> {
        let audio = open(root, &u.source)?;
        if audio.content_hash() != u.content_hash {
            return Err(Error::new(Kind::Io, format!("{} changed while it was read", u.source.path)));
        }
        extractor.extract(&audio.samples, audio.sample_rate)
    };
    let computed: Vec<Option<Result<Vec<f32>>>> = pool.install(|| {
        missing
            .par_iter()
            .map_init(
                || Extractor::new(settings.set, settings.profile),
                |extractor, u| {
                    if context.cancel.requested() {
                        return None;
                    }
                    let row = compute(extractor, u);
                    let now = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if now.is_multiple_of(8) || now == total {
                        context.progress(now, total, "files", "");
                    }
                    Some(row)
                },
            )
            .collect()
    });
    let mut stopped = context.cancel.check();
    let mut failed: BTreeMap<&str, String> = BTreeMap::new();
    let mut rows = known;
    for (u, row) in missing.iter().zip(computed.into_iter().flatten()) {
        match row {
            Ok(row) => {
                rows.insert(u.content_hash.clone(), row);
            }
            // Ingest could read it a moment ago: that is no property of the recording, and nothing may be published that leaves it out.
            Err(error) if error.kind() != Kind::Data => {
                if stopped.is_ok() {
                    stopped = Err(error.hint("run the same command again: what was computed is kept"));
                }
            }
            Err(error) => {
                failed.insert(&u.content_hash, bad_audio(&u.source, root, &error).detail);
            }
        }
    }
    if stopped.is_err() {
        keep(&rows, settings, &context.scratch)?;
    }
    stopped?;
    let mut table = FeatureTable { ids: vec![], content_hashes: vec![], columns: features::names(settings.set), values: vec![] };
    let mut set_aside: Vec<SetAside> = Vec::new();
    for u in utterances {
        match rows.get(&u.content_hash) {
            Some(row) => {
                table.ids.push(u.source.id.clone());
                table.content_hashes.push(u.content_hash.clone());
                table.values.extend_from_slice(row);
            }
            None => set_aside.push(SetAside {
                path: u.source.path.clone(),
                reason: crate::corpus::Reason::BadAudio,
                detail: failed.get(u.content_hash.as_str()).cloned().unwrap_or_default(),
            }),
        }
    }
    if table.ids.is_empty() {
        let first = set_aside.first().map(|s| format!("; the first: {}: {}", s.path, s.detail)).unwrap_or_default();
        return Err(Error::data(format!("no features could be computed for any of the {} recordings{first}", utterances.len()))
            .hint("check that the recordings are long enough and not damaged"));
    }
    table::features::write(&context.folder.join(FEATURES), &table, &meta(settings))?;
    write_atomically(&context.folder.join(SET_ASIDE), &to_json(&set_aside)?)
}
