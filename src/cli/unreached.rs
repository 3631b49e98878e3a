//! Settings given on the command line that change nothing of what runs.

use std::path::Path;

use crate::config::{self, Pipeline};
use crate::orchestrator::Observer;

/// Warns of every override of `pipeline`, which was read from `file`, that changes other
/// experiments than those that run: `named` ones, or the default ones.
pub fn warn(
    pipeline: &Pipeline,
    file: &Path,
    corpora_dir: Option<&Path>,
    named: &[String],
    observer: &dyn Observer,
) {
    // Where nothing can run, that is what will be said.
    let Ok(chosen) = pipeline.select(named) else {
        return;
    };
    let running: Vec<&str> = chosen
        .iter()
        .map(|experiment| experiment.name.as_str())
        .collect();
    for i in 0..pipeline.overrides.len() {
        let mut others = pipeline.overrides.clone();
        let text = others.remove(i);
        // One without which the file is wrong does something.
        let Ok(without) = config::load(file, &others, corpora_dir) else {
            continue;
        };
        let reached = reached(pipeline, &without);
        if let Some(reached) =
            reached.filter(|names| !names.iter().any(|name| running.contains(&name.as_str())))
        {
            let pipeline = &pipeline.name;
            let experiments = reached.join(", ");
            observer.warn(format!("{text} reaches nothing of {pipeline} that runs: it changes {experiments} alone; name these with -e"));
        }
    }
}

/// The experiments in which two readings of a file differ; `None` where they are the same, or
/// differ in what is no experiment's.
fn reached(one: &Pipeline, other: &Pipeline) -> Option<Vec<String>> {
    let (one, other) = (one.settings(), other.settings());
    let differ = one
        .keys()
        .chain(other.keys())
        .filter(|key| one.get(*key) != other.get(*key));
    let mut names = differ
        .map(|key| {
            Some(
                key.strip_prefix("experiment.")?
                    .split('.')
                    .next()?
                    .to_owned(),
            )
        })
        .collect::<Option<Vec<_>>>()?;
    names.sort();
    names.dedup();
    (!names.is_empty()).then_some(names)
}
