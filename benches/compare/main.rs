//! Runs ser and its peers in turn and writes `reports/bench/`: a page, the comparisons and every
//! run as CSV.
//!
//! `make bench`, or `cargo bench --bench compare -- --help`. Needs a Unix: the figures are the
//! system's own accounts of each process.

mod chart;
mod child;
mod corpus;
mod machine;
mod options;
mod page;
mod peers;
mod race;
mod results;
mod scenarios;
mod stats;
mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use corpus::{Choice, Corpus};
use options::Options;
use results::{Part, Results};
use scenarios::{Plan, Tools};
use ser::files::write_atomically;

/// Processes that want a core before the first run, above which the page says so.
const BUSY: f64 = 0.5;

fn main() -> ExitCode {
    match bench(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ser = Path::new(env!("CARGO_BIN_EXE_ser"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;

    let mut results = Results {
        quick: options.quick,
        rounds: options.rounds(),
        ..Results::default()
    };
    if let Some(load) = machine::load().filter(|load| *load > BUSY) {
        let message = format!(
            "The machine was not idle when the first run began: {load:.1} processes wanted a core."
        );
        eprintln!("warning: {message}");
        results.notes.push(message);
    }
    results.machine = machine::describe(root, ser);
    let two_cores = machine::cores() >= 2;
    if !two_cores {
        results
            .notes
            .push("One core: what needs two threads was left out.".to_owned());
    }
    let throughput = compiled("throughput", root)?;
    let peers = std::path::absolute(&options.peers)
        .map_err(|e| format!("{}: {e}", options.peers.display()))?;
    let tools = Tools {
        root,
        scratch: &scratch,
        ser,
        throughput: &throughput,
        peers: &peers,
        two_cores,
    };

    let plans = plans(options, &tools, &mut results);
    results.scenarios = plans.iter().map(|plan| plan.scenario.clone()).collect();
    results.comparisons = plans
        .iter()
        .flat_map(|plan| plan.comparisons.clone())
        .collect();
    if options.wants(Part::Engine) {
        results.engine = engine(root)?;
    }
    race::race(&plans, options.rounds(), root, &mut results, |results| {
        write(results, &options.out)
    })?;

    println!("{}", options.out.join("index.html").display());
    let failures = results.failures_of_ours();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "ser itself could not be measured: {}",
            failures.join("; ")
        ))
    }
}

/// What is wanted and can be run; what cannot becomes a note.
fn plans(options: &Options, tools: &Tools, results: &mut Results) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut corpora = Vec::new();
    if options.wants(Part::Features) || options.wants(Part::Rerun) {
        let links = tools.scratch.join(format!("every-{}", options.every()));
        let choice = Choice {
            corpora: &options.corpora,
            links: &links,
            every: options.every(),
            limit: options.limit(),
        };
        for (name, title) in [("ravdess", "RAVDESS"), ("emodb", "EMO-DB")] {
            match Corpus::prepare(name, title, choice) {
                Ok(corpus) => corpora.push(corpus),
                Err(why) => {
                    eprintln!("warning: {why}");
                    results.notes.push(format!("Left out: {why}."));
                }
            }
        }
    }
    if options.wants(Part::Features) {
        plans.extend(
            corpora
                .iter()
                .map(|corpus| scenarios::features(tools, corpus, options.every(), !options.quick)),
        );
    }
    for (part, batches) in [
        (Part::Training, [64, 32, 16].as_slice()),
        (Part::Inference, &[64, 16]),
    ] {
        if options.wants(part) {
            let batches = if options.quick {
                &batches[..1]
            } else {
                batches
            };
            plans.extend(
                batches
                    .iter()
                    .map(|batch| scenarios::network(tools, part, *batch, options.seconds())),
            );
        }
    }
    if options.wants(Part::Rerun) {
        plans.push(scenarios::rerun(
            tools,
            "run",
            "demo",
            None,
            "ser run demo, a second time",
        ));
        if let Some(corpus) = corpora.first() {
            let folder = if options.quick {
                &corpus.part
            } else {
                &corpus.whole
            };
            let title = format!("ser features {}, a second time", corpus.name);
            plans.push(scenarios::rerun(
                tools,
                "features",
                corpus.name,
                Some(folder),
                &title,
            ));
        }
    }
    plans
}

fn write(results: &Results, out: &Path) -> Result<(), String> {
    let refused = |e: &dyn std::fmt::Display| e.to_string();
    let (comparisons, runs) = (
        tables::comparisons(results).map_err(|e| refused(&e))?,
        tables::runs(results).map_err(|e| refused(&e))?,
    );
    let page = page::render(results);
    for (name, bytes) in [
        ("runs.csv", runs.as_slice()),
        ("bench.csv", &comparisons),
        ("index.html", page.as_bytes()),
    ] {
        write_atomically(&out.join(name), bytes).map_err(|e| refused(&e))?;
    }
    Ok(())
}

/// The executable of another bench target, compiled where it is stale.
fn compiled(name: &str, root: &Path) -> Result<PathBuf, String> {
    let mut cargo = cargo(root);
    cargo.args([
        "bench",
        "--no-run",
        "--bench",
        name,
        "--message-format=json-render-diagnostics",
    ]);
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo cannot be started: {e}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifact = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == name)
            .then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    messages
        .lines()
        .find_map(artifact)
        .ok_or_else(|| format!("cargo bench --no-run --bench {name} made no executable"))
}

/// The lines of `benches/engine.rs`.
fn engine(root: &Path) -> Result<Vec<String>, String> {
    eprintln!("cargo bench --bench engine");
    let mut command = cargo(root);
    command.args(["bench", "--quiet", "--bench", "engine"]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo cannot be started: {e}"))?;
    if !output.status.success() {
        return Err("cargo bench --bench engine failed: its message stands above".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("batch "))
        .map(str::to_owned)
        .collect())
}

/// The cargo that runs this program, without what it tells the programs that it runs: build scripts
/// would take that for a change.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
    command
}
