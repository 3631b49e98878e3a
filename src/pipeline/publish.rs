//! Stable names for people: copies of the current outputs under `data/tables`, `data/models` and `reports`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{evaluate, extract, ingest, split, train};
use crate::error::{Error, Result};
use crate::files::copy_if_changed;
use crate::orchestrator::Finished;
use crate::table;

/// What there is to publish of one experiment.
pub(super) struct Published<'a> {
    pub name: &'a str,
    pub split: &'a Finished,
    pub trained: &'a [Finished],
    pub evaluated: Option<&'a Finished>,
}

/// The tables of ingest and features.
pub(super) fn base_tables(folder: &Path, ingested: &Finished, extracted: Option<&Finished>) -> Result<()> {
    copy_if_changed(&ingested.path(ingest::UTTERANCES), &folder.join("utterances.parquet"))?;
    match extracted {
        Some(extracted) => copy_if_changed(&extracted.path(extract::FEATURES), &folder.join("features.parquet")),
        None => Ok(()),
    }
}

/// The tables of folds, and where they are evaluated of predictions and metrics, over all experiments.
pub(super) fn experiment_tables(folder: &Path, experiments: &[Published]) -> Result<()> {
    let (mut splits, mut predictions, mut metrics, mut labels) = (vec![], vec![], vec![], vec![]);
    for experiment in experiments {
        splits.extend(table::splits::read(&experiment.split.path(split::SPLITS))?);
        let Some(evaluated) = experiment.evaluated else { continue };
        let (found, rows, _) = table::predictions::read(&evaluated.path(train::PREDICTIONS))?;
        labels = found;
        predictions.extend(rows);
        metrics.extend(table::metrics::read(&evaluated.path(evaluate::METRICS))?);
    }
    let meta = table::Meta::new();
    if !splits.is_empty() {
        table::splits::write(&folder.join("splits.parquet"), &splits, &meta)?;
    }
    if !predictions.is_empty() {
        table::predictions::write(&folder.join("predictions.parquet"), &labels, &predictions, &meta)?;
        table::metrics::write(&folder.join("metrics.parquet"), &metrics, &meta)?;
    }
    Ok(())
}

/// The saved models: `<folder>/<experiment>/<fold and seed>/`. Those of earlier settings go: a folder of models is one experiment.
pub(super) fn models(folder: &Path, experiment: &Published) -> Result<()> {
    const CARD: &str = "model.json";
    let folder = folder.join(experiment.name);
    let mut current = BTreeSet::new();
    for finished in experiment.trained {
        let leaf = finished.task.rsplit('/').next().unwrap_or(&finished.task);
        current.insert(leaf.to_owned());
        let copy = |name: &str| copy_if_changed(&finished.path(&format!("{}/{name}", train::MODEL)), &folder.join(leaf).join(name));
        let names = finished.names().filter_map(|n| n.strip_prefix("model/"));
        names.filter(|name| *name != CARD).try_for_each(copy)?;
        // The card vouches for the weights beside it, so it comes after them.
        copy(CARD)?;
    }
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("fold-") && !current.contains(&name) {
            fs::remove_dir_all(entry.path()).map_err(|e| Error::io("remove", &entry.path(), e))?;
        }
    }
    Ok(())
}
