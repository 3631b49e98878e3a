//! Reading a pipeline file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::pipeline::{self, Pipeline};
use super::source::{SourceMap, read_text, shorten};
use super::{guesses, matrix, overrides};
use crate::error::{Error, Result};
use crate::files::shell_word;
use crate::text::nearest;

macro_rules! shipped {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../pipelines/", $name, ".toml")))),*]
    };
}

/// Name and text of the pipeline files that come with the program, sorted by name.
pub const SHIPPED: [(&str, &str); 14] = shipped![
    "cross-corpus",
    "demo",
    "emodb",
    "emodb-2s",
    "emodb-520",
    "emodb-520-sensitivity",
    "emodb-four",
    "emodb-steps",
    "iemocap",
    "iemocap-improvised",
    "ravdess",
    "ravdess-recipes",
    "ravdess-reimplementation",
    "ravdess-steps"
];

/// File with the JSON Schema of pipeline files, beside them.
pub const SCHEMA_FILE: &str = "schema.json";

/// First line of pipeline files that this program writes: where editors find the schema.
pub const SCHEMA_LINE: &str = "#:schema ./schema.json\n";

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

/// [`load`] for text that is at hand; `file_name` is what messages call it, and where the files of
/// joined parts are looked for.
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
    let read = |overrides: &[String]| {
        let source = SourceMap::new(file_name, text, overrides);
        pipeline::read(&overridden(&source)?, &source, corpora_dir)
    };
    // An override of the wrong form is wrong for every experiment.
    overridden(&SourceMap::new(file_name, text, overrides))?;
    let mut pipeline = read(overrides).map_err(|error| {
        // A value may be wrong for some experiments alone.
        overrides::by_name(error, text, overrides, &|overrides| read(overrides).is_ok())
    })?;
    guesses::of_parts(&mut pipeline.corpus, Path::new(file_name), corpora_dir);
    pipeline.file = file_name.into();
    pipeline.text = text.to_owned();
    pipeline.overrides = overrides.to_vec();
    if let Some(classes) = overrides::classes(overrides, &pipeline.corpus.labels) {
        // Title and published figures of the file are of the file's classes: with others it is
        // another task.
        if !overrides.iter().any(|text| overrides::key(text) == "title") {
            pipeline.title += &format!(" ({classes})");
        }
        pipeline.published.clear();
    }
    Ok(pipeline)
}

/// The file with the overrides in their places.
fn overridden(source: &SourceMap) -> Result<Spanned<DeTable<'_>>> {
    let mut root = DeTable::parse(source.file()).map_err(|error| source.toml_error(&error))?;
    matrix::expand(root.get_mut(), source)?;
    overrides::apply(root.get_mut(), source)?;
    Ok(root)
}

/// The name that a pipeline file gives its pipeline; `None` where that cannot be told.
pub fn name_in(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        name: String,
    }
    toml::from_str::<Head>(text).ok().map(|head| head.name)
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
        _ => read_text(path),
    }
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

/// Pipeline files that are named where one is missing.
const OFFERED: usize = 3;

/// The pipeline files in `folder`, or else in `pipelines`, that are called most like `path`.
fn offer(path: &Path, folder: &Path) -> String {
    let found = [folder, Path::new("pipelines")]
        .into_iter()
        .map(|folder| (folder, pipelines_in(folder)))
        .find(|(_, found)| !found.is_empty());
    let Some((folder, found)) = found else {
        return "name a pipeline file; `ser init` writes those that come with ser".to_owned();
    };
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let mut left: BTreeMap<String, PathBuf> = (found.into_iter())
        .map(|path| (stem(&path), path))
        .collect();
    let mut near: Vec<PathBuf> = Vec::new();
    while near.len() < OFFERED
        && let Some(one) = nearest(&stem(path), left.keys().map(String::as_str)).map(str::to_owned)
        && let Some(path) = left.remove(&one)
    {
        near.push(path);
    }
    let (question, mark) = match near.is_empty() {
        true => ("there are: ", ""),
        false => ("did you mean ", "?"),
    };
    if near.is_empty() {
        near = left.values().take(OFFERED).cloned().collect();
        left = left.into_iter().skip(OFFERED).collect();
    }
    let names: Vec<String> = (near.iter())
        .map(|path| shorten(&path.display().to_string()))
        .collect();
    let more = match left.len() {
        0 => String::new(),
        n => format!(
            " {n} more: ls {}",
            shell_word(&folder.display().to_string())
        ),
    };
    format!("{question}{}{mark}{more}", names.join(", "))
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
    use crate::config::tests::{MINIMAL, says};
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
        std::fs::File::create(&path)
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        let error = load(&path, &[], None).unwrap_err();
        assert!(
            error.kind() == Kind::Config && error.to_string().contains("larger than 1 MiB"),
            "{error}"
        );
    }

    #[test]
    fn unreadable_files_are_explained() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let good = at("good.toml", MINIMAL.as_bytes());
        assert_eq!(load(&good, &[], None).unwrap().name, "small");
        let fails = |path: &Path| {
            let error = load(path, &[], None).unwrap_err();
            (
                error.kind(),
                format!("{error}\n{}", error.hint_text().unwrap_or("")),
            )
        };
        let (kind, message) = fails(&at("binary.toml", b"name = \"a\"\n\xff\xfe"));
        assert_eq!(kind, Kind::Config);
        says(&message, "binary.toml:2:1: the file is not UTF-8");
        says(&fails(&at("empty.toml", b" \n")).1, "is empty … demo.toml");
        says(
            &fails(&at("huge.toml", &vec![b'#'; 2 << 20])).1,
            "larger than 1 MiB",
        );
        says(&fails(dir.path()).1, "is a folder … good.toml");
        let (kind, message) = fails(&dir.path().join("god.toml"));
        assert_eq!(kind, Kind::Missing);
        says(&message, "no pipeline file … did you mean … good.toml");
        let (kind, message) = fails(&dir.path().join("nowhere").join("x.toml"));
        assert_eq!(kind, Kind::Missing);
        says(&message, "no pipeline file");
        let bom = at("bom.toml", format!("\u{feff}{MINIMAL}").as_bytes());
        assert_eq!(load(&bom, &[], None).unwrap().name, "small");
    }
}
