//! Features of changed copies of the recordings: a table for each kind of copy, made only where an
//! experiment trains on them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::extract::{Tables, Writer, published_name, table_name};
use super::ingest::{Ingested, contradicted};
use super::open::{CHUNK, Opener};
use super::options::Stage;
use super::publish::table_hash;
use super::rows::Rows;
use super::walk::{Later, Seen, Walk};
use super::workers::Workers;
use crate::audio::augment::{Augment, Augmenter, CODE_VERSION, Variant};
use crate::audio::{Audio, Sound};
use crate::config::{Experiment, SetSettings};
use crate::corpus::{Source, Utterance};
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::files::{create_folder, hash_bytes};
use crate::orchestrator::{Context, Finished, Identity, Task};
use crate::table;
use crate::table::rowlog::RowLog;

/// Id of the task of a set.
pub(super) fn id(set: FeatureSet) -> String {
    format!("features/{}-augmented", set.name())
}

/// The table of one kind of copy among the outputs of the task.
pub(super) fn output_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}/{}", variant.name(), table_name(set))
}

/// Its name among the tables of all stages.
pub(super) fn variant_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}-{}", published_name(set), variant.name())
}

/// What a walk has of the copies, set by set.
#[derive(Default)]
pub(super) struct Augmented(pub Vec<(FeatureSet, Seen<Finished>)>);

impl Augmented {
    /// The first that is not there.
    pub(super) fn later(&self) -> Option<&Later> {
        self.0.iter().find_map(|(_, seen)| match seen {
            Seen::There(_) => None,
            Seen::Later(later) => Some(later),
        })
    }

    /// Whether anything is known of the copies for a set.
    pub(super) fn knows(&self, set: FeatureSet) -> bool {
        self.0.iter().any(|(of, _)| *of == set)
    }

    /// Those that are there.
    pub(super) fn there(&self) -> impl Iterator<Item = (FeatureSet, &Finished)> {
        self.0
            .iter()
            .filter_map(|(set, seen)| Some((*set, seen.there()?)))
    }

    /// The content of all tables and where they lie, set by set.
    pub(super) fn tables(&self) -> Result<Vec<(FeatureSet, Seen<Tables>)>> {
        let one = |(set, seen): &(FeatureSet, Seen<Finished>)| {
            Ok((
                *set,
                match seen {
                    Seen::There(done) => {
                        let hashes = Variant::ALL
                            .map(|variant| table_hash(done, &output_name(*set, variant)));
                        let hashes: Vec<String> = hashes.into_iter().collect::<Result<_>>()?;
                        Seen::There((
                            hash_bytes(hashes.join("\n").as_bytes()),
                            done.folder.clone(),
                        ))
                    }
                    Seen::Later(later) => Seen::Later(later.clone()),
                },
            ))
        };
        self.0.iter().map(one).collect()
    }
}

impl Walk<'_> {
    /// Sets of whose recordings changed copies are trained on by these experiments; where only
    /// tables are wanted, by those that would be run.
    pub(super) fn augmenting(&self, chosen: &[&Experiment]) -> BTreeSet<FeatureSet> {
        let would_run = match self.options.until {
            Stage::Features => self
                .pipeline
                .select(&self.options.experiments)
                .unwrap_or_default(),
            _ => vec![],
        };
        chosen
            .iter()
            .copied()
            .chain(would_run)
            .filter(|e| !e.augment.is_empty())
            .map(|e| e.inputs.set)
            .collect()
    }

    /// The features of changed copies, where they are wanted; of other experiments, what is there
    /// of them.
    pub(super) fn augment(&self, ingested: &Ingested, chosen: &[&Experiment]) -> Result<Augmented> {
        let mut augmented = Augmented::default();
        let (Some(amounts), wanted) = (self.pipeline.features.augment, self.augmenting(chosen))
        else {
            return Ok(augmented);
        };
        let sets: BTreeSet<FeatureSet> = self
            .pipeline
            .experiments
            .iter()
            .filter(|e| !e.augment.is_empty())
            .map(|e| e.inputs.set)
            .collect();
        for set in sets {
            let mut identity = self.augmented_identity(
                set,
                amounts,
                [("utterances", ingested.summary.sounds.clone())],
            )?;
            identity.inputs.extend(
                ingested
                    .too_long(self.workers.budget())?
                    .map(|(name, hash)| (name.to_owned(), hash)),
            );
            let action = |context: &Context| {
                extract(
                    set,
                    amounts,
                    ingested,
                    self.root(),
                    &self.workers,
                    &self.rows,
                    context,
                )
            };
            let task = Task::new(id(set), identity, action);
            if wanted.contains(&set) {
                augmented.0.push((
                    set,
                    self.single(task, vec![self.utterances().into()], || false)?,
                ));
            } else {
                augmented
                    .0
                    .extend(self.finished(&task)?.map(|done| (set, Seen::There(done))));
            }
        }
        self.workers.rest();
        Ok(augmented)
    }

    pub(super) fn augmented_identity<const N: usize>(
        &self,
        set: FeatureSet,
        amounts: Augment,
        inputs: [(&str, String); N],
    ) -> Result<Identity> {
        #[derive(Serialize)]
        struct Key {
            #[serde(flatten)]
            set: SetSettings,
            feature_code_version: u32,
            augment: Augment,
        }
        let key = Key {
            set: self.pipeline.features.of(set),
            feature_code_version: set.code_version(),
            augment: amounts,
        };
        let identity = self.identity(Stage::Features, key, inputs)?;
        Ok(Identity {
            code_version: CODE_VERSION,
            ..identity
        })
    }
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
            let copy = Sound::Whole(maker.make(*variant, audio, content_hash));
            match self.workers.extract(&[self.set], &copy).swap_remove(0).1 {
                Ok(row) => rows.push((self.augment.copy_of(content_hash, *variant), row)),
                Err(error) if error.kind() == Kind::Data => {}
                Err(error) => return Err(error),
            }
        }
        idle().push(maker);
        Ok(rows)
    }
}
