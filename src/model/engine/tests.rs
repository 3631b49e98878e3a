//! The engine against a plain double-precision network, and its gradients against finite
//! differences of that network.

mod case;

use super::*;
use crate::model::Architecture;
use crate::model::architecture::Layer;
use crate::model::params::Params;
use Layer::{Attend, BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu, WeightedSum};
use case::Case;

fn conv(inputs: usize, outputs: usize, kernel: usize) -> Layer {
    Conv {
        inputs,
        outputs,
        kernel,
    }
}

/// Small networks that together hold every fused and every unfused sequence of layers.
fn small_cases() -> Vec<Case> {
    let norm = |channels| BatchNorm { channels };
    let dense = |inputs, outputs| Dense { inputs, outputs };
    let (drop, pool) = (Dropout { p: 0.3 }, MaxPool { size: 3 });
    let networks = [
        vec![Flatten, dense(11, 3)],
        vec![Flatten, dense(11, 5), Relu, drop, dense(5, 3), norm(3)],
        vec![conv(1, 3, 5), Flatten, dense(33, 3)],
        vec![conv(1, 19, 5), Relu, Flatten, dense(209, 3)],
        vec![conv(1, 19, 5), Relu, conv(19, 2, 3), Flatten, dense(22, 3)],
        vec![
            conv(1, 18, 3),
            norm(18),
            Relu,
            conv(18, 2, 5),
            drop,
            Flatten,
            dense(22, 3),
        ],
        vec![
            conv(1, 4, 5),
            norm(4),
            Relu,
            drop,
            conv(4, 3, 1),
            Relu,
            drop,
            norm(3),
            pool,
            conv(3, 2, 3),
            Relu,
            Flatten,
            drop,
            dense(6, 3),
        ],
        vec![
            conv(1, 4, 3),
            norm(4),
            Relu,
            drop,
            pool,
            conv(4, 3, 5),
            norm(3),
            Relu,
            drop,
            Flatten,
            dense(9, 3),
            norm(3),
        ],
        vec![
            conv(1, 4, 3),
            norm(4),
            drop,
            pool,
            norm(4),
            conv(4, 2, 3),
            Flatten,
            norm(6),
            drop,
            dense(6, 3),
        ],
        vec![
            norm(1),
            conv(1, 4, 3),
            drop,
            drop,
            pool,
            Relu,
            drop,
            Flatten,
            dense(12, 3),
        ],
        vec![
            pool,
            conv(1, 4, 5),
            drop,
            norm(4),
            norm(4),
            MaxPool { size: 1 },
            MaxPool { size: 2 },
            Flatten,
            dense(4, 3),
        ],
        vec![
            drop,
            Relu,
            conv(1, 6, 5),
            Relu,
            norm(6),
            Relu,
            Relu,
            pool,
            Flatten,
            Relu,
            drop,
            dense(18, 4),
            norm(4),
            Relu,
            dense(4, 3),
        ],
    ];
    let of_many_channels = [
        vec![conv(3, 4, 5), norm(4), Relu, Flatten, dense(16, 3)],
        vec![conv(2, 9, 3), Relu, Attend { channels: 9 }, dense(18, 3)],
        vec![
            conv(2, 4, 5),
            norm(4),
            Relu,
            MaxPool { size: 2 },
            drop,
            conv(4, 10, 3),
            norm(10),
            Relu,
            Attend { channels: 10 },
            drop,
            dense(20, 3),
        ],
        vec![Attend { channels: 4 }, norm(8), Relu, dense(8, 3)],
        vec![
            WeightedSum {
                length: 4,
                channels: 3,
            },
            drop,
            dense(3, 5),
            Relu,
            dense(5, 3),
        ],
        // The gradient of its input, too.
        vec![
            conv(4, 6, 3),
            norm(6),
            Relu,
            WeightedSum {
                length: 3,
                channels: 6,
            },
            dense(6, 3),
        ],
    ];
    let networks = networks
        .into_iter()
        .map(|layers| Case::new(layers, 11, 3, 4));
    networks
        .chain(
            of_many_channels
                .into_iter()
                .map(|layers| Case::new(layers, 12, 3, 4)),
        )
        .collect()
}

const ARCHITECTURES: [Architecture; 8] = [
    Architecture::Baseline,
    Architecture::BaselineNorm1,
    Architecture::BaselineNorm3,
    Architecture::Ravdess,
    Architecture::RavdessNorm2,
    Architecture::RavdessRelu,
    Architecture::EmodbA,
    Architecture::Iemocap,
];

#[test]
fn forward_passes_agree_with_the_definition() {
    small_cases().iter().for_each(Case::check_forward);
    for architecture in ARCHITECTURES {
        Case::architecture(architecture, 3).check_forward();
    }
}

#[test]
fn statistics_over_all_samples_agree_with_the_definition() {
    small_cases().into_iter().for_each(Case::check_norms);
    for architecture in ARCHITECTURES {
        Case::architecture(architecture, 7).check_norms();
    }
    let case = Case::architecture(Architecture::EmodbA, 2);
    assert!(
        case.engine(2)
            .measure_norms(&case.params, &mut case.running.clone(), &case.samples(0))
            .is_err()
    );
}

#[test]
fn dropout_takes_no_part_in_statistics_over_all_samples() {
    let case = Case::new(
        vec![
            Flatten,
            Dropout { p: 0.5 },
            Dense {
                inputs: 11,
                outputs: 3,
            },
            BatchNorm { channels: 3 },
        ],
        11,
        3,
        6,
    );
    let mut without = Case::new(case.layers.clone(), 11, 3, 6);
    without.layers[1] = Dropout { p: 0.0 };
    let [with, without] = [&case, &without].map(|case| {
        let mut running = case.running.clone();
        case.engine(4)
            .measure_norms(&case.params, &mut running, &case.samples(case.n()))
            .unwrap();
        running
    });
    assert_eq!(with, without);
}

#[test]
fn gradients_of_small_networks_agree_with_finite_differences() {
    small_cases().iter().for_each(Case::check_gradients);
}

#[test]
fn gradients_of_the_architectures_agree_with_finite_differences() {
    for architecture in ARCHITECTURES {
        Case::architecture(architecture, 3).check_gradients_along_directions();
    }
}

#[test]
fn a_smaller_batch_forgets_the_larger_one_before() {
    for (layers, features) in [
        (Architecture::Ravdess.layers(21, 3), 21),
        (small_cases().remove(7).layers, 11),
    ] {
        let (large, small) = (
            Case::new(layers.clone(), features, 3, 7),
            Case::new(layers, features, 3, 2),
        );
        let mut used = large.engine(7);
        large.step(&mut used);
        assert_eq!(
            small.step(&mut used),
            small.step(&mut small.engine(7)),
            "what a step leaves behind changes the next"
        );
        let fresh = small
            .engine(2)
            .infer(&small.params, &small.running, &small.x)
            .unwrap()
            .to_vec();
        assert_eq!(
            used.infer(&small.params, &small.running, &small.x).unwrap(),
            fresh
        );
    }
}

#[test]
fn threads_and_repetition_change_no_bit() {
    let case = Case::architecture(Architecture::Iemocap, 5);
    let run = || {
        let mut engine = case.engine(5);
        case.step(&mut engine);
        case.step(&mut engine)
    };
    let first = run();
    std::thread::scope(|scope| {
        let others = [scope.spawn(run), scope.spawn(run)];
        for other in others {
            assert_eq!(other.join().unwrap(), first);
        }
    });
}

#[test]
#[cfg(target_arch = "x86_64")]
fn instruction_sets_change_no_bit() {
    use crate::linalg::dispatch::{CEILING, Level};
    for case in small_cases()
        .iter()
        .chain(&ARCHITECTURES.map(|architecture| Case::architecture(architecture, 2)))
    {
        let [plain, avx2, widest] = [Level::Plain, Level::Avx2, Level::Avx512].map(|ceiling| {
            CEILING.set(ceiling);
            case.step(&mut case.engine(4))
        });
        assert_eq!(plain, avx2);
        assert_eq!(plain, widest);
    }
}

#[test]
fn inference_takes_any_number_of_samples() {
    let case = Case::architecture(Architecture::EmodbA, 7);
    let whole = case
        .engine(7)
        .infer(&case.params, &case.running, &case.x)
        .unwrap()
        .to_vec();
    let mut engine = case.engine(3);
    let parts = engine.infer(&case.params, &case.running, &case.x).unwrap();
    if crate::linalg::dispatch::has_fused_multiply_add() {
        assert_eq!(
            parts, whole,
            "a sample's logits do not depend on those beside it"
        );
    }
    assert!(parts.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(
        engine
            .infer(&case.params, &case.running, &[])
            .unwrap()
            .is_empty()
    );
    assert!(
        engine
            .infer(&case.params, &case.running, &case.x[1..])
            .is_err()
    );
    assert!(
        engine
            .infer(&Params::default(), &case.running, &case.x)
            .is_err()
    );
}

#[test]
fn steps_against_the_gradient_lower_the_loss() {
    let mut case = Case::architecture(Architecture::Ravdess, 6);
    let mut engine = case.engine(6);
    let before = case.step(&mut engine).0;
    for _ in 0..30 {
        let (_, _, grads, _) = case.step(&mut engine);
        for (values, gradients) in case.params.tensors.iter_mut().zip(&grads.tensors) {
            values
                .iter_mut()
                .zip(gradients)
                .for_each(|(value, gradient)| *value -= 0.01 * gradient);
        }
    }
    let after = case.step(&mut engine).0;
    assert!(after < 0.9 * before, "{before} -> {after}");
}

#[test]
fn divergence_shows_as_a_loss_that_is_no_number() {
    for mut case in ARCHITECTURES.map(|architecture| Case::architecture(architecture, 2)) {
        case.params.tensors[0][7] = f32::NAN;
        let mut engine = case.engine(2);
        assert!(case.step(&mut engine).0.is_nan());
        case.params.tensors[0][7] = 0.1;
        assert!(
            case.step(&mut engine)
                .2
                .tensors
                .iter()
                .flatten()
                .all(|gradient| gradient.is_finite()),
            "the next step is clean"
        );
    }
}

#[test]
fn layers_that_do_not_compose_are_named() {
    let message = |layers: &[Layer]| Engine::new(layers, 12, 4).unwrap_err().to_string();
    assert!(message(&[conv(5, 4, 5), Flatten]).contains("no whole number of rows of 5 channels"));
    assert!(message(&[conv(1, 4, 5), conv(2, 4, 5)]).starts_with("layer 1 (Conv"));
    assert!(message(&[Flatten, Attend { channels: 12 }]).contains("not flattened"));
    let sum = WeightedSum {
        length: 5,
        channels: 3,
    };
    assert!(message(&[sum]).contains("expects 5 inputs and gets 4"));
    assert!(message(&[conv(1, 4, 4), Flatten]).contains("odd"));
    assert!(message(&[conv(1, 4, 5), BatchNorm { channels: 5 }]).starts_with("layer 1 (BatchNorm"));
    assert!(message(&[MaxPool { size: 13 }]).contains("12 rows"));
    assert!(
        message(&[
            Flatten,
            Dense {
                inputs: 11,
                outputs: 2
            }
        ])
        .contains("expects 11 inputs and gets 12")
    );
    assert!(
        message(&[Dense {
            inputs: 12,
            outputs: 2
        }])
        .contains("flattened")
    );
    assert!(message(&[Flatten, conv(12, 2, 5)]).contains("not flattened"));
    assert!(message(&[Dropout { p: 1.0 }]).contains("below 1"));
    assert!(message(&[conv(1, 4, 5)]).contains("logits"));
    assert!(message(&[Flatten]).contains("computes"));
    assert!(
        Engine::new(
            &[
                Flatten,
                Dense {
                    inputs: 12,
                    outputs: 2
                }
            ],
            12,
            0
        )
        .is_err()
    );
    assert!(
        Engine::new(&Architecture::Ravdess.layers(7, 8), 7, 4).is_err(),
        "fewer features than the pool is wide"
    );
}
