//! Features of changed copies of the recordings: a table for each kind of copy, made only where an
//! experiment trains on them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::extract::{Tables, Writer, published_name, table_name};
use super::ingest::Ingested;
use super::missing::{Missing, complete, transient};
use super::options::Stage;
use super::publish::table_hash;
use super::rows::Rows;
use super::walk::{Later, Seen, Walk};
use super::workers::Workers;
use crate::audio::Sound;
use crate::audio::augment::{Augment, Augmenter, CODE_VERSION, Variant};
use crate::config::{Experiment, SetSettings};
use crate::corpus::Utterance;
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
    let mut missing = MissingCopies {
        set,
        augment,
        workers,
        log: rows.augmented(settings)?,
        makers: Mutex::default(),
        failed: HashSet::new(),
    };
    complete(&mut missing, ingested, root, workers, context)?;
    let mut log = missing.log;
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

/// The rows of changed copies.
struct MissingCopies<'a> {
    set: FeatureSet,
    augment: Augment,
    workers: &'a Workers,
    log: RowLog,
    /// Those that no thread works with.
    makers: Mutex<Vec<Augmenter>>,
    /// Sounds of which some copies have no row.
    failed: HashSet<String>,
}

impl MissingCopies<'_> {
    fn missing<'u>(&'u self, content_hash: &'u str) -> impl Iterator<Item = Variant> + 'u {
        Variant::ALL.into_iter().filter(|variant| {
            let copy = self.augment.copy_of(content_hash, *variant);
            !self.log.contains(&copy)
        })
    }
}

impl Missing for MissingCopies<'_> {
    /// Of each copy that has one, and whether all have.
    type Rows = (Vec<(blake3::Hash, Vec<f32>)>, bool);

    fn lacks(&self, utterance: &Utterance, _sound: blake3::Hash) -> bool {
        !self.failed.contains(&utterance.content_hash)
            && self.missing(&utterance.content_hash).next().is_some()
    }

    fn compute(
        &self,
        utterance: &Utterance,
        audio: &Sound,
        extracted: &AtomicU64,
    ) -> Result<Self::Rows> {
        let content_hash = &utterance.content_hash;
        let (audio, _permit) = audio.whole(self.workers.budget())?;
        let idle = || self.makers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut maker = taken.unwrap_or_else(|| Augmenter::new(self.augment));
        let (mut rows, mut all) = (Vec::new(), true);
        for variant in self.missing(content_hash) {
            let copy = Sound::Whole(maker.make(variant, &audio, content_hash));
            match self.workers.extract(&[self.set], &copy).swap_remove(0).1 {
                Ok(row) => rows.push((self.augment.copy_of(content_hash, variant), row)),
                Err(error) if error.kind() == Kind::Data => all = false,
                Err(error) => return Err(error),
            }
        }
        idle().push(maker);
        extracted.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok((rows, all))
    }

    fn keep(&mut self, computed: Vec<(&Utterance, Result<Self::Rows>)>) -> Result<()> {
        let (mut new, mut ended) = (Vec::new(), Ok(()));
        for (u, rows) in computed {
            let all = match rows {
                Ok((rows, all)) => {
                    new.extend(rows);
                    all
                }
                // A property of the recording, told when its own features were computed.
                Err(error) if error.kind() == Kind::Data => false,
                Err(error) => {
                    ended = ended.and(Err(transient(error)));
                    continue;
                }
            };
            if !all {
                self.failed.insert(u.content_hash.clone());
            }
        }
        self.log
            .append(new.iter().map(|(copy, row)| (copy, row.as_slice())))?;
        ended
    }
}
