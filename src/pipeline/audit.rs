//! The audit stage: which recordings have the same sound, to the sample or nearly, whatever they
//! are called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::ingest::Ingested;
use super::open::{CHUNK, Opener};
use super::rows::{Rows, sound};
use super::windows::Unit;
use super::workers::Workers;
use crate::corpus::{Source, Utterance};
use crate::error::{Error, Result};
use crate::fingerprint::{self, Aligner, LONGEST_S, Likeness, NEAR, SAME, Sketcher, candidates};
use crate::orchestrator::Context;
use crate::table;
use crate::table::duplicates::{self, DuplicateRow};
use crate::table::rowlog::RowLog;

/// Name of the table of pairs within the task's folder.
pub(super) const DUPLICATES: &str = "duplicates";
/// Candidates whose sounds are in memory together.
const ALIGNED: usize = 64;

/// The path of the table of pairs.
pub(super) fn path(folder: &Path) -> std::path::PathBuf {
    folder.join(format!("{DUPLICATES}.parquet"))
}

/// A number for each utterance that it shares with its copies.
pub(super) fn groups(utterances: &[Utterance], unit: Unit, pairs: &[DuplicateRow]) -> Vec<usize> {
    let (whole, places) = unit.whole(utterances);
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut parents: Vec<usize> = (0..whole.len()).collect();
    for (i, u) in whole.iter().enumerate() {
        join(&mut parents, *first.entry(&u.content_hash).or_insert(i), i);
    }
    let position: HashMap<&str, usize> = whole
        .iter()
        .enumerate()
        .map(|(i, u)| (u.source.id.as_str(), i))
        .collect();
    for pair in pairs {
        if let (Some(&a), Some(&b)) = (
            position.get(pair.utterance_a.as_str()),
            position.get(pair.utterance_b.as_str()),
        ) {
            join(&mut parents, a, b);
        }
    }
    places
        .into_iter()
        .map(|place| top(&mut parents, place))
        .collect()
}

fn top(parents: &mut [usize], mut i: usize) -> usize {
    while parents[i] != i {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    i
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (top(parents, a), top(parents, b));
    parents[a.max(b)] = a.min(b);
}

/// A sound with the first utterance that has it.
struct Sound {
    source: Source,
    hash: blake3::Hash,
}

/// Finds the pairs and writes their table. Only sounds without a sketch in the log are opened for
/// one.
pub(super) fn audit(
    ingested: &Ingested,
    root: &Path,
    rows: &Rows,
    workers: &Workers,
    context: &Context,
) -> Result<()> {
    let mut sounds: Vec<Sound> = Vec::new();
    let mut first: HashMap<blake3::Hash, usize> = HashMap::new();
    let mut pairs: Vec<DuplicateRow> = Vec::new();
    for batch in table::utterances::stream(&ingested.finished.folder) {
        context.cancel.check()?;
        for u in batch? {
            let hash = sound(&u.content_hash)?;
            match first.get(&hash) {
                Some(&same) => pairs.push(pair(
                    &sounds[same].source.id,
                    &u.source.id,
                    duplicates::Likeness::Exact,
                    Likeness {
                        similarity: 1.0,
                        lag_s: 0.0,
                    },
                )),
                None => {
                    first.insert(hash, sounds.len());
                    sounds.push(Sound {
                        source: u.source,
                        hash,
                    });
                }
            }
        }
    }
    drop(first);
    let (kept, sketches) = sketches(&sounds, root, rows.take_sketches()?, workers, context)?;
    let found = workers.pool().install(|| candidates(&sketches, NEAR));
    drop(sketches);
    let found: Vec<(usize, usize)> = found.into_iter().map(|(a, b)| (kept[a], kept[b])).collect();
    for ((a, b), likeness) in align(&sounds, &found, root, workers, context)? {
        if likeness.similarity >= SAME {
            pairs.push(pair(
                &sounds[a].source.id,
                &sounds[b].source.id,
                duplicates::Likeness::Near,
                likeness,
            ));
        }
    }
    pairs.sort_by(|a, b| (&a.utterance_a, &a.utterance_b).cmp(&(&b.utterance_a, &b.utterance_b)));
    let meta = table::Meta::from([(
        "ser.fingerprint_code_version".into(),
        fingerprint::CODE_VERSION.to_string(),
    )]);
    table::duplicates::write(&path(context.folder), &pairs, &meta)
}

fn pair(a: &str, b: &str, kind: duplicates::Likeness, likeness: Likeness) -> DuplicateRow {
    // Digits beyond these are the rounding of a Fourier transform.
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    DuplicateRow {
        utterance_a: a.to_owned(),
        utterance_b: b.to_owned(),
        kind,
        similarity: rounded(likeness.similarity),
        lag_s: rounded(likeness.lag_s),
    }
}

/// The sketches of all sounds that are not silent, one after the other, and which sounds those are.
fn sketches(
    sounds: &[Sound],
    root: &Path,
    mut log: RowLog,
    workers: &Workers,
    context: &Context,
) -> Result<(Vec<usize>, Vec<f32>)> {
    let missing: Vec<&Sound> = sounds
        .iter()
        .filter(|sound| !log.contains(&sound.hash))
        .collect();
    let mut opener = Opener::new(root);
    let (done, total) = (
        AtomicU64::new((sounds.len() - missing.len()) as u64),
        sounds.len() as u64,
    );
    for chunk in missing.chunks(CHUNK) {
        let sources: Vec<&Source> = chunk.iter().map(|sound| &sound.source).collect();
        let computed = opener.each(&sources, workers, context.cancel, |_, sound| {
            let sketch = workers.sketch(sound?);
            context.progress(
                done.fetch_add(1, Ordering::Relaxed) + 1,
                total,
                "recordings",
                "",
            );
            sketch
        });
        let mut fresh = Vec::with_capacity(chunk.len());
        for (sound, sketch) in chunk.iter().zip(computed) {
            fresh.push((
                &sound.hash,
                sketch.transpose().map_err(vanished)?.unwrap_or_default(),
            ));
        }
        context.cancel.check()?;
        log.append(
            fresh
                .iter()
                .map(|(hash, sketch)| (*hash, sketch.as_slice())),
        )?;
    }
    workers.rest();
    let (mut kept, mut all, mut row) = (Vec::new(), Vec::new(), Vec::new());
    for (i, sound) in sounds.iter().enumerate() {
        // Silences cannot be told apart.
        if log.get(&sound.hash, &mut row)? && row.iter().all(|value| value.is_finite()) {
            kept.push(i);
            all.extend_from_slice(&row);
        }
    }
    log.compact()?;
    Ok((kept, all))
}

/// How alike the sounds of each pair are.
fn align(
    sounds: &[Sound],
    pairs: &[(usize, usize)],
    root: &Path,
    workers: &Workers,
    context: &Context,
) -> Result<Vec<((usize, usize), Likeness)>> {
    let (mut opener, mut all) = (Opener::new(root), Vec::with_capacity(pairs.len()));
    for (n, chunk) in pairs.chunks(ALIGNED).enumerate() {
        let needed: Vec<usize> = chunk
            .iter()
            .flat_map(|&(a, b)| [a, b])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let sources: Vec<&Source> = needed.iter().map(|&i| &sounds[i].source).collect();
        let opened = opener.each(&sources, workers, context.cancel, |_, sound| {
            let sound = sound?;
            Ok(Sketcher::default().narrow(&sound.beginning(LONGEST_S)?, sound.sample_rate()))
        });
        context.cancel.check()?;
        let mut narrow: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for (i, one) in needed.into_iter().zip(opened) {
            narrow.insert(i, one.transpose().map_err(vanished)?.unwrap_or_default());
        }
        let one = |aligner: &mut Aligner, (a, b): &(usize, usize)| {
            ((*a, *b), aligner.likeness(&narrow[a], &narrow[b]))
        };
        all.extend(workers.pool().install(|| {
            chunk
                .par_iter()
                .map_init(Aligner::default, one)
                .collect::<Vec<_>>()
        }));
        context.progress(
            ((n + 1) * ALIGNED).min(pairs.len()) as u64,
            pairs.len() as u64,
            "pairs",
            "",
        );
    }
    Ok(all)
}

/// The ingest could open it.
fn vanished(error: Error) -> Error {
    let message = format!("a recording of the tables cannot be opened any more: {error}");
    Error::new(error.kind(), message)
        .hint("run the same command again, which reads the recordings anew")
}
