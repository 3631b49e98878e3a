//! The walk over the stages: what tasks have in common, whether they are planned or run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::options::{Options, Stage};
use super::plan::{Decision, PlanLine};
use super::publish::Publication;
use super::rows::Rows;
use super::suspects;
use super::workers::Workers;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::files::private_folder;
use crate::orchestrator::{
    Context, Ended, Event, Finished, Graph, Identity, Observer, Status, Store, Task, Why, execute,
    execute_one,
};

/// Id of the last step: copies of outputs under stable names.
pub(super) const PUBLISH: &str = "publish";

/// What is done with the tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is stale is run.
    Run,
    /// What would be run is said.
    Plan,
    /// This task is run if it is stale; all that it needs has to be there.
    Only(String),
}

/// A walk under way: what all stages work with.
pub(super) struct Walk<'a> {
    pub pipeline: &'a Pipeline,
    pub options: &'a Options,
    pub cancel: &'a Cancel,
    pub observer: &'a dyn Observer,
    pub store: Store,
    pub workers: Workers,
    pub rows: Rows,
    pub mode: Mode,
    lines: Mutex<Vec<PlanLine>>,
    /// Outputs that a plan looked at in advance.
    previews: Mutex<Vec<tempfile::TempDir>>,
    /// Time spent on putting files under stable names, once the first was.
    published: Mutex<Option<Duration>>,
    /// Whether the one task that was asked for is there.
    found: AtomicBool,
}

/// The output of a task, or, in a plan, the reason why it cannot be known yet.
#[derive(Debug, Clone)]
pub(super) enum Seen<T> {
    There(T),
    Later(Later),
}

/// A task whose output is not known before it has run.
#[derive(Debug, Clone)]
pub(super) struct Later {
    pub task: String,
    /// Whether it will be one that the store has never held, so that whatever uses it runs as well.
    pub certain: bool,
}

impl<T> Seen<T> {
    pub(super) fn there(&self) -> Option<&T> {
        match self {
            Seen::There(there) => Some(there),
            Seen::Later(_) => None,
        }
    }

    /// Why it is not there.
    pub(super) fn later(&self) -> Option<&Later> {
        match self {
            Seen::There(_) => None,
            Seen::Later(later) => Some(later),
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        pipeline: &'a Pipeline,
        options: &'a Options,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
        mode: Mode,
    ) -> Result<Self> {
        let root = options.store(&pipeline.name);
        let workers = Workers::new(options.limits.jobs, &pipeline.features)?
            .within(options.limits.memory, cancel);
        // A plan leaves nothing in the project, not even for a moment.
        let workers = workers.in_folder((mode != Mode::Plan).then(|| root.clone()));
        // Others work in a shared store as well.
        let workers = workers.named_in((mode == Mode::Run).then(|| root.clone()));
        let rows = Rows::at(&root);
        let store = if matches!(mode, Mode::Only(_)) {
            Store::shared(root)
        } else {
            Store::at(root)
        };
        let store = store.of_variant(pipeline.variant.as_deref());
        Ok(Walk {
            pipeline,
            options,
            cancel,
            observer,
            store,
            workers,
            rows,
            mode,
            lines: Mutex::default(),
            previews: Mutex::default(),
            published: Mutex::default(),
            found: AtomicBool::new(false),
        })
    }

    pub(super) fn planning(&self) -> bool {
        self.mode == Mode::Plan
    }

    /// The plan so far.
    pub(super) fn into_lines(self) -> Vec<PlanLine> {
        self.lines
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the one task that was asked for is there.
    pub(super) fn found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// Told before the first file is put under a stable name.
    fn begin_publication(&self, why: Vec<Why>) {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if published.is_none() {
            let (task, key) = (PUBLISH.to_owned(), String::new());
            self.observer.observe(Event::TaskStarted {
                task: task.clone(),
                stage: task,
                key,
                why,
            });
            *published = Some(Duration::ZERO);
        }
    }

    /// What stands under stable names; nothing yet.
    pub(super) fn publication(&self) -> Publication<'a> {
        Publication::of(self.pipeline, self.options)
    }

    /// Puts outputs under stable names, and counts the time.
    pub(super) fn put(&self, publication: &Publication) -> Result<()> {
        let began = Instant::now();
        self.workers
            .pool()
            .install(|| publication.apply(&self.store, &|why| self.begin_publication(why)))?;
        if let Some(time) = &mut *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            *time += began.elapsed();
        }
        Ok(())
    }

    /// Told when all files stand under their stable names.
    pub(super) fn end_publication(&self) {
        let published = *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (task, stage, key) = (PUBLISH.to_owned(), PUBLISH.to_owned(), String::new());
        self.observer.observe(match published {
            Some(time) => Event::TaskFinished {
                task,
                stage,
                key,
                seconds: time.as_secs_f64(),
            },
            None => Event::TaskReused { task, stage, key },
        });
    }

    pub(super) fn root(&self) -> &'a Path {
        self.pipeline.corpus.kind.root()
    }

    pub(super) fn line(
        &self,
        task: impl Into<String>,
        after: Vec<String>,
        decision: Decision,
        why: Vec<Why>,
    ) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(PlanLine::new(task, after, decision, why));
    }

    /// Runs one task, or looks whether it would run. A plan looks at what a stale task would give
    /// where `preview`, asked of those alone, says so.
    pub(super) fn single(
        &self,
        task: Task,
        after: Vec<String>,
        preview: impl Fn() -> bool,
    ) -> Result<Seen<Finished>> {
        match &self.mode {
            Mode::Run => {
                self.observer.observe(Event::StageStarted {
                    stage: task.identity.stage.clone(),
                    tasks: 1,
                });
                execute_one(
                    &self.store,
                    &task,
                    &self.options.limits,
                    self.cancel,
                    self.observer,
                )
                .map(Seen::There)
            }
            Mode::Plan => {
                let (decision, why, seen) = self.look_ahead(&task, preview)?;
                self.line(task.id, after, decision, why);
                Ok(seen)
            }
            Mode::Only(_) => self
                .finished(&task)?
                .map(Seen::There)
                .ok_or_else(|| needs(&task.id)),
        }
    }

    /// Whether a task would run, and where `preview` says so what a stale one would give.
    pub(super) fn look_ahead(
        &self,
        task: &Task,
        preview: impl Fn() -> bool,
    ) -> Result<(Decision, Vec<Why>, Seen<Finished>)> {
        let (decision, why, seen) = self.look(task)?;
        let seen = match decision {
            Decision::Run if preview() => self.preview(task).map_or(seen, Seen::There),
            _ => seen,
        };
        self.cancel.check().map(|()| (decision, why, seen))
    }

    /// Whether a task would run.
    fn look(&self, task: &Task) -> Result<(Decision, Vec<Why>, Seen<Finished>)> {
        Ok(match self.store.status(task)? {
            Status::Fresh(finished) => (Decision::Keep, vec![], Seen::There(finished)),
            Status::Stale {
                why,
                expected: Some(expected),
            } => (Decision::Run, why, Seen::There(expected)),
            Status::Stale {
                why,
                expected: None,
            } => {
                // A table of features names its utterances and sounds, so that other ones make
                // another table. Of nothing else is that known.
                let new_sounds = task.identity.stage == Stage::Features.name()
                    && why.iter().any(|w| matches!(w, Why::Input { .. }));
                let certain = new_sounds || why.contains(&Why::NeverRan);
                (
                    Decision::Run,
                    why,
                    Seen::Later(Later {
                        task: task.id.clone(),
                        certain,
                    }),
                )
            }
        })
    }

    /// What a stale task would give, made where nobody sees it; nothing where it fails.
    fn preview(&self, task: &Task) -> Option<Finished> {
        let folder = private_folder().ok()?;
        let context = Context::preview(&task.id, folder.path(), self.cancel, &Unheard);
        (task.action)(&context).ok()?;
        let finished = Finished::preview(task, folder.path()).ok()?;
        self.previews
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(folder);
        Some(finished)
    }

    /// A line for a task that cannot be looked at since what comes before it has to run first;
    /// `settings` has all but the inputs, where that is known.
    pub(super) fn later(
        &self,
        id: &str,
        settings: Option<&Identity>,
        after: Vec<String>,
        upstream: &Later,
    ) -> Later {
        let upstream_runs = Why::Upstream {
            task: upstream.task.clone(),
        };
        let changed = settings.and_then(|settings| self.store.settings_changed(id, settings));
        let new = settings.is_some_and(|settings| !self.store.knows_settings(settings));
        let never_ran = !self.store.has_run(id);
        let certain = never_ran || new || upstream.certain;
        let why = match changed {
            _ if never_ran => vec![Why::NeverRan],
            Some(changed) => changed.into_iter().chain([upstream_runs]).collect(),
            None => vec![upstream_runs],
        };
        self.line(
            id,
            after,
            if certain {
                Decision::Run
            } else {
                Decision::Maybe
            },
            why,
        );
        Later {
            task: id.to_owned(),
            certain,
        }
    }

    /// Runs a graph, or looks at what would run of it, in the order of its nodes. `settings` gives
    /// the identity of a node without its inputs. `before` names what comes before a node outside
    /// of the graph.
    pub(super) fn graph(
        &self,
        graph: &Graph,
        settings: &dyn Fn(usize) -> Result<Identity>,
        before: &dyn Fn(usize) -> Vec<String>,
    ) -> Result<Vec<Came>> {
        match &self.mode {
            Mode::Run => {
                if let Some(first) = graph.nodes().first() {
                    let stage = first.id.split('/').next().unwrap_or_default().to_owned();
                    self.observer.observe(Event::StageStarted {
                        stage,
                        tasks: graph.nodes().len(),
                    });
                }
                let ended = execute(
                    &self.store,
                    graph,
                    &self.options.limits,
                    self.cancel,
                    self.observer,
                );
                Ok(ended.into_iter().map(Came::from).collect())
            }
            Mode::Plan => self.look_at(graph, settings, before),
            Mode::Only(id) => self.only(graph, id),
        }
    }

    fn look_at(
        &self,
        graph: &Graph,
        settings: &dyn Fn(usize) -> Result<Identity>,
        before: &dyn Fn(usize) -> Vec<String>,
    ) -> Result<Vec<Came>> {
        let nodes = graph.nodes();
        let look = |node: &crate::orchestrator::Node,
                    earlier: &[&Finished]|
         -> Result<(Decision, Vec<Why>, Seen<Finished>)> {
            self.look(&node.task(earlier)?)
        };
        let first: Vec<_> = self.workers.pool().install(|| {
            nodes
                .par_iter()
                .map(|node| node.after.is_empty().then(|| look(node, &[])).transpose())
                .collect::<Result<Vec<_>>>()
        })?;
        let mut seen: Vec<Seen<Finished>> = Vec::with_capacity(nodes.len());
        for (place, (node, first)) in nodes.iter().zip(first).enumerate() {
            let after: Vec<String> = before(place).into_iter().chain(graph.names(node)).collect();
            let looked = match first {
                Some(looked) => Some(looked),
                None => {
                    let earlier: Option<Vec<&Finished>> = node
                        .after
                        .iter()
                        .map(|before| seen[*before].there())
                        .collect();
                    earlier.map(|earlier| look(node, &earlier)).transpose()?
                }
            };
            let one = match looked {
                Some((decision, why, one)) => {
                    self.line(node.id.clone(), after, decision, why);
                    one
                }
                None => {
                    let open = node.after.iter().find_map(|before| match &seen[*before] {
                        Seen::Later(later) => Some(later.clone()),
                        Seen::There(_) => None,
                    });
                    let open = open.ok_or_else(|| Error::internal("a task waits for nothing"))?;
                    Seen::Later(self.later(
                        &node.id,
                        Some(&settings(place)?),
                        after,
                        &Later {
                            certain: false,
                            ..open
                        },
                    ))
                }
            };
            seen.push(one);
        }
        Ok(seen.into_iter().map(Came::Seen).collect())
    }

    /// Runs one task of a graph, which has to wait for nothing, and looks at no other.
    fn only(&self, graph: &Graph, id: &str) -> Result<Vec<Came>> {
        let Some(place) = graph
            .nodes()
            .iter()
            .position(|node| node.id == id && node.after.is_empty())
        else {
            return Ok(graph.nodes().iter().map(|_| Came::Skipped).collect());
        };
        self.found.store(true, Ordering::Relaxed);
        let task = graph.nodes()[place].task(&[])?;
        let finished = execute_one(
            &self.store,
            &task,
            &self.options.limits,
            self.cancel,
            self.observer,
        )?;
        let mut all: Vec<Came> = graph.nodes().iter().map(|_| Came::Skipped).collect();
        all[place] = Came::Seen(Seen::There(finished));
        Ok(all)
    }

    pub(super) fn identity<const N: usize>(
        &self,
        stage: Stage,
        params: impl serde::Serialize,
        inputs: [(&str, String); N],
    ) -> Result<Identity> {
        let mut inputs: BTreeMap<String, String> = inputs
            .into_iter()
            .map(|(name, hash)| (name.to_owned(), hash))
            .collect();
        if matches!(stage, Stage::Ingest | Stage::Features) {
            inputs.extend(
                suspects::exclusions(self.store.root())
                    .map(|hash| ("excluded after ends of the process".to_owned(), hash)),
            );
        }
        Ok(Identity {
            stage: stage.name().into(),
            code_version: stage.code_version(),
            params: serde_json::to_value(params)
                .map_err(|e| Error::internal("failed to write parameters as JSON").because(e))?,
            inputs,
        })
    }

    /// The output of a task that is not to be run, where it is there.
    pub(super) fn finished(&self, task: &Task) -> Result<Option<Finished>> {
        Ok(match self.store.status(task)? {
            Status::Fresh(finished) => Some(finished),
            Status::Stale { .. } => None,
        })
    }
}

/// How a task of a graph ended, or what a plan sees of it.
pub(super) enum Came {
    Seen(Seen<Finished>),
    Failed(Error),
    Skipped,
}

impl From<Ended> for Came {
    fn from(ended: Ended) -> Came {
        match ended {
            Ended::Done(finished) => Came::Seen(Seen::There(finished)),
            Ended::Failed(error) => Came::Failed(error),
            Ended::Skipped { .. } => Came::Skipped,
        }
    }
}

fn needs(id: &str) -> Error {
    Error::missing(format!("the output of {id} is not there"))
        .hint("run what comes before this task first; `ser plan` lists it")
}

/// Looks in advance are not spoken of.
struct Unheard;

impl Observer for Unheard {
    fn observe(&self, _: Event) {}
}
