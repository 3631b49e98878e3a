//! Corpora that are known by name, from a folder of an unknown name to a result.

use std::collections::BTreeMap;

use super::project::Project;

#[test]
fn a_known_corpus_is_recognised_read_and_tested_on_its_published_folds() {
    let project = Project::new();
    project
        .ser(&["corpus", "generate", "--layout", "savee", "unpacked"])
        .ok();
    project
        .ser(&["corpus", "init", "unpacked", "--name", "mine"])
        .ok();
    assert!(!project.path("data/manifests").exists());
    let text = String::from_utf8(project.read("pipelines/mine.toml")).unwrap();
    assert!(text.contains("kind = \"savee\""), "{text}");
    assert!(
        !text.contains("guessed") && !text.contains("[corpus.label_map]"),
        "{text}"
    );

    project
        .ser(&["run", "mine", "-q", "--experiment", "svm-emobox"])
        .ok();
    let splits =
        ser::table::splits::read(&project.path("data/tables/mine/splits.parquet")).unwrap();
    let mut tested: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in splits.iter().filter(|row| &*row.role == "test") {
        let speaker = row.utterance_id.split('-').next().unwrap().to_owned();
        let speakers = tested.entry(row.fold_name.to_string()).or_default();
        if !speakers.contains(&speaker) {
            speakers.push(speaker);
        }
    }
    assert_eq!(tested.len(), 4);
    for (name, speakers) in tested {
        assert_eq!(name, format!("speakers {}", speakers.join(" ")));
    }

    let map = "corpus.label_map={ anger = \"bad\", sadness = \"bad\", happiness = \"good\" }";
    project
        .ser(&["features", "mine", "-q", "--set", map, "--as", "merged"])
        .ok();
    let path = project.path("data/tables/mine@merged/utterances.parquet");
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for utterance in ser::table::utterances::read(&path).unwrap() {
        *classes.entry(utterance.source.emotion).or_default() += 1;
    }
    let counts: Vec<(&str, usize)> = classes.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(counts, [("bad", 24), ("good", 12)]);
}

#[test]
fn the_known_corpora_are_listed() {
    let project = Project::new();
    let listed = project.ser(&["corpus", "list", "--json"]).ok();
    let all: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let crema = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "crema-d")
        .unwrap();
    assert_eq!(
        (&crema["files"], &crema["emobox_speakers"]),
        (&7442.into(), &"shared".into())
    );
    let text = project.ser(&["corpus", "list"]).ok().stdout;
    assert!(
        text.contains("crema-d") && text.contains("1 fold, speakers shared"),
        "{text}"
    );
}
