//! The rows of each training step: order, targets and sample weights, all drawn from streams keyed
//! by seed and epoch.

use std::f64::consts::TAU;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::model::{SpecAugment, TrainSettings};
use crate::rng;
use crate::split::{Part, Training};

/// What a stream of random numbers is for; no two purposes share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Initial = 0,
    Shuffle = 1,
    Dropout = 2,
    Mixup = 3,
    Masks = 4,
}

/// The stream of one purpose in one epoch: nothing depends on what was drawn before, so a resumed
/// training needs no generator's state.
pub(crate) fn stream(seed: u64, epoch: usize, purpose: Purpose) -> ChaCha8Rng {
    rng::keyed([seed, epoch as u64, purpose as u64])
}

/// Row ranges of the steps of an epoch over `rows` rows; a last step of one row joins the one
/// before (batch normalisation needs two rows).
pub(crate) fn steps(rows: usize, batch_size: usize) -> Vec<std::ops::Range<usize>> {
    let mut steps: Vec<_> = (0..rows)
        .step_by(batch_size)
        .map(|start| start..rows.min(start + batch_size))
        .collect();
    if steps.len() > 1 && rows % batch_size == 1 {
        steps.pop();
        if let Some(last) = steps.last_mut() {
            last.end = rows;
        }
    }
    steps
}

/// Weights of the classes by inverse frequency, so that a row weighs 1 on average; classes without
/// rows weigh 0.
pub(crate) fn class_weights(y: &[usize], n_classes: usize) -> Vec<f32> {
    let mut counts = vec![0usize; n_classes];
    for &class in y {
        counts[class] += 1;
    }
    let present = counts.iter().filter(|&&c| c > 0).count();
    counts
        .iter()
        .map(|&c| {
            if c == 0 {
                0.0
            } else {
                (y.len() as f64 / (present * c) as f64) as f32
            }
        })
        .collect()
}

/// The buffers of one step and the streams of one epoch.
pub(crate) struct Batches<'a> {
    train: &'a Part<Training>,
    smoothing: f32,
    mixup: f64,
    class_weights: Option<Vec<f32>>,
    order: Vec<usize>,
    dropout: ChaCha8Rng,
    mixing: ChaCha8Rng,
    spec_augment: Option<SpecAugment>,
    /// Values of a frame.
    channels: usize,
    changing: ChaCha8Rng,
    /// Where a row is made that is rewritten when it is read.
    row: Vec<f32>,
    /// Features `[n, features]` of the current step.
    pub(crate) x: Vec<f32>,
    /// Probabilities `[n, classes]`.
    pub(crate) targets: Vec<f32>,
    /// Sample weights `[n]`, or empty.
    pub(crate) weights: Vec<f32>,
}

impl<'a> Batches<'a> {
    /// No epoch begun yet.
    pub(crate) fn new(
        train: &'a Part<Training>,
        settings: &TrainSettings,
        channels: usize,
    ) -> Self {
        Batches {
            train,
            smoothing: settings.label_smoothing as f32,
            mixup: settings.mixup,
            class_weights: settings
                .class_weights
                .then(|| class_weights(train.y(), train.n_classes())),
            order: Vec::new(),
            dropout: stream(0, 0, Purpose::Dropout),
            mixing: stream(0, 0, Purpose::Mixup),
            spec_augment: settings.spec_augment,
            channels,
            changing: stream(0, 0, Purpose::Masks),
            row: Vec::new(),
            x: Vec::new(),
            targets: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Shuffles for an epoch.
    pub(crate) fn begin(&mut self, seed: u64, epoch: usize) {
        self.order = (0..self.train.len()).collect();
        self.order
            .shuffle(&mut stream(seed, epoch, Purpose::Shuffle));
        self.dropout = stream(seed, epoch, Purpose::Dropout);
        self.mixing = stream(seed, epoch, Purpose::Mixup);
        self.changing = stream(seed, epoch, Purpose::Masks);
    }

    /// Fills the buffers with the next step's rows and returns its dropout key; steps are taken in
    /// order.
    pub(crate) fn fill(&mut self, step: std::ops::Range<usize>) -> u64 {
        let (train, classes) = (self.train, self.train.n_classes());
        self.x.clear();
        self.targets.clear();
        self.weights.clear();
        let rows = &self.order[step];
        for &row in rows {
            let begin = self.x.len();
            let values = train.x().block(row..row + 1, &mut self.row);
            self.x.extend_from_slice(values);
            if let Some(spec_augment) = &self.spec_augment {
                change(
                    &mut self.x[begin..],
                    self.channels,
                    spec_augment,
                    &mut self.changing,
                );
            }
            let floor = self.smoothing / classes as f32;
            let start = self.targets.len();
            self.targets.resize(start + classes, floor);
            self.targets[start + train.y()[row]] += 1.0 - self.smoothing;
        }
        if let Some(weights) = &self.class_weights {
            self.weights
                .extend(rows.iter().map(|&row| weights[train.y()[row]]));
        }
        if self.mixup > 0.0 {
            self.mix();
        }
        self.dropout.next_u64()
    }

    /// Mixes every row with a partner of the same step (Zhang et al. 2018, arXiv 1710.09412), one
    /// share per row.
    fn mix(&mut self) {
        let n = self.x.len() / self.train.x().cols();
        let mut partners: Vec<usize> = (0..n).collect();
        partners.shuffle(&mut self.mixing);
        let shares: Vec<f32> = (0..n)
            .map(|_| beta(self.mixup, &mut self.mixing) as f32)
            .collect();
        let blend = |values: &mut Vec<f32>| {
            let width = values.len() / n;
            let old = values.clone();
            for (i, row) in values.chunks_exact_mut(width.max(1)).enumerate() {
                let other = &old[partners[i] * width..(partners[i] + 1) * width];
                for (value, &other) in row.iter_mut().zip(other) {
                    *value = shares[i] * *value + (1.0 - shares[i]) * other;
                }
            }
        };
        blend(&mut self.x);
        blend(&mut self.targets);
        blend(&mut self.weights);
    }
}

/// Shifts and masks one spectrogram `[frames, channels]`.
fn change(frames: &mut [f32], channels: usize, spec_augment: &SpecAugment, rng: &mut ChaCha8Rng) {
    let length = frames.len() / channels;
    let most = spec_augment.shift.min(length);
    let shift = rng.random_range(0..=2 * most);
    if shift > most {
        let by = (shift - most) * channels;
        frames.copy_within(..frames.len() - by, by);
        frames[..by].fill(0.0);
    } else {
        let by = (most - shift) * channels;
        frames.copy_within(by.., 0);
        let end = frames.len() - by;
        frames[end..].fill(0.0);
    }
    let mut stretch = |widest: usize, of: usize| {
        let width = rng.random_range(0..=widest.min(of));
        let begin = rng.random_range(0..=of - width);
        begin..begin + width
    };
    for _ in 0..spec_augment.frequency_masks {
        let masked = stretch(spec_augment.frequency_width, channels);
        frames
            .chunks_exact_mut(channels)
            .for_each(|frame| frame[masked.clone()].fill(0.0));
    }
    for _ in 0..spec_augment.time_masks {
        let masked = stretch(spec_augment.time_width, length);
        frames[masked.start * channels..masked.end * channels].fill(0.0);
    }
}

/// One draw from Beta(alpha, alpha), as the share of the first of two gamma variates.
fn beta(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    let (a, b) = (gamma(alpha, rng), gamma(alpha, rng));
    if a + b > 0.0 {
        a / (a + b)
    } else {
        // Both underflowed, as a tiny alpha makes them do: the distribution then sits on 0 and 1.
        f64::from(u8::from(rng.random_bool(0.5)))
    }
}

/// One draw from Gamma(alpha, 1): Marsaglia and Tsang 2000, with their boost for alpha below 1.
fn gamma(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    if alpha < 1.0 {
        let boost = uniform(rng).powf(1.0 / alpha);
        return gamma(alpha + 1.0, rng) * boost;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = (-2.0 * uniform(rng).ln()).sqrt() * (TAU * uniform(rng)).cos();
        let v = (1.0 + c * normal).powi(3);
        if v > 0.0 && uniform(rng).ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// Uniform in (0, 1].
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data;
    use crate::model::train::tests::settings;

    #[test]
    fn a_lonely_last_row_joins_the_step_before() {
        assert_eq!(steps(9, 4), [0..4, 4..9]);
        assert_eq!(steps(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(steps(3, 4), vec![0..3; 1]);
    }

    #[test]
    fn every_row_appears_once_an_epoch_in_an_order_of_its_own() {
        let parts = test_data::parts(&[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 0, 3, 1);
        let mut batches = Batches::new(&parts.train, &settings(), 1);
        let mut epoch = |seed, epoch| {
            batches.begin(seed, epoch);
            let mut keys = Vec::new();
            let mut x = Vec::new();
            for step in steps(10, 4) {
                keys.push(batches.fill(step));
                x.extend_from_slice(&batches.x);
            }
            (x, keys)
        };
        let (first, again, second, other) = (epoch(1, 1), epoch(1, 1), epoch(1, 2), epoch(2, 1));
        assert_eq!(first, again);
        assert!(
            first.0 != second.0
                && first.0 != other.0
                && first.1 != second.1
                && first.1[0] != first.1[1]
        );
        let sorted = |mut x: Vec<f32>| {
            x.sort_by(f32::total_cmp);
            x
        };
        assert_eq!(
            sorted(first.0),
            sorted(parts.train.x().gather().values().to_vec())
        );
    }

    #[test]
    fn targets_weights_and_mixtures_stay_distributions() {
        let parts = test_data::parts(&[0, 0, 0, 1, 0, 0], 0, 3, 2);
        let settings = TrainSettings {
            label_smoothing: 0.3,
            class_weights: true,
            mixup: 0.4,
            ..settings()
        };
        let mut batches = Batches::new(&parts.train, &settings, 1);
        batches.begin(3, 1);
        batches.fill(0..6);
        for row in batches.targets.chunks(3) {
            assert!(
                (row.iter().sum::<f32>() - 1.0).abs() < 1e-6
                    && row.iter().all(|&p| p >= 0.1 - 1e-6),
                "{row:?}"
            );
        }
        assert_eq!(class_weights(parts.train.y(), 3), [0.6, 3.0, 0.0]);
        assert!(batches.weights.iter().all(|w| (0.6..=3.0).contains(w)));
        batches.mixup = 0.0;
        batches.fill(0..6);
        assert!(
            batches
                .targets
                .chunks(3)
                .all(|row| row.iter().any(|&p| (p - 0.8).abs() < 1e-6))
        );
        assert!((batches.weights.iter().sum::<f32>() - 6.0).abs() < 1e-5);
    }

    #[test]
    fn spectrograms_are_shifted_and_masked() {
        let spec_augment = SpecAugment {
            frequency_masks: 1,
            frequency_width: 2,
            time_masks: 1,
            time_width: 3,
            shift: 4,
        };
        let original: Vec<f32> = (1..=200).map(|v| v as f32).collect();
        let mut rng = stream(5, 1, Purpose::Masks);
        let (mut shifts, mut bands, mut times) = (vec![], vec![], vec![]);
        for _ in 0..300 {
            let mut frames = original.clone();
            change(&mut frames, 10, &spec_augment, &mut rng);
            // What is left of a value says by how many frames it moved.
            let moved: Vec<i64> = frames
                .iter()
                .enumerate()
                .filter(|(_, v)| **v != 0.0)
                .map(|(i, v)| i as i64 - (*v as i64 - 1))
                .collect();
            assert!(moved.iter().all(|by| *by == moved[0] && by % 10 == 0));
            shifts.push(moved[0] / 10);
            bands.push(
                (0..10)
                    .filter(|c| (0..20).all(|t| frames[t * 10 + c] == 0.0))
                    .count(),
            );
            times.push(
                (0..20)
                    .filter(|t| (0..10).all(|c| frames[t * 10 + c] == 0.0))
                    .count(),
            );
        }
        assert_eq!(
            (shifts.iter().min(), shifts.iter().max()),
            (Some(&-4), Some(&4))
        );
        assert_eq!(
            (bands.iter().min(), bands.iter().max()),
            (Some(&0), Some(&2))
        );
        assert!(times.iter().max() == Some(&7) && times.contains(&0));
        let mut same = original.clone();
        let nothing = SpecAugment {
            frequency_masks: 0,
            frequency_width: 0,
            time_masks: 0,
            time_width: 0,
            shift: 0,
        };
        change(&mut same, 10, &nothing, &mut rng);
        assert_eq!(same, original);
    }

    #[test]
    fn beta_has_its_moments() {
        for alpha in [0.01, 0.2, 1.0, 3.0] {
            let mut rng = stream(1, 1, Purpose::Mixup);
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5).abs() < 0.015, "alpha {alpha}: mean {mean}");
            assert!(
                (variance - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.005,
                "alpha {alpha}: variance {variance}"
            );
        }
    }
}
