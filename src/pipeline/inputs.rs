//! The rows of a table as an experiment sees them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::audio::augment::Variant;
use crate::config::{Experiment, Pipeline};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::split::{Dataset, Fold, Matrix, Role, Variants};
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
    /// Tables of changed copies, where the experiment trains on them.
    pub augmented: Option<&'a Path>,
    pub utterances: &'a [Utterance],
    pub fold: &'a Fold,
    pub seed: u64,
}

/// A row of a set's table as an experiment with `inputs` wants it, before scaling.
///
/// # Errors
/// As [`pool`].
pub(super) fn arrange(inputs: &Inputs, columns: &[String], row: &[f32]) -> Result<Vec<f32>> {
    let layer = inputs.layer.unwrap_or_default();
    match (inputs.frames, inputs.pooling) {
        (Some(frames), _) => Ok(fit_length(row, columns.len(), frames)),
        (None, Some(pooling)) => pool(row, columns.len(), layer, pooling),
        (None, None) => Ok(rearrange(inputs, columns, row)),
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
        let (rows, _) = Rows::read_from(&job.experiment.inputs, &folder.join(variant.name()))?;
        let width = (rows.values.len() / rows.ids.len().max(1)).max(1);
        let columns = columns_in_order(&job.experiment.inputs, &rows.columns).len();
        let mut by_speaker: BTreeMap<&(&str, usize), Clips> = BTreeMap::new();
        for (id, row) in rows.ids.into_iter().zip(rows.values.chunks(width)) {
            let Some(speaker) = speakers.get(id.as_str()) else {
                continue;
            };
            let (ids, rows) = by_speaker.entry(speaker).or_default();
            ids.push(id);
            rows.push(row.to_vec());
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

/// Rows in the order of the table.
pub(super) struct Rows {
    /// Names of the table's columns; of a sequence, of the values of a frame.
    pub columns: Vec<String>,
    ids: Vec<String>,
    /// As [`arrange`] gives them, one after the other.
    values: Vec<f32>,
}

impl Rows {
    /// Reads the table of the experiment's set, with its meta.
    pub(super) fn read(job: &Job) -> Result<(Rows, table::Meta)> {
        Rows::read_from(&job.experiment.inputs, job.features)
    }

    fn read_from(inputs: &Inputs, folder: &Path) -> Result<(Rows, table::Meta)> {
        if let Some(pooling) = inputs.pooling {
            let (layer, mut ids, mut values) = (inputs.layer.unwrap_or_default(), vec![], vec![]);
            let each = |id: &str, _: &str, width: usize, row: &[f32]| {
                ids.push(id.to_owned());
                values.extend(pool(row, width, layer, pooling)?);
                Ok(())
            };
            let (columns, meta) = table::frames::read_parts(folder, each)?;
            return Ok((
                Rows {
                    columns,
                    ids,
                    values,
                },
                meta,
            ));
        }
        if inputs.set.is_sequence() {
            let channels = inputs.set.size();
            let (mut ids, mut values) = (Vec::new(), Vec::new());
            let (columns, meta) = table::frames::read_parts(folder, |id, _, _, row| {
                ids.push(id.to_owned());
                values.extend(fit_length(row, channels, inputs.frames.unwrap_or_default()));
                Ok(())
            })?;
            if columns.len() != channels {
                return Err(Error::internal(format!(
                    "a table of frames of {} values, not {channels}",
                    columns.len()
                )));
            }
            return Ok((
                Rows {
                    columns,
                    ids,
                    values,
                },
                meta,
            ));
        }
        let (table, meta) = table::features::read_parts(folder)?;
        let mut values = Vec::with_capacity(table.values.len());
        for row in table.values.chunks(table.columns.len()) {
            values.extend(arrange(inputs, &table.columns, row)?);
        }
        Ok((
            Rows {
                columns: table.columns,
                ids: table.ids,
                values,
            },
            meta,
        ))
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
            .shape(columns_in_order(&experiment.inputs, &self.columns).len());
        let mut values = Vec::with_capacity(utterances.len() * shape.size());
        let mut rows = self.ids.iter().zip(self.values.chunks(shape.size()));
        for utterance in utterances {
            let row = rows.find(|(id, _)| **id == utterance.source.id);
            let (_, row) = row.ok_or_else(|| {
                Error::internal(format!(
                    "`{}` is not in the table of its features",
                    utterance.source.id
                ))
            })?;
            values.extend_from_slice(row);
        }
        let y = utterances
            .iter()
            .map(|u| labels.binary_search(&u.source.emotion));
        Ok(Dataset {
            ids: utterances.iter().map(|u| u.source.id.clone()).collect(),
            x: Matrix::new(utterances.len(), shape.size(), values),
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
