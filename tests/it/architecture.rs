//! Holds the arrows of ARCHITECTURE.md: a science module uses only those before it, and the
//! orchestrator knows no science.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BASE: &[&str] = &[
    "error", "escape", "cancel", "files", "foreign", "linalg", "rng", "stats", "skipped", "text",
];
/// The science, in the direction in which data flows.
const SCIENCE: &[&str] = &[
    "corpus",
    "audio",
    "dsp",
    "fingerprint",
    "encoder",
    "features",
    "import",
    "table",
    "split",
    "transform",
    "model",
    "evaluation",
    "report",
];

fn allowed(module: &str) -> BTreeSet<&'static str> {
    let mut names: BTreeSet<&str> = BASE.iter().copied().collect();
    match module {
        "orchestrator" => {}
        "cluster" => names.extend(["orchestrator"]),
        "config" => names.extend(SCIENCE),
        "ui" | "history" => names.extend(["orchestrator"]),
        "pipeline" => names.extend(SCIENCE.iter().chain(&["orchestrator", "cluster", "config"])),
        "cli" => names.extend(SCIENCE.iter().chain(&[
            "orchestrator",
            "cluster",
            "history",
            "config",
            "pipeline",
            "ui",
        ])),
        _ => {
            if let Some(position) = SCIENCE.iter().position(|name| *name == module) {
                names.extend(&SCIENCE[..position]);
            } else if !BASE.contains(&module) && module != "lib" && module != "main" {
                panic!(
                    "src/{module} has no place in the order: add it here and to ARCHITECTURE.md"
                );
            }
        }
    }
    names
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Names of modules after `before`, such as `crate::`, in code (not in comments).
fn uses(text: &str, before: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
    {
        for (at, _) in line.match_indices(before) {
            let rest = &line[at + before.len()..];
            let group = rest
                .strip_prefix('{')
                .map_or(rest, |inside| inside.split('}').next().unwrap_or(inside));
            let parts: Vec<&str> = if rest.starts_with('{') {
                group.split(',').collect()
            } else {
                vec![group]
            };
            for part in parts {
                let name: String = part
                    .trim()
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                if name.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
                    names.insert(name);
                }
            }
        }
    }
    names
}

#[test]
fn modules_use_only_what_comes_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    let mut wrong = Vec::new();
    for path in files {
        let relative = path.strip_prefix(&src).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = allowed(module);
        for name in uses(&fs::read_to_string(&path).unwrap(), "crate::") {
            if name != module && !allowed.contains(name.as_str()) {
                wrong.push(format!("src/{} uses crate::{name}", relative.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows against the order of ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

/// Files that depend on one another can only be understood together.
#[test]
fn no_circle_of_the_pipeline_has_more_than_three_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pipeline");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files.iter().filter(|path| **path != folder.join("mod.rs")) {
        let inside = path.strip_prefix(&folder).unwrap().to_string_lossy();
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        // A folder, such as `predict`, counts as one file.
        let (name, parent) = match inside.split_once('/') {
            Some((folder, _)) => (folder, "super::super::"),
            None => (inside.trim_end_matches(".rs"), "super::"),
        };
        let used = reached.entry(name.to_owned()).or_default();
        used.extend(uses(code, "crate::pipeline::"));
        used.extend(uses(code, parent));
    }
    assert!(reached["flow"].contains("known"), "no arrow was found");
    for _ in 0..reached.len() {
        let step = reached.clone();
        for to in reached.values_mut() {
            let further = to.iter().filter_map(|name| step.get(name)).flatten();
            let further: Vec<String> = further.cloned().collect();
            to.extend(further);
        }
    }
    for (name, to) in &reached {
        let circle: Vec<_> = to
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(name)))
            .collect();
        assert!(circle.len() <= 3, "a circle of {circle:?}");
    }
}

#[test]
fn mod_files_only_declare_and_re_export() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let with_code: Vec<_> = files
        .iter()
        .filter(|path| {
            path.ends_with("mod.rs")
                && !path.ends_with("cli/mod.rs")
                && !path.ends_with("ui/mod.rs")
                // The register of classical models, so that a new one is a line beside its `mod`.
                && !path.ends_with("model/classical/mod.rs")
        })
        .filter(|path| {
            fs::read_to_string(path)
                .unwrap()
                .lines()
                .any(|l| l.starts_with("fn ") || l.starts_with("pub fn ") || l.starts_with("impl"))
        })
        .collect();
    assert!(
        with_code.is_empty(),
        "mod.rs files that hold code: {with_code:?}"
    );
}

/// Each library with its features, as the resolver has it for a build with these edges; `None` where
/// a library of it was never fetched.
fn libraries(arguments: &[&str]) -> Option<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--format", "{p} {f}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("--offline") {
        crate::skipped::skipped("crates", format_args!("{arguments:?} needs more crates"));
        return None;
    }
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    Some(
        lines
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect(),
    )
}

/// A feature that tests or the Python module alone turn on compiles polars, arrow or burn twice.
#[test]
fn the_program_its_tests_and_the_python_module_share_their_libraries() {
    let Some(program) = libraries(&["--edges", "normal"]) else {
        return;
    };
    assert!(program.iter().any(|library| library.starts_with("polars ")));
    for other in [
        ["--edges", "normal,dev", "--package", "ser"],
        ["--edges", "normal", "--package", "ser-python"],
    ] {
        let Some(others) = libraries(&other) else {
            continue;
        };
        let lacking: Vec<String> = program.difference(&others).cloned().collect();
        let own = |library: &String| library.starts_with("ser v");
        assert!(
            lacking.iter().all(own),
            "{other:?} has other features of {lacking:#?}"
        );
    }
}
