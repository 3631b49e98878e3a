//! Variants of a pipeline: the same file with other settings, whose tables, models and reports lie
//! beside those of the file.

use std::path::Path;

use toml::de::DeValue;

use super::corpus::CorpusKind;
use super::load::parse;
use super::pipeline::Pipeline;
use super::slurm::SlurmSettings;
use crate::error::{Error, Result};
use crate::files::hash_bytes;

/// Stands between the names of a pipeline and of its variant: no pipeline name contains it, and
/// every file system allows it.
const MARK: char = '@';
/// Longest name of a variant.
const LONGEST: usize = 64;
/// Letters of a derived name before its hash, where it would be longer.
const WORDS: usize = 48;

/// Pipeline and variant of a name such as `demo@epochs-2`.
pub fn split_variant(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(MARK) {
        Some((pipeline, variant)) if !pipeline.is_empty() && is_variant_name(variant) => {
            (pipeline, Some(variant))
        }
        _ => (name, None),
    }
}

/// Whether this may be the name of a variant, and so a part of the name of a folder.
pub fn is_variant_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST
        && name.starts_with(letter)
        && name.ends_with(letter)
        && name.chars().all(|c| letter(c) || "._-".contains(c))
}

/// [`parse`] for a run: with overrides that change what the file says, a variant of it. Its name is
/// `named` or follows from the overrides; with `named`, it is a variant in any case.
///
/// # Errors
/// As [`parse`]; [`crate::error::Kind::Usage`] for a name that is none.
pub fn parse_variant(
    text: &str,
    file_name: &str,
    overrides: &[String],
    corpora_dir: Option<&Path>,
    named: Option<&str>,
) -> Result<Pipeline> {
    if let Some(wrong) = named.filter(|name| !is_variant_name(name)) {
        let error = Error::usage(format!("`{wrong}` cannot be the name of a variant"));
        return Err(error.hint("use lower-case letters, digits, `.`, `-` and `_`, with a letter or digit first and last; 64 at most"));
    }
    let mut pipeline = parse(text, file_name, overrides, corpora_dir)?;
    if overrides.is_empty() && named.is_none() {
        return Ok(pipeline);
    }
    // A file may lack what an override gives.
    let file = parse(text, file_name, &[], corpora_dir).ok();
    // Another name makes another pipeline, whose folders are its own already.
    let own = file.as_ref().is_some_and(|file| {
        file.name != pipeline.name || comparable(file) == comparable(&pipeline)
    });
    let Some(variant) = named
        .map(str::to_owned)
        .or_else(|| (!own).then(|| derived_name(overrides)))
    else {
        return Ok(pipeline);
    };
    // Recordings generated with other settings must not replace those of the file.
    if let Some(file) = file.filter(|file| file.corpus.kind != pipeline.corpus.kind)
        && let CorpusKind::Synthetic { root, .. } = &mut pipeline.corpus.kind
        && root == file.corpus.kind.root()
    {
        let mut folder = root.file_name().unwrap_or_default().to_os_string();
        folder.push(format!("{MARK}{variant}"));
        root.set_file_name(folder);
    }
    pipeline.variant = Some(variant);
    Ok(pipeline)
}

impl Pipeline {
    /// Name of the folders of its tables, models and reports, and of its runs: `demo`, or
    /// `demo@epochs-2` for a variant.
    pub fn full_name(&self) -> String {
        self.with_variant(&self.name, |variant| format!("{MARK}{variant}"))
    }

    /// The title, followed by the name of the variant where this is one.
    pub fn full_title(&self) -> String {
        self.with_variant(&self.title, |variant| format!(" ({variant})"))
    }

    /// The overrides by which its results are not those of the file; none where they change
    /// nothing.
    pub fn changes(&self) -> impl Iterator<Item = &str> {
        // Under another name it is another pipeline.
        let other =
            self.variant.is_some() || self.overrides.iter().any(|text| key_of(text) == ["name"]);
        self.overrides
            .iter()
            .map(String::as_str)
            .filter(move |text| other && !is_idle(&key_of(text)))
    }

    /// The folder of its recordings, where they are generated for this variant alone.
    pub fn own_recordings(&self) -> Option<&Path> {
        let variant = self.variant.as_ref()?;
        let root = match &self.corpus.kind {
            CorpusKind::Synthetic { root, .. } => root,
            _ => return None,
        };
        root.file_name()?
            .to_str()?
            .ends_with(&format!("{MARK}{variant}"))
            .then_some(root)
    }

    fn with_variant(&self, text: &str, suffix: impl Fn(&str) -> String) -> String {
        format!(
            "{text}{}",
            self.variant.as_deref().map(suffix).unwrap_or_default()
        )
    }
}

/// The pipeline without what decides nothing about its results.
fn comparable(pipeline: &Pipeline) -> Pipeline {
    let mut pipeline = Pipeline {
        overrides: vec![],
        slurm: SlurmSettings::default(),
        ..pipeline.clone()
    };
    for experiment in &mut pipeline.experiments {
        experiment.default = true;
        experiment.train.checkpoint_every = 0;
    }
    pipeline
}

/// A name from the overrides alone: `epochs-2` for `train.epochs=2`, several joined by `_` in the
/// order of their keys. Where two lists of overrides could come to the same words, a hash follows.
pub fn derived_name(overrides: &[String]) -> String {
    let mut given: Vec<(Vec<&str>, &str)> = Vec::new();
    for text in overrides {
        let key = key_of(text);
        let value = text.split_once('=').map_or("", |(_, value)| value);
        given.retain(|(other, _)| *other != key);
        if !is_idle(&key) {
            given.push((key, value.trim()));
        }
    }
    // The order of overrides counts where one sets a part of what another sets.
    let entangled = given.iter().enumerate().any(|(i, (a, _))| {
        given[..i]
            .iter()
            .any(|(b, _)| tail(a).starts_with(tail(b)) || tail(b).starts_with(tail(a)))
    });
    let in_order: Vec<String> = given
        .iter()
        .map(|(key, value)| format!("{}={value}", key.join(".")))
        .collect();
    given.sort();
    let said: Vec<(String, bool)> = given.iter().map(|(key, value)| words(key, value)).collect();
    let name = said
        .iter()
        .map(|(words, _)| words.as_str())
        .collect::<Vec<_>>()
        .join("_");
    if !entangled
        && said.iter().all(|(_, exact)| *exact)
        && name.len() <= WORDS
        && is_variant_name(&name)
    {
        return name;
    }
    let hash = hash_bytes(in_order.join("\n").as_bytes());
    let start = name[..name.len().min(WORDS)].trim_matches(['.', '-', '_']);
    let start = if start.is_empty() { "set" } else { start };
    format!("{start}-{}", &hash[..6])
}

/// The parts of the key of an override.
fn key_of(text: &str) -> Vec<&str> {
    text.split('=')
        .next()
        .unwrap_or_default()
        .split('.')
        .map(str::trim)
        .collect()
}

/// Whether a key decides nothing about results.
fn is_idle(key: &[&str]) -> bool {
    key.first() == Some(&"slurm")
        || matches!(tail(key), ["default"] | ["train", "checkpoint_every"])
}

/// The key of an experiment without the words before it.
fn tail<'k, 'a>(key: &'k [&'a str]) -> &'k [&'a str] {
    match key {
        ["experiment", _, rest @ ..] => rest,
        _ => key,
    }
}

/// Key and value in letters that a name may have, and whether they say all.
fn words(key: &[&str], value: &str) -> (String, bool) {
    let whose = if let ["experiment", name, _, ..] = key {
        format!("{name}.")
    } else {
        String::new()
    };
    let rest = match tail(key) {
        ["train" | "model", rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let (value, exact) = match DeValue::parse(value) {
        Ok(parsed) => value_words(parsed.get_ref(), rest == ["protocol"]),
        Err(_) => (value.to_owned(), true),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let safe = |text: &str| {
        text.to_ascii_lowercase()
            .chars()
            .map(|c| if plain(c) { c } else { '-' })
            .collect::<String>()
    };
    let exact = exact && !value.is_empty() && value.chars().chain(whose.chars()).all(plain);
    (
        format!("{}{}-{}", safe(&whose), safe(&rest.join("-")), safe(&value)),
        exact,
    )
}

fn value_words(value: &DeValue, protocol: bool) -> (String, bool) {
    let joined = |items: Vec<(String, bool)>, exact: bool| {
        let exact = exact && items.iter().all(|(_, exact)| *exact);
        (
            items
                .into_iter()
                .map(|(words, _)| words)
                .collect::<Vec<_>>()
                .join("-"),
            exact,
        )
    };
    match value {
        DeValue::String(text) => (text.to_string(), true),
        DeValue::Integer(number) => (number.to_string(), true),
        DeValue::Float(number) => (number.to_string(), true),
        DeValue::Boolean(yes) => (yes.to_string(), true),
        DeValue::Datetime(date) => (date.to_string(), false),
        DeValue::Array(items) => {
            let numbers = items
                .iter()
                .all(|item| matches!(item.get_ref(), DeValue::Integer(_)));
            joined(
                items
                    .iter()
                    .map(|item| value_words(item.get_ref(), false))
                    .collect(),
                numbers,
            )
        }
        // A protocol is a kind and one number or word, which say all of it.
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| (key.get_ref() != "kind", key.get_ref().to_string()));
            joined(
                entries
                    .into_iter()
                    .map(|(_, item)| value_words(item.get_ref(), false))
                    .collect(),
                protocol,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(overrides: &[&str]) -> String {
        derived_name(
            &overrides
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_name_says_what_is_overridden() {
        assert_eq!(name(&["train.epochs=2"]), "epochs-2");
        assert_eq!(
            name(&["train.epochs=15", "train.batch_size=64"]),
            "batch-size-64_epochs-15"
        );
        assert_eq!(name(&["seeds=[0, 1]"]), "seeds-0-1");
        assert_eq!(
            name(&["protocol={ kind = \"group-kfold\", folds = 5 }"]),
            "protocol-group-kfold-5"
        );
        assert_eq!(
            name(&["experiment.quick.train.learning_rate=1e-3"]),
            "quick.learning-rate-1e-3"
        );
        assert_eq!(
            name(&[
                "train.device=burn-flex",
                "slurm.cpus=4",
                "train.checkpoint_every=3"
            ]),
            "device-burn-flex"
        );
        // The order of independent overrides and what a later one replaces are of no account.
        assert_eq!(
            name(&["model.c=2", "split_seed=1"]),
            name(&["split_seed=1", "model.c=3", "model.c=2"])
        );
    }

    #[test]
    fn different_overrides_have_different_names() {
        let lists: [&[&str]; 18] = [
            &["features.sets=[\"functionals\"]"],
            &["features.sets=[\"functionals\", \"frames\"]"],
            &["features.set=functionals"],
            &["inputs.set=functionals"],
            &["corpus.seed=1"],
            &["corpus.subset.seed=1"],
            &["corpus.root=/a/b"],
            &["corpus.root=/a-b"],
            &["corpus.root=/A-b"],
            &["title=x y"],
            &["title=x-y"],
            &["title=é"],
            &["train.epochs=2", "experiment.quick.train.epochs=3"],
            &["experiment.quick.train.epochs=3", "train.epochs=2"],
            &["train={ epochs = 2 }"],
            &["experiment.a_b.train.epochs=2"],
            &["experiment.a-b.train.epochs=2"],
            &[
                "description=a name far longer than any folder should have, and then some more of it",
                "published=[]",
            ],
        ];
        let names: std::collections::BTreeSet<String> =
            lists.iter().map(|list| name(list)).collect();
        assert_eq!(names.len(), lists.len(), "{names:?}");
        assert!(names.iter().all(|name| is_variant_name(name)), "{names:?}");
    }

    #[test]
    fn only_a_safe_name_stands_behind_the_mark() {
        assert_eq!(split_variant("demo@epochs-2"), ("demo", Some("epochs-2")));
        assert_eq!(
            split_variant("pipelines/demo.toml@x"),
            ("pipelines/demo.toml", Some("x"))
        );
        for plain in [
            "demo",
            "demo@",
            "@x",
            "/home/a@b/demo.toml",
            "demo@..",
            "demo@a/b",
            "demo@X",
        ] {
            assert_eq!(split_variant(plain), (plain, None));
        }
    }

    #[test]
    fn what_changes_no_result_makes_no_variant() {
        const DEMO: &str = include_str!("../../pipelines/demo.toml");
        let full = |overrides: &[&str], named: Option<&str>| {
            let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
            parse_variant(DEMO, "demo.toml", &overrides, None, named).unwrap()
        };
        let same = full(
            &[
                "slurm.cpus=2",
                "train.checkpoint_every=5",
                "train.device=cpu",
                "experiment.quick.default=false",
            ],
            None,
        );
        assert_eq!(
            (same.full_name().as_str(), same.full_title() == same.title),
            ("demo", true)
        );
        assert_eq!(
            full(&["name=other", "train.epochs=2"], None).full_name(),
            "other"
        );
        let other = full(&["train.epochs=2"], None);
        assert_eq!(
            (other.full_name().as_str(), other.name.as_str()),
            ("demo@epochs-2", "demo")
        );
        assert_eq!(other.corpus, full(&[], None).corpus);
        assert_eq!(
            full(&["train.epochs=2"], Some("short")).full_name(),
            "demo@short"
        );
        // Other generated recordings lie elsewhere.
        let sounds = full(&["corpus.seed=9"], None);
        assert!(
            sounds
                .corpus
                .kind
                .root()
                .ends_with("synthetic@corpus-seed-9"),
            "{:?}",
            sounds.corpus.kind
        );
        assert!(parse_variant(DEMO, "demo.toml", &[], None, Some("a/b")).is_err());
    }
}
