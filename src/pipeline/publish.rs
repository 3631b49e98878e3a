//! Stable names for people: copies of the current outputs under `data/tables`, `data/models` and
//! `reports`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::pipeline_run::{Options, folders, note_owner};
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::files::{
    self, Inventory, create_folder, files_below, hash_bytes, hash_file, hash_if_there, is_link,
    remove_below, to_json,
};
use crate::model::artifact::{TESTED, Tested};
use crate::orchestrator::{Finished, StaleReason, Store};
use crate::report::{FIGURES, TABLES};

/// A copy of an output, or a file that says what is known of one.
struct Copy {
    from: Origin,
    to: PathBuf,
    content: (u64, String),
}

enum Origin {
    File(PathBuf),
    Text(Vec<u8>),
}

impl Copy {
    fn write(&self) -> Result<()> {
        match &self.from {
            Origin::File(from) => files::copy(from, &self.to),
            Origin::Text(text) => files::write_atomically(&self.to, text),
        }
    }
}

/// What stands under stable names, and what does no longer belong there. Only what an [`Inventory`]
/// lists is replaced or removed.
pub(super) struct Publication<'a> {
    pipeline: &'a Pipeline,
    /// Of tables, models and the report.
    pub folders: [PathBuf; 3],
    copies: Vec<Copy>,
    gone: Vec<PathBuf>,
}

/// What is to be done.
struct Work<'p> {
    inventories: Vec<Inventory>,
    /// To be written, and what is there.
    stale: Vec<(&'p Copy, &'static str)>,
    /// To be removed.
    gone: Vec<&'p Path>,
    /// Where something lies that ser did not write.
    blocked: Vec<&'p Copy>,
}

impl Work<'_> {
    fn reasons(&self) -> Vec<StaleReason> {
        const SHOWN: usize = 3;
        let text = |path: &Path| path.display().to_string();
        let mut why: Vec<StaleReason> = self
            .gone
            .iter()
            .map(|path| StaleReason::Output {
                path: text(path),
                problem: "left over",
            })
            .collect();
        why.extend(
            self.stale
                .iter()
                .map(|(copy, problem)| StaleReason::Output {
                    path: text(&copy.to),
                    problem,
                }),
        );
        if why.len() > SHOWN {
            let more = why.len() - SHOWN;
            why.truncate(SHOWN);
            why.push(StaleReason::More { count: more });
        }
        why
    }

    /// Saves the records of folders that hold something.
    fn save(&mut self, pipeline: &Pipeline) -> Result<()> {
        for inventory in self
            .inventories
            .iter_mut()
            .filter(|inventory| !inventory.is_idle())
        {
            create_folder(inventory.folder())?;
            note_owner(inventory, pipeline);
            inventory.save()?;
        }
        Ok(())
    }
}

impl<'a> Publication<'a> {
    /// Nothing yet, in the folders of a pipeline.
    pub(super) fn new(pipeline: &'a Pipeline, options: &Options) -> Publication<'a> {
        Publication {
            pipeline,
            folders: folders(pipeline, options),
            copies: vec![],
            gone: vec![],
        }
    }

    fn copy(&mut self, finished: &Finished, name: &str, to: PathBuf) -> Result<()> {
        let content = finished.size_and_hash(name)?;
        self.copies.push(Copy {
            from: Origin::File(finished.path(name)),
            to,
            content,
        });
        Ok(())
    }

    fn text(&mut self, text: Vec<u8>, to: PathBuf) {
        let content = (text.len() as u64, hash_bytes(&text));
        self.copies.push(Copy {
            from: Origin::Text(text),
            to,
            content,
        });
    }

    /// A table in as many files as it has. What an earlier one had besides goes.
    pub(super) fn table(&mut self, folder: &Path, finished: &Finished, table: &str) -> Result<()> {
        self.table_as(folder, finished, table, table)
    }

    /// As [`Publication::table`], under another name.
    pub(super) fn table_as(
        &mut self,
        folder: &Path,
        finished: &Finished,
        table: &str,
        published: &str,
    ) -> Result<()> {
        let current = parts(finished, table);
        let renamed: Vec<String> = current
            .iter()
            .map(|name| format!("{published}{}", &name[table.len()..]))
            .collect();
        self.gone.extend(
            entries(folder)
                .into_iter()
                .filter(|path| is_part(&name(path), published) && !renamed.contains(&name(path))),
        );
        current
            .into_iter()
            .zip(&renamed)
            .try_for_each(|(from, to)| self.copy(finished, from, folder.join(to)))
    }

    /// A table that is no longer there, where it was.
    pub(super) fn without_table(&mut self, folder: &Path, published: &str) {
        self.gone.extend(
            entries(folder)
                .into_iter()
                .filter(|path| is_part(&name(path), published)),
        );
    }

    /// All outputs of a task, with those named in `last` at the end: they vouch for what stands
    /// beside them.
    pub(super) fn all(&mut self, folder: &Path, finished: &Finished, last: &[&str]) -> Result<()> {
        let others = finished.names().filter(|name| !last.contains(name));
        let names: Vec<&str> = others
            .chain(
                last.iter()
                    .copied()
                    .filter(|last| finished.names().any(|name| name == *last)),
            )
            .collect();
        names
            .into_iter()
            .try_for_each(|name| self.copy(finished, name, folder.join(name)))
    }

    /// The pages and tables of a report, with those named in `last` at the end. What an earlier
    /// report had besides goes.
    pub(super) fn report(
        &mut self,
        folder: &Path,
        finished: &Finished,
        last: &[&str],
    ) -> Result<()> {
        let current: BTreeSet<&str> = finished.names().collect();
        self.gone.extend(
            entries(folder).into_iter().filter(|path| {
                is_report_file(&name(path)) && !current.contains(name(path).as_str())
            }),
        );
        let current: BTreeSet<PathBuf> = current.iter().map(|name| folder.join(name)).collect();
        let figures = files_below(&folder.join(FIGURES)).into_iter();
        self.gone
            .extend(figures.filter(|path| !current.contains(path)));
        self.all(folder, finished, last)
    }

    /// The saved models of an experiment: `<folder>/<fold and seed>/`, each with what may be said
    /// of the speakers that they are tested on. That rests on the audit and on what the user has
    /// confirmed, neither of which a training waits for. Models of earlier settings go: a folder of
    /// models is one experiment.
    pub(super) fn models(
        &mut self,
        folder: &Path,
        trained: &[Finished],
        tested: &Tested,
    ) -> Result<()> {
        const CARD: &str = "model/model.json";
        const WORDS: &str = "model/README.md";
        let mut current = BTreeSet::new();
        for finished in trained {
            let leaf = finished.task.rsplit('/').next().unwrap_or(&finished.task);
            current.insert(leaf.to_owned());
            let place = folder.join(leaf);
            let words = std::fs::read(finished.path(WORDS))
                .map_err(|e| Error::io("read", &finished.path(WORDS), e))?;
            self.text(
                [words, tested.markdown().into_bytes()].concat(),
                place.join("README.md"),
            );
            self.text(to_json(tested)?, place.join(TESTED));
            let names = finished
                .names()
                .filter(|name| name.starts_with("model/") && ![CARD, WORDS].contains(name));
            // The card vouches for the weights beside it, so it comes after them.
            for name in names.chain([CARD]).collect::<Vec<_>>() {
                self.copy(
                    finished,
                    name,
                    place.join(name.trim_start_matches("model/")),
                )?;
            }
        }
        self.without_below(folder, |name| {
            name.starts_with("fold-") && !current.contains(name)
        });
        Ok(())
    }

    /// Files that a folder has for a report that was made elsewhere.
    pub(super) fn made_in(&mut self, made: &Path, folder: &Path, last: &[&str]) -> Result<()> {
        let mut files = files_below(made);
        files.sort_by_key(|path| last.iter().position(|last| *last == name(path)));
        for from in files {
            let below = from.strip_prefix(made).unwrap_or(&from);
            let (to, content) = (folder.join(below), hash_file(&from)?);
            self.copies.push(Copy {
                from: Origin::File(from),
                to,
                content,
            });
        }
        Ok(())
    }

    /// Files that no longer belong there, where they are there.
    pub(super) fn without(&mut self, paths: impl Iterator<Item = PathBuf>) {
        self.gone.extend(paths.flat_map(|path| files_below(&path)));
    }

    /// Entries of a folder that no longer belong there, by their names, with all that is in them.
    pub(super) fn without_below(&mut self, folder: &Path, goes: impl Fn(&str) -> bool) {
        let hidden = |name: &str| name.starts_with('.');
        self.without(
            entries(folder)
                .into_iter()
                .filter(|path| !hidden(&name(path)) && goes(&name(path))),
        );
    }

    /// Compares what is there with what should be.
    fn work(&self, store: &Store) -> Result<Work<'_>> {
        let inventories: Vec<Inventory> = self
            .folders
            .iter()
            .map(|folder| Inventory::read(folder))
            .collect::<Result<_>>()?;
        let found = self
            .copies
            .par_iter()
            .map(|copy| hash_if_there(&copy.to))
            .collect::<Result<Vec<_>>>()?;
        let (mut stale, mut blocked) = (Vec::new(), Vec::new());
        for (copy, found) in self.copies.iter().zip(found) {
            match found {
                Some(found) if found == copy.content => {}
                Some((_, hash))
                    if is_link(&copy.to)
                        || !(lists(&inventories, &copy.to) || store.wrote(&hash)) =>
                {
                    blocked.push(copy)
                }
                None if fs::symlink_metadata(&copy.to).is_ok() => blocked.push(copy),
                Some(_) => stale.push((copy, "differs")),
                None => stale.push((copy, "missing")),
            }
        }
        let mut gone = Vec::new();
        for path in &self.gone {
            if !is_link(path)
                && hash_if_there(path)?.is_some_and(|(_, hash)| may_go(&inventories, path, &hash))
            {
                gone.push(path.as_path());
            }
        }
        Ok(Work {
            inventories,
            stale,
            gone,
            blocked,
        })
    }

    /// What would be done, the first few of it.
    pub(super) fn problems(&self, store: &Store) -> Result<Vec<StaleReason>> {
        let work = self.work(store)?;
        let blocked = work.blocked.iter().map(|copy| StaleReason::Output {
            path: copy.to.display().to_string(),
            problem: "in the way, not written by ser",
        });
        Ok(work.reasons().into_iter().chain(blocked).collect())
    }

    /// Removes what does not belong there, then copies what is not there yet: a table without some
    /// of its rows is noticed sooner than one with rows of another. `begin` is called before the
    /// first change, with the reasons.
    ///
    /// # Errors
    /// `Data` where something lies in the way that ser did not write; all else is done then.
    pub(super) fn apply(&self, store: &Store, begin: &dyn Fn(Vec<StaleReason>)) -> Result<()> {
        let mut work = self.work(store)?;
        let reasons = work.reasons();
        if !reasons.is_empty() {
            begin(reasons);
            // Noted before it is done: what a kill leaves half done is known as our own all the
            // same.
            for (copy, _) in &work.stale {
                each_name(&mut work.inventories, &copy.to, |inventory, name| {
                    inventory.expect(name, &copy.content.1)
                });
            }
            work.save(self.pipeline)?;
            for path in &work.gone {
                if let Some(folder) = self.folders.iter().find(|folder| path.starts_with(folder)) {
                    remove_below(path, folder)?;
                }
            }
            work.stale.iter().try_for_each(|(copy, _)| copy.write())?;
        }
        for path in &self.gone {
            each_name(&mut work.inventories, path, |inventory, name| {
                inventory.forget(name)
            });
        }
        for copy in self
            .copies
            .iter()
            .filter(|copy| !work.blocked.iter().any(|blocked| blocked.to == copy.to))
        {
            each_name(&mut work.inventories, &copy.to, |inventory, name| {
                inventory.settle(name, &copy.content.1)
            });
        }
        work.inventories
            .iter_mut()
            .for_each(Inventory::forget_absent);
        work.save(self.pipeline)?;
        match work.blocked.as_slice() {
            [] => Ok(()),
            [first, others @ ..] => {
                let more = if others.is_empty() {
                    String::new()
                } else {
                    format!(", nor were {} more", others.len())
                };
                let error = Error::data(format!(
                    "{} is in the way: ser did not write it{more}",
                    first.to.display()
                ));
                Err(error.hint("move it elsewhere, or remove it, and run the same command again"))
            }
        }
    }

    /// What ser did not write into the folders of the pipeline, in a line; nothing where there is
    /// none.
    pub(super) fn others(&self) -> Result<Option<String>> {
        const SHOWN: usize = 3;
        let mut others = Vec::new();
        for folder in self.folders.iter().filter(|folder| !is_link(folder)) {
            others.extend(Inventory::read(folder)?.others());
        }
        let left = self
            .gone
            .iter()
            .filter(|path| fs::symlink_metadata(path).is_ok() && !others.contains(path));
        let left: Vec<&PathBuf> = left.collect();
        let named: Vec<String> = others
            .iter()
            .chain(left)
            .map(|path| path.display().to_string())
            .collect();
        let more = named.len().saturating_sub(SHOWN);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        let first = named
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        Ok((!named.is_empty())
            .then(|| format!("left as they are, since this run did not write them: {first}{more}")))
    }
}

/// Whether ser wrote a file of this name.
fn lists(inventories: &[Inventory], path: &Path) -> bool {
    inventories.iter().any(|inventory| {
        inventory
            .name(path)
            .is_some_and(|name| inventory.lists(&name))
    })
}

/// Whether a file is one that ser wrote, unchanged, and lies in no folder that is a link.
fn may_go(inventories: &[Inventory], path: &Path, hash: &str) -> bool {
    inventories.iter().any(|inventory| {
        let linked = || {
            path.ancestors()
                .skip(1)
                .take_while(|folder| folder.starts_with(inventory.folder()))
                .any(is_link)
        };
        inventory
            .name(path)
            .is_some_and(|name| inventory.holds(&name, hash))
            && !linked()
    })
}

fn each_name(inventories: &mut [Inventory], path: &Path, change: impl Fn(&mut Inventory, &str)) {
    for inventory in inventories {
        if let Some(name) = inventory.name(path) {
            change(inventory, &name);
        }
    }
}

/// What a folder holds, sorted; nothing where it is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The files of a table among the outputs of a task, in their order.
fn parts<'f>(finished: &'f Finished, table: &str) -> Vec<&'f str> {
    finished
        .names()
        .filter(|name| is_part(name, table))
        .collect()
}

/// Whether a file is a table, or a part of one.
pub(super) fn is_part(name: &str, table: &str) -> bool {
    let number = name
        .strip_prefix(table)
        .and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|n| {
        n.is_empty()
            || n.strip_prefix('-')
                .is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Whether one report may have a file of this name and another may not: pages of experiments, and
/// tables that were short.
fn is_report_file(name: &str) -> bool {
    let named = |prefix: &str, suffix: &str| name.starts_with(prefix) && name.ends_with(suffix);
    let short = name
        .strip_suffix(".md")
        .is_some_and(|table| TABLES.contains(&table));
    named("experiment-", ".html") || named("card-", ".md") || short
}

/// Content hash of a table, whether it is one file or several.
pub(super) fn table_hash(finished: &Finished, table: &str) -> Result<String> {
    match parts(finished, table).as_slice() {
        [] => Err(Error::internal(format!(
            "task {} wrote no table of {table}",
            finished.task
        ))),
        [only] => finished.hash(only),
        several => {
            let hashes = several
                .iter()
                .map(|name| finished.hash(name))
                .collect::<Result<Vec<_>>>()?;
            Ok(hash_bytes(hashes.join("\n").as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_the_names_of_its_files() {
        for name in [
            "features.parquet",
            "features-00000.parquet",
            "features-123456.parquet",
        ] {
            assert!(is_part(name, "features"), "{name}");
        }
        for name in [
            "features",
            "features-.parquet",
            "features-frames.parquet",
            "features-frames-00000.parquet",
            "features-0000x.parquet",
            "features-two.parquet",
            "featuresx.parquet",
            "x.parquet",
        ] {
            assert!(!is_part(name, "features"), "{name}");
        }
    }
}
