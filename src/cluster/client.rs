//! The scheduler's command-line programs, each with a limit on its time and without what the user's
//! environment would add.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

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

#[cfg(test)]
mod tests {
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
}
