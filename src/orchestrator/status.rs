//! Whether a task has to run, and why.

use std::fmt;

use serde::Serialize;

use super::graph::Identity;
use super::record::Finished;
use crate::text::excerpt;

/// The store's answer for one task.
#[derive(Debug, Clone)]
pub enum Status {
    /// Its output is there and verified.
    Fresh(Finished),
    /// It has to run.
    Stale {
        /// Not empty.
        why: Vec<StaleReason>,
        /// Where outputs are missing or damaged but the record of them is whole: what will be there
        /// again.
        expected: Option<Finished>,
    },
}

/// One reason to run a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum StaleReason {
    /// Nothing of it was found.
    NeverRan,
    /// A parameter has another value.
    Parameter {
        /// Dotted name.
        name: String,
        /// `None`: was not there.
        old: Option<String>,
        /// `None`: is gone.
        new: Option<String>,
    },
    /// An input has other content.
    Input {
        /// Its name.
        name: String,
        /// Which part of it, where that is known.
        which: Option<String>,
    },
    /// The stage's code gives other bytes now.
    CodeVersion {
        /// Before.
        old: u32,
        /// Now.
        new: u32,
    },
    /// An output is missing or is not what was written.
    Output {
        /// File within the task's folder.
        path: String,
        /// `missing`, `damaged`, …
        problem: &'static str,
    },
    /// More of the last kind.
    More {
        /// How many.
        count: usize,
    },
    /// It was interrupted, and does not begin anew.
    Resumes,
    /// A task before it runs first; what follows depends on its result.
    Upstream {
        /// The task that runs.
        task: String,
    },
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| excerpt(value.as_deref().unwrap_or("none"));
        match self {
            StaleReason::NeverRan => f.write_str("never ran"),
            StaleReason::Parameter { name, old, new } => {
                write!(f, "{name}: {} -> {}", word(old), word(new))
            }
            StaleReason::Input { name, which: None } => write!(f, "input changed: {name}"),
            StaleReason::Input {
                name,
                which: Some(which),
            } => write!(f, "input changed: {name}: {which}"),
            StaleReason::CodeVersion { old, new } => write!(f, "code version {old} -> {new}"),
            StaleReason::Output { path, problem } => write!(f, "output {problem}: {path}"),
            StaleReason::Resumes => f.write_str("goes on from a checkpoint"),
            StaleReason::More { count } => write!(f, "and {count} more"),
            StaleReason::Upstream { task } => write!(f, "after {task}, which runs"),
        }
    }
}

impl StaleReason {
    /// The first few reasons, and how many more there are.
    pub fn list(why: &[StaleReason]) -> String {
        const SHOWN: usize = 4;
        let mut parts: Vec<String> = why.iter().take(SHOWN).map(ToString::to_string).collect();
        if why.len() > SHOWN {
            parts.push(format!("and {} more", why.len() - SHOWN));
        }
        parts.join("; ")
    }
}

/// What differs between the last run of a task and the one that is wanted now.
pub(super) fn explain(old: &Identity, new: &Identity) -> Vec<StaleReason> {
    let mut why = explain_settings(old, new);
    let mut names: Vec<&String> = old.inputs.keys().chain(new.inputs.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names
        .into_iter()
        .filter(|n| old.inputs.get(*n) != new.inputs.get(*n));
    why.extend(changed.map(|n| StaleReason::Input {
        name: n.clone(),
        which: None,
    }));
    why
}

/// [`explain`] without the inputs: what can be said before they are there.
pub(super) fn explain_settings(old: &Identity, new: &Identity) -> Vec<StaleReason> {
    let mut why = Vec::new();
    if old.code_version != new.code_version {
        why.push(StaleReason::CodeVersion {
            old: old.code_version,
            new: new.code_version,
        });
    }
    let (before, now) = (old.flat_params(), new.flat_params());
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        if before.get(name) != now.get(name) {
            why.push(StaleReason::Parameter {
                name: name.clone(),
                old: before.get(name).cloned(),
                new: now.get(name).cloned(),
            });
        }
    }
    why
}
