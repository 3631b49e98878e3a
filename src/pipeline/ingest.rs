//! The ingest stage: every recording that the corpus reader lists, opened once.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::listing::chunks;
use super::open::{Opener, Stat};
use super::probes::{Probe, Probes};
use super::rows::{Logs, NewRows, sound};
use super::suspects::Suspects;
use super::workers::{BYTES_PER_SECOND, Workers};
use crate::audio::{Budget, Remark, Sound, memory_needed};
use crate::config::CorpusKind;
use crate::corpus::{
    Listing, Originals, Reason, SetAside, Source, Sources, Subset, Utterance, originals,
};
use crate::error::{Error, Kind, Result};
use crate::files::{from_json, hash_bytes, to_json, write_atomically};
use crate::orchestrator::{Context, Finished, Identity};
use crate::table;

/// Name of the table of utterances within the task's folder.
pub(super) const UTTERANCES: &str = "utterances";
/// The excluded recordings, the published counts and the reader's notes.
pub(super) const LISTING: &str = "listing.json";
/// Figures of all utterances for later stages.
const SUMMARY: &str = "summary.json";

/// All utterances in a few words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub utterances: u64,
    pub duration_s: f64,
    /// Samples and sampling rate of the utterance that takes most memory.
    #[serde(default)]
    pub largest: (u64, u32),
    /// Content hash of what features depend on.
    pub sounds: String,
}

/// A finished ingest.
pub(super) struct Ingested {
    pub finished: Finished,
    pub summary: Summary,
    /// Without its sources.
    pub listing: Listing,
}

impl Ingested {
    /// Notes among the inputs of what is made of the utterances which sounds they have and, with a
    /// budget, which of them are too long for it.
    pub(super) fn enter(&self, identity: &mut Identity, budget: Option<&Budget>) -> Result<()> {
        let inputs = &mut identity.inputs;
        inputs.insert("utterances".to_owned(), self.summary.sounds.clone());
        if let Some((name, hash)) = budget.map(|it| self.too_long(it)).transpose()?.flatten() {
            inputs.insert(name.to_owned(), hash);
        }
        Ok(())
    }

    /// The hash of which utterances are too long for the memory that may be used, where there are
    /// any: with more memory their features are not excluded, so that what was made without them is
    /// no longer up to date.
    ///
    /// # Errors
    /// Where the table of utterances cannot be read.
    fn too_long(&self, budget: &Budget) -> Result<Option<(&'static str, String)>> {
        let (samples, rate) = self.summary.largest;
        if !budget.refuses(samples, rate) {
            return Ok(None);
        }
        let mut ids = String::new();
        for batch in table::utterances::stream(&self.finished.folder) {
            for u in batch?
                .into_iter()
                .filter(|u| budget.refuses(u.n_samples, u.sample_rate))
            {
                ids.push_str(&u.source.id);
                ids.push('\n');
            }
        }
        Ok((!ids.is_empty()).then(|| ("excluded for want of memory", hash_bytes(ids.as_bytes()))))
    }

    /// Reads what stands beside the table of utterances.
    pub(super) fn of(finished: Finished) -> Result<Ingested> {
        let (summary, listing) = (
            from_json(&finished.path(SUMMARY))?,
            from_json(&finished.path(LISTING))?,
        );
        Ok(Ingested {
            finished,
            summary,
            listing,
        })
    }
}

/// The input of an ingest.
pub(super) struct Corpus<'a> {
    pub listing: &'a Listing,
    pub sources: &'a Sources,
    pub root: &'a Path,
    /// A rule that leaves some of the usable ones out.
    pub subset: Option<&'a Subset>,
    /// The recordings as they were published, where that is known.
    pub published: Vec<&'static Originals>,
}

/// The published sizes and hashes of the recordings of a corpus, or of its parts.
pub(super) fn published(kind: &CorpusKind) -> Vec<&'static Originals> {
    match kind {
        CorpusKind::Joined { parts, .. } => parts
            .iter()
            .filter_map(|part| originals(part.kind.name()))
            .collect(),
        kind => originals(kind.name()).into_iter().collect(),
    }
}

/// Probes every listed recording; unusable ones are excluded. What `logs` lack of a sound that is
/// opened is computed on the way, so that no later stage need decode it again. Returns the logs.
pub(super) fn ingest(
    corpus: &Corpus,
    mut probes: Probes,
    workers: &Workers,
    logs: Logs,
    context: &Context,
) -> Result<Logs> {
    if let Some(warning) = workers.suspects().and_then(Suspects::warning) {
        context.warn(warning);
    }
    let mut look = Look::new(
        corpus.root,
        corpus.published.clone(),
        workers,
        logs,
        corpus.sources.len(),
        context,
    );
    let mut taken = Taken::new(context.folder, &corpus.listing.corpus);
    // Which stay is only known of all of them together.
    let mut candidates: Vec<Utterance> = Vec::new();
    let mut set_aside = corpus.listing.set_aside.clone();
    let mut failed: Option<Error> = None;
    let mut remarked = Remarked::default();
    for chunk in chunks(corpus.sources.iter()) {
        let chunk = chunk?;
        let earlier: Vec<Option<Probe>> = chunk.iter().map(|source| probes.known(source)).collect();
        let probed = look.at(&chunk, earlier)?;
        for (source, probe) in chunk.into_iter().zip(probed) {
            match probe {
                Some(Ok(probe)) => {
                    probes.keep(&source, &probe)?;
                    remarked.add(&source, &probe);
                    let utterance = utterance(source, probe);
                    match corpus.subset {
                        Some(_) => candidates.push(utterance),
                        None => taken.push(utterance)?,
                    }
                }
                // What can be opened again by now is no property of the recording: nothing may be
                // published that leaves it out.
                Some(Err(error))
                    if error.kind() == Kind::Interrupted
                        || error.kind() == Kind::Io && opens(&corpus.root.join(&source.path)) =>
                {
                    failed.get_or_insert(error);
                }
                Some(Err(error)) => set_aside.push(bad_audio(&source, corpus.root, &error)),
                None => {}
            }
        }
        probes.flush()?;
        context.cancel.check()?;
    }
    if let Some(error) = failed {
        return Err(error.hint("run the same command again: what was read is kept"));
    }
    if let Some(subset) = corpus.subset.filter(|_| !candidates.is_empty()) {
        set_aside.extend(taken.subset(subset, candidates)?);
    }
    let Taken {
        table,
        mut summary,
        sounds,
    } = taken;
    set_aside.sort_by(|a, b| (&a.path, a.reason).cmp(&(&b.path, b.reason)));
    if summary.utterances == 0 {
        let first = set_aside
            .iter()
            .find(|one| one.reason == Reason::BadAudio)
            .or(set_aside.first());
        let hint = hint(first.map_or("", |first| &first.detail));
        let first = first
            .map(|s| format!("; the first: {}: {}", s.path, s.detail))
            .unwrap_or_default();
        return Err(Error::data(format!(
            "none of the {} recordings under {} is usable{first}",
            corpus.sources.len(),
            corpus.root.display()
        ))
        .hint(hint));
    }
    table.finish()?;
    probes.finish()?;
    summary.sounds = sounds.finish();
    let mut listing = Listing {
        set_aside,
        sources: vec![],
        ..corpus.listing.clone()
    };
    for (remark, said) in remarked.said() {
        if remark == Remark::Generated && std::mem::replace(&mut listing.generated, true) {
            // Said of the corpus as a whole.
        } else if remark.is_warning() {
            listing.warnings.push(said);
        } else {
            listing.notes.push(said);
        }
    }
    write_atomically(&context.folder.join(LISTING), &to_json(&listing)?)?;
    write_atomically(&context.folder.join(SUMMARY), &to_json(&summary)?)?;
    Ok(look.logs)
}

/// The hint where no recording can be used, by the error of the first.
fn hint(detail: &str) -> &'static str {
    if detail.contains("Git LFS") {
        "the folder was cloned without Git LFS: install it, then in the folder: git lfs install; git lfs pull"
    } else if detail.contains("leaves the recording") {
        "start and end are seconds from the beginning of the file: divide milliseconds by 1000, and samples by the sample rate"
    } else {
        "check that the files are audio in a supported format (WAV, FLAC, MP3, Ogg, WebM, MP4, AAC, AIFF, AU, SPHERE)"
    }
}

/// The remarks of decoding: how many recordings have each, and the first of them.
#[derive(Default)]
struct Remarked {
    counts: BTreeMap<Remark, (u64, String)>,
    last: String,
}

impl Remarked {
    /// Segments of a recording, which stand together, count as one.
    fn add(&mut self, source: &Source, probe: &Probe) {
        if probe.remarks.is_empty() || self.last == source.path {
            return;
        }
        self.last.clone_from(&source.path);
        for remark in probe.remarks.iter() {
            self.counts
                .entry(remark)
                .or_insert_with(|| (0, source.path.clone()))
                .0 += 1;
        }
    }

    fn said(self) -> impl Iterator<Item = (Remark, String)> {
        self.counts.into_iter().map(|(remark, (count, first))| {
            let recordings = if count == 1 {
                "1 recording".to_owned()
            } else {
                format!("{count} recordings")
            };
            (
                remark,
                format!("{recordings}: {} (the first: {first})", remark.text()),
            )
        })
    }
}

/// Content hash of what the features depend on: ids, places and sounds, but no label.
#[derive(Default)]
struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Takes in the next utterance.
    fn add(&mut self, u: &Utterance) {
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

    fn finish(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// The utterances that were taken so far.
struct Taken {
    table: table::utterances::Writer,
    summary: Summary,
    sounds: Fingerprint,
}

impl Taken {
    fn new(folder: &Path, corpus: &str) -> Taken {
        Taken {
            table: table::utterances::Writer::new(folder, corpus, &table::Meta::new()),
            summary: Summary {
                utterances: 0,
                duration_s: 0.0,
                largest: (0, 1),
                sounds: String::new(),
            },
            sounds: Fingerprint::default(),
        }
    }

    fn push(&mut self, utterance: Utterance) -> Result<()> {
        self.summary.utterances += 1;
        self.summary.duration_s += utterance.duration_s;
        let needs = |(samples, rate): (u64, u32)| memory_needed(samples, rate, BYTES_PER_SECOND);
        let one = (utterance.n_samples, utterance.sample_rate);
        if needs(one) > needs(self.summary.largest) {
            self.summary.largest = one;
        }
        self.sounds.add(&utterance);
        self.table.push(utterance)
    }

    /// Takes those of a subset; the others are excluded.
    fn subset(&mut self, subset: &Subset, candidates: Vec<Utterance>) -> Result<Vec<SetAside>> {
        let stays = subset.choose(&candidates)?;
        let mut left_out = Vec::new();
        for (utterance, stays) in candidates.into_iter().zip(stays) {
            if stays {
                self.push(utterance)?;
            } else {
                let detail = subset.why(&utterance);
                left_out.push(SetAside {
                    path: utterance.source.path,
                    reason: Reason::SubsetRule,
                    detail,
                });
            }
        }
        Ok(left_out)
    }
}

fn utterance(source: Source, probe: Probe) -> Utterance {
    Utterance {
        sample_rate: probe.sample_rate,
        channels: probe.channels,
        n_samples: probe.n_samples,
        duration_s: probe.n_samples as f64 / f64::from(probe.sample_rate),
        content_hash: probe.content_hash,
        source,
    }
}

/// How far an ingest is.
#[derive(Default)]
struct Count {
    total: u64,
    done: AtomicU64,
    opened: AtomicU64,
    extracted: AtomicU64,
}

impl Count {
    fn one(&self, context: &Context, extracting: bool) {
        let now = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if now.is_multiple_of(16) || now == self.total {
            let (n, what) = if extracting {
                (&self.extracted, "analysed")
            } else {
                (&self.opened, "read")
            };
            context.progress(
                now,
                self.total,
                "files",
                format!("{} {what}", n.load(Ordering::Relaxed)),
            );
        }
    }
}

/// A look at the recordings, chunk after chunk.
pub(super) struct Look<'a> {
    root: &'a Path,
    published: Vec<&'static Originals>,
    opener: Opener<'a>,
    workers: &'a Workers,
    /// Where the rows of new sounds go.
    logs: Logs,
    count: Count,
    context: &'a Context<'a>,
}

impl<'a> Look<'a> {
    /// A look at `total` recordings; rows of new sounds go into `logs`.
    pub(super) fn new(
        root: &'a Path,
        published: Vec<&'static Originals>,
        workers: &'a Workers,
        logs: Logs,
        total: u64,
        context: &'a Context<'a>,
    ) -> Self {
        Look {
            root,
            published,
            opener: Opener::new(root),
            workers,
            logs,
            count: Count {
                total,
                ..Count::default()
            },
            context,
        }
    }

    /// Looks at a few recordings; opens those that changed, and computes rows that the logs lack. `None` for what was not looked at since a stop was asked for.
    pub(super) fn at(
        &mut self,
        chunk: &[Source],
        earlier: Vec<Option<Probe>>,
    ) -> Result<Vec<Option<Result<Probe>>>> {
        let mut probed: Vec<Option<Result<Probe>>> = Vec::with_capacity(chunk.len());
        let mut fresh: Vec<(usize, Stat)> = Vec::new();
        for (i, ((source, earlier), stat)) in
            chunk.iter().zip(earlier).zip(self.stats(chunk)).enumerate()
        {
            match (stat, earlier) {
                (Err((kind, why)), _) => {
                    let path = self.root.join(&source.path);
                    probed.push(Some(Err(Error::io(
                        "look at",
                        &path,
                        io::Error::new(kind, why),
                    ))));
                }
                (Ok(stat), Some(probe)) if probe.stat == stat => probed.push(Some(Ok(probe))),
                (Ok(stat), _) => {
                    fresh.push((i, stat));
                    probed.push(None);
                    continue;
                }
            }
            self.count.one(self.context, !self.logs.features.is_empty());
        }
        let (logs, workers, count, context) = (&self.logs, self.workers, &self.count, self.context);
        // Of one sound under several names, one thread computes the rows.
        let claimed: Mutex<HashSet<blake3::Hash>> = Mutex::default();
        let claim = |sound| {
            let mut claimed = claimed.lock().unwrap_or_else(PoisonError::into_inner);
            claimed.insert(sound)
        };
        let open = |n: usize, audio: Result<&Sound>| -> Result<(Probe, Option<NewRows>)> {
            let opened = audio.and_then(|audio| {
                count.opened.fetch_add(1, Ordering::Relaxed);
                let content_hash = audio.content_hash();
                let sound = sound(&content_hash)?;
                let rows = claim(sound).then(|| logs.compute(sound, audio, workers));
                let extracted = rows.as_ref().map_or(0, |rows| rows.features.len() as u64);
                count.extracted.fetch_add(extracted, Ordering::Relaxed);
                let source = &chunk[fresh[n].0];
                let path = self.root.join(&source.path);
                let mut remarks = audio.remarks();
                // The recording of a window or segment is looked at as a whole.
                if source.start_s.is_none() && source.end_s.is_none() {
                    for published in &self.published {
                        if published.is_altered(&path, context.cancel)? {
                            remarks.add(Remark::Altered);
                        }
                    }
                }
                if Stat::of(&path).ok() != Some(fresh[n].1) {
                    return Err(Error::new(
                        Kind::Io,
                        format!("{} changed while it was read", path.display()),
                    ));
                }
                let (sample_rate, channels, n_samples) = (
                    audio.sample_rate(),
                    audio.channels(),
                    audio.n_samples() as u64,
                );
                Ok((
                    Probe {
                        stat: fresh[n].1,
                        sample_rate,
                        channels,
                        n_samples,
                        content_hash,
                        remarks,
                    },
                    rows,
                ))
            });
            count.one(context, !logs.features.is_empty());
            opened
        };
        let sources: Vec<&Source> = fresh.iter().map(|(i, _)| &chunk[*i]).collect();
        let mut computed: Vec<NewRows> = Vec::new();
        for ((i, _), opened) in
            fresh
                .iter()
                .zip(self.opener.each(&sources, workers, context.cancel, open))
        {
            probed[*i] = opened.map(|opened| {
                opened.map(|(probe, rows)| {
                    computed.extend(rows);
                    probe
                })
            });
        }
        self.logs.append(&computed)?;
        Ok(probed)
    }

    /// What the file system says of every source, asked once for the segments of a recording that
    /// stand together.
    fn stats(&self, chunk: &[Source]) -> Vec<Result<Stat, (io::ErrorKind, String)>> {
        let recordings: Vec<&[Source]> = chunk.chunk_by(|a, b| a.path == b.path).collect();
        let stat = |group: &&[Source]| {
            Stat::of(&self.root.join(&group[0].path)).map_err(|e| (e.kind(), e.to_string()))
        };
        let stats: Vec<_> = self
            .workers
            .pool()
            .install(|| recordings.par_iter().map(stat).collect());
        recordings
            .iter()
            .zip(stats)
            .flat_map(|(group, stat)| std::iter::repeat_n(stat, group.len()))
            .collect()
    }
}

fn opens(path: &Path) -> bool {
    path.is_file() && fs::File::open(path).is_ok()
}

/// The error of recordings that are not what they were when an ingest began.
pub(super) fn changed(root: &Path) -> Error {
    let error = Error::new(
        Kind::Io,
        format!(
            "recordings under {} changed while they were read",
            root.display()
        ),
    );
    error.hint("run the same command again: what was read is kept")
}

/// A recording does not sound as the table of utterances says.
#[derive(Debug)]
pub(super) struct Contradiction;

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its sound is not the one that was noted when the corpus was read")
    }
}

impl std::error::Error for Contradiction {}

/// The error of a recording whose sound is not the one that the ingest noted.
pub(super) fn contradicted(path: &str) -> Error {
    let error =
        Error::new(Kind::Io, format!("{path} changed while it was read")).because(Contradiction);
    error.hint("run the same command again: all recordings are read anew")
}

/// The entry of a recording that cannot be used; it says the same wherever the corpus
/// lies.
pub(super) fn bad_audio(source: &Source, root: &Path, error: &Error) -> SetAside {
    let hint = error
        .hint_text()
        .map(|h| format!(" ({h})"))
        .unwrap_or_default();
    let prefix = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
    SetAside {
        path: source.path.clone(),
        reason: Reason::BadAudio,
        detail: format!("{error}{hint}").replace(&prefix, ""),
    }
}
