//! The pipelines that come with the program: valid, documented, and safe to damage.

use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::tests::{MINIMAL, read};
use super::*;
use crate::error::Kind;
use crate::model::{NormStatistics, Optimizer, Schedule};
use crate::split::Protocol;

fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
        .iter()
        .map(|p| {
            (
                p.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(p).unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_shipped_pipelines_are_valid() {
    let shipped = shipped();
    let in_program: std::collections::BTreeMap<_, _> = super::SHIPPED
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_string()))
        .collect();
    assert_eq!(
        in_program,
        shipped.iter().cloned().collect(),
        "the program has the files of the folder"
    );
    assert!(super::SHIPPED.is_sorted());
    assert_eq!(
        shipped
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        [
            "cross-corpus",
            "demo",
            "emodb-2s",
            "emodb-520-sensitivity",
            "emodb-520",
            "emodb-four",
            "emodb-steps",
            "emodb",
            "iemocap-improvised",
            "iemocap",
            "ravdess-recipes",
            "ravdess-reimplementation",
            "ravdess-steps",
            "ravdess"
        ]
    );
    for (name, text) in &shipped {
        let pipeline = read(text, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&pipeline.name, name);
        assert!(!pipeline.select(&[]).unwrap().is_empty());
        if name == "ravdess-recipes" {
            assert!(
                pipeline.experiments.iter().all(|e| e.validation.is_some()),
                "candidates are judged on validation parts"
            );
            continue;
        }
        if name == "cross-corpus" {
            assert!(
                pipeline.published.is_empty()
                    && pipeline
                        .experiments
                        .iter()
                        .all(|e| e.protocol == Protocol::CrossCorpus)
            );
            continue;
        }
        let is_variant = name == "emodb-2s" || name == "emodb-four";
        assert_eq!(
            pipeline.published.is_empty(),
            name == "demo" || is_variant,
            "{name}"
        );
        let is_part = name.ends_with("-reimplementation")
            || name.ends_with("-steps")
            || name.ends_with("-sensitivity")
            || is_variant;
        let has_paper = pipeline.experiments.iter().any(|e| e.name == "paper");
        assert!(
            has_paper || is_part,
            "{name}: the paper's experiment is found under this name"
        );
        for experiment in &pipeline.experiments {
            assert!(
                !experiment.name.starts_with("paper") || !experiment.default,
                "{name}: {} would run for hours",
                experiment.name
            );
            let keras = experiment.train.batch_norm == NormStatistics::MovingAverage;
            assert_eq!(
                keras,
                experiment.name.starts_with("paper"),
                "{name}: {} normalises the other way",
                experiment.name
            );
        }
    }
}

#[test]
fn the_paper_s_recipe_is_what_is_known_of_it() {
    let (_, text) = shipped()
        .into_iter()
        .find(|(name, _)| name == "ravdess")
        .unwrap();
    let pipeline = read(&text, &[]).unwrap();
    let paper = pipeline
        .experiments
        .iter()
        .find(|e| e.name == "paper")
        .unwrap();
    assert_eq!(paper.protocol, Protocol::StratifiedKfold { folds: 5 });
    assert_eq!(
        (paper.train.optimizer, paper.train.learning_rate),
        (Optimizer::Rmsprop, 1e-5)
    );
    assert_eq!(paper.train.schedule, Schedule::InverseTime { decay: 1e-6 });
    assert_eq!((paper.train.epochs, paper.train.batch_size), (700, 32));
    assert_eq!(pipeline.published[0].accuracy, Some(0.7161));
}

#[test]
fn steps_differ_in_the_step_alone() {
    for (name, text) in shipped()
        .into_iter()
        .filter(|(name, _)| name.ends_with("-steps"))
    {
        let pipeline = read(&text, &[]).unwrap();
        let (shared, unseen): (Vec<&Experiment>, Vec<&Experiment>) = pipeline
            .experiments
            .iter()
            .partition(|e| !e.name.ends_with("-speaker-independent"));
        assert_eq!(shared.len(), unseen.len());
        for steps in [&shared, &unseen] {
            let first = steps[0];
            let folds = |e: &Experiment| (e.protocol.clone(), e.split_seed, e.validation);
            assert!(
                steps.iter().all(|e| folds(e) == folds(first)),
                "{name}: the same folds"
            );
            assert!(
                steps.iter().all(|e| (&e.train, &e.inputs, &e.seeds)
                    == (&first.train, &first.inputs, &first.seeds)),
                "{name}"
            );
            for pair in steps.windows(2) {
                assert!(
                    (pair[0].model == pair[1].model) != (pair[0].augment == pair[1].augment),
                    "{name}: one change a step"
                );
            }
        }
        let models = |steps: &[&Experiment]| {
            steps
                .iter()
                .map(|e| (e.model.clone(), e.augment.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(models(&shared), models(&unseen));
    }
}

#[test]
fn the_paper_s_augmentation_is_what_is_quoted_of_it() {
    let (_, text) = shipped()
        .into_iter()
        .find(|(name, _)| name == "emodb-520")
        .unwrap();
    let pipeline = read(&text, &[]).unwrap();
    let augment = pipeline.features.augment.unwrap();
    assert_eq!(
        (augment.speed_up, augment.slow_down, augment.noise_share),
        (1.0123, 0.9919, 0.25)
    );
    assert_eq!(pipeline.corpus.subset.as_ref().map(|s| s.size), Some(520));
    let paper = pipeline
        .experiments
        .iter()
        .find(|e| e.name == "paper")
        .unwrap();
    assert!(!paper.augment.is_empty() && paper.train.epochs == 300);
}

#[test]
fn a_damaged_file_never_panics_and_its_error_has_a_place() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut draw = |below: usize| (random.next_u64() % below.max(1) as u64) as usize;
    let pieces: Vec<&str> = vec![
        "",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        "-1",
        "nan",
        "1e999",
        "'''",
        "\u{0}",
        "ä€😀",
        "\n",
        ".",
        "[[experiment]]\n",
        "true",
        "#",
        "\\u",
        "\t",
    ];
    let (mut valid, mut refused) = (0, 0);
    for (name, text) in shipped() {
        let mut check =
            |damaged: &str, overrides: &[String]| match parse(damaged, "p.toml", overrides, None) {
                Ok(pipeline) => {
                    valid += 1;
                    assert!(!pipeline.settings().is_empty());
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), Kind::Config, "{name}: {error}");
                    let message = error.to_string();
                    assert!(
                        message.starts_with("p.toml") || message.starts_with("--set"),
                        "{name}: {message}"
                    );
                }
            };
        for round in 0..400 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=draw(3) {
                let at = draw(bytes.len());
                match draw(5) {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.splice(at..at, pieces[draw(pieces.len())].bytes())),
                    2 => drop(bytes.splice(
                        at..(at + draw(40)).min(bytes.len()),
                        pieces[draw(pieces.len())].bytes(),
                    )),
                    3 => bytes[at] = draw(256) as u8,
                    _ => {
                        let to = draw(bytes.len());
                        let copy = bytes[at.min(to)..at.max(to)].to_vec();
                        drop(bytes.splice(at..at, copy));
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            check(&String::from_utf8_lossy(&bytes), &[]);
            let override_text: String = (0..=draw(6))
                .map(|_| ["train", ".", "epochs", "=", "3", pieces[draw(pieces.len())]][draw(6)])
                .collect();
            let cut = text.len().min(round * 17);
            check(
                &text[..(0..=cut).rev().find(|&i| text.is_char_boundary(i)).unwrap()],
                std::slice::from_ref(&override_text),
            );
            check(&text, &[override_text]);
        }
    }
    // Both outcomes occur, or the damage is too small or too large to tell anything.
    assert!(
        valid > 50 && refused > 1000,
        "{valid} valid, {refused} refused"
    );
}

#[test]
fn every_key_is_in_the_documentation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let protocols = std::fs::read_to_string(folder.join("../docs/protocols.md")).unwrap();
    let listed = |overrides: &str| {
        let error = read(&format!("{MINIMAL}[[published]]\n"), &[overrides]).unwrap_err();
        let hint = error.hint_text().unwrap().to_owned();
        hint.split_once("known keys: ")
            .unwrap()
            .1
            .split(", ")
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut keys = 0;
    for table in [
        "corpus",
        "corpus.subset",
        "corpus.windows",
        "features",
        "features.augment",
        "experiment.a",
        "protocol",
        "inputs",
        "model",
        "experiment.b.search",
        "train",
        "train.spec_augment",
    ] {
        for key in listed(&format!("{table}.no_such_key=1")) {
            assert!(
                page.contains(&format!("\n| `{key}` | ")),
                "pipelines/README.md does not tell of `{key}` ({table})"
            );
            keys += 1;
        }
    }
    assert!(keys > 50, "{keys}");
    let hint = read(&MINIMAL.replace("stratified-kfold", "no"), &[])
        .unwrap_err()
        .hint_text()
        .unwrap()
        .to_owned();
    for kind in hint.split_once("known values: ").unwrap().1.split(", ") {
        assert!(
            page.contains(&format!("\n| `{kind}` | "))
                && protocols.contains(&format!("\n| `{kind}`")),
            "{kind}"
        );
    }
}

#[test]
fn transductive_experiments_stand_beside_the_inductive_ones_that_they_are_named_after() {
    let mut pairs = 0;
    for (file, text) in &shipped() {
        let pipeline = read(text, &[]).unwrap();
        for experiment in &pipeline.experiments {
            let twin = pipeline
                .inductive_twin(experiment)
                .map(|twin| twin.name.as_str());
            let named_after = experiment.name.strip_suffix("-transductive");
            let there = named_after.filter(|name| {
                pipeline
                    .experiments
                    .iter()
                    .any(|other| other.name == **name)
            });
            assert_eq!(twin, there, "{file}: {}", experiment.name);
            pairs += usize::from(twin.is_some());
        }
    }
    assert!(pairs > 20, "{pairs}");
}

#[test]
fn dump_for_comparison() {
    let mut all = std::collections::BTreeMap::new();
    let sets: [&[&str]; 7] = [&[], &["corpus.windows.length_s=1"], &["protocol={ kind = \"group-kfold\", folds = 2 }"], &["seeds=[0]","train.epochs=3"], &["train={ schedule = \"cosine\", warmup = 0.1, mixup = 0.2 }"], &["corpus.root=/x/y"], &["shuffle_labels=true", "slurm.cpus=3"]];
    for (name, text) in shipped() {
        for set in sets {
            let v = match read(&text, set) {
                Ok(p) => {
                    let keys: Vec<_> = p.experiments.iter().map(|e| serde_json::json!({"s": e.split_key(), "m": e.model_key(), "d": e.describe(), "t": e.is_transductive(), "h": e.heeds_speakers(), "p": e.model_parameters(), "i": p.describe_inputs(e), "twin": p.inductive_twin(e).map(|t| t.name.clone())})).collect();
                    serde_json::json!({"settings": p.settings(), "p": serde_json::to_value(&p).unwrap(), "json": serde_json::to_string(&p).unwrap(), "ck": p.corpus.key(), "keys": keys, "debug_slurm": format!("{:?}", p.slurm), "root": p.corpus.kind.root()})
                }
                Err(e) => serde_json::json!(format!("{e} {:?}", e.hint_text())),
            };
            all.insert(format!("{name} {set:?}"), v);
        }
    }
    std::fs::write(std::env::var("DUMP").unwrap(), serde_json::to_string_pretty(&all).unwrap()).unwrap();
}
