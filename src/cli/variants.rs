//! Pipelines and their variants by what they are called on the command line.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::args::Run;
use super::run::{overrides, path};
use crate::config::{self, Pipeline, split_variant};
use crate::error::{Error, Result};
use crate::files::{
    create_folder, from_sealed_json, read_if_there, remove_file, to_sealed_json, write_atomically,
};

/// The file of a pipeline, and which variant of it is meant.
pub struct Named {
    /// As [`path`].
    pub file: PathBuf,
    /// Behind the `@`.
    pub variant: Option<String>,
}

/// What `name` means: a variant, unless there is a file that is called like this as a whole.
pub fn named(pipelines_dir: &Path, name: &str) -> Named {
    let whole = path(pipelines_dir, name);
    match split_variant(name) {
        (pipeline, Some(variant)) if !whole.is_file() => Named {
            file: path(pipelines_dir, pipeline),
            variant: Some(variant.to_owned()),
        },
        _ => Named {
            file: whole,
            variant: None,
        },
    }
}

/// A pipeline as a run takes it, with what it was made of.
pub struct Loaded {
    /// What messages call its file.
    pub file_name: String,
    /// The text of the file.
    pub text: String,
    /// With its overrides, and as the variant that they make.
    pub pipeline: Pipeline,
}

/// Reads the pipeline of this name with the overrides of the command line, or a variant with those
/// that it was made with.
pub fn load(run: &Run, name: &str) -> Result<Loaded> {
    let Named { file, variant } = named(&run.pipelines_dir, name);
    let (text, file_name) = (config::read(&file)?, file.display().to_string());
    let corpora_dir = run.corpora_dir.as_deref();
    let given = overrides(run)?;
    let Some(variant) = variant else {
        let pipeline = config::parse_variant(
            &text,
            &file_name,
            &given,
            corpora_dir,
            run.variant.as_deref(),
        )?;
        return Ok(Loaded {
            file_name,
            text,
            pipeline,
        });
    };
    if !given.is_empty() || run.variant.is_some() {
        let error = Error::usage(format!(
            "{name} is a variant, which has its overrides already"
        ));
        let (pipeline, _) = split_variant(name);
        return Err(
            error.hint(format!("name the pipeline, all overrides, and the variant: ser run {pipeline} --set KEY=VALUE --as {variant}"))
        );
    }
    let pipeline = load_known(&file, &variant, &run.data_dir, corpora_dir)?;
    Ok(Loaded {
        file_name,
        text,
        pipeline,
    })
}

/// A variant of the pipeline in a file, with the overrides that it was made with.
pub fn load_known(
    file: &Path,
    variant: &str,
    data_dir: &Path,
    corpora_dir: Option<&Path>,
) -> Result<Pipeline> {
    let (text, file_name) = (config::read(file)?, file.display().to_string());
    let pipeline = config::parse(&text, &file_name, &[], corpora_dir)?.name;
    let Some(kept) = Kept::read(data_dir, &format!("{pipeline}@{variant}"))? else {
        return Err(unknown(data_dir, &pipeline, variant));
    };
    config::parse_variant(
        &text,
        &file_name,
        &kept.overrides,
        corpora_dir,
        Some(variant),
    )
}

/// What is remembered of a variant, so that its name stands for its overrides.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    overrides: Vec<String>,
    /// Where its recordings lie, where they were generated for it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generated: Option<PathBuf>,
}

impl Kept {
    fn file(data_dir: &Path, full_name: &str) -> PathBuf {
        folder(data_dir).join(format!("{full_name}.json"))
    }

    fn read(data_dir: &Path, full_name: &str) -> Result<Option<Kept>> {
        let path = Kept::file(data_dir, full_name);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(None);
        };
        from_sealed_json(&bytes)
            .map(|(kept, _)| Some(kept))
            .map_err(|why| {
                let error = Error::data(format!(
                    "{} does not hold the overrides of a variant: {why}",
                    path.display()
                ));
                error.hint("remove it, and give the overrides with --set and --as again")
            })
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("variants")
}

/// Remembers the overrides of a variant; nothing for a pipeline as its file has it.
///
/// # Errors
/// A usage error where the name stands for other overrides, whose report and models this run would
/// replace.
pub fn keep(pipeline: &Pipeline, data_dir: &Path) -> Result<()> {
    if pipeline.variant.is_none() {
        return Ok(());
    }
    let full_name = pipeline.full_name();
    let before = Kept::read(data_dir, &full_name)?;
    if let Some(before) = before.filter(|kept| {
        config::derived_name(&kept.overrides) != config::derived_name(&pipeline.overrides)
    }) {
        let error = Error::usage(format!(
            "{full_name} stands for other overrides already: {}",
            before.overrides.join(", ")
        ));
        return Err(error.hint(format!("choose another name with --as, or remove that variant first: ser gc {full_name} --forget --yes")));
    }
    create_folder(&folder(data_dir))?;
    let kept = Kept {
        overrides: pipeline.overrides.clone(),
        generated: pipeline.own_recordings().map(Path::to_owned),
    };
    write_atomically(
        &Kept::file(data_dir, &pipeline.full_name()),
        &to_sealed_json(&kept)?,
    )
}

/// The folder of the recordings that were generated for a variant and serve no other.
///
/// # Errors
/// `Data` where what is remembered of it is damaged.
pub fn generated(data_dir: &Path, full_name: &str) -> Result<Option<PathBuf>> {
    let Some(folder) = Kept::read(data_dir, full_name)?.and_then(|kept| kept.generated) else {
        return Ok(None);
    };
    for other in names(data_dir).iter().filter(|other| *other != full_name) {
        if Kept::read(data_dir, other)?
            .and_then(|kept| kept.generated)
            .as_ref()
            == Some(&folder)
        {
            return Ok(None);
        }
    }
    Ok(Some(folder))
}

/// Forgets the overrides of a variant, if it is known.
pub fn forget(data_dir: &Path, full_name: &str) -> Result<()> {
    remove_file(&Kept::file(data_dir, full_name))
}

/// Full names of the variants of a pipeline that were run, sorted.
pub fn known(data_dir: &Path, pipeline: &str) -> Vec<String> {
    names(data_dir)
        .into_iter()
        .filter(|name| matches!(split_variant(name), (of, Some(_)) if of == pipeline))
        .collect()
}

/// Full names of all variants that were run, sorted.
fn names(data_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder(data_dir))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| {
        entry
            .file_name()
            .to_str()?
            .strip_suffix(".json")
            .map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The error for a variant that nobody has made.
pub fn unknown(data_dir: &Path, pipeline: &str, variant: &str) -> Error {
    let error = Error::missing(format!("there is no variant `{variant}` of {pipeline}"));
    error.hint(match known(data_dir, pipeline).as_slice() {
        [] => format!("none was run yet; overrides make one: ser run {pipeline} --set KEY=VALUE --as {variant}"),
        known => format!("there are: {}", known.join(", ")),
    })
}
