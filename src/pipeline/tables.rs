//! The tables stage: folds, predictions and figures of all experiments of a pipeline as one table
//! each.

use super::running::Running;
use super::{evaluate, split, train};
use crate::error::Result;
use crate::orchestrator::Context;
use crate::table;

/// What the folds share, as a table.
pub(super) const LEAKAGE: &str = "leakage.parquet";

/// What the tables are made of, by name, where it is all there.
pub(super) fn inputs(experiments: &[Running]) -> Result<Vec<(String, String)>> {
    let mut inputs = Vec::new();
    for experiment in experiments {
        let name = &experiment.experiment.name;
        let Some(split) = &experiment.split else {
            continue;
        };
        inputs.push((format!("split/{name}"), split.hash(split::SPLITS)?));
        inputs.push((format!("split/{name} sharing"), split.hash(split::ABOUT)?));
        if let Some(done) = &experiment.evaluated {
            inputs.push((
                format!("evaluate/{name} predictions"),
                done.hash(train::PREDICTIONS)?,
            ));
            inputs.push((
                format!("evaluate/{name} metrics"),
                done.hash(evaluate::METRICS)?,
            ));
        }
    }
    Ok(inputs)
}

/// Writes the tables of folds, of what they share and, where anything is evaluated, of predictions
/// and metrics.
pub(super) fn write(experiments: &[Running], context: &Context) -> Result<()> {
    let (mut splits, mut leakage, mut predictions, mut metrics, mut labels) =
        (vec![], vec![], vec![], vec![], vec![]);
    for experiment in experiments {
        let Some(split) = &experiment.split else {
            continue;
        };
        splits.extend(table::splits::read(&split.path(split::SPLITS))?);
        let folds = experiment.folds.as_ref();
        leakage.extend(
            folds
                .into_iter()
                .flat_map(|folds| folds.leakage(experiment.experiment)),
        );
        let Some(evaluated) = &experiment.evaluated else {
            continue;
        };
        let (found, rows, _) = table::predictions::read(&evaluated.path(train::PREDICTIONS))?;
        labels = found;
        predictions.extend(rows);
        metrics.extend(table::metrics::read(&evaluated.path(evaluate::METRICS))?);
    }
    let meta = table::Meta::new();
    table::splits::write(&context.folder.join(split::SPLITS), &splits, &meta)?;
    table::leakage::write(&context.folder.join(LEAKAGE), &leakage, &meta)?;
    if !predictions.is_empty() {
        table::predictions::write(
            &context.folder.join(train::PREDICTIONS),
            &labels,
            &predictions,
            &meta,
        )?;
        table::metrics::write(&context.folder.join(evaluate::METRICS), &metrics, &meta)?;
    }
    Ok(())
}
