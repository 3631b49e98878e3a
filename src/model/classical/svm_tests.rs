use super::*;
use crate::model::Classifier;
use crate::model::classical::distances::scale_gamma;
use crate::model::test_data::{accuracy, blobs, parts};
use crate::split::Grouping;
use crate::table::predictions::argmax;

const SETTINGS: SvmSettings = SvmSettings {
    kernel: Kernel::Rbf,
    c: 10.0,
    gamma: None,
};

fn fit(settings: SvmSettings, train: &Part<Training>) -> Svm {
    fit_checked(settings, train, FitContext::new(&Cancel::default())).expect("fitted")
}

#[test]
fn separable_classes_are_learnt() {
    let parts = blobs(60, 3, 4, 0.1, 1);
    for kernel in [Kernel::Rbf, Kernel::Linear] {
        let mut model = fit(SvmSettings { kernel, ..SETTINGS }, &parts.train);
        assert_eq!(accuracy(&mut model, &parts.test), 1.0);
        assert!(model.converged && model.vectors.rows() < parts.train.len());
    }
}

/// The Karush-Kuhn-Tucker conditions of LIBSVM's problem hold, on both sides of the box of C:
/// checks C, gamma and the signs.
#[test]
fn the_dual_solution_is_optimal() {
    let (mut bound, mut free) = (0, 0);
    for (kernel, c, seed) in [
        (Kernel::Rbf, 0.7, 3),
        (Kernel::Linear, 0.7, 3),
        (Kernel::Rbf, 30.0, 4),
        (Kernel::Linear, 3.0, 5),
    ] {
        let parts = blobs(60, 2, 3, 1.6, seed);
        let model = fit(
            SvmSettings {
                kernel,
                c,
                gamma: Some(Gamma::Value(0.4)),
            },
            &parts.train,
        );
        assert!(model.converged && model.dual.iter().sum::<f64>().abs() < 1e-9);
        let check = |i: usize, decisions: &[f64]| {
            let sign = if parts.train.y()[i] == 0 { 1.0 } else { -1.0 };
            let margin = sign * decisions[0];
            let row = parts.train.x().row(i);
            let alpha = (0..model.vectors.rows())
                .find(|&v| row == model.vectors.row(v))
                .map_or(0.0, |v| sign * model.dual[v]);
            assert!((-1e-12..=c + 1e-12).contains(&alpha), "alpha {alpha}");
            if alpha < 1e-9 {
                assert!(
                    margin > 1.0 - 2e-3,
                    "row {i} lies outside of the margin: {margin}"
                );
            } else if alpha > c - 1e-9 {
                bound += 1;
                assert!(margin < 1.0 + 2e-3, "row {i} violates the margin: {margin}");
            } else {
                free += 1;
                assert!(
                    (margin - 1.0).abs() < 2e-3,
                    "row {i} lies on the margin: {margin}"
                );
            }
        };
        model
            .decide(&parts.train.x().gather(), check)
            .expect("decided");
    }
    assert!(bound > 10 && free > 20, "{bound} bound, {free} free");
}

#[test]
fn shared_distances_change_nothing() {
    let parts = blobs(90, 3, 5, 1.5, 8);
    let cancel = Cancel::default();
    let shared = PairwiseDistances::of(Kernel::Rbf, &parts.train, &cancel).expect("measured");
    for (c, gamma) in [(0.1, None), (10.0, Some(Gamma::Value(0.05)))] {
        let settings = SvmSettings {
            kernel: Kernel::Rbf,
            c,
            gamma,
        };
        let alone = fit(settings, &parts.train);
        let context = FitContext {
            distances: Some(&shared),
            ..FitContext::new(&cancel)
        };
        let sharing: Svm = fit_checked(settings, &parts.train, context).expect("fitted");
        assert_eq!(sharing, alone);
    }
    let linear = SvmSettings {
        kernel: Kernel::Linear,
        c: 1.0,
        gamma: None,
    };
    let context = FitContext {
        distances: Some(&shared),
        ..FitContext::new(&cancel)
    };
    assert!(linear.fit(&parts.train, context).is_err());
}

/// Overlapping classes: the mean of the highest probability is near the accuracy on rows that
/// were not trained on, and the class of the decision function keeps the highest.
#[test]
fn calibrated_probabilities_are_as_high_as_often_right() {
    let parts = blobs(900, 3, 4, 2.2, 21);
    let cancel = Cancel::default();
    let settings = SvmSettings {
        kernel: Kernel::Rbf,
        c: 1.0,
        gamma: Some(Gamma::Value(0.3)),
    };
    let folds = parts
        .train
        .inner_fold_numbers(5, Grouping::Utterance, 0)
        .expect("folds");
    let mut plain = fit(settings, &parts.train);
    let context = FitContext {
        folds: Some(&folds),
        ..FitContext::new(&cancel)
    };
    let calibrated: Svm = fit_checked(settings, &parts.train, context).expect("fitted");
    assert_eq!(
        (&calibrated.dual, &calibrated.rho),
        (&plain.dual, &plain.rho)
    );
    let (p, changed) = calibrated.judge(&parts.test.x().gather()).expect("judged");
    let decided = plain
        .probabilities(&parts.test.x().gather())
        .expect("votes");
    let p = p.into_raw_vec_and_offset().0;
    let rows = || p.chunks(3).zip(decided.chunks(3)).zip(parts.test.y());
    assert!(
        rows().all(|((p, votes), _)| argmax(p) == argmax(votes)
            && (p.iter().sum::<f32>() - 1.0).abs() < 1e-5)
    );
    let n = parts.test.len() as f64;
    let right = rows().filter(|((p, _), y)| argmax(p) == **y).count() as f64 / n;
    let sure = rows()
        .map(|((p, _), _)| f64::from(p[argmax(p)]))
        .sum::<f64>()
        / n;
    assert!(
        right > 0.5
            && right < 0.95
            && (right - sure).abs() < 0.07
            && changed < parts.test.len() / 4,
        "{right} {sure} {changed}"
    );
}

#[test]
fn classes_absent_from_training_get_nothing() {
    let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
    let mut model = fit(SETTINGS, &parts.train);
    let p = model
        .probabilities(&parts.train.x().gather())
        .expect("probabilities");
    assert!(p.chunks(4).all(|row| row[1] == 0.0 && row[3] == 0.0));
    let single = crate::model::test_data::parts(&[1, 1], 0, 2, 3);
    let mut one = fit(SETTINGS, &single.train);
    assert_eq!(
        one.probabilities(&single.train.x().gather())
            .expect("probabilities"),
        [0.0, 1.0, 0.0, 1.0]
    );
}

#[test]
fn scale_is_scikit_learns() {
    let x = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
    assert!((scale_gamma(&x) - 1.0 / (2.0 * 1.25)).abs() < 1e-12);
    assert_eq!(scale_gamma(&Matrix::new(1, 2, vec![3.0; 2])), 1.0);
}

#[test]
fn cancelled() {
    let cancel = Cancel::default();
    cancel.request();
    let parts = blobs(20, 2, 2, 0.1, 1);
    assert!(
        SETTINGS
            .fit(&parts.train, FitContext::new(&cancel))
            .is_err()
    );
}
