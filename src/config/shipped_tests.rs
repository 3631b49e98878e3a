//! The pipelines that come with the program: valid, documented, and safe to damage.

use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

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
    for (name, text) in &shipped {
        assert!(text.starts_with(SCHEMA_LINE), "{name} names its schema");
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
fn the_schema_beside_the_pipelines_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pipelines")
        .join(SCHEMA_FILE);
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        format!("{:#}\n", pipeline_schema()),
        "`ser schema > pipelines/schema.json` writes it anew"
    );
}

#[test]
fn the_documentation_has_the_keys_of_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(page.matches("<!-- keys ").count() > 15);
    assert_eq!(
        update_page(&page),
        page,
        "`ser schema --page pipelines/README.md` prints the page with these tables brought up to date"
    );
    let protocols = std::fs::read_to_string(folder.join("../docs/protocols.md")).unwrap();
    let schema = pipeline_schema();
    let protocol = &schema["properties"]["experiment"]["items"]["properties"]["protocol"];
    let kinds = schema::kinds(protocol);
    assert!(kinds.len() > 5);
    for (kind, _) in kinds {
        assert!(protocols.contains(&format!("\n| `{kind}`")), "{kind}");
    }
}

/// Every key of the schema, as the dotted key of an override with a value that it may have.
fn keys(prefix: &str, schema: &Value, into: &mut Vec<(String, String)>) {
    let parts: Vec<(String, &Value)> = match schema::kinds(schema) {
        kinds if kinds.is_empty() => vec![(String::new(), schema)],
        kinds => {
            let all = kinds.into_iter().map(|(kind, own)| (kind.to_owned(), own));
            all.chain([(String::new(), schema)]).collect()
        }
    };
    for (kind, part) in parts {
        for (key, field) in part["properties"].as_object().into_iter().flatten() {
            let key = format!(
                "{prefix}{}{key}",
                if kind.is_empty() {
                    kind.clone()
                } else {
                    format!("{kind}:")
                }
            );
            let words = schema::words(field);
            let other = |word: &&&str| field["default"] != json!(word);
            let number = |n: &f64| schema::holds(field, *n);
            let is_table = field["properties"].is_object() || !schema::kinds(field).is_empty();
            let value = match schema::type_of(field) {
                "object" if is_table => {
                    keys(&format!("{key}."), field, into);
                    continue;
                }
                "string" => words.iter().rfind(other).map(|word| format!("{word:?}")),
                "boolean" => Some((field["default"] != true).to_string()),
                "integer" | "number" => [3.0, 9.0, 9000.0, 0.75, 1.5]
                    .iter()
                    .find(|n| number(n))
                    .map(f64::to_string),
                _ => None,
            };
            if field["const"].is_null() {
                into.extend(value.map(|value| (key, value)));
            }
        }
    }
}

#[test]
fn every_key_of_the_schema_is_read() {
    let mut all = Vec::new();
    keys("", &pipeline_schema(), &mut all);
    all.retain(|(key, _)| !key.starts_with("defaults."));
    let experiment = &pipeline_schema()["properties"]["experiment"]["items"];
    keys("experiment.b.", experiment, &mut all);
    let mut read_keys = 0;
    for (key, value) in all {
        // `corpus.synthetic:speakers`: a key of a kind.
        let (mut overrides, mut path) = (vec!["augment=true".to_owned()], String::new());
        for part in key.split('.') {
            let (kind, key) = part.split_once(':').unwrap_or(("", part));
            if !kind.is_empty() {
                overrides.push(format!(
                    "{}={{ kind = \"{kind}\" }}",
                    path.trim_end_matches('.')
                ));
            }
            path += &format!("{key}.");
        }
        let path = path.trim_end_matches('.');
        let with = |value: Option<&String>| {
            let mut overrides = overrides.clone();
            overrides.extend(value.map(|value| format!("{path}={value}")));
            parse(MINIMAL, "p.toml", &overrides, None)
        };
        match (with(None), with(Some(&value))) {
            (Ok(before), Ok(after)) => {
                let debug = |mut pipeline: Pipeline| {
                    pipeline.overrides.clear();
                    format!("{pipeline:?}")
                };
                let changes = debug(before) != debug(after);
                assert!(changes, "{path} = {value} changes nothing");
                read_keys += 1;
            }
            (_, Ok(_)) => read_keys += 1,
            (_, Err(error)) => {
                let message = error.to_string();
                assert!(!message.contains("unknown"), "{path} = {value}: {message}");
            }
        }
    }
    assert!(read_keys > 30, "{read_keys}");
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
