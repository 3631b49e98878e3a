//! Every model beside linfa's own and beside figures of scikit-learn 1.9.1, on the same rows:
//!
//! ```python
//! i, f = np.mgrid[:66, :4]
//! x = (i * 37 + f * 101 + i * f * 13) % 97 / 16 + 2 * (f % 3 == i % 3)
//! x, y, test = x[:60], np.arange(60) % 3, x[60:63]
//! GaussianNB(var_smoothing=...).fit(x, y).predict_proba(test)
//! LogisticRegression(C=0.7, tol=1e-12, max_iter=100000).fit(x, y).predict_proba(test)
//! KNeighborsClassifier(5, weights="distance").fit(x, y).predict_proba(test)
//! LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...).fit(x, y).predict_proba(test)
//! SVC(C=2, gamma=0.05, tol=1e-6, decision_function_shape="ovo").fit(x, y).decision_function(test)
//! ```

use linfa::traits::Predict;
use linfa_bayes::GaussianNb;
use linfa_logistic::MultiLogisticRegression;
use linfa_svm::Svm as LinfaSvm;

use super::naive_bayes::in_double_precision;
use super::*;
use crate::model::test_data;

const ROWS: usize = 60;
const COLUMNS: usize = 4;

fn value(row: usize, column: usize) -> f32 {
    let cycle = (row * 37 + column * 101 + row * column * 13) % 97;
    cycle as f32 / 16.0 + if column % 3 == row % 3 { 2.0 } else { 0.0 }
}

fn train() -> Part<Training> {
    let classes: Vec<usize> = (0..ROWS).map(|row| row % 3).collect();
    let mut rows = 0..;
    let parts = test_data::parts(&classes, 0, 3, COLUMNS);
    parts.train.map_rows(|values| {
        let row = rows.next().expect("a number");
        for (column, v) in values.iter_mut().enumerate() {
            *v = value(row, column);
        }
    })
}

fn tested() -> Matrix {
    let values = (ROWS..ROWS + 3).flat_map(|row| (0..COLUMNS).map(move |f| value(row, f)));
    Matrix::new(3, COLUMNS, values.collect())
}

fn fit(settings: &dyn Settings) -> Classical {
    let cancel = Cancel::default();
    settings
        .fit(&train(), FitContext::new(&cancel))
        .expect("fitted")
}

fn assert_near(found: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(
            (f64::from(*found) - wanted).abs() < tolerance,
            "{found} and not {wanted}"
        );
    }
}

#[test]
fn naive_bayes_is_that_of_scikit_learn_and_of_linfa() {
    let cases = [
        (
            1e-9,
            [
                0.302_962_080_5,
                0.686_172_438_9,
                0.010_865_480_6,
                0.235_631_202_0,
                0.431_754_175_6,
                0.332_614_622_4,
                0.588_430_435_8,
                0.029_792_339_8,
                0.381_777_224_3,
            ],
        ),
        (
            0.5,
            [
                0.363_790_363_4,
                0.586_871_112_2,
                0.049_338_524_4,
                0.277_897_492_4,
                0.389_125_020_9,
                0.332_977_486_6,
                0.514_303_471_7,
                0.087_953_268_6,
                0.397_743_259_7,
            ],
        ),
    ];
    for (var_smoothing, wanted) in cases {
        let model = fit(&NaiveBayesSettings { var_smoothing });
        let p = model
            .classifier()
            .probabilities(&tested())
            .expect("probabilities");
        assert_near(&p, &wanted, 1e-7);
        let (part, x) = (train(), tested());
        let set = in_double_precision(&training_set(&part));
        let theirs = GaussianNb::params()
            .var_smoothing(var_smoothing)
            .fit(&set)
            .expect("fitted");
        let values = x.values().iter().map(|v| f64::from(*v)).collect();
        let x64 = Array2::from_shape_vec((3, COLUMNS), values).expect("a matrix");
        assert_eq!(model.classes(&x).expect("classes"), theirs.predict(&x64));
    }
}

/// Thousands of features whose likelihoods are far below the least number above 0.
#[test]
fn naive_bayes_survives_many_features() {
    let cancel = Cancel::default();
    let parts = test_data::blobs(60, 3, 4000, 2.0, 4);
    let settings = NaiveBayesSettings::default();
    let model = settings
        .fit(&parts.train, FitContext::new(&cancel))
        .expect("fitted");
    let mut classifier = model.classifier();
    let p = classifier
        .probabilities(&parts.test.x().gather())
        .expect("probabilities");
    assert!(
        p.chunks(3)
            .all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6)
    );
    assert_eq!(test_data::accuracy(classifier.as_mut(), &parts.test), 1.0);
    let constant = parts.train.map_rows(|row| row.fill(7.0));
    let error = settings
        .fit(&constant, FitContext::new(&cancel))
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "no feature varies between training utterances"
    );
}

#[test]
fn neighbours_are_those_of_scikit_learn() {
    let settings = KnnSettings {
        k: 5,
        weights: KnnWeights::Distance,
    };
    let p = fit(&settings)
        .classifier()
        .probabilities(&tested())
        .expect("probabilities");
    let wanted = [
        0.404_455_300_9,
        0.431_276_607_6,
        0.164_268_091_5,
        0.413_812_564_7,
        0.362_676_698_2,
        0.223_510_737_0,
        0.284_436_048_4,
        0.0,
        0.715_563_951_6,
    ];
    assert_near(&p, &wanted, 1e-7);
}

#[test]
fn discriminant_analysis_is_that_of_scikit_learn() {
    let cases = [
        (
            0.2,
            [
                0.310_276_794_6,
                0.685_568_355_9,
                0.004_154_849_4,
                0.294_073_339_5,
                0.432_268_496_4,
                0.273_658_164_1,
                0.470_800_492_2,
                0.035_405_618_9,
                0.493_793_888_9,
            ],
        ),
        (
            1.0,
            [
                0.308_652_648_3,
                0.680_764_824_0,
                0.010_582_527_7,
                0.252_001_527_3,
                0.421_561_201_1,
                0.326_437_271_6,
                0.583_682_167_1,
                0.031_220_612_1,
                0.385_097_220_8,
            ],
        ),
    ];
    for (shrinkage, wanted) in cases {
        let model = fit(&LdaSettings { shrinkage });
        let p = model
            .classifier()
            .probabilities(&tested())
            .expect("probabilities");
        assert_near(&p, &wanted, 1e-6);
    }
}

/// Fewer rows than features: `(i * 37 + f * 101 + i * f * 13) % 97 / 16` of 15 rows and 40 columns.
#[test]
fn discriminant_analysis_of_wide_rows_is_that_of_scikit_learn() {
    let value = |row: usize, f: usize| ((row * 37 + f * 101 + row * f * 13) % 97) as f32 / 16.0;
    let classes: Vec<usize> = (0..15).map(|row| row % 3).collect();
    let mut rows = 0..;
    let train = test_data::parts(&classes, 0, 3, 40)
        .train
        .map_rows(|values| {
            let row = rows.next().expect("a number");
            for (f, v) in values.iter_mut().enumerate() {
                *v = value(row, f);
            }
        });
    let cancel = Cancel::default();
    let model = LdaSettings { shrinkage: 0.9 }
        .fit(&train, FitContext::new(&cancel))
        .expect("fitted");
    let tested = (15..18).flat_map(|row| (0..40).map(move |f| value(row, f)));
    let p = model
        .classifier()
        .probabilities(&Matrix::new(3, 40, tested.collect()))
        .expect("probabilities");
    let wanted = [
        0.981_895_806_8,
        0.018_029_153_4,
        0.000_075_039_7,
        0.018_287_691_8,
        0.981_694_841_2,
        0.000_017_467_1,
        0.426_341_209_9,
        0.002_585_335_7,
        0.571_073_454_4,
    ];
    assert_near(&p, &wanted, 1e-5);
}

/// Sum of log losses + half the squared weights times `penalty`.
fn objective(weights: &[f64], intercepts: &[f64], penalty: f64) -> f64 {
    let part = train();
    let mut value = 0.5 * penalty * weights.iter().map(|w| w * w).sum::<f64>();
    for (row, class) in part.y().iter().enumerate() {
        let mut logits = intercepts.to_vec();
        for (x, weights) in part.x().row(row).iter().zip(weights.chunks(3)) {
            for (logit, weight) in logits.iter_mut().zip(weights) {
                *logit += f64::from(*x) * weight;
            }
        }
        value += logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[*class];
    }
    value
}

/// linfa's regression stops before the optimum, ours and scikit-learn's do not.
#[test]
fn logistic_regression_is_that_of_scikit_learn_and_not_above_that_of_linfa() {
    let c = 0.7;
    let model = fit(&LogisticSettings { c });
    let p = model
        .classifier()
        .probabilities(&tested())
        .expect("probabilities");
    let wanted = [
        0.318_760_794_1,
        0.677_400_402_9,
        0.003_838_803_0,
        0.310_919_638_7,
        0.424_037_618_6,
        0.265_042_742_6,
        0.429_244_217_1,
        0.036_684_025_7,
        0.534_071_757_2,
    ];
    assert_near(&p, &wanted, 1e-5);
    let Classical::Logistic(ours) = model else {
        panic!("another model")
    };
    let part = train();
    let set = in_double_precision(&training_set(&part));
    let theirs = MultiLogisticRegression::new()
        .alpha(1.0 / c)
        .max_iterations(1000)
        .fit(&set)
        .expect("fitted");
    let weights: Vec<f64> = theirs.params().iter().copied().collect();
    let intercepts = theirs.intercept().to_vec();
    let ours = objective(&ours.weights, &ours.intercepts, 1.0 / c);
    let theirs = objective(&weights, &intercepts, 1.0 / c);
    assert!(ours <= theirs + 1e-6 * theirs, "{ours} {theirs}");
    assert!(
        theirs < 1.01 * ours,
        "not the same objective: {theirs} {ours}"
    );
}

#[test]
fn margins_are_those_of_scikit_learn_and_of_linfa() {
    let settings = SvmSettings {
        kernel: Kernel::Rbf,
        c: 2.0,
        gamma: Some(Gamma::Value(0.05)),
    };
    let wanted = [
        [0.081_809_07, 0.267_760_45, 0.758_385_32],
        [-0.625_032_13, -0.082_166_41, 0.433_207_03],
        [0.838_287_52, 0.166_047_24, -1.076_498_78],
    ];
    let Classical::Svm(ours) = fit(&settings) else {
        panic!("another model")
    };
    let part = train();
    let set = in_double_precision(&training_set(&part));
    let x: Vec<f64> = tested().values().iter().map(|v| f64::from(*v)).collect();
    let theirs = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| {
        let rows: Vec<usize> = (0..ROWS)
            .filter(|row| [a, b].contains(&(row % 3)))
            .collect();
        let pair = DatasetBase::new(
            set.records.select(ndarray::Axis(0), &rows),
            rows.iter()
                .map(|row| row % 3 == a)
                .collect::<Array1<bool>>(),
        );
        let machine = LinfaSvm::<f64, bool>::params()
            .pos_neg_weights(2.0, 2.0)
            .gaussian_kernel(1.0 / 0.05)
            .eps(1e-3)
            .fit(&pair)
            .expect("fitted");
        let decide = |row: &[f64]| machine.weighted_sum(&ArrayView1::from(row)) - machine.rho;
        x.chunks(COLUMNS).map(decide).collect::<Vec<f64>>()
    });
    let mut rows = 0;
    let compare = |row: usize, decisions: &[f64]| {
        for (pair, ours) in decisions.iter().enumerate() {
            // All three stop once the conditions hold within 1e-3, or 1e-6 of scikit-learn's.
            assert!((ours - wanted[row][pair]).abs() < 2e-3, "{ours} {wanted:?}");
            assert!((ours - theirs[pair][row]).abs() < 4e-3, "{ours} {theirs:?}");
        }
        rows += 1;
    };
    ours.decide(&tested(), compare).expect("decided");
    assert_eq!(rows, 3);
}

/// What linfa's traits promise of every kind: settings are checked, targets are as many as rows and
/// those of the highest probability.
#[test]
fn every_kind_is_a_model_of_linfa() {
    let forest = ForestSettings {
        trees: 20,
        ..ForestSettings::default()
    };
    let kinds: [&dyn Settings; 7] = [
        &LogisticSettings::default(),
        &SvmSettings::default(),
        &forest,
        &KnnSettings::default(),
        &NaiveBayesSettings::default(),
        &LdaSettings::default(),
        &MajoritySettings,
    ];
    for settings in kinds {
        let model = fit(settings);
        assert_eq!(settings.name(), model.name());
        let set = DatasetBase::new(tested(), ());
        let classes: Array1<usize> = model.predict(&set);
        let p = model
            .classifier()
            .probabilities(&set.records)
            .expect("probabilities");
        let best: Vec<usize> = p.chunks(3).map(argmax).collect();
        assert_eq!(classes.to_vec(), best, "{}", settings.name());
    }
    let cancel = Cancel::default();
    let wrong = Params::new(LogisticSettings { c: -1.0 }, FitContext::new(&cancel));
    assert!(wrong.check_ref().is_err());
    assert!(wrong.fit(&training_set(&train())).is_err());
}

/// Rows that are scaled as they are read give the same model as a scaled copy of them, and none
/// that differs from it by rounding.
#[test]
fn rows_that_are_scaled_as_they_are_read_make_the_same_models() {
    let scaled = |row: &mut [f32]| {
        row.iter_mut()
            .for_each(|value| *value = (*value - 0.3) / 0.7);
    };
    let every: [&dyn Settings; 8] = [
        &LogisticSettings::default(),
        &SvmSettings::default(),
        &SvmSettings {
            kernel: Kernel::Linear,
            ..SvmSettings::default()
        },
        &LdaSettings::default(),
        &KnnSettings::default(),
        &ForestSettings {
            trees: 5,
            ..ForestSettings::default()
        },
        &NaiveBayesSettings::default(),
        &MajoritySettings,
    ];
    let cancel = Cancel::default();
    // As many features as have the regression solved in the space of its rows, and fewer.
    for features in [7, 150] {
        let train = test_data::blobs(90, 3, features, 4.0, 2).train;
        let folds: Vec<usize> = (0..train.len()).map(|row| row % 5).collect();
        for settings in every {
            for standardised in [false, true] {
                let context = FitContext {
                    standardised,
                    folds: Some(&folds),
                    ..FitContext::new(&cancel)
                };
                let fit = |train: Part<Training>| settings.fit(&train, context).expect("a model");
                let copied = fit(train.clone().map_rows(scaled));
                let read = fit(train.clone().rewritten(scaled));
                assert!(read == copied, "{} of {features}", settings.name());
            }
        }
    }
}
