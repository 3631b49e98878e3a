//! Transductive experiments: their condition wherever they show, and what becomes of them with
//! restricted pools.

use super::project::{Project, json_lines};

const EMOTIONS: [&str; 4] = ["sad", "calm", "happy", "angry"];
const CONDITION: &str = "each speaker's clips cover all classes in about equal numbers";

fn experiment(name: &str, scaler: &str, more: &str) -> String {
    format!(
        "\n[[experiment]]\nname = \"{name}\"\nprotocol = {{ kind = \"group-kfold\", folds = 2 }}\n\
         inputs = {{ log_mel = true, scaler = \"{scaler}\" }}\nmodel = {{ kind = \"logistic\", c = 1.0 }}\n{more}"
    )
}

/// Tones whose pitch rises with the arousal of the emotion.
fn project() -> Project {
    let mut project = Project::new();
    for speaker in 0..4 {
        for (k, emotion) in EMOTIONS.iter().enumerate() {
            for take in 0..2 {
                let name = format!("s{speaker}_{emotion}_{take}.wav");
                project.tone(
                    &name,
                    150.0 + 120.0 * k as f32 + 17.0 * speaker as f32 + 3.0 * take as f32,
                    0.4,
                );
                project.row(&name, emotion, &format!("s{speaker}"));
            }
        }
    }
    project.write_manifest();
    let head = Project::small()
        .split("[[experiment]]")
        .next()
        .unwrap()
        .to_owned();
    let ensemble = "\n[[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                    model = { kind = \"ensemble\", members = [\"plain\", \"speakers\"] }\n";
    let experiments = [
        experiment("plain", "standard", ""),
        experiment("speakers", "per-speaker", ""),
        ensemble.to_owned(),
    ]
    .concat();
    project.pipeline("small", &(head + &experiments));
    project
}

type Rows = Vec<std::collections::BTreeMap<String, String>>;

fn read(project: &Project, file: &str) -> Rows {
    csv::Reader::from_reader(project.read(file).as_slice())
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

/// Mean recall of the classes, of pairs of truth and prediction.
fn uar(pairs: &[(String, String)], classes: &[&str]) -> f64 {
    let recall = |class: &&str| {
        let of_class: Vec<_> = pairs.iter().filter(|(truth, _)| truth == class).collect();
        of_class
            .iter()
            .filter(|(truth, predicted)| truth == predicted)
            .count() as f64
            / of_class.len() as f64
    };
    classes.iter().map(recall).sum::<f64>() / classes.len() as f64
}

#[test]
fn restricted_pools_are_what_a_saved_model_says_of_such_clips() {
    let project = project();
    let ran = project.ser(&["run", "small", "--json"]).ok();
    let found = read(&project, "reports/small/restricted-pools.csv");
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|row| (row["experiment"].as_str(), row["pool"].as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("speakers", "high-arousal"),
            ("speakers", "low-arousal"),
            ("both", "high-arousal"),
            ("both", "low-arousal")
        ]
    );
    let figure = |row: &std::collections::BTreeMap<String, String>, name: &str| {
        row[name].parse::<f64>().unwrap()
    };

    let predictions = read(&project, "reports/small/predictions.csv");
    let pairs = |experiment: &str| -> Vec<(String, String)> {
        let rows = predictions
            .iter()
            .filter(|row| row["experiment"] == experiment);
        rows.map(|row| (row["truth"].clone(), row["predicted"].clone()))
            .collect()
    };
    for (row, classes) in found.iter().zip([["angry", "happy"], ["calm", "sad"]]) {
        assert_eq!(
            (row["classes"].as_str(), row["n"].as_str()),
            (classes.join("; ").as_str(), "16")
        );
        assert!(
            (figure(row, "uar_full") - uar(&pairs("speakers"), &classes)).abs() < 1e-12,
            "{row:?}"
        );
        assert_eq!(row["inductive"], "plain");
        assert!(
            (figure(row, "uar_inductive") - uar(&pairs("plain"), &classes)).abs() < 1e-12,
            "{row:?}"
        );
        // The model of the fold in which a speaker is tested, given that speaker's clips of these
        // classes and no others.
        let mut restricted = Vec::new();
        for speaker in 0..4 {
            let tested = predictions
                .iter()
                .find(|p| p["experiment"] == "speakers" && p["speaker"] == format!("s{speaker}"))
                .unwrap();
            let model = format!(
                "data/models/small/speakers/fold-{:02}-seed-0",
                tested["fold"].parse::<u32>().unwrap()
            );
            let clips: Vec<(&str, String)> = classes
                .iter()
                .flat_map(|class| {
                    (0..2)
                        .map(move |take| (*class, format!("corpus/s{speaker}_{class}_{take}.wav")))
                })
                .collect();
            let mut args = vec![
                "predict",
                model.as_str(),
                "--one-speaker",
                "--format",
                "csv",
            ];
            args.extend(clips.iter().map(|(_, file)| file.as_str()));
            let said = project.ser(&args).ok();
            assert!(said.stderr.contains(CONDITION), "{}", said.stderr);
            let mut rows = csv::Reader::from_reader(said.stdout.as_bytes());
            let emotion = rows
                .headers()
                .unwrap()
                .iter()
                .position(|column| column == "emotion")
                .unwrap();
            restricted.extend(
                clips.iter().zip(rows.records()).map(|((truth, _), row)| {
                    ((*truth).to_owned(), row.unwrap()[emotion].to_owned())
                }),
            );
        }
        assert_eq!(restricted.len(), 16);
        assert!(
            (figure(row, "uar_restricted") - uar(&restricted, &classes)).abs() < 1e-12,
            "{row:?}: {restricted:?}"
        );
    }
    // These tones are told apart by speaker-scaled features as long as all four are there.
    assert!(
        found[..2]
            .iter()
            .all(|row| figure(row, "uar_full") > figure(row, "uar_restricted")),
        "{found:?}"
    );

    let lines = json_lines(&ran.stdout);
    let line = lines
        .iter()
        .map(|line| &line["result"])
        .find(|line| line["experiment"] == "speakers")
        .unwrap();
    assert_eq!(
        line["restricted_pools"][0]["restricted"].as_f64().unwrap(),
        figure(&found[0], "uar_restricted")
    );
    assert_eq!(
        line["restricted_pools"][0]["inductive"]["experiment"],
        "plain"
    );
}

#[test]
fn the_condition_stands_beside_every_transductive_figure() {
    let project = project();
    let ran = project.ser(&["run", "small"]).ok();
    let said = ran.stdout + &ran.stderr;
    let line = |name: &str| {
        said.lines()
            .find(|line| line.starts_with(&format!("  {name}: ")))
            .unwrap_or_else(|| panic!("{said}"))
            .to_owned()
    };
    for name in ["speakers", "both"] {
        assert!(
            line(name).contains(CONDITION)
                && line(name).contains("UAR with restricted pools: high-arousal"),
            "{}",
            line(name)
        );
    }
    assert!(!said.contains("  plain: "));
    let text = |file: &str| String::from_utf8(project.read(file)).unwrap();
    for file in [
        "index.html",
        "experiment-speakers.html",
        "experiment-both.html",
        "card-speakers.md",
        "card-both.md",
        "results.csv",
        "results.tex",
    ] {
        let text = text(&format!("reports/small/{file}")).replace("&#39;", "'");
        assert!(text.contains(CONDITION), "{file}");
    }
    for file in [
        "reports/small/experiment-plain.html",
        "reports/small/card-plain.md",
        "data/models/small/plain/fold-00-seed-0/README.md",
    ] {
        assert!(!text(file).contains("equal numbers"), "{file}");
    }
    assert!(text("data/models/small/speakers/fold-00-seed-0/README.md").contains(CONDITION));
    assert!(text("reports/small/card-both.md").contains("| high-arousal (angry, happy) |"));
    let results = project.ser(&["results", "small"]).ok().stdout;
    assert!(
        results.contains(CONDITION) && results.contains("| high-arousal: angry, happy |"),
        "{results}"
    );
    assert_eq!(
        results
            .matches("| **transductive**: balanced speakers only |")
            .count(),
        2,
        "{results}"
    );
}

#[test]
fn pools_are_measured_once_and_not_of_controls() {
    let project = project();
    project.ser(&["run", "small", "-q"]).ok();
    assert!(
        project
            .ser(&["plan", "small"])
            .ok()
            .stdout
            .contains("0 to run")
    );
    let before = project.read("reports/small/restricted-pools.csv");
    let other = Project::copy_of(&project);
    std::fs::remove_dir_all(other.path("data")).unwrap();
    other.ser(&["run", "small", "-q", "--jobs", "1"]).ok();
    assert_eq!(other.read("reports/small/restricted-pools.csv"), before);
    project
        .ser(&[
            "run",
            "small",
            "-q",
            "--set",
            "shuffle_labels=true",
            "--as",
            "control",
        ])
        .ok();
    assert!(read(&project, "reports/small@control/restricted-pools.csv").is_empty());
}

#[test]
fn clips_of_unknown_speakers_are_not_scaled_by_speaker() {
    let project = Project::with_tones(3);
    let rows = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
    let (head, rest) = rows.split_once('\n').unwrap();
    let (first, others) = rest.split_once('\n').unwrap();
    let first = first.rsplit_once(',').unwrap().0;
    project.write(
        "corpus/manifest.csv",
        format!("{head}\n{first},NaN\n{others}"),
    );
    project.pipeline(
        "small",
        &Project::small().replace("scaler = \"standard\"", "scaler = \"per-speaker\""),
    );
    let ran = project.ser(&["run", "small", "-v"]).fails(
        4,
        &["scales by speaker, and of 1 utterances the speaker is not known"],
    );
    assert!(
        !ran.stderr.contains("run    train/"),
        "nothing is trained first: {}",
        ran.stderr
    );
    let planned = project.ser(&["plan", "small"]).ok().stderr;
    assert!(
        planned.contains("will be refused") && planned.contains("the speaker is not known"),
        "{planned}"
    );
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small", "-q"]).ok();
    let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
    assert!(page.contains("3 speakers and 1 utterance of unknown ones"));
}
