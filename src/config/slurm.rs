//! `[slurm]` in a pipeline file, or a file of its own, a profile: resources of the tasks on a Slurm
//! cluster. It changes no result.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use toml::de::DeTable;

use super::schema;
use super::section::Section;
use super::source::{SourceMap, read_text};
use super::{check, format};
use crate::error::{Error, Result};

/// The stages that have settings of their own, in their order.
pub const SLURM_STAGES: [&str; 4] = ["features", "prepare", "train", "report"];

/// The schema of a profile.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema::of::<SlurmKeys>);

/// Resources of a task; those that are not given are taken from the next that says them, and at
/// last from the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub struct SlurmShare {
    /// Partition, as in sbatch.
    #[schemars(extend("format" = "word", "x-default" = "the cluster's"))]
    pub partition: Option<String>,
    /// Account that pays, as in sbatch.
    #[schemars(extend("format" = "word", "x-default" = "the cluster's"))]
    pub account: Option<String>,
    /// Time limit of one task: `"H:MM:SS"` or `"D-HH:MM:SS"`.
    #[serde(default, rename = "time", deserialize_with = "seconds")]
    #[schemars(with = "Option<String>")]
    #[schemars(extend("format" = "time limit", "x-default" = "the partition's"))]
    pub time_s: Option<u64>,
    /// Memory of one task: `"4G"`.
    #[schemars(extend("format" = "size", "x-default" = "the cluster's"))]
    pub memory: Option<String>,
    /// Cores of one task.
    #[schemars(range(min = 1, max = 4_096), extend("x-default" = "`1`"))]
    pub cpus: Option<u32>,
    /// Tasks of one stage that run at once.
    #[schemars(range(min = 1, max = 4_096), extend("x-default" = "all"))]
    pub max_concurrent: Option<u32>,
    /// Further options of sbatch: `["--gres=gpu:1"]`.
    #[schemars(transform = options)]
    pub options: Option<Vec<String>>,
}

/// Resources of all tasks of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "SlurmKeys")]
pub struct SlurmSettings {
    /// Of every stage.
    pub all: SlurmShare,
    /// Of single stages, out of [`SLURM_STAGES`].
    pub stages: BTreeMap<String, SlurmShare>,
    /// Utterances of one task of the features stage.
    pub shard_size: Option<u32>,
}

/// The keys of `[slurm]`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct SlurmKeys {
    #[serde(flatten)]
    all: SlurmShare,
    /// Utterances of one task of `features`.
    #[schemars(range(min = 1, max = 10_000_000), extend("x-default" = "`20000`"))]
    shard_size: Option<u32>,
    /// Resources of the stage `features`: the keys above but `shard_size`.
    features: Option<SlurmShare>,
    /// Resources of the stage `prepare`.
    prepare: Option<SlurmShare>,
    /// Resources of the stage `train`.
    train: Option<SlurmShare>,
    /// Resources of the stage `report`.
    report: Option<SlurmShare>,
}

fn options(schema: &mut schemars::Schema) {
    if let Some(items) = schema.get_mut("items") {
        items["format"] = "option".into();
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    format::seconds(&text)
        .map(Some)
        .ok_or_else(|| de::Error::custom("no time limit"))
}

impl From<SlurmKeys> for SlurmSettings {
    fn from(keys: SlurmKeys) -> SlurmSettings {
        let shares = [keys.features, keys.prepare, keys.train, keys.report];
        let stages = SLURM_STAGES.into_iter().zip(shares);
        SlurmSettings {
            all: keys.all,
            stages: stages
                .filter_map(|(stage, share)| Some((stage.to_owned(), share?)))
                .collect(),
            shard_size: keys.shard_size,
        }
    }
}

impl SlurmShare {
    /// Itself, with what it leaves open taken from `base`.
    pub fn over(self, base: SlurmShare) -> SlurmShare {
        SlurmShare {
            partition: self.partition.or(base.partition),
            account: self.account.or(base.account),
            time_s: self.time_s.or(base.time_s),
            memory: self.memory.or(base.memory),
            cpus: self.cpus.or(base.cpus),
            max_concurrent: self.max_concurrent.or(base.max_concurrent),
            options: self.options.or(base.options),
        }
    }
}

impl SlurmSettings {
    /// Itself, with what it leaves open taken from `base`.
    pub fn over(mut self, base: SlurmSettings) -> SlurmSettings {
        for (stage, share) in base.stages {
            let own = self.stages.remove(&stage).unwrap_or_default();
            self.stages.insert(stage, own.over(share));
        }
        SlurmSettings {
            all: self.all.over(base.all),
            stages: self.stages,
            shard_size: self.shard_size.or(base.shard_size),
        }
    }

    /// What a task of `stage` is given.
    pub fn of(&self, stage: &str) -> SlurmShare {
        self.stages
            .get(stage)
            .cloned()
            .unwrap_or_default()
            .over(self.all.clone())
    }
}

/// Reads a profile: a file of the keys that may stand under `[slurm]`.
///
/// # Errors
/// `Missing` where there is no such file; `Config` with file, line and column for what is wrong in
/// it; `Io` where it cannot be read.
pub fn load_profile(path: &Path) -> Result<SlurmSettings> {
    if !path.exists() {
        let error = Error::missing(format!("there is no profile {}", path.display()));
        return Err(error.hint(
            "a profile is a file of the keys that may stand under [slurm]; see docs/slurm.md",
        ));
    }
    let text = read_text(path)?;
    let source = SourceMap::new(&path.display().to_string(), &text, &[]);
    let root = DeTable::parse(source.file()).map_err(|error| source.toml_error(&error))?;
    check::table(&Section::root(&source, &root), &SCHEMA, |_, _| None)?;
    SlurmSettings::deserialize(toml::de::Deserializer::from(root.clone()))
        .map_err(|error| source.toml_error(&error))
}

/// The JSON Schema of a profile.
pub fn slurm_schema() -> Value {
    schema::closed(SCHEMA.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn profile(text: &str) -> Result<SlurmSettings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, text).unwrap();
        load_profile(&path)
    }

    #[test]
    fn a_stage_has_its_own_before_what_all_have_and_a_profile_comes_first() {
        let base = profile("partition = \"cpu\"\ntime = \"1-02:00:00\"\nshard_size = 10\n[train]\ncpus = 4\nmemory = \"8G\"\n").unwrap();
        let over = profile(
            "partition = \"fast\"\n[train]\npartition = \"gpu\"\noptions = [\"--gres=gpu:1\"]\n",
        )
        .unwrap();
        let settings = over.over(base);
        let train = settings.of("train");
        assert_eq!(
            (
                train.partition.as_deref(),
                train.time_s,
                train.cpus,
                train.memory.as_deref()
            ),
            (Some("gpu"), Some(93_600), Some(4), Some("8G"))
        );
        assert_eq!(train.options, Some(vec!["--gres=gpu:1".to_owned()]));
        assert_eq!(
            (
                settings.of("report").partition.as_deref(),
                settings.shard_size
            ),
            (Some("fast"), Some(10))
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, words) in [
            ("partitoin = \"x\"\n", "did you mean `partition`?"),
            (
                "time = \"90\"\n",
                "p.toml:1:8: `time` is no time limit: `90`",
            ),
            ("time = \"1:75:00\"\n", "no time limit"),
            ("memory = \"4 GB\"\n", "`memory` is no size: `4 GB`"),
            ("cpus = 0\n", "`cpus` is 0, but must be from 1 to 4096"),
            (
                "options = [\"--arr=0-3\"]\n",
                "`--array` is stated by ser itself",
            ),
            ("options = [\"gres\"]\n", "begins with `--`"),
            ("partition = \"a b\"\n", "no name that Slurm knows"),
            ("[train]\nshard_size = 1\n", "unknown key `shard_size`"),
        ] {
            let error = profile(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{text}");
            let all = format!("{error} {}", error.hint_text().unwrap_or_default());
            assert!(all.contains(words), "`{words}` is not in {all}");
        }
        assert_eq!(
            load_profile(Path::new("/no/such.toml")).unwrap_err().kind(),
            Kind::Missing
        );
    }
}
