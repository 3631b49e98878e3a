//! Shuffled labels through every model and protocol: what comes out above chance is a leak.

use super::project::Project;

const SETS: &str = "[features]\nsets = [\"issa193\", \"functionals\", \"frames\"]\n";
const CORPUS: &str = "name = \"controls\"\n[corpus]\nkind = \"synthetic\"\nroot = \"corpus\"\nspeakers = 4\nsentences = 3\ntakes = 2\n";

const PROTOCOLS: [(&str, &str); 4] = [
    ("held", "{ kind = \"hold-out\", test_fraction = 0.5 }"),
    ("random", "{ kind = \"stratified-kfold\", folds = 3 }"),
    ("groups", "{ kind = \"group-kfold\", folds = 2 }"),
    ("speakers", "{ kind = \"leave-one-speaker-out\" }"),
];

const INPUTS: &str = "log_mel = true, scaler = \"standard\"";
const STATISTICS: &str = "set = \"functionals\", scaler = \"per-speaker\", clip = 4";
const SEQUENCES: &str = "set = \"frames\", frames = 32, scaler = \"standard\"";

/// Name, kind and settings of the model, inputs.
const MODELS: [(&str, &str, &str); 11] = [
    (
        "cnn",
        "{ kind = \"cnn\", architecture = \"emodb-a\" }\ntrain = { batch_size = 16, epochs = 2 }",
        INPUTS,
    ),
    ("logistic", "{ kind = \"logistic\", c = 0.1 }", INPUTS),
    ("rbf", "{ kind = \"svm\", c = 10 }", INPUTS),
    (
        "linear",
        "{ kind = \"svm\", kernel = \"linear\", c = 0.01 }",
        INPUTS,
    ),
    (
        "forest",
        "{ kind = \"random-forest\", trees = 30 }\nseeds = [0, 1]",
        INPUTS,
    ),
    (
        "knn",
        "{ kind = \"knn\", k = 3, weights = \"distance\" }",
        INPUTS,
    ),
    (
        "searched",
        "{ kind = \"svm\" }\nsearch = { folds = 2, grid = { model.c = [0.1, 10], inputs.log_mel = [false, true] } }",
        INPUTS,
    ),
    (
        "transductive",
        "{ kind = \"logistic\", c = 0.01 }",
        STATISTICS,
    ),
    (
        "perceptron",
        "{ kind = \"perceptron\", hidden = 32 }\ntrain = { batch_size = 16, epochs = 6 }",
        STATISTICS,
    ),
    (
        "temporal",
        "{ kind = \"temporal\", channels = 8 }\ntrain = { batch_size = 16, epochs = 3, mixup = 0.4, spec_augment = {} }",
        SEQUENCES,
    ),
    ("majority", "{ kind = \"majority\" }", INPUTS),
];

/// What a run with shuffled labels is called.
const SHUFFLED: &str = "controls@shuffled";

/// Pooled accuracy and number of predictions by experiment.
fn pooled(project: &Project, pipeline: &str) -> Vec<(String, f64, f64)> {
    let text = String::from_utf8(project.read(&format!("reports/{pipeline}/metrics.csv"))).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let (experiment, scope, n, class, metric, value) = (
        at("experiment"),
        at("scope"),
        at("n"),
        at("class"),
        at("metric"),
        at("value"),
    );
    let rows = reader.records().map(Result::unwrap).filter(|row| {
        &row[scope] == "pooled" && &row[metric] == "accuracy" && row[class].is_empty()
    });
    rows.map(|row| {
        (
            row[experiment].to_owned(),
            row[value].parse().unwrap(),
            row[n].parse().unwrap(),
        )
    })
    .collect()
}

#[test]
fn shuffled_labels_come_out_at_chance_everywhere() {
    let mut text = format!("{CORPUS}{SETS}");
    for (protocol, settings) in PROTOCOLS {
        for (model, kind, inputs) in MODELS {
            text += &experiment(protocol, settings, model, kind, inputs);
        }
        text += &format!(
            "[[experiment]]\nname = \"{protocol}-ensemble\"\nprotocol = {settings}\n\
             model = {{ kind = \"ensemble\", members = [\"{protocol}-forest\", \"{protocol}-perceptron\", \"{protocol}-temporal\"] }}\n"
        );
    }
    let project = Project::new();
    project.pipeline("controls", &text);
    // What these models find where there is something to find: the interval below is no empty
    // promise.
    let honest = [
        "random-logistic",
        "random-rbf",
        "groups-searched",
        "random-perceptron",
        "groups-transductive",
    ];
    let named: Vec<&str> = honest
        .iter()
        .flat_map(|name| ["--experiment", *name])
        .collect();
    project
        .ser(&[&["run", "controls"], &named[..]].concat())
        .ok();
    let found = pooled(&project, "controls");
    assert_eq!(found.len(), honest.len());
    let classes = String::from_utf8(project.read("reports/controls/confusion.csv")).unwrap();
    let chance = 1.0 / class_count(&classes);
    let bound = |n: f64, seeds: f64| four_deviations(chance, n / seeds);
    for (name, accuracy, n) in &found {
        assert!(
            *accuracy > chance + bound(*n, 1.0),
            "{name} learns: {accuracy}"
        );
    }

    project
        .ser(&[
            "run",
            "controls",
            "--set",
            "shuffle_labels=true",
            "--as",
            "shuffled",
        ])
        .ok();
    let shuffled = pooled(&project, SHUFFLED);
    assert_eq!(shuffled.len(), PROTOCOLS.len() * (MODELS.len() + 1));
    for (name, accuracy, n) in &shuffled {
        let seeds = if name.ends_with("forest") { 2.0 } else { 1.0 };
        assert!(
            (accuracy - chance).abs() <= bound(*n, seeds),
            "{name}: {accuracy} of {n} is not chance ({chance})"
        );
    }
    let page = project.pages(SHUFFLED);
    assert!(page.contains("Controls: labels shuffled") && page.contains("(labels shuffled)"));
    // The choice of every fold is on the page and on the card.
    assert!(page.contains("Chosen within the training part"));
    let card = String::from_utf8(
        project.read("data/models/controls@shuffled/groups-searched/fold-00-seed-0/README.md"),
    )
    .unwrap();
    assert!(card.contains("search.chosen: inputs.log\\_mel="), "{card}");
    // What was saved listens to a recording.
    for model in [
        "groups-forest",
        "groups-knn",
        "groups-linear",
        "groups-searched",
    ] {
        let folder = format!("data/models/controls@shuffled/{model}/fold-00-seed-0");
        let heard = project
            .bash(&format!(
                "set -e; $SER predict {folder} $(find corpus -name '*.wav' | sort | head -1)"
            ))
            .ok();
        assert!(!heard.stdout.is_empty(), "{model}");
    }
}

/// Sessions, declared parts and corpora, which the generated corpus does not name by itself.
#[test]
fn shuffled_labels_come_out_at_chance_between_sessions_parts_and_corpora() {
    let project = Project::new();
    project.pipeline(
        "made",
        &format!(
            "{}{}",
            CORPUS.replace("controls", "made"),
            experiment("all", PROTOCOLS[1].1, "any", MODELS[10].1, INPUTS)
        ),
    );
    project.ser(&["features", "made"]).ok();
    let mut lines = ["path,emotion,speaker,session,split".to_owned()].to_vec();
    let mut halves = [lines.clone(), lines.clone()];
    for u in
        ser::table::utterances::read(&project.path("data/tables/made/utterances.parquet")).unwrap()
    {
        let first = u.source.speaker.as_str() < "spk03";
        let (session, split) = if first {
            ("one", "train")
        } else {
            ("two", "test")
        };
        let line = format!(
            "{},{},{},{session},{split}",
            u.source.path, u.source.emotion, u.source.speaker
        );
        halves[usize::from(!first)].push(line.clone());
        lines.push(line);
    }
    project.write("corpus/manifest.csv", lines.join("\n") + "\n");
    for (name, lines) in ["first", "second"].iter().zip(&halves) {
        project.write(&format!("corpus/{name}.csv"), lines.join("\n") + "\n");
    }
    let models = [MODELS[1], MODELS[5], MODELS[6], MODELS[8]];
    let listed = |protocols: &[(&str, &str)]| -> String {
        let each = protocols.iter().flat_map(|(name, settings)| {
            models.map(|(model, kind, inputs)| experiment(name, settings, model, kind, inputs))
        });
        each.collect()
    };
    let one =
        "name = \"controls\"\n[corpus]\nkind = \"manifest\"\npath = \"corpus/manifest.csv\"\n";
    let sessions = [
        ("sessions", "{ kind = \"leave-one-session-out\" }"),
        ("declared", "{ kind = \"declared\" }"),
    ];
    let emotions: std::collections::BTreeSet<&str> = lines[1..]
        .iter()
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    let map = emotions
        .iter()
        .map(|e| format!("{e} = \"{e}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let part = |name: &str| {
        format!(
            "{{ kind = \"manifest\", name = \"{name}\", folder = \"corpus\", path = \"{name}.csv\", label_map = {{ {map} }} }}"
        )
    };
    let two = format!(
        "name = \"controls\"\n[corpus]\nkind = \"joined\"\nname = \"both\"\nroot = \".\"\nparts = [{}, {}]\n",
        part("first"),
        part("second")
    );
    let corpora = [("corpora", "{ kind = \"cross-corpus\" }")];
    let chance = 1.0 / emotions.len() as f64;
    // Each of two corpora is tested by itself.
    for (corpus, protocols, tested) in [(one, &sessions[..], 1), (&two, &corpora[..], 2)] {
        project.pipeline("controls", &format!("{corpus}{SETS}{}", listed(protocols)));
        project.ser(&["run", "controls"]).ok();
        let honest = pooled(&project, "controls");
        assert!(
            honest
                .iter()
                .any(|(_, accuracy, n)| *accuracy > chance + four_deviations(chance, *n)),
            "{honest:?}"
        );
        project
            .ser(&[
                "run",
                "controls",
                "--set",
                "shuffle_labels=true",
                "--as",
                "shuffled",
            ])
            .ok();
        let shuffled = pooled(&project, SHUFFLED);
        assert_eq!(shuffled.len(), protocols.len() * models.len() * tested);
        for (name, accuracy, n) in &shuffled {
            assert!(
                (accuracy - chance).abs() <= four_deviations(chance, *n),
                "{name}: {accuracy} of {n} is not chance ({chance})"
            );
        }
    }
}

/// The published folds are of RAVDESS, so that they need it.
#[test]
fn shuffled_labels_come_out_at_chance_in_the_published_folds() {
    let Some(root) = crate::corpora::recordings("ravdess") else {
        return;
    };
    let project = Project::new();
    let folds = "{ kind = \"published\", name = \"emobox\" }";
    let models = [MODELS[1], MODELS[5], MODELS[8]];
    let experiments: String = models
        .map(|(model, kind, inputs)| experiment("emobox", folds, model, kind, inputs))
        .concat();
    project.pipeline(
        "controls",
        &format!(
            "name = \"controls\"\n[corpus]\nkind = \"ravdess\"\nroot = \"{}\"\n{SETS}{experiments}",
            root.display()
        ),
    );
    project
        .ser(&[
            "run",
            "controls",
            "--set",
            "shuffle_labels=true",
            "--as",
            "shuffled",
        ])
        .ok();
    let shuffled = pooled(&project, SHUFFLED);
    assert_eq!(shuffled.len(), models.len());
    for (name, accuracy, n) in &shuffled {
        // The classes are not quite of one size: always answering the largest would be right in 192
        // of 1440.
        assert!(
            (accuracy - 0.125).abs() <= four_deviations(0.125, *n),
            "{name}: {accuracy} of {n} is not chance"
        );
    }
}

fn experiment(protocol: &str, settings: &str, model: &str, kind: &str, inputs: &str) -> String {
    format!(
        "[[experiment]]\nname = \"{protocol}-{model}\"\nprotocol = {settings}\ninputs = {{ {inputs} }}\nmodel = {kind}\n"
    )
}

/// Of a binomial. Several seeds on the same rows are no independent draws.
fn four_deviations(chance: f64, n: f64) -> f64 {
    4.0 * (chance * (1.0 - chance) / n).sqrt()
}

/// Distinct words in the column of true classes.
fn class_count(confusion: &str) -> f64 {
    let mut reader = csv::Reader::from_reader(confusion.as_bytes());
    let at = reader
        .headers()
        .unwrap()
        .iter()
        .position(|column| column == "truth")
        .unwrap();
    let classes: std::collections::BTreeSet<String> = reader
        .records()
        .map(|row| row.unwrap()[at].to_owned())
        .collect();
    classes.len() as f64
}
