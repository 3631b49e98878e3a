//! Corpora that cannot be what a protocol needs, manifests that are wrong, tables and disks that
//! fail.

use super::project::Project;

fn tones(speakers: &[&str], emotions: &[(&str, usize)]) -> Project {
    let mut project = Project::new();
    for (s, speaker) in speakers.iter().enumerate() {
        for (k, (emotion, takes)) in emotions.iter().enumerate() {
            for take in 0..*takes {
                let name = format!("{speaker}_{emotion}_{take}.wav");
                project.tone(
                    &name,
                    150.0 + 160.0 * k as f32 + 11.0 * s as f32 + take as f32,
                    0.4,
                );
                project.row(&name, emotion, speaker);
            }
        }
    }
    project.write_manifest();
    project.pipeline("small", &Project::small());
    project
}

#[test]
fn one_class() {
    tones(&["a", "b"], &[("calm", 3)])
        .ser(&["run", "small"])
        .fails(4, &["class"]);
}

#[test]
fn one_speaker_to_leave_out() {
    let project = tones(&["a"], &[("calm", 3), ("happy", 3)]);
    project
        .ser(&["run", "small", "--protocol", "leave-one-speaker-out"])
        .fails(4, &["speaker"]);
}

#[test]
fn fewer_speakers_than_folds() {
    let project = tones(&["a", "b"], &[("calm", 3), ("happy", 3)]);
    project
        .ser(&["run", "small", "--protocol", "group-kfold:5"])
        .fails(4, &["2 speakers", "5"]);
}

#[test]
fn a_class_with_one_utterance_is_a_warning() {
    let mut project = tones(&["a", "b"], &[("calm", 3), ("happy", 3)]);
    project.tone("only.wav", 700.0, 0.4);
    project.row("only.wav", "angry", "a");
    project.write_manifest();
    let ran = project.ser(&["run", "small"]).ok();
    assert!(ran.stderr.contains("angry"), "{}", ran.stderr);
    assert!(
        String::from_utf8(project.read("reports/small/index.html"))
            .unwrap()
            .contains("angry")
    );
}

#[test]
fn an_experiment_that_fails_does_not_stop_the_others() {
    let project = tones(&["a", "b"], &[("calm", 3), ("happy", 3)]);
    let second = Project::small()
        .split("[[experiment]]")
        .nth(1)
        .unwrap()
        .replace("base", "other")
        .replace(
            "{ kind = \"stratified-kfold\", folds = 2 }",
            "{ kind = \"group-kfold\", folds = 9 }",
        );
    project.pipeline(
        "small",
        &format!("{}\n[[experiment]]{second}", Project::small()),
    );
    let ran = project.ser(&["run", "small"]).fails(4, &["2 speakers"]);
    assert!(ran.stdout.contains("\nbase  "), "{}", ran.stdout);
    let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
    assert!(
        page.contains("other") && page.contains("2 speakers"),
        "the page says what failed and why"
    );
}

#[test]
fn a_corpus_that_is_not_there_is_a_line_in_the_report() {
    let project = Project::new();
    project.pipeline(
        "small",
        &Project::small().replace("corpus/manifest.csv", "corpus/none.csv"),
    );
    project
        .ser(&["run", "small"])
        .fails(5, &["none.csv", "hint:"]);
    let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
    assert!(page.contains("none.csv"));
    assert!(
        String::from_utf8(project.read("reports/index.html"))
            .unwrap()
            .contains("small")
    );
    project.ser(&["run", "small", "--skip-missing"]).ok();
}

#[test]
fn a_manifest_without_a_column() {
    let project = Project::with_tones(2);
    project.write(
        "corpus/manifest.csv",
        "path,emotoin,speaker\ns0_calm_0.wav,calm,s0\n",
    );
    project
        .ser(&["run", "small"])
        .fails(4, &["manifest.csv", "emotion", "emotoin"]);
}

#[test]
fn a_manifest_with_a_duplicate_and_a_path_outside() {
    let mut project = Project::with_tones(2);
    project.row("s0_calm_0.wav", "calm", "s0");
    project.row("../../etc/passwd", "calm", "s0");
    project.write_manifest();
    project.ser(&["run", "small"]).ok();
    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/small/report.json")).unwrap();
    let reasons: Vec<(String, String)> = report["corpus"]["set_aside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["path"].as_str().unwrap().to_owned(),
                e["reason"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(
        reasons.contains(&("s0_calm_0.wav".into(), "duplicate".into())),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|(path, reason)| path.contains("passwd") && reason == "bad-row"),
        "{reasons:?}"
    );
    assert_eq!(report["corpus"]["utterances"], 12);
}

#[cfg(unix)]
#[test]
fn names_that_are_unusual_or_unusable() {
    use std::os::unix::ffi::OsStrExt;
    // Folder readers meet any name; EMO-DB's needs no more than a wav folder.
    let project = Project::new();
    for (k, letter) in ["W", "F", "N", "T"].iter().enumerate() {
        for speaker in ["03", "08"] {
            project.tone(
                &format!("wav/{speaker}a01{letter}a.wav"),
                150.0 + 120.0 * k as f32,
                0.4,
            );
        }
    }
    let odd = project
        .path("corpus/wav")
        .join(std::ffi::OsStr::from_bytes(b"03a02F\xff.wav"));
    std::fs::write(odd, b"x").unwrap();
    project.write("corpus/wav/03 a\n02.wav", b"x");
    let text = Project::small()
        .replace("kind = \"manifest\"", "kind = \"emodb\"")
        .replace("path = \"corpus/manifest.csv\"\n", "");
    project.pipeline("small", &text);
    project.ser(&["run", "small"]).ok();
    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/small/report.json")).unwrap();
    let reasons: Vec<&str> = report["corpus"]["set_aside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["reason"].as_str().unwrap())
        .collect();
    assert!(
        reasons.contains(&"bad-name") && reasons.contains(&"unknown-code"),
        "{reasons:?}"
    );
}

#[test]
fn a_damaged_table_in_the_cache_is_made_again() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    let before = project.tree("data/tables");
    let folder = project.path("data/cache/small/tasks/features");
    let entry = std::fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(entry.join("features.parquet"), b"damaged").unwrap();
    let plan = project.ser(&["plan", "small"]).ok();
    assert!(
        plan.stdout.contains("output damaged: features.parquet"),
        "{}",
        plan.stdout
    );
    project.ser(&["run", "small"]).ok();
    assert!(
        before == project.tree("data/tables"),
        "the tables are the same bytes again"
    );
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_with_its_own_code_and_the_next_run_goes_on() {
    let project = Project::with_tones(2);
    project.ser(&["features", "small"]).ok();
    std::fs::remove_dir_all(project.path("data")).unwrap();
    // A limit on the size of files fails a write in the middle, as a full disk does.
    let ran = project.bash("trap '' XFSZ; ulimit -f 8; exec \"$SER\" run small");
    ran.fails(6, &["failed to write"]);
    let half: Vec<String> = project
        .tree("data")
        .into_iter()
        .map(|(name, _)| name)
        .filter(|n| n.contains(".tmp"))
        .collect();
    assert!(half.is_empty(), "{half:?}");
    project.ser(&["run", "small"]).ok();
}
