//! Small problems for the tests of the models.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::Device;
use crate::model::classifier::Classifier;
use crate::split::{Dataset, Matrix, Part, Parts, Role, Shape};

/// Rows with these training classes and as many features of pseudo-random noise; the last
/// `validation` of them form the validation part.
pub(crate) fn parts(y: &[usize], validation: usize, n_classes: usize, n_features: usize) -> Parts {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let values = (0..y.len() * n_features)
        .map(|_| rng.random_range(-1.0f32..1.0))
        .collect();
    let roles: Vec<_> = (0..y.len())
        .map(|i| {
            Some(if i + validation < y.len() {
                Role::Train
            } else {
                Role::Validation
            })
        })
        .collect();
    Parts::of(&dataset(values, y.to_vec(), n_classes, n_features), &roles)
}

fn dataset(values: Vec<f32>, y: Vec<usize>, n_classes: usize, n_features: usize) -> Dataset {
    Dataset {
        ids: (0..y.len()).map(|i| format!("u{i:04}")).collect(),
        labels: (0..n_classes).map(|c| format!("class{c}")).collect(),
        x: Matrix::new(y.len(), n_features, values).into(),
        shape: Shape::vector(n_features),
        speakers: vec!["s".to_owned(); y.len()],
        y,
    }
}

/// One cloud per class around corners of a cube, noise uniform within `spread`; two rows of three
/// train, then validation and test in turn.
pub(crate) fn blobs(
    rows: usize,
    n_classes: usize,
    n_features: usize,
    spread: f32,
    seed: u64,
) -> Parts {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let y: Vec<usize> = (0..rows).map(|i| i % n_classes).collect();
    let mut values = Vec::new();
    for &class in &y {
        for f in 0..n_features {
            let centre = if (f + class) % n_classes.max(2) == 0 {
                1.0
            } else {
                -1.0
            };
            values.push(centre + spread * rng.random_range(-1.0f32..1.0));
        }
    }
    let role = |i: usize| match (i / n_classes) % 6 {
        0..4 => Role::Train,
        4 => Role::Validation,
        _ => Role::Test,
    };
    let roles: Vec<_> = (0..rows).map(|i| Some(role(i))).collect();
    Parts::of(&dataset(values, y, n_classes, n_features), &roles)
}

/// The GPUs that this build knows and this machine has; those that are not there are said to be
/// skipped.
pub(crate) fn gpus() -> Vec<Device> {
    let there = |device: &Device| {
        let hardware = device.hardware();
        match &hardware {
            Ok(name) => println!("{}: {}", device.name(), name.as_deref().unwrap_or_default()),
            Err(_) => crate::skipped::skipped("gpu", format_args!("no {} device", device.name())),
        }
        hardware.is_ok()
    };
    Device::ALL
        .into_iter()
        .filter(|device| device.is_gpu())
        .filter(there)
        .collect()
}

/// Share of rows whose most probable class is the true one.
pub(crate) fn accuracy<R>(model: &mut dyn Classifier, part: &Part<R>) -> f64 {
    let p = model
        .probabilities(&part.x().gather())
        .expect("probabilities");
    let hits = p
        .chunks(part.n_classes())
        .zip(part.y())
        .filter(|(row, y)| row.iter().all(|v| v <= &row[**y]))
        .count();
    hits as f64 / part.len() as f64
}
