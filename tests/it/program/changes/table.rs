//! Changes to a finished project, each with what must run again.

use std::fs;

use super::super::project::Project;

/// A change to a finished project.
pub(super) struct Change {
    pub(super) name: &'static str,
    /// Makes the change; returns arguments for the program.
    pub(super) make: fn(&mut Project) -> Vec<&'static str>,
    /// What runs: ids, or beginnings of ids with a star, with a space between.
    pub(super) runs: &'static str,
    /// A word that the plan gives as a reason.
    pub(super) why: &'static str,
}

const EVERYTHING: &str = "ingest features audit split/* train/* evaluate/* tables report publish";

pub(super) const PIPELINE: &str = "name = \"p\"\ntitle = \"First\"\n\n[corpus]\nkind = \"manifest\"\nname = \"tones\"\npath = \"corpus/manifest.csv\"\n\
    root = \"corpus\"\n\n[[experiment]]\nname = \"log\"\ntitle = \"Regression\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
    inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n\n[[experiment]]\nname = \"net\"\n\
    protocol = { kind = \"group-kfold\", folds = 2 }\ninputs = { log_mel = true, scaler = \"standard\" }\n\
    model = { kind = \"cnn\", architecture = \"emodb-a\" }\n\
    train = { optimizer = \"adam\", learning_rate = 1e-3, batch_size = 8, epochs = 1 }\nseeds = [0]\n\n[[experiment]]\nname = \"floor\"\n\
    protocol = { kind = \"leave-one-speaker-out\" }\nmodel = { kind = \"majority\" }\n";

pub(super) fn edit(project: &Project, from: &str, to: &str) -> Vec<&'static str> {
    let text = String::from_utf8(project.read("pipelines/p.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    project.pipeline("p", &text.replacen(from, to, 1));
    vec![]
}

/// The folder of the latest output of a task in the cache.
pub(super) fn output(project: &Project, task: &str) -> std::path::PathBuf {
    let latest: serde_json::Value =
        serde_json::from_slice(&project.read(&format!("data/cache/p/latest/{task}.json"))).unwrap();
    let stage = task.split('/').next().unwrap();
    project.path(&format!(
        "data/cache/p/tasks/{stage}/{}",
        latest["key"].as_str().unwrap()
    ))
}

pub(super) fn manifest(project: &Project, change: impl Fn(Vec<String>) -> Vec<String>) {
    let text = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let head = lines.remove(0);
    project.write(
        "corpus/manifest.csv",
        format!("{head}\n{}\n", change(lines).join("\n")),
    );
}

pub(super) const CHANGES: &[Change] = &[
    Change {
        name: "nothing",
        make: |_| vec![],
        runs: "",
        why: "",
    },
    Change {
        name: "number of threads",
        make: |_| vec!["--jobs", "1"],
        runs: "",
        why: "",
    },
    Change {
        name: "title of the pipeline",
        make: |p| edit(p, "First", "Second"),
        runs: "report publish",
        why: "title: \"First\" -> \"Second\"",
    },
    Change {
        name: "title of an experiment",
        make: |p| edit(p, "Regression", "Logit"),
        runs: "report publish",
        why: "Logit",
    },
    Change {
        name: "learning rate",
        make: |p| edit(p, "1e-3", "2e-3"),
        runs: "train/net/* evaluate/net tables report publish",
        why: "train.learning_rate: 0.001 -> 0.002",
    },
    Change {
        name: "how often a checkpoint is written",
        make: |p| edit(p, "epochs = 1", "epochs = 1, checkpoint_every = 1"),
        runs: "report publish",
        why: "checkpoint_every: \"0\" -> \"1\"",
    },
    Change {
        name: "an override that says what the file says",
        make: |_| vec!["--set", "experiment.net.train.epochs=1"],
        runs: "",
        why: "",
    },
    Change {
        name: "seed of the folds",
        make: |p| {
            edit(
                p,
                "model = { kind = \"logistic\"",
                "split_seed = 7\nmodel = { kind = \"logistic\"",
            )
        },
        runs: "split/log train/log/* evaluate/log tables report publish",
        why: "split_seed: 0 -> 7",
    },
    Change {
        name: "a search",
        make: |p| {
            let model = "model = { kind = \"logistic\", c = 1.0 }";
            edit(
                p,
                model,
                &format!("{model}\nsearch = {{ folds = 2, grid = {{ model.c = [0.1, 1] }} }}"),
            )
        },
        runs: "train/log/* evaluate/log tables report publish",
        why: "search.by",
    },
    Change {
        name: "shuffled labels",
        make: |p| {
            edit(
                p,
                "model = { kind = \"logistic\"",
                "shuffle_labels = true\nmodel = { kind = \"logistic\"",
            )
        },
        runs: "split/log train/log/* evaluate/log tables report publish",
        why: "shuffle_labels",
    },
    Change {
        name: "another model",
        make: |p| {
            edit(
                p,
                "kind = \"logistic\", c = 1.0",
                "kind = \"random-forest\", trees = 5",
            )
        },
        runs: "train/log/* evaluate/log tables report publish",
        why: "random forest of 5 trees",
    },
    Change {
        name: "number of folds",
        make: |p| {
            edit(
                p,
                "\"stratified-kfold\", folds = 2",
                "\"stratified-kfold\", folds = 3",
            )
        },
        runs: "split/log train/log/* evaluate/log tables report publish",
        why: "protocol.folds: 2 -> 3",
    },
    Change {
        name: "a demand that the folds meet",
        make: |p| {
            edit(
                p,
                "protocol = { kind = \"group-kfold\"",
                "require = \"speaker-disjoint\"\nprotocol = { kind = \"group-kfold\"",
            )
        },
        runs: "report publish",
        why: "settings.experiment.net.require",
    },
    Change {
        name: "a demand that the folds do not meet",
        make: |p| {
            edit(
                p,
                "protocol = { kind = \"stratified-kfold\"",
                "require = [\"speaker-disjoint\"]\nprotocol = { kind = \"stratified-kfold\"",
            );
            vec!["--experiment", "net", "--experiment", "floor"]
        },
        runs: "tables report publish",
        why: "settings.experiment.log.require",
    },
    Change {
        name: "a table of pairs missing in the cache",
        make: |p| {
            fs::remove_file(output(p, "audit").join("duplicates.parquet")).unwrap();
            vec![]
        },
        runs: "audit",
        why: "output missing: duplicates.parquet",
    },
    Change {
        name: "scaler",
        make: |p| edit(p, "scaler = \"standard\"", "scaler = \"none\""),
        runs: "train/log/* evaluate/log tables report publish",
        why: "inputs.scaler: \"standard\" -> \"none\"",
    },
    Change {
        name: "speakers scaled by their own clips",
        make: |p| edit(p, "scaler = \"standard\"", "scaler = \"per-speaker\""),
        runs: "train/log/* evaluate/log tables report publish",
        why: "inputs.scaler: \"standard\" -> \"per-speaker\"",
    },
    Change {
        name: "one more set of features",
        make: |p| {
            edit(
                p,
                "[[experiment]]",
                "[features]\nsets = [\"issa193\", \"functionals\"]\n\n[[experiment]]",
            )
        },
        runs: "features/functionals report publish",
        why: "settings.features.sets",
    },
    Change {
        name: "other features for one experiment",
        make: |p| {
            edit(
                p,
                "[[experiment]]",
                "[features]\nsets = [\"issa193\", \"frames\"]\n\n[[experiment]]",
            );
            edit(
                p,
                "inputs = { log_mel = true, scaler",
                "inputs = { set = \"frames\", frames = 12, scaler",
            )
        },
        runs: "features/frames train/log/* evaluate/log tables report publish",
        why: "inputs.set: none -> \"frames\"",
    },
    Change {
        name: "augmentation",
        make: |p| {
            edit(
                p,
                "model = { kind = \"logistic\"",
                "augment = true\nmodel = { kind = \"logistic\"",
            )
        },
        runs: "features/issa193-augmented train/log/* evaluate/log tables report publish",
        why: "augment: none -> true",
    },
    Change {
        name: "a subset",
        make: |p| {
            edit(
                p,
                "root = \"corpus\"",
                "root = \"corpus\"\nsubset = { size = 17 }",
            )
        },
        runs: EVERYTHING,
        why: "subset.size: none -> 17",
    },
    Change {
        name: "one more seed",
        make: |p| edit(p, "seeds = [0]", "seeds = [0, 1]"),
        runs: "train/net/fold-00-seed-1 train/net/fold-01-seed-1 evaluate/net tables report publish",
        why: "seeds: [0] -> [0,1]",
    },
    Change {
        name: "another experiment",
        make: |p| {
            let text = String::from_utf8(p.read("pipelines/p.toml")).unwrap();
            let more = "\n[[experiment]]\nname = \"more\"\nprotocol = { kind = \"hold-out\", test_fraction = 0.3 }\nmodel = { kind = \"majority\" }\n";
            p.pipeline("p", &(text + more));
            vec![]
        },
        runs: "split/more train/more/* evaluate/more tables report publish",
        why: "never ran",
    },
    Change {
        name: "an ensemble of two experiments",
        make: |p| {
            let text = String::from_utf8(p.read("pipelines/p.toml")).unwrap();
            let more = "\n[[experiment]]\nname = \"also\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n\n\
                        [[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                        model = { kind = \"ensemble\", members = [\"net\", \"also\"] }\n";
            p.pipeline("p", &(text + more));
            p.ser(&["run", "p"]).ok();
            // Another weight is a matter of the ensemble alone.
            edit(
                p,
                "[\"net\", \"also\"]",
                "[\"net\", \"also\"], member_weights = [3, 1]",
            )
        },
        runs: "evaluate/both tables report publish",
        why: "mean of net, also",
    },
    Change {
        name: "a member of an ensemble",
        make: |p| {
            let text = String::from_utf8(p.read("pipelines/p.toml")).unwrap();
            let more = "\n[[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                        model = { kind = \"ensemble\", members = [\"net\", \"also\"], vote = \"majority\" }\n\n\
                        [[experiment]]\nname = \"also\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\nmodel = { kind = \"logistic\", c = 1 }\n";
            p.pipeline("p", &(text + more));
            p.ser(&["run", "p"]).ok();
            edit(p, "c = 1 }", "c = 0.001 }")
        },
        runs: "train/also/* evaluate/also evaluate/both tables report publish",
        why: "model.c: 1.0 -> 0.001",
    },
    Change {
        name: "an experiment renamed",
        make: |p| edit(p, "name = \"floor\"", "name = \"ground\""),
        runs: "split/ground train/ground/* evaluate/ground tables report publish",
        why: "never ran",
    },
    Change {
        name: "an experiment less",
        make: |p| {
            let text = String::from_utf8(p.read("pipelines/p.toml")).unwrap();
            p.pipeline("p", text.rsplit_once("[[experiment]]").unwrap().0);
            vec![]
        },
        runs: "tables report publish",
        why: "input changed: evaluate/floor",
    },
    Change {
        name: "order of the experiments",
        make: |p| {
            let text = String::from_utf8(p.read("pipelines/p.toml")).unwrap();
            let mut parts: Vec<&str> = text.split("[[experiment]]").collect();
            parts[1..].reverse();
            p.pipeline("p", &parts.join("[[experiment]]"));
            vec![]
        },
        runs: "tables report publish",
        why: "order: [\"log\",\"net\",\"floor\"] -> [\"floor\",\"net\",\"log\"]",
    },
    Change {
        name: "two recordings swapped, with their sizes and times",
        make: |p| {
            let (a, b, c) = (
                p.path("corpus/s0_calm_0.wav"),
                p.path("corpus/s0_happy_0.wav"),
                p.path("corpus/c"),
            );
            let same = std::process::Command::new("touch")
                .arg("-r")
                .arg(&a)
                .arg(&b)
                .status()
                .unwrap();
            assert!(
                same.success()
                    && fs::metadata(&a).unwrap().len() == fs::metadata(&b).unwrap().len()
            );
            p.ser(&["run", "p"]).ok();
            for (from, to) in [(&a, &c), (&b, &a), (&c, &b)] {
                fs::rename(from, to).unwrap();
            }
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: s0_calm_0.wav, s0_happy_0.wav touched",
    },
    Change {
        name: "a speaker corrected where clips are scaled by speaker",
        make: |p| {
            edit(p, "scaler = \"standard\"", "scaler = \"per-speaker\"");
            p.ser(&["run", "p"]).ok();
            manifest(p, |lines| {
                lines
                    .iter()
                    .map(|l| {
                        if l.contains("s0_calm_0") {
                            l.replace(",s0", ",s1")
                        } else {
                            l.clone()
                        }
                    })
                    .collect()
            });
            vec![]
        },
        runs: "ingest split/* train/log/* train/net/* train/floor/fold-00-seed-0 train/floor/fold-01-seed-0 evaluate/* tables report publish",
        why: "speakers",
    },
    Change {
        name: "another place for the corpus",
        make: |p| {
            fs::rename(p.path("corpus"), p.path("elsewhere")).unwrap();
            edit(p, "corpus/manifest.csv", "elsewhere/manifest.csv");
            edit(p, "root = \"corpus\"", "root = \"elsewhere\"")
        },
        runs: "report publish",
        why: "settings.corpus.root",
    },
    Change {
        name: "order of the rows",
        make: |p| {
            manifest(p, |lines| lines.into_iter().rev().collect());
            vec![]
        },
        runs: "",
        why: "",
    },
    Change {
        name: "a recording touched",
        make: |p| {
            let bytes = p.read("corpus/s0_calm_0.wav");
            p.write("corpus/s0_calm_0.wav", bytes);
            vec![]
        },
        runs: "ingest",
        why: "recordings: s0_calm_0.wav touched",
    },
    Change {
        name: "a recording edited",
        make: |p| {
            p.tone("s0_calm_0.wav", 333.0, 0.5);
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: s0_calm_0.wav touched",
    },
    Change {
        name: "a recording cut off",
        make: |p| {
            p.write("corpus/s0_calm_0.wav", b"RIFF");
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: s0_calm_0.wav touched",
    },
    Change {
        name: "a recording more",
        make: |p| {
            p.tone("more.wav", 333.0, 0.5);
            p.row("more.wav", "calm", "s0");
            p.write_manifest();
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: more.wav new",
    },
    Change {
        name: "a recording less",
        make: |p| {
            manifest(p, |lines| lines[1..].to_vec());
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: s0_calm_0.wav gone",
    },
    Change {
        name: "a recording renamed",
        make: |p| {
            fs::rename(p.path("corpus/s0_calm_0.wav"), p.path("corpus/renamed.wav")).unwrap();
            manifest(p, |lines| {
                lines
                    .iter()
                    .map(|l| l.replace("s0_calm_0.wav", "renamed.wav"))
                    .collect()
            });
            vec![]
        },
        runs: EVERYTHING,
        why: "recordings: renamed.wav new; s0_calm_0.wav gone",
    },
    Change {
        name: "a label",
        make: |p| {
            manifest(p, |lines| {
                lines
                    .iter()
                    .map(|l| {
                        if l.contains("s0_calm_0") {
                            l.replace(",calm,", ",happy,")
                        } else {
                            l.clone()
                        }
                    })
                    .collect()
            });
            vec![]
        },
        runs: "ingest split/* train/* evaluate/* tables report publish",
        why: "recordings: labels or other metadata",
    },
    Change {
        name: "a damaged model in the cache",
        make: |p| {
            fs::write(
                output(p, "train/net/fold-01-seed-0").join("model/model.safetensors"),
                b"damaged",
            )
            .unwrap();
            vec![]
        },
        runs: "train/net/fold-01-seed-0",
        why: "output damaged: model/model.safetensors",
    },
    Change {
        name: "a table missing in the cache",
        make: |p| {
            fs::remove_file(output(p, "features").join("features.parquet")).unwrap();
            vec![]
        },
        runs: "features",
        why: "output missing: features.parquet",
    },
    Change {
        name: "damaged utterances in the cache",
        make: |p| {
            fs::write(output(p, "ingest").join("utterances.parquet"), b"damaged").unwrap();
            vec![]
        },
        runs: "ingest",
        why: "output damaged: utterances.parquet",
    },
    Change {
        name: "a damaged record in the cache",
        make: |p| {
            fs::write(output(p, "evaluate/log").join("record.json"), b"{").unwrap();
            vec![]
        },
        runs: "evaluate/log",
        why: "output damaged: record.json",
    },
    Change {
        name: "a published page removed",
        make: |p| {
            fs::remove_file(p.path("reports/p/index.html")).unwrap();
            vec![]
        },
        runs: "publish",
        why: "output missing: reports/p/index.html",
    },
    Change {
        name: "a published table edited",
        make: |p| {
            p.write("data/tables/p/metrics.parquet", b"edited");
            vec![]
        },
        runs: "publish",
        why: "data/tables/p/metrics.parquet",
    },
    Change {
        name: "an older code version",
        make: |p| {
            // What the store looks like after the code of a stage has changed: other keys, and the
            // latest identities of the older code.
            for task in [
                "train/floor/fold-00-seed-0",
                "train/floor/fold-01-seed-0",
                "train/floor/fold-02-seed-0",
            ] {
                let folder = output(p, task);
                fs::rename(
                    &folder,
                    folder.with_file_name(format!(
                        "{}-older",
                        folder.file_name().unwrap().to_string_lossy()
                    )),
                )
                .unwrap();
                let path = p.path(&format!("data/cache/p/latest/{task}.json"));
                let mut latest: serde_json::Value =
                    serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                latest["identity"]["code_version"] = 0.into();
                fs::write(&path, latest.to_string()).unwrap();
            }
            vec![]
        },
        runs: "train/floor/*",
        why: "code version 0 -> ",
    },
];
