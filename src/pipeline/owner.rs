//! The folders of a pipeline's results, and whose they are: two pipeline files of one name would
//! write over each other's.

use std::fs;
use std::path::{Path, PathBuf};

use super::pipeline_run::Options;
use crate::config::{self, Pipeline, split_variant};
use crate::error::{Error, Result};
use crate::files::{Inventory, relative};

/// Folders that hold one for each pipeline and variant.
fn shelves(options: &Options) -> [PathBuf; 3] {
    [
        options.data_dir.join("tables"),
        options.data_dir.join("models"),
        options.reports_dir.clone(),
    ]
}

/// The folders of a pipeline or variant.
pub(super) fn folders(pipeline: &Pipeline, options: &Options) -> [PathBuf; 3] {
    shelves(options).map(|shelf| shelf.join(pipeline.full_name()))
}

/// Refuses a pipeline whose name is that of another file as well, if results of that one are there.
/// A file that was moved, or that has another name by now, is in nobody's way, nor is a copy.
///
/// # Errors
/// `Config` that names the other file; `Io` where a record cannot be read.
pub(super) fn check_owner(pipeline: &Pipeline, options: &Options) -> Result<()> {
    for shelf in shelves(options) {
        for entry in fs::read_dir(&shelf).into_iter().flatten().flatten() {
            let full_name = entry.file_name().to_string_lossy().into_owned();
            if split_variant(&full_name).0 != pipeline.name {
                continue;
            }
            let inventory = Inventory::read(&entry.path())?;
            if let Some((other, Claim::Rival)) = claim(&inventory, pipeline) {
                let error = Error::config(format!(
                    "{} and {} are both called `{}`, and {} holds results of the latter",
                    pipeline.file.display(),
                    other.display(),
                    pipeline.name,
                    entry.path().display()
                ));
                return Err(error.hint(
                    "change `name` in one of the two files, or keep their results apart: --data-dir and --reports-dir name other folders",
                ));
            }
        }
    }
    Ok(())
}

/// What another file has to do with the name of a pipeline.
enum Claim {
    /// It says the same.
    Copy,
    /// It is another pipeline of this name.
    Rival,
    /// It has another name by now.
    None,
}

/// The other pipeline file that a record names, where it still exists.
fn claim(inventory: &Inventory, pipeline: &Pipeline) -> Option<(PathBuf, Claim)> {
    let other = inventory.pipeline_file()?;
    let own = fs::canonicalize(&pipeline.file).ok()?;
    let text = config::read(&other).ok().filter(|_| other != own)?;
    let claim = match config::name_in(&text) {
        _ if text == pipeline.text => Claim::Copy,
        Some(name) if name != pipeline.name => Claim::None,
        // One that cannot be read as a pipeline may be meant as one.
        _ => Claim::Rival,
    };
    Some((other, claim))
}

/// Notes in a record which file its folder's results are of.
pub(super) fn note_owner(inventory: &mut Inventory, pipeline: &Pipeline) {
    if matches!(claim(inventory, pipeline), Some((_, Claim::Copy))) {
        return;
    }
    let way = |folder: &Path| {
        relative(
            &fs::canonicalize(folder).ok()?,
            &fs::canonicalize(&pipeline.file).ok()?,
        )
    };
    if let Some(way) = way(inventory.folder()) {
        inventory.set_pipeline_file(Some(way));
    }
}
