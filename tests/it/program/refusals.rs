//! A file system that refuses single calls: the run ends with an error that says so, nothing
//! half-written has a final name, and the next run comes to the same bytes. A refusal that passes
//! costs nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::project::{Project, Ran};

/// The library that makes calls fail; nothing where there is no C compiler.
fn shim(folder: &Project) -> Option<PathBuf> {
    let library = folder.path("fault.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/program/fault.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl"])
        .status();
    if compiled.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    crate::skipped::skipped("compiler", "there is no C compiler");
    None
}

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOSPC: i32 = 28;
const ETIMEDOUT: i32 = 110;
const ESTALE: i32 = 116;

fn run(project: &Project, shim: &Path, fault: &str) -> Ran {
    let mut command = project.command();
    command
        .args(["run", "small", "-v", "--retries", "0", "--jobs", "1"])
        .env("LD_PRELOAD", shim)
        .env("SER_FAULT", fault);
    Ran::from(command.output().unwrap())
}

fn outputs(project: &Project) -> Vec<(String, Vec<u8>)> {
    ["data/tables", "data/models", "reports"]
        .iter()
        .filter(|folder| project.path(folder).exists())
        .flat_map(|folder| {
            project
                .tree(folder)
                .into_iter()
                .map(move |(name, bytes)| (format!("{folder}/{name}"), bytes))
        })
        .collect()
}

#[test]
fn a_write_a_rename_or_a_sync_that_fails_leaves_nothing_half_written() {
    let fresh = Project::with_tones(2);
    let Some(shim) = shim(&fresh) else { return };
    let whole = Project::copy_of(&fresh);
    whole.ser(&["run", "small"]).ok();
    let right = outputs(&whole);
    for (call, errno, part) in [
        ("write", ENOSPC, "/.tmp"),
        ("write", EIO, "/data/"),
        ("fsync", EIO, "/.tmp"),
        ("rename", EIO, "data/"),
    ] {
        let mut refused = 0;
        for nth in [1, 2, 4, 7, 12, 20, 35, 60, 100] {
            let project = Project::copy_of(&fresh);
            let ran = run(&project, &shim, &format!("{call}:{errno}:{nth}:1:{part}"));
            if ran.code == 0 {
                // There are fewer calls, or the one that failed is one that a run can do without.
                assert!(outputs(&project) == right, "{call} {nth}");
                continue;
            }
            refused += 1;
            let ran = ran.fails(6, &["hint: "]);
            for (name, bytes) in outputs(&project)
                .iter()
                .filter(|(name, _)| !name.contains("/.tmp-"))
            {
                let is_right = right
                    .iter()
                    .any(|(known, whole)| known == name && whole == bytes);
                // Where a single experiment failed, there is a report that says so.
                let text = String::from_utf8_lossy(bytes);
                let is_whole = name.starts_with("reports/")
                    && (!name.ends_with(".html") || text.trim_end().ends_with("</html>"));
                assert!(
                    is_right || is_whole,
                    "{call} {nth}: {name} is not whole\n{}",
                    ran.stderr
                );
            }
            project.ser(&["run", "small"]).ok();
            assert!(outputs(&project) == right, "after {call} {nth}");
        }
        assert!(refused > 0, "{call} was never refused");
    }
}

#[test]
fn what_cannot_be_read_for_a_moment_is_read_again_and_is_never_called_damaged() {
    let fresh = Project::with_tones(2);
    let Some(shim) = shim(&fresh) else { return };
    let whole = Project::copy_of(&fresh);
    whole.ser(&["run", "small"]).ok();
    let right = outputs(&whole);
    for errno in [EINTR, EIO, EAGAIN, ETIMEDOUT, ESTALE] {
        for (first, part) in [(1, ".parquet"), (9, ".parquet"), (2, "record.json")] {
            let passing = run(&whole, &shim, &format!("read:{errno}:{first}:2:{part}")).ok();
            assert!(
                !passing.stderr.contains("run    "),
                "errno {errno}: {}",
                passing.stderr
            );
        }
    }
    for errno in [EIO, ESTALE] {
        for (first, part) in [
            (1, "utterances.parquet"),
            (5, "features.parquet"),
            (1, "record.json"),
            (3, "splits.parquet"),
        ] {
            // Records are read of what is there already.
            let project = Project::copy_of(if part == "record.json" {
                &whole
            } else {
                &fresh
            });
            let lasting = run(
                &project,
                &shim,
                &format!("read:{errno}:{first}:1000000:{part}"),
            );
            let lasting = lasting.fails(6, &["failed to read", part]);
            assert!(
                !lasting.stderr.contains("damaged") && !lasting.stderr.contains("delete it"),
                "{}",
                lasting.stderr
            );
            project.ser(&["run", "small"]).ok();
            assert!(outputs(&project) == right);
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_like_any_other() {
    let project = Project::with_tones(2);
    project
        .bash("ulimit -f 4; exec \"$SER\" run small")
        .fails(6, &["File too large", "ulimit -f"]);
    project.ser(&["run", "small"]).ok();
}

#[test]
fn a_cache_that_is_removed_under_a_run_is_told() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(60));
    let script = "\"$SER\" run net --jobs 1 2>log >/dev/null & pid=$!; for i in $(seq 1200); do \
                  ls data/cache/net/scratch/*/checkpoint* >/dev/null 2>&1 && break; sleep 0.05; done; \
                  until rm -rf data/cache/net; do :; done; wait $pid";
    let code = project.bash(script).code;
    let log = String::from_utf8(project.read("log")).unwrap();
    assert!(
        code == 6 && log.contains("data/cache/net was removed while the run was working in it"),
        "{code}: {log}"
    );
    project.ser(&["run", "net"]).ok();
}
