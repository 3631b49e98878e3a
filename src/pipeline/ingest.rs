//! The ingest stage: what the corpus reader lists, with every recording opened once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::audio::{self, Audio};
use crate::cancel::Cancel;
use crate::config::{CorpusKind, Pipeline};
use crate::corpus::synthetic::SyntheticSettings;
use crate::corpus::{self, EmodbSettings, IemocapSettings, Listing, ManifestSettings, Reason, SetAside, Source, Utterance};
use crate::error::{Error, Kind, Result};
use crate::files::{hash_bytes, write_atomically};
use crate::orchestrator::{Context, Event, Observer, Why};
use crate::table;

/// Name of the table of utterances within the task's folder.
pub(super) const UTTERANCES: &str = "utterances.parquet";
/// What was left aside, the published counts and the reader's notes.
pub(super) const LISTING: &str = "listing.json";

/// Makes the recordings of a generated corpus where they are not there yet; nothing for any other corpus.
pub(super) fn generate(pipeline: &Pipeline, pool: &rayon::ThreadPool, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    const TASK: &str = "generate";
    let Some(settings) = generated(pipeline) else { return Ok(()) };
    let root = pipeline.corpus.kind.root();
    if corpus::synthetic::is_complete(&settings, root) {
        return Ok(());
    }
    observer.observe(Event::TaskStarted { task: TASK.into(), why: vec![Why::NeverRan] });
    let start = Instant::now();
    let tick = |done: usize, total: usize| {
        observer.observe(Event::TaskProgress {
            task: TASK.into(),
            done: done as u64,
            total: total as u64,
            unit: "files",
            note: String::new(),
        });
    };
    pool.install(|| corpus::synthetic::generate(&settings, root, cancel, &tick))?;
    observer.observe(Event::TaskFinished { task: TASK.into(), seconds: start.elapsed().as_secs_f64() });
    Ok(())
}

/// Whether [`generate`] has something to do.
pub(super) fn must_generate(pipeline: &Pipeline) -> bool {
    generated(pipeline).is_some_and(|settings| !corpus::synthetic::is_complete(&settings, pipeline.corpus.kind.root()))
}

fn generated(pipeline: &Pipeline) -> Option<SyntheticSettings> {
    match pipeline.corpus.kind {
        CorpusKind::Synthetic { speakers, sentences, takes, sample_rate, seed, .. } => {
            Some(SyntheticSettings { speakers, sentences, takes, sample_rate, seed })
        }
        _ => None,
    }
}

/// Lists the corpus of a pipeline.
pub(super) fn list(pipeline: &Pipeline) -> Result<Listing> {
    let root = pipeline.corpus.kind.root();
    let mut listing = match &pipeline.corpus.kind {
        CorpusKind::Ravdess { .. } => corpus::ravdess::read(root)?,
        CorpusKind::Emodb { all_clips, .. } => corpus::emodb::read(root, &EmodbSettings { all_clips: *all_clips })?,
        CorpusKind::Iemocap { excitement, dialogs, agreement, .. } => {
            let settings = IemocapSettings { excitement: *excitement, dialogs: *dialogs, agreement: *agreement, ..Default::default() };
            corpus::iemocap::read(root, &settings)?
        }
        CorpusKind::Manifest { path, label_map, allow_outside, language, .. } => {
            let mut listing = corpus::manifest::read(&ManifestSettings {
                path: path.clone(),
                root: root.to_owned(),
                label_map: label_map.clone(),
                allow_outside: *allow_outside,
            })?;
            for source in listing.sources.iter_mut().filter(|s| s.language.is_none()) {
                source.language.clone_from(language);
            }
            listing
        }
        CorpusKind::Synthetic { .. } => corpus::synthetic::read(root)?,
    };
    let wanted = &pipeline.corpus.labels;
    if !wanted.is_empty() {
        let (kept, other): (Vec<Source>, Vec<Source>) = listing.sources.into_iter().partition(|s| wanted.contains(&s.emotion));
        listing.sources = kept;
        listing.set_aside.extend(other.into_iter().map(|s| SetAside {
            detail: format!("class {} is not among the pipeline's corpus.labels", s.emotion),
            path: s.path,
            reason: Reason::ClassNotUsed,
        }));
        listing.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    }
    listing.corpus.clone_from(&pipeline.corpus.name);
    listing.notes.extend(pipeline.corpus.notes.iter().cloned());
    if listing.sources.is_empty() {
        return Err(Error::data(format!("no usable utterance found under {}", root.display()))
            .hint(format!("{} files were left aside; check corpus.root and corpus.kind in the pipeline file", listing.set_aside.len())));
    }
    Ok(listing)
}

/// What the file system says of a recording without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stat {
    bytes: u64,
    /// Nanoseconds since 1970, negative before; 0 where the system keeps no such time.
    modified_ns: i128,
}

impl Stat {
    fn of(path: &Path) -> std::io::Result<Stat> {
        let meta = fs::metadata(path)?;
        let modified_ns = meta.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        });
        Ok(Stat { bytes: meta.len(), modified_ns })
    }
}

/// What one earlier look at a recording gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Probe {
    stat: Stat,
    sample_rate: u32,
    channels: u16,
    n_samples: u64,
    content_hash: String,
}

/// Probes by [`probe_key`]; lives beside the store since it depends on this machine's clock, which outputs must not.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Probes {
    format: u32,
    probes: BTreeMap<String, Probe>,
}

const PROBES_FORMAT: u32 = 1;

fn probe_key(source: &Source) -> String {
    match (source.start_s, source.end_s) {
        (None, None) => source.path.clone(),
        (start, end) => format!("{}#{start:?}-{end:?}", source.path),
    }
}

/// Content hash of everything that decides the outcome of an ingest: the listing and the state of each file.
pub(super) fn fingerprint(listing: &Listing, root: &Path) -> Result<String> {
    let mut text = serde_json::to_string(listing).map_err(|e| Error::internal("failed to write a listing as JSON").because(e))?;
    for source in &listing.sources {
        let path = root.join(&source.path);
        // Whether it can be opened is part of the state: permissions change without the time of change.
        text.push_str(&format!("{:?}", (Stat::of(&path).ok(), fs::File::open(&path).is_ok())));
    }
    Ok(hash_bytes(text.as_bytes()))
}

/// Opens the recording of an utterance: the whole file, or its segment.
pub(super) fn open(root: &Path, source: &Source) -> Result<Audio> {
    let audio = audio::decode(&root.join(&source.path))?;
    match (source.start_s, source.end_s) {
        (None, None) => Ok(audio),
        (start, end) => audio.segment(start.unwrap_or(0.0), end.unwrap_or_else(|| audio.duration_s())),
    }
}

/// Probes every listed recording; unusable ones are set aside.
pub(super) fn ingest(mut listing: Listing, root: &Path, probes_path: &PathBuf, pool: &rayon::ThreadPool, context: &Context) -> Result<()> {
    let known: Probes = fs::read(probes_path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .filter(|p: &Probes| p.format == PROBES_FORMAT)
        .unwrap_or_default();
    let total = listing.sources.len() as u64;
    let done = AtomicU64::new(0);
    let probe = |source: &Source| -> Result<Probe> {
        let path = root.join(&source.path);
        let stat = Stat::of(&path).map_err(|e| Error::io("look at", &path, e))?;
        let result = match known.probes.get(&probe_key(source)) {
            Some(probe) if probe.stat == stat => Ok(probe.clone()),
            _ => open(root, source).map(|audio| Probe {
                stat,
                sample_rate: audio.sample_rate,
                channels: audio.channels,
                n_samples: audio.samples.len() as u64,
                content_hash: audio.content_hash(),
            }),
        };
        let now = done.fetch_add(1, Ordering::Relaxed) + 1;
        if now.is_multiple_of(16) || now == total {
            context.progress(now, total, "files", "");
        }
        result
    };
    let probed: Vec<Option<Result<Probe>>> =
        pool.install(|| listing.sources.par_iter().map(|source| (!context.cancel.requested()).then(|| probe(source))).collect());
    let interrupted = context.cancel.check();
    // What was not looked at this time keeps its earlier probe, so that an interrupted ingest goes on where it was.
    let mut probes = Probes { format: PROBES_FORMAT, probes: if interrupted.is_err() { known.probes.clone() } else { BTreeMap::new() } };
    let mut failed: Option<Error> = None;
    let mut utterances = Vec::with_capacity(listing.sources.len());
    for (source, probe) in std::mem::take(&mut listing.sources).into_iter().zip(probed.into_iter().flatten()) {
        match probe {
            Ok(probe) => {
                probes.probes.insert(probe_key(&source), probe.clone());
                utterances.push(Utterance {
                    sample_rate: probe.sample_rate,
                    channels: probe.channels,
                    n_samples: probe.n_samples,
                    duration_s: probe.n_samples as f64 / f64::from(probe.sample_rate),
                    content_hash: probe.content_hash,
                    source,
                });
            }
            // What can be opened again by now is no property of the recording: nothing may be published that leaves it out.
            Err(error) if error.kind() == Kind::Io && fs::File::open(root.join(&source.path)).is_ok_and(|f| is_file(&f)) => {
                failed.get_or_insert(error);
            }
            Err(error) => listing.set_aside.push(bad_audio(&source, root, &error)),
        }
    }
    listing.set_aside.sort_by(|a, b| (&a.path, a.reason).cmp(&(&b.path, b.reason)));
    write_atomically(probes_path, &to_json(&probes)?)?;
    interrupted?;
    if let Some(error) = failed {
        return Err(error.hint("run the same command again: what was read is kept"));
    }
    if utterances.is_empty() {
        let first = listing.set_aside.first().map(|s| format!("; the first: {}: {}", s.path, s.detail)).unwrap_or_default();
        return Err(Error::data(format!("none of the {total} recordings under {} is usable{first}", root.display()))
            .hint("check that the files are audio in a supported format (WAV, FLAC, MP3, Ogg Vorbis, MP4)"));
    }
    table::utterances::write(&context.folder.join(UTTERANCES), &listing.corpus, &utterances, &table::Meta::new())?;
    write_atomically(&context.folder.join(LISTING), &to_json(&listing)?)
}

fn is_file(file: &fs::File) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file())
}

/// The set-aside entry of a recording that cannot be used; it says the same wherever the corpus lies.
pub(super) fn bad_audio(source: &Source, root: &Path, error: &Error) -> SetAside {
    let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
    let prefix = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
    SetAside { path: source.path.clone(), reason: Reason::BadAudio, detail: format!("{error}{hint}").replace(&prefix, "") }
}

/// JSON for an output file.
pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| Error::internal("failed to write JSON").because(e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads an output file that [`to_json`] made.
pub(super) fn from_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::data(format!("failed to read {}", path.display()))
            .because(e)
            .hint("remove the file and run the command again: it is made anew")
    })
}
