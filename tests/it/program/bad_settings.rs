//! Pipeline files and command lines that are wrong: the place, the nearest key, what to do.

use super::project::Project;

#[track_caller]
fn refused(change: impl Fn(String) -> String, words: &[&str]) {
    let project = Project::with_tones(2);
    project.pipeline("net", &change(Project::network(2)));
    project.ser(&["run", "net"]).fails(3, words);
    assert!(
        !project.path("data").exists(),
        "nothing is begun with wrong settings"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_one_and_its_place() {
    refused(
        |t| t.replace("learning_rate", "learning_rat"),
        &["net.toml:14", "learning_rat", "learning_rate"],
    );
}

#[test]
fn a_negative_number_of_epochs() {
    refused(
        |t| t.replace("epochs = 2", "epochs = -2"),
        &["epochs", "-2"],
    );
}

#[test]
fn batches_that_cannot_be_normalised() {
    refused(
        |t| t.replace("batch_size = 8", "batch_size = 0"),
        &["batch_size", "0"],
    );
    refused(
        |t| t.replace("batch_size = 8", "batch_size = 1"),
        &["batch_size", "1"],
    );
}

#[test]
fn a_value_of_another_type() {
    refused(
        |t| t.replace("folds = 2", "folds = \"two\""),
        &["folds", "net.toml:11"],
    );
}

#[test]
fn overrides_are_as_strict_as_files() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(2));
    project
        .ser(&["run", "net", "--set", "train.epoch=3"])
        .fails(3, &["train.epoch", "did you mean `epochs`"]);
    project
        .ser(&["run", "net", "--set", "train.epochs=many"])
        .fails(3, &["epochs"]);
    project
        .ser(&["run", "net", "--set", "nothing"])
        .fails(3, &["nothing"]);
}

#[test]
fn a_pipeline_or_experiment_that_is_not_there() {
    let project = Project::with_tones(2);
    project.ser(&["run", "smal"]).fails(5, &["smal", "small"]);
    project
        .ser(&["run", "small", "-e", "bse"])
        .fails(2, &["bse", "base"]);
    project
        .ser(&["run", "small", "--protocol", "kfold"])
        .fails(3, &["kfold"]);
    project
        .ser(&["run", "small", "--protocol", "group-kfold:x"])
        .fails(2, &["group-kfold:x"]);
}

#[test]
fn a_file_that_is_no_toml() {
    let project = Project::with_tones(2);
    project.pipeline("odd", "name = \"odd\nthis is not");
    project.ser(&["run", "odd"]).fails(3, &["odd.toml:2"]);
    project.write("pipelines/bytes.toml", b"\xff\xfe\x00");
    project.ser(&["run", "bytes"]).fails(3, &["bytes.toml"]);
}

#[test]
fn a_device_that_is_not_there() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(1));
    project
        .ser(&["run", "net", "--device", "gpu"])
        .fails(2, &["gpu", "cpu, burn-flex, cuda, wgpu"]);
    let devices = [
        ("cuda", cfg!(feature = "cuda")),
        ("wgpu", cfg!(feature = "wgpu")),
    ];
    for (device, _) in devices.iter().filter(|(_, built)| !built) {
        let build = format!("cargo build --release --features {device}");
        project.pipeline(
            "gpu",
            &Project::network(1)
                .replace("epochs = 1", &format!("epochs = 1, device = \"{device}\"")),
        );
        project.ser(&["run", "gpu"]).fails(
            3,
            &["gpu.toml:14", &format!("device = \"{device}\""), &build],
        );
        for command in ["run", "features", "train", "evaluate", "report", "plan"] {
            let ran = project.ser(&[command, "net", "--device", device]);
            ran.fails(
                3,
                &[
                    &format!("this build of ser has no device `{device}`"),
                    &build,
                ],
            );
        }
        assert!(
            !project.path("data").exists(),
            "nothing is begun with wrong settings"
        );
    }
    // A machine need not have what the build knows: then it is said once, by name, and before any
    // training.
    for (device, _) in devices.iter().filter(|(_, built)| *built) {
        let ran = project.ser(&["run", "net", "--device", device]);
        if ran.code == 0 {
            assert!(
                ran.stderr
                    .contains(&format!("networks are trained on {device} (")),
                "{}",
                ran.stderr
            );
            continue;
        }
        let ran = ran.fails(
            5,
            &[
                &format!("the device `{device}` cannot be used on this machine"),
                "hint: ",
                "`cpu`",
            ],
        );
        assert_eq!(
            ran.stderr.matches("FAILED").count(),
            1,
            "not by every fold: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_device_is_an_override_that_trains_anew() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(1));
    project.ser(&["run", "net"]).ok();
    let plan = project.ser(&["plan", "net", "--device", "burn-flex"]).ok();
    assert!(plan.stdout.contains("keep  split/base"), "{}", plan.stdout);
    assert!(
        plan.stdout
            .contains("run   train/base/fold-00-seed-0  (train.device: \"cpu\" -> \"burn-flex\")"),
        "{}",
        plan.stdout
    );
    project.ser(&["run", "net", "--device", "burn-flex"]).ok();
    let page = project.pages("net@device-burn-flex");
    assert!(
        page.contains("train.device=burn-flex"),
        "the page says what was overridden"
    );
    let model = String::from_utf8(
        project.read("data/models/net@device-burn-flex/base/fold-00-seed-0/model.json"),
    )
    .unwrap();
    assert!(model.contains("\"device\": \"burn-flex\""), "{model}");
}
