//! Stable names for people: copies of the current outputs under `data/tables`, `data/models` and `reports`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::ingest::to_json;
use crate::error::{Error, Result};
use crate::files::{self, hash_bytes, hash_file};
use crate::model::artifact::{TESTED, Tested};
use crate::orchestrator::{Finished, Why};
use crate::report;

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
    fn problem(&self) -> Option<&'static str> {
        match hash_file(&self.to) {
            Err(_) => Some("missing"),
            Ok(found) if found != self.content => Some("differs"),
            Ok(_) => None,
        }
    }
}

/// What stands under stable names, and what does no longer belong there.
#[derive(Default)]
pub(super) struct Publication {
    copies: Vec<Copy>,
    gone: Vec<PathBuf>,
}

impl Publication {
    fn copy(&mut self, finished: &Finished, name: &str, to: PathBuf) -> Result<()> {
        let content = finished.size_and_hash(name)?;
        self.copies.push(Copy { from: Origin::File(finished.path(name)), to, content });
        Ok(())
    }

    fn text(&mut self, text: Vec<u8>, to: PathBuf) {
        let content = (text.len() as u64, hash_bytes(&text));
        self.copies.push(Copy { from: Origin::Text(text), to, content });
    }

    /// A table in as many files as it has. What an earlier one had besides goes.
    pub(super) fn table(&mut self, folder: &Path, finished: &Finished, table: &str) -> Result<()> {
        self.table_as(folder, finished, table, table)
    }

    /// As [`Publication::table`], under another name.
    pub(super) fn table_as(&mut self, folder: &Path, finished: &Finished, table: &str, published: &str) -> Result<()> {
        let current = parts(finished, table);
        let renamed: Vec<String> = current.iter().map(|name| format!("{published}{}", &name[table.len()..])).collect();
        self.gone.extend(entries(folder).into_iter().filter(|path| is_part(&name(path), published) && !renamed.contains(&name(path))));
        current.into_iter().zip(&renamed).try_for_each(|(from, to)| self.copy(finished, from, folder.join(to)))
    }

    /// A table that is no longer there, where it was.
    pub(super) fn without_table(&mut self, folder: &Path, published: &str) {
        self.gone.extend(entries(folder).into_iter().filter(|path| is_part(&name(path), published)));
    }

    /// All outputs of a task, with those named in `last` at the end: they vouch for what stands beside them.
    pub(super) fn all(&mut self, folder: &Path, finished: &Finished, last: &[&str]) -> Result<()> {
        let others = finished.names().filter(|name| !last.contains(name));
        let names: Vec<&str> = others.chain(last.iter().copied().filter(|last| finished.names().any(|name| name == *last))).collect();
        names.into_iter().try_for_each(|name| self.copy(finished, name, folder.join(name)))
    }

    /// The pages and tables of a report, with those named in `last` at the end. What an earlier report had besides goes.
    pub(super) fn report(&mut self, folder: &Path, finished: &Finished, last: &[&str]) -> Result<()> {
        let current: BTreeSet<&str> = finished.names().collect();
        self.gone.extend(entries(folder).into_iter().filter(|path| is_report_file(&name(path)) && !current.contains(name(path).as_str())));
        self.all(folder, finished, last)
    }

    /// The saved models of an experiment: `<folder>/<fold and seed>/`, each with what may be said of the speakers that they are tested on. That
    /// rests on the audit and on what the user has confirmed, neither of which a training waits for. Models of earlier settings go: a folder of
    /// models is one experiment.
    pub(super) fn models(&mut self, folder: &Path, trained: &[Finished], tested: &Tested) -> Result<()> {
        const CARD: &str = "model/model.json";
        const WORDS: &str = "model/README.md";
        let mut current = BTreeSet::new();
        for finished in trained {
            let leaf = finished.task.rsplit('/').next().unwrap_or(&finished.task);
            current.insert(leaf.to_owned());
            let place = folder.join(leaf);
            let words = std::fs::read(finished.path(WORDS)).map_err(|e| Error::io("read", &finished.path(WORDS), e))?;
            self.text([words, tested.markdown().into_bytes()].concat(), place.join("README.md"));
            self.text(to_json(tested)?, place.join(TESTED));
            let names = finished.names().filter(|name| name.starts_with("model/") && ![CARD, WORDS].contains(name));
            // The card vouches for the weights beside it, so it comes after them.
            for name in names.chain([CARD]).collect::<Vec<_>>() {
                self.copy(finished, name, place.join(name.trim_start_matches("model/")))?;
            }
        }
        self.gone.extend(entries(folder).into_iter().filter(|path| {
            let name = name(path);
            name.starts_with("fold-") && !current.contains(&name)
        }));
        Ok(())
    }

    /// What does no longer belong there, where it is there.
    pub(super) fn without(&mut self, paths: impl Iterator<Item = PathBuf>) {
        self.gone.extend(paths.filter(|path| path.exists()));
    }

    /// Copies that are not what they should be, and how.
    fn stale(&self) -> Vec<(&Copy, &'static str)> {
        let found: Vec<Option<&'static str>> = self.copies.par_iter().map(Copy::problem).collect();
        self.copies.iter().zip(found).filter_map(|(copy, problem)| Some((copy, problem?))).collect()
    }

    /// What would be done, the first few of it.
    pub(super) fn problems(&self) -> Vec<Why> {
        self.reasons(&self.stale())
    }

    fn reasons(&self, stale: &[(&Copy, &'static str)]) -> Vec<Why> {
        const SHOWN: usize = 3;
        let text = |path: &Path| path.display().to_string();
        let mut why: Vec<Why> = self.gone.iter().map(|path| Why::Output { path: text(path), problem: "left over" }).collect();
        why.extend(stale.iter().map(|(copy, problem)| Why::Output { path: text(&copy.to), problem }));
        if why.len() > SHOWN {
            let more = why.len() - SHOWN;
            why.truncate(SHOWN);
            why.push(Why::More { count: more });
        }
        why
    }

    /// Removes what does not belong there, then copies what is not there yet: a table without some of its rows is noticed sooner than one with
    /// rows of another. `begin` is called before the first change, with the reasons.
    pub(super) fn apply(&self, begin: &dyn Fn(Vec<Why>)) -> Result<()> {
        let stale = self.stale();
        let reasons = self.reasons(&stale);
        if reasons.is_empty() {
            return Ok(());
        }
        begin(reasons);
        for path in self.gone.iter().filter(|path| path.exists()) {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.map_err(|e| Error::io("remove", path, e))?;
        }
        stale.iter().try_for_each(|(copy, _)| match &copy.from {
            Origin::File(from) => files::copy(from, &copy.to),
            Origin::Text(text) => files::write_atomically(&copy.to, text),
        })
    }
}

/// What a folder holds, sorted; nothing where it is not there.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of a table among the outputs of a task, in their order.
fn parts<'f>(finished: &'f Finished, table: &str) -> Vec<&'f str> {
    finished.names().filter(|name| is_part(name, table)).collect()
}

fn is_part(name: &str, table: &str) -> bool {
    let number = name.strip_prefix(table).and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|n| n.is_empty() || n.strip_prefix('-').is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit())))
}

/// Whether one report may have a file of this name and another may not: pages of experiments, and tables that were short.
fn is_report_file(name: &str) -> bool {
    let named = |prefix: &str, suffix: &str| name.starts_with(prefix) && name.ends_with(suffix);
    let short = name.strip_suffix(".md").is_some_and(|table| report::TABLES.contains(&table));
    named("experiment-", ".html") || named("card-", ".md") || short
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_the_names_of_its_files() {
        for name in ["features.parquet", "features-00000.parquet", "features-123456.parquet"] {
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
