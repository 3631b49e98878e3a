//! The same bytes on other processors: a pipeline under an emulator beside the same on this
//! machine.
//!
//! Needs `qemu-x86_64` (Debian's package qemu-user); `SER_QEMU=all` emulates a second processor as
//! well, which takes twice as long.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::process::Command;

use super::project::{Project, Ran};

/// The demonstration in small, two epochs long, with a model of every kind.
fn pipeline() -> String {
    let demo = include_str!("../../../pipelines/demo.toml");
    let small = demo
        .replace(
            "speakers = 6\nsentences = 5\ntakes = 2",
            "speakers = 4\nsentences = 3\ntakes = 1",
        )
        .replace("epochs = 15", "epochs = 2")
        .replace(
            "set = \"issa193\"",
            "sets = [\"issa193\", \"functionals\", \"frames\"]",
        );
    assert!(
        small.contains("takes = 1") && small.contains("epochs = 2,") && small.contains("sets = ["),
        "the demonstration has changed"
    );
    let folds = "protocol = { kind = \"group-kfold\", folds = 2 }";
    let scaled = "inputs = { log_mel = true, scaler = \"standard\" }";
    small
        + &[
            // All four batch normalisations, early stopping, and the other way of normalising.
            format!(
                "name = \"ravdess\"\n{folds}\nvalidation = 0.2\n{scaled}\nmodel = {{ kind = \"cnn\", architecture = \"ravdess\" }}\n\
                 train = {{ optimizer = \"rmsprop\", batch_size = 16, epochs = 2, patience = 1, mixup = 0.3 }}"
            ),
            format!(
                "name = \"keras\"\n{folds}\n{scaled}\nmodel = {{ kind = \"cnn\", architecture = \"emodb-a\" }}\n\
                 train = {{ optimizer = \"adam\", batch_size = 16, epochs = 2, batch_norm = \"moving-average\" }}"
            ),
            format!(
                "name = \"perceptron\"\n{folds}\ninputs = {{ set = \"functionals\", scaler = \"standard\" }}\n\
                 model = {{ kind = \"perceptron\", hidden = 64 }}\ntrain = {{ epochs = 2, class_weights = true }}"
            ),
            format!(
                "name = \"temporal\"\n{folds}\ninputs = {{ set = \"frames\", frames = 32, scaler = \"standard\" }}\n\
                 model = {{ kind = \"temporal\", channels = 24 }}\n\
                 train = {{ schedule = \"cosine\", warmup = 0.1, epochs = 2, mixup = 0.4, spec_augment = {{}} }}"
            ),
            format!("name = \"svm\"\n{folds}\n{scaled}\nmodel = {{ kind = \"svm\", c = 10, gamma = \"scale\" }}"),
            format!("name = \"knn\"\n{folds}\n{scaled}\nmodel = {{ kind = \"knn\", k = 3, weights = \"distance\" }}"),
            format!("name = \"forest\"\n{folds}\n{scaled}\nmodel = {{ kind = \"random-forest\", trees = 20 }}"),
        ]
        .map(|experiment| format!("\n[[experiment]]\n{experiment}\n"))
        .concat()
}

#[test]
fn other_processors_give_the_same_bytes() {
    if Command::new("qemu-x86_64")
        .arg("--version")
        .output()
        .is_err()
    {
        crate::skipped::skipped("qemu", "there is no qemu-x86_64");
        return;
    }
    let project = || {
        let project = Project::new();
        project.pipeline("demo", &pipeline());
        project
    };
    let here = project();
    here.ser(&["run", "demo"]).ok();
    let all = std::env::var_os("SER_QEMU").is_some_and(|value| value == "all");
    for processor in if all {
        &["Haswell", "max"][..]
    } else {
        &["Haswell"]
    } {
        let there = project();
        let mut command = Command::new("qemu-x86_64");
        command
            .args(["-cpu", processor, env!("CARGO_BIN_EXE_ser"), "run", "demo"])
            .current_dir(there.path("."));
        Ran::from(command.output().expect("the emulator runs")).ok();
        for folder in ["data/tables", "data/models", "reports"] {
            let (ours, theirs) = (here.tree(folder), there.tree(folder));
            let names = |files: &[(String, Vec<u8>)]| {
                files
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&ours), names(&theirs), "{processor}: {folder}");
            assert!(
                ours.iter()
                    .any(|(name, _)| name.ends_with("predictions.parquet")
                        || name.ends_with(".safetensors")
                        || name.ends_with(".html"))
            );
            let other: Vec<&String> = ours
                .iter()
                .zip(&theirs)
                .filter(|(a, b)| a.1 != b.1)
                .map(|(a, _)| &a.0)
                .collect();
            assert!(
                other.is_empty(),
                "{processor} gives other bytes in {folder}: {other:?}"
            );
        }
    }
}
