//! What a corpus holds before any recording is opened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;

use super::joined;
use super::open::{CHUNK, Stat};
use super::probes::{Changes, Probes};
use super::unusable;
use super::workers::Workers;
use crate::cancel::Cancel;
use crate::config::{CorpusKind, Pipeline};
use crate::corpus::synthetic::SyntheticSettings;
use crate::corpus::{
    self, EmodbSettings, IemocapSettings, Listing, MOST_CLASSES, ManifestSettings, Reason,
    SetAside, Sorter, Source, Sources,
};
use crate::error::{Error, Result};
use crate::orchestrator::{Event, Observer, Why};
use crate::text::{excerpt, listed};

/// Classes named in one message.
const SHOWN: usize = 12;

/// Makes the recordings of a generated corpus where they are not there yet; nothing for any other
/// corpus.
pub(super) fn generate(
    pipeline: &Pipeline,
    pool: &rayon::ThreadPool,
    why: Why,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    const TASK: &str = "generate";
    let Some(settings) = generated(pipeline) else {
        return Ok(());
    };
    let root = pipeline.corpus.kind.root();
    if corpus::synthetic::is_complete(&settings, root) {
        return Ok(());
    }
    observer.observe(Event::TaskStarted {
        task: TASK.into(),
        stage: TASK.into(),
        key: String::new(),
        why: vec![why],
    });
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
    observer.observe(Event::TaskFinished {
        task: TASK.into(),
        stage: TASK.into(),
        key: String::new(),
        seconds: start.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// Whether [`generate`] has something to do.
pub(super) fn must_generate(pipeline: &Pipeline) -> bool {
    generated(pipeline).is_some_and(|settings| {
        !corpus::synthetic::is_complete(&settings, pipeline.corpus.kind.root())
    })
}

fn generated(pipeline: &Pipeline) -> Option<SyntheticSettings> {
    match pipeline.corpus.kind {
        CorpusKind::Synthetic {
            speakers,
            sentences,
            takes,
            sample_rate,
            seed,
            ..
        } => Some(SyntheticSettings {
            speakers,
            sentences,
            takes,
            sample_rate,
            seed,
        }),
        _ => None,
    }
}

/// Lists the corpus of a pipeline: its candidates, and beside them what is known of the whole. A
/// corpus that is too large for memory is sorted in `folder`, or where the system keeps temporary
/// files.
///
/// # Errors
/// Those of the readers; `Data` where nothing can be used, with the commonest reason, or there are
/// more classes than a corpus may have; `Interrupted` on request.
pub(super) fn list(
    pipeline: &Pipeline,
    folder: Option<&Path>,
    cancel: &Cancel,
) -> Result<(Listing, Sources)> {
    let root = pipeline.corpus.kind.root();
    let wanted = &pipeline.corpus.labels;
    let mut sorter = Sorter::new(folder);
    let mut other = Vec::new();
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut take = |source: Source| -> Result<()> {
        cancel.check()?;
        if !found.contains(&source.emotion) {
            if wanted.is_empty() && found.len() == MOST_CLASSES {
                return Err(too_many_classes(root, &found));
            }
            found.insert(source.emotion.clone());
        }
        if wanted.is_empty() || wanted.contains(&source.emotion) {
            return sorter.push(source);
        }
        let detail = format!(
            "class {} is not among the pipeline's corpus.labels",
            source.emotion
        );
        other.push(SetAside {
            path: source.path,
            reason: Reason::ClassNotUsed,
            detail,
        });
        Ok(())
    };
    let mut listing = match &pipeline.corpus.kind {
        CorpusKind::Ravdess { .. } => corpus::ravdess::read(root)?,
        CorpusKind::Emodb { all_clips, .. } => corpus::emodb::read(
            root,
            &EmodbSettings {
                all_clips: *all_clips,
            },
        )?,
        CorpusKind::Iemocap {
            excitement,
            dialogs,
            agreement,
            ..
        } => {
            let settings = IemocapSettings {
                excitement: *excitement,
                dialogs: *dialogs,
                agreement: *agreement,
                ..Default::default()
            };
            corpus::iemocap::read(root, &settings)?
        }
        CorpusKind::Manifest {
            path,
            label_map,
            allow_outside,
            language,
            ..
        } => {
            let settings = ManifestSettings {
                path: path.clone(),
                root: root.to_owned(),
                label_map: label_map.clone(),
                allow_outside: *allow_outside,
            };
            corpus::manifest::scan(&settings, cancel, &mut |mut source| {
                if source.language.is_none() {
                    source.language.clone_from(language);
                }
                take(source)
            })?
        }
        CorpusKind::Synthetic { .. } => corpus::synthetic::read(root)?,
        CorpusKind::Joined { parts, .. } => joined::read(root, parts, cancel, &mut take)?,
    };
    std::mem::take(&mut listing.sources)
        .into_iter()
        .try_for_each(&mut take)?;
    // In an order that does not depend on that of a manifest's rows.
    other.sort_by(|a, b| (&a.path, &a.detail).cmp(&(&b.path, &b.detail)));
    listing.set_aside.extend(other);
    listing.set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    listing.corpus.clone_from(&pipeline.corpus.name);
    listing.notes.extend(pipeline.corpus.notes.iter().cloned());
    let lacking: Vec<&str> = wanted
        .iter()
        .filter(|label| !found.contains(*label))
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        let there: Vec<String> = found.iter().map(|class| excerpt(class)).collect();
        listing.warnings.push(format!(
            "no recording is of the class {} of corpus.labels; there are {}",
            lacking.join(", "),
            listed(&there, SHOWN)
        ));
    }
    let sources = sorter.finish()?;
    if sources.is_empty() {
        return Err(unusable::error(&pipeline.corpus.kind, &listing));
    }
    Ok((listing, sources))
}

/// The error of a corpus in which nearly every recording has a class of its own.
fn too_many_classes(root: &Path, found: &BTreeSet<String>) -> Error {
    let some = listed(
        &found.iter().map(|class| excerpt(class)).collect::<Vec<_>>(),
        3,
    );
    Error::data(format!("the recordings under {} have more than {MOST_CLASSES} different classes ({some})", root.display())).hint(
        "look whether the emotion is taken from the right column; classes that belong together are brought together by corpus.label_map, and \
         corpus.labels chooses some of them",
    )
}

/// Content hash of everything that decides the outcome of an ingest: the listing, the candidates
/// and the state of each file.
pub(super) fn fingerprint(
    listing: &Listing,
    sources: &Sources,
    root: &Path,
    workers: &Workers,
    cancel: &Cancel,
) -> Result<String> {
    let as_json = |e| Error::internal("failed to write a listing as JSON").because(e);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(listing).map_err(as_json)?);
    for chunk in chunks(sources.iter()) {
        let chunk = chunk?;
        cancel.check()?;
        let recordings: Vec<&[Source]> = chunk.chunk_by(|a, b| a.path == b.path).collect();
        let states: Vec<_> = workers.pool().install(|| {
            recordings
                .par_iter()
                .map(|group| state(&root.join(&group[0].path)))
                .collect()
        });
        for (group, state) in recordings.into_iter().zip(states) {
            for source in group {
                hasher.update(&serde_json::to_vec(source).map_err(as_json)?);
                hasher.update(format!("{state:?}\n").as_bytes());
            }
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// How the recordings differ from those that the last ingest looked at.
pub(super) fn changes(
    sources: &Sources,
    root: &Path,
    store: &Path,
    cancel: &Cancel,
) -> Result<Changes> {
    let mut last: Option<(String, Option<Stat>)> = None;
    let with_stat = sources.iter().map(|source| {
        let source = source?;
        cancel.check()?;
        let stat = match &last {
            Some((path, stat)) if *path == source.path => *stat,
            _ => Stat::of(&root.join(&source.path)).ok(),
        };
        last = Some((source.path.clone(), stat));
        Ok((source, stat))
    });
    Probes::peek(store).compare(with_stat)
}

/// Whether a file can be opened is part of its state: permissions change without the time of
/// change.
fn state(path: &Path) -> (Option<Stat>, bool) {
    match fs::metadata(path) {
        // Opening a pipe would wait for somebody to write into it.
        Ok(meta) => (
            Some(Stat::from(&meta)),
            meta.is_file() && File::open(path).is_ok(),
        ),
        Err(_) => (None, false),
    }
}

/// A few of the sources after the other.
pub(super) fn chunks(
    sources: impl Iterator<Item = Result<Source>>,
) -> impl Iterator<Item = Result<Vec<Source>>> {
    let mut sources = sources.fuse();
    std::iter::from_fn(move || {
        let chunk: Result<Vec<Source>> = sources.by_ref().take(CHUNK).collect();
        chunk
            .map(|chunk| (!chunk.is_empty()).then_some(chunk))
            .transpose()
    })
}
