//! Stable names for people: copies of the current outputs under `data/tables`, `data/models` and `reports`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::extract::FEATURES;
use super::ingest::UTTERANCES;
use super::{evaluate, split, train};
use crate::error::{Error, Result};
use crate::files::{copy_if_changed, hash_bytes};
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
    table_files(folder, ingested, UTTERANCES)?;
    match extracted {
        Some(extracted) => table_files(folder, extracted, FEATURES),
        None => Ok(()),
    }
}

/// Copies all files of a table. What an earlier table had besides goes first: a table without some of its rows is noticed sooner than one with
/// rows of another.
fn table_files(folder: &Path, finished: &Finished, table: &str) -> Result<()> {
    let current = parts(finished, table);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_part(&name, table) && !current.contains(&name.as_str()) {
            fs::remove_file(entry.path()).map_err(|e| Error::io("remove", &entry.path(), e))?;
        }
    }
    current.into_iter().try_for_each(|name| copy_if_changed(&finished.path(name), &folder.join(name)))
}

/// The files of a table among the outputs of a task, in their order.
fn parts<'f>(finished: &'f Finished, table: &str) -> Vec<&'f str> {
    finished.names().filter(|name| is_part(name, table)).collect()
}

fn is_part(name: &str, table: &str) -> bool {
    let number = name.strip_prefix(table).and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|n| n.is_empty() || n.strip_prefix('-').is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit())))
}

/// Content hash of a table, whether it is one file or several.
pub(super) fn table_hash(finished: &Finished, table: &str) -> Result<String> {
    match parts(finished, table).as_slice() {
        [] => Err(Error::internal(format!("task {} wrote no table of {table}", finished.task))),
        [only] => finished.hash(only),
        several => {
            let hashes = several.iter().map(|name| finished.hash(name)).collect::<Result<Vec<_>>>()?;
            Ok(hash_bytes(hashes.join("\n").as_bytes()))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_the_names_of_its_files() {
        for name in ["features.parquet", "features-00000.parquet", "features-123456.parquet"] {
            assert!(is_part(name, FEATURES), "{name}");
        }
        for name in ["features", "features-.parquet", "features-0000x.parquet", "features-two.parquet", "featuresx.parquet", "x.parquet"] {
            assert!(!is_part(name, FEATURES), "{name}");
        }
    }
}
