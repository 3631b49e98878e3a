//! docs/how-do-i.md as a reader follows it: its files are written and its commands are run, from
//! top to bottom, in one folder.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::project::{Project, Ran};
use crate::python;

const PAGE: &str = include_str!("../../../docs/how-do-i.md");
/// The page speaks of eight takes; the first two of each show the same in a quarter of the time.
const TAKES: [&str; 2] = ["_01.wav", "_02.wav"];

/// What stands behind the fence and between the fences, in order.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = vec![];
    let mut open: Option<(&str, String)> = None;
    for line in PAGE.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info, String::new())),
            (None, None) => {}
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    assert!(open.is_none());
    blocks
}

fn recordings() -> Project {
    let project = Project::new();
    project.ser(&["corpus", "generate", "recordings"]).ok();
    for speaker in fs::read_dir(project.path("recordings")).unwrap() {
        let speaker = speaker.unwrap().path();
        for file in fs::read_dir(&speaker).into_iter().flatten() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            if !TAKES.iter().any(|take| name.ends_with(take)) {
                fs::remove_file(&file).unwrap();
            }
        }
    }
    project
}

/// Runs a block as it stands, up to the first command that fails.
fn shell(project: &Project, block: &str) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_ser")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", block])
        .current_dir(project.path("."))
        .env("PATH", std::env::join_paths(folders).unwrap());
    let ran = Ran::from(bash.output().unwrap());
    assert_eq!(
        ran.code, 0,
        "{block}\nstdout:\n{}\nstderr:\n{}",
        ran.stdout, ran.stderr
    );
    ran
}

fn put(project: &Project, file: &str, body: &str) {
    let Some(file) = file.strip_prefix(">>") else {
        project.write(file, body);
        return;
    };
    let mut open = fs::OpenOptions::new()
        .append(true)
        .open(project.path(file))
        .unwrap();
    write!(open, "\n{body}").unwrap();
}

/// What needs something that is not there has to be right in form: the strict reader takes it.
fn fits(project: &Project, settings: &str) {
    let voices = String::from_utf8(project.read("pipelines/voices.toml")).unwrap();
    let whole = voices.replacen("name = \"voices\"", "name = \"fragment\"", 1) + "\n" + settings;
    project.pipeline("fragment", &whole);
    let plan = ["plan", "fragment", "-e", "paper-features"];
    project.ser(&plan).ok();
    fs::remove_file(project.path("pipelines/fragment.toml")).unwrap();
}

#[test]
fn the_answers_work_from_top_to_bottom() {
    let project = recordings();
    let python_is_here = python::has("python", &["pandas", "pyarrow"]);
    let mut said = String::new();
    let (mut ran, mut left) = (0, 0);
    for (info, body) in blocks() {
        match info.split_once(' ').unwrap_or((info, "")) {
            ("sh", "") => {
                let answer = shell(&project, &body);
                said = answer.stdout + &answer.stderr;
                ran += 1;
            }
            // docs.rs holds these commands against the command line.
            ("sh", "no-run") => {
                assert!(body.starts_with("# needs "), "no reason in {body}");
                left += 1;
            }
            ("text", "") => {
                for line in body.lines() {
                    assert!(said.contains(line), "{line} is not in\n{said}");
                }
            }
            ("python", "") if !python_is_here => {}
            ("python", "") => {
                let mut script = python::python();
                script.args(["-c", &body]).current_dir(project.path("."));
                Ran::from(script.output().unwrap()).ok();
            }
            ("toml", "") => fits(&project, &body),
            ("toml" | "csv", file) => put(&project, file, &body),
            (other, _) => panic!("nobody checks a block of {other}"),
        }
    }
    assert!(ran >= 30 && left <= 8, "{ran} run, {left} not");
}

#[test]
fn each_answer_is_short_and_listed_at_the_top() {
    let (list, answers) = PAGE.split_once("\n## ").unwrap();
    let questions: Vec<&str> = answers.split("\n### ").skip(1).collect();
    assert!(questions.len() >= 30);
    assert_eq!(list.matches("](#").count(), questions.len());
    for question in questions {
        let title = question.lines().next().unwrap();
        assert!(list.contains(&format!("(#{})", super::pages::anchor(title))));
        assert!(question.contains("\n```sh"), "no command for: {title}");
    }
}
