//! Which tasks of a plan are done, as their outputs say.

use std::collections::{BTreeMap, BTreeSet};

use super::order::{FEATURES, Order, PREPARE, REPORT, TRAIN};
use super::shard;
use crate::cancel::Cancel;
use crate::cluster::{Done, Run};
use crate::config::Pipeline;
use crate::error::Result;
use crate::orchestrator::{Observer, Store};
use crate::pipeline::options::{Options, Stage};
use crate::pipeline::plan::Decision;
use crate::pipeline::{augment, extract, flow};

/// Reads and verifies the outputs of a plan. `options` are those of [`Order::options`].
///
/// # Errors
/// As [`crate::pipeline::plan`].
pub fn done(
    run: &Run,
    order: &Order,
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Done> {
    let options = Options {
        until: Stage::Report,
        ..options.clone()
    };
    let lines = flow::plan(pipeline, &options, cancel, observer)?;
    let kept: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line.decision == Decision::Keep)
        .map(|line| line.task.as_str())
        .collect();
    let known: BTreeSet<&str> = lines.iter().map(|line| line.task.as_str()).collect();
    let features = kept.contains("ingest")
        && pipeline
            .features
            .sets
            .iter()
            .all(|set| kept.contains(extract::id(*set).as_str()));
    let audited = kept.contains("audit");
    let splits = pipeline.select(&order.experiments)?;
    let copies = splits
        .iter()
        .filter(|e| !e.augment.is_empty())
        .all(|e| kept.contains(augment::id(e.inputs.set).as_str()));
    let split = |name: &str| kept.contains(format!("split/{name}").as_str());
    let prepared =
        features && copies && audited && splits.iter().all(|experiment| split(&experiment.name));
    // Of a fold that the split did not give, nothing is missing.
    let trained =
        |id: &String| kept.contains(id.as_str()) || (prepared && !known.contains(id.as_str()));
    let shards = Store::shared(shard::folder(
        &options.store(&pipeline.name),
        &run.plan().id,
    ));
    let mut done: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for stage in &run.plan().stages {
        let is_done = |index: u32| -> Result<bool> {
            Ok(match stage.name.as_str() {
                FEATURES => {
                    features
                        || shard::find(pipeline, order, &shards, &run.plan().id, index)?.is_some()
                }
                PREPARE => prepared,
                TRAIN => order.of_task(index).iter().all(trained),
                REPORT => kept.len() == lines.len(),
                _ => false,
            })
        };
        let mut indices = BTreeSet::new();
        for index in 0..stage.count {
            if is_done(index)? {
                indices.insert(index);
            }
        }
        done.insert(stage.name.clone(), indices);
    }
    Ok(Done(done))
}
