//! The git revision of the working directory, looked up beside the run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// What git says of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Full hash of the commit.
    pub commit: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

/// A question to git under way; dropped, it is withdrawn.
pub(super) struct Lookup(Arc<Mutex<Child>>);

impl Lookup {
    /// Asks git about `folder`, and hands its answer to `tell` from another thread. `None` where
    /// there is no repository or no git.
    pub fn begin(
        folder: &Path,
        tell: impl FnOnce(Option<Revision>) + Send + 'static,
    ) -> Option<Lookup> {
        if !folder.ancestors().any(|above| above.join(".git").exists()) {
            return None;
        }
        let mut command = Command::new("git");
        command
            .args([
                "--no-optional-locks",
                "status",
                "--porcelain=v2",
                "--branch",
                "--untracked-files=no",
            ])
            .current_dir(folder);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let output = child.stdout.take()?;
        let child = Arc::new(Mutex::new(child));
        let asked = Arc::clone(&child);
        let reader = std::thread::Builder::new().spawn(move || {
            tell(read(BufReader::new(output)));
            end(&asked);
        });
        let lookup = Lookup(child);
        reader.is_ok().then_some(lookup)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        end(&self.0);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // Whether it was still there makes no difference.
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads up to the first changed file: that one says enough.
fn read(output: impl BufRead) -> Option<Revision> {
    let mut commit = None;
    for line in output.lines() {
        let line = line.ok()?;
        if let Some(oid) = line.strip_prefix("# branch.oid ") {
            commit = oid
                .bytes()
                .all(|b| b.is_ascii_hexdigit())
                .then(|| oid.to_owned());
        } else if !line.starts_with('#') {
            return commit.map(|commit| Revision {
                commit,
                dirty: true,
            });
        }
    }
    commit.map(|commit| Revision {
        commit,
        dirty: false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn git_is_understood() {
        let oid = "# branch.oid 93e82d2aa0\n# branch.head main\n";
        assert_eq!(
            read(oid.as_bytes()),
            Some(Revision {
                commit: "93e82d2aa0".into(),
                dirty: false
            })
        );
        let changed = format!("{oid}1 .M N... 100644 100644 100644 aa bb src/lib.rs\n");
        assert_eq!(
            read(changed.as_bytes()),
            Some(Revision {
                commit: "93e82d2aa0".into(),
                dirty: true
            })
        );
        assert_eq!(
            read("# branch.oid (initial)\n1 A. N... x\n".as_bytes()),
            None
        );
        assert_eq!(read("".as_bytes()), None);
    }

    fn ask(folder: &Path) -> Option<Revision> {
        let (tell, told) = mpsc::channel();
        let _lookup = Lookup::begin(folder, move |revision| tell.send(revision).unwrap())?;
        told.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_folder_in_a_repository_has_a_revision_and_shows_changes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ask(folder.path()), None);
        let git = |args: &[&str]| {
            let mut command = Command::new("git");
            command
                .args(["-c", "user.name=n", "-c", "user.email=e@example.org"])
                .args(args)
                .current_dir(folder.path());
            assert!(
                command
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .unwrap()
                    .success()
            );
        };
        git(&["init"]);
        assert_eq!(ask(folder.path()), None, "no commit yet");
        std::fs::write(folder.path().join("file"), "one").unwrap();
        git(&["add", "file"]);
        git(&["commit", "-m", "first"]);
        let below = folder.path().join("below");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("untracked"), "").unwrap();
        let revision = ask(&below).unwrap();
        assert!(
            revision.commit.len() == 40 && !revision.dirty,
            "{revision:?}"
        );
        std::fs::write(folder.path().join("file"), "changed").unwrap();
        assert_eq!(
            ask(&below).unwrap(),
            Revision {
                dirty: true,
                ..revision
            }
        );
    }
}
