//! The module as a whole: a small pipeline with one thing wrong, or one thing overridden.

use std::path::Path;

use super::*;
use crate::error::{Error, Kind};
use crate::features::FeatureSet;
use crate::model::{Gamma, Kernel, SvmSettings};
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
    assert!(pipeline.published.is_empty());
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
        of("{ kind = \"naive-bayes\" }"),
        "naive bayes var_smoothing=1e-9"
    );
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
    for [written, message] in table(
        r#"
        { kind = "svm", kernel = "linear", gamma = 1 } => this kernel is linear
        { kind = "svm", kernel = "poly" } => unknown value `poly`
        { kind = "naive-bayes", var_smoothing = 0 } => `var_smoothing` is 0
        { kind = "lda", shrinkage = 0 } => `shrinkage` is 0
        { kind = "lda", shrinkage = 1.5 } => `shrinkage` is 1.5
        { kind = "knn", c = 1 } => `c` does not belong to this kind of model
        { kind = "knn", k = 0 } => `k` is 0, but must be from 1
        { kind = "random-forest", trees = 0 } => `trees` is 0
        "#,
    ) {
        says(&of(&written), &message);
    }
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
    let svm = "{ kind = \"svm\" }";
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
    let inputs = |search: &str| {
        let search = format!("experiment.b.search={{ grid = {search} }}");
        let log_mel = "experiment.b.inputs.log_mel=true";
        let pipeline = read(MINIMAL, &[log_mel, &search]).unwrap();
        pipeline.describe_inputs(&pipeline.experiments[1])
    };
    assert_eq!(
        inputs("{ model.c = [1, 2] }"),
        "issa193, log mel, scaler none"
    );
    let varied = inputs("{ model.c = [1, 2], inputs.log_mel = [true, false] }");
    assert_eq!(varied, "issa193, scaler none");
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
    for [model, search, message] in table(
        r#"
        { kind = "knn" } => { grid = { model.c = [1, 10] } } => `model.c` does not belong to this model
        { kind = "svm", kernel = "linear" } => { grid = { model.gamma = [1, 10] } } => `model.gamma` does not belong
        { kind = "majority" } => { grid = { model.c = [1, 10] } } => `search` is not for this model
        { kind = "svm" } => { grid = { model.c = [1] } } => this grid has 1 candidates
        { kind = "svm" } => { grid = { model.c = [1, 1] } } => `1` is listed twice in `c`
        { kind = "svm" } => { grid = { model.c = [] } } => `c` is empty
        { kind = "svm" } => { grid = { model.c = [1, 0] } } => `c` is 0, but must be above 0
        { kind = "svm" } => { folds = 1, grid = { model.c = [1, 2] } } => `folds` is 1
        { kind = "svm" } => { grid = { model.d = [1, 2] } } => unknown key `d`
        { kind = "svm" } => { folds = 3 } => grid
            "#,
    ) {
        says(&with(&model, &search).unwrap_err().to_string(), &message);
    }
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
    for [given, inputs, message] in table(
        r#"
        set = "functionls" =>  => unknown value `functionls` … did you mean `functionals`?
        set = "frames", sets = ["frames"] =>  => `set` and `sets` both
        sets = [] =>  => `sets` is empty
        sets = ["frames", "frames"] =>  => `frames` is listed twice in `sets`
        sets = ["frames"] => set = "functionals" => have no set `functionals` … sets = ["frames", "functionals"]
        sets = ["functionals"] => log_mel = true => `log_mel` does not belong to the set `functionals`
        sets = ["functionals"] => frames = 9 => `frames` does not belong to the set `functionals`
        sets = ["frames"] => frames = 0 => `frames` is 0
            "#,
    ) {
        says(&refused(&sets(&given, &inputs), &[]), &message);
    }
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
