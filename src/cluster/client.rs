//! The scheduler's command-line programs, each with a limit on its time and without what the user's
//! environment would add; and what it says of the jobs of a plan.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, Kind, Result};

use super::plan::{Indices, Plan};

/// Longest that a program is waited for; one that finds no controller gives up after about 9 s by
/// itself.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs sbatch, squeue, scancel and scontrol.
#[derive(Debug)]
pub struct Client {
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
}

/// What came of a call.
pub(super) enum Called {
    /// The program ended.
    Ended {
        /// With exit code 0.
        well: bool,
        stdout: String,
        stderr: String,
    },
    /// It was stopped at the limit.
    TimedOut,
}

impl Client {
    /// Programs are started with `environment`, the caller's own, but for the variables by which it
    /// would change what is asked for.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Client {
        Client {
            environment: environment
                .into_iter()
                .filter(|(name, _)| is_harmless(name))
                .collect(),
            limit: LIMIT,
        }
    }

    /// Runs one program.
    ///
    /// # Errors
    /// `Missing` where it is not installed, `Io` where it cannot be started.
    pub(super) fn call(&self, program: &str, args: &[String]) -> Result<Called> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                Error::missing(format!("there is no program `{program}`"))
                    .hint("run this where Slurm's client programs are installed")
            }
            _ => Error::io("start", std::path::Path::new(program), e),
        })?;
        let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
        let deadline = Instant::now() + self.limit;
        let status: Option<ExitStatus> = loop {
            match child
                .try_wait()
                .map_err(|e| Error::io("wait for", std::path::Path::new(program), e))?
            {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let Some(status) = status else {
            // It may have ended just now; either way it is no longer waited for.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Called::TimedOut);
        };
        let text = |from: mpsc::Receiver<String>| {
            from.recv_timeout(Duration::from_secs(1))
                .unwrap_or_default()
        };
        Ok(Called::Ended {
            well: status.success(),
            stdout: text(stdout),
            stderr: text(stderr).trim().to_owned(),
        })
    }

    /// Runs one program and returns what it wrote.
    ///
    /// # Errors
    /// As [`Client::call`]; `Scheduler` where it fails or takes too long.
    pub(super) fn ask(&self, program: &str, args: &[String]) -> Result<String> {
        match self.call(program, args)? {
            Called::Ended {
                well: true, stdout, ..
            } => Ok(stdout),
            Called::Ended { stderr, .. } => {
                Err(silent(format!("{program} failed: {}", one_line(&stderr))))
            }
            Called::TimedOut => Err(silent(format!(
                "{program} gave no answer within {} s",
                self.limit.as_secs()
            ))),
        }
    }
}

fn silent(message: String) -> Error {
    let hint = if message.contains("configuration source") {
        "no Slurm cluster is configured on this machine: run this on one of its login nodes, or set SLURM_CONF"
    } else {
        "check with sinfo that the scheduler answers, and run the same command again"
    };
    Error::new(Kind::Scheduler, message).hint(hint)
}

/// What a program wrote, on one line.
pub(super) fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn read(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was written before a pipe broke still tells something.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn is_harmless(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "SLURM_CONF"
        || !["SBATCH_", "SQUEUE_", "SCANCEL_", "SCONTROL_", "SLURM_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

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
    use crate::cluster::plan::tests_plan;

    use super::*;

    fn client(limit: Duration) -> Client {
        let of = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let environment = [
            of("PATH", "/usr/bin:/bin"),
            of("SBATCH_PARTITION", "x"),
            of("SLURM_JOB_ID", "1"),
            of("SLURM_CONF", "c"),
        ];
        Client {
            limit,
            ..Client::new(environment)
        }
    }

    #[test]
    fn programs_see_nothing_that_would_change_what_is_asked() {
        let mut seen: Vec<String> = client(LIMIT)
            .ask("env", &[])
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        seen.sort();
        assert_eq!(seen, ["PATH=/usr/bin:/bin", "SLURM_CONF=c"]);
    }

    #[test]
    fn a_program_that_hangs_fails_or_is_missing_is_told_apart() {
        let start = Instant::now();
        let slow = client(Duration::from_millis(200))
            .ask("sleep", &["30".into()])
            .unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(slow.kind(), Kind::Scheduler);
        assert_eq!(
            client(LIMIT).ask("false", &[]).unwrap_err().kind(),
            Kind::Scheduler
        );
        assert_eq!(
            client(LIMIT)
                .ask("no-such-program", &[])
                .unwrap_err()
                .kind(),
            Kind::Missing
        );
    }

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
