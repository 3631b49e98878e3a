//! The folder of a plan.
//!
//! ```text
//! plan.json              what is to be done
//! ledger.jsonl           what was asked of the scheduler, each request before it was made, and what came of it
//! scripts/<stage>.sh     what the scheduler runs
//! logs/<stage>-<i>.log   what task i wrote, over all its attempts
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::ledger::{Entry, Ledger};
use super::plan::{FORMAT, Plan};
use super::script::script;
use crate::error::{Error, Result};
use crate::files::{create_folder, write_atomically};

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
    ///
    /// # Errors
    /// `Io` where the file system refuses.
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
    ///
    /// # Errors
    /// `Io` where the ledger cannot be read.
    pub fn history(&self) -> Result<Vec<Entry>> {
        self.ledger().read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::tests_plan;
    use crate::error::Kind;

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
