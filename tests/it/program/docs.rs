//! The commands of the documentation: those of the tutorial are run, all others are held against
//! the command line and the Makefile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use super::project::{Project, Ran, tone, wav};

/// What cannot be checked here, by its first word, and why.
const ELSEWHERE: [(&str, &str); 21] = [
    ("cargo", "compiles, which is what is being done"),
    ("export", "a matter of the shell"),
    ("rsvg-convert", "export.rs runs it, where it is there"),
    ("cd", "a matter of the shell"),
    ("npm", "needs a registry; the browser check runs it"),
    ("node", "the browser check runs it"),
    ("python", "tests/it/python.rs runs the script"),
    ("perf", "a profiler that few machines have"),
    ("find", "only what it hands on is ours"),
    ("ffmpeg", "only what it hands on is ours"),
    ("dot", "Graphviz draws what ser prints"),
    (
        "sqlite3",
        "a shell that few machines have; tests/it/program/history.rs asks such questions",
    ),
    ("tests/browser/run.sh", "the browser check runs it"),
    ("fuzz/replay.sh", "has a step of its own in CI"),
    (
        "target/fuzz/release/audio",
        "has no end; fuzz/replay.sh replays what it found",
    ),
    ("rustup", "needs another toolchain"),
    ("git", "needs a network"),
    ("docker", "needs an engine"),
    ("podman", "needs an engine"),
    ("apptainer", "needs an engine"),
    ("pip", "compiles; tests/it/python.rs runs what it installs"),
];

/// Tools that every system has; how_do_i.rs runs them.
const TOOLS: [&str; 10] = [
    "awk",
    "cat",
    "cp",
    "du",
    "grep",
    "ls",
    "mkdir",
    "mv",
    "sha256sum",
    "tar",
];

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![];
    for folder in [
        "",
        "docs",
        "pipelines",
        "data",
        "reports",
        "fuzz",
        "tests/browser",
    ] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Commands of the shell blocks, without comments; one that goes on over lines is one.
fn commands(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let mut commands: Vec<String> = Vec::new();
    let mut inside = false;
    let mut open = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh" || line == "```sh no-run";
            continue;
        }
        if !inside || (open.is_empty() && (line.trim().is_empty() || line.starts_with('#'))) {
            continue;
        }
        open.push_str(line);
        if open.matches('"').count() % 2 == 1 || open.ends_with('\\') {
            open.push('\n');
            continue;
        }
        commands.push(open.split("  #").next().unwrap().trim().to_owned());
        open.clear();
    }
    assert!(open.is_empty(), "{}: {open}", page.display());
    commands
}

/// Words as a shell takes them, as far as the documentation needs it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn check(command: &str) -> Result<(), String> {
    let words = words(command);
    // Variables before a command are for it alone.
    let first = words.iter().position(|word| {
        !word.split('=').next().is_some_and(|name| {
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && word.contains('=')
        })
    });
    let words = &words[first.unwrap_or(0)..];
    match words[0].as_str() {
        "ser" | "target/release/ser" => match ser::cli::Args::try_parse_from(words) {
            Ok(_) => Ok(()),
            Err(error) if !error.use_stderr() => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        "make" => {
            let mut make = Command::new("make");
            make.args(["-n"])
                .args(&words[1..])
                .current_dir(repository());
            let ran = Ran::from(make.output().map_err(|e| e.to_string())?);
            if ran.code == 0 {
                Ok(())
            } else {
                Err(ran.stderr)
            }
        }
        other if TOOLS.contains(&other) => Ok(()),
        other if ELSEWHERE.iter().any(|(known, _)| *known == other) => Ok(()),
        other => Err(format!("nobody checks `{other}`")),
    }
}

/// make has variables of its own, such as `AS`, which must not reach the program.
#[test]
fn make_passes_on_what_it_is_told_and_nothing_else() {
    let passed = |told: &[&str]| {
        let mut make = Command::new("make");
        make.arg("-n").args(told).current_dir(repository());
        for own in ["AS", "DATASET", "EPOCHS", "JOBS", "MAKEFLAGS"] {
            make.env_remove(own);
        }
        let line = Ran::from(make.output().unwrap()).ok().stdout;
        let (_, passed) = line.split_once(" -- ").unwrap();
        passed.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(passed(&["train", "DATASET=ravdess"]), "train ravdess");
    assert_eq!(
        passed(&[
            "all",
            "DATASET=demo",
            "EPOCHS=2",
            "AS=mine",
            "EXPERIMENT=quick"
        ]),
        "run demo --set train.epochs=2 --as 'mine' --experiment quick"
    );
}

#[test]
fn every_command_of_the_documentation_is_one() {
    let mut n = 0;
    for page in pages() {
        for command in commands(&page) {
            for part in command.split(" | ") {
                check(part).unwrap_or_else(|why| panic!("{}: {part}: {why}", page.display()));
                n += 1;
            }
        }
    }
    assert!(n > 40, "{n} commands");
    assert!(
        check("ser run --no-such-option x").is_err()
            && check("make no-such-target").is_err()
            && check("frobnicate").is_err()
    );
}

#[test]
fn the_tutorial_goes_from_a_folder_to_a_report_and_on() {
    let project = Project::new();
    let commands = commands(&repository().join("docs/tutorial.md"));
    let own: Vec<&String> = commands
        .iter()
        .filter(|command| command.starts_with("ser "))
        .collect();
    assert!(own.len() >= 8, "{own:?}");
    let mut said = String::new();
    for command in own {
        let words = words(command);
        let mut ser = project.command();
        ser.args(&words[1..]).env("BROWSER", "true");
        said.push_str(&Ran::from(ser.output().unwrap()).ok().stdout);
    }
    let tutorial = fs::read_to_string(repository().join("docs/tutorial.md")).unwrap();
    let shown = tutorial
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert!(
        said.contains(shown),
        "what the tutorial shows is not what it prints:\n{said}"
    );
    for (name, figure) in [("svm ", " 57.0 "), ("svm-shared ", " 88.0 ")] {
        let is_row = |line: &str| line.starts_with(name) && line.contains(figure);
        assert!(said.lines().any(is_row), "{name}{figure}is not in\n{said}");
    }
    assert_eq!(
        String::from_utf8(project.read("emotions.csv"))
            .unwrap()
            .lines()
            .count(),
        1 + 40
    );
    let pages = project.pages("stimmen");
    assert!(
        pages.contains("Generated sounds, not recorded speech")
            && pages.contains("Feature importance")
    );
}

#[test]
fn what_is_proposed_is_never_written_over_and_what_cannot_be_told_is_said() {
    let project = Project::new();
    project.ser(&["corpus", "generate", "sounds"]).ok();
    project
        .ser(&["corpus", "generate", "sounds"])
        .fails(2, &["sounds is there already"]);
    project
        .ser(&["corpus", "init", "sounds", "--name", "one"])
        .ok();
    project
        .ser(&["corpus", "init", "sounds", "--name", "one"])
        .fails(2, &["data/manifests/one.csv is there already", "--force"]);
    let before = project.read("pipelines/one.toml");
    project
        .ser(&["corpus", "init", "sounds", "--name", "one", "--force"])
        .ok();
    assert_eq!(project.read("pipelines/one.toml"), before);
    for path in [
        "wut/a.wav",
        "wut/c.wav",
        "freude/b.wav",
        "freude/\u{1b}[31m\nd.wav",
    ] {
        project.write(&format!("bad/{path}"), "no sound");
    }
    project.ser(&["corpus", "init", "bad"]).fails(
        4,
        &["no recording below bad can be read: all 4 for one reason, such as freude/"],
    );
    assert!(!project.path("data/manifests/bad.csv").exists());
    project.write("bad/wut/e.wav", wav(&tone(200.0, 0.3)));
    let ran = project.ser(&["corpus", "init", "bad"]).ok();
    for part in [
        "cannot be read: freude/b.wav",
        "cannot be read: freude/\\u{1b}[31m\\nd.wav",
        "not sure: speakers are not known",
        "not sure: few recordings",
    ] {
        assert!(
            ran.stdout.contains(part),
            "{part} is not in\n{}",
            ran.stdout
        );
    }
    project.write("words/x/a.wav", "");
    project.write("words/y/b.wav", "");
    project
        .ser(&["corpus", "init", "words"])
        .fails(4, &["tells the emotion", "folder:1: x 1, y 1"]);
    project
        .ser(&["corpus", "init", "nowhere"])
        .fails(5, &["nowhere"]);
    project
        .ser(&["corpus", "init", "words", "--emotion", "piece:1"])
        .fails(2, &["folder:1.2"]);
    project
        .ser(&["corpus", "init", "bad", "--emotion", "folder:3"])
        .fails(4, &["have no folder:3", "folder:1: wut 3, freude 2"]);
    project.write("empty/readme.txt", "");
    project
        .ser(&["corpus", "init", "empty", "--json"])
        .fails(4, &["holds no recording"]);
}

#[test]
fn hostile_names_stay_text_from_the_folder_to_the_report() {
    let project = Project::new();
    let odd = ["a<script>alert(1)<", "=cmd()", "q'\"u", "r\u{202e}tl"];
    for (i, speaker) in odd.iter().enumerate() {
        for (k, emotion) in ["wut", "freude", "trauer"].iter().enumerate() {
            for take in 0..4 {
                let pitch = 150.0 + 170.0 * k as f32 + 13.0 * i as f32 + 3.0 * take as f32;
                project.tone(
                    &format!("{speaker}/{emotion}_{take}\\input{{x}}.wav"),
                    pitch,
                    0.4,
                );
            }
        }
    }
    project
        .ser(&["corpus", "init", "corpus", "--name", "odd"])
        .ok();
    project.ser(&["run", "odd", "-q"]).ok();
    let pages = project.pages("odd");
    assert_eq!(pages.matches("<script").count(), 1 + 4, "one script a page");
    assert!(
        pages.contains("=cmd()") && !pages.contains('\u{202e}') && !pages.contains("alert(1)<\\")
    );
    let csv = String::from_utf8(project.read("reports/odd/breakdown.csv")).unwrap();
    assert!(csv.contains(",'=cmd(),") && !csv.contains(",=cmd(),"));
    let listed = String::from_utf8(project.read("reports/odd/corpus.md")).unwrap();
    assert!(listed.contains("a&lt;script&gt;alert(1)&lt;") && !listed.contains('\u{202e}'));
    let tex = String::from_utf8(project.read("reports/odd/results.tex")).unwrap();
    assert!(!tex.contains("\\input"));
}

#[test]
fn the_doctor_says_what_is_missing_and_what_to_do() {
    let project = Project::with_tones(2);
    let ran = project.ser(&["doctor"]).ok();
    assert!(
        ran.stdout
            .contains("ok    pipeline small: 1 experiments; its corpus is in corpus"),
        "{}",
        ran.stdout
    );
    project.pipeline(
        "gone",
        &Project::small()
            .replace("\"small\"", "\"gone\"")
            .replace("root = \"corpus\"", "root = \"away\""),
    );
    let ran = project.ser(&["doctor", "--json"]).ok();
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.contains("\"warn\"") && line.contains("away")),
        "{}",
        ran.stdout
    );
    project.pipeline("broken", "name = 3");
    let ran = project.ser(&["doctor"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stdout.contains("FAIL  pipeline broken:"),
        "{}",
        ran.stdout
    );
}

#[test]
fn manual_and_completions_know_every_command_that_is_shown() {
    let project = Project::new();
    project.ser(&["man", "-o", "man"]).ok();
    let page = String::from_utf8(project.read("man/ser-predict.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("window"));
    assert!(!project.path("man/ser-worker.1").exists());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = project.ser(&["completions", shell]).ok().stdout;
        assert!(
            script.contains("predict") && script.contains("doctor"),
            "{shell}"
        );
    }
    project.ser(&["open"]).fails(5, &["there is no report"]);
}

#[test]
fn schemas_of_settings_are_json() {
    let project = Project::new();
    for (of, key) in [("pipeline", "experiment"), ("slurm", "partition")] {
        let printed = project.ser(&["schema", of]).ok().stdout;
        let schema: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert!(schema["properties"][key].is_object(), "{of}");
    }
}

#[test]
fn an_explanation_stays_in_the_report_and_changes_no_result() {
    let project = Project::with_tones(3);
    project.ser(&["run", "small", "-q"]).ok();
    let before = project.read("reports/small/predictions.csv");
    assert!(!project.pages("small").contains("Feature importance"));
    project.ser(&["explain", "small", "-q", "--jobs", "1"]).ok();
    let explained = project.read("reports/small/explain.csv");
    let text = String::from_utf8(explained.clone()).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.contains(",feature,"))
            .count(),
        193
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.contains(",occlusion,"))
            .count(),
        193 * 3
    );
    let pages = project.pages("small");
    assert!(
        pages.contains("Feature importance")
            && !pages.contains("Not the settings of the pipeline file")
    );
    project.ser(&["run", "small", "-q"]).ok();
    assert_eq!(
        (
            project.read("reports/small/explain.csv"),
            project.read("reports/small/predictions.csv")
        ),
        (explained.clone(), before)
    );
    let other = Project::with_tones(3);
    other.ser(&["explain", "small", "-q", "--jobs", "2"]).ok();
    assert_eq!(other.read("reports/small/explain.csv"), explained);
}
