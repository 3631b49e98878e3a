use std::fs;

use super::*;
use crate::cancel::Cancel;
use crate::error::Kind;
use crate::model::test_data;
use crate::model::train::tests::settings;
use crate::model::{
    Durations, FeatureRanges, FitContext, ForestSettings, Kernel, KnnSettings, KnnWeights,
    LdaSettings, LogisticSettings, MajoritySettings, NaiveBayesSettings, Schedule, Settings, Svm,
    SvmSettings,
};
use crate::transform::{Order, ScalerKind};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const LAYERS: [Layer; 6] = [
    Layer::Conv {
        inputs: 1,
        outputs: 3,
        kernel: 5,
    },
    Layer::BatchNorm { channels: 3 },
    Layer::Relu,
    Layer::MaxPool { size: 2 },
    Layer::Flatten,
    Layer::Dense {
        inputs: 6,
        outputs: 3,
    },
];

fn domain() -> Domain {
    let duration_s = Durations {
        min: 1.0,
        p01: 1.25,
        p05: 1.5,
        median: 2.0,
        p95: 4.0,
        p99: 4.5,
        max: 1.0 / 0.3,
    };
    let features = FeatureRanges {
        min: vec![-3.25e-7; 4],
        p01: vec![-0.1; 4],
        p99: vec![1.0 / 3.0; 4],
        max: vec![f32::MAX; 4],
    };
    Domain {
        duration_s,
        features,
    }
}

fn info(layers: &[Layer]) -> ModelInfo {
    ModelInfo {
        architecture: (!layers.is_empty()).then_some(Architecture::Ravdess),
        layers: layers.to_vec(),
        labels: ["angry", "calm", "sad"].map(str::to_owned).to_vec(),
        feature_set: "issa193".to_owned(),
        profile: "librosa08".to_owned(),
        feature_code_version: 1,
        feature_names: (0..4).map(|i| format!("mfcc_{i:02}")).collect(),
        encoder: None,
        imported: None,
        inputs: Inputs {
            order: Order::Paper,
            log_mel: true,
            scaler: ScalerKind::Standard,
            ..Inputs::default()
        },
        scaler: Scaler::Standard {
            mean: vec![0.1, f32::MIN_POSITIVE, -3.25e-7, 1.0 / 3.0],
            sd: vec![1.0, 0.7, f32::MAX, 1.1],
        },
        test_time_augment: None,
        domain: domain(),
        train: (!layers.is_empty()).then_some(TrainSettings {
            learning_rate: 1e-5,
            schedule: Schedule::InverseTime { decay: 1e-6 },
            batch_size: 32,
            epochs: 700,
            checkpoint_every: 10,
            ..settings()
        }),
        pipeline: "tiny".to_owned(),
        corpus: "synthetic".to_owned(),
        protocol: "random-5-fold".to_owned(),
        fold: 2,
        seed: u64::MAX,
        provenance: BTreeMap::from([
            ("uar".to_owned(), "0.71".to_owned()),
            ("ser".to_owned(), "0.1.0".to_owned()),
        ]),
    }
}

fn cnn() -> SavedModel {
    let params = Params::init(&LAYERS, &mut ChaCha8Rng::seed_from_u64(1));
    let running = Running {
        means: vec![vec![0.5, -0.25, 0.0]],
        variances: vec![vec![1.0, 2.0, 0.125]],
    };
    SavedModel {
        info: info(&LAYERS),
        weights: Weights::Cnn { params, running },
    }
}

fn all() -> Vec<SavedModel> {
    let train = test_data::parts(&[0, 2, 0, 2, 0, 2, 2], 0, 3, 4).train;
    let (folds, cancel) = ([0, 0, 1, 1, 0, 1, 1], Cancel::default());
    let fit = |settings: &dyn Settings, folds: Option<&[usize]>| {
        let context = FitContext {
            folds,
            ..FitContext::new(&cancel)
        };
        Weights::Classical(settings.fit(&train, context).expect("fitted"))
    };
    let linear = SvmSettings {
        kernel: Kernel::Linear,
        ..SvmSettings::default()
    };
    let forest = ForestSettings {
        trees: 9,
        ..ForestSettings::default()
    };
    let knn = KnnSettings {
        k: 3,
        weights: KnnWeights::Distance,
    };
    let baselines = [
        fit(&LogisticSettings::default(), None),
        fit(&SvmSettings::default(), None),
        fit(&linear, None),
        fit(&SvmSettings::default(), Some(&folds)),
        fit(&forest, None),
        fit(&knn, None),
        fit(&NaiveBayesSettings::default(), None),
        fit(&LdaSettings::default(), None),
        fit(&LdaSettings::default(), Some(&folds)),
        fit(&MajoritySettings, None),
    ];
    let mut models = vec![cnn()];
    models.extend(baselines.map(|weights| SavedModel {
        info: info(&[]),
        weights,
    }));
    models
}

#[test]
fn every_kind_round_trips_bit_for_bit_in_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    for model in all() {
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        save(&a, &model).expect("saved");
        let loaded = load(&a).expect("loaded");
        assert_eq!(loaded, model);
        save(&b, &loaded).expect("saved again");
        for file in ["model.json", "model.safetensors", "README.md"] {
            assert_eq!(
                fs::read(a.join(file)).expect("a"),
                fs::read(b.join(file)).expect("b"),
                "{file}"
            );
        }
        let x = test_data::parts(&[0, 1], 0, 3, 4).train;
        let p = loaded
            .classifier()
            .expect("usable")
            .probabilities(&x.x().gather())
            .expect("probabilities");
        assert!(
            p.chunks(3)
                .all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5),
            "{}: {p:?}",
            model.weights.kind()
        );
    }
}

#[test]
fn kernels_are_stored_as_pytorch_has_them() {
    let model = cnn();
    let Weights::Cnn { params, .. } = &model.weights else {
        unreachable!("a network")
    };
    let bytes = encode(&model.weights, &LAYERS).expect("encoded");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let value = |name: &str, at: usize| {
        let data = file.tensor(name).expect("tensor").data();
        f32::from_le_bytes(data[4 * at..4 * at + 4].try_into().expect("four bytes"))
    };
    assert_eq!(
        file.tensor("layers.0.weight").expect("kernel").shape(),
        [3, 1, 5]
    );
    // Output 2, input 0, tap 4.
    assert_eq!(
        value("layers.0.weight", 2 * 5 + 4),
        params.tensors[0][4 * 3 + 2]
    );
    assert_eq!(
        file.tensor("layers.5.weight").expect("dense").shape(),
        [3, 6]
    );
    assert_eq!(
        value("layers.5.weight", 6 + 4),
        params.tensors[4][4 * 3 + 1]
    );
    assert_eq!(value("layers.1.running_var", 2), 0.125);
}

#[test]
fn the_card_says_what_the_model_is_not_for() {
    let card = card(&cnn());
    for part in [
        "# tiny on synthetic",
        "angry, calm, sad",
        "fold 2",
        "Judging people: not in hiring",
        "- uar: 0.71",
        "rmsprop",
    ] {
        assert!(card.contains(part), "{part} in {card}");
    }
}

#[test]
fn a_folder_without_a_model_is_missing() {
    let folder = tempfile::tempdir().expect("folder");
    assert_eq!(
        load(folder.path()).expect_err("empty").kind(),
        Kind::Missing
    );
    save(folder.path(), &cnn()).expect("saved");
    fs::remove_file(folder.path().join("model.safetensors")).expect("removed");
    assert_eq!(load(folder.path()).expect_err("half").kind(), Kind::Missing);
}

/// Saves the network, rewrites one of its files, and tells what loading says.
fn damaged(file: &str, rewrite: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let folder = tempfile::tempdir().expect("folder");
    save(folder.path(), &cnn()).expect("saved");
    let path = folder.path().join(file);
    fs::write(&path, rewrite(fs::read(&path).expect("read"))).expect("written");
    let error = load(folder.path()).expect_err("damage");
    assert_eq!(error.kind(), Kind::Data, "{error}");
    error.to_string()
}

fn replaced(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to).into_bytes()
    }
}

#[test]
fn damage_is_told_apart() {
    let flip = |mut bytes: Vec<u8>| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    };
    assert!(damaged("model.safetensors", flip).contains("is damaged"));
    assert!(damaged("model.safetensors", |_| Vec::new()).contains("is damaged"));
    assert!(damaged("model.json", |_| b"{".to_vec()).contains("is not a model description"));
    assert!(
        damaged(
            "model.json",
            replaced("\"schema_version\": 2", "\"schema_version\": 9")
        )
        .contains("schema version 9")
    );
    assert!(
        damaged(
            "model.json",
            replaced("\"kind\": \"cnn\"", "\"kind\": \"forest\"")
        )
        .contains("no model of kind \"forest\"")
    );
    assert!(
        damaged("model.json", replaced("\"outputs\": 3,", "\"outputs\": 4,"))
            .contains("has shape [3, 1, 5] instead of [4, 1, 5]")
    );
    assert!(
        damaged(
            "model.json",
            replaced("\"mfcc_03\"", "\"mfcc_03\", \"more\"")
        )
        .contains("scaler does not hold")
    );
    assert!(
        damaged("model.json", replaced("      0.7,", "      1e39,"))
            .contains("that of mfcc_01 is the first")
    );
    assert!(
        damaged("model.json", replaced("      1.1\n", "      -1.1\n"))
            .contains("that of mfcc_03 is the first")
    );
    assert!(
        damaged("model.json", replaced("-0.1,", "-0.1, -0.1,")).contains("domain does not hold")
    );
    assert!(
        damaged("model.json", replaced("\"sad\"", "\"sad\", \"bored\""))
            .contains("as many outputs as classes")
    );
    // What fits as well as before is known by the checksum alone.
    assert!(
        damaged("model.json", replaced("      0.7,", "      0.8,")).contains("checksum differs")
    );
    assert!(damaged("model.json", replaced("\"sad\"", "\"bad\"")).contains("checksum differs"));
}

#[test]
fn weights_that_contradict_themselves_are_refused() {
    let whole = all();
    for model in &whole {
        let bytes = encode(&model.weights, &model.info.layers).expect("encoded");
        let kind = model.weights.kind();
        assert!(decode(kind, &bytes, &model.info.layers, [4, 3]).is_ok());
        assert!(
            decode(kind, &bytes[..bytes.len() - 1], &model.info.layers, [4, 3])
                .expect_err("cut")
                .contains("safetensors")
        );
        if kind != "cnn" {
            assert!(
                decode(kind, &bytes, &[], [4, 2]).is_err() || kind == "majority",
                "{kind}"
            );
            assert!(
                decode("cnn", &bytes, &[], [4, 3])
                    .expect_err("other kind")
                    .contains("belongs to no part")
            );
        }
    }
    let huge = [Layer::Conv {
        inputs: usize::MAX,
        outputs: usize::MAX,
        kernel: usize::MAX,
    }];
    let bytes = encode(&cnn().weights, &LAYERS).expect("encoded");
    assert!(
        decode("cnn", &bytes, &huge, [4, 3])
            .expect_err("huge")
            .contains("has shape")
    );
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut model = cnn();
        if let Weights::Cnn { params, .. } = &mut model.weights {
            params.tensors[0][3] = value;
        }
        let bytes = encode(&model.weights, &LAYERS).expect("encoded");
        assert!(
            decode("cnn", &bytes, &LAYERS, [4, 3])
                .expect_err("broken")
                .contains("not finite")
        );
    }
}

#[test]
fn weights_that_cannot_be_are_refused_by_name() {
    let refusal = |model: &SavedModel| {
        let layers = &model.info.layers;
        decode(
            model.weights.kind(),
            &encode(&model.weights, layers).expect("encoded"),
            layers,
            [4, 3],
        )
        .expect_err("impossible")
    };
    let change = |weights: &mut Weights| match weights {
        Weights::Cnn { running, .. } => {
            running.variances[0][1] = -0.5;
            Some("layers.1.running_var holds -0.5")
        }
        Weights::Classical(classical) => match classical {
            Classical::Svm(Svm {
                gamma: Some(gamma), ..
            }) => {
                *gamma = -2.0;
                Some("gamma holds -2")
            }
            Classical::Svm(svm) => {
                svm.rho[0] = f64::NAN;
                Some("tensor rho holds numbers that are not finite")
            }
            Classical::Logistic(logistic) => {
                logistic.intercepts[0] = f64::INFINITY;
                Some("tensor intercepts holds numbers that are not finite")
            }
            Classical::Forest(forest) => {
                forest.shares[0] = -1.0;
                Some("tensor shares holds -1")
            }
            Classical::Majority(majority) => {
                majority.frequencies[0] = -0.25;
                Some("tensor frequencies holds -0.25")
            }
            Classical::Lda(lda) if lda.exponent.is_none() => {
                lda.weights[0] = f64::NAN;
                Some("tensor weights holds numbers that are not finite")
            }
            Classical::Lda(lda) => {
                lda.exponent = Some(-2.0);
                Some("tensor exponent holds -2")
            }
            Classical::Knn(_) | Classical::NaiveBayes(_) => None,
        },
    };
    let mut refused = 0;
    for mut model in all() {
        let Some(expected) = change(&mut model.weights) else {
            continue;
        };
        assert!(refusal(&model).contains(expected), "{}", refusal(&model));
        let folder = tempfile::tempdir().expect("folder");
        let error = save(&folder.path().join("m"), &model)
            .expect_err("nothing may be saved that cannot be loaded");
        assert!(
            error.kind() == Kind::Data && error.to_string().contains(expected),
            "{error}"
        );
        assert!(!folder.path().join("m").exists());
        refused += 1;
    }
    assert_eq!(refused, 9);
}

#[cfg(unix)]
#[test]
fn a_device_is_no_model() {
    let folder = tempfile::tempdir().expect("folder");
    for file in ["model.safetensors", "model.json"] {
        save(folder.path(), &cnn()).expect("saved");
        fs::remove_file(folder.path().join(file)).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(file)).expect("link");
        let error = load(folder.path()).expect_err("endless");
        assert!(
            error.kind() == Kind::Data && error.to_string().contains("is no regular file"),
            "{error}"
        );
        fs::remove_file(folder.path().join(file)).expect("removed");
    }
}

#[test]
fn names_in_a_card_are_text() {
    let mut model = cnn();
    model.info.labels[0] = "<script>x</script>\u{1b}[2J\u{202e}".to_owned();
    model.info.corpus = "[c](javascript:0)\n# heading".to_owned();
    model
        .info
        .provenance
        .insert("fold_name".to_owned(), "speaker <img src=x>|`".to_owned());
    let card = card(&model);
    assert!(
        card.starts_with("# tiny on \\[c\\](javascript:0) \\# heading\n"),
        "{card}"
    );
    assert!(
        card.contains("&lt;script&gt;x&lt;/script&gt;\u{fffd}\\[2J\u{fffd}, calm, sad"),
        "{card}"
    );
    assert!(
        card.contains("- fold\\_name: speaker &lt;img src=x&gt;\\|\\`"),
        "{card}"
    );
}
