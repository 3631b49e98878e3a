//! The rows of a table as an experiment sees them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::audio::augment::Variant;
use crate::config::{Experiment, Pipeline};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::split::{Dataset, Fold, Matrix, Role, RowView, Variants};
use crate::table;
use crate::transform::{
    Inputs, ScalerKind, columns_in_order, fit_length, pool, rearrange, standardise_speaker,
    standardise_speakers,
};

/// What one training task is about.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub pipeline: &'a Pipeline,
    pub experiment: &'a Experiment,
    pub features: &'a Path,
    /// Where tables of features are shared with other trainings.
    pub tables: &'a TableCache,
    /// Tables of changed copies, where the experiment trains on them.
    pub augmented: Option<&'a Path>,
    pub utterances: &'a [Utterance],
    pub fold: &'a Fold,
    pub seed: u64,
}

/// A row of a set's table as an experiment with `inputs` wants it, before scaling.
pub(super) fn arrange(inputs: &Inputs, columns: &[String], row: &[f32]) -> Result<Vec<f32>> {
    let layer = inputs.layer.unwrap_or_default();
    match (inputs.frames, inputs.pooling) {
        (Some(frames), _) => Ok(fit_length(row, columns.len(), frames)),
        (None, Some(pooling)) => pool(row, columns.len(), layer, pooling),
        (None, None) => Ok(rearrange(inputs, columns, row)),
    }
}

/// What is made once for all folds whose models see the corpus with the same inputs: a search may have
/// chosen others for another fold.
pub(super) struct ByInputs<V>(Vec<(Inputs, V)>);

impl<V> ByInputs<V> {
    pub(super) fn new() -> Self {
        ByInputs(Vec::new())
    }

    /// What was made for these inputs, or what `make` makes for them.
    pub(super) fn get(&mut self, inputs: &Inputs, make: impl FnOnce() -> Result<V>) -> Result<&V> {
        let at = match self.0.iter().position(|(known, _)| known == inputs) {
            Some(at) => at,
            None => {
                self.0.push((*inputs, make()?));
                self.0.len() - 1
            }
        };
        Ok(&self.0[at].1)
    }
}

/// The rows of changed copies, where the experiment trains on them. Where every speaker is scaled,
/// the copies of one kind count as a speaker's own, by what is trained on alone.
pub(super) fn variants(job: &Job) -> Result<Variants> {
    let Some(folder) = job.augmented else {
        return Ok(Variants::default());
    };
    let trained = job
        .utterances
        .iter()
        .zip(&job.fold.roles)
        .filter(|(_, role)| **role == Some(Role::Train))
        .map(|(u, _)| u);
    copies(
        job,
        folder,
        job.experiment.augment.kinds(),
        trained.map(|u| (u, 0)),
    )
}

/// The rows of the copies that are predicted with the tested recordings, which alone may take them:
/// [`crate::split::Part::copies`]. Where every speaker is scaled, it is by all of the speaker's
/// copies of one kind, as the recordings themselves are; with `pools`, one for each utterance, by
/// those of the same pool.
pub(super) fn tested_copies(job: &Job, pools: Option<&[Option<usize>]>) -> Result<Variants> {
    let Some(folder) = job.augmented else {
        return Ok(Variants::default());
    };
    let pool = |i: usize| pools.map_or(Some(0), |pools| pools[i]);
    let pooled = job
        .utterances
        .iter()
        .enumerate()
        .filter_map(|(i, u)| Some((u, pool(i)?)));
    copies(
        job,
        folder,
        job.experiment.test_time_augment.kinds(),
        pooled,
    )
}

/// Ids and rows of one speaker's clips.
type Clips = (Vec<String>, Vec<Vec<f32>>);

/// Copies of these utterances, each with the number of the pool within which its speaker is scaled.
fn copies<'j>(
    job: &Job<'j>,
    folder: &Path,
    kinds: &[Variant],
    of: impl Iterator<Item = (&'j Utterance, usize)>,
) -> Result<Variants> {
    let mut variants = Variants::default();
    let speakers: HashMap<&str, (&str, usize)> = of
        .map(|(u, pool)| (u.source.id.as_str(), (u.source.speaker.as_str(), pool)))
        .collect();
    for variant in kinds {
        let rows = Rows::read_from(&job.experiment.inputs, &folder.join(variant.name()))?;
        let columns = rows.names(&job.experiment.inputs).len();
        let mut by_speaker: BTreeMap<&(&str, usize), Clips> = BTreeMap::new();
        for (row, id) in rows.ids.into_iter().enumerate() {
            let Some(speaker) = speakers.get(id.as_str()) else {
                continue;
            };
            let (ids, clips) = by_speaker.entry(speaker).or_default();
            ids.push(id);
            clips.push(rows.x.row(row).to_vec());
        }
        if job.experiment.inputs.scaler == ScalerKind::PerSpeaker {
            by_speaker
                .values_mut()
                .for_each(|(_, rows)| standardise_speaker(rows, columns));
        }
        variants.add(
            variant.name(),
            by_speaker
                .into_values()
                .flat_map(|(ids, rows)| ids.into_iter().zip(rows)),
        );
    }
    Ok(variants)
}

/// A table in memory, as experiments with the same inputs see it.
pub(super) struct Rows {
    /// Names of the table's columns; of a sequence, of the values of a frame.
    pub columns: Vec<String>,
    pub meta: table::Meta,
    ids: Vec<String>,
    /// As [`arrange`] gives them, in the order of the table.
    x: Matrix,
}

/// The tables of features that the tasks of a run hold, and the one that was asked for last.
#[derive(Default)]
pub(super) struct TableCache(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    held: Vec<(PathBuf, Inputs, Weak<Rows>)>,
    last: Option<Arc<Rows>>,
}

impl TableCache {
    /// The table in a folder as `inputs` have it before scaling, read once however many tasks want
    /// it, whether at the same time or one after the other.
    ///
    /// # Errors
    /// As the reading of tables.
    fn read(&self, inputs: &Inputs, folder: &Path) -> Result<Arc<Rows>> {
        // What a scaler or a clip does comes later.
        let inputs = Inputs {
            scaler: ScalerKind::None,
            clip: None,
            ..*inputs
        };
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.held.retain(|(_, _, rows)| rows.strong_count() > 0);
        let is_it = |(of, as_of, _): &&(PathBuf, Inputs, _)| of == folder && *as_of == inputs;
        let found = tables.held.iter().find(is_it);
        let rows = match found.and_then(|(_, _, rows)| rows.upgrade()) {
            Some(rows) => rows,
            None => {
                // The next table comes in the place of the last, and not beside it.
                tables.last = None;
                let rows = Arc::new(Rows::read_from(&inputs, folder)?);
                let held = (folder.to_owned(), inputs, Arc::downgrade(&rows));
                tables.held.push(held);
                rows
            }
        };
        tables.last = Some(Arc::clone(&rows));
        Ok(rows)
    }

    /// Lets go of the table that was asked for last, once no training is left.
    pub(super) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last = None;
    }
}

impl Rows {
    /// The table of the experiment's set.
    pub(super) fn read(job: &Job) -> Result<Arc<Rows>> {
        job.tables.read(&job.experiment.inputs, job.features)
    }

    fn read_from(inputs: &Inputs, folder: &Path) -> Result<Rows> {
        if let Some(frames) = inputs.frames {
            let (mut ids, mut values) = (Vec::new(), Vec::new());
            let (columns, meta) = table::frames::read_parts(folder, |id, _, channels, row| {
                ids.push(id.to_owned());
                values.extend(fit_length(row, channels, frames));
                Ok(())
            })?;
            return Ok(Rows {
                x: Matrix::new(ids.len(), columns.len() * frames, values),
                columns,
                meta,
                ids,
            });
        }
        if let Some(pooling) = inputs.pooling {
            let (layer, mut ids, mut values) = (inputs.layer.unwrap_or_default(), vec![], vec![]);
            let each = |id: &str, _: &str, width: usize, row: &[f32]| {
                ids.push(id.to_owned());
                values.extend(pool(row, width, layer, pooling)?);
                Ok(())
            };
            let (columns, meta) = table::frames::read_parts(folder, each)?;
            return Ok(Rows {
                x: Matrix::new(ids.len(), values.len() / ids.len().max(1), values),
                columns,
                meta,
                ids,
            });
        }
        let (table, meta) = table::features::read_parts(folder)?;
        let (ids, columns, mut values) = (table.ids, table.columns, table.values);
        for row in values.chunks_mut(columns.len().max(1)) {
            let arranged = arrange(inputs, &columns, row)?;
            row.copy_from_slice(&arranged);
        }
        Ok(Rows {
            x: Matrix::new(ids.len(), columns.len(), values),
            columns,
            meta,
            ids,
        })
    }

    /// The ids of the rows, in the order of the table.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The names of a row's values as a model sees them; of a sequence, of those of a frame.
    pub(super) fn names(&self, inputs: &Inputs) -> Vec<String> {
        columns_in_order(inputs, &self.columns, self.x.cols())
    }

    /// The rows of the utterances with their labels, with what is done to speakers done.
    pub(super) fn dataset(
        &self,
        utterances: &[Utterance],
        experiment: &Experiment,
    ) -> Result<Dataset> {
        let mut data = self.unscaled(utterances, experiment)?;
        if experiment.inputs.scaler == ScalerKind::PerSpeaker {
            standardise_speakers(&mut data);
        }
        Ok(data)
    }

    /// The rows of the utterances with their labels. Another set may lack some that this table has.
    pub(super) fn unscaled(
        &self,
        utterances: &[Utterance],
        experiment: &Experiment,
    ) -> Result<Dataset> {
        let mut labels: Vec<String> = utterances
            .iter()
            .map(|u| u.source.emotion.clone())
            .collect();
        labels.sort();
        labels.dedup();
        let shape = experiment
            .inputs
            .shape(self.names(&experiment.inputs).len());
        let mut rows = self.ids.iter().enumerate();
        let mut index = Vec::with_capacity(utterances.len());
        for utterance in utterances {
            let row = rows.find(|(_, id)| **id == utterance.source.id);
            let (row, _) = row.ok_or_else(|| {
                Error::internal(format!(
                    "`{}` is not in the table of its features",
                    utterance.source.id
                ))
            })?;
            index.push(row);
        }
        let y = utterances
            .iter()
            .map(|u| labels.binary_search(&u.source.emotion));
        Ok(Dataset {
            ids: utterances.iter().map(|u| u.source.id.clone()).collect(),
            x: RowView::from(self.x.clone()).select(&index),
            shape,
            y: y.collect::<Result<_, _>>()
                .map_err(|_| Error::internal("a label got lost between two tables"))?,
            speakers: utterances
                .iter()
                .map(|u| u.source.speaker.clone())
                .collect(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FeatureSet, names};
    use crate::table::features::Writer;

    #[test]
    fn a_table_is_read_once_for_all_scalers_and_again_once_it_was_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let columns = names(FeatureSet::Issa193);
        let mut table = Writer::new(folder.path(), columns.clone(), &table::Meta::new());
        for (id, first) in [("a", 1), ("b", 1000)] {
            let row: Vec<f32> = (0..columns.len()).map(|at| (first + at) as f32).collect();
            table.push(id, "0", &row).unwrap();
        }
        table.finish().unwrap();
        let inputs = Inputs::default();
        let other = Inputs {
            log_mel: true,
            ..inputs
        };
        let scaled = Inputs {
            scaler: ScalerKind::PerSpeaker,
            clip: Some(3),
            ..inputs
        };
        let tables = TableCache::default();
        let read = |inputs: &Inputs| tables.read(inputs, folder.path()).unwrap();
        let first = read(&inputs);
        assert!(Arc::ptr_eq(&first, &read(&inputs)) && Arc::ptr_eq(&first, &read(&scaled)));
        let logarithms = read(&other);
        assert!(!Arc::ptr_eq(&first, &logarithms) && first.x != logarithms.x);
        assert!(Arc::ptr_eq(&first, &read(&inputs)));
        let held = Arc::downgrade(&first);
        drop(first);
        tables.release();
        assert!(held.upgrade().is_none());
    }
}
