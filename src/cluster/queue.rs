//! What the scheduler says of the jobs of a plan.

use std::collections::BTreeMap;

use serde::Serialize;

use super::client::Client;
use super::plan::{Indices, Plan};
use crate::error::{Error, Kind, Result};

/// Array job, index, state, reason, node, comment; the comment may hold anything, so it comes last.
const FIELDS: &str = "%F|%K|%T|%r|%N|%k";

/// One task as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The number of its array.
    pub job: u64,
    /// Which submission of its stage it is of.
    pub attempt: u32,
    /// `RUNNING`, `PENDING`, …
    pub state: String,
    /// Why it waits, or why it is over.
    pub reason: String,
    /// Where it runs or ran.
    pub node: String,
}

impl Task {
    /// Whether something is still to be expected of it. A state that is not known counts as such:
    /// nothing is submitted twice by mistake.
    pub fn is_active(&self) -> bool {
        const OVER: [&str; 10] = [
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "TIMEOUT",
            "NODE_FAIL",
            "BOOT_FAIL",
            "DEADLINE",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
        ];
        !OVER.contains(&self.state.as_str()) && self.reason != "DependencyNeverSatisfied"
    }

    /// Whether it waits, and nothing of it runs.
    pub fn is_waiting(&self) -> bool {
        self.state == "PENDING"
    }

    /// Whether it waits for someone to set it free.
    pub fn is_held(&self) -> bool {
        let reason = self.reason.to_lowercase().replace(['_', ' '], "");
        self.is_waiting() && (reason.contains("held") || reason.contains("hold"))
    }
}

/// All tasks of a plan by stage and index, in the order of their jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    stages: BTreeMap<String, BTreeMap<u32, Vec<Task>>>,
}

impl Queue {
    /// Asks the scheduler.
    ///
    /// # Errors
    /// `Scheduler` where it does not answer.
    pub fn ask(client: &Client, plan: &Plan) -> Result<Queue> {
        let args = ["-h", "-r", "-t", "all", "--me", "-o", FIELDS].map(str::to_owned);
        Queue::parse(&client.ask("squeue", &args)?, plan)
    }

    fn parse(text: &str, plan: &Plan) -> Result<Queue> {
        let mut queue = Queue::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(6, '|').collect();
            let [job, indices, state, reason, node, comment] = fields[..] else {
                return Err(strange(line));
            };
            let Some(rest) = comment.trim().strip_prefix(&plan.mark()) else {
                continue;
            };
            let parsed = rest.split_once('/').and_then(|(stage, attempt)| {
                Some((
                    plan.stage(stage)?.name.clone(),
                    attempt.parse().ok()?,
                    job.parse().ok()?,
                    Indices::parse(indices)?,
                ))
            });
            let (stage, attempt, job, indices) = parsed.ok_or_else(|| strange(line))?;
            let task = Task {
                job,
                attempt,
                state: state.into(),
                reason: reason.into(),
                node: node.into(),
            };
            let tasks = queue.stages.entry(stage).or_default();
            indices
                .0
                .into_iter()
                .for_each(|index| tasks.entry(index).or_default().push(task.clone()));
        }
        queue
            .stages
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .for_each(|tasks| tasks.sort_by_key(|task| (task.attempt, task.job)));
        Ok(queue)
    }

    /// The tasks of a stage with their indices.
    pub fn of<'q>(&'q self, stage: &str) -> impl Iterator<Item = (u32, &'q Task)> + use<'q> {
        let tasks = self.stages.get(stage);
        tasks
            .into_iter()
            .flatten()
            .flat_map(|(index, tasks)| tasks.iter().map(|task| (*index, task)))
    }

    /// What counts of an index: an active task before one that is over, a later one before an
    /// earlier one.
    pub fn task(&self, stage: &str, index: u32) -> Option<&Task> {
        let tasks = self.stages.get(stage)?.get(&index)?;
        tasks
            .iter()
            .rev()
            .find(|task| task.is_active())
            .or(tasks.last())
    }

    /// All tasks of all stages.
    pub fn all(&self) -> impl Iterator<Item = &Task> {
        self.stages.values().flat_map(BTreeMap::values).flatten()
    }

    /// The job of one submission, where it is known.
    pub fn job(&self, stage: &str, attempt: u32) -> Option<u64> {
        self.of(stage)
            .find(|(_, task)| task.attempt == attempt)
            .map(|(_, task)| task.job)
    }

    /// Whether anything is still to be expected.
    pub fn is_active(&self) -> bool {
        self.all().any(Task::is_active)
    }
}

fn strange(line: &str) -> Error {
    Error::new(
        Kind::Scheduler,
        format!("squeue wrote a line that cannot be read: {line}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::tests_plan;

    #[test]
    fn the_queue_is_read_by_stage_and_index_and_foreign_jobs_are_left_out() {
        let text = "7|0-2%2|PENDING|None||p-1/train/1\n6|N/A|RUNNING|None|n1|\n5|1|FAILED|NonZeroExitCode|n1|p-1/shards/1\n\
                    8|1|RUNNING|None|n2|p-1/shards/2\n9|0|PENDING|Dependency||p-2/train/1\n10|0|RUNNING|None||other/x\n";
        let queue = Queue::parse(text, &tests_plan()).unwrap();
        assert_eq!(
            queue
                .of("train")
                .map(|(index, task)| (index, task.job))
                .collect::<Vec<_>>(),
            [(0, 7), (1, 7), (2, 7)]
        );
        let task = queue.task("shards", 1).unwrap();
        assert_eq!(
            (task.job, task.is_active(), task.node.as_str()),
            (8, true, "n2")
        );
        assert_eq!(queue.all().count(), 5);
        assert_eq!(
            (queue.job("shards", 1), queue.job("shards", 3)),
            (Some(5), None)
        );
        for wrong in [
            "x",
            "7|N/A|PENDING|None||p-1/train/1",
            "7|0|PENDING|None||p-1/other/1",
        ] {
            assert_eq!(
                Queue::parse(wrong, &tests_plan()).unwrap_err().kind(),
                Kind::Scheduler,
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_over_and_what_is_held() {
        let task = |state: &str, reason: &str| Task {
            job: 1,
            attempt: 1,
            state: state.into(),
            reason: reason.into(),
            node: String::new(),
        };
        assert!(
            task("PENDING", "Dependency").is_active()
                && task("COMPLETING", "None").is_active()
                && task("NEW_STATE", "").is_active()
        );
        assert!(
            !task("NODE_FAIL", "None").is_active()
                && !task("PENDING", "DependencyNeverSatisfied").is_active()
        );
        assert!(
            task("PENDING", "JobHeldUser").is_held()
                && task("PENDING", "launch failed requeued held").is_held()
        );
        assert!(!task("PENDING", "Dependency").is_held() && !task("RUNNING", "None").is_held());
    }
}
