//! A network in plain double precision, what the engine is held against.

use super::super::*;
use crate::model::Architecture;
use crate::model::architecture::{Layer, input_channels};
use crate::model::params::{ATTEND_EPSILON, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
use crate::model::params::{Params, Running};
use crate::split::{Matrix, RowView};
use Layer::{Attend, BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu, WeightedSum};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KEY: u64 = 0x5eed;

/// A network with parameters away from their initial symmetries, and a batch.
pub(super) struct Case {
    pub(super) layers: Vec<Layer>,
    pub(super) n_features: usize,
    pub(super) classes: usize,
    pub(super) params: Params,
    pub(super) running: Running,
    pub(super) x: Vec<f32>,
    pub(super) targets: Vec<f32>,
    pub(super) weights: Vec<f32>,
}

impl Case {
    pub(super) fn new(layers: Vec<Layer>, n_features: usize, classes: usize, n: usize) -> Self {
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

    pub(super) fn architecture(architecture: Architecture, n: usize) -> Self {
        Case::new(architecture.layers(21, 3), 21, 3, n)
    }

    pub(super) fn n(&self) -> usize {
        self.weights.len()
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        Batch {
            x: &self.x,
            targets: &self.targets,
            weights: Some(&self.weights),
        }
    }

    pub(super) fn engine(&self, max_batch: usize) -> Engine {
        Engine::new(&self.layers, self.n_features, max_batch).unwrap()
    }

    /// Loss, logits, gradients, moved statistics of one step.
    pub(super) fn step(&self, engine: &mut Engine) -> (f32, Vec<f32>, Params, Running) {
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

    pub(super) fn double_params(&self) -> Vec<Vec<f64>> {
        self.params
            .tensors
            .iter()
            .map(|tensor| tensor.iter().map(|&value| f64::from(value)).collect())
            .collect()
    }

    /// Logits as the definition of each layer gives them, and the statistics it normalised with.
    pub(super) fn reference(
        &self,
        params: &[Vec<f64>],
        training: bool,
    ) -> (Vec<f64>, Vec<(f64, f64)>) {
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

    pub(super) fn reference_loss(&self, params: &[Vec<f64>]) -> f64 {
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
    pub(super) fn slope(&self, tensor: usize, direction: &[f64]) -> f64 {
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
    pub(super) fn check_forward(&self) {
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

    /// The first of the samples as rows.
    pub(super) fn samples(&self, n: usize) -> RowView {
        Matrix::new(n, self.n_features, self.x[..n * self.n_features].to_vec()).into()
    }

    /// The statistics over all samples against those of the reference without dropout, and their
    /// independence of the batch and of what stood there before.
    pub(super) fn check_norms(mut self) {
        for layer in &mut self.layers {
            if let Dropout { p } = layer {
                *p = 0.0;
            }
        }
        let measured = |max_batch: usize, mut running: Running| {
            self.engine(max_batch)
                .measure_norms(&self.params, &mut running, &self.samples(self.n()))
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
    pub(super) fn check_gradients(&self) {
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
    pub(super) fn check_gradients_along_directions(&self) {
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
