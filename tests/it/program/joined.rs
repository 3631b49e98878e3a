//! Two corpora as one: trained on one, tested on the other.

use super::project::Project;

const PIPELINE: &str = "name = \"both\"\n[corpus]\nkind = \"joined\"\nname = \"pair\"\nroot = \".\"\nparts = [\n\
    { kind = \"manifest\", name = \"one\", folder = \"corpus\", label_map = { calm = \"low\", angry = \"high\" } },\n\
    { kind = \"manifest\", name = \"two\", folder = \"other\", label_map = { calm = \"low\", happy = \"high\" } },\n]\n\
    [[experiment]]\nname = \"x\"\nprotocol = { kind = \"cross-corpus\" }\ninputs = { log_mel = true, scaler = \"standard\" }\n\
    model = { kind = \"svm\", kernel = \"linear\" }\nsearch = { folds = 2, grid = { model.c = [0.01, 1] } }\n";

#[test]
fn each_corpus_is_tested_by_what_was_trained_on_the_other() {
    let project = Project::with_tones(3);
    assert!(project.bash("cp -r corpus other").code == 0);
    project.pipeline("both", PIPELINE);
    project.ser(&["run", "both"]).ok();
    let read = |name: &str| String::from_utf8(project.read(name)).unwrap();
    let folds = read("reports/both/folds.csv");
    for fold in ["corpus one", "corpus two"] {
        assert!(folds.contains(fold), "{fold} in {folds}");
    }
    let report: serde_json::Value = serde_json::from_str(&read("reports/both/report.json")).unwrap();
    let experiment = &report["experiments"][0];
    assert_eq!(experiment["labels"], serde_json::json!(["high", "low"]));
    assert_eq!(experiment["speaker_independent"], true, "speakers of two corpora are not the same");
    // Six utterances of each of three classes: two classes of each corpus have a counterpart.
    assert_eq!(report["corpus"]["utterances"], 24);
    assert_eq!(report["corpus"]["by_session"], serde_json::json!({ "one": 12, "two": 12 }));
    let aside = report["corpus"]["set_aside"].as_array().unwrap();
    let left_out = |path: &str| aside.iter().filter(|one| one["path"].as_str().unwrap().starts_with(path)).count();
    assert_eq!((left_out("corpus/"), left_out("other/"), aside.len()), (6, 6, 12));
    let directions = report["experiments"].as_array().unwrap();
    let names: Vec<&str> = directions.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["x-on-one", "x-on-two"]);
    for (one, corpus) in directions.iter().zip(["one", "two"]) {
        assert_eq!((one["direction_of"].as_str(), one["pooled"]["n"].as_u64()), (Some("x"), Some(12)));
        assert_eq!(one["protocol"], format!("cross-corpus, tested on {corpus}"));
        for line in one["predictions"].as_array().unwrap() {
            let id = line["utterance_id"].as_str().unwrap();
            assert!(id.starts_with(&format!("{corpus}-")), "{id} where {corpus} is tested");
        }
    }
    // Nowhere is there a figure of both directions together.
    let metrics = read("reports/both/metrics.csv");
    assert!(metrics.lines().skip(1).all(|line| line.starts_with("x-on-one,") || line.starts_with("x-on-two,")), "{metrics}");
    let elsewhere = PIPELINE.replace("folder = \"other\"", "folder = \"../other\"");
    project.pipeline("wrong", &elsewhere.replace("\"both\"", "\"wrong\""));
    project.ser(&["run", "wrong"]).fails(3, &["does not lie below corpus.root"]);
    project.pipeline("wrong", &elsewhere.replace("name = \"two\", folder = \"../other\"", "name = \"one\", folder = \"other\""));
    project.ser(&["run", "wrong"]).fails(3, &["two parts are called `one`"]);
}
