//! The programs to compare with, as `make bench-peers` leaves them.

use std::fs;
use std::path::{Path, PathBuf};

use super::child::Invocation;

/// Variables by which numerical libraries are told their number of threads.
const THREADS: [&str; 4] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
];

/// A virtual environment and the script that runs in it.
#[derive(Debug, Clone)]
pub struct Peer {
    python: PathBuf,
    script: PathBuf,
    /// Why it cannot be run.
    pub absent: Option<String>,
}

impl Peer {
    /// The environment `name` in `folder` with a script of `benches/peers`.
    pub fn find(root: &Path, folder: &Path, name: &str, script: &str) -> Peer {
        let python = folder.join(name).join("bin/python");
        let absent = (!python.exists()).then(|| {
            match fs::read_to_string(folder.join(format!("{name}.why"))) {
                Ok(why) => format!("could not be installed: {}", why.trim()),
                Err(_) => "not installed: make bench-peers".to_owned(),
            }
        });
        Peer {
            python,
            script: root.join("benches/peers").join(script),
            absent,
        }
    }

    /// Its command line with `threads` threads in each process.
    pub fn call(&self, threads: usize, args: &[&str]) -> Invocation {
        let python = Invocation::new(&self.python)
            .with([&self.script])
            .with(args);
        THREADS
            .iter()
            .fold(python, |call, name| call.env(name, threads.to_string()))
    }
}
