//! Experiments of the small pipeline: their models, searches and sets of features.

use super::tests::{MINIMAL, read, refused, says, table};
use super::*;
use crate::features::FeatureSet;
use crate::split::Grouping;

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
