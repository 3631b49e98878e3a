//! The module as a whole: a small pipeline with one thing wrong, or one thing overridden.

use std::path::Path;

use super::*;
use crate::error::{Error, Kind};
use crate::model::{Gamma, Kernel, SvmSettings};

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

pub(super) fn set(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn read(text: &str, overrides: &[&str]) -> Result<Pipeline, Error> {
    parse(text, "p.toml", &set(overrides), None)
}

/// The message and the hint of what `from` replaced by `to` in the minimal file gives.
pub(super) fn wrong(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    refused(&MINIMAL.replacen(from, to, 1), &[])
}

/// The rows of a table whose cells ` => ` divides; `\n` is a line break.
pub(super) fn table<const N: usize>(text: &str) -> Vec<[String; N]> {
    let rows = text.lines().map(str::trim).filter(|row| !row.is_empty());
    let cells = |row: &str| -> Vec<String> {
        row.split(" => ")
            .map(|cell| cell.trim().replace("\\n", "\n"))
            .collect()
    };
    rows.map(|row| {
        cells(row)
            .try_into()
            .unwrap_or_else(|_| panic!("{N} cells: {row}"))
    })
    .collect()
}

/// The minimal file with the first text replaced by the second is refused with a message of these
/// parts.
#[track_caller]
pub(super) fn refuses(cases: &str) {
    for [from, to, message] in table(cases) {
        says(&wrong(&from, &to), &message);
    }
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

/// Fails unless the message has these parts, which ` … ` divides.
#[track_caller]
pub(super) fn says(message: &str, parts: &str) {
    for part in parts.split(" … ") {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn a_corpus_that_is_known_by_name_needs_its_kind_alone() {
    let of = |kind: &str, more: &str| {
        let corpus = format!("kind = \"{kind}\"\n{more}");
        read(&MINIMAL.replace("kind = \"ravdess\"", &corpus), &[])
    };
    let pipeline = of("crema-d", "").unwrap();
    assert_eq!(pipeline.corpus.name, "crema-d");
    assert_eq!(
        pipeline.corpus.kind.root(),
        std::path::Path::new("data/corpora/crema-d")
    );
    assert!(pipeline.published.is_empty());
    let key = serde_json::Value::Object(pipeline.corpus.key()).to_string();
    assert!(
        key.contains("\"kind\":\"crema-d\"") && !key.contains("label_map"),
        "{key}"
    );
    // EmoBox's figures come with its folds, and not with other classes.
    let emobox = "{ kind = \"published\", name = \"emobox\" }";
    let with = |more: &str| {
        let corpus = format!("kind = \"crema-d\"\n{more}");
        let text = MINIMAL
            .replace("kind = \"ravdess\"", &corpus)
            .replace("{ kind = \"leave-one-speaker-out\" }", emobox);
        read(&text, &[])
    };
    let figures = with("").unwrap().published;
    assert_eq!(figures.len(), 10);
    assert!(figures.iter().all(
        |one| one.folds.as_deref() == Some("emobox") && one.speaker_independent == Some(false)
    ));
    let whisper = figures
        .iter()
        .find(|one| one.system.starts_with("Whisper large"))
        .unwrap();
    assert_eq!(
        (whisper.uar, whisper.accuracy),
        (Some(0.7675), Some(0.7648))
    );
    let map = "label_map = { anger = \"bad\", sadness = \"bad\", happiness = \"good\" }";
    let merged = with(map).unwrap();
    assert!(merged.published.is_empty() && merged.corpus.label_map.len() == 3);
    let says = |result: Result<Pipeline, Error>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    says(of("mesd", ""), "nothing says who speaks in mesd");
    says(
        with("label_map = { wut = \"bad\" }"),
        "this corpus has no class `wut`",
    );
    let labels = format!("{map}\nlabels = [\"anger\", \"bad\"]");
    says(with(&labels), "this corpus has no class `anger`");
    says(of("crema", ""), "unknown value `crema`");
    assert!(of("ravdess", "label_map = { happy = \"up\", sad = \"down\" }").is_ok());
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
    says(&error, "`citation` begins like BibTeX … @article{key, …}");
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
}

#[test]
fn figures_that_are_known_of_a_corpus_come_with_it_unless_the_file_says_which() {
    let with = |corpus: &str, rows: &str| {
        let text = MINIMAL.replace("kind = \"ravdess\"", corpus);
        read(&format!("{rows}\n{text}"), &[]).unwrap().published
    };
    let ravdess = "kind = \"ravdess\"";
    let known = with(ravdess, "");
    assert_eq!(
        (known.len(), known[0].accuracy, known[0].folds.as_deref()),
        (5, Some(0.7161), None),
        "no figures on folds that no experiment has"
    );
    assert!(with(ravdess, "published = []").is_empty());
    let own = "published = [{ source = \"S\", system = \"s\", protocol = \"p\", uar = 0.5, mark = \"P\" }]";
    assert_eq!(with(ravdess, own).len(), 1);
    // They are of the whole corpus.
    for part in [
        "labels = [\"angry\", \"sad\"]",
        "subset = { size = 520 }",
        "windows = { length_s = 1 }",
    ] {
        assert!(with(&format!("{ravdess}\n{part}"), "").is_empty(), "{part}");
    }
    let iemocap =
        "kind = \"iemocap\"\nlabels = [\"sadness\", \"anger\", \"neutral\", \"happiness\"]";
    assert_eq!(with(iemocap, "").len(), 6, "all classes in another order");
    assert!(with("kind = \"iemocap\"\ndialogs = \"improvised\"", "").is_empty());
    assert!(with("kind = \"emodb\"\nall_clips = true", "").is_empty());
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
        "--set experiment.b.protocol.kind=declared: ravdess declares no parts",
    );
    let model = &read(MINIMAL, &["experiment.b.model={ kind = \"svm\", c = 2 }"])
        .unwrap()
        .experiments[1]
        .model;
    assert_eq!(
        *model,
        ModelSettings::Svm(SvmSettings {
            kernel: Kernel::Rbf,
            c: 2.0,
            gamma: Some(Gamma::Scale)
        })
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
fn a_joined_corpus_has_parts_with_their_own_keys() {
    let with = |part: &str| {
        let emodb = "{ kind = \"emodb\", label_map = { a = \"b\" } }";
        let corpus = format!("kind = \"joined\"\nparts = [{emodb}, {part}]");
        read(&MINIMAL.replace("kind = \"ravdess\"", &corpus), &[])
    };
    let manifest = with("{ kind = \"manifest\", label_map = { c = \"b\" } }").unwrap();
    let CorpusKind::Joined { parts, .. } = manifest.corpus.kind else {
        panic!("a joined corpus");
    };
    assert_eq!(
        (parts[0].name.as_str(), parts[1].folder.as_str()),
        ("emodb", "manifest")
    );
    let path = "manifest.csv".to_owned();
    assert_eq!(parts[1].kind, PartKind::Manifest { path });
    for [part, message] in table(
        r#"
        kind = "emodb" => two parts are called `emodb`
        kind = "ravdess", path = "x" => `path` does not belong to this kind of part
        kind = "ravdess", root = "x" => only a part of kind `manifest`
        kind = "manifest", root = "x" => needs the key `path`
        kind = "manifest", root = "x", folder = "y" => `folder` and `root` both
        kind = "manifest", path = "../x" => `path` does not lie below corpus.root
            "#,
    ) {
        let part = format!("{{ {part}, label_map = {{ c = \"b\" }} }}");
        says(&with(&part).unwrap_err().to_string(), &message);
    }
    refuses(r#"kind = "ravdess" => kind = "joined"\nparts = [] => `parts` is empty"#);
}
