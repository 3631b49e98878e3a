//! The engine against a plain double-precision network, and its gradients against finite
//! differences of that network.

use super::*;
use crate::model::Architecture;
use crate::model::architecture::{Layer, input_channels};
use crate::model::params::{ATTEND_EPSILON, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
use crate::model::params::{Params, Running};
use Layer::{Attend, BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu, WeightedSum};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KEY: u64 = 0x5eed;

/// A network with parameters away from their initial symmetries, and a batch.
struct Case {
    layers: Vec<Layer>,
    n_features: usize,
    classes: usize,
    params: Params,
    running: Running,
    x: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Case {
    fn new(layers: Vec<Layer>, n_features: usize, classes: usize, n: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(n_features as u64 + 100 * layers.len() as u64);
        let mut params = Params::init(&layers, &mut rng);
        let mut noise = |scale: f32| (rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) * scale;
        for ((name, _), tensor) in Params::shapes(&layers).iter().zip(&mut params.tensors) {
            if !name.ends_with("weight") {
                tensor.iter_mut().for_each(|value| *value += noise(0.4));
            }
        }
        let mut running = Running::new(&layers);
        running
            .means
            .iter_mut()
            .flatten()
            .for_each(|mean| *mean = noise(0.5));
        running
            .variances
            .iter_mut()
            .flatten()
            .for_each(|variance| *variance += noise(0.5));
        let x = (0..n * n_features).map(|_| noise(1.7)).collect();
        let mut targets: Vec<f32> = (0..n * classes).map(|_| noise(0.5) + 0.5).collect();
        for row in targets.chunks_mut(classes) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|target| *target /= sum);
        }
        let weights = (0..n).map(|_| 1.0 + noise(0.5)).collect();
        Case {
            layers,
            n_features,
            classes,
            params,
            running,
            x,
            targets,
            weights,
        }
    }

    fn architecture(architecture: Architecture, n: usize) -> Self {
        Case::new(architecture.layers(21, 3), 21, 3, n)
    }

    fn n(&self) -> usize {
        self.weights.len()
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            x: &self.x,
            targets: &self.targets,
            weights: Some(&self.weights),
        }
    }

    fn engine(&self, max_batch: usize) -> Engine {
        Engine::new(&self.layers, self.n_features, max_batch).unwrap()
    }

    /// Loss, logits, gradients, moved statistics of one step.
    fn step(&self, engine: &mut Engine) -> (f32, Vec<f32>, Params, Running) {
        let mut running = self.running.clone();
        let mut grads = Params::zeros(&self.layers);
        grads
            .tensors
            .iter_mut()
            .flatten()
            .for_each(|gradient| *gradient = f32::NAN);
        let loss = engine.train_step(&self.params, &mut running, &self.batch(), KEY, &mut grads);
        (loss, engine.logits_of_last_step().to_vec(), grads, running)
    }

    fn double_params(&self) -> Vec<Vec<f64>> {
        self.params
            .tensors
            .iter()
            .map(|tensor| tensor.iter().map(|&value| f64::from(value)).collect())
            .collect()
    }

    /// Logits as the definition of each layer gives them, and the statistics it normalised with.
    fn reference(&self, params: &[Vec<f64>], training: bool) -> (Vec<f64>, Vec<(f64, f64)>) {
        let mut channels = input_channels(&self.layers);
        let (n, mut length) = (self.n(), self.n_features / channels);
        let mut signal: Vec<f64> = self.x.iter().map(|&value| f64::from(value)).collect();
        let (mut tensors, mut norms, mut statistics) = (params.iter(), 0, Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            match *layer {
                Conv {
                    inputs,
                    outputs,
                    kernel,
                } => {
                    let (weight, bias) = (tensors.next().unwrap(), tensors.next().unwrap());
                    let mut out = Vec::with_capacity(n * length * outputs);
                    for (sample, row) in
                        (0..n).flat_map(|sample| (0..length).map(move |row| (sample, row)))
                    {
                        let mut sums = bias.clone();
                        for tap in 0..kernel {
                            let Some(from) = (row + tap)
                                .checked_sub(kernel / 2)
                                .filter(|&from| from < length)
                            else {
                                continue;
                            };
                            let values = &signal[(sample * length + from) * inputs..][..inputs];
                            for (&value, weights) in values
                                .iter()
                                .zip(weight[tap * inputs * outputs..].chunks(outputs))
                            {
                                sums.iter_mut()
                                    .zip(weights)
                                    .for_each(|(sum, &weight)| *sum += value * weight);
                            }
                        }
                        out.extend(sums);
                    }
                    (signal, channels) = (out, outputs);
                }
                Dense { inputs, outputs } => {
                    let (weight, bias) = (tensors.next().unwrap(), tensors.next().unwrap());
                    let unit = |row: &[f64], unit: usize| {
                        bias[unit]
                            + (0..inputs)
                                .map(|i| row[i] * weight[i * outputs + unit])
                                .sum::<f64>()
                    };
                    signal = signal
                        .chunks(inputs)
                        .flat_map(|row| (0..outputs).map(move |out| unit(row, out)))
                        .collect();
                    channels = outputs;
                }
                BatchNorm { channels } => {
                    let (gamma, beta) = (tensors.next().unwrap(), tensors.next().unwrap());
                    for channel in 0..channels {
                        let values: Vec<f64> = signal
                            .iter()
                            .skip(channel)
                            .step_by(channels)
                            .copied()
                            .collect();
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        let variance = values
                            .iter()
                            .map(|value| (value - mean).powi(2))
                            .sum::<f64>()
                            / values.len() as f64;
                        let stored = (
                            self.running.means[norms][channel],
                            self.running.variances[norms][channel],
                        );
                        let used = if training {
                            (mean, variance)
                        } else {
                            (f64::from(stored.0), f64::from(stored.1))
                        };
                        let scale = gamma[channel] / (used.1 + BATCH_NORM_EPSILON).sqrt();
                        let places = signal.iter_mut().skip(channel).step_by(channels);
                        places.for_each(|value| *value = (*value - used.0) * scale + beta[channel]);
                        statistics.push(used);
                    }
                    norms += 1;
                }
                Relu => signal.iter_mut().for_each(|value| *value = value.max(0.0)),
                Dropout { p } if training => {
                    let mask = dropout_mask(KEY, index, signal.len(), p);
                    signal
                        .iter_mut()
                        .zip(mask)
                        .for_each(|(value, factor)| *value *= f64::from(factor));
                }
                Dropout { .. } => {}
                MaxPool { size } => {
                    let pooled = length / size;
                    let place = |sample: usize, row: usize, channel: usize| {
                        signal[(sample * length + row) * channels + channel]
                    };
                    let window = |sample: usize, row: usize, channel: usize| {
                        (row * size..(row + 1) * size)
                            .map(|row| place(sample, row, channel))
                            .fold(f64::NEG_INFINITY, f64::max)
                    };
                    let places = (0..n * pooled * channels)
                        .map(|i| (i / channels / pooled, i / channels % pooled, i % channels));
                    signal = places
                        .map(|(sample, row, channel)| window(sample, row, channel))
                        .collect();
                    length = pooled;
                }
                Attend { channels: width } => {
                    let weight = tensors.next().unwrap();
                    let pooled = |rows: &[f64]| {
                        let scores = rows.chunks(width).map(|row| {
                            row.iter()
                                .zip(weight)
                                .map(|(x, w)| x * w)
                                .sum::<f64>()
                                .exp()
                        });
                        let shares: Vec<f64> = scores.collect();
                        let total: f64 = shares.iter().sum();
                        let expect = |f: &dyn Fn(usize) -> f64| {
                            (0..length)
                                .map(|row| shares[row] / total * f(row))
                                .sum::<f64>()
                        };
                        let means: Vec<f64> = (0..width)
                            .map(|c| expect(&|row| rows[row * width + c]))
                            .collect();
                        let variance =
                            |c: usize| expect(&|row| (rows[row * width + c] - means[c]).powi(2));
                        let deviations = (0..width).map(|c| (variance(c) + ATTEND_EPSILON).sqrt());
                        means
                            .iter()
                            .copied()
                            .chain(deviations)
                            .collect::<Vec<f64>>()
                    };
                    signal = signal.chunks(length * width).flat_map(pooled).collect();
                    (length, channels) = (1, 2 * width);
                }
                WeightedSum { .. } => {
                    let weight = tensors.next().unwrap();
                    let total: f64 = weight.iter().map(|w| w.exp()).sum();
                    let shares: Vec<f64> = weight.iter().map(|w| w.exp() / total).collect();
                    let sum = |rows: &[f64], c: usize| {
                        (0..length)
                            .map(|row| shares[row] * rows[row * channels + c])
                            .sum::<f64>()
                    };
                    let samples = signal.chunks(length * channels);
                    signal = samples
                        .flat_map(|rows| (0..channels).map(move |c| (rows, c)))
                        .map(|(rows, c)| sum(rows, c))
                        .collect();
                    length = 1;
                }
                Flatten => (length, channels) = (1, length * channels),
            }
        }
        (signal, statistics)
    }

    fn reference_loss(&self, params: &[Vec<f64>]) -> f64 {
        let (logits, _) = self.reference(params, true);
        let rows = logits
            .chunks(self.classes)
            .zip(self.targets.chunks(self.classes))
            .zip(&self.weights);
        let loss = rows.map(|((logits, targets), &weight)| {
            let normaliser = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let terms = logits
                .iter()
                .zip(targets)
                .map(|(logit, &target)| f64::from(target) * (normaliser - logit));
            f64::from(weight) * terms.sum::<f64>()
        });
        loss.sum::<f64>() / self.n() as f64
    }

    /// Derivative of the reference's loss along a direction in one tensor, by central differences.
    fn slope(&self, tensor: usize, direction: &[f64]) -> f64 {
        const STEP: f64 = 1e-6;
        let mut params = self.double_params();
        let mut loss_at = |step: f64| {
            let values = params[tensor]
                .iter_mut()
                .zip(&self.params.tensors[tensor])
                .zip(direction);
            values.for_each(|((value, &start), along)| *value = f64::from(start) + step * along);
            self.reference_loss(&params)
        };
        (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP)
    }

    /// Both forward passes, the loss and the running statistics against the reference.
    fn check_forward(&self) {
        let mut engine = self.engine(self.n() + 1);
        let close = |name: &str, ours: &[f32], reference: &[f64]| {
            let scale = reference
                .iter()
                .fold(1.0, |largest: f64, value| largest.max(value.abs()));
            assert_eq!(ours.len(), reference.len());
            for (ours, reference) in ours.iter().zip(reference) {
                assert!(
                    (f64::from(*ours) - reference).abs() < 2e-5 * scale,
                    "{name}: {ours} for {reference} in {:?}",
                    self.layers
                );
            }
        };
        let params = self.double_params();
        close(
            "inference",
            engine.infer(&self.params, &self.running, &self.x).unwrap(),
            &self.reference(&params, false).0,
        );
        let (loss, logits, _, running) = self.step(&mut engine);
        let (expected, statistics) = self.reference(&params, true);
        close("training", &logits, &expected);
        close("loss", &[loss], &[self.reference_loss(&params)]);
        let moved = |old: &[Vec<f32>], batch: fn(&(f64, f64)) -> f64| -> Vec<f64> {
            let blend = |(old, batch)| {
                BATCH_NORM_MOMENTUM * f64::from(old) + (1.0 - BATCH_NORM_MOMENTUM) * batch
            };
            old.iter()
                .flatten()
                .copied()
                .zip(statistics.iter().map(batch))
                .map(blend)
                .collect()
        };
        close(
            "running mean",
            &running.means.concat(),
            &moved(&self.running.means, |pair| pair.0),
        );
        close(
            "running variance",
            &running.variances.concat(),
            &moved(&self.running.variances, |pair| pair.1),
        );
    }

    /// The statistics over all samples against those of the reference without dropout, and their
    /// independence of the batch and of what stood there before.
    fn check_norms(mut self) {
        for layer in &mut self.layers {
            if let Dropout { p } = layer {
                *p = 0.0;
            }
        }
        let measured = |max_batch: usize, mut running: Running| {
            self.engine(max_batch)
                .measure_norms(&self.params, &mut running, &self.x)
                .unwrap();
            running
        };
        let statistics = measured(self.n(), self.running.clone());
        for max_batch in [1, 3] {
            assert_eq!(
                measured(max_batch, Running::new(&self.layers)),
                statistics,
                "{:?}",
                self.layers
            );
        }
        let (_, expected) = self.reference(&self.double_params(), true);
        let ours: Vec<(f32, f32)> = statistics
            .means
            .iter()
            .flatten()
            .copied()
            .zip(statistics.variances.iter().flatten().copied())
            .collect();
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.into_iter().zip(expected) {
            let close = |ours: f32, expected: f64| {
                (f64::from(ours) - expected).abs() < 2e-5 * expected.abs().max(1.0)
            };
            assert!(
                close(ours.0, expected.0) && close(ours.1, expected.1),
                "{ours:?} for {expected:?} in {:?}",
                self.layers
            );
        }
    }

    /// Every single derivative, for small networks.
    fn check_gradients(&self) {
        let (_, _, grads, _) = self.step(&mut self.engine(self.n()));
        for (tensor, gradients) in grads.tensors.iter().enumerate() {
            let scale = gradients.iter().fold(1e-2, |largest: f64, &gradient| {
                largest.max(f64::from(gradient).abs())
            });
            for (place, &ours) in gradients.iter().enumerate() {
                let mut direction = vec![0.0; gradients.len()];
                direction[place] = 1.0;
                let expected = self.slope(tensor, &direction);
                let name = &Params::shapes(&self.layers)[tensor].0;
                let error = (f64::from(ours) - expected).abs();
                assert!(
                    error < 1e-4 * scale,
                    "{name}[{place}]: {ours} for {expected} in {:?}",
                    self.layers
                );
            }
        }
    }

    /// The derivative of each tensor along its gradient and along a random direction, for large
    /// networks.
    ///
    /// Directions have length 1: longer ones carry some of the many ReLUs and maxima over an edge
    /// within the step.
    fn check_gradients_along_directions(&self) {
        let (_, _, grads, _) = self.step(&mut self.engine(self.n()));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (tensor, gradients) in grads.tensors.iter().enumerate() {
            let norm = gradients
                .iter()
                .map(|&gradient| f64::from(gradient).powi(2))
                .sum::<f64>()
                .sqrt();
            let side = (gradients.len() as f64).sqrt().recip();
            let along: Vec<f64> = gradients
                .iter()
                .map(|&gradient| f64::from(gradient) / norm.max(1e-9))
                .collect();
            let random: Vec<f64> = gradients
                .iter()
                .map(|_| if rng.next_u32() & 1 == 0 { side } else { -side })
                .collect();
            for (direction, expected_size) in [(along, norm), (random, norm * side)] {
                let ours: f64 = gradients
                    .iter()
                    .zip(&direction)
                    .map(|(&gradient, along)| f64::from(gradient) * along)
                    .sum();
                let expected = self.slope(tensor, &direction);
                let name = &Params::shapes(&self.layers)[tensor].0;
                assert!(
                    (ours - expected).abs() < 2e-4 * expected_size + 2e-6,
                    "{name}: {ours} for {expected}, norm {norm}"
                );
            }
        }
    }
}

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
            .measure_norms(&case.params, &mut case.running.clone(), &[])
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
            .measure_norms(&case.params, &mut running, &case.x)
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
