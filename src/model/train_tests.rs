use super::*;
use crate::error::Kind;
use crate::model::test_data::{accuracy, blobs, gpus, parts};
use crate::model::{CnnClassifier, Device, EarlyStopping, Layer, NormStatistics, Optimizer};
use crate::split::Parts;

/// Quick settings for tiny problems.
pub(crate) fn settings() -> TrainSettings {
    TrainSettings {
        optimizer: Optimizer::Rmsprop,
        learning_rate: 3e-3,
        schedule: Schedule::InverseTime { decay: 1e-3 },
        weight_decay: 0.0,
        batch_size: 8,
        epochs: 6,
        label_smoothing: 0.0,
        mixup: 0.0,
        spec_augment: None,
        class_weights: false,
        batch_norm: NormStatistics::Population,
        early_stopping: None,
        checkpoint_every: 0,
        device: Device::Cpu,
    }
}

/// A narrow network with a layer of every kind.
pub(crate) fn spec() -> NetSpec {
    use Layer::{BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu};
    let layers = vec![
        Conv {
            inputs: 1,
            outputs: 6,
            kernel: 5,
        },
        BatchNorm { channels: 6 },
        Relu,
        Conv {
            inputs: 6,
            outputs: 4,
            kernel: 5,
        },
        Relu,
        Dropout { p: 0.1 },
        MaxPool { size: 4 },
        Flatten,
        Dropout { p: 0.2 },
        Dense {
            inputs: 12,
            outputs: 3,
        },
    ];
    NetSpec {
        layers,
        n_features: 13,
        n_classes: 3,
    }
}

fn run(parts: &Parts, settings: &TrainSettings) -> Result<Trained> {
    run_until(parts, settings, None, None).0
}

/// Trains, asks to stop after `stop` epochs, and tells how many epochs were heard of.
fn run_until(
    parts: &Parts,
    settings: &TrainSettings,
    checkpoint: Option<&Path>,
    stop: Option<usize>,
) -> (Result<Trained>, usize) {
    let (spec, cancel) = (spec(), Cancel::default());
    let job = TrainJob {
        spec: &spec,
        settings,
        train: &parts.train,
        validation: parts.validation.as_ref(),
        seed: 5,
        checkpoint,
    };
    let mut heard = 0;
    if stop == Some(0) {
        cancel.request();
    }
    let trained = train(&job, &cancel, &mut |record| {
        heard += 1;
        if Some(record.epoch) == stop {
            cancel.request();
        }
    });
    (trained, heard)
}

fn everything() -> TrainSettings {
    TrainSettings {
        optimizer: Optimizer::Adamw,
        weight_decay: 0.01,
        schedule: Schedule::Cosine { warmup: 0.1 },
        label_smoothing: 0.1,
        mixup: 0.3,
        class_weights: true,
        batch_norm: NormStatistics::Population,
        early_stopping: Some(EarlyStopping { patience: 4 }),
        epochs: 8,
        ..settings()
    }
}

/// What is done to rows here when they are read; the training in the pipeline does so.
fn scaled(row: &mut [f32]) {
    row.iter_mut()
        .for_each(|value| *value = (*value - 0.3) / 0.7);
}

#[test]
fn rows_that_are_scaled_as_they_are_read_train_the_same_network() {
    let parts = blobs(120, 3, 13, 1.5, 4);
    let settings = TrainSettings {
        mixup: 0.2,
        ..settings()
    };
    let of = |train| {
        let parts = Parts {
            train,
            ..parts.clone()
        };
        run(&parts, &settings).expect("trained")
    };
    let copied = of(parts.train.clone().map_rows(scaled));
    assert_eq!(of(parts.train.clone().rewritten(scaled)), copied);
    assert_ne!(of(parts.train.clone()), copied);
}

#[test]
fn a_separable_problem_is_learnt() {
    let parts = blobs(90, 3, 13, 0.6, 2);
    for device in [Device::Cpu, Device::BurnFlex].into_iter().chain(gpus()) {
        let trained = run(
            &parts,
            &TrainSettings {
                epochs: 12,
                device,
                ..settings()
            },
        )
        .expect("trained");
        let (first, last) = (&trained.history[0], &trained.history[11]);
        assert!(
            last.train_loss < first.train_loss / 2.0,
            "{device:?}: {first:?} {last:?}"
        );
        assert_eq!(trained.epoch, 12);
        assert!(last.train_accuracy > 0.9 && last.learning_rate < first.learning_rate);
        let mut model =
            CnnClassifier::new(spec(), trained.params, trained.running).expect("usable");
        // Running statistics lag behind after so few steps, so the test asks for better than chance
        // and not for perfection.
        assert!(accuracy(&mut model, &parts.test) > 0.6, "{device:?}");
    }
}

#[test]
fn all_devices_take_the_same_steps() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    let short = TrainSettings {
        epochs: 2,
        learning_rate: 1e-4,
        ..everything()
    };
    let engine = run(&parts, &short).expect("engine");
    for device in [Device::BurnFlex].into_iter().chain(gpus()) {
        let slack = if device.is_gpu() { 10.0 } else { 1.0 };
        let burn = run(
            &parts,
            &TrainSettings {
                device,
                ..short.clone()
            },
        )
        .expect("burn");
        for (a, b) in engine.history.iter().zip(&burn.history) {
            assert!(
                (a.train_loss - b.train_loss).abs() < slack * 1e-4 * a.train_loss,
                "{device:?}: {a:?} {b:?}"
            );
            let (a, b) = (
                a.validation_loss.expect("loss"),
                b.validation_loss.expect("loss"),
            );
            assert!((a - b).abs() < slack * 1e-3 * a, "{device:?}: {a} {b}");
        }
    }
}

#[test]
fn a_training_on_a_gpu_goes_on_from_its_checkpoint() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    let folder = tempfile::tempdir().expect("folder");
    for device in gpus() {
        let path = folder.path().join(device.name());
        let settings = TrainSettings {
            device,
            early_stopping: None,
            ..everything()
        };
        let straight = run(&parts, &settings).expect("straight");
        let (stopped, _) = run_until(&parts, &settings, Some(&path), Some(3));
        assert_eq!(stopped.expect_err("stopped").kind(), Kind::Interrupted);
        let resumed = run_until(&parts, &settings, Some(&path), None)
            .0
            .expect("resumed");
        assert_eq!((resumed.resumed_after, resumed.history.len()), (Some(3), 8));
        // A GPU promises no bits, but the same steps.
        for (a, b) in straight.history.iter().zip(&resumed.history) {
            assert!(
                (a.train_loss - b.train_loss).abs() < 0.02 * a.train_loss,
                "{device:?}: {a:?} {b:?}"
            );
        }
    }
}

#[test]
fn a_resumed_run_equals_one_that_went_straight_through() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    let folder = tempfile::tempdir().expect("folder");
    for (name, device, optimizer) in [
        ("a", Device::Cpu, Optimizer::Rmsprop),
        ("b", Device::Cpu, Optimizer::Adamw),
        ("c", Device::BurnFlex, Optimizer::Adam),
    ] {
        let path = folder.path().join(name);
        let straight = run(
            &parts,
            &TrainSettings {
                device,
                optimizer,
                ..everything()
            },
        )
        .expect("straight");
        assert_eq!(straight.resumed_after, None);
        // Every other epoch writes a checkpoint, and so do the requests to stop after the third and
        // the fourth.
        let kept = TrainSettings {
            device,
            optimizer,
            checkpoint_every: 2,
            ..everything()
        };
        for (stop, epochs) in [(3, 3), (4, 1)] {
            let (stopped, heard) = run_until(&parts, &kept, Some(&path), Some(stop));
            assert_eq!(
                (stopped.expect_err("stopped").kind(), heard),
                (Kind::Interrupted, epochs)
            );
        }
        let (resumed, heard) = run_until(&parts, &kept, Some(&path), None);
        let resumed = resumed.expect("resumed");
        assert_eq!(
            (resumed.resumed_after, heard),
            (Some(4), straight.history.len() - 4)
        );
        assert_eq!(
            Trained {
                resumed_after: None,
                ..resumed
            },
            straight,
            "{device:?} {optimizer:?}"
        );
    }
}

#[test]
fn a_checkpoint_is_written_when_stopped_and_ignored_by_other_runs() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("run.ckpt");
    let rarely = TrainSettings {
        checkpoint_every: 100,
        ..settings()
    };
    let stopped = |stop| {
        let (trained, heard) = run_until(&parts, &rarely, Some(&path), Some(stop));
        (trained.expect_err("stopped").kind(), heard, path.exists())
    };
    assert_eq!(stopped(0), (Kind::Interrupted, 0, false));
    assert_eq!(stopped(1), (Kind::Interrupted, 1, true));
    let other = TrainSettings {
        learning_rate: 1e-3,
        ..rarely
    };
    let trained = run_until(&parts, &other, Some(&path), None)
        .0
        .expect("trained");
    assert_eq!(trained.resumed_after, None);
    assert!(
        trained
            .ignored_checkpoint
            .expect("reason")
            .contains("belongs to other settings or data")
    );
    assert_eq!(trained.params, run(&parts, &other).expect("anew").params);
    // How often checkpoints are written decides nothing, so another interval goes on from the same
    // file.
    let often = TrainSettings {
        checkpoint_every: 1,
        ..settings()
    };
    let trained = run_until(&parts, &often, Some(&path), None)
        .0
        .expect("trained");
    assert_eq!(
        (trained.resumed_after, &trained.ignored_checkpoint),
        (Some(1), &None)
    );
}

#[test]
fn weights_do_not_depend_on_threads_or_on_runs_beside() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    for device in [Device::Cpu, Device::BurnFlex] {
        let settings = TrainSettings {
            device,
            epochs: 3,
            ..everything()
        };
        let alone = run(&parts, &settings).expect("alone");
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("pool");
            assert_eq!(
                pool.install(|| run(&parts, &settings)).expect("in a pool"),
                alone,
                "{device:?}, {threads} threads"
            );
        }
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| run(&parts, &settings).expect("beside")))
                .collect();
            for run in runs {
                assert_eq!(run.join().expect("joined"), alone, "{device:?}");
            }
        });
    }
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    let stopping = TrainSettings {
        early_stopping: Some(EarlyStopping { patience: 2 }),
        learning_rate: 0.05,
        epochs: 200,
        ..settings()
    };
    let trained = run(&parts, &stopping).expect("trained");
    let losses: Vec<f64> = trained
        .history
        .iter()
        .filter_map(|r| r.validation_loss)
        .collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(losses.len() < 200, "stopped");
    assert_eq!(losses[trained.epoch - 1], best);
    assert_eq!(trained.epoch + 2, losses.len());
    // The parameters kept are those that had that loss.
    let cut = TrainSettings {
        early_stopping: None,
        epochs: trained.epoch,
        ..stopping
    };
    assert_eq!(run(&parts, &cut).expect("cut").params, trained.params);
}

/// The loss of the validation part under the network that is kept.
fn validation_loss(parts: &Parts, trained: &Trained) -> f64 {
    let validation = parts.validation.as_ref().expect("a validation part");
    let mut engine = network(Device::Cpu, &spec(), 8).expect("an engine");
    let logits = engine
        .infer(
            &trained.params,
            &trained.running,
            validation.x().gather().values(),
        )
        .expect("logits")
        .to_vec();
    judge(&logits, validation.y(), 3).0
}

#[test]
fn the_validation_loss_is_that_of_the_network_that_is_kept() {
    let parts = blobs(45, 3, 13, 0.6, 2);
    for batch_norm in [NormStatistics::Population, NormStatistics::MovingAverage] {
        for early_stopping in [None, Some(EarlyStopping { patience: 2 })] {
            let settings = TrainSettings {
                batch_norm,
                early_stopping,
                learning_rate: 0.05,
                epochs: 20,
                ..settings()
            };
            let trained = run(&parts, &settings).expect("trained");
            assert_eq!(
                trained.history[trained.epoch - 1].validation_loss,
                Some(validation_loss(&parts, &trained))
            );
            assert_eq!(
                trained.epoch == trained.history.len(),
                early_stopping.is_none()
            );
        }
    }
}

#[test]
fn the_fewer_rows_the_further_moving_averages_are_from_the_statistics_of_the_training_part() {
    let mut factors = Vec::new();
    // Of these rows, as many are trained on.
    for (all, rows) in [(90, 60), (222, 150), (450, 300)] {
        // Small values, and steps by which the parameters hardly move.
        let Parts {
            train,
            validation,
            test,
        } = blobs(all, 3, 13, 3.0, 4);
        let parts = Parts {
            train: train.map_rows(|row| row.iter_mut().for_each(|value| *value *= 0.3)),
            validation,
            test,
        };
        let trained = |batch_norm, mixup| {
            let settings = TrainSettings {
                batch_norm,
                mixup,
                learning_rate: 1e-4,
                ..settings()
            };
            run(&parts, &settings).expect("trained")
        };
        let [population, moving] = [NormStatistics::Population, NormStatistics::MovingAverage]
            .map(|way| trained(way, 0.0));
        assert_eq!(population.params, moving.params, "they decide nothing else");
        assert_eq!(
            (parts.train.len(), &population.variance_ratios),
            (rows, &None)
        );
        // The true ones, by burn's module; rows that are mixed in training are not mixed here.
        let exact = |params: &Params| {
            let mut exact = Running::new(&spec().layers);
            let mut burn = network(Device::BurnFlex, &spec(), 8).expect("a network");
            burn.measure_norms(params, &mut exact, parts.train.x())
                .expect("statistics");
            exact
        };
        for trained in [&population, &trained(NormStatistics::Population, 0.4)] {
            let (ours, exact) = (&trained.running, exact(&trained.params));
            let pairs = |ours: &[Vec<f32>], exact: &[Vec<f32>]| {
                ours.concat()
                    .into_iter()
                    .zip(exact.concat())
                    .collect::<Vec<_>>()
            };
            let pairs = [
                pairs(&ours.means, &exact.means),
                pairs(&ours.variances, &exact.variances),
            ]
            .concat();
            assert!(
                pairs
                    .iter()
                    .all(|(ours, exact)| (ours - exact).abs() < 1e-5),
                "{pairs:?}"
            );
        }
        let exact = exact(&population.params);
        let ratios = moving.variance_ratios.expect("ratios");
        assert!(
            ratios
                .iter()
                .zip(moving.running.variance_ratios(&exact))
                .all(|(a, b)| (a - b).abs() < 1e-4),
            "{ratios:?}"
        );
        // Of the 1 that they start from, 0.99^steps is left.
        let left = 0.99f64.powi((steps(rows, 8).len() * 6) as i32);
        let variance = f64::from(exact.variances[0][2]);
        let (factor, expected) = (
            f64::from(moving.running.variances[0][2]) / variance,
            left / variance + 1.0 - left,
        );
        assert!(
            (factor / expected - 1.0).abs() < 0.15,
            "{rows} rows: {factor}, not {expected}"
        );
        factors.push(ratios[0]);
    }
    assert!(
        factors.iter().all(|factor| *factor > 1.5) && factors.is_sorted_by(|a, b| a > b),
        "{factors:?}"
    );
}

#[test]
fn a_single_row_is_no_step() {
    let train = parts(&[0, 1, 2, 0, 1, 2, 0, 1, 2], 0, 3, 13);
    run(
        &train,
        &TrainSettings {
            epochs: 1,
            ..settings()
        },
    )
    .expect("nine rows in steps of eight");
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let fine = parts(&[0, 1, 2, 0], 0, 3, 13);
    let kind = |parts: &Parts, settings: &TrainSettings| {
        run(parts, settings)
            .map_err(|e| (e.kind(), e.to_string()))
            .expect_err("refused")
    };
    let (found, message) = kind(&fine, &everything());
    assert_eq!(found, Kind::Config);
    assert!(message.contains("validation part"), "{message}");
    assert_eq!(
        kind(
            &fine,
            &TrainSettings {
                batch_size: 1,
                ..settings()
            }
        )
        .0,
        Kind::Config
    );
    assert_eq!(
        kind(
            &fine,
            &TrainSettings {
                learning_rate: f64::NAN,
                ..settings()
            }
        )
        .0,
        Kind::Config
    );
    assert_eq!(kind(&parts(&[0], 0, 3, 13), &settings()).0, Kind::Data);
    let Parts {
        train,
        validation,
        test,
    } = fine.clone();
    let broken = Parts {
        train: train.map_rows(|row| row[3] = f32::INFINITY),
        validation,
        test,
    };
    let (found, message) = kind(&broken, &settings());
    assert_eq!(found, Kind::Data);
    assert!(
        message.contains("utterance u0000 has a feature (column 3)"),
        "{message}"
    );
    let (found, message) = kind(
        &fine,
        &TrainSettings {
            learning_rate: 1e38,
            ..settings()
        },
    );
    assert_eq!(found, Kind::Data);
    assert!(message.contains("training diverges in epoch"), "{message}");
}
