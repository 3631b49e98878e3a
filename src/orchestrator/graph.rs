//! Tasks, the outputs that each of them reads, and the identity of a task: nothing else may
//! influence its output.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::hash_bytes;

use super::event::{Event, Observer};
use super::record::Finished;

/// What a task does.
pub type Action<'a> = Box<dyn Fn(&Context) -> Result<()> + Send + Sync + 'a>;

/// Details of a changed input, given its name.
pub type InputDetail<'a> = Box<dyn Fn(&str) -> Option<String> + Send + Sync + 'a>;

/// A unit of work: an identity and the action that makes its output.
pub struct Task<'a> {
    /// Unique within the store; path-like and file-name-safe (`train/quick/fold-02-seed-0`).
    pub id: String,
    /// What its output depends on.
    pub identity: Identity,
    /// Writes the outputs into [`Context::folder`]; must depend on nothing that the identity does
    /// not name.
    pub action: Action<'a>,
    /// Details of a changed input, such as which of many files differ.
    pub input_detail: Option<InputDetail<'a>>,
    /// Bytes that the action is expected to need at most; 0 where that is little.
    pub memory: u64,
    /// Whether a plan may run the action in a temporary folder to see the output; `None`: never.
    pub preview: Option<Box<dyn Fn() -> bool + Send + Sync + 'a>>,
    /// Whether the output names its inputs, so that other inputs are sure to give another output.
    pub names_inputs: bool,
}

impl<'a> Task<'a> {
    /// A task that needs little memory.
    pub fn new(
        id: impl Into<String>,
        identity: Identity,
        action: impl Fn(&Context) -> Result<()> + Send + Sync + 'a,
    ) -> Self {
        Task {
            id: id.into(),
            identity,
            action: Box::new(action),
            input_detail: None,
            memory: 0,
            preview: None,
            names_inputs: false,
        }
    }
}

/// What an action is handed.
pub struct Context<'a> {
    /// Empty folder for the outputs; published whole when the action returns.
    pub folder: &'a Path,
    /// May hold what an interrupted run of the same identity left; made by the action when it needs
    /// it.
    pub scratch: PathBuf,
    /// To look at between steps.
    pub cancel: &'a Cancel,
    pub(super) task: &'a str,
    pub(super) observer: &'a dyn Observer,
}

impl<'a> Context<'a> {
    /// For an action whose output is looked at and thrown away.
    pub fn preview(
        task: &'a str,
        folder: &'a Path,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
    ) -> Self {
        Context {
            folder,
            scratch: folder.join("scratch"),
            cancel,
            task,
            observer,
        }
    }

    /// Tells how far the action has got.
    pub fn progress(&self, done: u64, total: u64, unit: &'static str, note: impl Into<String>) {
        self.observer.observe(Event::TaskProgress {
            task: self.task.to_owned(),
            done,
            total,
            unit,
            note: note.into(),
        });
    }

    /// Something worth a look that stops nothing.
    pub fn warn(&self, message: impl Into<String>) {
        self.observer.warn(message);
    }
}

/// What is known of the output of a task.
#[derive(Debug, Clone)]
pub enum Cached {
    /// It is there, or a plan knows what will be there.
    Ready(Finished),
    /// Of a plan: its task has to run before anything can be said of it.
    Pending(Pending),
}

/// A task whose output a plan cannot know.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its id.
    pub task: String,
    /// Whether its output will be one that the store never held, so that whatever reads it will run.
    pub will_run: bool,
}

/// The outputs of tasks by id. Tasks that failed or were not wanted have none.
#[derive(Debug, Default)]
pub struct Outputs(BTreeMap<String, Cached>);

impl Outputs {
    /// The output of a task, where it is there.
    pub fn ready(&self, id: &str) -> Option<&Finished> {
        match self.0.get(id)? {
            Cached::Ready(finished) => Some(finished),
            Cached::Pending(_) => None,
        }
    }

    /// The task, where it has to run before its output is known.
    pub fn pending(&self, id: &str) -> Option<&Pending> {
        match self.0.get(id)? {
            Cached::Ready(_) => None,
            Cached::Pending(pending) => Some(pending),
        }
    }

    /// Whether the output is there or will be.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Notes what is known of an output.
    pub fn insert(&mut self, id: impl Into<String>, output: Cached) {
        self.0.insert(id.into(), output);
    }
}

/// The outputs that a task may read.
pub struct Upstream<'i> {
    pub(super) before: &'i Outputs,
    /// Of tasks that ran side by side with others.
    pub(super) beside: &'i Outputs,
}

impl Upstream<'_> {
    /// The output of a task, where it is there.
    pub fn find(&self, id: &str) -> Option<&Finished> {
        self.beside.ready(id).or_else(|| self.before.ready(id))
    }

    /// The output of one of [`Node::reads`].
    ///
    /// # Errors
    /// Where it is none of them: a defect of the stage.
    pub fn get(&self, id: &str) -> Result<&Finished> {
        self.find(id)
            .ok_or_else(|| Error::internal(format!("a task was begun without the output of {id}")))
    }
}

/// See [`Node::settings`].
pub type Settings<'a> = Box<dyn Fn() -> Result<Option<Identity>> + Send + Sync + 'a>;
/// See [`Node::prepare`].
pub type Prepare<'a> = Box<dyn Fn(&Upstream) -> Result<Task<'a>> + Send + Sync + 'a>;

/// A task before the outputs that it reads are there.
pub struct Node<'a> {
    /// Of the task.
    pub id: String,
    /// Ids of the tasks before it, as a plan shows them.
    pub after: Vec<String>,
    /// Ids of the tasks whose outputs it needs. A plan names the first that is pending.
    pub reads: Vec<String>,
    /// Whether it runs where it is stale. Otherwise it is used where it is up to date.
    pub wanted: bool,
    /// Whether a new output of a task that it reads is sure to change its own.
    pub follows: bool,
    /// Whether nothing can go on without it.
    pub vital: bool,
    /// The identity without inputs, as far as that is known beforehand.
    pub settings: Settings<'a>,
    /// Makes the task once all that it reads is there.
    pub prepare: Prepare<'a>,
}

impl<'a> Node<'a> {
    /// A wanted task that reads all that comes before it.
    pub fn new(
        id: impl Into<String>,
        after: Vec<String>,
        settings: impl Fn() -> Result<Option<Identity>> + Send + Sync + 'a,
        prepare: impl Fn(&Upstream) -> Result<Task<'a>> + Send + Sync + 'a,
    ) -> Self {
        Node {
            id: id.into(),
            reads: after.clone(),
            after,
            wanted: true,
            follows: true,
            vital: false,
            settings: Box::new(settings),
            prepare: Box::new(prepare),
        }
    }
}

/// Hex blake3 of an [`Identity`]; the name of the folder that holds the output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// The full hex form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..12])
    }
}

/// Everything that a task's output depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Stage name.
    pub stage: String,
    /// Raised whenever the stage's code would give other bytes for the same inputs.
    pub code_version: u32,
    /// The stage's own parameters.
    pub params: Value,
    /// Content hash of each input by name.
    pub inputs: BTreeMap<String, String>,
}

impl Identity {
    /// The key: a hash over the canonical JSON of all fields (object keys sorted).
    pub fn key(&self) -> Key {
        let fields = (
            &self.stage,
            self.code_version,
            self.flat_params(),
            &self.inputs,
        );
        // Texts, numbers and maps of texts always make JSON.
        let text = serde_json::to_string(&fields).unwrap_or_default();
        Key(hash_bytes(text.as_bytes()))
    }

    /// The parameters by dotted name.
    pub fn flat_params(&self) -> BTreeMap<String, String> {
        flatten(&self.params)
    }
}

fn flatten(value: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
        let at = |key: &str| {
            if prefix.is_empty() {
                key.to_owned()
            } else {
                format!("{prefix}.{key}")
            }
        };
        match value {
            Value::Object(map) if !map.is_empty() => map
                .iter()
                .for_each(|(key, inner)| walk(&at(key), inner, out)),
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(i, inner)| walk(&at(&i.to_string()), inner, out));
            }
            other => {
                out.insert(prefix.to_owned(), other.to_string());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(params: Value) -> Identity {
        Identity {
            stage: "train".into(),
            code_version: 1,
            params,
            inputs: BTreeMap::from([("features".into(), "ab".into())]),
        }
    }

    #[test]
    fn the_key_ignores_the_order_of_object_keys_and_sees_every_field() {
        let a = identity(serde_json::from_str(r#"{"x":1,"y":{"b":2,"a":[1,2]}}"#).unwrap());
        let b = identity(serde_json::from_str(r#"{"y":{"a":[1,2],"b":2},"x":1}"#).unwrap());
        assert_eq!(a.key(), b.key());
        let mut other = a.clone();
        other.code_version = 2;
        assert_ne!(a.key(), other.key());
        let mut other = a.clone();
        other.inputs.insert("features".into(), "ac".into());
        assert_ne!(a.key(), other.key());
        assert_ne!(
            a.key(),
            identity(serde_json::json!({"x": 1, "y": {"a": [1, 3], "b": 2}})).key()
        );
    }

    #[test]
    fn parameters_flatten_to_dotted_names() {
        let flat =
            identity(serde_json::json!({"train": {"epochs": 15}, "seeds": [0, 1]})).flat_params();
        assert_eq!(flat["train.epochs"], "15");
        assert_eq!(flat["seeds"], "[0,1]");
    }
}
