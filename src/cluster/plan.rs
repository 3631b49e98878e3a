//! What is submitted: stages of equal tasks, one after the other; and the folder of a plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{create_folder, write_atomically};

use super::ledger::{Entry, Ledger};
use super::script::script;

/// The version of [`Plan`] as it is written.
pub(super) const FORMAT: u32 = 1;

/// Stages of a piece of work, and who asked for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Raised when a reader of older plans would misread newer ones.
    pub format: u32,
    /// File-name-safe and unlike that of any other plan on the cluster.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Where the tasks run; absolute.
    pub folder: PathBuf,
    /// In the order in which they are submitted: a stage comes after the one it waits for.
    pub stages: Vec<Stage>,
    /// Of whoever made the plan.
    pub request: serde_json::Value,
}

/// Tasks that differ in nothing but their index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// File-name-safe.
    pub name: String,
    /// The indices are 0 to `count` - 1.
    pub count: u32,
    /// The stage that has to be done before.
    pub after: Option<String>,
    /// Program and arguments; the index comes after them.
    pub command: Vec<String>,
    /// What every task is given.
    pub resources: Resources,
    /// A task that is stopped goes on where it was: at its time limit it is queued again.
    pub resumable: bool,
}

/// What a task is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// The cluster's own where there is none.
    pub partition: Option<String>,
    /// The user's own where there is none.
    pub account: Option<String>,
    /// Seconds; the partition's limit where there is none.
    pub time_s: Option<u64>,
    /// As sbatch takes it: `4G`.
    pub memory: Option<String>,
    /// Cores of one task.
    pub cpus: u32,
    /// Tasks of a stage that run at once, at most.
    pub max_concurrent: Option<u32>,
    /// Further options of sbatch.
    pub options: Vec<String>,
}

impl Plan {
    /// A plan as of now.
    pub fn new(
        id: String,
        folder: PathBuf,
        stages: Vec<Stage>,
        request: serde_json::Value,
    ) -> Plan {
        Plan {
            format: FORMAT,
            id,
            created: super::ledger::now(),
            folder,
            stages,
            request,
        }
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// What every job of the plan has at the front of its comment.
    pub fn mark(&self) -> String {
        format!("{}/", self.id)
    }
}

impl Stage {
    /// All its indices.
    pub fn indices(&self) -> Indices {
        Indices((0..self.count).collect())
    }
}

/// Some of the indices of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indices(pub BTreeSet<u32>);

impl Indices {
    /// Reads what [`fmt::Display`] writes, with a `%` and what follows it left out:
    /// `0-3,7,10-14:2%4`.
    pub fn parse(text: &str) -> Option<Indices> {
        let mut indices = BTreeSet::new();
        for part in text.split('%').next()?.split(',') {
            let (range, step) = part
                .split_once(':')
                .map_or(Some((part, 1)), |(range, step)| {
                    Some((range, step.parse().ok()?))
                })?;
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            if step == 0 || last < first || last - first > 10_000_000 {
                return None;
            }
            indices.extend((first..=last).step_by(step));
        }
        Some(Indices(indices))
    }
}

impl fmt::Display for Indices {
    /// As sbatch takes it: `0-3,7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<u32> = self.0.iter().copied().collect();
        for (i, run) in all.chunk_by(|a, b| a + 1 == *b).enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match run {
                [one] => write!(f, "{comma}{one}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

/// Three shards, of which a training of three waits.
#[cfg(test)]
pub(super) fn tests_plan() -> Plan {
    let stage = |name: &str, after: Option<&str>| Stage {
        name: name.into(),
        count: 3,
        after: after.map(str::to_owned),
        command: vec!["/bin/ser".into(), "worker".into()],
        resources: Resources {
            cpus: 1,
            ..Resources::default()
        },
        resumable: name == "train",
    };
    Plan {
        format: FORMAT,
        id: "p-1".into(),
        created: 0,
        folder: "/work dir".into(),
        stages: vec![stage("shards", None), stage("train", Some("shards"))],
        request: serde_json::Value::Null,
    }
}

const PLAN: &str = "plan.json";

/// A plan and the folder that keeps it.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    plan: Plan,
}

impl Run {
    /// A plan as it would lie in `folder`; nothing is written.
    pub fn at(folder: &Path, plan: Plan) -> Run {
        Run {
            folder: folder.to_owned(),
            plan,
        }
    }

    /// Writes down a plan in `folder`, with its scripts; the plan comes last.
    pub fn create(folder: &Path, plan: Plan) -> Result<Run> {
        let run = Run::at(folder, plan);
        create_folder(&run.logs())?;
        for stage in &run.plan.stages {
            write_atomically(&run.script(&stage.name), script(stage)?.as_bytes())?;
        }
        let mut text = serde_json::to_vec_pretty(&run.plan)
            .map_err(|e| Error::internal("failed to write a plan as JSON").because(e))?;
        text.push(b'\n');
        write_atomically(&run.folder.join(PLAN), &text)?;
        Ok(run)
    }

    /// Reads the plan of `folder`.
    ///
    /// # Errors
    /// `Missing` where there is none, `Data` where it cannot be read.
    pub fn open(folder: &Path) -> Result<Run> {
        let path = folder.join(PLAN);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::missing(format!(
                    "there is no plan in {}",
                    folder.display()
                )));
            }
            other => other.map_err(|e| Error::io("read", &path, e))?,
        };
        let unusable = |why: String| {
            Error::data(format!(
                "{} is no plan of this version of ser: {why}",
                path.display()
            ))
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|e| unusable(e.to_string()))?;
        if value["format"] != FORMAT {
            return Err(unusable(format!(
                "its format is {}, not {FORMAT}",
                value["format"]
            )));
        }
        let plan = serde_json::from_value(value).map_err(|e| unusable(e.to_string()))?;
        Ok(Run {
            folder: folder.to_owned(),
            plan,
        })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is to be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the scheduler runs for a stage.
    pub fn script(&self, stage: &str) -> PathBuf {
        self.folder.join("scripts").join(format!("{stage}.sh"))
    }

    /// What a task wrote.
    pub fn log(&self, stage: &str, index: u32) -> PathBuf {
        self.logs().join(format!("{stage}-{index}.log"))
    }

    /// The folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::at(self.folder.join("ledger.jsonl"))
    }

    /// What was asked of the scheduler so far.
    pub fn history(&self) -> Result<Vec<Entry>> {
        self.ledger().read()
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::plan::tests_plan;
    use crate::error::Kind;

    use super::*;

    #[test]
    fn indices_are_written_as_ranges_and_read_back() {
        for (text, indices) in [
            ("0", vec![0]),
            ("0-3,7,9-10", vec![0, 1, 2, 3, 7, 9, 10]),
            ("5-6", vec![5, 6]),
        ] {
            let indices = Indices(indices.into_iter().collect());
            assert_eq!(indices.to_string(), text);
            assert_eq!(Indices::parse(&format!("{text}%2")), Some(indices));
        }
        assert_eq!(
            Indices::parse("1-7:3").unwrap().0,
            BTreeSet::from([1, 4, 7])
        );
        for wrong in ["", "N/A", "3-1", "1-2:0", "1-", "0-4294967295"] {
            assert_eq!(Indices::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_plan_is_read_back_and_one_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("p-1");
        assert_eq!(Run::open(&at).unwrap_err().kind(), Kind::Missing);
        let run = Run::create(&at, tests_plan()).unwrap();
        assert_eq!(Run::open(&at).unwrap().plan(), run.plan());
        assert!(run.script("train").is_file() && run.logs().is_dir());
        let text = fs::read_to_string(at.join(PLAN)).unwrap();
        fs::write(
            at.join(PLAN),
            text.replace("\"format\": 1", "\"format\": 2"),
        )
        .unwrap();
        assert_eq!(Run::open(&at).unwrap_err().kind(), Kind::Data);
    }
}
