//! Features of changed copies of the recordings: a table for each kind of copy that an experiment
//! of the pipeline trains on.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::extract::{Tables, Writer, published_name, table_name};
use super::ingest::Ingested;
use super::missing::{Missing, complete, transient};
use super::pipeline_run::PipelineRun;
use super::publish::table_hash;
use super::rows::Rows;
use super::stage::{Stage, TaskId};
use super::workers::Workers;
use crate::audio::Sound;
use crate::audio::augment::{Augment, Augmenter, CODE_VERSION, Copies, Variant};
use crate::config::{Experiment, SetSettings};
use crate::corpus::Utterance;
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::files::{create_folder, hash_bytes};
use crate::orchestrator::{Context, Finished, Identity, Node, Task, Upstream};
use crate::table::rowlog::RowLog;

/// The table of one kind of copy among the outputs of the task.
pub(super) fn output_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}/{}", variant.name(), table_name(set))
}

/// Its name among the tables of all stages.
pub(super) fn variant_name(set: FeatureSet, variant: Variant) -> String {
    format!("{}-{}", published_name(set), variant.name())
}

/// Sets of whose recordings changed copies are trained on by these experiments, with the kinds of
/// copies.
pub(super) fn sets<'e>(
    experiments: impl IntoIterator<Item = &'e Experiment>,
) -> BTreeMap<FeatureSet, Copies> {
    let mut kinds: BTreeMap<FeatureSet, Vec<Variant>> = BTreeMap::new();
    for one in experiments {
        if !one.augment.is_empty() {
            let of_set = kinds.entry(one.inputs.set).or_default();
            of_set.extend(one.augment.kinds());
        }
    }
    (kinds.into_iter())
        .map(|(set, kinds)| (set, Copies::of(kinds)))
        .collect()
}

/// The features of changed copies. They are wanted for the chosen experiments; where only tables
/// are wanted, for those that would be run.
pub(super) fn nodes<'n>(run: &'n PipelineRun) -> Vec<Node<'n>> {
    let Some(amounts) = run.pipeline.features.augment else {
        return vec![];
    };
    let wanted = sets(run.would_run());
    let node = |(set, kinds): (FeatureSet, Copies)| {
        let of_task = kinds.clone();
        Node {
            vital: true,
            wanted: wanted.contains_key(&set),
            ..Node::new(
                TaskId::Augmented(set),
                vec![run.utterances().into()],
                move || settings(run, set, amounts, &kinds).map(Some),
                move |inputs| task(run, set, amounts, &of_task, inputs),
            )
        }
    };
    sets(&run.pipeline.experiments)
        .into_iter()
        .filter(|(set, _)| run.sets.contains(set))
        .map(node)
        .collect()
}

fn settings(
    run: &PipelineRun,
    set: FeatureSet,
    amounts: Augment,
    kinds: &Copies,
) -> Result<Identity> {
    #[derive(Serialize)]
    struct Key<'k> {
        #[serde(flatten)]
        set: SetSettings,
        feature_code_version: u32,
        augment: Augment,
        kinds: &'k Copies,
    }
    let key = Key {
        set: run.pipeline.features.of(set)?,
        feature_code_version: set.code_version(),
        augment: amounts,
        kinds,
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
    kinds: &Copies,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let mut identity = settings(run, set, amounts, kinds)?;
    ingested.enter(&mut identity, Some(run.workers.budget()))?;
    let kinds = kinds.clone();
    let action = move |context: &Context| {
        // The logs of the recordings themselves are done with.
        run.rows.close();
        extract(
            set,
            (amounts, &kinds),
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

/// The tables of some kinds in an output: what tells their content, and where they lie.
pub(super) fn tables(set: FeatureSet, kinds: &Copies, finished: &Finished) -> Result<Tables> {
    let hashes = kinds.kinds().iter();
    let hashes: Vec<String> = hashes
        .map(|variant| table_hash(finished, &output_name(set, *variant)))
        .collect::<Result<_>>()?;
    Ok((
        hash_bytes(hashes.join("\n").as_bytes()),
        finished.folder.clone(),
    ))
}

/// Writes the tables of a set. A copy whose features cannot be computed has no row; training goes
/// without it and says so.
pub(super) fn extract(
    set: FeatureSet,
    (augment, kinds): (Augment, &Copies),
    ingested: &Ingested,
    root: &Path,
    workers: &Workers,
    rows: &Rows,
    context: &Context,
) -> Result<()> {
    let settings = workers.settings().of(set)?;
    workers.load_encoders(&[set])?;
    let mut missing = MissingCopies {
        set,
        augment,
        kinds,
        workers,
        log: rows.augmented(settings)?,
        makers: Mutex::default(),
        failed: HashSet::new(),
    };
    complete(&mut missing, ingested, root, workers, context)?;
    let mut log = missing.log;
    workers.rest();
    workers.pool().install(|| {
        for variant in kinds.kinds().iter().copied() {
            let folder = context.folder.join(variant.name());
            create_folder(&folder)?;
            let meta = [
                ("ser.variant", variant.name().to_owned()),
                ("ser.augment", format!("{augment:?}")),
            ];
            let table = Writer::new(&folder, settings, meta);
            let of_copy = |hash: &str| Ok(augment.copy_of(hash, variant));
            if !table.write(ingested, &mut log, &of_copy, context)? {
                return Err(Error::data(format!(
                    "no features could be computed for the changed copies of any recording ({})",
                    variant.name()
                ))
                .hint("check that the recordings are long enough, and the amounts under features.augment"));
            }
        }
        Ok(())
    })?;
    log.compact()
}

/// The rows of changed copies.
struct MissingCopies<'a> {
    set: FeatureSet,
    augment: Augment,
    kinds: &'a Copies,
    workers: &'a Workers,
    log: RowLog,
    /// Those that no thread works with.
    makers: Mutex<Vec<Augmenter>>,
    /// Sounds of which some copies have no row.
    failed: HashSet<String>,
}

impl MissingCopies<'_> {
    fn missing<'u>(&'u self, content_hash: &'u str) -> impl Iterator<Item = Variant> + 'u {
        self.kinds.kinds().iter().copied().filter(|variant| {
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
