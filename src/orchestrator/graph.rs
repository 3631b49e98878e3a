//! Tasks, and what each waits for.

use std::path::{Path, PathBuf};

use super::event::{Event, Observer};
use super::identity::Identity;
use super::record::Finished;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// What a task does.
pub type Action<'a> = Box<dyn Fn(&Context) -> Result<()> + Send + Sync + 'a>;

/// Says more of an input by its name.
pub type Which<'a> = Box<dyn Fn(&str) -> Option<String> + Send + Sync + 'a>;

/// A unit of work: an identity and the action that makes its output.
pub struct Task<'a> {
    /// Unique within the store; path-like and file-name-safe (`train/quick/fold-02-seed-0`).
    pub id: String,
    /// What its output depends on.
    pub identity: Identity,
    /// Writes the outputs into [`Context::folder`]; must depend on nothing that the identity does
    /// not name.
    pub action: Action<'a>,
    /// Says more of an input that changed: which of many files, say. Asked with the input's name.
    pub which: Option<Which<'a>>,
    /// Bytes that the action is expected to need at most; 0 where that is little.
    pub memory: u64,
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
            which: None,
            memory: 0,
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

/// How a task comes to be once what it waits for is there.
type Prepare<'a> = Box<dyn Fn(&[&Finished]) -> Result<Task<'a>> + Send + Sync + 'a>;

/// A task that may depend on the outputs of others.
pub struct Node<'a> {
    /// Of the task.
    pub id: String,
    /// Places in the graph of what comes before it.
    pub after: Vec<usize>,
    prepare: Prepare<'a>,
}

impl<'a> Node<'a> {
    /// The task, given the outputs of what comes before it, in the order of [`Node::after`].
    ///
    /// # Errors
    /// Where they lack something that the task needs: a defect of a stage.
    pub fn task(&self, earlier: &[&Finished]) -> Result<Task<'a>> {
        (self.prepare)(earlier)
    }
}

/// Tasks in an order in which they could run one after the other.
#[derive(Default)]
pub struct Graph<'a> {
    nodes: Vec<Node<'a>>,
}

impl<'a> Graph<'a> {
    /// Adds a task whose identity follows from the outputs of those at the places `after`; returns
    /// its place.
    ///
    /// # Errors
    /// Where `after` names a place that is not there yet: a defect of the caller, and what keeps
    /// cycles out.
    pub fn add_after(
        &mut self,
        id: impl Into<String>,
        after: Vec<usize>,
        prepare: impl Fn(&[&Finished]) -> Result<Task<'a>> + Send + Sync + 'a,
    ) -> Result<usize> {
        let id = id.into();
        if after.iter().any(|place| *place >= self.nodes.len()) {
            return Err(Error::internal(format!(
                "task {id} waits for one that comes after it"
            )));
        }
        self.nodes.push(Node {
            id,
            after,
            prepare: Box::new(prepare),
        });
        Ok(self.nodes.len() - 1)
    }

    /// Ids of what comes before a task.
    pub fn names(&self, node: &Node) -> Vec<String> {
        node.after
            .iter()
            .filter_map(|before| self.nodes.get(*before))
            .map(|before| before.id.clone())
            .collect()
    }

    /// All of them.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }
}
