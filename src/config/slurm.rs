//! What tasks are given on a Slurm cluster: `[slurm]` in a pipeline file, or a file of its own, a
//! profile. It changes no result.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::check::Context;
use super::load;
use super::raw::{Key, Table};
use super::texts::{Texts, shorten};
use crate::error::Result;

/// The stages that have settings of their own, in their order.
pub const SLURM_STAGES: [&str; 4] = ["features", "prepare", "train", "report"];

/// Options that this program states itself.
const OWN: [&str; 22] = [
    "account",
    "array",
    "chdir",
    "comment",
    "cpus-per-task",
    "dependency",
    "error",
    "export",
    "hold",
    "input",
    "job-name",
    "kill-on-invalid-dep",
    "mem",
    "no-requeue",
    "open-mode",
    "output",
    "parsable",
    "partition",
    "requeue",
    "signal",
    "time",
    "wrap",
];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSlurm {
    partition: Key<String>,
    account: Key<String>,
    time: Key<String>,
    memory: Key<String>,
    cpus: Key<i64>,
    max_concurrent: Key<i64>,
    options: Key<Vec<Spanned<String>>>,
    shard_size: Key<i64>,
    features: Option<Table<RawShare>>,
    prepare: Option<Table<RawShare>>,
    train: Option<Table<RawShare>>,
    report: Option<Table<RawShare>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShare {
    partition: Key<String>,
    account: Key<String>,
    time: Key<String>,
    memory: Key<String>,
    cpus: Key<i64>,
    max_concurrent: Key<i64>,
    options: Key<Vec<Spanned<String>>>,
}

/// What is said of a task; what is not is left to whoever is asked next, and at last to the
/// cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlurmShare {
    /// Where it runs.
    pub partition: Option<String>,
    /// Who pays.
    pub account: Option<String>,
    /// Its time limit in seconds.
    pub time_s: Option<u64>,
    /// As sbatch takes it: `4G`.
    pub memory: Option<String>,
    /// Its cores.
    pub cpus: Option<u32>,
    /// How many of its kind run at once.
    pub max_concurrent: Option<u32>,
    /// Further options of sbatch.
    pub options: Option<Vec<String>>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlurmSettings {
    /// Of every stage.
    pub all: SlurmShare,
    /// Of single stages, out of [`SLURM_STAGES`].
    pub stages: BTreeMap<String, SlurmShare>,
    /// Utterances of one task of the features stage.
    pub shard_size: Option<u32>,
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
    let text = load::read_profile(path)?;
    let texts = Texts::new(&path.display().to_string(), &text, &[]);
    let root = DeTable::parse(texts.file()).map_err(|error| texts.toml_error(&error))?;
    root.get_ref()
        .values()
        .try_for_each(|value| load::refuse_dates(value, &texts))?;
    let raw = RawSlurm::deserialize(Deserializer::from(root))
        .map_err(|error| texts.toml_error(&error))?;
    settings(
        Some(raw),
        &Context {
            texts: &texts,
            corpora_dir: None,
        },
    )
}

/// Checks everything that is said.
pub(super) fn settings(raw: Option<RawSlurm>, context: &Context<'_>) -> Result<SlurmSettings> {
    let raw = raw.unwrap_or_default();
    let mut stages = BTreeMap::new();
    for (stage, own) in
        SLURM_STAGES
            .into_iter()
            .zip([raw.features, raw.prepare, raw.train, raw.report])
    {
        if let Some(Table(own)) = own {
            stages.insert(stage.to_owned(), share(own, context)?);
        }
    }
    let shard_size = raw
        .shard_size
        .map(|n| context.whole("shard_size", Some(n), 0, 1..=10_000_000))
        .transpose()?;
    let all = RawShare {
        partition: raw.partition,
        account: raw.account,
        time: raw.time,
        memory: raw.memory,
        cpus: raw.cpus,
        max_concurrent: raw.max_concurrent,
        options: raw.options,
    };
    Ok(SlurmSettings {
        all: share(all, context)?,
        stages,
        shard_size,
    })
}

fn share(raw: RawShare, context: &Context<'_>) -> Result<SlurmShare> {
    let word = |key: &str, value: Key<String>| -> Result<Option<String>> {
        let Some(value) = value else { return Ok(None) };
        let span = value.span();
        let text = context.text(key, value)?;
        if text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.,:@+".contains(c))
        {
            return Ok(Some(text));
        }
        Err(context.texts.error(
            &span,
            format!("`{key}` is no name that Slurm knows: `{}`", shorten(&text)),
        ))
    };
    let number = |key: &str, value: Key<i64>| {
        value
            .map(|n| context.whole(key, Some(n), 0, 1..=4_096))
            .transpose()
    };
    Ok(SlurmShare {
        partition: word("partition", raw.partition)?,
        account: word("account", raw.account)?,
        time_s: raw.time.map(|time| seconds(time, context)).transpose()?,
        memory: raw.memory.map(|memory| size(memory, context)).transpose()?,
        cpus: number("cpus", raw.cpus)?,
        max_concurrent: number("max_concurrent", raw.max_concurrent)?,
        options: raw
            .options
            .map(|options| {
                options
                    .into_inner()
                    .into_iter()
                    .map(|o| option(o, context))
                    .collect()
            })
            .transpose()?,
    })
}

/// `H:MM:SS` or `D-HH:MM:SS`.
fn seconds(time: Spanned<String>, context: &Context<'_>) -> Result<u64> {
    let parse = |text: &str| -> Option<u64> {
        let (days, clock) = text.split_once('-').unwrap_or(("0", text));
        let numbers: Vec<u64> = clock
            .split(':')
            .map(|n| n.parse().ok())
            .collect::<Option<_>>()?;
        let [hours, minutes, seconds] = numbers[..] else {
            return None;
        };
        let days: u64 = days.parse().ok()?;
        let fits = minutes < 60 && seconds < 60 && days < 10_000 && hours < 100_000;
        fits.then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
            .filter(|all| *all >= 60)
    };
    parse(time.get_ref()).ok_or_else(|| {
        let error = context.texts.error(&time.span(), format!("`time` is no time limit: `{}`", shorten(time.get_ref())));
        error.hint("write hours:minutes:seconds or days-hours:minutes:seconds, at least a minute: time = \"4:00:00\"")
    })
}

fn size(memory: Spanned<String>, context: &Context<'_>) -> Result<String> {
    let text = memory.get_ref();
    let digits = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or_default();
    if digits.parse::<u32>().is_ok_and(|n| n > 0) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(memory.into_inner());
    }
    let error = context.texts.error(
        &memory.span(),
        format!("`memory` is no size: `{}`", shorten(text)),
    );
    Err(error.hint("write a number with K, M, G or T: memory = \"4G\""))
}

fn option(option: Spanned<String>, context: &Context<'_>) -> Result<String> {
    let span = option.span();
    let text = context.text("an option", option)?;
    let Some(name) = text
        .strip_prefix("--")
        .map(|rest| rest.split('=').next().unwrap_or(rest).to_owned())
        .filter(|n| !n.is_empty())
    else {
        return Err(context
            .texts
            .error(&span, "an option of sbatch begins with `--`")
            .hint("for example options = [\"--gres=gpu:1\"]"));
    };
    // Sbatch also takes the beginning of a name.
    if let Some(own) = OWN.iter().find(|own| own.starts_with(&name)) {
        let error = context
            .texts
            .error(&span, format!("`--{own}` is stated by ser itself"));
        return Err(error.hint(
            "partition, account, time, memory, cpus and max_concurrent are keys of their own",
        ));
    }
    Ok(text)
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
