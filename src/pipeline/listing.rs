//! What a corpus holds before any recording is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;

use super::joined;
use super::open::{CHUNK, Stat};
use super::probes::{Changes, Probes};
use super::workers::Workers;
use crate::cancel::Cancel;
use crate::config::{CorpusKind, Pipeline, SHIPPED};
use crate::corpus::synthetic::SyntheticSettings;
use crate::corpus::{
    self, EmodbSettings, IemocapSettings, Listing, MOST_CLASSES, ManifestSettings, Reason,
    SetAside, Sorter, Source, Sources,
};
use crate::error::{Error, Result};
use crate::orchestrator::{Event, Observer, StaleReason};
use crate::text::{excerpt, listed};

/// Classes named in one message.
const SHOWN: usize = 12;

/// Makes the recordings of a generated corpus where they are not there yet; nothing for any other
/// corpus.
pub(super) fn generate(
    pipeline: &Pipeline,
    pool: &rayon::ThreadPool,
    why: StaleReason,
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
    let map = &pipeline.corpus.label_map;
    // The reader of manifests has the map.
    let is_mapped = !map.is_empty() && !matches!(pipeline.corpus.kind, CorpusKind::Manifest { .. });
    let mut take = |mut source: Source| -> Result<()> {
        cancel.check()?;
        if is_mapped {
            let Some(class) = map.get(&source.emotion) else {
                let detail = format!("class {} is not in the label map", source.emotion);
                other.push(SetAside {
                    path: source.path,
                    reason: Reason::ClassNotUsed,
                    detail,
                });
                return Ok(());
            };
            source.emotion.clone_from(class);
        }
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
            allow_outside,
            language,
            ..
        } => {
            let settings = ManifestSettings {
                path: path.clone(),
                root: root.to_owned(),
                label_map: map.clone(),
                allow_outside: *allow_outside,
            };
            corpus::manifest::scan(&settings, cancel, &mut |mut source| {
                if source.language.is_none() {
                    source.language.clone_from(language);
                }
                take(source)
            })?
        }
        CorpusKind::Audformat {
            emotion, speaker, ..
        } => corpus::audformat::read(root, emotion.as_deref(), speaker.as_deref())?,
        CorpusKind::Synthetic { .. } => corpus::synthetic::read(root)?,
        CorpusKind::Known(one) => corpus::known::read(root, one.kind.corpus())?,
        CorpusKind::Joined { parts, .. } => joined::read(root, parts, cancel, &mut take)?,
    };
    std::mem::take(&mut listing.sources)
        .into_iter()
        .try_for_each(&mut take)?;
    if is_mapped {
        listing.expected = listing.expected.and_then(|expected| expected.mapped(map));
    }
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
        return Err(nothing_usable(&pipeline.corpus.kind, &listing));
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

/// Folders that are looked into for the recordings of a manifest.
const LOOKED_INTO: usize = 64;

/// The error of a corpus of which everything is excluded, or that has nothing.
fn nothing_usable(kind: &CorpusKind, listing: &Listing) -> Error {
    let root = kind.root();
    let nothing = format!("no usable utterance found under {}", root.display());
    if let Some(official) = corpus::official(root).filter(|official| {
        official.kind != kind.name() && !matches!(kind, CorpusKind::Manifest { .. })
    }) {
        let folder = if official.root == root {
            String::new()
        } else {
            format!(" and corpus.root = \"{}\"", official.root.display())
        };
        return Error::data(format!(
            "{nothing} as corpus.kind = \"{}\": this is {}",
            kind.name(),
            official.name
        ))
        .hint(format!(
            "set corpus.kind = \"{0}\"{folder}, or {1}",
            official.kind,
            if SHIPPED.iter().any(|(name, _)| *name == official.kind) {
                format!(
                    "run the pipeline of that corpus: ser init {}",
                    official.kind
                )
            } else {
                "let ser corpus init write a pipeline for the folder".to_owned()
            }
        ));
    }
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    listing
        .set_aside
        .iter()
        .for_each(|one| *counts.entry(one.reason).or_default() += 1);
    let commonest = counts
        .iter()
        .max_by_key(|(reason, count)| (**count, std::cmp::Reverse(**reason)));
    let first = |reason: Reason| listing.set_aside.iter().find(|one| one.reason == reason);
    let Some((reason, count, first)) =
        commonest.and_then(|(reason, count)| Some((*reason, *count, first(*reason)?)))
    else {
        return Error::data(nothing).hint("check corpus.root and corpus.kind in the pipeline file");
    };
    let all = listing.set_aside.len();
    let share = if count == all {
        format!("all {all}")
    } else {
        format!("{count} of {all}")
    };
    let message = format!(
        "{nothing}: {share} excluded ({}), such as {}: {}",
        reason.describe(),
        first.path,
        first.detail
    );
    Error::data(message).hint(hint(kind, reason, first, &listing.warnings))
}

fn hint(kind: &CorpusKind, reason: Reason, first: &SetAside, warnings: &[String]) -> String {
    match (kind, reason) {
        (CorpusKind::Manifest { path, root, .. }, Reason::MissingAudio) => {
            match folder_of(&first.path, path, root) {
                Some(folder) => format!(
                    "set corpus.root = \"{}\", where the recordings lie",
                    folder.display()
                ),
                None => {
                    "set corpus.root to the folder that the manifest's paths start from".to_owned()
                }
            }
        }
        (_, Reason::ClassNotUsed) if !warnings.is_empty() => warnings.join("; "),
        (_, Reason::ClassNotUsed) => {
            "name classes of the corpus in corpus.labels, or its labels in corpus.label_map"
                .to_owned()
        }
        (_, Reason::BadRow) => "mend the rows of the manifest as the example says".to_owned(),
        (_, Reason::Excluded) => {
            "empty the column excluded of the manifest for the recordings to use".to_owned()
        }
        (_, Reason::MissingLabel) => "fill the column emotion of the manifest".to_owned(),
        _ => "check corpus.root and corpus.kind in the pipeline file".to_owned(),
    }
}

/// The folder from which the path of a row would be right: that of the manifest, one above the
/// root, or one right below it.
fn folder_of(named: &str, manifest: &Path, root: &Path) -> Option<PathBuf> {
    let named = named.trim().replace('\\', "/");
    let mut below: Vec<PathBuf> = std::fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    below.sort();
    let above = root.ancestors().skip(1).take(3).map(Path::to_owned);
    let folders = manifest
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .chain(above)
        .chain(below.into_iter().take(LOOKED_INTO));
    folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .find(|folder| folder.join(&named).is_file())
}
