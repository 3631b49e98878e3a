//! Explanations: of models whose inputs a search chose, in plans, and where they fail.

use serde_json::Value;

use super::project::{Project, json_lines};

fn report(project: &Project) -> Value {
    serde_json::from_slice(&project.read("reports/small/report.json")).unwrap()
}

#[test]
fn models_are_asked_on_the_inputs_that_their_search_chose_and_plans_say_so() {
    let project = Project::with_tones(4);
    let own = "inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n";
    let searched = "inputs = { scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 0.01 }\nexplain = true\n\
                    search = { folds = 2, by = \"utterance\", grid = { inputs.log_mel = [true, false], model.c = [0.001, 0.01] } }\n";
    assert!(Project::small().contains(own));
    project.pipeline("small", &Project::small().replace(own, searched));
    let planned = |project: &Project| -> Vec<String> {
        let lines = json_lines(&project.ser(&["plan", "small", "--json"]).ok().stdout);
        let runs = lines
            .iter()
            .map(|line| &line["plan"])
            .filter(|plan| plan["decision"] != "keep");
        runs.map(|plan| plan["task"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(planned(&project).contains(&"explain/base".to_owned()));
    project.ser(&["run", "small", "-q"]).ok();
    assert!(planned(&project).is_empty(), "{:?}", planned(&project));

    let report = report(&project);
    let experiment = &report["experiments"][0];
    let folds: Vec<f64> = experiment["folds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fold| fold["scores"]["uar"].as_f64().unwrap())
        .collect();
    let explained = experiment["explanation"]["uar"].as_f64().unwrap();
    let mean = folds.iter().sum::<f64>() / folds.len() as f64;
    assert!(
        (explained - mean).abs() < 1e-9,
        "asked: {explained}, tested: {mean} of {folds:?}"
    );
}

#[test]
fn an_explanation_that_fails_leaves_results_and_report() {
    let project = Project::with_tones(3);
    project.ser(&["run", "small", "-q"]).ok();
    project.pipeline("small", &(Project::small() + "explain = true\n"));
    // A model that is whole to the store and nonsense to whoever reads it.
    let latest: Value = serde_json::from_slice(
        &project.read("data/cache/small/latest/train/base/fold-00-seed-0.json"),
    )
    .unwrap();
    let folder = format!(
        "data/cache/small/tasks/train/{}",
        latest["key"].as_str().unwrap()
    );
    let record = project.read(&format!("{folder}/record.json"));
    let card = project.read(&format!("{folder}/model/model.json"));
    let broken = String::from_utf8(card.clone())
        .unwrap()
        .replacen("\"logistic\"", "\"logistik\"", 1)
        .into_bytes();
    assert_ne!(broken, card);
    let [old, new] = [&card, &broken].map(|bytes| blake3::hash(bytes).to_hex().to_string());
    let record = String::from_utf8(record).unwrap();
    assert!(record.contains(&old), "{record}");
    project.write(&format!("{folder}/model/model.json"), &broken);
    project.write(&format!("{folder}/record.json"), record.replace(&old, &new));
    let ran = project.ser(&["run", "small"]);
    assert!(
        ran.code != 0 && !ran.stderr.contains("panicked"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("explain/base"), "{}", ran.stderr);
    let report = report(&project);
    assert!(
        report["experiments"][0]["pooled"].is_object()
            && report["experiments"][0]["explanation"].is_null()
    );
}
