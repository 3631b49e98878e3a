//! Bits that were flipped, ends that were lost, halves that became zeros: the next run comes to the
//! same bytes or says what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use super::project::Project;

/// A seeded stream of numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// How often something is tried; all of it with SER_FAULTS=all.
fn rounds(all: usize, some: usize) -> usize {
    if std::env::var("SER_FAULTS").is_ok_and(|value| value == "all") {
        all
    } else {
        some
    }
}

/// What happens to a file on a bad disk.
fn damage(bytes: &[u8], kind: usize, draw: &mut Draw) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match kind % 4 {
        0 | 1 if !bytes.is_empty() => {
            let at = draw.below(bytes.len());
            bytes[at] ^= 1 << draw.below(8);
        }
        2 => bytes.truncate(draw.below(bytes.len()).max(1)),
        _ => {
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
        }
    }
    bytes
}

/// Every file below some folders, hidden ones included.
fn files(root: &Path, folders: &[&str]) -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into)
            } else {
                into.push(path)
            }
        }
    }
    let mut found = Vec::new();
    folders
        .iter()
        .for_each(|folder| walk(&root.join(folder), &mut found));
    found.sort();
    found
}

fn outputs(project: &Project) -> Vec<(String, Vec<u8>)> {
    ["data/tables", "data/models", "reports"]
        .iter()
        .flat_map(|folder| project.tree(folder))
        .collect()
}

/// A generated corpus, of which a rule takes a part by its durations, with two experiments.
fn project() -> Project {
    let project = Project::new();
    let text = "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"data/corpora/made\"\nspeakers = 2\nsentences = 2\ntakes = 2\n\
                [[experiment]]\nname = \"base\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
                inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n\
                [[experiment]]\nname = \"guess\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("made", text);
    project
}

#[test]
fn whatever_file_is_damaged_the_next_run_comes_to_the_same_bytes() {
    let whole = project();
    whole.ser(&["run", "made"]).ok();
    let right = outputs(&whole);
    let root = whole.path("").canonicalize().unwrap();
    let all = files(&root, &["data", "reports"]);
    let mut draw = Draw(7);
    // The pieces of the memory that no record vouches for come each in their turn.
    let loose = |path: &&PathBuf| {
        !path.to_string_lossy().contains("/tasks/") && !path.to_string_lossy().contains("/corpora/")
    };
    let loose: Vec<&PathBuf> = all.iter().filter(loose).collect();
    for round in 0..rounds(4 * all.len(), 24) {
        let path = if round % 2 == 0 {
            &all[draw.below(all.len())]
        } else {
            loose[draw.below(loose.len())]
        };
        let name = path.strip_prefix(&root).unwrap();
        let project = Project::copy_of(&whole);
        let kind = draw.below(4);
        fs::write(
            project.path("").join(name),
            damage(&fs::read(path).unwrap(), kind, &mut draw),
        )
        .unwrap();
        let what = format!("round {round}: {}, kind {kind}", name.display());
        let ran = project.ser(&["run", "made"]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert!(
            outputs(&project) == right,
            "{what}: other bytes\n{}",
            ran.stderr
        );
    }
}

#[test]
fn what_was_seen_of_recordings_is_believed_only_if_it_is_what_was_written() {
    let whole = Project::with_tones(3);
    whole.ser(&["run", "small"]).ok();
    // Another label: the corpus is listed anew, and what is remembered of the recordings is asked
    // for.
    let change = |project: &Project| {
        let manifest = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
        project.write(
            "corpus/manifest.csv",
            manifest.replace("\"s0_calm_0.wav\",calm,s0", "\"s0_calm_0.wav\",calm,s9"),
        );
    };
    let right = {
        let project = Project::copy_of(&whole);
        change(&project);
        project.ser(&["run", "small"]).ok();
        outputs(&project)
    };
    let bytes = whole.read("data/cache/small/probes.jsonl");
    let mut draw = Draw(11);
    for round in 0..rounds(40, 6) {
        let project = Project::copy_of(&whole);
        project.write(
            "data/cache/small/probes.jsonl",
            damage(&bytes, round, &mut draw),
        );
        change(&project);
        project.ser(&["run", "small"]).ok();
        assert!(outputs(&project) == right, "round {round}");
    }
}

#[test]
fn a_report_a_history_and_a_variant_that_were_damaged_are_refused() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    project
        .ser(&["run", "small", "--set", "experiment.base.model.c=0.5"])
        .ok();
    let variant = "small@base.c-0.5";
    assert!(
        project
            .path(&format!("data/variants/{variant}.json"))
            .exists()
    );
    let mut draw = Draw(13);
    for (file, args) in [
        (
            "reports/small/report.json".to_owned(),
            &["results", "small", "--no-variants"][..],
        ),
        (format!("data/variants/{variant}.json"), &["plan", variant]),
        ("data/runs.sqlite".to_owned(), &["runs", "show", "latest"]),
    ] {
        let whole = project.read(&file);
        let right = project.ser(args).ok().stdout;
        let mut refused = 0;
        for round in 0..rounds(200, 30) {
            project.write(&file, damage(&whole, round, &mut draw));
            let ran = project.ser(args);
            refused += usize::from(ran.code != 0);
            match ran.code {
                // Bytes that hold nothing may be anything.
                0 => assert!(
                    ran.stdout == right,
                    "{file}, round {round}:\n{}\n{right}",
                    ran.stdout
                ),
                _ => drop(ran.fails(4, &["hint: "])),
            }
        }
        assert!(refused > 0, "{file} was never refused");
        project.write(&file, &whole);
        assert!(project.ser(args).ok().stdout == right);
    }
    // A run sets a damaged history aside and begins another.
    let whole = project.read("data/runs.sqlite");
    let at = whole
        .windows(8)
        .position(|window| window == b"accuracy")
        .unwrap();
    let mut bytes = whole;
    bytes[at] ^= 2;
    project.write("data/runs.sqlite", bytes);
    project.ser(&["runs"]).fails(4, &["is damaged"]);
    let ran = project.ser(&["run", "small"]).ok();
    assert!(
        ran.stderr.contains("runs.sqlite.damaged-1"),
        "{}",
        ran.stderr
    );
    project.ser(&["runs"]).ok();
}

#[test]
fn an_ingest_that_contradicts_the_recordings_is_no_dead_end() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    let other_label = |project: &Project| {
        let manifest = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
        project.write(
            "corpus/manifest.csv",
            manifest.replace("\"s0_calm_0.wav\",calm,s0", "\"s0_calm_0.wav\",calm,s9"),
        );
    };
    let right = Project::copy_of(&project);
    other_label(&right);
    right.ser(&["run", "small"]).ok();
    // A note that is whole and wrong: the first recording with a sound that nothing has.
    let text = String::from_utf8(project.read("data/cache/small/probes.jsonl")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let note: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    let hash = note["of"]["probe"]["content_hash"].as_str().unwrap();
    let (_, noted) = lines[1].split_once("\"of\":").unwrap();
    let forged = noted
        .strip_suffix('}')
        .unwrap()
        .replace(hash, &hash.chars().rev().collect::<String>());
    let check = &blake3::hash(forged.as_bytes()).to_hex()[..16];
    lines[1] = format!("{{\"check\":\"{check}\",\"of\":{forged}}}");
    project.write("data/cache/small/probes.jsonl", lines.join("\n") + "\n");
    other_label(&project);
    project.ser(&["run", "small"]).fails(
        6,
        &["changed while it was read", "run the same command again"],
    );
    project.ser(&["run", "small"]).ok();
    assert!(outputs(&project) == outputs(&right));
}
