//! Everything that is wrong in a file or an override is refused with its place and a hint.

use super::tests::{MINIMAL, read, refused, refuses, says, table, wrong};

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    refuses(
        r#"
        folds = 5 => fold = 5 => p.toml:9:41: unknown key `fold` …  9 | protocol = { … did you mean `folds`?
        [[experiment]] => [[experiments]] => unknown key `experiments` … did you mean `experiment`?
        architecture => arch => unknown key `arch` … did you mean `architecture`?
        name = "a" => name = "a"\ntrain = { epoch = 3 } => unknown key `epoch` … did you mean `epochs`? … batch_size
        kind = "ravdess" => kind = "ravdess"\nrooot = "x" => p.toml:6:1: unknown key `rooot` … did you mean `root`?
    "#,
    );
}

#[test]
fn unknown_words_name_the_known_ones() {
    refuses(
        r#"
        "ravdess" } => "ravdes" } => unknown value `ravdes` … did you mean `ravdess`? … emodb-a
        stratified-kfold => stratified => unknown value `stratified` … did you mean `stratified-kfold`?
        "logistic" => "Logistic" => did you mean `logistic`? … svm
        name = "a" => name = "a"\ntrain = { optimizer = "adamW" } => did you mean `adamw`? … rmsprop
        [corpus] => features = { profile = "librosa-0.9" }\n[corpus] => unknown value `librosa-0.9` … `librosa-0.8`
        kind = "ravdess" => kind = "ravdess"\nlabels = ["happy", "angy"] => no class `angy` … did you mean `angry`?
    "#,
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
    for [written, message] in table(
        r#"
        epochs = -3 => p.toml:9:20: `epochs` is -3, but must be from 1 to 100000 … ^^
        epochs = 0 => `epochs` is 0
        batch_size = 1 => `batch_size` is 1, but must be from 2
        batch_size = 0 => `batch_size` is 0
        learning_rate = 0 => `learning_rate` is 0, but must be above 0
        learning_rate = -1e-3 => `learning_rate` is -0.001
        learning_rate = nan => `learning_rate` is NaN
        learning_rate = inf => `learning_rate` is inf
        label_smoothing = 1.0 => below 1
        mixup = -0.1 => `mixup`
        patience = 5 => early stopping needs a validation part … validation = 0.1
        decay = 1e-6, schedule = "cosine" => `decay` does not belong to this kind of schedule … warmup
        optimizer = "adam", weight_decay = 0.1 => `weight_decay` works with the optimizer adamw only
        epochs = 99999999999999999999 => p.toml:9:20 … whole number
        "#,
    ) {
        says(&train(&written), &message);
    }
    refuses(
        r#"
        folds = 5 => folds = 1 => `folds` is 1, but must be from 2
        { kind = "stratified-kfold", folds = 5 } => { kind = "group-kfold", folds = 25 } => 24 speakers
    "#,
    );
    for fraction in ["0", "1", "-0.2", "1.5", "nan"] {
        let protocol = format!("{{ kind = \"hold-out\", test_fraction = {fraction} }}");
        says(
            &wrong("{ kind = \"stratified-kfold\", folds = 5 }", &protocol),
            "`test_fraction` is … between 0 and 1",
        );
    }
    refuses(
        r#"
        name = "a" => name = "a"\nvalidation = 1 => `validation` is 1
        name = "a" => name = "a"\nseeds = [] => `seeds` is empty
        name = "a" => name = "a"\nseeds = [1, 1] => `1` is listed twice in `seeds`
        name = "a" => name = "a"\nseeds = [-1] => `seeds` is -1
        name = "b" => name = "b"\nseeds = [0, 1] => same for every seed
        { kind = "logistic" } => { kind = "logistic", c = 0 } => `c` is 0, but must be above 0
        { kind = "logistic" } => { kind = "svm", gamma = -1 } => `gamma` is -1
        { kind = "logistic" } => { kind = "svm", gamma = "auto" } => unknown value `auto` … known values: scale
    "#,
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
    for [wrong, allowed] in table(
        r#"
        speakers = 1 => from 2 to 99
        speakers = 100 => from 2 to 99
        sentences = 0 => from 1 to 99
        sentences = 100 => from 1 to 99
        takes = 0 => from 1 to 99
        takes = 100 => from 1 to 99
        sample_rate = 7999 => from 8000 to 48000
        sample_rate = 48001 => from 8000 to 48000
        "#,
    ) {
        says(
            &refused(&with(&wrong), &[]),
            &format!("p.toml:6 … must be {allowed}"),
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
fn wrong_types_are_said_in_plain_words() {
    refuses(
        r#"
        folds = 5 => folds = "5" => p.toml:9:49: expected a whole number … found string "5"
        folds = 5 => folds = 5.0 => found floating point `5.0`
        name = "small" => name = 3 => p.toml:2:8: expected a string, found integer `3`
        name = "a" => name = "a"\nseeds = 3 => expected a list, found integer `3`
        name = "a" => name = "a"\ndefault = "yes" => expected true or false, found string
        { kind = "logistic" } => "logistic" => expected a table, found string "logistic"
        { kind = "logistic" } => ["logistic"] => expected a table, found a list
        [corpus] => [[corpus]] => expected a table, found a list
        name = "small" => name = "small"\nfeatures = 2024-01-01 => p.toml:3:12: no key takes a date
    "#,
    );
}

#[test]
fn missing_keys_are_named() {
    refuses(
        r#"
        name = "small" =>  => the key `name` is missing
        kind = "ravdess" =>  => the key `kind` is missing
        name = "a" =>  => the key `name` is missing
        , folds = 5 =>  => p.toml:9:21: a protocol of kind `stratified-kfold` needs the key `folds`
        , architecture = "ravdess" =>  => needs the key `architecture` … emodb-a
        kind = "ravdess" => kind = "manifest" => needs the key `path`
    "#,
    );
    let bare = MINIMAL.split("[[experiment]]").next().unwrap();
    says(&refused(bare, &[]), "the pipeline has no experiment");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    refuses(
        r#"
        name = "b" => name = "a" => p.toml:13:8: there is already an experiment `a`, in line 8
        leave-one-speaker-out => leave-one-session-out => ravdess has no recording sessions
        "leave-one-speaker-out" => "declared" => ravdess declares no parts
        "leave-one-speaker-out" => "leave-one-speaker-out", folds = 3 => `folds` does not belong to this kind of protocol
        "leave-one-speaker-out" => "published", name = "emobx" => unknown fold list `emobx` … did you mean `emobox`?
    "#,
    );
    let iemocap = MINIMAL
        .replace("kind = \"ravdess\"", "kind = \"iemocap\"")
        .replace(
            "\"leave-one-speaker-out\"",
            "\"published\", name = \"emobox\"",
        );
    says(
        &refused(&iemocap, &[]),
        "no fold list `emobox` is kept of iemocap",
    );
    refuses(
        r#"
        kind = "ravdess" => kind = "ravdess"\nunpublished = true => `unpublished` is for recordings of your own
        kind = "ravdess" => kind = "ravdess"\nall_clips = true => `all_clips` does not belong to this kind of corpus
        name = "b" => name = "b"\ntrain = { epochs = 3 } => `train` is for networks
        { kind = "logistic" } => { kind = "logistic", architecture = "ravdess" } => `architecture` does not belong
        kind = "ravdess" => kind = "ravdess"\nlabels = ["sad"] => one class leaves nothing to tell apart
        kind = "ravdess" => kind = "ravdess"\nlabels = ["sad", "sad"] => `sad` is listed twice in `labels`
    "#,
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
            "p.toml:2:8: `name` … lower-case letters",
        );
        says(
            &wrong("name = \"b\"", &format!("name = \"{name}\"")),
            "p.toml:13:8: `name`",
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
        "`accuracy` is 71.61 … accuracy = 0.7161",
    );
    says(
        &refused(&row("mark = \"Q\"\naccuracy = 0.5"), &[]),
        "unknown value `Q` … known values: P, R, I",
    );
    says(&refused(&row("mark = \"P\""), &[]), "needs a figure");
    assert!(
        read(&row("mark = \"P\"\naccuracy = 0.5"), &["published=[]"])
            .unwrap()
            .published
            .is_empty()
    );
    let synthetic =
        row("mark = \"P\"\nuar = 0.5").replace("kind = \"ravdess\"", "kind = \"synthetic\"");
    says(&refused(&synthetic, &[]), "generated corpus");
}

#[test]
fn wrong_overrides_are_named() {
    let wrong = |text: &str| refused(MINIMAL, &[text]);
    for [written, message] in table(
        r#"
        train.epoch=3 => --set train.epoch=3: unknown key `epoch` … did you mean `epochs`?
        trian.epochs=3 => unknown key `trian` … did you mean `train`?
        experiment.c.train.epochs=3 => no experiment `c` here … known experiments: a, b
        experiment.b.train.epochs=3 => --set experiment.b.train.epochs=3: `train` is for networks
        experiment.a=3 => experiment.NAME.KEY
        train.epochs=-3 => --set train.epochs=-3: `epochs` is -3
        train.epochs=many => --set train.epochs=many: expected a whole number … found string "many"
        train.epochs= => --set train.epochs=: expected a whole number
        train.epochs => an override is KEY=VALUE
        =3 => a part of the key is empty
        train..epochs=3 => a part of the key is empty
        name.x=3 => `name` is no table
        seeds=[1, => --set seeds=[1,:
        seeds=[0, 0] => `0` is listed twice in `seeds` …            ^
        features.profile=librosa-0.9 => unknown value `librosa-0.9`
        corpus.root= => `root` is empty
        experiment.b.name=a => already an experiment `a`, in line 8
        "#,
    ) {
        says(&wrong(&written), &message);
    }
    let no_network = MINIMAL.replace(
        "{ kind = \"cnn\", architecture = \"ravdess\" }",
        "{ kind = \"majority\" }",
    );
    says(
        &refused(&no_network, &["train.epochs=3"]),
        "no experiment here trains a network",
    );
    says(
        &refused("experiment = 3", &["train.epochs=3"]),
        "p.toml:1:14: expected a list",
    );
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = format!(
        "{MINIMAL}\nx = {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    says(&refused(&deep, &[]), "recurs");
    let deep = format!("seeds={}", "[".repeat(100_000));
    says(&refused(MINIMAL, &[&deep]), "--set seeds=[[[");
}

#[test]
fn a_misspelt_key_is_taken_for_one_that_its_kind_has() {
    let with = |keys: &str| {
        let file = MINIMAL
            .replacen("[corpus]", "[features]\nset = \"functionals\"\n[corpus]", 1)
            .replacen("model = { kind = \"logistic\" }", keys, 1);
        refused(&file, &[])
    };
    // The last cell is a key that must not be suggested.
    for [written, message, not] in table(
        r#"
        model = { kind = "perceptron", kernl = "rbf" } => unknown key `kernl` … known keys: kind, dropout, hidden, input_dropout => kernel
        model = { kind = "svm", kernl = "rbf" } => did you mean `kernel`? known keys: kind, c, gamma, kernel => hidden
        model = { kind = "perceptron", hiden = 3 } => did you mean `hidden`? => channels
        model = { kind = "perceptron" }\ntrain = { warmupp = 0.1 } => unknown key `warmupp` => `warmup`
        model = { kind = "perceptron" }\ntrain = { schedule = "cosine", warmupp = 0.1 } => did you mean `warmup`? => spec_augment
        model = { kind = "svm" }\ntrian = { epochs = 3 } => unknown key `trian` => `train`
        model = { kind = "svm" }\ninputs = { log_mell = true } => unknown key `log_mell` => `log_mel`
        model = { kernl = "rbf" } => did you mean `kernel`? => `train`
            "#,
    ) {
        let refusal = with(&written);
        says(&refusal, &message);
        assert!(!refusal.contains(&not), "{not} in {refusal}");
    }
    for (written, not) in [
        ("sentence = 4", "sentences"),
        ("all_clip = true", "all_clips"),
    ] {
        let refusal = wrong("[corpus]", &format!("[corpus]\n{written}"));
        says(&refusal, "unknown key … known keys: kind, name, citation");
        assert!(!refusal.contains(not), "{refusal}");
    }
    says(
        &refused(MINIMAL, &["corpus.speekers=3"]),
        "unknown key `speekers`",
    );
}
