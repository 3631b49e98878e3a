//! `gc`: what no recent run refers to.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{Args, Gc};
use super::{print, system};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::history::History;
use crate::orchestrator::{Garbage, Lock, Observer, Owner, Store};

/// Says what would be removed; removes it with `--yes`.
pub fn gc(gc: &Gc, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    let cache = gc.data_dir.join("cache");
    let pipelines = if gc.pipelines.is_empty() { pipelines(&cache)? } else { gc.pipelines.clone() };
    let owner = Owner::this(system::host(), super::command_line());
    for name in &pipelines {
        let root = cache.join(name);
        if !root.is_dir() {
            let error = Error::missing(format!("nothing is cached of `{name}`: {} is not there", root.display()));
            return Err(error.hint("name a pipeline that has run, as `ser runs` lists them"));
        }
        let store = Store::at(&root);
        // A list needs no lock; what is under way meanwhile has names that are passed over.
        let _lock = match (gc.yes, gc.no_wait) {
            (false, _) => None,
            (true, true) => Some(Lock::take(&root, &owner)?),
            (true, false) => Some(Lock::wait(&root, &owner, cancel, observer)?),
        };
        if gc.yes {
            store.sweep()?;
        }
        let referenced = referenced(gc, name)?;
        if referenced.is_empty() {
            observer.warn(format!("no run of {name} is in the history: only what stands for its tasks at present is kept"));
        }
        let garbage = store.garbage(&referenced)?;
        tell(name, &garbage, gc.yes, args.global.json)?;
        if gc.yes {
            store.remove(&garbage)?;
        }
    }
    Ok(())
}

fn tell(pipeline: &str, garbage: &[Garbage], yes: bool, json: bool) -> Result<()> {
    let total: u64 = garbage.iter().map(|one| one.bytes).sum();
    if json {
        let folders: Vec<_> =
            garbage.iter().map(|one| serde_json::json!({ "stage": one.stage, "key": one.key, "bytes": one.bytes })).collect();
        let line = serde_json::json!({ "pipeline": pipeline, "garbage": folders, "bytes": total, "removed": yes });
        return print(&line.to_string());
    }
    for one in garbage {
        let key = one.key.get(..12).unwrap_or(&one.key);
        print(&format!("{}  {}/{key}  {}", if yes { "remove" } else { "would remove" }, one.stage, mebibytes(one.bytes)))?;
    }
    let hint = if yes || garbage.is_empty() { "" } else { "; nothing is removed without --yes" };
    print(&format!("{pipeline}: {} outputs that no recent run refers to, {}{hint}", garbage.len(), mebibytes(total)))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1u32 << 20))
}

fn pipelines(cache: &Path) -> Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(cache) else { return Ok(vec![]) };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("tasks").is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Stage and key of what the last runs used.
fn referenced(gc: &Gc, pipeline: &str) -> Result<BTreeSet<(String, String)>> {
    match History::existing(&gc.data_dir)? {
        Some(history) => history.referenced(pipeline, gc.keep),
        None => Ok(BTreeSet::new()),
    }
}
