//! Reading a pipeline file, and for the parts of a joined corpus the guesses in theirs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::corpus::Attribute;
use crate::error::{Error, Result};
use crate::files::shell_word;
use crate::text::nearest;

use super::corpus::{CorpusKind, CorpusSettings};
use super::joined::PartKind;
use super::pipeline::Pipeline;
use super::section::moved;
use super::source::{SourceMap, read_text, shorten};
use super::{matrix, overrides, pipeline};

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
    of_parts(&mut pipeline.corpus, Path::new(file_name), corpora_dir);
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

/// What of another pipeline file matters here.
#[derive(Deserialize)]
struct File {
    corpus: Corpus,
}

#[derive(Deserialize)]
struct Corpus {
    kind: String,
    path: Option<PathBuf>,
    #[serde(default)]
    guessed: Vec<Attribute>,
}

/// Adds the guesses that pipeline files in the folder of `file` have of a manifest that is a part:
/// a speaker whom nobody has confirmed there is not confirmed by being joined. `corpora_dir` stands
/// for `data/corpora` at the front of their paths, as in `file`.
pub(super) fn of_parts(corpus: &mut CorpusSettings, file: &Path, corpora_dir: Option<&Path>) {
    let CorpusKind::Joined { root, parts } = &corpus.kind else {
        return;
    };
    let manifest = |kind: &PartKind| match kind {
        PartKind::Manifest { path } => Some(PathBuf::from(path)),
        _ => None,
    };
    let manifests: Vec<PathBuf> = parts
        .iter()
        .filter_map(|part| {
            let path = manifest(&part.kind)?;
            let path = match part.root {
                Some(_) => path,
                None => part.root(root).join(path),
            };
            fs::canonicalize(path).ok()
        })
        .collect();
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let Ok(File { corpus: other }) = toml::from_str(&text) else {
            continue;
        };
        let own = other
            .path
            .and_then(|path| fs::canonicalize(moved(&path, corpora_dir)).ok());
        if other.kind == "manifest" && own.is_some_and(|path| manifests.contains(&path)) {
            corpus.guessed.extend(other.guessed);
        }
    }
    corpus.guessed.sort();
    corpus.guessed.dedup();
}

#[cfg(test)]
mod tests {
    use crate::config::load::{SHIPPED, load};
    use crate::config::tests::{MINIMAL, says};
    use crate::error::Kind;

    use super::*;

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

    #[test]
    fn guesses_of_parts_count_wherever_corpora_lie() {
        let dir = tempfile::tempdir().unwrap();
        let (corpora, pipelines) = (dir.path().join("elsewhere"), dir.path().join("pipelines"));
        fs::create_dir_all(corpora.join("mine")).unwrap();
        fs::create_dir_all(&pipelines).unwrap();
        fs::write(corpora.join("mine/manifest.csv"), "").unwrap();
        fs::write(
            pipelines.join("mine.toml"),
            "[corpus]\nkind = \"manifest\"\npath = \"data/corpora/mine/manifest.csv\"\nguessed = [\"speaker\"]\n",
        )
        .unwrap();
        let both = pipelines.join("both.toml");
        let text = SHIPPED
            .iter()
            .find(|(name, _)| *name == "cross-corpus")
            .map(|(_, text)| *text)
            .unwrap();
        let part = "{ kind = \"manifest\", name = \"mine\", label_map = { anger = \"anger\" } },";
        fs::write(
            &both,
            text.replace("parts = [", &format!("parts = [\n{part}")),
        )
        .unwrap();
        let guessed = |corpora_dir| load(&both, &[], corpora_dir).unwrap().corpus.guessed;
        assert_eq!(guessed(Some(&corpora)), [Attribute::Speaker]);
        assert_eq!(guessed(None), []);
    }
}
