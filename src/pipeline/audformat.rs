//! A corpus and its predictions as a database in audformat
//! (<https://audeering.github.io/audformat/>): a header `db.yaml`, and a table `db.NAME.csv` each.

mod database;
mod yaml;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use database::Database;

use super::export::{named, unfinished};
use super::train::PREDICTIONS;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::corpus::GENERATED_MARK;
use crate::error::{Error, Kind, Result};
use crate::files::{temporary_folder, write_atomically};
use crate::table::predictions::{self, PredictionRow};
use crate::table::utterances;

/// What is told of a database that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Names of the tables.
    pub tables: Vec<String>,
    /// Recordings that its tables name.
    pub recordings: usize,
    /// Whether these are in it.
    pub has_recordings: bool,
}

/// Writes what the last tables of a pipeline below `data_dir` have into `folder`, which appears in
/// one piece: the corpus, and the predictions of these experiments, or of all where none is named.
/// With `recordings` it holds copies of these, too.
///
/// # Errors
/// `Usage` where `folder` is there and not empty, for an experiment that the pipeline does not have,
/// or for one named whose labels are shuffled, which is left out otherwise; `Missing` where it has
/// not been run so far, or a recording is gone; `Data` where tables are damaged or do not fit each
/// other, or recordings lie outside the root; `Interrupted` on request.
pub fn write(
    pipeline: &Pipeline,
    experiments: &[String],
    data_dir: &Path,
    folder: &Path,
    recordings: bool,
    cancel: &Cancel,
) -> Result<Written> {
    if fs::read_dir(folder).map_or(folder.exists(), |mut all| all.next().is_some()) {
        let what = format!("{} is there already", folder.display());
        return Err(Error::usage(what).hint("name a new folder, or remove that one first"));
    }
    if let Some(control) = named(pipeline, experiments)?
        .iter()
        .find(|one| one.shuffle_labels)
    {
        let what = format!(
            "the labels of {} were shuffled (shuffle_labels)",
            control.name
        );
        return Err(Error::usage(what).hint(
            "a database in audformat has no controls on shuffled labels: leave it out, or use ser export predictions",
        ));
    }
    let name = pipeline.full_name();
    let from = data_dir.join("tables").join(&name);
    let utterances = utterances::read_parts(&from)
        .map_err(|error| unfinished(error, &format!("ser features {name}")))?;
    let path = from.join(PREDICTIONS);
    let rows = match predictions::read(&path) {
        Ok((labels, mut rows, _)) => {
            let is_control = |row: &PredictionRow| {
                let mut controls = pipeline.experiments.iter().filter(|one| one.shuffle_labels);
                controls.any(|one| one.name == row.experiment)
            };
            rows.retain(|row| !is_control(row));
            chosen(&path, labels, rows, experiments, &name)?
        }
        Err(error) if error.kind() == Kind::Missing && experiments.is_empty() => (vec![], vec![]),
        Err(error) => {
            let again: String = experiments.iter().map(|one| format!(" -e {one}")).collect();
            return Err(unfinished(error, &format!("ser run {name}{again}")));
        }
    };
    let corpus = &pipeline.corpus;
    let database = Database::of(corpus, &utterances, &path, &rows)?;

    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let whole = temporary_folder(parent, "audformat-")?;
    let header = yaml::document(&database.header);
    write_atomically(&whole.path().join("db.yaml"), header.as_bytes())?;
    for (name, text) in &database.tables {
        write_atomically(&whole.path().join(format!("db.{name}.csv")), text)?;
    }
    let root = corpus.kind.root();
    let paths: BTreeSet<&str> = utterances.iter().map(|one| &*one.source.path).collect();
    if recordings {
        for path in &paths {
            cancel.check()?;
            copy(root, path, whole.path())?;
        }
    }
    if root.join(GENERATED_MARK).is_file() {
        copy(root, GENERATED_MARK, whole.path())?;
    }
    let failed = |e| Error::io("write", folder, e);
    if folder.exists() {
        fs::remove_dir(folder).map_err(failed)?;
    }
    fs::rename(whole.path(), folder).map_err(failed)?;
    Ok(Written {
        tables: database.tables.into_iter().map(|(name, _)| name).collect(),
        recordings: paths.len(),
        has_recordings: recordings,
    })
}

fn copy(root: &Path, path: &str, whole: &Path) -> Result<()> {
    let (from, to) = (root.join(path), whole.join(path));
    if !from.is_file() {
        let what = format!("{} is not there any more", from.display());
        return Err(Error::missing(what).hint("restore the recording, or run the pipeline again"));
    }
    let folder = to.parent().unwrap_or(whole);
    fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    fs::copy(&from, &to)
        .map(drop)
        .map_err(|e| Error::io("copy", &from, e))
}

/// The labels and rows of the experiments.
fn chosen(
    path: &Path,
    labels: Vec<String>,
    mut rows: Vec<PredictionRow>,
    experiments: &[String],
    pipeline: &str,
) -> Result<(Vec<String>, Vec<PredictionRow>)> {
    let has = |one: &&String| rows.iter().any(|row| row.experiment == **one);
    if let Some(lacking) = experiments.iter().find(|one| !has(one)) {
        let what = format!("{} has no predictions of {lacking}", path.display());
        let again = format!("ser run {pipeline} -e {lacking}");
        return Err(unfinished(Error::missing(what), &again));
    }
    rows.retain(|row| experiments.is_empty() || experiments.contains(&row.experiment));
    Ok((labels, rows))
}
