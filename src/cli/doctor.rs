//! `doctor`: what is here, what is missing, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::advice::{self, Absent};
use super::args::{Args, Doctor};
use super::{Exit, print, run, system};
use crate::audio::Condition;
use crate::config::{self, CorpusKind, Pipeline};
use crate::encoder::how_to_get;
use crate::error::{Error, Kind, Result};
use crate::history::History;
use crate::import::ImportSettings;

/// Less free space than this is worth a warning.
const LITTLE: u64 = 5 << 30;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// Something cannot be done until it is changed.
    Warn,
    /// Nothing can be done until it is changed.
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Finding {
    state: State,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
    #[serde(skip)]
    kind: Kind,
}

fn fine(what: impl Into<String>) -> Finding {
    Finding {
        state: State::Ok,
        what: what.into(),
        todo: None,
        kind: Kind::Internal,
    }
}

fn warn(what: impl Into<String>, todo: impl Into<String>) -> Finding {
    Finding {
        state: State::Warn,
        what: what.into(),
        todo: Some(todo.into()),
        kind: Kind::Internal,
    }
}

fn fail(what: impl Into<String>, error: &Error) -> Finding {
    let todo = error.hint_text().map(str::to_owned);
    Finding {
        state: State::Fail,
        what: format!("{}: {error}", what.into()),
        todo,
        kind: error.kind(),
    }
}

/// Looks, prints a line for each thing, and fails with the kind of the first failure.
pub fn doctor(doctor: &Doctor, args: &Args) -> Result<Exit> {
    let mut found = vec![program()];
    found.extend(machine());
    found.extend([&doctor.data_dir, &doctor.reports_dir].map(|folder| writable(folder)));
    found.push(space(&doctor.data_dir));
    found.extend(history(&doctor.data_dir));
    found.extend(pipelines(doctor));
    found.extend(tools());
    for finding in &found {
        let line = match (args.global.json, finding.state) {
            (true, _) => serde_json::to_string(finding)
                .map_err(|e| Error::internal("failed to write JSON").because(e))?,
            (_, State::Ok) => format!("ok    {}", finding.what),
            (_, State::Warn) => format!("warn  {}", finding.what),
            (_, State::Fail) => format!("FAIL  {}", finding.what),
        };
        print(&line)?;
        if let (Some(todo), false) = (&finding.todo, args.global.json) {
            print(&format!("      {todo}"))?;
        }
    }
    let first = found.iter().find(|finding| finding.state == State::Fail);
    Ok(first.map_or(Exit::Done, |finding| Exit::Failed(finding.kind)))
}

fn program() -> Finding {
    let gpu: Vec<&str> = [
        ("cuda", cfg!(feature = "cuda")),
        ("wgpu", cfg!(feature = "wgpu")),
    ]
    .into_iter()
    .filter(|(_, on)| *on)
    .map(|(name, _)| name)
    .collect();
    let devices = if gpu.is_empty() {
        "cpu alone (a GPU: make build DEVICE=wgpu, or cuda)".to_owned()
    } else {
        format!("cpu, {}", gpu.join(", "))
    };
    fine(format!(
        "ser {} for {}-{}; networks train on {devices}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    ))
}

fn machine() -> Vec<Finding> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let simd = format!("{:?}", pulp::Arch::new());
    let simd = simd
        .split(['(', ' ', '{'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let slow = simd == "Scalar";
    let mut out = vec![match slow {
        true => warn(
            format!("{cores} cores, no vector instructions that ser knows (AVX2 with FMA)"),
            "features and training take several times as long here, and results equal those of other processors but for rounding",
        ),
        false => fine(format!("{cores} cores, vector instructions {simd}")),
    }];
    out.push(match system::memory() {
        Some(free) if free < 1 << 30 => warn(
            format!("{:.1} GiB of memory are free", gib(free)),
            "end other programs, or run with --jobs 1",
        ),
        Some(free) => fine(format!("{:.1} GiB of memory are free", gib(free))),
        None => warn(
            "how much memory is free is not known here",
            "tell tasks with --memory",
        ),
    });
    out
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1u32 << 30)
}

/// Whether files can be made in a folder, or in the first one above it that is there.
fn writable(folder: &Path) -> Finding {
    let there = existing(folder);
    match tempfile::Builder::new()
        .prefix(".ser-doctor")
        .tempfile_in(&there)
    {
        Ok(_) => fine(format!("{} can be written", folder.display())),
        Err(e) => fail(
            folder.display().to_string(),
            &Error::io("write in", &there, e).hint("check its permissions, or name another folder"),
        ),
    }
}

fn existing(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    whole
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// What `df` says, which every Unix has.
fn space(folder: &Path) -> Finding {
    let output = Command::new("df")
        .arg("-Pk")
        .arg(existing(folder))
        .output()
        .ok();
    let free = output.and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .last()?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    });
    match free {
        Some(free) if free < LITTLE => warn(
            format!(
                "{:.1} GiB of disk are free for {}",
                gib(free),
                folder.display()
            ),
            "ser gc -y removes what no recent run used; or name another folder with --data-dir",
        ),
        Some(free) => fine(format!(
            "{:.0} GiB of disk are free for {}",
            gib(free),
            folder.display()
        )),
        None => warn(
            "how much disk is free is not known here",
            "see to it that there are some GiB",
        ),
    }
}

fn history(data_dir: &Path) -> Option<Finding> {
    match History::existing(data_dir).and_then(|history| {
        history
            .map(|history| history.runs(None, 1, &system::host()))
            .transpose()
    }) {
        Ok(None) => None,
        Ok(Some(runs)) => Some(match runs.first() {
            Some(run) => fine(format!(
                "the history of runs is readable; the last is {} of {}",
                run.id, run.started_here
            )),
            None => fine("the history of runs is readable and empty"),
        }),
        Err(error) => Some(fail("history", &error)),
    }
}

fn pipelines(doctor: &Doctor) -> Vec<Finding> {
    let names = match doctor.pipelines.as_slice() {
        [] => match run::known(&doctor.pipelines_dir) {
            Ok(names) => names,
            Err(error) => {
                return vec![warn(
                    error.to_string(),
                    error.hint_text().unwrap_or_default(),
                )];
            }
        },
        named => named.to_vec(),
    };
    let mut out = Vec::new();
    let mut lacking: BTreeMap<PathBuf, (Absent, Vec<&str>)> = BTreeMap::new();
    let mut encoders: BTreeMap<(PathBuf, String), Vec<&str>> = BTreeMap::new();
    for name in &names {
        match config::load(
            &run::path(&doctor.pipelines_dir, name),
            &[],
            doctor.corpora_dir.as_deref(),
        ) {
            Err(error) => out.push(fail(format!("pipeline {name}"), &error)),
            Ok(pipeline) => {
                let absent = advice::absent(&pipeline);
                let manifest = match &pipeline.corpus.kind {
                    CorpusKind::Manifest { path, .. } if !path.is_file() => Some(path),
                    _ => None,
                };
                if let Some(path) = manifest {
                    let error =
                        Error::missing(format!("its manifest is not at {}", path.display())).hint(
                            "set corpus.path to the manifest, or make one with ser corpus init",
                        );
                    out.push(fail(format!("pipeline {name}"), &error));
                } else if absent.is_empty() {
                    let (n, root) = (
                        pipeline.experiments.len(),
                        pipeline.corpus.kind.root().display(),
                    );
                    out.push(fine(format!(
                        "pipeline {name}: {n} experiments; its corpus is in {root}"
                    )));
                }
                out.extend(imports(name, &pipeline));
                out.extend(devices(name, &pipeline));
                for one in pipeline.encoders.iter().filter(|one| !one.path.is_dir()) {
                    let get = how_to_get(&one.name, &one.path);
                    encoders
                        .entry((one.path.clone(), get))
                        .or_default()
                        .push(name);
                }
                for one in absent {
                    let (known, names) = lacking
                        .entry(one.root.clone())
                        .or_insert_with(|| (one.clone(), vec![]));
                    known.whole |= one.whole;
                    names.push(name);
                }
            }
        }
    }
    out.extend(encoders.into_iter().map(|((path, get), names)| {
        let what = format!(
            "no pretrained encoder at {}, which experiments of {} need",
            path.display(),
            names.join(", ")
        );
        warn(what, get)
    }));
    // What several pipelines lack is got once.
    out.extend(lacking.into_values().map(|(one, names)| {
        let pipelines = if names.len() == 1 {
            "pipeline"
        } else {
            "pipelines"
        };
        let what = format!(
            "no corpus at {}: {pipelines} {} cannot run",
            one.root.display(),
            names.join(", ")
        );
        warn(what, one.advice(doctor.corpora_dir.as_deref()))
    }));
    out
}

/// Tables of imported features that are not there.
fn imports(name: &str, pipeline: &Pipeline) -> Vec<Finding> {
    let missing = pipeline
        .features
        .imports
        .iter()
        .filter(|one| !one.is_there());
    let finding = |one: &ImportSettings| {
        warn(
            format!(
                "pipeline {name}: no table of the imported features `{}` at {}",
                one.name,
                one.path.display()
            ),
            "compute it with the other tool; docs/imports.md says what it has to hold",
        )
    };
    missing.map(finding).collect()
}

/// Devices on which networks are to be trained and that this program or machine lacks.
fn devices(name: &str, pipeline: &Pipeline) -> Vec<Finding> {
    let networks = pipeline.experiments.iter().filter(|one| one.has_epochs());
    let devices: BTreeSet<&str> = networks
        .clone()
        .map(|one| one.train.device.name())
        .collect();
    let lacks = |device: &&str| {
        let mut of_device = networks
            .clone()
            .filter(|one| one.train.device.name() == *device);
        let error = of_device.next()?.train.device.hardware().err()?;
        let todo = error
            .hint_text()
            .unwrap_or("train.device = \"cpu\" trains here")
            .to_owned();
        Some(warn(
            format!("pipeline {name} trains on {device}: {error}"),
            todo,
        ))
    };
    devices.iter().filter_map(lacks).collect()
}

/// Programs that some commands use.
fn tools() -> Vec<Finding> {
    let has = |name: &str| {
        std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        })
    };
    let browser = std::env::var_os("BROWSER").is_some()
        || cfg!(any(windows, target_os = "macos"))
        || (super::open::has_display() && has("xdg-open"));
    let mut out = Vec::new();
    out.push(match (has("cargo"), has("cc"), has("make")) {
        (true, true, true) => fine("cargo, a C compiler and make are here, to build ser"),
        _ => fine("no cargo, C compiler or make: they are needed only to build ser"),
    });
    out.push(if has("sbatch") {
        fine("Slurm is here: ser run PIPELINE --executor slurm")
    } else {
        fine("no Slurm: runs stay on this machine")
    });
    for condition in Condition::ALL {
        if let Some(Err(error)) = condition.format().map(|format| format.encoder()) {
            out.push(fine(format!(
                "{error}: ser stress leaves {} out",
                condition.name()
            )));
        }
    }
    out.push(match browser {
        true => fine("a browser can be opened: --open"),
        false => warn(
            "no browser can be opened from here, so --open will only warn",
            "open reports/index.html yourself, or name a browser in the environment variable BROWSER",
        ),
    });
    out
}
