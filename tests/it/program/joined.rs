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
    let report: serde_json::Value =
        serde_json::from_str(&read("reports/both/report.json")).unwrap();
    let experiment = &report["experiments"][0];
    assert_eq!(experiment["labels"], serde_json::json!(["high", "low"]));
    // By name the speakers of two corpora are not the same, but the second is a copy of the first:
    // the six calm recordings are in both.
    assert_eq!(
        (
            &experiment["speaker_independent"],
            &experiment["recordings_on_both_sides"]
        ),
        (&"no".into(), &6.into())
    );
    // Six utterances of each of three classes: two classes of each corpus have a counterpart.
    assert_eq!(report["corpus"]["utterances"], 24);
    assert_eq!(
        report["corpus"]["by_session"],
        serde_json::json!({ "one": 12, "two": 12 })
    );
    let aside = report["corpus"]["set_aside"].as_array().unwrap();
    let left_out = |path: &str| {
        aside
            .iter()
            .filter(|one| one["path"].as_str().unwrap().starts_with(path))
            .count()
    };
    assert_eq!(
        (left_out("corpus/"), left_out("other/"), aside.len()),
        (6, 6, 12)
    );
    let directions = report["experiments"].as_array().unwrap();
    let names: Vec<&str> = directions
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["x-on-one", "x-on-two"]);
    for (one, corpus) in directions.iter().zip(["one", "two"]) {
        assert_eq!(
            (one["direction_of"].as_str(), one["pooled"]["n"].as_u64()),
            (Some("x"), Some(12))
        );
        assert_eq!(one["protocol"], format!("cross-corpus, tested on {corpus}"));
        let predictions = project.predictions("both", one["name"].as_str().unwrap());
        assert_eq!(predictions.len(), 12);
        for row in predictions {
            let id = &row[4];
            assert!(
                id.starts_with(&format!("{corpus}-")),
                "{id} where {corpus} is tested"
            );
        }
    }
    let rooted = PIPELINE.replace("folder = \"other\"", "root = \"other\", folder = \"other\"");
    project.pipeline("wrong", &rooted.replace("\"both\"", "\"wrong\""));
    project.ser(&["run", "wrong"]).fails(
        3,
        &["`folder` and `root` both say where the recordings lie"],
    );
    // Nowhere is there a figure of both directions together.
    let metrics = read("reports/both/metrics.csv");
    assert!(
        metrics
            .lines()
            .skip(1)
            .all(|line| line.starts_with("x-on-one,") || line.starts_with("x-on-two,")),
        "{metrics}"
    );
    let elsewhere = PIPELINE.replace("folder = \"other\"", "folder = \"../other\"");
    project.pipeline("wrong", &elsewhere.replace("\"both\"", "\"wrong\""));
    project
        .ser(&["run", "wrong"])
        .fails(3, &["does not lie below corpus.root"]);
    project.pipeline(
        "wrong",
        &elsewhere.replace(
            "name = \"two\", folder = \"../other\"",
            "name = \"one\", folder = \"other\"",
        ),
    );
    project
        .ser(&["run", "wrong"])
        .fails(3, &["two parts are called `one`"]);
}

#[test]
fn manifests_that_were_proposed_are_joined_as_they_lie() {
    let project = Project::with_tones(3);
    // Recordings with names that tell speaker and emotion, in two places.
    let sort = "for f in corpus/*.wav; do n=$(basename $f); s=${n%%_*}; e=${n#*_}; mkdir -p here/one/$s far/two/$s; \
                cp $f here/one/$s/${e%_*}_${n##*_}; cp $f far/two/$s/${e%_*}_${n##*_}; done";
    assert_eq!(project.bash(sort).code, 0);
    let far = project.path("far/two");
    let far = far.to_str().unwrap();
    project.ser(&["corpus", "init", "here/one"]).ok();
    project.ser(&["corpus", "init", far]).ok();
    // Path and root as the proposed pipeline has them.
    let part = |name: &str| {
        let text = String::from_utf8(project.read(&format!("pipelines/{name}.toml"))).unwrap();
        let line = |key: &str| {
            text.lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .to_owned()
        };
        format!(
            "{{ kind = \"manifest\", {}, {}, {}, label_map = {{ calm = \"low\", angry = \"high\" }} }}",
            line("name = "),
            line("path = "),
            line("root = ")
        )
    };
    let parts = [part("one"), part("two")];
    let joined = |root: &str| {
        format!(
            "name = \"both\"\n[corpus]\nkind = \"joined\"\n{root}\nparts = [\n{},\n]\n[[experiment]]\nname = \"x\"\n\
                 protocol = {{ kind = \"cross-corpus\" }}\nmodel = {{ kind = \"majority\" }}\n",
            parts.join(",\n")
        )
    };
    // A folder of the whole that is there or not there makes no difference.
    for root in ["root = \"far\"", ""] {
        project.pipeline("both", &joined(root));
        project.ser(&["run", "both"]).ok();
        let report: serde_json::Value =
            serde_json::from_slice(&project.read("reports/both/report.json")).unwrap();
        assert_eq!(
            report["corpus"]["by_session"],
            serde_json::json!({ "one": 12, "two": 12 }),
            "{root}"
        );
        assert_eq!(report["corpus"]["set_aside"].as_array().unwrap().len(), 12);
    }
    // Without its root the table is looked for beside the recordings, and the error says what is
    // lacking.
    let root = format!(", root = \"{far}\"");
    assert!(parts[1].contains(&root), "{}", parts[1]);
    project.pipeline("both", &joined("root = \"far\"").replace(&root, ""));
    project
        .ser(&["run", "both"])
        .fails(5, &["data/manifests/two.csv", "`ser corpus init` wrote"]);
}

#[test]
fn a_guess_about_a_part_counts_until_it_is_confirmed_there() {
    let project = Project::new();
    for (f, (folder, names)) in [("one", ["anna", "bert"]), ("two", ["cleo", "dora"])]
        .into_iter()
        .enumerate()
    {
        for (s, name) in names.iter().enumerate() {
            for n in 0..6 {
                let (k, take) = (n % 2, n / 2);
                let pitch =
                    150.0 + 170.0 * k as f32 + 13.0 * (2 * f + s) as f32 + 3.0 * take as f32;
                let file = format!("{folder}/{name}/{}_{take}.wav", ["wut", "freude"][k]);
                project.tone(&file, pitch, 0.4);
            }
        }
        let path = format!("corpus/{folder}");
        project.ser(&["corpus", "init", &path]).ok();
    }
    let part = |name: &str| {
        format!(
            "{{ kind = \"manifest\", name = \"{name}\", path = \"data/manifests/{name}.csv\", root = \"corpus/{name}\", label_map = {{ wut = \
             \"anger\", freude = \"joy\" }} }}"
        )
    };
    project.pipeline(
        "both",
        &format!(
            "name = \"both\"\n[corpus]\nkind = \"joined\"\nparts = [\n{},\n{},\n]\n[[experiment]]\nname = \"x\"\nprotocol = {{ kind = \
             \"leave-one-speaker-out\" }}\nmodel = {{ kind = \"majority\" }}\n",
            part("one"),
            part("two")
        ),
    );
    let verdict = || {
        project.ser(&["run", "both", "-q"]).ok();
        let report: serde_json::Value =
            serde_json::from_slice(&project.read("reports/both/report.json")).unwrap();
        report["experiments"][0]["speaker_independent"].clone()
    };
    assert_eq!(verdict(), "unknown");
    for (name, verdict_then) in [("one", "unknown"), ("two", "yes")] {
        let file = format!("pipelines/{name}.toml");
        let text = String::from_utf8(project.read(&file)).unwrap();
        let guess = "guessed = [\"emotion\", \"speaker\"]";
        assert!(text.contains(guess), "{text}");
        project.write(&file, text.replace(guess, "guessed = []"));
        assert_eq!(verdict(), verdict_then, "{name} confirmed");
    }
}
