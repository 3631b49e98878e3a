//! What a task of a plan does: a part of a run.

use super::order::{FEATURES, Order, PREPARE, REPORT, TRAIN};
use super::shard;
use crate::cancel::Cancel;
use crate::cluster::Run;
use crate::config::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::orchestrator::Observer;
use crate::pipeline::flow;
use crate::pipeline::options::{Options, Stage};

/// Does task `index` of `stage`; at once where its verified output is there. `options` are those of
/// [`Order::options`].
///
/// # Errors
/// As [`flow::run`] and [`flow::work`]; `Usage` where the plan has no such task.
pub fn worker(
    run: &Run,
    stage: &str,
    index: u32,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let order = Order::of(run)?;
    let pipeline = order.pipeline()?;
    let plan = &run.plan().id;
    let Some(of) = run.plan().stage(stage).filter(|stage| index < stage.count) else {
        return Err(Error::usage(format!(
            "the plan {plan} has no task {index} of a stage `{stage}`"
        )));
    };
    match of.name.as_str() {
        FEATURES => shard::make(&pipeline, &order, options, plan, index, cancel, observer),
        PREPARE => {
            let shards = run.plan().stage(FEATURES).map_or(0, |stage| stage.count);
            prepare(&pipeline, &order, options, plan, shards, cancel, observer)
        }
        TRAIN => train(&pipeline, order.of_task(index), options, cancel, observer),
        REPORT => whole(&pipeline, options, Stage::Report, cancel, observer),
        other => Err(Error::internal(format!(
            "a plan with the unknown stage `{other}`"
        ))),
    }
}

impl Order {
    /// The trainings of one task.
    pub(super) fn of_task(&self, index: u32) -> &[String] {
        let size = self.trainings_per_task.max(1) as usize;
        self.trainings
            .chunks(size)
            .nth(index as usize)
            .unwrap_or_default()
    }
}

/// A run of everything up to `until`; what fails for one experiment alone fails the task, so that
/// nothing is built upon it.
fn whole(
    pipeline: &Pipeline,
    options: &Options,
    until: Stage,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let outcome = flow::run(
        pipeline,
        &Options {
            until,
            ..options.clone()
        },
        cancel,
        observer,
    )?;
    outcome.failures.into_iter().next().map_or(Ok(()), Err)
}

fn prepare(
    pipeline: &Pipeline,
    order: &Order,
    options: &Options,
    plan: &str,
    shards: u32,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let store = options.store(&pipeline.name);
    {
        let _lock = flow::lock(options, &store, cancel, observer)?;
        shard::take_in(pipeline, order, options, plan, shards, cancel)?;
    }
    whole(pipeline, options, Stage::Split, cancel, observer)?;
    // The store has it all now; what is left of them costs nothing but room.
    let _ = std::fs::remove_dir_all(shard::folder(&store, plan));
    Ok(())
}

fn train(
    pipeline: &Pipeline,
    ids: &[String],
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let mut first: Option<Error> = None;
    for id in ids {
        match flow::work(pipeline, options, id, cancel, observer) {
            Ok(true) => {}
            Ok(false) => observer.note(format!("{id}: the split has no such fold")),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    first.map_or(Ok(()), Err)
}
