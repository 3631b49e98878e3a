//! Planning and running a pipeline: [`ORDER`] gone through by an interpreter.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ORDER;
use super::augment;
use super::disturbed;
use super::known::Known;
use super::line::ExperimentLine;
use super::listing;
use super::pipeline_run::{Options, PipelineRun, check_owner, folders};
use super::plan::{PlanLine, last};
use super::publish::Publication;
use super::recordings;
use super::report;
use super::stage::{OF_EXPERIMENTS, Stage, TaskId, experiment_of};
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::corpus::{Attribute, NOT_CONFIRMED};
use crate::error::{Error, Kind, Result};
use crate::files::sweep;
use crate::orchestrator::{
    Cached, Decision, Event, Failure, Interpreter, Lock, Mode, Node, Observer, Outputs, Pending,
    StaleReason,
};
use crate::report::StepSection;

/// Makes the tasks of a group from what is known of the groups before it.
type MakeNodes = for<'n> fn(&'n PipelineRun<'_>, &'n Known<'_>, &Outputs) -> Result<Vec<Node<'n>>>;
/// Works out what the tasks of a group are made from; returns errors of single experiments.
type Before = for<'a> fn(&PipelineRun<'a>, &mut Known<'a>, &Interpreter<'_>) -> Result<Vec<Error>>;
/// Notes what the tasks of a group came to; returns errors of single experiments.
type After =
    fn(&PipelineRun<'_>, &mut Known<'_>, &Outputs, Result<Vec<Failure>>) -> Result<Vec<Error>>;
/// Gives the outputs of a group that are there their stable names.
type Publish = fn(&PipelineRun<'_>, &Known<'_>, &Outputs, &mut Publication<'_>) -> Result<()>;

/// Tasks of one stage, or of two that belong together, with what is done before and after them.
pub(super) struct Group {
    pub stage: Stage,
    /// Whether its tasks run side by side; others run one after the other, each with all threads.
    pub side_by_side: bool,
    /// Whether all else stands whatever comes of its tasks.
    pub optional: bool,
    /// Whether its outputs are published as soon as they are there, and not at the end of the run.
    pub published_at_once: bool,
    pub before: Before,
    pub nodes: MakeNodes,
    pub after: After,
    pub publish: Publish,
}

impl Group {
    pub(super) const fn new(stage: Stage, nodes: MakeNodes) -> Group {
        Group {
            stage,
            side_by_side: false,
            optional: false,
            published_at_once: false,
            before: |_, _, _| Ok(vec![]),
            nodes,
            after: |_, _, _, result| Ok(result?.into_iter().map(|(_, error)| error).collect()),
            publish: |_, _, _, _| Ok(()),
        }
    }

    /// Whether its tasks are due in a run up to this stage. Tables show whatever there is.
    pub(super) fn is_due(&self, until: Stage) -> bool {
        match self.stage {
            Stage::Tables => until >= Stage::Split,
            stage => stage <= until,
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors of single experiments; the rest went on.
    pub failures: Vec<Error>,
    /// Where the report lies, where one was written.
    pub report: Option<PathBuf>,
    /// What came of each experiment.
    pub results: Vec<ExperimentLine>,
    /// The steps of the pipeline, where a report was written.
    pub steps: Vec<StepSection>,
}

/// Says what [`run`] would do, without doing it.
pub fn plan(
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Vec<PlanLine>> {
    check_owner(pipeline, options)?;
    let run = PipelineRun::new(pipeline, options, cancel, observer, Mode::Plan)?;
    let mut flow = Flow::new(&run);
    run.workers.pool().install(|| flow.follow())?;
    let planned = flow.interpreter.planned.into_iter();
    Ok(planned
        .filter(|one| one.wanted)
        .map(PlanLine::from)
        .collect())
}

/// Runs a pipeline up to the chosen stage.
///
/// # Errors
/// Whatever stops all experiments: a missing corpus ([`Kind::Missing`], after a report that says so
/// was written), unusable data, a file system that refuses, an interruption, and with
/// [`crate::orchestrator::Limits::keep_going`] off the first failure. What fails for one experiment
/// alone is in the outcome.
pub fn run(
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Outcome> {
    observer.observe(Event::PipelineStarted {
        pipeline: pipeline.full_name(),
    });
    let run = PipelineRun::new(pipeline, options, cancel, observer, Mode::Run)?;
    let own = lock(options, run.store.root(), cancel, observer)?;
    // Reports may be shared by runs with stores of their own.
    let _reports = (options.until == Stage::Report)
        .then(|| {
            let locks = options.reports_dir.join(report::LOCKS).join("pipelines");
            lock(options, &locks.join(pipeline.full_name()), cancel, observer)
        })
        .transpose()?;
    check_owner(pipeline, options)?;
    run.store.sweep()?;
    for folder in folders(pipeline, options) {
        sweep(&folder, true)?;
    }
    let mut flow = Flow::new(&run);
    let result = flow.follow().map(|()| flow.outcome);
    match explain_loss(result, &own, run.store.root()) {
        Err(error) if error.kind() == Kind::Missing && options.until == Stage::Report => {
            let hint = error
                .hint_text()
                .map(|h| format!(" ({h})"))
                .unwrap_or_default();
            report::write_missing(&run, format!("{error}{hint}"))?;
            Err(error)
        }
        other => other,
    }
}

/// Runs one training by its id, without the store's lock and beside other processes that do the
/// same: what comes before it has to be there, and nothing is put under a stable name. Returns
/// whether there is such a training.
///
/// # Errors
/// [`Kind::Missing`] where what comes before it is not there; whatever the training returns.
pub fn work(
    pipeline: &Pipeline,
    options: &Options,
    task: &str,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<bool> {
    let experiments = experiment_of(task).map(str::to_owned).into_iter().collect();
    let options = Options {
        until: Stage::Train,
        experiments,
        ..options.clone()
    };
    let only = Mode::Only(task.to_owned());
    let run = PipelineRun::new(pipeline, &options, cancel, observer, only)?;
    let mut flow = Flow::new(&run);
    flow.follow()?;
    Ok(flow.interpreter.found())
}

/// Where the cache was removed under a run, what fails since then says little by itself.
fn explain_loss(result: Result<Outcome>, lock: &Lock, root: &Path) -> Result<Outcome> {
    let told = |error: Error| match error.kind() {
        Kind::Interrupted | Kind::TimedOut | Kind::Busy => error,
        _ => {
            let told = Error::new(
                Kind::Io,
                format!(
                    "{} was removed while the run was working in it",
                    root.display()
                ),
            )
            .because(error);
            told.hint("run the same command again; the cache may be removed while nothing runs")
        }
    };
    if !lock.is_lost() {
        return result;
    }
    let outcome = result.map_err(told)?;
    Ok(Outcome {
        failures: outcome.failures.into_iter().map(told).collect(),
        ..outcome
    })
}

/// The lock of a folder, at once or as soon as it is free.
pub(super) fn lock(
    options: &Options,
    folder: &std::path::Path,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Lock> {
    if options.wait {
        Lock::wait(folder, &options.owner, cancel, observer)
    } else {
        Lock::take(folder, &options.owner)
    }
}

/// A pipeline on its way through the stages.
struct Flow<'r, 'a> {
    run: &'r PipelineRun<'a>,
    known: Known<'a>,
    interpreter: Interpreter<'r>,
    outcome: Outcome,
    publisher: Publisher,
}

impl<'r, 'a> Flow<'r, 'a> {
    fn new(run: &'r PipelineRun<'a>) -> Self {
        let interpreter = Interpreter::new(
            &run.store,
            &run.options.limits,
            run.cancel,
            run.observer,
            run.mode.clone(),
        );
        Flow {
            run,
            known: Known::default(),
            interpreter,
            outcome: Outcome::default(),
            publisher: Publisher::default(),
        }
    }

    /// Goes through all groups of tasks that are due.
    fn follow(&mut self) -> Result<()> {
        let run = self.run;
        let guessed = &run.pipeline.corpus.guessed;
        let is_single = matches!(run.mode, Mode::Only(_));
        if !guessed.is_empty() && !is_single {
            run.observer.warn(format!(
                "{NOT_CONFIRMED}: {}. Look at the manifest and correct what is wrong, then take what is right out of corpus.guessed",
                Attribute::list(guessed)
            ));
        }
        self.generate()?;
        self.known.corpus = recordings::list(run)?;
        let is_due = |group: &&Group| match is_single {
            true => group.stage <= Stage::Train,
            false => group.is_due(run.options.until),
        };
        for group in ORDER.iter().filter(is_due) {
            if group.stage > Stage::Explain {
                run.tables.release();
            }
            let errors = (group.before)(run, &mut self.known, &self.interpreter)?;
            self.fail(group, errors)?;
            let nodes = (group.nodes)(run, &self.known, &self.interpreter.outputs)?;
            let result = match group.side_by_side {
                true => self.interpreter.side_by_side(&nodes),
                false => self.interpreter.in_turn(&nodes),
            };
            drop(nodes);
            give_back_memory();
            let outputs = &self.interpreter.outputs;
            if group.published_at_once && run.is_run() && result.is_ok() {
                (self.publisher).publish(run, &self.known, outputs, group.stage)?;
            }
            let errors = (group.after)(run, &mut self.known, outputs, result)?;
            self.fail(group, errors)?;
        }
        if is_single {
            return Ok(());
        }
        if run.is_plan() {
            return plan_publication(run, &self.known, &mut self.interpreter);
        }
        (self.publisher).finish(run, &self.known, &self.interpreter.outputs)?;
        match run.options.until > Stage::Audit {
            true => self.conclude(),
            false => Ok(()),
        }
    }

    /// Makes the recordings of a generated corpus, or says that they will be.
    fn generate(&mut self) -> Result<()> {
        let run = self.run;
        match run.mode {
            Mode::Only(_) => Ok(()),
            Mode::Plan if listing::must_generate(run.pipeline) => {
                let (task, why) = (TaskId::Generate.to_string(), recordings::why_generate(run));
                let will_run = why == StaleReason::NeverRan;
                let pending = Pending {
                    task: task.clone(),
                    will_run,
                };
                self.interpreter
                    .note(&task, vec![], Decision::Run, vec![why]);
                (self.interpreter.outputs).insert(task, Cached::Pending(pending));
                Ok(())
            }
            Mode::Plan => Ok(()),
            Mode::Run => {
                // Recordings may be shared by pipelines.
                let cache = run.options.data_dir.join("cache");
                let _lock = listing::must_generate(run.pipeline)
                    .then(|| lock(run.options, &cache, run.cancel, run.observer))
                    .transpose()?;
                listing::generate(
                    run.pipeline,
                    run.workers.pool(),
                    recordings::why_generate(run),
                    run.cancel,
                    run.observer,
                )
            }
        }
    }

    /// Notes errors of single experiments; the first ends the run where nothing else is to be begun.
    fn fail(&mut self, group: &Group, errors: Vec<Error>) -> Result<()> {
        let goes_on = errors.is_empty() || group.optional || self.run.options.limits.keep_going;
        self.outcome.failures.extend(errors);
        match goes_on {
            true => Ok(()),
            false => Err(self.outcome.failures.remove(0)),
        }
    }

    /// Results for the caller; and after a report, the pages beside it.
    fn conclude(&mut self) -> Result<()> {
        let (run, known) = (self.run, &self.known);
        let (pipeline, options) = (run.pipeline, run.options);
        let sections = report::sections(run, &known.experiments, known.inputs()?)?;
        self.outcome.results = sections.iter().map(ExperimentLine::of).collect();
        if options.until != Stage::Report {
            return Ok(());
        }
        let folder = options.reports_dir.join(pipeline.full_name());
        self.outcome.report = Some(folder.join("index.html"));
        self.outcome.steps.clone_from(&known.steps);
        // What the store remembers of tasks that the pipeline has no more explains nothing.
        let names: Vec<&str> = pipeline
            .experiments
            .iter()
            .map(|e| e.name.as_str())
            .collect();
        for stage in OF_EXPERIMENTS {
            run.store.forget_others(stage.name(), &names)?;
        }
        let augmented = augment::sets(&pipeline.experiments).into_keys();
        let ids: Vec<String> = (run.features().into_iter())
            .chain(augmented.map(|set| TaskId::Augmented(set).into()))
            .chain(disturbed::ids(run))
            .collect();
        let names: Vec<&str> = (ids.iter())
            .filter_map(|id| id.split_once('/').map(|(_, name)| name))
            .collect();
        run.store.forget_others(Stage::Features.name(), &names)?;
        report::write_run(pipeline, &known.steps, options)?;
        report::write_index(options, run.cancel, run.observer)
    }
}

/// Puts outputs under stable names; all of this together is told as one task.
#[derive(Default)]
struct Publisher {
    /// The time spent, once something was out of date.
    spent: Mutex<Option<Duration>>,
}

impl Publisher {
    /// Publishes what is there of the stages up to this one.
    fn publish<'a>(
        &self,
        run: &PipelineRun<'a>,
        known: &Known,
        outputs: &Outputs,
        until: Stage,
    ) -> Result<Publication<'a>> {
        let publication = Publication::of(run, known, outputs, until)?;
        let began = Instant::now();
        let spent = || self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = |why: Vec<StaleReason>| {
            let mut spent = spent();
            if spent.is_none() {
                run.observer.observe(Event::TaskStarted {
                    task: TaskId::Publish.into(),
                    stage: TaskId::Publish.into(),
                    key: String::new(),
                    why,
                });
                *spent = Some(Duration::ZERO);
            }
        };
        let pool = run.workers.pool();
        pool.install(|| publication.apply(&run.store, &begin))?;
        if let Some(spent) = &mut *spent() {
            *spent += began.elapsed();
        }
        Ok(publication)
    }

    /// Publishes all outputs of a run, and tells that this is done.
    fn finish(&self, run: &PipelineRun, known: &Known, outputs: &Outputs) -> Result<()> {
        let publication = self.publish(run, known, outputs, run.options.until)?;
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (task, stage) = (TaskId::Publish.into(), TaskId::Publish.into());
        let key = String::new();
        run.observer.observe(match spent {
            Some(spent) => Event::TaskFinished {
                task,
                stage,
                key,
                seconds: spent.as_secs_f64(),
            },
            None => Event::TaskReused { task, stage, key },
        });
        if let Some(line) = publication.others()? {
            run.observer.note(line);
        }
        Ok(())
    }
}

/// Adds to a plan whether anything would be published.
fn plan_publication(run: &PipelineRun, known: &Known, interpreter: &mut Interpreter) -> Result<()> {
    let (outputs, planned) = (&interpreter.outputs, &interpreter.planned);
    let publication = Publication::of(run, known, outputs, run.options.until)?;
    let problems = publication.problems(&run.store)?;
    let pending = || planned.iter().filter_map(|one| outputs.pending(&one.task));
    let will_run = pending().any(|pending: &Pending| pending.will_run);
    let (decision, why) = match pending().next() {
        _ if !problems.is_empty() => (Decision::Run, problems),
        Some(Pending { task, .. }) => {
            let task = task.clone();
            let decision = match will_run {
                true => Decision::Run,
                false => Decision::Maybe,
            };
            (decision, vec![StaleReason::Upstream { task }])
        }
        None => (Decision::Keep, vec![]),
    };
    let after = last(planned);
    interpreter.note(&TaskId::Publish.to_string(), after, decision, why);
    Ok(())
}

impl<'a> Publication<'a> {
    /// The outputs of the stages up to this one that are there.
    fn of(
        run: &PipelineRun<'a>,
        known: &Known,
        outputs: &Outputs,
        until: Stage,
    ) -> Result<Publication<'a>> {
        let mut publication = Publication::new(run.pipeline, run.options);
        for group in ORDER.iter().filter(|group| group.is_due(until)) {
            (group.publish)(run, known, outputs, &mut publication)?;
        }
        Ok(publication)
    }
}

/// Hands memory that a stage has freed back to the system: glibc keeps what was taken in small
/// pieces, as of an imported table, and the next stage would need its own beside it.
fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call takes a number alone; it locks the allocator as any allocation does.
    unsafe {
        libc::malloc_trim(0);
    }
}
