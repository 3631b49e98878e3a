//! One cluster for all tests of a process, and projects that use it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::project::{Project, Ran};

pub struct Cluster {
    pub folder: PathBuf,
    /// Lives as long as this process holds its standard input, and then takes the cluster down.
    _keeper: Child,
    /// Held for reading by whoever uses the cluster, for writing by whoever breaks it.
    pub whole: RwLock<()>,
}

/// Where the scripts lie that start a cluster and break it.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm")
}

/// The cluster, with a promise that nobody breaks it meanwhile; nothing where there is none to be
/// had.
pub fn cluster() -> Option<(&'static Cluster, RwLockReadGuard<'static, ()>)> {
    let cluster = start()?;
    Some((
        cluster,
        cluster
            .whole
            .read()
            .unwrap_or_else(|broken| broken.into_inner()),
    ))
}

/// The cluster for a test that takes minutes.
pub fn cluster_for_long() -> Option<&'static Cluster> {
    if std::env::var("SER_SLURM").is_ok_and(|asked| asked == "all") {
        return start();
    }
    crate::skipped::skipped("slurm-all", "SER_SLURM is not all");
    None
}

fn start() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        std::env::var_os("SER_SLURM")?;
        let has = |name: &str| {
            Command::new("sh")
                .args(["-c", &format!("command -v {name}")])
                .output()
                .is_ok_and(|out| out.status.success())
        };
        let root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|out| out.stdout == b"0\n");
        if !root
            || !["sbatch", "slurmctld", "slurmd", "munged"]
                .into_iter()
                .all(has)
        {
            return None;
        }
        let folder = std::env::temp_dir().join(format!("ser-slurm-{}", std::process::id()));
        let mut keeper = Command::new(scripts().join("keep"))
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n", "the cluster did not come up");
        Some(Cluster {
            folder,
            _keeper: keeper,
            whole: RwLock::new(()),
        })
    });
    if cluster.is_none() {
        crate::skipped::skipped("slurm", "SER_SLURM is not set, or Slurm is not installed");
    }
    cluster.as_ref()
}

impl Cluster {
    pub fn conf(&self) -> PathBuf {
        self.folder.join("conf/slurm.conf")
    }

    /// Runs one of Slurm's programs.
    pub fn call(&self, program: &str, args: &[&str]) -> String {
        let out = Command::new(program)
            .args(args)
            .env("SLURM_CONF", self.conf())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs the program in a project on the cluster; `path` comes before the folders of programs.
    pub fn ser(&self, project: &Project, path: Option<&Path>, args: &[&str]) -> Ran {
        let mut command = project.command();
        command.args(args).env("SLURM_CONF", self.conf());
        // What a user may have set must change nothing.
        command
            .env("SBATCH_PARTITION", "nowhere")
            .env("SQUEUE_FORMAT", "%i")
            .env("SLURM_JOB_ID", "1");
        if let Some(path) = path {
            command.env(
                "PATH",
                format!("{}:{}", path.display(), std::env::var("PATH").unwrap()),
            );
        }
        Ran::from(command.output().unwrap())
    }

    pub fn status(&self, project: &Project, plan: &str) -> Value {
        let ran = self
            .ser(project, None, &["slurm", "status", plan, "--json"])
            .ok();
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Waits until `enough` of the plan's status.
    #[track_caller]
    pub fn wait(
        &self,
        project: &Project,
        plan: &str,
        what: &str,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + Duration::from_secs(400);
        loop {
            let status = self.status(project, plan);
            if enough(&status) {
                return status;
            }
            assert!(Instant::now() < end, "not {what}: {status:#}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// All that the scheduler lists of a plan: job, index, state and comment of each task.
    pub fn tasks(&self, plan: &str) -> Vec<[String; 4]> {
        let text = self.call("squeue", &["-h", "-r", "-t", "all", "-o", "%F|%K|%T|%k"]);
        let task = |line: &str| {
            <[String; 4]>::try_from(line.split('|').map(str::to_owned).collect::<Vec<_>>()).unwrap()
        };
        text.lines()
            .map(task)
            .filter(|task| task[3].starts_with(&format!("{plan}/")))
            .collect()
    }
}

/// Of one stage in a status.
pub fn stage<'s>(status: &'s Value, name: &str) -> &'s Value {
    status["stages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|stage| stage["stage"] == name)
        .unwrap()
}

/// Whether the scheduler has nothing more to do for a plan.
pub fn is_over(status: &Value) -> bool {
    let missing = status["stages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|stage| stage["missing"].as_array().unwrap());
    let states: Vec<&Value> = missing.map(|task| &task["scheduler"]["state"]).collect();
    status["silent"].is_null()
        && states.iter().all(|state| {
            !["PENDING", "RUNNING", "COMPLETING", "CONFIGURING"]
                .iter()
                .any(|s| *state == s)
        })
}

/// The only plan of a project: its id.
pub fn plan_of(project: &Project) -> String {
    let mut plans: Vec<String> = std::fs::read_dir(project.path("data/slurm"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(plans.len(), 1, "{plans:?}");
    plans.pop().unwrap()
}

/// Events of a plan's ledger, without their times.
pub fn ledger(project: &Project, plan: &str) -> Vec<Value> {
    let text = String::from_utf8(project.read(&format!("data/slurm/{plan}/ledger.jsonl"))).unwrap();
    let event = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("at");
        value
    };
    text.lines().map(event).collect()
}

/// What was intended of a stage, submission after submission.
pub fn intents(project: &Project, plan: &str, stage: &str) -> Vec<String> {
    let ledger = ledger(project, plan);
    let of_stage = ledger
        .iter()
        .filter(|event| event["event"] == "intent" && event["stage"] == stage);
    of_stage
        .map(|event| event["indices"].as_str().unwrap().to_owned())
        .collect()
}

/// The oracle: tables, models and reports are those of a run on this machine.
#[track_caller]
pub fn assert_same_as_local(project: &Project, local: &Project, pipeline: &str) {
    local.ser(&["run", pipeline, "--quiet"]).ok();
    for folder in ["data/tables", "data/models", "reports"] {
        let (here, there) = (local.tree(folder), project.tree(folder));
        let names = |tree: &[(String, Vec<u8>)]| {
            tree.iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&here), names(&there), "{folder}");
        for ((name, ours), (_, theirs)) in here.iter().zip(&there) {
            assert!(ours == theirs, "{folder}/{name} differs");
        }
    }
}
