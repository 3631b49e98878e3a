//! `slurm` and `run --executor slurm`: pipelines on a cluster. And `worker`, which is what runs
//! there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::advice::with_advice;
use super::args::{Args, PlanArgs, Run as RunArgs, Slurm, SlurmCommand, Worker};
use super::variants::{self, Loaded};
use super::{Exit, command_line, print, run, shell_word, system};
use crate::cancel::Cancel;
use crate::cluster::{self, Client, Done, Queue, Run, Session, Status};
use crate::config::{self, Pipeline};
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Lock, Observer, Owner};
use crate::pipeline::slurm::{self, JobRequest, Place};

/// How often the scheduler is asked for news.
const EVERY: Duration = Duration::from_secs(2);

/// `ser slurm …`
pub fn slurm(slurm: &Slurm, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<Exit> {
    match &slurm.command {
        SlurmCommand::Submit(run) => submit(run, false, args, cancel, observer),
        SlurmCommand::Status(plan) => {
            let opened = Opened::find(plan)?;
            let status = opened.with_session(cancel, observer, |session| session.status())?;
            show(&status, args)?;
            Ok(Exit::Done)
        }
        SlurmCommand::Resume(plan) => {
            let opened = Opened::find(&plan.plan)?;
            let submitted = {
                let _lock = opened.lock()?;
                opened.with_session(cancel, observer, |session| session.advance())?
            };
            if submitted.is_empty() {
                observer.note(format!("{}: nothing to submit", opened.run.plan().id));
            }
            if plan.follow {
                opened.follow(args, cancel, observer)
            } else {
                Ok(Exit::Done)
            }
        }
        SlurmCommand::Cancel(plan) => {
            let opened = Opened::find(plan)?;
            let _lock = opened.lock()?;
            let jobs = opened.with_session(cancel, observer, |session| session.cancel())?;
            let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
            let id = &opened.run.plan().id;
            print(&match jobs.is_empty() {
                _ if args.global.json => {
                    serde_json::json!({ "plan": id, "cancelled": jobs }).to_string()
                }
                true => format!("{id}: the scheduler has nothing of it under way"),
                false => format!("{id}: cancelled job {}", jobs.join(", ")),
            })?;
            Ok(Exit::Done)
        }
        SlurmCommand::Logs(logs) => self::logs(
            &Opened::find(&logs.plan)?.run,
            logs.stage.as_deref(),
            logs.index,
        )
        .map(|()| Exit::Done),
    }
}

/// Submits every named pipeline; with `follow` stays until all are done.
pub fn submit(
    run: &RunArgs,
    follow: bool,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Exit> {
    if run.pipelines.is_empty() {
        return Err(run::unnamed(run)?);
    }
    if run.fail_fast || run.no_wait || run.open {
        return Err(Error::usage("--fail-fast, --no-wait and --open are for runs on this machine and have no effect on a cluster")
            .hint("leave them out; `ser open PIPELINE` shows the report when it is there"));
    }
    if run.jobs.is_some()
        || run.memory.is_some()
        || run.time_limit.is_some()
        || run.dag.is_some()
        || run.skip_missing
    {
        return Err(Error::usage("--jobs, --memory, --time-limit, --dag and --skip-missing are for runs on this machine")
            .hint("what tasks are given on a cluster stands under [slurm] or in a profile: cpus, memory, time"));
    }
    let profile = run
        .profile
        .as_deref()
        .map(config::load_profile)
        .transpose()?
        .unwrap_or_default();
    let mut submitted = Vec::new();
    for name in &run.pipelines {
        let Loaded {
            file_name,
            text,
            pipeline,
        } = variants::load(run, name)?;
        let request = JobRequest {
            file_name,
            text,
            overrides: pipeline.overrides.clone(),
            variant: pipeline.variant.clone(),
            corpora_dir: run.corpora_dir.clone(),
            experiments: run.experiments.clone(),
            data_dir: run.data_dir.clone(),
            reports_dir: run.reports_dir.clone(),
            retries: run.retries,
            shard_size: 0,
            trainings: vec![],
            trainings_per_task: 0,
        };
        let options = options(&request, 0);
        let (program, folder) = (this_program()?, working_folder()?);
        let place = Place {
            program: &program,
            folder: &folder,
        };
        let settings = profile.clone().over(pipeline.slurm.clone());
        let plan = slurm::plan(
            request,
            &settings,
            &place,
            &options,
            run.dry_run,
            cancel,
            observer,
        )
        .map_err(|error| with_advice(error, &pipeline, run.corpora_dir.as_deref()))?;
        let at = run.data_dir.join("slurm").join(&plan.id);
        if run.dry_run {
            show_dry(&Run::at(&folder.join(&at), plan))?;
            continue;
        }
        refuse_second(&run.data_dir, &pipeline)?;
        variants::keep(&pipeline, &run.data_dir)?;
        let opened = Opened::of(Run::create(&folder.join(&at), plan)?)?;
        {
            let _lock = opened.lock()?;
            opened.with_session(cancel, observer, |session| session.advance())?;
        }
        let id = &opened.run.plan().id;
        print(&if args.global.json {
            serde_json::json!({ "plan": id, "folder": at }).to_string()
        } else {
            format!("submitted: {id}")
        })?;
        submitted.push(opened);
    }
    let mut exit = Exit::Done;
    for opened in submitted.iter().filter(|_| follow) {
        if let Exit::Failed(kind) = opened.follow(args, cancel, observer)? {
            exit = exit.or(kind);
        }
    }
    Ok(exit)
}

/// Does one task of a plan.
pub fn worker(worker: &Worker, cancel: &Cancel, observer: &dyn Observer) -> Result<Exit> {
    let run = Run::open(&worker.plan)?;
    let request = JobRequest::of(&run)?;
    let cpus = run
        .plan()
        .stage(&worker.stage)
        .map_or(1, |stage| stage.resources.cpus);
    slurm::worker(
        &run,
        &worker.stage,
        worker.index,
        &options(&request, cpus as usize),
        cancel,
        observer,
    )?;
    Ok(Exit::Done)
}

/// A plan with everything that is needed to work on it.
struct Opened {
    run: Run,
    request: JobRequest,
    pipeline: Pipeline,
    client: Client,
}

impl Opened {
    fn of(run: Run) -> Result<Opened> {
        let request = JobRequest::of(&run)?;
        // The paths of a plan are relative to where it was made.
        std::env::set_current_dir(&run.plan().folder)
            .map_err(|e| Error::io("go to", &run.plan().folder, e))?;
        Ok(Opened {
            pipeline: request.pipeline()?,
            client: Client::new(std::env::vars_os()),
            request,
            run,
        })
    }

    /// By its id, or the latest of a pipeline.
    fn find(args: &PlanArgs) -> Result<Opened> {
        let root = args.data_dir.join("slurm");
        let mut runs = plans(&root, &args.plan)?;
        match runs.pop() {
            Some(run) => Opened::of(run),
            None => {
                let error = Error::missing(format!(
                    "there is no plan `{}` in {}",
                    args.plan,
                    root.display()
                ));
                Err(error.hint("name a plan by its id, or by its pipeline for the latest; `ser slurm submit` makes one"))
            }
        }
    }

    fn lock(&self) -> Result<Lock> {
        Lock::take(self.run.folder(), &owner())
    }

    fn with_session<T>(
        &self,
        cancel: &Cancel,
        observer: &dyn Observer,
        work: impl FnOnce(&Session) -> Result<T>,
    ) -> Result<T> {
        let options = options(&self.request, 0);
        let look = || -> Result<Done> {
            slurm::done(
                &self.run,
                &self.request,
                &self.pipeline,
                &options,
                cancel,
                observer,
            )
        };
        work(&Session {
            client: &self.client,
            run: &self.run,
            look: &look,
            observer,
        })
    }

    fn follow(&self, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<Exit> {
        let id = &self.run.plan().id;
        let status = self.with_session(cancel, observer, |session| session.follow(EVERY, cancel)).map_err(|error| match error.kind() {
            Kind::Interrupted => error.hint(format!("the jobs go on: see `ser slurm status {id}`, or end them by `ser slurm cancel {id}`")),
            _ => error,
        })?;
        if !status.is_done() {
            show(&status, args)?;
            return Err(Error::new(Kind::Scheduler, format!("{id} came to its end with outputs missing"))
                .hint(format!("`ser slurm logs {id}` shows why, and `ser slurm resume {id}` submits what is missing")));
        }
        let report = self
            .request
            .reports_dir
            .join(self.pipeline.full_name())
            .join("index.html")
            .display()
            .to_string();
        print(&if args.global.json {
            serde_json::json!({ "pipeline": self.pipeline.full_name(), "report": report })
                .to_string()
        } else {
            format!("report: {report}")
        })?;
        Ok(Exit::Done)
    }
}

/// Plans by that id or of that pipeline, the latest last.
fn plans(root: &Path, name: &str) -> Result<Vec<Run>> {
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(Error::usage(format!("`{name}` names no plan"))
            .hint("give the id of a plan, or the name of a pipeline"));
    }
    let root = std::path::absolute(root).map_err(|e| Error::io("find", root, e))?;
    if root.join(name).join("plan.json").is_file() {
        return Ok(vec![Run::open(&root.join(name))?]);
    }
    let mut runs = Vec::new();
    for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
        let folder = entry.file_name().to_string_lossy().into_owned();
        let of_this = folder
            .rsplit_once('-')
            .is_some_and(|(pipeline, _)| pipeline == name);
        if of_this && entry.path().join("plan.json").is_file() {
            runs.push(Run::open(&entry.path())?);
        }
    }
    runs.sort_by(|a, b| (a.plan().created, &a.plan().id).cmp(&(b.plan().created, &b.plan().id)));
    Ok(runs)
}

/// Two plans of one pipeline would do the same work twice.
fn refuse_second(data_dir: &Path, pipeline: &Pipeline) -> Result<()> {
    let Some(last) = plans(&data_dir.join("slurm"), &pipeline.full_name())?.pop() else {
        return Ok(());
    };
    let queue = Queue::ask(&Client::new(std::env::vars_os()), last.plan())?;
    if !queue.is_active() {
        return Ok(());
    }
    let id = &last.plan().id;
    Err(Error::usage(format!(
        "{id}, a plan of the same pipeline, is still under way"
    ))
    .hint(format!(
        "`ser slurm status {id}` shows it; `ser slurm cancel {id}` ends it"
    )))
}

fn show(status: &Status, args: &Args) -> Result<()> {
    if args.global.json {
        let text = serde_json::to_string(status)
            .map_err(|e| Error::internal("failed to write JSON").because(e))?;
        return print(&text);
    }
    print(&status.to_string())
}

fn show_dry(run: &Run) -> Result<()> {
    let plan = run.plan();
    for (i, stage) in plan.stages.iter().enumerate() {
        let after: Vec<String> = stage
            .after
            .iter()
            .map(|after| format!("<job of {after}>"))
            .collect();
        let line = cluster::command_line(run, stage, &stage.indices(), 1, i == 0, &after)?;
        print(&format!(
            "# {}: {}",
            stage.name,
            run.script(&stage.name).display()
        ))?;
        print(cluster::script(stage)?.trim_end())?;
        print(&format!(
            "\n# submitted by\n{}\n",
            line.iter()
                .map(|word| shell_word(word))
                .collect::<Vec<_>>()
                .join(" ")
        ))?;
    }
    Ok(())
}

/// What tasks wrote: of one task, of a stage, or of all.
fn logs(run: &Run, stage: Option<&str>, index: Option<u32>) -> Result<()> {
    if let Some(name) = stage.filter(|name| run.plan().stage(name).is_none()) {
        let names: Vec<&str> = run
            .plan()
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        return Err(Error::usage(format!("the plan has no stage `{name}`"))
            .hint(format!("it has {}", names.join(", "))));
    }
    let mut any = false;
    for of in run
        .plan()
        .stages
        .iter()
        .filter(|of| stage.is_none_or(|name| of.name == name))
    {
        for i in (0..of.count).filter(|i| index.is_none_or(|index| index == *i)) {
            let path = run.log(&of.name, i);
            let Ok(bytes) = fs::read(&path) else { continue };
            any = true;
            print(&format!("== {} {i}: {}", of.name, path.display()))?;
            print(String::from_utf8_lossy(&bytes).trim_end())?;
        }
    }
    if any {
        Ok(())
    } else {
        Err(Error::missing(
            "none of these tasks has written anything yet",
        ))
    }
}

fn options(request: &JobRequest, jobs: usize) -> crate::pipeline::Options {
    let jobs = if jobs > 0 {
        jobs
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    };
    request.options(jobs, system::memory(), owner())
}

fn owner() -> Owner {
    Owner::this(system::host(), command_line())
}

fn this_program() -> Result<PathBuf> {
    let program = super::CALLED.get().map(|(program, _)| program.clone());
    program.ok_or_else(|| Error::internal("the path of this program is not known"))
}

fn working_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Error::io("find", Path::new("the working directory"), e))
}
