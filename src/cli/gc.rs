//! `gc`: what no recent run refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{Args, Gc};
use super::{print, system, variants};
use crate::cancel::Cancel;
use crate::config::split_variant;
use crate::error::{Error, Result};
use crate::files::Inventory;
use crate::history::History;
use crate::orchestrator::{Garbage, Lock, Observer, Owner, Store};
use crate::{corpus, report};

/// Says what would be removed; removes it with `--yes`.
pub fn gc(gc: &Gc, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    let cache = gc.data_dir.join("cache");
    let (named, variants) = named(gc)?;
    let pipelines = if gc.pipelines.is_empty() {
        pipelines(&cache)?
    } else {
        named
    };
    let owner = Owner::this(system::host(), super::command_line());
    for name in &pipelines {
        let root = cache.join(name);
        if !root.is_dir() {
            let error = Error::missing(format!(
                "nothing is cached of `{name}`: {} is not there",
                root.display()
            ));
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
        for variant in variants
            .iter()
            .filter(|variant| gc.forget && split_variant(variant).0 == name)
        {
            forget(gc, &store, variant, args.global.json)?;
        }
        let referenced = referenced(gc, name)?;
        if referenced.is_empty() {
            let why = if gc.keep == 0 {
                "--keep 0 counts no run of"
            } else {
                "the history has no finished run of"
            };
            observer.warn(format!(
                "{why} {name}: only what stands for its tasks at present is kept"
            ));
        }
        let garbage = store.garbage(&referenced)?;
        tell(name, &garbage, gc.yes, args.global.json)?;
        if gc.yes {
            store.remove(&garbage)?;
        }
    }
    Ok(())
}

/// Names of the pipelines and, apart, of the variants among what was named.
fn named(gc: &Gc) -> Result<(Vec<String>, Vec<String>)> {
    let variants: Vec<String> = gc
        .pipelines
        .iter()
        .filter(|name| split_variant(name).1.is_some())
        .cloned()
        .collect();
    if gc.forget && (variants.is_empty() || variants.len() < gc.pipelines.len()) {
        let error = Error::usage("--forget removes variants, and takes their names alone");
        return Err(error.hint("for example: ser gc demo@epochs-2 --forget"));
    }
    let mut pipelines: Vec<String> = gc
        .pipelines
        .iter()
        .map(|name| split_variant(name).0.to_owned())
        .collect();
    pipelines.sort();
    pipelines.dedup();
    Ok((pipelines, variants))
}

/// Removes what stands under the name of a variant, or says what that is.
fn forget(gc: &Gc, store: &Store, full_name: &str, json: bool) -> Result<()> {
    let folders = [
        gc.reports_dir.join(full_name),
        gc.data_dir.join("tables").join(full_name),
        gc.data_dir.join("models").join(full_name),
    ];
    let there: Vec<&PathBuf> = folders.iter().filter(|folder| folder.is_dir()).collect();
    let (pipeline, variant) = split_variant(full_name);
    if there.is_empty()
        && !variants::known(&gc.data_dir, pipeline)
            .iter()
            .any(|known| known == full_name)
    {
        return Err(variants::unknown(
            &gc.data_dir,
            pipeline,
            variant.unwrap_or_default(),
        ));
    }
    let generated = variants::generated(&gc.data_dir, full_name)?;
    let generated = generated.as_ref().filter(|folder| folder.is_dir());
    for folder in there.into_iter().chain(generated) {
        let left = match gc.yes {
            true if Some(folder) == generated => corpus::synthetic::remove(folder)?,
            true => Inventory::read(folder)?.remove()?,
            false => vec![],
        };
        if json {
            print(&serde_json::json!({ "variant": full_name, "folder": folder, "removed": gc.yes, "left": left }).to_string())?;
        } else {
            print(&format!(
                "{}  {}",
                if gc.yes { "remove" } else { "would remove" },
                folder.display()
            ))?;
            if let [first, others @ ..] = left.as_slice() {
                let more = if others.is_empty() {
                    String::new()
                } else {
                    format!(" and {} more", others.len())
                };
                print(&format!(
                    "left    {}{more}: not as ser wrote it",
                    first.display()
                ))?;
            }
        }
    }
    if gc.yes {
        store.forget_variant(variant.unwrap_or_default())?;
        variants::forget(&gc.data_dir, full_name)?;
        report::write_index(&gc.reports_dir)?;
    }
    Ok(())
}

fn tell(pipeline: &str, garbage: &[Garbage], yes: bool, json: bool) -> Result<()> {
    let total: u64 = garbage.iter().map(|one| one.bytes).sum();
    if json {
        let folders: Vec<_> = garbage
            .iter()
            .map(
                |one| serde_json::json!({ "stage": one.stage, "key": one.key, "bytes": one.bytes }),
            )
            .collect();
        let line = serde_json::json!({ "pipeline": pipeline, "garbage": folders, "bytes": total, "removed": yes });
        return print(&line.to_string());
    }
    for one in garbage {
        let key = one.key.get(..12).unwrap_or(&one.key);
        print(&format!(
            "{}  {}/{key}  {}",
            if yes { "remove" } else { "would remove" },
            one.stage,
            mebibytes(one.bytes)
        ))?;
    }
    let hint = if yes || garbage.is_empty() {
        ""
    } else {
        "; nothing is removed without --yes"
    };
    print(&format!(
        "{pipeline}: {} outputs that no recent run refers to, {}{hint}",
        garbage.len(),
        mebibytes(total)
    ))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1u32 << 20))
}

fn pipelines(cache: &Path) -> Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(cache) else {
        return Ok(vec![]);
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("tasks").is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Stage and key of what the last runs of a pipeline and of its variants used.
fn referenced(gc: &Gc, pipeline: &str) -> Result<BTreeSet<(String, String)>> {
    let Some(history) = History::existing(&gc.data_dir)? else {
        return Ok(BTreeSet::new());
    };
    let mut referenced = history.referenced(pipeline, gc.keep)?;
    for variant in variants::known(&gc.data_dir, pipeline) {
        referenced.extend(history.referenced(&variant, gc.keep)?);
    }
    Ok(referenced)
}
