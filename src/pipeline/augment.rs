//! Features of changed copies of the recordings: a table for each kind of copy, made only where an
//! experiment trains on them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::extract::{Tables, Writer, published_name, table_name};
use super::graph::{Stage, TaskId};
use super::ingest::{Ingested, contradicted};
use super::open::{CHUNK, Opener};
use super::pipeline_run::PipelineRun;
use super::publish::table_hash;
use super::rows::Rows;
use super::workers::Workers;
use crate::audio::augment::{Augment, Augmenter, CODE_VERSION, Variant};
use crate::audio::{Audio, Sound};
use crate::config::{Experiment, SetSettings};
use crate::corpus::{Source, Utterance};
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::files::{create_folder, hash_bytes};
use crate::orchestrator::{Context, Finished, Identity, Node, Task, Upstream};
use crate::table;
use crate::table::rowlog::RowLog;

/// The table of one kind of copy among the outputs of the task.
pub(super) fn output_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}/{}", variant.name(), table_name(set))
}

/// Its name among the tables of all stages.
pub(super) fn variant_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}-{}", published_name(set), variant.name())
}

/// Sets of whose recordings changed copies are trained on by these experiments.
pub(super) fn sets<'e>(
    experiments: impl IntoIterator<Item = &'e Experiment>,
) -> BTreeSet<FeatureSet> {
    let augmented = experiments
        .into_iter()
        .filter(|one| !one.augment.is_empty());
    augmented.map(|one| one.inputs.set).collect()
}

/// The features of changed copies. They are wanted for the chosen experiments; where only tables
/// are wanted, for those that would be run.
pub(super) fn nodes<'n>(run: &'n PipelineRun) -> Vec<Node<'n>> {
    let Some(amounts) = run.pipeline.features.augment else {
        return vec![];
    };
    let would_run = match run.options.until {
        Stage::Features => (run.pipeline.select(&run.options.experiments)).unwrap_or_default(),
        _ => run.chosen.clone(),
    };
    let wanted = sets(would_run);
    let node = |set: FeatureSet| Node {
        vital: true,
        wanted: wanted.contains(&set),
        ..Node::new(
            TaskId::Augmented(set),
            vec![run.utterances().into()],
            move || settings(run, set, amounts).map(Some),
            move |inputs| task(run, set, amounts, inputs),
        )
    };
    sets(&run.pipeline.experiments)
        .into_iter()
        .map(node)
        .collect()
}

fn settings(run: &PipelineRun, set: FeatureSet, amounts: Augment) -> Result<Identity> {
    #[derive(Serialize)]
    struct Key {
        #[serde(flatten)]
        set: SetSettings,
        feature_code_version: u32,
        augment: Augment,
    }
    let key = Key {
        set: run.pipeline.features.of(set),
        feature_code_version: set.code_version(),
        augment: amounts,
    };
    Ok(Identity {
        code_version: CODE_VERSION,
        ..run.identity(Stage::Features, key, [])?
    })
}

fn task<'n>(
    run: &'n PipelineRun,
    set: FeatureSet,
    amounts: Augment,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let mut identity = settings(run, set, amounts)?;
    identity
        .inputs
        .insert("utterances".to_owned(), ingested.summary.sounds.clone());
    identity.inputs.extend(
        ingested
            .too_long(run.workers.budget())?
            .map(|(name, hash)| (name.to_owned(), hash)),
    );
    let action = move |context: &Context| {
        // The logs of the recordings themselves are done with.
        run.rows.close();
        extract(
            set,
            amounts,
            &ingested,
            run.root(),
            &run.workers,
            &run.rows,
            context,
        )
    };
    Ok(Task {
        names_inputs: true,
        ..Task::new(TaskId::Augmented(set), identity, action)
    })
}

/// The tables of an output: what tells their content, and where they lie.
pub(super) fn tables(set: FeatureSet, finished: &Finished) -> Result<Tables> {
    let hashes = Variant::ALL.map(|variant| table_hash(finished, &output_name(set, variant)));
    let hashes: Vec<String> = hashes.into_iter().collect::<Result<_>>()?;
    Ok((
        hash_bytes(hashes.join("\n").as_bytes()),
        finished.folder.clone(),
    ))
}

/// Writes the tables of a set. A copy whose features cannot be computed has no row; training goes
/// without it and says so.
pub(super) fn extract(
    set: FeatureSet,
    augment: Augment,
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    rows: &Rows,
    context: &Context,
) -> Result<()> {
    let settings = workers.settings().of(set);
    let mut log = rows.augmented(settings)?;
    let copies = Copies {
        set,
        augment,
        workers,
        context,
        makers: Mutex::default(),
        total: ingested.summary.utterances,
    };
    copies.complete(ingested, root, &mut log)?;
    workers.rest();
    workers.pool().install(|| {
        for variant in Variant::ALL {
            let folder = context.folder.join(variant.name());
            create_folder(&folder)?;
            let mut table =
                Writer::new(&folder, settings, [("ser.variant", variant.name().to_owned()), ("ser.augment", format!("{augment:?}"))]);
            let mut row = Vec::new();
            for batch in table::utterances::stream(&ingested.finished.folder) {
                context.cancel.check()?;
                for u in batch? {
                    if log.get(&augment.copy_of(&u.content_hash, variant), &mut row)? {
                        table.push(&u.source.id, &u.content_hash, &row)?;
                    }
                }
            }
            if table.rows() == 0 {
                return Err(Error::data(format!(
                    "no features could be computed for the changed copies of any recording ({})",
                    variant.name()
                ))
                .hint("check that the recordings are long enough, and the amounts under features.augment"));
            }
            table.finish()?;
        }
        Ok(())
    })?;
    log.compact()
}

/// The making of copies and of their features.
struct Copies<'a> {
    set: FeatureSet,
    augment: Augment,
    workers: &'a Workers,
    context: &'a Context<'a>,
    /// Those that no thread works with.
    makers: Mutex<Vec<Augmenter>>,
    total: u64,
}

impl Copies<'_> {
    /// Computes what the log lacks.
    fn complete(&self, ingested: &Ingested, root: &Path, log: &mut RowLog) -> Result<()> {
        let (mut opener, extracted) = (Opener::new(root), AtomicU64::new(0));
        let mut waiting: Vec<(Utterance, Vec<Variant>)> = Vec::new();
        let (mut sounds, mut passed): (HashSet<String>, u64) = Default::default();
        for batch in table::utterances::stream(&ingested.finished.folder) {
            self.context.cancel.check()?;
            for u in batch? {
                passed += 1;
                let lacking = |variant: &Variant| {
                    !log.contains(&self.augment.copy_of(&u.content_hash, *variant))
                };
                let lacks: Vec<Variant> = Variant::ALL.into_iter().filter(lacking).collect();
                if !lacks.is_empty() && sounds.insert(u.content_hash.clone()) {
                    waiting.push((u, lacks));
                }
                if waiting.len() == CHUNK {
                    self.compute(&waiting, &mut opener, passed, &extracted, log)?;
                    waiting.clear();
                }
            }
        }
        self.compute(&waiting, &mut opener, passed, &extracted, log)
    }

    fn compute(
        &self,
        waiting: &[(Utterance, Vec<Variant>)],
        opener: &mut Opener,
        passed: u64,
        extracted: &AtomicU64,
        log: &mut RowLog,
    ) -> Result<()> {
        let sources: Vec<&Source> = waiting.iter().map(|(u, _)| &u.source).collect();
        let before = passed - waiting.len() as u64;
        let done = AtomicU64::new(before);
        let rows = |i: usize, sound: Result<&Sound>| -> Result<Vec<(blake3::Hash, Vec<f32>)>> {
            let (u, lacks) = &waiting[i];
            let rows = sound.and_then(|sound| {
                if sound.content_hash() != u.content_hash {
                    return Err(contradicted(&u.source.path));
                }
                let (audio, _permit) = sound.whole(self.workers.budget())?;
                self.rows(&audio, &u.content_hash, lacks)
            });
            extracted.fetch_add(
                rows.as_ref().map_or(0, |rows| rows.len() as u64),
                Ordering::Relaxed,
            );
            let now = done.fetch_add(1, Ordering::Relaxed) + 1;
            if now.is_multiple_of(8) || now == before + waiting.len() as u64 {
                self.context.progress(
                    now,
                    self.total,
                    "files",
                    format!("{} extracted", extracted.load(Ordering::Relaxed)),
                );
            }
            rows
        };
        let computed = opener.each(&sources, self.workers, self.context.cancel, rows);
        let mut stopped = self.context.cancel.check();
        let mut made = Vec::new();
        for rows in computed.into_iter().flatten() {
            match rows {
                Ok(rows) => made.extend(rows),
                // What is a property of the recording was said when the recording itself was looked
                // at.
                Err(error) if error.kind() == Kind::Data => {}
                Err(error) => {
                    stopped = stopped.and(Err(
                        error.hint("run the same command again: what was computed is kept")
                    ))
                }
            }
        }
        log.append(made.iter().map(|(copy, row)| (copy, row.as_slice())))?;
        stopped
    }

    /// The rows of some copies of a sound; of a copy of which none can be computed, no row.
    fn rows(
        &self,
        audio: &Audio,
        content_hash: &str,
        wanted: &[Variant],
    ) -> Result<Vec<(blake3::Hash, Vec<f32>)>> {
        let idle = || self.makers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut maker = taken.unwrap_or_else(|| Augmenter::new(self.augment));
        let mut rows = Vec::with_capacity(wanted.len());
        for variant in wanted {
            match self.workers.extract(
                self.set,
                &Sound::Whole(maker.make(*variant, audio, content_hash)),
            ) {
                Ok(row) => rows.push((self.augment.copy_of(content_hash, *variant), row)),
                Err(error) if error.kind() == Kind::Data => {}
                Err(error) => return Err(error),
            }
        }
        idle().push(maker);
        Ok(rows)
    }
}
