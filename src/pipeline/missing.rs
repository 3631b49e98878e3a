//! Computing rows of the sounds that a log lacks.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ingest::{Ingested, contradicted};
use super::open::{CHUNK, Opener};
use super::rows::sound;
use super::workers::Workers;
use crate::audio::Sound;
use crate::corpus::{Source, Utterance};
use crate::error::{Error, Result};
use crate::orchestrator::Context;
use crate::table;

/// Rows that are computed where they are missing.
pub(super) trait Missing: Sync {
    /// The rows of a sound.
    type Rows: Send;

    /// Utterances whose rows are held at a time.
    fn at_once(&self) -> usize {
        CHUNK
    }

    /// Whether any rows of an utterance's sound are missing and not known to be impossible.
    fn lacks(&self, utterance: &Utterance, sound: blake3::Hash) -> bool;

    /// Computes the missing rows of a sound, on a thread of the pool, and adds their number to
    /// `extracted`.
    fn compute(
        &self,
        utterance: &Utterance,
        audio: &Sound,
        extracted: &AtomicU64,
    ) -> Result<Self::Rows>;

    /// Keeps the rows of a chunk of utterances.
    ///
    /// # Errors
    /// What ends the stage.
    fn keep(&mut self, computed: Vec<(&Utterance, Result<Self::Rows>)>) -> Result<()>;
}

/// Opens every sound that lacks rows once, chunk after chunk.
///
/// # Errors
/// `Interrupted` where a stop is asked for, after keeping what was computed, and what
/// [`Missing::keep`] returns.
pub(super) fn complete(
    missing: &mut impl Missing,
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    context: &Context,
) -> Result<()> {
    let (mut opener, extracted) = (Opener::new(root), AtomicU64::new(0));
    let (mut waiting, mut sounds): (Vec<Utterance>, HashSet<blake3::Hash>) = Default::default();
    let mut passed = 0;
    let mut chunk = |missing: &mut _, waiting: &[Utterance], passed: u64| {
        let count = Count {
            done: AtomicU64::new(passed - waiting.len() as u64),
            end: passed,
            total: ingested.summary.utterances,
            extracted: &extracted,
        };
        compute(missing, waiting, &mut opener, workers, &count, context)
    };
    for batch in table::utterances::stream(&ingested.finished.folder) {
        context.cancel.check()?;
        for u in batch? {
            passed += 1;
            let sound = sound(&u.content_hash)?;
            if missing.lacks(&u, sound) && sounds.insert(sound) {
                waiting.push(u);
            }
            if waiting.len() == missing.at_once() {
                chunk(missing, &waiting, passed)?;
                waiting.clear();
                sounds.clear();
            }
        }
    }
    chunk(missing, &waiting, passed)
}

/// How far the utterances are.
struct Count<'a> {
    done: AtomicU64,
    end: u64,
    total: u64,
    extracted: &'a AtomicU64,
}

fn compute<M: Missing>(
    missing: &mut M,
    utterances: &[Utterance],
    opener: &mut Opener,
    workers: &Workers,
    count: &Count,
    context: &Context,
) -> Result<()> {
    let sources: Vec<&Source> = utterances.iter().map(|u| &u.source).collect();
    let of = &*missing;
    let one = |i: usize, audio: Result<&Sound>| -> Result<M::Rows> {
        let u = &utterances[i];
        let rows = audio.and_then(|audio| {
            if audio.content_hash() != u.content_hash {
                return Err(contradicted(&u.source.path));
            }
            of.compute(u, audio, count.extracted)
        });
        let now = count.done.fetch_add(1, Ordering::Relaxed) + 1;
        if now.is_multiple_of(8) || now == count.end {
            let extracted = count.extracted.load(Ordering::Relaxed);
            context.progress(now, count.total, "files", format!("{extracted} analysed"));
        }
        rows
    };
    let computed = opener.each(&sources, workers, context.cancel, one);
    let computed = utterances.iter().zip(computed);
    let stopped = context.cancel.check();
    missing.keep(computed.filter_map(|(u, rows)| Some((u, rows?))).collect())?;
    stopped
}

/// The error of a recording that the ingest could read a moment ago: that is no property of the
/// recording, and nothing may be published that leaves it out.
pub(super) fn transient(error: Error) -> Error {
    error.hint("run the same command again: what was computed is kept")
}
