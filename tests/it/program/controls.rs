//! Shuffled labels through every model and protocol: what comes out above chance is a leak.

use super::project::Project;

const CORPUS: &str = "name = \"controls\"\n[corpus]\nkind = \"synthetic\"\nroot = \"corpus\"\nspeakers = 4\nsentences = 3\ntakes = 2\n";

const PROTOCOLS: [(&str, &str); 4] = [
    ("held", "{ kind = \"hold-out\", test_fraction = 0.5 }"),
    ("random", "{ kind = \"stratified-kfold\", folds = 3 }"),
    ("groups", "{ kind = \"group-kfold\", folds = 2 }"),
    ("speakers", "{ kind = \"leave-one-speaker-out\" }"),
];

const MODELS: [(&str, &str); 8] = [
    ("cnn", "{ kind = \"cnn\", architecture = \"emodb-a\" }\ntrain = { batch_size = 16, epochs = 2 }"),
    ("logistic", "{ kind = \"logistic\", c = 0.1 }"),
    ("rbf", "{ kind = \"svm\", c = 10 }"),
    ("linear", "{ kind = \"svm\", kernel = \"linear\", c = 0.01 }"),
    ("forest", "{ kind = \"random-forest\", trees = 30 }\nseeds = [0, 1]"),
    ("knn", "{ kind = \"knn\", k = 3, weights = \"distance\" }"),
    ("searched", "{ kind = \"svm\" }\nsearch = { folds = 2, grid = { model.c = [0.1, 10], inputs.log_mel = [false, true] } }"),
    ("majority", "{ kind = \"majority\" }"),
];

/// Pooled accuracy and number of predictions by experiment.
fn pooled(project: &Project) -> Vec<(String, f64, f64)> {
    let text = String::from_utf8(project.read("reports/controls/metrics.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let (experiment, scope, n, class, metric, value) = (at("experiment"), at("scope"), at("n"), at("class"), at("metric"), at("value"));
    let rows =
        reader.records().map(Result::unwrap).filter(|row| &row[scope] == "pooled" && &row[metric] == "accuracy" && row[class].is_empty());
    rows.map(|row| (row[experiment].to_owned(), row[value].parse().unwrap(), row[n].parse().unwrap())).collect()
}

#[test]
fn shuffled_labels_come_out_at_chance_everywhere() {
    let mut text = CORPUS.to_owned();
    for (protocol, settings) in PROTOCOLS {
        for (model, kind) in MODELS {
            text += &format!(
                "[[experiment]]\nname = \"{protocol}-{model}\"\nprotocol = {settings}\ninputs = {{ log_mel = true, scaler = \"standard\" }}\n\
                 model = {kind}\n"
            );
        }
    }
    let project = Project::new();
    project.pipeline("controls", &text);
    // What these models find where there is something to find: the interval below is no empty promise.
    let honest = ["--experiment", "random-logistic", "--experiment", "random-rbf", "--experiment", "groups-searched"];
    project.ser(&[&["run", "controls"], &honest[..]].concat()).ok();
    let found = pooled(&project);
    assert_eq!(found.len(), 3);
    let classes = String::from_utf8(project.read("reports/controls/confusion.csv")).unwrap();
    let chance = 1.0 / class_count(&classes);
    // Four standard deviations of a binomial; several seeds on the same rows are no independent draws.
    let bound = |n: f64, seeds: f64| 4.0 * (chance * (1.0 - chance) / (n / seeds)).sqrt();
    for (name, accuracy, n) in &found {
        assert!(*accuracy > chance + bound(*n, 1.0), "{name} learns: {accuracy}");
    }

    project.ser(&["run", "controls", "--set", "shuffle_labels=true"]).ok();
    let shuffled = pooled(&project);
    assert_eq!(shuffled.len(), PROTOCOLS.len() * MODELS.len());
    for (name, accuracy, n) in &shuffled {
        let seeds = if name.ends_with("forest") { 2.0 } else { 1.0 };
        assert!((accuracy - chance).abs() <= bound(*n, seeds), "{name}: {accuracy} of {n} is not chance ({chance})");
    }
    let page = String::from_utf8(project.read("reports/controls/index.html")).unwrap();
    assert!(page.contains("Controls: labels shuffled") && page.contains("(labels shuffled)"));
    // The choice of every fold is on the page and on the card.
    assert!(page.contains("Chosen within the training part"));
    let card = String::from_utf8(project.read("data/models/controls/groups-searched/fold-00-seed-0/README.md")).unwrap();
    assert!(card.contains("search.chosen: inputs.log_mel="), "{card}");
    // What was saved listens to a recording.
    for model in ["groups-forest", "groups-knn", "groups-linear", "groups-searched"] {
        let folder = format!("data/models/controls/{model}/fold-00-seed-0");
        let heard = project.bash(&format!("set -e; $SER predict {folder} $(find corpus -name '*.wav' | sort | head -1)")).ok();
        assert!(!heard.stdout.is_empty(), "{model}");
    }
}

/// Distinct words in the column of true classes.
fn class_count(confusion: &str) -> f64 {
    let mut reader = csv::Reader::from_reader(confusion.as_bytes());
    let at = reader.headers().unwrap().iter().position(|column| column == "truth").unwrap();
    let classes: std::collections::BTreeSet<String> = reader.records().map(|row| row.unwrap()[at].to_owned()).collect();
    classes.len() as f64
}
