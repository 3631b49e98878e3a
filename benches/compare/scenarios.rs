//! Who runs what, and what stands beside what.

use std::path::{Path, PathBuf};

use super::child::Invocation;
use super::corpus::Corpus;
use super::peers::Peer;
use super::results::{Comparison, Contestant, Metric, Part, Scenario};

/// How the work of a run is counted and which clock counts.
#[derive(Debug, Clone)]
pub enum Reading {
    /// The whole process; as many files as the table has rows.
    Table(PathBuf),
    /// The whole process, one piece of work.
    Whole,
    /// What the program printed.
    Printed,
}

/// A contestant and how it is run.
#[derive(Debug, Clone)]
pub struct Job {
    /// As it stands in the report.
    pub contestant: Contestant,
    /// One call, or several side by side.
    pub calls: Vec<Invocation>,
    /// How it is read.
    pub reading: Reading,
    /// Folder that must not be there when it starts.
    pub fresh: Option<PathBuf>,
}

/// A scenario with its jobs and comparisons.
#[derive(Debug, Clone)]
pub struct Plan {
    /// As it stands in the report.
    pub scenario: Scenario,
    /// In the order of the scenario's contestants.
    pub jobs: Vec<Job>,
    /// What stands beside what.
    pub comparisons: Vec<Comparison>,
    /// Runs once, before the first round, unmeasured.
    pub prepare: Option<Invocation>,
}

impl Plan {
    fn new(id: String, part: Part, title: String, jobs: Vec<Job>) -> Plan {
        let contestants = jobs.iter().map(|job| job.contestant.clone()).collect();
        Plan {
            scenario: Scenario {
                id,
                part,
                title,
                contestants,
            },
            jobs,
            comparisons: Vec::new(),
            prepare: None,
        }
    }

    fn compare(
        &mut self,
        what: &str,
        metric: Metric,
        ours: &'static str,
        theirs: &[&'static str],
        headline: bool,
    ) {
        let (scenario, what, theirs) = (self.scenario.id.clone(), what.to_owned(), theirs.to_vec());
        self.comparisons.push(Comparison {
            scenario,
            what,
            metric,
            ours,
            theirs,
            headline,
        });
    }
}

/// What scenarios are made from.
#[derive(Debug)]
pub struct Tools<'a> {
    /// Folder of the repository.
    pub root: &'a Path,
    /// Folder for what is thrown away.
    pub scratch: &'a Path,
    /// The program.
    pub ser: &'a Path,
    /// `benches/throughput.rs`, compiled.
    pub throughput: &'a Path,
    /// Folder of the peers' environments.
    pub peers: &'a Path,
    /// Whether two threads can be measured.
    pub two_cores: bool,
}

impl Tools<'_> {
    fn peer(&self, name: &str, script: &str) -> Peer {
        Peer::find(self.root, self.peers, name, script)
    }

    fn job(&self, id: &'static str, name: &str, calls: Vec<Invocation>, reading: Reading) -> Job {
        let text = calls
            .first()
            .map_or_else(String::new, |call| call.text(self.root));
        let command = if calls.len() > 1 {
            format!("{} at once: {text}", calls.len())
        } else {
            text
        };
        Job {
            contestant: Contestant {
                id,
                name: name.to_owned(),
                command,
                absent: None,
            },
            calls,
            reading,
            fresh: None,
        }
    }

    fn of_peer(&self, id: &'static str, name: &str, peer: &Peer, calls: Vec<Invocation>) -> Job {
        let mut job = self.job(id, name, calls, Reading::Printed);
        job.contestant.absent = peer.absent.clone();
        job
    }

    /// `ser features` from an empty data folder.
    fn features(
        &self,
        id: &'static str,
        name: &str,
        corpus: &Corpus,
        corpora: &Path,
        threads: usize,
    ) -> Job {
        let fresh = self.scratch.join("fresh");
        let call = self
            .ser("features", corpus.name, &fresh)
            .with(["--corpora-dir"])
            .with([corpora]);
        let table = fresh
            .join("data/tables")
            .join(corpus.name)
            .join("features.parquet");
        let name = format!(
            "ser, {name}, {threads} thread{}",
            if threads == 1 { "" } else { "s" }
        );
        let job = self.job(
            id,
            &name,
            vec![call.with(["--jobs", &threads.to_string()])],
            Reading::Table(table),
        );
        Job {
            fresh: Some(fresh),
            ..job
        }
    }

    fn ser(&self, command: &str, pipeline: &str, folder: &Path) -> Invocation {
        let call = Invocation::new(self.ser)
            .with([command, pipeline, "--quiet", "--data-dir"])
            .with([folder.join("data")]);
        call.with(["--reports-dir"]).with([folder.join("reports")])
    }
}

/// From the recordings of a corpus to its feature table.
///
/// With `whole`, ser also reads all of it.
pub fn features(tools: &Tools, corpus: &Corpus, every: usize, whole: bool) -> Plan {
    let table = tools
        .scratch
        .join("peer.csv")
        .to_string_lossy()
        .into_owned();
    let folder = corpus.part.join(corpus.name).to_string_lossy().into_owned();
    let old = tools.peer("librosa-0.8.1", "librosa_features.py");
    let new = tools.peer("librosa-newest", "librosa_features.py");
    let smile = tools.peer("opensmile", "opensmile_features.py");
    let (old_name, new_name) = ("librosa 0.8.1", newest_librosa());
    let librosa = |id, version: &str, peer: &Peer, processes: usize| {
        let name = if processes == 1 {
            version.to_owned()
        } else {
            format!("{version}, {processes} processes")
        };
        tools.of_peer(
            id,
            &name,
            peer,
            vec![peer.call(1, &[&folder, &table, "--jobs", &processes.to_string()])],
        )
    };
    let part = format!("{} files", corpus.taken);
    let all = whole && corpus.taken < corpus.files;
    let whole = format!("all {} files", corpus.files);
    let mut jobs = vec![
        tools.features("ser-1", &part, corpus, &corpus.part, 1),
        librosa("librosa-0.8.1-1", old_name, &old, 1),
        librosa("librosa-newest-1", &new_name, &new, 1),
        tools.of_peer(
            "opensmile-1",
            "openSMILE eGeMAPSv02",
            &smile,
            vec![smile.call(1, &[&folder, &table])],
        ),
    ];
    if all {
        jobs.push(tools.features("ser-all-1", &whole, corpus, &corpus.whole, 1));
    }
    if tools.two_cores {
        jobs.push(tools.features("ser-2", &part, corpus, &corpus.part, 2));
        jobs.push(librosa("librosa-0.8.1-2", old_name, &old, 2));
        jobs.push(librosa("librosa-newest-2", &new_name, &new, 2));
        if all {
            jobs.push(tools.features("ser-all-2", &whole, corpus, &corpus.whole, 2));
        }
    }
    let each = if every == 1 {
        String::new()
    } else {
        format!(", one in {every} of {}", corpus.files)
    };
    let title = format!("{}: {part}{each}", corpus.title);
    let mut plan = Plan::new(
        format!("features-{}", corpus.name),
        Part::Features,
        title,
        jobs,
    );
    plan.compare(
        "one thread, same files",
        Metric::CpuPerFile,
        "ser-1",
        &["librosa-0.8.1-1"],
        true,
    );
    plan.compare(
        "one thread, same files",
        Metric::CpuPerFile,
        "ser-1",
        &["librosa-newest-1"],
        true,
    );
    plan.compare(
        "one thread, other features",
        Metric::CpuPerFile,
        "ser-1",
        &["opensmile-1"],
        false,
    );
    if all {
        plan.compare(
            "one thread, ser on the whole corpus",
            Metric::CpuPerFile,
            "ser-all-1",
            &["librosa-0.8.1-1"],
            false,
        );
        plan.compare(
            "one thread, ser on the whole corpus",
            Metric::CpuPerFile,
            "ser-all-1",
            &["librosa-newest-1"],
            false,
        );
    }
    if tools.two_cores {
        plan.compare(
            "two threads, same files",
            Metric::FilesPerSecond,
            "ser-2",
            &["librosa-0.8.1-2"],
            false,
        );
        plan.compare(
            "two threads, same files",
            Metric::FilesPerSecond,
            "ser-2",
            &["librosa-newest-2"],
            false,
        );
        if all {
            plan.compare(
                "two threads, ser on the whole corpus",
                Metric::FilesPerSecond,
                "ser-all-2",
                &["librosa-0.8.1-2"],
                false,
            );
            plan.compare(
                "two threads, ser on the whole corpus",
                Metric::FilesPerSecond,
                "ser-all-2",
                &["librosa-newest-2"],
                false,
            );
        }
    }
    plan
}

/// Its name with the version that its requirements pin.
fn newest_librosa() -> String {
    let mut lines = include_str!("../peers/requirements-librosa-newest.txt").lines();
    lines
        .find_map(|line| line.strip_prefix("librosa=="))
        .map_or_else(
            || "librosa".to_owned(),
            |version| format!("librosa {version}"),
        )
}

/// Training or inference of the paper's network in batches of one size.
pub fn network(tools: &Tools, part: Part, batch: usize, seconds: u16) -> Plan {
    let mode = if part == Part::Training {
        "train"
    } else {
        "infer"
    };
    let (batch_text, seconds) = (batch.to_string(), seconds.to_string());
    let common = [
        "--mode",
        mode,
        "--batch",
        &batch_text,
        "--seconds",
        &seconds,
    ];
    let ours = |workers: &str| {
        vec![
            Invocation::new(tools.throughput)
                .with(common)
                .with(["--workers", workers]),
        ]
    };
    let peer = tools.peer("torch", "torch_cnn.py");
    let torch = |threads: usize, more: &[&str]| {
        let threads_text = threads.to_string();
        let args: Vec<&str> = common
            .into_iter()
            .chain(["--threads", &threads_text])
            .chain(more.iter().copied())
            .collect();
        peer.call(threads, &args)
    };
    let of_peer = |id, name: &str, calls| tools.of_peer(id, name, &peer, calls);
    let mut jobs = vec![
        tools.job("ser-1", "ser, 1 worker", ours("1"), Reading::Printed),
        of_peer("torch-1", "PyTorch, eager", vec![torch(1, &[])]),
        of_peer(
            "torch-compiled-1",
            "PyTorch, compiled",
            vec![torch(1, &["--compile"])],
        ),
    ];
    if tools.two_cores {
        jobs.extend([
            tools.job("ser-2", "ser, 2 workers", ours("2"), Reading::Printed),
            of_peer(
                "torch-1x2",
                "PyTorch, eager, 1 process of 2 threads",
                vec![torch(2, &[])],
            ),
            of_peer(
                "torch-2x1",
                "PyTorch, eager, 2 processes of 1 thread",
                vec![torch(1, &["--gate"]); 2],
            ),
            of_peer(
                "torch-compiled-1x2",
                "PyTorch, compiled, 1 process of 2 threads",
                vec![torch(2, &["--compile"])],
            ),
            of_peer(
                "torch-compiled-2x1",
                "PyTorch, compiled, 2 processes of 1 thread",
                vec![torch(1, &["--compile", "--gate"]); 2],
            ),
        ]);
    }
    let word = if part == Part::Training {
        "Training"
    } else {
        "Inference"
    };
    let mut plan = Plan::new(
        format!("{}-{batch}", part.word()),
        part,
        format!("{word}, batches of {batch}"),
        jobs,
    );
    plan.compare(
        "one thread",
        Metric::SamplesPerCpuSecond,
        "ser-1",
        &["torch-1"],
        batch != 32,
    );
    plan.compare(
        "one thread",
        Metric::SamplesPerCpuSecond,
        "ser-1",
        &["torch-compiled-1"],
        false,
    );
    if tools.two_cores {
        let layouts = [
            "torch-1x2",
            "torch-2x1",
            "torch-compiled-1x2",
            "torch-compiled-2x1",
        ];
        plan.compare(
            "two cores",
            Metric::SamplesPerSecond,
            "ser-2",
            &layouts,
            batch != 32,
        );
    }
    plan
}

/// A second run of what is done already.
pub fn rerun(
    tools: &Tools,
    command: &str,
    pipeline: &str,
    corpora: Option<&Path>,
    title: &str,
) -> Plan {
    let folder = tools.scratch.join(format!("rerun-{pipeline}"));
    let mut call = tools.ser(command, pipeline, &folder);
    if let Some(corpora) = corpora {
        call = call.with(["--corpora-dir"]).with([corpora]);
    }
    let jobs = vec![tools.job("ser", "ser", vec![call.clone()], Reading::Whole)];
    let mut plan = Plan::new(
        format!("rerun-{pipeline}"),
        Part::Rerun,
        title.to_owned(),
        jobs,
    );
    plan.compare("nothing to do", Metric::Wall, "ser", &[], false);
    plan.prepare = Some(call);
    plan
}
