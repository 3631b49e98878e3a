//! Reading a pipeline file.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::accepted;
use super::check::{self, Context};
use super::overrides;
use super::raw::RawPipeline;
use super::shipped::SHIPPED;
use super::texts::{Texts, shorten};
use super::validated::Pipeline;
use crate::error::{Error, Result};
use crate::text::nearest;

/// Larger files are not read: the largest sensible pipeline is a hundredth of it.
const LARGEST: u64 = 1 << 20;

/// Reads and checks a pipeline file.
///
/// `overrides` are `KEY=VALUE` as after `--set`, applied in order. `corpora_dir` replaces
/// `data/corpora` at the front of the corpus's paths, except where an override gives the path, and
/// for a generated corpus.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where there is no such file, with the pipelines that there are;
/// [`crate::error::Kind::Config`] with file, line and column (or the override) for everything that
/// is wrong in it; [`crate::error::Kind::Io`] where it cannot be read.
pub fn load(path: &Path, overrides: &[String], corpora_dir: Option<&Path>) -> Result<Pipeline> {
    parse(
        &read(path)?,
        &path.display().to_string(),
        overrides,
        corpora_dir,
    )
}

/// [`load`] for text that is at hand; `file_name` is what messages call it.
///
/// # Errors
/// [`crate::error::Kind::Config`] for everything that is wrong in it.
pub fn parse(
    text: &str,
    file_name: &str,
    overrides: &[String],
    corpora_dir: Option<&Path>,
) -> Result<Pipeline> {
    if text.trim().is_empty() {
        return Err(Error::config(format!("{file_name} is empty"))
            .hint("pipelines/demo.toml is a small complete example"));
    }
    let texts = Texts::new(file_name, text, overrides);
    let root = overridden(&texts)?;
    checked(root, &texts, overrides, corpora_dir).map_err(|error| {
        // What is wrong with a value may be wrong for some experiments alone.
        let with = |overrides: &[String]| {
            let texts = Texts::new(file_name, text, overrides);
            checked(overridden(&texts)?, &texts, overrides, corpora_dir)
        };
        overrides::by_name(error, text, overrides, &with)
    })
}

/// The file with the overrides in their places.
fn overridden(texts: &Texts) -> Result<Spanned<DeTable<'_>>> {
    let mut root = DeTable::parse(texts.file()).map_err(|error| texts.toml_error(&error))?;
    overrides::apply(root.get_mut(), texts)?;
    Ok(root)
}

fn checked(
    root: Spanned<DeTable<'_>>,
    texts: &Texts,
    overrides: &[String],
    corpora_dir: Option<&Path>,
) -> Result<Pipeline> {
    root.get_ref()
        .values()
        .try_for_each(|value| refuse_dates(value, texts))?;
    let raw = RawPipeline::deserialize(Deserializer::from(root)).map_err(|error| {
        let root = overridden(texts).ok();
        let takes = |span: &Range<usize>, key: &str| {
            root.as_ref()
                .is_none_or(|root| accepted::takes(root.get_ref(), span, key))
        };
        texts.toml_error_among(&error, &takes)
    })?;
    let pipeline = check::pipeline(raw, &Context { texts, corpora_dir })?;
    let pipeline = Pipeline {
        file: texts.file_name().into(),
        text: texts.file().to_owned(),
        overrides: overrides.to_vec(),
        ..pipeline
    };
    let Some(classes) = overrides::classes(overrides, &pipeline.corpus.labels) else {
        return Ok(pipeline);
    };
    // Title and published figures of the file are of the file's classes: with others it is another
    // task.
    let entitled = overrides.iter().any(|text| overrides::key(text) == "title");
    let title = if entitled {
        pipeline.title.clone()
    } else {
        format!("{} ({classes})", pipeline.title)
    };
    Ok(Pipeline {
        title,
        published: Vec::new(),
        ..pipeline
    })
}

/// No key takes a date, and the TOML reader hands one to serde as a table with a key of its own.
pub(super) fn refuse_dates(value: &Spanned<DeValue<'_>>, texts: &Texts) -> Result<()> {
    match value.get_ref() {
        DeValue::Datetime(_) => Err(texts
            .error(&value.span(), "no key takes a date or a time")
            .hint("put it in quotes to make it text")),
        DeValue::Array(items) => items.iter().try_for_each(|item| refuse_dates(item, texts)),
        DeValue::Table(table) => table
            .values()
            .try_for_each(|item| refuse_dates(item, texts)),
        _ => Ok(()),
    }
}

/// What a pipeline file calls its pipeline; `None` where that cannot be told.
pub fn name_in(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        name: String,
    }
    toml::from_str::<Head>(text).ok().map(|head| head.name)
}

/// The text of a profile.
pub(super) fn read_profile(path: &Path) -> Result<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = Error::missing(format!("there is no profile {}", path.display()));
            Err(error.hint(
                "a profile is a file of the keys that may stand under [slurm]; see docs/slurm.md",
            ))
        }
        _ => text(path),
    }
}

/// The text of a pipeline file.
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path) -> Result<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path)),
        Ok(metadata) if metadata.is_dir() => Err(Error::config(format!(
            "{} is a folder, not a pipeline file",
            path.display()
        ))
        .hint(offer(path, path))),
        _ => text(path),
    }
}

fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("read", path, error))?;
    if bytes.len() as u64 > LARGEST {
        let error = Error::config(format!(
            "{} is larger than 1 MiB: that is no pipeline file",
            path.display()
        ));
        return Err(error.hint("pipelines/demo.toml is a small complete example"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(valid)
            .chars()
            .rev()
            .take_while(|&c| c != '\n')
            .count()
            + 1;
        Error::config(format!(
            "{}:{line}:{column}: the file is not UTF-8",
            path.display()
        ))
        .hint("save it as UTF-8 text")
    })
}

fn missing(path: &Path) -> Error {
    let parent = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("pipelines"));
    let error = Error::missing(format!("there is no pipeline file {}", path.display()));
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if SHIPPED.iter().any(|(name, _)| *name == stem)
        && path
            .extension()
            .is_some_and(|extension| extension == "toml")
    {
        let elsewhere = if parent == Path::new("pipelines") {
            String::new()
        } else {
            format!(" --pipelines-dir {}", parent.display())
        };
        return error.hint(format!(
            "it comes with ser: ser init {stem}{elsewhere} writes it"
        ));
    }
    error.hint(offer(path, parent))
}

/// The pipeline files in `folder`, or else in `pipelines`, and the one that was probably meant.
fn offer(path: &Path, folder: &Path) -> String {
    let found = [folder, Path::new("pipelines")]
        .into_iter()
        .map(pipelines_in)
        .find(|found| !found.is_empty())
        .unwrap_or_default();
    if found.is_empty() {
        return "name a pipeline file; `ser init` writes those that come with ser".to_owned();
    }
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let stems: Vec<String> = found.iter().map(|path| stem(path)).collect();
    let meant = nearest(&stem(path), stems.iter().map(String::as_str))
        .and_then(|near| stems.iter().position(|s| s == near));
    let list: Vec<String> = found
        .iter()
        .map(|path| shorten(&path.display().to_string()))
        .collect();
    match meant {
        Some(i) => format!("did you mean {}? there are: {}", list[i], list.join(", ")),
        None => format!("there are: {}", list.join(", ")),
    }
}

fn pipelines_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const DEMO: &str = include_str!("../../pipelines/demo.toml");

    fn refused(text: &str, overrides: &[String]) -> String {
        let error = parse(text, "p.toml", overrides, None).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        error.to_string()
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_end_of_the_stack() {
        const DEEP: usize = 200_000;
        let tables = (0..1_000).map(|i| {
            format!(
                "[a{i}{}]\nb{}={}1{}\n",
                ".a".repeat(70),
                ".b".repeat(70),
                "[".repeat(70),
                "]".repeat(70)
            )
        });
        for text in [
            format!("a={}", "[".repeat(DEEP)),
            format!("a={}{}", "[".repeat(DEEP), "]".repeat(DEEP)),
            format!("a={}", "{a=".repeat(DEEP)),
            format!("a{}=1", ".a".repeat(DEEP)),
            format!("[a{}]", ".a".repeat(DEEP)),
            format!("[[a{}]]", ".a".repeat(DEEP)),
            tables.collect(),
        ] {
            assert!(refused(&text, &[]).len() < 1_000);
        }
        for value in [
            format!("corpus{}=1", ".a".repeat(DEEP)),
            format!("corpus.a={}", "[".repeat(DEEP)),
            format!("{}=1", ".".repeat(DEEP)),
        ] {
            assert!(refused(DEMO, &[value]).len() < 1_000);
        }
    }

    #[test]
    fn many_keys_take_no_time() {
        let start = std::time::Instant::now();
        let experiments = "[[experiment]]\nname='e'\n".repeat(40_000);
        for text in [
            experiments,
            (0..60_000).map(|i| format!("k{i}=1\n")).collect(),
            "a=1\n".repeat(200_000),
            "\"".repeat(1 << 20),
        ] {
            refused(&text, &[]);
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        File::create(&path)
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        let error = load(&path, &[], None).unwrap_err();
        assert!(
            error.kind() == Kind::Config && error.to_string().contains("larger than 1 MiB"),
            "{error}"
        );
    }
}
