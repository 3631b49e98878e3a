//! Features of the recordings under a condition: a table for each set and condition, and one for
//! each kind of changed copy that models predict together with a recording.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::extract::{Tables, Writer, table_name};
use super::ingest::Ingested;
use super::missing::{Missing, complete, transient};
use super::open::CHUNK;
use super::pipeline_run::PipelineRun;
use super::publish::table_hash;
use super::rows::{Rows, sound};
use super::stage::{Stage, TaskId};
use super::workers::Workers;
use crate::audio::augment::{self, Augment, Augmenter, Variant};
use crate::audio::disturb::{CODE_VERSION, Disturber};
use crate::audio::{Audio, Condition, Sound};
use crate::config::SetSettings;
use crate::corpus::Utterance;
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::files::{create_folder, hash_bytes};
use crate::orchestrator::{Context, Finished, Identity, Node, Task, Upstream};
use crate::table::rowlog::RowLog;

/// What stands for a condition in keys: of a codec, the program that codes as well. `None` where no
/// program does.
pub(super) fn key(condition: Condition) -> Option<String> {
    let name = condition.name();
    match condition.format() {
        None => Some(name.to_owned()),
        Some(format) => Some(format!("{name}, {}", format.encoder().ok()?.version)),
    }
}

/// Ids of the tables of all sets and conditions.
pub(super) fn ids(run: &PipelineRun) -> impl Iterator<Item = String> {
    let of_set = |set: FeatureSet| {
        Condition::ALL.map(|condition| TaskId::Disturbed(set, condition).to_string())
    };
    run.sets.clone().into_iter().flat_map(of_set)
}

/// The features of a set under a condition.
pub(super) fn node<'n>(
    run: &'n PipelineRun,
    set: FeatureSet,
    condition: Condition,
    wanted: bool,
) -> Node<'n> {
    Node {
        wanted,
        ..Node::new(
            TaskId::Disturbed(set, condition),
            vec![run.utterances().into()],
            move || settings(run, set, condition).map(Some),
            move |inputs| task(run, set, condition, inputs),
        )
    }
}

/// The copies that models of a set predict together with a recording.
fn kinds(run: &PipelineRun, set: FeatureSet) -> Vec<Variant> {
    let of_set = run.pipeline.experiments.iter();
    let of_set = of_set.filter(|one| one.inputs.set == set);
    let kinds = of_set.flat_map(|one| one.test_time_augment.kinds());
    kinds
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The copies with their amounts, where there are any.
fn copies(run: &PipelineRun, set: FeatureSet) -> Option<(Augment, Vec<Variant>)> {
    let kinds = kinds(run, set);
    let amounts = run.pipeline.features.augment?;
    (!kinds.is_empty()).then_some((amounts, kinds))
}

fn settings(run: &PipelineRun, set: FeatureSet, condition: Condition) -> Result<Identity> {
    #[derive(Serialize)]
    struct Key {
        #[serde(flatten)]
        set: SetSettings,
        feature_code_version: u32,
        augment_code_version: u32,
        condition: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        copies: Option<(Augment, Vec<Variant>)>,
    }
    let key = Key {
        set: run.pipeline.features.of(set)?,
        feature_code_version: set.code_version(),
        augment_code_version: augment::CODE_VERSION,
        condition: key(condition),
        copies: copies(run, set),
    };
    Ok(Identity {
        code_version: CODE_VERSION,
        ..run.identity(Stage::Features, key, [])?
    })
}

fn task<'n>(
    run: &'n PipelineRun,
    set: FeatureSet,
    condition: Condition,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let mut identity = settings(run, set, condition)?;
    ingested.enter(&mut identity, Some(run.workers.budget()))?;
    let action = move |context: &Context| extract(run, set, condition, &ingested, context);
    Ok(Task {
        names_inputs: true,
        ..Task::new(TaskId::Disturbed(set, condition), identity, action)
    })
}

/// The tables of an output: what tells their content, and where they lie.
pub(super) fn tables(run: &PipelineRun, set: FeatureSet, finished: &Finished) -> Result<Tables> {
    let own = table_name(set).to_owned();
    let kinds = kinds(run, set).into_iter();
    let names = kinds.map(|kind| format!("{}/{own}", kind.name()));
    let names: Vec<String> = std::iter::once(own.clone()).chain(names).collect();
    let hashes = names.iter().map(|name| table_hash(finished, name));
    let hashes: Vec<String> = hashes.collect::<Result<_>>()?;
    Ok((
        hash_bytes(hashes.join("\n").as_bytes()),
        finished.folder.clone(),
    ))
}

/// Writes the tables. A recording whose features cannot be computed under the condition has no row.
fn extract(
    run: &PipelineRun,
    set: FeatureSet,
    condition: Condition,
    ingested: &Ingested,
    context: &Context,
) -> Result<()> {
    run.rows.close();
    let workers = &run.workers;
    let settings = workers.settings().of(set)?;
    workers.load_encoders(&[set])?;
    let copies = copies(run, set);
    let mut missing = Disturbed {
        set,
        keeps_frames: settings.encoder.is_some_and(|of| of.usage.frames.is_some()),
        copies: copies.as_ref(),
        condition,
        workers,
        log: Rows::scratch(context, settings)?,
        makers: Mutex::default(),
        failed: HashSet::new(),
    };
    complete(&mut missing, ingested, run.root(), workers, context)?;
    let mut log = missing.log;
    workers.rest();
    let (amounts, kinds) = copies.map_or((None, vec![]), |(amounts, kinds)| (Some(amounts), kinds));
    workers.pool().install(|| {
        let own = |hash: &str| sound(hash);
        write(context, ingested, settings, condition, "", &mut log, &own)?;
        for (kind, amounts) in kinds.into_iter().zip(amounts.into_iter().cycle()) {
            let of_copy = |hash: &str| Ok(amounts.copy_of(hash, kind));
            write(
                context,
                ingested,
                settings,
                condition,
                kind.name(),
                &mut log,
                &of_copy,
            )?;
        }
        Ok(())
    })
}

/// Writes the rows of the recordings, or of one kind of copy, into a folder below that of the task.
fn write(
    context: &Context,
    ingested: &Ingested,
    settings: SetSettings,
    condition: Condition,
    below: &str,
    log: &mut RowLog,
    row_of: &dyn Fn(&str) -> Result<blake3::Hash>,
) -> Result<()> {
    let folder = context.folder.join(below);
    create_folder(&folder)?;
    let meta = [("ser.condition", condition.name().to_owned())];
    if !Writer::new(&folder, settings, meta).write(ingested, log, row_of, context)? {
        let (name, what) = (condition.name(), condition.describe());
        return Err(Error::data(format!(
            "no features could be computed of any recording under the condition {name} ({what})"
        ))
        .hint("exclude it with --conditions"));
    }
    Ok(())
}

/// The rows of recordings under a condition, and of their copies.
struct Disturbed<'a> {
    set: FeatureSet,
    keeps_frames: bool,
    copies: Option<&'a (Augment, Vec<Variant>)>,
    condition: Condition,
    workers: &'a Workers,
    log: RowLog,
    /// Those that no thread works with.
    makers: Mutex<Vec<Maker>>,
    /// Sounds without a row.
    failed: HashSet<String>,
}

struct Maker {
    disturber: Disturber,
    augmenter: Option<Augmenter>,
}

impl Disturbed<'_> {
    /// The sound under the condition and its copies, each with the name of its row.
    fn make(&self, audio: &Audio, content_hash: &str) -> Result<Vec<(blake3::Hash, Sound)>> {
        let idle = || self.makers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut maker = taken.unwrap_or_else(|| Maker {
            disturber: Disturber::new(self.condition),
            augmenter: self.copies.map(|(amounts, _)| Augmenter::new(*amounts)),
        });
        let own = maker.disturber.make(audio, content_hash)?;
        let mut sounds = Vec::new();
        if let (Some((amounts, kinds)), Some(augmenter)) = (self.copies, &mut maker.augmenter) {
            let hash = own.content_hash();
            let copy = |kind: &Variant| {
                let copy = augmenter.make(*kind, &own, &hash);
                (amounts.copy_of(content_hash, *kind), Sound::Whole(copy))
            };
            sounds.extend(kinds.iter().map(copy));
        }
        sounds.insert(0, (sound(content_hash)?, Sound::Whole(own)));
        idle().push(maker);
        Ok(sounds)
    }
}

impl Missing for Disturbed<'_> {
    /// Of the recording first, and of each copy that has one.
    type Rows = Vec<(blake3::Hash, Vec<f32>)>;

    /// Frames of an encoder are ten times as large as any other row.
    fn at_once(&self) -> usize {
        match self.keeps_frames {
            true => CHUNK / 16,
            false => CHUNK,
        }
    }

    fn lacks(&self, utterance: &Utterance, sound: blake3::Hash) -> bool {
        !self.log.contains(&sound) && !self.failed.contains(&utterance.content_hash)
    }

    fn compute(
        &self,
        utterance: &Utterance,
        audio: &Sound,
        extracted: &AtomicU64,
    ) -> Result<Self::Rows> {
        let (audio, _permit) = audio.whole(self.workers.budget())?;
        let mut rows = Vec::new();
        for (name, sound) in self.make(&audio, &utterance.content_hash)? {
            match self.workers.extract(&[self.set], &sound).swap_remove(0).1 {
                Ok(row) => rows.push((name, row)),
                // A recording without a row has none of its copies.
                Err(error) if error.kind() == Kind::Data && !rows.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        extracted.fetch_add(1, Ordering::Relaxed);
        Ok(rows)
    }

    fn keep(&mut self, computed: Vec<(&Utterance, Result<Self::Rows>)>) -> Result<()> {
        let (mut new, mut ended) = (Vec::new(), Ok(()));
        for (u, rows) in computed {
            match rows {
                Ok(rows) => new.extend(rows),
                Err(error) if error.kind() == Kind::Data => {
                    self.failed.insert(u.content_hash.clone());
                }
                Err(error) => ended = ended.and(Err(transient(error))),
            }
        }
        let rows = new.iter().map(|(name, row)| (name, row.as_slice()));
        self.log.append(rows)?;
        ended
    }
}
