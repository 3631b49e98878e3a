//! From what a user calls a model to its folder.

use std::path::{Path, PathBuf};

use crate::config::suggestion;
use crate::error::{Error, Result};
use crate::pipeline::predict::Predictor;

/// The folder of a model or of an experiment: `model` itself, that of `model.json`, or
/// PIPELINE/EXPERIMENT among the models of `data_dir`.
pub(super) fn find(model: &Path, data_dir: &Path) -> Result<PathBuf> {
    let models = data_dir.join("models");
    let mut folder = model.to_owned();
    if model.is_file() {
        folder.pop();
        if folder.as_os_str().is_empty() {
            folder.push(".");
        }
        if model.file_name().is_none_or(|name| name != "model.json") {
            let error = Error::usage(format!(
                "{} is a file, not the folder of a model",
                model.display()
            ));
            return Err(match Predictor::is_there(&folder) {
                true => error.hint(format!("name its folder: {}", folder.display())),
                false => error.hint(
                    "the first path names a model, the others recordings: ser predict MODEL PATH",
                ),
            });
        }
    }
    // The file of a model below data/models counts as its folder as well.
    let named_file = model.file_name().is_some_and(|name| name == "model.json");
    let below = match model.parent() {
        Some(parent) if named_file && !model.is_file() => models.join(parent),
        _ => models.join(model),
    };
    if let Some(there) = [&folder, &below]
        .into_iter()
        .find(|folder| Predictor::is_there(folder))
    {
        return Ok(there.clone());
    }
    Err(missing(model, &models))
}

/// What is there in place of it.
fn missing(model: &Path, models: &Path) -> Error {
    let shown = model.display();
    let below = models.join(model);
    if let Some(folder) = [model, &below].into_iter().find(|folder| folder.is_dir()) {
        let error = Error::missing(format!("there is no saved model in {}", folder.display()));
        return match folders(folder).as_slice() {
            [] => error.hint("name the folder of a model (it holds model.json), or of an experiment (it holds fold-00-seed-0, …)"),
            found => error.hint(format!("name one of its folders; there are: {}", found.join(", "))),
        };
    }
    let error = Error::missing(format!("there is no saved model {shown}"));
    let parents = [model.parent(), below.parent(), Some(models)];
    let near = parents
        .into_iter()
        .flatten()
        .find(|folder| !folder.as_os_str().is_empty() && !folders(folder).is_empty());
    let Some(near) = near else {
        return error.hint(
            "`ser train PIPELINE` makes some; --data-dir names the folder that holds models/",
        );
    };
    // The first part of the name that is not there.
    let whole = if model.starts_with(near) {
        model
    } else {
        &below
    };
    let word = whole
        .strip_prefix(near)
        .ok()
        .and_then(|rest| rest.components().next());
    let word = word
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    let found = folders(near);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    error.hint(suggestion(
        &word,
        &format!("folders in {}", near.display()),
        &found,
    ))
}

/// Names of the folders in a folder that hold a model, or hold folders that do.
fn folders(folder: &Path) -> Vec<String> {
    let inside = |folder: &Path| {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let holds = |folder: &PathBuf| {
        Predictor::is_there(folder) || inside(folder).any(|below| Predictor::is_there(&below))
    };
    let mut names: Vec<String> = inside(folder)
        .filter(holds)
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}
