//! Whether the process that began a run is still there.

use std::fs;
use std::process::{Command, Stdio};

use serde::Serialize;

/// A process, told apart from later ones of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Name of the machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When the machine and the process started, where the system tells; else empty.
    #[serde(skip)]
    pub birth: String,
}

impl Process {
    /// This process on the machine that calls itself `host`.
    pub fn this(host: impl Into<String>) -> Process {
        let pid = std::process::id();
        Process {
            host: host.into(),
            pid,
            birth: birth(pid).unwrap_or_default(),
        }
    }

    /// Whether it has ended, where that can be seen: on the same machine.
    pub(super) fn is_gone(&self, host: &str) -> bool {
        if self.host != host {
            return false;
        }
        if self.birth.is_empty() {
            return !answers(self.pid);
        }
        birth(self.pid).is_none_or(|birth| birth != self.birth)
    }
}

/// The start of the machine and of the process since then, in clock ticks.
fn birth(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets included.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    // A process that only waits for its parent to take note of its end is gone.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    Some(format!("{} {}", boot.trim(), fields.nth(18)?))
}

/// Whether a process of this number is there, where the system has no /proc; taken to be there
/// where nobody can tell.
fn answers(pid: u32) -> bool {
    let mut command = Command::new("kill");
    command
        .args(["-0", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    match command.output() {
        // A process of someone else may not be signalled, but is there.
        Ok(output) => {
            output.status.success() || String::from_utf8_lossy(&output.stderr).contains("ermi")
        }
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_until_it_ends_and_a_later_one_of_its_number_is_another() {
        let this = Process::this("here");
        assert!(!this.is_gone("here") && !this.is_gone("elsewhere"));
        if cfg!(target_os = "linux") {
            assert!(
                Process {
                    birth: format!("{} 1", this.birth),
                    ..this.clone()
                }
                .is_gone("here")
            );
        }
        assert!(
            !Process {
                birth: String::new(),
                ..this.clone()
            }
            .is_gone("here")
        );

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let other = Process {
            host: "here".into(),
            pid: child.id(),
            birth: birth(child.id()).unwrap_or_default(),
        };
        assert!(!other.is_gone("here"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.is_gone("here") && !other.is_gone("elsewhere"));
        assert!(
            Process {
                birth: String::new(),
                ..other
            }
            .is_gone("here")
        );
    }
}
