//! Processes and what they took, from the system's own accounts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Variables that pin numpy's kernels to another processor: they would slow a peer down.
const REMOVED: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// A command line with what its environment has to say.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    argv: Vec<OsString>,
    env: Vec<(&'static str, String)>,
}

impl Invocation {
    /// A program without arguments.
    pub fn new(program: &Path) -> Self {
        Invocation {
            argv: vec![program.into()],
            env: Vec::new(),
        }
    }

    /// Adds arguments.
    pub fn with<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.argv
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// As one would type it in `root`.
    pub fn text(&self, root: &Path) -> String {
        let prefix = format!("{}/", root.display());
        let variables = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let words = self
            .argv
            .iter()
            .map(|word| quoted(&word.to_string_lossy().replace(&prefix, "")));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// A process to be, in `root`.
    pub fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .current_dir(root)
            .envs(self.env.iter().cloned());
        REMOVED.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    fn program(&self) -> String {
        self.argv[0].to_string_lossy().into_owned()
    }
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A process that ended well.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// The last line of its standard output that is not empty.
    pub line: String,
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// User time in seconds, with what it waited for.
    pub user_s: f64,
    /// System time likewise.
    pub system_s: f64,
    /// Peak resident memory in bytes.
    pub max_rss_bytes: u64,
}

/// Runs one process to its end.
///
/// # Errors
/// Why it could not be started, or how it failed, with its error message or the last line that it
/// wrote to standard error.
pub fn run(invocation: &Invocation, root: &Path) -> Result<Finished, String> {
    Started::new(invocation, root, Stdio::null())?.finish(invocation)
}

/// Runs processes side by side: each says `ready` and waits, and all are set off at once when the
/// last one is.
///
/// # Errors
/// As [`run`], for the first that fails, once the others have come to their own end.
pub fn run_together(invocations: &[Invocation], root: &Path) -> Result<Vec<Finished>, String> {
    let mut started = Vec::new();
    let outcome = set_off(invocations, root, &mut started);
    let ended: Vec<_> = started
        .into_iter()
        .zip(invocations)
        .map(|(process, invocation)| process.finish(invocation))
        .collect();
    // A process that fails says more about itself than those who were waiting for it.
    let finished = ended.into_iter().collect::<Result<Vec<_>, String>>()?;
    outcome.map(|()| finished)
}

fn set_off(
    invocations: &[Invocation],
    root: &Path,
    started: &mut Vec<Started>,
) -> Result<(), String> {
    for invocation in invocations {
        started.push(Started::new(invocation, root, Stdio::piped())?);
    }
    for process in started.iter_mut() {
        process.wait_until_ready()?;
    }
    for process in started.iter_mut() {
        process.release();
    }
    Ok(())
}

struct Started {
    child: Child,
    begun: Instant,
    stdout: File,
    stderr: File,
}

impl Started {
    fn new(invocation: &Invocation, root: &Path, stdin: Stdio) -> Result<Self, String> {
        // Files, not pipes: a pipe stays open as long as any helper of the process lives.
        let file = || tempfile::tempfile().map_err(|e| format!("no temporary file: {e}"));
        let (stdout, stderr) = (file()?, file()?);
        let copy = |file: &File| {
            file.try_clone()
                .map_err(|e| format!("no temporary file: {e}"))
        };
        let mut command = invocation.command(root);
        command
            .stdin(stdin)
            .stdout(copy(&stdout)?)
            .stderr(copy(&stderr)?);
        let begun = Instant::now();
        let child = command
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", invocation.program()))?;
        Ok(Started {
            child,
            begun,
            stdout,
            stderr,
        })
    }

    /// Looks for the line until it is there or the process has ended; what is wrong then is told
    /// when it is finished.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        loop {
            if lines(&self.stdout).iter().any(|line| line == "ready") {
                return Ok(());
            }
            if self.has_ended() {
                return Err("it ended before it was ready".to_owned());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Whether it has ended, without taking its accounts from it.
    fn has_ended(&self) -> bool {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is a valid place for the answer, and zeroed, which is what "not yet" looks
        // like.
        let (rc, pid) = unsafe {
            let rc = libc::waitid(libc::P_PID, self.child.id(), info.as_mut_ptr(), options);
            (rc, info.assume_init().si_pid())
        };
        rc != 0 || pid != 0
    }

    fn release(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // Where it has gone, its end tells why.
            let _ = stdin.write_all(b"go\n");
        }
    }

    fn finish(mut self, invocation: &Invocation) -> Result<Finished, String> {
        // One that was never released reads the end of its input and goes on to its own end.
        drop(self.child.stdin.take());
        let (status, usage) = wait(self.child.id())?;
        let wall_s = self.begun.elapsed().as_secs_f64();
        if !(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0) {
            let how = if libc::WIFSIGNALED(status) {
                format!("was ended by signal {}", libc::WTERMSIG(status))
            } else {
                format!("failed with exit code {}", libc::WEXITSTATUS(status))
            };
            let errors = lines(&self.stderr);
            let told = errors
                .iter()
                .find(|line| line.starts_with("error: "))
                .or(errors.last());
            let said: String = told.map_or("", String::as_str).chars().take(300).collect();
            return Err(format!(
                "{} {how}{}{said}",
                invocation.program(),
                if said.is_empty() { "" } else { ": " }
            ));
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        Ok(Finished {
            line: lines(&self.stdout).pop().unwrap_or_default(),
            wall_s,
            user_s: seconds(usage.ru_utime),
            system_s: seconds(usage.ru_stime),
            // Linux counts in KiB, macOS in bytes.
            max_rss_bytes: usage.ru_maxrss as u64
                * if cfg!(target_os = "macos") { 1 } else { 1024 },
        })
    }
}

/// The lines of a file that are not empty, without moving the place at which the process writes.
fn lines(file: &File) -> Vec<String> {
    let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = file.read_at(&mut block, bytes.len() as u64) {
        bytes.extend_from_slice(&block[..n]);
    }
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

fn wait(pid: u32) -> Result<(libc::c_int, libc::rusage), String> {
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    loop {
        // SAFETY: both are valid places for the answer; all zeros is a valid `rusage`.
        let (rc, usage) = unsafe {
            (
                libc::wait4(pid as libc::pid_t, &mut status, 0, usage.as_mut_ptr()),
                usage.assume_init(),
            )
        };
        if rc >= 0 {
            return Ok((status, usage));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(format!("the process cannot be waited for: {error}"));
        }
    }
}
