//! The module as a whole: a small pipeline with one thing wrong, or one thing overridden.

use std::path::Path;

use super::*;
use crate::error::{Error, Kind};
use crate::features::FeatureSet;
use crate::model::Kernel;
use crate::split::Grouping;

pub(super) const MINIMAL: &str = r#"
name = "small"

[corpus]
kind = "ravdess"

[[experiment]]
name = "a"
protocol = { kind = "stratified-kfold", folds = 5 }
model = { kind = "cnn", architecture = "ravdess" }

[[experiment]]
name = "b"
protocol = { kind = "leave-one-speaker-out" }
model = { kind = "logistic" }
"#;

fn set(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn read(text: &str, overrides: &[&str]) -> Result<Pipeline, Error> {
    parse(text, "p.toml", &set(overrides), None)
}

/// The message and the hint of what `from` replaced by `to` in the minimal file gives.
fn wrong(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    refused(&MINIMAL.replacen(from, to, 1), &[])
}

pub(super) fn refused(text: &str, overrides: &[&str]) -> String {
    let error = read(text, overrides).expect_err(text);
    assert_eq!(error.kind(), Kind::Config);
    let message = error.to_string();
    let whence = message.lines().next().unwrap();
    assert!(
        whence.starts_with("p.toml:") || whence.starts_with("--set "),
        "{message}"
    );
    assert_eq!(message.lines().count(), 4, "{message}");
    assert!(message.lines().last().unwrap().contains('^'), "{message}");
    format!("{message}\n{}", error.hint_text().unwrap_or(""))
}

#[track_caller]
pub(super) fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn a_corpus_says_its_terms() {
    let with = |lines: &str| {
        read(
            &MINIMAL.replace(
                "kind = \"ravdess\"",
                &format!("kind = \"ravdess\"\n{lines}"),
            ),
            &[],
        )
    };
    let corpus = with("licence = \"CC0\"\ncitation = \"\"\"Doe,\n a corpus\"\"\"")
        .unwrap()
        .corpus;
    assert_eq!(
        (corpus.licence.as_deref(), corpus.citation.as_deref()),
        (Some("CC0"), Some("Doe, a corpus"))
    );
    assert_eq!(
        with("citation = \"@misc{a, x = {b}}\"")
            .unwrap()
            .corpus
            .citation
            .as_deref(),
        Some("@misc{a, x = {b}}")
    );
    let error = wrong(
        "kind = \"ravdess\"",
        "kind = \"ravdess\"\ncitation = \"@misc{a, x = {b}\"",
    );
    says(
        &error,
        &["`citation` begins like BibTeX", "@article{key, …}"],
    );
}

#[test]
fn what_is_not_written_has_its_documented_default() {
    let pipeline = read(MINIMAL, &[]).unwrap();
    let settings = pipeline.settings();
    let lines: Vec<String> = settings
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let expected: Vec<&str> = "
    corpus.kind = ravdess
    corpus.labels = []
    corpus.name = ravdess
    corpus.notes = []
    corpus.root = data/corpora/ravdess
    experiment.a.default = true
    experiment.a.inputs.log_mel = false
    experiment.a.inputs.order = paper
    experiment.a.inputs.scaler = none
    experiment.a.model.architecture = ravdess
    experiment.a.model.kind = cnn
    experiment.a.protocol.folds = 5
    experiment.a.protocol.kind = stratified-kfold
    experiment.a.require = []
    experiment.a.seeds = [0]
    experiment.a.shuffle_labels = false
    experiment.a.split_seed = 0
    experiment.a.title = a
    experiment.a.train.batch_norm = population
    experiment.a.train.batch_size = 32
    experiment.a.train.checkpoint_every = 0
    experiment.a.train.class_weights = false
    experiment.a.train.device = cpu
    experiment.a.train.early_stopping = none
    experiment.a.train.epochs = 40
    experiment.a.train.label_smoothing = 0.0
    experiment.a.train.learning_rate = 0.001
    experiment.a.train.mixup = 0.0
    experiment.a.train.optimizer = adamw
    experiment.a.train.schedule.decay = 0.0
    experiment.a.train.schedule.kind = inverse-time
    experiment.a.train.weight_decay = 0.0
    experiment.a.validation = none
    experiment.b.default = true
    experiment.b.inputs.log_mel = false
    experiment.b.inputs.order = paper
    experiment.b.inputs.scaler = none
    experiment.b.model.c = 1.0
    experiment.b.model.kind = logistic
    experiment.b.protocol.kind = leave-one-speaker-out
    experiment.b.require = []
    experiment.b.seeds = [0]
    experiment.b.shuffle_labels = false
    experiment.b.split_seed = 0
    experiment.b.title = b
    experiment.b.validation = none
    features.profile = librosa-0.8
    features.set = issa193
    name = small
    title = small"
        .trim()
        .lines()
        .map(str::trim)
        .collect();
    assert_eq!(lines, expected);
    assert_eq!(pipeline.title, "small");
    assert!(pipeline.published.is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    says(
        &wrong("folds = 5", "fold = 5"),
        &[
            "p.toml:9:41: unknown key `fold`",
            " 9 | protocol = {",
            "did you mean `folds`?",
        ],
    );
    says(
        &wrong("[[experiment]]", "[[experiments]]"),
        &["unknown key `experiments`", "did you mean `experiment`?"],
    );
    says(
        &wrong("architecture", "arch"),
        &["unknown key `arch`", "did you mean `architecture`?"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\ntrain = { epoch = 3 }"),
        &[
            "unknown key `epoch`",
            "did you mean `epochs`?",
            "batch_size",
        ],
    );
    says(
        &wrong("kind = \"ravdess\"", "kind = \"ravdess\"\nrooot = \"x\""),
        &["p.toml:6:1: unknown key `rooot`", "did you mean `root`?"],
    );
}

#[test]
fn unknown_words_name_the_known_ones() {
    says(
        &wrong("\"ravdess\" }", "\"ravdes\" }"),
        &[
            "unknown value `ravdes`",
            "did you mean `ravdess`?",
            "emodb-a",
        ],
    );
    says(
        &wrong("stratified-kfold", "stratified"),
        &[
            "unknown value `stratified`",
            "did you mean `stratified-kfold`?",
        ],
    );
    says(
        &wrong("\"logistic\"", "\"Logistic\""),
        &["did you mean `logistic`?", "svm"],
    );
    says(
        &wrong(
            "name = \"a\"",
            "name = \"a\"\ntrain = { optimizer = \"adamW\" }",
        ),
        &["did you mean `adamw`?", "rmsprop"],
    );
    says(
        &wrong(
            "[corpus]",
            "features = { profile = \"librosa-0.9\" }\n[corpus]",
        ),
        &["unknown profile `librosa-0.9`", "`librosa-0.8`"],
    );
    says(
        &wrong(
            "kind = \"ravdess\"",
            "kind = \"ravdess\"\nlabels = [\"happy\", \"angy\"]",
        ),
        &["no class `angy`", "did you mean `angry`?"],
    );
}

#[test]
fn numbers_stay_in_their_ranges() {
    let train = |written: &str| {
        wrong(
            "name = \"a\"",
            &format!("name = \"a\"\ntrain = {{ {written} }}"),
        )
    };
    says(
        &train("epochs = -3"),
        &[
            "p.toml:9:20: `epochs` is -3, but must be from 1 to 100000",
            "^^",
        ],
    );
    says(&train("epochs = 0"), &["`epochs` is 0"]);
    says(
        &train("batch_size = 1"),
        &["`batch_size` is 1, but must be from 2"],
    );
    says(&train("batch_size = 0"), &["`batch_size` is 0"]);
    says(
        &train("learning_rate = 0"),
        &["`learning_rate` is 0, but must be above 0"],
    );
    says(
        &train("learning_rate = -1e-3"),
        &["`learning_rate` is -0.001"],
    );
    says(&train("learning_rate = nan"), &["`learning_rate` is NaN"]);
    says(&train("learning_rate = inf"), &["`learning_rate` is inf"]);
    says(&train("label_smoothing = 1.0"), &["below 1"]);
    says(&train("mixup = -0.1"), &["`mixup`"]);
    says(
        &train("patience = 5"),
        &["early stopping needs a validation part", "validation = 0.1"],
    );
    says(
        &train("decay = 1e-6, schedule = \"cosine\""),
        &["`decay` does not belong to this kind of schedule", "warmup"],
    );
    says(
        &train("optimizer = \"adam\", weight_decay = 0.1"),
        &["`weight_decay` works with the optimizer adamw only"],
    );
    says(
        &train("epochs = 99999999999999999999"),
        &["p.toml:9:20", "whole number"],
    );
    says(
        &wrong("folds = 5", "folds = 1"),
        &["`folds` is 1, but must be from 2"],
    );
    says(
        &wrong(
            "{ kind = \"stratified-kfold\", folds = 5 }",
            "{ kind = \"group-kfold\", folds = 25 }",
        ),
        &["24 speakers"],
    );
    for fraction in ["0", "1", "-0.2", "1.5", "nan"] {
        let protocol = format!("{{ kind = \"hold-out\", test_fraction = {fraction} }}");
        says(
            &wrong("{ kind = \"stratified-kfold\", folds = 5 }", &protocol),
            &["`test_fraction` is", "between 0 and 1"],
        );
    }
    says(
        &wrong("name = \"a\"", "name = \"a\"\nvalidation = 1"),
        &["`validation` is 1"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\nseeds = []"),
        &["`seeds` is empty"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\nseeds = [1, 1]"),
        &["seed 1 stands here twice"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\nseeds = [-1]"),
        &["`seeds` is -1"],
    );
    says(
        &wrong("name = \"b\"", "name = \"b\"\nseeds = [0, 1]"),
        &["same for every seed"],
    );
    says(
        &wrong("{ kind = \"logistic\" }", "{ kind = \"logistic\", c = 0 }"),
        &["`c` is 0, but must be above 0"],
    );
    says(
        &wrong("{ kind = \"logistic\" }", "{ kind = \"svm\", gamma = -1 }"),
        &["`gamma` is -1"],
    );
    says(
        &wrong(
            "{ kind = \"logistic\" }",
            "{ kind = \"svm\", gamma = \"auto\" }",
        ),
        &["expected \"scale\" or a number, found string \"auto\""],
    );
}

#[test]
fn a_generated_corpus_has_the_ranges_of_its_generator() {
    let with = |written: &str| {
        MINIMAL.replace(
            "kind = \"ravdess\"",
            &format!("kind = \"synthetic\"\n{written}"),
        )
    };
    for (wrong, allowed) in [
        ("speakers = 1", "from 2 to 99"),
        ("speakers = 100", "from 2 to 99"),
        ("sentences = 0", "from 1 to 99"),
        ("sentences = 100", "from 1 to 99"),
        ("takes = 0", "from 1 to 99"),
        ("takes = 100", "from 1 to 99"),
        ("sample_rate = 7999", "from 8000 to 48000"),
        ("sample_rate = 48001", "from 8000 to 48000"),
    ] {
        says(
            &refused(&with(wrong), &[]),
            &["p.toml:6", &format!("must be {allowed}")],
        );
    }
    for right in [
        "speakers = 2",
        "speakers = 99",
        "sentences = 99",
        "takes = 99",
        "sample_rate = 8000",
        "sample_rate = 48000",
    ] {
        assert!(read(&with(right), &[]).is_ok(), "{right}");
    }
}

#[test]
fn a_title_does_not_stay_over_another_protocol() {
    let titled = MINIMAL.replace(
        "name = \"a\"",
        "name = \"a\"\ntitle = \"CNN, speakers shared\"",
    );
    let title = |overrides: &[&str]| {
        read(&titled, overrides).unwrap().experiments[0]
            .title
            .clone()
    };
    assert_eq!(title(&[]), "CNN, speakers shared");
    assert_eq!(title(&["train.epochs=3"]), "CNN, speakers shared");
    assert_eq!(
        title(&["experiment.b.protocol.kind=leave-one-speaker-out"]),
        "CNN, speakers shared"
    );
    assert_eq!(
        title(&["protocol={ kind = \"group-kfold\", folds = 3 }"]),
        "a (group-3-fold)"
    );
    assert_eq!(
        title(&[
            "protocol.folds=7",
            "experiment.b.protocol={ kind = \"leave-one-speaker-out\" }"
        ]),
        "a (stratified-7-fold)"
    );
    assert_eq!(
        title(&["experiment.a.protocol.kind=group-kfold"]),
        "a (group-5-fold)"
    );
    assert_eq!(
        title(&["experiment.a.protocol.folds=3", "experiment.a.title=Mine"]),
        "Mine"
    );
    assert_eq!(
        read(MINIMAL, &["experiment.a.protocol.folds=3"])
            .unwrap()
            .experiments[0]
            .title,
        "a",
        "the name needs no mending"
    );
}

#[test]
fn wrong_types_are_said_in_plain_words() {
    says(
        &wrong("folds = 5", "folds = \"5\""),
        &["p.toml:9:49: expected a whole number", "found string \"5\""],
    );
    says(
        &wrong("folds = 5", "folds = 5.0"),
        &["found floating point `5.0`"],
    );
    says(
        &wrong("name = \"small\"", "name = 3"),
        &["p.toml:2:8: expected a string, found integer `3`"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\nseeds = 3"),
        &["expected a list, found integer `3`"],
    );
    says(
        &wrong("name = \"a\"", "name = \"a\"\ndefault = \"yes\""),
        &["expected true or false, found string"],
    );
    says(
        &wrong("{ kind = \"logistic\" }", "\"logistic\""),
        &["expected a table, found string \"logistic\""],
    );
    says(
        &wrong("{ kind = \"logistic\" }", "[\"logistic\"]"),
        &["expected a table, found a list"],
    );
    says(
        &wrong("[corpus]", "[[corpus]]"),
        &["expected a table, found a list"],
    );
    says(
        &wrong(
            "name = \"small\"",
            "name = \"small\"\nfeatures = 2024-01-01",
        ),
        &["p.toml:3:12: no key takes a date"],
    );
}

#[test]
fn missing_keys_are_named() {
    says(
        &wrong("name = \"small\"", ""),
        &["the key `name` is missing"],
    );
    says(
        &wrong("kind = \"ravdess\"", ""),
        &["the key `kind` is missing"],
    );
    says(&wrong("name = \"a\"", ""), &["the key `name` is missing"]);
    says(
        &wrong(", folds = 5", ""),
        &["p.toml:9:21: this protocol needs the key `folds`"],
    );
    says(
        &wrong(", architecture = \"ravdess\"", ""),
        &["needs the key `architecture`", "emodb-a"],
    );
    says(
        &wrong("kind = \"ravdess\"", "kind = \"manifest\""),
        &["needs the key `path`"],
    );
    let bare = MINIMAL.split("[[experiment]]").next().unwrap();
    says(&refused(bare, &[]), &["the pipeline has no experiment"]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    says(
        &wrong("name = \"b\"", "name = \"a\""),
        &["p.toml:13:8: there is already an experiment `a`, in line 8"],
    );
    says(
        &wrong("leave-one-speaker-out", "leave-one-session-out"),
        &["ravdess has no recording sessions"],
    );
    says(
        &wrong("\"leave-one-speaker-out\"", "\"declared\""),
        &["only a manifest"],
    );
    says(
        &wrong(
            "\"leave-one-speaker-out\"",
            "\"leave-one-speaker-out\", folds = 3",
        ),
        &["`folds` does not belong to this kind of protocol"],
    );
    says(
        &wrong(
            "\"leave-one-speaker-out\"",
            "\"published\", name = \"emobx\"",
        ),
        &["unknown fold list `emobx`", "did you mean `emobox`?"],
    );
    let emodb = MINIMAL
        .replace("kind = \"ravdess\"", "kind = \"emodb\"")
        .replace(
            "\"leave-one-speaker-out\"",
            "\"published\", name = \"emobox\"",
        );
    says(
        &refused(&emodb, &[]),
        &["the fold list `emobox` is for ravdess, not for emodb"],
    );
    says(
        &wrong("kind = \"ravdess\"", "kind = \"ravdess\"\nall_clips = true"),
        &["`all_clips` does not belong to this kind of corpus"],
    );
    says(
        &wrong("name = \"b\"", "name = \"b\"\ntrain = { epochs = 3 }"),
        &["`train` is for networks"],
    );
    says(
        &wrong(
            "{ kind = \"logistic\" }",
            "{ kind = \"logistic\", architecture = \"ravdess\" }",
        ),
        &["`architecture` does not belong"],
    );
    says(
        &wrong(
            "kind = \"ravdess\"",
            "kind = \"ravdess\"\nlabels = [\"sad\"]",
        ),
        &["one class is nothing to tell apart"],
    );
    says(
        &wrong(
            "kind = \"ravdess\"",
            "kind = \"ravdess\"\nlabels = [\"sad\", \"sad\"]",
        ),
        &["`sad` stands here twice"],
    );
}

#[test]
fn names_are_safe_file_names() {
    for name in [
        "",
        "../x",
        "A",
        "a b",
        "a/b",
        "a.b",
        "ä",
        "-a",
        "con",
        "com1",
        ".",
        &"x".repeat(65),
    ] {
        says(
            &wrong("name = \"small\"", &format!("name = \"{name}\"")),
            &["p.toml:2:8: `name`", "lower-case letters"],
        );
        says(
            &wrong("name = \"b\"", &format!("name = \"{name}\"")),
            &["p.toml:13:8: `name`"],
        );
    }
    assert!(read(&MINIMAL.replace("\"small\"", "\"2-small_x\""), &[]).is_ok());
}

#[test]
fn published_figures_are_shares_with_a_mark() {
    let row = |written: &str| {
        format!(
            "{MINIMAL}\n[[published]]\nsource = \"x\"\nsystem = \"y\"\nprotocol = \"z\"\n{written}"
        )
    };
    let pipeline = read(&row("mark = \"P\"\naccuracy = 0.5"), &[]).unwrap();
    assert_eq!(
        (pipeline.published[0].accuracy, pipeline.published[0].uar),
        (Some(0.5), None)
    );
    says(
        &refused(&row("mark = \"P\"\naccuracy = 71.61"), &[]),
        &["`accuracy` is 71.61", "accuracy = 0.7161"],
    );
    says(
        &refused(&row("mark = \"Q\"\naccuracy = 0.5"), &[]),
        &["unknown value `Q`", "known values: P, R, I"],
    );
    says(&refused(&row("mark = \"P\""), &[]), &["needs a figure"]);
    assert!(
        read(&row("mark = \"P\"\naccuracy = 0.5"), &["published=[]"])
            .unwrap()
            .published
            .is_empty()
    );
    let synthetic =
        row("mark = \"P\"\nuar = 0.5").replace("kind = \"ravdess\"", "kind = \"synthetic\"");
    says(&refused(&synthetic, &[]), &["generated corpus"]);
}

#[test]
fn overrides_reach_one_experiment_or_all() {
    let pipeline = read(
        MINIMAL,
        &[
            "train.epochs=15",
            "experiment.a.train.learning_rate=1e-4",
            "corpus.root=/some/where",
            "split_seed=7",
        ],
    )
    .unwrap();
    let a = &pipeline.experiments[0];
    assert_eq!(
        (a.train.epochs, a.train.learning_rate, a.split_seed),
        (15, 1e-4, 7)
    );
    assert_eq!(
        (
            pipeline.experiments[1].train.epochs,
            pipeline.experiments[1].split_seed
        ),
        (40, 7)
    );
    assert_eq!(pipeline.corpus.kind.root(), Path::new("/some/where"));
    let last = read(
        MINIMAL,
        &[
            "seeds=[1, 2]",
            "train.epochs = 1",
            "train.epochs=2",
            "name='other'",
            "corpus.labels=[\"sad\",\"calm\"]",
        ],
    )
    .unwrap();
    assert_eq!(
        (
            last.experiments[0].seeds.as_slice(),
            last.experiments[0].train.epochs,
            last.name.as_str()
        ),
        (&[1, 2][..], 2, "other")
    );
    assert_eq!(last.corpus.labels, ["sad", "calm"]);
    let table = read(
        MINIMAL,
        &[
            "experiment.b.model={ kind = \"svm\", c = 2 }",
            "experiment.b.protocol.kind=declared",
        ],
    );
    says(
        &table.unwrap_err().to_string(),
        &["--set experiment.b.protocol.kind=declared: ravdess declares no parts"],
    );
    let model = &read(MINIMAL, &["experiment.b.model={ kind = \"svm\", c = 2 }"])
        .unwrap()
        .experiments[1]
        .model;
    assert_eq!(
        *model,
        ModelSettings::Svm {
            kernel: Kernel::Rbf,
            c: 2.0,
            gamma: Some(Gamma::Scale)
        }
    );
}

#[test]
fn wrong_overrides_are_named() {
    let wrong = |text: &str| refused(MINIMAL, &[text]);
    says(
        &wrong("train.epoch=3"),
        &[
            "--set train.epoch=3: unknown key `epoch`",
            "did you mean `epochs`?",
        ],
    );
    says(
        &wrong("trian.epochs=3"),
        &["unknown key `trian`", "did you mean `train`?"],
    );
    says(
        &wrong("experiment.c.train.epochs=3"),
        &["no experiment `c` here", "known experiments: a, b"],
    );
    says(
        &wrong("experiment.b.train.epochs=3"),
        &["--set experiment.b.train.epochs=3: `train` is for networks"],
    );
    says(&wrong("experiment.a=3"), &["experiment.NAME.KEY"]);
    says(
        &wrong("train.epochs=-3"),
        &["--set train.epochs=-3: `epochs` is -3"],
    );
    says(
        &wrong("train.epochs=many"),
        &[
            "--set train.epochs=many: expected a whole number",
            "found string \"many\"",
        ],
    );
    says(
        &wrong("train.epochs="),
        &["--set train.epochs=: expected a whole number"],
    );
    says(&wrong("train.epochs"), &["an override is KEY=VALUE"]);
    says(&wrong("=3"), &["a part of the key is empty"]);
    says(&wrong("train..epochs=3"), &["a part of the key is empty"]);
    says(&wrong("name.x=3"), &["`name` is no table"]);
    says(&wrong("seeds=[1,"), &["--set seeds=[1,:"]);
    says(
        &wrong("seeds=[0, 0]"),
        &["the seed 0 stands here twice", "           ^"],
    );
    says(
        &wrong("features.profile=librosa-0.9"),
        &["unknown profile `librosa-0.9`"],
    );
    says(&wrong("corpus.root="), &["`root` is empty"]);
    says(
        &wrong("experiment.b.name=a"),
        &["already an experiment `a`, in line 8"],
    );
    let no_network = MINIMAL.replace(
        "{ kind = \"cnn\", architecture = \"ravdess\" }",
        "{ kind = \"majority\" }",
    );
    says(
        &refused(&no_network, &["train.epochs=3"]),
        &["no experiment here trains a network"],
    );
    says(
        &refused("experiment = 3", &["train.epochs=3"]),
        &["p.toml:1:14: expected a list"],
    );
}

#[test]
fn the_folder_of_corpora_can_be_moved() {
    let dir = Some(Path::new("/mnt/speech"));
    let root = |text: &str, overrides: &[&str]| {
        parse(text, "p.toml", &set(overrides), dir)
            .unwrap()
            .corpus
            .kind
            .root()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(root(MINIMAL, &[]), "/mnt/speech/ravdess");
    assert_eq!(root(MINIMAL, &["corpus.name=other"]), "/mnt/speech/other");
    assert_eq!(
        root(MINIMAL, &["corpus.root=data/corpora/x"]),
        "data/corpora/x"
    );
    assert_eq!(
        root(
            &MINIMAL.replace(
                "kind = \"ravdess\"",
                "kind = \"ravdess\"\nroot = \"data/corpora/y\""
            ),
            &[]
        ),
        "/mnt/speech/y"
    );
    assert_eq!(
        root(
            &MINIMAL.replace("kind = \"ravdess\"", "kind = \"ravdess\"\nroot = \"/abs\""),
            &[]
        ),
        "/abs"
    );
    let manifest = MINIMAL.replace(
        "kind = \"ravdess\"",
        "kind = \"manifest\"\npath = \"data/corpora/mine/files.csv\"",
    );
    assert_eq!(root(&manifest, &[]), "/mnt/speech/mine");
    assert_eq!(
        read(MINIMAL, &[]).unwrap().corpus.kind.root(),
        Path::new("data/corpora/ravdess")
    );
    let synthetic = MINIMAL.replace("kind = \"ravdess\"", "kind = \"synthetic\"");
    assert_eq!(
        root(&synthetic, &[]),
        "data/corpora/synthetic",
        "a folder of corpora may be read-only"
    );
    assert_eq!(
        root(&synthetic, &["corpus.root=/else/where"]),
        "/else/where"
    );
}

#[test]
fn selection_takes_the_default_or_the_named() {
    let pipeline = read(MINIMAL, &["experiment.b.default=false"]).unwrap();
    let names = |chosen: &[&str]| {
        pipeline
            .select(&set(chosen))
            .map(|found| found.iter().map(|e| e.name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap(), ["a"]);
    assert_eq!(names(&["b", "a"]).unwrap(), ["a", "b"]);
    let error = names(&["c"]).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Usage, "pipeline `small` has no experiment `c`")
    );
    assert_eq!(
        read(MINIMAL, &["default=false"])
            .unwrap()
            .select(&[])
            .unwrap_err()
            .kind(),
        Kind::Usage
    );
}

#[test]
fn parameters_hold_what_changes_a_result_and_nothing_else() {
    let base = read(MINIMAL, &[]).unwrap();
    let model = |overrides: &[&str]| {
        read(MINIMAL, overrides)
            .unwrap()
            .experiments
            .iter()
            .map(Experiment::model_parameters)
            .collect::<Vec<_>>()
    };
    let split = |overrides: &[&str]| {
        serde_json::to_value(read(MINIMAL, overrides).unwrap().experiments[0].split_key()).unwrap()
    };
    assert_ne!(model(&["train.epochs=3"])[0], model(&[])[0]);
    assert_eq!(model(&["train.epochs=3"])[1], model(&[])[1]);
    assert_eq!(
        model(&["train.checkpoint_every=3", "split_seed=3", "default=false"]),
        model(&[])
    );
    assert_ne!(split(&["split_seed=3"]), split(&[]));
    assert_eq!(split(&["train.epochs=3"]), split(&[]));
    assert_eq!(
        base.experiments[0]
            .model_parameters()
            .get("train.learning_rate")
            .map(String::as_str),
        Some("0.001")
    );
    assert_eq!(
        read(MINIMAL, &["corpus.root=/x"]).unwrap().corpus.key(),
        base.corpus.key()
    );
    assert_ne!(
        read(MINIMAL, &["corpus.labels=[\"sad\",\"calm\"]"])
            .unwrap()
            .corpus
            .key(),
        base.corpus.key()
    );
}

#[test]
fn unreadable_files_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let good = at("good.toml", MINIMAL.as_bytes());
    assert_eq!(load(&good, &[], None).unwrap().name, "small");
    let fails = |path: &Path| {
        let error = load(path, &[], None).unwrap_err();
        (
            error.kind(),
            format!("{error}\n{}", error.hint_text().unwrap_or("")),
        )
    };
    let (kind, message) = fails(&at("binary.toml", b"name = \"a\"\n\xff\xfe"));
    assert_eq!(kind, Kind::Config);
    says(&message, &["binary.toml:2:1: the file is not UTF-8"]);
    says(
        &fails(&at("empty.toml", b" \n")).1,
        &["is empty", "demo.toml"],
    );
    says(
        &fails(&at("huge.toml", &vec![b'#'; 2 << 20])).1,
        &["larger than 1 MiB"],
    );
    says(&fails(dir.path()).1, &["is a folder", "good.toml"]);
    let (kind, message) = fails(&dir.path().join("god.toml"));
    assert_eq!(kind, Kind::Missing);
    says(
        &message,
        &["no pipeline file", "did you mean", "good.toml? there are:"],
    );
    let (kind, message) = fails(&dir.path().join("nowhere").join("x.toml"));
    assert_eq!(kind, Kind::Missing);
    says(&message, &["no pipeline file"]);
    let bom = at("bom.toml", format!("\u{feff}{MINIMAL}").as_bytes());
    assert_eq!(load(&bom, &[], None).unwrap().name, "small");
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = format!(
        "{MINIMAL}\nx = {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    says(&refused(&deep, &[]), &["recurs"]);
    let deep = format!("seeds={}", "[".repeat(100_000));
    says(&refused(MINIMAL, &[&deep]), &["--set seeds=[[["]);
}

#[test]
fn the_other_models_have_their_own_keys() {
    let of = |written: &str| {
        let model = read(MINIMAL, &[&format!("experiment.b.model={written}")])
            .map(|pipeline| pipeline.experiments[1].model.describe());
        model.unwrap_or_else(|error| error.to_string())
    };
    assert_eq!(
        of("{ kind = \"svm\", kernel = \"linear\", c = 2 }"),
        "svm linear C=2"
    );
    assert_eq!(of("{ kind = \"svm\" }"), "svm rbf C=1 gamma=scale");
    assert_eq!(
        of("{ kind = \"random-forest\" }"),
        "random forest of 500 trees"
    );
    assert_eq!(
        of("{ kind = \"random-forest\", trees = 9, max_depth = 3, min_leaf = 2 }"),
        "random forest of 9 trees, depth up to 3, 2 a leaf"
    );
    assert_eq!(
        of("{ kind = \"knn\", k = 3, weights = \"distance\" }"),
        "knn k=3 weights=distance"
    );
    says(
        &of("{ kind = \"svm\", kernel = \"linear\", gamma = 1 }"),
        &["this kernel is linear"],
    );
    says(
        &of("{ kind = \"svm\", kernel = \"poly\" }"),
        &["unknown value `poly`"],
    );
    says(
        &of("{ kind = \"knn\", c = 1 }"),
        &["`c` does not belong to this kind of model"],
    );
    says(
        &of("{ kind = \"knn\", k = 0 }"),
        &["`k` is 0, but must be from 1"],
    );
    says(
        &of("{ kind = \"random-forest\", trees = 0 }"),
        &["`trees` is 0"],
    );
    let forest = "experiment.b.model={ kind = \"random-forest\" }";
    assert_eq!(
        read(MINIMAL, &[forest, "seeds=[4, 5]"])
            .unwrap()
            .experiments[1]
            .seeds,
        [4, 5]
    );
}

#[test]
fn a_search_is_checked_against_its_model_and_protocol() {
    let with = |model: &str, search: &str| {
        read(
            MINIMAL,
            &[
                &format!("experiment.b.model={model}"),
                &format!("experiment.b.search={search}"),
            ],
        )
    };
    let (svm, knn) = ("{ kind = \"svm\" }", "{ kind = \"knn\" }");
    let pipeline = with(svm, "{ grid = { model.c = [1, 10], model.gamma = [\"scale\", 0.1], inputs.log_mel = [true, false] } }").unwrap();
    let experiment = &pipeline.experiments[1];
    let search = experiment.search.as_ref().unwrap();
    assert_eq!(
        (search.folds, search.by, search.metric),
        (4, Grouping::Speaker, SearchMetric::Uar)
    );
    let candidates = search
        .grid
        .candidates(&experiment.model, &experiment.inputs);
    assert_eq!(candidates.len(), 8);
    assert_eq!(candidates[0].model.describe(), "svm rbf C=1 gamma=scale");
    assert_eq!(candidates[1].model.describe(), "svm rbf C=1 gamma=0.1");
    assert_eq!(candidates[7].model.describe(), "svm rbf C=10 gamma=0.1");
    assert!(candidates[0].inputs.log_mel && !candidates[7].inputs.log_mel);
    assert_eq!(
        experiment.describe(),
        "svm rbf, log_mel chosen by inner folds, C chosen by inner folds, gamma chosen by inner folds"
    );
    let chosen = |gamma: &str| {
        std::collections::BTreeMap::from([
            ("model.c".to_owned(), "1".to_owned()),
            ("model.gamma".to_owned(), gamma.to_owned()),
        ])
    };
    let chosen = ["0.1", "scale", "scale"].map(chosen);
    assert_eq!(
        experiment.describe_chosen(&chosen),
        "svm rbf, log_mel chosen by inner folds, C chosen by inner folds: 1 (3 folds), gamma chosen by inner folds: scale (2 folds), 0.1 (1)"
    );
    let shared = read(
        MINIMAL,
        &[
            "experiment.a.model={ kind = \"knn\" }",
            "experiment.a.search.grid.model.k=[1, 5]",
        ],
    )
    .unwrap();
    assert_eq!(
        shared.experiments[0].search.as_ref().unwrap().by,
        Grouping::Utterance
    );
    let refused = |model: &str, search: &str| with(model, search).unwrap_err().to_string();
    says(
        &refused(knn, "{ grid = { model.c = [1, 10] } }"),
        &["`model.c` does not belong to this model"],
    );
    says(
        &refused(
            "{ kind = \"svm\", kernel = \"linear\" }",
            "{ grid = { model.gamma = [1, 10] } }",
        ),
        &["`model.gamma` does not belong"],
    );
    says(
        &refused(
            "{ kind = \"majority\" }",
            "{ grid = { model.c = [1, 10] } }",
        ),
        &["`search` is not for this model"],
    );
    says(
        &refused(svm, "{ grid = { model.c = [1] } }"),
        &["this grid has 1 candidates"],
    );
    says(
        &refused(svm, "{ grid = { model.c = [1, 1] } }"),
        &["a value of `c` stands here twice"],
    );
    says(
        &refused(svm, "{ grid = { model.c = [] } }"),
        &["`c` is empty"],
    );
    says(
        &refused(svm, "{ grid = { model.c = [1, 0] } }"),
        &["`c` is 0, but must be above 0"],
    );
    says(
        &refused(svm, "{ folds = 1, grid = { model.c = [1, 2] } }"),
        &["`folds` is 1"],
    );
    says(
        &refused(svm, "{ grid = { model.d = [1, 2] } }"),
        &["unknown key `d`"],
    );
    says(&refused(svm, "{ folds = 3 }"), &["grid"]);
}

#[test]
fn shuffled_labels_are_said_in_the_title() {
    let pipeline = read(MINIMAL, &["shuffle_labels=true"]).unwrap();
    assert!(
        pipeline
            .experiments
            .iter()
            .all(|experiment| experiment.shuffle_labels)
    );
    assert_eq!(pipeline.experiments[0].title, "a (labels shuffled)");
}

#[test]
fn sets_of_features_are_named_once_and_known_to_their_experiments() {
    let sets = |sets: &str, inputs: &str| {
        let text = MINIMAL.replacen("[corpus]", &format!("features = {{ {sets} }}\n[corpus]"), 1);
        let text = text.replacen(
            "{ kind = \"cnn\", architecture = \"ravdess\" }",
            "{ kind = \"majority\" }",
            1,
        );
        text.replacen(
            "name = \"b\"",
            &format!("name = \"b\"\ninputs = {{ {inputs} }}"),
            1,
        )
    };
    let good = read(
        &sets(
            "sets = [\"functionals\", \"frames\"]",
            "set = \"frames\", frames = 50, scaler = \"per-speaker\"",
        ),
        &[],
    )
    .unwrap();
    assert_eq!(
        good.features.sets,
        [FeatureSet::Functionals, FeatureSet::Frames]
    );
    assert_eq!(
        good.settings()["features.sets"],
        "[\"functionals\",\"frames\"]"
    );
    let [a, b] = good.experiments.as_slice() else {
        panic!("two experiments")
    };
    assert_eq!(
        (a.inputs.set, a.inputs.frames, b.inputs.set, b.inputs.frames),
        (FeatureSet::Functionals, None, FeatureSet::Frames, Some(50))
    );
    assert!(b.is_transductive() && !a.is_transductive());
    assert_eq!(b.describe(), "logistic C=1 on frames, transductive");
    let default = read(&sets("set = \"frames\"", "scaler = \"standard\""), &[]).unwrap();
    assert_eq!(
        (
            default.experiments[1].inputs.frames,
            default.settings()["features.set"].as_str()
        ),
        (Some(128), "frames")
    );

    let says_of = |given: &str, inputs: &str, parts: &[&str]| {
        says(&refused(&sets(given, inputs), &[]), parts)
    };
    says_of(
        "set = \"functionls\"",
        "",
        &["unknown set `functionls`", "did you mean `functionals`?"],
    );
    says_of(
        "set = \"frames\", sets = [\"frames\"]",
        "",
        &["`set` and `sets` both"],
    );
    says_of("sets = []", "", &["`sets` is empty"]);
    says_of(
        "sets = [\"frames\", \"frames\"]",
        "",
        &["`frames` stands here twice"],
    );
    says_of(
        "sets = [\"frames\"]",
        "set = \"functionals\"",
        &[
            "have no set `functionals`",
            "sets = [\"frames\", \"functionals\"]",
        ],
    );
    says_of(
        "sets = [\"functionals\"]",
        "log_mel = true",
        &["`log_mel` does not belong to the set `functionals`"],
    );
    says_of(
        "sets = [\"functionals\"]",
        "frames = 9",
        &["`frames` does not belong to the set `functionals`"],
    );
    says_of("sets = [\"frames\"]", "frames = 0", &["`frames` is 0"]);
}
