//! Windows of utterances in the place of the utterances, from the split to predictions.

use std::collections::{BTreeMap, BTreeSet};

use ser::table;

use super::project::{EMOTIONS, Project, json_lines, tone, wav};

/// The pipeline of tones on windows.
fn small() -> String {
    Project::small().replace(
        "root = \"corpus\"\n",
        "root = \"corpus\"\nwindows = { length_s = 0.4, hop_s = 0.3 }\n",
    )
}

/// Three speakers with recordings of a second, one of which is shorter than a window.
fn project() -> Project {
    let project = Project::with_tones(3);
    for speaker in 0..3 {
        for (k, emotion) in EMOTIONS.iter().enumerate() {
            for take in 0..2 {
                let pitch = 150.0 + 170.0 * k as f32 + 13.0 * speaker as f32 + 3.0 * take as f32;
                project.tone(&format!("s{speaker}_{emotion}_{take}.wav"), pitch, 1.0);
            }
        }
    }
    project.tone("s0_calm_0.wav", 150.0, 0.3);
    project.pipeline("small", &small());
    project
}

fn recording(id: &str) -> &str {
    id.rsplit_once('#').unwrap().0
}

#[test]
fn all_windows_of_a_recording_have_one_role() {
    let project = project();
    let search = "validation = 0.2\nsearch = { folds = 2, by = \"utterance\", grid = { model.c = [0.1, 1] } }\n";
    project.pipeline("small", &(small() + search));
    project.ser(&["run", "small"]).ok();
    let utterances =
        table::utterances::read(&project.path("data/tables/small/utterances.parquet")).unwrap();
    // Windows at 0, 0.3 and 0.6 s of 17 recordings, and one of the short one.
    assert_eq!(utterances.len(), 17 * 3 + 1);
    let first: Vec<_> = utterances[..4]
        .iter()
        .map(|u| (u.source.id.as_str(), u.source.start_s, u.duration_s))
        .collect();
    assert_eq!(first[0], ("s0_angry_0.wav#00000", Some(0.0), 0.4));
    assert_eq!(
        (first[1].1, first[2].1, first[3].0),
        (Some(0.3), Some(0.6), "s0_angry_1.wav#00000")
    );
    assert!(
        utterances
            .iter()
            .any(|u| u.source.id == "s0_calm_0.wav#00000" && u.duration_s == 0.3)
    );
    let mut roles: BTreeMap<(String, u32), BTreeSet<String>> = BTreeMap::new();
    table::splits::each(&project.path("data/tables/small/splits.parquet"), |row| {
        roles
            .entry((recording(&row.utterance_id).to_owned(), row.fold))
            .or_default()
            .insert(row.role.to_string());
        Ok(())
    })
    .unwrap();
    assert!(
        roles.len() == 18 * 2 && roles.values().all(|roles| roles.len() == 1),
        "{roles:?}"
    );
    assert_eq!(
        roles.values().flatten().collect::<BTreeSet<_>>().len(),
        3,
        "train, validation and test"
    );

    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/small/report.json")).unwrap();
    let section = &report["experiments"][0];
    let remarks = section["remarks"].to_string();
    assert!(
        remarks.contains("a row is a window, not an utterance (windows of 0.4 s, one every 0.3 s)"),
        "{remarks}"
    );
    assert!(
        remarks.contains("each of the 18 tested utterances"),
        "{remarks}"
    );
    let leaks = section["leakage"].as_array().unwrap();
    for kind in ["recordings", "overlaps", "duplicates"] {
        let of_kind: Vec<_> = leaks.iter().filter(|line| line["kind"] == kind).collect();
        assert!(
            of_kind.len() == 2 && of_kind.iter().all(|line| line["shared_units"] == 0),
            "{kind}: {of_kind:?}"
        );
    }
    let metrics = table::metrics::read(&project.path("data/tables/small/metrics.parquet")).unwrap();
    let uar = metrics
        .iter()
        .find(|row| row.metric == "utterance_uar")
        .unwrap()
        .value;
    assert_eq!(section["windows"]["figures"]["uar"].as_f64(), Some(uar));
    let text =
        |name: &str| String::from_utf8(project.read(&format!("reports/small/{name}"))).unwrap();
    assert!(
        text("metrics.csv")
            .lines()
            .any(|line| line.contains(",utterances,") && line.contains(",uar,"))
    );
    assert!(
        !text("metrics.csv").contains("seeds-sd"),
        "one seed has no standard deviation"
    );
    assert_eq!(
        (
            report["corpus"]["utterances"].as_u64(),
            report["corpus"]["by_class"]
                .as_object()
                .map(|all| all.len())
        ),
        (Some(18), Some(3))
    );
    let card = text("card-base.md");
    assert!(
        card.contains(": 18 utterances, ")
            && card.contains(" --window 0.4 --hop 0.3 RECORDINGS")
            && card.contains("| class | windows |")
    );
    assert!(text("experiment-base.html").contains("Accuracy by window"));
    assert!(
        project
            .ser(&["results", "small"])
            .ok()
            .stdout
            .contains("the figures above count windows (0.4 s, hop 0.3 s)")
    );

    let plan = project.ser(&["plan", "small", "--json"]);
    let plan = json_lines(&plan.ok().stdout);
    assert!(
        plan.iter().all(|line| line["plan"]["decision"]
            .as_str()
            .is_none_or(|decision| decision == "keep")),
        "{plan:?}"
    );
    assert!(plan.iter().any(|line| line["plan"]["task"] == "windows"));
    let other = Project::copy_of(&project);
    std::fs::remove_dir_all(other.path("data")).unwrap();
    other.ser(&["run", "small", "--jobs", "1"]).ok();
    for folder in ["data/tables", "data/models", "reports"] {
        assert!(
            project.tree(folder) == other.tree(folder),
            "{folder} depends on the number of threads"
        );
    }
}

#[test]
fn windows_are_predicted_by_a_model_of_windows() {
    let project = project();
    project.ser(&["run", "small"]).ok();
    let predict = |args: &[&str]| {
        let ran = project
            .ser(
                &[
                    &["predict", "small/base/fold-00-seed-0", "--format", "jsonl"],
                    args,
                ]
                .concat(),
            )
            .ok();
        (json_lines(&ran.stdout), ran.stderr)
    };
    // The same windows, and the same of each.
    let (said, _) = predict(&["corpus", "--window", "0.4", "--hop", "0.3"]);
    let (labels, rows, _) =
        table::predictions::read(&project.path("data/tables/small/predictions.parquet")).unwrap();
    let utterances =
        table::utterances::read(&project.path("data/tables/small/utterances.parquet")).unwrap();
    assert_eq!(said.len(), utterances.len());
    for row in rows.iter().filter(|row| row.fold == 0) {
        let source = &utterances
            .iter()
            .find(|u| u.source.id == row.utterance_id)
            .unwrap()
            .source;
        let is_it = |line: &&serde_json::Value| {
            line["file"].as_str().unwrap().ends_with(&source.path)
                && line["start_s"].as_f64() == source.start_s
        };
        let line = said.iter().find(is_it).unwrap();
        let found: Vec<f32> = labels
            .iter()
            .map(|label| line["probabilities"][label].as_f64().unwrap() as f32)
            .collect();
        assert_eq!(found, row.probabilities, "{}", row.utterance_id);
        assert!(
            !line["domain_reason"].to_string().contains("duration"),
            "{line}"
        );
    }
    let (whole, warned) = predict(&["corpus/s1_calm_0.wav", "corpus/s1_calm_1.wav"]);
    assert!(
        whole.iter().all(|line| line["in_domain"] == false
            && line["domain_reason"].as_str().unwrap().contains("duration")),
        "{whole:?}"
    );
    assert!(
        warned.contains("2 of 2 predictions are outside of what the model was trained on")
            && warned.contains("--window 0.4"),
        "{warned}"
    );
}

#[test]
fn a_copy_under_another_name_leaks_with_its_windows() {
    let mut project = project();
    let sound = tone(777.0, 1.0);
    project.write("corpus/one.wav", wav(&sound));
    // Another version of the recording: louder.
    project.write(
        "corpus/two.wav",
        wav(&sound.iter().map(|s| s / 2).collect::<Vec<_>>()),
    );
    project.row("one.wav", "calm", "s1");
    project.row("two.wav", "calm", "s2");
    project.write_manifest();
    let apart = small().replace(
        "{ kind = \"stratified-kfold\", folds = 2 }",
        "{ kind = \"leave-one-speaker-out\" }",
    );
    project.pipeline("small", &apart);
    project.ser(&["run", "small"]).ok();
    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/small/report.json")).unwrap();
    let leaks = report["experiments"][0]["leakage"].as_array().unwrap();
    let near: u64 = leaks
        .iter()
        .filter(|line| line["kind"] == "near-duplicates")
        .map(|line| line["shared_units"].as_u64().unwrap())
        .sum();
    assert_eq!(near, 2 * 3, "the windows of both, each tested once");
}
